"""Backpropagation by hand, beside fastad: the worked 2-2-1 network, and the four equations in a deep one.

Two inputs x, two hidden units h_j = sigmoid(z_j), z = W x + b, one output a = w h + c, and the loss (a - y)^2 / 2.  The nine
gradients, in closed form:

    dc = a - y        dw_j = (a - y) h_j        db_j = (a - y) w_j h_j (1 - h_j)        dW_ji = db_j x_i

The four equations say the same for any depth, with delta^l the gradient at what enters the activation function of layer l:

    delta^L = dC/da * act'(z^L)                          db^l = delta^l
    delta^l = W^(l+1)^T delta^(l+1) * act'(z^l)          dW^l = delta^l a^(l-1)^T

Hooks read each delta as fastad's backward pass comes by; of a batch, the last two are sums over the samples.

    python examples/backpropagation.py [--depth 6] [--out backpropagation.png]

Prints both side by side, draws the network, and ends with exit code 1 if they differ by more than 1e-12.
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn

X, Y = np.array([0.5, -1.0]), 1.0
W, B = np.array([[0.4, -0.6], [0.8, 0.3]]), np.array([0.1, -0.2])
V, C = np.array([[0.7, -0.5]]), np.array([0.3])


# ---- the worked network ------------------------------------------------------------------------------
def worked():
    """The network with these numbers."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1)).double()
    model.load_state_dict({"0.weight": W, "0.bias": B, "2.weight": V, "2.bias": C})
    return model


def half_squared_error(output, target):
    return ((output - target) ** 2).sum() / 2


def by_hand(w=W, b=B, v=V, c=C, x=X, y=Y):
    """The values h and a, and name -> gradient, from the formulas above."""
    h = 1 / (1 + np.exp(-(w @ x + b)))
    a = (v @ h + c)[0]
    hidden = (a - y) * v[0] * h * (1 - h)
    return h, a, {"0.weight": np.outer(hidden, x), "0.bias": hidden,
                  "2.weight": (a - y) * h[None], "2.bias": np.array([a - y])}


def by_fastad(model, x=X, y=Y):
    model.zero_grad()
    half_squared_error(model(fa.tensor(x)), fa.tensor([y])).backward()
    return {name: p.grad.numpy() for name, p in model.named_parameters()}


# ---- the four equations ------------------------------------------------------------------------------
def deep(depth, width=5, batch=3):
    """Layers of tanh, their inputs' gradients as hooks saw them, and what the four equations make of the same numbers."""
    generator = np.random.default_rng(0)
    layers = [nn.Linear(width, width, dtype="float64", generator=generator) for _ in range(depth)]
    a = fa.tensor(generator.normal(size=(batch, width)))
    target = generator.normal(size=(batch, width))
    seen, values = {}, [a.numpy()]
    for l, layer in enumerate(layers):
        z = layer(a)
        z.register_hook(lambda gradient, l=l: seen.__setitem__(l, gradient.numpy().copy()))
        a = fa.tanh(z)
        values.append(a.detach().numpy())
    half_squared_error(a, fa.tensor(target)).backward()

    slopes = [1 - a ** 2 for a in values[1:]]                                          # tanh's, from its values
    expected, delta = {}, (values[-1] - target) * slopes[-1]                           # the first equation
    for l in reversed(range(depth)):
        expected[l] = delta, delta.sum(axis=0), delta.T @ values[l]                    # itself, the third and the fourth
        if l:
            delta = delta @ layers[l].weight.detach().numpy() * slopes[l - 1]          # the second, samples in rows
    return layers, seen, expected


def differences(depth):
    """For each layer the largest differences of delta, of the bias's and of the weight's gradient."""
    layers, seen, expected = deep(depth)
    found = ((seen[l], layer.bias.grad.numpy(), layer.weight.grad.numpy()) for l, layer in enumerate(layers))
    return np.array([[np.abs(f - e).max() for f, e in zip(of_layer, expected[l], strict=True)]
                     for l, of_layer in enumerate(found)])


# ---- report ------------------------------------------------------------------------------------------
RED = "#b2182b"
NAMES = {"0.weight": "dE/dW_{}{}", "0.bias": "dE/db_{1}", "2.weight": "dE/dw_{1}", "2.bias": "dE/dc"}


def report(hand, fast, of_layers):
    """Print both; the largest difference."""
    worst = of_layers.max()
    print("the 2-2-1 network         by hand               fastad    difference")
    for name, form in NAMES.items():
        for at, value in np.ndenumerate(hand[name]):
            label = form.format(*(1 + i for i in ((0,) if len(at) < 2 else ()) + at))
            worst = max(worst, abs(value - fast[name][at]))
            print(f"  {label:<9}{value:22.16f}{fast[name][at]:22.16f}{abs(value - fast[name][at]):11.1e}")
    print(f"\nthe four equations in {len(of_layers)} layers: the largest difference from fastad's")
    print("  layer      delta        db        dW")
    for l, row in enumerate(of_layers, start=1):
        print(f"  {l:<5d}" + "".join(f"{d:11.1e}" for d in row))
    return worst


def draw(h, a, gradients, path):
    """The network: values in the circles, weights (black) and their gradients (red) on the lines."""
    figure = Figure(figsize=(10.5, 5.2), layout="constrained")
    ax = figure.subplots()
    places = {"x1": (0, 1), "x2": (0, -1), "h1": (2.2, 1), "h2": (2.2, -1), "a": (4.1, 0)}
    values = {"x1": X[0], "x2": X[1], "h1": h[0], "h2": h[1], "a": a}
    back = {"h1": gradients["0.bias"][0], "h2": gradients["0.bias"][1], "a": gradients["2.bias"][0]}
    biases = {"h1": B[0], "h2": B[1], "a": C[0]}
    lines = [(f"x{i + 1}", f"h{j + 1}", W[j, i], gradients["0.weight"][j, i]) for j in (0, 1) for i in (0, 1)]
    lines += [(f"h{j + 1}", "a", V[0, j], gradients["2.weight"][0, j]) for j in (0, 1)]
    for start, end, weight, gradient in lines:
        (x0, y0), (x1, y1) = places[start], places[end]
        ax.plot([x0, x1], [y0, y1], color="0.7", linewidth=1.5, zorder=1)
        at = 0.3 if start[0] == "x" else 0.45                      # where lines that cross do not
        where = {"x": x0 + at * (x1 - x0), "y": y0 + at * (y1 - y0), "ha": "center", "va": "center", "fontsize": 11}
        ax.text(s=f"{gradient:+.4f}\n", color="white", bbox={"color": "white", "pad": 1}, **where)      # clears the line
        ax.text(s=f"{weight:g}\n", **where)
        ax.text(s=f"\n{gradient:+.4f}", color=RED, **where)
    for name, (x, y) in places.items():
        ax.scatter(x, y, s=4200, color="white", edgecolor="#2c6e9b", linewidth=2, zorder=2)
        symbol = "_".join(name)                                    # x1 is x_1
        ax.text(x, y, f"${symbol}$\n{values[name]:.4g}", ha="center", va="center", fontsize=12, zorder=3)
        if name in back:
            ax.text(x, y + 0.4, rf"$\delta$ = {back[name]:+.4f}", ha="center", fontsize=11, color=RED)
            ax.text(x, y - 0.5, f"bias {biases[name]:g}", ha="center", fontsize=11)
    ax.annotate("", (5.1, 0), (4.4, 0), arrowprops={"arrowstyle": "->", "color": "0.5"})
    error = rf"$E = \frac{{1}}{{2}}(a - y)^2 = {(a - Y) ** 2 / 2:.4f}$"
    ax.text(5.18, 0, f"{error}\n$y = {Y:g}$", va="center", fontsize=12)
    ax.set(title="the worked network: values forwards (black), gradients backwards (red)", xlim=(-0.5, 6.9),
           ylim=(-1.65, 1.6))
    ax.set_axis_off()
    figure.savefig(path, dpi=130)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--out", default="backpropagation.png", help="where the picture goes")
    options = parser.parse_args(argv)

    h, a, hand = by_hand()
    worst = report(hand, by_fastad(worked()), differences(options.depth))
    print(f"the largest difference of all: {worst:.1e}")
    draw(h, a, hand, options.out)
    print(f"picture: {options.out}")
    return 0 if worst <= 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main())
