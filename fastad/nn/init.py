"""Initial values of parameters.  Every function fills a tensor in place, outside the tape, and returns it.

`generator` is a numpy.random.Generator; without one, fastad.random's.  Numbers are drawn in float64 and cast,
so a seed gives the same network in every dtype.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import Tensor
from ..random import default_generator

if TYPE_CHECKING:
    from .._typing import ArrayLike, Arrays, Fan, Generator, SomeTensor

GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which an activation function calls for larger weights; `param` is leaky_relu's slope.

    Examples
    --------
    >>> from fastad.nn import init
    >>> init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: the slope of leaky_relu must be a number, got {param!r}")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in GAINS:
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of {', '.join(GAINS)}, leaky_relu; "
            f"got {nonlinearity!r}"
        )
    return GAINS[nonlinearity]


def fans(tensor: SomeTensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, kernel...).

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.init.fans(fastad.zeros((3, 5)))
    (5, 3)
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"init: fan in and fan out need a tensor of at least 2 axes, got shape {tensor.shape}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(tensor: SomeTensor, mode: Fan) -> float:
    fan_in, fan_out = fans(tensor)
    modes = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    if mode not in modes:
        raise ValueError(f"init: mode must be one of {', '.join(modes)}; got {mode!r}")
    return modes[mode]


def _fill(tensor: SomeTensor, numbers: ArrayLike) -> SomeTensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"init: expected a tensor to fill, got {type(tensor).__name__}")
    tensor.detach().copy_(numbers)  # shares the memory and counts the write
    return tensor


def constant_(tensor: SomeTensor, val: ArrayLike) -> SomeTensor:
    """Every element val.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.init.constant_(fastad.zeros(2), 0.5)
    tensor([0.5, 0.5])
    """
    return _fill(tensor, val)


def zeros_(tensor: SomeTensor) -> SomeTensor:
    """Every element 0.  (In a network, all units of a layer then learn the same.)

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.init.zeros_(fastad.ones(2))
    tensor([0., 0.])
    """
    return _fill(tensor, 0.0)


def ones_(tensor: SomeTensor) -> SomeTensor:
    """Every element 1.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.init.ones_(fastad.zeros(2))
    tensor([1., 1.])
    """
    return _fill(tensor, 1.0)


def uniform_(tensor: SomeTensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> SomeTensor:
    """Uniform in [a, b).  Raises ValueError if a is above b.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.nn.init.uniform_(fastad.zeros(1000), -2, 3)
    >>> bool(w.min() >= -2) and bool(w.max() < 3)
    True
    """
    if not a <= b:
        raise ValueError(f"uniform_: a={a} must not be above b={b}")
    return _fill(tensor, (generator or default_generator()).uniform(a, b, np.shape(tensor)))


def normal_(tensor: SomeTensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> SomeTensor:
    """Normal with this mean and standard deviation.  Raises ValueError if std is below 0.

    Examples
    --------
    >>> import fastad, numpy
    >>> w = fastad.nn.init.normal_(fastad.zeros(10000), 5, 2, numpy.random.default_rng(0))
    >>> round(w.mean().item(), 1), round(w.std().item(), 1)
    (5.0, 2.0)
    """
    if not std >= 0:
        raise ValueError(f"normal_: std must be at least 0, got {std}")
    return _fill(tensor, (generator or default_generator()).normal(mean, std, np.shape(tensor)))


def trunc_normal_(tensor: SomeTensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Generator = None) -> SomeTensor:
    """Normal with this mean and standard deviation, drawn again until it lies in [a, b].

    Raises ValueError if a is above b, or std not above 0.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.nn.init.trunc_normal_(fastad.zeros(1000), std=5.0)
    >>> bool(abs(w).max() <= 2)
    True
    """
    if not std > 0:
        raise ValueError(f"trunc_normal_: std must be above 0, got {std}")
    if not a <= b:
        raise ValueError(f"trunc_normal_: a={a} must not be above b={b}")
    drawn = mean + std * _between((a - mean) / std, (b - mean) / std, tensor.size, generator or default_generator())
    return _fill(tensor, np.clip(drawn, a, b).reshape(tensor.shape))      # the clip is for the last rounding


def _between(low: float, high: float, size: int, generator: np.random.Generator) -> Arrays:
    """Standard normal numbers in [low, high], by rejection of others that are easily drawn; at least a third stay.

    Source: Robert, Simulation of truncated normal variables, 1995.
    """
    if high < 0:
        return -_between(-high, -low, size, generator)
    found = [np.zeros(0)]
    nearest = max(low, 0.0)
    rate = (nearest + math.sqrt(nearest * nearest + 4)) / 2
    while (wanted := size - sum(map(len, found))) > 0:
        if high - low <= (2.5 if low <= 0 else 1 / rate):                 # a short piece: from a uniform
            x = generator.uniform(low, high, 3 * wanted)
            chance = np.exp((nearest * nearest - x * x) / 2)
        elif low <= 0:
            x = generator.normal(size=3 * wanted)
            chance = np.ones(())
        else:                                                             # a tail: from an exponential
            x = low + generator.exponential(1 / rate, 3 * wanted)
            chance = np.exp(-(x - rate) ** 2 / 2)
        found.append(x[(x >= low) & (x <= high) & (generator.random(x.shape) <= chance)][:wanted])
    return np.concatenate(found)


def eye_(tensor: SomeTensor) -> SomeTensor:
    """A matrix with ones on its diagonal and zeros elsewhere.

    Raises ValueError if the tensor has not two axes.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.init.eye_(fastad.empty((2, 3)))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def orthogonal_(tensor: SomeTensor, gain: float = 1.0, generator: Generator = None) -> SomeTensor:
    """Rows, or columns if there are fewer, that are orthogonal to each other and of length gain; evenly distributed.

    Of more than two axes all behind the first count as one.  Raises ValueError if the tensor has fewer than two axes.
    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, 2013.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.nn.init.orthogonal_(fastad.empty((2, 3)))
    >>> bool(fastad.allclose(w @ w.T, fastad.eye(2)))
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 axes, got shape {tensor.shape}")
    if tensor.size == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    q, r = np.linalg.qr((generator or default_generator()).normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1, 1)                             # the decomposition with a positive diagonal
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def _scaled(tensor: SomeTensor, fan: float, gain: float, uniform: bool, generator: Generator) -> SomeTensor:
    """Mean 0 and variance gain^2 / fan."""
    if not gain >= 0:
        raise ValueError(f"init: gain must be at least 0, got {gain}")
    if tensor.size == 0:
        return tensor
    std = gain / math.sqrt(fan)
    if uniform:
        return uniform_(tensor, -math.sqrt(3) * std, math.sqrt(3) * std, generator)
    return normal_(tensor, 0.0, std, generator)


def xavier_uniform_(tensor: SomeTensor, gain: float = 1.0, generator: Generator = None, mode: Fan = "fan_avg") -> SomeTensor:
    """Uniform with variance gain^2 2 / (n_in + n_out); mode 'fan_in' or 'fan_out': gain^2 / n_in or / n_out.

    Source: Glorot and Bengio, 2010.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.nn.init.xavier_uniform_(fastad.tensor([[0.0] * 3] * 3))
    >>> bool((abs(w.numpy()) <= 1).all())
    True
    """
    return _scaled(tensor, _fan(tensor, mode), gain, True, generator)


def xavier_normal_(tensor: SomeTensor, gain: float = 1.0, generator: Generator = None, mode: Fan = "fan_avg") -> SomeTensor:
    """Normal with the variance of `xavier_uniform_`.

    Examples
    --------
    >>> import fastad, numpy
    >>> w = fastad.nn.init.xavier_normal_(fastad.zeros((100, 100)), generator=numpy.random.default_rng(0))
    >>> round(w.std().item(), 2)
    0.1
    """
    return _scaled(tensor, _fan(tensor, mode), gain, False, generator)


def kaiming_uniform_(tensor: SomeTensor, a: float = 0, mode: Fan = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Generator = None) -> SomeTensor:
    """Uniform with variance calculate_gain(nonlinearity, a)^2 / fan: 2 / n_in for ReLU.

    Source: He, Zhang, Ren and Sun, 2015.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.nn.init.kaiming_uniform_(fastad.zeros((4, 6)), nonlinearity="relu")
    >>> bool((abs(w) <= 1).all())
    True
    """
    return _scaled(tensor, _fan(tensor, mode), calculate_gain(nonlinearity, a), True, generator)


def kaiming_normal_(tensor: SomeTensor, a: float = 0, mode: Fan = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Generator = None) -> SomeTensor:
    """Normal with the variance of `kaiming_uniform_`.

    Examples
    --------
    >>> import fastad, numpy
    >>> generator = numpy.random.default_rng(0)
    >>> w = fastad.nn.init.kaiming_normal_(fastad.zeros((50, 200)), nonlinearity="relu", generator=generator)
    >>> round(w.std().item(), 2)
    0.1
    """
    return _scaled(tensor, _fan(tensor, mode), calculate_gain(nonlinearity, a), False, generator)
