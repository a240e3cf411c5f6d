"""Truncated backpropagation through time in chunks: the sequence is cut, the state carried on, the gradient not.

The other kind, a window that moves with each step, is the layers' option `window`.  Imports the containers of the
transforms.
"""
from __future__ import annotations

from operator import index, itemgetter
from typing import TYPE_CHECKING

import numpy as np

from ..._core.tensor import Tensor
from ...transforms.tree import leaves, over, paths
from .rnn import PackedSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["detach_state", "tbptt"]


def detach_state(state: Any) -> Any:
    """The state of a recurrent network as constants: the same numbers, through which no gradient goes back.

    Parameters
    ----------
    state : Tensor, nested container of them, or None
        As a layer or cell gives it; the pair (h, c) of an LSTM too.

    Returns
    -------
    the same container of tensors that share memory with those of `state`; what is no tensor stays as it is.

    Examples
    --------
    >>> import fastad
    >>> h = fastad.tensor([1.0], requires_grad=True) * 2
    >>> fastad.nn.utils.detach_state((h, h))
    (tensor([2.]), tensor([2.]))
    """
    return over(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, state)


def tbptt(step: Callable[[Any, Any], tuple[Any, Any]], sequences: Any, length: int, state: Any = None, *,
          axis: int = 0) -> Iterator[tuple[Any, Any]]:
    """Truncated backpropagation through time: ``result, state = step(chunk, state)``, chunk after chunk.

    The sequences are cut along the axis of time into chunks of `length` steps, of which the last may be shorter.  From
    chunk to chunk the numbers of the state go on, and their derivatives do not: with L_i the loss of chunk i and s_(i-1)
    the state before it, the gradient is the sum of dL_i/dw at constant s_(i-1).  Memory is that of one chunk.

    Parameters
    ----------
    step : callable
        Given a chunk, in the form of `sequences`, and the state, it returns a pair: what is wanted, such as the loss, and
        the new state.
    sequences : Tensor, array, or nested container of them
        For example (inputs, targets), of equal length along `axis`.
    length : int
        How many steps a chunk has; the whole length or more is backpropagation without truncation.
    state : Tensor or nested container of them
        The first state, given as it is.  None is left to `step`; recurrent layers begin with zeros.
    axis : int
        That of time: 1 for sequences whose batch comes first.

    Yields
    ------
    (result, state) of each chunk, the state as constants.  The caller walks back, and may change parameters, before it asks
    for the next.

    Raises
    ------
    ValueError
        If the sequences differ in their length, or `length` is not positive.
    TypeError
        If `step` does not return a pair, or for packed sequences, which have no axis of time.

    Notes
    -----
    R. J. Williams and J. Peng, An efficient gradient-based algorithm for on-line training of recurrent network trajectories,
    1990.

    Examples
    --------
    >>> import numpy, fastad
    >>> from fastad import nn
    >>> x, rnn = numpy.ones((70, 2, 3), "float32"), nn.GRU(3, 4)
    >>> def step(x, state):
    ...     y, state = rnn(x, state)
    ...     return (y * y).mean(), state
    >>> for loss, state in nn.utils.tbptt(step, x, 32):
    ...     loss.backward()
    ...     print(state.requires_grad)
    False
    False
    False
    """
    length = index(length)
    if length < 1:
        raise ValueError(f"tbptt: length must be at least 1, the number of steps of a chunk, got {length}")
    if isinstance(sequences, PackedSequence) or (isinstance(sequences, tuple | list) and any(
            isinstance(s, PackedSequence) for s in sequences)):
        raise TypeError("tbptt: a PackedSequence has no axis of time to cut; cut the padded sequences, and pack the chunks")
    steps = None
    for leaf, name in zip(leaves(sequences), paths(sequences, "sequences"), strict=True):
        shape = np.shape(leaf)
        if not -len(shape) <= axis < len(shape):
            raise np.exceptions.AxisError(f"tbptt: {name} of shape {shape} has no axis {axis}")
        if steps is None:
            steps, first = shape[axis], name
        elif shape[axis] != steps:
            raise ValueError(f"tbptt: {first} has {steps} steps along axis {axis}, and {name} of shape {shape} has "
                             f"{shape[axis]}")
    if steps is None:
        raise ValueError("tbptt: there are no sequences")
    return _chunks(step, sequences, length, state, axis, steps)


def _chunks(step: Callable[[Any, Any], Any], sequences: Any, length: int, state: Any, axis: int,
            steps: int) -> Iterator[tuple[Any, Any]]:
    for start in range(0, steps, length):
        cut = slice(start, min(start + length, steps))
        where = (slice(None),) * axis + (cut,) if axis >= 0 else (..., cut) + (slice(None),) * (-1 - axis)
        found = step(over(itemgetter(where), sequences), state)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(f"tbptt: from step {start} on, the function returned a {type(found).__name__}, expected a pair: "
                            f"(result, state)")
        state = detach_state(found[1])
        yield found[0], state
