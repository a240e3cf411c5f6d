"""Samples of the normalisations: rows, groups and channels, with and without weight and bias, one number a channel and many."""
import numpy as np

from fastad.nn import functional as F
from samples import Sample

try:
    import torch
    import torch.nn.functional as T
except ImportError:
    torch = T = None


def normalised(x, axes, eps, centred=True):
    x = x.astype(np.result_type(x, np.float32))
    mean = x.mean(axis=axes, keepdims=True) if centred and x.size else 0
    away = x - mean
    return away / np.sqrt((away * away).mean(axis=axes, keepdims=True) + eps) if x.size else away


def affine(y, w, b, shape):
    y = y if w is None else y * w.reshape(shape)
    return y if b is None else y + b.reshape(shape)


def layer_norm(x, w=None, b=None, *, shape, eps):
    return affine(normalised(x, tuple(range(x.ndim - len(shape), x.ndim)), eps), w, b, shape).astype(x.dtype)


def rms_norm(x, w=None, *, shape, eps):
    return affine(normalised(x, tuple(range(x.ndim - len(shape), x.ndim)), eps, False), w, None, shape).astype(x.dtype)


def channels(x):
    return (x.shape[1],) + (1,) * (x.ndim - 2)


def group_norm(x, w=None, b=None, *, groups, eps):
    y = normalised(x.reshape(x.shape[0], groups, int(np.prod(x.shape[1:])) // groups), (2,), eps).reshape(x.shape)
    return affine(y, w, b, channels(x)).astype(x.dtype)


def batch_norm(x, w=None, b=None, *, eps):
    return affine(normalised(x, (0, *range(2, x.ndim)), eps), w, b, channels(x)).astype(x.dtype)


def fixed_norm(x, w=None, b=None, *, mean, var, eps):
    shape = channels(x)
    return affine((x - mean.astype(x.dtype).reshape(shape)) / np.sqrt(var.astype(x.dtype).reshape(shape) + eps), w, b,
                  shape).astype(x.dtype)


def drawn(x_shape, weights, count):
    def inputs(rng, dtype):
        x = rng.uniform(-2, 2, x_shape).astype(dtype)
        return (x, *[rng.uniform(0.5, 2, weights).astype(dtype) for _ in range(count)])
    return inputs


def named(words, count):
    return "-".join(map(str, words)) + ("", "-weight", "-affine")[count]


SAMPLES = []
EPS = 1e-3
for count in (0, 1, 2):
    for x_shape, shape in (((3, 4), (4,)), ((2, 3, 2), (3, 2)), ((5,), (5,)), ((0, 3), (3,)), ((2, 70), (70,))):
        SAMPLES.append(Sample(
            "layer_norm", lambda x, *p, shape=shape: F.layer_norm(x, shape, *p, eps=EPS),
            lambda x, *p, shape=shape: layer_norm(x, *p, shape=shape, eps=EPS), drawn(x_shape, shape, count),
            torch=torch and (lambda x, *p, shape=shape: T.layer_norm(x, shape, *p, eps=EPS)), id=named((x_shape, shape), count)))
        if count < 2:
            SAMPLES.append(Sample(
                "rms_norm", lambda x, *p, shape=shape: F.rms_norm(x, shape, *p, eps=EPS),
                lambda x, *p, shape=shape: rms_norm(x, *p, shape=shape, eps=EPS), drawn(x_shape, shape, count),
                torch=torch and (lambda x, *p, shape=shape: T.rms_norm(x, shape, *p, eps=EPS)), id=named((x_shape, shape), count)))
    for x_shape, groups in (((2, 4), 2), ((2, 4, 3), 2), ((2, 3, 2, 2), 3), ((3, 2, 2), 1), ((0, 2, 3), 2)):
        SAMPLES.append(Sample(
            "group_norm", lambda x, *p, groups=groups: F.group_norm(x, groups, *p, eps=EPS),
            lambda x, *p, groups=groups: group_norm(x, *p, groups=groups, eps=EPS), drawn(x_shape, (x_shape[1],), count),
            torch=(torch and 0 not in x_shape and (lambda x, *p, groups=groups: T.group_norm(x, groups, *p, eps=EPS))) or None,
            id=named((x_shape, groups), count)))
    for x_shape in ((3, 4), (2, 3, 5), (2, 2, 2, 2), (37, 2)):
        SAMPLES.append(Sample(
            "batch_norm", lambda x, *p: F.batch_norm(x, None, None, *p, training=True, eps=EPS),
            lambda x, *p: batch_norm(x, *p, eps=EPS), drawn(x_shape, (x_shape[1],), count),
            torch=torch and (lambda x, *p: T.batch_norm(x, None, None, *p, training=True, eps=EPS)),
            id=named((x_shape,), count)))
    for x_shape in ((3, 2), (1, 2, 3), (0, 2)):
        mean, var = np.array([0.5, -1.0]), np.array([2.0, 0.25])
        SAMPLES.append(Sample(
            "batch_norm",
            lambda x, *p, mean=mean, var=var: F.batch_norm(x, mean.astype(x.dtype), var.astype(x.dtype), *p, eps=EPS),
            lambda x, *p, mean=mean, var=var: fixed_norm(x, *p, mean=mean, var=var, eps=EPS), drawn(x_shape, (2,), count),
            id=named(("fixed", x_shape), count)))
