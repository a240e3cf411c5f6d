"""Level 4: the largest of each window of an image, and the sum of each window.

The first is a choice, and its derivative reads where the largest stood; the second is linear.  nn/pooling.py makes the
layers' operations of them.  Next: windows.py, sizes and their checks.
"""
cimport cython
from libc.string cimport memset

import numpy as np

from ..arrays cimport contiguous, fill
from ..kernels cimport K, fad_line, fad_rows_part_fn, fad_windows, share_rows
from ..storage cimport Array, Layout, dense, empty, from_ndarray, shape_of, to_ndarray
from ..tape cimport Node, Primitive, Walk, deliver, grad_enabled
from ..tensor cimport Tensor, as_tensor, produced, record1, unchanged, wrap
from ..tensor import FUNCTIONS
from ..types cimport F32, MAX_NDIM, compiled
from . import windows
from .shape cimport in_layout, lead_of


@cython.final
cdef class Windows:
    """Windows that slide over images; of maxima also where these stood."""
    cdef fad_windows sizes
    cdef Array where                      # int32 of float32 images, int64 of others, whatever its layout says
    cdef readonly tuple given

    def __cinit__(self, tuple images, tuple outputs, tuple kernel, tuple stride, tuple padding, tuple dilation):
        cdef fad_windows* q = &self.sizes
        cdef int i
        self.given = (images, outputs, kernel, stride, padding, dilation)
        q.height, q.width = images
        q.rows, q.cols = outputs
        for i in range(2):
            q.kernel[i], q.stride[i], q.pad[i], q.dilation[i] = kernel[i], stride[i], padding[i], dilation[i]

    def places(self):
        """Where the maxima stood, (images, outputs) int64: the number of the element in its image."""
        cdef Layout layout
        if self.where is None:
            raise ValueError("Windows: no maxima have been looked for")
        layout = self.where.layout
        kind = np.int32 if layout.code == F32 else np.int64
        outputs = self.given[1]
        return to_ndarray(self.where).view(kind).reshape(-1, outputs[0] * outputs[1]).astype(np.int64)


cdef Py_ssize_t images_of(Layout x) noexcept:
    """How many images there are."""
    cdef Py_ssize_t count = 1
    cdef int i
    for i in range(x.ndim - 2):
        count *= x.shape[i]
    return count


cdef Layout sized(Layout like, Py_ssize_t height, Py_ssize_t width):
    """The same axes in front of images of another size."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef int i
    for i in range(like.ndim - 2):
        shape[i] = like.shape[i]
    shape[like.ndim - 2], shape[like.ndim - 1] = height, width
    return dense(like.code, like.ndim, shape)


# ---- the kernels, in parts of images -----------------------------------------------------------------
cdef struct Slide:
    const fad_windows* q
    int code
    bint back


cdef void maxima(const void* work, Py_ssize_t images, const fad_line* lines) noexcept nogil:
    cdef const Slide* w = <const Slide*> work
    K.max_windows[w.code](w.q, images, lines[0].at, lines[1].at, lines[2].at)


cdef void maxima_back(const void* work, Py_ssize_t images, const fad_line* lines) noexcept nogil:
    cdef const Slide* w = <const Slide*> work
    memset(lines[0].at, 0, images * lines[0].step)
    K.max_windows_back[w.code](images, w.q.rows * w.q.cols, w.q.height * w.q.width, lines[1].at, lines[2].at, lines[0].at)


cdef void sums(const void* work, Py_ssize_t images, const fad_line* lines) noexcept nogil:
    cdef const Slide* w = <const Slide*> work
    cdef const fad_line* out = &lines[0 if w.back else 1]
    memset(out.at, 0, images * out.step)
    K.sum_windows[w.code](w.q, images, lines[0].at, lines[1].at, w.back)


cdef void slide(fad_rows_part_fn part, const fad_windows* q, Layout layout, bint back, Array images, Array windows, Array where) noexcept:
    """What a kernel does to images and their windows, dense."""
    cdef fad_line lines[3]
    cdef Slide w
    cdef Py_ssize_t size = q.height * q.width, n = q.rows * q.cols, count = images_of(layout)
    w.q, w.code, w.back = q, layout.code, back
    lines[0].at, lines[0].step = images.data, size * layout.itemsize
    lines[1].at, lines[1].step = windows.data, n * layout.itemsize
    lines[2].at, lines[2].step = NULL if where is None else where.data, n * layout.itemsize
    with nogil:
        share_rows(part, &w, count, <double> n * q.kernel[0] * q.kernel[1] + size, 3, lines)


@cython.final
cdef class MaxWindows(Primitive):
    """y = x[where]; dx = g, added up at `where`"""
    def __cinit__(self):
        self.name = "max_pool"
        self.raw = True

    cdef Tensor apply(self, Tensor x, Windows w):
        cdef Array xa = x.arr, source = contiguous(xa), out
        cdef Layout layout = xa.layout
        cdef Node node
        out = empty(sized(layout, w.sizes.rows, w.sizes.cols))
        w.where = empty(out.layout)
        if out.layout.size:
            slide(maxima, &w.sizes, layout, False, source, out, w.where)
        if x.node is None or not grad_enabled():
            return wrap(out)
        unchanged("max_pool", x, xa)
        node = record1(self, x, w)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Windows w = <Windows> node.args
        cdef Array out = empty(in_layout(node, 0)), source = contiguous(g)
        if source.layout.size:
            slide(maxima_back, &w.sizes, out.layout, True, out, source, w.where)
        else:
            fill(out, 0)
        return deliver(walk, node, 0, out)

    def index(self, Windows w):
        """What picks the maxima from (..., images, elements)."""
        places = w.places()
        return (..., np.arange(len(places))[:, None], places)

    def vjp(self, node, saved, g):
        cdef Windows w = <Windows?> node.args
        index = self.index(w)
        lead, images = lead_of(node, g), index[2].shape[0]
        flat = FUNCTIONS["scatter"](FUNCTIONS["reshape"](g, (*lead, *index[2].shape)), index,
                                    (*lead, images, w.sizes.height * w.sizes.width))
        return (FUNCTIONS["reshape"](flat, (*lead, *node.in_shape(0))),)

    def jvp(self, node, saved, tangents):
        cdef Windows w = <Windows?> node.args
        t, = tangents
        index = self.index(w)
        shape = t.shape
        lead = shape[:t.ndim - len(node.out_shape)]
        flat = FUNCTIONS["reshape"](t, (*lead, index[2].shape[0], w.sizes.height * w.sizes.width))
        return FUNCTIONS["reshape"](flat[index], (*lead, *node.out_shape))

    cdef dict statics_of(self, Node node):
        return dict(zip(("kernel_size", "stride", "padding", "dilation"), (<Windows?> node.args).given[2:]))


@cython.final
cdef class SumWindows(Primitive):
    """y = the sums of windows, of images (..., height, width); the adjoint gives every number to all of its window"""
    cdef bint back

    def __cinit__(self, str name, bint back):
        self.name, self.back = name, back
        self.raw = True

    cdef Array value(self, Array x, Windows w, bint back):
        cdef Array out, source
        if not compiled(x.layout.code):
            return from_ndarray((windows.spread if back else windows.sums)(w.given, to_ndarray(x)))
        out = empty(sized(x.layout, w.sizes.height, w.sizes.width) if back else
                    sized(x.layout, w.sizes.rows, w.sizes.cols))
        source = contiguous(x)
        slide(sums, &w.sizes, x.layout, back, out if back else source, source if back else out, None)
        return out

    cdef Tensor apply(self, Tensor x, Windows w):
        cdef Array xa = x.arr, out = self.value(xa, w, self.back)
        if x.node is None or not grad_enabled():
            return wrap(out)
        unchanged(self.name, x, xa)
        return produced(out, record1(self, x, w))

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, self.value(g, <Windows> node.args, not self.back))

    def vjp(self, node, saved, g):
        return ((SUMS if self.back else SPREAD).apply(g, node.args),)

    def jvp(self, node, saved, tangents):
        return self.apply(tangents[0], node.args)

    cdef dict statics_of(self, Node node):
        return dict(zip(("kernel_size", "stride", "padding"), (<Windows?> node.args).given[2:]))


cdef MaxWindows MAXIMA = MaxWindows()
cdef SumWindows SUMS = SumWindows("sum_pool", False), SPREAD = SumWindows("sum_pool_adjoint", True)
PRIMITIVES = {"max_pool": MAXIMA, "sum_pool": SUMS, "sum_pool_adjoint": SPREAD}


def max_windows(x, Windows w not None):
    """The maxima of windows of (..., height, width), float32 or float64; `w` learns where they stood."""
    cdef Tensor t = as_tensor(x)
    if not compiled(t.arr.layout.code):
        raise TypeError(f"max_pool: the input must be float32 or float64, got {t.dtype}")
    check("max_pool", t.arr.layout, w.sizes.height, w.sizes.width)
    return MAXIMA.apply(t, w)


def sum_windows(x, Windows w not None):
    """The sums of windows of (..., height, width)."""
    cdef Tensor t = as_tensor(x)
    check("sum_pool", t.arr.layout, w.sizes.height, w.sizes.width)
    return SUMS.apply(t, w)


def spread_windows(y, Windows w not None):
    """Its adjoint: each of (..., rows, columns) added to all of its window."""
    cdef Tensor t = as_tensor(y)
    check("sum_pool_adjoint", t.arr.layout, w.sizes.rows, w.sizes.cols)
    return SPREAD.apply(t, w)


cdef int check(str name, Layout x, Py_ssize_t height, Py_ssize_t width) except -1:
    if x.ndim < 2 or x.shape[x.ndim - 2] != height or x.shape[x.ndim - 1] != width:
        raise ValueError(f"{name}: expected images of size {(height, width)}, got shape {shape_of(x)}")
    return 0
