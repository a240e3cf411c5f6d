"""Samples of matmul and what is made of it: dot, inner, outer, tensordot, linear."""
import numpy as np

import fastad as fa
from samples import Sample


def shapes(*wanted):
    return lambda rng, dtype: tuple(rng.normal(size=s).astype(dtype) for s in wanted)


def product(torch_name):
    """PyTorch's function of that name, found when it is called."""
    def function(*args):
        import torch
        return getattr(torch, torch_name)(*args)
    return function


def matmul(id, a, b):
    return Sample("matmul", fa.matmul, np.matmul, shapes(a, b), product("matmul"), id=id)


def linear_numpy(x, w, b=None):
    return x @ w.T if b is None else x @ w.T + b


def linear_torch(x, w, b=None):
    import torch
    return torch.nn.functional.linear(x, w, b)


def linear(id, *wanted):
    return Sample("linear", fa.linear, linear_numpy, shapes(*wanted), linear_torch, id=id)


SAMPLES = [
    matmul("matrix", (3, 4), (4, 2)),
    matmul("vector-vector", (3,), (3,)),
    matmul("matrix-vector", (2, 3), (3,)),
    matmul("vector-matrix", (3,), (3, 4)),
    matmul("one-row", (1, 3), (3, 4)),
    matmul("one-column", (2, 3), (3, 1)),
    matmul("no-sum", (2, 1), (1, 4)),
    matmul("batch", (5, 2, 3), (5, 3, 4)),
    matmul("batch-matrix", (5, 2, 3), (3, 4)),
    matmul("matrix-batch", (2, 3), (5, 3, 4)),
    matmul("batch-vector", (5, 2, 3), (3,)),
    matmul("vector-batch", (3,), (5, 3, 4)),
    matmul("broadcast", (5, 1, 2, 3), (6, 3, 4)),
    matmul("stretched", (1, 2, 3), (5, 3, 4)),
    matmul("no-rows", (0, 3), (3, 4)),
    matmul("empty-sum", (2, 0), (0, 4)),
    matmul("empty-batch", (0, 2, 3), (3, 4)),
    matmul("large", (70, 65), (65, 80)),
    Sample("matmul", lambda x: x @ x, lambda x: x @ x, shapes((3, 3)), lambda x: x @ x, id="twice-the-same"),
    Sample("matmul", lambda x: x.T @ x, lambda x: x.T @ x, shapes((3, 2)), lambda x: x.T @ x, id="gram"),
    Sample("matmul", lambda x: fa.matmul(x, np.ones((3, 2), x.dtype)), lambda x: x @ np.ones((3, 2), x.dtype),
           shapes((4, 3)), id="constant"),
    Sample("matmul", fa.dot, np.dot, shapes((3,), (3,)), product("dot"), id="dot"),
    Sample("matmul", fa.dot, np.dot, shapes((2, 3), (4, 3, 5)), id="dot-nd"),
    Sample("matmul", fa.inner, np.inner, shapes((2, 3), (4, 3)), product("inner"), id="inner"),
    Sample("multiply", fa.outer, np.outer, shapes((2,), (3,)), product("outer"), id="outer"),
    Sample("matmul", lambda a, b: fa.tensordot(a, b, axes=([1, 0], [0, 2])),
           lambda a, b: np.tensordot(a, b, axes=([1, 0], [0, 2])), shapes((2, 3, 4), (3, 5, 2)), id="tensordot"),
    linear("rows", (5, 3), (4, 3), (4,)),
    linear("no-bias", (5, 3), (4, 3)),
    linear("vector", (3,), (4, 3), (4,)),
    linear("batch", (2, 5, 3), (4, 3), (4,)),
    linear("one-row", (1, 3), (4, 3), (4,)),
    linear("one-output", (5, 3), (1, 3), (1,)),
    linear("no-rows", (0, 3), (4, 3), (4,)),
    linear("no-inputs", (5, 0), (4, 0), (4,)),
]
