"""The losses of nn: closed forms, PyTorch over all arguments, weights of samples, derivatives of all orders, refusals."""
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
RNG = np.random.default_rng(8)
REDUCTIONS = ("mean", "sum", "none")
A, B = RNG.normal(size=(2, 6, 4)) * 2
V = RNG.uniform(0.1, 2, (6, 4))
SIGNS = np.where(RNG.uniform(size=(6, 4)) > 0.5, 1, -1)
SIGN, CLASSES = SIGNS[:, 0], RNG.integers(0, 4, 6)
COUNTS = RNG.poisson(2.0, (6, 4)).astype(float)
P = RNG.dirichlet(np.ones(4), 6)
LOGP = np.log(RNG.dirichlet(np.ones(4), 6))
LOGT = np.log(P)
P0 = np.where(P < 0.1, 0, P)

# name of the function: (inputs, how many of them are differentiated, options)
CASES = {
    "huber_loss": ((A, B), 2, {}),
    "huber_loss-2": ((A, B), 2, {"delta": 0.5}),
    "smooth_l1_loss": ((A, B), 2, {}),
    "smooth_l1_loss-2": ((A, B), 2, {"beta": 0.5}),
    "smooth_l1_loss-3": ((A, B), 2, {"beta": 0.0}),
    "gaussian_nll_loss": ((A, B, V), 3, {}),
    "gaussian_nll_loss-full": ((A, B, V[:, :1]), 3, {"full": True}),
    "gaussian_nll_loss-short": ((A, B, V[:, 0]), 3, {}),
    "gaussian_nll_loss-eps": ((A, B, V), 3, {"eps": 0.7}),
    "poisson_nll_loss": ((A, COUNTS), 1, {}),
    "poisson_nll_loss-full": ((A, COUNTS), 1, {"full": True}),
    "poisson_nll_loss-rate": ((V, COUNTS), 1, {"log_input": False, "full": True, "eps": 1e-3}),
    "kl_div": ((LOGP, P), 2, {}),
    "kl_div-zeros": ((LOGP, P0), 1, {}),
    "kl_div-log": ((LOGP, LOGT), 2, {"log_target": True}),
    "hinge_embedding_loss": ((A, SIGNS), 1, {}),
    "hinge_embedding_loss-2": ((A, SIGNS), 1, {"margin": 2.5}),
    "soft_margin_loss": ((A, SIGNS), 1, {}),
    "margin_ranking_loss": ((A, B, SIGNS), 2, {}),
    "margin_ranking_loss-2": ((A, B, SIGNS), 2, {"margin": 0.7}),
    "cosine_embedding_loss": ((A, B, SIGN), 2, {}),
    "cosine_embedding_loss-2": ((A, B, SIGN), 2, {"margin": 0.3}),
    "cosine_embedding_loss-one": ((A[0], B[0], SIGN[0]), 2, {}),
    "triplet_margin_loss": ((A, B, V), 3, {}),
    "triplet_margin_loss-2": ((A, B, V), 3, {"margin": 3.0, "p": 1.0, "eps": 1e-3, "swap": True}),
    "triplet_margin_loss-3": ((A, B, V), 3, {"p": 3.0, "swap": True}),
    "multi_margin_loss": ((A, CLASSES), 1, {}),
    "multi_margin_loss-2": ((A, CLASSES), 1, {"p": 2, "margin": 0.5}),
    "multi_margin_loss-weight": ((A, CLASSES), 1, {"weight": [0.5, 1.0, 2.0, 3.0]}),
    "multi_margin_loss-one": ((A[0], CLASSES[0]), 1, {}),
}
OURS = {
    "half_squared_error": ((A, B), 2, {}),
    "tukey_loss": ((A, B), 2, {}),
    "tukey_loss-2": ((A, B), 2, {"c": 1.5}),
    "multiclass_hinge_loss": ((A, CLASSES), 1, {}),
    "multiclass_hinge_loss-2": ((A, CLASSES), 1, {"margin": 0.3}),
    "mse_loss": ((A, B), 2, {}),
    "l1_loss": ((A, B), 2, {}),
    "cross_entropy": ((A, CLASSES), 1, {}),
    "cross_entropy-weight": ((A, CLASSES), 1, {"weight": [0.5, 1.0, 2.0, 3.0]}),
    "cross_entropy-all": ((A, CLASSES), 1, {"weight": [0.5, 1.0, 2.0, 3.0], "label_smoothing": 0.2, "ignore_index": 1}),
    "cross_entropy-soft": ((A, P), 2, {"weight": [0.5, 1.0, 2.0, 3.0]}),
    "nll_loss": ((LOGP, CLASSES), 1, {"weight": [0.5, 1.0, 2.0, 3.0], "ignore_index": 0}),
    "binary_cross_entropy": ((P, V / 2), 1, {}),
    "binary_cross_entropy_with_logits": ((A, V / 2), 1, {"pos_weight": 2.0}),
}
NAMES = {"mse_loss": "MSELoss", "l1_loss": "L1Loss", "kl_div": "KLDivLoss", "smooth_l1_loss": "SmoothL1Loss", "nll_loss": "NLLLoss",
         "gaussian_nll_loss": "GaussianNLLLoss", "poisson_nll_loss": "PoissonNLLLoss", "cross_entropy": "CrossEntropyLoss",
         "half_squared_error": "HalfSquaredErrorLoss", "binary_cross_entropy": "BCELoss",
         "binary_cross_entropy_with_logits": "BCEWithLogitsLoss"}


def module_of(space, name, options):
    made = {k: torch.tensor(v, dtype=torch.float64) if space is not nn and k == "weight" else fa.tensor(v)
            if k in ("weight", "pos_weight") else v for k, v in options.items()}
    kind = getattr(space, NAMES.get(name) or "".join(w.capitalize() for w in name.split("_")))
    return kind(**made)


@with_torch
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("dtype, tol", (("float64", 1e-10), ("float32", 1e-5)))
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_pytorchs(case, reduction, dtype, tol):
    name = case.partition("-")[0]
    arrays, differentiated, options = CASES[case]
    arrays = [np.asarray(a, dtype if np.asarray(a).dtype == float else None) for a in arrays]
    for functional in (True, False):
        x = [fa.tensor(a, requires_grad=k < differentiated) for k, a in enumerate(arrays)]
        t = [torch.tensor(a, requires_grad=k < differentiated) for k, a in enumerate(arrays)]
        if functional:
            theirs = {k: torch.tensor(v, dtype=getattr(torch, dtype)) if k == "weight" else v for k, v in options.items()}
            y = getattr(F, name)(*x, reduction=reduction, **options)
            z = getattr(torch.nn.functional, name)(*t, reduction=reduction, **theirs)
        else:
            y = module_of(nn, name, options | {"reduction": reduction})(*x)
            z = module_of(torch.nn, name, options | {"reduction": reduction})
            z = (z if dtype == "float64" else z.float())(*t)
        assert y.shape == tuple(z.shape) and y.dtype == dtype
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=tol, atol=tol / 10)
        g = np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype)
        y.backward(fa.tensor(g))
        z.backward(torch.tensor(g))
        for a, b in list(zip(x, t, strict=True))[:differentiated]:
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tol, atol=tol / 10)


@with_torch
@pytest.mark.parametrize("log_target", (False, True))
def test_batchmean(log_target):
    target = LOGT if log_target else P
    y = nn.KLDivLoss(reduction="batchmean", log_target=log_target)(fa.tensor(LOGP), fa.tensor(target))
    z = torch.nn.KLDivLoss(reduction="batchmean", log_target=log_target)(torch.tensor(LOGP), torch.tensor(target))
    assert y.item() == pytest.approx(z.item(), rel=1e-12)
    w = np.arange(6.0)
    each = (P * (LOGT - LOGP)).sum(1)
    assert F.kl_div(LOGP, P, "batchmean", sample_weight=w).item() == pytest.approx((w * each).sum() / w.sum(), rel=1e-12)


@with_torch
@pytest.mark.parametrize("case", [c for c in CASES if c.split("-")[0] in ("huber_loss", "smooth_l1_loss", "margin_ranking_loss",
                                                                        "hinge_embedding_loss", "multi_margin_loss")])
def test_kinks_are_pytorchs(case):
    """Whole and half numbers: many stand exactly on a kink."""
    name = case.partition("-")[0]
    arrays, differentiated, options = CASES[case]
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-4, 4, a.shape) / 2 if k < differentiated else a for k, a in enumerate(arrays)]
    x = [fa.tensor(a, requires_grad=k < differentiated) for k, a in enumerate(arrays)]
    t = [torch.tensor(a, requires_grad=k < differentiated) for k, a in enumerate(arrays)]
    getattr(F, name)(*x, reduction="sum", **options).backward()
    theirs = {k: torch.tensor(v, dtype=torch.float64) if k == "weight" else v for k, v in options.items()}
    getattr(torch.nn.functional, name)(*t, reduction="sum", **theirs).backward()
    for a, b in list(zip(x, t, strict=True))[:differentiated]:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12, atol=1e-14)


# ---- every loss --------------------------------------------------------------------------------------
ALL = CASES | OURS


def call(case, reduction, weight=None, arrays=None):
    name = case.partition("-")[0]
    own, _, options = ALL[case]
    options = {k: np.array(v) if k == "weight" else v for k, v in options.items()}
    return getattr(F, name)(*(own if arrays is None else arrays), reduction=reduction, sample_weight=weight, **options)


@pytest.mark.parametrize("case", ALL)
def test_both_modes_and_a_second_derivative(case):
    name = case.partition("-")[0]
    arrays, differentiated, options = ALL[case]
    options = {k: np.array(v) if k == "weight" else v for k, v in options.items()}
    fixed = arrays[differentiated:]
    if case == "gaussian_nll_loss-eps":               # its derivative below eps is by design not that of the value
        arrays = (*arrays[:2], arrays[2] + 0.7)
    check_grads(lambda *x: getattr(F, name)(*x, *fixed, reduction="none", **options), arrays[:differentiated], order=2)


@pytest.mark.parametrize("case", [c for c in ALL if not c.endswith("-one")])
def test_a_sample_of_weight_two_is_there_twice(case):
    arrays, _, _ = ALL[case]
    weight = np.array([0.0, 1, 2, 3, 1, 2])
    repeated = [np.repeat(a, weight.astype(int), axis=0) for a in arrays]
    each = call(case, "none").numpy()
    weights = weight.reshape((6,) + (1,) * (each.ndim - 1))
    np.testing.assert_allclose(call(case, "none", weight).numpy(), each * weights, rtol=1e-14)
    for reduction in ("mean", "sum"):
        want = call(case, reduction, arrays=repeated).item()
        assert call(case, reduction, weight).item() == pytest.approx(want, rel=1e-12)
        assert call(case, reduction, np.full(6, 0.5)).item() == pytest.approx(
            call(case, reduction).item() * (1 if reduction == "mean" else 0.5), rel=1e-12)


@pytest.mark.parametrize("case", [c for c in ALL if "-" not in c])
def test_modules_take_weights_too(case):
    arrays, _, options = ALL[case]
    made = module_of(nn, case, options)
    made.reduction = "mean"
    got = made(*[fa.tensor(a) for a in arrays], sample_weight=[1, 2, 3, 4, 5, 6])
    assert got.item() == pytest.approx(call(case, "mean", np.arange(1.0, 7)).item(), rel=1e-14)
    for reduction in REDUCTIONS:
        assert repr(module_of(nn, case, options | {"reduction": reduction})) == f"{type(made).__name__}(reduction={reduction!r})"
    with pytest.raises(ValueError, match=f"{type(made).__name__}: reduction must be .*'average'"):
        module_of(nn, case, options | {"reduction": "average"})
    with pytest.raises(ValueError, match=f"{case}: reduction must be .*'average'"):
        call(case, "average")


@pytest.mark.parametrize("weight, error, message", [
    (np.ones(5), ValueError, r"sample_weight.*\(6, 4\).*got \(5,\)"),
    (np.ones((4, 6)), ValueError, r"sample_weight.*got \(4, 6\)"),
    ([1, 1, -0.5, 1, 1, 1], ValueError, r"sample_weight\[2\] is -0.5"),
    ([1, 1, 1, np.nan, 1, 1], ValueError, r"sample_weight\[3\] is nan"),
    (np.zeros(6), ValueError, "every sample_weight is 0"),
    (["a"] * 6, TypeError, "."),
    (np.ones(6) * 1j, TypeError, "sample_weight.*complex128")])
def test_weights_that_are_none(weight, error, message):
    with pytest.raises(error, match=message):
        F.mse_loss(A, B, sample_weight=weight)
    with pytest.raises(error, match=message if "6, 4" not in message else r"sample_weight.*\(6, 4\)"):
        F.huber_loss(A, B, sample_weight=weight)


def test_weights_of_single_losses_and_their_derivative():
    w = RNG.uniform(size=(6, 4))
    d = (A - B) ** 2
    assert F.mse_loss(A, B, sample_weight=w).item() == pytest.approx((w * d).sum() / w.sum(), rel=1e-13)
    check_grads(lambda w: F.mse_loss(A, B, sample_weight=w), (w + 0.5,))
    assert F.mse_loss(A, B, "sum", sample_weight=np.zeros(6)).item() == 0
    assert F.mse_loss(A.astype("float32"), B.astype("float32"), sample_weight=np.ones(6)).dtype == np.float32
    one = F.cross_entropy(fa.tensor([1.0, 2.0]), 1, sample_weight=3.0)
    assert one.item() == pytest.approx(F.cross_entropy(fa.tensor([1.0, 2.0]), 1).item())


# ---- closed forms ------------------------------------------------------------------------------------
def gradient(f, x):
    t = fa.tensor(x, requires_grad=True)
    f(t).backward()
    return t.grad.numpy()


def test_the_gradients_of_the_texts():
    n = A.size
    np.testing.assert_allclose(gradient(lambda x: F.half_squared_error(x, B), A), A - B, rtol=1e-14)
    np.testing.assert_allclose(gradient(lambda x: F.mse_loss(x, B), A), 2 * (A - B) / n, rtol=1e-14)
    a, y = RNG.uniform(0.1, 0.9, (2, 6, 4))
    np.testing.assert_allclose(gradient(lambda x: F.binary_cross_entropy(x, y), a), (a - y) / (n * a * (1 - a)), rtol=1e-12)
    np.testing.assert_allclose(gradient(lambda x: F.huber_loss(x, B, "sum"), A), np.clip(A - B, -1, 1), rtol=1e-14)
    d, c = A - B, 2.0
    want = np.where(abs(d) <= c, d * (1 - (d / c) ** 2) ** 2, 0)
    np.testing.assert_allclose(gradient(lambda x: F.tukey_loss(x, B, "sum", c), A), want, atol=1e-14)
    want = np.where(abs(d) <= c, c * c / 6 * (1 - (1 - (d / c) ** 2) ** 3), c * c / 6)
    np.testing.assert_allclose(F.tukey_loss(A, B, "none", c).numpy(), want, rtol=1e-12)


def test_tukeys_loss_loses_no_digits_near_zero_and_has_no_slope_far_away():
    d = np.array([1e-9, 1e-5])
    np.testing.assert_allclose(F.tukey_loss(d, np.zeros(2), "none").numpy(), d * d / 2, rtol=1e-9)
    assert (gradient(lambda x: F.tukey_loss(x, np.zeros(4), "sum"), np.array([4.685, -4.685, 1e300, -np.inf])) == 0).all()


def test_second_derivatives_where_the_error_is_zero():
    """A loss written with abs() would have 0 here, and no Newton step would move."""
    zero = np.zeros(1)
    for f, want in ((F.huber_loss, 1), (F.smooth_l1_loss, 1), (F.tukey_loss, 1), (F.half_squared_error, 1), (F.mse_loss, 2)):
        assert fa.hessian(lambda x, f=f: f(x, zero, "sum"))(zero).item() == pytest.approx(want), f.__name__


def test_the_multiclass_hinge_in_both_normalisations():
    margins = np.maximum(0, A - A[np.arange(6), CLASSES][:, None] + 1)
    margins[np.arange(6), CLASSES] = 0
    summed = margins.sum(1).mean()
    assert F.multiclass_hinge_loss(A, CLASSES).item() == pytest.approx(summed, rel=1e-14)
    assert F.multi_margin_loss(A, CLASSES).item() == pytest.approx(summed / 4, rel=1e-14)
    assert nn.MulticlassHingeLoss()(fa.tensor([[3.2, 5.1, -1.7]]), [0]).item() == pytest.approx(2.9)


def test_nothing_overflows():
    big = fa.tensor([1e4, -1e4], requires_grad=True)
    loss = F.soft_margin_loss(big, [-1, 1], "sum")
    loss.backward()
    assert loss.item() == 2e4 and big.grad.tolist() == [1, -1]
    assert gradient(lambda x: F.huber_loss(x, np.zeros(2), "sum", 2.0), np.array([np.inf, -np.inf])).tolist() == [2, -2]


def test_penalties():
    net = nn.Sequential(nn.Linear(3, 2, dtype="float64"), nn.Linear(2, 1, dtype="float64"))
    w = np.concatenate([p.detach().numpy().ravel() for p in net.parameters()])
    assert F.l1_penalty(net, 0.5).item() == pytest.approx(0.5 * abs(w).sum(), rel=1e-14)
    assert F.l2_penalty(net.parameters(), 0.5).item() == pytest.approx(0.5 * (w * w).sum(), rel=1e-14)
    assert F.elastic_net_penalty(net, 0.1, 0.5).item() == pytest.approx(0.5 * (0.1 * w * w + abs(w)).sum(), rel=1e-14)
    for f, slope in ((lambda: F.l1_penalty(net, 0.5), 0.5 * np.sign(w)), (lambda: F.l2_penalty(net, 0.5), 2 * 0.5 * w),
                     (lambda: F.elastic_net_penalty(net, 0.1, 0.5), 0.5 * (0.2 * w + np.sign(w)))):
        net.zero_grad()
        f().backward()
        np.testing.assert_allclose(np.concatenate([p.grad.numpy().ravel() for p in net.parameters()]), slope, rtol=1e-13)
    assert F.l2_penalty([]).item() == 0 and F.l1_penalty(fa.tensor([-2.0])).item() == 2
    with pytest.raises(TypeError, match=r"l1_penalty.*str at place 1"):
        F.l1_penalty([fa.ones(2), "w"])


def test_a_penalty_in_the_loss_is_a_weight_decay_of_twice_alpha():
    eta, alpha, w = 0.1, 0.3, np.array([2.0, -1.0])
    p = nn.Parameter(fa.tensor(w))
    F.l2_penalty(p, alpha).backward()
    fa.optim.SGD([p], lr=eta).step()
    np.testing.assert_allclose(p.detach().numpy(), (1 - 2 * eta * alpha) * w, rtol=1e-14)
    q = nn.Parameter(fa.tensor(w))
    q.grad = fa.zeros(2)
    fa.optim.SGD([q], lr=eta, weight_decay=2 * alpha).step()
    np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), rtol=1e-14)


# ---- refusals ----------------------------------------------------------------------------------------
BAD = {
    "huber shape": (lambda: F.huber_loss(A, B[:3]), ValueError, r"target must have the shape of input, \(6, 4\), got \(3, 4\)"),
    "huber delta": (lambda: F.huber_loss(A, B, delta=0.0), ValueError, "delta must be above 0, got 0.0"),
    "HuberLoss delta": (lambda: nn.HuberLoss(delta=-1.0), ValueError, "delta must be above 0, got -1.0"),
    "smooth beta": (lambda: F.smooth_l1_loss(A, B, beta=-1.0), ValueError, "beta.*-1.0"),
    "tukey c": (lambda: F.tukey_loss(A, B, c=0.0), ValueError, "c must be above 0"),
    "gaussian var": (lambda: F.gaussian_nll_loss(A, B, -V), ValueError, r"var\[0, 0\] is -"),
    "gaussian number": (lambda: F.gaussian_nll_loss(A, B, -1.0), ValueError, r"var is -1.0"),
    "gaussian shape": (lambda: F.gaussian_nll_loss(A, B, V[:3]), ValueError, r"var must be .*\(6, 4\).*got \(3, 4\)"),
    "gaussian eps": (lambda: F.gaussian_nll_loss(A, B, V, eps=0.0), ValueError, "eps"),
    "poisson target": (lambda: F.poisson_nll_loss(A, A), ValueError, r"target\[0, \d\] is -"),
    "kl target": (lambda: F.kl_div(LOGP, 2 * P + 1), ValueError, r"target\[0, 0\] is .*probability"),
    "kl 0-d": (lambda: F.kl_div(-1.0, 0.5, "batchmean"), ValueError, "axis of samples"),
    "hinge label": (lambda: F.hinge_embedding_loss(A, SIGNS * 2), ValueError, r"target\[0, 0\] is .*1 or -1"),
    "hinge shape": (lambda: F.hinge_embedding_loss(A, SIGN), ValueError, r"target must have shape \(6, 4\).*got \(6,\)"),
    "soft label": (lambda: F.soft_margin_loss(A, SIGNS * 0), ValueError, r"target\[0, 0\] is 0"),
    "soft ints": (lambda: F.soft_margin_loss(SIGNS, SIGNS), TypeError, "input must be a float tensor"),
    "ranking inputs": (lambda: F.margin_ranking_loss(A, B[0], SIGNS), ValueError, r"input2 must have the shape of input1, \(6, 4\)"),
    "ranking dtype": (lambda: F.margin_ranking_loss(A, B.astype("float32"), SIGNS), TypeError, "input2 is float32"),
    "cosine label": (lambda: F.cosine_embedding_loss(A, B, SIGN * 0.5), ValueError, r"target\[0\] is .*0.5"),
    "cosine axes": (lambda: F.cosine_embedding_loss(A[None], B[None], SIGN[None]), ValueError, r"\(N, D\) or \(D,\)"),
    "triplet margin": (lambda: F.triplet_margin_loss(A, B, V, margin=0), ValueError, "margin must be above 0"),
    "TripletMarginLoss": (lambda: nn.TripletMarginLoss(margin=-1), ValueError, "margin must be above 0"),
    "triplet shape": (lambda: F.triplet_margin_loss(A, B, V[:3]), ValueError, "negative must have the shape of anchor"),
    "margin class": (lambda: F.multi_margin_loss(A, [0, 1, 2, 3, 4, 0]), ValueError, r"target\[4\] is 4, but input has 4 classes"),
    "margin negative": (lambda: F.multiclass_hinge_loss(A, [0, 1, -100, 3, 3, 0]), ValueError, r"target\[2\] is -100"),
    "margin float": (lambda: F.multi_margin_loss(A, CLASSES * 1.0), TypeError, "integers"),
    "margin shape": (lambda: F.multi_margin_loss(A, CLASSES[:4]), ValueError, r"target must have shape \(6,\)"),
    "margin p": (lambda: F.multi_margin_loss(A, CLASSES, p=3), ValueError, "p must be 1 or 2"),
    "MultiMarginLoss p": (lambda: nn.MultiMarginLoss(p=3), ValueError, "p must be 1 or 2"),
    "margin weight": (lambda: F.multi_margin_loss(A, CLASSES, weight=[1.0]), ValueError, r"weight must have shape \(4,\)"),
    "margin axes": (lambda: F.multi_margin_loss(A[None], CLASSES[None]), ValueError, r"\(N, C\) or \(C,\)"),
    "labels smoothed": (lambda: F.cross_entropy(A, [0, 1, 9, 0, 0, 0], sample_weight=np.ones(6)), ValueError, r"target\[2\] is 9"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals_name_the_argument_and_the_value(case):
    do, error, message = BAD[case]
    with pytest.raises(error, match=message):
        do()
