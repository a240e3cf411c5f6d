"""Half a cosine from the initial rate to a least one.  Next: cycle.py."""
from __future__ import annotations

from math import cos, floor, pi
from typing import TYPE_CHECKING

from .base import LRScheduler
from .factor import FactorLR, at_least

if TYPE_CHECKING:
    from ..optimizer import Optimizer


class CosineAnnealingLR(FactorLR):
    """lr = eta_min + (initial lr - eta_min) (1 + cos(pi epoch / T_max)) / 2: down in T_max epochs, and up again in the next.

    Source: Loshchilov and Hutter, 2016.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
    eta_min : float
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For T_max below 1.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2, eta_min=0.1)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 12) for rate in rates]
    [0.5, 0.3, 0.1, 0.3]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        at_least("CosineAnnealingLR", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return (1 + cos(pi * epoch / self.T_max)) / 2

    def rates(self, epoch: int) -> list[float]:
        return [self.eta_min + (base - self.eta_min) * self.factor(epoch) for base in self.base_lrs]

    def get_lr(self) -> list[float]:
        now, usual = self.factor(self.last_epoch), self.rates(self.last_epoch)
        before, was = 1.0, self.base_lrs
        if self.last_epoch > 0:
            before, was = self.factor(self.last_epoch - 1), self.rates(self.last_epoch - 1)
        lrs = [group["lr"] for group in self.optimizer.param_groups]
        return [rate if lr == past else self.eta_min + (lr - self.eta_min) * (now / before) if before > 1e-9
                else lr + rate - past for lr, past, rate in zip(lrs, was, usual, strict=True)]


class CosineAnnealingWarmRestarts(LRScheduler):
    """lr = eta_min + (initial lr - eta_min) (1 + cos(pi T_cur / T_i)) / 2, T_cur epochs after the last restart; the restarts
    are T_i epochs apart, which starts as T_0 and is multiplied by T_mult in each.

    Source: Loshchilov and Hutter, 2016.

    Parameters
    ----------
    optimizer : Optimizer
    T_0, T_mult : int
    eta_min : float
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For T_0 or T_mult that are no integers of at least 1, and a step to an epoch below 0.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 12) for rate in rates]
    [0.5, 0.25, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} must be an integer of at least 1, got {value!r}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self.T_cur: float = 0
        self.T_i = T_0
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + cos(pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to a part of one: ``step(epoch + batch / batches)``."""
        if epoch is not None:
            self._go_to(epoch)
        elif self.last_epoch < 0:
            self._go_to(0)
        else:
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
            self.last_epoch += 1
            self._set(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        if not epoch >= 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: the epoch must be at least 0, got {epoch}")
        self.last_epoch = floor(epoch)
        self.T_i, self.T_cur = self.T_0, epoch
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self._set(self.get_lr())
