"""MultiheadAttention.  Imports dot_product.py, the function.  Next: transformer.py."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors, from_numpy
from .._core.tensor import FUNCTIONS
from . import init
from .dot_product import added, attend
from .dropout import probability
from .linear import Linear
from .module import Module
from .parameter import positive, uninitialised

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike, DType, Generator
    from .parameter import Parameter


class MultiheadAttention(Module):
    """Attention in several heads: y = concatenate(head_1, ..., head_h) W_o^T + b_o, each head scaled dot-product attention
    over its share of the columns of q W_q^T + b_q, k W_k^T + b_k and v W_v^T + b_v.

    Parameters
    ----------
    embed_dim, num_heads : int
        E, of which each head has E / num_heads.
    dropout : float
        The probability that a weight is dropped while training.
    bias : bool
    add_bias_kv : bool
        One more key and value, which are learned.
    add_zero_attn : bool
        One more key and value, which are zeros.
    kdim, vdim : int, optional
        The features of key and value, E by default.
    batch_first : bool
        Inputs are (N, L, E) and not (L, N, E).
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    in_proj_weight : (3 E, E), W_q, W_k and W_v; or q_proj_weight, k_proj_weight and v_proj_weight if kdim or vdim differ
    in_proj_bias : (3 E,), or None
    out_proj : Linear, W_o and b_o
    bias_k, bias_v : (1, 1, E), or None

    Raises
    ------
    ValueError
        If the heads do not divide embed_dim; in a call, if shapes do not fit.

    Notes
    -----
    A. Vaswani et al., Attention is all you need, 2017.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = fastad.ones((4, 3, 8), dtype="float32")
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    ((4, 3, 8), (4, 3, 3))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
                 add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
                 dtype: DType | None = None, generator: Generator = None) -> None:
        super().__init__()
        positive("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {num_heads} heads do not divide embed_dim={embed_dim}")
        kdim, vdim = kdim or embed_dim, vdim or embed_dim
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim, self.batch_first, self.add_zero_attn = kdim, vdim, batch_first, add_zero_attn
        self.dropout = probability("MultiheadAttention", dropout, "dropout")
        same = kdim == vdim == embed_dim
        self.register_parameter("in_proj_weight", uninitialised((3 * embed_dim, embed_dim), dtype) if same else None)
        for name, width in (("q", embed_dim), ("k", kdim), ("v", vdim)):
            self.register_parameter(f"{name}_proj_weight", None if same else uninitialised((embed_dim, width), dtype))
        self.register_parameter("in_proj_bias", uninitialised((3 * embed_dim,), dtype) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype, generator=generator)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, uninitialised((1, 1, embed_dim), dtype) if add_bias_kv else None)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator = None) -> None:
        """Draw new initial values, all but those of W_o."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight, generator=generator)
        if self.in_proj_bias is not None:
            self.in_proj_bias.detach().zero_()
        if self.out_proj.bias is not None:
            self.out_proj.bias.detach().zero_()
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:             # Xavier's, of one row
                init.normal_(extra, std=math.sqrt(1 / self.embed_dim), generator=generator)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: ArrayLike | None = None,
                need_weights: bool = True, attn_mask: ArrayLike | None = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:
        """(y, weights) of query (L, N, E), key (S, N, kdim) and value (S, N, vdim), or without N; N first if `batch_first`.

        Masks are boolean, True where a query may NOT look, or are added: `key_padding_mask` (N, S), `attn_mask` (L, S) or
        (N * num_heads, L, S).  `is_causal` alone is the causal mask; beside attn_mask it is a hint that changes nothing.
        The weights are (N, L, S); with ``average_attn_weights=False`` those of each head, (N, num_heads, L, S); None unless
        needed.
        """
        q, k, v = as_tensors(query, key, value)
        self.check(q, k, v)
        alone = q.ndim == 2
        n, length, span = self.sizes(q, k)
        heads = [self.split(t, n, size) for t, size in zip(self.projected(q, k, v), (length, span, span), strict=True)]
        mask = self.masks(key_padding_mask, attn_mask, n, length, span, q.dtype)
        causal = is_causal and attn_mask is None
        if causal and (mask is not None or self.bias_k is not None or self.add_zero_attn):
            mine = from_numpy(np.where(np.tri(length, span, dtype=bool), 0, -np.inf).astype(q.dtype))
            mask, causal = mine if mask is None else mask + mine, False
        heads[1], heads[2], mask = self.lengthened(heads[1], heads[2], mask, n)
        q, k, v = heads
        found = attend(q, k, v, mask, self.dropout if self.training else 0.0, causal, None, need_weights)
        y = FUNCTIONS["moveaxis"](found[0], 1, 2 if self.batch_first else 1)
        y = y if self.batch_first else FUNCTIONS["moveaxis"](y, 2, 0)
        rest = (n, length) if self.batch_first else (length, n)
        y = self.out_proj(FUNCTIONS["reshape"](y, (*((length,) if alone else rest), self.embed_dim)))
        if not need_weights:
            return y, None
        weights = FUNCTIONS["mean"](found[1], axis=1) if average_attn_weights else found[1]
        return y, weights[0] if alone else weights

    def check(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        """Whether the inputs fit the layer and each other."""
        batch = 0 if self.batch_first else 1
        for name, t, width in (("query", q, self.embed_dim), ("key", k, self.kdim), ("value", v, self.vdim)):
            if t.ndim not in (2, 3) or t.ndim != q.ndim or t.shape[-1] != width:
                form = f"(N, length, {width})" if self.batch_first else f"(length, N, {width})"
                raise ValueError(f"MultiheadAttention: the {name} must be {form} or (length, {width}), as the others are; "
                                 f"got shapes {q.shape}, {k.shape} and {v.shape}")
        if k.shape[:-1] != v.shape[:-1] or (q.ndim == 3 and q.shape[batch] != k.shape[batch]):
            raise ValueError(f"MultiheadAttention: key and value must have one length and all one batch, got shapes "
                             f"{q.shape}, {k.shape} and {v.shape}")

    def sizes(self, q: Tensor, k: Tensor) -> tuple[int, int, int]:
        """(N, L, S)"""
        if q.ndim == 2:
            return 1, q.shape[0], k.shape[0]
        return (q.shape[0], q.shape[1], k.shape[1]) if self.batch_first else (q.shape[1], q.shape[0], k.shape[0])

    def projected(self, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        """q W_q^T + b_q, ...: one product where they are one tensor."""
        linear, split, bias = FUNCTIONS["linear"], FUNCTIONS["split"], self.in_proj_bias
        if q is k is v and self.in_proj_weight is not None:
            found: list[Tensor] = split(linear(q, self.in_proj_weight, bias), 3, axis=-1)
            return found
        weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        if self.in_proj_weight is not None:
            weights = split(self.in_proj_weight, 3, axis=0)
        biases = [None] * 3 if bias is None else split(bias, 3, axis=0)
        return [linear(t, w, b) for t, w, b in zip((q, k, v), weights, biases, strict=True)]

    def split(self, t: Tensor, n: int, length: int) -> Tensor:
        """(N, heads, length, head_dim)"""
        if t.ndim == 2 or self.batch_first:
            shape, order = (n, length, self.num_heads, self.head_dim), (0, 2, 1, 3)
        else:
            shape, order = (length, n, self.num_heads, self.head_dim), (1, 2, 0, 3)
        heads: Tensor = FUNCTIONS["transpose"](FUNCTIONS["reshape"](t, shape), order)
        return heads

    def masks(self, padding: ArrayLike | None, mask: ArrayLike | None, n: int, length: int, span: int,
              dtype: DType) -> Tensor | None:
        """What is added to the scores (N, heads, L, S), of a shape that broadcasts to theirs."""
        total = None
        if mask is not None:
            total = added("MultiheadAttention: attn_mask", mask, dtype, True)
            if total.shape == (n * self.num_heads, length, span) and total.ndim == 3:
                total = FUNCTIONS["reshape"](total, (n, self.num_heads, length, span))
            elif total.shape != (length, span):
                raise ValueError(f"MultiheadAttention: attn_mask must have shape {(length, span)} or "
                                 f"{(n * self.num_heads, length, span)}, got {total.shape}")
        if padding is not None:
            keys = added("MultiheadAttention: key_padding_mask", padding, dtype, True)
            if keys.shape != (n, span) and not (n == 1 and keys.shape == (span,)):
                raise ValueError(f"MultiheadAttention: key_padding_mask must have shape {(n, span)}, got {keys.shape}")
            keys = FUNCTIONS["reshape"](keys, (n, 1, 1, span))
            total = keys if total is None else total + keys
        return total

    def lengthened(self, k: Tensor, v: Tensor, mask: Tensor | None, n: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys, values and mask with the learned and the zero one behind."""
        extra: list[tuple[Tensor, Tensor]] = []
        shape = (n, self.num_heads, 1, self.head_dim)
        if self.bias_k is not None and self.bias_v is not None:
            pair = [FUNCTIONS["reshape"](b, (1, *shape[1:])) for b in (self.bias_k, self.bias_v)]
            extra.append((FUNCTIONS["broadcast_to"](pair[0], shape), FUNCTIONS["broadcast_to"](pair[1], shape)))
        if self.add_zero_attn:
            zero = FUNCTIONS["zeros"](shape, dtype=k.dtype)
            extra.append((zero, zero))
        if extra:
            k = FUNCTIONS["concatenate"]([k, *[more for more, _ in extra]], axis=2)
            v = FUNCTIONS["concatenate"]([v, *[more for _, more in extra]], axis=2)
            if mask is not None:
                free = FUNCTIONS["zeros"]((*mask.shape[:-1], len(extra)), dtype=k.dtype)
                mask = FUNCTIONS["concatenate"]([mask, free], axis=-1)
        return k, v, mask

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"
