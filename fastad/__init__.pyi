"""fastad: automatic differentiation and small neural networks on NumPy arrays, with a compiled tape.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from ._typing import ArrayLike, Axes, Casting, DType, Order, Reduction, Shape

from .saving.files import CheckpointError as CheckpointError
from ._core.make import IndependentWarning as IndependentWarning
from ._core.tensor import Tensor as Tensor
from .creation import arange as arange
from .creation import asarray as asarray
from . import autograd as autograd
from .checkpointing import checkpoint as checkpoint
from ._core.primitives.convolution import conv1d as conv1d
from ._core.primitives.convolution import conv2d as conv2d
from ._core.primitives.convolution import conv_transpose1d as conv_transpose1d
from ._core.primitives.convolution import conv_transpose2d as conv_transpose2d
from . import data as data
from . import datasets as datasets
from .random import default_generator as default_generator
from .transforms.forward import deriv as deriv
from .observers.anomaly import detect_anomaly as detect_anomaly
from . import diagnostics as diagnostics
from .transforms.reverse import elementwise_grad as elementwise_grad
from .creation import empty as empty
from .creation import empty_like as empty_like
from .recording import enable_grad as enable_grad
from . import extend as extend
from .creation import eye as eye
from .transforms.fixed import fixed_point as fixed_point
from .transforms.tree import flatten as flatten
from ._core.exchange import from_dlpack as from_dlpack
from ._core.make import from_numpy as from_numpy
from .creation import full as full
from .creation import full_like as full_like
from ._config import get_include as get_include
from ._config import get_num_threads as get_num_threads
from .transforms.products import ggnvp as ggnvp
from .transforms.reverse import grad as grad
from .transforms.reverse import grad_and_aux as grad_and_aux
from .transforms.reverse import grad_named as grad_named
from .transforms.matrices import hessian as hessian
from .transforms.products import hessian_tensor_product as hessian_tensor_product
from .transforms.reverse import holomorphic_grad as holomorphic_grad
from .transforms.products import hvp as hvp
from .creation import identity as identity
from .recording import inference_mode as inference_mode
from .recording import is_grad_enabled as is_grad_enabled
from .transforms.matrices import jacfwd as jacfwd
from .transforms.matrices import jacobian as jacobian
from .transforms.matrices import jacrev as jacrev
from .transforms.forward import jvp as jvp
from . import linalg as linalg
from .transforms.forward import linearize as linearize
from .creation import linspace as linspace
from .saving import load as load
from .transforms.products import make_ggnvp as make_ggnvp
from .transforms.products import make_hvp as make_hvp
from .transforms.forward import make_jvp as make_jvp
from .transforms.reverse import make_vjp as make_vjp
from .random import manual_seed as manual_seed
from .transforms.reverse import multigrad_dict as multigrad_dict
from . import nn as nn
from .recording import no_grad as no_grad
from . import numpy as numpy
from .creation import ones as ones
from .creation import ones_like as ones_like
from . import optim as optim
from . import optimize as optimize
from . import preprocessing as preprocessing
from ._core.primitives.recurrent import recurrent as recurrent
from . import reference as reference
from .saving import save as save
from .recording import set_grad_enabled as set_grad_enabled
from ._config import set_num_threads as set_num_threads
from ._config import show_config as show_config
from ._core.make import tensor as tensor
from .transforms.products import tensor_jacobian_product as tensor_jacobian_product
from . import testing as testing
from .observers.trace import trace as trace
from . import training as training
from . import transforms as transforms
from .transforms.reverse import value_and_grad as value_and_grad
from .transforms.products import vhp as vhp
from .transforms.reverse import vjp as vjp
from .creation import zeros as zeros
from .creation import zeros_like as zeros_like

__version__: str

def abs(x: ArrayLike, /) -> Tensor:
    """abs(x), elementwise: ``abs(x)``."""
def add(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """add(a, b), elementwise: ``a + b``."""
def all(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
    """Whether no element is 0, over all axes or those named. As ``numpy.all``; the result has no derivative."""
def allclose(a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False) -> bool:
    """Whether two arrays are equal within a tolerance. As ``numpy.allclose``; the result has no derivative."""
def angle(z: ArrayLike, deg: bool = False) -> Tensor:
    """The angle of a complex number from the positive real axis, in (-pi, pi]; if `deg`, in degrees."""
def any(a: ArrayLike, axis: Axes = None, *, keepdims: bool = False) -> Tensor:
    """Whether an element is not 0, over all axes or those named. As ``numpy.any``; the result has no derivative."""
def arccos(x: ArrayLike, /) -> Tensor:
    """arccos(x), elementwise: ``arccos(x)``."""
def arccosh(x: ArrayLike, /) -> Tensor:
    """arccosh(x), elementwise: ``arccosh(x)``."""
def arcsin(x: ArrayLike, /) -> Tensor:
    """arcsin(x), elementwise: ``arcsin(x)``."""
def arcsinh(x: ArrayLike, /) -> Tensor:
    """arcsinh(x), elementwise: ``arcsinh(x)``."""
def arctan(x: ArrayLike, /) -> Tensor:
    """arctan(x), elementwise: ``arctan(x)``."""
def arctan2(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """arctan2(a, b), elementwise: ``arctan2(a, b)``."""
def arctanh(x: ArrayLike, /) -> Tensor:
    """arctanh(x), elementwise: ``arctanh(x)``."""
def argmax(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Tensor:
    """The index of the largest element, over the flattened array or an axis; the first of several. As ``numpy.argmax``; the result has no derivative."""
def argmin(a: ArrayLike, axis: SupportsIndex | None = None, *, keepdims: bool = False) -> Tensor:
    """The index of the smallest element, over the flattened array or an axis; the first of several. As ``numpy.argmin``; the result has no derivative."""
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> bool:
    """Whether two arrays have the same shape and elements. As ``numpy.array_equal``; the result has no derivative."""
def array_split(ary: ArrayLike, indices_or_sections: SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]], axis: SupportsIndex = 0) -> list[Tensor]:
    """As `split`, but the sections may differ in length by one."""
def astype(x: ArrayLike, dtype: DType, order: Order = 'K', casting: Casting = 'unsafe', subok: bool = True, copy: bool = True, *, device: Literal["cpu"] | None = None) -> Tensor:
    """x in another dtype."""
def binary_cross_entropy(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)) of probabilities; a logarithm counts at least -100."""
def binary_cross_entropy_with_logits(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, reduction: Reduction = 'mean', pos_weight: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> Tensor:
    """`binary_cross_entropy` of sigmoid(input), from the logits themselves: nothing overflows."""
def bitwise_and(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a & b. As ``numpy.bitwise_and``; the result has no derivative."""
def bitwise_or(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a | b. As ``numpy.bitwise_or``; the result has no derivative."""
def bitwise_xor(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a ^ b. As ``numpy.bitwise_xor``; the result has no derivative."""
def broadcast_to(array: ArrayLike, shape: Shape) -> Tensor:
    """`array` stretched to `shape` by NumPy's rules. A read-only view, in which stretched axes have stride 0."""
def ceil(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """The smallest integer that is not below x. As ``numpy.ceil``; the result has no derivative."""
def clip(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None, *, a_min: ArrayLike | None = None, a_max: ArrayLike | None = None) -> Tensor:
    """x limited to [min, max]; either may be None, a number or an array."""
def concatenate(arrays: Sequence[ArrayLike] | Tensor, axis: SupportsIndex | None = 0, out: None = None, *, dtype: DType | None = None, casting: Casting = 'same_kind') -> Tensor:
    """Arrays one after another along an axis; ``axis=None`` flattens them first."""
def conj(x: ArrayLike, /) -> Tensor:
    """The complex conjugate, a copy; also called ``conjugate``."""
def copy(a: ArrayLike, order: Order = 'K', subok: bool = False) -> Tensor:
    """`a` in memory of its own; the gradient passes through. Also as the methods ``copy`` and ``clone``."""
def cos(x: ArrayLike, /) -> Tensor:
    """cos(x), elementwise: ``cos(x)``."""
def cosh(x: ArrayLike, /) -> Tensor:
    """cosh(x), elementwise: ``cosh(x)``."""
def cross_entropy(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, ignore_index: SupportsIndex = -100, reduction: Reduction = 'mean', label_smoothing: float = 0.0, *, sample_weight: ArrayLike | None = None) -> Tensor:
    """The cross-entropy -log softmax(input)[target] from logits, without overflow."""
def cumsum(a: ArrayLike, axis: SupportsIndex | None = None, dtype: DType | None = None, out: None = None) -> Tensor:
    """The sums of the elements up to each one, along an axis or (None) of the flattened array."""
def diagonal(a: ArrayLike, offset: SupportsIndex = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Tensor:
    """The elements of which the indices along two axes differ by `offset`, as a new last axis. A view."""
def divide(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """divide(a, b), elementwise: ``a / b``."""
def dot(a: ArrayLike, b: ArrayLike) -> Tensor:
    """NumPy's dot product: the last axis of `a` with the last but one (or only) axis of `b`."""
def einsum(subscripts: Any, *operands: ArrayLike, out: None = None, optimize: Any = None, dtype: DType | None = None) -> Tensor:
    """The sum of products that Einstein's notation describes: labels that the result does not name are summed."""
def elu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """x for x > 0, else alpha * (exp(x) - 1)."""
def equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a == b. As ``numpy.equal``; the result has no derivative."""
def erf(x: ArrayLike, /) -> Tensor:
    """erf(x), elementwise: ``erf(x)``."""
def exp(x: ArrayLike, /) -> Tensor:
    """exp(x), elementwise: ``exp(x)``."""
def exp2(x: ArrayLike, /) -> Tensor:
    """exp2(x), elementwise: ``exp2(x)``."""
def expand_dims(a: ArrayLike, axis: Axes) -> Tensor:
    """`a` with axes of length 1 inserted, so that they have the given positions in the result."""
def expm1(x: ArrayLike, /) -> Tensor:
    """expm1(x), elementwise: ``expm1(x)``."""
def flip(m: ArrayLike, axis: Axes = None) -> Tensor:
    """`m` with the order of its elements reversed along all axes, or those named. A view with negative strides."""
def floor(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """The largest integer that is not above x. As ``numpy.floor``; the result has no derivative."""
def gelu(x: ArrayLike, approximate: Literal["none", "tanh"] = 'none') -> Tensor:
    """x Phi(x), Phi the normal distribution function; approximate="tanh" gives the tanh form."""
def greater(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a > b. As ``numpy.greater``; the result has no derivative."""
def greater_equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a >= b. As ``numpy.greater_equal``; the result has no derivative."""
def hypot(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """hypot(a, b), elementwise: ``hypot(a, b)``."""
def imag(val: ArrayLike) -> Tensor:
    """The imaginary part, of the real dtype that goes with a complex one; zeros, without derivative, of real numbers."""
def inner(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """The product summed over the last axis of both: ``y[i, j] = sum(a[i, :] * b[j, :])``; a 0-d operand multiplies."""
def invert(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """~a. As ``numpy.invert``; the result has no derivative."""
def isclose(a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where two arrays are equal within a tolerance. As ``numpy.isclose``; the result has no derivative."""
def isfinite(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """Where x is a finite number. As ``numpy.isfinite``; the result has no derivative."""
def isinf(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """Where x is infinite. As ``numpy.isinf``; the result has no derivative."""
def isnan(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """Where x is NaN. As ``numpy.isnan``; the result has no derivative."""
def l1_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """abs(input - target), and its mean or sum; arguments and errors as `mse_loss`."""
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Tensor:
    """x for x > 0, else negative_slope * x; the derivative at 0 is negative_slope."""
def less(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a < b. As ``numpy.less``; the result has no derivative."""
def less_equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a <= b. As ``numpy.less_equal``; the result has no derivative."""
def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Tensor:
    """The affine map ``y = x W^T + b`` of the last axis, as one operation."""
def log(x: ArrayLike, /) -> Tensor:
    """log(x), elementwise: ``log(x)``."""
def log10(x: ArrayLike, /) -> Tensor:
    """log10(x), elementwise: ``log10(x)``."""
def log1p(x: ArrayLike, /) -> Tensor:
    """log1p(x), elementwise: ``log1p(x)``."""
def log2(x: ArrayLike, /) -> Tensor:
    """log2(x), elementwise: ``log2(x)``."""
def log_softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Tensor:
    """x - log(sum(exp(x))) along an axis, without overflow; arguments and errors as `softmax`."""
def logaddexp(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """logaddexp(a, b), elementwise: ``logaddexp(a, b)``."""
def logical_and(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a and b. As ``numpy.logical_and``; the result has no derivative."""
def logical_not(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """Where x is 0. As ``numpy.logical_not``; the result has no derivative."""
def logical_or(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a or b. As ``numpy.logical_or``; the result has no derivative."""
def logical_xor(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a or b, but not both. As ``numpy.logical_xor``; the result has no derivative."""
def logsigmoid(x: ArrayLike, /) -> Tensor:
    """logsigmoid(x), elementwise: ``-softplus(-x)``."""
def logsumexp(a: ArrayLike, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(a))) over all axes, or those named, without overflow."""
def matmul(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """The matrix product of the last two axes, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``."""
def matrix_transpose(x: ArrayLike) -> Tensor:
    """x with its last two axes exchanged. A view."""
def max(a: ArrayLike, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The largest element, over all axes or those named; a NaN counts as the largest. Also `amax`."""
def maximum(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """maximum(a, b), elementwise: ``maximum(a, b)``."""
def mean(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, *, where: ArrayLike = True) -> Tensor:
    """The mean over all axes, or those named; of integers in float64."""
def min(a: ArrayLike, axis: Axes = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The smallest element, over all axes or those named; a NaN counts as the smallest. Also `amin`."""
def minimum(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """minimum(a, b), elementwise: ``minimum(a, b)``."""
def mish(x: ArrayLike, /) -> Tensor:
    """mish(x), elementwise: ``mish(x)``."""
def moveaxis(a: ArrayLike, source: Axes, destination: Axes) -> Tensor:
    """`a` with the axes `source` moved to the positions `destination`; the others keep their order. A view."""
def mse_loss(input: ArrayLike, target: ArrayLike, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """(input - target)^2, and its mean or sum; both of one shape and dtype; `sample_weight` as in `cross_entropy`."""
def multiply(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """multiply(a, b), elementwise: ``a * b``."""
def ndim(a: ArrayLike) -> int:
    """The number of axes. As ``numpy.ndim``; the result has no derivative."""
def negative(x: ArrayLike, /) -> Tensor:
    """negative(x), elementwise: ``-x``."""
def nll_loss(input: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, ignore_index: SupportsIndex = -100, reduction: Reduction = 'mean', *, sample_weight: ArrayLike | None = None) -> Tensor:
    """-input[target]: the loss of log-probabilities, shapes, weights and errors as in `cross_entropy`."""
def nonzero(a: ArrayLike) -> tuple[Tensor, ...]:
    """The indices of the elements that are not 0, one array for each axis. As ``numpy.nonzero``; the result has no derivative."""
def norm(x: ArrayLike, ord: float | Literal["fro", "nuc"] | None = None, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors or matrices, as ``numpy.linalg.norm``."""
def not_equal(x1: ArrayLike, x2: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """a != b. As ``numpy.not_equal``; the result has no derivative."""
def outer(a: ArrayLike, b: ArrayLike) -> Tensor:
    """All products of two vectors, ``y[i, j] = a[i] b[j]``; other shapes are flattened."""
def pad(array: ArrayLike, pad_width: SupportsIndex | Sequence[Any] | npt.NDArray[np.integer[Any]] | dict[int, Any], mode: Literal["constant", "edge", "reflect", "symmetric", "wrap"] = 'constant', *, constant_values: ArrayLike = 0) -> Tensor:
    """`array` with borders added to its axes."""
def power(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """power(a, b), elementwise: ``pow(a, b)``."""
def prod(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The product over all axes, or those named."""
def ravel(a: ArrayLike, order: Order = 'C') -> Tensor:
    """All elements in one axis, in C order; a view where there is one. See `reshape`."""
def real(val: ArrayLike) -> Tensor:
    """The real part, of the real dtype that goes with a complex one; real numbers as they are."""
def reciprocal(x: ArrayLike, /) -> Tensor:
    """reciprocal(x), elementwise: ``1 / x``."""
def relu(x: ArrayLike, /) -> Tensor:
    """relu(x), elementwise: ``where(x <= 0, 0, x)``."""
def relu6(x: ArrayLike, /) -> Tensor:
    """relu6(x), elementwise: ``where(x <= 0, 0, where(x >= 6, 6, x))``."""
def repeat(a: ArrayLike, repeats: ArrayLike, axis: SupportsIndex | None = None) -> Tensor:
    """Every element repeated, along an axis or (None) of the flattened array."""
def reshape(a: ArrayLike, shape: Shape, order: Order = 'C', *, copy: bool | None = None) -> Tensor:
    """The elements of `a`, in C order, in another shape; one length may be -1 and is then inferred."""
def rint(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """The nearest integer; of two, the even one. As ``numpy.rint``; the result has no derivative."""
def roll(a: ArrayLike, shift: Axes, axis: Axes = None) -> Tensor:
    """`a` with its elements moved on by `shift`, those that leave the end entering at the front."""
def round(a: ArrayLike, decimals: SupportsIndex = 0) -> Tensor:
    """Rounded to a number of decimals, halves to even. As ``numpy.round``; the result has no derivative."""
def scatter(values: ArrayLike, index: Any, shape: Shape) -> Tensor:
    """Zeros of `shape` with `values` added at ``[index]``: the adjoint of ``x[index]``. Places named twice add up."""
def shape(a: ArrayLike) -> tuple[int, ...]:
    """The lengths of the axes. As ``numpy.shape``; the result has no derivative."""
def sigmoid(x: ArrayLike, /) -> Tensor:
    """sigmoid(x), elementwise: ``sigmoid(x)``."""
def sign(x: ArrayLike, /) -> Tensor:
    """sign(x), elementwise: ``sign(x)``."""
def signbit(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """Where the sign bit is set. As ``numpy.signbit``; the result has no derivative."""
def silu(x: ArrayLike, /) -> Tensor:
    """silu(x), elementwise: ``silu(x)``."""
def sin(x: ArrayLike, /) -> Tensor:
    """sin(x), elementwise: ``sin(x)``."""
def sinh(x: ArrayLike, /) -> Tensor:
    """sinh(x), elementwise: ``sinh(x)``."""
def size(a: ArrayLike, axis: SupportsIndex | None = None) -> int:
    """The number of elements, or along an axis. As ``numpy.size``; the result has no derivative."""
def softmax(x: ArrayLike, axis: SupportsIndex = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows."""
def softplus(x: ArrayLike, /) -> Tensor:
    """softplus(x), elementwise: ``softplus(x)``."""
def split(ary: ArrayLike, indices_or_sections: SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]], axis: SupportsIndex = 0) -> list[Tensor]:
    """`ary` cut along an axis into a number of equal sections, or at the indices given; a list of views."""
def sqrt(x: ArrayLike, /) -> Tensor:
    """sqrt(x), elementwise: ``sqrt(x)``."""
def square(x: ArrayLike, /) -> Tensor:
    """square(x), elementwise: ``x * x``."""
def squeeze(a: ArrayLike, axis: Axes = None) -> Tensor:
    """`a` without its axes of length 1, or without those named."""
def stack(arrays: Sequence[ArrayLike] | Tensor, axis: SupportsIndex = 0, out: None = None, *, dtype: DType | None = None, casting: Casting = 'same_kind') -> Tensor:
    """Arrays of one shape joined along a new axis."""
def std(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, ddof: float = 0, keepdims: bool = False, *, where: ArrayLike = True, correction: float | None = None) -> Tensor:
    """The standard deviation: the square root of `var`, with the same arguments and errors."""
def subtract(a: ArrayLike, b: ArrayLike, /) -> Tensor:
    """subtract(a, b), elementwise: ``a - b``."""
def sum(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, keepdims: bool = False, initial: ArrayLike | None = None, where: ArrayLike = True) -> Tensor:
    """The sum over all axes, or those named."""
def swapaxes(a: ArrayLike, axis1: SupportsIndex, axis2: SupportsIndex) -> Tensor:
    """`a` with two axes exchanged. A view."""
def take(a: ArrayLike, indices: ArrayLike, axis: SupportsIndex | None = None, out: None = None, mode: Literal["raise", "wrap", "clip"] = 'raise') -> Tensor:
    """Elements by number along an axis (of the flattened array if None), as ``a[..., indices, ...]``."""
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: SupportsIndex | None = -1) -> Tensor:
    """Elements by number along an axis, with other numbers at every place of the other axes: ``y[i, j] = arr[i, indices[i, j]]`` for the last axis of a matrix."""
def tan(x: ArrayLike, /) -> Tensor:
    """tan(x), elementwise: ``tan(x)``."""
def tanh(x: ArrayLike, /) -> Tensor:
    """tanh(x), elementwise: ``tanh(x)``."""
def tensordot(a: ArrayLike, b: ArrayLike, axes: Any = 2) -> Tensor:
    """The product summed over several axes: the last `axes` of `a` with the first of `b`, or two lists of axes."""
def tile(A: ArrayLike, reps: Axes) -> Tensor:
    """`A` repeated as a whole: ``reps[i]`` times along axis i."""
def transpose(a: ArrayLike, axes: Axes = None) -> Tensor:
    """`a` with its axes reversed, or in the order given: axis j of the result is axis ``axes[j]`` of `a`. A view."""
def tril(m: ArrayLike, k: SupportsIndex = 0) -> Tensor:
    """`m` with the elements above diagonal k of its last two axes replaced by 0; they receive no gradient."""
def triu(m: ArrayLike, k: SupportsIndex = 0) -> Tensor:
    """`m` with the elements below diagonal k of its last two axes replaced by 0; they receive no gradient."""
def trunc(x: ArrayLike, /, *, dtype: DType | None = None) -> Tensor:
    """x without its fraction. As ``numpy.trunc``; the result has no derivative."""
def unstack(x: ArrayLike, *, axis: SupportsIndex = 0) -> tuple[Tensor, ...]:
    """The slabs of x along an axis, as a tuple of views without that axis: the inverse of `stack`."""
def var(a: ArrayLike, axis: Axes = None, dtype: DType | None = None, out: None = None, ddof: float = 0, keepdims: bool = False, *, where: ArrayLike = True, correction: float | None = None) -> Tensor:
    """The variance over all axes, or those named: sum abs(x - mean x)^2 / (n - ddof)."""
@overload
def where(condition: ArrayLike, x: None = None, y: None = None, /) -> tuple[Tensor, ...]:
    """x where condition is true, else y; the three broadcast."""
@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Tensor: ...

absolute = abs
acos = arccos
acosh = arccosh
amax = max
amin = min
array = tensor
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
clone = copy
concat = concatenate
conjugate = conj
expit = sigmoid
hessian_vector_product = hessian_tensor_product
permute_dims = transpose
pow = power
true_divide = divide
vector_jacobian_product = tensor_jacobian_product
