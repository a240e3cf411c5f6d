"""Level 3: operations of users' own: how they are recorded, kernels from compiled modules, and the capsule for these.

Imports tensor and the tape.  Next: ../extend.py, which has the rules, and include/fastad.h, the other side of the capsule.
"""
cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.pycapsule cimport PyCapsule_New
from libc.string cimport memset

import numpy as np

from .arrays cimport contiguous, operand
from .storage cimport Array, Layout, copy_ndarray, dense, empty, from_ndarray, same_shape, shape_of, to_ndarray, wrote
from .tape cimport (
    FROM_OUTPUT, Node, Primitive, Py_REFCNT, edge, edge_out, grad_enabled, link, nesting, new_node, ruling, save,
    switch_recording,
)
from .tensor cimport Tensor, produced, record_n, wrap
from .types cimport F32, F64, MAX_NDIM, compiled

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
cdef class Custom(Primitive):
    """Base of the primitives that are defined in Python; their rules take no leading axes."""
    def __init__(self, str name):
        self.name = name
        self.one_by_one = True


def record(Primitive prim not None, list inputs, list outputs, list saved, args):
    """The constants `outputs` as the results of one recorded operation on `inputs`, both tensors.

    `saved`, each an input or an output (by its memory), are what the rules will be given."""
    cdef Node node = record_n(prim, inputs, args)
    cdef Tensor t
    for t in saved:
        save(node, t.arr, kind_of(prim, t, inputs, outputs))
    return [produced((<Tensor> t).arr, node) for t in outputs]


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


cdef int kind_of(Primitive prim, Tensor t, list inputs, list outputs) except -1:
    cdef Py_ssize_t i
    for i in range(len(inputs)):
        if (<Tensor> inputs[i]).arr is t.arr:
            return <int> i
    for i in range(len(outputs)):
        if (<Tensor> outputs[i]).arr is t.arr:
            return <int> (FROM_OUTPUT - i)
    raise ValueError(f"{prim.name}: a saved value of shape {t.shape} is neither an input nor an output")


def frozen(Tensor t not None):
    """The numbers of a tensor as an array that cannot be written to, a NumPy scalar if it is 0-d."""
    nd = to_ndarray(t.arr)
    if t.arr.layout.ndim == 0:
        return nd[()]
    nd.flags.writeable = False
    return nd


def constant(Tensor t not None):
    """The same numbers without a derivative, also inside a rule."""
    return wrap(t.arr)


def same_memory(Tensor a not None, Tensor b not None):
    """Whether they are the same numbers in the same places."""
    return a.arr is b.arr


def call(str name, f, tuple args, dict kwargs):
    """f(*args, **kwargs), each result a constant tensor that nobody else can write to."""
    cdef object result = f(*args, **kwargs)
    cdef bint sole = Py_REFCNT(<PyObject*> result) == 1
    if not isinstance(result, (tuple, list)):
        return taken(name, result, sole)
    found = []
    for item in result:                    # referred to by `item` and by the sequence
        found.append(taken(name, item, sole and Py_REFCNT(<PyObject*> item) == 2))
    if hasattr(result, "_fields"):
        return type(result)(*found)
    return found if isinstance(result, list) else tuple(found)


cdef Tensor taken(str name, object x, bint sole):
    if isinstance(x, Tensor):
        if (<Tensor> x).node is not None:
            raise TypeError(f"{name}: it returned a tensor that is being differentiated, which reached it past its arguments; pass "
                            f"it as one")
        return wrap((<Tensor> x).arr) if sole else wrap(copy_ndarray(to_ndarray((<Tensor> x).arr)))
    if not isinstance(x, (np.ndarray, np.generic, int, float, complex)):
        raise TypeError(f"{name}: it returned a {type(x).__name__}, expected an array, a number, or a tuple of these")
    nd = operand(name, x)
    if sole and type(x) is np.ndarray and nd.flags.owndata and nd.flags.writeable and nd.dtype.isnative and nd.flags.aligned:
        return wrap(from_ndarray(nd))
    return wrap(copy_ndarray(nd))


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


def run_plain(rule, tuple values):
    """rule(*values) on constants, not recorded, as if no other rule were under way."""
    cdef bint before = switch_recording(False)
    cdef int outer = ruling(0)
    ruling(-outer)
    try:
        return rule(*values)
    finally:
        ruling(outer)
        switch_recording(before)


# ---- compiled kernels --------------------------------------------------------------------------------
cdef struct Call:                          # what a kernel is given
    fastad_buffer x[FASTAD_MAX_INPUTS]
    double params[FASTAD_MAX_INPUTS]
    int code


cdef void show(fastad_buffer* b, Array a) noexcept:
    b.data = a.data
    b.size = a.layout.size
    b.shape = a.layout.shape
    b.ndim = a.layout.ndim


@cython.final
cdef class Kernel:
    """A function of a compiled module.  The first arguments are arrays of one dtype, the last ones numbers."""
    cdef fastad_kernel k
    cdef readonly str name

    def __init__(self, *args, **kwargs):
        raise TypeError("Kernel: kernels are registered by compiled modules, with fastad.register")

    @property
    def n_inputs(self):
        return self.k.n_inputs

    @property
    def has_backward(self):
        return self.k.backward is not NULL

    @property
    def has_jvp(self):
        return self.k.jvp is not NULL

    cdef list begin(self, Call* c, tuple args, object dtype):
        """Fill `c`; a list of the arrays, which keeps their memory alive."""
        cdef int i, n = self.k.n_inputs
        cdef list arrays = [], held = []
        cdef Array a
        if self.k.forward is NULL:
            raise TypeError("Kernel: kernels are registered by compiled modules, with fastad.register")
        if len(args) != n + self.k.n_params:
            raise TypeError(f"{self.name}: {len(args)} arguments, expected {n} arrays and {self.k.n_params} numbers")
        for i in range(n):
            arrays.append(operand(self.name, args[i]))
        if dtype is None:
            dtype = np.result_type(*[x.dtype if x.dtype.kind == "f" else np.result_type(x.dtype, np.float64) for x in arrays])
            dtype = np.dtype(np.float32) if dtype == np.float16 else dtype
        if dtype != np.float32 and dtype != np.float64:
            raise TypeError(f"{self.name}: there are kernels for float32 and float64, not for {dtype}; use x.astype(float)")
        c.code = F32 if dtype == np.float32 else F64
        for i in range(n):
            a = contiguous(from_ndarray(np.require(arrays[i], dtype, "A")))
            held.append(a)
            show(&c.x[i], a)
        for i in range(self.k.n_params):
            c.params[i] = args[n + i]
        return held

    cdef int check(self, int status, list held, str what) except -1:
        if status:
            raise ValueError(f"{self.name}: its {what} kernel failed with {status} on inputs of shapes "
                             f"{', '.join([str(shape_of((<Array> a).layout)) for a in held])}")
        return 0

    def __call__(self, *args):
        """The value: an array, a NumPy scalar if it is 0-d."""
        cdef Call c
        cdef fastad_buffer y
        cdef list held = self.begin(&c, args, None)
        cdef Array out, first = held[0]
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef int ndim = first.layout.ndim, status, i
        if self.k.shape is NULL:
            for a in held:
                if shape_of((<Array> a).layout) != shape_of(first.layout):
                    raise ValueError(f"{self.name}: its inputs must have one shape, got "
                                     f"{' and '.join([str(shape_of((<Array> b).layout)) for b in held])}")
            out = empty(dense(c.code, ndim, first.layout.shape))
        else:
            with nogil:
                status = self.k.shape(c.x, c.params, &ndim, shape)
            self.check(status, held, "shape")
            if ndim < 0 or ndim > MAX_NDIM or any([shape[i] < 0 for i in range(ndim)]):
                raise ValueError(f"{self.name}: its shape kernel gave an impossible shape of {ndim} axes")
            out = empty(dense(c.code, ndim, shape))
        show(&y, out)
        with nogil:
            status = self.k.forward(c.code, c.x, c.params, &y)
        self.check(status, held, "forward")
        nd = to_ndarray(out)
        return nd if ndim else nd[()]

    def pull(self, tuple args, ans, g, tuple wanted):
        """The cotangents of the inputs, None where `wanted` is False."""
        cdef Call c
        cdef fastad_buffer y, gy
        cdef fastad_buffer dx[FASTAD_MAX_INPUTS]
        cdef list held = self.begin(&c, args, ans.dtype), found = []
        cdef Array a
        cdef int i, status
        memset(dx, 0, sizeof(dx))
        show(&y, self.beside(ans, ans.dtype, held, -1, NULL))
        show(&gy, self.beside(g, ans.dtype, held, y.ndim, y.shape))
        for i in range(self.k.n_inputs):
            if wanted[i]:
                a = empty(dense(c.code, c.x[i].ndim, c.x[i].shape))
                show(&dx[i], a)
                found.append(wrap(a))
            else:
                found.append(None)
        with nogil:
            status = self.k.backward(c.code, c.x, c.params, &y, &gy, dx)
        self.check(status, held[:self.k.n_inputs], "backward")
        return found

    def push(self, tuple args, ans, list tangents):
        """The tangent of the result; `tangents` has None for an input without one."""
        cdef Call c
        cdef fastad_buffer y, dy
        cdef fastad_buffer dx[FASTAD_MAX_INPUTS]
        cdef list held = self.begin(&c, args, ans.dtype)
        cdef Array out
        cdef int i, status
        memset(dx, 0, sizeof(dx))
        show(&y, self.beside(ans, ans.dtype, held, -1, NULL))
        for i in range(self.k.n_inputs):
            if tangents[i] is not None:
                show(&dx[i], self.beside(tangents[i], ans.dtype, held, c.x[i].ndim, c.x[i].shape))
        out = empty(dense(c.code, y.ndim, y.shape))
        show(&dy, out)
        with nogil:
            status = self.k.jvp(c.code, c.x, c.params, &y, dx, &dy)
        self.check(status, held[:self.k.n_inputs], "jvp")
        return wrap(out)

    cdef Array beside(self, object x, object dtype, list held, int ndim, const Py_ssize_t* shape):
        """An array of the shape of another; of any, if ndim is negative."""
        cdef Array a = contiguous(from_ndarray(np.require(x, dtype, "A")))
        if ndim >= 0 and not same_shape(a.layout, dense(a.layout.code, ndim, shape)):
            raise ValueError(f"{self.name}: a cotangent or tangent of shape {shape_of(a.layout)}, expected "
                             f"{tuple([shape[i] for i in range(ndim)])}")
        held.append(a)
        return a


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


cdef int view_of(PyObject* x, fastad_view* view) except -1:
    cdef Layout layout
    cdef Tensor t = tensor_of("view", x)
    layout = t.arr.layout
    view.data, view.size, view.shape, view.strides = t.arr.data, layout.size, layout.shape, layout.strides
    view.ndim, view.contiguous = layout.ndim, layout.contiguous
    view.dtype = layout.code if compiled(layout.code) else FASTAD_OTHER
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
