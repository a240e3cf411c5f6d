"""The operations of the random programs (test_programs.py): each by fastad and by PyTorch.

An operation is a function of one or two values and a number that chooses its axes, indices and the like.  It gives a
`Value`, the result by both, or raises `Skip` where its operands do not suit it: wrong shapes, an element near a kink.
"""
import numpy as np
import pytest

import fastad as fa

torch = pytest.importorskip("torch")
F = torch.nn.functional

LARGEST = 256                              # elements of a value; at least one


class Skip(Exception):
    """This operation does not suit this value."""


def need(condition):
    if not condition:
        raise Skip


def fits(a, b):
    """Whether two shapes broadcast."""
    return all(p == q or 1 in (p, q) for p, q in zip(a[::-1], b[::-1], strict=False))


def within(x, y):
    """That y, of x's dtype, broadcasts to x's shape."""
    need(x.f.dtype == y.f.dtype and fits(x.shape, y.shape) and np.broadcast_shapes(x.shape, y.shape) == x.shape)


class Value:
    """The same number twice: f by fastad, t by PyTorch."""
    def __init__(self, f, t):
        self.f, self.t = f, t
        need(0 < f.size <= LARGEST)

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
    ours, torchs = getattr(fa, name), getattr(torch, theirs or name)

    def op(x, n):
        if keeps or (n % 5 and x.ndim):
            need(x.ndim)
            axis = n % (2 * x.ndim) - x.ndim
            if ties:
                need(np.diff(np.sort(x.plain, axis), axis=axis).min(initial=1) > 1e-3)
            ours_kept, theirs_kept = ({}, {}) if keeps else ({"keepdims": n // 7 % 2 == 0}, {"keepdim": n // 7 % 2 == 0})
            return Value(ours(x.f, axis=axis, **ours_kept), torchs(x.t, dim=axis, **theirs_kept))
        if ties:
            need(np.diff(np.sort(x.plain, None)).min(initial=1) > 1e-3)
        return Value(ours(x.f), torchs(x.t, **({"dim": tuple(range(x.ndim))} if name == "logsumexp" else {})))
    return op


def along_two(name, theirs=None):
    def op(x, n):
        need(x.ndim > 1)
        axes = tuple(int(i) - x.ndim * (n % 2) for i in np.random.default_rng(n).permutation(x.ndim)[:2])
        return Value(getattr(fa, name)(x.f, axis=axes, keepdims=n % 3 == 0),
                     getattr(torch, theirs or name)(x.t, dim=axes, keepdim=n % 3 == 0))
    return op


def deviation(x, n):
    need(x.ndim and x.plain.std(n % x.ndim).min(initial=1) > 0.1)
    return Value(fa.std(x.f, axis=n % x.ndim, keepdims=n % 3 == 0),
                 torch.std(x.t, dim=n % x.ndim, correction=0, keepdim=n % 3 == 0))


def variance(x, n):
    need(x.ndim)
    return Value(fa.var(x.f, axis=n % x.ndim), torch.var(x.t, dim=n % x.ndim, correction=0))


def classes(x, n):
    """The loss of logits; the labels as a list, an array, a tensor."""
    need(x.ndim == 2 and x.shape[0])
    labels = np.random.default_rng(n).integers(0, x.shape[1], x.shape[0])
    ours = (labels, fa.tensor(labels), labels.tolist())[n % 3]
    reduction = ("mean", "sum", "none")[n // 3 % 3]
    return Value(fa.cross_entropy(x.f, ours, reduction=reduction), F.cross_entropy(x.t, torch.tensor(labels), reduction=reduction))


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
    last = [(slice(1, None),), (slice(None, None, 2),), (slice(0, 1),), (x.shape[k] - 1,), (-1,), (slice(None), None)]
    index = (slice(None),) * k + last[n // 4 % len(last)]
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


def each_its_own(x, n):
    need(x.ndim)
    k = n % x.ndim
    index = np.random.default_rng(n).integers(0, x.shape[k], (*x.shape[:k], 1 + n % 3, *x.shape[k + 1:]))
    return Value(fa.take_along_axis(x.f, index, k), torch.gather(x.t, k, torch.tensor(index)))


def spread(x, n):
    """Rows into a larger value, some of them to one place."""
    need(x.ndim)
    index = np.random.default_rng(n).integers(0, 4, x.shape[0])
    t = torch.zeros((4, *x.shape[1:]), dtype=x.t.dtype).index_add(0, torch.tensor(index), x.t)
    return Value(fa.scatter(x.f, index, (4, *x.shape[1:])), t)


def newaxis(x, n):
    k = n % (x.ndim + 1)
    return Value(fa.expand_dims(x.f, k), x.t.unsqueeze(k))


def squeezed(x, n):
    need(1 in x.shape)
    k = [i for i, m in enumerate(x.shape) if m == 1][n % x.shape.count(1)]
    return Value(fa.squeeze(x.f, k), x.t.squeeze(k)) if n % 3 else Value(x.f.squeeze(), x.t.squeeze())


def moved(x, n):
    need(x.ndim > 1)
    i, j = n % x.ndim, -1 - n // 3 % x.ndim
    return Value(fa.moveaxis(x.f, i, j), x.t.movedim(i, j)) if n % 2 else Value(x.f.swapaxes(i, j), x.t.swapaxes(i, j))


def pieces(x, n):
    """A split of which one piece is used twice and one not at all, or all in another order."""
    need(x.ndim and x.shape[n % x.ndim] > 1)
    k = n % x.ndim
    m = x.shape[k]
    if n % 3 and m % 2 == 0:
        (a, b), (c, d) = fa.split(x.f, 2, k), x.t.split(m // 2, k)
        return Value(a * b + a, c * d + c)
    sizes = [-(-m // 2), m // 2]
    ours, theirs = fa.array_split(x.f, 2, k), x.t.split(sizes, k)
    if n % 2:
        return Value(fa.tanh(ours[0]) + ours[0], torch.tanh(theirs[0]) + theirs[0])
    return Value(fa.concatenate(ours[::-1], k), torch.cat(theirs[::-1], k))


def broadcast(x, n):
    shape = (2, *(3 if m == 1 else m for m in x.shape))
    return Value(fa.broadcast_to(x.f, shape), x.t.broadcast_to(shape))


def diagonal(x, n):
    need(x.ndim > 1)
    return Value(fa.diagonal(x.f, n % 3 - 1), torch.diagonal(x.t, n % 3 - 1))


def triangle(x, n):
    need(x.ndim > 1)
    name, k = ("triu", "tril")[n % 2], n % 3 - 1
    return Value(getattr(fa, name)(x.f, k), getattr(torch, name)(x.t, k))


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
        need(fits(x.shape, y.shape))
        return Value(ours(x.f, y.f), (theirs or ours)(*alike(x, y)))
    return op


def apart(g):
    def op(x, y, n):
        need(fits(x.shape, y.shape))
        need(np.abs(x.plain - y.plain).min(initial=1) > 1e-3)
        return g(x, y, n)
    return op


def matmul(x, y, n):
    """Matrices, vectors, batches that broadcast, either factor transposed."""
    need(x.ndim and y.ndim)
    a, b, f, g = *alike(x, y), x.f, y.f
    if x.ndim > 1 and n % 2:
        f, a = f.mT, a.mT
    if y.ndim > 1 and f.shape[-1] != g.shape[-2]:
        g, b = g.mT, b.mT
    need(f.shape[-1] == g.shape[max(0, g.ndim - 2)] and fits(f.shape[:-2], g.shape[:-2]))
    return Value(f @ g, a @ b)


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
    need(fits(x.shape, y.shape))
    c = np.random.default_rng(n).random(x.shape) < 0.5
    return Value(fa.where(c, x.f, y.f), torch.where(torch.tensor(c), *alike(x, y)))


def linear(x, y, n):
    need(x.ndim and y.ndim == 2 and x.shape[-1] == y.shape[1] and x.t.dtype == y.t.dtype)
    return Value(fa.linear(x.f, y.f, y.f[:, 0]), F.linear(x.t, y.t, y.t[:, 0]))


def sequence(x, y, n):
    """x through an RNN, LSTM or GRU with weights made of y, forward or in reverse; two axes are one packed sequence."""
    need(x.ndim in (2, 3) and y.ndim == 2 and x.shape[-1] == y.shape[1] and x.t.dtype == y.t.dtype and max(y.shape) <= 4)
    cell, blocks = (("rnn_tanh", 1), ("gru", 3), ("lstm", 4))[n % 3]
    reverse, final = bool(n // 3 % 2), n // 6 % 2

    def made(cat, y):
        parts = [(1 - 0.25 * i) * y for i in range(blocks)]
        return cat(parts), cat([p @ y.T for p in parts]), cat([p[:, 0] for p in parts])
    w_ih, w_hh, b = made(fa.concatenate, y.f)
    f = fa.recurrent(cell, x.f, None, w_ih, w_hh, b, b, batch_sizes=[1] * x.shape[0] if x.ndim == 2 else None, reverse=reverse)
    w_ih, w_hh, b = made(torch.cat, y.t)
    given, h = (x.t if x.ndim == 3 else x.t[:, None]) @ w_ih.T + b, torch.zeros((), dtype=x.t.dtype)
    h = c = h.expand(given.shape[1], y.shape[0])
    outputs = [None] * x.shape[0]
    for t in range(x.shape[0])[::-1 if reverse else 1]:
        a, s = given[t].chunk(blocks, 1), (h @ w_hh.T + b).chunk(blocks, 1)
        if cell == "rnn_tanh":
            h = torch.tanh(a[0] + s[0])
        elif cell == "gru":
            z = torch.sigmoid(a[1] + s[1])
            h = (1 - z) * torch.tanh(a[2] + torch.sigmoid(a[0] + s[0]) * s[2]) + z * h
        else:
            i, f_, g, o = (p + q for p, q in zip(a, s, strict=True))
            c = torch.sigmoid(f_) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        outputs[t] = h
    t = torch.stack(outputs)
    return Value(f[-1], c if cell == "lstm" else h) if final else Value(f[0], t if x.ndim == 3 else t[:, 0])


def losses(x, y, n):
    need(x.shape == y.shape and x.f.dtype == y.f.dtype)
    reduction = ("mean", "sum", "none")[n % 3]
    return Value(fa.mse_loss(x.f, y.f, reduction), F.mse_loss(x.t, y.t, reduction=reduction))


def plus_is(x, y, n):
    """x += y binds the name to a new value; the old one stays in the graph."""
    within(x, y)
    f = x.f
    f += y.f
    return Value(f, x.t + y.t)


VIEWS = [lambda b: b[0, ...], lambda b: b[-1:], lambda b: b[::-1], lambda b: b[1::2], lambda b: b.T, lambda b: b[..., 0], lambda b: b[..., None],
         lambda b: b.swapaxes(0, -1)[:1], lambda b: b[..., ::-2].T]


def written(x, y, n):
    """A buffer outside the graph, written through views of views, and then a factor; NumPy says what it holds."""
    need(x.ndim)
    ours = fa.tensor(np.cos(np.arange(x.f.size, dtype=x.f.dtype)).reshape(x.shape))
    plain = ours.numpy().copy()
    rng = np.random.default_rng(n)
    for way in rng.integers(0, 7, 4):
        view, seen = ours, plain
        for i in rng.integers(0, len(VIEWS), rng.integers(0, 3)):
            if seen.ndim and len(seen):
                view, seen = VIEWS[i](view), VIEWS[i](seen)
        number = float(rng.normal())
        if way == 0:
            view[...] = number
            seen[...] = number
        elif way == 1:
            view += number
            seen += number
        elif way == 2:
            view *= view
            seen *= seen
        elif way == 3:
            view[...] = view.T if view.shape == view.shape[::-1] else view.copy()
            seen[...] = seen.T.copy() if seen.shape == seen.shape[::-1] else seen
        elif way == 4 and seen.ndim:
            view[1:] = view[:-1]                       # the two overlap
            seen[1:] = seen[:-1].copy()
        elif way == 5:
            view[seen > number] = number
            seen[seen > number] = number
        elif way == 6 and y.ndim == 0:
            view.copy_(y.f.detach())
            seen[...] = y.plain
    return Value(x.f * ours, x.t * torch.tensor(plain))


def view_is(x, y, n):
    """An augmented assignment to a view in a graph binds the name to a new value: neither the view nor x changes."""
    need(x.ndim and len(x.plain))
    look = VIEWS[n % len(VIEWS)]
    view = named = look(x.f)
    which = torch.tensor(look(np.arange(x.f.size).reshape(x.shape)).copy())
    part = Value(view, x.t.reshape(-1)[which])
    within(part, y)
    before = x.plain.copy(), view.detach().numpy().copy()
    named *= y.f
    named -= 0.5
    for now, then in zip((x.plain, view.detach().numpy()), before, strict=True):
        np.testing.assert_array_equal(now, then)
    return Value(named, part.t * y.t - 0.5)


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


def soft(g):
    """g of a value brought between -0.9 and 0.9."""
    return lambda x, n: g(Value(fa.tanh(x.f) * 0.9, torch.tanh(x.t) * 0.9), n)


def functional(ours, theirs=None, *arguments):
    a, b = getattr(fa, ours), getattr(F, theirs or ours)
    return lambda x, n: Value(a(x.f, *arguments), b(x.t, *arguments))


UNARY = [
    same(lambda x: x * 2), same(lambda x: 1.5 - x), same(lambda x: x ** 3), same(lambda x: 2.0 ** x), same(lambda x: x * x - x / 3),
    *map(by, ["tanh", "sin", "cos", "exp", "exp2", "sigmoid", "square", "arctan", "erf", "expm1", "arcsinh", "sinh", "cosh", "negative"]),
    *map(positive, map(by, ["log", "sqrt", "reciprocal", "log1p", "log2", "log10"])),
    positive(same(lambda x: x ** 1.5)), positive(same(lambda x: 1 / x)), positive(lambda x, n: by("arccosh")(Value(x.f + 1, x.t + 1), n)),
    *map(soft, map(by, ["arcsin", "arccos", "arctanh", "tan"])),
    kinked(by("abs"), 0), kinked(by("relu"), 0), kinked(same(lambda x: x.clip(-1, 1)), -1, 1),
    kinked(functional("leaky_relu", None, 0.1), 0), kinked(functional("elu"), 0), kinked(functional("relu6"), 0, 6),
    *map(functional, ["softplus", "gelu", "silu", "mish"]), functional("logsigmoid"),
    along("sum"), along("mean"), along("prod"), along("max", "amax", ties=True), along("min", "amin", ties=True), along("logsumexp"),
    along("softmax", keeps=True), along("log_softmax", keeps=True), along("cumsum", keeps=True), along_two("sum"), along_two("mean"),
    along_two("logsumexp"), variance, deviation, norm, classes,
    reshape, permute, moved, newaxis, squeezed, flip, cut, rows, pairs, mask, take, each_its_own, spread, pieces, broadcast, diagonal,
    triangle, pad, roll, repeated, detached, not_recorded, cast,
]
BINARY = [
    pairwise(lambda x, y: x + y), pairwise(lambda x, y: x * y), pairwise(lambda x, y: x - y), pairwise(lambda x, y: x / (y * y + 1)),
    pairwise(lambda x, y: (x * x + 0.5) ** y), pairwise(lambda x, y: fa.arctan2(x, y * y + 0.5), lambda x, y: torch.arctan2(x, y * y + 0.5)),
    pairwise(lambda x, y: fa.hypot(x, y * y + 0.5), lambda x, y: torch.hypot(x, y * y + 0.5)),
    apart(pairwise(fa.maximum, torch.maximum)), apart(pairwise(fa.minimum, torch.minimum)), pairwise(fa.logaddexp, torch.logaddexp),
    apart(pairwise(lambda x, y: fa.where(x > y, x * y, y), lambda x, y: torch.where(x > y, x * y, y))),
    matmul, matmul, outer, contract, concatenate, stack, where, linear, sequence, losses, plus_is, view_is, written,
]
