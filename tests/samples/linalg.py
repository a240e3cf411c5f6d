"""Samples of fastad.linalg.

Functions of symmetric matrices get x x^T + 1, for a matrix x that is not symmetric.  Vectors with free signs (of eigh, svd
and qr) are multiplied so that the signs cancel.  The second derivative of a determinant at a singular matrix has tests
of its own (test_linalg.py).
"""
import numpy as np

from fastad import linalg
from samples import Sample


def shapes(*wanted):
    return lambda rng, dtype: tuple(rng.normal(size=s).astype(dtype) for s in wanted)


def regular(*wanted):
    """Square matrices that are far from singular, and right sides."""
    def draw(rng, dtype):
        return tuple((rng.normal(size=s) + (2 * s[-1] * np.eye(s[-1]) if len(s) > 1 and s[-1] == s[-2] else 0)).astype(dtype)
                     for s in wanted)
    return draw


def spread(*shape):
    """Matrices with the singular values k + 1, ..., 2."""
    def draw(rng, dtype):
        u, s, vh = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        return ((u * (1 + np.arange(s.shape[-1], 0, -1.0)) @ vh).astype(dtype),)
    return draw


def torch_function(name):
    """PyTorch's function of that name, found when it is called."""
    def function(*args, **kwargs):
        import torch
        return getattr(torch.linalg, name)(*args, **kwargs)
    return function


def sample(name, id, draw, *args, primitive=None, torch=None, before=lambda x: x, after=lambda y: y, **kwargs):
    """`after` of the function of that name of `before` of the inputs, in fastad, NumPy and PyTorch (`torch` is its name
    there; "" if there is none)."""
    def through(function):
        return lambda *inputs: after(function(*map(before, inputs), *args, **kwargs))

    torch = name if torch is None else torch
    return Sample(primitive or name, through(getattr(linalg, name)), through(getattr(np.linalg, name)), draw,
                  through(torch_function(torch)) if torch else None, id=f"{name}-{id}", rows_differ=True)


def gram(x):
    """x x^T + 1, positive definite, of tensors, arrays and PyTorch's tensors."""
    one = np.eye(x.shape[-2], dtype=str(x.dtype).removeprefix("torch."))
    if type(x).__module__ == "torch":
        import torch
        one = torch.from_numpy(one)
    return x @ x.swapaxes(-1, -2) + one


def products(a, b):
    """All a_ik b_jk: the signs of the columns cancel."""
    return a[..., :, None, :] * b[..., None, :, :]


def signless(found):
    """What depends on no free sign, of eigenvalues and vectors, of U, S and V, or of Q and R."""
    if len(found) == 3:
        u, s, vh = found
        return [s, products(u, vh.swapaxes(-1, -2)), products(u, u)]
    first, second = found
    if first.ndim < second.ndim:
        return [first, products(second, second)]
    return [products(first, second.swapaxes(-1, -2)), products(second.swapaxes(-1, -2), second.swapaxes(-1, -2))]


def turning(*shape):
    """Matrices with the eigenvalues 1 +- 2i, 4, 7, ..., complex and well apart."""
    def draw(rng, dtype):
        n = shape[-1]
        d = np.diag(3.0 * np.arange(n) - 2)
        d[:2, :2] = [[1, -2], [2, 1]]
        x = np.eye(n) + 0.2 * rng.normal(size=shape)
        return ((x @ d @ np.linalg.inv(x)).astype(dtype),)
    return draw


def in_no_order(found):
    """Of eigenvalues and vectors: sums over them that depend on no phase."""
    w, v = found
    return [((v * (w * w + w)[..., None, :]) @ v.conj().swapaxes(-1, -2)).real, (w * w * w).sum(-1).real]


def symmetric(name, id, draw, *args, **kwargs):
    return sample(name, id, draw, *args, before=gram, **kwargs)


def svd(id, *shape):
    return sample("svd", id, spread(*shape), after=signless, full_matrices=False)


def qr(id, *shape, mode="reduced"):
    return sample("qr", id, spread(*shape), mode, after=signless, torch="qr" if shape[-2] >= shape[-1] else "")


def triangular(id, a, b, trans=0, lower=False, unit=False):
    def triangle(x):
        x = np.tril(x) if lower else np.triu(x)
        if unit:
            x[..., range(x.shape[-1]), range(x.shape[-1])] = 1
        return x.swapaxes(-1, -2) if trans else x

    def torch(x, y):
        columns = y if y.ndim > 1 else y[:, None]
        z = torch_function("solve_triangular")(x.mT if trans else x, columns, upper=bool(trans) == lower, unitriangular=unit)
        return z.reshape(y.shape) if y.ndim == 1 else z

    return Sample("solve_triangular", lambda x, y: linalg.solve_triangular(x, y, trans, lower, unit),
                  lambda x, y: np.linalg.solve(triangle(x), y), regular(a, b), torch, id=id, rows_differ=True)


def cholesky_solve(upper):
    def numpy(b, x):
        x = np.triu(x).T if upper else np.tril(x)
        return np.linalg.solve(x @ x.T, b)

    def torch(b, x):
        import torch
        return torch.cholesky_solve(b, x.triu() if upper else x.tril(), upper)

    return Sample("solve_triangular", lambda b, x: linalg.cholesky_solve(b, x, upper), numpy, regular((4, 2), (4, 4)), torch,
                  id="cholesky-upper" if upper else "cholesky", rows_differ=True)


def power_series(a):
    """1 + a + a^2 / 2 + ..., for small matrices"""
    x = a.astype(np.result_type(a.dtype, np.float64))
    term = total = np.broadcast_to(np.eye(a.shape[-1]), a.shape)
    for k in range(1, 60):
        term = term @ x / k
        total = total + term
    return total.astype(a.dtype) if a.dtype.kind in "fc" else total


def six_by_six(rng, dtype):
    return (regular((6, 6))(rng, dtype)[0].reshape(2, 3, 6),)


SAMPLES = [
    sample("inv", "matrix", regular((3, 3))),
    sample("inv", "batch", regular((2, 3, 3))),
    sample("inv", "empty", regular((0, 0))),
    sample("solve", "matrix", regular((3, 3), (3, 2))),
    sample("solve", "vector", regular((3, 3), (3,))),
    sample("solve", "batch", regular((2, 3, 3), (2, 3, 4))),
    sample("solve", "one-matrix", regular((3, 3), (5, 3, 1))),
    sample("solve", "one-right-side", regular((2, 2, 3, 3), (3, 1))),
    sample("solve", "broadcast", regular((2, 1, 3, 3), (4, 3, 2))),
    sample("solve", "stretched", regular((2, 3, 3), (4, 1, 3, 2))),
    sample("solve", "no-columns", regular((3, 3), (3, 0))),
    triangular("upper", (3, 3), (3, 2)),
    triangular("lower", (3, 3), (3, 2), lower=True),
    triangular("transposed", (3, 3), (3, 2), trans=1),
    triangular("lower-transposed", (3, 3), (3, 2), trans="T", lower=True),
    triangular("unit", (3, 3), (3, 2), unit=True),
    triangular("vector", (3, 3), (3,), lower=True),
    triangular("batch", (2, 3, 3), (2, 3, 2), lower=True),
    triangular("one-matrix", (3, 3), (4, 3, 2)),
    triangular("broadcast", (2, 1, 3, 3), (4, 3, 2), trans=1, unit=True),
    triangular("large", (70, 70), (70, 3), lower=True),
    cholesky_solve(False),
    cholesky_solve(True),
    symmetric("cholesky", "matrix", shapes((3, 3))),
    symmetric("cholesky", "batch", shapes((2, 3, 4))),
    symmetric("cholesky", "upper", shapes((3, 3)), upper=True, torch=""),
    symmetric("cholesky", "one", shapes((1, 1))),
    Sample("expm", linalg.expm, power_series, shapes((3, 3)), torch_function("matrix_exp"), id="matrix"),
    Sample("expm", linalg.expm, power_series, shapes((2, 2, 2)), torch_function("matrix_exp"), id="batch"),
    sample("det", "matrix", regular((3, 3))),
    sample("det", "batch", shapes((2, 4, 4))),
    sample("det", "one", shapes((1, 1))),
    sample("slogdet", "batch", shapes((2, 3, 3)), after=list),
    sample("slogdet", "logarithm", regular((3, 3)), after=lambda found: found[1]),
    sample("eig", "matrix", turning(3, 3), after=in_no_order),
    sample("eig", "batch", turning(2, 4, 4), after=in_no_order),
    sample("eigvals", "values", turning(4, 4), primitive="eig", after=lambda w: (w * w * w).sum(-1).real),
    symmetric("eigh", "matrix", spread(3, 3), after=signless),
    symmetric("eigh", "batch", spread(2, 3, 3), after=signless),
    symmetric("eigh", "upper", spread(3, 3), "U", after=signless, torch=""),
    symmetric("eigvalsh", "values", spread(4, 4), primitive="eigh"),
    svd("square", 3, 3),
    svd("tall", 4, 3),
    svd("wide", 2, 4),
    svd("batch", 2, 3, 2),
    sample("svdvals", "values", spread(4, 3), primitive="svd"),
    qr("square", 3, 3),
    qr("tall", 4, 2),
    qr("wide", 2, 4),
    qr("batch", 2, 4, 3),
    qr("complete", 3, 3, mode="complete"),
    sample("qr", "r", spread(4, 3), "r", after=abs, torch=""),
    sample("pinv", "tall", spread(4, 3)),
    sample("pinv", "wide", spread(2, 3, 4)),
    sample("pinv", "square", regular((3, 3))),
    sample("lstsq", "tall", lambda rng, dtype: spread(5, 3)(rng, dtype) + shapes((5, 2))(rng, dtype), primitive="pinv",
           after=lambda found: list(found[:2]), torch=""),
    sample("norm", "two", spread(4, 3), 2, primitive="svd", torch=""),
    sample("norm", "nuclear", spread(4, 3), "nuc", primitive="svd", torch=""),
    sample("cond", "two", spread(3, 3), primitive="svd"),
    sample("cond", "frobenius", regular((3, 3)), "fro", primitive="inv", torch=""),      # PyTorch cannot differentiate its own
    sample("matrix_power", "five", regular((3, 3)), 5, primitive="matmul"),
    sample("matrix_power", "negative", regular((2, 3, 3)), -3, primitive="inv"),
    sample("tensorsolve", "", lambda rng, dtype: six_by_six(rng, dtype) + shapes((2, 3))(rng, dtype), primitive="solve"),
    sample("tensorinv", "", six_by_six, primitive="inv"),
    Sample("matmul", lambda *x: linalg.multi_dot(x), lambda *x: np.linalg.multi_dot(x), shapes((2,), (2, 5), (5, 3), (3, 4)),
           id="multi_dot"),
]
