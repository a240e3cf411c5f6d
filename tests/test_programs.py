"""Random programs against PyTorch: values, gradients, and for a part of them second derivatives.

Hypothesis draws a list of integers, and each becomes one operation on values that are there already, so a failing program
shrinks to few and simple operations.  Programs stay where derivatives are tame: results are scaled back to [-3, 3], and an
operation with a kink is left out where an element is near it.  FASTAD_PROGRAMS sets how many are run.
"""
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastad as fa

torch = pytest.importorskip("torch")
F = torch.nn.functional

PROGRAMS = int(os.environ.get("FASTAD_PROGRAMS", "300"))
LENGTH = 30                                # operations
LARGEST = 256                              # elements of a value
BOUND = 3.0
SHAPES = [(3,), (2, 3), (), (1, 3), (2, 1), (2, 2, 3), (4,), (3, 1, 2)]


class Skip(Exception):
    """This operation does not suit this value."""


def need(condition):
    if not condition:
        raise Skip


class Value:
    """The same number twice: f by fastad, t by PyTorch."""
    def __init__(self, f, t):
        self.f, self.t = f, t
        need(f.size <= LARGEST)

    @property
    def shape(self):
        return self.f.shape

    @property
    def ndim(self):
        return self.f.ndim

    @property
    def plain(self):
        return self.f.detach().numpy()

    def away_from(self, *points):
        need(all(np.abs(self.plain - p).min(initial=1) > 1e-3 for p in points))


def same(g):
    """An operation that both libraries spell alike."""
    return lambda x, n: Value(g(x.f), g(x.t))


def by(ours, theirs=None):
    """A function that both have under a name, or under two."""
    a, b = getattr(fa, ours), getattr(torch, theirs or ours)
    return lambda x, n: Value(a(x.f), b(x.t))


def positive(g):
    return lambda x, n: g(Value(x.f * x.f + 0.5, x.t * x.t + 0.5), n)


def kinked(g, *points):
    def op(x, n):
        x.away_from(*points)
        return g(x, n)
    return op


def along(name, theirs=None, keeps=False, ties=False):
    """A reduction: over everything, or an axis counted from either end, with or without keepdims."""
    def op(x, n):
        if keeps or (n % 5 and x.ndim):
            need(x.ndim)
            axis = n % (2 * x.ndim) - x.ndim
            if ties:
                ordered = np.sort(x.plain, axis)
                need(np.diff(ordered, axis=axis).min(initial=1) > 1e-3)
            if keeps:
                return Value(getattr(fa, name)(x.f, axis=axis), getattr(torch, theirs or name)(x.t, dim=axis))
            keepdims = n // 7 % 2 == 0
            return Value(getattr(fa, name)(x.f, axis=axis, keepdims=keepdims), getattr(torch, theirs or name)(x.t, dim=axis, keepdim=keepdims))
        if ties:
            need(np.diff(np.sort(x.plain, None)).min(initial=1) > 1e-3)
        return Value(getattr(fa, name)(x.f), getattr(torch, theirs or name)(x.t, **({"dim": tuple(range(x.ndim))} if name == "logsumexp" else {})))
    return op


def variance(x, n):
    need(x.ndim)
    return Value(fa.var(x.f, axis=n % x.ndim), torch.var(x.t, dim=n % x.ndim, correction=0))


def norm(x, n):
    need(np.abs(x.plain).max(initial=0) > 0.1)
    return Value(fa.norm(x.f), torch.linalg.vector_norm(x.t))


# ---- the same numbers elsewhere --------------------------------------------------------------------------
def reshape(x, n):
    shape = (*x.shape, 1) if n % 3 == 0 else (-1,) if n % 3 == 1 or x.ndim < 2 else (x.shape[0] * x.shape[1], *x.shape[2:])
    return Value(x.f.reshape(shape), x.t.reshape(shape))


def permute(x, n):
    axes = tuple(int(i) for i in np.random.default_rng(n).permutation(x.ndim))
    return Value(fa.transpose(x.f, axes), x.t.permute(axes))


def flip(x, n):
    need(x.ndim)
    k = n % x.ndim
    if n % 2:
        return Value(x.f[(slice(None),) * k + (slice(None, None, -1),)], x.t.flip(k))
    return Value(fa.flip(x.f), x.t.flip(tuple(range(x.ndim))))


def cut(x, n):
    need(x.ndim)
    k = n % x.ndim
    index = (slice(None),) * k + ((slice(1, None), slice(None, None, 2), slice(0, 1), x.shape[k] - 1, -1, (slice(None), None))[n // 4 % 6],)
    index = index[:k] + index[k] if isinstance(index[k], tuple) else index
    need(x.shape[k] > 1)
    return Value(x.f[index], x.t[index])


def rows(x, n):
    need(x.ndim)
    index = np.random.default_rng(n).integers(0, x.shape[0], 1 + n % 4)
    return Value(x.f[index], x.t[torch.tensor(index)])


def pairs(x, n):
    need(x.ndim > 1)
    rng = np.random.default_rng(n)
    i, j = (rng.integers(0, x.shape[k], (2, 3)) for k in (0, 1))
    return Value(x.f[i, j], x.t[torch.tensor(i), torch.tensor(j)])


def mask(x, n):
    m = np.random.default_rng(n).random(x.shape) < 0.7
    need(x.ndim and m.any())
    return Value(x.f[m], x.t[torch.tensor(m)])


def take(x, n):
    need(x.ndim)
    k = n % x.ndim
    index = np.random.default_rng(n).integers(0, x.shape[k], 3)
    return Value(fa.take(x.f, index, axis=k), torch.index_select(x.t, k, torch.tensor(index)))


def broadcast(x, n):
    shape = (2, *(3 if m == 1 else m for m in x.shape))
    return Value(fa.broadcast_to(x.f, shape), x.t.broadcast_to(shape))


def diagonal(x, n):
    need(x.ndim > 1)
    return Value(fa.diagonal(x.f, n % 3 - 1), torch.diagonal(x.t, n % 3 - 1))


def triangle(x, n):
    need(x.ndim > 1)
    return Value(fa.tril(x.f, n % 3 - 1), torch.tril(x.t, n % 3 - 1)) if n % 2 else Value(fa.triu(x.f, n % 3 - 1), torch.triu(x.t, n % 3 - 1))


def pad(x, n):
    need(x.ndim)
    width = (n % 2, 1 + n % 3)
    return Value(fa.pad(x.f, ((0, 0),) * (x.ndim - 1) + (width,)), F.pad(x.t, width))


def roll(x, n):
    need(x.ndim)
    return Value(fa.roll(x.f, n % 5 - 2, n % x.ndim), torch.roll(x.t, n % 5 - 2, n % x.ndim))


def repeated(x, n):
    need(x.ndim)
    if n % 2:
        return Value(fa.tile(x.f, 2), torch.tile(x.t, (2,)))
    return Value(fa.repeat(x.f, 2, axis=n % x.ndim), torch.repeat_interleave(x.t, 2, dim=n % x.ndim))


# ---- two values --------------------------------------------------------------------------------------------
def alike(x, y):
    """PyTorch lets a value without axes give way in dtype, NumPy does not."""
    dtype = torch.promote_types(x.t.dtype, y.t.dtype)
    return x.t.to(dtype), y.t.to(dtype)


def pairwise(ours, theirs=None):
    def op(x, y, n):
        need(all(p == q or 1 in (p, q) for p, q in zip(x.shape[::-1], y.shape[::-1], strict=False)))
        return Value(ours(x.f, y.f), (theirs or ours)(*alike(x, y)))
    return op


def apart(g):
    def op(x, y, n):
        need(all(p == q or 1 in (p, q) for p, q in zip(x.shape[::-1], y.shape[::-1], strict=False)))
        need(np.abs(x.plain - y.plain).min(initial=1) > 1e-3)
        return g(x, y, n)
    return op


def matmul(x, y, n):
    need(x.ndim and y.ndim)
    a, b = alike(x, y)
    if y.ndim > 1 and x.shape[-1] == y.shape[-1]:
        need(y.ndim == 2)
        return Value(x.f @ y.f.T, a @ b.T)
    need(x.shape[-1] == y.shape[max(0, y.ndim - 2)] and (y.ndim < 3 or x.ndim < 3 or x.shape[:-2] == y.shape[:-2]))
    return Value(x.f @ y.f, a @ b)


def outer(x, y, n):
    need(x.f.size * y.f.size <= LARGEST)
    a, b = alike(x, y)
    return Value(fa.einsum("i,j->ji", x.f.ravel(), y.f.ravel()), torch.einsum("i,j->ji", a.reshape(-1), b.reshape(-1)))


def contract(x, y, n):
    need(x.ndim == 2 and y.ndim and x.shape[0] == y.shape[0])
    a, b = alike(x, y)
    return Value(fa.einsum("ij,i...->j...", x.f, y.f), torch.einsum("ij,i...->j...", a, b))


def concatenate(x, y, n):
    a, b = alike(x, y)
    if x.ndim and x.ndim == y.ndim:
        for axis in range(x.ndim):
            if all(x.shape[k] == y.shape[k] for k in range(x.ndim) if k != axis):
                return Value(fa.concatenate([x.f, y.f, x.f], axis), torch.cat([a, b, a], axis))
    return Value(fa.concatenate([x.f.ravel(), y.f.ravel()]), torch.cat([a.reshape(-1), b.reshape(-1)]))


def stack(x, y, n):
    need(x.shape == y.shape)
    axis = n % (x.ndim + 1)
    return Value(fa.stack([x.f, y.f], axis), torch.stack(alike(x, y), axis))


def where(x, y, n):
    need(all(p == q or 1 in (p, q) for p, q in zip(x.shape[::-1], y.shape[::-1], strict=False)))
    c = np.random.default_rng(n).random(x.shape) < 0.5
    return Value(fa.where(c, x.f, y.f), torch.where(torch.tensor(c), *alike(x, y)))


def linear(x, y, n):
    need(x.ndim and y.ndim == 2 and x.shape[-1] == y.shape[1] and x.t.dtype == y.t.dtype)
    return Value(fa.linear(x.f, y.f, y.f[:, 0]), F.linear(x.t, y.t, y.t[:, 0]))


def plus_is(x, y, n):
    """x += y binds the name to a new value; the old one stays in the graph."""
    need(np.broadcast_shapes(x.shape, y.shape) == x.shape if fits(x, y) else False)
    f = x.f
    f += y.f
    return Value(f, x.t + y.t) if f.requires_grad and f is not x.f else Value(x.f + y.f, torch.add(*alike(x, y)))


def fits(x, y):
    return all(p == q or 1 in (p, q) for p, q in zip(x.shape[::-1], y.shape[::-1], strict=False)) and x.f.dtype == y.f.dtype


def written(x, y, n):
    """A buffer outside the graph, written through a view, and then a factor."""
    need(x.ndim)
    f, t = fa.zeros(x.shape, x.f.dtype), torch.zeros(x.shape, dtype=x.t.dtype)
    view, seen = (f.T, t.permute(tuple(range(x.ndim))[::-1])) if n % 2 else (f, t)
    view[0] = y.f.detach() if y.ndim == 0 else 0.5
    seen[0] = y.t.detach() if y.ndim == 0 else 0.5
    view += 0.25
    seen += 0.25
    view[...] *= 2.0
    seen[...] *= 2.0
    return Value(x.f * f, x.t * t)


# ---- islands -------------------------------------------------------------------------------------------------
def detached(x, n):
    return Value(x.f * x.f.detach(), x.t * x.t.detach())


def not_recorded(x, n):
    with fa.no_grad():
        f = fa.tanh(x.f) * 2
        with fa.enable_grad():
            inner = x.f * 0.5
    with torch.no_grad():
        t = torch.tanh(x.t) * 2
    return Value(f + inner, t + x.t * 0.5)


def cast(x, n):
    return Value(x.f.astype("f4" if n % 2 else "f8"), x.t.to(torch.float32 if n % 2 else torch.float64))


UNARY = [
    same(lambda x: x * 2), same(lambda x: 1.5 - x), by("tanh"), by("sin"), by("cos"), by("exp"), by("sigmoid"), by("square"), by("arctan"), by("erf"),
    by("expm1"), by("arcsinh"), by("sinh"), by("negative"), same(lambda x: x ** 3), same(lambda x: 2.0 ** x), positive(by("log")), positive(by("sqrt")),
    positive(by("reciprocal")), positive(by("log1p")), positive(same(lambda x: x ** 1.5)), positive(same(lambda x: 1 / x)), positive(by("log2")),
    kinked(by("abs"), 0), kinked(by("relu"), 0), kinked(same(lambda x: x.clip(-1, 1)), -1, 1), lambda x, n: Value(fa.softplus(x.f), F.softplus(x.t)),
    lambda x, n: Value(fa.gelu(x.f), F.gelu(x.t)), lambda x, n: Value(fa.silu(x.f), F.silu(x.t)), lambda x, n: Value(fa.mish(x.f), F.mish(x.t)),
    kinked(lambda x, n: Value(fa.leaky_relu(x.f, 0.1), F.leaky_relu(x.t, 0.1)), 0), kinked(lambda x, n: Value(fa.elu(x.f), F.elu(x.t)), 0),
    along("sum"), along("mean"), along("prod"), along("max", "amax", ties=True), along("min", "amin", ties=True), along("logsumexp"), along("softmax", keeps=True),
    along("log_softmax", keeps=True), along("cumsum", keeps=True), variance, norm, reshape, permute, flip, cut, rows, pairs, mask, take, broadcast, diagonal,
    triangle, pad, roll, repeated, detached, not_recorded, cast,
]
BINARY = [
    pairwise(lambda x, y: x + y), pairwise(lambda x, y: x * y), pairwise(lambda x, y: x - y), pairwise(lambda x, y: x / (y * y + 1)),
    pairwise(lambda x, y: (x * x + 0.5) ** y), pairwise(lambda x, y: fa.arctan2(x, y * y + 0.5), lambda x, y: torch.arctan2(x, y * y + 0.5)),
    apart(pairwise(fa.maximum, torch.maximum)), apart(pairwise(fa.minimum, torch.minimum)), pairwise(fa.logaddexp, torch.logaddexp), matmul, outer, contract,
    concatenate, stack, where, linear, plus_is, written,
]


def tame(v):
    """v scaled back into the bound by a power of two."""
    largest = float(np.abs(v.plain).max(initial=0))
    need(np.isfinite(largest))
    if largest <= BOUND:
        return v
    scale = float(2.0 ** -np.ceil(np.log2(largest / BOUND)))
    return Value(v.f * scale, v.t * scale)


def execute(program, leaves):
    """The values in order; an operation that does not suit its operands is passed over."""
    values = list(leaves)
    for code in program:
        n, at = divmod(code, 8)
        x = values[-1 - at % min(len(values), 8)]
        n, kind = divmod(n, len(UNARY) + 2 * len(BINARY))
        try:
            if kind < 2 * len(BINARY):
                n, other = divmod(n, 16)
                v = BINARY[kind // 2](x, values[-1 - other % len(values)], n)
            else:
                v = UNARY[kind - 2 * len(BINARY)](x, n)
            values.append(tame(v))
        except Skip:
            pass
    return values


def made(seed, narrow):
    """Three leaves; with `narrow`, one of them float32."""
    rng = np.random.default_rng(seed)
    leaves = []
    for i in range(3):
        a = np.asarray(rng.uniform(-2, 2, SHAPES[(seed >> 3 * i) % len(SHAPES)])).astype("f4" if narrow and i == 1 else "f8")
        leaves.append(Value(fa.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)))
    return leaves


def weighted(values):
    """One number out of the last values."""
    total = None
    for v in values[-4:]:
        w = np.cos(np.arange(v.f.size) + 1).reshape(v.shape).astype(v.f.dtype)
        part = Value((v.f * w).sum().astype("f8"), (v.t * torch.tensor(w)).sum().to(torch.float64))
        total = part if total is None else Value(total.f + part.f, total.t + part.t)
    return total


def compare(ours, theirs, tolerance, scale, what):
    a = np.zeros(theirs.shape) if ours is None else ours.detach().numpy()
    b = theirs.detach().numpy()
    assert a.shape == b.shape, what
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(scale, float(np.abs(b).max(initial=0))), err_msg=what)


def check(seed, program, narrow=False, second=False):
    leaves = made(seed, narrow)
    values = execute(program, leaves)
    single = any(v.t.dtype == torch.float32 for v in values)
    tolerance = 1e-3 if single else 1e-9
    for k, v in enumerate(values):
        assert v.shape == tuple(v.t.shape) and str(v.f.dtype) == str(v.t.dtype)[6:], f"value {k}: {v.f.dtype}{v.shape} and {v.t.dtype}{tuple(v.t.shape)}"
        assert v.f.requires_grad == v.t.requires_grad, f"value {k}: requires_grad"
        compare(v.f, v.t, tolerance, 1, f"value {k}")
    loss = weighted(values)
    if not loss.t.requires_grad:
        return values
    passed = [v.t for v in values if v.t.requires_grad]
    # how large gradients are on the way bounds what rounding makes of them
    found = torch.autograd.grad(loss.t, passed, create_graph=second, allow_unused=True)
    scale = max([1.0] + [float(g.detach().abs().max()) for g in found if g is not None and g.numel()])
    wanted = [found[next(i for i, t in enumerate(passed) if t is x.t)] for x in leaves]
    if not second:
        loss.f.backward()
        for i, (x, w) in enumerate(zip(leaves, wanted, strict=True)):
            assert (x.f.grad is None) == (w is None), f"gradient {i}: one is None"
            if w is not None:
                assert x.f.grad.dtype == x.f.dtype
                compare(x.f.grad, w, tolerance, scale, f"gradient {i}")
        return values
    ours = fa.autograd.grad(loss.f, [x.f for x in leaves], create_graph=True, allow_unused=True)
    scale = max([scale, *(float(g.detach().abs().max()) for g in found if g is not None and g.numel())])
    pairs = []
    for i, (o, w) in enumerate(zip(ours, wanted, strict=True)):
        assert (o is None) == (w is None), f"gradient {i}: one is None"
        if o is not None:
            compare(o, w, tolerance, scale, f"recorded gradient {i}")
            if o.requires_grad and w.requires_grad:
                pairs.append(Value(o, w))
    if pairs:
        along_v = weighted(pairs)
        theirs = torch.autograd.grad(along_v.t, [x.t for x in leaves], allow_unused=True)
        ours = fa.autograd.grad(along_v.f, [x.f for x in leaves], allow_unused=True)
        scale *= max([1.0] + [float(g.abs().max()) for g in theirs if g is not None and g.numel()])
        for i, (o, w) in enumerate(zip(ours, theirs, strict=True)):
            if w is not None or o is not None:
                compare(o, torch.zeros(leaves[i].shape) if w is None else w, 100 * tolerance, scale, f"second derivative {i}")
    return values


programs = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=LENGTH)


def many(share):
    return settings(max_examples=max(1, int(PROGRAMS * share)), deadline=None, database=None,
                    suppress_health_check=list(HealthCheck))


@many(0.5)
@given(st.integers(0, 511), programs)
def test_gradients(seed, program):
    check(seed, program)


@many(0.3)
@given(st.integers(0, 511), programs)
def test_second_derivatives(seed, program):
    check(seed, program, second=True)


@many(0.2)
@given(st.integers(0, 511), programs)
def test_single_and_double_precision(seed, program):
    check(seed, program, narrow=True)


def test_programs_are_worth_running():
    """Most operations suit their operands, and every one is used."""
    rng = np.random.default_rng(0)
    used = np.mean([len(check(int(rng.integers(512)), [int(c) for c in rng.integers(0, 2**31, LENGTH)])) - 3 for _ in range(60)])
    assert used > LENGTH / 2
