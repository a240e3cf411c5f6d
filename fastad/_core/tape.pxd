# tape.pxd (level 2): Primitive (the rules), Node (one recorded operation), Walk (a pass over the tape).
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from .storage cimport Array, Layout, empty, version_of
from .types cimport FASTAD_DEBUG

cdef class Primitive:
    """The rules of one operation.  A subclass states them in one block, beside its forward function."""
    cdef readonly str name
    cdef bint raw                       # `backward` exists, for float32 and float64
    cdef bint pushes                    # `push` does
    cdef bint one_by_one                # its traced rules take no leading axes: the walks loop
    cdef int backward(self, Node node, Array g, Walk walk) except -1
    cdef Array push(self, Node node, Walk walk)
    cdef dict statics_of(self, Node node)

cdef class More:
    """What the few nodes need that have more than three inputs, two saved values, one output (eigh, svd, qr), or hooks."""
    cdef list inputs, outs              # edges from the fourth on
    cdef list saved, versions, kinds    # saved values from the third on
    cdef list layouts                   # of outputs from the second on
    cdef list sums                      # checksums of the saved values, in the debug build
    cdef dict hooks                     # output index -> list of callables
    cdef list after                     # of a leaf: called with it when its .grad was added to
    cdef object line                    # whatever an observer wants to know again: where the operation was written

cdef class Node:
    cdef readonly Primitive prim
    cdef Node in0, in1, in2             # edges: (producer, which of its outputs); None for a constant
    cdef Array s0, s1                   # saved values
    cdef Layout layout                  # of output 0
    cdef readonly object args           # static arguments of the operation
    cdef More more
    cdef unsigned int out0, out1, out2
    cdef unsigned int v0, v1            # the versions of the saved values when they were saved
    cdef unsigned int slot              # where the present walk keeps this node's gradients
    cdef unsigned long long stamp       # the last walk that came by
    cdef readonly unsigned long long serial     # nodes made before it, and it: inputs have smaller ones
    cdef int n_in
    cdef unsigned short n_out, n_saved
    cdef signed char k0, k1             # what the saved values are: input i, output FROM_OUTPUT - k
    cdef unsigned char argument         # its output is an argument's copy, made by a transform to differentiate by
    cdef bint freed

cdef enum:
    INTERMEDIATE = -1                   # neither: only raw rules may read it
    FROM_OUTPUT = -2

cdef class LeafRef:
    """A leaf's accumulation node reaches the leaf through this, without keeping it alive."""
    cdef PyObject* tensor

cdef class Walk:
    cdef PyObject** order               # nodes, inputs before outputs; borrowed, the roots keep them
    cdef PyObject** grads               # a slot an output: Array, or Tensor in a recording walk; owned.  Going forward: tangents
    cdef unsigned char* needed          # NULL: all of them
    cdef unsigned char* capture         # slots whose gradient is asked for; NULL: none
    cdef unsigned long long* displaced  # stamps and slots of an outer walk, restored at the end
    cdef Py_ssize_t n, n_displaced, capacity, n_grads
    cdef Py_ssize_t frontier            # so many nodes come first, at which the walk ends whatever they are made of
    cdef readonly bint recording, keep
    cdef bint raw                       # raw rules may run, without a detour
    cdef Watch watch                    # who observes, or None
    cdef bint python_ran                # hooks or traced rules, which may have freed something
    cdef unsigned long long writes      # before it checked what was saved; other threads write while kernels run
    cdef readonly int lead
    cdef unsigned long long stamp
    cdef unsigned long thread, met      # its own, and the one that was walking a node it came to
    cdef PyObject* adding               # the buffer that `receive` has lent to an adding kernel; borrowed
    cdef dict captured
    cdef Walk next                      # under way at the same time, of any thread

cdef class Watch:
    """The observers of one thread, and what they are about to be told."""
    cdef list observers
    cdef Node node                      # the last one recorded, whose outputs come next
    cdef tuple inputs                   # its inputs, as Tensors
    cdef Node running                   # whose rule a walk is running

cdef int watched                        # observers that are on, of every thread
cdef Watch watch_of_thread()
cdef int note(Node node, object a, object b, list inputs) except -1
cdef int another(Node node, Array a) except -1
cdef int tell_rule(Watch watch, Node node, list given, list found, bint forward) except -1

cdef Primitive ACCUMULATE               # of the node at the end of every path: a leaf's

# recording
cdef bint grad_enabled() noexcept
cdef bint switch_recording(bint on) noexcept      # for this thread; gives what it was
cdef int nesting(int change) noexcept             # how many transforms of this thread are under way
cdef int under_way                                # how many of every thread
cdef int elsewhere(int change) noexcept           # as if so many more were under way in other threads
cdef int forget_other_threads() noexcept          # they ended with a fork
cdef int ruling(int change) noexcept              # how many recorded rules of users' own
cdef unsigned long long last_serial
cdef inline Node new_node(Primitive prim, int n_in, object args):
    global last_serial
    cdef Node node = <Node> Node.__new__(Node)       # the cast spares a test of what is known
    last_serial += 1
    node.serial = last_serial
    node.prim = prim
    node.n_in = n_in
    if args is not None:
        node.args = args
    return node

cdef inline int save(Node node, Array a, int kind) except -1:
    """Keep a value for the rules, with the version it has now."""
    if FASTAD_DEBUG:
        add_sum(node, a)
    if node.n_saved == 0:
        node.s0, node.v0, node.k0 = a, version_of(a), kind
    elif node.n_saved == 1:
        node.s1, node.v1, node.k1 = a, version_of(a), kind
    else:
        return save_more(node, a, kind)
    node.n_saved += 1
    return 0

cdef int save_more(Node node, Array a, int kind) except -1
cdef int add_sum(Node node, Array a) except -1
cdef int link(Node node, int i, Node producer, unsigned int out) except -1
cdef int add_output(Node node, Layout layout) except -1
cdef Array saved(Node node, int i)
cdef int saved_kind(Node node, int i)
cdef unsigned int saved_version(Node node, int i)
cdef More more(Node node)
cdef int check_versions(Node node) except -1

cdef inline int check_saved(Node node) except -1:
    """The node was not freed, and nothing that it saved was changed since."""
    return check_versions(node) if node.freed or node.n_saved else 0

cdef inline int release(Node node) except -1:
    """Let go of the saved values, once a walk has passed."""
    if node.prim is ACCUMULATE:
        return 0
    node.freed = True
    if node.n_saved:
        node.s0 = node.s1 = None
        node.n_saved = 0
    if node.more is not None:
        node.more.saved = None
    return 0

cdef inline Node edge(Node node, int i):
    """The producer of input i, or None."""
    return node.in0 if i == 0 else node.in1 if i == 1 else node.in2 if i == 2 else more_edge(node, i)

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject* o)
    PyObject* PyList_GET_ITEM(object list, Py_ssize_t i)

cdef inline PyObject* edge_pointer(PyObject* node, int i) noexcept:
    """The same without touching a reference count; a pointer to None for a constant."""
    if i == 0:
        return <PyObject*> (<Node> node).in0
    if i == 1:
        return <PyObject*> (<Node> node).in1
    if i == 2:
        return <PyObject*> (<Node> node).in2
    if (<Node> node).more is None or (<Node> node).more.inputs is None:
        return <PyObject*> None
    return PyList_GET_ITEM((<Node> node).more.inputs, i - 3)

cdef inline unsigned int edge_out(Node node, int i):
    """Which output of its producer input i is."""
    return node.out0 if i == 0 else node.out1 if i == 1 else node.out2 if i == 2 else <unsigned int> node.more.outs[i - 3]

cdef inline Layout out_layout(Node node, unsigned int k):
    return node.layout if k == 0 else <Layout> node.more.layouts[k - 1]

cdef Node more_edge(Node node, int i)

# inside a raw rule
cdef inline bint wants(Walk walk, Node node, int i) noexcept:
    """Whether input i has a derivative that this walk asks for."""
    cdef PyObject* producer = edge_pointer(<PyObject*> node, i)
    return producer != <PyObject*> None and (
        walk.needed is NULL or (walk.needed[(<Node> producer).slot] if (<Node> producer).stamp == walk.stamp else False))

cdef inline bint exclusive(PyObject* p) noexcept:
    """An array that only the walk knows, and whose memory only it sees: it may be added to in place."""
    return Py_REFCNT(p) == 1 and (<Array> p).ours

cdef inline PyObject* tangent_pointer(Walk walk, Node node, int i) noexcept:
    """That of input i, in a forward walk; NULL if it has none.  Borrowed."""
    cdef PyObject* producer = edge_pointer(<PyObject*> node, i)
    if producer == <PyObject*> None or (<Node> producer).stamp != walk.stamp:
        return NULL
    return walk.grads[(<Node> producer).slot + edge_out(node, i)]

cdef inline Array tangent(Walk walk, Node node, int i):
    """Inside a raw rule: that of input i, or None."""
    cdef PyObject* p = tangent_pointer(walk, node, i)
    return <Array> p if p is not NULL else None

cdef inline Array receive(Walk walk, Node node, int i, Layout produced, bint* adds):
    """Where a kernel may write the gradient of input i, of layout `produced`: straight into the receiving
    buffer where that fits (adding, if `adds` is set), else into a new one.  `deliver` must follow."""
    cdef PyObject* producer = edge_pointer(<PyObject*> node, i)
    cdef PyObject* p = walk.grads[(<Node> producer).slot + edge_out(node, i)]
    adds[0] = False
    if p is not NULL and (<Array> p).layout is produced and produced.contiguous and exclusive(p):
        adds[0] = True
        walk.adding = p
        return <Array> p
    return empty(produced)

cdef int deliver_slow(Walk walk, Node producer, unsigned int k, Array g) except -1

cdef inline int deliver(Walk walk, Node node, int i, Array g) except -1:
    """Add `g` to the gradient of input i; broadcasting and casting are undone on the way."""
    cdef PyObject* producer
    cdef PyObject** slot
    cdef unsigned int k
    if walk.adding is not NULL:           # a kernel has added to the receiving buffer itself
        walk.adding = NULL
        return 0
    producer = edge_pointer(<PyObject*> node, i)
    k = edge_out(node, i)
    slot = &walk.grads[(<Node> producer).slot + k]
    if slot[0] is NULL and k == 0 and g.layout is (<Node> producer).layout and walk.lead == 0:
        Py_INCREF(g)
        slot[0] = <PyObject*> g
        return 0
    return deliver_slow(walk, <Node> producer, k, g)

# what level 3 lends to this one
ctypedef object (*wrap_fn)(Array a, Node node, unsigned int out)
ctypedef Array (*unwrap_fn)(object tensor, Primitive prim, str giver)      # who may have given something else
ctypedef int (*leaf_fn)(PyObject* leaf, object g, bint recording) except -1
ctypedef object (*undo_fn)(object tensor, Layout want, int lead)
ctypedef object (*stretch_fn)(object tensor, Layout want, int lead, Primitive prim)
ctypedef object (*add_fn)(object a, object b)
ctypedef object (*copy_fn)(object tensor)
ctypedef bint (*sole_fn)(object tensor)
ctypedef object (*stack_fn)(list tensors, tuple lead, Layout layout)
cdef struct Lent:
    wrap_fn wrap
    unwrap_fn unwrap
    leaf_fn leaf
    undo_fn undo
    stretch_fn stretch
    add_fn add
    copy_fn copy
    sole_fn sole
    stack_fn stack
cdef Lent lent
