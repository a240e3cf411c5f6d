"""Recurrent cells: RNNCell, LSTMCell, GRUCell, each a sequence of one step, and what the layers share with them.

Imports fastad.recurrent.  Next: rnn.py, whole sequences in one call.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import recurrent
from .._core.make import as_tensors
from .._core.tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter, positive, uninitialised

if TYPE_CHECKING:
    from typing import Any

    from .._typing import ArrayLike, Cell, DType, Generator, Pair, State

GATES = {"lstm": 4, "gru": 3}
ACTIVATIONS: dict[str, Cell] = {"tanh": "rnn_tanh", "relu": "rnn_relu", "sigmoid": "rnn_sigmoid"}


def activation_of(layer: str, nonlinearity: str) -> Cell:
    """The name of the cell with this activation."""
    if nonlinearity not in ACTIVATIONS:
        raise ValueError(f"{layer}: nonlinearity must be one of {', '.join(ACTIVATIONS)}, got {nonlinearity!r}")
    return ACTIVATIONS[nonlinearity]


class Recurrent(Module):
    """What layers and cells share: sets of parameters, and what is checked before they are used."""

    hidden_size: int
    input_size: int
    bias: bool
    cell: Cell                                # its name for `fastad.recurrent`
    pair: bool = False                        # whether the state is (h, c)
    _sets: list[tuple[str, str, str, str]]   # names of parameters, also of biases that are not there

    def _set(self, suffix: str, inputs: int, bias: bool, dtype: DType | None) -> None:
        """Parameters of one layer in one direction."""
        rows = GATES.get(self.cell, 1) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {f"weight_ih{suffix}": (rows, inputs),
                                              f"weight_hh{suffix}": (rows, self.hidden_size)}
        if bias:
            shapes |= {f"bias_ih{suffix}": (rows,), f"bias_hh{suffix}": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name, uninitialised(shape, dtype))
        self._sets.append((f"weight_ih{suffix}", f"weight_hh{suffix}", f"bias_ih{suffix}", f"bias_hh{suffix}"))

    def reset_parameters(self, generator: Generator = None) -> None:
        """Draw new initial values, uniform in +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound, generator=generator)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names[:4 if self.bias else 2]] for names in self._sets]

    def _check_input(self, x: Tensor) -> None:
        name = type(self).__name__
        if x.shape[-1] != self.input_size:
            raise ValueError(f"{name}: the input of shape {x.shape} has {x.shape[-1]} features, and input_size is "
                             f"{self.input_size}")
        dtype = getattr(self, self._sets[0][0]).dtype
        if x.dtype != dtype:
            remedy = f"use astype({str(dtype)!r}), or convert the layer" if x.dtype.kind == "f" else \
                "put an Embedding before it, or use one-hot rows"
            raise TypeError(f"{name}: the input is {x.dtype} and the parameters are {dtype}; {remedy}")

    def _initial(self, hx: Any, shape: tuple[int, ...], x: Tensor) -> list[Any]:
        """The initial state as a list of checked tensors."""
        name = type(self).__name__
        if self.pair:
            if not isinstance(hx, tuple | list) or len(hx) != 2:
                got = f"a tensor of shape {hx.shape}" if isinstance(hx, Tensor) else type(hx).__name__
                raise TypeError(f"{name}: its state is a pair (h, c), each of shape {shape}; got {got}")
            state = as_tensors(*hx)
        else:
            if isinstance(hx, tuple):
                raise TypeError(f"{name}: its state is one tensor of shape {shape}, got a tuple")
            state = as_tensors(hx)
        for s in state:
            if s.shape != shape:
                raise ValueError(f"{name}: the initial state must have shape {shape} for an input of shape {x.shape}, "
                                 f"got {s.shape}")
            if s.dtype != x.dtype:
                raise TypeError(f"{name}: the initial state is {s.dtype} and the input {x.dtype}; use "
                                f"astype({str(x.dtype)!r})")
        return state


class RNNCellBase(Recurrent):
    """What the cells share: one step of the layers above."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, mode: Cell, input_size: int, hidden_size: int, bias: bool = True, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__()
        positive(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.cell, self.input_size, self.hidden_size, self.bias = mode, input_size, hidden_size, bias
        self._sets = []
        self._set("", input_size, bias, dtype)
        if not bias:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters(generator)

    def _step(self, input: Any, hx: Any) -> list[Tensor]:
        """The state after a step, as a list."""
        x = input if isinstance(input, Tensor) else as_tensors(input)[0]
        if x.ndim != 2:
            return self._single(x, hx)
        try:
            h, *rest = recurrent(self.cell, x, hx if self.pair or hx is None else (hx,), self.weight_ih, self.weight_hh,
                                 self.bias_ih, self.bias_hh, (len(x),) if len(x) else ())
        except (TypeError, ValueError):
            self._check_input(x)                      # which says it in the cell's words
            if hx is not None:
                self._initial(hx, (len(x), self.hidden_size), x)
            raise
        rest[0] = h                                   # the final state and the output are one step's
        return rest

    def _single(self, x: Tensor, hx: Any) -> list[Tensor]:
        """The step of one sequence without a batch."""
        if x.ndim != 1:
            raise ValueError(f"{type(self).__name__}: the input must have shape (batch, input_size), or (input_size,) for "
                             f"one sequence; got {x.shape}")
        self._check_input(x)
        if hx is not None:
            state = [s[None] for s in self._initial(hx, (self.hidden_size,), x)]
            hx = state if self.pair else state[0]
        return [s[0] for s in self._step(x[None], hx)]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """One step of `RNN`: h' = act(W_ih x + b_ih + W_hh h + b_hh).

    Called as ``cell(input, hx=None)`` with an input (batch, input_size) and a state (batch, hidden_size), or both without
    the batch; it gives the next state.  Errors are those of `RNN`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    nonlinearity : 'tanh', 'relu' or 'sigmoid'
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight_ih, weight_hh : (hidden_size, input_size) and (hidden_size, hidden_size), uniform in +-1/sqrt(hidden_size)
    bias_ih, bias_hh : (hidden_size,), the same

    Examples
    --------
    >>> import fastad
    >>> cell, h = fastad.nn.RNNCell(2, 3), None
    >>> for x in fastad.ones((5, 1, 2), "float32"):
    ...     h = cell(x, h)
    >>> h.shape
    (1, 3)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
                 dtype: DType | None = None, generator: Generator = None) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(activation_of("RNNCell", nonlinearity), input_size, hidden_size, bias, dtype, generator)

    def forward(self, input: ArrayLike, hx: ArrayLike | None = None) -> Tensor:
        return self._step(input, hx)[0]

    def extra_repr(self) -> str:
        shown = super().extra_repr()
        return shown if self.nonlinearity == "tanh" else f"{shown}, nonlinearity={self.nonlinearity!r}"


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: from (h, c) to (h', c').

    Called as ``cell(input, hx=None)`` with an input (batch, input_size) and a state of two (batch, hidden_size), or all
    without the batch.  Parameters, attributes and errors are those of `RNNCell`, with 4 hidden_size rows: i, f, g, o.

    Examples
    --------
    >>> import fastad
    >>> cell = fastad.nn.LSTMCell(2, 3)
    >>> h, c = cell(fastad.ones((1, 2), "float32"))
    >>> h.shape, c.shape
    ((1, 3), (1, 3))
    """

    pair = True

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__("lstm", input_size, hidden_size, bias, dtype, generator)

    def forward(self, input: ArrayLike, hx: Pair | None = None) -> State:
        h, c = self._step(input, hx)
        return h, c


class GRUCell(RNNCellBase):
    """One step of `GRU`: from h to h'.

    Called as `RNNCell`; the parameters have 3 hidden_size rows: r, z, n.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.GRUCell(2, 3)(fastad.ones((1, 2), "float32")).shape
    (1, 3)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__("gru", input_size, hidden_size, bias, dtype, generator)

    def forward(self, input: ArrayLike, hx: ArrayLike | None = None) -> Tensor:
        return self._step(input, hx)[0]
