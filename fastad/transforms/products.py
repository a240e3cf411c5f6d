"""Products of Hessians and Jacobians with vectors, without the matrices.

Imports the core, call.py, forward.py and tree.py.  Next: fixed.py.
"""
from __future__ import annotations

import math
from functools import wraps
from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import FUNCTIONS
from .call import Call, Wanted, all_of, direction, what_of
from .forward import arguments, pushed
from .tree import leaves, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from .._typing import Argnum

__all__ = ["ggnvp", "hessian_tensor_product", "hessian_vector_product", "hvp", "make_ggnvp", "make_hvp",
           "tensor_jacobian_product", "vector_jacobian_product", "vhp"]


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """The value of `f`, which must have one element, and the product of its Hessian with a vector: ``(value, H @ v)``.

    Forward over reverse mode: the tangent of the gradient; the cost is that of a few gradients, whatever the size.

    Parameters
    ----------
    f : callable
    primals : tuple or list of arguments
        What is no tuple and no list is the one argument, and the product has its structure; else it is a tuple.
    tangents : of the structure of `primals`
        The vector.

    Raises
    ------
    TypeError, ValueError
        As `grad` and `jvp` do.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.hvp(lambda x: (x ** 3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    (np.float64(9.0), array([6., 0.]))
    """
    what = what_of("hvp", f)
    primals, tangents, single = arguments(what, primals, tangents)
    call = all_of(what, f, primals, scalar="real")
    product = pushed(call, tangents, call.gradient(), call.tree)
    return call.value(), product[0] if single else product


def vhp(f: Callable[..., Any], primals: Any, cotangents: Any) -> tuple[Any, Any]:
    """As `hvp`, by reverse over reverse mode: ``(value, v @ H)``, which is the same where second derivatives are continuous.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.vhp(lambda x: (x ** 3).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    (np.float64(9.0), array([6., 0.]))
    """
    what = what_of("vhp", f)
    primals, cotangents, single = arguments(what, primals, cotangents, "cotangents")
    call = all_of(what, f, primals, scalar="real")
    vectors = call.read(cotangents, "cotangent", call.tree, call.inputs)
    recording, traced = call.moves(vectors, cotangents)
    product = call.give(call.pull(call.gradient(), vectors, recording=recording), call.tree, traced)
    return call.value(), product[0] if single else product


def make_hvp(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., tuple[Callable[[Any], Any], Any]]:
    """A function that gives ``(hvp, gradient)``: ``hvp(v)`` is the product of the Hessian with a vector.

    f and its gradient are recorded once for many vectors.  As HIPS/autograd's.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> product, gradient = fastad.make_hvp(lambda x: (x ** 3).sum())(np.array([1.0, 2.0]))
    >>> gradient, product(np.array([1.0, 0.0]))
    (array([ 3., 12.]), array([6., 0.]))
    """
    what = what_of("make_hvp", f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def at(*args: Any, **kwargs: Any) -> tuple[Callable[[Any], Any], Any]:
        call = Call(what, f, args, kwargs, wanted, scalar="real")
        gradient = call.gradient()
        value = call.give(call.kept(gradient), call.tree)
        return (lambda vector: pushed(call, vector, gradient, call.tree)), value

    return at


def hessian_tensor_product(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """A function of ``(*args, tensor)`` that gives the product of the Hessian with a tensor of the argument's structure.

    As HIPS/autograd's, by forward over reverse mode; also called ``hessian_vector_product``.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.hessian_tensor_product(lambda x: (x ** 3).sum())(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    return with_tensor("hessian_tensor_product", f, argnum, "real",
                       lambda call, tensor: pushed(call, tensor, call.gradient(), call.tree))


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(f: Callable[..., Any], argnum: Argnum = 0) -> Callable[..., Any]:
    """A function of ``(*args, tensor)`` that gives the tensor times the Jacobian of f's value.

    The tensor has the shape of the value, or of its first axes: then the others stand first in the product, before those
    of the argument.  As HIPS/autograd's; also called ``vector_jacobian_product``.

    Raises
    ------
    ValueError
        If the tensor does not have the shape of the first axes of the value.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.tensor_jacobian_product(lambda x: x ** 2)(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([2., 4.])
    """
    def product(call: Call, tensor: Any) -> Any:
        if len(call.outputs) != 1:
            raise ValueError(f"{call.what}: it returned a container of {len(call.outputs)} arrays, expected one; use "
                             f"fastad.vjp")
        value, = call.outputs
        axes = np.ndim(tensor)
        first = value[(slice(None),) * axes + (0,) * (value.ndim - axes)] if axes < value.ndim else value
        weights = direction(tensor, first, call.what, "the tensor")
        recording, traced = call.moves([weights], tensor)
        rest = value.shape[axes:]
        if rest:                          # a cotangent for each element of the other axes
            count = math.prod(rest)
            units = np.eye(count, dtype=value.dtype).reshape((count,) + (1,) * axes + rest)
            weights = FUNCTIONS["reshape"](weights, weights.shape + (1,) * len(rest)) * units
        found = call.pull([value], [weights], (math.prod(rest),) if rest else (), recording=recording)
        if rest:
            found = [FUNCTIONS["reshape"](g, rest + x.shape) for g, x in zip(found, call.inputs, strict=True)]
        return call.give(found, call.tree, traced)

    return with_tensor("tensor_jacobian_product", f, argnum, "", product)


vector_jacobian_product = tensor_jacobian_product


def with_tensor(name: str, f: Callable[..., Any], argnum: Argnum, scalar: Literal["", "real"],
                product: Callable[[Call, Any], Any]) -> Callable[..., Any]:
    """A function of ``(*args, tensor)`` that gives ``product(call, tensor)``, of the call of f with the arguments."""
    what = what_of(name, f)
    wanted = Wanted(what, f, argnum)

    @wraps(f)
    def of_both(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise ValueError(f"{what}: expected the arguments and the tensor, got {len(args)} positional arguments")
        return product(Call(what, f, args[:-1], kwargs, wanted, scalar=scalar), args[-1])

    return of_both


def half_square(y: Any) -> Any:
    """The loss of least squares."""
    return 0.5 * sum(FUNCTIONS["sum"](FUNCTIONS["square"](leaf)) for leaf in leaves(y))


def make_ggnvp(f: Callable[..., Any], g: Callable[..., Any] = half_square,
               f_argnum: Argnum = 0) -> Callable[..., Callable[[Any], Any]]:
    """A function that gives ``ggnvp``: the product of a vector with the generalized Gauss-Newton matrix ``J.T @ H @ J``.

    J is the Jacobian of `f`, and H the Hessian at its value of `g`, which must have one element; by default half the sum
    of squares, whose H is the identity.  Both are recorded once for many vectors.  As HIPS/autograd's.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.make_ggnvp(lambda x: x ** 2)(np.array([1.0, 2.0]))(np.array([1.0, 1.0]))
    array([ 4., 16.])
    """
    what = what_of("make_ggnvp", f)
    wanted = Wanted(what, f, f_argnum)

    @wraps(f)
    def at(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        return product_of(Call(what, f, args, kwargs, wanted), g)

    return at


def ggnvp(f: Callable[..., Any], primals: Any, tangents: Any, g: Callable[..., Any] = half_square) -> tuple[Any, Any]:
    """The value of `f` and the product of a vector with the generalized Gauss-Newton matrix: ``(value, J.T @ H @ J @ v)``.

    See `make_ggnvp`; arguments as for `hvp`.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.ggnvp(lambda x: x ** 2, np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    (array([1., 4.]), array([ 4., 16.]))
    """
    what = what_of("ggnvp", f)
    primals, tangents, single = arguments(what, primals, tangents)
    call = all_of(what, f, primals)
    product = product_of(call, g)(tangents)
    return call.value(), product[0] if single else product


def product_of(call: Call, g: Callable[..., Any]) -> Callable[[Any], Any]:
    loss = all_of(f"loss of {call.what}", g, (rebuild(call.value_tree, iter(call.kept(call.outputs))),), scalar="real")
    gradient = loss.gradient()

    def product(vector: Any) -> Any:
        vectors = call.read(vector, "tangent", call.tree, call.inputs)
        recording, traced = call.moves(vectors, vector)
        recording = recording or loss.recording           # g may depend on what f does not
        tangents = call.push(call.outputs, vectors, recording=recording)
        cotangents = loss.push(gradient, tangents, recording=recording)
        return call.give(call.pull(call.outputs, cotangents, recording=recording), call.tree, traced)

    return product
