"""Complex values: every primitive of the registry follows the convention or refuses; HIPS/autograd and differences as oracles.

The convention: the gradient of a real L by z = x + iy is g = dL/dx - i dL/dy, so that dL = Re(sum g dz).
"""
import re

import numpy as np
import pytest
from samples import all_samples, registry

import fastad as fa
from fastad import linalg
from fastad._core import make as core
from fastad.testing import check_grads

RNG = np.random.default_rng(11)


def drawn(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


Z = drawn(3, 3)
V = drawn(3, 3)

# ---- the registry --------------------------------------------------------------------------------------
# of complex inputs that require a gradient these have no rule, and say so
REFUSED = {
    "arctan2", "batch_norm", "bce", "bce_with_logits", "cholesky", "clip", "cross_entropy", "cross_entropy_mean", "eigh",
    "elu", "erf", "gelu", "gelu_tanh", "group_norm", "huber", "hypot", "layer_norm", "leaky_relu", "log_softmax",
    "logaddexp", "logsigmoid", "logsumexp", "max", "max_pool", "maximum", "min", "minimum", "mish", "pinv", "qr", "relu", "relu6",
    "rms_norm", "rnn_relu", "scaled_dot_product_attention", "sign", "silu", "softmax", "softplus", "spread",
    "svd", "warp",
}
PARTS = {"real", "imag", "conj", "absolute", "angle"}       # their samples make the complex number themselves; see below
SAMPLES = [s for s in all_samples() if s.name in registry() and s.name not in PARTS]


def inputs_of(sample, dtype, real=()):
    """The sample's inputs with an imaginary part where they are differentiable (but for those in `real`), and which these are."""
    rng = np.random.default_rng(0)
    arrays = sample.inputs(rng, np.dtype(dtype).type(0).real.dtype)
    which = sample.differentiable or tuple(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arrays)
    places = [i for i, w in enumerate(which) if w]
    arrays = list(arrays)
    for k, i in enumerate(places):
        if k not in real:
            arrays[i] = (arrays[i] + 0.1j * rng.normal(size=np.shape(arrays[i]))).astype(dtype)
    return arrays, places


def outputs(sample, arrays, places, leaves):
    filled = list(arrays)
    for i, x in zip(places, leaves, strict=True):
        filled[i] = x
    y = sample.function(*filled, **sample.kwargs)
    return [t for t in (y if isinstance(y, tuple | list) else [y]) if isinstance(t, fa.Tensor)]


def paired(weights, ys):
    """Re sum w y"""
    return sum((w * y).sum().real for w, y in zip(weights, ys, strict=True))


def numbers(ts):
    return [t.detach().numpy() for t in ts]


def cotangents(rng, ys):
    ws = [rng.normal(size=y.shape) + 1j * rng.normal(size=y.shape) for y in ys]
    return [(w if y.dtype.kind == "c" else w.real).astype(y.dtype) for w, y in zip(ws, ys, strict=True)]


def test_the_table_knows_every_primitive():
    assert set(registry()) >= REFUSED | PARTS
    assert {s.name for s in SAMPLES} == set(registry()) - PARTS


def test_what_is_refused_is_refused():
    """Samples of `max` and `svd` that are norms of vectors have rules: one of each primitive's is enough."""
    left = set(REFUSED)
    for sample in SAMPLES:
        if sample.name in left:
            arrays, places = inputs_of(sample, np.complex128)
            try:
                outputs(sample, arrays, places, [fa.tensor(arrays[i], requires_grad=True) for i in places])
            except TypeError:
                left.remove(sample.name)
    assert not left


@pytest.mark.parametrize("real", [(), (0,), (1,)], ids=["complex", "first real", "second real"])
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_primitive_follows_the_convention_or_refuses(sample, real):
    """One direction of the inputs' complex plane at a time: reverse, forward and the derivative of the gradient."""
    arrays, places = inputs_of(sample, np.complex128, real)
    if real and real[0] >= len(places):
        return
    if real and len(places) == 1:
        return                                             # there is no complex number left
    points = [np.asarray(arrays[i]) for i in places]
    leaves = [fa.tensor(x, requires_grad=True) for x in points]
    try:
        ys = outputs(sample, arrays, places, leaves)
    except TypeError as error:
        assert sample.name in REFUSED or re.match("svdvals: no derivative rule|linear: x is|conv|.* and W_ih ", str(error)), error
        assert "complex" in str(error) or "install SciPy" in str(error)
        return
    ys = [y for y in ys if y.requires_grad]
    rng = np.random.default_rng(1)
    ws = cotangents(rng, ys)

    def value(xs):
        found = outputs(sample, arrays, places, [fa.tensor(x, requires_grad=True) for x in xs])
        return numbers([y for y in found if y.requires_grad])

    def gradient(xs):
        leaves = [fa.tensor(x, requires_grad=True) for x in xs]
        found = [y for y in outputs(sample, arrays, places, leaves) if y.requires_grad]
        gs = core.pull(found, leaves, [fa.tensor(w) for w in ws], 0, False, True)
        return [np.zeros(x.shape, x.dtype) if g is None else g.numpy() for g, x in zip(gs, xs, strict=True)]

    gs = core.pull(ys, leaves, [fa.tensor(w) for w in ws], 0, True, True)
    used = [k for k, g in enumerate(gs) if g is not None]
    vs = cotangents(rng, [gs[k] for k in used])
    again = [gs[k] for k in used if gs[k].requires_grad]
    seeds = [fa.tensor(v) for k, v in zip(used, vs, strict=True) if gs[k].requires_grad]
    seconds = core.pull(again, leaves, seeds, 0, False, True) if again else [None] * len(leaves)
    h = 1e-6
    for k, x in enumerate(points):
        assert gs[k] is None or gs[k].dtype == x.dtype
        for unit in (1, 1j) if x.dtype.kind == "c" else (1,):
            d = unit * rng.normal(size=x.shape)
            up, down = ([*points[:k], x + s * h * d, *points[k + 1:]] for s in (1, -1))
            slopes = [(a - b) / (2 * h) for a, b in zip(value(up), value(down), strict=True)]
            scale = 1 + sum(np.abs(w * s).sum() for w, s in zip(ws, slopes, strict=True))
            pulled = 0 if gs[k] is None else (gs[k].detach().numpy() * d).sum().real
            np.testing.assert_allclose(pulled, paired(ws, slopes), rtol=0, atol=1e-6 * scale)
            ts = core.push([leaves[k]], ys, [fa.tensor(d.astype(x.dtype))], 0, False)
            for t, s in zip(ts, slopes, strict=True):
                assert t is None or t.dtype == s.dtype
                np.testing.assert_allclose(np.zeros(s.shape) if t is None else t.numpy(), s, rtol=0, atol=1e-6 * (1 + np.abs(s).max(initial=0)))
            a, b = gradient(up), gradient(down)
            bends = [(a[j] - b[j]) / (2 * h) for j in used]
            scale = 1 + sum(np.abs(v * s).sum() for v, s in zip(vs, bends, strict=True))
            second = 0 if seconds[k] is None else (seconds[k].numpy() * d).sum().real
            np.testing.assert_allclose(second, paired(vs, bends), rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.name not in REFUSED], ids=str)
def test_single_precision_stays(sample):
    arrays, places = inputs_of(sample, np.complex64)
    leaves = [fa.tensor(arrays[i], requires_grad=True) for i in places]
    wide = [fa.tensor(x.detach().numpy().astype(complex)) for x in leaves]
    try:
        ys = outputs(sample, arrays, places, leaves)
    except TypeError as error:
        assert "no derivative rule for complex" in str(error)
        return
    for y, z in zip(ys, outputs(sample, arrays, places, wide), strict=True):
        if y.dtype.kind in "fc" and z.dtype.itemsize == 2 * y.dtype.itemsize:
            assert y.dtype == (np.complex64 if z.dtype.kind == "c" else np.float32)
    ys = [y for y in ys if y.requires_grad]
    for x, g in zip(leaves, core.pull(ys, leaves, [fa.ones_like(y) for y in ys], 0, False, True), strict=True):
        assert g is None or g.dtype == x.dtype == np.complex64


# ---- the parts -----------------------------------------------------------------------------------------
def test_values_names_and_dtypes():
    z = np.array([[3 + 4j, -1j], [-2, 0]])
    for dtype, real in ((np.complex64, np.float32), (np.complex128, np.float64), (np.clongdouble, np.longdouble)):
        a = z.astype(dtype)
        t = fa.tensor(a)
        for y, expected in ((t.real, a.real), (t.imag, a.imag), (np.real(t), a.real), (np.imag(t), a.imag), (fa.real(a), a.real),
                            (abs(t), abs(a)), (np.absolute(t), abs(a)), (fa.absolute(t), abs(a)), (fa.angle(t), np.angle(a)),
                            (np.angle(t, True), np.angle(a, True)), (t.conj(), a.conj()), (t.conjugate(), a.conj()),
                            (np.conj(t), a.conj()), (fa.conjugate(t), a.conj()), (fa.conj(a), a.conj())):
            assert isinstance(y, fa.Tensor) and y.dtype == expected.dtype == (real if expected.dtype.kind == "f" else dtype)
            np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
    x = fa.tensor(np.array([1, -2], np.float32), requires_grad=True)
    assert fa.real(x) is x and x.imag.tolist() == [0, 0] and x.imag.dtype == np.float32 and not x.imag.requires_grad
    assert fa.angle(x).dtype == np.float32 and not fa.angle(x).requires_grad
    np.testing.assert_array_equal(fa.angle(x).numpy(), np.angle(np.array([1, -2], np.float32)))
    x.conj().sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_parts_are_copies():
    z = fa.tensor([1 + 2j])
    for part in (z.real, z.imag, z.conj()):
        part.fill_(7)
    x = fa.tensor([1.0])
    x.conj().fill_(7)
    assert z.tolist() == [1 + 2j] and x.tolist() == [1.0]


FUNCTIONS = {                                              # of a module in NumPy's names and a matrix, real-valued
    "square of abs": lambda m, z: m.sum(m.abs(z) ** 2),
    "abs": lambda m, z: m.sum(m.abs(z)),
    "angle": lambda m, z: m.sum(m.angle(z) * m.abs(z)),
    "real of conj": lambda m, z: m.sum(m.real(m.conj(z) * m.exp(z))),
    "imag": lambda m, z: m.sum(m.imag(z) * m.real(z) + m.imag(m.sin(z))),
    "quotient": lambda m, z: m.sum(m.real(z / (m.conj(z) + 2.5))),
    "power": lambda m, z: m.real(m.sum(z ** 3 + z ** (0.5 + 1j))),
    "matmul": lambda m, z: m.sum(m.real(m.matmul(m.conj(m.transpose(z)), m.matmul(V, z)))),
    "norm": lambda m, z: m.linalg.norm(z),
    "var": lambda m, z: m.sum(m.var(z, axis=0)),
    "std": lambda m, z: m.sum(m.std(z, axis=1)),
    "det": lambda m, z: m.abs(m.linalg.det(z)),
    "inv": lambda m, z: m.sum(m.real(m.linalg.inv(z) * m.conj(z))),
    "solve": lambda m, z: m.sum(m.abs(m.linalg.solve(z, V))),
    "sum and prod": lambda m, z: m.real(m.sum(m.prod(z, axis=0) * m.conj(m.mean(z, axis=1)))),
    "einsum": lambda m, z: m.real(m.einsum("ij,jk,ik->", z, m.conj(z), z)),
    "from real": lambda m, z: m.sum(m.abs(m.real(z) + 1j * m.imag(z) ** 2)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_differences_in_both_modes_to_second_order(name):
    check_grads(lambda z: FUNCTIONS[name](fa.numpy, z), (Z,), order=2)


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - {"inv"}))
def test_gradients_are_those_of_autograd(name):
    hips = pytest.importorskip("autograd")
    import autograd.numpy as anp

    f = FUNCTIONS[name]
    np.testing.assert_allclose(fa.grad(lambda z: f(fa.numpy, z))(Z), hips.grad(lambda z: f(anp, z))(Z), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_conjugates_of_those_of_torch(name):
    """PyTorch's gradient is dL/dx + i dL/dy."""
    torch = pytest.importorskip("torch")

    class Names:
        linalg = torch.linalg

        def __getattr__(self, name):
            if name in ("var", "std"):
                return lambda z, axis: getattr(torch, name)(z, axis, correction=0)
            if name == "transpose":
                return lambda z: z.T
            return getattr(torch, name)

        matmul = staticmethod(lambda a, b: torch.matmul(torch.as_tensor(a), torch.as_tensor(b)))

    if name == "solve":
        Names.linalg = type("linalg", (), {"solve": lambda z, v: torch.linalg.solve(z, torch.tensor(v))})
    z = torch.tensor(Z, requires_grad=True)
    FUNCTIONS[name](Names(), z).backward()
    np.testing.assert_allclose(fa.grad(lambda z: FUNCTIONS[name](fa.numpy, z))(Z), z.grad.numpy().conj(), rtol=1e-9, atol=1e-12)


def test_tangents_of_functions_that_are_not_holomorphic():
    z, t = 3 + 4j, 0.5 - 2j
    for f, expected in ((fa.real, 0.5), (fa.imag, -2.0), (fa.conj, t.conjugate()), (fa.abs, (z.conjugate() * t).real / 5),
                        (fa.angle, (t / z).imag), (lambda z: z * fa.conj(z), 2 * (z.conjugate() * t).real)):
        _, found = fa.jvp(f, z, t)
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    _, pullback = fa.vjp(fa.conj, z)
    assert pullback(1j)[0] == -1j


def test_transforms():
    f = FUNCTIONS["real of conj"]

    def loss(z):
        return f(fa, z)

    h, g = 1e-6, fa.grad(loss)
    np.testing.assert_allclose(fa.hvp(loss, Z, V)[1], (g(Z + h * V) - g(Z - h * V)) / (2 * h), rtol=1e-8)
    np.testing.assert_allclose(fa.elementwise_grad(fa.abs)(Z), Z.conj() / abs(Z), rtol=1e-14)
    jacobian = fa.jacrev(lambda z: abs(z[0]))(Z)
    np.testing.assert_allclose(jacobian[np.arange(3), 0, np.arange(3)], Z[0].conj() / abs(Z[0]), rtol=1e-14)
    assert np.count_nonzero(jacobian) == 3


def test_at_zero():
    """abs has the derivative 0 there, as that of real numbers; the angle has none."""
    z = np.array([0, 3 + 4j])
    np.testing.assert_allclose(fa.grad(lambda z: abs(z).sum())(z), [0, 0.6 - 0.8j], rtol=1e-15)
    np.testing.assert_allclose(fa.jvp(fa.abs, z, np.array([1j, 1.0]))[1], [0, 0.6], rtol=1e-15)
    _, second = fa.hvp(lambda z: abs(z).sum(), z, np.ones(2, complex))
    assert second[0] == 0 and np.isfinite(second).all()
    assert fa.grad(lambda z: fa.norm(z))(np.zeros(2, complex)).tolist() == [0, 0]
    assert np.isnan(fa.grad(fa.angle)(0j))


# ---- what is made of them ------------------------------------------------------------------------------
@pytest.mark.parametrize("ord", [None, 1, 2, 3, 0.5, np.inf, -np.inf, 0])
def test_norms_of_complex_vectors(ord):
    for dtype, real in ((np.complex64, np.float32), (np.complex128, np.float64)):
        y = fa.norm(fa.tensor(Z.astype(dtype)), ord, axis=-1)
        assert y.dtype == real
        np.testing.assert_allclose(y.numpy(), np.linalg.norm(Z.astype(dtype), ord, axis=-1), rtol=1e-6)
    if ord != 0:
        check_grads(lambda z: fa.norm(z, ord, axis=-1), (Z,), order=1)


def test_norms_of_complex_matrices():
    for ord in ("fro", 1, -1, np.inf, -np.inf, 2, -2, "nuc"):
        np.testing.assert_allclose(fa.norm(Z, ord).item(), np.linalg.norm(Z, ord), rtol=1e-12)
        if ord in (2, -2, "nuc"):
            with pytest.raises(TypeError, match="svdvals: no derivative rule for complex"):
                fa.grad(lambda z, ord=ord: fa.norm(z, ord))(Z)
        else:
            check_grads(lambda z, ord=ord: fa.norm(z, ord), (Z,), order=1)


def test_linear_algebra_with_conjugates():
    check_grads(linalg.vecdot, (Z, V), order=1)
    check_grads(lambda a, b: linalg.solve_triangular(a, b, "C", lower=True), (Z + 2 * np.eye(3), V), order=1)
    for upper in (False, True):
        check_grads(lambda b, L, upper=upper: linalg.cholesky_solve(b, L, upper), (V, Z + 2 * np.eye(3)), order=1)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_sign_of_a_complex_determinant(dtype):
    for a in (Z, np.stack([Z, V]), np.zeros((2, 2)), np.zeros((0, 0))):
        a = a.astype(dtype)
        for x in (a, fa.tensor(a, requires_grad=True)):
            for found, expected in zip(linalg.slogdet(x), np.linalg.slogdet(a), strict=True):
                assert found.dtype == expected.dtype
                np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5 if dtype is np.complex64 else 1e-13)
    check_grads(lambda a: tuple(linalg.slogdet(a)), (Z,), order=2)
    np.testing.assert_allclose(fa.grad(lambda a: linalg.slogdet(a)[1])(Z), np.linalg.inv(Z).T, rtol=1e-12)
    with pytest.raises(np.linalg.LinAlgError, match="slogdet"):
        fa.grad(lambda a: linalg.slogdet(a)[1])(np.zeros((2, 2), dtype))


def test_determinants_of_singular_complex_matrices():
    a = np.outer(drawn(3), drawn(3)) + np.outer(drawn(3), drawn(3))
    check_grads(lambda a: (linalg.det(a), abs(linalg.det(a) - 1j)), (a,), order=2)
    check_grads(linalg.det, (np.outer(a[0], a[1]),), order=2)


def test_residuals_of_complex_right_sides():
    a, b = RNG.normal(size=(4, 2)), drawn(4)
    x, residuals, _, _ = linalg.lstsq(a, fa.tensor(b, requires_grad=True))
    expected = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(x.detach().numpy(), expected[0], rtol=1e-12)
    np.testing.assert_allclose(residuals.detach().numpy(), expected[1], rtol=1e-12)
    check_grads(lambda b: linalg.lstsq(a, b)[1].sum(), (b,), order=1)
