"""fixed_point: derivatives by the implicit function theorem, in both modes and again, against closed forms and HIPS/autograd."""
import numpy as np
import pytest

import fastad as fa


def distance(x, y):
    return fa.abs(x - y).max()


def root(a):
    """Newton's iteration for the square root"""
    return fa.fixed_point(lambda a: lambda x: 0.5 * (x + a / x), a, 1.0, lambda x, y: abs(x - y), 1e-13)


def test_square_root():
    assert isinstance(root(2.0), np.float64) and root(2.0) == pytest.approx(2**0.5, rel=1e-15)
    for first in (fa.grad, fa.deriv):
        assert first(root)(2.0) == pytest.approx(0.5 * 2**-0.5, rel=1e-13)
        for second in (fa.grad, fa.deriv):
            assert second(first(root))(2.0) == pytest.approx(-0.25 * 2**-1.5, rel=1e-12)
            for third in (fa.grad, fa.deriv):
                assert third(second(first(root)))(2.0) == pytest.approx(0.375 * 2**-2.5, rel=1e-10)
    a = fa.tensor(2.0, requires_grad=True)
    root(a).backward()
    assert a.grad.item() == pytest.approx(0.5 * 2**-0.5, rel=1e-13)


RNG = np.random.default_rng(2)
P = {"W": 0.3 * RNG.normal(size=(4, 4)) / 2, "b": RNG.normal(size=4)}


def equilibrium(p):
    """x = tanh(W x + b)"""
    return fa.fixed_point(lambda p: lambda x: fa.tanh(p["W"] @ x + p["b"]), p, np.zeros(4), distance, 1e-14)


def test_an_equilibrium():
    x = equilibrium(P)
    np.testing.assert_allclose(x, np.tanh(P["W"] @ x + P["b"]), atol=1e-14)
    D = np.diag(1 - x * x)
    expected = np.linalg.solve(np.eye(4) - D @ P["W"], D)                       # dx/db
    for transform in (fa.jacfwd, fa.jacrev, fa.jacobian):
        J = transform(equilibrium)(P)
        np.testing.assert_allclose(J["b"], expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(J["W"], np.einsum("ij,k->ijk", expected, x), rtol=1e-11, atol=1e-12)


def test_second_derivatives_of_an_equilibrium():
    def f(b):
        return (equilibrium({"W": P["W"], "b": b}) ** 2).sum()

    def unrolled(b):
        x = fa.zeros(4)
        for _ in range(60):
            x = fa.tanh(P["W"] @ x + b)
        return (x**2).sum()

    b, v = P["b"], RNG.normal(size=4)
    np.testing.assert_allclose(fa.grad(f)(b), fa.grad(unrolled)(b), rtol=1e-11, atol=1e-13)
    expected = fa.hvp(unrolled, b, v)[1]
    for product in (fa.hvp(f, b, v)[1], fa.vhp(f, b, v)[1], fa.hessian(f)(b) @ v):
        np.testing.assert_allclose(product, expected, rtol=1e-10, atol=1e-12)


def test_beside_autograd():
    autograd = pytest.importorskip("autograd")
    import autograd.numpy as anp
    from autograd.misc.fixed_points import fixed_point
    g = autograd.grad(lambda b: anp.sum(fixed_point(lambda b: lambda x: anp.tanh(anp.dot(P["W"], x) + b), b, np.zeros(4),
                                                    lambda x, y: anp.max(anp.abs(x - y)), 1e-14) ** 3))(P["b"])
    ours = fa.grad(lambda b: (fa.fixed_point(lambda b: lambda x: fa.tanh(P["W"] @ x + b), b, np.zeros(4), distance, 1e-14) ** 3).sum())(P["b"])
    np.testing.assert_allclose(ours, g, rtol=1e-11)


def test_containers():
    def f(a):
        return lambda x: {"u": fa.cos(x["v"]) * a[0], "v": 0.5 * x["u"] + a[1]}

    def solution(a):
        return fa.fixed_point(f, a, {"u": np.float32(0), "v": 0.0}, lambda x, y: abs(x["u"] - y["u"]) + abs(x["v"] - y["v"]), 1e-7)

    x = solution([0.3, 0.2])
    assert x["u"].dtype == np.float32 and x["v"].dtype == np.float64 and x["v"] == pytest.approx(0.5 * x["u"] + 0.2, abs=1e-6)
    slopes = fa.grad(lambda a: solution(a)["v"])([0.3, 0.2])
    det = 1 + 0.15 * np.sin(x["v"])
    np.testing.assert_allclose(slopes, [0.5 * np.cos(x["v"]) / det, 1 / det], rtol=1e-5)


def test_errors():
    with pytest.raises(RuntimeError, match=r"fixed_point of <lambda>: no fixed point within 50 steps; the last two differ by"):
        fa.fixed_point(lambda a: lambda x: -a * x, 1.0, 1.0, lambda x, y: abs(x - y), 1e-9, max_steps=50)
    with pytest.raises(ValueError, match=r"fixed_point of <lambda>: f\(a\)\(x\) has 2 numbers, and x0 has 1"):
        fa.fixed_point(lambda a: lambda x: fa.stack([x, a]), 1.0, 1.0, distance, 1e-9)
    with pytest.raises(TypeError, match="fixed_point: expected a function, got float"):
        fa.fixed_point(1.0, 1.0, 1.0, distance, 1e-9)


@pytest.mark.parametrize("transform", [fa.grad, fa.deriv, fa.jacrev])
def test_what_the_step_reads_past_its_parameters(transform):
    def root(a, s):
        return fa.fixed_point(lambda a: lambda x: 0.5 * (x + s * a / x), a, 1.0, lambda x, y: abs(x - y), 1e-12) * 1.0

    for a in (lambda s: s, lambda s: 3.0):
        with pytest.raises(RuntimeError, match=r"fixed_point of <lambda>: f\(a\) reads a tensor .* put it into a"):
            transform(lambda s, a=a: root(a(s), s))(3.0)
    assert np.isclose(transform(lambda s: root(s, s.detach()))(3.0), 0.5)
    assert np.isclose(float(root(3.0, fa.tensor(3.0, requires_grad=True))), 3.0)
