"""Level 4: recurrent layers as formulas, one recorded operation after the other.

What recurrent.pyx computes in one call stands here as the texts write it.  Its rules for tangents and for higher
derivatives, and the dtypes without kernels, go this way.
"""
from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from ..tensor import FUNCTIONS
from . import formulas

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tape import Node
    from ..tensor import Tensor
    from .recurrent import Recurrent, Sequences

    _State = tuple[Tensor, ...]
    _Step = Callable[..., _State]
    _Given = tuple[Tensor | None, ...]


def vanilla(activation: str) -> _Step:
    """s' = act(x U^T + s W^T + b)"""
    def step(given: Tensor, state: _State, w: Tensor, b: Tensor | None) -> _State:
        return (FUNCTIONS[activation](given + FUNCTIONS["linear"](state[0], w, b)),)
    return step


def lstm(given: Tensor, state: _State, w: Tensor, b: Tensor | None) -> _State:
    """c' = f c + i g, h' = o tanh(c')"""
    h, c = state
    sigmoid, tanh = FUNCTIONS["sigmoid"], FUNCTIONS["tanh"]
    i, f, g, o = FUNCTIONS["split"](given + FUNCTIONS["linear"](h, w, b), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru(given: Tensor, state: _State, w: Tensor, b: Tensor | None) -> _State:
    """h' = n + z (h - n), n = tanh(x_n + r h_n)"""
    h, = state
    r, z, n = FUNCTIONS["split"](given, 3, axis=-1)
    h_r, h_z, h_n = FUNCTIONS["split"](FUNCTIONS["linear"](h, w, b), 3, axis=-1)
    r, z = FUNCTIONS["sigmoid"](r + h_r), FUNCTIONS["sigmoid"](z + h_z)
    n = FUNCTIONS["tanh"](n + r * h_n)
    return (n + z * (h - n),)


STEPS = {f"rnn_{name}": vanilla(name) for name in ("tanh", "relu", "sigmoid")} | {"lstm": lstm, "gru": gru}


def unrolled(step: _Step, x: Tensor, state: _State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
             b_hh: Tensor | None, sizes: tuple[int, ...], reverse: bool) -> _State:
    """(y, final state...) of packed sequences x (rows, inputs), of which sizes[t] are running at time t."""
    given = FUNCTIONS["linear"](x, w_ih, b_ih)
    if not sizes:
        return (given[:, :w_hh.shape[1]], *state)
    starts = [0, *accumulate(sizes)]
    outputs: list[_State] = [()] * len(sizes)
    now: _State = ()
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        size = sizes[t]
        before = tuple(s[:size] for s in now) if now else tuple(s[:size] for s in state)
        kept = before[0].shape[0]
        if kept < size:                       # going backward, sequences begin on the way
            before = tuple(FUNCTIONS["concatenate"]((s, first[kept:size])) for s, first in zip(before, state, strict=True))
        outputs[t] = now = step(given[starts[t]:starts[t] + size], before, w_hh, b_hh)
    y = FUNCTIONS["concatenate"]([h for h, *_ in outputs])
    if reverse:
        return (y, *now)
    ends = [(t, sizes[t + 1] if t + 1 < len(sizes) else 0) for t in reversed(range(len(sizes)))]
    return (y, *[FUNCTIONS["concatenate"]([outputs[t][k][going:] for t, going in ends if going < sizes[t]])
                 for k in range(len(state))])


# ---- the rules of the primitives ---------------------------------------------------------------------
def outputs(prim: Recurrent, inputs: list[Tensor], sequences: Sequences) -> list[Tensor]:
    """What `prim` gives for its inputs, by recorded operations."""
    x, *rest = inputs
    k = prim.states
    flat = x if x.ndim == 2 else FUNCTIONS["reshape"](x, (sequences.rows, x.shape[2]))
    b_ih, b_hh = rest[k + 2:] or (None, None)
    sizes = (sequences.batch,) * sequences.steps if sequences.sizes is None else sequences.sizes
    sizes = sizes if sequences.rows else ()
    y, *final = unrolled(STEPS[prim.name], flat, tuple(rest[:k]), rest[k], rest[k + 1], b_ih, b_hh, sizes,
                         sequences.reverse)
    return [y if x.ndim == 2 else FUNCTIONS["reshape"](y, (*x.shape[:2], y.shape[1])), *final]


def vjp(prim: Recurrent, node: Node, saved: tuple[Tensor, ...], g: _Given) -> _Given:
    """The cotangents of the inputs."""
    return formulas.vjp(outputs, prim, differentiable(prim, node), saved, g)


def jvp(prim: Recurrent, node: Node, saved: tuple[Tensor, ...], tangents: _Given) -> _Given:
    """The tangents of the outputs."""
    return formulas.jvp(outputs, prim, differentiable(prim, node), saved, tangents)


def differentiable(prim: Recurrent, node: Node) -> Node:
    """The node, unless it carries errors back through a window."""
    window = node.args.window
    if window >= 0:
        raise RuntimeError(f"{prim.name}: backpropagation through a window of {window} steps is a training rule, not the "
                           f"derivative of anything: it has no tangents and no higher derivatives. Leave out `window` for "
                           f"those")
    return node
