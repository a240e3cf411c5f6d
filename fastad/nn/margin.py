"""Losses with a margin, of labels 1 and -1, of classes, and of distances; each function beside its module.

All have `reduction` and `sample_weight`: the mean divides by the number of losses, or by what the weights add up to.
Imports distance.py and loss.py.  Next: penalty.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import clip, minimum, relu, softplus, sqrt, where
from .._core.make import as_tensors
from .._core.primitives.loss import check_reduction, class_targets, class_weights, reduced
from .distance import pairwise_distance
from .loss import Loss

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike, Reduction


def alike(name: str, **inputs: ArrayLike) -> list[Tensor]:
    """Inputs of one shape and one float dtype."""
    first, *others = found = as_tensors(*inputs.values())
    for what, x in zip(inputs, found, strict=True):
        if x.dtype.kind != "f":
            raise TypeError(f"{name}: {what} must be a float tensor, its dtype is {x.dtype}; use astype")
    for what, x in zip(list(inputs)[1:], others, strict=True):
        if x.shape != first.shape:
            raise ValueError(f"{name}: {what} must have the shape of {next(iter(inputs))}, {first.shape}, got {x.shape}")
        if x.dtype != first.dtype:
            raise TypeError(f"{name}: {what} is {x.dtype} and {next(iter(inputs))} {first.dtype}; convert one with astype")
    return found


def labels(name: str, target: ArrayLike, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Targets, each 1 or -1, in the dtype of x."""
    t, = as_tensors(target)
    if t.shape != shape:
        raise ValueError(f"{name}: target must have shape {shape}, one label for each loss, got {t.shape}")
    a = t.detach().numpy()
    wrong = (a != 1) & (a != -1)
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), a.shape)
        raise ValueError(f"{name}: target{[int(i) for i in place] or ''} is {a[place]}; every label must be 1 or -1")
    return t.detach().astype(x.dtype)


def hinge_embedding_loss(input: ArrayLike, target: ArrayLike, margin: float = 1.0, reduction: Reduction = "mean", *,
                         sample_weight: ArrayLike | None = None) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1, for distances x.

    Raises ValueError if the shapes differ or a target is neither 1 nor -1.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.hinge_embedding_loss(fastad.tensor([0.25, 0.25]), [1, -1], reduction="none")
    tensor([0.25, 0.75])
    """
    name = "hinge_embedding_loss"
    check_reduction(name, reduction)
    x, = alike(name, input=input)
    t = labels(name, target, x, x.shape)
    return reduced(name, where(t > 0, x, clip(margin - x, min=0.0)), reduction, sample_weight)


class HingeEmbeddingLoss(Loss):
    """Of distances that should be small or large: see `fastad.nn.functional.hinge_embedding_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.HingeEmbeddingLoss()(fastad.tensor([0.25, 0.25]), fastad.tensor([1, -1])).item()
    0.5
    """

    def __init__(self, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, self.reduction, sample_weight=sample_weight)


def soft_margin_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = "mean", *,
                     sample_weight: ArrayLike | None = None) -> Tensor:
    """log(1 + exp(-target x)), without overflow, for targets 1 and -1.

    Raises ValueError if the shapes differ or a target is neither 1 nor -1.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.soft_margin_loss(fastad.tensor([0.0, -1e4]), [1, 1], "none")
    tensor([6.93147181e-01, 1.00000000e+04])
    """
    check_reduction("soft_margin_loss", reduction)
    x, = alike("soft_margin_loss", input=input)
    t = labels("soft_margin_loss", target, x, x.shape)
    return reduced("soft_margin_loss", softplus(-t * x), reduction, sample_weight)


class SoftMarginLoss(Loss):
    """log(1 + exp(-target x)): see `fastad.nn.functional.soft_margin_loss`.

    Examples
    --------
    >>> import fastad
    >>> round(fastad.nn.SoftMarginLoss()(fastad.tensor([0.0, 2.0]), fastad.tensor([1, -1])).item(), 4)
    1.41
    """

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return soft_margin_loss(input, target, self.reduction, sample_weight=sample_weight)


def margin_ranking_loss(input1: ArrayLike, input2: ArrayLike, target: ArrayLike, margin: float = 0.0,
                        reduction: Reduction = "mean", *, sample_weight: ArrayLike | None = None) -> Tensor:
    """max(0, -target (x1 - x2) + margin): for the target 1 x1 should be the larger, for -1 x2.

    Raises ValueError if the shapes differ or a target is neither 1 nor -1, TypeError if the dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.margin_ranking_loss(fastad.tensor([3.0, 3.0]), fastad.tensor([1.0, 1.0]), [1, -1]).item()
    1.0
    """
    check_reduction("margin_ranking_loss", reduction)
    a, b = alike("margin_ranking_loss", input1=input1, input2=input2)
    t = labels("margin_ranking_loss", target, a, a.shape)
    return reduced("margin_ranking_loss", clip(t * (b - a) + margin, min=0.0), reduction, sample_weight)


class MarginRankingLoss(Loss):
    """Of two scores that should stand in an order: see `fastad.nn.functional.margin_ranking_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MarginRankingLoss()(fastad.tensor([3.0, 3.0]), fastad.tensor([1.0, 1.0]), fastad.tensor([1, -1])).item()
    1.0
    """

    def __init__(self, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: ArrayLike, *,
                sample_weight: ArrayLike | None = None) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, self.reduction, sample_weight=sample_weight)


def cosine_embedding_loss(input1: ArrayLike, input2: ArrayLike, target: ArrayLike, margin: float = 0.0,
                          reduction: Reduction = "mean", *, sample_weight: ArrayLike | None = None) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1, cos being that of the vectors' angle.

    The vectors are (N, D) with N targets, or (D,) with one; their squared lengths count 1e-12 more, as PyTorch's.

    Raises ValueError if the shapes do not fit or a target is neither 1 nor -1, TypeError if the dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> a, b = fastad.tensor([[1.0, 0.0], [1.0, 0.0]]), fastad.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> fastad.nn.functional.cosine_embedding_loss(a, b, [1, -1], reduction="none")
    tensor([1., 1.])
    """
    name = "cosine_embedding_loss"
    check_reduction(name, reduction)
    a, b = alike(name, input1=input1, input2=input2)
    if a.ndim not in (1, 2):
        raise ValueError(f"{name}: the inputs must have shape (N, D) or (D,), got {a.shape}")
    t = labels(name, target, a, a.shape[:-1])
    cos = (a * b).sum(-1) / sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    return reduced(name, where(t > 0, 1 - cos, clip(cos - margin, min=0.0)), reduction, sample_weight)


class CosineEmbeddingLoss(Loss):
    """Of vectors that should point the same way or not: see `fastad.nn.functional.cosine_embedding_loss`.

    Examples
    --------
    >>> import fastad
    >>> a, b = fastad.tensor([[1.0, 0.0], [1.0, 0.0]]), fastad.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> round(fastad.nn.CosineEmbeddingLoss()(a, b, [1, -1]).item(), 4)
    1.0
    """

    def __init__(self, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: ArrayLike, *,
                sample_weight: ArrayLike | None = None) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, self.reduction, sample_weight=sample_weight)


def triplet_margin_loss(anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, reduction: Reduction = "mean", *,
                        sample_weight: ArrayLike | None = None) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d being `pairwise_distance` of order p.

    With `swap`, d(positive, negative) stands for d(anchor, negative) where it is less.

    Raises ValueError if the shapes differ or margin is not above 0, TypeError if the dtypes differ.  Source: Balntas et al.,
    Learning shallow convolutional feature descriptors with triplet losses, 2016.

    Examples
    --------
    >>> import fastad
    >>> a, p, n = fastad.tensor([[0.0, 0.0]]), fastad.tensor([[3.0, 4.0]]), fastad.tensor([[0.0, 2.0]])
    >>> fastad.round(fastad.nn.functional.triplet_margin_loss(a, p, n), 4)
    tensor(4.)
    """
    name = "triplet_margin_loss"
    check_reduction(name, reduction)
    if not margin > 0:
        raise ValueError(f"{name}: margin must be above 0, got {margin}")
    a, b, c = alike(name, anchor=anchor, positive=positive, negative=negative)
    if not a.ndim:
        raise ValueError(f"{name}: the inputs must have shape (N, D) or (D,), got ()")
    far = pairwise_distance(a, c, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(b, c, p, eps))
    return reduced(name, clip(margin + pairwise_distance(a, b, p, eps) - far, min=0.0), reduction, sample_weight)


class TripletMarginLoss(Loss):
    """Of a vector that should be nearer to one than to another: see `fastad.nn.functional.triplet_margin_loss`.

    Examples
    --------
    >>> import fastad
    >>> a, p, n = fastad.tensor([[0.0, 0.0]]), fastad.tensor([[3.0, 4.0]]), fastad.tensor([[0.0, 2.0]])
    >>> fastad.round(fastad.nn.TripletMarginLoss()(a, p, n), 4)
    tensor(4.)
    """

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
                 reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin must be above 0, got {margin}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor, *,
                sample_weight: ArrayLike | None = None) -> Tensor:
        return triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction,
                                   sample_weight=sample_weight)


def _hinges(name: str, input: ArrayLike, target: ArrayLike, p: int, margin: float, weight: ArrayLike | None,
            divide: bool) -> Tensor:
    """Of each sample the sum over the other classes of weight_y max(0, x_j - x_y + margin)^p; `divide`d by their number."""
    x, = as_tensors(input)
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p}")
    if x.ndim not in (1, 2):
        raise ValueError(f"{name}: input must have shape (N, C) or (C,), got {x.shape}")
    w = class_weights(name, weight, x)
    t = class_targets(name, x, as_tensors(target)[0], None)[0]
    classes = np.arange(x.shape[-1])
    own = x[t] if x.ndim == 1 else x[np.arange(len(t)), t][:, None]
    z = relu(x - (own - margin))
    z = where(t[..., None] == classes, 0.0, z if p == 1 else z * z).sum(-1)
    if divide:
        z = z / len(classes)
    return z if w is None else z * w[t]


def multi_margin_loss(input: ArrayLike, target: ArrayLike, p: int = 1, margin: float = 1.0, weight: ArrayLike | None = None,
                      reduction: Reduction = "mean", *, sample_weight: ArrayLike | None = None) -> Tensor:
    """sum over j != y of weight_y max(0, x_j - x_y + margin)^p, over the number of classes: PyTorch's multiclass hinge.

    `multiclass_hinge_loss` does not divide by the number of classes.

    Parameters
    ----------
    input : (N, C) or (C,)
        Scores.
    target : integers (N,) or ()
    p : 1 or 2
    margin : float
    weight : (C,), optional
        A weight for each class.  The mean divides by the number of samples all the same.
    reduction : 'mean', 'sum' or 'none'
    sample_weight : array_like, optional
        The mean divides by its sum.

    Raises
    ------
    ValueError
        If a target is not a class, or shapes or p do not fit.
    TypeError
        If the input is not float, or the target no integers.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.multi_margin_loss(fastad.tensor([[1.0, 2.0, 0.5, 1.0]]), [1]).item()
    0.0
    >>> fastad.nn.functional.multi_margin_loss(fastad.tensor([[1.0, 2.0, 0.5, 1.0]]), [0]).item()
    0.875
    """
    name = "multi_margin_loss"
    check_reduction(name, reduction)
    return reduced(name, _hinges(name, input, target, p, margin, weight, True), reduction, sample_weight)


class MultiMarginLoss(Loss):
    """The multiclass hinge over the number of classes: see `fastad.nn.functional.multi_margin_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MultiMarginLoss()(fastad.tensor([[1.0, 2.0, 0.5, 1.0]]), [0]).item()
    0.875
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, weight)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction,
                                 sample_weight=sample_weight)


def multiclass_hinge_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = "mean", *, margin: float = 1.0,
                          sample_weight: ArrayLike | None = None) -> Tensor:
    """The support vector machine's: sum over j != y of max(0, x_j - x_y + margin), and its mean over the samples.

    It is `multi_margin_loss` times the number of classes; shapes and errors are the same.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.multiclass_hinge_loss(fastad.tensor([[1.0, 2.0, 0.5, 1.0]]), [0]).item()
    3.5
    """
    name = "multiclass_hinge_loss"
    check_reduction(name, reduction)
    return reduced(name, _hinges(name, input, target, 1, margin, None, False), reduction, sample_weight)


class MulticlassHingeLoss(Loss):
    """The multiclass hinge, summed over the classes: see `fastad.nn.functional.multiclass_hinge_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MulticlassHingeLoss()(fastad.tensor([[1.0, 2.0, 0.5, 1.0]]), [0]).item()
    3.5
    """

    def __init__(self, reduction: Reduction = "mean", *, margin: float = 1.0) -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return multiclass_hinge_loss(input, target, self.reduction, margin=self.margin, sample_weight=sample_weight)
