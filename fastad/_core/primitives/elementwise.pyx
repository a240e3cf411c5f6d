"""Level 4: elementwise primitives, one for every row of csrc/rows.def, and the operators that they give to Tensor.

A row gives the value and derivative as text.  Compiled in csrc/ they are the kernels; evaluated here over
Tensors they are the traced rule, from which come derivatives of any order.  Next: functions.pyx, their public faces.
"""

import numpy as np

from ..arrays cimport GIL_SIZE, broadcast_layouts, contiguous, lined_up, map1, map2, map_back
from ..kernels cimport FAD_A, FAD_B, FAD_Y, K, fad_map_fn
from ..kernels import rows
from ..storage cimport Array, Layout, dense, dense_as, empty
from ..tape cimport (
    FROM_OUTPUT, Node, Primitive, Walk, deliver, grad_enabled, receive, save, saved, tangent, tangent_pointer, wants,
)
from ..tensor cimport Tensor, coerce, ndarray, operators, produced, record1, record2, result_from, unchanged, wrap
from ..numpy_forms import run_numpy
from ..tensor import FUNCTIONS
from ..types cimport MAX_NDIM, compiled
from .shape cimport aligned

# rows whose text is also the derivative of the complex function
HOLOMORPHIC = frozenset(
    "negative square sqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh "
    "arcsinh arccosh arctanh sigmoid add subtract multiply divide power".split())
# a row's text that avoids overflow by way of abs() is not that derivative; these are
COMPLEX_TEXTS = {"arctan": "g / (1 + x * x)", "arcsinh": "g / sqrt(1 + x * x)"}
COMPLEX_FORMS = {}                        # real-valued rows -> the function of complex tensors: see complex.py


def weak_where(g):
    """`where` inside a rule: two numbers choose in the gradient's dtype, so that they do not promote it."""
    def where(c, a, b):
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            a = np.asarray(a, dtype=g.dtype)
        return FUNCTIONS["where"](c, a, b)
    return where


RULE_NAMES = {"R": float}                 # what a row's text may name: every function, from the first use on


cdef int parameters(Node node, double* param) except -1:
    cdef int i
    param[0] = param[1] = 0
    if node.args is not None:
        for i in range(len(<tuple> node.args)):
            param[i] = (<tuple> node.args)[i]
    return 0


cdef inline Array value(Node node, int which, int reads):
    """What the node saved of a, b, y (FAD_A, FAD_B, FAD_Y), in this order; None if it did not."""
    if not reads & which:
        return None
    return saved(node, (which > FAD_A and reads & FAD_A != 0) + (which > FAD_B and reads & FAD_B != 0))


cdef class Row(Primitive):
    """The primitive of one row of the table."""
    cdef int setup(self, int i, int arity) except -1:
        if not 0 <= i < K.n_rows or K.rows[i].arity != arity:
            raise ValueError(f"{type(self).__name__}: row {i} of the table is none of {arity} operands")
        self.row = &K.rows[i]
        self.name = self.row.name.decode()
        self.texts = tuple([self.row.vjp[j].decode() for j in range(self.row.arity)])
        for j in range(self.row.arity):
            self.passes[j] = self.texts[j] == "g"
        self.raw = self.pushes = True
        self.holomorphic = self.name in HOLOMORPHIC
        return 0

    cdef object evaluate(self, int i, object g, dict local):
        """The traced rule: the derivative's text over Tensors."""
        if self.code is None:
            self.code = [compile(t, f"<vjp of {self.name}>", "eval") for t in self.texts]
            RULE_NAMES.update(FUNCTIONS)
        local["g"] = g
        if g.dtype.kind == "c" and self.name in COMPLEX_TEXTS:
            return eval(COMPLEX_TEXTS[self.name], RULE_NAMES, local)
        local["where"] = weak_where(g)
        return eval(self.code[i], RULE_NAMES, local)

    cdef dict values(self, Node node, tuple saved):
        """What the text of the derivative names."""
        cdef int reads = self.reads(node)
        names = ("x" if self.row.arity == 1 else "a", "b", "y")
        local = dict(zip([name for name, bit in zip(names, (FAD_A, FAD_B, FAD_Y)) if reads & bit], saved))
        if node.args is not None:
            local.update(zip(("p0", "p1"), node.args))
        return local

    # the Jacobian is diagonal: a tangent is multiplied by what a cotangent is multiplied by
    cdef Array push(self, Node node, Walk walk):
        cdef int i, n, needs, reads = self.reads(node), lead = walk.lead
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef double param[2]
        cdef bint adds
        cdef Layout layout = node.layout
        cdef Array t, out = None, a = value(node, FAD_A, reads), b = value(node, FAD_B, reads), y = value(node, FAD_Y, reads)
        parameters(node, param)
        for i in range(self.row.arity):
            t = tangent(walk, node, i)
            if t is None:
                continue
            if lead and out is None:
                for n in range(lead):
                    shape[n] = t.layout.shape[n]
                if lead + layout.ndim > MAX_NDIM:
                    raise ValueError(f"{self.name}: {lead + layout.ndim} dimensions; NumPy and fastad allow at most {MAX_NDIM}")
                for n in range(layout.ndim):
                    shape[lead + n] = layout.shape[n]
                layout = dense(layout.code, lead + layout.ndim, shape)
            if self.passes[i] and out is None and t.layout is layout and (
                    i == self.row.arity - 1 or tangent_pointer(walk, node, 1) is NULL):
                return t
            needs = self.row.needs[i]
            adds = out is not None
            if not adds:
                out = empty(layout)
            map_back(self.row.backward[layout.code][i][adds], param, lined_up(t, lead, node.layout.ndim),
                     a if needs & FAD_A else None, b if needs & FAD_B else None, y if needs & FAD_Y else None, out)
        return out

    def jvp(self, Node node not None, saved, tangents):
        cdef Tensor total = None, t, change
        if self.row is NULL or len(tangents) != self.row.arity:
            raise TypeError(f"{self.name}: {len(tangents)} tangents")
        cdef dict local = self.values(node, saved)
        for i, t in enumerate(tangents):
            if t is not None:
                change = self.evaluate(i, aligned(node, i, t), local)
                total = change if total is None else FUNCTIONS["add"](total, change)
        return total

    cdef dict statics_of(self, Node node):
        return {} if node.args is None else dict(enumerate(node.args))

    cdef int check_complex(self, Tensor x) except -1:
        if not self.holomorphic and x.arr.layout.dtype.kind == "c":
            raise TypeError(f"{self.name}: no derivative rule for complex tensors; take x.real, x.imag or abs(x), or "
                            f"x.detach()")
        return 0


cdef class Unary(Row):
    def __cinit__(self, int i):
        self.setup(i, 1)

    cdef Tensor apply(self, Tensor x, tuple args):
        cdef Array out, xa = x.arr        # held: without the GIL another thread may give x other memory
        cdef Node node
        cdef double param[2]
        cdef int i, code = xa.layout.code
        if compiled(code):
            out = empty(xa.layout if xa.layout.contiguous else dense_as(xa.layout, xa.layout.dtype))
            if args is not None:
                for i in range(len(args)):
                    param[i] = args[i]
            map1(self.row.forward[code], NULL if args is None else param, xa, out)
        else:
            if xa.layout.dtype.kind == "c" and self.name in COMPLEX_FORMS:
                return COMPLEX_FORMS[self.name](x)
            out = result_from(run_numpy(self.name, (ndarray(x),), args or ())).arr
        if x.node is None or not grad_enabled():
            return wrap(out)
        if not compiled(code):
            self.check_complex(x)
        unchanged(self.name, x, xa)
        node = record1(self, x, args)
        if self.row.needs[0] & FAD_A:
            save(node, xa, 0)
        if self.row.needs[0] & FAD_Y:
            save(node, out, FROM_OUTPUT)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef bint adds
        cdef Array out
        cdef double param[2]
        cdef const void* args[4]
        cdef fad_map_fn kernel
        if not wants(walk, node, 0):
            return 0
        parameters(node, param)
        out = receive(walk, node, 0, node.layout, &adds)
        kernel = self.row.backward[node.layout.code][0][adds]
        if g.layout is node.layout and g.layout.size < GIL_SIZE and self.row.needs[0] and node.s0.layout is g.layout \
                and self.row.needs[0] != (FAD_A | FAD_Y):
            args[0] = g.data
            args[1] = args[3] = node.s0.data       # it reads one of them
            args[2] = NULL
            kernel(g.layout.size, args, out.data, param)
        else:
            map_back(kernel, NULL if node.args is None else param, g, node.s0 if self.row.needs[0] & FAD_A else None, None,
                     None if not self.row.needs[0] & FAD_Y else node.s0 if self.row.needs[0] == FAD_Y else node.s1, out)
        return deliver(walk, node, 0, out)

    def vjp(self, Node node not None, saved, g):
        return (self.evaluate(0, g, self.values(node, saved)),)


cdef class Binary(Row):
    def __cinit__(self, int i):
        self.setup(i, 2)

    cdef Tensor apply(self, Tensor a, Tensor b):
        cdef Array out, xa = a.arr, xb = b.arr
        cdef Layout la = xa.layout, lb = xb.layout
        cdef Node node
        cdef const void* args[2]
        if la.code != lb.code or not compiled(la.code):
            return self.promote(a, b)
        if la is lb and la.contiguous and la.size < GIL_SIZE:      # the common case, without a call more than needed
            out = empty(la)
            args[0] = xa.data
            args[1] = xb.data
            self.row.forward[la.code](la.size, args, out.data, NULL)
        else:
            out = empty(broadcast_layouts(self.name, la, lb))
            map2(self.row.forward[la.code], NULL, xa, xb, out)
        if (a.node is None and b.node is None) or not grad_enabled():
            return wrap(out)
        unchanged(self.name, a, xa)
        unchanged(self.name, b, xb)
        node = record2(self, a, b, None)
        if self.reads(node):
            self.keep(node, xa, xb, out)
        return produced(out, node)

    cdef int keep(self, Node node, Array a, Array b, Array y) except -1:
        """Only what the derivatives that are wanted read."""
        cdef int reads = self.reads(node)
        if reads & FAD_A:
            save(node, a, 0)
        if reads & FAD_B:
            save(node, b, 1)
        if reads & FAD_Y:
            save(node, y, FROM_OUTPUT)
        return 0

    cdef Tensor promote(self, Tensor a, Tensor b):
        """Operands of two dtypes, or of one that has no kernels."""
        cdef object da = a.arr.layout.dtype, db = b.arr.layout.dtype, dtype
        cdef Node node
        cdef Array out
        if da != db:
            dtype = np.result_type(da, db)
            a = FUNCTIONS["astype"](a, dtype)
            b = FUNCTIONS["astype"](b, dtype)
            if compiled(a.arr.layout.code):
                return self.apply(a, b)
        broadcast_layouts(self.name, a.arr.layout, b.arr.layout)        # the same error for every dtype
        out = result_from(run_numpy(self.name, (ndarray(a), ndarray(b)), ())).arr
        if (a.node is None and b.node is None) or not grad_enabled():
            return wrap(out)
        self.check_complex(a)
        node = record2(self, a, b, None)
        self.keep(node, a.arr, b.arr, out)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        """The common case calls the kernels without a detour: everything dense and of one shape."""
        cdef Layout layout = node.layout
        cdef int i, reads, at = 0
        cdef const void* args[4]
        cdef bint adds
        cdef Array out
        if g.layout is not layout or layout.size >= GIL_SIZE:
            return self.backward_strided(node, g, walk)
        args[0] = g.data
        if node.n_saved:
            reads = self.reads(node)
            for i in range(3):
                if reads & (1 << i):           # FAD_A, FAD_B, FAD_Y in this order
                    out = saved(node, at)
                    if out.layout is not layout:
                        return self.backward_strided(node, g, walk)
                    args[1 + i] = out.data
                    at += 1
        for i in range(2):
            if not wants(walk, node, i):
                continue
            if self.passes[i]:
                deliver(walk, node, i, g)
                continue
            out = receive(walk, node, i, layout, &adds)
            self.row.backward[layout.code][i][adds](layout.size, args, out.data, NULL)
            deliver(walk, node, i, out)
        return 0

    cdef int backward_strided(self, Node node, Array g, Walk walk) except -1:
        cdef int i, reads = self.reads(node), needs
        cdef Array out, a = value(node, FAD_A, reads), b = value(node, FAD_B, reads), y = value(node, FAD_Y, reads)
        cdef bint adds
        for i in range(2):
            if not wants(walk, node, i):
                continue
            if self.passes[i]:
                deliver(walk, node, i, g)
                continue
            out = receive(walk, node, i, node.layout, &adds)
            needs = self.row.needs[i]
            map_back(self.row.backward[node.layout.code][i][adds], NULL, g, a if needs & FAD_A else None,
                     b if needs & FAD_B else None, y if needs & FAD_Y else None, out)
            deliver(walk, node, i, out)
        return 0

    def vjp(self, Node node not None, saved, g):
        cdef dict local = self.values(node, saved)
        return tuple([self.evaluate(i, g, local) if node.needs(i) else None for i in range(2)])


# ---- the functions of the rows -----------------------------------------------------------------------
PRIMITIVES = {}                           # name -> primitive, for the tests and the docs

TABLE = rows()
for _i, _row in enumerate(TABLE):
    PRIMITIVES[_row["name"]] = Unary(_i) if _row["arity"] == 1 else Binary(_i)

cdef Binary ADD = PRIMITIVES["add"], SUBTRACT = PRIMITIVES["subtract"], MULTIPLY = PRIMITIVES["multiply"]
cdef Binary DIVIDE = PRIMITIVES["divide"], POWER = PRIMITIVES["power"]
cdef Unary NEGATIVE = PRIMITIVES["negative"], ABS = PRIMITIVES["abs"], SQUARE = PRIMITIVES["square"]
cdef Unary SQRT = PRIMITIVES["sqrt"], RECIPROCAL = PRIMITIVES["reciprocal"], CLIP = PRIMITIVES["clip"]


cdef object binary(Binary p, object a, object b):
    cdef Tensor ta, tb
    if isinstance(a, Tensor):
        ta = <Tensor> a
        tb = <Tensor> b if isinstance(b, Tensor) else coerce(p.name, b, ta)
        if tb is None:
            return NotImplemented
    else:
        tb = <Tensor> b
        ta = coerce(p.name, a, tb)
        if ta is None:
            return NotImplemented
    return p.apply(ta, tb)


cdef object add(object a, object b):
    return binary(ADD, a, b)


cdef object subtract(object a, object b):
    return binary(SUBTRACT, a, b)


cdef object multiply(object a, object b):
    return binary(MULTIPLY, a, b)


cdef object divide(object a, object b):
    return binary(DIVIDE, divisible(a, b), divisible(b, a))


cdef inline object divisible(object x, object other):
    """A Python integer beside integers divides as a float: it need not fit their dtype."""
    if type(x) is int and isinstance(other, Tensor) and (<Tensor> other).arr.layout.dtype.kind in "biu":
        return float(x)
    return x


cdef object power(object a, object b):
    """x ** 2, x ** 0.5 and x ** -1 with a Python number are the cheaper primitives, as in NumPy."""
    if isinstance(a, Tensor) and (type(b) is int or type(b) is float) and compiled((<Tensor> a).arr.layout.code):
        if b == 2:
            return SQUARE.apply(<Tensor> a, None)
        if b == 1:
            return binary(MULTIPLY, a, b)
        if b == 0.5:
            return SQRT.apply(<Tensor> a, None)
        if b == -1:
            return RECIPROCAL.apply(<Tensor> a, None)
    return binary(POWER, a, b)


cdef object negative(Tensor x):
    return NEGATIVE.apply(x, None)


cdef object absolute(Tensor x):
    return ABS.apply(x, None)


cdef Tensor elementwise1(str name, Tensor x):
    return (<Unary> PRIMITIVES[name]).apply(x, None)


cdef Tensor elementwise2(str name, Tensor a, Tensor b):
    return (<Binary> PRIMITIVES[name]).apply(a, b)


cdef extern from *:
    """
    /* the interpreter's way to + - * / goes straight here, without a detour over the table of operators */
    static void fad_take_slots(PyObject *type, binaryfunc add, binaryfunc subtract, binaryfunc multiply,
                               binaryfunc divide)
    {
        PyNumberMethods *n = ((PyTypeObject *)type)->tp_as_number;
        n->nb_add = add; n->nb_subtract = subtract; n->nb_multiply = multiply; n->nb_true_divide = divide;
        PyType_Modified((PyTypeObject *)type);
    }
    """
    ctypedef object (*binaryfunc)(object, object)
    void fad_take_slots(object type, binaryfunc add, binaryfunc subtract, binaryfunc multiply, binaryfunc divide)


fad_take_slots(Tensor, add, subtract, multiply, divide)
operators.add = add
operators.subtract = subtract
operators.multiply = multiply
operators.divide = divide
operators.power = power
operators.negative = negative
operators.abs = absolute
