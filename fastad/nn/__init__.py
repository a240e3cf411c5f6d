"""Layers of neural networks, with PyTorch's names and defaults (`axis` where PyTorch says `dim`).

::

    module.py        Parameter, Module: registration, state_dict, train and eval
       |
       +-- container.py    Sequential
       +-- linear.py       Linear, Identity
       +-- activation.py   ReLU, Tanh, Softmax, ...
       +-- conv.py         Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
       +-- pooling.py      MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, ...
       +-- padding.py      ZeroPad2d, ReflectionPad2d, ...
       +-- upsampling.py   Upsample
       +-- loss.py         CrossEntropyLoss, MSELoss, ...
       +-- dropout.py      Dropout
       +-- sparse.py       Embedding
       +-- cells.py        RNNCell, LSTMCell, GRUCell
       +-- rnn.py          RNN, LSTM, GRU
    scanning.py      scan: a cell in Python over a sequence
    utils/           packed sequences, clipping of gradients, truncated backpropagation through time
    functional.py    the same operations as functions
    init.py          initial values: Xavier, Kaiming, ...

Everything imports fastad._core (the operations) and fastad.random; nothing here loops over elements.
"""
from . import functional, init, utils
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
from .cells import GRUCell, LSTMCell, RNNCell
from .container import Sequential
from .conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .dropout import Dropout
from .linear import Identity, Linear
from .loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from .module import Module, Parameter
from .padding import (
    ConstantPad1d,
    ConstantPad2d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReplicationPad1d,
    ReplicationPad2d,
    ZeroPad1d,
    ZeroPad2d,
)
from .pooling import AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from .rnn import GRU, LSTM, RNN
from .scanning import scan
from .sparse import Embedding
from .upsampling import Upsample

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "ConstantPad1d",
    "ConstantPad2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "GRUCell",
    "Identity",
    "L1Loss",
    "LSTMCell",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "NLLLoss",
    "Parameter",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Upsample",
    "ZeroPad1d",
    "ZeroPad2d",
    "functional",
    "init",
    "scan",
    "utils",
]
