"""NumPy meets fastad: dispatch of functions and ufuncs, operators from the left, shared memory."""
import gc
import inspect
import weakref

import numpy as np
import pytest

import fastad as fa
from fastad._core.kernels import rows
from fastad._core.tensor import FUNCTIONS, UFUNCS

A = np.array([[0.5, 0.25, 0.75], [0.125, 0.625, 0.375]])
SQUARE = np.array([[0.5, 0.25], [0.75, 0.125]])
BITWISE = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert}


def leaf(a=A):
    return fa.tensor(a, requires_grad=True)


def plain(t):
    return t.detach().numpy() if isinstance(t, fa.Tensor) else t


# ---- ufuncs -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ufunc", sorted(set(UFUNCS) - BITWISE, key=lambda u: u.__name__), ids=lambda u: u.__name__)
def test_ufuncs_dispatch(ufunc):
    a = SQUARE + 1 if ufunc is np.arccosh else SQUARE
    args = [leaf(a) for _ in range(ufunc.nin)]
    y = ufunc(*args)
    assert isinstance(y, fa.Tensor)
    np.testing.assert_allclose(plain(y), ufunc(*[a] * ufunc.nin), rtol=1e-14)
    derivative = ufunc.__name__ in {r["name"] for r in rows()} | {"absolute", "conjugate", "matmul"} - {"sign"}
    if derivative:
        y.sum().backward()
        assert all(x.grad is not None and x.grad.shape == a.shape for x in args)
    elif ufunc is not np.sign:
        assert not y.requires_grad
    if ufunc.nin == 2:
        for left, right in ((a, leaf(a)), (leaf(a), a), (a.tolist(), leaf(a))):
            y = ufunc(left, right)
            assert isinstance(y, fa.Tensor) and y.requires_grad == derivative
            np.testing.assert_allclose(plain(y), ufunc(a, a), rtol=1e-14)


@pytest.mark.parametrize("ufunc", sorted(BITWISE, key=lambda u: u.__name__), ids=lambda u: u.__name__)
def test_bitwise_ufuncs_dispatch(ufunc):
    a = np.array([True, False, True])
    y = ufunc(*[fa.tensor(a)] * ufunc.nin)
    assert isinstance(y, fa.Tensor)
    np.testing.assert_array_equal(plain(y), ufunc(*[a] * ufunc.nin))


UNKNOWN = [u for u in vars(np).values() if isinstance(u, np.ufunc) and u not in UFUNCS and u.nin <= 2 and u.nout <= 2]


@pytest.mark.parametrize("ufunc", sorted(set(UNKNOWN), key=lambda u: u.__name__), ids=lambda u: u.__name__)
def test_ufuncs_without_a_rule_raise(ufunc):
    with pytest.raises(TypeError, match=rf"numpy\.{ufunc.__name__}.*detach\(\)"):
        ufunc(*[leaf() for _ in range(ufunc.nin)])


@pytest.mark.parametrize("method", ["reduce", "accumulate", "outer", "at", "reduceat"])
def test_ufunc_methods_raise(method):
    x = leaf()
    args = {"reduce": (x,), "accumulate": (x,), "outer": (x, x), "at": (x, 0, 1.0), "reduceat": (x, [0])}[method]
    with pytest.raises(TypeError, match=f"add.{method}"):
        getattr(np.add, method)(*args)


@pytest.mark.parametrize("kwargs", [{"out": np.zeros((2, 3))}, {"where": A > 0.3}, {"dtype": "f4"}, {"casting": "unsafe"}],
                         ids=lambda k: next(iter(k)))
def test_ufunc_keywords_raise(kwargs):
    with pytest.raises(TypeError, match=f"exp.*{next(iter(kwargs))}"):
        np.exp(leaf(), **kwargs)
    with pytest.raises(TypeError):
        np.add(A, leaf(), **kwargs)


def test_a_tensor_is_no_place_for_numpys_results():
    x = leaf()
    with pytest.raises(TypeError):
        np.exp(A, out=x)
    a = A.copy()
    with pytest.raises(TypeError):
        a += x                             # NumPy would have to write a derivative into an array
    np.testing.assert_array_equal(a, A)


# ---- functions ----------------------------------------------------------------------------------------
# what a function takes beside the array
ARGUMENTS = {
    "allclose": (A,), "array_equal": (A,), "array_split": (2,), "astype": ("f4",), "broadcast_to": ((2, 2, 3),), "clip": (0.2, 0.6),
    "dot": (A.T,), "expand_dims": (0,), "full_like": (2.0,), "inner": (A,), "isclose": (A,), "moveaxis": (0, 1), "outer": (A,),
    "pad": (1,), "repeat": (2,), "reshape": ((3, 2),), "roll": (1,), "split": (2,), "swapaxes": (0, 1), "take": ([1, 0],),
    "take_along_axis": (np.array([[1, 0, 0]]), 0), "tensordot": (A.T, 1), "tile": (2,),
}
CONSTANT = {"all", "allclose", "any", "argmax", "argmin", "array_equal", "empty_like", "full_like", "isclose", "ndim", "nonzero",
            "ones_like", "round", "around", "shape", "size", "zeros_like", "linspace", "full",
            "angle", "imag"}                # of real numbers
SPECIAL = {
    "concat": lambda f, x: f([x, x]), "concatenate": lambda f, x: f([x, x]), "stack": lambda f, x: f([x, x]),
    "where": lambda f, x: f(A > 0.3, x, A), "linspace": lambda f, x: f(x[0, 0], 2.0, 3), "full": lambda f, x: f((2,), x[0, 0]),
    "einsum": lambda f, x: f("ij,kj->ik", x, x),
}


def numpy_function(name):
    f = np
    for part in name.split("."):
        f = getattr(f, part, None)
    return f


def dispatched(name):
    f = numpy_function(name)
    return f is not None and not isinstance(f, np.ufunc | type) and hasattr(f, "_implementation")


NAMES = sorted(n for n in FUNCTIONS if dispatched(n) and (n == "linalg.norm" or not n.startswith("linalg.")))      # test_linalg.py


def call(name, f, x):
    return SPECIAL[name](f, x) if name in SPECIAL else f(x, *ARGUMENTS.get(name, ()))


def flat(y):
    return list(y) if isinstance(y, tuple | list) else [y]


@pytest.mark.parametrize("name", NAMES)
def test_functions_dispatch(name):
    x = leaf()
    ys = flat(call(name, numpy_function(name), x))
    for y, e in zip(ys, flat(call(name, numpy_function(name), A)), strict=True):
        if isinstance(e, np.ndarray):
            assert isinstance(y, fa.Tensor)
        if name != "empty_like":
            np.testing.assert_allclose(plain(y), e, rtol=1e-6)
    if name not in CONSTANT:
        sum(y.sum() for y in ys).backward()
        assert x.grad.shape == A.shape and np.abs(plain(x.grad)).sum() > 0


@pytest.mark.parametrize("name", ["linalg.svd", "linalg.inv", "fft.fft", "median", "cross", "percentile", "corrcoef", "interp",
                                  "sort", "histogram", "argsort", "nanmax", "gradient", "trapezoid", "unique", "rot90", "kron"])
def test_functions_without_a_rule_raise(name):
    if name in FUNCTIONS:
        pytest.skip("fastad has learned it")
    args = (leaf(SQUARE),) * (2 if name in ("cross", "kron") else 1)
    if name == "interp":
        args = (leaf([0.5]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    if name == "percentile":
        args = (*args, 50)
    with pytest.raises(TypeError, match=rf"numpy\.{name}.*detach\(\)"):
        numpy_function(name)(*args)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std"])
def test_numpys_argument_names(name):
    """What NumPy accepts positionally or by name, fastad's function accepts or refuses by name, never ignores."""
    x = leaf()
    np.testing.assert_allclose(plain(getattr(np, name)(x, axis=1, keepdims=True)), getattr(np, name)(A, axis=1, keepdims=True))
    np.testing.assert_allclose(plain(getattr(np, name)(x, (0, 1))), getattr(np, name)(A, (0, 1)))
    with pytest.raises(TypeError):
        getattr(np, name)(x, out=np.zeros(()))
    with pytest.raises(TypeError):
        getattr(np, name)(x, where=A > 0.3)


def test_signatures_start_as_numpys():
    for name in NAMES:
        try:
            theirs = [p for p in inspect.signature(numpy_function(name)).parameters.values()
                      if p.kind is p.POSITIONAL_OR_KEYWORD][:1]
            ours = list(inspect.signature(FUNCTIONS[name]).parameters.values())
        except ValueError:                 # a compiled function without a signature
            continue
        assert ours or not theirs, name


# ---- operators from the left --------------------------------------------------------------------------
LEFT = [A, np.float64(2.5), np.float32(2.5), np.int64(2), A.tolist(), 2.5, 3, A.astype("f4"), np.array(2.5)]


@pytest.mark.parametrize("left", LEFT, ids=lambda v: f"{type(v).__name__}{getattr(v, 'dtype', '')}")
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_a_foreign_operand_on_the_left(symbol, dtype, left):
    x = leaf(A.astype(dtype))
    y = eval(f"left {symbol} x", {"left": left, "x": x})
    other = np.array(left) if isinstance(left, list) else left
    expected = eval(f"left {symbol} x", {"left": other, "x": A.astype(dtype)})
    assert isinstance(y, fa.Tensor) and y.dtype == expected.dtype
    np.testing.assert_allclose(plain(y), expected, rtol=1e-6)
    y.sum().backward()
    assert x.grad.dtype == np.dtype(dtype) and np.isfinite(plain(x.grad)).all()


@pytest.mark.parametrize("symbol", ["<", "<=", "==", "!=", ">", ">="])
def test_foreign_comparisons(symbol):
    x = leaf()
    for left in (A[::-1], np.float64(0.5), 0.5):
        y = eval(f"left {symbol} x", {"left": left, "x": x})
        assert isinstance(y, fa.Tensor) and y.dtype == np.bool_
        np.testing.assert_array_equal(plain(y), eval(f"left {symbol} x", {"left": left, "x": A}))


# ---- conversion and shared memory ---------------------------------------------------------------------
@pytest.mark.parametrize("convert", [np.asarray, np.array, np.ascontiguousarray, memoryview, bytes, lambda t: t.numpy(),
                                     lambda t: np.asarray([t, t]), lambda t: np.frombuffer(t), np.float64])
def test_numpy_cannot_drop_a_gradient(convert):
    x = leaf()
    for t in (x, x * 2):
        with pytest.raises((TypeError, BufferError, ValueError)):
            convert(t)
    with pytest.raises(TypeError, match=r"detach\(\)"):
        np.asarray(x)
    a = np.zeros((2, 3))
    with pytest.raises((TypeError, ValueError)):
        a[...] = x
    assert not a.any()


def test_conversion_without_a_gradient():
    t = fa.tensor(A)
    assert np.shares_memory(np.asarray(t), t.numpy()) and not np.shares_memory(np.array(t), t.numpy())
    assert np.asarray(t, dtype="f4").dtype == np.float32
    np.testing.assert_array_equal(np.asarray([t, t]), [A, A])
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype="f4", copy=False)
    view = memoryview(t)
    assert view.format == "d" and view.shape == (2, 3) and not view.readonly
    assert np.shares_memory(np.asarray(view), t.numpy())
    a = np.zeros((2, 3))
    a[...] = t
    np.testing.assert_array_equal(a, A)


@pytest.mark.parametrize("shape", [(), (2,), (3, 40), (0, 3), (2, 1, 2, 1, 2, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?", "c16", "f2"])
def test_sharing_both_ways(shape, dtype):
    a = np.ones(shape, dtype)
    t = fa.from_numpy(a)
    assert t.shape == shape and t.dtype == a.dtype
    if a.size:
        a[...] = 0
        assert not t.numpy().any()
        t[...] = 1
        assert a.all() and np.shares_memory(a, t.numpy())
    own = fa.tensor(a)
    back = own.numpy()
    if a.size:
        back[...] = 0
        assert not own.any().item()


@pytest.mark.parametrize("view", [lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::2], lambda a: a[:, 1], lambda a: a[..., None],
                                  lambda a: np.broadcast_to(a[0], (4, 3))])
def test_strides_survive(view):
    a = view(A.copy())
    t = fa.from_numpy(a)
    assert t.shape == a.shape and np.shares_memory(t.numpy(), a)
    np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal(plain(t * 2), a * 2)


@pytest.mark.parametrize("size", [3, 10_000])
def test_memory_outlives_the_tensor(size):
    """Small tensors carry their numbers in themselves, larger ones in a block: the array keeps either alive."""
    arrays = []
    for i in range(50):
        t = fa.full(size, float(i)) + 0.0
        arrays.append((t.numpy(), memoryview(t), t[1:].numpy()))
        del t
    gc.collect()
    [fa.zeros(size) + 1.0 for _ in range(200)]
    for i, (a, m, v) in enumerate(arrays):
        assert (a == i).all() and m[0] == i and (v == i).all()


def test_the_tensor_keeps_the_array_alive():
    class Owner(np.ndarray):
        pass

    a = np.arange(1000.0).view(Owner)
    ref = weakref.ref(a)
    t = fa.from_numpy(a)
    v = t[5:]
    del a, t
    gc.collect()
    assert v[0].item() == 5 and ref() is not None
    del v
    gc.collect()
    assert ref() is None


def test_read_only_memory():
    a = A.copy()
    a.flags.writeable = False
    t = fa.from_numpy(a)
    for write in (lambda: t.__setitem__(0, 1.0), lambda: t.zero_(), lambda: t.copy_(A), lambda: t.__iadd__(1.0),
                  lambda: t[0].fill_(2)):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert not t.numpy().flags.writeable and memoryview(t).readonly
    np.testing.assert_array_equal(t.numpy(), A)
    x = fa.from_numpy(a).requires_grad_()
    (x * x).sum().backward()
    np.testing.assert_array_equal(plain(x.grad), 2 * A)
    b = fa.broadcast_to(fa.tensor([1.0, 2.0]), (3, 2))
    with pytest.raises(ValueError):
        b[0] = 5.0


def test_misaligned_memory():
    raw = np.zeros(25, "u1")
    odd = raw[1:].view("f8")
    with pytest.raises(ValueError, match="unaligned"):
        fa.from_numpy(odd)
    assert fa.tensor(odd).tolist() == [0, 0, 0]
    assert (fa.ones(3) + odd).tolist() == [1, 1, 1]
