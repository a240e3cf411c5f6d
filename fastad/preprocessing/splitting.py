"""split: arrays cut into training, validation and test parts."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import Tensor
from ..random import default_generator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy.typing as npt


def split(*arrays: Any, parts: Sequence[float] = (0.75, 0.25), stratify: npt.ArrayLike | None = None,
          generator: int | np.random.Generator | None = None) -> list[Any]:
    """Cut the samples of the arrays, drawn without replacement, into parts.

    Parameters
    ----------
    *arrays : array_like or Tensor
        Of equal lengths, e.g. x and y.
    parts : sequence of float
        The share of each part; they sum to 1.
    stratify : array_like of shape (n,), optional
        The class of each sample: every part then holds every class in the same proportion, of two parts to less than one
        sample, of three to less than two.
    generator : int or numpy.random.Generator, optional
        The same seed gives the same parts; without it fastad's default generator draws.

    Returns
    -------
    list
        For each part a tuple of arrays (copies), one for each that was given; for a single array the parts themselves.

    Raises
    ------
    ValueError
        If lengths disagree, shares are not positive or do not sum to 1, or a part would be empty.

    Notes
    -----
    W. G. Cochran, *Sampling Techniques*, 3rd ed., Wiley 1977, chapter 8 (systematic sampling).

    Examples
    --------
    >>> import fastad, numpy as np
    >>> x, y = np.arange(20.0), np.arange(20) % 2
    >>> train, validation, test = fastad.preprocessing.split(x, y, parts=(0.6, 0.2, 0.2), stratify=y, generator=0)
    >>> [len(part[0]) for part in (train, validation, test)], np.bincount(test[1]).tolist()
    ([12, 4, 4], [2, 2])
    """
    if not arrays:
        raise ValueError("split: no arrays")
    kept = [a if isinstance(a, Tensor) else np.asarray(a) for a in arrays]
    if any(a.ndim == 0 for a in kept):
        raise ValueError(f"split: arrays must hold samples along axis 0, got shapes {[a.shape for a in kept]}")
    lengths = {len(a) for a in kept}
    if len(lengths) > 1:
        raise ValueError(f"split: arrays must have equal lengths, got {[len(a) for a in kept]}")
    shares = np.asarray(parts, np.float64)
    if shares.ndim != 1 or not len(shares) or not (shares > 0).all() or not abs(shares.sum() - 1) < 1e-6:
        raise ValueError(f"split: parts must be positive shares that sum to 1, got {parts}")
    (n,) = lengths
    classes = np.zeros(n, np.int64)
    if stratify is not None:
        labels = stratify.detach().numpy() if isinstance(stratify, Tensor) else np.asarray(stratify)
        if labels.shape != (n,):
            raise ValueError(f"split: stratify must have shape ({n},), a class a sample, got {labels.shape}")
        classes = np.unique(labels, return_inverse=True)[1].reshape(-1)
    rng = default_generator() if generator is None else np.random.default_rng(generator)
    chosen = _cut(classes, shares, rng)
    if any(len(part) == 0 for part in chosen):
        raise ValueError(f"split: {n} samples in parts of {[len(p) for p in chosen]}: one is empty")
    cut = [tuple(a[part] for a in kept) for part in chosen]
    return cut if len(arrays) > 1 else [part[0] for part in cut]


def _cut(classes: npt.NDArray[Any], shares: npt.NDArray[Any], rng: np.random.Generator) -> list[npt.NDArray[Any]]:
    """Indices of each part.  Systematic samples: the samples lie in a row class by class, in random order within a class; a
    part takes them at even steps, the next part what is left at even steps."""
    drawn = rng.permutation(len(classes))
    row = drawn[np.argsort(rng.permutation(classes.max(initial=-1) + 1)[classes[drawn]], kind="stable")]
    ends = np.rint(np.cumsum(shares) * len(classes)).astype(np.int64)
    parts = []
    for size in np.diff(ends, prepend=0)[:-1]:
        n = max(1, len(row))
        taken = np.diff((np.arange(len(row) + 1) * size + rng.integers(n)) // n) > 0
        parts.append(rng.permutation(row[taken]))
        row = row[~taken]
    return [*parts, rng.permutation(row)]
