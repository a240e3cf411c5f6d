"""Clipping of gradients by their norm and by value, in place, one compiled pass over all of them.  Next: rnn.py."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..._core.make import tensor
from ..._core.primitives.optimizer import apply_in_place, magnitude
from ..._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..._typing import ArrayLike

SAFE = 1e-30, 1e300                           # sums of squares between these lost nothing to under- or overflow


def _tensors(name: str, given: Tensor | Iterable[Tensor]) -> list[Tensor]:
    found = [given] if isinstance(given, Tensor) else list(given)
    for k, t in enumerate(found):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: expected tensors, got {type(t).__name__} at place {k}")
    return found


def _check(name: str, **bound: float) -> None:
    (what, value), = bound.items()
    if not value >= 0:
        raise ValueError(f"{name}: {what} must be at least 0, got {value}")


def _gradients(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [g for g in [p.grad for p in _tensors(name, parameters)] if g is not None]


def _norm(name: str, tensors: list[Tensor], norm_type: float) -> float:
    """The norm of all their numbers."""
    if not norm_type > 0:
        raise ValueError(f"{name}: norm_type must be above 0 (inf: the largest magnitude), got {norm_type}")
    if norm_type == 2:
        squares = magnitude(tensors, True)
        if SAFE[0] < squares < SAFE[1] or math.isnan(squares):
            return math.sqrt(squares)
    top = _largest(tensors)
    if math.isinf(norm_type) or not 0 < top < math.inf:
        return top
    powers = [((np.abs(t.numpy()).astype(float) / top) ** norm_type).sum() for t in tensors]
    return float(top * sum(powers) ** (1 / norm_type))


def _largest(tensors: list[Tensor]) -> float:
    """The largest magnitude of all their numbers, 0 of none, NaN if there is one."""
    found: float = magnitude(tensors, False)
    return found if found != -1 else float(np.max([np.abs(t.numpy()).max(initial=0) for t in tensors]))


def get_total_norm(tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0,
                   error_if_nonfinite: bool = False) -> Tensor:
    """The norm of all numbers of all tensors: (sum |x|^p)^(1/p), for p = inf the largest |x|; 0 of none.

    Raises
    ------
    RuntimeError
        If it is infinite or NaN and `error_if_nonfinite`.
    ValueError
        If norm_type is not above 0.
    TypeError
        If an item is no tensor.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.utils.get_total_norm([fastad.tensor([3.0]), fastad.tensor([0.0, 4.0])])
    tensor(5.)
    """
    name = "get_total_norm"
    return _total(name, [t.detach() for t in _tensors(name, tensors)], norm_type, error_if_nonfinite)


def _total(name: str, found: list[Tensor], norm_type: float, error_if_nonfinite: bool) -> Tensor:
    total = _norm(name, found, float(norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"{name}: the norm of order {norm_type} is {total}; clip with error_if_nonfinite=False, or find "
                           f"the operation with fastad.detect_anomaly()")
    kinds = {t.dtype for t in found}
    kind = kinds.pop() if len(kinds) == 1 else np.result_type(np.float32, *kinds)
    return tensor(total, np.zeros((), kind).real.dtype)


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """Scale all gradients, in place, by min(1, max_norm / (norm + 1e-6)), and give the norm that they had.

    The norm is that of all gradients as one vector; parameters without one are skipped.  As in PyTorch an infinite norm
    makes the finite gradients 0, and a NaN makes all of them NaN.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    max_norm : float
    norm_type : float
        The order of the norm; inf: the largest magnitude.
    error_if_nonfinite : bool
        Raise, and change nothing, if the norm is infinite or NaN.

    Raises
    ------
    RuntimeError
        Under error_if_nonfinite.
    ValueError
        If norm_type is not above 0, max_norm is negative or NaN, or a gradient is read-only.
    TypeError
        If an item is no tensor.

    Notes
    -----
    R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, 2013.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor([1.0, 1.0], requires_grad=True)
    >>> (w * fastad.tensor([3.0, 4.0])).sum().backward()
    >>> fastad.nn.utils.clip_grad_norm_([w], 1.0)
    tensor(5.)
    >>> fastad.round(w.grad, 4)
    tensor([0.6, 0.8])
    """
    _check("clip_grad_norm_", max_norm=max_norm)
    gradients = _gradients("clip_grad_norm_", parameters)
    total = _total("clip_grad_norm_", gradients, norm_type, error_if_nonfinite)
    _scale("clip_grad_norm_", gradients, max_norm, total)
    return total


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: ArrayLike) -> None:
    """Scale all gradients, in place, by min(1, max_norm / (total_norm + 1e-6)), for a norm that is known.

    Raises what `clip_grad_norm_` raises.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor([1.0, 1.0], requires_grad=True)
    >>> (w * fastad.tensor([3.0, 4.0])).sum().backward()
    >>> fastad.nn.utils.clip_grads_with_norm_([w], 1.0, 10.0)
    >>> fastad.round(w.grad, 4)
    tensor([0.3, 0.4])
    """
    _check("clip_grads_with_norm_", max_norm=max_norm)
    _scale("clip_grads_with_norm_", _gradients("clip_grads_with_norm_", parameters), max_norm, total_norm)


def _scale(name: str, gradients: list[Tensor], max_norm: float, total_norm: ArrayLike) -> None:
    share = float(max_norm) / (float(total_norm) + 1e-6)  # type: ignore[arg-type]
    if not share >= 1:                        # or NaN
        apply_in_place(name, gradients, "multiply", share)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of every gradient to -clip_value ... clip_value, in place; NaN stays.

    Raises
    ------
    ValueError
        If clip_value is negative or NaN, or a gradient is read-only.
    TypeError
        If an item is no tensor, or a gradient is complex.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor([1.0, 1.0], requires_grad=True)
    >>> (w * fastad.tensor([3.0, -0.5])).sum().backward()
    >>> fastad.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1. , -0.5])
    """
    _check("clip_grad_value_", clip_value=clip_value)
    gradients = [g for g in _gradients("clip_grad_value_", parameters) if not _largest([g]) <= clip_value]
    for g in gradients:
        if g.dtype.kind == "c":
            raise TypeError(f"clip_grad_value_: a gradient of shape {g.shape} is {g.dtype}, which has no order; use "
                            f"clip_grad_norm_")
    apply_in_place("clip_grad_value_", gradients, "maximum", -clip_value)
    apply_in_place("clip_grad_value_", gradients, "minimum", clip_value)
