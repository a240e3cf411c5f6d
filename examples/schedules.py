"""Learning rates that fall: how near to the minimum stochastic descent comes, by its schedule.

Softmax regression of 1,280 digits, a tenth of them mislabelled, with an L2 penalty: a convex problem, whose minimum LBFGS
finds.  Descent in batches of 16 does not: with a constant rate it stays at a distance, where the noise of the batches
keeps it, which is in proportion to the rate; with a tenth of the rate it gets nearer, but takes ten times as long.  A rate
that falls has both; one that falls too fast, as ExponentialLR here, freezes on the way.

    python examples/schedules.py [--epochs 60] [--out schedules.png]

Prints the figures, draws a picture, and ends with exit code 1 if one of this is not so.
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.datasets import load_digits, stratified_split
from fastad.optim import lr_scheduler
from fastad.training import Callback, Schedule, fit

SAMPLES, BATCH, RATE, PENALTY = 1280, 16, 0.5, 5e-3
STEPS = SAMPLES // BATCH                                                      # an epoch


def schedules(epochs):
    """Name -> (first rate, function of the optimizer, by 'epoch' or by 'step')."""
    return {
        f"constant {RATE:g}": (RATE, None, "epoch"),
        f"constant {RATE / 10:g}": (RATE / 10, None, "epoch"),
        "StepLR": (RATE, lambda o: lr_scheduler.StepLR(o, max(1, epochs // 4), gamma=0.2), "epoch"),
        "ExponentialLR": (RATE, lambda o: lr_scheduler.ExponentialLR(o, 0.001 ** (1 / epochs)), "epoch"),
        "CosineAnnealingLR": (RATE, lambda o: lr_scheduler.CosineAnnealingLR(o, epochs), "epoch"),
        "OneCycleLR": (RATE, lambda o: lr_scheduler.OneCycleLR(o, RATE, epochs * STEPS, cycle_momentum=False), "step"),
    }


COLOURS = ("0.25", "0.6", "#d95f02", "#1b9e77", "#5c1a4a", "#6a9fd8")


def data():
    images, labels = load_digits()
    chosen = stratified_split(labels, test_fraction=0.25, seed=0)[0][:SAMPLES]
    generator = np.random.default_rng(0)
    given = np.where(generator.random(SAMPLES) < 0.1, generator.integers(0, 10, SAMPLES), labels[chosen])
    return images[chosen].reshape(-1, 64).astype(float) / 16, given


def network():
    return nn.Linear(64, 10, dtype="float64", generator=np.random.default_rng(1))


def objective(model, samples):
    """The loss of all samples, with the penalty."""
    with fa.no_grad():
        fitted = nn.functional.cross_entropy(model(fa.tensor(samples[0])), fa.tensor(samples[1]))
        return fitted.item() + PENALTY / 2 * sum((p * p).sum().item() for p in model.parameters())


def minimum(samples):
    """The smallest value there is, by LBFGS on all samples."""
    model, x, y = network(), fa.tensor(samples[0]), fa.tensor(samples[1])
    optimizer = optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14,
                            line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y) + nn.functional.l2_penalty(model, PENALTY / 2)
        loss.backward()
        return loss

    optimizer.step(closure)
    return objective(model, samples)


class Record(Callback):
    """The rate of every step, and the objective after every epoch."""

    def __init__(self, samples):
        self.samples, self.rates, self.values = samples, [], []

    def on_train_begin(self, run):
        self.values.append(objective(run.model, self.samples))

    def on_step_end(self, run):
        self.rates.append(run.optimizer.param_groups[0]["lr"])

    def on_epoch_end(self, run):
        self.values.append(objective(run.model, self.samples))


def descend(samples, epochs, rate, schedule, every):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=rate, weight_decay=PENALTY)
    record = Record(samples)
    steps = [] if schedule is None else [Schedule(schedule(optimizer), every=every)]
    fit(model, nn.CrossEntropyLoss(), optimizer, samples, epochs, batch_size=BATCH, generator=np.random.default_rng(2),
        callbacks=[record, *steps], progress=False)
    return np.array(record.rates), np.array(record.values)


def settled(excess):
    """The mean distance over the last tenth of the epochs."""
    return float(excess[-max(1, len(excess) // 10):].mean())


def checks(runs):
    far, slow, *falling = ((excess[len(excess) // 4], settled(excess)) for _, excess in runs.values())
    return {
        "a constant large rate stays at a distance": far[1] > 0.5 * far[0],
        "a tenth of it is slower at first, and comes nearer": slow[0] > far[0] and slow[1] < far[1] / 3,
        "every rate that falls comes nearer than both": all(end < min(far[1], slow[1]) for _, end in falling),
        "ten times nearer, at least, than the large one": all(end < far[1] / 10 for _, end in falling),
    }


def report(runs, lowest, found, epochs):
    print(f"the minimum, by LBFGS: {lowest:.6f}.  Above it, by stochastic descent in {epochs} epochs:")
    print("                     after a quarter   in the end    first and last rate")
    for name, (rates, excess) in runs.items():
        print(f"  {name:<20}{excess[len(excess) // 4]:14.6f}{settled(excess):13.6f}{rates[0]:12.3f}  {rates[-1]:.1e}")
    print()
    for what, ok in found.items():
        print(f"{'yes' if ok else 'NO '}  {what}")


def draw(runs, path):
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, (rates, excess)), colour in zip(runs.items(), COLOURS, strict=True):
        style = {"color": colour, "linewidth": 2, "linestyle": "--" if name.startswith("constant") else "-", "label": name}
        left.plot(np.arange(1, len(rates) + 1) / STEPS, rates, **style)
        right.semilogy(np.maximum(excess, 1e-7), **style)
    left.set(title="learning rate", xlabel="epoch", yscale="log", ylim=(1e-3, 1))
    right.set(title="loss of all samples, above the minimum", xlabel="epoch")
    right.legend(frameon=False, ncols=2, loc="upper right")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", default="schedules.png", help="where the picture goes")
    options = parser.parse_args(argv)

    samples = data()
    lowest = minimum(samples)
    runs = {}
    for name, how in schedules(options.epochs).items():
        rates, values = descend(samples, options.epochs, *how)
        runs[name] = rates, values - lowest
    found = checks(runs)
    report(runs, lowest, found, options.epochs)
    draw(runs, options.out)
    print(f"picture: {options.out}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
