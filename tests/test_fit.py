"""fit: beside a loop written out, what it measures, what it does with schedules, clipping and accumulation, and its callbacks.
What it does when something goes wrong is in test_fit_faults.py, and resuming in test_resume.py."""
import io
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim
from fastad.data import DataLoader
from fastad.training import Callback, Converged, EarlyStopping, History, Schedule, accuracy, fit

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2))
LABELS = RNG.integers(0, 3, 20)
MSE = nn.MSELoss()


def network(outputs=2, dropout=0.0):
    fa.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8, dtype="float64"), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, outputs, dtype="float64"))


def numbers(model):
    return np.concatenate([p.detach().numpy().ravel().copy() for p in model.parameters()])


def frozen(model):
    """Steps that change nothing, so that means over an epoch are known."""
    return optim.SGD(model.parameters(), lr=0.0)


# ---- the loop ----------------------------------------------------------------------------------------
def test_it_is_the_loop_that_programs_write():
    by_hand, fitted = network(dropout=0.3), network(dropout=0.3)
    losses = []
    optimizer = optim.Adam(by_hand.parameters(), lr=0.01)
    fa.manual_seed(5)
    for _ in range(4):
        total = 0.0
        for x, y in DataLoader((X, Y), batch_size=8, shuffle=True):
            optimizer.zero_grad()
            loss = MSE(by_hand(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        losses.append(total / 20)
    fa.manual_seed(5)
    history = fit(fitted, MSE, optim.Adam(fitted.parameters(), lr=0.01), (X, Y), 4, batch_size=8)
    assert (numbers(by_hand) == numbers(fitted)).all() and history["loss"] == losses and history["lr"] == [0.01] * 4


@pytest.mark.parametrize("batch_size, updates", [(None, 1), (1, 1280), (128, 10), (100, 13)])
def test_the_three_regimes_are_one_call(batch_size, updates):
    seen = []

    def watching(x):
        seen.append(x.numpy()[:, 0].copy())
        return x * w

    w = fa.tensor([0.5], requires_grad=True)
    x = np.arange(1280.0)[:, None] / 1280
    fit(watching, MSE, optim.SGD([w], lr=0.01), (x, x), 2, batch_size=batch_size)
    assert len(seen) == 2 * updates
    for epoch in (seen[:updates], seen[updates:]):
        assert (np.sort(np.concatenate(epoch)) == x[:, 0]).all()
    if updates > 1:
        assert (np.concatenate(seen[:updates]) != np.concatenate(seen[updates:])).any()


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_accumulated_batches_are_one_larger_batch(k, reduction):
    """20 samples in batches of 3: groups of 3k, and a last one of other batches and another size."""
    loss = nn.MSELoss(reduction=reduction)
    small, large = network(), network()
    histories = [fit(model, loss, optim.SGD(model.parameters(), lr=0.02, momentum=0.9), (X, Y), 5, batch_size=size, shuffle=False,
                     clip_norm=1.0, accumulate=count) for model, size, count in ((small, 3, k), (large, 3 * k, 1))]
    np.testing.assert_allclose(numbers(small), numbers(large), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(*(h["loss"] for h in histories), rtol=1e-12)
    assert np.abs(numbers(small) - numbers(network())).max() > 1e-2


def test_a_tuple_of_inputs_are_several_arguments_and_arrays_become_tensors():
    w = fa.tensor([1.0], requires_grad=True)
    batches = [((X[:4, :1], X[:4, 1:2]), Y[:4, :1]), [(X[4:9, :1], X[4:9, 1:2]), Y[4:9, :1]]]
    def model(a, b):
        assert isinstance(a, fa.Tensor) and isinstance(b, fa.Tensor)
        return a * w + b

    history = fit(model, MSE, optim.SGD([w], lr=0.0), batches, 1)
    expected = ((X[:9, 0] + X[:9, 1] - Y[:9, 0]) ** 2).mean()
    assert history["loss"] == [pytest.approx(expected, rel=1e-14)]
    named = [({"a": a, "more": {"b": b}}, y) for (a, b), y in batches]
    assert fit(lambda d: model(d["a"], d["more"]["b"]), MSE, optim.SGD([w], lr=0.0), named, 1)["loss"] == history["loss"]


@pytest.mark.parametrize("kind", [tuple, dict])
def test_samples_are_counted_in_containers_too(kind):
    """Targets that are several: batches of 8, 8 and 4 samples, accumulated, are one of 20, in the gradient and in the mean."""
    def parts(*which):
        return [((X[s], X[s, :1]), (Y[s], 2 * Y[s])) if kind is tuple else ({"x": X[s]}, {"y": Y[s], "z": 2 * Y[s]}) for s in which]

    def loss(prediction, targets):
        y, z = targets.values() if kind is dict else targets
        return MSE(prediction, y) + MSE(prediction, z)

    results = []
    for batches, count in ((parts(slice(0, 8), slice(8, 16), slice(16, 20)), 3), (parts(slice(0, 20)), 1)):
        net = network()
        model = (lambda d, net=net: net(d["x"])) if kind is dict else (lambda x, _, net=net: net(x))
        results.append((fit(model, loss, optim.SGD(net.parameters(), lr=0.1), batches, 2, accumulate=count)["loss"], numbers(net)))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-13)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


def test_arrays_of_pytorch_are_read():
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LABELS)), batch_size=8)
    model = network(outputs=3)
    assert len(fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1), loader, 3, metrics="accuracy")) == 3


class Newton:
    """An optimizer that asks for the loss itself, as LBFGS does: twice a step here."""

    def __init__(self, p):
        self.param_groups = [{"params": [p], "lr": 1.0}]
        self.losses = []

    def zero_grad(self):
        self.param_groups[0]["params"][0].grad = None

    def state_dict(self):
        return {}

    def step(self, closure):
        p, = self.param_groups[0]["params"]
        for _ in range(2):
            self.losses.append(closure().item())
            with fa.no_grad():
                p -= 0.5 * p.grad


def test_an_optimizer_that_asks_for_the_loss_gets_a_closure():
    w = fa.tensor([0.0], requires_grad=True)
    optimizer = Newton(w)
    ones = np.ones((4, 1))
    history = fit(lambda x: x * w, MSE, optimizer, (ones, 3 * ones), 1, batch_size=2, accumulate=2)
    assert optimizer.losses == [9.0, 0.0] and history["loss"] == [9.0] and w.item() == 3.0


def test_lbfgs_solves_least_squares_in_an_epoch():
    fa.manual_seed(1)
    model = nn.Linear(3, 2, dtype="float64")
    optimizer = optim.LBFGS(model.parameters(), max_iter=50, line_search_fn="strong_wolfe")
    history = fit(model, MSE, optimizer, (X, Y), 2, batch_size=None)
    design = np.column_stack([X, np.ones(20)])
    solution, *_ = np.linalg.lstsq(design, Y, rcond=None)
    np.testing.assert_allclose(model.weight.detach().numpy(), solution[:3].T, atol=1e-6)
    assert history["loss"][1] == pytest.approx(((design @ solution - Y) ** 2).mean(), rel=1e-9) and history["loss"][0] > history["loss"][1]


# ---- what is measured --------------------------------------------------------------------------------
def test_means_weigh_batches_by_their_samples():
    """With steps of zero length the epoch's numbers are those of all samples at once."""
    model = network(outputs=3)
    scores = model(fa.tensor(X))
    expected = nn.functional.cross_entropy(scores, fa.tensor(LABELS)).item()
    share = float(np.mean(scores.detach().numpy().argmax(axis=1) == LABELS))
    spread = {"top": lambda p, y: p.numpy().max(axis=1).mean()}
    history = fit(model, nn.CrossEntropyLoss(), frozen(model), (X, LABELS), 1, batch_size=7, validation=(X[:9], LABELS[:9]),
                  metrics={"accuracy": "accuracy"} | spread)
    assert history["loss"] == [pytest.approx(expected, rel=1e-14)] and history["accuracy"] == [pytest.approx(share, rel=1e-14)]
    assert history["top"] == [pytest.approx(scores.detach().numpy().max(axis=1).mean(), rel=1e-14)]
    part = nn.functional.cross_entropy(scores[:9], fa.tensor(LABELS[:9])).item()
    assert history["val_loss"] == [pytest.approx(part, rel=1e-14)]
    assert history.keys() == ["loss", "accuracy", "top", "val_loss", "val_accuracy", "val_top", "lr"]
    summed = fit(model, nn.CrossEntropyLoss(reduction="sum"), frozen(model), (X, LABELS), 1, batch_size=7)
    assert summed["loss"] == [pytest.approx(expected, rel=1e-14)]


def weighted_mse(prediction, target, sample_weight=None):
    each = ((prediction - target) ** 2).mean(axis=1)
    return each.mean() if sample_weight is None else (each * sample_weight).sum() / sample_weight.sum()


def test_a_metric_that_writes_into_the_prediction_changes_no_gradient():
    def spoils(prediction, target):
        prediction.numpy()[...] = 0
        return 1.0

    plain, measured = network(), network()
    for model, metrics in ((plain, None), (measured, {"spoils": spoils})):
        fit(nn.Sequential(model, nn.Sigmoid()), MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), 2, batch_size=8, shuffle=False, accumulate=2, metrics=metrics)
    assert (numbers(plain) == numbers(measured)).all()


def test_weights_of_samples_reach_the_loss():
    weights = np.arange(20.0)
    model = network()
    each = ((model(fa.tensor(X)).detach().numpy() - Y) ** 2).mean(axis=1)
    history = fit(model, weighted_mse, frozen(model), (X, Y, weights), 1, batch_size=7, validation=(X[:3], Y[:3]))
    assert history["loss"] == [pytest.approx((each * weights).sum() / weights.sum(), rel=1e-14)]
    assert history["val_loss"] == [pytest.approx(each[:3].mean(), rel=1e-14)]
    small, large = network(), network()
    for m, size, count in ((small, 3, 4), (large, 12, 1)):
        fit(m, weighted_mse, optim.SGD(m.parameters(), lr=0.1), (X, Y, weights + 1), 3, batch_size=size, shuffle=False, accumulate=count)
    np.testing.assert_allclose(numbers(small), numbers(large), rtol=1e-12)
    with pytest.raises(TypeError, match="takes no sample_weight"):
        fit(model, lambda p, y: MSE(p, y), frozen(model), (X, Y, weights), 1)


@pytest.mark.parametrize("prediction, target, expected", [
    ([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [0, 1, 1], 2 / 3), ([[2.0, 1.0]], [[0.0, 1.0]], 0.0),
    (np.eye(3), np.eye(3), 1.0), (np.eye(4).reshape(1, 4, 4), np.arange(4)[None], 1.0)])
def test_accuracy(prediction, target, expected):
    assert accuracy(fa.tensor(prediction), fa.tensor(target)) == accuracy(prediction, target) == pytest.approx(expected)


@pytest.mark.parametrize("prediction, target", [(np.ones((3, 1)), np.ones((3, 1))), (np.ones(3), np.ones(3)), (np.ones((3, 2)), np.ones(4)),
                                                (np.ones((0, 2)), np.ones(0))])
def test_accuracy_refuses_what_it_cannot_judge(prediction, target):
    with pytest.raises(ValueError, match="accuracy"):
        accuracy(prediction, target)


def test_validation_holds_back_a_share_of_the_arrays():
    seen = {True: [], False: []}

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(fa.tensor([1.0]))

        def forward(self, x):
            assert fa.is_grad_enabled() == self.training
            seen[self.training].append(x.numpy()[:, 0].copy())
            return x * self.w

    model, x = Spy(), np.arange(40.0)[:, None]
    fit(model, MSE, optim.SGD(model.parameters(), lr=0.0), (x, x), 2, batch_size=7, validation=0.25)
    training, held_back = (np.concatenate(seen[mode]) for mode in (True, False))
    assert len(training) == 60 and len(held_back) == 20
    assert not set(training) & set(held_back) and len(set(training) | set(held_back)) == 40


def test_modes_are_in_the_end_what_they_were():
    model = network(dropout=0.5)
    model.eval()
    model[0].train()
    modes = [m.training for m in model.modules()]
    during = []
    fit(model, MSE, frozen(model), (X, Y), 1, callbacks=[lambda run: during.append([m.training for m in model.modules()])], validation=(X, Y))
    assert [m.training for m in model.modules()] == modes and not any(during[0])
    with pytest.raises(ValueError, match="stop here"):
        fit(model, MSE, frozen(model), (X, Y), 1, metrics=[lambda p, y: (_ for _ in ()).throw(ValueError("stop here"))])
    assert [m.training for m in model.modules()] == modes


# ---- steps -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kw, clip", [({"clip_norm": 0.1}, lambda p: nn.utils.clip_grad_norm_(p, 0.1)),
                                      ({"clip_value": 0.01}, lambda p: nn.utils.clip_grad_value_(p, 0.01))])
def test_gradients_are_clipped_before_the_step(kw, clip):
    by_hand, fitted = network(), network()
    optimizer = optim.SGD(by_hand.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        MSE(by_hand(fa.tensor(X)), fa.tensor(Y)).backward()
        clip(list(by_hand.parameters()))
        optimizer.step()
    fit(fitted, MSE, optim.SGD(fitted.parameters(), lr=0.5), (X, Y), 3, batch_size=None, **kw)
    assert (numbers(by_hand) == numbers(fitted)).all()


class Halving:
    def __init__(self, optimizer):
        self.optimizer, self.calls = optimizer, 0

    def step(self, epoch=None):
        self.calls += 1
        self.optimizer.param_groups[0]["lr"] /= 2

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        self.calls = state["calls"]


class Watching:
    """As ReduceLROnPlateau: its step needs a value."""

    def __init__(self):
        self.values = []

    def step(self, metrics, epoch=None):
        self.values.append(metrics)


def test_schedulers_go_by_epoch_or_by_step():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    history = fit(model, MSE, optimizer, (X, Y), 3, batch_size=10, scheduler=Halving(optimizer))
    assert history["lr"] == [1e-3, 5e-4, 2.5e-4]
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    history = fit(model, MSE, optimizer, (X, Y), 3, batch_size=10, accumulate=2, scheduler=[Schedule(Halving(optimizer), "step")])
    assert history["lr"] == [1e-3, 5e-4, 2.5e-4]
    history = fit(model, MSE, optimizer, (X, Y), 3, batch_size=10, callbacks=[Schedule(Halving(optimizer), every="step")])
    assert history["lr"][1] == history["lr"][0] / 4


def test_a_scheduler_that_wants_a_value_gets_the_validation_loss():
    model, with_validation, without, other = network(), Watching(), Watching(), Watching()
    history = fit(model, MSE, frozen(model), (X, Y), 2, validation=(X, Y), scheduler=[with_validation, Schedule(other, monitor="lr")])
    assert with_validation.values == history["val_loss"] and other.values == [0.0, 0.0]
    history = fit(model, MSE, frozen(model), (X, Y), 2, scheduler=without)
    assert without.values == history["loss"]
    with pytest.raises(ValueError, match="cannot go by step"):
        Schedule(Watching(), every="step")
    with pytest.raises(ValueError, match="'val_loss' is not measured; there are loss, lr"):
        fit(model, MSE, frozen(model), (X, Y), 1, scheduler=Schedule(Watching(), monitor="val_loss"))


def test_fastads_own_schedulers():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.1)
    assert fit(model, MSE, optimizer, (X, Y), 4, clip_value=1e-3, scheduler=scheduler)["lr"] == pytest.approx([1, 1, 0.1, 0.1])
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    optimizer.param_groups[0]["lr"] = 1e-9
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5, eps=0.0)
    assert fit(model, MSE, optimizer, (X, Y), 3, scheduler=scheduler)["lr"] == pytest.approx([1e-9, 1e-9, 1e-10], rel=1e-6)


# ---- the end -----------------------------------------------------------------------------------------
class Scripted:
    """A metric that says what it is told, an epoch after the other."""

    __name__ = "score"

    def __init__(self, *values):
        self.values = iter(values)

    def __call__(self, prediction, target):
        return next(self.values)


@pytest.mark.parametrize("mode, sign", [("min", 1), ("max", -1)])
@pytest.mark.parametrize("min_delta, best, ran", [(0.0, 4, 6), (0.5, 2, 4)])
def test_early_stopping_goes_back_to_the_best_weights(mode, sign, min_delta, best, ran):
    values = [sign * v for v in (5.0, 4.0, 4.0, 3.75, 3.75, 9.0, 1.0)]
    for restore in (True, False):
        model, after = network(), []
        stop = EarlyStopping(2, min_delta, monitor="score", mode=mode, restore_best=restore)
        history = fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), 7, batch_size=None, metrics=Scripted(*values),
                      callbacks=[stop, lambda run: after.append(numbers(run.model))])  # noqa: B023
        assert len(history) == ran and stop.best_epoch == best and stop.best == values[best - 1]
        assert history.stopped == f"score has not improved since epoch {best}"
        assert (numbers(model) == after[best - 1 if restore else -1]).all() and (after[best - 1] != after[-1]).any()
        assert history.best("score", mode) == values.index(min(values[:ran], key=lambda v: v * sign))


def test_the_best_weights_come_back_at_the_last_epoch_too():
    model, after = network(), []
    stop = EarlyStopping(5, monitor="score")
    fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), 3, batch_size=None, metrics=Scripted(2.0, 1.0, 3.0),
        callbacks=[stop, lambda run: after.append(numbers(model))])
    assert (numbers(model) == after[1]).all()
    fit(model, MSE, frozen(model), (X, Y), 1, batch_size=None, metrics=Scripted(7.0), callbacks=[stop])
    assert stop.best == 7.0                        # in another run it begins anew


def test_a_tolerance_ends_the_training():
    """Gradient descent on w^2 with w := w / 2: the loss is 4^-n, and changes by 3 * 4^-n."""
    for kw in ({"tolerance": 3.1 * 4.0 ** -5}, {"callbacks": [Converged(3.1 * 4.0 ** -4, patience=2)]}):
        w = fa.tensor([1.0], requires_grad=True)
        zero = np.zeros((1, 1))
        history = fit(lambda x: x + w, MSE, optim.SGD([w], lr=0.25), (zero, zero), 100, batch_size=None, **kw)  # noqa: B023
        assert history["loss"] == [4.0 ** -n for n in range(6)] and history.stopped.startswith("the loss changed by less than")


def test_the_rate_in_the_history_is_the_one_that_steps_had():
    class Halve(Callback):
        def on_epoch_begin(self, run):
            run.optimizer.param_groups[0]["lr"] = 0.5**run.epoch

    w = fa.tensor([0.0], requires_grad=True)
    history = fit(lambda x: x * w, nn.MSELoss(), optim.SGD([w], lr=1.0), (np.ones((4, 1)), np.ones((4, 1))), 3, callbacks=[Halve()])
    assert history["lr"] == [0.5, 0.25, 0.125]


def test_callbacks_are_told_in_order():
    told = []

    class Spy(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda run: told.append((name[3:], run.epoch, run.step, len(run.history)))
            return super().__getattribute__(name)

        on_step_end = None

    fit(network(), MSE, frozen(network()), (X, Y), 0)
    model = network()
    fit(model, MSE, frozen(model), (X, Y), 2, batch_size=10, callbacks=[Spy()])
    epoch = [("epoch_begin", 1, 0, 0), ("step_end", 1, 1, 0), ("step_end", 1, 2, 0), ("epoch_end", 1, 2, 1)]
    assert told == [("train_begin", 0, 0, 0), *epoch, *((what, 2, step + 2, rows + 1) for what, _, step, rows in epoch),
                    ("train_end", 2, 4, 2)]


# ---- history -----------------------------------------------------------------------------------------
def recorded():
    history = History()
    history.append({"loss": 1.0, "lr": 0.1})
    history.append({"loss": 0.5, "val_loss": 0.75, "accuracy": 0.9, "lr": 0.1})
    return history


def test_a_history_is_a_list_of_rows_and_a_dict_of_columns():
    history = recorded()
    assert len(history) == 2 and history["loss"] == [1.0, 0.5] and history[-1]["val_loss"] == 0.75 and "accuracy" in history
    assert math.isnan(history["val_loss"][0]) and dict(history).keys() == {"loss", "lr", "val_loss", "accuracy"}
    assert [row["loss"] for row in history] == [1.0, 0.5] and history.best("val_loss") == 1 and dict(history.items()) == history.columns
    with pytest.raises(KeyError, match="was not measured; there are loss"):
        history["f1"]
    with pytest.raises(IndexError, match="the history has 2"):
        history[2]
    assert "0.75" in repr(history) and repr(history).count("\n") == 3 and repr(History()) == "History: no epochs"


def test_a_history_as_json(tmp_path):
    history = recorded()
    history.stopped, history.interrupted = "enough", True
    again = History.from_json(history.to_json(str(tmp_path / "h.json")))
    assert (tmp_path / "h.json").read_text() == history.to_json() == again.to_json() and again.interrupted
    for text in ("[]", "{}", '{"seconds": [1], "columns": {"loss": [1, 2]}, "stopped": null, "interrupted": false}',
                 '{"seconds": ["x"], "columns": {}, "stopped": null, "interrupted": false}', "{"):
        with pytest.raises(ValueError):
            History.from_json(text)
    assert json.loads(history.to_json())["columns"]["loss"] == [1.0, 0.5]


def test_a_history_draws_itself(tmp_path):
    figure = pytest.importorskip("matplotlib.figure")
    history = recorded()
    assert [len(axes.lines) for axes in history.plot().axes] == [2, 1]
    assert [line.get_label() for line in history.plot(names=["lr", "val_loss"]).axes[0].lines] == ["lr", "validation loss"]
    axes = figure.Figure().subplots()
    assert history.plot(axes=axes) is None and len(axes.lines) == 2
    assert history.plot(tmp_path / "h.png") is None and (tmp_path / "h.png").stat().st_size > 5_000
    with pytest.raises(ValueError, match="nothing to draw"):
        History().plot()


# ---- what one sees -----------------------------------------------------------------------------------
def test_progress_as_lines(capsys):
    model = network()
    fit(model, MSE, frozen(model), (X, Y), 2, progress="lines", validation=(X, Y))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:3:2] for line in lines] == [["epoch", "loss"]] * 2 and "val_loss" in lines[0]
    fit(model, MSE, frozen(model), (X, Y), 2)
    fit(model, MSE, frozen(model), (X, Y), 2, progress=False)
    assert capsys.readouterr() == ("", "")         # nobody watches where stderr is no terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_as_a_bar(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    model = network()
    fit(model, MSE, frozen(model), (X, Y), 3, batch_size=5)
    shown = sys.stderr.getvalue()
    assert "epoch 3/3" in shown and "12/12" in shown and "loss" in shown


def test_progress_without_tqdm(monkeypatch, capsys):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    model = network()
    fit(model, MSE, frozen(model), (X, Y), 2, progress=True)
    assert len(capsys.readouterr().err.splitlines()) == 2
    with pytest.raises(ImportError, match="fastad\\[progress\\]"):
        fit(model, MSE, frozen(model), (X, Y), 2, progress="bar")
    with pytest.raises(ValueError, match="progress must be"):
        fit(model, MSE, frozen(model), (X, Y), 2, progress="loud")


# ---- the page ----------------------------------------------------------------------------------------
PAGE = Path(__file__).parents[1] / "docs" / "training.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not beside these tests")
def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert len(programs) == 4
    exec("\n".join(programs), {})
    assert {p.name for p in tmp_path.iterdir()} == {"run.npz", "model.npz"}
    assert float(capsys.readouterr().out.splitlines()[2].split()[4]) > 0.8     # validation accuracy of the first epoch
