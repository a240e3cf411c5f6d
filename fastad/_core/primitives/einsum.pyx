"""Level 4: einsum, over any number of operands; its derivatives are einsums again.

A plain contraction of two float32 or float64 operands is a batch of matrix products; the rest is NumPy's einsum.
Imports blas, two levels below.  Next: index.pyx.
"""
cimport cython

import numpy as np

from ..arrays cimport contiguous
from ..blas cimport Matrix, Product, multiply
from ..storage cimport Array, Layout, dense, dense_dtype, empty, parse_shape, strided, view
from ..tape cimport Node, Primitive, save
from ..tensor cimport Tensor, any_records, as_tensor, ndarray, produced, record_n, result_from, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport MAX_NDIM, compiled

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


# ---- reading the subscripts --------------------------------------------------------------------------
def parse(subscripts, shapes):
    """(one string of labels an operand, labels of the result), with letters of their own for the axes of '...'."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, got {len(shapes)}")
    wrong = sorted(set(text.replace("->", "", 1).replace("...", "")) - set(LETTERS + ","))
    if wrong or "," in right:
        raise ValueError(f"einsum: {subscripts!r}: subscripts are letters, '...', ',' and one '->'"
                         + (f"; got {''.join(wrong)!r}" if wrong else ""))
    dots = max([0] + [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes) if "..." in term])
    free = [c for c in LETTERS if c not in text]
    if dots > len(free):
        raise ValueError(f"einsum: {subscripts!r} with operands of shapes {shapes} needs more than {len(LETTERS)} labels")
    spread = "".join(free[:dots])
    for k, (term, shape) in enumerate(zip(terms, shapes)):
        missing = len(shape) - len(term.replace("...", ""))
        if term.count("...") > 1 or missing < 0 or (missing and "..." not in term):
            raise ValueError(f"einsum: subscripts {term!r} of {subscripts!r} do not fit operand {k} of shape {shape}")
        terms[k] = term.replace("...", spread[dots - missing:])
    if arrow:
        right = right.replace("...", spread, 1)
    else:
        joined = left.replace("...", "").replace(",", "")
        right = spread + "".join(sorted([c for c in set(joined) if joined.count(c) == 1]))
    if len(set(right)) != len(right):
        raise ValueError(f"einsum: {subscripts!r}: the result names a label twice")
    unknown = sorted(set(right) - set("".join(terms)))
    if unknown:
        raise ValueError(f"einsum: {subscripts!r}: the result names {', '.join(unknown)}, which no operand has")
    return tuple(terms), right


def lengths(terms, shapes):
    """label -> length; ValueError if two operands disagree and neither has 1."""
    found = {}
    for term, shape in zip(terms, shapes):
        for label, n in zip(term, shape):
            if found.setdefault(label, n) != n:
                if n != 1 and found[label] != 1:
                    raise ValueError(f"einsum: label {label!r} has the lengths {found[label]} and {n} (operands of shapes "
                                     f"{', '.join(map(str, shapes))})")
                found[label] = n if found[label] == 1 else found[label]
    return found


def from_lists(arguments):
    """NumPy's other form, ``einsum(a, [0, 1], b, [1, 2], [0, 2])``, as subscripts and operands."""
    operands, lists = list(arguments[0::2]), list(arguments[1::2])
    last = operands.pop() if len(operands) > len(lists) else None
    numbers = sorted({i for labels in lists for i in labels if i is not Ellipsis})
    letter = {n: LETTERS[k] for k, n in enumerate(numbers)}

    def text(labels):
        try:
            return "".join(["..." if i is Ellipsis else letter[i] for i in labels])
        except KeyError as error:
            raise ValueError(f"einsum: the result names label {error}, which no operand has") from None
    subscripts = ",".join(map(text, lists))
    return subscripts if last is None else f"{subscripts}->{text(last)}", operands


# ---- two operands as matrix products -----------------------------------------------------------------
cdef bint group(Layout x, str term, str labels, Py_ssize_t* step) except -1:
    """The stride of several axes taken as one; False if their strides do not allow it."""
    cdef Py_ssize_t expected = 0
    cdef bint found = False
    cdef int axis
    step[0] = x.itemsize
    for label in reversed(labels):
        axis = term.index(label)
        if x.shape[axis] == 1:
            continue
        if found and x.strides[axis] != expected:
            return False
        if not found:
            step[0] = x.strides[axis]
        found = True
        expected = x.strides[axis] * x.shape[axis]
    return True


cdef Array permuted(Array x, str term, str labels):
    """A view with its axes in the order of `labels`."""
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef Py_ssize_t steps[MAX_NDIM]
    cdef int i, axis
    for i, label in enumerate(labels):
        axis = term.index(label)
        shape[i], steps[i] = x.layout.shape[axis], x.layout.strides[axis]
    return view(x, strided(x.layout, <int> len(labels), shape, steps), x.data)


cdef Array grouped(Array x, str term, str batch, str rows, str cols, Matrix* out):
    """`x` as matrices of `rows` by `cols`; the array that holds them, copied if its strides do not allow it."""
    cdef Py_ssize_t r = 0, c = 0
    cdef int i
    if not group(x.layout, term, rows, &r) or not group(x.layout, term, cols, &c):
        x, term = contiguous(permuted(x, term, batch + rows + cols)), batch + rows + cols
        group(x.layout, term, rows, &r)
        group(x.layout, term, cols, &c)
    out.data, out.rows, out.cols = x.data, r, c
    for i, label in enumerate(batch):
        out.batch[i] = x.layout.strides[term.index(label)]
    return x


cdef Array contraction(Array a, Array b, str ta, str tb, str result, dict sizes):
    """Two operands whose labels are all kept or summed between them; None if this is not such a case."""
    cdef str label, batch = "", rows = "", cols = "", summed = "", order
    cdef Product p
    cdef Array out
    cdef Py_ssize_t shape[MAX_NDIM]
    cdef int i, k
    if len(set(ta)) != len(ta) or len(set(tb)) != len(tb):
        return None
    for i, label in enumerate(ta):
        if a.layout.shape[i] != sizes[label]:
            return None
        if label in tb and label in result:
            batch += label
        elif label in tb:
            summed += label
        elif label in result:
            rows += label
        else:
            return None
    for i, label in enumerate(tb):
        if b.layout.shape[i] != sizes[label]:
            return None
        if label not in ta:
            if label not in result:
                return None
            cols += label
    order = batch + rows + cols
    p.m = p.n = p.k = 1
    p.nbatch = <int> len(batch)
    for i, label in enumerate(order):
        shape[i] = sizes[label]
        if i < p.nbatch:
            p.shape[i] = shape[i]
        elif i < p.nbatch + len(rows):
            p.m *= shape[i]
        else:
            p.n *= shape[i]
    for label in summed:
        p.k *= <Py_ssize_t> sizes[label]
    a = grouped(a, ta, batch, rows, summed, &p.a)
    b = grouped(b, tb, batch, summed, cols, &p.b)
    out = empty(dense(a.layout.code, <int> len(order), shape))
    grouped(out, order, batch, rows, cols, &p.c)
    p.c.cols = out.layout.itemsize
    multiply(a.layout.code, &p, out, False)
    return contiguous(permuted(out, order, result))


# ---- the primitive -----------------------------------------------------------------------------------
@cython.final
cdef class Einsum(Primitive):
    """y[out] = sum over the other labels of the product of the operands;
    the gradient of one operand is the einsum of g with the others, with its labels as the result"""
    def __cinit__(self):
        self.name = "einsum"

    cdef Tensor apply(self, list operands, tuple terms, str result):
        cdef dict sizes = lengths(terms, [x.shape for x in operands])
        cdef Tensor first = operands[0], x
        cdef Array out = None
        cdef Node node
        cdef Py_ssize_t dims[MAX_NDIM]
        dtype = np.result_type(*[(<Tensor> x).arr.layout.dtype for x in operands])
        operands = [x if x.dtype == dtype else FUNCTIONS["astype"](x, dtype) for x in operands]
        first = operands[0]
        if len(operands) == 2 and compiled(first.arr.layout.code):
            x = operands[1]
            out = contraction(first.arr, x.arr, terms[0], terms[1], result, sizes)
        if out is None:
            dense_dtype(first.arr.layout.dtype, parse_shape([sizes[label] for label in result], dims), dims)   # or it is too big
            y = np.einsum(",".join(terms) + "->" + result, *[ndarray(x) for x in operands], optimize=len(operands) > 2)
            y = np.asarray(y)                         # a view where nothing is summed, which must not be written
            out = result_from(y if y.base is None and y.flags.c_contiguous else y.copy()).arr
        if not any_records(operands):
            return wrap(out)
        node = record_n(self, operands, (terms, result, sizes))
        for i, x in enumerate(operands):
            save(node, x.arr, i)
        return produced(out, node)

    cdef dict statics_of(self, Node node):
        return {0: ",".join(node.args[0]) + "->" + node.args[1]}

    def vjp(self, node, saved, g):
        return tuple([self.gradient(node, saved, g, i) if node.needs(i) else None for i in range(len(saved))])

    def jvp(self, node, saved, tangents):
        terms, result, _ = node.args
        total = None
        for i, t in enumerate(tangents):
            if t is None:
                continue
            labels = ["..." + term if k == i else term for k, term in enumerate(terms)]
            change = einsum(",".join(labels) + "->..." + result, *[t if k == i else x for k, x in enumerate(saved)])
            total = change if total is None else total + change
        return total

    def gradient(self, node, saved, g, int i):
        """That of operand i.  A label that it alone has at full length is spread with ones; where it names a label twice, the
        second place gets a label of its own and an identity matrix."""
        terms, result, sizes = node.args
        others = [k for k in range(len(saved)) if k != i]
        factors, labels = [saved[k] for k in others], [terms[k] for k in others]
        free = iter([c for c in LETTERS if c not in "".join(terms)])
        term = ""
        for label in terms[i]:
            if label in term:
                twin = next(free)
                factors.append(np.eye(sizes[label], dtype=g.dtype))
                labels.append(label + twin)
                label = twin
            elif label not in result and not any(label in other and x.shape[other.index(label)] == sizes[label]
                                                 for x, other in zip(factors, labels)):
                factors.append(np.ones(sizes[label], dtype=g.dtype))
                labels.append(label)
            term += label
        return einsum(",".join(["..." + result] + labels) + "->..." + term, g, *factors)


cdef Einsum EINSUM = Einsum()
PRIMITIVES = {"einsum": EINSUM}


def einsum(subscripts, *operands, out=None, optimize=None, dtype=None):
    """The sum of products that Einstein's notation describes: labels that the result does not name are summed.

    ``y[out] = sum over the other labels of a[...] b[...] ...``; the derivative with respect to an operand is the
    einsum of ``g`` and the other operands onto its labels.

    Parameters
    ----------
    subscripts : str
        As NumPy's: "ij,jk->ik"; without "->" the result has the labels that occur once, in alphabetical order; "..."
        stands for axes that broadcast; a label twice in one operand takes the diagonal.  Operands and lists of
        integers in turn are also taken: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.
    operands : Tensor or array_like
    optimize : optional
        Accepted and not needed: three or more operands are always contracted in a good order.

    Returns
    -------
    Tensor in NumPy's common dtype; unlike NumPy's it is never a view.

    Raises
    ------
    ValueError
        If the subscripts are malformed or do not fit the shapes.
    TypeError
        For `out`, which is not supported.

    Examples
    --------
    >>> import fastad
    >>> a = fastad.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> fastad.einsum("ii", a)
    tensor(5.)
    >>> fastad.einsum("ij,kj->ik", a, a)
    tensor([[ 5., 11.],
            [11., 25.]])
    """
    if out is not None:
        raise TypeError("einsum: out= is not supported")
    if not isinstance(subscripts, str):
        subscripts, operands = from_lists((subscripts,) + operands)
    tensors = [as_tensor(x) for x in operands]
    if dtype is not None:
        tensors = [FUNCTIONS["astype"](x, dtype) for x in tensors]
    terms, result = parse(subscripts, [x.shape for x in tensors])
    return EINSUM.apply(tensors, terms, result)


register("einsum", einsum)
