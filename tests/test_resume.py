"""Checkpoints of fit: a run that was killed and resumed ends, bit for bit, where an uninterrupted one does."""
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim
from fastad.optim import lr_scheduler as schedules
from fastad.training import Callback, Checkpoint, EarlyStopping, Schedule, fit

X, Y = np.random.default_rng(0).normal(size=(2, 40, 3))
MSE = nn.MSELoss()

PROGRAM = """
import os, signal, sys
import numpy as np
import fastad as fa
from fastad import nn, optim
from fastad.data import DataLoader
from fastad.training import Callback, Checkpoint, EarlyStopping, Schedule, fit

path, kind, epochs, dies, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
fa.manual_seed(7)
x, y = np.random.default_rng(0).normal(size=(2, 40, 3)).astype("float32")
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(0.4), nn.Linear(16, 3))
optimizer = optim.Adam(model.parameters(), lr=0.05, amsgrad=True)

schedules = optim.lr_scheduler
if kind.startswith("arrays"):
    scheduler = [schedules.CosineAnnealingLR(optimizer, 9), schedules.ReduceLROnPlateau(optimizer, factor=0.9, patience=0)]
else:
    scheduler = Schedule(schedules.OneCycleLR(optimizer, 0.1, total_steps=54), every="step")

class Die(Callback):
    def on_step_end(self, run):
        if run.epoch == dies and run.step % 3 == 1 or run.step == -dies > 1:
            os.kill(os.getpid(), signal.SIGKILL)

if "steps" in kind:
    path = Checkpoint(path, steps=2 if dies else 100)
if kind == "list, steps":
    data, options = list(DataLoader((x, y), batch_size=7)), {"accumulate": 2, "validation": DataLoader((x, y), batch_size=9)}
elif kind == "transform, steps":
    data = DataLoader((x, y), batch_size=7, shuffle=True, prefetch=2, transform=lambda b, rng: (b[0] + rng.normal() / 9, b[1]))
    options = {"clip_norm": 0.5}
elif kind.startswith("arrays"):
    data, options = (x, y), {"batch_size": 7, "validation": 0.25, "accumulate": 2}
else:
    data = DataLoader((x, y), batch_size=7, shuffle=True, generator=np.random.Generator(np.random.MT19937(3)))
    options = {"validation": (x[:9], y[:9]), "clip_norm": 0.5}
stop = EarlyStopping(patience=6)
history = fit(model, nn.MSELoss(), optimizer, data, epochs, callbacks=[stop, Die()], metrics={"mean": lambda p, t: p.numpy().mean()},
              scheduler=scheduler, checkpoint=path, resume=True, **options)
fa.save(out, {"model": model, "optimizer": optimizer, "history": history.columns, "stopped": history.stopped, "best": stop.state_dict(),
              "next": [fa.default_generator().random(), data.generator.random() if kind == "loader" else 0.0]})
"""


def bits(value):
    """The value with every number as its bytes, so that NaN and signs of zero count."""
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(v) for v in value]
    if isinstance(value, (fa.Tensor, np.ndarray)):
        array = np.asarray(value)
        return array.dtype.str, array.shape, array.tobytes()
    return np.float64(value).tobytes() if isinstance(value, float) else value


@pytest.mark.parametrize("kind, suffix", [("arrays", "npz"), ("loader", "safetensors" if find_spec("safetensors") else "npz")])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, kind, suffix):
    def run(name, epochs, dies=-1):
        out = tmp_path / f"result of {name}.npz"
        done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / f"{name}.{suffix}"), kind, str(epochs), str(dies), str(out)],
                              cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert (done.returncode == -9) == (dies > 0) and (dies > 0 or done.returncode == 0), done.stderr
        return None if dies > 0 else fa.load(out)

    whole = run("whole", 9)
    run("killed", 9, dies=1)                       # before there is a checkpoint
    run("killed", 9, dies=4)
    run("killed", 6)
    again = run("killed", 9)
    assert bits(whole) == bits(again)
    if kind == "arrays":
        assert bits(run("killed", 9)) == bits(again)                   # a run that has ended changes nothing more
    assert len(whole["history"]["loss"]) >= 6 and len(set(whole["history"]["lr"])) >= 6 and (tmp_path / f"killed.{suffix}").exists()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def network(width=4):
    fa.manual_seed(1)
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 3))


@pytest.mark.parametrize("kind", ["arrays, steps", "transform, steps", "list, steps"])
def test_a_run_that_was_killed_within_epochs_goes_on_bit_for_bit(tmp_path, kind):
    """Saved every second step; six or (where two batches are one step) three steps an epoch."""
    def run(name, dies):
        out = tmp_path / f"result of {name}.npz"
        done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / f"{name}.npz"), kind, "9", str(dies), str(out)],
                              cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        assert done.returncode == (-9 if dies else 0), done.stderr
        return None if dies else fa.load(out)

    whole = run("whole", 0)
    under_way = []
    for dies in (-3, -9, -14):
        run("killed", dies)
        under_way.append((fa.load(tmp_path / "killed.npz")["under_way"] or {"steps": 0})["steps"])
    assert sum(map(bool, under_way)) > 1
    again = run("killed", 0)
    assert bits(whole) == bits(again) and len(whole["history"]["loss"]) >= 6


SCHEDULERS = {"plateau": lambda o: schedules.ReduceLROnPlateau(o, patience=0, factor=0.5), "restarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 2),
              "step": lambda o: Schedule(schedules.CyclicLR(o, 0.01, 0.1, step_size_up=5), every="step"), "chained": lambda o: [schedules.StepLR(o, 2, 0.5), schedules.ExponentialLR(o, 0.9)],
              "sequence": lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.1, 2), schedules.CosineAnnealingLR(o, 5)], [2])}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps, dies", [(1, 4), (3, 7), (5, 14), (None, 11)])
def test_every_schedule_and_running_statistics_go_on_bit_for_bit(tmp_path, name, steps, dies):
    """Batches of 8, two a step, of 30 samples (10 are held back): two steps an epoch, the last of an odd size."""
    def result(path, dies=None):
        def die(run):
            if run.step == dies:
                raise ZeroDivisionError

        fa.manual_seed(3)
        model = nn.Sequential(nn.Linear(3, 8, dtype="float64"), nn.BatchNorm1d(8, dtype="float64"), nn.Dropout(0.3), nn.Linear(8, 3, dtype="float64"))
        optimizer, killer = optim.NAdam(model.parameters(), lr=0.05), Callback()
        killer.on_step_end = die
        history = fit(model, MSE, optimizer, (X, Y), 8, batch_size=8, validation=0.25, accumulate=2, clip_norm=1.0, scheduler=SCHEDULERS[name](optimizer),
                      callbacks=[EarlyStopping(50), killer], checkpoint=Checkpoint(path, steps=steps), resume=True)
        return bits([model.state_dict(), optimizer.state_dict(), history.columns])

    with pytest.raises(ZeroDivisionError):
        result(tmp_path / "broken.npz", dies)
    assert result(tmp_path / "broken.npz") == result(tmp_path / "whole.npz")


def numbers(model):
    return np.concatenate([p.detach().numpy().ravel().copy() for p in model.parameters()])


def run(path, model, epochs=2, optimizer=None, **kw):
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return fit(model, MSE, optimizer, (X.astype("float32"), Y.astype("float32")), epochs, checkpoint=path, **kw)


def test_a_plain_function_is_resumed_by_the_optimizers_parameters(tmp_path):
    results = []
    for epochs in ((6,), (2, 6)):
        for e in epochs:
            fa.manual_seed(0)
            w = fa.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
            fit(lambda x: x * w, MSE, optim.Adam([w], lr=0.1), (X, Y), e, checkpoint=tmp_path / f"{len(epochs)}.npz",  # noqa: B023
                resume=True)
        results.append(w.detach().numpy().tobytes())
    assert results[0] == results[1]


def test_parameters_of_the_loss_are_kept_too(tmp_path):
    results = []
    for epochs in ((6,), (2, 6)):
        for e in epochs:
            model, scale = network(), fa.tensor([1.0], dtype="float32", requires_grad=True)
            optimizer = optim.Adam([*model.parameters(), scale], lr=0.1)
            fit(model, lambda p, y: (((p - y) * scale) ** 2).mean(), optimizer, (X.astype("float32"), Y.astype("float32")), e,  # noqa: B023
                checkpoint=tmp_path / f"{len(epochs)}.npz", resume=True, batch_size=None)
        results.append((scale.item(), numbers(model).tobytes()))
    assert results[0] == results[1] and results[0][0] < 0.7


class Odd(Callback):
    pass


@pytest.mark.parametrize("change, message", [
    (lambda path: run(path, network(5), 4, resume=True), "load_state_dict for Sequential: 0.weight: shape"),
    (lambda path: run(path, network(), 4, callbacks=[Odd()], resume=True), r"saved with the callbacks \['Checkpoint'\], this one"),
    (lambda path: fit(m := network(), MSE, optim.Adam(m.parameters()), (X, Y), 4, checkpoint=path, resume=True), "momentum_buffer"),
    (lambda path: run(path, network(), 4, generator=np.random.default_rng(0), resume=True), "1 random generators, this one has 2"),
])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change, message, monkeypatch):
    path = tmp_path / "run.npz"
    run(path, network())
    restored = []
    monkeypatch.setattr("fastad.training.loop.Run.train", lambda *a: pytest.fail("it trained"))
    original = fa.training.loop.Run.set_weights
    monkeypatch.setattr("fastad.training.loop.Run.set_weights", lambda self, w: (restored.append(self.model), original(self, w)))
    with pytest.raises(fa.CheckpointError, match=message):
        change(path)
    model = restored[0]
    assert (numbers(model) == numbers(network(5 if len(numbers(model)) == len(numbers(network(5))) else 4))).all()


def test_files_that_are_no_checkpoints_of_fit(tmp_path):
    path = tmp_path / "run.npz"
    fa.save(path, network())
    with pytest.raises(fa.CheckpointError, match="something else than a checkpoint of fit"):
        run(path, network(), resume=True)
    run(path, network())
    state = fa.load(path)
    for key in ("epoch", "history", "random", "model", "optimizer", "callbacks", "step", "data", "under_way"):
        fa.save(path, {k: v for k, v in state.items() if k != key})
        with pytest.raises(fa.CheckpointError, match=f"no entry '{key}'"):
            run(path, network(), resume=True)
        for wrong in (None, 3, [1, 2], "x", {"a": 1}):
            if (key, wrong) in (("step", 3), ("under_way", None)):
                continue
            fa.save(path, state | {key: wrong})
            model = network()
            with pytest.raises(fa.CheckpointError, match="does not fit the run"):
                run(path, model, resume=True)
            assert (numbers(model) == numbers(network())).all()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(fa.CheckpointError, match="truncated"):
        run(path, network(), resume=True)


def test_checkpoints_of_some_epochs(tmp_path):
    written = []

    class Note(Checkpoint):
        def on_epoch_end(self, run):
            before = os.stat(self.path).st_mtime_ns if os.path.exists(self.path) else None
            super().on_epoch_end(run)
            if os.path.exists(self.path) and os.stat(self.path).st_mtime_ns != before:
                written.append(run.epoch)

    run(Note(tmp_path / "a.npz", every=3), network(), 7)
    assert written == [3, 6, 7]
    written.clear()
    scores = iter([3.0, 4.0, 2.0, 2.0, 1.0])
    run(Note(tmp_path / "b.npz", monitor="score"), network(), 5, batch_size=None, metrics={"score": lambda p, y: next(scores)})
    assert written == [1, 3, 5]
    written.clear()
    scores = iter([3.0, 4.0, 5.0])
    run(Note(tmp_path / "c.npz", every=10), network(), 5, batch_size=None, metrics={"score": lambda p, y: next(scores)},
        callbacks=[EarlyStopping(2, monitor="score")])
    assert written == [3]                          # the epoch after which it was stopped


def test_a_checkpoint_that_served_another_run_begins_anew(tmp_path):
    keep = Checkpoint(tmp_path / "a.npz", monitor="loss")
    run(keep, network(), 9)
    os.remove(keep.path)
    history = run(keep, network(), 1)
    assert os.path.exists(keep.path) and keep.best == history["loss"][0]


def test_a_scheduler_without_a_state_cannot_be_saved(tmp_path):
    class Stateless:
        def step(self):
            pass

    with pytest.raises(TypeError, match="Stateless has no state_dict, so the run cannot be saved"):
        run(tmp_path / "a.npz", network(), scheduler=Schedule(Stateless()))


def test_generators_of_modules_and_loaders_are_found(tmp_path):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator, self.w = np.random.default_rng(3), nn.Parameter(fa.tensor([1.0]))

        def forward(self, x):
            return x * self.w + self.generator.normal()

    results = []
    for epochs in ((4,), (2, 4)):
        for e in epochs:
            fa.manual_seed(0)
            model = Noisy()
            fit(model, MSE, optim.SGD(model.parameters(), lr=0.1), (X, Y), e, checkpoint=tmp_path / f"{len(epochs)}.npz", resume=True)
        results.append(model.w.item())
    assert results[0] == results[1]


def test_a_checkpoint_that_fails_late_changes_nothing(tmp_path):
    """Here the last of the generators: all else was put in place before it."""
    def program():
        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        return model, {"optimizer": optimizer, "scheduler": optim.lr_scheduler.StepLR(optimizer, 1, 0.5), "generator": np.random.default_rng(6)}

    path = tmp_path / "run.npz"
    model, options = program()
    run(path, model, 3, **options)
    state = fa.load(path)
    state["random"][-1] = {"bit_generator": "PCG64", "state": 3}
    fa.save(path, state)
    model, options = program()

    def everything():
        states = [options["optimizer"].state_dict(), options["scheduler"].state_dict()]
        return bits([numbers(model), *states, *(dict(g.bit_generator.state) for g in (options["generator"], fa.default_generator()))])

    before = everything()
    with pytest.raises(fa.CheckpointError, match="no state of PCG64"):
        run(path, model, 5, resume=True, **options)
    assert everything() == before


def test_the_samples_held_back_must_be_the_runs(tmp_path):
    path = tmp_path / "run.npz"
    run(path, network(), validation=0.25)
    state = fa.load(path)
    for wrong in ([1, 2], "x", 3, np.full(10, 1.5), np.arange(10) - 1, np.zeros(10, int), np.arange(10) + 31, np.arange(9)):
        fa.save(path, state | {"held_back": wrong})
        with pytest.raises(fa.CheckpointError, match="held back others than 10 of 40 samples"):
            run(path, network(), 4, validation=0.25, resume=True)
    fa.save(path, state)
    with pytest.raises(fa.CheckpointError, match="2 data loaders, this one has 1"):
        run(path, network(), 4, resume=True)
    with pytest.raises(fa.CheckpointError, match="batch_size 32, this one has 7"):
        run(path, network(), 4, validation=0.25, batch_size=7, resume=True)


def test_a_loss_that_is_nan_after_an_epoch_was_resumed(tmp_path):
    """Where the parameters were spoiled: back to where the run was resumed."""
    class Stop(Callback):
        def on_step_end(self, run):
            if run.step == 5 and not resumed:
                raise KeyboardInterrupt
            if resumed:
                run.model[0].bias.detach().copy_(np.full(4, np.nan))

    resumed, path = False, tmp_path / "run.npz"
    model = network()
    run(Checkpoint(path, steps=3), model, batch_size=4, callbacks=[Stop()])
    resumed, saved = True, fa.load(path)["model"]
    with pytest.raises(fa.training.NonFiniteError, match="were set back to step 3, where it was resumed"):
        run(Checkpoint(path, steps=3), model, batch_size=4, callbacks=[Stop()], resume=True)
    assert bits({k: v.numpy() for k, v in model.state_dict().items()}) == bits(saved)
