"""Level 4: the rules of a primitive that one compiled call computes, from the formula of it.

The formula runs again on copies of the inputs, as recorded operations, and a walk over those gives cotangents or tangents,
of any order and behind any leading axes.  The inputs stand first among what the node saved.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..make import copy_of, mark, pull, push, recorded_call
from ..tape import is_grad_enabled
from ..tensor import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..tape import Node, Primitive
    from ..tensor import Tensor

    _Given = tuple[Tensor | None, ...]
    _Formula = Callable[[Any, list[Tensor], Any], list[Tensor]]        # (primitive, inputs, static arguments): the outputs


def again(formula: _Formula, prim: Primitive, node: Node, values: _Given) -> tuple[int, list[Tensor], list[Tensor]]:
    """(mark, copies of the inputs, outputs computed again from them)"""
    since = mark()
    copies = [copy_of(v, prim.name, i) for i, v in enumerate(values[:len(node.inputs)])]
    return since, copies, recorded_call(formula, (prim, copies, node.args), {})


def vjp(formula: _Formula, prim: Primitive, node: Node, saved: _Given, g: _Given) -> _Given:
    """The cotangents of the inputs, for those of the outputs."""
    since, copies, found = again(formula, prim, node, saved)
    pairs = [(o, c) for o, c in zip(found, g, strict=True) if c is not None]
    lead = pairs[0][1].ndim - pairs[0][0].ndim
    wanted = [i for i in range(len(copies)) if node.needs(i)]
    recording = is_grad_enabled()             # then what is given refers to what was computed again
    pulled = pull([o for o, _ in pairs], [copies[i] for i in wanted], [c for _, c in pairs], lead, recording, recording,
                  since)
    results: list[Tensor | None] = [None] * len(copies)
    for i, cotangent in zip(wanted, pulled, strict=True):
        if cotangent is None:                 # of what no step has used
            cotangent = FUNCTIONS["zeros"]((*pairs[0][1].shape[:lead], *copies[i].shape), dtype=copies[i].dtype)
        results[i] = cotangent
    return tuple(results)


def jvp(formula: _Formula, prim: Primitive, node: Node, saved: _Given, tangents: _Given) -> _Given:
    """The tangents of the outputs."""
    since, copies, found = again(formula, prim, node, saved)
    pairs = [(c, t) for c, t in zip(copies, tangents, strict=True) if t is not None]
    lead = pairs[0][1].ndim - pairs[0][0].ndim
    return tuple(push([c for c, _ in pairs], found, [t for _, t in pairs], lead, is_grad_enabled(), since))
