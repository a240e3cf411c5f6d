"""Eigenvalues and eigenvectors of general matrices: eig, eigvals.

Imports _spectra.py, which has those of symmetric ones, and _systems.py.  Next: _composed.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.linalg import LinAlgError

from .. import conj, diagonal, expand_dims, imag, real
from .._core.make import Rule
from .._core.tensor import Tensor, register
from ._common import T, constant, eye, matrix, records, through
from ._spectra import FINITE, NONE, columns_of, turns, undefined, unused
from ._systems import solve

if TYPE_CHECKING:
    from .._typing import ArrayLike, Arrays


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def coinciding(w: Arrays, v: Arrays) -> Arrays:
    """Which pairs of eigenvalues rounding cannot tell apart: it moves w_i by eps abs(A) k_i, where k_i, its condition, is
    the length of row i of V^-1.  An error if their vectors are parallel, too: then not even the values have a derivative."""
    eps = np.finfo(v.dtype).eps
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            inverse = np.linalg.inv(v)
            condition = np.linalg.norm(inverse, axis=-1)
            size = np.linalg.norm((v * w[..., None, :]) @ inverse, axis=(-2, -1))
            moved = w.shape[-1] * eps * condition * size[..., None]
            apart = np.abs(w[..., None, :] - w[..., :, None]) > moved[..., None, :] + moved[..., :, None]
        found: Arrays = ~apart & ~np.eye(w.shape[-1], dtype=bool)
        defective = bool((found.any(-1) & (condition > 0.01 / np.sqrt(eps))).any())
    except np.linalg.LinAlgError:
        defective = True
    if defective:
        raise LinAlgError(f"eig: a matrix of shape {v.shape} is defective to working precision: eigenvalues are equal and "
                          f"share their eigenvector, and have no derivative there")
    return found


def fixed(v: Tensor) -> Arrays:
    """1 for the element of each vector that LAPACK has made real, the largest, and 0 for others."""
    a = v.detach().numpy()
    size = np.where(a.imag == 0, np.abs(a), -1)
    found: Arrays = (np.arange(a.shape[-2])[:, None] == size.argmax(-2)[..., None, :]).astype(size.dtype)
    return found


class Eig(Rule):
    """A V = V diag(w); with P = V^-1 dA V: dw = diag(P), dV = V (F * P) + V diag(c), F_ij = 1 / (w_j - w_i).

    c keeps the length 1, and the largest element k of a vector real: Re c_i = -Re(v_i^H dv_i), Im c_i = -Im(dv_ki) / v_ki"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: tuple[Tensor | None, Tensor | None]) -> tuple[Tensor]:
        w, v = saved
        gw, gv = g
        equal = coinciding(w.detach().numpy(), v.detach().numpy())
        v = undefined(v, columns_of(equal))
        inner: Any = 0
        if gv is not None:
            along, rest = (v * gv).sum(-2, keepdims=True), gv
            rest = rest - conj(v) * real(along)
            if v.dtype.kind == "c":
                top = fixed(v)
                rest = rest - 1j * (top * (imag(along) / real((top * v).sum(-2, keepdims=True))))
            inner = turns(w, T(v) @ rest, equal, unused(gv))
        if gw is not None:
            inner = inner + expand_dims(gw, -2) * eye(v)
        return (solve(T(v), inner @ T(v)),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        w, v = saved
        equal = coinciding(w.detach().numpy(), v.detach().numpy())
        v = undefined(v, columns_of(equal))
        p = solve(v, tangents[0] @ v)
        turn = v @ turns(w, p, equal, NONE)
        change = -real((conj(v) * turn).sum(-2, keepdims=True))
        if v.dtype.kind == "c":
            top = fixed(v)
            change = change - 1j * (imag((top * turn).sum(-2, keepdims=True)) / real((top * v).sum(-2, keepdims=True)))
        return diagonal(p, 0, -2, -1), turn + v * change


EIG = Eig("eig")


def eig(a: ArrayLike) -> EigResult:
    """Eigenvalues, in no order, and eigenvectors of a square matrix: ``a @ v = v * w``.

    As NumPy's, the results are complex unless `a` is real and all eigenvalues are.  Every vector has length 1 and its
    largest element is real, as LAPACK scales it, and the derivatives are those of vectors so scaled.  A function that
    depends on this phase jumps where another element becomes the largest, and its sign is LAPACK's: only what does not
    depend on it has a derivative everywhere.  The gradient of a complex matrix follows autograd's convention.
    Where eigenvalues are equal to working precision the derivatives of their vectors, and second derivatives of these
    eigenvalues, are not defined and are NaN.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Returns
    -------
    namedtuple (eigenvalues, eigenvectors), of shapes (..., n) and (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not square or there is no convergence; in derivatives, if it is defective to working precision:
        equal eigenvalues share a vector (a ValueError).

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.linalg.eig([[0.0, -2.0], [2.0, 0.0]]).eigenvalues
    tensor([0.+2.j, 0.-2.j], dtype=complex128)
    >>> fastad.grad(lambda a: fastad.linalg.eig(a).eigenvalues.imag.max())(np.array([[0.0, -2.0], [2.0, 0.0]]))
    array([[ 0. , -0.5],
           [ 0.5,  0. ]])
    """
    x = matrix("eig", a, square=True)
    return EigResult(*EIG.apply(lambda y: tuple(through("eig", np.linalg.eig, y, hint=FINITE)), [x], None, (~0, ~1)))


def eigvals(a: ArrayLike) -> Tensor:
    """The eigenvalues of a square matrix, in no order; dtype, derivatives and errors as `eig`.

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.eigvals([[2.0, 1.0], [0.0, 1.0]])
    tensor([2., 1.])
    """
    x = matrix("eigvals", a, square=True)
    if records(x):
        return eig(x).eigenvalues
    return constant(through("eigvals", np.linalg.eigvals, x.detach().numpy(), hint=FINITE))


PRIMITIVES = {EIG.name: EIG}
for _f in (eig, eigvals):
    register(f"linalg.{_f.__name__}", _f)
