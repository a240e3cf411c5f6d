"""Text to indices: Vocabulary, load_text.  Imports NumPy."""
from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    import numpy.typing as npt

    from .._typing import Integers, Unit

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class Vocabulary:
    """The characters or words that have an index, from 0 on.

    Parameters
    ----------
    tokens : sequence of str
        In the order of their indices; `build` takes them from a text.
    unit : {'char', 'word'}
        Words are runs of letters, digits and inner apostrophes; whatever else is not blank stands by itself.
    unknown : str, optional
        The token that stands for those not in here; it gets an index, the last one unless it is among `tokens`.  Without it
        they are an error.

    Raises
    ------
    ValueError
        If a token comes twice, there is none, or `unit` is something else.

    Examples
    --------
    >>> from fastad.datasets import Vocabulary
    >>> words = Vocabulary.build("the cat and the dog", unit="word", unknown="?")
    >>> print(words.tokens, words.encode("the bird and the cat"))
    ('the', 'and', 'cat', 'dog', '?') [0 4 1 0 2]
    >>> words.decode([0, 3, 4])
    'the dog ?'
    """

    def __init__(self, tokens: Sequence[str], unit: Unit = "char", unknown: str | None = None) -> None:
        self.tokens: tuple[str, ...] = tuple(tokens)
        if unknown is not None and unknown not in self.tokens:
            self.tokens += (unknown,)
        self.unit, self.unknown = unit, unknown
        self.index = {token: k for k, token in enumerate(self.tokens)}
        if unit not in ("char", "word"):
            raise ValueError(f"Vocabulary: unit must be 'char' or 'word', got {unit!r}")
        if not self.tokens:
            raise ValueError("Vocabulary: there are no tokens")
        if len(self.index) < len(self.tokens):
            twice = Counter(self.tokens).most_common(1)[0][0]
            raise ValueError(f"Vocabulary: the token {twice!r} comes twice")

    @classmethod
    def build(cls, text: str, unit: Unit = "char", unknown: str | None = None, *, min_count: int = 1,
              max_size: int | None = None) -> Self:
        """The tokens of a text: the most frequent first, among equals in their order as strings.

        Only those that come at least `min_count` times, and of them at most `max_size`, `unknown` not counted.
        """
        counts = Counter(tokens_of(text, unit))
        kept = sorted((t for t, n in counts.items() if n >= min_count and t != unknown), key=lambda t: (-counts[t], t))
        return cls(kept[:max_size], unit, unknown)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.index

    def encode(self, text: str | Iterable[str]) -> Integers:
        """The indices of the tokens of a text, or of tokens; ValueError for one that has none, if `unknown` is not given."""
        tokens = tokens_of(text, self.unit) if isinstance(text, str) else list(text)
        otherwise = -1 if self.unknown is None else self.index[self.unknown]
        found = np.array([self.index.get(token, otherwise) for token in tokens], np.int64)
        if self.unknown is None and len(found) and found.min() < 0:
            k = int(found.argmin())
            raise ValueError(f"Vocabulary: token {k} of the text, {tokens[k]!r}, is not among the {len(self)}; "
                             f"Vocabulary(..., unknown='<unk>') gives such tokens an index")
        return found

    def decode(self, indices: npt.ArrayLike) -> str:
        """The text of indices; words are joined by blanks."""
        numbers = np.asarray(indices).reshape(-1).tolist()
        wrong = [k for k in numbers if not 0 <= k < len(self)]
        if wrong:
            raise ValueError(f"Vocabulary: {wrong[0]} is no index of {len(self)} tokens")
        return ("" if self.unit == "char" else " ").join(self.tokens[k] for k in numbers)


def tokens_of(text: str, unit: str) -> Sequence[str]:
    """Characters or words."""
    return text if unit == "char" else WORD.findall(text)


def load_text(path: str | os.PathLike[str], unit: Unit = "char", vocabulary: Vocabulary | None = None,
              unknown: str | None = None, encoding: str = "utf-8") -> tuple[Integers, Vocabulary]:
    """A text file as indices.

    Parameters
    ----------
    path : path-like
    unit : {'char', 'word'}
        What has an index, see `Vocabulary`.
    vocabulary : Vocabulary, optional
        That of another text, e.g. the one trained on; `unit` and `unknown` are then its own.
    unknown : str, optional
        See `Vocabulary`.
    encoding : str

    Returns
    -------
    indices : ndarray of int64
    vocabulary : Vocabulary

    Raises
    ------
    ValueError
        If the file is empty or not in this encoding, or a token is not in `vocabulary`, which has no unknown token.

    Examples
    --------
    >>> import os, tempfile, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "text.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("banana")
    >>> indices, vocabulary = fastad.datasets.load_text(path)
    >>> print(indices, vocabulary.tokens)
    [2 0 1 0 1 0] ('a', 'n', 'b')
    """
    try:
        with open(path, encoding=encoding) as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"load_text: {os.fspath(path)} is no text in {encoding}: {error}") from error
    if vocabulary is None:
        if not tokens_of(text, unit):
            raise ValueError(f"load_text: {os.fspath(path)} holds no {unit}s")
        vocabulary = Vocabulary.build(text, unit, unknown)
    found = vocabulary.encode(text)
    if not len(found):
        raise ValueError(f"load_text: {os.fspath(path)} holds no {vocabulary.unit}s")
    return found, vocabulary
