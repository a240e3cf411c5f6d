"""Schedulers of one optimizer, at once or one after the other."""
from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ..optimizer import INITIAL
from .base import LRScheduler
from .plateau import ReduceLROnPlateau

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..optimizer import Optimizer


class Several(LRScheduler):
    """What holds schedulers of one optimizer."""

    def _hold(self, schedulers: Sequence[LRScheduler]) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: no schedulers")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{name}: scheduler {i} must be an LRScheduler, got {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name}: scheduler {i} is a ReduceLROnPlateau, whose steps need a metric; step it apart")
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"{name}: scheduler {i}, {scheduler!r}, belongs to another optimizer")
        self._schedulers = list(schedulers)

    def _rewind(self) -> None:
        super()._rewind()
        for scheduler in self._schedulers:
            scheduler._rewind()

    def _go_to(self, epoch: int) -> None:
        self._rewind()
        for group in self.optimizer.param_groups:
            group["lr"] = group[INITIAL]
        for _ in range(epoch + 1):
            self.step()

    def _look(self) -> None:
        """Note the rates that the schedulers have set."""
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`, with the states of the schedulers."""
        return super().state_dict() | {"_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def _check_state(self, state: dict[str, Any]) -> None:
        super()._check_state(state)
        if len(state["_schedulers"]) != len(self._schedulers):
            raise ValueError(f"{type(self).__name__}: the state is of {len(state['_schedulers'])} schedulers, here are "
                             f"{len(self._schedulers)}")
        for scheduler, part in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._check_state(part)

    def _load(self, state: dict[str, Any]) -> None:
        for scheduler, part in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._load(part)
        super()._load({key: value for key, value in state.items() if key != "_schedulers"})


class ChainedScheduler(Several):
    """Schedulers that are stepped together, each upon what the others have made of the rates.

    Factors multiply (see factor.py); a scheduler that sets rates whatever they were, as LambdaLR does, undoes those
    before it.

    Parameters
    ----------
    schedulers : sequence of LRSchedulers
    optimizer : Optimizer, optional
        Theirs.

    Raises
    ------
    ValueError
        Without schedulers, for those of another optimizer, and for a ReduceLROnPlateau.
    TypeError
        For what is no scheduler.

    Examples
    --------
    >>> import fastad
    >>> from fastad.optim import lr_scheduler
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=1.0)
    >>> warm_up = lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> scheduler = lr_scheduler.ChainedScheduler([warm_up, lr_scheduler.ExponentialLR(optimizer, gamma=0.5)])
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if optimizer is not None or not schedulers or not isinstance(schedulers[0], LRScheduler):
            self._attach(optimizer)                                       # type: ignore[arg-type]
        else:
            self._attach(schedulers[0].optimizer)
        self._hold(schedulers)
        self.last_epoch = 0
        self._look()

    def step(self) -> None:
        """Step all schedulers."""
        self.last_epoch += 1
        for scheduler in self._schedulers:
            scheduler.step()
        self._look()


class SequentialLR(Several):
    """Schedulers one after the other: from each of the milestones on the next one, at its epoch 0.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRSchedulers
    milestones : sequence of int
        One fewer than schedulers, ascending.
    last_epoch : int
        The epoch after which to go on; all before it are gone through again.

    Raises
    ------
    ValueError
        If the milestones do not fit, for schedulers of another optimizer, and for a ReduceLROnPlateau.
    TypeError
        For what is no scheduler.

    Examples
    --------
    >>> import fastad
    >>> from fastad.optim import lr_scheduler
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=1.0)
    >>> parts = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2), lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = lr_scheduler.SequentialLR(optimizer, parts, milestones=[2])
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int],
                 last_epoch: int = -1) -> None:
        self._attach(optimizer)
        self._hold(schedulers)
        self._milestones = list(milestones)
        if len(self._milestones) != len(self._schedulers) - 1 or sorted(self._milestones) != self._milestones:
            raise ValueError(f"SequentialLR: {len(self._schedulers)} schedulers need {len(self._schedulers) - 1} "
                             f"milestones, ascending, got {self._milestones}")
        self._go_to(last_epoch + 1)

    def step(self) -> None:
        """Step the scheduler whose turn it is, or begin with the next."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn and self._milestones[turn - 1] == self.last_epoch:
            scheduler._go_to(0)
        else:
            scheduler.step()
        self._look()
