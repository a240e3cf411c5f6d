"""Level 4: parts of an array as views: slices, reversed axes, diagonals (flip, diagonal, split), and their adjoint,
which places numbers inside a larger array.

Imports shape.pyx for axis arguments.  Next: join.pyx.
"""
cimport cython

import operator

from ..arrays cimport add_into, assign, copy, fill
from ..storage cimport Array, Layout, dense_dtype, empty, parse_shape, shape_of, strided, view
from ..tape cimport Node, Primitive, Walk, deliver, receive, wants
from ..tensor cimport Tensor, as_tensor, produced, record1, records, wrap
from ..tensor import register
from ..types cimport MAX_NDIM
from .shape cimport axes_of, axis_of, in_layout, lead_in, lead_of


# ---- rules -------------------------------------------------------------------------------------------
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


cdef object index_of(tuple rule, tuple whole, tuple part):
    """A rule for the eye: as an index, or as it is where it takes a diagonal."""
    cdef list index = []
    followed = [j for _, _, j in rule if j >= 0]
    if followed != sorted(set(followed)):
        return rule
    for (start, step, j), n in zip(rule, whole):
        if j < 0:
            index.append(start)
        elif start == 0 and step == 1 and part[j] == n:
            index.append(slice(None))
        else:
            stop = start + step * part[j]
            index.append(slice(start, stop if stop >= 0 else None, None if step == 1 else step))
    return tuple(index)


@cython.final
cdef class Part(Primitive):
    """y = the part of x that a rule picks; dx = g at its places, 0 elsewhere"""
    def __cinit__(self):
        self.name = "part"
        self.raw = True

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

    cdef dict statics_of(self, Node node):
        return {"index": index_of(node.args, node.in_shape(0), node.out_shape)}

    def vjp(self, node, saved, g):
        lead = lead_of(node, g)
        return (PLACE.apply(g, lead + node.in_shape(0), with_lead(lead, node.args), None),)

    def jvp(self, node, saved, tangents):
        lead = lead_in(node, 0, tangents[0])
        return PART.apply(tangents[0], lead + node.out_shape, with_lead(lead, node.args))


@cython.final
cdef class Place(Primitive):
    """y = x at the places that a rule names, a constant background elsewhere; dx = that part of g"""
    def __cinit__(self):
        self.name = "place"
        self.raw = True

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

    cdef dict statics_of(self, Node node):
        return {"index": index_of(node.args, node.out_shape, node.in_shape(0)), "shape": node.out_shape}

    def vjp(self, node, saved, g):
        lead = lead_of(node, g)
        return (PART.apply(g, lead + node.in_shape(0), with_lead(lead, node.args)),)

    def jvp(self, node, saved, tangents):
        lead = lead_in(node, 0, tangents[0])
        return PLACE.apply(tangents[0], lead + node.out_shape, with_lead(lead, node.args), None)


cdef Part PART = Part()
cdef Place PLACE = Place()


cdef Tensor select(Tensor x, tuple shape, tuple rule):
    """The part of x, of shape `shape`, that a rule picks; not checked."""
    return PART.apply(x, shape, rule)


def placed(Tensor x, tuple shape, tuple starts, Tensor background=None):
    """x inside an array of shape `shape`, from the indices `starts` on; 0, or the background, elsewhere."""
    cdef int i
    rule = tuple([(starts[i], 1, i) for i in range(len(starts))])
    return PLACE.apply(x, shape, rule, None if background is None else background.arr)


def flip(m, axis=None):
    """`m` with the order of its elements reversed along all axes, or those named.  A view with negative strides.

    Examples
    --------
    >>> import fastad
    >>> fastad.flip(fastad.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    cdef Tensor t = as_tensor(m)
    cdef char chosen[MAX_NDIM]
    cdef int i
    axes_of("flip", axis, t.arr.layout.ndim, chosen)
    shape = t.shape
    return PART.apply(t, shape, tuple([(max(shape[i] - 1, 0), -1, i) if chosen[i] else (0, 1, i)
                                       for i in range(t.arr.layout.ndim)]))


cdef Py_ssize_t clamped(object offset) except? -1:
    """An integer of any size, as a number of places that is as far outside."""
    try:
        return max(-(1 << 62), min(1 << 62, operator.index(offset)))
    except TypeError:
        raise TypeError(f"diagonal: offset must be an integer, got {offset!r}") from None


def diagonal(a, offset=0, axis1=0, axis2=1):
    """The elements of which the indices along two axes differ by `offset`, as a new last axis.  A view.

    The gradient goes to the diagonal; the other elements receive 0.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes, or the two are the same.

    Examples
    --------
    >>> import fastad
    >>> fastad.diagonal(fastad.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    cdef Tensor t = as_tensor(a)
    cdef Py_ssize_t k = clamped(offset), n
    cdef int p, q, i, j = 0, ndim = t.arr.layout.ndim
    if ndim < 2:
        raise ValueError(f"diagonal: a must have at least two axes, got shape {t.shape}")
    p, q = axis_of("diagonal", axis1, ndim), axis_of("diagonal", axis2, ndim)
    if p == q:
        raise ValueError(f"diagonal: axis1 and axis2 are both axis {p}")
    shape = t.shape
    n = max(0, min(shape[p] + min(k, 0), shape[q] - max(k, 0)))
    rule = []
    for i in range(ndim):
        if i == p or i == q:
            rule.append((0 if n == 0 else max(-k, 0) if i == p else max(k, 0), 1, ndim - 2))
        else:
            rule.append((0, 1, j))
            j += 1
    kept = tuple([shape[i] for i in range(ndim) if i != p and i != q])
    return PART.apply(t, kept + (n,), tuple(rule))


cdef list pieces(str name, object x, object indices_or_sections, object axis, bint equal):
    cdef Tensor t = as_tensor(x)
    cdef int where = axis_of(name, axis, t.arr.layout.ndim)
    cdef Py_ssize_t n = t.arr.layout.shape[where], sections, start, stop
    shape = t.shape
    try:
        sections = indices_or_sections
    except TypeError:
        try:
            cuts = [slice(start, stop).indices(n)[:2]
                    for start, stop in zip([0, *indices_or_sections], [*indices_or_sections, n])]
        except TypeError:
            raise TypeError(f"{name}: cut into an integer number of sections or at a list of integers, got "
                            f"{indices_or_sections!r}") from None
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


def split(ary, indices_or_sections, axis=0):
    """`ary` cut along an axis into a number of equal sections, or at the indices given; a list of views.

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
    return pieces("split", ary, indices_or_sections, axis, True)


def array_split(ary, indices_or_sections, axis=0):
    """As `split`, but the sections may differ in length by one.

    Examples
    --------
    >>> import fastad
    >>> [len(piece) for piece in fastad.array_split(fastad.arange(7), 3)]
    [3, 2, 2]
    """
    return pieces("array_split", ary, indices_or_sections, axis, False)


# ---- registration ------------------------------------------------------------------------------------
PRIMITIVES = {"part": PART, "place": PLACE}
for _f in (flip, split, array_split):
    register(_f.__name__, _f)
register("diagonal", diagonal, method=True)
