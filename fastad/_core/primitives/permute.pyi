"""Level 4: the same numbers with the axes in another order, always a view: transpose, permute_dims, swapaxes,.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, SupportsIndex, final

from fastad._typing import ArrayLike, Axes
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Transpose(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
PRIMITIVES: dict[Any, Any]
def matrix_transpose(x: ArrayLike) -> Tensor:
    """x with its last two axes exchanged. A view."""
def moveaxis(a: ArrayLike, source: Axes, destination: Axes) -> Tensor:
    """`a` with the axes `source` moved to the positions `destination`; the others keep their order. A view."""
def swapaxes(a: ArrayLike, axis1: SupportsIndex, axis2: SupportsIndex) -> Tensor:
    """`a` with two axes exchanged. A view."""
def transpose(a: ArrayLike, axes: Axes = None) -> Tensor:
    """`a` with its axes reversed, or in the order given: axis j of the result is axis ``axes[j]`` of `a`. A view."""
def transpose_method(x: Any, /, *axes: Any) -> Any: ...
