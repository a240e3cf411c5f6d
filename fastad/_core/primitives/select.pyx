"""Level 4: choosing elements: where, clip.

Imports elementwise.  Next: shape.pyx.
"""
cimport cython

import numpy as np

from ..arrays cimport broadcast_layouts, cast, map3
from ..kernels cimport K
from ..storage cimport Array, Layout, dense_as, empty
from ..tape cimport Node, Primitive, grad_enabled, save
from ..tensor cimport Tensor, as_tensor, coerce, ndarray, produced, record_n, result_from, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport compiled
from .elementwise cimport Unary
from .elementwise import PRIMITIVES as ROWS
from .shape cimport aligned

cdef Unary CLIP = ROWS["clip"]


@cython.final
cdef class Where(Primitive):
    """y = a where c else b; da = g where c, db = g where not c"""
    def __cinit__(self):
        self.name = "where"

    cdef Tensor apply(self, Tensor c, Tensor a, Tensor b):
        cdef Layout layout
        cdef Array out
        cdef Node node
        if a.arr.layout.code != b.arr.layout.code or a.arr.layout.dtype != b.arr.layout.dtype:
            dtype = np.result_type(a.arr.layout.dtype, b.arr.layout.dtype)
            a = FUNCTIONS["astype"](a, dtype)
            b = FUNCTIONS["astype"](b, dtype)
        layout = broadcast_layouts("where", a.arr.layout, b.arr.layout)
        layout = dense_as(broadcast_layouts("where", layout, c.arr.layout), a.arr.layout.dtype)
        if compiled(layout.code):
            out = empty(layout)
            map3(K.where[layout.code], c.arr, a.arr, b.arr, out)
        else:
            out = result_from(np.where(ndarray(c), ndarray(a), ndarray(b))).arr
        if (a.node is None and b.node is None) or not grad_enabled():
            return wrap(out)
        node = record_n(self, [c, a, b], None)
        node.in0 = None
        save(node, c.arr, 0)
        return produced(out, node)

    def vjp(self, node, saved, g):
        c, = saved
        zero = np.zeros((), dtype=g.dtype)
        return (None, where(c, g, zero) if node.needs(1) else None, where(c, zero, g) if node.needs(2) else None)

    def jvp(self, node, saved, tangents):
        c, = saved
        a, b = [None if tangents[i] is None else aligned(node, i, tangents[i]) for i in (1, 2)]
        zero = np.zeros((), dtype=(b if a is None else a).dtype)
        return where(c, zero if a is None else a, zero if b is None else b)


cdef Where WHERE = Where()
PRIMITIVES = {"where": WHERE}


def where(condition, x=None, y=None, /):
    """x where condition is true, else y; the three broadcast.

    The gradient goes to the chosen branch; the other receives exact zeros.

    Examples
    --------
    >>> import fastad
    >>> fastad.where(fastad.tensor([True, False]), 1.0, fastad.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    cdef Tensor c = as_tensor(condition), a, b
    if x is None and y is None:
        return FUNCTIONS["nonzero"](condition)
    if x is None or y is None:
        raise ValueError("where: give both x and y, or neither")
    if c.arr.layout.dtype != np.bool_:
        c = wrap(cast(c.arr, np.dtype(np.bool_)))
    if isinstance(x, Tensor):
        a = x
        b = coerce("where", y, a)
    elif isinstance(y, Tensor):
        b = y
        a = coerce("where", x, b)
    else:
        a, b = as_tensor(x), as_tensor(y)
    if a is None or b is None:
        raise TypeError(f"where: operands of types {type(x).__name__} and {type(y).__name__}")
    return WHERE.apply(c, a, b)


def clip(x, min=None, max=None, *, a_min=None, a_max=None):
    """x limited to [min, max]; either may be None, a number or an array.

    The derivative is 1 inside and at an edge, 0 outside.

    Examples
    --------
    >>> import fastad
    >>> fastad.clip(fastad.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    if (min is not None and a_min is not None) or (max is not None and a_max is not None):
        raise TypeError("clip: a bound was given twice; a_min and a_max are other names of min and max")
    lo = min if min is not None else a_min
    hi = max if max is not None else a_max
    x = as_tensor(x)
    if lo is None and hi is None:
        raise ValueError("clip: give min, max or both")
    numbers = all(v is None or type(v) in (int, float) for v in (lo, hi))
    if numbers and compiled((<Tensor> x).arr.layout.code):
        return CLIP.apply(<Tensor> x, (-np.inf if lo is None else float(lo), np.inf if hi is None else float(hi)))
    if (<Tensor> x).node is not None:
        CLIP.check_complex(<Tensor> x)
    # bounds that are arrays have derivatives of their own, and x at an edge keeps all of its own
    if lo is not None:
        x = where(x < lo, lo, x)
    if hi is not None:
        x = where(x > hi, hi, x)
    return x


register("where", where)
register("clip", clip, method=True)
