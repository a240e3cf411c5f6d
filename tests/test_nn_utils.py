"""nn.utils beside PyTorch's: vectors of parameters, functional_call, parametrizations, packed sequences; and nn.init."""
import copy
import math
import pickle

import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad.nn.utils import parameters_to_vector, vector_to_parameters
from fastad.nn.utils.parametrizations import spectral_norm, weight_norm
from fastad.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations
from fastad.nn.utils.rnn import pack_sequence, pad_packed_sequence
from fastad.nn.utils.stateless import functional_call
from fastad.testing import check_grads

try:
    import torch
except ImportError:
    torch = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")
RNG = np.random.default_rng(12)


def close(a, b, tol=1e-12):
    np.testing.assert_allclose(a.detach().numpy() if isinstance(a, fa.Tensor) else a, b, rtol=tol, atol=tol)


# ---- vectors -----------------------------------------------------------------------------------------
def test_parameters_to_vector_and_back():
    net = nn.Sequential(nn.Linear(3, 2, dtype="float64"), nn.Linear(2, 1, dtype="float64"))
    v = parameters_to_vector(net.parameters())
    assert v.shape == (3 * 2 + 2 + 2 + 1,)
    (v * np.arange(11.0)).sum().backward()
    close(net[0].weight.grad, np.arange(6.0).reshape(2, 3))
    objects = list(net.parameters())
    vector_to_parameters(fa.arange(11.0) * 2, net.parameters())
    assert all(p is q for p, q in zip(objects, net.parameters(), strict=True))
    close(parameters_to_vector(net.parameters()), np.arange(11.0) * 2)
    for bad in (np.zeros(10), np.zeros((11, 1))):
        with pytest.raises(ValueError, match="11 numbers together"):
            vector_to_parameters(bad, net.parameters())
    with pytest.raises(TypeError, match="complex128"):
        vector_to_parameters(np.zeros(11) * 1j, net.parameters())
    with pytest.raises(ValueError, match="no parameter"):
        parameters_to_vector([])
    close(parameters_to_vector(net.parameters()), np.arange(11.0) * 2)


# ---- functional_call ---------------------------------------------------------------------------------
class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2, dtype="float64")
        self.b = self.a
        self.register_buffer("calls", fa.tensor([0.0]))

    def forward(self, x, scale=1.0):
        self.calls = self.calls + 1
        return self.b(self.a(x)) * scale


def test_functional_call_leaves_the_module_as_it_was():
    net, x = Counting(), fa.tensor([1.0, -2.0])
    own, w = net.a.weight, RNG.normal(size=(2, 2))
    given = {"a.weight": fa.tensor(w, requires_grad=True), "calls": fa.tensor([5.0])}
    y = functional_call(net, given, x, {"scale": 2.0})
    close(y, 2 * (w @ (w @ x.numpy() + net.a.bias.detach().numpy()) + net.a.bias.detach().numpy()))    # tied
    assert net.a.weight is own and net.b.weight is own and net.calls.tolist() == [0] and given["calls"].tolist() == [6]
    y.sum().backward()
    assert given["a.weight"].grad is not None and own.grad is None and net.a.bias.grad is not None
    check_grads(lambda w, b: functional_call(net, {"a.weight": w, "a.bias": b}, (x,)), (w, np.ones(2)), order=2)
    untied = functional_call(net, {"a.weight": fa.tensor(w), "b.weight": fa.tensor(w)}, x, tie_weights=False)
    assert untied.shape == (2,)
    with pytest.raises(ZeroDivisionError):
        functional_call(net, {"a.weight": fa.tensor(w)}, x, {"scale": Fails()})
    assert net.a.weight is own


class Fails:
    __array_ufunc__ = None

    def __rmul__(self, other):
        raise ZeroDivisionError


@pytest.mark.parametrize("given, options, error, message", [
    ({"a.wait": 0}, {}, RuntimeError, "no parameter or buffer a.wait; it has calls, a.weight, a.bias"),
    ({"a.weight": np.ones((2, 2))}, {}, TypeError, "a.weight must be a tensor, got ndarray"),
    ({"a.weight": 1, "b.weight": 2}, {}, ValueError, "a.weight and b.weight are one tensor"),
    ({"a.weight": 1}, {"strict": True}, RuntimeError, "calls, a.bias, b.bias are missing"),
])
def test_functional_call_refuses(given, options, error, message):
    net = Counting()
    given = {k: fa.ones((2, 2)) * v if isinstance(v, int) else v for k, v in given.items()}
    with pytest.raises(error, match=message):
        functional_call(net, given, fa.ones(2), **options)


# ---- parametrizations --------------------------------------------------------------------------------
LAYERS = {
    "linear": (lambda s, kw: s.nn.Linear(4, 3, **kw), (5, 4)),
    "lstm": (lambda s, kw: s.nn.LSTM(4, 3, **kw), (5, 2, 4)),
}


def pair(kind, norm, **options):
    """The same layer in both libraries, normalised, with the same numbers."""
    make, shape = LAYERS[kind]
    name = {"linear": "weight", "lstm": "weight_hh_l0"}[kind]
    ours = make(fa, {"dtype": "float64"})
    theirs = make(torch, {}).double()
    theirs = getattr(torch.nn.utils.parametrizations, norm)(theirs, name, **{"dim" if k == "axis" else k: v for k, v in options.items()})
    ours = {"weight_norm": weight_norm, "spectral_norm": spectral_norm}[norm](ours, name, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict()) and ours.load_state_dict(theirs.state_dict()) == ([], [])
    return ours, theirs, name, RNG.normal(size=shape)


@with_torch
@pytest.mark.parametrize("kind, norm, options", [
    *[(kind, "weight_norm", options) for kind in LAYERS for options in ({}, {"axis": 1}, {"axis": None})],
    *[("linear", "spectral_norm", options) for options in ({}, {"n_power_iterations": 3, "axis": 1})]])
def test_normalised_weights_are_pytorchs(kind, norm, options):
    ours, theirs, name, x = pair(kind, norm, **options)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        ours.zero_grad()
        theirs.zero_grad()
        y, z = ours(fa.tensor(x)), theirs(torch.tensor(x))
        y, z = (y[0], z[0]) if isinstance(y, tuple) else (y, z)
        close(y, z.detach().numpy(), 1e-10)
        (y * y).sum().backward()
        (z * z).sum().backward()
        for (n, p), (m, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert n == m
            close(p.grad, q.grad.numpy(), 1e-10)
        for (n, p), q in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-10, err_msg=n)
    before = getattr(ours, name).detach().numpy()
    remove_parametrizations(ours, name)
    close(getattr(ours, name), before)
    assert not is_parametrized(ours) and type(ours).__name__ in ("Linear", "LSTM") and isinstance(getattr(ours, name), nn.Parameter)


def test_weight_norm_by_hand():
    layer = nn.Linear(3, 2, dtype="float64")
    w = layer.weight.detach().numpy().copy()
    plain = type(layer)
    assert weight_norm(layer) is layer and isinstance(layer, plain)
    close(layer.weight, w)                                # setting it up changes nothing
    g, v = layer.parametrizations["weight"].original0, layer.parametrizations["weight"].original1
    close(g, np.linalg.norm(w, axis=1, keepdims=True))
    fa.optim.SGD([g], lr=1.0)
    g.detach().fill_(2.0)
    close(np.linalg.norm(layer.weight.detach().numpy(), axis=1), [2, 2])
    check_grads(lambda g, v: functional_call(layer, {"parametrizations.weight.original0": g, "parametrizations.weight.original1": v},
                                             fa.ones(3)), (g.detach().numpy(), v.detach().numpy()))
    layer.weight = fa.ones((2, 3))                        # through right_inverse
    close(layer.weight, np.ones((2, 3)))
    close(g, np.full((2, 1), math.sqrt(3)))
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*got \(3,\)"):
        layer.weight = fa.ones(3)
    with pytest.raises(ValueError, match="leave_parametrized=True"):
        remove_parametrizations(layer, "weight", leave_parametrized=False)
    remove_parametrizations(layer, "weight")
    assert type(layer) is plain and list(layer.state_dict()) == ["bias", "weight"] and "parametrizations" not in vars(layer)
    layer.weight.detach().fill_(0.0)
    close(layer(fa.ones(3)), layer.bias.detach().numpy())


def test_spectral_norm_reaches_the_singular_value_and_rests_in_evaluation():
    layer = spectral_norm(nn.Linear(6, 4, dtype="float64"), n_power_iterations=50)
    layer(fa.ones(6))
    assert np.linalg.svd(layer.weight.detach().numpy())[1][0] == pytest.approx(1, rel=1e-8)
    layer.eval()
    u = layer.parametrizations["weight"][0]._u
    layer(fa.ones(6))
    assert layer.parametrizations["weight"][0]._u is u
    vector = spectral_norm(nn.PReLU(3, dtype="float64"))
    assert np.linalg.norm(vector.weight.detach().numpy()) == pytest.approx(1)
    for call, error, message in ((lambda: spectral_norm(nn.ReLU()), ValueError, "ReLU has no parameter or buffer 'weight'"),
                                 (lambda: spectral_norm(nn.Linear(2, 2), n_power_iterations=0), ValueError, "n_power_iterations"),
                                 (lambda: spectral_norm(nn.Linear(2, 2), axis=5), np.exceptions.AxisError, "axis 5"),
                                 (lambda: weight_norm(nn.Linear(2, 2), axis=5), np.exceptions.AxisError, "axis 5"),
                                 (lambda: weight_norm(nn.Linear(2, 2), "wait"), ValueError, "no parameter or buffer 'wait'.*weight, bias")):
        with pytest.raises(error, match=message):
            call()


class Symmetric(nn.Module):
    def forward(self, x):
        return fa.triu(x) + fa.triu(x, 1).T

    def right_inverse(self, a):
        return fa.triu(a)


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x

    def right_inverse(self, y):
        return y / 2


class Flat(nn.Module):
    def forward(self, x):
        return x.reshape(-1)


def test_parametrizations_one_after_the_other():
    layer = nn.Linear(3, 3, dtype="float64")
    own = layer.weight
    optimizer = fa.optim.SGD(layer.parameters(), lr=0.1)
    register_parametrization(layer, "weight", Symmetric())
    assert layer.parametrizations["weight"].original is own and is_parametrized(layer, "weight") and not is_parametrized(layer, "bias")
    now = layer.weight.detach().numpy()
    register_parametrization(layer, "weight", Doubled())
    close(layer.weight, now)                              # by its right_inverse
    register_parametrization(layer, "bias", Doubled())
    for _ in range(3):                                    # the optimizer holds the original
        optimizer.zero_grad()
        (layer(fa.ones((2, 3))) ** 2).sum().backward()
        optimizer.step()
    w = layer.weight.detach().numpy()
    close(w, w.T)
    assert not np.allclose(w, now)
    layer.weight = fa.eye(3)
    close(layer.weight, np.eye(3))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        twin.weight = 2 * fa.eye(3)
        close(layer.weight, np.eye(3))
        assert isinstance(twin, nn.Linear) and len(list(twin.parameters())) == 2
    remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight is own and is_parametrized(layer, "bias")
    remove_parametrizations(layer, "bias")
    assert not is_parametrized(layer)


def test_hooks_and_parametrizations_together():
    layer, seen = nn.Linear(2, 2, dtype="float64"), []
    handle = layer.register_forward_hook(lambda *a: seen.append(1))
    weight_norm(layer)
    layer(fa.ones(2))
    handle.remove()
    layer(fa.ones(2))
    assert seen == [1] and is_parametrized(layer, "weight")
    handle = layer.register_forward_hook(lambda *a: seen.append(2))
    remove_parametrizations(layer, "weight")
    layer(fa.ones(2))
    handle.remove()
    assert seen == [1, 2] and type(layer) is nn.Linear


def test_parametrizations_of_buffers_and_what_does_not_fit():
    class WithBuffer(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", fa.tensor([1.0, 2.0]), persistent=False)

    m = register_parametrization(WithBuffer(), "scale", Doubled())
    assert m.scale.tolist() == [1, 2] and not list(m.parameters()) and not m.state_dict()
    remove_parametrizations(m, "scale")
    assert m.scale.tolist() == [1, 2] and not m.state_dict() and "scale" in dict(m.named_buffers())
    layer = nn.Linear(2, 3, dtype="float64")
    before = layer.weight.detach().numpy().copy()
    for call, error, message in ((lambda: register_parametrization(layer, "weight", Flat()), ValueError, r"shape \(2,? ?3?|shape \(3, 2\)"),
                                 (lambda: register_parametrization(layer, "wait", Flat()), ValueError, "no parameter or buffer 'wait'"),
                                 (lambda: register_parametrization(layer, "weight", fa.tanh), TypeError, "parametrization must be a Module"),
                                 (lambda: remove_parametrizations(layer, "weight"), ValueError, "has no parametrization")):
        with pytest.raises(error, match=message):
            call()
        assert not is_parametrized(layer) and list(layer.state_dict()) == ["weight", "bias"]
        close(layer.weight, before)
    register_parametrization(layer, "weight", Doubled())
    with pytest.raises(ValueError, match="Flat makes of it"):
        register_parametrization(layer, "weight", Flat())
    close(layer.weight, before)
    register_parametrization(layer, "weight", Flat(), unsafe=True)
    assert layer.weight.shape == (6,)


# ---- sequences ---------------------------------------------------------------------------------------
def test_packed_sequences_in_other_dtypes():
    packed = pack_sequence([fa.tensor([1.0, 2.0, 3.0]), fa.tensor([4.0])])
    for name, dtype in (("float", "float32"), ("double", "float64"), ("half", "float16"), ("int", "int32"), ("long", "int64")):
        other = getattr(packed, name)()
        assert other.data.dtype == dtype and other.batch_sizes.tolist() == [2, 1, 1]
        assert pad_packed_sequence(other)[0].tolist() == [[1, 4], [2, 0], [3, 0]]
    assert packed.cpu() is packed and packed.to("cpu") is packed and packed.to("float32").data.dtype == np.float32
    assert nn.LSTM(2, 3).flatten_parameters() is None


# ---- initial values ----------------------------------------------------------------------------------
@pytest.mark.parametrize("mean, std, a, b", [(0, 1, -2, 2), (0, 1, -0.1, 0.05), (1, 2, -2, 0), (0, 1, 3, 5), (0, 1, -9, -6), (0, 1, 0.5, 40),
                                             (0, 0.01, -2, 2), (5, 1, -1, 1), (0, 1, 2, 2.001)])
def test_truncated_normals_have_their_moments(mean, std, a, b):
    n = 40_000
    w = nn.init.trunc_normal_(fa.zeros((200, n // 200)), mean, std, a, b, np.random.default_rng(0)).numpy().ravel()
    assert w.min() >= a and w.max() <= b
    top = min(max((mean - 40 * std), a), b), max(min(mean + 40 * std, b), a)
    grid = np.linspace(*top, 400_001)
    peak = min(max(mean, a), b)
    p = np.exp(((peak - mean) ** 2 - (grid - mean) ** 2) / (2 * std ** 2))
    first = (p * grid).sum() / p.sum()
    second = (p * (grid - first) ** 2).sum() / p.sum()
    fourth = (p * (grid - first) ** 4).sum() / p.sum()
    assert abs(w.mean() - first) < 5 * math.sqrt(second / n)
    assert abs(w.var() - second) < 5 * math.sqrt((fourth - second ** 2) / n)


def test_truncated_normals_without_room():
    assert nn.init.trunc_normal_(fa.zeros(5), a=1.0, b=1.0).tolist() == [1.0] * 5
    assert nn.init.trunc_normal_(fa.zeros((0, 2))).shape == (0, 2)
    for options, message in (({"a": 2.0, "b": 1.0}, "a=2.0"), ({"std": 0.0}, "std")):
        with pytest.raises(ValueError, match=message):
            nn.init.trunc_normal_(fa.zeros(2), **options)


@pytest.mark.parametrize("shape", ((4, 4), (3, 7), (7, 3), (4, 3, 2, 2), (1, 5)))
def test_orthogonal(shape):
    w = nn.init.orthogonal_(fa.zeros(shape), 1.5, np.random.default_rng(0)).numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    close(gram, 2.25 * np.eye(len(gram)), 1e-12)


def test_orthogonal_matrices_are_evenly_distributed():
    """Without the sign of the diagonal the first entry would always be negative."""
    found = np.array([nn.init.orthogonal_(fa.zeros((3, 3)), generator=np.random.default_rng(k)).numpy() for k in range(2000)])
    assert np.abs(found.mean(0)).max() < 5 * math.sqrt(1 / 3 / 2000) and np.abs(found.var(0) - 1 / 3).max() < 0.05


def test_eye_and_refusals():
    assert nn.init.eye_(fa.zeros((2, 3))).tolist() == [[1, 0, 0], [0, 1, 0]]
    for call, message in ((lambda: nn.init.eye_(fa.zeros(3)), r"\(3,\)"), (lambda: nn.init.orthogonal_(fa.zeros(3)), "2 axes")):
        with pytest.raises(ValueError, match=message):
            call()
    w = fa.zeros((3, 3))
    for call, message in ((lambda: nn.init.uniform_(w, 1, 0), "uniform_: a=1 must not be above b=0"),
                          (lambda: nn.init.normal_(w, 0, -1), "normal_: std must be at least 0, got -1"),
                          (lambda: nn.init.xavier_uniform_(w, -1.0), "gain must be at least 0, got -1")):
        with pytest.raises(ValueError, match=message):
            call()
    assert not w.numpy().any()
    with pytest.raises(TypeError, match="init: expected a tensor to fill, got ndarray"):
        nn.init.uniform_(np.zeros(3))
    p = nn.Parameter(fa.zeros((3, 3), dtype="float32"))
    assert nn.init.orthogonal_(p) is p and p.dtype == np.float32 and p.requires_grad and p.is_leaf
    assert nn.init.orthogonal_(fa.zeros((0, 3))).shape == (0, 3)


@with_torch
def test_names_and_arguments_are_pytorchs():
    import inspect
    for name in ("calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_",
                 "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_"):
        ours = list(inspect.signature(getattr(nn.init, name)).parameters)
        theirs = list(inspect.signature(getattr(torch.nn.init, name)).parameters)
        assert ours[:len(theirs)] == theirs, name
