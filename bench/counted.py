"""What is counted: fixed small workloads, run by contract.py under callgrind (and once without, to warm the files).

Each `measure` runs its workload N and then 2 N times, between marks; the difference is the cost of N runs alone.  The
output is JSON: the conditions, and what stands between the marks, [[name, N, operations in a run], ...], N being 0
for the import, which happens once.
"""
import os
import sys

import numpy as np

mark = os.getppid                                      # a call into libc that nothing else makes: see callgrind.py

mark()
import fastad as fa  # noqa: E402  between two marks, and after NumPy: this is what is counted

mark()

import gc  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import re  # noqa: E402
from pathlib import Path  # noqa: E402

from bench.workloads import recurrent, science, small_ops, training  # noqa: E402
from fastad import nn, optim  # noqa: E402

WARM = 30                                              # CPython specialises its bytecode, the pools fill
measured = [["import of fastad after NumPy", 0, 1]]
rng = np.random.default_rng(0)


def conditions():
    """Whatever the counts depend on besides fastad's text; the compiler is the one that built the extensions."""
    kernels = Path(fa._core.kernels.__file__).read_bytes()
    compiler = re.search(rb"(GCC): \([^)]*\) ([\d.]+)|(clang) version ([\d.]+)", kernels)
    cython = next(name for name in sys.modules if name.startswith("_cython_"))
    return {
        "python": ".".join(platform.python_version_tuple()[:2]), "numpy": np.__version__,
        "cython": cython.removeprefix("_cython_").replace("_", "."),
        "compiler": b" ".join(filter(None, compiler.groups())).decode() if compiler else "unknown",
        "libc": " ".join(platform.libc_ver()),
        "kernels": fa.show_config("dicts")["kernels"],
    }


def measure(name, run, runs, operations=1):
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        return
    for _ in range(WARM if runs > 1 else 2):
        run()
    for repeat in (range(runs), range(2 * runs)):
        gc.collect()
        gc.freeze()
        mark()
        for _ in repeat:
            run()
        mark()
    measured.append([name, runs, operations])


def leaf(*shape, dtype=np.float32):
    return fa.tensor(rng.uniform(0.5, 0.9, shape).astype(dtype), requires_grad=True)


def differentiated(f, *leaves):
    """A run that computes f(*leaves) and carries a fixed gradient back."""
    seed = fa.tensor(rng.uniform(0.5, 0.9, f(*leaves).shape).astype(np.float32))

    def run():
        for x in leaves:
            x.grad = None
        f(*leaves).backward(seed)
    return run


def bench_workload(workload):
    return workload.builders["fastad"](workload.data(rng))


def interpreter():
    """No fastad in it: tells whether this Python is the one of the budgets."""
    def twice(x):
        return 2 * x
    total = 0.0
    for i in range(100):
        total += twice(float(i)) * [i, total][0]
    return {"total": total}


a, b = leaf(1), leaf(1)
measure("interpreter", interpreter, 50)
measure("add, forward", lambda: a + b, 200)
measure("add a number, forward", lambda: a + 2.0, 200)
for workload in small_ops.WORKLOADS:
    if workload.name in ("1 element", "1,024 elements"):
        measure(f"add-mul chain, {workload.name}, an operation", bench_workload(workload), 5, small_ops.OPERATIONS)
measure("Lotka-Volterra, 1,000 steps", bench_workload(next(w for w in science.WORKLOADS if "Lotka" in w.name)), 1)

matrix, other, bias = leaf(16, 16), leaf(16, 16), leaf(16)
measure("matmul 16 x 16", differentiated(lambda p, q: p @ q, matrix, other), 100)
measure("broadcast add 16 x 16 + 16", differentiated(lambda p, q: p + q, matrix, bias), 100)
measure("views: reshape, transpose, slice", differentiated(lambda p: p.reshape(8, 32).T[4:20, ::2], matrix), 100)
measure("index: p[3, 5]", differentiated(lambda p: p[3, 5], matrix), 100)
rows = np.array([3, 1, 4, 1, 5])
measure("index: p[rows]", differentiated(lambda p: p[rows], matrix), 100)

logits, labels = leaf(32, 10), fa.tensor(rng.integers(0, 10, 32))
measure("softmax cross-entropy 32 x 10", differentiated(lambda z: nn.functional.cross_entropy(z, labels), logits), 50)
digits = training.training((64, 128, 10), 32, ())
measure("digits step, SGD", bench_workload(digits), 20)



def sequence(cell, shape):
    """The primitive alone, forward and back through time, from the same data as the timed workload."""
    x, g, weights, _ = recurrent.sequence_data(cell, shape)(rng)
    weights = [fa.tensor(w, requires_grad=True) for w in weights]
    x, g = fa.tensor(x), fa.tensor(g)

    def run():
        for w in weights:
            w.grad = None
        fa.recurrent({"RNN": "rnn_tanh"}.get(cell, cell.lower()), x, None, *weights)[0].backward(g)
    return run


for cell in ("RNN", "LSTM"):
    measure(f"{cell} 20, 1, 32, 32", sequence(cell, (20, 1, 32, 32)), 20)

parameters = [leaf(128, 64), leaf(128), leaf(10, 128), leaf(10)]
adam = optim.Adam(parameters, lr=1e-3)
for p in parameters:
    p.grad = fa.tensor(rng.normal(size=p.shape).astype(np.float32))
measure("Adam's step, 64-128-10", adam.step, 20)

print(json.dumps({"conditions": conditions(), "measured": measured}))
