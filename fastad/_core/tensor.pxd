# tensor.pxd (level 3): Tensor, and how an operation records itself.
from cpython.object cimport PyObject

from .storage cimport Array, Layout
from .tape cimport Node, Primitive

cdef class Tensor:
    cdef Array arr
    cdef Node node                      # the producer of this value; a leaf's accumulation node; or None
    cdef unsigned int out               # which of the producer's outputs
    cdef object grad_
    cdef PyObject* leaf                 # owned LeafRef of a leaf; it refers to nothing, so the collector may miss it
    cdef object __weakref__

# building results
cdef Tensor wrap(Array a)                                   # no derivative
cdef bint records(Tensor x) noexcept                        # x has a derivative, and this thread records
cdef Tensor produced(Array a, Node node)                    # the next output of node
cdef Node record1(Primitive prim, Tensor x, object args)    # a node with its edges; then save() and produced()
cdef Node record2(Primitive prim, Tensor a, Tensor b, object args)
cdef Node record_n(Primitive prim, list inputs, object args)
cdef bint any_records(list inputs)

# taking arguments
cdef Tensor as_tensor(object x)
cdef Tensor coerce(object x, Tensor other)
cdef object ndarray(Tensor x)
cdef Tensor result_from(object nd)                          # a NumPy result (array or scalar) as a Tensor

# filled by the level above
ctypedef object (*unary_fn)(Tensor x)
ctypedef object (*binary_fn)(object a, object b)
cdef struct Operators:
    binary_fn add
    binary_fn subtract
    binary_fn multiply
    binary_fn divide
    binary_fn power
    binary_fn matmul
    unary_fn negative
    unary_fn abs
    binary_fn getitem
cdef Operators operators
