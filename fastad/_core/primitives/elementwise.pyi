"""Level 4: elementwise primitives, one for every row of csrc/rows.def, and the operators that they give to Tensor.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._core.tape import Primitive

class Row(Primitive):
    @property
    def holomorphic(self) -> bool: ...
    def jvp(self, /, node: Any, saved: Any, tangents: Any) -> Any: ...
    @property
    def texts(self) -> tuple[str, ...]: ...
@final
class Binary(Row):
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Unary(Row):
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
COMPLEX_FORMS: dict[Any, Any]
COMPLEX_TEXTS: dict[Any, Any]
FUNCTIONS: dict[Any, Any]
HOLOMORPHIC: frozenset[str]
PRIMITIVES: dict[Any, Any]
RULE_NAMES: dict[Any, Any]
TABLE: list[Any]
def weak_where(g: Any) -> Any: ...
