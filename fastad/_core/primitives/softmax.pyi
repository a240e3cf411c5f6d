"""Level 4: softmax and log_softmax, functions of whole rows.  Next: loss.pyx.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, SupportsIndex, final

from fastad._typing import ArrayLike
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

class OverRows(Primitive):
    def in_numpy(self, x: Any) -> Any: ...
@final
class LogSoftmax(OverRows):
    def in_numpy(self, x: Any) -> Any: ...
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Softmax(OverRows):
    def in_numpy(self, x: Any) -> Any: ...
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def log_softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Tensor:
    """x - log(sum(exp(x))) along an axis, without overflow; arguments and errors as `softmax`."""
def softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows."""
