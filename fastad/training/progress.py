"""What a person sees while `fit` runs: a bar by tqdm, a line an epoch, or nothing.  Next: loop.py."""
from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO

    from .loop import Run

EVERY = 0.1                                    # seconds between two looks of the bar


class Silent:
    """No progress is shown."""

    per_step = False

    def step(self, run: Run) -> None:
        """After a step of the optimizer."""

    def epoch(self, run: Run) -> None:
        """After an epoch."""

    def close(self) -> None:
        """At the end, whatever happened."""


class Lines(Silent):
    """A line an epoch, to stderr."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def epoch(self, run: Run) -> None:
        width = len(str(run.epochs))
        print(f"epoch {run.epoch:{width}d}/{run.epochs}  {shown(run.logs)}", file=self.file, flush=True)


class Bar(Silent):
    """tqdm's bar over all steps, with the running loss and metrics."""

    per_step = True

    def __init__(self, bar: Any) -> None:
        self.bar, self.waiting, self.next = bar, 0, 0.0

    def step(self, run: Run) -> None:
        self.waiting += 1
        now = perf_counter()
        if now >= self.next:
            self.next = now + EVERY
            self.show(run, run.running())

    def epoch(self, run: Run) -> None:
        self.show(run, run.logs)

    def show(self, run: Run, logs: Mapping[str, float]) -> None:
        self.bar.set_description(f"epoch {run.epoch}/{run.epochs}", refresh=False)
        self.bar.set_postfix_str(shown(logs), refresh=False)
        self.bar.update(self.waiting)
        self.waiting = 0

    def close(self) -> None:
        self.bar.close()


def shown(logs: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in logs.items() if name != "lr")


def progress_for(wanted: bool | str | None, epochs: int, steps: int | None, done: int) -> Silent:
    """What shows it, from so many steps on.  None: a bar where a person watches; True: a bar, or lines without tqdm."""
    if wanted not in (None, True, False, "bar", "lines"):
        raise ValueError(f"fit: progress must be True, False, None, 'bar' or 'lines', got {wanted!r}")
    watched = sys.stderr is not None and sys.stderr.isatty()
    if wanted is False or (wanted is None and not watched) or sys.stderr is None:
        return Silent()
    if wanted == "lines":
        return Lines(sys.stderr)
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        if wanted == "bar":
            raise ImportError("fit: progress='bar' needs tqdm (pip install fastad[progress]), 'lines' does not") from error
        return Lines(sys.stderr)
    known = {} if steps is None else {"total": steps * epochs, "initial": done}
    return Bar(tqdm(**known, unit="step"))
