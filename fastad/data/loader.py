"""DataLoader: the samples of a data set in batches, in an order that can be repeated and resumed.

What an epoch is made of (`_Epoch`) is drawn when it begins; making its batches draws nothing more.  Arrays are picked from
by the core's `samples`; everything else goes through `fetch` (dataset.py) and collate.py.
"""
from __future__ import annotations

from itertools import count, islice, repeat
from typing import TYPE_CHECKING, Generic, TypeVar, overload

import numpy as np

from .._core.make import from_numpy
from .collate import convert, default_collate
from .columns import in_bounds
from .dataset import IterableDataset, array_columns, as_dataset, fetch
from .sampler import BatchSampler, RandomSampler, SequentialSampler, is_seeded, order_of, plan_of, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .._core.tensor import Tensor
    from .._typing import Arrayed, Generator, Integers
    from .dataset import TensorDataset

B = TypeVar("B", covariant=True)


class DataLoader(Generic[B]):
    """Iterating yields the batches of one epoch; the next iteration is the next epoch.

    Of arrays, a batch is a tuple of Tensors, and picking it is one compiled call.

    Parameters
    ----------
    dataset : tuple of array_like, array, Dataset, sequence of samples, or IterableDataset
        Arrays of equal lengths such as (x, y), memory-mapped ones too, are a `TensorDataset`: floats keep their dtype,
        integers become int64, as labels must be, but bytes (uint8) of more than one axis stay bytes.
    batch_size : int or None
        None: no batches, each sample comes by itself.  Where the data set is smaller, its one batch is.
    shuffle : bool
        Draw without replacement, in a new order each epoch.
    sampler : Sampler or iterable of int, optional
        Says the order, in place of `shuffle`.
    batch_sampler : iterable of lists of int, optional
        Says each batch's samples, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int
        Only 0: there are no processes that load; see `prefetch`.
    collate_fn : callable, optional
        Makes the batch of a list of samples; `default_collate` by default.
    drop_last : bool
        Leave out the last batch if it is not full.
    generator : numpy.random.Generator, optional
        What draws, unless the sampler has a generator of its own; fastad's default generator by default.
    prefetch : int
        So many batches are made ahead, by a thread: worth while where reading or `transform` take time without holding
        Python's lock, as NumPy's and fastad's loops do.
    transform : callable, optional
        ``transform(batch, rng)`` gives the batch to be used, e.g. an augmented one; whatever it draws comes from `rng`.

    Raises
    ------
    ValueError
        If arrays differ in length, there are no samples, no batch would be full with `drop_last`, a size is not a positive
        integer, or arguments exclude each other.
    TypeError
        If arrays hold no numbers, or the data set has neither samples by number nor an order of its own.

    Notes
    -----
    **What draws, and when.**  An epoch that needs random numbers takes them from the generator when it begins
    (``iter(loader)``): its order, and with a `transform` one number more, from which and from its number each batch has a
    generator of its own.  So batches do not depend on prefetching, nor on what else draws in the meantime, and what else
    draws does not depend on how batches are made.  A sampler of yours that has a length is read to its end when the epoch
    begins; one without, and an IterableDataset, are read as batches are made.

    **Resuming.**  `state_dict` tells the epoch and how many batches of it were given out.  In a loader made alike,
    `load_state_dict` lets the next iteration give the rest of that epoch; those after it are as they would have been.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import DataLoader
    >>> loader = DataLoader((np.zeros((1280, 2)), np.zeros(1280, int)), batch_size=128, shuffle=True)
    >>> len(loader), [x.shape for x, y in loader][0]
    (10, (128, 2))

    Stopped after three batches, and resumed:

    >>> batches = iter(loader)
    >>> started = [next(batches) for _ in range(3)]
    >>> state = loader.state_dict()
    >>> rest = list(batches)
    >>> loader.load_state_dict(state)
    >>> [(x.numpy() == again.numpy()).all() for (x, _), (again, _) in zip(rest, loader, strict=True)].count(True)
    7
    """

    @overload
    def __init__(self: DataLoader[tuple[Tensor, ...]], dataset: Arrayed | TensorDataset, batch_size: int | None = 1,
                 shuffle: bool = False, *, sampler: Iterable[int] | None = None,
                 batch_sampler: Iterable[list[int]] | None = None, num_workers: int = 0,
                 collate_fn: None = None, drop_last: bool = False, generator: Generator = None, prefetch: int = 0,
                 transform: None = None) -> None: ...
    @overload
    def __init__(self: DataLoader[Any], dataset: Any, batch_size: int | None = 1, shuffle: bool = False, *,
                 sampler: Iterable[int] | None = None, batch_sampler: Iterable[list[int]] | None = None,
                 num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None, drop_last: bool = False,
                 generator: Generator = None, prefetch: int = 0,
                 transform: Callable[[Any, np.random.Generator], Any] | None = None) -> None: ...
    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool = False, *,
                 sampler: Iterable[int] | None = None, batch_sampler: Iterable[list[int]] | None = None,
                 num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None, drop_last: bool = False,
                 generator: Generator = None, prefetch: int = 0,
                 transform: Callable[[Any, np.random.Generator], Any] | None = None) -> None:
        if num_workers != 0:
            raise ValueError(f"DataLoader: num_workers={num_workers}: there are no worker processes; prefetch={num_workers} "
                             f"makes that many batches ahead in a thread")
        if not isinstance(prefetch, int) or prefetch < 0:
            raise ValueError(f"DataLoader: prefetch must be an integer, 0 or more, got {prefetch!r}")
        if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer)
                                       or batch_size < 1):
            raise ValueError(f"DataLoader: batch_size must be a positive integer or None, got {batch_size!r}")
        if generator is not None and not isinstance(generator, np.random.Generator):
            raise TypeError(f"DataLoader: generator must be a numpy.random.Generator, got a {type(generator).__name__}; "
                            f"numpy.random.default_rng(seed) makes one")
        self.dataset: Any = as_dataset(dataset)
        self.batch_size, self.drop_last, self.generator, self.prefetch = batch_size, bool(drop_last), generator, prefetch
        self.collate_fn, self.transform = collate_fn, transform
        self.sampler: Any = sampler
        self.batch_sampler: Any = batch_sampler
        self.epoch = 0                     # epochs begun
        self._epoch: _Epoch | None = None  # the last one
        self._loaded = False               # it is to be gone on with
        self._one_by_one = isinstance(self.dataset, IterableDataset) or not hasattr(self.dataset, "__getitem__")
        self._columns, self._which = array_columns(self.dataset if collate_fn is None else None)
        if self._one_by_one:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ValueError("DataLoader: an IterableDataset has an order of its own; shuffle, sampler and "
                                 "batch_sampler are for samples with numbers")
        elif batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader: batch_sampler says what batch_size, shuffle, sampler and drop_last would; "
                                 "leave them out")
            self.batch_size = None
        else:
            if sampler is not None and shuffle:
                raise ValueError("DataLoader: the sampler says the order; leave shuffle out")
            if sampler is None:
                if not len(self.dataset):
                    raise ValueError("DataLoader: the data set is empty")
                self.sampler = (RandomSampler(self.dataset, generator=generator) if shuffle
                                else SequentialSampler(self.dataset))
            if batch_size is not None:
                self.batch_sampler = BatchSampler(self.sampler, batch_size, self.drop_last)
                if self.drop_last and not self._is_read_along() and len(self) == 0:
                    raise ValueError(f"DataLoader: {len(self.sampler)} samples make no batch of {batch_size}, and drop_last "
                                     f"leaves out those that are not full")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None makes no batches to drop the last of")

    @property
    def size(self) -> int:
        """The number of samples in the data set."""
        return len(self.dataset)

    def __len__(self) -> int:
        """The number of batches in an epoch; TypeError if only reading will tell."""
        if not self._one_by_one:
            return len(self._chooser())
        n = len(self.dataset)
        return n if self.batch_size is None else n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[B]:
        if self._epoch is None or not self._loaded:
            self.epoch += 1
            self._epoch = self._drawn()
        self._loaded = False
        epoch = self._epoch
        start = epoch.position
        picked = self._columns is not None and epoch.order is not None and self._batched()
        batches = self._picked(epoch, start) if picked else self._made(epoch, start)
        if self.transform is not None:
            batches = self._transformed(batches, epoch.seed, start)
        if self.prefetch:
            from .prefetch import prefetched
            batches = prefetched(batches, self.prefetch)
        return epoch.counted(batches)

    # -- resuming
    def state_dict(self) -> dict[str, Any]:
        """Where this loader stands: numbers, nested dicts of them, and for a sampler of yours with a length two arrays.

        ``epoch`` is how many have begun, ``position`` how many batches the last of them has given out, or None if it has
        come to its end.  The state of the generator that draws is part of it, fastad's default one too, and what a sampler
        or an IterableDataset of yours tells if it has `state_dict` and `load_state_dict`.
        """
        epoch = self._epoch
        under_way = epoch is not None and not epoch.done
        draws = self._draws()
        state = {"epoch": self.epoch, "position": None, "drawn_from": None, "seed": None, "order": None, "ends": None,
                 "samples": self._samples(), "batch_size": self.batch_size,
                 "generator": self._source().bit_generator.state if draws else None, "parts": self._part_states()}
        if under_way:
            assert epoch is not None
            state |= {"position": epoch.position, "drawn_from": epoch.drawn_from, "seed": epoch.seed}
            if epoch.order is None:
                state["parts"] = list(epoch.parts)
            elif not is_seeded(self._chooser()):
                state |= {"order": epoch.order.copy(), "ends": epoch.ends.copy()}
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another loader of the same data and settings stood; also sets the generator that draws.

        Raises
        ------
        ValueError
            If the state is of a loader with other data or settings, or not of a DataLoader; nothing has been changed then.
        """
        state = dict(state_dict)
        known = set(self.state_dict())
        if set(state) != known:
            raise ValueError(f"DataLoader: the state lacks {sorted(known - set(state))} and has unknown "
                             f"{sorted(set(state) - known)}")
        for name, mine in (("samples", self._samples()), ("batch_size", self.batch_size)):
            if state[name] != mine:
                raise ValueError(f"DataLoader: the state is of a loader with {name} {state[name]}, this one has {mine}")
        draws = self._draws()
        if (state["generator"] is not None) != draws:
            raise ValueError(f"DataLoader: the state is of a loader that {'does not draw' if draws else 'draws'} random "
                             f"numbers, and this one {'does' if draws else 'does not'}; see shuffle, sampler and transform")
        parts, its = self._parts(), list(state["parts"])
        if len(parts) != len(its):
            raise ValueError(f"DataLoader: the state is of a loader with {len(its)} parts that have states, a sampler or "
                             f"data set, and this one has {len(parts)}")
        source = self._source()
        now = source.bit_generator.state
        try:
            epoch = None if state["position"] is None else self._resumed(state, source)
            if draws:
                source.bit_generator.state = state["generator"]
        except BaseException:
            source.bit_generator.state = now
            raise
        for part, told in zip(parts, its, strict=True):
            part.load_state_dict(told)
        self._epoch, self._loaded, self.epoch = epoch, epoch is not None, int(state["epoch"])

    def _resumed(self, state: Mapping[str, Any], source: np.random.Generator) -> _Epoch:
        """The epoch that was under way, its order drawn again."""
        position, order, unread = int(state["position"]), state["order"], self._is_read_along()
        if ((order is None) != (unread or is_seeded(self._chooser())) or (state["drawn_from"] is not None) != self._draws()
                or (state["seed"] is not None) != (self.transform is not None)):
            raise ValueError("DataLoader: the state is of a loader with another kind of sampler, or transform")
        if order is None:
            if self._draws():
                source.bit_generator.state = state["drawn_from"]
            epoch = self._drawn()
        else:
            epoch = _Epoch(np.array(order, np.int64), np.array(state["ends"], np.int64))
        if position < 0 or (not unread and position > len(epoch.ends)):
            raise ValueError(f"DataLoader: the state has given out {position} batches of an epoch of "
                             f"{'some' if unread else len(epoch.ends)}")
        epoch.drawn_from, epoch.seed, epoch.parts = state["drawn_from"], state["seed"], list(state["parts"])
        epoch.position = position
        return epoch

    # -- what an epoch is made of
    def _chooser(self) -> Any:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def _samples(self) -> int | None:
        return len(self.dataset) if hasattr(self.dataset, "__len__") else None

    def _batched(self) -> bool:
        return self.batch_sampler is not None

    def _is_read_along(self) -> bool:
        """Whether the samples of an epoch are not known when it begins."""
        if self._one_by_one:
            return True
        try:
            len(self._chooser())
        except (TypeError, NotImplementedError):
            return True
        return False

    def _draws(self) -> bool:
        return self.transform is not None or bool(getattr(self._chooser(), "draws", False))

    def _source(self) -> np.random.Generator:
        return source_of(self._chooser(), self.generator)

    def _parts(self) -> list[Any]:
        """What has a state of its own: a sampler, a data set."""
        sampler = self._chooser()
        sampler = sampler.sampler if isinstance(sampler, BatchSampler) else sampler
        return [p for p in (sampler, self.dataset) if hasattr(p, "state_dict") and hasattr(p, "load_state_dict")]

    def _part_states(self) -> list[Any]:
        return [part.state_dict() for part in self._parts()]

    def _drawn(self) -> _Epoch:
        source = self._source()
        before = source.bit_generator.state if self._draws() else None
        if self._is_read_along():
            epoch = _Epoch(None, None)
            epoch.parts = self._part_states()
        elif self._batched():
            epoch = _Epoch(*plan_of(self.batch_sampler, source))
        else:
            order = order_of(self.sampler, source)
            epoch = _Epoch(order, np.arange(1, len(order) + 1))
        epoch.drawn_from = before
        if self.transform is not None:
            epoch.seed = int(source.integers(1 << 63))
        return epoch

    # -- batches
    def _picked(self, epoch: _Epoch, start: int) -> Iterator[Any]:
        """Of arrays."""
        assert self._columns is not None
        chosen = in_bounds(epoch.order, len(self.dataset), "DataLoader")
        order = from_numpy(chosen if self._which is None else self._which[chosen])
        begins = np.append(0, epoch.ends)[start:-1]
        return map(self._columns.pick, repeat(order), begins.tolist(), (epoch.ends[start:] - begins).tolist())

    def _made(self, epoch: _Epoch, start: int) -> Iterator[Any]:
        collate = self.collate_fn or (default_collate if self._batched() or self.batch_size is not None else convert)
        if self._one_by_one:
            samples = iter(self.dataset)
            size = self.batch_size
            if size is None:
                yield from map(collate, islice(samples, start, None))
                return
            for _ in islice(samples, start * size):
                pass
            while batch := list(islice(samples, size)):
                if len(batch) < size and self.drop_last:
                    return
                yield collate(batch)
        elif not self._batched():
            numbers = self.sampler if epoch.order is None else epoch.order.tolist()
            for i in islice(numbers, start, None):
                yield collate(self.dataset[i])
        else:
            for chosen in islice(self._cut(epoch), start, None):
                if self.collate_fn is None:
                    yield fetch(self.dataset, chosen)
                else:
                    yield collate([self.dataset[i] for i in chosen.tolist()])

    def _cut(self, epoch: _Epoch) -> Iterator[Integers]:
        """The numbers of each batch."""
        if epoch.order is not None:
            begin = 0
            for end in epoch.ends.tolist():
                yield epoch.order[begin:end]
                begin = end
        elif isinstance(self.batch_sampler, BatchSampler):
            numbers = iter(self.batch_sampler.sampler)
            while batch := list(islice(numbers, self.batch_sampler.batch_size)):
                if len(batch) == self.batch_sampler.batch_size or not self.drop_last:
                    yield np.array(batch)
        else:
            yield from map(np.asarray, self.batch_sampler)

    def _transformed(self, batches: Iterable[Any], seed: int | None, start: int) -> Iterator[Any]:
        assert self.transform is not None and seed is not None
        for k, batch in zip(count(start), batches, strict=False):
            yield self.transform(batch, np.random.default_rng([seed, k]))


class _Epoch:
    """What was drawn for an epoch, and how far it has come."""

    drawn_from: Mapping[str, Any] | None = None     # the generator's state before
    seed: int | None = None                         # of what `transform` draws
    parts: Sequence[Any] = ()                       # what sampler and data set told before, where order is None
    position = 0                                    # batches given out
    done = False

    def __init__(self, order: Any, ends: Any) -> None:
        self.order, self.ends = order, ends         # None: not known beforehand

    def counted(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            self.position += 1
            yield batch
        self.done = True
