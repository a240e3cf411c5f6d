# storage.pxd (level 1): Layout (what the numbers mean) and Array (where they are); no derivatives here.
from .types cimport F32, F64, BOOL, I64, OTHER, MAX_NDIM, compiled

cdef class Layout:
    """dtype, shape and strides: immutable, and shared by every array that has them.

    Dense (C-contiguous) layouts are interned, so two arrays of one shape and dtype have the same
    object, and the test that lets a kernel run straight through is one comparison of pointers."""
    cdef readonly object dtype
    cdef int code, ndim
    cdef bint contiguous
    cdef Py_ssize_t size, itemsize
    cdef Py_ssize_t* shape
    cdef Py_ssize_t* strides            # in bytes
    cdef Py_ssize_t small[8]            # shape and strides of up to four axes
    cdef tuple shape_tuple

cdef enum:
    GIL_SIZE = 32768                    # elements from which on a kernel runs without the GIL

cdef enum:
    INSIDE = 64                         # up to so many bytes of numbers stand in the Array itself

cdef class Block:
    """Memory from the pool, for arrays that are too large to carry their numbers."""
    cdef void* data
    cdef Py_ssize_t size

cdef class Foreign:
    """Memory that is not ours: keeps its owner alive."""
    cdef object owner

cdef class Array:
    """A buffer seen through a layout.  The version counts writes and stands in the root, the array that a
    view was taken of, so every view sees a change."""
    cdef Layout layout
    cdef char* data
    cdef object holder                  # who has the memory: Block, root Array (a view), Foreign, or None
    cdef unsigned int version
    cdef bint is_view
    cdef bint ours                      # fresh pooled memory: nobody else has it
    cdef bint readonly
    cdef double inside[8]

cdef inline Array root(Array a):
    return <Array> a.holder if a.is_view else a

cdef inline unsigned int version_of(Array a) noexcept:
    return (<Array> a.holder).version if a.is_view else a.version

cdef unsigned long long writes          # in place, to any array; a walk asks whether it met one

cdef inline void wrote(Array a) noexcept:
    """Count a write in place, so that a derivative that needed the old numbers is refused."""
    global writes
    writes += 1
    if a.is_view:
        (<Array> a.holder).version += 1
    else:
        a.version += 1

# memory other than that of arrays: realloc, calloc and free
cdef void* resize(void* p, size_t nbytes) noexcept
cdef void* zeros(size_t nbytes) noexcept
cdef void give_back(void* p) noexcept

# layouts
cdef int code_of(object dtype) except -1
cdef Layout dense(int code, int ndim, const Py_ssize_t* shape)
cdef Layout dense_dtype(object dtype, int ndim, const Py_ssize_t* shape)
cdef Layout dense_as(Layout like, object dtype)
cdef Layout strided(Layout like, int ndim, const Py_ssize_t* shape, const Py_ssize_t* strides)
cdef bint same_shape(Layout a, Layout b) noexcept
cdef bint same(Layout a, Layout b) noexcept
cdef tuple shape_of(Layout layout)
cdef int parse_shape(object shape, Py_ssize_t* out) except -1

# arrays
cdef Array empty(Layout layout)
cdef Array scalar(int code, double value)
cdef Array view(Array a, Layout layout, char* data)
cdef int refuse_masked(str name, object x, int depth=*) except -1
cdef Array from_ndarray(object nd)
cdef Array copy_ndarray(object nd)
cdef void copy_bytes(void* to, const void* source, Py_ssize_t nbytes) noexcept      # large ones without the GIL
cdef object to_ndarray(Array a)
