"""Functions of compiled modules (include/fastad.h): arrays are made to fit what a kernel takes, and what it says is told.

Imports the core.  Next: _primitive.py, which differentiates them.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import checked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy.typing as npt

    from .._core.custom import Kernel


class CompiledFunction:
    """The value of a kernel, and its derivatives times a vector, on arrays."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.__name__ = kernel.name

    def arguments(self, args: Sequence[Any], dtype: np.dtype[Any] | None
                  ) -> tuple[list[npt.NDArray[Any]], list[float], np.dtype[Any]]:
        """(arrays of one dtype, numbers, the dtype)"""
        n = self.kernel.n_inputs
        if len(args) != n + self.kernel.n_params:
            raise TypeError(f"{self.__name__}: {len(args)} arguments, expected {n} arrays and {self.kernel.n_params} "
                            f"numbers")
        arrays = [checked(self.__name__, x) for x in args[:n]]
        if dtype is None:
            dtype = np.result_type(*[x.dtype if x.dtype.kind == "f" else np.result_type(x, np.float64) for x in arrays])
            dtype = np.dtype(np.float32) if dtype == np.float16 else dtype
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"{self.__name__}: there are kernels for float32 and float64, not for {dtype}; use "
                            f"x.astype(float)")
        return [fit(x, dtype) for x in arrays], list(map(float, args[n:])), dtype

    def run(self, what: str, x: list[npt.NDArray[Any]], params: list[float], y: Any, g: npt.NDArray[Any] | None,
            dx: Sequence[npt.NDArray[Any] | None]) -> None:
        status = self.kernel.run(what, x, params, y, g, list(dx))
        if status:
            raise ValueError(f"{self.__name__}: its {what} kernel failed with {status} on inputs of shapes "
                             f"{', '.join(str(a.shape) for a in x)}")

    def __call__(self, *args: Any) -> Any:
        """The value: an array, a NumPy scalar if it is 0-d."""
        x, params, dtype = self.arguments(args, None)
        shape = list(x[0].shape)
        if self.kernel.has_shape:
            self.run("shape", x, params, shape, None, [None] * len(x))
            if any(n < 0 for n in shape):
                raise ValueError(f"{self.__name__}: its shape kernel gave an impossible shape, {tuple(shape)}")
        elif any(a.shape != x[0].shape for a in x):
            raise ValueError(f"{self.__name__}: its inputs must have one shape, got {' and '.join(str(a.shape) for a in x)}")
        y = np.empty(shape, dtype)
        self.run("forward", x, params, y, None, [None] * len(x))
        return y if shape else y[()]

    def pull(self, args: Sequence[Any], ans: Any, g: Any, wanted: set[int]) -> list[Any]:
        """The cotangents of the inputs, None for those that are not wanted."""
        x, params, dtype = self.arguments(args, ans.dtype)
        dx = [np.empty(a.shape, dtype) if i in wanted else None for i, a in enumerate(x)]
        y = fit(ans, dtype)
        self.run("backward", x, params, y, self.like(g, y), dx)
        return list(dx)

    def push(self, args: Sequence[Any], ans: Any, tangents: dict[int, Any]) -> npt.NDArray[Any]:
        """The tangent of the value, from the tangents of some inputs."""
        x, params, dtype = self.arguments(args, ans.dtype)
        y = fit(ans, dtype)
        dy = np.empty(y.shape, dtype)
        self.run("jvp", x, params, y, dy, [self.like(tangents[i], a) if i in tangents else None for i, a in enumerate(x)])
        return dy

    def like(self, t: Any, a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if np.shape(t) != a.shape:
            raise ValueError(f"{self.__name__}: a cotangent or tangent of shape {np.shape(t)}, expected {a.shape}")
        return fit(t, a.dtype)


def fit(x: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Contiguous, aligned, of a dtype."""
    return np.require(x, dtype, ["C", "A"])
