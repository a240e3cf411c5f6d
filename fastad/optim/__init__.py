"""Optimizers, with PyTorch's names, arguments and numbers.

::

    optimizer.py        Optimizer: parameter groups, zero_grad, state_dict
       +-- sgd.py       SGD: momentum, Nesterov, weight decay
       +-- adam.py      Adam, AdamW, NAdam, RAdam, Adamax
       +-- adagrad.py   Adagrad, Adadelta
       +-- rmsprop.py   RMSprop
       +-- rprop.py     Rprop
       +-- lbfgs.py     LBFGS
    lr_scheduler/       learning rates that change

A step is one compiled call (fastad/_core/primitives/optimizer.pyx), in which each parameter is one pass of its rule's kernel
(csrc/optim.inc).
"""
from . import lr_scheduler
from .adagrad import Adadelta, Adagrad
from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD

__all__ = ["LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam", "RMSprop",
           "Rprop", "lr_scheduler"]
