"""Level 4: softmax and log_softmax, functions of whole rows.  Next: loss.pyx."""
cimport cython

import numpy as np

from ..arrays cimport GIL_SIZE, contiguous, over_rows
from ..kernels cimport K, fad_line, share_rows
from ..storage cimport Array, Layout, dense_as, empty
from ..tape cimport FROM_OUTPUT, Node, Walk, deliver, grad_enabled, receive, save
from ..tensor cimport as_tensor, ndarray, produced, record1, result_from, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport compiled
from .shape cimport axis_of


cdef struct Back:
    fad_rows_back_fn kernel
    Py_ssize_t n
    int adds


cdef void back_part(const void* work, Py_ssize_t rows, const fad_line* lines) noexcept nogil:
    cdef const Back* o = <const Back*> work
    o.kernel(rows, o.n, lines[0].at, lines[1].at, lines[2].at, o.adds)


cdef class OverRows(Primitive):
    """A function of whole rows (the last axis), whose derivative reads its own result."""
    def __cinit__(self):
        self.raw = True

    def in_numpy(self, x):
        raise NotImplementedError

    cdef Tensor apply(self, Tensor x):
        cdef Array xa = x.arr                  # held, while the GIL may be released
        cdef Layout layout = xa.layout
        cdef Py_ssize_t n = layout.shape[layout.ndim - 1], size = layout.size
        cdef Array out, src
        cdef Node node
        if not compiled(layout.code):
            out = result_from(self.in_numpy(ndarray(x))).arr
        else:
            out = empty(layout if layout.contiguous else dense_as(layout, layout.dtype))
            src = contiguous(xa)
            if size:
                over_rows(self.forward[layout.code], size // n, n, src, out)
        if x.node is None or not grad_enabled():
            return wrap(out)
        unchanged(self.name, x, xa)
        node = record1(self, x, None)
        save(node, out, FROM_OUTPUT)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Layout layout = node.layout
        cdef Array y = contiguous(node.s0), out
        cdef Py_ssize_t n = layout.shape[layout.ndim - 1], size = layout.size
        cdef bint adds
        cdef fad_line lines[3]
        cdef Back o
        g = contiguous(g)
        out = receive(walk, node, 0, layout, &adds)
        if 0 < size < GIL_SIZE:
            self.back[layout.code](size // n, n, g.data, y.data, out.data, adds)
        elif size:
            o.kernel, o.n, o.adds = self.back[layout.code], n, adds
            lines[0].at, lines[1].at, lines[2].at = g.data, y.data, out.data
            lines[0].step = lines[1].step = lines[2].step = n * layout.itemsize
            with nogil:
                share_rows(back_part, &o, size // n, n, 3, lines)
        return deliver(walk, node, 0, out)


@cython.final
cdef class Softmax(OverRows):
    """y = exp(x) / sum exp(x); dx = y (g - sum(g y))"""
    def __cinit__(self):
        self.name = "softmax"
        self.forward = <fad_rows_fn*> K.softmax
        self.back = <fad_rows_back_fn*> K.softmax_back

    def in_numpy(self, x):
        with np.errstate(all="ignore"):
            e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
            return e / e.sum(axis=-1, keepdims=True)

    def vjp(self, node, saved, g):
        y, = saved
        return (y * (g - FUNCTIONS["sum"](g * y, axis=-1, keepdims=True)),)

    def jvp(self, node, saved, tangents):
        return self.vjp(node, saved, tangents[0])[0]      # the Jacobian is symmetric


@cython.final
cdef class LogSoftmax(OverRows):
    """y = x - log sum exp(x); dx = g - exp(y) sum(g)"""
    def __cinit__(self):
        self.name = "log_softmax"
        self.forward = <fad_rows_fn*> K.log_softmax
        self.back = <fad_rows_back_fn*> K.log_softmax_back

    def in_numpy(self, x):
        with np.errstate(all="ignore"):
            shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
            return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def vjp(self, node, saved, g):
        y, = saved
        return (g - FUNCTIONS["exp"](y) * FUNCTIONS["sum"](g, axis=-1, keepdims=True),)

    def jvp(self, node, saved, tangents):
        y, = saved
        t, = tangents
        return t - FUNCTIONS["sum"](FUNCTIONS["exp"](y) * t, axis=-1, keepdims=True)


SOFTMAX = Softmax()
LOG_SOFTMAX = LogSoftmax()


cdef object over_axis(OverRows p, object input, object axis):
    cdef Tensor x = as_tensor(input)
    cdef int ndim = x.arr.layout.ndim
    kind = x.arr.layout.dtype.kind
    if kind != "f":
        if kind not in "biu":
            raise TypeError(f"{p.name}: the input must be real, got {x.arr.layout.dtype}")
        x = FUNCTIONS["astype"](x, np.float64)
    axis = axis_of(p.name, axis, ndim)
    if axis == ndim - 1:
        return p.apply(x)
    return FUNCTIONS["moveaxis"](p.apply(FUNCTIONS["moveaxis"](x, axis, -1)), -1, axis)


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows.

    Parameters
    ----------
    x : Tensor or array_like, real; integers become float64.
    axis : int

    Raises
    ------
    numpy.exceptions.AxisError
        If x has no such axis.
    TypeError
        If x is complex.

    Examples
    --------
    >>> import fastad
    >>> fastad.softmax(fastad.tensor([1e4, 1e4]))
    tensor([0.5, 0.5])
    """
    return over_axis(SOFTMAX, x, axis)


def log_softmax(x, axis=-1):
    """x - log(sum(exp(x))) along an axis, without overflow; arguments and errors as `softmax`.

    Examples
    --------
    >>> import fastad
    >>> fastad.log_softmax(fastad.tensor([0.0, 1e4]))
    tensor([-10000.,      0.])
    """
    return over_axis(LOG_SOFTMAX, x, axis)


register("softmax", softmax, method=True)
register("log_softmax", log_softmax, method=True)

PRIMITIVES = {"softmax": SOFTMAX, "log_softmax": LOG_SOFTMAX}
