# fastad for Cython: `cimport fastad`, compile with fastad.get_include() among the include_dirs, and call
# fastad.import_fastad() once at the top of the module.  include/fastad.h says what each name does, docs/extending.md how
# it is used.

cdef extern from "fastad.h":
    enum:
        FLOAT32 "FASTAD_FLOAT32"
        FLOAT64 "FASTAD_FLOAT64"
        OTHER "FASTAD_OTHER"
        MAX_NDIM "FASTAD_MAX_NDIM"
        MAX_INPUTS "FASTAD_MAX_INPUTS"
        ABI "FASTAD_ABI"

    ctypedef class fastad._core.tensor.Tensor [object PyObject, check_size ignore]:
        pass

    ctypedef struct Buffer "fastad_buffer":
        void* data
        Py_ssize_t size
        const Py_ssize_t* shape
        int ndim

    ctypedef int (*shape_fn "fastad_shape_fn")(const Buffer* x, const double* params, int* ndim,
                                               Py_ssize_t* shape) noexcept nogil
    ctypedef int (*forward_fn "fastad_forward_fn")(int dtype, const Buffer* x, const double* params,
                                                   Buffer* y) noexcept nogil
    ctypedef int (*backward_fn "fastad_backward_fn")(int dtype, const Buffer* x, const double* params, const Buffer* y,
                                                     const Buffer* g, Buffer* dx) noexcept nogil
    ctypedef int (*jvp_fn "fastad_jvp_fn")(int dtype, const Buffer* x, const double* params, const Buffer* y,
                                           const Buffer* dx, Buffer* dy) noexcept nogil

    ctypedef struct Kernel "fastad_kernel":
        const char* name
        int n_inputs, n_params
        shape_fn shape
        forward_fn forward
        backward_fn backward
        jvp_fn jvp

    ctypedef struct View "fastad_view":
        const void* data
        Py_ssize_t size
        const Py_ssize_t* shape
        const Py_ssize_t* strides
        int ndim, dtype
        bint contiguous

    int import_fastad "fastad_import"() except -1
    Tensor new_tensor "fastad_new_tensor"(int dtype, int ndim, const Py_ssize_t* shape)
    int view "fastad_view_of"(Tensor tensor, View* view) except -1
    void* write "fastad_write"(Tensor tensor) except NULL
    object register "fastad_register"(const Kernel* kernel)
