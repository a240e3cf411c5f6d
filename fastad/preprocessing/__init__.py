"""What data needs before a network sees it: fitted on the training part, applied to the others, inverted where it can be.

::

    transformer.py   Transformer: fit, partial_fit, transform, state_dict; statistics in one pass, chunk by chunk
       |
       +-- scaling.py      StandardScaler, MeanImage
       +-- components.py   PCA, Whitening
    labels.py        OneHotEncoder
    splitting.py     split: training, validation and test parts

Arrays give arrays, tensors give tensors, and what is done to a tensor has derivatives.  Imports NumPy and the tensor.
"""
from .components import PCA, Whitening
from .labels import OneHotEncoder
from .scaling import MeanImage, StandardScaler
from .splitting import split
from .transformer import NotFittedError, Transformer

__all__ = ["PCA", "MeanImage", "NotFittedError", "OneHotEncoder", "StandardScaler", "Transformer", "Whitening", "split"]
