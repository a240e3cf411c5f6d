"""Level 4: the weights of samples in a loss, for the functions of loss.pyx, which import this when they are given some.

Imports the tensor.  Next: loss.pyx.
"""
import numpy as np

from ..make import as_tensors
from ..tensor import FUNCTIONS, numbers


def weighed(name, losses, reduction, sample_weight, counted):
    """As `reduced` of loss.pyx, with one weight a sample."""
    given, = as_tensors(sample_weight)
    w = checked(name, given, losses.shape)
    w = FUNCTIONS["reshape"](w.astype(losses.dtype), w.shape + (1,) * (losses.ndim - w.ndim))
    losses = losses * w
    if reduction != "mean":
        return losses if reduction == "none" else losses.sum()
    if losses.size and not numbers(w).any():
        raise ValueError(f"{name}: every sample_weight is 0, so there is no mean; leave the batch out, or "
                         f"take reduction='sum'")
    total = w.sum() * (losses.size // max(w.size, 1)) if counted is None else (w * counted.astype(losses.dtype)).sum()
    return losses.sum() / total


def checked(name, w, shape):
    if w.dtype.kind not in "fiub":
        raise TypeError(f"{name}: sample_weight must be real numbers, its dtype is {w.dtype}")
    if w.shape != shape[:w.ndim]:
        raise ValueError(f"{name}: sample_weight has one number a sample: its shape must be that of the losses, {shape}, or "
                         f"their first axes, got {w.shape}")
    values = np.asarray(numbers(w))
    good = (values >= 0) & (values < np.inf)
    if not good.all():
        where = np.unravel_index(int(np.argmin(good)), good.shape)
        raise ValueError(f"{name}: sample_weight{[int(i) for i in where] or ''} is {values[where]}; weights are finite "
                         f"numbers, 0 or more")
    return w
