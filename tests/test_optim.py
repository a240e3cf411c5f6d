"""Optimizers: twenty steps beside the formulas in NumPy and beside PyTorch's, states saved and loaded, what they refuse."""
import numpy as np
import pytest

import fastad as fa
from fastad import optim

try:
    import torch
except ImportError:
    torch = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")

CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"maximize": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.3, "amsgrad": True}),
]


def drawn(rng, dtype, shapes=((3, 4), (5,), ())):
    return [np.asarray(rng.normal(size=s), dtype) for s in shapes]


def leaves(arrays):
    return [fa.tensor(a, requires_grad=True) for a in arrays]


def give(parameters, gradients):
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g if g is None else fa.tensor(g) if isinstance(p, fa.Tensor) else torch.tensor(g)


class Formulas:
    """The steps as PyTorch's documentation writes them, on NumPy arrays."""

    def __init__(self, name, arrays, lr, options):
        self.rule, self.lr = getattr(self, name.lower()), lr
        self.o = {"momentum": 0, "dampening": 0, "nesterov": False, "weight_decay": 0.01 if name == "AdamW" else 0, "maximize": False,
                  "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False} | options
        self.arrays, self.state = arrays, [{"t": 0} for _ in arrays]

    def step(self, gradients):
        for i, (p, g, state) in enumerate(zip(self.arrays, gradients, self.state, strict=True)):
            if g is not None:
                state["t"] += 1
                self.arrays[i] = self.rule(p, -g if self.o["maximize"] else g, state)

    def sgd(self, p, g, state):
        g = g + self.o["weight_decay"] * p
        if self.o["momentum"]:
            b = g if state["t"] == 1 else self.o["momentum"] * state["b"] + (1 - self.o["dampening"]) * g
            state["b"] = b
            g = g + self.o["momentum"] * b if self.o["nesterov"] else b
        return p - self.lr * g

    def adam(self, p, g, state, decoupled=False):
        (b1, b2), t, decay = self.o["betas"], state["t"], self.o["weight_decay"]
        p, g = (p * (1 - self.lr * decay), g) if decoupled else (p, g + decay * p)
        state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
        state["v"] = b2 * state.get("v", 0) + (1 - b2) * g * g
        v = state["top"] = np.maximum(state.get("top", 0), state["v"]) if self.o["amsgrad"] else state["v"]
        return p - self.lr * (state["m"] / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + self.o["eps"])

    def adamw(self, p, g, state):
        return self.adam(p, g, state, decoupled=True)


@pytest.mark.parametrize("dtype, tol", (("float64", 1e-12), ("float32", 1e-5)))
@pytest.mark.parametrize("oracle", ("formulas", pytest.param("torch", marks=with_torch)))
@pytest.mark.parametrize("name, options", CASES)
def test_twenty_steps(name, options, oracle, dtype, tol):
    rng = np.random.default_rng(0)
    arrays = drawn(rng, dtype)
    ours = leaves(arrays)
    optimizer = getattr(optim, name)(ours, lr=0.05, **options)
    if oracle == "torch":
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        other = getattr(torch.optim, name)(theirs, lr=0.05, **options)
    else:
        other = Formulas(name, arrays, 0.05, options)
    for i in range(20):
        gradients = drawn(rng, dtype)
        if i in (0, 7):  # a parameter without a gradient is skipped
            gradients[1] = None
        give(ours, gradients)
        optimizer.step()
        if oracle == "torch":
            give(theirs, gradients)
            other.step()
        else:
            other.step(gradients)
    expected = [q.detach().numpy() for q in theirs] if oracle == "torch" else other.arrays
    for p, q in zip(ours, expected, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q, rtol=tol, atol=tol)


@pytest.mark.parametrize("name, options", CASES)
def test_other_dtypes_take_the_same_steps(name, options):
    rng = np.random.default_rng(0)
    p, q = (fa.tensor(np.ones(4, d), requires_grad=True) for d in ("float64", "longdouble"))
    a, b = (getattr(optim, name)([x], lr=0.05, **options) for x in (p, q))
    for _ in range(5):
        g = rng.normal(size=4)
        p.grad, q.grad = fa.tensor(g), fa.tensor(g.astype("longdouble"))
        a.step()
        b.step()
    assert q.dtype == np.longdouble
    np.testing.assert_allclose(q.detach().numpy().astype(float), p.detach().numpy(), rtol=1e-13)


@pytest.mark.parametrize("size", (3, 40_000))  # the larger one without the GIL
def test_strided_parameters_and_gradients(size):
    a = np.zeros((size, 2))
    p = fa.from_numpy(a[:, 0]).requires_grad_()
    p.grad = fa.from_numpy(np.arange(2.0 * size)[::2])
    optim.SGD([p], lr=1.0).step()
    assert (a[:, 0] == -np.arange(2.0 * size)[::2]).all() and (a[:, 1] == 0).all()


def test_groups_have_their_options():
    p, q, r = (fa.tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [r], "weight_decay": 1.0})
    for x in (p, q, r):
        x.grad = fa.tensor([1.0])
    optimizer.step()
    assert [round(x.item(), 12) for x in (p, q, r)] == [0.9, 0.5, 0.8]
    optimizer.param_groups[0]["lr"] = 0.2  # as a schedule does
    optimizer.step()
    assert round(p.item(), 12) == 0.7
    optimizer.zero_grad()
    assert p.grad is None and r.grad is None


def test_closure_and_versions():
    p = fa.tensor([2.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0 and p.item() == 1.6
    y = (p * p).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("name, options", CASES)
def test_state_goes_on_where_it_stopped(name, options):
    rng = np.random.default_rng(0)
    ours = leaves(drawn(rng, "float64"))
    a = getattr(optim, name)([{"params": ours[:1]}, {"params": ours[1:], "lr": 0.1}], lr=0.05, **options)
    for _ in range(3):
        give(ours, drawn(rng, "float64"))
        a.step()
    copies = [fa.tensor(p.detach(), requires_grad=True) for p in ours]
    b = getattr(optim, name)([{"params": copies[:1]}, {"params": copies[1:]}], lr=7.0)
    state = a.state_dict()
    b.load_state_dict(state)
    for _ in range(3):
        give(ours, drawn(rng, "float64"))
        for p, q in zip(copies, ours, strict=True):
            p.grad = fa.tensor(q.grad)
        a.step()
        b.step()
    assert all((p.detach().numpy() == q.detach().numpy()).all() for p, q in zip(ours, copies, strict=True))
    assert [g["params"] for g in state["param_groups"]] == [[0], [1, 2]]


@with_torch
@pytest.mark.parametrize("name, options", CASES)
def test_state_of_pytorch(name, options):
    """PyTorch's state_dict has the same positions and names."""
    rng = np.random.default_rng(0)
    arrays = drawn(rng, "float64")
    ours, theirs = leaves(arrays), [torch.tensor(a, requires_grad=True) for a in arrays]
    b = getattr(torch.optim, name)(theirs, lr=0.05, **options)
    for _ in range(3):
        give(theirs, drawn(rng, "float64"))
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        p.detach().copy_(q.detach().numpy())
    a = getattr(optim, name)(ours, **options)
    a.load_state_dict(b.state_dict())
    gradients = drawn(rng, "float64")
    give(ours, gradients)
    give(theirs, gradients)
    a.step()
    b.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-12)


def leaf(value=(1.0, 2.0), **kw):
    return fa.tensor(value, requires_grad=True, **kw)


def read_only():
    a = np.zeros(2)
    a.flags.writeable = False
    p = fa.from_numpy(a).requires_grad_()
    p.grad = fa.tensor([1.0, 1.0])
    optim.SGD([p]).step()


def complex_parameter():
    p = fa.tensor([1j], requires_grad=True)
    p.grad = fa.tensor([1j])
    optim.Adam([p]).step()


def state_of_another_shape():
    p, q = leaf(), leaf((1.0,))
    p.grad = fa.tensor([1.0, 1.0])
    a = optim.SGD([p], momentum=0.9)
    a.step()
    optim.SGD([q], momentum=0.9).load_state_dict(a.state_dict())


def params_appended_by_hand():
    a = optim.SGD([leaf()])
    a.param_groups[0]["params"].append(leaf())
    a.step()


@pytest.mark.parametrize("groups", (1, 2))
@pytest.mark.parametrize("name, options", CASES)
def test_a_refused_step_changes_nothing(name, options, groups):
    """Whatever is wrong with the last parameter, the first is not stepped and its state not made."""
    locked = np.zeros(2)
    locked.flags.writeable = False
    last = fa.from_numpy(locked).requires_grad_()
    first = leaf()
    params = [first, last]
    optimizer = getattr(optim, name)(params if groups == 1 else [{"params": [p]} for p in params], **options)
    before = optimizer.state_dict()
    for p in params:
        p.grad = fa.tensor([1.0, 1.0])
    with pytest.raises(ValueError, match="read-only"):
        optimizer.step()
    optimizer.param_groups[-1]["params"][-1] = other = leaf()
    other.grad = fa.tensor([1.0, 1.0])
    optimizer.param_groups[-1]["lr"] = "0.1"
    with pytest.raises(TypeError):
        optimizer.step()
    assert first.tolist() == [1.0, 2.0] and other.tolist() == [1.0, 2.0]
    assert optimizer.state_dict()["state"] == before["state"] == {}


TWICE = leaf()
BAD = {
    "nothing": (lambda: optim.SGD([]), ValueError, "no parameters"),
    "a tensor": (lambda: optim.SGD(leaf()), TypeError, "iterable"),
    "an array": (lambda: optim.SGD([np.zeros(2)]), TypeError, "parameter 0 must be a Tensor"),
    "twice": (lambda: optim.SGD([TWICE, TWICE]), ValueError, "parameter 1 .* twice"),
    "a result": (lambda: optim.SGD([leaf() * 2]), ValueError, "multiply"),
    "lr": (lambda: optim.SGD([leaf()], lr=-1), ValueError, "lr"),
    "lr NaN": (lambda: optim.Adam([leaf()], lr=float("nan")), ValueError, "lr"),
    "betas": (lambda: optim.Adam([leaf()], betas=(1.0, 0.9)), ValueError, "betas"),
    "nesterov": (lambda: optim.SGD([leaf()], nesterov=True), ValueError, "momentum"),
    "option": (lambda: optim.SGD([{"params": [leaf()], "beta": 1}]), ValueError, "'beta'"),
    "read-only": (read_only, ValueError, "read-only"),
    "complex": (complex_parameter, TypeError, "complex"),
    "state": (state_of_another_shape, ValueError, r"momentum_buffer .*\(2,\)"),
    "groups": (
        lambda: optim.SGD([leaf()]).load_state_dict(optim.SGD([leaf(), leaf()]).state_dict()),
        ValueError,
        "groups",
    ),
    "by hand": (params_appended_by_hand, ValueError, "add_param_group"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
