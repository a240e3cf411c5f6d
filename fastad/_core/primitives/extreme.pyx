"""Level 4: prod, max and min over axes: the reductions whose rules look at every element again; positions of extremes.

Imports reduction.pyx for axes and part.pyx for slices.  Next: squares.pyx, norms.py.
"""
cimport cython
from cython cimport floating
from libc.stdint cimport int64_t

import numpy as np

from ..arrays cimport GIL_SIZE, contiguous, reduce_axes, reduced_last
from ..kernels cimport K, fad_position_fn, fad_reduce_fn
from ..storage cimport Array, Layout, dense, empty, shape_of
from ..tape cimport FROM_OUTPUT, Node, Primitive, Walk, deliver, save, wants
from ..tensor cimport Tensor, as_tensor, ndarray, produced, record1, records, result_from, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport I64, MAX_NDIM, compiled
from .part cimport cut_rule, select
from .reduction cimport arguments, axes_tuple, check_real, kept, mark, named_axes, put_back, summed, unsupported
from .shape cimport axes_of, axis_of, flag


ctypedef void (*back_fn)(Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, const void* x, const void* y,
                         const void* g, void* out) noexcept nogil


cdef void max_back(Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, const floating* x, const floating* y,
                   const floating* g, floating* out) noexcept nogil:
    """out = g / (number of ties) where x is the extreme y, else 0; a NaN is the extreme of its row."""
    cdef Py_ssize_t i, k, o, start, w
    cdef Py_ssize_t ties[256]
    cdef floating share[256]
    cdef const floating* row
    for o in range(outer):
        for start in range(0, inner, 256):
            w = inner - start if inner - start < 256 else 256
            for i in range(w):
                ties[i] = 0
            for k in range(r):
                row = x + k * inner + start
                for i in range(w):
                    ties[i] += (row[i] == y[start + i]) | (row[i] != row[i])
            for i in range(w):
                share[i] = g[start + i] / <floating> ties[i]
            for k in range(r):
                row = x + k * inner + start
                for i in range(w):
                    out[k * inner + start + i] = share[i] if (row[i] == y[start + i]) | (row[i] != row[i]) else 0
        x += r * inner
        out += r * inner
        y += inner
        g += inner


cdef void prod_back(Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, const floating* x, const floating* y,
                    const floating* g, floating* out) noexcept nogil:
    """out = g * (product of the others), from the products before and after: zeros need no division."""
    cdef Py_ssize_t i, k, o
    cdef floating run
    for o in range(outer):
        for i in range(inner):
            run = g[i]
            for k in range(r):
                out[k * inner + i] = run
                run *= x[k * inner + i]
            run = 1
            for k in range(r - 1, -1, -1):
                out[k * inner + i] *= run
                run *= x[k * inner + i]
        x += r * inner
        out += r * inner
        g += inner


@cython.final
cdef class Fold(Primitive):
    """y = prod x: dx = g * product of the others.  y = max x, min x: the extremes share g equally"""
    cdef fad_reduce_fn* kernel
    cdef back_fn back[2]
    cdef object numpy
    cdef bint extreme

    def __cinit__(self, str name, bint extreme):
        self.name = name
        self.extreme = extreme
        self.raw = True
        self.numpy = getattr(np, name)
        self.kernel = <fad_reduce_fn*> K.prod
        if extreme:
            self.kernel = <fad_reduce_fn*> K.max if name == "max" else <fad_reduce_fn*> K.min
        if extreme:
            self.back[0], self.back[1] = <back_fn> max_back[float], <back_fn> max_back[double]
        else:
            self.back[0], self.back[1] = <back_fn> prod_back[float], <back_fn> prod_back[double]

    cdef Tensor apply(self, Tensor x, object axis, object keeps):
        cdef char reduced[MAX_NDIM]
        cdef Array xa = x.arr                  # held, while the GIL may be released
        cdef Layout layout = xa.layout
        cdef int count = axes_of(self.name, axis, layout.ndim, reduced)
        cdef bint keepdims = flag(self.name, "keepdims", keeps)
        cdef Array out
        cdef Node node
        if layout.size == 0 or not compiled(layout.code):
            try:
                out = result_from(self.numpy(ndarray(x), axis=axes_tuple(reduced, layout.ndim), keepdims=keepdims)).arr
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}, got shape {x.shape}") from None
        else:
            out = reduce_axes(self.kernel, xa, reduced, keepdims)
        if not records(x):
            return wrap(out)
        if self.extreme:
            check_real(self.name, x)
        unchanged(self.name, x, xa)
        node = record1(self, x, arguments(reduced, count, layout.ndim, keepdims))
        save(node, xa, 0)
        if self.extreme:
            save(node, out, FROM_OUTPUT)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef char reduced[MAX_NDIM]
        cdef Py_ssize_t outer, r, inner
        cdef Array x, src, out, y = None
        if not wants(walk, node, 0):
            return 0
        x = contiguous(node.s0)
        g = contiguous(g)
        if self.extreme:
            y = contiguous(node.s1)
        mark(node.args, x.layout.ndim, reduced)
        src = reduced_last(x, reduced, &outer, &r, &inner, True)
        out = empty(src.layout)
        if 0 < src.layout.size < GIL_SIZE:
            self.back[src.layout.code](outer, r, inner, src.data, NULL if y is None else y.data, g.data, out.data)
        elif src.layout.size:
            with nogil:
                self.back[src.layout.code](outer, r, inner, src.data, NULL if y is None else y.data, g.data, out.data)
        if src is not x:
            out = put_back(out, x.layout, reduced)
        return deliver(walk, node, 0, out)

    cdef dict statics_of(self, Node node):
        return named_axes(node)

    def vjp(self, node, saved, g):
        return (kept(node, g, node.in_shape(0)) * self.weights(node, saved),)

    def jvp(self, node, saved, tangents):
        return summed(node, tangents[0] * self.weights(node, saved))

    cdef object weights(self, node, saved):
        """dy/dx, for every element"""
        cdef tuple shape = node.in_shape(0)
        if not self.extreme:
            return others(saved[0], node.args)
        x, y = ndarray(saved[0]), ndarray(kept(node, wrap((<Tensor> saved[1]).arr), shape))
        ties = (x == y) | (x != x)
        axes = tuple(range(len(shape))) if node.args is None else node.args[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = ties / ties.sum(axis=axes, keepdims=True).astype(x.dtype)
        return result_from(weights.astype(x.dtype, copy=False))


cdef Tensor between(Tensor x, Py_ssize_t start, Py_ssize_t stop):
    """x[..., start:stop]"""
    cdef int last = x.arr.layout.ndim - 1
    shape = shape_of(x.arr.layout)
    return select(x, shape[:last] + (stop - start,), cut_rule(shape, last, start, 1))


cdef Tensor others(Tensor x, object args):
    """For every element, the product of the others that `args` reduces with it, in recorded operations.

    A tree of pairs: on the way up halves are multiplied with each other, on the way down each half takes the
    product outside of its pair times its partner."""
    cdef int ndim = x.arr.layout.ndim
    cdef Py_ssize_t n, h
    cdef char reduced[MAX_NDIM]
    mark(args, ndim, reduced)
    order = tuple([i for i in range(ndim) if not reduced[i]]) + axes_tuple(reduced, ndim)
    moved = FUNCTIONS["transpose"](x, order)
    lengths = tuple([x.arr.layout.shape[i] for i in range(ndim) if not reduced[i]])
    n = 1
    for i in range(ndim):
        n *= x.arr.layout.shape[i] if reduced[i] else 1
    top = FUNCTIONS["reshape"](moved, lengths + (n,))
    join = FUNCTIONS["concatenate"]
    pairs = []
    while n > 1:
        h = n // 2
        a, b = between(top, 0, h), between(top, h, 2 * h)
        pairs.append((a, b))
        top = join([a * b, between(top, 2 * h, n)], axis=-1)
        n -= h
    out = as_tensor(np.ones(lengths + (n,), x.dtype))
    for a, b in reversed(pairs):
        h = a.shape[len(lengths)]
        outside = between(out, 0, h)
        out = join([outside * b, outside * a, between(out, h, out.shape[len(lengths)])], axis=-1)
    back = [0] * ndim
    for i in range(ndim):
        back[order[i]] = i
    return FUNCTIONS["transpose"](FUNCTIONS["reshape"](out, moved.shape), back)


cdef Fold PROD = Fold("prod", False), MAX = Fold("max", True), MIN = Fold("min", True)


def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """The product over all axes, or those named.

    The gradient of an element is the product of the others, right also where elements are 0.  Arguments and errors
    are those of `sum`.

    Examples
    --------
    >>> import fastad
    >>> fastad.prod(fastad.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    unsupported("prod", out, initial, where)
    if dtype is not None:
        a = FUNCTIONS["astype"](a, dtype, copy=False)
    return PROD.apply(as_tensor(a), axis, keepdims)


def max(a, axis=None, out=None, keepdims=False, initial=None, where=True):
    """The largest element, over all axes or those named; a NaN counts as the largest.  Also `amax`.

    Elements that tie share the gradient equally.  Arguments and errors are those of `sum`.

    Raises
    ------
    ValueError
        If there is no element to choose.

    Examples
    --------
    >>> import fastad
    >>> fastad.max(fastad.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
    tensor([4., 3.])
    """
    unsupported("max", out, initial, where)
    return MAX.apply(as_tensor(a), axis, keepdims)


def min(a, axis=None, out=None, keepdims=False, initial=None, where=True):
    """The smallest element, over all axes or those named; a NaN counts as the smallest.  Also `amin`.

    Elements that tie share the gradient equally.  Arguments and errors are those of `max`.

    Examples
    --------
    >>> import fastad
    >>> fastad.min(fastad.tensor([[1.0, 4.0], [3.0, 2.0]]), axis=1)
    tensor([1., 2.])
    """
    unsupported("min", out, initial, where)
    return MIN.apply(as_tensor(a), axis, keepdims)


# ---- positions ---------------------------------------------------------------------------------------
def position(str name, Tensor x not None, axis=None, keepdims=False):
    """The index of the first largest (argmax) or smallest element, of an axis or (None) of the flattened array; None
    if there is no kernel for it."""
    cdef char reduced[MAX_NDIM]
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t outer, r, inner
    cdef Array xa = x.arr, src, out
    cdef Layout layout = xa.layout
    cdef int i, n = 0
    cdef fad_position_fn kernel
    cdef bint keeps = flag(name, "keepdims", keepdims)
    if not compiled(layout.code) or layout.size == 0 or layout.ndim == 0:
        return None
    kernel = K.argmax[layout.code] if name == "argmax" else K.argmin[layout.code]
    for i in range(layout.ndim):
        reduced[i] = axis is None
    if axis is not None:
        reduced[axis_of(name, axis, layout.ndim)] = True
    for i in range(layout.ndim):
        if keeps or not reduced[i]:
            shape[n] = 1 if reduced[i] else layout.shape[i]
            n += 1
    out = empty(dense(I64, n, shape))
    src = reduced_last(xa, reduced, &outer, &r, &inner, True)
    if layout.size < GIL_SIZE:
        kernel(outer, r, inner, src.data, <int64_t*> out.data)
    else:
        with nogil:
            kernel(outer, r, inner, src.data, <int64_t*> out.data)
    return wrap(out)


# ---- registration ------------------------------------------------------------------------------------
PRIMITIVES = {p.name: p for p in (PROD, MAX, MIN)}
for _f in (prod, max, min):
    register(_f.__name__, _f, method=True)
register("amax", max)
register("amin", min)
