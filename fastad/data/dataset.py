"""Data sets: what has a length and samples by number, and what only yields samples one after the other.

A map-style data set has `__len__` and `__getitem__`; lists and whatever else has them are such sets too.  A method
`gather(indices)`, if there is one, makes the whole batch that `default_collate` would make of those samples.
Next: sampler.py, which samples; collate.py, samples to a batch.
"""
from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from .._core.primitives.join import concatenate
from .._core.tensor import Tensor
from ..random import default_generator
from .collate import default_collate
from .columns import Columns, in_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from .._typing import ArrayLike, Generator, Integers

S = TypeVar("S", covariant=True)


class Dataset(Generic[S]):
    """Base class of sets whose samples have numbers: a subclass gives `__getitem__` and `__len__`.

    Examples
    --------
    >>> from fastad.data import DataLoader, Dataset
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index ** 2
    >>> list(DataLoader(Squares(), batch_size=3))
    [tensor([0, 1, 4]), tensor([9])]
    """

    def __getitem__(self, index: int) -> S:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__ method")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Generic[S]):
    """Base class of sets whose samples come one after the other: a subclass gives `__iter__`.

    Its own `__iter__` decides on the order.  If it has `state_dict` and `load_state_dict`, a DataLoader saves with its own
    state the one at which the epoch began.

    Examples
    --------
    >>> from fastad.data import DataLoader, IterableDataset
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> list(DataLoader(Countdown(), batch_size=2))
    [tensor([3, 2]), tensor([1])]
    """

    def __iter__(self) -> Iterator[S]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__ method")

    def __add__(self, other: IterableDataset[Any]) -> ChainDataset:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Arrays of equally many samples; sample i is a tuple of their rows i.  Batches are gathered in one compiled call.

    Parameters
    ----------
    *tensors : array_like or Tensor
        Of shape (n, ...), memory-mapped ones too; their memory is shared, and samples are copies.  Floats keep their
        dtype; integers become int64, but bytes (uint8) of more than one axis stay bytes.

    Raises
    ------
    ValueError
        If there is no array, or lengths differ.
    TypeError
        If an array holds no numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import TensorDataset
    >>> TensorDataset(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]))[1]
    (tensor([3., 4.]), tensor(1))
    """

    def __init__(self, *tensors: ArrayLike) -> None:
        self.columns = Columns(tensors, type(self).__name__)

    def __len__(self) -> int:
        return self.columns.length

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        if isinstance(index, slice):
            return self.gather(np.arange(len(self))[index])
        if np.ndim(index):
            return self.gather(index)
        return tuple(rows[0] for rows in self.gather([index]))

    def gather(self, indices: npt.ArrayLike) -> tuple[Tensor, ...]:
        """The batch of these samples."""
        return self.columns.gather(indices)


class StackDataset(Dataset[Any]):
    """Data sets side by side: sample i is the tuple, or the dict, of their samples i.

    Parameters
    ----------
    *args, **kwargs : Dataset, Tensor, array or sequence
        Of equal lengths; either without names (samples are tuples) or with (dicts).

    Raises
    ------
    ValueError
        If there are none, both kinds, or lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import DataLoader, StackDataset
    >>> pairs = StackDataset(image=np.zeros((4, 2, 2)), name=["a", "b", "c", "d"])
    >>> [batch["name"] for batch in DataLoader(pairs, batch_size=2)]
    [['a', 'b'], ['c', 'd']]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: give data sets either without names or with, and at least one")
        self.datasets: Any = kwargs or args
        lengths = [len(d) for d in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: the data sets must have equal lengths, got {lengths}")

    def _parts(self) -> Iterable[Any]:
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def _each(self, of: Callable[[Any], Any]) -> Any:
        if isinstance(self.datasets, dict):
            return {name: of(d) for name, d in self.datasets.items()}
        return tuple(of(d) for d in self.datasets)

    def __len__(self) -> int:
        return len(next(iter(self._parts())))

    def __getitem__(self, index: int) -> Any:
        return self._each(lambda d: d[index])

    def gather(self, indices: Integers) -> Any:
        """The batch of these samples."""
        return self._each(lambda d: fetch(d, indices))


class Subset(Dataset[S]):
    """The samples of a data set with these numbers, in this order.

    Raises
    ------
    IndexError
        If a number is out of bounds.

    Examples
    --------
    >>> from fastad.data import Subset
    >>> list(Subset(["a", "b", "c"], [2, 0]))
    ['c', 'a']
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | npt.ArrayLike) -> None:
        self.dataset = dataset
        self.indices = in_bounds(indices, len(dataset), "Subset")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> S:
        sample: S = self.dataset[int(self.indices[index])]
        return sample

    def gather(self, indices: Integers) -> Any:
        """The batch of these samples."""
        return fetch(self.dataset, self.indices[in_bounds(indices, len(self), "Subset")])


class ConcatDataset(Dataset[Any]):
    """Data sets one behind the other.

    Examples
    --------
    >>> from fastad.data import ConcatDataset
    >>> both = ConcatDataset([["a", "b"], ["c"]])
    >>> len(both), both[2], both[-3]
    (3, 'c', 'a')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: no data sets")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise TypeError("ConcatDataset: an IterableDataset has no numbered samples; use ChainDataset")
        self.cumulative_sizes: list[int] = np.cumsum([len(d) for d in self.datasets]).tolist()

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ConcatDataset: sample {index} is out of bounds for {n} samples")
        index += n if index < 0 else 0
        k = bisect_right(self.cumulative_sizes, index)
        return self.datasets[k][index - (self.cumulative_sizes[k - 1] if k else 0)]

    def gather(self, indices: Integers) -> Any:
        """The batch of these samples: of arrays, array by array."""
        order = in_bounds(indices, len(self), "ConcatDataset")
        if not all(type(d) is TensorDataset for d in self.datasets):
            return default_collate([self[i] for i in order.tolist()])
        which = np.searchsorted(self.cumulative_sizes, order, side="right")
        starts = np.array([0, *self.cumulative_sizes[:-1]])
        parts = [self.datasets[k].gather(order[which == k] - starts[k]) for k in np.unique(which).tolist()]
        joined = tuple(concatenate(column) for column in zip(*parts, strict=True))
        back = np.empty(len(order), np.int64)
        back[np.argsort(which, kind="stable")] = np.arange(len(order))
        return Columns(joined, "ConcatDataset").gather(back)


class ChainDataset(IterableDataset[Any]):
    """The samples of iterable data sets, one set after the other.

    Examples
    --------
    >>> from fastad.data import ChainDataset
    >>> list(ChainDataset([range(2), range(3)]))
    [0, 1, 0, 1, 2]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.datasets)


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator = None) -> list[Subset[Any]]:
    """Parts of a data set, drawn without replacement.

    Parameters
    ----------
    lengths : sequence of int, or of float
        The numbers of samples, which sum to ``len(dataset)``, or the shares of it, which sum to 1: then what rounding down
        leaves over goes to the first parts, a sample each.

    Raises
    ------
    ValueError
        If they do not sum to that, or one is negative.  A share that gives no sample is warned of.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import random_split
    >>> [len(part) for part in random_split(range(10), [0.7, 0.3], generator=np.random.default_rng(0))]
    [7, 3]
    """
    n, given = len(dataset), list(lengths)
    if any(not k >= 0 for k in given):
        raise ValueError(f"random_split: lengths must not be negative, got {given}")
    if abs(sum(given) - 1) < 1e-6 and any(k != int(k) for k in given):
        sizes = [int(n * k) for k in given]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
        if 0 in sizes:
            warnings.warn(f"random_split: {n} samples in shares of {given}: part {sizes.index(0)} is empty", stacklevel=2)
    else:
        sizes = [int(k) for k in given]
        if sizes != given or sum(sizes) != n:
            raise ValueError(f"random_split: lengths must be counts that sum to {n}, or shares that sum to 1, got {given}")
    order = (generator or default_generator()).permutation(n)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]


# ---- batches -----------------------------------------------------------------------------------------
def at_least_as_new(thing: Any, fast: str, plain: str) -> bool:
    """Whether a method stands in the same class as another of the same purpose or in a subclass of that, so that it is not
    behind what a user's subclass has changed."""
    for cls in type(thing).__mro__:
        if fast in vars(cls):
            return True
        if plain in vars(cls):
            return False
    return False


def fetch(dataset: Any, indices: Integers) -> Any:
    """The batch of the samples with these numbers: gathered if the data set can do so, else collated one by one."""
    if isinstance(dataset, Dataset) and at_least_as_new(dataset, "gather", "__getitem__"):
        return dataset.gather(indices)  # type: ignore[attr-defined]
    if isinstance(dataset, Tensor) or (isinstance(dataset, np.ndarray) and dataset.dtype.kind in "biufc"):
        return Columns((dataset,), "DataLoader").gather(indices)[0]
    return default_collate([dataset[i] for i in indices.tolist()])


def array_columns(dataset: Any) -> tuple[Columns | None, Integers | None]:
    """The columns of a TensorDataset, or of a Subset of one, and which of their samples are meant; else (None, None)."""
    which = None
    while type(dataset) is Subset:
        which = dataset.indices if which is None else dataset.indices[which]
        dataset = dataset.dataset
    return (dataset.columns, which) if type(dataset) is TensorDataset else (None, None)


def as_dataset(given: Any) -> Any:
    """What was given, as a data set: arrays are a TensorDataset."""
    if isinstance(given, tuple):
        if not given:
            raise ValueError("DataLoader: data is an empty tuple")
        return TensorDataset(*given)
    if isinstance(given, np.ndarray | Tensor) or hasattr(given, "__array__"):
        return TensorDataset(given)
    if isinstance(given, Mapping):
        raise TypeError("DataLoader: a mapping has no numbered samples; StackDataset(**arrays) makes batches that are dicts")
    if not hasattr(given, "__getitem__") and not hasattr(given, "__iter__"):
        raise TypeError(f"DataLoader: a {type(given).__name__} is no data set: it has neither __getitem__ nor __iter__")
    return given
