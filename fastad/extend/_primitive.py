"""What fastad.extend's decorator makes of a function: how its calls are recorded, and how its rules are run in both modes.

Imports _rules.py.  Next: __init__.py, by which rules are given.
"""
from __future__ import annotations

from functools import reduce
from inspect import signature
from operator import is_
from typing import TYPE_CHECKING

import numpy as np

from .._core.custom import called
from .._core.make import Rule, tensor
from .._core.tape import is_grad_enabled
from .._core.tensor import FUNCTIONS, Tensor
from .._core.walk import wanted
from ._kernel import CompiledFunction
from ._rules import broadcasts, constants, evaluated, fitted, frozen, once, without_tensors, zeros_for_none

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._core.tape import Node


class Call:
    """One recorded call of a primitive: what is not in its node."""

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        self.argnums = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.shapes = [args[i].shape for i in self.argnums]
        self.dtypes = [args[i].dtype for i in self.argnums]
        # arrays are copied: unlike tensors they do not tell whether they were written to
        self.args = [None if isinstance(a, Tensor) else kept_constant(a) for a in args]
        self.kwargs = {k: kept_constant(v) for k, v in kwargs.items()}
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


def kept_constant(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    x = x.copy()
    x.flags.writeable = False
    return x


class UserPrimitive(Rule):
    """The rules of one primitive."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(getattr(fun, "__name__", type(fun).__name__), True)
        self.fun = fun
        self.kernel = fun if isinstance(fun, CompiledFunction) else None
        self.makers: dict[int, Callable[..., Any] | None] = {}
        self.pushers: dict[int, Callable[..., Any] | None] = {}
        self.linear = False
        self.names: list[str] | None = None                 # of the arguments, for errors
        self.plain: dict[tuple[str, int], str] = {}      # rules that turned out not to take tensors, and why

    def called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        remedy = "pass it as one"
        plain_args = tuple(frozen(a) if isinstance(a, Tensor) else without_tensors(self.name, f"argument {i}", a, remedy)
                           for i, a in enumerate(args))
        plain_kwargs = {k: without_tensors(self.name, f"argument {k!r}", v, remedy) for k, v in kwargs.items()}
        if all(map(is_, plain_args, args)) and all(map(is_, plain_kwargs.values(), kwargs.values())):
            return self.fun(*args, **kwargs)                # no tensors
        result = constants(self.name, *called(self.fun, plain_args, plain_kwargs))
        inputs = [a for a in args if isinstance(a, Tensor)]
        if not is_grad_enabled() or not any(x.requires_grad for x in inputs):
            return result
        made = Call([a if isinstance(a, Tensor) else b for a, b in zip(args, plain_args, strict=True)], plain_kwargs, result)
        outs = [result] if made.several is None else list(result)
        if not made.recorded:
            raise TypeError(f"{self.name}: its result of dtype {outs[0].dtype if outs else None} has no derivative; return "
                            f"floats, or declare the function with fastad.extend.notrace")
        fixed = [y for k, y in enumerate(outs) if k not in made.recorded]
        places, others = iter(range(-1, -1 - len(outs), -1)), iter(range(len(inputs), len(inputs) + len(fixed)))
        keep = (*range(len(inputs)), *[next(places if k in made.recorded else others) for k in range(len(outs))])
        recorded = iter(self.record(inputs + fixed, [outs[k] for k in made.recorded], made, keep))
        return made.together([next(recorded) if k in made.recorded else y for k, y in enumerate(outs)])

    def argument(self, argnum: int) -> str:
        """How errors call an argument."""
        if self.names is None:
            try:
                parameters = list(signature(self.fun).parameters.values())
            except (TypeError, ValueError):                 # compiled functions may not tell
                parameters = []
            self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return f"argument {argnum}" + (f" ({self.names[argnum]})" if argnum < len(self.names) else "")

    def missing(self, argnum: int, define: str, other: str) -> NotImplementedError:
        return NotImplementedError(f"{self.name}: no rule for its derivative by {self.argument(argnum)} in {other} mode; "
                                   f"give one with fastad.extend.{define}({self.name}, ..., argnums=({argnum},))")

    def compiled(self, kernel: str, define: str) -> str:
        return f"its {kernel} kernel is compiled; give the rule in fastad's functions with " \
               f"fastad.extend.{define}({self.name}, ...)"

    def statics(self, node: Node) -> dict[int | str, Any]:
        made: Call = node.args
        last = max(made.argnums, default=-1)
        given = {i if i > last else f"args[{i}]": a for i, a in enumerate(made.args) if i not in made.argnums}
        return given | made.kwargs

    # -- reverse mode
    def vjp(self, node: Node, saved: tuple[Tensor, ...], g: Any) -> tuple[Any, ...]:
        made: Call = node.args
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
            results = [None if t is None else tensor(t) for t in self.kernel.pull(args, ans, frozen(gs[0]), set(compiled))]
            if is_grad_enabled():
                results = once(node, gs, results, self.compiled("backward", "defvjp"))
        for i, n in enumerate(made.argnums):
            if n in asked:
                found[i] = results[n] if n in compiled else self.adjoint(node, n, saved, gs)
        return tuple(found)

    def by_kernel(self, argnums: list[int], rules: dict[int, Any], has: str) -> list[int]:
        """Those of the arguments whose derivative a compiled kernel gives: all that it can, but for a walk that records."""
        if self.kernel is None or not getattr(self.kernel.kernel, has):
            return []
        return [n for n in argnums if n < self.kernel.kernel.n_inputs and not (is_grad_enabled() and n in rules)]

    def adjoint(self, node: Node, argnum: int, saved: tuple[Tensor, ...], gs: list[Tensor]) -> Tensor | None:
        made: Call = node.args
        if argnum not in self.makers:
            raise self.missing(argnum, "defvjp", "reverse")
        maker = self.makers[argnum]
        if maker is None:
            return None

        def rule(*values: Any) -> Any:
            ans, args = made.filled(values[:len(saved)])
            vjp = maker(ans, *args, **made.kwargs)
            if not callable(vjp):
                raise TypeError(f"{self.name}: the maker of its rule for {self.argument(argnum)} returned a "
                                f"{type(vjp).__name__}, expected a function of the cotangent, "
                                f"as in defvjp(f, lambda ans, x: lambda g: ...)")
            return vjp(made.together(values[len(saved):]))

        i = made.argnums.index(argnum)
        shape = made.shapes[i]
        found: list[Tensor] = self.run(node, ("vjp", argnum), rule, saved, gs, lambda result: [fitted(
            f"{self.name}: its rule (defvjp) for {self.argument(argnum)}", result, shape, made.dtypes[i],
            also=[s for s in made.out_shapes if broadcasts(shape, s)],
            complex_too=any(t.dtype.kind == "c" for t in (*saved, *gs)))])
        return found[0]

    def run(self, node: Node, key: tuple[str, int], rule: Callable[..., Any], saved: tuple[Tensor, ...], given: list[Tensor],
            check: Callable[[Any], list[Any]]) -> list[Any]:
        """The checked results of a rule, tensors that can be differentiated again or that say why not."""
        result, reason = evaluated(self.name, rule, (*saved, *given), self.plain.get(key))
        results = check(result)
        if reason is None:
            return results
        self.plain[key] = reason
        return once(node, given, results, reason) if is_grad_enabled() else results

    # -- forward mode
    def jvp(self, node: Node, saved: tuple[Tensor, ...], tangents: tuple[Any, ...]) -> Any:
        made: Call = node.args
        moving = [(n, t) for n, t in zip(made.argnums, tangents, strict=False) if t is not None]
        compiled = [] if self.linear else self.by_kernel([n for n, _ in moving], self.pushers, "has_jvp")
        parts = [self.tangent(node, n, saved, t) for n, t in moving if n not in compiled]
        if self.kernel is not None and compiled:
            ans, args = made.filled([frozen(t) for t in saved])
            moves = {n: t for n, t in moving if n in compiled}
            part: list[Any] = [tensor(self.kernel.push(args, ans, {n: frozen(t) for n, t in moves.items()}))]
            if is_grad_enabled():
                part = once(node, list(moves.values()), part, self.compiled("jvp", "defjvp"))
            parts.append(part)
        columns = [[t for t in column if t is not None] for column in zip(*parts, strict=True)]
        total = [reduce(FUNCTIONS["add"], column) if column else None for column in columns]
        return total[0] if len(total) == 1 else tuple(total)

    def tangent(self, node: Node, argnum: int, saved: tuple[Tensor, ...], g: Tensor) -> list[Any]:
        """What the tangent of one argument adds to those of the recorded outputs."""
        made: Call = node.args
        if argnum not in self.pushers and not self.linear:
            raise self.missing(argnum, "defjvp", "forward")
        pusher = self.pushers.get(argnum, Same(self))
        if pusher is None:
            return [None] * len(made.recorded)

        def rule(*values: Any) -> Any:
            ans, args = made.filled(values[:-1])
            if isinstance(pusher, Same):
                return pusher(argnum, values[-1], args, made.kwargs)
            return pusher(values[-1], ans, *args, **made.kwargs)

        what = f"{self.name}: its rule (defjvp) for {self.argument(argnum)}"
        shape = made.shapes[made.argnums.index(argnum)]
        complex_too = any(t.dtype.kind == "c" for t in (*saved, g))

        def check(result: Any) -> list[Any]:
            results = [result] if made.several is None else result
            if not isinstance(results, (list, tuple)) or len(results) != len(made.out_shapes):
                raise TypeError(f"{what} returned a {type(result).__name__}, expected a tuple of {len(made.out_shapes)} "
                                f"tangents, one for each output")
            found = []
            for k in made.recorded:
                to = made.out_shapes[k]
                t = fitted(what, results[k], to, made.out_dtypes[k], also=[shape] if broadcasts(shape, to) else (),
                           complex_too=complex_too)
                found.append(t if t.shape == to else FUNCTIONS["broadcast_to"](t, to))
            return found

        return self.run(node, ("jvp", argnum), rule, saved, [g], check)


class Same:
    """The tangent of a function that is linear in an argument: the function of the tangent."""

    def __init__(self, primitive: UserPrimitive) -> None:
        self.primitive = primitive

    def __call__(self, argnum: int, g: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return self.primitive.called((*args[:argnum], g, *args[argnum + 1:]), kwargs)
