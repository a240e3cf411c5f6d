"""The derivative of a fixed point, by the implicit function theorem.

An operation of its own, made with ../extend; imports the core, forward.py, reverse.py and tree.py.  Next: ../numpy.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors, is_differentiated, is_nested, is_under_way, plain
from .._core.tensor import FUNCTIONS, Tensor
from ..recording import no_grad
from .call import what_of
from .forward import jvp
from .reverse import vjp
from .tree import flatten, leaves, over

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["fixed_point"]


def fixed_point(f: Callable[[Any], Callable[[Any], Any]], a: Any, x0: Any, distance: Callable[[Any, Any], Any], tol: float,
                max_steps: int = 10_000) -> Any:
    """The x with ``x = f(a)(x)``, found by iterating from `x0`, as a function of `a` that can be differentiated.

    The iteration is not recorded.  By the implicit function theorem dx = F_x dx + F_a da, with the derivatives of
    F(a, x) = f(a)(x) at the fixed point; that is again a fixed point, in forward as in reverse mode, and is found in the
    same way.  So derivatives of any order follow, and the memory is that of one step.

    Parameters
    ----------
    f : callable
        ``f(a)`` gives a function of x, contracting near the fixed point.
    a, x0 : array_like, Tensor, or nested container of them
        By `a` the result can be differentiated; `x0` is where the iteration begins.
    distance : callable
        ``distance(x, previous)`` gives a number; the iteration ends when it is at most `tol`.
    tol : float
    max_steps : int

    Returns
    -------
    Of the structure, shapes and dtypes of `x0`: tensors if a leaf of `a` is one, else arrays.

    Raises
    ------
    RuntimeError
        If there is no end after `max_steps` steps, or f(a) reads a tensor that is being differentiated and is not in `a`.
    TypeError, ValueError
        If f(a)(x) has another structure or other shapes than `x0`.

    Notes
    -----
    As ``autograd.misc.fixed_points.fixed_point``.

    Examples
    --------
    >>> import fastad
    >>> def root(a):                      # Newton's iteration for the square root
    ...     return fastad.fixed_point(lambda a: lambda x: 0.5 * (x + a / x), a, 1.0, lambda x, y: abs(x - y), 1e-12)
    >>> round(float(root(2.0)), 6), round(float(fastad.grad(root)(2.0)), 6)
    (1.414214, 0.353553)
    """
    from ..extend import defjvp, defvjp, primitive

    what = what_of("fixed_point", f)
    parameters, parameters_of = flatten(a)
    start, state_of = flatten(x0)
    start = np.asarray(plain(start) if isinstance(start, Tensor) else start)
    if start.dtype.kind in "biu":
        start = start.astype(float)

    def step(p: Any, x: Any) -> Any:
        after, _ = flatten(f(parameters_of(p))(state_of(x)))
        if after.shape != x.shape:
            raise ValueError(f"{what}: f(a)(x) has {after.size} numbers, and x0 has {x.size}")
        return after

    def between(x: Any, y: Any) -> Any:
        return distance(state_of(x), state_of(y))

    def solve(p: Any) -> Any:
        p, x = as_tensors(p, start)
        if is_under_way() or traced:
            once = FUNCTIONS["asarray"](step(p, x))
            if once.requires_grad and (traced or is_differentiated([once])):
                raise RuntimeError(f"{what}: f(a) reads a tensor that is being differentiated and is not in a; put it into "
                                   f"a, or detach() it")
        with no_grad():
            for _ in range(max_steps):
                previous, x = x, FUNCTIONS["asarray"](step(p, x))
                if between(x, previous) <= tol:
                    return plain(x)
        raise RuntimeError(f"{what}: no fixed point within {max_steps} steps; the last two differ by "
                           f"{between(x, previous)}; f(a) may not contract near x0, or tol be too small")

    def tangent(t: Any, x: Any, p: Any) -> Any:
        def linear(given: Any) -> Callable[[Any], Any]:
            p, x, t = given
            return lambda dx: jvp(step, (p, x), (t, dx))[1]
        return fixed_point(linear, (p, x, t), np.zeros_like(start), between, tol, max_steps)

    def adjoint(x: Any, p: Any) -> Callable[[Any], Any]:
        def back(g: Any) -> Any:
            def linear(given: Any) -> Callable[[Any], Any]:
                p, x, g = given
                _, pullback = vjp(lambda x: step(p, x), x)
                return lambda w: pullback(w)[0] + g
            w = fixed_point(linear, (p, x, g), np.zeros_like(start), between, tol, max_steps)
            return vjp(lambda p: step(p, x), p)[1](w)[0]
        return back

    solution = primitive(solve)
    defvjp(solution, adjoint)
    defjvp(solution, tangent)
    traced = is_nested() or any(isinstance(leaf, Tensor) for leaf in leaves(a))
    found = state_of(solution(parameters))
    return found if traced else over(lambda leaf: plain(leaf) if isinstance(leaf, Tensor) else leaf, found)
