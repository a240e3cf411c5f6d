"""Convolutional layers: Conv1d, Conv2d and their transposes.

The operations are those of `_core/primitives/convolution.pyx`; here stand the parameters and the kinds of borders.

Imports padding.py.  Next: pooling.py.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .._core.make import as_tensors
from .._core.primitives.windows import integers, padding_of, reach
from .._core.tensor import Tensor
from . import init
from .module import Module
from .padding import pad
from .parameter import Parameter, positive, uninitialised

if TYPE_CHECKING:
    from .._typing import ArrayLike, DType, Generator, Size

BORDERS = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What the four share."""

    _axes, _transposed = 1, False
    weight: Parameter
    bias: Parameter | None

    def _settings(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size, padding: Size | str,
                  dilation: Size, groups: int, bias: bool, padding_mode: str, dtype: DType | None,
                  generator: Generator) -> None:
        name, axes = type(self).__name__, self._axes
        positive(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        modes = BORDERS[:1] if self._transposed else BORDERS
        if padding_mode not in modes:
            raise ValueError(f"{name}: padding_mode must be {', '.join(map(repr, modes))}, got {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = integers(name, "kernel_size", kernel_size, axes, 1)
        self.stride = integers(name, "stride", stride, axes, 1)
        self.dilation = integers(name, "dilation", dilation, axes, 1)
        self._borders = padding_of(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding: Any = padding if isinstance(padding, str) else self._borders[0]
        self.padding_mode = padding_mode
        first, second = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        self.weight = uninitialised((first, second // groups, *self.kernel_size), dtype)
        self.register_parameter("bias", uninitialised((out_channels,), dtype) if bias else None)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator = None) -> None:
        """Draw new initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound, generator=generator)

    def extra_repr(self) -> str:
        shown: dict[str, Any] = {"padding": (0,) * self._axes, "dilation": (1,) * self._axes, "groups": 1,
                                 "output_padding": (0,) * self._axes, "padding_mode": "zeros"}
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        for name, default in shown.items():
            value = getattr(self, name, default)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts + ["bias=False"] * (self.bias is None))


class _Straight(_Conv):
    """Conv1d and Conv2d."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size | str = 0,
                 dilation: Size = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
                 dtype: DType | None = None, generator: Generator = None) -> None:
        super().__init__()
        self._settings(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype,
                       generator)

    def forward(self, input: ArrayLike) -> Tensor:
        function = conv1d if self._axes == 1 else conv2d
        if self.padding_mode == "zeros":
            return function(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        before, after = self._borders
        widths = [n for pair in zip(reversed(before), reversed(after), strict=True) for n in pair]
        x = pad(input, widths, self.padding_mode)
        return function(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Conv1d(_Straight):
    """The convolution of sequences (batch, channels, length) with learnt kernels; see `fastad.nn.functional.conv1d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, dilation, groups : int
    padding : int, 'valid' or 'same'
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (out_channels, in_channels / groups, kernel_size), uniform in +-1/sqrt(in_channels / groups * kernel_size)
    bias : (out_channels,), the same; or None

    Raises
    ------
    ValueError
        If groups do not divide the channels, a size is not positive, or the input does not fit.
    TypeError
        If a size is not an integer, or the input is of another float dtype than the weight.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.Conv1d(2, 4, 3, padding="same")
    >>> layer(fastad.tensor(numpy.ones((1, 2, 5)), dtype="float32")).shape
    (1, 4, 5)
    """


class Conv2d(_Straight):
    """The convolution of images (batch, channels, height, width) with learnt kernels; see `fastad.nn.functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels, groups : int
    kernel_size, stride, dilation : int, or a tuple of two
    padding : int, tuple of two, 'valid' or 'same'
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (out_channels, in_channels / groups, *kernel_size), uniform in +-1/sqrt(its numbers for one output)
    bias : (out_channels,), the same; or None

    Raises
    ------
    ValueError
        If groups do not divide the channels, a size is not positive, or the input does not fit.
    TypeError
        If a size is not an integer, or the input is of another float dtype than the weight.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.Conv2d(1, 4, 3, stride=2)
    >>> layer(fastad.tensor(numpy.ones((8, 1, 7, 7)), dtype="float32")).shape
    (8, 4, 3, 3)
    """

    _axes = 2


class _Transposed(_Conv):
    """ConvTranspose1d and ConvTranspose2d."""

    _transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
                 output_padding: Size = 0, groups: int = 1, bias: bool = True, dilation: Size = 1,
                 padding_mode: str = "zeros", dtype: DType | None = None, generator: Generator = None) -> None:
        super().__init__()
        name = type(self).__name__
        if isinstance(padding, str):
            raise TypeError(f"{name}: padding must be integers, got {padding!r}")
        self.output_padding = integers(name, "output_padding", output_padding, self._axes)
        self._settings(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype,
                       generator)

    def _more(self, x: Tensor, output_size: Size) -> tuple[int, ...]:
        """The output_padding that gives this size."""
        name = type(self).__name__
        wanted = tuple(integers(name, "output_size", tuple(output_size)[-self._axes:]
                                if isinstance(output_size, (tuple, list)) else output_size, self._axes, 1))
        least = tuple((n - 1) * s - 2 * p + reach(k, d) for n, s, p, k, d in zip(
            x.shape[-self._axes:], self.stride, self._borders[0], self.kernel_size, self.dilation, strict=True))
        most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
        if any(not low <= n <= high for low, n, high in zip(least, wanted, most, strict=True)):
            raise ValueError(f"{name}: output_size={output_size} is not between {least} and {most}, for an input of shape "
                             f"{x.shape}")
        return tuple(n - low for n, low in zip(wanted, least, strict=True))

    def forward(self, input: ArrayLike, output_size: Size | None = None) -> Tensor:
        function = conv_transpose1d if self._axes == 1 else conv_transpose2d
        more = self.output_padding
        if output_size is not None:
            input = input if isinstance(input, Tensor) else as_tensors(input)[0]
            more = self._more(input, output_size)
        return function(input, self.weight, self.bias, self.stride, self._borders[0], more, self.groups, self.dilation)


class ConvTranspose1d(_Transposed):
    """The adjoint of a convolution of sequences, with learnt kernels; see `fastad.nn.functional.conv_transpose1d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, dilation : int
    bias : bool
    padding_mode : 'zeros'
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (in_channels, out_channels / groups, kernel_size), uniform in +-1/sqrt(out_channels / groups * kernel_size)
    bias : (out_channels,), the same; or None

    Raises
    ------
    ValueError
        If groups do not divide the channels, a size is not positive, the input does not fit, or a call's output_size is
        none that the stride allows.
    TypeError
        If a size is not an integer, or the input is of another float dtype than the weight.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.ConvTranspose1d(2, 4, 3, stride=2)
    >>> x = fastad.tensor(numpy.ones((1, 2, 5)), dtype="float32")
    >>> layer(x).shape, layer(x, output_size=12).shape
    ((1, 4, 11), (1, 4, 12))
    """


class ConvTranspose2d(_Transposed):
    """The adjoint of a convolution of images, with learnt kernels; see `fastad.nn.functional.conv_transpose2d`.

    Parameters
    ----------
    in_channels, out_channels, groups : int
    kernel_size, stride, padding, output_padding, dilation : int, or a tuple of two
    bias : bool
    padding_mode : 'zeros'
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (in_channels, out_channels / groups, *kernel_size), uniform in +-1/sqrt(its numbers for one input)
    bias : (out_channels,), the same; or None

    Raises
    ------
    ValueError
        If groups do not divide the channels, a size is not positive, the input does not fit, or a call's output_size is
        none that the stride allows.
    TypeError
        If a size is not an integer, or the input is of another float dtype than the weight.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.ConvTranspose2d(2, 4, 2, stride=2)
    >>> layer(fastad.tensor(numpy.ones((8, 2, 5, 5)), dtype="float32")).shape
    (8, 4, 10, 10)
    """

    _axes = 2
