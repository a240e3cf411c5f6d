"""Samples of convolutions and pooling: strides, borders, dilation, groups, kernels of one element and as large as the image."""
import itertools

import numpy as np

import fastad as fa
from fastad._core.primitives import convolution, pooling
from fastad._core.primitives.windows import reach
from samples import Sample

try:
    import torch
except ImportError:
    torch = None


def pair(n):
    return (n, n) if isinstance(n, int) else tuple(n)


# ---- the definitions, number by number ----------------------------------------------------------------
def taps(sizes):
    """Every (output place, tap, image place) that meet."""
    images, outputs, kernel, stride, dilation, pad = sizes
    for place in np.ndindex(*outputs):
        for tap in np.ndindex(*kernel):
            at = tuple(p * s + t * d - b for p, s, t, d, b in zip(place, stride, tap, dilation, pad, strict=True))
            if all(0 <= a < n for a, n in zip(at, images, strict=True)):
                yield place, tap, at


def direct(x, w, b, sizes, groups):
    """The convolution by its definition."""
    y = np.zeros((len(x), len(w), *sizes[1]), x.dtype)
    per_x, per_y = x.shape[1] // groups, len(w) // groups
    for (r, s), (i, j), (p, q) in taps(sizes):
        for o in range(len(w)):
            first = o // per_y * per_x
            y[:, o, r, s] += x[:, first:first + per_x, p, q] @ w[o, :, i, j]
    return y if b is None else y + b[:, None, None]


def direct_adjoint(y, w, b, sizes, groups):
    """Its adjoint in the images."""
    x = np.zeros((len(y), w.shape[1] * groups, *sizes[0]), y.dtype)
    per_x, per_y = w.shape[1], len(w) // groups
    for (r, s), (i, j), (p, q) in taps(sizes):
        for o in range(len(w)):
            first = o // per_y * per_x
            x[:, first:first + per_x, p, q] += y[:, o, r, s, None] * w[o, :, i, j]
    return x if b is None else x + b[:, None, None]


def direct_weight(x, y, sizes, groups):
    """Its adjoint in the weight."""
    per_x, per_y = x.shape[1] // groups, y.shape[1] // groups
    w = np.zeros((y.shape[1], per_x, *sizes[2]), x.dtype)
    for (r, s), (i, j), (p, q) in taps(sizes):
        for o in range(y.shape[1]):
            first = o // per_y * per_x
            w[o, :, i, j] += y[:, o, r, s] @ x[:, first:first + per_x, p, q]
    return w


def sizes_of(images, kernel, stride, padding, dilation):
    """As `Geometry` takes them, for equal borders."""
    kernel, stride, padding, dilation = map(pair, (kernel, stride, padding, dilation))
    outputs = tuple((n + 2 * p - reach(k, d)) // s + 1
                    for n, k, s, p, d in zip(images, kernel, stride, padding, dilation, strict=True))
    return tuple(images), outputs, kernel, stride, dilation, padding


def drawn(*shapes):
    return lambda rng, dtype: tuple(rng.uniform(-1, 1, s).astype(dtype) for s in shapes)


def conv(id, x, outputs, kernel, bias=True, stride=1, padding=0, dilation=1, groups=1):
    kernel = pair(kernel)
    sizes = sizes_of(x[2:], kernel, stride, padding, dilation)
    shapes = [x, (outputs, x[1] // groups, *kernel)] + [(outputs,)] * bias
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Sample("conv", lambda *args: fa.conv2d(*args, **settings),
                  lambda x, w, b=None: direct(x, w, b, sizes, groups), drawn(*shapes),
                  (torch and 0 not in x and (lambda *args: torch.nn.functional.conv2d(*args, **settings))) or None, id=id)


def transposed(id, y, inputs, kernel, bias=True, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    kernel = pair(kernel)
    images = tuple((n - 1) * s - 2 * p + reach(k, d) + m for n, s, p, k, d, m in zip(
        y[2:], pair(stride), pair(padding), kernel, pair(dilation), pair(output_padding), strict=True))
    sizes = images, y[2:], kernel, pair(stride), pair(dilation), pair(padding)
    shapes = [y, (y[1], inputs // groups, *kernel)] + [(inputs,)] * bias
    settings = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation, "groups": groups}
    return Sample("conv_transpose", lambda *args: fa.conv_transpose2d(*args, **settings),
                  lambda y, w, b=None: direct_adjoint(y, w, b, sizes, groups), drawn(*shapes),
                  (torch and 0 not in y and (lambda *args: torch.nn.functional.conv_transpose2d(*args, **settings))) or None,
                  id=id)


def weight(id, x, outputs, kernel, stride=1, padding=0, dilation=1, groups=1):
    sizes = sizes_of(x[2:], kernel, stride, padding, dilation)
    return Sample("conv_weight", lambda x, y: convolution.conv_weight(x, y, groups, sizes),
                  lambda x, y: direct_weight(x, y, sizes, groups), drawn(x, (x[0], outputs, *sizes[1])), id=id)


# ---- pooling -------------------------------------------------------------------------------------------
def windows(sizes):
    images, outputs, kernel, stride, dilation, pad = sizes
    return pooling.Windows(images, outputs, kernel, stride, pad, dilation)


def distinct(shape):
    """Numbers that a small step leaves in order."""
    def inputs(rng, dtype):
        return ((rng.permutation(int(np.prod(shape))).reshape(shape) / 7 - 1).astype(dtype),)
    return inputs


def reduced(x, sizes, function):
    y = np.zeros((*x.shape[:-2], *sizes[1]), x.dtype)
    for (r, s), found in itertools.groupby(taps(sizes), lambda t: t[0]):
        y[..., r, s] = function([x[..., p, q] for _, _, (p, q) in found])
    return y


def largest(id, shape, kernel, stride, padding=0, dilation=1):
    sizes = sizes_of(shape[-2:], kernel, stride, padding, dilation)
    return Sample("max_pool", lambda x: pooling.max_windows(x, windows(sizes)),
                  lambda x: reduced(x, sizes, lambda parts: np.max(parts, 0)), distinct(shape),
                  (torch and 0 not in shape and len(shape) > 2 and (lambda x: torch.nn.functional.max_pool2d(
                      x, kernel, stride, padding, dilation))) or None, id=id)


def sums(id, shape, kernel, stride, padding=0):
    sizes = sizes_of(shape[-2:], kernel, stride, padding, 1)

    def spread(y):
        x = np.zeros((*y.shape[:-2], *sizes[0]), y.dtype)
        for (r, s), _, (p, q) in taps(sizes):
            x[..., p, q] += y[..., r, s]
        return x

    return [Sample("sum_pool", lambda x: pooling.sum_windows(x, windows(sizes)),
                   lambda x: reduced(x, sizes, lambda parts: np.sum(parts, 0)), drawn(shape), id=id),
            Sample("sum_pool_adjoint", lambda y: pooling.spread_windows(y, windows(sizes)), spread,
                   drawn((*shape[:-2], *sizes[1])), id=id)]


SAMPLES = [
    conv("plain", (2, 2, 4, 5), 3, (2, 3)),
    conv("no-bias", (1, 3, 4, 4), 2, 3, bias=False, padding=1),
    conv("stride", (2, 1, 5, 6), 2, 3, stride=2, padding=1),
    conv("stride-over-kernel", (1, 2, 7, 5), 2, (1, 2), stride=(3, 3)),
    conv("dilation", (1, 2, 6, 5), 5, 2, dilation=(2, 3), padding=(1, 0), stride=(2, 1)),
    conv("groups", (2, 4, 3, 3), 6, 2, groups=2),
    conv("depthwise", (1, 3, 4, 3), 3, (3, 2), padding=(1, 0), groups=3),
    conv("pointwise", (2, 3, 2, 3), 4, 1),
    conv("pointwise-groups", (2, 4, 2, 2), 2, 1, bias=False, groups=2),
    conv("whole", (2, 2, 3, 2), 4, (3, 2)),
    conv("row", (2, 2, 1, 6), 2, (1, 3), padding=(0, 1)),
    conv("no-images", (0, 2, 3, 3), 2, 2),
    transposed("plain", (2, 2, 2, 3), 3, (2, 3)),
    transposed("stride", (1, 3, 3, 2), 2, 3, stride=2, padding=1, output_padding=(1, 0)),
    transposed("stride-over-kernel", (1, 2, 2, 3), 2, 2, stride=3, output_padding=2),
    transposed("dilation", (1, 2, 3, 2), 5, 2, bias=False, dilation=(3, 2), stride=2, padding=1, output_padding=(2, 0)),
    transposed("groups", (2, 4, 2, 2), 6, 2, groups=2),
    transposed("pointwise", (2, 3, 2, 3), 4, 1),
    transposed("whole", (2, 3, 1, 1), 2, (3, 2)),
    transposed("no-images", (0, 2, 2, 2), 2, 2),
    weight("plain", (2, 2, 4, 4), 3, 2),
    weight("stride", (1, 2, 5, 4), 2, (3, 2), stride=2, padding=1),
    weight("groups", (2, 4, 3, 3), 4, 2, groups=2, dilation=2),
    weight("pointwise", (2, 3, 2, 2), 2, 1),
    weight("whole", (2, 2, 2, 3), 2, (2, 3)),
    weight("no-images", (0, 2, 3, 3), 2, 2),
    largest("two", (2, 2, 4, 6), 2, 2),
    largest("overlap", (1, 2, 5, 4), 3, 1, padding=1),
    largest("stride", (2, 1, 7, 6), (2, 3), (3, 2), padding=(1, 0)),
    largest("dilation", (1, 2, 6, 7), 2, (1, 3), dilation=(3, 2)),
    largest("image", (4, 4), 2, 2),
    largest("no-images", (0, 2, 4, 4), 2, 2),
    *sums("two", (2, 2, 4, 6), 2, 2),
    *sums("overlap", (1, 2, 5, 4), (3, 2), (1, 3), padding=1),
    *sums("gaps", (2, 7, 5), 2, 3),
    *sums("no-images", (0, 4, 4), 2, 2),
]
