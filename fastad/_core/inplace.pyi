"""Level 3: writing into a tensor: ``x += y``, ``x[...] = v``, copy_, fill_, zero_.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any

from fastad._typing import ArrayLike
from fastad._core.tensor import Tensor

def copy_(self: Any, value: ArrayLike) -> Tensor: ...
def fill_(self: Any, value: ArrayLike) -> Tensor: ...
def zero_(self: Any) -> Tensor: ...
