"""Augmentation of batches of bytes, 32 x 32 and 224 x 224: the same random numbers on every side.

fastad gets an array (n, 3, h, w); the others the same pictures one by one, as Pillow images, and as arrays (h, w, 3) for
OpenCV and Albumentations, made beforehand and not converted back.  What they return agrees but for the edges of what is
turned and the rounding of colours; a rotation that fastad composed with a crop sees in the corners what the crop left out.
"""
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench import peers
from bench.workloads import Workload

COUNT = {32: 128, 224: 16}
TARGETS = {32: (("Pillow", 1 / 3),), 224: (("Pillow", 1.0),)}
SEED = 7


@dataclass(frozen=True)
class Step:
    """One thing done to a picture, by each library; `drawn` are the random numbers that fastad draws for it."""

    name: str
    columns: int                                   # how many those are
    fastad: Callable                               # (fastad.augment, size) -> transform
    pillow: Callable                               # (PIL, image, drawn, size) -> image
    opencv: Callable | None = None                 # (cv2, array, drawn, size) -> array
    albumentations: Callable | None = None         # (albumentations) -> transform
    larger: bool = False                           # the pictures are larger than the result


# --- flips and crops ------------------------------------------------------------------------------
FLIP = Step(
    "flip", 0, lambda augment, size: augment.HorizontalFlip(p=1),
    lambda PIL, image, u, size: image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT),
    lambda cv2, a, u, size: cv2.flip(a, 1), lambda A: A.HorizontalFlip(p=1))


def offsets(u, size):
    """Of a window in a picture padded by an eighth."""
    return [int(v) for v in np.floor(u * (2 * (size // 8) + 1)) - size // 8]


def crop_pillow(PIL, image, u, size):
    top, left = offsets(u, size)
    return image.crop((left, top, left + size, top + size))


def crop_opencv(cv2, a, u, size):
    padding, (top, left) = size // 8, offsets(u, size)
    padded = cv2.copyMakeBorder(a, padding, padding, padding, padding, cv2.BORDER_CONSTANT)
    return np.ascontiguousarray(padded[top + padding:, left + padding:][:size, :size])


CROP = Step("crop after padding", 2, lambda augment, size: augment.RandomCrop(size, padding=size // 8),
            crop_pillow, crop_opencv)


# --- resampling -----------------------------------------------------------------------------------
def rotate_opencv(cv2, a, u, size):
    m = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), 30 * u[0] - 15, 1)
    return cv2.warpAffine(a, m, (size, size), flags=cv2.INTER_LINEAR)


ROTATE = Step("rotation", 1, lambda augment, size: augment.Rotate(15),
              lambda PIL, image, u, size: image.rotate(30 * u[0] - 15, PIL.Image.Resampling.BILINEAR), rotate_opencv)


def resized_pillow(PIL, image, u, size):
    """The short side drawn from [8/7, 15/7] of the window's."""
    w, h = image.size
    short = size * 8 // 7 + int(u[0] * (size * 15 // 7 - size * 8 // 7 + 1))
    rows, columns = (short, round(short * w / h)) if h <= w else (round(short * h / w), short)
    top, left = int(u[1] * (rows - size + 1)), int(u[2] * (columns - size + 1))
    box = (left * w / columns, top * h / rows, (left + size) * w / columns, (top + size) * h / rows)
    return image.resize((size, size), PIL.Image.Resampling.BILINEAR, box=box)


RESIZED = Step("resized crop", 3, lambda augment, size: augment.ResizedCrop(size), resized_pillow, larger=True)


# --- colours --------------------------------------------------------------------------------------
def colours_pillow(PIL, image, u, size):
    for enhancer, v in zip((PIL.ImageEnhance.Brightness, PIL.ImageEnhance.Contrast, PIL.ImageEnhance.Color), u, strict=True):
        image = enhancer(image).enhance(0.7 + 0.6 * v)
    return image


def colours_opencv(cv2, a, u, size):
    f, g, h = 0.7 + 0.6 * u
    a = cv2.addWeighted(a, f, a, 0, 0)
    a = cv2.addWeighted(a, g, a, 0, (1 - g) * cv2.cvtColor(a, cv2.COLOR_RGB2GRAY).mean())
    grey = cv2.cvtColor(cv2.cvtColor(a, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(a, h, grey, 1 - h, 0)


COLOURS = Step(
    "brightness, contrast, saturation", 3,
    lambda augment, size: augment.Compose([augment.Brightness(0.3), augment.Contrast(0.3), augment.Saturation(0.3)]),
    colours_pillow, colours_opencv)


# --- the members ----------------------------------------------------------------------------------
def pictures(steps, size, n):
    """Waves and a step, (n, h, w, 3): something to see for every transform."""
    h, w = (size * 4 // 3, size * 3 // 2) if steps[0].larger else (size, size)

    def data(rng):
        i, j = np.mgrid[:h, :w] / max(h, w)
        phase = rng.uniform(0, 6, (n, 1, 1, 3))
        waves = 120 + 60 * np.sin(9 * i[..., None] + 7 * j[..., None] + phase)
        return np.rint(waves + 40 * (j > 0.6)[..., None]).astype(np.uint8)
    return data


def fastad(steps, size):
    def build(x):
        augment = peers.load("fastad").augment
        transform = augment.Compose([s.fastad(augment, size) for s in steps])
        batch = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        return lambda: list(transform(batch, np.random.default_rng(SEED)).transpose(0, 2, 3, 1))
    return build


def one_by_one(library, steps, size, method, prepared):
    def build(x):
        module = peers.load(library)
        ends = np.cumsum([0, *[s.columns for s in steps]])
        drawn = np.random.default_rng(SEED).random((len(x), ends[-1]))
        parts = [[u[a:b] for a, b in itertools.pairwise(ends)] for u in drawn]
        calls = [getattr(s, method) for s in steps]

        def one(picture, numbers):
            for call, u in zip(calls, numbers, strict=True):
                picture = call(module, picture, u, size)
            return picture
        given = [prepared(module, a) for a in x]
        return lambda: [one(picture, numbers) for picture, numbers in zip(given, parts, strict=True)]
    return build


def albumentations(step):
    def build(x):
        transform = step.albumentations(peers.load("Albumentations"))
        return lambda: [transform(image=a)["image"] for a in x]
    return build


def workload(size, name, *steps):
    builders = {"fastad": fastad(steps, size),
                "Pillow": one_by_one("Pillow", steps, size, "pillow", lambda PIL, a: PIL.Image.fromarray(a))}
    if all(s.opencv for s in steps):
        builders["OpenCV"] = one_by_one("OpenCV", steps, size, "opencv", lambda cv2, a: a)
    if len(steps) == 1 and steps[0].albumentations:
        builders["Albumentations"] = albumentations(steps[0])
    n = COUNT[size]
    return Workload("Augmentation of uint8 pictures", f"{name}, {size} x {size}", pictures(steps, size, n), builders,
                    TARGETS[size], unit="pictures a second", count=n, tolerance=0.1 if len(steps) == 1 else 0.3)


WORKLOADS = [workload(size, *row) for size in COUNT for row in (
    *[(s.name, s) for s in (FLIP, CROP, ROTATE, RESIZED, COLOURS)],
    ("flip, crop, rotation, colours", FLIP, CROP, ROTATE, COLOURS),
)]
