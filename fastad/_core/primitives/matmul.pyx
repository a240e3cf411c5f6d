"""Level 4: matmul and linear.

Forward and backward are products of `blas.multiply`, which reads transposed and strided operands without a copy
and writes straight into the gradient that is being added up.  Next: products.py, what is made of matmul; einsum.pyx.
"""
cimport cython
from libc.string cimport memcpy

import numpy as np

from ..arrays cimport GIL_SIZE, contiguous, reduce_rows
from ..blas cimport Product, multiply, place, transpose
from ..kernels cimport K
from ..storage cimport Array, Layout, dense, empty, shape_of
from ..tape cimport Node, Primitive, Walk, deliver, grad_enabled, receive, save, saved, wants
from ..tensor cimport Tensor, as_tensor, coerce, ndarray, operators, produced, record2, result_from, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport MAX_NDIM, compiled
from .shape cimport aligned, in_layout, lead_in, lead_of


cdef inline bint same_dtype(Tensor a, Tensor b):
    return a.arr.layout.code == b.arr.layout.code and (compiled(a.arr.layout.code)
                                                       or a.arr.layout.dtype == b.arr.layout.dtype)


# ---- matmul ------------------------------------------------------------------------------------------
cdef int shape_product(Layout a, Layout b, Product* p, Py_ssize_t* shape) except -1:
    """The lengths of a b in `p`, and the result's shape; returns its number of axes."""
    cdef int na = a.ndim, nb = b.ndim, i, n
    cdef Py_ssize_t x, y
    if na == 0 or nb == 0:
        raise ValueError(f"matmul: operands of shapes {shape_of(a)} and {shape_of(b)}: a 0-d operand has no axis to sum "
                         f"over; use a * b")
    p.m = a.shape[na - 2] if na > 1 else 1
    p.k = a.shape[na - 1]
    p.n = b.shape[nb - 1] if nb > 1 else 1
    if p.k != b.shape[nb - 2 if nb > 1 else 0]:
        raise ValueError(f"matmul: shapes {shape_of(a)} and {shape_of(b)} do not fit: the last axis of the first has "
                         f"{p.k}, axis {-2 if nb > 1 else 0} of the second {b.shape[nb - 2 if nb > 1 else 0]}")
    p.nbatch = n = max(na, nb, 2) - 2
    for i in range(n):
        x = a.shape[i - n + na - 2] if i - n + na - 2 >= 0 else 1
        y = b.shape[i - n + nb - 2] if i - n + nb - 2 >= 0 else 1
        if x != y and x != 1 and y != 1:
            raise ValueError(f"matmul: shapes {shape_of(a)} and {shape_of(b)} do not broadcast: axis {i - n - 2} has "
                             f"{x} and {y}")
        p.shape[i] = shape[i] = y if x == 1 else x
    if na > 1:
        shape[n] = p.m
        n += 1
    if nb > 1:
        shape[n] = p.n
        n += 1
    return n


@cython.final
cdef class MatMul(Primitive):
    """y = a b; da = g b^T, db = a^T g, over the last two axes; what was broadcast is summed in the product."""
    def __cinit__(self):
        self.name = "matmul"
        self.raw = True

    cdef Tensor apply(self, Tensor a, Tensor b):
        cdef Array xa = a.arr, xb = b.arr      # held, while the GIL may be released
        cdef Layout la = xa.layout, lb = xb.layout
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Product p
        cdef Array out
        cdef Node node
        cdef int ndim
        if not same_dtype(a, b):
            dtype = np.result_type(la.dtype, lb.dtype)
            return self.apply(FUNCTIONS["astype"](a, dtype), FUNCTIONS["astype"](b, dtype))
        ndim = shape_product(la, lb, &p, shape)
        if compiled(la.code):
            out = empty(dense(la.code, ndim, shape))
            place(&p.a, la, xa.data, la.ndim > 1, True, &p)
            place(&p.b, lb, xb.data, True, lb.ndim > 1, &p)
            place(&p.c, out.layout, out.data, la.ndim > 1, lb.ndim > 1, &p)
            multiply(la.code, &p, out, False)
        else:
            out = result_from(np.matmul(ndarray(a), ndarray(b))).arr
        if (a.node is None and b.node is None) or not grad_enabled():
            return wrap(out)
        unchanged("matmul", a, xa)
        unchanged("matmul", b, xb)
        node = record2(self, a, b, (la.ndim, lb.ndim) if la.ndim == 1 or lb.ndim == 1 else None)
        if b.node is not None:
            save(node, xa, 0)
        if a.node is not None:
            save(node, xb, 1)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Product p
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Array a = node.s0 if node.in1 is not None else None, out
        cdef Array b = saved(node, node.n_saved - 1) if node.in0 is not None else None
        cdef Layout la = in_layout(node, 0) if a is None else a.layout
        cdef Layout lb = in_layout(node, 1) if b is None else b.layout
        cdef bint rows = la.ndim > 1, cols = lb.ndim > 1, adds
        if wants(walk, node, 0):
            shape_product(la, lb, &p, shape)
            out = receive(walk, node, 0, in_layout(node, 0), &adds)
            place(&p.a, g.layout, g.data, rows, cols, &p)
            place(&p.b, lb, b.data, True, cols, &p)
            place(&p.c, out.layout, out.data, rows, True, &p)
            transpose(&p.b)
            p.n, p.k = p.k, p.n
            multiply(g.layout.code, &p, out, adds)
            deliver(walk, node, 0, out)
        if wants(walk, node, 1):
            shape_product(la, lb, &p, shape)
            out = receive(walk, node, 1, in_layout(node, 1), &adds)
            place(&p.a, la, a.data, rows, True, &p)
            place(&p.b, g.layout, g.data, rows, cols, &p)
            place(&p.c, out.layout, out.data, True, cols, &p)
            transpose(&p.a)
            p.m, p.k = p.k, p.m
            multiply(g.layout.code, &p, out, adds)
            deliver(walk, node, 1, out)
        return 0

    def vjp(self, node, saved, g):
        a = saved[0] if node.needs(1) else None
        b = saved[len(saved) - 1] if node.needs(0) else None
        a_ndim, b_ndim = node.args or (2, 2)
        if a is not None and a_ndim == 2 and b_ndim == 1:          # the rows of g are one product, whatever leads
            return None if b is None else expanded(g, -1) * b, matmul(g, a)
        if b_ndim == 1:
            g = expanded(g, -1)
            b = None if b is None else expanded(b, -1)
        if a_ndim == 1:
            g = expanded(g, -2)
            a = None if a is None else expanded(a, -2)
        da = None if b is None else matmul(g, FUNCTIONS["swapaxes"](b, -1, -2))
        db = None if a is None else matmul(FUNCTIONS["swapaxes"](a, -1, -2), g)
        if a_ndim == 1 and da is not None:
            da = dropped(da, -2)
        if b_ndim == 1 and db is not None:
            db = dropped(db, -1)
        return da, db

    def jvp(self, node, saved, tangents):
        cdef int i, a_ndim, b_ndim
        a_ndim, b_ndim = node.args or (2, 2)
        ta, tb = [None if t is None else stacked(node, i, t, a_ndim == 1, b_ndim == 1) for i, t in enumerate(tangents)]
        y = None
        if ta is not None:
            b = saved[len(saved) - 1]
            y = matmul(ta, expanded(b, -1) if b_ndim == 1 else b)
        if tb is not None and a_ndim == 2 and b_ndim == 1:         # the rows of tb are one product, whatever leads
            dy = expanded(matmul(dropped(tb, -1), FUNCTIONS["swapaxes"](saved[0], -1, -2)), -1)
            y = dy if y is None else y + dy
        elif tb is not None:
            dy = matmul(expanded(saved[0], -2) if a_ndim == 1 else saved[0], tb)
            y = dy if y is None else y + dy
        if a_ndim == 1:
            y = dropped(y, -2)
        return dropped(y, -1) if b_ndim == 1 else y


cdef Tensor stacked(object node, int i, Tensor t, bint a_vector, bint b_vector):
    """A tangent of factor i as matrices, where they broadcast to the product's behind the extra leading axes."""
    cdef tuple lead = lead_in(node, i, t), shape = node.in_shape(i)
    cdef int missing = len(node.out_shape) + a_vector + b_vector
    if a_vector and i == 0:
        shape = (1,) + shape
    if b_vector and i == 1:
        shape = shape + (1,)
    missing = missing - <int> len(shape) if lead else 0
    return FUNCTIONS["reshape"](t, lead + (1,) * missing + shape)


def expanded(x, int axis):
    """x with a new axis of length 1 at `axis` of the result (-1 or -2)."""
    cdef int n = x.ndim + 1 + axis
    shape = x.shape
    return FUNCTIONS["reshape"](x, shape[:n] + (1,) + shape[n:])


def dropped(x, int axis):
    """x without its axis of length 1 at -1 or -2."""
    cdef int n = x.ndim + axis
    shape = x.shape
    return FUNCTIONS["reshape"](x, shape[:n] + shape[n + 1:])


cdef MatMul MATMUL = MatMul()


cdef object matmul_operator(object a, object b):
    cdef Tensor ta, tb
    if isinstance(a, Tensor):
        ta = <Tensor> a
        tb = coerce("matmul", b, ta)
    else:
        tb = <Tensor> b
        ta = coerce("matmul", a, tb)
    if ta is None or tb is None:
        return NotImplemented
    return MATMUL.apply(ta, tb)


operators.matmul = matmul_operator


def matmul(a, b, /):
    """The matrix product of the last two axes, ``y[..., i, j] = sum_k a[..., i, k] b[..., k, j]``.

    The derivatives are ``da = g b^T`` and ``db = a^T g``.

    Parameters
    ----------
    a, b : Tensor or array_like
        Shapes (..., m, k) and (..., k, n), whose leading axes broadcast; a vector (k,) is a row on the left and a
        column on the right, and its axis is dropped from the result.

    Returns
    -------
    Tensor of shape (..., m, n) in NumPy's common dtype.

    Raises
    ------
    ValueError
        If an operand is 0-d, or the shapes do not fit.

    Examples
    --------
    >>> import fastad
    >>> fastad.matmul(fastad.tensor([[1.0, 2.0], [3.0, 4.0]]), fastad.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    a, b = operands("matmul", a, b)
    return MATMUL.apply(<Tensor> a, <Tensor> b)


def operands(name, a, b):
    """Both as Tensors; numbers take the dtype of the other."""
    if isinstance(a, Tensor):
        b = coerce(name, b, <Tensor> a)
    elif isinstance(b, Tensor):
        a = coerce(name, a, <Tensor> b)
    else:
        a, b = as_tensor(a), as_tensor(b)
    if a is None or b is None:
        raise TypeError(f"{name}: operands must be tensors, arrays, numbers or nested sequences of numbers")
    return a, b


# ---- linear ------------------------------------------------------------------------------------------
@cython.final
cdef class Linear(Primitive):
    """y = x W^T + b; dx = g W, dW = g^T x, db = sum of g over the rows"""
    def __cinit__(self):
        self.name = "linear"
        self.raw = True

    cdef Tensor apply(self, Tensor x, Tensor w, Tensor b):
        cdef Array xa = x.arr, wa = w.arr
        cdef Layout lx = xa.layout, lw = wa.layout
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Product p
        cdef Array out
        cdef Node node
        cdef int i
        self.check(lx, lw, None if b is None else b.arr.layout)
        if not same_dtype(x, w) or (b is not None and not same_dtype(w, b)):
            if lx.dtype.kind in "fc" and lx.dtype != lw.dtype:
                raise TypeError(f"linear: x is {lx.dtype} and the weight {lw.dtype}; use x.astype({str(lw.dtype)!r}), or give "
                                f"the layer dtype={str(lx.dtype)!r}")
            dtype = np.result_type(lx.dtype, lw.dtype, lw.dtype if b is None else b.arr.layout.dtype)
            return self.apply(FUNCTIONS["astype"](x, dtype), FUNCTIONS["astype"](w, dtype),
                              None if b is None else FUNCTIONS["astype"](b, dtype))
        if compiled(lx.code):
            for i in range(lx.ndim - 1):
                shape[i] = lx.shape[i]
            shape[lx.ndim - 1] = lw.shape[0]
            out = empty(dense(lx.code, lx.ndim, shape))
            self.lengths(&p, lx, lw)
            place(&p.a, lx, xa.data, lx.ndim > 1, True, &p)
            place(&p.b, lw, wa.data, True, True, &p)
            place(&p.c, out.layout, out.data, lx.ndim > 1, True, &p)
            transpose(&p.b)
            if b is not None:
                spread_rows(b.arr, out)
            multiply(lx.code, &p, out, b is not None)
        else:
            y = np.matmul(ndarray(x), ndarray(w).T)
            out = result_from(y if b is None else y + ndarray(b)).arr
        if not grad_enabled() or (x.node is None and w.node is None and (b is None or b.node is None)):
            return wrap(out)
        unchanged("linear", x, xa)
        unchanged("linear", w, wa)
        node = record2(self, x, w, lw.shape[1])
        if b is not None:
            node.n_in = 3
            node.in2, node.out2 = b.node, b.out
        if w.node is not None:
            save(node, xa, 0)
        if x.node is not None:
            save(node, wa, 1)
        return produced(out, node)

    cdef int check(self, Layout x, Layout w, Layout b) except -1:
        if w.ndim != 2:
            raise ValueError(f"linear: weight must be 2-D (out, in), got shape {shape_of(w)}")
        if x.ndim == 0 or x.shape[x.ndim - 1] != w.shape[1]:
            raise ValueError(f"linear: x of shape {shape_of(x)} does not fit a weight (out, in) of shape {shape_of(w)}: its "
                             f"last axis must have {w.shape[1]}")
        if b is not None and (b.ndim != 1 or b.shape[0] != w.shape[0]):
            raise ValueError(f"linear: bias of shape {shape_of(b)} does not fit a weight (out, in) of shape {shape_of(w)}: "
                             f"expected ({w.shape[0]},)")
        return 0

    cdef void lengths(self, Product* p, Layout x, Layout w) noexcept:
        """Those of the forward product, with the axes of x before the last two as the batch."""
        cdef int i
        p.nbatch = x.ndim - 2 if x.ndim > 2 else 0
        for i in range(p.nbatch):
            p.shape[i] = x.shape[i]
        p.m = x.shape[x.ndim - 2] if x.ndim > 1 else 1
        p.k = w.shape[1]
        p.n = w.shape[0]

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Product p
        cdef Array x = node.s0 if node.in1 is not None else None, out, dense_g
        cdef Array w = saved(node, node.n_saved - 1) if node.in0 is not None else None
        cdef Layout lw, lx
        cdef bint adds, rows = g.layout.ndim > 1
        if wants(walk, node, 0):
            lx = in_layout(node, 0)
            out = receive(walk, node, 0, lx, &adds)
            self.lengths(&p, lx, w.layout)
            place(&p.a, g.layout, g.data, rows, True, &p)
            place(&p.b, w.layout, w.data, True, True, &p)
            place(&p.c, out.layout, out.data, rows, True, &p)
            p.k, p.n = p.n, p.k
            multiply(g.layout.code, &p, out, adds)
            deliver(walk, node, 0, out)
        if wants(walk, node, 1):
            lw = in_layout(node, 1)
            out = receive(walk, node, 1, lw, &adds)
            self.lengths(&p, x.layout, lw)
            place(&p.a, g.layout, g.data, rows, True, &p)
            place(&p.b, x.layout, x.data, rows, True, &p)
            place(&p.c, out.layout, out.data, True, True, &p)
            transpose(&p.a)
            p.m, p.k, p.n = p.n, p.m, p.k
            multiply(g.layout.code, &p, out, adds)
            deliver(walk, node, 1, out)
        if node.n_in > 2 and wants(walk, node, 2):
            out = receive(walk, node, 2, in_layout(node, 2), &adds)
            dense_g = contiguous(g)
            reduce_rows(K.sum[g.layout.code], g.layout.size // max(out.layout.size, 1), dense_g, out, adds)
            deliver(walk, node, 2, out)
        return 0

    def vjp(self, node, saved, g):
        cdef int axis = len(node.out_shape) - 1
        lead = lead_of(node, g)
        dx = dw = db = None
        if node.needs(0):
            dx = matmul(g, saved[len(saved) - 1])
        count = int(np.prod(node.out_shape[:axis]))
        rows = FUNCTIONS["reshape"](g, lead + (count, node.out_shape[axis]))
        if node.needs(1):
            x = FUNCTIONS["reshape"](saved[0], (count, node.args))
            dw = matmul(FUNCTIONS["swapaxes"](rows, -1, -2), x)
        if len(node.inputs) == 3 and node.needs(2):
            db = FUNCTIONS["sum"](rows, axis=-2)
        return (dx, dw) if len(node.inputs) == 2 else (dx, dw, db)

    def jvp(self, node, saved, tangents):
        cdef int axis = len(node.out_shape) - 1
        cdef tuple out_shape = node.out_shape
        swap, reshape = FUNCTIONS["swapaxes"], FUNCTIONS["reshape"]
        parts = []
        if tangents[0] is not None:
            parts.append(matmul(tangents[0], swap(saved[len(saved) - 1], -1, -2)))
        if tangents[1] is not None:
            rows = reshape(saved[0], (int(np.prod(out_shape[:axis])), node.args))
            parts.append(reshape(matmul(rows, swap(tangents[1], -1, -2)), lead_in(node, 1, tangents[1]) + out_shape))
        if len(tangents) == 3 and tangents[2] is not None:
            parts.append(aligned(node, 2, tangents[2]))
        y = parts[0]
        for part in parts[1:]:
            y = y + part
        return y


cdef int spread_rows(Array b, Array out) except -1:
    """out[..., :] = b"""
    cdef Array row = contiguous(b)
    cdef Py_ssize_t nbytes = row.layout.size * row.layout.itemsize, total = out.layout.size * out.layout.itemsize
    if out.layout.size < GIL_SIZE:
        repeat(row.data, nbytes, out.data, total)
    else:
        with nogil:
            repeat(row.data, nbytes, out.data, total)
    return 0


cdef void repeat(const char* row, Py_ssize_t nbytes, char* to, Py_ssize_t total) noexcept nogil:
    cdef Py_ssize_t at = 0
    while at < total:
        memcpy(to + at, row, nbytes)
        at += nbytes


cdef Linear LINEAR = Linear()


def linear(x, weight, bias=None):
    """The affine map ``y = x W^T + b`` of the last axis, as one operation.

    The derivatives are ``dx = g W``, ``dW = g^T x`` and ``db``, the sum of ``g`` over the rows.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., in)
    weight : Tensor or array_like, shape (out, in)
    bias : Tensor or array_like, shape (out,), optional

    Returns
    -------
    Tensor of shape (..., out).

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If x is of another float dtype than the weight: layers do not promote silently.

    Examples
    --------
    >>> import fastad
    >>> fastad.linear([[1.0, 2.0]], [[1.0, 1.0], [0.0, 1.0]], [0.5, 0.0])
    tensor([[3.5, 2. ]])
    """
    return LINEAR.apply(as_tensor(x), as_tensor(weight), None if bias is None else as_tensor(bias))


PRIMITIVES = {"matmul": MATMUL, "linear": LINEAR}

register("matmul", matmul, method=True, ufunc=np.matmul)
register("linear", linear)
