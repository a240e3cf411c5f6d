"""Linear and Identity.  Next: activation.py."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import init
from .functional import linear
from .module import Module
from .parameter import Parameter, uninitialised

if TYPE_CHECKING:
    from typing import Any

    from .._core.tensor import Tensor
    from .._typing import DType, Generator


class Identity(Module):
    """The input itself; any arguments are accepted and ignored.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.Identity()(fastad.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    dtype : float dtype, default float32
    generator : numpy.random.Generator, optional
        The source of the initial values.

    Attributes
    ----------
    weight : (out_features, in_features), uniform in +-1/sqrt(in_features)
    bias : (out_features,), the same; or None

    Raises
    ------
    TypeError
        If the input is of another float dtype than the weight.
    ValueError
        If the last axis of the input is not in_features.

    Examples
    --------
    >>> import numpy, fastad
    >>> layer = fastad.nn.Linear(4, 3)
    >>> layer(fastad.tensor(numpy.ones((2, 4)), dtype="float32")).shape
    (2, 3)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: DType | None = None,
                 generator: Generator = None) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = uninitialised((out_features, in_features), dtype)
        self.register_parameter("bias", uninitialised((out_features,), dtype) if bias else None)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator = None) -> None:
        """Draw new initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
            init.uniform_(self.bias, -bound, bound, generator=generator)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )
