# shape.pxd (level 4): axis arguments, and views of arrays, for the primitives that need them directly.
from ..storage cimport Array, Layout
from ..tape cimport Node
from ..tensor cimport Tensor

cdef int axis_of(str name, object axis, int ndim) except -1
cdef int axes_of(str name, object axis, int ndim, char* chosen) except -1
cdef Array reshaped(Array a, Layout want)
cdef Array part(Array a, tuple shape, tuple rule)
cdef Layout in_layout(Node node, int i)
cdef Tensor reshape_to(Tensor x, int ndim, const Py_ssize_t* shape)
cdef Tensor select(Tensor x, tuple shape, tuple rule)
cdef Tensor place(Tensor x, tuple shape, tuple rule, Array background)
cdef tuple cut_rule(tuple shape, int axis, Py_ssize_t start, Py_ssize_t step)
