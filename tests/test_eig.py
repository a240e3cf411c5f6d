"""linalg.eig and eigvals beyond the generic suite: LAPACK's phase, PyTorch, equal eigenvalues, defective matrices."""
import numpy as np
import pytest

import fastad as fa
from fastad import linalg
from fastad.testing import check_grads

RNG = np.random.default_rng(7)
REAL = RNG.normal(size=(4, 4)) + np.diag([0.0, 2.0, 4.0, 6.0])
COMPLEX = RNG.normal(size=(4, 4)) + 1j * RNG.normal(size=(4, 4))
TURN = np.array([[1.0, -3.0, 0.2], [2.0, 1.0, 0.1], [0.3, 0.1, 5.0]])
POINTS = {"real": REAL, "complex": COMPLEX, "turn": TURN, "batch": np.stack([COMPLEX, REAL]), "one": np.array([[2.0]])}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_values_are_numpys(dtype):
    for a in POINTS.values():
        a = (a if np.dtype(dtype).kind == "c" else a.real).astype(dtype)
        for found, expected in ((linalg.eig(a), np.linalg.eig(a)), (np.linalg.eig(fa.tensor(a)), np.linalg.eig(a))):
            for x, y in zip(found, expected, strict=True):
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x.numpy(), y)
        assert linalg.eigvals(a).dtype == np.linalg.eigvals(a).dtype
        x = fa.tensor(a, requires_grad=True)
        w, v = linalg.eig(x)
        (w.real.sum() + abs(v).sum()).backward()
        assert x.grad.dtype == dtype


@pytest.mark.parametrize("name", POINTS)
def test_differences_to_second_order_with_the_phase_of_lapack(name):
    check_grads(linalg.eigvals, (POINTS[name],), order=2)
    check_grads(lambda a: tuple(linalg.eig(a)), (POINTS[name],), order=2, atol=1e-5)


LOSSES = {                                 # of the library's names; of no phase
    "values": lambda m, w, v: (abs(w) ** 2 * (w.real + 2)).sum(),
    "vectors": lambda m, w, v: ((abs(v) ** 2) @ (w * w)).imag.sum() + (abs(v) ** 4).sum(),
    "projections": lambda m, w, v: (((v * w) @ v.conj().swapaxes(-1, -2)) ** 2).real.sum(),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["complex", "turn"])
def test_gradients_are_conjugates_of_those_of_torch(name, loss):
    torch = pytest.importorskip("torch")
    x = torch.tensor(POINTS[name], requires_grad=True)
    w, v = torch.linalg.eig(x)
    f = LOSSES[loss]
    if loss == "vectors":
        f = lambda m, w, v: ((abs(v) ** 2).to(w.dtype) @ (w * w)).imag.sum() + (abs(v) ** 4).sum()  # noqa: E731
    f(torch, w, v).backward()
    found = fa.grad(lambda a: LOSSES[loss](fa, *linalg.eig(a)))(POINTS[name])
    np.testing.assert_allclose(found, x.grad.numpy().conj(), rtol=1e-9, atol=1e-11)


def test_known_derivatives():
    """det = the product, trace = the sum; dw / dA = u v^T"""
    a = TURN
    np.testing.assert_allclose(fa.grad(lambda a: linalg.eigvals(a).prod().real)(a), np.linalg.det(a) * np.linalg.inv(a).T, rtol=1e-12)
    np.testing.assert_allclose(fa.grad(lambda a: linalg.eigvals(a).sum().real)(a), np.eye(3), atol=1e-13)
    _, v = np.linalg.eig(COMPLEX)
    found = fa.grad(lambda a: linalg.eigvals(a)[2].real)(COMPLEX)
    np.testing.assert_allclose(found, np.outer(np.linalg.inv(v)[2], v[:, 2]), rtol=1e-11)


def test_equal_eigenvalues():
    """What treats equal values alike is right; their vectors, and second derivatives, are NaN; other vectors stay right."""
    x = RNG.normal(size=(3, 3))
    a = x @ np.diag([2.0, 2.0, 5.0]) @ np.linalg.inv(x)
    g = fa.grad(lambda a: (linalg.eigvals(a) ** 3).real.sum())(a)
    np.testing.assert_allclose(g, 3 * (a @ a).T, rtol=1e-8, atol=1e-8)
    k = int(np.argmax(np.linalg.eigvals(a).real))
    assert np.isnan(fa.grad(lambda a: abs(linalg.eig(a)[1]).sum())(a)).any()
    assert np.isnan(fa.jvp(lambda a: linalg.eig(a)[1], a, np.eye(3) + x)[1][:, [j for j in range(3) if j != k]]).all()
    alone = fa.grad(lambda a: (linalg.eig(a)[1][:, k] ** 4).real.sum())(a)
    h, t = 1e-6, RNG.normal(size=(3, 3))

    def value(a):
        w, v = np.linalg.eig(a)
        return (v[:, np.argmax(w.real)] ** 4).real.sum()

    np.testing.assert_allclose((alone * t).sum(), (value(a + h * t) - value(a - h * t)) / (2 * h), rtol=1e-5)
    np.testing.assert_allclose(fa.grad(lambda a: linalg.eigvals(a).sum())(np.eye(3)), np.eye(3))
    assert np.isnan(fa.hvp(lambda a: (linalg.eigvals(a) ** 2).sum(), np.eye(2), np.ones((2, 2)))[1]).any()


SHEAR = RNG.normal(size=(3, 3))


@pytest.mark.parametrize("a", [np.array([[1.0, 1.0], [0.0, 1.0]]), np.zeros((2, 2)) + np.eye(2, k=1), np.array([[3.0, 1.0], [-1.0, 1.0]]),
                               SHEAR @ np.array([[2.0, 1, 0], [0, 2, 0], [0, 0, 1]]) @ np.linalg.inv(SHEAR),
                               SHEAR @ np.array([[2.0, 1, 0], [0, 2, 1], [0, 0, 2]]) @ np.linalg.inv(SHEAR)],
                         ids=["jordan", "nilpotent", "rational", "similar", "of three"])
@pytest.mark.parametrize("f", [lambda a: linalg.eigvals(a).real.sum(), lambda a: abs(linalg.eig(a)[1]).sum()], ids=["values", "vectors"])
def test_defective_matrices_are_an_error(a, f):
    linalg.eig(a)
    for dtype in (np.float64, np.complex128):
        for call in (lambda a: fa.grad(f)(a), lambda a: fa.jvp(f, a, np.ones_like(a))):
            with pytest.raises(np.linalg.LinAlgError, match=r"eig: a matrix of shape .* is defective to working precision"):
                call(a.astype(dtype))


def test_matrices_far_from_normal_are_none():
    """Ill-conditioned eigenvectors, but eigenvalues apart"""
    a = np.triu(np.full((6, 6), 30.0), 1) + np.diag(np.arange(1.0, 7.0))
    assert np.linalg.cond(np.linalg.eig(a)[1]) > 1e4
    np.testing.assert_allclose(fa.grad(lambda a: (linalg.eigvals(a) ** 2).sum())(a), 2 * a.T, atol=1e-6)


def test_errors_and_empty_matrices():
    for call, match in ((lambda: linalg.eig(np.ones((2, 3))), r"eig: the last two axes .*\(2, 3\)"), (lambda: linalg.eigvals(np.ones(3)), "eigvals: expected a matrix"),
                        (lambda: linalg.eig(np.full((2, 2), np.nan)), "eig: .*finite")):
        with pytest.raises(np.linalg.LinAlgError, match=match):
            call()
    with pytest.raises(TypeError, match="eig: no linear algebra in float16"):
        linalg.eig(np.ones((2, 2), np.float16))
    assert fa.grad(lambda a: linalg.eigvals(a).real.sum())(np.zeros((0, 2, 2))).shape == (0, 2, 2)
    assert fa.grad(lambda a: linalg.eigvals(a).real.sum())(np.zeros((0, 0))).shape == (0, 0)
