"""The random state that initialisers, shuffling and dropout share unless given a generator of their own.

Imports NumPy only.  Next: nn/init.py, which draws from it.
"""
from __future__ import annotations

from _thread import get_ident  # the module threading, which has it from there, is not imported for it alone
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_default: list[np.random.Generator] = []               # the generator, once it is needed
_repeating: set[int] = set()                           # the threads that are inside `rewound`


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


def set_state(generator: np.random.Generator, state: Mapping[str, Any]) -> None:
    """Continue from the state of a bit generator of the same kind, which may come from a file of anybody's.

    ValueError, and no change, if it is none: NumPy itself believes positions, and would read beyond its memory."""
    own, before = generator.bit_generator, generator.bit_generator.state
    inner = state.get("state") if isinstance(state, dict) else None
    for where, name, last in ((inner, "pos", 624), (state, "buffer_pos", 4)):
        if isinstance(where, dict) and name in where and not (type(where[name]) is int and 0 <= where[name] <= last):
            raise ValueError(f"the position {where[name]!r} of a random generator is none")
    try:
        own.state = state
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError) as error:
        own.state = before
        raise ValueError(f"this is no state of {type(own).__name__}: {error}") from None


@contextmanager
def rewound(to: Mapping[str, Any]) -> Iterator[None]:
    """Draw again inside what was drawn after `state` gave `to`."""
    generator = default_generator().bit_generator
    now, thread, outer = generator.state, get_ident(), is_rewound()
    _repeating.add(thread)
    generator.state = to
    try:
        yield
    finally:
        generator.state = now
        if not outer:
            _repeating.discard(thread)


def is_rewound() -> bool:
    """Whether this thread is inside `rewound`: what it does is done again elsewhere, and is not to count twice."""
    return get_ident() in _repeating
