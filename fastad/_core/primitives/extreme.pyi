"""Level 4: prod, max and min over axes: the reductions whose rules look at every element again; positions of extremes.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._typing import ArrayLike, Axes, DType
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Fold(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def max(a: ArrayLike, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The largest element, over all axes or those named; a NaN counts as the largest. Also `amax`."""
def min(a: ArrayLike, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The smallest element, over all axes or those named; a NaN counts as the smallest. Also `amin`."""
def position(name: Any, x: Any, axis: Any = None, keepdims: Any = False) -> Any: ...
def prod(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The product over all axes, or those named."""
