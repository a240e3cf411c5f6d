"""cholesky and qr.

Imports _systems.py.  Next: _spectra.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.linalg import LinAlgError

from .. import concatenate, tril, triu
from .._core.make import Rule
from .._core.tensor import Tensor, register
from ._common import T, constant, matrix, real_only, records, symmetric, through
from ._systems import triangular

if TYPE_CHECKING:
    from typing import Literal

    from .._typing import ArrayLike

POSITIVE = "it must be symmetric and positive definite: add to its diagonal"


# ---- cholesky ----------------------------------------------------------------------------------------
def half_triangle(x: Tensor) -> Tensor:
    """The lower triangle with half of the diagonal."""
    weights = np.tri(x.shape[-1], dtype=x.dtype)
    weights[range(x.shape[-1]), range(x.shape[-1])] = 0.5
    return x * weights


class Cholesky(Rule):
    """A = L L^T; dL = L Phi(L^-1 dA L^-T), where Phi takes the lower triangle with half of the diagonal"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        L, = saved
        inner = triangular(T(L), half_triangle(T(L) @ tril(g)), False)
        return (symmetric(triangular(T(L), T(inner), False)),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        L, = saved
        inner = triangular(L, symmetric(tangents[0]), True)
        return L @ half_triangle(triangular(L, T(inner), True))


CHOLESKY = Cholesky("cholesky")


def cholesky(a: ArrayLike, /, *, upper: bool = False) -> Tensor:
    """The lower triangle L with a positive diagonal and ``L L^T = a``.

    As in NumPy only one triangle of `a` is read, but `a` counts as symmetric: the gradient is a symmetric matrix.
    Backward it is ``L^-T Phi(L^T L') L^-1``, made symmetric, where Phi takes the lower triangle with half of the
    diagonal.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
        Symmetric, positive definite.
    upper : bool
        Return the upper triangle, ``L^T``, and read that of `a`.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is not positive definite or not square (a ValueError).
    TypeError
        For a complex tensor that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]])
    tensor([[2., 0.],
            [1., 2.]])
    """
    x = matrix("cholesky", a, square=True)
    real_only("cholesky", x)
    if upper and x.dtype.kind == "c":
        x = matrix("cholesky", x.detach().numpy().conj())
    L = CHOLESKY.apply(lambda y: through("cholesky", np.linalg.cholesky, y, hint=POSITIVE),
                       [T(x) if upper else x], None, (~0,))[0]
    if upper and x.dtype.kind == "c":
        L = matrix("cholesky", L.numpy().conj())
    return T(L) if upper else L


# ---- qr ----------------------------------------------------------------------------------------------
class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


def full_rank(r: Tensor) -> None:
    """A matrix without full rank has many decompositions beside it, and they do not run together."""
    diagonal = np.abs(np.diagonal(r.detach().numpy(), axis1=-2, axis2=-1))
    least = r.shape[-1] * np.finfo(r.dtype).eps * diagonal.max(-1, initial=0)
    if (diagonal <= least[..., None]).any():
        raise LinAlgError(f"qr: no derivative, for the first {r.shape[-1]} columns of a matrix are linearly dependent; use "
                          f"svd, or add to the matrix")


class QR(Rule):
    """A = Q R with at least as many rows as columns, of full rank"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor]:
        q, r = saved
        full_rank(r)
        gq, gr = g
        inner = None
        if gr is not None:
            inner = r @ T(triu(gr))
        if gq is not None:
            inner = -(T(gq) @ q) if inner is None else inner - T(gq) @ q
        assert inner is not None          # a walk comes here with a cotangent
        total = q @ (tril(inner) + T(tril(inner, -1)))
        return (T(triangular(r, T(total if gq is None else total + gq), False)),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        q, r = saved
        full_rank(r)
        c = T(triangular(T(r), T(tangents[0]), True))      # dA R^-1
        b = T(q) @ c
        low = tril(b, -1)
        rotation = low - T(low)
        return c - q @ (b - rotation), triu(b - rotation) @ r


QR_RULE = QR("qr")


def factored(x: Tensor) -> QRResult:
    """For matrices with at least as many rows as columns."""
    return QRResult(*QR_RULE.apply(lambda y: tuple(np.linalg.qr(y)), [x], None, (~0, ~1)))


def qr(a: ArrayLike, mode: Literal["reduced", "complete", "r", "raw"] = "reduced") -> Any:
    """Orthonormal columns Q and an upper triangle R with ``Q R = a``.

    The signs of R's diagonal are LAPACK's.  The derivative needs full rank, of the first columns if there are
    more columns than rows.

    Parameters
    ----------
    a : array_like, shape (..., m, n)
    mode : {'reduced', 'complete', 'r', 'raw'}
        'reduced' gives Q (..., m, k) and R (..., k, n), with k the smaller of m and n; 'r' R alone.  'complete', with Q
        (..., m, m), has a derivative only if m is not above n, and 'raw' has none.

    Returns
    -------
    namedtuple (Q, R), or what the mode says.

    Raises
    ------
    numpy.linalg.LinAlgError
        For the derivative of a matrix without full rank (a ValueError).
    ValueError
        For a mode that does not exist, or that has no derivative while one is asked for.
    TypeError
        For a complex tensor that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> Q, R = fastad.linalg.qr([[3.0, 1.0], [4.0, 2.0]])
    >>> fastad.allclose(Q @ R, [[3.0, 1.0], [4.0, 2.0]])
    True
    """
    x = matrix("qr", a)
    real_only("qr", x)
    m, n = x.shape[-2:]
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete', 'r' or 'raw', got {mode!r}")
    if not records(x):
        found = np.linalg.qr(x.detach().numpy(), mode)
        return matrix("qr", found) if mode == "r" else tuple(map(constant, found)) if mode == "raw" else \
            QRResult(*map(constant, found))
    if mode == "raw" or (mode == "complete" and m > n):
        why = f", for {m - n} columns of Q may be turned among themselves" if mode == "complete" else ""
        raise ValueError(f"qr: mode={mode!r} of shape {x.shape} has no derivative{why}; use mode='reduced', or detach()")
    if m >= n:
        q, r = factored(x)
    else:                                 # the first columns determine Q
        q, first = factored(x[..., :m])
        r = concatenate([first, T(q) @ x[..., m:]], axis=-1)
    return r if mode == "r" else QRResult(q, r)


PRIMITIVES = {p.name: p for p in (CHOLESKY, QR_RULE)}
for _f in (cholesky, qr):
    register(f"linalg.{_f.__name__}", _f)
