"""Level 4: the sum of squares, about zero or about the mean; var, std and norm (norms.py) are made of it.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._core.tape import Primitive

@final
class Squares(Primitive):
    def jvp(self, /, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def sum_of_squares(x: Any, axis: Any, keepdims: Any, central: Any = False) -> Any: ...
