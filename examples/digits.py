"""Read handwritten digits: train a small network on 1,797 real images, in a few seconds.

A net of 64 inputs, 128 ReLU units and 10 outputs learns three quarters of the images by Adam, in batches
of 32 reshuffled each epoch, with a rate that falls along a cosine.  The last quarter, split off so that
every class keeps its share, says how well it reads.  Five random splits make the figure trustworthy.

    python examples/digits.py [--epochs 30] [--seeds 0 1 2 3 4] [--out digits.png]

Prints a report, draws a picture, and ends with exit code 1 if the mean accuracy is below 97 %.
"""
import argparse
import math
import sys
from statistics import mean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure  # without pyplot: draws into a file, needs no screen
from tqdm import tqdm

import fastad as fa
from fastad import nn, optim, reference
from fastad.data import DataLoader
from fastad.datasets import load_digits, stratified_split

TO_PASS = 0.97
RATE = 0.01
BATCH = 32


class Run(NamedTuple):
    """What one seed gave."""

    seed: int
    losses: list                                   # mean training loss, an entry an epoch
    accuracies: list                               # on the test images, an entry an epoch
    seconds: float                                 # in the training steps, batches included
    steps: int
    test: np.ndarray                               # the test images' indices
    read: np.ndarray                               # and what the trained network takes them for


def network():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def batches_of(x, y, seed):
    return DataLoader((x, y), batch_size=BATCH, shuffle=True, generator=np.random.default_rng(seed))


def training_step(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def cool_down(optimizer, epoch, epochs):
    """Half a cosine from RATE to almost nothing: large steps to get there, small ones to settle."""
    for group in optimizer.param_groups:
        group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def classify(model, x):
    with fa.no_grad():
        return model(x).numpy().argmax(axis=1)


def train(x, labels, seed, epochs, progress):
    """Train and test on one random split."""
    fa.manual_seed(seed)
    train_part, test_part = stratified_split(labels, test_fraction=0.25, seed=seed)
    x_train, y_train = fa.tensor(x[train_part]), fa.tensor(labels[train_part])
    x_test = fa.tensor(x[test_part])

    model = network()
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    batches = batches_of(x_train, y_train, seed)
    losses, accuracies, seconds, steps = [], [], 0.0, 0
    for epoch in range(epochs):
        cool_down(optimizer, epoch, epochs)
        start = perf_counter()
        of_steps = [training_step(model, optimizer, *batch) for batch in batches]
        seconds += perf_counter() - start
        steps += len(of_steps)
        read = classify(model, x_test)
        losses.append(mean(of_steps))
        accuracies.append(float(np.mean(read == labels[test_part])))
        progress.set_postfix(seed=seed, test=f"{accuracies[-1]:.1%}", refresh=False)
        progress.update()
    return Run(seed, losses, accuracies, seconds, steps, test_part, read)


def reference_step(parameters, optimizer, x, y):
    """The same step on the pure-Python reference."""
    W, b, V, c = parameters
    optimizer.zero_grad()
    hidden = reference.relu(reference.linear(x, W, b))
    loss = reference.cross_entropy(reference.linear(hidden, V, c), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def race(x, labels):
    """One epoch by fastad and by the reference, step by step in turn, from the same weights.

    Returns the median seconds of a step of each, and the largest difference between their losses.
    """
    fa.manual_seed(0)
    model = network()
    start = [p.detach().numpy().copy() for p in model.parameters()]
    theirs = [reference.Tensor(p, requires_grad=True) for p in start]
    optimizers = optim.Adam(model.parameters(), lr=RATE), reference.Adam(theirs, lr=RATE)
    times, difference = ([], []), 0.0
    for x_batch, y_batch in batches_of(fa.tensor(x), fa.tensor(labels), seed=0):
        arrays = x_batch.numpy(), y_batch.numpy()
        t0 = perf_counter()
        loss = training_step(model, optimizers[0], x_batch, y_batch)
        t1 = perf_counter()
        their_loss = reference_step(theirs, optimizers[1], *arrays)
        times[0].append(t1 - t0)
        times[1].append(perf_counter() - t1)
        difference = max(difference, abs(loss - their_loss))
    return median(times[0]), median(times[1]), difference


def report(runs, compared):
    """Print the figures; return the mean test accuracy."""
    print("seed   test accuracy   mistakes   seconds")
    for run in runs:
        wrong = round((1 - run.accuracies[-1]) * len(run.test))
        print(f"{run.seed:4d} {run.accuracies[-1]:15.2%} {wrong:6d}/{len(run.test)} {run.seconds:9.2f}")
    accuracy = mean(run.accuracies[-1] for run in runs)
    seconds, steps = sum(run.seconds for run in runs), sum(run.steps for run in runs)
    print(f"mean {accuracy:15.2%}   (at least {TO_PASS:.0%} is asked)")
    print(f"{steps:,} steps in {seconds:.2f} s: {seconds / steps * 1e6:.0f} us a step, batches included")
    ours, theirs, difference = compared
    print(f"the same steps alone: fastad {ours * 1e6:.0f} us, pure-Python reference {theirs * 1e6:.0f} us, "
          f"{theirs / ours:.1f} times as long; losses agree to {difference:.0e}")
    return accuracy


def draw_curves(axes, runs):
    """Loss and accuracy by epoch, one line a seed."""
    for run in runs:
        epochs = np.arange(1, len(run.losses) + 1)
        axes[0].semilogy(epochs, run.losses, linewidth=1.2, label=f"seed {run.seed}")
        axes[1].plot(epochs, 100 * np.array(run.accuracies), linewidth=1.2)
    axes[0].set(title="training loss (cross-entropy)", xlabel="epoch")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].axhline(100 * TO_PASS, color="0.6", linewidth=0.8, linestyle="--")
    axes[1].set(title="accuracy on the test images, %", xlabel="epoch", ylim=(88, 100))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)


def draw_mistakes(axes, run, images, labels):
    """The digits that one network misread, as many as there are places."""
    wrong = np.flatnonzero(run.read != labels[run.test])
    for ax, i in zip(axes, wrong, strict=False):
        ax.imshow(images[run.test[i]], cmap="gray_r")
        ax.set_title(f"{labels[run.test[i]]} read as {run.read[i]}", fontsize=8)
    for ax in axes:
        ax.set_axis_off()


def draw(runs, images, labels, path):
    figure = Figure(figsize=(9, 6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    draw_curves(upper.subplots(1, 2), runs)
    lower.suptitle(f"the test digits that the network of seed {runs[0].seed} misread", fontsize=10)
    draw_mistakes(lower.subplots(2, 8).ravel(), runs[0], images, labels)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", default="digits.png", help="where the picture goes")
    options = parser.parse_args(argv)

    images, labels = load_digits()
    x = images.reshape(-1, 64) / 16
    with tqdm(total=len(options.seeds) * options.epochs, unit="epoch") as progress:
        runs = [train(x, labels, seed, options.epochs, progress) for seed in options.seeds]
    accuracy = report(runs, race(x, labels))
    draw(runs, images, labels, options.out)
    print(f"picture: {options.out}")
    return 0 if accuracy >= TO_PASS else 1


if __name__ == "__main__":
    sys.exit(main())
