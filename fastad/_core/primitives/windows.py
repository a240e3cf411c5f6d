"""Level 4: sizes of windows that slide over images, checked; and convolutions, sums and maxima of them in NumPy.

What convolution.pyx and pooling.pyx share, and what serves the dtypes without kernels.
"""
from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from .convolution import Geometry

    _Pair = tuple[int, int]
    _Pairs = tuple[_Pair, ...]

LARGEST = 1 << 40                             # of a size: what is computed from several does not overflow


def integers(name: str, what: str, value: Any, axes: int, least: int = 0) -> tuple[int, ...]:
    """An integer, or one for each of so many axes, none below `least`."""
    try:
        given = tuple(index(v) for v in value) if isinstance(value, (tuple, list, np.ndarray)) else (index(value),)
    except TypeError:
        expected = "an integer" + f" or a tuple of {axes}" * (axes > 1)
        raise TypeError(f"{name}: {what} must be {expected}, got {value!r}") from None
    if len(given) not in (1, axes):
        raise ValueError(f"{name}: {what}={value} has {len(given)} numbers for {axes} of the last axes")
    if min(given) < least:
        raise ValueError(f"{name}: {what} must not be {'negative' if least == 0 else f'below {least}'}, got {value}")
    if max(given) > LARGEST:
        raise ValueError(f"{name}: {what}={value} is too large")
    return given * axes if len(given) == 1 else given


def reach(kernel: int, dilation: int) -> int:
    """How many places a window covers."""
    return dilation * (kernel - 1) + 1


def two(values: tuple[int, ...], other: int) -> _Pair:
    """The same for two axes, of which the first is `other` if there is but one."""
    return (other, *values) if len(values) == 1 else values       # type: ignore[return-value]


def padding_of(name: str, padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...],
               dilation: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is added before and after each axis."""
    if not isinstance(padding, str):
        given = integers(name, "padding", padding, len(kernel))
        return given, given
    if padding == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if padding != "same":
        raise ValueError(f"{name}: padding must be 'same', 'valid' or integers, got {padding!r}")
    if max(stride) > 1:
        raise ValueError(f"{name}: padding='same' is for stride 1, got stride {stride}; give integers")
    total = [reach(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)]
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)


def check_operands(name: str, axes: int, x: tuple[int, ...], w: tuple[int, ...], b: tuple[int, ...] | None, groups: Any,
                   transposed: bool) -> int:
    """The shapes of input, weight and bias; gives the number of groups."""
    count, = integers(name, "groups", groups, 1, 1)
    spatial = "(length,)" if axes == 1 else "(height, width)"
    first, second = ("inputs", "outputs / groups") if transposed else ("outputs", "inputs / groups")
    if len(w) != axes + 2:
        raise ValueError(f"{name}: the weight must be ({first}, {second}) + {spatial}, got shape {w}")
    if len(x) not in (axes + 1, axes + 2):
        raise ValueError(f"{name}: the input must be (batch, channels) + {spatial}, or without the batch, got shape {x}")
    channels = x[-axes - 1]
    if w[0] % count:
        raise ValueError(f"{name}: groups={count} do not divide the {w[0]} {first.split()[0]} of a weight of shape {w}")
    takes = w[0] if transposed else w[1] * count
    if channels != takes:
        raise ValueError(f"{name}: the input has {channels} channels (shape {x}), but a weight of shape {w} with "
                         f"groups={count} takes {takes}")
    gives = w[1] * count if transposed else w[0]
    if b is not None and b != (gives,):
        raise ValueError(f"{name}: the bias must have shape ({gives},) for a weight of shape {w}, got {b}")
    if min(w[2:]) < 1:
        raise ValueError(f"{name}: the kernel must have at least one element along each axis, got shape {w}")
    return count


def convolution(name: str, axes: int, x: tuple[int, ...], w: tuple[int, ...], b: tuple[int, ...] | None, stride: Any,
                padding: Any, dilation: Any, groups: Any) -> tuple[int, _Pairs]:
    """(groups, (sizes of images, of outputs, of the kernel, stride, dilation, padding before)), each for two axes."""
    groups = check_operands(name, axes, x, w, b, groups, False)
    steps, apart = integers(name, "stride", stride, axes, 1), integers(name, "dilation", dilation, axes, 1)
    kernel, images = w[2:], x[-axes:]
    before, after = padding_of(name, padding, kernel, steps, apart)
    room = [n + p + q - reach(k, d) for n, p, q, k, d in zip(images, before, after, kernel, apart, strict=True)]
    if min(room) < 0:
        padded = tuple(n + p + q for n, p, q in zip(images, before, after, strict=True))
        covers = tuple(reach(k, d) for k, d in zip(kernel, apart, strict=True))
        raise ValueError(f"{name}: the kernel covers {covers}, which is more than the input of shape {x}, padded {padded}; "
                         f"use a smaller kernel or dilation, or more padding")
    outputs = tuple(r // s + 1 for r, s in zip(room, steps, strict=True))
    return groups, (two(images, 1), two(outputs, 1), two(kernel, 1), two(steps, 1), two(apart, 1), two(before, 0))


def transposed(name: str, axes: int, x: tuple[int, ...], w: tuple[int, ...], b: tuple[int, ...] | None, stride: Any,
               padding: Any, output_padding: Any, groups: Any, dilation: Any) -> tuple[int, _Pairs]:
    """The same of the convolution whose adjoint it is: its outputs are this one's images."""
    groups = check_operands(name, axes, x, w, b, groups, True)
    steps, apart = integers(name, "stride", stride, axes, 1), integers(name, "dilation", dilation, axes, 1)
    before, more = integers(name, "padding", padding, axes), integers(name, "output_padding", output_padding, axes)
    kernel, inputs = w[2:], x[-axes:]
    if any(m >= max(s, d) for m, s, d in zip(more, steps, apart, strict=True)):
        raise ValueError(f"{name}: output_padding={output_padding} must be smaller than the stride {stride} or the dilation "
                         f"{dilation}")
    images = tuple((n - 1) * s - 2 * p + reach(k, d) + m
                   for n, s, p, k, d, m in zip(inputs, steps, before, kernel, apart, more, strict=True))
    if min(images) < 1 or min(inputs) < 1 or max(images) > LARGEST:
        raise ValueError(f"{name}: an input of shape {x} gives outputs of size {images}; use other strides or "
                         f"padding, or a larger kernel")
    return groups, (two(images, 1), two(inputs, 1), two(kernel, 1), two(steps, 1), two(apart, 1), two(before, 0))


# ---- the products, tap by tap ------------------------------------------------------------------------
def _seen(q: Geometry, padded: Any, i: int, j: int) -> Any:
    """What tap (i, j) reads of padded images: a view of the outputs' size."""
    _, (h, w), _, (sh, sw), (dh, dw), _ = q.sizes
    return padded[..., i * dh:i * dh + sh * (h - 1) + 1:sh, j * dw:j * dw + sw * (w - 1) + 1:sw]


def _room(q: Geometry, lead: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """Zeros as large as what the taps reach, and the images' place in them."""
    (height, width), (h, w), (kh, kw), (sh, sw), (dh, dw), (top, left) = q.sizes
    rows = max(sh * (h - 1) + reach(kh, dh), top + height)
    cols = max(sw * (w - 1) + reach(kw, dw), left + width)
    padded = np.zeros((*lead, rows, cols), dtype)
    return padded, padded[..., top:top + height, left:left + width]


def _grouped(q: Geometry, a: Any) -> Any:
    """(N, channels, ...) or a weight's (outputs, ...) with the groups as an axis of their own."""
    return a.reshape(len(a), q.groups, a.shape[1] // q.groups, *a.shape[2:])


def forward(q: Geometry, x: Any, w: Any) -> Any:
    """The convolution of images x (N, C, H, W) with w (O, C / groups, kh, kw)."""
    g, (kh, kw) = q.groups, q.sizes[2]
    padded, place = _room(q, (len(x), g, x.shape[1] // g), x.dtype)
    place[...] = _grouped(q, x)
    y = np.zeros((len(x), g, len(w) // g, *q.sizes[1]), x.dtype)
    w = w.reshape(g, len(w) // g, *w.shape[1:])
    for i, j in np.ndindex(kh, kw):
        y += np.einsum("ngchw,goc->ngohw", _seen(q, padded, i, j), w[..., i, j])
    return y.reshape(len(x), y.shape[1] * y.shape[2], *q.sizes[1])


def adjoint(q: Geometry, y: Any, w: Any) -> Any:
    """Its adjoint in the images."""
    g, (kh, kw) = q.groups, q.sizes[2]
    padded, place = _room(q, (len(y), g, w.shape[1]), y.dtype)
    y = _grouped(q, y)
    w = w.reshape(g, len(w) // g, *w.shape[1:])
    for i, j in np.ndindex(kh, kw):
        _seen(q, padded, i, j)[...] += np.einsum("ngohw,goc->ngchw", y, w[..., i, j])
    return place.reshape(len(y), g * w.shape[2], *q.sizes[0])


def weights(q: Geometry, x: Any, y: Any) -> Any:
    """Its adjoint in the weight."""
    g, (kh, kw) = q.groups, q.sizes[2]
    padded, place = _room(q, (len(x), g, x.shape[1] // g), x.dtype)
    place[...] = _grouped(q, x)
    w = np.zeros((g, y.shape[1] // g, x.shape[1] // g, kh, kw), x.dtype)
    y = _grouped(q, y)
    for i, j in np.ndindex(kh, kw):
        w[..., i, j] = np.einsum("ngchw,ngohw->goc", _seen(q, padded, i, j), y)
    return w.reshape(g * w.shape[1], *w.shape[2:])


PRODUCTS = (forward, adjoint, weights)


def product(kind: int, q: Geometry, a: Any, b: Any) -> Any:
    """One of these.  float16 is to hold results, not sums."""
    if a.dtype == np.float16:
        return PRODUCTS[kind](q, a.astype(np.float32), b.astype(np.float32)).astype(np.float16)
    return PRODUCTS[kind](q, a, b)


# ---- sums of windows, place by place ------------------------------------------------------------------
def _places(given: tuple[Any, ...]) -> Any:
    """Each window's place among the outputs, and what it sees of the images."""
    images, outputs, kernel, stride, padding, _ = given
    for place in np.ndindex(*outputs):
        first = [i * s - p for i, s, p in zip(place, stride, padding, strict=True)]
        yield (..., *place), (..., *[slice(max(f, 0), min(f + k, n)) for f, k, n in zip(first, kernel, images, strict=True)])


def sums(given: tuple[Any, ...], x: Any) -> Any:
    """The sums of windows of images x (..., H, W)."""
    y = np.zeros((*x.shape[:-2], *given[1]), x.dtype)
    for place, window in _places(given):
        y[place] = x[window].sum((-2, -1))
    return y


def spread(given: tuple[Any, ...], y: Any) -> Any:
    """Its adjoint."""
    x = np.zeros((*y.shape[:-2], *given[0]), y.dtype)
    for place, window in _places(given):
        x[window] += y[place][..., None, None]
    return x


# ---- maxima of windows ---------------------------------------------------------------------------------
def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def largest(a: Any) -> Any:
    """Where the largest stands along the last axis, as the kernels have it: the first of equals, the last NaN."""
    best = a.argmax(-1)
    nan = a != a
    return np.where(nan.any(-1), a.shape[-1] - 1 - nan[..., ::-1].argmax(-1), best) if nan.any() else best


def maxima(given: tuple[Any, ...], x: Any) -> Any:
    """Where the maxima of windows of images x (..., H, W) stand, int64: the number of the element in its image."""
    (height, width), outputs, kernel, stride, padding, dilation = given
    covers = tuple(reach(k, d) for k, d in zip(kernel, dilation, strict=True))
    ends = [s * (o - 1) + c for o, s, c in zip(outputs, stride, covers, strict=True)]
    widths = [(p, max(end - p - n, 0)) for p, end, n in zip(padding, ends, (height, width), strict=True)]
    lead = [(0, 0)] * (x.ndim - 2)
    padded = np.pad(x, [*lead, *widths], constant_values=_lowest(x.dtype))
    numbers = np.pad(np.arange(height * width).reshape(height, width), widths, constant_values=-1)

    def seen(a: Any) -> Any:
        view = np.lib.stride_tricks.sliding_window_view(a, covers, axis=(-2, -1))
        view = view[..., ::stride[0], ::stride[1], ::dilation[0], ::dilation[1]][..., :outputs[0], :outputs[1], :, :]
        return view.reshape(*view.shape[:-2], kernel[0] * kernel[1])

    numbers = seen(numbers)
    best = largest(seen(padded))
    at = np.take_along_axis(np.broadcast_to(numbers, (*best.shape, numbers.shape[-1])), best[..., None], -1)[..., 0]
    inside = np.take_along_axis(numbers, (numbers >= 0).argmax(-1)[..., None], -1)[..., 0]
    return np.where(at < 0, inside, at).astype(np.int64)           # nothing exceeds the border: the first place inside
