# elementwise.pxd (level 4): for primitives that call an elementwise one directly.
from ..tensor cimport Tensor

cdef object add(object a, object b)
cdef object subtract(object a, object b)
cdef object multiply(object a, object b)
cdef object divide(object a, object b)
cdef Tensor elementwise1(str name, Tensor x)
cdef Tensor elementwise2(str name, Tensor a, Tensor b)
