"""Reductions and functions without derivatives: NumPy's argument forms, ties, infinities, dtypes and errors."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastad as fa
from fastad._core.make import gradients

X = (np.arange(24.0).reshape(2, 3, 4) * 7 % 24 - 9) / 8
OTHER_DTYPES = [np.float16, np.longdouble, np.complex64, np.complex128, np.int8, np.uint16, np.int64, np.bool_]
SIMPLE = ["sum", "mean", "prod", "max", "min"]
AxisError = np.exceptions.AxisError


def same(ours, theirs, rtol=1e-13):
    assert ours.shape == np.shape(theirs)
    assert ours.dtype == np.asarray(theirs).dtype
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=rtol, atol=1e-15)


def gradient(f, x, dtype=None):
    t = fa.tensor(x, dtype, requires_grad=True)
    f(t).sum().backward()
    return t.grad.numpy()


@pytest.mark.parametrize("name", [*SIMPLE, "var", "std"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, 1), ()], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numpy_argument_forms(name, axis, keepdims):
    for array in (X, X.T[::-1], np.broadcast_to(X[:1], X.shape)):
        expected = getattr(np, name)(array, axis=axis, keepdims=keepdims)
        x = fa.from_numpy(array)
        same(getattr(fa, name)(x, axis=axis, keepdims=keepdims), expected)
        same(getattr(np, name)(x, axis=axis, keepdims=keepdims), expected)
        same(getattr(x, name)(axis, keepdims=keepdims), expected)
    same(getattr(fa, name)(X.tolist(), axis, keepdims=keepdims), getattr(np, name)(X, axis, keepdims=keepdims))


@pytest.mark.parametrize("name", [*SIMPLE, "var", "std", "cumsum"])
@pytest.mark.parametrize("dtype", OTHER_DTYPES, ids=str)
def test_dtypes_without_kernels(name, dtype):
    array = (X * 8).astype(dtype)
    for axis in (None, 1):
        if name == "cumsum" or dtype != np.float16:
            rtol = 1e-13 if dtype not in (np.float16, np.complex64) else 1e-6
        else:
            rtol = 2e-3
        same(getattr(fa, name)(fa.tensor(array), axis=axis), getattr(np, name)(array, axis=axis), rtol)


@pytest.mark.parametrize("name", [*SIMPLE, "var", "std", "cumsum", "logsumexp", "norm"])
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble], ids=str)
def test_gradients_in_dtypes_without_kernels(name, dtype):
    f = getattr(fa, name)
    g = gradient(lambda t: f(t, axis=1), X.astype(dtype))
    assert g.dtype == dtype
    np.testing.assert_allclose(g.astype(float), gradient(lambda t: f(t, axis=1), X), rtol=2e-2 if dtype == np.float16 else 1e-12, atol=1e-2)


def test_complex_gradients():
    """The derivative of a holomorphic function, without conjugation."""
    z = np.array([1 + 2j, 3 - 1j, 0.5j])
    np.testing.assert_allclose(gradient(fa.prod, z), [z[1] * z[2], z[0] * z[2], z[0] * z[1]])
    np.testing.assert_allclose(gradient(fa.mean, z), np.full(3, 1 / 3))
    np.testing.assert_allclose(gradient(fa.cumsum, z), [3, 2, 1])
    for name in ("max", "min", "logsumexp"):
        with pytest.raises(TypeError, match=f"{name}.*complex"):
            getattr(fa, name)(fa.tensor(z, requires_grad=True))


def test_dtype_argument():
    x = X.astype(np.float32)
    for name in ("sum", "mean", "prod", "var", "std", "cumsum"):
        same(getattr(fa, name)(fa.tensor(x), dtype=np.float64), getattr(np, name)(x, dtype=np.float64))
        assert gradient(lambda t, name=name: getattr(fa, name)(t, dtype=np.float64), x).dtype == np.float32
    same(fa.sum(fa.tensor([True, True]), dtype=np.float32), np.float32(2))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_size(shape):
    array = np.zeros(shape)
    for name in (*SIMPLE, "var", "std", "cumsum"):
        for axis in (None, 0, -1):
            try:
                expected = getattr(np, name)(array, axis=axis)
            except ValueError as error:
                with pytest.raises(ValueError, match=str(error)[:20]):
                    getattr(fa, name)(fa.tensor(array), axis=axis)
                continue
            x = fa.tensor(array, requires_grad=True)
            y = getattr(fa, name)(x, axis=axis)
            same(y, expected)
            y.sum().backward()
            assert x.grad.shape == shape
    assert fa.logsumexp(fa.tensor(array)).item() == -np.inf


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4), elements=st.integers(-3, 3)), st.data())
def test_extremes_and_products_with_ties_and_zeros(a, data):
    """Any axes of any shape: the value is NumPy's; the gradient is its definition, in both tiers."""
    axis = data.draw(st.none() | st.lists(st.integers(0, a.ndim - 1), unique=True).map(tuple) if a.ndim else st.none())
    keepdims = data.draw(st.booleans())
    axes = tuple(range(a.ndim)) if axis is None else axis
    for name in ("max", "min", "prod"):
        x = fa.tensor(a, requires_grad=True)
        y = getattr(fa, name)(x, axis=axis, keepdims=keepdims)
        same(y, getattr(np, name)(a, axis=axis, keepdims=keepdims))
        if name == "prod":
            expected = np.empty_like(a)
            for i in np.ndindex(a.shape):
                b = a.copy()
                b[i] = 1
                expected[i] = np.prod(b, axis=axes, keepdims=True)[tuple(0 if k in axes else j for k, j in enumerate(i))]
        else:
            ties = a == getattr(np, name)(a, axis=axes, keepdims=True)
            expected = ties / ties.sum(axis=axes, keepdims=True)
        ones = fa.tensor(np.ones(y.shape))
        for create_graph in (False, True):
            g, = gradients([y], [x], [ones], True, create_graph)
            np.testing.assert_allclose(g.detach().numpy(), expected, atol=1e-15)


def test_third_derivative_of_a_product_at_zero():
    x = fa.tensor([0.0, 0.0, 2.0, 0.0], requires_grad=True)
    g, = gradients([fa.prod(x)], [x], [None], True, True)
    parts = fa.split(g, 4)
    h, = gradients([parts[0].sum()], [x], [None], True, True)          # d2 / dx0: (0, x2 x3, x1 x3, x1 x2)
    k, = gradients([fa.split(h, 4)[1].sum()], [x], [None], True, True)  # d3 / dx0 dx1: (0, 0, x3, x2)
    assert k.detach().tolist() == [0, 0, 0, 2]


def test_nan_in_max():
    a = np.array([[1, np.nan, 3], [4, 5, 5]])
    for name in ("max", "min"):
        with np.errstate(all="ignore"):
            same(getattr(fa, name)(fa.tensor(a), 1), getattr(np, name)(a, 1))
    for f32 in (np.float32, np.float64):
        assert gradient(lambda t: fa.max(t, 1), a, f32).tolist() == [[0, 1, 0], [0, 0.5, 0.5]]


INF = np.inf


@pytest.mark.parametrize(("row", "value", "grad"), [
    ([-INF, -INF], -INF, [0, 0]), ([INF, 1.0, INF], INF, [0.5, 0, 0.5]), ([-INF, 0.0], 0.0, [0, 1]), ([INF, -INF], INF, [1, 0]),
    ([1000.0, 1000.0], 1000 + np.log(2), [0.5, 0.5]), ([-1000.0, -2000.0], -1000.0, [1, 0])], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_logsumexp_at_the_limits(row, value, grad, dtype):
    x = fa.tensor([row, [0.0] * len(row)], dtype=dtype, requires_grad=True)
    y = fa.logsumexp(x, axis=1)
    np.testing.assert_allclose(y.detach().numpy()[0], value, rtol=1e-6)
    for create_graph in (False, True):
        g, = gradients([y], [x], [fa.tensor(np.ones(2, dtype))], True, create_graph)
        np.testing.assert_allclose(g.detach().numpy()[0], grad, rtol=1e-6, atol=1e-300)
    h, = gradients([(g * g).sum()], [x], [None], True, False)
    assert np.isfinite(h.numpy()).all()
    assert np.isnan(fa.logsumexp(fa.tensor([1.0, np.nan])).item())
    assert fa.logsumexp([1, 2]).dtype == np.float64


def test_norm_and_std_at_zero():
    zero = np.zeros((2, 3))
    for f in (fa.norm, fa.std, lambda t: fa.norm(t, axis=1), lambda t: fa.norm(t, 3, axis=0), lambda t: fa.norm(t, 0.5, axis=0),
              lambda t: fa.norm(t, 1, axis=0), lambda t: fa.std(t + 5, axis=0)):
        assert not gradient(f, zero).any()
        x = fa.tensor(zero, requires_grad=True)
        g, = gradients([f(x).sum()], [x], [None], True, True)
        assert np.isfinite(g.detach().numpy()).all()
        if g.requires_grad:
            h, = gradients([g.sum()], [x], [None], True, False)
            assert h is None or np.isfinite(h.numpy()).all()
    mixed = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(gradient(lambda t: fa.norm(t, axis=1), mixed), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(gradient(lambda t: fa.norm(t, 3, axis=1), np.array([[2.0, 0.0]])), [[1, 0]])


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, 0.5, np.inf, -np.inf], ids=str)
def test_vector_norms(ord):
    for array in (X, (X * 8).astype(int), X.astype(np.float32), X.astype(complex) * 1j):
        same(fa.norm(fa.tensor(array), ord, -1), np.linalg.norm(array, ord, -1), 1e-6)
        same(np.linalg.norm(fa.tensor(array), ord, axis=1, keepdims=True), np.linalg.norm(array, ord, axis=1, keepdims=True), 1e-6)


@pytest.mark.parametrize("ord", [None, "fro", 1, -1, np.inf, -np.inf], ids=str)
def test_matrix_norms(ord):
    same(fa.norm(fa.tensor(X[0]), ord), np.linalg.norm(X[0], ord))
    for axis in ((0, 1), (2, 0), (-1, 1)):
        for keepdims in (False, True):
            same(fa.norm(fa.tensor(X), ord, axis, keepdims), np.linalg.norm(X, ord, axis, keepdims))


@pytest.mark.parametrize("ddof", [0, 1, 0.5, 4, 5])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_degrees_of_freedom(ddof):
    for name in ("var", "std"):
        same(getattr(fa, name)(fa.tensor(X), 2, ddof=ddof), getattr(np, name)(X, 2, ddof=ddof))
        same(getattr(fa, name)(fa.tensor(X), 2, correction=ddof), getattr(np, name)(X, 2, correction=ddof))


def test_sum_of_many_small_numbers_is_accurate():
    a = np.full(1 << 20, 0.1, np.float32)
    assert abs(fa.sum(fa.tensor(a)).item() - 0.1 * 2**20) < 0.05
    assert abs(fa.mean(fa.tensor(a.reshape(1024, 1024)), axis=0).numpy() - np.float32(0.1)).max() < 1e-7


@pytest.mark.parametrize(("error", "text", "call"), [
    (AxisError, "sum", lambda x: x.sum(3)), (AxisError, "mean", lambda x: x.mean((0, -4))), (ValueError, "twice", lambda x: x.max((0, -3))),
    (TypeError, "out", lambda x: x.sum(out=x)), (TypeError, "where", lambda x: x.sum(where=x > 0)), (TypeError, "initial", lambda x: x.max(initial=0)),
    (TypeError, "where", lambda x: x.var(where=x > 0)), (TypeError, "sum.*integer", lambda x: x.sum("a")), (TypeError, "sum.*integer", lambda x: x.sum(1.5)),
    (AxisError, "cumsum", lambda x: x.cumsum(3)), (AxisError, "logsumexp", lambda x: fa.logsumexp(x, 7)),
    (ValueError, "ddof", lambda x: x.var(ddof=1, correction=1)), (AxisError, "var", lambda x: x.var(9)),
    (ValueError, "norm", lambda x: fa.norm(x, 1)), (ValueError, "norm", lambda x: fa.norm(x, 3, (0, 1))),
    (ValueError, "norm", lambda x: fa.norm(x, "fro", 1)), (ValueError, "norm", lambda x: fa.norm(x, -2, 1)),
    (ValueError, "norm", lambda x: fa.norm(x, "nuc", 1))], ids=str)
def test_errors(error, text, call):
    with pytest.raises(error, match=text):
        call(fa.tensor(X))


# ---- functions without derivatives ------------------------------------------------------------------------
PLAIN = [
    ("argmax", (), {}), ("argmax", (1,), {"keepdims": True}), ("argmin", (), {"axis": -1}), ("any", (), {}), ("any", ((0, 1),), {}),
    ("all", (0,), {"keepdims": True}), ("nonzero", (), {}), ("isnan", (), {}), ("isinf", (), {}), ("isfinite", (), {}),
    ("signbit", (), {}), ("logical_not", (), {}), ("floor", (), {}), ("ceil", (), {}), ("trunc", (), {}), ("rint", (), {}),
    ("round", (), {}), ("round", (1,), {}), ("equal", (X,), {}), ("not_equal", (0.125,), {}), ("less", (0,), {}), ("less_equal", (X[0],), {}),
    ("greater", (0,), {}), ("greater_equal", (X,), {}), ("logical_and", (X > 0,), {}), ("logical_or", (X > 0,), {}),
    ("logical_xor", (X > 0,), {}), ("isclose", (X + 1e-12,), {"atol": 1e-9}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), PLAIN, ids=lambda v: str(v).replace("\n", "")[:20])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64], ids=str)
def test_plain_functions(name, args, kwargs, dtype):
    array = X.astype(dtype)
    x = fa.tensor(array, requires_grad=dtype != np.int64)
    expected = getattr(np, name)(array, *args, **kwargs)
    for ours in (getattr(fa, name)(x, *args, **kwargs), getattr(np, name)(x, *args, **kwargs)):
        pairs = zip(ours, expected, strict=True) if isinstance(expected, tuple) else [(ours, expected)]
        for a, b in pairs:
            assert not a.requires_grad
            same(a, b)


def test_plain_results():
    x = fa.tensor(X, requires_grad=True)
    assert fa.allclose(x, X) is True
    assert np.allclose(X, x + 1) is False
    assert np.array_equal(x, x) is True
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3, 4), 3, 24, 3)
    assert x.argmax(0).shape == (3, 4)
    assert bool(x.any()) is True
    assert bool((x > 9).all()) is False
    assert x.round(0).tolist() == X.round(0).tolist()
    with pytest.raises(TypeError, match="out"):
        fa.argmax(x, out=x)


def test_creation():
    same(fa.zeros((2, 3)), np.zeros((2, 3)))
    same(fa.ones(2, "f4"), np.ones(2, "f4"))
    same(fa.full((2,), 3), np.full((2,), 3))
    same(fa.full((2,), 3, float), np.full((2,), 3, float))
    same(fa.arange(5), np.arange(5))
    same(fa.arange(1, 2, 0.25), np.arange(1, 2, 0.25))
    same(fa.arange(1, 5, dtype="f4"), np.arange(1, 5, dtype="f4"))
    same(fa.linspace(0, 1, 5), np.linspace(0, 1, 5))
    same(fa.linspace(0, 1, 5, endpoint=False, dtype="f4"), np.linspace(0, 1, 5, endpoint=False, dtype="f4"))
    same(fa.eye(2, 3, 1), np.eye(2, 3, 1))
    same(fa.identity(3, dtype=int), np.identity(3, dtype=int))
    assert fa.empty((2, 0), "f4").dtype == np.float32
    x = fa.tensor(X.astype("f4"), requires_grad=True)
    for module in (fa, np):
        same(module.zeros_like(x), np.zeros(X.shape, "f4"))
        same(module.ones_like(x, dtype=int), np.ones(X.shape, int))
        same(module.full_like(x, 2.5), np.full(X.shape, 2.5, "f4"))
        same(module.zeros_like(x, shape=(2,)), np.zeros(2, "f4"))
        assert module.empty_like(x).shape == X.shape
    assert fa.zeros(2, requires_grad=True).requires_grad
    assert fa.ones_like(x, requires_grad=True).is_leaf
    assert not fa.zeros_like(x).requires_grad
    assert fa.asarray(x) is x
    assert fa.asarray(x, "f4") is x
    same(fa.asarray([1, 2]), np.array([1, 2]))
    same(fa.array([1.0]), np.array([1.0]))
    with pytest.raises(TypeError, match="requires_grad"):
        fa.arange(3, requires_grad=True)
    with pytest.raises(ValueError, match="negative"):
        fa.zeros((-1,))


@pytest.mark.parametrize("shape, axis", [((2**24 + 3,), None), ((2**24 + 3, 2), 0)])
def test_more_ties_than_float32_counts(shape, axis):
    x = fa.zeros(shape, dtype="float32", requires_grad=True)
    fa.max(x, axis).sum().backward()
    assert np.ptp(x.grad.numpy()) == 0
    assert x.grad.numpy().ravel()[0] == np.float32(1) / np.float32(shape[0])


def test_running_sums_and_products_keep_their_order():
    """In another order sums of what is not negative could fall, and products of finite factors could be NaN."""
    rng = np.random.default_rng(0)
    for dtype in ("f4", "f8"):
        x = np.abs(rng.normal(size=(19, 2000))).astype(dtype)
        for a in (x, x[:1], x[:, ::-1], x.T):
            np.testing.assert_array_equal(fa.cumsum(fa.tensor(a), -1).numpy(), np.cumsum(a, -1))
        big = np.tile(np.array([0.9, -0.9], dtype) * np.finfo(dtype).max, 256)
        np.testing.assert_array_equal(fa.cumsum(fa.tensor(big)).numpy(), np.cumsum(big))
        assert np.signbit(fa.cumsum(fa.tensor(np.array([-0.0], dtype))).numpy()[0])
        for a in (np.tile([1e-30, 1e30], 50), np.r_[0.0, np.full(400, 1e30)], np.tile([1e-3, 1e3], 50), np.arange(1000.0)):
            np.testing.assert_allclose(fa.prod(fa.tensor(a.astype(dtype))).numpy(), np.prod(a.astype(dtype)), rtol=1e-4)
