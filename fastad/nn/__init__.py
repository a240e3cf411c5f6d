"""Layers of neural networks, with PyTorch's names and defaults (`axis` where PyTorch says `dim`).

::

    hooks.py         functions that see a module's inputs, outputs and gradients
       |
    module.py        Module: registration, state_dict, train and eval;  parameter.py   Parameter
       |
       +-- container.py    Sequential, ModuleList, ParameterDict, ...
       +-- linear.py       Linear, Identity
       +-- activation.py   ReLU, Tanh, Softmax, ...;  piecewise.py   Hardtanh, Threshold, ...
       |                   units.py        SELU, GLU, PReLU, ...
       +-- branches.py     the texts' Maxout, Duplicate, MaxOf, LinearActivation
       +-- flatten.py      Flatten, Unflatten
       +-- conv.py         Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
       +-- pooling.py      MaxPool2d, AvgPool2d, ...;  adaptive.py   AdaptiveAvgPool2d, ...
       +-- padding.py      ZeroPad2d, ReflectionPad2d, ...;  upsampling.py   Upsample
       +-- loss.py         CrossEntropyLoss, MSELoss, ...;  regression.py   HuberLoss, KLDivLoss, ...
       |                   margin.py   MultiMarginLoss, TripletMarginLoss, ...;  penalty.py   L1, L2, elastic net
       +-- distance.py     CosineSimilarity, PairwiseDistance
       +-- dropout.py      Dropout, Dropout1d, Dropout2d
       +-- batchnorm.py    BatchNorm1d, BatchNorm2d
       +-- normalization.py    LayerNorm, RMSNorm, GroupNorm
       +-- attention.py    MultiheadAttention;  dot_product.py, the function
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
from .adaptive import AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool2d
from .attention import MultiheadAttention
from .batchnorm import BatchNorm1d, BatchNorm2d
from .branches import Duplicate, LinearActivation, MaxOf, Maxout
from .cells import GRUCell, LSTMCell, RNNCell
from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .distance import CosineSimilarity, PairwiseDistance
from .dropout import Dropout, Dropout1d, Dropout2d
from .flatten import Flatten, Unflatten
from .linear import Identity, Linear
from .loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from .margin import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MulticlassHingeLoss,
    MultiMarginLoss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from .module import Module
from .normalization import GroupNorm, LayerNorm, RMSNorm
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
from .parameter import Parameter
from .piecewise import Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Softshrink, Tanhshrink, Threshold
from .pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from .regression import (
    GaussianNLLLoss,
    HalfSquaredErrorLoss,
    HuberLoss,
    KLDivLoss,
    PoissonNLLLoss,
    SmoothL1Loss,
    TukeyLoss,
)
from .rnn import GRU, LSTM, RNN, RNNBase
from .scanning import scan
from .sparse import Embedding
from .transformer import TransformerEncoder, TransformerEncoderLayer
from .units import CELU, GLU, SELU, PReLU, Softmin, Softsign
from .upsampling import Upsample

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Duplicate",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianNLLLoss",
    "GroupNorm",
    "HalfSquaredErrorLoss",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LinearActivation",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginRankingLoss",
    "MaxOf",
    "MaxPool1d",
    "MaxPool2d",
    "Maxout",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiMarginLoss",
    "MulticlassHingeLoss",
    "MultiheadAttention",
    "NLLLoss",
    "PReLU",
    "PairwiseDistance",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "PoissonNLLLoss",
    "RMSNorm",
    "RNNBase",
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
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "TukeyLoss",
    "Unflatten",
    "Upsample",
    "ZeroPad1d",
    "ZeroPad2d",
    "functional",
    "init",
    "scan",
    "utils",
]
