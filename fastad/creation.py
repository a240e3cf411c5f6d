"""Tensors made from scratch: zeros, ones, arange, eye, ...; NumPy's constructors with `requires_grad`.

Imports the tensor only: NumPy makes the numbers and the tensor shares their fresh memory.  Next: autograd.py.
"""
import numpy as np

from ._core.make import from_numpy, tensor
from ._core.tensor import Tensor, checked, register


def fresh(make, args, requires_grad):
    """A tensor of the array that a NumPy function makes."""
    if args and isinstance(args[0], (bytes, bytearray)):          # NumPy reads the letters as lengths
        raise TypeError(f"{make.__name__}: expected a shape or a number, got {type(args[0]).__name__}")
    try:
        array = make(*args)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{make.__name__}: {error}; called with {', '.join(map(repr, args))}") from None
    t = from_numpy(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))
    return t.requires_grad_() if requires_grad else t


def plain(name, x):
    return x.detach().numpy() if isinstance(x, Tensor) else checked(name, x)


def zeros(shape, dtype=float, *, requires_grad=False):
    """A tensor of zeros; float64 unless `dtype` says otherwise.

    Examples
    --------
    >>> import fastad
    >>> fastad.zeros(2)
    tensor([0., 0.])
    """
    return fresh(np.zeros, (shape, dtype), requires_grad)


def ones(shape, dtype=float, *, requires_grad=False):
    """A tensor of ones; float64 unless `dtype` says otherwise.

    Examples
    --------
    >>> import fastad
    >>> fastad.ones(2)
    tensor([1., 1.])
    """
    return fresh(np.ones, (shape, dtype), requires_grad)


def empty(shape, dtype=float, *, requires_grad=False):
    """A tensor whose elements are not set: whatever the memory held.

    Examples
    --------
    >>> import fastad
    >>> fastad.empty((2, 3)).shape
    (2, 3)
    """
    return fresh(np.empty, (shape, dtype), requires_grad)


def full(shape, fill_value, dtype=None, *, requires_grad=False):
    """A tensor filled with `fill_value`, in its dtype unless `dtype` says otherwise.

    Examples
    --------
    >>> import fastad
    >>> fastad.full(2, 7.0)
    tensor([7., 7.])
    """
    return fresh(np.full, (shape, plain("full", fill_value), dtype), requires_grad)


def arange(start, stop=None, step=1, dtype=None, *, requires_grad=False):
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


def linspace(start, stop, num=50, endpoint=True, dtype=None, *, requires_grad=False):
    """`num` numbers at equal distances from start to stop.  Constants: there is no derivative by start or stop.

    Examples
    --------
    >>> import fastad
    >>> fastad.linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    start, stop = plain("linspace", start), plain("linspace", stop)
    return fresh(np.linspace, (start, stop, num, endpoint, False, dtype), requires_grad)


def eye(N, M=None, k=0, dtype=float, *, requires_grad=False):
    """The matrix of shape (N, M) with ones on diagonal k and zeros elsewhere.

    Examples
    --------
    >>> import fastad
    >>> fastad.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return fresh(np.eye, (N, M, k, dtype), requires_grad)


def identity(n, dtype=float, *, requires_grad=False):
    """The identity matrix of shape (n, n).

    Examples
    --------
    >>> import fastad
    >>> fastad.identity(1)
    tensor([[1.]])
    """
    return eye(n, dtype=dtype, requires_grad=requires_grad)


def like(a, dtype, shape):
    """The shape and dtype for an array like `a`."""
    a = a if isinstance(a, Tensor) else np.asarray(a)
    return a.shape if shape is None else shape, a.dtype if dtype is None else dtype


def zeros_like(a, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False):
    """Zeros of the shape and dtype of `a`, unless given.  `order` and `subok` are NumPy's and change nothing.

    Examples
    --------
    >>> import fastad
    >>> fastad.zeros_like(fastad.tensor([1.0, 2.0]))
    tensor([0., 0.])
    """
    return fresh(np.zeros, like(a, dtype, shape), requires_grad)


def ones_like(a, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False):
    """Ones of the shape and dtype of `a`, unless given.  `order` and `subok` are NumPy's and change nothing.

    Examples
    --------
    >>> import fastad
    >>> fastad.ones_like(fastad.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    return fresh(np.ones, like(a, dtype, shape), requires_grad)


def empty_like(prototype, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False):
    """A tensor of the shape and dtype of `prototype`, unless given, whose elements are not set.

    Examples
    --------
    >>> import fastad
    >>> fastad.empty_like(fastad.tensor([1.0, 2.0])).shape
    (2,)
    """
    return fresh(np.empty, like(prototype, dtype, shape), requires_grad)


def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, requires_grad=False):
    """`fill_value` everywhere, in the shape and dtype of `a`, unless given.

    Examples
    --------
    >>> import fastad
    >>> fastad.full_like(fastad.tensor([1.0, 2.0]), 3)
    tensor([3., 3.])
    """
    shape, dtype = like(a, dtype, shape)
    return fresh(np.full, (shape, plain("full", fill_value), dtype), requires_grad)


def asarray(a, dtype=None, *, requires_grad=False):
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
