"""Module: what every layer is.

A module's parameters, buffers and submodules are plain attributes of the instance, so that reading one costs
what reading any attribute costs; beside them the module keeps ordered registries of them, which only
`__setattr__` and `__delattr__` change.  Calling a module calls its `forward` without a frame in between.

Imports hooks.py and parameter.py.  Next: linear.py, the simplest layer.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core.make import is_differentiated, rebind
from .._core.primitives.optimizer import zero_grad
from .._core.tape import is_grad_enabled
from .._core.tensor import Tensor
from .hooks import Hookable
from .parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self

    from .._typing import ArrayLike, DType, Forward, P, R


class Keys(NamedTuple):
    """What `load_state_dict` found amiss."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Hookable):
    """Base class of layers and networks: set parameters and submodules as attributes, define `forward`.

    Examples
    --------
    >>> import fastad
    >>> from fastad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(2, 3)
    ...     def forward(self, x):
    ...         return self.hidden(x).tanh()
    >>> net = Net()
    >>> [name for name, p in net.named_parameters()]
    ['hidden.weight', 'hidden.bias']
    >>> net.load_state_dict(Net().state_dict())
    Keys(missing_keys=[], unexpected_keys=[])
    >>> net.eval().training, net.train().training
    (False, True)
    >>> net.double().get_parameter("hidden.bias").dtype
    dtype('float64')
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _transient: set[str]
    _hooks: dict[str, list[Any]]                # once there was one
    parametrizations: Any                       # a ModuleDict, while a tensor is computed: utils/parametrize.py

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.__dict__.update(_parameters={}, _buffers={}, _transient=set(), _modules={}, training=True)
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = {vars(base).get("forward") for base in cls.__mro__}
        if "__call__" not in vars(cls) and cls.__call__ in inherited:
            cls.__call__ = cls.forward  # type: ignore[method-assign, assignment]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's result; a subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    if TYPE_CHECKING:

        def __call__(self: Forward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    else:
        __call__ = forward

    # -- registration
    def __setattr__(self, name: str, value: Any) -> None:
        registry = self._registry_of(name, value)
        if registry is None:
            self._forget(name)
        elif name not in registry:
            self._forget(name)
            registry[name] = value
        else:
            registry[name] = value  # keeps its place in the order
        self.__dict__[name] = value

    def _registry_of(self, name: str, value: Any) -> dict[str, Any] | None:
        """Where an attribute belongs; None for a plain one."""
        if isinstance(value, Parameter):
            return self._parameters
        if isinstance(value, Module):
            return self._modules
        if name in self._buffers and (value is None or isinstance(value, Tensor)):
            return self._buffers
        if value is None:
            registries: tuple[dict[str, Any], ...] = (self._parameters, self._modules)
            return next((names for names in registries if name in names), None)
        if name in self._parameters or name in self._buffers:
            kind, wanted = ("parameter", "a Parameter") if name in self._parameters else ("buffer", "a Tensor")
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind} and can become {wanted} or None, not "
                f"{type(value).__name__}; delete the attribute first to use its name for something else"
            )
        if name == "forward":
            raise AttributeError("forward is called through the class: define it there, not on the instance")
        return None

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._forget(name)

    def _forget(self, name: str) -> None:
        registries: tuple[dict[str, Any], ...] = (self._parameters, self._buffers, self._modules)
        for registry in registries:
            registry.pop(name, None)
        self._transient.discard(name)

    def _register(self, registry: dict[str, Any], name: str, value: Any, kind: type) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{type(self).__name__}: {name!r} is no name for a member: it must be a string without dots")
        if hasattr(self, name) and name not in registry:
            raise ValueError(f"{type(self).__name__} already has an attribute {name!r}")
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{type(self).__name__}: {name!r} must be a {kind.__name__} or None, got {type(value).__name__}")
        registry[name] = self.__dict__[name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set a Parameter, or None as the placeholder of one."""
        self._register(self._parameters, name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set a tensor that is not trained; it stands in the state_dict if `persistent`."""
        self._register(self._buffers, name, tensor, Tensor)
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set a submodule under a name that need not be an identifier."""
        self._register(self._modules, name, module, Module)

    # -- members
    def _members(self, registry: str, prefix: str, recurse: bool, once: bool = True) -> Iterator[tuple[str, Any]]:
        """(name, object) of every member, `once` or by all its names, in the order of registration, depth first."""
        seen = set()
        for path, module in self.named_modules(prefix, once) if recurse else [(prefix, self)]:
            for name, member in getattr(module, registry).items():
                if member is not None and not (once and id(member) in seen):
                    seen.add(id(member))
                    yield (f"{path}.{name}" if path else name), member

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(name, Parameter) pairs; a parameter that is shared appears once, unless told otherwise."""
        return self._members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, of submodules too unless told otherwise."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) pairs of the buffers."""
        return self._members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, of submodules too unless told otherwise."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, Module) pairs of the direct submodules."""
        return self._members("_modules", "", False)

    def children(self) -> Iterator[Module]:
        """The direct submodules."""
        return (m for _, m in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True,
                      _seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        """(name, Module) pairs of this module and all below it, each once unless told otherwise."""
        seen = set() if _seen is None else _seen
        if remove_duplicate and id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(f"{prefix}.{name}" if prefix else name, remove_duplicate, seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (m for _, m in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The module of this name, such as 'encoder.0'; the module itself for ''.  Raises AttributeError if there is none.

        Examples
        --------
        >>> from fastad import nn
        >>> nn.Sequential(nn.ReLU(), nn.Tanh()).get_submodule("1")
        Tanh()
        """
        module: Module = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(f"{type(self).__name__} has no module {target!r}: {type(module).__name__} has no "
                                     f"member {name!r}; there are {', '.join(module._modules) or 'none'}")
            module = found
        return module

    def _get(self, registry: str, what: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = getattr(module, registry).get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no {what} {target!r}: {type(module).__name__} has "
                                 f"{', '.join(getattr(module, registry)) or 'none'}")
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of this name, such as 'encoder.0.weight'.  Raises AttributeError if there is none."""
        found: Parameter = self._get("_parameters", "parameter", target)
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of this name.  Raises AttributeError if there is none."""
        found: Tensor = self._get("_buffers", "buffer", target)
        return found

    # -- changes to all of them
    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call function(module) on every submodule, children first, and on this one; returns self."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set the `training` flag here and below; returns self."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Set the `training` flag to False: `train(False)`."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        zero_grad(list(self.parameters()))

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters, or freeze them; returns self."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def astype(self, dtype: DType) -> Self:
        """Convert float parameters and buffers in place: the objects stay, so optimizers still hold them, but the state
        that one has by now does not fit any more; make the optimizer after converting.

        Raises TypeError if `dtype` is no float dtype.
        """
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"astype: a module's parameters are floats, they cannot become {np.dtype(dtype)}")
        for _, member in (*self.named_parameters(), *self.named_buffers()):
            if member.dtype.kind == "f":
                rebind(member, dtype)
        return self

    def float(self) -> Self:
        """Convert to single precision: `astype(float32)`."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """Convert to double precision: `astype(float64)`."""
        return self.astype(np.float64)

    def half(self) -> Self:
        """`astype(float16)`, which has no kernels of its own: it saves memory, not time."""
        return self.astype(np.float16)

    def to(self, dtype: DType | Tensor) -> Self:
        """`astype` a dtype, or the dtype of a tensor; "cpu" changes nothing.  Raises TypeError for what is neither.

        Examples
        --------
        >>> import fastad
        >>> fastad.nn.Linear(2, 3).to("float64").weight.dtype
        dtype('float64')
        """
        if isinstance(dtype, str) and dtype == "cpu":
            return self
        try:
            kind = dtype.dtype if isinstance(dtype, Tensor) else np.dtype(dtype)
        except TypeError:
            raise TypeError(f"to: expected a float dtype or a tensor, got {dtype!r}; there is no device but 'cpu'") from None
        return self.astype(kind)

    # -- state
    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) of what the state_dict holds; a shared member has every one of its names."""
        for path, module in self.named_modules(remove_duplicate=False):
            for name, member in (*module._parameters.items(), *module._buffers.items()):
                if member is not None and name not in module._transient:
                    yield (f"{path}.{name}" if path else name), member

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """A dict from name to Tensor: the parameters and persistent buffers, sharing their memory.

        `prefix` stands before every name; with `keep_vars` the values are the parameters and buffers themselves.

        Examples
        --------
        >>> import fastad
        >>> list(fastad.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        return {prefix + name: member if keep_vars else member.detach() for name, member in self._state()}

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike], strict: bool = True) -> Keys:
        """Copy values into the parameters and buffers of the same names.

        Parameters
        ----------
        state_dict : dict from name to Tensor, ndarray, or what numpy.asarray reads (PyTorch's tensors are)
        strict : bool
            Names must match exactly.

        Returns
        -------
        The names that were missing and unexpected, as a named tuple.

        Raises
        ------
        RuntimeError
            If names (`strict`), shapes or dtypes do not match, or memory is read-only; it lists all, and nothing has been
            changed.
        TypeError
            If that is no dict, or a value is being differentiated by a transform.
        """
        if not hasattr(state_dict, "keys"):
            remedy = "; give its state_dict()" if hasattr(state_dict, "state_dict") else ""
            raise TypeError(f"load_state_dict for {type(self).__name__}: expected a dict from name to tensor, got "
                            f"{type(state_dict).__name__}{remedy}")
        own = dict(self._state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        faults = []
        if strict and missing:
            faults.append(f"missing: {', '.join(missing)}")
        if strict and unexpected:
            faults.append(f"unexpected: {', '.join(unexpected)}")
        values = {}
        for name, member in own.items():
            if name not in state_dict:
                continue
            value = state_dict[name]
            if isinstance(value, Tensor) and is_grad_enabled() and is_differentiated([value]):
                raise TypeError(f"load_state_dict: {name} is being differentiated, and its copy would be a constant; give "
                                f"its detach(), or set the attribute instead")
            value = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
            if value.shape != member.shape:
                faults.append(f"{name}: shape {value.shape} given, {member.shape} expected")
            elif not np.can_cast(value.dtype, member.dtype, "same_kind"):
                faults.append(f"{name}: dtype {value.dtype} given, {member.dtype} expected")
            elif not member.detach().numpy().flags.writeable:
                faults.append(f"{name}: its memory is read-only")
            values[name] = value
        if faults:
            raise RuntimeError(f"load_state_dict for {type(self).__name__}: " + "; ".join(faults))
        for name, value in values.items():
            own[name].detach().copy_(value)
        return Keys(missing, unexpected)

    # -- copies
    def __copy__(self) -> Self:
        """The same members under another module: what is set on one does not appear on the other."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        for registry in ("_parameters", "_buffers", "_transient", "_modules"):
            twin.__dict__[registry] = self.__dict__[registry].copy()
        if "_hooks" in self.__dict__:
            twin.__dict__["_hooks"] = {kind: hooks.copy() for kind, hooks in self._hooks.items()}
        return twin

    # -- appearance
    def extra_repr(self) -> str:
        """What stands in the brackets of the repr of a module without submodules."""
        return ""

    def __repr__(self) -> str:
        lines = self.extra_repr().splitlines()
        for name, module in self._modules.items():
            lines += f"({name}): {module!r}".splitlines()
        if not self._modules and len(lines) <= 1:
            return f"{type(self).__name__}({''.join(lines)})"
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)"
