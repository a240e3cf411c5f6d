"""Shape, transpose, part, join and arrange: NumPy's argument forms, views, dtypes and errors, beside the generic suite."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastad as fa

OTHER_DTYPES = [np.float16, np.longdouble, np.complex64, np.complex128, np.int8, np.int64, np.bool_]
X = np.arange(24.0).reshape(2, 3, 4)


def same(ours, theirs):
    ours, theirs = (list(v) if isinstance(v, list | tuple) else [v] for v in (ours, theirs))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == np.shape(b)
        assert a.dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a.detach().numpy(), b)


# name, positional arguments, keyword arguments: called as np.name(tensor, ...) and as fastad.name(tensor, ...)
CALLS = [
    ("reshape", ((4, 6),), {}), ("reshape", (-1,), {}), ("reshape", ((3, -1, 2), "C"), {}),
    ("ravel", (), {}), ("ravel", (), {"order": "C"}),
    ("transpose", (), {}), ("transpose", ((2, 0, 1),), {}), ("transpose", (), {"axes": [0, -1, 1]}), ("permute_dims", ((1, 0, 2),), {}),
    ("swapaxes", (0, 2), {}), ("swapaxes", (), {"axis1": -1, "axis2": 1}),
    ("moveaxis", (0, -1), {}), ("moveaxis", ([0, 1], [2, 0]), {}), ("moveaxis", (), {"source": (2,), "destination": (0,)}),
    ("matrix_transpose", (), {}),
    ("expand_dims", (0,), {}), ("expand_dims", (-1,), {}), ("expand_dims", (), {"axis": (1, 3)}),
    ("broadcast_to", ((5, 2, 3, 4),), {}), ("broadcast_to", (), {"shape": (2, 3, 4)}),
    ("flip", (), {}), ("flip", (1,), {}), ("flip", (), {"axis": (0, -1)}),
    ("diagonal", (), {}), ("diagonal", (1,), {}), ("diagonal", (-1, 1, 2), {}), ("diagonal", (), {"axis1": 2, "axis2": 0, "offset": -3}),
    ("split", (2,), {}), ("split", (2, 2), {}), ("split", ([1, 3],), {"axis": -1}), ("split", ([2, 1, 9],), {"axis": 1}),
    ("split", ([],), {}), ("array_split", (3, 2), {}), ("array_split", (5,), {"axis": 1}), ("split", (np.array([1, -1]), 2), {}),
    ("roll", (1,), {}), ("roll", (-30,), {}), ("roll", (2, 1), {}), ("roll", ((1, 2), (0, 2)), {}), ("roll", (1,), {"axis": (0, 0, 2)}),
    ("tile", (2,), {}), ("tile", ((2, 1, 3),), {}), ("tile", ((2, 1, 1, 2),), {}), ("tile", (0,), {}), ("tile", ((),), {}),
    ("repeat", (2,), {}), ("repeat", (3, 1), {}), ("repeat", ([2],), {"axis": -1}), ("repeat", (0, 0), {}),
    ("pad", (1,), {}), ("pad", ((1, 2),), {}), ("pad", (((1, 0), (0, 2), (3, 1)),), {}),
    ("pad", (1,), {"constant_values": 5}), ("pad", ((1, 2), "constant"), {"constant_values": (5, 7)}),
    ("tril", (), {}), ("tril", (-1,), {}), ("triu", (), {"k": 2}),
    ("copy", (), {}), ("astype", (np.float32,), {}), ("astype", ("i4",), {}), ("astype", (bool,), {}), ("astype", (complex,), {"copy": False}),
]
NUMPY = np.lib.NumpyVersion(np.__version__)                            # younger than fastad's oldest NumPy
CALLS += [("reshape", (), {"shape": [6, 4]})] if NUMPY >= "2.1.0" else []
CALLS += [("pad", ({1: (1, 2), -1: 3},), {})] if NUMPY >= "2.2.0" else []


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=lambda v: str(v).replace(" ", ""))
@pytest.mark.parametrize("order", ["dense", "strided"])
def test_numpy_argument_forms(name, args, kwargs, order):
    array = X if order == "dense" else np.ascontiguousarray(X.T[::-1]).T[..., ::-1]
    expected = getattr(np, name)(array, *args, **kwargs)
    same(getattr(fa, name)(fa.from_numpy(array), *args, **kwargs), expected)
    same(getattr(np, name)(fa.from_numpy(array), *args, **kwargs), expected)
    same(getattr(fa, name)(array, *args, **kwargs), expected)


@pytest.mark.parametrize("dtype", OTHER_DTYPES, ids=str)
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=lambda v: str(v).replace(" ", ""))
@pytest.mark.filterwarnings("ignore:.*discards the imaginary part")
def test_dtypes_without_kernels(name, args, kwargs, dtype):
    array = X.astype(dtype)
    same(getattr(fa, name)(fa.tensor(array), *args, **kwargs), getattr(np, name)(array, *args, **kwargs))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex128], ids=str)
@pytest.mark.parametrize(("name", "args"), [
    ("reshape", (-1,)), ("transpose", ()), ("flip", ()), ("diagonal", ()), ("tile", (2,)), ("pad", (1,)), ("roll", (1,)), ("tril", ()),
    ("broadcast_to", ((5, 2, 3, 4),)), ("copy", ()), ("astype", (np.complex128,))])
def test_gradients_in_dtypes_without_kernels(name, args, dtype):
    """These are linear maps: the gradient is the transpose, which float64 gives too."""
    x, y = fa.tensor(X.astype(dtype), requires_grad=True), fa.tensor(X, requires_grad=True)
    weights = np.arange(getattr(fa, name)(y, *args).size, dtype=float) % 7
    for t in (x, y):
        out = getattr(fa, name)(t, *args)
        out.backward(weights.reshape(out.shape).astype(out.dtype))
    assert x.grad.dtype == dtype
    np.testing.assert_array_equal(x.grad.numpy().real.astype(float), y.grad.numpy())


def test_methods():
    x = fa.tensor(X)
    same(x.reshape(4, 6), X.reshape(4, 6))
    same(x.reshape((4, 6)), X.reshape(4, 6))
    same(x.reshape(-1, order="C"), X.reshape(-1))
    same(fa.tensor([5.0]).reshape(()), np.array(5.0))
    same(fa.tensor([5.0]).reshape(), np.array(5.0))
    same(x.transpose(2, 0, 1), X.transpose(2, 0, 1))
    same(x.transpose((2, 0, 1)), X.transpose(2, 0, 1))
    same(x.transpose(None), X.T)
    same(x.T, X.T)
    same(x.mT, X.mT)
    same(x.swapaxes(0, 1), X.swapaxes(0, 1))
    same(x.flatten(), X.flatten())
    same(x.ravel(), X.ravel())
    same(x.repeat(2, axis=1), X.repeat(2, axis=1))
    same(x.diagonal(1, 1, 2), X.diagonal(1, 1, 2))
    same(x.astype("f4"), X.astype("f4"))
    same(fa.tensor(X[:1]).squeeze(0), X[0])


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), elements=st.floats(-9, 9)),
       st.data())
def test_reshape_of_any_layout(a, data):
    """Every reshape of every transposed, reversed and broadcast layout, and its gradient."""
    a = a.transpose(data.draw(st.permutations(range(a.ndim))))
    for axis in range(a.ndim):
        if data.draw(st.booleans()):
            a = np.flip(a, axis)
    if data.draw(st.booleans()):
        a = np.broadcast_to(a, (2, *a.shape))
    rest, shape = a.size, []
    while rest > 1 and len(shape) < 5:
        n = data.draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0]))
        shape.append(n)
        rest //= n
    shape.append(rest)
    x = fa.from_numpy(a).requires_grad_()
    y = x.reshape(shape)
    same(y, a.reshape(shape))
    g = np.arange(a.size, dtype=float).reshape(shape)
    y.backward(g)
    np.testing.assert_array_equal(x.grad.numpy(), g.reshape(a.shape))


def test_views_share_memory_and_copies_do_not():
    x = fa.tensor(X)
    views = [x.reshape(6, 4), x.ravel(), x.T, x.T.T.reshape(-1), x.mT, x.swapaxes(0, 1), fa.moveaxis(x, 0, 1), fa.expand_dims(x, 0),
             fa.expand_dims(x.T, 1), fa.squeeze(fa.expand_dims(x.T, 1)), fa.flip(x), fa.diagonal(x), *fa.split(x, 2),
             fa.broadcast_to(x, (2, 2, 3, 4)), fa.broadcast_to(x, x.shape), fa.reshape(fa.flip(x, 0), (2, 12)), x.astype(float, copy=False)]
    for v in views:
        assert np.shares_memory(v.numpy(), x.numpy())
    for c in [x.copy(), x.clone(), x.flatten(), x.T.reshape(-1), fa.reshape(x, -1, copy=True), x.astype(float), fa.roll(x, 0), fa.tile(x, 1),
              fa.repeat(x, 1), fa.pad(x, 0), fa.concatenate([x]), fa.stack([x])]:
        assert not np.shares_memory(c.numpy(), x.numpy())


def test_broadcast_is_read_only():
    y = fa.broadcast_to(fa.tensor([1.0, 2.0]), (3, 2))
    with pytest.raises(ValueError, match="read-only"):
        y.fill_(0)
    assert not y.numpy().flags.writeable


def test_a_write_through_a_view_counts():
    x = fa.tensor([[1.0, 2.0], [3.0, 4.0]])
    x.T.fill_(7)
    assert x.version == 1
    assert x.tolist() == [[7, 7], [7, 7]]


def test_astype_and_derivatives():
    x = fa.tensor([1.5, -2.5], requires_grad=True)
    assert not x.astype(int).requires_grad
    assert not x.astype(bool).requires_grad
    y = x.astype(np.float32)
    assert y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.dtype == np.float64
    assert x.grad.tolist() == [3, -5]
    x.grad = None
    z = x.astype(complex)
    (z * z).sum().astype(float).backward()
    assert x.grad.tolist() == [3, -5]
    same(fa.tensor([1 + 2j]).astype(float), np.array([1.0]))


def test_concatenate_promotes_as_numpy():
    a, b = np.ones(2, np.float32), np.arange(3)
    same(fa.concatenate([fa.tensor(a), fa.tensor(b)]), np.concatenate([a, b]))
    same(fa.concatenate([fa.tensor(a), b], dtype="f8"), np.concatenate([a, b], dtype="f8"))
    same(fa.stack([fa.tensor(a), a.astype(np.float16)], axis=-1), np.stack([a, a.astype(np.float16)], axis=-1))
    same(np.concatenate([fa.tensor(a), b]), np.concatenate([a, b]))
    same(np.stack([fa.tensor(a), a]), np.stack([a, a]))
    same(fa.concat([a, a]), np.concat([a, a]))
    x = fa.tensor(a, requires_grad=True)
    fa.concatenate([x, fa.tensor(np.ones(1))]).sum().backward()
    assert x.grad.dtype == np.float32


def test_pieces_of_a_loop_add_in_place():
    """Many parts of one value: each adds to its own place of one buffer."""
    x = fa.tensor(X, requires_grad=True)
    y = x * 2
    total = fa.tensor(0.0)
    for piece in fa.split(y, 3, axis=1) + fa.split(y, [1, 3], axis=2):
        total = total + (piece * piece).sum()
    total.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * 8 * X)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("width", [1, (2, 0), ((0, 0), (3, 5))])
def test_pad_by_index(mode, width):
    a = X[0]
    x = fa.tensor(a, requires_grad=True)
    y = fa.pad(x, width, mode)
    same(y, np.pad(a, width, mode))
    y.backward(np.ones(y.shape))
    counts = np.zeros(a.size)
    np.add.at(counts, np.pad(np.arange(12).reshape(3, 4), width, mode), 1)
    np.testing.assert_array_equal(x.grad.numpy(), counts.reshape(3, 4))


def test_repeat_by_counts():
    x = fa.tensor(X, requires_grad=True)
    y = fa.repeat(x, [2, 0, 1], axis=1)
    same(y, np.repeat(X, [2, 0, 1], axis=1))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.broadcast_to(np.array([2.0, 0, 1])[:, None], X.shape))


def test_triangles_keep_nan_out():
    a = np.array([[1, np.nan], [2, 3]])
    same(fa.tril(fa.tensor(a)), np.tril(a))
    same(fa.triu(fa.tensor(a.T)), np.triu(a.T))


AxisError = np.exceptions.AxisError
ERRORS = [
    (ValueError, "reshape.*24.*5", lambda x: x.reshape(5)), (ValueError, "reshape", lambda x: x.reshape(-1, -1)),
    (ValueError, "reshape", lambda x: x.reshape(-1, 7)), (ValueError, "reshape", lambda x: x.reshape(-1, 0)),
    (ValueError, "negative", lambda x: x.reshape(-2, -12)), (ValueError, "order", lambda x: x.reshape(-1, order="F")),
    (ValueError, "reshape", lambda x: x.reshape(2**40, 2**40)), (ValueError, "reshape", lambda x: x.reshape(-1, 2**40, 2**40)),
    (ValueError, "reshape", lambda x: x.reshape(2**62, 2**62, 0)), (ValueError, "copy", lambda x: fa.reshape(x.T, -1, copy=False)),
    (TypeError, "integer", lambda x: x.reshape(2.5)), (TypeError, "integer", lambda x: x.reshape("ab")),
    (ValueError, "dimensions", lambda x: x.reshape((1,) * 65)), (ValueError, "dimensions", lambda x: fa.expand_dims(x, tuple(range(62)))),
    (AxisError, "expand_dims", lambda x: fa.expand_dims(x, 4)), (ValueError, "twice", lambda x: fa.expand_dims(x, (0, 0))),
    (ValueError, "squeeze.*length 2", lambda x: x.squeeze(0)), (AxisError, "squeeze", lambda x: x.squeeze(3)),
    (ValueError, "transpose", lambda x: x.transpose(0, 1)), (ValueError, "transpose", lambda x: x.transpose(0, 0, 1)),
    (AxisError, "transpose", lambda x: x.transpose(0, 1, 3)), (AxisError, "swapaxes", lambda x: x.swapaxes(0, 3)),
    (ValueError, "moveaxis", lambda x: fa.moveaxis(x, (0, 1), 0)), (ValueError, "moveaxis", lambda x: fa.moveaxis(x, (0, 0), (0, 1))),
    (ValueError, "two axes", lambda x: x.ravel().mT), (ValueError, "broadcast", lambda x: fa.broadcast_to(x, (3, 4, 5))),
    (ValueError, "broadcast", lambda x: fa.broadcast_to(x, (4,))), (ValueError, "negative", lambda x: fa.broadcast_to(x, (-1, 3, 4))),
    (AxisError, "flip", lambda x: fa.flip(x, 3)), (ValueError, "diagonal", lambda x: x.ravel().diagonal()),
    (ValueError, "diagonal", lambda x: x.diagonal(0, 1, -2)), (AxisError, "diagonal", lambda x: x.diagonal(0, 1, 5)),
    (ValueError, "split.*array_split", lambda x: fa.split(x, 5, 1)), (ValueError, "positive", lambda x: fa.split(x, 0)),
    (ValueError, "at least one", lambda x: fa.concatenate([])), (ValueError, "concatenate", lambda x: fa.concatenate([x, x.T])),
    (ValueError, "concatenate", lambda x: fa.concatenate([x, x.ravel()])), (ValueError, "0-d", lambda x: fa.concatenate([x.sum()])),
    (AxisError, "concatenate", lambda x: fa.concatenate([x], 3)), (TypeError, "out", lambda x: fa.concatenate([x], out=x)),
    (TypeError, "cast", lambda x: fa.concatenate([x], dtype=int)), (ValueError, "at least one", lambda x: fa.stack([])),
    (ValueError, "stack", lambda x: fa.stack([x, x.T])), (AxisError, "stack", lambda x: fa.stack([x], 4)),
    (TypeError, "dtype", lambda x: x.astype("U3")), (TypeError, "cast", lambda x: x.astype(int, casting="safe")),
    (ValueError, "roll|shape", lambda x: fa.roll(x, (1, 2), (0, 1, 2))), (AxisError, "roll", lambda x: fa.roll(x, 1, 3)),
    (ValueError, "negative", lambda x: fa.tile(x, -1)), (ValueError, "negative", lambda x: fa.repeat(x, -1)),
    (ValueError, "repeats", lambda x: fa.repeat(x, [1, 2], 1)), (TypeError, "integers", lambda x: fa.repeat(x, 1.5)),
    (ValueError, "negative", lambda x: fa.pad(x, -1)), (TypeError, "integers", lambda x: fa.pad(x, 1.5)),
    (ValueError, "pad_width", lambda x: fa.pad(x, ((1, 2), (3, 4)))), (ValueError, "mode", lambda x: fa.pad(x, 1, "linear_ramp")),
    (ValueError, "tril", lambda x: fa.tril(x.sum())),
]


@pytest.mark.parametrize(("error", "text", "call"), ERRORS, ids=range(len(ERRORS)))
def test_errors(error, text, call):
    with pytest.raises(error, match=text):
        call(fa.tensor(X))
