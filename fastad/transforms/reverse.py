"""Derivatives by the backward walk: gradients, and products of a cotangent with a Jacobian.

Imports the core, call.py and tree.py.  Next: forward.py.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, overload

from .._core.make import value_and_gradients
from .call import Call, Wanted, all_of, one, what_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Concatenate, Literal

    from .._core.tensor import Tensor
    from .._typing import Argnum, Gradient, P, ValueAndGradient

__all__ = ["elementwise_grad", "grad", "grad_and_aux", "grad_named", "holomorphic_grad", "make_vjp", "multigrad_dict",
           "value_and_grad", "vjp"]


@overload
def value_and_grad(f: Callable[Concatenate[Any, P], Tensor], argnum: Literal[0] = 0,
                   has_aux: Literal[False] = False) -> ValueAndGradient[P]: ...
@overload
def value_and_grad(f: Callable[..., Any], argnum: int | str, has_aux: bool = False) -> Callable[..., tuple[Any, Any]]: ...
@overload
def value_and_grad(f: Callable[..., Any], argnum: tuple[int | str, ...],
                   has_aux: bool = False) -> Callable[..., tuple[Any, tuple[Any, ...]]]: ...
@overload
def value_and_grad(f: Callable[..., Any], argnum: int = 0, *,
                   has_aux: Literal[True]) -> Callable[..., tuple[tuple[Any, Any], Any]]: ...
def value_and_grad(f: Callable[..., Any], argnum: Argnum = 0, has_aux: bool = False) -> Any:
    """A function that gives ``(f(*args), gradient)``.

    Parameters
    ----------
    f : callable
        Takes tensors where the result takes arrays, and returns a tensor with one element.
    argnum : int, str or tuple of them
        By which arguments to differentiate: numbers of positional arguments, or names, of positional arguments and
        keywords; a tuple gives a tuple of gradients.
    has_aux : bool
        f returns ``(value, aux)``, and the result gives ``((value, aux), gradient)``.

    Returns
    -------
    callable
        The gradient by an argument has its structure (an array, a number, or nested lists, tuples, dicts, named tuples and
        dataclasses of them), shapes and dtypes.  From NumPy arrays and numbers come arrays and numbers (a 0-d result is
        a scalar); from tensors, or inside another transform (also one of a thread that waits for this one), come tensors,
        which can be differentiated.  So give a tensor where ``backward`` is to follow to what `f` reads besides its
        arguments: of an array's result that is a constant.  By an argument on which the value does not depend the
        gradient is 0, with an `IndependentWarning`.  For a complex argument
        it is du/dx - i du/dy of the real value u, without conjugation, as in HIPS/autograd.

    Raises
    ------
    TypeError
        If `f` does not return a tensor or a number, or a complex one, or an argument to differentiate by holds integers.
        (A Python integer is taken for a float.)
    ValueError
        If the value has more than one element, or there is no such argument.

    Examples
    --------
    >>> import fastad
    >>> value, slope = fastad.value_and_grad(lambda x: x ** 3)(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    >>> value, slopes = fastad.value_and_grad(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 3.0})
    >>> slopes
    {'a': np.float64(3.0), 'b': np.float64(2.0)}
    """
    what = what_of("grad", f)
    wanted = Wanted(what, f, argnum)
    numbers, single = () if has_aux or wanted.by_name else wanted.numbers, wanted.single

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if numbers:
            both = value_and_gradients(f, args, kwargs, numbers, what)
            if both is not None:
                return (both[0], both[1][0]) if single else (both[0], tuple(both[1]))
        call = Call(what, f, args, kwargs, wanted, has_aux=has_aux, scalar="real")
        found = call.pull(call.outputs, [one(call.outputs[0])], keep=False)
        gradient = call.give(found, call.tree)
        return ((call.value(), call.auxiliary()), gradient) if has_aux else (call.value(), gradient)

    return value_and_gradient


@overload
def grad(f: Callable[Concatenate[Any, P], Tensor], argnum: Literal[0] = 0,
         has_aux: Literal[False] = False) -> Gradient[P]: ...
@overload
def grad(f: Callable[..., Any], argnum: int | str, has_aux: Literal[False] = False) -> Callable[..., Any]: ...
@overload
def grad(f: Callable[..., Any], argnum: tuple[int | str, ...],
         has_aux: Literal[False] = False) -> Callable[..., tuple[Any, ...]]: ...
@overload
def grad(f: Callable[..., Any], argnum: Argnum = 0, *, has_aux: Literal[True]) -> Callable[..., tuple[Any, Any]]: ...
def grad(f: Callable[..., Any], argnum: Argnum = 0, has_aux: bool = False) -> Any:
    """A function that gives the gradient of `f`, which must have one element; see `value_and_grad`.

    With ``has_aux=True``, f returns ``(value, aux)``, and the result gives ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.grad(lambda x: (x ** 2).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> round(float(fastad.grad(fastad.grad(fastad.tanh))(0.5)), 12)
    -0.726861981384
    >>> fastad.grad(lambda x, scale: scale * x * x, argnum="scale")(3.0, scale=2.0)
    np.float64(9.0)
    """
    both = value_and_grad(f, argnum, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    @wraps(f)
    def gradient_and_aux(*args: Any, **kwargs: Any) -> Any:
        (_, aux), found = both(*args, **kwargs)
        return found, aux

    return gradient_and_aux if has_aux else gradient


def grad_and_aux(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that gives ``(gradient, aux)`` of an f that returns ``(value, aux)``: `grad` with ``has_aux=True``.

    Examples
    --------
    >>> import fastad
    >>> fastad.grad_and_aux(lambda x: (x * x, {"seen": x}))(3.0)
    (np.float64(6.0), {'seen': np.float64(3.0)})
    """
    return grad(f, argnum, has_aux=True)


def grad_named(f: Callable[..., Any], argname: str) -> Callable[..., Any]:
    """A function that gives the gradient by the argument of that name, passed by position or as a keyword.

    Examples
    --------
    >>> import fastad
    >>> fastad.grad_named(lambda x, y: x * y, "y")(3.0, 4.0)
    np.float64(3.0)
    """
    return grad(f, argname)


def multigrad_dict(f: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """A function that gives the gradients by all arguments, as a dict from their names.

    Arguments that are not passed count with their defaults; `*args` and `**kwargs` of `f` appear under their names, as a
    tuple and a dict of gradients.

    Raises
    ------
    TypeError
        If an argument holds no numbers, or the call does not fit the signature of `f`.

    Examples
    --------
    >>> import fastad
    >>> fastad.multigrad_dict(lambda x, y=2.0: x * y)(3.0)
    {'x': np.float64(2.0), 'y': np.float64(3.0)}
    """
    from inspect import signature

    what_of("multigrad_dict", f)
    read = signature(f)

    def call(arguments: dict[str, Any]) -> Any:
        bound = read.bind_partial()
        bound.arguments.update(arguments)
        return f(*bound.args, **bound.kwargs)

    @wraps(f)
    def gradients(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = read.bind(*args, **kwargs)
        bound.apply_defaults()
        found: dict[str, Any] = grad(wraps(f)(call))(dict(bound.arguments))
        return found

    return gradients


def elementwise_grad(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """A function that gives the sum of the rows of the Jacobian: for an elementwise f, its derivative at every element.

    The value may have any shape; see `value_and_grad` for the arguments.

    Raises
    ------
    TypeError
        If the value is complex.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.elementwise_grad(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    what = what_of("elementwise_grad", f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = Call(what, f, args, kwargs, wanted)
        for y in call.outputs:
            if y.dtype.kind == "c":
                raise TypeError(f"{what}: its value has dtype {y.dtype}; take the real part")
        return call.give(call.pull(call.outputs, [one(y) for y in call.outputs], keep=False), call.tree)

    return derivative


def holomorphic_grad(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """A function that gives the complex derivative f'(z) of a holomorphic f with one element.

    It is the gradient du/dx - i du/dy of the real part u of f, without conjugation, as in HIPS/autograd; by the equations of
    Cauchy and Riemann that is f' = du/dx + i dv/dx.  Whether f is holomorphic is not checked.

    Raises
    ------
    TypeError
        If an argument to differentiate by is not complex.

    Examples
    --------
    >>> import fastad
    >>> fastad.holomorphic_grad(lambda z: z ** 3)(1 + 2j)
    np.complex128(-9+12j)
    """
    what = what_of("holomorphic_grad", f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = Call(what, f, args, kwargs, wanted, scalar="complex")
        for x, name in zip(call.inputs, call.names, strict=True):
            if x.dtype.kind != "c":
                raise TypeError(f"{what}: {name} has dtype {x.dtype}, expected a complex one; fastad.grad is for real ones")
        return call.give(call.pull(call.outputs, [one(call.outputs[0])], keep=False), call.tree)

    return derivative


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of `f` and its pullback: ``(value, pullback)`` or, if f returns ``(value, aux)``, with aux as the third.

    ``pullback(cotangent)`` gives the tuple of ``cotangent @ J``, one for each of `primals`; f is recorded once, and the
    pullback can be called any number of times.

    Parameters
    ----------
    f : callable
    *primals : array_like, Tensor, or nested container of them
        The arguments; see `value_and_grad`.
    has_aux : bool

    Raises
    ------
    TypeError, ValueError
        If an argument has no derivative; from the pullback, if the cotangent has another structure, shape or dtype than
        the value.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> value, pullback = fastad.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), 3.0)
    >>> value
    array([3., 6.])
    >>> pullback(np.array([1.0, 0.0]))
    (array([3., 0.]), np.float64(1.0))
    """
    what = what_of("vjp", f)
    call = all_of(what, f, primals, has_aux)
    return (call.value(), pullback_of(call), *((call.auxiliary(),) if has_aux else ()))


def make_vjp(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., tuple[Callable[[Any], Any], Any]]:
    """A function that gives ``(vjp, value)``: ``vjp(cotangent)`` has the structure of the argument.

    As HIPS/autograd's; `vjp` has JAX's order.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> pullback, value = fastad.make_vjp(lambda x: x ** 2)(np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 1.0]))
    array([2., 4.])
    """
    what = what_of("make_vjp", f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def pullback_and_value(*args: Any, **kwargs: Any) -> tuple[Callable[[Any], Any], Any]:
        call = Call(what, f, args, kwargs, wanted)
        return pullback_of(call), call.value()

    return pullback_and_value


def pullback_of(call: Call) -> Callable[[Any], Any]:
    """The function that carries cotangents of the value back to the wanted arguments."""
    def pullback(cotangent: Any) -> Any:
        cotangents = call.read(cotangent, "cotangent", call.value_tree, call.outputs)
        recording, traced = call.moves(cotangents, cotangent)
        return call.give(call.pull(call.outputs, cotangents, recording=recording), call.tree, traced)

    return pullback
