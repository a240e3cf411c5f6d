"""Beside the layers: sequences of different lengths or too long, and gradients that are too large.

Next: rnn.py, truncation.py, clip_grad.py.
"""
from . import rnn
from .clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .truncation import detach_state, tbptt

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "detach_state", "get_total_norm", "rnn", "tbptt"]
