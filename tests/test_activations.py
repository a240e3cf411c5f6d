"""Activations, the texts' modules, distances and forms: closed forms, kinks, infinities, PyTorch, refusals, all orders."""
import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad.nn import functional as F
from fastad.testing import check_grads

try:
    import torch
except ImportError:
    torch = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")
RNG = np.random.default_rng(5)
INF = np.inf

# name, arguments, the formula
ACTIVATIONS = {
    "celu": ((1.0,), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "celu-2": ((2.0,), lambda x: np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0) / 2))),
    "selu": ((), lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))),
    "softplus": ((2.0, 1.5), lambda x: np.where(2 * x > 1.5, x, np.log1p(np.exp(np.minimum(2 * x, 9))) / 2)),
    "softsign": ((), lambda x: x / (1 + abs(x))),
    "hardtanh": ((), lambda x: np.clip(x, -1, 1)),
    "hardtanh-2": ((-0.5, 2.0), lambda x: np.clip(x, -0.5, 2)),
    "hardsigmoid": ((), lambda x: np.clip(x + 3, 0, 6) / 6),
    "hardswish": ((), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "hardshrink": ((), lambda x: np.where(abs(x) > 0.5, x, 0)),
    "hardshrink-2": ((2.0,), lambda x: np.where(abs(x) > 2, x, 0)),
    "softshrink": ((), lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0)),
    "softshrink-2": ((2.0,), lambda x: np.sign(x) * np.maximum(abs(x) - 2, 0)),
    "tanhshrink": ((), lambda x: x - np.tanh(x)),
    "threshold": ((1.0, -7.0), lambda x: np.where(x > 1, x, -7)),
    "softmin": ((-1,), lambda x: np.exp(-x) / np.exp(-x).sum(-1, keepdims=True)),
    "softmin-0": ((0,), lambda x: np.exp(-x) / np.exp(-x).sum(0, keepdims=True)),
    "glu": ((), lambda x: x[..., :2] / (1 + np.exp(-x[..., 2:]))),
    "glu-1": ((1,), lambda x: x[:, :1] / (1 + np.exp(-x[:, 1:]))),
}
MODULES = {"celu": "CELU", "selu": "SELU", "glu": "GLU"}


def parts(case):
    name = case.partition("-")[0]
    return name, *ACTIVATIONS[case]


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("case", ACTIVATIONS)
def test_formulas(case, dtype):
    name, args, formula = parts(case)
    a = RNG.normal(size=(3, 2, 4)) * 3
    module = getattr(nn, MODULES.get(name, name.capitalize()))(*args)
    for y in (getattr(F, name)(fa.tensor(a.astype(dtype)), *args), module(fa.tensor(a.astype(dtype)))):
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), formula(a), rtol=1e-12 if dtype == "float64" else 1e-5, atol=1e-6)
    assert repr(module).startswith(type(module).__name__ + "(")


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_derivatives_of_both_modes_and_orders(case):
    name, args, _ = parts(case)
    x = RNG.normal(size=(2, 2, 4)) * 2
    for kink in (-3, -2, -1, -0.5, 0, 0.5, 0.75, 1, 2, 3):               # central differences do not see across one
        x[abs(x - kink) < 0.01] += 0.05
    check_grads(lambda x: getattr(F, name)(x, *args), (x,), order=2)


@with_torch
@pytest.mark.parametrize("case", ACTIVATIONS)
def test_values_and_gradients_are_pytorchs_at_kinks_and_infinities_too(case):
    name, args, _ = parts(case)
    a = np.array([-INF, -5, -3, -2, -1, -0.5, -0.0, 0.0, 0.5, 1, 2, 3, 5, INF, np.nan, 1e-3])
    if name in ("softmin", "glu"):
        a = RNG.normal(size=(3, 2, 4))
    x, t = fa.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    y, z = getattr(F, name)(x, *args), getattr(torch.nn.functional, name)(t, *args)
    (y * 3).sum().backward()
    (z * 3).sum().backward()
    ours, theirs = y.detach().numpy(), z.detach().numpy()
    seen = np.isfinite(theirs)                    # where PyTorch has inf - inf or 0 inf, a limit is no mistake
    np.testing.assert_allclose(ours[seen], theirs[seen], rtol=1e-12, atol=1e-14)
    known = np.isfinite(a) & np.isfinite(t.grad.numpy())
    tol = 1e-7 if name == "hardsigmoid" else 1e-12        # PyTorch's derivative has 1/6 in float32
    np.testing.assert_allclose(x.grad.numpy()[known], t.grad.numpy()[known], rtol=tol, atol=1e-14)
    if a.ndim == 1:
        assert np.isnan(ours[-2])                 # a NaN is never hidden


@pytest.mark.parametrize("name, args, slopes", [
    ("hardswish", (), (0, 1)), ("hardsigmoid", (), (0, 0)), ("hardtanh", (), (0, 0)), ("softshrink", (), (1, 1)),
    ("hardshrink", (), (1, 1)), ("celu", (2.0,), (0, 1)), ("selu", (), (0, 1.0507009873554805))])
def test_infinities_have_finite_derivatives(name, args, slopes):
    x = fa.tensor([-INF, INF], requires_grad=True)
    getattr(F, name)(x, *args).backward(np.ones(2))
    np.testing.assert_allclose(x.grad.numpy(), slopes)


@with_torch
@pytest.mark.parametrize("shape, count", [((5, 3), 3), ((5, 3), 1), ((2, 3, 4, 4), 3), ((4,), 1), ((), 1), ((2, 1), 1)])
def test_prelu(shape, count):
    a, w = RNG.normal(size=shape), RNG.normal(size=count)
    x, v = fa.tensor(a, requires_grad=True), nn.Parameter(fa.tensor(w))
    t, u = torch.tensor(a, requires_grad=True), torch.tensor(w, requires_grad=True)
    y, z = F.prelu(x, v), torch.nn.functional.prelu(t, u)
    assert y.shape == tuple(z.shape)
    (y * y).sum().backward()
    (z * z).sum().backward()
    for ours, theirs in ((y.detach(), z.detach()), (x.grad, t.grad), (v.grad, u.grad)):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


def test_prelu_by_hand():
    layer = nn.PReLU(2, 0.5, dtype="float64")
    x = fa.tensor([[-2.0, 3.0], [0.0, -1.0], [INF, -4.0]], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [[0.5, 1], [0.5, 0.5], [1, 0.5]]      # at 0 the weight
    assert layer.weight.grad.tolist() == [-2.0, -5.0]
    with pytest.raises(ValueError, match=r"weight of shape \(2,\).*input of shape \(4, 3\)"):
        layer(fa.ones((4, 3)))
    with pytest.raises(ValueError, match="num_parameters"):
        nn.PReLU(0)


def test_softmax_and_log_sigmoid_hold_at_1e4():
    x = fa.tensor([-1e4, 0.0, 1e4], requires_grad=True)
    assert fa.softmax(x).tolist() == [0, 0, 1] and F.softmin(x).tolist() == [1, 0, 0]
    assert fa.log_softmax(x).tolist() == [-2e4, -1e4, 0]
    assert fa.logsigmoid(x).tolist() == [-1e4, -np.log(2), 0]
    for f in (fa.softmax, fa.log_softmax, fa.logsigmoid, F.softmin):
        x.grad = None
        f(x).backward(np.array([1.0, 2.0, 4.0]))
        assert np.isfinite(x.grad.numpy()).all()


# ---- the texts' modules ------------------------------------------------------------------------------
def test_max_of_gives_a_tie_to_the_second():
    a, b = fa.tensor([1.0, 5.0, 2.0, np.nan, 1.0], requires_grad=True), fa.tensor([4.0, 3.0, 2.0, 1.0, np.nan], requires_grad=True)
    y = nn.MaxOf()(a, b)
    np.testing.assert_array_equal(y.detach().numpy(), [4, 5, 2, np.nan, np.nan])
    y.backward(np.ones(5))
    assert a.grad.tolist() == [0, 1, 0, 1, 0] and b.grad.tolist() == [1, 0, 1, 0, 1]
    a.grad = None
    fa.maximum(a, b).backward(np.ones(5))
    assert a.grad.tolist()[2] == 0.5
    check_grads(nn.MaxOf(), (RNG.normal(size=3), RNG.normal(size=(2, 3))))


def test_duplicate_sums_its_branches():
    x = fa.tensor([1.0, -2.0], requires_grad=True)
    a, b, c = nn.Duplicate(3)(x)
    (2 * a + 3 * b * b + c).sum().backward()
    assert x.grad.tolist() == [2 + 6 + 1, 2 - 12 + 1]
    with pytest.raises(ValueError, match="n must be at least 1"):
        nn.Duplicate(0)


def test_maxout():
    layer = nn.Maxout(3, 2, pieces=4, dtype="float64", generator=np.random.default_rng(0))
    x = RNG.normal(size=(5, 3))
    maps = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(fa.tensor(x)).detach().numpy(), maps.reshape(5, 4, 2).max(1), rtol=1e-12)
    check_grads(lambda x, w, b: nn.utils.stateless.functional_call(layer, {"weight": w, "bias": b}, x),
                (x, layer.weight.detach().numpy(), layer.bias.detach().numpy()))
    assert nn.Maxout(3, 2, bias=False)(fa.ones((4, 1, 3), dtype="float32")).shape == (4, 1, 2)
    assert repr(layer) == "Maxout(in_features=3, out_features=2, pieces=4, bias=True)"
    with pytest.raises(ValueError, match="pieces"):
        nn.Maxout(3, 2, pieces=0)


def test_linear_activation():
    assert nn.LinearActivation(-2.0)(fa.tensor([1.0, -3.0])).tolist() == [-2, 6]
    assert nn.LinearActivation()(fa.tensor([1.0])).tolist() == [1]


def test_layers_with_linear_activations_collapse_to_one_affine_map():
    layers = [nn.Linear(i, o, dtype="float64") for i, o in ((3, 5), (5, 4), (4, 2))]
    W, b = np.eye(3), np.zeros(3)
    for layer in layers:
        V, c = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        W, b = 0.5 * V @ W, 0.5 * (V @ b + c)
    net = nn.Sequential(*[m for layer in layers for m in (layer, nn.LinearActivation(0.5))])
    x = RNG.normal(size=(6, 3))
    np.testing.assert_allclose(net(fa.tensor(x)).detach().numpy(), x @ W.T + b, rtol=1e-12)


# ---- distances ---------------------------------------------------------------------------------------
@with_torch
@pytest.mark.parametrize("shapes, axis", [(((4, 3), (4, 3)), 1), (((4, 3), (3,)), 1), (((2, 1, 5), (1, 3, 5)), 2), (((3,), (3,)), 0),
                                          (((4, 3), (4, 1)), 1), (((4, 3), (4, 3)), 0), (((2, 3, 4), (2, 3, 4)), -2)])
def test_cosine_similarity(shapes, axis):
    agree(lambda a, b: F.cosine_similarity(a, b, axis), lambda a, b: torch.nn.functional.cosine_similarity(a, b, axis),
          *[RNG.normal(size=s) for s in shapes])


@with_torch
def test_cosine_similarity_of_short_vectors():
    a = np.array([[1e-9, 2e-9], [0.0, 0.0], [1.0, 2.0]])
    agree(F.cosine_similarity, torch.nn.functional.cosine_similarity, a, np.ones((3, 2)))


def agree(ours, theirs, *arrays, tol=1e-11):
    x = [fa.tensor(a, requires_grad=True) for a in arrays]
    t = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*x), theirs(*t)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=tol, atol=tol)
    g = np.cos(np.arange(y.size)).reshape(y.shape)
    y.backward(fa.tensor(g))
    z.backward(torch.tensor(g))
    for a, b in zip(x, t, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tol, atol=tol)


@with_torch
@pytest.mark.parametrize("p", (1.0, 1.5, 2.0, 3.0, INF))
@pytest.mark.parametrize("keepdims", (False, True))
def test_pairwise_distance(p, keepdims):
    agree(lambda a, b: nn.PairwiseDistance(p, 1e-3, keepdims)(a, b),
          lambda a, b: torch.nn.PairwiseDistance(p, 1e-3, keepdims)(a, b), RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3)))


@with_torch
@pytest.mark.parametrize("p", (1.0, 2.0, 3.0, INF))
@pytest.mark.parametrize("axis", (0, 1, -1))
def test_normalize(p, axis):
    a = RNG.normal(size=(3, 4, 2))
    a[:, :, 0] *= 1e-14                                # shorter than eps
    agree(lambda x: F.normalize(x, p, axis), lambda x: torch.nn.functional.normalize(x, p, axis), a, tol=1e-10)


def test_distances_by_hand():
    a, b = fa.tensor([[3.0, 4.0]]), fa.tensor([[4.0, 3.0]])
    assert nn.CosineSimilarity()(a, b).item() == pytest.approx(24 / 25)
    assert nn.PairwiseDistance(eps=0.0)(a, b).item() == pytest.approx(2 ** 0.5)
    assert F.normalize(a, 1.0).tolist() == [[3 / 7, 4 / 7]]
    check_grads(F.cosine_similarity, (RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))))
    check_grads(lambda a, b: F.pairwise_distance(a, b, 3.0), (RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))))
    zero = fa.zeros((1, 2), requires_grad=True)
    F.pairwise_distance(zero, fa.zeros((1, 2)), eps=0.0).sum().backward()
    assert zero.grad.tolist() == [[0, 0]]
    with pytest.raises(ValueError, match=r"x1 of shape \(2,\) and x2 of shape \(3,\)"):
        F.cosine_similarity(fa.ones(2), fa.ones(3))
    with pytest.raises(ValueError, match=r"pairwise_distance: x1 of shape \(2,\) and x2 of shape \(3,\)"):
        F.pairwise_distance(fa.ones(2), fa.ones(3))
    with pytest.raises(ValueError, match="two numbers are no vectors"):
        F.pairwise_distance(1.0, 2.0)
    with pytest.raises(np.exceptions.AxisError, match="axis 1"):
        F.cosine_similarity(fa.ones(2), fa.ones(2))


# ---- forms -------------------------------------------------------------------------------------------
def test_flatten_and_unflatten():
    x = fa.tensor(RNG.normal(size=(2, 3, 4, 5)))
    assert nn.Flatten()(x).shape == (2, 60) and nn.Flatten(0)(x).shape == (120,) and nn.Flatten(1, 2)(x).shape == (2, 12, 5)
    assert nn.Flatten(-2)(x).shape == (2, 3, 20) and nn.Flatten(0)(fa.tensor(1.0)).shape == (1,)
    assert nn.Flatten()(fa.zeros((0, 3, 2))).shape == (0, 6)
    assert nn.Unflatten(2, (2, 2))(x).shape == (2, 3, 2, 2, 5) and nn.Unflatten(-1, (-1, 5, 1))(x).shape == (2, 3, 4, 1, 5, 1)
    back = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4, 5)))
    assert (back(x).numpy() == x.numpy()).all()
    assert repr(nn.Unflatten(1, [3, 4])) == "Unflatten(axis=1, unflattened_size=(3, 4))"
    for call, error, message in ((lambda: nn.Flatten(2, 1)(x), ValueError, "comes after"),
                                 (lambda: nn.Flatten(1, 7)(x), np.exceptions.AxisError, "end_axis=7"),
                                 (lambda: nn.Unflatten(1, (2, 2))(x), ValueError, r"axis 1 of an input of shape \(2, 3, 4, 5\)"),
                                 (lambda: nn.Unflatten(1, (-1, 2))(x), ValueError, "does not become"),
                                 (lambda: nn.Unflatten(1, (-1, -1)), ValueError, "one may be -1"),
                                 (lambda: nn.Unflatten(9, (1,))(x), np.exceptions.AxisError, "axis=9")):
        with pytest.raises(error, match=message):
            call()


def test_one_hot():
    y = F.one_hot(fa.tensor([[0, 2], [1, 1]]), 4)
    assert y.dtype == np.int64 and (y.numpy() == np.eye(4)[[[0, 2], [1, 1]]]).all()
    assert F.one_hot([1, 0]).tolist() == [[0, 1], [1, 0]] and F.one_hot(2).tolist() == [0, 0, 1]
    assert F.one_hot(fa.zeros((0, 2), dtype="int64"), 3).shape == (0, 2, 3)
    for call, error, message in ((lambda: F.one_hot([0, 5], 3), ValueError, r"input\[1\] is 5"),
                                 (lambda: F.one_hot([[-1]]), ValueError, r"input\[0, 0\] is -1"),
                                 (lambda: F.one_hot([0.5]), TypeError, "integers"),
                                 (lambda: F.one_hot(np.zeros(0, int)), ValueError, "num_classes"),
                                 (lambda: F.one_hot([0], 0), ValueError, "num_classes must be at least 1")):
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("call, error, message", [
    (lambda: F.glu(fa.ones(3)), ValueError, r"axis -1 of an input of shape \(3,\)"),
    (lambda: F.glu(fa.ones(4), 1), np.exceptions.AxisError, "axis 1"),
    (lambda: F.hardtanh(fa.ones(3), 2, 1), ValueError, "min_val=2"),
    (lambda: nn.Hardtanh(2, 1), ValueError, "min_val=2"),
    (lambda: F.softshrink(fa.ones(3), -1.0), ValueError, "lambd.*-1.0"),
    (lambda: nn.Softshrink(-1.0), ValueError, "lambd"),
    (lambda: F.celu(fa.ones(3), 0.0), ValueError, "alpha")])
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
