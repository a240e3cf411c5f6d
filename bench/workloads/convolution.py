"""Convolutional networks: training steps of two, and single layers forward and back; float32.

The small network has 3 x 3 kernels on 28 x 28 images, 1 - 16 - 32 channels; the other is LeNet-5 as it is trained today
(ReLU, largest of 2 x 2).  A step is forward, cross-entropy, backward and SGD, from equal weights.
"""
import itertools

import numpy as np

from bench import peers
from bench.workloads import Workload

RATE = 0.01
FAMILY = "Convolutional networks"
PARITY, HALF = (("PyTorch", 1),), (("PyTorch", 1 / 2),)


def small(nn):
    """1 - 16 - 32 channels."""
    return [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2)], [nn.Linear(32 * 7 * 7, 10)]


def lenet(nn):
    """LeNet-5."""
    return [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)], \
        [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]


# --- training steps --------------------------------------------------------------------------------------

def network_data(network, batch):
    """A function from a generator to (images, labels, the parameters' first values)."""
    def data(rng):
        nn = peers.load("fastad").nn
        shapes = [p.shape for layer in itertools.chain(*network(nn)) for p in layer.parameters()]
        start = [rng.uniform(-1, 1, s).astype(np.float32) / np.sqrt(np.prod(s[1:]) if len(s) > 1 else 64) for s in shapes]
        return rng.normal(size=(batch, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, batch), start
    return data


def step_of(library, network):
    def build(data):
        lib = peers.load(library)
        nn, optim = (lib.nn, lib.optim)
        images, labels, start = lib.tensor(data[0]), lib.tensor(data[1]), data[2]
        features, head = (nn.Sequential(*layers) for layers in network(nn))
        parameters = [*features.parameters(), *head.parameters()]
        with lib.no_grad():
            for p, value in zip(parameters, start, strict=True):
                p.copy_(lib.tensor(value))
        optimizer, cross_entropy, batch = optim.SGD(parameters, lr=RATE), nn.functional.cross_entropy, len(data[0])

        def run():
            optimizer.zero_grad()
            loss = cross_entropy(head(features(images).reshape((batch, -1))), labels)
            loss.backward()
            optimizer.step()
            return loss, parameters
        return run
    return build


def floor(network, batch):
    """The products of the step alone, with the patches of all images at hand, into arrays at hand."""
    layers = {small: [(16, 9, 784), (32, 144, 196)], lenet: [(6, 25, 784), (16, 150, 100)]}[network]
    linear = {small: [(1568, 10)], lenet: [(400, 120), (120, 84), (84, 10)]}[network]

    def build(data):
        products = []
        for i, (outputs, taps, places) in enumerate(layers):
            shapes = (outputs, taps), (taps, batch * places), (outputs, batch * places)
            w, patches, y = (np.ones(s, np.float32) for s in shapes)
            products += [(w, patches, y), (y, patches.T, np.empty_like(w))]
            if i:
                products.append((w.T, y, np.empty_like(patches)))
        for n, o in linear:
            x, w, y = (np.ones(s, np.float32) for s in ((batch, n), (o, n), (batch, o)))
            products += [(x, w.T, y), (y.T, x, np.empty_like(w)), (y, w, np.empty_like(x))]

        def run():
            for a, b, out in products:
                np.matmul(a, b, out=out)
        return run
    return build


def training(name, network, batch, targets):
    builders = {library: step_of(library, network) for library in ("fastad", "PyTorch")} | {"floor": floor(network, batch)}
    return Workload(FAMILY, f"{name}, batch {batch}", network_data(network, batch), builders, targets, tolerance=1e-4)


# --- single layers ---------------------------------------------------------------------------------------

def layer_data(make, shape):
    """A function from a generator to (x, the cotangent of the output, the parameters' values)."""
    def data(rng):
        fa = peers.load("fastad")
        layer = make(fa.nn)
        x = rng.normal(size=shape).astype(np.float32)
        start = [rng.uniform(-0.1, 0.1, p.shape).astype(np.float32) for p in layer.parameters()]
        return x, rng.normal(size=layer(fa.tensor(x)).shape).astype(np.float32), start
    return data


def layer_of(library, make):
    def build(data):
        lib = peers.load(library)
        layer, x, g = make(lib.nn), lib.tensor(data[0]), lib.tensor(data[1])
        leaves = [x, *layer.parameters()]
        with lib.no_grad():
            for p, value in zip(leaves[1:], data[2], strict=True):
                p.copy_(lib.tensor(value))
        x.requires_grad = True

        def run():
            for leaf in leaves:
                leaf.grad = None
            y = layer(x)
            y.backward(g)
            return y, [leaf.grad for leaf in leaves]
        return run
    return build


def layer(name, make, shape):
    builders = {library: layer_of(library, make) for library in ("fastad", "PyTorch")}
    return Workload(f"{FAMILY}, single layers with all gradients", f"{name}, {' x '.join(map(str, shape))}",
                    layer_data(make, shape), builders, PARITY, tolerance=1e-4)


WORKLOADS = [
    training("1-16-32 channels", small, 64, PARITY),
    training("LeNet-5", lenet, 64, PARITY),
    training("LeNet-5", lenet, 1, HALF),
    layer("Conv2d 1-16, 3 x 3", lambda nn: nn.Conv2d(1, 16, 3, padding=1), (64, 1, 28, 28)),
    layer("Conv2d 16-32, 3 x 3", lambda nn: nn.Conv2d(16, 32, 3, padding=1), (64, 16, 14, 14)),
    layer("Conv2d 64-64, 3 x 3", lambda nn: nn.Conv2d(64, 64, 3, padding=1), (8, 64, 28, 28)),
    layer("Conv2d 64-64, 3 x 3, stride 2", lambda nn: nn.Conv2d(64, 64, 3, stride=2, padding=1), (8, 64, 28, 28)),
    layer("Conv2d 64-128, 1 x 1", lambda nn: nn.Conv2d(64, 128, 1), (8, 64, 28, 28)),
    layer("Conv2d 64-64, 3 x 3, 64 groups", lambda nn: nn.Conv2d(64, 64, 3, padding=1, groups=64), (8, 64, 28, 28)),
    layer("ConvTranspose2d 32-16, 4 x 4, stride 2", lambda nn: nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
          (16, 32, 14, 14)),
    layer("Conv1d 32-64, 5", lambda nn: nn.Conv1d(32, 64, 5, padding=2), (16, 32, 256)),
    layer("MaxPool2d 2", lambda nn: nn.MaxPool2d(2), (64, 16, 28, 28)),
    layer("MaxPool2d 3, stride 2", lambda nn: nn.MaxPool2d(3, 2, padding=1), (64, 16, 28, 28)),
    layer("AvgPool2d 2", lambda nn: nn.AvgPool2d(2), (64, 16, 28, 28)),
    layer("AdaptiveAvgPool2d 1", lambda nn: nn.AdaptiveAvgPool2d(1), (64, 64, 7, 7)),
]
