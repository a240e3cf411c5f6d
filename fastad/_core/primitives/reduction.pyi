"""Level 4: reductions over axes: sum, mean, logsumexp, cumsum; and how a reduction remembers its axes.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, SupportsIndex, final

from fastad._typing import ArrayLike, Axes, DType
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class CumSum(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class LogSumExp(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Sum(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def cumsum(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DType | None = None, out: None = None) -> Tensor:
    """The sums of the elements up to each one, along an axis or (None) of the flattened array."""
def logsumexp(a: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(a))) over all axes, or those named, without overflow."""
def mean(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, *, where: ArrayLike = True) -> Tensor:
    """The mean over all axes, or those named; of integers in float64."""
def numpy_logsumexp(x: Any, axes: Any) -> Any: ...
def sum(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The sum over all axes, or those named."""
