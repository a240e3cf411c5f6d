"""Level 4: the compiled steps of fastad.optim, one call for all parameters of a group.

A step reads ``.grad`` of every parameter, writes the parameter in place and counts the write, so that a graph
which still needs the old numbers is refused.  float32 and float64 run in csrc/; other float dtypes by the same
formula in NumPy.  Parameters without a gradient are skipped, and keep their state.
"""
from libc.math cimport pow, sqrt

import numpy as np

from ..arrays cimport GIL_SIZE, assign, contiguous, fill
from ..kernels cimport K, fad_adam, fad_sgd
from ..storage cimport Array, Layout, dense_as, empty, same, shape_of, to_ndarray, wrote
from ..tensor cimport Tensor, wrap
from ..types cimport compiled


def zero_grad(list params):
    """Forget the gradient of every parameter."""
    for p in params:
        if (<Tensor?> p).leaf is not None:
            (<Tensor> p).leaf.grad = None


cdef Array gradient(str name, Tensor p, Py_ssize_t i):
    """The dense gradient of parameter i, checked against it; None if there is none."""
    if p.leaf is None or p.leaf.grad is None:
        return None
    cdef Tensor g = p.leaf.grad
    if g.arr.layout is not p.arr.layout and not same(g.arr.layout, p.arr.layout):
        raise ValueError(f"{name}: parameter {i} has shape {p.shape} and dtype {p.dtype}, its gradient {g.shape} and {g.dtype}")
    if p.arr.readonly:
        raise ValueError(f"{name}: parameter {i} of shape {p.shape} is read-only; make it with fastad.tensor, which copies")
    if p.arr.layout.dtype.kind != "f":
        raise TypeError(f"{name}: parameter {i} is {p.dtype}; hold its real and imaginary parts as two parameters")
    return contiguous(g.arr)


cdef Array state_of(str name, list states, Py_ssize_t i, Layout like):
    """State i of a parameter of this layout, made of zeros where there is none yet."""
    cdef Array a
    if states[i] is None:
        a = empty(dense_as(like, like.dtype))
        fill(a, 0)
        states[i] = wrap(a)
        return a
    a = (<Tensor?> states[i]).arr
    if not a.layout.contiguous or not same(a.layout, like):
        raise ValueError(f"{name}: the state of parameter {i} has shape {shape_of(a.layout)} and dtype {a.layout.dtype}, the "
                         f"parameter {shape_of(like)} and {like.dtype}")
    return a


cdef int finish(Tensor p, Array written) except -1:
    """A parameter that is not dense was stepped as a dense copy."""
    if written is not p.arr:
        assign(p.arr, written)
    wrote(p.arr)
    return 0


cdef int check_lengths(str name, list params, list states) except -1:
    if len(states) != len(params):
        raise ValueError(f"{name}: {len(params)} parameters and {len(states)} states; use add_param_group to add parameters")
    return 0


def sgd_step(list params, list buffers, double lr, double momentum, double dampening, double weight_decay,
             bint nesterov, bint maximize):
    """One step of stochastic gradient descent::

        g := grad (-grad to maximize) + weight_decay * p
        b := momentum * b + (1 - dampening) * g         (the first time: g)
        p := p - lr * (g + momentum * b if nesterov else b)

    `buffers` holds b of every parameter, None before its first step; it is not used without momentum."""
    cdef fad_sgd o
    cdef Tensor p
    cdef Array g, to, buf = None
    cdef Py_ssize_t i, n
    cdef int code
    o.lr, o.momentum, o.dampening, o.weight_decay = lr, momentum, dampening, weight_decay
    o.nesterov, o.maximize = nesterov, maximize
    check_lengths("SGD", params, buffers)
    for i in range(len(params)):
        p = <Tensor?> params[i]
        g = gradient("SGD", p, i)
        if g is None:
            continue
        if momentum:
            o.first = buffers[i] is None
            buf = state_of("SGD", buffers, i, p.arr.layout)
        to = contiguous(p.arr)
        n = to.layout.size
        code = to.layout.code
        if not compiled(code):
            sgd_numpy(to_ndarray(to), to_ndarray(g), None if buf is None else to_ndarray(buf), &o)
        elif n < GIL_SIZE:
            K.sgd[code](n, to.data, g.data, NULL if buf is None else buf.data, &o)
        else:
            with nogil:
                K.sgd[code](n, to.data, g.data, NULL if buf is None else buf.data, &o)
        finish(p, to)


cdef int sgd_numpy(object p, object g, object buf, fad_sgd* o) except -1:
    d = (-g if o.maximize else g) + o.weight_decay * p
    if buf is not None:
        buf[...] = d if o.first else o.momentum * buf + (1 - o.dampening) * d
        d = d + o.momentum * buf if o.nesterov else buf
    p -= o.lr * d
    return 0


def adam_step(list params, list means, list squares, list peaks, list steps, double lr, double beta1, double beta2,
              double eps, double weight_decay, bint decoupled, bint amsgrad, bint maximize):
    """One step of Adam (Kingma and Ba, 2014), or AdamW (Loshchilov and Hutter, 2017) if `decoupled`::

        g := grad (-grad to maximize) + weight_decay * p       (decoupled: p := p (1 - lr weight_decay) instead)
        m := beta1 m + (1 - beta1) g
        v := beta2 v + (1 - beta2) g^2                         (amsgrad: the largest v so far in the next line)
        p := p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)

    `means`, `squares`, `peaks` hold m, v and the largest v of every parameter, None before its first step; `steps`
    holds t, the number of its steps."""
    cdef fad_adam o
    cdef Tensor p
    cdef Array g, to, m, v, peak = None
    cdef Py_ssize_t i, n, t
    cdef int code
    o.lr, o.beta1, o.beta2, o.eps, o.weight_decay = lr, beta1, beta2, eps, weight_decay
    o.decoupled, o.maximize, o.amsgrad = decoupled, maximize, amsgrad
    for states in (means, squares, peaks, steps):
        check_lengths("Adam", params, states)
    for i in range(len(params)):
        p = <Tensor?> params[i]
        g = gradient("Adam", p, i)
        if g is None:
            continue
        m = state_of("Adam", means, i, p.arr.layout)
        v = state_of("Adam", squares, i, p.arr.layout)
        if amsgrad:
            peak = state_of("Adam", peaks, i, p.arr.layout)
        t = steps[i] + 1
        steps[i] = t
        o.correction1 = 1 - pow(beta1, t)
        o.correction2_sqrt = sqrt(1 - pow(beta2, t))
        to = contiguous(p.arr)
        n = to.layout.size
        code = to.layout.code
        if not compiled(code):
            adam_numpy(to_ndarray(to), to_ndarray(g), to_ndarray(m), to_ndarray(v),
                       to_ndarray(peak) if amsgrad else None, &o)
        elif n < GIL_SIZE:
            K.adam[code](n, to.data, g.data, m.data, v.data, peak.data if amsgrad else NULL, &o)
        else:
            with nogil:
                K.adam[code](n, to.data, g.data, m.data, v.data, peak.data if amsgrad else NULL, &o)
        finish(p, to)


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
