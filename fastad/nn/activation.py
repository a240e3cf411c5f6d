"""Activation functions as modules.  Each calls the function of fastad._core that its docstring names."""
from .._core.tensor import FUNCTIONS
from .module import Module

relu, relu6, leaky_relu, elu = (FUNCTIONS[f] for f in ("relu", "relu6", "leaky_relu", "elu"))
silu, mish, gelu = (FUNCTIONS[f] for f in ("silu", "mish", "gelu"))
sigmoid, tanh, softplus, logsigmoid = (FUNCTIONS[f] for f in ("sigmoid", "tanh", "softplus", "logsigmoid"))
softmax, log_softmax = FUNCTIONS["softmax"], FUNCTIONS["log_softmax"]


class ReLU(Module):
    """max(0, x); the derivative at 0 is 0.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReLU()(fastad.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """

    def forward(self, input):
        return relu(input)


class ReLU6(Module):
    """min(max(0, x), 6); the derivative at 0 and at 6 is 0.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.ReLU6()(fastad.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """

    def forward(self, input):
        return relu6(input)


class LeakyReLU(Module):
    """x for x > 0, else negative_slope * x.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.LeakyReLU(0.1)(fastad.tensor([-1.0, 2.0]))
    tensor([-0.1,  2. ])
    """

    def __init__(self, negative_slope=0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input):
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x for x > 0, else alpha (exp(x) - 1).

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.ELU()(fastad.tensor([-1.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.6321,  2.    ])
    """

    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def forward(self, input):
        return elu(input, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}"


class SiLU(Module):
    """x sigmoid(x), also called Swish.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.SiLU()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.2689,  0.    ,  1.7616])
    """

    def forward(self, input):
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

    def forward(self, input):
        return mish(input)


class GELU(Module):
    """x Phi(x), Phi the normal distribution function; approximate='tanh' gives the tanh form.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.GELU()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([-0.1587,  0.    ,  1.9545])
    """

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return gelu(input, self.approximate)

    def extra_repr(self):
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

    def forward(self, input):
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

    def forward(self, input):
        return tanh(input)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta.

    It needs no threshold above which it turns linear, as PyTorch's has: it is accurate everywhere.

    Examples
    --------
    >>> import fastad
    >>> y = fastad.nn.Softplus()(fastad.tensor([-1.0, 0.0, 2.0]))
    >>> fastad.round(y, 4)
    tensor([0.3133, 0.6931, 2.1269])
    """

    def __init__(self, beta=1.0):
        super().__init__()
        self.beta = beta

    def forward(self, input):
        return softplus(input) if self.beta == 1 else softplus(input * self.beta) / self.beta

    def extra_repr(self):
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

    def forward(self, input):
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

    def __init__(self, axis=-1):
        super().__init__()
        self.axis = axis

    def forward(self, input):
        return softmax(input, self.axis)

    def extra_repr(self):
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

    def __init__(self, axis=-1):
        super().__init__()
        self.axis = axis

    def forward(self, input):
        return log_softmax(input, self.axis)

    def extra_repr(self):
        return f"axis={self.axis}"
