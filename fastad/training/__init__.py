"""The training loop that programs keep rewriting, small and optional: `fit`.

::

    fitting.py       fit: what it takes, and what it raises
       |
    loop.py          Run: epochs, steps, validation
       |
       +-- batches.py      arrays, loaders and iterables as batches
       +-- callbacks.py    Callback, EarlyStopping, Converged, Schedule
       +-- checkpoints.py  Checkpoint: the whole run in a file, and resuming
       +-- metrics.py      accuracy, and metrics by name
       +-- progress.py     a bar, lines, or silence
       +-- interrupts.py   what Ctrl-C leaves
       +-- faults.py       NonFiniteError: which layer made a loss NaN
    history.py       History: what fit measured, by epoch

Everything here is Python over the public parts of fastad; docs/training.md shows its use.
"""
from .callbacks import Callback, Converged, EarlyStopping, Schedule
from .checkpoints import Checkpoint
from .faults import NonFiniteError
from .fitting import fit
from .history import History
from .loop import Run
from .metrics import accuracy

__all__ = ["Callback", "Checkpoint", "Converged", "EarlyStopping", "History", "NonFiniteError", "Run", "Schedule",
           "accuracy", "fit"]
