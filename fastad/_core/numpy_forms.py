"""The elementwise functions in NumPy's words, for the dtypes that have no kernels (float16, longdouble, complex, integers).

Imports the table of kernels.  Next: primitives/elementwise.pyx, which asks here.
"""
import numpy as np

from .kernels import rows


def floating(x):
    """Integers in the float dtype that NumPy's functions give them: unsigned ones have no negative."""
    return x if isinstance(x, float) or x.dtype.kind in "fc" else x.astype(np.result_type(x.dtype, np.float16))


def erf(x):
    try:
        from scipy.special import erf
    except ImportError:
        raise TypeError("erf: only float32 and float64 are compiled, and NumPy has no erf; "
                        "convert with astype, or install SciPy") from None
    wide = x if x.dtype.kind == "f" else x.astype(np.result_type(x, float))   # SciPy takes integers for float32
    return erf(wide).astype(x.dtype if x.dtype.kind in "fc" else float, copy=False)


# where neither NumPy has a function of the row's name nor the row's own text will do
NUMPY_FORMS = {
    "erf": erf,
    "sigmoid": lambda x: 1 / (1 + np.exp(-floating(x))),
    "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "logsigmoid": lambda x: -np.logaddexp(-floating(x), floating(x).dtype.type(0)),
    "silu": lambda x: x / (1 + np.exp(-floating(x))),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, x.dtype.type(0))),
    "gelu": lambda x: x * (1 + erf(x * 0.7071067811865476)) / 2,
    "gelu_tanh": lambda x: x / (1 + np.exp(-floating(x) * (1.5957691216057308 + 0.07135481627260025 * floating(x) * x))),
}


class Names(dict):
    """What a row's text names: its operands and parameters, else functions."""
    def __missing__(self, name):
        return {"pow": np.power, "R": float}.get(name) or numpy_form(name)


def numpy_form(name):
    """The NumPy function of a row, or the row's text over NumPy arrays."""
    if name in NUMPY_FORMS:
        return NUMPY_FORMS[name]
    if hasattr(np, name):
        return getattr(np, name)
    row = next(row for row in rows() if row["name"] == name)
    text, operands = row["value"], "x" if row["arity"] == 1 else "ab"
    code = compile(text, f"<value of {name}>", "eval")

    def form(*arguments):
        arguments = [floating(a) if "-" in text else a for a in arguments]
        return eval(code, {"__builtins__": {}}, Names(zip((*operands, "p0", "p1"), arguments, strict=False)))
    return form


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
