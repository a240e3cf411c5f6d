# reduction.pxd (level 4): how a reduction remembers its axes, for the primitives that reduce.
from ..storage cimport Array, Layout
from ..tensor cimport Tensor

cdef object arguments(const char* reduced, int count, int ndim, bint keepdims)
cdef dict named_axes(object node)
cdef int mark(object args, int ndim, char* reduced) except -1
cdef Array stretched(Array g, object args, Layout like)
cdef Array put_back(Array a, Layout like, const char* reduced)
cdef Tensor kept(object node, Tensor y, tuple in_shape)
cdef Tensor summed(object node, Tensor t)
cdef tuple axes_tuple(const char* reduced, int ndim)
cdef int check_real(str name, Tensor x) except -1
cdef int unsupported(str name, object out, object initial, object where) except -1
