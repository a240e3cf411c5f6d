"""Small products above the bare call of NumPy's BLAS: python -m bench.products

Square matrices of 4 to 32, matrix and vector, batches of 8: fastad's forward (without a gradient, and recorded) beside one
call of the same cblas function from C (a batch: 8 calls), and backward, a product in a chain of 50 less its forward,
beside the two calls that it makes.  All take turns in one process; nanoseconds, the fastest of
21 rounds.
"""
import ctypes
import os
import shlex
import subprocess
import tempfile
from itertools import repeat
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy._core import _multiarray_umath

import fastad as fa

SIZES = (4, 8, 16, 32)
TARGET = 300                                           # nanoseconds above the bare call
CHAIN = 50
ROUNDS = 21


def compiled(folder):
    """bare.c as a library."""
    target = Path(folder, "bare.so")
    source = Path(__file__).with_name("bare.c")
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-O2", "-shared", "-fPIC", str(source), "-o", str(target)],
                   check=True)
    return ctypes.CDLL(str(target))


class Bare:
    """The functions of NumPy's BLAS, called from C."""

    def __init__(self, folder):
        config = fa.show_config("dicts")["blas"]
        if config["library"] != "numpy":
            raise SystemExit(f"products: fastad uses {config['library']} here; the bare call is NumPy's cblas")
        self.library, self.numpy = compiled(folder), ctypes.CDLL(_multiarray_umath.__file__)
        self.symbol, self.bits = config["symbol"], config["integers"]

    def timer(self, dtype, form, n, transposed=(0, 0)):
        """A function that gives seconds a product, over so many."""
        rng = np.random.default_rng(0)
        count = 8 if form == "batch" else 1
        a, b, c = (rng.normal(size=(count, n, n)).astype(dtype) for _ in range(3))
        name = self.symbol.replace("sgemm", ("s" if dtype == "float32" else "d") + ("gemv" if form == "vector" else "gemm"))
        call = ctypes.cast(getattr(self.numpy, name), ctypes.c_void_p)
        function = getattr(self.library, f"{dtype}_{self.bits}")
        function.restype = ctypes.c_double
        pointers = [x.ctypes.data_as(ctypes.c_void_p) for x in (a, b, c)]

        def run(loops, keep=(a, b, c)):
            return function(call, 1 if form == "vector" else n, n, count, *transposed, *pointers, loops)
        return run


def each(function):
    """A function that gives seconds a call, over so many."""
    def run(loops):
        start = perf_counter()
        for _ in repeat(None, loops):
            function()
        return (perf_counter() - start) / loops
    return run


def members(bare, dtype, form, n):
    """{name: timer} of one row."""
    rng = np.random.default_rng(0)
    of_a, of_b = {"matrix": ((n, n), (n, n)), "vector": ((n, n), (n,)), "batch": ((8, n, n), (8, n, n))}[form]
    a, b = ((rng.normal(size=s) / n).astype(dtype) for s in (of_a, of_b))
    x, y = fa.tensor(a), fa.tensor(b)
    rx, ry = fa.tensor(a, requires_grad=True), fa.tensor(b, requires_grad=True)
    seed = fa.ones(of_b, dtype=dtype)

    def chain():
        z = ry
        for _ in range(CHAIN):
            z = rx @ z
        return z

    def there_and_back():
        chain().backward(seed)
    found = {"bare": bare.timer(dtype, form, n), "forward": each(lambda: x @ y), "recorded": each(lambda: rx @ ry),
             "chain": each(chain), "there and back": each(there_and_back)}
    if form != "vector":                               # its backward is no product with a vector only
        found |= {"bare g bT": bare.timer(dtype, form, n, (0, 1)), "bare aT g": bare.timer(dtype, form, n, (1, 0))}
    return found


def measure(timers):
    times = {name: [] for name in timers}
    for _ in range(ROUNDS):
        for name, run in timers.items():
            run(20)
            times[name].append(run(20 if name in ("chain", "there and back") else 1000))
    return {name: 1e9 * min(taken) for name, taken in times.items()}


def main():
    empty = 1e9 * min(each(lambda: None)(1000) for _ in range(ROUNDS))      # of the lambda around our calls
    print("| product | bare | forward | recorded | backward (its two bare calls) |\n|---|---:|---:|---:|---:|")
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        bare = Bare(folder)
        for dtype in ("float32", "float64"):
            for form in ("matrix", "vector", "batch"):
                for n in SIZES:
                    t = measure(members(bare, dtype, form, n))
                    above = [t[name] - empty - t["bare"] for name in ("forward", "recorded")]
                    back = (t["there and back"] - t["chain"]) / CHAIN
                    two = f" ({t['bare g bT'] + t['bare aT g']:.0f})" if form != "vector" else ""
                    worst = max(worst, *above)
                    print(f"| {form} {n}, {dtype} | {t['bare']:.0f} | {above[0]:+.0f} | {above[1]:+.0f} | {back:.0f}{two} |")
    print(f"\nforward and recorded: nanoseconds above the bare call; at most {TARGET}: {'yes' if worst <= TARGET else 'no'}")


if __name__ == "__main__":
    main()
