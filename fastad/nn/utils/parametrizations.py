"""weight_norm and spectral_norm, by parametrize.py; parameters have PyTorch's names.  Next: rnn.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import moveaxis, norm
from ..._core.make import from_numpy
from ...random import default_generator
from ..distance import normalize
from ..module import Module
from ..parameter import positive
from .parametrize import register_parametrization

if TYPE_CHECKING:
    from ..._core.tensor import Tensor
    from ..._typing import Arrays

__all__ = ["spectral_norm", "weight_norm"]


def _axis(name: str, axis: int, weight: Tensor) -> int:
    if not -weight.ndim <= axis < weight.ndim:
        raise np.exceptions.AxisError(f"{name}: axis {axis} is out of bounds for a weight of shape {weight.shape}")
    return axis % weight.ndim


class _WeightNorm(Module):
    """g v / |v|"""

    def __init__(self, axis: int | None) -> None:
        super().__init__()
        self.axis = axis

    def _norms(self, v: Tensor) -> Tensor:
        if self.axis is None:
            return norm(v)
        rows = moveaxis(v, self.axis, 0)
        lengths = norm(rows.reshape((len(rows), -1)), axis=1)
        return lengths.reshape([n if k == self.axis else 1 for k, n in enumerate(v.shape)])

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / self._norms(v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """g and v of a weight."""
        return self._norms(weight), weight


def weight_norm(module: Module, name: str = "weight", axis: int | None = 0) -> Module:
    """Split a weight into length and direction, g v / |v|, both trained; returns the module.

    g is ``parametrizations.weight.original0``, one for each index of the axis (one for all if None), v ``original1``.
    `fastad.nn.utils.parametrize.remove_parametrizations` makes it a plain weight again.

    Raises what `register_parametrization` raises, and AxisError.  Source: Salimans and Kingma, Weight normalization, 2016.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.utils.parametrizations.weight_norm(fastad.nn.Linear(20, 40))
    >>> layer.parametrizations["weight"].original0.shape
    (40, 1)
    """
    weight = getattr(module, name, None)
    if axis is not None and weight is not None:
        axis = None if axis == -1 else _axis("weight_norm", axis, weight)
    return register_parametrization(module, name, _WeightNorm(axis))


class _SpectralNorm(Module):
    """W / sigma, its largest singular value by the power method"""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, axis: int, eps: float) -> None:
        super().__init__()
        positive("spectral_norm", n_power_iterations=n_power_iterations)
        if not weight.ndim:
            raise ValueError("spectral_norm: a weight of shape () is no matrix")
        self.axis, self.eps, self.n_power_iterations = _axis("spectral_norm", axis, weight), eps, n_power_iterations
        if weight.ndim > 1:
            matrix = self._matrix(weight.detach()).numpy()
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                start = default_generator().normal(size=size).astype(matrix.dtype)
                self.register_buffer(name, from_numpy(start / max(np.linalg.norm(start), eps)))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        rows = moveaxis(weight, self.axis, 0)
        return rows.reshape((len(rows), -1))

    def _iterate(self, matrix: Arrays, times: int) -> None:
        u, v = self._u.numpy(), self._v.numpy()
        for _ in range(times):
            u = matrix @ v
            u /= max(np.linalg.norm(u), self.eps)
            v = matrix.T @ u
            v /= max(np.linalg.norm(v), self.eps)
        self._u, self._v = from_numpy(u), from_numpy(v)       # and not in place: recorded products may hold the old ones

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, 2, 0, self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach().numpy(), self.n_power_iterations)
        return weight / (self._u @ (matrix @ self._v))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight."""
        return weight


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  axis: int | None = None) -> Module:
    """Divide a weight by its largest singular value, which the power method follows; returns the module.

    While training every reading of the weight makes `n_power_iterations` steps; after `eval()` none.  Of a weight with more
    than two axes the matrix has `axis` for its rows (None: 0, and 1 for a transposed convolution); a vector is divided by
    its length.  The weight that is trained is ``parametrizations.weight.original``.

    Raises what `register_parametrization` raises, and AxisError.  Source: Miyato et al., Spectral normalization for
    generative adversarial networks, 2018.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.utils.parametrizations.spectral_norm(fastad.nn.Linear(20, 40, dtype="float64"))
    >>> for _ in range(100):
    ...     weight = layer.weight
    >>> round(float(fastad.linalg.norm(weight, 2).detach()), 4)
    1.0
    """
    weight = getattr(module, name, None)
    if weight is None:
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter or buffer {name!r}")
    if axis is None:
        axis = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, axis, eps))
