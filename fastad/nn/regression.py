"""Losses of numbers and of distributions; each function beside its module, all with `reduction` and `sample_weight`.

The mean divides by the number of losses, or by what the weights of their samples add up to: see `fastad.cross_entropy`.
Imports loss.py.  Next: margin.py.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import clip, exp, log, square, where
from .._core.make import as_tensors
from .._core.primitives.functions import huber
from .._core.primitives.loss import check_probabilities, check_reduction, pair, reduced
from .distance import at_least
from .loss import Loss

if TYPE_CHECKING:
    from typing import Literal

    from .._core.tensor import Tensor
    from .._typing import ArrayLike, Reduction


def above(name: str, **bound: float) -> None:
    """A number that must be above 0."""
    (what, value), = bound.items()
    if not value > 0:
        raise ValueError(f"{name}: {what} must be above 0, got {value}")


def not_negative(name: str, what: str, t: Tensor) -> None:
    """Every entry is 0 or more; a NaN is not."""
    a = t.detach().numpy()
    good = a >= 0
    if not good.all():
        place = np.unravel_index(int(np.argmin(good)), a.shape)
        raise ValueError(f"{name}: {what}{[int(i) for i in place] or ''} is {a[place]}; every entry must be at least 0")


def half_squared_error(input: ArrayLike, target: ArrayLike, reduction: Reduction = "sum", *,
                       sample_weight: ArrayLike | None = None) -> Tensor:
    """(input - target)^2 / 2, summed unless told otherwise: its derivative is input - target.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.half_squared_error(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    2.0
    """
    check_reduction("half_squared_error", reduction)
    x, t = pair("half_squared_error", input, target)
    return reduced("half_squared_error", square(x - t) * 0.5, reduction, sample_weight)


class HalfSquaredErrorLoss(Loss):
    """(input - target)^2 / 2: see `fastad.nn.functional.half_squared_error`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.HalfSquaredErrorLoss()(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    2.0
    """

    def __init__(self, reduction: Reduction = "sum") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return half_squared_error(input, target, self.reduction, sample_weight=sample_weight)


def _huber(name: str, input: ArrayLike, target: ArrayLike, delta: float) -> Tensor:
    x, t = pair(name, input, target)
    return huber(x - t, delta)


def huber_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = "mean", delta: float = 1.0, *,
               sample_weight: ArrayLike | None = None) -> Tensor:
    """d^2 / 2 where abs(d) <= delta, else delta (abs(d) - delta / 2), for d = input - target.

    Raises ValueError if the shapes differ or delta is not above 0, TypeError if the dtypes differ.  Source: Huber, 1964.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.huber_loss(fastad.tensor([1.0, 4.0]), fastad.tensor([0.0, 0.0]), "none")
    tensor([0.5, 3.5])
    """
    check_reduction("huber_loss", reduction)
    above("huber_loss", delta=delta)
    return reduced("huber_loss", _huber("huber_loss", input, target, delta), reduction, sample_weight)


class HuberLoss(Loss):
    """Squared near 0, linear beyond delta: see `fastad.nn.functional.huber_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.HuberLoss()(fastad.tensor([1.0, 4.0]), fastad.tensor([0.0, 0.0])).item()
    2.0
    """

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        above("HuberLoss", delta=delta)
        self.delta = delta

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta, sample_weight=sample_weight)


def smooth_l1_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = "mean", beta: float = 1.0, *,
                   sample_weight: ArrayLike | None = None) -> Tensor:
    """d^2 / (2 beta) where abs(d) < beta, else abs(d) - beta / 2: `huber_loss` over beta, and `l1_loss` for beta = 0.

    Raises ValueError if the shapes differ or beta is negative, TypeError if the dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.smooth_l1_loss(fastad.tensor([1.0, 4.0]), fastad.tensor([0.0, 0.0]), "none", beta=2.0)
    tensor([0.25, 3.  ])
    """
    check_reduction("smooth_l1_loss", reduction)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must be at least 0, got {beta}")
    if beta == 0:
        x, t = pair("smooth_l1_loss", input, target)
        return reduced("smooth_l1_loss", abs(x - t), reduction, sample_weight)
    losses = _huber("smooth_l1_loss", input, target, beta)
    return reduced("smooth_l1_loss", losses if beta == 1 else losses / beta, reduction, sample_weight)


class SmoothL1Loss(Loss):
    """The absolute error, rounded off below beta: see `fastad.nn.functional.smooth_l1_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.SmoothL1Loss()(fastad.tensor([1.0, 4.0]), fastad.tensor([0.0, 0.0])).item()
    2.0
    """

    def __init__(self, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return smooth_l1_loss(input, target, self.reduction, self.beta, sample_weight=sample_weight)


def tukey_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = "mean", c: float = 4.685, *,
               sample_weight: ArrayLike | None = None) -> Tensor:
    """Tukey's biweight: c^2/6 (1 - (1 - (d/c)^2)^3) where abs(d) <= c, else c^2/6, for d = input - target.

    Beyond c an outlier has no gradient; within, it is d (1 - (d/c)^2)^2.  Raises ValueError if the shapes differ or c is not
    above 0, TypeError if the dtypes differ.  Source: Beaton and Tukey, 1974.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.tukey_loss(fastad.tensor([1.0, 4.0]), fastad.tensor([0.0, 0.0]), "none", c=2.0)
    tensor([0.38541667, 0.66666667])
    """
    check_reduction("tukey_loss", reduction)
    above("tukey_loss", c=c)
    x, t = pair("tukey_loss", input, target)
    s = square(clip((x - t) / c, -1.0, 1.0))
    return reduced("tukey_loss", s * (3 + s * (s - 3)) * (c * c / 6), reduction, sample_weight)    # nothing cancels at 0


class TukeyLoss(Loss):
    """Tukey's biweight, for data with outliers: see `fastad.nn.functional.tukey_loss`.

    Examples
    --------
    >>> import fastad
    >>> loss = fastad.nn.TukeyLoss(c=2.0)(fastad.tensor([1.0, 4.0]), fastad.tensor([0.0, 0.0]))
    >>> round(loss.item(), 4)
    0.526
    """

    def __init__(self, reduction: Reduction = "mean", c: float = 4.685) -> None:
        super().__init__(reduction)
        above("TukeyLoss", c=c)
        self.c = c

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return tukey_loss(input, target, self.reduction, self.c, sample_weight=sample_weight)


def gaussian_nll_loss(input: ArrayLike, target: ArrayLike, var: ArrayLike, full: bool = False, eps: float = 1e-6,
                      reduction: Reduction = "mean", *, sample_weight: ArrayLike | None = None) -> Tensor:
    """(log v + (input - target)^2 / v) / 2 for v = max(var, eps); with `full`, and log(2 pi) / 2.

    Parameters
    ----------
    input, target : Tensor or array_like
        Means and observations, of one shape and dtype.
    var : Tensor or array_like
        Variances, 0 or more: a number, the shape of input, or that with 1 for its last axis or without it.  Where var is
        below eps, its derivative is that at eps.
    full : bool
    eps : float
        Above 0.
    reduction : 'mean', 'sum' or 'none'
    sample_weight : array_like, optional

    Raises
    ------
    ValueError
        If the shapes do not fit, a variance is negative, or eps is not above 0.
    TypeError
        If the dtypes differ.

    Notes
    -----
    Nix and Weigend, Estimating the mean and variance of the target probability distribution, 1994.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.gaussian_nll_loss(fastad.tensor([1.0]), fastad.tensor([3.0]), fastad.tensor([1.0])).item()
    2.0
    """
    name = "gaussian_nll_loss"
    check_reduction(name, reduction)
    above(name, eps=eps)
    x, t = pair(name, input, target)
    v, = as_tensors(var)
    not_negative(name, "var", v)
    if v.shape == x.shape[:-1] and v.ndim:
        v = v[..., None]
    if v.ndim and v.shape not in (x.shape, (*x.shape[:-1], 1)):
        raise ValueError(f"{name}: var must be a number or have shape {x.shape}, {(*x.shape[:-1], 1)} or {x.shape[:-1]}, "
                         f"got {v.shape}")
    v = at_least(v.astype(x.dtype), eps)
    losses = 0.5 * (log(v) + square(x - t) / v)
    return reduced(name, losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction, sample_weight)


class GaussianNLLLoss(Loss):
    """Of observations under normal distributions: see `fastad.nn.functional.gaussian_nll_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.GaussianNLLLoss()(fastad.tensor([1.0]), fastad.tensor([3.0]), fastad.tensor([1.0])).item()
    2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        above("GaussianNLLLoss", eps=eps)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: ArrayLike, var: ArrayLike, *,
                sample_weight: ArrayLike | None = None) -> Tensor:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction, sample_weight=sample_weight)


def poisson_nll_loss(input: ArrayLike, target: ArrayLike, log_input: bool = True, full: bool = False, eps: float = 1e-8,
                     reduction: Reduction = "mean", *, sample_weight: ArrayLike | None = None) -> Tensor:
    """exp(input) - target input, the rate being exp(input); or input - target log(input + eps) for log_input=False.

    With `full`, and Stirling's target log(target) - target + log(2 pi target) / 2 where target > 1.

    Raises ValueError if the shapes differ or a target is negative, TypeError if the dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.poisson_nll_loss(fastad.tensor([0.0]), fastad.tensor([3.0])).item()
    1.0
    """
    name = "poisson_nll_loss"
    check_reduction(name, reduction)
    x, t = pair(name, input, target)
    not_negative(name, "target", t)
    losses = exp(x) - t * x if log_input else x - t * log(x + eps)
    if full:
        large = t > 1
        safe = where(large, t, 1.0)
        losses = losses + where(large, safe * log(safe) - safe + 0.5 * log(2 * math.pi * safe), 0.0)
    return reduced(name, losses, reduction, sample_weight)


class PoissonNLLLoss(Loss):
    """Of counts under Poisson distributions: see `fastad.nn.functional.poisson_nll_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.PoissonNLLLoss()(fastad.tensor([0.0]), fastad.tensor([3.0])).item()
    1.0
    """

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return poisson_nll_loss(input, target, self.log_input, self.full, self.eps, self.reduction,
                                sample_weight=sample_weight)


def kl_div(input: ArrayLike, target: ArrayLike, reduction: Reduction | Literal["batchmean"] = "mean",
           log_target: bool = False, *, sample_weight: ArrayLike | None = None) -> Tensor:
    """target (log(target) - input), input being log-probabilities: the divergence of Kullback and Leibler is its sum.

    'mean' is the mean over all entries, as PyTorch's; 'batchmean', the sum over the number of samples (or over what their
    weights add up to), is what the divergence means.  With `log_target` target is log-probabilities too.

    Raises ValueError if the shapes differ or a target is no probability, TypeError if the dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> q, p = fastad.log(fastad.tensor([[0.5, 0.5]])), fastad.tensor([[1.0, 0.0]])
    >>> round(fastad.nn.functional.kl_div(q, p, reduction="batchmean").item(), 4)
    0.6931
    """
    if reduction != "batchmean":
        check_reduction("kl_div", reduction)
    x, t = pair("kl_div", input, target)
    if log_target:
        losses = exp(t) * (t - x)
    else:
        check_probabilities("kl_div", "target", t)
        losses = where(t > 0, t * log(where(t > 0, t, 1.0)), 0.0) - t * x
    if reduction != "batchmean":
        return reduced("kl_div", losses, reduction, sample_weight)
    if not x.ndim:
        raise ValueError("kl_div: reduction='batchmean' needs an axis of samples, input has shape ()")
    return reduced("kl_div", losses.reshape((len(x), -1)).sum(1) if x.size else losses.sum(tuple(range(1, x.ndim))), "mean",
                   sample_weight)


class KLDivLoss(Loss):
    """The divergence of distributions: see `fastad.nn.functional.kl_div`.

    Examples
    --------
    >>> import fastad
    >>> q, p = fastad.log(fastad.tensor([[0.5, 0.5]])), fastad.tensor([[1.0, 0.0]])
    >>> round(fastad.nn.KLDivLoss(reduction="batchmean")(q, p).item(), 4)
    0.6931
    """

    REDUCTIONS = ("mean", "sum", "none", "batchmean")
    reduction: Reduction | Literal["batchmean"]  # type: ignore[assignment]

    def __init__(self, reduction: Reduction | Literal["batchmean"] = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)  # type: ignore[arg-type]
        self.log_target = log_target

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return kl_div(input, target, self.reduction, self.log_target, sample_weight=sample_weight)
