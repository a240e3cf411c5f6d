"""Level 4: recurrent layers.  A whole sequence, forward or back through time, is one compiled call.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from fastad._typing import ArrayLike
from fastad._core.tensor import Tensor
from fastad._core.tape import Primitive

@final
class Sequences:
    @property
    def batch(self) -> Any: ...
    @property
    def reverse(self) -> Any: ...
    @property
    def rows(self) -> Any: ...
    @property
    def sizes(self) -> Any: ...
    @property
    def steps(self) -> Any: ...
    @property
    def window(self) -> Any: ...
class Recurrent(Primitive):
    @property
    def formula(self) -> Any: ...
    def jvp(self, node: Any, saved: Any, tangents: Any) -> Any: ...
    @property
    def states(self) -> Any: ...
    def vjp(self, node: Any, saved: Any, g: Any) -> Any: ...
@final
class Gru(Recurrent): ...
@final
class Lstm(Recurrent): ...
@final
class Vanilla(Recurrent): ...
PRIMITIVES: dict[Any, Any]
def recurrent(cell: Literal["rnn_tanh", "rnn_relu", "rnn_sigmoid", "lstm", "gru"], x: ArrayLike, state: tuple[ArrayLike, ...] | list[ArrayLike] | None, w_ih: ArrayLike, w_hh: ArrayLike, b_ih: ArrayLike | None = None, b_hh: ArrayLike | None = None, batch_sizes: Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]] | None = None, reverse: bool = False, window: SupportsIndex | None = None) -> list[Tensor]:
    """One layer of a recurrent network in one direction: the whole sequence in one compiled call."""
