"""NumPy's names: functions written with them take arrays and give arrays, and can be differentiated.

    import fastad.numpy as np

Without a Tensor among the arguments a name is NumPy's own function, so that there is nothing to pay and nothing to
convert; with one, it is fastad's.  What NumPy has not (relu, logsumexp, ...) is fastad's function, and gives arrays for
arrays.  Constants and dtypes are NumPy's.  Names are made when they are first asked for.  Imports the tensor.
"""
from __future__ import annotations

from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING

import numpy

from ._core.tensor import FUNCTIONS, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

CONSTANTS = ("bool_", "complex64", "complex128", "dtype", "e", "euler_gamma", "finfo", "float16", "float32", "float64", "iinfo",
             "inf", "int8", "int16", "int32", "int64", "intp", "longdouble", "nan", "ndarray", "newaxis", "pi", "uint8", "uint16",
             "uint32", "uint64")
__all__ = sorted({*CONSTANTS, *(name.partition(".")[0] for name in FUNCTIONS)})


def holds_tensor(values: Iterable[Any]) -> bool:
    for value in values:
        if isinstance(value, Tensor) or (isinstance(value, (list, tuple)) and holds_tensor(value)):
            return True
    return False


def arrays(result: Any) -> Any:
    """A result of fastad's as NumPy gives it: arrays, and scalars for what is 0-d."""
    if isinstance(result, Tensor):
        return result.numpy()[()]
    return type(result)(map(arrays, result)) if isinstance(result, (list, tuple)) else result


def both(ours: Callable[..., Any], theirs: Callable[..., Any] | None) -> Callable[..., Any]:
    """`ours` with a Tensor among the arguments, else `theirs`."""
    @wraps(ours)
    def function(*args: Any, **kwargs: Any) -> Any:
        if holds_tensor(args) or (kwargs and holds_tensor(kwargs.values())):
            return ours(*args, **kwargs)
        return arrays(ours(*args, **kwargs)) if theirs is None else theirs(*args, **kwargs)

    return function


def find(module: Any, prefix: str, name: str) -> Any:
    """The value of a name: a constant, a function, or a module of functions whose names begin with it."""
    whole = prefix + name
    if whole in FUNCTIONS:
        return both(FUNCTIONS[whole], getattr(module, name, None))
    if not prefix and name in CONSTANTS:
        return getattr(module, name)
    inner = f"{whole}."
    if not any(key.startswith(inner) for key in FUNCTIONS):
        raise AttributeError(f"fastad.numpy has no {whole!r}" + (
            f"; numpy.{whole} works on arrays, but has no derivative here" if hasattr(module, name) else ""))
    space = ModuleType(f"{__name__}.{whole}", f"As numpy.{whole}, with derivatives.")
    for key in FUNCTIONS:
        if key.startswith(inner):
            setattr(space, key.removeprefix(inner), find(getattr(module, name), inner, key.removeprefix(inner)))
    return space


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = find(numpy, "", name)
    return value


def __dir__() -> list[str]:
    return __all__
