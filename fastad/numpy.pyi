"""NumPy's names: functions written with them take arrays and give arrays, and can be differentiated.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from ._typing import ArrayLike, Axes, Casting, DType, Order, Reduction, Shape
from ._core.tensor import Tensor

from numpy import bool_ as bool_
from numpy import complex64 as complex64
from numpy import complex128 as complex128
from numpy import dtype as dtype
from numpy import e as e
from numpy import euler_gamma as euler_gamma
from numpy import finfo as finfo
from numpy import float16 as float16
from numpy import float32 as float32
from numpy import float64 as float64
from numpy import iinfo as iinfo
from numpy import inf as inf
from numpy import int8 as int8
from numpy import int16 as int16
from numpy import int32 as int32
from numpy import int64 as int64
from numpy import intp as intp
from numpy import longdouble as longdouble
from numpy import nan as nan
from numpy import ndarray as ndarray
from numpy import newaxis as newaxis
from numpy import pi as pi
from numpy import uint8 as uint8
from numpy import uint16 as uint16
from numpy import uint32 as uint32
from numpy import uint64 as uint64

__all__ = ["abs", "absolute", "acos", "acosh", "add", "all", "allclose", "amax", "amin", "angle", "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "array", "array_equal", "array_split", "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh", "binary_cross_entropy", "binary_cross_entropy_with_logits", "bitwise_and", "bitwise_or", "bitwise_xor", "bool_", "broadcast_to", "ceil", "clip", "clone", "complex128", "complex64", "concat", "concatenate", "conj", "conjugate", "copy", "cos", "cosh", "cross_entropy", "cumsum", "diagonal", "divide", "dot", "dtype", "e", "einsum", "elu", "empty", "empty_like", "equal", "erf", "euler_gamma", "exp", "exp2", "expand_dims", "expit", "expm1", "eye", "finfo", "flip", "float16", "float32", "float64", "floor", "full", "full_like", "gelu", "greater", "greater_equal", "hypot", "identity", "iinfo", "imag", "inf", "inner", "int16", "int32", "int64", "int8", "intp", "invert", "isclose", "isfinite", "isinf", "isnan", "l1_loss", "leaky_relu", "less", "less_equal", "linalg", "linear", "linspace", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "logsigmoid", "logsumexp", "longdouble", "matmul", "matrix_transpose", "max", "maximum", "mean", "min", "minimum", "mish", "moveaxis", "mse_loss", "multiply", "nan", "ndarray", "ndim", "negative", "newaxis", "nll_loss", "nonzero", "norm", "not_equal", "ones", "ones_like", "outer", "pad", "permute_dims", "pi", "pow", "power", "prod", "ravel", "real", "reciprocal", "relu", "relu6", "repeat", "reshape", "rint", "roll", "round", "scatter", "shape", "sigmoid", "sign", "signbit", "silu", "sin", "sinh", "size", "softmax", "softplus", "split", "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "transpose", "tril", "triu", "true_divide", "trunc", "uint16", "uint32", "uint64", "uint8", "unstack", "var", "where", "zeros", "zeros_like"]

def abs(x: ArrayLike, /) -> Any:
    """abs(x), elementwise: ``abs(x)``."""
def add(a: ArrayLike, b: ArrayLike, /) -> Any:
    """add(a, b), elementwise: ``a + b``."""
def all(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Any:
    """Whether no element is 0, over all axes or those named. As ``numpy.all``; the result has no derivative."""
def allclose(a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False) -> bool:
    """Whether two arrays are equal within a tolerance. As ``numpy.allclose``; the result has no derivative."""
def angle(z: ArrayLike, deg: bool = False) -> Any:
    """The angle of a complex number from the positive real axis, in (-pi, pi]; if `deg`, in degrees."""
def any(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Any:
    """Whether an element is not 0, over all axes or those named. As ``numpy.any``; the result has no derivative."""
def arange(start: float, stop: float | None = None, step: float = 1, dtype: DType | None = None, *, requires_grad: bool = False) -> Any:
    """The numbers start, start + step, ... below stop; with one argument, from 0 to it."""
def arccos(x: ArrayLike, /) -> Any:
    """arccos(x), elementwise: ``arccos(x)``."""
def arccosh(x: ArrayLike, /) -> Any:
    """arccosh(x), elementwise: ``arccosh(x)``."""
def arcsin(x: ArrayLike, /) -> Any:
    """arcsin(x), elementwise: ``arcsin(x)``."""
def arcsinh(x: ArrayLike, /) -> Any:
    """arcsinh(x), elementwise: ``arcsinh(x)``."""
def arctan(x: ArrayLike, /) -> Any:
    """arctan(x), elementwise: ``arctan(x)``."""
def arctan2(a: ArrayLike, b: ArrayLike, /) -> Any:
    """arctan2(a, b), elementwise: ``arctan2(a, b)``."""
def arctanh(x: ArrayLike, /) -> Any:
    """arctanh(x), elementwise: ``arctanh(x)``."""
def argmax(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Any:
    """The index of the largest element, over the flattened array or an axis; the first of several. As ``numpy.argmax``; the result has no derivative."""
def argmin(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Any:
    """The index of the smallest element, over the flattened array or an axis; the first of several. As ``numpy.argmin``; the result has no derivative."""
def array(data: ArrayLike, dtype: DType | None = None, *, requires_grad: bool = False) -> Any:
    """A tensor with a copy of `data`."""
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> bool:
    """Whether two arrays have the same shape and elements. As ``numpy.array_equal``; the result has no derivative."""
def array_split(ary: ArrayLike, indices_or_sections: SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]], axis: SupportsIndex = 0) -> Any:
    """As `split`, but the sections may differ in length by one."""
def asarray(a: ArrayLike, dtype: DType | None = None, *, requires_grad: bool = False) -> Any:
    """`a` itself if it is a tensor of that dtype, else a tensor with a copy of its numbers."""
def astype(x: ArrayLike, dtype: DType, order: Order = 'K', casting: Casting = 'unsafe', subok: bool = True, copy: bool = True, *, device: Literal["cpu"] | None = None) -> Any:
    """x in another dtype."""
def binary_cross_entropy(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Any:
    """-(target log(input) + (1 - target) log(1 - input)) of probabilities; a logarithm counts at least -100."""
def binary_cross_entropy_with_logits(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: Reduction = 'mean', pos_weight: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> Any:
    """`binary_cross_entropy` of sigmoid(input), from the logits themselves: nothing overflows."""
def bitwise_and(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a & b. As ``numpy.bitwise_and``; the result has no derivative."""
def bitwise_or(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a | b. As ``numpy.bitwise_or``; the result has no derivative."""
def bitwise_xor(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a ^ b. As ``numpy.bitwise_xor``; the result has no derivative."""
def broadcast_to(array: ArrayLike, shape: Shape) -> Any:
    """`array` stretched to `shape` by NumPy's rules. A read-only view, in which stretched axes have stride 0."""
def ceil(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """The smallest integer that is not below x. As ``numpy.ceil``; the result has no derivative."""
def clip(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None, *, a_min: ArrayLike | None = None, a_max: ArrayLike | None = None) -> Any:
    """x limited to [min, max]; either may be None, a number or an array."""
def concatenate(arrays: Sequence[ArrayLike] | Tensor, axis: SupportsIndex | None = 0, out: None = None, *, dtype: DType | None = None, casting: Casting = 'same_kind') -> Any:
    """Arrays one after another along an axis; ``axis=None`` flattens them first."""
def conj(x: ArrayLike, /) -> Any:
    """The complex conjugate, a copy; also called ``conjugate``."""
def copy(a: ArrayLike, order: Order = 'K', subok: bool = False) -> Any:
    """`a` in memory of its own; the gradient passes through. Also as the methods ``copy`` and ``clone``."""
def cos(x: ArrayLike, /) -> Any:
    """cos(x), elementwise: ``cos(x)``."""
def cosh(x: ArrayLike, /) -> Any:
    """cosh(x), elementwise: ``cosh(x)``."""
def cross_entropy(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, ignore_index: SupportsIndex = -100, reduction: Reduction = 'mean', label_smoothing: float = 0.0, *, sample_weight: ArrayLike | None = None) -> Any:
    """The cross-entropy -log softmax(input)[target] from logits, without overflow."""
def cumsum(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DType | None = None, out: None = None) -> Any:
    """The sums of the elements up to each one, along an axis or (None) of the flattened array."""
def diagonal(a: ArrayLike, offset: SupportsIndex = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Any:
    """The elements of which the indices along two axes differ by `offset`, as a new last axis. A view."""
def divide(a: ArrayLike, b: ArrayLike, /) -> Any:
    """divide(a, b), elementwise: ``a / b``."""
def dot(a: ArrayLike, b: ArrayLike) -> Any:
    """NumPy's dot product: the last axis of `a` with the last but one (or only) axis of `b`."""
def einsum(subscripts: Any, *operands: ArrayLike, out: None = None, optimize: Any = None, dtype: DType | None = None) -> Any:
    """The sum of products that Einstein's notation describes: labels that the result does not name are summed."""
def elu(x: ArrayLike, alpha: float = 1.0) -> Any:
    """x for x > 0, else alpha * (exp(x) - 1)."""
def empty(shape: Shape, dtype: DType = float, *, requires_grad: bool = False) -> Any:
    """A tensor whose elements are not set: whatever the memory held."""
def empty_like(prototype: ArrayLike, dtype: DType | None = None, order: Order = 'K', subok: bool = True, shape: Shape | None = None, *, requires_grad: bool = False) -> Any:
    """A tensor of the shape and dtype of `prototype`, unless given, whose elements are not set."""
def equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a == b. As ``numpy.equal``; the result has no derivative."""
def erf(x: ArrayLike, /) -> Any:
    """erf(x), elementwise: ``erf(x)``."""
def exp(x: ArrayLike, /) -> Any:
    """exp(x), elementwise: ``exp(x)``."""
def exp2(x: ArrayLike, /) -> Any:
    """exp2(x), elementwise: ``exp2(x)``."""
def expand_dims(a: ArrayLike, axis: Axes) -> Any:
    """`a` with axes of length 1 inserted, so that they have the given positions in the result."""
def expm1(x: ArrayLike, /) -> Any:
    """expm1(x), elementwise: ``expm1(x)``."""
def eye(N: SupportsIndex, M: SupportsIndex | None = None, k: SupportsIndex = 0, dtype: DType = float, *, requires_grad: bool = False) -> Any:
    """The matrix of shape (N, M) with ones on diagonal k and zeros elsewhere."""
def flip(m: ArrayLike, axis: Axes = None) -> Any:
    """`m` with the order of its elements reversed along all axes, or those named. A view with negative strides."""
def floor(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """The largest integer that is not above x. As ``numpy.floor``; the result has no derivative."""
def full(shape: Shape, fill_value: ArrayLike, dtype: DType | None = None, *, requires_grad: bool = False) -> Any:
    """A tensor filled with `fill_value`, in its dtype unless `dtype` says otherwise."""
def full_like(a: ArrayLike, fill_value: ArrayLike, dtype: DType | None = None, order: Order = 'K', subok: bool = True, shape: Shape | None = None, *, requires_grad: bool = False) -> Any:
    """`fill_value` everywhere, in the shape and dtype of `a`, unless given."""
def gelu(x: ArrayLike, approximate: Literal["none", "tanh"] = 'none') -> Any:
    """x Phi(x), Phi the normal distribution function; approximate="tanh" gives the tanh form."""
def greater(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a > b. As ``numpy.greater``; the result has no derivative."""
def greater_equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a >= b. As ``numpy.greater_equal``; the result has no derivative."""
def hypot(a: ArrayLike, b: ArrayLike, /) -> Any:
    """hypot(a, b), elementwise: ``hypot(a, b)``."""
def identity(n: SupportsIndex, dtype: DType = float, *, requires_grad: bool = False) -> Any:
    """The identity matrix of shape (n, n)."""
def imag(val: ArrayLike) -> Any:
    """The imaginary part, of the real dtype that goes with a complex one; zeros, without derivative, of real numbers."""
def inner(a: ArrayLike, b: ArrayLike, /) -> Any:
    """The product summed over the last axis of both: ``y[i, j] = sum(a[i, :] * b[j, :])``; a 0-d operand multiplies."""
def invert(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """~a. As ``numpy.invert``; the result has no derivative."""
def isclose(a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False) -> Any:
    """Where two arrays are equal within a tolerance. As ``numpy.isclose``; the result has no derivative."""
def isfinite(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """Where x is a finite number. As ``numpy.isfinite``; the result has no derivative."""
def isinf(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """Where x is infinite. As ``numpy.isinf``; the result has no derivative."""
def isnan(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """Where x is NaN. As ``numpy.isnan``; the result has no derivative."""
def l1_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Any:
    """abs(input - target), and its mean or sum; arguments and errors as `mse_loss`."""
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Any:
    """x for x > 0, else negative_slope * x; the derivative at 0 is negative_slope."""
def less(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a < b. As ``numpy.less``; the result has no derivative."""
def less_equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a <= b. As ``numpy.less_equal``; the result has no derivative."""
linalg: Any
def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Any:
    """The affine map ``y = x W^T + b`` of the last axis, as one operation."""
def linspace(start: ArrayLike, stop: ArrayLike, num: SupportsIndex = 50, endpoint: bool = True, dtype: DType | None = None, *, requires_grad: bool = False) -> Any:
    """`num` numbers at equal distances from start to stop: ``start * (1 - t) + stop * t`` with t from 0 to 1."""
def log(x: ArrayLike, /) -> Any:
    """log(x), elementwise: ``log(x)``."""
def log10(x: ArrayLike, /) -> Any:
    """log10(x), elementwise: ``log10(x)``."""
def log1p(x: ArrayLike, /) -> Any:
    """log1p(x), elementwise: ``log1p(x)``."""
def log2(x: ArrayLike, /) -> Any:
    """log2(x), elementwise: ``log2(x)``."""
def log_softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Any:
    """x - log(sum(exp(x))) along an axis, without overflow; arguments and errors as `softmax`."""
def logaddexp(a: ArrayLike, b: ArrayLike, /) -> Any:
    """logaddexp(a, b), elementwise: ``logaddexp(a, b)``."""
def logical_and(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a and b. As ``numpy.logical_and``; the result has no derivative."""
def logical_not(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """Where x is 0. As ``numpy.logical_not``; the result has no derivative."""
def logical_or(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a or b. As ``numpy.logical_or``; the result has no derivative."""
def logical_xor(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a or b, but not both. As ``numpy.logical_xor``; the result has no derivative."""
def logsigmoid(x: ArrayLike, /) -> Any:
    """logsigmoid(x), elementwise: ``-softplus(-x)``."""
def logsumexp(a: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Any:
    """log(sum(exp(a))) over all axes, or those named, without overflow."""
def matmul(a: ArrayLike, b: ArrayLike, /) -> Any:
    """The matrix product of the last two axes, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``."""
def matrix_transpose(x: ArrayLike) -> Any:
    """x with its last two axes exchanged. A view."""
def max(a: ArrayLike, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Any:
    """The largest element, over all axes or those named; a NaN counts as the largest. Also `amax`."""
def maximum(a: ArrayLike, b: ArrayLike, /) -> Any:
    """maximum(a, b), elementwise: ``maximum(a, b)``."""
def mean(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, *, where: ArrayLike = True) -> Any:
    """The mean over all axes, or those named; of integers in float64."""
def min(a: ArrayLike, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Any:
    """The smallest element, over all axes or those named; a NaN counts as the smallest. Also `amin`."""
def minimum(a: ArrayLike, b: ArrayLike, /) -> Any:
    """minimum(a, b), elementwise: ``minimum(a, b)``."""
def mish(x: ArrayLike, /) -> Any:
    """mish(x), elementwise: ``mish(x)``."""
def moveaxis(a: ArrayLike, source: Axes, destination: Axes) -> Any:
    """`a` with the axes `source` moved to the positions `destination`; the others keep their order. A view."""
def mse_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Any:
    """(input - target)^2, and its mean or sum; both of one shape and dtype; `sample_weight` as in `cross_entropy`."""
def multiply(a: ArrayLike, b: ArrayLike, /) -> Any:
    """multiply(a, b), elementwise: ``a * b``."""
def ndim(a: ArrayLike) -> int:
    """The number of axes. As ``numpy.ndim``; the result has no derivative."""
def negative(x: ArrayLike, /) -> Any:
    """negative(x), elementwise: ``-x``."""
def nll_loss(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, ignore_index: SupportsIndex = -100, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Any:
    """-input[target]: the loss of log-probabilities, shapes, weights and errors as in `cross_entropy`."""
def nonzero(a: ArrayLike) -> Any:
    """The indices of the elements that are not 0, one array for each axis. As ``numpy.nonzero``; the result has no derivative."""
def norm(x: ArrayLike, ord: float | Literal["fro", "nuc"] | None = None, axis: Axes = None, keepdims: bool = False) -> Any:
    """The norm of vectors or matrices, as ``numpy.linalg.norm``."""
def not_equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """a != b. As ``numpy.not_equal``; the result has no derivative."""
def ones(shape: Shape, dtype: DType = float, *, requires_grad: bool = False) -> Any:
    """A tensor of ones; float64 unless `dtype` says otherwise."""
def ones_like(a: ArrayLike, dtype: DType | None = None, order: Order = 'K', subok: bool = True, shape: Shape | None = None, *, requires_grad: bool = False) -> Any:
    """Ones of the shape and dtype of `a`, unless given. `order` and `subok` are NumPy's and change nothing."""
def outer(a: ArrayLike, b: ArrayLike) -> Any:
    """All products of two vectors, ``y[i, j] = a[i] b[j]``; other shapes are flattened."""
def pad(array: ArrayLike, pad_width: SupportsIndex | Sequence[Any] | npt.NDArray[np.integer[Any]] | dict[int, Any], mode: Literal["constant", "edge", "reflect", "symmetric", "wrap"] = 'constant', *, constant_values: ArrayLike = 0) -> Any:
    """`array` with borders added to its axes."""
def power(a: ArrayLike, b: ArrayLike, /) -> Any:
    """power(a, b), elementwise: ``pow(a, b)``."""
def prod(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Any:
    """The product over all axes, or those named."""
def ravel(a: ArrayLike, order: Order = 'C') -> Any:
    """All elements in one axis, in C order; a view where there is one. See `reshape`."""
def real(val: ArrayLike) -> Any:
    """The real part, of the real dtype that goes with a complex one; real numbers as they are."""
def reciprocal(x: ArrayLike, /) -> Any:
    """reciprocal(x), elementwise: ``1 / x``."""
def relu(x: ArrayLike, /) -> Any:
    """relu(x), elementwise: ``where(x <= 0, 0, x)``."""
def relu6(x: ArrayLike, /) -> Any:
    """relu6(x), elementwise: ``where(x <= 0, 0, where(x >= 6, 6, x))``."""
def repeat(a: ArrayLike, repeats: ArrayLike, axis: SupportsIndex | None = None) -> Any:
    """Every element repeated, along an axis or (None) of the flattened array."""
def reshape(a: ArrayLike, shape: Shape, order: Order = 'C', *, copy: bool | None = None) -> Any:
    """The elements of `a`, in C order, in another shape; one length may be -1 and is then inferred."""
def rint(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """The nearest integer; of two, the even one. As ``numpy.rint``; the result has no derivative."""
def roll(a: ArrayLike, shift: Axes, axis: Axes = None) -> Any:
    """`a` with its elements moved on by `shift`, those that leave the end entering at the front."""
def round(a: ArrayLike, decimals: SupportsIndex = 0) -> Any:
    """Rounded to a number of decimals, halves to even. As ``numpy.round``; the result has no derivative."""
def scatter(values: ArrayLike, index: Any, shape: Shape) -> Any:
    """Zeros of `shape` with `values` added at ``[index]``: the adjoint of ``x[index]``. Places named twice add up."""
def shape(a: ArrayLike) -> tuple[int, ...]:
    """The lengths of the axes. As ``numpy.shape``; the result has no derivative."""
def sigmoid(x: ArrayLike, /) -> Any:
    """sigmoid(x), elementwise: ``sigmoid(x)``."""
def sign(x: ArrayLike, /) -> Any:
    """sign(x), elementwise: ``sign(x)``."""
def signbit(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """Where the sign bit is set. As ``numpy.signbit``; the result has no derivative."""
def silu(x: ArrayLike, /) -> Any:
    """silu(x), elementwise: ``silu(x)``."""
def sin(x: ArrayLike, /) -> Any:
    """sin(x), elementwise: ``sin(x)``."""
def sinh(x: ArrayLike, /) -> Any:
    """sinh(x), elementwise: ``sinh(x)``."""
def size(a: ArrayLike, axis: SupportsIndex | None = None) -> int:
    """The number of elements, or along an axis. As ``numpy.size``; the result has no derivative."""
def softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows."""
def softplus(x: ArrayLike, /) -> Any:
    """softplus(x), elementwise: ``softplus(x)``."""
def split(ary: ArrayLike, indices_or_sections: SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]], axis: SupportsIndex = 0) -> Any:
    """`ary` cut along an axis into a number of equal sections, or at the indices given; a list of views."""
def sqrt(x: ArrayLike, /) -> Any:
    """sqrt(x), elementwise: ``sqrt(x)``."""
def square(x: ArrayLike, /) -> Any:
    """square(x), elementwise: ``x * x``."""
def squeeze(a: ArrayLike, axis: Axes = None) -> Any:
    """`a` without its axes of length 1, or without those named."""
def stack(arrays: Sequence[ArrayLike] | Tensor, axis: SupportsIndex = 0, out: None = None, *, dtype: DType | None = None, casting: Casting = 'same_kind') -> Any:
    """Arrays of one shape joined along a new axis."""
def std(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, ddof: float = 0, keepdims: bool = False, *, where: ArrayLike = True, correction: float | None = None) -> Any:
    """The standard deviation: the square root of `var`, with the same arguments and errors."""
def subtract(a: ArrayLike, b: ArrayLike, /) -> Any:
    """subtract(a, b), elementwise: ``a - b``."""
def sum(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Any:
    """The sum over all axes, or those named."""
def swapaxes(a: ArrayLike, axis1: SupportsIndex, axis2: SupportsIndex) -> Any:
    """`a` with two axes exchanged. A view."""
def take(a: ArrayLike, indices: ArrayLike, axis: SupportsIndex | None = None, out: None = None, mode: Literal["raise", "wrap", "clip"] = 'raise') -> Any:
    """Elements by number along an axis (of the flattened array if None), as ``a[..., indices, ...]``."""
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: SupportsIndex | None = -1) -> Any:
    """Elements by number along an axis, with other numbers at every place of the other axes: ``y[i, j] = arr[i, indices[i, j]]`` for the last axis of a matrix."""
def tan(x: ArrayLike, /) -> Any:
    """tan(x), elementwise: ``tan(x)``."""
def tanh(x: ArrayLike, /) -> Any:
    """tanh(x), elementwise: ``tanh(x)``."""
def tensordot(a: ArrayLike, b: ArrayLike, axes: Any = 2) -> Any:
    """The product summed over several axes: the last `axes` of `a` with the first of `b`, or two lists of axes."""
def tile(A: ArrayLike, reps: Axes) -> Any:
    """`A` repeated as a whole: ``reps[i]`` times along axis i."""
def transpose(a: ArrayLike, axes: Axes = None) -> Any:
    """`a` with its axes reversed, or in the order given: axis j of the result is axis ``axes[j]`` of `a`. A view."""
def tril(m: ArrayLike, k: SupportsIndex = 0) -> Any:
    """`m` with the elements above diagonal k of its last two axes replaced by 0; they receive no gradient."""
def triu(m: ArrayLike, k: SupportsIndex = 0) -> Any:
    """`m` with the elements below diagonal k of its last two axes replaced by 0; they receive no gradient."""
def trunc(x: ArrayLike, /, *, dtype: DType | None = None) -> Any:
    """x without its fraction. As ``numpy.trunc``; the result has no derivative."""
def unstack(x: ArrayLike, *, axis: SupportsIndex = 0) -> Any:
    """The slabs of x along an axis, as a tuple of views without that axis: the inverse of `stack`."""
def var(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, ddof: float = 0, keepdims: bool = False, *, where: ArrayLike = True, correction: float | None = None) -> Any:
    """The variance over all axes, or those named: sum abs(x - mean x)^2 / (n - ddof)."""
@overload
def where(condition: ArrayLike, x: None = None, y: None = None, /) -> Any:
    """x where condition is true, else y; the three broadcast."""
@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Any: ...
def zeros(shape: Shape, dtype: DType = float, *, requires_grad: bool = False) -> Any:
    """A tensor of zeros; float64 unless `dtype` says otherwise."""
def zeros_like(a: ArrayLike, dtype: DType | None = None, order: Order = 'K', subok: bool = True, shape: Shape | None = None, *, requires_grad: bool = False) -> Any:
    """Zeros of the shape and dtype of `a`, unless given. `order` and `subok` are NumPy's and change nothing."""

absolute = abs
acos = arccos
acosh = arccosh
amax = max
amin = min
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
clone = copy
concat = concatenate
conjugate = conj
expit = sigmoid
permute_dims = transpose
pow = power
true_divide = divide
