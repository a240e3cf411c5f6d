"""Level 4: pictures resampled by a map, and the transpose, which spreads what a place receives over what it read.

    y[n, c, i, j] = x[n, c] at (row, column) = map[n] (i, j)         linear in x: warp is spread's derivative, and spread warp's

The loops are csrc/image.c's, which also blend pictures (fastad.augment's colours).  Imports arrays and the tape below.
"""
cimport cython

import math

import numpy as np

from ..arrays cimport contiguous, fill
from ..storage cimport GIL_SIZE, Array, Layout, dense_dtype, empty, from_ndarray, give_back, resize, shape_of, to_ndarray
from ..tape cimport Node, Primitive, Walk, deliver, receive, wants
from ..tensor cimport Tensor, produced, record1, records, unchanged, wrap
from ..types cimport compiled
from .shape cimport in_layout, lead_in, lead_of

cdef extern from "image.h" nogil:
    enum:
        FAD_CONSTANT, FAD_EDGE, FAD_REFLECT
        FAD_MATRIX, FAD_FIELD, FAD_LENS, FAD_LENS_LENGTH
        FAD_PLAIN, FAD_MEAN, FAD_LUMA, FAD_OTHER
    ctypedef struct fad_warp:
        Py_ssize_t c, h, w, ho, wo
        int mode, antialias, kind
        double fill
    ctypedef void fad_warp_fn(const fad_warp* s, const double* map, const void* x, void* out, void* work)
    ctypedef void fad_blend_fn(int kind, Py_ssize_t c, Py_ssize_t n, double f, const void* x, const void* other, void* out)
    size_t fad_warp_work(const fad_warp* s, const double* map)
    fad_warp_fn* fad_warps[3]
    fad_warp_fn* fad_spreads[2]
    fad_blend_fn* fad_blends[3]

MODES = {"constant": FAD_CONSTANT, "edge": FAD_EDGE, "reflect": FAD_REFLECT}
KINDS = {"plain": FAD_PLAIN, "mean": FAD_MEAN, "luma": FAD_LUMA, "other": FAD_OTHER}
cdef object UINT8 = np.dtype(np.uint8)
cdef enum:
    PICTURE = 2                           # fad_warps' number of uint8
    LARGEST = 1 << 30                     # rows or columns


cdef int number_of(str name, Layout x) except -1:
    """Which of the compiled loops serves a dtype."""
    if compiled(x.code):
        return x.code
    if x.dtype == UINT8:
        return PICTURE
    raise TypeError(f"{name}: pictures must be float32, float64 or uint8, got {x.dtype}; use astype")


@cython.final
cdef class Map:
    """Where each place of the result looks, and what it sees beyond the edges; checked, and its own copy."""
    cdef object places                    # float64: matrices (1 or n, 2, 3), or fields (1 or n, 2, ho, wo)
    cdef tuple size
    cdef str mode
    cdef bint antialias
    cdef double fill

    def __repr__(self):
        return f"<map of shape {self.places.shape}, mode={self.mode!r}>"

    cdef Map linear(self):
        """The same with nothing beyond the edges: what tangents go through."""
        if self.fill == 0 or self.mode != "constant":
            return self
        cdef Map other = Map.__new__(Map)
        other.places, other.size, other.mode, other.antialias = self.places, self.size, self.mode, self.antialias
        return other

    cdef int run(self, str name, fad_warp_fn* f, Layout picture, const char* source, Py_ssize_t source_bytes, char* to,
                 Py_ssize_t to_bytes) except -1:
        """f on picture after picture of shape `picture` (..., c, h, w), which is x's for spread too."""
        cdef fad_warp s
        cdef Py_ssize_t i, n = 1, step
        cdef int d = picture.ndim - 3
        cdef size_t need = 0
        cdef void* work = NULL
        cdef Array places = from_ndarray(self.places)
        cdef const double* map = <const double*> places.data
        for i in range(d):
            n *= picture.shape[i]
        s.c, s.h, s.w = picture.shape[d], picture.shape[d + 1], picture.shape[d + 2]
        s.ho, s.wo = self.size
        s.mode, s.antialias, s.fill = MODES[self.mode], self.antialias, self.fill
        s.kind = FAD_FIELD if places.layout.ndim == 4 else FAD_MATRIX if places.layout.ndim == 3 else FAD_LENS
        if n == 0 or s.c * s.ho * s.wo == 0:
            return 0
        if s.h * s.w == 0:
            raise ValueError(f"{name}: a picture of shape {shape_of(picture)} has no pixels to look at")
        cdef Py_ssize_t maps = places.layout.shape[0], length = places.layout.size // maps
        for i in range(maps):
            need = max(need, fad_warp_work(&s, map + i * length))
        if need:
            work = resize(NULL, need)
            if work is NULL:
                raise MemoryError(f"{name}: no memory for {need} bytes")
        if n * s.c * (s.h * s.w + s.ho * s.wo) < GIL_SIZE:
            for i in range(n):
                f(&s, map + (i % maps) * length, source + i * source_bytes, to + i * to_bytes, work)
        else:
            with nogil:
                for i in range(n):
                    f(&s, map + (i % maps) * length, source + i * source_bytes, to + i * to_bytes, work)
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
        return (SPREAD.apply(g, node.args, lead_of(node, g) + node.in_shape(0)),)

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
        return (WARP.apply(g, node.args[0]),)

    def jvp(self, node, saved, tangents):
        t, = tangents
        return SPREAD.apply(t, node.args[0], lead_in(node, 0, t) + node.out_shape)


cdef Warp WARP = Warp()
cdef Spread SPREAD = Spread()
PRIMITIVES = {"warp": WARP, "spread": SPREAD}


# ---- what fastad.augment calls -----------------------------------------------------------------------
def map_of(places, size, shape, str mode, double fill_value, bint antialias):
    """A checked map for pictures of shape (n, c, h, w): matrices (2, 3) or (n, 2, 3), fields (n, 2, ho, wo), which say the size
    themselves, or lenses (n, 15), see csrc/image.h; n may be 1."""
    cdef Map map = Map.__new__(Map)
    if len(shape) != 4:
        raise ValueError(f"warp: pictures must have shape (n, channels, height, width), got {tuple(shape)}")
    n, _, h, w = shape
    if isinstance(places, Tensor):
        if places.requires_grad:
            raise TypeError("warp: there is no derivative by the map; use map.detach()")
        places = places.detach().numpy()
    places = np.array(places, np.float64, order="C")
    cdef bint field = places.ndim == 4, lens = places.ndim == 2 and places.shape[1] == FAD_LENS_LENGTH
    if not (lens or (field and places.shape[1] == 2) or (places.ndim in (2, 3) and places.shape[places.ndim - 2:] == (2, 3))):
        raise ValueError(f"warp: a map is a matrix (2, 3) or (n, 2, 3), or a field (n, 2, height, width), got shape {places.shape}")
    if places.ndim == 2 and not lens:
        places = places[None]
    if field and size is not None:
        raise ValueError("warp: a field says the size of the result by its shape; leave size out")
    if len(places) not in (1, n):
        raise ValueError(f"warp: {len(places)} maps for {n} pictures of shape {tuple(shape)}")
    if not field and not np.isfinite(places).all():
        raise ValueError("warp: a matrix holds a number that is not finite")
    if mode not in MODES:
        raise ValueError(f"warp: mode must be one of {', '.join(MODES)}, got {mode!r}")
    if field:
        size = places.shape[2:]
    map.size = (h, w) if size is None else tuple([int(v) for v in size])
    if len(map.size) != 2 or min(map.size) < 0 or max(*map.size, h, w) > LARGEST:
        raise ValueError(f"warp: size must be (height, width), each at most {LARGEST}, got {size} for pictures of shape "
                         f"{tuple(shape)}")
    if not math.isfinite(fill_value):
        raise ValueError(f"warp: fill must be a finite number, got {fill_value}")
    map.places, map.mode, map.fill, map.antialias = places, mode, fill_value, antialias
    return map


def warped(x, Map map not None):
    """A tensor, or an array as an array, through a map."""
    if isinstance(x, Tensor):
        return WARP.apply(x, map)
    return to_ndarray(map.seen("warp", from_ndarray(x)))


def blended(str kind, x, factors, other=None, out=None):
    """factors[i] x[i] + (1 - factors[i]) y[i] of an array x (n, c, ...), into `out` if given: which may be x.

    y is zero ("plain"), the picture's mean luma ("mean"), the luma of every pixel ("luma"), or `other` of x's shape.  Bytes
    are rounded to the nearest and kept within 0 and 255."""
    cdef Array a = from_ndarray(x), b = None, to, f = from_ndarray(np.ascontiguousarray(factors, np.float64))
    cdef int number = number_of("blended", a.layout), code = KINDS[kind]
    cdef Py_ssize_t i, n = a.layout.shape[0], c = a.layout.shape[1], size = a.layout.size // (n * c) if a.layout.size else 0
    cdef Py_ssize_t nbytes = c * size * a.layout.itemsize
    cdef const double* factor = <const double*> f.data
    a = contiguous(a)
    to = from_ndarray(np.empty(x.shape, x.dtype) if out is None else out)
    if other is not None:
        b = contiguous(from_ndarray(other))
    if (to.layout.size, to.layout.dtype) != (a.layout.size, a.layout.dtype) or f.layout.size != n or not to.layout.contiguous or \
            (b is not None and (b.layout.size, b.layout.dtype) != (a.layout.size, a.layout.dtype)) or (code == FAD_OTHER) != (b is not None):
        raise ValueError("blended: shapes or dtypes differ")
    cdef const char* beside = b.data if b is not None else NULL
    with nogil:
        for i in range(n if size else 0):
            fad_blends[number](code, c, size, factor[i], a.data + i * nbytes, beside + i * nbytes if beside else NULL,
                               to.data + i * nbytes)
    return to_ndarray(to)
