"""Losses: against PyTorch over their arguments, closed forms, large logits, and what they refuse."""
import numpy as np
import pytest

import fastad as fa

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = F = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")
RNG = np.random.default_rng(3)
REDUCTIONS = ("mean", "sum", "none")


def agree(ours, theirs, *arrays, tol=1e-12):
    """Values and gradients of both, with the cotangent cos(0), cos(1), ...: no two entries alike."""
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


CASES = {
    "one": ((3,), 2),
    "batch": ((4, 3), [2, 0, 1, 1]),
    "ignoring": ((4, 3), [2, -100, 1, -100]),
    "image": ((2, 3, 2, 2), [[[0, 1], [2, 2]], [[1, 1], [0, -100]]]),
}


@with_torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", (0.0, 0.2))
@pytest.mark.parametrize("weight", (None, [0.5, 2.0, 1.5]))
@pytest.mark.parametrize("case", CASES)
def test_cross_entropy_of_class_indices(case, weight, smoothing, reduction):
    shape, target = CASES[case]
    w = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    agree(
        lambda x: fa.cross_entropy(
            x, np.array(target), weight, reduction=reduction, label_smoothing=smoothing
        ),
        lambda x: F.cross_entropy(x, torch.tensor(target), w, reduction=reduction, label_smoothing=smoothing),
        RNG.normal(size=shape),
    )


@with_torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", (0.0, 0.2))
@pytest.mark.parametrize("weight", (None, [0.5, 2.0, 1.5]))
@pytest.mark.parametrize("shape", ((3,), (4, 3), (2, 3, 4)))
def test_cross_entropy_of_class_probabilities(shape, weight, smoothing, reduction):
    w = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    p = RNG.uniform(0.01, 0.3, size=shape)
    agree(
        lambda x, t: fa.cross_entropy(x, t, weight, reduction=reduction, label_smoothing=smoothing),
        lambda x, t: F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=smoothing),
        RNG.normal(size=shape),
        p,
    )


@with_torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", (None, [0.5, 2.0, 1.5]))
@pytest.mark.parametrize("case", CASES)
def test_nll_loss(case, weight, reduction):
    shape, target = CASES[case]
    w = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    agree(
        lambda x: fa.nll_loss(x, fa.tensor(target), weight, reduction=reduction),
        lambda x: F.nll_loss(x, torch.tensor(target), w, reduction=reduction),
        RNG.normal(size=shape),
    )


@with_torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "name", ("mse_loss", "l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
)
def test_losses_of_numbers(name, reduction):
    a, b = RNG.uniform(0.1, 0.9, size=(2, 3, 4))
    agree(
        lambda x, t: getattr(fa, name)(x, t, reduction=reduction),
        lambda x, t: getattr(F, name)(x, t, reduction=reduction),
        a,
        b,
    )


@with_torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_weights(reduction):
    a, b = RNG.uniform(0.1, 0.9, size=(2, 3, 4))
    w, pos = RNG.uniform(0.5, 2, size=(2, 4))
    tw, tp = torch.tensor(w), torch.tensor(pos)
    agree(
        lambda x, t: fa.binary_cross_entropy(x, t, w, reduction),
        lambda x, t: F.binary_cross_entropy(x, t, tw, reduction=reduction),
        a,
        b,
    )
    agree(
        lambda x, t: fa.binary_cross_entropy_with_logits(x, t, w, reduction, pos_weight=pos),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, tw, reduction=reduction, pos_weight=tp),
        a,
        b,
    )


def test_binary_cross_entropy_gradient():
    a, y = RNG.uniform(0.05, 0.95, 7), RNG.integers(0, 2, 7).astype(float)
    x = fa.tensor(a, requires_grad=True)
    fa.binary_cross_entropy(x, fa.tensor(y)).backward()
    np.testing.assert_allclose(x.grad.numpy(), (a - y) / (7 * a * (1 - a)), rtol=1e-12)


def test_cross_entropy_gradient_is_softmax_minus_onehot():
    a, t = RNG.normal(size=(5, 3)), np.array([0, 1, 2, 1, 0])
    x = fa.tensor(a, requires_grad=True)
    fa.cross_entropy(x, fa.tensor(t)).backward()
    p = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(x.grad.numpy(), (p - np.eye(3)[t]) / 5, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ("float32", "float64", "longdouble"))
def test_large_logits(dtype):
    x = fa.tensor(np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype), requires_grad=True)
    loss = fa.cross_entropy(x, fa.tensor([1, 2]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy().astype(float), [2e4, np.log(2)], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy().astype(float), [[1, -1, 0], [0, 0.5, -0.5]], atol=1e-6)
    z = fa.tensor(np.array([1e4, -1e4, 1e4, -1e4], dtype), requires_grad=True)
    loss = fa.binary_cross_entropy_with_logits(z, np.array([1, 0, 0, 1], dtype), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy().astype(float), [0, 0, 1e4, 1e4])
    loss.sum().backward()
    np.testing.assert_allclose(z.grad.numpy().astype(float), [0, 0, 1, -1])


def test_other_dtypes_agree():
    a, t = RNG.normal(size=(4, 3)), fa.tensor([0, 1, 2, 0])
    want = fa.cross_entropy(fa.tensor(a), t).item()
    for dtype, tol in (("float16", 2e-3), ("float32", 1e-6), ("longdouble", 1e-15)):
        x = fa.tensor(a.astype(dtype), requires_grad=True)
        loss = fa.cross_entropy(x, t)
        assert loss.dtype == dtype and abs(float(loss.item()) - want) < tol
        loss.backward()
        assert x.grad.dtype == dtype


def test_changing_the_labels_after_the_loss_changes_nothing():
    a, t = RNG.normal(size=(3, 4)), fa.tensor([0, 1, 2])
    x = fa.tensor(a, requires_grad=True)
    loss = fa.cross_entropy(x, t)
    t.copy_([3, 3, 3])
    loss.backward()
    assert (x.grad.numpy().argmin(axis=1) == [0, 1, 2]).all()


@with_torch
def test_strided_and_integer_inputs():
    a = RNG.normal(size=(3, 4))
    t = np.array([0, 9, 1, 9, 2, 9, 0, 9])[::2]
    agree(
        lambda x: fa.cross_entropy(fa.transpose(x), fa.from_numpy(t)),
        lambda x: F.cross_entropy(x.T, torch.tensor(t)),
        a,
    )
    agree(
        lambda x: fa.cross_entropy(fa.transpose(x), t.astype("int8")),
        lambda x: F.cross_entropy(x.T, torch.tensor(t)),
        a,
    )
    assert fa.softmax(fa.tensor([0, 0])).numpy().tolist() == [0.5, 0.5]


def test_empty():
    assert np.isnan(fa.cross_entropy(fa.tensor(np.zeros((0, 3))), fa.tensor(np.zeros(0, int))).item())
    assert fa.softmax(fa.tensor(np.zeros((3, 0)))).shape == (3, 0)
    assert fa.log_softmax(fa.tensor(np.zeros((3, 0), "float16"))).shape == (3, 0)
    x = fa.tensor(np.zeros((0, 3)), requires_grad=True)
    fa.cross_entropy(x, np.zeros(0, int), reduction="sum").backward()
    assert x.grad.shape == (0, 3)


X = fa.tensor(np.zeros((2, 3)))
BAD = {
    "class too large": (
        lambda: fa.cross_entropy(X, fa.tensor([0, 3])),
        ValueError,
        r"target\[1\] is 3.*3 classes",
    ),
    "class negative": (lambda: fa.cross_entropy(X, fa.tensor([-1, 0])), ValueError, r"target\[0\] is -1"),
    "class too large, unsigned": (
        lambda: fa.cross_entropy(X, np.array([0, 2**63], "uint64")),
        ValueError,
        r"target\[1\]",
    ),
    "class of an image": (
        lambda: fa.cross_entropy(fa.tensor(np.zeros((1, 2, 3))), [[0, 1, 5]]),
        ValueError,
        r"target\[0, 2\] is 5",
    ),
    "no classes": (
        lambda: fa.cross_entropy(fa.tensor(np.zeros((1, 0))), fa.tensor([0])),
        ValueError,
        "0 classes",
    ),
    "few targets": (
        lambda: fa.cross_entropy(X, fa.tensor([0])),
        ValueError,
        r"target must have shape \(2,\)",
    ),
    "nll": (lambda: fa.nll_loss(X, fa.tensor([0, 3])), ValueError, r"nll_loss: target\[1\] is 3"),
    "nll shape": (lambda: fa.nll_loss(X, fa.tensor([[0, 1]])), ValueError, "target"),
    "float classes": (lambda: fa.cross_entropy(X, fa.tensor([0.0, 1.0])), TypeError, "target.*float64"),
    "bool classes": (lambda: fa.cross_entropy(X, fa.tensor([True, False])), TypeError, "target.*bool"),
    "integer probabilities": (
        lambda: fa.cross_entropy(X, fa.tensor(np.ones((2, 3), int))),
        TypeError,
        "target.*int64",
    ),
    "probability": (
        lambda: fa.cross_entropy(X, fa.tensor([[0, 0, 1.0], [0, 1.5, 0]])),
        ValueError,
        r"target\[1, 1\] is 1.5",
    ),
    "probability NaN": (
        lambda: fa.cross_entropy(X, fa.tensor([[0, 0, 1.0], [0, np.nan, 0]])),
        ValueError,
        r"target\[1, 1\] is nan",
    ),
    "integer input": (
        lambda: fa.cross_entropy(fa.tensor([[1, 2]]), fa.tensor([0])),
        TypeError,
        "input.*int64",
    ),
    "0-d input": (lambda: fa.cross_entropy(fa.tensor(1.0), fa.tensor(0)), ValueError, "input"),
    "weight": (
        lambda: fa.cross_entropy(X, fa.tensor([0, 1]), weight=[1.0]),
        ValueError,
        r"weight must have shape \(3,\)",
    ),
    "weight with a derivative": (
        lambda: fa.cross_entropy(X, fa.tensor([0, 1]), fa.tensor([1.0] * 3, requires_grad=True)),
        TypeError,
        "weight",
    ),
    "reduction": (
        lambda: fa.cross_entropy(X, fa.tensor([0, 1]), reduction="avg"),
        ValueError,
        "reduction.*'avg'",
    ),
    "smoothing": (
        lambda: fa.cross_entropy(X, fa.tensor([0, 1]), label_smoothing=2),
        ValueError,
        "label_smoothing",
    ),
    "bce input": (
        lambda: fa.binary_cross_entropy(fa.tensor([0.5, 2.0]), fa.tensor([0.0, 1.0])),
        ValueError,
        r"input\[1\] is 2.0",
    ),
    "bce target": (
        lambda: fa.binary_cross_entropy(fa.tensor([0.5]), fa.tensor([-1.0])),
        ValueError,
        r"target\[0\] is -1.0",
    ),
    "logits target": (
        lambda: fa.binary_cross_entropy_with_logits(fa.tensor([9.0]), fa.tensor([3.0])),
        ValueError,
        r"target\[0\] is 3.0",
    ),
    "bce weight": (
        lambda: fa.binary_cross_entropy(fa.tensor([0.5]), fa.tensor([1.0]), np.ones((2, 1))),
        ValueError,
        "weight",
    ),
    "mse shape": (
        lambda: fa.mse_loss(fa.tensor([1.0, 2.0]), fa.tensor([[1.0], [2.0]])),
        ValueError,
        r"target.*\(2,\), got \(2, 1\)",
    ),
    "mse dtype": (
        lambda: fa.mse_loss(fa.tensor([1.0], dtype="float32"), fa.tensor([1.0])),
        TypeError,
        "float32.*float64",
    ),
    "softmax axis": (lambda: fa.softmax(X, axis=2), np.exceptions.AxisError, "axis 2"),
    "softmax 0-d": (lambda: fa.softmax(fa.tensor(1.0)), np.exceptions.AxisError, "axis"),
    "softmax complex": (lambda: fa.softmax(fa.tensor([1j])), TypeError, "real"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals_name_the_argument_and_the_value(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()


def test_cross_entropy_of_no_classes_reads_no_memory():
    x = fa.tensor(np.zeros((2, 0)), requires_grad=True)
    loss = fa.cross_entropy(x, np.array([-100, -100]), reduction="sum")
    loss.backward()
    assert loss.item() == 0 and x.grad.shape == (2, 0)


def test_class_targets_in_another_order_of_memory():
    rng = np.random.default_rng(0)
    data, targets = rng.normal(size=(3, 4, 5)), rng.integers(0, 4, (5, 3))
    found = []
    for t in (fa.tensor(targets).T, fa.tensor(np.ascontiguousarray(targets.T))):
        for options in ({}, {"reduction": "none"}):
            x = fa.tensor(data, requires_grad=True)
            loss = fa.cross_entropy(x, t, **options)
            loss.backward(np.ones(loss.shape))
            found.append((loss.detach().numpy(), x.grad.numpy()))
    for (a, da), (b, db) in zip(found[:2], found[2:], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(da, db)
