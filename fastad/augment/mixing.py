"""Mixup: two pictures in one, and their labels alike."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy
from .._core.primitives.warp import blended
from .._core.tensor import Tensor
from .transform import Transform, streams

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .._typing import Floats, Generator
    from .transform import Batch

OTHER = 3                                  # csrc/image.h's number of it


class Mixup(Transform):
    """Every picture blended with another of its batch, (1 - w) x + w x', and its label likewise: (1 - w) y + w y'.

    Labels that are integers become rows of class probabilities, which `fastad.nn.functional.cross_entropy` takes; floats are
    blended as they are.  The batch is put in a ring of drawn order, and every picture meets its neighbour; so what it meets
    depends on how the data were cut into batches.

    Parameters
    ----------
    weight : float
        The share w of the other picture.
    alpha : float, optional
        Draw w for each picture from the Beta(alpha, alpha) distribution instead; `weight` is not used then.
    classes : int, optional
        How many classes there are, for labels that are integers.
    p : float
        The probability of a picture to be blended.
    generator : numpy.random.Generator, optional
        See `Transform`.

    Raises
    ------
    ValueError
        If labels are integers and `classes` is not given, or a label is none of them.
    TypeError
        If labels are neither integers nor floats.

    Notes
    -----
    H. Zhang et al., mixup: Beyond empirical risk minimization, 2018.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> mixup = fastad.augment.Mixup(0.4, classes=2, generator=np.random.default_rng(3))
    >>> x, y = mixup(np.array([0.0, 1.0]).reshape(2, 1, 1, 1), np.array([0, 1]))
    >>> print(x.ravel(), y)
    [0.4 0.6] [[0.6 0.4]
     [0.4 0.6]]
    """

    parameters = 2

    def __init__(self, weight: float = 0.4, *, alpha: float | None = None, classes: int | None = None, p: float = 1.0,
                 generator: Generator = None) -> None:
        super().__init__(p, generator)
        if not isinstance(weight, (int, float, np.number)) or not 0 <= weight <= 1:
            raise ValueError(f"Mixup: weight must be in [0, 1], got {weight!r}")
        if alpha is not None and not (0 < alpha < np.inf):
            raise ValueError(f"Mixup: alpha must be positive, got {alpha!r}")
        if classes is not None and (not isinstance(classes, (int, np.integer)) or classes < 1):
            raise ValueError(f"Mixup: classes must be a positive integer, got {classes!r}")
        self.weight, self.alpha, self.classes = float(weight), alpha, classes

    def check(self, batch: Batch) -> None:
        """Whether labels can be blended."""
        if batch.labels is None:
            return
        kind = np.dtype(batch.labels.dtype).kind
        if kind not in "iuf":
            raise TypeError(f"Mixup: labels must be integers or floats, got {batch.labels.dtype}")
        if kind in "iu":
            labels = batch.labels.detach().numpy() if isinstance(batch.labels, Tensor) else batch.labels
            if self.classes is None:
                raise ValueError("Mixup: labels are integers; say how many classes there are, e.g. Mixup(classes=10)")
            if labels.ndim != 1:
                raise ValueError(f"Mixup: labels that are integers must have shape (n,), got {labels.shape}")
            wrong = np.flatnonzero((labels < 0) | (labels >= self.classes))
            if len(wrong):
                raise ValueError(f"Mixup: label {labels[wrong[0]]} at {wrong[0]} is none of the {self.classes} classes")

    def apply(self, batch: Batch, chosen: npt.NDArray[np.bool_], drawn: Floats) -> None:
        """Blend pictures and labels."""
        images = batch.pictures()
        ring = np.argsort(drawn[:, 0], kind="stable")
        other = np.empty_like(ring)
        other[ring] = np.roll(ring, 1)
        if self.alpha is None:
            weight = np.full(batch.n, self.weight)
        else:
            weight = np.array([stream.beta(self.alpha, self.alpha) for stream in streams(drawn[:, 1])])
        weight = np.where(chosen, weight, 0.0)
        if isinstance(images, Tensor):
            batch.replace(mixed(images, other, weight))
        else:
            found = np.empty(images.shape, images.dtype)
            blended(OTHER, images, 1 - weight, images[other].copy(), found)
            batch.replace(found)
        if batch.labels is not None:
            batch.labels = mixed(self._probabilities(batch.labels, images), other, weight)

    def _probabilities(self, labels: Any, images: Any) -> Any:
        if np.dtype(labels.dtype).kind == "f":
            return labels
        assert self.classes is not None
        places = labels.detach().numpy() if isinstance(labels, Tensor) else labels
        rows = np.eye(self.classes, dtype=np.float64 if images.dtype == np.float64 else np.float32)[places]
        return from_numpy(rows) if isinstance(labels, Tensor) else rows


def mixed(values: Any, other: npt.NDArray[np.intp], weight: Floats) -> Any:
    """(1 - w) v + w v', of tensors or float arrays."""
    share = weight.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return values * (1 - share) + values[other] * share
