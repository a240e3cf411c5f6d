"""Level 3: Tensor.  Its operators go through a table that the primitives fill when they are imported, so this.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from fastad._typing import ArrayLike, Axes, Casting, DType, Function, Operand, Order, Shape
from fastad._core.tape import Node
from fastad._core.hooks import HookHandle

@final
class LeafState: ...
class Tensor:
    """An n-dimensional array whose operations can be differentiated."""
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
    def abs(x, /) -> Tensor:
        """abs(x), elementwise: ``abs(x)``."""
    def all(self, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
        """Whether no element is 0, over all axes or those named. As ``numpy.all``; the result has no derivative."""
    def any(self, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
        """Whether an element is not 0, over all axes or those named. As ``numpy.any``; the result has no derivative."""
    def arccos(x, /) -> Tensor:
        """arccos(x), elementwise: ``arccos(x)``."""
    def arccosh(x, /) -> Tensor:
        """arccosh(x), elementwise: ``arccosh(x)``."""
    def arcsin(x, /) -> Tensor:
        """arcsin(x), elementwise: ``arcsin(x)``."""
    def arcsinh(x, /) -> Tensor:
        """arcsinh(x), elementwise: ``arcsinh(x)``."""
    def arctan(x, /) -> Tensor:
        """arctan(x), elementwise: ``arctan(x)``."""
    def arctanh(x, /) -> Tensor:
        """arctanh(x), elementwise: ``arctanh(x)``."""
    def argmax(self, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Tensor:
        """The index of the largest element, over the flattened array or an axis; the first of several. As ``numpy.argmax``; the result has no derivative."""
    def argmin(self, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Tensor:
        """The index of the smallest element, over the flattened array or an axis; the first of several. As ``numpy.argmin``; the result has no derivative."""
    def astype(x, dtype: DType, order: Order = 'K', casting: Casting = 'unsafe', subok: bool = True, copy: bool = True, *, device: Literal["cpu"] | None = None) -> Tensor:
        """x in another dtype."""
    def backward(self, /, gradient: ArrayLike | None = None, retain_graph: bool | None = None, create_graph: bool | None = None) -> None:
        """Add the derivative of this tensor to the ``.grad`` of every leaf it depends on."""
    def clip(x, min: ArrayLike | None = None, max: ArrayLike | None = None, *, a_min: ArrayLike | None = None, a_max: ArrayLike | None = None) -> Tensor:
        """x limited to [min, max]; either may be None, a number or an array."""
    def clone(a, order: Order = 'K', subok: bool = False) -> Tensor:
        """`a` in memory of its own; the gradient passes through. Also as the methods ``copy`` and ``clone``."""
    def conj(x, /) -> Tensor:
        """The complex conjugate, a copy; also called ``conjugate``."""
    def conjugate(x, /) -> Tensor:
        """The complex conjugate, a copy; also called ``conjugate``."""
    def copy(a, order: Order = 'K', subok: bool = False) -> Tensor:
        """`a` in memory of its own; the gradient passes through. Also as the methods ``copy`` and ``clone``."""
    def copy_(self, value: ArrayLike) -> Self:
        """Overwrite the numbers with `value`, broadcast; only outside a graph."""
    def cos(x, /) -> Tensor:
        """cos(x), elementwise: ``cos(x)``."""
    def cosh(x, /) -> Tensor:
        """cosh(x), elementwise: ``cosh(x)``."""
    def cumsum(a, axis: SupportsIndex | None = None, dtype: DType | None = None, out: None = None) -> Tensor:
        """The sums of the elements up to each one, along an axis or (None) of the flattened array."""
    def detach(self, /) -> Tensor:
        """The same numbers, sharing memory, without the derivative."""
    def diagonal(a, offset: SupportsIndex = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Tensor:
        """The elements of which the indices along two axes differ by `offset`, as a new last axis. A view."""
    def dot(a, b: ArrayLike) -> Tensor:
        """NumPy's dot product: the last axis of `a` with the last but one (or only) axis of `b`."""
    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
    def erf(x, /) -> Tensor:
        """erf(x), elementwise: ``erf(x)``."""
    def exp(x, /) -> Tensor:
        """exp(x), elementwise: ``exp(x)``."""
    def exp2(x, /) -> Tensor:
        """exp2(x), elementwise: ``exp2(x)``."""
    def expm1(x, /) -> Tensor:
        """expm1(x), elementwise: ``expm1(x)``."""
    def fill_(self, value: ArrayLike) -> Self:
        """Overwrite every element with `value`; only outside a graph."""
    def flatten(x, /, order: Order = 'C') -> Tensor:
        """A copy with all elements in one axis."""
    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward walks have added up for this leaf, or None."""
    @grad.setter
    def grad(self, value: Tensor | None) -> None: ...
    @property
    def grad_fn(self) -> Node | None:
        """The node that produced this value, or None for a leaf."""
    @property
    def imag(self) -> Tensor:
        """The imaginary part; see `fastad.imag`."""
    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
    @property
    def is_leaf(self) -> bool:
        """True if no recorded operation produced it."""
    def item(self, /) -> Any:
        """The single element as a Python number, which is a constant."""
    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
    def log(x, /) -> Tensor:
        """log(x), elementwise: ``log(x)``."""
    def log10(x, /) -> Tensor:
        """log10(x), elementwise: ``log10(x)``."""
    def log1p(x, /) -> Tensor:
        """log1p(x), elementwise: ``log1p(x)``."""
    def log2(x, /) -> Tensor:
        """log2(x), elementwise: ``log2(x)``."""
    def log_softmax(x, axis: SupportsIndex = -1) -> Tensor:
        """x - log(sum(exp(x))) along an axis, without overflow; arguments and errors as `softmax`."""
    def logsigmoid(x, /) -> Tensor:
        """logsigmoid(x), elementwise: ``-softplus(-x)``."""
    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes exchanged."""
    def matmul(a, b: ArrayLike, /) -> Tensor:
        """The matrix product of the last two axes, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``."""
    def max(a, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
        """The largest element, over all axes or those named; a NaN counts as the largest. Also `amax`."""
    def mean(a, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, *, where: ArrayLike = True) -> Tensor:
        """The mean over all axes, or those named; of integers in float64."""
    def min(a, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
        """The smallest element, over all axes or those named; a NaN counts as the smallest. Also `amin`."""
    def mish(x, /) -> Tensor:
        """mish(x), elementwise: ``mish(x)``."""
    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
    @property
    def ndim(self) -> int:
        """Number of axes."""
    def nonzero(self) -> tuple[Tensor, ...]:
        """The indices of the elements that are not 0, one array for each axis. As ``numpy.nonzero``; the result has no derivative."""
    def numpy(self) -> npt.NDArray[Any]:
        """A NumPy array that shares the memory. Writes through it cannot be seen by the tape."""
    def pow(a, b: ArrayLike, /) -> Tensor:
        """power(a, b), elementwise: ``pow(a, b)``."""
    def prod(a, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
        """The product over all axes, or those named."""
    def ravel(a, order: Order = 'C') -> Tensor:
        """All elements in one axis, in C order; a view where there is one. See `reshape`."""
    @property
    def real(self) -> Tensor:
        """The real part; see `fastad.real`."""
    def reciprocal(x, /) -> Tensor:
        """reciprocal(x), elementwise: ``1 / x``."""
    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call ``hook(grad)`` with this tensor's gradient in every backward walk; a Tensor it returns replaces the gradient."""
    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], object]) -> HookHandle:
        """Call ``hook(leaf)`` whenever a backward walk has added to the ``.grad`` of this leaf."""
    def relu(x, /) -> Tensor:
        """relu(x), elementwise: ``where(x <= 0, 0, x)``."""
    def relu6(x, /) -> Tensor:
        """relu6(x), elementwise: ``where(x <= 0, 0, where(x >= 6, 6, x))``."""
    def repeat(a, repeats: ArrayLike, axis: SupportsIndex | None = None) -> Tensor:
        """Every element repeated, along an axis or (None) of the flattened array."""
    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded.  Can be set on leaves."""
    @requires_grad.setter
    def requires_grad(self, value: bool) -> None: ...
    def requires_grad_(self, /, requires_grad: bool = True) -> Self:
        """Set `requires_grad` and return the tensor."""
    def reshape(x, /, *shape: Shape, order: Order = 'C', copy: bool | None = None) -> Tensor:
        """`fastad.reshape`, with the shape as a tuple or as several arguments."""
    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate value, as its hooks leave it, in its ``.grad``; see also ``retains_grad``."""
    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this intermediate value."""
    def round(self, decimals: SupportsIndex = 0) -> Tensor:
        """Rounded to a number of decimals, halves to even. As ``numpy.round``; the result has no derivative."""
    @property
    def shape(self) -> tuple[int, ...]:
        """Tuple of the lengths of the axes."""
    def sigmoid(x, /) -> Tensor:
        """sigmoid(x), elementwise: ``sigmoid(x)``."""
    def sign(x, /) -> Tensor:
        """sign(x), elementwise: ``sign(x)``."""
    def silu(x, /) -> Tensor:
        """silu(x), elementwise: ``silu(x)``."""
    def sin(x, /) -> Tensor:
        """sin(x), elementwise: ``sin(x)``."""
    def sinh(x, /) -> Tensor:
        """sinh(x), elementwise: ``sinh(x)``."""
    @property
    def size(self) -> int:
        """Number of elements."""
    def softmax(x, axis: SupportsIndex = -1) -> Tensor:
        """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows."""
    def softplus(x, /) -> Tensor:
        """softplus(x), elementwise: ``softplus(x)``."""
    def sqrt(x, /) -> Tensor:
        """sqrt(x), elementwise: ``sqrt(x)``."""
    def square(x, /) -> Tensor:
        """square(x), elementwise: ``x * x``."""
    def squeeze(a, axis: Axes = None) -> Tensor:
        """`a` without its axes of length 1, or without those named."""
    def std(a, axis: Axes = None, dtype: DType | None = None, out: None = None, ddof: float = 0, keepdims: bool = False, *, where: ArrayLike = True, correction: float | None = None) -> Tensor:
        """The standard deviation: the square root of `var`, with the same arguments and errors."""
    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes to step along each axis."""
    def sum(a, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
        """The sum over all axes, or those named."""
    def swapaxes(a, axis1: SupportsIndex, axis2: SupportsIndex) -> Tensor:
        """`a` with two axes exchanged. A view."""
    def take(a, indices: ArrayLike, axis: SupportsIndex | None = None, out: None = None, mode: Literal["raise", "wrap", "clip"] = 'raise') -> Tensor:
        """Elements by number along an axis (of the flattened array if None), as ``a[..., indices, ...]``."""
    def tan(x, /) -> Tensor:
        """tan(x), elementwise: ``tan(x)``."""
    def tanh(x, /) -> Tensor:
        """tanh(x), elementwise: ``tanh(x)``."""
    def tolist(self) -> Any:
        """Nested lists of Python numbers; TypeError where `item` raises it."""
    def transpose(x, /, *axes: Axes) -> Tensor:
        """`fastad.transpose`, with the axes as a tuple or as several arguments; none reverses them."""
    def var(a, axis: Axes = None, dtype: DType | None = None, out: None = None, ddof: float = 0, keepdims: bool = False, *, where: ArrayLike = True, correction: float | None = None) -> Tensor:
        """The variance over all axes, or those named: sum abs(x - mean x)^2 / (n - ddof)."""
    @property
    def version(self) -> int:
        """How often the memory was written in place through fastad."""
    def zero_(self) -> Self:
        """Overwrite every element with 0; only outside a graph."""
    def __abs__(self) -> Tensor: ...
    def __add__(self, other: Operand, /) -> Tensor: ...
    def __and__(self, other: Operand, /) -> Tensor: ...
    def __array__(self, dtype: DType | None = None, copy: bool | None = None) -> npt.NDArray[Any]: ...
    def __array_function__(self, func: Function, types: Any, args: Any, kwargs: Any) -> Any: ...
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any: ...
    def __bool__(self) -> bool: ...
    def __complex__(self) -> complex: ...
    def __contains__(self, value: object, /) -> bool: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Self: ...
    def __dlpack__(self, *, stream: None = None, max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __eq__(self, other: object, /) -> Tensor: ...  # type: ignore[override]
    def __float__(self) -> float: ...
    def __format__(self, spec: str, /) -> str: ...
    def __ge__(self, other: Operand, /) -> Tensor: ...
    def __getitem__(self, index: Any, /) -> Tensor: ...
    def __gt__(self, other: Operand, /) -> Tensor: ...
    def __hash__(self) -> int: ...
    def __iadd__(self, other: Operand, /) -> Self: ...
    def __imul__(self, other: Operand, /) -> Self: ...
    def __index__(self) -> int: ...
    def __int__(self) -> int: ...
    def __invert__(self) -> Tensor: ...
    def __ipow__(self, other: Operand, /) -> Self: ...  # type: ignore[misc]
    def __isub__(self, other: Operand, /) -> Self: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __itruediv__(self, other: Operand, /) -> Self: ...
    def __le__(self, other: Operand, /) -> Tensor: ...
    def __len__(self) -> int: ...
    def __lt__(self, other: Operand, /) -> Tensor: ...
    def __matmul__(self, other: Operand, /) -> Tensor: ...
    def __mul__(self, other: Operand, /) -> Tensor: ...
    def __ne__(self, other: object, /) -> Tensor: ...  # type: ignore[override]
    def __neg__(self) -> Tensor: ...
    def __or__(self, other: Operand, /) -> Tensor: ...
    __pandas_priority__: int
    def __pos__(self) -> Tensor: ...
    def __pow__(self, other: Operand, mod: None = None, /) -> Tensor: ...
    def __radd__(self, other: Operand, /) -> Tensor: ...
    def __rand__(self, other: Operand, /) -> Tensor: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]: ...
    def __repr__(self) -> str: ...
    def __rmatmul__(self, other: Operand, /) -> Tensor: ...
    def __rmul__(self, other: Operand, /) -> Tensor: ...
    def __ror__(self, other: Operand, /) -> Tensor: ...
    def __rpow__(self, other: Operand, mod: None = None, /) -> Tensor: ...
    def __rsub__(self, other: Operand, /) -> Tensor: ...
    def __rtruediv__(self, other: Operand, /) -> Tensor: ...
    def __rxor__(self, other: Operand, /) -> Tensor: ...
    def __setitem__(self, index: Any, value: ArrayLike, /) -> None: ...
    def __sub__(self, other: Operand, /) -> Tensor: ...
    def __truediv__(self, other: Operand, /) -> Tensor: ...
    def __xor__(self, other: Operand, /) -> Tensor: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
FUNCTIONS: dict[Any, Any]
UFUNCS: dict[Any, Any]
def checked(name: Any, x: Any) -> Any: ...
def install(name: Any, attribute: Any) -> None: ...
def numbers(t: Any) -> npt.NDArray[Any]: ...
def place_of(t: Any) -> Any: ...
def register(name: Any, function: Any, *, method: Any = False, numpy: Any = None, ufunc: Any = None) -> Any: ...
