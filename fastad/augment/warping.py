"""warp: pictures resampled by a map, and maps one after the other.  Imports the core.  Next: transform.py."""
from __future__ import annotations

import operator
from typing import TYPE_CHECKING, overload

import numpy as np

from .._core.primitives.warp import Map, warped
from .._core.tensor import Tensor

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .._typing import ArrayLike, Border, Floats

MODES = ("constant", "edge", "reflect")    # as csrc/image.h numbers them
LARGEST = 1 << 30                          # rows or columns
IDENTITY = np.eye(2, 3)[None]
DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))


@overload
def warp(images: Tensor, map: ArrayLike, size: tuple[int, int] | None = None, *, mode: Border = "constant",
         fill: float = 0.0, antialias: bool = False) -> Tensor: ...
@overload
def warp(images: npt.NDArray[Any], map: ArrayLike, size: tuple[int, int] | None = None, *, mode: Border = "constant",
         fill: float = 0.0, antialias: bool = False) -> npt.NDArray[Any]: ...
def warp(images: Any, map: Any, size: tuple[int, int] | None = None, *, mode: Border = "constant",
         fill: float = 0.0, antialias: bool = False) -> Any:
    """Pictures at the places that a map names, between pixels by bilinear interpolation.

    ``y[n, c, i, j] = images[n, c]`` at the place (row, column) = ``map[n]`` of (i, j).  Pixel centres lie at whole numbers,
    as in SciPy's `affine_transform` and `map_coordinates`.  The warp is linear in the pictures, and its derivative by them,
    in both modes and to any order, is the warp itself or its transpose; there is none by the map.

    Parameters
    ----------
    images : Tensor or ndarray, shape (n, c, h, w)
        float32, float64 or uint8; bytes are rounded to the nearest.
    map : array_like
        A matrix, (2, 3) for all pictures or (n, 2, 3), that takes (i, j, 1) to a row and a column of the picture; or a field
        (n, 2, height, width) of rows and columns, with n = 1 for all pictures.
    size : (int, int), optional
        Rows and columns of the result, by default those of the pictures; a field says it itself.
    mode : 'constant', 'edge' or 'reflect'
        What lies beyond the edges: `fill`, the pixel at the edge, or the picture mirrored about the centres of the pixels at
        its edge; named as in `numpy.pad`.
    fill : float
        In the units of the pictures.
    antialias : bool
        Average where a matrix makes pictures smaller.  One that only scales and moves becomes a triangle filter as wide as
        its step over pixels, and sees no edge if it stays within the picture: what Pillow's `resize` does.  Any other is
        preceded by that filter if it steps over more than 1.5 pixels.  Fields are not filtered.

    Returns
    -------
    Tensor or ndarray, shape (n, c, height, width), of the dtype of `images`.

    Raises
    ------
    ValueError
        If shapes do not fit, a matrix or `fill` is not finite, or `mode` is unknown.
    TypeError
        If the dtype is another one, or the map requires a gradient.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> x = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> print(fastad.augment.warp(x, [[1, 0, 0], [0, -1, 2]])[0, 0])
    [[2. 1. 0.]
     [5. 4. 3.]]
    >>> x = fastad.tensor(x, requires_grad=True)
    >>> fastad.augment.warp(x, [[1, 0, 0], [0, 1, 0.25]], (1, 2)).sum().backward()
    >>> print(x.grad.numpy()[0, 0])
    [[0.75 1.   0.25]
     [0.   0.   0.  ]]
    """
    images = pictures("warp", images)
    return warped(images, map_of(map, size, images.shape, mode, fill, antialias))


def map_of(places: Any, size: Any, shape: tuple[int, ...], mode: str, fill: float, antialias: bool) -> Map:
    """A map for pictures of shape (n, c, h, w), checked: matrices (2, 3) or (n, 2, 3), fields (n, 2, height, width), or
    lenses (n, 15) as `together` makes them."""
    if isinstance(places, Tensor):
        if places.requires_grad:
            raise TypeError("warp: there is no derivative by the map; use map.detach()")
        places = places.detach().numpy()
    places = np.array(places, np.float64, order="C")
    field, lens = places.ndim == 4, places.ndim == 2 and places.shape[1] == 15
    if not (lens or (field and places.shape[1] == 2) or (places.ndim in (2, 3) and places.shape[-2:] == (2, 3))):
        raise ValueError(f"warp: a map is a matrix (2, 3) or (n, 2, 3), or a field (n, 2, height, width), got shape "
                         f"{places.shape}")
    if places.ndim == 2 and not lens:
        places = places[None]
    if len(places) not in (1, shape[0]):
        raise ValueError(f"warp: {len(places)} maps for {shape[0]} pictures of shape {shape}")
    if not field and not np.isfinite(places).all():
        raise ValueError("warp: a matrix holds a number that is not finite")
    if mode not in MODES:
        raise ValueError(f"warp: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if field and size is not None:
        raise ValueError("warp: a field says the size of the result by its shape; leave size out")
    extent = places.shape[2:] if field else shape[2:] if size is None else tuple(map(operator.index, size))
    if len(extent) != 2 or min(extent) < 0 or max(*extent, *shape[2:]) > LARGEST:
        raise ValueError(f"warp: size must be (height, width), each at most {LARGEST}, got {size} for pictures of shape "
                         f"{shape}")
    if not np.isfinite(fill):
        raise ValueError(f"warp: fill must be a finite number, got {fill!r}")
    return Map(places, extent, MODES.index(mode), float(fill), bool(antialias))


def pictures(name: str, images: Any) -> Any:
    """A tensor as it is, anything else as an array that compiled loops can read; (n, c, h, w), the dtype checked."""
    if not isinstance(images, Tensor):
        images = np.asarray(images)
        if images.dtype.newbyteorder("=") in DTYPES and not (images.dtype.isnative and images.flags.aligned):
            images = images.astype(images.dtype.newbyteorder("="))
    if images.dtype not in DTYPES:
        raise TypeError(f"{name}: pictures must be float32, float64 or uint8, got {images.dtype}; use astype")
    if images.ndim != 4:
        hint = "; of one picture use images[None]" if images.ndim == 3 else ""
        raise ValueError(f"{name}: pictures must have shape (n, channels, height, width), got {images.shape}{hint}")
    return images


def after(first: Floats, then: Floats) -> Floats:
    """The matrices (n, 2, 3) that take a place through `then`, and what it gives through `first`.

    Sums and not products of matrices, which would round by how many there are."""
    product: Floats = first[:, :, :1] * then[:, :1] + first[:, :, 1:2] * then[:, 1:]
    product[:, :, 2] += first[:, :, 2]
    return product


def together(maps: list[Floats], size: tuple[int, int]) -> Floats:
    """Maps, the last of them first, as one: matrices, a lens between matrices, or where there are several a field.

    Maps are matrices (n or 1, 2, 3) and lenses (n, 3) of a centre and k: p becomes c + (p - c) (1 + k |p - c|^2)."""
    lenses = [at for at, map in enumerate(maps) if map.ndim == 2]
    if not lenses:
        return maps[0] if len(maps) == 1 else after(maps[0], together(maps[1:], size))
    if len(lenses) > 1:
        return field(maps, size)
    at, = lenses
    parts = [together(side, size).reshape(-1, 6) if side else IDENTITY.reshape(1, 6) for side in (maps[:at], maps[at + 1:])]
    return np.concatenate([np.broadcast_to(part, (len(maps[at]), 6)) for part in parts] + [maps[at]], 1)


def field(maps: list[Floats], size: tuple[int, int]) -> Floats:
    """Where every pixel of a result of that size leads through maps, the last of them first."""
    places = np.stack(np.meshgrid(*[np.arange(float(v)) for v in size], indexing="ij"))[None]
    for map in reversed(maps):
        if map.ndim == 2:
            from_centre = places - map[:, :2, None, None]
            places = places + from_centre * (map[:, 2:, None, None] * (from_centre**2).sum(1, keepdims=True))
        else:
            m = map[:, :, :, None, None]
            places = m[:, :, 0] * places[:, :1] + m[:, :, 1] * places[:, 1:] + m[:, :, 2]
    return np.ascontiguousarray(places)
