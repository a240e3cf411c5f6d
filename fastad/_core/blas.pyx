"""Level 1: matrix products and triangular systems.  Finds the BLAS that NumPy has already loaded, and calls it without NumPy.

One BLAS and one thread pool in the process: nothing is bundled and the thread count is NumPy's.  Where NumPy's
BLAS hides its names, SciPy's serves if it is installed, else the loop of csrc/gemm.inc, which small products run in
any case.  ``FASTAD_BLAS`` (numpy, scipy or plain) forces one for every product.  `gemm` is one product; `multiply` one
over batches of any strides; `solve_triangular` has triangular systems, where the BLAS shows its function for them.

OpenBLAS starts threads only above some 2**18 multiplications, and they pay there (64 x 64 by 64 x 128, float32: 13 us
on one thread, 10 on two; 128 x 128 by 128 x 128: 47 and 29), so small products need no cap of their own.

Imports storage and kernels.  Next: primitives/matmul.pyx.
"""
from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.string cimport memset

import os
from time import sleep

import numpy as np

from .kernels cimport K, fad_operand
from .storage cimport GIL_SIZE, dense, empty, from_ndarray, shape_of
from .types cimport compiled

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()

cdef extern from "blas.h" nogil:
    enum:
        FAD_CBLAS, FAD_FORTRAN
    ctypedef struct fad_blas:
        int form, wide
        void* gemm[2]
        void* gemv[2]
        void* trsm[2]
    void* fad_library(const char* path)
    void* fad_symbol(void* library, const char* name)
    int fad_blas_is_wide(int form, void* ddot)
    int fad_blas_gemm(const fad_blas* blas, int code, int trans_a, int trans_b, long long m, long long n, long long k,
                      const void* a, long long lda, const void* b, long long ldb,
                      double beta, void* c, long long ldc)
    int fad_blas_trsm(const fad_blas* blas, int code, int lower, int trans, int unit, long long n, long long k,
                      const void* a, long long lda, void* b, long long ldb)

# How builds of BLAS name their functions; {} is sgemm, ddot, ...
NAMES = ("scipy_cblas_{}64_", "cblas_{}64_", "cblas_{}_64", "scipy_cblas_{}", "cblas_{}$NEWLAPACK$ILP64",
         "cblas_{}$NEWLAPACK", "cblas_{}")
THREADS = tuple((f"{prefix}openblas_get_num_threads{suffix}", f"{prefix}openblas_set_num_threads{suffix}",
                 f"{prefix}openblas_get_config{suffix}")
                for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", ""))
                ) + (("MKL_Get_Max_Threads", "MKL_Set_Num_Threads", ""),)

cdef fad_blas blas                        # the functions in use
cdef bint found = False                   # else the plain loop
cdef Py_ssize_t own = 0                   # multiplications up to which a product is our own loop's
cdef int (*get_threads)() noexcept
cdef void (*set_threads)(int n) noexcept
cdef const char* (*get_config)() noexcept
cdef dict chosen = {"library": "plain loop", "symbol": "", "integers": 0}


# ---- choosing ----------------------------------------------------------------------------------------
cdef bint works() except -1:
    """A product of 2 x 3 by 3 x 2 with every function, so that a wrong guess is found here."""
    global found
    found = True
    for code, dtype in enumerate((np.float32, np.float64)):
        a = np.arange(1.0, 7.0).astype(dtype).reshape(2, 3)
        for columns in (2, 1):
            b = (a.T - 2)[:, :columns].copy()
            c = np.full((2, columns), np.nan, dtype)
            gemm(code, False, False, 2, columns, 3, <void*> <size_t> a.ctypes.data, 3,
                 <void*> <size_t> b.ctypes.data, columns, 0, <void*> <size_t> c.ctypes.data, columns)
            if not np.array_equal(c, (a[:, :, None] * b).sum(1)):
                found = False
    return found


cdef int try_trsm() except -1:
    """Forget the triangular solve if it gives something else than it should."""
    cdef double a[4]
    cdef double b[4]
    cdef float c[4]
    cdef float d[4]
    cdef int i
    for i in range(4):
        a[i] = c[i] = (2, 9, 3, 4)[i]      # [[2, .], [3, 4]], a lower triangle
        b[i] = d[i] = (2, 4, 7, 2)[i]      # of [[1, 2], [1, -1]]
    if not (fad_blas_trsm(&blas, 1, True, False, False, 2, 2, a, 2, b, 2) and b[0] == 1 and b[1] == 2 and b[2] == 1 and
            b[3] == -1):
        blas.trsm[1] = NULL
    if not (fad_blas_trsm(&blas, 0, True, False, False, 2, 2, c, 2, d, 2) and d[0] == 1 and d[1] == 2 and d[2] == 1 and
            d[3] == -1):
        blas.trsm[0] = NULL
    return 0


cdef void* find(void* library, str name) except? NULL:
    cdef bytes raw = name.encode()
    return fad_symbol(library, raw)


cdef void* loaded(str path) except? NULL:
    cdef bytes raw = os.fsencode(path)
    return fad_library(raw)


cdef bint use_numpy() except -1:
    """The BLAS of NumPy: the library is linked to one of NumPy's modules."""
    from numpy._core import _multiarray_umath
    cdef void* library = loaded(_multiarray_umath.__file__)
    cdef void* ddot
    if library is NULL:
        return False
    for pattern in NAMES:
        ddot = find(library, pattern.format("ddot"))
        blas.gemm[0], blas.gemm[1] = find(library, pattern.format("sgemm")), find(library, pattern.format("dgemm"))
        blas.gemv[0], blas.gemv[1] = find(library, pattern.format("sgemv")), find(library, pattern.format("dgemv"))
        if ddot is NULL or NULL in (blas.gemm[0], blas.gemm[1], blas.gemv[0], blas.gemv[1]):
            continue
        blas.form = FAD_CBLAS
        blas.wide = fad_blas_is_wide(FAD_CBLAS, ddot)
        if works():
            blas.trsm[0], blas.trsm[1] = find(library, pattern.format("strsm")), find(library, pattern.format("dtrsm"))
            try_trsm()
            chosen.update(library="numpy", symbol=pattern.format("sgemm"), integers=64 if blas.wide else 32)
            use_threads(library)
            return True
    return False


cdef void* capsule(object api, str name) except NULL:
    cdef object c = api[name]
    return PyCapsule_GetPointer(c, PyCapsule_GetName(c))


cdef bint use_scipy() except -1:
    """SciPy's, through the capsules that it exports for Cython."""
    cdef void* library
    try:
        from scipy.linalg import cython_blas
    except ImportError:
        return False
    api = cython_blas.__pyx_capi__
    blas.gemm[0], blas.gemm[1] = capsule(api, "sgemm"), capsule(api, "dgemm")
    blas.gemv[0], blas.gemv[1] = capsule(api, "sgemv"), capsule(api, "dgemv")
    blas.form = FAD_FORTRAN
    blas.wide = fad_blas_is_wide(FAD_FORTRAN, capsule(api, "ddot"))
    if not works():
        return False
    if "strsm" in api and "dtrsm" in api:
        blas.trsm[0], blas.trsm[1] = capsule(api, "strsm"), capsule(api, "dtrsm")
        try_trsm()
    chosen.update(library="scipy", symbol="scipy.linalg.cython_blas.sgemm", integers=64 if blas.wide else 32)
    library = loaded(cython_blas.__file__)
    if library is not NULL:
        use_threads(library)
    return True


cdef int use_threads(void* library) except -1:
    """The functions that tell and set how many threads it uses, if it has them."""
    global get_threads, set_threads, get_config
    for get_name, set_name, config_name in THREADS:
        if find(library, get_name) is not NULL and find(library, set_name) is not NULL:
            get_threads = <int (*)() noexcept> find(library, get_name)
            set_threads = <void (*)(int) noexcept> find(library, set_name)
            if config_name:
                get_config = <const char* (*)() noexcept> find(library, config_name)
            return 0
    return 0


cdef int choose() except -1:
    wanted = os.environ.get("FASTAD_BLAS", "")
    if wanted not in ("", "numpy", "scipy", "plain"):
        raise ImportError(f"FASTAD_BLAS={wanted!r}: choose one of numpy, scipy or plain")
    if wanted == "plain" or (wanted in ("", "numpy") and use_numpy()) or (wanted in ("", "scipy") and use_scipy()):
        return 0
    if wanted:
        raise ImportError(f"FASTAD_BLAS={wanted}: " + (
            "the BLAS of this NumPy does not show its functions" if wanted == "numpy" else
            "SciPy is not installed, or its scipy.linalg.cython_blas cannot be used")
            + f"; unset FASTAD_BLAS, or choose {'scipy' if wanted == 'numpy' else 'numpy'} or plain")
    return 0


choose()
if not os.environ.get("FASTAD_BLAS"):
    own = 4096                            # not before: the products that try a BLAS are small


def config():
    """The library in use ("numpy", "scipy" or "plain loop"), its symbol, width of integers, own description and
    threads, as a dict."""
    return dict(chosen, config=get_config().decode() if get_config is not NULL else "",
                threads=get_threads() if get_threads is not NULL else 1 if not found else None)


cdef bint alone(double work) noexcept:
    """Threads that call a BLAS which has threads of its own wait for each other; OpenBLAS wakes them for larger products."""
    return work <= 1 << 18 or not found or (get_threads is not NULL and get_threads() == 1)


def set_blas_threads(int n):
    """Tell the BLAS to use n threads; False if it has no such function."""
    if set_threads is NULL:
        return False
    set_threads(n)
    return True


# ---- one product -------------------------------------------------------------------------------------
cdef inline bint small(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, bint trans_b) noexcept nogil:
    """Whether our own loop is faster than a BLAS, which has to prepare its blocks: 18 ns and 72 for 4 x 4 by 4 x 4, 130
    and 240 for 16 x 16 by 16 x 16 (float32, OpenBLAS on AVX2).  It copies a transposed b, and makes the columns beyond a
    multiple of 4 one by one."""
    return m <= own and n <= own and k <= own and m * n * k <= own and m * (n & 3) * k <= own // 16 and \
        (not trans_b or n * k <= 32 * m)


cdef void scale(int code, Py_ssize_t m, Py_ssize_t n, double beta, void* c, Py_ssize_t ldc) noexcept nogil:
    """c := beta c"""
    cdef Py_ssize_t i, j
    if beta == 1:
        return
    for i in range(m):
        for j in range(i * ldc, i * ldc + n):
            if code == 0:
                (<float*> c)[j] = 0 if beta == 0 else <float> beta * (<float*> c)[j]
            else:
                (<double*> c)[j] = 0 if beta == 0 else beta * (<double*> c)[j]


cdef void gemm(int code, bint trans_a, bint trans_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
               const void* a, Py_ssize_t lda, const void* b, Py_ssize_t ldb,
               double beta, void* c, Py_ssize_t ldc) noexcept nogil:
    """c := op(a) op(b) + beta c, row-major; op(a) is (m, k), op(b) (k, n).

    Leading dimensions are in elements and at least the stored number of columns, and 1.  Any size may be 0.
    What stands in c does not count if beta is 0."""
    if m == 0 or n == 0:
        return
    if k == 0:
        scale(code, m, n, beta, c, ldc)
        return
    if found and not small(m, n, k, trans_b) and \
            fad_blas_gemm(&blas, code, trans_a, trans_b, m, n, k, a, lda, b, ldb, beta, c, ldc):
        return
    if beta != 0:
        scale(code, m, n, beta, c, ldc)
    K.gemm[code](m, n, k, a, 1 if trans_a else lda, lda if trans_a else 1, b, 1 if trans_b else ldb,
                 ldb if trans_b else 1, c, ldc, beta != 0)


# ---- forks -------------------------------------------------------------------------------------------
# OpenBLAS ends its threads before a fork, and hangs if one of them works on a product of another thread.  So a fork
# waits for the products that run without the GIL, and those that come meanwhile wait for it.
cdef Py_ssize_t running = 0
cdef unsigned long forking = 0            # the thread that forks


cdef int begin() except -1:
    global running
    while forking and forking != PyThread_get_thread_ident():
        sleep(1e-4)
    running += 1
    return 0


cdef void finish() noexcept:
    global running
    running -= 1


def _before_fork():
    global forking
    while forking:                        # two threads may fork
        sleep(1e-4)
    forking = PyThread_get_thread_ident()
    while running:
        sleep(1e-4)


def _after_fork():
    global forking
    forking = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


# ---- products of strided operands, in batches --------------------------------------------------------
cdef void place(Matrix* x, Layout layout, char* data, bint has_rows, bint has_cols, Product* p) noexcept:
    """An operand as `p` sees it: its last axes are rows and columns (or one of them), the others broadcast to
    the batch."""
    cdef int tail = has_rows + has_cols, lead = p.nbatch - (layout.ndim - tail), i
    x.data = data
    x.rows = layout.strides[layout.ndim - tail] if has_rows else layout.itemsize
    x.cols = layout.strides[layout.ndim - 1] if has_cols else layout.itemsize
    for i in range(p.nbatch):
        x.batch[i] = 0 if i < lead or (layout.shape[i - lead] == 1 and p.shape[i] != 1) else layout.strides[i - lead]


cdef void transpose(Matrix* x) noexcept:
    x.rows, x.cols = x.cols, x.rows


cdef inline bint joins(Py_ssize_t length, Py_ssize_t step, Py_ssize_t batch) noexcept:
    """Whether a batch axis continues the axis of that length and step."""
    return length == 1 or batch == length * step


cdef void merge(Product* p, Py_ssize_t itemsize) noexcept:
    """Make the last batch axes part of the matrices, where one product then does the work of many: an axis that
    b lacks becomes rows, one that c lacks is summed, one that a lacks becomes columns."""
    cdef int i
    cdef Py_ssize_t count
    while p.nbatch:
        i = p.nbatch - 1
        count = p.shape[i]
        if count == 1:
            pass
        elif p.b.batch[i] == 0 and p.c.batch[i] and joins(p.m, p.a.rows, p.a.batch[i]) and \
                joins(p.m, p.c.rows, p.c.batch[i]):
            if p.m == 1:
                p.a.rows, p.c.rows = p.a.batch[i], p.c.batch[i]
            p.m *= count
        elif p.c.batch[i] == 0 and joins(p.k, p.a.cols, p.a.batch[i]) and joins(p.k, p.b.rows, p.b.batch[i]):
            if p.k == 1:
                p.a.cols, p.b.rows = p.a.batch[i], p.b.batch[i]
            p.k *= count
        elif p.a.batch[i] == 0 and joins(p.n, p.b.cols, p.b.batch[i]) and p.c.batch[i] == p.n * itemsize:
            if p.n == 1:
                p.b.cols = p.b.batch[i]
            p.n *= count
        else:
            return
        p.nbatch -= 1


cdef inline bint fits(Matrix* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t itemsize, bint* trans,
                      Py_ssize_t* ld) noexcept:
    """How BLAS can read a matrix: one of its strides is the element, the other long enough."""
    if x.cols == itemsize or cols == 1:
        trans[0] = False
        ld[0] = cols if rows == 1 else x.rows // itemsize
        if rows == 1 or (ld[0] >= cols and x.rows % itemsize == 0):
            return True
    if x.rows == itemsize or rows == 1:
        trans[0] = True
        ld[0] = rows if cols == 1 else x.cols // itemsize
        return cols == 1 or (ld[0] >= rows and x.cols % itemsize == 0)
    return False


cdef Array packed(Matrix* x, Py_ssize_t rows, Py_ssize_t cols, int code, Product* p):
    """A dense copy of an operand that BLAS cannot read, with `x` changed to describe it."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef fad_operand src, dst
    cdef Array out
    cdef int i, n = 0
    if p.nbatch + 2 > MAX_NDIM:
        raise ValueError(f"matmul: {p.nbatch} batch axes are too many")
    for i in range(p.nbatch):
        if x.batch[i]:
            shape[n], steps[n] = p.shape[i], x.batch[i]
            n += 1
    shape[n], steps[n] = rows, x.rows
    shape[n + 1], steps[n + 1] = cols, x.cols
    out = empty(dense(code, n + 2, shape))
    src.data, src.strides, src.itemsize = x.data, steps, out.layout.itemsize
    dst.data, dst.strides, dst.itemsize = out.data, out.layout.strides, out.layout.itemsize
    if out.layout.size < GIL_SIZE:
        K.copy(n + 2, shape, &src, &dst)
    else:
        with nogil:
            K.copy(n + 2, shape, &src, &dst)
    x.data, x.rows, x.cols = out.data, out.layout.strides[n], out.layout.strides[n + 1]
    n = 0
    for i in range(p.nbatch):
        if x.batch[i]:
            x.batch[i] = out.layout.strides[n]
            n += 1
    return out


cdef void run(int code, Product* p, bint trans_a, Py_ssize_t lda, bint trans_b, Py_ssize_t ldb,
              Py_ssize_t ldc, double beta) noexcept nogil:
    """Every product of the batch."""
    cdef Py_ssize_t at[MAX_NDIM]
    cdef int i
    for i in range(p.nbatch):
        at[i] = 0
    while True:
        gemm(code, trans_a, trans_b, p.m, p.n, p.k, p.a.data, lda, p.b.data, ldb, beta, p.c.data, ldc)
        i = p.nbatch - 1
        while i >= 0:
            p.a.data += p.a.batch[i]
            p.b.data += p.b.batch[i]
            p.c.data += p.c.batch[i]
            at[i] += 1
            if at[i] < p.shape[i]:
                break
            p.a.data -= p.a.batch[i] * at[i]
            p.b.data -= p.b.batch[i] * at[i]
            p.c.data -= p.c.batch[i] * at[i]
            at[i] = 0
            i -= 1
        if i < 0:
            return


cdef int multiply(int code, Product* p, Array c, bint adds) except -1:
    """c[i] (+)= a[i] b[i] over the batch, into the dense array `c`; where c is stretched, the products are summed.
    `p` is used up.  The GIL is released for more than 2**16 multiplications."""
    global running
    cdef Py_ssize_t itemsize = c.layout.itemsize, lda, ldb, ldc
    cdef double work = <double> p.m * p.n * p.k       # stretched operands count too: more than an integer may hold
    cdef bint trans_a = False, trans_b = False
    cdef Array pack_a = None, pack_b = None
    cdef int i
    if c.layout.size == 0:
        return 0
    for i in range(p.nbatch):
        work *= p.shape[i]
    if work == 0:
        if not adds:
            memset(c.data, 0, c.layout.size * itemsize)
        return 0
    while True:
        merge(p, itemsize)
        if not fits(&p.a, p.m, p.k, itemsize, &trans_a, &lda):
            pack_a = packed(&p.a, p.m, p.k, code, p)
        elif not fits(&p.b, p.k, p.n, itemsize, &trans_b, &ldb):
            pack_b = packed(&p.b, p.k, p.n, code, p)
        else:
            break
    for i in range(p.nbatch):
        if p.c.batch[i] == 0 and not adds:
            memset(c.data, 0, c.layout.size * itemsize)
            adds = True
    ldc = p.c.rows // itemsize if p.m > 1 else p.n
    if work > 1 << 16:
        begin()
        with nogil:
            run(code, p, trans_a, lda, trans_b, ldb, ldc, adds)
        finish()
    else:
        run(code, p, trans_a, lda, trans_b, ldb, ldc, adds)
    return 0


# ---- triangular systems ------------------------------------------------------------------------------
def solve_triangular(a, b, bint lower, bint trans, bint unit):
    """b := op(a)^-1 b in place, for C-contiguous arrays a (..., n, n) and b (..., n, k) of one float dtype and one batch
    shape; False, and nothing done, if the BLAS has no function for it."""
    global running
    cdef Array xa = from_ndarray(a), xb = from_ndarray(b)
    cdef tuple shape = shape_of(xa.layout), others = shape_of(xb.layout)
    cdef Py_ssize_t n, k, i, batch, itemsize
    cdef int code = xa.layout.code, last = xa.layout.ndim - 1
    cdef bint served = True
    if last < 1 or xb.layout.ndim != last + 1 or shape[last] != shape[last - 1] or shape[:last] != others[:last] or \
            not xa.layout.contiguous or not xb.layout.contiguous:
        raise ValueError(f"solve_triangular: shapes {shape} and {others} do not fit, or the arrays are not dense")
    n, k = shape[last], others[last]
    if not compiled(code) or xb.layout.code != code or blas.trsm[code] is NULL:
        return False
    if xb.layout.size == 0:
        return True
    batch = xb.layout.size // (n * k)
    itemsize = xa.layout.itemsize
    begin()
    with nogil:
        for i in range(batch):
            served = served and fad_blas_trsm(&blas, code, lower, trans, unit, n, k, xa.data + i * n * n * itemsize, n,
                                              xb.data + i * n * k * itemsize, k)
    finish()
    return served
