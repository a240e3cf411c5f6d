"""functional_call: a module with other parameters, for one call.  Next: parametrize.py."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from ..module import Module

__all__ = ["functional_call"]


def functional_call(module: Module, parameters_and_buffers: Mapping[str, Tensor], args: Any = None,
                    kwargs: Mapping[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False) -> Any:
    """module(*args, **kwargs) with the given tensors in the place of its parameters and buffers.

    The result is a function of these tensors, so it can be differentiated by them, by transforms too.  During the call the
    module holds them, so no other thread may use it; after it the module is what it was.  A buffer that the call sets anew
    is put into `parameters_and_buffers`, if it stood there.

    Parameters
    ----------
    module : Module
    parameters_and_buffers : dict from name to Tensor
        Names as in `named_parameters` and `named_buffers`; those left out stay as they are.
    args : tuple, or one argument that is none
    kwargs : dict, optional
    tie_weights : bool
        A tensor that the module shares is replaced under all its names by what is given for one.
    strict : bool
        Every parameter and buffer must be given.

    Raises
    ------
    RuntimeError
        If a name is none of the module's, or under `strict` one is missing.
    ValueError
        If two names of one shared tensor are given different tensors.
    TypeError
        If a value is no tensor.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils.stateless import functional_call
    >>> layer = fastad.nn.Linear(2, 1, bias=False, dtype="float64")
    >>> x = fastad.tensor([3.0, 4.0])
    >>> fastad.grad(lambda w: functional_call(layer, {"weight": w}, x).sum())(layer.weight.detach())
    tensor([[3., 4.]])
    """
    places = list(_places(module))
    own = {name: getattr(owner, registry)[member] for name, owner, registry, member in places}
    unknown = [name for name in parameters_and_buffers if name not in own]
    if unknown:
        raise RuntimeError(f"functional_call: {type(module).__name__} has no parameter or buffer {', '.join(unknown)}; it "
                           f"has {', '.join(own) or 'none'}")
    for name, value in parameters_and_buffers.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"functional_call: {name} must be a tensor, got {type(value).__name__}")
    given = dict(parameters_and_buffers)
    if tie_weights:
        given = _tied(own, given)
    missing = [name for name in own if name not in given]
    if strict and missing:
        raise RuntimeError(f"functional_call: {', '.join(missing)} are missing")
    changed = [(place, given[place[0]]) for place in places if place[0] in given]
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    for (_, owner, registry, member), value in changed:
        _set(owner, registry, member, value)
    try:
        return module(*arguments, **(kwargs or {}))
    finally:
        for (name, owner, registry, member), value in changed:
            now = getattr(owner, registry).get(member)
            if now is not value and name in parameters_and_buffers:
                _remember(parameters_and_buffers, name, now)
            _set(owner, registry, member, own[name])


def _places(module: Module) -> Iterator[tuple[str, Module, str, str]]:
    """(name, owner, registry, name there) of every tensor, by all its names."""
    for path, owner in module.named_modules(remove_duplicate=False):
        for registry in ("_parameters", "_buffers"):
            for member, value in getattr(owner, registry).items():
                if value is not None:
                    yield (f"{path}.{member}" if path else member), owner, registry, member


def _set(owner: Module, registry: str, member: str, value: Any) -> None:
    """Past the checks of attributes: what stands in for a parameter need not be one."""
    getattr(owner, registry)[member] = vars(owner)[member] = value


def _remember(given: Mapping[str, Tensor], name: str, value: Any) -> None:
    if hasattr(given, "__setitem__"):
        target: MutableMapping[str, Any] = given  # type: ignore[assignment]
        target[name] = value


def _tied(own: Mapping[str, Any], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is given, under every name of the tensor that it replaces."""
    chosen: dict[int, tuple[str, Tensor]] = {}
    for name, value in given.items():
        first, other = chosen.setdefault(id(own[name]), (name, value))
        if other is not value:
            raise ValueError(f"functional_call: {first} and {name} are one tensor of the module, but are given two; give "
                             f"one, or tie_weights=False")
    return {name: chosen[id(value)][1] for name, value in own.items() if id(value) in chosen}
