"""Samples of the elementwise table: made from its rows, so that a new row is tested by being there."""
import numpy as np

import fastad as fa
from fastad._core.kernels import rows
from fastad._core.primitives.functions import huber
from samples import Sample

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = F = None


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def erf(x):
    from math import erf as scalar
    return np.vectorize(scalar, otypes=[np.float64])(x)


def bce_with_logits(a, b):
    wrong = np.where(a > 0, 1 - b, b)         # certainty counts nothing where it is right, also when it is infinite
    return np.where(wrong == 0, 0, np.abs(a) * wrong) + np.log1p(np.exp(-np.abs(a)))


# where NumPy has no function of the row's name
NUMPY = {
    "sigmoid": sigmoid,
    "erf": erf,
    "softplus": lambda x: np.logaddexp(x, 0),
    "logsigmoid": lambda x: -np.logaddexp(-x, 0),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.125 * x),
    "elu": lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "clip": lambda x: np.clip(x, -1.5, 2.5),
    "huber": lambda x: np.where(np.abs(x) <= 1.5, x * x / 2, 1.5 * (np.abs(x) - 0.75)),
    "bce": lambda a, b: -(b * np.log(a) + (1 - b) * np.log(1 - a)),
    "bce_with_logits": bce_with_logits,
}
# where the public name or its arguments are not the row's
FASTAD = {
    "leaky_relu": lambda x: fa.leaky_relu(x, 0.125),
    "elu": lambda x: fa.elu(x, 1.5),
    "gelu_tanh": lambda x: fa.gelu(x, approximate="tanh"),
    "clip": lambda x: fa.clip(x, -1.5, 2.5),
    "huber": lambda x: huber(x, 1.5),
    "bce": lambda a, b: fa.binary_cross_entropy(a, b, reduction="none"),
    "bce_with_logits": lambda a, b: fa.binary_cross_entropy_with_logits(a, b, reduction="none"),
}
TORCH = {} if torch is None else {
    "power": torch.pow, "leaky_relu": lambda x: F.leaky_relu(x, 0.125), "elu": lambda x: F.elu(x, 1.5),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "clip": lambda x: torch.clip(x, -1.5, 2.5),
    "huber": lambda x: F.huber_loss(x, torch.zeros_like(x), reduction="none", delta=1.5),
    "bce": lambda a, b: F.binary_cross_entropy(a, b, reduction="none"),
    "bce_with_logits": lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="none"),
}
SHAPES1 = {"": (3, 4), "0d": (), "empty": (0, 3), "long": (777,)}
SHAPES2 = {"": ((3, 4), (3, 4)), "row": ((3, 4), (4,)), "column": ((3, 1), (1, 4)), "0d": ((), ()), "empty": ((0, 3), (3,)),
           "scalar": ((2, 5), ()), "deep": ((2, 1, 3, 1), (4, 1, 5))}


def drawn(shapes, domain):
    lo, hi = domain

    def inputs(rng, dtype):
        return tuple(rng.uniform(lo, hi, s).astype(dtype) for s in shapes)
    return inputs


def oracle(name):
    if name not in NUMPY and not hasattr(np, name):
        raise LookupError(f"row {name!r} of csrc/rows.def: NumPy has no function of that name; give NUMPY above a formula for it")
    return NUMPY.get(name) or getattr(np, name)


SAMPLES = []
for row in rows():
    name = row["name"]
    shapes = SHAPES1 if row["arity"] == 1 else SHAPES2
    for label, shape in shapes.items():
        if name.startswith("bce") and shape[0] != shape[-1]:
            continue                         # the public functions ask for equal shapes
        SAMPLES.append(Sample(
            name,
            FASTAD.get(name) or getattr(fa, name),
            oracle(name),
            drawn((shape,) if row["arity"] == 1 else shape, row["domain"]),
            torch=TORCH.get(name) or getattr(torch, name, None) or getattr(F, name, None),
            id=label))

for label, (c, a, b) in {"": ((3, 4),) * 3, "broadcast": ((3, 1), (4,), (2, 1, 1)), "0d": ((), (), ())}.items():
    SAMPLES.append(Sample(
        "where", fa.where, np.where,
        lambda rng, dtype, c=c, a=a, b=b: (rng.random(c) < 0.5, rng.normal(size=a).astype(dtype), rng.normal(size=b).astype(dtype)),
        torch=getattr(torch, "where", None), differentiable=(False, True, True), id=label))
