"""Every row of csrc/rows.def where floating point is hard: 0, large arguments, infinities, NaN, kinks.

The oracle is mpmath: the function in 100 digits and its derivatives by differences; an infinity stands for the limit,
which is read off at 1e30.  What has a kink is listed by hand.
"""
import re
from functools import cache

import numpy as np
import pytest
from oracle import MATH, mp
from samples.elementwise import FASTAD, NUMPY

import fastad as fa
from fastad._core import make as core
from fastad._core.kernels import rows

ROWS = {row["name"]: row for row in rows()}
UNARY = sorted(n for n, row in ROWS.items() if row["arity"] == 1)
BINARY = sorted(n for n, row in ROWS.items() if row["arity"] == 2)
FLOATS = [np.float32, np.float64]
TOLERANCE = {np.float32: 2e-6, np.float64: 4e-15}
POINTS = [0.0, 0.5, -0.375, 1.75, -2.5, 3.0, 7.0, 100.0, -100.0, 1e4, -1e4, np.inf, -np.inf]
HUGE = mp.mpf(10) ** 30

both = pytest.mark.parametrize("dtype", FLOATS, ids=["f32", "f64"])
pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")

# no limit at infinity
OSCILLATES = {"sin", "cos", "tan"}
# first derivative at a kink or at the end of the domain; the second is then checked to be no NaN at a kink only
AT_ZERO = {"abs": 0, "sign": 0, "sqrt": np.inf, "reciprocal": -np.inf, "log": np.inf, "log2": np.inf, "log10": np.inf,
           "relu": 0, "relu6": 0, "leaky_relu": 0.125, "elu": 1.5}
DOMAIN_ENDS = {"sqrt", "reciprocal", "log", "log2", "log10"}


def test_every_row_has_a_formula():
    assert set(MATH) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_the_text_is_c_and_python(name):
    """Nothing that C and Python read differently."""
    for text in (ROWS[name]["value"], *ROWS[name]["vjp"]):
        assert not re.search(r"&&|\|\||\?|\*\*|//|!(?!=)", text)
        assert not re.search(r"(?<![\w.])\d+\s*/\s*\d+(?![\w.])", text), "a quotient of integers"
        assert not re.search(r"\d\.\d", re.sub(r"R\([\d.e+-]+\)", "", text)), "a decimal outside R()"
        compile(text, name, "eval")


@cache
def limits(name, point, wrt=0):
    """(value, first, second derivative) in mathematics, each a float or None where there is none."""
    point = [HUGE * (1 if p > 0 else -1) if np.isinf(p) else mp.mpf(p) for p in point]

    def along(t):
        moved = list(point)
        moved[wrt] = t
        return MATH[name](*moved)

    def number(order):
        # a step that is small beside the point yet leaves digits, also at 1e30
        h = mp.mpf(10) ** -24 * max(1, abs(point[wrt]))
        try:
            t = point[wrt]
            v = (along(t) if order == 0 else (along(t + h) - along(t - h)) / (2 * h) if order == 1 else
                 (along(t + h) - 2 * along(t) + along(t - h)) / h ** 2)
        except (ValueError, ZeroDivisionError):
            return None
        if isinstance(v, mp.mpc) or not mp.isfinite(v):
            return None
        big = any(abs(p) == HUGE for p in point)
        if big and abs(v) > 1e14:
            return float("inf") if v > 0 else -float("inf")
        return 0.0 if big and abs(v) < 1e-14 else float(v)
    return number(0), number(1), number(2)


def function(name):
    return FASTAD.get(name) or getattr(fa, name)


def evaluate(name, dtype, *point):
    """value, raw and traced first derivatives (one for each argument), second derivatives by the same argument."""
    xs = [fa.tensor(np.array(p, dtype), requires_grad=True) for p in point]
    y = function(name)(*xs)
    raw = core.gradients([y], xs, [None], True, False)
    traced = core.gradients([y], xs, [None], True, True)
    second = [core.gradients([t], [x], [None], True, False)[0] if t.requires_grad else None
              for t, x in zip(traced, xs, strict=True)]
    for t in [y, *raw, *traced, *[s for s in second if s is not None]]:
        assert t.dtype == dtype, f"{name}: a constant promoted {np.dtype(dtype)} to {t.dtype}"
    return y.item(), [r.item() for r in raw], [t.item() for t in traced], [0.0 if s is None else s.item() for s in second]


def agree(found, expected, dtype, what, factor=1):
    expected = dtype(expected)             # overflow and underflow as the dtype has them
    np.testing.assert_allclose(found, expected, rtol=factor * TOLERANCE[dtype], atol=factor * TOLERANCE[dtype], err_msg=what)


@pytest.mark.parametrize("name", UNARY)
@both
def test_unary(name, dtype):
    for x in POINTS:
        what = f"{name} at {x}"
        value, (raw,), (traced,), (second,) = evaluate(name, dtype, x)
        if np.isinf(x) and name in OSCILLATES:
            assert np.isnan(value)
            continue
        f, df, ddf = limits(name, (x,))
        if f is None or (np.isinf(x) and hasattr(np, name)):       # NumPy decides about poles and what lies outside
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(value, NUMPY.get(name, getattr(np, name, None))(dtype(x)), err_msg=what)
        else:
            agree(value, f, dtype, what)
        if np.isnan(value):
            continue
        # a denormal e^-100 has lost digits, and the text multiplies it by x
        np.testing.assert_allclose(raw, traced, rtol=2 * TOLERANCE[dtype], atol=128 * np.finfo(dtype).smallest_subnormal,
                                   err_msg=f"{what}: raw against traced")
        if x == 0 and name in AT_ZERO:
            assert raw == dtype(AT_ZERO[name]), what
            assert name in DOMAIN_ENDS or np.isfinite(second), what
            continue
        assert df is not None, what
        agree(raw, df, dtype, f"{what}: first derivative", 4)
        agree(second, ddf, dtype, f"{what}: second derivative", 60)


@pytest.mark.parametrize("name", UNARY)
@both
def test_unary_keeps_nan(name, dtype):
    value, (raw,), (traced,), _ = evaluate(name, dtype, np.nan)
    assert np.isnan(value)
    np.testing.assert_array_equal(raw, traced)


@pytest.mark.parametrize("name", BINARY)
@both
def test_binary_keeps_nan(name, dtype):
    for a, b in ((np.nan, 0.5), (0.5, np.nan), (np.nan, np.nan)):
        if name == "bce" or (name == "bce_with_logits" and np.isnan(b)):
            with pytest.raises(ValueError, match="probability"):
                function(name)(fa.tensor(dtype(a)), fa.tensor(dtype(b)))
            continue
        value, raw, traced, _ = evaluate(name, dtype, a, b)
        assert np.isnan(value)
        np.testing.assert_array_equal(raw, traced)


def pairs(name):
    if name == "bce":
        return [(a, b) for a in (0.125, 0.5, 0.875) for b in (0.0, 0.25, 1.0)]
    if name == "bce_with_logits":
        return [(a, b) for a in POINTS for b in (0.25, 0.5, 0.75)]
    numbers = [-1e4, -100.0, -2.5, 0.5, 1.75, 100.0, 1e4]
    if name == "power":
        return [(a, b) for a in (0.5, 1.75, 3.0) for b in (-2.5, 0.5, 2.0, 3.0)] + [
            (a, b) for a in (-2.5, -0.5) for b in (-3.0, -1.0, 1.0, 2.0, 3.0)]
    found = [(a, b) for a in numbers for b in numbers if a != b or name not in ("maximum", "minimum")]
    if name != "arctan2":
        found += [(0.0, b) for b in numbers]
    return found + [(a, b) for a in (np.inf, -np.inf) for b in (0.5, -100.0)] + [
        (b, a) for a in (np.inf, -np.inf) for b in (0.5, -100.0)]


@pytest.mark.parametrize("name", BINARY)
@both
def test_binary(name, dtype):
    for a, b in pairs(name):
        what = f"{name} at {a}, {b}"
        value, raw, traced, second = evaluate(name, dtype, a, b)
        f = limits(name, (a, b))[0]
        if np.isinf(a) or np.isinf(b):
            with np.errstate(all="ignore"):
                f = NUMPY.get(name, getattr(np, name, None))(dtype(a), dtype(b))
        agree(value, f, dtype, what)
        np.testing.assert_allclose(raw, traced, rtol=2 * TOLERANCE[dtype], atol=0, err_msg=f"{what}: raw against traced")
        for i in range(2):
            if name == "power" and i == 1 and a < 0:
                continue                   # no derivative by the exponent: the logarithm of a negative number
            _, df, ddf = limits(name, (a, b), i)
            agree(raw[i], df, dtype, f"{what}: derivative by argument {i}", 8)
            agree(second[i], ddf, dtype, f"{what}: second derivative by argument {i}", 200)


# ---- limits that one formula cannot show, and the conventions -----------------------------------------
@both
@pytest.mark.parametrize("name, slopes", [
    ("relu", (0, 1)), ("relu6", (0, 0)), ("leaky_relu", (0.125, 1)), ("elu", (0, 1)), ("silu", (0, 1)), ("mish", (0, 1)),
    ("gelu", (0, 1)), ("gelu_tanh", (0, 1)), ("softplus", (0, 1)), ("sigmoid", (0, 0)), ("tanh", (0, 0)),
    ("logsigmoid", (1, 0)), ("erf", (0, 0)), ("clip", (0, 0)), ("huber", (-1.5, 1.5))])
def test_slopes_far_out(name, slopes, dtype):
    for size in (1e4, 1e30, np.inf):
        for x, slope in zip((-size, size), slopes, strict=True):
            _, (raw,), (traced,), (second,) = evaluate(name, dtype, x)
            assert raw == traced == dtype(slope), f"{name}'({x}) = {raw}, {traced}"
            assert abs(second) < 1e-7, f"{name}''({x}) = {second}"


@both
def test_logaddexp_and_bce_far_out(dtype):
    for a, b, da in ((np.inf, 0, 1), (-np.inf, 0, 0), (0, np.inf, 0), (0, -np.inf, 1), (1e4, -1e4, 1)):
        _, raw, traced, _ = evaluate("logaddexp", dtype, a, b)
        assert raw == traced == [da, 1 - da], (a, b)
    for a in (np.inf, -np.inf):            # the slopes of equal infinities have no limit
        assert evaluate("logaddexp", dtype, a, a)[0] == a
    for size in (1e4, np.inf):
        assert evaluate("bce_with_logits", dtype, size, 0.0)[1][0] == 1
        assert evaluate("bce_with_logits", dtype, -size, 1.0)[1][0] == -1
        for a, b in ((size, 1.0), (-size, 0.0)):
            value, raw, traced, _ = evaluate("bce_with_logits", dtype, a, b)
            assert raw[0] == traced[0] == 0, f"certain and right at {a}"
            assert value == (0 if np.isinf(a) else dtype(np.exp(-size)))
    for a, b in ((0.0, 0.0), (1.0, 1.0)):
        value, raw, _, _ = evaluate("bce", dtype, a, b)
        assert value == 0 and np.isfinite(raw[0])
    assert evaluate("bce", dtype, 0.0, 1.0)[0] == 100


@both
@pytest.mark.parametrize("name, point, slope", [
    ("abs", 0.0, 0), ("abs", -0.0, 0), ("relu", 0.0, 0), ("relu", -0.0, 0), ("relu6", 0.0, 0), ("relu6", 6.0, 0),
    ("leaky_relu", 0.0, 0.125), ("clip", -1.5, 1), ("clip", 2.5, 1), ("clip", 2.75, 0), ("sign", 0.0, 0)])
def test_kinks(name, point, slope, dtype):
    _, (raw,), (traced,), (second,) = evaluate(name, dtype, point)
    assert raw == traced == dtype(slope) and second == 0


@both
@pytest.mark.parametrize("name, pick", [("maximum", max), ("minimum", min)])
def test_ties_share_and_nan_wins(name, pick, dtype):
    for p in (0.0, 3.0, np.inf, -np.inf):
        _, raw, traced, second = evaluate(name, dtype, p, p)
        assert raw == traced == [0.5, 0.5] and second == [0, 0]
    for a, b in ((1.0, 2.0), (-np.inf, 0.0), (np.inf, 0.0)):
        value, raw, traced, _ = evaluate(name, dtype, a, b)
        assert value == pick(a, b) and raw == traced == [float(value == a), float(value == b)]
    for a, b, expected in ((np.nan, 1.0, [1, 0]), (1.0, np.nan, [0, 1]), (np.nan, np.nan, [0, 1])):
        _, raw, traced, _ = evaluate(name, dtype, a, b)
        assert raw == traced and sum(raw) == 1, f"{(a, b)}: the gradient goes to one operand, got {raw}"
        if not (np.isnan(a) and np.isnan(b)):
            assert raw == expected, (a, b)


@both
@pytest.mark.parametrize("a, b, da, db", [
    (0.0, 0.0, 0, 0), (2.0, 0.0, 0, np.log(2)), (0.0, 2.0, 0, 0), (0.0, 1.0, 1, 0), (0.0, 0.5, np.inf, 0), (0.0, 3.0, 0, 0),
    (-2.0, 3.0, 12, None), (-2.0, 2.0, -4, None), (-2.0, -1.0, -0.25, None), (-2.0, 0.0, 0, None), (-2.0, 1.0, 1, None)])
def test_power(a, b, da, db, dtype):
    value, raw, traced, _ = evaluate("power", dtype, a, b)
    assert value == np.power(dtype(a), dtype(b))
    agree(raw[0], da, dtype, f"d/da {a}**{b}")
    agree(traced[0], da, dtype, f"traced d/da {a}**{b}")
    if db is not None:
        agree(raw[1], db, dtype, f"d/db {a}**{b}")
        agree(traced[1], db, dtype, f"traced d/db {a}**{b}")
    x = fa.tensor(dtype(a), requires_grad=True)
    for exponent in (b, int(b)) if b == int(b) else (b,):     # a Python number may take a cheaper primitive
        y = x ** exponent
        g, = core.gradients([y], [x], [None], True, False)
        agree(g.item(), da, dtype, f"{a} ** {exponent!r}")
        assert y.dtype == g.dtype == dtype


@both
def test_zero_to_the_zero_in_arrays(dtype):
    x = fa.tensor(np.array([0.0, 2.0, -3.0], dtype), requires_grad=True)
    (x ** 0).sum().backward()
    assert x.grad.tolist() == [0, 0, 0] and x.grad.dtype == dtype


@both
def test_tensor_bounds_of_clip(dtype):
    """An element at an edge keeps its whole gradient, whether bounds are numbers or arrays."""
    for lo, hi in ((-1, 2), (np.array([-1, -1, -1], dtype), np.array([2, 2, 2], dtype)), (None, 2), (-1, None)):
        x = fa.tensor(np.array([-1, 2, 0.5], dtype), requires_grad=True)
        fa.clip(x, lo, hi).sum().backward()
        assert x.grad.tolist() == [1, 1, 1] and x.grad.dtype == dtype
    x = fa.tensor(np.array([np.nan, -9, 9], dtype), requires_grad=True)
    y = fa.clip(x, -1, 2)
    assert np.isnan(y[0].item()) and y[1:].tolist() == [-1, 2]
