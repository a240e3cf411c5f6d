"""fastad.numpy: over every name, arrays give NumPy's results and tensors give derivatives; nothing else is there."""
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastad as fa
import fastad.numpy as fnp
from fastad._core.tensor import FUNCTIONS
from fastad._numpy import CONSTANTS

RNG = np.random.default_rng(11)
M = np.eye(3) * 0.5 + (lambda r: r + r.T)(RNG.uniform(0.05, 0.1, (3, 3)))     # positive definite, its elements between 0 and 1
N = RNG.uniform(0.2, 0.4, (3, 3))
LABELS = np.array([0, 2, 1])

# arguments of what does not take one array, or two of one shape; the first float arrays are differentiated by
CALLS = {
    "arange": (4,), "array_split": (M, 2), "astype": (M, float), "broadcast_to": (M, (2, 3, 3)), "clip": (M, 0.1, 0.3),
    "concat": ([M, N],), "concatenate": ([M, N],), "cross_entropy": (M, LABELS), "einsum": ("ij,jk->ik", M, N), "expand_dims": (M, 1),
    "eye": (3,), "flip": (M,), "full": ((2, 2), 0.5), "full_like": (M, 0.5), "identity": (3,), "linspace": (0.0, M, 3),
    "moveaxis": (M, 0, 1), "nll_loss": (M, LABELS), "pad": (M, 1), "permute_dims": (M, (1, 0)), "pow": (M, N), "power": (M, N),
    "repeat": (M, 2), "reshape": (M, (9,)), "roll": (M, 1), "split": (M, 3), "stack": ([M, N],),
    "swapaxes": (M, 0, 1), "take": (M, [0, 2]), "unstack": (M,), "take_along_axis": (M, LABELS[:, None], 1), "tensordot": (M, N, 1), "tile": (M, 2),
    "where": (M > 0.2, M, N), "zeros": (3,), "ones": (3,), "empty": ((0, 3),), "empty_like": (M[:0],), "squeeze": (M[None],),
    "bitwise_and": (LABELS, 1), "bitwise_or": (LABELS, 1), "bitwise_xor": (LABELS, 1), "invert": (LABELS,),
    "logical_not": (M > 0.2,), "acosh": (M + 1,), "arccosh": (M + 1,), "scatter": (M[:2], slice(0, 2), (4, 3)),
}
CONSTANT = {                                # of no derivative
    "all", "allclose", "any", "arange", "argmax", "argmin", "array_equal", "bitwise_and", "bitwise_or", "bitwise_xor", "empty",
    "empty_like", "equal", "eye", "greater", "greater_equal", "identity", "invert", "isclose", "isfinite", "isinf", "isnan", "less",
    "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "ndim", "nonzero", "not_equal", "ones", "ones_like",
    "shape", "signbit", "size", "zeros", "zeros_like", "ceil", "floor", "rint", "round", "trunc",
    "full_like",                            # of the array whose shape it takes
    "angle", "imag",                        # of real numbers
    "asarray", "array",                     # of an array; of a tensor they pass it on
}
LINALG = {                                  # what they are differentiated with; tests of their own have them all
    "linalg.det": (M,), "linalg.inv": (M,), "linalg.norm": (M,), "linalg.solve": (M, N), "linalg.trace": (M,), "linalg.expm": (M,),
    "linalg.matrix_power": (M, 3), "linalg.multi_dot": ([M, N, M],),
}
CALLS |= LINALG
NAMES = [key for key in sorted(FUNCTIONS) if "." not in key] + sorted(LINALG)


def lookup(space, name):
    for part in name.split("."):
        space = getattr(space, part, None)
    return space


def ours(name):
    return FUNCTIONS[name] if name in FUNCTIONS else lookup(fa, name)


def arguments(name):
    if name in CALLS:
        return CALLS[name]
    for args in ((M,), (M, N)):
        try:
            FUNCTIONS[name](*args)
        except TypeError:
            continue
        return args
    pytest.fail(f"give arguments for {name} in CALLS")


def parts(value):
    return [part for v in value for part in parts(v)] if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_give_what_numpy_gives(name):
    args = arguments(name)
    found = lookup(fnp, name)(*args)
    expected = (lookup(np, name) or ours(name))(*args)
    assert lookup(np, name) is None or type(found) is type(expected)
    for a, b in zip(parts(found), parts(expected), strict=True):
        assert not isinstance(a, fa.Tensor)
        b = b.numpy()[()] if isinstance(b, fa.Tensor) else b
        assert type(a) is type(b) and np.shape(a) == np.shape(b)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_flow(name):
    """Against central differences of what it gives for arrays, NumPy's where NumPy has it."""
    args = arguments(name)
    which = [i for i, a in enumerate(args) if (isinstance(a, np.ndarray) and a.dtype.kind == "f") or
             (isinstance(a, list) and isinstance(a[0], np.ndarray))]
    function = lookup(fnp, name)

    def f(*floats):
        filled = list(args)
        for i, a in zip(which, floats, strict=True):
            filled[i] = a
        return [part for part in parts(function(*filled)) if getattr(part, "dtype", np.dtype(int)).kind == "f"]

    at = [args[i] for i in which]
    if name in CONSTANT:
        tensors = [[fa.tensor(x, requires_grad=True) for x in a] if isinstance(a, list) else fa.tensor(a, requires_grad=True) for a in at]
        assert name in ("array", "asarray") or not any(y.requires_grad for y in f(*tensors) if isinstance(y, fa.Tensor))
        return
    vs = [[RNG.normal(size=x.shape) for x in a] if isinstance(a, list) else RNG.normal(size=a.shape) for a in at]
    if not at:                              # of a Python number
        at, vs, f = [0.5], [1.0], lambda x: [function(args[0], x)]
    value, tangent = fa.jvp(f, tuple(at), tuple(vs))

    def moved(h):
        return f(*[[x + h * w for x, w in zip(a, v, strict=True)] if isinstance(a, list) else a + h * v for a, v in zip(at, vs, strict=True)])

    assert len(value) == len(tangent) > 0
    for t, up, down in zip(tangent, moved(1e-6), moved(-1e-6), strict=True):
        assert isinstance(t, (np.ndarray, np.floating)) and t.shape == np.shape(up)
        np.testing.assert_allclose(t, (up - down) / 2e-6, rtol=1e-6, atol=1e-7)


def test_functions_written_with_it_take_both():
    def f(x):
        return fnp.sum(fnp.stack([fnp.sin(x), fnp.where(x > 0, x, fnp.zeros(3))]) * fnp.pi) + fnp.linalg.norm(x)

    x = np.array([0.5, -0.2, 1.0])
    assert isinstance(f(x), np.float64)
    np.testing.assert_allclose(fa.grad(f)(x), np.pi * (np.cos(x) + (x > 0)) + x / np.linalg.norm(x), rtol=1e-14)
    assert isinstance(f(fa.tensor(x)), fa.Tensor)
    assert isinstance(fnp.stack([x, [fa.tensor(0.0)] * 3]), fa.Tensor)           # also inside of lists
    assert isinstance(fnp.clip(x, a_min=0.0, a_max=fa.tensor(1.0)), fa.Tensor) and type(fnp.exp(1.0)) is np.float64


def test_constants_are_numpys():
    for name in CONSTANTS:
        assert getattr(fnp, name) is getattr(np, name)
    assert fnp.newaxis is None and fnp.zeros(2, dtype=fnp.float32).dtype == np.float32


def test_what_is_not_there():
    with pytest.raises(AttributeError, match=r"'fastad.numpy' has no attribute 'busday_count'; numpy.busday_count works on arrays, but has no derivative"):
        fnp.busday_count  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no attribute 'undefined'$"):
        fnp.undefined  # noqa: B018
    assert fnp.linalg.LinAlgError is np.linalg.LinAlgError and set(fa.linalg.__all__) <= set(vars(fnp.linalg))
    assert type(fnp.linalg.svd(M)) is type(np.linalg.svd(M))
    assert type(fnp.linalg.solve_triangular(M, N)) is np.ndarray                 # NumPy has it not
    for name in fnp.__all__:                # Python's own any, sum, ... are not hidden from its code
        getattr(fnp, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'undefined'$"):
        fnp.undefined  # noqa: B018
    assert set(dir(fnp)) == set(fnp.__all__) and "sin" in dir(fnp) and "linalg" in dir(fnp)
    assert fnp.sin is fnp.sin and fnp.sin.__doc__ == fa.sin.__doc__
    assert pickle.loads(pickle.dumps(fnp.pi)) == np.pi


def test_it_is_imported_when_asked_for():
    code = "import sys, fastad; assert 'fastad.numpy' not in sys.modules and 'fastad.transforms.matrices' not in sys.modules; " \
           "import numpy; assert fastad.numpy.sin(0.5) == numpy.sin(0.5); from fastad.numpy import *; assert abs(-1) == 1 and pi > 3"
    subprocess.run([sys.executable, "-c", code], check=True)
