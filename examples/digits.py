"""Read handwritten digits: train a small network on 1,797 real images, in about a second.

A net of 64 inputs, 512 ReLU units and 10 outputs learns three quarters of the images by Adam, in batches of 32 reshuffled
each epoch, with a rate that falls along a cosine.  Its targets are smoothed: the right class counts 0.82, each other 0.02.
The last quarter, split off so that every class keeps its share, says how well it reads.  Five random splits make the
figure trustworthy.  Width, epochs, smoothing, dropout and weight decay were chosen on parts of the training images alone;
`--choose` does it again.

    python examples/digits.py [--epochs 40] [--seeds 0 1 2 3 4] [--peer] [--choose] [--out digits.png]

Prints a report, draws a picture, and ends with exit code 1 if the mean accuracy is below 98 %.  `--peer` trains
scikit-learn's MLPClassifier beside it: the same network, as many epochs of the same batches.
"""
import argparse
import math
import sys
import warnings
from statistics import mean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure  # without pyplot: draws into a file, needs no screen

import fastad as fa
from fastad import nn, optim, reference
from fastad.data import DataLoader
from fastad.datasets import load_digits, stratified_split
from fastad.training import fit

TO_PASS = 0.98
RATE = 0.01
BATCH = 32


class Choice(NamedTuple):
    """What could be otherwise."""

    width: int = 512
    epochs: int = 40
    smoothing: float = 0.2
    dropout: float = 0.0
    decay: float = 0.0


CHOSEN = Choice()
OTHERS = (CHOSEN, Choice(width=128), Choice(width=256), Choice(epochs=20), Choice(epochs=80), Choice(smoothing=0.0),
          Choice(smoothing=0.1), Choice(smoothing=0.0, dropout=0.5), Choice(dropout=0.2), Choice(decay=0.1))


class Run(NamedTuple):
    """What one seed gave."""

    seed: int
    losses: list                                   # mean training loss, an entry an epoch
    accuracies: list                               # on the test images, an entry an epoch
    seconds: float                                 # batches, steps and the test after each epoch
    steps: int
    test: np.ndarray                               # the test images' indices
    read: np.ndarray                               # and what the trained network takes them for


def network(choice=CHOSEN):
    layers = [nn.Linear(64, choice.width), nn.ReLU(), nn.Dropout(choice.dropout), nn.Linear(choice.width, 10)]
    return nn.Sequential(*(layers if choice.dropout else layers[:2] + layers[3:]))


def learn(x, labels, train_part, test_part, seed, choice, **options):
    """The model and its history: trained on one part, measured on the other after each epoch."""
    fa.manual_seed(seed)
    model = network(choice)
    optimizer = optim.AdamW(model.parameters(), lr=RATE, weight_decay=choice.decay)
    data, held_back = ((x[part], labels[part]) for part in (train_part, test_part))
    history = fit(model, nn.CrossEntropyLoss(label_smoothing=choice.smoothing), optimizer, data, choice.epochs,
                  batch_size=BATCH, generator=np.random.default_rng(seed), metrics="accuracy", validation=held_back,
                  scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, choice.epochs), **options)
    return model, history


def train(x, labels, seed, choice=CHOSEN):
    """Train and test on one random split."""
    train_part, test_part = stratified_split(labels, test_fraction=0.25, seed=seed)
    model, history = learn(x, labels, train_part, test_part, seed, choice)
    with fa.no_grad():
        read = model.eval()(fa.tensor(x[test_part])).numpy().argmax(axis=1)
    steps = len(history) * -(-len(train_part) // BATCH)
    return Run(seed, history["loss"], history["val_accuracy"], sum(history.seconds), steps, test_part, read)


def choose(x, labels, seeds, folds=4):
    """Print the accuracy of every choice on fifths of the training images: no test image is looked at."""
    print("mean of validation, and its standard error; seconds")
    for choice in OTHERS:
        found, start = [], perf_counter()
        for seed in seeds:
            train_part, _ = stratified_split(labels, test_fraction=0.25, seed=seed)
            for fold in range(folds):
                rest, fifth = stratified_split(labels[train_part], test_fraction=0.2, seed=1000 + fold)
                _, history = learn(x, labels, train_part[rest], train_part[fifth], seed, choice, progress=False)
                found.append(history["val_accuracy"][-1])
        error = np.std(found) / math.sqrt(len(found))
        print(f"{mean(found):8.2%} +-{error:.2%} {(perf_counter() - start) / len(found):6.2f}   {choice}", flush=True)


def with_peer(x, labels, seeds, epochs):
    """scikit-learn's MLPClassifier, and fastad's with the same parameters: accuracies and seconds."""
    from sklearn.neural_network import MLPClassifier as Theirs

    from fastad.sklearn import MLPClassifier as Ours
    print(f"the same network and as many epochs, at a constant rate of {RATE / 10:g}      accuracy   seconds")
    for name, kind in (("fastad.sklearn.MLPClassifier", Ours), ("sklearn.neural_network.MLPClassifier", Theirs)):
        accuracies, seconds = [], []
        for seed in seeds:
            train_part, test_part = stratified_split(labels, test_fraction=0.25, seed=seed)
            peer = kind((CHOSEN.width,), batch_size=BATCH, learning_rate_init=RATE / 10, max_iter=epochs, tol=0.0,
                        n_iter_no_change=epochs + 1, random_state=seed)
            start = perf_counter()
            with warnings.catch_warnings(action="ignore"):             # that it has not converged
                peer.fit(x[train_part], labels[train_part])
            seconds.append(perf_counter() - start)
            accuracies.append(peer.score(x[test_part], labels[test_part]))
        print(f"  {name:<60}{mean(accuracies):10.2%}{mean(seconds):10.2f}")


def reference_step(parameters, optimizer, x, y):
    """The same step on the pure-Python reference."""
    W, b, V, c = parameters
    optimizer.zero_grad()
    hidden = reference.relu(reference.linear(x, W, b))
    loss = reference.cross_entropy(reference.linear(hidden, V, c), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def training_step(model, optimizer, x, y):
    """A step without `fit`."""
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
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
    for x_batch, y_batch in DataLoader((x, labels), batch_size=BATCH, shuffle=True, generator=np.random.default_rng(0)):
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


def least(smoothing=CHOSEN.smoothing):
    """The smallest loss that smoothed targets allow: their entropy."""
    right, other = 1 - 0.9 * smoothing, 0.1 * smoothing
    return -right * math.log(right) - 9 * other * math.log(other)


def draw_curves(axes, runs):
    """Loss and accuracy by epoch, one line a seed."""
    for run in runs:
        epochs = np.arange(1, len(run.losses) + 1)
        axes[0].semilogy(epochs, np.array(run.losses) - least(), linewidth=1.2, label=f"seed {run.seed}")
        axes[1].plot(epochs, 100 * np.array(run.accuracies), linewidth=1.2)
    axes[0].set(title=f"training loss, above the least possible ({least():.3f})", xlabel="epoch")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].axhline(100 * TO_PASS, color="0.6", linewidth=0.8, linestyle="--")
    axes[1].set(title="accuracy on the test images, %", xlabel="epoch", ylim=(90, 100))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)


def draw_mistakes(axes, runs, images, labels):
    """The digits that the networks misread, as many as there are places."""
    wrong = [(run.seed, i, read) for run in runs for i, read in zip(run.test, run.read, strict=True) if read != labels[i]]
    for ax, (seed, i, read) in zip(axes, wrong, strict=False):
        ax.imshow(images[i], cmap="gray_r")
        ax.set_title(f"seed {seed}: {labels[i]} as {read}", fontsize=8)
    for ax in axes:
        ax.set_axis_off()


def draw(runs, images, labels, path):
    figure = Figure(figsize=(9, 6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    draw_curves(upper.subplots(1, 2), runs)
    lower.suptitle("test digits that were misread", fontsize=10)
    draw_mistakes(lower.subplots(2, 8).ravel(), runs, images, labels)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=CHOSEN.epochs)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--peer", action="store_true", help="train scikit-learn's MLPClassifier too")
    parser.add_argument("--choose", action="store_true", help="choose the settings by validation, and stop (some minutes)")
    parser.add_argument("--out", default="digits.png", help="where the picture goes")
    options = parser.parse_args(argv)

    fa.set_num_threads(1)                          # on a busy machine a second thread costs more time than it saves
    images, labels = load_digits()
    x = images.reshape(-1, 64) / 16
    if options.choose:
        choose(x, labels, options.seeds)
        return 0
    runs = [train(x, labels, seed, CHOSEN._replace(epochs=options.epochs)) for seed in options.seeds]
    accuracy = report(runs, race(x, labels))
    if options.peer:
        with_peer(x, labels, options.seeds, options.epochs)
    draw(runs, images, labels, options.out)
    print(f"picture: {options.out}")
    return 0 if accuracy >= TO_PASS else 1


if __name__ == "__main__":
    sys.exit(main())
