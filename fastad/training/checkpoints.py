"""Checkpoint: the whole run in a file, from which it goes on as if it had never stopped.  Imports saving.  Next: loop.py."""
from __future__ import annotations

import os
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from ..random import default_generator, set_state
from ..saving import CheckpointError, format_of, load, save
from .callbacks import Callback, monitored
from .history import better_than
from .metrics import Means

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from .loop import Run

KIND = "fastad.training run, version 1"
DEPTH = 4                                      # of fastad's objects in one another, where generators are looked for


class Checkpoint(Callback):
    """Save the run after an epoch, or in it: model, optimizer, callbacks and schedulers, history, where the data loader is,
    and the state of every generator.

    ``fit(..., checkpoint=path, resume=True)`` goes on from it, and gives bit for bit what an uninterrupted run gives, if the
    program makes model, data and the rest as before.  The file is replaced as a whole (see `fastad.save`), so that a kill at
    any moment leaves the last one that was saved.

    Parameters
    ----------
    path : path-like
        '.safetensors' (needs the package of that name) or '.npz'.
    every : int
        How many epochs pass between two files; the last epoch is always saved.
    steps : int, optional
        Save also whenever the optimizer has made a multiple of so many steps: the run then goes on in the middle of an
        epoch.  For arrays, a DataLoader, a list of batches, or what has `state_dict` and `load_state_dict`.
    monitor : str, optional
        Save only when this column of the history is better than ever.
    mode : {'min', 'max'}

    Raises
    ------
    ValueError
        If a number is below 1, the path has another suffix, or `steps` and `monitor` are both given.
    TypeError
        When training begins, if data cannot be gone on with in the middle.

    Examples
    --------
    >>> import os, tempfile, numpy, fastad
    >>> from fastad.training import Checkpoint, fit
    >>> x = numpy.linspace(-1, 1, 32)[:, None]
    >>> model = fastad.nn.Linear(1, 1, dtype="float64")
    >>> optimizer = fastad.optim.SGD(model.parameters(), lr=0.1)
    >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> _ = fit(model, fastad.nn.MSELoss(), optimizer, (x, 3 * x), 2, checkpoint=path)
    >>> len(fit(model, fastad.nn.MSELoss(), optimizer, (x, 3 * x), 5, checkpoint=path, resume=True))
    5
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1, *, steps: int | None = None,
                 monitor: str | None = None, mode: Literal["min", "max"] = "min") -> None:
        if every < 1 or (steps is not None and steps < 1):
            raise ValueError(f"Checkpoint: every and steps must be at least 1, got {every} and {steps}")
        if steps is not None and monitor is not None:
            raise ValueError("Checkpoint: what is monitored is known after an epoch; leave steps out")
        format_of(os.fspath(path))             # an error now, and not after the first epoch
        self.path, self.every, self.monitor, self.better = os.fspath(path), every, monitor, better_than(mode)
        self.best: float | None = None
        self.steps = steps
        if steps is not None:
            self.on_step_end = self._by_step  # type: ignore[method-assign]

    def on_train_begin(self, run: Run) -> None:
        if run.epoch == 0:                     # not resumed: the callback may have served another run
            self.best = None
        if self.steps is not None and not (stateful(run.data) or isinstance(run.data, (list, tuple))):
            raise TypeError(f"Checkpoint: with steps, data must be arrays, a DataLoader, a list, or have state_dict "
                            f"and load_state_dict, got {type(run.data).__name__}; without steps it is saved between epochs")

    def _by_step(self, run: Run) -> None:
        if run.step % self.steps == 0:  # type: ignore[operator]
            save(self.path, state_of(run))

    def on_epoch_end(self, run: Run) -> None:
        if self.monitor is not None:
            value = monitored(run, self.monitor, "Checkpoint")
            if self.best is not None and not self.better(value, self.best):
                return
            self.best = value
        elif run.epoch % self.every and run.epoch < run.epochs and run.history.stopped is None:
            return
        save(self.path, state_of(run))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


def state_of(run: Run) -> dict[str, Any]:
    """All that the next epoch depends on."""
    return {"kind": KIND, "epoch": run.epoch, "step": run.step, "model": run.weights(),
            "optimizer": run.optimizer.state_dict(), "history": run.history.state_dict(),
            "callbacks": [[type(c).__name__, c.state_dict()] for c in run.callbacks],
            "random": [dict(g.bit_generator.state) for g in generators(run)], "held_back": run.held_back,
            "data": [loader.state_dict() for loader in loaders(run)], "under_way": under_way(run)}


def under_way(run: Run) -> dict[str, Any] | None:
    """Of the epoch that is not yet over: what was measured, and how long it took."""
    if not run.within:
        return None
    return {"steps": run.within, "means": run.means.state_dict(), "lr": run.rate, "seconds": perf_counter() - run.began}


def go_on(run: Run, state: dict[str, Any]) -> None:
    """What `under_way` gave, back."""
    run.means = Means(run.measures)
    run.means.load_state_dict(state["means"])
    run.rate, run.began, run.within = float(state["lr"]), perf_counter() - float(state["seconds"]), int(state["steps"])


def stateful(thing: Any) -> bool:
    return callable(getattr(thing, "state_dict", None)) and callable(getattr(thing, "load_state_dict", None))


def loaders(run: Run) -> list[Any]:
    """Of the data, those that say where they stand."""
    return [d for d in (run.data, run.validation) if stateful(d)]


def read(path: str) -> dict[str, Any] | None:
    """What `state_of` gave, from a file; None if there is none yet."""
    if not os.path.exists(path):
        return None
    state = load(path)
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise CheckpointError(f"{path}: this is something else than a checkpoint of fit; fastad.load reads it")
    return state


def restore(run: Run, state: dict[str, Any], path: str) -> None:
    """Bring a run to where its checkpoint was; everything is as before if that fails."""
    before = state_of(run)
    try:
        put(run, state)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        put(run, before)
        message = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(f"{path}: this checkpoint does not fit the run: {message}") from error


def put(run: Run, state: dict[str, Any]) -> None:
    """Everything that `state_of` gave."""
    if [type(c).__name__ for c in run.callbacks] != [name for name, _ in state["callbacks"]]:
        raise ValueError(f"the run was saved with the callbacks {[name for name, _ in state['callbacks']]}, this one has "
                         f"{[type(c).__name__ for c in run.callbacks]}")
    found, data = list(generators(run)), loaders(run)
    for what, here, saved in (("random generators", found, state["random"]), ("data loaders", data, state["data"])):
        if len(here) != len(saved):
            raise ValueError(f"the run was saved with {len(saved)} {what}, this one has {len(here)}")
    run.history.load_state_dict(state["history"])
    if state["epoch"] != len(run.history) + (state["under_way"] is not None):
        raise ValueError(f"the history has {len(run.history)} epochs, {state['epoch']} were begun")
    run.set_weights(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    for callback, (_, own) in zip(run.callbacks, state["callbacks"], strict=True):
        callback.load_state_dict(own)
    for loader, own in zip(data, state["data"], strict=True):
        loader.load_state_dict(own)
    for generator, own in zip(found, state["random"], strict=True):
        set_state(generator, own)
    if state["under_way"] is not None:
        go_on(run, state["under_way"])
    run.epoch, run.step = int(state["epoch"]), int(state["step"])


def generators(run: Run) -> Iterator[np.random.Generator]:
    """Every generator that the run may draw from, each once: the default one, then those of data and model."""
    seen: set[int] = set()
    for found in (default_generator(), run.generator, *within(run.data, seen, DEPTH), *within(run.validation, seen, DEPTH),
                  *(g for module in run.modules() for g in within(module, seen, 1))):
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found


def within(thing: Any, seen: set[int], depth: int) -> list[np.random.Generator]:
    """The generators among the attributes of fastad's own objects, loaders and samplers."""
    if isinstance(thing, np.random.Generator):
        return [thing]
    if depth == 0 or not hasattr(thing, "__dict__") or id(thing) in seen:
        return []
    seen.add(id(thing))
    return [g for value in vars(thing).values()
            if isinstance(value, np.random.Generator) or type(value).__module__.startswith("fastad.data")
            for g in within(value, seen, depth - 1)]
