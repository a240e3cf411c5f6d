"""Samples of the parts of complex numbers: of z = x + iy as functions of x and y, so that every test of real numbers tries both
directions.  test_complex.py has complex inputs."""
import numpy as np

import fastad as fa
from samples import Sample

# name: the same over arrays of each library, whose module is the first argument
FUNCTIONS = {
    "real": lambda m, z: m.real(z * z),
    "imag": lambda m, z: m.imag(z * z),
    "conj": lambda m, z: m.real(m.conj(z) * z * z) + m.imag(z * m.conj(z * z)),
    "absolute": lambda m, z: m.abs(z),
    "angle": lambda m, z: m.angle(z),
}
SHAPES = {"": ((3, 4), (3, 4)), "0d": ((), ()), "empty": ((0, 3), (3,)), "broadcast": ((3, 1), (4,))}


def around(shapes):
    """Away from 0 and from the negative real axis"""
    def inputs(rng, dtype):
        x, y = shapes
        return rng.uniform(-2, 2, x).astype(dtype), rng.uniform(0.5, 2, y).astype(dtype)
    return inputs


def in_torch(f):
    def function(x, y):
        import torch
        return f(torch, torch.complex(*torch.broadcast_tensors(x, y)))
    return function


SAMPLES = [Sample(name, lambda x, y, f=f: f(fa, x + 1j * y), lambda x, y, f=f: f(np, x + 1j * y), around(shapes), torch=in_torch(f), id=label)
           for name, f in FUNCTIONS.items() for label, shapes in SHAPES.items()]
