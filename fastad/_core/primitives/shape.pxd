# shape.pxd (level 4): axis arguments and reshaping, for the primitives that need them directly.
from ..storage cimport Array, Layout
from ..tape cimport Node, Primitive
from ..tensor cimport Tensor

cpdef int axis_of(str name, object axis, int ndim) except -1
cdef bint flag(str name, str what, object value) except -1
cpdef tuple axes_in_order(str name, object axis, int ndim)
cdef int axes_of(str name, object axis, int ndim, char* chosen) except -1

cdef class PassOn(Primitive):
    pass

cdef Layout in_layout(Node node, int i)
cdef tuple lead_of(object node, Tensor g)
cdef tuple lead_in(object node, int i, Tensor t)
cdef Tensor aligned(object node, int i, Tensor t)
cdef Array reshaped(Array a, Layout want)
cdef Tensor reshape_to(Tensor x, int ndim, const Py_ssize_t* shape)
