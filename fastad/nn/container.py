"""Containers: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict.  Next: linear.py.

What a container holds are members of it, under the numbers '0', '1', ... or under names, so that all else finds them.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from .._core.tensor import Tensor
from .module import Module
from .parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from operator import index
    from typing import Any, Self, SupportsIndex

    from .._typing import ArrayLike
else:
    from operator import index

Item = TypeVar("Item")
Pairs = Mapping[str, Item] | Iterable[tuple[str, Item]]


class _Members(Module, Generic[Item]):
    """What containers share: an ordered registry of items by name."""

    @property
    def _items(self) -> dict[str, Item]:
        return self._modules

    def _put(self, name: str, item: Any) -> None:
        self.add_module(name, item)

    def _checked(self, item: Any) -> Any:
        """What can be put in, before anything is changed."""
        if not isinstance(item, Module):
            raise TypeError(f"{type(self).__name__}: a member must be a Module, got {type(item).__name__}")
        return item

    def _refill(self, items: dict[str, Item]) -> None:
        """Hold these, in this order."""
        for name in list(self._items):
            delattr(self, name)
        for name, item in items.items():
            self._put(name, item)

    def __len__(self) -> int:
        return len(self._items)


class _List(_Members[Item]):
    """A list of members; names that are the numbers stay the numbers when one is put in or taken out."""

    def _name(self, place: SupportsIndex) -> str:
        names, number = list(self._items), index(place)
        if not -len(names) <= number < len(names):
            raise IndexError(f"{type(self).__name__}: index {number} is out of range, there are {len(names)} members")
        return names[number]

    def _change(self, items: list[tuple[str | None, Item]]) -> None:
        """Hold these under new numbers, or under their names, if there were others than numbers."""
        if list(self._items) == [str(i) for i in range(len(self))]:
            self._refill({str(i): item for i, (_, item) in enumerate(items)})
            return
        taken = {name for name, _ in items}
        free = (str(i) for i in range(len(self), 2 * len(items) + len(self) + 1) if str(i) not in taken)
        self._refill({next(free) if name is None else name: item for name, item in items})

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    @overload
    def __getitem__(self, place: SupportsIndex) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        return self._part(place) if isinstance(place, slice) else self._items[self._name(place)]

    def _part(self, place: slice) -> Any:
        return type(self)(list(self)[place])

    def __setitem__(self, place: SupportsIndex, item: Item) -> None:
        setattr(self, self._name(place), item)

    def __delitem__(self, place: SupportsIndex | slice) -> None:
        names = list(self._items)
        gone = set(names[place]) if isinstance(place, slice) else {self._name(place)}
        self._change([(name, item) for name, item in self._items.items() if name not in gone])

    def append(self, item: Item) -> Self:
        """Add one at the end; returns self."""
        self.insert(len(self), item)
        return self

    def extend(self, items: Iterable[Item]) -> Self:
        """Add several at the end; returns self."""
        if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
            raise TypeError(f"{type(self).__name__}.extend: expected a list of members, got {type(items).__name__}")
        for item in list(items):
            self.append(item)
        return self

    def insert(self, place: SupportsIndex, item: Item) -> Self:
        """Add one before this place; returns self."""
        if index(place) >= len(self):                        # nothing moves
            number = len(self)
            while str(number) in self._items:
                number += 1
            self._put(str(number), self._checked(item))
            return self
        items: list[tuple[str | None, Item]] = list(self._items.items())
        items.insert(index(place), (None, self._checked(item)))
        self._change(items)
        return self

    def pop(self, place: SupportsIndex = -1) -> Item:
        """Take one out and return it; the last unless told otherwise."""
        item = self._items[self._name(place)]
        del self[place]
        return item

    def __iadd__(self, items: Iterable[Item]) -> Self:
        return self.extend(items)

    def __add__(self, items: Iterable[Item]) -> Self:
        return type(self)(list(self)).extend(items)


class Sequential(_List[Module]):
    """Feeds each module's result to the next; a list of modules besides.

    Takes modules, which are named '0', '1', ..., or one ordered dict from name to module.

    Examples
    --------
    >>> from fastad import nn
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> net
    Sequential(
      (0): Linear(in_features=4, out_features=16, bias=True)
      (1): ReLU()
      (2): Linear(in_features=16, out_features=3, bias=True)
    )
    >>> net.append(nn.Tanh())[1:3]
    Sequential(
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

    def _part(self, place: slice) -> Sequential:
        return Sequential(dict(list(self._modules.items())[place]))

    def __add__(self, items: Iterable[Module]) -> Sequential:
        return Sequential(*self).extend(items)

    def __mul__(self, times: int) -> Sequential:
        """The same modules so many times."""
        if times < 1:
            raise ValueError(f"Sequential: modules can be repeated once or more often, not {times} times")
        return Sequential(*list(self) * times)


class ModuleList(_List[Module]):
    """A list whose modules are members; it has no forward of its own.

    Examples
    --------
    >>> from fastad import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 3), nn.Tanh()])
    >>> layers.insert(1, nn.ReLU())
    ModuleList(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Tanh()
    )
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias']
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())


def parameter(item: Any) -> Any:
    """Anything but None as a Parameter."""
    return item if item is None or isinstance(item, Parameter) else Parameter(item)


class _Parameters(_Members[Item]):
    """Members that are parameters."""

    @property
    def _items(self) -> dict[str, Any]:
        return self._parameters

    def _put(self, name: str, item: Any) -> None:
        self.register_parameter(name, parameter(item))

    def _checked(self, item: Any) -> Any:
        return parameter(item)

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): " + ("None" if p is None else f"Parameter of shape {p.shape}, {p.dtype}")
                         for name, p in self._items.items())


class ParameterList(_List[Parameter], _Parameters[Parameter]):
    """A list whose tensors are parameters of the module that holds it; what is no Parameter becomes one.

    Examples
    --------
    >>> import fastad
    >>> from fastad import nn
    >>> weights = nn.ParameterList([fastad.ones((2, 2)), fastad.zeros(3)])
    >>> [name for name, _ in weights.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[ArrayLike] | None = None) -> None:
        super().__init__()
        self.extend(values or ())  # type: ignore[arg-type]

    def __setitem__(self, place: SupportsIndex, item: Any) -> None:
        super().__setitem__(place, parameter(item))


class _Dict(_Members[Item]):
    """A dict of members, in the order in which they came."""

    def __init__(self, given: Pairs[Item] | None = None) -> None:
        super().__init__()
        if given is not None:
            self.update(given)

    def __getitem__(self, key: str) -> Item:
        return self._items[key]

    def __setitem__(self, key: str, item: Item) -> None:
        if key in self._items:
            setattr(self, key, item)
        else:
            self._put(key, item)

    def __delitem__(self, key: str) -> None:
        if key not in self._items:
            raise KeyError(key)
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._items.keys()

    def values(self) -> Iterable[Item]:
        """The members."""
        return self._items.values()

    def items(self) -> Iterable[tuple[str, Item]]:
        """(name, member) pairs."""
        return self._items.items()

    def update(self, given: Pairs[Item]) -> None:
        """Set members from a mapping, or from (name, member) pairs."""
        if not isinstance(given, Iterable):
            raise TypeError(f"{type(self).__name__}: expected a mapping or pairs, got {type(given).__name__}")
        pairs: Any = given.items() if hasattr(given, "items") else given
        for key, item in pairs:
            self[key] = item

    def get(self, key: str, default: Any = None) -> Any:
        """The member of this name, else the default."""
        return self._items.get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The member of this name; the default becomes it if there is none."""
        if key not in self._items:
            self[key] = default
        return self._items[key]

    def pop(self, key: str) -> Item:
        """Take the member of this name out and return it."""
        item = self._items[key]
        del self[key]
        return item

    def popitem(self) -> tuple[str, Item]:
        """Take the last out and return it with its name."""
        if not self._items:
            raise KeyError(f"{type(self).__name__}.popitem: there is no member")
        key = next(reversed(self._items))
        return key, self.pop(key)

    def clear(self) -> None:
        """Take all out."""
        self._refill({})


class ModuleDict(_Dict[Module]):
    """A dict whose modules are members; it has no forward of its own.

    Examples
    --------
    >>> from fastad import nn
    >>> heads = nn.ModuleDict({"colour": nn.Linear(4, 3), "size": nn.Linear(4, 1)})
    >>> heads["shape"] = nn.Linear(4, 2, bias=False)
    >>> [name for name, _ in heads.named_parameters()]
    ['colour.weight', 'colour.bias', 'size.weight', 'size.bias', 'shape.weight']
    """


class ParameterDict(_Dict[Parameter], _Parameters[Parameter]):
    """A dict whose tensors are parameters of the module that holds it; what is no Parameter becomes one.

    Examples
    --------
    >>> import fastad
    >>> from fastad import nn
    >>> weights = nn.ParameterDict({"left": fastad.ones(2)})
    >>> weights["right"] = fastad.zeros(3)
    >>> weights
    ParameterDict(
      (left): Parameter of shape (2,), float64
      (right): Parameter of shape (3,), float64
    )
    """

    def __init__(self, parameters: Pairs[Any] | None = None) -> None:
        super().__init__(parameters)

    def __setitem__(self, key: str, item: Any) -> None:
        super().__setitem__(key, parameter(item))
