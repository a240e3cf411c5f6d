"""Hooks beside PyTorch's: after accumulation, kept gradients, handles; and where no hook runs."""
import gc
import weakref

import numpy as np
import pytest

import fastad as fa
from fastad._core import make


def leaf(*numbers):
    return fa.tensor(np.array(numbers), requires_grad=True)


def test_a_post_accumulate_hook_sees_the_sum():
    x, seen = leaf(1.0, 2.0), []
    x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.tolist())))
    (x * x).sum().backward()
    (3 * x).sum().backward()
    assert seen == [(True, [2.0, 4.0]), (True, [5.0, 7.0])]


def test_a_post_accumulate_hook_runs_once_a_walk_and_after_the_other_hooks():
    x, seen = leaf(1.0), []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(("after", t.grad.item())))
    x.register_hook(lambda g: seen.append(("gradient", g.item())) or g * 2)
    (x * 3 + x * 4).sum().backward()                      # two contributions
    assert seen == [("gradient", 7.0), ("after", 14.0)]


def test_an_optimizer_in_the_backward_walk():
    """Each parameter is stepped as soon as its gradient is there; the others' saved values are still right."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(3, 3)) for _ in range(4)]

    def loss(weights):
        h = fa.ones((1, 3))
        for w in weights:
            h = fa.tanh(h @ w)
        return h.sum()

    plain = [fa.tensor(w, requires_grad=True) for w in start]
    loss(plain).backward()
    expected = [w.detach().numpy() - 0.1 * w.grad.numpy() for w in plain]

    def step(w):
        with fa.no_grad():
            w -= 0.1 * w.grad
        w.grad = None

    stepped = [fa.tensor(w, requires_grad=True) for w in start]
    for w in stepped:
        w.register_post_accumulate_grad_hook(step)
    loss(stepped).backward()
    for w, e in zip(stepped, expected, strict=True):
        assert w.grad is None
        np.testing.assert_allclose(w.detach().numpy(), e, rtol=1e-14)


def test_post_accumulate_hooks_with_create_graph():
    x, seen = leaf(2.0), []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.requires_grad))
    (x ** 3).sum().backward(create_graph=True)
    assert seen == [True]


def test_nothing_is_accumulated_by_grad_and_no_hook_after_it_runs():
    x, seen = leaf(2.0), []
    x.register_post_accumulate_grad_hook(seen.append)
    fa.autograd.grad((x ** 3).sum(), x)
    assert seen == [] and x.grad is None


def test_post_accumulate_hooks_are_for_leaves():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="no leaf that requires a gradient"):
        (x * 2).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="no leaf that requires a gradient"):
        fa.ones(2).register_post_accumulate_grad_hook(print)
    with pytest.raises(TypeError, match="register_post_accumulate_grad_hook: expected a function"):
        x.register_post_accumulate_grad_hook(3)


def test_an_error_in_a_post_accumulate_hook_leaves_the_walk():
    x = leaf(1.0)
    handle = x.register_post_accumulate_grad_hook(lambda t: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (x * 2).sum().backward()
    handle.remove()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.item() == 2


def test_a_handle_is_a_block():
    x, seen = leaf(1.0), []
    with x.register_hook(seen.append) as handle, x.register_post_accumulate_grad_hook(seen.append):
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert len(seen) == 2
    handle.remove()                                       # again is nothing


def test_hooks_stay_with_a_leaf_that_gets_another_dtype():
    m, seen = fa.nn.Linear(2, 1), []
    m.weight.register_post_accumulate_grad_hook(lambda t: seen.append(t.dtype))
    m.double()
    m(fa.ones((1, 2))).sum().backward()
    assert seen == [np.float64]


def test_retain_grad_says_what_it_does():
    x = leaf(1.0, 2.0)
    y = x * 3
    assert not y.retains_grad and not x.retains_grad
    y.retain_grad()
    x.retain_grad()                                       # nothing to do
    assert y.retains_grad and not x.retains_grad and not y.detach().retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [6.0, 12.0] and x.grad.tolist() == [18.0, 36.0]
    with pytest.raises(RuntimeError, match="retain_grad: this tensor does not require a gradient"):
        fa.ones(2).retain_grad()


def test_one_value_keeps_its_gradient_and_another_does_not():
    x = leaf(1.0)
    y = x * 2
    z = y * 1
    z.retain_grad()
    (y + z).sum().backward()
    assert z.grad.tolist() == [1.0] and y.grad is None and x.grad.tolist() == [4.0]


def test_forward_walks_run_no_hook():
    x = leaf(3.0)
    y = x * x
    calls = []
    x.register_hook(calls.append)
    y.register_hook(calls.append)
    x.register_post_accumulate_grad_hook(calls.append)
    t, = make.push([x], [y], [fa.ones(1)], 0, False)
    assert t.tolist() == [6.0] and calls == []


def test_a_hook_that_holds_its_leaf_is_collected():
    x = leaf(1.0)
    x.register_post_accumulate_grad_hook(lambda t, x=x: None)
    there = weakref.ref(x)
    del x
    gc.collect()
    assert there() is None


def events(library, scalar):
    """What hooks are told, in order, in fastad and in PyTorch."""
    log = []
    x = scalar(2.0)
    y = x * x
    x.register_hook(lambda g: log.append(("x", float(g))))
    x.register_post_accumulate_grad_hook(lambda t: log.append(("after", float(t.grad))))
    y.register_hook(lambda g: log.append(("y", float(g))) or g * 2)
    y.retain_grad()
    y.register_hook(lambda g: log.append(("y again", float(g))))
    z = y * y
    z.backward(retain_graph=True)
    z.backward()
    return log, y.retains_grad, float(y.grad), float(x.grad)


def test_hooks_are_told_what_pytorch_tells_them():
    torch = pytest.importorskip("torch")
    ours = events(fa, lambda v: fa.tensor(v, requires_grad=True))
    theirs = events(torch, lambda v: torch.tensor(v, dtype=torch.float64, requires_grad=True))
    assert ours == theirs


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_a_jacobian_calls_hooks_with_one_gradient_after_the_other(chunk_size):
    seen = []

    def f(x):
        y = x * x
        y.register_hook(lambda g: seen.append(g.shape))
        y.register_hook(lambda g: g * 2 / (g * g).sum())
        return fa.sin(y)

    x = np.array([0.3, 0.7, 1.1])
    rows = np.diag(2 / np.cos(x * x)) @ np.diag(2 * x)
    np.testing.assert_allclose(fa.jacrev(f, chunk_size=chunk_size)(x), rows)
    assert seen == [(3,)] * 3
    np.testing.assert_allclose(fa.vjp(f, x)[1](np.array([0.0, 1.0, 0.0]))[0], rows[1])


def test_a_hook_that_reads_the_outer_variable():
    def outer(s, given):
        def inner(x):
            y = x * x
            y.register_hook(lambda g: g * given(s))
            return y * 3.0
        return fa.grad(inner)(2.0) * 1.0

    with pytest.raises(RuntimeError, match=r"multiply: a hook .* differentiated outside.*detach"):
        fa.grad(lambda s: outer(s, lambda s: s))(5.0)
    assert fa.grad(lambda s: outer(s, lambda s: s.detach()) * s)(5.0) == 60.0
