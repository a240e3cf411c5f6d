# part.pxd (level 4): parts of arrays by rule, for the primitives that take slices.
from ..storage cimport Array
from ..tensor cimport Tensor

cdef Array part(Array a, tuple shape, tuple rule)
cdef tuple cut_rule(tuple shape, int axis, Py_ssize_t start, Py_ssize_t step)
cdef Tensor select(Tensor x, tuple shape, tuple rule)
