"""Reverse-mode automatic differentiation in plain Python and NumPy: the text to read first.

What it is for: the same idea as the compiled core (one tape, walked backwards), written to be
understood rather than to be fast.  The tests use it as an oracle and the benchmarks as a baseline.
May import: NumPy, nothing else.  Next: `docs/architecture.md` says how the compiled core does it.

A computation is a list of elementary steps, each using only earlier results: the *Wengert list*,
or tape.  Every `Tensor` that an operation returns is one line of it and remembers its *edges*:
the inputs it came from, each with a rule that carries a derivative one step back.  Write

    dv  =  the adjoint of v  =  the derivative of the final result with respect to v.

The walk seeds the result with dy = 1 and visits the list from its end to its start.  When a line is
reached its adjoint is complete, and each edge adds its share to an earlier line (the chain rule).
A value used in several places so receives the SUM of what comes back.

>>> x1, x2 = Tensor(2.0, requires_grad=True), Tensor(5.0, requires_grad=True)
>>> y = log(x1) + x1 * x2 - sin(x2)
>>> [line.name for line in tape(y)]
['input', 'log', 'input', 'multiply', 'add', 'sin', 'subtract']
>>> y.backward()
>>> print(f"{y.item():.3f} {x1.grad:.3f} {x2.grad:.3f}")
11.652 5.500 1.716

Sources: R. E. Wengert, "A simple automatic derivative evaluation program" (1964); A. Griewank and
A. Walther, "Evaluating Derivatives" (2008), chapter 3.
"""
import functools

import numpy as np

# --- the tape ---------------------------------------------------------------------------------

class Tensor:
    """A NumPy array that remembers how it was computed.

    Parameters
    ----------
    data : array_like
        The value; an array is not copied.
    requires_grad : bool, default False
        Whether `backward` shall leave d(result)/d(this) in `grad`.

    Raises
    ------
    TypeError
        If a gradient is asked for integers: they have no derivative.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """

    __array_ufunc__ = None     # so that array * Tensor asks Tensor, instead of looping over its items

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data)
        if requires_grad and not np.issubdtype(self.data.dtype, np.inexact):
            raise TypeError(f"Tensor: requires_grad needs a float dtype, got {self.data.dtype}")
        self.requires_grad = requires_grad
        self.grad = None
        self.name, self.edges = "input", ()       # overwritten by an operation

    def backward(self, gradient=None):
        """Add d(self)/d(input) to the `grad` of every input; `gradient` seeds a non-scalar result."""
        if not self.requires_grad:
            raise RuntimeError(f"backward: {self!r} depends on nothing that requires a gradient")
        seed = np.ones_like(self.data) if gradient is None else np.asarray(gradient, self.dtype)
        if seed.shape != self.shape or (gradient is None and seed.size != 1):
            given = "none" if gradient is None else seed.shape
            raise ValueError(f"backward: a result of shape {self.shape} needs such a gradient, got {given}")
        for tensor, dy in walk_back(self, seed):
            if not tensor.edges:
                tensor.grad = np.array(dy if tensor.grad is None else tensor.grad + dy)

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    T = property(lambda self: transpose(self))

    def __repr__(self):
        return f"Tensor({self.data}, name={self.name!r}, requires_grad={self.requires_grad})"

    def item(self):
        """The value of a one-element tensor as a Python number."""
        return self.data.item()

    def detach(self):
        """The same value, cut off from the tape."""
        return Tensor(self.data)


def tape(result):
    """The Wengert list of `result`: every tensor it depends on, inputs before what uses them.

    A depth-first search with its own stack, so a million steps need no deeper recursion than one.
    A tensor goes on the list when it is met the second time, after all of its inputs.
    """
    order, seen, stack = [], set(), [(result, False)]
    while stack:
        tensor, inputs_done = stack.pop()
        if inputs_done:
            order.append(tensor)
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            stack.append((tensor, True))
            stack.extend((x, False) for x, _ in reversed(tensor.edges))
    return order


def walk_back(result, gradient):
    """Visit the tape from its end to its start, yielding each tensor with its finished adjoint."""
    adjoint = {id(result): gradient}      # the adjoints in flight belong to the walk, not to the tensors
    for tensor in reversed(tape(result)):
        dy = adjoint.pop(id(tensor))
        yield tensor, dy
        for x, rule in tensor.edges:
            dx = undo_broadcast(rule(dy), x)
            adjoint[id(x)] = adjoint[id(x)] + dx if id(x) in adjoint else dx


def undo_broadcast(dx, x):
    """Bring a gradient to the shape and dtype of its input, the one place where that happens.

    Broadcasting copies an entry of x along an axis; the copies' gradients therefore add up.
    """
    dx = np.asarray(dx)
    if dx.shape != x.shape:
        lead = dx.ndim - x.ndim
        stretched = [lead + i for i, n in enumerate(x.shape) if n == 1 and dx.shape[lead + i] != 1]
        dx = dx.sum(axis=(*range(lead), *stretched), keepdims=True).reshape(x.shape)
    return dx.astype(x.dtype, copy=False)


def operation(rules_of):
    """Make a differentiable operation from a function on arrays.

    The function returns its value, then one rule for each of its first arguments: a function from the
    adjoint dy of the value to that argument's share.  Python numbers stay as they are, so that NumPy
    treats them as weak: dtype in, dtype out.
    """
    @functools.wraps(rules_of)
    def apply(*args, **settings):
        arrays = [a.data if isinstance(a, Tensor) else a for a in args]
        try:
            value, *rules = rules_of(*arrays, **settings)
        except (ValueError, IndexError) as error:
            shapes = ", ".join(str(a.shape) for a in arrays if isinstance(a, np.ndarray))
            raise type(error)(f"{rules_of.__name__}: {error} (given shapes: {shapes})") from error
        result = Tensor(value)
        result.name = rules_of.__name__
        result.edges = tuple((a, rule) for a, rule in zip(args, rules, strict=False)
                             if isinstance(a, Tensor) and a.requires_grad)
        result.requires_grad = bool(result.edges)
        return result
    return apply


# --- arithmetic: each block is the value, then one rule an argument ------------------------------

@operation
def add(a, b):
    """y = a + b;  da = dy,  db = dy"""
    return a + b, lambda dy: dy, lambda dy: dy

@operation
def subtract(a, b):
    """y = a - b;  da = dy,  db = -dy"""
    return a - b, lambda dy: dy, lambda dy: -dy

@operation
def multiply(a, b):
    """y = a b;  da = b dy,  db = a dy"""
    return a * b, lambda dy: dy * b, lambda dy: dy * a

@operation
def divide(a, b):
    """y = a / b;  da = dy / b,  db = -y dy / b"""
    y = a / b
    return y, lambda dy: dy / b, lambda dy: -dy * y / b

@operation
def power(a, b):
    """y = a^b;  da = b a^(b-1) dy,  db = y ln(a) dy;  0 where b = 0, and where a = 0, respectively"""
    y = a ** b
    return (y,
            lambda dy: dy * b * a ** (b - (b != 0)),
            lambda dy: dy * y * np.log(np.where(np.equal(a, 0), 1, a)))

@operation
def negative(x):
    """y = -x;  dx = -dy"""
    return -x, lambda dy: -dy

@operation
def maximum(a, b):
    """y = max(a, b);  dy goes to the larger one, half to each at a tie"""
    return (np.maximum(a, b),
            lambda dy: dy * np.where(np.equal(a, b), 0.5, np.greater(a, b)),
            lambda dy: dy * np.where(np.equal(a, b), 0.5, np.less(a, b)))

@operation
def where(condition, a, b):
    """y = a where the condition holds, else b;  dy goes to the one chosen"""
    return (np.where(condition, a, b),
            lambda dy: None,                       # never called: a condition requires no gradient
            lambda dy: np.where(condition, dy, 0),
            lambda dy: np.where(condition, 0, dy))

# --- functions of one variable; a rule uses the kept output y where that is the shorter formula ---

@operation
def exp(x):
    """y = e^x;  dx = y dy"""
    y = np.exp(x)
    return y, lambda dy: dy * y

@operation
def log(x):
    """y = ln x;  dx = dy / x"""
    return np.log(x), lambda dy: dy / x

@operation
def sin(x):
    """y = sin x;  dx = cos(x) dy"""
    return np.sin(x), lambda dy: dy * np.cos(x)

@operation
def cos(x):
    """y = cos x;  dx = -sin(x) dy"""
    return np.cos(x), lambda dy: -dy * np.sin(x)

@operation
def sqrt(x):
    """y = sqrt x;  dx = dy / 2y"""
    y = np.sqrt(x)
    return y, lambda dy: dy / (2 * y)

@operation
def tanh(x):
    """y = tanh x;  dx = (1 - y^2) dy"""
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y * y)

@operation
def sigmoid(x):
    """y = 1 / (1 + e^-x);  dx = y (1 - y) dy"""
    e = np.exp(-np.abs(x))                         # of -|x|, which cannot overflow
    y = np.where(np.less(x, 0), e, 1) / (1 + e)
    return y, lambda dy: dy * y * (1 - y)

@operation
def relu(x):
    """y = max(x, 0);  dx = dy where x > 0, and 0 at the kink"""
    return np.maximum(x, 0), lambda dy: np.where(np.less_equal(x, 0), 0, dy)

@operation
def logaddexp(a, b):
    """y = ln(e^a + e^b);  da = e^(a-y) dy,  db = e^(b-y) dy"""
    y = np.logaddexp(a, b)
    return y, lambda dy: dy * np.exp(a - y), lambda dy: dy * np.exp(b - y)

# --- reductions and shapes ----------------------------------------------------------------------

def expand(dy, axis, keepdims):
    """Give a reduced adjoint its reduced axes back, with length 1, so that it broadcasts."""
    return dy if keepdims or axis is None else np.expand_dims(dy, axis)

@operation
def sum(x, axis=None, keepdims=False):
    """y = x_1 + ... + x_n;  dx_i = dy"""
    return (np.sum(x, axis=axis, keepdims=keepdims),
            lambda dy: np.broadcast_to(expand(dy, axis, keepdims), x.shape))

@operation
def mean(x, axis=None, keepdims=False):
    """y = (x_1 + ... + x_n) / n;  dx_i = dy / n"""
    y = np.mean(x, axis=axis, keepdims=keepdims)
    return y, lambda dy: np.broadcast_to(expand(dy, axis, keepdims), x.shape) * (y.size / x.size)

@operation
def max(x, axis=None, keepdims=False):
    """y = the largest x_i;  dy goes to that entry, in equal shares to several"""
    y = np.max(x, axis=axis, keepdims=True)
    largest = x == y
    return (y if keepdims else np.squeeze(y, axis),
            lambda dy: expand(dy, axis, keepdims) * largest / np.sum(largest, axis=axis, keepdims=True))

@operation
def reshape(x, shape):
    """y = x in another shape;  dx = dy in the old one"""
    return np.reshape(x, shape), lambda dy: np.reshape(dy, x.shape)

@operation
def transpose(x, axes=None):
    """y = x with its axes permuted;  dx = dy, permuted back"""
    back = None if axes is None else np.argsort(np.asarray(axes) % x.ndim)
    return np.transpose(x, axes), lambda dy: np.transpose(dy, back)

@operation
def getitem(x, index):
    """y = x[index];  dx = 0, plus dy at the index (an entry taken twice gets both)"""
    def put_back(dy):
        dx = np.zeros_like(x)
        np.add.at(dx, index, dy)                   # dx[index] += dy would count a repeated entry once
        return dx
    return x[index], put_back

def concatenate(tensors, axis=0):
    """y = the x_i end to end;  dx_i = its own stretch of dy"""
    return _concatenate(*tensors, axis=axis)

@operation
def _concatenate(*arrays, axis):
    ends = np.cumsum([np.shape(a)[axis] for a in arrays])[:-1]
    return (np.concatenate(arrays, axis=axis),
            *(lambda dy, i=i: np.split(dy, ends, axis=axis)[i] for i in range(len(arrays))))

# --- linear algebra and networks ------------------------------------------------------------------

@operation
def matmul(a, b):
    """Y = A B;  dA = dY B^T,  dB = A^T dY.  A vector on the left is a row, on the right a column."""
    a, b = np.asarray(a), np.asarray(b)
    row, column = a.ndim == 1, b.ndim == 1
    A, B = a[None, :] if row else a, b[:, None] if column else b

    def matrix(dy):                                # with the axis back that the vectors took away
        dy = dy[..., None] if column else dy
        return dy[..., None, :] if row else dy

    def dB(dy):
        db = np.swapaxes(A, -1, -2) @ matrix(dy)
        return db[..., 0] if column else db
    return np.matmul(a, b), lambda dy: matrix(dy) @ np.swapaxes(B, -1, -2), dB

@operation
def linear(x, weight, bias=0):
    """Y = X W^T + b, samples in rows;  dX = dY W,  dW = dY^T X,  db = sum of dY over the samples"""
    n_out, n_in = weight.shape
    return (x @ weight.T + bias,
            lambda dy: dy @ weight,
            lambda dy: dy.reshape(-1, n_out).T @ x.reshape(-1, n_in),
            lambda dy: dy)                         # b was broadcast over the samples: the tape sums

@operation
def log_softmax(x, axis=-1):
    """y_i = x_i - ln sum_j e^(x_j);  dx = dy - e^y sum_j dy_j"""
    shifted = x - np.max(x, axis=axis, keepdims=True)          # no overflow at any x
    y = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * np.sum(dy, axis=axis, keepdims=True)

@operation
def softmax(x, axis=-1):
    """y_i = e^(x_i) / sum_j e^(x_j);  dx = y (dy - sum_j y_j dy_j)"""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    y = e / np.sum(e, axis=axis, keepdims=True)
    return y, lambda dy: y * (dy - np.sum(dy * y, axis=axis, keepdims=True))

@operation
def cross_entropy(logits, labels):
    """y = mean over samples of -ln softmax(z)[label];  dz = (softmax(z) - onehot(label)) dy / n"""
    labels = np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError("logits must have shape (n, classes) and labels be n integers")
    n, classes = logits.shape
    for label in labels[(labels < 0) | (labels >= classes)]:
        raise ValueError(f"label {label} is not one of the {classes} classes 0 to {classes - 1}")
    own = np.arange(n), labels
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))

    def d_logits(dy):
        dz = np.exp(log_p)
        dz[own] -= 1
        return dz * (dy / n)
    return -np.mean(log_p[own]), d_logits

@operation
def mse(prediction, target):
    """y = mean (a - t)^2;  da = 2 (a - t) dy / n,  dt = -da"""
    error = prediction - target
    return (np.mean(error * error),
            lambda dy: 2 * error * (dy / error.size),
            lambda dy: -2 * error * (dy / error.size))

# --- recurrent networks: one cell, used again at every step with the same weights -----------------

def rnn_cell(x, state, w_ih, w_hh, b_ih=0, b_hh=0, activation=tanh):
    """s' = tanh(x W_ih^T + b_ih + s W_hh^T + b_hh), the state being (s,)"""
    s, = state
    return (activation(linear(x, w_ih, b_ih) + linear(s, w_hh, b_hh)),)


def lstm_cell(x, state, w_ih, w_hh, b_ih=0, b_hh=0):
    """c' = f c + i g,  h' = o tanh(c');  i, f, o are sigmoids and g a tanh of their parts of one sum"""
    h, c = state
    i, f, g, o = parts(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh), 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru_cell(x, state, w_ih, w_hh, b_ih=0, b_hh=0):
    """h' = (1 - z) n + z h,  n = tanh(x_n + r h_n);  r and z are sigmoids of their parts of both sums"""
    h, = state
    x_r, x_z, x_n = parts(linear(x, w_ih, b_ih), 3)
    h_r, h_z, h_n = parts(linear(h, w_hh, b_hh), 3)
    z = sigmoid(x_z + h_z)
    return ((1 - z) * tanh(x_n + sigmoid(x_r + h_r) * h_n) + z * h,)


def parts(x, n):
    """The last axis in n equal parts."""
    width = x.shape[-1] // n
    return [x[..., i * width:(i + 1) * width] for i in range(n)]


def unroll(cell, x, state, *weights):
    """The states after every step, each a tuple; `backward` from them is backpropagation through time."""
    states = []
    for t in range(x.shape[0]):
        state = cell(x[t], state, *weights)
        states.append(state)
    return states


def windowed(cell, x, state, weights, dy, window, d_last=()):
    """Truncated backpropagation through time, for any cell: nothing but the steps in the window is on the tape.

    Adds to the `grad` of x, of the state and of the weights what the errors dy[t] of the outputs send back over the
    steps t, t - 1, ..., max(0, t - window); `d_last` are those of the last state.
    """
    if window < 0:
        raise ValueError(f"windowed: the window must be at least 0, got {window}")
    before = [state, *unroll(cell, x.detach(), [s.detach() for s in state], *[w.detach() for w in weights])]
    for t in range(x.shape[0]):
        first = t - window if t > window else 0
        start = state if first == 0 else [s.detach() for s in before[first]]
        last = unroll(cell, x[first:t + 1], start, *weights)[-1]
        errors = [dy[t], *[0] * (len(state) - 1)]
        if t == x.shape[0] - 1:
            errors = [e + d for e, d in zip(errors, d_last or [0] * len(state), strict=True)]
        sum(concatenate([s * e for s, e in zip(last, errors, strict=True)])).backward()


# name: (the function, its derivative by its result)
ACTIVATIONS = {
    "tanh": (np.tanh, lambda s: 1 - s ** 2),
    "sigmoid": (lambda a: sigmoid(a).data, lambda s: s * (1 - s)),
    "relu": (lambda a: np.maximum(a, 0), lambda s: 1.0 * (s > 0)),
}


def truncated_bptt(x, labels, s0, U, V, W, window, activation="tanh"):
    """The outputs o, and dU, dV, dW, ds0 of the loss sum_t -ln o_t[label_t], without a tape: the algorithm as texts have it.

    s_t = tanh(U x_t + W s_(t-1)), o_t = softmax(V s_t).  The error of each output goes back over at most window + 1
    steps, its own among them; dV takes part in one step only and is never truncated.
    """
    if window < 0:
        raise ValueError(f"truncated_bptt: the window must be at least 0, got {window}")
    act, slope = ACTIVATIONS[activation]
    T = len(labels)
    s = np.zeros((T + 1, len(W)))          # one row more than steps: s[-1] is the initial state, not the final one
    s[-1] = s0
    o = np.zeros((T, len(V)))
    for t in range(T):
        s[t] = act(U @ x[t] + W @ s[t - 1])
        o[t] = softmax(V @ s[t]).data

    dU, dV, dW, ds0 = np.zeros_like(U), np.zeros_like(V), np.zeros_like(W), np.zeros_like(s[-1])
    delta_o = o.copy()                     # o itself is a result
    delta_o[np.arange(T), labels] -= 1
    for t in reversed(range(T)):
        dV += np.outer(delta_o[t], s[t])
        delta = V.T @ delta_o[t] * slope(s[t])
        for step in reversed(range(t - window if t > window else 0, t + 1)):
            dW += np.outer(delta, s[step - 1])
            dU += np.outer(delta, x[step])
            if step == 0:
                ds0 += W.T @ delta
            delta = W.T @ delta * slope(s[step - 1])
    return o, dU, dV, dW, ds0


# --- the operators and methods of a Tensor ---------------------------------------------------------

for _name, _f in dict(add=add, sub=subtract, mul=multiply, truediv=divide, pow=power, matmul=matmul).items():
    setattr(Tensor, f"__{_name}__", lambda self, other, f=_f: f(self, other))
    setattr(Tensor, f"__r{_name}__", lambda self, other, f=_f: f(other, self))
Tensor.__neg__, Tensor.__getitem__ = negative, getitem
Tensor.sum, Tensor.mean, Tensor.max, Tensor.reshape = sum, mean, max, reshape


# --- the functional face, and two optimizers ------------------------------------------------------

def value_and_grad(f, argnum=0):
    """The function that returns f and its gradient with respect to one argument, on NumPy arrays.

    Parameters
    ----------
    f : callable
        From tensors to a one-element tensor.
    argnum : int, default 0
        The position of the argument to differentiate with respect to.

    Returns
    -------
    callable
        `(value, gradient)` of the same arguments; the gradient has the argument's shape and dtype.

    Examples
    --------
    >>> value_and_grad(lambda x: sum(x ** 2))(np.array([3.0, 4.0]))
    (np.float64(25.0), array([6., 8.]))
    """
    def both(*args):
        x = Tensor(args[argnum], requires_grad=True)
        args = [x if i == argnum % len(args) else a for i, a in enumerate(args)]
        y = f(*args)
        if not isinstance(y, Tensor) or not y.requires_grad:       # f does not depend on x
            return getattr(y, "data", y), np.zeros_like(x.data)
        y.backward()
        return y.data[()], x.grad
    return both


def grad(f, argnum=0):
    """The gradient function of f; `value_and_grad` without the value.

    >>> print(grad(lambda x, y: x * y, argnum=1)(4.0, -3.0))
    4.0
    """
    return lambda *args: value_and_grad(f, argnum)(*args)[1]


class SGD:
    """v <- momentum v + g;   p <- p - lr v"""

    def __init__(self, parameters, lr, momentum=0.0):
        self.parameters, self.lr, self.momentum = list(parameters), lr, momentum
        self.velocity = [0.0] * len(self.parameters)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        for i, p in enumerate(self.parameters):
            self.velocity[i] = v = self.momentum * self.velocity[i] + p.grad if self.momentum else p.grad
            p.data = p.data - self.lr * v


class Adam(SGD):
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  p <- p - lr m' / (sqrt v' + eps)

    m' = m / (1 - b1^t) and v' = v / (1 - b2^t) correct for the start at zero (Kingma and Ba, 2015).
    """

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(parameters, lr)
        self.betas, self.eps, self.t = betas, eps, 0
        self.moments = [(0.0, 0.0)] * len(self.parameters)

    def step(self):
        self.t += 1
        b1, b2 = self.betas
        for i, (p, (m, v)) in enumerate(zip(self.parameters, self.moments, strict=True)):
            m = b1 * m + (1 - b1) * p.grad
            v = b2 * v + (1 - b2) * p.grad ** 2
            self.moments[i] = m, v
            m, v = m / (1 - b1 ** self.t), v / (1 - b2 ** self.t)
            p.data = p.data - self.lr * m / (np.sqrt(v) + self.eps)
