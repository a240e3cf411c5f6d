"""A Gaussian process finds the length, height and noise of a curve by its marginal likelihood, through a Cholesky factor.

    K = s^2 exp(-(x - x')^2 / 2 l^2) + n^2 I = L L^T
    log p(y) = -1/2 |L^-1 y|^2 - sum of log diag L - N/2 log 2 pi

The three logarithms are found by L-BFGS with fastad's gradient; the curvature there says how sure they are.  Source:
Rasmussen and Williams, Gaussian Processes for Machine Learning, algorithm 2.1.

    python examples/gaussian_process.py [--points 60] [--out gaussian_process.png]
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad.optimize import minimize

TRUE = {"length": 0.7, "height": 1.3, "noise": 0.25}


def kernel(x, z, length, height):
    return height ** 2 * fa.exp(-0.5 * ((x[:, None] - z[None, :]) / length) ** 2)


def minus_log_likelihood(x, y):
    def f(logarithms):
        length, height, noise = (fa.exp(logarithms[i]) for i in range(3))
        K = kernel(x, x, length, height) + (noise ** 2 + 1e-10) * np.eye(len(x))
        L = fa.linalg.cholesky(K)
        whitened = fa.linalg.solve_triangular(L, y, lower=True)
        return 0.5 * (whitened * whitened).sum() + fa.log(fa.diagonal(L)).sum() + 0.5 * len(x) * np.log(2 * np.pi)
    return f


def sample(points, seed=2):
    """A curve drawn from the process, seen at random places with noise."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-3, 3, points))
    K = kernel(x, x, TRUE["length"], TRUE["height"]).numpy() + 1e-10 * np.eye(points)
    return x, np.linalg.cholesky(K) @ rng.normal(size=points) + TRUE["noise"] * rng.normal(size=points)


def posterior(x, y, z, length, height, noise):
    """Mean and deviation of the curve at z."""
    K = kernel(x, x, length, height).numpy() + noise ** 2 * np.eye(len(x))
    cross = kernel(x, z, length, height).numpy()
    L = np.linalg.cholesky(K)
    v = np.linalg.solve(L, cross)
    mean = v.T @ np.linalg.solve(L, y)
    return mean, np.sqrt(np.maximum(height ** 2 - (v * v).sum(axis=0), 0))


def draw(x, y, found, deviations, path):
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    ax = figure.subplots()
    z = np.linspace(-3.6, 3.6, 400)
    mean, deviation = posterior(x, y, z, *found)
    ax.fill_between(z, mean - 2 * deviation, mean + 2 * deviation, color="#a6cee3", alpha=0.6, linewidth=0,
                    label="two deviations of the curve")
    ax.plot(z, mean, color="#1f78b4", label="mean")
    ax.plot(x, y, ".", color="0.2", markersize=5, label="data")
    text = "   ".join(f"{name} {value:.2f} ± {d * value:.2f} (true {true})" for (name, true), value, d in
                      zip(TRUE.items(), found, deviations, strict=True))
    ax.set(title=text, xlabel="x", ylabel="y")
    ax.title.set_fontsize(10)
    ax.legend(frameon=False, ncols=3, fontsize=9, loc="upper center")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--out", default="gaussian_process.png", help="where the picture goes")
    options = parser.parse_args(argv)

    x, y = sample(options.points)
    f = minus_log_likelihood(x, y)
    result = minimize(f, np.zeros(3), method="L-BFGS-B", options={"gtol": 1e-8})
    deviations = np.sqrt(np.diag(np.linalg.inv(fa.hessian(f)(result.x))))     # of the logarithms
    found = np.exp(result.x)
    print(f"minus log-likelihood {result.fun:.3f} after {result.nit} iterations, {result.nfev} evaluations")
    near = True
    for (name, true), value, d in zip(TRUE.items(), found, deviations, strict=True):
        near &= abs(np.log(value / true)) < 3 * d
        print(f"{name:>7} {value:.3f} +- {d * value:.3f}   true {true}")
    draw(x, y, found, deviations, options.out)
    print(f"picture: {options.out}")
    return 0 if near else 1


if __name__ == "__main__":
    sys.exit(main())
