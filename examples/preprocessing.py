"""What preprocessing does to data: a cloud is centred, scaled, turned onto its axes and whitened; so are real digits.

Each step is fitted on the training part and applied to the test part: the dots of the picture.  A linear layer that is
trained on the cloud by plain gradient descent says why one does it: the contours of its loss are as stretched as the data.

    python examples/preprocessing.py [--out preprocessing.png]

Prints the figures, draws a picture, and ends with exit code 1 if a step does not do what it promises.
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.datasets import load_digits
from fastad.preprocessing import PCA, MeanImage, StandardScaler, Whitening, split

TRAINING, TEST = "#7570b3", "#d95f02"


def cloud():
    """400 points about (3, 3), two numbers of different spread that go together; a training and a test part."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 2)) @ [[2.0, 0.4], [0.0, 0.3]] + [3.0, 3.0]
    return split(points, parts=(0.75, 0.25), generator=rng)


STEPS = {"as they are": None, "centred": lambda: StandardScaler(with_std=False), "centred and scaled": StandardScaler,
         "principal components": PCA, "whitened (PCA)": Whitening, "whitened (ZCA)": lambda: Whitening("zca")}


def steps_to_learn(x, tolerance=1e-6, limit=100_000):
    """Updates of full-batch descent, at the best constant rate, until a linear layer has learnt y = x1 - x2 + 1.

    The best rate is 2 / (largest + smallest curvature), from the Hessian of the loss, which is constant.
    """
    y = x @ [[1.0], [-1.0]] + 1
    with_bias = np.c_[x, np.ones(len(x))]
    curvatures = np.linalg.eigvalsh(2 * with_bias.T @ with_bias / len(x))
    layer = nn.Linear(2, 1, dtype="float64", generator=np.random.default_rng(1))
    optimizer = optim.SGD(layer.parameters(), lr=2 / (curvatures[0] + curvatures[-1]))
    inputs, targets, first = fa.tensor(x), fa.tensor(y), None
    for update in range(limit):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(layer(inputs), targets)
        first = loss.item() if first is None else first
        if loss.item() < tolerance * first:
            return update, curvatures[-1] / curvatures[0]
        loss.backward()
        optimizer.step()
    return limit, curvatures[-1] / curvatures[0]


def measured(train, test):
    """Name -> (training points, test points, updates, condition number)."""
    results = {}
    for name, make in STEPS.items():
        step = make and make().fit(train)
        a, b = (step.transform(train), step.transform(test)) if step else (train, test)
        results[name] = a, b, *steps_to_learn(a)
    return results


def report(results):
    print(f"{'':<22}{'mean':>14}{'deviation':>14}{'correlation':>13}{'condition':>11}{'updates':>9}")
    for name, (a, _, updates, condition) in results.items():
        pair = [" ".join(f"{v + 0.0:6.2f}" for v in np.round(stat, 8)) for stat in (a.mean(0), a.std(0))]
        correlation = np.round(np.corrcoef(a.T)[0, 1], 8) + 0.0                  # + 0.0: no -0.00
        print(f"{name:<22}{pair[0]:>14}{pair[1]:>14}{correlation:13.2f}{condition:11.1f}{updates:9,}")


def checks(results, train, test):
    white = results["whitened (PCA)"][0]
    pca, zca = PCA().fit(train), Whitening("zca").fit(train)
    kept = np.allclose(pca.inverse_transform(pca.transform(test)), test)
    return {"centring: mean 0": np.allclose(results["centred"][0].mean(0), 0),
            "scaling: deviation 1": np.allclose(results["centred and scaled"][0].std(0), 1),
            "principal components are not correlated": abs(np.corrcoef(results["principal components"][0].T)[0, 1]) < 1e-9,
            "whitening: the covariance is the identity": np.allclose(np.cov(white.T), np.eye(2)),
            "inverses give the test points back": kept and np.allclose(zca.inverse_transform(zca.transform(test)), test),
            "whitened data are learnt in fewer updates": results["whitened (PCA)"][2] * 10 < results["as they are"][2]}


def draw_clouds(axes, results):
    for ax, (name, (a, b, updates, _)) in zip(axes, results.items(), strict=True):
        ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
        ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
        ax.plot(*a.T, ".", color=TRAINING, markersize=3.5, label="training")
        ax.plot(*b.T, ".", color=TEST, markersize=3.5, label="test")
        ax.set(title=name, xlim=(-7, 9), ylim=(-5, 6), aspect="equal")
        ax.text(0.97, 0.04, f"learnt in {updates:,} updates", transform=ax.transAxes, ha="right", color="0.3", fontsize=9)
    axes[0].legend(frameon=False, loc="lower left", markerscale=3, handletextpad=0.1)


def draw_digits(axes):
    """Digits as they are, the mean image, what is left without it, whitened, and from 10 of 64 components."""
    images, _ = load_digits()
    train, test = split(images, generator=0)
    mean, zca, ten = MeanImage().fit(train), Whitening("zca", epsilon=0.5).fit(train), PCA(10).fit(train)
    shown = test[:4]
    rows = {"digits": shown, "mean image": mean.mean_[None], "minus the mean image": mean.transform(shown),
            "whitened (ZCA)": zca.transform(shown), "from 10 of 64\ncomponents": ten.inverse_transform(ten.transform(shown))}
    for ax, (name, row) in zip(axes, rows.items(), strict=True):
        framed = [np.pad(image, 1, constant_values=np.nan) for image in row]
        sheet = np.block([framed[:2], framed[2:]]) if len(framed) == 4 else framed[0]
        ax.imshow(sheet, cmap="gray_r", interpolation="nearest")
        ax.axis("off")
        ax.set_title(name, fontsize=10)
    return ten.explained_variance_ratio_.sum()


def draw(results, path):
    figure = Figure(figsize=(12, 9.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.6, 1])
    draw_clouds(top.subplots(2, 3).ravel(), results)
    share = draw_digits(bottom.subplots(1, 5))
    figure.savefig(path, dpi=100)
    return share


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", default="preprocessing.png")
    options = parser.parse_args()
    train, test = cloud()
    results = measured(train, test)
    report(results)
    share = draw(results, options.out)
    print(f"\ndigits: 10 of 64 components hold {share:.1%} of the variance\npicture: {options.out}\n")
    kept = checks(results, train, test)
    for what, ok in kept.items():
        print(f"{'yes' if ok else 'NO '}  {what}")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
