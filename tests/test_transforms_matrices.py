"""Jacobians, Hessians and their products: the modes agree, closed forms, chunks, complex numbers; peers in test_transforms_peers.py."""
import numpy as np
import pytest

import fastad as fa
from fastad._core import make


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def rosenbrock_hessian(x):
    """by hand"""
    H = np.zeros((x.size, x.size))
    i = np.arange(x.size - 1)
    H[i, i] += 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    H[i + 1, i + 1] += 200
    H[i, i + 1] -= 400 * x[:-1]
    H[i + 1, i] -= 400 * x[:-1]
    return H


def counting(name, walk, seen):
    def walked(*args):
        seen.append((name, args[2][0].shape[0] if args[3] else 0))
        return walk(*args)
    return walked


@pytest.fixture
def walks(monkeypatch):
    """The number of leading axes' elements of every walk, with its direction."""
    seen = []
    for name in ("push", "pull"):
        monkeypatch.setattr(make, name, counting(name, getattr(make, name), seen))
    return seen


@pytest.mark.parametrize("n", [2, 20, 200])
def test_hessian_of_rosenbrock(n):
    x = np.random.default_rng(n).normal(size=n)
    expected = rosenbrock_hessian(x)
    for chunk in (None, 7):
        np.testing.assert_allclose(fa.hessian(rosenbrock, chunk_size=chunk)(x), expected, rtol=1e-12, atol=1e-10)
    v = np.random.default_rng(0).normal(size=n)
    for product in (fa.hvp(rosenbrock, x, v)[1], fa.vhp(rosenbrock, x, v)[1], fa.make_hvp(rosenbrock)(x)[0](v),
                    fa.hessian_vector_product(rosenbrock)(x, v), fa.hessian_tensor_product(rosenbrock)(x, v)):
        np.testing.assert_allclose(product, expected @ v, rtol=1e-11, atol=1e-9)


def test_closed_forms():
    rng = np.random.default_rng(1)
    A, b, x = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=4)
    np.testing.assert_allclose(fa.hessian(lambda x: 0.5 * x @ (A @ x) + b @ x)(x), (A + A.T) / 2, rtol=1e-13)
    p = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(fa.jacobian(fa.softmax)(x), np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(fa.hessian(fa.logsumexp)(x), np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-15)
    X = rng.normal(size=(2, 3))
    J = fa.jacobian(lambda X: X @ X.T)(X)
    np.testing.assert_allclose(J, np.einsum("ai,bj->abij", np.eye(2), X) + np.einsum("bi,aj->abij", np.eye(2), X))


# ---- which mode, how many walks ------------------------------------------------------------------------
def test_the_cheaper_mode_is_chosen(walks):
    W = np.ones((5, 3))
    fa.jacobian(lambda x: W @ x)(np.ones(3))
    assert walks == [("push", 3)]
    walks.clear()
    fa.jacobian(lambda x: W.T @ x)(np.ones(5))
    assert walks == [("pull", 3)]
    walks.clear()
    fa.jacobian(lambda x: x.sum(), (0,))(np.ones(5))
    assert walks == [("pull", 1)]
    walks.clear()
    fa.jacobian(lambda x, y: {"a": x * y, "b": x}, (0, 1))(np.ones(5), 2.0)
    assert walks == [("push", 6)]


def test_one_walk_carries_all_directions(walks):
    x = np.ones(10)
    fa.jacrev(fa.tanh)(x)
    fa.jacfwd(fa.tanh)(x)
    fa.hessian(rosenbrock)(x)
    assert walks == [("pull", 10), ("push", 10), ("pull", 0), ("push", 10)]
    walks.clear()
    fa.jacrev(fa.tanh, chunk_size=4)(x)
    fa.jacfwd(fa.tanh, chunk_size=4)(x)
    fa.hessian(rosenbrock, chunk_size=5)(x)
    assert walks == [("pull", 4), ("pull", 4), ("pull", 2), ("push", 4), ("push", 4), ("push", 2), ("pull", 0), ("push", 5), ("push", 5)]
    walks.clear()
    fa.hvp(rosenbrock, x, x)
    assert walks == [("pull", 0), ("push", 0)]


@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_modes_agree_on_several_arguments_and_outputs(chunk):
    rng = np.random.default_rng(3)

    def f(x, y):
        h = fa.tanh(x @ y["w"] + y["b"])
        return h, (h * h).sum(), fa.exp(y["b"]) * x[:, None]

    args = rng.normal(size=4), {"w": rng.normal(size=(4, 2)), "b": 0.3}
    a, b = (transform(f, (0, 1), chunk_size=chunk)(*args) for transform in (fa.jacfwd, fa.jacrev))
    sizes = []
    for row, other in zip(a, b, strict=True):
        for block, same in zip(fa.transforms.tree.leaves(row), fa.transforms.tree.leaves(other), strict=True):
            assert np.shape(block) == np.shape(same)
            np.testing.assert_allclose(block, same, rtol=1e-12, atol=1e-15)
            sizes.append(np.shape(block))
    assert sizes == [(2, 4), (2,), (2, 4, 2), (4,), (), (4, 2), (4, 1, 4), (4, 1), (4, 1, 4, 2)]
    np.testing.assert_allclose(a[2][0][:, 0], np.exp(0.3) * np.eye(4))


def test_the_dtype_is_the_arguments_in_both_modes():
    x = np.ones(3, np.float32)
    for transform in (fa.jacobian, fa.jacfwd, fa.jacrev):
        assert transform(lambda x: x.astype(np.float64) * 2)(x).dtype == np.float32
        assert transform(lambda x: x * 2, chunk_size=2)(x).dtype == np.float32
        assert transform(lambda x: x.astype(np.float64) * 2)(fa.tensor(x)).dtype == np.float32


# ---- products ------------------------------------------------------------------------------------------
def test_tensor_jacobian_product():
    rng = np.random.default_rng(4)
    W, x = rng.normal(size=(2, 3, 4)), rng.normal(size=4)

    def f(x):
        return fa.sin(W @ x)

    J = fa.jacobian(f)(x)
    for t in (rng.normal(size=(2, 3)), rng.normal(size=2), 1.5):
        expected = np.tensordot(t, J, axes=np.ndim(t))
        for product in (fa.tensor_jacobian_product, fa.vector_jacobian_product):
            found = product(f)(x, t)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-13)
    slope = fa.grad(lambda t: (fa.tensor_jacobian_product(f)(x, t) ** 2).sum())(np.ones(2))
    expected = 2 * np.einsum("akx,bkx,b->a", J, J, np.ones(2))
    np.testing.assert_allclose(slope, expected, rtol=1e-12)
    np.testing.assert_allclose(fa.tensor_jacobian_product(lambda a, x: a * x, -1)(2.0, x, x), 2 * x)


def test_gauss_newton():
    rng = np.random.default_rng(5)
    W, x, v = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)

    def f(x):
        return fa.tanh(W @ x)

    def loss(y):
        return fa.logsumexp(y) + (y**2).sum()

    J, H = fa.jacobian(f)(x), fa.hessian(loss)(f(x).numpy())
    np.testing.assert_allclose(fa.make_ggnvp(f)(x)(v), J.T @ J @ v, rtol=1e-12)
    np.testing.assert_allclose(fa.make_ggnvp(f, loss)(x)(v), J.T @ H @ J @ v, rtol=1e-12)
    value, product = fa.ggnvp(f, x, v, loss)
    np.testing.assert_allclose(product, J.T @ H @ J @ v, rtol=1e-12)
    np.testing.assert_allclose(value, np.tanh(W @ x))
    a, b = fa.ggnvp(lambda x, y: {"out": f(x) * y}, (x, 2.0), (v, 0.0))[1]
    np.testing.assert_allclose(a, 4 * J.T @ J @ v, rtol=1e-12)
    assert b == pytest.approx(2 * np.tanh(W @ x) @ J @ v)


# ---- complex numbers -----------------------------------------------------------------------------------
Z = np.array([0.3 + 0.4j, -0.2 + 0.1j])


def cube(z):
    return z * z * z


def real_square(z):
    """u = Re z^2 = x^2 - y^2, du/dx - i du/dy = 2 z"""
    return (z * z).sum().astype(float)


@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_gradients_of_real_values_follow_autograd():
    for g in (fa.grad(real_square)(Z), fa.jacobian(real_square)(Z), fa.jacrev(real_square)(Z), fa.elementwise_grad(real_square)(Z)):
        np.testing.assert_allclose(g, 2 * Z)
    assert fa.jvp(real_square, Z, 1j * Z)[1] == pytest.approx(np.sum(2j * Z * Z).real)
    with pytest.raises(TypeError, match=r"forward mode has one half; use fastad.jacrev"):
        fa.jacfwd(real_square)(Z)


def test_holomorphic_derivatives():
    assert fa.holomorphic_grad(cube)(Z[0]) == pytest.approx(3 * Z[0] ** 2)
    assert fa.holomorphic_grad(lambda z: (z * z).sum())(Z).tolist() == pytest.approx((2 * Z).tolist())
    for transform in (fa.jacobian, fa.jacfwd, fa.jacrev):
        np.testing.assert_allclose(transform(cube, holomorphic=True)(Z), np.diag(3 * Z**2), rtol=1e-15)
    np.testing.assert_allclose(fa.hessian(lambda z: cube(z).sum(), holomorphic=True)(Z), np.diag(6 * Z), rtol=1e-15)
    np.testing.assert_allclose(fa.deriv(cube)(Z), 3 * Z**2)
    np.testing.assert_allclose(fa.jvp(cube, Z, 1j * Z)[1], 3j * Z**3)
    np.testing.assert_allclose(fa.vjp(cube, Z)[1](1j * Z)[0], 3j * Z**3)          # no conjugation
    assert fa.holomorphic_grad(fa.holomorphic_grad(cube))(Z[0]) == pytest.approx(6 * Z[0])


def test_from_real_to_complex_and_back():
    x = np.array([0.3, 0.4])
    rotation = np.array([1.0, 1j])
    for transform in (fa.jacobian, fa.jacfwd):
        J = transform(lambda x: (x * x * rotation).sum())(x)
        np.testing.assert_allclose(J, 2 * x * rotation)
        J = transform(lambda x: x * x * rotation)(x)
        np.testing.assert_allclose(J, np.diag(2 * x * rotation))
    with pytest.raises(TypeError, match=r"reverse mode has the real part; use fastad.jacfwd"):
        fa.jacrev(lambda x: x * rotation)(x)


@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_complex_arguments_need_a_promise():
    with pytest.raises(TypeError, match=r"jacobian of cube: a complex value of complex arguments .*holomorphic=True"):
        fa.jacobian(cube)(Z)
    with pytest.raises(TypeError, match=r"hessian of .*holomorphic=True"):
        fa.hessian(real_square)(Z)
    with pytest.raises(TypeError, match="holomorphic=True is for complex values of complex arguments"):
        fa.jacobian(cube, holomorphic=True)(Z.real)
    with pytest.raises(TypeError, match=r"grad of <lambda>: its value has dtype complex128, .*fastad.holomorphic_grad"):
        fa.grad(lambda z: cube(z).sum())(Z)
    with pytest.raises(TypeError, match="holomorphic_grad of cube: argument 0 has dtype float64, expected a complex one"):
        fa.holomorphic_grad(cube)(2.0)
