"""A training step of a small network: forward, cross-entropy, backward, update; float32, ReLU between layers.

All libraries start from the same weights and take the same steps on one fixed random batch.
"""
import itertools

import numpy as np

from bench import peers
from bench.workloads import Workload

RATE = {"SGD": 0.1, "Adam": 1e-3}


def network_data(layers, batch):
    """A function from a generator to (inputs, labels, [W1, b1, W2, b2, ...]), W of shape (out, in)."""
    def data(rng):
        parameters = []
        for n_in, n_out in itertools.pairwise(layers):
            parameters.append(rng.normal(0, np.sqrt(2 / n_in), (n_out, n_in)).astype(np.float32))
            parameters.append(rng.normal(0, 0.1, n_out).astype(np.float32))
        x = rng.normal(size=(batch, layers[0])).astype(np.float32)
        return x, rng.integers(0, layers[-1], batch), parameters
    return data


def pairs(parameters):
    """[W1, b1, W2, b2, ...] as (W1, b1), (W2, b2), ..."""
    return list(zip(parameters[::2], parameters[1::2], strict=True))


# --- libraries with modules and optimizers ----------------------------------------------------------

def fastad(optimizer):
    def build(data):
        fa = peers.load("fastad")
        from fastad import nn, optim
        x, labels = fa.tensor(data[0]), fa.tensor(data[1])
        model = nn.Sequential(*stack(nn, data[2]))
        with fa.no_grad():
            for p, start in zip(model.parameters(), data[2], strict=True):
                p.copy_(fa.tensor(start))
        opt = getattr(optim, optimizer)(model.parameters(), lr=RATE[optimizer])
        return training_step(model, opt, nn.functional.cross_entropy, x, labels)
    return build


def pytorch(optimizer):
    def build(data):
        torch = peers.load("PyTorch")
        x, labels = torch.tensor(data[0]), torch.tensor(data[1])
        model = torch.nn.Sequential(*stack(torch.nn, data[2]))
        with torch.no_grad():
            for p, start in zip(model.parameters(), data[2], strict=True):
                p.copy_(torch.tensor(start))
        opt = getattr(torch.optim, optimizer)(model.parameters(), lr=RATE[optimizer])
        return training_step(model, opt, torch.nn.functional.cross_entropy, x, labels)
    return build


def stack(nn, parameters):
    """Linear layers of the parameters' sizes with a ReLU between each two."""
    layers = []
    for weight in parameters[::2]:
        n_out, n_in = weight.shape
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers[:-1]


def training_step(model, optimizer, cross_entropy, x, labels):
    parameters = list(model.parameters())

    def run():
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss, parameters
    return run


def reference(optimizer):
    def build(data):
        ref = peers.load("reference")
        x, labels, start = data
        parameters = [ref.Tensor(p, requires_grad=True) for p in start]
        opt = getattr(ref, optimizer)(parameters, lr=RATE[optimizer])

        def model(h):
            *hidden, (W, b) = pairs(parameters)
            for V, c in hidden:
                h = ref.relu(ref.linear(h, V, c))
            return ref.linear(h, W, b)

        def run():
            opt.zero_grad()
            loss = ref.cross_entropy(model(x), labels)
            loss.backward()
            opt.step()
            return loss, parameters
        return run
    return build


# --- libraries that differentiate functions: the network and the update written out -------------------

def one_hot(labels, classes):
    """The labels as rows of the unit matrix: here a product picks an entry faster than an index."""
    return np.eye(classes, dtype=np.float32)[labels]


def loss_of(np, parameters, x, targets):
    """The cross-entropy of the network, in the library's own `numpy`."""
    *hidden, (W, b) = pairs(parameters)
    for V, c in hidden:
        x = np.maximum(x @ V.T + c, 0)
    z = x @ W.T + b
    z = z - np.max(z, axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.sum(log_p * targets) / len(targets)


def sgd(parameters, gradients, state):
    return [p - RATE["SGD"] * g for p, g in zip(parameters, gradients, strict=True)], state


def adam(parameters, gradients, state, b1=0.9, b2=0.999, eps=1e-8):
    t, ms, vs = state
    t = t + 1
    ms = [b1 * m + (1 - b1) * g for m, g in zip(ms, gradients, strict=True)]
    vs = [b2 * v + (1 - b2) * g * g for v, g in zip(vs, gradients, strict=True)]
    rate, root = RATE["Adam"] / (1 - b1 ** t), (1 - b2 ** t) ** 0.5
    moved = [p - rate * m / (v ** 0.5 / root + eps) for p, m, v in zip(parameters, ms, vs, strict=True)]
    return moved, (t, ms, vs)


def start_state(parameters, t):
    zeros = [np.zeros_like(p) for p in parameters]
    return t, zeros, zeros


def jax(optimizer):
    def build(data):
        jax = peers.load("JAX")
        update = {"SGD": sgd, "Adam": adam}[optimizer]
        loss_and_grad = jax.value_and_grad(lambda p, x, targets: loss_of(jax.numpy, p, x, targets))

        @jax.jit
        def step(parameters, state, x, targets):
            loss, gradients = loss_and_grad(parameters, x, targets)
            return loss, *update(parameters, gradients, state)

        inputs, labels, start = data
        targets = one_hot(labels, len(start[-1]))
        state = start_state(start, np.float32(0)) if optimizer == "Adam" else ()
        x, targets, parameters, state = jax.tree.map(jax.numpy.asarray, (inputs, targets, start, state))

        def run():
            nonlocal parameters, state
            loss, parameters, state = step(parameters, state, x, targets)
            return loss.block_until_ready(), parameters    # all results of a compiled step arrive together
        return run
    return build


def autograd(optimizer):
    def build(data):
        import autograd.numpy as anp
        x, labels, parameters = data
        targets = one_hot(labels, len(parameters[-1]))
        update, state = {"SGD": sgd, "Adam": adam}[optimizer], start_state(parameters, 0)
        loss_and_grad = peers.load("autograd").value_and_grad(lambda p: loss_of(anp, p, x, targets))

        def run():
            nonlocal parameters, state
            loss, gradients = loss_and_grad(parameters)
            parameters, state = update(parameters, gradients, state)
            return loss, parameters
        return run
    return build


# --- the floor: the step's matrix products alone ---------------------------------------------------------

def floor(data):
    """Z = X W^T and dW = dZ^T X for every layer, dX = dZ W for all but the first, into arrays at hand."""
    x, _, parameters = data
    products, first = [], True
    for W in parameters[::2]:
        z = x @ W.T
        products += [(x, W.T, z), (z.T, x, np.empty_like(W))]
        if not first:
            products.append((z, W, np.empty_like(x)))
        x, first = z.copy(), False

    def run():
        for a, b, out in products:
            np.matmul(a, b, out=out)
    return run


BUILDERS = {"fastad": fastad, "reference": reference, "PyTorch": pytorch, "JAX": jax, "autograd": autograd}


def training(layers, batch, targets, optimizer="SGD"):
    builders = {library: build(optimizer) for library, build in BUILDERS.items()} | {"floor": floor}
    name = f"{'-'.join(map(str, layers))}, batch {batch}, {optimizer}"
    return Workload("Training steps", name, network_data(layers, batch), builders, targets, tolerance=1e-4)


WORKLOADS = [
    training((4, 16, 3), 1, (("PyTorch", 1 / 25), ("JAX", 1 / 2))),
    training((4, 64, 64, 2), 32, (("PyTorch", 1 / 10), ("JAX", 1 / 2))),
    training((64, 128, 10), 32, (("PyTorch", 1 / 8), ("JAX", 1 / 2))),
    training((64, 128, 10), 32, (("PyTorch", 1 / 8), ("JAX", 1 / 2)), optimizer="Adam"),
    training((784, 256, 128, 10), 64, (("floor", 1.15),)),
    training((784, 256, 128, 10), 64, (("floor", 1.15),), optimizer="Adam"),
    training((784, 512, 512, 10), 256, (("floor", 1.08), ("JAX", 1))),
]
