"""Level 4: dot, inner, outer and tensordot: matmul with its operands rearranged.

Imports matmul.pyx and the table of functions.  Next: einsum.pyx.
"""
import numpy as np

from ..tensor import FUNCTIONS, register
from .matmul import matmul, operands
from .shape import axes_in_order


def dot(a, b):
    """NumPy's dot product: the last axis of `a` with the last but one (or only) axis of `b`.

    A 0-d operand multiplies.  Unlike `matmul` the leading axes do not broadcast: the result has those of `a`, then
    those of `b`: ``y[i, j, k, m] = sum(a[i, j, :] * b[k, :, m])``.

    Raises ValueError if the summed axes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.dot([1.0, 2.0], [3.0, 4.0])
    tensor(11.)
    """
    a, b = operands("dot", a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    of_b = max(b.ndim - 2, 0)
    if b.ndim <= 2 and a.shape[-1] == b.shape[of_b]:
        return matmul(a, b)
    return tensordot(a, b, axes=(-1, of_b), _name="dot")


def inner(a, b, /):
    """The product summed over the last axis of both: ``y[i, j] = sum(a[i, :] * b[j, :])``; a 0-d operand multiplies.

    Raises ValueError if the last axes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.inner([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]])
    tensor([[11., 17.]])
    """
    a, b = operands("inner", a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return tensordot(a, b, axes=(-1, -1), _name="inner")


def outer(a, b):
    """All products of two vectors, ``y[i, j] = a[i] b[j]``; other shapes are flattened.

    Examples
    --------
    >>> import fastad
    >>> fastad.outer([1.0, 2.0], [3.0, 4.0])
    tensor([[3., 4.],
            [6., 8.]])
    """
    a, b = operands("outer", a, b)
    return FUNCTIONS["reshape"](a, (-1, 1)) * FUNCTIONS["reshape"](b, (1, -1))


def tensordot(a, b, axes=2, *, _name="tensordot"):
    """The product summed over several axes: the last `axes` of `a` with the first of `b`, or two lists of axes.

    The result has the remaining axes of `a`, then those of `b`.  Raises ValueError if the summed axes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.tensordot(fastad.tensor([[1.0, 2.0]]), fastad.tensor([[3.0], [4.0]]), axes=1)
    tensor([[11.]])
    """
    a, b = operands(_name, a, b)
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ValueError(f"{_name}: axes={axes} of shapes {a.shape} and {b.shape}; there are 0 to {min(a.ndim, b.ndim)}")
        of_a, of_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        try:
            of_a, of_b = [[x] if isinstance(x, (int, np.integer)) else list(x) for x in axes]
        except (TypeError, ValueError) as error:
            raise type(error)(f"{_name}: axes must be an integer or two lists of axes, got {axes!r}") from None
    of_a, of_b = list(axes_in_order(_name, of_a, a.ndim)), list(axes_in_order(_name, of_b, b.ndim))
    if len(of_a) != len(of_b) or any(a.shape[i] != b.shape[j] for i, j in zip(of_a, of_b, strict=True)):
        raise ValueError(f"{_name}: shapes {a.shape} and {b.shape} do not fit: axes {of_a} of the first have "
                         f"{[a.shape[i] for i in of_a]}, axes {of_b} of the second {[b.shape[i] for i in of_b]}")
    keep_a = [i for i in range(a.ndim) if i not in of_a]
    keep_b = [i for i in range(b.ndim) if i not in of_b]
    k = int(np.prod([a.shape[i] for i in of_a]))
    rows, cols = [a.shape[i] for i in keep_a], [b.shape[i] for i in keep_b]
    a = FUNCTIONS["reshape"](FUNCTIONS["transpose"](a, keep_a + of_a), (int(np.prod(rows)), k))
    b = FUNCTIONS["reshape"](FUNCTIONS["transpose"](b, of_b + keep_b), (k, int(np.prod(cols))))
    return FUNCTIONS["reshape"](matmul(a, b), tuple(rows + cols))


register("dot", dot, method=True)
for _f in (inner, outer, tensordot):
    register(_f.__name__, _f)
