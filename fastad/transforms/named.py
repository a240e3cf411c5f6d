"""Arguments and results of a function, leaf by leaf, with names to call them by.

Imports the tensor and tree.py.  Next: observers/ and testing/.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import Tensor
from . import tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """The leaves of a nested container in order, with the way to each as ``name['w'][0]``."""
    return list(zip(tree.paths(value, name), tree.leaves(value), strict=True))


def transformed(value: Any, f: Callable[[str, Any], Any], name: str = "") -> Any:
    """A container like `value` with ``f(its name, leaf)`` for every leaf."""
    return tree.rebuild(value, iter([f(*named) for named in leaves(value, name)]))


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
