"""Transform: what all augmentations share; Compose; and Batch, the pictures on their way through them.

Imports warping.  Next: geometry.py, colour.py, mixing.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy
from .._core.primitives.warp import warped
from .._core.tensor import Tensor
from ..random import default_generator
from .warping import map_of, pictures, together

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from .._typing import Floats, Generator


class Batch:
    """Pictures on their way, maps that wait until their pictures are needed, and labels.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.augment.transform import Batch
    >>> batch = Batch(np.zeros((2, 3, 4, 5)), None)
    >>> batch.look(np.array([[[1.0, 0, 1], [0, 1, 2]]]), (2, 2), "edge", 0.0)
    >>> batch.size, batch.pictures().shape
    ((2, 2), (2, 3, 2, 2))
    """

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels = images, labels
        self.n, self.channels = images.shape[:2]
        self.size: tuple[int, int] = tuple(images.shape[2:])     # of what is to come
        self.maps: list[Floats] = []
        self.mode: str | None = None                             # beyond the edges; None while no map looks there
        self.fill = 0.0
        self.ours = False                                        # whether the pictures may be written to

    def look(self, map: Floats, size: tuple[int, int], mode: str | None, fill: float) -> None:
        """Take the pictures at the places of a map: matrices (n or 1, 2, 3), or lenses (n, 3); see `together`."""
        if mode is not None and self.mode is not None and (mode, fill) != (self.mode, self.fill):
            self.pictures()
        if mode is not None:
            self.mode, self.fill = mode, fill
        self.maps.append(map)
        self.size = size

    def pictures(self) -> Any:
        """The pictures, after the maps that waited."""
        if self.maps:
            places = together(self.maps, self.size)
            self.replace(warped(self.images, map_of(places, None if places.ndim == 4 else self.size, self.images.shape,
                                                    self.mode or "constant", self.fill, True)))
            self.maps, self.mode, self.fill = [], None, 0.0
        return self.images

    def own(self) -> Any:
        """An array of the pictures that may be written to; a tensor, which may not, as it is."""
        images = self.pictures()
        if not self.ours and not isinstance(images, Tensor):
            self.replace(images.copy())
        return self.images

    def replace(self, images: Any) -> None:
        """Other pictures, in memory that nobody else has."""
        self.images, self.ours = images, not isinstance(images, Tensor)


class Transform:
    """Base class: called with pictures, or pictures and labels, it gives the like, every picture changed by what was drawn.

    A subclass says in `parameters` how many numbers in [0, 1) it draws a picture, and in `apply` what it does.

    Called as ``transform(images)``, ``transform(images, labels)``, ``transform((images, labels))``, or with a generator as
    the last argument, as `fastad.data.DataLoader` does; what comes in a tuple goes out in one.  Every picture draws the same
    number of numbers, one picture after the other, so what happens to it does not depend on how the data were cut into
    batches.

    Parameters
    ----------
    p : float
        The probability with which a picture is changed; each is decided for itself.
    generator : numpy.random.Generator, optional
        What draws unless a call brings a generator; by default fastad's, see `fastad.manual_seed`.

    Raises
    ------
    ValueError
        If pictures are not (n, c, h, w), or there are not as many labels.
    TypeError
        If pictures are not float32, float64 or uint8.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> flip = fastad.augment.HorizontalFlip(p=1)
    >>> x, y = flip(np.array([[[[1.0, 2.0]]]]), np.array([7]))
    >>> print(x, y, isinstance(flip, fastad.augment.Transform))
    [[[[2. 1.]]]] [7] True
    """

    parameters: int = 0
    p: float = 1.0
    generator: Generator = None

    def __init__(self, p: float = 1.0, generator: Generator = None) -> None:
        if not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
            raise ValueError(f"{self._name}: p must be a probability in [0, 1], got {p!r}")
        if generator is not None and not isinstance(generator, np.random.Generator):
            raise TypeError(f"{self._name}: generator must be a numpy.random.Generator, got {type(generator).__name__}")
        self.p, self.generator = float(p), generator

    def __call__(self, images: Any, labels: Any = None, rng: Generator = None) -> Any:
        """Pictures, with labels if there are some, augmented; in new memory."""
        if isinstance(labels, np.random.Generator):
            labels, rng = None, labels
        if isinstance(images, (tuple, list)):
            if labels is not None or not 1 <= len(images) <= 2:
                raise ValueError(f"{self._name}: a batch is (images, labels) or (images,), got {len(images)} items"
                                 + (" and labels beside them" if labels is not None else ""))
            found = self._run(images[0], images[1] if len(images) > 1 else None, rng)
            kept = found[:len(images)]
            return type(images)(*kept) if hasattr(images, "_fields") else type(images)(kept)      # a named tuple
        found = self._run(images, labels, rng)
        return found[0] if labels is None else found

    def apply(self, batch: Batch, chosen: npt.NDArray[np.bool_], drawn: Floats) -> None:
        """Change the chosen pictures of a batch; `drawn` (n, parameters) are numbers in [0, 1)."""
        raise NotImplementedError(f"{self._name} has no apply method")

    def check(self, batch: Batch) -> None:
        """Raise ValueError, before anything is drawn, if labels do not fit."""

    @property
    def draws(self) -> int:
        """How many numbers a picture takes from the generator."""
        return self.parameters + (0 < self.p < 1)

    def step(self, batch: Batch, drawn: Floats) -> None:
        """`apply`, with the picture's own decision, from all numbers drawn."""
        chosen = drawn[:, -1] < self.p if 0 < self.p < 1 else (np.ones if self.p else np.zeros)(batch.n, bool)
        self.apply(batch, chosen, drawn[:, :self.parameters])

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator that draws."""
        return {"generator": (self.generator or default_generator()).bit_generator.state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on drawing where another was when `state_dict` was called; ValueError if its generator is of another kind."""
        (self.generator or default_generator()).bit_generator.state = state_dict["generator"]

    def _run(self, images: Any, labels: Any, rng: Generator) -> tuple[Any, Any]:
        images = pictures(self._name, images)
        if labels is not None and not isinstance(labels, Tensor):
            labels = np.asarray(labels)
        if labels is not None and labels.shape[:1] != images.shape[:1]:
            raise ValueError(f"{self._name}: {images.shape[0]} pictures of shape {images.shape} and labels of shape "
                             f"{labels.shape}")
        plain = isinstance(images, Tensor) and not images.requires_grad
        batch = Batch(images.detach().numpy() if plain else images, labels)
        self.check(batch)
        drawn = (rng or self.generator or default_generator()).random((batch.n, self.draws))
        self.step(batch, drawn)
        images = batch.own()
        return from_numpy(images) if plain else images, batch.labels

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        settings = {k: v for k, v in vars(self).items() if not k.startswith("_") and k != "generator" and v is not None}
        return f"{self._name}({', '.join(f'{k}={v!r}' for k, v in settings.items())})"


class Compose(Transform):
    """Transforms one after the other, each with its own probability, picture by picture.

    Geometric ones that follow each other, with one border between them, become one map, and pictures are resampled once; so
    a rotation after a crop sees what the crop left out.

    Parameters
    ----------
    transforms : sequence of Transform
        Those that have generators are refused: they draw from that of the whole.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    TypeError
        If one is no Transform.
    ValueError
        If one has a generator of its own.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> from fastad import augment
    >>> both = augment.Compose([augment.HorizontalFlip(), augment.RandomCrop(28, padding=2), augment.Brightness(0.3)],
    ...                        generator=np.random.default_rng(0))
    >>> both(np.zeros((8, 3, 28, 28), np.uint8)).shape
    (8, 3, 28, 28)
    """

    def __init__(self, transforms: Sequence[Transform], generator: Generator = None) -> None:
        super().__init__(1.0, generator)
        self.transforms = list(transforms)
        for t in self.transforms:
            if not isinstance(t, Transform):
                raise TypeError(f"Compose: transforms must be fastad.augment's, got a {type(t).__name__}")
            if t.generator is not None:
                raise ValueError(f"Compose: {t!r} has a generator of its own; give it to Compose")

    @property
    def draws(self) -> int:
        """How many numbers a picture takes from the generator."""
        return sum(t.draws for t in self.transforms)

    def check(self, batch: Batch) -> None:
        """Raise ValueError if labels do not fit one of them."""
        for t in self.transforms:
            t.check(batch)

    def step(self, batch: Batch, drawn: Floats) -> None:
        """One after the other."""
        at = 0
        for t in self.transforms:
            t.step(batch, drawn[:, at:at + t.draws])
            at += t.draws

    def __len__(self) -> int:
        return len(self.transforms)

    def __iter__(self) -> Iterator[Transform]:
        return iter(self.transforms)

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


# ---- for subclasses ----------------------------------------------------------------------------------
def interval(name: str, what: str, value: Any, *, about: float | None = None, least: float = -np.inf,
             most: float = np.inf) -> tuple[float, float]:
    """(low, high) of a pair, or of a number below `most`: that far to both sides of `about`, or from it to itself."""
    pair = isinstance(value, (tuple, list))
    try:
        if any(isinstance(v, bool) for v in (value if pair else [value])):
            raise TypeError
        low, high = map(float, value) if pair else (float(value), float(value))
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {what} must be a number or a pair (low, high), got {value!r}") from None
    if not pair and about is not None:
        if high < 0:
            raise ValueError(f"{name}: {what} must not be negative, got {value!r}; a pair may say (low, high)")
        if high >= most:
            raise ValueError(f"{name}: {what} as a number is the distance from {about:g} and must be below {most:g}, got "
                             f"{value!r}; for {value!r} itself say ({value!r}, {value!r})")
        low, high = max(about - high, least), about + high
    if not (np.isfinite(low) and np.isfinite(high)) or low > high or low < least:
        raise ValueError(f"{name}: {what} must be finite and in order, low <= high"
                         + (f", from {least:g} on" if least > -np.inf else "") + f", got {value!r}")
    return low, high


def between(limits: tuple[float, float], drawn: Floats) -> Floats:
    """Numbers in [0, 1) as numbers between two limits."""
    return limits[0] + (limits[1] - limits[0]) * drawn


def streams(drawn: Floats) -> Iterator[np.random.Generator]:
    """A generator for each number in [0, 1), which decides it: what a picture draws then is its own, however much it is."""
    source = np.random.Philox(key=0)
    generator, state = np.random.Generator(source), source.state
    for key in (drawn * 2.0**53).astype(np.uint64):
        state["state"]["key"][0] = key
        source.state = state
        yield generator
