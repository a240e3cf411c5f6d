"""fit where something goes wrong: losses that are not finite, Ctrl-C, gradients that are missing, arguments that do not fit."""
import os
import signal
import threading
import warnings

import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim
from fastad.training import Callback, Checkpoint, EarlyStopping, NonFiniteError, Schedule, fit

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2))
MSE = nn.MSELoss()


def network():
    fa.manual_seed(1)
    return nn.Sequential({"first": nn.Linear(3, 8, dtype="float64"), "act": nn.Tanh(), "drop": nn.Dropout(0.2),
                          "last": nn.Linear(8, 2, dtype="float64")})


def numbers(model):
    return np.concatenate([p.detach().numpy().ravel().copy() for p in model.parameters()])


# ---- numbers that are not finite ---------------------------------------------------------------------
class Fragile(nn.Module):
    """Its running mean counts every batch; the result is infinite, and the mean too, where an input is large."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", fa.zeros(()))

    def forward(self, x):
        if self.training:
            self.mean = self.mean + x.detach().exp().sum()
        return x.exp()


class Root(nn.Module):
    """Finite, and its derivative is not: sqrt at 0."""

    def forward(self, x):
        return (x * 0).sqrt() + x


def trained(model, x=X, optimizer=None, **kw):
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    with pytest.raises(NonFiniteError) as caught:
        fit(model, MSE, optimizer, (x, Y), 5, batch_size=5, shuffle=False, **kw)
    return caught.value


def test_the_layer_that_overflows_is_named_and_the_last_step_stands():
    """A NaN in the data of the third batch: two steps were made."""
    model, x, states = network(), X.copy(), []
    model.last = nn.Sequential({"inner": nn.Linear(8, 2, dtype="float64"), "exp": nn.Identity()})
    x[12, 1] = np.nan
    state, random = numbers(model), []

    class Keep(Callback):
        def on_step_end(self, run):
            states.append(numbers(model))
            random.append(fa.default_generator().bit_generator.state)

    error = trained(model, x, callbacks=[Keep()])
    assert (error.epoch, error.step, error.layer) == (1, 3, "first")
    assert "epoch 1, step 3" in str(error) and "layer 'first' (Linear)" in str(error) and "inputs of this batch" in str(error)
    assert len(states) == 2 and (numbers(model) == states[-1]).all() and (states[-1] != state).any()
    assert type(model.first) is nn.Linear and "as after step 2" in str(error)


def test_the_innermost_module_is_named_first():
    model = nn.Sequential({"a": nn.Linear(3, 2, dtype="float64"), "block": nn.Sequential({"boom": Fragile()})})
    x = X.copy()
    x[7] = 1e4 * np.sign(model.a.weight.detach().numpy()[0])
    error = trained(model, x)
    assert (error.epoch, error.step, error.layer) == (1, 2, "block.boom") and "Fragile" in str(error)


def test_buffers_that_the_batch_spoiled_are_set_back():
    model = nn.Sequential({"a": nn.Linear(3, 2, dtype="float64"), "boom": Fragile()})
    before = numbers(model)
    optimizer = optim.SGD(model.parameters(), lr=1e-5, momentum=0.9)
    x = X.copy()
    x[18] = 1e4 * np.sign(model.a.weight.detach().numpy()[0])
    error = trained(model, x, optimizer)
    assert (error.epoch, error.step) == (1, 4) and "set back to the beginning of epoch 1" in str(error)
    assert model.boom.mean.item() == 0 and (numbers(model) == before).all()
    assert optimizer.state_dict() == optim.SGD(model.parameters(), lr=1e-5, momentum=0.9).state_dict()


def test_a_gradient_that_is_not_finite_shows_at_the_next_loss():
    model = nn.Sequential({"a": nn.Linear(3, 4, dtype="float64"), "b": nn.Linear(4, 2, dtype="float64"), "root": Root(),
                           "c": nn.Linear(2, 2, dtype="float64")})
    before = numbers(model)
    error = trained(model)
    assert (error.epoch, error.step, error.layer) == (1, 2, "b")     # c lies behind the root, b is the nearest that it spoils
    assert "a.weight, a.bias, b.weight, b.bias" in str(error) and "c.weight" not in str(error)
    assert (numbers(model) == before).all()
    error = trained(model, clip_norm=1.0)                            # whoever computes the norm sees it at once
    assert (error.epoch, error.step, error.layer) == (1, 1, "b") and "norm of the gradients" in str(error)
    assert (numbers(model) == before).all() and "as after step 0" in str(error)


def test_the_last_step_of_an_epoch_is_looked_at_too():
    model = network()
    before = numbers(model)
    with pytest.raises(NonFiniteError, match=r"at the end of epoch 1, step 1: the parameters first.weight") as caught:
        fit(model, MSE, optim.SGD(model.parameters(), lr=1e308), (X, Y * 1e4), 3, batch_size=None, validation=(X, Y))
    assert (numbers(model) == before).all() and caught.value.layer == "last"


def test_the_loss_itself_may_be_what_overflows():
    model, y = network(), np.full((20, 2), 1e200)
    with pytest.raises(NonFiniteError, match=r"the loss is inf in epoch 1, step 1: the model's output is finite: the loss over") as caught:
        fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (X, y), 3)
    assert caught.value.layer is None
    w = fa.tensor([1.0], requires_grad=True)
    with pytest.raises(NonFiniteError, match="the model's output is not finite"):
        fit(lambda x: x * w / 0.0, MSE, optim.SGD([w], lr=0.1), (X[:, :2], Y), 1)


def test_going_back_means_to_the_epoch_that_is_named():
    """A rate that becomes infinite in epoch 450; copies are taken every 200 steps."""
    w, starts = fa.tensor([1.0], requires_grad=True), []
    optimizer = optim.SGD([w], lr=1e-3)

    class Watch(Callback):
        def on_epoch_begin(self, run):
            starts.append(w.item())
            if run.epoch == 450:
                optimizer.param_groups[0]["lr"] = float("inf")

    one = np.ones((2, 1))
    with pytest.raises(NonFiniteError, match="at the end of epoch 450, step 1: the parameters number 0 are not finite") as caught:
        fit(lambda x: x * w, MSE, optimizer, (one, one * 0), 1000, batch_size=None, callbacks=[Watch()])
    epoch = int(str(caught.value).rpartition("epoch ")[2])
    assert 250 <= epoch <= 450 and w.item() == starts[epoch - 1] and optimizer.param_groups[0]["lr"] == 1e-3


# ---- Ctrl-C ------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C is heard: a shell has its background jobs ignore it, and Python leaves that so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Torn(optim.SGD):
    """A step in Python, one parameter after the other, with Ctrl-C in between."""

    at, when = 0, 3

    def step(self, closure=None):
        self.at += 1
        for i, p in enumerate(self.param_groups[0]["params"]):
            with fa.no_grad():
                p -= 0.1 * p.grad
            if self.at == self.when and i == 1:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(100):               # bytecodes, between which a signal arrives
                    pass


def test_ctrl_c_waits_for_the_end_of_a_step(capsys):
    by_hand, fitted = network(), network()
    before = signal.getsignal(signal.SIGINT)
    fitted[2].eval()
    fa.manual_seed(3)
    history = fit(fitted, MSE, Torn(fitted.parameters()), (X, Y), 4, batch_size=10, shuffle=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert history.interrupted and len(history) == 1 and "epoch 2; the model is as after step 3" in history.stopped
    assert "as after step 3" in capsys.readouterr().err and not fitted[2].training and fitted.training
    fa.manual_seed(3)
    optimizer = Torn(by_hand.parameters())
    optimizer.when = None
    for start in (0, 10, 0):
        optimizer.zero_grad()
        MSE(by_hand(fa.tensor(X[start:start + 10])), fa.tensor(Y[start:start + 10])).backward()
        optimizer.step()
    assert (numbers(by_hand) == numbers(fitted)).all()


def test_ctrl_c_elsewhere_ends_at_once():
    model, steps = network(), []

    def slow():
        for k in range(4):
            if len(steps) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield X[5 * k:5 * k + 5], Y[5 * k:5 * k + 5]

    class Count(Callback):
        def on_step_end(self, run):
            steps.append(numbers(model))

    class Data:
        __iter__ = lambda self: slow()  # noqa: E731

    history = fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), Data(), 4, callbacks=[Count(), EarlyStopping()])
    assert history.interrupted and len(steps) == 2 and (numbers(model) == steps[-1]).all() and model.training


def test_who_ignores_or_handles_ctrl_c_still_does():
    asked = []
    for handler in (signal.SIG_IGN, lambda number, frame: asked.append(number)):
        before = signal.signal(signal.SIGINT, handler)
        try:
            model = network()
            history = fit(model, MSE, Torn(model.parameters()), (X, Y), 4, batch_size=None)
            assert signal.getsignal(signal.SIGINT) is handler and len(history) == 4 and not history.interrupted
        finally:
            signal.signal(signal.SIGINT, before)
    assert asked == [signal.SIGINT]


def test_an_error_in_the_step_does_not_swallow_ctrl_c():
    class Broken(Torn):
        when = 1

        def step(self, closure=None):
            super().step()
            raise RuntimeError("broken")

    model = network()
    before = signal.getsignal(signal.SIGINT)
    history = fit(model, MSE, Broken(model.parameters()), (X, Y), 4, batch_size=None)
    assert history.interrupted and signal.getsignal(signal.SIGINT) is before


def test_another_thread_can_train():
    model, found = network(), []
    thread = threading.Thread(target=lambda: found.append(fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), 3)))
    thread.start()
    thread.join()
    assert len(found[0]) == 3


# ---- gradients that are missing ----------------------------------------------------------------------
def test_parameters_without_a_gradient_are_named_once():
    model = network()
    model.add_module("unused", nn.Linear(2, 2))
    used = nn.Sequential(*list(model)[:4])
    model.unused.bias.requires_grad = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(used, MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), 3, batch_size=5)
    assert [str(w.message).partition(";")[0] for w in caught] == ["fit: no gradient reached the parameters number 4 of shape (2, 2)"]


def test_a_parameter_of_the_model_is_named_by_its_name():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2, dtype="float64"), nn.Linear(3, 2, dtype="float64")

        def forward(self, x):
            return self.used(x)

    model = Half()
    with pytest.warns(UserWarning, match=r"no gradient reached the parameters unused.weight, unused.bias; they are not trained"):
        fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), 1)
    with pytest.raises(ValueError, match="no parameter of the optimizer got a gradient"):
        fit(model, MSE, optim.SGD(network().parameters(), lr=0.1), (X, Y), 1)


# ---- errors ------------------------------------------------------------------------------------------
def test_errors_of_the_model_and_of_the_loss_say_where():
    model = network()
    before = numbers(model)
    for x, y, message in ((X[:, :2], Y, "linear"), (X, Y[:, :1].repeat(3, axis=1), "mse_loss")):
        with pytest.raises(ValueError, match=message) as caught:
            fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (x, y), 1)
        assert caught.value.__notes__ == ["in epoch 1, step 1 of fastad.training.fit"]
    assert (numbers(model) == before).all()


def test_errors_say_where():
    class Late(Callback):
        def on_step_end(self, run):
            if run.step == 2:
                raise RuntimeError("late")

    for kw, notes in (({"callbacks": [Late()], "batch_size": 5}, ["in epoch 1, step 2 of fastad.training.fit"]),
                      ({"metrics": {"one": lambda p, y: np.ones(3)}}, ["in the metric 'one', which must give a number",
                                                                      "in epoch 1, step 1 of fastad.training.fit"]),
                      ({"validation": (X[:, :2], Y)}, ["in the validation after epoch 1 of fastad.training.fit"]),
                      ({"validation": (X, Y[:3])}, ["of the arrays that fastad.training.fit got as validation"])):
        with pytest.raises((RuntimeError, TypeError, ValueError)) as caught:
            some(**kw)
        assert caught.value.__notes__ == notes


def some(**kw):
    model = network()
    arguments = {"model": model, "loss": MSE, "optimizer": optim.SGD(model.parameters(), lr=0.1), "data": (X, Y), "epochs": 1} | kw
    return fit(**arguments)


@pytest.mark.parametrize("kw, error, message", [
    ({"epochs": 1.5}, TypeError, "epochs must be an integer, got float"), ({"epochs": -1}, ValueError, "epochs must be at least 0"),
    ({"epochs": True}, TypeError, "got bool"), ({"accumulate": 0}, ValueError, "accumulate at least 1"),
    ({"optimizer": MSE}, TypeError, r"the order is fit\(model, loss, optimizer, data, epochs\)"), ({"model": 3}, TypeError, "got int"),
    ({"data": X}, TypeError, "data must be a tuple of arrays .* got ndarray"), ({"data": 3}, TypeError, "got int"),
    ({"data": (X,)}, ValueError, r"is \(inputs, targets\).* got 1"), ({"data": (X, Y[:3])}, ValueError, "equal lengths"),
    ({"batch_size": 0}, ValueError, "batch_size"), ({"data": (X[:0], Y[:0])}, ValueError, "the data set is empty"), ({"data": []}, ValueError, "gave no batches in epoch 1"),
    ({"data": [X]}, TypeError, "a batch is .* got ndarray"), ({"data": [(X, Y, Y, Y)]}, TypeError, "got 4 parts"),
    ({"validation": 1.5}, ValueError, "between 0 and 1"), ({"validation": 0.01}, ValueError, "leaves 20 to train on and 0 to validate"),
    ({"validation": 0.5, "data": [(X, Y)]}, TypeError, "can be split off arrays only"), ({"validation": X}, TypeError, "validation must be"),
    ({"validation": []}, ValueError, "validation gave no batches"), ({"validation": 0.5, "data": (X, Y[:3])}, ValueError, "one length"),
    ({"metrics": "f1"}, ValueError, "unknown metric 'f1'; built in: accuracy"), ({"metrics": {"m": 3}}, TypeError, "metric 'm' must be"),
    ({"metrics": {"val_x": MSE}}, ValueError, "cannot be called 'val_x'"), ({"metrics": [lambda p, y: 1, lambda p, y: 2]}, ValueError, "two metrics are called"),
    ({"scheduler": 3}, TypeError, "a scheduler is an object with a method step, got 3"),
    ({"loss": nn.MSELoss(reduction="none")}, ValueError, r"one number, got shape \(20, 2\)"), ({"clip_norm": -1.0}, ValueError, "max_norm"),
    ({"loss": lambda p, y: 1.0}, TypeError, "must give a Tensor, got float"), ({"resume": True}, ValueError, "give checkpoint=path"),
    ({"checkpoint": "run.pickle"}, ValueError, "must end in '.safetensors' or '.npz'"), ({"callbacks": [3]}, TypeError, "callback"),
    ({"callbacks": EarlyStopping()}, TypeError, "must be a list, got EarlyStopping"), ({"callbacks": [EarlyStopping]}, TypeError, "no class"),
    ({"scheduler": optim.lr_scheduler.StepLR}, TypeError, "an object with a method step"),
    ({"scheduler": optim.lr_scheduler.StepLR(optim.SGD(network().parameters(), lr=1.0), 1)}, ValueError, "StepLR was made for another optimizer"),
    ({"loss": lambda p, y: (p - y).mean() * (1 + 0j)}, TypeError, "must be real, got complex128"),
    ({"data": (batch for batch in [(X, Y)]), "checkpoint": Checkpoint("run.npz", steps=1)}, TypeError, "with steps, data must be .* got generator"),
    ({"callbacks": [EarlyStopping(monitor="f1")]}, ValueError, "'f1' is not measured; there are loss, lr"),
])
def test_arguments_that_do_not_fit(kw, error, message):
    with pytest.raises(error, match=message):
        some(**kw)


@pytest.mark.parametrize("make", [lambda: EarlyStopping(0), lambda: EarlyStopping(mode="best"), lambda: EarlyStopping(min_delta=-1.0),
                                  lambda: Checkpoint("x.npz", every=0), lambda: Checkpoint("x.npz", steps=0),
                                  lambda: Checkpoint("x.npz", steps=3, monitor="loss"), lambda: Schedule(optim, "hour")])
def test_callbacks_that_make_no_sense(make):
    with pytest.raises((ValueError, TypeError)):
        make()


def test_data_that_runs_once_is_noticed():
    model = network()
    with pytest.raises(ValueError, match=r"no batches in epoch 2.* which a generator does not"):
        fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), ((X[i:i + 5], Y[i:i + 5]) for i in range(0, 20, 5)), 2)
