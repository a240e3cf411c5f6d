"""Geometric, a transform that says by a map where a pixel of the result looks; those that turn and bend a picture about its
middle.  Next: windows.py, colour.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .transform import Transform, between, interval
from .warping import IDENTITY

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .._typing import Border, Floats, Generator
    from .transform import Batch

class Geometric(Transform):
    """A transform by a map: a subclass gives `matrix`, or another `map`."""

    mode: Border | None = None               # None: it never looks beyond the edges
    fill: float = 0.0

    def __init__(self, p: float, mode: Border | None, fill: float, generator: Generator) -> None:
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

    def map(self, size: tuple[int, int], chosen: npt.NDArray[np.bool_], drawn: Floats) -> Floats:
        """The matrices of the chosen pictures, and of the others the identity; one, if it is everybody's."""
        matrix = self.matrix(size, drawn)
        return matrix if chosen.all() else np.where(chosen[:, None, None], matrix, IDENTITY)

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """(n or 1, 2, 3): from rows and columns of the result to those of a picture of that size."""
        raise NotImplementedError(f"{self._name} has no matrix method")


def matrices(n: int, row: tuple[Any, Any, Any], column: tuple[Any, Any, Any]) -> Floats:
    """(n, 2, 3) of numbers and arrays (n,)."""
    if n == 1 and not any(isinstance(value, np.ndarray) for value in (*row, *column)):
        return np.array([[row, column]], np.float64)
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


# ---- about the middle --------------------------------------------------------------------------------
class Translate(Geometric):
    """The picture moved, by whole pixels unless `subpixel`.

    Parameters
    ----------
    limit : float, or (float, float)
        How far at most, in shares of the height and of the width, to both sides: a number for both, or (rows, columns).
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
                 mode: Border = "constant", fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        pair = limit if isinstance(limit, (tuple, list)) else (limit, limit)
        if len(pair) != 2 or any(isinstance(v, (tuple, list)) for v in pair):
            raise TypeError(f"Translate: limit must be a number or a pair (rows, columns), got {limit!r}")
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

    def __init__(self, degrees: float | tuple[float, float] = 15.0, *, p: float = 1.0, mode: Border = "constant",
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
    factor : float or (float, float)
        Drawn for either axis from [1 - factor, 1 + factor], where a number must be below 1, or between the two: above 1
        enlarges.
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

    def __init__(self, factor: float | tuple[float, float] = (0.8, 1.25), *, p: float = 1.0, mode: Border = "constant",
                 fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        self.factor = interval("Stretch", "factor", factor, about=1.0, least=1e-3, most=1.0)

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
                 p: float = 1.0, mode: Border = "constant", fill: float = 0.0, generator: Generator = None) -> None:
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

    def __init__(self, k: float | tuple[float, float] = 0.2, *, p: float = 1.0, mode: Border = "constant", fill: float = 0.0,
                 generator: Generator = None) -> None:
        super().__init__(p, mode, fill, generator)
        self.k = interval("LensDistortion", "k", k, about=0.0)

    def map(self, size: tuple[int, int], chosen: npt.NDArray[np.bool_], drawn: Floats) -> Floats:
        """Scales distances from the middle."""
        centre = (np.array(size) - 1) / 2
        found = np.empty((len(chosen), 3))
        found[:, :2] = centre
        found[:, 2] = np.where(chosen, between(self.k, drawn[:, 0]), 0.0) / max(float((centre**2).sum()), 1e-9)
        return found
