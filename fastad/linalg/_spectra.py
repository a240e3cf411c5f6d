"""Eigenvalues and singular values: eigh, eigvalsh, svd, svdvals, pinv.

The derivatives of vectors that belong to equal values, or to singular values of 0, are not defined: they are NaN, while
those of the values, and of the other vectors, stay right.  So are second derivatives of equal values.

Imports _common.py.  Next: _eig.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import diagonal, expand_dims
from .._core.make import Rule
from .._core.tensor import Tensor, register
from ._common import T, constant, eye, matrix, real_only, records, symmetric, through

if TYPE_CHECKING:
    from typing import Literal

    from .._typing import ArrayLike, Arrays

FINITE = "its elements must be finite"
NONE = np.array([False])                  # of the columns


class Undefined(Rule):
    """y = x; where there is no derivative it is NaN, so that what would be lost at second order is not taken for 0"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        found: Tensor = g * node.args
        return (found,)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        found: Tensor = tangents[0] * node.args
        return found


UNDEFINED = Undefined("eigenvectors of equal eigenvalues")


def undefined(x: Tensor, where: Arrays) -> Tensor:
    """x, of which the elements marked by `where` have no derivative."""
    if not where.any() or not records(x):
        return x
    return UNDEFINED.apply(np.copy, [x], np.where(where, np.array(np.nan, x.dtype), 1))[0]


def equal_pairs(values: Tensor) -> Arrays:
    """Which of all v_i and v_j, i and j different, are equal to working precision."""
    v = values.detach().numpy()
    resolved = v.shape[-1] * np.finfo(v.dtype).eps * np.abs(v).max(-1, initial=0)[..., None, None]
    found: Arrays = (np.abs(v[..., None, :] - v[..., :, None]) <= resolved) & ~np.eye(v.shape[-1], dtype=bool)
    return found


def columns_of(pairs: Arrays) -> Arrays:
    """The columns of a matrix of vectors that are among the pairs."""
    found: Arrays = np.asarray(pairs.any(-2))[..., None, :]
    return found


def unused(g: Tensor) -> Arrays:
    """The columns of a cotangent that are zeros: nothing asks how these vectors turn."""
    found: Arrays = np.asarray((g.detach().numpy() == 0).all(-2))
    return found


def turns(values: Tensor, m: Tensor, equal: Arrays, idle: Arrays) -> Tensor:
    """m_ij / (v_j - v_i), and 0 on the diagonal; NaN for equal pairs, but 0 if both columns are idle."""
    nothing = equal & idle[..., None, :] & idle[..., :, None]
    one = eye(values)
    instead = np.where(equal & ~nothing, np.array(np.nan, values.dtype), np.where(nothing, 1, one).astype(values.dtype))
    weights = np.where(nothing, 0, 1 - one).astype(values.dtype)
    return undefined(m, nothing) * (weights / (expand_dims(values, -2) - expand_dims(values, -1) + instead))


# ---- eigenvalues of symmetric matrices ---------------------------------------------------------------
class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class Eigh(Rule):
    """A V = V diag(w); dw = diag(V^T dA V), dV = V (F * V^T dA V), F_ij = 1 / (w_j - w_i)"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor]:
        w, v = saved
        gw, gv = g
        equal = equal_pairs(w)
        v = undefined(v, columns_of(equal))
        if gv is None:
            assert gw is not None         # a walk comes here with a cotangent
            return ((v * expand_dims(gw, -2)) @ T(v),)
        inner = turns(w, T(v) @ gv, equal, unused(gv))
        if gw is not None:
            inner = inner + expand_dims(gw, -2) * eye(v)
        return (symmetric(v @ inner @ T(v)),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        w, v = saved
        equal = equal_pairs(w)
        v = undefined(v, columns_of(equal))
        inner = T(v) @ symmetric(tangents[0]) @ v
        return diagonal(inner, 0, -2, -1), v @ turns(w, inner, equal, NONE)


EIGH = Eigh("eigh")


def eigh(a: ArrayLike, UPLO: Literal["L", "U"] = "L") -> EighResult:
    """Eigenvalues, ascending, and orthonormal eigenvectors of a symmetric matrix.

    NumPy reads one triangle of `a`, but `a` counts as symmetric: the gradient is a symmetric matrix.  Where
    eigenvalues are equal (to working precision) the derivatives of their eigenvectors, and second derivatives of the
    eigenvalues, are not defined and are NaN; first ones of the eigenvalues, and of other eigenvectors, stay right.
    The signs of the eigenvectors are LAPACK's, so only what does not depend on them has a meaningful derivative.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
    UPLO : {'L', 'U'}
        The triangle that is read.

    Returns
    -------
    namedtuple (eigenvalues, eigenvectors), of shapes (..., n) and (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not square or there is no convergence (a ValueError).
    TypeError
        For a complex tensor that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.eigh([[2.0, 0.0], [0.0, 1.0]]).eigenvalues
    tensor([1., 2.])
    """
    return spectrum("eigh", a, UPLO)


def spectrum(name: str, a: ArrayLike, UPLO: str) -> EighResult:
    x = matrix(name, a, square=True)
    real_only(name, x)
    return EighResult(*EIGH.apply(lambda y: tuple(through(name, np.linalg.eigh, y, UPLO=UPLO, hint=FINITE)), [x], None,
                                  (~0, ~1)))


def eigvalsh(a: ArrayLike, UPLO: Literal["L", "U"] = "L") -> Tensor:
    """The eigenvalues of a symmetric matrix, ascending; arguments and errors as `eigh`.

    The gradient of an eigenvalue is ``v v^T``, of several equal ones right as long as they are treated alike.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.eigvalsh([[2.0, 0.0], [0.0, 1.0]])
    tensor([1., 2.])
    """
    x = matrix("eigvalsh", a, square=True)
    if records(x):
        return spectrum("eigvalsh", x, UPLO).eigenvalues
    return constant(through("eigvalsh", np.linalg.eigvalsh, x.detach().numpy(), UPLO=UPLO, hint=FINITE))


# ---- singular values ---------------------------------------------------------------------------------
class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def not_zero(x: Tensor) -> Tensor:
    """x with 1 for 0, where it divides what is 0 or NaN anyway."""
    found: Tensor = x + (x.detach().numpy() == 0)
    return found


class SVD(Rule):
    """A = U diag(S) V^T, reduced; dS = diag(dP), dP = U^T dA V; dU = U (F * (dP S + S dP^T)) + (1 - U U^T) dA V / S, dV
    the same for A^T; F_ij = 1 / (S_j^2 - S_i^2)"""

    def turned(self, s: Tensor, m: Tensor, equal: Arrays, idle: Arrays) -> Tensor:
        """F * M"""
        return turns(s, m, equal, idle) / not_zero(expand_dims(s, -2) + expand_dims(s, -1))

    def outside(self, x: Tensor, s: Tensor, t: Tensor, idle: Arrays) -> Tensor:
        """What of (1 - X X^T) t / S is not 0 by rounding alone: of a square X nothing"""
        rest = t - x @ (T(x) @ t)
        idle = (idle & (s.detach().numpy() == 0))[..., None, :]
        return undefined(rest, idle) / (expand_dims(s, -2) + idle)

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: tuple[Any, ...]) -> tuple[Tensor]:
        u, s, v = saved[0], saved[1], T(saved[2])
        equal = equal_pairs(s)
        u, v = undefined(u, columns_of(equal)), undefined(v, columns_of(equal))
        gu, gs, gv = g[0], g[1], None if g[2] is None else T(g[2])
        inner, rest = [], []              # between U and V^T, and what is orthogonal to one of them
        if gs is not None:
            inner.append(expand_dims(gs, -2) * eye(s))
        if gu is not None:
            m, idle = T(u) @ gu, unused(gu)
            inner.append(self.turned(s, m - T(m), equal, idle) * expand_dims(s, -2))
            if u.shape[-2] > u.shape[-1]:
                rest.append(self.outside(u, s, gu, idle) @ T(v))
        if gv is not None:
            m, idle = T(v) @ gv, unused(gv)
            inner.append(self.turned(s, m - T(m), equal, idle) * expand_dims(s, -1))
            if v.shape[-2] > v.shape[-1]:
                rest.append(u @ T(self.outside(v, s, gv, idle)))
        return (sum(rest, u @ sum(inner[1:], inner[0]) @ T(v)),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        u, s, v = saved[0], saved[1], T(saved[2])
        equal = equal_pairs(s)
        u, v = undefined(u, columns_of(equal)), undefined(v, columns_of(equal))
        t, = tangents
        p, column, row = T(u) @ t @ v, expand_dims(s, -1), expand_dims(s, -2)
        du = u @ self.turned(s, p * row + column * T(p), equal, NONE)
        dv = v @ self.turned(s, column * p + T(p) * row, equal, NONE)
        if u.shape[-2] > u.shape[-1]:
            du = du + self.outside(u, s, t @ v, NONE)
        if v.shape[-2] > v.shape[-1]:
            dv = dv + self.outside(v, s, T(t) @ u, NONE)
        return du, diagonal(p, 0, -2, -1), T(dv)


SVD_RULE = SVD("svd")


def decomposed(name: str, x: Tensor, hermitian: bool) -> SVDResult:
    real_only(name, x)
    return SVDResult(*SVD_RULE.apply(
        lambda y: tuple(through(name, np.linalg.svd, y, full_matrices=False, hermitian=hermitian, hint=FINITE)), [x], None,
        (~0, ~1, ~2)))


def svd(a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """The singular value decomposition ``a = U diag(S) Vh``.

    Where singular values are equal (to working precision), or 0 in a matrix that is not square, the derivatives of
    their vectors, and second derivatives of equal values, are not defined and are NaN or infinite; first ones of the
    values, and of other vectors, stay right.  Only what does not
    depend on the signs of the vectors, which are LAPACK's, has a meaningful derivative.

    Parameters
    ----------
    a : array_like, shape (..., m, n)
    full_matrices : bool
        Square U and Vh.  If m and n differ they have no derivative: a tensor that requires a gradient needs False.
    compute_uv : bool
        False returns S alone.
    hermitian : bool
        `a` is symmetric, and NumPy goes by `eigh`.

    Returns
    -------
    namedtuple (U, S, Vh), of shapes (..., m, k), (..., k), (..., k, n) with k the smaller of m and n if
    `full_matrices` is False.

    Raises
    ------
    numpy.linalg.LinAlgError
        If there is no convergence (a ValueError).
    ValueError
        For full matrices that are not square, of a tensor that requires a gradient.
    TypeError
        For a complex tensor that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.svd([[3.0, 0.0], [0.0, 4.0]]).S
    tensor([4., 3.])
    """
    x = matrix("svd", a)
    if not compute_uv:
        return singular_values("svd", x, hermitian)
    if x.shape[-1] == x.shape[-2] or not full_matrices:
        return decomposed("svd", x, hermitian)
    if records(x):
        raise ValueError(f"svd: full matrices of shape {x.shape} have no derivative, for some of their vectors may be "
                         f"turned among themselves; use full_matrices=False, or detach()")
    return SVDResult(*map(constant, through("svd", np.linalg.svd, x.detach().numpy(), hint=FINITE)))


def singular_values(name: str, x: Tensor, hermitian: bool = False) -> Tensor:
    if records(x):
        return decomposed(name, x, hermitian).S
    return constant(through(name, np.linalg.svd, x.detach().numpy(), compute_uv=False, hermitian=hermitian, hint=FINITE))


def svdvals(x: ArrayLike, /) -> Tensor:
    """The singular values, descending; errors as `svd`.

    The gradient of a singular value is ``u v^T``.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.svdvals([[3.0, 0.0], [0.0, 4.0]])
    tensor([4., 3.])
    """
    return singular_values("svdvals", matrix("svdvals", x))


# ---- pinv --------------------------------------------------------------------------------------------
class Pinv(Rule):
    """P = A^+ of constant rank; dP = -P dA P + P P^T dA^T (1 - A P) + (1 - P A) dA^T P^T P"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        a, p = saved
        total = -(T(p) @ g @ T(p))
        left = T(g) @ p @ T(p)
        right = T(p) @ p @ T(g)
        return (total + left - a @ (p @ left) + right - (right @ p) @ a,)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        a, p = saved
        t, = tangents
        left = p @ T(p) @ T(t)
        right = T(t) @ T(p) @ p
        return left - (left @ a) @ p + right - p @ (a @ right) - p @ t @ p


PINV = Pinv("pinv")


UNSET: Any = object()


def pinv(a: ArrayLike, rcond: Any = None, hermitian: bool = False, *, rtol: Any = UNSET) -> Tensor:
    """The pseudo-inverse of Moore and Penrose.

    Its derivative is that of matrices of the same rank; others lie beside them too, but there it jumps.

    Parameters
    ----------
    a : array_like, shape (..., m, n)
    rcond, rtol : float or array_like, optional
        Two names of the ratio to the largest singular value up to which one counts as 0: 1e-15 if none is given,
        max(m, n) times the dtype's epsilon for ``rtol=None``.
    hermitian : bool
        `a` is symmetric, and NumPy goes by `eigh`.

    Raises
    ------
    ValueError
        If both `rcond` and `rtol` are given.
    TypeError
        For a complex tensor that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.pinv([[2.0], [0.0]])
    tensor([[0.5, 0. ]])
    """
    if rcond is not None and rtol is not UNSET:
        raise ValueError("pinv: rcond and rtol are two names of one number; give one")
    x = matrix("pinv", a)
    real_only("pinv", x)
    options = {"rcond": rcond, "hermitian": hermitian} | ({} if rtol is UNSET else {"rtol": rtol})
    return PINV.apply(lambda y: through("pinv", np.linalg.pinv, y, hint=FINITE, **options), [x], None, (0, ~0))[0]


PRIMITIVES = {p.name: p for p in (EIGH, SVD_RULE, PINV)}
for _f in (eigh, eigvalsh, svd, svdvals, pinv):
    register(f"linalg.{_f.__name__}", _f)
