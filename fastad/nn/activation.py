"""Activation functions as modules.  Each calls the function of fastad._core that its docstring names."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .functional import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .module import Module

if TYPE_CHECKING:
    from typing import Literal

    from .._core.tensor import Tensor


class ReLU(Module):
    """max(0, x); the derivative at 0 is 0.  Source: Nair and Hinton, 2010.

    `inplace` is taken for programs that were PyTorch's, here and in the other activations: the result is a new tensor.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReLU()(fastad.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return relu(input)


class ReLU6(Module):
    """min(max(0, x), 6); the derivative at 0 and at 6 is 0.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReLU6()(fastad.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return relu6(input)


class LeakyReLU(Module):
    """x for x > 0, else negative_slope * x.  Source: Maas, Hannun and Ng, 2013.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.LeakyReLU(0.1)(fastad.tensor([-1.0, 2.0]))
    tensor([-0.1,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x for x > 0, else alpha (exp(x) - 1).  Source: Clevert, Unterthiner and Hochreiter, 2015.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.ELU()(fastad.tensor([-1.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.6321,  2.    ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SiLU(Module):
    """x sigmoid(x), also called Swish.  Source: Elfwing, Uchibe and Doya, 2017.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.SiLU()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.2689,  0.    ,  1.7616])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return silu(input)


class Mish(Module):
    """x tanh(softplus(x)).  Source: Misra, 2019.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.Mish()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.3034,  0.    ,  1.944 ])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return mish(input)


class GELU(Module):
    """x Phi(x), Phi the normal distribution function; approximate='tanh' the tanh form.  Source: Hendrycks and Gimpel, 2016.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.GELU()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.1587,  0.    ,  1.9545])
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """1 / (1 + exp(-x)), the logistic function.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.Sigmoid()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([0.2689, 0.5   , 0.8808])
    """

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent of x.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.Tanh()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.7616,  0.    ,  0.964 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta: see `fastad.nn.functional.softplus`.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.Softplus()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([0.3133, 0.6931, 2.1269])
    """

    def __init__(self, beta: float = 1.0, threshold: float | None = None) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}"


class LogSigmoid(Module):
    """log(sigmoid(x)), without overflow.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.LogSigmoid()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-1.3133, -0.6931, -0.1269])
    """

    def forward(self, input: Tensor) -> Tensor:
        return logsigmoid(input)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along an axis.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.Softmax()(fastad.tensor([0.0, 1.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([0.09  , 0.2447, 0.6652])
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along an axis.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.LogSoftmax()(fastad.tensor([0.0, 1.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-2.4076, -1.4076, -0.4076])
    """

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
