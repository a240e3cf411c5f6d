"""Callbacks: what happens at the beginning and end of steps and epochs.  Imports history.py.  Next: checkpoints.py."""
from __future__ import annotations

import inspect
import math
from itertools import pairwise
from typing import TYPE_CHECKING

from .history import better_than

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from .loop import Run


class Callback:
    """Base class: `fit` calls the methods that a subclass defines, each with the `Run`.

    A callback with a state of its own gives it in `state_dict` and takes it in `load_state_dict`, so that a resumed run goes
    on as if nothing had happened.

    Examples
    --------
    >>> from fastad.training import Callback
    >>> class Shout(Callback):
    ...     def on_epoch_end(self, run):
    ...         print(f"epoch {run.epoch}: {run.logs['loss']:.3f}")
    """

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch, after a checkpoint was loaded."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first batch of an epoch."""

    def on_step_end(self, run: Run) -> None:
        """After each step of the optimizer."""

    def on_epoch_end(self, run: Run) -> None:
        """After validation; `run.logs`, the last row of the history, is what the epoch measured."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch, or the one that was stopped after; not after an error or Ctrl-C."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""


class Function(Callback):
    """A plain function, called at the end of each epoch."""

    def __init__(self, function: Callable[[Run], object]) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"fit: a callback is a Callback (no class) or a function of the run, got {function!r}")
        self.on_epoch_end = function  # type: ignore[assignment, method-assign]


def monitored(run: Run, name: str | None, who: str) -> float:
    """What the epoch measured under a name; by default the validation loss, or the training loss where there is none."""
    if name is None:
        name = "val_loss" if "val_loss" in run.logs else "loss"
    if name not in run.logs:
        raise ValueError(f"{who}: {name!r} is not measured; there are {', '.join(run.logs)}")
    value: float = run.logs[name]
    return value


class EarlyStopping(Callback):
    """Stop when what is monitored has not improved for some epochs, and go back to the best weights.

    Parameters
    ----------
    patience : int
        How many epochs without improvement end the training.
    min_delta : float
        Less than this is no improvement.
    monitor : str, optional
        A column of the history; by default 'val_loss', or 'loss' without validation.
    mode : {'min', 'max'}
        Whether small or large is good.
    restore_best : bool
        Give the model the parameters and buffers of its best epoch when training ends, also where it ends by itself.

    Attributes
    ----------
    best : float
    best_epoch : int
        Counted from 1; 0 before the first.

    Raises
    ------
    ValueError
        If patience is below 1, min_delta negative, or what is monitored is not measured.

    Examples
    --------
    >>> import numpy, fastad
    >>> from fastad.training import EarlyStopping, fit
    >>> x = numpy.linspace(-1, 1, 32)[:, None]
    >>> model = fastad.nn.Linear(1, 1, dtype="float64")
    >>> optimizer = fastad.optim.SGD(model.parameters(), lr=0.5)
    >>> stop = EarlyStopping(patience=2, min_delta=1e-6)
    >>> history = fit(model, fastad.nn.MSELoss(), optimizer, (x, 3 * x), 1000, callbacks=[stop])
    >>> len(history) < 1000, history.stopped == f"loss has not improved since epoch {stop.best_epoch}"
    (True, True)
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0, *, monitor: str | None = None,
                 mode: Literal["min", "max"] = "min", restore_best: bool = True) -> None:
        if patience < 1 or not min_delta >= 0:
            raise ValueError(f"EarlyStopping: patience must be at least 1 and min_delta at least 0, got {patience} and "
                             f"{min_delta}")
        self.patience, self.min_delta, self.monitor, self.mode = patience, min_delta, monitor, mode
        self.restore_best = restore_best
        self.better = better_than(mode)
        self.restart()

    def restart(self) -> None:
        """Forget what was seen."""
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = 0
        self.weights: dict[str, Any] | None = None

    def on_train_begin(self, run: Run) -> None:
        if run.epoch == 0:                     # not resumed: the callback may have served another run
            self.restart()

    def on_epoch_end(self, run: Run) -> None:
        value = monitored(run, self.monitor, "EarlyStopping")
        least = self.best - self.min_delta if self.mode == "min" else self.best + self.min_delta
        if self.better(value, least):
            self.best, self.best_epoch = value, run.epoch
            if self.restore_best:
                self.weights = run.weights()
        elif run.epoch - self.best_epoch >= self.patience:
            name = self.monitor or ("val_loss" if "val_loss" in run.logs else "loss")
            run.stop(f"{name} has not improved since epoch {self.best_epoch}")

    def on_train_end(self, run: Run) -> None:
        if self.restore_best and self.weights is not None:
            run.set_weights(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.weights = state["best"], state["best_epoch"], state["weights"]


class Converged(Callback):
    """Stop when the training loss changes by less than a tolerance from one epoch to the next, `patience` times in a row.

    Examples
    --------
    >>> import numpy, fastad
    >>> from fastad.training import Converged, fit
    >>> x = numpy.linspace(-1, 1, 32)[:, None]
    >>> model = fastad.nn.Linear(1, 1, dtype="float64")
    >>> optimizer = fastad.optim.SGD(model.parameters(), lr=0.5)
    >>> history = fit(model, fastad.nn.MSELoss(), optimizer, (x, 3 * x), 1000, batch_size=None, callbacks=[Converged(1e-9)])
    >>> history.stopped
    'the loss changed by less than 1e-09'
    """

    def __init__(self, tolerance: float, patience: int = 1) -> None:
        if not tolerance >= 0 or patience < 1:
            raise ValueError(f"Converged: the tolerance must be at least 0 and patience at least 1, got {tolerance} and "
                             f"{patience}")
        self.tolerance, self.patience = tolerance, patience

    def on_epoch_end(self, run: Run) -> None:
        losses = run.history["loss"][-self.patience - 1:]
        changes = [abs(b - a) for a, b in pairwise(losses)]
        if len(changes) == self.patience and max(changes) < self.tolerance:
            run.stop(f"the loss changed by less than {self.tolerance:g}")


class Schedule(Callback):
    """Step a learning-rate scheduler after each epoch or each step of the optimizer.

    `fit` takes a scheduler itself, and steps it by epoch; this is for those that go by step, as OneCycleLR does, or monitor
    something else than the validation loss.

    Parameters
    ----------
    scheduler : object with step()
        One whose step needs an argument, as that of ReduceLROnPlateau, gets what is monitored.
    every : {'epoch', 'step'}
    monitor : str, optional
        A column of the history; by default 'val_loss', or 'loss' without validation.

    Examples
    --------
    >>> from fastad.training import Schedule
    >>> class Halve:
    ...     def __init__(self, optimizer):
    ...         self.optimizer = optimizer
    ...     def step(self):
    ...         for group in self.optimizer.param_groups:
    ...             group["lr"] /= 2
    >>> import fastad
    >>> optimizer = fastad.optim.SGD([fastad.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> halving = Schedule(Halve(optimizer), every="step")
    """

    def __init__(self, scheduler: Any, every: Literal["epoch", "step"] = "epoch", monitor: str | None = None) -> None:
        if isinstance(scheduler, type) or not callable(getattr(scheduler, "step", None)):
            raise TypeError(f"Schedule: a scheduler is an object with a method step, got {scheduler!r}")
        if every not in ("epoch", "step"):
            raise ValueError(f"Schedule: every must be 'epoch' or 'step', got {every!r}")
        self.scheduler, self.monitor = scheduler, monitor
        self.wants_value = monitor is not None or needs_argument(scheduler.step)
        if every == "step":
            if self.wants_value:
                raise ValueError(f"Schedule: {type(scheduler).__name__} wants what an epoch measured; it cannot go by step")
            self.on_step_end = lambda run: scheduler.step()  # type: ignore[method-assign]
        else:
            self.on_epoch_end = self._by_epoch  # type: ignore[method-assign]

    def on_train_begin(self, run: Run) -> None:
        if getattr(self.scheduler, "optimizer", run.optimizer) is not run.optimizer:
            raise ValueError(f"Schedule: this {type(self.scheduler).__name__} was made for another optimizer than the run's")

    def _by_epoch(self, run: Run) -> None:
        if self.wants_value:
            self.scheduler.step(monitored(run, self.monitor, type(self.scheduler).__name__))
        else:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        if not hasattr(self.scheduler, "state_dict"):
            raise TypeError(f"Schedule: {type(self.scheduler).__name__} has no state_dict, so the run cannot be saved")
        return {"scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state["scheduler"])


def needs_argument(function: Callable[..., Any]) -> bool:
    """Whether a function cannot be called without one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):            # compiled, without a signature
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
