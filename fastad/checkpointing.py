"""checkpoint: compute again what a walk needs, instead of keeping it.

Imports the core, random and the containers of the transforms; the node that stands for a call is in _core/recompute.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, cast

import numpy as np

from . import random
from ._core import make
from ._core.recompute import forget
from ._core.tape import is_grad_enabled
from ._core.tensor import Tensor, numbers
from .autograd import enable_grad
from .transforms.tree import leaves, over

if TYPE_CHECKING:
    from typing import Any

    from ._typing import F

__all__ = ["checkpoint"]


def checkpoint(f: F) -> F:
    """`f`, of which the tape keeps one node a call and no intermediate values: each walk that comes by calls `f` again.

    A chain of n layers cut into sqrt(n) checkpointed parts keeps the values of about 2 sqrt(n) layers instead of n, for
    one more forward pass.  Derivatives are the same, in both modes and of every order; recurrences, parameters and other
    tensors that `f` reads without having them as arguments are differentiated too.  Source: Griewank and Walther,
    Evaluating Derivatives, chapter 12; Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.

    Parameters
    ----------
    f : callable
        Called again with the same arguments, it must do the same.  Random numbers of `fastad.random` repeat by
        themselves; a generator of your own does not.

    Returns
    -------
    callable, with the arguments and results of `f`.

    Raises
    ------
    RuntimeError
        In the walk, if the second call records other operations than the first, gives other values (of which a sample is
        compared), or reads values changed in place since.

    Examples
    --------
    >>> import fastad
    >>> block = fastad.checkpoint(lambda x: fastad.tanh(fastad.tanh(x)))
    >>> x = fastad.tensor(0.5, requires_grad=True)
    >>> block(x).backward()
    >>> round(x.grad.item(), 12) == round(float(fastad.grad(lambda x: x.tanh().tanh())(0.5)), 12)
    True
    """
    if not callable(f):
        raise TypeError(f"checkpoint: expected a function, got {type(f).__name__}; write checkpoint(f)(x)")

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not is_grad_enabled():
            return f(*args, **kwargs)
        drawn = random.state()
        nested = make.is_nested()
        given, named = _kept(args), _kept(kwargs)
        since = make.mark()
        result = f(*args, **kwargs)

        def again() -> tuple[int, list[Tensor], bool]:
            with random.rewound(drawn), enable_grad():
                since = make.mark()       # inside a transform, those in f give tensors; again too
                tensors = _recorded(make.recorded_call(f, given, named) if nested else f(*given, **named))
                return since, tensors, all(map(_agree, found, map(_sample, tensors)))

        recorded = _recorded(result)
        found = list(map(_sample, recorded))
        if recorded:
            forget(recorded, since, again)
        return result

    return cast("F", call)


def _kept(arguments: Any) -> Any:
    """Arguments for the second call; arrays are copied: unlike tensors they do not tell whether they were written to."""
    if not any(isinstance(leaf, np.ndarray) for leaf in leaves(arguments)):
        return arguments
    return over(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, arguments)


def _sample(t: Tensor) -> Any:
    """Up to 128 numbers of a tensor."""
    return numbers(t).flat[::t.size // 64 or 1].copy()


def _agree(a: Any, b: Any) -> bool:
    """Whether two samples are the same up to rounding, which differs with the number of threads."""
    finite = np.abs(a[np.isfinite(a)])
    return a.shape == b.shape and a.dtype == b.dtype and np.allclose(
        a, b, 0, np.sqrt(np.finfo(a.dtype).eps) * finite.max(initial=0), equal_nan=True)


def _recorded(result: Any) -> list[Tensor]:
    """The recorded tensors in what a function returned."""
    if isinstance(result, Tensor):
        return [result] if result.requires_grad else []
    if isinstance(result, dict):
        result = result.values()
    elif not isinstance(result, (list, tuple)):
        return []
    return [t for item in result for t in _recorded(item)]
