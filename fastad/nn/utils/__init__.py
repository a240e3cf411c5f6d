"""Beside the layers: sequences, gradients that are too large, parameters as a vector, given for one call, or computed.

Next: rnn.py, truncation.py, clip_grad.py, convert.py, stateless.py, parametrize.py, parametrizations.py.
"""
from importlib import import_module
from typing import TYPE_CHECKING

from . import rnn
from .clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .convert import parameters_to_vector, vector_to_parameters
from .truncation import detach_state, tbptt

if TYPE_CHECKING:
    from . import parametrizations, parametrize, stateless

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "detach_state", "get_total_norm",
           "parameters_to_vector", "parametrizations", "parametrize", "rnn", "stateless", "tbptt", "vector_to_parameters"]


def __getattr__(name: str) -> object:
    if name in ("parametrizations", "parametrize", "stateless"):    # of layers, which import this package
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
