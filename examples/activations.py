"""Three ways in which an activation function keeps a unit from learning: saturation, the zig-zag path, death.

    saturation    The gradient of the squared error (a - y)^2 of a sigmoid unit has the factor a (1 - a): where the unit is
                  certain, and wrong, it hardly learns.  Cross-entropy cancels the factor: its gradient is a - y.
    zig-zag       Where all inputs are positive, as after a sigmoid, the gradients of a unit's weights all have the sign of
                  the unit's error: weights that should go opposite ways go there in a zig-zag.
    death         A ReLU unit whose input is negative on all data has the gradient 0, for ever.  LeakyReLU comes back; and a
                  unit that starts at 0, where the derivative is 0 too, learns if its bias is 0.01.

    python examples/activations.py [--out activations.png]

Prints the figures, draws a picture, and ends with exit code 1 if one of them is not so.
"""
import argparse
import sys
from math import exp

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim

COLOURS = ("#1b9e77", "#d95f02", "#5c1a4a", "#6a9fd8")


def unit(weights, bias, *activation):
    """One unit with these weights, in float64."""
    layer = nn.Linear(len(weights), 1, dtype="float64")
    with fa.no_grad():
        layer.weight.copy_([weights])
        layer.bias.copy_([bias])
    return nn.Sequential(layer, *activation)


def train(model, loss_function, x, y, steps, rate):
    """The losses before each step and after the last, and the first gradient of the bias."""
    optimizer, losses, first = optim.SGD(model.parameters(), lr=rate), [], None
    for _ in range(steps + 1):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        losses.append(loss.item())
        first = model[0].bias.grad.item() if first is None else first
        optimizer.step()
    return np.array(losses), first


# ---- saturation --------------------------------------------------------------------------------------
def saturation():
    """Name -> losses and first gradient, of a unit that should say 0 and says sigmoid(bias)."""
    x, y = fa.ones((1, 1), dtype="float64"), fa.zeros((1, 1), dtype="float64")
    runs = {f"squared error, from $b = {b:g}$": (b, train(unit([0.0], b, nn.Sigmoid()), nn.MSELoss(), x, y, 300, 0.5))
            for b in (1.0, 3.0, 6.0)}
    runs["cross-entropy, from $b = 6$"] = 6.0, train(unit([0.0], 6.0), nn.BCEWithLogitsLoss(), x, y, 300, 0.5)
    return runs


def saturated_gradient(name, bias):
    a = 1 / (1 + exp(-bias))
    return a if name.startswith("cross") else 2 * a * a * (1 - a)


# ---- the zig-zag path --------------------------------------------------------------------------------
GOAL = np.array([1.0, -1.0])


def zigzag(centred, steps=60):
    """The weights of a linear unit on the way from (-1, 1) to GOAL, sample by sample, and each gradient."""
    generator = np.random.default_rng(2)
    model = unit([-1.0, 1.0], 0.0)
    optimizer = optim.SGD([model[0].weight], lr=0.3)
    path, gradients = [[-1.0, 1.0]], []
    for _ in range(steps):
        x = nn.functional.sigmoid(fa.tensor(generator.normal(size=(1, 2), scale=3.0)))
        if centred:
            x = 2 * x - 1
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), x @ GOAL[:, None]).backward()
        gradients.append(model[0].weight.grad.numpy()[0].copy())
        optimizer.step()
        path.append(model[0].weight.detach().numpy()[0].copy())
    return np.array(path), np.array(gradients)


def of_one_sign(gradients):
    """The share of gradients whose entries have the same sign."""
    return float(np.mean(gradients[:, 0] * gradients[:, 1] > 0))


def detour(path):
    """The length of a path by the distance of its ends."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / np.linalg.norm(path[-1] - path[0]))


# ---- death -------------------------------------------------------------------------------------------
def death():
    """Name -> losses of a unit that should become max(0, x) on [0, 1]."""
    x = fa.tensor(np.linspace(0.0, 1.0, 21)[:, None])
    starts = {"ReLU, pushed off the data": unit([1.0], -2.0, nn.ReLU()),
              "LeakyReLU, pushed off the data": unit([1.0], -2.0, nn.LeakyReLU()),
              "ReLU, all 0": unit([0.0], 0.0, nn.ReLU()),
              "ReLU, bias 0.01": unit([0.0], 0.01, nn.ReLU())}
    return {name: train(model, nn.MSELoss(), x, x, 1000, 0.2)[0] for name, model in starts.items()}


# ---- report ------------------------------------------------------------------------------------------
def checks(saturated, paths, lives):
    off, leaky, zero, small = lives.values()
    slow = saturated["squared error, from $b = 6$"][1][0]
    return {
        "the gradient of a saturated unit is 2 a a (1 - a), of cross-entropy a":
            all(abs(first - saturated_gradient(name, b)) < 1e-12 for name, (b, (_, first)) in saturated.items()),
        "from b = 6 the squared error falls by less than a tenth in 100 steps": slow[100] > 0.9 * slow[0],
        "and cross-entropy has learned by then": saturated["cross-entropy, from $b = 6$"][1][0][100] < 0.05,
        "positive inputs: in every step the weights move to the same side": of_one_sign(paths["positive inputs"][1]) == 1,
        "centred inputs: in about half of the steps": 0.3 < of_one_sign(paths["centred inputs"][1]) < 0.7,
        "the zig-zag is a longer way": detour(paths["positive inputs"][0]) > 1.5 * detour(paths["centred inputs"][0]),
        "a ReLU off the data never learns": np.ptp(off) == 0,
        "LeakyReLU comes back": leaky[-1] < 1e-3 * leaky[0],
        "ReLU learns nothing from 0": np.ptp(zero) == 0,
        "but does from a bias of 0.01": small[-1] < 1e-3 * small[0],
    }


def report(saturated, paths, lives, found):
    print("a sigmoid unit that should say 0           first gradient   formula   loss after 0, 100, 300 steps")
    for name, (bias, (losses, first)) in saturated.items():
        print(f"  {name.replace('$', ''):<40}{first:14.5f}{saturated_gradient(name, bias):10.5f}"
              f"{losses[0]:10.4f}{losses[100]:9.4f}{losses[300]:9.4f}")
    print("two weights on the way from (-1, 1) to (1, -1), a sample a step")
    for name, (path, gradients) in paths.items():
        print(f"  {name:<18}{of_one_sign(gradients):5.0%} of the gradients have one sign; the way is {detour(path):.1f} "
              f"times the distance, and ends at ({path[-1][0]:.2f}, {path[-1][1]:.2f})")
    print("a unit that should become max(0, x)        loss before, after 100, after 1,000 steps")
    for name, losses in lives.items():
        print(f"  {name:<40}{losses[0]:10.4f}{losses[100]:10.4f}{losses[-1]:10.1e}")
    print()
    for what, ok in found.items():
        print(f"{'yes' if ok else 'NO '}  {what}")


def draw(saturated, paths, lives, path):
    figure = Figure(figsize=(14.5, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for (name, (_, (losses, _))), colour in zip(saturated.items(), COLOURS, strict=True):
        style = "--" if name.startswith("cross") else "-"
        left.plot(losses / losses[0], color=colour, linewidth=2, linestyle=style, label=name)
    left.set(title="saturation: a sigmoid unit that is certain, and wrong", xlabel="step", ylabel="loss / first loss")
    left.legend(frameon=False, fontsize=9, loc="center", bbox_to_anchor=(0.39, 0.5))

    for (name, (points, _)), colour in zip(paths.items(), COLOURS[1::-1], strict=True):
        middle.plot(*points.T, "o-", color=colour, markersize=3.5, linewidth=1.3, label=name)
    middle.plot(-1, 1, "s", color="0.2", markersize=8)
    middle.annotate("start", (-1, 1), (0, 9), textcoords="offset points", ha="center")
    middle.plot(*GOAL, "*", color="#e7298a", markersize=16, zorder=3)
    middle.annotate("goal", GOAL, (-10, -12), textcoords="offset points", ha="right")
    middle.set(title="zig-zag: two weights, one sample a step", xlabel="$w_1$", ylabel="$w_2$")
    middle.set_aspect("equal", "datalim")
    middle.legend(frameon=False)

    for (name, losses), colour in zip(lives.items(), COLOURS, strict=True):
        right.semilogy(losses, color=colour, linewidth=2, linestyle="--" if name == "ReLU, all 0" else "-", label=name)
    right.set(title="death: a unit to become max(0, x)", xlabel="step", ylabel="loss", ylim=(1e-6, 1))
    right.legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1.04, 0.9))
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="activations.png", help="where the picture goes")
    options = parser.parse_args(argv)

    saturated, lives = saturation(), death()
    paths = {"positive inputs": zigzag(centred=False), "centred inputs": zigzag(centred=True)}
    found = checks(saturated, paths, lives)
    report(saturated, paths, lives, found)
    draw(saturated, paths, lives, options.out)
    print(f"picture: {options.out}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
