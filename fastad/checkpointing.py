"""checkpoint: compute again what a walk needs, instead of keeping it.

Imports the core, random and the containers of the transforms; the node that stands for a call is in _core/recompute.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, cast

import numpy as np

from . import random
from ._core import make
from ._core.custom import run_plain
from ._core.recompute import forget
from ._core.tape import is_grad_enabled
from ._core.tensor import Tensor, numbers
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
        themselves; a generator of your own does not.  Running statistics of batch normalisation follow the first call only.

    Returns
    -------
    callable, with the arguments and results of `f`.  To the tape the results are those of one operation, of
    which none depends on another: what asks for the gradient by a result (hooks, `retain_grad`, `autograd.grad`) does not
    see the way through another result.

    Raises
    ------
    RuntimeError
        In the walk, if the second call records other operations than the first, gives other values (up to rounding), or
        reads values changed in place since.

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
        under_way = make.is_nested(), make.is_under_way()
        given, named = _kept(args), _kept(kwargs)
        since = make.mark()
        result = f(*args, **kwargs)

        def again() -> tuple[int, list[Tensor], bool]:
            with random.rewound(drawn):
                since = make.mark()       # inside a transform, those in f give tensors; again too
                # a walk that a user's rule has called for is none of its business
                tensors = _recorded(run_plain(make.call_again, (f, given, named, *under_way), True))
                return since, tensors, all(map(_agree, found, map(_digest, tensors)))

        recorded = _recorded(result)
        found = list(map(_digest, recorded))
        if recorded:
            forget(recorded, since, again)
        return result

    return cast("F", call)


def _kept(arguments: Any) -> Any:
    """Arguments for the second call; arrays are copied: unlike tensors they do not tell whether they were written to."""
    if not any(isinstance(leaf, np.ndarray) for leaf in leaves(arguments)):
        return arguments
    return over(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, arguments)


def _digest(t: Tensor) -> tuple[Any, float]:
    """Up to 127 numbers of a tensor, with sums over what is between, and the size of the largest number.

    Each sum is of up to 256 numbers, with a weight for each place, so that one that changes, or its place, is seen."""
    array = numbers(t)
    sample = array.flat[::t.size // 64 or 1]
    if t.size < 128:
        return sample, _largest(sample)
    flat = array.reshape(-1)
    whole = t.size // 256 * 256
    weights = np.arange(257, 513).astype(array.dtype) / 512
    with np.errstate(all="ignore"):
        sums = flat[:whole].reshape(-1, 256) @ weights
        last = flat[whole:] @ weights[:t.size - whole]
    return np.concatenate([sample, sums, [last]]), _largest(flat)


def _largest(a: Any) -> float:
    """The largest absolute value, of the finite numbers."""
    if a.dtype.kind == "c":
        return max(_largest(a.real), _largest(a.imag))
    size = max(np.fmax.reduce(a, initial=0), -np.fmin.reduce(a, initial=0))
    return float(size if np.isfinite(size) else np.abs(a[np.isfinite(a)]).max(initial=0))


def _agree(a: tuple[Any, float], b: tuple[Any, float]) -> bool:
    """Whether two digests are the same up to rounding, which differs with the number of threads."""
    (these, largest), (those, _) = a, b
    return these.shape == those.shape and these.dtype == those.dtype and np.allclose(
        these, those, 0, np.sqrt(np.finfo(these.dtype).eps) * largest, equal_nan=True)


def _recorded(result: Any) -> list[Tensor]:
    """The recorded tensors in what a function returned."""
    if isinstance(result, Tensor):
        return [result] if result.requires_grad else []
    if isinstance(result, dict):
        result = result.values()
    elif not isinstance(result, (list, tuple)):
        return []
    return [t for item in result for t in _recorded(item)]
