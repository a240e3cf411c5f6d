"""Level 4: reductions over axes: sum, mean, logsumexp, cumsum; and how a reduction remembers its axes.

Imports elementwise.pyx and shape.pyx beside the levels below.  Next: extreme.pyx (prod, max, min), squares.pyx.
"""
cimport cython
from libc.math cimport isinf

import numpy as np

from ..arrays cimport GIL_SIZE, contiguous, fill, over_rows, reduce_axes, reduce_into, reduced_last
from ..kernels cimport FUNCTION, K, fad_reduce_fn
from ..storage cimport Array, Layout, dense, empty, strided, view
from ..tape cimport FROM_OUTPUT, Node, Primitive, Walk, deliver, save, wants
from ..tensor cimport Tensor, as_tensor, ndarray, produced, record1, records, result_from, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport F32, F64, MAX_NDIM, compiled
from .elementwise cimport multiply
from .shape cimport axes_of, axis_of, flag, in_layout, lead_in, lead_of, reshape_to


# ---- which axes --------------------------------------------------------------------------------------
# A node keeps None if all axes were reduced and dropped, else (axes from the end, whether they were kept).
cdef object arguments(const char* reduced, int count, int ndim, bint keepdims):
    cdef int i
    if count == ndim and not keepdims:
        return None
    return tuple([i - ndim for i in range(ndim) if reduced[i]]), keepdims


cdef dict named_axes(object node):
    """The same for who prints the tape."""
    if node.args is None:
        return {}
    axes = tuple([axis + len(node.in_shape(0)) for axis in node.args[0]])
    return {"axis": axes[0] if len(axes) == 1 else axes, **({"keepdims": True} if node.args[1] else {})}


cdef int mark(object args, int ndim, char* reduced) except -1:
    """The axes that a node's arguments name, as marks."""
    cdef int i, axis
    for i in range(ndim):
        reduced[i] = args is None
    if args is not None:
        for axis in (<tuple> args)[0]:
            reduced[ndim + axis] = 1
    return 0


cdef Array stretched(Array g, object args, Layout like):
    """The cotangent of a reduction as a view with the shape of its input: reduced axes have stride 0."""
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef char reduced[MAX_NDIM]
    cdef int i, k = 0
    cdef bint kept = args is not None and (<tuple> args)[1]
    mark(args, like.ndim, reduced)
    for i in range(like.ndim):
        steps[i] = 0 if reduced[i] else g.layout.strides[k]
        k += kept or not reduced[i]
    cdef Array v = view(g, strided(g.layout, like.ndim, like.shape, steps), g.data)
    v.readonly = True
    return v


cdef Array put_back(Array a, Layout like, const char* reduced):
    """The view in the order of `like` of an array whose reduced axes stand last."""
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef int i, k = 0
    for i in range(like.ndim):
        if not reduced[i]:
            steps[i] = a.layout.strides[k]
            k += 1
    for i in range(like.ndim):
        if reduced[i]:
            steps[i] = a.layout.strides[k]
            k += 1
    return view(a, strided(like, like.ndim, like.shape, steps), a.data)


cdef tuple kept_shape(object args, tuple shape):
    """`shape` with the reduced axes of length 1."""
    cdef int i, ndim = <int> len(shape)
    cdef char reduced[MAX_NDIM]
    mark(args, ndim, reduced)
    return tuple([1 if reduced[i] else shape[i] for i in range(ndim)])


cdef Tensor kept(object node, Tensor y, tuple in_shape):
    """A tensor of the output's shape, or with extra leading axes, with the reduced axes put in as length 1."""
    if node.args is not None and node.args[1]:
        return y
    return FUNCTIONS["reshape"](y, lead_of(node, y) + kept_shape(node.args, in_shape))


cdef tuple axes_behind(object node, Tensor t):
    """The axes to reduce in a tensor of the input's shape with extra leading axes."""
    cdef int lead = len(lead_in(node, 0, t))
    return tuple(range(lead, t.arr.layout.ndim)) if node.args is None else node.args[0]


cdef Tensor summed(object node, Tensor t):
    """A tensor of the input's shape, or with extra leading axes, summed as the node sums."""
    return FUNCTIONS["sum"](t, axis=axes_behind(node, t), keepdims=node.args is not None and node.args[1])


cdef tuple axes_tuple(const char* reduced, int ndim):
    cdef int i
    return tuple([i for i in range(ndim) if reduced[i]])


cdef int check_real(str name, Tensor x) except -1:
    if x.arr.layout.dtype.kind == "c" and records(x):
        raise TypeError(f"{name}: no derivative rule for complex tensors; take x.real, x.imag or abs(x), or x.detach()")
    return 0


cdef int unsupported(str name, object out, object initial, object where) except -1:
    """NumPy's arguments that have no meaning on a tape, or no rule."""
    if out is not None:
        raise TypeError(f"{name}: out= is not supported, for a recorded value cannot be overwritten; assign the result")
    if initial is not None:
        raise TypeError(f"{name}: initial= is not supported; apply it to the result")
    if where is not True:
        raise TypeError(f"{name}: where= is not supported; use fastad.where(mask, x, neutral element) before {name}")
    return 0


# ---- sum and mean ------------------------------------------------------------------------------------
@cython.final
cdef class Sum(Primitive):
    """y = sum x over axes, or (mean) that divided by their size; dx = g, or g / size, broadcast"""
    cdef bint mean

    def __cinit__(self, str name, bint mean):
        self.name = name
        self.mean = mean
        self.raw = True

    cdef Tensor apply(self, Tensor x, object axis, object keeps):
        cdef char reduced[MAX_NDIM]
        cdef Array xa = x.arr                  # held, while the GIL may be released
        cdef Layout layout = xa.layout
        cdef int count = axes_of(self.name, axis, layout.ndim, reduced)
        cdef bint keepdims = flag(self.name, "keepdims", keeps)
        cdef Array out
        cdef Node node
        if not compiled(layout.code) or (self.mean and layout.size == 0):
            out = result_from((np.mean if self.mean else np.sum)(
                ndarray(x), axis=axes_tuple(reduced, layout.ndim), keepdims=keepdims)).arr
        else:
            out = reduce_axes(<fad_reduce_fn*> K.sum, xa, reduced, keepdims)
            if self.mean:
                scale(out, layout.size // (out.layout.size if out.layout.size else 1))
        if not records(x):
            return wrap(out)
        unchanged(self.name, x, xa)
        node = record1(self, x, arguments(reduced, count, layout.ndim, keepdims))
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Layout like
        cdef Array share = g
        if not wants(walk, node, 0):
            return 0
        like = in_layout(node, 0)
        if self.mean and like.size:
            share = scaled(g, like.size // g.layout.size)
        return deliver(walk, node, 0, stretched(share, node.args, like))

    cdef dict statics_of(self, Node node):
        return named_axes(node)

    def vjp(self, node, saved, g):
        cdef tuple shape = node.in_shape(0)
        y = FUNCTIONS["broadcast_to"](kept(node, g, shape), lead_of(node, g) + shape)
        if self.mean:
            size = 1
            for n, m in zip(shape, kept_shape(node.args, shape)):
                size *= n if m == 1 else 1
            y = y / size
        return (y,)

    def jvp(self, node, saved, tangents):
        return self.apply(tangents[0], axes_behind(node, tangents[0]), node.args is not None and node.args[1])


cdef int scale(Array a, Py_ssize_t n) noexcept:
    """a /= n, dense"""
    cdef Py_ssize_t i
    if a.layout.code == F32:
        for i in range(a.layout.size):
            (<float*> a.data)[i] /= <float> n
    else:
        for i in range(a.layout.size):
            (<double*> a.data)[i] /= <double> n
    return 0


cdef Array scaled(Array g, Py_ssize_t n):
    """g / n, in new memory"""
    cdef Array src = contiguous(g), out = empty(src.layout)
    cdef Py_ssize_t i
    if out.layout.code == F32:
        for i in range(out.layout.size):
            (<float*> out.data)[i] = (<float*> src.data)[i] / <float> n
    else:
        for i in range(out.layout.size):
            (<double*> out.data)[i] = (<double*> src.data)[i] / <double> n
    return out


cdef Sum SUM = Sum("sum", False), MEAN = Sum("mean", True)


def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """The sum over all axes, or those named.

    Every element receives the cotangent of the sum it is in.

    Parameters
    ----------
    a : Tensor or array_like
    axis : None, int or tuple of int
    dtype : dtype, optional
        `a` is cast to it first.
    keepdims : bool
        Keep the reduced axes, with length 1.

    Raises
    ------
    numpy.exceptions.AxisError, ValueError
        If an axis does not exist, or is named twice.
    TypeError
        For `out`, `initial` and `where`, which are not supported.

    Examples
    --------
    >>> import fastad
    >>> fastad.sum(fastad.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    if out is not None or initial is not None or where is not True:
        unsupported("sum", out, initial, where)
    if dtype is not None:
        a = FUNCTIONS["astype"](a, dtype, copy=False)
    return SUM.apply(as_tensor(a), axis, keepdims)


def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    """The mean over all axes, or those named; of integers in float64.

    Every element receives the cotangent of its mean divided by the number of elements in it.  Arguments and errors
    are those of `sum`.

    Examples
    --------
    >>> import fastad
    >>> fastad.mean(fastad.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([2., 3.])
    """
    if out is not None or where is not True:
        unsupported("mean", out, None, where)
    if dtype is not None:
        a = FUNCTIONS["astype"](a, dtype, copy=False)
    return MEAN.apply(as_tensor(a), axis, keepdims)


# ---- logsumexp ---------------------------------------------------------------------------------------
def numpy_logsumexp(x, axes):
    """log sum exp in NumPy, for the dtypes without kernels; the reduced axes are kept."""
    with np.errstate(all="ignore"):
        top = np.max(x, axis=axes, keepdims=True)
        top = np.where(np.isfinite(top), top, top.dtype.type(0))
        return top + np.log(np.sum(np.exp(x - top), axis=axes, keepdims=True, dtype=np.exp(top).dtype))


cdef bint any_infinite(Array a) noexcept:
    """Whether a dense float32 or float64 array holds an infinity."""
    cdef Py_ssize_t i
    for i in range(a.layout.size):
        if isinf((<float*> a.data)[i] if a.layout.code == F32 else (<double*> a.data)[i]):
            return True
    return False


@cython.final
cdef class LogSumExp(Primitive):
    """y = log sum exp x; dx = g * softmax x; where y is infinite, the elements that are +inf share g"""
    def __cinit__(self):
        self.name = "logsumexp"
        self.raw = True

    cdef Tensor apply(self, Tensor x, object axis, object keeps):
        cdef char reduced[MAX_NDIM]
        cdef Py_ssize_t outer, r, inner
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Array xa = x.arr                  # held, while the GIL may be released
        cdef Layout layout = xa.layout
        cdef int i, k = 0, count = axes_of("logsumexp", axis, layout.ndim, reduced)
        cdef bint keepdims = flag("logsumexp", "keepdims", keeps)
        cdef Array out, src
        cdef Node node
        for i in range(layout.ndim):
            if keepdims or not reduced[i]:
                shape[k] = 1 if reduced[i] else layout.shape[i]
                k += 1
        if not compiled(layout.code) and layout.size:
            y = result_from(numpy_logsumexp(ndarray(x), axes_tuple(reduced, layout.ndim)))
            out = reshape_to(y, k, shape).arr
        else:
            out = empty(dense(layout.code if compiled(layout.code) else F64, k, shape))
            src = reduced_last(xa, reduced, &outer, &r, &inner, True)
            if r == 0 or layout.size == 0:
                fill(out, -np.inf)        # the logarithm of an empty sum
            else:
                reduce_into(K.lse[layout.code], outer, r, inner, src, out, inner, 0, FUNCTION)
        if not records(x):
            return wrap(out)
        check_real("logsumexp", x)
        unchanged("logsumexp", x, xa)
        node = record1(self, x, arguments(reduced, count, layout.ndim, keepdims))
        save(node, xa, 0)
        save(node, out, FROM_OUTPUT)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef char reduced[MAX_NDIM]
        cdef Py_ssize_t outer, r, inner
        cdef Array x, src, out
        cdef Layout like
        if not wants(walk, node, 0):
            return 0
        like = in_layout(node, 0)
        if like.size == 0 or any_infinite(contiguous(node.s1)):
            return deliver(walk, node, 0, (<Tensor> self.vjp(node, (wrap(node.s0), wrap(node.s1)), wrap(g))[0]).arr)
        mark(node.args, like.ndim, reduced)
        x = contiguous(node.s0)
        src = reduced_last(x, reduced, &outer, &r, &inner, False)
        out = empty(src.layout)
        over_rows(K.softmax[src.layout.code], outer, r, src, out)
        if src is not x:
            out = put_back(out, like, reduced)
        return deliver(walk, node, 0, (<Tensor> multiply(wrap(out), wrap(stretched(g, node.args, like)))).arr)

    cdef dict statics_of(self, Node node):
        return named_axes(node)

    def vjp(self, node, saved, g):
        return (kept(node, g, node.in_shape(0)) * self.weights(node, saved),)

    cdef object weights(self, node, saved):
        """softmax of x over the axes"""
        # exp(x - y) is made to add up to one, for y alone is rounded too coarsely where x is large
        cdef tuple shape = node.in_shape(0)
        x = saved[0]
        y = kept(node, wrap((<Tensor> saved[1]).arr), shape)
        axes = tuple(range(len(shape))) if node.args is None else node.args[0]
        infinite = np.isinf(ndarray(y))
        if not infinite.any():
            weights = FUNCTIONS["exp"](x - y)
            return weights / weights.sum(axes, keepdims=True)
        # inf - inf is kept out of exp; the limit of the weights there is that of the maximum
        where = FUNCTIONS["where"]
        weights = FUNCTIONS["exp"](where(infinite, np.asarray(-np.inf, dtype=x.dtype), x - y))
        weights = weights / where(infinite, np.asarray(1, dtype=x.dtype), weights.sum(axes, keepdims=True))
        tops = ndarray(x) == np.inf
        count = np.maximum(tops.sum(axis=axes, keepdims=True), 1)
        return where(tops & infinite, (tops / count).astype(x.dtype), weights)

    def jvp(self, node, saved, tangents):
        return summed(node, tangents[0] * self.weights(node, saved))


cdef LogSumExp LOGSUMEXP = LogSumExp()


def logsumexp(a, axis=None, keepdims=False):
    """log(sum(exp(a))) over all axes, or those named, without overflow.

    The gradient is the cotangent times softmax of `a`; in a row that holds +inf those elements share it, and a row of
    -inf receives 0.

    Raises
    ------
    numpy.exceptions.AxisError, ValueError
        If an axis does not exist, or is named twice.

    Examples
    --------
    >>> import fastad
    >>> fastad.logsumexp(fastad.tensor([1000.0, 1000.0])).item()
    1000.6931471805599
    """
    cdef Tensor t = as_tensor(a)
    if t.arr.layout.dtype.kind not in "fc":
        t = FUNCTIONS["astype"](t, np.float64)
    return LOGSUMEXP.apply(t, axis, keepdims)


# ---- cumsum ------------------------------------------------------------------------------------------
@cython.final
cdef class CumSum(Primitive):
    """y_i = x_0 + ... + x_i along an axis; dx_i = g_i + ... + g_n, the same sum from the other end"""
    def __cinit__(self):
        self.name = "cumsum"
        self.raw = True

    cdef Tensor apply(self, Tensor x, int axis):
        """`axis` from the front; it is kept from the end."""
        cdef Array out, xa = x.arr
        if compiled(xa.layout.code):
            out = scanned(xa, axis, False)
        else:
            out = result_from(np.cumsum(ndarray(x), axis=axis)).arr
        unchanged("cumsum", x, xa)
        return produced(out, record1(self, x, axis - xa.layout.ndim)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, scanned(g, node.args + g.layout.ndim, True)) if wants(walk, node, 0) else 0

    cdef dict statics_of(self, Node node):
        return {"axis": node.args + len(node.out_shape)}

    def vjp(self, node, saved, g):
        flip = FUNCTIONS["flip"]
        return (flip(self.apply(flip(g, node.args), node.args + (<Tensor> g).arr.layout.ndim), node.args),)

    def jvp(self, node, saved, tangents):
        return self.apply(tangents[0], node.args + len(lead_in(node, 0, tangents[0])) + len(node.in_shape(0)))


cdef Array scanned(Array x, int axis, bint back):
    """The running sums along an axis, from its beginning or its end; float32 or float64"""
    cdef Layout layout = x.layout
    cdef Py_ssize_t outer = 1, inner = 1, r = layout.shape[axis]
    cdef Array src = contiguous(x), out = empty(src.layout)
    cdef int i
    for i in range(axis):
        outer *= layout.shape[i]
    for i in range(axis + 1, layout.ndim):
        inner *= layout.shape[i]
    if layout.size:
        reduce_into(K.cumsum[layout.code], outer, r, inner, src, out, r * inner, back)
    return out


cdef CumSum CUMSUM = CumSum()


def cumsum(a, axis=None, dtype=None, out=None):
    """The sums of the elements up to each one, along an axis or (None) of the flattened array.

    The gradient is the sum of the cotangents from each element on.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.cumsum(fastad.tensor([1.0, 2.0, 3.0]))
    tensor([1., 3., 6.])
    """
    unsupported("cumsum", out, None, True)
    cdef Tensor t = as_tensor(a) if dtype is None else FUNCTIONS["astype"](a, dtype, copy=False)
    if axis is None or (t.arr.layout.ndim == 0 and axis in (0, -1)):
        t, axis = FUNCTIONS["ravel"](t), 0
    return CUMSUM.apply(t, axis_of("cumsum", axis, t.arr.layout.ndim))


# ---- registration ------------------------------------------------------------------------------------
PRIMITIVES = {p.name: p for p in (SUM, MEAN, LOGSUMEXP, CUMSUM)}
for _f in (sum, mean, cumsum):
    register(_f.__name__, _f, method=True)
register("logsumexp", logsumexp)
