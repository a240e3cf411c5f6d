"""Flips, crops and sizes: which window of a picture the result shows.  Next: colour.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .geometry import Geometric, matrices

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Border, Floats, Generator


def size_pair(name: str, what: str, size: Any, least: int = 1) -> tuple[int, int]:
    """(rows, columns) of an integer or a pair of them."""
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(v, (int, np.integer)) and v >= least for v in pair):
        raise ValueError(f"{name}: {what} must be {'a positive integer' if least else 'an integer from 0 on'} or a pair of "
                         f"them, got {size!r}")
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

    def __init__(self, size: int | tuple[int, int], padding: int | tuple[int, int] = 0, *, mode: Border = "constant",
                 fill: float = 0.0, generator: Generator = None) -> None:
        super().__init__(1.0, mode, fill, generator)
        self.size = size_pair("RandomCrop", "size", size)
        self.padding = size_pair("RandomCrop", "padding", padding, least=0)
        if self.padding == (0, 0):
            self.mode = None

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the window."""
        return self.size

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Moves by a drawn number of whole pixels."""
        room = np.array(size) + 2 * np.array(self.padding) - self.size
        if (room < 0).any():
            raise ValueError(f"RandomCrop: a window of {self.size} is larger than pictures of {size} with padding "
                             f"{self.padding}")
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
    if min(size) == 0:
        raise ValueError(f"pictures of size {size} have no pixels to resize")
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
            raise ValueError(f"ResizedCrop: short must be (least, most) with the window's {longest} <= least <= most, got "
                             f"{short}")

    def size_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the window."""
        return self.size

    def matrix(self, size: tuple[int, int], drawn: Floats) -> Floats:
        """Scales by the drawn side, and moves by whole pixels of the scaled picture."""
        least, most = self.short
        rows, columns = short_side(size, least + np.floor(drawn[:, 0] * (most - least + 1)))
        room = np.stack([rows, columns], 1) - self.size
        return scaled(size, rows, columns, np.floor(drawn[:, 1:] * (room + 1)))
