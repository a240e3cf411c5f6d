"""Level 4: normalisation.  One compiled call takes the moments of x (n, c, l) and gives xhat w + b; one goes back.

    group_norm, layer_norm, rms_norm    moments of stretches of each sample: csrc/norm.inc, `group_norm`
    batch_norm                          moments of each channel, or fixed ones: `batch_norm`

Arguments are checked by who calls, fastad/nn.  Next: normalised.py, the same as formulas.
"""
cimport cython
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ..arrays cimport GIL_SIZE, assign, contiguous, copy, fill
from ..kernels cimport K, fad_norm, share
from ..storage cimport Array, Layout, dense, dense_as, empty, shape_of, wrote
from ..tape cimport INTERMEDIATE, Node, Primitive, Walk, deliver, save, saved, wants
from ..tensor cimport Tensor, any_records, as_tensor, produced, record_n, unchanged, wrap
from ..types cimport F32, I64, compiled
from .shape cimport in_layout


@cython.final
cdef class Plan:
    """How an x is read, as (n, c, l), and what is done with it; a node's argument."""
    cdef fad_norm o
    cdef readonly bint weighted, biased
    cdef readonly tuple fixed           # the mean and the variance, as constant tensors, where they are given; or ()

    def __cinit__(self, Py_ssize_t n, Py_ssize_t c, Py_ssize_t l, Py_ssize_t groups, double eps, bint centred=True):
        self.o.n, self.o.c, self.o.l, self.o.groups, self.o.eps, self.o.centred = n, c, l, groups, eps, centred
        self.fixed = ()

    @property
    def shape(self):
        return self.o.n, self.o.c, self.o.l

    @property
    def groups(self):
        return self.o.groups

    @property
    def eps(self):
        return self.o.eps

    @property
    def centred(self):
        return bool(self.o.centred)


cdef inline char* data_of(Array a) noexcept nogil:
    return a.data if a is not None else NULL


# ---- the kernels, in parts ---------------------------------------------------------------------------
cdef enum:
    TILE = 512                            # bytes of a row that a kernel takes at a time


cdef struct Work:
    fad_norm o
    int code
    Py_ssize_t item, image                # bytes of a number, and of an image
    Py_ssize_t block                      # images whose sums are added up by themselves, whoever adds them
    Py_ssize_t side                       # channels that are read together: a tile, where they lie side by side
    char* x
    char* w
    char* b
    char* stats
    char* y                               # or dx, which may be NULL
    char* g
    char* sums                            # what is made on the way


cdef Work work_of(fad_norm* o, Array x, Array w, Array b, Array stats, Array y, Array g, Array sums) noexcept:
    cdef Work m
    m.o, m.code, m.item = o[0], x.layout.code, x.layout.itemsize
    m.image = o.c * o.l * m.item
    m.block, m.side = block_of(o), TILE // m.item if o.l == 1 else 1
    m.x, m.w, m.stats, m.y = x.data, w.data, stats.data, data_of(y)
    m.b, m.g, m.sums = data_of(b), data_of(g), data_of(sums)
    return m


cdef inline Py_ssize_t block_of(fad_norm* o) noexcept nogil:
    return 64 if o.l == 1 else 8


cdef void stretches(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Images by the moments of their stretches."""
    cdef const Work* m = <const Work*> work
    cdef fad_norm o = m.o
    o.n = stop - start
    K.group_norm[m.code](&o, m.x + start * m.image, m.w, m.b, m.stats + start * o.groups * 3 * m.item, m.y + start * m.image)


cdef void stretches_back(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Blocks of images, and the sums of each."""
    cdef const Work* m = <const Work*> work
    cdef fad_norm o = m.o
    cdef Py_ssize_t k, at
    for k in range(start, stop):
        at = k * m.block
        o.n = min(m.block, m.o.n - at)
        K.group_norm_back[m.code](&o, m.g + at * m.image, m.x + at * m.image, m.w, m.stats + at * o.groups * 3 * m.item,
                                  m.sums + k * 2 * o.c * m.item, NULL if m.y is NULL else m.y + at * m.image)


cdef void moments(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Of channels."""
    cdef const Work* m = <const Work*> work
    cdef Py_ssize_t first = start * m.side
    K.batch_moments[m.code](&m.o, min(stop * m.side, m.o.c) - first, m.x + first * m.o.l * m.item, m.stats + first * m.item)


cdef void channels(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Images by the moments of their channels."""
    cdef const Work* m = <const Work*> work
    K.batch_norm[m.code](&m.o, stop - start, m.x + start * m.image, m.stats, m.sums, m.y + start * m.image)


cdef void against(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """What the way back needs to know of channels."""
    cdef const Work* m = <const Work*> work
    cdef Py_ssize_t first = start * m.side, at = first * m.o.l * m.item, to = first * m.item
    K.batch_against[m.code](&m.o, min(stop * m.side, m.o.c) - first, m.g + at, m.x + at, m.stats + to, m.sums + to, m.sums + m.o.c * m.item + to)


cdef void channels_back(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Work* m = <const Work*> work
    cdef Py_ssize_t at = start * m.image
    K.batch_norm_back[m.code](&m.o, stop - start, m.g + at, m.x + at, m.stats, m.sums, m.y + at)


def formulas():
    """The rules for what is recorded, has leading axes or goes forward, which few need."""
    from . import normalised
    return normalised


cdef Array numbers(int code, Py_ssize_t n, double value):
    """So many numbers, all of this value unless it is NaN."""
    cdef Array out = empty(dense(code, 1, &n))
    if value == value:
        fill(out, value)
    return out


@cython.final
cdef class Normalise(Primitive):
    """Inputs: x, the weight and the bias, where there are any."""
    cdef bint of_batch

    def __cinit__(self, str name):
        self.name = name
        self.raw = True
        self.of_batch = name == "batch_norm"

    def apply(self, Tensor x not None, weight, bias, Plan plan not None, tuple wanted not None, tuple running=None,
              double share=-1, Tensor count=None):
        """The output, of a weight and a bias of shape `wanted`, or None.

        `running`, the mean and the variance of the channels, move by `share` towards those of x, and `count` goes up; for a
        share below 0 x is normalised by them."""
        cdef list inputs = [x], held
        cdef Tensor mean = None, var = None
        cdef Array a = x.arr, w, b, y, stats, work
        cdef fad_norm o = plan.o
        cdef int code = a.layout.code, i
        cdef Node node
        cdef Work m
        if not compiled(code) and a.layout.dtype.kind != "f":
            raise TypeError(f"{self.name}: the input must be float, got {a.layout.dtype}; use astype('float32')")
        plan.weighted, plan.biased = weight is not None, bias is not None
        if plan.weighted:
            inputs.append(self.checked("weight", weight, a.layout, wanted))
        if plan.biased:
            inputs.append(self.checked("bias", bias, a.layout, wanted))
        if running is not None:
            mean, var = self.checked("running_mean", running[0], a.layout, wanted), \
                self.checked("running_var", running[1], a.layout, wanted)
            if mean.node is not None or var.node is not None:
                raise TypeError(f"{self.name}: running statistics are not differentiated; give their detach()")
            if share >= 0 and (mean.arr.readonly or var.arr.readonly):
                raise ValueError("batch_norm: the memory of the running statistics is read-only; give a copy()")
            if share < 0:
                plan.fixed = wrap(copy(mean.arr)), wrap(copy(var.arr))
        if not compiled(code):
            if mean is not None and share >= 0:
                formulas().follow(x.detach(), plan, (mean, var), share)
                counted(count)
            return formulas().outputs(self, inputs, plan)[0]
        held = [(<Tensor> t).arr for t in inputs]
        a = contiguous(a)
        y = empty(dense_as(a.layout, a.layout.dtype))
        w = contiguous(<Array> held[1]) if plan.weighted else numbers(code, o.c, 1)
        b = contiguous(<Array> held[1 + plan.weighted]) if plan.biased else numbers(code, o.c, 0)
        stats = numbers(code, 4 * o.c if self.of_batch else 3 * o.n * o.groups, float("nan"))
        if plan.fixed:
            settle(stats, o, (<Tensor> plan.fixed[0]).arr, (<Tensor> plan.fixed[1]).arr)
        if a.layout.size:
            work = numbers(code, 2 * o.c, float("nan")) if self.of_batch else None
            m = work_of(&o, a, w, b, stats, y, None, work)
            if a.layout.size < GIL_SIZE:
                self.run(&m, bool(plan.fixed))
            else:
                with nogil:
                    self.run(&m, bool(plan.fixed))
        if mean is not None and share >= 0:
            follow(mean.arr, stats, 0, share, 1)
            follow(var.arr, stats, 3, share, <double> o.n * o.l / (<double> o.n * o.l - 1))
            counted(count)
        if not any_records(inputs):
            return wrap(y)
        for i in range(len(held)):
            unchanged(self.name, <Tensor> inputs[i], <Array> held[i])
        node = record_n(self, inputs, plan)
        for i in range(len(held)):
            save(node, <Array> held[i], i)
        save(node, stats, INTERMEDIATE)
        return produced(y, node)

    cdef Tensor checked(self, str what, object value, Layout x, tuple wanted):
        """A parameter as a tensor, if it fits an input of layout `x`."""
        cdef Tensor t = as_tensor(value)
        if t.arr.layout.dtype is not x.dtype and t.arr.layout.dtype != x.dtype:
            raise TypeError(f"{self.name}: the input is {x.dtype} and {what} {t.dtype}; use x.astype({str(t.dtype)!r}), or give "
                            f"the layer dtype={str(x.dtype)!r}")
        if shape_of(t.arr.layout) != wanted:
            raise ValueError(f"{self.name}: {what} must have shape {wanted} for an input of shape {shape_of(x)}, got {t.shape}")
        return t

    cdef void run(self, const Work* m, bint fixed) noexcept nogil:
        cdef double image = <double> m.o.c * m.o.l
        if not self.of_batch:
            share(stretches, m, m.o.n, image)
            return
        if not fixed:
            share(moments, m, (m.o.c - 1) // m.side + 1, <double> m.o.n * m.o.l * m.side)
        K.batch_factors[m.code](&m.o, m.w, m.b, m.stats, m.sums)
        share(channels, m, m.o.n, image)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Plan plan = <Plan> node.args
        cdef fad_norm o = plan.o
        cdef Array x = contiguous(saved(node, 0)), w, stats = saved(node, node.n_in), dx = None, work
        cdef int code = x.layout.code
        cdef bint fixed = bool(plan.fixed)
        cdef Array dw = None, db = None       # sums, into memory of their own
        cdef Work m
        w = contiguous(saved(node, 1)) if plan.weighted else numbers(code, o.c, 1)
        g = contiguous(g)
        if plan.weighted and wants(walk, node, 1):
            dw = numbers(code, o.c, 0)
        if plan.biased and wants(walk, node, node.n_in - 1):
            db = numbers(code, o.c, 0)
        if wants(walk, node, 0):
            dx = empty(x.layout)
        if x.layout.size:
            work = numbers(code, 5 * o.c if self.of_batch else 2 * o.c * ((o.n - 1) // block_of(&o) + 1), float("nan"))
            m = work_of(&o, x, w, None, stats, dx, g, work)
            if x.layout.size < GIL_SIZE:
                self.run_back(&m, fixed, data_of(dw), data_of(db))
            else:
                with nogil:
                    self.run_back(&m, fixed, data_of(dw), data_of(db))
        if dx is not None:
            deliver(walk, node, 0, dx)
        if dw is not None:
            dw.layout = in_layout(node, 1)
            deliver(walk, node, 1, dw)
        if db is not None:
            db.layout = in_layout(node, node.n_in - 1)
            deliver(walk, node, node.n_in - 1, db)
        return 0

    cdef void run_back(self, const Work* m, bint fixed, char* dw, char* db) noexcept nogil:
        cdef Py_ssize_t c = m.o.c, blocks = (m.o.n - 1) // m.block + 1
        cdef double image = <double> c * m.o.l
        if self.of_batch:
            share(against, m, (c - 1) // m.side + 1, <double> m.o.n * m.o.l * m.side)
            K.batch_slopes[m.code](&m.o, m.w, m.stats, fixed, m.sums, dw, db)
            if m.y is not NULL:
                share(channels_back, m, m.o.n, image)
            return
        share(stretches_back, m, blocks, m.block * image)
        K.sum[m.code](1, blocks - 1, 2 * c, m.sums + 2 * c * m.item, m.sums, True)
        if dw is not NULL:
            memcpy(dw, m.sums, c * m.item)
        if db is not NULL:
            memcpy(db, m.sums + c * m.item, c * m.item)

    cdef dict statics_of(self, Node node):
        cdef Plan plan = <Plan?> node.args
        cdef dict given = {"shape": plan.shape, "eps": plan.eps}
        if self.of_batch:
            given["training"] = not plan.fixed
        else:
            given["groups"] = plan.groups
        return given

    def vjp(self, node, saved, g):
        return formulas().vjp(self, node, saved, g)

    def jvp(self, node, saved, tangents):
        return formulas().jvp(self, node, saved, tangents)


cdef int counted(Tensor count) except -1:
    """count += 1, in place"""
    if count is None:
        return 0
    if count.arr.layout.code == I64 and not count.arr.readonly:
        wrote(count.arr)
        (<int64_t*> count.arr.data)[0] += 1
    else:
        count.copy_(count + 1)
    return 0


cdef inline double number(Array a, Py_ssize_t i) noexcept:
    return (<float*> a.data)[i] if a.layout.code == F32 else (<double*> a.data)[i]


cdef inline void put(Array a, Py_ssize_t i, double value) noexcept:
    if a.layout.code == F32:
        (<float*> a.data)[i] = <float> value
    else:
        (<double*> a.data)[i] = value


cdef int settle(Array stats, fad_norm o, Array mean, Array var) except -1:
    """What the kernels read of channels with a given mean and variance."""
    cdef Py_ssize_t i
    mean, var = contiguous(mean), contiguous(var)
    for i in range(o.c):
        put(stats, i, number(mean, i))
        put(stats, o.c + i, 0)
        put(stats, 2 * o.c + i, 1 / sqrt(number(var, i) + o.eps))
    return 0


cdef int follow(Array running, Array stats, int row, double share, double factor) except -1:
    """running += share (factor times that row of the statistics - running), in place"""
    cdef Array new = empty(dense_as(running.layout, running.layout.dtype)), old = contiguous(running)
    cdef Py_ssize_t i, c = running.layout.size
    for i in range(c):
        put(new, i, (1 - share) * number(old, i) + share * factor * number(stats, row * c + i))
    wrote(running)
    return assign(running, new)


PRIMITIVES = {name: Normalise(name) for name in ("layer_norm", "rms_norm", "group_norm", "batch_norm")}
