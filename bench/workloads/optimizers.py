"""One step of each optimizer: a million float32 parameters in 20 tensors, and those of a network of 64-128-10.

PyTorch steps in the fastest of its ways: as it comes, tensor by tensor, all tensors at once (foreach), or fused.
"""
from time import perf_counter

import numpy as np

from bench import peers
from bench.workloads import Workload

SIZES = {"1 million in 20 tensors": ((250, 200),) * 20, "64-128-10": ((128, 64), (128,), (10, 128), (10,))}
# the name in the table, the class, its options
CASES = (
    ("SGD", "SGD", {}), ("SGD, momentum", "SGD", {"momentum": 0.9}), ("Adam", "Adam", {}), ("AdamW", "AdamW", {}),
    ("Adam, amsgrad", "Adam", {"amsgrad": True}), ("NAdam", "NAdam", {}), ("RAdam", "RAdam", {}), ("Adamax", "Adamax", {}),
    ("Adagrad", "Adagrad", {}), ("Adadelta", "Adadelta", {}), ("RMSprop", "RMSprop", {}),
    ("RMSprop, centred, momentum", "RMSprop", {"centered": True, "momentum": 0.9}), ("Rprop", "Rprop", {}),
)
WAYS = ({}, {"foreach": False}, {"foreach": True}, {"fused": True})


def data_of(shapes):
    return lambda rng: [[rng.normal(size=s).astype(np.float32) for s in shapes] for _ in range(2)]


def stepping(optimizer, leaves):
    def run():
        optimizer.step()
        return leaves
    return run


def fastad(name, options):
    def build(data):
        fa = peers.load("fastad")
        leaves = [fa.tensor(a, requires_grad=True) for a in data[0]]
        for p, g in zip(leaves, data[1], strict=True):
            p.grad = fa.tensor(g)
        return stepping(getattr(fa.optim, name)(leaves, lr=1e-4, **options), leaves)
    return build


def pytorch(name, options):
    def build(data):
        torch = peers.load("PyTorch")

        def way(extra):
            leaves = [torch.tensor(a, requires_grad=True) for a in data[0]]
            for p, g in zip(leaves, data[1], strict=True):
                p.grad = torch.tensor(g)
            return stepping(getattr(torch.optim, name)(leaves, lr=1e-4, **options, **extra), leaves)

        def seconds(extra):
            run = way(extra)
            times = []
            for _ in range(10):
                start = perf_counter()
                run()
                times.append(perf_counter() - start)
            return min(times)
        known = getattr(torch.optim, name).__init__.__code__.co_varnames
        return way(min((w for w in WAYS if set(w) <= set(known)), key=seconds))
    return build


WORKLOADS = [
    Workload("Optimizers", f"{title}, {size}", data_of(shapes),
             {"fastad": fastad(name, options), "PyTorch": pytorch(name, options)},
             (("PyTorch", 1 if "million" in size else 1 / 2),), tolerance=1e-4)
    for size, shapes in SIZES.items() for title, name, options in CASES]
