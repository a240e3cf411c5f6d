"""Level 4: the loss functions.

One primitive stands here, cross-entropy from class indices: as one loss a row, and as their mean in one node,
which is what a training step asks for.  The other losses are composed, here and in fastad/nn, with `pair`, `reduced`
and the checks.  Every target is checked before a kernel reads memory.  Next: optimizer.pyx.
"""
cimport cython
from libc.stdint cimport int64_t

import numpy as np

from ..arrays cimport GIL_SIZE, cast, contiguous, fill
from ..kernels cimport FUNCTION, K, fad_line, share_rows
from ..storage cimport Array, Layout, dense, empty, scalar, to_ndarray
from ..tape cimport INTERMEDIATE, Node, Primitive, Walk, deliver, grad_enabled, receive, save
from ..tensor cimport Tensor, as_tensor, ndarray, produced, record1, result_from, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport F32, I64, compiled
from .elementwise cimport elementwise2
from .softmax cimport SOFTMAX


# ---- cross-entropy from class indices ----------------------------------------------------------------
cdef struct Rows:
    int code, adds
    Py_ssize_t n


cdef void loss_part(const void* work, Py_ssize_t rows, const fad_line* lines) noexcept nogil:
    cdef const Rows* q = <const Rows*> work
    K.xent[q.code](rows, q.n, lines[0].at, <const int64_t*> lines[1].at, lines[2].at, lines[3].at)


cdef void back_part(const void* work, Py_ssize_t rows, const fad_line* lines) noexcept nogil:
    cdef const Rows* q = <const Rows*> work
    K.xent_back[q.code](rows, q.n, lines[0].at, <const int64_t*> lines[1].at, lines[2].at, lines[3].at, lines[4].at, q.adds)


cdef void of_rows(fad_line* lines, Py_ssize_t n, Py_ssize_t item, Array x, Array target, Array kept, Array one) noexcept:
    """What both ways have: rows of n numbers, a target and two numbers that are kept for each, and a loss or its cotangent."""
    lines[0].at, lines[0].step = x.data, n * item
    lines[1].at, lines[1].step = target.data, sizeof(int64_t)
    lines[2].at, lines[2].step = kept.data, 2 * item
    lines[3].at, lines[3].step = one.data, item


@cython.final
cdef class CrossEntropy(Primitive):
    """loss_i = log sum exp(x_i) - x_i[t_i], or the mean of it; dx_i = g_i (softmax(x_i) - onehot(t_i)).

    The node's argument is a private, checked copy of the targets: nobody can change it."""
    cdef bint mean

    def __cinit__(self, bint mean):
        self.name = "cross_entropy_mean" if mean else "cross_entropy"
        self.mean = mean
        self.raw = True

    cdef Tensor apply(self, Tensor x, Array target):
        """x (..., classes), float32 or float64; target dense int64 of as many entries as there are rows."""
        cdef Array xa = x.arr                  # held, while the GIL may be released
        cdef Layout layout = xa.layout
        cdef int code = layout.code
        cdef Py_ssize_t n = layout.shape[layout.ndim - 1], rows = target.layout.size, i
        cdef Array src = contiguous(xa), kept, losses, out
        cdef Py_ssize_t pairs = 2 * rows
        cdef Node node
        cdef double total = 0
        cdef Rows q
        cdef fad_line lines[4]
        q.code, q.n, q.adds = code, n, False
        kept = empty(dense(code, 1, &pairs))
        losses = empty(dense(code, layout.ndim - 1, layout.shape))
        if 0 < layout.size < GIL_SIZE:
            K.xent[code](rows, n, src.data, <const int64_t*> target.data, kept.data, losses.data)
        elif layout.size:
            of_rows(lines, n, layout.itemsize, src, target, kept, losses)
            with nogil:
                share_rows(loss_part, &q, rows, <double> FUNCTION * n, 4, lines)
        else:
            fill(losses, 0)               # no classes: every target was ignored
        if not self.mean:
            out = losses
        else:
            for i in range(rows):
                total += (<float*> losses.data)[i] if code == F32 else (<double*> losses.data)[i]
            out = scalar(code, total / rows if rows else float("nan"))
        if x.node is None or not grad_enabled():
            return wrap(out)
        unchanged(self.name, x, xa)
        node = record1(self, x, target)
        save(node, xa, 0)
        save(node, kept, INTERMEDIATE)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Array x = contiguous(node.s0), kept = node.s1, target = <Array> node.args, out
        cdef Layout layout = x.layout
        cdef int code = layout.code
        cdef Py_ssize_t n = layout.shape[layout.ndim - 1], rows = target.layout.size
        cdef double part
        cdef bint adds
        cdef Rows q
        cdef fad_line lines[5]
        if self.mean:
            part = (<float*> g.data)[0] if code == F32 else (<double*> g.data)[0]
            g = empty(dense(code, layout.ndim - 1, layout.shape))
            fill(g, part / rows if rows else 0)
        else:
            g = contiguous(g)
        out = receive(walk, node, 0, layout, &adds)
        if 0 < layout.size < GIL_SIZE:
            K.xent_back[code](rows, n, x.data, <const int64_t*> target.data, kept.data, g.data, out.data, adds)
        elif layout.size:
            q.code, q.n, q.adds = code, n, adds
            of_rows(lines, n, layout.itemsize, x, target, kept, g)
            lines[4].at, lines[4].step = out.data, n * layout.itemsize
            with nogil:
                share_rows(back_part, &q, rows, <double> FUNCTION * n, 5, lines)
        return deliver(walk, node, 0, out)

    cdef dict statics_of(self, Node node):
        return {"target": to_ndarray(<Array?> node.args)}

    def vjp(self, Node node not None, saved, g):
        p = self.slope(node, saved[0])
        if not self.mean:
            return (FUNCTIONS["reshape"](g, g.shape + (1,)) * p,)
        return (FUNCTIONS["reshape"](g, g.shape + (1,) * p.ndim) * p,)

    def jvp(self, Node node not None, saved, tangents):
        p = self.slope(node, saved[0])
        return FUNCTIONS["sum"](tangents[0] * p, axis=tuple(range(-p.ndim, 0)) if self.mean else -1)

    cdef object slope(self, Node node, Tensor x):
        """softmax(x) - onehot, and for the mean that divided by the rows"""
        if not isinstance(node.args, Array):
            raise TypeError(f"{self.name}: the rule reads a node that the operation recorded, got {node}")
        target = to_ndarray(<Array> node.args).ravel()
        onehot = np.zeros((target.size, x.shape[x.ndim - 1]), dtype=x.dtype)
        onehot[np.arange(target.size), target] = 1
        p = SOFTMAX.apply(x) - result_from(onehot.reshape(x.shape))
        return p * (1 / max(target.size, 1)) if self.mean else p


cdef CrossEntropy CROSS_ENTROPY = CrossEntropy(False), CROSS_ENTROPY_MEAN = CrossEntropy(True)

PRIMITIVES = {"cross_entropy": CROSS_ENTROPY, "cross_entropy_mean": CROSS_ENTROPY_MEAN}


cdef Array plain_targets(Array target, Py_ssize_t classes):
    """A private copy of int64 targets of one axis if every one is a class, else None."""
    cdef Py_ssize_t i, n = target.layout.shape[0], step = target.layout.strides[0]
    cdef Array out = empty(dense(I64, 1, &n))
    cdef int64_t t
    for i in range(n):
        t = (<int64_t*> (target.data + i * step))[0]
        if t < 0 or t >= classes:
            return None
        (<int64_t*> out.data)[i] = t
    return out


def cross_entropy(input, target, weight=None, ignore_index=-100, str reduction="mean", double label_smoothing=0.0, *,
                  sample_weight=None):
    """The cross-entropy -log softmax(input)[target] from logits, without overflow.

    Parameters
    ----------
    input : Tensor, float
        Logits: (C,), (N, C) or (N, C, d1, ...) for C classes.
    target : Tensor or array_like
        Class indices, integers of the shape of `input` without its class axis; or class probabilities, floats of
        the shape of `input`, each in [0, 1].
    weight : array_like, optional
        A weight for each class, (C,).  The mean over class indices divides by the sum of the weights met.
    ignore_index : int
        Samples with this target count nothing.
    reduction : 'mean', 'sum' or 'none'
    label_smoothing : float in [0, 1]
        This part of the target is spread evenly over the classes.
    sample_weight : array_like, optional
        A weight for each sample, numbers >= 0 of the losses' shape or its leading axes.  It multiplies the losses, and the
        mean divides by what the weights add up to (over class indices: by the sum of sample weight times class weight),
        so that a sample of weight 2 counts as if it were there twice.

    Returns
    -------
    Tensor of the input's dtype: 0-d, or one loss a sample for 'none'.

    Raises
    ------
    ValueError
        If a target is not a class (or not a probability), shapes do not fit, or a sample weight is negative.
    TypeError
        If the input is not float, or the target neither integers nor probabilities.

    Notes
    -----
    The derivative in the logits is softmax(input) - onehot(target), over N for the mean.

    Examples
    --------
    >>> import fastad
    >>> fastad.cross_entropy(fastad.tensor([[0.0, 0.0]]), fastad.tensor([1])).item()
    0.6931471805599453
    """
    cdef Tensor x, t
    cdef Layout lx, lt
    cdef Array plain
    if isinstance(input, Tensor) and isinstance(target, Tensor) and weight is None and label_smoothing == 0 \
            and reduction == "mean" and sample_weight is None:
        x, t = <Tensor> input, <Tensor> target
        lx, lt = x.arr.layout, t.arr.layout
        if lx.ndim == 2 and lt.ndim == 1 and compiled(lx.code) and lt.code == I64 and lt.shape[0] == lx.shape[0]:
            plain = plain_targets(t.arr, lx.shape[1])
            if plain is not None:
                return CROSS_ENTROPY_MEAN.apply(x, plain)
    return general_cross_entropy(as_tensor(input), as_tensor(target), weight, ignore_index, reduction, label_smoothing,
                                 sample_weight)


cdef object general_cross_entropy(Tensor x, Tensor target, object weight, object ignore_index, str reduction,
                                  double smoothing, object samples):
    check_reduction("cross_entropy", reduction)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {smoothing}")
    cdef int axis = class_axis("cross_entropy", x), classes = x.shape[axis]
    cdef object w = class_weights("cross_entropy", weight, x)
    if target.shape == x.shape:
        return soft_cross_entropy(x, target, w, reduction, smoothing, samples)
    indices, valid = class_targets("cross_entropy", x, target, ignore_index)
    if compiled(x.arr.layout.code) and smoothing == 0:
        if axis != x.ndim - 1:
            x = FUNCTIONS["moveaxis"](x, axis, -1)
        losses = CROSS_ENTROPY.apply(x, (<Tensor> result_from(indices)).arr)
        return weighted("cross_entropy", losses, indices, valid, w, reduction, samples)
    logp = FUNCTIONS["log_softmax"](x, axis)
    hard = weighted("cross_entropy", pick(logp, indices, axis), indices, valid, w, reduction, samples)
    if smoothing == 0:
        return hard
    if w is not None:
        logp = logp * np.reshape(w, (-1,) + (1,) * (x.ndim - axis - 1))
    spread = -FUNCTIONS["sum"](logp, axis=axis)
    if valid is not None:
        spread = FUNCTIONS["where"](valid, spread, 0.0)
    spread = reduced("cross_entropy", spread, reduction, samples, counts(indices, valid, w))
    return hard * (1 - smoothing) + spread * (smoothing / classes)


cdef object soft_cross_entropy(Tensor x, Tensor target, object w, str reduction, double smoothing, object samples):
    """Targets that are probabilities: -sum over the classes of target * log softmax(input)."""
    cdef int axis = class_axis("cross_entropy", x), classes = x.shape[axis]
    if target.dtype.kind != "f":
        raise TypeError(f"cross_entropy: target has the shape of input, {x.shape}, so it must hold class probabilities "
                        f"(floats), but its dtype is {target.dtype}; class indices have shape "
                        f"{x.shape[:axis] + x.shape[axis + 1:]}")
    check_probabilities("cross_entropy", "target", target)
    soft = like_input("cross_entropy", target, x)
    if smoothing:
        soft = soft * (1 - smoothing) + smoothing / classes
    if w is not None:
        soft = soft * np.reshape(w, (-1,) + (1,) * (x.ndim - axis - 1))
    losses = -FUNCTIONS["sum"](FUNCTIONS["log_softmax"](x, axis) * soft, axis=axis)
    return reduced("cross_entropy", losses, reduction, samples)


def nll_loss(input, target, weight=None, ignore_index=-100, str reduction="mean", *, sample_weight=None):
    """-input[target]: the loss of log-probabilities, shapes, weights and errors as in `cross_entropy`.

    Examples
    --------
    >>> import fastad
    >>> fastad.nll_loss(fastad.tensor([[-0.5, -1.0]]), fastad.tensor([1])).item()
    1.0
    """
    cdef Tensor x = as_tensor(input)
    check_reduction("nll_loss", reduction)
    axis = class_axis("nll_loss", x)
    w = class_weights("nll_loss", weight, x)
    indices, valid = class_targets("nll_loss", x, as_tensor(target), ignore_index)
    return weighted("nll_loss", pick(x, indices, axis), indices, valid, w, reduction, sample_weight)


cdef int class_axis(str name, Tensor x) except -1:
    if x.arr.layout.dtype.kind != "f":
        raise TypeError(f"{name}: input must be a float tensor, its dtype is {x.arr.layout.dtype}; use astype")
    if x.arr.layout.ndim == 0:
        raise ValueError(f"{name}: input must have shape (C,), (N, C) or (N, C, ...), got ()")
    return 0 if x.arr.layout.ndim == 1 else 1


cpdef object class_weights(str name, object weight, Tensor x):
    """One constant weight a class, as an array of the input's dtype; or None."""
    if weight is None:
        return None
    cdef Tensor w = as_tensor(weight)
    cdef Py_ssize_t classes = x.arr.layout.shape[class_axis(name, x)]
    if w.shape != (classes,):
        raise ValueError(f"{name}: weight must have shape ({classes},), one weight a class, got {w.shape}")
    if w.node is not None:
        raise TypeError(f"{name}: weight is a constant, it has no derivative; pass weight.detach()")
    return ndarray(w).astype(x.arr.layout.dtype)


cpdef tuple class_targets(str name, Tensor x, Tensor target, object ignore_index):
    """Class indices, checked: a dense int64 array with 0 where the target is ignored, and the mask of the
    others (None if nothing is ignored)."""
    cdef int axis = class_axis(name, x)
    cdef Py_ssize_t classes = x.arr.layout.shape[axis]
    expected = x.shape[:axis] + x.shape[axis + 1:]
    if target.shape != expected:
        raise ValueError(f"{name}: target must have shape {expected} (class indices) for an input of shape {x.shape}, got "
                         f"{target.shape}")
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: target of shape {target.shape} must hold class indices (integers), its dtype is "
                        f"{target.dtype}")
    t = np.array(ndarray(target))         # of its own: another thread may write the caller's between check and use
    valid = np.ones(t.shape, bool) if ignore_index is None else t != ignore_index
    bad = valid & ((t < 0) | (t >= classes))
    if bad.any():
        where = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise ValueError(f"{name}: target{[int(i) for i in where] or ''} is {t[where]}, but input has {classes} classes: a "
                         f"target must be in 0..{classes - 1}"
                         + ("" if ignore_index is None else f", or ignore_index={ignore_index}"))
    every = bool(valid.all())
    return np.where(valid, t, 0).astype(np.int64, order="C"), None if every else valid


cdef object pick(Tensor x, object indices, int axis):
    """-x at the target along the class axis; the gradient is dense, so a mask costs no more than indexing."""
    classes = np.arange(x.arr.layout.shape[axis]).reshape((-1,) + (1,) * (x.arr.layout.ndim - axis - 1))
    return -FUNCTIONS["sum"](FUNCTIONS["where"](np.expand_dims(indices, axis) == classes, x, 0.0), axis=axis)


cdef object counts(object indices, object valid, object w):
    """What each sample counts in a mean over class indices; None if all count the same."""
    if w is None:
        return None if valid is None else valid.astype(np.float64)
    return w[indices] if valid is None else np.where(valid, w[indices], 0)


cdef object weighted(str name, object losses, object indices, object valid, object w, str reduction, object samples):
    """Weights, ignored samples and the reduction, around one loss a sample."""
    if valid is not None:
        losses = FUNCTIONS["where"](valid, losses, 0.0)
    if w is not None:
        losses = losses * w[indices]
    return reduced(name, losses, reduction, samples, counts(indices, valid, w))


# ---- losses of numbers and of probabilities ----------------------------------------------------------
cpdef int check_reduction(str name, str reduction) except -1:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    return 0


cpdef object reduced(str name, object losses, str reduction, object sample_weight=None, object counted=None):
    """The losses times the weights of their samples, and of that the sum, or the mean.

    The mean divides by the sum of what the losses count: their samples' weights (1 if there are none) times `counted`, an
    array of the losses' shape."""
    if sample_weight is not None:
        from .weighing import weighed
        return weighed(name, losses, reduction, sample_weight, counted)
    if reduction == "none":
        return losses
    if counted is None or reduction == "sum":
        return FUNCTIONS[reduction](losses)
    return FUNCTIONS["sum"](losses) / float(np.sum(counted, dtype=np.float64))


cdef Tensor like_input(str name, Tensor target, Tensor x):
    """Targets in the input's dtype; integers become floats, another float dtype is a mistake."""
    cdef object dtype = x.arr.layout.dtype
    if target.arr.layout.dtype == dtype:
        return target
    if target.arr.layout.dtype.kind in "biu":
        return wrap(cast(target.arr, dtype))
    raise TypeError(f"{name}: input is {dtype} and target {target.arr.layout.dtype}; convert one with astype")


cpdef tuple pair(str name, object input, object target):
    """Input and target of one shape and dtype, as Tensors."""
    cdef Tensor x = as_tensor(input), t
    if x.arr.layout.dtype.kind != "f":
        raise TypeError(f"{name}: input must be a float tensor, its dtype is {x.arr.layout.dtype}; use astype")
    if isinstance(target, (float, int, list, tuple)):
        t = wrap(cast(as_tensor(target).arr, x.arr.layout.dtype))
    else:
        t = like_input(name, as_tensor(target), x)
    if t.shape != x.shape:
        raise ValueError(f"{name}: target must have the shape of input, {x.shape}, got {t.shape}; reshape one of them")
    return x, t


cpdef int check_probabilities(str name, str argument, Tensor t) except -1:
    """Every entry is in [0, 1]; a NaN is not."""
    a = ndarray(t)
    inside = (a >= 0) & (a <= 1)
    if not inside.all():
        where = np.unravel_index(int(np.argmin(inside)), a.shape)
        raise ValueError(f"{name}: {argument}{[int(i) for i in where] or ''} is {a[where]}, which is not a probability: every "
                         f"entry must be in [0, 1]")
    return 0


def mse_loss(input, target, str reduction="mean", *, sample_weight=None):
    """(input - target)^2, and its mean or sum; both of one shape and dtype; `sample_weight` as in `cross_entropy`.

    Raises ValueError if the shapes differ (they do not broadcast), TypeError if the dtypes do.

    Examples
    --------
    >>> import fastad
    >>> fastad.mse_loss(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    2.0
    """
    check_reduction("mse_loss", reduction)
    x, t = pair("mse_loss", input, target)
    return reduced("mse_loss", FUNCTIONS["square"](x - t), reduction, sample_weight)


def l1_loss(input, target, str reduction="mean", *, sample_weight=None):
    """abs(input - target), and its mean or sum; arguments and errors as `mse_loss`.

    Examples
    --------
    >>> import fastad
    >>> fastad.l1_loss(fastad.tensor([1.0, 2.0]), fastad.tensor([1.0, 4.0])).item()
    1.0
    """
    check_reduction("l1_loss", reduction)
    x, t = pair("l1_loss", input, target)
    return reduced("l1_loss", FUNCTIONS["abs"](x - t), reduction, sample_weight)


def binary_cross_entropy(input, target, weight=None, str reduction="mean", *, sample_weight=None):
    """-(target log(input) + (1 - target) log(1 - input)) of probabilities; a logarithm counts at least -100.

    Parameters
    ----------
    input, target : Tensor or array_like
        Probabilities of one shape, each in [0, 1].
    weight : array_like, optional
        Multiplies the losses, broadcast to their shape; the mean divides by their number all the same.
    reduction : 'mean', 'sum' or 'none'
    sample_weight : array_like, optional
        As in `cross_entropy`: the mean divides by its sum.

    Raises
    ------
    ValueError
        If an entry is not a probability, or the shapes differ.
    TypeError
        If the dtypes differ.

    Notes
    -----
    The derivative of the mean of n losses in input a at target y is (a - y) / (n a (1 - a)).

    Examples
    --------
    >>> import fastad
    >>> fastad.binary_cross_entropy(fastad.tensor([0.5]), fastad.tensor([1.0])).item()
    0.6931471805599453
    """
    check_reduction("binary_cross_entropy", reduction)
    x, t = pair("binary_cross_entropy", input, target)
    check_probabilities("binary_cross_entropy", "input", x)
    check_probabilities("binary_cross_entropy", "target", t)
    losses = times("binary_cross_entropy", elementwise2("bce", x, t), weight)
    return reduced("binary_cross_entropy", losses, reduction, sample_weight)


def binary_cross_entropy_with_logits(input, target, weight=None, str reduction="mean", pos_weight=None, *,
                                     sample_weight=None):
    """`binary_cross_entropy` of sigmoid(input), from the logits themselves: nothing overflows.

    Parameters
    ----------
    input : Tensor or array_like
        Logits.
    target : Tensor or array_like
        Probabilities of the shape of `input`, each in [0, 1].
    weight : array_like, optional
        Multiplies the losses, broadcast to their shape; the mean divides by their number all the same.
    reduction : 'mean', 'sum' or 'none'
    pos_weight : array_like, optional
        Multiplies the part of the loss that comes from target, broadcast to its shape.
    sample_weight : array_like, optional
        As in `cross_entropy`.

    Raises
    ------
    ValueError
        If a target is not a probability, or the shapes differ.
    TypeError
        If the dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.binary_cross_entropy_with_logits(fastad.tensor([1e4]), fastad.tensor([0.0])).item()
    10000.0
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    x, t = pair(name, input, target)
    check_probabilities(name, "target", t)
    if pos_weight is None:
        losses = elementwise2("bce_with_logits", x, t)
    else:
        extra = as_tensor(pos_weight) - 1
        losses = (1 - t) * x + times(name, FUNCTIONS["softplus"](-x), t * extra + 1)
    return reduced(name, times(name, losses, weight), reduction, sample_weight)


cdef object times(str name, object losses, object weight):
    """Weighted losses; a weight must not stretch them."""
    if weight is None:
        return losses
    product = losses * weight
    if product.shape != losses.shape:
        raise ValueError(f"{name}: a weight of shape {np.shape(weight)} does not broadcast to the losses' shape {losses.shape}")
    return FUNCTIONS["astype"](product, losses.dtype) if product.dtype != losses.dtype else product


for _f in (cross_entropy, nll_loss, mse_loss, l1_loss, binary_cross_entropy, binary_cross_entropy_with_logits):
    register(_f.__name__, _f)
