"""Batch normalisation, as a function and as layers.  Imports module.  Next: normalization.py, over each sample."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors, from_numpy
from .._core.primitives.normalisation import PRIMITIVES, Plan
from .._core.tensor import Tensor
from ..random import is_rewound
from .module import Module
from .parameter import Parameter, positive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar

    from .._typing import ArrayLike, DType

BATCH_NORM = PRIMITIVES["batch_norm"]


def tensor_of(input: ArrayLike) -> Tensor:
    """The input as a tensor."""
    return input if isinstance(input, Tensor) else as_tensors(input)[0]


def product(sizes: Sequence[int]) -> int:
    """The number of elements of that shape."""
    total = 1
    for size in sizes:
        total *= size
    return total


def batch_norm(input: ArrayLike, running_mean: ArrayLike | None, running_var: ArrayLike | None,
               weight: ArrayLike | None = None, bias: ArrayLike | None = None, training: bool = False,
               momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel over the batch: y = (x - mean) / sqrt(var + eps) * weight + bias.

    In training mean and var, over the number of elements, are those of the batch (and of the axes behind the channel); the
    running statistics move towards them, in place: r = (1 - momentum) r + momentum s, with the unbiased variance.  Otherwise
    they are the running statistics.  With m elements a channel and xhat = (x - mean) / sqrt(var + eps), the derivative in
    training is dx = weight / sqrt(var + eps) (g - sum(g) / m - xhat sum(g xhat) / m), dweight = sum(g xhat), dbias = sum(g).

    Parameters
    ----------
    input : Tensor or array_like, shape (N, C) or (N, C, ...), float
    running_mean, running_var : (C,), or None
        Tensors, or arrays whose memory is written to in training; without them a call that is not training uses the batch.
    weight, bias : (C,), optional
    training : bool
    momentum : float
        The share of the batch in the new running statistics.
    eps : float

    Returns
    -------
    Tensor of the shape of the input.

    Raises
    ------
    ValueError
        If shapes do not fit, or a channel has one value only in training.
    TypeError
        If the input is not float, or dtypes differ: layers do not promote silently.

    Notes
    -----
    S. Ioffe and C. Szegedy, Batch normalization, 2015.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.batch_norm([[0.0], [2.0]], None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    return normalised(tensor_of(input), running_mean, running_var, weight, bias, training, momentum, eps, None)


def normalised(x: Tensor, running_mean: ArrayLike | None, running_var: ArrayLike | None, weight: ArrayLike | None,
               bias: ArrayLike | None, training: bool, momentum: float, eps: float, count: Tensor | None) -> Tensor:
    """`batch_norm`, which counts the batches that the running statistics have seen."""
    shape = x.shape
    if len(shape) < 2:
        raise ValueError(f"batch_norm: the input must be (batch, channels, ...), got shape {shape}")
    n, c, *rest = shape
    length = product(rest)
    running = None
    if running_mean is not None and running_var is not None:
        running = shared(running_mean), shared(running_var)
    elif running_mean is not None or running_var is not None:
        raise ValueError("batch_norm: give running_mean and running_var, or neither")
    if training and n * length <= 1:
        raise ValueError(f"batch_norm: a channel needs more than one value in training, got an input of shape {shape}; "
                         f"use a larger batch, or eval()")
    share = momentum if training else -1.0
    if training and running is not None and is_rewound():        # this batch has been counted
        running = count = None
    plan = Plan(n, c, length, 1, eps)
    result: Tensor = BATCH_NORM.apply(x, weight, bias, plan, (c,), running, share, count)
    return result


def shared(statistics: ArrayLike) -> Tensor:
    """A tensor in the same memory."""
    return statistics if isinstance(statistics, Tensor) else from_numpy(np.asarray(statistics))


class Affine(Module):
    """What all normalisations share: a weight, ones at first, and a bias, zeros at first, or None."""

    weight: Parameter | None
    bias: Parameter | None

    def _affine(self, shape: tuple[int, ...], dtype: DType | None, **has: bool) -> np.dtype[Any]:
        """Make or leave out each; gives the dtype."""
        kind = np.dtype(np.float32 if dtype is None else dtype)
        if kind.kind != "f":
            raise TypeError(f"{type(self).__name__}: dtype must be float, got {kind}")
        for name, there in has.items():
            made = Parameter(np.full(shape, name == "weight", kind)) if there else None
            self.register_parameter(name, made)
        return kind

    def reset_parameters(self) -> None:
        """The weight 1, the bias 0."""
        for name, value in (("weight", 1), ("bias", 0)):
            parameter = self._parameters.get(name)
            if parameter is not None:
                parameter.detach().fill_(value)


class BatchNorm(Affine):
    """What BatchNorm1d and BatchNorm2d share."""

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    shapes: ClassVar[dict[int, str]]          # of inputs, by their number of axes

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, dtype: DType | None = None, *, bias: bool = True) -> None:
        super().__init__()
        positive(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        kind = self._affine((num_features,), dtype, weight=affine, bias=affine and bias)
        tracked = track_running_stats
        self.register_buffer("running_mean", from_numpy(np.zeros(num_features, kind)) if tracked else None)
        self.register_buffer("running_var", from_numpy(np.ones(num_features, kind)) if tracked else None)
        self.register_buffer("num_batches_tracked", from_numpy(np.zeros((), np.int64)) if tracked else None)

    def reset_running_stats(self) -> None:
        """Begin the running statistics again: mean 0, variance 1, no batches."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """The running statistics as `reset_running_stats`; the weight 1, the bias 0."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        x = tensor_of(input)
        shape = x.shape
        if len(shape) not in self.shapes or shape[1] != self.num_features:
            raise ValueError(f"{type(self).__name__}: the input must be {' or '.join(self.shapes.values())} with "
                             f"C = {self.num_features}, got shape {shape}")
        mean, var, count = self.running_mean, self.running_var, self.num_batches_tracked
        share = self.momentum
        if share is None:                     # the mean of all batches
            share = 1 / (count.item() + 1) if count is not None else 0.0
        return normalised(x, mean, var, self.weight, self.bias, self.training or mean is None, share, self.eps, count)

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class BatchNorm1d(BatchNorm):
    """Normalise each channel of (N, C) or (N, C, L) over the batch; see `fastad.nn.functional.batch_norm`.

    Parameters
    ----------
    num_features : int
        C, the channels.
    eps : float
    momentum : float, or None
        The share of each batch in the running statistics; None: the mean of all batches so far.
    affine : bool
        With a weight and a bias a channel.
    track_running_stats : bool
        Without, evaluation uses the statistics of its batch too.
    dtype : float dtype, default float32
    bias : bool
        False: with a weight only.

    Attributes
    ----------
    weight, bias : (C,), ones and zeros at first
    running_mean, running_var, num_batches_tracked : buffers, zeros, ones and 0 at first

    Raises
    ------
    ValueError
        In a call, if the input has another shape, or one value a channel only while training.
    TypeError
        In a call, if the input is of another dtype than the weight.

    Notes
    -----
    S. Ioffe and C. Szegedy, Batch normalization, 2015.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.BatchNorm1d(1, momentum=0.5)
    >>> layer(fastad.tensor([[0.0], [4.0]], dtype="float32")).round(4)
    tensor([[-1.],
            [ 1.]], ...)
    >>> layer.running_mean, layer.running_var
    (tensor([1.], ...), tensor([4.5], ...))
    """

    shapes: ClassVar[dict[int, str]] = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(BatchNorm):
    """Normalise each channel of images (N, C, H, W) over the batch; see `BatchNorm1d`, whose arguments and errors it has.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.BatchNorm2d(3)
    >>> layer(fastad.ones((2, 3, 4, 4), dtype="float32")).shape
    (2, 3, 4, 4)
    """

    shapes: ClassVar[dict[int, str]] = {4: "(N, C, H, W)"}
