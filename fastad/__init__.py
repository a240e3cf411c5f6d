"""fastad: automatic differentiation and small neural networks on NumPy arrays, with a compiled tape."""
from . import transforms
from ._config import get_include, get_num_threads, set_num_threads, show_config
from ._core import hooks as _hooks
from ._core import inplace as _inplace
from ._core.exchange import LATER as _LATER
from ._core.exchange import from_dlpack
from ._core.make import IndependentWarning, from_numpy, tensor
from ._core.primitives import load as _load
from ._core.tensor import FUNCTIONS as _FUNCTIONS
from ._core.tensor import Tensor
from .random import default_generator, manual_seed
from .recording import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled

__version__ = "0.1.0"

_load()
from . import creation as _creation  # noqa: E402  (registers its functions, after the core has its own)

globals().update(_FUNCTIONS)
_LATER["linalg"] = f"{__name__}.linalg"   # numpy.linalg's functions

# imported when first asked for: modules, and functions of modules that few programs need
_LAZY = ("autograd", "data", "datasets", "diagnostics", "extend", "linalg", "nn", "numpy", "optim", "optimize",
         "preprocessing", "reference", "testing", "training")
_LAZY_FROM = {"checkpoint": "checkpointing", "detect_anomaly": "observers.anomaly", "trace": "observers.trace",
              "recurrent": "_core.primitives.recurrent", **dict.fromkeys(("CheckpointError", "load", "save"), "saving"),
              **dict.fromkeys(("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"), "_core.primitives.convolution"),
              **dict.fromkeys(transforms.NAMES, "transforms")}


def __getattr__(name):
    import importlib
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY_FROM:
        found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_LAZY_FROM[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    # the same names, whichever were asked for before
    hidden = {name.partition(".")[0] for name in _LAZY_FROM.values()} - {"transforms"}
    return sorted({*globals(), *_LAZY, *_LAZY_FROM} - hidden)
