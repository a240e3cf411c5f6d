"""Padded, packed and single sequences: the forms into each other, their gradients, PyTorch's, and bad input."""
import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastad as fa
from fastad.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)


def sequences(lengths, rest=(2,), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, *rest)) for n in lengths]


def padded(parts, batch_first=True, value=0.0, side="right"):
    """By hand."""
    steps = max(map(len, parts))
    out = np.full((len(parts), steps, *parts[0].shape[1:]), value)
    for b, part in enumerate(parts):
        out[b, slice(steps - len(part), None) if side == "left" else slice(len(part))] = part
    return out if batch_first else out.swapaxes(0, 1)


def rows_of(parts):
    """Packed by hand: (rows, batch sizes, order)"""
    order = sorted(range(len(parts)), key=lambda b: -len(parts[b]))
    times = [[parts[b][t] for b in order if len(parts[b]) > t] for t in range(max(map(len, parts)))]
    return np.array([row for now in times for row in now]), [len(now) for now in times], order


def equal(tensor, array):
    np.testing.assert_array_equal(tensor.detach().numpy(), array)


any_lengths = st.lists(st.integers(1, 6), min_size=1, max_size=6)
rests = st.sampled_from([(), (2,), (2, 3)])


@given(lengths=any_lengths, rest=rests, batch_first=st.booleans(), more=st.integers(0, 2))
def test_there_and_back(lengths, rest, batch_first, more):
    parts = sequences(lengths, rest)
    rows, sizes, order = rows_of(parts)
    x = padded(parts, batch_first, np.nan)
    for packed in (pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False), pack_sequence(parts, enforce_sorted=False)):
        equal(packed.data, rows)
        assert packed.batch_sizes.tolist() == sizes and packed.sorted_indices.tolist() == order
        assert packed.unsorted_indices.tolist() == np.argsort(order).tolist()
        for value in (0.0, -1.5, -np.inf):
            y, own = pad_packed_sequence(packed, batch_first, value, max(lengths) + more)
            wanted = padded([*parts, np.zeros((max(lengths) + more, *rest))], True, value)[:-1]
            equal(y, wanted if batch_first else wanted.swapaxes(0, 1))
            assert own.tolist() == lengths and own.dtype == np.int64
        for a, b in zip(unpack_sequence(packed), parts, strict=True):
            equal(a, b)
    for a, b in zip(unpad_sequence(x, lengths, batch_first), parts, strict=True):
        equal(a, b)
    for side in ("left", "right"):
        equal(pad_sequence(parts, batch_first, -2.0, side), padded(parts, batch_first, -2.0, side))


@given(lengths=any_lengths, batch_first=st.booleans())
def test_sorted_sequences_have_no_order(lengths, batch_first):
    lengths.sort(reverse=True)
    parts = sequences(lengths)
    rows, sizes, _ = rows_of(parts)
    for packed in (pack_padded_sequence(padded(parts, batch_first), lengths, batch_first), pack_sequence(parts)):
        equal(packed.data, rows)
        assert packed.batch_sizes.tolist() == sizes
        assert packed.sorted_indices is None and packed.unsorted_indices is None
        equal(pad_packed_sequence(packed, batch_first)[0], padded(parts, batch_first))


LENGTHS = [2, 4, 1, 4]


@pytest.mark.parametrize("f", [
    lambda x: pack_padded_sequence(x, LENGTHS, True, False).data,
    lambda x: pad_packed_sequence(PackedSequence(x[0], [2, 1, 1]), True, 7.0, 5)[0],
    lambda x: pack_sequence([x[0], x[1, :2], x[2]], False).data,
    lambda x: fa.concatenate(unpack_sequence(PackedSequence(x[1], [2, 1, 1], [1, 0]))),
    lambda x: pad_sequence([x[0, :1], x[1], x[3]], padding_value=2.0, padding_side="left"),
    lambda x: fa.concatenate(unpad_sequence(x, LENGTHS, True)),
], ids=["pack_padded", "pad_packed", "pack", "unpack", "pad", "unpad"])
def test_derivatives(f):
    x = np.random.default_rng(0).normal(size=(4, 4, 2))
    fa.testing.check_grads(lambda x: f(x) ** 3, (x,), order=2)


def test_lengths_of_every_kind_of_integer():
    parts = sequences(LENGTHS)
    wanted, *_ = rows_of(parts)
    for lengths in (LENGTHS, tuple(LENGTHS), fa.tensor(LENGTHS), *[np.array(LENGTHS, kind) for kind in ("i1", "u2", "i4", "u8", ">i8")]):
        equal(pack_padded_sequence(padded(parts), lengths, True, False).data, wanted)


def test_fields_are_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    for lengths, batch_first in itertools.product(([2, 4, 1, 3], [1], [3, 3], [5, 4, 2]), (False, True)):
        parts = sequences(lengths)
        x = padded(parts, batch_first)
        ours = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        wanted = theirs.pack_padded_sequence(torch.tensor(x), lengths, batch_first, enforce_sorted=False)
        assert ours._fields == wanted._fields
        for name in ours._fields:
            np.testing.assert_array_equal(getattr(ours, name).numpy(), getattr(wanted, name).numpy())
        made = PackedSequence(*[np.asarray(field) for field in wanted])
        equal(pad_packed_sequence(made)[0], theirs.pad_packed_sequence(wanted)[0].numpy())
        equal(pad_sequence(parts, batch_first, 1.0), theirs.pad_sequence([torch.tensor(p) for p in parts], batch_first, 1.0).numpy())


def test_copies():
    packed = pack_sequence(sequences(LENGTHS), enforce_sorted=False)
    for twin in (copy.deepcopy(packed), copy.copy(packed), pickle.loads(pickle.dumps(packed)), packed._replace(data=packed.data)):
        assert isinstance(twin, PackedSequence)
        for a, b in zip(twin, packed, strict=True):
            equal(a, b.numpy())


def test_orders_are_completed():
    packed = PackedSequence(np.zeros(5), [3, 2], [2, 0, 1])
    assert packed.unsorted_indices.tolist() == [1, 2, 0]
    assert PackedSequence(np.zeros(5), [3, 2], unsorted_indices=[1, 2, 0]).sorted_indices.tolist() == [2, 0, 1]


def test_large_batches_are_fast_enough_to_use():
    lengths = np.random.default_rng(0).integers(1, 300, 2000)      # no loop over sequences or steps in Python
    x = fa.tensor(np.zeros((300, 2000, 1)), requires_grad=True)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    assert len(packed.data) == lengths.sum()
    y, own = pad_packed_sequence(packed, total_length=300)
    assert (own.numpy() == lengths).all()
    y.sum().backward()
    assert x.grad.sum().item() == lengths.sum()


X = np.zeros((4, 2, 3))


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda: pack_padded_sequence(X, [2, 4]), ValueError, r"lengths must fall, got \[2, 4\]; give enforce_sorted=False"),
    (lambda: pack_padded_sequence(X, [4, 0]), ValueError, r"between 1 and the 4 steps of the input, but lengths\[1\] is 0"),
    (lambda: pack_padded_sequence(X, [5, 1]), ValueError, r"lengths\[0\] is 5"),
    (lambda: pack_padded_sequence(X, [4, -3]), ValueError, r"lengths\[1\] is -3"),
    (lambda: pack_padded_sequence(X, [4, 2, 1]), ValueError, "3 lengths for 2 sequences"),
    (lambda: pack_padded_sequence(X, 4), ValueError, r"one-dimensional, got shape \(\)"),
    (lambda: pack_padded_sequence(X, [4.0, 2.0]), TypeError, "lengths must be integers, got dtype float64"),
    (lambda: pack_padded_sequence(X, [True, True]), TypeError, "lengths must be integers, got dtype bool"),
    (lambda: pack_padded_sequence(X[0, 0], [1]), ValueError, r"shape \(steps, batch, ...\), got \(3,\)"),
    (lambda: pack_padded_sequence(X[:, :0], []), ValueError, "no sequence"),
    (lambda: pad_packed_sequence(pack_sequence([X[:, 0]]), total_length=3), ValueError, "total_length=3 is less than the 4 steps"),
    (lambda: pad_packed_sequence(X), TypeError, "pad_packed_sequence: expected a PackedSequence, got ndarray"),
    (lambda: unpack_sequence(X), TypeError, "unpack_sequence: expected a PackedSequence, got ndarray"),
    (lambda: pad_packed_sequence(tuple(pack_sequence([X[:, 0]]))), TypeError, "expected a PackedSequence, got tuple"),
    (lambda: pack_sequence([]), ValueError, "no sequence"),
    (lambda: pack_sequence(X), TypeError, "expected a list of sequences, got one ndarray"),
    (lambda: pack_sequence([X[:, 0], X[:0, 0]]), ValueError, r"lengths\[1\] is 0"),
    (lambda: pack_sequence([X[:, 0], X[:, 0, :2]]), ValueError, r"sequence 1 has shape \(4, 2\) and the first \(4, 3\)"),
    (lambda: pad_sequence([X[:, 0], X[0, 0, 0]]), ValueError, r"sequence 1 has shape \(\)"),
    (lambda: pad_sequence([X[:, 0]], padding_side="top"), ValueError, "padding_side must be 'left' or 'right', got 'top'"),
    (lambda: unpad_sequence(X, [4, 5]), ValueError, r"unpad_sequence: .* lengths\[1\] is 5"),
    (lambda: PackedSequence(np.zeros(3), [1, 2]), ValueError, r"never rise .* got \[1, 2\] with sum 3"),
    (lambda: PackedSequence(np.zeros(3), [2, 2]), ValueError, r"add up to the rows of data of shape \(3,\)"),
    (lambda: PackedSequence(np.zeros(3), [3, 0]), ValueError, "positive"),
    (lambda: PackedSequence(np.zeros(0), []), ValueError, "positive"),
    (lambda: PackedSequence(np.zeros(3), [2, 1], [0, 0]), ValueError, r"sorted_indices must be the numbers 0 to 1 in some order"),
    (lambda: PackedSequence(np.zeros(3), [2, 1], None, [0, 5]), ValueError, r"unsorted_indices must be the numbers 0 to 1"),
    (lambda: PackedSequence(np.zeros(3), [2.0, 1.0]), TypeError, "batch_sizes must be integers"),
])
def test_errors(call, error, says):
    with pytest.raises(error, match=says):
        call()
