"""Level 1: memory.  A pool of blocks, the layouts that describe them, and exchange with NumPy.

Imports the level below (types) and NumPy's C API.  Next: arrays.pyx, what can be done with arrays
without thinking of derivatives; tape.pyx, the derivatives.
"""
cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uintptr_t
from libc.string cimport memcmp, memcpy

import numpy as np

from .types cimport FASTAD_DEBUG

cnp.import_array()

cdef extern from "Python.h":
    void* PyObject_Malloc(size_t n)
    void PyObject_Free(void* p)
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif
    /* Pages of 2 MB, where the system has them to give: a large block costs 512 times fewer page faults. */
    static void fad_huge_pages(void *p, size_t n)
    {
    #if defined(__linux__) && defined(MADV_HUGEPAGE)
        madvise(p, n, MADV_HUGEPAGE);     /* advice: what comes of it does not matter */
    #else
        (void)p; (void)n;
    #endif
    }
    """
    void fad_huge_pages(void* p, size_t n) noexcept

cdef extern from *:
    """
    static PyObject *fad_ndarray(PyObject *descr, int nd, const Py_ssize_t *shape, const Py_ssize_t *strides,
                                 void *data, int writeable, PyObject *owner)
    {
        Py_INCREF(descr);            /* both are stolen */
        PyObject *arr = PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)descr, nd, shape, strides, data,
                                             writeable ? NPY_ARRAY_WRITEABLE : 0, NULL);
        if (arr == NULL) return NULL;
        Py_INCREF(owner);
        if (PyArray_SetBaseObject((PyArrayObject *)arr, owner) < 0) { Py_DECREF(arr); return NULL; }
        return arr;
    }
    """
    object fad_ndarray(object descr, int nd, const Py_ssize_t* shape, const Py_ssize_t* strides,
                       void* data, bint writeable, object owner)


# ---- memory from the system --------------------------------------------------------------------------
# Whatever the core takes from the system, other than Python objects, it takes here.  That is seldom, so it
# is here that it is counted, and that a test lets it fail.
cdef Py_ssize_t in_use = 0                # allocations not given back; those in the pool among them
cdef Py_ssize_t fuse = 0                  # the allocation so many ahead fails; 0: none does


cdef bint refused() noexcept:
    global fuse
    if fuse == 0:
        return False
    fuse -= 1
    return fuse == 0


cdef void* counted(void* p) noexcept:
    global in_use
    in_use += p is not NULL
    return p


cdef void* resize(void* p, size_t nbytes) noexcept:
    """realloc: NULL if there is no memory, and `p` stands as it was."""
    if refused():
        return NULL
    return counted(PyMem_RawMalloc(nbytes)) if p is NULL else PyMem_RawRealloc(p, nbytes)


cdef void* zeros(size_t nbytes) noexcept:
    return NULL if refused() else counted(PyMem_RawCalloc(nbytes, 1))


cdef void give_back(void* p) noexcept:
    global in_use
    in_use -= p is not NULL
    PyMem_RawFree(p)


# ---- the pool ----------------------------------------------------------------------------------------
# Blocks come in size classes and are kept for the next request.  Up to 512 bytes they come from Python's
# own small-object allocator (16-byte aligned, and it gives memory back); above, from malloc, aligned to 64
# bytes (from 4 MB on to pages of 2 MB), in four classes an octave.  All calls hold the GIL, so one pool serves
# every thread and a block may be freed on another thread than it was taken on.  In the debug build every array
# has memory of its own, to the byte, and nothing is kept back, so that a sanitizer sees every use after free
# and beyond the end.
cdef enum:
    SMALL = 512
    SMALL_STEP = 32
    SMALL_CLASSES = 16
    SMALL_KEPT = 256                      # blocks a class
    CLASSES = 256
    LARGE_KEPT = 1 << 28                  # bytes in all
    HUGE_PAGE = 1 << 21

cdef unsigned long long writes = 0
cdef void* free_blocks[CLASSES]
cdef Py_ssize_t kept[CLASSES]
cdef Py_ssize_t large_bytes = 0
cdef Py_ssize_t largest_kept              # bytes of a block
cdef Py_ssize_t largest_inside            # bytes of numbers that stand in the Array itself


cdef inline int size_class(Py_ssize_t nbytes, Py_ssize_t* rounded) noexcept:
    cdef int octave
    cdef Py_ssize_t step
    if nbytes <= SMALL:
        rounded[0] = (nbytes + SMALL_STEP - 1) // SMALL_STEP * SMALL_STEP if nbytes > 0 else SMALL_STEP
        return <int> (rounded[0] // SMALL_STEP) - 1
    octave = 9
    while (<Py_ssize_t> 2 << octave) < nbytes:
        octave += 1
    step = (<Py_ssize_t> 1 << octave) // 4
    rounded[0] = (nbytes + step - 1) // step * step
    return SMALL_CLASSES + (octave - 9) * 4 + <int> ((rounded[0] - (<Py_ssize_t> 1 << octave)) // step) - 1


cdef void* new_block(Py_ssize_t nbytes) noexcept:
    cdef void* raw
    cdef uintptr_t p
    cdef size_t align = HUGE_PAGE if nbytes >= 2 * HUGE_PAGE else 64
    if refused():
        return NULL
    if nbytes <= SMALL or FASTAD_DEBUG:
        return counted(PyObject_Malloc(nbytes))
    raw = counted(PyMem_RawMalloc(nbytes + align + sizeof(void*)))
    if raw is NULL:
        return NULL
    p = (<uintptr_t> raw + sizeof(void*) + align - 1) & ~<uintptr_t> (align - 1)
    (<void**> p - 1)[0] = raw
    if align == HUGE_PAGE:
        fad_huge_pages(<void*> p, nbytes & ~<size_t> (HUGE_PAGE - 1))
    return <void*> p


cdef void free_block(void* p, Py_ssize_t size) noexcept:
    global in_use
    in_use -= 1
    if size <= SMALL or FASTAD_DEBUG:
        PyObject_Free(p)
    else:
        PyMem_RawFree((<void**> p - 1)[0])


cdef bint trim() noexcept:
    """Give the kept blocks back to the system; False if there were none."""
    global large_bytes
    cdef int c
    cdef bint found = False
    cdef void* p
    for c in range(CLASSES):
        while free_blocks[c] is not NULL:
            p = free_blocks[c]
            free_blocks[c] = (<void**> p)[0]
            free_block(p, SMALL if c < SMALL_CLASSES else SMALL + 1)
            found = True
        kept[c] = 0
    large_bytes = 0
    return found


cdef void* take_new(Layout layout, Py_ssize_t nbytes, Py_ssize_t* block) except NULL:
    cdef void* p
    if FASTAD_DEBUG:
        block[0] = max(nbytes, 1)
    p = new_block(block[0])
    if p is NULL and trim():
        p = new_block(block[0])
    if p is NULL:
        raise no_memory(layout)
    return p


cdef inline void* take(Layout layout, Py_ssize_t nbytes, Py_ssize_t* block) except NULL:
    global large_bytes
    cdef int c
    cdef void* p
    if nbytes > (PY_SSIZE_T_MAX >> 2):
        raise no_memory(layout)
    c = size_class(nbytes, block)
    p = free_blocks[c]
    if p is NULL:
        return take_new(layout, nbytes, block)
    free_blocks[c] = (<void**> p)[0]
    kept[c] -= 1
    if c >= SMALL_CLASSES:
        large_bytes -= block[0]
    return p


cdef object no_memory(Layout layout):
    return MemoryError(f"fastad: cannot allocate {layout.size * layout.itemsize} bytes for an array of shape "
                       f"{shape_of(layout)} and dtype {layout.dtype}")


cdef inline void put(void* p, Py_ssize_t block) noexcept:
    global large_bytes
    cdef Py_ssize_t rounded
    cdef int c = size_class(block, &rounded)
    if block > largest_kept or (c < SMALL_CLASSES and kept[c] >= SMALL_KEPT):
        free_block(p, block)
        return
    if c >= SMALL_CLASSES:
        if large_bytes + block > LARGE_KEPT:
            trim()                        # blocks of sizes no longer used must not crowd out the rest
        large_bytes += block
    (<void**> p)[0] = free_blocks[c]
    free_blocks[c] = p
    kept[c] += 1


DEBUG = bool(FASTAD_DEBUG)                # for tests


def keep_blocks(bint keep):
    """For tests: with False every array takes memory of its own from the system and gives it back at once, as
    always in the debug build."""
    global largest_kept, largest_inside
    keep = keep and not FASTAD_DEBUG
    largest_kept = LARGE_KEPT // 4 if keep else 0
    largest_inside = INSIDE if keep else -1
    trim()


def fail_allocation(Py_ssize_t n):
    """For tests: let the n-th allocation from now on fail, once; 0: none.  Returns how many were left to come
    before the one that an earlier call asked for: 0 if it has failed."""
    global fuse
    cdef Py_ssize_t left = fuse
    fuse = n
    return left


def allocations_in_use():
    """For tests: the allocations that live objects hold."""
    cdef Py_ssize_t pooled = 0
    for c in range(CLASSES):
        pooled += kept[c]
    return in_use - pooled


keep_blocks(True)


# ---- layouts -----------------------------------------------------------------------------------------
cdef tuple DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.bool_), np.dtype(np.int64))
cdef object DT_F32 = DTYPES[0], DT_F64 = DTYPES[1]


cdef int code_of(object dtype) except -1:
    """The code of a dtype; TypeError for those that hold no numbers."""
    if dtype is DT_F32:
        return F32
    if dtype is DT_F64:
        return F64
    cdef int i
    for i in range(4):
        if dtype == DTYPES[i]:
            return i
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biufc" or dtype.hasobject:
        raise TypeError(f"fastad: arrays of dtype {dtype} are not supported; use a boolean, integer, float or "
                        f"complex dtype")
    return OTHER


@cython.final
@cython.no_gc
@cython.freelist(128)
cdef class Layout:
    def __dealloc__(self):
        if self.shape is not self.small:
            give_back(self.shape)


cdef Layout new_layout(object dtype, int code, int ndim):
    if ndim > MAX_NDIM:
        raise ValueError(f"fastad: {ndim} dimensions; NumPy and fastad allow at most {MAX_NDIM}")
    cdef Layout layout = Layout.__new__(Layout)
    layout.dtype = dtype
    layout.code = code
    layout.ndim = ndim
    if ndim <= 4:
        layout.shape = layout.small
    else:
        layout.shape = <Py_ssize_t*> resize(NULL, 2 * ndim * sizeof(Py_ssize_t))
        if layout.shape is NULL:
            raise MemoryError("fastad: no memory for a shape")
    layout.strides = layout.shape + ndim
    if code == F32:
        layout.itemsize = 4
    elif code == F64 or code == I64:
        layout.itemsize = 8
    else:
        layout.itemsize = dtype.itemsize
    return layout


cdef Layout make_dense(object dtype, int code, int ndim, const Py_ssize_t* shape):
    cdef Layout layout = new_layout(dtype, code, ndim)
    cdef Py_ssize_t limit = PY_SSIZE_T_MAX // layout.itemsize, count = 1, size = 1, step = layout.itemsize
    cdef int i
    for i in range(ndim):
        if shape[i] < 0:
            raise ValueError(f"fastad: negative dimensions are not allowed, got {shape[i]} on axis {i}")
        if shape[i] > 0:
            if count > limit // shape[i]:
                raise ValueError("fastad: array is too big: its elements take more than 2**63 - 1 bytes, shape "
                                 + str(tuple([shape[j] for j in range(ndim)])))
            count *= shape[i]
        size *= shape[i]
    for i in range(ndim - 1, -1, -1):
        layout.shape[i] = shape[i]
        layout.strides[i] = step
        step *= shape[i] if shape[i] > 0 else 1
    layout.size = size
    layout.contiguous = True
    return layout


cdef enum:
    CACHE = 1024

cdef PyObject* cache[CACHE]               # direct-mapped; owns one reference each


cdef Layout dense(int code, int ndim, const Py_ssize_t* shape):
    """The interned C-contiguous layout of a dtype that has a code of its own."""
    cdef size_t h = <size_t> code * 31 + <size_t> ndim
    cdef Layout layout
    cdef int i
    for i in range(ndim):
        h = h * 1000003 + <size_t> shape[i]
    h = (h ^ (h >> 17)) % CACHE
    if cache[h] is not NULL:
        layout = <Layout> cache[h]
        if layout.code == code and layout.ndim == ndim and \
                (ndim == 0 or memcmp(layout.shape, shape, ndim * sizeof(Py_ssize_t)) == 0):
            return layout
    layout = make_dense(DTYPES[code], code, ndim, shape)
    cdef PyObject* old = cache[h]
    Py_INCREF(layout)
    cache[h] = <PyObject*> layout
    if old is not NULL:
        Py_DECREF(<object> old)
    return layout


cdef Layout dense_dtype(object dtype, int ndim, const Py_ssize_t* shape):
    cdef int code = code_of(dtype)
    if code == OTHER and not dtype.isnative:
        dtype = dtype.newbyteorder("=")   # tensors of their own memory are native
        code = code_of(dtype)
    return dense(code, ndim, shape) if code < OTHER else make_dense(dtype, code, ndim, shape)


cdef Layout dense_as(Layout like, object dtype):
    """The dense layout with the shape of `like` and another dtype."""
    return dense_dtype(dtype, like.ndim, like.shape)


cdef Layout strided(Layout like, int ndim, const Py_ssize_t* shape, const Py_ssize_t* strides):
    """A layout with given strides; the interned dense one if they are C-contiguous."""
    cdef Py_ssize_t step = like.itemsize, size = 1
    cdef bint contiguous = True
    cdef int i
    for i in range(ndim):
        size *= shape[i]
    for i in range(ndim - 1, -1, -1):
        if shape[i] != 1 and size > 0:
            if strides[i] != step:
                contiguous = False
                break
            step *= shape[i]
    if contiguous:
        return dense_dtype(like.dtype, ndim, shape)
    cdef Layout layout = new_layout(like.dtype, like.code, ndim)
    memcpy(layout.shape, shape, ndim * sizeof(Py_ssize_t))
    memcpy(layout.strides, strides, ndim * sizeof(Py_ssize_t))
    layout.size = size
    layout.contiguous = False
    return layout


cdef bint same_shape(Layout a, Layout b) noexcept:
    return a is b or (a.ndim == b.ndim and memcmp(a.shape, b.shape, a.ndim * sizeof(Py_ssize_t)) == 0)


cdef bint same(Layout a, Layout b) noexcept:
    """Same shape and dtype, whatever the strides."""
    if a is b:
        return True
    return a.code == b.code and same_shape(a, b) and (a.code < OTHER or a.dtype == b.dtype)


cdef tuple shape_of(Layout layout):
    if layout.shape_tuple is None:
        layout.shape_tuple = tuple([layout.shape[i] for i in range(layout.ndim)])
    return layout.shape_tuple


cdef int parse_shape(object shape, Py_ssize_t* out) except -1:
    """A shape as NumPy's functions take it: an integer or a sequence of them; returns the dimensions."""
    cdef int n = 0
    if isinstance(shape, list):
        shape = tuple(shape)              # __index__ of an item may change a list
    if not isinstance(shape, tuple):
        try:
            out[0] = shape
            return 1
        except OverflowError:
            raise too_long(shape) from None
        except TypeError:
            if not hasattr(shape, "__iter__") or isinstance(shape, (str, bytes, bytearray, dict, set)):
                raise TypeError(f"fastad: a shape is an integer or a sequence of integers, got {shape!r}") from None
            shape = tuple(shape)
    if len(shape) > MAX_NDIM:
        raise ValueError(f"fastad: {len(shape)} dimensions; NumPy and fastad allow at most {MAX_NDIM}")
    try:
        for item in shape:
            out[n] = item
            n += 1
    except OverflowError:
        raise too_long(shape) from None
    return n


cdef object too_long(object shape):
    return ValueError(f"fastad: array is too big: a length of shape {shape} exceeds 2**63 - 1")


# ---- arrays ------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Block:
    def __dealloc__(self):
        if self.data is not NULL:
            put(self.data, self.size)


@cython.final
@cython.trashcan(True)                    # memory shared with NumPy and back, again and again, is freed without recursing
cdef class Foreign:
    pass


@cython.final
@cython.no_gc
@cython.freelist(512)
cdef class Array:
    pass


cdef Array empty(Layout layout):
    """A new array, its numbers not set.  The layout must be dense."""
    cdef Array a = Array.__new__(Array)
    cdef Py_ssize_t nbytes = layout.size * layout.itemsize
    cdef Block block
    a.layout = layout
    a.ours = True
    if nbytes <= largest_inside and (layout.code != OTHER or layout.dtype.alignment <= 8):
        a.data = <char*> a.inside
    else:
        block = Block.__new__(Block)
        block.data = take(layout, nbytes, &block.size)
        a.data = <char*> block.data
        a.holder = block
    return a


cdef Layout SCALAR_F32 = dense(F32, 0, NULL), SCALAR_F64 = dense(F64, 0, NULL)


cdef Array scalar(int code, double value):
    """A 0-d float32 or float64."""
    cdef Array a
    if code == F32:
        a = empty(SCALAR_F32)
        (<float*> a.data)[0] = <float> value
    else:
        a = empty(SCALAR_F64)
        (<double*> a.data)[0] = value
    return a


cdef Array view(Array a, Layout layout, char* data):
    """Other numbers, or the same in another order, of the memory that `a` sees."""
    cdef Array v = Array.__new__(Array)
    v.layout = layout
    v.data = data
    v.holder = a.holder if a.is_view else a
    v.is_view = True
    v.readonly = a.readonly
    return v


cdef int refuse_masked(str name, object x, int depth=0) except -1:
    """TypeError if x is a masked array that hides an element, or a sequence that holds one: NumPy would show it."""
    if isinstance(x, np.ndarray):
        if type(x) is not np.ndarray and isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
            raise TypeError(f"{name}: this masked array of shape {x.shape} hides elements, and tensors have no mask; use "
                            f"x.filled(value), or x.compressed() for the others")
    elif isinstance(x, (list, tuple)) and depth < MAX_NDIM:
        for item in x:
            if isinstance(item, (np.ndarray, list, tuple)):
                refuse_masked(name, item, depth + 1)
    return 0


cdef Array from_ndarray(object nd):
    """Share the memory of a NumPy array: native byte order and aligned, else ValueError."""
    if not isinstance(nd, np.ndarray):
        raise TypeError(f"fastad: expected a numpy.ndarray, got {type(nd).__name__}")
    cdef int code = code_of(nd.dtype)
    refuse_masked("fastad", nd)
    if not nd.dtype.isnative or not nd.flags.aligned:
        raise ValueError("fastad: cannot share a byte-swapped or unaligned array; fastad.tensor(array) copies it")
    cdef cnp.ndarray arr = nd
    cdef Layout like = new_layout(nd.dtype, code, cnp.PyArray_NDIM(arr))
    cdef Array a = Array.__new__(Array)
    cdef Foreign foreign
    a.layout = strided(like, like.ndim, <Py_ssize_t*> cnp.PyArray_DIMS(arr), <Py_ssize_t*> cnp.PyArray_STRIDES(arr))
    a.data = cnp.PyArray_BYTES(arr)
    a.readonly = not nd.flags.writeable
    cdef PyObject* base = cnp.PyArray_BASE(arr)
    while base is not NULL and cnp.PyArray_Check(<object> base):
        base = cnp.PyArray_BASE(<cnp.ndarray> base)
    if base is not NULL and isinstance(<object> base, Array):
        a.holder = root(<Array> base)     # the memory of a tensor comes back: its version goes on counting
        a.is_view = True
    else:
        a.holder = foreign = Foreign.__new__(Foreign)
        foreign.owner = nd
    return a


cdef void copy_bytes(void* to, const void* source, Py_ssize_t nbytes) noexcept:
    if nbytes < 4 * GIL_SIZE:
        memcpy(to, source, nbytes)
    else:
        with nogil:
            memcpy(to, source, nbytes)


cdef Array copy_ndarray(object nd):
    """A dense copy in pooled memory, in native byte order."""
    cdef object dtype = nd.dtype if nd.dtype.isnative else nd.dtype.newbyteorder("=")
    cdef cnp.ndarray arr = nd
    cdef Array a = empty(dense_dtype(dtype, cnp.PyArray_NDIM(arr), <Py_ssize_t*> cnp.PyArray_DIMS(arr)))
    if a.layout.size:
        if nd.dtype == a.layout.dtype and cnp.PyArray_IS_C_CONTIGUOUS(arr):
            copy_bytes(a.data, cnp.PyArray_BYTES(arr), a.layout.size * a.layout.itemsize)
        else:
            np.copyto(to_ndarray(a), nd)
    return a


cdef object to_ndarray(Array a):
    """A NumPy array that shares the memory and keeps it alive."""
    cdef Layout layout = a.layout
    return fad_ndarray(layout.dtype, layout.ndim, layout.shape, layout.strides, a.data, not a.readonly, a)
