"""Gradient descent in three regimes: full batch, mini-batches, one sample at a time; and why noise can help.

The regimes are one call with another batch size.  1,280 images of digits make 1 update an epoch, 10 in batches of 128, or
1,280; each epoch sees every sample once, in a new order.  The gradient of a batch is the mean over its samples: the smaller
the batch, the cheaper a step, and the noisier.

On a saddle the mean gradient is zero, but the samples' are not.  One unit, x ~ w (w . x), is to find the direction of the
largest variance of points in the plane.  From where the mean gradient points along the second axis, full-batch descent runs
into the saddle there and stays; noise carries the other two across.

    python examples/descent.py [--epochs 20] [--out descent.png]

Prints the figures, draws a picture, and ends with exit code 1 if one of this is not so.
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.datasets import load_digits, stratified_split
from fastad.training import Callback, fit

SAMPLES = 1280
REGIMES = {"full batch": None, "batches of 128": 128, "one sample": 1}         # name -> batch size, for digits
RATES = {None: 0.5, 128: 0.5, 1: 0.02}                                         # a noisy gradient asks for smaller steps
OF_POINTS = {"full batch": None, "batches of 16": 16, "one sample": 1}         # and for the 128 points in the plane
COLOURS = dict(zip((*REGIMES, *OF_POINTS), ("#5c1a4a", "#d95f02", "#6a9fd8") * 2, strict=True))


# ---- the three regimes -------------------------------------------------------------------------------
def digits():
    images, labels = load_digits()
    chosen = stratified_split(labels, test_fraction=0.25, seed=0)[0][:SAMPLES]
    return images[chosen].reshape(-1, 64) / 16, labels[chosen]


def noting(loss_function, notes):
    """The same loss, which also notes each value."""
    def loss(prediction, target):
        value = loss_function(prediction, target)
        notes.append(value.item())
        return value
    return loss


def descend(batch_size, data, epochs):
    """The losses of all updates, the loss of all samples after every epoch, and the seconds."""
    model = nn.Sequential(nn.Linear(64, 32, generator=np.random.default_rng(0)), nn.Tanh(),
                          nn.Linear(32, 10, generator=np.random.default_rng(1)))
    after_epochs, losses = [], []

    def measure(run):
        with fa.no_grad():
            after_epochs.append(nn.functional.cross_entropy(model(fa.tensor(data[0])), fa.tensor(data[1])).item())

    optimizer = optim.SGD(model.parameters(), lr=RATES[batch_size])
    history = fit(model, noting(nn.functional.cross_entropy, losses), optimizer, data, epochs, batch_size=batch_size,
                  generator=np.random.default_rng(2), callbacks=[measure], progress=False)
    return np.array(losses), np.array(after_epochs), sum(history.seconds)


# ---- the saddle --------------------------------------------------------------------------------------
class Direction(nn.Module):
    """x -> w (w . x), which is best where w is the first principal axis."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter([0.0, 0.25])

    def forward(self, x):
        return (x @ self.w)[:, None] * self.w


def cross_of_points(n=32):
    """Points with the deviations 1 and 0.6, each with its mirror images, so that the saddle lies on the axis."""
    x = np.abs(np.random.default_rng(3).normal(size=(n, 1, 2)) * (1, 0.6))
    return (x * [(1, 1), (-1, 1), (1, -1), (-1, -1)]).reshape(-1, 2)


def distance(prediction, target):
    return ((prediction - target) ** 2).sum() / (2 * len(target))


class Way(Callback):
    """Notes w before the first step and after each."""

    def on_train_begin(self, run):
        self.points = [run.model.w.detach().numpy().copy()]

    def on_step_end(self, run):
        self.points.append(run.model.w.detach().numpy().copy())


def cross(batch_size, points, updates=512):
    """The way of w in so many updates."""
    model, way = Direction().double(), Way()
    epochs = updates * (batch_size or len(points)) // len(points)
    fit(model, distance, optim.SGD(model.parameters(), lr=0.05), (points, points), epochs, batch_size=batch_size,
        generator=np.random.default_rng(4), callbacks=[way], progress=False)
    return np.array(way.points)


def landscape(points, w):
    """The mean distance for directions w of shape (..., 2), by their second moments."""
    second = points.T @ points / len(points)
    square = (w ** 2).sum(axis=-1)
    return (np.trace(second) + (square - 2) * np.einsum("...i,ij,...j", w, second, w)) / 2


# ---- report ------------------------------------------------------------------------------------------
def roughness(losses):
    """How much the loss changes from one update to the next, by its mean, in the second half."""
    late = losses[len(losses) // 2:]
    return float(np.abs(np.diff(late)).mean() / late.mean())


def checks(runs, ways, epochs, points):
    updates = [len(runs[name][0]) for name in REGIMES]
    rough = [roughness(runs[name][0]) for name in REGIMES]
    ends = [runs[name][1][-1] for name in REGIMES]
    height = {name: landscape(points, way) for name, way in ways.items()}
    saddle, bottom = landscape(points, np.array([0.0, 1.0])), landscape(points, np.array([1.0, 0.0]))
    return {
        f"{epochs} epochs are {epochs}, {epochs * 10} and {epochs * SAMPLES:,} updates":
            updates == [epochs, epochs * 10, epochs * SAMPLES],
        "the smaller the batch, the lower the loss after as many epochs": ends[0] > ends[1] > ends[2],
        "and the more the loss of a step jumps": rough[0] < rough[1] < rough[2],
        "full-batch descent ends on the saddle": abs(height["full batch"][-1] - saddle) < 1e-6,
        "noise carries the others to the minimum":
            all(h[-100:].mean() < bottom + 0.1 * (saddle - bottom) for name, h in height.items() if name != "full batch"),
    }


def report(runs, ways, points, found):
    print(f"digits, {SAMPLES:,} samples     updates   loss after the last epoch   change from update to update   seconds")
    for name, (losses, after, seconds) in runs.items():
        print(f"  {name:<22}{len(losses):10,d}{after[-1]:20.4f}{roughness(losses):29.1%}{seconds:17.2f}")
    saddle, bottom = (landscape(points, np.array(w)) for w in ((0.0, 1.0), (1.0, 0.0)))
    print(f"\nfrom (0, 0.25): the saddle at (0, 1) has the loss {saddle:.4f}, the minima at (1, 0) and (-1, 0) "
          f"have {bottom:.4f}")
    for name, way in ways.items():
        print(f"  {name:<22}after {len(way) - 1} updates w = ({way[-1][0]:+.4f}, {way[-1][1]:+.4f}), "
              f"loss {landscape(points, way[-1]):.4f}")
    print()
    for what, ok in found.items():
        print(f"{'yes' if ok else 'NO '}  {what}")


def draw(runs, ways, points, path):
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    for name in reversed(REGIMES):
        losses, after, _ = runs[name]
        at = np.arange(1, len(losses) + 1) * len(after) / len(losses)
        some = 32 if name == "one sample" else 1
        shown = losses[:len(losses) // some * some].reshape(-1, some).mean(axis=1)
        left.plot(at[some - 1::some], shown, color=COLOURS[name], linewidth=0.8, alpha=0.45, zorder=1)
        left.plot(np.arange(1, len(after) + 1), after, "o-", markersize=3, color=COLOURS[name], linewidth=2, zorder=3,
                  label=name + (" (thin: 32 together)" if some > 1 else ""))
    left.set(title="digits: the loss of all samples, and of updates (thin)", xlabel="epoch", ylabel="cross-entropy",
             yscale="log", ylim=(0.01, 4), xlim=(0, len(after)), xticks=range(0, len(after) + 1, 5))
    left.legend(frameon=False, loc="lower left", reverse=True)

    side = np.linspace(-1.45, 1.45, 200)
    w = np.stack(np.meshgrid(side, side), axis=-1)
    middle.contour(side, side, landscape(points, w), levels=np.linspace(0.225, 1.1, 26), cmap="Greys_r", linewidths=0.7,
                   alpha=0.7)
    for name in reversed(OF_POINTS):
        middle.plot(*ways[name].T, color=COLOURS[name], linewidth=2)
    middle.plot(0, 0.25, "s", color="0.2", markersize=7, zorder=4)
    middle.annotate("start", (0, 0.25), (8, -4), textcoords="offset points")
    middle.plot(0, 1, "X", color="#c0392b", markersize=10, zorder=4)
    middle.annotate("saddle", (0, 1), (0, 9), textcoords="offset points", ha="center")
    middle.plot([-1, 1], [0, 0], "*", color="#e7298a", markersize=14, linestyle="none", zorder=4)
    middle.annotate("minimum", (-1, 0), (0, -18), textcoords="offset points", ha="center")
    middle.annotate("minimum", (1, 0), (0, -18), textcoords="offset points", ha="center")
    middle.set(title="a saddle: the way of two weights", xlabel="$w_1$", ylabel="$w_2$", aspect="equal")

    for name in reversed(OF_POINTS):
        right.plot(landscape(points, ways[name]), color=COLOURS[name], linewidth=2, label=name)
    right.axhline(landscape(points, np.array([0.0, 1.0])), color="0.75", linewidth=0.8, linestyle="--", zorder=0)
    right.set(title="a saddle: the loss of all points", xlabel="update", ylabel="loss")
    right.legend(frameon=False, reverse=True)
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", default="descent.png", help="where the picture goes")
    options = parser.parse_args(argv)

    data, points = digits(), cross_of_points()
    runs = {name: descend(batch_size, data, options.epochs) for name, batch_size in REGIMES.items()}
    ways = {name: cross(batch_size, points) for name, batch_size in OF_POINTS.items()}
    found = checks(runs, ways, options.epochs, points)
    report(runs, ways, points, found)
    draw(runs, ways, points, options.out)
    print(f"picture: {options.out}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
