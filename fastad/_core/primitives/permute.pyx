"""Level 4: the same numbers with the axes in another order, always a view: transpose, permute_dims, swapaxes,
moveaxis, matrix_transpose, .T, .mT.  One primitive carries them all.

Imports shape.pyx for axis arguments.  Next: part.pyx.
"""
cimport cython

from ..storage cimport Array, strided, view
from ..tape cimport Node, Primitive, Walk, deliver, wants
from ..tensor cimport Tensor, as_tensor, produced, record1, records, wrap
from ..tensor import install, register
from ..types cimport MAX_NDIM
from .shape cimport axes_in_order, axis_of, lead_in, lead_of


cdef Array transposed(Array a, tuple order, bint inverse):
    """Axis j of the view is axis order[j] of `a` (inverse: axis order[j] of the view is axis j); None reverses."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef int j, i, to, ndim = a.layout.ndim
    for j in range(ndim):
        i = ndim - 1 - j if order is None else <int> order[j]
        to = j
        if inverse:
            to, i = i, j
        shape[to] = a.layout.shape[i]
        steps[to] = a.layout.strides[i]
    return view(a, strided(a.layout, ndim, shape, steps), a.data)


@cython.final
cdef class Transpose(Primitive):
    """axis j of y is axis order[j] of x (order None: the axes reversed); dx = g with its axes put back"""
    def __cinit__(self):
        self.name = "transpose"
        self.raw = True

    cdef Tensor apply(self, Tensor x, tuple order):
        cdef Array out = transposed(x.arr, order, False)
        return produced(out, record1(self, x, order)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, transposed(g, node.args, True)) if wants(walk, node, 0) else 0

    cdef dict statics_of(self, Node node):
        return {} if node.args is None else {0: node.args}

    def vjp(self, node, saved, g):
        cdef int lead = len(lead_of(node, g)), ndim = len(node.out_shape)
        order = tuple(range(ndim - 1, -1, -1)) if node.args is None else node.args
        back = sorted(range(ndim), key=order.__getitem__)
        return (self.apply(g, tuple(range(lead)) + tuple([lead + j for j in back])),)

    def jvp(self, node, saved, tangents):
        cdef int lead = len(lead_in(node, 0, tangents[0])), ndim = len(node.out_shape)
        order = range(ndim - 1, -1, -1) if node.args is None else node.args
        return self.apply(tangents[0], tuple(range(lead)) + tuple([lead + j for j in order]))


cdef Transpose TRANSPOSE = Transpose()


def transpose(a, axes=None):
    """`a` with its axes reversed, or in the order given: axis j of the result is axis ``axes[j]`` of `a`.  A view.

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
    cdef Tensor t = as_tensor(a)
    cdef char seen[MAX_NDIM]
    cdef int i, ndim = t.arr.layout.ndim
    if axes is None:
        return TRANSPOSE.apply(t, None)
    axes = tuple(axes) if isinstance(axes, (tuple, list, range)) else (axes,)
    order = tuple([axis_of("transpose", axis, ndim) for axis in axes])
    if len(order) != ndim or len(set(order)) != ndim:
        raise ValueError(f"transpose: axes {axes} must name each of the {ndim} axes of shape {t.shape} once")
    return TRANSPOSE.apply(t, order)


def transpose_method(x, /, *axes):
    """`fastad.transpose`, with the axes as a tuple or as several arguments; none reverses them.

    Examples
    --------
    >>> import fastad
    >>> fastad.zeros((2, 3, 4)).transpose(2, 0, 1).shape
    (4, 2, 3)
    """
    if not axes or axes == (None,):
        return transpose(x)
    return transpose(x, axes[0] if len(axes) == 1 else axes)


def swapaxes(a, axis1, axis2):
    """`a` with two axes exchanged.  A view.

    Examples
    --------
    >>> import fastad
    >>> fastad.swapaxes(fastad.ones((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    cdef Tensor t = as_tensor(a)
    cdef int i = axis_of("swapaxes", axis1, t.arr.layout.ndim), j = axis_of("swapaxes", axis2, t.arr.layout.ndim)
    order = list(range(t.arr.layout.ndim))
    order[i], order[j] = j, i
    return TRANSPOSE.apply(t, tuple(order))


def moveaxis(a, source, destination):
    """`a` with the axes `source` moved to the positions `destination`; the others keep their order.  A view.

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
    cdef Tensor t = as_tensor(a)
    cdef int ndim = t.arr.layout.ndim
    source = axes_in_order("moveaxis", (source,) if source is None else source, ndim)
    destination = axes_in_order("moveaxis", (destination,) if destination is None else destination, ndim)
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {len(source)} source axes and {len(destination)} destinations; give as many of both")
    order = [i for i in range(ndim) if i not in source]
    for j, i in sorted(zip(destination, source)):
        order.insert(j, i)
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


# ---- registration ------------------------------------------------------------------------------------
PRIMITIVES = {"transpose": TRANSPOSE}
for _f in (transpose, moveaxis, matrix_transpose):
    register(_f.__name__, _f)
register("permute_dims", transpose)
register("swapaxes", swapaxes, method=True)
install("transpose", transpose_method)
install("T", property(transpose, doc="The tensor with its axes reversed."))
install("mT", property(matrix_transpose, doc="The tensor with its last two axes exchanged."))
