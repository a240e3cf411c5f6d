"""What stands behind a name of fastad.numpy.  Imports the tensor.  Next: numpy.py."""
from __future__ import annotations

from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING

import numpy

from ._core.tensor import FUNCTIONS, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

CONSTANTS = (
    "bool_", "complex64", "complex128", "dtype", "e", "euler_gamma", "finfo", "float16", "float32", "float64", "iinfo",
    "inf", "int8", "int16", "int32", "int64", "intp", "longdouble", "nan", "ndarray", "newaxis", "pi", "uint8", "uint16",
    "uint32", "uint64",
)


def names() -> list[str]:
    """The names of fastad.numpy: constants, functions, and modules of functions."""
    return sorted({*CONSTANTS, *(name.partition(".")[0] for name in FUNCTIONS)})


def find(name: str, prefix: str = "", module: ModuleType = numpy) -> Any:
    """What stands behind a name; `prefix` and `module` are those of a module within."""
    whole = prefix + name
    if whole in FUNCTIONS:
        return both(FUNCTIONS[whole], getattr(module, name, None))
    if not prefix and name in CONSTANTS:
        return getattr(module, name)
    inside = [key.removeprefix(f"{whole}.") for key in FUNCTIONS if key.startswith(f"{whole}.")]
    if not inside:
        remedy = f"; numpy.{whole} works on arrays, but has no derivative here" if hasattr(module, name) else ""
        raise AttributeError(f"module 'fastad.numpy' has no attribute {whole!r}{remedy}")
    space = ModuleType(f"fastad.numpy.{whole}", f"As numpy.{whole}, with derivatives.")
    for key in inside:
        setattr(space, key, find(key, f"{whole}.", getattr(module, name)))
    return space


def both(ours: Callable[..., Any], theirs: Callable[..., Any] | None) -> Callable[..., Any]:
    """`ours` with a Tensor among the arguments, else `theirs`, or the arrays that `ours` gives."""
    @wraps(ours)
    def function(*args: Any, **kwargs: Any) -> Any:
        if holds_tensor(args) or (kwargs and holds_tensor(kwargs.values())):
            return ours(*args, **kwargs)
        return arrays(ours(*args, **kwargs)) if theirs is None else theirs(*args, **kwargs)

    return function


def holds_tensor(values: Iterable[Any]) -> bool:
    return any(isinstance(v, Tensor) or (isinstance(v, (list, tuple)) and holds_tensor(v)) for v in values)


def arrays(result: Any) -> Any:
    """A result of fastad's as NumPy gives it: arrays, and scalars for what is 0-d."""
    if isinstance(result, Tensor):
        return result.numpy()[()]
    return type(result)(map(arrays, result)) if isinstance(result, (list, tuple)) else result
