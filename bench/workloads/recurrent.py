"""Recurrent networks: a whole sequence forward and back through time; float32.

The gradients of the parameters, with and without that of the input, from a dense random cotangent of all outputs.  The floor
is the step's matrix products alone, into arrays at hand: what no implementation on the same BLAS goes below.
"""
import numpy as np

from bench import peers
from bench.workloads import Workload

FAMILY, WITH_INPUT = "Recurrent networks, parameters' gradients", "Recurrent networks, the input's gradient too"
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
SHAPES = ((20, 1, 32, 32), (35, 20, 128, 128), (100, 32, 64, 256))         # steps, batch, inputs, hidden
TARGETS = {"RNN": ("PyTorch", 1 / 40), "LSTM": ("PyTorch", 1 / 10), "GRU": ("PyTorch", 1 / 40)}      # of the first shape
NAMES = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"


def sequence_data(cell, shape, lengths=None):
    """A function from a generator to (x, the cotangent of the outputs, [W_ih, W_hh, b_ih, b_hh], lengths)."""
    steps, batch, inputs, hidden = shape

    def data(rng):
        wide, limit = GATES[cell] * hidden, hidden ** -0.5
        shapes = (wide, inputs), (wide, hidden), (wide,), (wide,)
        weights = [rng.uniform(-limit, limit, s).astype(np.float32) for s in shapes]
        x, g = (rng.normal(size=(steps, batch, n)).astype(np.float32) for n in (inputs, hidden))
        return x, g, weights, lengths
    return data


def packed(x, lengths):
    """The rows of time 0, those of time 1, ...; and how many sequences run at each time."""
    sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
    return np.concatenate([x[t, :size] for t, size in enumerate(sizes)]), sizes


# --- libraries with layers -----------------------------------------------------------------------------

def layer_of(module, cell, weights, tensor, no_grad):
    layer = getattr(module, cell)(weights[0].shape[1], weights[1].shape[1])
    with no_grad():
        for name, w in zip(NAMES, weights, strict=True):
            getattr(layer, name).copy_(tensor(w))
    return layer


def layer_run(forward, leaves, g):
    def run():
        for leaf in leaves:
            leaf.grad = None
        y = forward()
        y.backward(g)
        return y, [leaf.grad for leaf in leaves]
    return run


def fastad(cell, with_input):
    def build(data):
        fa = peers.load("fastad")
        from fastad import nn
        x, g, weights, lengths = data
        layer = layer_of(nn, cell, weights, fa.tensor, fa.no_grad)
        leaves = [getattr(layer, name) for name in NAMES]
        if lengths is None:
            x, g = fa.tensor(x, requires_grad=with_input), fa.tensor(g)
            return layer_run(lambda: layer(x)[0], [*leaves, x][:4 + with_input], g)
        rows, sizes = packed(x, lengths)
        x, g = fa.tensor(rows), fa.tensor(packed(g, lengths)[0])
        return layer_run(lambda: fa.recurrent(layer.cell, x, None, *leaves, batch_sizes=sizes)[0], leaves, g)
    return build


def pytorch(cell, with_input):
    def build(data):
        torch = peers.load("PyTorch")
        x, g, weights, lengths = data
        layer = layer_of(torch.nn, cell, weights, torch.tensor, torch.no_grad)
        leaves = [getattr(layer, name) for name in NAMES]
        if lengths is None:
            x, g = torch.tensor(x, requires_grad=with_input), torch.tensor(g)
            return layer_run(lambda: layer(x)[0], [*leaves, x][:4 + with_input], g)
        rows = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), lengths)
        return layer_run(lambda: layer(rows)[0].data, leaves, torch.tensor(packed(g, lengths)[0]))
    return build


# --- JAX: a scan, compiled -----------------------------------------------------------------------------

def step_of(cell, jax):
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid

    def rnn(state, given, w, b):
        h = jnp.tanh(given + state @ w.T + b)
        return h, h

    def lstm(state, given, w, b):
        h, c = state
        i, f, g, o = jnp.split(given + h @ w.T + b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(h, given, w, b):
        (r, z, n), (h_r, h_z, h_n) = (jnp.split(a, 3, axis=-1) for a in (given, h @ w.T + b))
        z = sigmoid(z + h_z)
        n = jnp.tanh(n + sigmoid(r + h_r) * h_n)
        h = n + z * (h - n)
        return h, h
    return {"RNN": rnn, "LSTM": lstm, "GRU": gru}[cell]


def jax(cell, with_input):
    def build(data):
        jax = peers.load("JAX")
        jnp, step = jax.numpy, step_of(cell, jax)
        x, g, weights = jax.tree.map(jnp.asarray, data[:3])

        def outputs(weights, x):
            w_ih, w_hh, b_ih, b_hh = weights
            start = jnp.zeros((x.shape[1], w_hh.shape[1]), x.dtype)
            return jax.lax.scan(lambda s, given: step(s, given, w_hh, b_hh), (start, start) if cell == "LSTM" else start,
                                x @ w_ih.T + b_ih)[1]

        @jax.jit
        def both(weights, x, g):
            if with_input:
                y, pull = jax.vjp(outputs, weights, x)
                dw, dx = pull(g)
                return y, [*dw, dx]
            y, pull = jax.vjp(lambda w: outputs(w, x), weights)
            return y, pull(g)[0]
        return lambda: jax.block_until_ready(both(weights, x, g))
    return build


# --- the floor: the products alone ---------------------------------------------------------------------

def floor(with_input):
    def build(data):
        x, g, (w_ih, w_hh, *_), lengths = data
        rows, sizes = (x.reshape(-1, x.shape[2]), [x.shape[1]] * len(x)) if lengths is None else packed(x, lengths)
        states = g.reshape(-1, g.shape[2])[:len(rows)]
        p = rows @ w_ih.T
        d = p[::-1].copy()
        products, at = [(rows, w_ih.T, p)], 0
        for size in sizes:                             # dense parts of the whole, as a step finds and leaves them
            h, e = states[at:at + size], d[at:at + size]
            products += [(h, w_hh.T, np.empty_like(e)), (e, w_hh, np.empty_like(h))]
            at += size
        products += [(d.T, rows, np.empty_like(w_ih)), (d.T, states, np.empty_like(w_hh))]
        if with_input:
            products.append((d, w_ih, np.empty_like(rows)))

        def run():
            for a, b, out in products:
                np.matmul(a, b, out=out)
        return run
    return build


def sequence(cell, shape, with_input=False, lengths=None):
    builders = {"fastad": fastad(cell, with_input), "PyTorch": pytorch(cell, with_input), "floor": floor(with_input)}
    if lengths is None:
        builders["JAX"] = jax(cell, with_input)
    target = TARGETS[cell] if shape == SHAPES[0] else ("floor", 1.25 if shape == SHAPES[1] else 1.15)
    name = f"{cell}: {', '.join(map(str, shape))}" + (f", lengths {min(lengths)} to {max(lengths)}" if lengths else "")
    name += ", dx" if with_input else ""
    return Workload(WITH_INPUT if with_input else FAMILY, name, sequence_data(cell, shape, lengths), builders,
                    () if with_input else (target,), tolerance=1e-4)


# --- cells in a Python loop ----------------------------------------------------------------------------

def cell_loop(library, cell):
    def build(data):
        module = peers.load(library)
        nn = __import__("fastad.nn", fromlist=["nn"]) if library == "fastad" else module.nn
        x, g, weights, _ = data
        layer = getattr(nn, f"{cell}Cell")(weights[0].shape[1], weights[1].shape[1])
        leaves = [getattr(layer, name.removesuffix("_l0")) for name in NAMES]
        with module.no_grad():
            for p, w in zip(leaves, weights, strict=True):
                p.copy_(module.tensor(w))
        x, g = module.tensor(x), module.tensor(g)

        def forward():
            state, outputs = None, []
            for t in range(len(x)):
                state = layer(x[t], state)
                outputs.append(state[0] if cell == "LSTM" else state)
            return module.stack(outputs)
        return layer_run(forward, leaves, g)
    return build


def loop(cell, shape):
    builders = {library: cell_loop(library, cell) for library in ("fastad", "PyTorch")}
    name = f"{cell}Cell in a Python loop: {', '.join(map(str, shape))}"
    return Workload(FAMILY, name, sequence_data(cell, shape), builders, (("PyTorch", 1 / 2),), tolerance=1e-4)


LENGTHS = [35 - 30 * i // 19 for i in range(20)]       # of the second shape's sequences, from all steps down to five
WORKLOADS = [
    *[sequence(cell, shape) for cell in GATES for shape in SHAPES],
    *[sequence(cell, SHAPES[1], lengths=LENGTHS) for cell in GATES],
    *[loop(cell, SHAPES[1]) for cell in ("RNN", "LSTM")],
    *[sequence(cell, shape, with_input=True) for cell in GATES for shape in SHAPES],
]
