"""gradient_flow: Jacobians through time against those of the whole sequence, norms and verdicts by parameter."""
import builtins
import runpy
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad.diagnostics import gradient_flow

RNG = np.random.default_rng(4)
STEPS, BATCH, INPUTS, HIDDEN = 6, 2, 3, 4
X = RNG.normal(size=(STEPS, BATCH, INPUTS))


def layer_of(kind, layers=1, **how):
    fa.manual_seed(7)
    made = {"tanh": nn.RNN, "relu": nn.RNN, "sigmoid": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind]
    if made is nn.RNN:
        how["nonlinearity"] = kind
    return made(INPUTS, HIDDEN, layers, dtype="float64", **how)


def state_after(layer, x, rows, steps):
    """State rows after some steps, as one function of state rows before: the layer over all of them in one call."""
    pair, n = isinstance(layer, nn.LSTM), layer.num_layers
    states = rows.reshape(1 + pair, n, 1, HIDDEN)
    _, final = layer(x[:steps], (states[0], states[1]) if pair else states[0])
    return fa.concatenate([s.ravel() for s in final]) if pair else final.ravel()


def test_every_module_gets_back_its_mode():
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.frozen = nn.Linear(HIDDEN, HIDDEN, dtype="float64"), nn.Dropout(0.5)
            self.frozen.eval()

        def forward(self, carry, x):
            assert not any(m.training for m in self.modules())
            return self.inner(self.frozen(carry)).tanh(), None

    cell = Cell()
    gradient_flow(cell, X, np.ones((BATCH, HIDDEN)))
    assert [m.training for m in (cell, cell.inner, cell.frozen)] == [True, True, False]


@pytest.mark.parametrize("kind, layers", [("tanh", 1), ("relu", 1), ("sigmoid", 2), ("lstm", 1), ("lstm", 2), ("gru", 2)])
def test_norms_are_those_of_the_jacobians_of_the_whole_sequence(kind, layers):
    layer = layer_of(kind, layers)
    flow = gradient_flow(layer, X)
    size = layers * HIDDEN * (2 if kind == "lstm" else 1)
    assert flow.spectral.shape == (STEPS + 1, STEPS + 1, BATCH)
    for b in range(BATCH):
        x = X[:, b:b + 1]
        before = [np.zeros(size)]
        for k in range(STEPS):
            before.append(np.asarray(state_after(layer, x[k:], fa.tensor(before[k]), 1).detach()))
        for k in range(STEPS + 1):
            for t in range(k, STEPS + 1):
                whole = np.eye(size) if t == k else fa.jacfwd(lambda s, k=k, t=t, x=x: state_after(layer, x[k:], s, t - k))(before[k])
                np.testing.assert_allclose(flow.spectral[t - k, t, b], np.linalg.svd(whole)[1][0], rtol=1e-9)
                np.testing.assert_allclose(flow.frobenius[t - k, t, b], np.linalg.norm(whole), rtol=1e-9)
    assert all(np.isnan(flow.spectral[d, :d]).all() for d in flow.distances)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_layers_cells_and_functions_agree(kind):
    layer = layer_of("tanh" if kind == "rnn" else kind)
    cell = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[kind](INPUTS, HIDDEN, dtype="float64")
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    zeros = fa.zeros((BATCH, HIDDEN))

    def function(carry, x):
        state = cell(x, carry)
        return state, None

    whole = gradient_flow(layer, X)
    for other in (gradient_flow(cell, X), gradient_flow(function, X, (zeros, zeros) if kind == "lstm" else zeros)):
        np.testing.assert_allclose(other.spectral, whole.spectral, rtol=1e-10)
        np.testing.assert_allclose(other.frobenius, whole.frobenius, rtol=1e-10)
    assert (gradient_flow(cell, X).rate is None) == (kind != "rnn")


def test_first_state_and_forms_of_input():
    layer = layer_of("lstm")
    pair = [fa.tensor(RNG.normal(size=(1, BATCH, HIDDEN))) for _ in range(2)]
    flow = gradient_flow(layer, X, tuple(pair))
    assert abs(flow.spectral[1, 1] - gradient_flow(layer, X).spectral[1, 1]).min() > 1e-4
    first = layer_of("lstm", batch_first=True)
    np.testing.assert_allclose(gradient_flow(first, X.swapaxes(0, 1), tuple(pair)).spectral, flow.spectral, rtol=1e-12)
    one = gradient_flow(layer, X[:, 0], tuple(s[:, :1] for s in pair))
    np.testing.assert_allclose(one.spectral[..., 0], flow.spectral[..., 0], rtol=1e-12)


def test_a_layer_is_looked_at_without_dropout_and_stays_as_it_was():
    layer = layer_of("gru", 2, dropout=0.5)
    a, b = gradient_flow(layer, X), gradient_flow(layer, X)
    np.testing.assert_array_equal(a.spectral, b.spectral)
    assert layer.training and all(p.grad is None for p in layer.parameters())


@pytest.mark.parametrize("kind, slope", [("tanh", 1), ("relu", 1), ("sigmoid", 0.25)])
def test_the_bound(kind, slope):
    layer = layer_of(kind)
    flow = gradient_flow(layer, X)
    assert flow.rate == pytest.approx(slope * np.linalg.svd(layer.weight_hh_l0.detach().numpy())[1][0], rel=1e-12)
    assert (flow.largest() <= flow.bound * (1 + 1e-12)).all()
    assert gradient_flow(layer_of(kind, 2), X).bound is None


def test_a_linear_recurrence_has_the_powers_of_its_matrix():
    """s_t = W s_(t-1), whose Jacobians are known."""
    w = np.array([[0.0, 2.0], [0.5, 0.0]])                    # W^2 = 1
    flow = gradient_flow(lambda s, x: (s @ fa.tensor(w.T) + x, s), np.zeros((5, 1, 2)), fa.ones((1, 2)))
    np.testing.assert_allclose(flow.mean(), [1, 2, 1, 2, 1, 2])
    np.testing.assert_allclose(flow.mean("frobenius"), np.sqrt([2, 4.25, 2, 4.25, 2, 4.25]))
    assert flow.verdict == "holds" and flow.bound is None and flow.factor == pytest.approx(2 ** 0.2)


@pytest.mark.parametrize("scale, verdict", [(0.1, "vanishes"), (1.0, "holds"), (9.0, "explodes"), (np.inf, "not finite")])
def test_verdicts_through_time(scale, verdict):
    with np.errstate(invalid="ignore", over="ignore"):
        flow = gradient_flow(lambda s, x: (s * scale, None), np.zeros((10, 1, 2)), fa.ones((1, 2)))
    assert flow.verdict == verdict
    assert f"over 10 steps {verdict}" in repr(flow)


def test_a_table_of_jacobians():
    flow = gradient_flow(layer_of("sigmoid"), RNG.normal(size=(25, 1, INPUTS)))
    lines = repr(flow).split("\n")
    assert lines[0].startswith("RNN: ds_t/ds_k over 25 steps vanishes, by 0.")
    assert [int(line.split()[0]) for line in lines[2:]] == [0, 1, 2, 5, 10, 20, 25]
    np.testing.assert_allclose([float(v) for v in lines[4].split()[1:]],
                               [flow.mean()[2], flow.largest()[2], flow.mean("frobenius")[2], flow.bound[2]], rtol=1e-2)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: gradient_flow(nn.GRU(3, 4, bidirectional=True), X), TypeError, "both directions"),
    (lambda: gradient_flow(layer_of("gru"), X[:0]), ValueError, r"at least one step, got \(0, 2, 3\)"),
    (lambda: gradient_flow(lambda s, x: (s, x), X), TypeError, "needs its first carry"),
    (lambda: gradient_flow(3, X), TypeError, "expected a layer or a cell, got int"),
    (lambda: gradient_flow(lambda s, x: (s, x)), TypeError, "expected a Module after backward"),
    (lambda: gradient_flow(layer_of("gru")), ValueError, "no parameter has a gradient; call backward"),
    (lambda: gradient_flow(layer_of("gru"), X).mean("nuclear"), ValueError, "'spectral' or 'frobenius'"),
])
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


# ---- by parameter ------------------------------------------------------------------------------------
def model_with(gradients):
    model = nn.Sequential(*[nn.Linear(2, 2, bias=False) for _ in gradients])
    for p, g in zip(model.parameters(), gradients, strict=True):
        nn.init.constant_(p, 0.5)
        if g is not None:
            (p * fa.tensor(np.full((2, 2), g, "float32"))).sum().backward()
    return model


def test_norms_and_verdicts_by_parameter():
    flow = gradient_flow(model_with([1.0, 1e-9, 1e5, np.nan, np.inf, None, 0.0]))
    assert flow.names == tuple(f"{i}.weight" for i in range(7))
    assert flow.verdicts == ("", "vanished", "exploded", "NaN", "infinite", "none", "vanished")
    assert flow.named("vanished") == ["1.weight", "6.weight"] and flow.named("NaN") == ["3.weight"]
    np.testing.assert_allclose(flow.parameters, 1.0)
    np.testing.assert_allclose(flow.gradients[[0, 1, 2, 6]], [2, 2e-9, 2e5, 0], rtol=1e-6)
    assert np.isnan(flow.gradients[[3, 5]]).all() and np.isinf(flow.gradients[4])
    assert gradient_flow(model_with([1e-9, 1e5]), small=1e-12, large=1e6).verdicts == ("", "")
    assert "1.weight       2e-09          1      2e-09  vanished" in repr(flow)


def test_norms_do_not_overflow_and_zero_parameters_are_measured_in_one():
    model = nn.Linear(2, 2, dtype="float64")
    nn.init.constant_(model.bias, 0.0)
    (model.weight.sum() * 1e200 + model.bias.sum() * 3).backward()
    flow = gradient_flow(model)
    np.testing.assert_allclose(flow.gradients, [2e200, 3 * np.sqrt(2)])
    np.testing.assert_allclose(flow.ratios[1], 3 * np.sqrt(2))


def test_deep_sigmoids_lose_the_gradient_and_the_first_layers_are_named():
    fa.manual_seed(0)
    model = nn.Sequential(*[m for _ in range(14) for m in (nn.Linear(8, 8), nn.Sigmoid())])
    model(RNG.normal(size=(16, 8)).astype("float32")).sum().backward()
    flow = gradient_flow(model)
    gone = flow.named("vanished")
    assert gone and gone == [name for name in flow.names if name in gone] and "0.weight" in gone and "26.weight" not in gone
    weights = flow.gradients[::2]
    assert (weights[1:] > 2 * weights[:-1]).all()             # from layer to layer, forward


# ---- pictures ----------------------------------------------------------------------------------------
def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure
    flows = gradient_flow(layer_of("tanh"), X), gradient_flow(model_with([1.0, None, np.nan, 1e-9]))
    for flow in flows:
        figure = flow.plot()
        assert isinstance(figure, Figure)
        assert flow.plot(str(tmp_path / "a.png")) is None and (tmp_path / "a.png").stat().st_size > 5000
        axes = Figure().subplots()
        assert flow.plot(axes=axes) is None
    axes = flows[0].plot().axes[0]
    line, bound = axes.lines
    np.testing.assert_allclose(line.get_ydata(), flows[0].mean())
    np.testing.assert_allclose(bound.get_ydata(), flows[0].bound)
    axes = flows[1].plot().axes[0]
    assert [text.get_text() for text in axes.texts] == ["", "none", "NaN", "vanished"]


def test_without_matplotlib_the_numbers_stay(monkeypatch):
    flow = gradient_flow(model_with([1.0]))
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"plot: pictures need matplotlib \(pip install fastad\[plot\]\)"):
        flow.plot()


# ---- the experiment of the texts ---------------------------------------------------------------------
EXAMPLE = Path(__file__).parents[1] / "examples" / "vanishing_gradients.py"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not beside these tests")
def test_vanishing_gradients_as_theory_has_them(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    program = runpy.run_path(str(EXAMPLE))
    ungated, gated = program["measure"](44)
    for name, slope in (("tanh", 1.0), ("sigmoid", 0.25)):
        flow, bound = ungated[name], (slope * 0.95) ** np.arange(45)
        assert (flow.largest() <= bound * (1 + 1e-9)).all()
        steps = np.diff(np.log(flow.mean()))                  # geometric decay: by about as much from step to step
        assert (steps < np.log(0.96)).all() and steps[10:].std() < 0.1 * abs(steps[10:].mean())
    assert 0.1 < gated["LSTM, forget bias 3"].mean()[40] < 100 and gated["LSTM, forget bias 3"].verdict == "holds"
    assert gated["LSTM"].mean()[40] < 1e-4 and gated["LSTM"].verdict == "vanishes"
    assert gated["LSTM"].mean()[40] < 1e-3 * gated["LSTM, forget bias 1"].mean()[40] < 1e-3 * gated["LSTM, forget bias 3"].mean()[40]
    assert program["main"](["--steps", "40", "--out", str(tmp_path / "v.png")]) == 0
    printed = capsys.readouterr().out
    assert "NO " not in printed and "NaN in recurrence.weight_ih_l0" in printed and "infinity came out of this operation" in printed
    assert (tmp_path / "v.png").stat().st_size > 50_000
