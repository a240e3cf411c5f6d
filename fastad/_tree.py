"""Nested lists, tuples, dicts, named tuples and dataclasses: their leaves, with names to call them by.

Imports the tensor.  Next: _trace.py, testing.py.
"""
from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt


def transformed(tree: Any, f: Callable[[str, Any], Any], name: str = "") -> Any:
    """`tree` with every leaf replaced by ``f(its name, leaf)``, where the name is `name` with the way to the leaf."""
    if isinstance(tree, dict):
        return type(tree)((key, transformed(value, f, f"{name}[{key!r}]")) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[transformed(v, f, f"{name}.{key}") for key, v in zip(tree._fields, tree, strict=True)])
    if isinstance(tree, list | tuple):
        return type(tree)([transformed(value, f, f"{name}[{i}]") for i, value in enumerate(tree)])
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{field.name: transformed(getattr(tree, field.name), f, f"{name}.{field.name}")
                                for field in fields(tree) if field.init})
    return f(name, tree)


def leaves(tree: Any, name: str = "") -> list[tuple[str, Any]]:
    """The leaves with their names, in order."""
    found: list[tuple[str, Any]] = []
    transformed(tree, lambda where, leaf: found.append((where, leaf)), name)
    return found


def arguments(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """What the function calls its positional arguments."""
    import inspect

    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):                   # a builtin that does not say
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:len(args)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    first = len(names)
    return names + [f"x{i + 1}" if rest is None else f"{rest}[{i - first}]" for i in range(first, len(args))]


def differentiable(value: Any) -> bool:
    """Whether one can differentiate by a leaf: a floating-point or complex number, or an integer that becomes one."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return value.dtype.kind in "fc" or isinstance(value, np.integer)
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def copied(x: Tensor) -> npt.NDArray[Any]:
    """The numbers of a tensor as an array of its own."""
    return np.array(x.detach().numpy())


def plain(value: Any) -> Any:
    """A tensor as an array or scalar, anything else as it is."""
    return copied(value)[()] if isinstance(value, Tensor) else value
