"""Derivatives of functions of NumPy arrays and numbers: grad, value_and_grad.

Imports the core.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, overload

from ._core.make import value_and_gradients

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Concatenate, Literal

    from ._core.tensor import Tensor
    from ._typing import Gradient, P, ValueAndGradient

__all__ = ["grad", "value_and_grad"]


@overload
def value_and_grad(f: Callable[Concatenate[Any, P], Tensor], argnum: Literal[0] = 0) -> ValueAndGradient[P]: ...
@overload
def value_and_grad(f: Callable[..., Tensor], argnum: int) -> Callable[..., tuple[Any, Any]]: ...
@overload
def value_and_grad(f: Callable[..., Tensor], argnum: tuple[int, ...]) -> Callable[..., tuple[Any, tuple[Any, ...]]]: ...
def value_and_grad(f: Callable[..., Tensor], argnum: int | tuple[int, ...] = 0) -> Any:
    """A function that gives ``(f(*args), gradient)``.

    Parameters
    ----------
    f : callable
        Takes tensors where the result takes arrays, and returns a tensor with one element.
    argnum : int or tuple of int
        By which positional arguments to differentiate; a tuple gives a tuple of gradients.

    Returns
    -------
    callable
        On NumPy arrays and numbers it gives arrays and numbers (a 0-d result is a scalar), of the arguments'
        dtype; on tensors, or inside another transform, it gives tensors, so that it can be differentiated.  The
        gradient by an argument on which the value does not depend is 0.

    Raises
    ------
    TypeError
        If `f` does not return a tensor, or an argument to differentiate by is a list, tuple or dict, or holds integers.
    ValueError
        If the value has more than one element, or there is no positional argument of that number.

    Examples
    --------
    >>> import fastad
    >>> value, slope = fastad.value_and_grad(lambda x: x ** 3)(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    """
    if not callable(f):
        raise TypeError(f"grad: expected a function, got {type(f).__name__}; fastad.autograd.grad differentiates results")
    name = getattr(f, "__name__", "f")
    wanted = argnum if isinstance(argnum, tuple) else (argnum,)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, found = value_and_gradients(f, args, kwargs, wanted, name)
        return value, tuple(found) if wanted is argnum else found[0]

    return value_and_gradient


@overload
def grad(f: Callable[Concatenate[Any, P], Tensor], argnum: Literal[0] = 0) -> Gradient[P]: ...
@overload
def grad(f: Callable[..., Tensor], argnum: int) -> Callable[..., Any]: ...
@overload
def grad(f: Callable[..., Tensor], argnum: tuple[int, ...]) -> Callable[..., tuple[Any, ...]]: ...
def grad(f: Callable[..., Tensor], argnum: int | tuple[int, ...] = 0) -> Any:
    """A function that gives the gradient of `f`, which must have one element; see `value_and_grad`.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.grad(lambda x: (x ** 2).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> round(float(fastad.grad(fastad.grad(fastad.tanh))(0.5)), 12)
    -0.726861981384
    """
    both = value_and_grad(f, argnum)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient
