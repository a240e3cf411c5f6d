"""Logistic regression on real digits: is it a 3 or an 8?  With error bars, from the Hessian.

The negative log-likelihood of labels y in {0, 1} with a Gaussian prior of precision alpha on the weights,

    f(w, b) = sum of softplus(s) - y s  +  alpha / 2 |w|^2,      s = X w + b,

is minimised by SciPy's trust-region Newton method with fastad's Hessian-vector products.  At the minimum the inverse
Hessian is the covariance of the weights (Laplace's approximation): it says which pixels the data have decided on, and how
sure each prediction is.

    python examples/logistic_regression.py [--alpha 1.0] [--out logistic_regression.png]
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad.datasets import load_digits, stratified_split
from fastad.optimize import minimize

PAIR = (3, 8)


def threes_and_eights():
    images, labels = load_digits()
    chosen = np.isin(labels, PAIR)
    return images[chosen].astype(float), (labels[chosen] == PAIR[1]).astype(float)


def objective(X, y, alpha):
    def f(parameters):
        w, b = parameters[:-1], parameters[-1]
        s = X @ w + b
        return (fa.softplus(s) - y * s).sum() + alpha / 2 * (w * w).sum()
    return f


def fit(X, y, alpha):
    """The parameters, their covariance, and SciPy's report."""
    f = objective(X, y, alpha)
    found = minimize(f, np.zeros(X.shape[1] + 1), method="trust-ncg", options={"gtol": 1e-8, "maxiter": 500})
    return found.x, np.linalg.inv(fa.hessian(f)(found.x)), found


def predict(X, parameters, covariance):
    """The probability of an 8, and the deviation of the score behind it."""
    rows = np.column_stack([X, np.ones(len(X))])
    score = rows @ parameters
    return 1 / (1 + np.exp(-score)), np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows))


def draw(parameters, covariance, images, probability, deviation, y, path):
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.5))
    w = parameters[:-1].reshape(8, 8)
    limit = np.abs(w).max()
    shown = left.imshow(w, cmap="RdBu_r", vmin=-limit, vmax=limit)
    left.set(title="weights: red for 8, blue for 3")
    figure.colorbar(shown, ax=left, shrink=0.8)
    shown = middle.imshow(np.sqrt(np.diag(covariance)[:-1]).reshape(8, 8), cmap="viridis")
    middle.set(title="their standard deviations")
    figure.colorbar(shown, ax=middle, shrink=0.8)
    for ax in (left, middle):
        ax.set_xticks([])
        ax.set_yticks([])
    score = np.log(probability / (1 - probability))
    for value, colour in ((0, "#2166ac"), (1, "#b2182b")):
        some = y == value
        right.errorbar(np.flatnonzero(some), score[some], deviation[some], fmt="o", markersize=3, linewidth=0.8,
                       color=colour, label=f"a {PAIR[value]}")
    right.axhline(0, color="0.5", linewidth=0.8)
    right.set(title="test images: score and its deviation", xlabel="image", ylabel="log odds of an 8",
              ylim=(score.min() - 4, score.max() + 2))
    right.legend(frameon=False, ncols=2, loc="lower right")
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alpha", type=float, default=1.0, help="precision of the prior")
    parser.add_argument("--out", default="logistic_regression.png", help="where the picture goes")
    options = parser.parse_args(argv)

    images, y = threes_and_eights()
    X = images.reshape(-1, 64) / 16
    train, test = stratified_split(y.astype(int), test_fraction=0.25, seed=0)
    parameters, covariance, found = fit(X[train], y[train], options.alpha)
    probability, deviation = predict(X[test], parameters, covariance)
    accuracy = float(np.mean((probability > 0.5) == y[test]))
    slope = float(np.abs(fa.grad(objective(X[train], y[train], options.alpha))(parameters)).max())
    print(f"{len(train)} images to learn from, {found.nit} iterations, {found.nhev} Hessian-vector products, "
          f"largest gradient left {slope:.1e}")
    print(f"{accuracy:.1%} of {len(test)} test images are read rightly")
    draw(parameters, covariance, images, probability, deviation, y[test], options.out)
    print(f"picture: {options.out}")
    return 0 if accuracy > 0.95 and slope < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
