"""Embedding: rows by number, gradients that add up, padding, and every index outside the vocabulary."""
import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastad as fa
from fastad import nn
from fastad.nn.functional import embedding

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", ">i4", ">u8")


def weight_of(rows=7, features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, features))


@given(rows=st.integers(1, 8), features=st.integers(0, 4), shape=st.lists(st.integers(0, 4), max_size=3), seed=st.integers(0, 99),
       padded=st.booleans())
def test_values_and_gradients(rows, features, shape, seed, padded):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, rows, shape)
    w = fa.tensor(weight_of(rows, features, seed), requires_grad=True)
    padding = int(rng.integers(-rows, rows)) if padded else None
    y = embedding(numbers, w, padding)
    np.testing.assert_array_equal(y.detach().numpy(), w.detach().numpy()[numbers])
    g = rng.normal(size=y.shape)
    wanted = np.zeros((rows, features))
    for place in np.ndindex(*shape):
        if padding is None or numbers[place] != padding % rows:
            wanted[numbers[place]] += g[place]
    y.backward(fa.tensor(g))
    np.testing.assert_allclose(w.grad.numpy(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_every_width(kind):
    w = weight_of()
    numbers = np.array([[0, 6], [3, 3]], kind)
    for given_numbers in (numbers, numbers[:, ::-1], numbers.T, numbers[0, 0]):
        np.testing.assert_array_equal(embedding(given_numbers, w).numpy(), w[given_numbers])
    if not kind.startswith(">"):
        np.testing.assert_array_equal(embedding(fa.tensor(numbers), w).numpy(), w[numbers])


@pytest.mark.parametrize("padding_idx", (None, 0, -1))
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_equals_pytorch(padding_idx, dtype):
    torch = pytest.importorskip("torch")
    ours = nn.Embedding(10, 4, padding_idx, dtype=dtype)
    theirs = torch.nn.Embedding(10, 4, padding_idx, dtype=getattr(torch, dtype))
    assert ours.padding_idx == theirs.padding_idx and repr(ours) == repr(theirs)
    if padding_idx is not None:
        assert not ours.weight.detach().numpy()[padding_idx].any()
    ours.load_state_dict(theirs.state_dict())
    numbers = np.random.default_rng(0).integers(0, 10, (5, 6))
    g = np.random.default_rng(1).normal(size=(5, 6, 4)).astype(dtype)
    for _ in range(2):                        # gradients add up over calls
        a, b = ours(numbers), theirs(torch.tensor(numbers))
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        a.backward(fa.tensor(g))
        b.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("norm_type", (1.0, 2.0, np.inf))
def test_max_norm_is_pytorchs(norm_type):
    torch = pytest.importorskip("torch")
    w = weight_of()
    ours = nn.Embedding(7, 3, max_norm=0.8, norm_type=norm_type, _weight=w)
    theirs = torch.nn.Embedding(7, 3, max_norm=0.8, norm_type=norm_type, _weight=torch.tensor(w))
    numbers = np.array([1, 4, 4, 6])
    a, b = ours(numbers), theirs(torch.tensor(numbers))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-12)
    assert (np.linalg.norm(ours.weight.detach().numpy()[[0, 2]], norm_type, axis=1) > 0.8).any()      # not in use: as they were
    assert repr(ours) == "Embedding(7, 3, max_norm=0.8)"


def test_a_row_that_is_shortened_counts_as_written():
    w = fa.tensor(np.full((2, 3), 5.0), requires_grad=True)
    y = (w * w).sum()
    embedding([0], w, max_norm=1.0)
    with pytest.raises(RuntimeError, match=r"changed|version|written"):
        y.backward()


def test_initial_values_and_pretrained():
    layer = nn.Embedding(1000, 10, generator=np.random.default_rng(0))
    values = layer.weight.detach().numpy()
    assert values.dtype == np.float32 and abs(values.mean()) < 0.05 and abs(values.std() - 1) < 0.05
    w = fa.tensor(weight_of())
    frozen, trained = nn.Embedding.from_pretrained(w), nn.Embedding.from_pretrained(w, freeze=False, padding_idx=2)
    assert not frozen.weight.requires_grad and trained.weight.requires_grad and not frozen([1]).requires_grad
    np.testing.assert_array_equal(trained([2]).detach().numpy(), w.numpy()[[2]])          # kept, though it is padding
    trained([2, 3]).sum().backward()
    assert trained.weight.grad.numpy()[:, 0].tolist() == [0, 0, 0, 1, 0, 0, 0]
    trained.weight.detach()[3] = 0
    assert not w.numpy()[3].any()             # the memory is shared


def test_derivatives_of_every_kind_and_order():
    numbers = np.array([[0, 2, 2], [1, 2, 0]])
    fa.testing.check_grads(lambda w: embedding(numbers, w) ** 3, (weight_of(3, 2),), order=2)
    w, v = weight_of(3, 2), weight_of(3, 2, 1)
    tangent = fa.jvp(lambda w: embedding(numbers, w, 2), w, v)[1]
    wanted = v[numbers] * (numbers != 2)[..., None]       # the padding row is a constant, in both modes
    np.testing.assert_array_equal(tangent, wanted)


@pytest.mark.parametrize("padding_idx", (None, 2))
def test_frequencies_equal_pytorchs(padding_idx):
    torch = pytest.importorskip("torch")
    numbers, g = np.array([[0, 2, 2, 5], [2, 0, 2, 1]]), np.random.default_rng(0).normal(size=(2, 4, 3))
    ours = nn.Embedding(7, 3, padding_idx, scale_grad_by_freq=True, dtype="float64")
    theirs = torch.nn.Embedding(7, 3, padding_idx, scale_grad_by_freq=True, dtype=torch.float64)
    theirs.load_state_dict({"weight": torch.tensor(ours.weight.detach().numpy())})
    ours(numbers).backward(fa.tensor(g))
    theirs(torch.tensor(numbers)).backward(torch.tensor(g))
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_frequencies_in_closed_form_and_both_tiers():
    """Each row of g counts 1 / how often its number stands there; the walk that records says the same."""
    numbers, w = np.array([1, 1, 1, 3]), fa.tensor(weight_of(5, 2), requires_grad=True)
    for padding, wanted in ((None, [0, 1, 0, 1, 0]), (3, [0, 1, 0, 0, 0])):
        for create_graph in (False, True):
            y = embedding(numbers, w, padding, scale_grad_by_freq=True)
            g, = fa.autograd.grad(y, [w], fa.ones((4, 2)), create_graph=create_graph)
            np.testing.assert_allclose(g.detach().numpy()[:, 0], wanted, rtol=1e-15)


def test_indices_changed_after_the_call():
    numbers, w = np.array([0, 1]), fa.tensor(weight_of(3, 2), requires_grad=True)
    y = embedding(numbers, w)
    numbers[:] = 2
    y.sum().backward()
    assert w.grad.numpy()[:, 0].tolist() == [1, 1, 0]


def test_copies():
    layer = nn.Embedding(5, 2, padding_idx=1)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer) and twin.weight is not layer.weight
        np.testing.assert_array_equal(twin([0, 4]).detach().numpy(), layer([0, 4]).detach().numpy())


def test_in_front_of_a_recurrent_layer():
    torch = pytest.importorskip("torch")
    net, lstm = nn.Embedding(9, 4, padding_idx=0), nn.LSTM(4, 3)
    net_t, lstm_t = torch.nn.Embedding(9, 4, padding_idx=0), torch.nn.LSTM(4, 3)
    for a, b in ((net, net_t), (lstm, lstm_t)):
        b.load_state_dict({name: torch.tensor(v.numpy()) for name, v in a.state_dict().items()})
    text = np.random.default_rng(0).integers(0, 9, (6, 5))
    (lstm(net(text))[0] ** 2).sum().backward()
    (lstm_t(net_t(torch.tensor(text)))[0] ** 2).sum().backward()
    np.testing.assert_allclose(net.weight.grad.numpy(), net_t.weight.grad.numpy(), rtol=1e-4, atol=1e-6)


# ---- what can be done wrong --------------------------------------------------------------------------
@pytest.mark.parametrize(("numbers", "says"), [
    ([[0, 1], [7, 2]], r"index 7 at \(1, 0\) of an input of shape \(2, 2\) .* weight of 7 rows run from 0 to 6"),
    ([3, -1], r"index -1 at \(1,\) of an input of shape \(2,\)"),
    (np.int64(-8), r"index -8 at \(\)"),
    (np.array([2 ** 63 - 1]), r"index 9223372036854775807 at \(0,\)"),
    (np.array([-(2 ** 63)]), r"index -9223372036854775808 at"),
    (np.array([0, 2 ** 64 - 1], np.uint64), r"index 18446744073709551615 at \(1,\)"),
    (np.array([-1, 200], "int16"), r"index -1 at \(0,\)"),
    (fa.tensor([1, 99]), r"index 99 at \(1,\)"),
    (np.array([[0, 9], [8, 0]]).T, r"index 8 at \(0, 1\)"),
])
def test_outside_the_vocabulary(numbers, says):
    with pytest.raises(IndexError, match=says):
        embedding(numbers, weight_of())


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda: embedding([0.0], weight_of()), TypeError, "indices must be integers, got dtype float64"),
    (lambda: embedding([True], weight_of()), TypeError, "got dtype bool"),
    (lambda: embedding(fa.tensor([]), weight_of()), TypeError, "indices must be integers"),
    (lambda: embedding([0], np.zeros(3)), ValueError, r"weight must be \(rows, features\), got shape \(3,\)"),
    (lambda: embedding([0], np.zeros((0, 3))), IndexError, "weight of 0 rows"),
    (lambda: embedding([0], weight_of(), 7), ValueError, "padding_idx=7 is outside the vocabulary of 7 rows"),
    (lambda: embedding([0], weight_of(), -8), ValueError, "padding_idx=-8"),
    (lambda: embedding([0], weight_of(), sparse=True), NotImplementedError, "dense"),
    (lambda: nn.Embedding(3, 2, 3), ValueError, "Embedding: padding_idx=3"),
    (lambda: nn.Embedding(3, 2, sparse=True), NotImplementedError, "Embedding"),
    (lambda: nn.Embedding(3, 2, _weight=np.zeros((2, 3))), ValueError, r"must have shape \(3, 2\), got \(2, 3\)"),
    (lambda: nn.Embedding.from_pretrained(np.zeros(3)), ValueError, r"\(rows, features\), got shape \(3,\)"),
    (lambda: nn.Embedding(3, 2, dtype=int), TypeError, "float"),
])
def test_errors(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_no_numbers():
    w = fa.tensor(weight_of(), requires_grad=True)
    for numbers in ([], np.zeros((2, 0), int), np.zeros((0, 3), "u1")):
        y = embedding(numbers, w, 1)
        assert y.shape == (*np.shape(numbers), 3)
        y.sum().backward()
    assert not w.grad.numpy().any()
    assert embedding([], np.zeros((0, 3))).shape == (0, 3)


def test_what_is_no_vocabulary():
    with pytest.raises(ValueError, match="Embedding: num_embeddings must be at least 1, got -1"):
        nn.Embedding(-1, 2)
    with pytest.raises(TypeError, match="Embedding: embedding_dim must be an integer, got float"):
        nn.Embedding(3, 2.5)
    with pytest.raises(ValueError, match=r"embedding: the input must be integers in one array .*pad_sequence"):
        nn.Embedding(3, 2)([[1], [1, 2]])
