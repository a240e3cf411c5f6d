"""Arrays as columns of samples, from which a batch is picked in one compiled call.

Imports the core's `samples`.  Next: dataset.py, the data sets made of columns.
"""
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy
from .._core.primitives.index import samples
from .._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from .._typing import ArrayLike, Integers


class Columns:
    """Arrays of equally many samples; `what` is the name for errors.

    ValueError if there is none, lengths differ, or one has no axis of samples; TypeError if one holds no numbers."""

    def __init__(self, arrays: tuple[ArrayLike, ...], what: str) -> None:
        if not arrays:
            raise ValueError(f"{what}: data is an empty tuple")
        self.what = what
        # nobody else has these views, so they stay as they are
        self.arrays = [_array(a, f"{what}: array {i}")[...] for i, a in enumerate(arrays)]
        lengths = [len(a) for a in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(f"{what}: the arrays must have equal lengths, got {lengths}")
        self.length = lengths[0]
        self.dtypes = tuple(batch_dtype(a.dtype, a.ndim) for a in self.arrays)
        # what the core reads: samples that are stretches of memory; NumPy picks from the others
        self.tensors = tuple(from_numpy(a) if a.dtype.isnative and a.flags.aligned and a[:1].flags.c_contiguous else None
                             for a in self.arrays)
        # of each array the samples order[start : start + n]; nothing of Python's stands between here and the core
        self.pick: Callable[[Tensor, int, int], tuple[Tensor, ...]] = (
            self._pick if None in self.tensors else partial(samples, self.tensors, self.dtypes))

    def _pick(self, order: Tensor, start: int, n: int) -> tuple[Tensor, ...]:
        which = order.numpy()[start:start + n]
        return tuple(from_numpy(np.array(a[which], dtype, order="C")) if t is None
                     else samples((t,), (dtype,), order, start, n)[0]
                     for a, t, dtype in zip(self.arrays, self.tensors, self.dtypes, strict=True))

    def gather(self, indices: Any) -> tuple[Tensor, ...]:
        """Of each array the samples of these numbers."""
        order = in_bounds(indices, self.length, self.what)
        return self.pick(from_numpy(order), 0, len(order))


def array_of(data: ArrayLike) -> npt.NDArray[Any]:
    """The memory of a tensor, or an array."""
    return data.detach().numpy() if isinstance(data, Tensor) else np.asanyarray(data)


def _array(data: ArrayLike, what: str) -> npt.NDArray[Any]:
    array = array_of(data)
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise TypeError(f"{what} is a masked array that hides elements, and tensors have no mask; use filled(value)")
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{what} has dtype {array.dtype}, and batches hold numbers; numbers in its place, e.g. by "
                        f"numpy.unique(x, return_inverse=True), can be loaded, as can a list of samples")
    if array.ndim == 0:
        raise ValueError(f"{what} has no axis of samples")
    if array.dtype == np.uint64 and array.max(initial=0) >= 1 << 63:
        raise ValueError(f"{what} holds {array.max()}, and integers become int64; use astype for another dtype")
    return np.asarray(array)


def batch_dtype(dtype: np.dtype[Any], ndim: int) -> np.dtype[Any]:
    """The dtype of a batch with so many axes: integers become int64, as indices and labels must be, but bytes with more
    axes than that of the samples, such as pixels, stay bytes."""
    if dtype.kind in "iu" and not (dtype == np.uint8 and ndim > 1):
        return np.dtype(np.int64)
    return dtype.newbyteorder("=")


def in_bounds(indices: Any, length: int, what: str) -> Integers:
    """Numbers of samples as an int64 array of its own; negative ones count from the end; IndexError if out of bounds."""
    given = np.asarray(indices.detach().numpy() if isinstance(indices, Tensor) else indices)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise IndexError(f"{what}: numbers of samples must be a sequence of integers, got dtype {given.dtype} and shape "
                         f"{given.shape}")
    order = np.array(given, np.int64, order="C")
    if order.size:
        low, high = given.min(), given.max()
        if low < -length or high >= length:
            raise IndexError(f"{what}: sample {low if low < -length else high} is out of bounds for {length} samples")
        if low < 0:
            order[order < 0] += length
    return order
