"""TransformerEncoderLayer and TransformerEncoder.  Imports attention.py."""
from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from .._core.tensor import FUNCTIONS
from .attention import MultiheadAttention
from .container import Sequential
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .parameter import positive

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.tensor import Tensor
    from .._typing import ArrayLike, DType, Generator

ACTIVATIONS = ("relu", "gelu")


class TransformerEncoderLayer(Module):
    """Self-attention and two linear layers, each beside a connection past it.

    ``x = norm1(x + attention(x)); x = norm2(x + linear2(activation(linear1(x))))``; with `norm_first`
    ``x = x + attention(norm1(x)); x = x + linear2(activation(linear1(norm2(x))))``; dropout behind attention, the
    activation and linear2.

    Parameters
    ----------
    d_model, nhead : int
        The features, and the heads that share them.
    dim_feedforward : int
        The features between the linear layers.
    dropout : float
    activation : 'relu', 'gelu' or a function of a tensor
    layer_norm_eps : float
    batch_first : bool
        Inputs are (N, L, d_model) and not (L, N, d_model).
    norm_first : bool
    bias : bool
        Without, no linear layer and no LayerNorm has one.
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Raises
    ------
    ValueError
        If the heads do not divide d_model, or there is no activation of that name; in a call, if shapes do not fit.

    Notes
    -----
    A. Vaswani et al., Attention is all you need, 2017; `norm_first`: R. Xiong et al., 2020.

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(fastad.ones((4, 3, 8), dtype="float32")).shape
    (4, 3, 8)
    """

    activation: Callable[[Tensor], Tensor]

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: str | Callable[[Tensor], Tensor] = "relu", layer_norm_eps: float = 1e-5,
                 batch_first: bool = False, norm_first: bool = False, bias: bool = True, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype,
                                            generator=generator)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype, generator=generator)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype, generator=generator)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        if isinstance(activation, str):
            if activation not in ACTIVATIONS:
                raise ValueError(f"TransformerEncoderLayer: activation must be 'relu', 'gelu' or a function, got "
                                 f"{activation!r}")
            self.activation = FUNCTIONS[activation]
        else:
            self.activation = activation

    def forward(self, src: Tensor, src_mask: ArrayLike | None = None, src_key_padding_mask: ArrayLike | None = None,
                is_causal: bool = False) -> Tensor:
        """The features of `src` after this layer; masks as `MultiheadAttention` takes them."""
        x = src
        masks = src_mask, src_key_padding_mask, is_causal
        if self.norm_first:
            x = x + self.attended(self.norm1(x), *masks)
            return x + self.transformed(self.norm2(x))
        x = self.norm1(x + self.attended(x, *masks))
        return self.norm2(x + self.transformed(x))

    def attended(self, x: Tensor, mask: ArrayLike | None, padding: ArrayLike | None, causal: bool) -> Tensor:
        """Attention of x to itself."""
        y, _ = self.self_attn(x, x, x, padding, False, mask, is_causal=causal)
        return self.dropout1(y)

    def transformed(self, x: Tensor) -> Tensor:
        """The two linear layers."""
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after the other, and a last normalisation if there is one.

    Parameters
    ----------
    encoder_layer : TransformerEncoderLayer
        What is copied, with its initial values.
    num_layers : int
    norm : Module, optional

    Examples
    --------
    >>> import fastad
    >>> layer = fastad.nn.TransformerEncoderLayer(8, 2, 16)
    >>> encoder = fastad.nn.TransformerEncoder(layer, 2)
    >>> encoder(fastad.ones((3, 4, 8), dtype="float32"), is_causal=True).shape
    (3, 4, 8)
    """

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        positive("TransformerEncoder", num_layers=num_layers)
        self.layers = Sequential(*[deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, src: Tensor, mask: ArrayLike | None = None, src_key_padding_mask: ArrayLike | None = None,
                is_causal: bool = False) -> Tensor:
        """The features of `src` after all layers; masks as `MultiheadAttention` takes them."""
        x = src
        for layer in self.layers.children():
            x = layer(x, mask, src_key_padding_mask, is_causal)
        return x if self.norm is None else self.norm(x)
