"""The operations of the layers as functions: fastad's own, under the names of torch.nn.functional."""
from .._core.tensor import FUNCTIONS

NAMES = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "elu",
    "gelu",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
globals().update({name: FUNCTIONS[name] for name in NAMES})
__all__ = list(NAMES)
