"""What a thread records, and gradients of what was recorded: no_grad, enable_grad, inference_mode, grad, in PyTorch's words.

Imports the core.  Next: autograd.py, where PyTorch has them; transforms/, derivatives of functions.
"""
from __future__ import annotations

from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, cast, overload

import numpy as np

from ._core import tape
from ._core.make import gradients, is_differentiated
from ._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal, Self

    from ._typing import F

__all__ = ["enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class Decorator:
    """What the ``with`` blocks share: as a decorator they hold for every call, and for every step of a generator."""

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        raise NotImplementedError

    def __call__(self, f: F) -> F:
        name = type(self).__name__
        if not callable(f) or isinstance(f, type):
            raise TypeError(f"{name}: decorates functions, got {f!r}; decorate the methods of a class one by one")
        if iscoroutinefunction(f) or isasyncgenfunction(f):
            raise TypeError(f"{name}: {f.__name__} is a coroutine, and others of its thread run while it waits; use "
                            f"`with fastad.{name}(...)` inside it, around what does not wait")
        run = _steps if isgeneratorfunction(f) else _call

        @wraps(f)
        def inside(*args: Any, **kwargs: Any) -> Any:
            return run(self, f, args, kwargs)

        return cast("F", inside)


def _call(block: Decorator, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with block:
        return f(*args, **kwargs)


def _steps(block: Decorator, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The generator f(...), whose caller runs outside the block between two steps."""
    inner = f(*args, **kwargs)
    step = partial(next, inner)
    while True:
        try:
            with block:
                value = step()
        except StopIteration as end:
            return end.value
        try:
            step = partial(inner.send, (yield value))
        except GeneratorExit:
            with block:
                inner.close()
            raise
        except BaseException as error:
            step = partial(inner.throw, error)


class Block(tape.Switch, Decorator):
    """A switch of recording."""


class set_grad_enabled(Block):
    """Record operations, or not, from now on; in a ``with`` block or decorated function, inside it only.  Per thread.

    Parameters
    ----------
    mode : bool

    Raises
    ------
    TypeError
        If `mode` is not a bool.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    >>> switch = fastad.set_grad_enabled(False)
    >>> (x * 2).requires_grad
    False
    >>> switch = fastad.set_grad_enabled(True)
    """

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, (bool, np.bool_)):
            raise TypeError(f"set_grad_enabled: mode must be True or False, got {mode!r}")
        self.mode = bool(mode)
        self.begin()

    def __call__(self, f: F) -> F:
        self.undo()
        return super().__call__(f)


class Fixed(Block):
    """A switch to one position."""

    to: bool

    @overload
    def __new__(cls, f: F) -> F: ...  # type: ignore[misc]
    @overload
    def __new__(cls, f: None = None) -> Self: ...
    def __new__(cls, f: Any = None) -> Any:
        block = super().__new__(cls)
        block.mode = cls.to
        return block if f is None else block(f)


class no_grad(Fixed):
    """Record nothing inside; per thread.  Decorates functions with parentheses and without.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.no_grad():
    ...     w -= 0.25
    >>> w
    tensor(0.75, requires_grad=True)
    """

    to = False


class enable_grad(Fixed):
    """Record inside, also within no_grad(); per thread.  Decorates functions with parentheses and without.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.no_grad(), fastad.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    to = True


class inference_mode(Block):
    """Record nothing inside, as `no_grad` does; ``inference_mode(False)`` records, also within one.  Per thread.

    PyTorch's name, for programs that use it: there is no more to switch off than `no_grad` does, so tensors made inside
    may be used in recorded operations afterwards.  Decorates functions with parentheses and without.

    Parameters
    ----------
    mode : bool

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.inference_mode():
    ...     (w * 2).requires_grad
    False
    """

    @overload
    def __new__(cls, mode: F) -> F: ...  # type: ignore[misc]
    @overload
    def __new__(cls, mode: bool = True) -> Self: ...
    def __new__(cls, mode: Any = True) -> Any:
        block = super().__new__(cls)
        if isinstance(mode, (bool, np.bool_)):
            block.mode = not mode
            return block
        block.mode = False
        return block(mode)


def is_grad_enabled() -> bool:
    """Whether this thread records operations.

    Examples
    --------
    >>> import fastad
    >>> fastad.is_grad_enabled()
    True
    """
    return tape.is_grad_enabled()


@overload
def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool | None = None, allow_unused: Literal[False] = False) -> tuple[Tensor, ...]: ...
@overload
def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool | None = None, allow_unused: bool = False) -> tuple[Tensor | None, ...]: ...
def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool | None = None, allow_unused: bool = False) -> tuple[Tensor | None, ...]:
    """The sum of the gradients of `outputs` with respect to `inputs`; no ``.grad`` is touched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Inputs may be leaves or intermediate values.
    grad_outputs : Tensor or sequence, optional
        Cotangents of the outputs; 1 for outputs with one element.
    retain_graph, create_graph : bool, optional
        As in `Tensor.backward`.
    allow_unused : bool
        Give None for an input on which the outputs do not depend, instead of raising.

    Returns
    -------
    tuple of Tensor, one per input.

    Raises
    ------
    RuntimeError
        If an input is unused, nothing was recorded, or the graph was freed.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(2.0, requires_grad=True)
    >>> y = x ** 3
    >>> dx, = fastad.autograd.grad(y, x, create_graph=True)
    >>> dx.item(), fastad.autograd.grad(dx, x)[0].item()
    (12.0, 12.0)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    elif isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs]
    for kind, values in (("output", outputs), ("input", inputs)):
        for i, t in enumerate(values):
            if not isinstance(t, Tensor):
                raise TypeError(f"grad: {kind} {i} is a {type(t).__name__}, expected a Tensor")
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs and {len(grad_outputs)} grad_outputs")
    if create_graph is None:
        given = [t for t in (*outputs, *grad_outputs) if isinstance(t, Tensor)]
        create_graph = tape.is_grad_enabled() and is_differentiated(given)
    found = gradients(outputs, inputs, list(grad_outputs),
                      create_graph if retain_graph is None else retain_graph, create_graph)
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on input {i} (shape {inputs[i].shape}); pass "
                               f"allow_unused=True to get None for it")
    return tuple(found)
