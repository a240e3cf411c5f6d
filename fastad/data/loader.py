"""DataLoader: the samples of arrays in batches.  Imports NumPy and fastad.random."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy
from .._core.tensor import Tensor
from ..random import default_generator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import numpy.typing as npt

    from .._typing import ArrayLike, Generator


class DataLoader:
    """Iterating yields tuples of Tensors, `batch_size` samples of every array; each iteration is one epoch.

    Parameters
    ----------
    data : array_like, or tuple of them of equal lengths
        E.g. (x, y).  Floats keep their dtype, integers become int64, as labels must be.
    batch_size : int
    shuffle : bool
        Draw without replacement, in a new order each epoch.
    drop_last : bool
        Leave out the last batch if it is not full.
    generator : numpy.random.Generator, optional
        The source of the orders.

    Raises
    ------
    ValueError
        If the arrays differ in length, or batch_size is not positive.

    Examples
    --------
    >>> import numpy
    >>> from fastad.data import DataLoader
    >>> loader = DataLoader((numpy.zeros((1280, 2)), numpy.zeros(1280, int)), batch_size=128, shuffle=True)
    >>> len(loader), [x.shape for x, y in loader][0]
    (10, (128, 2))
    """

    def __init__(
        self,
        data: ArrayLike | tuple[ArrayLike, ...],
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: Generator = None,
    ) -> None:
        self.arrays = tuple(_array(a, i) for i, a in enumerate(data if isinstance(data, tuple) else (data,)))
        if not self.arrays:
            raise ValueError("DataLoader: data is an empty tuple")
        lengths = [len(a) for a in self.arrays]
        if len(set(lengths)) > 1:
            raise ValueError(f"DataLoader: the arrays must have equal lengths, got {lengths}")
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be a positive integer, got {batch_size!r}")
        self.batch_size, self.shuffle, self.drop_last, self.generator = (
            batch_size,
            shuffle,
            drop_last,
            generator,
        )

    @property
    def size(self) -> int:
        """The number of samples."""
        return len(self.arrays[0])

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.size // self.batch_size if self.drop_last else -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = (
            (self.generator or default_generator()).permutation(self.size)
            if self.shuffle
            else np.arange(self.size)
        )
        for k in range(len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            yield tuple(from_numpy(a[chosen]) for a in self.arrays)  # indexing by an array copies


def _array(data: ArrayLike, position: int) -> npt.NDArray[Any]:
    array = data.detach().numpy() if isinstance(data, Tensor) else np.asarray(data)
    if array.ndim == 0:
        raise ValueError(f"DataLoader: array {position} has no axis of samples")
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
