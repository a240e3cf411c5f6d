"""Level 4: pictures resampled by a map, and the transpose, which spreads what a place receives over what it read.

    y[n, c, i, j] = x[n, c] at (row, column) = map[n] (i, j)         linear in x: warp is spread's derivative, and spread warp's

The loops are csrc/image.c's, which also blend pictures (fastad.augment's colours).  Imports arrays and the tape below.
"""
cimport cython

import numpy as np

from ..arrays cimport contiguous, fill
from ..kernels cimport PART, fad_line, parts_of, share, share_rows
from ..storage cimport GIL_SIZE, Array, Layout, dense_dtype, empty, from_ndarray, give_back, resize, shape_of, to_ndarray
from ..tape cimport Node, Primitive, Walk, deliver, receive, wants
from ..tensor cimport Tensor, produced, record1, records, unchanged, wrap
from ..types cimport compiled
from .shape cimport in_layout, lead_in, lead_of

cdef extern from "image.h" nogil:
    enum:
        FAD_MATRIX, FAD_FIELD, FAD_LENS
    ctypedef struct fad_warp:
        Py_ssize_t c, h, w, ho, wo
        int mode, antialias, kind
        double fill
    ctypedef void fad_warp_fn(const fad_warp* s, const double* map, const void* x, void* out, void* work)
    ctypedef void fad_blend_fn(int kind, Py_ssize_t c, Py_ssize_t n, double f, const void* x, const void* other, void* out)
    size_t fad_warp_work(const fad_warp* s, const double* map, bint back)
    fad_warp_fn* fad_warps[3]
    fad_warp_fn* fad_spreads[2]
    fad_blend_fn* fad_blends[3]

cdef object UINT8 = np.dtype(np.uint8)
cdef enum:
    PICTURE = 2                           # fad_warps' number of uint8


cdef int number_of(str name, Layout x) except -1:
    """Which of the compiled loops serves a dtype."""
    if compiled(x.code):
        return x.code
    if x.dtype == UINT8:
        return PICTURE
    raise TypeError(f"{name}: pictures must be float32, float64 or uint8, got {x.dtype}; use astype")


cdef enum:
    PIXEL = 8                             # the place and the mixture of one count as so many elements


# ---- pictures, in parts ------------------------------------------------------------------------------
cdef struct Pictures:
    const fad_warp* s
    fad_warp_fn* f
    const double* map                     # the first of `maps`, which take turns, each of so many numbers
    Py_ssize_t length, maps
    const char* source
    char* to
    Py_ssize_t n, source_bytes, to_bytes
    char* work                            # `need` bytes for each part
    Py_ssize_t need, parts


cdef void warp_parts(const void* what, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Pictures* p = <const Pictures*> what
    cdef Py_ssize_t i, part
    for part in range(start, stop):
        for i in range(p.n * part // p.parts, p.n * (part + 1) // p.parts):
            p.f(p.s, p.map + (i % p.maps) * p.length, p.source + i * p.source_bytes, p.to + i * p.to_bytes,
                p.work + part * p.need if p.need else NULL)


@cython.final
cdef class Map:
    """Where each place of the result looks, and what it sees beyond the edges; `fastad.augment.warping.map_of` makes them."""
    cdef object places                    # float64: matrices (1 or n, 2, 3), fields (1 or n, 2, ho, wo), lenses (1 or n, 15)
    cdef tuple size
    cdef int mode                         # FAD_CONSTANT, FAD_EDGE or FAD_REFLECT
    cdef bint antialias
    cdef double fill

    def __cinit__(self, places, tuple size, int mode, double fill, bint antialias):
        self.places, self.size, self.mode, self.fill, self.antialias = places, size, mode, fill, antialias

    def __repr__(self):
        return f"<map of shape {self.places.shape}>"

    cdef Map linear(self):
        """The same with nothing beyond the edges: what tangents go through."""
        return self if self.fill == 0 else Map(self.places, self.size, self.mode, 0, self.antialias)

    cdef int run(self, str name, fad_warp_fn* f, Layout picture, const char* source, Py_ssize_t source_bytes, char* to,
                 Py_ssize_t to_bytes) except -1:
        """f on picture after picture of shape `picture` (..., c, h, w), which is x's for spread too."""
        cdef fad_warp s
        cdef Py_ssize_t i, n = 1, step
        cdef int d = picture.ndim - 3
        cdef bint back = f == fad_spreads[0] or f == fad_spreads[1]
        cdef size_t need = 0
        cdef void* work = NULL
        cdef Pictures p
        cdef Array places = from_ndarray(self.places)
        cdef const double* map = <const double*> places.data
        for i in range(d):
            n *= picture.shape[i]
        s.c, s.h, s.w = picture.shape[d], picture.shape[d + 1], picture.shape[d + 2]
        s.ho, s.wo = self.size
        s.mode, s.antialias, s.fill = self.mode, self.antialias, self.fill
        s.kind = FAD_FIELD if places.layout.ndim == 4 else FAD_MATRIX if places.layout.ndim == 3 else FAD_LENS
        if n == 0 or s.c * s.ho * s.wo == 0:
            return 0
        if s.h * s.w == 0:
            raise ValueError(f"{name}: a picture of shape {shape_of(picture)} has no pixels to look at")
        cdef Py_ssize_t maps = places.layout.shape[0], length = places.layout.size // maps
        for i in range(maps):
            need = max(need, fad_warp_work(&s, map + i * length, back))
        p.s, p.f, p.map, p.length, p.maps, p.n = &s, f, map, length, maps, n
        p.source, p.source_bytes, p.to, p.to_bytes = source, source_bytes, to, to_bytes
        p.need = (need + 63) // 64 * 64
        p.parts = 1 if need > 1 << 40 else parts_of(n, PIXEL * <double> n * s.c * s.ho * s.wo)
        if need:
            work = resize(NULL, p.need * p.parts)
            if work is NULL:
                raise MemoryError(f"{name}: no memory for {p.need * p.parts} bytes")
        p.work = <char*> work
        if n * s.c * (s.h * s.w + s.ho * s.wo) < GIL_SIZE:
            warp_parts(&p, 0, p.parts)
        else:
            with nogil:
                share(warp_parts, &p, p.parts, PART)
        give_back(work)
        return 0

    cdef Array seen(self, str name, Array x):
        """x (..., n, c, h, w) through the map: the warp itself."""
        cdef int d = x.layout.ndim - 2, number = number_of(name, x.layout)
        cdef Layout picture
        cdef Array out
        cdef Py_ssize_t shape[64]
        cdef int i
        x = contiguous(x)
        picture = x.layout
        for i in range(d):
            shape[i] = picture.shape[i]
        shape[d], shape[d + 1] = self.size
        out = empty(dense_dtype(picture.dtype, d + 2, shape))
        self.run(name, fad_warps[number], picture, x.data, bytes_of(picture), out.data, bytes_of(out.layout))
        return out

    cdef int add_spread(self, str name, Array g, Array out) except -1:
        """Add to out (..., n, c, h, w) what the transpose makes of g."""
        g = contiguous(g)
        if not compiled(g.layout.code):
            raise TypeError(f"{name}: derivatives are float32 or float64, got {g.layout.dtype}")
        return self.run(name, fad_spreads[g.layout.code], out.layout, g.data, bytes_of(g.layout), out.data, bytes_of(out.layout))


cdef Py_ssize_t bytes_of(Layout x) noexcept:
    """Those of one picture (c, h, w)."""
    return x.itemsize * x.shape[x.ndim - 1] * x.shape[x.ndim - 2] * x.shape[x.ndim - 3]


# ---- the primitives ----------------------------------------------------------------------------------
@cython.final
cdef class Warp(Primitive):
    """y = x at the places of a map; dx = g spread over what they read"""
    def __cinit__(self):
        self.name = "warp"
        self.raw = True

    cdef Tensor apply(self, Tensor x, Map map):
        cdef Array a = x.arr, out = map.seen(self.name, a)
        unchanged(self.name, x, a)
        return produced(out, record1(self, x, map)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Array out
        cdef bint adds
        if not wants(walk, node, 0):
            return 0
        out = receive(walk, node, 0, in_layout(node, 0), &adds)
        if not adds:
            fill(out, 0)
        (<Map> node.args).add_spread(self.name, g, out)
        return deliver(walk, node, 0, out)

    cdef dict statics_of(self, Node node):
        return {"map": node.args}

    def vjp(self, node, saved, g):
        return (SPREAD.apply(g, <Map?> node.args, lead_of(node, g) + node.in_shape(0)),)

    def jvp(self, node, saved, tangents):
        return WARP.apply(tangents[0], (<Map?> node.args).linear())


@cython.final
cdef class Spread(Primitive):
    """The transpose of warp: y = x spread over what the places of a map read; dx = g at those places"""
    def __cinit__(self):
        self.name = "spread"
        self.raw = True

    cdef Tensor apply(self, Tensor x, Map map, tuple shape):
        cdef Array a = x.arr, out = from_ndarray(np.zeros(shape, a.layout.dtype))
        map.add_spread(self.name, a, out)
        unchanged(self.name, x, a)
        return produced(out, record1(self, x, (map.linear(), shape))) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        return deliver(walk, node, 0, (<Map> node.args[0]).seen(self.name, g)) if wants(walk, node, 0) else 0

    cdef dict statics_of(self, Node node):
        return {"map": node.args[0], "shape": node.args[1]}

    def vjp(self, node, saved, g):
        return (WARP.apply(g, <Map?> node.args[0]),)

    def jvp(self, node, saved, tangents):
        t, = tangents
        return SPREAD.apply(t, <Map?> node.args[0], lead_in(node, 0, t) + node.out_shape)


cdef Warp WARP = Warp()
cdef Spread SPREAD = Spread()
PRIMITIVES = {"warp": WARP, "spread": SPREAD}


# ---- what fastad.augment calls, with arguments that it has checked --------------------------------------
def warped(x, Map map not None):
    """A tensor, or an array as an array, through a map."""
    if isinstance(x, Tensor):
        return WARP.apply(x, map)
    return to_ndarray(map.seen("warp", from_ndarray(x)))


cdef struct Blend:
    fad_blend_fn* f
    int kind
    Py_ssize_t c, size


cdef void blend_part(const void* work, Py_ssize_t n, const fad_line* lines) noexcept nogil:
    cdef const Blend* b = <const Blend*> work
    cdef Py_ssize_t i, step = lines[1].step
    for i in range(n):
        b.f(b.kind, b.c, b.size, (<const double*> lines[0].at)[i], lines[1].at + i * step,
            lines[2].at + i * step if lines[2].at is not NULL else NULL, lines[3].at + i * step)


def blended(int kind, x, factors, other, out):
    """out[i] = factors[i] x[i] + (1 - factors[i]) y[i] of an array x (n, c, ...), dense ones alike; `out` may be x.

    y is zero, the picture's mean luma, the luma of every pixel, or `other`: by number, see csrc/image.h.  Bytes are rounded to
    the nearest and kept within 0 and 255."""
    cdef Array a = contiguous(from_ndarray(x)), b = None if other is None else from_ndarray(other), to = from_ndarray(out)
    cdef Array f = from_ndarray(factors)
    cdef int number = number_of("blended", a.layout)
    cdef Py_ssize_t n = f.layout.size, nbytes = a.layout.size // max(n, 1) * a.layout.itemsize
    cdef Py_ssize_t c = a.layout.shape[1], size = a.layout.size // max(n * c, 1)
    cdef char* beside = b.data if b is not None else NULL
    cdef fad_line lines[4]
    cdef Blend blend
    if size == 0:
        return
    blend.f, blend.kind, blend.c, blend.size = fad_blends[number], kind, c, size
    lines[0].at, lines[0].step = f.data, sizeof(double)
    lines[1].at, lines[2].at, lines[3].at = a.data, beside, to.data
    lines[1].step = lines[2].step = lines[3].step = nbytes
    with nogil:
        share_rows(blend_part, &blend, n, 2 * <double> c * size, 4, lines)
