"""Schedulers of learning rates: sixty steps beside PyTorch's, in closed form, resumed to the last bit, and what they refuse."""
import json
from math import cos, pi

import numpy as np
import pytest

import fastad as fa
from fastad import optim
from fastad.optim import lr_scheduler

try:
    import torch
except ImportError:
    torch = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")

RATES = (0.5, 0.03)
MOMENTUM = {"cycle_momentum": False}


def library(name):
    """(module of schedulers, an optimizer with two groups of one of the libraries)."""
    if name == "torch":
        leaves = [torch.ones(1, requires_grad=True) for _ in RATES]
        return torch.optim.lr_scheduler, torch.optim, leaves
    return lr_scheduler, optim, [fa.tensor([1.0], requires_grad=True) for _ in RATES]


def make(name, build, optimizer="SGD", **options):
    schedulers, optimizers, leaves = library(name)
    groups = [{"params": [p], "lr": lr} for p, lr in zip(leaves, RATES, strict=True)]
    o = getattr(optimizers, optimizer)(groups, **({"momentum": 0.9} if optimizer == "SGD" else {}) | options)
    return o, build(schedulers, o)


def one(name, *args, **options):
    return lambda s, o: getattr(s, name)(o, *args, **options)


def chained(*builds):
    return lambda s, o: s.ChainedScheduler([build(s, o) for build in builds])


def sequential(milestones, *builds):
    return lambda s, o: s.SequentialLR(o, [build(s, o) for build in builds], milestones=milestones)


CASES = {
    "constant": one("ConstantLR", factor=0.3, total_iters=7), "constant, as it is": one("ConstantLR"),
    "linear": one("LinearLR", start_factor=0.2, end_factor=0.9, total_iters=13), "linear to 0": one("LinearLR", 1.0, 0.0, 20),
    "exponential": one("ExponentialLR", 0.93), "steps": one("StepLR", 7, gamma=0.3), "steps, as they are": one("StepLR", 20),
    "milestones": one("MultiStepLR", [30, 3, 3, 12], gamma=0.4),
    "polynomial": one("PolynomialLR", total_iters=40, power=2.3), "polynomial, as it is": one("PolynomialLR"),
    "lambda": one("LambdaLR", lambda t: 1 / (1 + t)), "lambdas": one("LambdaLR", [lambda t: 0.9**t, lambda t: 1.0 - t / 100]),
    "multiplicative": one("MultiplicativeLR", lambda t: 1 - 1 / (t + 2)),
    "multiplicative, each": one("MultiplicativeLR", [lambda t: 0.97, lambda t: 0.9 + 0.01 * (t % 7)]),
    "cosine": one("CosineAnnealingLR", 25, eta_min=0.01), "cosine to 0": one("CosineAnnealingLR", 17),
    "restarts": one("CosineAnnealingWarmRestarts", 7), "longer restarts": one("CosineAnnealingWarmRestarts", 3, 2, eta_min=0.001),
    "triangular": one("CyclicLR", 0.1, 1.0, step_size_up=7),
    "triangular2": one("CyclicLR", [0.1, 0.2], [1.0, 2.0], step_size_up=5, step_size_down=9, mode="triangular2"),
    "exp_range": one("CyclicLR", 0.1, 1.0, 6, mode="exp_range", gamma=0.98, base_momentum=0.5, max_momentum=0.99),
    "scale of cycles": one("CyclicLR", 0.1, 1.0, 6, scale_fn=lambda c: 1 / c, **MOMENTUM),
    "scale of steps": one("CyclicLR", 0.1, 1.0, 6, scale_fn=lambda t: 0.99**t, scale_mode="iterations"),
    "one cycle": one("OneCycleLR", 2.0, total_steps=60),
    "one cycle, linear": one("OneCycleLR", [2.0, 3.0], epochs=6, steps_per_epoch=10, anneal_strategy="linear", pct_start=0.45),
    "one cycle, three phases": one("OneCycleLR", 2.0, 60, three_phase=True, div_factor=10, final_div_factor=100, pct_start=0.4),
    "one cycle without momentum": one("OneCycleLR", 2.0, 60, **MOMENTUM),
    "chained": chained(one("ConstantLR", 0.1, 9), one("ExponentialLR", 0.95)),
    "three chained": chained(one("LinearLR", 0.1, total_iters=11), one("StepLR", 8, 0.5), one("CosineAnnealingLR", 70, eta_min=1e-3)),
    "polynomial, chained": chained(one("PolynomialLR", 30), one("MultiStepLR", [5, 25, 40], 0.7)),
    "multiplicative, chained": chained(one("MultiplicativeLR", lambda t: 0.97), one("ExponentialLR", 0.99)),
    "sequential": sequential([10, 33], one("LinearLR", 0.1, total_iters=10), one("CosineAnnealingLR", 23), one("ConstantLR", 0.5, 9)),
    "sequential, others": sequential([6, 40], one("ExponentialLR", 0.8), one("LambdaLR", lambda t: 1 / (1 + t)), one("StepLR", 4)),
    "sequential with restarts": sequential([5], one("ConstantLR", 0.1, 50), one("CosineAnnealingWarmRestarts", 10)),
    "sequential with multiplication": sequential([5], one("MultiplicativeLR", lambda t: 0.9), one("MultiplicativeLR", lambda t: 0.99)),
    "sequential, chained first": sequential([8], chained(one("ConstantLR", 0.1, 4), one("ExponentialLR", 0.9)), one("StepLR", 5)),
}


def record(optimizer, scheduler, steps):
    """The rates and momentums of every step."""
    seen = []
    for _ in range(steps):
        seen.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return seen


def numbers(seen):
    return np.array([[x for lr, momentum, betas in groups for x in (lr, *(betas or (momentum,)))] for groups in seen], float)


@with_torch
@pytest.mark.parametrize("optimizer", ("SGD", "Adam"))
@pytest.mark.parametrize("case", [case for case in CASES if case != "sequential, chained first"])    # theirs is a step ahead
def test_sixty_steps_beside_pytorch(case, optimizer):
    ours, theirs = (numbers(record(*make(name, CASES[case], optimizer), 60)) for name in ("fastad", "torch"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_resumed_in_the_middle_is_the_same_to_the_last_bit(case):
    whole = record(*make("fastad", CASES[case]), 60)
    optimizer, scheduler = make("fastad", CASES[case])
    first = record(optimizer, scheduler, 23)
    state = json.loads(json.dumps([optimizer.state_dict(), scheduler.state_dict()]))     # plain numbers, texts and lists
    other, again = make("fastad", CASES[case])
    other.load_state_dict(state[0])
    again.load_state_dict(state[1])
    assert again.get_last_lr() == scheduler.get_last_lr()
    assert first + record(other, again, 37) == whole


def rates(build, steps=12):
    return numbers(record(*make("fastad", build), steps))[:, 0] / RATES[0]


T = np.arange(12)


@pytest.mark.parametrize("build, expected", (
    (one("ConstantLR", 0.25, 3), np.where(T < 3, 0.25, 1)), (one("LinearLR", 0.5, 1.0, 4), 0.5 + 0.5 * np.minimum(T, 4) / 4),
    (one("ExponentialLR", 0.9), 0.9**T), (one("StepLR", 3, 0.1), 0.1 ** (T // 3)),
    (one("MultiStepLR", (2, 5, 5), 0.1), 0.1 ** (1.0 * (T >= 2) + 2 * (T >= 5))),
    (one("PolynomialLR", 6, 2.0), (1 - np.minimum(T, 6) / 6) ** 2), (one("CosineAnnealingLR", 5), (1 + np.cos(pi * T / 5)) / 2),
    (one("CosineAnnealingWarmRestarts", 4), (1 + np.cos(pi * (T % 4) / 4)) / 2), (one("MultiplicativeLR", lambda t: 0.5), 0.5**T),
    (sequential([6], chained(one("ConstantLR", 0.1, 4), one("ExponentialLR", 0.9)), one("StepLR", 3)),
     np.select([T < 4, T < 6], [0.1 * 0.9**T, 0.9**T], 0.1 ** ((T - 6) // 3))),
    (one("CyclicLR", RATES[0], 2 * RATES[0], 3), 1 + np.abs((T + 3) % 6 - 3) / 3),
))
def test_closed_forms(build, expected):
    np.testing.assert_allclose(rates(build), expected, rtol=1e-14, atol=1e-15)


def test_closed_forms_gather_no_rounding():
    optimizer, scheduler = make("fastad", one("ExponentialLR", 0.999))
    for _ in range(1000):
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == RATES[0] * 0.999**1000
    optimizer, scheduler = make("fastad", one("CosineAnnealingLR", 300, 0.1))
    for _ in range(1000):
        scheduler.step()
    assert scheduler.get_last_lr()[0] == 0.1 + (RATES[0] - 0.1) * ((1 + cos(pi * 1000 / 300)) / 2)


def test_a_rate_changed_by_hand_stays_changed():
    optimizer, scheduler = make("fastad", one("StepLR", 2, 0.5))
    optimizer.param_groups[0]["lr"] /= 10
    seen = numbers(record(optimizer, scheduler, 5))[:, 0]
    np.testing.assert_allclose(seen, np.array([0.05, 0.05, 0.025, 0.025, 0.0125]), rtol=1e-14)


def test_going_on_from_an_epoch():
    optimizer, _ = make("fastad", one("ExponentialLR", 0.5))
    assert lr_scheduler.ExponentialLR(optimizer, 0.5, last_epoch=3).get_last_lr() == [r / 16 for r in RATES]
    whole = numbers(record(*make("fastad", CASES["sequential"]), 60))
    builds = one("LinearLR", 0.1, total_iters=10), one("CosineAnnealingLR", 23), one("ConstantLR", 0.5, 9)
    optimizer, again = make("fastad", lambda s, o: s.SequentialLR(o, [b(s, o) for b in builds], [10, 33], last_epoch=24))
    assert (numbers(record(optimizer, again, 35)) == whole[25:]).all() and again.last_epoch == 60
    with pytest.raises(ValueError, match="initial_lr"):
        lr_scheduler.StepLR(optim.SGD([fa.tensor([1.0], requires_grad=True)]), 3, last_epoch=3)


@with_torch
def test_parts_of_epochs():
    pairs = [make(name, one("CosineAnnealingWarmRestarts", 3, 2)) for name in ("fastad", "torch")]
    for epoch in (0, 0.5, 1.25, 2.75, None, None, 4.5, 8.75, None, 10, 0.25):
        for _, scheduler in pairs:
            scheduler.step(epoch)
        np.testing.assert_allclose(*[scheduler.get_last_lr() for _, scheduler in pairs], rtol=1e-12)
    with pytest.raises(ValueError, match="at least 0"):
        pairs[0][1].step(-1)


METRICS = np.abs(np.sin(0.4 * np.arange(80))) + np.exp(-0.2 * np.arange(80))
PLATEAUS = ({}, {"mode": "max", "patience": 3}, {"patience": 2, "factor": 0.7, "cooldown": 3, "threshold_mode": "abs"},
            {"patience": 1, "factor": 0.5, "min_lr": [0.01, 0.02], "threshold": 0.1}, {"patience": 0, "factor": 0.9, "eps": 0.02},
            {"mode": "max", "patience": 2, "threshold_mode": "abs", "threshold": 0.3, "factor": 0.2})


@with_torch
@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus_beside_pytorch(options, sign):
    pairs = [make(name, one("ReduceLROnPlateau", **options)) for name in ("fastad", "torch")]
    for i, metric in enumerate(sign * METRICS):
        for _, scheduler in pairs:
            scheduler.step(float("nan") if i == 50 else metric)
        assert pairs[0][1].get_last_lr() == pairs[1][1].get_last_lr()
    assert pairs[0][1].get_last_lr() != list(RATES) or sign * (-1 if options.get("mode") == "max" else 1) < 0


def test_a_plateau():
    _, scheduler = make("fastad", one("ReduceLROnPlateau", patience=2, factor=0.5, cooldown=1))
    seen = []
    for metric in (1.0, 0.5, 0.5, 0.5, 0.49999, 0.5, 0.5, 0.5, 0.5, 0.1):
        scheduler.step(fa.tensor(metric))
        seen.append(scheduler.get_last_lr()[0])
    assert seen == [0.5] * 4 + [0.25] * 4 + [0.125] * 2
    state = scheduler.state_dict()
    other, again = make("fastad", one("ReduceLROnPlateau", mode="max"))
    again.load_state_dict(state)
    assert again.state_dict() == state and again.mode == "min" and other is again.optimizer


def test_groups_added_meanwhile():
    optimizer, scheduler = make("fastad", one("ExponentialLR", 0.5))
    scheduler.step()
    optimizer.add_param_group({"params": [fa.tensor([1.0], requires_grad=True)], "lr": 8.0})
    scheduler.step()
    assert scheduler.get_last_lr() == [RATES[0] / 4, RATES[1] / 4, 4.0]
    optimizer, scheduler = make("fastad", CASES["one cycle"])
    optimizer.add_param_group({"params": [fa.tensor([1.0], requires_grad=True)]})
    with pytest.raises(ValueError, match="OneCycleLR is for 2"):
        scheduler.step()


class Counted:
    """A callable with a state."""

    def __init__(self, rate):
        self.rate, self.calls = rate, 0

    def __call__(self, epoch):
        self.calls += 1
        return self.rate**epoch


def test_functions_are_not_saved_but_attributes_are():
    _, scheduler = make("fastad", one("LambdaLR", [Counted(0.5), lambda t: 1.0]))
    scheduler.step()
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5, "calls": 2}, None] and "optimizer" not in state
    _, other = make("fastad", one("LambdaLR", [Counted(0.1), lambda t: 1.0]))
    other.load_state_dict(state)
    assert other.lr_lambdas[0].rate == 0.5 and other.lr_lambdas[0].calls == 2


def sgd():
    return optim.SGD([fa.tensor([1.0], requires_grad=True)], lr=1.0)


def foreign():
    lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(sgd(), 1), lr_scheduler.StepLR(sgd(), 1)])


def over():
    scheduler = lr_scheduler.OneCycleLR(sgd(), 1.0, 3)
    for _ in range(4):
        scheduler.step()


def loaded(change):
    scheduler = lr_scheduler.StepLR(sgd(), 3)
    state = scheduler.state_dict()
    change(state)
    try:
        scheduler.load_state_dict(state)
    finally:
        assert scheduler.state_dict() == lr_scheduler.StepLR(sgd(), 3).state_dict()


def plateau_in(kind):
    o = sgd()
    parts = [lr_scheduler.StepLR(o, 3), lr_scheduler.ReduceLROnPlateau(o)]
    return lr_scheduler.ChainedScheduler(parts) if kind == "chained" else lr_scheduler.SequentialLR(o, parts, [3])


BAD = {
    "an optimizer": (lambda: lr_scheduler.StepLR(3, 3), TypeError, "StepLR.*Optimizer.*int"),
    "factor": (lambda: lr_scheduler.ConstantLR(sgd(), 1.5), ValueError, "ConstantLR: factor.*1.5"),
    "start": (lambda: lr_scheduler.LinearLR(sgd(), 0.0), ValueError, "start_factor"),
    "end": (lambda: lr_scheduler.LinearLR(sgd(), 0.5, 2.0), ValueError, "end_factor"),
    "step_size": (lambda: lr_scheduler.StepLR(sgd(), 0), ValueError, "step_size.*0"),
    "total_iters": (lambda: lr_scheduler.PolynomialLR(sgd(), 0), ValueError, "total_iters"),
    "T_max": (lambda: lr_scheduler.CosineAnnealingLR(sgd(), 0), ValueError, "T_max"),
    "T_0": (lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 1.5), ValueError, "T_0.*1.5"),
    "lambdas": (lambda: lr_scheduler.LambdaLR(sgd(), [abs, abs]), ValueError, "2 values of lr_lambda for 1"),
    "lambda": (lambda: lr_scheduler.MultiplicativeLR(sgd(), 0.5), TypeError, "lr_lambda.*float"),
    "mode": (lambda: lr_scheduler.CyclicLR(sgd(), 0.1, 1.0, mode="round"), ValueError, "mode.*'round'"),
    "scale_mode": (lambda: lr_scheduler.CyclicLR(sgd(), 0.1, 1.0, scale_mode="x"), ValueError, "scale_mode"),
    "sizes": (lambda: lr_scheduler.CyclicLR(sgd(), 0.1, 1.0, 0), ValueError, "step sizes"),
    "momentum": (lambda: lr_scheduler.CyclicLR(optim.Adagrad([fa.tensor([1.0], requires_grad=True)]), 0.1, 1.0), ValueError,
                 "Adagrad has neither"),
    "no steps": (lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, epochs=3), ValueError, "steps_per_epoch"),
    "pct_start": (lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, 10, pct_start=2), ValueError, "pct_start"),
    "strategy": (lambda: lr_scheduler.OneCycleLR(sgd(), 1.0, 10, anneal_strategy="x"), ValueError, "anneal_strategy"),
    "over": (over, ValueError, "step 4 of 3"),
    "plateau's factor": (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), factor=1.0), ValueError, "factor"),
    "plateau's mode": (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), "least"), ValueError, "mode"),
    "plateau's threshold": (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), threshold_mode="x"), ValueError, "threshold_mode"),
    "plateau's min_lr": (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), min_lr=[0, 0]), ValueError, "min_lr"),
    "none chained": (lambda: lr_scheduler.ChainedScheduler([], sgd()), ValueError, "no schedulers"),
    "chained, what": (lambda: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(sgd(), 1), 3]), TypeError, "scheduler 1.*int"),
    "foreign": (foreign, ValueError, "another optimizer"),
    "milestones": (lambda: lr_scheduler.SequentialLR(o := sgd(), [lr_scheduler.StepLR(o, 1)], [3]), ValueError, "milestones"),
    "plateau chained": (lambda: plateau_in("chained"), ValueError, "ReduceLROnPlateau"),
    "plateau in a sequence": (lambda: plateau_in("sequential"), ValueError, "ReduceLROnPlateau"),
    "state, missing": (lambda: loaded(lambda s: s.pop("gamma")), ValueError, "lacks \\['gamma'\\]"),
    "state, unknown": (lambda: loaded(lambda s: s.update(delta=1)), ValueError, "unknown \\['delta'\\]"),
    "state, groups": (lambda: loaded(lambda s: s.update(_last_lr=[1.0, 2.0])), ValueError, "2 parameter groups"),
    "no rates": (lambda: lr_scheduler.LRScheduler(sgd()), NotImplementedError, "rates"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
