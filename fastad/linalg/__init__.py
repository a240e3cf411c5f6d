"""Linear algebra with derivatives, under the names of numpy.linalg, over batches of matrices.

::

    _common.py          operands checked, batches brought together
       +-- _systems.py        inv, solve, solve_triangular, cholesky_solve
       |     +-- _determinants.py   det, slogdet
       |     +-- _factors.py        cholesky, qr
       +-- _exponential.py    expm
       +-- _eig.py            eig, eigvals
       +-- _spectra.py        eigh, eigvalsh, svd, svdvals, pinv
             +-- _composed.py       norms, cond, lstsq, matrix_power, multi_dot, trace, ...

The values are LAPACK's, through NumPy; triangular systems go to the BLAS that it has loaded.  The rules are written in
operations that have rules, so both modes go to any order.  Imported when it is first asked for.
"""
from __future__ import annotations

from numpy.linalg import LinAlgError

from .. import matmul, norm, tensordot
from . import _determinants, _eig, _exponential, _factors, _spectra, _systems
from ._composed import (
    cond,
    cross,
    diagonal,
    lstsq,
    matrix_norm,
    matrix_power,
    matrix_rank,
    matrix_transpose,
    multi_dot,
    outer,
    tensorinv,
    tensorsolve,
    trace,
    vecdot,
    vector_norm,
)
from ._determinants import det, slogdet
from ._eig import eig, eigvals
from ._exponential import expm
from ._factors import cholesky, qr
from ._spectra import eigh, eigvalsh, pinv, svd, svdvals
from ._systems import cholesky_solve, inv, solve, solve_triangular

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_solve",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

PRIMITIVES = {**_systems.PRIMITIVES, **_determinants.PRIMITIVES, **_factors.PRIMITIVES, **_exponential.PRIMITIVES,
              **_spectra.PRIMITIVES, **_eig.PRIMITIVES}
