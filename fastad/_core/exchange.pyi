"""Level 3: what NumPy, pickle, copy and DLPack ask of a tensor.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, Literal
import numpy.typing as npt

from fastad._core.tensor import Tensor

FUNCTIONS: dict[Any, Any]
LATER: dict[Any, Any]
UFUNCS: dict[Any, Any]
def from_dlpack(x: Any, /, *, device: Literal["cpu"] | None = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of any array in the processor's memory that speaks DLPack (PyTorch's, JAX's, ...)."""
def function_named(name: Any) -> Any: ...
def numpy(self: Any) -> npt.NDArray[Any]: ...
def rebuilt(cls: Any, array: Any, requires_grad: Any) -> Any: ...
def tolist(self: Any) -> Any: ...
