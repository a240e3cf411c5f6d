"""ReduceLROnPlateau: a lower rate where a metric gets no better.  Next: several.py."""
from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .base import LRScheduler

if TYPE_CHECKING:
    from typing import Literal, SupportsFloat

    from ..optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """lr = max(lr * factor, min_lr) after more than `patience` epochs in a row in which a metric has got no better.

    Parameters
    ----------
    optimizer : Optimizer
    mode : 'min' or 'max'
        Whether a smaller metric is better or a larger one.
    factor : float
        Below 1.
    patience : int
    threshold : float
        By how much the metric must get better, of the best so far ('rel') or absolutely ('abs').
    threshold_mode : 'rel' or 'abs'
    cooldown : int
        Epochs after a reduction in which nothing is counted.
    min_lr : float, or a list of one for each group
    eps : float
        A reduction by less is left out.

    Raises
    ------
    ValueError
        For a factor of 1 or more, an unknown mode, and a list that does not fit the groups.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, mode: Literal["min", "max"] = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: Literal["rel", "abs"] = "rel", cooldown: int = 0,
                 min_lr: float | list[float] = 0, eps: float = 1e-8) -> None:
        self._attach(optimizer)
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = self._per_group("min_lr", min_lr)
        self.best, self.num_bad_epochs, self.cooldown_counter = (inf if mode == "min" else -inf), 0, 0
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def is_better(self, metric: float) -> bool:
        """Whether a metric is better than the best so far, by the threshold."""
        down = self.mode == "min"
        if self.threshold_mode == "rel":
            wanted = self.best * (1 - self.threshold if down else 1 + self.threshold)
        else:
            wanted = self.best - self.threshold if down else self.best + self.threshold
        return metric < wanted if down else metric > wanted

    def step(self, metrics: SupportsFloat) -> None:    # type: ignore[override]
        """Take the metric of another epoch."""
        metric = float(metrics)
        self.last_epoch += 1
        if self.is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self.num_bad_epochs > self.patience:
            self.min_lrs += self.min_lrs[-1:] * (len(rates) - len(self.min_lrs))       # for groups added meanwhile
            lower = [max(rate * self.factor, least) for rate, least in zip(rates, self.min_lrs, strict=True)]
            rates = [new if old - new > self.eps else old for old, new in zip(rates, lower, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._set(rates)
