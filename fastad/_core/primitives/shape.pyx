"""Level 4: the same numbers in another shape, without a copy where one can be avoided: reshape, ravel, expand_dims,
squeeze, broadcast_to.  Also how every family reads its axis argument.

Imports arrays and the tape below.  Next: permute.pyx (transposes), part.pyx (slices), join.pyx (concatenate).
"""
cimport cython
from cpython.number cimport PyIndex_Check

import numpy as np

from ..arrays cimport broadcast, copy
from ..storage cimport Array, Layout, dense_dtype, parse_shape, strided, view
from ..tape cimport Node, Primitive, Walk, deliver, edge, edge_out, out_layout, wants
from ..tensor cimport Tensor, as_tensor, produced, record1, records, unchanged, wrap
from ..tensor import FUNCTIONS, install, register
from ..types cimport MAX_NDIM

PRIMITIVES = {}                           # name -> primitive, for the tests and the docs


# ---- axes --------------------------------------------------------------------------------------------
cpdef int axis_of(str name, object axis, int ndim) except -1:
    """One axis, counted from the front; AxisError if there is no such axis."""
    cdef Py_ssize_t i
    if not PyIndex_Check(axis):
        raise TypeError(f"{name}: an axis must be an integer, got {axis!r}")
    i = axis
    if i < -ndim or i >= ndim:
        raise np.exceptions.AxisError(axis, ndim, name)
    return <int> (i if i >= 0 else i + ndim)


cdef int axes_of(str name, object axis, int ndim, char* chosen) except -1:
    """Mark the axes named by None (all), an integer or a tuple; returns how many."""
    cdef int i, count = 0
    if axis is None:
        for i in range(ndim):
            chosen[i] = 1
        return ndim
    for i in range(ndim):
        chosen[i] = 0
    if not isinstance(axis, (tuple, list)):
        if ndim == 0 and (axis == 0 or axis == -1):
            return 0                      # NumPy lets a scalar pass as if it had one axis
        chosen[axis_of(name, axis, ndim)] = 1
        return 1
    for item in axis:
        i = axis_of(name, item, ndim)
        if chosen[i]:
            raise named_twice(name, i, axis)
        chosen[i] = 1
        count += 1
    return count


cdef bint flag(str name, str what, object value) except -1:
    """True or False, or an integer, as in NumPy; text would otherwise be True, even "no"."""
    if value is True or value is False:
        return value is True
    if not PyIndex_Check(value) and not isinstance(value, np.bool_):
        raise TypeError(f"{name}: {what} must be True or False, got {value!r}")
    return bool(value)


cdef object named_twice(str name, int i, object axis):
    return ValueError(f"{name}: axis {i} is named twice in {axis}")


cpdef tuple axes_in_order(str name, object axis, int ndim):
    """The axes named by None (all), an integer or a tuple, counted from the front, in the order given."""
    cdef list axes = []
    cdef int i
    if axis is None:
        return tuple(range(ndim))
    for item in (axis if isinstance(axis, (tuple, list)) else (axis,)):
        i = axis_of(name, item, ndim)
        if i in axes:
            raise named_twice(name, i, axis)
        axes.append(i)
    return tuple(axes)


cdef Layout in_layout(Node node, int i):
    """The dense layout of input i, which must have a derivative."""
    return out_layout(edge(node, i), edge_out(node, i))


cdef tuple lead_of(object node, Tensor g):
    """The shape of the extra leading axes of a cotangent."""
    if g is None:
        raise TypeError(f"{node.name}: a rule was called without a cotangent")
    return g.shape[:g.arr.layout.ndim - len(node.out_shape)]


cdef tuple lead_in(object node, int i, Tensor t):
    """The shape of the extra leading axes of a tangent of input i."""
    if t is None:
        raise TypeError(f"{node.name}: a rule was called without a tangent")
    return t.shape[:t.arr.layout.ndim - len(node.in_shape(i))]


cdef Tensor aligned(object node, int i, Tensor t):
    """A tangent of input i, where it broadcasts to the output's shape behind the extra leading axes."""
    cdef tuple lead = lead_in(node, i, t), shape = node.in_shape(i)
    cdef int missing = len(node.out_shape) - len(shape)
    return FUNCTIONS["reshape"](t, lead + (1,) * missing + shape) if lead and missing > 0 else t


# ---- reshape -----------------------------------------------------------------------------------------
cdef bint steps_in(Layout old, Layout want, Py_ssize_t* steps) noexcept:
    """The strides that show the numbers of `old` in the shape of `want`; False if only a copy can.

    Old axes that one stride runs through are taken together as long as the shapes demand it."""
    cdef int i = 0, j = 0, first, k
    cdef Py_ssize_t p, q, step
    while j < want.ndim:
        first = j
        while i < old.ndim and old.shape[i] == 1:
            i += 1
        if i == old.ndim:
            for k in range(j, want.ndim):         # only axes of length 1 are left
                steps[k] = want.itemsize
            return True
        p, q, step = old.shape[i], want.shape[j], old.strides[i]
        while p != q:
            if q < p:
                j += 1
                q *= want.shape[j]
            else:
                i += 1
                if old.shape[i] == 1:
                    continue
                if step != old.shape[i] * old.strides[i]:
                    return False
                p *= old.shape[i]
                step = old.strides[i]
        for k in range(j, first - 1, -1):
            steps[k] = step
            step *= want.shape[k]
        i += 1
        j += 1
    return True


cdef Array reshaped(Array a, Layout want):
    """`a` in the dense layout `want`, of the same size and dtype: a view if there is one, else a copy."""
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef Array out
    if a.layout.contiguous:
        return view(a, want, a.data)
    if a.layout.size and steps_in(a.layout, want, steps):
        return view(a, strided(a.layout, want.ndim, want.shape, steps), a.data)
    out = copy(a)
    out.layout = want                     # fresh and dense: only its axes change
    return out


@cython.final
cdef class Reshape(Primitive):
    """y = x in another shape; dx = g in the shape of x"""
    def __cinit__(self):
        self.name = "reshape"
        self.raw = True

    cdef Tensor apply(self, Tensor x, int ndim, const Py_ssize_t* shape):
        cdef Array xa = x.arr, out = reshaped(xa, dense_dtype(xa.layout.dtype, ndim, shape))
        unchanged("reshape", x, xa)
        return produced(out, record1(self, x, None)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, reshaped(g, in_layout(node, 0))) if wants(walk, node, 0) else 0

    cdef dict statics_of(self, Node node):
        return {0: node.out_shape}

    def vjp(self, node, saved, g):
        return (reshape(g, lead_of(node, g) + node.in_shape(0)),)

    def jvp(self, node, saved, tangents):
        t, = tangents
        return reshape(t, lead_in(node, 0, t) + node.out_shape)


cdef Reshape RESHAPE = Reshape()


cdef Tensor reshape_to(Tensor x, int ndim, const Py_ssize_t* shape):
    """x in a shape of the same size, not checked."""
    return RESHAPE.apply(x, ndim, shape)


def reshape(a, shape, order="C", *, copy=None):
    """The elements of `a`, in C order, in another shape; one length may be -1 and is then inferred.

    The gradient is the cotangent in the shape of `a`.  The result is a view where there is one.

    Parameters
    ----------
    a : Tensor or array_like
    shape : int or tuple of int
        Its product must be the size of `a`.
    order : {'C'}
    copy : bool, optional
        True copies always; False raises where a copy is needed.

    Raises
    ------
    ValueError
        If the sizes differ, `order` is not 'C', or ``copy=False`` is impossible.

    Examples
    --------
    >>> import fastad
    >>> fastad.reshape(fastad.tensor([[1, 2], [3, 4]]), -1)
    tensor([1, 2, 3, 4])
    """
    cdef Tensor t = as_tensor(a), y
    cdef Py_ssize_t dims[MAX_NDIM]
    cdef Py_ssize_t size = t.arr.layout.size, known = 1
    cdef int i, free = -1, ndim = parse_shape(shape, dims)
    check_order("reshape", order)
    for i in range(ndim):
        if dims[i] == -1 and free < 0:
            free = i
        elif dims[i] < 0:
            raise ValueError(f"reshape: lengths must not be negative, except one -1, got {shape}")
        elif dims[i] and known > cython.cast(Py_ssize_t, (1 << 62)) // dims[i]:
            raise ValueError(f"reshape: an array of shape {t.shape} has {size} elements and cannot take shape {shape}")
        else:
            known *= dims[i]
    if free >= 0 and known:
        dims[free] = size // known
        known *= dims[free]
    if known != size or (free >= 0 and dims[free] < 0):
        raise ValueError(f"reshape: an array of shape {t.shape} has {size} elements and cannot take shape {shape}")
    y = RESHAPE.apply(t, ndim, dims)
    if copy is not None:
        if copy and y.arr.is_view:
            return FUNCTIONS["copy"](y)
        if not copy and not y.arr.is_view:
            raise ValueError(f"reshape: shape {shape} needs a copy, for the elements do not lie in order; leave out copy=False")
    return y


cdef int check_order(str name, object order) except -1:
    if order != "C":
        raise ValueError(f"{name}: order must be 'C', got {order!r}; transpose before and after for another order")
    return 0


def reshape_method(x, /, *shape, order="C", copy=None):
    """`fastad.reshape`, with the shape as a tuple or as several arguments.

    Examples
    --------
    >>> import fastad
    >>> fastad.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return reshape(x, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def ravel(a, order="C"):
    """All elements in one axis, in C order; a view where there is one.  See `reshape`.

    Examples
    --------
    >>> import fastad
    >>> fastad.ravel(fastad.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    check_order("ravel", order)
    return reshape(a, -1 if as_tensor(a).size else 0)


def flatten_method(x, /, order="C"):
    """A copy with all elements in one axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.tensor([[1, 2], [3, 4]]).flatten()
    tensor([1, 2, 3, 4])
    """
    x = as_tensor(x)
    check_order("flatten", order)
    return reshape(x, -1 if x.size else 0, copy=True)


def expand_dims(a, axis):
    """`a` with axes of length 1 inserted, so that they have the given positions in the result.

    Parameters
    ----------
    axis : int or tuple of int

    Raises
    ------
    numpy.exceptions.AxisError, ValueError
        If a position does not exist in the result, or is named twice.

    Examples
    --------
    >>> import fastad
    >>> fastad.expand_dims(fastad.ones((2, 3)), (0, -1)).shape
    (1, 2, 3, 1)
    """
    cdef Tensor t = as_tensor(a)
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef char added[MAX_NDIM]
    cdef int i, k = 0, ndim = t.arr.layout.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    if ndim > MAX_NDIM:
        raise ValueError(f"expand_dims: {ndim} dimensions; NumPy and fastad allow at most {MAX_NDIM}")
    axes_of("expand_dims", axis, ndim, added)
    for i in range(ndim):
        shape[i] = 1
        if not added[i]:
            shape[i] = t.arr.layout.shape[k]
            k += 1
    return RESHAPE.apply(t, ndim, shape)


def squeeze(a, axis=None):
    """`a` without its axes of length 1, or without those named.

    Raises
    ------
    ValueError
        If a named axis is longer than 1.
    numpy.exceptions.AxisError
        If there is no such axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.squeeze(fastad.ones((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    cdef Tensor t = as_tensor(a)
    cdef Layout layout = t.arr.layout
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef char gone[MAX_NDIM]
    cdef int i, k = 0
    axes_of("squeeze", axis, layout.ndim, gone)
    for i in range(layout.ndim):
        if gone[i] and layout.shape[i] == 1:
            continue
        if gone[i] and axis is not None:
            raise ValueError(f"squeeze: axis {i} of shape {t.shape} has length {layout.shape[i]}, not 1")
        shape[k] = layout.shape[i]
        k += 1
    return RESHAPE.apply(t, k, shape)


# ---- rules that leave all to the walk ----------------------------------------------------------------
cdef class PassOn(Primitive):
    """The cotangent, or the tangent, as it is: what differs in shape or dtype the walk does and undoes."""
    def __cinit__(self, str name):
        self.name = name
        self.raw = True

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, g) if wants(walk, node, 0) else 0

    def vjp(self, node, saved, g):
        return (g,)

    def jvp(self, node, saved, tangents):
        return aligned(node, 0, tangents[0])


# ---- broadcast_to ------------------------------------------------------------------------------------
@cython.final
cdef class Broadcast(PassOn):
    """y = x stretched; dx = g summed over the stretched axes, which the walk does"""
    cdef Tensor apply(self, Tensor x, Layout shape):
        cdef Array out = broadcast(x.arr, shape)
        if out is x.arr:
            out = view(out, out.layout, out.data)
            out.readonly = True
        return produced(out, record1(self, x, None)) if records(x) else wrap(out)

    cdef dict statics_of(self, Node node):
        return {0: node.out_shape}


cdef Broadcast BROADCAST = Broadcast("broadcast_to")


def broadcast_to(array, shape):
    """`array` stretched to `shape` by NumPy's rules.  A read-only view, in which stretched axes have stride 0.

    The gradient is the cotangent summed over the stretched axes.

    Raises
    ------
    ValueError
        If `array` does not broadcast to `shape`.

    Examples
    --------
    >>> import fastad
    >>> fastad.broadcast_to(fastad.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    cdef Tensor t = as_tensor(array)
    cdef Py_ssize_t dims[MAX_NDIM]
    cdef int ndim = parse_shape(shape, dims)
    return BROADCAST.apply(t, dense_dtype(t.arr.layout.dtype, ndim, dims))


# ---- registration ------------------------------------------------------------------------------------
PRIMITIVES["reshape"] = RESHAPE
PRIMITIVES["broadcast_to"] = BROADCAST
for _f in (reshape, expand_dims, broadcast_to):
    register(_f.__name__, _f)
for _f in (ravel, squeeze):
    register(_f.__name__, _f, method=True)
install("reshape", reshape_method)
install("flatten", flatten_method)
