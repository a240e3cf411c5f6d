"""Where the gradient goes, back through time: it vanishes, it explodes, or gates carry it.

What an error at step t has to say to step k passes through ds_t/ds_k, a product of t - k Jacobians.  For
s_t = act(U x_t + W s_(t-1)) its norm is at most (gamma ||W||)^(t-k), gamma = max |act'|: 1 for tanh and ReLU,
1/4 for the sigmoid.  Here the norms are measured: of these three where ||W|| = 0.95, and of LSTM and GRU as they
are initialised, and with a forget gate that is open at the start (a bias of 1, and of 3).  Then a recurrence
whose gradient explodes is trained: as it is, clipped by the norm of all gradients, and clipped value by value.

    python examples/vanishing_gradients.py [--steps 60] [--out vanishing_gradients.png]

Prints the figures, draws a picture, and ends with exit code 1 if theory and measurement disagree.
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.diagnostics import gradient_flow

INPUTS, HIDDEN, BATCH = 8, 32, 2
NORM = 0.95                                      # of W, all of whose singular values are equal: a rotation, scaled
COLOURS = {"tanh": "#1b9e77", "sigmoid": "#7570b3", "ReLU": "#d95f02", "RNN, tanh": "0.6", "GRU": "#66a61e",
           "LSTM": "#5c1a4a", "LSTM, forget bias 1": "#b8328a", "LSTM, forget bias 3": "#e879b5"}


# ---- the gradient through time -----------------------------------------------------------------------
def rotation(size, generator):
    q, r = np.linalg.qr(generator.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


def vanilla(activation):
    """s_t = act(U x_t + W s_(t-1)) with ||W|| = NORM."""
    generator = np.random.default_rng(1)
    layer = nn.RNN(INPUTS, HIDDEN, nonlinearity=activation, bias=False, dtype="float64")
    nn.init.normal_(layer.weight_ih_l0, std=0.2 / np.sqrt(INPUTS), generator=generator)
    with fa.no_grad():
        layer.weight_hh_l0.copy_(NORM * rotation(HIDDEN, generator))
    return layer


def gated(layer, forget_bias=None):
    """As it is initialised; the bias of an LSTM's forget gate (the second of i, f, g, o) may be another."""
    if forget_bias is not None:
        with fa.no_grad():
            layer.bias_ih_l0[HIDDEN:2 * HIDDEN] = forget_bias
            layer.bias_hh_l0[HIDDEN:2 * HIDDEN] = 0.0
    return layer


def recurrences():
    """Name -> layer, in the two groups of the picture."""
    fa.manual_seed(0)
    sizes = {"input_size": INPUTS, "hidden_size": HIDDEN, "dtype": "float64"}
    return ({"tanh": vanilla("tanh"), "sigmoid": vanilla("sigmoid"), "ReLU": vanilla("relu")},
            {"LSTM, forget bias 3": gated(nn.LSTM(**sizes), 3.0), "LSTM, forget bias 1": gated(nn.LSTM(**sizes), 1.0),
             "GRU": nn.GRU(**sizes), "LSTM": nn.LSTM(**sizes), "RNN, tanh": nn.RNN(**sizes)})


def measure(steps):
    """Name -> the norms of its Jacobians, in the two groups."""
    x = np.random.default_rng(0).normal(size=(steps, BATCH, INPUTS))
    return tuple({name: gradient_flow(layer, x) for name, layer in group.items()} for group in recurrences())


# ---- a gradient that explodes ------------------------------------------------------------------------
LENGTH, RATE, UPDATES = 20, 0.05, 500


class Sum(nn.Module):
    """The sum of a sequence, to be learned by a ReLU recurrence whose W doubles every vector."""

    def __init__(self):
        super().__init__()
        generator = np.random.default_rng(3)
        self.recurrence = nn.RNN(1, 32, nonlinearity="relu", generator=generator)
        self.readout = nn.Linear(32, 1, generator=generator)
        with fa.no_grad():
            self.recurrence.weight_hh_l0.copy_((2.0 * rotation(32, generator)).astype("float32"))

    def forward(self, x):
        return self.readout(self.recurrence(x)[1][0])


def by_norm(parameters):
    return nn.utils.clip_grad_norm_(parameters, 1.0)


def by_value(parameters):
    nn.utils.clip_grad_value_(parameters, 0.05)


def train(clip=None):
    """The losses, the norms of the gradients before clipping, and what was said of the last gradient."""
    generator = np.random.default_rng(4)
    model = Sum()
    optimizer = optim.SGD(model.parameters(), lr=RATE)
    losses, norms = [], []
    for _ in range(UPDATES):
        x = generator.uniform(-1, 1, size=(LENGTH, 64, 1)).astype("float32")
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), fa.tensor(x.sum(axis=0) * (3 / LENGTH) ** 0.5))
        loss.backward()
        flow = gradient_flow(model)
        losses.append(loss.item())
        norms.append(float(np.sqrt((flow.gradients ** 2).sum())))
        if not np.isfinite(norms[-1]):
            break
        if clip is not None:
            clip(model.parameters())
        optimizer.step()
    return losses, norms, flow


def first_nan():
    """Where, in the training without clipping, the first NaN is made."""
    try:
        with fa.detect_anomaly():
            train()
    except FloatingPointError as error:
        return str(error)
    return "none"


# ---- what is said of it ------------------------------------------------------------------------------
def checks(ungated, of_gated):
    """What theory says, and whether it was measured."""
    def straight(flow):
        """How well a line fits the logarithm of the norms: the coefficient of correlation."""
        return -np.corrcoef(flow.distances, np.log(flow.mean()))[0, 1]

    decaying = ungated["tanh"], ungated["sigmoid"]
    forty = {name: flow.mean()[min(40, len(flow.distances) - 1)] for name, flow in of_gated.items()}
    return {"tanh, sigmoid and ReLU lie under their bounds":
            all((flow.largest() <= flow.bound * (1 + 1e-9)).all() for flow in ungated.values()),
            "tanh and sigmoid decay geometrically":
            all(straight(flow) > 0.99 and (np.diff(flow.mean()) < 0).all() for flow in decaying),
            "an LSTM with forget bias 3 holds the gradient over 40 steps": 0.1 < forty["LSTM, forget bias 3"] < 100,
            "as it is initialised it does not": forty["LSTM"] < 1e-4}


def report(flows, runs, of_theory, nan):
    steps = len(next(iter(flows.values())).distances) - 1
    shown = [d for d in (1, 5, 10, 20, 40, steps) if d <= steps]
    print("norm of ds_t/ds_k, mean over t and sequences")
    print(f"{'t - k':<22}" + "".join(f"{d:>10}" for d in shown) + "  a step")
    for name, flow in flows.items():
        print(f"{name:<22}" + "".join(f"{flow.mean()[d]:10.1e}" for d in shown) + f"{flow.factor:8.2f}")
        if flow.bound is not None:
            kind = "" if name in of_theory[0] else " (says nothing: above 1)"
            print(f"{'  bound':<22}" + "".join(f"{flow.bound[d]:10.1e}" for d in shown) + f"{flow.rate:8.2f}{kind}")
    print("\na gradient that explodes: the sum of 20 numbers, ReLU, ||W|| = 2; loss 1 is to be had without learning")
    for name, (losses, norms, flow) in runs.items():
        end = f"loss {np.mean(losses[-20:]):.2f} at the end" if np.isfinite(losses[-1]) else \
            f"loss {losses[-1]} in update {len(losses)}; NaN in {', '.join(flow.named('NaN'))}"
        print(f"{name:<22}first gradient {norms[0]:.0f}, {end}")
    print("detect_anomaly:", nan.replace("\n", "\n  "))
    print()
    for what, ok in of_theory[1].items():
        print(f"{'yes' if ok else 'NO '}  {what}")


def draw_norms(ax, flows, title):
    """Lines with their names at their ends; the bounds dashed."""
    floor, ends = 1e-16, {}
    for name, flow in flows.items():
        mean = flow.mean()
        ax.semilogy(flow.distances, mean, color=COLOURS[name], linewidth=2)
        ends[name] = (flow.distances[-1], mean[-1]) if mean[-1] > floor else (np.argmax(mean < 100 * floor), 100 * floor)
    bounds = {flow.rate: flow for flow in flows.values() if flow.bound is not None and flow.rate < 1}
    for rate, flow in bounds.items():
        ax.semilogy(flow.distances, flow.bound, color="0.35", linewidth=1, linestyle=(0, (5, 3)))
        if flow.bound[-1] > floor:
            ends[f"${rate:.2f}^{{\\,t-k}}$"] = flow.distances[-1], flow.bound[-1]
    ax.axhline(1, color="0.85", linewidth=0.8, zorder=0)
    ax.set(title=title, xlabel="$t - k$", xlim=(0, flow.distances[-1]), ylim=(floor, 100))
    lowest = np.inf
    for name, (at, value) in sorted(ends.items(), key=lambda item: -item[1][1]):
        lowest = min(np.log10(value), lowest - 0.9)               # names do not lie on one another
        ax.text(at + 0.8, 10 ** lowest, name, color=COLOURS.get(name, "0.35"), va="center", fontsize=10)


def draw_losses(ax, runs):
    for (name, (losses, _, _)), colour in zip(runs.items(), ("#c0392b", "#1b9e77", "#7570b3"), strict=True):
        updates, finite = np.arange(1, len(losses) + 1), np.isfinite(losses)
        if finite.all():
            ax.loglog(updates, losses, color=colour, linewidth=0.7, alpha=0.3)
            smooth = [np.exp(np.mean(np.log(losses[n // 2:n + 1]))) for n in range(len(losses))]
            ax.loglog(updates, smooth, color=colour, linewidth=2, label=name)
        else:
            ax.loglog(updates[finite], np.array(losses)[finite], color=colour, marker="X", markersize=9, linestyle="none",
                      label=f"{name}: infinite in update {len(losses)}", zorder=3)
    ax.axhline(1, color="0.85", linewidth=0.8, zorder=0)
    ax.set(title="where the gradient explodes: the loss", xlabel="update")
    ax.legend(frameon=False)


def draw(ungated, of_gated, runs, path):
    figure = Figure(figsize=(14.5, 4.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_norms(left, ungated, "$s_t = act(U x_t + W s_{t-1})$,  " + rf"$\Vert W \Vert = {NORM}$")
    draw_norms(middle, of_gated, "gates, and initial values")
    left.set_ylabel(r"$\Vert\,\partial s_t / \partial s_k\,\Vert$", fontsize=12)
    draw_losses(right, runs)
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", default="vanishing_gradients.png", help="where the picture goes")
    options = parser.parse_args(argv)

    ungated, of_gated = measure(options.steps)
    runs = {"not clipped": train(), "clipped by norm": train(by_norm), "clipped by value": train(by_value)}
    found = checks(ungated, of_gated)
    report(ungated | of_gated, runs, (ungated, found), first_nan())
    draw(ungated, of_gated, runs, options.out)
    print(f"picture: {options.out}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
