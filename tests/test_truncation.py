"""Truncated backpropagation through time, in chunks: what is carried on, and what is cut."""
import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad.nn.utils import detach_state, tbptt

RNG = np.random.default_rng(3)
STEPS, BATCH = 11, 3
X, Y = RNG.normal(size=(STEPS, BATCH, 4)), RNG.normal(size=(STEPS, BATCH, 5))
LAYERS = {"rnn": lambda **k: nn.RNN(4, 5, dtype="float64", **k), "lstm": lambda **k: nn.LSTM(4, 5, 2, dtype="float64", **k),
          "gru": lambda **k: nn.GRU(4, 5, dtype="float64", **k)}


def step_of(layer):
    def step(chunk, state):
        x, y = chunk
        out, state = layer(x, state)
        return ((out - y) ** 2).sum(), state
    return step


def gradients(layer, run):
    layer.zero_grad()
    run()
    return [p.grad.numpy().copy() for p in layer.parameters()]


@pytest.fixture(params=LAYERS)
def layer(request):
    fa.manual_seed(1)
    return LAYERS[request.param]()


@pytest.mark.parametrize("length", [STEPS, STEPS + 5])
def test_one_chunk_is_full_backpropagation(layer, length):
    def chunked():
        (loss, _), = tbptt(step_of(layer), (X, Y), length)
        loss.backward()
    for a, b in zip(gradients(layer, chunked), gradients(layer, lambda: ((layer(X)[0] - Y) ** 2).sum().backward()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("length", [1, 4, 10])
def test_each_chunk_is_a_fresh_start_from_the_same_constant_state(layer, length):
    outputs, _ = layer(X)
    state, start, seen = None, 0, 0
    for loss, after in tbptt(step_of(layer), (X, Y), length):
        found = gradients(layer, loss.backward)
        chunk = slice(start, start + length)

        def alone(state=state, chunk=chunk):
            y, _ = layer(X[chunk], state)
            np.testing.assert_allclose(y.detach().numpy(), outputs.detach().numpy()[chunk], rtol=1e-10)   # the numbers go on
            ((y - Y[chunk]) ** 2).sum().backward()

        for a, b in zip(found, gradients(layer, alone), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        copies = [fa.tensor(s) for s in (after if isinstance(after, tuple) else (after,))]
        assert all(not s.requires_grad for s in (after if isinstance(after, tuple) else (after,)))
        state = tuple(copies) if isinstance(after, tuple) else copies[0]
        start, seen = start + length, seen + 1
    assert seen == -(-STEPS // length)


def test_truncation_changes_the_gradient(layer):
    whole = gradients(layer, lambda: ((layer(X)[0] - Y) ** 2).sum().backward())
    cut = gradients(layer, lambda: [loss.backward() for loss, _ in tbptt(step_of(layer), (X, Y), 3)])
    assert max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(cut, whole, strict=True)) > 1e-3


def test_parameters_may_change_between_chunks(layer):
    optimizer = fa.optim.SGD(layer.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        total = 0.0
        for loss, _ in tbptt(step_of(layer), (X, Y), 4):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("axis", [1, -2])
def test_batch_first(axis):
    fa.manual_seed(1)
    layer = LAYERS["gru"](batch_first=True)
    swapped = (fa.tensor(X.swapaxes(0, 1)), Y.swapaxes(0, 1))
    h0 = fa.tensor(RNG.normal(size=(1, BATCH, 5)))
    total = sum(loss.item() for loss, _ in tbptt(step_of(layer), swapped, 4, h0, axis=axis))
    np.testing.assert_allclose(total, ((layer(swapped[0], h0)[0] - swapped[1]) ** 2).sum().item(), rtol=1e-12)


def test_the_first_state_is_differentiated_in_the_first_chunk_alone():
    layer = LAYERS["rnn"]()
    h0 = fa.tensor(np.ones((1, BATCH, 5)), requires_grad=True)
    chunks = tbptt(step_of(layer), (X, Y), 5, h0)
    next(chunks)[0].backward()
    first, h0.grad = h0.grad.numpy().copy(), None
    assert np.abs(first).max() > 0
    next(chunks)[0].backward()
    assert h0.grad is None


def test_nested_containers_and_a_cell():
    cell = nn.LSTMCell(4, 5, dtype="float64")

    def step(chunk, state):
        last, ys = nn.scan(lambda s, x: (lambda h, c: ((h, c), h))(*cell(x, s)), chunk["x"], state)
        return ((ys - chunk["y"]) ** 2).sum(), last

    zero = (fa.zeros((BATCH, 5)), fa.zeros((BATCH, 5)))
    for loss, (h, c) in tbptt(step, {"x": X, "y": Y}, 6, zero):
        loss.backward()
        assert not h.requires_grad and not c.requires_grad
    assert cell.weight_hh.grad is not None


def test_detach_state_keeps_the_container():
    h = fa.tensor([1.0], requires_grad=True) * 1
    state = detach_state({"a": (h, [None, 3]), "b": h})
    assert state["a"][1] == [None, 3] and not state["a"][0].requires_grad and not state["b"].requires_grad
    assert h.requires_grad and detach_state(None) is None


@pytest.mark.parametrize("call, kind, message", [
    (lambda: tbptt(None, X, 0), ValueError, "length must be at least 1"),
    (lambda: tbptt(None, (X, Y[:5]), 2), ValueError, r"sequences\[0\] has 11 steps along axis 0, and sequences\[1\] of shape \(5, 3, 5\) has 5"),
    (lambda: tbptt(None, X, 2, axis=3), np.exceptions.AxisError, "no axis 3"),
    (lambda: tbptt(None, (), 2), ValueError, "no sequences"),
    (lambda: tbptt(None, nn.utils.rnn.pack_sequence([X[:, 0], X[:, 1]]), 2), TypeError, "PackedSequence"),
    (lambda: next(tbptt(lambda x, s: x, X, 4)), TypeError, "expected a pair"),
])
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
