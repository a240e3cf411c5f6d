"""StandardScaler and MeanImage: zero mean, and unit deviation, of every feature or of every channel."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .transformer import Transformer, as_dtype, mean_of

if TYPE_CHECKING:
    from typing import Any, Literal

    from .._typing import Floats


class StandardScaler(Transformer):
    """z = (x - mean) / max(sigma, epsilon), with the training data's mean and deviation.

    Parameters
    ----------
    with_mean : bool
        Subtract the mean.
    with_std : bool
        Divide by the deviation.
    epsilon : float
        The least that is divided by: a feature that never changes becomes 0 and not 0/0.
    channels : None, 'first' or 'last'
        None: every feature has its own mean and deviation.  'first': every channel of images (n, c, h, w) has, over
        samples and places; 'last': the same of (n, h, w, c).  Any number of axes of places will do.

    Attributes
    ----------
    mean_, var_ : ndarray, float64
        Of the shape of a sample, or (c,).  var_ is the population's: divided by n.

    Raises
    ------
    ValueError
        If epsilon is not positive, or there is no axis of channels.

    Notes
    -----
    One pass in float64 over chunks, whose means and sums of squared deviations are merged by the formulas of Chan, Golub
    and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979): no large sums of
    squares are subtracted, so a mean of 1e8 beside a deviation of 1 does no harm, and a feature that never changes has the
    deviation 0 exactly.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> scaler = fastad.preprocessing.StandardScaler().fit(np.array([[0.0, 5.0], [4.0, 5.0]]))
    >>> print(scaler.transform(np.array([[3.0, 5.0]])))
    [[0.5 0. ]]
    >>> print(scaler.inverse_transform(np.array([[0.5, 0.0]])))
    [[3. 5.]]
    """

    STATE = ("mean_", "deviations_")
    mean_: Floats
    deviations_: Floats                    # the sum of squared deviations from the mean

    def __init__(self, *, with_mean: bool = True, with_std: bool = True, epsilon: float = 1e-8,
                 channels: Literal["first", "last"] | None = None) -> None:
        if not epsilon > 0:
            raise ValueError(f"{self._name}: epsilon must be positive, got {epsilon}")
        if channels not in (None, "first", "last"):
            raise ValueError(f"{self._name}: channels must be None, 'first' or 'last', got {channels!r}")
        self.with_mean, self.with_std, self.epsilon, self.channels = with_mean, with_std, epsilon, channels

    def add(self, chunk: Floats) -> None:
        axes = self._axes(chunk.ndim)
        count = chunk.size // max(1, self._size(chunk.shape))
        mean = mean_of(chunk, axes)
        if not np.isfinite(mean).all():
            raise self.not_finite(chunk)
        deviations = np.square(chunk - self._spread(mean)).sum(axes)
        if self.n_samples_ == 0:
            self.mean_, self.deviations_ = mean, deviations
            return
        before = self.n_samples_ * (count // len(chunk))
        shift = mean - self.mean_
        self.mean_ = self.mean_ + shift * (count / (before + count))
        self.deviations_ = self.deviations_ + deviations + np.square(shift) * (before * count / (before + count))

    @property
    def var_(self) -> Floats:
        assert self.shape_ is not None
        places = int(np.prod(self.shape_, dtype=np.int64)) // max(1, self.mean_.size)
        return self.deviations_ / (self.n_samples_ * places)

    @property
    def scale_(self) -> Floats:
        """What is divided by: max(sigma, epsilon)."""
        return np.maximum(np.sqrt(self.var_), self.epsilon)

    def transform(self, data: Any) -> Any:
        """(data - mean) / max(sigma, epsilon)."""
        data = self._ready(data, "transform")
        if self.with_mean:
            data = data - as_dtype(self._spread(self.mean_), data)
        if self.with_std:
            data = data / as_dtype(self._spread(self.scale_), data)
        return data

    def inverse_transform(self, data: Any) -> Any:
        """data * max(sigma, epsilon) + mean."""
        data = self._ready(data, "inverse_transform")
        if self.with_std:
            data = data * as_dtype(self._spread(self.scale_), data)
        if self.with_mean:
            data = data + as_dtype(self._spread(self.mean_), data)
        return data

    def check_state(self) -> None:
        assert self.shape_ is not None
        shape = {None: self.shape_, "first": self.shape_[:1], "last": self.shape_[-1:]}[self.channels]
        for name in self.STATE:
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{self._name}: {name} of the state has shape {found}, expected {shape}")
        if self.n_samples_ < 1:
            raise ValueError(f"{self._name}: the state has seen {self.n_samples_} samples")

    def _axes(self, ndim: int) -> tuple[int, ...]:
        if self.channels and ndim < 2:
            raise ValueError(f"{self._name}: channels={self.channels!r} needs an axis of channels, got data of {ndim} axis")
        return {None: (0,), "first": (0, *range(2, ndim)), "last": tuple(range(ndim - 1))}[self.channels]

    def _size(self, shape: tuple[int, ...]) -> int:
        """How many means there are for data of this shape."""
        return int(np.prod([n for axis, n in enumerate(shape) if axis not in self._axes(len(shape))], dtype=np.int64))

    def _spread(self, learnt: Floats) -> Floats:
        """With axes of length 1 for the places behind the channels."""
        return learnt.reshape(-1, *[1] * (len(self.shape_ or ()) - 1)) if self.channels == "first" else learnt


class MeanImage(StandardScaler):
    """x - mean image: every pixel loses its mean over the training images.

    Attributes
    ----------
    mean_ : ndarray, float64, the shape of an image

    Examples
    --------
    >>> import fastad, numpy as np
    >>> images = np.array([[[0.0, 2.0]], [[4.0, 2.0]]])
    >>> print(fastad.preprocessing.MeanImage().fit(images).mean_)
    [[2. 2.]]
    """

    def __init__(self) -> None:
        super().__init__(with_std=False)
