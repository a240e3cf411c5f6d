"""save and load: nested values of tensors, arrays and numbers in one file, which nothing in it can make dangerous.

::

    files.py         a file is replaced as a whole or not at all; how much memory text may take
    structure.py     nested values as JSON and arrays, and back
       |
       +-- tensors.py    the safetensors format, by the package of that name
       +-- npz.py        NumPy's .npz, uncompressed

A program that loads a damaged or hostile file gets a `CheckpointError`, or what the file says: nothing is executed, and no
more memory is taken than twice the file's size and 8 MB.  Imports the core and fastad.random.
"""
from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .files import BESIDE, CheckpointError, needed, opened, replaced

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = ["CheckpointError", "load", "save"]

PER_ARRAY = 3000                               # bytes that the description of an array takes when it is loaded, at most


def save(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value to a file: tensors, arrays, numbers, text, None, random generators, and lists, tuples, dicts of these.

    An object with a `state_dict` stands for that: ``save(path, {"model": model, "optimizer": optimizer})``.

    The suffix says the format.  '.safetensors' needs the package of that name (``pip install fastad[safetensors]``); a
    model's state_dict, or any dict from names to tensors, is then a file that other programs read as well.  '.npz' is
    NumPy's, without compression, and needs nothing.  Neither holds pickles.

    The file appears as a whole or not at all: it is written beside, flushed to the disk and renamed, so that a kill at any
    moment leaves the old or the new one.  A symbolic link stays, and its target is replaced; permissions stay too.

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
        If the suffix is another one, containers are nested deeper than 64 (or hold themselves), or lists are so long
        (200,000 numbers) that `load` would take the file for a hostile one: make arrays of them.
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
    text, arrays = pack(value, pairs=path.endswith(".safetensors"))
    size = len(text) + sum(a.nbytes for a in arrays.values())
    if needed(text.encode()) + len(arrays) * PER_ARRAY > 2 * size + BESIDE:
        raise ValueError(f"save: {len(text)} characters of structure, and {len(arrays)} arrays, are more than load accepts; "
                         f"make arrays of long lists, and of many small arrays larger ones")
    with replaced(path) as file:
        format.write(file, text, arrays)


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote: containers of the same kinds, Tensors, arrays, numbers, generators in the same state.

    Files of others are read too: a dict from name to array.  Which format it is shows in the file itself.

    Raises
    ------
    CheckpointError
        A ValueError: if the file is damaged or truncated, is no file of these formats, claims more than it holds, is
        compressed, or has numbers that fastad has not (bfloat16, objects).  Nothing was executed or allocated for it then.
    ImportError
        If it is a safetensors file and the package safetensors is missing.
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
        format = npz if npz.looks_like(file) else tensors
        try:
            text, arrays = format.read(file, size)
            return arrays if text is None else unpack(text, arrays)
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
