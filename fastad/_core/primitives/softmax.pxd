# softmax.pxd (level 4): for the losses.
from ..kernels cimport fad_rows_back_fn, fad_rows_fn
from ..tape cimport Primitive
from ..tensor cimport Tensor

cdef class OverRows(Primitive):
    """A function of whole rows (the last axis), whose derivative reads its own result."""
    cdef fad_rows_fn* forward
    cdef fad_rows_back_fn* back
    cdef Tensor apply(self, Tensor x)

cdef OverRows SOFTMAX, LOG_SOFTMAX
