"""Run in an environment that has the package: python -m pytest test_lennard_jones.py"""
import numpy as np
import pytest
from lennard_jones import energy

import fastad
from fastad._core import make as core


def grid(dtype="float64"):
    """Eight particles near the corners of a cube."""
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
    return (1.2 * corners + 0.1 * np.random.default_rng(0).normal(size=corners.shape)).astype(dtype)


def in_numpy(x, epsilon, sigma):
    i, j = np.tril_indices(len(x), -1)
    s6 = (sigma / np.linalg.norm(x[i] - x[j], axis=1)) ** 6
    return (4 * epsilon * (s6 ** 2 - s6)).sum()


def slopes(f, x, step=1e-5):
    found = np.empty((*np.shape(f(x)), *x.shape))
    for at in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[at] = step
        found[..., *at] = (f(x + e) - f(x - e)) / (2 * step)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_energy(dtype):
    x = grid(dtype)
    value = energy(x, 2.0, 0.9)
    assert value.dtype == dtype
    np.testing.assert_allclose(value, in_numpy(x, 2.0, 0.9), rtol=1e-4 if dtype == "float32" else 1e-12)


def test_first_derivatives_by_kernel():
    x = grid()
    exact = slopes(lambda x: in_numpy(x, 2.0, 0.9), x)
    np.testing.assert_allclose(fastad.grad(energy)(x, 2.0, 0.9), exact, rtol=1e-6, atol=1e-7)
    v, t = np.random.default_rng(1).normal(size=x.shape), fastad.tensor(x, requires_grad=True)
    tangent, = core.push([t], [energy(t, 2.0, 0.9)], [fastad.tensor(v)], 0, False)
    np.testing.assert_allclose(tangent.item(), (exact * v).sum(), rtol=1e-6)


def test_second_derivatives_by_rule():
    x = grid()
    t = fastad.tensor(x, requires_grad=True)
    slope, = fastad.autograd.grad(energy(t, 2.0, 0.9), t, create_graph=True)
    n = x.size
    seeds = np.eye(n).reshape(n, *x.shape)
    rows, = core.pull([slope], [t], [fastad.tensor(seeds)], 1, False, True)
    columns, = core.push([t], [slope], [fastad.tensor(seeds)], 1, False)
    exact = slopes(fastad.grad(lambda x: energy(x, 2.0, 0.9)), x).reshape(n, n)
    np.testing.assert_allclose(rows.numpy().reshape(n, n), exact, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(columns.numpy().reshape(n, n), exact, rtol=1e-6, atol=1e-5)


def test_mistakes():
    with pytest.raises(ValueError, match=r"energy: its shape kernel failed with 1 on inputs of shapes \(3,\)"):
        energy(np.ones(3), 1.0, 1.0)
    with pytest.raises(TypeError, match="energy: 1 arguments, expected 1 arrays and 2 numbers"):
        energy(grid())
    with pytest.raises(TypeError, match="float32 and float64, not for complex128"):
        energy(grid() * 1j, 1.0, 1.0)
    with pytest.raises(NotImplementedError, match="energy: no rule for its derivative by argument 1"):
        fastad.grad(energy, 1)(grid(), 1.0, 1.0)
