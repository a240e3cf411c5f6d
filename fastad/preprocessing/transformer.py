"""Transformer: what scalers and projections share, and sums over data that need not fit into memory.

Next: scaling.py, components.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np

from .._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Self

    import numpy.typing as npt

    from .._typing import ArrayLike, Floats

CHUNK = 1 << 20                            # numbers taken into float64 at a time: 8 MB


class NotFittedError(RuntimeError):
    """transform was called before fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.preprocessing.StandardScaler().transform([[1.0]])
    Traceback (most recent call last):
    ...
    fastad.preprocessing.transformer.NotFittedError: StandardScaler: call fit before transform
    """


class Transformer:
    """Base class: `fit` reads statistics from data (n, ...), `transform` applies them to these or other data.

    A subclass gives `add`, `transform` and perhaps `inverse_transform`, and names in `STATE` the attributes that make up
    what was learnt.  The number of samples is `n_samples_`, the shape of one of them `shape_`.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> scaler = fastad.preprocessing.StandardScaler()
    >>> print(scaler.fit_transform(np.array([[1.0], [3.0]])).ravel())
    [-1.  1.]
    >>> isinstance(scaler, fastad.preprocessing.Transformer)
    True
    """

    STATE: tuple[str, ...] = ()
    n_samples_: int = 0
    shape_: tuple[int, ...] | None = None

    def fit(self, data: ArrayLike) -> Self:
        """Learn from these data, of shape (n, ...), alone; a memory-mapped array is read chunk by chunk."""
        fresh = self._blank()
        fresh.partial_fit(data)
        self._take(fresh)
        return self

    def partial_fit(self, data: ArrayLike) -> Self:
        """Learn from these data too: any number of calls, in any cut, give what one `fit` of all gives, to rounding.

        Raises
        ------
        ValueError
            If there are no samples, they have another shape than those before, or a number is not finite; nothing has
            been learnt then.
        TypeError
            If the data are not real numbers.
        """
        array = self._read(data, "partial_fit")
        if self.shape_ is not None and array.shape[1:] != self.shape_:
            raise ValueError(f"{self._name}: samples have shape {array.shape[1:]}, those before had {self.shape_}")
        fresh = self._blank()
        fresh._take(self)
        fresh.shape_ = array.shape[1:]
        with np.errstate(invalid="ignore", over="ignore"):           # what is not finite is found in the result
            for chunk in chunks(array):
                fresh.add(chunk)
                fresh.n_samples_ += len(chunk)
        self._take(fresh)
        return self

    def fit_transform(self, data: ArrayLike) -> Any:
        """`fit`, then `transform` of the same data."""
        return self.fit(data).transform(data)

    def add(self, chunk: Floats) -> None:
        """Take in samples as float64, never none; raises before anything is changed."""
        raise NotImplementedError(f"{self._name} has no add method")

    def not_finite(self, chunk: Floats) -> ValueError:
        """The error of an `add` whose result is not finite."""
        where = np.argwhere(~np.isfinite(chunk))
        found = f"{chunk[tuple(where[0])]} in sample {self.n_samples_ + where[0][0]}" if len(where) else "too large numbers"
        return ValueError(f"{self._name}: data must be finite, got {found}")

    @overload
    def transform(self, data: Tensor) -> Tensor: ...
    @overload
    def transform(self, data: ArrayLike) -> Any: ...
    def transform(self, data: Any) -> Any:
        """What was learnt, applied; the dtype of floats is kept, integers become float64."""
        raise NotImplementedError(f"{self._name} has no transform method")

    @overload
    def inverse_transform(self, data: Tensor) -> Tensor: ...
    @overload
    def inverse_transform(self, data: ArrayLike) -> Any: ...
    def inverse_transform(self, data: Any) -> Any:
        """Back to what the data were."""
        raise NotImplementedError(f"{self._name} cannot be inverted")

    # -- state, in what fastad.save takes
    def state_dict(self) -> dict[str, Any]:
        """What was learnt: {name: array or number}, copies; empty before `fit`."""
        if self.shape_ is None:
            return {}
        learnt = {name: getattr(self, name) for name in self.STATE}
        return {"n_samples": self.n_samples_, "shape": list(self.shape_),
                **{name: v.copy() if isinstance(v, np.ndarray) else v for name, v in learnt.items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what another of the same class has learnt.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or an array has not the shape that the samples' shape asks for; nothing has
            been changed then.
        """
        fresh = self._blank()
        if state_dict:
            expected = {"n_samples", "shape", *self.STATE}
            if set(state_dict) != expected:
                missing, unknown = sorted(expected - set(state_dict)), sorted(set(state_dict) - expected)
                raise ValueError(f"{self._name}: the state lacks {missing} and has unknown {unknown}")
            fresh.n_samples_, fresh.shape_ = int(state_dict["n_samples"]), tuple(map(int, state_dict["shape"]))
            for name in self.STATE:
                value = state_dict[name]
                value = value.detach().numpy() if isinstance(value, Tensor) else value
                setattr(fresh, name, np.array(value, np.float64))
            fresh.check_state()
        self._take(fresh)

    def check_state(self) -> None:
        """Raise ValueError if loaded arrays do not fit `shape_`."""
        raise NotImplementedError(f"{self._name} has no check_state method")

    # -- for subclasses
    @property
    def _name(self) -> str:
        return type(self).__name__

    def _blank(self) -> Self:
        """Another with the same settings that has learnt nothing."""
        blank = object.__new__(type(self))
        learnt = {"n_samples_", "shape_", *self.STATE}
        blank.__dict__.update({k: v for k, v in self.__dict__.items() if k not in learnt})
        return blank

    def _take(self, other: Transformer) -> None:
        for name in ("n_samples_", "shape_", *self.STATE):
            self.__dict__.pop(name, None)
            if name in other.__dict__:
                self.__dict__[name] = other.__dict__[name]

    def _read(self, data: Any, method: str) -> npt.NDArray[Any]:
        """Data of shape (n, ...), n > 0, as an array of real numbers."""
        array = data.detach().numpy() if isinstance(data, Tensor) else np.asarray(data)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{self._name}.{method}: data must be real numbers, got dtype {array.dtype}")
        if array.ndim == 0 or array.size == 0:
            raise ValueError(f"{self._name}.{method}: data must hold samples along axis 0, got shape {array.shape}")
        return array

    def _ready(self, data: Any, method: str, shape: tuple[int, ...] | None = None) -> Any:
        """A tensor or float array for `transform`, its samples' shape checked (`shape`, or that of what was learnt)."""
        if self.shape_ is None:
            raise NotFittedError(f"{self._name}: call fit before {method}")
        if not isinstance(data, Tensor):
            data = np.asarray(data)
        if np.dtype(data.dtype).kind not in "fiub":
            raise TypeError(f"{self._name}.{method}: data must be real numbers, got dtype {data.dtype}")
        shape = self.shape_ if shape is None else shape
        if data.shape[1:] != shape or data.ndim == 0:
            wanted = ", ".join(map(str, ("n", *shape)))
            raise ValueError(f"{self._name}.{method}: data must have shape ({wanted}), got {data.shape}")
        return data if np.dtype(data.dtype).kind == "f" else data.astype(np.float64)


def chunks(array: npt.NDArray[Any]) -> Iterator[Floats]:
    """The samples in float64, about CHUNK numbers at a time."""
    step = max(1, CHUNK // max(1, array[0].size))
    for start in range(0, len(array), step):
        yield np.asarray(array[start:start + step], np.float64)


def mean_of(chunk: Floats, axes: tuple[int, ...]) -> Floats:
    """The mean over axes, from the distances to the first number: exact where all are equal, however large they are."""
    first = chunk[tuple([slice(0, 1) if axis in axes else slice(None) for axis in range(chunk.ndim)])]
    found: Floats = first.reshape([n for axis, n in enumerate(chunk.shape) if axis not in axes]) + (chunk - first).mean(axes)
    return found


def as_dtype(constant: Floats, data: Any) -> npt.NDArray[Any]:
    """A learnt array in the dtype of the data, so that float32 stays float32."""
    return constant.astype(data.dtype, copy=False)
