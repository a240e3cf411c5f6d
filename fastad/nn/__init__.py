"""Layers of neural networks, with PyTorch's names and defaults (`axis` where PyTorch says `dim`).

::

    module.py        Parameter, Module: registration, state_dict, train and eval
       |
       +-- container.py    Sequential
       +-- linear.py       Linear, Identity
       +-- activation.py   ReLU, Tanh, Softmax, ...
       +-- loss.py         CrossEntropyLoss, MSELoss, ...
    scanning.py      scan: a cell in Python over a sequence
    functional.py    the same operations as functions
    init.py          initial values: Xavier, Kaiming, ...

Everything imports fastad._core (the operations) and fastad.random; nothing here loops over elements.
"""
from . import functional, init
from .activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .container import Sequential
from .linear import Identity, Linear
from .loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from .module import Module, Parameter
from .scanning import scan

__all__ = [
    "ELU",
    "GELU",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "functional",
    "init",
    "scan",
]
