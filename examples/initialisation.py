"""What a network's first weights do to its activations: six layers of 4,096 units, a batch of 16.

Five choices of activation function and weights, and what their variance says of a layer's outputs:

    tanh, N(0, 0.01^2)    too small: each layer multiplies what is small by about 0.01 sqrt(4096) = 0.64; it dies out
    tanh, N(0, 0.05^2)    too large: the units saturate, and a saturated unit passes no gradient
    tanh, Xavier          variance 2 / (n_in + n_out): the activations stay
    ReLU, Xavier          half of what comes is cut off, so that the mean square halves in every layer
    ReLU, He              variance 2 / n_in makes up for that half

Beside the measured deviations stand those of theory, by the recursion q' = E[act(z)^2], z ~ N(0, n_in var(w) q).
Constant zero is no choice: all units of a layer then learn the same, which a small network shows.

    python examples/initialisation.py [--units 4096] [--out initialisation.png]

With fewer units the first two are wider by sqrt(4096 / units), so that n var(w), all that theory asks for, is the same.
Prints the figures, draws the histograms, and ends with exit code 1 if theory and measurement disagree.
"""
import argparse
import sys
from math import sqrt
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.nn import init

LAYERS, UNITS, BATCH = 6, 4096, 16
SATURATED = 0.95


class Choice(NamedTuple):
    """An activation function, how its weights are drawn, and n times their variance."""

    activation: nn.Module
    fill: object
    gain: float


def normal(std):
    """N(0, std^2) where 4,096 units come in; wider where fewer do."""
    return lambda w, generator: init.normal_(w, std=std * sqrt(UNITS / w.shape[1]), generator=generator)


CHOICES = {
    "tanh, 0.01": Choice(nn.Tanh(), normal(0.01), 0.01 ** 2 * UNITS),
    "tanh, 0.05": Choice(nn.Tanh(), normal(0.05), 0.05 ** 2 * UNITS),
    "tanh, Xavier": Choice(nn.Tanh(), init.xavier_normal_, 1.0),
    "ReLU, Xavier": Choice(nn.ReLU(), init.xavier_normal_, 1.0),
    "ReLU, He": Choice(nn.ReLU(), init.kaiming_normal_, 2.0),
}


# ---- measurement and theory --------------------------------------------------------------------------
def activations(choice, units=UNITS):
    """The output of every layer, for a batch of normal numbers."""
    generator = np.random.default_rng(0)
    outputs = [fa.tensor(generator.normal(size=(BATCH, units)).astype("float32"))]
    with fa.no_grad():
        for _ in range(LAYERS):
            weight = choice.fill(fa.zeros((units, units), dtype="float32"), generator=generator)
            outputs.append(choice.activation(nn.functional.linear(outputs[-1], weight)))
    return [x.numpy() for x in outputs[1:]]


def theory(choice):
    """The deviations in the limit of many units; the integral by Gauss and Hermite's rule."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    weights = weights / weights.sum()
    square, deviations = 1.0, []
    for _ in range(LAYERS):
        with fa.no_grad():
            outputs = choice.activation(fa.tensor(sqrt(choice.gain * square) * nodes)).numpy()
        mean, square = weights @ outputs, weights @ outputs ** 2
        deviations.append(sqrt(square - mean ** 2))
    return np.array(deviations)


def units_that_learn_the_same(fill):
    """The largest difference between two units of a layer, after 100 steps from such weights, and how far they moved."""
    generator = np.random.default_rng(1)
    x = fa.tensor(generator.normal(size=(64, 3)))
    y = fa.tensor(np.sin(2 * x.numpy()).sum(axis=1, keepdims=True) + 1)
    model = nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.Linear(5, 1)).double()
    for p in model.parameters():
        fill(p, generator)
    start = model[2].weight.detach().numpy().copy()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    first, last = model[0].weight.detach().numpy(), model[2].weight.detach().numpy()
    return max(np.ptp(first, axis=0).max(), np.ptp(last)), float(np.abs(last - start).max())


# ---- report ------------------------------------------------------------------------------------------
def statistics(outputs):
    """The deviation of each layer, and the share of saturated units in the last."""
    return np.array([x.std() for x in outputs]), float(np.mean(np.abs(outputs[-1]) > SATURATED))


def checks(measured, expected, same, tolerance):
    """What the texts say, and whether it is so."""
    deviations = {name: s[0] for name, s in measured.items()}
    ratio = {name: d[-1] / d[0] for name, d in deviations.items()}
    halved = 2 ** (-(LAYERS - 1) / 2)
    return {
        f"theory has every deviation to {tolerance:.0%}":
            all(np.allclose(deviations[name], expected[name], rtol=tolerance) for name in CHOICES),
        "tanh, 0.01: collapses to zero": ratio["tanh, 0.01"] < 0.15,
        f"tanh, 0.05: saturates, over two fifths of the units beyond {SATURATED}": measured["tanh, 0.05"][1] > 0.4,
        "tanh, Xavier: falls slowly, and no unit saturates":
            ratio["tanh, Xavier"] > 0.4 and measured["tanh, Xavier"][1] < 0.01,
        "ReLU, Xavier: the mean square halves in every layer": abs(ratio["ReLU, Xavier"] / halved - 1) < tolerance,
        "ReLU, He: holds": abs(ratio["ReLU, He"] - 1) < tolerance,
        "from zero all units of a layer learn the same, though they move":
            same["zero"][0] == 0 and same["zero"][1] > 0.01 and same["N(0, 0.01^2)"][0] > 0.001,
    }


def report(measured, expected, same, found, units):
    print(f"deviation of the activations, {LAYERS} layers of {units:,} units, batch {BATCH}")
    print(f"{'layer':<16}" + "".join(f"{k:8d}" for k in range(1, LAYERS + 1)) + f"   beyond {SATURATED}")
    for name, (deviations, saturated) in measured.items():
        print(f"{name:<16}" + "".join(f"{d:8.4f}" for d in deviations) + f"{saturated:11.1%}")
        print(f"{'  theory':<16}" + "".join(f"{d:8.4f}" for d in expected[name]))
    print("\nafter 100 steps: the largest difference between units of one layer, and how far the weights moved")
    for name, (difference, moved) in same.items():
        print(f"{name:<16}{difference:8.4f}{moved:8.4f}")
    print()
    for what, ok in found.items():
        print(f"{'yes' if ok else 'NO '}  {what}")


def draw(outputs, path):
    """One row a choice, one column a layer; in every histogram its deviation."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(len(CHOICES), LAYERS)
    for row, (name, layers) in zip(axes, outputs.items(), strict=True):
        tanh = name.startswith("tanh")
        edges = np.linspace(-1, 1, 61) if tanh else np.linspace(0, 3, 46)
        for k, (ax, x) in enumerate(zip(row, layers, strict=True), start=1):
            positive = x if tanh else x[x > 0]
            share = 100 / x.size * np.histogram(positive, edges)[0]
            ax.stairs(share, edges, fill=True, color="#2c6e9b" if tanh else "#c0562b")
            ax.text(0.97, 0.93, f"sd {x.std():.3f}", transform=ax.transAxes, ha="right", va="top", fontsize=10)
            ax.set(xlim=edges[[0, -1]], ylim=(0, 30 if tanh else 20), xticks=(-1, 0, 1) if tanh else (0, 1, 2, 3))
            ax.tick_params(labelsize=8, labelleft=k == 1, labelbottom=name in ("tanh, Xavier", "ReLU, He"))
            ax.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(f"{name}\n% of units", fontsize=11)
    for k, ax in enumerate(axes[0], start=1):
        ax.set_title(f"layer {k}", fontsize=11)
    figure.suptitle(f"activations of {LAYERS} layers, {layers[0].shape[1]:,} units each, by their first weights "
                    "(ReLU: the half that is above 0)", fontsize=12)
    figure.savefig(path, dpi=110)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=UNITS, help="the claims are about 4096")
    parser.add_argument("--out", default="initialisation.png", help="where the picture goes")
    options = parser.parse_args(argv)

    outputs = {name: activations(choice, options.units) for name, choice in CHOICES.items()}
    measured = {name: statistics(layers) for name, layers in outputs.items()}
    expected = {name: theory(choice) for name, choice in CHOICES.items()}
    same = {"zero": units_that_learn_the_same(lambda p, generator: init.zeros_(p)),
            "N(0, 0.01^2)": units_that_learn_the_same(lambda p, generator: init.normal_(p, std=0.01, generator=generator))}
    found = checks(measured, expected, same, tolerance=0.1 * sqrt(UNITS / options.units))
    report(measured, expected, same, found, options.units)
    draw(outputs, options.out)
    print(f"picture: {options.out}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
