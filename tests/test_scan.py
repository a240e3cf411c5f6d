"""scan: the loop that it stands for, in every mode of differentiation, with and without values computed again."""
import gc
from typing import NamedTuple

import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad._core import storage

RNG = np.random.default_rng(5)
X = RNG.normal(size=(7, 2, 3))
S = RNG.normal(size=(2, 4))
U, W = RNG.normal(size=(3, 4)), 0.5 * RNG.normal(size=(4, 4))
CHECKPOINTS = [False, True, 1, 3, 7, 100]


def cell_of(u, w):
    def cell(s, x):
        s = fa.tanh(x @ u + s @ w)
        return s, {"square": s * s, "sum": [s.sum(axis=1)]}
    return cell


def loop(u, w, x, s, reverse=False):
    """What scan stands for."""
    cell, ys = cell_of(u, w), [None] * len(x)
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        s, ys[t] = cell(s, x[t])
    return s, {"square": fa.stack([y["square"] for y in ys]), "sum": [fa.stack([y["sum"][0] for y in ys])]}


def scanned(u, w, x, s, **how):
    return nn.scan(cell_of(u, w), x, s, **how)


def weighed(result):
    """A number that depends on all results, and on each in another way."""
    s, ys = result
    wide = ys["square"]
    weights = np.cos(np.arange(wide.size)).reshape(wide.shape)
    return (s * s * s).sum() + (wide * weights).sum() + fa.exp(0.1 * ys["sum"][0]).sum()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("reverse", [False, True])
def test_values_and_derivatives_are_those_of_the_loop(checkpoint, reverse):
    args = (U, W, X, S)
    f = lambda *a: weighed(scanned(*a, reverse=reverse, checkpoint=checkpoint))   # noqa: E731
    g = lambda *a: weighed(loop(*a, reverse=reverse))                             # noqa: E731
    for a, b in zip(fa.grad(f, (0, 1, 2, 3))(*args), fa.grad(g, (0, 1, 2, 3))(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    direction = tuple(map(np.sin, args))
    np.testing.assert_allclose(fa.jvp(f, args, direction), fa.jvp(g, args, direction), rtol=1e-12)
    for k in range(4):
        f_k = lambda a, k=k: f(*args[:k], a, *args[k + 1:])                       # noqa: E731
        g_k = lambda a, k=k: g(*args[:k], a, *args[k + 1:])                       # noqa: E731
        np.testing.assert_allclose(fa.hvp(f_k, args[k], direction[k])[1], fa.hvp(g_k, args[k], direction[k])[1], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fa.hessian(lambda s: f(U, W, X, s))(S), fa.hessian(lambda s: g(U, W, X, s))(S), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_backward_reaches_captured_parameters(checkpoint):
    fa.manual_seed(0)
    into, inside = nn.Linear(3, 4), nn.Linear(4, 4)
    x, s = fa.tensor(X, dtype="float32"), fa.tensor(S, dtype="float32")

    def gradients(run):
        for p in (*into.parameters(), *inside.parameters()):
            p.grad = None
        run().backward()
        return [p.grad.numpy().copy() for p in (*into.parameters(), *inside.parameters())]

    def cell(s, x):
        s = fa.tanh(into(x) + inside(s))
        return s, s.sum()

    def by_hand():
        now, total = s, 0.0
        for t in range(len(x)):
            now, y = cell(now, x[t])
            total = total + y * (t + 1)
        return total

    for a, b in zip(gradients(lambda: (nn.scan(cell, x, s, checkpoint=checkpoint)[1] * np.arange(1, 8, dtype="f")).sum()),
                    gradients(by_hand), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_against_central_differences_to_second_order():
    from fastad.testing import check_grads
    check_grads(lambda u, w, x, s: weighed(scanned(u, w, x, s, checkpoint=2)), (U, W, X[:4], S), order=2)


class Pair(NamedTuple):
    h: object
    c: object


def test_containers_keep_their_kind():
    def cell(carry, x):
        pair, count = carry["pair"], carry["count"]
        h = fa.tanh(pair.h + x["a"] * x["b"][0])
        return {"pair": Pair(h, pair.c + h), "count": count + 1}, (None, h)

    xs = {"a": X[:, 0], "b": (X[:, 1],)}
    last, ys = nn.scan(cell, xs, {"pair": Pair(np.zeros(3), fa.zeros(3)), "count": 0}, checkpoint=3)
    assert type(last["pair"]) is Pair and last["count"].item() == 7 and ys[0] is None
    np.testing.assert_allclose(last["pair"].c.numpy(), ys[1].numpy().sum(axis=0))
    h = np.zeros(3)
    for t in range(7):
        h = np.tanh(h + X[t, 0] * X[t, 1])
        np.testing.assert_allclose(ys[1].numpy()[t], h)


def test_without_inputs_and_without_outputs():
    last, ys = nn.scan(lambda s, _: (2 * s, None), None, 1.0, length=10)
    assert last.item() == 1024 and ys is None
    assert nn.scan(lambda s, x: (s + x, None), fa.arange(4), 0, length=4)[0].item() == 6


def test_no_grad_records_nothing():
    x = fa.tensor(X, requires_grad=True)
    for checkpoint in CHECKPOINTS:
        with fa.no_grad():
            s, ys = scanned(U, W, x, S, checkpoint=checkpoint)
        assert not s.requires_grad and not ys["square"].requires_grad
        np.testing.assert_array_equal(s.numpy(), loop(fa.tensor(U), fa.tensor(W), fa.tensor(X), fa.tensor(S))[0].numpy())


@pytest.mark.parametrize("reverse", [False, True])
def test_no_steps(reverse):
    state = fa.default_generator().bit_generator.state
    cell = lambda s, x: (s, (x.astype("float32"), x @ fa.tensor(fa.default_generator().normal(size=(3, 5)))))   # noqa: E731
    s, (same, y) = nn.scan(cell, X[:0], S, reverse=reverse, checkpoint=True)
    assert fa.default_generator().bit_generator.state == state
    np.testing.assert_array_equal(s.numpy(), S)
    assert same.shape == (0, 2, 3) and same.dtype == np.float32 and y.shape == (0, 2, 5)
    assert nn.scan(lambda s, _: (s, None), None, S, length=0)[1] is None
    np.testing.assert_array_equal(fa.grad(lambda s: nn.scan(cell, X[:0], s)[0].sum())(S), np.ones_like(S))


@pytest.mark.parametrize("cell, kind, message", [
    (lambda s, x: s, TypeError, r"in step 0 the cell returned a Tensor, expected the pair"),
    (lambda s, x: (s, x, x), TypeError, r"in step 0 the cell returned a tuple of 3"),
    (lambda s, x: [s, x], TypeError, r"returned a list"),
    (lambda s, x: ((s, s), x), TypeError, r"in step 0, the carry is a tuple, expected a Tensor"),
    (lambda s, x: (None, x), TypeError, r"the carry is a NoneType"),
    (lambda s, x: (s[:, :2], x), ValueError, r"in step 0, the carry has shape \(2, 2\), expected \(2, 4\)"),
    (lambda s, x: (s.astype("float32"), x), TypeError, r"in step 0, the carry has dtype float32, expected float64.*use astype"),
    (lambda s, x: (s + 1, s.sum() if s.numpy()[0, 0] < S[0, 0] + 2.5 else s), ValueError, r"in step 3, y has shape \(2, 4\), expected \(\)"),
    (lambda s, x: (s + 1, s if s.numpy()[0, 0] < S[0, 0] + 2.5 else (s,)), TypeError, r"in step 3, y is a tuple"),
    (lambda s, x: (s + 1, {"a": s} if s.numpy()[0, 0] < S[0, 0] + 2.5 else {"b": s}), ValueError, r"in step 3: y has the keys 'b', expected the keys 'a'"),
])
@pytest.mark.parametrize("checkpoint", [False, 2])
def test_a_cell_that_does_not_fit_is_told_in_which_step(cell, kind, message, checkpoint):
    with pytest.raises(kind, match=r"scan: .*" + message):
        nn.scan(cell, X, S, checkpoint=checkpoint)


def test_an_error_of_the_cell_says_the_step():
    def cell(s, x):
        if x[0] > 2:
            raise KeyError("mine")
        return s, x
    with pytest.raises(KeyError) as caught:
        nn.scan(cell, np.arange(5.0)[:, None], 0.0)
    assert caught.value.__notes__ == ["scan: in step 3"]
    with pytest.raises(KeyError) as caught:
        nn.scan(cell, np.arange(5.0)[:, None], 0.0, reverse=True)
    assert caught.value.__notes__ == ["scan: in step 4"]


@pytest.mark.parametrize("call, kind, message", [
    (lambda: nn.scan(3, X, S), TypeError, "must be callable"),
    (lambda: nn.scan(lambda s, x: (s, x), {"a": X, "b": X[:4]}, S), ValueError, r"xs\['b'\] of shape \(4, 2, 3\) has not the length 7 of xs\['a'\]"),
    (lambda: nn.scan(lambda s, x: (s, x), X, S, length=3), ValueError, "the length 3 of length"),
    (lambda: nn.scan(lambda s, x: (s, x), 1.0, S), ValueError, "xs is 0-d"),
    (lambda: nn.scan(lambda s, x: (s, x), None, S), ValueError, "length must say"),
    (lambda: nn.scan(lambda s, x: (s, x), None, S, length=-1), ValueError, "negative"),
    (lambda: nn.scan(lambda s, x: (s, x), X, S, checkpoint=0), ValueError, "positive number of steps, got 0"),
    (lambda: nn.scan(lambda s, x: (s, x), X, S, checkpoint=2.5), TypeError, "integer"),
])
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def kept_by(checkpoint, steps=410):
    """(blocks of numbers, nodes of the tape) that the graph of a scan holds, and the gradient."""
    x = fa.tensor(np.random.default_rng(0).normal(size=(steps, 20, 3)))
    u, w = fa.tensor(U, requires_grad=True), fa.tensor(W, requires_grad=True)

    def cell(s, x):
        s = fa.tanh(fa.exp(fa.tanh(x @ u + s @ w) - 1))
        return s, s.sum()

    count = lambda: sum(type(o).__name__ == "Node" for o in gc.get_objects())     # noqa: E731
    blocks, nodes = storage.allocations_in_use(), count()
    last, ys = nn.scan(cell, x, np.zeros((20, 4)), checkpoint=checkpoint)
    blocks, nodes = storage.allocations_in_use() - blocks, count() - nodes
    (ys.sum() + last.sum()).backward()
    return blocks, nodes, w.grad.numpy()


def test_checkpointing_keeps_little():
    blocks, nodes, gradient = kept_by(False)
    few_blocks, few_nodes, same = kept_by(True)
    assert blocks > 1200 and few_blocks < blocks / 15
    assert nodes > 2400 and few_nodes < nodes / 15
    np.testing.assert_allclose(gradient, same, rtol=1e-9)


def test_a_long_sequence_needs_no_recursion():
    x = fa.tensor(np.full(40_000, 1e-5), requires_grad=True)        # more than one node can have outputs
    for checkpoint in (False, True):
        x.grad = None
        last, _ = nn.scan(lambda s, x: (s + s * x, None), x, 1.0, checkpoint=checkpoint)
        last.backward()
        np.testing.assert_allclose(x.grad.numpy(), last.item() / (1 + 1e-5), rtol=1e-9)


def test_chunks_are_cut_off_all_at_once():
    # a slice for every chunk would have, in recorded walks, a gradient of the size of all of x: quadratic in the steps
    for steps in (9, 10, 90, 91):
        table = fa.trace(lambda x: nn.scan(lambda s, x: (s * x, None), x, 1.0, checkpoint=3)[0])(np.ones(steps))
        assert sum("v0" in row.inputs for row in table.rows) <= 2


def test_unstack_is_the_inverse_of_stack():
    x = fa.tensor(X, requires_grad=True)
    for axis in range(-3, 3):
        parts = fa.unstack(x, axis=axis)
        for a, b in zip(parts, np.unstack(X, axis=axis) if hasattr(np, "unstack") else np.moveaxis(X, axis, 0), strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b)
        np.testing.assert_array_equal(fa.stack(parts, axis=axis).detach().numpy(), X)
        x.grad = None
        (parts[0].sum() * 2 + parts[-1].sum() + 0 * x.sum()).backward()
        expected = np.zeros_like(X)
        np.moveaxis(expected, axis, 0)[0] += 2
        np.moveaxis(expected, axis, 0)[-1] += 1
        np.testing.assert_array_equal(x.grad.numpy(), expected)
    assert fa.unstack(x[:0]) == ()
    many = fa.unstack(fa.arange(70_000.0))
    assert len(many) == 70_000 and many[69_999].item() == 69_999
    with pytest.raises(np.exceptions.AxisError, match="unstack"):
        fa.unstack(x, axis=3)
