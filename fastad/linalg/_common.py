"""What every family of linear algebra needs: its operands checked, transposes, batches.

Imports the core.  Next: _systems.py.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.linalg import LinAlgError

from .. import broadcast_to, moveaxis, reshape, swapaxes
from .._core.make import as_tensors, from_numpy
from .._core.tape import is_grad_enabled
from .._core.tensor import Tensor, checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._typing import ArrayLike, Arrays


def tensor(name: str, a: ArrayLike) -> Tensor:
    """`a` as a tensor, of any dtype."""
    t: Tensor = a if isinstance(a, Tensor) else as_tensors(checked(name, a))[0]
    return t


def numbers(name: str, a: ArrayLike) -> Tensor:
    """`a` as a tensor of a dtype that NumPy's linear algebra knows; integers become float64."""
    t = tensor(name, a)
    if t.dtype.kind in "biu":
        return t.astype(np.float64)
    if t.dtype.char not in "fdFD":
        raise TypeError(f"{name}: no linear algebra in {t.dtype}; use x.astype('float32') or x.astype('float64')")
    return t


def matrix(name: str, a: ArrayLike, square: bool = False, *, read: Callable[[str, ArrayLike], Tensor] = numbers) -> Tensor:
    """A matrix, or a batch of them."""
    t = read(name, a)
    if t.ndim < 2:
        raise LinAlgError(f"{name}: expected a matrix or a batch of them, got shape {t.shape}")
    if square and t.shape[-1] != t.shape[-2]:
        raise LinAlgError(f"{name}: the last two axes must be of one length, got shape {t.shape}")
    return t


def pair(name: str, a: ArrayLike, b: ArrayLike) -> tuple[Tensor, Tensor, bool]:
    """A square matrix and right sides of one dtype, as matrices, and whether they were one vector."""
    first, second = matrix(name, a, square=True), numbers(name, b)
    dtype = np.result_type(first.dtype, second.dtype)
    first, second = first.astype(dtype, copy=False), second.astype(dtype, copy=False)
    vector = second.ndim == 1
    if second.ndim == 0 or second.shape[0 if vector else -2] != first.shape[-1]:
        raise LinAlgError(f"{name}: shapes {first.shape} and {second.shape} do not fit: the right side needs "
                          f"{first.shape[-1]} rows")
    return first, (reshape(second, (*second.shape, 1)) if vector else second), vector


def constant(array: Any) -> Tensor:
    """A result of NumPy's, without derivative."""
    t: Tensor = from_numpy(np.asarray(array))
    return t


def records(*tensors: Tensor) -> bool:
    """Whether what is made of them has a derivative."""
    return is_grad_enabled() and any(t.requires_grad for t in tensors)


def real_only(name: str, *tensors: Tensor) -> None:
    """The rules of functions of Hermitian matrices, and of lengths, are stated for real numbers."""
    if any(t.dtype.kind == "c" for t in tensors) and records(*tensors):
        raise TypeError(f"{name}: no derivative rule for complex tensors; use detach(), or real and imaginary parts apart")


def T(x: Tensor) -> Tensor:
    """Transposed matrices."""
    return swapaxes(x, -1, -2)


def symmetric(x: Tensor) -> Tensor:
    """The symmetric part."""
    return (x + T(x)) * 0.5


def eye(a: Tensor | Arrays) -> Arrays:
    """The identity, as large as the last axis of `a`."""
    return np.eye(a.shape[-1], dtype=a.dtype)


def matched(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """Matrices `a` and right sides `b` of one batch shape, and what undoes the change to a solution.

    Leading axes that only b has become columns: the matrix is then factored once, not once for each of them."""
    extra = b.ndim - a.ndim

    def unchanged(x: Tensor) -> Tensor:
        return x

    def apart(x: Tensor) -> Tensor:
        return reshape(moveaxis(reshape(x, (*x.shape[:-1], count, k)), -2, 0), (*lead, *x.shape[:-1], k))

    undo = unchanged
    if extra > 0:
        lead, rest, k = b.shape[:extra], b.shape[extra:-1], b.shape[-1]
        count = math.prod(lead)
        b = reshape(moveaxis(reshape(b, (count, *rest, k)), 0, -2), (*rest, count * k))
        undo = apart
    if a.shape[:-2] != b.shape[:-2]:
        try:
            batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise LinAlgError(f"{name}: batches of shapes {a.shape} and {b.shape} do not broadcast") from None
        a, b = broadcast_to(a, batch + a.shape[-2:]), broadcast_to(b, batch + b.shape[-2:])
    return a, b, undo


def through(name: str, function: Callable[..., Any], *arrays: Any, hint: str, **options: Any) -> Any:
    """NumPy's function; its errors name the operation and the remedy.  Other arguments are `options`."""
    try:
        return function(*arrays, **options)
    except LinAlgError as error:
        shapes = " and ".join(str(a.shape) for a in arrays)
        raise LinAlgError(f"{name}: {str(error)[:1].lower()}{str(error)[1:]} (shape {shapes}); {hint}") from None
