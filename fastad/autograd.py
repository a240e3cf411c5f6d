"""Switches and derivatives on tensors, in PyTorch's words: no_grad, enable_grad, grad.

Imports the core.  Next: transforms.py, derivatives of functions.
"""
from __future__ import annotations

from contextlib import ContextDecorator
from typing import TYPE_CHECKING, overload

from ._core import tape
from ._core.make import gradients
from ._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

__all__ = ["enable_grad", "grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class set_grad_enabled(tape.Switch, ContextDecorator):
    """Record operations, or not, inside a ``with`` block or a decorated function; per thread.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    """

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode


class no_grad(set_grad_enabled):
    """Record nothing inside; per thread.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.no_grad():
    ...     w -= 0.25
    >>> w
    tensor(0.75, requires_grad=True)
    """

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Record inside, also within no_grad(); per thread.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(1.0, requires_grad=True)
    >>> with fastad.no_grad(), fastad.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    def __init__(self) -> None:
        super().__init__(True)


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
         create_graph: bool = False, allow_unused: Literal[False] = False) -> tuple[Tensor, ...]: ...
@overload
def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool = False) -> tuple[Tensor | None, ...]: ...
def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor],
         grad_outputs: Tensor | Sequence[Tensor | None] | None = None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool = False) -> tuple[Tensor | None, ...]:
    """The sum of the gradients of `outputs` with respect to `inputs`; no ``.grad`` is touched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Inputs may be leaves or intermediate values.
    grad_outputs : Tensor or sequence, optional
        Cotangents of the outputs; 1 for outputs with one element.
    retain_graph, create_graph : bool
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
    found = gradients(outputs, inputs, list(grad_outputs),
                             create_graph if retain_graph is None else retain_graph, create_graph)
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on input {i} (shape {inputs[i].shape}); pass "
                               f"allow_unused=True to get None for it")
    return tuple(found)
