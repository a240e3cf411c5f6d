"""Optimizers: fifty steps beside the formulas in NumPy and beside PyTorch's, states saved and loaded, what they refuse."""
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
    ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("NAdam", {}),
    ("NAdam", {"betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.05, "maximize": True}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adamax", {}),
    ("Adamax", {"betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.6, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True, "eps": 1e-3}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-3}),
    ("Rprop", {}),
    ("Rprop", {"etas": (0.3, 1.5), "step_sizes": (1e-2, 0.1), "maximize": True}),
]
NAMES = list(dict.fromkeys(name for name, _ in CASES))
L1 = [(name, {"l1": 0.3}) for name in NAMES] + [(name, {"l1": 0.2, "weight_decay": 0.1, "maximize": True}) for name in NAMES]


def drawn(rng, dtype, shapes=((3, 4), (5,), ())):
    return [np.asarray(rng.normal(size=s), dtype) for s in shapes]


def leaves(arrays):
    return [fa.tensor(a, requires_grad=True) for a in arrays]


def give(parameters, gradients):
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = g if g is None else fa.tensor(g) if isinstance(p, fa.Tensor) else torch.tensor(g)


DEFAULTS = {"AdamW": {"weight_decay": 0.01}, "Adadelta": {"eps": 1e-6}, "Adagrad": {"eps": 1e-10}}


class Formulas:
    """The steps as PyTorch's documentation writes them, on NumPy arrays."""

    def __init__(self, name, arrays, lr, options):
        self.rule, self.lr = getattr(self, name.lower()), lr
        self.o = {"momentum": 0, "dampening": 0, "nesterov": False, "weight_decay": 0, "maximize": False, "betas": (0.9, 0.999),
                  "eps": 1e-8, "amsgrad": False, "l1": 0, "decoupled_weight_decay": name == "AdamW", "momentum_decay": 4e-3,
                  "rho": 0.9, "lr_decay": 0, "initial_accumulator_value": 0, "alpha": 0.99, "centered": False,
                  "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)} | DEFAULTS.get(name, {}) | options
        self.arrays, self.state = arrays, [{"t": 0} for _ in arrays]

    def step(self, gradients):
        decay = self.o["weight_decay"]
        for i, (p, g, state) in enumerate(zip(self.arrays, gradients, self.state, strict=True)):
            if g is not None:
                state["t"] += 1
                g = (-g if self.o["maximize"] else g) + self.o["l1"] * np.sign(p)
                p, g = (p * (1 - self.lr * decay), g) if self.o["decoupled_weight_decay"] else (p, g + decay * p)
                self.arrays[i] = self.rule(p, g, state)

    def sgd(self, p, g, state):
        if self.o["momentum"]:
            b = g if state["t"] == 1 else self.o["momentum"] * state["b"] + (1 - self.o["dampening"]) * g
            state["b"] = b
            g = g + self.o["momentum"] * b if self.o["nesterov"] else b
        return p - self.lr * g

    @staticmethod
    def mean(state, name, x, keep):
        state[name] = keep * state.get(name, 0) + (1 - keep) * x
        return state[name]

    def adam(self, p, g, state):
        (b1, b2), t = self.o["betas"], state["t"]
        m, v = self.mean(state, "m", g, b1), self.mean(state, "v", g * g, b2)
        if self.o["amsgrad"]:
            v = state["top"] = np.maximum(state.get("top", 0), v)
        return p - self.lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + self.o["eps"])

    adamw = adam

    def nadam(self, p, g, state):
        (b1, b2), t = self.o["betas"], state["t"]
        mu = [b1 * (1 - 0.5 * 0.96 ** (k * self.o["momentum_decay"])) for k in range(1, t + 2)]
        m, v = self.mean(state, "m", g, b1), self.mean(state, "v", g * g, b2) / (1 - b2**t)
        hat = mu[t] * m / (1 - np.prod(mu)) + (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t]))
        return p - self.lr * hat / (np.sqrt(v) + self.o["eps"])

    def radam(self, p, g, state):
        (b1, b2), t = self.o["betas"], state["t"]
        m, v = self.mean(state, "m", g, b1) / (1 - b1**t), self.mean(state, "v", g * g, b2)
        most = 2 / (1 - b2) - 1
        rho = most - 2 * t * b2**t / (1 - b2**t)
        if rho <= 5:
            return p - self.lr * m
        r = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        return p - self.lr * m * r * np.sqrt(1 - b2**t) / (np.sqrt(v) + self.o["eps"])

    def adamax(self, p, g, state):
        b1, b2 = self.o["betas"]
        m, state["u"] = self.mean(state, "m", g, b1), np.maximum(b2 * state.get("u", 0), abs(g) + self.o["eps"])
        return p - self.lr / (1 - b1 ** state["t"]) * m / state["u"]

    def adadelta(self, p, g, state):
        rho, eps = self.o["rho"], self.o["eps"]
        d = np.sqrt(state.get("u", 0) + eps) / np.sqrt(self.mean(state, "v", g * g, rho) + eps) * g
        self.mean(state, "u", d * d, rho)
        return p - self.lr * d

    def adagrad(self, p, g, state):
        state["s"] = state.get("s", self.o["initial_accumulator_value"]) + g * g
        return p - self.lr / (1 + (state["t"] - 1) * self.o["lr_decay"]) * g / (np.sqrt(state["s"]) + self.o["eps"])

    def rmsprop(self, p, g, state):
        v = self.mean(state, "v", g * g, self.o["alpha"])
        if self.o["centered"]:
            v = v - self.mean(state, "m", g, self.o["alpha"]) ** 2
        state["b"] = self.o["momentum"] * state.get("b", 0) + g / (np.sqrt(v) + self.o["eps"])
        return p - self.lr * state["b"]

    def rprop(self, p, g, state):
        same = g * state.get("g", 0 * g)
        size = state.get("size", np.full_like(p, self.lr)) * np.where(same > 0, self.o["etas"][1], np.where(same < 0, self.o["etas"][0], 1))
        state["size"], state["g"] = np.clip(size, *self.o["step_sizes"]), np.where(same < 0, 0, g)
        return p - np.sign(state["g"]) * state["size"]


@pytest.fixture
def doubles():
    """PyTorch keeps NAdam's product of momenta in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def fifty_steps(name, options, dtype, make, seed=0):
    """The parameters after fifty steps of the optimizer that `make` returns, and those of ours."""
    rng = np.random.default_rng(seed)
    arrays = drawn(rng, dtype, SHAPES)
    ours = leaves(arrays)
    optimizer, other = getattr(optim, name)(ours, lr=0.05, **options), make(arrays)
    for i in range(50):
        gradients = drawn(rng, dtype, SHAPES)
        if i in (0, 7):  # a parameter without a gradient is skipped
            gradients[1] = None
        give(ours, gradients)
        optimizer.step()
        other.step(gradients)
    return [p.detach().numpy() for p in ours], other.arrays


class Torch:
    """PyTorch's optimizer; l1 is added to its gradients by hand."""

    def __init__(self, name, arrays, options):
        options = dict(options)
        self.l1 = options.pop("l1", 0) * (-1 if options.get("maximize") else 1)
        self.decay = options.pop("weight_decay", 0) * (-1 if options.get("maximize") else 1) if name == "Rprop" else 0
        self.leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
        self.optimizer = getattr(torch.optim, name)(self.leaves, lr=0.05, **options)

    def step(self, gradients):
        give(self.leaves, [g if g is None else g + (self.l1 * np.sign(x) + self.decay * x).astype(g.dtype)
                           for g, x in zip(gradients, self.arrays, strict=True)])
        self.optimizer.step()

    @property
    def arrays(self):
        return [q.detach().numpy().copy() for q in self.leaves]


SHAPES = ((3, 4), (5,), (), (0,), (2, 0), (41, 61))
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name, options", CASES + L1)
def test_fifty_steps(name, options, dtype):
    ours, expected = fifty_steps(name, options, dtype, lambda arrays: Formulas(name, [a.astype(float) for a in arrays], 0.05, options))
    for p, q in zip(ours, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@with_torch
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name, options", CASES + L1)
def test_fifty_steps_of_pytorch(name, options, dtype, doubles):
    ours, expected = fifty_steps(name, options, dtype, lambda arrays: Torch(name, arrays, options))
    for p, q in zip(ours, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ("float32", "float64", "longdouble"))
def test_a_variance_below_zero_by_rounding(dtype):
    """RMSprop, centred, where all gradients are the same: v - m^2 is 0 up to rounding."""
    p = fa.tensor(np.zeros(97, dtype), requires_grad=True)
    optimizer = optim.RMSprop([p], centered=True, alpha=0.3)
    for _ in range(60):
        p.grad = fa.tensor(np.linspace(-3, 3, 97).astype(dtype))
        optimizer.step()
    assert np.isfinite(p.detach().numpy()).all()


# ---- penalties: spec sections 4 and 7 -----------------------------------------------------------------
def steps_with(penalty, **options):
    """Twenty steps of descent on (w - 1)^2 / 2 and a penalty as a term of the loss."""
    w = fa.tensor([0.5, -0.25, 0.0, 2.0], dtype="float64", requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, **options)
    for _ in range(20):
        optimizer.zero_grad()
        (((w - 1) ** 2).sum() / 2 + penalty(w)).backward()
        optimizer.step()
    return w.detach().numpy()


def test_options_are_terms_of_the_loss():
    for penalty, options in (
            (lambda w: 0.3 * (w * w).sum(), {"weight_decay": 0.6}), (lambda w: 0.3 * fa.abs(w).sum(), {"l1": 0.3}),
            (lambda w: (0.2 * w * w + 0.3 * fa.abs(w)).sum(), {"weight_decay": 0.4, "l1": 0.3})):
        np.testing.assert_allclose(steps_with(lambda w: 0 * w.sum(), **options), steps_with(penalty), rtol=1e-12)


def test_penalties_without_a_loss():
    eta, alpha = 0.1, 0.3
    for make, factor in ((lambda p: optim.SGD(p, lr=eta, weight_decay=2 * alpha), 1 - 2 * eta * alpha),
                         (lambda p: optim.AdamW(p, lr=eta, weight_decay=alpha), 1 - eta * alpha)):
        p = fa.tensor([1.0, -2.0], dtype="float64", requires_grad=True)
        p.grad = fa.tensor([0.0, 0.0], dtype="float64")
        make([p]).step()
        np.testing.assert_allclose(p.detach().numpy(), [factor, -2 * factor], rtol=1e-15)
    p = fa.tensor([1.0, -2.0, 0.0, -0.0], dtype="float64", requires_grad=True)
    p.grad = fa.tensor(np.zeros(4))
    optim.SGD([p], lr=0.25, l1=0.5).step()
    assert p.tolist() == [0.875, -1.875, 0.0, 0.0]                       # sign(0) = 0


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_l1_are_seams_nowhere(name):
    """One long parameter as many short ones."""
    rng, size = np.random.default_rng(0), 5000
    a, options = rng.normal(size=size), {"l1": 0.1, "lr": 0.05}
    p, parts = fa.tensor(a, requires_grad=True), [fa.tensor(x, requires_grad=True) for x in np.split(a, 50)]
    whole, many = getattr(optim, name)([p], **options), getattr(optim, name)(parts, **options)
    for _ in range(3):
        g = rng.normal(size=size)
        p.grad = fa.tensor(g)
        give(parts, np.split(g, 50))
        whole.step()
        many.step()
    np.testing.assert_allclose(p.detach().numpy(), np.concatenate([q.detach().numpy() for q in parts]), rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("name, options", CASES + L1)
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
    tolerance = 1e-11 if options.get("centered") else 1e-13               # v - m^2 cancels
    np.testing.assert_allclose(q.detach().numpy().astype(float), p.detach().numpy(), rtol=tolerance)


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


@pytest.mark.parametrize("make", [lambda p: optim.Adam(p), lambda p: optim.LBFGS(p)], ids=["Adam", "LBFGS"])
def test_what_is_no_state_is_refused(make):
    p = fa.tensor([1.0, 2.0], requires_grad=True)
    optimizer = make([p])
    good = optimizer.state_dict()
    groups = good["param_groups"]
    for wrong in (None, 3, [], {}, {"state": {}}, {"state": 3, "param_groups": groups}, {"state": {0: 3}, "param_groups": groups},
                  {"state": {}, "param_groups": [3]}, {"state": {}, "param_groups": [{}]}, {"state": {}, "param_groups": 3}):
        with pytest.raises(ValueError, match=f"{type(optimizer).__name__}: this is no state of an optimizer"):
            optimizer.load_state_dict(wrong)
    for lr in ("x", None, -1.0):
        with pytest.raises(ValueError, match="lr must be at least 0, got"):
            optimizer.load_state_dict({"state": {}, "param_groups": [{**groups[0], "lr": lr}]})
    assert optimizer.state_dict() == good


def test_a_count_of_steps_below_zero_is_refused():
    optimizer = optim.Adam([fa.tensor([1.0], requires_grad=True)])
    state = {0: {"step": -3, "exp_avg": np.zeros(1), "exp_avg_sq": np.zeros(1)}}
    with pytest.raises(ValueError, match="Adam: step of parameter 0 must be at least 0, got -3"):
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@with_torch
@pytest.mark.parametrize("name, options", CASES)
def test_state_of_pytorch(name, options, doubles):
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


# ---- what is refused ----------------------------------------------------------------------------------
def leaf(value=(1.0, 2.0), **kw):
    return fa.tensor(value, requires_grad=True, **kw)


def locked():
    a = np.zeros(2)
    a.flags.writeable = False
    return fa.from_numpy(a).requires_grad_()


def read_only():
    p = locked()
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
    first = leaf()
    params = [first, locked()]
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
    "groups": (lambda: optim.SGD([leaf()]).load_state_dict(optim.SGD([leaf(), leaf()]).state_dict()), ValueError, "groups"),
    "by hand": (params_appended_by_hand, ValueError, "add_param_group"),
    "l1": (lambda: optim.SGD([leaf()], l1=-0.1), ValueError, "l1 must be at least 0, got -0.1"),
    "one beta": (lambda: optim.NAdam([leaf()], betas=(0.9,)), ValueError, "NAdam: betas"),
    "rho": (lambda: optim.Adadelta([leaf()], rho=1.5), ValueError, "Adadelta: rho .*1.5"),
    "alpha": (lambda: optim.RMSprop([leaf()], alpha=-1), ValueError, "RMSprop: alpha"),
    "lr_decay": (lambda: optim.Adagrad([leaf()], lr_decay=-1), ValueError, "Adagrad: lr_decay"),
    "accumulator": (lambda: optim.Adagrad([leaf()], initial_accumulator_value=-1), ValueError, "initial_accumulator_value"),
    "momentum_decay": (lambda: optim.NAdam([leaf()], momentum_decay=-1), ValueError, "momentum_decay"),
    "etas": (lambda: optim.Rprop([leaf()], etas=(1.2, 0.5)), ValueError, "Rprop: etas"),
    "step_sizes": (lambda: optim.Rprop([leaf()], step_sizes=(1, 0.5)), ValueError, "Rprop: step_sizes"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
