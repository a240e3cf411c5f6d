"""PCA and Whitening: data in the axes of their own spread."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .transformer import Transformer, as_dtype, mean_of

if TYPE_CHECKING:
    from typing import Any, Literal

    import numpy.typing as npt

    from .._typing import Floats


class PCA(Transformer):
    """z = (x - mean) V^T: the principal components, by falling variance; V has the eigenvectors of the covariance as rows.

    Parameters
    ----------
    n_components : int, float or None
        How many are kept: a number; in (0, 1) as few as explain that share of the variance; None all of them.

    Attributes
    ----------
    mean_ : ndarray, float64, shape (d,)
    components_ : ndarray, float64, shape (k, d)
        Each of length 1, its entry of largest magnitude positive.
    explained_variance_, explained_variance_ratio_ : ndarray, float64, shape (k,)
        The variances (divided by n - 1), and their shares of the sum of all.

    Raises
    ------
    ValueError
        If n_components is out of range, or there are fewer than two samples.

    Notes
    -----
    Samples of any shape are read as rows of d numbers; `inverse_transform` gives them their shape back.  The scatter
    matrix (d, d) is gathered in one pass over chunks, each about its own mean, and merged by the formulas of Chan, Golub
    and LeVeque (1979): d and not n must be small.  K. Pearson, "On lines and planes of closest fit to systems of points in
    space" (1901).

    Examples
    --------
    >>> import fastad, numpy as np
    >>> pca = fastad.preprocessing.PCA(1).fit(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
    >>> print(pca.components_, pca.explained_variance_ratio_)
    [[0.6 0.8]] [1.]
    >>> print(pca.inverse_transform(pca.transform(np.array([[3.0, 4.0]]))))
    [[3. 4.]]
    """

    STATE = ("mean_", "scatter_")
    mean_: Floats
    scatter_: Floats                       # sum of (x - mean) outer (x - mean)

    def __init__(self, n_components: int | float | None = None) -> None:
        share = isinstance(n_components, float)
        if n_components is not None and not (0 < n_components < 1 if share else n_components >= 1):
            raise ValueError(f"{self._name}: n_components must be None, at least 1, or a share between 0 and 1, got "
                             f"{n_components}")
        self.n_components = n_components
        self._found: tuple[Floats, Floats, Floats] | None = None

    def add(self, chunk: Floats) -> None:
        chunk = chunk.reshape(len(chunk), -1)
        if isinstance(self.n_components, (int, np.integer)) and self.n_components > chunk.shape[1]:
            raise ValueError(f"{self._name}: n_components is {self.n_components}, samples have {chunk.shape[1]} numbers")
        mean = mean_of(chunk, (0,))
        centred = chunk - mean
        scatter = centred.T @ centred
        if not np.isfinite(scatter).all():
            raise self.not_finite(chunk)
        self._found = None
        if self.n_samples_ == 0:
            self.mean_, self.scatter_ = mean, scatter
            return
        before, count = self.n_samples_, len(chunk)
        shift = mean - self.mean_
        self.mean_ = self.mean_ + shift * (count / (before + count))
        self.scatter_ = self.scatter_ + scatter + np.outer(shift, shift) * (before * count / (before + count))

    @property
    def components_(self) -> Floats:
        return self._spectrum()[0]

    @property
    def explained_variance_(self) -> Floats:
        return self._spectrum()[1]

    @property
    def explained_variance_ratio_(self) -> Floats:
        return self._spectrum()[2]

    def transform(self, data: Any) -> Any:
        """The components of the data, shape (n, k)."""
        return self._centred(data) @ as_dtype(self.components_.T, data)

    def inverse_transform(self, data: Any) -> Any:
        """The samples that have these components, (n, k); what was left out is the mean's."""
        data = self._ready(data, "inverse_transform", (len(self.components_),) if self.shape_ is not None else None)
        return self._shaped(data @ as_dtype(self.components_, data) + as_dtype(self.mean_, data))

    def check_state(self) -> None:
        assert self.shape_ is not None
        size = int(np.prod(self.shape_, dtype=np.int64))
        if self.mean_.shape != (size,) or self.scatter_.shape != (size, size):
            raise ValueError(f"{self._name}: mean_ and scatter_ of the state have shapes {self.mean_.shape} and "
                             f"{self.scatter_.shape}, expected {(size,)} and {(size, size)}")

    def _take(self, other: Transformer) -> None:
        super()._take(other)
        self._found = None

    def _centred(self, data: Any) -> Any:
        data = self._ready(data, "transform")
        return data.reshape(len(data), -1) - as_dtype(self.mean_, data)

    def _shaped(self, rows: Any) -> Any:
        return rows.reshape(len(rows), *(self.shape_ or ()))

    def _spectrum(self) -> tuple[Floats, Floats, Floats]:
        """Components, variances and their shares; found when first asked for."""
        if self._found is None:
            if self.n_samples_ < 2:
                raise ValueError(f"{self._name}: a variance needs at least 2 samples, got {self.n_samples_}; call fit")
            values, vectors = np.linalg.eigh(self.scatter_ / (self.n_samples_ - 1))
            values, vectors = np.maximum(values[::-1], 0), vectors.T[::-1]
            largest = np.abs(vectors).argmax(1)
            vectors = vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
            shares = values / (values.sum() or 1)
            k = self._kept(shares)
            self._found = vectors[:k].copy(), values[:k].copy(), shares[:k].copy()
        return self._found

    def _kept(self, shares: npt.NDArray[Any]) -> int:
        if self.n_components is None:
            return len(shares)
        if isinstance(self.n_components, float):
            return min(len(shares), int(np.searchsorted(np.cumsum(shares), self.n_components)) + 1)
        return int(self.n_components)


class Whitening(PCA):
    """z = (x - mean) V^T / max(sigma, epsilon): components of unit variance, and none correlated with another.

    Parameters
    ----------
    method : 'pca' or 'zca'
        'pca': along the principal components, shape (n, k).  'zca': turned back by V, so that a whitened image looks like
        the image and keeps its shape (Bell and Sejnowski, "The independent components of natural scenes are edge filters",
        1997).
    n_components : int, float or None
        As in `PCA`.
    epsilon : float
        The least deviation that is divided by: directions without spread stay small.

    Raises
    ------
    ValueError
        As `PCA`, or if method is unknown, or epsilon not positive.

    Notes
    -----
    The covariance of the training data becomes the identity (divided by n - 1) in the k directions whose deviation is above
    epsilon.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 2)) @ np.array([[2.0, 1.0], [0.0, 0.5]])
    >>> z = fastad.preprocessing.Whitening("zca").fit_transform(x)
    >>> np.allclose(np.cov(z.T), np.eye(2))
    True
    """

    def __init__(self, method: Literal["pca", "zca"] = "pca", n_components: int | float | None = None,
                 epsilon: float = 1e-8) -> None:
        super().__init__(n_components)
        if method not in ("pca", "zca"):
            raise ValueError(f"Whitening: method must be 'pca' or 'zca', got {method!r}")
        if not epsilon > 0:
            raise ValueError(f"Whitening: epsilon must be positive, got {epsilon}")
        self.method, self.epsilon = method, epsilon

    @property
    def scale_(self) -> Floats:
        """What is divided by, a number a component: max(sigma, epsilon)."""
        return np.maximum(np.sqrt(self.explained_variance_), self.epsilon)

    def transform(self, data: Any) -> Any:
        """The whitened data: (n, k) for 'pca', the shape of the data for 'zca'."""
        data = self._centred(data)
        # one product: the matrix is made in float64
        if self.method == "zca":
            return self._shaped(data @ as_dtype((self.components_.T / self.scale_) @ self.components_, data))
        return data @ as_dtype(self.components_.T / self.scale_, data)

    def inverse_transform(self, data: Any) -> Any:
        """The data that were whitened, but for what lies in directions that were left out."""
        if self.method == "pca":
            data = self._ready(data, "inverse_transform", (len(self.components_),) if self.shape_ is not None else None)
            back = self.components_ * self.scale_[:, None]
        else:
            data = self._ready(data, "inverse_transform")
            data = data.reshape(len(data), -1)
            back = (self.components_.T * self.scale_) @ self.components_
        return self._shaped(data @ as_dtype(back, data) + as_dtype(self.mean_, data))
