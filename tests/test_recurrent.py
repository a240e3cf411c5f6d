"""The fused sequence primitives: RNN, LSTM and GRU over whole sequences, forward and back through time.

The registry's suites (samples/recurrent.py) have values and derivatives of small cases.  Here: PyTorch's layers with equal
weights, the pure-Python reference and its truncation for every window, the formulas of backpropagation through time,
long sequences, and what can be done wrong.
"""
import subprocess
import sys

import numpy as np
import pytest

import fastad as fa
from fastad import reference as ref
from fastad._core import storage

CELLS = {"rnn_tanh": 1, "rnn_relu": 1, "rnn_sigmoid": 1, "lstm": 4, "gru": 3}
STATES = {name: 2 if name == "lstm" else 1 for name in CELLS}
REFERENCE = {
    "rnn_tanh": ref.rnn_cell,
    "rnn_relu": lambda *args: ref.rnn_cell(*args, activation=ref.relu),
    "rnn_sigmoid": lambda *args: ref.rnn_cell(*args, activation=ref.sigmoid),
    "lstm": ref.lstm_cell, "gru": ref.gru_cell,
}
every_cell = pytest.mark.parametrize("cell", CELLS)


def drawn(cell, times=5, batch=3, inputs=2, hidden=4, dtype=np.float64, seed=0, bias=True):
    """x, [the initial state], [W_ih, W_hh, b_ih, b_hh]"""
    rng = np.random.default_rng(seed)
    wide = CELLS[cell] * hidden
    shapes = [(wide, inputs), (wide, hidden)] + [(wide,)] * (2 * bias)
    return (rng.normal(size=(times, batch, inputs)).astype(dtype),
            [rng.normal(size=(batch, hidden)).astype(dtype) for _ in range(STATES[cell])],
            [rng.uniform(-0.8, 0.8, shape).astype(dtype) for shape in shapes])


def leaves(x, state, weights, kind=fa.tensor):
    return [kind(a, requires_grad=True) for a in (x, *state, *weights)]


def fused(cell, arguments, **options):
    """The outputs, from flat arguments x, state, weights."""
    x, *rest = arguments
    k = STATES[cell]
    return fa.recurrent(cell, x, tuple(rest[:k]), *rest[k:], **options)


def gradients(outputs, inputs, cotangents, **options):
    return [np.zeros(x.shape) if g is None else g.detach().numpy() for g, x in zip(
        fa.autograd.grad([o for o in outputs if o.requires_grad], inputs,
                         [fa.tensor(g) for g, o in zip(cotangents, outputs, strict=True) if o.requires_grad],
                         allow_unused=True, **options), inputs, strict=True)]


def values(tensors):
    return [t.detach().numpy().copy() for t in tensors]


def seeds(outputs, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=o.shape).astype(o.dtype) for o in outputs]


# ---- the reference -----------------------------------------------------------------------------------
def by_reference(cell, x, state, weights, gs):
    """Outputs, and the gradients of sum <g, output> by x, the state and the weights: cells in a loop on the reference's tape."""
    args = leaves(x, state, weights, ref.Tensor)
    k = STATES[cell]
    states = ref.unroll(REFERENCE[cell], args[0], args[1:1 + k], *args[1 + k:])
    y = np.stack([s[0].data for s in states])
    terms = [s[0] * g for s, g in zip(states, gs[0], strict=True)] + [s * g for s, g in zip(states[-1], gs[1:], strict=True)]
    ref.sum(ref.concatenate(terms)).backward()
    return [y, *[s.data for s in states[-1]]], [a.grad for a in args]


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_reference(cell, bias):
    data = drawn(cell, bias=bias)
    args = leaves(*data)
    outputs = fused(cell, args)
    gs = seeds(outputs)
    expected, derivatives = by_reference(cell, *data, gs)
    for o, e in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(o.detach().numpy(), e, rtol=1e-12, atol=1e-13)
    for g, e in zip(gradients(outputs, args, gs), derivatives, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-12)


# ---- truncation: the window --------------------------------------------------------------------------
def windowed_by_reference(cell, x, state, weights, window, gs):
    args = leaves(x, state, weights, ref.Tensor)
    k = STATES[cell]
    ref.windowed(REFERENCE[cell], args[0], args[1:1 + k], args[1 + k:], gs[0], window, gs[1:])
    return [np.zeros(a.shape) if a.grad is None else a.grad for a in args]


@every_cell
@pytest.mark.parametrize("window", range(8))
def test_window_equals_the_reference(cell, window):
    data = drawn(cell, times=6)
    args = leaves(*data)
    outputs = fused(cell, args, window=window)
    gs = seeds(outputs)
    for o, full in zip(outputs, fused(cell, args), strict=True):
        np.testing.assert_array_equal(o.detach().numpy(), full.detach().numpy())
    found = gradients(outputs, args, gs)
    for g, e in zip(found, windowed_by_reference(cell, *data, window, gs), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-12)
    full = gradients(fused(cell, args), args, gs)
    same = all(np.allclose(a, b, rtol=1e-12, atol=1e-13) for a, b in zip(found, full, strict=True))
    assert same == (window >= 5), "full backpropagation through time, and only with the whole window"


@every_cell
@pytest.mark.parametrize("window", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("reverse", [False, True])
def test_window_of_ragged_sequences(cell, window, reverse):
    """Packed sequences of 5, 3, 3 and 1 steps: each is truncated as if it stood alone."""
    lengths = [5, 3, 3, 1]
    x, state, weights = drawn(cell, batch=4)
    k = STATES[cell]
    packed, sizes = pack(x, lengths)
    args = leaves(packed, state, weights)
    outputs = fused(cell, args, batch_sizes=sizes, window=window, reverse=reverse)
    gs = seeds(outputs)
    found = gradients(outputs, args, gs)
    expected = [np.zeros(a.shape) for a in args]
    y_errors = unpack(gs[0], lengths)
    for b, n in enumerate(lengths):
        turn = slice(None, None, -1) if reverse else slice(None)
        alone = windowed_by_reference(cell, x[:n, b:b + 1][turn], [s[b:b + 1] for s in state], weights, window,
                                      [y_errors[:n, b:b + 1][turn], *[g[b:b + 1] for g in gs[1:]]])
        dx = np.zeros(x.shape)
        dx[:n, b:b + 1] = alone[0][turn]
        expected[0] += pack(dx, lengths)[0]
        for i in range(k):
            expected[1 + i][b:b + 1] += alone[1 + i]
        for i in range(1 + k, len(args)):
            expected[i] += alone[i]
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-12)


def pack(x, lengths):
    """(rows of time 0, of time 1, ...; how many run at each time), the longest first."""
    sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
    return np.concatenate([x[t, :size] for t, size in enumerate(sizes)]), sizes


def unpack(rows, lengths):
    out = np.zeros((max(lengths), len(lengths), *rows.shape[1:]))
    at = 0
    for t in range(max(lengths)):
        size = sum(n > t for n in lengths)
        out[t, :size] = rows[at:at + size]
        at += size
    return out


@pytest.mark.parametrize("window", range(8))
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_window_is_the_algorithm_of_the_texts(activation, window):
    """Sums of outer products, without a tape: dU, dV, dW and the initial state's, of a softmax over V s_t."""
    rng = np.random.default_rng(4)
    x, labels = rng.normal(size=(6, 3)), rng.integers(0, 5, 6)
    s0, U, V, W = (rng.normal(0, 0.7, shape) for shape in ((4,), (4, 3), (5, 4), (4, 4)))
    o, *expected = ref.truncated_bptt(x, labels, s0, U, V, W, window, activation)
    tU, tV, tW, ts = (fa.tensor(a, requires_grad=True) for a in (U, V, W, s0))
    y, _ = fa.recurrent(f"rnn_{activation}", fa.tensor(x[:, None]), (ts.reshape(1, 4),), tU, tW, window=window)
    logits = fa.linear(y.reshape(6, 4), tV)
    np.testing.assert_allclose(fa.softmax(logits, axis=1).detach().numpy(), o, rtol=1e-12)
    assert np.allclose(o.sum(1), 1), "the outputs themselves, not the errors"
    fa.cross_entropy(logits, labels, reduction="sum").backward()
    for t, e in zip((tU, tV, tW, ts), expected, strict=True):
        np.testing.assert_allclose(t.grad.numpy(), e, rtol=1e-12, atol=1e-13)


def test_stacked_layers_have_their_own_windows():
    """Two layers, windows 1 and 3: the error of the upper one is what the lower one is given."""
    x, state, lower = drawn("lstm", times=6)
    _, other, upper = drawn("gru", times=6, inputs=4, seed=1)
    args = leaves(x, [*state, *other], [*lower, *upper])
    a, h, c, b, *weights = args
    y, *_ = fa.recurrent("lstm", a, (h, c), *weights[:4], window=1)
    z, _ = fa.recurrent("gru", y, (b,), *weights[4:], window=3)
    g = np.random.default_rng(2).normal(size=z.shape)
    z.backward(fa.tensor(g))
    top = windowed_by_reference("gru", y.detach().numpy(), other, upper, 3, [g, 0])
    bottom = windowed_by_reference("lstm", x, state, lower, 1, [top[0], 0, 0])
    for found, expected in zip(args, [*bottom[:3], top[1], *bottom[3:], *top[2:]], strict=True):
        np.testing.assert_allclose(found.grad.numpy(), expected, rtol=1e-12, atol=1e-12)


@every_cell
def test_a_window_has_no_other_derivatives(cell):
    args = leaves(*drawn(cell))

    def loss(*args):
        return fused(cell, args, window=2)[0].sum()
    with pytest.raises(RuntimeError, match=f"{cell}: .*window of 2 steps is a training rule, not the derivative"):
        fa.autograd.grad(loss(*args), args, create_graph=True)
    with pytest.raises(RuntimeError, match="training rule"):
        fa.jvp(loss, tuple(args), tuple(args))
    with pytest.raises(RuntimeError, match="training rule"):
        fa.grad(lambda *a: fa.grad(loss)(*a).sum())(*args)
    with pytest.raises(RuntimeError, match="training rule"):
        fa.jacrev(lambda x: fused(cell, [x, *args[1:]], window=2)[0])(args[0])
    with pytest.raises(RuntimeError, match="training rule"):
        fa.hvp(loss, tuple(args), tuple(args))


def test_a_window_is_never_dropped_in_silence():
    """Without kernels for a dtype there is no window, and full backpropagation through time would be another rule."""
    x, state, weights = drawn("lstm", dtype=np.float16)
    with pytest.raises(TypeError, match=r"lstm: .*window.*float32 or float64.*float16"):
        fused("lstm", leaves(x, state, weights), window=2)
    assert fused("lstm", leaves(x, state, weights))[0].dtype == np.float16


@pytest.mark.parametrize("window, error", [(-1, ValueError), (-(2**70), ValueError), (1.5, TypeError), ("2", TypeError)])
def test_windows_that_are_none(window, error):
    with pytest.raises(error, match="rnn_tanh: window"):
        fused("rnn_tanh", leaves(*drawn("rnn_tanh")), window=window)


def test_a_window_may_be_longer_than_anything():
    args = leaves(*drawn("gru"))
    full = gradients(fused("gru", args)[:1], args, seeds(fused("gru", args)[:1]))
    for window in (2**70, np.int64(4), True + 4):
        outputs = fused("gru", args, window=window)[:1]
        for a, b in zip(gradients(outputs, args, seeds(outputs)), full, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


# ---- PyTorch -----------------------------------------------------------------------------------------
def torch_layer(torch, cell, weights, inputs, hidden):
    kind = {"rnn": "RNN", "lst": "LSTM", "gru": "GRU"}[cell[:3]]
    options = {"nonlinearity": cell[4:]} if kind == "RNN" else {}
    layer = getattr(torch.nn, kind)(inputs, hidden, **options).to(torch.tensor(weights[0]).dtype)
    with torch.no_grad():
        for name, w in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), weights, strict=True):
            getattr(layer, name).copy_(torch.tensor(w))
    return layer


@pytest.mark.parametrize("cell", [c for c in CELLS if c != "rnn_sigmoid"])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-10), (np.float32, 1e-5)], ids=["f64", "f32"])
@pytest.mark.parametrize("lengths", [None, [7, 7, 4, 1, 1], [3, 2]], ids=str)
def test_equals_pytorch(cell, dtype, tolerance, lengths):
    torch = pytest.importorskip("torch")
    batch = 4 if lengths is None else len(lengths)
    x, state, weights = drawn(cell, times=7 if lengths is None else lengths[0], batch=batch, inputs=3, hidden=5, dtype=dtype)
    if cell == "rnn_relu":                    # no kink within rounding of either library
        weights = [0.5 * w for w in weights]
    layer = torch_layer(torch, cell, weights, 3, 5)
    tx, ts = torch.tensor(x, requires_grad=True), [torch.tensor(s[None], requires_grad=True) for s in state]
    given = tx if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(tx, lengths)
    ty, final = layer(given, tuple(ts) if len(ts) == 2 else ts[0])
    theirs = [ty if lengths is None else ty.data, *(final if len(ts) == 2 else (final,))]
    packed, sizes = (x, None) if lengths is None else pack(x, lengths)
    args = leaves(packed, state, weights)
    outputs = fused(cell, args, batch_sizes=sizes)
    for o, t in zip(outputs, theirs, strict=True):
        t = t.detach().numpy()
        np.testing.assert_allclose(o.detach().numpy(), t if o.ndim == t.ndim else t[0], rtol=tolerance, atol=tolerance)
    gs = seeds(outputs)
    expected = torch.autograd.grad(theirs, [tx, *ts, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0],
                                   [torch.tensor(g).reshape(t.shape) for g, t in zip(gs, theirs, strict=True)])
    for i, (g, e) in enumerate(zip(gradients(outputs, args, gs), expected, strict=True)):
        e = e.numpy()
        e = pack(e, lengths)[0] if i == 0 and lengths else e.reshape(g.shape)
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * max(1, np.abs(e).max()))


# ---- derivatives of every order ----------------------------------------------------------------------
@every_cell
@pytest.mark.parametrize("packed", [False, True])
def test_check_grads(cell, packed):
    """Central differences to second order, forward and backward, by every input."""
    x, state, weights = drawn(cell, times=3, batch=3, inputs=2, hidden=2)
    x, sizes = pack(x, [3, 2, 2]) if packed else (x, None)

    def f(*args):
        return tuple(fused(cell, args, batch_sizes=sizes))
    fa.testing.check_grads(f, [x, *state, *weights], order=2, modes=("fwd", "rev"))


@every_cell
def test_hessian_vector_products(cell):
    """Of a loss over a sequence, by all arguments: forward over backward, backward over backward, and differences."""
    x, state, weights = drawn(cell)
    args = [x, *state, *weights]
    rng = np.random.default_rng(6)
    g, v = rng.normal(size=(5, 3, 4)), [rng.normal(size=a.shape) for a in args]

    def loss(*args):
        return (fused(cell, args)[0] * g).sum()
    gradient = fa.grad(loss, argnum=tuple(range(len(args))))
    _, forward = fa.jvp(gradient, tuple(args), tuple(v))
    back = fa.grad(lambda *a: sum((d * w).sum() for d, w in zip(gradient(*a), v, strict=True)), argnum=tuple(range(len(args))))(*args)
    h = 1e-6
    ahead, behind = (gradient(*[a + s * h * w for a, w in zip(args, v, strict=True)]) for s in (1, -1))
    for a, b, p, q in zip(forward, back, ahead, behind, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(b, (np.asarray(p) - q) / (2 * h), rtol=1e-6, atol=1e-6 * np.abs(b).max())


# ---- the formulas of backpropagation through time ----------------------------------------------------
def test_the_formulas_of_backpropagation_through_time():
    """dE/dV = sum_t (yhat_t - y_t) s_t^T;  dE/dW = sum_t sum_(k <= t) (chain of the Jacobians ds_t/ds_k)^T ... s_(k-1)^T."""
    rng = np.random.default_rng(8)
    T, n = 6, 4
    x, labels = rng.normal(size=(T, 3)), rng.integers(0, 5, T)
    U, V, W = (rng.normal(0, 0.7, shape) for shape in ((n, 3), (5, n), (n, n)))
    s = [np.zeros(n)]
    for t in range(T):
        s.append(np.tanh(U @ x[t] + W @ s[-1]))
    e = np.exp(np.array(s[1:]) @ V.T)
    error = e / e.sum(1, keepdims=True) - np.eye(5)[labels]                    # yhat_t - y_t
    dU, dW = np.zeros_like(U), np.zeros_like(W)
    for t in range(1, T + 1):
        for k in range(1, t + 1):
            chain = np.eye(n)                                                  # ds_t/ds_k
            for j in range(t, k, -1):
                chain = chain @ np.diag(1 - s[j] ** 2) @ W
            delta = (error[t - 1] @ V @ chain) * (1 - s[k] ** 2)
            dW += np.outer(delta, s[k - 1])
            dU += np.outer(delta, x[k - 1])
    tU, tV, tW = (fa.tensor(a, requires_grad=True) for a in (U, V, W))
    y, _ = fa.recurrent("rnn_tanh", x[:, None], None, tU, tW)
    fa.cross_entropy(fa.linear(y.reshape(T, n), tV), labels, reduction="sum").backward()
    np.testing.assert_allclose(tV.grad.numpy(), error.T @ np.array(s[1:]), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(tW.grad.numpy(), dW, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(tU.grad.numpy(), dU, rtol=1e-12, atol=1e-13)


@every_cell
def test_parameters_shared_over_time(cell):
    """The gradient of shared weights is the sum of those of weights that each step has for itself."""
    x, state, weights = drawn(cell, times=4)
    k = STATES[cell]
    args = leaves(x, state, weights)
    outputs = fused(cell, args)
    gs = seeds(outputs)
    shared = gradients(outputs, args, gs)[1 + k:]
    own = [[fa.tensor(w, requires_grad=True) for w in weights] for _ in range(4)]
    now, ys = [fa.tensor(s) for s in state], []
    for t in range(4):
        y, *now = fa.recurrent(cell, x[t:t + 1], tuple(now), *own[t])
        ys.append(y)
    sum([(y * gs[0][t]).sum() for t, y in enumerate(ys)] + [(s * g).sum() for s, g in zip(now, gs[1:], strict=True)]).backward()
    for i, g in enumerate(shared):
        np.testing.assert_allclose(g, sum(w[i].grad.numpy() for w in own), rtol=1e-12, atol=1e-13)


# ---- accuracy ----------------------------------------------------------------------------------------
def one_step(cell, gates, taken, before, dtype):
    """(what one step gives, its gradients by the gates and by the states): gates from the inputs, `taken` from the state's bias."""
    hidden = before[0].shape[1]
    wide = CELLS[cell] * hidden
    args = leaves(gates[None].astype(dtype), [s.astype(dtype) for s in before],
                  [np.eye(wide, dtype=dtype), np.zeros((wide, hidden), dtype), np.zeros(wide, dtype), taken.astype(dtype)])
    outputs = fused(cell, args)[1:]
    return outputs, gradients(outputs, args[:1 + STATES[cell]], [np.ones(o.shape, dtype) for o in outputs])


@every_cell
@pytest.mark.parametrize("dtype, wide", [(np.float32, np.float64), (np.float64, np.longdouble)], ids=["f32", "f64"])
def test_accuracy_of_a_step(cell, dtype, wide):
    """Against the formulas in the wider dtype, at gates from 1e-8 to saturation: some units in the last place of the sums."""
    rng = np.random.default_rng(9)
    hidden, k = 37, CELLS[cell]                # vectors and what is left over
    gates = rng.choice([-1, 1], (50, k * hidden)) * 10.0 ** rng.uniform(-8, 2, (50, k * hidden))
    taken, before = rng.normal(size=k * hidden), [rng.normal(size=(50, hidden)) for _ in range(STATES[cell])]
    gates, taken, before = gates.astype(dtype), taken.astype(dtype), [s.astype(dtype) for s in before]
    if cell != "gru":                          # where the sum of both is rounded before anything else
        taken[:] = 0
    found, slopes = one_step(cell, gates, taken, before, dtype)
    expected, true = one_step(cell, gates, taken, before, wide)
    eps = np.finfo(dtype).eps
    for f, e in zip(values(found), values(expected), strict=True):
        scale = np.maximum(1, np.abs(before[-1])) if cell in ("lstm", "gru") else np.abs(e)
        assert (np.abs(f - e) <= 6 * eps * np.maximum(scale, np.abs(e)) + np.finfo(dtype).smallest_normal).all()
    for f, e in zip(slopes, true, strict=True):
        assert (np.abs(f - e) <= 16 * eps * np.maximum(1, np.abs(e))).all()


@every_cell
def test_accuracy_of_a_sequence(cell):
    """float32 beside float64 over 100 steps, at weights of the usual size."""
    x, state, weights = drawn(cell, times=100, batch=4, inputs=16, hidden=32)
    weights = [0.2 * w for w in weights]
    results = []
    for dtype in (np.float32, np.float64):
        args = leaves(x.astype(dtype), [s.astype(dtype) for s in state], [w.astype(dtype) for w in weights])
        outputs = fused(cell, args)
        results.append(values(outputs) + gradients(outputs, args, [g.astype(dtype) for g in seeds(fused(cell, leaves(x, state, weights)))]))
    for single, double in zip(*results, strict=True):
        assert np.linalg.norm(single - double) <= 2e-6 * np.linalg.norm(double)


@every_cell
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gates_at_and_beyond_saturation(cell, dtype):
    """Huge and infinite gates are 0, 1 or -1; a NaN stays in its own feature."""
    hidden, k = 19, CELLS[cell]
    extremes = [1e4, -1e4, np.finfo(dtype).max, np.inf, -np.inf]
    for gate in extremes if cell != "rnn_relu" else extremes[:2]:
        outputs = fa.recurrent(cell, np.zeros((1, 1, 1), dtype), tuple(np.full((1, hidden), 0.5, dtype) for _ in range(STATES[cell])),
                               np.zeros((k * hidden, 1), dtype), np.zeros((k * hidden, hidden), dtype), np.full(k * hidden, gate, dtype),
                               np.zeros(k * hidden, dtype))
        assert all(np.isfinite(o).all() for o in values(outputs)), gate
    gates = np.zeros(k * hidden, dtype)
    gates[5::hidden] = np.nan
    y, *_ = fa.recurrent(cell, np.zeros((1, 2, 1), dtype), None, np.zeros((k * hidden, 1), dtype), np.zeros((k * hidden, hidden), dtype),
                         gates, np.zeros(k * hidden, dtype))
    assert np.array_equal(np.isnan(y.numpy()[0]), np.isnan(gates[:hidden])[None].repeat(2, 0))


# ---- long sequences ----------------------------------------------------------------------------------
LONG = """
import sys, threading, tracemalloc
import numpy as np
import fastad as fa

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096

def work():
    cell, times, hidden = sys.argv[1], int(sys.argv[2]), 64
    k = {"lstm": 4, "gru": 3}.get(cell, 1)
    rng = np.random.default_rng(0)
    x = fa.tensor(rng.normal(size=(times, 1, 8)).astype("f4"))
    weights = [fa.tensor(rng.uniform(-.1, .1, s).astype("f4"), requires_grad=True) for s in ((k * hidden, 8), (k * hidden, hidden))]
    before = resident()
    y, *_ = fa.recurrent(cell, x, None, *weights)
    (y * y).mean().backward()
    assert all(np.isfinite(w.grad.numpy()).all() and w.grad.numpy().any() for w in weights)
    print(resident() - before)

sys.setrecursionlimit(100)
threading.stack_size(128 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif(storage.DEBUG, reason="sanitizers hold freed memory back")
@every_cell
def test_long_sequences_take_memory_in_proportion(cell):
    """10,000 and 40,000 steps on a small stack: no recursion, and at most what the arrays of the passes take."""
    def grown(times):
        done = subprocess.run([sys.executable, "-c", LONG, cell, str(times)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stdout, done.stderr
        return int(done.stdout)
    short, long = grown(10_000), grown(40_000)
    columns = {"lstm": 4 + 4 + 1 + 1 + 2, "gru": 3 + 3 + 3 + 1 + 1 + 2}.get(cell, 1 + 1 + 3)    # P, D (E), y, inner, its loss
    assert 2.5 < long / short < 5.5
    assert long <= 1.5 * 40_000 * 64 * 4 * columns
