"""The modules that the lecture texts have and PyTorch has not: Maxout, Duplicate, MaxOf, LinearActivation.

Imports linear.py.  Next: flatten.py.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import linear, where
from .._core.make import as_tensors
from . import init
from .module import Module
from .parameter import Parameter, positive, uninitialised

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike, DType, Generator


class LinearActivation(Module):
    """c x; the identity for c = 1.  Layers with it collapse to one affine map.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.LinearActivation(0.5)(fastad.tensor([-2.0, 4.0]))
    tensor([-1.,  2.])
    """

    def __init__(self, c: float = 1.0) -> None:
        super().__init__()
        self.c = c

    def forward(self, input: Tensor) -> Tensor:
        return input * self.c

    def extra_repr(self) -> str:
        return f"c={self.c}"


class Duplicate(Module):
    """The input n times, for n branches; its gradient is the sum of theirs.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(3.0, requires_grad=True)
    >>> a, b = fastad.nn.Duplicate()(x)
    >>> (2 * a + 5 * b).backward()
    >>> x.grad
    tensor(7.)
    """

    def __init__(self, n: int = 2) -> None:
        super().__init__()
        positive("Duplicate", n=n)
        self.n = n

    def forward(self, input: Tensor) -> tuple[Tensor, ...]:
        return (input,) * self.n

    def extra_repr(self) -> str:
        return f"n={self.n}"


class MaxOf(Module):
    """The larger of two inputs, elementwise; at a tie the gradient goes to the second (`fastad.maximum` shares it).

    A NaN in either is the result.

    Examples
    --------
    >>> import fastad
    >>> a = fastad.tensor([1.0, 5.0, 2.0], requires_grad=True)
    >>> b = fastad.tensor([4.0, 3.0, 2.0], requires_grad=True)
    >>> fastad.nn.MaxOf()(a, b).sum().backward()
    >>> a.grad, b.grad
    (tensor([0., 1., 0.]), tensor([1., 0., 1.]))
    """

    def forward(self, first: ArrayLike, second: ArrayLike) -> Tensor:
        a, b = as_tensors(first, second)
        return where((a > b) | (a != a), a, b)


class Maxout(Module):
    """max over k of x W_k^T + b_k: the largest of k linear maps, each unit for itself; a tie is shared, as by `max`.

    Source: Goodfellow et al., Maxout Networks, 2013.

    Parameters
    ----------
    in_features, out_features : int
    pieces : int
        k, the linear maps of each unit.
    bias : bool
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (pieces * out_features, in_features), uniform in +-1/sqrt(in_features); piece k has rows k * out_features on
    bias : (pieces * out_features,), the same; or None

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.Maxout(3, 4, pieces=5, dtype="float64")
    >>> layer(fastad.ones((2, 3))).shape
    (2, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, pieces: int = 2, bias: bool = True, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__()
        positive("Maxout", in_features=in_features, out_features=out_features, pieces=pieces)
        self.in_features, self.out_features, self.pieces = in_features, out_features, pieces
        self.weight = uninitialised((pieces * out_features, in_features), dtype)
        self.register_parameter("bias", uninitialised((pieces * out_features,), dtype) if bias else None)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator = None) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.in_features)
        for p in self.parameters():
            init.uniform_(p, -bound, bound, generator)

    def forward(self, input: Tensor) -> Tensor:
        maps = linear(input, self.weight, self.bias)
        return maps.reshape((*maps.shape[:-1], self.pieces, self.out_features)).max(-2)

    def extra_repr(self) -> str:
        return (f"in_features={self.in_features}, out_features={self.out_features}, pieces={self.pieces}, "
                f"bias={self.bias is not None}")
