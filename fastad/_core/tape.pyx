"""Level 2: the tape.  Primitive, Node, and what a rule calls during a walk.

A node is one recorded operation; its edges name the nodes that produced its inputs, so the nodes reachable
from a result are the Wengert list of that result.

Imports arrays and storage below.  Next: walk.pyx, which carries adjoints back over the nodes.
"""
cimport cython
from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF

from .arrays cimport add, add_into, cast, sum_to
from .types cimport FASTAD_DEBUG
from .storage cimport dense_as, give_back, same_shape, shape_of, to_ndarray, version_of

cdef extern from *:
    """
    #if defined(_MSC_VER)
    static __declspec(thread) int fad_no_grad = 0, fad_nesting = 0, fad_ruling = 0;
    #else
    static __thread int fad_no_grad = 0, fad_nesting = 0, fad_ruling = 0;
    #endif
    """
    int fad_no_grad, fad_nesting, fad_ruling

cdef extern from "Python.h":
    void PyType_Modified(PyTypeObject* t)
    unsigned long PyThread_get_thread_ident()


cdef bint grad_enabled() noexcept:
    return not fad_no_grad


cdef bint switch_recording(bint on) noexcept:
    global fad_no_grad
    cdef bint before = not fad_no_grad
    fad_no_grad = not on
    return before


cdef int under_way = 0


cdef int nesting(int change) noexcept:
    global fad_nesting, under_way
    fad_nesting += change
    under_way += change
    return fad_nesting


cdef int elsewhere(int change) noexcept:
    global under_way
    under_way = max(under_way + change, fad_nesting)       # a fork may have come between
    return under_way


cdef int forget_other_threads() noexcept:
    global under_way
    under_way = fad_nesting
    return 0


cdef int ruling(int change) noexcept:
    global fad_ruling
    fad_ruling += change
    return fad_ruling


cdef class Switch:
    """The `with` block of `fastad.set_grad_enabled`.  Compiled, because leaving it must not need memory: it is how a
    MemoryError leaves, and this thread would record nothing from then on."""
    cdef public bint mode
    cdef readonly list outer              # (thread, what to go back to): entered again inside its block, or by another thread
    cdef readonly tuple begun             # the same for `begin`

    def __cinit__(self, *args, **kwargs):
        self.outer = []

    def begin(self):
        """Switch now; a block entered after that goes back to what was before."""
        self.begun = (PyThread_get_thread_ident(), grad_enabled())
        switch_recording(self.mode)

    def undo(self):
        """Take `begin` back."""
        if self.begun is not None and <unsigned long> self.begun[0] == PyThread_get_thread_ident():
            switch_recording(self.begun[1])
        self.begun = None

    def __enter__(self):
        cdef tuple before = self.begun
        cdef unsigned long thread = PyThread_get_thread_ident()
        if before is None or <unsigned long> before[0] != thread:
            before = (thread, grad_enabled())
        self.outer.append(before)
        self.begun = None
        switch_recording(self.mode)
        return self

    def __exit__(self, kind, error, traceback):
        cdef Py_ssize_t i = len(self.outer) - 1
        cdef unsigned long thread = PyThread_get_thread_ident()
        while i >= 0 and <unsigned long> (<tuple> self.outer[i])[0] != thread:
            i -= 1
        if i < 0:
            raise RuntimeError("set_grad_enabled: left by a thread that did not enter it; enter and leave in one thread")
        switch_recording((<tuple> self.outer[i])[1])
        del self.outer[i]


def is_grad_enabled():
    """Whether this thread records."""
    return not fad_no_grad


# ---- observers: called with what this thread records, and with what the rules of its walks give -------
cdef int watched = 0
cdef dict watches = {}                    # thread -> Watch


@cython.final
cdef class Watch:
    pass


cdef Watch watch_of_thread():
    return watches.get(PyThread_get_thread_ident())


def observe(observer):
    """From now on, in this thread, call

    ``observer.recorded(out, inputs, within)`` with every output of a recorded operation and its inputs, as Tensors (`out`
    is a handle of its own), and with the node whose rule does this in a walk, or None;
    ``observer.ruled(node, given, found, forward)`` after a walk has run a rule: the tangents of the node's inputs and outputs
    if it goes forward, else the cotangents of its outputs and inputs; None where there is none.

    What an observer raises stops the operation or the walk."""
    global watched
    cdef Watch watch = watch_of_thread()
    if watch is None:
        watch = watches[PyThread_get_thread_ident()] = Watch.__new__(Watch)
        watch.observers = []
    watch.observers.append(observer)
    watched += 1


def unobserve(observer):
    """Stop that."""
    global watched
    cdef Watch watch = watch_of_thread()
    cdef Py_ssize_t i
    if watch is not None:
        for i in range(len(watch.observers) - 1, -1, -1):
            if watch.observers[i] is observer:
                del watch.observers[i]
                watched -= 1
                if not watch.observers:
                    del watches[PyThread_get_thread_ident()]
                return
    raise RuntimeError(f"{type(observer).__name__}: left by a thread that did not enter it; enter and leave in one thread")


cdef enum:
    OBSERVED = 65535                      # in place of n_out, until the first output of a node that observers wait for


cdef int note(Node node, object a, object b, list inputs) except -1:
    """A node was recorded: remember its inputs (a; a and b; or the list), if this thread has observers."""
    cdef Watch watch = watch_of_thread()
    if watch is not None:
        watch.node = node
        watch.inputs = tuple(inputs) if inputs is not None else (a,) if b is None else (a, b)
        node.n_out = OBSERVED             # sends its outputs to `another`
    return 0


cdef int another(Node node, Array a) except -1:
    """A second output, or one that is not dense or that observers wait for: its number."""
    cdef int out = 0 if node.n_out == OBSERVED else node.n_out
    node.n_out = out
    add_output(node, a.layout)
    if watched:
        tell_output(node, a, out)
    return out


cdef int tell_output(Node node, Array a, int out) except -1:
    cdef Watch watch = watch_of_thread()
    cdef bint before
    if watch is None or watch.node is not node:
        return 0
    before = switch_recording(False)
    try:
        for observer in watch.observers[:]:
            observer.recorded(lent.wrap(a, node, out), watch.inputs, watch.running)
    finally:
        switch_recording(before)
    return 0


cdef int tell_rule(Watch watch, Node node, list given, list found, bint forward) except -1:
    cdef bint before = switch_recording(False)
    try:
        for observer in watch.observers[:]:
            observer.ruled(node, given, found, forward)
    finally:
        switch_recording(before)
    return 0


# ---- nodes -------------------------------------------------------------------------------------------
cdef class Primitive:
    """Base class of every rule.

    A subclass gives ``vjp(node, saved, g)``: the cotangents of the inputs, a tuple with None where there is
    none, written in Tensor operations, so that recording it gives derivatives of any order.  `saved` are the
    values kept by the forward function, `g` the cotangent (a tuple of them for several outputs).  `g` may
    have extra leading axes, so rules name axes from the end.  The optional `backward` is the same rule as
    raw kernels, used when nothing is recording.

    ``jvp(node, saved, tangents)`` gives the tangent of the output (a tuple of them for several), from a tuple
    with None for an input that has none.  All tangents have the same extra leading axes; what the operation
    broadcasts may be left to the walk.  `push` is its raw kernel."""
    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        raise NotImplementedError(f"{self.name}: no raw rule")

    def vjp(self, node, saved, g):
        raise NotImplementedError(f"{self.name}: no derivative rule")

    cdef Array push(self, Node node, Walk walk):
        raise NotImplementedError(f"{self.name}: no raw rule")

    def jvp(self, node, saved, tangents):
        raise NotImplementedError(f"{self.name}: no rule for tangents; differentiate in reverse mode (grad, jacrev, vjp)")

    cdef dict statics_of(self, Node node):
        """Arguments that are no tensors, for who prints the tape: by name, or by number if they have none."""
        return {}

    def statics(self, Node node not None):
        """The same: what Python overrides."""
        return self.statics_of(node)

    def __repr__(self):
        return f"<primitive {self.name}>"


@cython.final
cdef class Accumulate(Primitive):
    """The end of every path: adds the adjoint to the leaf's ``.grad``."""
    def __cinit__(self):
        self.name = "leaf"


ACCUMULATE = Accumulate()


@cython.final
cdef class More:
    pass


@cython.final
@cython.no_gc
cdef class LeafRef:
    pass


@cython.final
@cython.trashcan(True)                    # the last reference to a chain of nodes frees it without recursing
@cython.freelist(16384)                   # a node from here does not count as an allocation that wakes the collector
cdef class Node:
    def __init__(self):
        raise TypeError("Node: nodes are made by operations on tensors")

    @property
    def name(self):
        return self.prim.name

    @property
    def inputs(self):
        """The edges: (node, output index), or None for a constant."""
        return [None if edge(self, i) is None else (edge(self, i), edge_out(self, i)) for i in range(self.n_in)]

    @property
    def out_shape(self):
        return shape_of(self.layout)

    @property
    def out_dtype(self):
        return self.layout.dtype

    def needs(self, int i):
        """Whether input i has a derivative."""
        return edge(self, i) is not None

    def in_shape(self, int i):
        """The shape of input i, which must have a derivative."""
        if not 0 <= i < self.n_in or edge(self, i) is None:
            raise ValueError(f"{self.prim.name}: input {i} has no derivative")
        return shape_of(out_layout(edge(self, i), edge_out(self, i)))

    @property
    def line(self):
        """What an observer noted with `note_line`, or None."""
        return None if self.more is None else self.more.line

    def __repr__(self):
        return f"<node {self.prim.name} {shape_of(self.layout)} {self.layout.dtype}>"


def _new(cls, *args, **kwargs):
    raise TypeError("Node: nodes are made by operations on tensors")


(<dict> (<PyTypeObject*> Node).tp_dict)["__new__"] = staticmethod(_new)     # its methods read what only recording sets
PyType_Modified(<PyTypeObject*> Node)


cdef More more(Node node):
    if node.more is None:
        node.more = More.__new__(More)
    return node.more


cdef int link(Node node, int i, Node producer, unsigned int out) except -1:
    """Input i of `node` is output `out` of `producer`."""
    if i == 0:
        node.in0, node.out0 = producer, out
    elif i == 1:
        node.in1, node.out1 = producer, out
    elif i == 2:
        node.in2, node.out2 = producer, out
    else:
        if more(node).inputs is None:
            node.more.inputs = [None] * (node.n_in - 3)
            node.more.outs = [0] * (node.n_in - 3)
        node.more.inputs[i - 3] = producer
        node.more.outs[i - 3] = out
    return 0


cdef Node more_edge(Node node, int i):
    return None if node.more is None or node.more.inputs is None else <Node> node.more.inputs[i - 3]


cdef int save_more(Node node, Array a, int kind) except -1:
    if node.n_saved == 65535:
        raise OverflowError(f"{node.prim.name}: more than 65,535 saved values; do it in parts")
    if more(node).saved is None:
        node.more.saved, node.more.versions, node.more.kinds = [], [], []
    node.more.saved.append(a)
    node.more.versions.append(version_of(a))
    node.more.kinds.append(kind)
    node.n_saved += 1
    return 0


cdef int add_sum(Node node, Array a) except -1:
    """The debug build knows the numbers that were saved, however they may be changed."""
    if more(node).sums is None:
        node.more.sums = []
    node.more.sums.append(hash(to_ndarray(a).tobytes()))
    return 0


cdef int check_sums(Node node) except -1:
    cdef int i
    for i in range(node.n_saved):
        if hash(to_ndarray(saved(node, i)).tobytes()) != node.more.sums[i]:
            raise RuntimeError(
                f"{node.prim.name}: a value of shape {shape_of(saved(node, i).layout)} that its derivative needs was changed "
                f"past the tape, e.g. through a NumPy array that shares its memory; give the array a copy")
    return 0


cdef Array saved(Node node, int i):
    return node.s0 if i == 0 else node.s1 if i == 1 else <Array> node.more.saved[i - 2]


cdef int saved_kind(Node node, int i):
    return node.k0 if i == 0 else node.k1 if i == 1 else node.more.kinds[i - 2]


cdef unsigned int saved_version(Node node, int i):
    """The version that saved value i had when it was saved."""
    return node.v0 if i == 0 else node.v1 if i == 1 else node.more.versions[i - 2]


cdef int add_output(Node node, Layout layout) except -1:
    """Declare the next output; gradients that arrive have this shape and dtype, dense."""
    layout = layout if layout.contiguous else dense_as(layout, layout.dtype)
    if node.n_out == 0:
        node.layout = layout
    else:
        if more(node).layouts is None:
            node.more.layouts = []
        node.more.layouts.append(layout)
    node.n_out += 1
    return 0


def note_line(Node node not None, line):
    """For an observer, which wants to know again where the operation was written."""
    more(node).line = line


def add_hook(Node node not None, unsigned int out):
    """The list of hooks that every walk calls with the adjoint of output `out`."""
    if more(node).hooks is None:
        node.more.hooks = {}
    return node.more.hooks.setdefault(out, [])


def add_after(Node node not None):
    """The list of hooks that are called with a leaf when its ``.grad`` was added to."""
    if more(node).after is None:
        node.more.after = []
    return node.more.after


cdef int check_versions(Node node) except -1:
    if node.freed and node.prim is ACCUMULATE:
        raise RuntimeError(
            f"backward: a leaf of this graph, of shape {shape_of(node.layout)} and {node.layout.dtype}, was given another dtype "
            f"after the forward pass; compute the result again")
    if node.freed:
        raise RuntimeError(
            f"{node.prim.name}: backward through the graph a second time; the values it saved were freed by an earlier "
            f"walk. Pass retain_graph=True to the first backward, or compute the result again")
    if node.v0 != version_of(node.s0):
        raise stale(node, node.s0, node.v0)
    if node.n_saved > 1 and node.v1 != version_of(node.s1):
        raise stale(node, node.s1, node.v1)
    cdef int i
    for i in range(2, node.n_saved):
        if node.more.versions[i - 2] != version_of(<Array> node.more.saved[i - 2]):
            raise stale(node, node.more.saved[i - 2], node.more.versions[i - 2])
    if FASTAD_DEBUG:
        check_sums(node)
    return 0


cdef object stale(Node node, Array a, unsigned int version):
    return RuntimeError(
        f"{node.prim.name}: a value that its derivative needs (shape {shape_of(a.layout)}, {a.layout.dtype}) was "
        f"changed in place after it was saved (version {version_of(a)}, saved at {version}). Change a copy "
        f"instead, or compute the result again after the change")


# ---- walks: their state, and what a raw rule calls ---------------------------------------------------
@cython.final
cdef class Walk:
    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.grads is not NULL:
            for i in range(self.n_grads):
                Py_XDECREF(self.grads[i])
        give_back(self.grads)
        give_back(self.order)
        give_back(self.needed)
        give_back(self.capture)
        give_back(self.displaced)


cdef int deliver_slow(Walk walk, Node producer, unsigned int k, Array g) except -1:
    """What is not a first gradient of the right layout: the one place that undoes broadcasting and casting."""
    cdef PyObject** slot = &walk.grads[producer.slot + k]
    cdef Layout want
    want = out_layout(producer, k)
    if g.layout is not want:
        if walk.lead or not same_shape(g.layout, want):
            g = sum_to(g, want, walk.lead)
        if g.layout.dtype is not want.dtype:
            g = cast(g, want.dtype)
    if slot[0] is NULL:
        Py_INCREF(g)
        slot[0] = <PyObject*> g
    elif exclusive(slot[0]) and (<Array> slot[0]).layout.contiguous:
        add_into(<Array> slot[0], g)
    else:
        g = add(<Array> slot[0], g)
        Py_DECREF(<object> slot[0])
        Py_INCREF(g)
        slot[0] = <PyObject*> g
    return 0
