"""Lengths and angles of vectors: normalize, cosine_similarity, pairwise_distance, and their modules.

Imports fastad's functions.  Next: margin.py, the losses that are made of them.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import broadcast_to, clip, norm, where
from .._core.make import as_tensors
from .module import Module

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike


def at_least(x: Tensor, bound: float) -> Tensor:
    """x, and the bound where x is less; the derivative is that of x all the same, as PyTorch's losses have it."""
    low = x.detach() < bound
    return where(low, x - x.detach() + bound, x) if low.any() else x


def normalize(input: ArrayLike, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(norm of x, eps): vectors along an axis, of length 1 in the norm of order p.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.normalize(fastad.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6, 0.8],
            [0. , 0. ]])
    """
    x, = as_tensors(input)
    return x / clip(norm(x, p, axis, keepdims=True), min=eps)


def cosine_similarity(x1: ArrayLike, x2: ArrayLike, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)), of vectors along an axis of the shape that both broadcast to.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    AxisError
        If the axis is none of the common shape.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.functional.cosine_similarity(fastad.tensor([3.0, 4.0]), fastad.tensor([4.0, 3.0]), axis=0), 4)
    tensor(0.96)
    """
    a, b = as_tensors(x1, x2)
    common = _common("cosine_similarity", a, b)
    if not -len(common) <= axis < len(common):
        raise np.exceptions.AxisError(f"cosine_similarity: axis {axis} is out of bounds for vectors of shape {common}")
    axis = axis % len(common) - len(common)
    a, b = (_along(x, axis, common[axis]) for x in (a, b))
    a, b = (x / at_least(norm(x, 2, axis, keepdims=True), eps) for x in (a, b))
    return (a * b).sum(axis)


def _common(name: str, a: Tensor, b: Tensor) -> tuple[int, ...]:
    """The shape that both broadcast to."""
    try:
        return np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"{name}: x1 of shape {a.shape} and x2 of shape {b.shape} do not broadcast") from None


def _along(x: Tensor, axis: int, length: int) -> Tensor:
    """With an axis (negative) of this length."""
    shape = [1] * (-axis - x.ndim) + list(x.shape)
    if shape[axis] == length and len(shape) == x.ndim:
        return x
    shape[axis] = length
    return broadcast_to(x, shape)


class CosineSimilarity(Module):
    """The cosine of the angle of vectors: see `fastad.nn.functional.cosine_similarity`.

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.CosineSimilarity()(fastad.tensor([[3.0, 4.0]]), fastad.tensor([[4.0, 3.0]])), 4)
    tensor([0.96])
    """

    def __init__(self, axis: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.axis, self.eps = axis, eps

    def forward(self, x1: ArrayLike, x2: ArrayLike) -> Tensor:
        return cosine_similarity(x1, x2, self.axis, self.eps)

    def extra_repr(self) -> str:
        return f"axis={self.axis}, eps={self.eps}"


def pairwise_distance(x1: ArrayLike, x2: ArrayLike, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Tensor:
    """The norm of order p of x1 - x2 + eps along the last axis.

    Raises ValueError if the shapes do not broadcast, or there is no axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.pairwise_distance(fastad.tensor([[3.0, 4.0]]), fastad.tensor([[0.0, 0.0]]), eps=0.0)
    tensor([5.])
    """
    a, b = as_tensors(x1, x2)
    if not _common("pairwise_distance", a, b):
        raise ValueError("pairwise_distance: two numbers are no vectors; give each an axis")
    return norm(a - b + eps, p, -1, keepdims)


class PairwiseDistance(Module):
    """The distance of vectors: see `fastad.nn.functional.pairwise_distance`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.PairwiseDistance(p=1.0, eps=0.0)(fastad.tensor([[3.0, 4.0]]), fastad.tensor([[0.0, 0.0]]))
    tensor([7.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> None:
        super().__init__()
        self.p, self.eps, self.keepdims = p, eps, keepdims

    def forward(self, x1: ArrayLike, x2: ArrayLike) -> Tensor:
        return pairwise_distance(x1, x2, self.p, self.eps, self.keepdims)

    def extra_repr(self) -> str:
        return f"p={self.p}, eps={self.eps}, keepdims={self.keepdims}"
