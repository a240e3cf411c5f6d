"""Beside the layers: sequences of different lengths, and gradients that are too large.

Next: rnn.py, clip_grad.py.
"""
from . import rnn
from .clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "rnn"]
