"""expm, the exponential of a matrix.

The value is Padé's approximation of degree 13 of A / 2^s, squared s times (Higham, SIAM J. Matrix Anal. Appl. 26, 2005).
The derivative along E is a block of the exponential of [[A, E], [0, A]] (Mathias, the same journal 17, 1996).

Imports _common.py.  Next: _composed.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import broadcast_to, concatenate
from .._core.make import Rule
from .._core.tensor import Tensor
from ._common import T, constant, eye, matrix

if TYPE_CHECKING:
    from .._typing import ArrayLike, Arrays

# of x^0, x^1, ... in the numerator; the denominator has them with the signs of (-x)^k
PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
        10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)
LARGEST = 5.371920351148152               # the 1-norm up to which that is exact to a double's last digit


def value(a: Arrays) -> Arrays:
    """In double precision, whatever comes."""
    if a.size == 0:
        return a.copy()
    x = a.astype(np.result_type(a.dtype, np.float64))
    norms = np.abs(x).sum(-2).max(-1)
    if not np.isfinite(norms).all():
        return np.full_like(a, np.nan)
    halvings = np.maximum(np.ceil(np.log2(np.maximum(norms, LARGEST) / LARGEST)), 0)[..., None, None]
    x = x / 2 ** halvings
    powers = [np.broadcast_to(eye(x), x.shape), x @ x]
    powers += [powers[1] @ powers[1]]
    powers += [powers[1] @ powers[2]]
    even = sum(c * p for c, p in zip(PADE[0:8:2], powers, strict=True)) \
        + powers[3] @ sum(c * p for c, p in zip(PADE[8:14:2], powers[1:], strict=True))
    odd = x @ (sum(c * p for c, p in zip(PADE[1:8:2], powers, strict=True))
               + powers[3] @ sum(c * p for c, p in zip(PADE[9:14:2], powers[1:], strict=True)))
    y = np.linalg.solve(even - odd, even + odd)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(int(halvings.max())):
            y = np.where(k < halvings, y @ y, y)
        found: Arrays = y.astype(a.dtype, copy=False)
    return found


class Expm(Rule):
    """Y = exp(A); dY is the upper right block of exp([[A, dA], [0, A]])"""

    def vjp(self, node: Any, saved: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor]:
        return (along(T(saved[0]), g),)

    def jvp(self, node: Any, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
        return along(saved[0], tangents[0])


EXPM = Expm("expm")


def along(a: Tensor, direction: Tensor) -> Tensor:
    n = a.shape[-1]
    a = broadcast_to(a, direction.shape)
    block = concatenate([concatenate([a, direction], -1), concatenate([constant(np.zeros(a.shape, a.dtype)), a], -1)], -2)
    return exponential(block)[..., :n, n:]


def exponential(a: Tensor) -> Tensor:
    return EXPM.apply(value, [a], None, (0,))[0]


def expm(a: ArrayLike) -> Tensor:
    """The exponential of a matrix, ``1 + a + a^2 / 2 + a^3 / 6 + ...``, as ``scipy.linalg.expm``.

    Parameters
    ----------
    a : array_like, shape (..., n, n)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not square (a ValueError).

    Examples
    --------
    >>> import fastad
    >>> fastad.linalg.expm([[0.0, 1.0], [0.0, 0.0]])
    tensor([[1., 1.],
            [0., 1.]])
    """
    return exponential(matrix("expm", a, square=True))


PRIMITIVES = {"expm": EXPM}
