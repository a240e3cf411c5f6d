"""Names for what the functions take, for the stubs and annotations; nothing imports it when the library runs.

Imports the tensor.  Next: tools/stubs.py, which writes the stubs.
"""
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from ._core.tensor import Tensor


class SupportsArray(Protocol):
    """What NumPy can read: a pandas column, a PyTorch tensor, ..."""

    def __array__(self) -> npt.NDArray[Any]: ...


# beside a tensor, in an operator
Operand: TypeAlias = "Tensor | npt.NDArray[Any] | np.generic | complex | list[Any] | tuple[Any, ...]"
ArrayLike: TypeAlias = "Operand | SupportsArray | Sequence[complex]"
DType: TypeAlias = "npt.DTypeLike"
Shape: TypeAlias = "SupportsIndex | Sequence[SupportsIndex]"
Axes: TypeAlias = "SupportsIndex | Sequence[SupportsIndex] | None"
Generator: TypeAlias = "np.random.Generator | None"
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Order: TypeAlias = Literal["C", "F", "A", "K"] | None
Casting: TypeAlias = Literal["no", "equiv", "safe", "same_kind", "unsafe"]
Function: TypeAlias = "Callable[..., Any]"
