"""Level 4: the same numbers in another shape, without a copy where one can be avoided: reshape, ravel, expand_dims,.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._typing import ArrayLike, Axes, Order, Shape
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

class PassOn(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Reshape(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Broadcast(PassOn): ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def axes_in_order(name: Any, axis: Any, ndim: Any) -> Any: ...
def axis_of(name: Any, axis: Any, ndim: Any) -> Any: ...
def broadcast_to(array: ArrayLike, shape: Shape) -> Tensor:
    """`array` stretched to `shape` by NumPy's rules. A read-only view, in which stretched axes have stride 0."""
def expand_dims(a: ArrayLike, axis: Axes) -> Tensor:
    """`a` with axes of length 1 inserted, so that they have the given positions in the result."""
def flatten_method(x: Any, /, order: Any = 'C') -> Any: ...
def ravel(a: ArrayLike, order: Order = 'C') -> Tensor:
    """All elements in one axis, in C order; a view where there is one. See `reshape`."""
def reshape(a: ArrayLike, shape: Shape, order: Order = 'C', *, copy: bool | None = None) -> Tensor:
    """The elements of `a`, in C order, in another shape; one length may be -1 and is then inferred."""
def reshape_method(x: Any, /, *shape: Any, order: Any = 'C', copy: Any = None) -> Any: ...
def squeeze(a: ArrayLike, axis: Axes = None) -> Tensor:
    """`a` without its axes of length 1, or without those named."""
