# tensor.pxd (level 3): Tensor, and how an operation records itself.
from cpython.object cimport PyObject

from .storage cimport Array, Layout
from .tape cimport LeafRef, Node, Primitive, another, new_node, note, watched

cdef class LeafState:
    """The gradient of a leaf, and the reference by which its accumulation node finds the leaf; dies with it."""
    cdef object grad
    cdef LeafRef ref
    cdef Node kept                      # its accumulation node while `requires_grad` is switched off

cdef class Tensor:
    cdef Array arr
    cdef Node node                      # the producer of this value; a leaf's accumulation node; or None
    cdef unsigned int out               # which of the producer's outputs
    cdef LeafState leaf                 # what only leaves have
    cdef object __weakref__

cdef extern from *:
    bint unlikely(bint x) noexcept        # Cython's hint to the compiler

# building results
cdef Tensor wrap(Array a)                                   # no derivative
cdef bint records(Tensor x) noexcept                        # x has a derivative, and this thread records
cdef inline Tensor produced(Array a, Node node):
    """The next output of `node`."""
    cdef Tensor t = <Tensor> Tensor.__new__(Tensor)
    t.arr = a
    t.node = node
    if node.n_out == 0 and a.layout.contiguous:
        node.layout = a.layout
        node.n_out = 1
    else:
        t.out = another(node, a)
    return t

cdef object replaced(str name, Tensor x)

cdef inline int unchanged(str name, Tensor x, Array used) except -1:
    """What was read is still x's, after the GIL may have been open: an edge to a leaf of another dtype would be a lie."""
    if x.arr is not used:
        raise replaced(name, x)
    return 0

# a node with its edges; then save() what the rules need, and produced()
cdef inline Node record1(Primitive prim, Tensor x, object args):
    cdef Node node = new_node(prim, 1, args)
    node.in0, node.out0 = x.node, x.out
    if unlikely(watched):
        note(node, x, None, None)
    return node

cdef inline Node record2(Primitive prim, Tensor a, Tensor b, object args):
    cdef Node node = new_node(prim, 2, args)
    if a.node is not None:
        node.in0, node.out0 = a.node, a.out
    if b.node is not None:
        node.in1, node.out1 = b.node, b.out
    if unlikely(watched):
        note(node, a, b, None)
    return node

cdef Node record_n(Primitive prim, list inputs, object args)
cdef bint any_records(list inputs)

# taking arguments
cdef Tensor as_tensor(object x)
cdef Tensor coerce(str name, object x, Tensor other)        # an operand beside a Tensor; None if it is none
cdef object ndarray(Tensor x)
cdef object plain(object x)                                 # a Tensor's array; anything else as it is
cdef Tensor result_from(object nd)                          # a NumPy result (array or scalar) as a Tensor

# filled by the level above
ctypedef object (*unary_fn)(Tensor x)
ctypedef object (*binary_fn)(object a, object b)
ctypedef object (*write_fn)(Tensor x, object y, binary_fn op, str name)
ctypedef object (*setitem_fn)(Tensor x, object index, object value)
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
    setitem_fn setitem
    write_fn in_place
cdef Operators operators

cdef bint differentiated(Tensor x) except -1                # its numbers must not leave the tape: a transform differentiates by them
cdef int refuse_number(Tensor x, str name) except -1
cdef int keep_on_tape(Tensor x, str name) except -1
cdef object refuse(Tensor t, str what)                      # the error where NumPy would drop a derivative

# leaves and seeds, for make.pyx
cdef int make_leaf(Tensor t) except -1
cdef int drop_leaf(Tensor t) except -1
cdef Tensor cotangent(Tensor t, object gradient, str name)
