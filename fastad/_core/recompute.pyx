"""Level 2: saved values that are dropped, and computed again when a walk needs them: `fastad.checkpoint`.

Imports order.  Next: walk.pyx.
"""
from .order cimport listed
from .storage cimport same, shape_of
from .tape cimport Node, Segment, Walk, more, saved, saved_kind, saved_version


cdef int drop(list roots, unsigned long long since, object again) except -1:
    """Let go of what the nodes younger than `since` have saved; `again` computes it when it is needed."""
    cdef list nodes = listed(roots, since)
    cdef Segment segment = Segment.__new__(Segment)
    cdef Py_ssize_t i
    cdef Node node
    segment.again = again
    segment.names = tuple([node.prim.name for node in nodes])
    for i, node in enumerate(nodes):
        if node.n_saved == 0 and (node.more is None or node.more.segment is None):
            continue
        more(node).segment = segment
        node.more.place = i
        if node.n_saved:
            node.more.dropped = node.n_saved
            node.n_saved = 0
            node.s0 = node.s1 = node.more.saved = None
    return 0


cdef int refill(Walk walk, Node node) except -1:
    """Take the saved values from a node of an equal graph, which is made when the first one is needed."""
    cdef Segment segment = node.more.segment
    cdef Node twin
    cdef list roots
    cdef int i
    cdef str name
    cdef bint agrees = True
    if node.freed:
        return 0                          # which is said by who asks for the values
    walk.python_ran = True
    if segment.nodes is None:
        roots, since, agrees = segment.again()
        segment.nodes = listed(roots, since)
        if len(segment.nodes) != len(segment.names):
            raise different(segment, f"{len(segment.names)} operations at first and {len(segment.nodes)} now")
        for name, twin in zip(segment.names, segment.nodes):
            if name != twin.prim.name:
                raise different(segment, f"{name} at first, where it is {twin.prim.name} now")
    twin = segment.nodes[node.more.place]
    if twin.more is not None and twin.more.segment is not None:
        refill(walk, twin)                # a checkpoint inside this one
    if twin.n_saved != node.more.dropped or not same(twin.layout, node.layout):
        raise different(segment, f"{twin!r} is {node!r} now")
    segment.nodes[node.more.place] = None
    node.s0, node.s1, node.n_saved = twin.s0, twin.s1, twin.n_saved
    if node.n_saved > 2:
        node.more.saved = twin.more.saved
    node.more.segment = None
    for i in range(node.n_saved):
        if saved_kind(node, i) != saved_kind(twin, i) or saved_version(node, i) != saved_version(twin, i):
            raise RuntimeError(f"checkpoint: a value that {node.prim.name} reads, of shape {shape_of(saved(node, i).layout)}, was "
                               f"changed in place since the function ran; change a copy, or do without the checkpoint")
    if not agrees:
        segment.nodes, node.more.segment = None, segment     # the next walk is to find it too
        node.n_saved = 0
        node.s0 = node.s1 = node.more.saved = None
        raise different(segment, "it gave other values; random numbers must come from fastad.default_generator()")
    return 0


cdef object different(Segment segment, str what):
    return RuntimeError(f"checkpoint: the function did something else when it was called again: {what}; it must depend on its "
                        f"arguments alone and on nothing that has changed since")
