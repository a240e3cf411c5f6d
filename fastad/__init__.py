"""fastad: automatic differentiation and small neural networks on NumPy arrays, with a compiled tape."""
from ._core.primitives import load as _load
from ._core.tensor import FUNCTIONS as _FUNCTIONS
from ._core.tensor import Tensor, from_numpy, tensor
from .random import default_generator, manual_seed

_load()
from . import creation as _creation  # noqa: E402  (registers its functions, after the core has its own)

globals().update(_FUNCTIONS)

_LAZY = ("data", "nn", "optim")            # imported when first asked for


def __getattr__(name):
    if name in _LAZY:
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY})
