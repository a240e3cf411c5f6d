"""Pooling: one number for each window of an image or a sequence.  Functions, then layers.

Windows are of one size here, and primitives of `_core/primitives/pooling.pyx`; those of adaptive.py may differ.

Imports the primitives and windows.py.  Next: adaptive.py.
"""
from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .. import from_numpy
from .._core.make import as_tensors
from .._core.primitives.pooling import Windows, max_windows, sum_windows
from .._core.primitives.windows import integers, maxima, reach
from .._core.tensor import Tensor
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from .._typing import ArrayLike, Size

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


def images_of(name: str, input: ArrayLike, axes: int) -> Tensor:
    """The input as a tensor of images; sequences are images of one row."""
    x = input if isinstance(input, Tensor) else as_tensors(input)[0]
    spatial = "(length,)" if axes == 1 else "(height, width)"
    if x.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"{name}: the input must be (batch, channels) + {spatial}, or without the batch, got shape "
                         f"{x.shape}")
    if x.dtype.kind == "c":
        raise TypeError(f"{name}: the input must be real, got {x.dtype}")
    return x.reshape((*x.shape[:-1], 1, x.shape[-1])) if axes == 1 else x


def shaped(y: Tensor, axes: int) -> Tensor:
    """Images as `images_of` was given them."""
    return y.reshape((*y.shape[:-2], y.shape[-1])) if axes == 1 else y


def summable(x: Tensor) -> Tensor:
    """In a dtype for sums: float64 for integers, float32 for float16, which is to hold results."""
    return x.astype(np.float32) if x.dtype == np.float16 else x if x.dtype.kind == "f" else x.astype(np.float64)


def meant(y: Tensor, given: Tensor, axes: int) -> Tensor:
    """Means as they are given back, for the images."""
    y = shaped(y, axes)
    return y.astype(np.float16) if given.dtype == np.float16 else y


def _windows(name: str, images: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any,
             ceil_mode: bool) -> Windows:
    """The windows as the primitives know them, over images of two axes."""
    sizes = _sizes(name, images, _key(kernel), _key(stride), _key(padding), _key(dilation), bool(ceil_mode))
    if len(images) == 1:
        images = (1, *images)
        sizes = tuple((other, *size) for other, size in zip((1, 1, 1, 0, 1), sizes, strict=True))
    return Windows(images, *sizes)


def compiled(x: Tensor) -> bool:
    """Whether the primitives serve: places within an image of float32 are int32."""
    return x.dtype in (np.float32, np.float64) and x.shape[-1] * x.shape[-2] < 1 << 31


# ---- maxima ------------------------------------------------------------------------------------------
def picked(x: Tensor, places: npt.NDArray[np.int64]) -> Tensor:
    """x at places (..., rows, cols) of its images."""
    images = x.shape[:-2]
    flat = x.reshape((int(np.prod(images)), x.shape[-2] * x.shape[-1]))
    chosen = flat[np.arange(len(flat))[:, None], places.reshape(len(flat), places.shape[-2] * places.shape[-1])]
    return chosen.reshape(places.shape)


def _max_pool(name: str, axes: int, input: ArrayLike, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
              ceil_mode: bool, return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    x = images_of(name, input, axes)
    windows = _windows(name, x.shape[-axes:], kernel_size, stride, padding, dilation, ceil_mode)
    if compiled(x):
        y = max_windows(x, windows)
        places = windows.places() if return_indices else None
    else:
        places = maxima(windows.given, x.detach().numpy())
        y = picked(x, places)
    y = shaped(y, axes)
    return (y, from_numpy(places.reshape(y.shape))) if return_indices and places is not None else y


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
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ---- means -------------------------------------------------------------------------------------------
def _counts(windows: Windows, with_padding: bool) -> npt.NDArray[np.float64]:
    """How many elements each window sees."""
    images, outputs, kernel, stride, padding, _ = windows.given
    found = []
    for n, o, k, s, p in zip(images, outputs, kernel, stride, padding, strict=True):
        first = np.arange(o) * s - p
        found.append(np.minimum(first + k, n + p) - first if with_padding
                     else np.minimum(first + k, n) - np.maximum(first, 0))
    counts: npt.NDArray[np.float64] = found[0][:, None] * found[1].astype(np.float64)
    return counts


def _avg_pool(name: str, axes: int, input: ArrayLike, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
              count_include_pad: bool, divisor_override: int | None) -> Tensor:
    given = images_of(name, input, axes)
    windows = _windows(name, given.shape[-axes:], kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and divisor_override == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    x = summable(given)
    sums = sum_windows(x, windows)
    if divisor_override is not None:
        y = sums * (1 / divisor_override)
    else:
        counts = _counts(windows, count_include_pad)
        equal = (counts == counts.flat[0]).all()
        y = sums * (1 / int(counts.flat[0]) if equal else (1 / counts).astype(x.dtype))
    return meant(y, given, axes)


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


# ---- layers ------------------------------------------------------------------------------------------
class Pool(Module):
    """What the layers share: settings, which the repr shows."""

    _shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class _MaxPool(Pool):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    _function: Callable[..., Any] = staticmethod(max_pool2d)

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
                 return_indices: bool = False, ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: ArrayLike) -> Any:
        return self._function(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
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

    _function = staticmethod(max_pool1d)


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


class AvgPool1d(Pool):
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


class AvgPool2d(Pool):
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
