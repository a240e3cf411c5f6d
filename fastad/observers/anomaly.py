"""The line of a program whose operation first made a NaN or an infinity: `fastad.detect_anomaly`.

An observer of this thread notes on every node the line that recorded it, and looks at what operations and the rules of
walks give.  Imports the core and recording.py.  Next: ../testing.
"""
from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from .._core import tape
from ..recording import Decorator

if TYPE_CHECKING:
    from typing import Any, Self

    from .._core.tensor import Tensor

    _Line = tuple[str, int, str]                       # file, line, function

__all__ = ["AnomalyError", "detect_anomaly"]

HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


class AnomalyError(RuntimeError, FloatingPointError):
    """What `detect_anomaly` raises.

    Attributes
    ----------
    operation : str
        The primitive.
    line : tuple (file, line number, function) or None
        Where the program called for it.
    """

    operation: str = ""
    line: _Line | None = None


class detect_anomaly(Decorator):
    """Inside, an operation that makes a NaN or an infinity is an error that names the line of the program; per thread.

    It looks at every operation that is recorded, when it runs, and at every rule of the walks, backward and forward: then
    the error names the operation whose derivative it is and the line that recorded it.  So both the computation and the
    walk belong inside.  A ``with`` block, or with parentheses a decorator.  It costs nothing outside of such blocks.

    Parameters
    ----------
    check_nan : bool
        Look for NaN.  One that an operation was given, which no recorded operation made, is reported where it is first used.
    check_inf : bool
        Look for infinities that come of finite numbers; those that were given, such as masks of -inf, are let through.

    Raises
    ------
    AnomalyError
        Inside the block: a RuntimeError and a FloatingPointError.
    TypeError
        If an argument is not a bool.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(0.0, requires_grad=True)
    >>> with fastad.detect_anomaly():
    ...     fastad.sqrt(x).backward()
    Traceback (most recent call last):
    fastad.observers.anomaly.AnomalyError: sqrt: the backward walk first made an infinity in the rule of this operation, ...
      <doctest ...>:2, in <module>: fastad.sqrt(x).backward()
    input 0 of shape (): 1 of 1 elements; cotangent 0 of shape (): finite
    """

    def __init__(self, check_nan: bool = True, check_inf: bool = True) -> None:
        for name, given in (("check_nan", check_nan), ("check_inf", check_inf)):
            if not isinstance(given, bool | np.bool_):
                raise TypeError(f"detect_anomaly: {name} must be True or False, got {given!r}; as a decorator write "
                                f"@fastad.detect_anomaly()")
        self.check_nan, self.check_inf = bool(check_nan), bool(check_inf)

    def __enter__(self) -> Self:
        tape.observe(self)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        tape.unobserve(self)

    # -- as an observer
    def recorded(self, out: Tensor, inputs: tuple[Tensor, ...], within: Any) -> None:
        """An operation has run, in the program or (`within` its node) in the rule of another one."""
        node = out.grad_fn
        assert node is not None
        if within is not None:                        # `ruled` looks at what comes out; its intermediate values are its own
            tape.note_line(node, within.line)
            return
        line = calling_line()
        tape.note_line(node, line)
        made = self.made([out], inputs)
        if made is not None:
            what, count = made
            raise anomaly(node.name, line, f"the first {what} came out of this operation, at",
                          f"output of shape {out.shape}: {count} of {out.size} elements; "
                          + "; ".join(f"input {i} of shape {x.shape}: {state(x)}" for i, x in enumerate(inputs))
                          + given_so(what, inputs))

    def ruled(self, node: Any, given: list[Tensor | None], found: list[Tensor | None], forward: bool) -> None:
        """A walk has run a rule."""
        walk, carried = ("forward", "tangent") if forward else ("backward", "cotangent")
        for i, x in enumerate(found):
            made = None if x is None else self.made([x], given)
            if x is not None and made is not None:
                what, count = made
                had = [f"{carried} {j} of shape {g.shape}: {state(g)}" for j, g in enumerate(given) if g is not None]
                article = "an" if what == "infinity" else "a"
                raise anomaly(node.name, node.line,
                              f"the {walk} walk first made {article} {what} in the rule of this operation, recorded at",
                              f"{'output' if forward else 'input'} {i} of shape {x.shape}: {count} of {x.size} elements; "
                              + "; ".join(had) + given_so(what, given))

    def made(self, found: list[Tensor], given: Any) -> tuple[str, int] | None:
        """(what, how many), if there is something that was not given."""
        for x in found:
            if x.dtype.kind not in "fc":
                continue
            array = x.detach().numpy()
            if np.isfinite(array).all():
                continue
            nan = int(np.isnan(array).sum())
            if self.check_nan and nan:
                return "NaN", nan
            infinite = int(np.isinf(array).sum())
            if self.check_inf and infinite and all(g is None or state(g) == "finite" for g in given):
                return "infinity", infinite
        return None


def state(x: Tensor) -> str:
    array = x.detach().numpy()
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return "finite"
    return "holds NaN" if np.isnan(array).any() else "holds infinities"


def given_so(what: str, given: Any) -> str:
    """What to look for if the NaN was there before."""
    if what != "NaN" or all(x is None or state(x) != "holds NaN" for x in given):
        return ""
    return "\nthe NaN was given, and no operation that was recorded here made it: look where it comes from"


def anomaly(operation: str, line: _Line | None, what: str, details: str) -> AnomalyError:
    import linecache

    if line is None:
        where = "a line outside of detect_anomaly(), which is not known; compute the result inside too"
    else:
        file, number, function = line
        where = f"{file}:{number}, in {function}: {linecache.getline(file, number).strip()}"
    error = AnomalyError(f"{operation}: {what}\n  {where}\n{details}")
    error.operation, error.line = operation, line
    return error


def calling_line() -> _Line | None:
    """The innermost line that is not fastad's own."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back                          # type: ignore[assignment]
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
