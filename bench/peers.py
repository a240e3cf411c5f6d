"""The libraries side by side: which are installed, each imported once and held to the same number of threads."""
import functools
import sys

from bench import THREADS

ORDER = ("fastad", "reference", "PyTorch", "JAX", "autograd", "MyGrad", "micrograd", "NumPy", "floor",
         "Pillow", "OpenCV", "Albumentations")


def _fastad():
    import fastad
    if not hasattr(fastad, "set_num_threads"):     # the sources without their compiled core
        raise ImportError("fastad is not built")
    fastad.set_num_threads(THREADS)
    return fastad


def _reference():
    from fastad import reference
    return reference


def _pytorch():
    import torch
    torch.set_num_threads(THREADS)
    return torch


def _jax():
    import jax
    jax.config.update("jax_enable_x64", True)      # or it would quietly compute in float32
    return jax


def _autograd():
    import autograd
    return autograd


def _mygrad():
    import mygrad
    return mygrad


def _micrograd():
    import micrograd.engine
    sys.setrecursionlimit(1_000_000)               # its topological sort calls itself once a node
    return micrograd.engine


def _numpy():
    import numpy
    return numpy


def _pillow():
    import PIL.Image
    import PIL.ImageEnhance
    return PIL


def _opencv():
    import cv2
    cv2.setNumThreads(THREADS)
    return cv2


def _albumentations():
    import albumentations
    return albumentations


_LOADERS = {
    "fastad": _fastad, "reference": _reference, "PyTorch": _pytorch, "JAX": _jax, "autograd": _autograd,
    "MyGrad": _mygrad, "micrograd": _micrograd, "NumPy": _numpy, "floor": _numpy,
    "Pillow": _pillow, "OpenCV": _opencv, "Albumentations": _albumentations,
}


@functools.cache
def load(library):
    """The module of a library named in ORDER, or None where it is not installed."""
    try:
        return _LOADERS[library]()
    except ImportError:
        return None
