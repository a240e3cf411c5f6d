"""Level 3: making tensors, walks asked for from Python, and what the tape borrows from this level.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any

import numpy as np
import numpy.typing as npt

from fastad._typing import ArrayLike, DType
from fastad._core.tensor import Tensor

FUNCTIONS: dict[Any, Any]
def as_tensors(*values: Any) -> list[Tensor]: ...
def from_numpy(array: npt.NDArray[Any] | np.generic) -> Tensor:
    """A tensor that shares the memory of a NumPy array."""
def gradients(outputs: Any, inputs: Any, grad_outputs: Any, retain_graph: Any, create_graph: Any) -> Any: ...
def leaf(array: Any, share: Any = False) -> Tensor: ...
def rebind(t: Any, dtype: Any) -> None: ...
def subclass(cls: Any, data: Any, requires_grad: Any) -> Any: ...
def tensor(data: ArrayLike, dtype: DType | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`."""
def value_and_gradients(f: Any, args: Any, kwargs: Any, wanted: Any, name: Any) -> Any: ...
def vjp_lead(output: Any, inputs: Any, cotangents: Any, retain_graph: Any = True) -> Any: ...
