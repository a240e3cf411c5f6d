"""Nested values as JSON text and named arrays, and back.

What JSON has stands for itself.  Everything else is an object with one key that begins with a dollar: {"$tensor": name},
{"$array": name}, {"$scalar": name} (a NumPy scalar), {"$tuple": [...]}, {"$dict": [[key, value], ...]} (keys that are no
text, or text with a dollar), {"$float": "nan"}, {"$int": "0x..."} (of more than 64 bits), {"$complex": [re, im]},
{"$generator": state}.  Where a format has no complex numbers, arrays of them are pairs of floats, and their object says
"complex": true.

Imports the core and fastad.random.  Next: tensors.py and npz.py, which write both.
"""
from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .. import random
from .._core.make import from_numpy
from .._core.tensor import Tensor
from .files import PER_ARRAY, PER_AXIS, SPARE, CheckpointError, needed, parsed, unique

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .files import Room

DEEPEST = 64
KEYS = (str, int, float, tuple, type(None))                     # what keys of dicts may be
PER_GENERATOR = 5000                                            # bytes that one takes, at most
BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]')   # or text, in which there may be any
DTYPES = {np.dtype(name) for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                                      "float16", "float32", "float64", "complex64", "complex128")}
PLAIN = re.compile(r"\w[\w.+:\-]{0,199}", re.ASCII)             # names that mean nothing to a file system
OWN = "__fastad__"                                              # where the text stands; no array has this name
GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


# ---- to JSON -----------------------------------------------------------------------------------------
def pack(value: Any, pairs: bool) -> tuple[str, dict[str, npt.NDArray[Any]], int]:
    """(JSON in ASCII, arrays by name, each contiguous and little-endian, how many bytes `load` misses); complex ones as
    `pairs`, if asked for.

    Of small things a file is smaller than they are in memory.  It is then filled up with as many bytes as are returned, so
    that `load`, which takes no more than twice the file's size, can read what `save` writes."""
    packer = Packer(pairs)
    text = json.dumps(packer.coded(value, ()), allow_nan=False, separators=(",", ":"))
    size = len(text) + sum(a.nbytes for a in packer.arrays.values())
    takes = size + needed(text) + text.count('"$generator"') * PER_GENERATOR + sum(
        PER_ARRAY + PER_AXIS * a.ndim + sys.getsizeof(name) for name, a in packer.arrays.items())
    return text, packer.arrays, max(0, takes - 2 * size - SPARE // 2)


class Packer:
    """Collects the arrays of a value."""

    def __init__(self, pairs: bool) -> None:
        self.pairs = pairs
        self.arrays: dict[str, npt.NDArray[Any]] = {}

    def coded(self, value: Any, path: tuple[Any, ...]) -> Any:
        """What stands for a value in JSON."""
        if len(path) > DEEPEST:
            raise ValueError(f"save: containers are nested deeper than {DEEPEST}, at {shown(path)}; does one hold itself?")
        if value is None or isinstance(value, (bool, str)):
            return value if value is None or isinstance(value, bool) else str(value)
        if isinstance(value, Tensor):
            return self.stored("$tensor", value.detach().numpy(), path)
        if isinstance(value, np.ndarray):
            return self.stored("$array", value, path)
        if isinstance(value, np.generic):
            return self.stored("$scalar", np.asarray(value), path)
        if isinstance(value, int):
            return int(value) if -(1 << 63) <= value < 1 << 64 else {"$int": hex(value)}
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        if isinstance(value, complex):
            return {"$complex": [self.coded(value.real, path), self.coded(value.imag, path)]}
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if isinstance(value, (list, tuple)):
            items = [self.coded(v, (*path, i)) for i, v in enumerate(value)]
            return items if isinstance(value, list) else {"$tuple": items}
        if isinstance(value, np.random.Generator):
            return {"$generator": self.coded(dict(value.bit_generator.state), (*path, "state"))}
        if callable(getattr(value, "state_dict", None)):
            return self.coded(value.state_dict(), path)
        raise TypeError(f"save: {shown(path)} is a {type(value).__name__}, which cannot be saved; what can: tensors, "
                        f"arrays, numbers, text, None, generators, lists, tuples and dicts, and objects with a state_dict")

    def mapping(self, value: Mapping[Any, Any], path: tuple[Any, ...]) -> Any:
        if all(type(k) is str and not k.startswith("$") for k in value):
            return {k: self.coded(v, (*path, k)) for k, v in value.items()}
        for k in value:
            if not isinstance(k, KEYS):
                raise TypeError(f"save: a key of the dict at {shown(path)} is a {type(k).__name__}; keys are text, numbers "
                                f"or tuples")
        return {"$dict": [[self.coded(k, (*path, "key")), self.coded(v, (*path, k))] for k, v in value.items()]}

    def stored(self, tag: str, array: npt.NDArray[Any], path: tuple[Any, ...]) -> dict[str, Any]:
        kind = array.dtype.newbyteorder("=")
        if kind not in DTYPES:
            raise TypeError(f"save: {shown(path)} is an array of {array.dtype}; what can be saved: "
                            f"{', '.join(sorted(d.name for d in DTYPES))}")
        name = ".".join(str(p) for p in path) or "value"
        if not PLAIN.fullmatch(name) or name in self.arrays or name in (OWN, "__metadata__"):
            number = len(self.arrays)
            while f"array.{number}" in self.arrays:
                number += 1
            name = f"array.{number}"
        array = np.asarray(array, kind.newbyteorder("<"), order="C")
        if array.dtype.kind == "c" and self.pairs:
            array = np.stack([array.real, array.imag], axis=-1)
            self.arrays[name] = array
            return {tag: name, "complex": True}
        self.arrays[name] = array
        return {tag: name}


def shown(path: tuple[Any, ...]) -> str:
    text = "".join(f"[{p!r}]" for p in path)
    return f"value{text if len(text) < 300 else text[:300] + '...'}"


# ---- and back ----------------------------------------------------------------------------------------
def unpack(text: str, arrays: dict[str, npt.NDArray[Any]], room: Room) -> Any:
    """The value, which takes the arrays; CheckpointError if text and arrays do not belong together, or the text is none of
    ours."""
    room.take(needed(text), "its structure")
    if depth(text) > 3 * DEEPEST:              # a tuple, or a dict, in a container makes three in JSON
        raise CheckpointError("its structure is nested too deeply")
    value = parsed(text, Decoder(arrays, room), "its structure")
    if arrays:
        raise CheckpointError(f"{len(arrays)} arrays stand nowhere in its structure, e.g. {next(iter(arrays))!r}")
    return value


def depth(text: str) -> int:
    """Of lists and objects in one another, outside of text."""
    now = most = 0
    for found in BRACKETS.finditer(text):
        if found[0][0] != '"':
            now += 1 if found[0] in "[{" else -1
            most = max(most, now)
    return most


class Decoder:
    """Makes values of the objects of JSON, the inner ones first, as they are read."""

    def __init__(self, arrays: dict[str, npt.NDArray[Any]], room: Room) -> None:
        self.arrays, self.room = arrays, room

    def __call__(self, pairs: list[tuple[str, Any]]) -> Any:
        if any(name.startswith("$") for name, _ in pairs):
            return self.special(pairs)
        return unique(pairs)

    def special(self, pairs: list[tuple[str, Any]]) -> Any:
        (tag, inner), *more = pairs
        if tag in ("$tensor", "$array", "$scalar"):
            return array_of(self.arrays.pop(inner), tag, more)
        if more:
            raise ValueError(f"{tag[:50]!r} stands with others")
        if tag == "$tuple" and type(inner) is list:
            return tuple(inner)
        if tag == "$dict" and type(inner) is list:
            found = {}
            for key, value in inner:
                if not isinstance(key, KEYS):
                    raise TypeError(f"a {type(key).__name__} is no key")
                found[key] = value
            if len(found) < len(inner):
                raise ValueError("a key appears twice")
            return found
        if tag == "$float" and inner in ("nan", "inf", "-inf"):
            return float(inner)
        if tag == "$int" and isinstance(inner, str) and re.fullmatch(r"-?0x[0-9a-f]+", inner):
            return int(inner, 16)
        if tag == "$complex":
            real, imaginary = inner
            return complex(float(real), float(imaginary))
        if tag == "$generator":
            self.room.take(PER_GENERATOR, "a random generator")
            return generator_of(inner)
        raise ValueError(f"{tag[:50]!r} means nothing")


def array_of(array: npt.NDArray[Any], tag: str, more: list[tuple[str, Any]]) -> Any:
    if more:
        if more != [("complex", True)] or more[0][1] is not True:
            raise ValueError("an array is described by its name only")
        if array.dtype.name not in ("float32", "float64") or array.shape[-1:] != (2,):
            raise ValueError("complex numbers are pairs of floats")
        array = array.view(f"c{2 * array.itemsize}")[..., 0]
    if tag == "$scalar" and array.ndim:
        raise ValueError("a scalar has no axes")
    return from_numpy(array) if tag == "$tensor" else array[()] if tag == "$scalar" else array


def generator_of(state: Any) -> np.random.Generator:
    if not isinstance(state, dict) or state.get("bit_generator") not in GENERATORS:
        raise ValueError("a generator is one of " + ", ".join(GENERATORS))
    generator = np.random.Generator(getattr(np.random, state["bit_generator"])(0))
    random.set_state(generator, state)
    return generator


def native(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Little-endian numbers in the byte order of this machine."""
    if sys.byteorder == "little":
        return array
    return array.astype(array.dtype.newbyteorder("="))  # pragma: no cover


def true_or_false(array: npt.NDArray[Any], name: str) -> None:
    """Bytes that are neither 0 nor 1 are no booleans, and code that trusts them may do anything."""
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise CheckpointError(f"array {name!r} has booleans that are neither true nor false")
