"""What theory bounds: a gradient's cost in calls of its function, and what checkpoints save and cost.

Run as ``python -m bench.bounds``.  A gradient costs at most about 4 times its function (Griewank and Walther, Evaluating
Derivatives, section 3.3), whatever the number of variables; here the function runs on Tensors under no_grad.
Checkpoints every sqrt(n) of n layers keep about 2 sqrt(n) layers' values instead of n, for one more forward pass: each
run in a process of its own, whose largest memory is read (Linux).
"""
import argparse
import resource
import subprocess
import sys
from math import isqrt
from pathlib import Path
from time import perf_counter

import numpy as np

import fastad as fa
from bench.markdown import write
from bench.timing import alternate
from fastad import nn


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def network(n):
    """A 10-layer network of n weights, as a function of all of them."""
    width = max(1, isqrt(n // 10))
    fa.manual_seed(0)
    model = nn.Sequential(*[part for _ in range(10) for part in (nn.Linear(width, width, dtype=np.float64), nn.Tanh())])
    x = fa.tensor(np.random.default_rng(1).normal(size=(32, width)))
    return model, lambda: (model(x) ** 2).sum()


def cheap_gradient():
    rows = ["| function | variables | function, us | gradient, us | times the function |", "|---|---:|---:|---:|---:|"]
    for n in (10, 100, 1_000, 10_000, 100_000):
        array = np.random.default_rng(0).normal(size=n)
        x, gradient = fa.tensor(array), fa.grad(rosenbrock)

        def value(x=x):
            with fa.no_grad():
                return rosenbrock(x)
        rows.append(row("Rosenbrock", n, value, lambda array=array, gradient=gradient: gradient(array)))
    for n in (10, 1_000, 100_000):
        model, loss = network(n)

        def value(loss=loss):
            with fa.no_grad():
                return loss()

        weights = list(model.parameters())

        def slope(weights=weights, loss=loss):
            fa.autograd.grad(loss(), weights)
        rows.append(row("10-layer network, batch 32", sum(w.size for w in weights), value, slope))
    return "\n".join(rows)


def row(name, n, value, slope):
    taken = alternate({"value": value, "slope": slope}, 1.0, of=min)
    return (f"| {name} | {n:,} | {taken['value'] * 1e6:.1f} | {taken['slope'] * 1e6:.1f} | "
            f"{taken['slope'] / taken['value']:.2f} |")


def layers(n, each):
    """Forward and backward through n layers, tanh(h W), checkpointed every `each` (0: not at all): memory and time."""
    rng = np.random.default_rng(0)
    weights = [fa.tensor(rng.normal(size=(256, 256)) / 16, requires_grad=True) for _ in range(10)]

    def part(h, start, stop):
        for i in range(start, stop):
            h = fa.tanh(h @ weights[i % 10])
        return h

    def run(n):
        h = fa.tensor(rng.normal(size=(64, 256)), requires_grad=True)
        step = each or n
        for start in range(0, n, step):
            h = (fa.checkpoint(part) if each else part)(h, start, min(start + step, n))
        h.sum().backward()

    run(10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(n)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(5):
        start = perf_counter()
        run(n)
        times.append(perf_counter() - start)
    print((after - before) / 1024, min(times))


def checkpoints():
    rows = ["| layers | plain, MB | checkpoint every sqrt(n), MB | time, times the plain one |", "|---:|---:|---:|---:|"]
    for n in (250, 500, 1_000, 2_000, 4_000):
        found = []
        for each in (0, isqrt(n)):
            command = [sys.executable, "-m", "bench.bounds", "--layers", str(n), str(each)]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append([float(word) for word in out.stdout.split()])
        (plain, t), (less, s) = found
        rows.append(f"| {n:,} | {plain:.0f} | {less:.1f} | {s / t:.2f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", nargs=2, type=int, metavar=("N", "EACH"), help="one measurement, as two numbers")
    parser.add_argument("--write", nargs="*", type=Path, default=[], metavar="FILE", help="put the tables into these files")
    options = parser.parse_args()
    if options.layers:
        layers(*options.layers)
    else:
        table = f"{cheap_gradient()}\n\n{checkpoints()}"
        print(table)
        write(options.write, table, "bounds")
