"""DataLoader: batches of arrays and other data sets, epochs, orders, prefetching; samples that do not fit."""
import gc
import os
import threading
import time
import traceback

import numpy as np
import pytest

import fastad as fa
from fastad.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    StackDataset,
    StratifiedBatchSampler,
    Subset,
    TensorDataset,
)

X, Y = np.arange(2560.0, dtype="float32").reshape(1280, 2), np.arange(1280, dtype="int32")


class Items(Dataset):
    """Samples one by one: (x, y) as NumPy gives them."""

    def __init__(self, n=20):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return X[i], int(Y[i])


class Stream(IterableDataset):
    def __init__(self, n=10):
        self.n = n

    def __iter__(self):
        return (float(i) for i in range(self.n))


def numbers(batches):
    return [b.tolist() for b in batches]


def test_an_epoch_of_ten_updates_sees_every_sample_once():
    loader = DataLoader((X, Y), batch_size=128, shuffle=True)
    first, second = (np.concatenate([y.numpy() for _, y in loader]) for _ in range(2))
    assert len(loader) == 10 == len(list(loader))
    assert (np.sort(first) == Y).all() and (np.sort(second) == Y).all()
    assert (first != second).any()


def test_batches():
    for x, y in DataLoader((X, Y), batch_size=100, shuffle=True):
        assert isinstance(x, fa.Tensor) and x.dtype == np.float32 and y.dtype == np.int64
        assert (x.numpy()[:, 0] == 2 * y.numpy()).all()
    assert [len(x) for (x,) in DataLoader(X[:10], batch_size=4)] == [4, 4, 2]
    assert [len(x) for (x,) in DataLoader(X[:10], batch_size=4, drop_last=True)] == [4, 4]
    assert len(DataLoader(X[:10], 4, drop_last=True)) == 2
    ((x,),) = DataLoader(fa.tensor(X[:3], requires_grad=True), batch_size=5)
    assert (x.numpy() == X[:3]).all() and not x.requires_grad


def test_the_order_comes_from_the_seed():
    def order(**kw):
        return [y.item() for _, y in DataLoader((X[:20], Y[:20]), shuffle=True, **kw)]

    fa.manual_seed(5)
    first = order()
    fa.manual_seed(5)
    assert order() == first != order()
    assert order(generator=np.random.default_rng(1)) == np.random.default_rng(1).permutation(20).tolist()


def test_the_default_generator_is_asked_at_each_epoch():
    """Seeding it again starts again, with a loader that was there before too."""
    loader = DataLoader(Y, 100, shuffle=True)
    fa.manual_seed(3)
    first = [numbers(b) for b in loader], [numbers(b) for b in loader]
    fa.manual_seed(3)
    assert ([numbers(b) for b in loader], [numbers(b) for b in loader]) == first
    assert first[0] != first[1]


def test_a_batch_does_not_share_the_data():
    data = np.zeros((4, 1))
    for (x,) in DataLoader(data, batch_size=2):
        x.fill_(1)
    x, = TensorDataset(data)[0]
    x.fill_(1)
    assert (data == 0).all()


@pytest.mark.parametrize("layout", ["C", "F", "every other", "backwards", "columns", "big-endian", "read-only", "unaligned", "broadcast"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "bool", "uint8", "int8", "int32", "uint16", "int64"])
def test_every_dtype_and_layout_is_gathered_as_numpy_takes_it(dtype, layout):
    rng = np.random.default_rng(0)
    full = rng.integers(0, 2 if dtype == "bool" else 100, (14, 6, 5)).astype(dtype)
    arrays = {"C": full, "F": np.asfortranarray(full), "every other": full[::2], "backwards": full[::-1],
              "columns": full[:, :, 1:4], "big-endian": full.astype(full.dtype.newbyteorder(">")), "read-only": full.copy(),
              "broadcast": np.broadcast_to(full[0], full.shape),
              "unaligned": np.frombuffer(b"1" + full.tobytes(), np.uint8)[1:].view(full.dtype).reshape(full.shape)}
    array = arrays[layout]
    if layout == "read-only":
        array.setflags(write=False)
    one = array[:, 0, 0]
    expected = np.dtype(dtype) if dtype in ("float32", "float64", "float16", "complex64", "bool") else np.dtype(np.int64)
    seen = 0
    for x, y in DataLoader((array, one), batch_size=3, sampler=list(range(len(array) - 1, -1, -1))):
        which = range(len(array) - 1 - seen, max(-1, len(array) - 4 - seen), -1)
        np.testing.assert_array_equal(x.numpy(), array[list(which)])
        np.testing.assert_array_equal(y.numpy(), one[list(which)])
        assert x.dtype == (np.uint8 if dtype == "uint8" else expected) and y.dtype == expected
        seen += len(y)
        x.fill_(0)                         # writeable, and not the caller's
    assert seen == len(array)
    assert array.any()


def test_long_samples_are_gathered_without_the_lock_and_short_ones_are_right():
    rng = np.random.default_rng(1)
    for shape in [(50, 3000), (50, 0), (50, 1), (50, 2), (50, 7), (50, 3, 333)]:
        for dtype in ("float32", "float64", "uint8"):
            data = (rng.normal(size=shape) * 100).astype(dtype)
            which = rng.integers(-50, 50, 40)
            (batch,) = TensorDataset(data).gather(which)
            np.testing.assert_array_equal(batch.numpy(), data[which])


def test_memory_mapped_arrays(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    both = [[np.asarray(x.numpy()) for (x,) in DataLoader(data, 100, shuffle=True, generator=np.random.default_rng(0))]
            for data in (X, mapped)]
    for a, b in zip(*both, strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(mapped, np.memmap) and type(both[1][0]) is np.ndarray


def test_arrays_that_are_reshaped_by_others_later_do_no_harm():
    data = np.arange(12.0).reshape(6, 2)
    loader = DataLoader(data, 2)
    batches = iter(loader)
    next(batches)
    with pytest.raises(ValueError, match="resize"):
        data.resize((1, 2))
    assert [x.shape for (x,) in batches] == [(2, 2), (2, 2)]


# ---- other data sets -----------------------------------------------------------------------------------
def test_a_data_set_of_samples():
    (x, y), (x2, _) = DataLoader(Items(), batch_size=16)
    np.testing.assert_array_equal(x.numpy(), X[:16])
    assert y.tolist() == list(range(16)) and y.dtype == np.int64 and x.dtype == np.float32 and len(x2) == 4


def test_a_list_is_a_data_set_and_a_tuple_holds_arrays():
    assert numbers(DataLoader([1.0, 2.0, 3.0], 2)) == [[1, 2], [3]]
    assert list(DataLoader(["a", "bc"], 2)) == [["a", "bc"]]
    ((x,),) = DataLoader(([1.0, 2.0],), 2)
    assert x.tolist() == [1, 2]


def test_batch_size_none_gives_samples():
    samples = list(DataLoader((X[:3], Y[:3]), batch_size=None))
    assert [x.shape for x, _ in samples] == [(2,)] * 3 and [y.item() for _, y in samples] == [0, 1, 2]
    assert samples[0][1].dtype == np.int64
    assert [type(s) for s in DataLoader(["a", "b"], batch_size=None)] == [str, str]
    x, y = next(iter(DataLoader(Items(3), batch_size=None)))
    assert isinstance(x, fa.Tensor) and y == 0
    assert list(DataLoader(Items(3), batch_size=None, collate_fn=lambda s: s[1])) == [0, 1, 2]
    assert len(DataLoader(Items(3), batch_size=None)) == 3
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_streams():
    assert numbers(DataLoader(Stream(), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert numbers(DataLoader(Stream(), 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(TypeError, match="len"):
        len(DataLoader(Stream(), 4))
    assert list(DataLoader(Stream(4), 2, collate_fn=sum)) == [1, 5]
    assert numbers(DataLoader((float(i) for i in range(3)), 2)) == [[0, 1], [2]]


def test_collate_fn_gets_the_samples():
    got = list(DataLoader((X[:4], Y[:4]), 3, collate_fn=lambda samples: [y.item() for _, y in samples]))
    assert got == [[0, 1, 2], [3]]


def test_samplers_say_the_order():
    assert numbers(y for (y,) in DataLoader(Y, 2, sampler=[5, 1, -1])) == [[5, 1], [1279]]
    assert numbers(y for (y,) in DataLoader(Y, batch_sampler=[[1], [2, 3], []])) == [[1], [2, 3], []]
    assert numbers(y for (y,) in DataLoader(Y, batch_sampler=BatchSampler([4, 5, 6], 2))) == [[4, 5], [6]]
    assert numbers(y for (y,) in DataLoader(Y, 2, sampler=iter([3, 4, 5]))) == [[3, 4], [5]]
    labels = np.arange(30) % 3
    for y, in DataLoader(labels, batch_sampler=StratifiedBatchSampler(labels, 6)):
        assert np.bincount(y.numpy()).tolist() == [2, 2, 2]


def test_a_subset_of_a_subset_is_gathered_as_its_samples_are():
    inner = Subset(TensorDataset(X, Y), np.arange(0, 1280, 2))
    outer = Subset(inner, [5, -1, 0])
    ((x, y),) = DataLoader(outer, 3)
    assert y.tolist() == [10, 1278, 0] == [outer[i][1].item() for i in range(3)]
    np.testing.assert_array_equal(x.numpy(), X[[10, 1278, 0]])


def test_a_subclass_that_changes_the_samples_is_heard():
    class Doubled(TensorDataset):
        def __getitem__(self, i):
            x, y = super().__getitem__(i)
            return 2 * x, y

    ((x, _),) = DataLoader(Doubled(X[:3], Y[:3]), 3)
    np.testing.assert_array_equal(x.numpy(), 2 * X[:3])
    ((x, _),) = DataLoader(Subset(Doubled(X[:3], Y[:3]), [2, 0]), 3)
    np.testing.assert_array_equal(x.numpy(), 2 * X[[2, 0]])

    class Backwards(RandomSampler):
        def __iter__(self):
            return iter(range(len(self.data_source) - 1, -1, -1))

    assert numbers(y for (y,) in DataLoader(Y[:3], 3, sampler=Backwards(Y[:3]))) == [[2, 1, 0]]


# ---- transform and prefetch ------------------------------------------------------------------------------
def noisy(batch, rng):
    x, y = batch
    return x + fa.from_numpy(rng.normal(size=x.shape)), y


CASES = {
    "arrays": lambda **kw: DataLoader((X[:50], Y[:50]), 8, shuffle=True, **kw),
    "transformed": lambda **kw: DataLoader((X[:50], Y[:50]), 8, shuffle=True, transform=noisy, **kw),
    "transformed, in order": lambda **kw: DataLoader((X[:50], Y[:50]), 8, transform=noisy, **kw),
    "samples": lambda **kw: DataLoader(Items(), 8, shuffle=True, transform=noisy, **kw),
    "single samples": lambda **kw: DataLoader(Items(), None, shuffle=True, transform=noisy, **kw),
    "stratified": lambda **kw: DataLoader((X[:50], Y[:50]), batch_sampler=StratifiedBatchSampler(Y[:50] % 4, 8), **kw),
    "replacement": lambda **kw: DataLoader((X[:50], Y[:50]), 8, sampler=RandomSampler(Y[:50], True, 30), **kw),
    "stream": lambda **kw: DataLoader(Stream(), 3, transform=lambda x, rng: (x + rng.random(), x), **kw),
    "stacked": lambda **kw: DataLoader(StackDataset(X[:50], ConcatDataset([Items(30), Items(20)])), 8, shuffle=True, **kw),
}


def flat(batch):
    return [v for part in batch for v in flat(part)] if isinstance(batch, tuple) else [np.asarray(batch).tolist()]


@pytest.mark.parametrize("case", CASES)
def test_prefetching_changes_nothing(case):
    def run(prefetch):
        fa.manual_seed(7)
        loader, drawn, epochs = CASES[case](prefetch=prefetch), [], []
        for _ in range(2):
            epochs.append([])
            for batch in loader:
                epochs[-1].append(flat(batch))
                drawn.append(fa.default_generator().random())      # as dropout would
        return epochs, drawn

    plain = run(0)
    assert run(1) == plain and run(3) == plain
    assert len(plain[0][0]) == len(plain[0][1]) > 2
    if case != "stream":
        assert plain[0][0] != plain[0][1], "an epoch like the one before"


def prefetchers():
    return [t for t in threading.enumerate() if t.name == "fastad-prefetch"]


def gone(wait=5.0):
    end = time.monotonic() + wait
    while prefetchers() and time.monotonic() < end:
        time.sleep(0.001)
    return not prefetchers()


def test_batches_are_made_ahead_and_no_further():
    made = []
    loader = DataLoader(Y, 10, prefetch=2, transform=lambda batch, rng: made.append(1) or batch)
    batches = iter(loader)
    assert not prefetchers(), "the thread starts with the first batch"
    next(batches)
    end = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(made) == 4                  # one given out, two that are ready, one that waits for room
    batches.close()
    assert gone()


@pytest.mark.parametrize("drop", ["delete", "exhaust", "break", "raise"])
def test_the_thread_ends_with_the_iterator(drop):
    loader = DataLoader((X, Y), 10, prefetch=3)
    if drop == "delete":
        batches = iter(loader)
        next(batches)
        assert prefetchers()
        del batches
    elif drop == "exhaust":
        assert len(list(loader)) == 128
    elif drop == "break":
        for _ in loader:
            break
    else:
        with pytest.raises(RuntimeError, match="outside"):
            for _ in loader:
                raise RuntimeError("outside")
    gc.collect()
    assert gone()


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_an_error_comes_in_its_turn_with_its_traceback(prefetch):
    class Broken(Items):
        def __getitem__(self, i):
            if i == 9:
                raise KeyError("sample nine is broken")
            return super().__getitem__(i)

    batches = iter(DataLoader(Broken(), 4, prefetch=prefetch))
    assert len(next(batches)[0]) == 4 == len(next(batches)[0])
    with pytest.raises(KeyError, match="sample nine") as caught:
        next(batches)
    text = "".join(traceback.format_exception(caught.value))
    assert 'raise KeyError("sample nine is broken")' in text and "in test_an_error" in text
    with pytest.raises(StopIteration):
        next(batches)
    assert gone()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")         # Python's, of fork beside threads
def test_a_forked_process_is_told_that_the_thread_stayed_behind():
    loader = DataLoader((X, Y), 10, prefetch=2)
    batches = iter(loader)
    next(batches)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            next(batches)
        except RuntimeError as error:
            del batches
            code = 0 if "stayed behind" in str(error) and len(list(loader)) == len(loader) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(batches)) == len(loader) - 1


def test_prefetching_records_as_the_thread_that_iterates_does():
    w = fa.tensor(2.0, requires_grad=True)
    for prefetch in (0, 2):
        loader = DataLoader(X[:4], 2, prefetch=prefetch, transform=lambda batch, rng: batch[0] * w)
        assert all(x.requires_grad for x in loader)
        with fa.no_grad():
            assert not any(x.requires_grad for x in loader)


# ---- refusals ----------------------------------------------------------------------------------------
class Unsized(Sampler):
    def __iter__(self):
        return iter([0, 1])


@pytest.mark.parametrize(
    "data, kw, error, message",
    [
        ((X, Y[:5]), {}, ValueError, r"equal lengths, got \[1280, 5\]"),
        (X, {"batch_size": 0}, ValueError, "batch_size must be a positive integer or None, got 0"),
        (X, {"batch_size": 2.5}, ValueError, "batch_size"),
        (X, {"batch_size": True}, ValueError, "batch_size"),
        ((), {}, ValueError, "empty"),
        (np.array(1.0), {}, ValueError, "axis"),
        (X[:0], {}, ValueError, "the data set is empty"),
        (X[:0], {"shuffle": True}, ValueError, "the data set is empty"),
        ([], {"batch_size": 4}, ValueError, "the data set is empty"),
        (X[:5], {"batch_size": 6, "drop_last": True}, ValueError, "5 samples make no batch of 6, and drop_last"),
        (X, {"num_workers": 2}, ValueError, "no worker processes; prefetch=2 makes that many batches ahead in a thread"),
        (np.array([1, 2**63], np.uint64), {}, ValueError, "array 0 holds 9223372036854775808, and integers become int64"),
        (X, {"prefetch": -1}, ValueError, "prefetch must be an integer, 0 or more, got -1"),
        (X, {"sampler": [0], "shuffle": True}, ValueError, "leave shuffle out"),
        (X, {"batch_sampler": [[0]], "batch_size": 4}, ValueError, "leave them out"),
        (X, {"batch_sampler": [[0]], "drop_last": True}, ValueError, "leave them out"),
        (X, {"batch_size": None, "drop_last": True}, ValueError, "no batches to drop"),
        (Stream(), {"shuffle": True}, ValueError, "an order of its own"),
        (Stream(), {"sampler": [1]}, ValueError, "an order of its own"),
        (X, {"generator": 3}, TypeError, "numpy.random.Generator, got a int"),
        (np.array(["a", "b"]), {}, TypeError, "dtype <U1, and batches hold numbers"),
        (np.array([None, 1]), {}, TypeError, "dtype object"),
        ({"x": X}, {}, TypeError, "StackDataset"),
        (3, {}, TypeError, "a int is no data set"),
        (np.ma.masked_equal(X, 4), {}, TypeError, "hides elements"),
    ],
)
def test_refusals(data, kw, error, message):
    with pytest.raises(error, match=message):
        DataLoader(data, **kw)


@pytest.mark.parametrize("data", [X[:5], Items(5)])
def test_a_batch_larger_than_the_data_is_the_data(data):
    assert [len(batch[0]) for batch in DataLoader(data, 64)] == [5]


@pytest.mark.parametrize("wrong, error", [([0, 1280], IndexError), ([-1281], IndexError), ([0.5], TypeError), (["a"], TypeError),
                                          ([[1, 2]], TypeError), ([2**64 - 1], (IndexError, OverflowError, TypeError))])
def test_numbers_of_samples_are_checked(wrong, error):
    with pytest.raises(error):
        list(DataLoader(X, 2, sampler=wrong))
    with pytest.raises((IndexError, OverflowError)):
        TensorDataset(X).gather(wrong)
    with pytest.raises((IndexError, OverflowError)):
        Subset(TensorDataset(X), wrong)


def test_a_sampler_without_a_length_is_read_as_it_goes():
    assert numbers(y for (y,) in DataLoader(Y, 1, sampler=Unsized())) == [[0], [1]]
