"""Level 2: saved values that are dropped, and computed again when a walk needs them: `fastad.checkpoint`.

Imports order.  Next: walk.pyx.
"""
from .order cimport listed
from .storage cimport Layout, same, shape_of
from .tape cimport Node, Segment, Walk, more, saved, saved_kind, saved_version


cdef int drop(list roots, unsigned long long since, object again) except -1:
    """Let go of what the nodes younger than `since` have saved; `again` computes it when it is needed."""
    cdef list nodes = listed(roots, since)
    cdef Segment segment = Segment.__new__(Segment)
    cdef Py_ssize_t i
    cdef int k
    cdef Node node
    segment.again = again
    segment.names = tuple([node.prim.name for node in nodes])
    segment.layouts = [None] * len(nodes)
    for i, node in enumerate(nodes):
        if node.n_saved == 0 and (node.more is None or node.more.segment is None):
            continue
        if node.n_saved:
            segment.layouts[i] = [saved(node, k).layout for k in range(node.n_saved)]
        else:                             # a checkpoint inside this one has dropped them
            segment.layouts[i] = node.more.segment.layouts[node.more.place]
        more(node).segment = segment
        node.more.place = i
        node.n_saved = 0
        node.s0 = node.s1 = node.more.saved = None
    return 0


cdef int refill(Walk walk, Node node) except -1:
    """Take the saved values from a node of an equal graph, which is made when the first one is needed."""
    cdef Segment segment = node.more.segment
    cdef Node twin
    cdef list roots, nodes, layouts
    cdef int i
    cdef str name
    cdef bint agrees = True
    if node.freed:
        return 0                          # which is said by who asks for the values
    walk.python_ran = True
    if segment.nodes is None:             # and stays so if there is a difference: the next walk is to find it too
        roots, since, agrees = segment.again()
        nodes = listed(roots, since)
        if len(nodes) != len(segment.names):
            raise different(f"{len(segment.names)} operations at first and {len(nodes)} now")
        for name, twin in zip(segment.names, nodes):
            if name != twin.prim.name:
                raise different(f"{name} at first, where it is {twin.prim.name} now")
        segment.nodes = nodes
    twin = segment.nodes[node.more.place]
    if twin.more is not None and twin.more.segment is not None:
        refill(walk, twin)                # a checkpoint inside this one
    layouts = segment.layouts[node.more.place]
    if twin.n_saved != len(layouts) or not same(twin.layout, node.layout):
        raise different(f"{node!r} is {twin!r} now")
    for i in range(twin.n_saved):
        if not same(saved(twin, i).layout, <Layout> layouts[i]):
            raise different(f"{node.prim.name} read a value of shape {shape_of(<Layout> layouts[i])}, and one of shape "
                            f"{shape_of(saved(twin, i).layout)} now")
        if saved_kind(node, i) != saved_kind(twin, i) or saved_version(node, i) != saved_version(twin, i):
            raise RuntimeError(f"checkpoint: a value that {node.prim.name} reads, of shape {shape_of(saved(twin, i).layout)}, was "
                               f"changed in place since the function ran; change a copy, or do without the checkpoint")
    if not agrees:
        segment.nodes = None
        raise different("it gave other values; random numbers must come from fastad.default_generator()")
    if twin.more is not None and node.more.line is None:
        node.more.line = twin.more.line   # an observer came after the function had run
    segment.nodes[node.more.place] = None
    node.s0, node.s1, node.n_saved = twin.s0, twin.s1, twin.n_saved
    if node.n_saved > 2:
        node.more.saved = twin.more.saved
    node.more.segment = None
    return 0


cdef object different(str what):
    return RuntimeError(f"checkpoint: the function did something else when it was called again: {what}; it must depend on its "
                        f"arguments alone and on nothing that has changed since")
