"""The rows of csrc/rows.def in mathematics: mpmath functions in 100 digits, and their first derivatives.

Every formula is written so that nothing cancels that 100 digits would miss, and takes a complex argument near the
real axis as well (unless it has a kink), which is how the derivatives come about.  Next: test_rows.py, test_accuracy.py.
"""
import mpmath

mp = mpmath.mp.clone()
mp.dps = 100


def sigmoid(x):
    return 1 / (1 + mp.exp(-x)) if x.real > 0 else mp.exp(x) / (1 + mp.exp(x))


def softplus(x):
    return x + mp.log1p(mp.exp(-x)) if x.real > 0 else mp.log1p(mp.exp(x))


def logaddexp(a, b):
    return a + mp.log1p(mp.exp(b - a)) if a.real > b.real else b + mp.log1p(mp.exp(a - b))


def bce_with_logits(a, b):
    return (1 - b) * a + softplus(-a) if a.real > 0 else softplus(a) - b * a


def gelu_tanh(x):
    return x * sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x ** 3))


def phi(x):
    """The normal distribution function.  mpmath's erfc takes no huge argument; 0 and 1 are reached long before."""
    return mp.erfc(min(max(-x / mp.sqrt(2), mp.mpf(-1000)), mp.mpf(1000))) / 2


def bounded_log(x):
    y = mp.log(x) if x != 0 else mp.mpf(-100)
    return y if y.real > -100 else mp.mpf(-100)


def bounded_log1m(x):
    return mp.log1p(-x) if x.real < 0.5 else bounded_log(1 - x)


# the parameters that the tests give: leaky_relu 0.125, elu and huber 1.5, clip -1.5 and 2.5
MATH = {
    "negative": lambda x: -x, "abs": abs, "sign": mp.sign, "square": lambda x: x * x, "sqrt": mp.sqrt,
    "reciprocal": lambda x: 1 / x, "exp": mp.exp, "exp2": lambda x: mp.mpf(2) ** x, "expm1": mp.expm1, "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.log(2), "log10": mp.log10, "log1p": mp.log1p, "sin": mp.sin, "cos": mp.cos,
    "tan": mp.tan, "arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan, "sinh": mp.sinh, "cosh": mp.cosh,
    "tanh": mp.tanh, "arcsinh": mp.asinh, "arccosh": mp.acosh, "arctanh": mp.atanh, "erf": mp.erf, "sigmoid": sigmoid,
    "softplus": softplus, "logsigmoid": lambda x: -softplus(-x), "relu": lambda x: max(x, mp.mpf(0)),
    "relu6": lambda x: min(max(x, mp.mpf(0)), mp.mpf(6)), "leaky_relu": lambda x: x if x > 0 else x / 8,
    "elu": lambda x: x if x.real > 0 else mp.mpf("1.5") * mp.expm1(x), "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * mp.tanh(softplus(x)), "gelu": lambda x: x * phi(x),
    "gelu_tanh": gelu_tanh, "clip": lambda x: min(max(x, mp.mpf(-1.5)), mp.mpf(2.5)),
    "huber": lambda x: x * x / 2 if abs(x.real) <= 1.5 else mp.mpf("1.5") * (x * mp.sign(x.real) - mp.mpf("0.75")),
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "power": lambda a, b: a ** b, "maximum": max, "minimum": min,
    "arctan2": lambda a, b: mp.atan2(a, b), "hypot": lambda a, b: mp.sqrt(a * a + b * b), "logaddexp": logaddexp,
    "bce": lambda a, b: -b * bounded_log(a) - (1 - b) * bounded_log1m(a), "bce_with_logits": bce_with_logits,
}
# where the complex function is slow, missing or loses digits; by each argument
CLOSED = {
    "arcsin": (lambda x: 1 / mp.sqrt(1 - x * x),), "arccos": (lambda x: -1 / mp.sqrt(1 - x * x),),
    "arctan": (lambda x: 1 / (1 + x * x),), "arcsinh": (lambda x: 1 / mp.sqrt(1 + x * x),),
    "arccosh": (lambda x: 1 / mp.sqrt(x * x - 1),),
    "erf": (lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),),
    "gelu": (lambda x: phi(x) + x * mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi),),
    "power": (lambda a, b: b * a ** (b - 1), lambda a, b: a ** b * mp.log(a)),
    "arctan2": (lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)),
    "bce": (lambda a, b: (a - b) / max(a * (1 - a), mp.mpf(10) ** -12), lambda a, b: bounded_log1m(a) - bounded_log(a)),
}


def derivative(name, point, wrt=0):
    """The first derivative of MATH[name] at `point` (numbers other than 0) by its `wrt`-th argument.

    f'(x) = Im f(x + ih) / h to order h^2: no difference is taken, so a slope of 1e-300 comes out in full."""
    if name in CLOSED:
        return CLOSED[name][wrt](*point)
    h = mp.ldexp(min(abs(point[wrt]), 1), -130)
    moved = list(point)
    moved[wrt] = mp.mpc(point[wrt], h)
    return MATH[name](*moved).imag / h
