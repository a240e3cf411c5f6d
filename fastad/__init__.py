"""fastad: automatic differentiation and small neural networks on NumPy arrays, with a compiled tape."""
from ._core.primitives import load as _load
from ._core.tensor import FUNCTIONS as _FUNCTIONS
from ._core.tensor import Tensor, from_numpy, tensor

_load()
from . import creation as _creation  # noqa: E402  (registers its functions, after the core has its own)

globals().update(_FUNCTIONS)
