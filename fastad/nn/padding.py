"""Padding: `pad` as PyTorch has it, and the layers.  Next: upsampling.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import pad as _pad
from .._core.make import as_tensors
from .._core.primitives.windows import integers
from .._core.tensor import Tensor
from .module import Module

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import ArrayLike, Size

MODES = ("constant", "reflect", "replicate", "circular")


def _places(mode: str, n: int, before: int, after: int) -> npt.NDArray[np.intp]:
    """Which elements of an axis of n the padded axis repeats."""
    places = np.arange(-before, n + after)
    if mode == "replicate":
        return np.clip(places, 0, n - 1)
    if mode == "circular":                    # what is cropped does not come back
        first, kept = max(-before, 0), n + min(before, 0) + min(after, 0)
        return first + (places + min(before, 0)) % kept
    return n - 1 - abs(n - 1 - abs(places))


def pad(input: ArrayLike, pad: Size, mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with borders, in PyTorch's order: (left, right, top, bottom, ...), the last axis first.

    A border of constants has no derivative; the others add to the elements that they repeat.

    Parameters
    ----------
    input : Tensor or array_like
    pad : sequence of int, two for each axis; negative ones crop
    mode : {'constant', 'reflect', 'replicate', 'circular'}
        The last three are for one axis of 2-D or 3-D inputs, and for two of 3-D or 4-D inputs.
    value : number, for 'constant'; 0 if None

    Raises
    ------
    ValueError
        If the mode is another, or widths do not fit the input.
    TypeError
        If widths are not integers.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.pad(fastad.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    x = input if isinstance(input, Tensor) else as_tensors(input)[0]
    if mode not in MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(map(repr, MODES))}, got {mode!r}")
    given = np.asarray(pad)
    if given.ndim != 1 or (given.dtype.kind not in "iu" and given.size):
        raise TypeError(f"pad: the widths must be a sequence of integers, got {pad!r}")
    if given.size % 2 or given.size > 2 * x.ndim:
        raise ValueError(f"pad: pad={pad} must have two numbers for each of up to {x.ndim} axes of an input of shape "
                         f"{x.shape}, the last axis first")
    widths = [(int(before), int(after)) for before, after in given.reshape(-1, 2)]
    axes = [x.ndim - 1 - i for i in range(len(widths))]
    for axis, (before, after) in zip(axes, widths, strict=True):
        n = x.shape[axis]
        least = 0 if mode == "constant" else 1
        if n + before + after < least or min(n + before, n + after) < (least if mode == "circular" else 0):
            raise ValueError(f"pad: pad={pad} leaves nothing of axis {axis} of an input of shape {x.shape}")
    if mode == "constant":
        return _constant(x, axes, widths, 0 if value is None else value)
    if value is not None and value != 0:
        raise ValueError(f"pad: mode={mode!r} takes no value, got {value}")
    if len(widths) not in (1, 2) or x.ndim not in (len(widths) + 1, len(widths) + 2):
        raise ValueError(f"pad: mode={mode!r} pads one axis of 2-D or 3-D inputs, or two of 3-D or 4-D ones; got pad={pad} "
                         f"for shape {x.shape}")
    for axis, (before, after) in zip(axes, widths, strict=True):
        n = x.shape[axis]
        kept = n + min(before, 0) + min(after, 0)
        if n < 1 or max(before, after) >= {"reflect": n, "circular": kept + 1}.get(mode, before + after + n + 1):
            raise ValueError(f"pad: pad={pad} with mode={mode!r} must be {'less than' if mode == 'reflect' else 'at most'} "
                             f"the length of axis {axis} of an input of shape {x.shape}")
        if before or after:
            x = x[(slice(None),) * axis + (_places(mode, n, before, after),)]
    return x


def _constant(x: Tensor, axes: list[int], widths: list[tuple[int, int]], value: float) -> Tensor:
    """Cropped where widths are negative, then with borders."""
    crop, more = [slice(None)] * x.ndim, [(0, 0)] * x.ndim
    for axis, (before, after) in zip(axes, widths, strict=True):
        crop[axis] = slice(max(-before, 0), x.shape[axis] - max(-after, 0))
        more[axis] = (max(before, 0), max(after, 0))
    if any(min(pair) < 0 for pair in widths):
        x = x[tuple(crop)]
    return _pad(x, more, constant_values=value)


class _Pad(Module):
    """What the layers share: `axes` of the input get borders."""

    _axes, _mode = 1, "constant"

    def __init__(self, padding: Size) -> None:
        super().__init__()
        given = np.asarray(padding)
        if given.ndim == 0:
            n, = integers(type(self).__name__, "padding", padding, 1, -1 << 62)
            self.padding = (n,) * (2 * self._axes)
        else:
            self.padding = integers(type(self).__name__, "padding", padding, 2 * self._axes, -1 << 62)

    def forward(self, input: ArrayLike) -> Tensor:
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: ArrayLike) -> Tensor:
        return pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of `value` around sequences (batch, channels, length); see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right); negative ones crop
    value : number

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ConstantPad1d((2, 1), 9.0)(fastad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[9., 9., 1., 2., 3., 9.]])
    """


class ConstantPad2d(_ConstantPad):
    """A border of `value` around images (batch, channels, height, width); see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right, top, bottom); negative ones crop
    value : number

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ConstantPad2d((2, 1, 0, 0), 9.0)(fastad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[9., 9., 1., 2., 3., 9.]]])
    """

    _axes = 2


class ZeroPad1d(_Pad):
    """A border of zeros around sequences (batch, channels, length); see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right); negative ones crop

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ZeroPad1d((2, 1))(fastad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[0., 0., 1., 2., 3., 0.]])
    """


class ZeroPad2d(_Pad):
    """A border of zeros around images (batch, channels, height, width); see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right, top, bottom); negative ones crop

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ZeroPad2d((2, 1, 0, 0))(fastad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[0., 0., 1., 2., 3., 0.]]])
    """

    _axes = 2


class ReflectionPad1d(_Pad):
    """A border that mirrors sequences (batch, channels, length) at their ends; see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right); negative ones crop

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReflectionPad1d((2, 1))(fastad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2.]])
    """

    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """A border that mirrors images (batch, channels, height, width) at their edges; see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right, top, bottom); negative ones crop

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReflectionPad2d((2, 1, 0, 0))(fastad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3., 2.]]])
    """

    _axes, _mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """A border that repeats the ends of sequences (batch, channels, length); see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right); negative ones crop

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReplicationPad1d((2, 1))(fastad.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 1., 1., 2., 3., 3.]])
    """

    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """A border that repeats the edges of images (batch, channels, height, width); see `fastad.nn.functional.pad`.

    Parameters
    ----------
    padding : int, or a tuple (left, right, top, bottom); negative ones crop

    Raises
    ------
    ValueError
        In a call, if the padding does not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReplicationPad2d((2, 1, 0, 0))(fastad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[1., 1., 1., 2., 3., 3.]]])
    """

    _axes, _mode = 2, "replicate"
