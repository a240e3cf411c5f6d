"""Level 4: matmul and linear.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._typing import ArrayLike
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Linear(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class MatMul(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def dropped(x: Any, axis: Any) -> Any: ...
def expanded(x: Any, axis: Any) -> Any: ...
def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Tensor:
    """The affine map ``y = x W^T + b`` of the last axis, as one operation."""
def matmul(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """The matrix product of the last two axes, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``."""
def operands(name: Any, a: Any, b: Any) -> Any: ...
