"""The reference against oracles that share no code with it: central differences, closed forms, PyTorch."""
import numpy as np
import pytest

from fastad import reference as ref
from fastad.reference import Tensor, grad, value_and_grad

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    return RNG.uniform(0.5, 2.0, size=shape)


def away_from_ties(*shape):
    """Distinct values at least 0.1 apart, so that no central difference crosses a kink."""
    return (RNG.permutation(int(np.prod(shape))).reshape(shape) + 0.5) * 0.1 - 0.7


LABELS = np.array([2, 0, 1])
MASK = np.array([[True, False, True], [False, False, True]])

# name: (function, its arrays); every array is differentiated
SAMPLES = {
    "add": (ref.add, normal(2, 3), normal(3)),
    "subtract": (ref.subtract, normal(2, 1), normal(2, 3)),
    "multiply": (ref.multiply, normal(2, 3), normal(1, 3)),
    "divide": (ref.divide, normal(2, 3), positive(2, 1)),
    "power": (ref.power, positive(2, 3), normal(3)),
    "square": (lambda x: x ** 2, normal(2, 3)),
    "reciprocal": (lambda x: 1 / x, positive(3)),
    "two to the x": (lambda x: 2 ** x, normal(3)),
    "negative": (lambda x: -x, normal(3)),
    "maximum": (ref.maximum, away_from_ties(2, 3), normal(1, 3)),
    "where": (lambda a, b: ref.where(MASK, a, b), normal(2, 3), normal(3)),
    "exp": (ref.exp, normal(2, 3)),
    "log": (ref.log, positive(2, 3)),
    "sin": (ref.sin, normal(2, 3)),
    "cos": (ref.cos, normal(2, 3)),
    "sqrt": (ref.sqrt, positive(2, 3)),
    "tanh": (ref.tanh, normal(2, 3)),
    "sigmoid": (ref.sigmoid, normal(2, 3)),
    "relu": (ref.relu, away_from_ties(3, 4) + 0.03),
    "logaddexp": (ref.logaddexp, normal(2, 3), normal(3)),
    "sum": (ref.sum, normal(2, 3)),
    "sum, axis": (lambda x: ref.sum(x, axis=-1), normal(2, 3)),
    "sum, axes": (lambda x: ref.sum(x, axis=(0, 2), keepdims=True), normal(2, 3, 2)),
    "mean": (ref.mean, normal(2, 3)),
    "mean, axis": (lambda x: x.mean(axis=0), normal(2, 3)),
    "max": (ref.max, away_from_ties(2, 3)),
    "max, axis": (lambda x: x.max(axis=1), away_from_ties(2, 3)),
    "reshape": (lambda x: ref.reshape(x, (3, 2)), normal(2, 3)),
    "transpose": (lambda x: ref.transpose(x, (1, -1, 0)), normal(2, 3, 4)),
    "getitem, slice": (lambda x: x[1:, ::2], normal(3, 4)),
    "getitem, repeated": (lambda x: x[[0, 2, 0]], normal(3, 2)),
    "concatenate": (lambda a, b: ref.concatenate([a, b], axis=1), normal(2, 3), normal(2, 1)),
    "matmul": (ref.matmul, normal(2, 3), normal(3, 4)),
    "matmul, row": (ref.matmul, normal(3), normal(3, 4)),
    "matmul, column": (ref.matmul, normal(2, 3), normal(3)),
    "matmul, inner": (ref.matmul, normal(3), normal(3)),
    "matmul, stacked": (ref.matmul, normal(5, 2, 3), normal(3, 4)),
    "matmul, stacked row": (ref.matmul, normal(3), normal(5, 3, 2)),
    "linear": (ref.linear, normal(5, 3), normal(2, 3), normal(2)),
    "linear, stacked": (ref.linear, normal(4, 5, 3), normal(2, 3)),
    "softmax": (ref.softmax, normal(2, 3)),
    "log_softmax": (lambda x: ref.log_softmax(x, axis=0), normal(2, 3)),
    "cross_entropy": (lambda z: ref.cross_entropy(z, LABELS), normal(3, 4)),
    "mse": (ref.mse, normal(2, 3), normal(2, 3)),
}


def central_difference(f, x, weight, h=1e-6):
    """The gradient of sum(weight * f(x)), entry by entry, as (f(x + h) - f(x - h)) / 2h."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        g[i] = np.sum(weight * (f(x + step) - f(x - step))) / (2 * h)
    return g


@pytest.mark.parametrize("name", SAMPLES)
def test_every_rule_agrees_with_central_differences(name):
    f, *arrays = SAMPLES[name]
    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    y = f(*inputs)
    weight = np.random.default_rng(1).normal(size=y.shape)
    y.backward(weight)
    for k, x in enumerate(inputs):
        def value(changed, k=k):
            return f(*(Tensor(changed if i == k else a) for i, a in enumerate(arrays))).data
        np.testing.assert_allclose(x.grad, central_difference(value, arrays[k], weight), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_in_is_dtype_out(name, dtype):
    f, *arrays = SAMPLES[name]
    inputs = [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y = f(*inputs)
    y.backward(np.ones(y.shape))
    assert y.dtype == dtype
    assert all(x.grad.dtype == dtype and x.grad.shape == x.shape for x in inputs)


# --- the worked numbers of the lecture texts --------------------------------------------------------

def wengert(x1, x2):
    return ref.log(x1) + x1 * x2 - ref.sin(x2)


def test_wengert_list_and_its_adjoints():
    x1, x2 = Tensor(2.0, requires_grad=True), Tensor(5.0, requires_grad=True)
    y = wengert(x1, x2)
    rows = {line.name: line for line in ref.tape(y)}
    assert [round(rows[n].item(), 3) for n in ("log", "multiply", "sin", "add", "subtract")] == [
        0.693, 10.0, -0.959, 10.693, 11.652]
    adjoints = {line.name: float(dy) for line, dy in ref.walk_back(y, np.ones(())) if line.edges}
    assert adjoints == {"subtract": 1, "sin": -1, "add": 1, "multiply": 1, "log": 1}
    y.backward()
    np.testing.assert_allclose([x1.grad, x2.grad], [5.5, 2 - np.cos(5)], rtol=1e-15)


def test_small_worked_gradients():
    f, at = lambda x, y, z: (x + y) * z, (-2.0, 5.0, -4.0)
    assert [float(grad(f, k)(*at)) for k in range(3)] == [-4, -4, 3]
    assert value_and_grad(f)(*at)[0] == -12
    assert [float(grad(lambda x, y: x * y, k)(4.0, -3.0)) for k in (0, 1)] == [-3, 4]
    assert [float(grad(ref.maximum, k)(4.0, 2.0)) for k in (0, 1)] == [1, 0]


def test_a_value_used_twice_receives_the_sum():
    def f(x):
        a = ref.exp(x)
        c = a + a ** 2
        return ref.exp(c) + ref.sin(c)
    value, slope = value_and_grad(f)(0.1)
    assert value == pytest.approx(10.9705248533, abs=1e-9)
    assert slope == pytest.approx(33.9077682999, abs=1e-9)


def test_worked_network_has_the_nine_closed_form_gradients():
    """2 inputs, 2 sigmoid hidden units, 1 identity output, half the squared error."""
    x, y = np.array([0.35, -0.9]), 0.5
    V, c, w, b = normal(2, 2), normal(2), normal(2), normal()
    V_, c_, w_, b_ = (Tensor(p, requires_grad=True) for p in (V, c, w, b))
    a_ = ref.sigmoid(V_ @ x + c_) @ w_ + b_
    (0.5 * (a_ - y) ** 2).backward()

    h = 1 / (1 + np.exp(-(V @ x + c)))
    error = w @ h + b - y
    close = {"rtol": 1e-12, "atol": 1e-15}
    np.testing.assert_allclose(b_.grad, error, **close)
    np.testing.assert_allclose(w_.grad, error * h, **close)
    np.testing.assert_allclose(c_.grad, error * w * (1 - h) * h, **close)
    np.testing.assert_allclose(V_.grad, np.outer(error * w * (1 - h) * h, x), **close)


# --- kinks, extremes, errors -------------------------------------------------------------------------

def test_conventions_at_kinks():
    assert grad(ref.relu)(0.0) == 0
    assert [float(grad(ref.maximum, k)(3.0, 3.0)) for k in (0, 1)] == [0.5, 0.5]
    np.testing.assert_array_equal(grad(ref.max)(np.array([2.0, 2.0, 1.0])), [0.5, 0.5, 0])
    assert grad(lambda x: x ** 0)(0.0) == 0
    assert grad(ref.power, 1)(0.0, 2.0) == 0


@pytest.mark.filterwarnings("error")
def test_no_overflow_at_large_arguments():
    x = np.array([-1e4, 0.0, 1e4])
    np.testing.assert_array_equal(ref.sigmoid(Tensor(x)).data, [0, 0.5, 1])
    np.testing.assert_array_equal(ref.softmax(Tensor(x)).data, [0, 0, 1])
    np.testing.assert_array_equal(ref.log_softmax(Tensor(x)).data, [-2e4, -1e4, 0])
    assert np.isnan(ref.relu(Tensor(np.nan)).data)


def test_errors_name_the_operation_and_the_shapes():
    a, b = Tensor(normal(2, 3)), Tensor(normal(4))
    for f, name in ((ref.add, "add"), (ref.matmul, "matmul"), (ref.maximum, "maximum")):
        with pytest.raises(ValueError, match=rf"^{name}: .*\(2, 3\), \(4,\)"):
            f(a, b)
    with pytest.raises(ValueError, match=r"^sum: .*\(2, 3\)"):
        a.sum(axis=2)
    with pytest.raises(ValueError, match="cross_entropy: label 3 is not one of the 3 classes"):
        ref.cross_entropy(a, np.array([0, 3]))
    with pytest.raises(ValueError, match=r"backward: a result of shape \(2, 3\) needs such a gradient"):
        (Tensor(normal(2, 3), requires_grad=True) * 2).backward()
    with pytest.raises(RuntimeError, match="requires a gradient"):
        (a * 2).backward()
    with pytest.raises(TypeError, match="float dtype, got int"):
        Tensor([1, 2], requires_grad=True)


# --- the tape -----------------------------------------------------------------------------------------

def test_long_chain_needs_no_recursion():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1
    del y                      # freeing the graph must not overflow the stack either


def test_gradients_accumulate_and_arrays_stay_plain():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        (np.array([3.0, 4.0]) * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [6, 8])
    assert not (x.detach() * 2).requires_grad
    np.testing.assert_array_equal(grad(lambda a, b: b * 2)(np.ones(3), 1.0), np.zeros(3))


def test_optimizers_follow_their_formulas():
    def three_steps(optimizer, p):
        for _ in range(3):
            p.grad = None
            (p ** 2).sum().backward()
            optimizer.step()
        return p.data

    p = Tensor([1.0], requires_grad=True)
    np.testing.assert_allclose(three_steps(ref.SGD([p], lr=0.1), p), [0.8 ** 3], rtol=1e-14)

    p = Tensor([1.0], requires_grad=True)
    x, v = 1.0, 0.0
    for _ in range(3):
        v = 0.9 * v + 2 * x
        x -= 0.1 * v
    np.testing.assert_allclose(three_steps(ref.SGD([p], lr=0.1, momentum=0.9), p), [x], rtol=1e-14)

    p = Tensor([1.0, -3.0], requires_grad=True)       # Adam's first step is lr * sign(gradient)
    (p ** 2).sum().backward()
    ref.Adam([p], lr=0.01).step()
    np.testing.assert_allclose(p.data, [0.99, -2.99], rtol=1e-7)


def test_against_pytorch():
    torch = pytest.importorskip("torch")
    x, W, b = normal(32, 8), normal(5, 8), normal(5)
    labels = RNG.integers(0, 5, 32)
    ours = [Tensor(p, requires_grad=True) for p in (x, W, b)]
    theirs = [torch.tensor(p, requires_grad=True) for p in (x, W, b)]
    optimizers = ref.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    for _ in range(5):
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = ref.cross_entropy(ref.linear(*ours), labels)
        logits = torch.nn.functional.linear(*theirs)
        theirs_loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
        loss.backward()
        theirs_loss.backward()
        assert loss.item() == pytest.approx(theirs_loss.item(), rel=1e-12)
        for ours_p, theirs_p in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(ours_p.grad, theirs_p.grad.numpy(), rtol=1e-9, atol=1e-14)
        for optimizer in optimizers:
            optimizer.step()
