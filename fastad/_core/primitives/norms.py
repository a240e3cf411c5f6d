"""Level 4: var, std and norm, composed of operations that have rules.

Imports squares.pyx, and the families below through the table of functions.  Next: plain.py.
"""
import math

import numpy as np

from ..exchange import function_named
from ..tensor import FUNCTIONS, numbers, register
from .arrange import as_tensor
from .shape import axes_in_order
from .squares import sum_of_squares


def mean_square(name, a, axis, dtype, out, ddof, keepdims, correction, where):
    """The sum of squares about the mean, divided by n - ddof, and the dtype of the result."""
    if out is not None or where is not True:
        raise TypeError(f"{name}: out= and where= are not supported; assign the result, or select the elements first")
    if correction is not None:
        if ddof:
            raise ValueError(f"{name}: ddof and correction are two names of one number; give one")
        ddof = correction
    a = as_tensor(a)
    dtype = np.dtype(dtype) if dtype is not None else a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)
    work = np.dtype(np.float32) if dtype == np.float16 else dtype      # as NumPy does
    if a.dtype is not work:
        a = a.astype(work, copy=False)
    axes = axes_in_order(name, axis, a.ndim)
    n = math.prod([a.shape[k] for k in axes])
    return sum_of_squares(a, axes, keepdims, central=True) / max(n - ddof, 0), dtype


def finished(y, dtype):
    """y in the real dtype that goes with `dtype`."""
    return y if y.dtype is dtype else y.astype(np.zeros((), dtype).real.dtype, copy=False)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, correction=None):
    """The variance over all axes, or those named: sum abs(x - mean x)^2 / (n - ddof).

    Parameters
    ----------
    axis : None, int or tuple of int
    dtype : dtype, optional
        `a` is cast to it first; integers become float64.
    ddof, correction : number
        Two names for what is subtracted from n.
    keepdims : bool

    Raises
    ------
    numpy.exceptions.AxisError, ValueError
        If an axis does not exist, or is named twice; if both `ddof` and `correction` are given.
    TypeError
        For `out` and `where`.

    Examples
    --------
    >>> import fastad
    >>> fastad.var(fastad.tensor([1.0, 2.0, 3.0, 4.0])).item()
    1.25
    """
    return finished(*mean_square("var", a, axis, dtype, out, ddof, keepdims, correction, where))


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, correction=None):
    """The standard deviation: the square root of `var`, with the same arguments and errors.

    Where the sum of squares is 0 its gradient is 0, as that of `norm`.

    Examples
    --------
    >>> import fastad
    >>> fastad.std(fastad.tensor([1.0, 3.0])).item()
    1.0
    """
    y, dtype = mean_square("std", a, axis, dtype, out, ddof, keepdims, correction, where)
    return finished(root(y, 2), dtype)


def root(s, p):
    """s ** (1 / p) for s >= 0, with derivatives 0 at s = 0."""
    zero = np.asarray(numbers(s) == 0)
    if not zero.any():
        return FUNCTIONS["sqrt"](s) if p == 2 else s ** (1 / p)
    safe = FUNCTIONS["where"](zero, 1.0, s)
    return FUNCTIONS["where"](zero, 0.0, FUNCTIONS["sqrt"](safe) if p == 2 else safe ** (1 / p))


def power(x, p):
    """abs(x) ** p, with derivatives 0 at x = 0."""
    x = FUNCTIONS["abs"](x)
    zero = np.asarray(numbers(x) == 0)
    if not zero.any():
        return x ** p
    return FUNCTIONS["where"](zero, 0.0, FUNCTIONS["where"](zero, 1.0, x) ** p)


def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors or matrices, as ``numpy.linalg.norm``.

    Parameters
    ----------
    x : Tensor or array_like
    ord : None, number, inf, -inf or 'fro'
        None: the square root of the sum of squares.  Of vectors: p > 0 gives ``sum(abs(x)**p)**(1/p)``, inf and -inf
        the largest and smallest ``abs(x)``, 0 the number of elements that are not 0 (without derivative).  Of
        matrices: 'fro' as None; 1, -1, inf, -inf the largest or smallest sum of a column or row; 2, -2, 'nuc' the
        largest, the smallest and the sum of the singular values.
    axis : None, int or pair of int
        An integer: vectors along it.  A pair: matrices.  None: the whole array, flattened if `ord` is None, else a
        vector or matrix.
    keepdims : bool

    The gradient of the 2-norm is x / norm(x) (conj(x) / norm(x) of complex numbers), and 0 at the zero vector.

    Raises
    ------
    ValueError
        If `ord` does not go with the number of axes.
    TypeError
        For the norms 2, -2 and 'nuc' of complex matrices that require a gradient.

    Examples
    --------
    >>> import fastad
    >>> fastad.norm(fastad.tensor([3.0, 4.0])).item()
    5.0
    """
    x = as_tensor(x)
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    if axis is None and (ord is None or (x.ndim == 1 and ord == 2) or (x.ndim == 2 and ord == "fro")):
        return root(sum_of_squares(x, tuple(range(x.ndim)), keepdims), 2)
    axes = axes_in_order("norm", axis, x.ndim)
    if len(axes) == 1:
        return vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"norm: ord={ord!r} needs one axis or two, got shape {x.shape} and axis {axis}; flatten first")


def vector_norm(x, ord, axis, keepdims):
    if ord is None or ord == 2:
        return root(sum_of_squares(x, (axis,), keepdims), 2)
    if ord == 1:
        return FUNCTIONS["abs"](x).sum(axis, keepdims=keepdims)
    if ord == np.inf:
        return FUNCTIONS["abs"](x).max(axis, keepdims=keepdims)
    if ord == -np.inf:
        return FUNCTIONS["abs"](x).min(axis, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(x.real.dtype).sum(axis, keepdims=keepdims)
    if isinstance(ord, str) or not ord > 0:
        raise ValueError(f"norm: ord of a vector must be None, a number >= 0, inf or -inf, got {ord!r}")
    return root(power(x, ord).sum(axis, keepdims=keepdims), ord)


def matrix_norm(x, ord, axes, keepdims):
    if ord is None or ord == "fro":
        return root(sum_of_squares(x, axes, keepdims), 2)
    if ord in (2, -2, "nuc"):
        s = function_named("linalg.svdvals")(FUNCTIONS["moveaxis"](x, axes, (-2, -1)))
        y = s.sum(-1) if ord == "nuc" else s.max(-1) if ord == 2 else s.min(-1)
        return FUNCTIONS["expand_dims"](y, tuple(sorted(axes))) if keepdims else y
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(f"norm: ord of a matrix must be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}. Give "
                         f"axis=int for vectors, or flatten")
    added, compared = axes if abs(ord) == 1 else axes[::-1]
    sums = FUNCTIONS["abs"](x).sum(added, keepdims=True)
    y = FUNCTIONS["max" if ord > 0 else "min"](sums, compared, keepdims=True)
    return y if keepdims else FUNCTIONS["squeeze"](y, axes)


for _f in (var, std):
    register(_f.__name__, _f, method=True)
register("norm", norm, numpy="linalg.norm")
