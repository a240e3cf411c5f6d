"""Files that are replaced as a whole, and limits to what one may make us allocate.  Imports nothing of fastad.
Next: structure.py."""
from __future__ import annotations

import json
import os
import platform
import re
import secrets
import stat
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

    import numpy.typing as npt

SPARE = 64 << 10                               # bytes that `load` may take beside twice the file's size
PER_ARRAY, PER_AXIS = 240, 16                  # bytes that an array takes beside its numbers and its name, at most
PER_COMMA, PER_BRACKET, PER_COLON = 64, 96, 200               # bytes that a sign in JSON stands for as an object, at most


class CheckpointError(ValueError):
    """A file that `load` refuses, or a checkpoint that does not fit what it is loaded into; the message says why.

    Examples
    --------
    >>> import os, tempfile, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "broken.npz")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"PK, and then something else")
    >>> try:
    ...     fastad.load(path)
    ... except fastad.CheckpointError:
    ...     print("refused")
    refused
    """


@contextmanager
def replaced(path: str) -> Iterator[BinaryIO]:
    """A file to write to that becomes `path` when the block ends, and vanishes if it fails."""
    path = os.path.realpath(path)              # what a link leads to is replaced, not the link
    folder, name = os.path.split(path)
    begin = f".{name}.{platform.node()}."
    sweep(folder, begin)
    beside = os.path.join(folder, f"{begin}{os.getpid()}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            with suppress(FileNotFoundError):
                mode = stat.S_IMODE(os.stat(path).st_mode)
                os.chmod(beside, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    if os.name == "posix":                     # the new name is on the disk only when the folder is
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: str, begin: str) -> None:
    """Remove what processes of this machine that were killed in `replaced` left behind."""
    if os.name != "posix":
        return
    for entry in os.listdir(folder):
        left = re.fullmatch(r"(\d{1,9})\.[0-9a-f]{8}\.tmp", entry[len(begin):]) if entry.startswith(begin) else None
        if left and not running(int(left[1])):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, entry))


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:                            # somebody else's
        return True
    return True


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, int]]:
    """(a file, its size); only regular files have one."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        if os.path.isdir(path):
            raise IsADirectoryError(f"{path} is a directory")
        raise CheckpointError(f"{path}: this is no regular file")
    with open(path, "rb", buffering=8192) as file:             # Python's own choice takes more in later versions
        yield file, os.fstat(file.fileno()).st_size


# ---- files that may come from anybody ----------------------------------------------------------------
class Room:
    """The memory that loading a file may still take: at first twice its size, and half of SPARE (the rest is Python's)."""

    def __init__(self, size: int) -> None:
        self.size, self.left = size, 2 * size + SPARE // 2

    def check(self, needed: int, what: str) -> None:
        """CheckpointError if there is not so much."""
        if needed > self.left:
            raise CheckpointError(f"{what} would take more memory than twice the {self.size} bytes of the file: too many "
                                  f"small items")

    def take(self, needed: int, what: str) -> None:
        self.check(needed, what)
        self.left -= needed


def fill(file: BinaryIO, array: npt.NDArray[Any], checksum: int = 0) -> int:
    """Read an array's numbers; the CRC-32 of them, which goes on from another one."""
    if not array.size:
        return checksum
    flat = array.reshape(-1, order="A").view(np.uint8)
    if file.readinto(flat.data) < len(flat):  # type: ignore[attr-defined]
        raise CheckpointError("the file became shorter while it was read")
    return zlib.crc32(flat.data, checksum)


def needed(text: str) -> int:
    """How much memory reading this JSON takes at most, beside the text itself; what only stands in text counts too."""
    count = text.count
    return (letters(len(text) + count('"') + count("\\"), "\\u" in text) + count(",") * PER_COMMA
            + (count("[") + count("{")) * PER_BRACKET + count(":") * PER_COLON)


def letters(size: int, wide: bool) -> int:
    """Of text of that many bytes: as bytes, as a string, and again without escapes, which grows by a quarter too much.
    One wide letter makes all of them take four bytes, and twice that while they are copied."""
    return size * (10 if wide else 4)


def parsed(text: str | bytes, hook: Callable[[list[tuple[str, Any]]], Any], what: str) -> Any:
    """JSON without integers that are too long, whose objects are what `hook` makes of their pairs."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return json.loads(text, object_pairs_hook=hook, parse_int=whole, parse_constant=refused)
    except RecursionError:
        raise CheckpointError(f"{what} is nested too deeply") from None
    except CheckpointError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise CheckpointError(f"{what} cannot be read: {str(error)[:200]}") from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice")
    return found


def whole(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def refused(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def shape_of(given: Any, itemsize: int, nbytes: int, what: str) -> tuple[int, ...]:
    """A shape, checked: non-negative integers whose product has just the bytes that are there."""
    if not isinstance(given, list) or len(given) > 64 or not all(type(n) is int and 0 <= n < 1 << 63 for n in given):
        raise CheckpointError(f"{what} has no shape that an array can have")
    needed, span = itemsize, itemsize
    for n in given:
        needed, span = needed * n, span * (n or 1)
        if span >= 1 << 63:
            raise CheckpointError(f"{what} claims a shape larger than any array")
    if needed != nbytes:
        raise CheckpointError(f"{what} claims {needed} bytes by its shape and has {nbytes}")
    return tuple(given)
