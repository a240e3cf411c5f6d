"""Every function of `cimport fastad`, handed on to Python for test_cython_api.py."""
cimport fastad


def init():
    fastad.import_fastad()


def new(int dtype, tuple shape):
    cdef Py_ssize_t sizes[fastad.MAX_NDIM]
    cdef int i
    for i in range(min(len(shape), fastad.MAX_NDIM)):
        sizes[i] = shape[i]
    return fastad.new_tensor(dtype, <int> len(shape), sizes)


def describe(fastad.Tensor t):
    cdef fastad.View v
    cdef int i
    fastad.view(t, &v)
    return {"address": <size_t> v.data, "size": v.size, "dtype": v.dtype, "contiguous": v.contiguous,
            "shape": tuple([v.shape[i] for i in range(v.ndim)]), "strides": tuple([v.strides[i] for i in range(v.ndim)])}


def fill(fastad.Tensor t, double value):
    cdef fastad.View v
    cdef Py_ssize_t i
    cdef double* numbers = <double*> fastad.write(t)
    fastad.view(t, &v)
    for i in range(v.size):
        numbers[i] = value


def anything(x):
    """A caller in C is not held to the type."""
    return fastad.view(<fastad.Tensor?> x, NULL)


# ---- kernels: y = a^2 b, elementwise, in float64 only --------------------------------------------------
cdef int forward(int dtype, const fastad.Buffer* x, const double* params, fastad.Buffer* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef const double* a = <const double*> x[0].data
    cdef const double* b = <const double*> x[1].data
    if dtype != fastad.FLOAT64:
        return 7
    for i in range(y.size):
        (<double*> y.data)[i] = a[i] * a[i] * b[i]
    return 0


cdef int backward(int dtype, const fastad.Buffer* x, const double* params, const fastad.Buffer* y, const fastad.Buffer* g,
                  fastad.Buffer* dx) noexcept nogil:
    cdef Py_ssize_t i
    cdef const double* a = <const double*> x[0].data
    cdef const double* b = <const double*> x[1].data
    cdef const double* gs = <const double*> g.data
    for i in range(y.size):
        if dx[0].data is not NULL:
            (<double*> dx[0].data)[i] = gs[i] * 2 * a[i] * b[i]
        if dx[1].data is not NULL:
            (<double*> dx[1].data)[i] = gs[i] * a[i] * a[i]
    return 0 if gs[0] < 1e300 else 8


cdef int jvp(int dtype, const fastad.Buffer* x, const double* params, const fastad.Buffer* y, const fastad.Buffer* dx,
             fastad.Buffer* dy) noexcept nogil:
    cdef Py_ssize_t i
    cdef const double* a = <const double*> x[0].data
    cdef const double* b = <const double*> x[1].data
    cdef double t
    for i in range(y.size):
        t = 0
        if dx[0].data is not NULL:
            t += 2 * a[i] * b[i] * (<const double*> dx[0].data)[i]
        if dx[1].data is not NULL:
            t += a[i] * a[i] * (<const double*> dx[1].data)[i]
        (<double*> dy.data)[i] = t
    return 0


cdef int impossible(const fastad.Buffer* x, const double* params, int* ndim, Py_ssize_t* shape) noexcept nogil:
    ndim[0] = 1
    shape[0] = -3
    return 0


def register(bytes name, int n_inputs=2, int n_params=0, bint derivatives=True, bint shaped=False, bint empty=False):
    cdef fastad.Kernel k
    k.name = name
    k.n_inputs, k.n_params = n_inputs, n_params
    k.shape = NULL
    k.forward = NULL
    k.backward = NULL
    k.jvp = NULL
    if shaped:
        k.shape = impossible
    if not empty:
        k.forward = forward
    if derivatives:
        k.backward = backward
        k.jvp = jvp
    return fastad.register(&k)
