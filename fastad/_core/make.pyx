"""Level 3: making tensors, walks asked for from Python, and what the tape borrows from this level.

Imports tensor.  Next: primitives/.
"""
import numpy as np

from cpython.object cimport PyObject

from .arrays cimport add as add_arrays
from .arrays cimport add_into, array_of, cast, copy, fill
from .order cimport reaches_argument, survey
from .storage cimport Array, Layout, dense_as, empty, from_ndarray, root, scalar, shape_of, to_ndarray, wrote
from .tape cimport (
    FROM_OUTPUT, Node, Primitive, Py_REFCNT, elsewhere, grad_enabled, last_serial, lent, nesting, save, switch_recording,
    under_way,
)
from .tensor cimport (
    LeafState, Tensor, any_records, as_tensor, cotangent, differentiated, drop_leaf, make_leaf, operators, produced, record_n,
    result_from, unchanged, wrap,
)
from .tensor import FUNCTIONS
from .types cimport F64
from .walk cimport walk_back, walk_forward


cdef extern from *:
    """
    /* what Tensor.__new__ was before it was closed to Python: see tensor.pyx */
    static PyObject *fad_new(PyObject *base, PyObject *cls, PyObject *args)
    {
        return ((PyTypeObject *)base)->tp_new((PyTypeObject *)cls, args, NULL);
    }
    """
    object fad_new(object base, object cls, tuple args)


def tensor(data, dtype=None, *, bint requires_grad=False):
    """A tensor with a copy of `data`.

    Parameters
    ----------
    data : array_like or Tensor
        Numbers, nested sequences, a NumPy array, or anything NumPy can read.  The copy of a Tensor is a constant.
    dtype : dtype, optional
        Python floats give float64, as in NumPy; arrays keep their dtype.
    requires_grad : bool
        Record the operations on it.

    Raises
    ------
    ValueError
        If nested sequences are ragged.
    TypeError
        If the dtype holds no numbers, or if `data` is a Tensor that `fastad.grad` is differentiating by.

    Examples
    --------
    >>> import fastad
    >>> fastad.tensor([[1, 2], [3, 4]], dtype="float32").shape
    (2, 2)
    """
    cdef Tensor t
    if isinstance(data, Tensor):
        if differentiated(data):
            raise TypeError("tensor: the copy of a tensor that is being differentiated would be a constant; use x.copy(), or "
                            "say x.detach() for a constant")
        t = wrap(copy((<Tensor> data).arr))
        if dtype is not None:
            t = wrap(cast(t.arr, np.dtype(dtype)))
    else:
        t = wrap(array_of(data, dtype))
    if requires_grad:
        make_leaf(t)
    return t


def from_numpy(array):
    """A tensor that shares the memory of a NumPy array.

    Writes through the array, or through another tensor made from it, change the tensor without the tape's knowledge;
    `tensor` copies.  Raises TypeError for
    what is not an array of numbers, ValueError for byte-swapped or unaligned memory.

    Examples
    --------
    >>> import numpy, fastad
    >>> a = numpy.zeros(3)
    >>> t = fastad.from_numpy(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0., 0.])
    """
    return wrap(from_ndarray(array))


def leaf(array, bint share=False):
    """A fresh leaf that requires a gradient, for the functional transforms."""
    cdef Tensor t = wrap(from_ndarray(array) if share else array_of(array, None))
    make_leaf(t)
    return t


def as_tensors(*values):
    """Every value as a Tensor."""
    return [as_tensor(v) for v in values]


def subclass(type cls, data, bint requires_grad):
    """An instance of a Tensor subclass that shares the memory of `data` (a Tensor) or copies it."""
    if not issubclass(cls, Tensor):
        raise TypeError(f"subclass: {cls.__name__} is not a subclass of Tensor")
    if isinstance(data, Tensor) and differentiated(data):
        raise TypeError(f"{cls.__name__}: of a tensor that is being differentiated it would be a constant; use that tensor, or "
                        f"say x.detach() for a constant")
    cdef Tensor t = fad_new(Tensor, cls, ())
    t.arr = (<Tensor> data).arr if isinstance(data, Tensor) else array_of(data, None)
    if requires_grad:
        make_leaf(t)
    return t


def rebind(Tensor t not None, dtype):
    """Give a leaf, and its gradient, another dtype: the object stays, so whoever holds it sees the change."""
    cdef Tensor grad = t.grad
    cdef Node old = t.node
    if not t.is_leaf:
        raise RuntimeError(f"this tensor is the result of {t.node.prim.name}; use astype, which makes a new tensor")
    dtype = np.dtype(dtype)
    if t.arr.layout.dtype == dtype:
        return
    if old is not None and dtype.kind not in "fc":
        raise TypeError(f"a tensor that requires a gradient cannot become {dtype}; only float and complex tensors have derivatives")
    cdef Array arr = cast(t.arr, dtype)
    if grad is not None:
        grad = wrap(cast(grad.arr, dtype))
    if t.leaf is not None and t.leaf.kept is not None:
        t.leaf.kept.freed = True          # a leaf that was switched off
        t.leaf.kept = None
    # from here on no other thread runs: it must see the old leaf or the new one
    t.arr = arr
    if grad is not None:
        t.leaf.grad = grad
    if old is not None:
        drop_leaf(t)
        make_leaf(t)
        t.node.more = old.more            # hooks
        old.freed = True                  # graphs recorded before end here, and are told


def gradients(list outputs, list inputs, list grad_outputs, bint retain_graph, bint create_graph,
              unsigned long long since=0):
    """Adjoints of `inputs` (None where there is none); see `fastad.autograd.grad`.  `since`: see `mark`."""
    cdef Tensor t
    cdef unsigned long long oldest = last_serial
    cdef list roots = [], seeds = [], targets = []
    for t, g in zip(outputs, grad_outputs):
        if t is None or t.node is None:
            raise RuntimeError("grad: an output has no graph; none of its inputs required a gradient")
        g = cotangent(t, g, "grad")
        roots.append((t.node, t.out))
        seeds.append(g if create_graph else (<Tensor> g).arr)
    for t in inputs:
        if t is None or t.node is None:
            raise RuntimeError(f"grad: an input of shape {None if t is None else t.shape} does not require a gradient")
        targets.append((t.node, t.out))
        oldest = min(oldest, t.node.serial)
    since = max(since, oldest - 1)        # nothing older depends on an input; another thread may be walking it
    found = walk_back(roots, seeds, create_graph, retain_graph, 0, targets, since)
    return [found.get(target) for target in targets]


cdef object np_ndarray = np.ndarray, np_generic = np.generic, np_integer = np.integer


cdef Tensor input_of(object value, str what, object k):
    """An argument as a tensor to differentiate by: its own copy, so that nested derivatives keep apart.

    `k` is its number, or the words for it."""
    cdef Tensor t
    if isinstance(value, Tensor):
        if (<Tensor> value).node is not None and grad_enabled():
            t = value * 1
            t.node.argument = True
            return t
        t = wrap((<Tensor> value).arr)
    elif type(value) is float:
        t = wrap(scalar(F64, value))
    else:
        try:
            t = wrap(array_of(value, float if isinstance(value, (int, np_integer)) and not isinstance(value, bool) else None))
        except TypeError as error:
            raise TypeError(f"{what}: {words_for(k)} is a {type(value).__name__}, and derivatives are by tensors, arrays, numbers "
                            f"and containers of them ({error})") from None
    if t.arr.layout.dtype.kind in "biu":
        raise TypeError(f"{what}: {words_for(k)} has dtype {t.dtype}, which has no derivative; use x.astype(float)")
    make_leaf(t)
    t.node.argument = True
    return t


cdef object words_for(object k):
    return k if isinstance(k, str) else f"argument {k}"


def warn_independent(str what, whose):
    """Warn that f does not depend on an argument (its number, or the words for it), at the line that called fastad."""
    import sys
    import warnings
    cdef int level = 1
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastad":
        frame = frame.f_back
        level += 1
    warnings.warn(f"{what}: its value does not depend on {words_for(whose)}; the derivative is 0", IndependentWarning, level)


cpdef Tensor value_of(object result, str what):
    """What f returned, as a tensor; numbers and arrays are constants."""
    if isinstance(result, Tensor):
        return result
    if isinstance(result, (float, int, complex, np.ndarray, np.generic)):
        return wrap(array_of(result, None))
    raise TypeError(f"{what}: it returned a {type(result).__name__}, expected a Tensor; use fastad's functions inside" + (
        ", and has_aux=True if it returns more than its value" if isinstance(result, (tuple, list)) else ""))


cpdef int check_scalar(Tensor value, str what, bint complex_too=False) except -1:
    """A gradient is of one real number."""
    if value.arr.layout.size != 1:
        raise ValueError(f"{what}: its value has shape {value.shape}, expected one element; reduce it, e.g. by sum(), or use "
                         f"fastad.jacobian or fastad.elementwise_grad")
    if not complex_too and value.arr.layout.dtype.kind == "c":
        raise TypeError(f"{what}: its value has dtype {value.dtype}, and a gradient is of a real number; take the real part, or "
                        f"use fastad.holomorphic_grad")
    return 0


cdef bint simple(object x):
    """What holds no tensors inside."""
    return type(x) is np_ndarray or type(x) is float or x is None or isinstance(x, (
        Tensor, np_ndarray, float, int, complex, str, np_generic))


def value_and_gradients(f, tuple args, dict kwargs, tuple wanted, str what):
    """(value, list of gradients by the positional arguments `wanted`): what `fastad.value_and_grad` wraps.

    They are Tensors if an argument is one, inside another transform of this thread, or if they depend on what one of
    another thread differentiates by, with a graph if they depend on what is being differentiated; else they are NumPy
    arrays and scalars.  None if an argument is, or may be, a
    container: those are not for this fast path."""
    cdef Tensor value
    cdef list given = [a for a in args], inputs = [], found
    cdef bint before, enabled, recording = False, traced = nesting(0) > 0
    cdef unsigned long long since = last_serial
    for a in args:
        if not simple(a):
            return None
        traced |= isinstance(a, Tensor)
    for a in kwargs.values():
        if not simple(a):
            return None
        traced |= isinstance(a, Tensor)
    for k in wanted:
        if not -len(given) <= k < len(given):
            return None                   # an error, which is told elsewhere
        x = input_of(args[k], what, k)
        at = k if k >= 0 else k + len(given)
        if given[at] is not args[at]:
            return None
        given[at] = x
        inputs.append(x)
    enabled = grad_enabled()
    before = switch_recording(True)
    try:
        nesting(1)
        try:
            result = f(*given, **kwargs)
        finally:
            nesting(-1)
        value = value_of(result, what)
        check_scalar(value, what)
        if value.node is None:
            found = [None] * len(inputs)
        else:
            if enabled and (traced or under_way > nesting(0)):
                recording = survey([(value.node, value.out)], edges_of(inputs), since)[2]
                if not traced:            # another thread may be differentiating by what f closes over
                    traced = recording = recording and reaches_argument([value.node], since)
            found = gradients([value], inputs, [None], recording, recording, since)
    finally:
        switch_recording(before)
    for i in range(len(inputs)):
        g = found[i]
        if g is None:
            warn_independent(what, wanted[i])
            g = wrap(zeros_like((<Tensor> inputs[i]).arr))
        found[i] = g if traced else plain_of(g)
    if traced:
        return (value if recording else wrap(value.arr)), found
    return plain_of(value), found


cdef Array zeros_like(Array a):
    cdef Array out = empty(dense_as(a.layout, a.layout.dtype))
    fill(out, 0)
    return out


cdef object plain_of(Tensor t):
    """An array, or a NumPy scalar for a 0-d tensor."""
    nd = to_ndarray(t.arr)
    return nd if t.arr.layout.ndim else nd[()]


# ---- one call, recorded, and the walks over it: what the transforms are made of -----------------------
class IndependentWarning(UserWarning):
    """A function does not depend on what it is differentiated by: the derivative is 0, and perhaps a mistake.

    Where it is meant, silence it with the `warnings` module.

    Examples
    --------
    >>> import warnings, fastad
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", fastad.IndependentWarning)
    ...     fastad.grad(lambda x, y: x * x, argnum=(0, 1))(3.0, 4.0)
    (np.float64(6.0), np.float64(0.0))
    """


def mark():
    """A point in time: a walk that is given it leaves alone what was recorded before, which inputs made later cannot reach."""
    return last_serial


def copy_of(value, str what, k):
    """An argument as a tensor to differentiate by: its own copy, so that nested derivatives keep apart."""
    return input_of(value, what, k)


def edge_of(Tensor t not None):
    """Where a tensor stands on the tape: (the node that produced it, which of its outputs), or None."""
    return None if t.node is None else (t.node, t.out)


def is_nested():
    """Whether a transform of this thread is under way, so that results must stay tensors."""
    return nesting(0) > 0


def is_under_way():
    """Whether a transform of any thread is."""
    return under_way > 0


def is_differentiated(tensors, since=None):
    """Whether one of these tensors, None among them, depends on what a transform under way, of any thread, differentiates by;
    with `since` only on what it was given before `mark()` gave that."""
    if under_way == 0:
        return False
    return reaches_argument([(<Tensor?> t).node for t in tensors if t is not None and (<Tensor?> t).node is not None],
                            last_serial if since is None else since)


def recorded_call(f, tuple args, dict kwargs):
    """f(*args, **kwargs) with recording switched on, as part of a transform."""
    cdef bint before = switch_recording(True)
    nesting(1)
    try:
        return f(*args, **kwargs)
    finally:
        nesting(-1)
        switch_recording(before)


def call_again(f, tuple args, dict kwargs, bint nested, bint anywhere):
    """f(*args, **kwargs) as while a transform of this thread (`nested`), or of whatever thread (`anywhere`), is under way."""
    cdef bint others = anywhere and not nested
    nesting(nested)
    elsewhere(others)
    try:
        return f(*args, **kwargs)
    finally:
        elsewhere(-<int> others)
        nesting(-<int> nested)


def dependence(list outputs, list inputs, unsigned long long since):
    """(which inputs are used, which outputs depend on one, whether an output depends on what is not younger than `since`),
    of recorded tensors."""
    return survey(edges_of(outputs), edges_of(inputs), since)


def constant(Tensor t not None):
    """The same numbers without the derivative, also inside a rule; the caller knows that nobody wants it."""
    return wrap(t.arr)


def plain(Tensor t not None):
    """A result as an array, or as a NumPy scalar if it is 0-d."""
    return plain_of(t)


cdef list seeds_of(list tensors, bint recording):
    cdef Tensor t
    return tensors[:] if recording else [t.arr for t in tensors]


cdef list edges_of(list tensors):
    cdef Tensor t
    return [(t.node, t.out) for t in tensors]


def pull(list outputs, list inputs, list cotangents, int lead, bint recording, bint retain_graph, unsigned long long since=0):
    """Adjoints of `inputs` for `cotangents` of `outputs`, all recorded tensors; None where there is none.

    Cotangents have the shape and dtype of their outputs behind `lead` extra leading axes."""
    cdef dict found = walk_back(edges_of(outputs), seeds_of(cotangents, recording), recording, retain_graph, lead,
                                edges_of(inputs), since)
    return [found.get(target) for target in edges_of(inputs)]


def push(list inputs, list outputs, list tangents, int lead, bint recording, unsigned long long since=0):
    """Tangents of `outputs` for `tangents` of `inputs`, all recorded tensors; None where there is none.

    Tangents have the shape and dtype of their inputs behind `lead` extra leading axes."""
    return walk_forward(edges_of(inputs), seeds_of(tangents, recording), edges_of(outputs), recording, lead, since)

# ---- primitives in Python ----------------------------------------------------------------------------
cdef class Rule(Primitive):
    """A primitive whose rules are written in Python: a subclass has `vjp` and `jvp`, see Primitive."""
    def __init__(self, str name, bint one_by_one=False):
        """`one_by_one`: the rules take no leading axes, and the walks loop over these."""
        self.name = name
        self.one_by_one = one_by_one

    def apply(self, function, list inputs not None, object args=None, tuple keep not None=()):
        """The arrays that ``function(*arrays)`` gives (a tuple, or one) as a list of tensors, recorded if an input is.

        `keep` names what the rules get as `saved`: i is input i, ~k output k.  `args` stands in ``node.args``."""
        cdef Tensor t
        cdef list held = [], results
        for x in inputs:
            if not isinstance(x, Tensor):
                raise TypeError(f"{self.name}: expected tensors, got {type(x).__name__}")
            held.append((<Tensor> x).arr)
        found = function(*[to_ndarray(a) for a in held])
        results = [result_from(nd) for nd in (found if isinstance(found, tuple) else (found,))]
        if not any_records(inputs):
            return results
        for t, a in zip(inputs, held):
            unchanged(self.name, t, a)
        return self.record(inputs, results, args, keep)

    def record(self, list inputs not None, list outputs not None, object args, tuple keep not None):
        """The constants `outputs` as the results of this operation on `inputs`, all tensors; see `apply`."""
        cdef Tensor t
        cdef Node node = record_n(self, inputs, args)
        cdef int k
        for k in keep:
            if not -len(outputs) <= k < len(inputs):
                raise IndexError(f"{self.name}: keep={keep} of {len(inputs)} inputs and {len(outputs)} outputs")
            if k >= 0:
                t = inputs[k]
                save(node, t.arr, k)
            else:
                t = outputs[-1 - k]
                save(node, t.arr, FROM_OUTPUT + 1 + k)
        return [produced(t.arr, node) for t in outputs]


# ---- what the tape borrows ---------------------------------------------------------------------------
cdef object lent_wrap(Array a, Node node, unsigned int out):
    cdef Tensor t = wrap(a)
    t.node = node
    t.out = out
    return t


cdef Array lent_unwrap(object t, Primitive prim, str giver):
    if not isinstance(t, Tensor):
        raise TypeError(f"{prim.name}: {giver} returned a {type(t).__name__}, expected a Tensor")
    return (<Tensor> t).arr


cdef object lent_add(object a, object b):
    return operators.add(a, b)


cdef object lent_undo(object g, Layout want, int lead):
    """Undo broadcasting and casting in recorded operations."""
    cdef Tensor t = g
    cdef int i, extra = t.arr.layout.ndim - lead - want.ndim
    if not same_tail(t.arr.layout, want, lead):
        axes = tuple(range(lead, lead + extra)) + tuple(
            [lead + extra + i for i in range(want.ndim)
             if want.shape[i] == 1 and t.arr.layout.shape[lead + extra + i] != 1])
        shape = t.shape[:lead] + shape_of(want)
        t = FUNCTIONS["sum"](t, axis=axes)
        t = FUNCTIONS["reshape"](t, shape)
    if t.arr.layout.dtype != want.dtype:
        t = FUNCTIONS["astype"](t, want.dtype)
    return t


cdef object lent_stretch(object t, Layout want, int lead, Primitive prim):
    """What an operation does by itself, done to a tangent: broadcast to the output's shape and cast to its dtype."""
    cdef Tensor x = t
    cdef tuple shape = x.shape[:lead] + shape_of(want)
    if not same_tail(x.arr.layout, want, lead):
        try:
            if lead and x.arr.layout.ndim != lead + want.ndim:
                raise ValueError
            x = FUNCTIONS["broadcast_to"](x, shape)
        except ValueError:
            raise ValueError(f"{prim.name}: its jvp returned a tangent of shape {t.shape}, expected {shape}") from None
    if x.arr.layout.dtype != want.dtype:
        x = FUNCTIONS["astype"](x, want.dtype)
    return x


cdef object lent_stack(list parts, tuple lead, Layout layout):
    """Tensors of one shape along the leading axes `lead`, zeros for None; None if there are only those."""
    cdef Tensor t
    found = [t for t in parts if t is not None]
    if parts and not found:
        return None
    shape = shape_of(layout)
    if not parts:
        return FUNCTIONS["zeros"](lead + shape, dtype=layout.dtype)
    t = found[0]
    zero = FUNCTIONS["zeros"](t.shape, dtype=t.dtype) if len(found) < len(parts) else None
    whole = FUNCTIONS["stack"]([zero if t is None else t for t in parts])
    return FUNCTIONS["reshape"](whole, lead + (<Tensor> found[0]).shape)


cdef bint same_tail(Layout a, Layout want, int lead) noexcept:
    cdef int i
    if a.ndim != lead + want.ndim:
        return False
    for i in range(want.ndim):
        if a.shape[lead + i] != want.shape[i]:
            return False
    return True


cdef int lent_leaf(PyObject* leaf, object g, bint recording) except -1:
    """Add to a leaf's .grad: in place, unless the walk records or somebody else may see the memory."""
    cdef bint ours = Py_REFCNT(<PyObject*> g) == 1
    cdef LeafState state = (<Tensor> leaf).leaf
    cdef Tensor grad
    cdef Array a
    if recording:
        if state.grad is not None:
            state.grad = operators.add(state.grad, g)
        else:
            state.grad = g if ours and lent_sole(g) else lent_copy(g)
        return 0
    a = g
    if state.grad is None:
        state.grad = wrap(a if ours and a.ours and a.layout.contiguous else copy(a))
        return 0
    grad = state.grad
    if grad.node is not None or grad.arr.readonly:
        state.grad = wrap(add_arrays(grad.arr, a))
    else:
        add_into(grad.arr, copy(a) if root(a) is root(grad.arr) else a)
        wrote(grad.arr)
    return 0


cdef bint lent_sole(object g):
    """Whether nobody but the tensor g, and no other part of it, sees its memory."""
    cdef Tensor t = g
    return t.arr.ours and not t.arr.readonly and t.arr.layout.contiguous and Py_REFCNT(<PyObject*> t.arr) == 1


cdef object lent_copy(object g):
    """g in memory of its own, recorded if g was."""
    cdef Tensor t = g
    return wrap(copy(t.arr)) if t.node is None else FUNCTIONS["copy"](t)


lent.wrap = lent_wrap
lent.unwrap = lent_unwrap
lent.add = lent_add
lent.undo = lent_undo
lent.stretch = lent_stretch
lent.leaf = lent_leaf
lent.copy = lent_copy
lent.sole = lent_sole
lent.stack = lent_stack
