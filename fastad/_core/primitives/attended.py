"""Level 4: attention as formulas, one recorded operation after the other: what attention.pyx computes in one call."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..tensor import FUNCTIONS
from . import formulas

if TYPE_CHECKING:
    from ..tape import Node
    from ..tensor import Tensor
    from .attention import Attention, Look
    from .formulas import _Given


def outputs(prim: Attention, inputs: list[Tensor], look: Look) -> list[Tensor]:
    """What `prim` gives for its inputs, by recorded operations."""
    q, k, v, *rest = inputs
    where, matmul = FUNCTIONS["where"], FUNCTIONS["matmul"]
    scores = matmul(q * look.scale, FUNCTIONS["swapaxes"](k, -1, -2))
    mask = rest[0] if rest else look.mask
    if mask is not None:
        scores = scores + mask
    if look.causal:
        scores = where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    if mask is None:
        weights = FUNCTIONS["softmax"](scores, -1)
    else:                                     # a row that sees nothing weighs nothing, where softmax divides 0 by 0
        blind = (scores.detach().numpy() == -np.inf).all(-1, keepdims=True)
        weights = where(blind, 0.0, FUNCTIONS["softmax"](where(blind, 0.0, scores), -1))
    if look.kept is not None:
        weights = weights * look.kept.noise(weights.dtype)
    y = matmul(weights, v)
    return [y, weights] if look.weights else [y]


def vjp(prim: Attention, node: Node, saved: _Given, g: Tensor | _Given) -> _Given:
    """The cotangents of the inputs."""
    return formulas.vjp(outputs, prim, node, saved, g if isinstance(g, tuple) else (g,))


def jvp(prim: Attention, node: Node, saved: _Given, tangents: _Given) -> Tensor | _Given | None:
    """The tangents of the outputs."""
    found = formulas.jvp(outputs, prim, node, saved, tangents)
    return found if node.args.weights else found[0]
