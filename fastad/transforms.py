"""Derivatives of functions of NumPy arrays and numbers: grad, value_and_grad.

Imports the core.
"""
import threading
from functools import wraps

import numpy as np

from ._core.make import gradients, leaf
from ._core.tape import set_grad_enabled as set_recording
from ._core.tensor import Tensor

__all__ = ["grad", "value_and_grad"]

class _Nesting(threading.local):
    depth = 0                             # how many transforms of this thread are under way


_nesting = _Nesting()


def _differentiable(value, name, k):
    """The argument as a tensor to differentiate by: its own copy, so that nested derivatives keep apart."""
    if isinstance(value, Tensor):
        return value * 1 if value.requires_grad else value.detach().requires_grad_()
    if type(value) is not np.ndarray:
        value = np.asarray(value, dtype=float) if isinstance(value, int | np.integer) else np.asarray(value)
    if value.dtype.kind in "biu":
        raise TypeError(f"grad of {name}: argument {k} has dtype {value.dtype}, which has no derivative; use "
                        f"x.astype(float)")
    return leaf(value)


def _plain(t):
    """A tensor's numbers: an array, or a NumPy scalar for a 0-d one."""
    return t.detach().numpy()[()]


def value_and_grad(f, argnum=0):
    """A function that gives ``(f(*args), gradient)``.

    Parameters
    ----------
    f : callable
        Takes tensors where the result takes arrays, and returns a tensor with one element.
    argnum : int or tuple of int
        By which positional arguments to differentiate; a tuple gives a tuple of gradients.

    Returns
    -------
    callable
        On NumPy arrays and numbers it gives arrays and numbers (a 0-d result is a scalar), of the arguments'
        dtype; on tensors, or inside another transform, it gives tensors, so that it can be differentiated.

    Raises
    ------
    TypeError
        If `f` does not return a tensor that depends on floats.
    ValueError
        If the value has more than one element.

    Examples
    --------
    >>> import fastad
    >>> value, slope = fastad.value_and_grad(lambda x: x ** 3)(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    """
    name = getattr(f, "__name__", "f")
    wanted = argnum if isinstance(argnum, tuple) else (argnum,)

    @wraps(f)
    def value_and_gradient(*args, **kwargs):
        given, inputs = list(args), []
        for k in wanted:
            try:
                given[k] = _differentiable(args[k], name, k)
            except IndexError:
                raise ValueError(f"grad of {name}: argnum {k} is out of range for {len(args)} positional "
                                 f"arguments") from None
            inputs.append(given[k])
        outer, recorded = _nesting.depth, set_recording(True)
        traced = outer > 0 or any(isinstance(a, Tensor) for a in args)
        _nesting.depth = outer + 1
        try:
            value = f(*given, **kwargs)
            if not isinstance(value, Tensor):
                raise TypeError(f"grad of {name}: it returned a {type(value).__name__}, expected a Tensor; use "
                                f"fastad's functions inside")
            if value.size != 1:
                raise ValueError(f"grad of {name}: its value has shape {value.shape}, expected one element")
            found = gradients([value], inputs, [None], traced, traced) if value.requires_grad else [None] * len(inputs)
        finally:
            _nesting.depth = outer
            set_recording(recorded)
        found = [zero(x) if g is None else g for g, x in zip(found, inputs, strict=True)]
        if not traced:
            value, found = _plain(value), [_plain(g) for g in found]
        return value, tuple(found) if wanted is argnum else found[0]

    return value_and_gradient


def zero(x):
    """The gradient of what does not depend on x."""
    return leaf(np.zeros(x.shape, x.dtype)).detach()


def grad(f, argnum=0):
    """A function that gives the gradient of `f`, which must have one element; see `value_and_grad`.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.grad(lambda x: (x ** 2).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> round(float(fastad.grad(fastad.grad(fastad.tanh))(0.5)), 12)
    -0.726861981384
    """
    both = value_and_grad(f, argnum)

    @wraps(f)
    def gradient(*args, **kwargs):
        return both(*args, **kwargs)[1]

    return gradient
