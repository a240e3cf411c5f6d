"""Samples of x[...], scatter, take and take_along_axis."""
import numpy as np

import fastad as fa
from samples import Sample


def normal(shape):
    return lambda rng, dtype: (rng.normal(size=shape).astype(dtype),)


def getitem(id, shape, index, torch=True):
    def theirs(x):
        import torch
        return x[tuple(torch.tensor(i) if isinstance(i, np.ndarray | list) else i for i in index)
                 if isinstance(index, tuple) else torch.tensor(index) if isinstance(index, np.ndarray | list) else index]
    return Sample("getitem", lambda x: x[index], lambda x: np.asarray(x[index]), normal(shape), theirs if torch else None, id=id)


def scatter(id, values, index, shape):
    def reference(x):
        y = np.zeros(shape, x.dtype)
        np.add.at(y, index, x)
        return y
    return Sample("scatter", lambda x: fa.scatter(x, index, shape), reference, normal(values), id=id)


ROWS = np.array([2, 0, 2, -1])
MASK = np.array([[True, False, True, False], [False, False, True, True], [False] * 4])

SAMPLES = [
    getitem("int", (3, 4), 1),
    getitem("negative-int", (3, 4), -1),
    getitem("to-scalar", (3,), 2),
    getitem("ints", (3, 4), (1, -2)),
    getitem("numpy-int", (3, 4), np.int64(2)),
    getitem("slice", (5,), slice(1, 4)),
    getitem("step", (7, 3), slice(5, 0, -2), torch=False),
    getitem("slices", (4, 5, 6), (slice(1, 3), slice(None), slice(None, None, 2))),
    getitem("empty-slice", (4, 3), slice(2, 2)),
    getitem("int-and-slice", (4, 5), (slice(None), 2)),
    getitem("newaxis", (3, 4), (None, slice(None), None, 1)),
    getitem("ellipsis", (2, 3, 4), (Ellipsis, 1)),
    getitem("ellipsis-middle", (2, 3, 4), (1, Ellipsis, slice(0, 2))),
    getitem("ellipsis-alone", (), Ellipsis),
    getitem("nothing", (2, 3), ()),
    getitem("rows", (3, 4), ROWS),
    getitem("elements", (3,), ROWS),
    getitem("rows-2d", (3, 4), np.array([[0, 2], [2, 1]])),
    getitem("list", (3, 4), [0, 2]),
    getitem("no-rows", (3, 4), np.zeros(0, int)),
    getitem("pairs", (3, 4), (ROWS, np.array([1, 1, 1, 0]))),
    getitem("columns", (3, 4), (slice(None), ROWS)),
    getitem("array-and-int", (3, 4, 5), (slice(None), ROWS, 2)),
    getitem("separated", (3, 4, 5), (ROWS, slice(None), ROWS)),
    getitem("separated-by-int", (3, 4, 5), (0, slice(None), ROWS), torch=False),
    getitem("separated-by-newaxis", (3, 4, 5), (ROWS, None, ROWS)),
    getitem("separated-by-ellipsis", (3, 4), (ROWS, Ellipsis, ROWS), torch=False),
    getitem("broadcast-indices", (3, 4), (np.array([[0], [2]]), np.array([1, 1, 3]))),
    getitem("array-and-slice-step", (3, 6, 4), (ROWS, slice(None, None, 2))),
    getitem("mask", (3, 4), MASK),
    getitem("mask-first-axis", (3, 4), np.array([True, False, True])),
    getitem("mask-and-slice", (3, 4), (np.array([True, False, True]), slice(1, 3))),
    getitem("mask-and-rows", (3, 4), (np.array([True, False, True]), np.array([3, 0]))),
    getitem("true", (3,), True),
    getitem("false", (3,), (False, slice(1, None)), torch=False),
    Sample("getitem", lambda x: x[0] * x[1] + x[0], lambda x: x[0] * x[1] + x[0], normal((2, 3)), id="several-reads"),
    Sample("getitem", lambda x: fa.take(x, ROWS, axis=1), lambda x: np.take(x, ROWS, axis=1), normal((2, 3)), id="take"),
    Sample("getitem", lambda x: fa.take(x, [[5, 0], [5, 1]]), lambda x: np.take(x, [[5, 0], [5, 1]]), normal((2, 3)),
           id="take-flat"),
    Sample("getitem", lambda x: fa.take_along_axis(x, np.array([[0, 0], [2, 1]]), axis=1),
           lambda x: np.take_along_axis(x, np.array([[0, 0], [2, 1]]), axis=1), normal((2, 3)), id="take-along-axis"),
    scatter("int", (4,), 1, (3, 4)),
    scatter("scalar", (), 1, (3,)),
    scatter("slice", (2, 4), slice(0, 3, 2), (3, 4)),
    scatter("broadcast", (4,), slice(0, 2), (3, 4)),
    scatter("rows", (4, 2), ROWS, (3, 2)),
    scatter("rows-broadcast", (2,), ROWS, (3, 2)),
    scatter("pairs", (4,), (ROWS, ROWS), (3, 3)),
    scatter("separated", (4, 2), (ROWS, slice(None), ROWS), (3, 2, 3)),
    scatter("mask", (4,), MASK, (3, 4)),
]


# ---- rows of a matrix by number, as layers ask for them ------------------------------------------------
def embedded(numbers, padding, by_frequency=False):
    """Sample of nn.functional.embedding; its derivative is not that of the rows where there is padding."""
    from fastad.nn import functional as F
    return Sample("embedding", lambda w: F.embedding(numbers, w, padding, scale_grad_by_freq=by_frequency),
                  lambda w: w[np.asarray(numbers, int)], drawn_rows, id=f"{np.shape(numbers)}")


def drawn_rows(rng, dtype):
    return (rng.uniform(-2, 2, (4, 3)).astype(dtype),)


SAMPLES += [embedded(numbers, None) for numbers in ([0, 2, 2], [[1, 2, 3], [3, 3, 0]], np.zeros((0, 2), int), np.int64(1))]
