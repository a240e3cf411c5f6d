"""Level 3: Tensor.  Its operators go through a table that the primitives fill when they are imported, so this
module names no operation.  Methods come by `register`, one call beside each primitive.

Imports tape and storage below.  Next: inplace.pyx.
"""
cimport cython
cimport numpy as cnp
from cpython.object cimport Py_EQ, Py_GT, Py_LE, Py_LT, Py_NE, PyTypeObject
from cpython.buffer cimport PyObject_GetBuffer

from libc.string cimport memcmp, memcpy

import numpy as np

from .arrays cimport fill, folded, foreign, numeric, operand, overlap
from .storage cimport (
    copy_ndarray, dense_as, empty, from_ndarray, root, same, scalar, shape_of, to_ndarray, version_of,
)
from .tape cimport (
    ACCUMULATE, LeafRef, Py_REFCNT, add_output, grad_enabled, last_serial, link, new_node, note, ruling, under_way, watched,
)
from .order cimport reaches_argument
from .walk cimport walk_back
from .types cimport F32, F64, compiled

cnp.import_array()

cdef extern from "Python.h":
    void PyType_Modified(PyTypeObject* t)
    double float_of "PyFloat_AsDouble"(object x) noexcept        # -1 and an error set, if x is too large
    PyObject* PyErr_Occurred()
    void PyErr_Clear()

# what other levels give: Python functions by NumPy's name
FUNCTIONS = {}                            # "sum" -> function; __array_function__ looks here
UFUNCS = {}                               # numpy.add -> function; __array_ufunc__ looks here


def register(name, function, *, method=False, numpy=None, ufunc=None):
    """Make a function known: under `name`, as a Tensor method, and to NumPy's protocols.  One function a name."""
    for table, key in ((FUNCTIONS, name), (FUNCTIONS, numpy), (UFUNCS, ufunc)):
        if key is not None and table.setdefault(key, function) is not function:
            raise ValueError(f"register: {key} is the name of {table[key]!r} already")
    if method:
        install(name if method is True else method, function)
    return function


def install(str name, object attribute):
    """Give Tensor a method or property (extension types do not take them by assignment)."""
    if type(attribute) is type(len):
        raise TypeError(f"install: {name} is a builtin, which binds to no tensor; see BINDING in setup.py")
    (<dict> (<PyTypeObject*> Tensor).tp_dict)[name] = attribute
    PyType_Modified(<PyTypeObject*> Tensor)


# ---- building results --------------------------------------------------------------------------------
cdef Tensor wrap(Array a):
    cdef Tensor t = <Tensor> Tensor.__new__(Tensor)
    t.arr = a
    return t


cdef bint records(Tensor x) noexcept:
    return x.node is not None and grad_enabled()


cdef bint any_records(list inputs):
    if not grad_enabled():
        return False
    for x in inputs:
        if (<Tensor> x).node is not None:
            return True
    return False


cdef object replaced(str name, Tensor x):
    return RuntimeError(f"{name}: another thread gave this tensor of shape {x.shape} another dtype while it was read; do not "
                        f"convert a module that is in use")


cdef Node record_n(Primitive prim, list inputs, object args):
    cdef Node node = new_node(prim, <int> len(inputs), args)
    cdef int i
    for i in range(len(inputs)):
        if (<Tensor> inputs[i]).node is not None:
            link(node, i, (<Tensor> inputs[i]).node, (<Tensor> inputs[i]).out)
    if watched:
        note(node, None, None, inputs)
    return node


# ---- taking arguments --------------------------------------------------------------------------------
cdef object ndarray(Tensor x):
    return to_ndarray(x.arr)


cdef object plain(object x):
    return to_ndarray((<Tensor> x).arr) if isinstance(x, Tensor) else x


cdef Tensor result_from(object nd):
    if not isinstance(nd, np.ndarray):
        nd = np.asarray(nd)
    if not nd.dtype.isnative or not nd.flags.aligned:
        return wrap(copy_ndarray(nd))
    return wrap(from_ndarray(nd))


cdef Tensor as_tensor(object x):
    """A Tensor as it is; anything else copied, without a derivative."""
    if isinstance(x, Tensor):
        return <Tensor> x
    return wrap(copy_ndarray(operand("fastad", x)))


cdef enum:
    CONSTANTS = 256

cdef list constants = [None] * (2 * CONSTANTS)      # 0-d tensors of the numbers used last; nobody writes to them


cdef Tensor constant(int code, double value):
    """A 0-d tensor; programs use the same few numbers again and again."""
    cdef unsigned long long bits
    cdef Tensor t
    cdef Py_ssize_t at
    memcpy(&bits, &value, sizeof(double))
    at = code * CONSTANTS + <Py_ssize_t> (((bits >> 44) ^ (bits >> 52) ^ bits) % CONSTANTS)
    held = constants[at]
    if held is not None:
        t = <Tensor> held
        if memcmp(t.arr.data, &value, sizeof(double)) == 0 if code == F64 else \
                (<float*> t.arr.data)[0] == <float> value and value != 0:
            return t
    t = wrap(scalar(code, value))
    constants[at] = t
    return t


cdef Tensor coerce(str name, object x, Tensor other):
    """An operand beside a Tensor: Python numbers take its dtype where NumPy's promotion lets them."""
    cdef int code = other.arr.layout.code
    cdef double value
    if isinstance(x, Tensor):
        return <Tensor> x
    if type(x) is float or type(x) is int or type(x) is bool:
        if compiled(code):
            value = float_of(x)
            if value == -1 and PyErr_Occurred() is not NULL:
                PyErr_Clear()
                raise OverflowError(f"{name}: an integer of {x.bit_length()} bits does not fit into {other.dtype}")
            return constant(code, value)
        return wrap(copy_ndarray(numeric(name, x, np.result_type(other.arr.layout.dtype, x))))
    if type(x) is complex:
        return wrap(copy_ndarray(numeric(name, x, np.result_type(other.arr.layout.dtype, x))))
    if isinstance(x, (np.ndarray, np.generic, list, tuple, int, float, complex)) or foreign(x):
        return wrap(copy_ndarray(operand(name, x)))
    return None


cdef object no_operator(str name, object a, object b, str remedy):
    if (coerce(name, b, a) if isinstance(a, Tensor) else coerce(name, a, b)) is None:
        return NotImplemented             # the other operand may know what to do
    raise TypeError(f"{name}: fastad has no rule for it; {remedy}")


def checked(str name, x):
    """`x` as a NumPy array of numbers; TypeError for what holds none, and for a masked array or a matrix."""
    return operand(name, x)


# ---- leaves --------------------------------------------------------------------------------------------
cdef object refuse(Tensor t, str what):
    return TypeError(f"{what}: this tensor of shape {t.shape} requires a gradient, and NumPy would drop it; use "
                     f"x.detach().numpy() for the numbers, or fastad's own functions to stay on the tape (stack, concatenate "
                     f"or where, instead of writing into an array)")


cdef LeafState leaf_state(Tensor t):
    if t.leaf is None:
        t.leaf = LeafState.__new__(LeafState)
    return t.leaf


cdef int make_leaf(Tensor t) except -1:
    cdef LeafRef ref = LeafRef.__new__(LeafRef)
    cdef Node node
    if t.arr.layout.dtype.kind not in "fc":
        raise TypeError(f"requires_grad: only float and complex tensors have derivatives, this one is "
                        f"{t.arr.layout.dtype}; use x.astype(float)")
    node = leaf_state(t).kept
    t.leaf.kept = None
    if node is not None and same(node.layout, t.arr.layout):
        ref = t.leaf.ref                  # graphs recorded before it was switched off lead here again
    else:
        node = new_node(ACCUMULATE, 0, ref)
        add_output(node, dense_as(t.arr.layout, t.arr.layout.dtype))
        t.leaf.ref = ref
    ref.tensor = <PyObject*> t
    t.node = node
    t.out = 0
    return 0


cdef int drop_leaf(Tensor t) except -1:
    leaf_state(t).ref.tensor = NULL
    t.leaf.kept = t.node
    t.node = None
    return 0


cdef object compare(Tensor x, object other, object ufunc):
    if type(other) in (int, float, bool):         # weak, and integers of any size compare
        return result_from(ufunc(ndarray(x), other))
    cdef Tensor y = coerce(ufunc.__name__, other, x)
    return NotImplemented if y is None else result_from(ufunc(ndarray(x), ndarray(y)))


cdef bint differentiated(Tensor x) except -1:
    """Whether a transform under way, of this thread or of one that waits for it, differentiates by what x depends on."""
    return x.node is not None and under_way > 0 and grad_enabled() and reaches_argument([x.node], last_serial)


cdef int refuse_number(Tensor x, str name) except -1:
    """Inside a transform a number of Python's would be a constant: math.sin(x) would have the derivative 0."""
    keep_on_tape(x, name)
    if differentiated(x):
        raise TypeError(f"{name}: this tensor is being differentiated, and a Python number has no derivative; use fastad's "
                        f"functions (fastad.sin, not math.sin), build arrays with stack, where or full, or say "
                        f"x.detach() for a constant")
    return 0


cdef int keep_on_tape(Tensor x, str name) except -1:
    """Inside a user's own rule, in a walk that records, a number taken out would be a constant of the next derivative."""
    if x.node is not None and ruling(0) > 0 and grad_enabled():
        raise TypeError(f"{name}: this tensor is being differentiated, and a number taken out of it has no derivative; write "
                        f"the rule in fastad's functions, or take out constants under fastad.no_grad()")
    return 0


cdef object number(Tensor x):
    if x.arr.layout.code == F32:
        return <double> (<float*> x.arr.data)[0]
    if x.arr.layout.code == F64:
        return (<double*> x.arr.data)[0]
    return to_ndarray(x.arr).item()


cdef object one_number(Tensor x, str name):
    if x.arr.layout.size != 1:
        raise ValueError(f"{name}: a tensor of shape {x.shape} has {x.size} elements, not one")
    refuse_number(x, name)
    return number(x)


def numbers(Tensor t not None):
    """The array of a tensor, for the library's own use."""
    return to_ndarray(t.arr)


def place_of(Tensor t not None):
    """(node, output): where the tape keeps this value; (None, 0) if it has no derivative."""
    return t.node, t.out


# ---- Tensor ------------------------------------------------------------------------------------------
@cython.final
@cython.no_gc_clear                       # its tensor is cleared instead; `ref` must be valid to the end
cdef class LeafState:
    def __dealloc__(self):
        cdef object g = self.grad, following
        if self.ref is not None:
            self.ref.tensor = NULL
        self.grad = None
        # a chain of leaves, each the gradient of the one before, is freed without recursing
        while g is not None and Py_REFCNT(<PyObject*> g) == 1 and (<Tensor> g).leaf is not None:
            following = (<Tensor> g).leaf.grad
            (<Tensor> g).leaf.grad = None
            g = following
            following = None


@cython.freelist(512)
cdef class Tensor:
    """An n-dimensional array whose operations can be differentiated.

    Make one with `fastad.tensor`, `fastad.from_numpy` or the constructors (`zeros`, `ones`, ...).  It follows
    NumPy: names, broadcasting, promotion, indexing.  Operations on a tensor that requires a gradient are
    recorded; ``y.backward()`` adds the gradients of y to the ``.grad`` of the leaves.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __pandas_priority__ = 10_000          # pandas' operators give way: a column is taken by its values

    def __init__(self, *args, **kwargs):
        if self.arr is None:
            raise TypeError("Tensor: make tensors with fastad.tensor(data) or fastad.from_numpy(array)")

    # -- what it is
    @property
    def shape(self):
        """Tuple of the lengths of the axes."""
        return shape_of(self.arr.layout)

    @property
    def dtype(self):
        """NumPy dtype of the elements."""
        return self.arr.layout.dtype

    @property
    def ndim(self):
        """Number of axes."""
        return self.arr.layout.ndim

    @property
    def size(self):
        """Number of elements."""
        return self.arr.layout.size

    @property
    def version(self):
        """How often the memory was written in place through fastad."""
        return version_of(self.arr)

    # -- the tape
    @property
    def requires_grad(self):
        """Whether operations on this tensor are recorded.  Can be set on leaves."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, bint value):
        if value and self.node is None:
            make_leaf(self)
        elif not value and self.node is not None:
            if self.node.prim is not ACCUMULATE:
                raise RuntimeError(f"requires_grad: this tensor is the result of {self.node.prim.name}; use detach()")
            if self.node.argument:
                raise RuntimeError("requires_grad: a transform differentiates by this tensor; use detach()")
            drop_leaf(self)

    def requires_grad_(self, bint requires_grad=True):
        """Set `requires_grad` and return the tensor.

        Examples
        --------
        >>> import fastad
        >>> fastad.tensor([1.0]).requires_grad_()
        tensor([1.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self):
        """True if no recorded operation produced it."""
        return self.node is None or self.node.prim is ACCUMULATE

    @property
    def grad_fn(self):
        """The node that produced this value, or None for a leaf."""
        return None if self.is_leaf else self.node

    @property
    def grad(self):
        """The gradient that backward walks have added up for this leaf, or None."""
        return None if self.leaf is None else self.leaf.grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if root((<Tensor> value).arr) is root(self.arr) or overlap((<Tensor> value).arr, self.arr):
                raise ValueError("grad: a tensor cannot be its own gradient, and a walk would add into it; copy it")
            if not same((<Tensor> value).arr.layout, self.arr.layout):
                raise ValueError(f"grad: expected shape {self.shape} and dtype {self.dtype}, got {value.shape} and "
                                 f"{value.dtype}")
            if not (<Tensor> value).arr.readonly and folded((<Tensor> value).arr.layout):
                raise ValueError("grad: elements of this gradient share memory, and a walk would add into it; copy it")
        if value is not None or self.leaf is not None:
            leaf_state(self).grad = value

    def backward(self, gradient=None, retain_graph=None, create_graph=None):
        """Add the derivative of this tensor to the ``.grad`` of every leaf it depends on.

        Parameters
        ----------
        gradient : Tensor or array_like, optional
            The cotangent, of this tensor's shape; 1 if the tensor has one element.
        retain_graph : bool, optional
            Keep the saved values, so that the graph can be walked again.  Default: `create_graph`.
        create_graph : bool, optional
            Record the walk, so that the gradients can be differentiated.  Default: inside a transform (`fastad.grad`, ...)
            that differentiates by what this tensor, or `gradient`, depends on; else the gradients are constants.

        Raises
        ------
        RuntimeError
            If nothing is recorded, the tensor has several elements and no `gradient`, or the graph was freed.

        Examples
        --------
        >>> import fastad
        >>> x = fastad.tensor(3.0, requires_grad=True)
        >>> (x ** 2).backward()
        >>> x.grad.item()
        6.0
        """
        if self.node is None:
            raise RuntimeError("backward: this tensor has no graph; none of its inputs required a gradient, or it was "
                               "computed under no_grad()")
        cdef Tensor g = cotangent(self, gradient, "backward")
        cdef bint recording = differentiated(self) or differentiated(g) if create_graph is None else create_graph
        walk_back([(self.node, self.out)], [g if recording else g.arr], recording,
                  recording if retain_graph is None else retain_graph, 0, None)

    def detach(self):
        """The same numbers, sharing memory, without the derivative.

        Examples
        --------
        >>> import fastad
        >>> x = fastad.tensor([1.0, 2.0], requires_grad=True)
        >>> x.detach()
        tensor([1., 2.])
        """
        keep_on_tape(self, "detach")
        return wrap(self.arr)

    def item(self):
        """The single element as a Python number, which is a constant.

        While a transform (`fastad.grad`, `jvp`, ...) runs, a number taken out of what it differentiates by would have the
        derivative 0 in silence.  So ``item``, ``tolist``, ``float(x)`` and ``complex(x)`` raise TypeError there;
        ``x.detach().item()`` says that a constant is meant.  ``bool(x)``, comparisons and ``int(x)``, which truncates, are
        allowed: their derivative is 0.  In a graph for ``backward`` all of them give numbers.  What shares memory
        (``x.numpy()``, ``numpy.asarray(x)``) needs ``detach()`` for every tensor that requires a gradient.

        Examples
        --------
        >>> import fastad
        >>> fastad.tensor([[2.5]]).item()
        2.5
        """
        return one_number(self, "item")

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        if self.node is not None:
            raise BufferError(str(refuse(self, "buffer")))
        PyObject_GetBuffer(to_ndarray(self.arr), buffer, flags)

    def __releasebuffer__(self, Py_buffer* buffer):
        pass                              # the array that filled the buffer is its owner

    # -- operators
    def __add__(a, b):
        return operators.add(a, b)

    def __sub__(a, b):
        return operators.subtract(a, b)

    def __mul__(a, b):
        return operators.multiply(a, b)

    def __truediv__(a, b):
        return operators.divide(a, b)

    def __floordiv__(a, b):
        return no_operator("floor_divide", a, b, "floor(a / b), whose derivative is 0, is fastad.floor(a / b)")

    def __mod__(a, b):
        return no_operator("remainder", a, b, "write a - fastad.floor(a / b) * b")

    def __divmod__(a, b):
        return no_operator("divmod", a, b, "write q = fastad.floor(a / b) and a - q * b")

    def __round__(self, ndigits=None):
        raise TypeError("round: fastad has no rule for it; x.round() gives a tensor without derivative, round(x.item()) a number")

    def __pow__(a, b, mod):
        if mod is not None:
            return NotImplemented
        return operators.power(a, b)

    def __matmul__(a, b):
        return operators.matmul(a, b)

    def __neg__(self):
        return operators.negative(self)

    def __pos__(self):
        return operators.multiply(self, 1)

    def __abs__(self):
        return operators.abs(self)

    def __iadd__(self, other):
        return operators.in_place(self, other, operators.add, "+=")

    def __isub__(self, other):
        return operators.in_place(self, other, operators.subtract, "-=")

    def __imul__(self, other):
        return operators.in_place(self, other, operators.multiply, "*=")

    def __itruediv__(self, other):
        return operators.in_place(self, other, operators.divide, "/=")

    def __ipow__(self, other, mod):
        return operators.in_place(self, other, operators.power, "**=")

    def __richcmp__(self, other, int op):
        return compare(self, other,
                       np.less if op == Py_LT else np.less_equal if op == Py_LE else np.equal if op == Py_EQ else
                       np.not_equal if op == Py_NE else np.greater if op == Py_GT else np.greater_equal)

    def __invert__(self):
        return result_from(np.invert(ndarray(self)))

    def __and__(a, b):
        return result_from(np.bitwise_and(plain(a), plain(b)))

    def __or__(a, b):
        return result_from(np.bitwise_or(plain(a), plain(b)))

    def __xor__(a, b):
        return result_from(np.bitwise_xor(plain(a), plain(b)))

    def __hash__(self):
        return <Py_ssize_t> (<size_t> <PyObject*> self >> 4)

    def __bool__(self):
        if self.arr.layout.size != 1:
            raise ValueError(f"the truth value of a tensor of shape {self.shape} is ambiguous; use any() or all()")
        return bool(number(self))

    def __float__(self):
        return float(one_number(self, "float"))

    def __int__(self):
        return int(number(self) if self.arr.layout.size == 1 else self.item())

    def __complex__(self):
        return complex(one_number(self, "complex"))

    def __index__(self):
        if self.arr.layout.dtype.kind not in "iu" or self.arr.layout.ndim:
            raise TypeError(f"only a 0-d integer tensor is an index, this one has shape {self.shape} and dtype "
                            f"{self.dtype}")
        return self.item()

    def __len__(self):
        if self.arr.layout.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.arr.layout.shape[0]

    def __getitem__(self, index):
        return operators.getitem(self, index)

    def __setitem__(self, index, value):
        operators.setitem(self, index, value)

    def __iter__(self):
        if self.arr.layout.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return map(self.__getitem__, range(self.arr.layout.shape[0]))      # one after the other: there may be many

    def __contains__(self, value):
        return bool((to_ndarray(self.arr) == plain(value)).any())

    def __repr__(self):
        text = np.array2string(to_ndarray(self.arr), separator=", ", prefix="tensor(")
        if self.arr.layout.dtype not in (np.float64, np.bool_, np.int64):
            text += f", dtype={self.arr.layout.dtype}"
        if self.node is not None:
            text += ", requires_grad=True" if self.is_leaf else f", grad_fn={self.node.prim.name}"
        return f"tensor({text})"

    def __format__(self, spec):
        return format(number(self) if self.arr.layout.size == 1 else self.item(), spec) if spec else repr(self)


def _new(cls, *args, **kwargs):
    raise TypeError(f"{cls.__name__}: make tensors with fastad.tensor(data) or fastad.from_numpy(array)")


install("__new__", staticmethod(_new))    # an object without an Array must not get into Python's hands


cdef Tensor cotangent(Tensor t, object gradient, str name):
    """The seed of a backward walk, checked."""
    cdef Tensor g
    if gradient is None:
        if t.arr.layout.size != 1:
            raise RuntimeError(f"{name}: the tensor has shape {t.shape}; give `gradient` (of that shape), or reduce it to one "
                               f"element, e.g. by sum()")
        g = wrap(empty(dense_as(t.arr.layout, t.arr.layout.dtype)))
        fill(g.arr, 1)
        return g
    g = as_tensor(gradient)
    if g.shape != t.shape:
        raise ValueError(f"{name}: gradient has shape {g.shape}, the tensor {t.shape}")
    if g.dtype != t.dtype:
        if not np.can_cast(g.dtype, t.dtype, "same_kind"):
            raise TypeError(f"{name}: gradient has dtype {g.dtype}, the tensor {t.dtype}")
        g = FUNCTIONS["astype"](g, t.dtype)
    return g
