"""Metrics: functions of predictions and targets that give a number.  Imports nothing of the loop.  Next: loop.py."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import Tensor

if TYPE_CHECKING:
    from typing import Any

    from .._typing import ArrayLike, Metric, Metrics

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
        raise ValueError(f"accuracy: expected scores of shape (n, classes, ...) with two classes or more, and class indices "
                         f"of shape (n, ...), got shapes {scores.shape} and {wanted.shape}; for other kinds give a function "
                         f"of your own, e.g. lambda p, y: numpy.mean((p.numpy() > 0) == y.numpy())")
    if wanted.size == 0:
        raise ValueError("accuracy: there are no samples")
    if wanted.ndim == scores.ndim:
        wanted = wanted.argmax(axis=1)
    return float(np.mean(scores.argmax(axis=1) == wanted))


def _array(value: ArrayLike) -> Any:
    return value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)


BUILT_IN: dict[str, Metric] = {"accuracy": accuracy}


def by_name(metrics: Metrics | None) -> dict[str, Metric]:
    """The metrics as a dict from name to function."""
    if metrics is None:
        return {}
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        named = list(metrics.items())
    else:
        named = [(m if isinstance(m, str) else getattr(m, "__name__", type(m).__name__), m) for m in metrics]
    found: dict[str, Metric] = {}
    for name, metric in named:
        if isinstance(metric, str) and metric not in BUILT_IN:
            raise ValueError(f"fit: unknown metric {metric!r}; built in: {', '.join(BUILT_IN)}; others are functions of "
                             f"prediction and target")
        function = BUILT_IN[metric] if isinstance(metric, str) else metric
        if not callable(function):
            raise TypeError(f"fit: metric {name!r} must be a function of prediction and target, got "
                            f"{type(function).__name__}")
        if name in ("loss", "lr") or name.startswith("val_"):
            raise ValueError(f"fit: a metric cannot be called {name!r}, which the history uses itself")
        if name in found:
            raise ValueError(f"fit: two metrics are called {name!r}; give a dict from names to functions")
        found[name] = function
    return found


class Means:
    """Sums over batches of the loss and the metrics."""

    def __init__(self, measures: dict[str, Metric]) -> None:
        self.measures = measures
        self.loss = self.weight = self.samples = 0.0
        self.sums = dict.fromkeys(measures, 0.0)

    def add(self, loss: float, weight: float, samples: float, prediction: Any, targets: Any) -> None:
        self.loss += loss
        self.weight += weight
        self.samples += samples
        if self.measures:
            shown = prediction.detach() if isinstance(prediction, Tensor) else prediction
            for name, measure in self.measures.items():
                try:
                    self.sums[name] += float(measure(shown, targets)) * samples
                except Exception as error:
                    error.add_note(f"in the metric {name!r}, which must give a number")
                    raise

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        return {"loss": self.loss, "weight": self.weight, "samples": self.samples, "sums": dict(self.sums)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such sums; ValueError if they are of other metrics."""
        if state["sums"].keys() != self.sums.keys():
            raise ValueError(f"the epoch began with the metrics {list(state['sums'])}, and goes on with {list(self.sums)}")
        self.loss, self.weight, self.samples = (float(state[key]) for key in ("loss", "weight", "samples"))
        self.sums = {name: float(state["sums"][name]) for name in self.sums}

    def result(self) -> dict[str, float]:
        return {"loss": self.loss / self.weight if self.weight else math.nan,
                **{name: value / self.samples if self.samples else math.nan for name, value in self.sums.items()}}
