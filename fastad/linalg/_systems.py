"""Systems of equations: inv, solve, solve_triangular, cholesky_solve.

With X = A^-1 B: dX = A^-1 (dB - dA X), and backward B' = A^-T X', A' = -B' X^T.

Imports _common.py.  Next: _determinants.py, _factors.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.linalg import LinAlgError

from .. import conj, reshape, tril, triu
from .._core import blas
from .._core.make import Rule
from .._core.tensor import Tensor, register
from ._common import T, matched, matrix, pair, through

if TYPE_CHECKING:
    from typing import Literal

    from .._typing import ArrayLike, Arrays

REGULAR = "it has no inverse: use lstsq or pinv, or add to its diagonal"
BLOCK = 32                                # rows that are solved for at once where the BLAS has no function for it


# ---- inv ---------------------------------------------------------------------------------------------
class Inv(Rule):
    """Y = A^-1; dY = -Y dA Y"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        y, = saved
        return (-(T(y) @ g @ T(y)),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        y, = saved
        return -(y @ tangents[0] @ y)


INV = Inv("inv")


def inv(a: ArrayLike) -> Tensor:
    """The inverse of a matrix.

    Its tangent is ``-inv(a) da inv(a)``.  To solve a system, `solve` is faster and more accurate.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is singular or not square (a ValueError).

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.inv([[2.0, 0.0], [0.0, 4.0]])
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return inverse("inv", matrix("inv", a, square=True))


def inverse(name: str, a: Tensor) -> Tensor:
    """The same for another function, which the error names."""
    return INV.apply(lambda x: through(name, np.linalg.inv, x, hint=REGULAR), [a], None, (~0,))[0]


# ---- solve -------------------------------------------------------------------------------------------
class Solve(Rule):
    """X = A^-1 B"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor | None, Tensor]:
        a, x = saved
        gb = solved(T(a), g)
        return (-(gb @ T(x)) if node.needs(0) else None), gb

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: Any) -> Tensor:
        a, x = saved
        da, db = tangents
        if da is None:
            return solved(a, db)
        return solved(a, -(da @ x) if db is None else db - da @ x)


SOLVE = Solve("solve")


def solved(a: Tensor, b: Tensor) -> Tensor:
    """A^-1 B for matrices B."""
    a, b, undo = matched("solve", a, b)
    return undo(SOLVE.apply(lambda x, y: through("solve", np.linalg.solve, x, y, hint=REGULAR), [a, b], None, (0, ~0))[0])


def solve(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The solution x of ``a x = b``.

    Backward: ``b' = inv(a).T x'`` and ``a' = -b' x^T``.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
    b : array_like, shape (n,) or (..., n, k)
        A vector only if it has one axis, as in NumPy.  The leading axes of both broadcast.

    Returns
    -------
    Tensor of the shape of `b`, with the leading axes broadcast.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is singular or the shapes do not fit (a ValueError).

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
    tensor([1. , 0.5])
    """
    first, second, vector = pair("solve", a, b)
    x = solved(first, second)
    return reshape(x, x.shape[:-1]) if vector else x


# ---- triangular systems ------------------------------------------------------------------------------
def by_halves(a: Arrays, b: Arrays, unit: bool) -> Arrays:
    """Back substitution with upper triangles, most of it as matrix products."""
    n = a.shape[-1]
    if n <= BLOCK:
        a = np.triu(a)
        if unit:
            a[..., range(n), range(n)] = 1
        return np.linalg.solve(a, b)      # its pivots are the diagonal, for there is nothing below
    half = n // 2
    x = np.empty_like(b)
    x[..., half:, :] = by_halves(a[..., half:, half:], b[..., half:, :], unit)
    x[..., :half, :] = by_halves(a[..., :half, :half], b[..., :half, :] - a[..., :half, half:] @ x[..., half:, :], unit)
    return x


def substituted(a: Arrays, b: Arrays, lower: bool, unit: bool) -> Arrays:
    """The solution of triangular systems, of one batch shape."""
    if not unit and a.size and not np.diagonal(a, axis1=-2, axis2=-1).all():
        raise LinAlgError(f"solve_triangular: singular matrix (shape {a.shape}): its diagonal holds a 0; {REGULAR}")
    trans = a.flags.f_contiguous and a.ndim == 2
    dense = a.T if trans else np.ascontiguousarray(a)
    x = np.array(b, order="C")
    if blas.solve_triangular(dense, x, lower != trans, trans, unit):
        return x
    if lower:                             # read backwards it is an upper one
        return by_halves(a[..., ::-1, ::-1], b[..., ::-1, :], unit)[..., ::-1, :]
    return by_halves(a, b, unit)


class SolveTriangular(Rule):
    """X = A^-1 B; what does not stand in the triangle has no derivative"""

    def statics(self, node: Any) -> dict[int | str, Any]:
        return dict(zip(("lower", "unit_diagonal"), node.args, strict=True))

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor | None, Tensor]:
        a, x = saved
        lower, unit = node.args
        gb = triangular(T(a), g, not lower, unit)
        return (-triangle(gb @ T(x), lower, unit) if node.needs(0) else None), gb

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: Any) -> Tensor:
        a, x = saved
        da, db = tangents
        lower, unit = node.args
        if da is not None:
            moved = triangle(da, lower, unit) @ x
            db = -moved if db is None else db - moved
        return triangular(a, db, lower, unit)


SOLVE_TRIANGULAR = SolveTriangular("solve_triangular")


def triangle(x: Tensor, lower: bool, unit: bool) -> Tensor:
    """What a triangular system reads of a matrix."""
    return tril(x, -int(unit)) if lower else triu(x, int(unit))


def triangular(a: Tensor, b: Tensor, lower: bool, unit: bool = False) -> Tensor:
    """A^-1 B for triangles A and matrices B."""
    a, b, undo = matched("solve_triangular", a, b)
    return undo(SOLVE_TRIANGULAR.apply(lambda x, y: substituted(x, y, lower, unit), [a, b], (lower, unit), (0, ~0))[0])


def solve_triangular(a: ArrayLike, b: ArrayLike, trans: Literal[0, 1, 2, "N", "T", "C"] = 0, lower: bool = False,
                     unit_diagonal: bool = False) -> Tensor:
    """The solution x of ``a x = b`` for a triangular matrix, as ``scipy.linalg.solve_triangular``.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
        What stands in the other triangle is not read and receives no gradient.
    b : array_like, shape (n,) or (..., n, k)
        The leading axes of both broadcast.
    trans : {0, 1, 2, 'N', 'T', 'C'}
        1 or 'T' solves ``a.T x = b``; 2 or 'C' takes the conjugate as well.
    lower : bool
        Whether the lower triangle is read.
    unit_diagonal : bool
        Take the diagonal for ones; it is not read.

    Raises
    ------
    numpy.linalg.LinAlgError
        If an element of the diagonal is 0 or the shapes do not fit (a ValueError).

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.solve_triangular([[2.0, 0.0], [1.0, 4.0]], [2.0, 3.0], lower=True)
    tensor([1. , 0.5])
    """
    first, second, vector = pair("solve_triangular", a, b)
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C', got {trans!r}")
    if trans in (2, "C") and first.dtype.kind == "c":
        first = conj(first)
    lower = bool(lower)
    x = triangular(first, second, lower, bool(unit_diagonal)) if trans in (0, "N") else \
        triangular(T(first), second, not lower, bool(unit_diagonal))
    return reshape(x, x.shape[:-1]) if vector else x


def cholesky_solve(b: ArrayLike, L: ArrayLike, upper: bool = False) -> Tensor:
    """The solution x of ``L L^H x = b``, from the Cholesky factor; two triangular systems.

    Parameters
    ----------
    b : array_like, shape (n,) or (..., n, k)
    L : array_like, shape (..., n, n)
        The lower triangle is read; if `upper`, the upper one, and the matrix is ``L^H L``.
    upper : bool

    Raises
    ------
    numpy.linalg.LinAlgError
        If an element of the diagonal is 0 or the shapes do not fit (a ValueError).

    Examples
    --------
    >>> import fastad
    >>> L = fastad.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]])
    >>> fastad.linalg.cholesky_solve([8.0, 8.0], L)
    tensor([1.5, 1. ])
    """
    first, second, vector = pair("cholesky_solve", L, b)
    adjoint = T(conj(first) if first.dtype.kind == "c" else first)
    lower, other = (adjoint, first) if upper else (first, adjoint)
    x = triangular(other, triangular(lower, second, True), False)
    return reshape(x, x.shape[:-1]) if vector else x


PRIMITIVES = {p.name: p for p in (INV, SOLVE, SOLVE_TRIANGULAR)}
for _f in (inv, solve):
    register(f"linalg.{_f.__name__}", _f)
