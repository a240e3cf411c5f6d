"""Recurrent layers and cells: PyTorch's numbers, the cells' formulas one sequence at a time, lengths, states, and bad input."""
import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastad as fa
from fastad import nn
from fastad.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, unpack_sequence

KINDS = ("RNN", "LSTM", "GRU")
every_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind, *args, seed=0, dtype="float64", **options):
    return getattr(nn, kind)(*args, dtype=dtype, generator=np.random.default_rng(seed), **options)


def drawn(shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def states_of(layer, batch, seed=2, dtype=np.float64):
    count = layer.num_layers * (1 + layer.bidirectional)
    return [drawn((count, batch, layer.hidden_size), seed + k, dtype) for k in range(1 + layer.pair)]


def as_hx(layer, states):
    """States in the form that the layer takes, and gives."""
    return tuple(states) if layer.pair else states[0]


def flat(y, state):
    """Output and final states as one list."""
    return [y, *state] if isinstance(state, tuple) else [y, state]


def weighted(outputs, seed=9):
    """A number that depends on every number of the outputs."""
    return sum((o * fa.tensor(drawn(o.shape, seed + k, o.dtype))).sum() for k, o in enumerate(outputs))


def close(a, b, tol=1e-10):
    a, b = (v.detach().numpy() if hasattr(v, "detach") else v for v in (a, b))
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


# ---- the formulas, one sequence at a time, without padding or packing --------------------------------
def vanilla(activation):
    def step(given, state, w, b):
        return [getattr(fa, activation)(given + state[0] @ w.mT + b)]
    return step


def lstm(given, state, w, b):
    h, c = state
    i, f, g, o = fa.split(given + h @ w.mT + b, 4, axis=-1)
    c = fa.sigmoid(f) * c + fa.sigmoid(i) * fa.tanh(g)
    return [fa.sigmoid(o) * fa.tanh(c), c]


def gru(given, state, w, b):
    h, = state
    (x_r, x_z, x_n), (h_r, h_z, h_n) = fa.split(given, 3, axis=-1), fa.split(h @ w.mT + b, 3, axis=-1)
    z = fa.sigmoid(x_z + h_z)
    return [(1 - z) * fa.tanh(x_n + fa.sigmoid(x_r + h_r) * h_n) + z * h]


STEPS = {"rnn_tanh": vanilla("tanh"), "rnn_relu": vanilla("relu"), "rnn_sigmoid": vanilla("sigmoid"), "lstm": lstm, "gru": gru}


def by_formula(layer, x, states):
    """(outputs of the last layer, final states) of one sequence x (steps, features), states (layers * directions, hidden)."""
    finals, count = [], 1 + layer.bidirectional
    for level in range(layer.num_layers):
        rows = []
        for back in range(count):
            k = level * count + back
            w_ih, w_hh, b_ih, b_hh = (*layer.all_weights[k], 0, 0)[:4]
            state, found = [s[k] for s in states], [None] * len(x)
            for t in (reversed if back else iter)(range(len(x))):
                state = STEPS[layer.cell](x[t] @ w_ih.mT + b_ih, state, w_hh, b_hh)
                found[t] = state[0]
            rows.append(fa.stack(found))
            finals.append(state)
        x = fa.concatenate(rows, -1)
    return x, [fa.stack(s) for s in zip(*finals, strict=True)]


def check_against_formula(layer, lengths, batch_first, with_state, seed=0):
    """Outputs and all gradients of padded sequences."""
    batch, steps, inputs = len(lengths), max(lengths), layer.input_size
    data = drawn((batch, steps, inputs) if batch_first else (steps, batch, inputs), seed)
    x = fa.tensor(data, requires_grad=True)
    states = states_of(layer, batch) if with_state else [np.zeros_like(s) for s in states_of(layer, batch)]
    states = [fa.tensor(s, requires_grad=True) for s in states]
    hx = as_hx(layer, states) if with_state else None
    ours = flat(*layer(x, hx, None if min(lengths) == steps else lengths))
    wanted_y, wanted_s = [], []
    for b, n in enumerate(lengths):
        y, final = by_formula(layer, x[b, :n] if batch_first else x[:n, b], [s[:, b] for s in states])
        wanted_y.append(fa.concatenate([y, fa.zeros((steps - n, y.shape[1]))]))
        wanted_s.append(final)
    wanted = [fa.stack(wanted_y, 0 if batch_first else 1), *[fa.stack(s, 1) for s in zip(*wanted_s, strict=True)]]
    for a, b in zip(ours, wanted, strict=True):
        close(a, b)
    inputs = [x, *layer.parameters(), *(states if with_state else [])]
    for a, b in zip(fa.autograd.grad(weighted(ours), inputs), fa.autograd.grad(weighted(wanted), inputs), strict=True):
        close(a, b)


@pytest.mark.parametrize("batch_first", (False, True))
@pytest.mark.parametrize("bidirectional", (False, True))
@pytest.mark.parametrize("layers", (1, 2, 3))
@every_kind
def test_equals_the_formulas(kind, layers, bidirectional, batch_first):
    for bias, with_state, lengths in itertools.product((True, False), (True, False), ((4, 4), (2, 4, 1, 4))):
        layer = made(kind, 3, 2, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional)
        check_against_formula(layer, lengths, batch_first, with_state)


@pytest.mark.parametrize("nonlinearity", ("tanh", "relu", "sigmoid"))
def test_activations(nonlinearity):
    check_against_formula(made("RNN", 2, 3, 2, nonlinearity=nonlinearity), (3, 5, 1), False, True)


@given(kind=st.sampled_from(KINDS), layers=st.integers(1, 2), bidirectional=st.booleans(), batch_first=st.booleans(),
       bias=st.booleans(), with_state=st.booleans(), inputs=st.integers(1, 3), hidden=st.integers(1, 4),
       lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_any_lengths(kind, layers, bidirectional, batch_first, bias, with_state, inputs, hidden, lengths, seed):
    layer = made(kind, inputs, hidden, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional, seed=seed)
    check_against_formula(layer, lengths, batch_first, with_state, seed)


# ---- PyTorch -----------------------------------------------------------------------------------------
def twin_of(torch, layer, kind):
    """PyTorch's layer with the same options and weights."""
    options = {"nonlinearity": layer.nonlinearity} if kind == "RNN" else {}
    twin = getattr(torch.nn, kind)(layer.input_size, layer.hidden_size, layer.num_layers, bias=layer.bias,
                                   batch_first=layer.batch_first, bidirectional=layer.bidirectional, **options)
    twin = twin.to(torch.float64 if layer.weight_ih_l0.dtype == np.float64 else torch.float32)
    twin.load_state_dict({name: torch.tensor(value.numpy()) for name, value in layer.state_dict().items()})
    return twin


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("layers", (1, 2, 3))
@every_kind
def test_equals_pytorch(kind, layers, dtype):
    torch = pytest.importorskip("torch")
    tol = 1e-10 if dtype == "float64" else 1e-5
    lengths = [3, 6, 1, 6]
    for k, (bidirectional, batch_first, bias, with_state, ragged) in enumerate(itertools.product((False, True), repeat=5)):
        options = {"nonlinearity": "relu"} if kind == "RNN" and k % 2 else {}
        layer = made(kind, 3, 4, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional, dtype=dtype, seed=k, **options)
        twin = twin_of(torch, layer, kind)
        data = drawn((4, 6, 3) if batch_first else (6, 4, 3), k, dtype)
        leaves = [data, *(states_of(layer, 4, dtype=dtype) if with_state else [])]
        x, *states = [fa.tensor(a, requires_grad=True) for a in leaves]
        x_t, *states_t = [torch.tensor(a, requires_grad=True) for a in leaves]
        hx, hx_t = (as_hx(layer, states), as_hx(layer, states_t)) if with_state else (None, None)
        if ragged:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x_t, lengths, batch_first, enforce_sorted=False)
            out, final = twin(packed, hx_t)
            wanted = flat(torch.nn.utils.rnn.pad_packed_sequence(out, batch_first)[0], final)
        else:
            wanted = flat(*twin(x_t, hx_t))
        ours = flat(*layer(x, hx, lengths if ragged else None))
        for a, b in zip(ours, wanted, strict=True):
            assert a.dtype == dtype
            close(a, b, tol)
        weighted(ours).backward()
        sum((o * torch.tensor(drawn(o.shape, 9 + i, dtype))).sum() for i, o in enumerate(wanted)).backward()
        for a, b in zip([x, *states, *layer.parameters()], [x_t, *states_t, *twin.parameters()], strict=True):
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tol, atol=tol * max(1, abs(b.grad.numpy()).max()))


@pytest.mark.parametrize("bias", (False, True))
@every_kind
def test_names_and_weights_are_pytorchs(kind, bias):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, kind)(3, 5, 2, bias=bias, bidirectional=True)
    ours = made(kind, 3, 5, 2, bias=bias, bidirectional=True, dtype="float32")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert not any(ours.load_state_dict(theirs.state_dict()))
    close(ours(fa.tensor(drawn((4, 2, 3), dtype="float32")))[0], theirs(torch.tensor(drawn((4, 2, 3), dtype="float32")))[0], 1e-6)
    assert [[w.shape for w in ws] for ws in ours.all_weights] == [[tuple(w.shape) for w in ws] for ws in theirs.all_weights]
    cell, cell_t = getattr(nn, kind + "Cell")(3, 5, bias=bias), getattr(torch.nn, kind + "Cell")(3, 5, bias=bias)
    assert list(cell.state_dict()) == list(cell_t.state_dict())
    cell_t.load_state_dict({name: torch.tensor(v.numpy()) for name, v in cell.state_dict().items()})
    assert repr(cell) == repr(cell_t)
    for options in ({}, {"num_layers": 2, "bidirectional": True}, {"bias": False, "batch_first": True},
                    {"num_layers": 3, "dropout": 0.5}):
        assert repr(getattr(nn, kind)(3, 5, **options)) == repr(getattr(torch.nn, kind)(3, 5, **options))


@every_kind
def test_initial_values(kind):
    layer = made(kind, 3, 100, 2, bidirectional=True)
    for parameter in layer.parameters():
        values = parameter.detach().numpy()
        assert abs(values).max() <= 0.1 and abs(values).max() > 0.08 and abs(values.mean()) < 0.03
    assert getattr(nn, kind)(3, 4).weight_ih_l0.dtype == np.float32
    first, second = made(kind, 3, 4, seed=5), made(kind, 3, 4, seed=5, dtype="float32")
    close(first.weight_hh_l0.astype("float32"), second.weight_hh_l0, 0)


# ---- forms of input ----------------------------------------------------------------------------------
@every_kind
def test_one_sequence_without_a_batch(kind):
    layer = made(kind, 3, 4, 2, bidirectional=True)
    x, states = fa.tensor(drawn((5, 3)), requires_grad=True), states_of(layer, 1)
    y, final = layer(x, as_hx(layer, [fa.tensor(s[:, 0]) for s in states]))
    wanted, wanted_final = layer(x[:, None], as_hx(layer, states))
    assert y.shape == (5, 8)
    for a, b in zip(flat(y, final), flat(wanted, wanted_final), strict=True):
        close(a, b[:, 0], 0)
    assert layer(x)[0].shape == (5, 8)
    batch_first = made(kind, 3, 4, 2, bidirectional=True, batch_first=True)
    close(batch_first(x)[0], layer(x)[0], 0)


@pytest.mark.parametrize("batch_first", (False, True))
@every_kind
def test_packed_and_padded_agree(kind, batch_first):
    layer = made(kind, 3, 4, 2, bidirectional=True, batch_first=batch_first)
    lengths = [2, 5, 1, 5]
    x = fa.tensor(drawn((4, 5, 3) if batch_first else (5, 4, 3)))
    hx = as_hx(layer, states_of(layer, 4))
    packed, final = layer(pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False), hx)
    assert isinstance(packed, PackedSequence)
    y, own_lengths = pad_packed_sequence(packed, batch_first)
    for a, b in zip(flat(y, final), flat(*layer(x, hx, lengths)), strict=True):
        close(a, b, 0)
    assert own_lengths.tolist() == lengths
    for given_lengths in (np.array(lengths, np.int8), np.array(lengths, np.uint64), tuple(lengths), fa.tensor(lengths)):
        close(layer(x, hx, given_lengths)[0], y, 0)
    each = unpack_sequence(packed)
    assert [len(e) for e in each] == lengths


def test_sorted_packed_sequences_need_no_order():
    layer = made("LSTM", 3, 4)
    parts = [fa.tensor(drawn((n, 3), n)) for n in (4, 2, 2)]
    packed = pack_sequence(parts)
    assert packed.sorted_indices is None
    y, (h, _c) = layer(packed)
    for part, out, last in zip(parts, unpack_sequence(y), h[0], strict=True):
        close(out, layer(part)[0])
        close(last, out[-1])


def test_output_keeps_the_steps_of_the_input():
    layer = made("GRU", 3, 4)
    y, h = layer(fa.tensor(drawn((6, 2, 3))), lengths=[2, 4])
    assert y.shape == (6, 2, 4) and not y.detach().numpy()[4:].any() and not y.detach().numpy()[2:, 0].any()
    close(h[0, 0], y[1, 0])
    close(h[0, 1], y[3, 1])


@pytest.mark.parametrize("bidirectional", (False, True))
@every_kind
def test_padding_is_never_read(kind, bidirectional):
    layer = made(kind, 2, 3, 2, bidirectional=bidirectional)
    data = drawn((5, 3, 2))
    lengths = [5, 2, 3]
    for b, n in enumerate(lengths):
        data[n:, b] = np.nan
    x = fa.tensor(data, requires_grad=True)
    outputs = flat(*layer(x, lengths=lengths))
    weighted(outputs).backward()
    assert all(np.isfinite(o.detach().numpy()).all() for o in outputs)
    assert all(np.isfinite(p.grad.numpy()).all() for p in (x, *layer.parameters()))
    assert not any(x.grad.numpy()[n:, b].any() for b, n in enumerate(lengths))


def test_arrays_and_other_layouts_are_taken():
    layer = made("RNN", 3, 4)
    data = drawn((5, 2, 3))
    wanted = layer(fa.tensor(data))[0]
    close(layer(data)[0], wanted, 0)
    close(layer(np.asfortranarray(data))[0], wanted, 0)
    close(layer(fa.tensor(np.ascontiguousarray(data.transpose(2, 1, 0))).transpose(2, 1, 0))[0], wanted, 0)
    close(layer(fa.tensor(data), drawn((1, 2, 4)))[0], layer(fa.tensor(data), fa.tensor(drawn((1, 2, 4))))[0], 0)


# ---- dropout, windows --------------------------------------------------------------------------------
def test_lists_are_taken_beside_a_state():
    layer = nn.GRU(1, 2, dtype="float64")
    x, h = [[[0.5]], [[-1.0]]], np.ones((1, 1, 2))
    np.testing.assert_array_equal(layer(x, h)[0].detach(), layer(np.array(x), h)[0].detach())
    with pytest.raises(ValueError, match=r"initial state must have shape \(1, 1, 2\)"):
        layer(x, np.ones((1, 3)))


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_cell_takes_a_batch_of_none(kind):
    cell = getattr(nn, kind)(3, 4)
    state = np.zeros((0, 4), "float32")
    for hx in (None, (state, state) if kind == "LSTMCell" else state):
        found = fa.stack(cell(np.zeros((0, 3), "float32"), hx)) if kind == "LSTMCell" else cell(np.zeros((0, 3), "float32"), hx)
        assert found.shape[-2:] == (0, 4)
        found.sum().backward()
        assert not cell.weight_hh.grad.any()


def test_dropout_stands_between_layers_and_only_while_training():
    layer = made("LSTM", 3, 4, 3, dropout=0.5)
    without = made("LSTM", 3, 4, 3)
    x = fa.tensor(drawn((6, 2, 3)))
    close(layer.eval()(x)[0], without(x)[0], 0)
    layer.train()
    fa.manual_seed(3)
    first = layer(x)[0]
    fa.manual_seed(3)
    close(layer(x)[0], first, 0)
    assert (layer(x)[0] != first).any()
    everything = made("LSTM", 3, 4, 2, dropout=1.0)
    y, (h, _c) = everything(x)
    plain = made("LSTM", 3, 4, 2)
    close(h[0], plain(x)[1][0][0])            # the first layer is as it was
    plain.weight_ih_l1.detach().zero_()       # and the second is given nothing
    close(y, plain(x)[0])
    with pytest.warns(UserWarning, match="acts between layers"):
        made("GRU", 3, 4, 1, dropout=0.5)


def test_the_gradient_through_dropout_is_that_of_its_mask():
    layer = made("GRU", 3, 4, 2, dropout=0.5)
    x = drawn((4, 2, 3))

    def f(x):
        fa.manual_seed(1)
        return (layer(x)[0] ** 2).sum()

    g, eps, v = fa.grad(f)(x), 1e-6, drawn(x.shape, 5)
    close((g * v).sum(), (f(x + eps * v) - f(x - eps * v)).item() / (2 * eps), 1e-7)


@every_kind
def test_windows_of_layers(kind):
    x = fa.tensor(drawn((5, 2, 3)))
    layer, full = made(kind, 3, 4, 2, window=(1, None)), made(kind, 3, 4, 2)
    layer(x)[0].sum().backward()
    y = fa.recurrent(layer.cell, x, None, *layer.all_weights[0], window=1)[0]
    y = fa.recurrent(layer.cell, y, None, *layer.all_weights[1])[0]
    wanted = fa.autograd.grad(y.sum(), list(layer.parameters()))
    for p, w in zip(layer.parameters(), wanted, strict=True):
        close(p.grad, w, 1e-12)
    full(x)[0].sum().backward()
    assert abs(full.weight_hh_l0.grad - layer.weight_hh_l0.grad).max().item() > 1e-6
    wide = made(kind, np.int64(3), np.int64(4), np.int64(2), window=np.int64(5))
    wide(x)[0].sum().backward()
    close(wide.weight_hh_l0.grad, full.weight_hh_l0.grad, 1e-12)
    with pytest.raises(RuntimeError, match="training rule"):
        fa.jvp(lambda x: layer(x)[0], x.numpy(), x.numpy())
    with pytest.raises(ValueError, match="3 windows for 2 layers"):
        made(kind, 3, 4, 2, window=(1, 2, 3))


# ---- cells -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bias", (False, True))
@every_kind
def test_a_loop_over_a_cell_is_the_layer(kind, bias):
    layer, cell = made(kind, 3, 4, bias=bias), made(kind + "Cell", 3, 4, bias=bias)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = fa.tensor(drawn((5, 2, 3)), requires_grad=True)
    states = [fa.tensor(s, requires_grad=True) for s in states_of(layer, 2)]
    for given_state in (None, states):
        y, final = layer(x, given_state and as_hx(layer, given_state))
        hx, rows = (as_hx(layer, [s[0] for s in states]) if given_state else None), []
        for row in x:
            hx = cell(row, hx)
            rows.append(hx[0] if layer.pair else hx)
        ours = [fa.stack(rows), *[s[None] for s in (hx if layer.pair else (hx,))]]
        wanted = flat(y, final)
        for a, b in zip(ours, wanted, strict=True):
            close(a, b, 1e-12)
        leaves = [x, *(states if given_state else [])]
        grads = fa.autograd.grad(weighted(ours), [*leaves, *cell.parameters()])
        for a, b in zip(grads, fa.autograd.grad(weighted(wanted), [*leaves, *layer.parameters()]), strict=True):
            close(a, b, 1e-12)


@every_kind
def test_a_cell_without_a_batch(kind):
    cell = made(kind + "Cell", 3, 4)
    x, states = drawn((1, 3)), [drawn((1, 4), k) for k in range(1 + cell.pair)]
    one, many = cell(x[0], as_hx(cell, [s[0] for s in states])), cell(x, as_hx(cell, states))
    for a, b in zip(one, many, strict=True) if cell.pair else [(one, many)]:
        assert a.shape == (4,)
        close(a, b[0], 0)
    assert (cell(x[0])[0] if cell.pair else cell(x[0])).shape == (4,)


@pytest.mark.parametrize("nonlinearity", ("relu", "sigmoid"))
def test_activations_of_a_cell(nonlinearity):
    cell = made("RNNCell", 3, 4, nonlinearity=nonlinearity)
    x, h = fa.tensor(drawn((2, 3))), fa.tensor(drawn((2, 4)))
    close(cell(x, h), getattr(fa, nonlinearity)(fa.linear(x, cell.weight_ih, cell.bias_ih) + fa.linear(h, cell.weight_hh, cell.bias_hh)))
    assert repr(cell) == f"RNNCell(3, 4, nonlinearity='{nonlinearity}')"


# ---- copies, transforms ------------------------------------------------------------------------------
@every_kind
def test_copies(kind):
    layer = made(kind, 3, 4, 2, bidirectional=True, dropout=0.5, window=2).eval()
    x = drawn((4, 2, 3))
    wanted = layer(x)[0]
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.weight_ih_l0 is not layer.weight_ih_l0 and repr(twin) == repr(layer) and not twin.training
        close(twin(x)[0], wanted, 0)
        twin.weight_ih_l0.detach().zero_()
        close(layer(x)[0], wanted, 0)
    other = made(kind, 3, 4, 2, bidirectional=True, seed=8)
    other.load_state_dict(layer.state_dict())
    close(other(x)[0], wanted, 0)
    assert layer.float()(x.astype("float32"))[0].dtype == np.float32


@every_kind
def test_derivatives_of_every_kind_and_order(kind):
    layer = made(kind, 2, 3, 2, bidirectional=True)
    x, v, w = drawn((3, 2, 2)), drawn((3, 2, 2), 3), drawn((3, 2, 2), 4)
    lengths = [3, 2]

    def f(x):
        return weighted(flat(*layer(x, lengths=lengths)))

    eps = 1e-5
    slope = (f(x + eps * v) - f(x - eps * v)).item() / (2 * eps)
    close((fa.grad(f)(x) * v).sum(), slope, 1e-8)
    close(fa.jvp(f, x, v)[1], slope, 1e-8)
    bend = (fa.grad(f)(x + eps * v) - fa.grad(f)(x - eps * v)) / (2 * eps)
    close(fa.hvp(f, x, v)[1], bend, 1e-7)
    close(fa.grad(lambda x: (fa.grad(f)(x) * v).sum())(x), bend, 1e-7)
    close(fa.jvp(lambda x: fa.jvp(f, x, v)[1], x, w)[1], (bend * w).sum(), 1e-7)
    fa.testing.check_grads(lambda x: layer(x)[0], (x,), order=2)


@every_kind
def test_second_derivatives_by_the_weights(kind):
    layer = made(kind, 2, 3)
    x = fa.tensor(drawn((4, 2, 2)))
    parameters = list(layer.parameters())
    vs = [drawn(p.shape, k) for k, p in enumerate(parameters)]

    def gradients(**options):
        return fa.autograd.grad((layer(x)[0] ** 2).sum(), parameters, **options)

    product = fa.autograd.grad(sum((g * fa.tensor(v)).sum() for g, v in zip(gradients(create_graph=True), vs, strict=True)), parameters)
    eps, ends = 1e-5, []
    for sign in (1, -2):
        for p, v in zip(parameters, vs, strict=True):
            p.detach().copy_(p.detach() + sign * eps * fa.tensor(v))
        ends.append(gradients())
    for h, a, b in zip(product, *ends, strict=True):
        close(h, (a.numpy() - b.numpy()) / (2 * eps), 1e-6)


@every_kind
def test_checkpointed_layers(kind):
    layer = made(kind, 3, 4, 2, dropout=0.5)
    x = fa.tensor(drawn((5, 2, 3)), requires_grad=True)
    found = []
    for f in (lambda x: layer(x, lengths=[5, 3])[0], fa.checkpoint(lambda x: layer(x, lengths=[5, 3])[0])):
        fa.manual_seed(4)
        found.append(fa.autograd.grad((f(x) ** 2).sum(), [x, *layer.parameters()]))
    for a, b in zip(*found, strict=True):
        close(a, b, 0)


# ---- what can be done wrong --------------------------------------------------------------------------
X = np.zeros((5, 2, 3))
H = np.zeros((1, 2, 4))


def lstm_layer(*args, **kw):
    return lambda: made("LSTM", 3, 4)(*args, **kw)


def rnn_layer(*args, **kw):
    return lambda: made("RNN", 3, 4)(*args, **kw)


@pytest.mark.parametrize(("call", "error", "says"), [
    (rnn_layer(np.zeros((5, 2, 7))), ValueError, r"RNN: the input of shape \(5, 2, 7\) has 7 features, and input_size is 3"),
    (rnn_layer(np.zeros(3)), ValueError, r"RNN: the input must have shape \(steps, batch, input_size\), or .* got \(3,\)"),
    (rnn_layer(np.zeros((1, 5, 2, 3))), ValueError, r"got \(1, 5, 2, 3\)"),
    (rnn_layer(X.astype("float32")), TypeError, r"RNN: the input is float32 and the parameters are float64; use astype"),
    (rnn_layer(X.astype(int)), TypeError, r"int64 .* Embedding"),
    (rnn_layer(X, H[0]), ValueError, r"RNN: the initial state must have shape \(1, 2, 4\) .* got \(2, 4\)"),
    (rnn_layer(X[:, 0], H), ValueError, r"must have shape \(1, 4\) for an input of shape \(5, 3\), got \(1, 2, 4\)"),
    (rnn_layer(X, np.zeros((1, 3, 4))), ValueError, r"got \(1, 3, 4\)"),
    (rnn_layer(X, (H, H)), TypeError, r"RNN: its state is one tensor of shape \(1, 2, 4\), got a tuple"),
    (rnn_layer(X, H.astype("float32")), TypeError, r"RNN: the initial state is float32 and the input float64; use astype"),
    (lstm_layer(X, fa.tensor(H)), TypeError, r"LSTM: its state is a pair \(h, c\), .* got a tensor of shape \(1, 2, 4\)"),
    (lstm_layer(X, (H,)), TypeError, r"LSTM: its state is a pair"),
    (lstm_layer(X, (H, H[:, :1])), ValueError, r"LSTM: the initial state must have shape \(1, 2, 4\) .* got \(1, 1, 4\)"),
    (rnn_layer(X, lengths=[5, -1]), ValueError, r"RNN: lengths must lie between 1 and the 5 steps .* lengths\[1\] is -1"),
    (rnn_layer(X, lengths=[0, 5]), ValueError, r"lengths\[0\] is 0"),
    (rnn_layer(X, lengths=[5, 6]), ValueError, r"lengths\[1\] is 6"),
    (rnn_layer(X, lengths=np.array([5, 2 ** 64 - 1], np.uint64)), ValueError, r"lengths\[1\] is 18446744073709551615"),
    (rnn_layer(X, lengths=[5]), ValueError, r"RNN: 1 lengths for 2 sequences"),
    (rnn_layer(X, lengths=[5.0, 2.0]), TypeError, r"RNN: lengths must be integers, got dtype float64"),
    (rnn_layer(X, lengths=[[5, 2]]), ValueError, r"one-dimensional, got shape \(1, 2\)"),
    (rnn_layer(X[:, 0], lengths=[5]), ValueError, r"RNN: lengths are for padded sequences of three axes"),
    (rnn_layer(X, H[0], lengths=[5, 2]), ValueError, r"must have shape \(1, 2, 4\) for an input of shape \(5, 2, 3\)"),
    (rnn_layer(np.zeros((5, 2, 7)), lengths=[5, 2]), ValueError, r"has 7 features"),
    (rnn_layer(pack_sequence([X[:, 0]]), lengths=[5]), TypeError, r"knows its lengths"),
    (rnn_layer(pack_sequence([np.zeros((5, 7))])), ValueError, r"RNN: the input of shape \(5, 7\) has 7 features"),
    (rnn_layer(pack_sequence([np.zeros(5)])), ValueError, r"packed rows must be \(rows, input_size\), got \(5,\)"),
    (lambda: nn.LSTM(3, 4, proj_size=2), NotImplementedError, "LSTM: proj_size is not there"),
    (lambda: nn.LSTM(3, 0), ValueError, "LSTM: hidden_size must be at least 1, got 0"),
    (lambda: nn.GRU(3, 4, 0), ValueError, "GRU: num_layers must be at least 1"),
    (lambda: nn.GRU(3.0, 4), TypeError, "GRU: input_size must be an integer, got float"),
    (lambda: nn.GRU(3, 4, 2, dropout=1.5), ValueError, "GRU: dropout is the probability"),
    (lambda: nn.RNN(3, 4, nonlinearity="cos"), ValueError, "RNN: nonlinearity must be one of tanh, relu, sigmoid, got 'cos'"),
    (lambda: nn.RNN(3, 4, window=-1)(X.astype("float32")), ValueError, "window must be at least 0"),
    (lambda: nn.LSTM(3, 4, dtype="int64"), TypeError, "parameters are float"),
    (lambda: nn.GRUCell(3, 4)(X.astype("float32")), ValueError, r"GRUCell: the input must have shape \(batch, input_size\)"),
    (lambda: nn.GRUCell(3, 4)(np.zeros((2, 5), "float32")), ValueError, r"GRUCell: the input of shape \(2, 5\) has 5 features"),
    (lambda: nn.GRUCell(3, 4)(np.zeros((2, 3))), TypeError, "GRUCell: the input is float64 and the parameters are float32"),
    (lambda: nn.GRUCell(3, 4)(np.zeros(3, "float32"), np.zeros((1, 4), "float32")), ValueError, r"must have shape \(4,\)"),
    (lambda: nn.LSTMCell(3, 4)(np.zeros((2, 3), "float32"), fa.zeros((2, 4), "float32")), TypeError, r"its state is a pair"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="cos"), ValueError, "RNNCell: nonlinearity"),
])
def test_errors(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_an_error_leaves_the_layer_as_it_was():
    layer = made("LSTM", 3, 4, 2)
    wanted = layer(X)[0]
    layer.weight_hh_l1 = nn.Parameter(fa.tensor(np.zeros((16, 5))))
    with pytest.raises(ValueError, match="W_hh must have shape"):
        layer(X)
    layer.weight_hh_l1 = made("LSTM", 3, 4, 2).weight_hh_l1
    close(layer(X)[0], wanted, 0)


def test_nothing_at_all():
    layer = made("GRU", 3, 4, 2, bidirectional=True)
    y, h = layer(np.zeros((0, 2, 3)), np.ones((4, 2, 4)))
    assert y.shape == (0, 2, 8)
    close(h, np.ones((4, 2, 4)), 0)
    assert layer(np.zeros((5, 0, 3)))[0].shape == (5, 0, 8)


def test_no_warnings_of_numpy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = nn.LSTM(3, 4, 2, dropout=0.5)
        layer(fa.tensor(drawn((5, 3, 3), dtype="float32")), lengths=np.array([1, 5, 2], np.uint8))[0].sum().backward()
