"""Small programs that use the whole library, for tests that disturb them (tests/test_allocation_failure.py).

Each takes a `Record`, tells it of the leaves whose gradients (and values, if an optimizer writes them) must never be
seen half-written, marks the moments between which they change, and returns what it computed.
"""
from functools import cache

import numpy as np

import fastad as fa
from fastad import nn, optim


class Record:
    """What the leaves of a program hold at each mark."""

    def __init__(self):
        self.leaves, self.states = [], []

    def leaf(self, array):
        """A leaf, under watch."""
        self.watch(t := fa.tensor(array, requires_grad=True))
        return t

    def watch(self, *leaves):
        for t in leaves:
            self.leaves.append(t)
            self.states.append(set())
        self.mark()

    def mark(self):
        for t, states in zip(self.leaves, self.states, strict=True):
            states.add(self.state(t))

    @staticmethod
    def state(t):
        return bits(t), None if t.grad is None else bits(t.grad)


def bits(x):
    """Everything there is to compare about a result."""
    nd = x.detach().numpy() if isinstance(x, fa.Tensor) else np.asarray(x)
    if nd.dtype.char in "gG":             # extended precision has bits that mean nothing
        return nd.dtype.str, nd.shape, tuple(nd.ravel().tolist())
    return nd.dtype.str, nd.shape, nd.tobytes()


@cache
def numbers(*shape, dtype=np.float32):
    """The same ones every time, no two alike; made once, so that NumPy has no part in what is disturbed."""
    return np.sin(np.arange(1, 1 + int(np.prod(shape)))).reshape(shape).astype(dtype)


@cache
def positive(*shape):
    return numbers(*shape) > 0


def elementwise(record):
    x = record.leaf(numbers(5, 7))
    y = fa.tanh(x) * fa.exp(x) / (1 + x * x) - fa.sqrt(fa.abs(x) + 1)
    y.sum().backward()
    record.mark()
    return y, x.grad


def broadcasting(record):
    a, b = record.leaf(numbers(6, 1, 4)), record.leaf(numbers(5, 1))
    y = fa.maximum(a * b + a, b)
    fa.broadcast_to(y, (2, 6, 5, 4)).sum().backward()
    record.mark()
    return y, a.grad, b.grad


def reductions(record):
    x = record.leaf(numbers(3, 8, 4))
    y = x.sum(axis=1) + x.mean(axis=1) + x.max(axis=1) + fa.logsumexp(x, axis=1) + x.prod(axis=1) + x.cumsum(axis=1)[:, -1]
    (y * y).mean().backward()
    record.mark()
    return y, x.grad


def norms(record):
    x = record.leaf(numbers(9, 5, dtype=np.float64))
    y = fa.norm(x, axis=1) + x.var(axis=1) + x.std(axis=1)
    y.sum().backward()
    record.mark()
    return y, x.grad


def products(record):
    a, b, c = record.leaf(numbers(6, 5)), record.leaf(numbers(5, 7)), record.leaf(numbers(7))
    y = a @ b @ c
    y.backward(numbers(6))
    record.mark()
    return y, a.grad, b.grad, c.grad


def strided_products(record):
    a, b = record.leaf(numbers(3, 10, 12)), record.leaf(numbers(12, 10))
    y = fa.swapaxes(a, 1, 2)[:, ::2, ::-1] @ b.T[:, 1::3]
    (y * y).sum().backward()
    record.mark()
    return y, a.grad, b.grad


def classification(record):
    x = record.leaf(numbers(8, 10))
    loss = fa.cross_entropy(x, np.arange(8)) + fa.nll_loss(fa.log_softmax(x, axis=1), np.arange(8))
    loss = loss + fa.softmax(x, axis=1).max()
    loss.backward()
    record.mark()
    return loss, x.grad


def indexing(record):
    x = record.leaf(numbers(10, 6))
    rows = np.array([3, 3, -1, 0])
    y = x[rows].sum() + x[2:9:3, ::-1].sum() + x[..., None, -2].sum() + (x[4] * x[1, 2]).sum()
    y.backward()
    record.mark()
    return y, x.grad


def fancy_indexing(record):
    x = record.leaf(numbers(10, 6))
    y = x[numbers(10, 6) > 0.5].sum() + x[[3, 3, -1, 0], [1, 2, 3, 4]].prod() + x[:, [0, 5]].mean()
    y = y + fa.take_along_axis(x, np.argsort(numbers(10, 6), axis=0), axis=0)[0].sum()
    z = fa.roll(fa.take(x, [1, 1, 4], axis=1) * 3, 2)
    (y + z.sum()).backward()
    record.mark()
    return y, z, x.grad


def joining(record):
    a, b = record.leaf(numbers(4, 6)), record.leaf(numbers(3, 6) + 1)
    y = fa.concatenate([a, b, a * b[:1]], axis=0)
    parts = fa.split(fa.stack([y, y * y], axis=1), [2, 5], axis=0)
    z = fa.pad(parts[1], 1) + fa.tile(parts[0][:1, :1], (5, 4, 1)).sum() + fa.repeat(parts[2], 2, axis=0).sum()
    z.sum().backward()
    record.mark()
    return z, a.grad, b.grad


def einstein(record):
    a, b, c = record.leaf(numbers(3, 4, 5)), record.leaf(numbers(5, 6)), record.leaf(numbers(3, 6))
    y = fa.einsum("bij,jk,bk->bik", a, b, c)
    (y * y).sum().backward()
    record.mark()
    return y, a.grad, b.grad, c.grad


def sequences(record):
    x, w, u, b = record.leaf(numbers(6, 3)), record.leaf(numbers(8, 3)), record.leaf(numbers(8, 2)), record.leaf(numbers(8))
    y, h, c = fa.recurrent("lstm", x, None, w, u, b, b, batch_sizes=(3, 2, 1))
    (y.sum() + (h * c).sum()).backward()
    record.mark()
    z, _ = fa.recurrent("gru", fa.reshape(x, (3, 2, 3)), None, w[:6], u[:6], reverse=True, window=1)
    (z * z).sum().backward()
    record.mark()
    return y, h, c, z, x.grad, w.grad, u.grad, b.grad


def in_place(record):
    x = fa.tensor(numbers(6, 5))
    w = record.leaf(numbers(5))
    with fa.no_grad():
        x[::2] = numbers(3, 5) * 2
        x += x[::-1]
        x[:, 1].copy_(fa.tensor(numbers(6)))
        x *= 2
    loss = fa.zeros((), dtype=np.float32)
    for i in range(6):
        loss += (x[i] * w).sum()
    loss.backward()
    record.mark()
    return x, loss, w.grad


def second_derivative(record):
    x = record.leaf(numbers(20, dtype=np.float64))
    y = (fa.tanh(x) * x).sum()
    (g,) = fa.autograd.grad([y], [x], create_graph=True)
    (g * g).sum().backward()
    record.mark()
    return g, x.grad


def transforms(record):
    def f(x, w):
        return (fa.tanh(x @ w) ** 2).sum()

    def slope(x, w):
        gx, gw = fa.grad(f, (0, 1))(x, w)
        return (gx * gx).sum() + (gw * gw).sum()

    value, found = fa.value_and_grad(slope, (0, 1))(numbers(5, 4), numbers(4, 5))
    assert all(isinstance(g, np.ndarray) for g in found), "a failed transform has left its mark on this thread"
    return value, *found


def stepping(record, make):
    a, b = record.leaf(numbers(6, 5)), record.leaf(numbers(30))
    with fa.no_grad():
        c = fa.tensor(numbers(7, 6)).T.requires_grad_()       # stepped as a dense copy
    record.watch(c)
    optimizer = make([a, b, c])
    for _ in range(2):
        optimizer.zero_grad()
        record.mark()
        ((a @ numbers(5, 6)).sum() + (b * b).sum() + (c * c).sum()).backward()
        record.mark()
        optimizer.step()
        record.mark()
    return a, b, c, *[value for state in optimizer._state for values in state.values() for value in values if value is not None]


def sgd(record):
    return stepping(record, lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5))


def adam(record):
    return stepping(record, lambda p: optim.Adam(p, lr=0.1, amsgrad=True))


def adamw(record):
    return stepping(record, lambda p: optim.AdamW(p, lr=0.1))


def training(record):
    fa.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 4))
    record.watch(*model.parameters())
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()(model(fa.tensor(numbers(9, 6))), np.arange(9) % 4)
    loss.backward()
    record.mark()
    optimizer.step()
    record.mark()
    return loss, *model.parameters(), *optimizer.state_dict()["param_groups"][0]["params"]


def exchange(record):
    shared = numbers(7, 6).copy()
    x = fa.from_numpy(shared).requires_grad_()
    record.watch(x)
    y = x * fa.tensor([[1, 2, 3, 4, 5, 6]] * 7, dtype="float32") + fa.asarray(numbers(6)) + np.ones((7, 6), np.float32)
    y.sum().backward()
    record.mark()
    back = np.asarray(y.detach()) + fa.from_numpy(np.asarray(memoryview(y.detach()))).numpy()
    return y, x.grad, back


def hooks(record):
    x = record.leaf(numbers(30))
    h = x * x
    h.retain_grad()
    h.register_hook(lambda g: g * 2)
    inner = []

    def differentiates(g):                # a walk within the walk, over nodes that the outer one is at
        if inner:                         # called by the inner walk
            return None
        inner.append(g)
        (found,) = fa.autograd.grad([(h * h).sum()], [x], retain_graph=True)
        inner.append(found)
        return g + found

    x.register_hook(differentiates)
    (h * h).sum().backward(retain_graph=True)
    record.mark()
    return h.grad, x.grad, *inner


def retained(record):
    x = record.leaf(numbers(25))
    y = (fa.exp(x) * x).sum()
    y.backward(retain_graph=True)
    record.mark()
    y.backward()
    record.mark()
    return y, x.grad


def deep(record):
    x = record.leaf(numbers())
    h = x
    for _ in range(10_000):
        h = h * x
    h.backward()
    record.mark()
    return h, x.grad


def views(record):
    x = record.leaf(numbers(4, 6, 5))
    y = x.transpose((2, 0, 1)).reshape(5, 24)[1:, ::3].swapaxes(0, 1)
    y = fa.expand_dims(fa.squeeze(fa.expand_dims(y, 0)), (1, 2, 4)).ravel() + fa.flip(fa.diagonal(x[:, :4])).sum()
    y.sum().backward()
    record.mark()
    return y, x.grad


def activations(record):
    x = record.leaf(numbers(3, 11, dtype=np.float64))
    y = fa.gelu(x) + fa.silu(x) * fa.softplus(x) + fa.leaky_relu(x, 0.1) - fa.clip(x, -0.5, 0.5) + fa.softmax(x, axis=0)
    y.sum().backward(fa.tensor(2.0, dtype=np.float64))
    record.mark()
    return y, x.grad


def choosing(record):
    a, b = record.leaf(numbers(4, 9)), record.leaf(numbers(9) + 1)
    y = fa.where(positive(4, 9), a * 2, b) + fa.minimum(a, b) + a.min(axis=1, keepdims=True)
    y.sum().backward()
    record.mark()
    return y, a.grad, b.grad


def sums_of_gradients(record):
    x, y = record.leaf(numbers(30)), record.leaf(numbers(30) + 2)
    for k in range(3):                    # .grad grows from walk to walk
        (x * y + x / y * k).sum().backward()
        record.mark()
    first, second = fa.autograd.grad([(x * y * x).sum()], [x, y])
    return x.grad, y.grad, first, second


def subclasses(record):
    p, q = nn.Parameter(fa.tensor(numbers(8, 3))), nn.Parameter(fa.tensor(numbers(3)))
    record.watch(p, q)
    h = (p * q + q).detach().clone().requires_grad_()
    record.watch(h)
    (h * p).sum().backward()
    record.mark()
    return h, h.grad, p.grad


def many_axes(record):
    x = record.leaf(numbers(2, 3, 1, 2, 1, 3, 2))
    y = fa.moveaxis(x, 1, -1) * numbers(2, 1, 2, 1, 3, 1, 3)
    y.sum(axis=(0, 3, 5)).max().backward()
    record.mark()
    return y, x.grad


def casting(record):
    x = record.leaf(numbers(20))
    y = x.astype(np.float64) * numbers(20, dtype=np.float64) + x + x.astype(np.float16)
    y.sum().backward()
    record.mark()
    return y, x.grad


def through_numpy(record):
    x, z = record.leaf(numbers(12, dtype=np.longdouble)), record.leaf(numbers(12) * (1 + 2j))
    y = (fa.tanh(x) * fa.exp(x)).sum()
    y.backward()
    record.mark()
    w = (z * z + z).sum()
    w.backward()
    record.mark()
    return y, x.grad, w, z.grad


PROGRAMS = [
    elementwise, broadcasting, reductions, norms, products, strided_products, classification, indexing, fancy_indexing, joining,
    einstein, sequences, in_place, second_derivative, transforms, sgd, adam, adamw, training, exchange, hooks, retained, deep, views,
    activations, choosing, sums_of_gradients, subclasses, many_axes, casting, through_numpy,
]

# these call NumPy, which does not always say MemoryError when Python has no memory for an object
THROUGH_NUMPY = [norms, classification, fancy_indexing, joining, einstein, training, exchange, through_numpy]
