"""Operations of your own: `primitive` makes one of any function of NumPy arrays, `defvjp` and `defjvp` give it derivatives,
in the words of HIPS/autograd; `Function` is the same in PyTorch's.  docs/extending.md tells it from the beginning.

Imports _rules.py.  Next: _function.py, and include/fastad.h for kernels in Cython and C.
"""
from __future__ import annotations

from functools import reduce, wraps
from inspect import signature
from typing import TYPE_CHECKING

import numpy as np

from ._core.custom import Custom, Kernel, call, frozen, record
from ._core.tape import is_grad_enabled
from ._core.tensor import FUNCTIONS, Tensor
from ._core.walk import wanted
from ._function import Context, Function, once_differentiable
from ._rules import broadcasts, evaluated, fitted, once, without_tensors, zeros_for_none

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from ._core.tape import Node
    from ._typing import F

__all__ = ["Context", "Function", "def_linear", "defjvp", "defvjp", "notrace", "once_differentiable", "primitive"]


class _Call:
    """One recorded call of a primitive: what is not in its node."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        self.argnums = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.shapes = [args[i].shape for i in self.argnums]
        self.dtypes = [args[i].dtype for i in self.argnums]
        # arrays are copied: unlike tensors they do not tell whether they were written to
        self.args = [None if isinstance(a, Tensor) else _kept(a) for a in args]
        self.kwargs = {k: _kept(v) for k, v in kwargs.items()}
        self.several = None if isinstance(result, Tensor) else type(result)
        outs = [result] if self.several is None else list(result)
        self.out_shapes = [y.shape for y in outs]
        self.out_dtypes = [y.dtype for y in outs]
        self.recorded = [k for k, y in enumerate(outs) if y.dtype.kind in "fc"]

    def filled(self, saved: Sequence[Any]) -> tuple[Any, list[Any]]:
        """(ans, args) of the call, from the saved values in some form."""
        args = list(self.args)
        for i, value in zip(self.argnums, saved, strict=False):
            args[i] = value
        return self.together(saved[len(self.argnums):]), args

    def together(self, outs: Sequence[Any]) -> Any:
        """What belongs to the outputs, in the form in which the function returned them."""
        if self.several is None:
            return outs[0]
        return self.several(*outs) if hasattr(self.several, "_fields") else self.several(outs)


def _kept(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    x = x.copy()
    x.flags.writeable = False
    return x


class _Primitive(Custom):
    """The rules of one primitive."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(getattr(fun, "__name__", type(fun).__name__))
        self.fun = fun
        self.kernel = fun if isinstance(fun, Kernel) else None
        self.makers: dict[int, Callable[..., Any] | None] = {}
        self.pushers: dict[int, Callable[..., Any] | None] = {}
        self.linear = False
        self.plain: dict[tuple[str, int], str] = {}      # rules that turned out not to take tensors, and why

    def called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        remedy = "pass it as one"
        plain_args = tuple(frozen(a) if isinstance(a, Tensor) else without_tensors(self.name, f"argument {i}", a, remedy)
                           for i, a in enumerate(args))
        plain_kwargs = {k: without_tensors(self.name, f"argument {k!r}", v, remedy) for k, v in kwargs.items()}
        if all(new is old for new, old in zip(plain_args, args, strict=True)) and all(plain_kwargs[k] is kwargs[k] for k in kwargs):
            return self.fun(*args, **kwargs)
        result = call(self.name, self.fun, plain_args, plain_kwargs)
        inputs = [a for a in args if isinstance(a, Tensor)]
        if not is_grad_enabled() or not any(x.requires_grad for x in inputs):
            return result
        kept = _Call(tuple(a if isinstance(a, Tensor) else b for a, b in zip(args, plain_args, strict=True)), plain_kwargs, result)
        outs = [result] if kept.several is None else list(result)
        if not kept.recorded:
            raise TypeError(f"{self.name}: its result of dtype {outs[0].dtype if outs else None} has no derivative; return floats, or "
                            f"declare the function with fastad.extend.notrace")
        fixed = [y for k, y in enumerate(outs) if k not in kept.recorded]
        recorded = iter(record(self, inputs + fixed, [outs[k] for k in kept.recorded], inputs + outs, kept))
        return kept.together([next(recorded) if k in kept.recorded else y for k, y in enumerate(outs)])

    def argument(self, argnum: int) -> str:
        """How errors call an argument."""
        try:
            names = [p.name for p in signature(self.fun).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        except (TypeError, ValueError):                  # compiled functions may not tell
            names = []
        return f"argument {argnum}" + (f" ({names[argnum]})" if argnum < len(names) else "")

    def missing(self, argnum: int, define: str, other: str) -> NotImplementedError:
        return NotImplementedError(f"{self.name}: no rule for its derivative by {self.argument(argnum)} in {other} mode; give one with "
                                   f"fastad.extend.{define}({self.name}, ..., argnums=({argnum},))")

    # -- reverse mode
    def vjp(self, node: Node, saved: tuple[Tensor, ...], g: Any) -> tuple[Any, ...]:
        made: _Call = node.args
        wants = wanted(node)[:len(made.argnums)]
        gs: list[Any] = [None] * len(made.out_shapes)
        for k, t in zip(made.recorded, g if isinstance(g, tuple) else (g,), strict=True):
            gs[k] = t
        gs = zeros_for_none(gs, made.out_shapes, made.out_dtypes)
        found: list[Any] = [None] * (len(made.argnums) + len(gs) - len(made.recorded))
        asked = [n for n, want in zip(made.argnums, wants, strict=True) if want]
        compiled = self.by_kernel(asked, self.makers, "has_backward")
        if self.kernel is not None and compiled:
            ans, args = made.filled([frozen(t) for t in saved])
            results = self.kernel.backward(tuple(args), ans, frozen(gs[0]), tuple(n in compiled for n in range(self.kernel.n_inputs)))
            if is_grad_enabled():
                results = once(node, gs, results, f"its backward kernel is compiled; give the rule in fastad's functions with "
                               f"fastad.extend.defvjp({self.name}, ...)")
        for i, n in enumerate(made.argnums):
            if n in asked:
                found[i] = results[n] if n in compiled else self.adjoint(node, n, saved, gs)
        return tuple(found)

    def by_kernel(self, argnums: list[int], rules: dict[int, Any], has: str) -> list[int]:
        """Those of the arguments whose derivative a compiled kernel gives: all that it can, but for a walk that records."""
        if self.kernel is None or not getattr(self.kernel, has):
            return []
        return [n for n in argnums if n < self.kernel.n_inputs and not (is_grad_enabled() and n in rules)]

    def adjoint(self, node: Node, argnum: int, saved: tuple[Tensor, ...], gs: list[Tensor]) -> Tensor | None:
        made: _Call = node.args
        if argnum not in self.makers:
            raise self.missing(argnum, "defvjp", "reverse")
        maker = self.makers[argnum]
        if maker is None:
            return None

        def rule(*values: Any) -> Any:
            ans, args = made.filled(values[:len(saved)])
            return maker(ans, *args, **made.kwargs)(made.together(values[len(saved):]))

        i = made.argnums.index(argnum)
        shape = made.shapes[i]
        return self.run(node, ("vjp", argnum), rule, saved, gs, lambda result: [fitted(
            f"{self.name}: its rule (defvjp) for {self.argument(argnum)}", result, shape, made.dtypes[i],
            also=[s for s in made.out_shapes if broadcasts(shape, s)],
            complex_too=any(t.dtype.kind == "c" for t in (*saved, *gs)))])[0]

    def run(self, node: Node, key: tuple[str, int], rule: Callable[..., Any], saved: tuple[Tensor, ...], given: list[Tensor],
            check: Callable[[Any], list[Any]]) -> list[Any]:
        """The checked results of a rule, tensors that can be differentiated again or that say why not."""
        result, reason = evaluated(rule, (*saved, *given), self.plain.get(key))
        results = check(result)
        if reason is None:
            return results
        self.plain[key] = reason
        return once(node, given, results, reason) if is_grad_enabled() else results

    # -- forward mode
    def jvp(self, node: Node, saved: tuple[Tensor, ...], tangents: tuple[Any, ...]) -> Any:
        made: _Call = node.args
        moving = [(n, t) for n, t in zip(made.argnums, tangents, strict=False) if t is not None]
        compiled = [] if self.linear else self.by_kernel([n for n, _ in moving], self.pushers, "has_jvp")
        parts = [self.tangent(node, n, saved, t) for n, t in moving if n not in compiled]
        if self.kernel is not None and compiled:
            ans, args = made.filled([frozen(t) for t in saved])
            moves = {n: t for n, t in moving if n in compiled}
            part = [self.kernel.jvp(tuple(args), ans, [frozen(moves[n]) if n in moves else None for n in range(self.kernel.n_inputs)])]
            if is_grad_enabled():
                part = once(node, list(moves.values()), part, f"its jvp kernel is compiled; give the rule in fastad's functions with "
                            f"fastad.extend.defjvp({self.name}, ...)")
            parts.append(part)
        total = [reduce(FUNCTIONS["add"], [p for p in column if p is not None]) if any(p is not None for p in column) else None
                 for column in zip(*parts, strict=True)]
        return total[0] if len(total) == 1 else tuple(total)

    def tangent(self, node: Node, argnum: int, saved: tuple[Tensor, ...], g: Tensor) -> list[Any]:
        """What the tangent of one argument adds to those of the recorded outputs."""
        made: _Call = node.args
        if argnum not in self.pushers and not self.linear:
            raise self.missing(argnum, "defjvp", "forward")
        pusher = self.pushers.get(argnum, _same(self))
        if pusher is None:
            return [None] * len(made.recorded)

        def rule(*values: Any) -> Any:
            ans, args = made.filled(values[:-1])
            if isinstance(pusher, _same):
                return pusher(argnum, values[-1], args, made.kwargs)
            return pusher(values[-1], ans, *args, **made.kwargs)

        what = f"{self.name}: its rule (defjvp) for {self.argument(argnum)}"
        shape = made.shapes[made.argnums.index(argnum)]
        complex_too = any(t.dtype.kind == "c" for t in (*saved, g))

        def check(result: Any) -> list[Any]:
            results = [result] if made.several is None else result
            if not isinstance(results, (list, tuple)) or len(results) != len(made.out_shapes):
                raise TypeError(f"{what} returned {type(result).__name__}, expected {len(made.out_shapes)} tangents, one for each output")
            found = []
            for k in made.recorded:
                to = made.out_shapes[k]
                t = fitted(what, results[k], to, made.out_dtypes[k], also=[shape] if broadcasts(shape, to) else (),
                           complex_too=complex_too)
                found.append(t if t.shape == to else FUNCTIONS["broadcast_to"](t, to))
            return found

        return self.run(node, ("jvp", argnum), rule, saved, [g], check)


class _same:
    """The tangent of a function that is linear in an argument: the function of the tangent."""

    def __init__(self, primitive: _Primitive) -> None:
        self.primitive = primitive

    def __call__(self, argnum: int, g: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return self.primitive.called((*args[:argnum], g, *args[argnum + 1:]), kwargs)


def primitive(fun: F) -> F:
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
    if not callable(fun):
        raise TypeError(f"primitive: expected a function, got {type(fun).__name__}")
    rules = _Primitive(fun)

    @wraps(fun)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        return rules.called(args, kwargs)

    recorded.fun = fun                                   # type: ignore[attr-defined]
    recorded._rules = rules                              # type: ignore[attr-defined]
    return recorded                                      # type: ignore[return-value]


def _rules_of(fun: Any, definer: str) -> _Primitive:
    rules = getattr(fun, "_rules", None)
    if not isinstance(rules, _Primitive):
        raise TypeError(f"{definer}: {getattr(fun, '__name__', fun)!r} is not a primitive; decorate it with fastad.extend.primitive, "
                        f"and give defvjp and defjvp what that returned")
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
            raise TypeError(f"defvjp: the rule for {rules.argument(n)} of {rules.name} must be a function or None, got {maker!r}")
        rules.makers[n] = maker
        rules.plain.pop(("vjp", n), None)


def defjvp(fun: Callable[..., Any], *jvps: Callable[..., Any] | Literal["same"] | None,
           argnums: Sequence[int] | None = None) -> None:
    """Give a primitive its derivatives for forward mode.

    Parameters
    ----------
    fun : what `primitive` returned
    *jvps : callable, "same" or None
        For each argument a function ``jvp(g, ans, *args, **kwargs)``: the derivative times the tangent `g` of the argument, of
        the shape of the result `ans`.  "same": the function is linear in the argument, and is called with `g` instead of
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
            raise TypeError(f"defjvp: the rule for {rules.argument(n)} of {rules.name} must be a function, 'same' or None, got {jvp!r}")
        rules.pushers[n] = _same(rules) if isinstance(jvp, str) else jvp
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


def notrace(fun: F) -> F:
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
    def constant_of(*args: Any, **kwargs: Any) -> Any:
        plain = without_tensors("notrace", "", (args, kwargs), None)
        return fun(*plain[0], **plain[1])

    return constant_of                                   # type: ignore[return-value]
