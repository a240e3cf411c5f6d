"""Level 4: rearrangements composed of views, joins and indexing, so they need no rules: roll, tile, repeat, pad,
tril, triu, take, take_along_axis.

Imports the families below through the table of functions.  Next: reduction.pyx.
"""
import math
import operator

import numpy as np

from ..make import as_tensors as _as_tensors
from ..make import from_numpy
from ..tensor import FUNCTIONS, Tensor, checked, register
from .part import placed
from .shape import axis_of


def as_tensor(x):
    return x if isinstance(x, Tensor) else _as_tensors(x)[0]


def whole(name, what, x):
    """Integers as an array; none, which NumPy takes for floats, are integers too."""
    x = checked(name, x)
    if x.dtype.kind not in "iub" and x.size:
        raise TypeError(f"{name}: {what} must be integers, got {x.dtype}")
    return x.astype(np.intp) if x.dtype.kind not in "iub" else x


def roll(a, shift, axis=None):
    """`a` with its elements moved on by `shift`, those that leave the end entering at the front.

    Parameters
    ----------
    shift : int or tuple of int
    axis : int, tuple of int, or None
        None rolls the flattened array.  A single shift serves several axes.

    Raises
    ------
    ValueError
        If shifts and axes differ in number.

    Examples
    --------
    >>> import fastad
    >>> fastad.roll(fastad.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    a = as_tensor(a)
    if axis is None:
        return roll(a.ravel(), shift, 0).reshape(a.shape)
    moves = np.broadcast(whole("roll", "shift", shift), np.asarray(axis))
    if moves.ndim > 1:
        raise ValueError(f"roll: shift {shift} and axis {axis} must be integers or tuples of them")
    y = a.copy()
    for s, k in moves:
        k = axis_of("roll", k, a.ndim)
        n = a.shape[k]
        if n and s % n:
            head, tail = FUNCTIONS["split"](y, [n - int(s) % n], k)
            y = FUNCTIONS["concatenate"]([tail, head], k)
    return y


def tile(A, reps):
    """`A` repeated as a whole: ``reps[i]`` times along axis i.

    The gradient is the sum over the repetitions.

    Raises
    ------
    ValueError
        If a number of repetitions is negative.

    Examples
    --------
    >>> import fastad
    >>> fastad.tile(fastad.tensor([1, 2]), 2)
    tensor([1, 2, 1, 2])
    """
    A = as_tensor(A)
    reps = tuple(int(r) for r in np.atleast_1d(whole("tile", "reps", reps)))
    if any(r < 0 for r in reps):
        raise ValueError(f"tile: repetitions must not be negative, got {reps}")
    ndim = max(len(reps), A.ndim)
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - A.ndim) + A.shape
    steps = [(r, n) for r, n in zip(reps, shape, strict=True) if r != 1 or n != 1]       # or 64 axes would become 128
    spaced = A.reshape([m for _, n in steps for m in (1, n)])
    wide = FUNCTIONS["broadcast_to"](spaced, [m for step in steps for m in step])
    return wide.reshape([r * n for r, n in zip(reps, shape, strict=False)], copy=True)


def repeat(a, repeats, axis=None):
    """Every element repeated, along an axis or (None) of the flattened array.

    The gradient of an element is the sum over its copies.

    Parameters
    ----------
    repeats : int or array of int
        One number for all, or one for each index of the axis.

    Raises
    ------
    ValueError
        If the number of repeats is not 1 or the length of the axis, or one is negative.
    TypeError
        If they are not integers.

    Examples
    --------
    >>> import fastad
    >>> fastad.repeat(fastad.tensor([1, 2]), [1, 3])
    tensor([1, 2, 2, 2])
    """
    a = as_tensor(a)
    if axis is None:
        a, axis = a.ravel(), 0
    k = axis_of("repeat", axis, a.ndim)
    shape, counts = a.shape, whole("repeat", "repeats", repeats)
    if counts.ndim > 1 or counts.size not in (1, shape[k]):
        raise ValueError(f"repeat: repeats has shape {counts.shape}; axis {k} of shape {shape} needs one number or "
                         f"{shape[k]}")
    if counts.size and counts.min() < 0:
        raise ValueError(f"repeat: repeats must not be negative, got {counts.min()}")
    if counts.size == 1:
        r = int(counts.reshape(()))
        outer, inner = math.prod(shape[:k]), math.prod(shape[k + 1:])
        wide = FUNCTIONS["broadcast_to"](a.reshape((outer, shape[k], 1, inner)), (outer, shape[k], r, inner))
        return wide.reshape((*shape[:k], shape[k] * r, *shape[k + 1:]), copy=True)
    check_length("repeat", shape, k, int(counts.sum(dtype=object)))
    return picked(a, k, np.repeat(np.arange(shape[k]), counts))


def check_length(name, shape, axis, n):
    """NumPy counts in 64 bits without looking."""
    wide = (*shape[:axis], n, *shape[axis + 1:])
    if math.prod(max(m, 1) for m in wide) >= 2**60:
        raise ValueError(f"{name}: array is too big: its elements would take more than 2**63 - 1 bytes, shape {wide}")


def picked(a, axis, index):
    """a[..., index, ...] along one axis."""
    return a[(slice(None),) * axis + (index,)]


def pad(array, pad_width, mode="constant", *, constant_values=0):
    """`array` with borders added to its axes.

    Parameters
    ----------
    pad_width : int, (before, after), or one such pair an axis; or a dict from axis to width
    mode : {'constant', 'edge', 'reflect', 'symmetric', 'wrap'}
        As in NumPy.  A border of constants has no gradient; the others add to the elements they repeat.
    constant_values : number, or as `pad_width`

    Raises
    ------
    ValueError
        If a width is negative, or the mode is another.
    TypeError
        If the widths are not integers.

    Examples
    --------
    >>> import fastad
    >>> fastad.pad(fastad.tensor([1, 2]), (1, 2))
    tensor([0, 1, 2, 0, 0])
    """
    array = as_tensor(array)
    shape, ndim = array.shape, array.ndim
    widths = pair_for_each_axis(pad_width, ndim)
    if mode == "constant":
        background = None
        if np.any(np.asarray(constant_values)):
            background = from_numpy(np.pad(np.zeros(shape, array.dtype), widths, constant_values=constant_values))
        return placed(array, tuple(n + before + after for n, (before, after) in zip(shape, widths, strict=False)),
                      tuple(before for before, _ in widths), background)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f"pad: mode must be 'constant', 'edge', 'reflect', 'symmetric' or 'wrap', got {mode!r}")
    y = array.copy()
    for k in range(ndim):
        if any(widths[k]):
            check_length("pad", y.shape, k, shape[k] + sum(widths[k]))
            y = picked(y, k, np.pad(np.arange(shape[k]), widths[k], mode=mode))
    return y


def pair_for_each_axis(pad_width, ndim):
    if isinstance(pad_width, dict):
        given = {axis_of("pad", k, ndim): np.broadcast_to(w, 2) for k, w in pad_width.items()}
        pad_width = [given.get(k, (0, 0)) for k in range(ndim)]
    widths = checked("pad", pad_width)
    if widths.dtype.kind not in "iu" and widths.size:
        raise TypeError(f"pad: pad_width must be integers, got {widths.dtype}")
    try:
        widths = np.broadcast_to(widths, (ndim, 2)).tolist()
    except ValueError:
        raise ValueError(f"pad: pad_width of shape {widths.shape} does not broadcast to (ndim, 2) = ({ndim}, 2)") from None
    if any(w < 0 for pair in widths for w in pair):
        raise ValueError(f"pad: widths must not be negative, got {widths}")
    return widths


def tril(m, k=0):
    """`m` with the elements above diagonal k of its last two axes replaced by 0; they receive no gradient.

    Raises ValueError for a 0-d array.

    Examples
    --------
    >>> import fastad
    >>> fastad.tril(fastad.tensor([[1, 2], [3, 4]]))
    tensor([[1, 0],
            [3, 4]])
    """
    m = as_tensor(m)
    return FUNCTIONS["where"](on_or_below("tril", m, k), m, np.zeros((), m.dtype))


def triu(m, k=0):
    """`m` with the elements below diagonal k of its last two axes replaced by 0; they receive no gradient.

    Raises ValueError for a 0-d array.

    Examples
    --------
    >>> import fastad
    >>> fastad.triu(fastad.tensor([[1, 2], [3, 4]]))
    tensor([[1, 2],
            [0, 4]])
    """
    m = as_tensor(m)
    return FUNCTIONS["where"](on_or_below("triu", m, operator.index(k) - 1), np.zeros((), m.dtype), m)


def on_or_below(name, m, k):
    """True on and below diagonal k."""
    if m.ndim == 0:
        raise ValueError(f"{name}: the array must have at least one axis, got shape ()")
    return np.tri(*(m.shape[-2:] if m.ndim > 1 else m.shape * 2), k=operator.index(k), dtype=bool)


def take(a, indices, axis=None, out=None, mode="raise"):
    """Elements by number along an axis (of the flattened array if None), as ``a[..., indices, ...]``.

    mode="wrap" and "clip" bring numbers that are out of bounds inside.  Raises IndexError for those that are out of
    bounds under mode="raise", TypeError for `out` and for numbers that are not integers.

    Examples
    --------
    >>> import fastad
    >>> fastad.take(fastad.tensor([1.0, 2.0, 3.0]), [2, 0])
    tensor([3., 1.])
    """
    a = as_tensor(a)
    if out is not None:
        raise TypeError("take: out= is not supported")
    if axis is None:
        a, axis = FUNCTIONS["reshape"](a, (-1,)), 0
    where = axis_of("take", axis, a.ndim)
    indices = integers("take", indices)
    if indices.size and not a.shape[where]:
        raise IndexError(f"take: axis {where} of shape {a.shape} has no elements to take")
    if mode == "wrap":
        indices = indices % a.shape[where]
    elif mode == "clip":
        indices = np.clip(indices, 0, a.shape[where] - 1)
    elif mode != "raise":
        raise ValueError(f"take: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    return a[(slice(None),) * where + (indices,)]


def take_along_axis(arr, indices, axis=-1):
    """Elements by number along an axis, with other numbers at every place of the other axes:
    ``y[i, j] = arr[i, indices[i, j]]`` for the last axis of a matrix.

    `indices` has as many axes as `arr` and broadcasts with it but for `axis`; None is the flattened array.  Raises
    IndexError for numbers out of bounds, ValueError if the number of axes differs, TypeError if they are no integers.

    Examples
    --------
    >>> import fastad
    >>> fastad.take_along_axis(fastad.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1)
    tensor([[2.],
            [3.]])
    """
    arr = as_tensor(arr)
    if axis is None:
        arr, axis = FUNCTIONS["reshape"](arr, (-1,)), 0
    where = axis_of("take_along_axis", axis, arr.ndim)
    indices = integers("take_along_axis", indices)
    if indices.ndim != arr.ndim:
        raise ValueError(f"take_along_axis: indices of shape {indices.shape} must have as many axes as the array of shape "
                         f"{arr.shape}")
    grid = [np.arange(n).reshape((-1,) + (1,) * (arr.ndim - 1 - i)) for i, n in enumerate(arr.shape)]
    grid[where] = indices
    return arr[tuple(grid)]


def integers(name, indices):
    """Index numbers as an integer array."""
    array = checked(name, indices)
    if array.size == 0 and not isinstance(indices, (np.ndarray, Tensor)):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers, got dtype {array.dtype}")
    return array


for _f in (roll, tile, pad, tril, triu, take_along_axis):
    register(_f.__name__, _f)
for _f in (repeat, take):
    register(_f.__name__, _f, method=True)
