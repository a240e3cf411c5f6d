"""Level 3: making tensors, and walks asked for from Python.

Imports tensor.  Next: primitives/.
"""
import numpy as np

from .arrays cimport cast, copy
from .storage cimport from_ndarray
from .tensor cimport Tensor, array_of, as_tensor, cotangent, drop_leaf, make_leaf, wrap
from .walk cimport walk_back


cdef extern from *:
    """
    /* what Tensor.__new__ was before it was closed to Python: see tensor.pyx */
    static PyObject *fad_new(PyObject *base, PyObject *cls, PyObject *args)
    {
        return ((PyTypeObject *)base)->tp_new((PyTypeObject *)cls, args, NULL);
    }
    """
    object fad_new(object base, object cls, tuple args)


def tensor(data, dtype=None, *, bint requires_grad=False):
    """A tensor with a copy of `data`.

    Parameters
    ----------
    data : array_like or Tensor
        Numbers, nested sequences, a NumPy array, or anything NumPy can read.
    dtype : dtype, optional
        Python floats give float64, as in NumPy; arrays keep their dtype.
    requires_grad : bool
        Record the operations on it.

    Raises
    ------
    ValueError
        If nested sequences are ragged.
    TypeError
        If the dtype holds no numbers.

    Examples
    --------
    >>> import fastad
    >>> fastad.tensor([[1, 2], [3, 4]], dtype="float32").shape
    (2, 2)
    """
    cdef Tensor t
    if isinstance(data, Tensor):
        t = wrap(copy((<Tensor> data).arr))
        if dtype is not None:
            t = wrap(cast(t.arr, np.dtype(dtype)))
    else:
        t = wrap(array_of(data, dtype))
    if requires_grad:
        make_leaf(t)
    return t


def from_numpy(array):
    """A tensor that shares the memory of a NumPy array.

    Writes through the array change the tensor without the tape's knowledge; `tensor` copies.  Raises TypeError for
    what is not an array of numbers, ValueError for byte-swapped or unaligned memory.

    Examples
    --------
    >>> import numpy, fastad
    >>> a = numpy.zeros(3)
    >>> t = fastad.from_numpy(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0., 0.])
    """
    return wrap(from_ndarray(array))


def leaf(array, bint share=False):
    """A fresh leaf that requires a gradient, for the functional transforms."""
    cdef Tensor t = wrap(from_ndarray(array) if share else array_of(array, None))
    make_leaf(t)
    return t


def as_tensors(*values):
    """Every value as a Tensor."""
    return [as_tensor(v) for v in values]


def subclass(type cls, data, bint requires_grad):
    """An instance of a Tensor subclass that shares the memory of `data` (a Tensor) or copies it."""
    if not issubclass(cls, Tensor):
        raise TypeError(f"subclass: {cls.__name__} is not a subclass of Tensor")
    cdef Tensor t = fad_new(Tensor, cls, ())
    t.arr = (<Tensor> data).arr if isinstance(data, Tensor) else array_of(data, None)
    if requires_grad:
        make_leaf(t)
    return t


def rebind(Tensor t not None, dtype):
    """Give a leaf, and its gradient, another dtype: the object stays, so whoever holds it sees the change."""
    cdef Tensor grad = t.grad
    if not t.is_leaf:
        raise RuntimeError(f"this tensor is the result of {t.node.prim.name}; use astype, which makes a new tensor")
    cdef bint requires_grad = t.node is not None
    if requires_grad:
        drop_leaf(t)
    t.arr = cast(t.arr, np.dtype(dtype))
    if grad is not None:
        t.leaf.grad = wrap(cast(grad.arr, np.dtype(dtype)))
    if requires_grad:
        make_leaf(t)


def gradients(list outputs, list inputs, list grad_outputs, bint retain_graph, bint create_graph):
    """Adjoints of `inputs` (None where there is none); see `fastad.autograd.grad`."""
    cdef Tensor t
    cdef list roots = [], seeds = [], targets = []
    for t, g in zip(outputs, grad_outputs):
        if t is None or t.node is None:
            raise RuntimeError("grad: an output has no graph; none of its inputs required a gradient")
        g = cotangent(t, g, "grad")
        roots.append((t.node, t.out))
        seeds.append(g if create_graph else (<Tensor> g).arr)
    for t in inputs:
        if t is None or t.node is None:
            raise RuntimeError(f"grad: an input of shape {None if t is None else t.shape} does not require a gradient")
        targets.append((t.node, t.out))
    found = walk_back(roots, seeds, create_graph, retain_graph, 0, targets)
    return [found.get(target) for target in targets]


def vjp_lead(Tensor output not None, list inputs, Tensor cotangents not None, bint retain_graph=True):
    """Adjoints for several cotangents at once: `cotangents` has one more, leading, axis than `output`."""
    found = walk_back([(output.node, output.out)], [cotangents], True, retain_graph,
                      cotangents.arr.layout.ndim - output.arr.layout.ndim, [((<Tensor> t).node, (<Tensor> t).out) for t in inputs])
    return [found.get(((<Tensor> t).node, (<Tensor> t).out)) for t in inputs]
