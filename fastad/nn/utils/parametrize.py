"""Parameters that are computed from others, by a module, whenever they are read.  Next: parametrizations.py.

A parametrized module has a member `parametrizations`; what it computes from, `original`, stands there and is trained.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core.make import as_tensors
from ..._core.tensor import Tensor
from ...recording import no_grad
from ..container import ModuleDict, ModuleList
from ..hooks import dress
from ..module import Module
from ..parameter import Parameter

if TYPE_CHECKING:
    from ..._typing import ArrayLike

__all__ = ["ParametrizationList", "is_parametrized", "register_parametrization", "remove_parametrizations"]


class ParametrizationList(ModuleList):
    """What one tensor is computed from, `original` or `original0`, `original1`, ..., and the modules that do it in turn.

    `register_parametrization` makes it.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.parametrizations import weight_norm
    >>> layer = weight_norm(fastad.nn.Linear(2, 3))
    >>> [name for name, _ in layer.parametrizations["weight"].named_parameters()]
    ['original0', 'original1']
    """

    def __init__(self, modules: list[Module] | None = None, original: Tensor | None = None) -> None:
        super().__init__(modules)
        self.names: tuple[str, ...] = ()
        if original is not None:
            self._start(original)

    def _start(self, original: Tensor) -> None:
        """Keep what the first module computes the tensor from."""
        sources = self._inverse(original)
        if isinstance(sources, Tensor):
            if isinstance(original, Parameter) and sources.shape == original.shape:
                if sources is not original:
                    original.detach().copy_(sources)
                sources = original                        # the object stays, so optimizers hold it
            self.names = ("original",)
            self._keep("original", sources, original)
        else:
            self.names = tuple(f"original{k}" for k in range(len(sources)))
            for name, source in zip(self.names, sources, strict=True):
                self._keep(name, source, original)

    def _keep(self, name: str, source: Tensor, original: Tensor) -> None:
        if isinstance(original, Parameter):
            self.register_parameter(name, source if isinstance(source, Parameter)
                                    else Parameter(source.detach(), original.requires_grad))
        else:
            self.register_buffer(name, source)

    def _inverse(self, value: Any) -> Any:
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
        if not isinstance(value, Tensor) and not (isinstance(value, list | tuple)
                                                  and all(isinstance(v, Tensor) for v in value)):
            raise ValueError(f"right_inverse of {type(self[0]).__name__} must give a tensor or several, got "
                             f"{type(value).__name__}")
        return value

    def assign(self, value: ArrayLike) -> None:
        """Make the tensor this value, as far as the modules' `right_inverse` can."""
        now = self()
        given, = as_tensors(value)
        if given.shape != now.shape:
            raise ValueError(f"a parametrized tensor of shape {now.shape} can be set to one of this shape, got "
                             f"{given.shape}")
        sources = self._inverse(given.detach())
        for name, source in zip(self.names, [sources] if isinstance(sources, Tensor) else sources, strict=True):
            getattr(self, name).detach().copy_(source.detach())

    def forward(self) -> Any:
        """The tensor."""
        first, *others = self
        value = first(*[getattr(self, name) for name in self.names])
        for module in others:
            value = module(value)
        return value


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """Compute a parameter or buffer of a module, from now on, by another module; returns the first.

    ``module.weight`` is then ``parametrization(original)``, computed whenever it is read, with its derivative; the parameter
    that is trained is ``parametrizations.weight.original``.  A second parametrization takes what the first one gives.  If it
    has a method `right_inverse`, the tensor starts as ``parametrization(right_inverse(value))``; that may give several
    tensors, which are then ``original0``, ``original1``, ..., and setting ``module.weight`` goes through it.

    Parameters
    ----------
    module : Module
    tensor_name : str
    parametrization : Module
        From a tensor to one of the same shape and dtype.
    unsafe : bool
        Another shape or dtype is no error.

    Raises
    ------
    ValueError
        If the module has no such tensor, or the parametrization changes its shape or dtype; nothing has been changed.
    TypeError
        If an argument is no module.

    Examples
    --------
    >>> import fastad
    >>> from fastad import nn
    >>> from fastad.nn.utils.parametrize import register_parametrization
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return fastad.triu(x) + fastad.triu(x, 1).T
    >>> layer = register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    for what, given in (("module", module), ("parametrization", parametrization)):
        if not isinstance(given, Module):
            raise TypeError(f"register_parametrization: {what} must be a Module, got {type(given).__name__}")
    if is_parametrized(module, tensor_name):
        _add(module.parametrizations[tensor_name], tensor_name, parametrization, unsafe)
        return module
    original = module._parameters.get(tensor_name)
    if original is None:
        original = module._buffers.get(tensor_name)  # type: ignore[assignment]
    if original is None:
        raise ValueError(f"register_parametrization: {type(module).__name__} has no parameter or buffer {tensor_name!r}; "
                         f"it has {', '.join([*module._parameters, *module._buffers]) or 'none'}")
    before = original.detach().numpy().copy()
    made = ParametrizationList([parametrization], original)
    try:
        _same(tensor_name, parametrization, original, made, unsafe)
    except BaseException:
        original.detach().copy_(before)
        raise
    persistent = tensor_name not in module._transient
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = made
    made._transient.update(() if persistent else made.names)
    dress(module)
    return module


def _same(name: str, parametrization: Module, wanted: Tensor, made: ParametrizationList, unsafe: bool) -> None:
    with no_grad():
        found = made()
    if not isinstance(found, Tensor):
        raise ValueError(f"register_parametrization: {type(parametrization).__name__} must give a tensor, got "
                         f"{type(found).__name__}")
    if not unsafe and (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
        raise ValueError(f"register_parametrization: {name} has shape {wanted.shape} and dtype {wanted.dtype}, "
                         f"{type(parametrization).__name__} makes of it {found.shape} and {found.dtype}; unsafe=True "
                         f"allows it")


def _add(made: ParametrizationList, name: str, parametrization: Module, unsafe: bool) -> None:
    """A further parametrization of a tensor that has one."""
    with no_grad():
        now = made().copy()
    made.append(parametrization)
    try:
        _same(name, parametrization, now, made, unsafe)
        if hasattr(parametrization, "right_inverse"):
            made.assign(now)
    except BaseException:
        del made[-1]
        raise


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Undo `register_parametrization`; returns the module.

    The tensor is a plain parameter again: the value as it was computed, or for ``leave_parametrized=False`` the original.

    Raises ValueError if the tensor has no parametrization, or one with several originals and ``leave_parametrized=False``.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.parametrizations import weight_norm
    >>> from fastad.nn.utils.parametrize import remove_parametrizations
    >>> layer = remove_parametrizations(weight_norm(fastad.nn.Linear(2, 3)), "weight")
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {tensor_name!r} of {type(module).__name__} has no parametrization")
    made: ParametrizationList = module.parametrizations[tensor_name]
    first = getattr(made, made.names[0])
    if len(made.names) > 1 and not leave_parametrized:
        raise ValueError(f"remove_parametrizations: {tensor_name} is computed from {', '.join(made.names)}; there is no "
                         f"original to go back to, take leave_parametrized=True")
    trained = isinstance(first, Parameter)
    value: Tensor = first
    if leave_parametrized:
        with no_grad():
            now = made().copy()
        if len(made.names) == 1 and now.shape == first.shape and now.dtype == first.dtype:
            first.detach().copy_(now)                     # the object stays, so optimizers hold it
        else:
            value = Parameter(now, first.requires_grad) if trained else now
    persistent = made.names[0] not in made._transient
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    dress(module)
    if trained:
        module.register_parameter(tensor_name, value)  # type: ignore[arg-type]
    else:
        module.register_buffer(tensor_name, value, persistent)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or this tensor of it, is computed by a parametrization.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.parametrize import is_parametrized
    >>> is_parametrized(fastad.nn.Linear(2, 3))
    False
    """
    made = vars(module).get("parametrizations")
    if not isinstance(made, ModuleDict) or not len(made):
        return False
    return tensor_name is None or tensor_name in made
