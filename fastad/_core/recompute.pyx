"""Level 3: a part of the tape that is not kept, but recorded again when a walk comes by: `fastad.checkpoint`.

What a function has recorded is replaced by one node.  Its inputs are the edges that lead out of that part, wherever the
function had them from; its outputs are what the function returned.  Its rules call the function again and walk over what
that records, as far as those edges and no further.

Imports walk and tensor.  Next: make.pyx.
"""
cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from .order cimport holder, listed
from .storage cimport Array, Layout, same, shape_of
from .tape cimport (
    ACCUMULATE, Node, Primitive, Walk, Watch, add_output, edge, edge_out, link, new_node, out_layout, saved, saved_version, wants,
    watch_of_thread,
)
from .tensor cimport Tensor
from .walk cimport walk_back, walk_forward


@cython.final
cdef class Part:
    """What the tape holds between some edges, the roots, and a point in time."""
    cdef unsigned long long since
    cdef list roots                     # (node, output) pairs: those of the results
    cdef list nodes                     # inputs before outputs
    cdef list edges                     # (producer, output) pairs: those that lead out

    cdef tuple signature(self):
        """(names, layouts of first outputs and of saved values, versions of those): what an equal part has in common with this."""
        cdef Node node
        cdef int i
        return ([node.prim.name for node in self.nodes],
                [[node.layout, *[saved(node, i).layout for i in range(node.n_saved)]] for node in self.nodes],
                [saved_version(node, i) for node in self.nodes for i in range(node.n_saved)])


cdef Part part_of(list tensors, unsigned long long since):
    """What was recorded after `since` on the way to tensors."""
    cdef Part part = Part.__new__(Part)
    cdef Tensor t
    cdef Node node, producer
    cdef int i
    part.since = since
    part.roots = list(dict.fromkeys([(t.node, t.out) for t in tensors if inside(t.node, since)]))
    part.nodes = [node for node in listed(part.roots, since) if node.prim is not ACCUMULATE]
    found = {}
    for node in part.nodes:
        for i in range(node.n_in):
            producer = edge(node, i)
            if producer is not None and not inside(producer, since):
                found[producer, edge_out(node, i)] = None
    part.edges = list(found)
    return part


cdef bint inside(Node node, unsigned long long since):
    return node.serial > since and node.prim is not ACCUMULATE


@cython.final
cdef class Checkpoint(Primitive):
    """The results of a function, which is called again for its derivatives"""
    def __cinit__(self):
        self.name = "checkpoint"

    def vjp(self, Node node not None, saved, g):
        cdef Walk walk = walk_at(node)
        cdef Part part = again(node)
        cdef Tensor t
        cdef int i
        pairs = [(root, t) for root, t in zip(part.roots, g if node.n_out > 1 else (g,)) if t is not None]
        targets = [e for i, e in enumerate(part.edges) if wants(walk, node, i)]
        found = walk_back([root for root, t in pairs], [t if walk.recording else t.arr for root, t in pairs], walk.recording,
                          walk.recording, walk.lead, targets, part.since, True, taken(walk, targets))
        if not walk.keep:
            (<list> node.args).clear()    # with the arguments
        return tuple([found.get(e) for e in part.edges])

    def jvp(self, Node node not None, saved, tangents):
        cdef Walk walk = walk_at(node)
        cdef Part part = again(node)
        cdef Tensor t
        pairs = [(e, t) for e, t in zip(part.edges, tangents) if t is not None]
        found = walk_forward([e for e, t in pairs], [t if walk.recording else t.arr for e, t in pairs], part.roots,
                             walk.recording, walk.lead, part.since, True)
        return tuple(found) if node.n_out > 1 else found[0]

    cdef dict statics_of(self, Node node):
        return {}


cdef Checkpoint CHECKPOINT = Checkpoint()


cdef dict taken(Walk walk, list targets):
    """What a walk has of the adjoints of targets so far: an inner one adds to it, and gives it back."""
    cdef dict found = {}
    cdef Node node
    cdef unsigned int k
    cdef PyObject** slot
    if walk.recording:
        return found
    for node, k in targets:
        slot = &walk.grads[node.slot + k]
        if node.stamp == walk.stamp and slot[0] is not NULL:
            found[node, k] = <Array> slot[0]
            Py_DECREF(<object> slot[0])
            slot[0] = NULL
    return found


cdef Walk walk_at(Node node):
    cdef Walk walk = holder(node.stamp)
    if walk is None or node.prim is not CHECKPOINT:
        raise RuntimeError("checkpoint: its rules run inside walks alone")
    return walk


def forget(list tensors, unsigned long long since, again):
    """Put one node in the place of what was recorded on the way to `tensors` since `mark()` gave `since`.

    When a walk comes by it calls `again`, which gives (a mark, a list of tensors, whether their values are the same) of an
    equal computation.  An observer sees every operation: while somebody observes, all is left as it is."""
    cdef Part part
    cdef Tensor t
    cdef Node node, root
    cdef unsigned int k
    cdef int i
    if watch_of_thread() is not None:
        return
    part = part_of(tensors, since)
    if not part.roots:
        return
    if len(part.roots) > 32768:
        raise OverflowError(f"checkpoint: the function returned {len(part.roots)} recorded tensors, more than 32,768; stack them")
    node = new_node(CHECKPOINT, <int> len(part.edges), [again, *part.signature()])
    for i, (root, k) in enumerate(part.edges):
        link(node, i, root, k)
    for root, k in part.roots:
        add_output(node, out_layout(root, k))
    places = {pair: i for i, pair in enumerate(part.roots)}
    for t in tensors:
        place = places.get((t.node, t.out))
        if place is not None:
            t.node, t.out = node, place


cdef Part again(Node node):
    """The part of the tape that `node` stands for, recorded again."""
    cdef Part part
    cdef Watch watch = watch_of_thread()
    cdef Node running
    call, names, layouts, versions = node.args
    cdef list hooks = hooks_of_inputs(node)
    if watch is None:
        since, tensors, agrees = call()
    else:                                 # for observers this is the program, not a rule
        running, watch.running = watch.running, None
        try:
            since, tensors, agrees = call()
        finally:
            watch.running = running
    restore(hooks)
    part = part_of(tensors, since)
    now = part.signature()
    if len(now[0]) != len(names):
        raise different(f"{len(names)} operations at first and {len(now[0])} now")
    for name, before, name_now, after in zip(names, layouts, now[0], now[1]):
        if name != name_now:
            raise different(f"{name} at first, where it is {name_now} now")
        check_layouts(name, before, after)
    if now[2] != versions:
        tell_changed(part.nodes, versions)
    if not agrees:
        raise different("it gave other values; random numbers must come from fastad.default_generator()")
    if len(part.roots) != node.n_out or len(part.edges) != node.n_in:
        raise different(f"{node.n_in} tensors read and {node.n_out} given at first, {len(part.edges)} and {len(part.roots)} now")
    return part


cdef list hooks_of_inputs(Node node):
    """[(producer, its hooks)]: what the function hangs on them stands there since the first call, and once is enough."""
    cdef Node producer
    cdef int i
    found = []
    for i in range(node.n_in):
        producer = edge(node, i)
        hooks = producer.more.hooks if producer.more is not None else None
        found.append((producer, {k: entries[:] for k, entries in hooks.items()} if hooks else {}))
    return found


cdef int restore(list hooks) except -1:
    cdef Node producer
    for producer, before in hooks:
        if producer.more is not None and producer.more.hooks:
            for k, entries in producer.more.hooks.items():
                entries[:] = before.get(k, ())
    return 0


cdef int check_layouts(str name, list before, list after) except -1:
    """Those of the first output of a node and of what it saved."""
    cdef Layout a, b
    if len(before) != len(after):
        raise different(f"{name} kept {len(before) - 1} values at first and {len(after) - 1} now")
    for i, (a, b) in enumerate(zip(before, after)):
        if not same(a, b):
            raise different(f"{name} {'read' if i else 'gave'} a value of shape {shape_of(a)} and dtype {a.dtype}, and one of shape "
                            f"{shape_of(b)} and dtype {b.dtype} now")
    return 0


cdef int tell_changed(list nodes, list versions) except -1:
    """Raise, and say who reads what was changed in place since."""
    cdef Node node
    cdef int i
    before = iter(versions)
    for node in nodes:
        for i in range(node.n_saved):
            if saved_version(node, i) != next(before, None):
                raise RuntimeError(
                    f"checkpoint: a value that {node.prim.name} reads, of shape {shape_of(saved(node, i).layout)}, was changed in "
                    f"place since the function ran; change a copy, or do without the checkpoint")
    raise different("it saves fewer values")


cdef object different(str what):
    return RuntimeError(f"checkpoint: the function did something else when it was called again: {what}; it must depend on its "
                        f"arguments alone and on nothing that has changed since")
