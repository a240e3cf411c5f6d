"""Level 4: convolutions of images, and of sequences as images of one row.

A convolution is linear in the images x and in the weight w; with its two adjoints it makes three products

    forward  y = x * w        adjoint  x = y *^T w        weights  w = x *^T y

of which each has the other two as its derivatives, so raw and traced rules of every order are products again.

No matrix of patches is ever written.  The images are copied into a workspace with their borders, rows and columns sorted
by their remainder by the stride; there each tap of the kernel sees them moved by a constant, and csrc/windows.inc takes it
from there.  The adjoint is the same with the stride on the other side: each remainder is a convolution of its own, with the
taps that reach it.  Kernels of one element, and those as large as the image, are single products of a BLAS.

Next: windows.py, sizes and their checks; pooling.pyx.
"""
cimport cython
from libc.string cimport memcpy, memset

from ..arrays cimport contiguous
from ..blas cimport begin, finish, gemm
from ..kernels cimport K, fad_operand, fad_reduce_fn
from ..storage cimport Array, Layout, dense, empty, give_back, shape_of, zeros
from ..tape cimport Node, Primitive, Walk, deliver, grad_enabled, save, saved, wants
from ..tensor cimport Tensor, as_tensor, ndarray, produced, record2, result_from, unchanged, wrap
from ..tensor import FUNCTIONS
from ..types cimport F32, F64, compiled
from . import windows

cdef enum:
    GIL_WORK = 1 << 16                    # multiplications above which the GIL is released
    PIECE = 1 << 18                       # bytes of images that a piece of the work keeps in the second-level cache
    BEYOND = 256                          # bytes past its end that a kernel may read or write
    KEPT = 256                            # geometries that are kept

ctypedef enum Kind:
    FORWARD, ADJOINT, WEIGHTS


# ---- sizes -------------------------------------------------------------------------------------------
cdef struct Axis:
    Py_ssize_t image, output, kernel, stride, dilation, pad
    Py_ssize_t reach                      # the largest shift
    Py_ssize_t used                       # how many remainders the taps have
    Py_ssize_t* remainder                 # those, in the order in which taps have them first
    Py_ssize_t* which                     # of each tap: the number of its remainder,
    Py_ssize_t* shift                     # and how many rows of that remainder it is moved


@cython.final
cdef class Geometry:
    """The sizes of one convolution: what does not depend on the numbers, nor on how many images there are."""
    cdef readonly tuple sizes             # of images, outputs, kernel; stride, dilation, padding before: (rows, columns) each
    cdef readonly Py_ssize_t groups
    cdef Py_ssize_t channels, outputs     # of one group
    cdef Py_ssize_t taps
    cdef Axis axes[2]
    cdef double work                      # multiplications for one image
    cdef bint pointwise, whole            # a kernel of one element; one as large as the image

    def __cinit__(self, Py_ssize_t groups, tuple sizes, Py_ssize_t channels, Py_ssize_t outputs):
        cdef Axis* axis
        cdef Py_ssize_t t, u
        cdef int i
        self.groups, self.sizes, self.channels, self.outputs = groups, sizes, channels, outputs
        self.taps = 1
        self.work = <double> groups * channels * outputs
        self.pointwise = self.whole = True
        for i in range(2):
            axis = &self.axes[i]
            axis.image, axis.output, axis.kernel, axis.stride, axis.dilation, axis.pad = [size[i] for size in sizes]
            axis.remainder = <Py_ssize_t*> zeros(3 * axis.kernel * sizeof(Py_ssize_t))
            if axis.remainder is NULL:
                raise MemoryError(f"fastad: no memory for a kernel of size {sizes[2]}")
            axis.which, axis.shift = axis.remainder + axis.kernel, axis.remainder + 2 * axis.kernel
            numbers = {}
            for t in range(axis.kernel):
                axis.which[t] = numbers.setdefault(t * axis.dilation % axis.stride, len(numbers))
                axis.shift[t] = t * axis.dilation // axis.stride
            axis.used, axis.reach = len(numbers), axis.shift[axis.kernel - 1]
            for u, remainder in enumerate(numbers):
                axis.remainder[u] = remainder
            self.taps *= axis.kernel
            self.work *= <double> axis.kernel * axis.output
            self.pointwise &= axis.kernel == 1 and axis.stride == 1 and axis.pad == 0 and axis.output == axis.image
            self.whole &= axis.kernel == axis.image and axis.output == 1 and axis.pad == 0 and axis.dilation == 1
        self.whole &= groups == 1

    def __dealloc__(self):
        give_back(self.axes[0].remainder)
        give_back(self.axes[1].remainder)


# ---- moving data -------------------------------------------------------------------------------------
cdef struct Clip:
    Py_ssize_t first, count, at           # of a line with places at base, base + step, ...: those inside, and where


cdef inline Clip clip(Py_ssize_t base, Py_ssize_t step, Py_ssize_t count, Py_ssize_t size) noexcept nogil:
    """Of `count` places from `base` on, `step` apart, those in 0 to size - 1."""
    cdef Clip c
    cdef Py_ssize_t end = (size - 1 - base) // step + 1 if base < size else 0      # C's division: towards zero
    c.first = (-base + step - 1) // step if base < 0 else 0
    c.count = max(min(end, count) - c.first, 0)
    c.at = base + c.first * step
    return c


cdef inline void move(Py_ssize_t item, int ndim, const Py_ssize_t* shape, const char* source, const Py_ssize_t* steps, char* to,
                      const Py_ssize_t* to_steps) noexcept nogil:
    """A copy; steps are in bytes."""
    cdef fad_operand src, dst
    src.data, src.strides, src.itemsize = source, steps, item
    dst.data, dst.strides, dst.itemsize = to, to_steps, item
    K.copy(ndim, shape, &src, &dst)


cdef struct Work:                         # the sizes of one product, and where it keeps what it needs on the way
    int code
    Py_ssize_t item, images               # bytes of a number; how many images
    Py_ssize_t source[2]                  # sizes of what is read,
    Py_ssize_t result[2]                  # and of what is written
    Py_ssize_t inputs, outputs            # channels of a group, of what is read and written
    Py_ssize_t rows, cols                 # of the result, of one remainder
    Py_ssize_t band, line, plane          # rows at a time; their length in the workspace, and that of a channel's remainder
    Py_ssize_t planes                     # remainders that are read
    Py_ssize_t base[2]                    # where row 0 of the workspace is in what is read, without remainder,
    Py_ssize_t step[2]                    # and the next one
    char* space                           # the images
    char* packed                          # weights
    char* bias
    char* scratch                         # what a kernel writes
    Py_ssize_t* off


cdef void describe(Work* m, Geometry q, bint back, int code, Py_ssize_t images) noexcept:
    """The sizes of one direction."""
    cdef Axis* a
    cdef Py_ssize_t extent[2]
    cdef int i
    m.code, m.item, m.images = code, 4 if code == F32 else 8, images
    m.inputs, m.outputs = (q.outputs, q.channels) if back else (q.channels, q.outputs)
    for i in range(2):
        a = &q.axes[i]
        m.source[i], m.result[i] = (a.output, a.image) if back else (a.image, a.output)
        if back:                          # place y of remainder r is place stride y + r - pad of the images
            extent[i] = (a.image - 1 + a.pad) // a.stride + 1 - a.pad // a.stride
            m.base[i], m.step[i] = a.pad // a.stride - a.reach, 1
        else:
            extent[i] = a.output
            m.base[i], m.step[i] = -a.pad, a.stride
    m.rows, m.cols = extent[0], extent[1]
    m.line = m.cols + q.axes[1].reach
    m.planes = 1 if back else q.axes[0].used * q.axes[1].used


cdef int choose_band(Work* m, Geometry q) except -1:
    """So many rows at a time that what they read stays in the cache."""
    cdef double one = <double> m.planes * m.inputs * m.line * m.item
    cdef double rows = PIECE / max(one, 1) - q.axes[0].reach
    if one * (q.axes[0].reach + 1.0) > 1e15 or <double> q.taps * m.inputs * (m.outputs + 64) > 1e15:
        raise MemoryError(f"fastad: no memory for a convolution of sizes {q.sizes}")
    m.band = <Py_ssize_t> min(max(rows, 4.0), <double> m.rows)
    m.plane = (m.band + q.axes[0].reach) * m.line
    return 0


cdef void read(Work* m, Geometry q, bint back, const char* source, Py_ssize_t from_row) noexcept nogil:
    """Image by image: the rows that a band needs, of the channels of a group, by their remainders."""
    cdef Py_ssize_t shape[3]
    cdef Py_ssize_t steps[3]
    cdef Py_ssize_t to_steps[3]
    cdef Py_ssize_t u, v, plane = m.plane * m.item
    cdef Clip rows, cols
    cdef char* to
    for u in range(1 if back else q.axes[0].used):
        rows = clip(m.base[0] + from_row * m.step[0] + (0 if back else q.axes[0].remainder[u]), m.step[0],
                    m.band + q.axes[0].reach, m.source[0])
        for v in range(1 if back else q.axes[1].used):
            cols = clip(m.base[1] + (0 if back else q.axes[1].remainder[v]), m.step[1], m.line, m.source[1])
            shape[0], shape[1], shape[2] = m.inputs, rows.count, cols.count
            steps[0], steps[1], steps[2] = m.source[0] * m.source[1] * m.item, m.step[0] * m.source[1] * m.item, m.step[1] * m.item
            to_steps[0], to_steps[1], to_steps[2] = m.planes * plane, m.line * m.item, m.item
            to = m.space + (u * (1 if back else q.axes[1].used) + v) * plane
            move(m.item, 3, shape, source + (rows.at * m.source[1] + cols.at) * m.item, steps,
                 to + (rows.first * m.line + cols.first) * m.item, to_steps)


cdef Py_ssize_t offsets(Work* m, Geometry q, bint back, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
    """Where each tap sees the workspace: all taps of a forward product, those of remainder (u, v) of the adjoint.  How many."""
    cdef Axis* a = &q.axes[0]
    cdef Axis* b = &q.axes[1]
    cdef Py_ssize_t c, i, j, k = 0
    for c in range(m.inputs):
        for i in range(a.kernel):
            for j in range(b.kernel):
                if not back:
                    m.off[k] = (c * m.planes + a.which[i] * b.used + b.which[j]) * m.plane + a.shift[i] * m.line + b.shift[j]
                elif a.which[i] == u and b.which[j] == v:
                    m.off[k] = c * m.plane + (a.reach - a.shift[i]) * m.line + b.reach - b.shift[j]
                else:
                    continue
                k += 1
    return k


cdef void pack(Work* m, Geometry q, bint back, const char* w, Py_ssize_t u, Py_ssize_t v, char* to, Py_ssize_t taps) noexcept nogil:
    """The weights of a group, four of its result's channels side by side: [block][channel read, tap][4]."""
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t steps[2]
    cdef Py_ssize_t to_steps[2]
    cdef Py_ssize_t block, i, j, k, item = m.item, length = m.inputs * taps, full = q.channels * q.taps
    for block in range(0, m.outputs, 4):
        shape[1] = min(4, m.outputs - block)
        if shape[1] < 4:
            memset(to, 0, 4 * length * item)
        if not back:
            shape[0] = length
            steps[0], steps[1] = item, full * item
            to_steps[0], to_steps[1] = 4 * item, item
            move(item, 2, shape, w + block * full * item, steps, to, to_steps)
        else:
            shape[0] = m.inputs
            steps[0], steps[1] = full * item, q.taps * item
            to_steps[0], to_steps[1] = 4 * taps * item, item
            k = 0
            for i in range(q.axes[0].kernel):
                for j in range(q.axes[1].kernel):
                    if q.axes[0].which[i] == u and q.axes[1].which[j] == v:
                        move(item, 2, shape, w + (block * q.taps + i * q.axes[1].kernel + j) * item, steps, to + 4 * k * item,
                             to_steps)
                        k += 1
        to += 4 * length * item


cdef void write(Work* m, Geometry q, bint back, Py_ssize_t u, Py_ssize_t v, Py_ssize_t count, Py_ssize_t from_row,
                Py_ssize_t rows, Py_ssize_t ld, char* result) noexcept nogil:
    """A band of up to four channels from the scratch memory to its place."""
    cdef Py_ssize_t shape[3]
    cdef Py_ssize_t steps[3]
    cdef Py_ssize_t to_steps[3]
    cdef Py_ssize_t row_step = 1, col_step = 1, row = from_row, col = 0
    cdef Axis* a
    cdef Clip r, c
    if back:
        a = &q.axes[0]
        row_step, row = a.stride, (from_row + a.pad // a.stride) * a.stride + a.remainder[u] - a.pad
        a = &q.axes[1]
        col_step, col = a.stride, a.pad // a.stride * a.stride + a.remainder[v] - a.pad
    r, c = clip(row, row_step, rows, m.result[0]), clip(col, col_step, m.cols, m.result[1])
    shape[0], shape[1], shape[2] = count, r.count, c.count
    steps[0], steps[1], steps[2] = ld * m.item, m.line * m.item, m.item
    to_steps[0], to_steps[1], to_steps[2] = m.result[0] * m.result[1] * m.item, row_step * m.result[1] * m.item, col_step * m.item
    move(m.item, 3, shape, m.scratch + (r.first * m.line + c.first) * m.item, steps,
         result + (r.at * m.result[1] + c.at) * m.item, to_steps)


# ---- the three products ------------------------------------------------------------------------------
cdef void convolve(Work* m, Geometry q, bint back, const char* source, const char* w, const char* b, char* result) noexcept nogil:
    """`forward`, or the adjoint, whose results have as many parts as there are remainders."""
    cdef Py_ssize_t item = m.item, n, g, u, v, band, row, rows, block, taps, k = 0, ld, parts = 1, part
    cdef Py_ssize_t image = m.inputs * m.source[0] * m.source[1] * item, size = m.result[0] * m.result[1]
    cdef char* packed
    cdef char* to
    if back:
        parts = q.axes[0].used * q.axes[1].used
    memset(m.bias, 0, (m.outputs + 4) * item)
    for g in range(q.groups):
        if b is not NULL:
            memcpy(m.bias, b + g * m.outputs * item, m.outputs * item)
        packed = m.packed
        for part in range(parts):
            u, v = part // q.axes[1].used, part % q.axes[1].used
            taps = count_taps(q, back, u, v)
            pack(m, q, back, w + g * q.outputs * q.channels * q.taps * item, u, v, packed, taps)
            packed += (m.outputs + 3) // 4 * 4 * m.inputs * taps * item
        for band in range((m.rows + m.band - 1) // m.band):
            row = band * m.band
            rows = min(m.band, m.rows - row)
            ld = (rows - 1) * m.line + m.cols + BEYOND // item
            memset(m.space, 0, m.inputs * m.planes * m.plane * item)
            for n in range(m.images):
                read(m, q, back, source + (n * q.groups + g) * image, row)
                packed = m.packed
                for part in range(parts):
                    u, v = part // q.axes[1].used, part % q.axes[1].used
                    if parts > 1 or n == 0:
                        k = offsets(m, q, back, u, v)
                    for block in range(0, m.outputs, 4):
                        K.convolve[m.code](k, packed, m.space, m.off, m.bias + block * item, min(4, m.outputs - block),
                                           ld - BEYOND // item, m.scratch, ld)
                        to = result + ((n * q.groups + g) * m.outputs + block) * size * item
                        write(m, q, back, u, v, min(4, m.outputs - block), row, rows, ld, to)
                        packed += 4 * k * item


cdef Py_ssize_t count_taps(Geometry q, bint back, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
    """How many a part has."""
    cdef Py_ssize_t i, rows = 0, cols = 0
    if not back:
        return q.taps
    for i in range(q.axes[0].kernel):
        rows += q.axes[0].which[i] == u
    for i in range(q.axes[1].kernel):
        cols += q.axes[1].which[i] == v
    return rows * cols


cdef void spread(Work* m, Geometry q, const char* b, char* result) noexcept nogil:
    """The bias everywhere, or zeros: for an adjoint of which not every place is reached."""
    cdef Py_ssize_t shape[3]
    cdef Py_ssize_t steps[3]
    cdef Py_ssize_t to_steps[3]
    cdef Py_ssize_t size = m.result[0] * m.result[1]
    shape[0], shape[1], shape[2] = m.images, q.groups * m.outputs, size
    if b is NULL:
        memset(result, 0, shape[0] * shape[1] * size * m.item)
        return
    steps[0], steps[1], steps[2] = 0, m.item, 0
    to_steps[0], to_steps[1], to_steps[2] = shape[1] * size * m.item, size * m.item, m.item
    move(m.item, 3, shape, b, steps, result, to_steps)


cdef void correlate(Work* m, Geometry q, const char* x, const char* y, char* dw, Py_ssize_t wide) noexcept nogil:
    """`weights`: y is transposed, so that its channels are the vectors' axis; `wide` is their number, filled up."""
    cdef Py_ssize_t item = m.item, k = m.inputs * q.taps, n, g, band, row, size = m.result[0] * m.result[1] * item
    cdef Py_ssize_t image = m.inputs * m.source[0] * m.source[1] * item
    cdef Py_ssize_t shape[3]
    cdef Py_ssize_t steps[3]
    cdef Py_ssize_t to_steps[3]
    shape[1], shape[2] = m.cols, m.outputs
    steps[0], steps[1], steps[2] = m.result[1] * item, item, size
    to_steps[0], to_steps[1], to_steps[2] = m.cols * wide * item, wide * item, item
    memset(m.scratch, 0, m.band * m.cols * wide * item)
    for g in range(q.groups):
        memset(m.packed, 0, k * wide * item)
        for band in range((m.rows + m.band - 1) // m.band):
            row = band * m.band
            shape[0] = min(m.band, m.rows - row)
            memset(m.space, 0, m.inputs * m.planes * m.plane * item)
            offsets(m, q, False, 0, 0)
            for n in range(m.images):
                read(m, q, False, x + (n * q.groups + g) * image, row)
                move(item, 3, shape, y + (n * q.groups + g) * m.outputs * size + row * m.result[1] * item, steps, m.scratch,
                     to_steps)
                K.correlate[m.code](shape[0], m.cols, m.line, k, m.space, m.off, m.scratch, wide, m.packed)
        transpose(item, k, m.outputs, m.packed, wide, dw + g * m.outputs * k * item)


cdef void transpose(Py_ssize_t item, Py_ssize_t rows, Py_ssize_t cols, const char* source, Py_ssize_t ld, char* to) noexcept nogil:
    """to (cols, rows) = source (rows, cols)^T"""
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t steps[2]
    cdef Py_ssize_t to_steps[2]
    shape[0], shape[1] = cols, rows
    steps[0], steps[1] = item, ld * item
    to_steps[0], to_steps[1] = rows * item, item
    move(item, 2, shape, source, steps, to, to_steps)


cdef void by_products(Work* m, Geometry q, Kind kind, const char* a, const char* b, char* out, bint adds) noexcept nogil:
    """A kernel of one element, image by image, or one as large as the image, all images at once; `adds` to what stands there."""
    cdef Py_ssize_t c = q.channels, o = q.outputs, n = m.images, size, i
    cdef Py_ssize_t x = m.item, y, w = m.item
    if q.whole:
        c *= q.taps
        if kind == FORWARD:
            gemm(m.code, False, True, n, o, c, a, c, b, c, adds, out, o)
        elif kind == ADJOINT:
            gemm(m.code, False, False, n, c, o, a, o, b, c, adds, out, c)
        else:
            gemm(m.code, True, False, o, c, n, b, o, a, c, adds, out, c)
        return
    size = q.axes[0].image * q.axes[1].image
    x, y, w = c * size * m.item, o * size * m.item, o * c * m.item
    for i in range(n * q.groups):
        if kind == FORWARD:
            gemm(m.code, False, False, o, size, c, b + i % q.groups * w, c, a + i * x, size, adds, out + i * y, size)
        elif kind == ADJOINT:
            gemm(m.code, True, False, c, size, o, b + i % q.groups * w, c, a + i * y, size, adds, out + i * x, size)
        else:
            gemm(m.code, False, True, o, c, size, b + i * y, size, a + i * x, size, i >= q.groups, out + i % q.groups * w, c)


# ---- one product of arrays ---------------------------------------------------------------------------
cdef tuple shape_after(Kind kind, Geometry q, Py_ssize_t images):
    if kind == WEIGHTS:
        return (q.groups * q.outputs, q.channels, *q.sizes[2])
    return (images, q.groups * (q.outputs if kind == FORWARD else q.channels), *q.sizes[1 if kind == FORWARD else 0])


cdef Array product(Kind kind, Geometry q, Array a, Array b, Array bias):
    """kind(a, b) (+ bias), of compiled dtypes: forward(x, w), adjoint(y, w), weights(x, y)."""
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t sizes[5]
    cdef Py_ssize_t images = a.layout.shape[0], wide = 0, i, total = 0
    cdef int code = a.layout.code
    cdef Array out, memory = None, one = contiguous(a), two = contiguous(b)
    cdef const char* third = NULL
    cdef bint long_ = images * q.work > GIL_WORK, products = q.whole or q.pointwise
    cdef Work m
    shape[0], shape[1], shape[2], shape[3] = shape_after(kind, q, images)
    out = empty(dense(code, 4, shape))
    if out.layout.size == 0:
        return out
    describe(&m, q, kind == ADJOINT, code, images)
    if bias is not None:
        bias = contiguous(bias)
        third = bias.data
    if not products:
        choose_band(&m, q)
        sizes[0] = (m.inputs * m.planes * m.plane + BEYOND // m.item) * m.item
        sizes[1] = ((m.band - 1) * m.line + m.cols + BEYOND // m.item) * 4 * m.item
        sizes[2] = (m.outputs + 3) // 4 * 4 * m.inputs * q.taps * m.item
        sizes[3] = (m.outputs + 4) * m.item
        sizes[4] = m.inputs * q.taps * sizeof(Py_ssize_t)
        if kind == WEIGHTS:
            wide = (m.outputs * m.item + K.wide - 1) // K.wide * K.wide // m.item
            sizes[1], sizes[2] = m.band * m.cols * wide * m.item, m.inputs * q.taps * wide * m.item
        for i in range(5):
            sizes[i] = (sizes[i] + 63) // 64 * 64
            total += sizes[i]
        shape[0] = total // 8
        memory = empty(dense(F64, 1, shape))      # from the pool, which gives the same again and again
        m.space = memory.data
        m.scratch, m.packed = m.space + sizes[0], m.space + sizes[0] + sizes[1]
        m.bias = m.packed + sizes[2]
        m.off = <Py_ssize_t*> (m.bias + sizes[3])
    if long_:
        begin()
        with nogil:
            through(&m, q, kind, products, one.data, two.data, third, out.data, wide, out.layout.size)
        finish()
    else:
        through(&m, q, kind, products, one.data, two.data, third, out.data, wide, out.layout.size)
    return out


cdef void through(Work* m, Geometry q, Kind kind, bint products, const char* a, const char* b, const char* bias, char* out,
                  Py_ssize_t wide, Py_ssize_t size) noexcept nogil:
    if products:
        if bias is not NULL:
            spread(m, q, bias, out)
        elif kind == WEIGHTS and m.images == 0:
            memset(out, 0, size * m.item)
        by_products(m, q, kind, a, b, out, bias is not NULL)
    elif kind == WEIGHTS:
        correlate(m, q, a, b, out, wide)
    else:
        if kind == ADJOINT and (q.axes[0].used < q.axes[0].stride or q.axes[1].used < q.axes[1].stride):
            spread(m, q, bias, out)
        convolve(m, q, kind == ADJOINT, a, b, bias, out)


# ---- the primitives ----------------------------------------------------------------------------------
@cython.final
cdef class Convolution(Primitive):
    """One of the three products, of inputs a and b; the first two have a bias for each channel as third input."""
    cdef Kind kind

    def __cinit__(self, str name, Kind kind):
        self.name, self.kind = name, kind
        self.raw = self.one_by_one = True

    cdef Tensor apply(self, Tensor a, Tensor b, Tensor bias, Geometry q):
        cdef Array xa = a.arr, xb = b.arr, third = None if bias is None else bias.arr, out
        cdef Node node
        if xa.layout.dtype != xb.layout.dtype or (third is not None and third.layout.dtype != xa.layout.dtype):
            raise TypeError(f"{self.name}: operands of {a.dtype} and {b.dtype}; use astype")
        if compiled(xa.layout.code):
            out = product(self.kind, q, xa, xb, third)
        else:
            y = windows.product(<int> self.kind, q, ndarray(a), ndarray(b))
            out = result_from(y if bias is None else y + ndarray(bias)[:, None, None]).arr
        if not grad_enabled() or (a.node is None and b.node is None and (bias is None or bias.node is None)):
            return wrap(out)
        unchanged(self.name, a, xa)
        unchanged(self.name, b, xb)
        node = record2(self, a, b, q)
        if bias is not None:
            node.n_in = 3
            node.in2, node.out2 = bias.node, bias.out
        if b.node is not None:
            save(node, xa, 0)
        if a.node is not None:
            save(node, xb, 1)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Array a = node.s0 if node.in1 is not None else None
        cdef Array b = saved(node, node.n_saved - 1) if node.in0 is not None else None
        cdef Geometry q = <Geometry> node.args
        if wants(walk, node, 0):
            if self.kind == FORWARD:
                deliver(walk, node, 0, product(ADJOINT, q, g, b, None))
            elif self.kind == ADJOINT:
                deliver(walk, node, 0, product(FORWARD, q, g, b, None))
            else:
                deliver(walk, node, 0, product(ADJOINT, q, b, g, None))
        if wants(walk, node, 1):
            if self.kind == FORWARD:
                deliver(walk, node, 1, product(WEIGHTS, q, a, g, None))
            elif self.kind == ADJOINT:
                deliver(walk, node, 1, product(WEIGHTS, q, g, a, None))
            else:
                deliver(walk, node, 1, product(FORWARD, q, a, g, None))
        if node.n_in > 2 and wants(walk, node, 2):
            deliver(walk, node, 2, over_images(contiguous(g)))
        return 0

    def vjp(self, node, saved, g):
        cdef Geometry q = <Geometry?> node.args
        cdef Tensor cot = g, a = saved[0] if node.needs(1) else None, b = saved[len(saved) - 1] if node.needs(0) else None
        da = db = None
        if b is not None:
            da = (ADJOINTS.apply(cot, b, None, q) if self.kind == FORWARD else CONV.apply(cot, b, None, q)
                  if self.kind == ADJOINT else ADJOINTS.apply(b, cot, None, q))
        if a is not None:
            db = (CONV_WEIGHTS.apply(a, cot, None, q) if self.kind == FORWARD else CONV_WEIGHTS.apply(cot, a, None, q)
                  if self.kind == ADJOINT else CONV.apply(a, cot, None, q))
        if len(node.inputs) == 2:
            return da, db
        return da, db, FUNCTIONS["sum"](g, axis=(0, 2, 3)) if node.needs(2) else None

    def jvp(self, node, saved, tangents):
        cdef Geometry q = <Geometry?> node.args
        parts = []
        if tangents[0] is not None:
            parts.append(self.apply(tangents[0], saved[len(saved) - 1], None, q))
        if tangents[1] is not None:
            parts.append(self.apply(saved[0], tangents[1], None, q))
        if len(tangents) == 3 and tangents[2] is not None:
            parts.append(FUNCTIONS["broadcast_to"](FUNCTIONS["reshape"](tangents[2], (-1, 1, 1)), node.out_shape))
        y = parts[0]
        for part in parts[1:]:
            y = y + part
        return y

    cdef dict statics_of(self, Node node):
        cdef Geometry q = <Geometry?> node.args
        names = ("stride", "dilation", "padding")
        return dict(zip(names, q.sizes[3:]), groups=q.groups)


cdef Array over_images(Array g):
    """The sum over images and places: (N, C, H, W) to (C,)."""
    cdef Layout layout = g.layout
    cdef Py_ssize_t shape[2]
    cdef Array sums, out
    cdef fad_reduce_fn add = K.sum[layout.code]
    shape[0], shape[1] = layout.shape[0], layout.shape[1]
    sums = empty(dense(layout.code, 2, shape))
    out = empty(dense(layout.code, 1, &shape[1]))
    with nogil:
        add(shape[0] * shape[1], layout.shape[2] * layout.shape[3], 1, g.data, sums.data, False)
        add(1, shape[0], shape[1], sums.data, out.data, False)
    return out


cdef Convolution CONV = Convolution("conv", FORWARD)
cdef Convolution ADJOINTS = Convolution("conv_transpose", ADJOINT), CONV_WEIGHTS = Convolution("conv_weight", WEIGHTS)
PRIMITIVES = {"conv": CONV, "conv_transpose": ADJOINTS, "conv_weight": CONV_WEIGHTS}


# ---- what users call ---------------------------------------------------------------------------------
cdef dict known = {}                      # what a call was given -> its Geometry


cdef Geometry geometry(str name, bint back, int axes, Tensor x, Tensor w, Tensor b, tuple settings):
    """The geometry of a call: checked when it is new, and kept."""
    cdef tuple key = (name, shape_of(x.arr.layout), shape_of(w.arr.layout), None if b is None else shape_of(b.arr.layout),
                      settings)
    cdef Geometry q
    try:
        q = known.get(key)
    except TypeError:                     # a list cannot be looked up
        key, q = None, None
    if q is None:
        if back:
            groups, sizes = windows.transposed(name, axes, *key_parts(x, w, b), *settings)
        else:
            groups, sizes = windows.convolution(name, axes, *key_parts(x, w, b), *settings)
        q = Geometry(groups, sizes, w.arr.layout.shape[1], w.arr.layout.shape[0] // groups)
        if key is not None:
            if len(known) >= KEPT:
                known.clear()
            known[key] = q
    return q


cdef tuple key_parts(Tensor x, Tensor w, Tensor b):
    return shape_of(x.arr.layout), shape_of(w.arr.layout), None if b is None else shape_of(b.arr.layout)


cdef Tensor of_dtype(str name, Tensor x, Tensor w, str what):
    """x, in the weight's dtype if it holds integers."""
    if x is None or x.arr.layout.code == w.arr.layout.code and (compiled(x.arr.layout.code) or
                                                                x.arr.layout.dtype == w.arr.layout.dtype):
        return x
    if x.arr.layout.dtype.kind in "fc":
        raise TypeError(f"{name}: {what} is {x.dtype} and the weight {w.dtype}; use astype({str(w.dtype)!r}), or give the layer "
                        f"dtype={str(x.dtype)!r}")
    return FUNCTIONS["astype"](x, w.dtype)


cdef object called(str name, Convolution prim, int axes, object input, object weight, object bias, tuple settings):
    cdef Tensor x = as_tensor(input), w = as_tensor(weight), b = None if bias is None else as_tensor(bias), y
    cdef Geometry q
    if w.arr.layout.dtype.kind not in "fc":
        w = FUNCTIONS["astype"](w, x.dtype if x.arr.layout.dtype.kind in "fc" else "float64")
    x, b = of_dtype(name, x, w, "the input"), of_dtype(name, b, w, "the bias")
    q = geometry(name, prim.kind == ADJOINT, axes, x, w, b, settings)
    cdef bint batched = x.arr.layout.ndim == axes + 2
    if axes == 1:
        x, w = as_images(x, batched), as_images(w, True)
    elif not batched:
        x = FUNCTIONS["reshape"](x, (1, *shape_of(x.arr.layout)))
    y = prim.apply(x, w, b, q)
    if axes == 2 and batched:
        return y
    n, c, h, length = y.shape
    return FUNCTIONS["reshape"](y, ((n,) if batched else ()) + ((c, h, length) if axes == 2 else (c, length)))


cdef Tensor as_images(Tensor x, bint batched):
    """Sequences as images of one row."""
    cdef Py_ssize_t* shape = x.arr.layout.shape
    return FUNCTIONS["reshape"](x, (shape[0] if batched else 1, shape[batched], 1, shape[batched + 1]))


def conv_weight(x, y, groups, sizes):
    """The adjoint of a convolution in its weight, for images x and outputs y; sizes as in `Geometry`."""
    cdef Tensor a = as_tensor(x), b = as_tensor(y)
    return CONV_WEIGHTS.apply(a, b, None, Geometry(groups, sizes, a.shape[1] // groups, b.shape[1] // groups))


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The convolution of images, as networks use the word: y[n, o, r, s] = b[o] + sum over c, i, j of
    w[o, c, i, j] x[n, c, stride r + dilation i - padding, stride s + dilation j - padding], zero outside.

    With g the cotangent of y, db is its sum over images and places; dx and dw are the two adjoints of this product, which
    are convolutions as well, so derivatives of every order are exact.

    Parameters
    ----------
    input : Tensor or array_like, (batch, channels, height, width), or without the batch
    weight : (outputs, channels / groups, kernel height, kernel width)
    bias : (outputs,), optional
    stride, dilation : int, or a tuple of two
    padding : int, tuple of two, 'valid' (none) or 'same' (the output is as large as the input; for stride 1)
    groups : int
        Channels and outputs fall into so many groups; an output sees the channels of its own.

    Returns
    -------
    Tensor (batch, outputs, height', width'), height' = (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Raises
    ------
    ValueError
        If shapes or groups do not fit, or the kernel covers more than the padded input.
    TypeError
        If dtypes differ: layers do not promote silently.

    Notes
    -----
    Y. LeCun et al., Gradient-based learning applied to document recognition, 1998; names and defaults are PyTorch's.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.reshape(fastad.arange(9.0), (1, 1, 3, 3))
    >>> fastad.conv2d(x, fastad.ones((1, 1, 2, 2)))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return called("conv2d", CONV, 2, input, weight, bias, (stride, padding, dilation, groups))


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The convolution of sequences (batch, channels, length) with a weight (outputs, channels / groups, kernel); see `conv2d`.

    Raises
    ------
    ValueError
        If shapes or groups do not fit, or the kernel covers more than the padded input.
    TypeError
        If dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.conv1d([[1.0, 2.0, 4.0]], [[[-1.0, 1.0]]])
    tensor([[1., 2.]])
    """
    return called("conv1d", CONV, 1, input, weight, bias, (stride, padding, dilation, groups))


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The adjoint of `conv2d` in its images: each number of the input is spread over the output by the kernel.

    y[n, o, stride r + dilation i - padding, ...] sums x[n, c, r, s] w[c, o, i, j].

    Parameters
    ----------
    input : Tensor or array_like, (batch, channels, height, width), or without the batch
    weight : (channels, outputs / groups, kernel height, kernel width)
    bias : (outputs,), optional
    stride, padding, dilation, groups : as in `conv2d`; no names for padding
    output_padding : int, or a tuple of two
        So many rows and columns more at the end; smaller than the stride or the dilation.

    Returns
    -------
    Tensor (batch, outputs, height', width'), height' = (height - 1) stride - 2 padding + dilation (kernel - 1) +
    output_padding + 1.

    Raises
    ------
    ValueError
        If shapes, groups or output_padding do not fit, or nothing would be left.
    TypeError
        If dtypes differ.

    Notes
    -----
    M. D. Zeiler et al., Deconvolutional networks, 2010.

    Examples
    --------
    >>> import fastad
    >>> fastad.conv_transpose2d(fastad.ones((1, 1, 2, 2)), fastad.ones((1, 1, 2, 2)))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return called("conv_transpose2d", ADJOINTS, 2, input, weight, bias, (stride, padding, output_padding, groups, dilation))


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The adjoint of `conv1d` in its sequences; see `conv_transpose2d`.

    Raises
    ------
    ValueError
        If shapes, groups or output_padding do not fit, or nothing would be left.
    TypeError
        If dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0]]], stride=2)
    tensor([[ 1., 10.,  2., 20.]])
    """
    return called("conv_transpose1d", ADJOINTS, 1, input, weight, bias, (stride, padding, output_padding, groups, dilation))
