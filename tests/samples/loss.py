"""Samples of softmax, log_softmax and cross-entropy from class indices."""
import numpy as np

import fastad as fa
from samples import Sample

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = F = None


def log_softmax(x, axis=-1):
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def softmax(x, axis=-1):
    return np.exp(log_softmax(x, axis))


def drawn(*shape):
    return lambda rng, dtype: (rng.uniform(-2, 2, shape).astype(dtype),)


SAMPLES = []
for shape, axis in (
    ((3, 4), -1),
    ((4,), 0),
    ((2, 3, 4), 1),
    ((2, 5), 0),
    ((0, 3), -1),
    ((3, 1), -1),
    ((2, 300), 1),
):
    for name, in_numpy in (("softmax", softmax), ("log_softmax", log_softmax)):
        SAMPLES.append(
            Sample(
                name,
                lambda x, name=name, axis=axis: getattr(fa, name)(x, axis=axis),
                lambda x, in_numpy=in_numpy, axis=axis: in_numpy(x, axis),
                drawn(*shape),
                torch=torch and (lambda x, name=name, axis=axis: getattr(F, name)(x, dim=axis)),
                id=f"{shape}-{axis}",
            )
        )


def losses(x, target, reduction):
    """Class axis 1, or 0 if there is only one."""
    axis = min(1, x.ndim - 1)
    each = -np.take_along_axis(log_softmax(x, axis), np.expand_dims(target, axis), axis).squeeze(axis)
    return {"none": lambda a: a, "sum": np.sum, "mean": np.mean}[reduction](each).astype(x.dtype)


TARGETS = {(4, 3): [2, 0, 1, 1], (1, 5): [4], (3,): 1, (2, 3, 2): [[0, 1], [2, 2]], (40, 2): [0, 1] * 20}
for shape, target in TARGETS.items():
    for reduction in ("mean", "none", "sum"):
        name = "cross_entropy_mean" if reduction == "mean" and len(shape) == 2 else "cross_entropy"
        SAMPLES.append(
            Sample(
                name,
                lambda x, t=target, r=reduction: fa.cross_entropy(x, fa.tensor(t), reduction=r),
                lambda x, t=target, r=reduction: losses(x, np.array(t), r),
                drawn(*shape),
                torch=torch
                and (lambda x, t=target, r=reduction: F.cross_entropy(x, torch.tensor(t), reduction=r)),
                id=f"{shape}-{reduction}",
            )
        )
