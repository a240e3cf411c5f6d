"""Normalisation: closed forms, numbers far from zero, running statistics, PyTorch on the same weights, and what is refused."""
import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad.nn import functional as F


def drawn(*shape, dtype="float64", seed=0, about=0.0):
    return (np.random.default_rng(seed).normal(size=shape) + about).astype(dtype)


# ---- closed forms ------------------------------------------------------------------------------------
def test_the_output_has_mean_zero_and_variance_one():
    x = drawn(40, 6, 5, about=3)
    for y, axes in ((F.batch_norm(x, None, None, training=True, eps=0), (0, 2)), (F.layer_norm(x, (6, 5), eps=0), (1, 2))):
        np.testing.assert_allclose(y.numpy().mean(axis=axes), 0, atol=1e-14)
        np.testing.assert_allclose(y.numpy().var(axis=axes), 1, rtol=1e-13)
    grouped = F.group_norm(x, 3, eps=0).numpy().reshape(40, 3, 10)
    np.testing.assert_allclose([grouped.mean(axis=2), grouped.var(axis=2) - 1], 0, atol=1e-13)
    np.testing.assert_allclose((F.rms_norm(x, 5, eps=0).numpy() ** 2).mean(axis=2), 1, rtol=1e-13)


def test_the_formulas_of_the_derivatives():
    x, w, b, g = drawn(9, 4), drawn(4, seed=1), drawn(4, seed=2), drawn(9, 4, seed=3)
    eps, m = 1e-3, 9
    leaves = [fa.tensor(t, requires_grad=True) for t in (x, w, b)]
    F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=eps).backward(fa.tensor(g))
    r = 1 / np.sqrt(x.var(axis=0) + eps)
    hat = (x - x.mean(axis=0)) * r
    wanted = w * r * (g - g.sum(axis=0) / m - hat * (g * hat).sum(axis=0) / m), (g * hat).sum(axis=0), g.sum(axis=0)
    for t, expected in zip(leaves, wanted, strict=True):
        np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-12, atol=1e-13)


def test_an_input_shifted_and_scaled_gives_the_same():
    x = drawn(7, 12)
    for f in (lambda x: F.layer_norm(x, 12, eps=0), lambda x: F.batch_norm(x, None, None, training=True, eps=0),
              lambda x: F.group_norm(x, 3, eps=0)):
        np.testing.assert_allclose(f(3 * x + 5).numpy(), f(x).numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 257), (300, 3), (1100, 2), (3, 2, 70), (2, 130, 3, 3)])
@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_float32_far_from_zero(kind, shape):
    """Mean 10,000 and deviation 1: as near as float64 comes from the same float32 numbers."""
    x = drawn(*shape, dtype="float32", about=1e4)
    g = drawn(*shape, dtype="float32", seed=1)

    def run(x, g):
        leaf = fa.tensor(x, requires_grad=True)
        y = {"batch": lambda: F.batch_norm(leaf, None, None, training=True), "layer": lambda: F.layer_norm(leaf, shape[1:]),
             "group": lambda: F.group_norm(leaf, 1)}[kind]()
        y.backward(fa.tensor(g))
        return y.detach().numpy(), leaf.grad.numpy()

    for found, wanted in zip(run(x, g), run(x.astype("float64"), g.astype("float64")), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5 * max(1, abs(wanted).max()))


def test_an_outlier_in_the_first_row():
    x = drawn(1000, 3, dtype="float32")
    x[0] = 1e6
    y = F.batch_norm(x, None, None, training=True).numpy()
    wanted = F.batch_norm(x.astype("float64"), None, None, training=True).numpy()
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_central_differences():
    x, w, b = drawn(3, 4, 2), drawn(4, seed=1), drawn(4, seed=2)
    mean, var = drawn(4, seed=3), drawn(4, seed=4) ** 2 + 0.5
    fa.testing.check_grads(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True) ** 2, (x, w, b), order=2)
    fa.testing.check_grads(lambda x, w, b: F.batch_norm(x, mean, var, w, b) ** 2, (x, w, b), order=2)
    fa.testing.check_grads(lambda x, w, b: F.group_norm(x, 2, w, b) ** 2, (x, w, b), order=2)
    w, b = drawn(4, 2, seed=1), drawn(4, 2, seed=2)
    fa.testing.check_grads(lambda x, w, b: F.layer_norm(x, (4, 2), w, b) ** 2, (x, w, b), order=2)
    fa.testing.check_grads(lambda x, w: F.rms_norm(x, (4, 2), w) ** 2, (x, w), order=2)


@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
def test_other_float_dtypes(dtype):
    x, w = drawn(6, 4, dtype=dtype), drawn(4, dtype=dtype, seed=1)
    leaf = fa.tensor(x, requires_grad=True)
    layer = nn.BatchNorm1d(4, dtype=dtype)
    y = layer(leaf)
    (y * y * y).sum().backward()
    assert y.dtype == leaf.grad.dtype == layer.running_mean.dtype == dtype
    away = x.astype(float) - x.astype(float).mean(axis=0)
    np.testing.assert_allclose(y.detach().numpy().astype(float), away / np.sqrt(away.var(axis=0) + 1e-5), atol=2e-3)
    np.testing.assert_allclose(layer.running_mean.numpy().astype(float), 0.1 * x.astype(float).mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(layer.running_var.numpy().astype(float), 0.9 + 0.1 * away.var(axis=0, ddof=1), atol=2e-3)
    assert layer.num_batches_tracked.item() == 1
    assert F.layer_norm(x, 4, w).dtype == F.rms_norm(x, 4, w).dtype == F.group_norm(x, 2, w).dtype == dtype


# ---- running statistics ------------------------------------------------------------------------------
def test_running_statistics_in_closed_form():
    x = [drawn(8, 3, seed=k) for k in range(3)]
    layer, mean_of_all = nn.BatchNorm1d(3, dtype="float64"), nn.BatchNorm1d(3, momentum=None, dtype="float64")
    mean, var = np.zeros(3), np.ones(3)
    for batch in x:
        layer(fa.tensor(batch))
        mean_of_all(fa.tensor(batch))
        mean, var = 0.9 * mean + 0.1 * batch.mean(axis=0), 0.9 * var + 0.1 * batch.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-13)
    np.testing.assert_allclose(mean_of_all.running_var.numpy(), np.mean([b.var(axis=0, ddof=1) for b in x], axis=0), rtol=1e-13)
    assert layer.num_batches_tracked.item() == 3
    layer.eval()
    y = layer(fa.tensor(x[0])).detach().numpy()
    np.testing.assert_allclose(y, (x[0] - mean) / np.sqrt(var + 1e-5), rtol=1e-12)
    assert layer.num_batches_tracked.item() == 3
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-13)              # evaluation changes nothing
    layer.reset_running_stats()
    assert layer.running_mean.numpy().tolist() == [0] * 3 and layer.running_var.numpy().tolist() == [1] * 3
    assert layer.num_batches_tracked.item() == 0


def test_running_statistics_in_arrays_and_views():
    mean, var = np.zeros((3, 2)), np.ones((3, 2))
    x = drawn(5, 3)
    F.batch_norm(x, mean[:, 0], var[:, 1], training=True, momentum=1.0)
    np.testing.assert_allclose(mean, np.stack([x.mean(axis=0), np.zeros(3)], axis=1), rtol=1e-13)
    np.testing.assert_allclose(var, np.stack([np.ones(3), x.var(axis=0, ddof=1)], axis=1), rtol=1e-13)


def test_a_refused_batch_leaves_the_statistics_alone():
    layer = nn.BatchNorm1d(3)
    for wrong in (fa.ones((1, 3), dtype="float32"), fa.ones((4, 3), dtype="float64"), fa.ones((4, 2), dtype="float32")):
        with pytest.raises((ValueError, TypeError)):
            layer(wrong)
    assert layer.num_batches_tracked.item() == 0 and not layer.running_mean.numpy().any()


def test_evaluation_keeps_the_statistics_it_used():
    """Those of the forward pass count, though a batch came in between: in the plain walk and in the recorded one."""
    x, g = drawn(4, 2), drawn(4, 2, seed=1)
    grads = []
    for create_graph in (False, True):
        layer = nn.BatchNorm1d(2, dtype="float64").eval()
        leaf = fa.tensor(x, requires_grad=True)
        y = layer(leaf)
        layer.train()(fa.tensor(drawn(4, 2, about=5)))
        grads.append(fa.autograd.grad(y, [leaf], fa.tensor(g), create_graph=create_graph)[0].detach().numpy())
    np.testing.assert_allclose(grads[0], g / np.sqrt(1 + 1e-5), rtol=1e-13)
    np.testing.assert_allclose(grads[1], grads[0], rtol=1e-13)


def test_without_tracking_the_batch_counts_in_evaluation_too():
    layer = nn.BatchNorm1d(3, track_running_stats=False).eval()
    x = fa.tensor(drawn(6, 3, dtype="float32", about=2))
    np.testing.assert_allclose(layer(x).detach().numpy().mean(axis=0), 0, atol=1e-6)
    assert list(layer.state_dict()) == ["weight", "bias"]


# ---- PyTorch -----------------------------------------------------------------------------------------
def twins(name, *args, dtype, **kwargs):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args, dtype=dtype, **kwargs), getattr(torch.nn, name)(*args, dtype=getattr(torch, dtype), **kwargs)
    rng = np.random.default_rng(5)
    state = {k: rng.uniform(0.5, 2, v.shape).astype(dtype) for k, v in ours.state_dict().items() if v.dtype.kind == "f"}
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)
    ours.load_state_dict(state, strict=False)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    return ours, theirs


def compare_steps(ours, theirs, shape, dtype, about=0.5):
    """Three training steps and one in evaluation: outputs, gradients, statistics."""
    import torch
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        x, g = drawn(*shape, dtype=dtype, seed=step, about=about), drawn(*shape, dtype=dtype, seed=step + 10)
        a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ours.zero_grad()
        theirs.zero_grad()
        y, z = ours(a), theirs(b)
        y.backward(fa.tensor(g))
        z.backward(torch.tensor(g))
        pairs = [(y, z), (a.grad, b.grad), *[(p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)],
                 *zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)]
        for found, wanted in pairs:
            limit = {"float32": 1e-5, "float64": 1e-10}[dtype]        # beside the largest: gradients over 3 numbers are sums of those
            size = max(1, abs(wanted.detach().numpy()).max(initial=0))
            np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=limit, atol=limit * size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args", "shape"), [
    ("BatchNorm1d", (5,), (7, 5)), ("BatchNorm1d", (130,), (65, 130)), ("BatchNorm1d", (3,), (4, 3, 9)),
    ("BatchNorm2d", (3,), (4, 3, 5, 6)), ("BatchNorm2d", (2,), (2, 2, 40, 40)),
    ("LayerNorm", (6,), (3, 4, 6)), ("LayerNorm", ((4, 6),), (3, 4, 6)), ("LayerNorm", (1500,), (3, 1500)),
    ("LayerNorm", (3,), (200, 3)), ("RMSNorm", (6,), (3, 4, 6)), ("GroupNorm", (2, 6), (3, 6)), ("GroupNorm", (3, 6), (3, 6, 4, 5)),
    ("GroupNorm", (1, 4), (2, 4, 40, 40)), ("GroupNorm", (4, 4), (140, 4, 3)),
], ids=str)
def test_equals_pytorch(name, args, shape, dtype):
    compare_steps(*twins(name, *args, dtype=dtype), shape, dtype)


@pytest.mark.parametrize(("name", "args", "kwargs"), [
    ("BatchNorm1d", (4,), {"momentum": None}), ("BatchNorm1d", (4,), {"momentum": 0.5, "eps": 0.1}),
    ("BatchNorm1d", (4,), {"affine": False}), ("BatchNorm1d", (4,), {"track_running_stats": False}),
    ("LayerNorm", (4,), {"bias": False}), ("LayerNorm", (4,), {"elementwise_affine": False, "eps": 0.1}),
    ("RMSNorm", (4,), {"eps": 0.1}), ("RMSNorm", (4,), {"elementwise_affine": False}), ("GroupNorm", (2, 4), {"affine": False}),
    ("GroupNorm", (2, 4), {"bias": False}), ("BatchNorm1d", (4,), {"bias": False}),
])
def test_options_equal_pytorchs(name, args, kwargs):
    compare_steps(*twins(name, *args, dtype="float64", **kwargs), (6, 4), "float64")


def test_strided_input_and_gradients_that_add_up():
    torch = pytest.importorskip("torch")
    x, g = drawn(5, 4, 3), drawn(4, 5, 3, seed=1)
    a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    layer, twin = nn.LayerNorm(3, dtype="float64"), torch.nn.LayerNorm(3, dtype=torch.float64)
    for t, norm, backward in ((a, layer, fa.tensor(g)), (b, twin, torch.tensor(g))):
        turned = t.swapaxes(0, 1)
        (norm(turned) + norm(turned * 2) * turned).backward(backward)
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(layer.weight.grad.numpy(), twin.weight.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_a_frozen_part():
    """Each of the three gradients alone."""
    x, g = drawn(6, 4), fa.tensor(drawn(6, 4, seed=1))
    for f in (lambda x, w, b: F.layer_norm(x, 4, w, b), lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)):
        whole = [fa.tensor(t, requires_grad=True) for t in (x, np.ones(4), np.zeros(4))]
        f(*whole).backward(g)
        for k in range(3):
            some = [fa.tensor(t.detach().numpy(), requires_grad=i == k) for i, t in enumerate(whole)]
            f(*some).backward(g)
            np.testing.assert_array_equal(some[k].grad.numpy(), whole[k].grad.numpy())


# ---- what is refused ---------------------------------------------------------------------------------
@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda: nn.BatchNorm1d(3)(fa.ones((1, 3), dtype="float32")), ValueError, r"batch_norm: .* more than one value .* \(1, 3\)"),
    (lambda: nn.BatchNorm1d(3)(fa.ones((2, 4), dtype="float32")), ValueError, r"BatchNorm1d: .* C = 3, got shape \(2, 4\)"),
    (lambda: nn.BatchNorm1d(3)(fa.ones((2, 3, 1, 1), dtype="float32")), ValueError, r"\(N, C\) or \(N, C, L\)"),
    (lambda: nn.BatchNorm2d(3)(fa.ones((2, 3, 4), dtype="float32")), ValueError, r"BatchNorm2d: .* \(N, C, H, W\)"),
    (lambda: nn.BatchNorm1d(3)(fa.ones((2, 3))), TypeError, "the input is float64 and weight float32; use x.astype"),
    (lambda: nn.BatchNorm1d(0), ValueError, "num_features must be at least 1"),
    (lambda: nn.BatchNorm1d(2, dtype=int), TypeError, "float"),
    (lambda: F.batch_norm(np.ones(3), None, None), ValueError, r"\(batch, channels, ...\), got shape \(3,\)"),
    (lambda: F.batch_norm(np.ones((2, 3)), np.zeros(3), None), ValueError, "running_mean and running_var, or neither"),
    (lambda: F.batch_norm(np.ones((2, 3)), np.zeros(2), np.ones(3)), ValueError, r"running_mean must have shape \(3,\)"),
    (lambda: F.batch_norm(np.ones((2, 3), int), None, None, training=True), TypeError, "must be float, got int64"),
    (lambda: F.batch_norm(np.ones((2, 3)), fa.tensor(np.zeros(3), requires_grad=True), np.ones(3)), TypeError, "detach"),
    (lambda: F.layer_norm(np.ones((2, 3)), 4), ValueError, r"normalized_shape=\(4,\), got shape \(2, 3\)"),
    (lambda: F.layer_norm(np.ones(3), (2, 3)), ValueError, "normalized_shape"),
    (lambda: F.layer_norm(np.ones((2, 3)), 3, np.ones(2)), ValueError, r"layer_norm: weight must have shape \(3,\)"),
    (lambda: F.layer_norm(np.ones((2, 3)), 3, np.ones(3, "float32")), TypeError, "weight float32"),
    (lambda: F.rms_norm(np.ones((2, 3), int), 3), TypeError, "rms_norm: the input must be float"),
    (lambda: nn.LayerNorm(()), ValueError, "an axis at least"),
    (lambda: nn.LayerNorm((3, 0)), ValueError, "at least 1"),
    (lambda: F.group_norm(np.ones((2, 3)), 2), ValueError, r"2 groups divide, got shape \(2, 3\)"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "2 groups do not divide 3 channels"),
    (lambda: nn.GroupNorm(1, 3)(fa.ones((2, 4), dtype="float32")), ValueError, r"\(N, 3, ...\)"),
])
def test_what_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("which", [0, 1])
def test_read_only_statistics(which, dtype):
    mean, var = np.zeros(3, dtype), np.ones(3, dtype)
    (mean, var)[which].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        F.batch_norm(np.ones((2, 3), dtype), mean, var, training=True)
    assert mean.tolist() == [0, 0, 0]
    assert var.tolist() == [1, 1, 1]
    assert F.batch_norm(np.ones((2, 3), dtype), mean, var).shape == (2, 3)


def test_gradients_reach_the_first_of_many_layers():
    """Through ten layers of small weights they vanish; with normalisation between they do not."""
    x, target = fa.tensor(drawn(32, 8, dtype="float32")), fa.tensor(drawn(32, 8, dtype="float32", seed=1))

    def share(norm):
        layers = []
        for _ in range(10):
            layers += [nn.Linear(8, 8, generator=np.random.default_rng(0)), *([nn.BatchNorm1d(8)] if norm else []), nn.Tanh()]
        net = nn.Sequential(*layers)
        weights = [p for p in net.parameters() if p.ndim == 2]
        for p in weights:
            p.detach()[...] = p.detach().numpy() * 0.1
        fa.mse_loss(net(x), target).backward()
        return np.linalg.norm(weights[0].grad.numpy()) / np.linalg.norm(weights[-1].grad.numpy())

    assert share(False) < 1e-4 < 1e-1 < share(True)


@pytest.mark.parametrize("make", [lambda: nn.BatchNorm1d(3), lambda: nn.BatchNorm1d(3, momentum=None)])
def test_a_batch_that_a_checkpoint_repeats_counts_once(make):
    x = fa.tensor(drawn(6, 3, dtype="float32"), requires_grad=True)
    layer, other = make(), make()
    y, z = fa.checkpoint(layer)(x), other(x)
    for loss in (y ** 3).sum(), (z ** 3).sum():
        loss.backward()
    assert layer.num_batches_tracked.item() == other.num_batches_tracked.item() == 1
    np.testing.assert_array_equal(layer.running_mean.numpy(), other.running_mean.numpy())
    np.testing.assert_array_equal(layer.running_var.numpy(), other.running_var.numpy())
    np.testing.assert_allclose(layer.weight.grad.numpy(), other.weight.grad.numpy(), rtol=1e-6)
    layer(x)
    assert layer.num_batches_tracked.item() == 2
