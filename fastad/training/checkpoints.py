"""Checkpoint: the whole run in a file, from which it goes on as if it had never stopped.  Imports saving.  Next: loop.py."""
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..random import default_generator, set_state
from ..saving import CheckpointError, format_of, load, save
from .callbacks import Callback, better_than, monitored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from .loop import Run

KIND = "fastad.training run, version 1"
DEPTH = 4                                      # of fastad's objects in one another, where generators are looked for


class Checkpoint(Callback):
    """Save the run after an epoch: model, optimizer, callbacks and schedulers, history, and the state of every generator.

    ``fit(..., checkpoint=path, resume=True)`` goes on from it, and gives bit for bit what an uninterrupted run gives, if the
    program makes model, data and the rest as before.  The file is replaced as a whole (see `fastad.save`), so that a kill at
    any moment leaves the last epoch's.

    Parameters
    ----------
    path : path-like
        '.safetensors' (needs the package of that name) or '.npz'.
    every : int
        How many epochs pass between two files; the last epoch is always saved.
    monitor : str, optional
        Save only when this column of the history is better than ever.
    mode : {'min', 'max'}

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

    def __init__(self, path: str | os.PathLike[str], every: int = 1, *, monitor: str | None = None,
                 mode: Literal["min", "max"] = "min") -> None:
        if every < 1:
            raise ValueError(f"Checkpoint: every must be at least 1, got {every}")
        format_of(os.fspath(path))             # an error now, and not after the first epoch
        self.path, self.every, self.monitor, self.better = os.fspath(path), every, monitor, better_than(mode)
        self.best: float | None = None

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
            "random": [dict(g.bit_generator.state) for g in generators(run)], "held_back": run.held_back}


def read(path: str) -> dict[str, Any] | None:
    """What `state_of` gave, from a file; None if there is none yet."""
    if not os.path.exists(path):
        return None
    state = load(path)
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise CheckpointError(f"{path}: this is something else than a checkpoint of fit; fastad.load reads it")
    return state


def restore(run: Run, state: dict[str, Any], path: str) -> None:
    """Bring a run to where its checkpoint was; model and optimizer are as before if that fails."""
    before = run.weights(), run.optimizer.state_dict()
    try:
        names = [type(c).__name__ for c in run.callbacks]
        saved = [name for name, _ in state["callbacks"]]
        if names != saved:
            raise ValueError(f"the run was saved with the callbacks {saved}, this one has {names}")
        found = list(generators(run))
        if len(found) != len(state["random"]):
            raise ValueError(f"the run was saved with {len(state['random'])} random generators, this one has {len(found)}")
        run.history.load_state_dict(state["history"])
        if state["epoch"] != len(run.history):
            raise ValueError(f"the history has {len(run.history)} epochs, {state['epoch']} were run")
        run.set_weights(state["model"])
        run.optimizer.load_state_dict(state["optimizer"])
        for callback, (_, own) in zip(run.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(own)
        for generator, own in zip(found, state["random"], strict=True):
            set_state(generator, own)
        run.epoch, run.step = int(state["epoch"]), int(state["step"])
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        run.set_weights(before[0])
        run.optimizer.load_state_dict(before[1])
        message = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(f"{path}: this checkpoint does not fit the run: {message}") from error


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
