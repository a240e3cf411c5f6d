"""x[...]: NumPy parity over all forms, views, errors, gradients of indices that repeat, the price of a loop."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastad as fa

X = np.arange(60.0).reshape(3, 4, 5)


def check(index, array=X):
    """Value, shape and gradient agree with NumPy's; so does the kind of error."""
    try:
        expected = np.asarray(array[index])
    except (IndexError, ValueError):
        with pytest.raises((IndexError, ValueError)):
            fa.tensor(array)[index]
        return
    x = fa.tensor(array, requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    assert y.shape == expected.shape and y.dtype == expected.dtype
    g = np.random.default_rng(0).normal(size=y.shape)
    dx = np.zeros_like(array)
    np.add.at(dx, index, g)
    for create_graph in (False, True):
        x.grad = None
        y.backward(fa.tensor(g), retain_graph=True, create_graph=create_graph)
        np.testing.assert_allclose(x.grad.detach().numpy(), dx, atol=1e-12)


@given(hnp.basic_indices(X.shape, allow_newaxis=True))
def test_basic_indices(index):
    check(index)


@given(hnp.basic_indices((2, 0, 3), allow_newaxis=True))
def test_basic_indices_of_an_empty_array(index):
    check(index, np.zeros((2, 0, 3)))


@given(hnp.integer_array_indices(X.shape))
def test_integer_array_indices(index):
    check(index)


@given(hnp.arrays(bool, X.shape))
def test_masks(mask):
    check(mask)
    check((mask[:, 0, 0],))
    check((slice(None), mask[0, :, 0]))
    check((Ellipsis, mask[0, 0]))


item = st.one_of(
    st.integers(-6, 6), st.none(), st.just(Ellipsis), st.booleans(), st.slices(4), st.lists(st.integers(-3, 2), max_size=3),
    hnp.arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=2), elements=st.integers(-3, 3)),
    hnp.arrays(bool, st.sampled_from([(), (3,), (4,), (5,)])))


@given(st.lists(item, max_size=5).map(tuple))
def test_mixtures(index):
    check(index)


@pytest.mark.parametrize("index", [
    3, -4, 10**30, (0, 4), (0, 0, 0, 0), (slice(None), -5), (Ellipsis, Ellipsis), "a", 1.0, (0, 1.5), [0.5], [[0], [1, 2]],
    [3], [-4], np.array([0, 7]), np.array([0.0]), (np.array([0, 1]), np.array([0, 1, 2])), np.ones(4, bool), np.ones((3, 3), bool),
    (0, [4]), object(), {}, (None,) * 65, slice(0, 1, 0), slice("a"), np.array([2**63], np.uint64), ([0], 0, 0, 0),
    (slice(None), [0], 9),
], ids=str)
def test_errors(index):
    x = fa.tensor(X, requires_grad=True)
    with pytest.raises((IndexError, ValueError, TypeError)) as ours:
        x[index]
    with pytest.raises((IndexError, ValueError, TypeError)) as theirs:
        X[index]
    assert ours.type is theirs.type or issubclass(ours.type, IndexError)


def test_errors_name_the_axis_and_the_size():
    x = fa.tensor(X)
    with pytest.raises(IndexError, match=r"index 4 is out of bounds for axis 1 with size 4"):
        x[0, 4]
    with pytest.raises(IndexError, match=r"index 3 is out of bounds for axis 0 with size 3"):
        x[3]
    with pytest.raises(IndexError, match=r"index 9 is out of bounds for axis 0 with size 3"):
        x[[0, 9]]
    with pytest.raises(IndexError, match=r"3-dimensional, but 4 were indexed"):
        x[0, 0, None, 0, 0]


def test_tensors_as_indices():
    x = fa.tensor(X)
    rows, mask = np.array([2, 0]), X[:, 0, 0] > 10
    np.testing.assert_array_equal(x[fa.tensor(rows)].numpy(), X[rows])
    np.testing.assert_array_equal(x[fa.tensor(mask)].numpy(), X[mask])
    np.testing.assert_array_equal(x[x > 30].numpy(), X[X > 30])
    np.testing.assert_array_equal(x[fa.tensor(1), fa.tensor(rows)].numpy(), X[1, rows])
    assert np.shares_memory(x[fa.tensor(1)].numpy(), x.numpy())
    with pytest.raises(IndexError, match="float64"):
        x[fa.tensor([0.0], requires_grad=True)]


@pytest.mark.parametrize("index", [0, -1, (1, 2), slice(1, 3), (Ellipsis, 0), None, (slice(None), slice(None, None, -2))], ids=str)
def test_basic_indexing_is_a_view(index):
    x = fa.tensor(X)
    y = x[index]
    assert np.shares_memory(y.numpy(), x.numpy())
    before = y.version
    x[...] = 7
    assert y.version == before + 1 and (y.numpy() == 7).all()
    y[...] = 3
    assert (x.numpy()[index] == 3).all()


def test_advanced_indexing_is_a_copy():
    x = fa.tensor(X)
    for index in ([0, 1], np.ones(3, bool), (slice(None), [1])):
        assert not np.shares_memory(x[index].numpy(), x.numpy())


def test_a_change_of_the_index_does_not_change_the_gradient():
    for index in (np.array([0, 1]), [0, 1], fa.tensor([0, 1])):
        x = fa.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x[index]
        index[0] = 2
        y.sum().backward()
        assert x.grad.tolist() == [1, 1, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.complex128])
def test_dtypes(dtype):
    x = fa.tensor(np.arange(6).reshape(3, 2).astype(dtype), requires_grad=True)
    (x[1].sum() + x[[0, 0, 2]].sum() + x[np.array([True, False, True])].sum()).backward()
    assert x.grad.dtype == dtype
    np.testing.assert_array_equal(x.grad.numpy(), np.array([[3, 3], [1, 1], [2, 2]], dtype))
    assert fa.tensor([1, 2, 3])[1].item() == 2 and fa.tensor([True, False])[[0, 0]].tolist() == [True, True]


def test_a_loop_over_the_elements_is_linear():
    """Reading every element must not touch the whole gradient each time: 200000 elements would take minutes."""
    n = 200_000
    x = fa.tensor(np.ones(n), requires_grad=True)
    total = x[0]
    for i in range(1, n):
        total = total + x[i]
    total.backward()
    assert (x.grad.numpy() == 1).all()


def test_numpy_functions_dispatch():
    x = fa.tensor(X, requires_grad=True)
    np.testing.assert_array_equal(np.take(x, [1, 0], axis=1).detach().numpy(), X[:, [1, 0]])
    np.testing.assert_array_equal(x.take([7, -1]).detach().numpy(), X.take([7, -1]))
    for axis in (0, 1, -1, None):
        order = np.argsort(-X, axis=axis)
        np.testing.assert_array_equal(np.take_along_axis(x, order, axis).detach().numpy(), np.take_along_axis(X, order, axis))


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
@pytest.mark.parametrize("axis", [None, 0, 2, -2])
@pytest.mark.parametrize("indices", [0, 2, [0, -1], [[1, 2], [0, 1]], [], 100, [-100]], ids=str)
def test_take(indices, axis, mode):
    try:
        expected = np.take(X, np.asarray(indices, int), axis, mode=mode)
    except IndexError:
        with pytest.raises(IndexError):
            fa.take(X, indices, axis, mode=mode)
        return
    np.testing.assert_array_equal(fa.take(X, indices, axis, mode=mode).numpy(), expected)


@pytest.mark.parametrize(("call", "error"), [
    (lambda: fa.take(X, [0.5]), TypeError), (lambda: fa.take(X, 0, axis=3), ValueError),
    (lambda: fa.take(X, 0, mode="near"), ValueError), (lambda: fa.take(X, 0, out=X), TypeError),
    (lambda: fa.take_along_axis(X, [0], 0), ValueError), (lambda: fa.take_along_axis(X, X, 0), TypeError),
    (lambda: fa.scatter([1.0], 3, 3), IndexError), (lambda: fa.scatter([1.0, 2.0], [0], 3), ValueError),
    (lambda: fa.scatter([1.0, 2.0], slice(0, 3), 3), ValueError), (lambda: fa.scatter(1.0, 0, (-1,)), ValueError),
    (lambda: fa.scatter(1.0, "a", 3), IndexError), (lambda: fa.scatter(1.0, 0, 1.5), TypeError),
])
def test_function_errors(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("kind", [np.asarray, fa.tensor], ids=["array", "tensor"])
def test_an_index_in_another_order_of_memory(kind, dtype):
    tokens = np.array([[0, 1, 2], [2, 3, 1]], dtype)
    for index in (kind(tokens).T, kind(np.asfortranarray(tokens)), kind(tokens)[:, ::-1]):
        plain = np.asarray(index)
        for w in (X[:, 0].copy(), X.copy(), X.T.copy().T):
            w = w[:4] if w.shape[0] >= 4 else np.concatenate([w] * 4)[:4]
            x = fa.tensor(w, requires_grad=True)
            y = x[index]
            np.testing.assert_array_equal(y.detach().numpy(), w[plain])
            seed = np.arange(1.0, y.size + 1).reshape(y.shape)
            y.backward(seed)
            expected = np.zeros_like(w)
            np.add.at(expected, plain, seed)
            np.testing.assert_allclose(x.grad.numpy(), expected)
            np.testing.assert_array_equal(fa.take(x, index, 0).detach().numpy(), np.take(w, plain, 0))


def test_a_step_as_long_as_memory():
    np.testing.assert_array_equal(fa.tensor(X)[:: 2**62].numpy(), X[:: 2**62])
