"""save and load: nested values of tensors, arrays and numbers in one file, which nothing in it can make dangerous.

::

    files.py         a file is replaced as a whole or not at all; how much memory text may take
    structure.py     nested values as JSON and arrays, and back
       |
       +-- tensors.py    the safetensors format, written by the package of that name
       +-- npz.py        NumPy's .npz, uncompressed

A program that loads a damaged or hostile file gets a `CheckpointError`, or what the file says: nothing is executed, and no
more memory is taken than twice the file's size and 64 KB, which any file takes.  Imports the core and fastad.random.
"""
from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .files import CheckpointError, Room, opened, replaced

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = ["CheckpointError", "load", "save"]


def save(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value to a file: tensors, arrays, numbers, text, None, random generators, and lists, tuples, dicts of these.

    An object with a `state_dict` stands for that: ``save(path, {"model": model, "optimizer": optimizer})``.

    The suffix says the format.  '.safetensors' needs the package of that name (``pip install fastad[safetensors]``); a
    model's state_dict, or any dict from names to tensors, is then a file that other programs read as well.  '.npz' is
    NumPy's, without compression, and needs nothing.  Neither holds pickles.

    The file appears as a whole or not at all: it is written beside, flushed to the disk and renamed, so that a kill at any
    moment leaves the old or the new one.  A symbolic link stays, and its target is replaced; permissions stay too.

    Long lists of numbers, and many small arrays, make the file up to half as large as they are in memory, for `load` takes
    no more than twice the file's size; arrays in their place are smaller and faster.

    Parameters
    ----------
    path : path-like
        Ends in '.safetensors' or '.npz'.
    value : nested containers
        Floats, integers of any size, NaN and infinities come back as they were; dicts keep their order, and keys may be
        numbers and tuples.  Tensors come back as leaves without gradient.

    Raises
    ------
    ValueError
        If the suffix is another one, or containers are nested deeper than 64 (or hold themselves).
    TypeError
        For what cannot be saved, with its place in the value.
    ImportError
        If the package safetensors is needed and missing.
    OSError
        If the file cannot be written; the old one is then as it was.

    Examples
    --------
    >>> import os, tempfile, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> model = fastad.nn.Linear(2, 1)
    >>> fastad.save(path, {"model": model, "epoch": 3, "random": fastad.default_generator()})
    >>> saved = fastad.load(path)
    >>> model.load_state_dict(saved["model"]), saved["epoch"]
    (Keys(missing_keys=[], unexpected_keys=[]), 3)
    """
    from .structure import pack

    path = os.fspath(path)
    format = format_of(path)
    text, arrays, padding = pack(value, pairs=path.endswith(".safetensors"))
    with replaced(path) as file:
        format.write(file, text, arrays, padding)


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote: containers of the same kinds, Tensors, arrays, numbers, generators in the same state.

    Files of others are read too: a dict from name to array.  Which format it is shows in the file itself; neither needs
    another package to be read.  Loading takes at most twice the file's size and 64 KB of memory, with what it returns.

    Raises
    ------
    CheckpointError
        A ValueError: if the file is damaged or truncated, is no file of these formats, claims more than it holds, is
        compressed, has numbers that fastad has not (bfloat16, objects), or is of another program and holds so many arrays
        of so few numbers that they take more than twice its size.  Nothing was executed or allocated for it then.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "values.npz")
    >>> fastad.save(path, {"x": fastad.ones(2), "losses": [0.5, float("nan")], 3: (True, None)})
    >>> fastad.load(path)
    {'x': tensor([1., 1.]), 'losses': [0.5, nan], 3: (True, None)}
    """
    from . import npz, tensors
    from .structure import unpack

    with opened(os.fspath(path)) as (file, size):
        format, room = npz if npz.looks_like(file) else tensors, Room(size)
        try:
            text, arrays = format.read(file, size, room)
            return arrays if text is None else unpack(text, arrays, room)
        except CheckpointError as error:
            raise CheckpointError(f"{os.fspath(path)}: {error}") from error.__cause__


def format_of(path: str) -> ModuleType:
    """The module that writes files of this suffix; an error if there is none, or not what it needs."""
    from . import npz, tensors

    if path.endswith(".safetensors"):
        tensors.package()
        return tensors
    if path.endswith(".npz"):
        return npz
    raise ValueError(f"save: the path must end in '.safetensors' or '.npz', got {path!r}; the first needs the package "
                     f"safetensors, the second only NumPy")
