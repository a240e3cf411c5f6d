"""Embedding: rows of a matrix by number, as a function and as a layer.  Next: rnn.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._core.make import as_tensors
from .._core.primitives.index import embedding as rows_by_number
from .._core.tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter, positive, uninitialised

if TYPE_CHECKING:
    from typing import Any, Self

    import numpy.typing as npt

    from .._typing import ArrayLike, DType, Generator


def numbers_of(input: ArrayLike, size: int) -> npt.NDArray[np.int64]:
    """Checked row numbers of a matrix of so many rows."""
    try:
        given = input.numpy() if isinstance(input, Tensor) else np.asarray(input)
    except ValueError as error:
        raise ValueError(f"embedding: the input must be integers in one array ({error}); fill up rows of different lengths, "
                         f"see fastad.nn.utils.rnn.pad_sequence") from None
    if given.dtype.kind not in "iu" and (given.size or isinstance(input, Tensor | np.ndarray)):
        raise TypeError(f"embedding: indices must be integers, got dtype {given.dtype}; use astype('int64')")
    numbers = given.astype(np.int64, order="C", copy=False)
    if numbers.size and numbers.view(np.uint64).max() >= size:          # those below 0 are the largest of all
        place = np.unravel_index(np.argmax(numbers.view(np.uint64) >= size), given.shape)
        raise IndexError(f"embedding: index {given[place]} at {tuple(map(int, place))} of an input of shape {given.shape} "
                         f"is outside the vocabulary: indices of a weight of {size} rows run from 0 to {size - 1}")
    return numbers


def padding_row(name: str, padding_idx: int | None, size: int) -> int | None:
    """`padding_idx` counted from the start."""
    if padding_idx is None:
        return None
    if not -size <= padding_idx < size:
        raise ValueError(f"{name}: padding_idx={padding_idx} is outside the vocabulary of {size} rows")
    return padding_idx % size


def renorm(weight: Tensor, numbers: npt.NDArray[np.int64], max_norm: float, norm_type: float) -> None:
    """Shorten, in place and outside the tape, the rows that are used and longer than max_norm."""
    rows = np.unique(numbers)
    values = weight.detach().numpy()[rows]
    norms = np.linalg.norm(values, norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        weight.detach()[rows[long]] = values[long] * (max_norm / (norms[long, None] + 1e-7))


def embedding(input: ArrayLike, weight: ArrayLike, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """Rows of a matrix: y[...] = weight[input[...]].

    The derivative adds up the rows of g that have the same number; it is dense.

    Parameters
    ----------
    input : integers of any shape (...) and width
    weight : (rows, features)
    padding_idx : int, optional
        The row of this number gets no gradient; negative ones count from the end.
    max_norm : float, optional
        Rows in use that are longer are shortened first, in place, by the norm `norm_type`.
    scale_grad_by_freq : bool
        Divide each row of g by how often its number stands in the input.
    sparse : bool
        Not there: a gradient here is an array as large as the weight, which every optimizer and walk relies on.

    Returns
    -------
    Tensor (..., features)

    Raises
    ------
    IndexError
        If a number is not in 0 to rows - 1; it says which, and where.
    TypeError
        If the input does not hold integers.
    ValueError
        If the weight is no matrix, or padding_idx no row of it.
    NotImplementedError
        For ``sparse=True``.

    Examples
    --------
    >>> import fastad
    >>> weight = fastad.tensor([[0.0, 1.0], [2.0, 3.0]])
    >>> fastad.nn.functional.embedding([1, 1, 0], weight)
    tensor([[2., 3.],
            [2., 3.],
            [0., 1.]])
    """
    w = weight if isinstance(weight, Tensor) else as_tensors(weight)[0]
    if w.ndim != 2:
        raise ValueError(f"embedding: the weight must be (rows, features), got shape {w.shape}")
    refuse_sparse("embedding", sparse)
    numbers = numbers_of(input, w.shape[0])
    padding = padding_row("embedding", padding_idx, w.shape[0])
    if max_norm is not None and numbers.size:
        renorm(w, numbers, max_norm, norm_type)
    factors = None
    if scale_grad_by_freq and numbers.size:
        _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        factors = (1 / counts)[place].reshape(numbers.shape)
    rows: Tensor = rows_by_number(w, numbers, -1 if padding is None else padding, factors)
    return rows


def refuse_sparse(name: str, sparse: bool) -> None:
    """Gradients are dense."""
    if sparse:
        raise NotImplementedError(f"{name}: gradients are dense, since walks add them up in place and optimizers read them "
                                  f"whole; leave out sparse=True, and train a large vocabulary in parts if memory is short")


class Embedding(Module):
    """A row of the weight for every integer of the input: y[...] = weight[input[...]]; see `fastad.nn.functional.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        Its row begins as zeros and gets no gradient.
    max_norm, norm_type : float
        Rows in use that are longer are shortened first, in place.
    scale_grad_by_freq : bool
        Divide the gradient of each row by how often its number stands in the input.
    sparse : bool
        Not there: NotImplementedError.
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (num_embeddings, embedding_dim), normal with mean 0 and variance 1

    Raises
    ------
    IndexError
        In a call, if a number is outside the vocabulary.
    ValueError
        If padding_idx is, or `_weight` has another shape.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.Embedding(10, 3, padding_idx=0)
    >>> layer([[1, 2, 0], [4, 0, 0]]).shape
    (2, 3, 3)
    >>> layer([0])
    tensor([[0., 0., 0.]], ...)
    """

    weight: Parameter

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                 sparse: bool = False, _weight: ArrayLike | None = None, _freeze: bool = False,
                 dtype: DType | None = None, generator: Generator = None) -> None:
        super().__init__()
        refuse_sparse("Embedding", sparse)
        positive("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_row("Embedding", padding_idx, num_embeddings)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        if _weight is None:
            self.weight = uninitialised((num_embeddings, embedding_dim), dtype)
            self.reset_parameters(generator)
        else:
            given, = as_tensors(_weight)
            if given.shape != (num_embeddings, embedding_dim):
                raise ValueError(f"Embedding: the weight must have shape {(num_embeddings, embedding_dim)}, got "
                                 f"{given.shape}")
            self.weight = Parameter(given if dtype is None else given.astype(dtype))
        self.weight.requires_grad = not _freeze

    @classmethod
    def from_pretrained(cls, embeddings: ArrayLike, freeze: bool = True, padding_idx: int | None = None,
                        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                        sparse: bool = False) -> Self:
        """A layer with these rows, which are not trained if `freeze`; it shares the memory of a tensor.

        Examples
        --------
        >>> import fastad
        >>> layer = fastad.nn.Embedding.from_pretrained(fastad.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> layer([1])
        tensor([[3., 4.]])
        """
        given, = as_tensors(embeddings)
        if given.ndim != 2:
            raise ValueError(f"Embedding: embeddings must be (rows, features), got shape {given.shape}")
        rows, features = given.shape
        return cls(rows, features, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, given, freeze)

    def reset_parameters(self, generator: Generator = None) -> None:
        """Draw new initial values."""
        init.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight.detach()[self.padding_idx] = 0

    def forward(self, input: ArrayLike) -> Tensor:
        return embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        shown: dict[str, Any] = {"padding_idx": self.padding_idx, "max_norm": self.max_norm}
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}",
                          *[f"{name}={value}" for name, value in shown.items() if value is not None]])
