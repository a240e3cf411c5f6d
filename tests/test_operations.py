"""Every primitive, driven by the registry: value, gradients by four oracles, second derivatives, layouts, leading axes.

The oracles: NumPy for the value; central differences in float64, the traced tier against the raw tier, and PyTorch
where it is installed, for the derivatives.
"""
import warnings

import numpy as np
import pytest
from samples import all_samples, registry

import fastad as fa
from fastad._core import make as core

SAMPLES = all_samples()
DTYPES = (np.float32, np.float64)
TOLERANCE = {np.float32: 3e-5, np.float64: 1e-11}


def test_every_primitive_has_a_sample():
    missing = set(registry()) - {s.name for s in SAMPLES}
    assert not missing, f"primitives without samples: {sorted(missing)}"


def test_every_sample_names_a_primitive():
    unknown = {s.name for s in SAMPLES} - set(registry())
    assert not unknown, f"samples of unknown primitives: {sorted(unknown)}"


def drawn(sample, dtype, seed=0):
    return tuple(np.asarray(a) if isinstance(a, np.generic) else a
                 for a in sample.inputs(np.random.default_rng(seed), dtype))


def which(sample, arrays):
    if sample.differentiable is not None:
        return sample.differentiable
    return tuple(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arrays)


def tensors(sample, arrays):
    """Fresh leaves for the differentiable inputs; what is not an array stays as it is."""
    return [fa.tensor(a, requires_grad=d) if isinstance(a, np.ndarray) else a
            for a, d in zip(arrays, which(sample, arrays), strict=True)]


def outputs(value):
    return list(value) if isinstance(value, tuple | list) else [value]


def run(sample, args):
    return outputs(sample.function(*args, **sample.kwargs))


def leaves(args):
    return [t for t in args if isinstance(t, fa.Tensor) and t.requires_grad]


def cotangents(ys, seed=1):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=y.shape)).astype(y.dtype) for y in ys]


def adjoints(ys, xs, gs, create_graph=False):
    """Gradients of sum of <g, y>, zeros where nothing depends."""
    live = [(y, fa.tensor(g) if not isinstance(g, fa.Tensor) else g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
    found = core.gradients([y for y, _ in live], xs, [g for _, g in live], True, create_graph)
    return [fa.tensor(np.zeros(x.shape, x.dtype)) if g is None else g for g, x in zip(found, xs, strict=True)]


def plain(t):
    return t.detach().numpy()


def close(a, b, dtype, what, factor=1.0):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
    scale = max(1.0, float(np.max(np.abs(b[np.isfinite(b)]), initial=0)))
    np.testing.assert_allclose(a, b, rtol=factor * TOLERANCE[dtype], atol=factor * TOLERANCE[dtype] * scale, err_msg=what)


pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
everywhere = pytest.mark.parametrize("sample", SAMPLES, ids=str)
both = pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])


@everywhere
@both
def test_value(sample, dtype):
    arrays = drawn(sample, dtype)
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]
    ys = run(sample, tensors(sample, arrays))
    expected = outputs(sample.numpy(*arrays, **sample.kwargs))
    assert len(ys) == len(expected)
    for y, e in zip(ys, expected, strict=True):
        e = np.asarray(e)
        close(plain(y), e.astype(dtype) if e.dtype.kind == "f" else e, dtype, str(sample))
        if any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in arrays) and y.dtype.kind == "f":
            assert y.dtype == dtype, f"{sample}: dtype in is not dtype out"
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b, err_msg="the caller's array was altered")


@everywhere
@both
def test_raw_tier_equals_traced_tier(sample, dtype):
    arrays = drawn(sample, dtype)
    args = tensors(sample, arrays)
    ys = run(sample, args)
    gs = cotangents(ys)
    raw = adjoints(ys, leaves(args), gs)
    traced = adjoints(ys, leaves(args), gs, create_graph=True)
    for r, t, x in zip(raw, traced, leaves(args), strict=True):
        assert r.dtype == x.dtype and r.shape == x.shape
        close(plain(r), plain(t), dtype, f"{sample}: raw against traced", 4)


@everywhere
@both
def test_raw_tier_adds(sample, dtype):
    """Two uses of one input: the second contribution is added by the kernel (beta = 1)."""
    args = tensors(sample, drawn(sample, dtype))
    ys, again = run(sample, args), run(sample, args)
    gs, hs = cotangents(ys), cotangents(ys, 2)
    together = adjoints(ys + again, leaves(args), gs + hs)
    apart = [plain(a) + plain(b) for a, b in
             zip(adjoints(ys, leaves(args), gs), adjoints(again, leaves(args), hs), strict=True)]
    for a, b in zip(together, apart, strict=True):
        close(plain(a), b, dtype, f"{sample}: two contributions", 4)


@everywhere
def test_gradient_by_central_differences(sample):
    arrays = drawn(sample, np.float64)
    args = tensors(sample, arrays)
    ys = run(sample, args)
    gs = cotangents(ys)
    found = iter(adjoints(ys, leaves(args), gs))
    for k, differentiable in enumerate(which(sample, arrays)):
        if not differentiable:
            continue
        g = plain(next(found))
        rng = np.random.default_rng(7)
        for _ in range(4):                 # random directions: cheap, and every entry takes part
            v = rng.normal(size=arrays[k].shape)
            h = 1e-6
            def f(step, k=k, v=v, h=h):
                moved = list(arrays)
                moved[k] = np.asarray(arrays[k] + step * h * v)
                values = run(sample, [fa.tensor(a) if isinstance(a, np.ndarray) else a for a in moved])
                return sum(float((plain(y) * g_).sum()) for y, g_ in zip(values, gs, strict=True) if y.dtype.kind == "f")
            numeric = (f(1) - f(-1)) / (2 * h)
            exact = float((g * v).sum())
            assert abs(numeric - exact) <= 2e-6 * max(1, abs(exact), float(np.abs(g).sum())), f"{sample}: input {k}"


@everywhere
def test_second_derivative_by_central_differences(sample):
    arrays = drawn(sample, np.float64)
    args = tensors(sample, arrays)
    ys = run(sample, args)
    gs = cotangents(ys)
    xs = leaves(args)
    first = adjoints(ys, xs, gs, create_graph=True)
    hs = cotangents(first, 3)
    if not any(d.requires_grad for d in first):
        second = [np.zeros(x.shape) for x in xs]
    else:
        second = [plain(s) for s in adjoints(first, xs, hs)]

    def gradients_at(moved):
        args = tensors(sample, moved)
        return [plain(g) for g in adjoints(run(sample, args), leaves(args), gs)]

    index = [k for k, d in enumerate(which(sample, arrays)) if d]
    rng = np.random.default_rng(8)
    for j, k in enumerate(index):
        v = rng.normal(size=arrays[k].shape)
        h = 1e-5
        up, down = list(arrays), list(arrays)
        up[k], down[k] = np.asarray(arrays[k] + h * v), np.asarray(arrays[k] - h * v)
        numeric = sum(float(((a - b) / (2 * h) * w).sum())
                      for a, b, w in zip(gradients_at(up), gradients_at(down), hs, strict=True))
        exact = float((second[j] * v).sum())
        scale = max(1, abs(exact), float(np.abs(second[j]).sum()))
        assert abs(numeric - exact) <= 2e-5 * scale, f"{sample}: second derivative, input {k}: {numeric} and {exact}"


@everywhere
@both
def test_against_torch(sample, dtype):
    torch = pytest.importorskip("torch")
    if sample.torch is None:
        return                             # PyTorch has no such function: the other oracles stand
    arrays = drawn(sample, dtype)
    args = tensors(sample, arrays)
    ys = run(sample, args)
    gs = cotangents(ys)
    theirs = [torch.tensor(np.asarray(a), requires_grad=d) if isinstance(a, np.ndarray | np.bool_) else a
              for a, d in zip(arrays, which(sample, arrays), strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zs = outputs(sample.torch(*theirs, **sample.kwargs))
    for y, z in zip(ys, zs, strict=True):
        close(plain(y), z.detach().numpy(), dtype, f"{sample}: value")
    if not all(z.requires_grad for z in zs):
        return
    wanted = [t for t in theirs if isinstance(t, torch.Tensor) and t.requires_grad]
    expected = torch.autograd.grad(zs, wanted, [torch.tensor(g) for g in gs], allow_unused=True)
    for g, e, x in zip(adjoints(ys, leaves(args), gs), expected, leaves(args), strict=True):
        close(plain(g), np.zeros(x.shape) if e is None else e.numpy(), dtype, f"{sample}: gradient", 20)


@everywhere
def test_a_leading_axis_on_the_cotangent(sample):
    args = tensors(sample, drawn(sample, np.float64))
    ys, xs = run(sample, args), leaves(args)
    for y in ys:
        if not y.requires_grad:
            continue
        rng = np.random.default_rng(5)
        several = rng.normal(size=(3, *y.shape))
        found = core.pull([y], xs, [fa.tensor(several)], 1, True, True)
        for j in range(3):
            one = core.gradients([y], xs, [fa.tensor(several[j])], True, False)
            for f, o, x in zip(found, one, xs, strict=True):
                if o is None:
                    assert f is None
                    continue
                assert f.shape == (3, *x.shape), f"{sample}: {f.shape}"
                close(plain(f)[j], plain(o), np.float64, f"{sample}: leading axis")


def transposed(a):
    return np.ascontiguousarray(a.T).T


def strided(a):
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def reversed_(a):
    return np.ascontiguousarray(a[..., ::-1])[..., ::-1]


def broadcast(a):
    return np.broadcast_to(a[:1], a.shape)


def readonly(a):
    a = a.copy()
    a.flags.writeable = False
    return a


@everywhere
@both
@pytest.mark.parametrize("layout", [transposed, strided, reversed_, broadcast, readonly], ids=lambda f: f.__name__)
def test_layouts(sample, dtype, layout):
    """Inputs that are not dense give what dense copies of them give."""
    arrays = list(drawn(sample, dtype))
    mask = which(sample, arrays)
    for k, a in enumerate(arrays):
        if layout is broadcast and sample.rows_differ and (a.ndim < 3 or a.shape[-1] != a.shape[-2]):
            continue
        if isinstance(a, np.ndarray) and a.dtype == dtype and a.ndim and (layout is not broadcast or a.shape[0]):
            arrays[k] = layout(a)
    dense = tensors(sample, [np.ascontiguousarray(a) if isinstance(a, np.ndarray) and a.ndim else a for a in arrays])
    shared = [fa.from_numpy(a).requires_grad_(d) if isinstance(a, np.ndarray) else a
              for a, d in zip(arrays, mask, strict=True)]
    ys, zs = run(sample, dense), run(sample, shared)
    gs = cotangents(ys)
    for y, z in zip(ys, zs, strict=True):
        close(plain(z), plain(y), dtype, f"{sample}: value, {layout.__name__}")
    gs = [layout(g) if g.ndim and (layout is not broadcast or g.shape[0]) else g for g in gs]
    for a, b in zip(adjoints(zs, leaves(shared), [fa.from_numpy(g) for g in gs]),
                    adjoints(ys, leaves(dense), [np.array(g, order="C") for g in gs]), strict=True):
        close(plain(a), plain(b), dtype, f"{sample}: gradient, {layout.__name__}", 4)
