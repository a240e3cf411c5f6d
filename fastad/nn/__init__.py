"""Layers of neural networks, with PyTorch's names and defaults (`axis` where PyTorch says `dim`).

::

    module.py        Parameter, Module: registration, state_dict, train and eval
       |
       +-- container.py    Sequential
       +-- linear.py       Linear, Identity
       +-- activation.py   ReLU, Tanh, Softmax, ...
       +-- loss.py         CrossEntropyLoss, MSELoss, ...
       +-- dropout.py      Dropout, Dropout1d, Dropout2d
       +-- batchnorm.py    BatchNorm1d, BatchNorm2d
       +-- normalization.py    LayerNorm, RMSNorm, GroupNorm
       +-- attention.py    MultiheadAttention
       +-- transformer.py    TransformerEncoderLayer, TransformerEncoder
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
from .attention import MultiheadAttention
from .batchnorm import BatchNorm1d, BatchNorm2d
from .cells import GRUCell, LSTMCell, RNNCell
from .container import Sequential
from .dropout import Dropout, Dropout1d, Dropout2d
from .linear import Identity, Linear
from .loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from .module import Module, Parameter
from .normalization import GroupNorm, LayerNorm, RMSNorm
from .rnn import GRU, LSTM, RNN
from .scanning import scan
from .sparse import Embedding
from .transformer import TransformerEncoder, TransformerEncoderLayer

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Embedding",
    "GRUCell",
    "GroupNorm",
    "Identity",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "MultiheadAttention",
    "NLLLoss",
    "Parameter",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "functional",
    "init",
    "scan",
    "utils",
]
