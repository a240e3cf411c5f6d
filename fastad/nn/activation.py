"""Activation functions as modules.  Each calls the function of fastad._core that its docstring names."""
from .._core.tensor import FUNCTIONS
from .module import Module

relu, relu6, leaky_relu, elu = (FUNCTIONS[f] for f in ("relu", "relu6", "leaky_relu", "elu"))
silu, mish, gelu = (FUNCTIONS[f] for f in ("silu", "mish", "gelu"))
sigmoid, tanh, softplus, logsigmoid = (FUNCTIONS[f] for f in ("sigmoid", "tanh", "softplus", "logsigmoid"))
softmax, log_softmax = FUNCTIONS["softmax"], FUNCTIONS["log_softmax"]


class ReLU(Module):
    """max(0, x); the derivative at 0 is 0."""

    def forward(self, input):
        return relu(input)


class ReLU6(Module):
    """min(max(0, x), 6)."""

    def forward(self, input):
        return relu6(input)


class LeakyReLU(Module):
    """x for x > 0, else negative_slope * x."""

    def __init__(self, negative_slope=0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input):
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x for x > 0, else alpha (exp(x) - 1)."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def forward(self, input):
        return elu(input, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}"


class SiLU(Module):
    """x sigmoid(x), also called Swish."""

    def forward(self, input):
        return silu(input)


class Mish(Module):
    """x tanh(softplus(x))."""

    def forward(self, input):
        return mish(input)


class GELU(Module):
    """x Phi(x), Phi the normal distribution function; approximate='tanh' gives the tanh form."""

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return gelu(input, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input):
        return sigmoid(input)


class Tanh(Module):
    """tanh(x)."""

    def forward(self, input):
        return tanh(input)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta.

    It needs no threshold above which it turns linear, as PyTorch's has: it is accurate everywhere."""

    def __init__(self, beta=1.0):
        super().__init__()
        self.beta = beta

    def forward(self, input):
        return softplus(input) if self.beta == 1 else softplus(input * self.beta) / self.beta

    def extra_repr(self):
        return f"beta={self.beta}"


class LogSigmoid(Module):
    """log(sigmoid(x)), without overflow."""

    def forward(self, input):
        return logsigmoid(input)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along an axis."""

    def __init__(self, axis=-1):
        super().__init__()
        self.axis = axis

    def forward(self, input):
        return softmax(input, self.axis)

    def extra_repr(self):
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along an axis."""

    def __init__(self, axis=-1):
        super().__init__()
        self.axis = axis

    def forward(self, input):
        return log_softmax(input, self.axis)

    def extra_repr(self):
        return f"axis={self.axis}"
