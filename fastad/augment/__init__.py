"""Pictures made different in ways that do not change what they show: on batches (n, c, h, w) of float32, float64 or uint8.

::

    transform.py   Transform: what is called, what it draws; Compose: one after the other
       |           Batch: pictures on their way, with the maps that wait to be applied together
       +-- geometry.py     translation, rotation, stretch, shear, lens distortion
       |      +-- windows.py    flips, crops, sizes
       +-- colour.py       brightness, contrast, saturation, noise, cutout
       +-- mixing.py       Mixup, of pictures and labels
    warping.py     warp: pictures through a map, with a derivative; the compiled loops are csrc/image.c's

How much is changed is drawn for each picture: a number says how far at most from no change, to both sides, a pair between
which two values.  Sizes, limits of movement and paddings are a number for both axes or (rows, columns).

Maps that follow each other are composed, and the pictures are resampled once.  Arrays give arrays, tensors give tensors, and
what is done to a tensor that requires a gradient has derivatives; nothing that is handed over is altered.
"""
from .colour import Brightness, Contrast, Cutout, GaussianNoise, Saturation
from .geometry import LensDistortion, Rotate, Shear, Stretch, Translate
from .mixing import Mixup
from .transform import Compose, Transform
from .warping import warp
from .windows import CenterCrop, HorizontalFlip, RandomCrop, Resize, ResizedCrop, VerticalFlip

__all__ = ["Brightness", "CenterCrop", "Compose", "Contrast", "Cutout", "GaussianNoise", "HorizontalFlip", "LensDistortion",
           "Mixup", "RandomCrop", "Resize", "ResizedCrop", "Rotate", "Saturation", "Shear", "Stretch", "Transform",
           "Translate", "VerticalFlip", "warp"]
