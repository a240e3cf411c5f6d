"""Level 4: x[...] in all of NumPy's forms, its adjoint `scatter`, and embeddings; take is in arrange.py.

Basic indices (integers, slices, None, Ellipsis) give views; a loop that reads x[i] for every i costs O(1) each,
forward and backward.  Advanced ones (integer and boolean arrays) give copies; one integer array on axis 0, an
embedding, runs here, the rest in NumPy.  Imports shape.pxd for reshaping.  Next: matmul.pyx.
"""
cimport cython
from cpython.long cimport PyLong_AsSsize_t
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Unpack
from libc.stdint cimport int64_t
from libc.string cimport memset

import operator

import numpy as np

from ..arrays cimport GIL_SIZE, add_into, cast, contiguous, fill, read_rows, row
from ..kernels cimport K, fad_reduce_fn
from ..storage cimport (
    Array, Layout, dense, dense_dtype, empty, from_ndarray, parse_shape, refuse_masked, same_shape, shape_of, strided, to_ndarray,
    view,
)
from ..tape cimport Node, Primitive, Walk, deliver, receive, tangent, wants
from ..tensor cimport Tensor, as_tensor, operators, produced, record1, records, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport F32, I64, MAX_NDIM, OTHER, compiled
from .shape cimport in_layout, lead_in, lead_of

cdef extern from "Python.h":
    bint PyIndex_Check(object o)
    bint PyLong_CheckExact(object o)
    bint PyTuple_CheckExact(object o)
    bint PySlice_Check(object o)
    void* PyTuple_GET_ITEM(object t, Py_ssize_t i)

VALID = ("only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid "
         "indices")
cdef object INT64 = np.dtype(np.int64)


# ---- basic indices -----------------------------------------------------------------------------------
cdef struct Region:
    int ndim
    Py_ssize_t offset                     # bytes
    Py_ssize_t shape[MAX_NDIM]
    Py_ssize_t strides[MAX_NDIM]

cdef enum Kind:
    ADVANCED, BASIC, LOOSE                # LOOSE: basic, with integers that are no Python int


cdef int too_many(Layout x, int n, tuple items) except -1:
    n -= items.count(None) if items is not None else 0
    raise IndexError(f"too many indices for array: array is {x.ndim}-dimensional, but {n} were indexed (shape {shape_of(x)})")


cdef Kind region(Layout x, object index, Region* r) except *:
    """Where a basic index leads in an array of layout `x`; ADVANCED, with `r` undefined, for another one."""
    cdef Py_ssize_t i, n, start, stop, step, length
    cdef int axis = 0, at, count = 1, rest, t
    cdef bint is_tuple = PyTuple_CheckExact(index), ellipsis = False
    cdef Kind kind = BASIC
    cdef object item = index
    r.ndim, r.offset = 0, 0
    if is_tuple:
        count = <int> len(<tuple> index)
    for at in range(count):
        if is_tuple:
            item = <object> PyTuple_GET_ITEM(index, at)
        if not PyLong_CheckExact(item) and not PySlice_Check(item) and item is not None and item is not Ellipsis:
            item = loose_integer(item)
            if item is None:
                return ADVANCED
            kind = LOOSE
        if item is None:
            if r.ndim == MAX_NDIM:
                raise IndexError(f"number of dimensions must be within [0, {MAX_NDIM}], indexing result would have more")
            r.shape[r.ndim], r.strides[r.ndim] = 1, 0
            r.ndim += 1
            continue
        if item is Ellipsis:
            if ellipsis:
                raise IndexError("an index can only have a single ellipsis ('...')")
            ellipsis = True
            rest = 0
            for t in range(at + 1, count):
                rest += (<tuple> index)[t] is not None
            while axis < x.ndim - rest:
                keep(x, axis, r)
                axis += 1
            continue
        if axis >= x.ndim:
            if has_advanced(index):
                return ADVANCED
            too_many(x, count - ellipsis, <tuple> index if is_tuple else None)
        n = x.shape[axis]
        if PySlice_Check(item):
            PySlice_Unpack(item, &start, &stop, &step)
            length = PySlice_AdjustIndices(n, &start, &stop, step)
            keep(x, axis, r)
            if length:
                r.offset += start * x.strides[axis]
            r.shape[r.ndim - 1] = length
            r.strides[r.ndim - 1] *= step if length > 1 else 1        # which could overflow
        else:
            i = position(item)
            if i < -n or i >= n:
                if has_advanced(index):
                    return ADVANCED
                raise IndexError(f"index {i} is out of bounds for axis {axis} with size {n} (shape {shape_of(x)})")
            r.offset += (i + n if i < 0 else i) * x.strides[axis]
        axis += 1
    while axis < x.ndim:
        keep(x, axis, r)
        axis += 1
    return kind


cdef int keep(Layout x, int axis, Region* r) except -1:
    if r.ndim == MAX_NDIM:
        raise IndexError(f"number of dimensions must be within [0, {MAX_NDIM}], indexing result would have more")
    r.shape[r.ndim], r.strides[r.ndim] = x.shape[axis], x.strides[axis]
    r.ndim += 1
    return 0


cdef Py_ssize_t position(object item) except? -1:
    try:
        return PyLong_AsSsize_t(item)
    except OverflowError:
        raise IndexError(f"cannot fit {item} into an index-sized integer") from None


cdef object loose_integer(object item):
    """The integer that `item` is (a NumPy integer, a 0-d integer array or tensor), or None."""
    if isinstance(item, (bool, np.bool_)):
        return None
    if isinstance(item, (np.ndarray, Tensor)):
        return int(item) if item.ndim == 0 and item.dtype.kind in "iu" else None
    return operator.index(item) if PyIndex_Check(item) else None


cdef bint has_advanced(object index):
    """Whether an index that does not fit as far as it was read is for NumPy to judge."""
    return PyTuple_CheckExact(index) and any([
        i is not None and i is not Ellipsis and not PySlice_Check(i) and loose_integer(i) is None for i in index])


# ---- advanced indices --------------------------------------------------------------------------------
cdef object frozen(object index):
    """An index that is ours: Python integers, slices, None, Ellipsis and copies of arrays, in a tuple."""
    return tuple([frozen_item(i) for i in (index if isinstance(index, tuple) else (index,))])


cdef object frozen_item(object item):
    if item is None or item is Ellipsis or PySlice_Check(item):
        return item
    integer = loose_integer(item)
    if integer is not None:
        return integer
    if type(item) is np.ndarray and item.dtype is INT64:              # the usual one, with as few questions as can be
        return item.copy()
    if isinstance(item, (bool, np.bool_)):
        return np.bool_(item)
    if isinstance(item, Tensor):
        item = to_ndarray((<Tensor> item).arr)
    if not isinstance(item, (np.ndarray, list, tuple)) and not hasattr(item, "__array__"):
        raise IndexError(f"{VALID}; got {type(item).__name__}")
    refuse_masked("x[index]", item)
    try:
        array = np.array(item, order="C")                 # rows are read in this order
    except ValueError as error:
        raise ValueError(f"x[index]: {error}; the index is {type(item).__name__} of shape "
                         f"{getattr(item, 'shape', (len(item),))}") from None
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.intp)
    if array.dtype.kind not in "biu":
        raise IndexError(f"{VALID}; got {'an array of dtype ' + str(array.dtype)}")
    return array.astype(np.int64, order="C") if np.can_cast(array.dtype, np.int64) and array.dtype.kind != "b" else array


cdef Array row_numbers(Layout x, object index):
    """The one integer array of an index that picks rows of a dense array; None for any other index."""
    if not x.contiguous or x.ndim == 0 or len(<tuple> index) != 1:
        return None
    item = (<tuple> index)[0]
    return from_ndarray(item) if isinstance(item, np.ndarray) and item.dtype is INT64 else None


cdef int add_rows(const int64_t* at, Py_ssize_t count, fad_reduce_fn add, const char* x, Py_ssize_t n, Py_ssize_t length,
                  Py_ssize_t nbytes, char* out, Py_ssize_t but) except -1 nogil:
    """out[at[i]] += x[i], rows of so many elements and bytes of an out of n rows; none where at[i] is `but`"""
    cdef Py_ssize_t i
    for i in range(count):
        if at[i] != but or but < 0:
            add(1, 1, length, x + i * nbytes, out + row(at[i], n) * nbytes, 1)
    return 0


cdef Layout rows_layout(Layout x, Layout numbers):
    """That of x[numbers]."""
    cdef Py_ssize_t shape[2 * MAX_NDIM]
    cdef int i
    if numbers.ndim + x.ndim - 1 > MAX_NDIM:
        raise IndexError(f"number of dimensions must be within [0, {MAX_NDIM}], indexing result would have "
                         f"{numbers.ndim + x.ndim - 1}")
    for i in range(numbers.ndim):
        shape[i] = numbers.shape[i]
    for i in range(1, x.ndim):
        shape[numbers.ndim + i - 1] = x.shape[i]
    return dense_dtype(x.dtype, numbers.ndim + x.ndim - 1, shape)


cdef Array read(Array x, object index, Kind kind, Region* r):
    """x[index]; a view for a basic index, whose region is `r`."""
    cdef Array numbers, out
    cdef Py_ssize_t i, nbytes
    if kind != ADVANCED:
        return view(x, strided(x.layout, r.ndim, r.shape, r.strides), x.data + r.offset)
    numbers = row_numbers(x.layout, index)
    if numbers is None:
        nd = np.asarray(to_ndarray(x)[index])
        return from_ndarray(nd)
    out = empty(rows_layout(x.layout, numbers.layout))
    nbytes = x.layout.itemsize
    for i in range(1, x.layout.ndim):
        nbytes *= x.layout.shape[i]
    read_rows(<const int64_t*> numbers.data, numbers.layout.size, x.data, x.layout.shape[0], nbytes, nbytes, out.data)
    return out


def samples(tuple arrays not None, tuple dtypes not None, Tensor numbers not None, Py_ssize_t start, Py_ssize_t n):
    """Of each array (a detached tensor whose rows are dense) the rows numbers[start : start + n], in these dtypes: a batch."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t k, nbytes
    cdef int i
    cdef Array x, out, at = numbers.arr
    cdef list batch = []
    if not at.layout.contiguous or at.layout.code != I64 or start < 0 or not 0 <= n <= at.layout.size - start:
        raise IndexError(f"samples: no numbers from {start} to {start + n}")
    for k in range(len(arrays)):
        x = (<Tensor?> arrays[k]).arr
        shape[0], nbytes = n, x.layout.itemsize
        for i in range(1, x.layout.ndim):
            shape[i] = x.layout.shape[i]
            nbytes *= shape[i]
        out = empty(dense_dtype(x.layout.dtype, x.layout.ndim, shape))
        read_rows(<const int64_t*> at.data + start, n, x.data, x.layout.shape[0], x.layout.strides[0], nbytes, out.data)
        batch.append(wrap(out if dtypes[k] is out.layout.dtype else cast(out, dtypes[k])))
    return tuple(batch)


cdef enum:
    SAFE_NDIM = 32                        # numpy.add.at crashes with an index into the last of 64 axes


cdef int add_at(Array out, object index, Array values) except -1:
    """out[index] += values, where repeated places add up."""
    cdef Region r
    cdef Array numbers
    cdef int code = out.layout.code
    if region(out.layout, index, &r) != ADVANCED:
        if r.ndim == 0 and values.layout.ndim == 0 and compiled(out.layout.code):
            if out.layout.code == F32:
                (<float*> (out.data + r.offset))[0] += (<float*> values.data)[0]
            else:
                (<double*> (out.data + r.offset))[0] += (<double*> values.data)[0]
            return 0
        return add_into(view(out, strided(out.layout, r.ndim, r.shape, r.strides), out.data + r.offset), values)
    numbers = row_numbers(out.layout, index) if compiled(out.layout.code) else None
    if numbers is None or not same_shape(rows_layout(out.layout, numbers.layout), values.layout):
        nd = to_ndarray(out)
        if nd.ndim > SAFE_NDIM and out.layout.contiguous:
            places = np.arange(nd.size).reshape(nd.shape)[index]
            np.add.at(nd.reshape(-1), places.ravel(), np.broadcast_to(to_ndarray(values), places.shape).ravel())
        elif any([isinstance(item, np.ndarray) and item.dtype.kind != "b" for item in index]):
            np.add.at(nd, index, to_ndarray(values))
        else:
            nd[index] += to_ndarray(values)           # a mask names no place twice
        return 0
    return add_numbered(out, numbers, values, -1)


cdef int add_numbered(Array out, Array numbers, Array values, Py_ssize_t but) except -1:
    """out[numbers] += values, of dense rows, float32 or float64; row `but` stays as it is."""
    cdef Array src = contiguous(values)
    cdef Py_ssize_t i, n = 1
    cdef int code = out.layout.code
    for i in range(1, out.layout.ndim):
        n *= out.layout.shape[i]
    if src.layout.size < GIL_SIZE:
        add_rows(<const int64_t*> numbers.data, numbers.layout.size, K.sum[code], src.data, out.layout.shape[0], n,
                 n * src.layout.itemsize, out.data, but)
    else:
        with nogil:
            add_rows(<const int64_t*> numbers.data, numbers.layout.size, K.sum[code], src.data, out.layout.shape[0], n,
                     n * src.layout.itemsize, out.data, but)
    return 0


cdef tuple led(object index, tuple lead, tuple shape):
    """(shape', index') so that ``reshape(a, shape')[index']`` of an array of shape ``lead + shape`` is
    ``a[i][index]`` for every i of the lead.

    NumPy puts the axes of advanced indices first where something stands between them, also before the lead;
    there the places are numbered instead."""
    cdef tuple items = index if isinstance(index, tuple) else (index,)
    arrays = [k for k, i in enumerate(items) if isinstance(i, (np.ndarray, np.bool_))]
    marks = arrays and [k for k, i in enumerate(items) if isinstance(i, (np.ndarray, np.bool_, int))]
    if not marks or marks[len(marks) - 1] - marks[0] + 1 == len(marks):
        return lead + shape, (slice(None),) * len(lead) + items
    places = np.arange(np.prod(shape, dtype=np.int64)).reshape(shape)[items]
    return lead + (int(np.prod(shape)),), (Ellipsis, places)


cdef tuple behind(Walk walk, object index):
    """The index behind the leading axes of a walk."""
    return (slice(None),) * walk.lead + (<tuple> index if isinstance(index, tuple) else (index,))


# ---- the primitives ----------------------------------------------------------------------------------
@cython.final
cdef class GetItem(Primitive):
    """y = x[index]; dx = zeros with g added at [index]"""
    def __cinit__(self):
        self.name = "getitem"
        self.raw = self.pushes = True

    cdef Tensor apply(self, Tensor x, object index):
        cdef Region r
        cdef Kind kind
        cdef Array a = x.arr, out
        cdef Py_ssize_t i
        if PyLong_CheckExact(index) and 0 < a.layout.ndim and a.layout.contiguous and a.layout.code < OTHER:
            i = position(index)
            if i < 0:
                i += a.layout.shape[0]
            if 0 <= i < a.layout.shape[0]:
                out = view(a, dense(a.layout.code, a.layout.ndim - 1, a.layout.shape + 1), a.data + i * a.layout.strides[0])
                return produced(out, record1(self, x, index)) if records(x) else wrap(out)
        kind = region(a.layout, index, &r)
        if kind != BASIC:
            index = frozen(index)
        out = read(a, index, kind, &r)
        unchanged("x[index]", x, a)
        return produced(out, record1(self, x, index)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Layout like
        cdef Array out
        cdef bint adds
        if not wants(walk, node, 0):
            return 0
        like = in_layout(node, 0)
        out = receive(walk, node, 0, like, &adds)
        if not adds:
            memset(out.data, 0, like.size * like.itemsize)
        add_at(out, node.args, g)
        return deliver(walk, node, 0, out)

    cdef dict statics_of(self, Node node):
        return {"index": node.args}

    def vjp(self, node, saved, g):
        shape, index = led(node.args, lead_of(node, g), node.in_shape(0))
        dx = SCATTER.apply(g, index, shape)
        return (FUNCTIONS["reshape"](dx, lead_of(node, g) + node.in_shape(0)),)

    cdef Array push(self, Node node, Walk walk):
        cdef Region r
        cdef Array t = tangent(walk, node, 0)
        if region(t.layout, behind(walk, node.args), &r) == ADVANCED:
            return (<Tensor> self.jvp(node, (), (wrap(t),))).arr
        return view(t, strided(t.layout, r.ndim, r.shape, r.strides), t.data + r.offset)

    def jvp(self, node, saved, tangents):
        t, = tangents
        shape, index = led(node.args, lead_in(node, 0, t), node.in_shape(0))
        return GETITEM.apply(FUNCTIONS["reshape"](t, shape), index)


@cython.final
cdef class Scatter(Primitive):
    """y = zeros with x added at [index]; dx = g[index]"""
    def __cinit__(self):
        self.name = "scatter"
        self.raw = self.pushes = True

    cdef Tensor apply(self, Tensor x, object index, tuple shape):
        cdef Py_ssize_t dims[MAX_NDIM]
        cdef int ndim = parse_shape(shape, dims)
        cdef Array out = empty(dense_dtype(x.arr.layout.dtype, ndim, dims))
        fill(out, 0)
        add_at(out, index, x.arr)
        return produced(out, record1(self, x, index)) if records(x) else wrap(out)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Region r
        cdef Kind kind
        if not wants(walk, node, 0):
            return 0
        kind = region(g.layout, node.args, &r)
        return deliver(walk, node, 0, read(g, node.args, kind, &r))

    cdef dict statics_of(self, Node node):
        return {"index": node.args}

    def vjp(self, node, saved, g):
        shape, index = led(node.args, lead_of(node, g), node.out_shape)
        return (GETITEM.apply(FUNCTIONS["reshape"](g, shape), index),)

    cdef Array push(self, Node node, Walk walk):
        cdef Region r
        cdef Array t = tangent(walk, node, 0), out
        cdef Py_ssize_t dims[MAX_NDIM]
        cdef int i, ndim = walk.lead + node.layout.ndim
        if ndim <= MAX_NDIM:
            for i in range(ndim):
                dims[i] = t.layout.shape[i] if i < walk.lead else node.layout.shape[i - walk.lead]
            out = empty(dense_dtype(t.layout.dtype, ndim, dims))
            if region(out.layout, behind(walk, node.args), &r) != ADVANCED and r.ndim == t.layout.ndim:
                fill(out, 0)
                add_into(view(out, strided(out.layout, r.ndim, r.shape, r.strides), out.data + r.offset), t)
                return out
        return (<Tensor> self.jvp(node, (), (wrap(t),))).arr

    def jvp(self, node, saved, tangents):
        t, = tangents
        lead = lead_in(node, 0, t)
        if lead:                          # values that are broadcast to the places
            places = np.broadcast_to(False, node.out_shape)[node.args].ndim
            t = FUNCTIONS["reshape"](t, lead + (1,) * (places - len(node.in_shape(0))) + node.in_shape(0))
        shape, index = led(node.args, lead, node.out_shape)
        return FUNCTIONS["reshape"](SCATTER.apply(t, index, shape), lead + node.out_shape)


@cython.final
cdef class Embedding(Primitive):
    """y = w[numbers]; dw = zeros with g, times a factor for each row, added at [numbers].

    The argument is (numbers, the padding row, whose factor is 0, or -1, the other factors or None)."""
    def __cinit__(self):
        self.name = "embedding"
        self.raw = True

    cdef Tensor apply(self, Tensor w, object numbers, Py_ssize_t padding, object factors):
        cdef Array a = w.arr, out = read(a, (numbers,), ADVANCED, NULL)
        if not records(w):
            return wrap(out)
        unchanged(self.name, w, a)
        return produced(out, record1(self, w, (numbers.copy(), padding, factors)))

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        numbers, padding, factors = <tuple> node.args
        cdef Layout like = in_layout(node, 0)
        cdef bint adds
        if factors is not None:
            g = (<Tensor> (wrap(g) * self.weights(node, g.layout.dtype))).arr
        cdef Array out = receive(walk, node, 0, like, &adds)
        if not adds:
            memset(out.data, 0, like.size * like.itemsize)
        add_numbered(out, from_ndarray(numbers), g, padding)
        return deliver(walk, node, 0, out)

    cdef object weights(self, Node node, object dtype):
        """The factor of each row as a constant."""
        numbers, padding, factors = <tuple> node.args
        found = np.asarray(numbers != padding, dtype) if factors is None else np.where(numbers != padding, factors, 0).astype(dtype)
        return as_tensor(found[..., None])

    cdef dict statics_of(self, Node node):
        numbers, padding, _ = <tuple> node.args
        return {"input": numbers} | ({"padding_idx": padding} if padding >= 0 else {})

    def vjp(self, Node node not None, saved, g):
        if node.args[1] >= 0 or node.args[2] is not None:
            g = g * self.weights(node, g.dtype)
        shape, index = led((node.args[0],), lead_of(node, g), node.in_shape(0))
        return (SCATTER.apply(g, index, shape),)

    def jvp(self, Node node not None, saved, tangents):
        t, = tangents
        shape, index = led((node.args[0],), lead_in(node, 0, t), node.in_shape(0))
        t = GETITEM.apply(t, index)
        return t if node.args[1] < 0 and node.args[2] is None else t * self.weights(node, t.dtype)


cdef GetItem GETITEM = GetItem()
cdef Scatter SCATTER = Scatter()
cdef Embedding EMBEDDING = Embedding()
PRIMITIVES = {"getitem": GETITEM, "scatter": SCATTER, "embedding": EMBEDDING}


def embedding(Tensor weight not None, numbers, Py_ssize_t padding, factors):
    """Rows of a matrix by checked numbers (int64, from 0); see fastad/nn/sparse.py."""
    return EMBEDDING.apply(weight, numbers, padding, factors)


cdef object getitem(object x, object index):
    return GETITEM.apply(<Tensor> x, index)


operators.getitem = getitem


# ---- functions ---------------------------------------------------------------------------------------
def scatter(values, index, shape):
    """Zeros of `shape` with `values` added at ``[index]``: the adjoint of ``x[index]``.  Places named twice add up.

    Parameters
    ----------
    values : Tensor or array_like
        Broadcasts to the shape of ``zeros(shape)[index]``.
    index : int, slice, None, Ellipsis, integer or boolean array, or a tuple of them
    shape : int or tuple of int

    Raises
    ------
    IndexError
        If the index does not fit the shape.
    ValueError
        If the values do not broadcast.

    Examples
    --------
    >>> import fastad
    >>> fastad.scatter([1.0, 2.0, 3.0], [0, 2, 2], 4)
    tensor([1., 0., 5., 0.])
    """
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (operator.index(shape),)
    return SCATTER.apply(as_tensor(values), frozen(index), shape)


register("scatter", scatter)
