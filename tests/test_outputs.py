"""Nodes with several outputs: primitives in Python that have them, and factorizations, of which any outputs may be used."""
import numpy as np
import pytest

import fastad as fa
from fastad import linalg
from fastad._core import make as core

RNG = np.random.default_rng(3)
A = RNG.normal(size=(4, 4)) + 8 * np.eye(4)
S = A @ A.T
V = RNG.normal(size=(4, 4))


def leaf(a):
    return fa.tensor(a, requires_grad=True)


def plain(x):
    return x.detach().numpy()


def gradient(f, x):
    x = leaf(x)
    f(x).backward()
    return x.grad.numpy()


# ---- primitives in Python, with several outputs --------------------------------------------------------
class Swings(core.Rule):
    """sin(x + y) and cos(x + y), of any number of inputs"""

    def vjp(self, node, saved, g):
        found = sum(part for part in (None if g[0] is None else g[0] * saved[1], None if g[1] is None else -(g[1] * saved[0]))
                    if part is not None)
        return (found,) * len(node.inputs)

    def jvp(self, node, saved, tangents):
        t = sum(t for t in tangents if t is not None)
        return t * saved[1], -(t * saved[0])


SWINGS = Swings("swings")


def swings(*xs):
    return SWINGS.apply(lambda *arrays: (np.sin(sum(arrays)), np.cos(sum(arrays))), list(xs), None, (~0, ~1))


def test_a_primitive_with_two_outputs_and_five_inputs():
    xs = [leaf(np.array([0.1 * k, 0.2])) for k in range(5)]
    total = sum(plain(x) for x in xs)
    s, c = swings(*xs)
    assert s.grad_fn is c.grad_fn and repr(s.grad_fn) == "<node swings (2,) float64>" and len(s.grad_fn.inputs) == 5
    for y, derivative in ((s, np.cos(total)), (c, -np.sin(total)), (s * 2 + c, 2 * np.cos(total) - np.sin(total))):
        for found in core.pull([y], xs, [fa.ones(2)], 0, False, True):
            np.testing.assert_allclose(found.numpy(), derivative, rtol=1e-15)
        t, = core.push(xs[3:], [y], [fa.ones(2)] * 2, 0, False)
        np.testing.assert_allclose(t.numpy(), 2 * derivative, rtol=1e-15)


def test_high_orders_through_two_outputs():
    """Every derivative of a sine uses the other output; reverse and forward in turn."""
    x = leaf(np.array(0.7))
    y, _ = swings(x)
    for order in range(1, 9):
        y, = core.pull([y], [x], [fa.tensor(1.0)], 0, True, True) if order % 3 else core.push([x], [y], [fa.tensor(1.0)], 0, True)
        np.testing.assert_allclose(y.item(), np.sin(0.7 + order * np.pi / 2), rtol=1e-12)


def test_what_rules_in_python_must_return():
    class Wrong(core.Rule):
        def vjp(self, node, saved, g):
            return g

        def jvp(self, node, saved, tangents):
            return tangents[0]

    x = leaf(np.ones(3))
    a, b = Wrong("wrong").apply(lambda x: (x + 1, x + 2), [x])
    with pytest.raises(RuntimeError, match="wrong: its vjp returned 2 cotangents for 1 inputs"):
        (a + b).sum().backward()
    with pytest.raises(RuntimeError, match="wrong: its jvp returned a Tensor instead of tangents for 2 outputs"):
        core.push([x], [a], [fa.ones(3)], 0, False)
    loops = type("Loops", (Wrong,), {"jvp": lambda self, node, saved, tangents: (tangents[0],) * 3})("loops", True)
    a, b = loops.apply(lambda x: (x + 1, x + 2), [x])
    with pytest.raises(RuntimeError, match="loops: its vjp returned 2 cotangents for 1 inputs"):
        core.pull([a, b], [x], [fa.ones((4, 3))] * 2, 1, False, True)
    with pytest.raises(RuntimeError, match="loops: its jvp returned 3 tangents for 2 outputs"):
        core.push([x], [a], [fa.ones((4, 3))], 1, False)
    y, = core.Rule("bare").apply(np.square, [x])
    with pytest.raises(NotImplementedError, match="bare: no derivative rule"):
        y.sum().backward()
    with pytest.raises(NotImplementedError, match="bare: no rule for tangents"):
        core.push([x], [y], [fa.ones(3)], 0, False)
    for keep in ((1,), (~1,), (7,)):
        with pytest.raises(IndexError, match="bare: keep="):
            core.Rule("bare").apply(np.square, [x], None, keep)
    for inputs in ([np.ones(3)], [None], None):
        with pytest.raises(TypeError):
            core.Rule("bare").apply(np.square, inputs)
    with pytest.raises(TypeError):
        core.Rule()


# ---- nodes with several outputs ------------------------------------------------------------------------
OUTPUTS = {"eigh": (S, 2), "svd": (A, 3), "qr": (A, 2)}
several = pytest.mark.parametrize("name", sorted(OUTPUTS))


def signless(y):
    """No sign of a column, or of a row, counts."""
    return (y ** 2 * weights(y)).sum()


def weights(y):
    """Of which no sum over rows or columns is the same for all orthogonal matrices."""
    return np.arange(1.0, y.size + 1).reshape(y.shape) ** 2


@several
def test_each_output_alone_and_all_together(name):
    """The gradient of the sum is the sum of those by each output alone: a cotangent may be None."""
    a, n = OUTPUTS[name]
    alone = [gradient(lambda x, k=k: signless(getattr(linalg, name)(x)[k]), a) for k in range(n)]
    together = gradient(lambda x: sum(signless(y) for y in getattr(linalg, name)(x)), a)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 1e-8 for g in alone)
    np.testing.assert_allclose(together, sum(alone), rtol=1e-9, atol=1e-9)


@several
def test_an_output_as_target_and_retained(name):
    """Adjoints of the outputs themselves: autograd.grad and retain_grad by each."""
    x = leaf(OUTPUTS[name][0])
    ys = getattr(linalg, name)(x)
    loss = sum(signless(y) * (k + 1) for k, y in enumerate(ys))
    found = fa.autograd.grad(loss, list(ys), retain_graph=True)
    for k, (g, y) in enumerate(zip(found, ys, strict=True)):
        np.testing.assert_allclose(g.numpy(), 2 * (k + 1) * weights(y) * plain(y), rtol=1e-12)
    one = fa.autograd.grad(loss, ys[-1], retain_graph=True)
    np.testing.assert_array_equal((one[0] if isinstance(one, tuple | list) else one).numpy(), found[-1].numpy())
    for y in ys:
        y.retain_grad()
    loss.backward()
    for y, g in zip(ys, found, strict=True):
        np.testing.assert_array_equal(y.grad.numpy(), g.numpy())


@several
def test_hooks_of_one_output(name):
    a, n = OUTPUTS[name]
    for k in range(n):
        x = leaf(a)
        ys = getattr(linalg, name)(x)
        seen = []
        ys[k].register_hook(lambda g, seen=seen: (seen.append(g.numpy().copy()), 2 * g)[1])
        sum(signless(y) for y in ys).backward()
        assert len(seen) == 1 and seen[0].shape == ys[k].shape
        expected = gradient(lambda x, k=k: sum(signless(y) * (2 if j == k else 1) for j, y in enumerate(getattr(linalg, name)(x))), a)
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-9, atol=1e-9)


@several
def test_the_graph_is_kept_or_freed(name):
    x = leaf(OUTPUTS[name][0])
    y = signless(getattr(linalg, name)(x)[0])
    y.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * first)
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


@several
def test_an_output_changed_in_place_is_noticed(name):
    x = leaf(OUTPUTS[name][0])
    ys = getattr(linalg, name)(x)
    with fa.no_grad():
        ys[1].detach()[...] = 0.0
    with pytest.raises(RuntimeError, match=f"{name}.*changed in place"):
        signless(ys[0]).backward()


@several
def test_tangents_of_some_outputs(name):
    """A forward walk to one output, and one that goes on from another."""
    a, n = OUTPUTS[name]
    x, v = leaf(a), fa.tensor(V)
    ys = getattr(linalg, name)(x)
    every = core.push([x], list(ys), [v], 0, False)
    for k in range(n):
        one, = core.push([x], [ys[k]], [v], 0, False)
        np.testing.assert_array_equal(one.numpy(), every[k].numpy())
        loss = signless(ys[k])
        t, = core.push([x], [loss], [v], 0, False)
        g, = core.pull([loss], [x], [fa.ones(())], 0, False, True)
        np.testing.assert_allclose(t.item(), (g.numpy() * v.numpy()).sum(), rtol=1e-10)
        from_output, = core.push([ys[k]], [loss], [every[k]], 0, False)
        np.testing.assert_allclose(from_output.item(), t.item(), rtol=1e-12)


def test_an_output_that_nothing_reaches():
    x = leaf(S)
    w, _ = linalg.eigh(x)
    assert core.push([x], [w], [fa.tensor(S)], 0, False)[0].shape == (4,)
    np.testing.assert_allclose(gradient(lambda x: linalg.eigh(x)[0].sum(), S), np.eye(4), atol=1e-13)
    with fa.no_grad():
        assert not any(y.requires_grad for y in linalg.eigh(x))
