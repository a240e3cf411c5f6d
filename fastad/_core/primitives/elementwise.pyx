"""Level 4: elementwise primitives: every row of csrc/rows.def, `where`, and what carries no derivative.

A row gives the value and derivative as text.  Compiled in csrc/ they are the kernels; evaluated here over
Tensors they are the traced rule, from which come derivatives of any order.  Next: reduction.pyx.
"""
cimport cython
from libc.string cimport memset

import numpy as np

from ..arrays cimport GIL_SIZE, broadcast_layouts, cast, contiguous, fill, map1, map2, map3, map_back
from ..kernels cimport FAD_A, FAD_B, FAD_Y, K, fad_map_fn, fad_row
from ..kernels import rows, rule_text
from ..storage cimport Array, Layout, dense, dense_as, dtype_of, empty, same_shape, scalar
from ..tape cimport FROM_OUTPUT, Node, Primitive, Walk, deliver, grad_enabled, receive, save, saved, wants
from ..tensor cimport Tensor, as_tensor, coerce, ndarray, operators, produced, record1, record2, record_n, result_from, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport F32, F64, OTHER, compiled

# dtypes without kernels take NumPy's function, or the same formula in NumPy's
NUMPY_FORMS = {
    "power": np.power,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "logsigmoid": lambda x: -np.logaddexp(-x, x.dtype.type(0)),
    "relu": lambda x: np.where(x <= 0, x.dtype.type(0), x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, p0: np.where(x <= 0, x * p0, x),
    "elu": lambda x, p0: np.where(x <= 0, p0 * np.expm1(np.minimum(x, 0)), x),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, x.dtype.type(0))),
    "gelu_tanh": lambda x: x / (1 + np.exp(-x * (1.5957691216057308 + 0.07135481627260025 * x * x))),
    "clip": lambda x, p0, p1: np.clip(x, p0, p1),
    "bce": lambda a, b: -(b * np.maximum(np.log(a), -100) + (1 - b) * np.maximum(np.log1p(-a), -100)),
    "bce_with_logits": lambda a, b: np.maximum(a, 0) - a * b + np.log1p(np.exp(-np.abs(a))),
}
# rows whose text is also the derivative of the complex function
HOLOMORPHIC = frozenset(
    "negative square sqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh "
    "arcsinh arccosh arctanh sigmoid add subtract multiply divide power".split())


def numpy_form(name):
    """The NumPy function of a row; SciPy's for erf and gelu; TypeError where there is none."""
    if name in NUMPY_FORMS:
        return NUMPY_FORMS[name]
    if name in ("erf", "gelu"):
        try:
            from scipy.special import erf
        except ImportError:
            raise TypeError(f"{name}: only float32 and float64 are compiled, and NumPy has no erf; "
                            f"convert with astype, or install SciPy") from None
        # SciPy computes float16 in a wider dtype
        same = lambda x: erf(x).astype(x.dtype if x.dtype.kind == "f" else float, copy=False)
        return same if name == "erf" else lambda x: x * (1 + same(x * 0.7071067811865476)) / 2
    return getattr(np, name)


def run_numpy(name, arrays, params):
    try:
        with np.errstate(all="ignore"):   # as the kernels: a NaN or an infinity is an answer
            return numpy_form(name)(*arrays, *params)
    except np.exceptions.DTypePromotionError:
        raise
    except TypeError as error:
        if "ufunc" not in str(error):
            raise
        raise TypeError(f"{name}: no loop for dtypes {', '.join(str(a.dtype) for a in arrays)}") from None


def weak_where(g):
    """`where` inside a rule: two numbers choose in the gradient's dtype, so that they do not promote it."""
    def where_(c, a, b):
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            a = np.asarray(a, dtype=g.dtype)
        return where(c, a, b)
    return where_


RULE_NAMES = {"R": float}                 # what a row's text may name; filled below


cdef class Row(Primitive):
    """The primitive of one row of the table."""
    cdef const fad_row* row
    cdef readonly tuple texts             # the vjp of each input, as in the table
    cdef list code
    cdef bint passes[2]                   # the derivative is 1: the gradient goes on without a kernel
    cdef readonly bint holomorphic

    cdef int setup(self, int i) except -1:
        self.row = &K.rows[i]
        self.name = self.row.name.decode()
        self.texts = tuple([rule_text(self.row.vjp[j]) for j in range(self.row.arity)])
        for j in range(self.row.arity):
            self.passes[j] = self.texts[j] == "g"
        self.raw = True
        self.leads = True
        self.holomorphic = self.name in HOLOMORPHIC
        return 0

    cdef object evaluate(self, int i, object g, dict local):
        """The traced rule: the derivative's text over Tensors."""
        if self.code is None:
            self.code = [compile(t, f"<vjp of {self.name}>", "eval") for t in self.texts]
        local["g"] = g
        local["where"] = weak_where(g)
        return eval(self.code[i], RULE_NAMES, local)

    cdef int check_complex(self, Tensor x) except -1:
        if not self.holomorphic and x.arr.layout.dtype.kind == "c":
            raise TypeError(f"{self.name}: no derivative rule for complex tensors; take real and imaginary parts, or detach()")
        return 0


@cython.final
cdef class Unary(Row):
    def __cinit__(self, int i):
        self.setup(i)

    cdef Tensor apply(self, Tensor x, tuple args):
        cdef Array out
        cdef Node node
        cdef double param[2]
        cdef int i, code = x.arr.layout.code
        if compiled(code):
            out = empty(x.arr.layout if x.arr.layout.contiguous else dense_as(x.arr.layout, x.arr.layout.dtype))
            if args is not None:
                for i in range(len(args)):
                    param[i] = args[i]
            map1(self.row.forward[code], NULL if args is None else param, x.arr, out)
        else:
            out = result_from(run_numpy(self.name, (ndarray(x),), args or ())).arr
        if x.node is None or not grad_enabled():
            return wrap(out)
        if not compiled(code):
            self.check_complex(x)
        node = record1(self, x, args)
        if self.row.needs[0] & FAD_A:
            save(node, x.arr, 0)
        if self.row.needs[0] & FAD_Y:
            save(node, out, FROM_OUTPUT)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef bint adds
        cdef Array out
        cdef double param[2]
        cdef const void* args[4]
        cdef fad_map_fn kernel
        cdef int i
        if not wants(walk, node, 0):
            return 0
        param[0] = param[1] = 0
        if node.args is not None:
            for i in range(len(<tuple> node.args)):
                param[i] = (<tuple> node.args)[i]
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

    def vjp(self, node, saved, g):
        local = dict(zip("xy" if self.row.needs[0] & FAD_A else "y", saved))
        if node.args is not None:
            local.update(zip(("p0", "p1"), node.args))
        return (self.evaluate(0, g, local),)


@cython.final
cdef class Binary(Row):
    def __cinit__(self, int i):
        self.setup(i)

    cdef Tensor apply(self, Tensor a, Tensor b):
        cdef Layout la = a.arr.layout, lb = b.arr.layout
        cdef Array out
        cdef Node node
        cdef const void* args[2]
        if la.code != lb.code or not compiled(la.code):
            return self.promote(a, b)
        if la is lb and la.contiguous and la.size < GIL_SIZE:      # the common case, without a call more than needed
            out = empty(la)
            args[0] = a.arr.data
            args[1] = b.arr.data
            self.row.forward[la.code](la.size, args, out.data, NULL)
        else:
            out = empty(broadcast_layouts(self.name, la, lb))
            map2(self.row.forward[la.code], NULL, a.arr, b.arr, out)
        if (a.node is None and b.node is None) or not grad_enabled():
            return wrap(out)
        node = record2(self, a, b, None)
        if self.reads(node):
            self.keep(node, a.arr, b.arr, out)
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

    cdef inline int reads(self, Node node) noexcept:
        return (self.row.needs[0] if node.in0 is not None else 0) | (self.row.needs[1] if node.in1 is not None else 0)

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
        cdef int i, reads = self.reads(node), at = 0
        cdef Array out, a = None, b = None, y = None
        cdef bint adds
        if reads & FAD_A:
            a = node.s0
            at = 1
        if reads & FAD_B:
            b = saved(node, at)
            at += 1
        if reads & FAD_Y:
            y = saved(node, at)
        for i in range(2):
            if not wants(walk, node, i):
                continue
            if self.passes[i]:
                deliver(walk, node, i, g)
                continue
            out = receive(walk, node, i, node.layout, &adds)
            reads = self.row.needs[i]
            map_back(self.row.backward[node.layout.code][i][adds], NULL, g, a if reads & FAD_A else None,
                     b if reads & FAD_B else None, y if reads & FAD_Y else None, out)
            deliver(walk, node, i, out)
        return 0

    def vjp(self, node, saved, g):
        cdef int reads = self.reads(node), i
        names = [n for n, bit in (("a", FAD_A), ("b", FAD_B), ("y", FAD_Y)) if reads & bit]
        local = dict(zip(names, saved))
        return tuple([self.evaluate(i, g, local) if node.needs(i) else None for i in range(2)])


# ---- the functions of the rows -----------------------------------------------------------------------
PRIMITIVES = {}                           # name -> primitive, for the tests and the docs

for _i, _row in enumerate(rows()):
    PRIMITIVES[_row["name"]] = Unary(_i) if _row["arity"] == 1 else Binary(_i)

cdef Binary ADD = PRIMITIVES["add"], SUBTRACT = PRIMITIVES["subtract"], MULTIPLY = PRIMITIVES["multiply"]
cdef Binary DIVIDE = PRIMITIVES["divide"], POWER = PRIMITIVES["power"]
cdef Unary NEGATIVE = PRIMITIVES["negative"], ABS = PRIMITIVES["abs"], SQUARE = PRIMITIVES["square"]
cdef Unary SQRT = PRIMITIVES["sqrt"], RECIPROCAL = PRIMITIVES["reciprocal"], CLIP = PRIMITIVES["clip"]


cdef inline object binary(Binary p, object a, object b):
    cdef Tensor ta, tb
    if isinstance(a, Tensor):
        ta = <Tensor> a
        tb = <Tensor> b if isinstance(b, Tensor) else coerce(b, ta)
        if tb is None:
            return NotImplemented
    else:
        tb = <Tensor> b
        ta = coerce(a, tb)
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


cdef object checked(object result, str name, object a, object b):
    if result is NotImplemented:
        raise TypeError(f"{name}: operands of types {type(a).__name__} and {type(b).__name__}")
    return result


def _unary_function(Unary p):
    def function(x, /):
        return p.apply(as_tensor(x), None)
    return function


def _binary_function(Binary p):
    def function(a, b, /):
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            a = as_tensor(a)
        if p is POWER:
            return checked(power(a, b), p.name, a, b)
        if p is DIVIDE:
            return checked(divide(a, b), p.name, a, b)
        return checked(binary(p, a, b), p.name, a, b)
    return function


def _document(function, name, row):
    function.__name__ = function.__qualname__ = name
    args = "x" if row["arity"] == 1 else "a, b"
    rules = "\n    ".join(f"d/d{v}: {t}" for v, t in zip("x" if row["arity"] == 1 else "ab", row["vjp"]))
    lo, hi = row["domain"]
    point = (lo + hi) / 2 + 0.25
    call = ", ".join([f"fastad.tensor({point})"] * row["arity"])
    shown = round(function(*[point] * row["arity"]).item(), 4)
    function.__doc__ = f"""{name}({args}), elementwise: ``{row['value']}``.

    The derivative, as the product with the cotangent ``g`` (``y`` is the result)::

        {rules}

    Parameters
    ----------
    {args} : Tensor or array_like, of any shape; two operands broadcast.

    Returns
    -------
    Tensor of the same shape and dtype (integers become float where NumPy's function does so).

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    TypeError
        If an operand is not numeric.

    Examples
    --------
    >>> import fastad
    >>> round(fastad.{name}({call}).item(), 4)
    {shown}
    """
    return function


ALIASES = {"abs": ("absolute",), "power": ("pow",), "divide": ("true_divide",), "arcsin": ("asin",),
           "arccos": ("acos",), "arctan": ("atan",), "arcsinh": ("asinh",), "arccosh": ("acosh",),
           "arctanh": ("atanh",), "arctan2": ("atan2",), "sigmoid": ("expit",)}
PARAMETRIC = ("leaky_relu", "elu", "clip", "gelu", "gelu_tanh", "bce", "bce_with_logits")

for _row in rows():
    _name = _row["name"]
    if _name in PARAMETRIC:
        continue
    _f = _unary_function(PRIMITIVES[_name]) if _row["arity"] == 1 else _binary_function(PRIMITIVES[_name])
    _ufunc = getattr(np, _name, None)
    register(_name, _document(_f, _name, _row), method=_row["arity"] == 1 and _name != "negative",
             ufunc=_ufunc if isinstance(_ufunc, np.ufunc) else None)
    for _alias in ALIASES.get(_name, ()):
        register(_alias, _f)
install_power = register("pow", FUNCTIONS["power"], method="pow")


def leaky_relu(x, negative_slope=0.01):
    """x for x > 0, else negative_slope * x; the derivative at 0 is negative_slope.

    Examples
    --------
    >>> import fastad
    >>> fastad.leaky_relu(fastad.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return (<Unary> PRIMITIVES["leaky_relu"]).apply(as_tensor(x), (float(negative_slope),))


def elu(x, alpha=1.0):
    """x for x > 0, else alpha * (exp(x) - 1).

    Examples
    --------
    >>> import fastad
    >>> fastad.elu(fastad.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return (<Unary> PRIMITIVES["elu"]).apply(as_tensor(x), (float(alpha),))


def gelu(x, approximate="none"):
    """x Phi(x), Phi the normal distribution function; approximate="tanh" gives the tanh form.

    Source: Hendrycks and Gimpel, 2016.

    Examples
    --------
    >>> import fastad
    >>> fastad.gelu(fastad.tensor([0.0]))
    tensor([0.])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return elementwise1("gelu" if approximate == "none" else "gelu_tanh", as_tensor(x))


def clip(x, min=None, max=None, *, a_min=None, a_max=None):
    """x limited to [min, max]; either may be None, a number or an array.

    The derivative is 1 inside and at an edge, 0 outside.

    Examples
    --------
    >>> import fastad
    >>> fastad.clip(fastad.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    lo = min if min is not None else a_min
    hi = max if max is not None else a_max
    x = as_tensor(x)
    if lo is None and hi is None:
        raise ValueError("clip: give min, max or both")
    numbers = all(v is None or type(v) in (int, float) for v in (lo, hi))
    if numbers and compiled((<Tensor> x).arr.layout.code):
        return CLIP.apply(<Tensor> x, (-np.inf if lo is None else float(lo), np.inf if hi is None else float(hi)))
    if (<Tensor> x).node is not None:
        CLIP.check_complex(<Tensor> x)
    # bounds that are arrays have derivatives of their own, and x at an edge keeps all of its own
    if lo is not None:
        x = where(x < lo, lo, x)
    if hi is not None:
        x = where(x > hi, hi, x)
    return x


for _f in (leaky_relu, elu, gelu):
    register(_f.__name__, _f)
register("clip", clip, method=True)


# ---- where -------------------------------------------------------------------------------------------
@cython.final
cdef class Where(Primitive):
    """y = a where c else b; da = g where c, db = g where not c"""
    def __cinit__(self):
        self.name = "where"
        self.leads = True

    cdef Tensor apply(self, Tensor c, Tensor a, Tensor b):
        cdef Layout layout
        cdef Array out
        cdef Node node
        if a.arr.layout.code != b.arr.layout.code or a.arr.layout.dtype != b.arr.layout.dtype:
            dtype = np.result_type(a.arr.layout.dtype, b.arr.layout.dtype)
            a = FUNCTIONS["astype"](a, dtype)
            b = FUNCTIONS["astype"](b, dtype)
        layout = broadcast_layouts("where", a.arr.layout, b.arr.layout)
        layout = dense_as(broadcast_layouts("where", layout, c.arr.layout), a.arr.layout.dtype)
        if compiled(layout.code):
            out = empty(layout)
            map3(K.where[layout.code], c.arr, a.arr, b.arr, out)
        else:
            out = result_from(np.where(ndarray(c), ndarray(a), ndarray(b))).arr
        if (a.node is None and b.node is None) or not grad_enabled():
            return wrap(out)
        node = record_n(self, [c, a, b], None)
        node.in0 = None
        save(node, c.arr, 0)
        return produced(out, node)

    def vjp(self, node, saved, g):
        c, = saved
        zero = np.zeros((), dtype=g.dtype)
        return (None, where(c, g, zero) if node.needs(1) else None, where(c, zero, g) if node.needs(2) else None)


cdef Where WHERE = Where()
PRIMITIVES["where"] = WHERE


def where(condition, x=None, y=None, /):
    """x where condition is true, else y; the three broadcast.

    The gradient goes to the chosen branch; the other receives exact zeros.

    Examples
    --------
    >>> import fastad
    >>> fastad.where(fastad.tensor([True, False]), 1.0, fastad.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    cdef Tensor c = as_tensor(condition), a, b
    if x is None and y is None:
        return FUNCTIONS["nonzero"](condition)
    if x is None or y is None:
        raise ValueError("where: give both x and y, or neither")
    if c.arr.layout.dtype != np.bool_:
        c = wrap(cast(c.arr, np.dtype(np.bool_)))
    if isinstance(x, Tensor):
        a = x
        b = coerce(y, a)
    elif isinstance(y, Tensor):
        b = y
        a = coerce(x, b)
    else:
        a, b = as_tensor(x), as_tensor(y)
    if a is None or b is None:
        raise TypeError(f"where: operands of types {type(x).__name__} and {type(y).__name__}")
    return WHERE.apply(c, a, b)


register("where", where)

RULE_NAMES.update({name: FUNCTIONS[name] for name in (
    "abs", "sign", "square", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "sinh", "cosh", "tanh", "erf",
    "sigmoid", "softplus", "pow", "maximum", "minimum", "clip")})
