"""The random state that initialisers, shuffling and dropout share unless given a generator of their own.

Imports NumPy only.  Next: nn/init.py, which draws from it.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_default: list[np.random.Generator] = []               # the generator, once it is needed


def default_generator() -> np.random.Generator:
    """The numpy.random.Generator used where none is given; seeded by the system until `manual_seed`.

    Examples
    --------
    >>> import fastad
    >>> 0 <= fastad.default_generator().random() < 1
    True
    """
    if not _default:
        _default.append(np.random.default_rng())       # of two threads that come at once the first counts
    return _default[0]


def manual_seed(seed: int) -> np.random.Generator:
    """Restart the default generator from a seed, and return it.

    Examples
    --------
    >>> import fastad
    >>> a = fastad.manual_seed(0).random()
    >>> a == fastad.manual_seed(0).random()
    True
    """
    generator = default_generator()
    # the state is replaced and not the generator, so that whoever holds it is restarted too
    generator.bit_generator.state = type(generator.bit_generator)(seed).state
    return generator


def state() -> Mapping[str, Any]:
    """The state of the default generator, for `rewound`."""
    return default_generator().bit_generator.state


@contextmanager
def rewound(to: Mapping[str, Any]) -> Iterator[None]:
    """Draw again inside what was drawn after `state` gave `to`."""
    generator = default_generator().bit_generator
    now = generator.state
    generator.state = to
    try:
        yield
    finally:
        generator.state = now
