"""Level 2: the walks.  Adjoints carried back over the tape, and tangents carried forward.

A walk asks each primitive, in order, for its rule: the raw one when nothing is recording, else the traced one.  It names
no primitive.

Imports order.  Next: tensor.pyx.
"""
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from itertools import product

from .arrays cimport add, copy
from .order cimport ON_PATH, begin, holder, leave, mark_needed, order
from .storage cimport Array, give_back, same, shape_of, writes, zeros
from .tape cimport (
    ACCUMULATE, FROM_OUTPUT, INTERMEDIATE, LeafRef, Node, Py_REFCNT, Walk, check_saved, deliver, edge, edge_out,
    exclusive, lent, nesting, out_layout, release, saved, saved_kind, switch_recording, tangent_pointer, tell_rule, wants,
    watch_of_thread, watched,
)
from .types cimport compiled


cdef int deliver_tensor(Walk walk, Node node, int i, object g) except -1:
    """The same for a recording walk, in recorded operations."""
    cdef Node producer = edge(node, i)
    cdef PyObject** slot = &walk.grads[producer.slot + edge_out(node, i)]
    g = lent.undo(g, out_layout(producer, edge_out(node, i)), walk.lead)
    if slot[0] is not NULL:
        g = lent.add(<object> slot[0], g)
        Py_DECREF(<object> slot[0])
    Py_INCREF(g)
    slot[0] = <PyObject*> g
    return 0


# ---- the backward walk -------------------------------------------------------------------------------
cdef object unpack(Node node, int i, bint recording):
    """Saved value i as a Tensor; in a recording walk with the edge that it had."""
    cdef Array a = saved(node, i)
    cdef int kind = saved_kind(node, i)
    if not recording:
        return lent.wrap(a, None, 0)
    if kind == INTERMEDIATE:
        return None                       # a traced rule that reads it must fail, not treat it as constant
    if kind <= FROM_OUTPUT:
        return lent.wrap(a, node, FROM_OUTPUT - kind)
    return lent.wrap(a, edge(node, kind), 0 if edge(node, kind) is None else edge_out(node, kind))


cdef object as_tensor(Walk walk, PyObject* g):
    if g is NULL:
        return None
    return <object> g if walk.recording else lent.wrap(<Array> g, None, 0)


cdef bint alone(Walk walk, PyObject* g):
    """Whether a gradient's memory is dense and seen by nobody but the walk."""
    if walk.recording:
        return Py_REFCNT(g) == 1 and lent.sole(<object> g)
    return exclusive(g) and (<Array> g).layout.contiguous


cdef object own(Walk walk, PyObject* g):
    """A gradient as a Tensor to give away, in memory of its own."""
    if walk.recording:
        return <object> g if alone(walk, g) else lent.copy(<object> g)
    return lent.wrap(<Array> g if alone(walk, g) else copy(<Array> g), None, 0)


cdef tuple answer(Node node, rule, tuple values, tuple given, bint forward):
    """What a traced rule gives: a cotangent for every input, or, forward, a tangent for every output; None for none."""
    cdef object result = rule(node, values, given if forward or node.n_out > 1 else given[0])
    cdef int count = node.n_out if forward else node.n_in
    if forward and count == 1:
        return (result,)
    if not isinstance(result, tuple) or len(result) != count:
        raise RuntimeError(f"{node.prim.name}: its {'jvp' if forward else 'vjp'} returned "
                           f"{len(result) if isinstance(result, tuple) else 'a ' + type(result).__name__ + ' instead of'} "
                           f"{'tangents' if forward else 'cotangents'} for {count} {'outputs' if forward else 'inputs'}")
    return result


cdef tuple answers(Walk walk, Node node, tuple values, tuple given, bint forward):
    """The same in a walk: a rule that takes no leading axes is asked once for each place along them."""
    cdef object rule = node.prim.jvp if forward else node.prim.vjp, place, t
    cdef tuple lead = (), row
    cdef list rows = [], found = []
    cdef int i
    if not (walk.lead and node.prim.one_by_one):
        return answer(node, rule, values, given, forward)
    for t in given:
        if t is not None:
            lead = t.shape[:walk.lead]
    for place in product(*map(range, lead)):
        row = answer(node, rule, values, tuple([None if t is None else t[place] for t in given]), forward)
        for t in row:
            if t is not None:
                lent.unwrap(t, node.prim, "its jvp" if forward else "its vjp")
        rows.append(row)
    for i in range(node.n_out if forward else node.n_in):
        if forward:
            found.append(lent.stack([row[i] for row in rows], lead, out_layout(node, i)))
        elif edge(node, i) is None:
            found.append(None)
        else:
            found.append(lent.stack([row[i] for row in rows], lead, out_layout(edge(node, i), edge_out(node, i))))
    return tuple(found)


def wanted(Node node not None):
    """Inside a traced rule of a backward walk: for every input of `node`, whether its cotangent is asked for."""
    cdef Walk walk = holder(node.stamp)
    cdef int i
    return tuple([edge(node, i) is not None if walk is None else bool(wants(walk, node, i)) for i in range(node.n_in)])


cdef int run_vjp(Walk walk, Node node) except -1:
    """The traced tier: the primitive's vjp over Tensors, recorded if the walk records."""
    cdef bint before = switch_recording(walk.recording)
    cdef int i
    cdef tuple values, results
    walk.python_ran = True
    try:
        values = tuple([unpack(node, i, walk.recording) for i in range(node.n_saved)])
        results = answers(walk, node, values,
                          tuple([as_tensor(walk, walk.grads[node.slot + i]) for i in range(node.n_out)]), False)
        for i in range(node.n_in):
            if results[i] is None or not wants(walk, node, i):
                continue
            if walk.recording:
                deliver_tensor(walk, node, i, results[i])
            else:
                deliver(walk, node, i, lent.unwrap(results[i], node.prim, "its vjp"))
    finally:
        switch_recording(before)
    return 0


cdef int observed(Walk walk, Node node, bint forward) except -1:
    """Run a rule, and tell the observers what it was given and what it gave."""
    cdef Node outer = walk.watch.running
    cdef PyObject* g
    cdef int i
    cdef list inputs, outputs
    walk.watch.running = node
    try:
        if forward:
            forward_rule(walk, node, not walk.recording)
        elif not walk.recording and not walk.lead and node.prim.raw and compiled(node.layout.code):
            g = walk.grads[node.slot]
            node.prim.backward(node, <Array> g if g is not NULL else None, walk)
        else:
            run_vjp(walk, node)
    finally:
        walk.watch.running = outer
    outputs = [as_tensor(walk, walk.grads[node.slot + i]) for i in range(node.n_out)]
    inputs = [as_tensor(walk, tangent_pointer(walk, node, i)) if forward or wants(walk, node, i) else None
              for i in range(node.n_in)]
    return tell_rule(walk.watch, node, inputs if forward else outputs, outputs if forward else inputs, forward)


cdef int slow_backward(Walk walk, Node node) except -1:
    return run_vjp(walk, node) if walk.watch is None else observed(walk, node, False)


cdef int make_own(Walk walk, PyObject** slot) except -1:
    """What a hook does to its gradient, now or later, must not reach another's."""
    cdef object given
    if not alone(walk, slot[0]):
        given = lent.copy(<object> slot[0]) if walk.recording else copy(<Array> slot[0])
        Py_DECREF(<object> slot[0])
        Py_INCREF(given)
        slot[0] = <PyObject*> given
    return 0


cdef object hooked(Walk walk, Node node, unsigned int k, hook, object g):
    """What a hook makes of a gradient, None for nothing; behind leading axes it is called with one gradient after the other."""
    cdef object given, place, part
    cdef tuple lead
    cdef list rows = []
    if walk.lead:
        lead = g.shape[:walk.lead]
        for place in product(*map(range, lead)):
            part = lent.copy(g[place])
            given = checked_hook(walk, node, k, hook, part)
            rows.append(part if given is None else given)
        return lent.stack(rows, lead, out_layout(node, k))
    return checked_hook(walk, node, k, hook, g)


cdef object checked_hook(Walk walk, Node node, unsigned int k, hook, object g):
    cdef object given
    if walk.recording:
        nesting(1)                        # a transform in it gives tensors, which can be differentiated
    try:
        given = hook(g)
    finally:
        if walk.recording:
            nesting(-1)
    if given is not None and not same(lent.unwrap(given, node.prim, "a hook").layout, out_layout(node, k)):
        raise ValueError(f"{node.prim.name}: a hook returned a gradient of shape {given.shape} and dtype {given.dtype}, "
                         f"expected {shape_of(out_layout(node, k))} and {out_layout(node, k).dtype}")
    if given is not None and given.requires_grad and not walk.recording and nesting(0) > 0:
        raise RuntimeError(f"{node.prim.name}: a hook made a gradient of a tensor that is being differentiated outside, and "
                           f"that derivative would be lost; detach() it, or scale the value instead of its gradient")
    return given


cdef int run_hooks(Walk walk, Node node) except -1:
    cdef unsigned int k
    cdef PyObject** slot
    cdef object given
    walk.python_ran = True
    for k, hooks in node.more.hooks.items():
        slot = &walk.grads[node.slot + k]
        if slot[0] is NULL:
            continue
        for hook in (<list> hooks)[:]:
            make_own(walk, slot)
            given = hooked(walk, node, k, hook, as_tensor(walk, slot[0]))
            if given is None:
                continue
            if not walk.recording:
                given = lent.unwrap(given, node.prim, "a hook")
            Py_DECREF(<object> slot[0])
            Py_INCREF(given)
            slot[0] = <PyObject*> given
        given = None
        make_own(walk, slot)              # a hook may have kept it
    return 0


cdef int run_leaf(Walk walk, Node node) except -1:
    cdef PyObject* leaf = (<LeafRef> node.args).tensor
    cdef PyObject* g = walk.grads[node.slot]
    if leaf is NULL or g is NULL or walk.captured is not None or Py_REFCNT(leaf) == 0:
        return 0                          # (0: it is just being freed, and a weak reference's callback asks)
    Py_INCREF(<object> leaf)
    cdef object alive = <object> leaf
    Py_DECREF(alive)
    walk.grads[node.slot] = NULL
    cdef object held = <object> g
    Py_DECREF(held)                       # `held` has the only reference now, if the walk had
    lent.leaf(leaf, held, walk.recording)
    if node.more is not None and node.more.after is not None:
        walk.python_ran = True
        for hook in node.more.after[:]:
            hook(alive)
    return 0


cdef int run(Walk walk) except -1:
    cdef Py_ssize_t i
    cdef unsigned int k
    cdef Node node
    cdef PyObject* g
    cdef bint arrived, on_path
    for i in range(walk.n - 1, -1, -1):
        node = <Node> walk.order[i]
        if walk.needed is not NULL and not walk.needed[node.slot]:
            continue
        on_path = walk.needed is NULL or walk.needed[node.slot] & ON_PATH
        g = walk.grads[node.slot]
        arrived = g is not NULL
        for k in range(1, node.n_out):
            arrived |= walk.grads[node.slot + k] is not NULL
        if arrived:
            if node.more is not None and node.more.hooks and i >= walk.frontier:
                run_hooks(walk, node)
            if walk.capture is not NULL:
                for k in range(node.n_out):
                    if walk.capture[node.slot + k] and walk.grads[node.slot + k] is not NULL:
                        walk.captured[(node, k)] = own(walk, walk.grads[node.slot + k])
            if on_path:
                if walk.python_ran or writes != walk.writes:
                    check_saved(node)     # hooks, of this node too, or another thread may have freed or changed it
                if node.prim is ACCUMULATE:
                    run_leaf(walk, node)
                elif walk.raw and node.prim.raw and compiled(node.layout.code):
                    g = walk.grads[node.slot]
                    node.prim.backward(node, <Array> g if g is not NULL else None, walk)
                else:
                    slow_backward(walk, node)
            for k in range(node.n_out):
                g = walk.grads[node.slot + k]
                walk.grads[node.slot + k] = NULL
                Py_XDECREF(g)
        if on_path and not walk.keep:
            release(node)
    return 0


cdef dict walk_back(list roots, list cotangents, bint recording, bint keep, int lead, list targets,
                    unsigned long long since=0, bint ends=False, dict begun=None):
    """Carry `cotangents` (Arrays; Tensors if recording) of `roots`, (node, output) pairs, back over the tape.

    Nodes that are not younger than `since` are left alone: they cannot depend on younger targets.  Without targets the
    leaves accumulate; with them, a dict from target to its adjoint is returned.  If the walk `ends` at the targets these may
    be older, adjoints pass none on the way to another, and their hooks do not run; `begun` has what some of theirs are so far
    (Arrays), to add to."""
    cdef Walk walk = Walk.__new__(Walk)
    cdef Py_ssize_t i
    cdef Node node
    cdef unsigned int k
    cdef PyObject** slot
    cdef object g = None
    cdef bint before = switch_recording(True) if recording else False
    walk.recording = recording
    walk.keep = keep
    walk.lead = lead
    walk.watch = watch_of_thread() if watched else None
    walk.raw = not recording and not lead and walk.watch is None
    try:
        order(walk, [node for node, k in roots], since, [node for node, k in targets] if ends else None)
        begin(walk)
        if targets is not None:
            mark_needed(walk, targets)
        walk.writes = writes
        for i in range(walk.n):           # before anything is changed
            node = <Node> walk.order[i]
            if walk.needed is NULL or walk.needed[node.slot] & ON_PATH:
                check_saved(node)
        for (node, k), g in zip(roots, cotangents):
            if node.stamp != walk.stamp:  # older than `since`
                continue
            slot = &walk.grads[node.slot + k]
            if slot[0] is not NULL:
                g = lent.add(<object> slot[0], g) if recording else add(<Array> slot[0], <Array> g)
                Py_DECREF(<object> slot[0])
            Py_INCREF(g)
            slot[0] = <PyObject*> g
        while begun:
            (node, k), g = begun.popitem()
            Py_INCREF(g)
            walk.grads[node.slot + k] = <PyObject*> g
        g = None
        cotangents.clear()
        run(walk)
    finally:
        if recording:                     # a recording walk records, also within no_grad()
            switch_recording(before)
        leave(walk)
    return walk.captured


# ---- the forward walk --------------------------------------------------------------------------------
cdef int run_jvp(Walk walk, Node node) except -1:
    """The traced tier: the primitive's jvp over Tensors, recorded if the walk records."""
    cdef bint before = switch_recording(walk.recording)
    cdef int i
    cdef unsigned int k
    cdef tuple values, result
    cdef object given
    try:
        values = tuple([unpack(node, i, walk.recording) for i in range(node.n_saved)])
        result = answers(walk, node, values,
                         tuple([as_tensor(walk, tangent_pointer(walk, node, i)) for i in range(node.n_in)]), True)
        for k, given in enumerate(result):
            if given is None:
                continue
            lent.unwrap(given, node.prim, "its jvp")
            given = lent.stretch(given, out_layout(node, k), walk.lead, node.prim)
            if not walk.recording:
                given = lent.unwrap(given, node.prim, "its jvp")
            Py_INCREF(given)
            walk.grads[node.slot + k] = <PyObject*> given
    finally:
        switch_recording(before)
    return 0


cdef inline int forward_rule(Walk walk, Node node, bint raw) except -1:
    cdef Array out
    if raw and node.prim.pushes and compiled(node.layout.code):
        out = node.prim.push(node, walk)
        Py_INCREF(out)
        walk.grads[node.slot] = <PyObject*> out
        return 0
    return run_jvp(walk, node)


cdef bint moves(Walk walk, Node node) noexcept:
    """Whether an input of this node has a tangent."""
    cdef int i
    for i in range(node.n_in):
        if tangent_pointer(walk, node, i) is not NULL:
            return True
    return False


cdef int run_forward(Walk walk, Py_ssize_t* last) except -1:
    """Each tangent is let go where `last` says that it is used last."""
    cdef Py_ssize_t i
    cdef int j
    cdef unsigned int k, slot
    cdef Node node, producer
    for i in range(walk.frontier, walk.n):
        node = <Node> walk.order[i]
        for j in range(node.n_in):
            producer = edge(node, j)
            if producer is not None and producer.stamp == walk.stamp and last[producer.slot + edge_out(node, j)] >= 0:
                last[producer.slot + edge_out(node, j)] = i
    for i in range(walk.frontier, walk.n):
        node = <Node> walk.order[i]
        if not moves(walk, node):
            continue
        check_saved(node)
        if walk.watch is None:
            forward_rule(walk, node, walk.raw)
        else:
            observed(walk, node, True)
        for j in range(node.n_in):
            producer = edge(node, j)
            if producer is None or producer.stamp != walk.stamp:
                continue
            slot = producer.slot + edge_out(node, j)
            if last[slot] == i and walk.grads[slot] is not NULL:
                Py_DECREF(<object> walk.grads[slot])
                walk.grads[slot] = NULL
    return 0


cdef list walk_forward(list sources, list tangents, list roots, bint recording, int lead, unsigned long long since,
                       bint ends=False):
    """Carry `tangents` (Arrays; Tensors if recording) of `sources`, (node, output) pairs, forward to `roots`.

    Only nodes younger than `since` are visited, and the sources if the walk `ends` at them.  A list of the tangents of the roots as Tensors, None where there is none."""
    cdef Walk walk = Walk.__new__(Walk)
    cdef Py_ssize_t* last = NULL
    cdef list found = []
    cdef Node node
    cdef unsigned int k
    cdef object t
    cdef bint before = switch_recording(recording)
    walk.recording = recording
    walk.keep = True
    walk.lead = lead
    walk.watch = watch_of_thread() if watched else None
    walk.raw = not recording and walk.watch is None
    try:
        order(walk, [node for node, k in roots], since, [node for node, k in sources] if ends else None)
        begin(walk)
        last = <Py_ssize_t*> zeros((walk.n_grads + 1) * sizeof(Py_ssize_t))
        if last is NULL:
            raise MemoryError("fastad: no memory for the order of the graph")
        for node, k in roots:
            if node.stamp == walk.stamp:
                last[node.slot + k] = -1  # asked for
        for (node, k), t in zip(sources, tangents):
            if node.stamp == walk.stamp:
                Py_INCREF(t)
                walk.grads[node.slot + k] = <PyObject*> t
        t = None
        run_forward(walk, last)
        for node, k in roots:
            if node.stamp != walk.stamp or walk.grads[node.slot + k] is NULL:
                found.append(None)
            else:
                found.append(own(walk, walk.grads[node.slot + k]))
    finally:
        give_back(last)
        switch_recording(before)
        leave(walk)
    return found
