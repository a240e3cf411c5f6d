"""A sheet of every augmentation on a real photograph.

Each square shows what one transform makes of the same picture with a setting of its own, the last two rows what a network
would be given: draws of a composition, in which all that moves pixels is one map and one resampling.

    python examples/augmentation.py [--out augmentation.png] [--seed 0]

The photograph is chelsea.jpg beside this file: "Chelsea the cat" by Stefan van der Walt, dedicated to the public domain by
the photographer (CC0 1.0); taken from the data of scikit-image (skimage.data.chelsea) and saved as JPEG.
"""
import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread

from fastad.augment import (
    Brightness,
    CenterCrop,
    Compose,
    Contrast,
    Cutout,
    GaussianNoise,
    HorizontalFlip,
    LensDistortion,
    Mixup,
    RandomCrop,
    Resize,
    ResizedCrop,
    Rotate,
    Saturation,
    Shear,
    Stretch,
    Translate,
    VerticalFlip,
)

CREDIT = '"Chelsea the cat", photograph by Stefan van der Walt, CC0 1.0 (public domain), from scikit-image\'s data'
SIZE = 224
COLUMNS = 6


def photograph():
    """(1, 3, h, w), bytes."""
    return np.ascontiguousarray(imread(Path(__file__).with_name("chelsea.jpg")).transpose(2, 0, 1))[None]


def one_by_one(picture, seed):
    """(title, picture) of every transform, at settings that can be seen; `picture` is square."""
    whole = photograph()
    yield "original", picture
    for title, transform in (
        ("horizontal flip", HorizontalFlip(p=1)),
        ("vertical flip", VerticalFlip(p=1)),
        ("random crop, padded by 28", RandomCrop(SIZE, padding=28)),
        ("centre crop to 128", CenterCrop(128)),
        ("translation, up to 20 %", Translate(0.2)),
        ("rotation by 25°, constant", Rotate((25, 25))),
        ("rotation by 25°, edge", Rotate((25, 25), mode="edge")),
        ("rotation by 25°, reflect", Rotate((25, 25), mode="reflect")),
        ("stretch, 0.7 to 1.4 each way", Stretch((0.7, 1.4))),
        ("shear by 20°", Shear((20, 20))),
        ("lens, k = 0.4 (barrel)", LensDistortion((0.4, 0.4))),
        ("lens, k = -0.3 (pincushion)", LensDistortion((-0.3, -0.3))),
        ("brightness 0.6", Brightness((0.6, 0.6))),
        ("brightness 1.4", Brightness((1.4, 1.4))),
        ("contrast 0.5", Contrast((0.5, 0.5))),
        ("contrast 1.6", Contrast((1.6, 1.6))),
        ("saturation 0", Saturation((0.0, 0.0))),
        ("saturation 2", Saturation((2.0, 2.0))),
        ("Gaussian noise, 10 %", GaussianNoise(0.1)),
        ("cutout, 35 %", Cutout(0.35, fill=127)),
    ):
        yield title, transform(picture, np.random.default_rng(seed))
    for draw in range(2):
        yield "resized crop, L of [256, 480]", ResizedCrop(SIZE)(whole, np.random.default_rng(seed + draw))
    pair = np.concatenate([picture, VerticalFlip(p=1)(picture)])
    mixed, labels = Mixup(0.4, classes=2)(pair, np.array([0, 1]))
    yield f"mixup, labels {labels[0, 0]:.1f} and {labels[0, 1]:.1f}", mixed[:1]


def pipeline():
    """What a training run might use."""
    return Compose([
        ResizedCrop(SIZE),
        HorizontalFlip(),
        Rotate(15, p=0.5, mode="reflect"),
        Shear(8, 8, p=0.3, mode="reflect"),
        LensDistortion(0.15, p=0.3, mode="reflect"),
        Brightness(0.3, p=0.8),
        Contrast(0.3, p=0.8),
        Saturation(0.5, p=0.8),
        GaussianNoise((0.0, 0.05), p=0.3),
        Cutout(0.25, fill=127, p=0.3),
    ])


def sheet(squares, path):
    """The pictures in a grid, titles of what is composed in another colour."""
    rows = -(-len(squares) // COLUMNS)
    figure = Figure(figsize=(2.05 * COLUMNS, 2.2 * rows + 0.7), layout="constrained")
    figure.suptitle("Every augmentation of fastad.augment on one photograph", fontsize=15)
    axes = list(figure.subplots(rows, COLUMNS).flat)
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, picture) in zip(axes, squares, strict=False):
        ax.imshow(picture[0].transpose(1, 2, 0))
        ax.set_title(title, fontsize=8.5, color="#a04000" if title.startswith("composed") else "#1b1b1b")
    figure.text(0.995, 0.003, CREDIT, ha="right", va="bottom", fontsize=8, color="#606060")
    figure.get_layout_engine().set(rect=(0, 0.015, 1, 0.985))
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("augmentation.png"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    whole = photograph()
    picture = Compose([Resize(SIZE), CenterCrop(SIZE)])(whole)
    squares = list(one_by_one(picture, options.seed))

    transform, batch = pipeline(), np.repeat(whole, 64, 0)
    transform(batch[:2], np.random.default_rng(options.seed))
    start = perf_counter()
    drawn = transform(batch, np.random.default_rng(options.seed))
    seconds = perf_counter() - start
    squares += [(f"composed, draw {k + 1}", drawn[k:k + 1]) for k in range(2 * COLUMNS)]
    sheet(squares, options.out)
    print(f"{whole.shape[2]} x {whole.shape[3]} to {SIZE} x {SIZE}, ten transforms composed: {len(batch) / seconds:,.0f} "
          f"pictures a second; {options.out}")


if __name__ == "__main__":
    main()
