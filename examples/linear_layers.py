"""Layers without activation functions collapse: five of them are one affine map, and learn what one can.

    f(x) = W5 (W4 (... (W1 x + b1) ...) + b4) + b5 = W x + b,    W = W5 W4 W3 W2 W1,    b = b5 + W5 (b4 + W4 (b3 + ...))

Two spirals, three networks: one layer, five layers with identity between them, five layers with ReLU.  The second is folded
into one layer, which then says the same; it parts the spirals by a straight line, as the first does.

    python examples/linear_layers.py [--steps 800] [--out linear_layers.png]

Prints the figures, draws what each network says of the plane, and ends with exit code 1 if one of this is not so.
"""
import argparse
import sys
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim

WIDTH, DEPTH = 32, 5


def spirals(n=200, seed=0):
    """Two arms, a turn and a half each, with some noise; and which arm a point is of."""
    generator = np.random.default_rng(seed)
    radius, arm = np.tile(np.linspace(0.15, 1, n // 2), 2), np.repeat([0, 1], n // 2)
    angle = 3 * np.pi * radius + np.pi * arm
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + generator.normal(size=(n, 2), scale=0.02)
    return points, arm


def network(activation, depth=DEPTH):
    generator = np.random.default_rng(1)
    sizes = [2] + [WIDTH] * (depth - 1) + [1]
    layers = [layer for n, m in pairwise(sizes)
              for layer in (nn.Linear(n, m, dtype="float64", generator=generator), activation())]
    return nn.Sequential(*layers[:-1])


def folded(model):
    """(W, b) of the affine map that linear layers make together."""
    W, b = np.eye(2), np.zeros(2)
    for layer in model:
        if isinstance(layer, nn.Linear):
            own = layer.weight.detach().numpy()
            W, b = own @ W, own @ b + layer.bias.detach().numpy()
    return W, b


def train(model, points, arm, steps):
    """The share of points on the right side after so many steps of Adam on all of them."""
    x, y = fa.tensor(points), fa.tensor(arm[:, None].astype(float))
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(x), y).backward()
        optimizer.step()
    return float(np.mean((scores(model, points) > 0) == arm))


def scores(model, points):
    with fa.no_grad():
        return model(fa.tensor(points)).numpy()[:, 0]


def draw(models, accuracies, points, arm, path):
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    side = np.linspace(-1.25, 1.25, 161)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    for ax, (name, model) in zip(figure.subplots(1, 3), models.items(), strict=True):
        says = 1 / (1 + np.exp(-np.clip(scores(model, plane), -30, 30))).reshape(161, 161)
        shown = ax.imshow(says, extent=(-1.25, 1.25) * 2, origin="lower", cmap="RdBu_r", vmin=0, vmax=1, alpha=0.75)
        ax.contour(side, side, says, levels=[0.5], colors="0.2", linewidths=1)
        for which, colour in enumerate(("#053061", "#67001f")):
            ax.scatter(*points[arm == which].T, s=14, color=colour, edgecolor="white", linewidth=0.4)
        ax.set(title=f"{name}: {accuracies[name]:.0%}", xlabel="$x_1$", ylabel="$x_2$", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        ax.label_outer()
    figure.colorbar(shown, ax=figure.axes, label="probability of the red arm", shrink=0.85)
    figure.savefig(path, dpi=130)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--out", default="linear_layers.png", help="where the picture goes")
    options = parser.parse_args(argv)

    points, arm = spirals()
    one, stacked, bent = "one layer", f"{DEPTH} layers, identity", f"{DEPTH} layers, ReLU"
    models = {one: network(nn.Identity, 1), stacked: network(nn.Identity), bent: network(nn.ReLU)}
    accuracies = {name: train(model, points, arm, options.steps) for name, model in models.items()}
    W, b = folded(models[stacked])
    difference = float(np.abs(scores(models[stacked], points) - (points @ W.T + b)[:, 0]).max())
    for name, model in models.items():
        size = sum(p.size for p in model.parameters())
        print(f"{name:<20}{size:6d} parameters   {accuracies[name]:.1%} of the points read rightly")
    print(f"{stacked}, folded into one: W = {np.array2string(W, precision=4)}, b = {np.array2string(b, precision=4)}; "
          f"the outputs differ by {difference:.1e}")
    draw(models, accuracies, points, arm, options.out)
    print(f"picture: {options.out}")
    return 0 if difference < 1e-12 and accuracies[stacked] < 0.75 and accuracies[bent] > 0.98 else 1


if __name__ == "__main__":
    sys.exit(main())
