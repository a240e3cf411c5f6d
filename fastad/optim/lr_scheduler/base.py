"""LRScheduler: what all of them share.  Next: factor.py."""
from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from ..optimizer import INITIAL, Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class LRScheduler:
    """Base class: sets the rate of every group of an optimizer when it is made, and anew in every step.

    A subclass gives `rates(epoch)`, the rates in closed form: then a run that is resumed has the same rates to the last bit.
    Or it gives `get_lr()`, the rates of `last_epoch` from those that the groups have.  The state of a scheduler goes with
    that of its optimizer, which holds the rates: load both.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        -1 to begin with the optimizer's rates, which the groups keep as 'initial_lr'; else the epoch after which to go on,
        with groups that have an 'initial_lr'.

    Raises
    ------
    TypeError
        If that is no optimizer.
    ValueError
        If a group has no 'initial_lr' to go on from.

    Examples
    --------
    >>> import fastad
    >>> class Halved(fastad.optim.lr_scheduler.LRScheduler):
    ...     def rates(self, epoch):
    ...         return [base / 2**epoch for base in self.base_lrs]
    >>> optimizer = fastad.optim.SGD([fastad.tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = Halved(optimizer)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.125]
    """

    FUNCTIONS: tuple[str, ...] = ()               # attributes that are lists of functions, which the state leaves out
    EACH = False                                  # whether it was given something for each of the groups

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault(INITIAL, group["lr"])
            elif INITIAL not in group:
                raise ValueError(f"{type(self).__name__}: group {i} has no 'initial_lr' to go on from after epoch "
                                 f"{last_epoch}; load the optimizer's state first, or begin with last_epoch=-1")
        self.base_lrs: list[float] = [group[INITIAL] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        if last_epoch == -1:
            self.step()
        else:
            self._go_to(last_epoch + 1)

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: the first argument must be an Optimizer, got "
                            f"{type(optimizer).__name__}")
        self.optimizer = optimizer

    def _per_group(self, name: str, value: Any) -> list[Any]:
        """One value for each group; ValueError if there are more or fewer."""
        n = len(self.optimizer.param_groups)
        if not isinstance(value, (list, tuple)):
            return [value] * n
        if len(value) != n:
            raise ValueError(f"{type(self).__name__}: {len(value)} values of {name} for {n} parameter groups")
        return list(value)

    # -- rates
    def rates(self, epoch: int) -> list[float]:
        """The rates of an epoch in closed form."""
        raise NotImplementedError(f"{type(self).__name__} has neither rates(epoch) nor get_lr()")

    def get_lr(self) -> list[float]:
        """The rates of `last_epoch`."""
        return self.rates(self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """The rates that this scheduler has set, one a group."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go on to the next epoch."""
        for group in self.optimizer.param_groups[len(self.base_lrs):]:   # added meanwhile
            if self.EACH:
                raise ValueError(f"{type(self).__name__} is for {len(self.base_lrs)} parameter groups, and the optimizer "
                                 f"has {len(self.optimizer.param_groups)}; make a scheduler after the last add_param_group")
            self.base_lrs.append(group.setdefault(INITIAL, group["lr"]))
        self.last_epoch += 1
        self._set(self.get_lr())

    def _go_to(self, epoch: int) -> None:
        """The rates of an epoch, whatever the groups have."""
        self.last_epoch = epoch
        self._set(self.get_lr() if type(self).rates is LRScheduler.rates else self.rates(epoch))

    def _rewind(self) -> None:
        """Back to before the first epoch."""
        self.last_epoch = -1

    def _set(self, rates: list[float]) -> None:
        if len(rates) != len(self.optimizer.param_groups):
            raise ValueError(f"{type(self).__name__}: rates for {len(rates)} parameter groups, and the optimizer has "
                             f"{len(self.optimizer.param_groups)}")
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = list(rates)

    # -- state
    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as numbers, texts and lists of them; functions are not part of it, of other callable
        objects it has the attributes."""
        state = {key: list(value) if isinstance(value, list) else value
                 for key, value in vars(self).items() if key != "optimizer" and key not in self.FUNCTIONS}
        return state | {key: [attributes_of(f) for f in getattr(self, key)] for key in self.FUNCTIONS}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state of another scheduler of the same class.

        Raises
        ------
        ValueError
            If entries are missing or unknown, or are for another number of groups; nothing has been changed then."""
        self._check_state(state_dict)
        self._load(state_dict)

    def _check_state(self, state: dict[str, Any]) -> None:
        name, own = type(self).__name__, self.state_dict()
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            raise ValueError(f"{name}: the state lacks {missing} and has the unknown {unknown}")
        n, groups = len(state["_last_lr"]), len(self.optimizer.param_groups)
        if n != groups:
            raise ValueError(f"{name}: the state is for {n} parameter groups, the optimizer has {groups}")

    def _load(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            if key not in self.FUNCTIONS:
                setattr(self, key, list(value) if isinstance(value, list) else value)
                continue
            for function, attributes in zip(getattr(self, key), value, strict=True):
                if attributes is not None:
                    vars(function).update(attributes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(epoch {self.last_epoch}, rates {self._last_lr})"


def attributes_of(function: Callable[..., Any] | None) -> dict[str, Any] | None:
    return None if isinstance(function, FunctionType) or not hasattr(function, "__dict__") else dict(vars(function))
