"""Sequential: modules one after the other.  Next: linear.py."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, overload

from .module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self

    from .._core.tensor import Tensor


class Sequential(Module):
    """Feeds each module's result to the next.

    Takes modules, which are named '0', '1', ..., or one ordered dict from name to module.

    Examples
    --------
    >>> from fastad import nn
    >>> nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    Sequential(
      (0): Linear(in_features=4, out_features=16, bias=True)
      (1): ReLU()
      (2): Linear(in_features=16, out_features=3, bias=True)
    )
    """

    @overload
    def __init__(self, modules: Mapping[str, Module], /) -> None: ...
    @overload
    def __init__(self, *modules: Module) -> None: ...
    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            members: Iterable[tuple[str, Module]] = args[0].items()
        else:
            members = ((str(i), module) for i, module in enumerate(args))
        for name, module in members:
            self.add_module(name, module)

    def forward(self, input: Tensor) -> Tensor:
        for module in self._modules.values():
            input = module(input)
        return input

    def append(self, module: Module) -> Self:
        """Add a module at the end, under the next free number; returns self."""
        number = len(self._modules)
        while str(number) in self._modules:
            number += 1
        self.add_module(str(number), module)
        return self

    def _name(self, index: int) -> str:
        names = list(self._modules)
        if not -len(names) <= index < len(names):
            raise IndexError(f"Sequential: index {index} is out of range, there are {len(names)} modules")
        return names[index]

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        member: Module = self._modules[self._name(index)]
        return member

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name(index), module)

    def __delitem__(self, index: int) -> None:
        delattr(self, self._name(index))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())
