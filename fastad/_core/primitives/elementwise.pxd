# elementwise.pxd (level 4): for primitives that call an elementwise one directly.
cimport cython

from ..kernels cimport fad_row
from ..storage cimport Array
from ..tape cimport Node, Primitive, Walk
from ..tensor cimport Tensor

cdef class Row(Primitive):
    """The primitive of one row of the table."""
    cdef const fad_row* row
    cdef readonly tuple texts             # the vjp of each input, as in the table
    cdef list code
    cdef bint passes[2]                   # the derivative is 1: the gradient goes on without a kernel
    cdef readonly bint holomorphic

    cdef int setup(self, int i, int arity) except -1
    cdef inline int reads(self, Node node) noexcept:
        """What the derivatives that are wanted read: FAD_A, FAD_B, FAD_Y."""
        return (self.row.needs[0] if node.in0 is not None else 0) | (self.row.needs[1] if node.in1 is not None else 0)
    cdef object evaluate(self, int i, object g, dict local)
    cdef dict values(self, Node node, tuple saved)
    cdef int check_complex(self, Tensor x) except -1

@cython.final
cdef class Unary(Row):
    cdef Tensor apply(self, Tensor x, tuple args)

@cython.final
cdef class Binary(Row):
    cdef Tensor apply(self, Tensor a, Tensor b)
    cdef int keep(self, Node node, Array a, Array b, Array y) except -1
    cdef Tensor promote(self, Tensor a, Tensor b)
    cdef int backward_strided(self, Node node, Array g, Walk walk) except -1

cdef object binary(Binary p, object a, object b)            # NotImplemented for operands that are no numbers
cdef object power(object a, object b)
cdef object add(object a, object b)
cdef object subtract(object a, object b)
cdef object multiply(object a, object b)
cdef object divide(object a, object b)
cdef Tensor elementwise1(str name, Tensor x)
cdef Tensor elementwise2(str name, Tensor a, Tensor b)
