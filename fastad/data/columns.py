"""Arrays as columns of samples, from which a batch is picked in one compiled call.

Imports the core's gather.  Next: dataset.py, the data sets made of columns.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.gather import Column, picked
from .._core.tensor import Tensor

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .._typing import ArrayLike, DType, Integers


def array_of(data: ArrayLike) -> npt.NDArray[Any]:
    """The memory of a tensor, or an array."""
    return data.detach().numpy() if isinstance(data, Tensor) else np.asanyarray(data)


def column(data: ArrayLike, what: str) -> Column:
    """A column of samples; ValueError if there is no axis of samples, TypeError if they are no numbers."""
    array = array_of(data)
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise TypeError(f"{what} is a masked array that hides elements, and tensors have no mask; use filled(value)")
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{what} has dtype {array.dtype}, and batches hold numbers; numbers in its place, e.g. by "
                        f"numpy.unique(x, return_inverse=True), can be loaded, as can a list of samples")
    if array.ndim == 0:
        raise ValueError(f"{what} has no axis of samples")
    return Column(np.asarray(array)[...], batch_dtype(array.dtype, array.ndim))


def columns(arrays: tuple[ArrayLike, ...], what: str) -> tuple[Column, ...]:
    """Columns of equally many samples."""
    if not arrays:
        raise ValueError(f"{what}: data is an empty tuple")
    found = tuple(column(a, f"{what}: array {i}") for i, a in enumerate(arrays))
    lengths = [c.length for c in found]
    if len(set(lengths)) > 1:
        raise ValueError(f"{what}: the arrays must have equal lengths, got {lengths}")
    return found


def batch_dtype(dtype: np.dtype[Any], ndim: int) -> DType:
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


def gather(found: tuple[Column, ...], indices: Any, what: str) -> tuple[Tensor, ...]:
    """Of each column the samples of these numbers."""
    order = in_bounds(indices, found[0].length, what)
    return picked(found, order, 0, len(order))
