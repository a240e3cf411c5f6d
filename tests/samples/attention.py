"""Samples of attention, with its masks, and of dropout, whose mask is made the same every time."""
import numpy as np

import fastad as fa
from fastad.nn import functional as F
from fastad.nn.dot_product import attend
from samples import Sample

try:
    import torch
    import torch.nn.functional as T
except ImportError:
    torch = T = None

SIGHT = np.array([[True, False, True], [False, False, False]])          # the second query sees nothing


def attention(q, k, v, mask=None, *, causal=False, scale=None):
    with np.errstate(all="ignore"):
        scores = (q @ np.swapaxes(k, -1, -2)) * q.dtype.type(q.shape[-1] ** -0.5 if scale is None else scale)
        if mask is not None:
            scores = scores + (np.where(mask, 0, -np.inf).astype(q.dtype) if mask.dtype == bool else mask)
        if causal:
            scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf).astype(q.dtype)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True, initial=-np.inf))
        p = np.nan_to_num(e / e.sum(axis=-1, keepdims=True))
    return (p @ v).astype(q.dtype)


def drawn(batch, length, span, width, columns, mask=None):
    def inputs(rng, dtype):
        shapes = [(*batch, length, width), (*batch, span, width), (*batch, span, columns)] + ([] if mask is None else [mask])
        return tuple(rng.uniform(-1, 1, s).astype(dtype) for s in shapes)
    return inputs


def sample(name, inputs, **kwargs):
    return Sample(
        "scaled_dot_product_attention",
        lambda q, k, v, *mask: F.scaled_dot_product_attention(q, k, v, *mask, **kwargs),
        lambda q, k, v, *mask: attention(q, k, v, *(mask or (kwargs.get("attn_mask"),)), causal=kwargs.get("is_causal", False),
                                         scale=kwargs.get("scale")),
        inputs,
        torch=(torch and "empty" not in name and (lambda q, k, v, *mask: T.scaled_dot_product_attention(
            q, k, v, *mask, **kwargs | ({"attn_mask": torch.tensor(kwargs["attn_mask"])} if "attn_mask" in kwargs else {})))) or None,
        id=name)


def with_weights(q, k, v):
    y, p = attend(q, k, v, None, 0.0, False, None, True)
    return [y, p]


def dropped(x):
    fa.manual_seed(7)
    return F.dropout(x, 0.4)


def dropped_in_numpy(x):
    fa.manual_seed(7)
    mask = F.dropout(np.ones(x.shape, np.float64), 0.4).numpy() != 0
    return x * np.where(mask, x.dtype.type(1 / 0.6), 0).astype(x.dtype)


SAMPLES = [
    sample("plain", drawn((), 2, 3, 4, 2)),
    sample("batch", drawn((2, 2), 3, 2, 2, 3)),
    sample("mask", drawn((2,), 2, 3, 2, 2), attn_mask=SIGHT),
    sample("added", drawn((2,), 2, 3, 2, 2, (2, 3))),
    sample("causal", drawn((2,), 3, 3, 2, 1), is_causal=True, scale=0.7),
    sample("causal-long", drawn((), 4, 2, 2, 2), is_causal=True),
    sample("one-key", drawn((), 2, 1, 3, 2)),
    sample("empty", drawn((0,), 2, 3, 2, 2)),
    sample("empty-queries", drawn((), 0, 3, 2, 2)),
    Sample("scaled_dot_product_attention", with_weights,
           lambda q, k, v: [attention(q, k, v), attention(q, k, np.eye(k.shape[-2], dtype=k.dtype))], drawn((2,), 2, 3, 2, 2),
           id="weights"),
    Sample("dropout", dropped, dropped_in_numpy, lambda rng, dtype: (rng.uniform(-2, 2, (5, 7)).astype(dtype),), id="(5, 7)"),
    Sample("dropout", dropped, dropped_in_numpy, lambda rng, dtype: (rng.uniform(-2, 2, (0, 3)).astype(dtype),), id="(0, 3)"),
]
