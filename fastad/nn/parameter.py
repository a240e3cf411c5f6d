"""Parameter, and how layers make theirs.  Next: module.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy, subclass, tensor
from .._core.tensor import Tensor

if TYPE_CHECKING:
    from typing import Self

    from .._typing import ArrayLike, DType


class Parameter(Tensor):
    """A tensor that a module registers when it becomes its attribute; it requires a gradient by default.

    It shares the memory of a Tensor and copies anything else.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Parameter(fastad.tensor([1.0])).requires_grad
    True
    """

    def __new__(cls, data: ArrayLike, requires_grad: bool = True) -> Self:
        made: Self = subclass(cls, data if isinstance(data, Tensor) else tensor(data), requires_grad)
        return made

    def __repr__(self) -> str:
        return f"Parameter({super().__repr__()})"


def uninitialised(shape: tuple[int, ...], dtype: DType | None) -> Parameter:
    """A float32 (or `dtype`) parameter whose numbers an initialiser sets next."""
    kind = np.dtype(np.float32 if dtype is None else dtype)
    if kind.kind not in "fc":
        raise TypeError(f"dtype: parameters are float or complex, got {kind}")
    return Parameter(from_numpy(np.zeros(shape, kind)))


def positive(layer: str, **sizes: int) -> None:
    """The sizes that must be integers above 0."""
    for what, size in sizes.items():
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(f"{layer}: {what} must be an integer, got {type(size).__name__}")
        if size < 1:
            raise ValueError(f"{layer}: {what} must be at least 1, got {size}")
