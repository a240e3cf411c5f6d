"""Further activations, with a scale, a gate or a learned slope; each function beside its module.

Imports fastad's functions.  Next: branches.py, the texts' own modules.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import abs as magnitude
from .. import clip, elu, expm1, sigmoid, softmax, where
from .. import softplus as log1pexp
from .._core.make import as_tensors
from . import init
from .module import Module
from .parameter import Parameter, positive, uninitialised

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike, DType

# fixed point of mean 0 and variance 1 under x -> scale * elu(x, alpha)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def celu(input: ArrayLike, alpha: float = 1.0) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)); the derivative at 0 is 1.

    Raises ValueError if alpha is 0.  Source: Barron, Continuously Differentiable Exponential Linear Units, 2017.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.functional.celu(fastad.tensor([-2.0, 3.0]), 2.0), 4)
    tensor([-1.2642,  3.    ])
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    if alpha == 1:
        return elu(input)
    x, = as_tensors(input)
    return where(x > 0, x, alpha * expm1(clip(x, max=0.0) / alpha))


class CELU(Module):
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)): see `fastad.nn.functional.celu`.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.CELU(2.0)(fastad.tensor([-2.0, 3.0])), 4)
    tensor([-1.2642,  3.    ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return celu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


def softplus(input: ArrayLike, beta: float = 1.0, threshold: float | None = None) -> Tensor:
    """log(1 + exp(beta x)) / beta, accurate everywhere.

    PyTorch turns to x itself where beta x is above a threshold, 20; here only if one is given.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.functional.softplus(fastad.tensor([-1.0, 0.0, 2.0]), 2.0), 4)
    tensor([0.0635, 0.3466, 2.0091])
    """
    x, = as_tensors(input)
    y = log1pexp(x) if beta == 1 else log1pexp(x * beta) / beta
    return y if threshold is None else where(x * beta > threshold, x, y)


def selu(input: ArrayLike) -> Tensor:
    """scale elu(x, alpha), with scale 1.0507 and alpha 1.6733: mean 0 and variance 1 stay as they are.

    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.functional.selu(fastad.tensor([-1.0, 2.0])), 4)
    tensor([-1.1113,  2.1014])
    """
    return elu(input, SELU_ALPHA) * SELU_SCALE


class SELU(Module):
    """scale elu(x, alpha), which keeps mean 0 and variance 1: see `fastad.nn.functional.selu`.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.SELU()(fastad.tensor([-1.0, 2.0])), 4)
    tensor([-1.1113,  2.1014])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return selu(input)


def softsign(input: ArrayLike) -> Tensor:
    """x / (1 + abs(x)).

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.softsign(fastad.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5 ,  0.  ,  0.75])
    """
    x, = as_tensors(input)
    return x / (1 + magnitude(x))


class Softsign(Module):
    """x / (1 + abs(x)).

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Softsign()(fastad.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5 ,  0.  ,  0.75])
    """

    def forward(self, input: Tensor) -> Tensor:
        return softsign(input)


def softmin(input: ArrayLike, axis: int = -1) -> Tensor:
    """softmax(-x) along an axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.functional.softmin(fastad.tensor([0.0, 1.0, 2.0])), 4)
    tensor([0.6652, 0.2447, 0.09  ])
    """
    x, = as_tensors(input)
    return softmax(-x, axis)


class Softmin(Module):
    """softmax(-x) along an axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.Softmin()(fastad.tensor([0.0, 1.0, 2.0])), 4)
    tensor([0.6652, 0.2447, 0.09  ])
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return softmin(input, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


def glu(input: ArrayLike, axis: int = -1) -> Tensor:
    """a sigmoid(b), a and b the first and the second half of x along an axis.

    Raises ValueError if the axis has an odd length.  Source: Dauphin et al., Language Modeling with Gated Convolutional
    Networks, 2016.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.glu(fastad.tensor([1.0, 2.0, 0.0, 0.0]))
    tensor([0.5, 1. ])
    """
    x, = as_tensors(input)
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(f"glu: axis {axis} is out of bounds for an input of shape {x.shape}")
    half, rest = divmod(x.shape[axis], 2)
    if rest:
        raise ValueError(f"glu: axis {axis} of an input of shape {x.shape} must have an even length, to be halved")
    before = (slice(None),) * (axis % x.ndim)
    a: Tensor = x[(*before, slice(None, half))]
    return a * sigmoid(x[(*before, slice(half, None))])


class GLU(Module):
    """a sigmoid(b), a and b the halves of x along an axis: see `fastad.nn.functional.glu`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.GLU()(fastad.tensor([1.0, 2.0, 0.0, 0.0]))
    tensor([0.5, 1. ])
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return glu(input, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


def prelu(input: ArrayLike, weight: ArrayLike) -> Tensor:
    """x for x > 0, else weight * x, with derivatives by both; at 0 that by x is the weight.

    Parameters
    ----------
    input : (N, C, ...) for a weight of C numbers, any shape for a weight of one
    weight : one number, or (C,)

    Raises
    ------
    ValueError
        If weight has neither one number nor one for each channel.

    Notes
    -----
    He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.prelu(fastad.tensor([-2.0, 3.0]), fastad.tensor(0.25))
    tensor([-0.5,  3. ])
    """
    x, w = as_tensors(input, weight)
    if w.size != 1 or w.ndim > 1:
        if w.ndim != 1 or x.ndim < 2 or w.size != x.shape[1]:
            raise ValueError(f"prelu: weight of shape {w.shape} must hold one number, or one for each channel of an input "
                             f"of shape {x.shape}, which stand along axis 1")
        w = w.reshape((-1,) + (1,) * (x.ndim - 2))
    elif w.ndim > x.ndim:
        w = w.reshape(())
    return where(x > 0, x, w * clip(x, max=0.0))


class PReLU(Module):
    """x for x > 0, else weight * x, the weight learned: see `fastad.nn.functional.prelu`.

    Parameters
    ----------
    num_parameters : int
        1, or one weight for each channel (axis 1 of the input).
    init : float
    dtype : float dtype, default float32

    Attributes
    ----------
    weight : (num_parameters,)

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.PReLU(dtype="float64")
    >>> layer(fastad.tensor([-2.0, 3.0])).detach()
    tensor([-0.5,  3. ])
    """

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: DType | None = None) -> None:
        super().__init__()
        positive("PReLU", num_parameters=num_parameters)
        self.num_parameters, self.init = num_parameters, init
        self.weight = uninitialised((num_parameters,), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The first value again."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
