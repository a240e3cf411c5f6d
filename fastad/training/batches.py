"""What `fit` takes as data, as batches of (inputs, targets) or (inputs, targets, weights).  Imports data.  Next: loop.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy
from .._core.tensor import Tensor
from ..data import DataLoader
from ..saving import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .._typing import Generator

EVALUATED = 256                        # samples at once, at least, where no step follows


def batches_of(what: str, data: Any, batch_size: int | None, shuffle: bool, generator: Generator) -> Iterable[Any]:
    """Batches of arrays, which come as a tuple; anything else gives its batches itself."""
    if not isinstance(data, tuple):
        if isinstance(data, (Tensor, np.ndarray, dict, str)) or not hasattr(data, "__iter__"):
            raise TypeError(f"fit: {what} must be a tuple of arrays (inputs, targets), a DataLoader or another iterable of "
                            f"such batches, got {type(data).__name__}")
        return data  # type: ignore[no-any-return]
    if len(data) not in (2, 3):
        raise ValueError(f"fit: {what} as a tuple is (inputs, targets) or (inputs, targets, weights), got {len(data)}")
    try:
        if batch_size is not None:
            return DataLoader(data, batch_size=batch_size, shuffle=shuffle, generator=generator)
        return list(DataLoader(data, batch_size=max(1, len(data[0]))))     # the same batch in every epoch
    except (ValueError, TypeError) as error:
        error.add_note(f"of the arrays that fastad.training.fit got as {what}")
        raise


def for_evaluation(data: Any, batch_size: int | None, sized: bool) -> Iterable[Any]:
    """The same, where order does not matter, and larger."""
    size = None if batch_size is None and sized else max(batch_size or 0, EVALUATED)
    return batches_of("validation", data, size, False, None)


def split(data: Any, fraction: float, chosen: Any, generator: np.random.Generator) -> tuple[Any, Any, Any]:
    """(training arrays, validation arrays, the indices of the latter): those `chosen` before, or a random part."""
    if not 0 < fraction < 1:
        raise ValueError(f"fit: validation as a fraction must lie between 0 and 1, got {fraction}")
    if not isinstance(data, tuple):
        raise TypeError(f"fit: a fraction for validation can be split off arrays only, and data is a {type(data).__name__}; "
                        f"give the validation batches themselves")
    arrays = tuple(a.detach().numpy() if isinstance(a, Tensor) else np.asarray(a) for a in data)
    lengths = {a.shape[:1] for a in arrays}
    if len(lengths) > 1 or () in lengths:
        raise ValueError(f"fit: the arrays must have one length, got shapes {[a.shape for a in arrays]}")
    size = len(arrays[0])
    count = round(size * fraction)
    if not 0 < count < size:
        raise ValueError(f"fit: a fraction of {fraction} of {size} samples leaves {size - count} to train on and {count} to "
                         f"validate")
    if chosen is None:
        chosen = np.sort(generator.permutation(size)[:count])
    elif not (isinstance(chosen, np.ndarray) and chosen.dtype.kind == "i" and chosen.shape == (count,)
              and chosen.min() >= 0 and chosen.max() < size and (np.diff(chosen) > 0).all()):
        raise CheckpointError(f"fit: the checkpoint held back others than {count} of {size} samples; resume with the data "
                              f"and the fraction that the run began with")
    kept = np.ones(size, bool)
    kept[chosen] = False
    return tuple(a[kept] for a in arrays), tuple(a[chosen] for a in arrays), chosen


def parts(batch: Any, weighted: bool) -> tuple[Any, Any, Any, int, float]:
    """(inputs, targets, weights or None, how many samples, and their weight in a mean)."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        shown = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise TypeError(f"fit: a batch is (inputs, targets) or (inputs, targets, weights), got {shown}; several inputs "
                        f"stand in a tuple of their own")
    inputs, targets = as_tensor(batch[0]), as_tensor(batch[1])
    found = length(targets)
    found = length(inputs) if found is None else found
    samples = 1 if found is None else found
    if len(batch) == 2:
        return inputs, targets, None, samples, samples
    if not weighted:
        raise TypeError("fit: the batches have weights, and the loss takes no sample_weight")
    weights = as_tensor(batch[2])
    return inputs, targets, weights, samples, float(weights.numpy().sum())


def length(value: Any) -> int | None:
    """How many samples a Tensor has, or the first one in a container that says."""
    if type(value) in (tuple, dict):
        lengths = map(length, value.values() if type(value) is dict else value)
        return next((n for n in lengths if n is not None), None)
    shape = getattr(value, "shape", ())
    return int(shape[0]) if shape else None


def as_tensor(value: Any) -> Any:
    """Arrays, of another library too, as Tensors, also those in tuples and dicts; packed sequences as they are."""
    if isinstance(value, Tensor):
        return value
    if type(value) is tuple:
        return tuple(map(as_tensor, value))
    if type(value) is dict:
        return {name: as_tensor(v) for name, v in value.items()}
    if isinstance(value, list):
        several = value and hasattr(value[0], "__array__")
        return tuple(as_tensor(v) for v in value) if several else from_numpy(np.array(value))
    if isinstance(value, tuple) or not hasattr(value, "__array__"):
        return value
    array = np.asarray(value)
    return from_numpy(array.astype(np.int64) if array.dtype.kind in "iu" else array)


def grouped(data: Iterable[Any], count: int, weighted: bool) -> Iterator[list[Any]]:
    """Lists of `count` batches, the last one perhaps shorter, each batch as its parts."""
    group = []
    for batch in data:
        group.append(parts(batch, weighted))
        if len(group) == count:
            yield group
            group = []
    if group:
        yield group
