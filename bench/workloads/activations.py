"""Activations and elementary functions of a million float32: the result alone, and with the gradient.

The backward pass starts from a dense random cotangent, as inside a network; a sum would hand down the same
number everywhere, and the gradient of a sum over softmax is nothing but rounding.
"""
import numpy as np

from bench import peers
from bench.workloads import Workload

SHAPE = (1000, 1000)                               # softmax works on rows
FORWARD, BACKWARD = "Activations, forward", "Activations, forward + backward"
MEAN_TARGETS = {BACKWARD: (("PyTorch", 1 / 2.5),)}

NAMES = ("tanh", "sigmoid", "exp", "relu", "leaky_relu", "elu", "softplus", "silu", "mish", "gelu", "gelu, tanh form",
         "softmax", "log_softmax", "log", "sqrt", "erf", "sin")
POSITIVE = {"log", "sqrt"}                         # of these the domain


def options(name, axis="axis", approximate=("none", "tanh")):
    """What a function takes beside x, as a library calls it."""
    if name.startswith("gelu"):
        return {"approximate": approximate[name != "gelu"]}
    return {axis: -1} if name.endswith("softmax") else {}


def function_of(name, modules, options):
    """The function of that name in the first of the modules that has it."""
    plain = name.partition(",")[0]
    function = next(getattr(module, plain) for module in modules if hasattr(module, plain))
    return lambda x: function(x, **options)


def leaf_run(function, x, g, backward):
    """The member of a library with `y.backward(g)` and `.grad`."""
    def forward_run():
        return function(x)

    def backward_run():
        x.grad = None
        y = function(x)
        y.backward(g)
        return y, x.grad
    return backward_run if backward else forward_run


def fastad(name, backward):
    def build(data):
        fa = peers.load("fastad")
        x, g = fa.tensor(data[0], requires_grad=True), fa.tensor(data[1])
        return leaf_run(function_of(name, (fa, fa.nn.functional), options(name)), x, g, backward)
    return build


def pytorch(name, backward):
    def build(data):
        torch = peers.load("PyTorch")
        x, g = torch.tensor(data[0], requires_grad=True), torch.tensor(data[1])
        return leaf_run(function_of(name, (torch, torch.nn.functional), options(name, "dim")), x, g, backward)
    return build


def jax(name, backward):
    def build(data):
        jax = peers.load("JAX")
        modules = jax.nn, jax.numpy, jax.scipy.special
        value = function_of(name, modules, options(name, approximate=(False, True)))
        x, g = map(jax.numpy.asarray, data)

        def with_gradient(x, g):
            y, pull = jax.vjp(value, x)
            return y, pull(g)[0]
        run = jax.jit(with_gradient if backward else value)
        arguments = (x, g) if backward else (x,)
        return lambda: jax.block_until_ready(run(*arguments))
    return build


def activation(name, backward):
    def data(rng):
        x, g = rng.normal(0, 2, SHAPE), rng.normal(size=SHAPE)
        return (np.abs(x) if name in POSITIVE else x).astype(np.float32), g.astype(np.float32)

    builders = {"fastad": fastad(name, backward), "PyTorch": pytorch(name, backward), "JAX": jax(name, backward)}
    limit = 1.05 if name == "relu" else 1
    return Workload(BACKWARD if backward else FORWARD, name, data, builders, (("PyTorch", limit),), tolerance=1e-5)


WORKLOADS = [activation(name, backward) for backward in (False, True) for name in NAMES]
