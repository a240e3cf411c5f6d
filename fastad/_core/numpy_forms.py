"""The elementwise functions in NumPy's words, for the dtypes that have no kernels (float16, longdouble, complex, integers).

Imports NumPy only.  Next: primitives/elementwise.pyx, which asks here.
"""
import numpy as np


def floating(x):
    """Integers in the float dtype that NumPy's functions give them: unsigned ones have no negative."""
    return x if x.dtype.kind in "fc" else x.astype(np.result_type(x.dtype, np.float16))


def bce_with_logits(a, b):
    loss = np.where(a > 0, np.where(b == 1, 0, a * (1 - b)), np.where(b == 0, 0, -a * b))
    return loss + np.log1p(np.exp(-np.abs(a)))


# dtypes without kernels take NumPy's function, or the same formula in NumPy's
NUMPY_FORMS = {
    "power": np.power,
    "sigmoid": lambda x: 1 / (1 + np.exp(-floating(x))),
    "softplus": lambda x: np.logaddexp(x, x.dtype.type(0)),
    "logsigmoid": lambda x: -np.logaddexp(-floating(x), floating(x).dtype.type(0)),
    "relu": lambda x: np.where(x <= 0, x.dtype.type(0), x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x, p0: np.where(x <= 0, x * p0, x),
    "elu": lambda x, p0: np.where(x <= 0, p0 * np.expm1(np.minimum(x, 0)), x),
    "silu": lambda x: x / (1 + np.exp(-floating(x))),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, x.dtype.type(0))),
    "gelu_tanh": lambda x: x / (1 + np.exp(-floating(x) * (1.5957691216057308 + 0.07135481627260025 * floating(x) * x))),
    "clip": lambda x, p0, p1: np.clip(x, p0, p1),
    "bce": lambda a, b: -(b * np.maximum(np.log(a), -100) + (1 - b) * np.maximum(np.log1p(-a), -100)),
    "bce_with_logits": lambda a, b: bce_with_logits(floating(a), floating(b)),
}


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

        def same(x):                      # SciPy takes integers, and float16, for float32
            wide = x if x.dtype.kind == "f" else x.astype(np.result_type(x, float))
            return erf(wide).astype(x.dtype if x.dtype.kind in "fc" else float, copy=False)
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
