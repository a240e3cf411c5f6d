"""Operations of your own: `primitive` makes one of any function of NumPy arrays, `defvjp` and `defjvp` give it derivatives,
in the words of HIPS/autograd; `Function` is the same in PyTorch's.  docs/extending.md tells it from the beginning.

Imports _primitive.py and _function.py, which do it.  Next: include/fastad.h for kernels in Cython and C.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

import numpy as np

from .._core.custom import Kernel
from ._function import Context, Function, once_differentiable
from ._kernel import CompiledFunction
from ._primitive import Same, UserPrimitive
from ._rules import without_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from .._typing import T

__all__ = ["Context", "Function", "def_linear", "defjvp", "defvjp", "notrace", "once_differentiable", "primitive"]


def primitive(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of NumPy arrays an operation that fastad records.

    Parameters
    ----------
    fun : callable
        Takes arrays (0-d tensors come as NumPy scalars) and returns an array, a number, or a tuple, list or named tuple of
        these.  What it is given is read-only.

    Returns
    -------
    callable
        Called without tensors it is `fun`.  Called with tensors it gives tensors; derivatives are by the positional
        arguments that are tensors, by the rules that `defvjp` and `defjvp` give, and only what is asked for needs a rule.

    Raises
    ------
    TypeError
        When called: if a tensor that is being differentiated stands in a list or is given by name, if the result
        is not made of numbers, or if it holds only integers.
    NotImplementedError
        When differentiated: by an argument without a rule.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> from fastad.extend import primitive, defvjp
    >>> @primitive
    ... def logsumexp(x):
    ...     top = np.max(x)
    ...     return top + np.log(np.sum(np.exp(x - top)))
    >>> defvjp(logsumexp, lambda ans, x: lambda g: g * fastad.exp(x - ans))
    >>> fastad.grad(logsumexp)(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    if isinstance(fun, Kernel):                              # of a compiled module
        fun = CompiledFunction(fun)
    if not callable(fun):
        raise TypeError(f"primitive: expected a function, got {type(fun).__name__}")
    rules = UserPrimitive(fun)

    @wraps(fun)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        return rules.called(args, kwargs)

    recorded.__name__ = rules.name
    recorded.fun = fun                                   # type: ignore[attr-defined]
    recorded._rules = rules                              # type: ignore[attr-defined]
    return recorded


def _rules_of(fun: Any, definer: str) -> UserPrimitive:
    rules = getattr(fun, "_rules", None)
    if not isinstance(rules, UserPrimitive):
        raise TypeError(f"{definer}: {getattr(fun, '__name__', fun)!r} is not a primitive; decorate it with "
                        f"fastad.extend.primitive, and give defvjp and defjvp what that returned")
    return rules


def _by_argument(definer: str, name: str, rules: tuple[Any, ...], argnums: Sequence[int] | None) -> dict[int, Any]:
    numbers = list(range(len(rules)) if argnums is None else argnums)
    if len(numbers) != len(rules):
        raise ValueError(f"{definer}: {len(rules)} rules for {name}, and {len(numbers)} argnums: {numbers}")
    if any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0 for n in numbers):
        raise ValueError(f"{definer}: argnums must be positions from 0 on, got {numbers}")
    return dict(zip(map(int, numbers), rules, strict=True))


def defvjp(fun: Callable[..., Any], *vjpmakers: Callable[..., Callable[[Any], Any]] | None,
           argnums: Sequence[int] | None = None) -> None:
    """Give a primitive its derivatives for reverse mode.

    Parameters
    ----------
    fun : what `primitive` returned
    *vjpmakers : callable or None
        For each argument a function ``maker(ans, *args, **kwargs)`` that returns ``vjp(g)``: g times the derivative, of the
        argument's shape, from the cotangent `g` of the result `ans`.  None: the derivative is zero.  What the function
        broadcasts is undone for a rule: it may return the result's shape.
    argnums : sequence of int, optional
        The arguments that the rules are for; 0, 1, ... by default.

    Notes
    -----
    A rule written in fastad's functions (or operators, or functions of NumPy that fastad has) can be differentiated to any
    order.  Any other is given NumPy arrays and gives first derivatives; to differentiate them raises an error.  A rule
    whose result has another shape, type or kind of dtype than it should is an error that names both.

    Raises
    ------
    TypeError
        If `fun` is not a primitive, or a rule is neither a function nor None.
    ValueError
        If there are not as many rules as `argnums`.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> from fastad.extend import primitive, defvjp
    >>> @primitive
    ... def scaled(x, k):
    ...     return k * x ** 2
    >>> defvjp(scaled, lambda ans, x, k: lambda g: g * 2 * k * x)
    >>> float(fastad.grad(fastad.grad(scaled))(3.0, 5.0))
    10.0
    """
    rules = _rules_of(fun, "defvjp")
    for n, maker in _by_argument("defvjp", rules.name, vjpmakers, argnums).items():
        if maker is not None and not callable(maker):
            raise TypeError(f"defvjp: the rule for {rules.argument(n)} of {rules.name} must be a function or None, got "
                            f"{maker!r}")
        rules.makers[n] = maker
        rules.plain.pop(("vjp", n), None)


def defjvp(fun: Callable[..., Any], *jvps: Callable[..., Any] | Literal["same"] | None,
           argnums: Sequence[int] | None = None) -> None:
    """Give a primitive its derivatives for forward mode.

    Parameters
    ----------
    fun : what `primitive` returned
    *jvps : callable, "same" or None
        For each argument a function ``jvp(g, ans, *args, **kwargs)``: the derivative times the tangent `g` of the argument,
        of the shape of the result `ans`.  "same": the function is linear in the argument, and is called with `g` instead of
        it.  None: the derivative is zero.
    argnums : sequence of int, optional
        The arguments that the rules are for; 0, 1, ... by default.

    Notes
    -----
    As for `defvjp`, a rule in fastad's functions serves any order.

    Raises
    ------
    TypeError
        If `fun` is not a primitive, or a rule is not a function, "same" or None.
    ValueError
        If there are not as many rules as `argnums`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.extend import primitive, defjvp
    >>> @primitive
    ... def scaled(x, k):
    ...     return k * x ** 2
    >>> defjvp(scaled, lambda g, ans, x, k: g * 2 * k * x, "same")
    """
    rules = _rules_of(fun, "defjvp")
    for n, jvp in _by_argument("defjvp", rules.name, jvps, argnums).items():
        if jvp is not None and jvp != "same" and not callable(jvp):
            raise TypeError(f"defjvp: the rule for {rules.argument(n)} of {rules.name} must be a function, 'same' or None, "
                            f"got {jvp!r}")
        rules.pushers[n] = Same(rules) if isinstance(jvp, str) else jvp
        rules.plain.pop(("jvp", n), None)


def def_linear(fun: Callable[..., Any]) -> None:
    """Say that a primitive is linear in each of its arguments: its tangents are then its values at tangents.

    Reverse mode needs `defvjp` still.  Raises TypeError if `fun` is not a primitive.

    Examples
    --------
    >>> import numpy as np
    >>> from fastad.extend import primitive, def_linear
    >>> smooth = primitive(lambda x: np.convolve(x, [0.25, 0.5, 0.25], mode="same"))
    >>> def_linear(smooth)
    """
    _rules_of(fun, "def_linear").linear = True


def notrace(fun: Callable[..., T]) -> Callable[..., T]:
    """Declare that the result of a function of NumPy arrays is a constant, whatever its arguments are.

    Called with tensors, also in lists, tuples and dicts, it is given arrays, which are read-only; its result is returned
    as it is.  Raises TypeError if `fun` is not callable.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> @fastad.extend.notrace
    ... def order(x):
    ...     return np.lexsort((x,))
    >>> fastad.grad(lambda x: x[order(x)[-1]] ** 2)(np.array([1.0, 3.0, 2.0]))
    array([0., 6., 0.])
    """
    if not callable(fun):
        raise TypeError(f"notrace: expected a function, got {type(fun).__name__}")

    @wraps(fun)
    def constant_of(*args: Any, **kwargs: Any) -> T:
        plain = without_tensors("notrace", "", (args, kwargs), None)
        return fun(*plain[0], **plain[1])

    return constant_of
