"""Samples: for every primitive, inputs on which the generic suite (test_operations.py) tries it.

One module a family, each with a list SAMPLES; `all_samples()` gathers them.  A primitive of the registry that no
sample names fails the suite.
"""
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Sample:
    name: str                               # the primitive it exercises
    function: Callable                      # over fastad tensors
    numpy: Callable                         # the same over arrays: the oracle of the value
    inputs: Callable                        # (rng, dtype) -> tuple of arrays, away from kinks
    torch: Callable | None = None           # the same over torch tensors
    kwargs: dict = field(default_factory=dict)
    differentiable: tuple | None = None     # which inputs have a derivative; default: the float ones
    id: str = ""
    rows_differ: bool = False               # equal rows are no input for it: a singular matrix

    def __str__(self):
        return f"{self.name}-{self.id}" if self.id else self.name


def all_samples():
    """Every sample of every family."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        found += importlib.import_module(f"{__name__}.{module.name}").SAMPLES
    return found


def registry():
    """Every primitive that the library has, by name."""
    import fastad._core.primitives as families
    from fastad import linalg

    found = dict(linalg.PRIMITIVES)
    for name in families.FAMILIES + families.LATER:
        found |= getattr(importlib.import_module(f"{families.__name__}.{name}"), "PRIMITIVES", {})
    return found
