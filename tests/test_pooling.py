"""Pooling, padding and upsampling: PyTorch on the same numbers, closed forms, ties and NaN, other dtypes, bad input."""
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastad as fa
from fastad import nn
from fastad.nn import functional as F
from fastad.testing import check_grads


def drawn(seed, *shape):
    """Numbers of which some are equal."""
    return np.round(np.random.default_rng(seed).normal(size=shape), 1)


def compared(name, x, *args, dtype=np.float64, **settings):
    """Values, and the gradient of a random combination of them, beside PyTorch's."""
    torch = pytest.importorskip("torch")
    x = np.asarray(x, dtype)
    a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = getattr(F, name)(a, *args, **settings), getattr(torch.nn.functional, name)(b, *args, **settings)
    ys, zs = (y, z) if isinstance(y, tuple) else ((y,), (z,))
    for u, v in zip(ys, zs, strict=True):
        assert u.shape == tuple(v.shape)
        assert str(u.dtype) == str(v.dtype).removeprefix("torch.")
        np.testing.assert_allclose(u.detach().numpy(), v.detach().numpy(), rtol=1e-5 if dtype == np.float32 else 1e-12,
                                   atol=1e-5 if dtype == np.float32 else 1e-12)
    g = np.random.default_rng(3).normal(size=ys[0].shape).astype(dtype)
    ys[0].backward(fa.tensor(g))
    zs[0].backward(torch.tensor(g))
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-5 if dtype == np.float32 else 1e-10,
                               atol=1e-5 if dtype == np.float32 else 1e-10)


@st.composite
def windows(draw, dilated):
    axes = draw(st.sampled_from([1, 2]))
    kernel, stride, dilation = (tuple(draw(st.integers(1, high)) for _ in range(axes)) for high in (4, 4, 3 if dilated else 1))
    cover = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    images = tuple(draw(st.integers(max(c - 2 * p, 1), 17)) for c, p in zip(cover, padding, strict=True))
    # PyTorch reads outside of the image where a window sees nothing of it
    assume(all(d == 1 or n >= c for n, c, d in zip(images, cover, dilation, strict=True)))
    batch = (draw(st.integers(1, 2)),) * draw(st.booleans())
    return axes, (*batch, draw(st.integers(1, 3)), *images), kernel, stride, padding, dilation


@settings(deadline=None, max_examples=80)
@given(windows(True), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_maxima_against_torch(sizes, ceil_mode, dtype):
    axes, shape, kernel, stride, padding, dilation = sizes
    compared(f"max_pool{axes}d", drawn(0, *shape), kernel, stride, padding, dilation, ceil_mode, return_indices=True, dtype=dtype)


@settings(deadline=None, max_examples=80)
@given(windows(False), st.booleans(), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_means_against_torch(sizes, ceil_mode, with_padding, dtype):
    axes, shape, kernel, stride, padding, _ = sizes
    compared(f"avg_pool{axes}d", drawn(0, *shape), kernel, stride, padding, ceil_mode, with_padding, dtype=dtype)
    if axes == 2:
        compared("avg_pool2d", drawn(0, *shape), kernel, stride, padding, ceil_mode, with_padding, divisor_override=-3)


@pytest.mark.parametrize("shape", [(2, 3, 7, 10), (3, 6, 4), (1, 1, 1, 1), (2, 2, 12, 5)])
@pytest.mark.parametrize("size", [1, 3, (2, 5), (None, 2), (9, 11)])
def test_adaptive_against_torch(shape, size):
    compared("adaptive_avg_pool2d", drawn(1, *shape), size)
    compared("adaptive_max_pool2d", drawn(1, *shape), size, return_indices=True)


@pytest.mark.parametrize("size", [1, 3, 4, 15])
def test_adaptive_sequences(size):
    compared("adaptive_avg_pool1d", drawn(1, 2, 3, 12), size)


def test_layers():
    torch = pytest.importorskip("torch")
    x = drawn(2, 2, 4, 9, 8)
    for name, args in (("MaxPool2d", (3, 2, 1)), ("MaxPool2d", (2,)), ("AvgPool2d", ((2, 3), None, (1, 0), True, False)),
                       ("AdaptiveAvgPool2d", ((3, None),)), ("AdaptiveMaxPool2d", (3, True)), ("ZeroPad2d", (2,)),
                       ("ConstantPad2d", ((1, -2, 0, 3), 4.5)), ("ReflectionPad2d", ((1, 2, 3, 0),)), ("ReplicationPad2d", (4,)),
                       ("Upsample", (None, 2, "bilinear", True)), ("Upsample", ((5, 20),)), ("MaxPool1d", (3, 2, 1, 1, True)),
                       ("AvgPool1d", (2, 1)), ("AdaptiveAvgPool1d", (4,)), ("ConstantPad1d", ((2, 0), 1.0)), ("ZeroPad1d", (3,)),
                       ("ReflectionPad1d", (2,)), ("ReplicationPad1d", ((0, 3),))):
        given_ = x[0] if name.endswith("1d") else x
        ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
        assert repr(ours) == repr(theirs)
        y, z = ours(given_), theirs(torch.tensor(given_))
        for a, b in zip(y if isinstance(y, tuple) else [y], z if isinstance(z, tuple) else [z], strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


# ---- maxima, without PyTorch ---------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.longdouble])
def test_ties_go_to_the_first(dtype):
    x = fa.tensor(np.ones((1, 1, 4, 4), dtype), requires_grad=True)
    y, places = F.max_pool2d(x, 3, 1, 1, return_indices=True)
    assert places.tolist() == [[[[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6], [8, 8, 9, 10]]]]
    y.sum().backward()
    assert x.grad.numpy().sum() == 16
    assert x.grad.dtype == dtype
    assert x.grad.numpy()[0, 0, 0, 0] == 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_nan_and_infinities(dtype):
    x = np.full((1, 2, 6), -np.inf, dtype)
    x[0, 0, 3] = np.nan
    x[0, 1, 4] = np.inf
    y, places = F.max_pool1d(x, 3, 2, 1, return_indices=True)
    assert str(y.tolist()) == "[[[-inf, nan, nan], [-inf, -inf, inf]]]"
    assert places.tolist() == [[[0, 3, 3], [0, 1, 4]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("size", [2, 3])
def test_the_last_nan_is_the_largest(dtype, size):
    """Of whatever window: compiled, picked in NumPy, or of uneven sizes."""
    x = np.ones((1, 4, 4), dtype)
    x[0, :2, :2] = np.nan
    for places in (F.max_pool2d(x, 2, return_indices=True)[1], F.adaptive_max_pool2d(x, size, return_indices=True)[1]):
        assert places[0, 0, 0].item() == 5


@pytest.mark.parametrize("dtype", ["i4", "u1", "?"])
def test_maxima_of_integers(dtype):
    x = (np.arange(16).reshape(1, 4, 4) % 5).astype(dtype)
    y = F.max_pool2d(x, 2)
    assert y.dtype == dtype
    assert y.tolist() == x.reshape(1, 2, 2, 2, 2).max((2, 4)).tolist()


def test_places_in_other_dtypes_are_those_of_float64():
    x = drawn(4, 2, 3, 9, 8)
    for settings_ in ((3, 2, 1), ((2, 3), (1, 2), 0, (3, 2), True), (4, 4, 2, 1, True)):
        expected = F.max_pool2d(x, *settings_, return_indices=True)
        got = F.max_pool2d(x.astype(np.longdouble), *settings_, return_indices=True)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_derivatives_of_every_order():
    x = np.random.default_rng(0).permutation(2 * 5 * 6).reshape(2, 5, 6) / 9.0
    for f in (lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 2, 1, 1, count_include_pad=False),
              lambda x: F.adaptive_avg_pool2d(x, (2, 4)), lambda x: F.adaptive_max_pool2d(x, (2, 4)),
              lambda x: F.interpolate(x[None], size=(3, 9), mode="bicubic"), lambda x: F.pad(x, (2, 1, -1, 3), "reflect"),
              lambda x: F.interpolate(x[None], scale_factor=1.7)):
        check_grads(lambda x, f=f: fa.tanh(f(x)), (x,), order=2)


def test_means_of_other_dtypes():
    x = drawn(5, 1, 2, 7, 6)
    expected = F.avg_pool2d(x, 3, 2, 1).numpy()
    assert F.avg_pool2d(x.astype("g"), 3, 2, 1).dtype == np.longdouble
    np.testing.assert_allclose(F.avg_pool2d(x.astype("g"), 3, 2, 1).numpy().astype("d"), expected, atol=1e-15)
    np.testing.assert_allclose(F.avg_pool2d(x.astype("e"), 3, 2, 1).numpy().astype("d"), expected, atol=1e-2)
    ones = np.ones((1, 300, 300), "e")                              # whose sum is no float16
    for y in (F.avg_pool2d(ones, 300), F.avg_pool1d(ones.reshape(1, -1), 90000), F.adaptive_avg_pool2d(ones, 1),
              F.adaptive_avg_pool2d(np.tile(ones, (1, 2, 2)), 2), F.adaptive_avg_pool2d(ones, 7)):
        assert y.dtype == np.float16
        assert (y.numpy() == 1).all()
    assert F.avg_pool1d(np.arange(6).reshape(1, 6), 2).tolist() == [[0.5, 2.5, 4.5]]


# ---- padding and upsampling ----------------------------------------------------------------------------
@pytest.mark.parametrize(("shape", "pad", "mode"), [
    ((2, 3, 4, 5), (1, 2), "constant"), ((2, 3, 4, 5), (1, 2, -1, -2, 0, 1, 3, 0), "constant"), ((3,), (0, -2), "constant"),
    ((2, 3, 4, 5), (), "constant"), ((2, 3, 4, 5), (4, 4, 3, 1), "reflect"), ((3, 5), (2, 4), "reflect"),
    ((2, 3, 5), (5, 1), "circular"), ((2, 3, 4, 5), (1, 5, 4, 0), "circular"), ((2, 3, 4, 5), (7, 1, 0, 9), "replicate"),
    ((2, 3, 5), (-1, 2), "circular"), ((2, 3, 4, 5), (4, -1, -2, 2), "circular"),
    ((2, 3, 5), (-1, 2), "replicate"), ((2, 3, 5), (-2, 3), "reflect"),
])
def test_pad_against_torch(shape, pad, mode):
    compared("pad", drawn(6, *shape), pad, mode)
    if mode == "constant":
        compared("pad", drawn(6, *shape), pad, mode, 2.5)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 5, 8)])
@pytest.mark.parametrize("how", [{"size": 3}, {"size": 14}, {"size": 1}, {"scale_factor": 2}, {"scale_factor": 1.3},
                                 {"scale_factor": 0.6}, {"scale_factor": 1.7, "recompute_scale_factor": True}])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "linear", "bilinear", "bicubic"])
def test_interpolate_against_torch(shape, how, mode):
    if len(shape) not in {"linear": [3], "bilinear": [4], "bicubic": [4]}.get(mode, [3, 4]):
        with pytest.raises(ValueError, match="is for inputs"):
            F.interpolate(np.zeros(shape), mode=mode, **how)
        return
    for align in (None,) if mode in ("nearest", "nearest-exact", "area") else (None, False, True):
        compared("interpolate", drawn(7, *shape), mode=mode, align_corners=align, **how)


@pytest.mark.parametrize("n", [3, 7, 10, 29, 33])
def test_nearest_at_every_factor(n):
    """Values only: PyTorch's backward does not always follow the choice that its forward made, where rounding decides."""
    torch = pytest.importorskip("torch")
    x = np.arange(n, dtype=float)[None, None]
    for how in [{"size": size} for size in range(1, 60)] + [{"scale_factor": float(f)} for f in np.linspace(0.4, 4, 37)]:
        for mode in ("nearest", "nearest-exact"):
            for a in (x, x.astype(np.float32)):
                expected = torch.nn.functional.interpolate(torch.tensor(a), mode=mode, **how)
                assert F.interpolate(a, mode=mode, **how).tolist() == expected.tolist()


# ---- errors -------------------------------------------------------------------------------------------
X = np.zeros((2, 3, 6, 6))


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.max_pool2d(X, 7), ValueError, r"max_pool2d: windows of size \(7, 7\) .* are larger than images of size \(6, 6\)"),
    (lambda: F.max_pool2d(X, 0), ValueError, "kernel_size must not be below 1"),
    (lambda: F.max_pool2d(X, 2, 0), ValueError, "stride must not be below 1"),
    (lambda: F.max_pool2d(X, 2, padding=2), ValueError, "padding=2 must be at most half"),
    (lambda: F.max_pool2d(X, 2, padding=-1), ValueError, "padding must not be negative"),
    (lambda: F.max_pool2d(X, "2"), TypeError, "kernel_size must be an integer or a tuple of 2"),
    (lambda: F.max_pool2d(X, (2, 2, 2)), ValueError, "has 3 numbers"),
    (lambda: F.max_pool2d(X[0, 0], 2), ValueError, r"the input must be \(batch, channels\)"),
    (lambda: F.max_pool2d(X + 1j, 2), TypeError, "max_pool2d: the input must be real"),
    (lambda: F.max_pool2d(X[..., :1, :1], 2, 1, 1, 2), ValueError, "sees nothing of images"),
    (lambda: F.max_pool2d(X, 10**30), ValueError, "too large"),
    (lambda: F.max_pool2d(X[..., :0], 1), ValueError, "larger than images"),
    (lambda: F.avg_pool2d(X, 2, divisor_override=0), ValueError, "divisor_override must not be 0"),
    (lambda: F.avg_pool1d(X, 2), ValueError, r"avg_pool1d: the input must be"),
    (lambda: F.adaptive_avg_pool2d(X, 0), ValueError, "output_size must not be below 1"),
    (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), ValueError, "has 3 numbers for 2"),
    (lambda: F.adaptive_max_pool2d(X, 1.5), TypeError, "output_size must be an integer"),
    (lambda: F.pad(X, (1,)), ValueError, "must have two numbers for each"),
    (lambda: F.pad(X, (1.5, 0)), TypeError, "sequence of integers"),
    (lambda: F.pad(X, (1, 1), "mirror"), ValueError, "mode must be one of 'constant'"),
    (lambda: F.pad(X, (6, 0, 0, 0), "reflect"), ValueError, "less than the length of axis 3"),
    (lambda: F.pad(X, (7, 0, 0, 0), "circular"), ValueError, "at most the length of axis 3"),
    (lambda: F.pad(X, (1, 1), "reflect"), ValueError, "pads one axis of 2-D or 3-D"),
    (lambda: F.pad(X, (-4, -3)), ValueError, "leaves nothing of axis 3"),
    (lambda: F.interpolate(X), ValueError, "give either size or scale_factor"),
    (lambda: F.interpolate(X, 3, 2), ValueError, "give either size or scale_factor"),
    (lambda: F.interpolate(X, scale_factor=0), ValueError, "scale_factor must be positive"),
    (lambda: F.interpolate(X, scale_factor=0.01), ValueError, "leaves nothing"),
    (lambda: F.interpolate(X, 3, mode="cubic"), ValueError, "mode must be one of"),
    (lambda: F.interpolate(X, 3, align_corners=True), ValueError, "align_corners is for"),
    (lambda: F.interpolate(X, 3, mode="bilinear", antialias=True), NotImplementedError, "antialias is not there"),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_huge_windows_end_at_once():
    """A window of 2**39 elements, nearly all of them padding, is as much work as the image."""
    x = drawn(8, 1, 3, 4)
    y = F.max_pool2d(x, 1 << 39, 1 << 39, 1 << 38)
    assert y.tolist() == [[[x.max()]]]
    assert F.avg_pool2d(x, 1 << 39, 1 << 39, 1 << 38, divisor_override=1).numpy().ravel() == pytest.approx(x.sum())
    assert F.avg_pool2d(x, 1 << 32, 1 << 32, 1 << 31).numpy().ravel() == pytest.approx(x.sum() / 2.0 ** 64)
