"""Level 4: the sum of squares, about zero or about the mean; var, std and norm (norms.py) are made of it.

Imports reduction.pyx for axes.  Next: norms.py.
"""
cimport cython

from ..arrays cimport GIL_SIZE, contiguous, reduced_last
from ..kernels cimport K
from ..storage cimport Array, Layout, dense, empty
from ..tape cimport INTERMEDIATE, Node, Primitive, Walk, deliver, save, wants
from ..tensor cimport Tensor, as_tensor, ndarray, produced, record1, records, result_from, unchanged, wrap
from ..tensor import FUNCTIONS
from ..types cimport MAX_NDIM, compiled
from .elementwise cimport multiply, subtract
from .reduction cimport arguments, axes_tuple, kept, named_axes, stretched, summed
from .shape cimport axes_of, flag


@cython.final
cdef class Squares(Primitive):
    """y = sum (x - c)^2 over axes, where c is 0 or the mean of x; dx = 2 g (x - c)"""
    cdef bint central

    def __cinit__(self, str name, bint central):
        self.name = name
        self.central = central
        self.raw = True

    cdef Tensor apply(self, Tensor x, object axis, object keeps):
        cdef char reduced[MAX_NDIM]
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Py_ssize_t outer, r, inner
        cdef Array xa = x.arr                  # held, while the GIL may be released
        cdef Layout layout = xa.layout
        cdef int i, n = 0, count = axes_of(self.name, axis, layout.ndim, reduced)
        cdef Array src, out, centre = None
        cdef Node node
        cdef tuple axes = axes_tuple(reduced, layout.ndim)
        cdef bint keepdims = flag(self.name, "keepdims", keeps)
        if self.central:
            centre = (<Tensor> FUNCTIONS["mean"](wrap(xa), axes, keepdims=keepdims)).arr
        if not compiled(layout.code) or layout.size == 0:
            d = ndarray(wrap(xa)) if centre is None else ndarray(wrap(xa)) - ndarray(wrap(centre)).reshape(
                [1 if reduced[i] else layout.shape[i] for i in range(layout.ndim)])
            out = result_from((d * d).sum(axis=axes, keepdims=keepdims)).arr
        else:
            for i in range(layout.ndim):
                if keepdims or not reduced[i]:
                    shape[n] = 1 if reduced[i] else layout.shape[i]
                    n += 1
            out = empty(dense(layout.code, n, shape))
            src = reduced_last(xa, reduced, &outer, &r, &inner, True)
            if layout.size < GIL_SIZE:
                K.squares[layout.code](outer, r, inner, src.data, NULL if centre is None else centre.data, out.data)
            else:
                with nogil:
                    K.squares[layout.code](outer, r, inner, src.data, NULL if centre is None else centre.data, out.data)
        if not records(x):
            return wrap(out)
        unchanged(self.name, x, xa)
        node = record1(self, x, arguments(reduced, count, layout.ndim, keepdims))
        save(node, xa, 0)
        if self.central:
            save(node, centre, INTERMEDIATE)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        if not wants(walk, node, 0):
            return 0
        cdef Layout like = node.s0.layout
        cdef Tensor d = wrap(node.s0), twice = multiply(wrap(contiguous(g)), 2)
        if self.central:
            d = subtract(d, wrap(stretched(node.s1, node.args, like)))
        return deliver(walk, node, 0, (<Tensor> multiply(d, wrap(stretched(twice.arr, node.args, like)))).arr)

    cdef dict statics_of(self, Node node):
        return named_axes(node)

    def vjp(self, node, saved, g):
        return (kept(node, g, node.in_shape(0)) * 2 * self.deviation(node, saved[0]),)

    def jvp(self, node, saved, tangents):
        return summed(node, tangents[0] * 2 * self.deviation(node, saved[0]))

    cdef object deviation(self, node, x):
        """x - c.  The mean's own share is nothing: the deviations from it add up to 0."""
        if not self.central:
            return x
        axes = tuple(range(x.ndim)) if node.args is None else node.args[0]
        return x - FUNCTIONS["mean"](x, axes, keepdims=True)


cdef Squares SQUARES = Squares("sum_of_squares", False), CENTRAL = Squares("squares_about_mean", True)


def sum_of_squares(x, axis, keepdims, bint central=False):
    """The sum of abs(x - c)^2 over the axes, where c is 0 or (`central`) the mean of x over them."""
    cdef Tensor t = as_tensor(x)
    if t.arr.layout.dtype.kind == "c":
        return sum_of_squares(t.real, axis, keepdims, central) + sum_of_squares(t.imag, axis, keepdims, central)
    return (CENTRAL if central else SQUARES).apply(t, axis, keepdims)


PRIMITIVES = {p.name: p for p in (SQUARES, CENTRAL)}
