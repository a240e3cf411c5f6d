"""Level 4: the loss functions.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from fastad._typing import ArrayLike, Reduction
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class CrossEntropy(Primitive):
    def jvp(self, /, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def binary_cross_entropy(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)) of probabilities; a logarithm counts at least -100."""
def binary_cross_entropy_with_logits(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: Reduction = 'mean', pos_weight: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), from the logits themselves: nothing overflows."""
def check_probabilities(name: Any, argument: Any, t: Any) -> Any: ...
def check_reduction(name: Any, reduction: Any) -> Any: ...
def class_targets(name: Any, x: Any, target: Any, ignore_index: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]: ...
def class_weights(name: Any, weight: Any, x: Any) -> npt.NDArray[Any] | None: ...
def cross_entropy(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, ignore_index: SupportsIndex = -100, reduction: Reduction = 'mean', label_smoothing: float = 0.0, *, sample_weight: ArrayLike | None = None) -> Tensor:
    """The cross-entropy -log softmax(input)[target] from logits, without overflow."""
def l1_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """abs(input - target), and its mean or sum; arguments and errors as `mse_loss`."""
def mse_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """(input - target)^2, and its mean or sum; both of one shape and dtype; `sample_weight` as in `cross_entropy`."""
def nll_loss(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, ignore_index: SupportsIndex = -100, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """-input[target]: the loss of log-probabilities, shapes, weights and errors as in `cross_entropy`."""
def pair(name: Any, input: Any, target: Any) -> tuple[Tensor, Tensor]: ...
def reduced(name: Any, losses: Any, reduction: Any, sample_weight: Any = None, counted: Any = None) -> Tensor: ...
