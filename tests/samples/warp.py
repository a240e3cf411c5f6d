"""Samples of warp and its transpose: every route of csrc/image.c, every border, with and without a filter."""
import numpy as np

import fastad as fa
from fastad._core.primitives.warp import warped
from fastad.augment.warping import map_of
from samples import Sample

TURN = np.array([[[0.8, -0.7, 1.3], [0.5, 0.9, -0.6]], [[1.1, 0.4, -2.2], [-0.3, 0.7, 1.6]]])
ZOOM = np.array([[[0.6, 0, 0.3], [0, 0.7, -0.4]], [[-1.2, 0, 4.1], [0, 1.1, 0.2]]])
FLIP = np.array([[1.0, 0, -1], [0, -1, 3]])
SHRINK = np.array([[2.0, 0, 0.5], [0, 1.5, 0.25]])
FAR = np.array([[1.7, 1.1, -1], [-0.9, 1.6, 2]])
LENS = np.array([[1.0, 0.1, -0.2, 0, 0.9, 0.3, 0.8, -0.3, 0.5, 0.2, 1, -0.4, 1.5, 2, 0.05],
                 [1, 0, 0.5, 0, 1.2, 0, 1, 0, 0, 0, 1, 0, 1.5, 2, 0]])          # the second bends nothing
FAR_LENS = LENS[:1] * np.repeat([2.0, 1.0], [6, 9])
FIELD = np.random.default_rng(5).uniform(-2, 6, (1, 2, 3, 2))


def index(i, n, mode):
    """Pixel i of an axis of n, by definition; None beyond the edges."""
    if 0 <= i < n:
        return i
    if mode == "constant":
        return None
    if mode == "edge" or n == 1:
        return min(max(i, 0), n - 1)
    while not 0 <= i < n:
        i = -i if i < 0 else 2 * (n - 1) - i
    return i


def triangle(centre, width, n, mode, inside):
    """The row of weights of one place, and the fill's."""
    row, beyond, every = np.zeros(n), 0.0, 0.0
    for i in range(int(np.floor(centre - width)) - 1, int(np.ceil(centre + width)) + 2):
        weight = max(0.0, 1 - abs(i - centre) / width)
        at = index(i, n, "constant" if inside else mode)
        every += weight
        if at is None:
            beyond += weight
        else:
            row[at] += weight
    if inside:
        return row / row.sum(), 0.0
    return row / every, beyond / every


def resampled(n, length, start, step, width, mode, inside):
    """(length, n): what every place reads, and how much of the fill."""
    rows, beyond = zip(*[triangle(start + step * i, width, n, mode, inside) for i in range(length)], strict=True)
    return np.array(rows).reshape(length, n), np.array(beyond)


def scaled(x, m, size, mode, fill, antialias):
    parts = []
    for n, length, start, step in ((x.shape[-2], size[0], m[0, 2], m[0, 0]), (x.shape[-1], size[1], m[1, 2], m[1, 1])):
        ends = sorted((start, start + step * (length - 1)))
        inside = antialias and ends[0] - abs(step) / 2 >= -0.5 - 1e-6 and ends[1] + abs(step) / 2 <= n - 0.5 + 1e-6
        width = min(max(1, abs(step)), n) if antialias else 1
        parts.append(resampled(n, length, start, step, width, mode, inside))
    (rows, above), (cols, beside) = parts
    return rows @ x @ cols.T + fill * (1 - np.outer(1 - above, 1 - beside))


def bilinear(x, places, mode, fill):
    """At places (2, ho, wo), pixel by pixel."""
    y = np.zeros((*x.shape[:-2], *places.shape[1:]))
    for i, j in np.ndindex(*places.shape[1:]):
        (rows, above), (cols, beside) = [
            triangle(p, 1, n, mode, False) for p, n in zip(places[:, i, j], x.shape[-2:], strict=True)]
        y[..., i, j] = rows @ x @ cols + fill * (1 - (1 - above) * (1 - beside))
    return y


def warp_numpy(x, places, size=None, mode="constant", fill=0.0, antialias=False):
    """The definition, in float64; bytes are rounded."""
    found = []
    if x.dtype == np.uint8:
        fill = np.floor(fill + 0.5)
    for k, picture in enumerate(x.astype(np.float64)):
        m = places if places.shape == (2, 3) else places[min(k, len(places) - 1)]
        if m.ndim == 3:
            found.append(bilinear(picture, m, mode, fill))
            continue
        extent = x.shape[-2:] if size is None else size
        then, centre, bend = None, 0.0, 0.0
        if m.ndim == 1:
            last, first, centre, bend = m[:6].reshape(2, 3), m[6:12].reshape(2, 3), m[12:14, None, None], m[14]
            m = last @ np.vstack([first, [0, 0, 1]])
            then = last if bend else None
        if m[0, 1] == m[1, 0] == 0 and then is None:
            found.append(scaled(picture, m, extent, mode, fill, antialias))
            continue
        over, along = np.hypot(*m[0, :2]), np.hypot(*m[1, :2])
        if antialias and max(over, along) > 1.5:
            rows, _ = resampled(x.shape[-2], x.shape[-2], 0, 1, max(over, 1), mode, True)
            cols, _ = resampled(x.shape[-1], x.shape[-1], 0, 1, max(along, 1), mode, True)
            picture = rows @ picture @ cols.T
        grid = np.stack([*np.meshgrid(*map(np.arange, extent), indexing="ij"), np.ones(extent)])
        points = np.tensordot(m if then is None else first, grid, 1)
        if then is not None:
            points = points + (points - centre) * bend * ((points - centre) ** 2).sum(0)
            points = np.tensordot(then[:, :2], points, 1) + then[:, 2, None, None]
        found.append(bilinear(picture, points, mode, fill))
    extent = places.shape[-2:] if places.ndim == 4 else x.shape[-2:] if size is None else size
    y = np.array(found).reshape(*x.shape[:-2], *extent)
    return (np.floor(y + 0.5) if x.dtype == np.uint8 else y).astype(x.dtype)


def warp(x, places, size=None, mode="constant", fill=0.0, antialias=False):
    return warped(x, map_of(places, size, x.shape, mode, fill, antialias))


def matrix_of(places, shape, **settings):
    """The warp of pictures of a shape as a matrix: column by column."""
    basis = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return np.stack([warp_numpy(e, places, **settings).ravel() for e in basis], axis=1)


def sample(id, shape, places, **settings):
    return Sample("warp", lambda x: warp(x, places, **settings), lambda x: warp_numpy(x, places, **settings),
                  lambda rng, dtype: (rng.uniform(0, 1, shape).astype(dtype),), id=id)


def transposed(id, shape, places, **settings):
    """Spread is reached as the gradient of a warp."""
    y_shape = warp_numpy(np.zeros(shape), places, **settings).shape

    def function(g):
        x = fa.zeros(shape, dtype=g.dtype, requires_grad=True)
        return fa.autograd.grad(warp(x, places, **settings), x, grad_outputs=[g], create_graph=True)[0]

    return Sample("spread", function,
                  lambda g: (matrix_of(places, shape, **settings).T @ g.ravel()).reshape(shape).astype(g.dtype),
                  lambda rng, dtype: (rng.uniform(-1, 1, y_shape).astype(dtype),), id=id)


SAMPLES = [
    sample("turned", (2, 2, 4, 5), TURN, size=(3, 4), fill=0.5),
    sample("turned-edge", (2, 1, 4, 3), TURN, mode="edge"),
    sample("turned-reflect", (2, 1, 4, 3), TURN, mode="reflect"),
    sample("zoomed", (2, 1, 4, 5), ZOOM, size=(5, 4), fill=0.25),
    sample("zoomed-edge", (2, 1, 4, 5), ZOOM, mode="edge"),
    sample("zoomed-reflect", (2, 1, 4, 5), ZOOM, mode="reflect", antialias=True),
    sample("flipped", (1, 2, 3, 4), FLIP),
    sample("flipped-reflect", (1, 2, 3, 4), FLIP, size=(5, 6), mode="reflect"),
    sample("shrunk", (2, 1, 6, 6), SHRINK, size=(3, 4), antialias=True),
    sample("shrunk-aliased", (2, 1, 6, 6), SHRINK, size=(3, 4)),
    sample("filtered", (1, 2, 6, 7), FAR, size=(3, 3), mode="edge", antialias=True),
    sample("field", (2, 1, 4, 4), FIELD, fill=-0.5),
    sample("field-reflect", (2, 1, 4, 1), FIELD, mode="reflect"),
    sample("lens", (2, 2, 5, 6), LENS, size=(4, 5), fill=0.5),
    sample("lens-filtered", (1, 1, 6, 7), FAR_LENS, size=(3, 3), mode="edge", antialias=True),
    sample("no-pictures", (0, 1, 3, 3), FLIP),
    sample("no-result", (1, 1, 3, 3), TURN[0], size=(0, 3)),
    transposed("turned", (2, 1, 4, 3), TURN, size=(3, 2), mode="edge"),
    transposed("shrunk", (1, 2, 4, 4), SHRINK, size=(2, 3), antialias=True),
    transposed("filtered", (1, 1, 5, 4), FAR, size=(3, 3), antialias=True),
    transposed("lens", (2, 1, 4, 3), LENS, size=(3, 3), mode="edge"),
    transposed("field", (2, 1, 3, 4), FIELD, mode="reflect"),
]
