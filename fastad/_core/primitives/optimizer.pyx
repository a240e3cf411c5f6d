"""Level 4: the compiled steps of fastad.optim and what clips gradients, one call for all parameters.  No primitive: nothing
here is recorded.

A step that must refuse a parameter changes none.  It reads ``.grad`` of every parameter, writes the parameter in place
and counts the write, so that a graph which still needs the old numbers is refused.  float32 and float64 run in
csrc/optim.inc; other float dtypes by the formula in NumPy that the classes of fastad.optim give beside it.  Parameters
without a gradient are skipped, and keep their state.
"""
from libc.string cimport memcpy

import numpy as np

from ..arrays cimport GIL_SIZE, assign, contiguous, fill, map2
from ..kernels cimport (
    FAD_KEEP, FAD_KEPT, FAD_L1, FAD_LR, FAD_OPTIONS, FAD_STATES, FAD_STEP, K, fad_line, fad_map_fn, fad_reduce_fn,
    fad_rule, fad_rule_fn, row_named, share_rows,
)
from ..storage cimport Array, Layout, dense_as, empty, same, scalar, shape_of, to_ndarray, wrote
from ..tensor cimport Tensor, wrap
from ..types cimport F32, compiled


def zero_grad(list params):
    """Forget the gradient of every parameter."""
    for p in params:
        if (<Tensor?> p).leaf is not None:
            (<Tensor> p).leaf.grad = None


cdef inline Array gradient(str name, Tensor p, Py_ssize_t i):
    """The gradient of parameter i, checked against it; None if there is none."""
    if p.leaf is None or p.leaf.grad is None:
        return None
    cdef Array own = p.arr, g = (<Tensor> p.leaf.grad).arr
    if g.layout is not own.layout or own.readonly or not compiled(own.layout.code):
        check_gradient(name, p, p.leaf.grad, i)
    return g


cdef int check_gradient(str name, Tensor p, Tensor g, Py_ssize_t i) except -1:
    if not same(g.arr.layout, p.arr.layout):
        raise ValueError(f"{name}: parameter {i} has shape {p.shape} and dtype {p.dtype}, its gradient {g.shape} and {g.dtype}")
    if p.arr.readonly:
        raise ValueError(f"{name}: parameter {i} of shape {p.shape} is read-only; make it with fastad.tensor, which copies")
    if not compiled(p.arr.layout.code) and p.arr.layout.dtype.kind != "f":
        raise TypeError(f"{name}: parameter {i} is {p.dtype}; hold its real and imaginary parts as two parameters")
    return 0


cdef enum:
    MOST = FAD_STATES

cdef struct Step:                         # what the steps of a group's parameters have in common
    double o[FAD_OPTIONS]
    bint made[MOST]                       # the arrays that its options ask for
    int n_arrays

cdef frozenset PAIRS = frozenset(("betas", "etas", "step_sizes"))      # options of two numbers


cdef inline void update(fad_rule_fn kernel, int code, Py_ssize_t n, void* p, const void* g, void** s, double* o) noexcept nogil:
    if o[FAD_L1] == 0:
        kernel(n, p, g, s, o)
    else:
        K.with_l1[code](kernel, n, p, g, s, o)


cdef struct Update:
    fad_rule_fn kernel
    int code
    const double* o
    char* first                           # of the parameter's numbers
    double* keep                          # what the rule leaves there


cdef void update_part(const void* work, Py_ssize_t n, const fad_line* lines) noexcept nogil:
    """A part of one parameter.  Parts have options of their own, for a rule leaves a number there; it is the same in each."""
    cdef const Update* u = <const Update*> work
    cdef double o[FAD_OPTIONS]
    cdef void* s[MOST]
    cdef int k
    memcpy(o, u.o, sizeof(o))
    for k in range(MOST):
        s[k] = lines[2 + k].at
    update(u.kernel, u.code, n, lines[0].at, lines[1].at, s, o)
    if lines[0].at == u.first:
        u.keep[0] = o[FAD_KEEP]


cdef void update_long(fad_rule_fn kernel, int code, Py_ssize_t n, void* p, const void* g, void** s, double* o) noexcept nogil:
    cdef fad_line lines[2 + MOST]
    cdef Update u
    cdef double keep = 0
    cdef int k
    u.kernel, u.code, u.o, u.first, u.keep = kernel, code, o, <char*> p, &keep
    lines[0].at, lines[1].at = <char*> p, <char*> g
    for k in range(MOST):
        lines[2 + k].at = <char*> s[k]
    for k in range(2 + MOST):
        lines[k].step = 4 if code == F32 else 8
    share_rows(update_part, &u, n, 2, 2 + MOST, lines)
    o[FAD_KEEP] = keep


cdef class Stepper:
    """How the optimizers of a class step: a kernel of csrc/optim.inc, and its formula in NumPy for the other dtypes.

    Parameters
    ----------
    name : str
        Of the class; in lower case that of the kernel.
    options : tuple of str
        The kernel's own options, in its order.
    state : dict
        {name: None for an array, the first value of a number}, the arrays in the kernel's order; numbers are 'step', which
        counts, and one that the rule keeps for itself.
    formula : callable
        ``formula(p, g, arrays, group, t, kept)`` changes p and the arrays in place; it returns the next `kept`.
    only_if, start : dict
        {name of an array: the option without which it is not made}; {...: the option that it is filled with at first}.
    """

    cdef fad_rule_fn kernel[2]
    cdef object formula
    cdef str name, kept
    cdef tuple options, arrays, only_if, start
    cdef bint pair[FAD_OPTIONS]
    cdef bint counts

    def __init__(self, str name, tuple options, dict state, formula, dict only_if={}, dict start={}):
        cdef const fad_rule* rule = K.rules
        cdef bytes kernel = name.lower().encode()
        cdef int k
        while rule.name is not NULL and rule.name != kernel:
            rule += 1
        if rule.name is NULL:
            raise ValueError(f"fastad: there is no kernel for {name}")
        self.kernel[0], self.kernel[1] = rule.step[0], rule.step[1]
        self.options = ("lr", "maximize", "weight_decay", "l1", *options)
        for k in range(len(self.options)):
            self.pair[k] = self.options[k] in PAIRS
        self.arrays = tuple([key for key, first in state.items() if first is None])
        self.only_if = tuple([only_if.get(key) for key in self.arrays])
        self.start = tuple([start.get(key) for key in self.arrays])
        self.counts = "step" in state
        self.kept = next((key for key, first in state.items() if key != "step" and first is not None), None)
        self.formula = formula
        self.name = name
        assert FAD_LR + len(self.options) + 2 <= FAD_OPTIONS and len(self.arrays) <= MOST

    def step(self, list groups, list states):
        """One step of every group; a dict of lists with an entry a parameter holds the state of each: its arrays, None before
        they are needed, and its numbers."""
        cdef Step now
        cdef dict group, state
        cdef list columns, steps, numbers, gathered = [None] * len(groups)
        cdef Py_ssize_t k, i
        check_lengths(self.name, groups, states)
        for k in range(len(groups)):
            group, state = groups[k], states[k]
            if k:                         # those of the first group are read before it is stepped
                self.read(&now, group)
            columns = [group["params"]]
            for key in self.arrays:
                columns.append(state[key])
            self.check(columns)
            gathered[k] = columns
        for k in range(len(groups)):
            group, state, columns = groups[k], states[k], gathered[k]
            steps = state["step"] if self.counts else None
            numbers = None if self.kept is None else state[self.kept]
            self.read(&now, group)
            for i in range(len(<list> columns[0])):
                self.step_one(&now, i, columns, group, steps, numbers)

    cdef int read(self, Step* now, dict group) except -1:
        """The options of a group as the kernel wants them."""
        cdef double* o = now.o + FAD_LR
        cdef int k
        for k in range(len(self.options)):
            value = group[self.options[k]]
            if self.pair[k]:
                o[0], o[1] = value
                o += 2
            else:
                o[0] = value
                o += 1
        now.n_arrays = len(self.arrays)
        for k in range(now.n_arrays):
            now.made[k] = self.only_if[k] is None or group[self.only_if[k]]
            if self.start[k] is not None:
                now.o[FAD_STEP] = group[self.start[k]]     # a number
        return 0

    cdef int check(self, list columns) except -1:
        """Before anything is changed: the gradients of the parameters, and their states."""
        cdef list params = columns[0]
        cdef Py_ssize_t i, j, n = len(params), n_columns = len(columns)
        cdef Tensor p
        for j in range(1, n_columns):
            check_lengths(self.name, params, columns[j])
        for i in range(n):
            p = <Tensor?> params[i]
            if gradient(self.name, p, i) is not None:
                for j in range(1, n_columns):
                    check_state(self.name, (<list> columns[j])[i], i, p.arr.layout)
        return 0

    cdef int step_one(self, Step* now, Py_ssize_t i, list columns, dict group, list steps, list numbers) except -1:
        """One step of parameter i, if it has a gradient; `columns` are the parameters and the arrays of their states."""
        cdef Tensor p = <Tensor?> (<list> columns[0])[i]
        cdef Array g = gradient(self.name, p, i)
        if g is None:
            return 0
        cdef Array own = p.arr            # held: another thread may give p other memory meanwhile
        # before its state is made, so that a step that fails here is not begun
        cdef Array to = own if own.layout.contiguous else contiguous(own)
        cdef Py_ssize_t t, n = to.layout.size
        cdef int code = to.layout.code
        cdef void* s[MOST]
        if not g.layout.contiguous:
            g = contiguous(g)
        self.ready(now, s, i, columns, group, own.layout)
        if steps is not None:
            t = steps[i]
            t += 1
            steps[i] = t                  # from here on the step cannot fail
            now.o[FAD_STEP] = t
        if numbers is not None:
            now.o[FAD_KEPT] = numbers[i]
        wrote(own)                        # before: another thread's walk may read while this one writes
        if not compiled(code):
            self.in_numpy(to_ndarray(to), to_ndarray(g), self.held(now, i, columns), group, now.o)
        elif n < GIL_SIZE:
            update(self.kernel[code], code, n, to.data, g.data, s, now.o)
        else:
            held = self.held(now, i, columns)               # nor may its state go
            with nogil:
                update_long(self.kernel[code], code, n, to.data, g.data, s, now.o)
        if numbers is not None:
            numbers[i] = now.o[FAD_KEEP]
        if to is not own:                 # a parameter that is not dense was stepped as a dense copy
            assign(own, to)
        return 0

    cdef list held(self, Step* now, Py_ssize_t i, list columns):
        """The arrays of parameter i's state, None for those that are switched off."""
        return [(<Tensor> (<list> columns[j + 1])[i]).arr if now.made[j] else None for j in range(now.n_arrays)]

    cdef int ready(self, Step* now, void** s, Py_ssize_t i, list columns, dict group, Layout like) except -1:
        """The arrays of parameter i's state, for the kernel in `s`; those that are not there yet are made.  Sets the number of
        the step for rules that do not count: 1 if an array has been made, else 2."""
        cdef list entries
        cdef Array a
        cdef int j
        now.o[FAD_STEP] = 2
        for j in range(MOST):
            s[j] = NULL
        for j in range(now.n_arrays):
            if not now.made[j]:
                continue
            entries = columns[j + 1]
            if entries[i] is None:
                a = empty(dense_as(like, like.dtype))
                fill(a, 0 if self.start[j] is None else group[self.start[j]])
                entries[i] = wrap(a)
                now.o[FAD_STEP] = 1
            else:
                check_state(self.name, entries[i], i, like)
                a = (<Tensor> entries[i]).arr
            s[j] = a.data
        return 0

    cdef int in_numpy(self, object p, object g, list held, dict group, double* o) except -1:
        arrays = [None if a is None else to_ndarray(a) for a in held]
        if group["maximize"]:
            g = -g
        if group["l1"]:
            g = g + group["l1"] * np.sign(p)
        if not group.get("decoupled_weight_decay"):
            g = g + group["weight_decay"] * p
        elif group["weight_decay"]:
            p *= 1 - group["lr"] * group["weight_decay"]
        kept = self.formula(p, g, arrays, group, o[FAD_STEP], o[FAD_KEPT])
        if kept is not None:
            o[FAD_KEEP] = kept
        return 0


cdef inline int check_state(str name, object state, Py_ssize_t i, Layout like) except -1:
    if state is None or (type(state) is Tensor and (<Tensor> state).arr.layout is like and like.contiguous):
        return 0
    return check_other_state(name, state, i, like)


cdef int check_other_state(str name, Tensor state, Py_ssize_t i, Layout like) except -1:
    cdef Layout own = state.arr.layout
    if not own.contiguous or not same(own, like):
        raise ValueError(f"{name}: the state of parameter {i} has shape {shape_of(own)} and dtype {own.dtype}, the "
                         f"parameter {shape_of(like)} and {like.dtype}")
    return 0


cdef int check_lengths(str name, list params, list states) except -1:
    if len(states) != len(params):
        raise ValueError(f"{name}: {len(params)} parameters and {len(states)} states; use add_param_group to add parameters")
    return 0


# ---- clipping ----------------------------------------------------------------------------------------
cdef double reduced(fad_reduce_fn kernel, Array a) except? -1:
    """What a kernel makes of all numbers of a dense array; the sum of their squares if NULL."""
    cdef Py_ssize_t n = a.layout.size
    cdef int code = a.layout.code
    cdef Array out = scalar(code, 0)
    cdef void* to = out.data
    with nogil:
        if kernel is NULL:
            K.squares[code](1, n, 1, a.data, NULL, to)
        else:
            kernel(1, n, 1, a.data, to, 0)
    return (<float*> to)[0] if code == F32 else (<double*> to)[0]


def magnitude(list tensors not None, bint squared):
    """The sum of the squares of all numbers, which may overflow, or the largest |x|; NaN if there is one, -1 if a dtype has no
    kernels."""
    cdef double found = 0, m
    cdef int code
    cdef Array a
    for t in tensors:
        a = (<Tensor?> t).arr
        code = a.layout.code
        if not compiled(code):
            return -1.0
        if a.layout.size == 0:
            continue
        a = contiguous(a)
        if squared:
            found += reduced(NULL, a)
        else:
            for m in (reduced(K.max[code], a), -reduced(K.min[code], a)):
                if m > found or m != m:
                    found = m
    return found


def apply_in_place(str name, list tensors not None, str row, double value):
    """Each of the tensors := row(tensor, value), whatever stands on the tape; `row` is multiply, minimum or maximum."""
    cdef Array a, number
    for t in tensors:
        if (<Tensor?> t).arr.readonly:
            raise ValueError(f"{name}: a gradient of shape {t.shape} is read-only; make it with fastad.tensor, which copies")
    for t in tensors:
        a = (<Tensor> t).arr
        wrote(a)
        if compiled(a.layout.code) and a.layout.contiguous:
            number = scalar(a.layout.code, value)
            map2(<fad_map_fn> row_named(row).forward[a.layout.code], NULL, a, number, a)
        else:
            nd = to_ndarray(a)
            nd[...] = getattr(np, row)(nd, nd.real.dtype.type(value))
