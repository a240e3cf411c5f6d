"""Normalisation of each sample for itself, as functions and as layers: LayerNorm, RMSNorm, GroupNorm.

Imports batchnorm (the checks, the parameters).  Next: attention.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.primitives.normalisation import PRIMITIVES, Plan
from .batchnorm import Affine, product, tensor_of
from .parameter import positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.tensor import Tensor
    from .._typing import ArrayLike, DType

LAYER_NORM, RMS_NORM, GROUP_NORM = (PRIMITIVES[name] for name in ("layer_norm", "rms_norm", "group_norm"))


def shape_of(name: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """`normalized_shape` as a tuple of sizes above 0."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else tuple(normalized_shape)
    if not shape:
        raise ValueError(f"{name}: normalized_shape must have an axis at least, got ()")
    for size in shape:
        positive(name, normalized_shape=size)
    return tuple(int(size) for size in shape)


def rows_of(name: str, x: Tensor, normalized_shape: int | Sequence[int]) -> tuple[tuple[int, ...], int, int]:
    """(normalized_shape, the rows of x before it, its elements), checked."""
    shape = normalized_shape if type(normalized_shape) is tuple else shape_of(name, normalized_shape)
    at = x.ndim - len(shape)
    if at < 0 or x.shape[at:] != shape:
        raise ValueError(f"{name}: the input's last axes must be normalized_shape={shape}, got shape {x.shape}")
    return shape, product(x.shape[:at]), product(shape)


def layer_norm(input: ArrayLike, normalized_shape: int | Sequence[int], weight: ArrayLike | None = None,
               bias: ArrayLike | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise over the last axes: y = (x - mean) / sqrt(var + eps) * weight + bias, var over the number of elements.

    With m elements, h = g * weight and xhat = (x - mean) / sqrt(var + eps) the derivatives are
    dx = (h - mean(h) - xhat mean(h xhat)) / sqrt(var + eps), dweight = sum(g xhat), dbias = sum(g), sums over the rows.

    Parameters
    ----------
    input : Tensor or array_like, shape (..., *normalized_shape), float
    normalized_shape : int or sequence of int
    weight, bias : of shape normalized_shape, optional
    eps : float

    Returns
    -------
    Tensor of the shape of the input.

    Raises
    ------
    ValueError
        If shapes do not fit.
    TypeError
        If the input is not float, or dtypes differ: layers do not promote silently.

    Notes
    -----
    J. L. Ba, J. R. Kiros and G. E. Hinton, Layer normalization, 2016.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.layer_norm([[1.0, 3.0], [5.0, 5.0]], 2, eps=0.0)[0]
    tensor([-1.,  1.])
    """
    x = tensor_of(input)
    shape, rows, size = rows_of("layer_norm", x, normalized_shape)
    plan = Plan(rows, size, 1, 1, eps)
    result: Tensor = LAYER_NORM.apply(x, weight, bias, plan, shape)
    return result


def rms_norm(input: ArrayLike, normalized_shape: int | Sequence[int], weight: ArrayLike | None = None,
             eps: float | None = None) -> Tensor:
    """Divide by the root mean square over the last axes: y = x / sqrt(mean(x^2) + eps) * weight.

    With h = g * weight, r = 1 / sqrt(mean(x^2) + eps) and xhat = r x the derivatives are dx = r (h - xhat mean(h xhat)) and
    dweight = sum(g xhat) over the rows.

    Parameters
    ----------
    input : Tensor or array_like, shape (..., *normalized_shape), float
    normalized_shape : int or sequence of int
    weight : of shape normalized_shape, optional
    eps : float, optional
        By default the machine epsilon of the input's dtype.

    Returns
    -------
    Tensor of the shape of the input.

    Raises
    ------
    ValueError
        If shapes do not fit.
    TypeError
        If the input is not float, or dtypes differ.

    Notes
    -----
    B. Zhang and R. Sennrich, Root mean square layer normalization, 2019.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.rms_norm([[1.0, 7.0]], 2, eps=0.0)
    tensor([[0.2, 1.4]])
    """
    x = tensor_of(input)
    shape, rows, size = rows_of("rms_norm", x, normalized_shape)
    eps = float(np.finfo(x.dtype).eps) if eps is None and x.dtype.kind == "f" else eps
    plan = Plan(rows, size, 1, 1, eps or 0.0, False)
    result: Tensor = RMS_NORM.apply(x, weight, None, plan, shape)
    return result


def group_norm(input: ArrayLike, num_groups: int, weight: ArrayLike | None = None, bias: ArrayLike | None = None,
               eps: float = 1e-5) -> Tensor:
    """Normalise over the channels of each group and all axes behind: y = (x - mean) / sqrt(var + eps) * weight + bias.

    The derivatives are those of `layer_norm`, with one weight and one bias a channel.

    Parameters
    ----------
    input : Tensor or array_like, shape (N, C, ...), float
    num_groups : int
        A divisor of C.
    weight, bias : (C,), optional
    eps : float

    Returns
    -------
    Tensor of the shape of the input.

    Raises
    ------
    ValueError
        If the groups do not divide the channels, or shapes do not fit.
    TypeError
        If the input is not float, or dtypes differ.

    Notes
    -----
    Y. Wu and K. He, Group normalization, 2018.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.group_norm([[1.0, 3.0, 0.0, 8.0]], 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    x = tensor_of(input)
    positive("group_norm", num_groups=num_groups)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ValueError(f"group_norm: the input must be (N, C, ...) with a number of channels C that {num_groups} groups "
                         f"divide, got shape {x.shape}")
    n, c, *rest = x.shape
    plan = Plan(n, c, product(rest), num_groups, eps)
    result: Tensor = GROUP_NORM.apply(x, weight, bias, plan, (c,))
    return result


class LayerNorm(Affine):
    """Normalise over the last axes, `normalized_shape`; see `fastad.nn.functional.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float
    elementwise_affine : bool
        With a weight.
    bias : bool
        And a bias.
    dtype : float dtype, default float32

    Attributes
    ----------
    weight, bias : of shape normalized_shape, ones and zeros at first, or None

    Raises
    ------
    ValueError
        If normalized_shape is empty or has a 0; in a call, if the input does not end with it.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.LayerNorm(4, dtype="float64")
    >>> float(layer(fastad.tensor([[1.0, 2.0, 3.0, 4.0]])).std().round(4))
    1.0
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, dtype: DType | None = None) -> None:
        super().__init__()
        self.normalized_shape = shape_of("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._affine(self.normalized_shape, dtype, weight=elementwise_affine, bias=elementwise_affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(Affine):
    """Divide by the root mean square over the last axes; see `fastad.nn.functional.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
        By default the machine epsilon of the input's dtype.
    elementwise_affine : bool
        With a weight.
    dtype : float dtype, default float32

    Attributes
    ----------
    weight : of shape normalized_shape, ones at first, or None

    Raises
    ------
    ValueError
        If normalized_shape is empty or has a 0; in a call, if the input does not end with it.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.RMSNorm(2, dtype="float64")(fastad.tensor([1.0, 7.0]))
    tensor([0.2, 1.4], grad_fn=rms_norm)
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
                 dtype: DType | None = None) -> None:
        super().__init__()
        self.normalized_shape = shape_of("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._affine(self.normalized_shape, dtype, weight=elementwise_affine)

    def forward(self, input: Tensor) -> Tensor:
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Affine):
    """Normalise over the channels of each group and all axes behind; see `fastad.nn.functional.group_norm`.

    Parameters
    ----------
    num_groups, num_channels : int
    eps : float
    affine : bool
        With a weight and a bias a channel.
    dtype : float dtype, default float32
    bias : bool
        False: with a weight only.

    Attributes
    ----------
    weight, bias : (num_channels,), ones and zeros at first, or None

    Raises
    ------
    ValueError
        If the groups do not divide the channels; in a call, if the input has other channels.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.GroupNorm(2, 4)(fastad.ones((1, 4, 3), dtype="float32")).shape
    (1, 4, 3)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
                 dtype: DType | None = None, *, bias: bool = True) -> None:
        super().__init__()
        positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_groups} groups do not divide {num_channels} channels")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._affine((num_channels,), dtype, weight=affine, bias=affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        x = tensor_of(input)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: the input must be (N, {self.num_channels}, ...), got shape {x.shape}")
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")
