"""History: what `fit` measured, by epoch.  Imports nothing of fastad, and matplotlib when a picture is asked for."""
from __future__ import annotations

import json
import math
import operator
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def better_than(mode: str) -> Callable[[float, float], bool]:
    """Which of two numbers counts as better."""
    if mode not in ("min", "max"):
        raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
    return operator.lt if mode == "min" else operator.gt


class History:
    """Columns by name, rows by epoch: ``history["loss"]`` is a list, ``history[-1]`` the last epoch as a dict.

    ``dict(history)`` gives the columns; ``len(history)`` counts epochs, iterating gives rows.  Columns are 'loss',
    'val_loss' if there is validation, 'lr', and each metric's, NaN in epochs that did not measure it.

    Attributes
    ----------
    seconds : list of float
        What each epoch took.
    stopped : str or None
        Why training ended before the last epoch.
    interrupted : bool
        Whether that was Ctrl-C.

    Examples
    --------
    >>> from fastad.training import History
    >>> history = History()
    >>> history.append({"loss": 0.5, "lr": 0.1})
    >>> history.append({"loss": 0.25, "lr": 0.1})
    >>> history["loss"], history[-1], history.best("loss")
    ([0.5, 0.25], {'loss': 0.25, 'lr': 0.1}, 1)
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {}
        self.seconds: list[float] = []
        self.stopped: str | None = None
        self.interrupted = False

    def append(self, row: dict[str, float], seconds: float = math.nan) -> None:
        """Add an epoch."""
        for name in row:
            if name not in self.columns:
                self.columns[name] = [math.nan] * len(self)
        for name, values in self.columns.items():
            values.append(float(row.get(name, math.nan)))
        self.seconds.append(seconds)

    def best(self, name: str = "loss", mode: str = "min") -> int:
        """The index of the epoch in which a column was smallest, or largest with mode='max'."""
        values, better = self[name], better_than(mode)
        if not values:
            raise ValueError("History.best: there are no epochs")
        found = 0
        for i, value in enumerate(values):
            if math.isnan(values[found]) or better(value, values[found]):
                found = i
        return found

    # -- as a list of rows and a dict of columns
    def __len__(self) -> int:
        return len(self.seconds)

    @overload
    def __getitem__(self, key: str) -> list[float]: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, float]: ...
    def __getitem__(self, key: str | int) -> list[float] | dict[str, float]:
        if isinstance(key, str):
            if key not in self.columns:
                raise KeyError(f"{key!r} was not measured; there are {', '.join(self.columns) or 'no columns'}")
            return self.columns[key]
        if not -len(self) <= key < len(self):
            raise IndexError(f"epoch {key} is out of range, the history has {len(self)}")
        return {name: values[key] for name, values in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, float]]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def keys(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns)

    def items(self) -> list[tuple[str, list[float]]]:
        """(name, column) pairs."""
        return list(self.columns.items())

    # -- kept
    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain lists and numbers."""
        return {"columns": {name: list(values) for name, values in self.columns.items()}, "seconds": list(self.seconds),
                "stopped": self.stopped, "interrupted": self.interrupted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what `state_dict` described; ValueError, and no change, if it does not describe a history."""
        try:
            seconds = [float(v) for v in state["seconds"]]
            columns = {str(name): [float(v) for v in values] for name, values in state["columns"].items()}
            stopped, interrupted = state["stopped"], bool(state["interrupted"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"History: this is not the state of a history ({type(error).__name__}: {error})") from None
        if any(len(values) != len(seconds) for values in columns.values()) or not isinstance(stopped, (str, type(None))):
            raise ValueError("History: the columns differ in length, or the reason of the end is no text")
        self.columns, self.seconds, self.stopped, self.interrupted = columns, seconds, stopped, interrupted

    def to_json(self, path: str | None = None) -> str:
        """As JSON text, which is also written to `path` if given; NaN and infinities as Python's json writes them."""
        text = json.dumps(self.state_dict(), indent=1)
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return text

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The history that `to_json` wrote; ValueError for any other text."""
        history = cls()
        history.load_state_dict(json.loads(text))
        return history

    # -- shown
    def __repr__(self) -> str:
        if not len(self):
            return "History: no epochs"
        names = list(self.columns)
        shown = sorted({0, *range(-(-len(self) // 10) - 1, len(self), -(-len(self) // 10)), len(self) - 1})
        lines = [f"History: {len(self)} epochs" + (f", {self.stopped}" if self.stopped else ""),
                 "epoch " + " ".join(f"{name:>12}" for name in names)]
        lines += [f"{i + 1:5d} " + " ".join(f"{self.columns[name][i]:12.6g}" for name in names) for i in shown]
        return "\n".join(lines)

    def plot(self, path: str | None = None, *, names: list[str] | None = None, axes: Axes | None = None) -> Figure | None:
        """Draw columns against the epoch: losses in one frame, metrics in another, or `names` in one.

        Into a file, or into `axes` of matplotlib; with neither the Figure is returned.  Raises ImportError where there is no
        matplotlib, ValueError if there is nothing to draw."""
        losses = [n for n in self.columns if n in ("loss", "val_loss")]
        metrics = [n for n in self.columns if n not in (*losses, "lr")]
        frames = [f for f in ([names] if names is not None else [losses] if axes is not None else [losses, metrics]) if f]
        if not len(self) or not frames:
            raise ValueError("History.plot: there is nothing to draw")
        figure = None
        if axes is not None:
            canvas = [axes]
        else:
            try:
                from matplotlib.figure import Figure
            except ImportError as error:
                raise ImportError("History.plot: pictures need matplotlib (pip install fastad[plot]); without it the "
                                  "history has the numbers, and prints them as a table") from error
            figure = Figure(figsize=(4.5 * len(frames) + 0.5, 3.5), layout="constrained")
            canvas = list(figure.subplots(1, len(frames), squeeze=False)[0])
        epochs = range(1, len(self) + 1)
        for frame, columns in zip(canvas, frames, strict=True):
            for name in columns:
                of_validation = name.startswith("val_")
                label = f"validation {name[4:]}" if of_validation else name
                frame.plot(epochs, self[name], linewidth=1.4, marker="." if len(self) < 3 else None, label=label)
            if columns is losses and min(min(self[n]) for n in losses) > 0:
                frame.set_yscale("log")
            frame.set_xlabel("epoch")
            frame.spines[["top", "right"]].set_visible(False)
            frame.legend(frameon=False)
        if figure is None or path is None:
            return figure
        figure.savefig(path, dpi=150)
        return None
