"""Level 2: the tape in order.  An iterative depth-first search, the threads that meet in it, and what can be read off the order.

Imports the tape.  Next: walk.pyx, which goes over the nodes in this order.
"""
from cpython.object cimport PyObject
import os

from .storage cimport give_back, resize, zeros
from .tape cimport Node, Walk, edge, edge_pointer, forget_other_threads

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()


cdef unsigned long long last_stamp = 0
cdef Walk active = None                    # walks under way, of every thread, linked by `next`; takes no memory
cdef object turn = None                    # a threading.Condition, told when a walk ends; made when somebody first waits
cdef dict waits_for = {}                   # a thread that waits -> the thread whose walk it waits for


cdef Py_ssize_t MAX_GRADS = 0xFFFFFF00


cdef struct Frame:
    PyObject* node
    int next


cdef int grow(void** p, Py_ssize_t count, size_t size) except -1:
    cdef void* bigger = resize(p[0], count * size)
    if bigger is NULL:
        raise MemoryError("fastad: no memory for the order of the graph")
    p[0] = bigger
    return 0


cdef Walk holder(unsigned long long stamp):
    cdef Walk walk = active
    while walk is not None and walk.stamp != stamp:
        walk = walk.next
    return walk


cdef int begin(Walk walk) noexcept:
    global active
    walk.next = active
    active = walk
    return 0


cdef int end(Walk walk) noexcept:
    """Also of a walk that has not begun."""
    global active
    cdef Walk other = active
    if other is walk:
        active = walk.next
    else:
        while other is not None and other.next is not walk:
            other = other.next
        if other is not None:
            other.next = walk.next
    walk.next = None
    return 0


cdef bint visit(Walk walk, Node node) except -1:
    """While other walks are under way: an outer walk of this thread gets its stamps back at the end.  False at a node
    that another thread is walking."""
    cdef Walk other = holder(node.stamp)
    if other is None:
        return True
    if other.thread != walk.thread:
        walk.met = other.thread
        return False
    if walk.n_displaced & (walk.n_displaced + 1) == 0:
        grow(<void**> &walk.displaced, 3 * 2 * (walk.n_displaced + 1), sizeof(unsigned long long))
    walk.displaced[3 * walk.n_displaced] = <unsigned long long> <size_t> <PyObject*> node
    walk.displaced[3 * walk.n_displaced + 1] = node.stamp
    walk.displaced[3 * walk.n_displaced + 2] = node.slot
    walk.n_displaced += 1
    return True


cdef int put_back(Walk walk) noexcept:
    cdef Py_ssize_t i
    cdef Node node
    for i in range(walk.n_displaced):
        node = <Node> <PyObject*> <size_t> walk.displaced[3 * i]
        node.stamp = walk.displaced[3 * i + 1]
        node.slot = <unsigned int> walk.displaced[3 * i + 2]
    walk.n_displaced = 0
    return 0


cdef int append(Walk walk, PyObject* node) except -1:
    """The next node in order, with slots for its gradients."""
    if walk.n == walk.capacity:
        walk.capacity = 2 * walk.capacity if walk.capacity else 64
        grow(<void**> &walk.order, walk.capacity, sizeof(PyObject*))
    walk.order[walk.n] = node
    walk.n += 1
    if walk.n_grads > MAX_GRADS:
        raise OverflowError("fastad: a graph of more than 4 thousand million values")
    (<Node> node).slot = <unsigned int> walk.n_grads
    walk.n_grads += (<Node> node).n_out
    return 0


cdef bint sort(Walk walk, list roots, unsigned long long since, list frontier) except -1:
    """Fill walk.order by an iterative depth-first search, inputs before outputs; only nodes made after `since`, and before them
    those of the frontier.

    False if another thread is walking part of this graph; no walk has the stamp that is left on some nodes then."""
    cdef Frame* stack = NULL
    cdef Py_ssize_t depth = 0, room = 0
    cdef PyObject* node
    cdef PyObject* child
    cdef PyObject* none = <PyObject*> None
    cdef unsigned long long stamp = walk.stamp
    cdef int i
    try:
        for start in frontier or ():
            child = <PyObject*> start
            if (<Node> child).stamp == stamp:
                continue
            if active is not None and not visit(walk, <Node> child):
                put_back(walk)
                walk.n = walk.n_grads = 0
                return False
            (<Node> child).stamp = stamp
            append(walk, child)
        walk.frontier = walk.n
        for start in roots:
            child = <PyObject*> start
            if (<Node> child).stamp == stamp or (<Node> child).serial <= since:
                continue
            while True:
                # go down to `child`
                if active is not None and not visit(walk, <Node> child):
                    put_back(walk)
                    walk.n = walk.n_grads = 0
                    return False
                (<Node> child).stamp = stamp
                if depth == room:
                    room = 2 * room if room else 64
                    grow(<void**> &stack, room, sizeof(Frame))
                stack[depth].node, stack[depth].next = child, 0
                depth += 1
                # find the next node to go down to; a node without any is in order
                child = NULL
                while depth:
                    node = stack[depth - 1].node
                    i = stack[depth - 1].next
                    while i < (<Node> node).n_in:
                        child = edge_pointer(node, i)
                        i += 1
                        if child != none and (<Node> child).stamp != stamp and (<Node> child).serial > since:
                            break
                        child = NULL
                    if child is not NULL:
                        stack[depth - 1].next = i
                        break
                    depth -= 1
                    append(walk, node)
                if depth == 0:
                    break
    finally:
        give_back(stack)
    return True


cdef int wait(unsigned long thread, unsigned long other) except -1:
    """Until a walk ends, or a moment.  Threads that walk from inside their hooks could wait for one another."""
    global turn
    cdef object ahead = other
    while ahead is not None:
        if ahead == thread:
            raise RuntimeError("backward: called from a hook, it needs a graph that another thread is walking, whose own "
                               "hook waits for this thread; let hooks walk graphs that no other thread walks")
        ahead = waits_for.get(ahead)
    cdef object condition = turn
    if condition is None:
        import threading                  # not above: importing it would be a tenth of importing fastad
        condition = threading.Condition()
        if turn is not None:              # another thread was here while this one imported
            condition = turn
        turn = condition
    waits_for[thread] = other
    try:
        with condition:
            condition.wait(0.002)
    finally:
        del waits_for[thread]
    return 0


cdef int after_fork() except -1:
    """The child has one thread: walks of others will not end, and nobody opens a lock that they held."""
    global turn
    cdef Walk walk = active
    cdef Walk after
    cdef unsigned long thread = PyThread_get_thread_ident()
    while walk is not None:
        after = walk.next
        if walk.thread != thread:
            end(walk)
        walk = after
    waits_for.clear()
    turn = None
    forget_other_threads()
    return 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: after_fork())


cdef int order(Walk walk, list roots, unsigned long long since, list frontier=None) except -1:
    """Sort, waiting for other threads that walk the same nodes."""
    global last_stamp
    walk.thread = PyThread_get_thread_ident()
    while True:
        last_stamp += 1
        walk.stamp = last_stamp
        if sort(walk, roots, since, frontier):
            break
        wait(walk.thread, walk.met)
    walk.grads = <PyObject**> zeros((walk.n_grads if walk.n_grads else 1) * sizeof(PyObject*))
    if walk.grads is NULL:
        raise MemoryError("fastad: no memory for the gradients of the graph")
    return 0


cdef int leave(Walk walk) except -1:
    cdef object condition
    end(walk)
    put_back(walk)
    if waits_for:
        condition = turn                  # which a fork may take away
        with condition:
            condition.notify_all()
    return 0


# ---- what the order says ------------------------------------------------------------------------------
cdef list listed(list roots, unsigned long long since):
    """The nodes younger than `since` that `roots`, (node, output) pairs, are made of, inputs before outputs."""
    cdef Walk walk = Walk.__new__(Walk)
    cdef Py_ssize_t i
    try:
        order(walk, [node for node, k in roots], since)
        begin(walk)
        return [<Node> walk.order[i] for i in range(walk.n)]
    finally:
        leave(walk)


cdef int mark_needed(Walk walk, list targets) except -1:
    """Only nodes on a path to a target are worked on; their gradients are captured and not accumulated."""
    cdef Py_ssize_t i
    cdef int j
    cdef Node node, child
    cdef unsigned int k
    walk.captured = {}
    walk.needed = <unsigned char*> zeros(walk.n_grads + 1)
    walk.capture = <unsigned char*> zeros(walk.n_grads + 1)
    if walk.needed is NULL or walk.capture is NULL:
        raise MemoryError("fastad: no memory for the marks of the graph")
    for target, k in targets:
        node = target
        if node.stamp == walk.stamp:
            walk.capture[node.slot + k] = 1
            walk.needed[node.slot] = GRADIENT
    for i in range(walk.frontier, walk.n):
        node = <Node> walk.order[i]
        for j in range(node.n_in):
            child = edge(node, j)
            if child is not None and child.stamp == walk.stamp and walk.needed[child.slot]:
                walk.needed[node.slot] = GRADIENT | ON_PATH
                break
    return 0


cdef tuple survey(list roots, list sources, unsigned long long since):
    """What the tape says before it is walked: the sources that the roots depend on, the roots that depend on a source (lists
    of bools), and whether a root depends on anything that is not younger than `since`."""
    cdef Walk walk = Walk.__new__(Walk)
    cdef Py_ssize_t i
    cdef int j
    cdef unsigned int k
    cdef Node node, producer
    cdef bint older = False
    try:
        order(walk, [node for node, k in roots], since)
        begin(walk)
        mark_needed(walk, sources)
        for node, k in roots:
            older |= node.serial <= since
        for i in range(walk.n):
            node = <Node> walk.order[i]
            for j in range(node.n_in):
                producer = edge(node, j)
                older |= producer is not None and producer.serial <= since
            if older:
                break
        return ([node.stamp == walk.stamp for node, k in sources],
                [node.stamp == walk.stamp and walk.needed[node.slot] != 0 for node, k in roots], older)
    finally:
        leave(walk)


cdef bint reaches_argument(list roots, unsigned long long since) except -1:
    """Whether one of the nodes `roots` depends on what a transform differentiates by, its copy made at `since` or before.

    No walk: it leaves no stamps, and does not wait for a walk of another thread, which may be waiting for this one."""
    cdef list ahead = roots[:]
    cdef set seen = set()
    cdef Node node
    cdef object place
    cdef int i
    while ahead:
        node = ahead.pop()
        if node.argument and node.serial <= since:
            return True
        for i in range(node.n_in):
            child = edge(node, i)
            if child is None:
                continue
            place = <size_t> <PyObject*> child
            if place not in seen:
                seen.add(place)
                ahead.append(child)
    return False
