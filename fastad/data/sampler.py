"""Samplers: the order in which the samples of an epoch come, and how they are cut into batches.

A sampler may be anything that yields numbers of samples.  Those here also have ``order(rng)``, a whole epoch's numbers drawn
from a generator, and batch samplers ``plan(rng)``, with where each batch ends.  Next: loader.py.
"""
from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from .._core.tensor import Tensor
from ..random import default_generator
from .columns import array_of
from .dataset import at_least_as_new

if TYPE_CHECKING:

    import numpy.typing as npt

    from .._typing import ArrayLike, Floats, Generator, Integers

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """Base class of samplers: a subclass gives `__iter__`, which yields numbers of samples, or lists of them, and `__len__`.

    A subclass that draws must do so from a generator of its own.  If it has `state_dict` and `load_state_dict`, a DataLoader
    saves its state with its own.  In place of `__iter__` it may have `order` or, of batches, `plan`, as those here have.

    Examples
    --------
    >>> from fastad.data import DataLoader, Sampler
    >>> class EvenOnly(Sampler):
    ...     def __iter__(self):
    ...         return iter([0, 2])
    ...     def __len__(self):
    ...         return 2
    >>> list(DataLoader(["a", "b", "c"], batch_size=2, sampler=EvenOnly()))
    [['a', 'c']]
    """

    generator: Generator = None
    draws = False                          # whether `order`, or `plan`, needs random numbers

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__ method")


class _Ordered(Sampler[int]):
    """A sampler whose epoch is drawn at once: `size` numbers by `order`."""

    size: int

    def order(self, rng: np.random.Generator) -> Integers:
        """The numbers of an epoch."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(source_of(self)).tolist())

    def __len__(self) -> int:
        return self.size


class SequentialSampler(_Ordered):
    """0, 1, 2, ...: the samples in their order.

    Examples
    --------
    >>> from fastad.data import SequentialSampler
    >>> list(SequentialSampler(["a", "b", "c"]))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.data_source)

    def order(self, rng: np.random.Generator) -> Integers:
        """The numbers of an epoch."""
        return np.arange(self.size)


class RandomSampler(_Ordered):
    """The samples in a new order each epoch: without replacement every one once, with replacement each draw is of all.

    Parameters
    ----------
    data_source : sized
    replacement : bool
    num_samples : int, optional
        Of an epoch, by default as many as there are.  More without replacement are whole epochs, and a part of one.
    generator : numpy.random.Generator, optional
        Draws the order of an epoch when it begins; by default fastad's default generator.

    Raises
    ------
    ValueError
        If there are no samples, or num_samples is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import RandomSampler
    >>> sorted(RandomSampler("abc", generator=np.random.default_rng(0)))
    [0, 1, 2]
    """

    draws = True

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None,
                 generator: Generator = None) -> None:
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._wanted = None if num_samples is None else _count("RandomSampler: num_samples", num_samples)
        if not len(data_source):
            raise ValueError("RandomSampler: there are no samples to draw from")

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.data_source) if self._wanted is None else self._wanted

    @property
    def num_samples(self) -> int:
        """The samples of an epoch."""
        return self.size

    def order(self, rng: np.random.Generator) -> Integers:
        """The numbers of an epoch."""
        n, size = len(self.data_source), self.size
        if self.replacement:
            return rng.integers(0, n, size)
        if size <= n:
            return rng.permutation(n)[:size]
        return np.concatenate([rng.permutation(n)[:size - k] for k in range(0, size, n)])


class SubsetRandomSampler(_Ordered):
    """The samples of these numbers, in a new order each epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import SubsetRandomSampler
    >>> sorted(SubsetRandomSampler([5, 7, 2], generator=np.random.default_rng(0)))
    [2, 5, 7]
    """

    draws = True

    def __init__(self, indices: Any, generator: Generator = None) -> None:
        self.indices, self.generator = indices, generator

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.indices)

    def order(self, rng: np.random.Generator) -> Integers:
        """The numbers of an epoch."""
        return rng.permutation(np.asarray(self.indices, np.int64))


class WeightedRandomSampler(_Ordered):
    """Sample i drawn with a probability proportional to weights[i].

    Parameters
    ----------
    weights : array_like of shape (n,)
        Not negative; they need not sum to 1.
    num_samples : int
        Of an epoch.
    replacement : bool
        Without, a sample that was drawn does not come again in this epoch.
    generator : numpy.random.Generator, optional
        As for RandomSampler.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or fewer than num_samples are positive without replacement.

    Examples
    --------
    >>> from fastad.data import WeightedRandomSampler
    >>> list(WeightedRandomSampler([0.0, 3.0, 0.0], num_samples=4))
    [1, 1, 1, 1]
    """

    draws = True

    def __init__(self, weights: ArrayLike, num_samples: int, replacement: bool = True, generator: Generator = None) -> None:
        self.weights: Floats = np.array(array_of(weights), np.float64)
        self.size = self.num_samples = _count("WeightedRandomSampler: num_samples", num_samples)
        self.replacement, self.generator = replacement, generator
        if self.weights.ndim != 1:
            raise ValueError(f"WeightedRandomSampler: weights must have shape (n,), got {self.weights.shape}")
        wrong = np.flatnonzero(~((self.weights >= 0) & np.isfinite(self.weights)))
        if len(wrong):
            raise ValueError(f"WeightedRandomSampler: weights must be finite and not negative, got {self.weights[wrong[0]]} "
                             f"for sample {wrong[0]}")
        positive = np.count_nonzero(self.weights)
        if positive == 0 or (not replacement and positive < num_samples):
            raise ValueError(f"WeightedRandomSampler: {positive} samples have a positive weight, and {num_samples} are to "
                             f"be drawn{'' if replacement else ' without replacement'}")

    def order(self, rng: np.random.Generator) -> Integers:
        """The numbers of an epoch."""
        share = self.weights / self.weights.max()
        return rng.choice(len(share), self.size, self.replacement, share / share.sum())


# ---- batches -----------------------------------------------------------------------------------------
class _Planned(Sampler[list[int]]):
    """A batch sampler whose epoch is drawn at once."""

    def plan(self, rng: np.random.Generator) -> tuple[Integers, Integers]:
        """(numbers of an epoch, where among them each batch ends)"""
        raise NotImplementedError

    def __iter__(self) -> Iterator[list[int]]:
        order, ends = self.plan(source_of(self))
        return (part.tolist() for part in np.split(order, ends)[:len(ends)])


class BatchSampler(_Planned):
    """The numbers that a sampler gives, `batch_size` at a time.

    Parameters
    ----------
    sampler : Sampler, or iterable of int
    batch_size : int
    drop_last : bool
        Leave out the last batch if it is not full.

    Examples
    --------
    >>> from fastad.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2)), len(BatchSampler(range(5), 2, drop_last=True))
    ([[0, 1], [2, 3], [4]], 2)
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        self.sampler, self.batch_size = sampler, _count("BatchSampler: batch_size", batch_size)
        self.drop_last = bool(drop_last)

    @property
    def draws(self) -> bool:  # type: ignore[override]
        return bool(getattr(self.sampler, "draws", False))

    @property
    def generator(self) -> Generator:  # type: ignore[override]
        return generator_behind(self.sampler)

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def plan(self, rng: np.random.Generator) -> tuple[Integers, Integers]:
        """(numbers of an epoch, where among them each batch ends)"""
        order = order_of(self.sampler, rng)
        n, size = len(order), self.batch_size
        ends = np.arange(size, n + 1, size)
        return order, ends if self.drop_last or n % size == 0 else np.append(ends, n)


class StratifiedBatchSampler(_Planned):
    """Every batch holds every class in proportion, every sample comes once an epoch, in another order each epoch.

    With K batches an epoch and n_c samples of class c, each batch holds n_c / K of them, rounded down or up; the sizes of
    two batches differ by one sample at most.  A systematic sample: the samples lie in a row class by class, in random order
    within a class, and batch k takes every K-th of them.

    Parameters
    ----------
    labels : array_like of shape (n,)
        The class of each sample.
    batch_size : int
        The size of the largest batch.
    drop_last : bool
        All batches have exactly this size; which samples are left out is drawn each epoch.
    generator : numpy.random.Generator, optional
        As for RandomSampler.

    Raises
    ------
    ValueError
        If there are no labels, or fewer than a batch with drop_last.

    Notes
    -----
    W. G. Cochran, *Sampling Techniques*, 3rd ed., Wiley 1977, chapter 8 (systematic sampling).

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import StratifiedBatchSampler
    >>> labels = np.array([0] * 8 + [1] * 4)
    >>> [np.bincount(labels[batch]).tolist() for batch in StratifiedBatchSampler(labels, batch_size=3)]
    [[2, 1], [2, 1], [2, 1], [2, 1]]
    """

    draws = True

    def __init__(self, labels: ArrayLike, batch_size: int, drop_last: bool = False, generator: Generator = None) -> None:
        given = array_of(labels)
        if given.ndim != 1 or not given.size:
            raise ValueError(f"StratifiedBatchSampler: labels must have shape (n,), a class a sample, got {given.shape}")
        self.classes = np.unique(given, return_inverse=True)[1].reshape(-1)
        self.batch_size = _count("StratifiedBatchSampler: batch_size", batch_size)
        self.drop_last, self.generator = bool(drop_last), generator
        if not len(self):
            raise ValueError(f"StratifiedBatchSampler: {given.size} samples make no batch of {batch_size}, and drop_last "
                             f"leaves out those that are not full")

    def __len__(self) -> int:
        n = len(self.classes)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def plan(self, rng: np.random.Generator) -> tuple[Integers, Integers]:
        """(numbers of an epoch, where among them each batch ends)"""
        batches = len(self)
        drawn = rng.permutation(len(self.classes))
        if self.drop_last:
            drawn = drawn[:batches * self.batch_size]
        row = drawn[np.argsort(rng.permutation(self.classes.max() + 1)[self.classes[drawn]], kind="stable")]
        batch = rng.permutation(batches)[np.arange(len(row)) % batches]      # the larger batches come anywhere
        mixed = rng.permutation(len(row))
        order = row[mixed[np.argsort(batch[mixed], kind="stable")]]
        return order, np.cumsum(np.bincount(batch, minlength=batches))


# ---- what a loader asks ------------------------------------------------------------------------------
def generator_behind(sampler: Any) -> Generator:
    """The generator that a sampler was given, if it was."""
    found = getattr(sampler, "generator", None)
    return found if isinstance(found, np.random.Generator) else None


def source_of(sampler: Any, otherwise: Generator = None) -> np.random.Generator:
    """What draws: the sampler's generator, or else another, or else the default one."""
    return generator_behind(sampler) or otherwise or default_generator()


def _has(sampler: Any, method: str) -> bool:
    return isinstance(sampler, Sampler) and at_least_as_new(sampler, method, "__iter__")


def is_seeded(sampler: Any) -> bool:
    """Whether an epoch of it depends on the generator alone."""
    if _has(sampler, "plan"):
        return not isinstance(sampler, BatchSampler) or is_seeded(sampler.sampler)
    return _has(sampler, "order")


def order_of(sampler: Any, rng: np.random.Generator) -> Integers:
    """The numbers of an epoch."""
    if _has(sampler, "order"):
        found: Integers = sampler.order(rng)
        return found
    numbers = [i.item() if isinstance(i, Tensor) else i for i in sampler]
    return _numbers(numbers, type(sampler).__name__)


def plan_of(sampler: Any, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """(numbers of an epoch, where among them each batch ends)"""
    if _has(sampler, "plan"):
        planned: tuple[Integers, Integers] = sampler.plan(rng)
        return planned
    name = type(sampler).__name__
    batches = [_numbers(batch, name) for batch in sampler]
    return np.concatenate([np.zeros(0, np.int64), *batches]), np.cumsum([len(b) for b in batches], dtype=np.int64)


def _numbers(given: npt.ArrayLike, name: str) -> Integers:
    array = np.asarray(given)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(f"DataLoader: {name} yielded no numbers of samples: dtype {array.dtype}, shape {array.shape}")
    if array.dtype == np.uint64 and array.max(initial=0) >= 1 << 63:
        raise IndexError(f"DataLoader: {name} yielded {array.max()}, which is no number of a sample")
    return array.astype(np.int64)


def _count(what: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 1:
        raise ValueError(f"{what} must be a positive integer, got {given!r}")
    return int(given)
