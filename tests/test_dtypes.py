"""Every dtype NumPy computes in: values and result dtypes are NumPy's; gradients where there are derivatives."""
import numpy as np
import pytest
from samples.elementwise import FASTAD, NUMPY

import fastad as fa
from fastad._core import make as core
from fastad._core.kernels import rows

ROWS = {row["name"]: row for row in rows()}
UFUNCS = sorted(n for n in ROWS if isinstance(getattr(np, n, None), np.ufunc))
FLOATS = {"f2": 4e-3, "g": 1e-15}
HOLOMORPHIC = ["negative", "square", "sqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "sigmoid", "add", "subtract", "multiply", "divide", "power"]
pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")


def function(name):
    return FASTAD.get(name) or getattr(fa, name)


def points(name, dtype, n=5):
    """Operands inside the row's domain, the same numbers for every dtype that holds them."""
    row = ROWS[name]
    rng = np.random.default_rng(0)
    lo, hi = row["domain"]
    if np.dtype(dtype).kind in "iub":
        return [np.array([1, 2, 3, 1, 2]).astype(dtype) for _ in range(row["arity"])]
    if np.dtype(dtype).kind == "c":
        return [(rng.uniform(0.3, 0.8, n) + 1j * rng.uniform(0.2, 0.7, n)).astype(dtype) for _ in range(row["arity"])]
    return [rng.uniform(lo, hi, n).astype("f2").astype(dtype) for _ in range(row["arity"])]


def plain(t):
    return t.detach().numpy()


@pytest.mark.parametrize("dtype", ["?", "i1", "i4", "i8", "u1", "f2", "g", "c8", "c16"])
@pytest.mark.parametrize("name", UFUNCS)
def test_ufunc_rows_are_numpys(name, dtype):
    arrays = points(name, dtype)
    try:
        expected = getattr(np, name)(*arrays)
    except TypeError:                      # NumPy has no loop either
        with pytest.raises(TypeError, match=name):
            function(name)(*[fa.tensor(a) for a in arrays])
        return
    y = function(name)(*[fa.tensor(a) for a in arrays])
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(plain(y), expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", sorted(ROWS))
def test_half_and_long_double(name, dtype):
    """Value, gradient and second derivative in the dtype itself, near those of float64."""
    arrays = points(name, dtype)
    if name.startswith("bce") and dtype == "f2":
        arrays = [np.clip(a, 0.25, 0.75) for a in arrays]
    found = {}
    if name in ("erf", "gelu") and dtype == "g":
        with pytest.raises(TypeError, match=f"{name}: no loop|SciPy"):
            function(name)(fa.tensor(arrays[0]))
        return
    if name in ("erf", "gelu"):
        pytest.importorskip("scipy")
    for kind in (dtype, "f8"):
        xs = [fa.tensor(a.astype(kind), requires_grad=True) for a in arrays]
        y = function(name)(*xs)
        g = core.gradients([y.sum()], xs, [None], True, True)
        s = [core.gradients([t.sum()], [x], [None], True, False)[0] if t.requires_grad else None
             for t, x in zip(g, xs, strict=True)]
        found[kind] = [y, *g, *[v for v in s if v is not None]]
        assert all(t.dtype == np.dtype(kind) for t in found[kind]), [t.dtype for t in found[kind]]
    for a, b in zip(found[dtype], found["f8"], strict=True):
        scale = max(1.0, float(np.abs(plain(b)).max()))
        np.testing.assert_allclose(plain(a).astype("f8"), plain(b), rtol=8 * FLOATS[dtype],
                                   atol=(8 if dtype == "f2" else 20) * scale * FLOATS[dtype])


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"abs"}))
def test_complex_gradients(name, dtype):
    """Holomorphic rows: the derivative f' without conjugation; the others refuse, but for abs: see test_complex.py."""
    arrays = points(name, dtype)
    xs = [fa.tensor(a, requires_grad=True) for a in arrays]
    if name not in HOLOMORPHIC:
        with pytest.raises(TypeError):
            function(name)(*xs)
        return
    y = function(name)(*xs)
    assert y.dtype == np.dtype(dtype)
    ones = fa.tensor(np.ones(y.shape, dtype))
    grads = core.gradients([y], xs, [ones], True, True)
    wide = [a.astype("c16") for a in arrays]
    f = NUMPY.get(name, getattr(np, name, None))
    for k, g in enumerate(grads):
        h = 1e-6 * (0.6 + 0.8j)            # any direction: the quotient of a holomorphic function does not depend on it
        up, down = list(wide), list(wide)
        up[k], down[k] = wide[k] + h, wide[k] - h
        assert g.dtype == np.dtype(dtype)
        np.testing.assert_allclose(plain(g), (f(*up) - f(*down)) / (2 * h), rtol=1e-4 if dtype == "c8" else 1e-8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ("clip", "max", "relu"))
def test_the_remedy_for_complex_tensors_works(name):
    x = fa.tensor([1 + 2j, 3j, 2.0], requires_grad=True)
    f = (lambda x: fa.clip(x, 0, 1)) if name == "clip" else getattr(fa, name)
    with pytest.raises(TypeError, match=rf"^{name}: no derivative .*take x\.real, x\.imag or abs\(x\)"):
        f(x).sum().backward()
    y = f(x.real)
    assert y.tolist() == f(fa.tensor([1.0, 0.0, 2.0])).tolist()
    y.sum().backward()
    assert x.grad.dtype == np.complex128 and x.grad.numpy().any()


def test_a_real_input_of_a_complex_result_gets_the_real_part():
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    z = fa.tensor([1 + 2j, 3 - 1j])
    y = x * z
    y.backward(np.array([1, 1j]))
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(plain(x.grad), [1, 1])


# ---- promotion ----------------------------------------------------------------------------------------
KINDS = ["?", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", "g", "c8", "c16"]
BINARY = ["add", "multiply", "divide", "maximum", "power", "subtract"]


@pytest.mark.parametrize("right", KINDS)
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("name", BINARY)
def test_promotion_of_two_arrays(name, left, right):
    a, b = np.array([1, 2, 3]).astype(left), np.array([1, 1, 2]).astype(right)
    try:
        expected = getattr(np, name)(a, b)
    except TypeError:
        with pytest.raises(TypeError):
            getattr(fa, name)(fa.tensor(a), fa.tensor(b))
        return
    for x, y in ((fa.tensor(a), fa.tensor(b)), (fa.tensor(a), b), (a, fa.tensor(b))):
        found = getattr(fa, name)(x, y)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(plain(found), expected, rtol=4e-7)


SCALARS = [True, 2, 2.5, 1 + 2j, np.float64(2.5), np.float32(2.5), np.float16(2.5), np.int64(2), np.int8(2), np.bool_(True),
           np.complex64(1j), np.array(2.5), 10**25, -3]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: f"{type(s).__name__}_{s}")
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", BINARY)
def test_python_scalars_are_weak_and_numpys_are_strong(name, dtype, scalar):
    a = np.array([1, 2, 3]).astype(dtype)
    for order in (lambda s, t: (s, t), lambda s, t: (t, s)):
        try:
            with np.errstate(all="ignore"):
                expected = getattr(np, name)(*order(a, scalar))
        except (TypeError, OverflowError, ValueError) as error:
            with pytest.raises((type(error), TypeError, OverflowError)):
                getattr(fa, name)(*order(fa.tensor(a), scalar))
            continue
        if expected.dtype == object:
            with pytest.raises((TypeError, OverflowError)):
                getattr(fa, name)(*order(fa.tensor(a), scalar))
            continue
        found = getattr(fa, name)(*order(fa.tensor(a), scalar))
        assert found.dtype == expected.dtype, f"{name} of {a.dtype} and {scalar!r}"
        np.testing.assert_allclose(plain(found), expected, rtol=2e-6, equal_nan=True)


@pytest.mark.parametrize("dtype", ["i1", "i8", "u1", "?"])
def test_true_division_of_integers(dtype):
    a, b = np.array([1, 3, 2]).astype(dtype), np.array([2, 1, 4]).astype(dtype)
    y = fa.tensor(a) / fa.tensor(b)
    assert y.dtype == (a / b).dtype
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(plain(y), a / b)
        np.testing.assert_array_equal(plain(fa.tensor(a) / 2), a / 2)
        np.testing.assert_array_equal(plain(7 / fa.tensor(b)), 7 / b)


def test_integer_powers_and_remainders_are_numpys():
    a = np.array([2, 3, 4])
    y = fa.tensor(a) ** 2
    assert y.dtype == np.int64 and y.tolist() == [4, 9, 16]
    with pytest.raises(ValueError, match="negative"):
        _ = fa.tensor(a) ** -1
    assert (fa.tensor(a) ** -1.0).tolist() == (a ** -1.0).tolist()


@pytest.mark.parametrize("name", [*BINARY, "arctan2", "logaddexp"])
@pytest.mark.parametrize("left, right", [("f4", "f8"), ("f8", "f4"), ("f2", "f4"), ("f8", "g"), ("f4", "f2")])
def test_gradients_come_back_in_each_leafs_dtype(name, left, right):
    x = fa.tensor(np.array([1.5, 2.0], left), requires_grad=True)
    y = fa.tensor(np.array([[0.75], [1.25]], right), requires_grad=True)
    z = getattr(fa, name)(x, y)
    assert z.dtype == np.result_type(left, right)
    z.sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.dtype(left), np.dtype(right))
    assert (x.grad.shape, y.grad.shape) == ((2,), (2, 1))
    dx, dy = fa.autograd.grad(getattr(fa, name)(x, y).sum(), [x, y], create_graph=True)
    assert (dx.dtype, dy.dtype) == (np.dtype(left), np.dtype(right))
    p, q = (fa.tensor(plain(t).astype("f8"), requires_grad=True) for t in (x, y))
    getattr(fa, name)(p, q).sum().backward()
    np.testing.assert_allclose(plain(x.grad).astype("f8"), plain(p.grad), rtol=4e-3)
    np.testing.assert_allclose(plain(y.grad).astype("f8"), plain(q.grad), rtol=4e-3)


# ---- reductions, shapes, products ---------------------------------------------------------------------
OPERATIONS = {
    "sum": lambda f, x: f.sum(x, axis=0), "sum_all": lambda f, x: f.sum(x), "mean": lambda f, x: f.mean(x, axis=1),
    "prod": lambda f, x: f.prod(x, axis=0), "max": lambda f, x: f.max(x, axis=1), "min": lambda f, x: f.min(x),
    "var": lambda f, x: f.var(x, axis=0), "std": lambda f, x: f.std(x, axis=1), "cumsum": lambda f, x: f.cumsum(x, axis=1),
    "matmul": lambda f, x: f.matmul(x, f.transpose(x)), "outer": lambda f, x: f.outer(x[0], x[1]),
    "tensordot": lambda f, x: f.tensordot(x, x, axes=2), "concatenate": lambda f, x: f.concatenate([x, x], axis=1),
    "stack": lambda f, x: f.stack([x, x]), "reshape": lambda f, x: f.reshape(x, (3, 2)), "pad": lambda f, x: f.pad(x, 1),
    "tril": lambda f, x: f.tril(x), "roll": lambda f, x: f.roll(x, 1, 0), "repeat": lambda f, x: f.repeat(x, 2, axis=0),
    "tile": lambda f, x: f.tile(x, (2, 1)), "getitem": lambda f, x: x[1, ::-1], "take": lambda f, x: f.take(x, [0, 2], axis=1),
    "fancy": lambda f, x: x[[0, 1, 0]], "where": lambda f, x: f.where(x == x, x, x), "flip": lambda f, x: f.flip(x),
    "broadcast_to": lambda f, x: f.broadcast_to(x, (2, 2, 3)), "diagonal": lambda f, x: f.diagonal(x),
    "squeeze": lambda f, x: f.squeeze(f.expand_dims(x, 0)), "norm": lambda f, x: f.linalg.norm(x),
}


class Ours:
    """fastad with linalg.norm where NumPy has it."""

    class linalg:
        norm = staticmethod(lambda x: fa.norm(x))

    def __getattr__(self, name):
        return getattr(fa, name)


@pytest.mark.parametrize("dtype", ["?", "i4", "i8", "u1", "f2", "f4", "f8", "g", "c8", "c16"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_other_operations_are_numpys(name, dtype):
    a = np.array([[1, 2, 0], [3, 1, 2]]).astype(dtype)
    if np.dtype(dtype).kind == "c":
        a = a * np.array(1 + 0.5j, dtype)
    try:
        expected = OPERATIONS[name](np, a)
    except TypeError:
        with pytest.raises(TypeError):
            OPERATIONS[name](Ours(), fa.tensor(a))
        return
    y = OPERATIONS[name](Ours(), fa.tensor(a))
    assert y.dtype == expected.dtype and y.shape == expected.shape
    np.testing.assert_allclose(plain(y), expected, rtol=2e-3 if dtype == "f2" else 1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["f2", "g", "c16"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_other_gradients(name, dtype):
    a = np.array([[1, 2, 0.5], [3, 1.5, 2.5]])
    weights = None
    found = []
    for kind in (dtype, "f8"):
        x = fa.tensor(a.astype(kind), requires_grad=True)
        try:
            y = OPERATIONS[name](Ours(), x)
        except TypeError:
            assert dtype == "c16" and name in ("max", "min"), "refused without a reason"
            return
        if weights is None:
            weights = np.random.default_rng(0).integers(1, 4, y.shape)
        y.backward(weights.astype(y.dtype))
        assert x.grad.dtype == np.dtype(kind)
        assert y.dtype == (np.float64 if kind == "c16" and name in ("norm", "var", "std") else np.dtype(kind))
        found.append(plain(x.grad))
    np.testing.assert_allclose(found[0].real.astype("f8"), found[1], rtol=1e-2 if dtype == "f2" else 1e-13, atol=1e-12)


# ---- what holds no numbers ----------------------------------------------------------------------------
STRANGE = [np.array([None, 1], object), np.array(["a", "b"]), np.array([b"a"]), np.array(["2020-01-01"], "M8[D]"),
           np.array([1], "m8[s]"), np.zeros(2, [("x", "f4")])]


@pytest.mark.parametrize("array", STRANGE, ids=lambda a: a.dtype.kind)
def test_dtypes_without_numbers(array):
    for make in (fa.tensor, fa.from_numpy, fa.exp, fa.sum, fa.asarray, lambda a: fa.tensor([1.0]) * a, lambda a: a + fa.ones(1)):
        with pytest.raises(TypeError):
            make(array)
    for make in (lambda d: fa.zeros(2, dtype=d), lambda d: fa.tensor([1.0]).astype(d), lambda d: fa.tensor([1], dtype=d)):
        with pytest.raises(TypeError):
            make(array.dtype)


@pytest.mark.parametrize("dtype", ["?", "i8", "u1"])
def test_no_derivative_of_integers(dtype):
    with pytest.raises(TypeError, match="astype"):
        fa.tensor(np.ones(2, dtype), requires_grad=True)
    with pytest.raises(TypeError):
        fa.tensor([1.0]).astype(dtype).requires_grad_()


def test_byte_order():
    big = np.arange(3.0).astype(">f8")
    t = fa.tensor(big)
    assert t.dtype == np.float64 and t.dtype.isnative and t.tolist() == [0, 1, 2]
    assert (fa.tensor([1.0, 1.0, 1.0]) + big).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="byte-swapped"):
        fa.from_numpy(big)


def test_astype_carries_the_gradient_back():
    x = fa.tensor(np.array([1.5, -2.5], "f4"), requires_grad=True)
    (x.astype("f8") * 3).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [3, 3]
    assert x.astype("i4").tolist() == [1, -2] and not x.astype("i4").requires_grad
