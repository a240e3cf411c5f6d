"""Transforms that change what pixels show and leave them where they are.  Next: mixing.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.primitives.warp import blended
from .._core.tensor import FUNCTIONS, Tensor
from .transform import Transform, between, interval, streams

if TYPE_CHECKING:
    from typing import Any, ClassVar

    import numpy.typing as npt

    from .._typing import Floats, Generator
    from .transform import Batch

LUMA = (0.299, 0.587, 0.114)               # ITU-R BT.601


class Blend(Transform):
    """f x + (1 - f) y, where y is what the picture would be without what f rules: a subclass says which."""

    kind: ClassVar[str] = "plain"
    parameters = 1

    def __init__(self, factor: float | tuple[float, float], p: float, generator: Generator) -> None:
        super().__init__(p, generator)
        self.factor = interval(self._name, "factor", factor, about=1.0, least=0.0)

    def apply(self, batch: Batch, chosen: npt.NDArray[np.bool_], drawn: Floats) -> None:
        """Blend each picture by its factor, which is 1 where it was not chosen."""
        if self.kind != "plain" and batch.channels not in (1, 3):
            raise ValueError(f"{self._name}: pictures must have 3 channels (red, green, blue) or 1, got {batch.channels}")
        factors = np.where(chosen, between(self.factor, drawn[:, 0]), 1.0)
        images = batch.pictures()
        if self.kind == "luma" and batch.channels == 1:
            return
        if isinstance(images, Tensor):
            factor = factors.astype(images.dtype).reshape(-1, 1, 1, 1)
            batch.replace(images * factor + self.without(images) * (1 - factor))
        else:
            found = images if batch.ours else np.empty(images.shape, images.dtype)
            blended(("plain", "mean", "luma").index(self.kind), images, factors, None, found)
            batch.replace(found)

    def without(self, images: Tensor) -> Any:
        """y, of a tensor."""
        return 0.0


def luma(images: Tensor) -> Tensor:
    """(n, 1, h, w): how bright each pixel looks."""
    if images.shape[1] == 1:
        return images
    found: Tensor = (images * np.array(LUMA, images.dtype).reshape(3, 1, 1)).sum(axis=1, keepdims=True)
    return found


class Brightness(Blend):
    """Every pixel times a factor: f x.

    uint8 is rounded to the nearest and kept within 0 and 255; floats are not clipped, so no derivative is lost.

    Parameters
    ----------
    factor : float or (float, float)
        Drawn from [1 - factor, 1 + factor], not below 0, or between the two: 0 gives black, 1 the picture.
    p : float
        The probability of a picture to be changed.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Notes
    -----
    As Pillow's ``ImageEnhance.Brightness``, which does not round but cuts off.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.Brightness((1.5, 1.5))(np.array([[[[1, 100, 200]]]], np.uint8)))
    [[[[  2 150 255]]]]
    """

    def __init__(self, factor: float | tuple[float, float] = 0.4, *, p: float = 1.0, generator: Generator = None) -> None:
        super().__init__(factor, p, generator)


class Contrast(Blend):
    """The distance of every pixel from the picture's mean luma times a factor: m + f (x - m).

    The luma is 0.299 R + 0.587 G + 0.114 B; of one channel it is that channel.

    Parameters
    ----------
    factor : float or (float, float)
        Drawn from [1 - factor, 1 + factor], not below 0, or between the two: 0 gives grey, 1 the picture.
    p : float
        The probability of a picture to be changed.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    ValueError
        If pictures have not 1 or 3 channels.

    Notes
    -----
    As Pillow's ``ImageEnhance.Contrast``, but for rounding; see `Brightness`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.Contrast((2, 2))(np.array([[[[1.0, 2.0, 3.0]]]])))
    [[[[0. 2. 4.]]]]
    """

    kind = "mean"

    def __init__(self, factor: float | tuple[float, float] = 0.4, *, p: float = 1.0, generator: Generator = None) -> None:
        super().__init__(factor, p, generator)

    def without(self, images: Tensor) -> Tensor:
        """The mean luma."""
        found: Tensor = luma(images).mean(axis=(1, 2, 3), keepdims=True)
        return found


class Saturation(Blend):
    """The distance of every pixel from its own luma times a factor: y + f (x - y), y = 0.299 R + 0.587 G + 0.114 B.

    Pictures of one channel have no colour and stay as they are.

    Parameters
    ----------
    factor : float or (float, float)
        Drawn from [1 - factor, 1 + factor], not below 0, or between the two: 0 gives greys, 1 the picture.
    p : float
        The probability of a picture to be changed.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    ValueError
        If pictures have not 1 or 3 channels.

    Notes
    -----
    As Pillow's ``ImageEnhance.Color``, but for rounding; see `Brightness`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> print(fastad.augment.Saturation((0, 0))(np.array([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)).ravel())
    [0.299 0.299 0.299]
    """

    kind = "luma"

    def __init__(self, factor: float | tuple[float, float] = 0.4, *, p: float = 1.0, generator: Generator = None) -> None:
        super().__init__(factor, p, generator)

    def without(self, images: Tensor) -> Tensor:
        """The luma."""
        return luma(images)


class GaussianNoise(Transform):
    """Normal noise added to every number, independent from pixel to pixel and channel to channel.

    Parameters
    ----------
    std : float or (float, float)
        Its deviation itself, or the two between which it is drawn, in shares of the range: 1 for floats, 255 for uint8,
        which is rounded to the nearest and kept within 0 and 255.
    p : float
        The probability of a picture to be changed.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> noisy = fastad.augment.GaussianNoise(0.1, generator=np.random.default_rng(0))(np.zeros((4, 3, 32, 32)))
    >>> print(noisy.std().round(3))
    0.1
    """

    parameters = 2

    def __init__(self, std: float | tuple[float, float] = 0.05, *, p: float = 1.0, generator: Generator = None) -> None:
        super().__init__(p, generator)
        self.std = interval("GaussianNoise", "std", std, least=0.0)

    def apply(self, batch: Batch, chosen: npt.NDArray[np.bool_], drawn: Floats) -> None:
        """Draw and add, picture by picture."""
        images = batch.own()
        shape, dtype = images.shape[1:], np.dtype(images.dtype)
        std = between(self.std, drawn[:, 0]) * (255 if dtype == np.uint8 else 1)
        noise = np.zeros(images.shape, dtype) if isinstance(images, Tensor) else None
        for i, stream in zip(np.flatnonzero(chosen), streams(drawn[chosen, 1]), strict=False):
            added: Any = stream.standard_normal(shape, dtype=np.float64 if dtype == np.float64 else np.float32)
            added *= np.asarray(std[i], added.dtype)
            if noise is not None:
                noise[i] = added
            elif dtype == np.uint8:
                added += images[i]
                np.rint(added, out=added)
                images[i] = np.clip(added, 0, 255, out=added)
            else:
                images[i] += added
        if noise is not None:
            batch.replace(images + noise)


class Cutout(Transform):
    """A square of the picture blotted out, about a pixel drawn uniformly; what of it lies outside is cut off.

    Parameters
    ----------
    size : int or float
        Its side in pixels, or as a share of the short side.
    fill : float
        What stands there, in the units of the pictures.
    p : float
        The probability of a picture to be changed.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Notes
    -----
    T. DeVries and G. W. Taylor, Improved regularization of convolutional neural networks with cutout, 2017.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> cut = fastad.augment.Cutout(3, generator=np.random.default_rng(1))(np.ones((1, 1, 8, 8)))
    >>> int(cut.sum())
    58
    """

    parameters = 2

    def __init__(self, size: float = 0.25, fill: float = 0.0, *, p: float = 1.0, generator: Generator = None) -> None:
        super().__init__(p, generator)
        pixels = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if not (size > 0 if pixels else isinstance(size, (float, np.floating)) and 0 < size <= 1):
            raise ValueError(f"Cutout: size must be a positive number of pixels, or a share in (0, 1], got {size!r}")
        if not np.isfinite(fill):
            raise ValueError(f"Cutout: fill must be a finite number, got {fill!r}")
        self.size, self.fill = size, float(fill)

    def apply(self, batch: Batch, chosen: npt.NDArray[np.bool_], drawn: Floats) -> None:
        """Fill the squares."""
        images = batch.own()
        h, w = batch.size
        side = int(self.size) if isinstance(self.size, (int, np.integer)) else max(1, round(self.size * min(h, w)))
        start = np.floor(drawn * (h, w)).astype(int) - side // 2
        stop = start + side
        start = np.maximum(start, 0)
        fill = np.clip(np.rint(self.fill), 0, 255) if images.dtype == np.uint8 else self.fill
        kept = np.ones((batch.n, 1, h, w), bool) if isinstance(images, Tensor) else None
        for i in np.flatnonzero(chosen):
            square = (i, slice(None), slice(start[i, 0], stop[i, 0]), slice(start[i, 1], stop[i, 1]))
            if kept is None:
                images[square] = fill
            else:
                kept[square] = False
        if kept is not None:
            batch.replace(FUNCTIONS["where"](kept, images, np.asarray(fill, images.dtype)))
