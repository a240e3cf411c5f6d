"""Level 4: primitives that show the same numbers in another shape or order, without a copy where one can be
avoided: reshape, transpose, broadcast_to, slices, flip, diagonal, split.

Four primitives carry all of them.  Imports elementary arrays and the tape.  Next: join.pyx, which moves numbers.
"""
cimport cython

import numpy as np

from ..arrays cimport add_into, assign, broadcast, copy, fill
from ..storage cimport (
    Array, Layout, dense_as, dense_dtype, empty, parse_shape, same_shape, shape_of, strided, view,
)
from ..tape cimport Node, Primitive, Walk, deliver, edge, edge_out, out_layout, receive, save, wants
from ..tensor cimport Tensor, as_tensor, produced, record1, records, wrap
from ..tensor import FUNCTIONS, install, register
from ..types cimport MAX_NDIM

PRIMITIVES = {}                           # name -> primitive, for the tests and the docs


# ---- axes --------------------------------------------------------------------------------------------
cdef int axis_of(str name, object axis, int ndim) except -1:
    """One axis, counted from the front; AxisError if there is no such axis."""
    cdef Py_ssize_t i = axis
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
            raise ValueError(f"{name}: axis {i} is named twice in {axis}")
        chosen[i] = 1
        count += 1
    return count


cdef Layout in_layout(Node node, int i):
    """The dense layout of input i, which must have a derivative."""
    return out_layout(edge(node, i), edge_out(node, i))


cdef inline tuple lead_of(object node, Tensor g):
    """The shape of the extra leading axes of a cotangent."""
    return g.shape[:g.arr.layout.ndim - len(node.out_shape)]


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
        self.raw = self.leads = True

    cdef Tensor apply(self, Tensor x, int ndim, const Py_ssize_t* shape):
        cdef Array out = reshaped(x.arr, dense_dtype(x.arr.layout.dtype, ndim, shape))
        return produced(out, record1(self, x, None)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, reshaped(g, in_layout(node, 0))) if wants(walk, node, 0) else 0

    def vjp(self, node, saved, g):
        return (reshape(g, lead_of(node, g) + node.in_shape(0)),)


cdef Reshape RESHAPE = Reshape()


cdef Tensor reshape_to(Tensor x, int ndim, const Py_ssize_t* shape):
    """x in a shape of the same size, not checked."""
    return RESHAPE.apply(x, ndim, shape)


def reshape(x, shape, order="C", *, copy=None):
    """The elements of x, in C order, in another shape; one length may be -1 and is then inferred.

    The gradient is the cotangent in the shape of x.  The result is a view where there is one.

    Parameters
    ----------
    x : Tensor or array_like
    shape : int or tuple of int
        Its product must be the size of x.
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
    cdef Tensor t = as_tensor(x), y
    cdef Py_ssize_t dims[MAX_NDIM]
    cdef Py_ssize_t size = t.arr.layout.size, known = 1
    cdef int i, free = -1, ndim = parse_shape(shape, dims)
    if order != "C":
        raise ValueError(f"reshape: order must be 'C', got {order!r}; transpose before and after for another order")
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
        if copy and y.arr.base is not None:
            return FUNCTIONS["copy"](y)
        if not copy and y.arr.base is None:
            raise ValueError(f"reshape: shape {shape} needs a copy, for the elements do not lie in order; leave out copy=False")
    return y


def reshape_method(x, /, *shape, order="C", copy=None):
    return reshape(x, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def ravel(x, order="C"):
    """All elements in one axis, in C order; a view where there is one.  See `reshape`.

    Examples
    --------
    >>> import fastad
    >>> fastad.ravel(fastad.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return reshape(x, -1 if as_tensor(x).size else 0, order)


def flatten_method(x, /, order="C"):
    return reshape(x, -1 if x.size else 0, order, copy=True)


def expand_dims(x, axis):
    """x with axes of length 1 inserted, so that they have the given positions in the result.

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
    cdef Tensor t = as_tensor(x)
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


def squeeze(x, axis=None):
    """x without its axes of length 1, or without those named.

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
    cdef Tensor t = as_tensor(x)
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


# ---- transpose ---------------------------------------------------------------------------------------
cdef Array transposed(Array a, tuple order, bint inverse):
    """Axis j of the view is axis order[j] of `a` (inverse: axis order[j] of the view is axis j)."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef int j, i, to
    for j in range(a.layout.ndim):
        i = order[j]
        to = j
        if inverse:
            to, i = i, j
        shape[to] = a.layout.shape[i]
        steps[to] = a.layout.strides[i]
    return view(a, strided(a.layout, a.layout.ndim, shape, steps), a.data)


@cython.final
cdef class Transpose(Primitive):
    """axis j of y is axis order[j] of x; dx = g with its axes put back"""
    def __cinit__(self):
        self.name = "transpose"
        self.raw = self.leads = True

    cdef Tensor apply(self, Tensor x, tuple order):
        cdef Array out = transposed(x.arr, order, False)
        return produced(out, record1(self, x, order)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, transposed(g, node.args, True)) if wants(walk, node, 0) else 0

    def vjp(self, node, saved, g):
        cdef int lead = len(lead_of(node, g))
        back = sorted(range(len(node.args)), key=node.args.__getitem__)
        return (self.apply(g, tuple(range(lead)) + tuple([lead + j for j in back])),)


cdef Transpose TRANSPOSE = Transpose()


def transpose(x, axes=None):
    """x with its axes reversed, or in the order given: axis j of the result is axis ``axes[j]`` of x.  A view.

    The gradient is the cotangent with its axes put back.

    Raises
    ------
    ValueError
        If `axes` does not name every axis once.

    Examples
    --------
    >>> import fastad
    >>> fastad.transpose(fastad.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    cdef Tensor t = as_tensor(x)
    cdef char seen[MAX_NDIM]
    cdef int i, ndim = t.arr.layout.ndim
    if axes is None:
        return TRANSPOSE.apply(t, tuple(range(ndim - 1, -1, -1)))
    axes = tuple(axes) if isinstance(axes, (tuple, list, range)) else (axes,)
    order = tuple([axis_of("transpose", axis, ndim) for axis in axes])
    if len(order) != ndim or len(set(order)) != ndim:
        raise ValueError(f"transpose: axes {axes} must name each of the {ndim} axes of shape {t.shape} once")
    return TRANSPOSE.apply(t, order)


def transpose_method(x, /, *axes):
    if not axes or axes == (None,):
        return transpose(x)
    return transpose(x, axes[0] if len(axes) == 1 else axes)


def swapaxes(x, axis1, axis2):
    """x with two axes exchanged.  A view.

    Examples
    --------
    >>> import fastad
    >>> fastad.swapaxes(fastad.ones((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    cdef Tensor t = as_tensor(x)
    cdef int a = axis_of("swapaxes", axis1, t.arr.layout.ndim), b = axis_of("swapaxes", axis2, t.arr.layout.ndim)
    order = list(range(t.arr.layout.ndim))
    order[a], order[b] = b, a
    return TRANSPOSE.apply(t, tuple(order))


def moveaxis(x, source, destination):
    """x with the axes `source` moved to the positions `destination`; the others keep their order.  A view.

    Raises
    ------
    ValueError
        If the two differ in number, or an axis is named twice.

    Examples
    --------
    >>> import fastad
    >>> fastad.moveaxis(fastad.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    cdef Tensor t = as_tensor(x)
    cdef int ndim = t.arr.layout.ndim
    source = [axis_of("moveaxis", a, ndim) for a in (source if isinstance(source, (tuple, list)) else (source,))]
    destination = [axis_of("moveaxis", a, ndim)
                   for a in (destination if isinstance(destination, (tuple, list)) else (destination,))]
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {len(source)} source axes and {len(destination)} destinations; give as many of both")
    if len(set(source)) != len(source) or len(set(destination)) != len(destination):
        raise ValueError(f"moveaxis: an axis is named twice in source {source} or destination {destination}")
    order = [a for a in range(ndim) if a not in source]
    for to, a in sorted(zip(destination, source)):
        order.insert(to, a)
    return TRANSPOSE.apply(t, tuple(order))


def matrix_transpose(x):
    """x with its last two axes exchanged.  A view.

    Raises ValueError if x has fewer than two axes.

    Examples
    --------
    >>> import fastad
    >>> fastad.matrix_transpose(fastad.ones((5, 2, 3))).shape
    (5, 3, 2)
    """
    if as_tensor(x).ndim < 2:
        raise ValueError(f"matrix_transpose: x must have at least two axes, got shape {as_tensor(x).shape}")
    return swapaxes(x, -1, -2)


# ---- broadcast_to ------------------------------------------------------------------------------------
@cython.final
cdef class Broadcast(Primitive):
    """y = x stretched; dx = g summed over the stretched axes, which the walk does"""
    def __cinit__(self):
        self.name = "broadcast_to"
        self.raw = self.leads = True

    cdef Tensor apply(self, Tensor x, Layout shape):
        cdef Array out = broadcast(x.arr, shape)
        if out is x.arr:
            out = view(out, out.layout, out.data)
            out.readonly = True
        return produced(out, record1(self, x, None)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, g) if wants(walk, node, 0) else 0

    def vjp(self, node, saved, g):
        return (g,)


cdef Broadcast BROADCAST = Broadcast()


def broadcast_to(x, shape):
    """x stretched to `shape` by NumPy's rules.  A read-only view, in which stretched axes have stride 0.

    The gradient is the cotangent summed over the stretched axes.

    Raises
    ------
    ValueError
        If x does not broadcast to `shape`.

    Examples
    --------
    >>> import fastad
    >>> fastad.broadcast_to(fastad.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    cdef Tensor t = as_tensor(x)
    cdef Py_ssize_t dims[MAX_NDIM]
    cdef int ndim = parse_shape(shape, dims)
    return BROADCAST.apply(t, dense_dtype(t.arr.layout.dtype, ndim, dims))


# ---- parts of an array -------------------------------------------------------------------------------
# A rule says where an element of the part stands in the whole: for every axis of the whole a triple
# (start, step, j), the index start + step * (index of axis j of the part); j is -1 where it is `start` alone.
# It serves slices, reversed axes and diagonals, where two axes of the whole follow one of the part.
cdef Array part(Array a, tuple shape, tuple rule):
    """The view of `a` that `rule` picks."""
    cdef Py_ssize_t dims[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef Py_ssize_t start, step, offset = 0, size = 1
    cdef int i, j, ndim = <int> len(shape)
    for j in range(ndim):
        dims[j] = shape[j]
        steps[j] = 0
        size *= dims[j]
    for i in range(a.layout.ndim):
        start, step, j = <tuple> rule[i]
        offset += start * a.layout.strides[i]
        if j >= 0:
            steps[j] += step * a.layout.strides[i]
    return view(a, strided(a.layout, ndim, dims, steps), a.data + (offset if size else 0))


cdef Array whole(Array g, Layout like, tuple rule):
    """The view with the shape of `like` of a part that has all of its elements: the inverse of `part`."""
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef Py_ssize_t start, step, offset = 0
    cdef int i, j
    for i in range(like.ndim):
        start, step, j = <tuple> rule[i]
        steps[i] = 0
        if j >= 0 and like.shape[i] > 1:
            steps[i] = step * g.layout.strides[j]         # such a step is 1 or -1
            offset -= start * steps[i]
    return view(g, strided(g.layout, like.ndim, like.shape, steps), g.data + offset)


cdef tuple with_lead(tuple lead, tuple rule):
    """The rule of the same part of every one of several wholes."""
    cdef int n = len(lead)
    return tuple([(0, 1, i) for i in range(n)]) + tuple([(start, step, j + n if j >= 0 else -1) for start, step, j in rule])


cdef tuple cut_rule(tuple shape, int axis, Py_ssize_t start, Py_ssize_t step):
    """The rule that takes start, start + step, ... of one axis of `shape`; of step 0: the one at start."""
    cdef int i, n = <int> len(shape)
    cdef list rule = [(0, 1, i - (step == 0 and i > axis)) for i in range(n)]
    rule[axis] = (start, step, axis if step else -1)
    return tuple(rule)


@cython.final
cdef class Part(Primitive):
    """y = the part of x that a rule picks; dx = g at its places, 0 elsewhere"""
    def __cinit__(self):
        self.name = "part"
        self.raw = self.leads = True

    cdef Tensor apply(self, Tensor x, tuple shape, tuple rule):
        cdef Array out = part(x.arr, shape, rule)
        return produced(out, record1(self, x, rule)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Layout like
        cdef Array out, into
        cdef bint adds
        if not wants(walk, node, 0):
            return 0
        like = in_layout(node, 0)
        if g.layout.size == like.size and like.size:
            return deliver(walk, node, 0, whole(g, like, node.args))
        out = receive(walk, node, 0, like, &adds)
        if not adds:
            fill(out, 0)
        into = part(out, shape_of(node.layout), node.args)
        if adds:
            add_into(into, g)             # a loop that reads x row by row must not touch all of it each time
        else:
            assign(into, g)
        return deliver(walk, node, 0, out)

    def vjp(self, node, saved, g):
        lead = lead_of(node, g)
        return (PLACE.apply(g, lead + node.in_shape(0), with_lead(lead, node.args), None),)


@cython.final
cdef class Place(Primitive):
    """y = x at the places that a rule names, a constant background elsewhere; dx = that part of g"""
    def __cinit__(self):
        self.name = "place"
        self.raw = self.leads = True

    cdef Tensor apply(self, Tensor x, tuple shape, tuple rule, Array background):
        cdef Py_ssize_t dims[MAX_NDIM]
        cdef int ndim = parse_shape(shape, dims)
        cdef Array out
        if background is None:
            out = empty(dense_dtype(x.arr.layout.dtype, ndim, dims))
            fill(out, 0)
        else:
            out = copy(background)
        assign(part(out, shape_of(x.arr.layout), rule), x.arr)
        return produced(out, record1(self, x, rule)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        if not wants(walk, node, 0):
            return 0
        return deliver(walk, node, 0, part(g, shape_of(in_layout(node, 0)), node.args))

    def vjp(self, node, saved, g):
        lead = lead_of(node, g)
        return (PART.apply(g, lead + node.in_shape(0), with_lead(lead, node.args)),)


cdef Part PART = Part()
cdef Place PLACE = Place()


cdef Tensor select(Tensor x, tuple shape, tuple rule):
    """The part of x, of shape `shape`, that a rule picks; not checked."""
    return PART.apply(x, shape, rule)


cdef Tensor place(Tensor x, tuple shape, tuple rule, Array background):
    """x inside an array of shape `shape`, at the places of a rule; 0 (or the background) elsewhere."""
    return PLACE.apply(x, shape, rule, background)


def flip(x, axis=None):
    """x with the order of its elements reversed along all axes, or those named.  A view with negative strides.

    Examples
    --------
    >>> import fastad
    >>> fastad.flip(fastad.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    cdef Tensor t = as_tensor(x)
    cdef char chosen[MAX_NDIM]
    cdef int i
    axes_of("flip", axis, t.arr.layout.ndim, chosen)
    shape = t.shape
    return PART.apply(t, shape, tuple([(max(shape[i] - 1, 0), -1, i) if chosen[i] else (0, 1, i)
                                       for i in range(t.arr.layout.ndim)]))


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The elements of which the indices along two axes differ by `offset`, as a new last axis.  A view.

    The gradient goes to the diagonal; the other elements receive 0.

    Raises
    ------
    ValueError
        If x has fewer than two axes, or the two are the same.

    Examples
    --------
    >>> import fastad
    >>> fastad.diagonal(fastad.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    cdef Tensor t = as_tensor(x)
    cdef Py_ssize_t k = offset, n
    cdef int a, b, i, j = 0, ndim = t.arr.layout.ndim
    if ndim < 2:
        raise ValueError(f"diagonal: x must have at least two axes, got shape {t.shape}")
    a, b = axis_of("diagonal", axis1, ndim), axis_of("diagonal", axis2, ndim)
    if a == b:
        raise ValueError(f"diagonal: axis1 and axis2 are both axis {a}")
    shape = t.shape
    n = max(0, min(shape[a] + min(k, 0), shape[b] - max(k, 0)))
    rule = []
    for i in range(ndim):
        if i == a or i == b:
            rule.append((0 if n == 0 else max(-k, 0) if i == a else max(k, 0), 1, ndim - 2))
        else:
            rule.append((0, 1, j))
            j += 1
    kept = tuple([shape[i] for i in range(ndim) if i != a and i != b])
    return PART.apply(t, kept + (n,), tuple(rule))


cdef list pieces(str name, object x, object indices_or_sections, object axis, bint equal):
    cdef Tensor t = as_tensor(x)
    cdef int where = axis_of(name, axis, t.arr.layout.ndim)
    cdef Py_ssize_t n = t.arr.layout.shape[where], sections, start, stop
    shape = t.shape
    try:
        sections = indices_or_sections
    except TypeError:
        cuts = [slice(start, stop).indices(n)[:2]
                for start, stop in zip([0, *indices_or_sections], [*indices_or_sections, n])]
    else:
        if sections <= 0:
            raise ValueError(f"{name}: the number of sections must be positive, got {sections}")
        if equal and n % sections:
            raise ValueError(f"{name}: axis {where} of shape {shape} has length {n}, which does not divide into {sections} equal "
                             f"sections; use array_split for unequal ones")
        ends = [0]
        for i in range(sections):
            ends.append(ends[i] + n // sections + (i < n % sections))
        cuts = list(zip(ends, ends[1:]))
    return [PART.apply(t, shape[:where] + (max(stop - start, 0),) + shape[where + 1:],
                       cut_rule(shape, where, start, 1)) for start, stop in cuts]


def split(x, indices_or_sections, axis=0):
    """x cut along an axis into a number of equal sections, or at the indices given; a list of views.

    Each piece sends its cotangent to its own place.

    Raises
    ------
    ValueError
        If the axis does not divide into so many sections.

    Examples
    --------
    >>> import fastad
    >>> fastad.split(fastad.tensor([1, 2, 3, 4]), 2)
    [tensor([1, 2]), tensor([3, 4])]
    """
    return pieces("split", x, indices_or_sections, axis, True)


def array_split(x, indices_or_sections, axis=0):
    """As `split`, but the sections may differ in length by one.

    Examples
    --------
    >>> import fastad
    >>> [len(piece) for piece in fastad.array_split(fastad.arange(7), 3)]
    [3, 2, 2]
    """
    return pieces("array_split", x, indices_or_sections, axis, False)


# ---- registration ------------------------------------------------------------------------------------
for _p in (RESHAPE, TRANSPOSE, BROADCAST, PART, PLACE):
    PRIMITIVES[_p.name] = _p
for _f in (ravel, expand_dims, squeeze, swapaxes, diagonal):
    register(_f.__name__, _f, method=_f is not expand_dims)
for _f in (reshape, transpose, moveaxis, matrix_transpose, broadcast_to, flip, split, array_split):
    register(_f.__name__, _f)
register("permute_dims", transpose)
install("reshape", reshape_method)
install("flatten", flatten_method)
install("transpose", transpose_method)
install("T", property(transpose, doc="x with its axes reversed."))
install("mT", property(matrix_transpose, doc="x with its last two axes exchanged."))
