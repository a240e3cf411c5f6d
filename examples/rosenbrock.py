"""Minimise Rosenbrock's valley: BFGS by its gradient, Newton-CG by Hessian-vector products too.

    f(x) = sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2

SciPy searches, fastad differentiates.  The figures say how often each method called the function, its gradient and its
Hessian; the picture shows the paths of both through the valley of two variables.

    python examples/rosenbrock.py [--n 20] [--out rosenbrock.png]
"""
import argparse
import sys
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad.optimize import minimize

START = np.array([-1.2, 1.0])
OPTIONS = {"BFGS": {}, "Newton-CG": {"xtol": 1e-10}}


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def search(method, x0, **options):
    """The result of one method, the points on its way, and its seconds."""
    path = [x0]
    start = perf_counter()
    found = minimize(rosenbrock, x0, method=method, callback=lambda x: path.append(np.array(x)), **options)
    return found, np.array(path), perf_counter() - start


def report(n):
    """Both methods in n variables; the largest distance from the minimum (1, ..., 1)."""
    x0 = np.tile(START, (n + 1) // 2)[:n]
    worst = 0.0
    print(f"{n} variables   iterations   gradients   Hessian-vector products   distance   ms")
    for method in OPTIONS:
        found, _, seconds = search(method, x0, options={"maxiter": 10_000} | OPTIONS[method])
        distance = float(np.abs(found.x - 1).max())
        worst = max(worst, distance)
        print(f"{method:>12} {found.nit:12d} {found.njev:11d} {found.get('nhev', 0):25d} {distance:10.1e} "
              f"{seconds * 1e3:4.0f}")
    return worst


def draw(paths, path):
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    ax = figure.subplots()
    x, y = np.meshgrid(np.linspace(-1.6, 1.5, 400), np.linspace(-0.6, 1.9, 400))
    with np.errstate(divide="ignore"):
        height = np.log10(100 * (y - x ** 2) ** 2 + (1 - x) ** 2)
    filled = ax.contourf(x, y, height, levels=np.linspace(-3, 3.5, 27), cmap="Blues_r", extend="both")
    figure.colorbar(filled, label="log10 f", ticks=range(-3, 4))
    for (method, points), colour in zip(paths.items(), ("#d95f02", "#1b1b1b"), strict=True):
        ax.plot(*points.T, "o-", color=colour, markersize=3.5, linewidth=1.2,
                label=f"{method}, {len(points) - 1} iterations")
    ax.plot(1, 1, "*", color="#e7298a", markersize=14, label="minimum")
    ax.set(xlabel="x0", ylabel="x1", title="Rosenbrock's valley")
    ax.legend(loc="lower center")
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--out", default="rosenbrock.png", help="where the picture goes")
    options = parser.parse_args(argv)

    worst = report(options.n)
    eigenvalues = np.linalg.eigvalsh(fa.hessian(rosenbrock)(np.ones(options.n)))
    print(f"the Hessian at the minimum has eigenvalues from {eigenvalues[0]:.3f} to {eigenvalues[-1]:.1f}: a narrow valley")
    draw({method: search(method, START)[1] for method in OPTIONS}, options.out)
    print(f"picture: {options.out}")
    return 0 if worst < 1e-4 and eigenvalues[0] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
