"""Level 4: normalisation as formulas, one recorded operation after the other.

What normalisation.pyx computes in one call stands here as the texts write it.  Its rules for tangents and for higher
derivatives, and the dtypes without kernels, go this way.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ..tensor import FUNCTIONS
from . import formulas

if TYPE_CHECKING:
    from ..tape import Node
    from ..tensor import Tensor
    from .formulas import _Given
    from .normalisation import Normalise, Plan


def moments(x: Tensor, axis: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean, and variance over the number of elements, along axes that stay."""
    mean = FUNCTIONS["mean"](x, axis=axis, keepdims=True)
    away = x - mean
    return mean, FUNCTIONS["mean"](away * away, axis=axis, keepdims=True)


def outputs(prim: Normalise, inputs: list[Tensor], plan: Plan) -> list[Tensor]:
    """What `prim` gives for its inputs, by recorded operations."""
    x, *rest = inputs
    reshape, (n, c, length) = FUNCTIONS["reshape"], plan.shape
    narrow = x.dtype.itemsize == 2
    if narrow:                                # float16 is to hold results, not sums
        x, *rest = (FUNCTIONS["astype"](t, "float32") for t in inputs)
    per_channel = (c, 1)
    if prim.name == "batch_norm":
        given = reshape(x, (n, c, length))
        mean, var = [reshape(s, per_channel) for s in plan.fixed] or moments(given, (0, 2))
        y = (given - mean) / FUNCTIONS["sqrt"](var + plan.eps)
    else:
        given = reshape(x, (n, plan.groups, c // plan.groups * length))
        if plan.centred:
            mean, var = moments(given, (2,))
            given = given - mean
        else:
            var = FUNCTIONS["mean"](given * given, axis=2, keepdims=True)
        y = reshape(given / FUNCTIONS["sqrt"](var + plan.eps), (n, c, length))
    if plan.weighted:
        y = y * reshape(rest[0], per_channel)
    if plan.biased:
        y = y + reshape(rest[-1], per_channel)
    y = reshape(y, x.shape)
    return [FUNCTIONS["astype"](y, inputs[0].dtype) if narrow else y]


def follow(x: Tensor, plan: Plan, running: tuple[Tensor, ...], share: float) -> None:
    """The running mean and variance move by `share` towards those of x, in place."""
    n, c, length = plan.shape
    count = n * length
    mean, var = moments(FUNCTIONS["reshape"](x, plan.shape), (0, 2))
    for old, new in zip(running, (mean, var * (count / (count - 1))), strict=True):
        old.copy_((old * (1 - share) + FUNCTIONS["reshape"](new, (c,)) * share).astype(old.dtype))


def vjp(prim: Normalise, node: Node, saved: _Given, g: Tensor) -> _Given:
    """The cotangents of the inputs."""
    return formulas.vjp(outputs, prim, node, saved, (g,))


def jvp(prim: Normalise, node: Node, saved: _Given, tangents: _Given) -> Tensor | None:
    """The tangent of the output."""
    return formulas.jvp(outputs, prim, node, saved, tangents)[0]
