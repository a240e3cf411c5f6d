"""Matrix products: strided operands, errors, other dtypes, special values.  Which library makes them: test_blas.py."""
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastad as fa


# ---- shapes, strides and dtypes ----------------------------------------------------------------------
def layouts(rng, shape):
    """Arrays of one shape whose strides differ: dense, transposed, stepped, reversed, cut out, stretched."""
    last = len(shape) - 1
    yield rng.normal(size=shape)
    yield rng.normal(size=shape[::-1]).T
    yield rng.normal(size=(*shape[:last], 2 * shape[last]))[..., ::2]
    yield rng.normal(size=shape)[..., ::-1]
    yield rng.normal(size=shape)[::-1]
    yield rng.normal(size=[n + 2 for n in shape])[tuple(slice(1, n + 1) for n in shape)]
    yield np.broadcast_to(rng.normal(size=shape[last:]), shape)
    yield np.broadcast_to(rng.normal(size=(*shape[:last], 1)), shape)


SHAPES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((1, 3), (3, 1)), ((5, 2, 3), (3, 4)),
          ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (6, 1, 3, 4)), ((5, 1, 3), (5, 3, 1)),
          ((5, 4, 1), (1, 3)), ((1, 2, 3), (5, 3, 4)), ((2, 0), (0, 4)), ((0, 2, 3), (3, 4)), ((2, 3), (0, 3, 4))]


def summed_to(g, shape):
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1), keepdims=True)


@pytest.mark.parametrize(("of_a", "of_b"), SHAPES, ids=str)
def test_strides(of_a, of_b):
    rng = np.random.default_rng(0)
    for a, b in itertools.product(layouts(rng, of_a), layouts(rng, of_b)):
        x, y = fa.from_numpy(a).requires_grad_(), fa.from_numpy(b).requires_grad_()
        z = fa.matmul(x, y)
        expected = np.matmul(a, b)
        assert z.shape == expected.shape
        np.testing.assert_allclose(z.detach().numpy(), expected, atol=1e-12)
        rows = a if a.ndim > 1 else a[None]
        cols = b if b.ndim > 1 else b[:, None]
        for g in layouts(rng, z.shape) if z.ndim else [np.array(2.0)]:
            full = g.reshape(np.matmul(rows, cols).shape)
            x.grad = y.grad = None
            z.backward(fa.from_numpy(g), retain_graph=True)
            da = np.matmul(full, np.swapaxes(cols, -1, -2))
            db = np.matmul(np.swapaxes(rows, -1, -2), full)
            da = da if a.ndim > 1 else da[..., 0, :]
            db = db if b.ndim > 1 else db[..., 0]
            np.testing.assert_allclose(x.grad.numpy(), summed_to(da, a.shape), atol=1e-11)
            np.testing.assert_allclose(y.grad.numpy(), summed_to(db, b.shape), atol=1e-11)


@pytest.mark.parametrize("shapes", [((2, 3), (4, 2)), ((3,), (4,)), ((3,), (4, 3)), ((2, 3), (4,)), ((), (3,)), ((3,), ()),
                                    ((2, 2, 3), (3, 3, 4)), ((0,), (1,))], ids=str)
def test_shapes_that_do_not_fit(shapes):
    a, b = [np.zeros(s) for s in shapes]
    with pytest.raises(ValueError, match="matmul"):
        fa.matmul(fa.tensor(a), fa.tensor(b))
    with pytest.raises(ValueError, match="matmul"):
        fa.tensor(a) @ b
    with pytest.raises(ValueError):
        np.matmul(a, b)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex64, np.complex128])
def test_other_dtypes(dtype):
    rng = np.random.default_rng(0)
    a, b, g = [rng.normal(size=s).astype(dtype) for s in ((2, 3), (3, 4), (2, 4))]
    if np.dtype(dtype).kind == "c":
        a, b = a + 1j * a[::-1], b - 2j * b[:, ::-1]
    x, y = fa.tensor(a, requires_grad=True), fa.tensor(b, requires_grad=True)
    for z in (x @ y, fa.linear(x, y.T), fa.einsum("ij,jk", x, y)):
        assert z.dtype == dtype
        np.testing.assert_allclose(z.detach().numpy(), a @ b, rtol=1e-2, atol=1e-2)
        x.grad = y.grad = None
        z.backward(fa.tensor(g))
        assert x.grad.dtype == dtype
        np.testing.assert_allclose(x.grad.numpy(), g @ b.T, rtol=1e-2, atol=1e-2)       # no conjugation
        np.testing.assert_allclose(y.grad.numpy(), a.T @ g, rtol=1e-2, atol=1e-2)


def test_promotion_follows_numpy():
    for da, db in itertools.product(["f4", "f8", "i4", "i8", "c8", "?", "f2"], repeat=2):
        a, b = np.ones((2, 3), da), np.ones((3, 2), db)
        assert (fa.tensor(a) @ fa.tensor(b)).dtype == (a @ b).dtype
        assert (fa.tensor(a) @ b).dtype == (a @ fa.tensor(b)).dtype == (a @ b).dtype
    x = fa.tensor(np.ones((2, 3), "f4"), requires_grad=True)
    (x @ np.ones((3, 2))).sum().backward()
    assert x.grad.dtype == np.float32


def test_nan_and_infinity_come_through():
    a = np.array([[np.nan, 1.0], [np.inf, 0.0]])
    b = np.array([[0.0, 1.0], [1.0, np.inf]])
    for x, y in ((a, b), (a, b[:, :1]), (a[:1], b), (a[0], b[0]), (np.tile(a, (8, 8)), np.tile(b, (8, 8)))):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(fa.matmul(x, y).numpy(), np.matmul(x, y))


def test_old_numbers_in_the_result_do_not_count():
    for n in (1, 2, 5):                      # the pool hands out the block that held the NaN
        junk = fa.tensor(np.full((4, n), np.nan))
        del junk
        np.testing.assert_array_equal(fa.matmul(np.ones((4, 3)), np.ones((3, n))).numpy(), np.full((4, n), 3.0))


def test_numpy_functions_dispatch():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    x, y = fa.tensor(a, requires_grad=True), fa.tensor(b, requires_grad=True)
    for f in (np.matmul, np.dot, lambda p, q: np.tensordot(p, q, 1), lambda p, q: np.einsum("ij,jk", p, q)):
        z = f(x, y)
        assert isinstance(z, fa.Tensor) and z.requires_grad
        np.testing.assert_allclose(z.detach().numpy(), a @ b)
    np.testing.assert_allclose(np.outer(x, y).detach().numpy(), np.outer(a, b))
    np.testing.assert_allclose(np.inner(x, x).detach().numpy(), np.inner(a, a))


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4), st.integers(0, 3))
def test_dot_and_inner_follow_numpy(of_a, of_b, k):
    rng = np.random.default_rng(0)
    for name, tail in (("dot", (k, 2)), ("inner", (k,))):
        a, b = rng.normal(size=(*of_a, k)), rng.normal(size=(*of_b, *tail))
        expected = getattr(np, name)(a, b)
        found = getattr(fa, name)(a, b)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    assert float(fa.dot(2.0, 3.0)) == 6 and fa.dot(2.0, [1.0, 2.0]).shape == (2,)


@pytest.mark.parametrize("call", [
    lambda: fa.dot(np.ones(3), np.ones(4)), lambda: fa.dot(np.ones((2, 3)), np.ones((2, 4, 2))),
    lambda: fa.inner(np.ones(3), np.ones((2, 4))), lambda: fa.tensordot(np.ones((2, 3)), np.ones((4, 2)), 1),
    lambda: fa.tensordot(np.ones((2, 3)), np.ones((2, 3)), ([0], [0, 1])),
    lambda: fa.tensordot(np.ones((2, 3)), np.ones((2, 3)), ([5], [0])),
    lambda: fa.linear(np.ones((2, 3)), np.ones(3)), lambda: fa.linear(np.ones((2, 3)), np.ones((4, 2))),
    lambda: fa.linear(1.0, np.ones((4, 2))), lambda: fa.linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(3)),
    lambda: fa.linear(np.ones((2, 3)), np.ones((4, 3)), np.ones((1, 4))),
])
def test_errors(call):
    with pytest.raises(ValueError):
        call()


def test_gradients_only_where_wanted():
    x, w, b = [fa.tensor(np.ones(s)) for s in ((2, 3), (4, 3), (4,))]
    for wanted in itertools.product([False, True], repeat=3):
        leaves = [t.detach().requires_grad_(flag) for t, flag in zip((x, w, b), wanted, strict=True)]
        y = fa.linear(*leaves)
        assert y.requires_grad == any(wanted)
        if any(wanted):
            y.sum().backward()
        assert [t.grad is not None for t in leaves] == list(wanted)


# ---- einsum ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("subscripts", "shapes"), [
    ("ij,jk", ((2, 3), (3, 4))), (" i j , j k -> i k ", ((2, 3), (3, 4))), ("ba", ((2, 3),)), ("ii", ((3, 3),)),
    ("...", ((2, 3),)), ("...i->...", ((2, 3),)), ("i...,i...", ((2, 3), (2, 3))), ("Ab,bA", ((2, 3), (3, 2))),
    ("...a,...b->...ab", ((4, 1, 2), (5, 3))), ("ij->ij", ((2, 3),)), ("i,->i", ((2,), ())), ("ijk,j->k", ((2, 3, 4), (3,))),
    ("ij,jk,kl", ((2, 3), (3, 4), (4, 2))), ("i,i", ((1,), (3,))), ("ij,ij->j", ((0, 3), (0, 3))),
], ids=str)
def test_einsum_follows_numpy(subscripts, shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in shapes]
    found, expected = fa.einsum(subscripts, *arrays), np.einsum(subscripts, *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_einsum_with_lists():
    a, b = np.ones((2, 3)), np.arange(12.0).reshape(3, 4)
    for args in ((a, [0, 1], b, [1, 2], [0, 2]), (a, [0, 7], b, [7, 3]), (a, [Ellipsis, 1], b, [1, 2], [Ellipsis, 2])):
        np.testing.assert_allclose(fa.einsum(*args).numpy(), np.einsum(*args))


def test_einsum_never_shares_memory():
    a = fa.tensor(np.zeros((2, 2)))
    fa.einsum("ij->ji", a)[0, 0] = 1
    fa.einsum("ii->i", a)[0] = 1
    assert not a.numpy().any()


@pytest.mark.parametrize(("subscripts", "shapes"), [
    ("ij,jk", ((2, 3),)), ("ij", ((2, 3, 4),)), ("ijk", ((2, 3),)), ("ij,jk", ((2, 3), (4, 5))), ("ij->k", ((2, 3),)),
    ("ij->ii", ((2, 3),)), ("i1", ((2, 3),)), ("i->j->k", ((2,),)), ("i....", ((2,),)), ("......", ((2,),)), ("ii", ((2, 3),)),
    ("i..", ((2,),)), ("i->i,i", ((2,),)), ("", ((2,),)),
], ids=str)
def test_einsum_errors(subscripts, shapes):
    arrays = [np.ones(s) for s in shapes]
    with pytest.raises(ValueError, match="einsum"):
        fa.einsum(subscripts, *arrays)
    with pytest.raises(ValueError):
        np.einsum(subscripts, *arrays)


@pytest.mark.parametrize("product", [fa.matmul, lambda a, b: fa.einsum("ij,jk->ik", a, b), lambda a, b: fa.linear(a, b.T)])
def test_more_multiplications_than_an_integer_counts(product):
    """2**64 of them: the number overflows to 0, which is not a product over an empty axis."""
    one = fa.tensor(np.float32(1))
    with pytest.raises(MemoryError, match="allocate"):               # a stretched operand is copied for the BLAS
        product(fa.broadcast_to(one, (2**13, 2**38)), fa.broadcast_to(one, (2**38, 2**13)))
