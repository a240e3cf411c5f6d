"""Tensors made from scratch: zeros, ones, arange, eye, ...; NumPy's constructors with `requires_grad`.

Imports the tensor only: NumPy makes the numbers and the tensor shares their fresh memory.  Next: recording.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._core.make import as_tensors, from_numpy, tensor
from ._core.tape import is_grad_enabled
from ._core.tensor import FUNCTIONS, Tensor, checked, numbers, register

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, SupportsIndex

    from ._typing import ArrayLike, DType, Order, Shape


def fresh(make: Callable[..., Any], args: tuple[Any, ...], requires_grad: bool) -> Tensor:
    """A tensor of the array that a NumPy function makes."""
    if args and isinstance(args[0], (bytes, bytearray)):          # NumPy reads the letters as lengths
        raise TypeError(f"{make.__name__}: expected a shape or a number, got {type(args[0]).__name__}")
    try:
        array = make(*args)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{make.__name__}: {error}; called with {', '.join(map(repr, args))}") from None
    t = from_numpy(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))
    return t.requires_grad_() if requires_grad else t


def plain(name: str, x: Any) -> Any:
    return numbers(x) if isinstance(x, Tensor) else checked(name, x)


def zeros(shape: Shape, dtype: DType = float, *, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; float64 unless `dtype` says otherwise.

    Examples
    --------
    >>> import fastad
    >>> fastad.zeros(2)
    tensor([0., 0.])
    """
    return fresh(np.zeros, (shape, dtype), requires_grad)


def ones(shape: Shape, dtype: DType = float, *, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; float64 unless `dtype` says otherwise.

    Examples
    --------
    >>> import fastad
    >>> fastad.ones(2)
    tensor([1., 1.])
    """
    return fresh(np.ones, (shape, dtype), requires_grad)


def empty(shape: Shape, dtype: DType = float, *, requires_grad: bool = False) -> Tensor:
    """A tensor whose elements are not set: whatever the memory held.

    Examples
    --------
    >>> import fastad
    >>> fastad.empty((2, 3)).shape
    (2, 3)
    """
    return fresh(np.empty, (shape, dtype), requires_grad)


def recorded(*values: Any) -> bool:
    return is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in values)


def spread(value: Tensor, shape: Shape, dtype: DType | None) -> Tensor:
    """A number that is being differentiated, everywhere in an array."""
    found: Tensor = FUNCTIONS["copy"](FUNCTIONS["broadcast_to"](value if dtype is None else value.astype(dtype), shape))
    return found


def full(shape: Shape, fill_value: ArrayLike, dtype: DType | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor filled with `fill_value`, in its dtype unless `dtype` says otherwise.

    The gradient of a `fill_value` that requires one is the sum of the cotangents.

    Examples
    --------
    >>> import fastad
    >>> fastad.full(2, 7.0)
    tensor([7., 7.])
    """
    if recorded(fill_value):
        return spread(as_tensors(fill_value)[0], shape, dtype)
    return fresh(np.full, (shape, plain("full", fill_value), dtype), requires_grad)


def arange(start: float, stop: float | None = None, step: float = 1, dtype: DType | None = None, *,
           requires_grad: bool = False) -> Tensor:
    """The numbers start, start + step, ... below stop; with one argument, from 0 to it.

    Examples
    --------
    >>> import fastad
    >>> fastad.arange(3)
    tensor([0, 1, 2])
    """
    if stop is None:
        start, stop = 0, start
    if stop is None:
        raise TypeError("arange: give stop, the number to end before")
    return fresh(np.arange, (start, stop, step, dtype), requires_grad)


def linspace(start: ArrayLike, stop: ArrayLike, num: SupportsIndex = 50, endpoint: bool = True,
             dtype: DType | None = None, *, requires_grad: bool = False) -> Tensor:
    """`num` numbers at equal distances from start to stop: ``start * (1 - t) + stop * t`` with t from 0 to 1.

    Examples
    --------
    >>> import fastad
    >>> fastad.linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    if recorded(start, stop):
        t = np.linspace(0, 1, num, endpoint).reshape((-1,) + (1,) * max(np.ndim(start), np.ndim(stop)))
        first, last = as_tensors(start, stop)
        value: Tensor = first * (1 - t) + last * t
        return value if dtype is None else value.astype(dtype)
    start, stop = plain("linspace", start), plain("linspace", stop)
    return fresh(np.linspace, (start, stop, num, endpoint, False, dtype), requires_grad)


def eye(N: int, M: int | None = None, k: int = 0, dtype: DType = float, *, requires_grad: bool = False) -> Tensor:
    """The matrix of shape (N, M) with ones on diagonal k and zeros elsewhere.

    Examples
    --------
    >>> import fastad
    >>> fastad.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return fresh(np.eye, (N, M, k, dtype), requires_grad)


def identity(n: int, dtype: DType = float, *, requires_grad: bool = False) -> Tensor:
    """The identity matrix of shape (n, n).

    Examples
    --------
    >>> import fastad
    >>> fastad.identity(1)
    tensor([[1.]])
    """
    return eye(n, dtype=dtype, requires_grad=requires_grad)


def like(a: ArrayLike, dtype: DType | None, shape: Shape | None) -> tuple[Any, Any]:
    """The shape and dtype for an array like `a`."""
    known = a if isinstance(a, Tensor) else np.asarray(a)
    return known.shape if shape is None else shape, known.dtype if dtype is None else dtype


def zeros_like(a: ArrayLike, dtype: DType | None = None, order: Order = "K", subok: bool = True,
               shape: Shape | None = None, *, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `a`, unless given.  `order` and `subok` are NumPy's and change nothing.

    Examples
    --------
    >>> import fastad
    >>> fastad.zeros_like(fastad.tensor([1.0, 2.0]))
    tensor([0., 0.])
    """
    return fresh(np.zeros, like(a, dtype, shape), requires_grad)


def ones_like(a: ArrayLike, dtype: DType | None = None, order: Order = "K", subok: bool = True,
              shape: Shape | None = None, *, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `a`, unless given.  `order` and `subok` are NumPy's and change nothing.

    Examples
    --------
    >>> import fastad
    >>> fastad.ones_like(fastad.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    return fresh(np.ones, like(a, dtype, shape), requires_grad)


def empty_like(prototype: ArrayLike, dtype: DType | None = None, order: Order = "K", subok: bool = True,
               shape: Shape | None = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor of the shape and dtype of `prototype`, unless given, whose elements are not set.

    Examples
    --------
    >>> import fastad
    >>> fastad.empty_like(fastad.tensor([1.0, 2.0])).shape
    (2,)
    """
    return fresh(np.empty, like(prototype, dtype, shape), requires_grad)


def full_like(a: ArrayLike, fill_value: ArrayLike, dtype: DType | None = None, order: Order = "K", subok: bool = True,
              shape: Shape | None = None, *, requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere, in the shape and dtype of `a`, unless given.

    Examples
    --------
    >>> import fastad
    >>> fastad.full_like(fastad.tensor([1.0, 2.0]), 3)
    tensor([3., 3.])
    """
    own_shape, own_dtype = like(a, dtype, shape)
    if recorded(fill_value):
        return spread(as_tensors(fill_value)[0], own_shape, own_dtype)
    return fresh(np.full, (own_shape, plain("full", fill_value), own_dtype), requires_grad)


def asarray(a: ArrayLike, dtype: DType | None = None, *, requires_grad: bool = False) -> Tensor:
    """`a` itself if it is a tensor of that dtype, else a tensor with a copy of its numbers.

    Raises what `tensor` raises.

    Examples
    --------
    >>> import fastad
    >>> fastad.asarray([1, 2])
    tensor([1, 2])
    """
    if not isinstance(a, Tensor):
        return tensor(a, dtype, requires_grad=requires_grad)
    t = a if dtype is None else a.astype(dtype, copy=False)
    return t.requires_grad_() if requires_grad else t


for _f in (zeros, ones, empty, full, arange, linspace, eye, identity, zeros_like, ones_like, empty_like, full_like,
           asarray):
    register(_f.__name__, _f)
register("array", tensor)
