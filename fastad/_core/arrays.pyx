"""Level 1: copying, casting, broadcasting, adding and summing arrays, without derivatives.

The walks accumulate gradients with these, and the primitives are built on them.  What callers give as numbers is checked here too.  float32 and float64 run
in csrc/; every other dtype through NumPy.  Next: tape.pyx.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import numpy as np

from .storage cimport (
    Foreign, copy_bytes, copy_ndarray, dense, dense_as, dense_dtype, empty, from_ndarray, refuse_masked, root, same_shape,
    scalar, shape_of, strided, to_ndarray, view,
)

cdef extern from "Python.h":
    bint PyObject_CheckBuffer(object x)

cdef extern from "fetch.h" nogil:
    Py_ssize_t fad_place(int64_t i, Py_ssize_t n) noexcept
    Py_ssize_t fad_read_rows(const int64_t* at, Py_ssize_t count, const char* x, Py_ssize_t n, Py_ssize_t stride, size_t nbytes,
                             char* out) noexcept


cdef inline bint spread(Layout layout, Layout out, Py_ssize_t* steps) noexcept:
    """The strides that broadcast `layout` to the shape of `out`; False if the shapes do not fit."""
    cdef int i, lead = out.ndim - layout.ndim
    cdef Py_ssize_t n
    if lead < 0:
        return False
    for i in range(lead):
        steps[i] = 0
    for i in range(layout.ndim):
        n = layout.shape[i]
        if n == out.shape[lead + i]:
            steps[lead + i] = layout.strides[i]
        elif n == 1:
            steps[lead + i] = 0
        else:
            return False
    return True


cdef Layout broadcast_layouts(str op, Layout a, Layout b):
    """The dense layout of the shape to which both broadcast, in the dtype of `a`."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef int i, n = max(a.ndim, b.ndim)
    cdef Py_ssize_t p, q
    for i in range(n):
        p = a.shape[a.ndim - n + i] if i >= n - a.ndim else 1
        q = b.shape[b.ndim - n + i] if i >= n - b.ndim else 1
        if p != q and p != 1 and q != 1:
            raise ValueError(f"{op}: shapes {shape_of(a)} and {shape_of(b)} do not broadcast: axis {i - n} has "
                             f"{p} and {q}")
        shape[i] = q if p == 1 else p
    return dense_dtype(a.dtype, n, shape)


cdef Array broadcast(Array a, Layout shape):
    """A view with the shape of `shape`, read-only, where the axes that are stretched have stride 0."""
    cdef Py_ssize_t steps[MAX_NDIM]
    if same_shape(a.layout, shape):
        return a
    if not spread(a.layout, shape, steps):
        raise ValueError(f"broadcast_to: shape {shape_of(a.layout)} does not broadcast to {shape_of(shape)}")
    cdef Array v = view(a, strided(a.layout, shape.ndim, shape.shape, steps), a.data)
    v.readonly = True
    return v


# ---- copies ------------------------------------------------------------------------------------------
cdef Array lined_up(Array a, int lead, int ndim):
    """`a` with axes of length 1 after its `lead` first ones, so that the others are `ndim`: it broadcasts from the end."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef Layout layout = a.layout
    cdef int i, extra = lead + ndim - layout.ndim
    if lead == 0 or extra <= 0:
        return a
    if lead + ndim > MAX_NDIM:
        raise ValueError(f"fastad: {lead + ndim} dimensions; NumPy and fastad allow at most {MAX_NDIM}")
    for i in range(lead + ndim):
        if i < lead:
            shape[i], steps[i] = layout.shape[i], layout.strides[i]
        elif i < lead + extra:
            shape[i], steps[i] = 1, 0
        else:
            shape[i], steps[i] = layout.shape[i - extra], layout.strides[i - extra]
    return view(a, strided(layout, lead + ndim, shape, steps), a.data)


cdef int assign(Array dst, Array src) except -1:
    """dst[...] = src, broadcast; both of one dtype."""
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef fad_operand to, source
    if dst.layout is src.layout and dst.layout.contiguous:
        copy_bytes(dst.data, src.data, dst.layout.size * dst.layout.itemsize)
        return 0
    if not spread(src.layout, dst.layout, steps):
        raise ValueError(f"assignment: shape {shape_of(src.layout)} does not broadcast to "
                         f"{shape_of(dst.layout)}")
    source.data, source.strides, source.itemsize = src.data, steps, src.layout.itemsize
    to.data, to.strides, to.itemsize = dst.data, dst.layout.strides, dst.layout.itemsize
    cdef int ndim = dst.layout.ndim
    cdef const Py_ssize_t* shape = dst.layout.shape
    if dst.layout.size < GIL_SIZE:
        K.copy(ndim, shape, &source, &to)
    else:
        with nogil:
            K.copy(ndim, shape, &source, &to)
    return 0


cdef Array copy(Array a):
    """A dense copy."""
    cdef Array out = empty(dense_as(a.layout, a.layout.dtype))
    assign(out, a)
    return out


cdef Array contiguous(Array a):
    """`a` itself if it is dense, else a dense copy."""
    return a if a.layout.contiguous else copy(a)


cdef void convert(Py_ssize_t n, int code, const void* source, int to_code, void* to) noexcept:
    if n < GIL_SIZE:
        K.cast(n, code, source, to_code, to)
    else:
        with nogil:
            K.cast(n, code, source, to_code, to)


cdef Array cast(Array a, object dtype):
    """`a` in another dtype: a new dense array, or `a` itself if it has that dtype already."""
    cdef Layout want = dense_as(a.layout, dtype)
    cdef Array out, src
    if want.code == a.layout.code and (want.code < OTHER or want.dtype == a.layout.dtype):
        return a
    out = empty(want)
    if compiled(a.layout.code) and compiled(want.code):
        src = contiguous(a)
        convert(want.size, a.layout.code, src.data, want.code, out.data)
    else:
        nd = to_ndarray(a)
        if nd.dtype.kind == "c" and want.dtype.kind != "c":
            nd = nd.real                  # the part that a real input can receive
        np.copyto(to_ndarray(out), nd, casting="unsafe")
    return out


cdef int fill(Array a, double value) except -1:
    """a[...] = value; float32 or float64, or any other dtype through NumPy."""
    cdef Py_ssize_t nbytes = a.layout.size * a.layout.itemsize
    if compiled(a.layout.code) and value != 0:
        return assign(a, scalar(a.layout.code, value))
    if not a.layout.contiguous or value != 0:
        to_ndarray(a)[...] = value
    elif a.layout.size < GIL_SIZE:
        memset(a.data, 0, nbytes)
    else:
        with nogil:
            memset(a.data, 0, nbytes)
    return 0


# ---- rows by number -----------------------------------------------------------------------------------
cdef Py_ssize_t row(int64_t i, Py_ssize_t n) except -1 nogil:
    """The row that a number means, which may count from the end."""
    cdef Py_ssize_t k = fad_place(i, n)
    if k < 0:
        with gil:
            raise IndexError(f"index {i} is out of bounds for axis 0 with size {n}")
    return k


cdef int read_rows(const int64_t* at, Py_ssize_t count, const char* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t nbytes,
                   char* out) except -1:
    """out[i] = x[at[i]], rows of so many bytes of an x of n rows; long ones without the GIL."""
    cdef Py_ssize_t done
    if count * nbytes < 4 * GIL_SIZE:
        done = fad_read_rows(at, count, x, n, stride, nbytes, out)
    else:
        with nogil:
            done = fad_read_rows(at, count, x, n, stride, nbytes, out)
    if done < count:
        row(at[done], n)
    return 0


# ---- elementwise kernels over arrays of any layout ---------------------------------------------------
cdef inline int describe(fad_operand* o, Array a, Layout out, Py_ssize_t* steps) except -1:
    if a is None:
        o.data, o.strides, o.itemsize = NULL, NULL, 0
        return 0
    if not spread(a.layout, out, steps):
        raise ValueError(f"shapes {shape_of(a.layout)} and {shape_of(out)} do not fit")
    o.data, o.strides, o.itemsize = a.data, steps, a.layout.itemsize
    return 0


cdef struct Over:                         # operands of any layout, parted along an axis
    fad_map_fn f
    const double* param
    int ndim, n, axis
    const Py_ssize_t* shape
    const fad_operand* ops                # n of them, and the result


cdef void over(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Over* o = <const Over*> work
    cdef fad_operand ops[FAD_MAX_OPERANDS + 1]
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef int i
    memcpy(shape, o.shape, o.ndim * sizeof(Py_ssize_t))
    memcpy(ops, o.ops, (o.n + 1) * sizeof(fad_operand))
    shape[o.axis] = stop - start
    for i in range(o.n + 1):
        if ops[i].data is not NULL:
            ops[i].data += start * ops[i].strides[o.axis]
    K.map(o.f, o.param, o.ndim, shape, o.n, ops, &ops[o.n])


cdef void run_long(Over* o) noexcept:
    cdef int i
    cdef double size = 1
    o.axis = 0
    for i in range(o.ndim):
        size *= o.shape[i]
    for i in range(1, o.ndim):            # the first of many parts, or the longest
        if o.shape[o.axis] < 64 and o.shape[i] > o.shape[o.axis]:
            o.axis = i
    with nogil:
        share(over, o, o.shape[o.axis], size / o.shape[o.axis])


cdef int run(fad_map_fn f, const double* param, int n, fad_operand* ops, Array out) except -1:
    """out = f(ops), beside which there is room for one more"""
    cdef Layout layout = out.layout
    cdef Over o
    ops[n].data, ops[n].strides, ops[n].itemsize = out.data, layout.strides, layout.itemsize
    if layout.size < GIL_SIZE:
        K.map(f, param, layout.ndim, layout.shape, n, ops, &ops[n])
    else:
        o.f, o.param, o.ndim, o.n, o.shape, o.ops = f, param, layout.ndim, n, layout.shape, ops
        run_long(&o)
    return 0


cdef void call_long(fad_map_fn f, int n, const void** args, Array out, const double* param) noexcept:
    cdef fad_operand ops[FAD_MAX_OPERANDS + 1]
    cdef Py_ssize_t size = out.layout.size, item = out.layout.itemsize
    cdef int i
    cdef Over o
    for i in range(n + 1):
        ops[i].data, ops[i].strides, ops[i].itemsize = <const char*> args[i] if i < n else out.data, &item, item
    o.f, o.param, o.ndim, o.n, o.shape, o.ops = f, param, 1, n, &size, ops
    run_long(&o)


cdef inline void call(fad_map_fn f, int n, const void** args, Array out, const double* param) noexcept:
    """out = f(args), n dense operands of the layout of `out`; NULL is not read."""
    if out.layout.size < GIL_SIZE:
        f(out.layout.size, args, out.data, param)
    else:
        call_long(f, n, args, out, param)


cdef int map1(fad_map_fn f, const double* param, Array x, Array out) except -1:
    """out = f(x)"""
    cdef const void* args[1]
    cdef fad_operand ops[2]
    cdef Py_ssize_t steps[MAX_NDIM]
    if x.layout is out.layout and x.layout.contiguous:
        args[0] = x.data
        call(f, 1, args, out, param)
        return 0
    describe(&ops[0], x, out.layout, steps)
    return run(f, param, 1, ops, out)


cdef int map2(fad_map_fn f, const double* param, Array a, Array b, Array out) except -1:
    """out = f(a, b), broadcast"""
    cdef const void* args[2]
    cdef fad_operand ops[3]
    cdef Py_ssize_t steps[2][MAX_NDIM]
    if a.layout is out.layout and b.layout is out.layout and out.layout.contiguous:
        args[0] = a.data
        args[1] = b.data
        call(f, 2, args, out, param)
        return 0
    describe(&ops[0], a, out.layout, steps[0])
    describe(&ops[1], b, out.layout, steps[1])
    return run(f, param, 2, ops, out)


cdef int map3(fad_map_fn f, Array a, Array b, Array c, Array out) except -1:
    """out = f(a, b, c), broadcast; the operands may differ in dtype"""
    cdef fad_operand ops[4]
    cdef Py_ssize_t steps[3][MAX_NDIM]
    describe(&ops[0], a, out.layout, steps[0])
    describe(&ops[1], b, out.layout, steps[1])
    describe(&ops[2], c, out.layout, steps[2])
    return run(f, NULL, 3, ops, out)


cdef inline bint straight(Array a, Layout layout) noexcept:
    return a is None or a.layout is layout


cdef int map_back(fad_map_fn f, const double* param, Array g, Array a, Array b, Array y, Array out) except -1:
    """out = f(g, a, b, y), a backward kernel; what it does not read is None"""
    cdef const void* args[4]
    cdef fad_operand ops[5]
    cdef Py_ssize_t steps[4][MAX_NDIM]
    cdef Layout layout = out.layout
    if layout.contiguous and g.layout is layout and straight(a, layout) and straight(b, layout) \
            and straight(y, layout):
        args[0] = g.data
        args[1] = NULL if a is None else a.data
        args[2] = NULL if b is None else b.data
        args[3] = NULL if y is None else y.data
        call(f, 4, args, out, param)
        return 0
    describe(&ops[0], g, layout, steps[0])
    describe(&ops[1], a, layout, steps[1])
    describe(&ops[2], b, layout, steps[2])
    describe(&ops[3], y, layout, steps[3])
    return run(f, param, 4, ops, out)


# ---- sums --------------------------------------------------------------------------------------------
cdef fad_map_fn* ADD = <fad_map_fn*> row_named("add").forward


cdef Array add(Array a, Array b):
    """a + b, of one dtype and shape."""
    cdef Array out = empty(dense_as(a.layout, a.layout.dtype))
    if compiled(a.layout.code):
        map2(ADD[a.layout.code], NULL, a, b, out)
    else:
        np.add(to_ndarray(a), to_ndarray(b), out=to_ndarray(out))
    return out


cdef int add_into(Array a, Array b) except -1:
    """a += b, where b has the dtype of a and broadcasts to its shape."""
    if compiled(a.layout.code):
        return map2(ADD[a.layout.code], NULL, a, b, a)
    nd = to_ndarray(a)
    np.add(nd, to_ndarray(b), out=nd)
    return 0


cdef Array reduced_last(Array x, const char* reduced, Py_ssize_t* outer, Py_ssize_t* r, Py_ssize_t* inner,
                        bint middle):
    """`x`, dense, as (outer, r, inner) with the reduced axes in r; it is copied with them last where they do
    not lie together (or lie in the middle, and `middle` forbids that)."""
    cdef Layout layout = x.layout
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef int i, stage = 0, k = 0
    cdef bint together = True
    outer[0] = r[0] = inner[0] = 1
    for i in range(layout.ndim):
        if layout.shape[i] == 1:
            continue
        if reduced[i]:
            if stage == 2:
                together = False
            stage = 1
            r[0] *= layout.shape[i]
        elif stage == 0:
            outer[0] *= layout.shape[i]
        else:
            stage = 2
            inner[0] *= layout.shape[i]
    if together and (middle or inner[0] == 1):
        return contiguous(x)
    for i in range(layout.ndim):
        if not reduced[i]:
            shape[k] = layout.shape[i]
            steps[k] = layout.strides[i]
            k += 1
    for i in range(layout.ndim):
        if reduced[i]:
            shape[k] = layout.shape[i]
            steps[k] = layout.strides[i]
            k += 1
    outer[0] *= inner[0]
    inner[0] = 1
    return contiguous(view(x, strided(layout, layout.ndim, shape, steps), x.data))


cdef Array reduce_axes(fad_reduce_fn* f, Array x, const char* reduced, bint keepdims):
    """Reduce the axes for which reduced[axis] is set; float32 or float64."""
    cdef Layout layout = x.layout
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t outer, r, inner
    cdef int i, n = 0, code = layout.code
    for i in range(layout.ndim):
        if not reduced[i]:
            shape[n] = layout.shape[i]
            n += 1
        elif keepdims:
            shape[n] = 1
            n += 1
    cdef Array out = empty(dense(code, n, shape))
    cdef Array src = reduced_last(x, reduced, &outer, &r, &inner, True)
    reduce_into(f[code], outer, r, inner, src, out, inner, 0)
    return out


cdef struct Reduce:
    fad_reduce_fn kernel
    Py_ssize_t r, inner
    int add


cdef void reduce_part(const void* work, Py_ssize_t rows, const fad_line* lines) noexcept nogil:
    cdef const Reduce* o = <const Reduce*> work
    o.kernel(rows, o.r, o.inner, lines[0].at, lines[1].at, o.add)


cdef void reduce_into(fad_reduce_fn kernel, Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, Array x, Array out,
                      Py_ssize_t each, int add, int weight=1) noexcept:
    """A kernel over x, seen as (outer, r, inner), into `out`, (outer, each); both dense.  An element is as much work as
    `weight` that are added."""
    cdef fad_line lines[2]
    cdef Py_ssize_t item = x.layout.itemsize
    cdef Reduce o
    if x.layout.size < GIL_SIZE:
        kernel(outer, r, inner, x.data, out.data, add)
        return
    o.kernel, o.r, o.inner, o.add = kernel, r, inner, add
    lines[0].at, lines[0].step = x.data, r * inner * item
    lines[1].at, lines[1].step = out.data, each * item
    with nogil:
        share_rows(reduce_part, &o, outer, <double> r * inner * weight, 2, lines)


cdef struct Rows:
    fad_rows_fn kernel
    Py_ssize_t n


cdef void rows_part(const void* work, Py_ssize_t rows, const fad_line* lines) noexcept nogil:
    cdef const Rows* o = <const Rows*> work
    o.kernel(rows, o.n, lines[0].at, lines[1].at)


cdef void over_rows(fad_rows_fn kernel, Py_ssize_t rows, Py_ssize_t n, Array x, Array out) noexcept:
    """A kernel over the rows of x, both dense."""
    cdef fad_line lines[2]
    cdef Rows o
    if x.layout.size < GIL_SIZE:
        kernel(rows, n, x.data, out.data)
        return
    o.kernel, o.n = kernel, n
    lines[0].at, lines[1].at = x.data, out.data
    lines[0].step = lines[1].step = n * x.layout.itemsize
    with nogil:
        share_rows(rows_part, &o, rows, <double> FUNCTION * n, 2, lines)


cdef int reduce_rows(fad_reduce_fn kernel, Py_ssize_t rows, Array x, Array out, bint adds) except -1:
    """Reduce the first axis of x, seen as (rows, out.size), into `out`, both dense; `adds` to what is there."""
    reduce_into(kernel, 1, rows, out.layout.size, x, out, out.layout.size, adds)
    return 0


cdef Array sum_to(Array g, Layout want, int lead):
    """Undo broadcasting: sum `g` over the axes along which an input of shape `want` was stretched.

    The first `lead` axes of `g` are kept: they number the cotangents of a walk with several."""
    cdef char reduced[MAX_NDIM]
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Layout layout = g.layout
    cdef int i, extra = layout.ndim - lead - want.ndim
    cdef bint any_reduced = False
    cdef Array out
    if extra < 0:
        raise ValueError(f"gradient of shape {shape_of(layout)} does not fit an input of shape {shape_of(want)}")
    for i in range(layout.ndim):
        reduced[i] = 0
        if i < lead:
            shape[i] = layout.shape[i]
        elif i < lead + extra:
            reduced[i] = 1
        else:
            shape[i - extra] = want.shape[i - lead - extra]
            reduced[i] = shape[i - extra] == 1 and layout.shape[i] != 1
            if not reduced[i] and shape[i - extra] != layout.shape[i]:
                raise ValueError(f"gradient of shape {shape_of(layout)} does not fit an input of shape "
                                 f"{shape_of(want)}")
        any_reduced |= reduced[i]
    if not any_reduced:
        return g
    if compiled(layout.code):
        out = reduce_axes(<fad_reduce_fn*> K.sum, g, reduced, False)
    else:
        out = contiguous(from_ndarray(np.asarray(
            to_ndarray(g).sum(axis=tuple([i for i in range(layout.ndim) if reduced[i]]), dtype=layout.dtype))))
    out.layout = dense_dtype(layout.dtype, lead + want.ndim, shape)     # fresh and dense: only its axes change
    return out


# ---- memory that two have ---------------------------------------------------------------------------
cdef bint overlap(Array a, Array b):
    """Whether writing a may change b before it is read."""
    cdef Array ra = root(a), rb = root(b)
    if ra is rb:
        return a is not b
    return (isinstance(ra.holder, Foreign) or isinstance(rb.holder, Foreign)) and \
        np.may_share_memory(to_ndarray(a), to_ndarray(b))


cdef bint folded(Layout layout):
    """Whether two elements may stand in the same memory (stride 0, overlapping windows)."""
    cdef char done[MAX_NDIM]
    cdef Py_ssize_t reach = layout.itemsize, step
    cdef int i, k, least
    if layout.contiguous or layout.size == 0:
        return False
    for i in range(layout.ndim):
        done[i] = layout.shape[i] == 1
    for k in range(layout.ndim):          # from the shortest stride: each must pass all that the shorter ones reach
        least = -1
        for i in range(layout.ndim):
            if not done[i] and (least < 0 or abs(layout.strides[i]) < abs(layout.strides[least])):
                least = i
        if least < 0:
            return False
        step = abs(layout.strides[least])
        if step < reach:
            return True
        reach += (layout.shape[least] - 1) * step
        done[least] = True
    return False


# ---- what callers give -------------------------------------------------------------------------------
cdef bint foreign(object x):
    """Whether NumPy takes x for an array, as it does a pandas column or a memoryview; not what asks to be left alone."""
    return (hasattr(x, "__array__") or hasattr(x, "__array_interface__") or PyObject_CheckBuffer(x)) \
        and not isinstance(x, bytes) and getattr(x, "__array_ufunc__", x) is not None


cdef object numeric(str name, object x, object dtype):
    """Numbers, sequences, arrays and buffers as a NumPy array, which may be `x` itself."""
    cdef object nd
    refuse_masked(name, x)
    try:
        nd = np.asarray(x, dtype=dtype)
    except ValueError as error:
        if "inhomogeneous" in str(error) or "sequence" in str(error):
            raise ValueError(f"{name}: the nested sequences are ragged, rows must have equal lengths ({error})") from None
        raise
    except OverflowError:
        raise OverflowError(f"{name}: an integer does not fit into {'int64' if dtype is None else np.dtype(dtype)}") from None
    if nd.dtype.kind not in "biufc":
        raise TypeError(f"{name}: arrays of dtype {nd.dtype} are not supported, got {type(x).__name__}; use a boolean, integer, "
                        f"float or complex dtype")
    return nd


cdef object operand(str name, object x):
    """Numbers that stand beside tensors.  A matrix does not: its products and its axes are not those of an array."""
    if isinstance(x, np.matrix):
        raise TypeError(f"{name}: a numpy.matrix means another product by * and **; use numpy.asarray(x) or fastad.tensor(x)")
    return numeric(name, x, None)


cdef Array array_of(object x, object dtype):
    return copy_ndarray(numeric("tensor", x, dtype))
