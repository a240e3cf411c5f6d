"""Sequences of different lengths: padded, packed, or each by itself.

Packed, the rows of time 0 come first, then those of time 1, and so on; at each time only the sequences that still run, the
longest first.  Between the three forms lies one gather or one scatter, so no padding is ever computed with.

Imports fastad's functions.  Next: ../rnn.py, the layers that take these.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ... import concatenate, scatter, split
from ..._core.make import as_tensors, from_numpy
from ..._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal, Self

    from ..._typing import ArrayLike, DType, Integers


__all__ = ["PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
           "unpack_sequence", "unpad_sequence"]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences of different lengths without padding; `pack_padded_sequence` and `pack_sequence` make it.

    Attributes
    ----------
    data : Tensor (rows, ...): those of time 0, then those of time 1, ...; at each time the longest sequences first
    batch_sizes : integer Tensor (times,): how many sequences run at each time
    sorted_indices : integer Tensor (batch,) or None: which sequence stands where, by falling length; None: as given
    unsorted_indices : integer Tensor (batch,) or None: its inverse, where each sequence stands

    Raises
    ------
    ValueError
        If batch_sizes are not positive, rise, or do not add up to the rows of data.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import PackedSequence
    >>> packed = PackedSequence(fastad.tensor([1.0, 4.0, 2.0]), [2, 1])      # the sequences 1, 2 and 4
    >>> packed.batch_sizes
    tensor([2, 1])
    """

    __slots__ = ()

    def __new__(cls, data: ArrayLike, batch_sizes: ArrayLike, sorted_indices: ArrayLike | None = None,
                unsorted_indices: ArrayLike | None = None) -> Self:
        rows, = as_tensors(data)
        sizes = _integers("PackedSequence", "batch_sizes", batch_sizes)
        if not rows.ndim or not sizes.size or sizes[-1] < 1 or (sizes[1:] > sizes[:-1]).any() or sizes.sum() != len(rows):
            raise ValueError(f"PackedSequence: batch_sizes must be positive, never rise and add up to the rows of data of "
                             f"shape {rows.shape}, got {_shown(sizes)} with sum {sizes.sum()}")
        orders = [None if given is None else _order(name, given, int(sizes[0]))
                  for name, given in (("sorted_indices", sorted_indices), ("unsorted_indices", unsorted_indices))]
        for k in (0, 1):
            other = orders[1 - k]
            if orders[k] is None and other is not None:
                orders[k] = np.argsort(other)
        return super().__new__(cls, rows, from_numpy(sizes), *[None if o is None else from_numpy(o) for o in orders])

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def to(self, dtype: DType) -> PackedSequence:
        """With data of another dtype; "cpu" changes nothing.

        Examples
        --------
        >>> import fastad
        >>> packed = fastad.nn.utils.rnn.pack_sequence([fastad.tensor([1.0, 2.0])])
        >>> packed.to("float32").data.dtype
        dtype('float32')
        """
        if isinstance(dtype, str) and dtype == "cpu":
            return self
        return PackedSequence(self.data.astype(dtype), *self[1:])

    def float(self) -> PackedSequence:
        """With data in float32."""
        return self.to(np.float32)

    def double(self) -> PackedSequence:
        """With data in float64."""
        return self.to(np.float64)

    def half(self) -> PackedSequence:
        """With data in float16."""
        return self.to(np.float16)

    def int(self) -> PackedSequence:
        """With data in int32."""
        return self.to(np.int32)

    def long(self) -> PackedSequence:
        """With data in int64."""
        return self.to(np.int64)

    def cpu(self) -> PackedSequence:
        """The same."""
        return self


# ---- checks ------------------------------------------------------------------------------------------
def _shown(array: Integers) -> str:
    return f"{array.tolist()[:8]}".replace("]", ", ...]" if len(array) > 8 else "]")


def _integers(name: str, what: str, given: ArrayLike) -> Integers:
    """A vector of integers, as int64."""
    array = np.asarray(given)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name}: {what} must be integers, got dtype {array.dtype}; use astype('int64')")
    if array.ndim != 1:
        raise ValueError(f"{name}: {what} must be one-dimensional, got shape {array.shape}")
    return array.astype(np.int64)


def _order(what: str, given: ArrayLike, batch: int) -> Integers:
    array = _integers("PackedSequence", what, given)
    if len(array) != batch or (np.sort(array) != np.arange(batch)).any():
        raise ValueError(f"PackedSequence: {what} must be the numbers 0 to {batch - 1} in some order, got {_shown(array)}")
    return array


def checked_lengths(name: str, given: ArrayLike, batch: int, steps: int) -> Integers:
    """Checked lengths of so many sequences, each of 1 to so many steps."""
    array = _integers(name, "lengths", given)
    if len(array) != batch:
        raise ValueError(f"{name}: {len(array)} lengths for {batch} sequences; give one length for each")
    wrong = np.flatnonzero((array < 1) | (array > steps))
    if wrong.size:
        raise ValueError(f"{name}: lengths must lie between 1 and the {steps} steps of the input, but lengths[{wrong[0]}] "
                         f"is {np.asarray(given)[wrong[0]]}")
    return array


def _padded(name: str, input: ArrayLike, batch_first: bool) -> tuple[Tensor, int, int]:
    """(tensor, batch, steps)"""
    x, = as_tensors(input)
    if x.ndim < 2:
        form = "(batch, steps, ...)" if batch_first else "(steps, batch, ...)"
        raise ValueError(f"{name}: padded sequences have shape {form}, got {x.shape}")
    return x, x.shape[not batch_first], x.shape[batch_first]


# ---- which row stands where --------------------------------------------------------------------------
def sizes_of(lengths: Integers) -> Integers:
    """How many sequences run at each time."""
    return len(lengths) - np.cumsum(np.bincount(lengths))[:-1]


def places_of(sizes: Integers, first: Integers, stride: int) -> Integers:
    """For every packed row its place elsewhere, where time t of sequence b has the place first[b] + t * stride."""
    starts = np.cumsum(sizes) - sizes
    which = np.arange(sizes.sum()) - np.repeat(starts, sizes)
    places: Integers = first[which]
    places += np.repeat(np.arange(len(sizes)) * stride, sizes)
    return places


def _packed(name: str, rows: Tensor, lengths: Integers, first: Integers, stride: int,
            enforce_sorted: bool) -> PackedSequence:
    """`rows` holds time t of sequence b at first[b] + t * stride."""
    falling = not (lengths[1:] > lengths[:-1]).any()
    if enforce_sorted:
        if not falling:
            raise ValueError(f"{name}: lengths must fall, got {_shown(lengths)}; give enforce_sorted=False for sequences in "
                             f"any order")
        return PackedSequence(rows[places_of(sizes_of(lengths), first, stride)], sizes_of(lengths))
    order = np.arange(len(lengths)) if falling else np.argsort(-lengths, kind="stable")
    return PackedSequence(rows[places_of(sizes_of(lengths), first[order], stride)], sizes_of(lengths), order)


def _in_order(name: str, sequence: PackedSequence) -> tuple[Integers, Integers, Integers]:
    """(batch_sizes, sorted_indices, lengths of the sequences as they were given)"""
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"{name}: expected a PackedSequence, got {type(sequence).__name__}; pack_sequence and "
                        f"pack_padded_sequence make one")
    sizes = sequence.batch_sizes.numpy()
    batch = int(sizes[0])
    order = np.arange(batch) if sequence.sorted_indices is None else sequence.sorted_indices.numpy()
    lengths = np.empty(batch, np.int64)
    lengths[order] = len(sizes) - np.searchsorted(sizes[::-1], np.arange(batch), side="right")
    return sizes, order, lengths


# ---- padded and packed -------------------------------------------------------------------------------
def pack_padded_sequence(input: ArrayLike, lengths: ArrayLike, batch_first: bool = False,
                         enforce_sorted: bool = True) -> PackedSequence:
    """The rows of padded sequences that are no padding, packed.

    Parameters
    ----------
    input : (steps, batch, ...), or (batch, steps, ...) if `batch_first`
    lengths : (batch,) integers
    enforce_sorted : bool
        The lengths must fall; False: they are sorted here, and `pad_packed_sequence` undoes it.

    Raises
    ------
    ValueError
        If a length is not between 1 and steps, their number is not batch, or they rise under enforce_sorted.
    TypeError
        If lengths are no integers.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import pack_padded_sequence
    >>> x = fastad.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
    >>> pack_padded_sequence(x, [3, 1], batch_first=True).data
    tensor([1., 4., 2., 3.])
    """
    name = "pack_padded_sequence"
    x, batch, steps = _padded(name, input, batch_first)
    numbers = checked_lengths(name, lengths, batch, steps)
    if not batch:
        raise ValueError(f"{name}: there is no sequence in an input of shape {x.shape}")
    first = np.arange(batch) * (steps if batch_first else 1)
    rows = x.reshape((steps * batch, *x.shape[2:]))
    return _packed(name, rows, numbers, first, 1 if batch_first else batch, enforce_sorted)


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:
    """(padded, lengths) of packed sequences, in the order in which they were given.

    Parameters
    ----------
    total_length : int, optional
        The number of steps; the longest sequence's if None.

    Raises
    ------
    ValueError
        If total_length is less than the longest length.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> packed = pack_sequence([fastad.tensor([1.0, 2.0, 3.0]), fastad.tensor([4.0])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1., 2., 3.],
            [4., 0., 0.]]), tensor([3, 1]))
    """
    sizes, order, lengths = _in_order("pad_packed_sequence", sequence)
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ValueError(f"pad_packed_sequence: total_length={total_length} is less than the {len(sizes)} steps of the "
                         f"longest sequence")
    places = places_of(sizes, order * steps if batch_first else order, 1 if batch_first else len(order))
    return spread(sequence.data, places, len(order), steps, batch_first, padding_value), from_numpy(lengths)


def spread(rows: Tensor, places: Integers, batch: int, steps: int, batch_first: bool, padding_value: float) -> Tensor:
    """Padded sequences, with the rows at these places."""
    rest = rows.shape[1:]
    padded = scatter(rows, places, (steps * batch, *rest))
    if padding_value != 0:
        padding = np.full((steps * batch,) + (1,) * len(rest), padding_value, rows.dtype)
        padding[places] = 0
        padded = padded + from_numpy(padding)
    return padded.reshape((batch, steps, *rest) if batch_first else (steps, batch, *rest))


# ---- sequences by themselves -------------------------------------------------------------------------
def _joined(name: str, sequences: Sequence[ArrayLike]) -> tuple[Tensor, Integers]:
    """(all rows, lengths)"""
    if isinstance(sequences, Tensor | np.ndarray):
        raise TypeError(f"{name}: expected a list of sequences, got one {type(sequences).__name__}")
    parts = as_tensors(*sequences)
    if not parts:
        raise ValueError(f"{name}: there is no sequence in the list")
    for k, part in enumerate(parts):
        if not part.ndim or part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(f"{name}: sequences have shape (length, ...) with equal axes behind the first, but sequence "
                             f"{k} has shape {part.shape} and the first {parts[0].shape}")
    return concatenate(parts), np.array([len(part) for part in parts], np.int64)


def pack_sequence(sequences: Sequence[ArrayLike], enforce_sorted: bool = True) -> PackedSequence:
    """A list of sequences (length, ...), packed; see `pack_padded_sequence`.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import pack_sequence
    >>> pack_sequence([fastad.tensor([4.0]), fastad.tensor([1.0, 2.0])], enforce_sorted=False).data
    tensor([1., 4., 2.])
    """
    rows, lengths = _joined("pack_sequence", sequences)
    checked_lengths("pack_sequence", lengths, len(lengths), int(lengths.max()))
    return _packed("pack_sequence", rows, lengths, np.cumsum(lengths) - lengths, 1, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences as they were given to `pack_sequence`.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> unpack_sequence(pack_sequence([fastad.tensor([1.0, 2.0]), fastad.tensor([4.0])]))
    [tensor([1., 2.]), tensor([4.])]
    """
    sizes, order, lengths = _in_order("unpack_sequence", packed_sequences)
    ends = np.cumsum(lengths)
    rows = np.empty(ends[-1], np.int64)              # of each row in the order of the sequences, where it is packed
    rows[places_of(sizes, (ends - lengths)[order], 1)] = np.arange(len(rows))
    parts: list[Tensor] = split(packed_sequences.data[rows], ends[:-1])
    return parts


def pad_sequence(sequences: Sequence[ArrayLike], batch_first: bool = False, padding_value: float = 0.0,
                 padding_side: Literal["left", "right"] = "right") -> Tensor:
    """Sequences (length, ...), as one tensor (steps, batch, ...), or (batch, steps, ...) if `batch_first`.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import pad_sequence
    >>> pad_sequence([fastad.tensor([1.0, 2.0]), fastad.tensor([4.0])], batch_first=True, padding_value=-1)
    tensor([[ 1.,  2.],
            [ 4., -1.]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}")
    rows, lengths = _joined("pad_sequence", sequences)
    batch, steps = len(lengths), int(lengths.max())
    begin = steps - lengths if padding_side == "left" else np.zeros_like(lengths)
    which = np.repeat(np.arange(batch), lengths)
    times = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths - begin, lengths)
    places = which * steps + times if batch_first else times * batch + which
    return spread(rows, places, batch, steps, batch_first, padding_value)


def unpad_sequence(padded_sequences: ArrayLike, lengths: ArrayLike, batch_first: bool = False) -> list[Tensor]:
    """The sequences of these lengths, without their padding.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.rnn import unpad_sequence
    >>> unpad_sequence(fastad.tensor([[1.0, 2.0], [4.0, 0.0]]), [2, 1], batch_first=True)
    [tensor([1., 2.]), tensor([4.])]
    """
    x, batch, steps = _padded("unpad_sequence", padded_sequences, batch_first)
    numbers = checked_lengths("unpad_sequence", lengths, batch, steps).tolist()
    return [x[k, :n] if batch_first else x[:n, k] for k, n in enumerate(numbers)]
