"""Loss functions as modules; formulas, arguments and errors are those of the functions in functional.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .. import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from .module import Module

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike, Reduction


class Loss(Module):
    """What the losses share: a reduction, 'mean', 'sum' or 'none', and perhaps a constant weight.

    A call may take `sample_weight`, one number a sample; the mean then divides by the sum of these.
    """

    REDUCTIONS: tuple[str, ...] = ("mean", "sum", "none")
    weight: Tensor | None

    def __init__(self, reduction: Reduction = "mean", weight: Tensor | None = None) -> None:
        super().__init__()
        if reduction not in self.REDUCTIONS:
            raise ValueError(f"{type(self).__name__}: reduction must be one of {', '.join(self.REDUCTIONS)}, got "
                             f"{reduction!r}")
        self.reduction: Reduction = reduction
        self.register_buffer("weight", weight, persistent=False)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class CrossEntropyLoss(Loss):
    """Cross-entropy from logits: see `fastad.cross_entropy`.

    Examples
    --------
    >>> import fastad
    >>> loss = fastad.nn.CrossEntropyLoss()(fastad.tensor([[2.0, 0.0]]), fastad.tensor([0]))
    >>> round(loss.item(), 4)
    0.1269
    """

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: Reduction = "mean",
                 label_smoothing: float = 0.0) -> None:
        super().__init__(reduction, weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing, sample_weight=sample_weight
        )


class NLLLoss(Loss):
    """The loss of log-probabilities: see `fastad.nll_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.NLLLoss()(fastad.tensor([[-0.5, -1.0]]), fastad.tensor([1])).item()
    1.0
    """

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return nll_loss(input, target, self.weight, self.ignore_index, self.reduction, sample_weight=sample_weight)


class MSELoss(Loss):
    """The squared error: see `fastad.mse_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MSELoss()(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return mse_loss(input, target, self.reduction, sample_weight=sample_weight)


class L1Loss(Loss):
    """The absolute error: see `fastad.l1_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.L1Loss()(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return l1_loss(input, target, self.reduction, sample_weight=sample_weight)


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: see `fastad.binary_cross_entropy`.

    Examples
    --------
    >>> import fastad
    >>> loss = fastad.nn.BCELoss()(fastad.tensor([0.5, 0.75]), fastad.tensor([0.0, 1.0]))
    >>> round(loss.item(), 4)
    0.4904
    """

    def __init__(self, weight: Tensor | None = None, reduction: Reduction = "mean") -> None:
        super().__init__(reduction, weight)

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, self.reduction, sample_weight=sample_weight)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy from logits: see `fastad.binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import fastad
    >>> loss = fastad.nn.BCEWithLogitsLoss()(fastad.tensor([0.0, 2.0]), fastad.tensor([0.0, 1.0]))
    >>> round(loss.item(), 4)
    0.41
    """

    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, reduction: Reduction = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction, weight)
        self.register_buffer("pos_weight", pos_weight, persistent=False)

    def forward(self, input: Tensor, target: ArrayLike, *, sample_weight: ArrayLike | None = None) -> Tensor:
        return binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight,
                                                sample_weight=sample_weight)
