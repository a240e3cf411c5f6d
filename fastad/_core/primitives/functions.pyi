"""Level 4: the public functions of the elementwise rows: their names, aliases and documentation, which the table gives.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, Literal

from fastad._typing import ArrayLike
from fastad._core.tensor import Tensor

ALIASES: dict[Any, Any]
FUNCTIONS: dict[Any, Any]
NOTES: dict[Any, Any]
PARAMETRIC: tuple[Any, ...]
ROWS: dict[Any, Any]
TABLE: list[Any]
def elu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """x for x > 0, else alpha * (exp(x) - 1)."""
def gelu(x: ArrayLike, approximate: Literal["none", "tanh"] = 'none') -> Tensor:
    """x Phi(x), Phi the normal distribution function; approximate="tanh" gives the tanh form."""
def huber(x: Any, delta: Any) -> Tensor: ...
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Tensor:
    """x for x > 0, else negative_slope * x; the derivative at 0 is negative_slope."""
