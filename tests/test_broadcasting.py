"""Random shapes, strides and small programs: values against NumPy, gradients against PyTorch or central differences."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastad as fa

try:
    import torch
except ImportError:
    torch = None

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


# ---- arrays of any layout -----------------------------------------------------------------------------
@st.composite
def laid_out(draw, shape, seed):
    """Distinct numbers of a shape, in memory of another order: strided, reversed, transposed, broadcast."""
    rng = np.random.default_rng(seed)
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
    base = rng.permutation(1 + 2 ** len(shape) * int(np.prod(shape)))[:2 ** len(shape) * int(np.prod(shape))] * 0.01 + 0.5
    wide = base.reshape([2 * shape[i] for i in order])
    back = wide.transpose(np.argsort(order)) if shape else wide
    cut = back[tuple(slice(None, 2 * n, 2) if abs(s) == 2 else slice(0, n) if s == 1 else slice(n - 1, None, -1) if n else slice(0, 0)
                     for n, s in zip(shape, steps, strict=True))] if shape else back
    assert cut.shape == tuple(shape)
    return cut


@st.composite
def operands(draw, number=2):
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=number, max_dims=5, min_side=0, max_side=4))
    return [draw(laid_out(s, i)) for i, s in enumerate(shapes.input_shapes)]


def leaves(arrays):
    return [fa.from_numpy(a).requires_grad_() for a in arrays]


def plain(t):
    return t.detach().numpy()


def gradients(f, arrays, cotangent):
    xs = leaves(arrays)
    y = f(fa, *xs)
    if y.requires_grad:
        y.backward(cotangent)
    return y, [np.zeros(x.shape) if x.grad is None else plain(x.grad) for x in xs]


def expected_gradients(f, arrays, cotangent):
    """By PyTorch, else by central differences in every entry."""
    if torch is not None:
        xs = [torch.tensor(np.array(a, order="C"), requires_grad=True) for a in arrays]
        y = f(Torch, *xs)
        if y.requires_grad:
            y.backward(torch.tensor(np.asarray(cotangent)))
        return [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in xs]
    found, h = [], 1e-6
    for k, a in enumerate(arrays):
        g = np.zeros(a.shape)
        for i in np.ndindex(a.shape):
            moved = []
            for step in (h, -h):
                arrays_ = [np.array(b) for b in arrays]
                arrays_[k][i] += step
                moved.append((f(np, *arrays_) * cotangent).sum())
            g[i] = (moved[0] - moved[1]) / (2 * h)
        found.append(g)
    return found


class Torch:
    """NumPy's names over torch."""

    @staticmethod
    def reduce(function, x, axis, keepdims):
        axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return function(x, dim=axes, keepdim=keepdims) if axes else x.clone()

    def __getattr__(self, name):
        return getattr(torch, name)

    @staticmethod
    def sum(x, axis=None, keepdims=False):
        return Torch_.reduce(torch.sum, x, axis, keepdims)

    @staticmethod
    def mean(x, axis=None, keepdims=False):
        return Torch_.reduce(torch.mean, x, axis, keepdims)

    @staticmethod
    def transpose(x, axes):
        return x.permute(axes)

    @staticmethod
    def reshape(x, shape):
        return torch.reshape(x, shape)


Torch_ = Torch
Torch = Torch()


def check(f, arrays, rtol=1e-11):
    value = f(np, *arrays)
    cotangent = np.random.default_rng(9).normal(size=np.shape(value))
    kept = [np.array(a) for a in arrays]
    y, found = gradients(f, arrays, cotangent)
    assert y.shape == value.shape and y.dtype == np.float64
    np.testing.assert_allclose(plain(y), value, rtol=rtol, atol=rtol)
    for g, e, a in zip(found, expected_gradients(f, arrays, cotangent), arrays, strict=True):
        assert g.shape == a.shape
        tolerance = rtol if torch is not None else 1e-5
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * max(1, np.abs(e).max(initial=0)))
    for a, k in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(a, k)


# ---- one operation ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2", "logaddexp"])
@given(data=st.data())
def test_binary(name, data):
    arrays = data.draw(operands())
    if name in ("maximum", "minimum"):
        arrays[1] = np.asarray(arrays[1] + 0.005)      # no ties
    check(lambda f, a, b: getattr(f, name)(a, b), arrays)


@given(data=st.data())
def test_where(data):
    arrays = data.draw(operands())
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    mask = np.random.default_rng(0).random(shape) > 0.5

    def f(m, a, b):
        return m.where(torch.tensor(mask) if m is Torch else mask, a, b)
    check(f, arrays)


@given(data=st.data(), name=st.sampled_from(["sum", "mean"]), keepdims=st.booleans())
def test_reductions(data, name, keepdims):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0 if name == "sum" else 1, max_side=4))
    axes = data.draw(st.one_of(st.none(), st.lists(st.integers(0, max(len(shape) - 1, 0)), unique=True, max_size=len(shape)).map(tuple)))
    axes = tuple(a - len(shape) if a % 2 else a for a in axes) if axes is not None else None
    check(lambda f, a: np.asarray(getattr(f, name)(a, axis=axes, keepdims=keepdims)) if f is np else
          getattr(f, name)(a, axis=axes, keepdims=keepdims), [data.draw(laid_out(shape, 0))])


@given(data=st.data())
def test_transpose_and_reshape(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4))
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    turned = [shape[i] for i in order]
    cut = data.draw(st.integers(0, len(shape)))
    target = (int(np.prod(turned[:cut])), int(np.prod(turned[cut:])))
    check(lambda f, a: f.reshape(f.transpose(a, order), target) * 2.0, [data.draw(laid_out(shape, 0))])


@given(data=st.data())
def test_basic_indices(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=8))
    a = data.draw(laid_out(shape, 0))
    value = np.asarray(a[index])
    y, (g,) = gradients(lambda f, x: x[index] * 1.0, [a], np.ones(value.shape))
    np.testing.assert_array_equal(plain(y), value)
    expected = np.zeros(shape)
    expected[index] += 1
    np.testing.assert_array_equal(g, expected)


@given(data=st.data())
def test_advanced_indices(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    index = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=4)))
    keep = data.draw(st.integers(0, len(shape) - 1))
    index = tuple(slice(None, None, -1) if i == keep and len(shape) > 1 else v for i, v in enumerate(index))
    a = data.draw(laid_out(shape, 0))
    y, (g,) = gradients(lambda f, x: x[index], [a], np.ones(a[index].shape))
    np.testing.assert_array_equal(plain(y), a[index])
    expected = np.zeros(shape)
    np.add.at(expected, index, 1)
    np.testing.assert_array_equal(g, expected)


@given(data=st.data(), n=st.integers(0, 4), m=st.integers(0, 4), k=st.integers(0, 4))
def test_matmul(data, n, m, k):
    batch = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3)).input_shapes
    a = data.draw(laid_out((*batch[0], n, k), 0))
    b = data.draw(laid_out((*batch[1], k, m), 1))
    form = data.draw(st.sampled_from(["both", "left vector", "right vector"]))
    if form == "left vector":
        a = data.draw(laid_out((k,), 2))
    if form == "right vector":
        b = data.draw(laid_out((k,), 2))
    check(lambda f, a, b: np.asarray(f.matmul(a, b)) if f is np else f.matmul(a, b), [a, b], 1e-10)


# ---- small programs -----------------------------------------------------------------------------------
UNARY = ["tanh", "exp", "sin", "cos", "square", "negative", "abs", "arctan"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]


@st.composite
def programs(draw):
    """Steps over a stack of values: (operation, operand numbers, detail)."""
    n = draw(st.integers(1, 3))
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=n, max_dims=3, min_side=1, max_side=3)).input_shapes
    steps = []
    for i in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["unary", "binary", "binary", "sum", "turn", "cut", "scale"]))
        a, b = draw(st.integers(0, n + i - 1)), draw(st.integers(0, n + i - 1))
        name = draw(st.sampled_from(UNARY if kind == "unary" else BINARY)) if kind in ("unary", "binary") else draw(st.integers(0, 5))
        steps.append((kind, name, a, b))
    return shapes, steps


def execute(f, values, steps):
    values = list(values)
    for kind, name, a, b in steps:
        x, y = values[a], values[b]
        if kind == "unary":
            values.append(getattr(f, name)(f.tanh(x)))
        elif kind == "binary":
            values.append(getattr(f, name)(x, f.sin(y) + 0.3) if a == b else getattr(f, name)(x, y * 0.7))
        elif kind == "sum":
            values.append(f.sum(x, axis=name % x.ndim, keepdims=True) if x.ndim else x * 2.0)
        elif kind == "turn":
            values.append(f.reshape(f.transpose(x, tuple(reversed(range(x.ndim)))), tuple(x.shape)) if x.ndim else x)
        elif kind == "cut":
            values.append(x[-1:] + x if x.ndim else x)
        else:
            values.append(x * (name - 2.5))
    return f.sum(f.tanh(values[-1])) + f.sum(values[-1] * values[0] * 0.1)


@given(programs())
def test_programs(program):
    shapes, steps = program
    rng = np.random.default_rng(len(steps))
    arrays = [rng.uniform(0.2, 0.9, s) for s in shapes]
    check(lambda f, *values: np.asarray(execute(f, values, steps)) if f is np else execute(f, values, steps), arrays, 1e-9)


@given(programs())
def test_second_derivatives_of_programs(program):
    """The gradient's directional derivative, by recording the walk and by differences of gradients."""
    shapes, steps = program
    smooth = [s for s in steps if s[1] not in ("maximum", "minimum", "abs")]
    steps = [(k, "add" if n in ("maximum", "minimum") else "sin" if n == "abs" else n, a, b) for k, n, a, b in steps]
    assert len(smooth) <= len(steps)
    rng = np.random.default_rng(len(steps))
    arrays = [rng.uniform(0.2, 0.9, s) for s in shapes]
    v = [rng.normal(size=s) for s in shapes]

    def first(step):
        xs = leaves([np.asarray(a + step * d) for a, d in zip(arrays, v, strict=True)])
        g = fa.autograd.grad(execute(fa, xs, steps), xs, allow_unused=True, create_graph=True)
        return xs, g
    xs, g = first(0.0)
    along = sum(((h * d).sum() for h, d in zip(g, v, strict=True) if h is not None), fa.tensor(0.0))
    second = fa.autograd.grad(along, xs, allow_unused=True) if along.requires_grad else [None] * len(xs)
    up, down = first(1e-5)[1], first(-1e-5)[1]
    for s, p, m, a in zip(second, up, down, arrays, strict=True):
        exact = np.zeros(a.shape) if s is None else plain(s)
        numeric = np.zeros(a.shape) if p is None else (plain(p) - plain(m)) / 2e-5
        np.testing.assert_allclose(exact, numeric, rtol=1e-5, atol=1e-5 * max(1, np.abs(numeric).max(initial=0)))
