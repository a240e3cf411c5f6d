# arrays.pxd (level 1): what can be done with arrays without thinking of derivatives.
from libc.stdint cimport int64_t

from .types cimport F32, F64, BOOL, I64, OTHER, MAX_NDIM, compiled
from .kernels cimport (
    FAD_MAX_OPERANDS, FUNCTION, K, fad_line, fad_map_fn, fad_operand, fad_reduce_fn, fad_rows_fn, row_named, share, share_rows,
)
from .storage cimport GIL_SIZE, Array, Layout

cdef Array copy(Array a)
cdef Array contiguous(Array a)
cdef Array cast(Array a, object dtype)
cdef int assign(Array dst, Array src) except -1
cdef int fill(Array a, double value) except -1
cdef Array broadcast(Array a, Layout shape)
cdef Layout broadcast_layouts(str op, Layout a, Layout b)
cdef Array lined_up(Array a, int lead, int ndim)

cdef Py_ssize_t row(int64_t i, Py_ssize_t n) except -1 nogil
cdef int read_rows(const int64_t* at, Py_ssize_t count, const char* x, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t nbytes,
                   char* out) except -1

cdef int map1(fad_map_fn f, const double* param, Array x, Array out) except -1
cdef int map2(fad_map_fn f, const double* param, Array a, Array b, Array out) except -1
cdef int map3(fad_map_fn f, Array a, Array b, Array c, Array out) except -1
cdef int map_back(fad_map_fn f, const double* param, Array g, Array a, Array b, Array y, Array out) except -1

cdef Array add(Array a, Array b)
cdef int add_into(Array a, Array b) except -1
cdef Array sum_to(Array g, Layout want, int lead)
cdef void reduce_into(fad_reduce_fn kernel, Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, Array x, Array out,
                      Py_ssize_t each, int add, int weight=*) noexcept
cdef void over_rows(fad_rows_fn kernel, Py_ssize_t rows, Py_ssize_t n, Array x, Array out) noexcept
cdef int reduce_rows(fad_reduce_fn kernel, Py_ssize_t rows, Array x, Array out, bint adds) except -1
cdef Array reduce_axes(fad_reduce_fn* f, Array x, const char* reduced, bint keepdims)
cdef Array reduced_last(Array x, const char* reduced, Py_ssize_t* outer, Py_ssize_t* r, Py_ssize_t* inner,
                        bint middle)

# memory that two have
cdef bint overlap(Array a, Array b)
cdef bint folded(Layout layout)

# what callers give
cdef bint foreign(object x)
cdef object numeric(str name, object x, object dtype)      # numbers, sequences and arrays as a NumPy array, checked
cdef object operand(str name, object x)                     # the same beside a tensor
cdef Array array_of(object x, object dtype)                # a copy
