"""Initial rates times a factor, which depends on the epoch.  Next: cosine.py."""
from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from .base import LRScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..optimizer import Optimizer


class FactorLR(LRScheduler):
    """lr = initial lr * factor(epoch).

    Schedulers of this kind may be chained: where another one, or the user, has changed a rate, a step multiplies it by
    factor(epoch) / factor(epoch - 1) instead."""

    def factor(self, epoch: int) -> float:
        """What the initial rates are multiplied by."""
        raise NotImplementedError

    def rates(self, epoch: int) -> list[float]:
        return [base * self.factor(epoch) for base in self.base_lrs]

    def get_lr(self) -> list[float]:
        now = self.factor(self.last_epoch)
        before = self.factor(self.last_epoch - 1) if self.last_epoch > 0 else 1.0
        return [self.changed(group["lr"], base, before, now)
                for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True)]

    @staticmethod
    def changed(lr: float, base: float, before: float, now: float) -> float:
        if lr == base * before or before == 0 != now:        # from 0 nothing else leads back
            return base * now
        return lr if now == before else lr * (now / before)


class ConstantLR(FactorLR):
    """lr = initial lr * factor in the first `total_iters` epochs, then the initial lr.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float
        In [0, 1].
    total_iters, last_epoch : int
        For last_epoch see `LRScheduler`.

    Raises
    ------
    ValueError
        For a factor outside [0, 1].

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.25, 0.25, 0.5, 0.5]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be in [0, 1], got {factor}")
        self.start_factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.start_factor if epoch < self.total_iters else 1.0


class LinearLR(FactorLR):
    """lr = initial lr * (start_factor + (end_factor - start_factor) * min(epoch, total_iters) / total_iters).

    Parameters
    ----------
    optimizer : Optimizer
    start_factor, end_factor : float
        In (0, 1] and [0, 1].
    total_iters, last_epoch : int
        For last_epoch see `LRScheduler`.

    Raises
    ------
    ValueError
        For factors out of range, or total_iters below 1.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.25, 0.375, 0.5, 0.5]
    """

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
                 last_epoch: int = -1) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be in [0, 1], got {end_factor}")
        at_least("LinearLR", total_iters=total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(epoch, self.total_iters) / self.total_iters


class ExponentialLR(FactorLR):
    """lr = initial lr * gamma^epoch.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.gamma**epoch


class StepLR(FactorLR):
    """lr = initial lr * gamma^(epoch // step_size).

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For a step_size below 1.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        at_least("StepLR", step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(FactorLR):
    """lr = initial lr * gamma^(milestones that are not after the epoch).

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
    gamma : float
    last_epoch : int
        See `LRScheduler`.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.gamma ** bisect_right(self.milestones, epoch)


class PolynomialLR(FactorLR):
    """lr = initial lr * (1 - min(epoch, total_iters) / total_iters)^power.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int
    power : float
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For total_iters below 1.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=2)
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        at_least("PolynomialLR", total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return float((1 - min(epoch, self.total_iters) / self.total_iters) ** self.power)


class LambdaLR(LRScheduler):
    """lr = initial lr * lr_lambda(epoch), whatever the rate was.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or a list of one for each group
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    TypeError
        If that cannot be called.
    ValueError
        If there are not as many as groups.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    FUNCTIONS = ("lr_lambdas",)
    EACH = True

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
                 last_epoch: int = -1) -> None:
        self._attach(optimizer)
        self.lr_lambdas = self._per_group("lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{type(self).__name__}: lr_lambda must be callable, got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def rates(self, epoch: int) -> list[float]:
        return [base * function(epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(LambdaLR):
    """lr = lr * lr_lambda(epoch), from epoch 1 on; arguments and errors as `LambdaLR`.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def get_lr(self) -> list[float]:
        lrs = [group["lr"] for group in self.optimizer.param_groups]
        if self.last_epoch == 0:
            return lrs
        return [lr * function(self.last_epoch) for lr, function in zip(lrs, self.lr_lambdas, strict=True)]

    def _go_to(self, epoch: int) -> None:
        """There is no closed form: from the rates that the groups have."""
        self.last_epoch = epoch
        self._set([group["lr"] * function(epoch)
                   for group, function in zip(self.optimizer.param_groups, self.lr_lambdas, strict=True)])


def at_least(name: str, **counts: int) -> None:
    for key, value in counts.items():
        if not value >= 1:
            raise ValueError(f"{name}: {key} must be at least 1, got {value}")
