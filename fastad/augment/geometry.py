"""Transforms that move pixels: each says by a map where a pixel of the result looks.  Next: colour.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .transform import Transform, between, interval

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .._typing import Floats, Generator
    from .transform import Batch, Map
    from .warping import Mode

IDENTITY = np.eye(2, 3)[None]


class Geometric(Transform):
    """A transform by a map: a subclass gives `matrix`, or another `map`."""

    mode: Mode | None = None               # None: it never looks beyond the edges
    fill: float = 0.0

    def __init__(self, p: float, mode: Mode | None, fill: float, generator: Generator) -> None:
        super().__init__(p, generator)
        if mode not in (None, "constant", "edge", "reflect"):
            raise ValueError(f"{self._name}: mode must be 'constant', 'edge' or 'reflect', got {mode!r}")
        if not np.isfinite(fill):
            raise ValueError(f"{self._name}: fill must be a finite number, got {fill!r}")
        self.mode, self.fill = mode, float(fill) if mode == "constant" else 0.0

    def apply(self, batch: Batch, chosen: npt.NDArray[np.bool_], drawn: Floats) -> None:
        """Look at the places of the map."""
        batch.look(self.map(batch.size, chosen, drawn), self.size_of(batch.size), self.mode, self.fill)

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the result."""
        return size

    def map(self, size: tuple[int, int], chosen: npt.NDArray[np.bool_], drawn: Floats) -> Map:
        """The matrices of the chosen pictures, and of the others the identity."""
        found = np.empty((len(chosen), 2, 3))
        found[:] = self.matrix(size, drawn)
        if not chosen.all():
            found[~chosen] = IDENTITY
        return found

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """(n or 1, 2, 3): from rows and columns of the result to those of a picture of that size."""
        raise NotImplementedError(f"{self._name} has no matrix method")


def matrices(n: int, row: tuple[Any, Any, Any], column: tuple[Any, Any, Any]) -> Floats:
    """(n, 2, 3) of numbers and arrays (n,)."""
    found = np.empty((n, 2, 3))
    for i, line in enumerate((row, column)):
        for j, value in enumerate(line):
            found[:, i, j] = value
    return found


def about_centre(size: tuple[int, int], linear: Floats) -> Floats:
    """The matrices that do `linear` (n, 2, 3), of which the last column is not read, about the middle of a picture."""
    centre = (np.array(size) - 1) / 2
    linear[:, :, 2] = centre - linear[:, :, :2] @ centre
    return linear


def size_pair(name: str, what: str, size: Any) -> tuple[int, int]:
    """(rows, columns) of an integer or a pair of them."""
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(v, (int, np.integer)) and v > 0 for v in pair):
        raise ValueError(f"{name}: {what} must be a positive integer or a pair of them, got {size!r}")
    return int(pair[0]), int(pair[1])


# ---- flips and crops: whole pixels, copied -----------------------------------------------------------
class HorizontalFlip(Geometric):
    """The picture mirrored left to right.

    Parameters
    ----------
    p : float
        The probability of a picture to be flipped.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.HorizontalFlip(p=1)(np.array([[[[1.0, 2.0, 3.0]]]])))
    [[[[3. 2. 1.]]]]
    """

    def __init__(self, p: float = 0.5, *, generator: Generator = None) -> None:
        super().__init__(p, None, 0.0, generator)

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Column j is column w - 1 - j."""
        return matrices(1, (1, 0, 0), (0, -1, size[1] - 1))


class VerticalFlip(Geometric):
    """The picture upside down.

    Parameters
    ----------
    p : float
        The probability of a picture to be flipped.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.VerticalFlip(p=1)(np.array([[[[1.0], [2.0]]]])).ravel())
    [2. 1.]
    """

    def __init__(self, p: float = 0.5, *, generator: Generator = None) -> None:
        super().__init__(p, None, 0.0, generator)

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Row i is row h - 1 - i."""
        return matrices(1, (-1, 0, size[0] - 1), (0, 1, 0))


class RandomCrop(Geometric):
    """A window of the picture, at a place drawn uniformly, after padding.

    Parameters
    ----------
    size : int or (int, int)
        Rows and columns of the window.
    padding : int or (int, int)
        So many pixels above and below, and on both sides.
    mode, fill
        What the padding shows: see `fastad.augment.warp`.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    ValueError
        If the window is larger than the padded picture.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.RandomCrop(32, padding=4)(np.zeros((8, 3, 32, 32), np.float32)).shape
    (8, 3, 32, 32)
    """

    parameters = 2

    def __init__(self, size: int | tuple[int, int], padding: int | tuple[int, int] = 0, *, mode: Mode = "constant",
                 fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(1.0, mode, fill, generator)
        self.size = size_pair("RandomCrop", "size", size)
        self.padding = (0, 0) if padding in (0, (0, 0)) else size_pair("RandomCrop", "padding", padding)
        if self.padding == (0, 0):
            self.mode = None

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the window."""
        return self.size

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Moves by a drawn number of whole pixels."""
        room = np.array(size) + 2 * np.array(self.padding) - self.size
        if (room < 0).any():
            raise ValueError(f"RandomCrop: a window of {self.size} is larger than pictures of {size} with padding {self.padding}")
        start = np.floor(drawn * (room + 1)) - self.padding
        return matrices(len(drawn), (1, 0, start[:, 0]), (0, 1, start[:, 1]))


class CenterCrop(Geometric):
    """The window in the middle of the picture.

    Parameters
    ----------
    size : int or (int, int)
        Rows and columns of the window.

    Raises
    ------
    ValueError
        If the window is larger than the picture.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.CenterCrop((1, 2))(np.arange(12.0).reshape(1, 1, 3, 4)))
    [[[[5. 6.]]]]
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        super().__init__(1.0, None, 0.0, None)
        self.size = size_pair("CenterCrop", "size", size)

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the window."""
        return self.size

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Moves by whole pixels."""
        if self.size[0] > size[0] or self.size[1] > size[1]:
            raise ValueError(f"CenterCrop: a window of {self.size} is larger than pictures of {size}")
        return matrices(1, (1, 0, (size[0] - self.size[0]) // 2), (0, 1, (size[1] - self.size[1]) // 2))


# ---- sizes -------------------------------------------------------------------------------------------
def short_side(size: tuple[int, int], length: Floats) -> tuple[Floats, Floats]:
    """Rows and columns of pictures whose short side has become `length`, the other as the shape wants it."""
    long = np.rint(length * max(size) / min(size))
    return (length, long) if size[0] <= size[1] else (long, length)


def scaled(size: tuple[int, int], rows: Any, columns: Any, start: Floats) -> Floats:
    """From a picture of `rows` and `columns`, looked at from `start` (n, 2) on, to one of `size`: edges on edges."""
    steps = size[0] / np.asarray(rows), size[1] / np.asarray(columns)
    offsets = [(start[:, k] + 0.5) * step - 0.5 for k, step in enumerate(steps)]
    return matrices(len(start), (steps[0], 0, offsets[0]), (0, steps[1], offsets[1]))


class Resize(Geometric):
    """The whole picture in another size, averaged where it becomes smaller, as Pillow's ``resize`` with its bilinear filter.

    Parameters
    ----------
    size : int or (int, int)
        The length of the short side, which keeps the picture's shape; or rows and columns.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.Resize(256)(np.zeros((2, 3, 300, 400), np.uint8)).shape
    (2, 3, 256, 341)
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        super().__init__(1.0, None, 0.0, None)
        pair = size_pair("Resize", "size", size)
        self.size = pair[0] if isinstance(size, (int, np.integer)) else pair

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size wanted."""
        if isinstance(self.size, tuple):
            return self.size
        rows, columns = short_side(size, np.array(float(self.size)))
        return int(rows), int(columns)

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Scales, edges on edges."""
        return scaled(size, *self.size_of(size), np.zeros((1, 2)))


class ResizedCrop(Geometric):
    """A drawn size, then a window at a drawn place: the short side becomes L, drawn from whole numbers, the other follows.

    Parameters
    ----------
    size : int or (int, int)
        Rows and columns of the window.
    short : (int, int)
        L is drawn uniformly from these and what lies between; by default [256, 480] for windows of 224, as residual networks
        were trained on ImageNet, and in that proportion for others.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    ValueError
        If the shortest L is shorter than the window's long side.

    Notes
    -----
    K. Simonyan and A. Zisserman, Very deep convolutional networks, 2015; K. He et al., Deep residual learning, 2016.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.ResizedCrop(224)(np.zeros((1, 3, 333, 500), np.uint8)).shape
    (1, 3, 224, 224)
    """

    parameters = 3

    def __init__(self, size: int | tuple[int, int] = 224, short: tuple[int, int] | None = None, *,
                 generator: Generator = None) -> None:
        super().__init__(1.0, None, 0.0, generator)
        self.size = size_pair("ResizedCrop", "size", size)
        longest = max(self.size)
        self.short = (longest * 8 // 7, longest * 15 // 7) if short is None else size_pair("ResizedCrop", "short", short)
        if not longest <= self.short[0] <= self.short[1]:
            raise ValueError(f"ResizedCrop: short must be (least, most) with the window's {longest} <= least <= most, got {short}")

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the window."""
        return self.size

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Scales by the drawn side, and moves by whole pixels of the scaled picture."""
        least, most = self.short
        rows, columns = short_side(size, least + np.floor(drawn[:, 0] * (most - least + 1)))
        room = np.stack([rows, columns], 1) - self.size
        return scaled(size, rows, columns, np.floor(drawn[:, 1:] * (room + 1)))


# ---- about the middle --------------------------------------------------------------------------------
class Translate(Geometric):
    """The picture moved, by whole pixels unless `subpixel`.

    Parameters
    ----------
    limit : float, or (float, float)
        How far at most, in shares of the height and of the width: a number for both, or (rows, columns).
    subpixel : bool
        Move by parts of pixels too.
    p : float
        The probability of a picture to be moved.
    mode, fill
        What comes in at the edges: see `fastad.augment.warp`.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.Translate(0.1)(np.zeros((2, 3, 32, 32))).shape
    (2, 3, 32, 32)
    """

    parameters = 2

    def __init__(self, limit: float | tuple[float, float] = 0.1, *, subpixel: bool = False, p: float = 1.0,
                 mode: Mode = "constant", fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        pair = limit if isinstance(limit, (tuple, list)) and len(limit) == 2 else (limit, limit)
        self.limit = tuple([interval("Translate", "limit", v, least=0.0)[1] for v in pair])
        self.subpixel = subpixel

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Moves."""
        by = (2 * drawn - 1) * self.limit * np.array(size)
        by = by if self.subpixel else np.rint(by)
        return matrices(len(drawn), (1, 0, by[:, 0]), (0, 1, by[:, 1]))


class Rotate(Geometric):
    """The picture turned about its middle.

    Parameters
    ----------
    degrees : float or (float, float)
        Drawn uniformly from [-degrees, degrees], or between the two; positive angles turn against the clock.
    p : float
        The probability of a picture to be turned.
    mode, fill
        What comes in at the corners: see `fastad.augment.warp`.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.Rotate((90, 90))(np.array([[[[1.0, 2.0], [3.0, 4.0]]]])).round(9)[0, 0])
    [[2. 4.]
     [1. 3.]]
    """

    parameters = 1

    def __init__(self, degrees: float | tuple[float, float] = 15.0, *, p: float = 1.0, mode: Mode = "constant",
                 fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        self.degrees = interval("Rotate", "degrees", degrees, about=0.0)

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Turns."""
        angle = np.deg2rad(between(self.degrees, drawn[:, 0]))
        cos, sin = np.cos(angle), np.sin(angle)
        return about_centre(size, matrices(len(drawn), (cos, sin, 0), (-sin, cos, 0)))


class Stretch(Geometric):
    """The picture made larger or smaller about its middle, along each axis by a factor of its own.

    Parameters
    ----------
    factor : (float, float)
        Drawn between the two for either axis: above 1 enlarges.
    p : float
        The probability of a picture to be stretched.
    mode, fill
        What comes in at the edges: see `fastad.augment.warp`.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.Stretch((0.8, 1.2))(np.zeros((2, 3, 32, 32))).shape
    (2, 3, 32, 32)
    """

    parameters = 2

    def __init__(self, factor: float | tuple[float, float] = (0.8, 1.25), *, p: float = 1.0, mode: Mode = "constant",
                 fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        self.factor = interval("Stretch", "factor", factor, least=1e-3)

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Scales."""
        factor = between(self.factor, drawn)
        return about_centre(size, matrices(len(drawn), (1 / factor[:, 0], 0, 0), (0, 1 / factor[:, 1], 0)))


class Shear(Geometric):
    """The picture's rows pushed along each other, and its columns: straight lines stay straight, right angles do not.

    Parameters
    ----------
    horizontal, vertical : float or (float, float)
        By how many degrees upright lines, and level ones, are inclined: drawn from [-degrees, degrees], or between the two.
    p : float
        The probability of a picture to be sheared.
    mode, fill
        What comes in at the edges: see `fastad.augment.warp`.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    ValueError
        If an angle is 90 degrees or more.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.Shear(20)(np.zeros((2, 3, 32, 32))).shape
    (2, 3, 32, 32)
    """

    parameters = 2

    def __init__(self, horizontal: float | tuple[float, float] = 15.0, vertical: float | tuple[float, float] = 0.0, *,
                 p: float = 1.0, mode: Mode = "constant", fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        self.horizontal = interval("Shear", "horizontal", horizontal, about=0.0)
        self.vertical = interval("Shear", "vertical", vertical, about=0.0)
        if max(map(abs, self.horizontal + self.vertical)) >= 90:
            raise ValueError(f"Shear: angles must be less than 90 degrees, got {horizontal!r} and {vertical!r}")

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Shears."""
        across = np.tan(np.deg2rad(between(self.horizontal, drawn[:, 0])))
        down = np.tan(np.deg2rad(between(self.vertical, drawn[:, 1])))
        return about_centre(size, matrices(len(drawn), (1, down, 0), (across, 1, 0)))


class LensDistortion(Geometric):
    """The picture as through a simple lens: a pixel at distance r from the middle looks at distance r (1 + k r^2).

    Parameters
    ----------
    k : float or (float, float)
        Drawn from [-k, k], or between the two, with r = 1 in the corners.  Above 0 straight lines bulge (a barrel), below
        they bend inwards (a pincushion).
    p : float
        The probability of a picture to be distorted.
    mode, fill
        What comes in at the edges: see `fastad.augment.warp`.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Notes
    -----
    The first term of D. C. Brown, Decentering distortion of lenses, 1966.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> fastad.augment.LensDistortion(0.2)(np.zeros((2, 3, 32, 32))).shape
    (2, 3, 32, 32)
    """

    parameters = 1

    def __init__(self, k: float | tuple[float, float] = 0.2, *, p: float = 1.0, mode: Mode = "constant", fill: float = 0.0,
                 generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        self.k = interval("LensDistortion", "k", k, about=0.0)

    def map(self, size: tuple[int, int], chosen: npt.NDArray[np.bool_], drawn: Floats) -> Map:
        """Scales distances from the middle."""
        k = np.where(chosen, between(self.k, drawn[:, 0]), 0.0)[:, None, None, None]
        centre = ((np.array(size) - 1) / 2)[:, None, None]
        corner = max(float((centre**2).sum()), 1e-9)

        def lens(places: Floats) -> Floats:
            from_centre = places - centre
            square = (from_centre**2).sum(1, keepdims=True) / corner
            found: Floats = places + from_centre * (k * square)
            return found
        return lens
