"""The form of data between layers: Flatten, Unflatten, one_hot.  Next: container.py."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors, from_numpy
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.tensor import Tensor
    from .._typing import ArrayLike


def _axis(name: str, what: str, axis: int, x: Tensor) -> int:
    if not -max(x.ndim, 1) <= axis < max(x.ndim, 1):
        raise np.exceptions.AxisError(f"{name}: {what}={axis} is out of bounds for an input of shape {x.shape}")
    return axis % max(x.ndim, 1)


class Flatten(Module):
    """The axes from start_axis to end_axis as one; by default all but the batch's.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Flatten()(fastad.ones((8, 1, 28, 28))).shape
    (8, 784)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        super().__init__()
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, input: Tensor) -> Tensor:
        first = _axis("Flatten", "start_axis", self.start_axis, input)
        last = _axis("Flatten", "end_axis", self.end_axis, input)
        if first > last:
            raise ValueError(f"Flatten: start_axis={self.start_axis} comes after end_axis={self.end_axis} in an input of "
                             f"shape {input.shape}")
        shape = input.shape
        return input.reshape((*shape[:first], math.prod(shape[first:last + 1]), *shape[last + 1:]))

    def extra_repr(self) -> str:
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Unflatten(Module):
    """One axis as several, of which one may be -1.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Unflatten(1, (3, -1))(fastad.ones((8, 12))).shape
    (8, 3, 4)
    """

    def __init__(self, axis: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.axis, self.unflattened_size = axis, tuple(unflattened_size)
        if not self.unflattened_size or sum(n == -1 for n in self.unflattened_size) > 1 or min(self.unflattened_size) < -1:
            raise ValueError(f"Unflatten: unflattened_size must be lengths, of which one may be -1; got {unflattened_size}")

    def forward(self, input: Tensor) -> Tensor:
        axis = _axis("Unflatten", "axis", self.axis, input)
        length = input.shape[axis] if input.ndim else 1
        known = math.prod(n for n in self.unflattened_size if n != -1)
        if known != length if -1 not in self.unflattened_size else not known or length % known:
            raise ValueError(f"Unflatten: axis {self.axis} of an input of shape {input.shape} does not become "
                             f"{self.unflattened_size}")
        sizes = [length // known if n == -1 else n for n in self.unflattened_size]
        return input.reshape((*input.shape[:axis], *sizes, *input.shape[axis + 1:]))

    def extra_repr(self) -> str:
        return f"axis={self.axis}, unflattened_size={self.unflattened_size}"


def one_hot(input: ArrayLike, num_classes: int = -1) -> Tensor:
    """Integers (...) as int64 rows (..., num_classes) with a 1 at the place of the number and 0 elsewhere.

    num_classes = -1: the largest number, and one more.

    Raises
    ------
    TypeError
        If the input does not hold integers.
    ValueError
        If a number is negative, or not below num_classes.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.one_hot([2, 0])
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    given, = as_tensors(input)
    numbers = given.detach().numpy()
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"one_hot: the input must hold integers, its dtype is {numbers.dtype}; use astype('int64')")
    if num_classes == -1:
        if not numbers.size:
            raise ValueError("one_hot: without numbers the classes are not known; give num_classes")
        num_classes = max(int(numbers.max()) + 1, 1)
    elif num_classes < 1:
        raise ValueError(f"one_hot: num_classes must be at least 1, or -1 for the largest number and one more; got "
                         f"{num_classes}")
    wrong = (numbers < 0) | (numbers >= num_classes)
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        raise ValueError(f"one_hot: input{[int(i) for i in place] or ''} is {numbers[place]}, but there are {num_classes} "
                         f"classes: numbers run from 0 to {num_classes - 1}")
    return from_numpy((numbers[..., None] == np.arange(num_classes)).astype(np.int64))
