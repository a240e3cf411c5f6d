"""Scaled dot-product attention, as a function.  Next: attention.py, in several heads."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors, from_numpy
from .._core.primitives.attention import ATTENTION, Look
from .._core.tape import is_grad_enabled
from .._core.tensor import FUNCTIONS
from ..random import default_generator
from .dropout import probability

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike, DType


def added(name: str, mask: ArrayLike, dtype: DType, blocked: bool) -> Tensor:
    """A mask as what is added to the scores; a boolean one is -inf where it is `blocked`."""
    t, = as_tensors(mask)
    if t.dtype.kind == "b":
        where = t.numpy() if blocked else ~t.numpy()
        return from_numpy(np.asarray(np.where(where, np.asarray(-np.inf, dtype), np.asarray(0, dtype))))
    if t.dtype.kind != "f":
        raise TypeError(f"{name} must be boolean or float, got {t.dtype}; use astype(bool)")
    return t if t.dtype == dtype else t.astype(dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, causal: bool, scale: float | None,
           weights: bool) -> list[Tensor]:
    """The primitive's outputs, of operands (..., L, E), (..., S, E) and (..., S, V) of one dtype whose batches broadcast."""
    name = "scaled_dot_product_attention"
    length, width = q.shape[-2:]
    try:
        batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
        if mask is not None:
            batch = np.broadcast_shapes(batch, mask.shape[:-2])
            np.broadcast_to(np.empty(mask.shape[-2:]), (length, k.shape[-2])[-mask.ndim:])
    except ValueError:
        raise ValueError(f"{name}: the query of shape {q.shape}, key {k.shape}, value {v.shape}"
                         + ("" if mask is None else f" and mask {mask.shape}") + " do not broadcast: they must be (..., L, "
                         "E), (..., S, E), (..., S, V) and (..., L, S)") from None
    operands = [t if t.shape[:-2] == batch else FUNCTIONS["broadcast_to"](t, batch + t.shape[-2:]) for t in (q, k, v)]
    constant = None
    if mask is not None:
        full = (*batch, length, k.shape[-2])
        mask = mask if mask.shape == full else FUNCTIONS["broadcast_to"](mask, full)
        if mask.requires_grad and is_grad_enabled():
            operands.append(mask)
        else:
            constant = mask.detach()
    by = 1 / math.sqrt(max(width, 1)) if scale is None else scale
    look = Look(by, causal, constant, weights)
    found: list[Tensor] = ATTENTION.apply(operands, look, dropout_p, default_generator().bit_generator)
    return found


def scaled_dot_product_attention(query: ArrayLike, key: ArrayLike, value: ArrayLike, attn_mask: ArrayLike | None = None,
                                 dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
                                 enable_gqa: bool = False) -> Tensor:
    """The values, weighed by how the queries fit the keys: y = softmax(scale q k^T + mask) v.

    With P the weights, D = P (g v^T - sum(g v^T P)), sums over the keys, the derivatives are dv = P^T g, dq = scale D k,
    dk = scale D^T q and dmask = D.

    Parameters
    ----------
    query : (..., L, E), float
    key : (..., S, E)
    value : (..., S, V)
        Their leading axes broadcast.
    attn_mask : (..., L, S), optional
        Boolean: True where a query may look; float: added to the scores.  It broadcasts.
    dropout_p : float
        The probability that a weight is dropped, always: 0 in evaluation.
    is_causal : bool
        Query i sees the keys up to i only; not together with attn_mask.
    scale : float, optional
        By default 1 / sqrt(E).
    enable_gqa : bool
        The query may have a multiple of the heads (the third axis from the end) of key and value, which then share them.

    Returns
    -------
    Tensor (..., L, V).  A query that may look nowhere gives zeros.

    Raises
    ------
    ValueError
        If shapes do not fit, or both attn_mask and is_causal are given.
    TypeError
        If the operands are not float, or of different dtypes.

    Notes
    -----
    A. Vaswani et al., Attention is all you need, 2017.  The weights are kept for the way back: L S numbers a head.

    Examples
    --------
    >>> import fastad
    >>> attention = fastad.nn.functional.scaled_dot_product_attention
    >>> attention([[0.0], [0.0]], [[1.0], [1.0]], [[2.0], [4.0]], is_causal=True)
    tensor([[2.],
            [3.]])
    """
    name = "scaled_dot_product_attention"
    q, k, v = as_tensors(query, key, value)
    dropout_p = probability(name, dropout_p, "dropout_p")
    for what, t in (("query", q), ("key", k), ("value", v)):
        if t.dtype.kind != "f":
            raise TypeError(f"{name}: the {what} must be float, got {t.dtype}; use astype('float32')")
        if t.dtype != q.dtype:
            raise TypeError(f"{name}: the query is {q.dtype} and the {what} {t.dtype}; use astype({str(q.dtype)!r})")
        if t.ndim < 2:
            raise ValueError(f"{name}: the {what} must be (..., length, width), got shape {t.shape}")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(f"{name}: a query (..., L, E), key (..., S, E) and value (..., S, V) must share E and S, got "
                         f"shapes {q.shape}, {k.shape} and {v.shape}")
    mask = None
    if attn_mask is not None:
        if is_causal:
            raise ValueError(f"{name}: give attn_mask or is_causal, not both")
        mask = added(f"{name}: attn_mask", attn_mask, q.dtype, False)
    if not enable_gqa:
        return attend(q, k, v, mask, dropout_p, is_causal, scale, False)[0]
    if min(q.ndim, k.ndim, v.ndim) < 3 or not k.shape[-3] or k.shape[-3] != v.shape[-3] or q.shape[-3] % k.shape[-3]:
        raise ValueError(f"{name}: enable_gqa shares the heads of key and value, axis -3, among a multiple of them in the "
                         f"query; got shapes {q.shape}, {k.shape} and {v.shape}")
    heads, groups = q.shape[-3], k.shape[-3]

    def grouped(t: Tensor, inner: int) -> Tensor:
        shape: tuple[int, ...] = t.shape
        split: Tensor = FUNCTIONS["reshape"](t, (*shape[:-3], groups, inner, *shape[-2:]))
        return split

    if mask is not None and mask.ndim > 2:
        mask = grouped(mask, heads // groups) if mask.shape[-3] == heads else FUNCTIONS["expand_dims"](mask, -3)
    y = attend(grouped(q, heads // groups), grouped(k, 1), grouped(v, 1), mask, dropout_p, is_causal, scale, False)[0]
    joined: Tensor = FUNCTIONS["reshape"](y, (*y.shape[:-4], heads, *y.shape[-2:]))
    return joined
