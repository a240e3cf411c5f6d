"""Operations of your own in PyTorch's words: a class with `forward`, `backward` and, for forward mode, `jvp`.

Imports _rules.py.  Next: __init__.py, the same in HIPS/autograd's words.
"""
from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

import numpy as np

from .._core.custom import fixed, run_plain, run_rule, same_memory
from .._core.make import Rule, constant, is_differentiated, is_under_way, mark, tensor
from .._core.tape import is_grad_enabled
from .._core.tensor import FUNCTIONS, Tensor
from .._core.walk import wanted
from ._rules import UNRECORDED, broadcasts, fitted, frozen, on_constants, once, unfit, without_tensors, zeros_for_none

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._core.tape import Node
    from .._typing import F


class Context:
    """What `forward` leaves for `backward` and `jvp`: saved tensors, and attributes of any name.

    Examples
    --------
    >>> from fastad.autograd import Function
    >>> class Scale(Function):
    ...     @staticmethod
    ...     def forward(ctx, x, factor):
    ...         ctx.factor = factor
    ...         return x * factor
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * ctx.factor, None
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._saved: list[Tensor | None] = []
        self._fixed: list[Tensor] = []
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for the rules.  A change in place before they are used is noticed and refused.

        To be differentiated again they must be arguments of `forward` or what it returns."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward: expected tensors or None, got {type(t).__name__}; other values go into "
                                f"attributes, ctx.name = value")
        self._saved = list(tensors)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` was given."""
        return tuple(self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Results of `forward` that are constants."""
        self._fixed = list(tensors)

    def set_materialize_grads(self, value: bool) -> None:
        """False: `backward` and `jvp` are given None, instead of zeros, where no derivative arrives."""
        self._materialize = bool(value)


def once_differentiable(backward: F) -> F:
    """Decorate a `backward` (or `jvp`) that is not to be differentiated: it is given constants, and to differentiate its
    result is an error.

    A `backward` that NumPy computes is treated so without it.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> from fastad.autograd import Function, once_differentiable
    >>> class Exp(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = fastad.exp(x)
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         y, = ctx.saved_tensors
    ...         return g * y.numpy()
    >>> float(fastad.grad(Exp.apply)(0.0))
    1.0
    """
    @wraps(backward)
    def rule(*args: Any, **kwargs: Any) -> Any:
        return backward(*args, **kwargs)

    rule._once = True                                    # type: ignore[attr-defined]
    return rule                                          # type: ignore[return-value]


class _Call:
    """One recorded call: its context, and where the saved values stand."""

    def __init__(self, ctx: Context, args: tuple[Any, ...], slots: list[int | None], outs: list[Tensor], recorded: list[int],
                 reason: str | None) -> None:
        self.ctx = ctx
        self.slots = slots                               # of the saved values in what the walk hands over
        self.count = len(args)
        self.argnums = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.shapes = [args[i].shape for i in self.argnums]
        self.dtypes = [args[i].dtype for i in self.argnums]
        self.out_shapes = [y.shape for y in outs]
        self.out_dtypes = [y.dtype for y in outs]
        self.recorded = recorded
        self.reason = reason                             # why the rules cannot be differentiated

    def context(self, saved: Sequence[Tensor]) -> Context:
        """The context as one walk sees it."""
        view = Context.__new__(Context)
        vars(view).update(vars(self.ctx))
        view._saved = [None if slot is None else saved[slot] for slot in self.slots]
        return view


class _FunctionRules(Rule):
    """The primitive of one subclass of Function."""

    def __init__(self, cls: type[Function]) -> None:
        super().__init__(cls.__name__, True)
        self.cls = cls

    def run(self, node: Node, rule: Callable[..., Any], saved: tuple[Tensor, ...], given: Sequence[Any],
            check: Callable[[Any], list[Any]]) -> list[Any]:
        """The checked results of rule(ctx, *given), tensors that can be differentiated again or that say why not."""
        made: _Call = node.args
        if not is_grad_enabled():
            return self.unrecorded(rule, made, saved, given, check)
        reason = f"{rule.__qualname__} is once_differentiable" if hasattr(rule, "_once") else made.reason
        if reason is None:
            try:
                found: list[Any] = run_rule(lambda *values: check(rule(made.context(tuple(map(fixed, saved))), *values)),
                                            tuple(None if t is None else fixed(t) for t in given))
                return found
            except UNRECORDED as error:
                reason = unfit(rule.__qualname__, error)
                results = self.unrecorded(rule, made, saved, given, check)
        else:
            results = self.unrecorded(rule, made, saved, given, check)
        return once(node, given, results, reason)

    def unrecorded(self, rule: Callable[..., Any], made: _Call, saved: tuple[Tensor, ...], given: Sequence[Any],
                   check: Callable[[Any], list[Any]]) -> list[Any]:
        constants = tuple(fixed(constant(t)) for t in saved)
        found: list[Any] = check(on_constants(self.name, lambda *values: rule(made.context(constants), *values),
                                              tuple(None if t is None else fixed(constant(t)) for t in given)))
        return found

    def vjp(self, node: Node, saved: tuple[Tensor, ...], g: Any) -> tuple[Any, ...]:
        made: _Call = node.args
        wants = wanted(node)
        gs: list[Any] = [None] * len(made.out_shapes)
        for k, t in zip(made.recorded, g if isinstance(g, tuple) else (g,), strict=True):
            gs[k] = t
        if made.ctx._materialize:
            gs = zeros_for_none(gs, made.out_shapes, made.out_dtypes)
        complex_too = any(t.dtype.kind == "c" for t in (*saved, *gs) if t is not None)

        def check(result: Any) -> list[Any]:
            results = list(result) if isinstance(result, (tuple, list)) else [result]
            if len(results) < made.count or any(r is not None for r in results[made.count:]):
                raise ValueError(f"{self.name}: backward returned {len(results)} gradients for the {made.count} arguments "
                                 f"of forward; return one for each, None for what is no tensor")
            return [fitted(f"{self.name}: backward, for argument {n},", results[n], shape, dtype, complex_too=complex_too,
                           also=[s for s in made.out_shapes if broadcasts(shape, s)]) if want else None
                    for n, shape, dtype, want in zip(made.argnums, made.shapes, made.dtypes, wants, strict=False)]

        found = self.run(node, self.cls.backward, saved, gs, check)
        return (*found, *[None] * (len(wants) - len(found)))

    def jvp(self, node: Node, saved: tuple[Tensor, ...], tangents: tuple[Any, ...]) -> Any:
        made: _Call = node.args
        if self.cls.jvp is Function.jvp:
            raise NotImplementedError(f"{self.name}: no rule for forward mode; write jvp(ctx, *tangents), or differentiate "
                                      f"in reverse mode (grad, jacrev, vjp)")
        given: list[Any] = list(tangents[:len(made.argnums)])
        if made.ctx._materialize:
            given = zeros_for_none(given, made.shapes, made.dtypes)
        placed: list[Any] = [None] * made.count
        for n, t in zip(made.argnums, given, strict=True):
            placed[n] = t
        complex_too = any(t.dtype.kind == "c" for t in (*saved, *given) if t is not None)

        def check(result: Any) -> list[Any]:
            results = list(result) if isinstance(result, (tuple, list)) else [result]
            if len(results) != len(made.out_shapes):
                raise ValueError(f"{self.name}: jvp returned {len(results)} tangents for {len(made.out_shapes)} results of "
                                 f"forward")
            return [fitted(f"{self.name}: jvp, for result {k},", results[k], made.out_shapes[k], made.out_dtypes[k],
                           complex_too=complex_too) for k in made.recorded]

        total = self.run(node, self.cls.jvp, saved, placed, check)
        return total[0] if len(total) == 1 else tuple(total)


def _unfollowed(ctx: Context, free: list[Any]) -> str | None:
    """Which attribute of a context may hold numbers that `forward` computed, so that nobody knows their derivative."""
    def fixed(x: Any) -> bool:
        if x is None or any(x is f for f in free):
            return True
        if isinstance(x, (int, str, bytes, np.integer, np.bool_, np.dtype, type, slice)):
            return True
        if isinstance(x, (list, tuple, set, frozenset)):
            return all(map(fixed, x))
        if isinstance(x, dict):
            return all(map(fixed, x.values()))
        return isinstance(x, (Tensor, np.ndarray)) and x.dtype.kind in "biu"

    for name, value in vars(ctx).items():
        if name not in ("needs_input_grad", "_saved", "_fixed", "_materialize") and not fixed(value):
            return f"ctx.{name} may hold numbers that depend on the arguments; save tensors that are arguments or results " \
                   f"with ctx.save_for_backward, and compute the rest in the rule"
    return None


class Function:
    """A differentiable function from its `forward`, its `backward` and, for forward mode, its `jvp`; called by `apply`.

    ``forward(ctx, *args)`` takes the arguments of `apply`, tensors as constants, and returns a tensor or a tuple of them;
    nothing in it is recorded.  ``backward(ctx, *gs)`` takes the cotangent of each result and returns one gradient for
    each argument, None for what is no tensor.  ``jvp(ctx, *tangents)`` takes a tangent for each argument, None for
    what is no tensor, and returns one for each result.  All three are static methods.

    The rules can be differentiated again if they are written in fastad's functions, of arguments, saved arguments and
    saved results.  Where they are not (NumPy, `once_differentiable`, a saved intermediate value, numbers in an attribute
    of `ctx`), a second derivative is an error that says why.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> class Cube(fastad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         x, = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> float(fastad.grad(Cube.apply)(2.0)), float(fastad.grad(fastad.grad(Cube.apply))(2.0))
    (12.0, 12.0)
    """

    _rules: _FunctionRules

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"{type(self).__name__}: functions are not instantiated; call {type(self).__name__}.apply(...)")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._rules = _FunctionRules(cls)

    @staticmethod
    def forward(ctx: Context, *args: Any, **kwargs: Any) -> Any:
        """The value; to be written by the subclass."""
        raise NotImplementedError("Function: write forward(ctx, *args) as a static method of the subclass")

    @staticmethod
    def backward(ctx: Context, *gs: Any) -> Any:
        """The gradients; to be written by the subclass."""
        raise NotImplementedError("Function: write backward(ctx, *gs) as a static method of the subclass, or differentiate "
                                  "in forward mode (jacfwd, jvp)")

    @staticmethod
    def jvp(ctx: Context, *tangents: Any) -> Any:
        """The tangents; to be written by a subclass that serves forward mode."""
        raise NotImplementedError("Function: no jvp")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The value at `args`, recorded if a tensor among them is being differentiated.

        Raises
        ------
        TypeError
            If such a tensor stands in a list or is given by name, or if `forward` returns something else than tensors,
            arrays and numbers, or only integers.
        ValueError
            If `forward` writes to an argument.

        Examples
        --------
        >>> import fastad
        >>> class Double(fastad.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x + x
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         return g * 2
        >>> Double.apply(fastad.tensor(2.0))
        tensor(4.)
        """
        name = cls.__name__
        inputs = [a for a in args if isinstance(a, Tensor)]
        for where, value in (*enumerate(args), *kwargs.items()):
            if not isinstance(value, Tensor) or where in kwargs:
                without_tensors(name, f"argument {where!r}", value, "pass it as one")
        recording = is_grad_enabled() and any(x.requires_grad for x in inputs)
        given = tuple(fixed(constant(a)) if isinstance(a, Tensor) else a for a in args)
        views = [a for a in given if isinstance(a, Tensor)]
        ctx = Context()
        ctx.needs_input_grad = tuple(recording and isinstance(a, Tensor) and a.requires_grad for a in args)
        since, watching = mark(), is_under_way()
        result = run_plain(lambda *values: cls.forward(ctx, *values, **kwargs), given, watching)
        several = isinstance(result, (tuple, list))
        raw = list(result) if several else [result]
        if watching:
            raw = [_unwatched(y, since) for y in raw]
        outs = [_own(name, y, views) for y in raw]
        if not recording:
            return tuple(outs) if several else outs[0]
        recorded = [k for k, y in enumerate(outs) if y.dtype.kind in "fc" and not any(raw[k] is t for t in ctx._fixed)]
        if not recorded and not ctx._fixed:
            raise TypeError(f"{name}: the result of forward, of dtype {outs[0].dtype if outs else None}, has no derivative; "
                            f"return floats, or name it in ctx.mark_non_differentiable")
        if recorded:
            found = iter(_record(cls, ctx, args, views, raw, outs, recorded))
            outs = [next(found) if k in recorded else y for k, y in enumerate(outs)]
        return tuple(outs) if several else outs[0]


def _record(cls: type[Function], ctx: Context, args: tuple[Any, ...], views: list[Tensor], raw: list[Any],
            outs: list[Tensor], recorded: list[int]) -> list[Tensor]:
    """The recorded results: the node saves what the context was asked to save."""
    inputs = [a for a in args if isinstance(a, Tensor)]
    extra = [y for k, y in enumerate(outs) if k not in recorded]
    places = [*range(len(inputs)), *[~recorded.index(k) if k in recorded else len(inputs) + k - sum(r < k for r in recorded)
                                     for k in range(len(outs))]]
    known = [(t, place) for t, place in zip([*views, *raw], places, strict=True) if isinstance(t, Tensor)]
    slots: list[int | None] = []
    keep: list[int] = []                                 # what is saved: input i, or ~ result k
    reason = None
    for t in ctx._saved:
        if t is None:
            slots.append(None)
            continue
        place = next((place for other, place in known if same_memory(t, other)), None)
        if place is None:
            place = len(inputs) + len(extra)
            extra.append(constant(t))
            if t.dtype.kind in "fc":
                reason = f"forward saved a value of shape {t.shape} that is neither an argument nor a result; compute it " \
                         f"in the rule, or return it as a result too"
        slots.append(len(keep))
        keep.append(place)
    free = [a for a in args if not isinstance(a, Tensor)]
    free += [v for v, x in zip(views, inputs, strict=True) if not x.requires_grad]
    reason = reason or _unfollowed(ctx, free)
    made = _Call(ctx, args, slots, outs, recorded, reason)
    ctx._saved, ctx._fixed = [], []
    found: list[Tensor] = cls._rules.record(inputs + extra, [outs[k] for k in recorded], made, tuple(keep))
    return found


def _unwatched(y: Any, since: int) -> Any:
    """A result of a `forward` that was recorded, to see whether it reads what a transform differentiates by: else a constant
    as if it had not been."""
    if isinstance(y, Tensor) and y.grad_fn is not None and y.grad_fn.serial > since and not is_differentiated([y]):
        return constant(y)
    return y


def _own(name: str, y: Any, views: list[Tensor]) -> Tensor:
    """A result of `forward` as a constant tensor that shares no memory with an argument."""
    if isinstance(y, Tensor):
        if y.requires_grad:
            raise TypeError(f"{name}: forward returned a tensor that is being differentiated, which reached it past its "
                            f"arguments; pass it to apply")
        if any(same_memory(y, v) or (y.ndim and v.ndim and np.may_share_memory(frozen(y), frozen(v))) for v in views):
            copied: Tensor = FUNCTIONS["copy"](y)
            return copied
        return constant(y)
    if not isinstance(y, (np.ndarray, np.generic, int, float, complex)):
        raise TypeError(f"{name}: forward returned a {type(y).__name__}, expected a tensor or a tuple of tensors")
    return tensor(y)
