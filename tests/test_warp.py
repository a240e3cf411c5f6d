"""fastad.augment.warp: fields beside their matrices, long lines, fills, absurd maps, second derivatives.

Against SciPy and Pillow in test_augment_peers.py; first derivatives in the registry's suites.
"""
import numpy as np
import pytest

import fastad as fa
from fastad.augment import warp

RNG = np.random.default_rng(3)
PICTURES = RNG.random((6, 3, 12, 10))
BYTES = RNG.integers(0, 256, (6, 3, 12, 10), dtype=np.uint8)


def test_warp_by_a_field_and_by_its_matrix():
    m = np.array([[0.9, 0.3, -1], [-0.2, 1.1, 2]])
    i, j = np.mgrid[:5, :7].astype(float)
    places = np.stack([0.9 * i + 0.3 * j - 1, -0.2 * i + 1.1 * j + 2])[None]
    for mode in ("constant", "edge", "reflect"):
        np.testing.assert_allclose(warp(PICTURES, places, mode=mode, fill=2), warp(PICTURES, m, (5, 7), mode=mode, fill=2),
                                   rtol=1e-10, atol=1e-12)
    field = np.full((1, 2, 2, 2), np.nan)
    assert (warp(BYTES, field, fill=3) == 3).all()        # a place that is no number is beyond the edges
    assert (warp(PICTURES, field + np.inf, fill=3) == 3).all()


def test_a_wide_line_goes_block_by_block():
    x = RNG.random((1, 2, 3, 700))
    m = np.array([[1, 1e-3, 0.2], [1e-4, 1, -3.25]])
    i, j = np.mgrid[:3, :700].astype(float)
    places = np.stack([i + 1e-3 * j + 0.2, 1e-4 * i + j - 3.25])[None]
    np.testing.assert_allclose(warp(x, m), warp(x, places), atol=1e-9)
    r, q = places[0, :, 1, 400]
    a, b = int(r), int(q)
    expected = (1 - r + a) * ((1 - q + b) * x[0, :, a, b] + (q - b) * x[0, :, a, b + 1]) + \
        (r - a) * ((1 - q + b) * x[0, :, a + 1, b] + (q - b) * x[0, :, a + 1, b + 1])
    np.testing.assert_allclose(warp(x, m)[0, :, 1, 400], expected)


def test_a_fill_that_no_byte_holds_is_the_nearest_one():
    for m in ([[1, 0, 99], [0, 1, 0]], [[0.9, 0, 99], [0, 0.9, 0]], [[0.9, 0.1, 99], [0, 0.9, 0]]):
        assert (warp(BYTES, m, fill=300) == 255).all() and (warp(BYTES, m, fill=-9) == 0).all()


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e300])
def test_absurd_maps_do_no_harm(scale):
    for m in ([[scale, 0, 0], [0, -scale, scale]], [[scale, 1, 0], [1, scale, -scale]], [[1, 0, scale], [0, 1, -scale]]):
        for mode in ("constant", "edge", "reflect"):
            for antialias in (False, True):
                y = warp(PICTURES, m, mode=mode, antialias=antialias)
                assert np.isfinite(y).all() and y.min() >= -1e-9 and y.max() <= 1 + 1e-9


def test_warp_nests():
    """The gradient of a warped picture's energy, differentiated again: W^T W."""
    x, m = PICTURES[:1, :1, :4, :4], np.array([[0.8, -0.6, 1], [0.6, 0.8, -0.3]])
    energy = lambda x: 0.5 * (warp(x, m) ** 2).sum()                          # noqa: E731
    h = fa.hessian(energy)(x).reshape(16, 16)
    basis = np.eye(16).reshape(16, 1, 1, 4, 4)
    w = np.stack([warp(e, m).ravel() for e in basis], 1)
    np.testing.assert_allclose(h, w.T @ w, atol=1e-12)
