"""Level 3: functions that a walk calls with a tensor's gradient.

Imports tensor.  Next: make.pyx.
"""
from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING

from .tape import add_after, add_hook
from .tensor import Tensor, install, place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self


class Keeper:
    """The hook of `retain_grad`: adds to the ``.grad`` of a tensor, as long as that lives."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Tensor) -> None:
        t = self.tensor()
        if t is not None:
            t.grad = g if t.grad is None else t.grad + g


class HookHandle:
    """What registering a hook returns; as a ``with`` block it removes the hook at the end."""

    def __init__(self, hooks: list[Any], hook: Callable[[Tensor], Any], name: str) -> None:
        if not callable(hook):
            raise TypeError(f"{name}: expected a function of a tensor, got {type(hook).__name__}")
        self.hooks = hooks
        self.entry: Callable[[Tensor], Any] | None = partial(hook)  # an entry of its own, if the hook stands there twice
        place = len([other for other in hooks if not isinstance(other, Keeper)])
        hooks.insert(place, self.entry)                             # what retain_grad keeps has passed every hook

    def remove(self) -> None:
        """Take the hook away."""
        if self.entry in self.hooks:
            self.hooks.remove(self.entry)
        self.entry = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.remove()


def hooks_of(tensor: Tensor) -> list[Any]:
    """The functions that see this tensor's gradient in every walk."""
    node, out = place_of(tensor)
    if node is None:
        raise RuntimeError("register_hook: this tensor does not require a gradient")
    hooks: list[Any] = add_hook(node, out)
    return hooks


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """Call ``hook(grad)`` with this tensor's gradient in every backward walk; a Tensor it returns replaces the gradient.

    Returns a handle whose ``remove()`` takes the hook away.  Hooks are called in the order in which they were registered,
    and not by forward walks, which carry tangents.  Every walk means every one that passes this tensor: that of a second
    derivative calls the hook again, with the derivative of the first one by this tensor.  So a hook that changes gradients
    changes each of them.  Raises RuntimeError if the tensor does not require a gradient.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor(3.0, requires_grad=True)
    >>> handle = x.register_hook(lambda grad: grad * 10)
    >>> (x * x).backward()
    >>> x.grad
    tensor(60.)
    """
    return HookHandle(hooks_of(self), hook, "register_hook")


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> HookHandle:
    """Call ``hook(leaf)`` whenever a backward walk has added to the ``.grad`` of this leaf.

    It may use the gradient up, e.g. for a step of an optimizer, and set ``.grad`` to None: then no two parameters' gradients
    are in memory at the same time.  Returns a handle whose ``remove()`` takes the hook away.  Raises RuntimeError if the
    tensor is no leaf that requires a gradient.

    Examples
    --------
    >>> import fastad
    >>> w = fastad.tensor(3.0, requires_grad=True)
    >>> def step(leaf):
    ...     with fastad.no_grad():
    ...         leaf -= 0.5 * leaf.grad
    ...     leaf.grad = None
    >>> handle = w.register_post_accumulate_grad_hook(step)
    >>> (w * w).backward()
    >>> w, w.grad
    (tensor(0., requires_grad=True), None)
    """
    node, _ = place_of(self)
    if node is None or not self.is_leaf:
        raise RuntimeError("register_post_accumulate_grad_hook: this tensor is no leaf that requires a gradient; "
                           "register_hook sees the gradients of others")
    return HookHandle(add_after(node), hook, "register_post_accumulate_grad_hook")


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this intermediate value, as its hooks leave it, in its ``.grad``; see also ``retains_grad``.

    Raises RuntimeError if the tensor does not require a gradient.  A leaf keeps its gradient anyway.

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
    if not self.requires_grad:
        raise RuntimeError("retain_grad: this tensor does not require a gradient")
    if not self.is_leaf and not retains_grad(self):
        hooks_of(self).append(Keeper(self))


def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called on this intermediate value."""
    return not self.is_leaf and any(isinstance(hook, Keeper) and hook.tensor() is self for hook in hooks_of(self))


install("register_hook", register_hook)
install("register_post_accumulate_grad_hook", register_post_accumulate_grad_hook)
install("retain_grad", retain_grad)
install("retains_grad", property(retains_grad))
