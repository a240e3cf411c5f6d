"""OneHotEncoder: classes of any kind as rows of zeros with a one."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import Tensor
from .transformer import NotFittedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, Self

    import numpy.typing as npt

    from .._typing import DType


class OneHotEncoder:
    """Labels (n,) as rows (n, classes) with a 1 at the label's place, and back; `indices` gives the places alone.

    Parameters
    ----------
    categories : sequence, optional
        The classes in the order wanted; without them `fit` takes those that occur, sorted.
    handle_unknown : 'error' or 'ignore'
        What `transform` does with a label that is no class: refuse it, or make it a row of zeros.
    dtype : dtype
        Of the rows.

    Attributes
    ----------
    categories_ : ndarray, shape (classes,)

    Raises
    ------
    ValueError
        If a label is unknown (its first place is named), or labels are not one-dimensional.

    Examples
    --------
    >>> import fastad
    >>> encoder = fastad.preprocessing.OneHotEncoder().fit(["cat", "dog", "cat"])
    >>> print(encoder.transform(["dog", "cat"]))
    [[0. 1.]
     [1. 0.]]
    >>> print(encoder.inverse_transform([[0.1, 0.9]]), encoder.indices(["dog", "cat"]))
    ['dog'] [1 0]
    """

    categories_: npt.NDArray[Any] | None = None

    def __init__(self, categories: npt.ArrayLike | None = None, *, handle_unknown: Literal["error", "ignore"] = "error",
                 dtype: DType = np.float32) -> None:
        if handle_unknown not in ("error", "ignore"):
            raise ValueError(f"OneHotEncoder: handle_unknown must be 'error' or 'ignore', got {handle_unknown!r}")
        self.handle_unknown, self.dtype = handle_unknown, dtype
        self.given = categories is not None
        if categories is not None:
            given = _labels(categories, "categories")
            if len(np.unique(given)) < len(given):
                raise ValueError("OneHotEncoder: categories holds a class twice")
            self.categories_ = given

    def fit(self, labels: npt.ArrayLike) -> Self:
        """Take the classes that occur, sorted; where categories were given, see that there are no others."""
        found = _labels(labels, "fit")
        if self.given:
            self._places(found, "fit", "error")
        else:
            self.categories_ = np.unique(found)
        return self

    def partial_fit(self, labels: npt.ArrayLike) -> Self:
        """Add the classes that occur here; rows made before have other places then."""
        if self.categories_ is None or self.given:
            return self.fit(labels)
        self.categories_ = np.union1d(self.categories_, _labels(labels, "partial_fit"))
        return self

    def indices(self, labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The class index of each label, as `cross_entropy` takes them."""
        return self._places(_labels(labels, "indices"), "indices", "error")

    def transform(self, labels: npt.ArrayLike) -> npt.NDArray[Any]:
        """Rows of zeros with a one."""
        places = self._places(_labels(labels, "transform"), "transform", self.handle_unknown)
        assert self.categories_ is not None
        rows = np.zeros((len(places), len(self.categories_)), self.dtype)
        known = np.flatnonzero(places >= 0)
        rows[known, places[known]] = 1
        return rows

    def fit_transform(self, labels: npt.ArrayLike) -> npt.NDArray[Any]:
        """`fit`, then `transform` of the same labels."""
        return self.fit(labels).transform(labels)

    def inverse_transform(self, rows: npt.ArrayLike | Tensor) -> npt.NDArray[Any]:
        """The class whose column is largest: of one-hot rows, of probabilities or of logits."""
        if self.categories_ is None:
            raise NotFittedError("OneHotEncoder: call fit before inverse_transform")
        array = rows.detach().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
        if array.ndim != 2 or array.shape[1] != len(self.categories_):
            raise ValueError(f"OneHotEncoder.inverse_transform: rows must have shape (n, {len(self.categories_)}), got "
                             f"{array.shape}")
        found: npt.NDArray[Any] = self.categories_[array.argmax(1)]
        return found

    def state_dict(self) -> dict[str, Any]:
        """{'categories': list}; empty before `fit`."""
        return {} if self.categories_ is None else {"categories": self.categories_.tolist()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the classes of another."""
        self.categories_ = np.asarray(state_dict["categories"]) if state_dict else None

    def _places(self, labels: npt.NDArray[Any], method: str, unknown: str) -> npt.NDArray[np.int64]:
        """Where each label stands in `categories_`; -1 where it does not and that is ignored."""
        if self.categories_ is None:
            raise NotFittedError(f"OneHotEncoder: call fit before {method}")
        order = np.argsort(self.categories_, kind="stable")
        at = np.minimum(np.searchsorted(self.categories_, labels, sorter=order), len(order) - 1)
        places = order[at].astype(np.int64)
        strange = np.flatnonzero(self.categories_[places] != labels)
        if len(strange) and unknown == "error":
            raise ValueError(f"OneHotEncoder.{method}: label {labels[strange[0]]!r} at {strange[0]} is none of the "
                             f"{len(order)} classes")
        places[strange] = -1
        return places


def _labels(labels: Any, what: str) -> npt.NDArray[Any]:
    array = labels.detach().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat):
        array = array.astype(str)          # a pandas column
    if array.ndim != 1 or not len(array):
        raise ValueError(f"OneHotEncoder: {what} takes labels of shape (n,), n > 0, got {array.shape}")
    if array.dtype.kind == "O":
        raise TypeError(f"OneHotEncoder: {what} takes numbers or strings, got objects such as {array[0]!r}")
    return array
