"""What is composed of the others: norms, cond, lstsq, powers and products of matrices, tensorsolve.

Imports _spectra.py and _systems.py.
"""
from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.linalg import LinAlgError

from .. import broadcast_to, conj, matmul, moveaxis, norm, ravel, reshape, stack, tensordot
from .. import diagonal as any_diagonal
from .. import outer as any_outer
from .._core.tensor import Tensor, register
from ._common import T, constant, eye, matrix, numbers, records, tensor, through
from ._spectra import FINITE, pinv, svdvals
from ._systems import inverse, solve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import SupportsIndex

    from .._typing import ArrayLike, Axes, DType


# ---- norms and condition -----------------------------------------------------------------------------
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of matrices, over the last two axes: `fastad.norm` with its kinds.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.matrix_norm([[3.0, 0.0], [0.0, 4.0]], ord=2).item()
    4.0
    """
    return norm(matrix("matrix_norm", x), ord, (-2, -1), keepdims)


def vector_norm(x: ArrayLike, /, *, axis: Axes = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """The norm of vectors: `fastad.norm`, over one axis, several taken together, or all.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.vector_norm([[3.0, 0.0], [0.0, 4.0]]).item()
    5.0
    """
    t = numbers("vector_norm", x)
    if axis is None:
        axis = tuple(range(t.ndim))
    if not isinstance(axis, (tuple, list)):
        return norm(t, ord, axis, keepdims)
    kept = [1 if k in {operator.index(j) % max(t.ndim, 1) for j in axis} else n for k, n in enumerate(t.shape)]
    together = moveaxis(t, axis, tuple(range(len(axis))))
    together = reshape(together, (math.prod(together.shape[:len(axis)]), *together.shape[len(axis):]))
    y = norm(together, ord, 0)
    return reshape(y, tuple(kept)) if keepdims else y


def cond(x: ArrayLike, p: Any = None) -> Tensor:
    """The condition number of matrices: the norm times that of the inverse.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
        Square, unless `p` is None, 2 or -2.
    p : {None, 2, -2, 1, -1, inf, -inf, 'fro', 'nuc'}
        The norm; None is 2, the ratio of the largest singular value to the smallest.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is empty, or not square and must be; for the derivative of a singular matrix that needs its
        inverse (a ValueError).

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.cond([[3.0, 0.0], [0.0, 4.0]]).item()
    1.3333333333333333
    """
    t = matrix("cond", x)
    if not records(t):
        return constant(through("cond", np.linalg.cond, t.detach().numpy(), hint=FINITE, p=p))
    if 0 in t.shape:
        raise LinAlgError(f"cond: an empty matrix of shape {t.shape} has no condition")
    if p in (None, 2, -2):
        s = svdvals(t)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    t = matrix("cond", t, square=True)
    return norm(t, p, (-2, -1)) * norm(inverse("cond", t), p, (-2, -1))


def matrix_rank(A: ArrayLike, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Tensor:
    """The number of singular values above a tolerance, as ``numpy.linalg.matrix_rank``; it has no derivative.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]).item()
    1
    """
    options = {} if rtol is None else {"rtol": rtol}
    return constant(np.linalg.matrix_rank(numbers("matrix_rank", A).detach().numpy(), tol, hermitian, **options))


# ---- least squares -----------------------------------------------------------------------------------
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> tuple[Tensor, Tensor, int, Tensor]:
    """The x that makes ``|a x - b|`` least, and the shortest of several.

    The derivative is that of ``pinv(a) @ b``, for matrices of the same rank.

    Parameters
    ----------
    a : array_like, shape (m, n)
    b : array_like, shape (m,) or (m, k)
    rcond : float, optional
        The ratio to the largest singular value up to which one counts as 0; default max(m, n) times the dtype's
        epsilon.

    Returns
    -------
    x : Tensor of shape (n,) or (n, k)
    residuals : Tensor
        The sums of squares of ``b - a x``, one for each column; empty if the rank is below n or m is not above n.
    rank : int
    s : Tensor
        The singular values of `a`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the shapes do not fit (a ValueError).
    TypeError
        For a complex tensor that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> x, residuals, rank, s = fastad.linalg.lstsq([[1.0], [1.0]], [1.0, 3.0])
    >>> x.round(6).item(), residuals.round(6).item(), rank
    (2.0, 2.0, 1)
    """
    first, second = numbers("lstsq", a), numbers("lstsq", b)
    if first.ndim != 2 or second.ndim not in (1, 2) or second.shape[0] != first.shape[0]:
        raise LinAlgError(f"lstsq: expected shapes (m, n) and (m,) or (m, k), got {first.shape} and {second.shape}")
    arrays = first.detach().numpy(), second.detach().numpy()
    x, residuals, rank, s = through("lstsq", np.linalg.lstsq, *arrays, hint=FINITE, rcond=rcond)
    if not records(first, second):
        return constant(x), constant(residuals), int(rank), constant(s)
    cut = max(first.shape) * np.finfo(first.dtype).eps if rcond is None else rcond
    found = matmul(pinv(first, cut), second)
    squares = (abs(second - first @ found) ** 2).sum(0) if residuals.size else constant(residuals)
    return found, reshape(squares, residuals.shape), int(rank), svdvals(first)


# ---- products ----------------------------------------------------------------------------------------
def matrix_power(a: ArrayLike, n: SupportsIndex) -> Tensor:
    """The product of n equal square matrices, by repeated squaring; of the inverse if n is negative.

    Raises LinAlgError if a matrix is not square, or singular and n negative; TypeError if n is no integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    square, n = matrix("matrix_power", a, square=True, read=tensor), operator.index(n)
    if n == 0:
        return broadcast_to(constant(eye(square)), square.shape).copy()
    if n < 0:
        square, n = inverse("matrix_power", matrix("matrix_power", square)), -n
    y = None
    while True:
        if n & 1:
            y = square if y is None else y @ square
        n >>= 1
        if not n:
            assert y is not None          # the highest bit is 1
            return y
        square = square @ square


def multi_dot(arrays: Sequence[ArrayLike], *, out: None = None) -> Tensor:
    """The product of two or more matrices, in the order that needs the fewest multiplications.

    The first may be a vector, taken for a row, and the last one, taken for a column.  Raises ValueError for fewer than
    two or shapes that do not fit, TypeError for `out`.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.multi_dot([[[1.0, 2.0]], [[3.0], [4.0]], [[2.0]]])
    tensor([[22.]])
    """
    if out is not None:
        raise TypeError("multi_dot: out= is not supported; assign the result")
    parts = [tensor("multi_dot", x) for x in arrays]
    n = len(parts)
    shapes = [t.shape for t in parts]
    if n < 2:
        raise ValueError(f"multi_dot: expected two arrays or more, got {n}")
    if any(len(s) != 2 for s in shapes[1:-1]) or not all(len(s) in (1, 2) for s in (shapes[0], shapes[-1])):
        raise LinAlgError(f"multi_dot: expected matrices, and vectors only first and last, got shapes {shapes}")
    ends = 1 if len(shapes[0]) == 1 else shapes[0][0], 1 if len(shapes[-1]) == 1 else shapes[-1][1]
    sizes = [ends[0], *(s[0] for s in shapes[1:]), ends[1]]
    if any(len(s) == 2 and s[-1] != sizes[i + 1] for i, s in enumerate(shapes)):
        raise ValueError(f"multi_dot: shapes {shapes} do not fit")
    cost = {(i, i): (0, i) for i in range(n)}         # of the product of parts i to j, and where it is cut
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j] = min((cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                             for k in range(i, j))

    def product(i: int, j: int) -> Tensor:
        k = cost[i, j][1]
        return parts[i] if i == j else matmul(product(i, k), product(k + 1, j))
    return product(0, n - 1)


def matrix_transpose(x: ArrayLike, /) -> Tensor:
    """Transposed matrices: the last two axes change places.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.matrix_transpose([[1.0, 2.0]])
    tensor([[1.],
            [2.]])
    """
    return T(matrix("matrix_transpose", x, read=tensor))


def diagonal(x: ArrayLike, /, *, offset: SupportsIndex = 0) -> Tensor:
    """The diagonal of the last two axes.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.diagonal([[1.0, 2.0], [3.0, 4.0]])
    tensor([1., 4.])
    """
    return any_diagonal(matrix("diagonal", x, read=tensor), offset, -2, -1)


def trace(x: ArrayLike, /, *, offset: SupportsIndex = 0, dtype: DType | None = None) -> Tensor:
    """The sum of the diagonal of the last two axes.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.trace([[1.0, 2.0], [3.0, 4.0]]).item()
    5.0
    """
    y: Tensor = diagonal(x, offset=offset).sum(-1)
    return y if dtype is None else y.astype(dtype)


def outer(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """All products of two vectors, ``y[i, j] = x1[i] x2[j]``.  Raises ValueError for what is no vector.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.outer([1.0, 2.0], [3.0, 4.0])
    tensor([[3., 4.],
            [6., 8.]])
    """
    a, b = tensor("outer", x1), tensor("outer", x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got shapes {a.shape} and {b.shape}; fastad.outer flattens")
    return any_outer(a, b)


def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: SupportsIndex = -1) -> Tensor:
    """The vector product of vectors with three elements, along an axis.

    Raises ValueError if the axis has another length, or the shapes do not broadcast.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    tensor([0., 0., 1.])
    """
    a, b = (moveaxis(tensor("cross", x), axis, -1) for x in (x1, x2))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: vectors of 3 elements are needed along axis {axis}, got {a.shape[-1]} and {b.shape[-1]}")
    a1, a2, a3, b1, b2, b3 = (x[..., k] for x in (a, b) for k in range(3))
    return moveaxis(stack([a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1], -1), -1, axis)


def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: SupportsIndex = -1) -> Tensor:
    """The sum of the products of two arrays of vectors along an axis; complex `x1` is conjugated.

    Raises ValueError if the vectors differ in length.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    tensor([3., 7.])
    """
    a, b = (moveaxis(tensor("vecdot", x), axis, -1) for x in (x1, x2))
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"vecdot: vectors of one length are needed along axis {axis}, got {a.shape[-1]} and {b.shape[-1]}")
    y: Tensor = ((conj(a) if a.dtype.kind == "c" else a) * b).sum(-1)
    return y


# ---- tensors as matrices -----------------------------------------------------------------------------
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: Sequence[int] | None = None) -> Tensor:
    """The x of ``tensordot(a, x, x.ndim) = b``: `solve` with several axes taken together.

    Parameters
    ----------
    a : array_like, shape b.shape + Q, where the product of Q is the size of b
    b : array_like
    axes : sequence of int, optional
        Axes of `a` to move to its end first.

    Raises LinAlgError if the sizes do not fit, or the matrix is singular.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.tensorsolve(fastad.eye(4).reshape(2, 2, 4), [[1.0, 2.0], [3.0, 4.0]])
    tensor([1., 2., 3., 4.])
    """
    first, second = numbers("tensorsolve", a), numbers("tensorsolve", b)
    if axes is not None:
        for k in axes:
            first = moveaxis(first, k, first.ndim - 1)
    rest, n = first.shape[second.ndim:], second.size
    if math.prod(rest) != n or first.size != n * n:
        raise LinAlgError(f"tensorsolve: shapes {first.shape} and {second.shape} do not fit: the first must be a square "
                          f"matrix if its first {second.ndim} axes are taken together, and the others")
    return reshape(solve(reshape(first, (n, n)), ravel(second)), rest)


def tensorinv(a: ArrayLike, ind: SupportsIndex = 2) -> Tensor:
    """The inverse of `a` as a map of tensors: its first `ind` axes taken together, and the others.

    Raises LinAlgError if these are not of one size, or the matrix is singular; ValueError if `ind` is not above 0.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.tensorinv(2 * fastad.eye(4).reshape(2, 2, 4), ind=2).shape
    (4, 2, 2)
    """
    t, k = numbers("tensorinv", a), operator.index(ind)
    if k <= 0:
        raise ValueError(f"tensorinv: ind must be above 0, got {ind}")
    n = math.prod(t.shape[k:])
    if t.size != n * n:
        raise LinAlgError(f"tensorinv: shape {t.shape} is no square matrix if its first {k} axes are taken together, and "
                          f"the others")
    return reshape(inverse("tensorinv", reshape(t, (n, n))), t.shape[k:] + t.shape[:k])


for _f in (matrix_norm, vector_norm, cond, matrix_rank, lstsq, matrix_power, multi_dot, matrix_transpose, diagonal, trace,
           outer, cross, vecdot, tensorsolve, tensorinv, matmul, tensordot):
    register(f"linalg.{_f.__name__}", _f)
