"""Sequential: modules one after the other.  Next: linear.py."""
from collections.abc import Mapping

from .module import Module


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

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            members = args[0].items()
        else:
            members = ((str(i), module) for i, module in enumerate(args))
        for name, module in members:
            self.add_module(name, module)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input

    def append(self, module):
        """Add a module at the end, under the next free number; returns self."""
        number = len(self._modules)
        while str(number) in self._modules:
            number += 1
        self.add_module(str(number), module)
        return self

    def _name(self, index):
        names = list(self._modules)
        if not -len(names) <= index < len(names):
            raise IndexError(f"Sequential: index {index} is out of range, there are {len(names)} modules")
        return names[index]

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return self._modules[self._name(index)]

    def __setitem__(self, index, module):
        setattr(self, self._name(index), module)

    def __delitem__(self, index):
        delattr(self, self._name(index))

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())
