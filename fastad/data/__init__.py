"""Batches of training data.

::

    loader.py    DataLoader: shuffled batches of arrays
"""
from .loader import DataLoader

__all__ = ["DataLoader"]
