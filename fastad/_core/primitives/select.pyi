"""Level 4: choosing elements: where, clip.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final, overload

from fastad._typing import ArrayLike
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Where(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
ROWS: dict[Any, Any]
def clip(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None, *, a_min: ArrayLike | None = None, a_max: ArrayLike | None = None) -> Tensor:
    """x limited to [min, max]; either may be None, a number or an array."""
@overload
def where(condition: ArrayLike, x: None = None, y: None = None, /) -> tuple[Tensor, ...]:
    """x where condition is true, else y; the three broadcast."""
@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Tensor: ...
