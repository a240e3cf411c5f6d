"""Dropout, as a function and as a layer.  Next: rnn.py, which drops between its layers."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors, from_numpy
from ..random import default_generator
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._core.tensor import Tensor
    from .._typing import ArrayLike

FINE = 1 << 16                                # a number of 16 random bits decides


def probability(name: str, p: float, what: str = "p") -> float:
    """`p`, checked."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: {what} is the probability that an element is dropped, between 0 and 1; got {p}")
    return float(p)


def kept(shape: tuple[int, ...], share: float) -> npt.NDArray[np.bool_]:
    """Booleans, each true with this probability."""
    size = math.prod(shape)
    generator = default_generator()
    bits = generator.bit_generator.random_raw((size + 3) // 4).view(np.uint16)[:size]
    whole = int(share * FINE)
    keep = bits < whole
    part = share * FINE - whole
    if part:                                  # where 16 bits leave it open, others decide
        open_ = np.flatnonzero(bits == whole)
        keep[open_] = generator.random(len(open_)) < part
    return keep.reshape(shape)


def dropout(input: ArrayLike, p: float = 0.5, training: bool = True) -> Tensor:
    """Zero with probability p, else input / (1 - p), each element for itself: the mean stays.

    The derivative is g / (1 - p) where it was kept, else 0.  The mask comes from fastad's random state (`manual_seed`).
    Without `training`, or with p = 0, it is the input itself.

    Raises
    ------
    ValueError
        If p is not between 0 and 1.
    TypeError
        If the input is not float or complex.

    Notes
    -----
    N. Srivastava et al., Dropout, 2014.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.functional.dropout(fastad.ones(1000), 0.25)
    >>> sorted({round(v, 4) for v in y.tolist()})
    [0.0, 1.3333]
    """
    p = probability("dropout", p)
    x, = as_tensors(input)
    if x.dtype.kind not in "fc":
        raise TypeError(f"dropout: the input must be float or complex, got {x.dtype}; use astype('float32')")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    mask = np.multiply(kept(x.shape, 1 - p), x.dtype.type(1 / (1 - p)), dtype=x.dtype)
    return x * from_numpy(np.asarray(mask))


class Dropout(Module):
    """Zero with probability p, else the input / (1 - p), while training; the input itself after `eval()`.

    Raises ValueError if p is not between 0 and 1.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.Dropout(0.25)
    >>> sorted({round(v, 4) for v in layer(fastad.ones(1000)).tolist()})
    [0.0, 1.3333]
    >>> layer.eval()(fastad.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = probability("Dropout", p)

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
