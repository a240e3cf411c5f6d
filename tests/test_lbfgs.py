"""LBFGS: beside PyTorch's, minima that it finds, closures that fail, what it refuses."""
import numpy as np
import pytest

import fastad as fa
from fastad import optim

try:
    import torch
except ImportError:
    torch = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")


def leaf():
    return fa.tensor([1.0, 2.0], requires_grad=True)


def logistic(library, w, b, optimizer):
    """A regularised logistic loss that is not convex, of two parameters."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 12))
    y = np.sign(x[:, 0] + 0.3 * x[:, 1])
    x, y = library.tensor(x), library.tensor(y)

    def closure():
        optimizer.zero_grad()
        z = (x @ w + b) * -y
        loss = library.log(1 + library.exp(z)).mean() + 0.01 * (w * w).sum() + 0.05 * ((w * w - 1) ** 2).sum()
        loss.backward()
        return loss
    return closure


def lbfgs(library, dtype="float64", **options):
    w, b = (library.tensor(np.full(s, 0.1, dtype), requires_grad=True) for s in (12, ()))
    optimizer = library.optim.LBFGS([w, b], **{"lr": 0.5} | options)
    return [w, b], optimizer, logistic(library, w, b, optimizer)


@with_torch
@pytest.mark.parametrize("options", ({"max_iter": 1}, {"max_iter": 4}, {"history_size": 3}, {"max_iter": 3, "max_eval": 2}))
@pytest.mark.parametrize("search", (None, "strong_wolfe"))
def test_fifty_steps_of_lbfgs(options, search):
    (ours, step, closure), (theirs, other, their_closure) = (lbfgs(lib, line_search_fn=search, **options) for lib in (fa, torch))
    for _ in range(50):
        loss, expected = step.step(closure), other.step(their_closure)
        assert abs(loss.item() - expected.item()) < 1e-10
    assert step.state_dict()["state"][0]["func_evals"] == other.state[theirs[0]]["func_evals"]
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-8)     # where it stops: sqrt(tolerance)


@pytest.mark.parametrize("dtype", ("float64", "float32", "longdouble"))
@pytest.mark.parametrize("search", (None, "strong_wolfe"))
def test_lbfgs_finds_the_minimum_of_a_quadratic(search, dtype):
    a = np.diag(np.arange(1, 7)).astype(dtype) + 0.5
    target = np.linspace(-1, 1, 6).astype(dtype)
    data = np.zeros((6, 2), dtype)
    p = fa.from_numpy(data[:, 0]).requires_grad_()                         # strided
    optimizer = optim.LBFGS([p], max_iter=60, tolerance_change=1e-15, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        d = p - target
        loss = (d * (fa.tensor(a) @ d)).sum()
        loss.backward()
        return loss
    assert optimizer.step(closure).dtype == dtype
    np.testing.assert_allclose(data[:, 0], target, atol=1e-6 if dtype != "float32" else 1e-3)
    assert not data[:, 1].any()


@pytest.mark.parametrize("search", (None, "strong_wolfe"))
def test_lbfgs_goes_on_where_it_stopped(search):
    whole, a, closure = lbfgs(fa, max_iter=3, line_search_fn=search)
    parts, b, first = lbfgs(fa, max_iter=3, line_search_fn=search)
    for _ in range(3):
        a.step(closure)
        b.step(first)
    rest = [fa.tensor(p.detach(), requires_grad=True) for p in parts]
    c = optim.LBFGS(rest, lr=7)
    c.load_state_dict(b.state_dict())
    closure_c = logistic(fa, *rest, c)
    for _ in range(3):
        a.step(closure)
        c.step(closure_c)
    assert all((p.detach().numpy() == q.detach().numpy()).all() for p, q in zip(whole, rest, strict=True))


@pytest.mark.parametrize("at", (1, 2, 5))
@pytest.mark.parametrize("search", (None, "strong_wolfe"))
def test_a_closure_that_fails_leaves_lbfgs_as_it_was(search, at):
    params, optimizer, closure = lbfgs(fa, line_search_fn=search)
    before, calls = [p.detach().numpy().copy() for p in params], 0

    def failing():
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return closure()
    with pytest.raises(KeyboardInterrupt):
        optimizer.step(failing)
    assert all((p.detach().numpy() == x).all() for p, x in zip(params, before, strict=True))
    assert optimizer.state_dict()["state"] == {} and calls == at


def test_lbfgs_goes_back_from_where_there_is_no_loss():
    """The minimum of x - log(x) is at 1; the first step, from 5, would go to -11, where the logarithm is NaN."""
    p = fa.tensor([5.0], requires_grad=True)
    optimizer = optim.LBFGS([p], lr=20, max_iter=50, line_search_fn="strong_wolfe")
    seen = []

    def closure():
        optimizer.zero_grad()
        with np.errstate(invalid="ignore"):
            loss = (p - p.log()).sum()
        loss.backward()
        seen.append(loss.item())
        return loss

    optimizer.step(closure)
    assert np.isnan(seen).any() and p.item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_changes_nothing_where_the_first_loss_is_nan(search):
    p = fa.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.LBFGS([p], line_search_fn=search)
    for factor in (np.nan, np.inf):
        def closure():
            optimizer.zero_grad()
            loss = (p * factor).sum()  # noqa: B023
            loss.backward()
            return loss

        assert not np.isfinite(optimizer.step(closure).item()) and p.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="the closure must return the loss"):
        optimizer.step(lambda: None)


def test_lbfgs_without_gradients_and_with_nan():
    p, q = leaf(), fa.tensor(np.zeros((0, 3)), requires_grad=True)
    optimizer = optim.LBFGS([p, q], line_search_fn="strong_wolfe")
    assert optimizer.step(lambda: fa.tensor(1.0)).item() == 1.0 and p.tolist() == [1.0, 2.0]

    def wild():
        optimizer.zero_grad()
        loss = fa.log(p).sum()                                             # falls without end, then is NaN
        loss.backward()
        return loss
    with np.errstate(all="ignore"):
        optimizer.step(wild)
    assert np.isfinite(p.detach().numpy()).all()


def locked():
    a = np.zeros(2)
    a.flags.writeable = False
    return fa.from_numpy(a).requires_grad_()


def state_of_another_lbfgs():
    _, optimizer, closure = lbfgs(fa)
    optimizer.step(closure)
    optim.LBFGS([leaf()]).load_state_dict(optimizer.state_dict())


BAD = {
    "two groups": (lambda: optim.LBFGS([{"params": [leaf()]}, {"params": [leaf()]}]), ValueError, "LBFGS.*one group"),
    "no closure": (lambda: optim.LBFGS([leaf()]).step(), TypeError, "LBFGS.step needs a closure"),
    "max_iter": (lambda: optim.LBFGS([leaf()], max_iter=0), ValueError, "max_iter"),
    "line search": (lambda: optim.LBFGS([leaf()], line_search_fn="wolfe"), ValueError, "line_search_fn.*'wolfe'"),
    "read-only": (lambda: optim.LBFGS([locked()]).step(lambda: 1.0), ValueError, "read-only"),
    "complex": (lambda: optim.LBFGS([fa.tensor([1j], requires_grad=True)]).step(lambda: 1.0), TypeError, "complex"),
    "state": (lambda: optim.LBFGS([leaf()]).load_state_dict({"state": {0: {"d": np.zeros(2)}}, "param_groups": [
        {"params": [0]}]}), ValueError, "lacks func_evals"),
    "state of another shape": (state_of_another_lbfgs, ValueError, "d of the state"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
