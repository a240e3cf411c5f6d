"""The Lennard-Jones energy of n particles, E = sum over pairs of 4 epsilon ((sigma / r)^12 - (sigma / r)^6), as an operation
of fastad's.

The kernels run over all pairs without storing them: first derivatives of both modes need no memory beyond x and its
gradient.  Higher derivatives go by the rules at the end, which are written in fastad's functions.
"""
cimport cython
cimport fastad

import fastad
from fastad.extend import defjvp, defvjp

fastad.import_fastad()                     # here, so that another version of fastad's interface is an ImportError

ctypedef fused real:
    float
    double


# ---- the loops: x has the shape (n, d) ---------------------------------------------------------------
@cython.cdivision(True)
cdef double pair(const real* a, const real* b, Py_ssize_t d, double epsilon, double sigma, double* slope) noexcept nogil:
    """The energy of one pair; its derivative by the squared distance into `slope`."""
    cdef double r2 = 0, s6
    cdef Py_ssize_t k
    for k in range(d):
        r2 += (a[k] - b[k]) * (a[k] - b[k])
    s6 = (sigma * sigma / r2) ** 3
    slope[0] = 4 * epsilon * (3 * s6 - 6 * s6 * s6) / r2
    return 4 * epsilon * (s6 * s6 - s6)


cdef void energy_of(const real* x, Py_ssize_t n, Py_ssize_t d, const double* params, real* y) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double total = 0, slope
    for i in range(n):
        for j in range(i):
            total += pair(x + i * d, x + j * d, d, params[0], params[1], &slope)
    y[0] = <real> total


cdef void gradient_of(const real* x, Py_ssize_t n, Py_ssize_t d, const double* params, const real* g,
                      real* dx) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef double slope, part
    for k in range(n * d):
        dx[k] = 0
    for i in range(n):
        for j in range(i):
            pair(x + i * d, x + j * d, d, params[0], params[1], &slope)
            for k in range(d):
                part = g[0] * slope * 2 * (x[i * d + k] - x[j * d + k])
                dx[i * d + k] += <real> part
                dx[j * d + k] -= <real> part


cdef void tangent_of(const real* x, Py_ssize_t n, Py_ssize_t d, const double* params, const real* dx,
                     real* dy) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef double slope, total = 0
    for i in range(n):
        for j in range(i):
            pair(x + i * d, x + j * d, d, params[0], params[1], &slope)
            for k in range(d):
                total += slope * 2 * (x[i * d + k] - x[j * d + k]) * (dx[i * d + k] - dx[j * d + k])
    dy[0] = <real> total


# ---- what fastad calls: for both dtypes, without the interpreter's lock ------------------------------
cdef int shape(const fastad.Buffer* x, const double* params, int* ndim, Py_ssize_t* out) noexcept nogil:
    ndim[0] = 0                            # one number
    return 0 if x.ndim == 2 else 1


cdef int forward(int dtype, const fastad.Buffer* x, const double* params, fastad.Buffer* y) noexcept nogil:
    if dtype == fastad.FLOAT32:
        energy_of[float](<const float*> x.data, x.shape[0], x.shape[1], params, <float*> y.data)
    else:
        energy_of[double](<const double*> x.data, x.shape[0], x.shape[1], params, <double*> y.data)
    return 0


cdef int backward(int dtype, const fastad.Buffer* x, const double* params, const fastad.Buffer* y, const fastad.Buffer* g,
                  fastad.Buffer* dx) noexcept nogil:
    if dtype == fastad.FLOAT32:
        gradient_of[float](<const float*> x.data, x.shape[0], x.shape[1], params, <const float*> g.data,
                           <float*> dx.data)
    else:
        gradient_of[double](<const double*> x.data, x.shape[0], x.shape[1], params, <const double*> g.data,
                            <double*> dx.data)
    return 0


cdef int jvp(int dtype, const fastad.Buffer* x, const double* params, const fastad.Buffer* y, const fastad.Buffer* dx,
             fastad.Buffer* dy) noexcept nogil:
    if dtype == fastad.FLOAT32:
        tangent_of[float](<const float*> x.data, x.shape[0], x.shape[1], params, <const float*> dx.data,
                          <float*> dy.data)
    else:
        tangent_of[double](<const double*> x.data, x.shape[0], x.shape[1], params, <const double*> dx.data,
                           <double*> dy.data)
    return 0


cdef fastad.Kernel kernel
kernel.name = b"energy"
kernel.n_inputs = 1                        # x
kernel.n_params = 2                        # epsilon, sigma
kernel.shape = shape
kernel.forward = forward
kernel.backward = backward
kernel.jvp = jvp

energy = fastad.register(&kernel)          # energy(x, epsilon, sigma)


# ---- the same derivative in fastad's functions, for derivatives of it --------------------------------
def gradient(x, epsilon, sigma):
    """The derivative of E by each difference x[i] - x[j]; dE/dx is the sum over j."""
    same = fastad.eye(len(x))              # a particle is no pair with itself
    difference = x[:, None] - x[None]
    r2 = (difference ** 2).sum(-1) + same
    s6 = (sigma ** 2 / r2) ** 3 * (1 - same)
    return (4 * epsilon * (3 * s6 - 6 * s6 ** 2) / r2)[..., None] * 2 * difference


defvjp(energy, lambda ans, x, epsilon, sigma: lambda g: g * gradient(x, epsilon, sigma).sum(1))
defjvp(energy, lambda t, ans, x, epsilon, sigma: (t * gradient(x, epsilon, sigma).sum(1)).sum())
