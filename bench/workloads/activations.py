"""Activations and elementary functions of a million float32: the result alone, and with the gradient.

The backward pass starts from a dense random cotangent, as inside a network; a sum would hand down the same
number everywhere, and softmax's gradient of a sum is nothing but rounding.
"""
import numpy as np

from bench import peers
from bench.workloads import Workload

COUNT = 1_000_000
ROWS = (1000, 1000)                                # softmax works on rows
FORWARD, BACKWARD = "Activations, forward", "Activations, forward + backward"

# name: (fastad's function, PyTorch's, JAX's), each of the library's modules
FUNCTIONS = {
    "tanh": (lambda fa, f: fa.tanh, lambda torch, f: torch.tanh, lambda jnp, nn: jnp.tanh),
    "sigmoid": (lambda fa, f: fa.sigmoid, lambda torch, f: torch.sigmoid, lambda jnp, nn: nn.sigmoid),
    "exp": (lambda fa, f: fa.exp, lambda torch, f: torch.exp, lambda jnp, nn: jnp.exp),
    "relu": (lambda fa, f: f.relu, lambda torch, f: f.relu, lambda jnp, nn: nn.relu),
    "gelu": (lambda fa, f: f.gelu, lambda torch, f: f.gelu, lambda jnp, nn: lambda x: nn.gelu(x, approximate=False)),
    "gelu, tanh form": (lambda fa, f: lambda x: f.gelu(x, approximate="tanh"),
                        lambda torch, f: lambda x: f.gelu(x, approximate="tanh"), lambda jnp, nn: nn.gelu),
    "silu": (lambda fa, f: f.silu, lambda torch, f: f.silu, lambda jnp, nn: nn.silu),
    "mish": (lambda fa, f: f.mish, lambda torch, f: f.mish, lambda jnp, nn: nn.mish),
    "elu": (lambda fa, f: f.elu, lambda torch, f: f.elu, lambda jnp, nn: nn.elu),
    "softplus": (lambda fa, f: f.softplus, lambda torch, f: f.softplus, lambda jnp, nn: nn.softplus),
    "leaky_relu": (lambda fa, f: f.leaky_relu, lambda torch, f: f.leaky_relu, lambda jnp, nn: nn.leaky_relu),
    "softmax": (lambda fa, f: lambda x: f.softmax(x, -1), lambda torch, f: lambda x: f.softmax(x, -1),
                lambda jnp, nn: nn.softmax),
    "log_softmax": (lambda fa, f: lambda x: f.log_softmax(x, -1), lambda torch, f: lambda x: f.log_softmax(x, -1),
                    lambda jnp, nn: nn.log_softmax),
    "log": (lambda fa, f: fa.log, lambda torch, f: torch.log, lambda jnp, nn: jnp.log),
    "sqrt": (lambda fa, f: fa.sqrt, lambda torch, f: torch.sqrt, lambda jnp, nn: jnp.sqrt),
    "sin": (lambda fa, f: fa.sin, lambda torch, f: torch.sin, lambda jnp, nn: jnp.sin),
    "erf": (lambda fa, f: fa.erf, lambda torch, f: torch.erf, lambda jnp, nn: __import__("jax").scipy.special.erf),
}
