"""Batches made ahead of their use, in a thread.  Imports the standard library.  Next: loader.py."""
from __future__ import annotations

import os
from queue import Empty, Queue
from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING

from ..recording import is_grad_enabled, set_grad_enabled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


def prefetched(batches: Iterable[Any], ahead: int) -> Iterator[Any]:
    """The same batches, of which a thread makes so many ahead; it ends when the iterator is closed or dropped.

    What is raised while a batch is made is raised here in its turn, with the traceback of where it was.  A process forked
    while batches are made has the iterator but not its thread: RuntimeError there."""
    process = os.getpid()
    ready: Queue[tuple[Any, BaseException | None]] = Queue(ahead)
    dropped = Event()
    # daemon: a program may end while the thread waits for a batch to be taken
    thread = Thread(target=_make, args=(batches, ready, dropped, is_grad_enabled()), name="fastad-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            if os.getpid() != process:
                raise RuntimeError("DataLoader: the thread that makes the batches of this iterator stayed behind when the "
                                   "process was forked; iterate over the loader anew")
            batch, error = ready.get()
            if isinstance(error, _End):
                return
            if error is not None:
                raise error
            yield batch
            del batch                      # not kept while the next one is waited for
    finally:
        error = None                       # it holds this frame
        dropped.set()
        while os.getpid() == process and thread.is_alive() and thread is not current_thread():
            try:
                while True:                # makes room, where the thread waits for it
                    ready.get_nowait()
            except Empty:
                thread.join(0.1)


class _End(Exception):
    """There are no more batches."""


def _make(batches: Iterable[Any], ready: Queue[tuple[Any, BaseException | None]], dropped: Event, recording: bool) -> None:
    try:
        with set_grad_enabled(recording):
            for batch in batches:
                ready.put((batch, None))
                if dropped.is_set():
                    return
        ready.put((None, _End()))
    except BaseException as error:
        ready.put((None, error))
