"""det and slogdet.

The gradient of a determinant is the matrix of cofactors, which a singular matrix has too: there it comes from the
singular values, A = U S V^T: cof(A) = det U det V  U D V^T, D_i the product of the other singular values.

Imports _systems.py.  Next: _factors.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.linalg import LinAlgError

from .. import exp, expand_dims, imag, real
from .._core.make import Rule
from .._core.tensor import Tensor, register
from ._common import T, constant, eye, matrix, records
from ._systems import inverse

if TYPE_CHECKING:
    from .._typing import ArrayLike, Arrays


def others(s: Arrays) -> tuple[Arrays, Arrays]:
    """The products of all numbers but one, (..., n), and of all but two, (..., n, n) with zeros on the diagonal."""
    n = s.shape[-1]
    one = np.ones((*s.shape[:-1], 1), s.dtype)
    before = np.cumprod(np.concatenate([one, s[..., :-1]], -1), -1) if n else s
    after = np.cumprod(np.concatenate([one, s[..., :0:-1]], -1), -1)[..., ::-1] if n else s
    later = np.triu(np.ones((n, n), bool), 1)
    between = np.cumprod(np.where(later, s[..., None, :], 1), -1)        # of those after i, up to and with j
    between = np.concatenate([np.ones((*s.shape, 1), s.dtype), between[..., :-1]], -1) if n else between
    two = np.where(later, before[..., :, None] * between * after[..., None, :], 0)
    return before * after, two + np.swapaxes(two, -1, -2)


def about(u: Arrays, inner: Arrays, vh: Arrays) -> Arrays:
    """cof(U X V^H), from cof(X)"""
    signs = np.linalg.det(u) * np.linalg.det(vh)
    found: Arrays = signs[..., None, None] * (u.conj() @ inner @ vh.conj())
    return found


def cofactors_of(a: Arrays) -> Arrays:
    u, s, vh = np.linalg.svd(a)
    return about(u, others(s)[0][..., None, :] * eye(a), vh)


def change_of_cofactors(a: Arrays, t: Arrays) -> Arrays:
    """The tangent of the cofactors: the second derivative of the determinant, applied to t."""
    u, s, vh = np.linalg.svd(a)
    two = others(s)[1].astype(a.dtype)
    m = np.swapaxes(u.conj(), -1, -2) @ t @ np.swapaxes(vh.conj(), -1, -2)
    diagonal = two @ np.diagonal(m, axis1=-2, axis2=-1)[..., None]
    return about(u, diagonal * eye(a) - np.swapaxes(m, -1, -2) * two, vh)


class Cofactors(Rule):
    """The gradient of the determinant, at a singular matrix; its own derivative is symmetric"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        return (CHANGE.apply(change_of_cofactors, [saved[0], g], None, (0,))[0],)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        return self.vjp(node, saved, tangents[0])[0]


class Change(Rule):
    """The second derivative of the determinant, linear in its second operand"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[None, Tensor]:
        self.refuse(node)
        return None, CHANGE.apply(change_of_cofactors, [saved[0], g], None, (0,))[0]

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: Any) -> Tensor:
        if tangents[0] is not None:
            self.refuse(node)
        return CHANGE.apply(change_of_cofactors, [saved[0], tangents[1]], None, (0,))[0]

    def refuse(self, node: Any) -> None:
        if node.needs(0):
            raise LinAlgError("det: the third derivative at a singular matrix is not implemented; move it off, e.g. by "
                              "a + 1e-6 * eye(n)")


COFACTORS, CHANGE = Cofactors("det.cofactors"), Change("det.change_of_cofactors")


def cofactors(a: Tensor, det: Tensor) -> Tensor:
    """By the inverse, whose rules go to any order, unless the matrix is too close to a singular one for that."""
    try:
        inverted = inverse("det", a)
    except LinAlgError:
        inverted = None
    if inverted is not None:
        x, y = a.detach().numpy(), inverted.detach().numpy()
        condition = np.linalg.norm(x, 1, (-2, -1)) * np.linalg.norm(y, 1, (-2, -1)) if x.size else np.zeros(1)
        if (condition < 1 / np.sqrt(np.finfo(x.dtype).eps)).all():
            return expand_dims(det, (-2, -1)) * T(inverted)
    return COFACTORS.apply(cofactors_of, [a], None, (0,))[0]


class Det(Rule):
    """y = det A; dy = <cof(A), dA>"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        return (expand_dims(g, (-2, -1)) * cofactors(*saved),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        return (cofactors(*saved) * tangents[0]).sum((-2, -1))


DET = Det("det")


def det(a: ArrayLike) -> Tensor:
    """The determinant of a matrix.

    Its gradient is the matrix of cofactors, ``det(a) inv(a).T`` where there is an inverse; right also at singular
    matrices, up to the second derivative.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not square (a ValueError); for the third derivative at a singular matrix.

    Examples
    --------
    >>> import fastad
    >>> round(fastad.linalg.det([[2.0, 1.0], [1.0, 4.0]]).item(), 6)
    7.0
    """
    return DET.apply(np.linalg.det, [matrix("det", a, square=True)], None, (0, ~0))[0]


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class LogDet(Rule):
    """y = log |det A|, of a complex matrix log det A; dy = <A^-T, dA>"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        return (expand_dims(g, (-2, -1)) * T(inverse("slogdet", saved[0])),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        return (T(inverse("slogdet", saved[0])) * tangents[0]).sum((-2, -1))


LOGDET = LogDet("slogdet")


def slogdet(a: ArrayLike) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its absolute value, which does not overflow.

    The gradient of the logarithm is ``inv(a).T``.  The sign is constant and has no derivative; of a complex matrix it is
    det / abs(det), and has one.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    namedtuple (sign, logabsdet)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not square (a ValueError); for the derivative at a singular matrix, which is infinite.

    Examples
    --------
    >>> import fastad
    >>> sign, logabsdet = fastad.linalg.slogdet([[0.0, 1.0], [1.0, 0.0]])
    >>> sign.item(), logabsdet.item()
    (-1.0, 0.0)
    """
    x = matrix("slogdet", a, square=True)
    sign, logarithm = np.linalg.slogdet(x.detach().numpy())
    if not records(x):
        return SlogdetResult(constant(sign), constant(logarithm))
    if x.dtype.kind != "c":
        return SlogdetResult(constant(sign), LOGDET.apply(lambda _: logarithm, [x], None, (0,))[0])
    y, = LOGDET.apply(lambda _: logarithm + 1j * np.angle(sign), [x], None, (0,))
    return SlogdetResult(exp(1j * imag(y)) * (sign != 0), real(y))


PRIMITIVES = {p.name: p for p in (DET, LOGDET)}    # the others are of singular matrices only, and end at the second order
for _f in (det, slogdet):
    register(f"linalg.{_f.__name__}", _f)
