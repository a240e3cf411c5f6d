"""Images and sequences of another size: `interpolate`, and the layer Upsample.

Every mode but the nearest is a product with a matrix for each axis; `between` of adaptive.py.  Next: container.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._core.make import as_tensors
from .._core.primitives.windows import integers
from .._core.tensor import Tensor
from .adaptive import adaptive_avg_pool1d, adaptive_avg_pool2d, between
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from .._typing import ArrayLike, Size

AXES = {"nearest": (1, 2), "nearest-exact": (1, 2), "area": (1, 2), "linear": (1,), "bilinear": (2,), "bicubic": (2,)}
CUBIC = -0.75                                 # the slope that PyTorch and OpenCV take


def _nearest(n: int, o: int, factor: float | None, exact: bool, dtype: np.dtype[Any]) -> npt.NDArray[np.intp]:
    """Which element each output takes.  Rounded as by PyTorch: that decides where a position is a whole number."""
    kind: Any = np.float64 if dtype == np.float64 else np.float32
    scale = kind(1 / factor if factor else kind(n) / kind(o))
    at: npt.NDArray[Any] = (np.arange(o, dtype=kind) + kind(0.5 if exact else 0)) * scale
    places: npt.NDArray[np.intp] = np.minimum(np.floor(at.astype(np.float32)).astype(np.intp), n - 1)
    return places


def _positions(n: int, o: int, factor: float | None, align_corners: bool) -> npt.NDArray[np.float64]:
    """Where the outputs stand among n elements."""
    at = np.arange(o, dtype=np.float64)
    if align_corners:
        at *= (n - 1) / (o - 1) if o > 1 else 0.0
    else:
        at = (at + 0.5) * (1 / factor if factor else n / o) - 0.5
    return at


def _weights(n: int, o: int, factor: float | None, align_corners: bool, cubic: bool) -> npt.NDArray[np.float64]:
    """A row for each output: what it takes of each element.  Beyond the border stands the last element again."""
    at = _positions(n, o, factor, align_corners)
    if not cubic:
        at = np.maximum(at, 0)
    whole = np.floor(at).astype(np.intp)
    t = at - whole
    rows = np.zeros((o, n))
    parts = [(i, _kernel(abs(t - i))) for i in range(-1, 3)] if cubic else [(0, 1 - t), (1, t)]
    for i, weight in parts:
        np.add.at(rows, (np.arange(o), np.clip(whole + i, 0, n - 1)), weight)
    return rows


def _kernel(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The cubic convolution kernel at distance t < 2."""
    near = ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1
    far = ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC
    return np.where(t <= 1, near, far)


def _sizes(images: tuple[int, ...], size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(the outputs' sizes, the factors if they were given)"""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None:
        return integers("interpolate", "size", size, len(images), 1), ()
    given = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * len(images)
    if len(given) != len(images):
        raise ValueError(f"interpolate: scale_factor={scale_factor} has {len(given)} numbers for {len(images)} spatial axes")
    factors = tuple(float(f) for f in given)
    if not all(0 < f < np.inf for f in factors):
        raise ValueError(f"interpolate: scale_factor must be positive, got {scale_factor}")
    outputs = tuple(int(n * f) for n, f in zip(images, factors, strict=True))
    if min(outputs) < 1:
        raise ValueError(f"interpolate: scale_factor={scale_factor} leaves nothing of images of size {images}")
    return outputs, factors


def interpolate(input: ArrayLike, size: Size | None = None, scale_factor: float | Sequence[float] | None = None,
                mode: str = "nearest", align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Tensor:
    """Images or sequences of another size.

    ``nearest`` takes the element at floor(i / scale), ``nearest-exact`` at floor((i + 1/2) / scale); ``linear`` and
    ``bilinear`` weigh the two neighbours along each axis by their distance, ``bicubic`` four by cubic convolution
    (a = -3/4); ``area`` is `adaptive_avg_pool2d`.  Linear in the input: its derivative is the adjoint of that.

    Parameters
    ----------
    input : (batch, channels, length) or (batch, channels, height, width)
    size : int, or a tuple
    scale_factor : number, or a tuple; the size is floor(scale_factor * size of the input)
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear', 'bicubic', 'area'}
        'linear' is for sequences, 'bilinear' and 'bicubic' are for images.
    align_corners : bool
        Whether the first and last elements stay where they are (else the outer edges do); not for 'nearest' and 'area'.
    recompute_scale_factor : bool
        Use the ratio of the sizes in place of scale_factor.
    antialias : bool
        Not there.

    Raises
    ------
    ValueError
        If the mode, sizes or arguments do not fit the input.
    NotImplementedError
        For antialias.

    Notes
    -----
    R. Keys, Cubic convolution interpolation for digital image processing, 1981.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor([[[0.0, 2.0]]])
    >>> fastad.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[0., 0., 2., 2.]]])
    >>> fastad.nn.functional.interpolate(x, size=3, mode="linear", align_corners=True)
    tensor([[[0., 1., 2.]]])
    """
    x = input if isinstance(input, Tensor) else as_tensors(input)[0]
    if mode not in AXES:
        raise ValueError(f"interpolate: mode must be one of {', '.join(map(repr, AXES))}, got {mode!r}")
    axes = x.ndim - 2
    if axes not in AXES[mode]:
        expected = " or ".join("(batch, channels, " + ("length)" if k == 1 else "height, width)") for k in AXES[mode])
        raise ValueError(f"interpolate: mode={mode!r} is for inputs {expected}, got shape {x.shape}")
    if antialias:
        raise NotImplementedError("interpolate: antialias is not there; smooth the input first, or use mode='area'")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: align_corners is for linear, bilinear and bicubic modes, not for mode={mode!r}")
    if recompute_scale_factor and scale_factor is None:
        raise ValueError("interpolate: recompute_scale_factor is for scale_factor, not for size")
    images = x.shape[2:]
    if min(images) < 1:
        raise ValueError(f"interpolate: images of size {images} have no elements")
    outputs, factors = _sizes(images, size, scale_factor)
    if mode == "area":
        return adaptive_avg_pool1d(x, outputs) if axes == 1 else adaptive_avg_pool2d(x, outputs)
    steps = [None] * axes if recompute_scale_factor or not factors else list(factors)
    if mode.startswith("nearest"):
        exact = mode == "nearest-exact"
        places = [_nearest(n, o, f, exact, x.dtype) for n, o, f in zip(images, outputs, steps, strict=True)]
        return x[..., places[0]] if axes == 1 else x[..., places[0][:, None], places[1]]
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    rows = [_weights(n, o, f, bool(align_corners), mode == "bicubic")
            for n, o, f in zip(images, outputs, steps, strict=True)]
    if axes == 2:
        return between(x, *rows)
    return between(x.reshape((*x.shape[:2], 1, x.shape[2])), np.ones((1, 1)), rows[0]).reshape((*x.shape[:2], outputs[0]))


class Upsample(Module):
    """Images or sequences of another size; see `fastad.nn.functional.interpolate`.

    Parameters
    ----------
    size, scale_factor, mode, align_corners, recompute_scale_factor : as there

    Raises
    ------
    ValueError
        In a call, if the arguments do not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Upsample(scale_factor=2)(fastad.tensor([[[0.0, 2.0]]]))
    tensor([[[0., 0., 2., 2.]]])
    """

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None, mode: str = "nearest",
                 align_corners: bool | None = None, recompute_scale_factor: bool | None = None) -> None:
        super().__init__()
        self.size, self.mode = size, mode
        self.scale_factor = (tuple(map(float, scale_factor)) if isinstance(scale_factor, (tuple, list)) else
                             None if scale_factor is None else float(scale_factor))      # type: ignore[arg-type]
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: ArrayLike) -> Tensor:
        return interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        given = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{given}, mode={self.mode!r}"
