"""Level 3: operations of users' own: how they are recorded, kernels from compiled modules, and the capsule for these.

Imports tensor and the tape.  Next: ../extend.py, which has the rules, and include/fastad.h, the other side of the capsule.
"""
cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.pycapsule cimport PyCapsule_New
from libc.string cimport memset

from .storage cimport Array, Layout, dense, empty, from_ndarray, view, wrote
from .tape cimport (
    Node, Primitive, Py_REFCNT, edge, edge_out, grad_enabled, link, nesting, new_node, ruling, switch_recording,
)
from .tensor cimport Tensor, produced, wrap
from .types cimport MAX_NDIM, compiled

cdef extern from "fastad.h":
    """
    #define Py_INCREF_PTR(p) Py_INCREF((PyObject *)(p))
    """
    enum:
        FASTAD_ABI, FASTAD_OTHER, FASTAD_MAX_INPUTS

    ctypedef struct fastad_buffer:
        void* data
        Py_ssize_t size
        const Py_ssize_t* shape
        int ndim

    ctypedef struct fastad_kernel:
        const char* name
        int n_inputs, n_params
        int (*shape)(const fastad_buffer* x, const double* params, int* ndim, Py_ssize_t* shape) noexcept nogil
        int (*forward)(int dtype, const fastad_buffer* x, const double* params, fastad_buffer* y) noexcept nogil
        int (*backward)(int dtype, const fastad_buffer* x, const double* params, const fastad_buffer* y,
                        const fastad_buffer* g, fastad_buffer* dx) noexcept nogil
        int (*jvp)(int dtype, const fastad_buffer* x, const double* params, const fastad_buffer* y,
                   const fastad_buffer* dx, fastad_buffer* dy) noexcept nogil

    ctypedef struct fastad_view:
        const void* data
        Py_ssize_t size
        const Py_ssize_t* shape
        const Py_ssize_t* strides
        int ndim, dtype, contiguous

    ctypedef struct fastad_api:
        int abi, size
        PyTypeObject* tensor_type
        PyObject* (*new_tensor)(int dtype, int ndim, const Py_ssize_t* shape) except NULL
        int (*view)(PyObject* tensor, fastad_view* view) except -1
        void* (*write)(PyObject* tensor) except NULL
        PyObject* (*kernel)(const fastad_kernel* kernel) except NULL

    void Py_INCREF_PTR(PyObject* p)


# ---- recording ---------------------------------------------------------------------------------------
def record_after(Primitive prim not None, Node node not None, list inputs, list outputs, args):
    """The constants `outputs` as the results of an operation on the inputs of `node` and on `inputs`; nothing is saved."""
    cdef Node after = new_node(prim, node.n_in + <int> len(inputs), args)
    cdef Tensor t
    cdef int i
    for i in range(node.n_in):
        if edge(node, i) is not None:
            link(after, i, edge(node, i), edge_out(node, i))
    for i in range(len(inputs)):
        t = inputs[i]
        if t.node is not None:
            link(after, node.n_in + i, t.node, t.out)
    return [produced((<Tensor> t).arr, after) for t in outputs]


def fixed(Tensor t not None):
    """The same numbers as a constant that cannot be written to; a tensor with a derivative as it is."""
    cdef Array a
    if t.node is not None:
        return t
    a = view(t.arr, t.arr.layout, t.arr.data)
    a.readonly = True
    return wrap(a)


def same_memory(Tensor a not None, Tensor b not None):
    """Whether they are the same numbers in the same places."""
    return a.arr is b.arr


def called(f, tuple args, dict kwargs):
    """(f(*args, **kwargs), whether nobody else holds it); for a tuple or list, a list of that for its items."""
    cdef object result = f(*args, **kwargs), item = None
    cdef bint sole = Py_REFCNT(<PyObject*> result) == 1
    if not isinstance(result, (tuple, list)):
        return result, sole
    found = []
    for item in result:                    # referred to by `item` and by the sequence
        found.append(sole and Py_REFCNT(<PyObject*> item) == 2)
    return result, found


def run_rule(rule, tuple values):
    """rule(*values) as part of a walk that records: what would take numbers out of the tensors is refused."""
    cdef bint before = switch_recording(True)
    nesting(1)
    ruling(1)
    try:
        return rule(*values)
    finally:
        ruling(-1)
        nesting(-1)
        switch_recording(before)


def run_plain(rule, tuple values, bint recording=False):
    """rule(*values) on constants, as if no other rule were under way; `recording` only what it reads past its arguments."""
    cdef bint before = switch_recording(recording)
    cdef int outer = ruling(0)
    ruling(-outer)
    try:
        return rule(*values)
    finally:
        ruling(outer)
        switch_recording(before)


# ---- compiled kernels --------------------------------------------------------------------------------
cdef int show(fastad_buffer* b, object x, int* code, list held) except -1:
    """A contiguous array of the dtype that the others have, as a kernel sees it; nothing for None."""
    cdef Array a
    memset(b, 0, sizeof(b[0]))
    if x is None:
        return 0
    a = from_ndarray(x)
    held.append(a)
    if not a.layout.contiguous or not compiled(a.layout.code) or (code[0] >= 0 and code[0] != a.layout.code):
        raise TypeError(f"kernel: arrays must be contiguous and of one dtype, float32 or float64, got {a.layout.dtype}")
    code[0] = a.layout.code
    b.data, b.size, b.ndim, b.shape = a.data, a.layout.size, a.layout.ndim, a.layout.shape
    return 0


@cython.final
cdef class Kernel:
    """A function of a compiled module; ../_kernel.py calls it, with arrays that fit."""
    cdef fastad_kernel k
    cdef readonly str name

    def __init__(self, *args, **kwargs):
        raise TypeError("Kernel: kernels are registered by compiled modules, with fastad.register")

    @property
    def n_inputs(self):
        return self.k.n_inputs

    @property
    def n_params(self):
        return self.k.n_params

    @property
    def has_shape(self):
        return self.k.shape is not NULL

    @property
    def has_backward(self):
        return self.k.backward is not NULL

    @property
    def has_jvp(self):
        return self.k.jvp is not NULL

    def run(self, str what, list x, list params, y, g, list dx):
        """What the kernel `what` returned: "shape" (the shape then stands in y, a list), "forward" into y, "backward" of g
        into dx, "jvp" of dx into g."""
        cdef fastad_buffer xs[FASTAD_MAX_INPUTS]
        cdef fastad_buffer dxs[FASTAD_MAX_INPUTS]
        cdef fastad_buffer ys, gs
        cdef double numbers[FASTAD_MAX_INPUTS]
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef int i, code = -1, status, ndim = 0
        cdef list held = []
        cdef int n = self.k.n_inputs
        if self.k.forward is NULL or len(x) != n or len(dx) != n or len(params) != self.k.n_params:
            raise TypeError("kernel: not registered, or not given its arguments")
        for i in range(n):
            show(&xs[i], x[i], &code, held)
            show(&dxs[i], dx[i], &code, held)
        for i in range(self.k.n_params):
            numbers[i] = params[i]
        if what == "shape":
            if self.k.shape is NULL:
                return -1
            with nogil:
                status = self.k.shape(xs, numbers, &ndim, shape)
            (<list> y)[:] = [shape[i] for i in range(ndim)] if 0 <= ndim <= MAX_NDIM else [-1]
            return status
        show(&ys, y, &code, held)
        show(&gs, g, &code, held)
        if what == "forward":
            with nogil:
                status = self.k.forward(code, xs, numbers, &ys)
        elif what == "backward" and self.k.backward is not NULL:
            with nogil:
                status = self.k.backward(code, xs, numbers, &ys, &gs, dxs)
        elif what == "jvp" and self.k.jvp is not NULL:
            with nogil:
                status = self.k.jvp(code, xs, numbers, &ys, dxs, &gs)
        else:
            return -1
        return status


# ---- the capsule -------------------------------------------------------------------------------------
cdef PyObject* new_tensor(int dtype, int ndim, const Py_ssize_t* shape) except NULL:
    cdef Tensor t
    cdef int i
    if not compiled(dtype) or dtype < 0:
        raise TypeError(f"new_tensor: dtype must be fastad.FLOAT32 or fastad.FLOAT64, got {dtype}")
    if ndim < 0 or ndim > MAX_NDIM:
        raise ValueError(f"new_tensor: ndim must be from 0 to {MAX_NDIM}, got {ndim}")
    for i in range(ndim):
        if shape[i] < 0:
            raise ValueError(f"new_tensor: axis {i} has the length {shape[i]}")
    t = wrap(empty(dense(dtype, ndim, shape)))
    Py_INCREF_PTR(<PyObject*> t)
    return <PyObject*> t


cdef Tensor tensor_of(str name, PyObject* x):
    if x is NULL or not isinstance(<object> x, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {'NULL' if x is NULL else type(<object> x).__name__}")
    return <Tensor> <object> x


cdef int view_of(PyObject* x, fastad_view* to) except -1:
    cdef Layout layout
    cdef Tensor t = tensor_of("view", x)
    layout = t.arr.layout
    to.data, to.size, to.shape, to.strides = t.arr.data, layout.size, layout.shape, layout.strides
    to.ndim, to.contiguous = layout.ndim, layout.contiguous
    to.dtype = layout.code if compiled(layout.code) else FASTAD_OTHER
    return 0


cdef void* write(PyObject* x) except NULL:
    cdef Tensor t = tensor_of("write", x)
    if t.node is not None and grad_enabled():
        raise RuntimeError("write: this tensor is part of a graph and cannot be changed in place; use no_grad()")
    if t.arr.readonly:
        raise ValueError("write: this tensor's memory is read-only; write to a copy()")
    wrote(t.arr)
    return t.arr.data


cdef PyObject* kernel_of(const fastad_kernel* k) except NULL:
    cdef Kernel kernel
    if k.name is NULL or k.forward is NULL:
        raise ValueError("register: a kernel needs a name and a forward function")
    if not (0 < k.n_inputs <= FASTAD_MAX_INPUTS and 0 <= k.n_params <= FASTAD_MAX_INPUTS):
        raise ValueError(f"register: {k.name.decode()} has {k.n_inputs} inputs and {k.n_params} numbers, expected 1 to "
                         f"{FASTAD_MAX_INPUTS} and 0 to {FASTAD_MAX_INPUTS}")
    kernel = Kernel.__new__(Kernel)
    kernel.k = k[0]
    kernel.name = k.name.decode()
    kernel.k.name = NULL                   # the caller's
    Py_INCREF_PTR(<PyObject*> kernel)
    return <PyObject*> kernel


cdef fastad_api api
api.abi = FASTAD_ABI
api.size = sizeof(fastad_api)
api.tensor_type = <PyTypeObject*> Tensor
api.new_tensor = new_tensor
api.view = view_of
api.write = write
api.kernel = kernel_of
C_API = PyCapsule_New(&api, "fastad.C_API", NULL)
