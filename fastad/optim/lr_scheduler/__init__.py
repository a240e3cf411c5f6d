"""Learning rates that change while a model is trained, with PyTorch's names, arguments and numbers.

::

    base.py           LRScheduler: rates of groups, step, get_last_lr, state_dict
       +-- factor.py     initial rates times a factor: ConstantLR, LinearLR, ExponentialLR, StepLR, MultiStepLR,
       |                 PolynomialLR, LambdaLR, MultiplicativeLR
       +-- cosine.py     CosineAnnealingLR, CosineAnnealingWarmRestarts
       +-- cycle.py      CyclicLR, OneCycleLR, which move momentum too
       +-- plateau.py    ReduceLROnPlateau
       +-- several.py    ChainedScheduler, SequentialLR

A scheduler is stepped after its optimizer, once an epoch or once a batch, whichever its numbers count.
"""
from .base import LRScheduler
from .cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from .cycle import CyclicLR, OneCycleLR
from .factor import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau
from .several import ChainedScheduler, SequentialLR

__all__ = ["ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
           "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
           "ReduceLROnPlateau", "SequentialLR", "StepLR"]
