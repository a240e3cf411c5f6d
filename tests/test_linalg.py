"""fastad.linalg beyond the generic suite: NumPy's protocol, singular and degenerate matrices, both ways
to solve triangular systems, complex numbers, errors.  The samples are in samples/linalg.py."""
import os
import subprocess
import sys

import numpy as np
import pytest

import fastad as fa
from fastad import linalg
from fastad._core import make as core

RNG = np.random.default_rng(3)
A = RNG.normal(size=(4, 4)) + 8 * np.eye(4)
S = A @ A.T
V = RNG.normal(size=(4, 4))
TALL = RNG.normal(size=(5, 3))
CALLS = {
    "cholesky": (S,), "cond": (A,), "det": (A,), "diagonal": (A,), "eig": (A,), "eigvals": (A,), "eigh": (S,), "eigvalsh": (S,), "inv": (A,), "lstsq": (TALL, TALL[:, 0]),
    "matrix_norm": (A,), "matrix_power": (A, 3), "matrix_transpose": (A,), "multi_dot": ([TALL, A[:3], A],), "norm": (A, 2), "outer": (A[0], A[1]),
    "pinv": (TALL,), "qr": (TALL,), "slogdet": (A,), "solve": (A, A[0]), "svd": (A,), "svdvals": (TALL,), "tensordot": (A, A),
    "matmul": (A, A), "tensorinv": (A.reshape(4, 2, 2), 1), "tensorsolve": (A.reshape(2, 2, 4), A[0].reshape(2, 2)), "trace": (A,), "vector_norm": (A,),
    "matrix_rank": (TALL,), "cross": (TALL, TALL[0]), "vecdot": (TALL, TALL[0]),
}
NO_FUNCTION = {"LinAlgError", "test"}


def leaf(a):
    return fa.tensor(a, requires_grad=True)


def plain(x):
    return x.detach().numpy() if isinstance(x, fa.Tensor) else x


def parts(found):
    return found if isinstance(found, tuple) else (found,)


def gradient(f, *arrays):
    xs = [leaf(a) for a in arrays]
    f(*xs).backward()
    return [None if x.grad is None else x.grad.numpy() for x in xs]


def signless(y):
    """No sign of a column, or of a row, counts."""
    return (y ** 2 * np.arange(1.0, y.size + 1).reshape(y.shape) ** 2).sum()


# ---- NumPy's protocol ----------------------------------------------------------------------------------
def test_every_function_of_numpy_is_tried_here():
    theirs = {n for n in dir(np.linalg) if not n.startswith("_") and callable(getattr(np.linalg, n))}
    assert theirs - NO_FUNCTION == set(CALLS), theirs - NO_FUNCTION ^ set(CALLS)
    assert set(CALLS) <= set(linalg.__all__)


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_dispatch(name, dtype):
    def cast(x):
        return [cast(y) for y in x] if isinstance(x, list) else x.astype(dtype) if isinstance(x, np.ndarray) else x

    args = [cast(x) for x in CALLS[name]]
    expected = parts(getattr(np.linalg, name)(*args))
    tensors = [[leaf(y) for y in x] if isinstance(x, list) else leaf(x) if isinstance(x, np.ndarray) else x for x in args]
    for found in (getattr(np.linalg, name)(*tensors), getattr(linalg, name)(*tensors), getattr(linalg, name)(*args)):
        assert len(parts(found)) == len(expected)
        for y, e in zip(parts(found), expected, strict=True):
            e = np.asarray(e)
            assert np.shape(plain(y)) == e.shape
            assert np.asarray(plain(y)).dtype == e.dtype or e.dtype.kind == "i"
            np.testing.assert_allclose(plain(y), e, rtol=1e-5 if dtype is np.float32 else 1e-11, atol=1e-4 if dtype is np.float32 else 1e-12)
        if hasattr(getattr(np.linalg, name)(*args), "_fields"):
            assert found._fields == getattr(np.linalg, name)(*args)._fields
    assert name == "matrix_rank" or parts(getattr(linalg, name)(*tensors))[-1].requires_grad


def test_importing_fastad_does_not_import_it():
    code = ("import sys, fastad, numpy as np; assert 'fastad.linalg' not in sys.modules;"
            "print(np.linalg.det(fastad.tensor(2 * np.eye(2))).item(), 'fastad.linalg' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["4.0", "True"]


@pytest.mark.parametrize("options", [{"mode": "complete"}, {"mode": "r"}, {"mode": "raw"}])
def test_qr_modes_without_derivative(options):
    for y, e in zip(parts(linalg.qr(TALL, **options)), parts(np.linalg.qr(TALL, **options)), strict=True):
        np.testing.assert_array_equal(plain(y), e)


def test_svd_options():
    for y, e in zip(linalg.svd(TALL), np.linalg.svd(TALL), strict=True):
        np.testing.assert_array_equal(plain(y), e)
    np.testing.assert_array_equal(plain(linalg.svd(TALL, compute_uv=False)), np.linalg.svd(TALL, compute_uv=False))
    np.testing.assert_array_equal(plain(linalg.svd(S, hermitian=True).U), np.linalg.svd(S, hermitian=True).U)
    g, = gradient(lambda x: linalg.svd(x, compute_uv=False).sum(), TALL)
    u, _, vh = np.linalg.svd(TALL, full_matrices=False)
    np.testing.assert_allclose(g, u @ vh, atol=1e-13)


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [(-2, -1), (0, 1), (2, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms(ord, axis, keepdims):
    x = RNG.normal(size=(3, 4, 5))
    expected = np.linalg.norm(x, ord, axis, keepdims)
    y = np.linalg.norm(leaf(x), ord, axis, keepdims)
    assert y.shape == expected.shape and y.requires_grad
    np.testing.assert_allclose(plain(y), expected, rtol=1e-12)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (2, 1, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("ord", [1, 2, 3, np.inf])
def test_vector_norms(axis, keepdims, ord):
    x = RNG.normal(size=(3, 4, 5))
    expected = np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
    np.testing.assert_allclose(plain(linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)), expected, rtol=1e-12)
    assert linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord).shape == expected.shape


# ---- values that NumPy cannot be asked for ------------------------------------------------------------
def test_products_of_vectors_along_another_axis():
    a, b = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 3, 4))
    for name in ("cross", "vecdot"):
        np.testing.assert_allclose(plain(getattr(linalg, name)(a, b, axis=1)), getattr(np.linalg, name)(a, b, axis=1), rtol=1e-13)
    np.testing.assert_allclose(plain(linalg.vecdot(a * 1j, b)), np.linalg.vecdot(a * 1j, b), rtol=1e-13)


@pytest.mark.parametrize("scale", [0.01, 1.0, 20.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_expm_against_scipy(scale, dtype):
    scipy = pytest.importorskip("scipy.linalg")
    a = RNG.normal(size=(2, 4, 4)) * [[[scale]], [[1.0]]]
    a = (a + (1j * a[::-1] / 10 if np.dtype(dtype).kind == "c" else 0)).astype(dtype)
    expected, v = scipy.expm(a), RNG.normal(size=(4, 4)).astype(dtype)
    tolerance = 1e-4 if dtype in (np.float32, np.complex64) else 1e-11
    found = linalg.expm(a)
    assert found.dtype == dtype
    for y, e, one in zip(plain(found), expected, a, strict=True):
        np.testing.assert_allclose(y, e, atol=tolerance * np.abs(e).max())
        x = leaf(one)
        t, = core.push([x], [linalg.expm(x)], [fa.tensor(v)], 0, False)
        frechet = scipy.expm_frechet(one.astype(np.complex128), v.astype(np.complex128), compute_expm=False)
        np.testing.assert_allclose(plain(t), frechet, atol=10 * tolerance * np.abs(frechet).max())


def test_expm_at_its_ends():
    np.testing.assert_allclose(plain(linalg.expm(np.zeros((2, 3, 3)))), [np.eye(3)] * 2, rtol=1e-15)
    assert linalg.expm(np.zeros((0, 0))).shape == (0, 0) and linalg.expm(np.zeros((0, 2, 2))).shape == (0, 2, 2)
    assert np.isnan(plain(linalg.expm(np.diag([np.inf, 1.0])))).all()
    assert not np.isfinite(plain(linalg.expm(1e4 * np.ones((2, 2))))).all()


# ---- degenerate and singular matrices ------------------------------------------------------------------
@pytest.mark.parametrize("a", [np.eye(3), np.diag([2.0, 2.0, 5.0]), np.zeros((3, 3)), np.ones((3, 3))], ids=["one", "two", "zero", "ones"])
def test_equal_eigenvalues(a):
    """Those of the values are right, forward and backward; those of the vectors are NaN, never numbers."""
    np.testing.assert_allclose(gradient(lambda x: (linalg.eigvalsh(x) ** 2).sum(), a)[0], 2 * a, atol=1e-14)
    np.testing.assert_allclose(gradient(lambda x: linalg.eigvalsh(x).sum(), a)[0], np.eye(3), atol=1e-14)
    x, v = leaf(a), fa.tensor(S[:3, :3])
    t, = core.push([x], [linalg.eigvalsh(x).sum()], [v], 0, False)
    np.testing.assert_allclose(t.item(), np.trace(S[:3, :3]), rtol=1e-13)
    assert np.isnan(gradient(lambda x: signless(linalg.eigh(x)[1]), a)[0]).any()
    tangent, = core.push([x], [linalg.eigh(x)[1]], [v], 0, False)
    assert np.isnan(tangent.numpy()).any()


def test_equal_singular_values():
    a = np.diag([3.0, 3.0, 1.0])
    np.testing.assert_allclose(gradient(lambda x: (linalg.svdvals(x) ** 2).sum(), a)[0], 2 * a, atol=1e-14)
    assert np.isnan(gradient(lambda x: signless(linalg.svd(x)[0]), a)[0]).any()
    # one of 0: fine for the values and in a square matrix, not otherwise
    np.testing.assert_allclose(gradient(lambda x: linalg.svdvals(x)[0], np.diag([3.0, 0.0]))[0], np.diag([1.0, 0.0]), atol=1e-14)
    assert np.isfinite(gradient(lambda x: signless(linalg.svd(x)[0]), np.diag([3.0, 0.0]))[0]).all()
    assert not np.isfinite(gradient(lambda x: signless(linalg.svd(x, full_matrices=False)[0]), np.diag([3.0, 0.0])[[0, 1, 1]] * [1, 0])[0]).all()


LOW_RANK = (RNG.integers(-2, 3, size=(5, 2)) + np.array([[3.0, 0.0]])) @ np.array([[1.0, 0.0], [0.0, 2.0]])


@pytest.mark.parametrize("f", [
    lambda x: signless(linalg.eigh(x @ x.T)[1][:, 3:]), lambda x: signless(linalg.eigh(x @ x.T)[1][:, -1]),
    lambda x: signless(linalg.svd(x @ x.T)[0][:, :2]) + signless(linalg.svd(x @ x.T)[2][:1]),
    lambda x: signless(linalg.svd(fa.concatenate([x, 0 * x], 1), full_matrices=False)[0][:, :2]),
], ids=["eigh", "eigh-last", "svd", "svd-tall"])
def test_vectors_that_nobody_asks_for_do_no_harm(f):
    """The leading vectors of a matrix of low rank: the others belong to equal values, and have no derivative."""
    g, = gradient(f, LOW_RANK)
    np.testing.assert_allclose(g, central(lambda x: f(fa.tensor(x)).item(), LOW_RANK), rtol=1e-5, atol=1e-5)
    x = leaf(LOW_RANK)
    recorded, = core.pull([f(x)], [x], [fa.ones(())], 0, True, True)
    np.testing.assert_allclose(plain(recorded), g, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", [lambda x: (linalg.eigvalsh(x) ** 2).sum(), lambda x: (linalg.svdvals(x) ** 2).sum(),
                               lambda x: (linalg.eigvalsh(x) ** 2).sum() + linalg.eigh(x)[1][0, 0] * 0], ids=["eigvalsh", "svdvals", "both"])
@pytest.mark.parametrize("a", [np.zeros((3, 3)), np.eye(3), np.diag([1.0, 0.0, 0.0]), LOW_RANK @ LOW_RANK.T], ids=["zero", "one", "diagonal", "low-rank"])
def test_second_derivatives_at_equal_values_are_right_or_nan(f, a):
    """Here the second derivative exists, 2 |v|^2, but the vectors it is made of have none: no number may pass for it."""
    v = RNG.normal(size=a.shape)
    v = v + v.T
    x, t = leaf(a), fa.tensor(v)
    y = f(x)
    slope, = core.push([x], [y], [t], 0, True)
    g, = core.pull([y], [x], [fa.ones(())], 0, True, True)
    found = [core.push([x], [slope], [t], 0, False)[0], core.push([x], [(g * t).sum()], [t], 0, False)[0]]
    found += [(h * t).sum() for z in (slope, (g * t).sum()) for h in core.pull([z], [x], [fa.ones(())], 0, False, True)]
    for second in found:
        assert np.isnan(second.item()) or abs(second.item() - 2 * (v ** 2).sum()) < 1e-8


def central(f, a, h=1e-5):
    """The gradient of f, or what it returns along every element, by differences."""
    found = np.zeros((*a.shape, *np.shape(f(a))))
    for at in np.ndindex(a.shape):
        e = np.zeros_like(a)
        e[at] = h
        found[at] = (f(a + e) - f(a - e)) / (2 * h)
    return found


SINGULAR = [np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 4.0]]), np.arange(9.0).reshape(3, 3), np.zeros((3, 3)),
            np.outer([1.0, -2.0, 0.0, 3.0], [2.0, 1.0, 1.0, 0.0]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]), np.zeros((1, 1)),
            np.array([[1.0, 2.0], [2.0, 4.0 + 1e-13]])]


@pytest.mark.parametrize("a", SINGULAR, ids=range(len(SINGULAR)))
def test_det_of_a_singular_matrix(a):
    """The cofactors, and their own derivative: the determinant is a polynomial."""
    cofactors = np.array([[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(len(a))] for i in range(len(a))])
    np.testing.assert_allclose(gradient(linalg.det, a)[0], cofactors, atol=1e-12)
    v = RNG.normal(size=a.shape)

    def second(x):
        return (fa.grad(linalg.det)(x) * v).sum()
    expected = central(lambda x: np.sum(gradient(linalg.det, x)[0] * v), a)
    np.testing.assert_allclose(fa.grad(second)(a), expected, atol=1e-8)
    x = leaf(a)                            # forward over reverse
    g, = core.pull([linalg.det(x)], [x], [fa.ones(())], 0, True, True)
    t, = core.push([x], [(g * v).sum()], [fa.tensor(v)], 0, False)
    np.testing.assert_allclose(t.item(), (expected * v).sum(), atol=1e-7)
    n = a.size                             # the whole Hessian at once, both ways
    eye = fa.tensor(np.eye(n).reshape(n, *a.shape))
    by_tangents, = core.push([x], [g], [eye], 1, False)
    by_cotangents, = core.pull([g], [x], [eye], 1, False, True)
    np.testing.assert_allclose((by_tangents.numpy() * v).sum((1, 2)), expected.ravel(), atol=1e-8)
    np.testing.assert_allclose(by_tangents.numpy(), by_cotangents.numpy(), atol=1e-12)
    if len(a) > 2:                         # for 2 x 2 it is constant, but that the rule cannot know
        with pytest.raises(np.linalg.LinAlgError, match="det: the third derivative at a singular matrix"):
            fa.grad(lambda x: (fa.grad(second)(x) * v).sum())(a)


def test_det_of_a_batch_with_one_singular_matrix():
    a = np.stack([A[:3, :3], np.arange(9.0).reshape(3, 3)])
    np.testing.assert_allclose(gradient(lambda x: linalg.det(x).sum(), a)[0], [gradient(linalg.det, m)[0] for m in a], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("call", [
    lambda x: linalg.inv(x), lambda x: linalg.solve(x, np.ones(3)), lambda x: linalg.solve_triangular(x, np.ones(3)),
    lambda x: linalg.matrix_power(x, -1), lambda x: linalg.cholesky(x), lambda x: linalg.cholesky_solve(np.ones(3), x),
    lambda x: gradient(lambda y: linalg.slogdet(y)[1], x), lambda x: gradient(lambda y: linalg.cond(y, 1), x),
    lambda x: linalg.tensorinv(x.reshape(3, 3, 1), 1), lambda x: gradient(lambda y: signless(linalg.qr(y)[0]), x),
], ids=["inv", "solve", "solve_triangular", "matrix_power", "cholesky", "cholesky_solve", "slogdet", "cond", "tensorinv", "qr"])
def test_a_singular_matrix_is_an_error(call, request):
    name = request.node.callspec.id.replace("cholesky_solve", "solve_triangular")
    with pytest.raises(np.linalg.LinAlgError, match=f"^{name}: .*; .*(use|add)"):
        call(np.diag([1.0, 0.0, 2.0]) if name != "cholesky" else np.diag([1.0, -1.0, 1.0]))


def test_slogdet_of_a_singular_matrix_has_a_value():
    sign, logabsdet = linalg.slogdet(leaf(np.zeros((2, 2))))
    assert sign.item() == 0 and logabsdet.item() == -np.inf and not sign.requires_grad


# ---- conventions ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("f", [lambda x: signless(linalg.cholesky(x)), lambda x: signless(linalg.cholesky(x, upper=True)),
                               lambda x: signless(linalg.eigh(x)[1]), lambda x: signless(linalg.eigvalsh(x, "U"))],
                         ids=["cholesky", "upper", "eigh", "eigvalsh"])
def test_gradients_of_symmetric_matrices_are_symmetric(f):
    g, = gradient(f, S)
    np.testing.assert_allclose(g, g.T, rtol=1e-13)


@pytest.mark.parametrize("lower", [True, False])
def test_only_the_triangle_is_read(lower):
    other = np.triu(np.full((4, 4), np.nan), 1) if lower else np.tril(np.full((4, 4), np.nan), -1)
    kept = np.tril(S) if lower else np.triu(S)
    a = np.where(kept != 0, kept, other)
    np.testing.assert_allclose(plain(linalg.cholesky(a, upper=not lower)), plain(linalg.cholesky(S, upper=not lower)))
    np.testing.assert_allclose(plain(linalg.eigvalsh(a, "L" if lower else "U")), plain(linalg.eigvalsh(S)))
    g, h = gradient(lambda a, b: signless(linalg.solve_triangular(a, b, lower=lower)), a, A)
    assert (g[np.isnan(a)] == 0).all() and np.isfinite(g).all() and np.isfinite(h).all()


def test_what_stands_above_the_diagonal_of_cholesky_has_no_gradient():
    x = leaf(S)
    L = linalg.cholesky(x)
    L.backward(fa.tensor(np.where(np.tri(4, dtype=bool), 1.0, np.nan)))
    assert np.isfinite(x.grad.numpy()).all()


def test_integers_become_floats():
    assert linalg.inv([[2, 0], [0, 4]]).dtype == np.float64
    assert linalg.solve(np.array([[2, 0], [0, 4]], np.float32), np.array([1, 2], np.float32)).dtype == np.float32


def test_gaussian_process_gradient_by_closed_form():
    """d/dt of y^T K^-1 y / 2 + log det K / 2 is tr((K^-1 - K^-1 y y^T K^-1) dK) / 2."""
    y = RNG.normal(size=4)

    def likelihood(K):
        L = linalg.cholesky(K)
        z = linalg.solve_triangular(L, y, lower=True)
        return 0.5 * (z * z).sum() + fa.log(linalg.diagonal(L)).sum()
    inverse = np.linalg.inv(S)
    np.testing.assert_allclose(gradient(likelihood, S)[0], 0.5 * (inverse - np.outer(inverse @ y, inverse @ y)), rtol=1e-10, atol=1e-13)


def test_leading_axes_of_the_right_side_cost_one_factorization(monkeypatch):
    shapes = []
    solve = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda a, b: (shapes.append(a.shape), solve(a, b))[1])
    assert linalg.solve(A, np.ones((7, 4, 2))).shape == (7, 4, 2)
    assert linalg.solve(np.stack([A, A]), np.ones((7, 2, 4, 2))).shape == (7, 2, 4, 2)
    assert shapes == [(4, 4), (2, 4, 4)]


# ---- triangular systems by the BLAS and without it -----------------------------------------------------
TRIANGULAR = """
import itertools, numpy as np, fastad as fa
from fastad import linalg
from fastad._core import blas
rng = np.random.default_rng(0)
for dtype, tol in ((np.float32, 1e-4), (np.float64, 1e-12)):
    for n, k, lower, trans, unit, batch in itertools.product((1, 2, 31, 33, 70), (1, 3), (0, 1), (0, 1), (0, 1), ((), (2,))):
        a = (rng.normal(size=(*batch, n, n)) / n + 2 * np.eye(n)).astype(dtype)
        b = rng.normal(size=(*batch, n, k)).astype(dtype)
        t = np.tril(a) if lower else np.triu(a)
        if unit:
            t[..., range(n), range(n)] = 1
        t = t.swapaxes(-1, -2) if trans else t
        for x in (a, np.asfortranarray(a), np.repeat(a, 2, -1)[..., ::2]):
            y = linalg.solve_triangular(fa.from_numpy(x), b, trans, lower, unit).numpy()
            assert y.dtype == dtype and np.abs(t @ y - b).max() < tol, (dtype, n, k, lower, trans, unit, batch)
assert linalg.solve_triangular(np.zeros((0, 0)), np.zeros((0, 2))).shape == (0, 2)
assert linalg.solve_triangular(np.eye(2), np.zeros((2, 0))).shape == (2, 0)
served = blas.solve_triangular(np.eye(2), np.ones((2, 1)), True, False, False)
print(blas.config()["library"], served)
"""


@pytest.mark.parametrize("library", ["numpy", "scipy", "plain"])
def test_triangular_systems_by_each_blas(library):
    done = subprocess.run([sys.executable, "-c", TRIANGULAR], capture_output=True, text=True, env=os.environ | {"FASTAD_BLAS": library})
    if f"FASTAD_BLAS={library}" in done.stderr:
        pytest.skip(f"no BLAS from {library} here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == (["plain", "loop", "False"] if library == "plain" else [library, "True"]) and not done.stderr


def test_the_blas_refuses_what_does_not_fit():
    from fastad._core import blas
    for a, b in ((np.eye(3), np.ones((2, 1))), (np.eye(2), np.ones((3, 2, 1))), (np.eye(4)[::2, ::2], np.ones((2, 1))), (np.ones(()), np.ones((1, 1))), (np.eye(1), np.ones(1)),
                 (np.ones((1, 0)), np.ones((5, 3))), (np.ones((0, 0)), np.ones((5, 3)))):
        with pytest.raises(ValueError, match="solve_triangular"):
            blas.solve_triangular(a, b, True, False, False)


# ---- complex numbers -----------------------------------------------------------------------------------
C = A + 1j * RNG.normal(size=(4, 4))
H = C @ C.conj().T


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "eigh", "eigvalsh", "svd", "svdvals", "qr", "pinv", "slogdet", "cond"])
def test_complex_values(name):
    a = H if name in ("cholesky", "eigh", "eigvalsh") else C
    for y, e in zip(parts(getattr(linalg, name)(a)), parts(getattr(np.linalg, name)(a)), strict=True):
        np.testing.assert_allclose(plain(y), e, rtol=1e-12)


def test_complex_options():
    np.testing.assert_allclose(plain(linalg.cholesky(H, upper=True)), np.linalg.cholesky(H, upper=True), rtol=1e-12)
    b = C[:, :2]
    lower = np.tril(C)
    np.testing.assert_allclose(lower.conj().T @ plain(linalg.solve_triangular(lower, b, "C", lower=True)), b, rtol=1e-12)
    np.testing.assert_allclose(H @ plain(linalg.cholesky_solve(b, linalg.cholesky(H))), b, rtol=1e-10)
    np.testing.assert_allclose(H @ plain(linalg.cholesky_solve(b, linalg.cholesky(H, upper=True), upper=True)), b, rtol=1e-10)


@pytest.mark.parametrize("f", [lambda x: linalg.inv(x).sum(), linalg.det, lambda x: linalg.solve(x, C[0]).sum(),
                               lambda x: linalg.solve_triangular(x, C[0], 1, lower=True).sum()], ids=["inv", "det", "solve", "solve_triangular"])
def test_holomorphic_functions_have_complex_derivatives(f):
    """The derivative along any complex direction, by a difference."""
    x, v, h = leaf(C), RNG.normal(size=(4, 4)) + 1j * RNG.normal(size=(4, 4)), 1e-6
    t, = core.push([x], [f(x)], [fa.tensor(v)], 0, False)
    numeric = (plain(f(fa.tensor(C + h * v))) - plain(f(fa.tensor(C - h * v)))) / (2 * h)
    np.testing.assert_allclose(t.item(), numeric, rtol=1e-6)
    g, = core.pull([f(x)], [x], [fa.tensor(1 + 0j)], 0, False, True)
    np.testing.assert_allclose((g.numpy() * v).sum(), t.item(), rtol=1e-11)


@pytest.mark.parametrize("name", ["cholesky", "eigh", "eigvalsh", "svd", "svdvals", "qr", "pinv"])
def test_complex_tensors_that_would_be_recorded_are_refused(name):
    with pytest.raises(TypeError, match=f"{name}: no derivative rule for complex tensors"):
        getattr(linalg, name)(leaf(H))


# ---- errors --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: linalg.inv(TALL), ValueError, r"inv: the last two axes.*\(5, 3\)"),
    (lambda: linalg.det(A[0]), ValueError, r"det: expected a matrix.*\(4,\)"),
    (lambda: linalg.solve(A, np.ones(3)), ValueError, r"solve: shapes \(4, 4\) and \(3,\)"),
    (lambda: linalg.solve(A, 1.0), ValueError, r"solve: shapes \(4, 4\) and \(\)"),
    (lambda: linalg.solve(np.stack([A] * 2), np.ones((3, 4, 1))), ValueError, "solve: batches of shapes"),
    (lambda: linalg.solve_triangular(A, A[0], trans="H"), ValueError, "solve_triangular: trans must be"),
    (lambda: linalg.inv(A.astype(np.float16)), TypeError, "inv: no linear algebra in float16"),
    (lambda: linalg.inv("abc"), TypeError, "inv"),
    (lambda: linalg.inv(None), TypeError, "inv"),
    (lambda: linalg.qr(A, "full"), ValueError, "qr: mode must be"),
    (lambda: linalg.qr(leaf(TALL), "complete"), ValueError, "qr: mode='complete'.*no derivative"),
    (lambda: linalg.qr(leaf(TALL), "raw"), ValueError, r"qr: mode='raw' of shape \(5, 3\) has no derivative"),
    (lambda: linalg.svd(leaf(TALL)), ValueError, "svd: full matrices.*full_matrices=False"),
    (lambda: linalg.pinv(A, 0.1, rtol=0.1), ValueError, "pinv: rcond and rtol"),
    (lambda: linalg.cond(leaf(TALL), 1), ValueError, "cond: the last two axes"),
    (lambda: linalg.cond(leaf(np.zeros((0, 0)))), ValueError, "cond: an empty matrix"),
    (lambda: linalg.lstsq(A, np.ones((2, 4, 1))), ValueError, "lstsq: expected shapes"),
    (lambda: linalg.matrix_power(A, 0.5), TypeError, "integer"),
    (lambda: linalg.multi_dot([A]), ValueError, "multi_dot: expected two arrays or more"),
    (lambda: linalg.multi_dot([A, TALL]), ValueError, "multi_dot: shapes"),
    (lambda: linalg.multi_dot([A, A[0], A]), ValueError, "multi_dot: expected matrices"),
    (lambda: linalg.multi_dot([A, A], out=A), TypeError, "multi_dot: out"),
    (lambda: linalg.outer(A, A), ValueError, "outer: expected two vectors"),
    (lambda: linalg.cross(A, A), ValueError, "cross: vectors of 3 elements"),
    (lambda: linalg.vecdot(A, TALL), ValueError, "vecdot: vectors of one length"),
    (lambda: linalg.expm(TALL), ValueError, "expm: the last two axes"),
    (lambda: linalg.tensorinv(TALL, 1), ValueError, "tensorinv: shape"),
    (lambda: linalg.tensorinv(A, 0), ValueError, "tensorinv: ind"),
    (lambda: linalg.tensorsolve(TALL, TALL[0]), ValueError, "tensorsolve: shapes"),
    (lambda: linalg.norm(A, "two"), ValueError, "norm: ord of a matrix"),
    (lambda: linalg.svdvals(np.full((2, 2), np.nan)), ValueError, "svdvals: .*finite"),
], ids=range(31))
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_powers_and_lstsq_at_their_ends():
    np.testing.assert_array_equal(plain(linalg.matrix_power(np.stack([A, A]), 0)), [np.eye(4)] * 2)
    x, residuals, rank, s = linalg.lstsq(leaf(TALL.T), np.ones(3))
    assert residuals.shape == (0,) and rank == 3 and s.requires_grad and x.requires_grad
    np.testing.assert_allclose(plain(x), np.linalg.lstsq(TALL.T, np.ones(3))[0], rtol=1e-11)
    a = np.outer(np.ones(4), [1.0, 2.0])   # of rank 1: the shortest solution
    np.testing.assert_allclose(plain(linalg.lstsq(leaf(a), np.arange(4.0))[0]), np.linalg.lstsq(a, np.arange(4.0))[0], rtol=1e-11)
