"""Level 4: recurrent layers as formulas, one recorded operation after the other.

What recurrent.pyx computes in one call stands here as the texts write it.  Its rules for tangents and for higher derivatives,
and the dtypes without kernels, go this way.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..tensor import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tensor import Tensor

    State = tuple[Tensor, ...]


def vanilla(activation: str) -> Callable[..., State]:
    """s' = act(x U^T + s W^T + b)"""
    def step(given: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
        return (FUNCTIONS[activation](given + FUNCTIONS["linear"](state[0], w, b)),)
    return step


def lstm(given: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
    """c' = f c + i g, h' = o tanh(c')"""
    h, c = state
    sigmoid, tanh = FUNCTIONS["sigmoid"], FUNCTIONS["tanh"]
    i, f, g, o = FUNCTIONS["split"](given + FUNCTIONS["linear"](h, w, b), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru(given: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
    """h' = n + z (h - n), n = tanh(x_n + r h_n)"""
    h, = state
    r, z, n = FUNCTIONS["split"](given, 3, axis=-1)
    h_r, h_z, h_n = FUNCTIONS["split"](FUNCTIONS["linear"](h, w, b), 3, axis=-1)
    r, z = FUNCTIONS["sigmoid"](r + h_r), FUNCTIONS["sigmoid"](z + h_z)
    n = FUNCTIONS["tanh"](n + r * h_n)
    return (n + z * (h - n),)


def unrolled(step: Callable[..., State], x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
             b_hh: Tensor | None, sizes: tuple[int, ...], reverse: bool) -> State:
    """(y, final state...) of packed sequences x (rows, inputs), of which sizes[t] are running at time t."""
    given = FUNCTIONS["linear"](x, w_ih, b_ih)
    starts = [sum(sizes[:t]) for t in range(len(sizes))]
    outputs: list[State] = [()] * len(sizes)
    now: State = ()
    for t in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        size = sizes[t]
        before = tuple(s[:size] for s in now) if now else tuple(s[:size] for s in state)
        kept = before[0].shape[0]
        if kept < size:                       # going backward, sequences begin on the way
            before = tuple(FUNCTIONS["concatenate"]((s, first[kept:size])) for s, first in zip(before, state, strict=True))
        outputs[t] = now = step(given[starts[t]:starts[t] + size], before, w_hh, b_hh)
    y = FUNCTIONS["concatenate"]([h for h, *_ in outputs]) if sizes else given[:, :w_hh.shape[1]]
    if reverse or not sizes:
        return (y, *(now or state))
    ends = [(t, sizes[t + 1] if t + 1 < len(sizes) else 0) for t in reversed(range(len(sizes)))]
    final = [FUNCTIONS["concatenate"]([outputs[t][k][going:] for t, going in ends if going < sizes[t]]) for k in range(len(state))]
    return (y, *final)
