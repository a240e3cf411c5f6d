"""Pooling: one number for each window of an image or a sequence.  Functions, then layers.

Windows that all have one size are primitives of `_core/primitives/pooling.pyx`; those of adaptive pooling, whose sizes
differ, are products with a matrix, or picked.

Imports the primitives and windows.py.  Next: padding.py.
"""
from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .. import from_numpy, matmul
from .._core.make import as_tensors
from .._core.primitives.pooling import Windows, max_windows, sum_windows
from .._core.primitives.windows import integers, reach
from .._core.tensor import Tensor
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import ArrayLike, OutputSize, Size

    _Sizes = tuple[tuple[int, ...], ...]


# ---- sizes -------------------------------------------------------------------------------------------
@lru_cache(512)
def _sizes(name: str, images: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any,
           ceil_mode: bool) -> _Sizes:
    """Sizes of the outputs; kernel, stride, padding and dilation, for each axis; checked."""
    axes = len(images)
    kernels = integers(name, "kernel_size", kernel, axes, 1)
    strides = kernels if stride is None or stride == () else integers(name, "stride", stride, axes, 1)
    paddings, dilations = integers(name, "padding", padding, axes), integers(name, "dilation", dilation, axes, 1)
    outputs = []
    for n, k, s, p, d in zip(images, kernels, strides, paddings, dilations, strict=True):
        cover = reach(k, d)
        if 2 * p > k:
            raise ValueError(f"{name}: padding={padding} must be at most half of the window's size {kernels}")
        room = n + 2 * p - cover + (s - 1 if ceil_mode else 0)
        count = room // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1                        # the last window would begin behind the input
        if room < 0 or count < 1 or n < 1:
            raise ValueError(f"{name}: windows of size {kernels} (dilation {dilations}) are larger than images of size "
                             f"{images} with padding={padding}")
        first = np.arange(count) * s - p
        if d > 1 and (np.where(first < 0, first % d, first) >= n).any():
            raise ValueError(f"{name}: a window of size {kernels} with dilation {dilations} sees nothing of images of size "
                             f"{images} with padding={padding}; use less padding")
        outputs.append(count)
    return tuple(outputs), kernels, strides, paddings, dilations


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value


def _images(name: str, input: ArrayLike, axes: int) -> Tensor:
    """The input as a tensor of images; sequences are images of one row."""
    x = input if isinstance(input, Tensor) else as_tensors(input)[0]
    spatial = "(length,)" if axes == 1 else "(height, width)"
    if x.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"{name}: the input must be (batch, channels) + {spatial}, or without the batch, got shape "
                         f"{x.shape}")
    if x.dtype.kind == "c":
        raise TypeError(f"{name}: the input must be real, got {x.dtype}")
    return x.reshape((*x.shape[:-1], 1, x.shape[-1])) if axes == 1 else x


def _shaped(y: Tensor, axes: int) -> Tensor:
    return y.reshape((*y.shape[:-2], y.shape[-1])) if axes == 1 else y


def _windows(images: tuple[int, ...], sizes: _Sizes) -> Windows:
    """The windows as the primitives know them, over images of two axes."""
    if len(images) == 1:
        images = (1, *images)
        sizes = tuple((other, *size) for other, size in zip((1, 1, 1, 0, 1), sizes, strict=True))
    return Windows(images, *sizes)


def _compiled(x: Tensor) -> bool:
    """Whether the primitives serve: places within an image of float32 are int32."""
    return x.dtype in (np.float32, np.float64) and x.shape[-1] * x.shape[-2] < 1 << 31


# ---- maxima ------------------------------------------------------------------------------------------
def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def _largest(a: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Where the largest stands along the last axis, as the kernels have it: the first of equals, the last NaN."""
    best: npt.NDArray[np.intp] = a.argmax(-1)
    nan = a != a
    return np.where(nan.any(-1), a.shape[-1] - 1 - nan[..., ::-1].argmax(-1), best) if nan.any() else best


def _places(x: npt.NDArray[Any], sizes: _Sizes) -> npt.NDArray[np.int64]:
    """Where the maxima of windows stand, in NumPy."""
    outputs, kernel, stride, padding, dilation = sizes
    height, width = x.shape[-2:]
    ends = [s * (o - 1) + reach(k, d) for o, k, s, d in zip(outputs, kernel, stride, dilation, strict=True)]
    widths = [(p, max(end - p - n, 0)) for p, end, n in zip(padding, ends, (height, width), strict=True)]
    lead = [(0, 0)] * (x.ndim - 2)
    padded = np.pad(x, [*lead, *widths], constant_values=_lowest(x.dtype))
    numbers = np.pad(np.arange(height * width).reshape(height, width), widths, constant_values=-1)

    def seen(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        covers = tuple(reach(k, d) for k, d in zip(kernel, dilation, strict=True))
        view = np.lib.stride_tricks.sliding_window_view(a, covers, axis=(-2, -1))
        view = view[..., ::stride[0], ::stride[1], ::dilation[0], ::dilation[1]][..., :outputs[0], :outputs[1], :, :]
        found: npt.NDArray[Any] = view.reshape(*view.shape[:-2], kernel[0] * kernel[1])
        return found

    numbers = seen(numbers)
    best = _largest(seen(padded))
    at = np.take_along_axis(np.broadcast_to(numbers, (*best.shape, numbers.shape[-1])), best[..., None], -1)[..., 0]
    inside = np.take_along_axis(numbers, (numbers >= 0).argmax(-1)[..., None], -1)[..., 0]
    return np.where(at < 0, inside, at).astype(np.int64)           # nothing exceeds the border: the first place inside


def _picked(x: Tensor, places: npt.NDArray[np.int64]) -> Tensor:
    """x at places (..., rows, cols) of its images."""
    images = x.shape[:-2]
    flat = x.reshape((int(np.prod(images)), x.shape[-2] * x.shape[-1]))
    chosen = flat[np.arange(len(flat))[:, None], places.reshape(len(flat), places.shape[-2] * places.shape[-1])]
    return chosen.reshape(places.shape)


def _max_pool(name: str, axes: int, input: ArrayLike, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
              ceil_mode: bool, return_indices: bool) -> Any:
    x = _images(name, input, axes)
    images = x.shape[-axes:]
    sizes = _sizes(name, images, _key(kernel_size), _key(stride), _key(padding), _key(dilation), bool(ceil_mode))
    windows = _windows(images, sizes)
    if _compiled(x):
        y = max_windows(x, windows)
        places = windows.places().reshape(y.shape) if return_indices else None
    else:
        places = _places(x.detach().numpy(), windows.given[1:])
        y = _picked(x, places)
    y = _shaped(y, axes)
    return y if places is None or not return_indices else (y, from_numpy(places.reshape(y.shape)))


@overload
def max_pool2d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def max_pool2d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, *, return_indices: Literal[True]) -> tuple[Tensor, Tensor]: ...
@overload
def max_pool2d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]: ...
def max_pool2d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """The largest number of each window: y[..., r, s] = max over i, j of
    x[..., stride r + dilation i - padding, stride s + dilation j - padding], where that is inside.

    The derivative goes to the largest; of equal ones to the first in the window, row by row, as in PyTorch.  A NaN is
    larger than every number.

    Parameters
    ----------
    input : (batch, channels, height, width), or without the batch
    kernel_size, stride, padding, dilation : int, or a tuple of two
        The stride is the kernel's size if it is None; the padding at most half of it.
    ceil_mode : bool
        A last window that is not whole counts too, if it begins inside.
    return_indices : bool
        Also where the maxima stand, int64: row * width + column.

    Returns
    -------
    Tensor (batch, channels, height', width'), height' = (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1; with
    `return_indices` a tuple of it and the places.

    Raises
    ------
    ValueError
        If shapes do not fit, a window is larger than the input, or padding is too large.
    TypeError
        If the input is complex, or a size not an integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.max_pool2d(fastad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    tensor([[[4.]]])
    """
    found: Tensor | tuple[Tensor, Tensor] = _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation,
                                                      ceil_mode, return_indices)
    return found


@overload
def max_pool1d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def max_pool1d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, *, return_indices: Literal[True]) -> tuple[Tensor, Tensor]: ...
@overload
def max_pool1d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]: ...
def max_pool1d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """The largest number of each window of sequences (batch, channels, length), or without the batch; see `max_pool2d`.

    Raises
    ------
    ValueError
        If shapes do not fit, a window is larger than the input, or padding is too large.
    TypeError
        If the input is complex, or a size not an integer.

    Examples
    --------
    >>> import fastad
    >>> y, places = fastad.nn.functional.max_pool1d(fastad.tensor([[1.0, 3.0, 2.0, 2.0]]), 2, return_indices=True)
    >>> y, places
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    found: Tensor | tuple[Tensor, Tensor] = _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation,
                                                      ceil_mode, return_indices)
    return found


# ---- means -------------------------------------------------------------------------------------------
def _floating(x: Tensor) -> Tensor:
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _narrow(input: ArrayLike) -> bool:
    """Whether the input is float16, which is to hold results, not sums."""
    return getattr(input, "dtype", None) == np.float16


def _wide(input: ArrayLike) -> Tensor:
    return as_tensors(input)[0].astype(np.float32)


def _counts(images: tuple[int, ...], sizes: _Sizes, with_padding: bool) -> list[npt.NDArray[np.int64]]:
    """How many elements the windows see, for each axis."""
    found = []
    for n, o, k, s, p in zip(images, *sizes[:4], strict=True):
        first = np.arange(o) * s - p
        if with_padding:
            found.append(np.minimum(first + k, n + p) - first)
        else:
            found.append(np.minimum(first + k, n) - np.maximum(first, 0))
    return found


def _means(n: int, o: int) -> npt.NDArray[np.float64]:
    """A row for each window over n elements, which gives their mean."""
    starts, ends = _parts(n, o)
    at = np.arange(n)
    inside: npt.NDArray[np.float64] = ((at >= starts[:, None]) & (at < ends[:, None])) / (ends - starts)[:, None]
    return inside


def between(x: Tensor, left: npt.NDArray[Any], right: npt.NDArray[Any]) -> Tensor:
    """left x right^T, for images x."""
    return matmul(matmul(left.astype(x.dtype), x), np.ascontiguousarray(right.astype(x.dtype).T))


def _avg_pool(name: str, axes: int, input: ArrayLike, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
              count_include_pad: bool, divisor_override: int | None) -> Tensor:
    if _narrow(input):
        return _avg_pool(name, axes, _wide(input), kernel_size, stride, padding, ceil_mode, count_include_pad,
                         divisor_override).astype(np.float16)
    x = _floating(_images(name, input, axes))
    images = x.shape[-axes:]
    sizes = _sizes(name, images, _key(kernel_size), _key(stride), _key(padding), 1, bool(ceil_mode))
    if divisor_override is not None and divisor_override == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    sums = sum_windows(x, _windows(images, sizes))
    if divisor_override is not None:
        y = sums * (1 / divisor_override)
    else:
        counts = _counts(images, sizes, count_include_pad)
        whole = counts[0] if axes == 1 else counts[0][:, None] * counts[1].astype(np.float64)
        equal = (whole == whole.flat[0]).all()
        y = sums * (1 / int(whole.flat[0]) if equal else (1 / whole).astype(x.dtype))
    return _shaped(y, axes)


def avg_pool2d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """The mean of each window of images; windows as in `max_pool2d`, without dilation.

    The derivative of an element is the sum over its windows of g / the number of elements.

    Parameters
    ----------
    input : (batch, channels, height, width), or without the batch; integers become float64
    kernel_size, stride, padding : int, or a tuple of two
    ceil_mode : bool
        A last window that is not whole counts too, if it begins inside.
    count_include_pad : bool
        Whether the zeros around the input count as elements.
    divisor_override : int, optional
        Divide the sums by this.

    Raises
    ------
    ValueError
        If shapes do not fit, a window is larger than the input, padding is too large, or the divisor 0.
    TypeError
        If the input is complex, or a size not an integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.avg_pool2d(fastad.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    tensor([[[2.5]]])
    """
    return _avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool1d(input: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:
    """The mean of each window of sequences (batch, channels, length), or without the batch; see `avg_pool2d`.

    Raises
    ------
    ValueError
        If shapes do not fit, a window is larger than the input, or padding is too large.
    TypeError
        If the input is complex, or a size not an integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.avg_pool1d(fastad.tensor([[1.0, 3.0, 2.0, 2.0]]), 2)
    tensor([[2., 2.]])
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


# ---- adaptive: so many windows, whatever the input's size ---------------------------------------------
def _outputs(name: str, size: Any, images: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes asked for; None keeps that of the input."""
    given = tuple(size) if isinstance(size, (tuple, list)) else (size,) * len(images)
    if len(given) != len(images):
        raise ValueError(f"{name}: output_size={size} has {len(given)} numbers for {len(images)} spatial axes")
    if min(images) < 1:
        raise ValueError(f"{name}: images of size {images} have no elements")
    return tuple(n if o is None else integers(name, "output_size", o, 1, 1)[0] for o, n in zip(given, images, strict=True))


def _parts(n: int, o: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the windows begin and end: so many that cover n elements, of nearly one size."""
    i = np.arange(o)
    return i * n // o, -((i + 1) * n // -o)


def _equal(x: Tensor, outputs: tuple[int, ...]) -> Windows | None:
    """The windows, if they are all of one size, side by side."""
    images = x.shape[-2:]
    if any(n % o for n, o in zip(images, outputs, strict=True)):
        return None
    kernel = tuple(n // o for n, o in zip(images, outputs, strict=True))
    return Windows(images, outputs, kernel, kernel, (0, 0), (1, 1))


def _adaptive_avg(name: str, axes: int, input: ArrayLike, output_size: Any) -> Tensor:
    if _narrow(input):
        return _adaptive_avg(name, axes, _wide(input), output_size).astype(np.float16)
    x = _floating(_images(name, input, axes))
    outputs = (1,) * (2 - axes) + _outputs(name, output_size, x.shape[-axes:])
    if outputs == (1, 1):
        return _shaped(x.mean((-2, -1), keepdims=True), axes)
    windows = _equal(x, outputs)
    if windows is not None:
        kernel = windows.given[2]
        return _shaped(sum_windows(x, windows) * (1 / (kernel[0] * kernel[1])), axes)
    left, right = (_means(n, o) for n, o in zip(x.shape[-2:], outputs, strict=True))
    return _shaped(between(x, left, right), axes)


def adaptive_avg_pool2d(input: ArrayLike, output_size: OutputSize) -> Tensor:
    """Means of as many windows as `output_size` says, which cover images of any size.

    Window i of o over n elements reaches from floor(i n / o) to ceil((i + 1) n / o).

    Parameters
    ----------
    input : (batch, channels, height, width), or without the batch; integers become float64
    output_size : int, or a tuple of two; None for the size of the input

    Raises
    ------
    ValueError
        If shapes do not fit, or a size is not positive.
    TypeError
        If the input is complex, or a size not an integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.adaptive_avg_pool2d(fastad.tensor([[[1.0, 2.0, 3.0]]]), (None, 2))
    tensor([[[1.5, 2.5]]])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool1d(input: ArrayLike, output_size: OutputSize) -> Tensor:
    """Means of as many windows as `output_size` says, of sequences (batch, channels, length); see `adaptive_avg_pool2d`.

    Raises
    ------
    ValueError
        If shapes do not fit, or the size is not positive.
    TypeError
        If the input is complex, or the size not an integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.adaptive_avg_pool1d(fastad.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[1.5, 2.5]])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


@overload
def adaptive_max_pool2d(input: ArrayLike, output_size: OutputSize, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def adaptive_max_pool2d(input: ArrayLike, output_size: OutputSize,
                        return_indices: Literal[True]) -> tuple[Tensor, Tensor]: ...
@overload
def adaptive_max_pool2d(input: ArrayLike, output_size: OutputSize,
                        return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]: ...
def adaptive_max_pool2d(input: ArrayLike, output_size: OutputSize,
                        return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """Maxima of as many windows as `output_size` says: those of `adaptive_avg_pool2d`; ties and NaN as in `max_pool2d`.

    Parameters
    ----------
    input : (batch, channels, height, width), or without the batch
    output_size : int, or a tuple of two; None for the size of the input
    return_indices : bool
        Also where the maxima stand, int64: row * width + column.

    Raises
    ------
    ValueError
        If shapes do not fit, or a size is not positive.
    TypeError
        If the input is complex, or a size not an integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.adaptive_max_pool2d(fastad.tensor([[[1.0, 2.0, 3.0]]]), (None, 2))
    tensor([[[2., 3.]]])
    """
    x = _images("adaptive_max_pool2d", input, 2)
    outputs = _outputs("adaptive_max_pool2d", output_size, x.shape[-2:])
    windows = _equal(x, outputs)
    if windows is not None and _compiled(x):
        y = max_windows(x, windows)
        return (y, from_numpy(windows.places().reshape(y.shape))) if return_indices else y
    (height, width), numbers = x.shape[-2:], x.detach().numpy()
    places = np.empty((*x.shape[:-2], *outputs), np.int64)
    for r, (top, bottom) in enumerate(zip(*_parts(height, outputs[0]), strict=True)):
        for c, (left, right) in enumerate(zip(*_parts(width, outputs[1]), strict=True)):
            window = numbers[..., top:bottom, left:right].reshape(*x.shape[:-2], (bottom - top) * (right - left))
            row, col = np.divmod(_largest(window), right - left)
            places[..., r, c] = (top + row) * width + left + col
    y = _picked(x, places)
    return (y, from_numpy(places)) if return_indices else y


# ---- layers ------------------------------------------------------------------------------------------
class _Pool(Module):
    """What the layers share: settings, which the repr shows."""

    _shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class _MaxPool(_Pool):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
                 return_indices: bool = False, ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: ArrayLike) -> Any:
        function = max_pool1d if isinstance(self, MaxPool1d) else max_pool2d
        return function(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                        return_indices=self.return_indices)


class MaxPool1d(_MaxPool):
    """The largest number of each window of sequences (batch, channels, length); see `fastad.nn.functional.max_pool1d`.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int
    return_indices, ceil_mode : bool

    Raises
    ------
    ValueError
        In a call, if the windows do not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MaxPool1d(2)(fastad.tensor([[1.0, 3.0, 2.0, 2.0]]))
    tensor([[3., 2.]])
    """


class MaxPool2d(_MaxPool):
    """The largest number of each window of images (batch, channels, height, width); see `fastad.nn.functional.max_pool2d`.

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int, or a tuple of two
    return_indices, ceil_mode : bool

    Raises
    ------
    ValueError
        In a call, if the windows do not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.MaxPool2d(2)(fastad.tensor([[[1.0, 3.0], [2.0, 2.0]]]))
    tensor([[[3.]]])
    """


class AvgPool1d(_Pool):
    """The mean of each window of sequences (batch, channels, length); see `fastad.nn.functional.avg_pool1d`.

    Parameters
    ----------
    kernel_size, stride, padding : int
    ceil_mode, count_include_pad : bool

    Raises
    ------
    ValueError
        In a call, if the windows do not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.AvgPool1d(2)(fastad.tensor([[1.0, 3.0, 2.0, 2.0]]))
    tensor([[2., 2.]])
    """

    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True) -> None:
        super().__init__()
        self.kernel_size = integers("AvgPool1d", "kernel_size", kernel_size, 1, 1)
        self.stride = self.kernel_size if stride is None else integers("AvgPool1d", "stride", stride, 1, 1)
        self.padding = integers("AvgPool1d", "padding", padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: ArrayLike) -> Tensor:
        return avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_Pool):
    """The mean of each window of images (batch, channels, height, width); see `fastad.nn.functional.avg_pool2d`.

    Parameters
    ----------
    kernel_size, stride, padding : int, or a tuple of two
    ceil_mode, count_include_pad : bool
    divisor_override : int, optional

    Raises
    ------
    ValueError
        In a call, if the windows do not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.AvgPool2d(2)(fastad.tensor([[[1.0, 3.0], [2.0, 2.0]]]))
    tensor([[[2.]]])
    """

    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: ArrayLike) -> Tensor:
        return avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                          self.divisor_override)


class _AdaptivePool(_Pool):
    _shown = ("output_size",)

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of so many windows of sequences of any length; see `fastad.nn.functional.adaptive_avg_pool1d`.

    Parameters
    ----------
    output_size : int, or None for the size of the input

    Raises
    ------
    ValueError
        In a call, if the shape does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.AdaptiveAvgPool1d(1)(fastad.tensor([[1.0, 3.0]]))
    tensor([[2.]])
    """

    def forward(self, input: ArrayLike) -> Tensor:
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means of so many windows of images of any size; see `fastad.nn.functional.adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int, or a tuple of two; None for the size of the input

    Raises
    ------
    ValueError
        In a call, if the shape does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.AdaptiveAvgPool2d(1)(fastad.tensor([[[1.0, 3.0]]]))
    tensor([[[2.]]])
    """

    def forward(self, input: ArrayLike) -> Tensor:
        return adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool2d(_AdaptivePool):
    """Maxima of so many windows of images of any size; see `fastad.nn.functional.adaptive_max_pool2d`.

    Parameters
    ----------
    output_size : int, or a tuple of two; None for the size of the input
    return_indices : bool

    Raises
    ------
    ValueError
        In a call, if the shape does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.AdaptiveMaxPool2d(1)(fastad.tensor([[[1.0, 3.0]]]))
    tensor([[[3.]]])
    """

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: ArrayLike) -> Any:
        return adaptive_max_pool2d(input, self.output_size, return_indices=self.return_indices)
