"""Level 4: the compiled steps of fastad.optim and what clips gradients, one call for all parameters.  No primitive: nothing
here is recorded.

A step that must refuse a parameter changes none.  It reads ``.grad`` of every parameter, writes the parameter in place
and counts the write, so that a graph which still needs the old numbers is refused.  float32 and float64 run in csrc/; other float dtypes by the same
formula in NumPy.  Parameters without a gradient are skipped, and keep their state.
"""
from libc.math cimport pow, sqrt

import numpy as np

from ..arrays cimport GIL_SIZE, assign, contiguous, fill, map2
from ..kernels cimport K, fad_adam, fad_map_fn, fad_reduce_fn, fad_sgd, row_named
from ..storage cimport Array, Layout, dense_as, empty, same, scalar, shape_of, to_ndarray, wrote
from ..tensor cimport Tensor, wrap
from ..types cimport F32, compiled


def zero_grad(list params):
    """Forget the gradient of every parameter."""
    for p in params:
        if (<Tensor?> p).leaf is not None:
            (<Tensor> p).leaf.grad = None


cdef Array gradient(str name, Tensor p, Py_ssize_t i):
    """The gradient of parameter i, checked against it; None if there is none."""
    if p.leaf is None or p.leaf.grad is None:
        return None
    cdef Tensor g = p.leaf.grad
    if g.arr.layout is not p.arr.layout and not same(g.arr.layout, p.arr.layout):
        raise ValueError(f"{name}: parameter {i} has shape {p.shape} and dtype {p.dtype}, its gradient {g.shape} and {g.dtype}")
    if p.arr.readonly:
        raise ValueError(f"{name}: parameter {i} of shape {p.shape} is read-only; make it with fastad.tensor, which copies")
    if not compiled(p.arr.layout.code) and p.arr.layout.dtype.kind != "f":
        raise TypeError(f"{name}: parameter {i} is {p.dtype}; hold its real and imaginary parts as two parameters")
    return g.arr


cdef inline int check_state(str name, object state, Py_ssize_t i, Layout like) except -1:
    if state is None:
        return 0
    cdef Layout own = (<Tensor?> state).arr.layout
    if not own.contiguous or (own is not like and not same(own, like)):
        raise ValueError(f"{name}: the state of parameter {i} has shape {shape_of(own)} and dtype {own.dtype}, the "
                         f"parameter {shape_of(like)} and {like.dtype}")
    return 0


cdef int check_group(str name, list params, list first, list second=None, list third=None) except -1:
    """Before anything is changed: the gradients of the parameters, and their states."""
    cdef Py_ssize_t i
    cdef Tensor p
    check_lengths(name, params, first)
    if second is not None:
        check_lengths(name, params, second)
        check_lengths(name, params, third)
    for i in range(len(params)):
        p = <Tensor?> params[i]
        if gradient(name, p, i) is None:
            continue
        check_state(name, first[i], i, p.arr.layout)
        if second is not None:
            check_state(name, second[i], i, p.arr.layout)
            check_state(name, third[i], i, p.arr.layout)
    return 0


cdef Array state_of(str name, list states, Py_ssize_t i, Layout like):
    """State i of a parameter of this layout, made of zeros where there is none yet."""
    cdef Array a
    if states[i] is None:
        a = empty(dense_as(like, like.dtype))
        fill(a, 0)
        states[i] = wrap(a)
        return a
    check_state(name, states[i], i, like)
    return (<Tensor> states[i]).arr


cdef int finish(Array own, Array written) except -1:
    """A parameter that is not dense was stepped as a dense copy."""
    if written is not own:
        assign(own, written)
    return 0


cdef int check_lengths(str name, list params, list states) except -1:
    if len(states) != len(params):
        raise ValueError(f"{name}: {len(params)} parameters and {len(states)} states; use add_param_group to add parameters")
    return 0


cdef int sgd_options(fad_sgd* o, dict group) except -1:
    o.lr, o.momentum, o.dampening = group["lr"], group["momentum"], group["dampening"]
    o.weight_decay, o.nesterov, o.maximize = group["weight_decay"], group["nesterov"], group["maximize"]
    return 0


def sgd_step(list groups, list states):
    """One step of stochastic gradient descent::

        g := grad (-grad to maximize) + weight_decay * p
        b := momentum * b + (1 - dampening) * g         (the first time: g)
        p := p - lr * (g + momentum * b if nesterov else b)

    `groups` are the optimizer's; each of `states` holds in 'momentum_buffer' b of every parameter of its group, None
    before the first step; it is not used without momentum."""
    cdef fad_sgd o
    cdef dict group, state
    cdef list params, buffers
    cdef Tensor p
    cdef Array g, own, to, buf = None
    cdef Py_ssize_t i, k, n
    cdef int code
    check_lengths("SGD", groups, states)
    for k in range(len(groups)):
        group, state = groups[k], states[k]
        if k:                             # those of the first group are read before it is stepped
            sgd_options(&o, group)
        check_group("SGD", group["params"], state["momentum_buffer"])
    for k in range(len(groups)):
        group, state = groups[k], states[k]
        params, buffers = group["params"], state["momentum_buffer"]
        sgd_options(&o, group)
        for i in range(len(params)):
            p = <Tensor?> params[i]
            g = gradient("SGD", p, i)
            if g is None:
                continue
            own = p.arr                   # held: another thread may give p other memory meanwhile
            g = contiguous(g)
            to = contiguous(own)          # before its state is made, so that a step that fails here is not begun
            if o.momentum:
                o.first = buffers[i] is None
                buf = state_of("SGD", buffers, i, own.layout)
            else:
                buf = None
            n = to.layout.size
            code = to.layout.code
            wrote(own)                    # before: another thread's walk may read while this one writes
            if not compiled(code):
                sgd_numpy(to_ndarray(to), to_ndarray(g), None if buf is None else to_ndarray(buf), &o)
            elif n < GIL_SIZE:
                K.sgd[code](n, to.data, g.data, NULL if buf is None else buf.data, &o)
            else:
                with nogil:
                    K.sgd[code](n, to.data, g.data, NULL if buf is None else buf.data, &o)
            finish(own, to)


cdef int sgd_numpy(object p, object g, object buf, fad_sgd* o) except -1:
    d = (-g if o.maximize else g) + o.weight_decay * p
    if buf is not None:
        buf[...] = d if o.first else o.momentum * buf + (1 - o.dampening) * d
        d = d + o.momentum * buf if o.nesterov else buf
    p -= o.lr * d
    return 0


cdef int adam_options(fad_adam* o, dict group) except -1:
    o.beta1, o.beta2 = group["betas"]
    o.lr, o.eps, o.weight_decay = group["lr"], group["eps"], group["weight_decay"]
    o.decoupled, o.amsgrad, o.maximize = group["decoupled_weight_decay"], group["amsgrad"], group["maximize"]
    return 0


def adam_step(list groups, list states):
    """One step of Adam (Kingma and Ba, 2014), or AdamW (Loshchilov and Hutter, 2017) for groups with `decoupled_weight_decay`::

        g := grad (-grad to maximize) + weight_decay * p       (or decoupled: p := p (1 - lr weight_decay))
        m := beta1 m + (1 - beta1) g
        v := beta2 v + (1 - beta2) g^2                         (amsgrad: the largest v so far in the next line)
        p := p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)

    `groups` are the optimizer's; each of `states` holds in 'exp_avg', 'exp_avg_sq' and 'max_exp_avg_sq' m, v and the
    largest v of every parameter of its group, None before the first step, and in 'step' the number t of its steps."""
    cdef fad_adam o
    cdef dict group, state
    cdef list params, means, squares, peaks, steps
    cdef Tensor p
    cdef Array g, own, to, m, v, peak = None
    cdef Py_ssize_t i, k, n, t
    cdef int code
    check_lengths("Adam", groups, states)
    for k in range(len(groups)):
        group, state = groups[k], states[k]
        if k:                             # those of the first group are read before it is stepped
            adam_options(&o, group)
        check_lengths("Adam", group["params"], state["step"])
        check_group("Adam", group["params"], state["exp_avg"], state["exp_avg_sq"], state["max_exp_avg_sq"])
    for k in range(len(groups)):
        group, state = groups[k], states[k]
        params, means, squares = group["params"], state["exp_avg"], state["exp_avg_sq"]
        peaks, steps = state["max_exp_avg_sq"], state["step"]
        adam_options(&o, group)
        for i in range(len(params)):
            p = <Tensor?> params[i]
            g = gradient("Adam", p, i)
            if g is None:
                continue
            own = p.arr                   # held: another thread may give p other memory meanwhile
            g = contiguous(g)
            m = state_of("Adam", means, i, own.layout)
            v = state_of("Adam", squares, i, own.layout)
            peak = state_of("Adam", peaks, i, own.layout) if o.amsgrad else None
            to = contiguous(own)
            t = steps[i] + 1
            steps[i] = t                  # from here on the step cannot fail
            o.correction1 = 1 - pow(o.beta1, t)
            o.correction2_sqrt = sqrt(1 - pow(o.beta2, t))
            n = to.layout.size
            code = to.layout.code
            wrote(own)
            if not compiled(code):
                adam_numpy(to_ndarray(to), to_ndarray(g), to_ndarray(m), to_ndarray(v),
                           None if peak is None else to_ndarray(peak), &o)
            elif n < GIL_SIZE:
                K.adam[code](n, to.data, g.data, m.data, v.data, NULL if peak is None else peak.data, &o)
            else:
                with nogil:
                    K.adam[code](n, to.data, g.data, m.data, v.data, NULL if peak is None else peak.data, &o)
            finish(own, to)


cdef int adam_numpy(object p, object g, object m, object v, object peak, fad_adam* o) except -1:
    d = -g if o.maximize else g
    if o.decoupled:
        p *= 1 - o.lr * o.weight_decay
    else:
        d = d + o.weight_decay * p
    m[...] = o.beta1 * m + (1 - o.beta1) * d
    v[...] = o.beta2 * v + (1 - o.beta2) * d * d
    if peak is not None:
        np.maximum(peak, v, out=peak)
        v = peak
    p -= o.lr / o.correction1 * m / (np.sqrt(v) / o.correction2_sqrt + o.eps)
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
