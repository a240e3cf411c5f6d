"""Level 3: functions that a walk calls with a tensor's gradient.

Imports tensor.  Next: make.pyx.
"""
from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING

from .tensor import Tensor, hooks_of, install

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Keeper:
    """The hook of `retain_grad`: adds to the ``.grad`` of a tensor, as long as that lives."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Tensor) -> None:
        t = self.tensor()
        if t is not None:
            t.grad = g if t.grad is None else t.grad + g


class HookHandle:
    """What `register_hook` returns."""

    def __init__(self, hooks: list[Any], hook: Callable[[Tensor], Any]) -> None:
        if not callable(hook):
            raise TypeError(f"register_hook: expected a function of the gradient, got {type(hook).__name__}")
        self.hooks = hooks
        self.entry: Callable[[Tensor], Any] | None = partial(hook)  # an entry of its own, if the hook stands there twice
        place = len([other for other in hooks if not isinstance(other, Keeper)])
        hooks.insert(place, self.entry)                             # what retain_grad keeps has passed every hook

    def remove(self) -> None:
        """Take the hook away."""
        if self.entry in self.hooks:
            self.hooks.remove(self.entry)
        self.entry = None


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """Call ``hook(grad)`` with this tensor's gradient in every walk; a Tensor it returns replaces the gradient.

    Returns a handle whose ``remove()`` takes the hook away.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(3.0, requires_grad=True)
    >>> handle = x.register_hook(lambda grad: grad * 10)
    >>> (x * x).backward()
    >>> x.grad
    tensor(60.)
    """
    return HookHandle(hooks_of(self), hook)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this intermediate value, as its hooks leave it, in its ``.grad``.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(3.0, requires_grad=True)
    >>> y = x * 2
    >>> y.retain_grad()
    >>> (y * y).backward()
    >>> y.grad
    tensor(12.)
    """
    if not isinstance(self, Tensor):
        raise TypeError(f"retain_grad: expected a Tensor, got {type(self).__name__}")
    if not self.is_leaf and not any(isinstance(hook, Keeper) and hook.tensor() is self for hook in hooks_of(self)):
        hooks_of(self).append(Keeper(self))


install("register_hook", register_hook)
install("retain_grad", retain_grad)
