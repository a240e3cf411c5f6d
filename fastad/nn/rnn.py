"""Recurrent layers: RNN, LSTM, GRU.

A layer in one direction is one call of `fastad.recurrent`; here stand the parameters, the directions and layers, and the
forms in which sequences come.

Imports cells.py and utils/rnn.py, for packed sequences.  Next: utils/rnn.py.
"""
from __future__ import annotations

import warnings
from operator import index
from typing import TYPE_CHECKING, SupportsIndex, overload

import numpy as np

from .. import concatenate, recurrent, stack
from .._core.make import as_tensors
from .._core.tensor import Tensor
from .cells import Recurrent, activation_of
from .dropout import dropout as drop
from .dropout import probability
from .parameter import positive
from .utils.rnn import PackedSequence, checked_lengths, places_of, sizes_of, spread

if TYPE_CHECKING:
    from typing import Any

    from .._typing import ArrayLike, Cell, DType, Generator, Padded, Pair, State, Window


class RNNBase(Recurrent):
    """What RNN, LSTM and GRU share; `mode` is the name of a cell of `fastad.recurrent`.

    Examples
    --------
    >>> from fastad import nn
    >>> isinstance(nn.GRU(3, 4), nn.RNNBase)
    True
    """

    def __init__(self, mode: Cell, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
                 window: Window = None, dtype: DType | None = None, generator: Generator = None) -> None:
        super().__init__()
        name = type(self).__name__
        positive(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if proj_size:
            raise NotImplementedError(f"{name}: proj_size is not there; put a Linear behind the layer")
        self.cell, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout = probability(name, dropout, "dropout")
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout={dropout} acts between layers, and there is only one; use nn.Dropout behind "
                          f"it", stacklevel=3)
        self.window: int | tuple[int | None, ...] | None = None
        if window is not None:
            self.window = index(window) if isinstance(window, SupportsIndex) else tuple(
                [None if w is None else index(w) for w in window])
            if isinstance(self.window, tuple) and len(self.window) != num_layers:
                raise ValueError(f"{name}: {len(self.window)} windows for {num_layers} layers; give one for each, or one "
                                 f"number for all")
        self._sets = []
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for suffix in ("", "_reverse")[:1 + bidirectional]:
                self._set(f"_l{layer}{suffix}", inputs, bias, dtype)
        self.reset_parameters(generator)

    def flatten_parameters(self) -> None:
        """Nothing: it is here for programs that were PyTorch's, where it moves the weights together."""

    def _run(self, input: Any, hx: Any, lengths: ArrayLike | None) -> tuple[Any, list[Tensor]]:
        """(output, final state as a list) of whatever form of input."""
        if lengths is not None:
            return self._run_lengths(input, hx, lengths)
        if isinstance(input, PackedSequence):
            return self._run_packed(input, hx)
        given = x = input if isinstance(input, Tensor) else as_tensors(input)[0]
        ndim = x.ndim
        if ndim == 2:
            x = x[:, None]
        elif ndim != 3:
            form = "(batch, steps, input_size)" if self.batch_first else "(steps, batch, input_size)"
            raise ValueError(f"{type(self).__name__}: the input must have shape {form}, or (steps, input_size) for one "
                             f"sequence; got {x.shape}")
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        state = hx
        if hx is not None:
            self._check_input(x)
            batch = () if ndim == 2 else (x.shape[1],)
            state = self._initial(hx, (len(self._sets), *batch, self.hidden_size), given)
            if ndim == 2:
                state = [s[:, None] for s in state]
        y, final = self._layers(x, state, None)
        if ndim == 2:
            return y[:, 0], [s[:, 0] for s in final]
        return (y.swapaxes(0, 1) if self.batch_first else y), final

    def _run_lengths(self, input: Any, hx: Any, lengths: ArrayLike) -> tuple[Tensor, list[Tensor]]:
        """Of padded sequences: their rows that are no padding, through the packed form."""
        name = type(self).__name__
        if isinstance(input, PackedSequence):
            raise TypeError(f"{name}: a PackedSequence knows its lengths; leave out lengths")
        x, = as_tensors(input)
        if x.ndim != 3:
            raise ValueError(f"{name}: lengths are for padded sequences of three axes, got an input of shape {x.shape}")
        batch, steps = x.shape[not self.batch_first], x.shape[self.batch_first]
        numbers = checked_lengths(name, lengths, batch, steps)
        if (numbers == steps).all():
            return self._run(x, hx, None)
        self._check_input(x)
        order = np.argsort(-numbers, kind="stable")
        sizes = sizes_of(numbers)
        places = places_of(sizes, order * steps if self.batch_first else order, 1 if self.batch_first else batch)
        state = None
        if hx is not None:
            state = [s[:, order] for s in self._initial(hx, (len(self._sets), batch, self.hidden_size), x)]
        y, final = self._layers(x.reshape((-1, x.shape[2]))[places], state, tuple(sizes.tolist()))
        back = np.argsort(order)
        return spread(y, places, batch, steps, self.batch_first, 0), [s[:, back] for s in final]

    def _run_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, list[Tensor]]:
        x, batch_sizes, order, back = input
        if x.ndim != 2:
            raise ValueError(f"{type(self).__name__}: packed rows must be (rows, input_size), got {x.shape}")
        sizes = tuple(batch_sizes.tolist())
        state = None
        if hx is not None:
            self._check_input(x)
            state = self._initial(hx, (len(self._sets), sizes[0], self.hidden_size), x)
            if order is not None:
                state = [s[:, order] for s in state]
        y, final = self._layers(x, state, sizes)
        if back is not None:
            final = [s[:, back] for s in final]
        return input._replace(data=y), final

    def _layers(self, x: Tensor, state: list[Any] | None,
                sizes: tuple[int, ...] | None) -> tuple[Tensor, list[Tensor]]:
        """(output of the last layer, final states (layers * directions, batch, hidden))"""
        finals: list[list[Tensor]] = []
        given, outputs = x, []
        members, window = self.__dict__, self.window
        if "parametrizations" in members:             # some are computed
            members = {name: getattr(self, name, None) for names in self._sets for name in names}
        for k, (w_ih, w_hh, b_ih, b_hh) in enumerate(self._sets):
            layer, back = (k // 2, k % 2 == 1) if self.bidirectional else (k, False)
            begin = None if state is None else [s[k] for s in state]
            try:
                y, *final = recurrent(self.cell, x, begin, members[w_ih], members[w_hh], members.get(b_ih),
                                      members.get(b_hh), sizes, back,
                                      window if window is None or isinstance(window, int) else window[layer])
            except (TypeError, ValueError):
                self._check_input(given)              # which says it in the layer's words
                raise
            finals.append(final)
            outputs.append(y)
            if back == self.bidirectional:            # the layer is through
                x = y if not back else concatenate(outputs, -1)
                outputs = []
                if self.dropout and self.training and layer < self.num_layers - 1:
                    x = drop(x, self.dropout)
        if len(finals) == 1:
            return x, [s[None] for s in finals[0]]
        return x, [stack(s) for s in zip(*finals, strict=True)]

    def extra_repr(self) -> str:
        shown: dict[str, tuple[Any, Any]] = {
            "num_layers": (self.num_layers, 1), "bias": (self.bias, True), "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0), "bidirectional": (self.bidirectional, False), "window": (self.window, None)}
        return ", ".join([f"{self.input_size}, {self.hidden_size}",
                          *[f"{name}={value}" for name, (value, default) in shown.items() if value != default]])


class OneState(RNNBase):
    """Networks whose state is h alone: RNN and GRU."""

    @overload
    def forward(self, input: PackedSequence, hx: ArrayLike | None = None) -> tuple[PackedSequence, Tensor]: ...
    @overload
    def forward(self, input: Padded, hx: ArrayLike | None = None,
                lengths: ArrayLike | None = None) -> tuple[Tensor, Tensor]: ...
    def forward(self, input: Any, hx: ArrayLike | None = None, lengths: ArrayLike | None = None) -> tuple[Any, Tensor]:
        y, (h,) = self._run(input, hx, lengths)
        return y, h

    if TYPE_CHECKING:
        __call__ = forward


class RNN(OneState):
    """h_t = act(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), in one or several layers and directions (Elman, 1990).

    Called as ``layer(input, hx=None, lengths=None)``, it gives (output, h_n):

    input : (steps, batch, input_size), or (batch, steps, input_size) if `batch_first`; (steps, input_size) for one sequence;
    or a PackedSequence (`fastad.nn.utils.rnn`), and so is the output then.
    hx : (num_layers * directions, batch, hidden_size), the initial states; zeros if None.
    lengths : (batch,) integers in any order.  Behind its length a sequence is padding: nothing is computed there, the output
    is zero, and h_n is that of the last true step.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        Each takes the output of the one below.
    nonlinearity : 'tanh', 'relu' or 'sigmoid'
    bias : bool
    batch_first : bool
        Inputs and outputs are (batch, steps, features); states stay (layers * directions, batch, hidden_size).
    dropout : float
        The probability with which elements between the layers are dropped, while training.
    bidirectional : bool
        A second set of parameters goes from the last step to the first; the outputs of both stand side by side.
    window : int, or one for each layer, optional
        Truncated backpropagation through time: the error of each output goes back over so many steps more and no further.  A
        training rule without tangents or higher derivatives.
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : (hidden_size, inputs) and (hidden_size, hidden_size), uniform in +-1/sqrt(hidden_size);
        also of the layers l1, ..., and with `_reverse` of the other direction
    bias_ih_l0, bias_hh_l0 : (hidden_size,), the same

    Raises
    ------
    ValueError
        If shapes or lengths do not fit, or an argument is out of its range.
    TypeError
        If dtypes differ, or the state is of the wrong kind.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.RNN(4, 3, num_layers=2)
    >>> output, h_n = layer(fastad.tensor(numpy.ones((5, 2, 4)), dtype="float32"))
    >>> output.shape, h_n.shape
    ((5, 2, 3), (2, 2, 3))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, window: Window = None,
                 dtype: DType | None = None, generator: Generator = None) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(activation_of("RNN", nonlinearity), input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, window, dtype, generator)

    def extra_repr(self) -> str:
        shown = super().extra_repr()
        return shown if self.nonlinearity == "tanh" else f"{shown}, nonlinearity={self.nonlinearity!r}"


class LSTM(RNNBase):
    """Long short-term memory, in one or several layers and directions.

    With s the logistic function::

        i, f, o = s(W_i x_t + b_i + U_i h + c_i),  and so f and o     (input, forget and output gate)
        g = tanh(W_g x_t + b_g + U_g h + c_g)
        c_t = f c_(t-1) + i g
        h_t = o tanh(c_t)

    Called as ``layer(input, hx=None, lengths=None)``, it gives (output, (h_n, c_n)); hx is (h_0, c_0), each
    (num_layers * directions, batch, hidden_size).  Everything else is as in `RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : (4 hidden_size, inputs) and (4 hidden_size, hidden_size): the rows of i, f, g, o; uniform in
        +-1/sqrt(hidden_size)
    bias_ih_l0, bias_hh_l0 : (4 hidden_size,), the same

    Raises
    ------
    ValueError, TypeError
        As `RNN`.
    NotImplementedError
        For proj_size.

    Notes
    -----
    S. Hochreiter and J. Schmidhuber, Long short-term memory, 1997; F. Gers et al., Learning to forget, 2000.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.LSTM(4, 3, batch_first=True)
    >>> x = fastad.tensor(numpy.ones((2, 5, 4)), dtype="float32")
    >>> output, (h_n, c_n) = layer(x, lengths=[5, 2])
    >>> output.shape, h_n.shape, c_n.shape
    ((2, 5, 3), (1, 2, 3), (1, 2, 3))
    >>> bool((output[1, 2:] == 0).all())
    True
    """

    pair = True

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, window: Window = None,
                 dtype: DType | None = None, generator: Generator = None) -> None:
        super().__init__("lstm", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
                         window, dtype, generator)

    @overload
    def forward(self, input: PackedSequence, hx: Pair | None = None) -> tuple[PackedSequence, State]: ...
    @overload
    def forward(self, input: Padded, hx: Pair | None = None,
                lengths: ArrayLike | None = None) -> tuple[Tensor, State]: ...
    def forward(self, input: Any, hx: Pair | None = None, lengths: ArrayLike | None = None) -> tuple[Any, State]:
        y, (h, c) = self._run(input, hx, lengths)
        return y, (h, c)

    if TYPE_CHECKING:
        __call__ = forward


class GRU(OneState):
    """Gated recurrent units, in one or several layers and directions.

    With s the logistic function::

        r = s(W_r x_t + b_r + U_r h + c_r),  z = s(W_z x_t + b_z + U_z h + c_z)     (reset and update gate)
        n = tanh(W_n x_t + b_n + r (U_n h + c_n))
        h_t = (1 - z) n + z h_(t-1)

    Called as ``layer(input, hx=None, lengths=None)``, it gives (output, h_n); everything else is as in `RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : (3 hidden_size, inputs) and (3 hidden_size, hidden_size): the rows of r, z, n; uniform in
        +-1/sqrt(hidden_size)
    bias_ih_l0, bias_hh_l0 : (3 hidden_size,), the same

    Raises
    ------
    ValueError, TypeError
        As `RNN`.

    Notes
    -----
    K. Cho et al., Learning phrase representations, 2014, in PyTorch's form (r behind the product).

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.GRU(4, 3, bidirectional=True)
    >>> output, h_n = layer(fastad.tensor(numpy.ones((5, 2, 4)), dtype="float32"))
    >>> output.shape, h_n.shape
    ((5, 2, 6), (2, 2, 3))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, window: Window = None, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__("gru", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, window,
                         dtype, generator)
