"""Dropout, of elements and of whole channels, as functions and as layers.  Next: rnn.py, which drops between its layers."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.make import as_tensors, from_numpy
from .._core.primitives.attention import dropout as drop
from .._core.primitives.attention import random_mask
from .._core.tape import is_grad_enabled
from .._core.tensor import Tensor
from ..random import default_generator
from .module import Module

if TYPE_CHECKING:
    from .._typing import ArrayLike


def probability(name: str, p: float, what: str = "p") -> float:
    """`p`, checked."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: {what} is the probability that an element is dropped, between 0 and 1; got {p}")
    return float(p)


def scales(p: float, inverted: bool) -> tuple[float, float]:
    """(the factor of what is kept in training, that of everything in evaluation)"""
    if not inverted:
        return 1.0, 1 - p
    return (1 / (1 - p) if p < 1 else 0.0), 1.0


def given(name: str, input: ArrayLike) -> Tensor:
    """The input as a tensor that has a product with floats."""
    x, = as_tensors(input)
    if x.dtype.kind not in "fc":
        raise TypeError(f"{name}: the input must be float or complex, got {x.dtype}; use astype('float32')")
    return x


def written(input: ArrayLike, y: Tensor, inplace: bool) -> Tensor:
    """`y`, or the input with its numbers if that is asked for and nothing is being recorded."""
    if inplace and isinstance(input, Tensor) and y is not input and not (is_grad_enabled() and input.requires_grad):
        return input.copy_(y)
    return y


def dropout(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False, inverted: bool = True) -> Tensor:
    """Zero with probability p, else input / (1 - p), each element for itself: the mean stays.

    The derivative is g / (1 - p) where it was kept, else 0.  The mask comes from fastad's random state (`manual_seed`).
    Without `training`, or with p = 0, it is the input itself.

    Parameters
    ----------
    input : Tensor or array_like, float or complex
    p : float
        The probability that an element is dropped.
    training : bool
    inplace : bool
        Write into a tensor that no derivative is recorded of; where one is, the result is a new tensor.
    inverted : bool
        False: as the texts teach it, what is kept stays as it is in training, and without `training` all is multiplied by
        the probability 1 - p of keeping it.

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
    >>> fastad.nn.functional.dropout([2.0, 4.0], 0.25, training=False, inverted=False)
    tensor([1.5, 3. ])
    """
    p = probability("dropout", p)
    x = given("dropout", input)
    kept, always = scales(p, inverted)
    if not training:
        return x if always == 1 else written(input, x * always, inplace)
    return x if p == 0 else written(input, drop(x, 1 - p, kept, default_generator().bit_generator), inplace)


def of_channels(name: str, input: ArrayLike, p: float, training: bool, inplace: bool, inverted: bool,
                spatial: int) -> Tensor:
    """Dropout of whole channels, which stand before the last `spatial` axes."""
    p = probability(name, p)
    x = given(name, input)
    if x.ndim not in (spatial + 1, spatial + 2):
        axes = "L" if spatial == 1 else "H, W"
        raise ValueError(f"{name}: the input must be (C, {axes}) or (N, C, {axes}), got shape {x.shape}")
    kept, always = scales(p, inverted)
    if not training:
        return x if always == 1 else written(input, x * always, inplace)
    if p == 0:
        return x
    mask = random_mask(x.shape[:-spatial] + (1,) * spatial, 1 - p, default_generator().bit_generator)
    return written(input, x * from_numpy(mask * x.dtype.type(kept)), inplace)


def dropout1d(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False,
              inverted: bool = True) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L) with probability p, else input / (1 - p); otherwise as `dropout`.

    Raises ValueError if p is not between 0 and 1, or the shape is another; TypeError if the input is not float or complex.

    Notes
    -----
    J. Tompson et al., Efficient object localization using convolutional networks, 2015.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.functional.dropout1d(fastad.ones((50, 4, 3)))
    >>> sorted(set(y.sum(axis=-1).ravel().tolist()))
    [0.0, 6.0]
    """
    return of_channels("dropout1d", input, p, training, inplace, inverted, 1)


def dropout2d(input: ArrayLike, p: float = 0.5, training: bool = True, inplace: bool = False,
              inverted: bool = True) -> Tensor:
    """Zero whole channels of (N, C, H, W) or (C, H, W) with probability p, else input / (1 - p); otherwise as `dropout`.

    Raises ValueError if p is not between 0 and 1, or the shape is another; TypeError if the input is not float or complex.

    Notes
    -----
    J. Tompson et al., Efficient object localization using convolutional networks, 2015.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.functional.dropout2d(fastad.ones((50, 4, 3, 2)))
    >>> sorted(set(y.sum(axis=(-2, -1)).ravel().tolist()))
    [0.0, 12.0]
    """
    return of_channels("dropout2d", input, p, training, inplace, inverted, 2)


class Dropout(Module):
    """Zero with probability p, else the input / (1 - p), while training; the input itself after `eval()`.

    With ``inverted=False``, as the texts teach it: what is kept stays as it is, and after `eval()` all is multiplied by
    1 - p.  `inplace` and errors: see `fastad.nn.functional.dropout`.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.Dropout(0.25)
    >>> sorted({round(v, 4) for v in layer(fastad.ones(1000)).tolist()})
    [0.0, 1.3333]
    >>> layer.eval()(fastad.ones(2))
    tensor([1., 1.])
    >>> fastad.nn.Dropout(0.25, inverted=False).eval()(fastad.ones(2))
    tensor([0.75, 0.75])
    """

    function = staticmethod(dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False, inverted: bool = True) -> None:
        super().__init__()
        self.p = probability(type(self).__name__, p)
        self.inplace, self.inverted = inplace, inverted

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.p, self.training, self.inplace, self.inverted)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}" + ("" if self.inverted else ", inverted=False")


class Dropout1d(Dropout):
    """Zero whole channels of (N, C, L) with probability p while training; see `Dropout`, `fastad.nn.functional.dropout1d`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Dropout1d(0.5).eval()(fastad.ones((1, 1, 2)))
    tensor([[[1., 1.]]])
    """

    function = staticmethod(dropout1d)


class Dropout2d(Dropout):
    """Zero whole channels of (N, C, H, W) with probability p while training: `Dropout`, `fastad.nn.functional.dropout2d`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Dropout2d(0.5).eval()(fastad.ones((1, 1, 1, 2)))
    tensor([[[[1., 1.]]]])
    """

    function = staticmethod(dropout2d)
