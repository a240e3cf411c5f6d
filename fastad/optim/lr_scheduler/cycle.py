"""Rates that go up and down, and momentum that goes the other way.  Next: plateau.py."""
from __future__ import annotations

from math import cos, floor, pi
from typing import TYPE_CHECKING

from ..optimizer import INITIAL
from .base import LRScheduler

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from ..optimizer import Optimizer


class Cycling(LRScheduler):
    """What moves the momentum too: 'momentum' of the groups, or the first of their 'betas'."""

    EACH = True
    cycle_momentum: bool

    def _take_momentums(self, base: float | list[float], most: float | list[float]) -> None:
        if self.cycle_momentum and not {"momentum", "betas"} & set(self.optimizer.defaults):
            raise ValueError(f"{type(self).__name__}: cycle_momentum needs an optimizer with momentum or betas, and "
                             f"{type(self.optimizer).__name__} has neither; pass cycle_momentum=False")
        self.base_momentums = self._per_group("base_momentum", base)
        self.max_momentums = self._per_group("max_momentum", most)

    def momentums(self, epoch: int) -> list[float]:
        """The momentums of an epoch in closed form."""
        raise NotImplementedError

    def _set(self, rates: list[float]) -> None:
        super()._set(rates)
        if not self.cycle_momentum:
            return
        for group, momentum in zip(self.optimizer.param_groups, self.momentums(self.last_epoch), strict=True):
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


class CyclicLR(Cycling):
    """Up from base_lr to max_lr in step_size_up steps, down again in step_size_down, and so on::

        lr = base_lr + (max_lr - base_lr) * height * scale
        momentum = max_momentum - (max_momentum - base_momentum) * height * scale

    where height goes from 0 to 1 and back, and scale is 1 ('triangular'), 1 / 2^(cycle - 1) ('triangular2'), or gamma^epoch
    ('exp_range').

    Source: Smith, 2017.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float, or a list of one for each group
    step_size_up : int
    step_size_down : int, optional
        As many as up.
    mode : 'triangular', 'triangular2' or 'exp_range'
    gamma : float
    scale_fn : callable, optional
        The scale, of the cycle (from 1 on) or of the epoch, as `scale_mode` says; then `mode` does not count.
    scale_mode : 'cycle' or 'iterations'
    cycle_momentum : bool
    base_momentum, max_momentum : float, or a list of one for each group
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        For an unknown mode, step sizes below 1, lists that do not fit the groups, and `cycle_momentum` with an optimizer
        that has no momentum.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5)
    >>> scheduler = fastad.optim.lr_scheduler.CyclicLR(optimizer, 0.25, 0.75, step_size_up=2, cycle_momentum=False)
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.25, 0.5, 0.75, 0.5, 0.25]
    """

    FUNCTIONS = ("scale_fns",)

    def __init__(self, optimizer: Optimizer, base_lr: float | list[float], max_lr: float | list[float],
                 step_size_up: int = 2000, step_size_down: int | None = None,
                 mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
                 gamma: float = 1.0, scale_fn: Callable[[float], float] | None = None,
                 scale_mode: Literal["cycle", "iterations"] = "cycle", cycle_momentum: bool = True,
                 base_momentum: float | list[float] = 0.8, max_momentum: float | list[float] = 0.9,
                 last_epoch: int = -1) -> None:
        self._attach(optimizer)
        down = step_size_up if step_size_down is None else step_size_down
        if not (step_size_up >= 1 and down >= 1):
            raise ValueError(f"CyclicLR: step sizes must be at least 1, got {step_size_up} up and {down} down")
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f"CyclicLR: scale_mode must be 'cycle' or 'iterations', got {scale_mode!r}")
        self.total_size, self.step_ratio = float(step_size_up + down), step_size_up / (step_size_up + down)
        self.mode, self.gamma, self.scale_mode, self.cycle_momentum = mode, gamma, scale_mode, cycle_momentum
        self.scale_fns = [] if scale_fn is None else [scale_fn]
        base_lrs, self.max_lrs = self._per_group("base_lr", base_lr), self._per_group("max_lr", max_lr)
        self._take_momentums(base_momentum, max_momentum)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = group[INITIAL] = lr
        super().__init__(optimizer, last_epoch)

    def height(self, epoch: int) -> float:
        """From 0 to 1 and back, times the scale."""
        cycle = floor(1 + epoch / self.total_size)
        x = 1 + epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        if self.scale_fns:
            return height * self.scale_fns[0](cycle if self.scale_mode == "cycle" else epoch)
        if self.mode == "exp_range":
            return height * self.gamma**epoch
        return height / 2.0 ** (cycle - 1) if self.mode == "triangular2" else height

    def rates(self, epoch: int) -> list[float]:
        height = self.height(epoch)
        return [least + (most - least) * height for least, most in zip(self.base_lrs, self.max_lrs, strict=True)]

    def momentums(self, epoch: int) -> list[float]:
        height = self.height(epoch)
        return [most - (most - least) * height for least, most in zip(self.base_momentums, self.max_momentums, strict=True)]


class OneCycleLR(Cycling):
    """One cycle over the whole training: from max_lr / div_factor up to max_lr, then down to that over final_div_factor; the
    momentum from max_momentum down to base_momentum, and back.

    Source: Smith and Topin, 2018.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or a list of one for each group
    total_steps : int, optional
    epochs, steps_per_epoch : int, optional
        Whose product is the number of steps, if that is not given.
    pct_start : float
        The part of the steps in which the rate rises, in [0, 1].
    anneal_strategy : 'cos' or 'linear'
    cycle_momentum : bool
    base_momentum, max_momentum : float, or a list of one for each group
    div_factor, final_div_factor : float
    three_phase : bool
        Down to max_lr / div_factor as fast as up, then further.
    last_epoch : int
        See `LRScheduler`.

    Raises
    ------
    ValueError
        Without a number of steps, for options out of range, for lists that do not fit the groups, for `cycle_momentum`
        with an optimizer that has no momentum, and for more steps than announced.

    Examples
    --------
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=0.5, momentum=0.9)
    >>> scheduler = fastad.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=11, pct_start=0.5)
    >>> rates = []
    >>> for batch in range(11):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> round(rates[0], 12), round(max(rates), 2), round(rates[-1], 12)
    (0.04, 0.98, 4e-06)
    """

    def __init__(self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None,
                 epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
                 anneal_strategy: Literal["cos", "linear"] = "cos", cycle_momentum: bool = True,
                 base_momentum: float | list[float] = 0.85, max_momentum: float | list[float] = 0.95,
                 div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
                 last_epoch: int = -1) -> None:
        self._attach(optimizer)
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps < 1:
            raise ValueError(f"OneCycleLR: total_steps, or epochs and steps_per_epoch, must be given as integers of at "
                             f"least 1, got total_steps={total_steps}, epochs={epochs}, steps_per_epoch={steps_per_epoch}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps, self.pct_start, self.three_phase = total_steps, pct_start, three_phase
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        self.max_lrs = self._per_group("max_lr", max_lr)
        self.min_lrs = [lr / div_factor / final_div_factor for lr in self.max_lrs]
        self._take_momentums(base_momentum, max_momentum)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, self.max_lrs, strict=True):
                group["lr"] = group[INITIAL] = lr / div_factor
        super().__init__(optimizer, last_epoch)

    def _anneal(self, epoch: int, points: list[Any]) -> list[float]:
        """Of a list of values for each group at the ends of the phases, those at this epoch."""
        if epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {epoch} of {self.total_steps} steps; the cycle is over")
        ends = [0.0, self.pct_start * self.total_steps - 1, self.total_steps - 1]
        if self.three_phase:
            ends.insert(2, 2 * self.pct_start * self.total_steps - 2)
        phase = next((i for i, end in enumerate(ends[1:-1]) if epoch <= end), len(ends) - 2)
        start, end = ends[phase:phase + 2]
        part = (epoch - start) / (end - start) if end != start else 1.0
        weight = 1 - part if self.anneal_strategy == "linear" else (1 + cos(pi * part)) / 2
        return [b + (a - b) * weight for a, b in zip(points[phase], points[phase + 1], strict=True)]

    def rates(self, epoch: int) -> list[float]:
        middle = [self.max_lrs, self.base_lrs] if self.three_phase else [self.max_lrs]
        return self._anneal(epoch, [self.base_lrs, *middle, self.min_lrs])

    def momentums(self, epoch: int) -> list[float]:
        last = [self.max_momentums] * (2 if self.three_phase else 1)
        return self._anneal(epoch, [self.max_momentums, self.base_momentums, *last])
