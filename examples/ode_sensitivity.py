"""How the solution of an ordinary differential equation moves with its parameters: Lotka and Volterra's hares and lynxes.

    dh/dt = a h - b h l        dl/dt = d h l - c l

is integrated by Runge and Kutta's fourth-order steps, plain Python on Tensors.  Few parameters and many outputs: forward
mode gives the derivative of the whole solution by all four in one walk (jacfwd).  Central differences and reverse mode
check it.

    python examples/ode_sensitivity.py [--steps 400] [--out ode_sensitivity.png]
"""
import argparse
import sys
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure

import fastad as fa

NAMES = ("a: hares born", "b: hares eaten", "c: lynxes die", "d: lynxes born")
TRUE = np.array([0.55, 0.028, 0.84, 0.026])      # of the counts of the Hudson Bay Company, by the year; Howard, 2009
START = np.array([30.0, 4.0])
YEARS = 20.0


def rate(state, p):
    hares, lynxes = state[0], state[1]
    met = hares * lynxes
    return fa.stack([p[0] * hares - p[1] * met, p[3] * met - p[2] * lynxes])


def solution(p, steps):
    """Hares and lynxes at every step: (steps + 1, 2)."""
    h = YEARS / steps
    state = fa.tensor(START)
    states = [state]
    for _ in range(steps):
        k1 = rate(state, p)
        k2 = rate(state + h / 2 * k1, p)
        k3 = rate(state + h / 2 * k2, p)
        k4 = rate(state + h * k3, p)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(state)
    return fa.stack(states)


def by_differences(steps, relative=1e-5):
    columns = []
    for i in range(4):
        h = relative * TRUE[i]
        up, down = TRUE.copy(), TRUE.copy()
        up[i] += h
        down[i] -= h
        columns.append((solution(fa.tensor(up), steps).numpy() - solution(fa.tensor(down), steps).numpy()) / (2 * h))
    return np.stack(columns, axis=-1)


def draw(states, sensitivity, path):
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    t = np.linspace(0, YEARS, len(states))
    for k, (animal, colour) in enumerate((("hares", "#1b9e77"), ("lynxes", "#7570b3"))):
        upper.plot(t, states[:, k], color=colour, label=animal)
    upper.set(ylabel="thousands", title="the solution")
    upper.legend(frameon=False, ncols=2)
    for i, name in enumerate(NAMES):
        lower.plot(t, sensitivity[:, 0, i] * TRUE[i] / 100, label=name, linewidth=1.2)
    lower.set(xlabel="years", ylabel="thousands", title="change of the hares if a parameter grows by one per cent")
    lower.legend(frameon=False, ncols=4, fontsize=9)
    for ax in (upper, lower):
        ax.axhline(0, color="0.7", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--out", default="ode_sensitivity.png", help="where the picture goes")
    options = parser.parse_args(argv)

    states = solution(fa.tensor(TRUE), options.steps).numpy()
    start = perf_counter()
    sensitivity = fa.jacfwd(lambda p: solution(p, options.steps))(TRUE)
    seconds = perf_counter() - start
    scale = np.abs(sensitivity).max(axis=(0, 1))
    error = float((np.abs(sensitivity - by_differences(options.steps)) / scale).max())
    backward = fa.grad(lambda p: solution(p, options.steps)[-1, 0])(TRUE)
    agree = float(np.abs(backward / sensitivity[-1, 0] - 1).max())
    print(f"{sensitivity.size:,} derivatives by 4 parameters in one walk: {seconds * 1e3:.0f} ms")
    print(f"from central differences they differ by {error:.1e} of the largest, from reverse mode by {agree:.1e}")
    for name, value in zip(NAMES, sensitivity[-1, 0] * TRUE / 100, strict=True):
        print(f"  {name:<16} +1 %: the hares of the last year change by {value:+.3f} thousand of {states[-1, 0]:.1f}")
    draw(states, sensitivity, options.out)
    print(f"picture: {options.out}")
    return 0 if error < 1e-6 and agree < 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
