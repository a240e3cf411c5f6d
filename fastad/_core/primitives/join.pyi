"""Level 4: numbers moved into new memory: concatenate, stack and its inverse unstack (views), astype, copy.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, final

from fastad._typing import ArrayLike, Casting, DType, Order
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

from fastad._core.primitives.shape import PassOn
@final
class Join(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Unstack(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class AsType(PassOn): ...
@final
class Copy(PassOn): ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def astype(x: ArrayLike, dtype: DType, order: Order = 'K', casting: Casting = 'unsafe', subok: bool = True, copy: bool = True, *, device: Literal["cpu"] | None = None) -> Tensor:
    """x in another dtype."""
def concatenate(arrays: Sequence[ArrayLike] | Tensor, axis: SupportsIndex | None = 0, out: None = None, *, dtype: DType | None = None, casting: Casting = 'same_kind') -> Tensor:
    """Arrays one after another along an axis; ``axis=None`` flattens them first."""
def copy(a: ArrayLike, order: Order = 'K', subok: bool = False) -> Tensor:
    """`a` in memory of its own; the gradient passes through. Also as the methods ``copy`` and ``clone``."""
def no_out(name: Any, out: Any) -> Any: ...
def stack(arrays: Sequence[ArrayLike] | Tensor, axis: SupportsIndex = 0, out: None = None, *, dtype: DType | None = None, casting: Casting = 'same_kind') -> Tensor:
    """Arrays of one shape joined along a new axis."""
def unstack(x: ArrayLike, *, axis: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """The slabs of x along an axis, as a tuple of views without that axis: the inverse of `stack`."""
