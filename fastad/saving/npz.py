"""NumPy's .npz: a zip archive of .npy files, here without compression.

zipfile and NumPy write it.  Before zipfile reads, the directory at its end is checked against the file; then every member,
whose header must be just what NumPy writes.  zipfile checks each member's checksum.  Imports structure.
"""
from __future__ import annotations

import re
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from .files import BESIDE, CheckpointError, shape_of
from .structure import OWN, native, true_or_false

if TYPE_CHECKING:
    from typing import Any, BinaryIO

    import numpy.typing as npt

HEADER = re.compile(rb"\{'descr': '([<|][biufc?][0-9]{1,2})', 'fortran_order': (True|False), "
                    rb"'shape': \(((?:[0-9]{1,19}, ?)*(?:[0-9]{1,19})?)\), \} *\n")
KINDS = {"|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"}
END = struct.Struct("<4s4H2LH")                # the end of the directory, as every archive without a comment has it
PER_MEMBER = 700                               # bytes that zipfile takes for a member, at most, and its smallest entry
ENTRY = 46
CHUNK = 1 << 20


def looks_like(file: BinaryIO) -> bool:
    begin = file.read(4)
    file.seek(0)
    return begin[:2] == b"PK"


def write(file: BinaryIO, text: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
    structure = np.frombuffer(text.encode(), np.uint8)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in (*arrays.items(), (OWN, structure)):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=array.nbytes >= 1 << 31) as member:
                np.lib.format.write_array(member, array, version=(1, 0) if array.ndim <= 64 else None, allow_pickle=False)


def read(file: BinaryIO, size: int) -> tuple[bytes | None, dict[str, npt.NDArray[Any]]]:
    """(the structure, None in a file of others, and the arrays)."""
    entries = check_directory(file, size)
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")     # of zipfile, about names that appear twice
            archive = zipfile.ZipFile(file)
        with archive:
            check_members(archive.infolist(), entries, size)
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                with archive.open(info) as member:
                    arrays[name] = read_array(member, info.file_size, f"array {name[:100]!r}")
                true_or_false(arrays[name], name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, UnicodeDecodeError, struct.error,
            OverflowError, Warning) as error:
        raise CheckpointError(f"the archive is damaged: {str(error)[:200]}") from None
    text = arrays.pop(OWN, None)
    if text is None:
        return None, arrays
    if text.dtype != np.uint8 or text.ndim != 1:
        raise CheckpointError("its structure is no text")
    return text.tobytes(), arrays


def check_directory(file: BinaryIO, size: int) -> int:
    """How many entries the directory at the end says it has; it lies in the file, and is not too long for memory."""
    file.seek(max(0, size - END.size))
    raw = file.read(END.size)
    if len(raw) < END.size or not raw.startswith(b"PK\5\6"):
        raise CheckpointError("the archive is truncated, or has a comment")
    _, disk, first, here, entries, length, start, comment = END.unpack(raw)
    if disk or first or comment or here != entries:
        raise CheckpointError("the archive has several parts or a comment")
    if 0xFFFFFFFF not in (length, start) and start + length != size - END.size:
        raise CheckpointError("the directory of the archive is not where it should be")
    if min(length, size) // ENTRY * PER_MEMBER > 2 * size + BESIDE:
        raise CheckpointError(f"the directory of the archive is too long for a file of {size} bytes")
    file.seek(0)
    return int(entries)


def check_members(members: list[zipfile.ZipInfo], entries: int, size: int) -> None:
    """That they are all there, and plain arrays, stored one after the other."""
    if len(members) != entries and entries != 0xFFFF:
        raise CheckpointError(f"the archive has {len(members)} members and says {entries}")
    names = set()
    for info in members:
        name = info.filename
        if not name.endswith(".npy") or re.search(r"[/\\:\0]|^\.", name) or name != info.orig_filename:
            raise CheckpointError(f"{name[:100]!r} is no name of an array")
        if name in names:
            raise CheckpointError(f"the name {name[:100]!r} appears twice")
        names.add(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(f"{name[:100]!r} is compressed, and could grow to any size; save it with numpy.savez")
        if info.flag_bits & ~0x0800 or info.compress_size != info.file_size or info.comment:
            raise CheckpointError(f"{name[:100]!r} is encrypted, has two sizes or a comment")
    end = 0
    for info in sorted(members, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise CheckpointError(f"{info.filename[:100]!r} overlaps another member")
        end = info.header_offset + 30 + len(info.filename) + info.file_size
    if end > size:
        raise CheckpointError("its members have more bytes than the file")


def read_array(member: Any, size: int, what: str) -> npt.NDArray[Any]:
    """A .npy file of `size` bytes."""
    start = member.read(10)
    if len(start) < 10 or start[:8] != b"\x93NUMPY\1\0":
        raise CheckpointError(f"{what} is no .npy file of version 1")
    length = int.from_bytes(start[8:], "little")
    header = HEADER.fullmatch(member.read(length))
    if header is None or header[1].decode() not in KINDS:
        raise CheckpointError(f"{what} has a header that NumPy does not write for numbers; objects, text and records are "
                              f"refused")
    dtype, fortran = np.dtype(header[1].decode()), header[2] == b"True"
    given = [int(n) for n in header[3].split(b",") if n.strip()]
    shape = shape_of(given, dtype.itemsize, size - 10 - length, what)
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    flat, at = array.reshape(-1, order="A").view(np.uint8) if array.size else np.empty(0, np.uint8), 0
    while at < len(flat):
        chunk = member.read(min(CHUNK, len(flat) - at))
        if not chunk:
            raise CheckpointError(f"{what} is truncated")
        flat[at:at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)
    if member.read(1):                         # at its end the checksum is looked at
        raise CheckpointError(f"{what} is longer than its shape says")
    return native(array)
