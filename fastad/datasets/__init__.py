"""Small real data that ships with the library, the fair way to split it, and files that you have.

    digits.npz    1,797 handwritten digits of 8 x 8 pixels; README.md says where they come from
    __init__.py   load_digits, stratified_split
    idx.py        load_idx, load_mnist: MNIST's format; load_npy: memory-mapped arrays
    tables.py     load_csv: columns of text
    text.py       load_text, Vocabulary: text to indices

May import: NumPy, nothing else.  Nothing here downloads.
"""
from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from .idx import load_idx, load_mnist, load_npy
from .tables import Table, load_csv
from .text import Vocabulary, load_text

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

__all__ = [
    "Table", "Vocabulary", "load_csv", "load_digits", "load_idx", "load_mnist", "load_npy", "load_text", "stratified_split",
]


def load_digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The 1,797 handwritten digits of the UCI test set, as plain NumPy arrays.

    Returns
    -------
    images : ndarray, float32, shape (1797, 8, 8)
        The number of inked pixels, 0 to 16, in each 4 x 4 block of a 32 x 32 scan.
    labels : ndarray, int64, shape (1797,)
        The digit, 0 to 9.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0.

    Examples
    --------
    >>> import fastad
    >>> images, labels = fastad.datasets.load_digits()
    >>> images.shape, images.dtype, float(images.max())
    ((1797, 8, 8), dtype('float32'), 16.0)
    >>> print(labels[:10])
    [0 1 2 3 4 5 6 7 8 9]
    """
    path = resources.files(__package__) / "digits.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return stored["images"].astype(np.float32), stored["labels"].astype(np.int64)


def stratified_split(
    labels: npt.ArrayLike, test_fraction: float = 0.25, seed: int | np.random.Generator = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut samples into a training and a test part that hold every class in the same proportion.

    Each class is shuffled by itself, and its first ``round(test_fraction * n_class)`` samples become
    test samples.  Both parts are then shuffled, so that no batch meets the classes in order.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        The class of each sample.
    test_fraction : float, default 0.25
        The share of each class that is held back, between 0 and 1.
    seed : int or numpy.random.Generator, default 0
        The same seed gives the same split.

    Returns
    -------
    train, test : ndarray of int64
        Indices; together they name every sample exactly once.

    Raises
    ------
    ValueError
        If `labels` is not one-dimensional, or `test_fraction` does not lie between 0 and 1.

    Examples
    --------
    >>> import fastad, numpy as np
    >>> labels = np.array([0] * 8 + [1] * 4)
    >>> train, test = fastad.datasets.stratified_split(labels, test_fraction=0.25, seed=0)
    >>> print(np.bincount(labels[train]), np.bincount(labels[test]))
    [6 3] [2 1]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"stratified_split: labels must have shape (n,), got {labels.shape}")
    if not 0 <= test_fraction <= 1:
        raise ValueError(f"stratified_split: test_fraction must lie between 0 and 1, got {test_fraction}")
    rng = np.random.default_rng(seed)
    is_test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        is_test[members[:round(test_fraction * len(members))]] = True
    return rng.permutation(np.flatnonzero(~is_test)), rng.permutation(np.flatnonzero(is_test))
