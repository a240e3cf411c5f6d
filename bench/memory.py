"""Bytes per second of every reduction, broadcast and copy kernel:

    python -m bench.memory [--quick] [--only WORD] [--write FILE ...]

float32, one thread, in the second-level cache and far outside of the last one.  Beside each kernel stand NumPy's
function for it and a bare copy of as many bytes, timed alternately in the same run; the best times count.  Bytes are
those that must be read and written, counted once; what a result's fresh memory costs is part of an operation, the
copy's is there already.
"""
import argparse
import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import markdown, peers
from bench.table import conditions
from bench.timing import alternate, arrays

SIZES = {"in cache, 256 KB": 256, "out of cache, 64 MB": 4096}      # the side of a square matrix
HALF = 0.5                                         # of the copy's speed: below it, and below NumPy's, a row is marked
PIECE = 8                                          # rows of the small axes
PAGE = 4096


@dataclass(frozen=True)
class Kernel:
    """One row: what it does, with fastad's and NumPy's function of the same arrays."""

    family: str
    name: str
    inputs: tuple                                  # functions of (rng, side)
    fastad: object                                 # of (fastad, *tensors)
    numpy: object                                  # of (numpy, *arrays)


def matrix(rng, n):
    return rng.normal(size=(n, n)).astype(np.float32)


def near_one(rng, n):                              # products that stay finite
    return (1 + rng.normal(size=(n, n)) / n).astype(np.float32)


def double(rng, n):
    return rng.normal(size=(n, n))


def row(rng, n):
    return rng.normal(size=n).astype(np.float32)


def column(rng, n):
    return rng.normal(size=(n, 1)).astype(np.float32)


def number(rng, n):
    return rng.normal(size=()).astype(np.float32)


def block(rng, n):                                 # a long axis in the middle
    return rng.normal(size=(PIECE, n, n // PIECE)).astype(np.float32)


def images(rng, n):
    return rng.normal(size=(PIECE, PIECE, n // PIECE, n // PIECE)).astype(np.float32)


def row_numbers(rng, n):
    return rng.integers(0, n, n)


def logsumexp(np, x, axis):
    top = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis)


def scatter(np, values, index):
    out = np.zeros_like(values)
    np.add.at(out, index, values)
    return out


def scatter_places(np, values, index):
    out = np.zeros((len(values), len(values)), values.dtype)
    np.add.at(out, (np.arange(len(values)), index), values)
    return out


def same(function):
    """A kernel whose text is the same for both libraries."""
    return function, function


def softmax(np, x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def log_softmax(np, x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


def reductions():
    yield Kernel("Reductions", "softmax of rows", (matrix,), lambda fa, x: fa.softmax(x, -1), softmax)
    yield Kernel("Reductions", "log_softmax of rows", (matrix,), lambda fa, x: fa.log_softmax(x, -1), log_softmax)
    axes = {"all": (matrix, None), "rows, axis -1": (matrix, -1), "columns, axis 0": (matrix, 0), "middle axis": (block, 1)}
    for name in ("sum", "mean", "max", "min", "prod", "var", "std", "argmax", "argmin", "logsumexp", "norm", "cumsum"):
        for where, (make, axis) in axes.items():
            if name == "cumsum" and axis is None:
                continue                           # of the flattened array: as along the last axis
            if name == "logsumexp":
                pair = (lambda fa, x, axis=axis: fa.logsumexp(x, axis),
                        lambda np, x, axis=axis: logsumexp(np, x, axis))
            elif name == "norm":
                pair = (lambda fa, x, axis=axis: fa.norm(x, axis=axis),
                        lambda np, x, axis=axis: np.linalg.norm(x, axis=axis))
            else:
                pair = same(lambda lib, x, name=name, axis=axis: getattr(lib, name)(x, axis=axis))
            yield Kernel("Reductions", f"{name}, {where}", (near_one if name == "prod" and make is matrix else make,), *pair)


def axes_copied(order):
    return (lambda fa, x: fa.copy(fa.transpose(x, order))), (lambda np, x: np.ascontiguousarray(np.transpose(x, order)))


def adding_rows(fa, values, index):
    return fa.scatter(values, index, values.shape)


def adding_places(fa, values, index):
    return fa.scatter(values, (fa.arange(len(values)), index), (len(values), len(values)))


def gradient_of_stretched(axis):
    """The gradient of what was broadcast to a matrix, given the matrix's; its graph is built once."""
    graphs = {}

    def run(fa, g, stretched):
        if id(stretched) not in graphs:
            leaf = stretched.detach().requires_grad_()
            graphs[id(stretched)] = leaf, fa.broadcast_to(leaf, g.shape)
        leaf, y = graphs[id(stretched)]
        return fa.autograd.grad(y, leaf, g, retain_graph=True)[0]
    return run, lambda np, g, stretched: np.sum(g, axis=axis, keepdims=axis == 1)


BROADCASTS = {
    "column + row": ((column, row), same(lambda lib, c, r: c + r)),
    "matrix + row": ((matrix, row), same(lambda lib, x, r: x + r)),
    "matrix * column": ((matrix, column), same(lambda lib, x, c: x * c)),
    "matrix * number": ((matrix,), same(lambda lib, x: x * 1.5)),
    "matrix + matrix": ((matrix, matrix), same(lambda lib, x, y: x + y)),
    "gradient of a row": ((matrix, row), gradient_of_stretched(0)),
    "gradient of a column": ((matrix, column), gradient_of_stretched(1)),
    "gradient of a number": ((matrix, number), gradient_of_stretched(None)),
}
COPIES = {
    "copy": ((matrix,), same(lambda lib, x: lib.copy(x))),
    "copy of a transpose": ((matrix,), axes_copied((1, 0))),
    "copy with axes (0, 2, 3, 1)": ((images,), axes_copied((0, 2, 3, 1))),
    "copy with axes (0, 3, 1, 2)": ((images,), axes_copied((0, 3, 1, 2))),
    "copy with axes (3, 2, 1, 0)": ((images,), axes_copied((3, 2, 1, 0))),
    "copy of x[:, ::2]": ((matrix,), same(lambda lib, x: lib.copy(x[:, ::2]))),
    "copy of x[:, ::-1]": ((matrix,), same(lambda lib, x: lib.copy(x[:, ::-1]))),
    "float32 to float64": ((matrix,), same(lambda lib, x: x.astype(np.float64))),
    "float64 to float32": ((double,), same(lambda lib, x: x.astype(np.float32))),
    "concatenate, axis 0": ((matrix, matrix), same(lambda lib, x, y: lib.concatenate([x, y]))),
    "concatenate, axis 1": ((matrix, matrix), same(lambda lib, x, y: lib.concatenate([x, y], axis=1))),
    "stack, axis 0": ((matrix, matrix), same(lambda lib, x, y: lib.stack([x, y]))),
    "stack, axis -1": ((matrix, matrix), same(lambda lib, x, y: lib.stack([x, y], axis=-1))),
    "rows x[i]": ((matrix, row_numbers), same(lambda lib, x, i: x[i])),
    "adding rows at [i]": ((matrix, row_numbers), (adding_rows, scatter)),
    "adding at [arange, i]": ((row, row_numbers), (adding_places, scatter_places)),
    "fill": ((matrix,), same(lambda lib, x: lib.full(x.shape, 1.5, dtype=np.float32))),
}


def kernels():
    yield from reductions()
    for family, table in (("Broadcasts", BROADCASTS), ("Copies", COPIES)):
        for name, (inputs, pair) in table.items():
            yield Kernel(family, name, inputs, *pair)


def members_of(kernel, rng, side):
    """({library: run}, bytes touched, what must stay alive)"""
    fa = peers.load("fastad")
    given = [make(rng, side) for make in kernel.inputs]
    tensors = [fa.tensor(a) for a in given]
    expected = kernel.numpy(np, *given)
    got, = arrays(kernel.fastad(fa, *tensors))
    true = kernel.numpy(np, *(a.astype(np.float64) if a.dtype == np.float32 else a for a in given))
    error = np.linalg.norm(got.ravel() - true.ravel()) / max(np.linalg.norm(true), 1e-30)
    if not error <= (1e-2 if "prod" in kernel.name else 1e-4):                          # so written that NaN fails
        raise AssertionError(f"{kernel.name}: fastad and NumPy differ by {error:.1e}")
    read = sum(a.nbytes for a in given) if "fill" not in kernel.name else 0
    if "::2" in kernel.name:
        read //= 2
    touched = read + expected.nbytes
    half = max(touched // 2, 1)                    # a copy of so many bytes touches as many
    source, target = np.ones(half + PAGE, np.uint8), np.zeros(half + PAGE, np.uint8)
    target[:] = 1
    to, from_ = target.ctypes.data, source.ctypes.data
    to += (from_ + PAGE // 2 - to) % PAGE          # not at the same place of a page, where loads wait for stores
    return {"fastad": lambda: kernel.fastad(fa, *tensors), "NumPy": lambda: kernel.numpy(np, *given),
            "copy": lambda: ctypes.memmove(to, from_, half)}, touched, (source, target)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    parser.add_argument("--only", default="", metavar="WORD", help="only these kernels")
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="FILE",
                        help="put the tables between the files' comments memory:begin and memory:end")
    options = parser.parse_args(argv)
    seconds, least_rounds = (0.05, 3) if options.quick else (0.5, 7)
    rng = np.random.default_rng()
    lines = []
    for size, side in SIZES.items():
        lines += [f"**{size}** (GB/s)", "",
                  "| | fastad | NumPy | copy | fastad / copy | fastad / NumPy |", "|---|---:|---:|---:|---:|---:|"]
        for kernel in kernels():
            if options.only.lower() not in f"{kernel.family} {kernel.name}".lower():
                continue
            print(f"{size}: {kernel.name}", file=sys.stderr)
            members, touched, _kept = members_of(kernel, rng, side)
            times = alternate(members, seconds, least_rounds, of=min)
            speed = {name: touched / taken / 1e9 for name, taken in times.items()}
            of_copy, of_numpy = speed["fastad"] / speed["copy"], speed["fastad"] / speed["NumPy"]
            cells = [f"{speed[name]:.1f}" for name in ("fastad", "NumPy", "copy")]
            marks = [f"{ratio:.2f}" if ratio >= limit else f"**{ratio:.2f}**"
                     for ratio, limit in ((of_copy, HALF), (of_numpy, 1))]
            lines.append(f"| {' | '.join([kernel.name, *cells, *marks])} |")
        lines.append("")
    table = "\n".join([*lines, conditions().replace("medians", "best times")])
    print(table)
    markdown.write(options.write, table, "memory")


if __name__ == "__main__":
    main()
