"""Level 4: numbers moved into new memory: concatenate, stack and its inverse unstack (views), astype, copy.

Imports shape.pyx and part.pyx for views.  Next: arrange.py, what is composed of these; reduction.pyx.
"""
cimport cython

import numpy as np

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

from ..arrays cimport add_into, assign, cast, fill
from ..arrays cimport copy as copy_array
from ..storage cimport Array, Layout, code_of, dense_dtype, empty, strided, view
from ..tape cimport Node, Primitive, Walk, deliver, receive, wants
from ..tensor cimport Tensor, any_records, as_tensor, produced, record1, record_n, records, replaced, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport MAX_NDIM
from .part cimport cut_rule, select
from .shape cimport PassOn, axis_of, in_layout


# ---- concatenate and stack ---------------------------------------------------------------------------
cdef Array slab(Array a, int axis, Py_ssize_t start, Py_ssize_t count, bint drop):
    """The view of `count` indices of an axis from `start`; without that axis (of one) if `drop` is set."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef int i, k = 0
    for i in range(a.layout.ndim):
        if i == axis and drop:
            continue
        shape[k] = count if i == axis else a.layout.shape[i]
        steps[k] = a.layout.strides[i]
        k += 1
    return view(a, strided(a.layout, k, shape, steps), a.data + (start * a.layout.strides[axis] if a.layout.size else 0))


@cython.final
cdef class Join(Primitive):
    """y = the inputs one after another along an axis (stack: along a new one); each dx is its slab of g"""
    cdef bint new_axis

    def __cinit__(self, str name, bint new_axis):
        self.name = name
        self.new_axis = new_axis
        self.raw = True

    cdef Tensor apply(self, list inputs, int axis):
        """Inputs of one dtype, checked; `axis` of the result, from the front.  The axis is kept from the end."""
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Layout first = (<Tensor> inputs[0]).arr.layout, layout
        cdef int i, k = 0, ndim = first.ndim + self.new_axis
        cdef Py_ssize_t start = 0, n
        cdef Array out, xa
        cdef Tensor x
        for i in range(ndim):
            if i == axis:
                shape[i] = 0
                if self.new_axis:
                    continue
            else:
                shape[i] = first.shape[k]
            k += 1
        for x in inputs:
            n = 1 if self.new_axis else x.arr.layout.shape[axis]
            if n > PY_SSIZE_T_MAX - shape[axis]:
                raise ValueError(f"{self.name}: array is too big: axis {axis} is longer than 2**63 - 1, "
                                 f"from {len(inputs)} arrays of shapes like {x.shape}")
            shape[axis] += n
        out = empty(dense_dtype(first.dtype, ndim, shape))
        for x in inputs:
            xa = x.arr
            if xa.layout.dtype is not first.dtype and xa.layout.dtype != first.dtype:      # since they were checked
                raise replaced(self.name, x)
            n = 1 if self.new_axis else xa.layout.shape[axis]
            assign(slab(out, axis, start, n, self.new_axis), xa)
            unchanged(self.name, x, xa)
            start += n
        if not any_records(inputs):
            return wrap(out)
        lengths = None if self.new_axis else tuple([x.arr.layout.shape[axis] for x in inputs])
        return produced(out, record_n(self, inputs, (axis - ndim, lengths)))

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef int i, axis = <int> (<tuple> node.args)[0] + g.layout.ndim
        cdef tuple lengths = (<tuple> node.args)[1]
        cdef Py_ssize_t start = 0, n = 1
        for i in range(node.n_in):
            if lengths is not None:
                n = lengths[i]
            if wants(walk, node, i):
                deliver(walk, node, i, slab(g, axis, start, n, self.new_axis))
            start += n
        return 0

    cdef dict statics_of(self, Node node):
        return {"axis": node.args[0] + len(node.out_shape)}

    def vjp(self, node, saved, g):
        cdef int axis = node.args[0] + g.ndim
        cdef Py_ssize_t start = 0, n = 1
        lengths = node.args[1]
        shape = g.shape
        results = []
        for i in range(len(node.inputs)):
            if lengths is not None:
                n = lengths[i]
            kept = () if self.new_axis else (n,)
            results.append(select(g, shape[:axis] + kept + shape[axis + 1:], cut_rule(shape, axis, start, 0 if self.new_axis else 1))
                           if node.needs(i) else None)
            start += n
        return tuple(results)

    def jvp(self, node, saved, tangents):
        cdef int axis, i
        shape = node.out_shape
        axis = <int> len(shape) + <int> node.args[0]
        lengths = node.args[1]
        first = next(t for t in tangents if t is not None)
        lead = first.shape[:first.ndim - len(shape) + (1 if self.new_axis else 0)]
        pieces = [t if t is not None else FUNCTIONS["broadcast_to"](
            np.zeros((), dtype=first.dtype),
            lead + shape[:axis] + (() if self.new_axis else (lengths[i],)) + shape[axis + 1:]) for i, t in enumerate(tangents)]
        return self.apply(pieces, len(lead) + axis)


cdef Join CONCATENATE = Join("concatenate", False), STACK = Join("stack", True)


cdef list of_one_dtype(str name, object arrays, object dtype, object casting):
    cdef list inputs = [as_tensor(item) for item in arrays]
    cdef Tensor x
    cdef bint mixed = dtype is not None
    if not inputs:
        raise ValueError(f"{name}: give at least one array")
    first = (<Tensor> inputs[0]).arr.layout.dtype
    for x in inputs:
        mixed |= x.arr.layout.dtype is not first
    if mixed:
        if dtype is None:
            dtype = np.result_type(*[x.dtype for x in inputs])
        dtype = np.dtype(dtype)
        for x in inputs:
            if not np.can_cast(x.dtype, dtype, casting):
                raise TypeError(f"{name}: cannot cast {x.dtype} to {dtype} under casting={casting!r}; use astype")
        inputs = [astype(x, dtype, copy=False) for x in inputs]
    return inputs


def no_out(name, out):
    if out is not None:
        raise TypeError(f"{name}: out= is not supported, for a recorded value cannot be overwritten; assign the result")


def concatenate(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays one after another along an axis; ``axis=None`` flattens them first.

    Each input receives its part of the cotangent.

    Parameters
    ----------
    arrays : sequence of Tensor or array_like
        Of equal shape but for `axis`; dtypes are promoted as NumPy's are.
    axis : int or None
    dtype : dtype, optional
        Of the result.

    Raises
    ------
    ValueError
        If there are no arrays, or their shapes do not fit.
    numpy.exceptions.AxisError
        If there is no such axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.concatenate([fastad.tensor([1, 2]), fastad.tensor([3])])
    tensor([1, 2, 3])
    """
    cdef list inputs = of_one_dtype("concatenate", arrays, dtype, casting)
    cdef Tensor x, first
    cdef int i, k, ndim
    no_out("concatenate", out)
    if axis is None:
        inputs = [FUNCTIONS["ravel"](x) for x in inputs]
        axis = 0
    first = inputs[0]
    ndim = first.arr.layout.ndim
    if ndim == 0:
        raise ValueError("concatenate: 0-d arrays have no axis to join along; use stack")
    k = axis_of("concatenate", axis, ndim)
    for x in inputs:
        if x.arr.layout.ndim != ndim:
            raise ValueError(f"concatenate: shapes {first.shape} and {x.shape} differ in their number of axes")
        for i in range(ndim):
            if i != k and x.arr.layout.shape[i] != first.arr.layout.shape[i]:
                raise ValueError(f"concatenate: shapes {first.shape} and {x.shape} differ on axis {i}; only axis {k} may differ")
    return CONCATENATE.apply(inputs, k)


def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """Arrays of one shape joined along a new axis.

    Each input receives its part of the cotangent.

    Raises
    ------
    ValueError
        If there are no arrays, or their shapes differ.
    numpy.exceptions.AxisError
        If the result has no such axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.stack([fastad.tensor([1, 2]), fastad.tensor([3, 4])], axis=1)
    tensor([[1, 3],
            [2, 4]])
    """
    cdef list inputs = of_one_dtype("stack", arrays, dtype, casting)
    cdef Tensor x, first = inputs[0]
    cdef int ndim = first.arr.layout.ndim
    no_out("stack", out)
    for x in inputs:
        if x.shape != first.shape:
            raise ValueError(f"stack: shapes {first.shape} and {x.shape} differ; concatenate joins arrays of different lengths")
    if ndim == MAX_NDIM:
        raise ValueError(f"stack: {ndim + 1} dimensions; NumPy and fastad allow at most {MAX_NDIM}")
    return STACK.apply(inputs, axis_of("stack", axis, ndim + 1))


# ---- unstack -----------------------------------------------------------------------------------------
@cython.final
cdef class Unstack(Primitive):
    """The slabs of x along an axis, as views; dx = their cotangents stacked, 0 for those that nobody used"""
    def __cinit__(self):
        self.name = "unstack"
        self.raw = True

    cdef list apply(self, Tensor x, int axis):
        """The axis is kept from the end."""
        cdef Array xa = x.arr
        cdef Py_ssize_t i, n = xa.layout.shape[axis]
        cdef list slabs = [slab(xa, axis, i, 1, True) for i in range(n)]
        cdef Node node
        if not (n and records(x)):
            return [wrap(a) for a in slabs]
        node = record1(self, x, axis - xa.layout.ndim)
        return [produced(a, node) for a in slabs]

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Layout like
        cdef Array out, into
        cdef int k, axis
        cdef bint adds
        if not wants(walk, node, 0):
            return 0
        like = in_layout(node, 0)
        axis = like.ndim + <int> node.args
        out = receive(walk, node, 0, like, &adds)
        for k in range(node.n_out):
            into = slab(out, axis, k, 1, True)
            if walk.grads[node.slot + k] is NULL:
                if not adds:
                    fill(into, 0)
            elif adds:
                add_into(into, <Array> walk.grads[node.slot + k])
            else:
                assign(into, <Array> walk.grads[node.slot + k])
        return deliver(walk, node, 0, out)

    cdef dict statics_of(self, Node node):
        return {"axis": node.args + len(node.in_shape(0))}

    def vjp(self, node, saved, g):
        parts = g if isinstance(g, tuple) else (g,)
        some = next(part for part in parts if part is not None)
        none = FUNCTIONS["zeros"](some.shape, some.dtype)
        return (STACK.apply([none if part is None else part for part in parts], some.ndim + 1 + node.args),)

    def jvp(self, node, saved, tangents):
        found = self.apply(tangents[0], tangents[0].ndim + node.args)
        return tuple(found) if len(found) > 1 else found[0]


cdef Unstack UNSTACK = Unstack()
cdef Py_ssize_t MOST = 1 << 15           # a node counts its outputs in 16 bits


def unstack(x, *, axis=0):
    """The slabs of x along an axis, as a tuple of views without that axis: the inverse of `stack`.

    The cotangents of all slabs are gathered at once, so a loop over them costs time in proportion to the size of x, in
    derivatives of every order.

    Raises
    ------
    numpy.exceptions.AxisError
        If x has no such axis.

    Examples
    --------
    >>> import fastad
    >>> fastad.unstack(fastad.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    cdef Tensor t = as_tensor(x)
    cdef int k = axis_of("unstack", axis, t.arr.layout.ndim)
    cdef Py_ssize_t n = t.arr.layout.shape[k]
    if n <= MOST:
        return tuple(UNSTACK.apply(t, k))
    blocks = FUNCTIONS["split"](t, range(MOST, n, MOST), k)
    return tuple([piece for block in blocks for piece in UNSTACK.apply(block, k)])


# ---- astype and copy ---------------------------------------------------------------------------------
@cython.final
cdef class AsType(PassOn):
    """y = x in another dtype; dx = g in that of x (the real part, for a real x), which the walk casts"""
    cdef Tensor apply(self, Tensor x, object dtype):
        cdef Array xa = x.arr, out = cast(xa, dtype)
        unchanged("astype", x, xa)
        return produced(out, record1(self, x, None)) if records(x) and dtype.kind in "fc" else wrap(out)

    cdef dict statics_of(self, Node node):
        return {0: node.out_dtype}


@cython.final
cdef class Copy(PassOn):
    """y = x in memory of its own; dx = g"""
    cdef Tensor apply(self, Tensor x):
        cdef Array xa = x.arr, out = copy_array(xa)
        unchanged("copy", x, xa)
        return produced(out, record1(self, x, None)) if records(x) else wrap(out)


cdef AsType ASTYPE = AsType("astype")
cdef Copy COPY = Copy("copy")


def astype(x, dtype, order="K", casting="unsafe", subok=True, copy=True, *, device=None):
    """x in another dtype.

    Between float and complex dtypes the gradient is cast back; to an integer or boolean the result has none.
    From complex to real the real part is kept.

    Parameters
    ----------
    dtype : dtype
    casting : str
        As for ``numpy.can_cast``.
    copy : bool
        False returns x itself if it has that dtype.  The other arguments are NumPy's and change nothing.

    Raises
    ------
    TypeError
        If `casting` forbids it, or the dtype holds no numbers.

    Examples
    --------
    >>> import fastad
    >>> fastad.astype(fastad.tensor([1.5, 2.5]), int)
    tensor([1, 2])
    """
    cdef Tensor t = as_tensor(x)
    dtype = np.dtype(dtype)
    code_of(dtype)                        # refuses what holds no numbers
    if casting != "unsafe" and not np.can_cast(t.arr.layout.dtype, dtype, casting):
        raise TypeError(f"astype: cannot cast {t.dtype} to {dtype} under casting={casting!r}")
    if t.arr.layout.dtype == dtype:
        return COPY.apply(t) if copy else t
    return ASTYPE.apply(t, dtype)


def copy(a, order="K", subok=False):
    """`a` in memory of its own; the gradient passes through.  Also as the methods ``copy`` and ``clone``.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor([1.0, 2.0])
    >>> y = fastad.copy(x)
    >>> y.fill_(0); x
    tensor([0., 0.])
    tensor([1., 2.])
    """
    return COPY.apply(as_tensor(a))


# ---- registration ------------------------------------------------------------------------------------
PRIMITIVES = {p.name: p for p in (CONCATENATE, STACK, UNSTACK, ASTYPE, COPY)}
for _f in (concatenate, stack, unstack):
    register(_f.__name__, _f)
for _f in (astype, copy):
    register(_f.__name__, _f, method=True)
register("concat", concatenate)
register("clone", copy, method=True)
