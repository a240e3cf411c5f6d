"""Functions that are called with a module's inputs, outputs and their gradients; and the classes of modules that have some.

A module is called without a frame in between (module.py).  One with hooks, or with parameters that are computed
(utils/parametrize.py), gets a class of its own kind with a `__call__` that runs them, or with properties: a subclass of its
class, made once, of the same name.  Without any it has its own class again.

Imports fastad._core only.  Next: module.py.
"""
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._core.make import Rule, from_numpy
from .._core.tape import is_grad_enabled
from .._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from .._core.tape import Node

    _Gradients = tuple[Tensor | None, ...]

KINDS = ("forward_pre", "forward", "full_backward_pre", "full_backward")
_variants: dict[tuple[Any, bool, tuple[str, ...]], Any] = {}


# ---- classes of modules that do more than their class says -------------------------------------------
def dress(module: Any) -> None:
    """Give the module the class that runs its hooks and computes its parametrized tensors; its own if it has neither."""
    plain = getattr(type(module), "_plain", type(module))
    hooked = any(vars(module).get("_hooks", {}).values())
    names = tuple(vars(module).get("parametrizations", ()))
    if hooked or names:
        plain = variant(plain, hooked, names)
    object.__setattr__(module, "__class__", plain)


def variant(plain: Any, hooked: bool, names: tuple[str, ...]) -> Any:
    """The class of modules of a class that have hooks, and parametrized tensors of these names."""
    key = plain, hooked, names
    if key not in _variants:
        _variants[key] = _made(*key)
    return _variants[key]


def _made(plain: Any, hooked: bool, names: tuple[str, ...]) -> Any:
    space: dict[str, Any] = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__,
                             "_plain": plain, "_variant_of": (plain, hooked, names), "__reduce_ex__": _reduced}
    for name in names:
        space[name] = property(partial(_computed, name))
    if names:
        def set_(self: Any, name: str, value: Any) -> None:
            if name in names:
                self.parametrizations[name].assign(value)
            else:
                plain.__setattr__(self, name, value)

        space["__setattr__"] = set_
    if hooked:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return call_with_hooks(self, plain.__call__, args, kwargs)

        space["__call__"] = call
    return type(plain)(plain.__name__, (plain,), space)


def _computed(name: str, self: Any) -> Any:
    return self.parametrizations[name]()


def _reduced(self: Any, protocol: int) -> Any:
    """A copy, or a pickle, names the module's own class: others cannot be found by their name."""
    return _restored, self._variant_of, vars(self)


def _restored(*key: Any) -> Any:
    made = variant(*key)
    return made.__new__(made)


# ---- calling -----------------------------------------------------------------------------------------
def call_with_hooks(module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """forward(module, *args, **kwargs) between its hooks."""
    hooks = module._hooks
    for hook, with_kwargs, _ in list(hooks["forward_pre"]):
        if with_kwargs:
            found = hook(module, args, kwargs)
            if found is not None:
                if not (isinstance(found, tuple) and len(found) == 2):
                    raise RuntimeError(f"{type(module).__name__}: a forward_pre hook with kwargs must return None or the "
                                       f"pair (args, kwargs), got {type(found).__name__}")
                args, kwargs = found
        else:
            found = hook(module, args)
            if found is not None:
                args = found if isinstance(found, tuple) else (found,)
    watch = Watch(module) if hooks["full_backward"] or hooks["full_backward_pre"] else None
    if watch is not None:
        args = watch.inputs(args)
    called = []
    try:
        result = forward(module, *args, **kwargs)
        for entry in list(hooks["forward"]):
            called.append(entry)
            hook, with_kwargs, _ = entry
            found = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            if found is not None:
                result = found
    except BaseException:
        for entry in list(hooks["forward"]):
            hook, with_kwargs, always = entry
            if always and entry not in called:
                hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise
    return result if watch is None else watch.outputs(result)


class Watch:
    """One call of a module whose gradients somebody wants to see."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.count = 0                                    # of positional arguments
        self.places: list[int] = []                       # of those that have gradients
        self.grad_output: _Gradients = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments behind a node that sees their gradients from this module alone."""
        self.count = len(args)
        self.places = [k for k, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad and is_grad_enabled()]
        if not self.places:
            return args
        passed, behind = list(args), INPUTS.passed([args[k] for k in self.places], self)
        for k, x in zip(self.places, behind, strict=True):
            passed[k] = x
        return tuple(passed)

    def outputs(self, result: Any) -> Any:
        """The results behind a node that sees their gradients; of a tuple or list those that stand in it themselves."""
        if isinstance(result, Tensor):
            return OUTPUTS.passed([result], self)[0] if result.requires_grad and is_grad_enabled() else result
        if type(result) not in (tuple, list):
            return result
        places = [k for k, r in enumerate(result) if isinstance(r, Tensor) and r.requires_grad and is_grad_enabled()]
        if not places:
            return result
        passed = list(result)
        for k, r in zip(places, OUTPUTS.passed([result[k] for k in places], self), strict=True):
            passed[k] = r
        return type(result)(passed)

    def leaving(self, g: _Gradients) -> _Gradients:
        """The gradients of the outputs have come."""
        for hook, _, _ in list(self.module._hooks["full_backward_pre"]):
            g = self.replaced("full_backward_pre", hook(self.module, g), g)
        self.grad_output = g
        if not self.places:                               # nothing will come to the inputs
            self.arrived(())
        return g

    def arrived(self, g: _Gradients) -> _Gradients:
        """The gradients of the inputs have come."""
        full: list[Tensor | None] = [None] * self.count
        for k, gradient in zip(self.places, g, strict=True):
            full[k] = gradient
        now = tuple(full)
        for hook, _, _ in list(self.module._hooks["full_backward"]):
            now = self.replaced("full_backward", hook(self.module, now, self.grad_output), now)
        return tuple(now[k] for k in self.places)

    def replaced(self, kind: str, found: Any, g: _Gradients) -> _Gradients:
        if found is None:
            return g
        new = found if isinstance(found, tuple) else (found,)
        if len(new) != len(g) or any(getattr(a, "shape", None) != getattr(b, "shape", None)
                                     for a, b in zip(new, g, strict=True)):
            raise RuntimeError(f"{type(self.module).__name__}: a {kind} hook must return None or a gradient for each one it "
                               f"was given, of the same shape")
        return new


class Passing(Rule):
    """The identity; the cotangents are shown to the hooks of a module"""

    def passed(self, tensors: list[Tensor], watch: Watch) -> list[Tensor]:
        """The same numbers in memory of their own, behind one node."""
        return self.record(tensors, [from_numpy(t.detach().numpy().copy()) for t in tensors], watch, ())

    def vjp(self, node: Node, saved: tuple[Tensor, ...], g: Any) -> _Gradients:
        given = g if isinstance(g, tuple) else (g,)
        watch: Watch = node.args
        return watch.arrived(given) if self is INPUTS else watch.leaving(given)

    def jvp(self, node: Node, saved: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Any:
        return tangents if len(tangents) > 1 else tangents[0]


INPUTS, OUTPUTS = Passing("module_inputs", one_by_one=True), Passing("module_outputs", one_by_one=True)


# ---- registering -------------------------------------------------------------------------------------
class ModuleHook:
    """What registering a hook on a module returns; as a ``with`` block it removes the hook at the end."""

    def __init__(self, module: Any, kind: str, hook: Callable[..., Any], prepend: bool, with_kwargs: bool,
                 always: bool) -> None:
        if not callable(hook):
            raise TypeError(f"register_{kind}_hook: expected a function, got {type(hook).__name__}")
        if "_hooks" not in vars(module):
            vars(module)["_hooks"] = {kind: [] for kind in KINDS}
        self.module, self.kind = module, kind
        self.entry = (partial(hook), with_kwargs, always)     # an entry of its own, if the hook stands there twice
        hooks = module._hooks[kind]
        hooks.insert(0 if prepend else len(hooks), self.entry)
        dress(module)

    def remove(self) -> None:
        """Take the hook away."""
        hooks = self.module._hooks[self.kind]
        if self.entry in hooks:
            hooks.remove(self.entry)
            dress(self.module)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.remove()


class Hookable:
    """The methods of a module that register hooks."""

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False,
                                  with_kwargs: bool = False) -> ModuleHook:
        """Call ``hook(module, args)`` before every forward; what it returns (one value or a tuple) replaces the arguments.

        With `with_kwargs` it is ``hook(module, args, kwargs)``, which may return a pair of both.  `prepend`: before the
        hooks that are there.  Returns a handle whose ``remove()`` takes the hook away.

        Examples
        --------
        >>> import fastad
        >>> layer = fastad.nn.Identity()
        >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
        >>> layer(fastad.tensor(3.0))
        tensor(6.)
        """
        return ModuleHook(self, "forward_pre", hook, prepend, with_kwargs, False)

    def register_forward_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> ModuleHook:
        """Call ``hook(module, args, output)`` after every forward; what it returns replaces the output.

        With `with_kwargs` it is ``hook(module, args, kwargs, output)``; with `always_call` it is called, with the output
        None, where forward fails too.  Returns a handle whose ``remove()`` takes the hook away.

        Examples
        --------
        >>> import fastad
        >>> layer = fastad.nn.Linear(4, 3)
        >>> with layer.register_forward_hook(lambda module, args, output: print(args[0].shape, output.shape)):
        ...     y = layer(fastad.ones((2, 4), dtype="float32"))
        (2, 4) (2, 3)
        """
        return ModuleHook(self, "forward", hook, prepend, with_kwargs, always_call)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> ModuleHook:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs, a tuple, are there; it may replace them.

        See `register_full_backward_hook`.
        """
        return ModuleHook(self, "full_backward_pre", hook, prepend, False, False)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> ModuleHook:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are there; it may replace these.

        Both are tuples: of the positional arguments, and of the output or outputs; None where there is no gradient, as for
        what is no tensor.  Tensors inside of arguments, keywords and nested outputs are not seen.  If no input requires a
        gradient, the hook is called when those of the outputs are there.  As with `Tensor.register_hook`, every backward
        walk calls it, also that of a second derivative, and no forward walk does.  While it is there, inputs and outputs are
        copied.  Returns a handle whose ``remove()`` takes the hook away.

        Examples
        --------
        >>> import fastad
        >>> layer, x = fastad.nn.ReLU(), fastad.tensor([-1.0, 2.0], requires_grad=True)
        >>> handle = layer.register_full_backward_hook(lambda module, into, out_of: print(into, out_of))
        >>> (layer(x) * 3).sum().backward()
        (tensor([0., 3.]),) (tensor([3., 3.]),)
        """
        return ModuleHook(self, "full_backward", hook, prepend, False, False)
