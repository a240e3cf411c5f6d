"""Metrics: functions of predictions and targets that give a number.  Imports nothing of the loop.  Next: loop.py."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._core.tensor import Tensor

if TYPE_CHECKING:
    from typing import Any

    from .._typing import ArrayLike

Metric: TypeAlias = "Callable[[Any, Any], Any]"
Metrics: TypeAlias = "str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric]"


def accuracy(prediction: ArrayLike, target: ArrayLike) -> float:
    """The share of samples whose largest score is that of the target's class.

    Parameters
    ----------
    prediction : array_like, shape (n, classes, ...)
        Logits or probabilities.
    target : array_like, shape (n, ...), or that of the prediction
        Class indices, or probabilities (one-hot rows too), of which the largest counts.

    Raises
    ------
    ValueError
        If the shapes do not fit, there are fewer than two classes, or no samples.

    Examples
    --------
    >>> from fastad.training import accuracy
    >>> accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0])
    0.5
    """
    scores, wanted = _array(prediction), _array(target)
    if scores.ndim < 2 or scores.shape[1] < 2 or wanted.shape not in (scores.shape, scores.shape[:1] + scores.shape[2:]):
        raise ValueError(f"accuracy: expected scores of shape (n, classes, ...) with two classes or more, and class indices of "
                         f"shape (n, ...), got shapes {scores.shape} and {wanted.shape}; for other kinds give a function of your "
                         f"own, e.g. lambda p, y: numpy.mean((p.numpy() > 0) == y.numpy())")
    if wanted.size == 0:
        raise ValueError("accuracy: there are no samples")
    if wanted.ndim == scores.ndim:
        wanted = wanted.argmax(axis=1)
    return int(np.count_nonzero(scores.argmax(axis=1) == wanted)) / wanted.size


def _array(value: ArrayLike) -> Any:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


BUILT_IN: dict[str, Metric] = {"accuracy": accuracy}


def by_name(metrics: Metrics | None) -> dict[str, Metric]:
    """The metrics as a dict from name to function."""
    if metrics is None:
        return {}
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Mapping):
        metrics = {m if isinstance(m, str) else getattr(m, "__name__", type(m).__name__): m for m in metrics}
    found = {}
    for name, metric in metrics.items():
        if isinstance(metric, str) and metric not in BUILT_IN:
            raise ValueError(f"fit: unknown metric {metric!r}; built in: {', '.join(BUILT_IN)}; others are functions of prediction "
                             f"and target")
        function = BUILT_IN[metric] if isinstance(metric, str) else metric
        if not callable(function):
            raise TypeError(f"fit: metric {name!r} must be a function of prediction and target, got {type(function).__name__}")
        if name in ("loss", "lr") or name.startswith("val_"):
            raise ValueError(f"fit: a metric cannot be called {name!r}, which the history uses itself")
        found[name] = function
    return found
