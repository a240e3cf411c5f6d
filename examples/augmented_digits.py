"""Does augmentation help?  The same network reads handwritten digits, trained with and without it, on five random splits.

With it, each batch's images are turned by up to 10 degrees and moved by up to half a pixel (they have 8 x 8), drawn anew in
every epoch; both are one map, and each image is resampled once.  Network, rate and smoothing are those of digits.py, for
twice the epochs, in both.  How far to turn and to move was chosen on fifths of the training images alone; `--choose` does it
again.

    python examples/augmented_digits.py [--epochs 80] [--seeds 0 1 2 3 4] [--choose] [--out augmented_digits.png]

Prints the accuracy on the test quarters, mean and spread, whichever way it comes out, and draws the curves.
"""
import argparse
import sys

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import augment, nn, optim
from fastad.data import DataLoader
from fastad.datasets import load_digits, stratified_split
from fastad.training import fit


def turned_and_moved(degrees=10, share=0.06):
    """Degrees, and the share of a side: 0.06 of 8 pixels is half a pixel."""
    return augment.Compose([augment.Rotate(degrees), augment.Translate(share, subpixel=True)])


WAYS = {"without": (None, "#7570b3"), "with augmentation": (turned_and_moved(), "#d95f02")}
OTHERS = {"nothing": None, "turned": augment.Rotate(10), "moved": augment.Translate(0.06, subpixel=True),
          "moved twice as far": augment.Translate(0.12, subpixel=True), "turned and moved": turned_and_moved(),
          "turned, moved, stretched": augment.Compose([turned_and_moved(), augment.Stretch((0.9, 1.1))])}


def learn(images, labels, train_part, test_part, seed, transform, epochs):
    """Accuracy on the test part after each epoch."""
    fa.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    batches = DataLoader((images[train_part], labels[train_part]), batch_size=32, shuffle=True, transform=transform,
                         generator=np.random.default_rng(seed))
    history = fit(model, nn.CrossEntropyLoss(label_smoothing=0.2), optimizer, batches, epochs, metrics="accuracy",
                  validation=(images[test_part], labels[test_part]), progress=False,
                  scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs))
    return np.array(history["val_accuracy"])


def choose(images, labels, seeds, epochs):
    """Print the accuracy of other ways on fifths of the training images: no test image is looked at."""
    for name, transform in OTHERS.items():
        found = []
        for seed in seeds:
            train_part, _ = stratified_split(labels, test_fraction=0.25, seed=seed)
            for fold in range(2):
                rest, fifth = stratified_split(labels[train_part], test_fraction=0.2, seed=1000 + fold)
                found.append(learn(images, labels, train_part[rest], train_part[fifth], seed, transform, epochs)[-1])
        print(f"{name:<26}{np.mean(found):8.2%} +-{np.std(found) / len(found) ** 0.5:.2%}", flush=True)


def report(results, seeds):
    """Print accuracies by split, their mean and spread."""
    print(f"accuracy on the test quarters{'':<9}" + "".join(f"{f'split {s}':>9}" for s in seeds) + "     mean   spread")
    means = []
    for name, curves in results.items():
        last = np.array([curve[-1] for curve in curves])
        means.append(last.mean())
        spread = last.std(ddof=1) if len(last) > 1 else 0.0
        print(f"{name:<38}" + "".join(f"{a:9.2%}" for a in last) + f"{last.mean():9.2%}{spread:9.2%}")
    verdict = "helps" if means[1] > means[0] else "does not help"
    print(f"augmentation {verdict}: {1 - means[0]:.2%} and {1 - means[1]:.2%} mistakes")


def draw(results, images, path):
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    curves, sheet = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for name, runs in results.items():
        errors, colour = 100 * (1 - np.array(runs)), WAYS[name][1]
        epochs = np.arange(1, errors.shape[1] + 1)
        curves.fill_between(epochs, errors.min(0), errors.max(0), color=colour, alpha=0.15, linewidth=0)
        curves.plot(epochs, errors.mean(0), color=colour, linewidth=2, label=f"{name}: {errors[:, -1].mean():.2f} %")
    curves.set(title="mistakes on the test quarters, %: mean, least and most", xlabel="epoch", ylim=(0, 4), xlim=(1, None))
    curves.legend(frameon=False)
    drawn = np.repeat(images[:5], 7, axis=0)
    drawn = turned_and_moved()(drawn, rng=np.random.default_rng(0))
    drawn[::7] = images[:5]
    framed = np.pad(drawn[:, 0], ((0, 0), (1, 1), (1, 1)), constant_values=np.nan).reshape(5, 7, 10, 10)
    sheet.imshow(framed.transpose(0, 2, 1, 3).reshape(50, 70), cmap="gray_r", interpolation="nearest")
    sheet.axis("off")
    sheet.set_title("first column: as they are")
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--out", default="augmented_digits.png")
    options = parser.parse_args()
    images, labels = load_digits()
    images = images[:, None] / 16
    if options.choose:
        return choose(images, labels, options.seeds, options.epochs)
    results = {name: [] for name in WAYS}
    for seed in options.seeds:
        train_part, test_part = stratified_split(labels, test_fraction=0.25, seed=seed)
        for name, (transform, _) in WAYS.items():
            results[name].append(learn(images, labels, train_part, test_part, seed, transform, options.epochs))
    report(results, options.seeds)
    draw(results, images, options.out)
    print(f"picture: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
