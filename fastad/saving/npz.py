"""NumPy's .npz: a zip archive of .npy files, here without compression.

zipfile and NumPy write it.  What reads it is small and strict: the directory at the end of the file entry by entry, each
array's header, which must be just what NumPy writes, its numbers, and their checksum.  Imports structure.
"""
from __future__ import annotations

import re
import struct
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from .files import PER_ARRAY, PER_AXIS, CheckpointError, fill, shape_of
from .structure import OWN, native, true_or_false

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    import numpy.typing as npt

    from .files import Room

HEADER = re.compile(rb"\{'descr': '([<|][biufc?][0-9]{1,2})', 'fortran_order': (True|False), "
                    rb"'shape': \(((?:[0-9]{1,19}, ?)*(?:[0-9]{1,19})?)\), \} *\n")
KINDS = {"|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"}
LONGEST = 2000                                 # bytes of such a header; that of 64 axes has fewer
UTF8 = 0x0800                                  # the one flag that a member may have: how its name is written

# The records of an archive, as the description of the format by PKWARE (APPNOTE.TXT) has them.
END = struct.Struct("<4s4H2LH")                # PK56: disk, first disk, entries here, entries, length, start, comment
LOCATOR = struct.Struct("<4sLQL")              # PK67: disk, where the larger end is, disks
LARGE_END = struct.Struct("<4sQ2H2L4Q")        # PK66: size, versions, disks, entries here, entries, length, start
ENTRY = struct.Struct("<4s4H2H3L5H2L")         # PK12: versions, flags, method, time, date, checksum, sizes, lengths, ...
LOCAL = struct.Struct("<4s3H2H3L2H")           # PK34: version, flags, method, time, date, checksum, sizes, lengths


def looks_like(file: BinaryIO) -> bool:
    begin = file.read(4)
    file.seek(0)
    return begin[:2] == b"PK"


def write(file: BinaryIO, text: str, arrays: dict[str, npt.NDArray[Any]], padding: int) -> None:
    structure = np.frombuffer((text + padding * " ").encode(), np.uint8)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in (*arrays.items(), (OWN, structure)):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=array.nbytes >= 1 << 31) as member:
                np.lib.format.write_array(member, array, version=(1, 0) if array.ndim <= 64 else None, allow_pickle=False)


def read(file: BinaryIO, size: int, room: Room) -> tuple[str | None, dict[str, npt.NDArray[Any]]]:
    """(the structure, None in a file of others, and the arrays)."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, begin, length, checksum in members(file, size, room):
        if name in arrays:
            raise CheckpointError(f"the name {name[:100]!r} appears twice")
        file.seek(begin)
        arrays[name] = read_array(file, length, checksum, f"array {name[:100]!r}", room)
        true_or_false(arrays[name], name)
    if OWN not in arrays:
        return None, arrays
    own = arrays.pop(OWN)
    if own.dtype != np.uint8 or own.ndim != 1:
        raise CheckpointError("its structure is no text")
    raw = own.tobytes()
    del own                                    # of the text there are never more than two copies
    raw = raw.rstrip(b" ")
    try:
        return raw.decode("ascii"), arrays
    except UnicodeDecodeError:
        raise CheckpointError("its structure cannot be read: it is not ASCII") from None


def members(file: BinaryIO, size: int, room: Room) -> Iterator[tuple[str, int, int, int]]:
    """(name, where its data begin, their length, their checksum) of every member; they follow one another in the file."""
    entries, start, length = directory(file, size)
    room.take(length, "the directory of the archive")
    file.seek(start)
    listed, at, end = file.read(length), 0, 0
    for _ in range(entries):
        if at + ENTRY.size > len(listed):
            raise CheckpointError(f"the archive is damaged: its directory ends before {entries} entries")
        (mark, _, _, flags, method, _, _, checksum, stored, length, named, extra, comment, _, _, _,
         offset) = ENTRY.unpack_from(listed, at)
        where = at + ENTRY.size
        raw, more = listed[where:where + named], listed[where + named:where + named + extra]
        at = where + named + extra + comment
        if mark != b"PK\1\2" or at > len(listed):
            raise CheckpointError("the archive is damaged: its directory has something else than entries")
        name = name_of(raw, flags)
        length, stored, offset = large(more, length, stored, offset)
        if method != zipfile.ZIP_STORED:
            raise CheckpointError(f"{name[:100]!r} is compressed, and could grow to any size; save it with numpy.savez")
        if flags & ~UTF8 or stored != length or comment:
            raise CheckpointError(f"{name[:100]!r} is encrypted, has two sizes or a comment")
        if offset < end or offset + LOCAL.size > start:
            raise CheckpointError(f"{name[:100]!r} overlaps another member, or lies outside of the file")
        file.seek(offset)
        local = LOCAL.unpack(file.read(LOCAL.size).ljust(LOCAL.size))      # shorter only if somebody cuts the file now
        if (local[0], *local[2:4], local[9]) != (b"PK\3\4", flags, method, named) or file.read(named) != raw:
            raise CheckpointError(f"the archive is damaged: {name[:100]!r} is not where its directory says")
        begin = offset + LOCAL.size + named + local[10]
        end = begin + length
        if end > start:
            raise CheckpointError("its members have more bytes than the file")
        room.take(PER_ARRAY + sys.getsizeof(name), "the archive")
        yield name, begin, length, checksum
    if at != len(listed):
        raise CheckpointError(f"the archive is damaged: its directory has more than {entries} entries")


def directory(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """(how many entries the directory at the end says it has, where it begins, its length); it lies in the file."""
    at = size - END.size
    file.seek(max(0, at))
    raw = file.read(END.size)
    if len(raw) < END.size or not raw.startswith(b"PK\5\6"):
        raise CheckpointError("the archive is truncated, or has a comment")
    _, disk, first, here, entries, length, start, comment = END.unpack(raw)
    if disk or first or comment or here != entries:
        raise CheckpointError("the archive has several parts or a comment")
    file.seek(max(0, at - LOCATOR.size))
    before = file.read(LOCATOR.size)
    if before.startswith(b"PK\6\7") and len(before) == LOCATOR.size:         # a large file: the true numbers stand there
        _, disk, at, disks = LOCATOR.unpack(before)
        if disk or disks > 1 or at != size - END.size - LOCATOR.size - LARGE_END.size:
            raise CheckpointError("the archive is damaged: its end for large files is not where it should be")
        file.seek(at)
        mark, _, _, _, disk, first, here, entries, length, start = LARGE_END.unpack(file.read(LARGE_END.size))
        if mark != b"PK\6\6" or disk or first or here != entries:
            raise CheckpointError("the archive is damaged: its end for large files is none, or it has several parts")
    if start + length != at:
        raise CheckpointError("the directory of the archive is not where it should be")
    return entries, start, length


def name_of(raw: bytes, flags: int) -> str:
    """The array's name, without its suffix."""
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError:
        raise CheckpointError("the archive is damaged: a name is no text") from None
    if not name.endswith(".npy") or re.search(r"[/\\:\0]|^\.", name):
        raise CheckpointError(f"{name[:100]!r} is no name of an array")
    return name[:-4]


def large(extra: bytes, *numbers: int) -> list[int]:
    """Numbers of an entry; those that 32 bits do not hold stand among its extra fields."""
    found = []
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            found = [n for n, in struct.iter_unpack("<Q", extra[4:4 + length // 8 * 8])]
        extra = extra[4 + length:]
    missing = sum(n == 0xFFFFFFFF for n in numbers)
    if missing > len(found):
        raise CheckpointError("the archive is damaged: an entry has no sizes")
    given = iter(found)
    return [next(given) if n == 0xFFFFFFFF else n for n in numbers]


def read_array(file: BinaryIO, size: int, checksum: int, what: str, room: Room) -> npt.NDArray[Any]:
    """A .npy file of `size` bytes."""
    start = file.read(min(10, size))
    if len(start) < 10 or start[:8] != b"\x93NUMPY\1\0":
        raise CheckpointError(f"{what} is no .npy file of version 1")
    length = int.from_bytes(start[8:], "little")
    raw = file.read(min(length, size - 10, LONGEST))
    header = HEADER.fullmatch(raw)
    if len(raw) < length or header is None or header[1].decode() not in KINDS:
        raise CheckpointError(f"{what} has a header that NumPy does not write for numbers; objects, text and records are "
                              f"refused")
    dtype, fortran = np.dtype(header[1].decode()), header[2] == b"True"
    given = [int(n) for n in header[3].split(b",") if n.strip()]
    shape = shape_of(given, dtype.itemsize, size - 10 - length, what)
    room.take(size - 10 - length + PER_AXIS * len(shape), what)
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    if fill(file, array, zlib.crc32(raw, zlib.crc32(start))) != checksum:
        raise CheckpointError(f"{what} is damaged: its checksum does not fit")
    return native(array)
