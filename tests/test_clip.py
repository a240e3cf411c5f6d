"""Clipping of gradients: norms of every order, by value, what is not finite, and what must not be touched."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastad as fa
from fastad.nn.utils import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

SHAPES = ((3, 4), (5,), (), (2, 1, 3), (0, 2))


def with_gradients(arrays):
    """Parameters that have these gradients; None for none."""
    made = []
    for a in arrays:
        p = fa.tensor(np.zeros(3) if a is None else np.zeros(a.shape, a.dtype), requires_grad=True)
        p.grad = None if a is None else fa.tensor(a)
        made.append(p)
    return made


def drawn(dtype=np.float64, scale=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(scale * rng.normal(size=s), dtype) for s in SHAPES]


def norm(arrays, order=2):
    """By the definition, in longdouble."""
    x = np.concatenate([np.ravel(a) for a in arrays]).astype(np.longdouble)
    return float(abs(x).max() if order == np.inf else (abs(x) ** order).sum() ** (1 / np.longdouble(order)))


@pytest.mark.parametrize("order", (2, 1, 3, 0.5, np.inf))
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_norm_and_scale(dtype, order):
    arrays = drawn(dtype)
    total, tol = norm(arrays, order), 1e-6 if dtype == "float32" else 1e-13
    for max_norm in (total / 3, total * 3):
        ps = with_gradients([*arrays, None])
        found = clip_grad_norm_(iter(ps), max_norm, order)
        assert isinstance(found, fa.Tensor) and found.shape == () and found.dtype == dtype
        np.testing.assert_allclose(found.item(), total, rtol=tol)
        np.testing.assert_allclose(get_total_norm(map(fa.tensor, arrays), order).item(), total, rtol=tol)
        share = min(1, max_norm / (total + 1e-6))
        for p, a in zip(ps, arrays, strict=False):
            np.testing.assert_allclose(p.grad.numpy(), a * np.asarray(share, dtype), rtol=tol)
        assert ps[-1].grad is None


@given(scale=st.floats(-37, 37), seed=st.integers(0, 9), max_norm=st.floats(0, 10), order=st.sampled_from([1.0, 2.0, 4.0, np.inf]))
def test_norms_neither_overflow_nor_vanish(scale, seed, max_norm, order):
    arrays = drawn("float32", 10.0 ** scale, seed)
    ps = with_gradients(arrays)
    np.testing.assert_allclose(float(get_total_norm([p.grad for p in ps], order).item()), norm(arrays, order), rtol=1e-5)
    clip_grad_norm_(ps, max_norm, order)
    if norm(arrays, order) < 1e38:
        assert norm([p.grad.numpy() for p in ps], order) <= max_norm * (1 + 1e-5) or \
            norm([p.grad.numpy() for p in ps], order) <= norm(arrays, order)


def test_large_numbers():
    arrays = [np.array([3e200, 0]), np.array([[-4e200]])]
    ps = with_gradients(arrays)
    np.testing.assert_allclose(clip_grad_norm_(ps, 1.0).item(), 5e200, rtol=1e-14)
    np.testing.assert_allclose(ps[0].grad.numpy(), [0.6, 0], rtol=1e-14)


@pytest.mark.parametrize("order", (1.0, 2.0, 3.0, np.inf))
@pytest.mark.parametrize("max_norm", (0.0, 0.5, 1e6, np.inf))
@pytest.mark.parametrize("bad", (None, np.nan, np.inf, -np.inf))
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_equals_pytorch(dtype, bad, max_norm, order):
    torch = pytest.importorskip("torch")
    arrays = drawn(dtype)
    if order == np.inf:                       # PyTorch has no maximum of nothing
        arrays.pop()
    if bad is not None:
        arrays[0][1, 2] = bad
    ps = with_gradients(arrays)
    ts = [torch.zeros(a.shape, dtype=getattr(torch, dtype), requires_grad=True) for a in arrays]
    for t, a in zip(ts, arrays, strict=True):
        t.grad = torch.tensor(a)
    tol = 1e-5 if dtype == "float32" else 1e-12
    total, total_t = clip_grad_norm_(ps, max_norm, order), torch.nn.utils.clip_grad_norm_(ts, max_norm, order)
    np.testing.assert_allclose(total.item(), total_t.item(), rtol=tol)
    for p, t in zip(ps, ts, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=tol)
    clip_grads_with_norm_(ps, 0.1, 3.0)
    torch.nn.utils.clip_grads_with_norm_(ts, 0.1, torch.tensor(3.0, dtype=torch.float64))
    for p, t, a in zip(ps, ts, arrays, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=tol)
        p.grad, t.grad = fa.tensor(a), torch.tensor(a)
    clip_grad_value_(ps, 0.7)
    torch.nn.utils.clip_grad_value_(ts, 0.7)
    for p, t in zip(ps, ts, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), t.grad.numpy())


@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_an_error_changes_nothing(bad):
    arrays = [*drawn(), np.array([1.0, bad])]
    ps = with_gradients(arrays)
    with pytest.raises(RuntimeError, match=f"clip_grad_norm_: the norm of order 2.0 is {bad}; .*detect_anomaly"):
        clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    with pytest.raises(RuntimeError, match="get_total_norm"):
        get_total_norm([p.grad for p in ps], error_if_nonfinite=True)
    for p, a in zip(ps, arrays, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), a)


def test_nothing_to_clip():
    for parameters in ([], with_gradients([None])):
        assert clip_grad_norm_(parameters, 1.0).item() == 0
        clip_grad_value_(parameters, 1.0)
    assert get_total_norm([]).item() == 0 and get_total_norm([fa.zeros((0, 3))], np.inf).item() == 0
    ps = with_gradients([np.zeros(3)])
    assert clip_grad_norm_(ps, 1.0).item() == 0 and not ps[0].grad.numpy().any()


def test_one_tensor_and_other_layouts():
    a = np.arange(12.0).reshape(3, 4)
    p = fa.tensor(a.T.copy(), requires_grad=True)
    p.grad = fa.tensor(a).T
    whole = p.grad
    total = clip_grad_norm_(p, 1.0).item()
    np.testing.assert_allclose(total, np.linalg.norm(a))
    np.testing.assert_allclose(p.grad.numpy(), a.T / (total + 1e-6))
    assert p.grad is whole                    # in place
    p.grad = fa.tensor(a - 5).T
    clip_grad_value_(p, 2.0)
    np.testing.assert_array_equal(p.grad.numpy(), np.clip(a.T - 5, -2, 2))


@pytest.mark.parametrize("dtype", ("float16", "longdouble", "complex64", "complex128"))
def test_other_dtypes(dtype):
    a = (np.array([3, 4j]) if dtype.startswith("c") else np.array([3, -4])).astype(dtype)
    ps = with_gradients([a, np.array([12.0], "float32")])
    np.testing.assert_allclose(clip_grad_norm_(ps, 1.3).item(), 13, rtol=1e-6)
    assert ps[0].grad.dtype == dtype
    np.testing.assert_allclose(ps[0].grad.numpy(), a / 10, rtol=1e-3)
    assert get_total_norm([fa.tensor(a)], np.inf).item() == 4
    if dtype.startswith("c"):
        with pytest.raises(TypeError, match="no order"):
            clip_grad_value_(ps, 0.1)
    else:
        clip_grad_value_(ps, 0.25)
        np.testing.assert_allclose(ps[0].grad.numpy(), [0.25, -0.25])


def test_a_graph_of_gradients_is_not_falsified():
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    (x ** 3).sum().backward(create_graph=True)
    later = (x.grad ** 2).sum()               # still needs the gradient as it was
    clip_grad_norm_([x], 0.1)
    np.testing.assert_allclose(get_total_norm([x.grad]).item(), 0.1, rtol=1e-5)
    with pytest.raises(RuntimeError, match=r"changed|written|version"):
        later.backward()


def test_through_a_recurrent_layer():
    layer = fa.nn.RNN(3, 4, nonlinearity="relu", bias=False, dtype="float64")
    layer.weight_hh_l0.detach().copy_(1.5 * np.eye(4))
    layer.weight_ih_l0.detach().fill_(1.0)
    x = np.zeros((60, 1, 3))
    x[0, 0, 0] = 1
    layer(x)[0][-1].sum().backward()
    total = clip_grad_norm_(layer.parameters(), 1.0).item()      # of 16 equal numbers and of 4
    np.testing.assert_allclose(total, np.hypot(59 * 1.5 ** 58 * 4, 1.5 ** 59 * 2), rtol=1e-12)
    np.testing.assert_allclose(get_total_norm([p.grad for p in layer.parameters()]).item(), 1.0, rtol=1e-9)


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda p: clip_grad_norm_([p, 3], 1.0), TypeError, "clip_grad_norm_: expected tensors, got int at place 1"),
    (lambda p: clip_grad_value_([p.grad.numpy()], 1.0), TypeError, "clip_grad_value_: expected tensors, got ndarray at place 0"),
    (lambda p: clip_grad_norm_(p, 1.0, 0), ValueError, "norm_type must be above 0"),
    (lambda p: clip_grad_norm_(p, 1.0, np.nan), ValueError, "norm_type"),
    (lambda p: clip_grad_norm_(p, 1.0, -np.inf), ValueError, "norm_type"),
    (lambda p: clip_grad_norm_(p, -1.0), ValueError, "max_norm must be at least 0, got -1.0"),
    (lambda p: clip_grad_norm_(p, np.nan), ValueError, "max_norm"),
    (lambda p: clip_grad_value_(p, -1.0), ValueError, "clip_value must be at least 0, got -1.0"),
    (lambda p: clip_grad_value_(p, np.nan), ValueError, "clip_value"),
])
def test_errors(call, error, says):
    p, = with_gradients([np.array([3.0, 4.0])])
    with pytest.raises(error, match=says):
        call(p)
    assert p.grad.tolist() == [3.0, 4.0]


def test_read_only_gradients():
    fixed = np.array([3.0, 4.0])
    fixed.flags.writeable = False
    ps = with_gradients([np.array([1.0]), np.zeros(2)])
    ps[1].grad = fa.from_numpy(fixed)
    for call in (lambda: clip_grad_norm_(ps, 0.1), lambda: clip_grad_value_(ps, 0.1)):
        with pytest.raises(ValueError, match=r"a gradient of shape \(2,\) is read-only"):
            call()
        assert ps[0].grad.tolist() == [1.0] and fixed.tolist() == [3.0, 4.0]
