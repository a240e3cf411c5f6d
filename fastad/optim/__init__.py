"""Optimizers, with PyTorch's names, arguments and numbers.

::

    optimizer.py     Optimizer: parameter groups, zero_grad, state_dict
       +-- sgd.py    SGD: momentum, Nesterov, weight decay
       +-- adam.py   Adam, AdamW

A step is one compiled call for each group (fastad/_core/primitives/optimizer.pyx).
"""
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
