"""Samples of the sequence primitives: RNN, LSTM and GRU over dense and packed sequences, in both directions."""
import numpy as np

import fastad as fa
from samples import Sample

try:
    import torch
except ImportError:
    torch = None

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "rnn_sigmoid": 1, "lstm": 4, "gru": 3}
ACTIVATION = {"rnn_tanh": np.tanh, "rnn_relu": lambda a: np.maximum(a, 0), "rnn_sigmoid": lambda a: 1 / (1 + np.exp(-a))}


def step(cell, given, state, w, b):
    """One sequence, one step: the new state, from what the inputs give and the state before."""
    sigmoid, h = ACTIVATION["rnn_sigmoid"], state[0]
    taken = w @ h + b
    if cell in ACTIVATION:
        return (ACTIVATION[cell](given + taken),)
    if cell == "lstm":
        i, f, g, o = np.split(given + taken, 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    r, z = sigmoid((given + taken)[:2 * len(h)]).reshape(2, -1)
    n = np.tanh(given[2 * len(h):] + r * taken[2 * len(h):])
    return ((1 - z) * n + z * h,)


def in_numpy(cell, x, *rest, sizes, reverse):
    """One sequence after the other, step by step."""
    k = 2 if cell == "lstm" else 1
    state, (w_ih, w_hh, *biases) = rest[:k], rest[k:]
    b_ih, b_hh = biases or (0, np.zeros(len(w_hh)))
    dense = x.ndim == 3
    sizes = [x.shape[1]] * x.shape[0] if sizes is None else sizes
    rows = x.reshape(-1, w_ih.shape[1])
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    y = np.zeros((len(rows), w_hh.shape[1]), x.dtype)
    final = [s.copy() for s in state]
    for b in range(len(state[0])):
        now = tuple(s[b] for s in state)
        times = [t for t, size in enumerate(sizes) if b < size]
        for t in reversed(times) if reverse else times:
            now = step(cell, w_ih @ rows[starts[t] + b] + b_ih, now, w_hh, b_hh)
            y[starts[t] + b] = now[0]
        for s, last in zip(final, now, strict=True):
            s[b] = last
    return [y.reshape(*x.shape[:2], -1) if dense and y.size else y.reshape(*x.shape[:-1], w_hh.shape[1]), *final]


def in_torch(cell, x, *rest, reverse):
    k = 2 if cell == "lstm" else 1
    state, weights = [s[None] for s in rest[:k]], list(rest[k:])
    function = getattr(torch._VF, cell)
    settings = len(weights) == 4, 1, 0.0, True, False, False      # biases, layers, dropout, training, directions, batch first
    y, *final = function(x.flip(0) if reverse else x, tuple(state) if k == 2 else state[0], weights, *settings)
    return [y.flip(0) if reverse else y, *[s[0] for s in final]]


def drawn(cell, x_shape, batch, hidden, bias):
    def inputs(rng, dtype):
        wide = GATES[cell] * hidden
        shapes = [x_shape, *[(batch, hidden)] * (2 if cell == "lstm" else 1), (wide, x_shape[-1]), (wide, hidden)]
        return tuple(rng.uniform(-1, 1, s).astype(dtype) for s in shapes + [(wide,)] * (2 * bias))
    return inputs


def sample(cell, x_shape, hidden, bias=True, sizes=None, reverse=False):
    k = 2 if cell == "lstm" else 1
    batch = x_shape[1] if sizes is None else max(sizes, default=0)
    words = [f"{x_shape}-{hidden}"] + ["packed"] * (sizes is not None) + ["reverse"] * reverse
    return Sample(
        cell,
        lambda x, *rest: fa.recurrent(cell, x, rest[:k], *rest[k:], batch_sizes=sizes, reverse=reverse),
        lambda x, *rest: in_numpy(cell, x, *rest, sizes=sizes, reverse=reverse),
        drawn(cell, x_shape, batch, hidden, bias),
        torch=(torch and sizes is None and 0 not in x_shape and cell != "rnn_sigmoid"
        and (lambda *args: in_torch(cell, *args, reverse=reverse))) or None,
        id="-".join(words),
    )


SAMPLES = []
for cell in GATES:
    SAMPLES += [
        sample(cell, (3, 2, 3), 2),
        sample(cell, (2, 1, 1), 3, bias=False, reverse=True),
        sample(cell, (6, 2), 2, sizes=(3, 2, 1)),
        sample(cell, (6, 1), 2, sizes=(3, 2, 1), bias=False, reverse=True),
        sample(cell, (0, 2, 3), 2),
        sample(cell, (2, 0, 3), 2),
    ]
