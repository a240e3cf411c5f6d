"""Files that are replaced as a whole, and limits to what a file may make us allocate.  Imports nothing of fastad."""
from __future__ import annotations

import json
import os
import platform
import re
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

BESIDE = 8 << 20                              # bytes that names and structure may take beside twice the file's size
PER_ITEM, PER_NAME = 60, 220                   # bytes that an item of JSON takes as an object, and the name of one, at most


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
    with open(path, "rb") as file:
        yield file, os.fstat(file.fileno()).st_size


# ---- JSON that may come from anybody -----------------------------------------------------------------
def parsed(raw: bytes, size: int, what: str) -> Any:
    """JSON, of which a file of `size` bytes may hold that much; without names twice, and integers that are too long."""
    if needed(raw) > 2 * size + BESIDE:
        raise CheckpointError(f"{what} has too many items for a file of {size} bytes")
    try:
        return json.loads(raw.decode(), object_pairs_hook=unique, parse_int=whole, parse_constant=refused)
    except RecursionError:
        raise CheckpointError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise CheckpointError(f"{what} cannot be read: {str(error)[:200]}") from None


def needed(raw: bytes) -> int:
    """How much memory the values of this JSON may take; what only stands in text is counted too."""
    items = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    return items * PER_ITEM + raw.count(b":") * PER_NAME + len(raw) * (1 if raw.isascii() else 4)


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
