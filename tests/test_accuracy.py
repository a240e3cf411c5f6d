"""How far values and derivatives lie from mathematics, in units in the last place (ULP), over the whole domain.

The points are uniform over the bit patterns of the dtype (both signs, every exponent, denormals), uniform over the
ranges where functions bend or overflow, dense around what is hard (zeros, poles, thresholds, the seams of the
implementation), and the special values.  The oracle is mpmath for both dtypes.  A denormal result is measured in steps
of the denormals.  FASTAD_ACCURACY sets the number of points of each kind; `python tests/test_accuracy.py [points]`
prints the largest error of each function and where it stands, with --markdown as the page docs/accuracy.md.
"""
import os
import sys

import numpy as np
import pytest
from oracle import MATH, derivative, mp
from samples.elementwise import FASTAD, NUMPY

import fastad as fa
from fastad._core.kernels import isa, rows

POINTS = int(os.environ.get("FASTAD_ACCURACY", 25))
ROWS = {row["name"]: row for row in rows()}
UNARY = [n for n, row in ROWS.items() if row["arity"] == 1]
BINARY = [n for n, row in ROWS.items() if row["arity"] == 2]
FLOATS = {"f32": np.float32, "f64": np.float64}
both = pytest.mark.parametrize("dtype", FLOATS.values(), ids=FLOATS)

# logaddexp crosses zero where its two terms, the larger argument and log(1 + e^-|a - b|), cancel; the relative error
# there is unbounded in one precision, so for a larger argument from -0.7 to 0 the steps are those of that argument
EXACT = ("negative", "abs", "sign", "relu", "relu6", "clip", "maximum", "minimum")
ROUNDED_ONCE = ("square", "sqrt", "reciprocal", "leaky_relu", "add", "subtract", "multiply", "divide")
COMPOSITE = ("elu", "huber", "silu", "mish", "gelu", "gelu_tanh", "logaddexp", "bce", "bce_with_logits")
BOUND = dict.fromkeys(EXACT, 0) | dict.fromkeys(ROUNDED_ONCE, 0.5) | dict.fromkeys(COMPOSITE, 4)
BASE = 2.5                                 # every other row
PIECEWISE = (*EXACT, "leaky_relu", "add", "subtract")     # slopes that are constants; test_rows.py has them

# zeros, poles, thresholds of overflow and underflow, and where the kernels change from one formula to another
HARD = [1, .5, 2, 3, 4, 6, 15, 22, 40, 2**-.5, 2**.5 - 1, 2**.5 + 1, 2**.5, .82, .55, 1.5, np.pi / 2, np.pi, 22 / 7, 355, np.log(2),
        np.log(2) / 2, 1.5 * np.log(2), 10 * np.log(2), 2.0**-13, 2.0**-26, 2.0**-28, 2.0**-56, 2.0**28, 2.0**60, 2.0**63, 2.0**64,
        20, 88.7228, 89.4159, 89.5, 103.97, 104, 87.3365, 120, 126, 127, 128, 149, 150, 709.7827, 710.4758, 745.1332, 746, 708.3964,
        760, 1022, 1024, 1074, 1075, 5.5, 9.35, 10.06, 13.2, 14.4, 37.6, 38.5, 10.5, 21.2, 1e9, 2.0**30, 1.84e19, 1.34e154,
        1e6, 5 * np.pi / 2, 113 * np.pi, 1001 * np.pi / 4, 524_287 * np.pi / 2, 636_619 * np.pi / 2, 2.0**63 * np.pi]


def specials(dtype):
    f = np.finfo(dtype)
    some = [0, np.inf, f.max, f.tiny, f.smallest_subnormal, 3 * f.smallest_subnormal, f.tiny * .75, 1, np.nextafter(f.max, dtype(0))]
    return np.array([*some, *(-np.array(some, dtype)), np.nan], dtype)


def points(dtype, count, seed=0):
    rng = np.random.default_rng(seed)
    f, bits = np.finfo(dtype), np.uint32 if dtype == np.float32 else np.uint64
    far = 152 if dtype == np.float32 else 1080
    with np.errstate(over="ignore"):
        hard = np.array(HARD, dtype)
    hard = hard[np.isfinite(hard)]
    hard = rng.permutation(np.concatenate([hard, -hard]))
    near = rng.choice(hard, 4 * count)
    steps = rng.integers(-3, 4, near.size) * rng.choice([1, 1, 50, 1e4], near.size) * f.eps
    return np.concatenate([
        specials(dtype), hard[:8 * count], near * (1 + steps).astype(dtype),
        rng.integers(0, np.iinfo(bits).max, 6 * count, dtype=bits, endpoint=True).view(dtype),
        rng.integers(0, 2**f.nmant, count, dtype=bits).view(dtype) * rng.choice(np.array([-1, 1], dtype), count),
        *(rng.uniform(-r, r, n * count).astype(dtype) for r, n in ((1, 4), (4, 4), (16, 4), (far, 4))),
        (rng.choice([-1, 1], 4 * count) * np.exp2(rng.uniform(-30, 11, 4 * count))).astype(dtype)])


def point_pairs(name, dtype, count, seed=0):
    rng = np.random.default_rng(seed + 1)
    a = points(dtype, count, seed)
    b = rng.permutation(points(dtype, count, seed + 2))
    if name.startswith("bce"):
        b = np.abs(rng.choice(np.concatenate([rng.uniform(0, 1, a.size), 2.0**rng.uniform(-60, 0, a.size),
                                              1 - 2.0**rng.uniform(-60, 0, a.size), [0.0, 1.0] * count]), a.size)).astype(dtype)
        a = a if name == "bce_with_logits" else rng.permutation(np.concatenate([np.abs(a[np.abs(a) <= 1]), b]))[:b.size]
        b = b[:a.size]
        return a[~np.isnan(a)], b[~np.isnan(a)]
    with np.errstate(all="ignore"):
        if name == "logaddexp":            # nearer to each other
            k = rng.random(a.size) < .6
            b[k] = (a[k] + rng.normal(0, 8, k.sum())).astype(dtype)
        if name == "power":                # most pairs overflow otherwise
            k = rng.random(a.size) < .7
            b[k] = (rng.uniform(-1, 1, k.sum()) * np.finfo(dtype).maxexp / np.log2(np.abs(a[k].astype(float)) + 1e-300)).astype(dtype)
            k = rng.random(a.size) < .3
            b[k] = np.rint(b[k])
    grid = rng.permutation(np.array(np.meshgrid(specials(dtype), specials(dtype)), dtype).reshape(2, -1), axis=1)[:, :10 * count]
    return np.concatenate([a, grid[0]]), np.concatenate([b, grid[1]])


def ulps(found, true, dtype, at_least=0):
    """The distance of a number of the dtype from an mpf in steps of the dtype at the latter, or at `at_least` if larger."""
    f = np.finfo(dtype)
    if np.isnan(found) or mp.isnan(true):
        return 0.0 if np.isnan(found) and mp.isnan(true) else np.inf
    if mp.isinf(true):
        return 0.0 if found == float(true) else np.inf
    if true == 0:
        return abs(float(found)) / float(f.smallest_subnormal)
    exponent = min(max(mp.mag(max(abs(true), mp.mpf(float(at_least)))) - 1, f.minexp), f.maxexp - 1)
    if np.isinf(found):                    # as if the exponents went on
        found = mp.ldexp(1 if found > 0 else -1, f.maxexp)
        true = max(min(true, mp.ldexp(1, f.maxexp)), -mp.ldexp(1, f.maxexp))
    return float(abs(mp.mpf(found if isinstance(found, mp.mpf) else float(found)) - true) / mp.ldexp(1, exponent - f.nmant))


def exact(name, point):
    """The value in mathematics; NumPy decides where that is a matter of convention: at a pole, at infinity, NaN."""
    if all(np.isfinite(p) for p in point) and not (name == "arctan2" and 0 in point):
        try:
            true = MATH[name](*[mp.mpf(float(p)) for p in point])
            if isinstance(true, mp.mpc):
                return mp.nan
            if mp.isfinite(true):
                return true
        except (ValueError, ZeroDivisionError):
            pass
    if name in LIMITS and not np.isnan(point[0]):
        return mp.mpf(LIMITS[name][int(point[0] > 0)]) if np.isinf(point[0]) else mp.mpf(0)
    with np.errstate(all="ignore"):
        return mp.mpf(float(NUMPY.get(name, getattr(np, name, None))(*[np.float64(p) for p in point])))


# at -inf and inf, where NumPy has no function of that name
LIMITS = {"sigmoid": (0, 1), "softplus": (0, np.inf), "logsigmoid": (-np.inf, 0), "silu": (0, np.inf), "mish": (0, np.inf),
          "gelu": (0, np.inf), "gelu_tanh": (0, np.inf), "elu": (-1.5, np.inf), "erf": (-1, 1), "huber": (np.inf, np.inf)}


def function(name):
    return FASTAD.get(name) or getattr(fa, name)


def values(name, arrays):
    """The function at every point, once in the vector loop and once one element at a time: the loop's remainder."""
    ts = [fa.tensor(a) for a in arrays]
    y = function(name)(*ts).numpy()
    some = slice(0, None, 7)
    alone = np.array([function(name)(*[fa.tensor(v) for v in vs]).item() for vs in zip(*[a[some] for a in arrays], strict=True)], y.dtype)
    return y, alone, some


def worst(name, dtype, arrays, found):
    """(largest error, where)"""
    largest, where = 0.0, None
    for y, *point in zip(found, *arrays, strict=True):
        true = exact(name, point)
        step = -max(point) if name == "logaddexp" and -0.7 < max(point) < 0 else 0
        error = ulps(y, true, dtype, step)
        if y == 0 and true != 0 and np.signbit(y) != (true < 0):
            error = np.inf                 # underflow keeps the sign
        if error > largest:
            largest, where = error, tuple(float(p) for p in point)
    return largest, where


def measured(name, dtype, count):
    arrays = (points(dtype, count),) if ROWS[name]["arity"] == 1 else point_pairs(name, dtype, count)
    y, alone, some = values(name, arrays)
    assert y.dtype == dtype
    return max(worst(name, dtype, arrays, y), worst(name, dtype, [a[some] for a in arrays], alone))


@pytest.fixture(autouse=True)
def fewer_digits():
    with mp.workdps(50):                   # 50 cover twice a float64, and are faster than the oracle's 100
        yield


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@pytest.mark.parametrize("name", ROWS)
@both
def test_value(name, dtype):
    error, where = measured(name, dtype, POINTS)
    assert error <= BOUND.get(name, BASE), f"{name} is {error:.3f} ULP off at {where}"


@pytest.mark.parametrize("name", [n for n in UNARY if n not in ("sign", "sqrt")])      # 0 and -0 by convention
@both
def test_the_sign_of_zero(name, dtype):
    """f(0) = 0 has the sign that f has beside it."""
    for zero in (dtype(0), -dtype(0)):
        y = function(name)(fa.tensor(np.full(9, zero))).numpy()
        if y[0] == 0:
            beside = exact(name, (np.copysign(np.finfo(dtype).tiny, zero),))
            assert (np.signbit(y) == (beside < 0)).all(), f"{name}({zero}) = {y}"


# ---- functions of rows ----------------------------------------------------------------------------------
def softmax_rows(dtype):
    """Rows of many lengths and spreads; some terms underflow, some are -inf or the largest number."""
    rng = np.random.default_rng(11)
    low = 104 if dtype == np.float32 else 746
    for n in (1, 2, 3, 7, 16, 33, 100, 1000)[:POINTS]:
        for spread in (1e-3, 1, 20, low):
            yield (rng.normal(0, spread, n) + rng.choice([0, .1, 3, -40, 1e4])).astype(dtype)
        yield rng.uniform(-low, 0, n).astype(dtype)
        yield points(dtype, 2, n)[1:n + 2:2]
        yield np.where(rng.random(n) < .5, -np.inf, rng.normal(0, 30, n)).astype(dtype)


def row_functions(row):
    """softmax, log_softmax, logsumexp in mathematics."""
    x = [mp.mpf(float(v)) for v in row]
    top = max(x)
    if not mp.isfinite(top):
        return None
    e = [mp.exp(v - top) for v in x]
    total = mp.fsum(e)
    return [v / total for v in e], [v - top - mp.log(total) for v in x], top + mp.log(total)


def row_errors(dtype):
    """The largest errors.  Where a logarithm comes near zero it does so by cancellation, and the steps are those of
    1, or for logsumexp of the largest element."""
    errors = dict.fromkeys(("softmax", "log_softmax", "logsumexp"), (0.0, None))

    def note(name, error, row):
        errors[name] = max(errors[name], (error, f"a row of {row.size} from {row.min()} to {row.max()}"), key=lambda e: e[0])
    for row in softmax_rows(dtype):
        true = row_functions(row[~np.isnan(row)]) if not np.isnan(row).any() else None
        if true is None:
            continue
        x = fa.tensor(row)
        for name, k in (("softmax", 0), ("log_softmax", 1)):
            for y, t in zip(getattr(fa, name)(x).numpy(), true[k], strict=True):
                note(name, ulps(y, t, dtype, k), row)
        note("logsumexp", ulps(fa.logsumexp(x).numpy()[()], true[2], dtype, max(1, abs(float(row.max())))), row)
    return errors


@both
def test_softmax_and_its_kin(dtype):
    for name, (error, where) in row_errors(dtype).items():
        assert error <= 4, f"{name} is {error:.3f} ULP off in {where}"


# ---- derivatives ---------------------------------------------------------------------------------------
SLOPE = 8                                  # ULP, and below the smallest normal number a slope may be 0
# slopes of about 1 whose tails or zeros cancel, as 1 - y * y does: in steps of 1, not of the tiny slope
OF_ONE = ("expm1", "erf", "sigmoid", "tanh", "silu", "mish", "gelu", "gelu_tanh", "logaddexp", "bce", "bce_with_logits")


def exact_slope(name, point, i):
    """The derivative in mathematics; None where there is none."""
    a, *b = point
    if name == "power" and i == 1 and a < 0:
        return None                        # the logarithm of a negative number
    if name == "power" and i == 0 and a < 0 and abs(b[0]) > 1e7:
        return None                        # b a^(b - 1), where b - 1 rounds to another parity
    if name == "power" and i == 0 and not np.isfinite(np.power(a, b[0] - 1)):
        return None                        # ... or the power alone overflows
    if name == "hypot" and max(abs(a), abs(b[0])) < 1e3 * np.finfo(a.dtype).tiny:
        return None                        # a / y, and y is a denormal of few digits
    try:
        true = derivative(name, [mp.mpf(float(p)) for p in point], i)
    except (ValueError, ZeroDivisionError):
        return None
    return None if isinstance(true, mp.mpc) else true


def slopes(name, dtype, count):
    """For each argument: (largest error of the derivative, where)."""
    arrays = (points(dtype, count, 5),) if ROWS[name]["arity"] == 1 else point_pairs(name, dtype, count, 5)
    inside = np.all([np.isfinite(a) & (a != 0) for a in arrays], axis=0)
    arrays = [a[inside] for a in arrays]
    ts = [fa.tensor(a, requires_grad=True) for a in arrays]
    f = np.finfo(dtype)
    least = 1 if name in OF_ONE else 0
    y = function(name)(*ts)
    y.sum().backward()
    finite = np.isfinite(y.detach().numpy())
    for i, t in enumerate(ts):
        largest, where = 0.0, None
        for g, *point in zip(t.grad.numpy()[finite], *[a[finite] for a in arrays], strict=True):
            true = exact_slope(name, point, i)
            if true is None or abs(true) > float(f.max) or abs(mp.mpf(float(g)) - true) <= float(f.tiny):
                continue
            error = ulps(g, true, dtype, least)
            if name == "power" and i == 0: # b - 1 is rounded, and the power with it
                error -= abs(np.log(abs(float(point[0]))) * (float(point[1]) - 1))
            if error > largest:
                largest, where = error, tuple(float(p) for p in point)
        yield largest, where


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@pytest.mark.parametrize("name", [n for n in ROWS if n not in PIECEWISE])
@both
def test_derivative(name, dtype):
    for i, (error, where) in enumerate(slopes(name, dtype, max(1, POINTS // 4))):
        assert error <= SLOPE, f"{name}: the derivative by argument {i} is {error:.3g} ULP off at {where}"


PAGE = """# Accuracy

The largest errors found, in units in the last place (ULP; in ULP of 1 where a derivative comes near zero by cancellation), of
every compiled function and of its derivative, against mpmath in 100 digits: over the whole domain, infinities, NaN and
denormals included, {count} points of each kind; instruction set {isa}.  Written by

    python tests/test_accuracy.py {count} --markdown > docs/accuracy.md

The tests allow what the column *bound* says, and {slope} for derivatives, which are formulas of several roundings.

| | float32 | float64 | bound | derivative, float32 | derivative, float64 |
|---|---:|---:|---:|---:|---:|"""


def main(count, names, markdown):
    np.seterr(all="ignore")
    print(PAGE.format(count=count, isa=isa(), slope=SLOPE) if markdown else f"{'':16} {'f32':>8} {'f64':>8}   where, {isa()}")

    def show(name, bound, value, slopes_by_argument=()):
        if markdown:
            worst_slopes = [max(error for error, _ in pair) for pair in zip(*slopes_by_argument, strict=True)] or ["", ""]
            cells = [name, *(error for error, _ in value), bound, *worst_slopes]
            print("|", " | ".join(c if isinstance(c, str) else f"{c:.3g}" for c in cells), "|", flush=True)
            return
        for label, (f32, f64) in ((name, value), *((f"  slope {i}", pair) for i, pair in enumerate(slopes_by_argument))):
            print(f"{label:16} {f32[0]:8.3g} {f64[0]:8.3g}   {f32[1]} {f64[1]}", flush=True)
    for name in names or ROWS:
        by_dtype = [] if name in PIECEWISE else [slopes(name, dtype, count // 4) for dtype in FLOATS.values()]
        show(name, BOUND.get(name, BASE), [measured(name, dtype, count) for dtype in FLOATS.values()],
             list(zip(*by_dtype, strict=True)))
    if not names:
        for name, *pair in zip(("softmax", "log_softmax", "logsumexp"), *[row_errors(d).values() for d in FLOATS.values()], strict=True):
            show(name, 4, pair)


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--markdown"]
    main(int(given[0]) if given else POINTS, given[1:], "--markdown" in sys.argv)
