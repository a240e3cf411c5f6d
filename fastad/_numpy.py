"""What stands behind a name of fastad.numpy.  Imports the tensor and transforms/tree.py.  Next: numpy.py."""
from __future__ import annotations

from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import numpy

from ._core.make import plain
from ._core.tensor import FUNCTIONS, Tensor
from .transforms.tree import holds_tensor, over

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONSTANTS = (
    "bool_", "complex64", "complex128", "dtype", "e", "euler_gamma", "finfo", "float16", "float32", "float64", "iinfo",
    "inf", "int8", "int16", "int32", "int64", "intp", "longdouble", "nan", "ndarray", "newaxis", "pi", "uint8", "uint16",
    "uint32", "uint64",
)


MODULES = ("linalg",)


def names() -> list[str]:
    """The names of fastad.numpy: constants, functions, and modules of functions."""
    return sorted({*CONSTANTS, *MODULES, *(name for name in FUNCTIONS if "." not in name)})


def find(name: str) -> Any:
    """What stands behind a name."""
    if name in CONSTANTS:
        return getattr(numpy, name)
    if name in MODULES:
        return inside(name)
    if name in FUNCTIONS and "." not in name:
        return both(FUNCTIONS[name], getattr(numpy, name, None))
    remedy = f"; numpy.{name} works on arrays, but has no derivative here" if hasattr(numpy, name) else ""
    raise AttributeError(f"module 'fastad.numpy' has no attribute {name!r}{remedy}")


def inside(name: str) -> ModuleType:
    """A module of functions."""
    ours, theirs = import_module(f"fastad.{name}"), getattr(numpy, name)
    space = ModuleType(f"fastad.numpy.{name}", f"The functions of fastad.{name}, as NumPy's where they are given arrays.")
    for key in ours.__all__:
        value = getattr(ours, key)
        setattr(space, key, value if isinstance(value, type) else both(value, getattr(theirs, key, None)))
    return space


def both(ours: Callable[..., Any], theirs: Callable[..., Any] | None) -> Callable[..., Any]:
    """`ours` with a Tensor among the arguments, else `theirs`, or the arrays that `ours` gives."""
    @wraps(ours)
    def function(*args: Any, **kwargs: Any) -> Any:
        if holds_tensor(args) or (kwargs and holds_tensor(kwargs)):
            return ours(*args, **kwargs)
        return over(array, ours(*args, **kwargs)) if theirs is None else theirs(*args, **kwargs)

    return function


def array(leaf: Any) -> Any:
    return plain(leaf) if isinstance(leaf, Tensor) else leaf
