"""Level 4: functions without derivatives: comparisons, tests, positions, rounding.  Most run in NumPy; all return
tensors that are cut off the tape (the derivative is zero almost everywhere, or there is none).

Imports the table of functions.  Next: creation.py, one folder up.
"""
import numpy as np

from ..make import from_numpy, tensor
from ..tensor import Tensor, checked, numbers, register
from .extreme import position


def plain(x):
    """A tensor's numbers as a NumPy array; anything else as it is."""
    return numbers(x) if isinstance(x, Tensor) else x


def wrapped(result):
    result = np.asarray(result)
    return from_numpy(result) if result.dtype.isnative else tensor(result)     # round keeps the order of the bytes


def document(function, name, text):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text}  As ``numpy.{name}``; the result has no derivative.

    Parameters
    ----------
    Those of ``numpy.{name}``; `out` and `where` are not supported.

    Returns
    -------
    Tensor, or what ``numpy.{name}`` returns where that is no array.

    Raises
    ------
    What ``numpy.{name}`` raises.

    Examples
    --------
    >>> import fastad
    >>> {EXAMPLES[name]}
    """
    return function


def number(name, x):
    """An operand for NumPy, which would also take text and objects; Python scalars stay weak."""
    if isinstance(x, Tensor) or type(x) in (bool, int, float, complex):
        return plain(x)
    return checked(name, x)


def through_numpy(name):
    numpy_function = getattr(np, name)
    operands = numpy_function.nin if isinstance(numpy_function, np.ufunc) else 2 if name in PAIRS else 1

    def function(*args, **kwargs):
        for unsupported in ("out", "where"):
            given = kwargs.pop(unsupported, None)
            if given is not None and given is not True:
                raise TypeError(f"{name}: {unsupported}= is not supported")
        args = [number(name, x) if i < operands else plain(x) for i, x in enumerate(args)]
        try:
            result = numpy_function(*args, **{k: plain(v) for k, v in kwargs.items()})
        except (TypeError, ValueError) as error:
            kind = next(k for k in (np.exceptions.AxisError, ValueError, TypeError) if isinstance(error, k))
            raise kind(f"{name}: {error}") from None
        if isinstance(result, tuple):
            return tuple([wrapped(r) if isinstance(r, np.ndarray) else r for r in result])
        return wrapped(result) if isinstance(result, (np.ndarray, np.generic)) and name not in PYTHON_RESULTS else result
    return function


def positions(name):
    """argmax or argmin: compiled for the tensors that have kernels."""
    general = through_numpy(name)

    def function(*args, **kwargs):
        compiled = 0 < len(args) < 3 and isinstance(args[0], Tensor) and not kwargs.keys() - {"axis", "keepdims"}
        found = position(name, *args, **kwargs) if compiled else None
        return general(*args, **kwargs) if found is None else found
    return function


COMPARISONS = {"equal": "a == b", "not_equal": "a != b", "less": "a < b", "less_equal": "a <= b", "greater": "a > b",
               "greater_equal": "a >= b", "logical_and": "a and b", "logical_or": "a or b",
               "logical_xor": "a or b, but not both"}
BITS = {"bitwise_and": "a & b", "bitwise_or": "a | b", "bitwise_xor": "a ^ b", "invert": "~a"}
TESTS = {"isnan": "Where x is NaN", "isinf": "Where x is infinite", "isfinite": "Where x is a finite number",
         "logical_not": "Where x is 0", "signbit": "Where the sign bit is set"}
ROUNDING = {"floor": "The largest integer that is not above x", "ceil": "The smallest integer that is not below x",
            "trunc": "x without its fraction", "rint": "The nearest integer; of two, the even one"}
OTHERS = {"argmax": "The index of the largest element, over the flattened array or an axis; the first of several",
          "argmin": "The index of the smallest element, over the flattened array or an axis; the first of several",
          "any": "Whether an element is not 0, over all axes or those named",
          "all": "Whether no element is 0, over all axes or those named",
          "nonzero": "The indices of the elements that are not 0, one array for each axis",
          "round": "Rounded to a number of decimals, halves to even",
          "isclose": "Where two arrays are equal within a tolerance",
          "allclose": "Whether two arrays are equal within a tolerance",
          "array_equal": "Whether two arrays have the same shape and elements",
          "shape": "The lengths of the axes", "ndim": "The number of axes",
          "size": "The number of elements, or along an axis"}
METHODS = ("argmax", "argmin", "any", "all", "nonzero", "round")
PAIRS = ("isclose", "allclose", "array_equal")
PYTHON_RESULTS = ("shape", "ndim", "size", "allclose", "array_equal")
EXAMPLES = {
    **{name: f"fastad.{name}(fastad.tensor([0.0, 1.0]), 1.0).tolist()\n    {result}" for name, result in zip(COMPARISONS, (
        [False, True], [True, False], [True, False], [True, True], [False, False], [False, True], [False, True],
        [True, True], [True, False]), strict=False)},
    **{name: f"fastad.{name}(fastad.tensor([6, 5]), 3).tolist()\n    {result}" for name, result in zip(BITS, (
        [2, 1], [7, 7], [5, 6]), strict=False)},
    "invert": "fastad.invert(fastad.tensor([True, False])).tolist()\n    [False, True]",
    **{name: f"fastad.{name}(fastad.tensor([0.0, 1.0])).tolist()\n    {result}" for name, result in zip(TESTS, (
        [False, False], [False, False], [True, True], [True, False], [False, False]), strict=False)},
    **{name: f"fastad.{name}(fastad.tensor([-1.5, 2.5])).tolist()\n    {result}" for name, result in zip(ROUNDING, (
        [-2.0, 2.0], [-1.0, 3.0], [-1.0, 2.0], [-2.0, 2.0]), strict=False)},
    "argmax": "fastad.argmax(fastad.tensor([1.0, 3.0, 2.0])).item()\n    1",
    "argmin": "fastad.argmin(fastad.tensor([1.0, 3.0, 2.0])).item()\n    0",
    "any": "fastad.any(fastad.tensor([0.0, 1.0])).item()\n    True",
    "all": "fastad.all(fastad.tensor([0.0, 1.0])).item()\n    False",
    "nonzero": "fastad.nonzero(fastad.tensor([0.0, 1.0]))\n    (tensor([1]),)",
    "round": "fastad.round(fastad.tensor([1.234]), 1)\n    tensor([1.2])",
    "isclose": "fastad.isclose(fastad.tensor([1.0, 2.0]), 1.0).tolist()\n    [True, False]",
    "allclose": "fastad.allclose(fastad.tensor([1.0, 2.0]), 1.0)\n    False",
    "array_equal": "fastad.array_equal(fastad.tensor([1.0]), [1.0])\n    True",
    "shape": "fastad.shape(fastad.tensor([1.0, 2.0]))\n    (2,)",
    "ndim": "fastad.ndim(fastad.tensor([1.0, 2.0]))\n    1",
    "size": "fastad.size(fastad.tensor([1.0, 2.0]))\n    2",
}

for _name, _text in {**COMPARISONS, **BITS, **TESTS, **ROUNDING, **OTHERS}.items():
    _ufunc = getattr(np, _name)
    _function = (positions if _name in ("argmax", "argmin") else through_numpy)(_name)
    register(_name, document(_function, _name, f"{_text}."), method=_name in METHODS,
             ufunc=_ufunc if isinstance(_ufunc, np.ufunc) else None)
