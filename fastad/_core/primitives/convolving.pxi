# convolving.pxi (level 4): the three products of a convolution, on memory.  Part of convolution.pyx.
#
# What is done in parts is done image by image, or, for the weights' product, which adds images up, by channels of x: no sum
# depends on how many parts there are.

ctypedef enum Kind:
    FORWARD, ADJOINT, WEIGHTS


cdef enum:
    PIECE = 1 << 18                       # bytes of images that a piece of the work keeps in the second-level cache
    BEYOND = 256                          # bytes past its end that a kernel may read or write
    FAST = 6                              # so many multiplications take as long as one element of elementwise work


# ---- sizes -------------------------------------------------------------------------------------------
cdef struct Axis:
    Py_ssize_t image, output, kernel, stride, dilation, pad
    Py_ssize_t reach                      # the largest shift
    Py_ssize_t used                       # how many remainders the taps have
    Py_ssize_t* remainder                 # those, in the order in which taps have them first
    Py_ssize_t* which                     # of each tap: the number of its remainder,
    Py_ssize_t* shift                     # and how many rows of that remainder it is moved


cdef struct Sizes:
    Py_ssize_t groups, channels, outputs  # the last two of one group
    Py_ssize_t taps
    Axis axes[2]
    double work                           # multiplications for one image
    bint pointwise, whole                 # a kernel of one element; one as large as the image


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
    Py_ssize_t inputs, outputs            # channels of a group, of what is read and written,
    Py_ssize_t all_inputs                 # of which a part may read some only
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


cdef void describe(Work* m, Sizes* q, bint back, int code, Py_ssize_t images) noexcept:
    """The sizes of one direction."""
    cdef Axis* a
    cdef Py_ssize_t extent[2]
    cdef int i
    m.code, m.item, m.images = code, 4 if code == F32 else 8, images
    m.inputs, m.outputs = (q.outputs, q.channels) if back else (q.channels, q.outputs)
    m.all_inputs = m.inputs
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


cdef int choose_band(Work* m, Sizes* q) except -1:
    """So many rows at a time that what they read stays in the cache."""
    cdef double one = <double> m.planes * m.inputs * m.line * m.item
    cdef double rows = PIECE / max(one, 1) - q.axes[0].reach
    if one * (q.axes[0].reach + 1.0) > 1e15 or <double> q.taps * m.inputs * (m.outputs + 64) > 1e15:
        raise MemoryError(f"fastad: no memory for a convolution with {q.taps} taps of {m.inputs} and {m.outputs} channels")
    m.band = <Py_ssize_t> min(max(rows, 4.0), <double> m.rows)
    m.plane = (m.band + q.axes[0].reach) * m.line
    return 0


cdef void read(Work* m, Sizes* q, bint back, const char* source, Py_ssize_t from_row) noexcept nogil:
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


cdef Py_ssize_t offsets(Work* m, Sizes* q, bint back, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
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


cdef void pack(Work* m, Sizes* q, bint back, const char* w, Py_ssize_t u, Py_ssize_t v, char* to, Py_ssize_t taps) noexcept nogil:
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


cdef void write(Work* m, Sizes* q, bint back, Py_ssize_t u, Py_ssize_t v, Py_ssize_t count, Py_ssize_t from_row,
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
cdef void convolve(Work* m, Sizes* q, bint back, const char* source, const char* w, const char* b, char* result) noexcept nogil:
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


cdef Py_ssize_t count_taps(Sizes* q, bint back, Py_ssize_t u, Py_ssize_t v) noexcept nogil:
    """How many a part has."""
    cdef Py_ssize_t i, rows = 0, cols = 0
    if not back:
        return q.taps
    for i in range(q.axes[0].kernel):
        rows += q.axes[0].which[i] == u
    for i in range(q.axes[1].kernel):
        cols += q.axes[1].which[i] == v
    return rows * cols


cdef void spread(Work* m, Sizes* q, const char* b, char* result) noexcept nogil:
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


cdef void correlate(Work* m, Sizes* q, const char* x, const char* y, char* dw, Py_ssize_t wide) noexcept nogil:
    """`weights`: y is transposed, so that its channels are the vectors' axis; `wide` is their number, filled up."""
    cdef Py_ssize_t item = m.item, k = m.inputs * q.taps, n, g, band, row, size = m.result[0] * m.result[1] * item
    cdef Py_ssize_t image = m.all_inputs * m.source[0] * m.source[1] * item, all_taps = m.all_inputs * q.taps
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
        transpose(item, k, m.outputs, m.packed, wide, dw + g * m.outputs * all_taps * item, all_taps)


cdef void transpose(Py_ssize_t item, Py_ssize_t rows, Py_ssize_t cols, const char* source, Py_ssize_t ld, char* to,
                    Py_ssize_t to_ld) noexcept nogil:
    """to (cols, rows) = source (rows, cols)^T"""
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t steps[2]
    cdef Py_ssize_t to_steps[2]
    shape[0], shape[1] = cols, rows
    steps[0], steps[1] = item, ld * item
    to_steps[0], to_steps[1] = to_ld * item, item
    move(item, 2, shape, source, steps, to, to_steps)


cdef void by_products(Work* m, Sizes* q, Kind kind, const char* a, const char* b, char* out, bint adds) noexcept nogil:
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


# ---- a product, in parts -----------------------------------------------------------------------------
cdef struct Product:                      # kind(a, b) (+ bias)
    Work m
    Sizes* q
    Kind kind
    const char* a
    const char* b
    const char* bias
    char* out
    Py_ssize_t wide                       # see `correlate`
    Py_ssize_t parts, divided             # how many, of how many images or channels
    Py_ssize_t sizes[5]                   # bytes of memory that each part needs,
    char* space                           # which stands here


cdef Py_ssize_t plan(Product* p) except -1:
    """Cut the work into parts; the bytes of memory that they need."""
    cdef Work* m = &p.m
    cdef Sizes* q = p.q
    cdef Py_ssize_t i, total = 0
    p.parts = 0
    if q.whole or q.pointwise:
        return 0
    choose_band(m, q)
    p.divided = m.inputs if p.kind == WEIGHTS else m.images
    p.parts = parts_of(p.divided, m.images * q.work / FAST)
    p.sizes[0] = (m.inputs * m.planes * m.plane + BEYOND // m.item) * m.item
    p.sizes[1] = ((m.band - 1) * m.line + m.cols + BEYOND // m.item) * 4 * m.item
    p.sizes[2] = (m.outputs + 3) // 4 * 4 * m.inputs * q.taps * m.item
    p.sizes[3] = (m.outputs + 4) * m.item
    p.sizes[4] = m.inputs * q.taps * sizeof(Py_ssize_t)
    if p.kind == WEIGHTS:
        p.wide = (m.outputs * m.item + K.wide - 1) // K.wide * K.wide // m.item
        p.sizes[1], p.sizes[2] = m.band * m.cols * p.wide * m.item, m.inputs * q.taps * p.wide * m.item
    for i in range(5):
        p.sizes[i] = (p.sizes[i] + 63) // 64 * 64
        total += p.sizes[i]
    return total * p.parts


cdef void parts(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Product* p = <const Product*> work
    cdef Sizes* q = p.q
    cdef Py_ssize_t i, first, count, size = p.sizes[0] + p.sizes[1] + p.sizes[2] + p.sizes[3] + p.sizes[4]
    cdef Py_ssize_t image = p.m.source[0] * p.m.source[1] * p.m.item, result = p.m.result[0] * p.m.result[1] * p.m.item
    cdef Work m
    for i in range(start, stop):
        first, count = p.divided * i // p.parts, p.divided * (i + 1) // p.parts - p.divided * i // p.parts
        m = p.m
        m.space = p.space + i * size
        m.scratch = m.space + p.sizes[0]
        m.packed = m.scratch + p.sizes[1]
        m.bias = m.packed + p.sizes[2]
        m.off = <Py_ssize_t*> (m.bias + p.sizes[3])
        if p.kind == WEIGHTS:
            m.inputs = count
            correlate(&m, q, p.a + first * image, p.b, p.out + first * q.taps * m.item, p.wide)
        else:
            m.images = count
            convolve(&m, q, p.kind == ADJOINT, p.a + first * q.groups * m.inputs * image, p.b, p.bias,
                     p.out + first * q.groups * m.outputs * result)


cdef void through(Product* p) noexcept nogil:
    cdef Sizes* q = p.q
    if p.parts == 0:
        if p.bias is not NULL:
            spread(&p.m, q, p.bias, p.out)
        elif p.kind == WEIGHTS and p.m.images == 0:
            memset(p.out, 0, q.groups * q.outputs * q.channels * q.taps * p.m.item)
        by_products(&p.m, q, p.kind, p.a, p.b, p.out, p.bias is not NULL)
        return
    if p.kind == ADJOINT and (q.axes[0].used < q.axes[0].stride or q.axes[1].used < q.axes[1].stride):
        spread(&p.m, q, p.bias, p.out)
    share(parts, p, p.parts, PART)
