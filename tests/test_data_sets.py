"""Data sets, samplers and collation: closed forms, and PyTorch's on the same data where it is installed."""
import warnings
from collections import Counter, OrderedDict, namedtuple

import numpy as np
import pytest

import fastad as fa
from fastad.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Padded,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    StratifiedBatchSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    pack_collate,
    pad_collate,
    random_split,
)

Point = namedtuple("Point", "x y")


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- data sets -----------------------------------------------------------------------------------------
def test_tensor_dataset():
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6, dtype=np.uint8)
    data = TensorDataset(fa.tensor(x), y)
    assert len(data) == 6 and isinstance(data[2], tuple)
    assert data[-1][0].tolist() == [10, 11] and data[-1][1].item() == 5 and data[-1][1].dtype == np.int64
    assert data[1:3][1].tolist() == [1, 2] and data[[4, 0]][1].tolist() == [4, 0]
    with pytest.raises(IndexError, match="TensorDataset: sample 6 is out of bounds for 6 samples"):
        data[6]
    with pytest.raises(ValueError, match=r"TensorDataset: the arrays must have equal lengths, got \[6, 5\]"):
        TensorDataset(x, y[:5])
    with pytest.raises(ValueError, match="empty"):
        TensorDataset()
    assert [s[1].item() for s in data] == list(range(6)), "it can be iterated over, as a sequence is"


def test_stack_dataset():
    pairs = StackDataset(np.arange(4.0), ["a", "b", "c", "d"])
    assert pairs[2] == (2.0, "c") and len(pairs) == 4
    (x, names), _ = DataLoader(pairs, 3)
    assert x.tolist() == [0, 1, 2] and names == ["a", "b", "c"]
    named = StackDataset(x=TensorDataset(np.arange(4), np.ones(4)), y=np.arange(4.0), name=np.array(["a", "b", "c", "d"]))
    batch = next(iter(DataLoader(named, 2)))
    assert batch["x"][0].tolist() == [0, 1] == batch["y"].tolist() and batch["name"] == ["a", "b"]
    assert named[3]["y"] == 3
    for args, kw in [((), {}), ((np.ones(2),), {"a": np.ones(2)}), ((np.ones(2), np.ones(3)), {})]:
        with pytest.raises(ValueError, match="StackDataset: "):
            StackDataset(*args, **kw)


def test_concat_dataset_of_arrays_and_of_anything():
    x = np.arange(10.0)
    for parts in ([TensorDataset(x[:4]), TensorDataset(x[4:5]), TensorDataset(x[5:])],
                  [TensorDataset(x[:4]), Subset(TensorDataset(x), range(4, 10))]):
        both = ConcatDataset(parts)
        which = [9, 0, -6, 5, 3, 4]
        assert len(both) == 10 and [both[i][0].item() for i in which] == [9, 0, 4, 5, 3, 4]
        assert both.gather(which)[0].tolist() == [9, 0, 4, 5, 3, 4]
        seen = np.concatenate([b.numpy() for (b,) in DataLoader(both, 3, shuffle=True)])
        assert sorted(seen) == x.tolist()
    assert list(Subset(["a"], [0]) + Subset(["b"], [0])) == ["a", "b"]
    with pytest.raises(IndexError, match="sample 10 is out of bounds for 10 samples"):
        both[10]
    with pytest.raises(ValueError, match="no data sets"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="use ChainDataset"):
        ConcatDataset([ChainDataset([])])


def test_chain_dataset():
    class Count(IterableDataset):
        def __iter__(self):
            return iter([1, 2])

    assert list(Count() + Count()) == [1, 2, 1, 2] == list(ChainDataset([[1, 2], Count()]))
    assert [b.tolist() for b in DataLoader(Count() + Count(), 3)] == [[1, 2, 1], [2]]


def test_base_classes_say_what_is_missing():
    class Nothing(Dataset, IterableDataset, Sampler):
        pass

    for call in (lambda: Nothing()[0], lambda: iter(IterableDataset()), lambda: iter(Sampler())):
        with pytest.raises(NotImplementedError, match="has no __"):
            call()


def test_subset():
    part = Subset("abcde", [4, 0, -2])
    assert list(part) == ["e", "a", "d"] and len(part) == 3
    with pytest.raises(IndexError, match="Subset: sample 5 is out of bounds for 5 samples"):
        Subset("abcde", [5])


@pytest.mark.parametrize("n, lengths, sizes", [(10, [7, 3], [7, 3]), (10, [0.7, 0.3], [7, 3]), (11, [0.5, 0.25, 0.25], [6, 3, 2]),
                                               (5, [5, 0], [5, 0]), (1, [1.0], [1]), (1, [1], [1])])
def test_random_split(n, lengths, sizes):
    parts = random_split(range(n), lengths, rng())
    assert [len(p) for p in parts] == sizes and sorted(v for p in parts for v in p) == list(range(n))
    again = random_split(range(n), lengths, rng())
    assert [list(p) for p in parts] == [list(p) for p in again]
    torch_data = pytest.importorskip("torch.utils.data")
    assert sizes == [len(p) for p in torch_data.random_split(range(n), lengths)]


def test_random_split_refuses_and_warns():
    for lengths in ([5, 4], [0.5, 0.4], [-1, 11], [1.5, 8.5], [float("nan"), 1]):
        with pytest.raises(ValueError, match="random_split: lengths must"):
            random_split(range(10), lengths)
    with pytest.warns(UserWarning, match="part 1 is empty"):
        random_split(range(3), [0.9, 0.1])


# ---- samplers ------------------------------------------------------------------------------------------
def test_random_sampler_without_replacement():
    sampler = RandomSampler(range(100), generator=rng(3))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100)) and first != second
    assert first == list(RandomSampler(range(100), generator=rng(3))) and len(sampler) == 100 == sampler.num_samples
    assert all(type(i) is int for i in first)
    assert len(set(RandomSampler(range(100), num_samples=30))) == 30
    more = Counter(RandomSampler(range(10), num_samples=25))
    assert len(more) == 10 and set(more.values()) == {2, 3}


def test_random_sampler_with_replacement_is_uniform():
    drawn = np.array(list(RandomSampler(range(10), replacement=True, num_samples=20_000, generator=rng())))
    counts = np.bincount(drawn, minlength=10)
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9            # chi squared of 9 degrees, 1 in 1,000
    assert len(set(list(RandomSampler(range(100), True, generator=rng())))) < 90


def test_orders_are_uniform():
    """Each of the six orders of three samples comes equally often."""
    sampler = RandomSampler(range(3), generator=rng(1))
    counts = Counter(tuple(sampler) for _ in range(3000))
    assert len(counts) == 6 and sum((c - 500) ** 2 / 500 for c in counts.values()) < 20.5


def test_subset_and_sequential_samplers():
    sampler = SubsetRandomSampler([5, 7, 9, 11], rng(2))
    orders = {tuple(sampler) for _ in range(50)}
    assert len(orders) > 10 and {tuple(sorted(o)) for o in orders} == {(5, 7, 9, 11)} and len(sampler) == 4
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3


def test_weighted_random_sampler():
    weights = np.array([0.0, 1.0, 3.0, 6.0])
    counts = np.bincount(list(WeightedRandomSampler(weights * 1e300, 20_000, generator=rng())), minlength=4)
    assert counts[0] == 0
    expected = 2000 * weights[1:]
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 13.8
    once = list(WeightedRandomSampler(fa.tensor(weights), 3, replacement=False, generator=rng()))
    assert sorted(once) == [1, 2, 3]


@pytest.mark.parametrize("weights, n, kw, message", [
    ([1, -1], 2, {}, "got -1.0 for sample 1"), ([1, np.nan], 2, {}, "got nan for sample 1"), ([0, 0], 1, {}, "0 samples have a positive"),
    ([1, 0], 2, {"replacement": False}, "1 samples have a positive weight, and 2 are to be drawn without replacement"),
    ([[1.0]], 1, {}, r"shape \(n,\)"), ([1], 0, {}, "num_samples must be a positive integer, got 0"), ([1], 1.5, {}, "num_samples")])
def test_weighted_refusals(weights, n, kw, message):
    with pytest.raises(ValueError, match=message):
        WeightedRandomSampler(weights, n, **kw)


def test_other_refusals():
    for call, message in [(lambda: RandomSampler([]), "no samples"), (lambda: RandomSampler([1], num_samples=0), "num_samples"),
                          (lambda: BatchSampler([1], 0), "batch_size must be a positive integer, got 0"),
                          (lambda: StratifiedBatchSampler([], 2), r"shape \(n,\)"), (lambda: StratifiedBatchSampler([[1]], 2), r"shape \(n,\)"),
                          (lambda: StratifiedBatchSampler([1, 2], 3, drop_last=True), "2 samples make no batch of 3")]:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("n, size, drop_last", [(10, 3, False), (10, 3, True), (9, 3, False), (2, 3, False), (2, 3, True), (0, 3, False)])
def test_batch_sampler_as_pytorchs(n, size, drop_last):
    ours = BatchSampler(range(n), size, drop_last)
    assert [v for b in ours for v in b] == list(range(n))[:n // size * size if drop_last else n] and len(ours) == len(list(ours))
    torch_data = pytest.importorskip("torch.utils.data")
    assert list(ours) == list(torch_data.BatchSampler(range(n), size, drop_last))


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("counts, size", [([178, 182, 177, 183, 181], 32), ([1, 50, 300], 16), ([3, 3, 3], 4), ([5], 2), ([7, 1], 100),
                                          ([2] * 40, 8)])
def test_stratified_batches(counts, size, drop_last):
    labels = rng(4).permutation(np.repeat(np.arange(len(counts)), counts))
    n = len(labels)
    if drop_last and n < size:
        return
    sampler = StratifiedBatchSampler(labels, size, drop_last, generator=rng(5))
    batches, other = list(sampler), list(sampler)
    k = n // size if drop_last else -(-n // size)
    assert len(batches) == k == len(sampler)
    seen = [i for b in batches for i in b]
    assert len(seen) == len(set(seen)) == (k * size if drop_last else n)
    sizes = {len(b) for b in batches}
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1 and (not drop_last or sizes == {size})
    held = np.array([np.bincount(labels[b], minlength=len(counts)) for b in batches])
    share = held.sum(0) / k
    assert (held >= np.floor(share)).all() and (held <= np.ceil(share)).all()
    if n > 9:
        assert batches != other
        assert any((np.diff(labels[b]) < 0).any() for b in batches), "classes are mixed within a batch"


def test_stratified_leaves_out_other_samples_each_epoch():
    sampler = StratifiedBatchSampler(np.arange(10) % 2, 4, drop_last=True, generator=rng())
    assert len({frozenset(range(10)) - {i for b in sampler for i in b} for _ in range(30)}) > 5


def test_batches_in_their_order_as_pytorchs_loader_gives_them():
    torch = pytest.importorskip("torch")
    x, y = np.arange(46.0).reshape(23, 2), np.arange(23)
    for kw in ({"batch_size": 5}, {"batch_size": 5, "drop_last": True}, {"batch_size": None}, {"batch_sampler": [[3, 1], [0]]},
               {"batch_size": 4, "sampler": [5, 2, 9, 9, 1]}, {"batch_size": 50}):
        theirs = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), **kw)
        ours = DataLoader(TensorDataset(x, y), **kw)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert [v.tolist() for v in a] == [v.tolist() for v in b] and [v.dtype for v in a] == [v.numpy().dtype for v in b]


# ---- collation -----------------------------------------------------------------------------------------
def test_default_collate():
    out = default_collate([{"x": np.ones((2, 2), "f4"), "p": Point(1, 2.0), "n": ["a", (True, b"c")]}] * 3)
    assert list(out) == ["x", "p", "n"] and out["x"].shape == (3, 2, 2) and out["x"].dtype == np.float32
    assert isinstance(out["p"], Point) and out["p"].x.tolist() == [1, 1, 1] and out["p"].y.dtype == np.float64
    assert out["n"][0] == ["a"] * 3 and out["n"][1][0].dtype == np.bool_ and out["n"][1][1] == [b"c"] * 3
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32
    assert default_collate([np.uint8(1)]).dtype == np.int64 and default_collate([np.zeros(3, np.uint8)]).dtype == np.uint8
    assert default_collate([np.zeros(3, np.int32)]).dtype == np.int64
    assert default_collate([np.str_("a")]) == ["a"]
    assert default_collate([OrderedDict(a=1)])["a"].tolist() == [1]


def test_collated_tensors_keep_their_graph():
    w = fa.tensor([1.0, 2.0], requires_grad=True)
    batch = default_collate([w * 2, np.zeros(2)])
    batch.sum().backward()
    assert w.grad.tolist() == [2, 2]


def test_default_collate_as_pytorchs():
    torch = pytest.importorskip("torch")
    from torch.utils.data import default_collate as theirs
    for samples in ([1, 2], [1.5, 2.0], [True, False], [(1, 2.0), (3, 4.0)], [{"a": 1.0}, {"a": 2.0}], [np.ones(2), np.zeros(2)],
                    [Point(1, 2), Point(3, 4)], [np.float32(1)]):
        a, b = default_collate(samples), theirs(samples)
        for x, y in zip(_leaves(a), _leaves(b), strict=True):
            assert x.tolist() == y.tolist() and x.dtype == y.numpy().dtype
    assert torch is not None


def _leaves(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [leaf for part in tree for leaf in _leaves(part)] if isinstance(tree, (list, tuple)) else [tree]


def test_samples_of_another_library():
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data.TensorDataset(torch.arange(6.0).reshape(3, 2), torch.tensor([1, 2, 3], dtype=torch.int32))
    (x, y), = DataLoader(theirs, 3)
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]] and y.tolist() == [1, 2, 3] and y.dtype == np.int64
    (x, y), = DataLoader((theirs.tensors[0], theirs.tensors[1]), 3)
    assert isinstance(x, fa.Tensor) and y.dtype == np.int64


@pytest.mark.parametrize("samples, error, message", [
    ([], ValueError, "default_collate: no samples"),
    ([np.ones(2), np.ones(3)], ValueError, r"sample 0 of the batch has shape \(2,\), sample 1 \(3,\); .* collate_fn=pad_collate"),
    ([(1, np.ones(2)), (1, np.ones(3))], ValueError, "default_collate: field 1: sample 0"),
    ([{"a": 1}, {"b": 1}], ValueError, r"sample 0 of the batch has keys \['a'\], sample 1 \['b'\]"),
    ([(1, 2), (1,)], ValueError, "sample 0 of the batch has 2 parts, sample 1 has 1"),
    ([1, "a"], TypeError, "sample 0 of the batch is a int, sample 1 is a str"),
    ([{"a": 1}, {"a": None}], TypeError, "field 'a': sample 0 of the batch is a int, sample 1 is a NoneType"),
    ([None], TypeError, "a sample is a NoneType; .* give a collate_fn"),
    ([np.array(["a"])], TypeError, "dtype <U1 hold no numbers"),
])
def test_collate_refusals(samples, error, message):
    with pytest.raises(error, match=message):
        default_collate(samples)


RAGGED = [(np.array([1.0, 2.0, 3.0]), np.array([7]), 0), (np.array([4.0]), np.array([8, 9]), 1)]


def test_pad_collate():
    x, y, label = pad_collate(RAGGED, {0: -1, 1: -100})
    assert isinstance(x, Padded) and x.data.tolist() == [[1, 2, 3], [4, -1, -1]] and x.lengths.tolist() == [3, 1]
    assert y.data.tolist() == [[7, -100], [8, 9]] and y.data.dtype == np.int64 and label.tolist() == [0, 1]
    x, *_ = pad_collate(RAGGED, -1, batch_first=False)
    assert x.data.tolist() == [[1, 4], [2, -1], [3, -1]]
    fixed = pad_collate([{"t": np.ones((2, 3)), "f": np.zeros(4)}, {"t": np.ones((1, 3)), "f": np.ones(4)}], fields=["t"])
    assert fixed["t"].data.shape == (2, 2, 3) and fixed["f"].shape == (2, 4)
    only = pad_collate([np.array([1, 2]), np.array([3])])
    assert only.data.tolist() == [[1, 2], [3, 0]]
    alike = pad_collate([np.array([1, 2]), np.array([3, 4])])
    assert isinstance(alike, Padded), "what a field becomes does not depend on the lengths"


def test_pack_collate_feeds_a_recurrent_layer():
    loader = DataLoader([(np.ones((n, 3), "f4"), n) for n in (2, 4, 1)], 3, collate_fn=pack_collate)
    (packed, lengths), = loader
    rnn = fa.nn.RNN(3, 5)
    out, _ = rnn(packed)
    padded, counts = fa.nn.utils.rnn.pad_packed_sequence(out)
    assert padded.shape == (4, 3, 5) and counts.tolist() == [2, 4, 1] == lengths.tolist()
    (x, _), = DataLoader([(np.ones((n, 3), "f4"), n) for n in (2, 4, 1)], 3, collate_fn=pad_collate)
    alone, _ = rnn(x.data[1])
    np.testing.assert_allclose(padded[:, 1].detach().numpy(), alone.detach().numpy(), rtol=1e-6)


def test_ragged_refusals():
    with pytest.raises(ValueError, match="pad_collate: field 0: not every sample of the batch is a sequence"):
        pad_collate([(np.ones(2),), (1.0,)])
    with pytest.raises(ValueError, match="sequences have shape"):
        pad_collate([np.ones((2, 3)), np.ones((2, 4))])


def test_no_warnings_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(DataLoader(TensorDataset(np.ones((5, 2))), 2, shuffle=True, prefetch=1))
