"""Level 4: einsum, over any number of operands; its derivatives are einsums again.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._typing import ArrayLike, DType
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Einsum(Primitive):
    def gradient(self, /, node: Any, saved: Any, g: Any, i: Any) -> Any: ...
    def jvp(self, /, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
LETTERS: str
PRIMITIVES: dict[Any, Any]
def einsum(subscripts: Any, *operands: ArrayLike, out: None = None, optimize: Any = None, dtype: DType | None = None) -> Tensor:
    """The sum of products that Einstein's notation describes: labels that the result does not name are summed."""
def from_lists(arguments: Any) -> Any: ...
def lengths(terms: Any, shapes: Any) -> Any: ...
def parse(subscripts: Any, shapes: Any) -> Any: ...
