"""Samples to a batch: stacked, padded or packed.

Next: loader.py, which calls these.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core.make import from_numpy
from .._core.primitives.join import stack
from .._core.tensor import Tensor
from .columns import batch_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .._typing import Field
    from ..nn.utils.rnn import PackedSequence

Plain = Tensor | np.ndarray | np.generic | bool | int | float | complex


class Padded(NamedTuple):
    """Sequences of different lengths in one tensor, and their lengths: what `pad_collate` makes.

    Examples
    --------
    >>> from fastad.data import Padded
    >>> Padded._fields
    ('data', 'lengths')
    """

    data: Tensor
    lengths: Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of samples as a batch: every number or array in them becomes a tensor with an axis of samples in front.

    Tuples, named tuples, lists and mappings stay what they are, with batches inside; strings and bytes become a list.
    Python's floats become float64, integers int64 (but arrays of bytes, such as pixels, stay bytes), bools bool.

    Raises
    ------
    ValueError
        If the batch is empty, samples differ in shape, length or keys: which sample is said.
    TypeError
        If a sample holds something else.

    Examples
    --------
    >>> from fastad.data import default_collate
    >>> default_collate([{"x": 1.0, "word": "a"}, {"x": 2.0, "word": "b"}])
    {'x': tensor([1., 2.]), 'word': ['a', 'b']}
    """
    return _collated(batch, _stacked, "default_collate", "")


def pad_collate(batch: Sequence[Any], padding_value: float | Mapping[Field, float] = 0.0, *,
                fields: Iterable[Field] | None = None, batch_first: bool = True) -> Any:
    """As `default_collate`, but what has an axis in every sample is a sequence (length, ...), and sequences of different
    lengths become a pair ``data`` (batch, steps, ...) and ``lengths`` (batch,).

    Parameters
    ----------
    batch : sequence of samples
    padding_value : float, or mapping
        What stands behind the end of a sequence; a mapping gives it by field, e.g. ``{1: -100}`` for targets that
        `cross_entropy` is to pass over.
    fields : iterable, optional
        The fields (positions in a tuple, keys of a dict) that are sequences; the others are stacked.
    batch_first : bool
        False: ``data`` is (steps, batch, ...).

    Raises
    ------
    ValueError
        If sequences differ in more than their length.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import DataLoader, pad_collate
    >>> words = [(np.array([1, 2, 3]), 0), (np.array([4]), 1)]
    >>> for (data, lengths), label in DataLoader(words, batch_size=2, collate_fn=pad_collate):
    ...     print(data, lengths)
    tensor([[1, 2, 3],
            [4, 0, 0]]) tensor([3, 1])
    """
    from ..nn.utils.rnn import pad_sequence

    def padded(samples: list[Any], field: Field) -> Padded:
        value = padding_value.get(field, 0.0) if isinstance(padding_value, Mapping) else padding_value
        return Padded(pad_sequence(samples, batch_first, value), from_numpy(np.array([len(s) for s in samples])))

    return _collated(batch, _sequences(padded, fields), "pad_collate", "")


def pack_collate(batch: Sequence[Any], *, fields: Iterable[Field] | None = None) -> Any:
    """As `pad_collate`, but sequences become an `nn.utils.rnn.PackedSequence`, which the recurrent layers take as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.data import pack_collate
    >>> sequence, label = pack_collate([(np.array([4.0]), 0), (np.array([1.0, 2.0]), 1)])
    >>> sequence.data, sequence.batch_sizes
    (tensor([1., 4., 2.]), tensor([2, 1]))
    """
    from ..nn.utils.rnn import pack_sequence

    def packed(samples: list[Any], field: Field) -> PackedSequence:
        return pack_sequence(samples, enforce_sorted=False)

    return _collated(batch, _sequences(packed, fields), "pack_collate", "")


def convert(sample: Any) -> Any:
    """A sample by itself: arrays and numbers in it as tensors, all else as it is."""
    if isinstance(sample, np.ndarray | np.generic) and sample.dtype.kind in "biufc":
        return _as_batch(np.array(sample))
    if isinstance(sample, Mapping):
        return {key: convert(value) for key, value in sample.items()}
    if isinstance(sample, tuple | list):
        return _like(sample, [convert(value) for value in sample])
    return sample


def _as_batch(array: np.ndarray[Any, Any]) -> Tensor:
    return from_numpy(array.astype(batch_dtype(array.dtype, array.ndim), copy=False))


def _like(sample: Any, values: list[Any]) -> Any:
    if isinstance(sample, tuple):
        return type(sample)(*values) if hasattr(sample, "_fields") else tuple(values)
    return values


def _collated(batch: Sequence[Any], stacked: Callable[[list[Any], Field, str], Any], name: str, field: Field) -> Any:
    """The batch of samples of one kind; `stacked` makes a tensor of numbers or arrays, which stand in `field`."""
    where = f"{name}: field {field!r}" if field != "" else name
    if not len(batch):
        raise ValueError(f"{where}: no samples")
    first = batch[0]
    for k, sample in enumerate(batch):
        if _kind(sample) is not _kind(first):
            raise TypeError(f"{where}: sample 0 of the batch is a {type(first).__name__}, sample {k} is a "
                            f"{type(sample).__name__}")
    if isinstance(first, str | bytes):
        return list(batch)
    if _kind(first) is Plain:
        return stacked(list(batch), field, where)
    if isinstance(first, Mapping):
        for k, sample in enumerate(batch):
            if sample.keys() != first.keys():
                raise ValueError(f"{where}: sample 0 of the batch has keys {list(first)}, sample {k} {list(sample)}")
        return {key: _collated([s[key] for s in batch], stacked, name, key) for key in first}
    if isinstance(first, tuple | list):
        for k, sample in enumerate(batch):
            if len(sample) != len(first):
                raise ValueError(f"{where}: sample 0 of the batch has {len(first)} parts, sample {k} has {len(sample)}")
        return _like(first, [_collated([s[i] for s in batch], stacked, name, i) for i in range(len(first))])
    raise TypeError(f"{where}: a sample is a {type(first).__name__}; batches are made of numbers, arrays, tensors, strings "
                    f"and tuples, lists and mappings of them; give a collate_fn")


def _kind(sample: Any) -> Any:
    """What samples of one batch have in common."""
    found = next((kind for kind in (str, bytes, Plain, Mapping, tuple, list) if isinstance(sample, kind)), None)
    return found or (Plain if hasattr(sample, "__array__") else type(sample))        # e.g. a tensor of another library


def _stacked(samples: list[Any], field: Field, where: str) -> Tensor:
    shapes = [np.shape(s) for s in samples]
    for k, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ValueError(f"{where}: sample 0 of the batch has shape {shapes[0]}, sample {k} {shape}; sequences of "
                             f"different lengths can be padded or packed: collate_fn=pad_collate or pack_collate")
    if any(isinstance(s, Tensor) for s in samples):
        tensor: Tensor = stack(samples)
        return tensor if tensor.dtype.kind not in "iu" else tensor.astype(batch_dtype(tensor.dtype, tensor.ndim))
    array = np.stack([np.asarray(s) for s in samples])
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{where}: arrays of dtype {array.dtype} hold no numbers; give a collate_fn")
    return _as_batch(array)


def _sequences(made: Callable[[list[Any], Field], Any],
               fields: Iterable[Field] | None) -> Callable[[list[Any], Field, str], Any]:
    """As `_stacked`, but `made` of what is a sequence."""
    chosen = None if fields is None else set(fields)

    def stacked(samples: list[Any], field: Field, where: str) -> Any:
        axes = {np.ndim(s) for s in samples}
        if (max(axes) > 0) if chosen is None else field in chosen:
            if 0 in axes:
                raise ValueError(f"{where}: not every sample of the batch is a sequence (length, ...)")
            return made([s if isinstance(s, Tensor) else _as_batch(np.array(s)) for s in samples], field)
        return _stacked(samples, field, where)

    return stacked
