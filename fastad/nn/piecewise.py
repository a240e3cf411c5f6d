"""Activations that are straight lines in pieces, or nearly so; each function beside its module.

At a kink the derivative is PyTorch's.  Imports fastad's functions.  Next: units.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from .. import clip, relu6, tanh, where
from .._core.make import as_tensors
from .module import Module

if TYPE_CHECKING:
    from .._core.tensor import Tensor
    from .._typing import ArrayLike


def hardtanh(input: ArrayLike, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x between min_val and max_val, else the bound; the derivative is 0 at a bound (that of `clip` is 1).

    Raises ValueError if min_val is above max_val.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.hardtanh(fastad.tensor([-3.0, 0.5, 2.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    if not min_val <= max_val:
        raise ValueError(f"hardtanh: min_val={min_val} must not be above max_val={max_val}")
    x, = as_tensors(input)
    return where(x <= min_val, min_val, where(x >= max_val, max_val, x))


class Hardtanh(Module):
    """x between min_val and max_val, else the bound: see `fastad.nn.functional.hardtanh`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Hardtanh(0, 2)(fastad.tensor([-3.0, 0.5, 4.0]))
    tensor([0. , 0.5, 2. ])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not min_val <= max_val:
            raise ValueError(f"Hardtanh: min_val={min_val} must not be above max_val={max_val}")
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        return hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


def hardsigmoid(input: ArrayLike) -> Tensor:
    """min(max(x + 3, 0), 6) / 6; the derivative is 0 at -3 and 3.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.hardsigmoid(fastad.tensor([-4.0, 0.0, 1.5]))
    tensor([0.  , 0.5 , 0.75])
    """
    x, = as_tensors(input)
    return relu6(x + 3) / 6


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6: see `fastad.nn.functional.hardsigmoid`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Hardsigmoid()(fastad.tensor([-4.0, 0.0, 1.5]))
    tensor([0.  , 0.5 , 0.75])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return hardsigmoid(input)


def hardswish(input: ArrayLike) -> Tensor:
    """x hardsigmoid(x): 0 up to -3, x from 3 on; the derivative is 0 at -3 and 1 at 3.

    Source: Howard et al., Searching for MobileNetV3, 2019.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.hardswish(fastad.tensor([-4.0, 1.5, 4.0]))
    tensor([0.   , 1.125, 4.   ])
    """
    x, = as_tensors(input)
    between = clip(x, -3.0, 3.0)                       # so that no infinity meets a zero
    return where(x <= -3, 0.0, where(x >= 3, x, between * (between + 3) / 6))


class Hardswish(Module):
    """x hardsigmoid(x): see `fastad.nn.functional.hardswish`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Hardswish()(fastad.tensor([-4.0, 1.5, 4.0]))
    tensor([0.   , 1.125, 4.   ])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return hardswish(input)


def hardshrink(input: ArrayLike, lambd: float = 0.5) -> Tensor:
    """x where abs(x) > lambd, else 0, as is the derivative there.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.hardshrink(fastad.tensor([-2.0, 0.25, 0.75]))
    tensor([-2.  ,  0.  ,  0.75])
    """
    x, = as_tensors(input)
    return where((x >= -lambd) & (x <= lambd), 0.0, x)


class Hardshrink(Module):
    """x where abs(x) > lambd, else 0: see `fastad.nn.functional.hardshrink`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Hardshrink(1.0)(fastad.tensor([-2.0, 0.25, 0.75]))
    tensor([-2.,  0.,  0.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


def softshrink(input: ArrayLike, lambd: float = 0.5) -> Tensor:
    """x, moved by lambd towards 0 and no further; the derivative is 0 where abs(x) <= lambd.

    Raises ValueError if lambd is negative.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.softshrink(fastad.tensor([-2.0, 0.25, 0.75]))
    tensor([-1.5 ,  0.  ,  0.25])
    """
    if not lambd >= 0:
        raise ValueError(f"softshrink: lambd must be at least 0, got {lambd}")
    x, = as_tensors(input)
    return x - clip(x, -lambd, lambd)


class Softshrink(Module):
    """x, moved by lambd towards 0 and no further: see `fastad.nn.functional.softshrink`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Softshrink(1.0)(fastad.tensor([-2.0, 0.25, 0.75]))
    tensor([-1.,  0.,  0.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if not lambd >= 0:
            raise ValueError(f"Softshrink: lambd must be at least 0, got {lambd}")
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


def tanhshrink(input: ArrayLike) -> Tensor:
    """x - tanh(x).

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.functional.tanhshrink(fastad.tensor([0.0, 1.0])), 4)
    tensor([0.    , 0.2384])
    """
    x, = as_tensors(input)
    return x - tanh(x)


class Tanhshrink(Module):
    """x - tanh(x).

    Examples
    --------
    >>> import fastad
    >>> fastad.round(fastad.nn.Tanhshrink()(fastad.tensor([0.0, 1.0])), 4)
    tensor([0.    , 0.2384])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanhshrink(input)


def threshold(input: ArrayLike, threshold: float, value: float) -> Tensor:
    """x above the threshold, else the value, where the derivative is 0.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.threshold(fastad.tensor([0.5, 1.0, 2.0]), 1.0, -7.0)
    tensor([-7., -7.,  2.])
    """
    x, = as_tensors(input)
    return where(x <= threshold, value, x)


class Threshold(Module):
    """x above the threshold, else the value: see `fastad.nn.functional.threshold`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Threshold(1.0, -7.0)(fastad.tensor([0.5, 1.0, 2.0]))
    tensor([-7., -7.,  2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        return threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"
