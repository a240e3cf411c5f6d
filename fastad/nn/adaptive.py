"""Adaptive pooling: so many windows, whatever the input's size.  Functions, then layers.

Windows whose sizes differ are a product with a matrix, or picked.

Imports pooling.py.  Next: padding.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .. import from_numpy, matmul
from .._core.primitives.pooling import Windows, max_windows, sum_windows
from .._core.primitives.windows import integers, largest
from .._core.tensor import Tensor
from .pooling import Pool, compiled, images_of, meant, picked, summable

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import ArrayLike, OutputSize


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


def _means(n: int, o: int) -> npt.NDArray[np.float64]:
    """A row for each window over n elements, which gives their mean."""
    starts, ends = _parts(n, o)
    at = np.arange(n)
    inside: npt.NDArray[np.float64] = ((at >= starts[:, None]) & (at < ends[:, None])) / (ends - starts)[:, None]
    return inside


def between(x: Tensor, left: npt.NDArray[Any], right: npt.NDArray[Any]) -> Tensor:
    """left x right^T, for images x."""
    return matmul(matmul(left.astype(x.dtype), x), np.ascontiguousarray(right.astype(x.dtype).T))


def _adaptive_avg(name: str, axes: int, input: ArrayLike, output_size: Any) -> Tensor:
    given = images_of(name, input, axes)
    outputs = (1,) * (2 - axes) + _outputs(name, output_size, given.shape[-axes:])
    x = summable(given)
    if outputs == (1, 1):
        return meant(x.mean((-2, -1), keepdims=True), given, axes)
    windows = _equal(x, outputs)
    if windows is not None:
        kernel = windows.given[2]
        return meant(sum_windows(x, windows) * (1 / (kernel[0] * kernel[1])), given, axes)
    left, right = (_means(n, o) for n, o in zip(x.shape[-2:], outputs, strict=True))
    return meant(between(x, left, right), given, axes)


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
    x = images_of("adaptive_max_pool2d", input, 2)
    outputs = _outputs("adaptive_max_pool2d", output_size, x.shape[-2:])
    windows = _equal(x, outputs)
    if windows is not None and compiled(x):
        y = max_windows(x, windows)
        return (y, from_numpy(windows.places().reshape(y.shape))) if return_indices else y
    (height, width), numbers = x.shape[-2:], x.detach().numpy()
    places = np.empty((*x.shape[:-2], *outputs), np.int64)
    for r, (top, bottom) in enumerate(zip(*_parts(height, outputs[0]), strict=True)):
        for c, (left, right) in enumerate(zip(*_parts(width, outputs[1]), strict=True)):
            window = numbers[..., top:bottom, left:right].reshape(*x.shape[:-2], (bottom - top) * (right - left))
            row, col = np.divmod(largest(window), right - left)
            places[..., r, c] = (top + row) * width + left + col
    y = picked(x, places)
    return (y, from_numpy(places)) if return_indices else y


# ---- layers ------------------------------------------------------------------------------------------
class _AdaptivePool(Pool):
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
