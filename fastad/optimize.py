"""Minimization by SciPy, which is given exact gradients, Hessians and Hessian-vector products.

Imports the core; SciPy when it is first needed.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._core.make import from_numpy, leaf, pull, push, recorded_call, value_and_gradients
from ._core.tape import is_grad_enabled
from ._core.tensor import Tensor, checked
from .recording import no_grad

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._typing import ArrayLike, Floats

__all__ = ["minimize"]

VALUES = ("nelder-mead", "powell", "cobyla", "cobyqa")              # methods that take no derivative
PRODUCTS = ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr")      # that take the product of Hessian and vector
HESSIANS = ("dogleg", "trust-exact")


class Problem:
    """A function of one tensor, as SciPy wants to see it: of a flat array."""

    def __init__(self, f: Callable[..., Any], shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
        self.shape = shape
        self.name = getattr(f, "__name__", "f")
        self.f: Callable[..., Any] = lambda x: f(x, *args)
        self.at: Floats | None = None     # where the graph below was recorded
        self.graph: tuple[Tensor, Tensor | None] | None = None

    def value(self, x: Floats) -> float:
        with no_grad():
            y = self.f(from_numpy(x.reshape(self.shape)))
        return float(self.one_number(y))

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        value, (gradient,) = value_and_gradients(self.f, (x.reshape(self.shape),), {}, (0,), f"minimize {self.name}")
        return float(value), np.ravel(gradient)

    def one_number(self, y: Any) -> Tensor:
        if isinstance(y, (int, float, np.number)):
            y = from_numpy(np.asarray(y, np.float64))                 # a constant
        if not isinstance(y, Tensor):
            raise TypeError(f"minimize {self.name}: it returned a {type(y).__name__}, expected a Tensor; use fastad's "
                            f"functions inside")
        if y.size != 1:
            raise ValueError(f"minimize {self.name}: its value has shape {y.shape}, expected one element")
        return y

    def recorded_gradient(self, x: Floats) -> tuple[Tensor, Tensor | None]:
        """x as a leaf and the gradient there with its graph, which serves for all products at one point."""
        if self.graph is None or self.at is None or not np.array_equal(self.at, x):
            point = leaf(x.reshape(self.shape))
            y = self.one_number(recorded_call(self.f, (point,), {}))
            gradient = None
            if y.requires_grad:
                gradient, = pull([y], [point], [from_numpy(np.ones(y.shape, y.dtype))], 0, True, True)
            self.at, self.graph = x.copy(), (point, gradient)
        return self.graph

    def along(self, x: Floats, v: Floats, lead: int) -> Floats:
        """The tangent of the gradient along v, or along several with a leading axis."""
        point, gradient = self.recorded_gradient(x)
        v = np.asarray(v, np.float64)
        v = v.reshape(v.shape[:lead] + self.shape)
        if gradient is None or not gradient.requires_grad:            # linear
            return np.zeros(v.shape)
        found, = push([point], [gradient], [from_numpy(v.copy())], lead, False)
        result: Floats = np.zeros(v.shape) if found is None else found.numpy()
        return result

    def product(self, x: Floats, v: Floats) -> Floats:
        """The Hessian times v, by forward over reverse."""
        return np.ravel(self.along(x, v, 0))

    def hessian(self, x: Floats) -> Floats:
        return self.along(x, np.eye(x.size), 1).reshape(x.size, x.size)


def flat_bounds(bounds: Any, shape: tuple[int, ...]) -> Any:
    """Bounds whose arrays have the shape of x0, flattened; anything else as it is."""
    from scipy.optimize import Bounds

    if not isinstance(bounds, Bounds):
        return bounds
    try:
        low, high, feasible = (np.broadcast_to(side, shape).ravel() for side in (bounds.lb, bounds.ub, bounds.keep_feasible))
    except ValueError:
        raise ValueError(f"minimize: bounds of shapes {np.shape(bounds.lb)} and {np.shape(bounds.ub)} do not broadcast "
                         f"to x0's {shape}") from None
    return Bounds(low, high, feasible)


def minimize(f: Callable[..., Any], x0: ArrayLike, args: tuple[Any, ...] = (), method: Any = None, jac: Any = None,
             hess: Any = None, hessp: Any = None, bounds: Any = None, **options: Any) -> Any:
    """``scipy.optimize.minimize`` with exact derivatives of `f`.

    The method gets what it uses: value and gradient together; the product of the Hessian and a vector for Newton-CG,
    trust-ncg, trust-krylov and trust-constr, by forward over reverse, all at one point from one recording; the Hessian
    for dogleg and trust-exact, in one walk.

    Parameters
    ----------
    f : callable
        Takes a float64 tensor of the shape of `x0`, then `args`, and returns a tensor with one element.
    x0 : array_like
        Where to start; of any shape.
    args : tuple
        Further arguments of `f`, handed on as they are.
    method : str or callable, optional
        One of SciPy's; by default BFGS, L-BFGS-B or SLSQP, as there are bounds and constraints.
    jac, hess, hessp : optional
        What SciPy takes, instead of fastad's derivatives: functions of flat arrays, '2-point', False, ...
    bounds : scipy.optimize.Bounds or sequence of pairs, optional
        Bounds broadcast to the shape of `x0`; pairs (low, high) come in the order of its elements.
    **options
        SciPy's other arguments: constraints, tol, callback, options.  Their functions see x as a flat array.

    Returns
    -------
    scipy.optimize.OptimizeResult, in which `x` and `jac` have the shape of `x0`.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    TypeError
        If `f` does not return a tensor, or `x0` is complex or requires a gradient: there is none through the search.
    ValueError
        If the value has more than one element.

    Examples
    --------
    >>> import fastad
    >>> found = fastad.optimize.minimize(lambda x: ((x - 3.0) ** 2).sum(), [[0.0, 1.0]], method="Newton-CG")
    >>> found.x.round(6)
    array([[3., 3.]])
    """
    try:
        from scipy.optimize import minimize as scipy_minimize
    except ImportError:
        raise ImportError("minimize: SciPy is not installed; pip install 'fastad[scipy]'") from None
    if not callable(f):
        raise TypeError(f"minimize: expected a function, got {type(f).__name__}")
    if isinstance(x0, Tensor) and x0.requires_grad and is_grad_enabled():
        raise TypeError("minimize: there is no derivative of the minimum by x0; give x0.detach()")
    start = np.asarray(x0.detach().numpy() if isinstance(x0, Tensor) else checked("minimize", x0))
    if start.dtype.kind not in "biuf":
        raise TypeError(f"minimize: x0 must be real, got {start.dtype}")
    problem = Problem(f, start.shape, args if isinstance(args, tuple) else (args,))
    name = method.lower() if isinstance(method, str) else ""
    if name in PRODUCTS and hess is None and hessp is None:
        hessp = problem.product
    if name in HESSIANS and hess is None:
        hess = problem.hessian
    fun: Callable[..., Any] = problem.value_and_gradient
    if name in VALUES or jac not in (None, True):
        fun = problem.value
    else:
        jac = True
    found = scipy_minimize(fun, start.astype(np.float64).ravel(), method=method, jac=jac, hess=hess, hessp=hessp,
                           bounds=flat_bounds(bounds, start.shape), **options)
    for key in ("x", "jac"):
        if isinstance(found.get(key), np.ndarray) and found[key].size == start.size:
            found[key] = found[key].reshape(start.shape)
    return found
