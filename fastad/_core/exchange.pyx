"""Level 3: what NumPy, pickle, copy and DLPack ask of a tensor, and how it lies in memory.

Nothing here carries a derivative across: a tensor that requires one says so, and how to give it up.
Imports tensor.  Next: make.pyx.
"""
from importlib import import_module

import numpy as np

from .arrays cimport copy as copy_array
from .storage cimport from_ndarray, to_ndarray
from .tensor cimport Tensor, refuse, refuse_number, wrap
from .tensor import FUNCTIONS, UFUNCS, install
from .make import subclass

LATER = {}                                # "linalg" -> the module that registers "linalg.solve", imported when first needed


def numpy(Tensor self not None):
    """A NumPy array that shares the memory.  Writes through it cannot be seen by the tape.

    Raises TypeError if the tensor requires a gradient: use ``x.detach().numpy()``.

    Examples
    --------
    >>> import fastad
    >>> fastad.tensor([1.0, 2.0]).numpy()
    array([1., 2.])
    """
    if self.node is not None:
        raise refuse(self, "numpy")
    return to_ndarray(self.arr)


def tolist(Tensor self not None):
    """Nested lists of Python numbers; TypeError where `item` raises it.

    Examples
    --------
    >>> import fastad
    >>> fastad.tensor([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
    """
    refuse_number(self, "tolist")
    return to_ndarray(self.arr).tolist()


# ---- memory -----------------------------------------------------------------------------------------
def itemsize(Tensor self not None):
    return self.arr.layout.itemsize


def nbytes(Tensor self not None):
    return self.arr.layout.itemsize * self.arr.layout.size


def strides(Tensor self not None):
    return tuple([self.arr.layout.strides[i] for i in range(self.arr.layout.ndim)])


def is_contiguous(Tensor self not None):
    return bool(self.arr.layout.contiguous)


install("itemsize", property(itemsize, doc="Bytes of one element."))
install("nbytes", property(nbytes, doc="Bytes of all elements."))
install("strides", property(strides, doc="Bytes to step along each axis."))
install("is_contiguous", property(is_contiguous, doc="Whether the elements lie in C order without gaps."))


# ---- NumPy's protocols ------------------------------------------------------------------------------
def __array__(Tensor self not None, dtype=None, copy=None):
    if self.node is not None:
        raise refuse(self, "numpy.asarray")
    nd = to_ndarray(self.arr)
    if dtype is not None and nd.dtype != dtype:
        if copy is False:
            raise ValueError(f"numpy.asarray: {nd.dtype} cannot become {dtype} without a copy")
        return nd.astype(dtype)
    return nd.copy() if copy else nd


def __array_ufunc__(Tensor self not None, ufunc, method, *inputs, **kwargs):
    function = UFUNCS.get(ufunc)
    if method != "__call__" or function is None:
        raise TypeError(f"numpy.{ufunc.__name__}{'' if method == '__call__' else '.' + method}: fastad has no rule "
                        f"for it; use x.detach().numpy() if no derivative is needed")
    if any(v is not None and not (k == "where" and v is True) for k, v in kwargs.items()):
        raise TypeError(f"numpy.{ufunc.__name__}: {', '.join(kwargs)} is not supported on a fastad tensor")
    return function(*inputs)


def function_named(str name):
    """The function registered under `name`, or None."""
    cdef str family = name.partition(".")[0]
    if name not in FUNCTIONS and family in LATER:
        import_module(LATER[family])
    return FUNCTIONS.get(name)


def __array_function__(Tensor self not None, func, types, args, kwargs):
    name = func.__name__ if func.__module__ in ("numpy", "numpy.lib") else f"{func.__module__}.{func.__name__}"
    name = name.removeprefix("numpy.")
    function = function_named(name)
    if function is None:
        raise TypeError(f"numpy.{name}: fastad has no rule for it; use x.detach().numpy() if no derivative is "
                        f"needed")
    return function(*args, **kwargs)


# ---- DLPack ------------------------------------------------------------------------------------------
def __dlpack__(Tensor self not None, *, stream=None, max_version=None, dl_device=None, copy=None):
    if self.node is not None:
        raise BufferError(str(refuse(self, "__dlpack__")))
    nd = to_ndarray(self.arr)
    if not copy and nd.size and min(nd.strides, default=0) < 0:      # PyTorch ends the process on such strides
        raise BufferError(f"__dlpack__: this tensor of shape {nd.shape} runs backwards through its memory (strides "
                          f"{nd.strides}), which other libraries cannot read; hand over x.copy()")
    return nd.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def __dlpack_device__(Tensor self not None):
    return to_ndarray(self.arr).__dlpack_device__()


def from_dlpack(x, /, *, device=None, copy=None):
    """A tensor that shares the memory of any array in the processor's memory that speaks DLPack (PyTorch's, JAX's, ...).

    The other way round, ``torch.from_dlpack(tensor)`` and ``numpy.from_dlpack(tensor)`` share the memory of a fastad
    tensor that requires no gradient.

    Parameters
    ----------
    x : object with ``__dlpack__`` and ``__dlpack_device__``
    device : "cpu" or None
    copy : bool, optional
        True copies, False refuses to; None copies where it must.

    Raises
    ------
    TypeError
        If `x` does not speak DLPack.
    BufferError
        If the memory cannot be shared: another device, a dtype without a NumPy name, a gradient on the other side, and
        of a fastad tensor also negative strides.

    Examples
    --------
    >>> import numpy, fastad
    >>> a = numpy.arange(3.0)
    >>> t = fastad.from_dlpack(a)
    >>> a[0] = 7
    >>> t
    tensor([7., 1., 2.])
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: a {type(x).__name__} does not speak DLPack; fastad.tensor(x) copies what NumPy can read")
    if isinstance(x, Tensor) and not copy and (device is None or str(device) == "cpu"):
        if (<Tensor> x).node is not None:
            raise BufferError(str(refuse(x, "from_dlpack")))
        return wrap(from_ndarray(to_ndarray((<Tensor> x).arr)))      # not through NumPy: its version goes on counting
    return wrap(from_ndarray(np.from_dlpack(x, device=device, copy=copy)))


# ---- pickle and copy ---------------------------------------------------------------------------------
cdef Tensor graphless(Tensor t, str name):
    if t.node is not None and (t.node.argument or not t.is_leaf):
        raise TypeError(f"{name}: this tensor of shape {t.shape} is "
                        + ("what a transform differentiates by" if t.is_leaf else f"the result of {t.node.prim.name}")
                        + ", and its graph cannot go with it; use x.detach()")
    return t


cdef int carry(Tensor t, object state) except -1:
    """Give `t` what __getstate__ says an instance of its subclass carries: None, attributes, or these and slots."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            setattr(t, name, value)
    return 0


def rebuilt(type cls, array, bint requires_grad):
    """What a pickled tensor becomes again."""
    return subclass(cls, wrap(from_ndarray(array)), requires_grad)


def __reduce_ex__(Tensor self not None, protocol):
    """The numbers and `requires_grad`; neither the gradient nor hooks, as in PyTorch."""
    graphless(self, "pickle")
    return rebuilt, (type(self), to_ndarray(self.arr), self.requires_grad), self.__getstate__()


def __deepcopy__(Tensor self not None, dict memo):
    """A leaf with memory, attributes and gradient of its own, without its hooks."""
    cdef Tensor twin
    from copy import deepcopy
    graphless(self, "deepcopy")
    twin = subclass(type(self), wrap(copy_array(self.arr)), self.requires_grad)
    memo[id(self)] = twin
    twin.grad = deepcopy(self.grad, memo)
    carry(twin, deepcopy(self.__getstate__(), memo))
    return twin


def __copy__(Tensor self not None):
    """The same memory and the same place in the graph under another object; a leaf becomes a leaf of its own, unless a
    transform differentiates by it."""
    cdef bint stays = self.node is not None and (self.node.argument or not self.is_leaf)
    cdef Tensor twin = subclass(type(self), wrap(self.arr), self.node is not None and not stays)
    if stays:
        twin.node, twin.out = self.node, self.out
    carry(twin, self.__getstate__())
    return twin


for _method in (numpy, tolist, __array__, __array_ufunc__, __array_function__, __dlpack__, __dlpack_device__, __reduce_ex__,
                __deepcopy__, __copy__):
    install(_method.__name__, _method)
