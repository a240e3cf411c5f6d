# blas.pxd (level 1): matrix products, by the BLAS that NumPy has already loaded.
from .storage cimport Array, Layout
from .types cimport MAX_NDIM

cdef struct Matrix:
    char* data
    Py_ssize_t rows, cols               # bytes from one row, one column to the next
    Py_ssize_t batch[MAX_NDIM]          # and along the batch axes; 0 where it is stretched

cdef struct Product:
    int nbatch
    Py_ssize_t shape[MAX_NDIM]          # of the batch
    Py_ssize_t m, n, k
    Matrix a, b, c                      # (m, k), (k, n), (m, n)

cdef void gemm(int code, bint trans_a, bint trans_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
               const void* a, Py_ssize_t lda, const void* b, Py_ssize_t ldb,
               double beta, void* c, Py_ssize_t ldc) noexcept nogil
# whether a product of so many multiplications is done by one thread
cdef bint alone(double work) noexcept
# around a stretch of products without the GIL: a fork waits for its end
cdef int begin() except -1
cdef void finish() noexcept

cdef void place(Matrix* x, Layout layout, char* data, bint has_rows, bint has_cols, Product* p) noexcept
cdef void transpose(Matrix* x) noexcept
cdef int multiply(int code, Product* p, Array c, bint adds) except -1
