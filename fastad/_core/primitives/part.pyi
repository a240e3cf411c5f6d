"""Level 4: parts of an array as views: slices, reversed axes, diagonals (flip, diagonal, split), and their adjoint,.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from collections.abc import Sequence
from typing import Any, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from fastad._typing import ArrayLike, Axes
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Part(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Place(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
PRIMITIVES: dict[Any, Any]
def array_split(ary: ArrayLike, indices_or_sections: SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]], axis: SupportsIndex = 0) -> list[Tensor]:
    """As `split`, but the sections may differ in length by one."""
def diagonal(a: ArrayLike, offset: SupportsIndex = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Tensor:
    """The elements of which the indices along two axes differ by `offset`, as a new last axis. A view."""
def flip(m: ArrayLike, axis: Axes = None) -> Tensor:
    """`m` with the order of its elements reversed along all axes, or those named. A view with negative strides."""
def placed(x: Any, shape: Any, starts: Any, background: Any = None) -> Any: ...
def split(ary: ArrayLike, indices_or_sections: SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]], axis: SupportsIndex = 0) -> list[Tensor]:
    """`ary` cut along an axis into a number of equal sections, or at the indices given; a list of views."""
