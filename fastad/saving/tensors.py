"""The safetensors format: eight bytes of length, a header in JSON, then numbers.

The package writes and reads it; before it reads, the header is checked here against the file, which is all that a hostile
one could lie about.  A checksum in the metadata finds numbers that changed.  Imports structure.
"""
from __future__ import annotations

import zlib
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .files import CheckpointError, parsed, shape_of
from .structure import native, true_or_false

if TYPE_CHECKING:
    from typing import Any, BinaryIO

    import numpy.typing as npt

KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
         "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8"}
STRUCTURE, CHECKSUM = "fastad", "fastad.crc32"                  # the keys of the metadata
LONGEST = 100_000_000                                           # bytes of a header, as in the package


def package() -> ModuleType:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError("files in the safetensors format need the package of that name (pip install fastad[safetensors]); "
                          "without it save to a path that ends in '.npz'") from error
    return safetensors


def write(file: BinaryIO, text: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
    from safetensors.numpy import save

    checksum = Checksum(text.encode())
    for name in sorted(arrays):
        checksum.add(name, arrays[name].dtype, arrays[name].shape, arrays[name].reshape(-1).view(np.uint8))
    file.write(save(arrays, {STRUCTURE: text, CHECKSUM: checksum.shown()}))


class Checksum:
    """CRC-32 of the structure, and of every array with its name, dtype and shape."""

    def __init__(self, text: bytes) -> None:
        self.value = zlib.crc32(text)

    def add(self, name: str, dtype: Any, shape: tuple[int, ...], data: Any) -> None:
        self.value = zlib.crc32(f"{name} {np.dtype(dtype).str} {tuple(shape)}".encode(), self.value)
        self.value = zlib.crc32(data, self.value)

    def shown(self) -> str:
        return f"{self.value:08x}"


def read(file: BinaryIO, size: int) -> tuple[bytes | None, dict[str, npt.NDArray[Any]]]:
    """(the structure, None in a file of others, and the arrays)."""
    safetensors = package()
    raw = file.read(8)
    length = int.from_bytes(raw, "little")
    if len(raw) < 8 or length > min(size - 8, LONGEST):
        raise CheckpointError("this is neither a whole safetensors file nor an .npz")
    header = parsed(file.read(length), size, "the header")
    metadata, entries = checked(header, size - 8 - length)
    file.seek(0)
    whole = file.read(size)
    if len(whole) < size:
        raise CheckpointError("the file became shorter while it was read")
    text = metadata.get(STRUCTURE)
    if (text is None) != (CHECKSUM not in metadata):
        raise CheckpointError("a part of its metadata is missing")
    if text is not None:
        checksum, view = Checksum(text.encode("utf-8", "surrogatepass")), memoryview(whole)[8 + length:]
        for name, (dtype, shape, begin, end) in sorted(entries.items()):
            checksum.add(name, dtype, shape, view[begin:end])
        if checksum.shown() != metadata[CHECKSUM]:
            raise CheckpointError("its checksum does not fit: numbers or structure are damaged")
        view.release()
    try:
        found = safetensors.deserialize(whole)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"the package safetensors refuses it: {error}") from None
    del whole
    arrays = {}
    while found:
        name, entry = found.pop()
        dtype, shape, begin, end = entries[name]
        array = np.frombuffer(entry["data"], dtype)
        arrays[name] = native(array if array.flags.writeable else array.copy()).reshape(shape)
        true_or_false(arrays[name], name)
    return None if text is None else text.encode(), {name: arrays[name] for name in entries}


def checked(header: Any, room: int) -> tuple[dict[str, str], dict[str, tuple[np.dtype[Any], tuple[int, ...], int, int]]]:
    """(metadata, {name: (dtype, shape, begin, end)} in the order of the header), if it says the truth about `room` bytes."""
    if not isinstance(header, dict):
        raise CheckpointError("the header is no object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError("the metadata is no object of text")
    entries = {}
    for name, entry in header.items():
        what = f"tensor {name[:100]!r}"
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise CheckpointError(f"{what} is not described by dtype, shape and data_offsets")
        offsets = entry["data_offsets"]
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets):
            raise CheckpointError(f"{what} has no two offsets")
        if not isinstance(entry["dtype"], str) or entry["dtype"] not in KINDS:
            raise CheckpointError(f"{what} has dtype {str(entry['dtype'])[:50]}, which fastad has not; it has "
                                  f"{', '.join(KINDS)}; convert it (float32 holds every bfloat16) where it comes from")
        dtype, (begin, end) = np.dtype(KINDS[entry["dtype"]]), offsets
        if not 0 <= begin <= end <= room:
            raise CheckpointError(f"{what} lies outside of the file")
        entries[name] = dtype, shape_of(entry["shape"], dtype.itemsize, end - begin, what), begin, end
    at = 0
    for begin, end, name in sorted((begin, end, name) for name, (_, _, begin, end) in entries.items()):
        if begin != at:
            raise CheckpointError(f"tensor {name[:100]!r} overlaps another one, or leaves a gap")
        at = end
    if at != room:
        raise CheckpointError(f"its tensors have {at} bytes, and the file has room for {room}")
    return metadata, entries

