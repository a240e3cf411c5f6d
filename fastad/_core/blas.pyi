"""Level 1: matrix products and triangular systems.  Finds the BLAS that NumPy has already loaded, and calls it without NumPy.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any

NAMES: tuple[Any, ...]
THREADS: tuple[Any, ...]
def config() -> Any: ...
def set_blas_threads(n: Any) -> None: ...
def solve_triangular(a: Any, b: Any, lower: Any, trans: Any, unit: Any) -> bool: ...
