"""Level 4: the public functions of the elementwise rows: their names, aliases and documentation, which the table gives.

Imports elementwise.  Next: select.pyx.
"""
import numpy as np

from ..tensor cimport Tensor, as_tensor
from ..tensor import FUNCTIONS, install, register
from .elementwise cimport Binary, Unary, binary, divide, elementwise1, power
from .elementwise import PRIMITIVES as ROWS, TABLE

cdef Binary POWER = ROWS["power"], DIVIDE = ROWS["divide"]


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


NOTES = {"abs": "\n\n    Of complex numbers it is real: ``vjp(g) = g * conj(x) / abs(x)``, ``jvp(t) = real(t * conj(x) / abs(x))``, 0 at 0."}


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

        {rules}{NOTES.get(name, "")}

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
PARAMETRIC = ("leaky_relu", "elu", "clip", "huber", "gelu", "gelu_tanh", "bce", "bce_with_logits")

for _row in TABLE:
    _name = _row["name"]
    if _name in PARAMETRIC:
        continue
    _f = _unary_function(ROWS[_name]) if _row["arity"] == 1 else _binary_function(ROWS[_name])
    _ufunc = getattr(np, _name, None)
    register(_name, _document(_f, _name, _row), method=_row["arity"] == 1 and _name != "negative",
             ufunc=_ufunc if isinstance(_ufunc, np.ufunc) else None)
    for _alias in ALIASES.get(_name, ()):
        register(_alias, _f)
install("pow", FUNCTIONS["power"])


cdef double number(str name, object value) except? -1:
    """A parameter of a row, which is a constant."""
    if isinstance(value, Tensor) and (<Tensor> value).node is not None:
        raise TypeError(f"{name}: there is no derivative by its parameter; use where(x > 0, x, slope * x), or pass a.detach()")
    return value


def leaky_relu(x, negative_slope=0.01):
    """x for x > 0, else negative_slope * x; the derivative at 0 is negative_slope.

    Examples
    --------
    >>> import fastad
    >>> fastad.leaky_relu(fastad.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return (<Unary> ROWS["leaky_relu"]).apply(as_tensor(x), (number("leaky_relu", negative_slope),))


def elu(x, alpha=1.0):
    """x for x > 0, else alpha * (exp(x) - 1).

    Examples
    --------
    >>> import fastad
    >>> fastad.elu(fastad.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return (<Unary> ROWS["elu"]).apply(as_tensor(x), (number("elu", alpha),))


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


def huber(x, delta):
    """x^2 / 2 where abs(x) <= delta, else delta (abs(x) - delta / 2): what the losses of Huber are made of."""
    return (<Unary> ROWS["huber"]).apply(as_tensor(x), (number("huber", delta),))


for _f in (leaky_relu, elu, gelu):
    register(_f.__name__, _f)
