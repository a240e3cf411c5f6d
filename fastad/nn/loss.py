"""Loss functions as modules; formulas, arguments and errors are those of the functions in functional.py."""
from .._core.tensor import FUNCTIONS
from .module import Module

cross_entropy, nll_loss = FUNCTIONS["cross_entropy"], FUNCTIONS["nll_loss"]
mse_loss, l1_loss = FUNCTIONS["mse_loss"], FUNCTIONS["l1_loss"]
binary_cross_entropy = FUNCTIONS["binary_cross_entropy"]
binary_cross_entropy_with_logits = FUNCTIONS["binary_cross_entropy_with_logits"]


class Loss(Module):
    """What the losses share: a reduction, 'mean', 'sum' or 'none', and perhaps a constant weight."""

    def __init__(self, reduction="mean", weight=None):
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(
                f"{type(self).__name__}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}"
            )
        self.reduction = reduction
        self.register_buffer("weight", weight, persistent=False)

    def extra_repr(self):
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

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(reduction, weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input, target):
        return cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(Loss):
    """The loss of log-probabilities: see `fastad.nll_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.NLLLoss()(fastad.tensor([[-0.5, -1.0]]), fastad.tensor([1])).item()
    1.0
    """

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        super().__init__(reduction, weight)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        return nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class MSELoss(Loss):
    """The squared error: see `fastad.mse_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MSELoss()(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input, target):
        return mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """The absolute error: see `fastad.l1_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.L1Loss()(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input, target):
        return l1_loss(input, target, self.reduction)


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: see `fastad.binary_cross_entropy`.

    Examples
    --------
    >>> import fastad
    >>> loss = fastad.nn.BCELoss()(fastad.tensor([0.5, 0.75]), fastad.tensor([0.0, 1.0]))
    >>> round(loss.item(), 4)
    0.4904
    """

    def __init__(self, weight=None, reduction="mean"):
        super().__init__(reduction, weight)

    def forward(self, input, target):
        return binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy from logits: see `fastad.binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import fastad
    >>> loss = fastad.nn.BCEWithLogitsLoss()(fastad.tensor([0.0, 2.0]), fastad.tensor([0.0, 1.0]))
    >>> round(loss.item(), 4)
    0.41
    """

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        super().__init__(reduction, weight)
        self.register_buffer("pos_weight", pos_weight, persistent=False)

    def forward(self, input, target):
        return binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)
