"""Level 4: convolutions of images, and of sequences as images of one row.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, Literal, SupportsIndex, final

from fastad._typing import ArrayLike, Size
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Geometry:
    @property
    def groups(self) -> Any: ...
    @property
    def sizes(self) -> Any: ...
@final
class Convolution(Primitive):
    def jvp(self, /, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
FUNCTIONS: dict[Any, Any]
PRIMITIVES: dict[Any, Any]
def conv1d(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Size | Literal["same", "valid"] = 0, dilation: Size = 1, groups: SupportsIndex = 1) -> Tensor:
    """The convolution of sequences (batch, channels, length) with a weight (outputs, channels / groups, kernel); see `conv2d`."""
def conv2d(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Size | Literal["same", "valid"] = 0, dilation: Size = 1, groups: SupportsIndex = 1) -> Tensor:
    """The convolution of images, as networks use the word: y[n, o, r, s] = b[o] + sum over c, i, j of w[o, c, i, j] x[n, c, stride r + dilation i - padding, stride s + dilation j - padding], zero outside."""
def conv_transpose1d(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Size = 0, output_padding: Size = 0, groups: SupportsIndex = 1, dilation: Size = 1) -> Tensor:
    """The adjoint of `conv1d` in its sequences; see `conv_transpose2d`."""
def conv_transpose2d(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, stride: Size = 1, padding: Size = 0, output_padding: Size = 0, groups: SupportsIndex = 1, dilation: Size = 1) -> Tensor:
    """The adjoint of `conv2d` in its images: each number of the input is spread over the output by the kernel."""
def conv_weight(x: Any, y: Any, groups: Any, sizes: Any) -> Any: ...
