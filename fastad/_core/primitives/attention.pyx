"""Level 4: scaled dot-product attention, and dropout, which it has inside.

For each matrix of the batch, while its scores are in the cache:

    P = softmax(scale q k^T + mask)           a product, and a pass over the rows: csrc/attend.inc
    y = P v                                   a product
    and back:    dv = P^T g,  D = scale P (g v^T - <g v^T, P>),  dq = D k,  dk = D^T q

Arguments are checked by who calls, fastad/nn.  Next: attended.py, the same as formulas.
"""
cimport cython
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcpy, memset

import numpy as np

from ..arrays cimport GIL_SIZE, contiguous, fill
from ..blas cimport alone, begin, finish, gemm
from ..kernels cimport FUNCTION, K, PART, fad_line, parts_of, share, share_rows
from ..storage cimport Array, Layout, dense, dense_as, dense_dtype, empty, shape_of, to_ndarray, version_of
from ..tape cimport INTERMEDIATE, Node, Primitive, Walk, deliver, grad_enabled, save, saved, wants
from ..tensor cimport Tensor, any_records, produced, record1, record_n, result_from, unchanged, wrap
from ..types cimport BOOL, F32, MAX_NDIM, compiled

cdef extern from "Python.h":
    void* PyCapsule_GetPointer(object capsule, const char* name) except NULL

cdef extern from "numpy/random/bitgen.h":
    ctypedef struct bitgen_t:
        void* state
        uint64_t (*next_uint64)(void* state) noexcept nogil
        double (*next_double)(void* state) noexcept nogil


# ---- random booleans -----------------------------------------------------------------------------------
cdef enum:
    WORDS = 512                         # drawn at a time
    BLOCK = 8 * WORDS                   # in bytes
    FINE = 256                          # a number of 8 random bits decides


cdef void draw(bitgen_t* bits, Py_ssize_t n, double share, unsigned char* kept) noexcept nogil:
    """kept[i] = 1 with that probability, else 0"""
    cdef uint64_t block[WORDS]
    cdef unsigned char* byte = <unsigned char*> block
    cdef unsigned char* open_
    cdef Py_ssize_t at = 0, m, i
    cdef int whole = <int> (share * FINE)
    cdef double part = share * FINE - whole
    if whole >= FINE:
        memset(kept, 1, n)
        return
    while at < n:
        m = min(n - at, <Py_ssize_t> BLOCK)
        for i in range((m + 7) // 8):
            block[i] = bits.next_uint64(bits.state)
        K.below(m, byte, <unsigned char> whole, kept + at)
        open_ = byte if part else NULL
        while open_ is not NULL:              # where 8 bits leave it open, others decide
            open_ = <unsigned char*> memchr(open_, whole, m - (open_ - byte))
            if open_ is not NULL:
                kept[at + (open_ - byte)] = bits.next_double(bits.state) < part
                open_ += 1
        at += m


cdef Array kept_of(Layout like, double share, object source):
    """Booleans of that shape from a NumPy bit generator, each true with this probability."""
    cdef Array out = empty(dense(BOOL, like.ndim, like.shape))
    cdef bitgen_t* bits = <bitgen_t*> PyCapsule_GetPointer(source.capsule, "BitGenerator")
    with source.lock:
        if like.size < GIL_SIZE:
            draw(bits, like.size, share, <unsigned char*> out.data)
        else:
            with nogil:
                draw(bits, like.size, share, <unsigned char*> out.data)
    return out


def random_mask(tuple shape not None, double share, source):
    """A boolean array from a NumPy bit generator, each element true with this probability."""
    cdef Py_ssize_t dims[MAX_NDIM]
    cdef int i
    for i in range(len(shape)):
        dims[i] = shape[i]
    cdef Array like = empty(dense(BOOL, len(shape), dims))
    return to_ndarray(kept_of(like.layout, share, source))


# ---- dropout -------------------------------------------------------------------------------------------
@cython.final
cdef class Kept:
    """What was kept, as booleans, and by what it is multiplied: a node's argument."""
    cdef readonly Array mask
    cdef readonly double scale

    def __cinit__(self, Array mask not None, double scale):
        self.mask, self.scale = mask, scale

    def noise(self, dtype):
        """The factors as a constant tensor."""
        return result_from(np.multiply(to_ndarray(self.mask), np.dtype(dtype).type(self.scale), dtype=dtype))


cdef struct Drop:
    int code
    double scale


cdef void drop_part(const void* work, Py_ssize_t n, const fad_line* lines) noexcept nogil:
    cdef const Drop* d = <const Drop*> work
    K.drop[d.code](n, lines[0].at, lines[1].at, d.scale, lines[2].at)


cdef int drop(Array x, Kept kept, Array out) except -1:
    cdef Py_ssize_t n = x.layout.size
    cdef fad_line lines[3]
    cdef Drop d
    if n < GIL_SIZE:
        K.drop[x.layout.code](n, x.data, kept.mask.data, kept.scale, out.data)
        return 0
    d.code, d.scale = x.layout.code, kept.scale
    lines[0].at, lines[1].at, lines[2].at = x.data, kept.mask.data, out.data
    lines[0].step, lines[1].step, lines[2].step = x.layout.itemsize, 1, x.layout.itemsize
    with nogil:
        share_rows(drop_part, &d, n, 1, 3, lines)
    return 0


@cython.final
cdef class Dropout(Primitive):
    """y = scale x where kept, else 0; linear, so tangents and cotangents go the same way."""
    def __cinit__(self):
        self.name = "dropout"
        self.raw = True

    cdef Tensor apply(self, Tensor x, double share, double scale, object source):
        cdef Array xa = x.arr, out
        cdef Kept kept = Kept(kept_of(xa.layout, share, source), scale)
        cdef Node node
        if not compiled(xa.layout.code):
            return x * kept.noise(xa.layout.dtype)
        out = empty(dense_as(xa.layout, xa.layout.dtype))
        drop(contiguous(xa), kept, out)
        if x.node is None or not grad_enabled():
            return wrap(out)
        unchanged("dropout", x, xa)
        node = record1(self, x, kept)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Array out
        g = contiguous(g)
        out = empty(g.layout)
        drop(g, <Kept> node.args, out)
        return deliver(walk, node, 0, out)

    cdef dict statics_of(self, Node node):
        return {"mask": to_ndarray((<Kept?> node.args).mask), "scale": (<Kept> node.args).scale}

    def vjp(self, Node node not None, saved, g):
        return (g * (<Kept?> node.args).noise(g.dtype),)

    def jvp(self, Node node not None, saved, tangents):
        return tangents[0] * (<Kept?> node.args).noise(tangents[0].dtype)


cdef Dropout DROPOUT = Dropout()


def dropout(Tensor x not None, double share, double scale, source):
    """Each element times `scale` with probability `share`, else 0; the numbers come from a NumPy bit generator."""
    return DROPOUT.apply(x, share, scale, source)


# ---- attention -----------------------------------------------------------------------------------------
@cython.final
cdef class Look:
    """How queries look at keys; a node's argument."""
    cdef readonly double scale
    cdef readonly bint causal, weights
    cdef readonly Tensor mask           # what is added to the scores, if that is a constant, or None
    cdef readonly Kept kept             # which weights dropout keeps, or None
    cdef unsigned int version           # the mask's: the raw rule does not read it again, the formulas do

    def __cinit__(self, double scale, bint causal, Tensor mask, bint weights):
        self.scale, self.causal, self.mask, self.weights = scale, causal, mask, weights
        if mask is not None:
            self.version = version_of(mask.arr)

    cdef int check(self, str name) except -1:
        if self.mask is not None and version_of(self.mask.arr) != self.version:
            raise RuntimeError(f"{name}: the mask of shape {shape_of(self.mask.arr.layout)}, which this derivative needs, was "
                               f"changed in place after the call; change a copy instead, or compute the result again after the "
                               f"change")
        return 0


def formulas():
    """The rules for what is recorded, has leading axes or goes forward, which few need."""
    from . import attended
    return attended


cdef Array readable(Array a):
    """The array, or a dense copy if a product cannot read its matrices."""
    cdef Layout l = a.layout
    cdef Py_ssize_t rows = l.strides[l.ndim - 2]
    if l.strides[l.ndim - 1] == l.itemsize and rows % l.itemsize == 0 and rows >= l.shape[l.ndim - 1] * l.itemsize:
        return a
    return contiguous(a)


cdef Array mask_of(Array a):
    """The array, or a dense copy if the numbers of a row do not lie side by side."""
    return a if a.layout.strides[a.layout.ndim - 1] == a.layout.itemsize else contiguous(a)


cdef Array like_matrices(Array a, Py_ssize_t rows, Py_ssize_t columns):
    """An array with the batch of `a`."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef int i, n = a.layout.ndim
    for i in range(n - 2):
        shape[i] = a.layout.shape[i]
    shape[n - 2], shape[n - 1] = rows, columns
    return empty(dense_dtype(a.layout.dtype, n, shape))


# ---- the products and what is between them, in parts of the batch ------------------------------------
cdef struct Stack:                        # matrices whose rows are dense; without memory where there are none
    char* data
    int ndim
    const Py_ssize_t* shape
    const Py_ssize_t* strides
    Py_ssize_t ld                         # elements from row to row


cdef Stack stack(Array a) noexcept:
    cdef Stack m
    m.data, m.ndim, m.ld, m.shape, m.strides = NULL, 0, 0, NULL, NULL
    if a is not None:
        m.data, m.ndim, m.shape, m.strides = a.data, a.layout.ndim, a.layout.shape, a.layout.strides
        m.ld = m.strides[m.ndim - 2] // a.layout.itemsize
    return m


cdef inline char* matrix(const Stack* m, Py_ssize_t i) noexcept nogil:
    """The i-th, or NULL."""
    cdef char* p = m.data
    cdef int axis
    if p is NULL:
        return NULL
    axis = m.ndim - 3
    while axis >= 0:
        p += i % m.shape[axis] * m.strides[axis]
        i //= m.shape[axis]
        axis -= 1
    return p


cdef struct Heads:
    int code, causal
    double scale, dropped                 # the last: what dropout multiplies by
    const unsigned char* kept             # what it keeps, or NULL
    Py_ssize_t batch, rows, seen, e, columns
    Stack q, k, v, mask, p, w, y          # w: the weights after dropout
    Stack g, of_weights, dq, dk, dv, dm   # the way back
    double each                           # as many elements of elementwise work as a matrix is; 0: the BLAS has the threads
    char* work                            # on the way back every part has memory for a matrix of scores, for two with dropout
    Py_ssize_t parts, matrices


cdef Heads heads_of(Look look, Array q, Array k, Array v, Array p):
    cdef Heads h
    cdef int n = q.layout.ndim
    h.code, h.causal, h.scale = q.layout.code, look.causal, look.scale
    h.kept, h.dropped = NULL, 1
    if look.kept is not None:
        h.kept, h.dropped = <const unsigned char*> look.kept.mask.data, look.kept.scale
    h.rows, h.seen = p.layout.shape[n - 2], p.layout.shape[n - 1]
    h.e, h.columns = q.layout.shape[n - 1], v.layout.shape[n - 1]
    h.batch = p.layout.size // max(h.rows * h.seen, 1)
    h.q, h.k, h.v, h.p = stack(q), stack(k), stack(v), stack(p)
    h.each = <double> h.rows * h.seen * (FUNCTION + (h.e + h.columns) / 6)
    if not alone(<double> h.rows * h.seen * max(h.e, h.columns)):
        h.each = 0
    h.parts, h.matrices = parts_of(h.batch, h.each * h.batch), 1 if h.kept is NULL else 2
    return h


cdef void forward_parts(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Heads* h = <const Heads*> work
    cdef Py_ssize_t i, area = h.rows * h.seen
    cdef char* p
    cdef char* w
    for i in range(start, stop):
        p, w = matrix(&h.p, i), matrix(&h.w, i)
        gemm(h.code, False, True, h.rows, h.seen, h.e, matrix(&h.q, i), h.q.ld, matrix(&h.k, i), h.k.ld, 0, p, h.seen)
        K.attend[h.code](h.rows, h.seen, h.scale, matrix(&h.mask, i), h.mask.ld, h.causal, p)
        if h.kept is not NULL:
            K.drop[h.code](area, p, h.kept + i * area, h.dropped, w)
        gemm(h.code, False, False, h.rows, h.columns, h.seen, w, h.seen, matrix(&h.v, i), h.v.ld, 0, matrix(&h.y, i), h.columns)


cdef void scale_by(int code, Py_ssize_t n, double scale, void* d) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if code == F32:
            (<float*> d)[i] *= <float> scale
        else:
            (<double*> d)[i] *= scale


cdef void back_parts(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Heads* h = <const Heads*> work
    cdef Py_ssize_t part, i, area = h.rows * h.seen, nbytes = area * (4 if h.code == F32 else 8)
    cdef char* d
    cdef char* w
    cdef char* g
    for part in range(start, stop):
        d = h.work + h.matrices * part * nbytes
        for i in range(h.batch * part // h.parts, h.batch * (part + 1) // h.parts):
            w, g = matrix(&h.p, i), matrix(&h.g, i)
            if h.kept is not NULL:
                K.drop[h.code](area, w, h.kept + i * area, h.dropped, d + nbytes)
                w = d + nbytes
            gemm(h.code, True, False, h.seen, h.columns, h.rows, w, h.seen, g, h.g.ld, 0, matrix(&h.dv, i), h.columns)
            if h.of_weights.data is not NULL:
                memcpy(d, matrix(&h.of_weights, i), nbytes)
            gemm(h.code, False, True, h.rows, h.seen, h.columns, g, h.g.ld, matrix(&h.v, i), h.v.ld,
                 h.of_weights.data is not NULL, d, h.seen)
            if h.kept is not NULL:
                K.drop[h.code](area, d, h.kept + i * area, h.dropped, d)
            K.attend_back[h.code](h.rows, h.seen, h.scale if h.dm.data is NULL else 1, matrix(&h.p, i), d)
            if h.dm.data is not NULL:
                memcpy(matrix(&h.dm, i), d, nbytes)
                scale_by(h.code, area, h.scale, d)
            gemm(h.code, False, False, h.rows, h.e, h.seen, d, h.seen, matrix(&h.k, i), h.k.ld, 0, matrix(&h.dq, i), h.e)
            gemm(h.code, True, False, h.seen, h.e, h.rows, d, h.seen, matrix(&h.q, i), h.q.ld, 0, matrix(&h.dk, i), h.e)


@cython.final
cdef class Attention(Primitive):
    """Inputs: q (..., L, E), k (..., S, E), v (..., S, V), and what is added to the scores (..., L, S), if it has a derivative;
    all of one batch.  Outputs: y (..., L, V) and, if asked for, the weights (..., L, S)."""
    def __cinit__(self):
        self.name = "scaled_dot_product_attention"
        self.raw = True

    def apply(self, list inputs not None, Look look not None, double dropout_p=0, object source=None):
        """The outputs.  Weights are dropped with probability `dropout_p`, by numbers of the bit generator `source`."""
        cdef list held = [(<Tensor?> t).arr for t in inputs], outputs
        cdef Array q = held[0], k = held[1], v = held[2], mask = None, p, w, y
        cdef int code = q.layout.code, i
        cdef Py_ssize_t rows = q.layout.shape[q.layout.ndim - 2], seen = k.layout.shape[k.layout.ndim - 2]
        cdef Heads h
        cdef Node node
        for i in range(1, len(held)):
            if (<Array> held[i]).layout.dtype != q.layout.dtype:
                raise TypeError(f"{self.name}: the query is {q.layout.dtype} and another operand {(<Array> held[i]).layout.dtype}; "
                                f"use astype")
        p = like_matrices(q, rows, seen)
        if dropout_p:
            look.kept = Kept(kept_of(p.layout, 1 - dropout_p, source), 1 / (1 - dropout_p) if dropout_p < 1 else 0)
        if not compiled(code):
            return formulas().outputs(self, inputs, look)
        y = like_matrices(q, rows, v.layout.shape[v.layout.ndim - 1])
        w = p if look.kept is None else empty(p.layout)
        if len(inputs) > 3:
            mask = mask_of(held[3])
        elif look.mask is not None:
            mask = mask_of(look.mask.arr)
        if y.layout.size == 0 or seen == 0:
            fill(y, 0)
            fill(p, 0)
            fill(w, 0)
        else:
            q, k, v = readable(q), readable(k), readable(v)
            h = heads_of(look, q, k, v, p)
            h.mask, h.w, h.y = stack(mask), stack(w), stack(y)
            if <double> p.layout.size * h.e > 1 << 14:
                begin()
                with nogil:
                    share(forward_parts, &h, h.batch, h.each)
                finish()
            else:
                forward_parts(&h, 0, h.batch)
        outputs = [y, w] if look.weights else [y]
        if not any_records(inputs):
            return [wrap(a) for a in outputs]
        for i in range(len(held)):
            unchanged(self.name, <Tensor> inputs[i], <Array> held[i])
        node = record_n(self, inputs, look)
        for i in range(len(held)):
            save(node, <Array> held[i], i)
        save(node, p, INTERMEDIATE)
        return [produced(a, node) for a in outputs]

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Look look = <Look> node.args
        cdef Array q = readable(saved(node, 0)), k = readable(saved(node, 1)), v = readable(saved(node, 2))
        cdef Array p = saved(node, node.n_in), of_weights = None, dq, dk, dv, dm = None, a, work
        cdef Py_ssize_t shape[3]
        cdef Heads h
        cdef int i
        dq, dk, dv = [empty(dense_as(a.layout, a.layout.dtype)) for a in (q, k, v)]
        if node.n_in > 3 and wants(walk, node, 3):
            dm = empty(p.layout)
        if node.n_out > 1 and walk.grads[node.slot + 1] is not NULL:
            of_weights = contiguous(<Array> walk.grads[node.slot + 1])
        if g is None:
            g = like_matrices(q, p.layout.shape[p.layout.ndim - 2], v.layout.shape[v.layout.ndim - 1])
            fill(g, 0)
        g = readable(g)
        if p.layout.size == 0 or g.layout.size == 0:
            for a in (dq, dk, dv, dm):
                if a is not None:
                    fill(a, 0)
        else:
            h = heads_of(look, q, k, v, p)
            h.g, h.of_weights, h.dq, h.dk, h.dv, h.dm = (stack(g), stack(of_weights), stack(dq), stack(dk), stack(dv), stack(dm))
            shape[0], shape[1], shape[2] = h.matrices * h.parts, h.rows, h.seen
            work = empty(dense(h.code, 3, shape))
            h.work = work.data
            if <double> p.layout.size * h.e > 1 << 14:
                begin()
                with nogil:
                    share(back_parts, &h, h.parts, PART)
                finish()
            else:
                back_parts(&h, 0, h.parts)
        for i, a in enumerate((dq, dk, dv, dm)):
            if i < node.n_in and wants(walk, node, i):
                deliver(walk, node, i, a)
        return 0

    cdef dict statics_of(self, Node node):
        cdef Look look = <Look?> node.args
        cdef dict given = {"scale": look.scale, "is_causal": look.causal}
        if look.mask is not None:
            given["attn_mask"] = to_ndarray(look.mask.arr)
        if look.kept is not None:
            given["kept"] = to_ndarray(look.kept.mask)
        return given

    def vjp(self, Node node not None, saved, g):
        (<Look?> node.args).check(self.name)
        return formulas().vjp(self, node, saved, g)

    def jvp(self, Node node not None, saved, tangents):
        (<Look?> node.args).check(self.name)
        return formulas().jvp(self, node, saved, tangents)


ATTENTION = Attention()

PRIMITIVES = {"scaled_dot_product_attention": ATTENTION, "dropout": DROPOUT}
