"""Arrays from files: IDX, the format of MNIST, and memory-mapped .npy.  Imports NumPy.  Next: tables.py."""
from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import IO, Any

    import numpy.typing as npt

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
RATIO = 1032                               # deflate makes no byte of more than so many
PIECE = 1 << 20


def load_idx(path: str | os.PathLike[str], mmap: bool = False) -> npt.NDArray[Any]:
    """The array in an IDX file, also a gzipped one.

    The format: two zero bytes, one for the dtype, one for the number of axes; then each axis' length as a big-endian 32-bit
    integer, and the numbers, big-endian too, in C order.

    Parameters
    ----------
    path : path-like
    mmap : bool
        Leave the numbers in the file, read-only, until they are used; not if it is gzipped.

    Returns
    -------
    ndarray
        In native byte order, unless `mmap`.

    Raises
    ------
    ValueError
        If it is no IDX file, or does not hold as many numbers as it says; that is found out before memory is taken.

    Notes
    -----
    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", 1998, describe the format.

    Examples
    --------
    >>> import os, tempfile, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> print(fastad.datasets.load_idx(path))
    [7 2 1]
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        zipped = file.read(2) == GZIP
        file.seek(0)
        if not zipped:
            return _array(file, path, size, size, mmap)
        if mmap:
            raise ValueError(f"load_idx: {os.fspath(path)} is gzipped, which cannot be memory-mapped; unpack it")
        try:
            with gzip.open(file) as unpacked:
                return _array(unpacked, path, None, size * RATIO, False)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"load_idx: {os.fspath(path)}: the gzipped data are damaged or truncated: {error}") from error


def _array(file: IO[bytes] | gzip.GzipFile, path: str | os.PathLike[str], size: int | None, most: int,
           mmap: bool) -> npt.NDArray[Any]:
    """The array; the file has `size` bytes, or, if that is not known yet, at `most` so many."""
    where = f"load_idx: {os.fspath(path)}"
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 0 < magic[3] <= 32:
        raise ValueError(f"{where} is no IDX file: it begins with the bytes {magic.hex(' ') or '(none)'}, expected 00 00, "
                         f"then the dtype (one of {', '.join(f'{t:02x}' for t in TYPES)}) and the number of axes (01 to 20)")
    lengths = file.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise ValueError(f"{where} is truncated: it ends within the lengths of its {magic[3]} axes")
    shape, dtype = tuple(np.frombuffer(lengths, ">u4").tolist()), np.dtype(TYPES[magic[2]])
    begin, expected = 4 + len(lengths), prod(shape) * dtype.itemsize
    says = f"it says that it holds an array of shape {shape} and dtype {dtype}, {expected} bytes"
    if begin + expected > most or (size is not None and size != begin + expected):
        held = "" if size is None else f", and has {size - begin}"
        raise ValueError(f"{where} is truncated or mislabelled: {says}{held}")
    if mmap and expected:
        return np.memmap(path, dtype, "r", begin, shape)
    data = bytearray()
    while piece := file.read(min(PIECE, expected + 1 - len(data))):      # grows with what is there
        data += piece
    if len(data) != expected:
        has = f"has {len(data)}" if len(data) < expected else "goes on after them"
        raise ValueError(f"{where} is truncated or mislabelled: {says}, and {has}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def load_mnist(folder: str | os.PathLike[str], train: bool = True) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images and labels of MNIST, or of a set in its format (Fashion-MNIST, KMNIST, ...), from files that you have.

    Parameters
    ----------
    folder : path-like
        Where the four files are, e.g. ``train-images-idx3-ubyte.gz``, ``train-labels-idx1-ubyte``; gzipped or not.
    train : bool
        The training part; False: the test part (``t10k-``).

    Returns
    -------
    images : ndarray, uint8, shape (n, 28, 28)
    labels : ndarray, int64, shape (n,)

    Raises
    ------
    FileNotFoundError
        If a file is not there; nothing is downloaded.
    ValueError
        If a file is damaged, holds something else, or the numbers of images and labels differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.datasets.load_mnist("nowhere")
    Traceback (most recent call last):
    ...
    FileNotFoundError: load_mnist: no train-images-idx3-ubyte or train-images.idx3-ubyte, with or without .gz, in nowhere;
    fastad does not download
    """
    part = "train" if train else "t10k"
    images, labels = (load_idx(_file(Path(folder), f"{part}-{what}", f"idx{axes}-ubyte"))
                      for what, axes in (("images", 3), ("labels", 1)))
    for what, array, axes in (("images", images, 3), ("labels", labels, 1)):
        if array.ndim != axes or array.dtype != np.uint8:
            raise ValueError(f"load_mnist: the file of {part} {what} in {os.fspath(folder)} holds an array of shape "
                             f"{array.shape} and dtype {array.dtype}, expected {axes} axes of uint8: are images and labels "
                             f"exchanged?")
    if len(images) != len(labels):
        raise ValueError(f"load_mnist: {len(images)} {part} images and {len(labels)} labels in {os.fspath(folder)}")
    return images, labels.astype(np.int64)


def _file(folder: Path, stem: str, ending: str) -> Path:
    for name in (f"{stem}-{ending}", f"{stem}.{ending}"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"load_mnist: no {stem}-{ending} or {stem}.{ending}, with or without .gz, in {folder}; fastad "
                            f"does not download")


def load_npy(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The array in a .npy file, memory-mapped and read-only: a DataLoader reads from the file what its batches need.

    Raises
    ------
    ValueError
        If it is no such file, holds Python objects, or is truncated.

    Examples
    --------
    >>> import os, tempfile, numpy, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "x.npy")
    >>> numpy.save(path, numpy.arange(6.0).reshape(3, 2))
    >>> ((x,),) = fastad.data.DataLoader(fastad.datasets.load_npy(path), batch_size=3)
    >>> x.shape
    (3, 2)
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:             # NumPy reads the header as Python text, which fails in many ways
        raise ValueError(f"load_npy: {os.fspath(path)}: {error}") from error
