"""Names for what the functions take, for the stubs and annotations; nothing imports it when the library runs.

Imports the tensor.  Next: tools/stubs.py, which writes the stubs.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, Protocol, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

from ._core.tensor import Tensor


class SupportsArray(Protocol):
    """What NumPy can read: a pandas column, a PyTorch tensor, ..."""

    def __array__(self) -> npt.NDArray[Any]: ...


# beside a tensor, in an operator
Operand: TypeAlias = Tensor | npt.NDArray[Any] | np.generic | complex | list[Any] | tuple[Any, ...]
ArrayLike: TypeAlias = Operand | SupportsArray | Sequence[complex]
Arrayed: TypeAlias = Tensor | npt.NDArray[Any] | SupportsArray | tuple[ArrayLike, ...]  # for a DataLoader
DType: TypeAlias = npt.DTypeLike
Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | None
Generator: TypeAlias = np.random.Generator | None
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Order: TypeAlias = Literal["C", "F", "A", "K"] | None
Casting: TypeAlias = Literal["no", "equiv", "safe", "same_kind", "unsafe"]
Function: TypeAlias = Callable[..., Any]
Real: TypeAlias = np.floating[Any]
Arrays: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Fan: TypeAlias = Literal["fan_in", "fan_out", "fan_avg"]
Argnum: TypeAlias = int | str | tuple[int | str, ...]
Mode: TypeAlias = Literal["forward", "reverse"]
Blocks: TypeAlias = list[list[Any]]               # arrays or tensors, by output and input
Cell: TypeAlias = Literal["rnn_tanh", "rnn_relu", "rnn_sigmoid", "lstm", "gru"]
Unit: TypeAlias = Literal["char", "word"]         # of a text
Field: TypeAlias = int | str                      # of a sample: a position or a key
Padded: TypeAlias = Tensor | npt.NDArray[Any]     # an input of a recurrent layer; others are packed, which is a tuple
State: TypeAlias = tuple[Tensor, Tensor]
Pair: TypeAlias = tuple[ArrayLike, ArrayLike]     # what is taken for a State
Window: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None] | None
Size: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
OutputSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None] | None
Parameters: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]]
Metric: TypeAlias = Callable[[Any, Any], Any]     # of predictions and targets
Metrics: TypeAlias = str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
SomeTensor = TypeVar("SomeTensor", bound=Tensor)


class Forward(Protocol[P, R]):
    """What is called as its `forward` is."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Gradient(Protocol[P]):
    """What `grad` gives: the first argument may be an array or a number, where the function takes a tensor."""

    @overload
    def __call__(self, x: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
    @overload
    def __call__(self, x: float | Real, /, *args: P.args, **kwargs: P.kwargs) -> Real: ...
    @overload
    def __call__(self, x: npt.NDArray[Any], /, *args: P.args, **kwargs: P.kwargs) -> npt.NDArray[Any]: ...
    @overload
    def __call__(self, x: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...


class ValueAndGradient(Protocol[P]):
    """What `value_and_grad` gives; as `Gradient`."""

    @overload
    def __call__(self, x: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Tensor, Tensor]: ...
    @overload
    def __call__(self, x: float | Real, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Real, Real]: ...
    @overload
    def __call__(self, x: npt.NDArray[Any], /, *args: P.args, **kwargs: P.kwargs) -> tuple[Real, npt.NDArray[Any]]: ...
    @overload
    def __call__(self, x: Any, /, *args: P.args, **kwargs: P.kwargs) -> tuple[Any, Any]: ...
