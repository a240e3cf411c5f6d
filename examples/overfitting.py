"""Against overfitting: dropout, L2, L1, elastic net and early stopping, on digits of which one in five is mislabelled.

A network of 64, 256 and 10 units learns 300 images; a fifth of their labels is drawn at random.  It can learn them all by
heart, and then reads new images worse than it did before.  What is added to the loss of a batch, w all weights, biases not:

    L2 (ridge)     alpha sum of w^2
    L1 (lasso)     alpha sum of |w|, which leaves many weights at zero
    elastic net    alpha sum of (beta w^2 + |w|)

Dropout sets each hidden unit to zero with probability 3/4, for each sample and step anew.  Early stopping holds 75 of
the images back, and returns to the weights that did best on them.

    python examples/overfitting.py [--epochs 100] [--out overfitting.png]

Prints the figures, draws a picture, and ends with exit code 1 if one of the five does not help.
"""
import argparse
import sys
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.datasets import load_digits, stratified_split
from fastad.nn import functional
from fastad.training import EarlyStopping, fit

SAMPLES, MISLABELLED = 300, 0.2
SMALL = 0.01                                                 # a weight this near to zero counts as none


class Means(NamedTuple):
    """What is done against overfitting."""

    dropout: float = 0.0
    penalty: object = None                                   # a function of the weights
    early_stopping: bool = False


MEANS = {"nothing": Means(), "dropout": Means(dropout=0.75),
         "L2": Means(penalty=lambda weights: functional.l2_penalty(weights, 0.01)),
         "L1": Means(penalty=lambda weights: functional.l1_penalty(weights, 0.002)),
         "elastic net": Means(penalty=lambda weights: functional.elastic_net_penalty(weights, beta=2.5, alpha=0.001)),
         "early stopping": Means(early_stopping=True)}
COLOURS = dict(zip(MEANS, ("0.25", "#d95f02", "#1b9e77", "#5c1a4a", "#6a9fd8", "#b8860b"), strict=True))


def data():
    """(images, labels as given) to learn from, (images, labels) to test with."""
    images, labels = load_digits()
    x = images.reshape(-1, 64) / 16
    train, test = stratified_split(labels, test_fraction=0.25, seed=0)
    train, generator = train[:SAMPLES], np.random.default_rng(0)
    given = np.where(generator.random(SAMPLES) < MISLABELLED, generator.integers(0, 10, SAMPLES), labels[train])
    return (x[train], given), (x[test], labels[test])


def penalised(model, means):
    """Cross-entropy, and while training the penalty of the weights."""
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]

    def loss(prediction, target):
        value = functional.cross_entropy(prediction, target)
        return value + means.penalty(weights) if means.penalty and model.training else value
    return loss


def train(means, seen, test, epochs):
    """The model, and by epoch its accuracy on the test images and on the labels it was given."""
    fa.manual_seed(1)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(means.dropout), nn.Linear(256, 10))
    of_test, of_seen = [], []

    def measure(run):
        of_test.append(accuracy(model, test))
        of_seen.append(accuracy(model, seen))

    callbacks = [measure, EarlyStopping(patience=10)] if means.early_stopping else [measure]
    fit(model, penalised(model, means), optim.Adam(model.parameters(), lr=0.002), seen, epochs, batch_size=32,
        generator=np.random.default_rng(0), validation=0.25 if means.early_stopping else None, callbacks=callbacks,
        progress=False)
    if means.early_stopping:                                 # the weights are now those of the best epoch
        measure(None)
    return model, np.array(of_test), np.array(of_seen)


def accuracy(model, samples):
    model.eval()
    with fa.no_grad():
        read = model(fa.tensor(samples[0])).numpy().argmax(axis=1)
    model.train()
    return float(np.mean(read == samples[1]))


def weights_of(model):
    return np.concatenate([layer.weight.detach().numpy().ravel() for layer in model if isinstance(layer, nn.Linear)])


# ---- report ------------------------------------------------------------------------------------------
def checks(runs):
    last = {name: of_test[-1] for name, (_, of_test, _) in runs.items()}
    learned = {name: of_seen[-1] for name, (_, _, of_seen) in runs.items()}
    small = {name: float(np.mean(np.abs(weights_of(model)) < SMALL)) for name, (model, _, _) in runs.items()}
    best = runs["nothing"][1].max()
    return {
        "with nothing the labels are learned by heart, and the reading gets worse":
            learned["nothing"] > 0.97 and last["nothing"] < best - 0.05,
        "dropout, L2, L1, elastic net and early stopping each help, by 2 points at least":
            all(last[name] > last["nothing"] + 0.02 for name in MEANS if name != "nothing"),
        "L1 leaves most weights at zero, L2 does not": small["L1"] > 0.8 and small["L2"] < 0.6,
        "elastic net is between them": small["L2"] < small["elastic net"] < small["L1"],
    }


def report(runs, found):
    print(f"{SAMPLES} images, {MISLABELLED:.0%} with a label drawn at random")
    print(f"                 test images   at best   labels as given   weights below {SMALL}   deviation of weights")
    for name, (model, of_test, of_seen) in runs.items():
        w = weights_of(model)
        print(f"  {name:<15}{of_test[-1]:10.1%}{of_test.max():11.1%}{of_seen[-1]:15.1%}{np.mean(np.abs(w) < SMALL):20.0%}"
              f"{w.std():22.3f}")
    print()
    for what, ok in found.items():
        print(f"{'yes' if ok else 'NO '}  {what}")


def draw(runs, path):
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, (model, of_test, of_seen) in runs.items():
        style = {"color": COLOURS[name], "linewidth": 2, "label": name}
        for ax, curve in ((left, of_seen), (middle, of_test)):
            if name == "early stopping":                     # its last entry is the best epoch's, to which it went back
                line, = ax.plot(np.arange(1, len(curve)), 100 * curve[:-1], **style)
                ax.plot(len(curve) - 1, 100 * curve[-1], "D", color=line.get_color(), markersize=8, zorder=4)
            else:
                ax.plot(np.arange(1, len(curve) + 1), 100 * curve, **style)
        sizes = np.sort(np.abs(weights_of(model)))
        right.semilogx(np.maximum(sizes, 1e-6), np.arange(1, len(sizes) + 1) * 100 / len(sizes), **style)
    right_ones = left.axhline(100 * (1 - 0.9 * MISLABELLED), color="0.6", linewidth=1, linestyle="--", zorder=0)
    left.legend([right_ones], ["share of labels that are right"], frameon=False, loc="lower right")
    left.set(title="training labels learned, the wrong ones too, %", xlabel="epoch", ylim=(60, 101))
    middle.set(title="test images read rightly, %", xlabel="epoch", ylim=(75, 95))
    middle.legend(frameon=False, ncols=2, loc="lower center")
    right.set(title="how large the weights are", xlabel="size $s$", ylabel="% of the weights below $s$", xlim=(1e-4, 1),
              ylim=(0, 100))
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", default="overfitting.png", help="where the picture goes")
    options = parser.parse_args(argv)

    seen, test = data()
    runs = {name: train(means, seen, test, options.epochs) for name, means in MEANS.items()}
    found = checks(runs)
    report(runs, found)
    draw(runs, options.out)
    print(f"picture: {options.out}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
