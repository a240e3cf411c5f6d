"""Level 3: writing into a tensor: ``x += y``, ``x[...] = v``, copy_, fill_, zero_.

What is written counts up the version of the memory, so that a walk which saved the old value refuses it.
Imports tensor.  Next: exchange.pyx.
"""
import numpy as np

from .arrays cimport assign, cast, copy, numeric, overlap
from .storage cimport Array, refuse_masked, to_ndarray, wrote
from .tape cimport grad_enabled
from .tensor cimport Tensor, as_tensor, binary_fn, operators, plain, wrap
from .tensor import install


cdef object in_place(Tensor x, object y, binary_fn op, str name):
    """x op= y: on a tensor in a graph the name is bound to the new value, else the memory is written."""
    cdef Tensor value
    if grad_enabled() and (x.node is not None or (isinstance(y, Tensor) and (<Tensor> y).node is not None)):
        result = op(x, y)
        if result is NotImplemented:
            return result
        if result.shape != x.shape:
            raise ValueError(f"{name}: the result of shape {result.shape} does not fit into this tensor of shape {x.shape}; write "
                             f"x = x + y, ...")
        if result.dtype != x.dtype:
            check_cast(name, result.dtype, x.dtype)
            result = result.astype(x.dtype)
        return result
    result = op(wrap(x.arr), (<Tensor> y).detach() if isinstance(y, Tensor) else y)
    if result is NotImplemented:
        return result
    value = result
    write(x, value, name)
    return x


cdef int write(Tensor x, Tensor value, str name) except -1:
    cdef Array to = x.arr                 # held: another thread may give x other memory
    if to.readonly:
        raise ValueError(f"{name}: this tensor's memory is read-only; write to a copy()")
    check_cast(name, value.arr.layout.dtype, to.layout.dtype)
    cdef Array source = cast(value.arr, to.layout.dtype)
    wrote(to)                             # before: another thread's walk may read while this one writes
    assign(to, copy(source) if overlap(to, source) else source)
    return 0


cdef int check_cast(str name, object dtype, object to) except -1:
    if not np.can_cast(dtype, to, "same_kind"):
        raise TypeError(f"{name}: cannot cast the result from {dtype} to {to} in place; write x = x.astype(...) first")
    return 0


cdef object set_item(Tensor self, object index, object value):
    if self.node is not None and grad_enabled():
        raise RuntimeError("x[...] = v: x is part of a graph and cannot be changed in place; write under no_grad(), or "
                           "build the value with where(), concatenate() or stack()")
    if isinstance(value, Tensor):
        if (<Tensor> value).node is not None and grad_enabled():
            raise RuntimeError("x[...] = v: v requires a gradient that the assignment would drop; use v.detach()")
        value = to_ndarray((<Tensor> value).arr)
    elif type(value) not in (int, float, bool):
        value = numeric("x[...] = v", value, None)
    if self.arr.readonly:
        raise ValueError("x[...] = v: this tensor's memory is read-only; write to a copy()")
    cdef Array to = self.arr
    wrote(to)                             # before, as in `write`
    to_ndarray(to)[plain_index(index)] = value


cdef object plain_index(object index):
    refuse_masked("x[index] = v", index)
    if isinstance(index, tuple):
        return tuple([plain(i) for i in index])
    return plain(index)


operators.in_place = in_place
operators.setitem = set_item


# ---- methods
cdef object overwrite(str name, Tensor self, object value):
    if self.node is not None and grad_enabled():
        raise RuntimeError(f"{name}: this tensor is part of a graph and cannot be changed in place; use no_grad()")
    if isinstance(value, Tensor) and (<Tensor> value).node is not None and grad_enabled():
        raise RuntimeError(f"{name}: the source requires a gradient that the copy would drop; use detach()")
    write(self, as_tensor(value), name)
    return self


def copy_(Tensor self not None, value):
    """Overwrite the numbers with `value`, broadcast; only outside a graph.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.zeros((2, 2))
    >>> x.copy_([1.0, 2.0])
    tensor([[1., 2.],
            [1., 2.]])
    """
    return overwrite("copy_", self, value)


def fill_(Tensor self not None, value):
    """Overwrite every element with `value`; only outside a graph.

    Examples
    --------
    >>> import fastad
    >>> fastad.zeros(3).fill_(7)
    tensor([7., 7., 7.])
    """
    return overwrite("fill_", self, numeric("fill_", value, self.dtype))


def zero_(Tensor self not None):
    """Overwrite every element with 0; only outside a graph.

    Examples
    --------
    >>> import fastad
    >>> fastad.ones(3).zero_()
    tensor([0., 0., 0.])
    """
    return overwrite("zero_", self, numeric("zero_", 0, self.dtype))


for _method in (copy_, fill_, zero_):
    install(_method.__name__, _method)
