"""What users' own derivative rules have in common, be they of `primitive` or of `Function`: how a rule is run, what is
demanded of its result, and what becomes of a result that was computed without a record.

Imports the core.  Next: _primitive.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.custom import fixed, record_after, run_plain, run_rule
from .._core.make import Rule, constant, from_numpy, is_differentiated, is_nested, is_under_way, tensor
from .._core.tape import is_grad_enabled
from .._core.tensor import FUNCTIONS, Tensor, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._core.tape import Node

# what a rule that is not written in fastad's functions meets when it is given tensors
UNRECORDED = (TypeError, AttributeError, NotImplementedError)


def frozen(t: Tensor) -> Any:
    """The numbers of a tensor as an array that cannot be written to, a NumPy scalar if it is 0-d."""
    array = numbers(t)
    if t.ndim == 0:
        return array[()]
    array.flags.writeable = False
    return array


def constants(name: str, result: Any, sole: Any) -> Any:
    """What a function of arrays returned, each result a constant tensor that nobody else can write to; `sole` says which are
    in nobody else's hands."""
    if not isinstance(result, (tuple, list)):
        return _constant(name, result, sole)
    found = [_constant(name, x, alone) for x, alone in zip(result, sole, strict=True)]
    if hasattr(result, "_fields"):
        return type(result)(*found)
    return found if isinstance(result, list) else tuple(found)


def _constant(name: str, x: Any, sole: bool) -> Tensor:
    if isinstance(x, Tensor):
        if x.requires_grad:
            raise TypeError(f"{name}: it returned a tensor that is being differentiated, which reached it past its "
                            f"arguments; pass it as one")
        return constant(x) if sole else tensor(x)
    if not isinstance(x, (np.ndarray, np.generic, int, float, complex)):
        raise TypeError(f"{name}: it returned a {type(x).__name__}, expected an array, a number, or a tuple of these")
    if sole and type(x) is np.ndarray and x.flags.owndata and x.flags.behaved and x.dtype.isnative \
            and x.dtype.kind in "biufc":
        return from_numpy(x)
    return tensor(x)


class Once(Rule):
    """Stands where a derivative was computed without a record: the next derivative is an error that says why."""

    def vjp(self, node: Node, saved: tuple[Tensor, ...], g: Any) -> Any:
        raise NotImplementedError(node.args)

    def jvp(self, node: Node, saved: tuple[Tensor, ...], tangents: Any) -> Any:
        raise NotImplementedError(node.args)


def once(node: Node, given: Sequence[Any], results: list[Any], reason: str) -> list[Any]:
    """`results`, constants or None, as tensors that depend on the inputs of `node`, and on the cotangents or tangents
    `given`, in a way that nobody recorded."""
    name = node.prim.name
    edges = [t for t in given if t is not None]
    found = [constant(r) for r in results if r is not None]
    message = f"{name}: its derivative cannot be differentiated again: {reason}"
    recorded = iter(record_after(Once(f"derivative of {name}", True), node, edges, found, message))
    return [None if r is None else next(recorded) for r in results]


def evaluated(name: str, rule: Callable[..., Any], tensors: tuple[Tensor, ...],
              reason: str | None) -> tuple[Any, str | None]:
    """(rule(*tensors), None) if the rule takes tensors; else rule(*arrays) and the reason why it does not.

    Where a walk records, the tensors have their edges, and nothing may be taken out of them.  With a `reason` it is not
    tried.  Nothing that a rule is given can be written to."""
    if reason is None:
        values = tuple(map(fixed, tensors))
        try:
            return (run_rule(rule, values) if is_grad_enabled() else on_constants(name, rule, values)), None
        except UNRECORDED as error:
            reason = unfit("the rule", error)
    return on_constants(name, rule, tuple(map(frozen, tensors))), reason


def on_constants(name: str, rule: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    """rule(*values), of constants.  Inside a transform it must not read what that differentiates by past its arguments: the
    walk does not record, and that derivative would be lost."""
    nested = is_nested()
    if not is_under_way():
        return run_plain(rule, values)
    result = run_rule(rule, values) if nested else run_plain(rule, values, True)
    for t in result if isinstance(result, (tuple, list)) else (result,):
        if isinstance(t, Tensor) and t.requires_grad and (nested or is_differentiated([t])):
            raise RuntimeError(f"{name}: its derivative rule reads a tensor that is being differentiated and is no argument "
                               f"of {name}; pass it as one, or give the rule its detach()")
    return result


def unfit(rule: str, error: Exception) -> str:
    """Why the result of a rule cannot be differentiated, from what it met when it was given tensors."""
    return f"{rule} is not written in fastad's functions alone ({str(error).partition(';')[0]})"


def fitted(what: str, result: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *, also: Sequence[tuple[int, ...]] = (),
           complex_too: bool = False) -> Tensor:
    """The result of a rule as a Tensor; an error unless its shape is `shape`, or one of `also`, and its dtype has the kind
    of `dtype`."""
    if result is None:
        raise TypeError(f"{what} returned None, expected a tensor or an array of shape {shape}; return zeros if the "
                        f"derivative is zero")
    if isinstance(result, (int, float, complex)) and not isinstance(result, (bool, np.generic)):
        if not isinstance(result, complex):
            result = tensor(result, dtype=dtype)
    elif not isinstance(result, (Tensor, np.ndarray, np.generic)):
        raise TypeError(f"{what} returned a {type(result).__name__}, expected a tensor or an array of shape {shape}")
    if not isinstance(result, Tensor):
        result = tensor(result)
    kind = result.dtype.kind
    if kind not in "fc" or (kind == "c" and dtype.kind == "f" and not complex_too):
        raise TypeError(f"{what} returned the dtype {result.dtype}, expected {dtype}")
    if result.shape != shape and result.shape not in also:
        raise ValueError(f"{what} returned the shape {result.shape}, expected {shape}")
    found: Tensor = result
    return found


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether NumPy broadcasts `shape` to the shape `to`."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False))


def zeros_for_none(given: Any, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]]) -> list[Tensor]:
    """Cotangents or tangents, zeros where none arrived."""
    return [FUNCTIONS["zeros"](s, dtype=d if d.kind in "fc" else np.float64) if t is None else t
            for t, s, d in zip(given, shapes, dtypes, strict=True)]


def without_tensors(name: str, where: str, x: Any, remedy: str | None) -> Any:
    """`x` with frozen arrays for the tensors in it, at any depth of lists, tuples and dicts; itself if there are none.

    With a `remedy`, a tensor that is being differentiated is an error: as a constant it would lose its derivative."""
    if isinstance(x, Tensor):
        if remedy is not None and x.requires_grad and is_grad_enabled():
            raise TypeError(f"{name}: {where} is, or has in it, a tensor of shape {x.shape} that is being differentiated, "
                            f"and rules are by positional arguments that are tensors; {remedy}")
        return frozen(x)
    if isinstance(x, (list, tuple)):
        items = [without_tensors(name, where, item, remedy) for item in x]
        if all(new is old for new, old in zip(items, x, strict=True)):
            return x
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, dict):
        values = {k: without_tensors(name, where, v, remedy) for k, v in x.items()}
        return x if all(values[k] is x[k] for k in x) else values
    return x
