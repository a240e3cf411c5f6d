"""Data sets, orders, batches.

::

    columns.py   arrays whose samples the core picks
       |
    collate.py   samples to a batch: stacked, padded, packed
       |
    dataset.py   data sets by number and one after the other
       |
    sampler.py   orders, and batches of them; classes mixed in every batch
       |
    prefetch.py  batches made ahead, in a thread
       |
    loader.py    DataLoader

Imports NumPy, the tensor, and fastad.random.
"""
from .collate import Padded, default_collate, pack_collate, pad_collate
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .loader import DataLoader
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StratifiedBatchSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "IterableDataset", "Padded", "RandomSampler",
    "Sampler", "SequentialSampler", "StackDataset", "StratifiedBatchSampler", "Subset", "SubsetRandomSampler",
    "TensorDataset", "WeightedRandomSampler", "default_collate", "pack_collate", "pad_collate", "random_split",
]
