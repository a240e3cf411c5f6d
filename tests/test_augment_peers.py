"""fastad.augment against SciPy's ndimage and Pillow, to what resampling and rounding leave."""
import numpy as np
import pytest

from fastad import augment
from fastad.augment import warp

RNG = np.random.default_rng(8)


def photograph(h, w, channels=3):
    """Smooth shapes and sharp edges, as bytes (1, channels, h, w)."""
    i, j = np.mgrid[:h, :w] / max(h, w)
    waves = [np.sin(2 * np.pi * (RNG.normal() * 3 * i + RNG.normal() * 3 * j)) for _ in range(channels)]
    x = 127 + 80 * np.stack(waves) + 40 * ((i * 7).astype(int) % 2) - 30 * (j > 0.6)
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)[None]


# ---- SciPy -------------------------------------------------------------------------------------------
SCIPYS = {"constant": "grid-constant", "edge": "nearest", "reflect": "mirror"}


@pytest.mark.parametrize("mode", SCIPYS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_affine_transform(mode, dtype):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = (photograph(23, 17) / (1 if dtype == np.uint8 else 255)).astype(dtype)
    fill = 55 if dtype == np.uint8 else 0.25
    for _ in range(8):
        m = np.eye(2, 3) + RNG.normal(size=(2, 3)) * [0.5, 0.5, 4]
        found = warp(x, m, (19, 31), mode=mode, fill=fill)[0]
        for channel, y in zip(x[0].astype(float), found, strict=True):
            exact = ndimage.affine_transform(channel, m[:, :2], m[:, 2], (19, 31), order=1, mode=SCIPYS[mode], cval=fill)
            assert np.abs(y - exact).max() <= {np.uint8: 0.51, np.float32: 2e-5, np.float64: 1e-12}[dtype]


@pytest.mark.parametrize("mode", SCIPYS)
def test_map_coordinates(mode):
    ndimage = pytest.importorskip("scipy.ndimage")
    x = RNG.normal(size=(2, 1, 9, 14))
    places = RNG.uniform(-25, 40, (2, 2, 20, 11))
    for picture, place, y in zip(x, places, warp(x, places, mode=mode, fill=-1), strict=True):
        exact = ndimage.map_coordinates(picture[0], place, order=1, mode=SCIPYS[mode], cval=-1)
        np.testing.assert_allclose(y[0], exact, atol=1e-12)


# ---- Pillow ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def pillow():
    pytest.importorskip("PIL")
    import PIL.Image
    import PIL.ImageEnhance
    return PIL


def image(pillow, x):
    return pillow.Image.fromarray(np.ascontiguousarray(x[0].transpose(1, 2, 0)))


def array(picture):
    return np.asarray(picture).transpose(2, 0, 1)[None].astype(int)


@pytest.mark.parametrize("angle", [-50, 10, 30])
def test_rotate(pillow, angle):
    x = photograph(60, 60)
    theirs = array(image(pillow, x).rotate(angle, pillow.Image.Resampling.BILINEAR))
    ours = augment.Rotate((angle, angle))(x).astype(int)
    i, j = np.mgrid[:60, :60] - 29.5
    inside = np.hypot(i, j) < 28
    assert np.abs(ours - theirs)[..., inside].max() <= 1


@pytest.mark.parametrize("size", [(20, 30), (33, 77), (81, 99), (120, 90), (1, 1)])
def test_resize(pillow, size):
    x = photograph(81, 99)
    theirs = array(image(pillow, x).resize(size[::-1], pillow.Image.Resampling.BILINEAR))
    assert np.abs(augment.Resize(size)(x).astype(int) - theirs).max() <= 1


def test_resized_crop(pillow):
    """The window of the scaled picture: Pillow scales to whole sizes and cuts, which is the same."""
    x = photograph(50, 70)
    t = augment.ResizedCrop(24, (26, 45))
    for seed in range(6):
        drawn = np.random.default_rng(seed).random((1, 3))
        m = t.matrix((50, 70), drawn)[0]
        rows, columns = round(50 / m[0, 0]), round(70 / m[1, 1])
        top, left = round((m[0, 2] + 0.5) / m[0, 0] - 0.5), round((m[1, 2] + 0.5) / m[1, 1] - 0.5)
        theirs = array(image(pillow, x).resize((columns, rows), pillow.Image.Resampling.BILINEAR))
        theirs = theirs[:, :, top:top + 24, left:left + 24]
        assert np.abs(t(x, np.random.default_rng(seed)).astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("f", [0.0, 0.5, 0.9, 1.0, 1.4, 2.5])
@pytest.mark.parametrize(("transform", "enhancer"), [("Brightness", "Brightness"), ("Contrast", "Contrast"), ("Saturation", "Color")])
def test_colours(pillow, transform, enhancer, f):
    """Pillow rounds the grey it blends with, and cuts off the result."""
    x = photograph(40, 50)
    theirs = array(getattr(pillow.ImageEnhance, enhancer)(image(pillow, x)).enhance(f))
    ours = getattr(augment, transform)((f, f))(x).astype(int)
    assert np.abs(ours - theirs).max() <= (1 if transform == "Brightness" else 1 + np.ceil(abs(1 - f) / 2))
    assert (ours - theirs).mean() > -0.05 and np.abs(ours - theirs).mean() <= 0.6 + abs(1 - f) / 2
