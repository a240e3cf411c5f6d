"""Derivatives of functions of NumPy arrays and numbers: grad, value_and_grad.

Imports the core and autograd.
"""
import threading
from functools import wraps

import numpy as np

from ._core.tensor import Tensor, leaf
from .autograd import enable_grad
from .autograd import grad as adjoints

__all__ = ["grad", "value_and_grad"]

_nesting = threading.local()              # how many transforms of this thread are under way


def _differentiable(value, name, k):
    """The argument as a tensor to differentiate by: its own copy, so that nested derivatives keep apart."""
    if isinstance(value, Tensor):
        return value * 1 if value.requires_grad else value.detach().requires_grad_()
    array = np.asarray(value)
    if array.dtype.kind in "biu":
        if isinstance(value, np.ndarray):
            raise TypeError(f"{name}: argument {k} has dtype {array.dtype}, which has no derivative; use "
                            f"x.astype(float)")
        array = array.astype(float)
    return leaf(array)


def _plain(t, like):
    """A result as the caller gave the argument: a float for a number, an array for an array."""
    if isinstance(like, Tensor):
        return t
    nd = t.detach().numpy()
    return nd if isinstance(like, np.ndarray) and like.ndim else nd[()]


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
    many = isinstance(argnum, tuple)
    name = getattr(f, "__name__", "f")

    @wraps(f)
    def value_and_gradient(*args, **kwargs):
        wanted = argnum if many else (argnum,)
        for k in wanted:
            if not -len(args) <= k < len(args):
                raise ValueError(f"grad of {name}: argnum {k} is out of range for {len(args)} positional arguments")
        outer = getattr(_nesting, "depth", 0)
        traced = outer > 0 or any(isinstance(a, Tensor) for a in args)
        _nesting.depth = outer + 1
        try:
            with enable_grad():
                given = list(args)
                inputs = []
                for k in wanted:
                    given[k] = _differentiable(args[k], f"grad of {name}", k)
                    inputs.append(given[k])
                value = f(*given, **kwargs)
                if not isinstance(value, Tensor):
                    raise TypeError(f"grad of {name}: it returned a {type(value).__name__}, expected a Tensor; use "
                                    f"fastad's functions inside")
                if value.size != 1:
                    raise ValueError(f"grad of {name}: its value has shape {value.shape}, expected one element")
                if value.requires_grad:
                    found = adjoints(value, inputs, None if value.shape == () else np.ones(value.shape, value.dtype),
                                     create_graph=traced, allow_unused=True)
                else:
                    found = [None] * len(inputs)
                found = [zero(x) if g is None else g for g, x in zip(found, inputs, strict=True)]
        finally:
            _nesting.depth = outer
        if traced:
            return value, tuple(found) if many else found[0]
        plain = [_plain(g, args[k]) for g, k in zip(found, wanted, strict=True)]
        return value.detach().numpy()[()], tuple(plain) if many else plain[0]

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
