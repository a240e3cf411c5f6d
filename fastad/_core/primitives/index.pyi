"""Level 4: x[...] in all of NumPy's forms, its adjoint `scatter`, and embeddings; take is in arrange.py.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._typing import ArrayLike, Shape
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Embedding(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class GetItem(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Scatter(Primitive):
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
VALID: str
def embedding(weight: Any, numbers: Any, padding: Any, factors: Any) -> Any: ...
def samples(arrays: Any, dtypes: Any, numbers: Any, start: Any, n: Any) -> tuple[Tensor, ...]: ...
def scatter(values: ArrayLike, index: Any, shape: Shape) -> Tensor:
    """Zeros of `shape` with `values` added at ``[index]``: the adjoint of ``x[index]``. Places named twice add up."""
