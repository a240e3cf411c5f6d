"""Convolutions and their transposes: PyTorch on the same numbers, the definition, sizes, dtypes, large work, bad input.

The registry's suites (samples/convolution.py) have values and derivatives of small cases by other oracles.
"""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.convolution import direct, direct_adjoint, sizes_of

import fastad as fa
from fastad import nn
from fastad.nn import functional as F
from fastad.testing import check_grads

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


def near(a, b, dtype=np.float64):
    a, b = (np.asarray(v.detach() if hasattr(v, "detach") else v) for v in (a, b))
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(1.0, abs(b).max(initial=0)))


def drawn(seed, *shapes, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, s).astype(dtype) for s in shapes]


def compared(name, arrays, dtype=np.float64, **settings):
    """Value and all gradients beside PyTorch's."""
    torch = pytest.importorskip("torch")
    ours = [fa.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = getattr(F, name)(*ours, **settings), getattr(torch.nn.functional, name)(*theirs, **settings)
    g, = drawn(9, y.shape, dtype=dtype)
    y.backward(fa.tensor(g))
    z.backward(torch.tensor(g))
    near(y, z, dtype)
    for a, b in zip(ours, theirs, strict=True):
        near(a.grad, b.grad, dtype)


# ---- PyTorch ------------------------------------------------------------------------------------------
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_sizes_against_torch(data):
    axes, dtype = data.draw(st.sampled_from([1, 2])), data.draw(st.sampled_from([np.float32, np.float64]))
    groups, per_x, per_y = (data.draw(st.integers(1, 5)) for _ in range(3))
    kernel, stride, dilation, padding = (tuple(data.draw(st.integers(low, high)) for _ in range(axes))
                                         for low, high in ((1, 5), (1, 4), (1, 3), (0, 3)))
    images = tuple(data.draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 20))
                   for k, d, p in zip(kernel, dilation, padding, strict=True))
    bias, batched = data.draw(st.booleans()), data.draw(st.booleans())
    batch = (data.draw(st.integers(1, 3)),) * batched
    shapes = [(*batch, groups * per_x, *images), (groups * per_y, per_x, *kernel)] + [(groups * per_y,)] * bias
    compared(f"conv{axes}d", drawn(0, *shapes, dtype=dtype), dtype, stride=stride, padding=padding, dilation=dilation,
             groups=groups)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_sizes_transposed_against_torch(data):
    axes, dtype = data.draw(st.sampled_from([1, 2])), data.draw(st.sampled_from([np.float32, np.float64]))
    groups, per_x, per_y = (data.draw(st.integers(1, 5)) for _ in range(3))
    kernel, stride, dilation, inputs = (tuple(data.draw(st.integers(1, high)) for _ in range(axes)) for high in (5, 4, 3, 8))
    padding = tuple(data.draw(st.integers(0, min(3, ((n - 1) * s + d * (k - 1)) // 2)))
                    for n, s, d, k in zip(inputs, stride, dilation, kernel, strict=True))
    more = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    bias, batched = data.draw(st.booleans()), data.draw(st.booleans())
    batch = (data.draw(st.integers(1, 3)),) * batched
    shapes = [(*batch, groups * per_y, *inputs), (groups * per_y, per_x, *kernel)] + [(groups * per_x,)] * bias
    compared(f"conv_transpose{axes}d", drawn(0, *shapes, dtype=dtype), dtype, stride=stride, padding=padding,
             output_padding=more, dilation=dilation, groups=groups)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "dilation"), [((3, 3), 1), ((2, 4), 1), ((3, 1), (3, 2)), ((2, 2), (1, 3))])
def test_named_padding(padding, kernel, dilation):
    compared("conv2d", drawn(1, (2, 3, 9, 8), (4, 3, *kernel), (4,)), padding=padding, dilation=dilation)


@pytest.mark.parametrize("kernel", [2, 3, 6])
def test_named_padding_of_sequences(kernel):
    compared("conv1d", drawn(1, (2, 3, 9), (4, 3, kernel), (4,)), padding="same")


@pytest.mark.parametrize(("x", "w", "settings"), [
    ((3, 8, 200, 90), (10, 8, 3, 3), {"padding": 1}),              # several bands of rows
    ((2, 16, 70, 300), (5, 16, 5, 3), {"stride": (2, 3), "padding": 2}),
    ((2, 70, 9, 9), (67, 70, 3, 3), {"padding": 1}),               # more taps than one pass takes
    ((1, 1, 1000, 7), (1, 1, 400, 2), {"stride": (7, 1)}),
    ((4, 32, 15, 15), (64, 32, 1, 1), {}),
    ((40, 12, 5, 5), (30, 12, 5, 5), {}),
], ids=["bands", "strided bands", "channels", "tall", "pointwise", "whole"])
def test_large(x, w, settings):
    compared("conv2d", drawn(2, x, w, (w[0],), dtype=np.float32), np.float32, **settings)
    y = F.conv2d(np.zeros(x), np.zeros(w), **settings).shape
    compared("conv_transpose2d", drawn(3, y, w, (w[1],), dtype=np.float32), np.float32, **settings)


def test_layers_against_torch():
    torch = pytest.importorskip("torch")
    cases = [("Conv1d", (4, 6, 3), {"padding": 2, "groups": 2, "padding_mode": mode}, (2, 4, 9)) for mode in
             ("zeros", "reflect", "replicate", "circular")]
    cases += [("Conv2d", (4, 6, (2, 3)), {"padding": padding, "dilation": 2, "padding_mode": mode}, (2, 4, 7, 8))
              for mode in ("zeros", "reflect", "replicate", "circular") for padding in ((1, 3), "same", "valid")]
    cases += [("ConvTranspose1d", (4, 6, 3), {"stride": 2, "output_padding": 1, "bias": False}, (2, 4, 5)),
              ("ConvTranspose2d", (4, 6, 3), {"stride": (2, 3), "padding": 1, "groups": 2, "dilation": 2}, (2, 4, 5, 3))]
    for name, sizes, settings_, shape in cases:
        ours = getattr(nn, name)(*sizes, **settings_, dtype="float64")
        theirs = getattr(torch.nn, name)(*sizes, **settings_, dtype=torch.float64)
        assert repr(ours) == repr(theirs)
        assert {k: v.shape for k, v in ours.state_dict().items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
        ours.load_state_dict(theirs.state_dict())
        x, = drawn(4, shape)
        a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        near(y, z)
        (y * y).sum().backward()
        (z * z).sum().backward()
        near(a.grad, b.grad)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            near(p.grad, q.grad)
        assert ours(fa.tensor(x[0])).shape == tuple(theirs(torch.tensor(x[0])).shape)


@pytest.mark.parametrize("size", [13, 14, (2, 6, 13), [14]])
def test_output_size(size):
    torch = pytest.importorskip("torch")
    ours, theirs = nn.ConvTranspose1d(4, 6, 3, 2, 1), torch.nn.ConvTranspose1d(4, 6, 3, 2, 1)
    ours.load_state_dict(theirs.state_dict())
    x, = drawn(5, (2, 4, 7), dtype=np.float32)
    wanted = [size] if isinstance(size, int) else list(size)
    near(ours(x, output_size=size), theirs(torch.tensor(x), output_size=wanted), np.float32)


@pytest.mark.parametrize("layer", [lambda: nn.Conv2d(30, 40, 5), lambda: nn.ConvTranspose2d(40, 30, 5), lambda: nn.Conv1d(50, 90, 9)])
def test_initial_values(layer):
    """Uniform within 1 / sqrt(fan_in), as PyTorch's."""
    fa.manual_seed(0)
    made = layer()
    bound = 1 / np.sqrt(np.prod(made.weight.shape[1:]))
    for p in (made.weight, made.bias):
        values = p.detach().numpy()
        assert abs(values).max() <= bound
        assert abs(values).max() > 0.8 * bound
    assert abs(made.weight.detach().numpy().std() / (bound / np.sqrt(3)) - 1) < 0.02


# ---- without PyTorch ----------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", "longdouble", "complex64", "complex128"])
def test_other_dtypes(dtype):
    sizes = sizes_of((6, 5), (2, 3), 2, 1, (2, 1))
    x, w, b = (a.astype(dtype) for a in drawn(6, (2, 4, 6, 5), (6, 2, 2, 3), (6,)))
    settings_ = {"stride": 2, "padding": 1, "dilation": (2, 1), "groups": 2}
    tensors = [fa.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = fa.conv2d(*tensors, **settings_)
    assert y.dtype == dtype
    tolerance = {"float16": 1e-2, "complex64": 1e-5}.get(dtype, 1e-12)
    np.testing.assert_allclose(y.detach().numpy(), direct(x, w, b, sizes, 2), atol=tolerance)
    g = np.ones_like(y.detach().numpy())
    y.backward(fa.tensor(g))
    np.testing.assert_allclose(tensors[0].grad.numpy(), direct_adjoint(g, w, None, sizes, 2), atol=tolerance)


def test_sums_of_float16_are_not_rounded_on_the_way():
    """As many terms as float16 cannot count, in each of the three products."""
    ones = fa.tensor(np.ones((1, 1, 60, 60), "e"), requires_grad=True)
    w = fa.tensor(np.full((1, 1, 60, 60), 0.01, "e"), requires_grad=True)
    y = fa.conv2d(ones, w)
    assert y.item() == np.float16(3600 * float(np.float16(0.01)))
    small = fa.tensor(np.full((1, 1, 1, 1), 0.01, "e"), requires_grad=True)
    fa.conv2d(ones, small).backward(fa.tensor(np.full((1, 1, 60, 60), 0.01, "e")))
    assert small.grad.item() == y.item()
    z = fa.conv_transpose2d(ones, fa.tensor(np.full((1, 1, 60, 60), 0.01, "e")))
    assert z.detach().numpy()[0, 0, 59, 59] == y.item()


def test_any_order_in_both_modes():
    x, w, b = drawn(7, (1, 2, 4, 3), (2, 1, 2, 2), (2,))
    check_grads(lambda *a: fa.tanh(fa.conv2d(*a, stride=(2, 1), padding=1, groups=2)), (x, w, b), order=3)
    check_grads(lambda *a: fa.tanh(fa.conv_transpose2d(*a, stride=2, padding=1)), (x[..., :2, :2], w, b[:1]), order=2)


def test_jacobian_and_hessian():
    """Linear in x: the Jacobian is the matrix of the convolution, the Hessian of a square A^T A."""
    x, w = drawn(8, (1, 1, 3, 3), (2, 1, 2, 2))

    def f(x):
        return fa.conv2d(x, w, padding=1).reshape(-1)

    columns = np.stack([np.asarray(f(e.reshape(x.shape)).numpy()) for e in np.eye(9)], 1)
    for jacobian in (fa.jacfwd, fa.jacrev):
        near(np.asarray(jacobian(f)(x)).reshape(32, 9), columns)
    near(np.asarray(fa.hessian(lambda x: (f(x) ** 2).sum())(x)).reshape(9, 9), 2 * columns.T @ columns)


def test_the_gradient_of_the_input_is_not_made_if_nobody_wants_it():
    x, w = drawn(8, (1, 1, 3, 3), (2, 1, 2, 2))
    weight = fa.tensor(w, requires_grad=True)
    y = fa.conv2d(x, weight)
    y.sum().backward()
    near(weight.grad, np.broadcast_to([[x[0, 0, i:i + 2, j:j + 2].sum() for j in (0, 1)] for i in (0, 1)], (2, 1, 2, 2)))


def test_gradients_add_up():
    """A layer used twice, and an input read by two layers."""
    x, w = drawn(8, (2, 2, 4, 4), (2, 2, 3, 3))
    tx, tw = fa.tensor(x, requires_grad=True), fa.tensor(w, requires_grad=True)
    y = fa.conv2d(fa.conv2d(tx, tw, padding=1), tw, padding=1) + fa.conv2d(tx, tw, padding=1)
    y.sum().backward()
    check_grads(lambda x, w: fa.conv2d(fa.conv2d(x, w, padding=1), w, padding=1) + fa.conv2d(x, w, padding=1), (x, w))
    whole = fa.grad(lambda x: (fa.conv2d(fa.conv2d(x, w, padding=1), w, padding=1) + fa.conv2d(x, w, padding=1)).sum())(x)
    near(tx.grad, whole)


def test_infinities_stay_where_they_are():
    """A tap that does not see an infinite number has a finite gradient, though its row lies in one line with others."""
    x = np.zeros((1, 1, 4, 5))
    x[0, 0, 1, 0] = np.inf
    w = fa.tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    y = fa.conv2d(x, w)
    assert np.isinf(y.detach().numpy()).sum() == 2 and not np.isnan(y.detach().numpy()).any()
    y.backward(fa.tensor(np.ones((1, 1, 3, 4))))
    np.testing.assert_array_equal(w.grad.numpy(), [[[[np.inf, 0], [np.inf, 0]]]])


def test_strided_operands_and_integers():
    x, w = drawn(8, (5, 6, 3, 2), (3, 3, 2, 4))
    near(fa.conv2d(fa.tensor(x).transpose((3, 2, 0, 1)), fa.tensor(w).transpose((3, 1, 0, 2))),
         fa.conv2d(np.ascontiguousarray(x.transpose(3, 2, 0, 1)), np.ascontiguousarray(w.transpose(3, 1, 0, 2))))
    near(fa.conv2d(np.arange(9).reshape(1, 3, 3), np.ones((1, 1, 2, 2))), [[[8, 12], [20, 24.0]]])
    assert fa.conv1d([[1, 2, 4]], [[[-1, 1]]]).dtype == np.float64


def test_lists_are_settings_too():
    x, w = drawn(8, (1, 2, 5, 5), (3, 2, 2, 2))
    near(fa.conv2d(x, w, stride=[2, 1], padding=np.array([1, 0])), fa.conv2d(x, w, stride=(2, 1), padding=(1, 0)))


# ---- errors -------------------------------------------------------------------------------------------
X, W = np.zeros((2, 4, 6, 6)), np.zeros((6, 4, 3, 3))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: fa.conv2d(X[:, :3], W), ValueError, r"conv2d: the input has 3 channels .* takes 4"),
    (lambda: fa.conv2d(X, W, groups=4), ValueError, "groups=4 do not divide the 6 outputs"),
    (lambda: fa.conv2d(X, W[:, :2], groups=3), ValueError, "takes 6"),
    (lambda: fa.conv2d(X, W, groups=0), ValueError, "groups must not be below 1"),
    (lambda: fa.conv2d(X[..., :2, :], W), ValueError, r"the kernel covers \(3, 3\), which is more than the input"),
    (lambda: fa.conv2d(X, W, dilation=3), ValueError, r"covers \(7, 7\)"),
    (lambda: fa.conv2d(X, W, padding=-1), ValueError, "padding must not be negative"),
    (lambda: fa.conv2d(X, W, stride=0), ValueError, "stride must not be below 1"),
    (lambda: fa.conv2d(X, W, dilation=(1, 0)), ValueError, "dilation must not be below 1"),
    (lambda: fa.conv2d(X, W, stride=(1, 2, 3)), ValueError, "has 3 numbers for 2"),
    (lambda: fa.conv2d(X, W, stride=1.5), TypeError, "stride must be an integer or a tuple of 2"),
    (lambda: fa.conv2d(X, W, padding="full"), ValueError, "padding must be 'same', 'valid' or integers"),
    (lambda: fa.conv2d(X, W, padding="same", stride=2), ValueError, "'same' is for stride 1"),
    (lambda: fa.conv2d(X, W, padding=10**30), ValueError, "too large"),
    (lambda: fa.conv2d(X, W[0]), ValueError, r"the weight must be \(outputs, inputs / groups\)"),
    (lambda: fa.conv2d(X[0, 0], W), ValueError, r"the input must be \(batch, channels\)"),
    (lambda: fa.conv2d(X, W, np.zeros(5)), ValueError, r"the bias must have shape \(6,\)"),
    (lambda: fa.conv2d(X, W[..., :0]), ValueError, "at least one element"),
    (lambda: fa.conv2d(X.astype("f"), W), TypeError, "conv2d: the input is float32 and the weight float64"),
    (lambda: fa.conv2d(X, W, np.zeros(6, "f")), TypeError, "conv2d: the bias is float32"),
    (lambda: fa.conv1d(X, W), ValueError, "conv1d: the weight must be"),
    (lambda: fa.conv_transpose2d(X, W), ValueError, "the input has 4 channels .* takes 6"),
    (lambda: fa.conv_transpose2d(X, W[:4], output_padding=1), ValueError, "output_padding=1 must be smaller than the stride"),
    (lambda: fa.conv_transpose2d(X, W[:4], padding=9), ValueError, r"gives outputs of size \(-10, -10\)"),
    (lambda: fa.conv_transpose2d(X, W[:4], padding="same"), TypeError, "padding must be an integer"),
    (lambda: fa.conv_transpose2d(X, W[:4], stride=1 << 39), ValueError, "gives outputs of size"),
    (lambda: nn.Conv2d(4, 6, 3, groups=4), ValueError, "groups=4 must divide in_channels=4 and out_channels=6"),
    (lambda: nn.Conv2d(0, 6, 3), ValueError, "in_channels must be at least 1"),
    (lambda: nn.Conv2d(4, 6, 0), ValueError, "kernel_size must not be below 1"),
    (lambda: nn.Conv2d(4, 6, 3, padding_mode="mirror"), ValueError, "padding_mode must be"),
    (lambda: nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect"), ValueError, "padding_mode must be 'zeros'"),
    (lambda: nn.ConvTranspose1d(4, 6, 3, 2)(X[0], output_size=99), ValueError, r"output_size=99 is not between \(13,\) and \(14,\)"),
    (lambda: nn.Conv2d(4, 6, 3)(X), TypeError, "the input is float64 and the weight float32"),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("settings", [{"padding": 1 << 40}, {"padding": 1 << 38}, {"padding": (1 << 20, 1 << 20)}])
def test_too_much_memory_is_an_error(settings):
    with pytest.raises((MemoryError, ValueError)):
        fa.conv2d(np.zeros((64, 1, 3, 3)), np.zeros((64, 1, 3, 3)), **settings)


def test_huge_strides_and_dilations_are_harmless():
    x, w = drawn(8, (1, 1, 3, 3), (1, 1, 2, 2))
    y = fa.conv2d(x, w, stride=1 << 40)
    near(y, (x[0, 0, :2, :2] * w).sum().reshape(1, 1, 1, 1))
    tx = fa.tensor(x, requires_grad=True)
    fa.conv2d(tx, w, stride=1 << 40).sum().backward()
    near(tx.grad, np.pad(w, ((0, 0), (0, 0), (0, 1), (0, 1))))


def test_a_changed_input_is_noticed():
    x = fa.tensor(X, requires_grad=True)
    h = x * 1
    w = fa.tensor(W, requires_grad=True)
    y = fa.conv2d(h, w)
    h.detach().copy_(fa.zeros(X.shape))
    with pytest.raises(RuntimeError, match="conv"):
        y.sum().backward()
