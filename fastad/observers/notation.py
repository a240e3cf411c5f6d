"""Numbers, arrays and operations as text, for the rows of a trace.

Imports nothing of fastad.  Next: trace.py.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from .._core import tape

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@"}
WRITTEN = {"negative": "-{}", "square": "{} ** 2", "reciprocal": "1 / {}", "log": "ln {}"}



def number(x: Any, precision: int) -> str:
    if isinstance(x, np.bool_ | bool):
        return str(bool(x))
    if isinstance(x, complex | np.complexfloating):
        imaginary = number(x.imag, precision)
        return f"{number(x.real, precision)}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    if isinstance(x, int | np.integer):
        return str(x)
    if x == 0 or not np.isfinite(x):
        return f"{x:g}".replace("-0", "0")
    if 10.0**-precision <= abs(x) < 1e6:
        return np.format_float_positional(float(x), precision=precision, trim="-")
    return np.format_float_scientific(float(x), precision=precision, trim="-")


def text(value: Any, precision: int) -> str:
    """A value for a cell: a number, or an array's dtype, shape and first elements."""
    if value is None:
        return ""
    array = np.asarray(value)
    kind = "" if array.dtype in (np.float64, np.complex128, np.int64, np.bool_) else f"{array.dtype} "
    if array.ndim == 0:
        return kind + number(value, precision)
    numbers = [number(x, precision) for x in (array.flat if array.size <= 6 else array.flat[:3])]
    if array.size > 6:
        numbers += ["...", number(array.flat[-1], precision)]
    return f"{kind}{array.shape} {' '.join(numbers)}".rstrip()


def seed_text(value: npt.NDArray[Any], precision: int) -> str:
    """A seed for the head: one number if all elements are equal."""
    same = value.size and (value == value.flat[0]).all()
    return number(value.flat[0], precision) if same else text(value[()], precision)


def bar(label: str) -> str:
    return f"{label}bar" if label.isidentifier() else f"bar({label})"


def short(constant: npt.NDArray[Any]) -> str:
    """A constant inside an expression."""
    if constant.ndim == 0:
        return number(constant[()], 6)
    if constant.ndim == 1 and constant.size <= 4:
        return "[" + ", ".join(number(x, 6) for x in constant) + "]"
    return f"array{constant.shape}"


def static(value: Any) -> str:
    """An argument that is no tensor."""
    if isinstance(value, np.ndarray):
        return short(value)
    if isinstance(value, slice):
        ends = ["" if end is None else static(end) for end in (value.start, value.stop, value.step)]
        return ":".join(ends if ends[2] else ends[:2])
    if value is Ellipsis:
        return "..."
    if isinstance(value, tuple):
        return "(" + ", ".join(map(static, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, float | np.floating):
        return number(value, 6)
    return repr(value) if isinstance(value, str) else str(value)


def written(node: tape.Node, operands: list[str], part: int | None) -> str:
    """The expression of an operation: infix where it has a sign, ``name operand`` with one operand, else as a call.

    `part` is the number of the output, of one that has several."""
    statics: dict[int | str, Any] = dict(node.prim.statics(node))
    name = node.name
    if name in INFIX and len(operands) == 2:
        left, right = operands
        return f"{left} {INFIX[name]} {f'({right})' if right.startswith('-') else right}"
    if name in WRITTEN and len(operands) == 1:
        return WRITTEN[name].format(*operands)
    index = statics.pop("index", None)
    if name in ("getitem", "part") and index is not None:
        inside = ", ".join(map(static, index)) if isinstance(index, tuple) and index else static(index)
        return f"{operands[0]}[{inside}]"
    if index is not None:
        statics["index"] = index
    if len(operands) == 1 and not statics and part is None:
        return f"{name} {operands[0]}"
    extra = [static(value) if isinstance(key, int) else f"{key}={static(value)}" for key, value in statics.items()]
    return f"{name}({', '.join([*operands, *extra])})" + ("" if part is None else f"[{part}]")


def marked(cell: str) -> str:
    """A cell in Markdown, where a star or a bar would not be one."""
    for sign in "\\|*_<":
        cell = cell.replace(sign, "\\" + sign)
    return cell
