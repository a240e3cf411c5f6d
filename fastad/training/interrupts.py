"""Ctrl-C waits where half a step would be left.  Imports nothing of fastad.  Next: loop.py."""
from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any


class Interrupts:
    """Ctrl-C, but while `held` it waits: a step of the optimizer is made as a whole or not at all."""

    def __init__(self) -> None:
        self.held = False
        self.pending: tuple[int, FrameType | None] | None = None
        self.previous: Any = None

    def __enter__(self) -> None:
        self.previous = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(self.previous):
            self.previous = None               # no signals arrive here, or the program ignores this one
        else:
            signal.signal(signal.SIGINT, self.arrived)

    def arrived(self, number: int, frame: FrameType | None) -> None:
        if self.held:
            self.pending = number, frame
        else:
            self.previous(number, frame)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing of this block is left out."""
        before, self.held = self.held, True
        try:
            yield
        finally:
            self.held = before
            if not before:
                self.deliver()

    def deliver(self) -> None:
        if self.pending is not None:
            arguments, self.pending = self.pending, None
            self.previous(*arguments)

    def __exit__(self, *error: object) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
        self.deliver()
