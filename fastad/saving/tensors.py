"""The safetensors format: eight bytes of length, a header in JSON, then numbers.

The package writes it.  It is read here, where each entry of the header is checked against the file before anything is
allocated for it.  A checksum in the metadata finds numbers that changed.  Imports structure.
"""
from __future__ import annotations

import re
import sys
import zlib
from array import array as packed
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .files import PER_ARRAY, PER_AXIS, CheckpointError, fill, letters, parsed, shape_of, unique
from .structure import native, true_or_false

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, BinaryIO

    import numpy.typing as npt

    from .files import Room

KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
         "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8"}
STRUCTURE, CHECKSUM, PADDING = "fastad", "fastad.crc32", "fastad.padding"      # the keys of the metadata
LONGEST = 100_000_000                                           # bytes of a header, as in the package
SMALL = 2000                                                    # bytes of an entry; one of 64 axes has fewer

TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
OPEN, CLOSE = re.compile(rb"\s*\{"), re.compile(rb"\s*\}")
ITEM = re.compile(rb'\s*(%b)\s*:\s*(%b|\{[^{}"]*+(?:%b[^{}"]*+)*+\})\s*([,}])' % (TEXT, TEXT, TEXT), re.DOTALL)


def package() -> ModuleType:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError("files in the safetensors format need the package of that name (pip install fastad[safetensors]); "
                          "without it save to a path that ends in '.npz'") from error
    return safetensors


def write(file: BinaryIO, text: str, arrays: dict[str, npt.NDArray[Any]], padding: int) -> None:
    from safetensors.numpy import save

    checksum = Checksum(text.encode())
    for name in sorted(arrays):
        checksum.add(name, arrays[name])
    metadata = {STRUCTURE: text, CHECKSUM: checksum.shown()} | ({PADDING: padding * " "} if padding else {})
    file.write(save(arrays, metadata))


class Checksum:
    """CRC-32 of the structure, and of every array with its name, dtype and shape."""

    def __init__(self, text: bytes) -> None:
        self.value = zlib.crc32(text)

    def add(self, name: str, array: npt.NDArray[Any]) -> None:
        kind = array.dtype.newbyteorder("<").str
        self.value = zlib.crc32(f"{name} {kind} {array.shape}".encode("utf-8", "surrogatepass"), self.value)
        self.value = zlib.crc32(array.reshape(-1).view(np.uint8).data, self.value)

    def shown(self) -> str:
        return f"{self.value:08x}"


def read(file: BinaryIO, size: int, room: Room) -> tuple[str | None, dict[str, npt.NDArray[Any]]]:
    """(the structure, None in a file of others, and the arrays)."""
    raw = file.read(8)
    length = int.from_bytes(raw, "little")
    if len(raw) < 8 or length > min(size - 8, LONGEST):
        raise CheckpointError("this is neither a whole safetensors file nor an .npz")
    room.take(length, "the header")
    metadata, arrays, begins = described(file.read(length), size - 8 - length, room)
    text = metadata.get(STRUCTURE)
    if (text is None) != (CHECKSUM not in metadata):
        raise CheckpointError("a part of its metadata is missing")
    for (name, array), begin in zip(arrays.items(), begins, strict=True):
        file.seek(8 + length + begin)
        fill(file, array)
        true_or_false(array, name)
    if text is not None:
        checksum = Checksum(text.encode())
        for name in sorted(arrays):
            checksum.add(name, arrays[name])
        if checksum.shown() != metadata[CHECKSUM]:
            raise CheckpointError("its checksum does not fit: numbers or structure are damaged")
    if sys.byteorder != "little":  # pragma: no cover
        arrays = {name: native(array) for name, array in arrays.items()}
    return text, arrays


def described(raw: bytes, room_for: int, room: Room) -> tuple[dict[str, str], dict[str, npt.NDArray[Any]], Sequence[int]]:
    """(our metadata, arrays still without numbers, where each begins), if the header says the truth about that many bytes.

    It is read entry by entry: as objects of Python, all of it would take ten times the memory."""
    metadata: dict[str, str] | None = None
    arrays: dict[str, npt.NDArray[Any]] = {}
    begins, ends, total = packed("q"), packed("q"), 0
    for name, begin, end in items(raw, 0, len(raw), "the header", room):
        if name == "__metadata__":
            if metadata is not None:
                raise CheckpointError("the header cannot be read: a name appears twice")
            metadata = ours(raw, begin, end, room)
            continue
        what = f"tensor {name[:100]!r}"
        room.take(PER_ARRAY + sys.getsizeof(name), "the header")
        dtype, shape, first, last = entry(raw[begin:min(end, begin + SMALL + 1)], what)
        if not 0 <= first <= last <= room_for:
            raise CheckpointError(f"{what} lies outside of the file")
        if name in arrays:
            raise CheckpointError("the header cannot be read: a name appears twice")
        shape = shape_of(shape, dtype.itemsize, last - first, what)
        total += last - first
        if total > room_for:
            raise CheckpointError(f"{what} overlaps another one")
        room.take(last - first + PER_AXIS * len(shape), what)
        arrays[name] = np.empty(shape, dtype)
        begins.append(first)
        ends.append(last)
    starts, stops = np.sort(begins), np.sort(ends)
    if len(starts) and (starts[0] or not np.array_equal(starts[1:], stops[:-1])):
        raise CheckpointError("a tensor overlaps another one, or leaves a gap")
    if total != room_for:
        raise CheckpointError(f"its tensors have {total} bytes, and the file has room for {room_for}")
    return metadata or {}, arrays, begins


def items(raw: bytes, begin: int, end: int, what: str, room: Room) -> Iterator[tuple[str, int, int]]:
    """(name, where its value begins, and ends) in an object of JSON whose values are text, or objects without others."""
    found = OPEN.match(raw, begin, end)
    if found is None:
        raise CheckpointError(f"{what} cannot be read: it is no object")
    at, more = found.end(), CLOSE.match(raw, found.end(), end)
    while more is None:
        found = ITEM.match(raw, at, end)
        if found is None:
            raise CheckpointError(f"{what} cannot be read: at byte {at} stands no name with what it names")
        yield text_at(raw, *found.span(1), what, room), *found.span(2)
        at = found.end()
        if found[3] == b"}":
            break
    else:
        at = more.end()
    if raw[at:end].strip(b" \t\r\n"):
        raise CheckpointError(f"{what} cannot be read: it goes on after its end")


def text_at(raw: bytes, begin: int, end: int, what: str, room: Room) -> str:
    """Text in JSON, as a string."""
    room.check(end - begin, what)
    code = raw[begin:end]
    room.check(letters(len(code), b"\\u" in code or not code.isascii()), what)
    found = parsed(code, unique, what)
    assert isinstance(found, str)
    return found


def ours(raw: bytes, begin: int, end: int, room: Room) -> dict[str, str]:
    """What `write` put into the metadata; what others put there is not looked at."""
    found: dict[str, str] = {}
    for key, first, last in items(raw, begin, end, "the metadata", room):
        if key in (STRUCTURE, CHECKSUM):
            if key in found:
                raise CheckpointError("the metadata cannot be read: a name appears twice")
            found[key] = text_at(raw, first, last, "the metadata", room)
            if not found[key].isascii():
                raise CheckpointError("its structure cannot be read: it is not ASCII")
    return found


def entry(raw: bytes, what: str) -> tuple[np.dtype[Any], Any, int, int]:
    """(dtype, shape, begin, end) of a tensor; the shape is still to be checked, and where it lies."""
    if len(raw) > SMALL or raw.count(b"[") != 2:
        raise CheckpointError(f"{what} is not described by dtype, shape and data_offsets")
    code = parsed(raw, unique, what)
    if not isinstance(code, dict) or code.keys() != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"{what} is not described by dtype, shape and data_offsets")
    offsets, kind = code["data_offsets"], code["dtype"]
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets):
        raise CheckpointError(f"{what} has no two offsets")
    if not isinstance(kind, str) or kind not in KINDS:
        raise CheckpointError(f"{what} has dtype {str(kind)[:50]}, which fastad has not; it has {', '.join(KINDS)}; convert "
                              f"it (float32 holds every bfloat16) where it comes from")
    return np.dtype(KINDS[kind]), code["shape"], offsets[0], offsets[1]
