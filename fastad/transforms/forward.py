"""Derivatives by the forward walk: products of a Jacobian with a tangent.

f is recorded, and the tangents are pushed along what was recorded; so forward mode keeps the tape in memory too.
Imports the core, call.py and tree.py.  Next: matrices.py.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from .call import Call, Wanted, all_of, one, what_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core.tensor import Tensor
    from .._typing import Argnum

__all__ = ["deriv", "jvp", "linearize", "make_jvp"]


def arguments(what: str, primals: Any, tangents: Any,
              kind: str = "tangents") -> tuple[tuple[Any, ...], tuple[Any, ...], bool]:
    """Primals and tangents as tuples, and whether they were a single argument."""
    if not isinstance(primals, (tuple, list)):
        return (primals,), (tangents,), True
    if not isinstance(tangents, (tuple, list)):
        raise TypeError(f"{what}: the primals are a {type(primals).__name__} of arguments, and the {kind} a "
                        f"{type(tangents).__name__}, expected one of the same kind")
    if len(primals) != len(tangents):
        raise ValueError(f"{what}: {len(primals)} primals and {len(tangents)} {kind}")
    return tuple(primals), tuple(tangents), False


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The value of `f` and its derivative in a direction: ``(value, J @ tangents)``.

    Parameters
    ----------
    f : callable
    primals : tuple or list of arguments
        Each an array, number, Tensor or nested container of them.  What is no tuple and no list is the one argument.
    tangents : of the structure of `primals`
        The directions, of the arguments' shapes; they are cast to their dtypes.
    has_aux : bool
        f returns ``(value, aux)``, and aux is the third of the result.

    Returns
    -------
    value, tangent
        Both of the structure, shapes and dtypes of what f returns; see `value_and_grad`.  Where that does not depend on
        the arguments the tangent is 0, with an `IndependentWarning`.

    Raises
    ------
    TypeError, ValueError
        If an argument has no derivative, or the tangents have another structure, shape or dtype than the primals.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.jvp(lambda x, y: x * y, (np.array([1.0, 2.0]), 3.0), (np.array([1.0, 0.0]), 1.0))
    (array([3., 6.]), array([4., 2.]))
    >>> fastad.jvp(fastad.sin, 0.0, 1.0)
    (np.float64(0.0), np.float64(1.0))
    """
    what = what_of("jvp", f)
    primals, tangents, _ = arguments(what, primals, tangents)
    call = all_of(what, f, primals, has_aux)
    return (call.value(), pushed(call, tangents), *((call.auxiliary(),) if has_aux else ()))


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of `f` and the linear function ``tangents -> J @ tangents``: `jvp` that records f once for many tangents.

    With ``has_aux=True``, f returns ``(value, aux)``, and aux is the third of the result.

    Examples
    --------
    >>> import fastad
    >>> value, derivative = fastad.linearize(lambda x, y: x * y, 2.0, 3.0)
    >>> float(derivative(1.0, 0.0)), float(derivative(0.0, 1.0))
    (3.0, 2.0)
    """
    what = what_of("linearize", f)
    call = all_of(what, f, primals, has_aux)

    def derivative(*tangents: Any) -> Any:
        return pushed(call, tangents)

    return (call.value(), derivative, *((call.auxiliary(),) if has_aux else ()))


def make_jvp(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Callable[[Any], tuple[Any, Any]]]:
    """A function that gives ``jvp``, and ``jvp(tangent)`` gives ``(value, J @ tangent)``.

    As HIPS/autograd's; `jvp` has JAX's order.

    Examples
    --------
    >>> import fastad
    >>> fastad.make_jvp(lambda x: x ** 2)(3.0)(1.0)
    (np.float64(9.0), np.float64(6.0))
    """
    what = what_of("make_jvp", f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def at(*args: Any, **kwargs: Any) -> Callable[[Any], tuple[Any, Any]]:
        call = Call(what, f, args, kwargs, wanted)
        return lambda tangent: (call.value(), pushed(call, tangent))

    return at


def deriv(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """A function that gives the derivative of `f` in the direction of ones: df/dx for a number x, elementwise for an
    elementwise f.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.deriv(lambda t: fastad.stack([fastad.cos(t), fastad.sin(t)]))(0.0)
    array([-0.,  1.])
    """
    what = what_of("deriv", f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = Call(what, f, args, kwargs, wanted)
        return call.give(call.push(call.outputs, [one(x) for x in call.inputs]), call.value_tree)

    return derivative


def pushed(call: Call, tangent: Any, outputs: list[Tensor] | None = None, tree: Any = None) -> Any:
    """The tangent of the value, or of other outputs in a tree, for that of the wanted arguments."""
    tangents = call.read(tangent, "tangent", call.tree, call.inputs)
    recording, traced = call.moves(tangents, tangent)
    found = call.push(call.outputs if outputs is None else outputs, tangents, recording=recording)
    return call.give(found, call.value_tree if outputs is None else tree, traced)
