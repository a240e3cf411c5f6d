"""fastad.augment: what each transform does, by closed forms and definitions; draws; bad input.

Against SciPy and Pillow, where they are installed, in test_augment_peers.py; the warp's derivatives in the registry's suites.
"""
from collections import namedtuple

import numpy as np
import pytest

import fastad as fa
from fastad import augment
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
    warp,
)

RNG = np.random.default_rng(3)
PICTURES = RNG.random((6, 3, 12, 10))
BYTES = RNG.integers(0, 256, (6, 3, 12, 10), dtype=np.uint8)

# every transform, at probabilities where some pictures are left alone
EVERY = {
    "horizontal flip": lambda **k: HorizontalFlip(0.5, **k),
    "vertical flip": lambda **k: VerticalFlip(0.5, **k),
    "crop": lambda **k: RandomCrop((9, 8), padding=2, **k),
    "reflecting crop": lambda **k: RandomCrop(9, padding=(1, 3), mode="reflect", **k),
    "resized crop": lambda **k: ResizedCrop(6, (7, 11), **k),
    "translate": lambda **k: Translate(0.3, p=0.5, **k),
    "subpixel": lambda **k: Translate((0.3, 0.1), subpixel=True, mode="edge", **k),
    "rotate": lambda **k: Rotate(40, p=0.5, **k),
    "stretch": lambda **k: Stretch((0.5, 2), mode="reflect", p=0.5, **k),
    "shear": lambda **k: Shear(20, 10, p=0.5, **k),
    "lens": lambda **k: LensDistortion(0.4, mode="edge", p=0.5, **k),
    "brightness": lambda **k: Brightness(0.5, p=0.5, **k),
    "contrast": lambda **k: Contrast(0.5, p=0.5, **k),
    "saturation": lambda **k: Saturation(0.9, p=0.5, **k),
    "noise": lambda **k: GaussianNoise((0.01, 0.3), p=0.5, **k),
    "cutout": lambda **k: Cutout(0.5, p=0.5, **k),
    "mixup": lambda **k: Mixup(0.4, p=0.5, **k),
    "beta mixup": lambda **k: Mixup(alpha=0.4, **k),
    "all": lambda **k: Compose([HorizontalFlip(), RandomCrop(10, padding=2), Rotate(20, p=0.7), LensDistortion(0.1, p=0.5),
                                Contrast(0.4, p=0.5), Translate(0.1, mode="edge"), Cutout(3), GaussianNoise(0.1, p=0.5)], **k),
}
every = pytest.mark.parametrize("make", EVERY.values(), ids=list(EVERY))


def seeded(seed=0):
    return np.random.default_rng(seed)


def apart(a):
    """In the middle of memory whose gaps must stay as they are."""
    owner = np.full((a.shape[0], a.shape[1], a.shape[2] * 2, a.shape[3] * 2), 77, a.dtype)
    view = owner[:, :, ::2, 1::2]
    view[...] = a
    return view, owner


@pytest.mark.parametrize(("number", "pair"), [
    (Stretch(0.25), Stretch((0.75, 1.25))), (Brightness(0.25), Brightness((0.75, 1.25))),
    (Brightness(1.5), Brightness((0, 2.5))), (Contrast(0.25), Contrast((0.75, 1.25))),
    (Saturation(0.25), Saturation((0.75, 1.25))), (Rotate(25), Rotate((-25, 25))), (Shear(25, 5), Shear((-25, 25), (-5, 5))),
    (LensDistortion(0.25), LensDistortion((-0.25, 0.25))), (Translate(0.25), Translate((0.25, 0.25))),
    (GaussianNoise(0.25), GaussianNoise((0.25, 0.25))), (RandomCrop(9, 2), RandomCrop((9, 9), (2, 2)))],
    ids=lambda t: type(t).__name__)
def test_a_number_is_a_distance_from_no_change_and_a_pair_an_interval(number, pair):
    np.testing.assert_array_equal(number(PICTURES, seeded()), pair(PICTURES, seeded()))


def test_no_strength_changes_nothing():
    for t in (Stretch(0), Brightness(0), Contrast(0), Saturation(0), Rotate(0), Shear(0), LensDistortion(0), Translate(0),
              GaussianNoise(0), RandomCrop((12, 10), padding=(0, 0)), Mixup(0)):
        for x in (PICTURES, BYTES):
            np.testing.assert_allclose(t(x, seeded()), x, rtol=1e-15, err_msg=repr(t))


def test_padding_of_one_axis_alone():
    x = np.arange(1.0, 7).reshape(1, 1, 2, 3)
    seen = {tuple(RandomCrop((2, 3), padding=(0, 1))(x, seeded(k)).ravel()) for k in range(30)}
    padded = np.pad(x[0, 0], ((0, 0), (1, 1)))
    assert seen == {tuple(padded[:, j:j + 3].ravel()) for j in range(3)}


def test_pictures_that_are_left_alone_are_left_alone_whatever_they_hold():
    x = PICTURES.copy()
    x[:3, 0, 0, 0] = np.nan, np.inf, -np.inf
    for t in (Brightness(0.4, p=0), Contrast(0.4, p=0), Saturation(0.4, p=0), Mixup(0.4, p=0), Rotate(30, p=0),
              LensDistortion(0.3, p=0), Stretch(0.3, p=0)):
        np.testing.assert_array_equal(t(x), x, err_msg=repr(t))


def test_named_tuples_stay_what_they_are():
    Pair = namedtuple("Pair", "images labels")
    found = HorizontalFlip(1)(Pair(PICTURES, np.arange(6)))
    assert type(found) is Pair and np.array_equal(found.labels, np.arange(6))
    np.testing.assert_array_equal(found.images, PICTURES[..., ::-1])


# ---- what all share ----------------------------------------------------------------------------------
@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_dtype_shape_and_the_callers_memory(make, dtype):
    x = BYTES if dtype == np.uint8 else PICTURES.astype(dtype)
    view, owner = apart(x)
    before = owner.copy()
    y = make(generator=seeded())(view)
    assert isinstance(y, np.ndarray) and y.dtype == dtype and y.shape[:2] == x.shape[:2] and y.flags.writeable
    assert not np.shares_memory(y, owner)
    np.testing.assert_array_equal(owner, before)
    np.testing.assert_array_equal(y, make(generator=seeded())(x.copy()))
    assert not np.array_equal(y, make(generator=seeded(1))(x))


@every
def test_readonly_swapped_and_constant_tensors(make):
    x = PICTURES.astype(np.float32)
    y = make(generator=seeded())(x)
    x.flags.writeable = False
    np.testing.assert_array_equal(make(generator=seeded())(x), y)
    np.testing.assert_array_equal(make(generator=seeded())(x.astype(">f4")), y)
    t = make(generator=seeded())(fa.tensor(x))
    assert isinstance(t, fa.Tensor) and not t.requires_grad
    np.testing.assert_array_equal(t.numpy(), y)


@every
def test_a_tensor_with_a_gradient_gives_the_same_and_has_derivatives(make):
    """Every transform but the clipped one of bytes is affine in the pictures: f(x + h v) - f(x - h v) is exact."""
    x, v = fa.tensor(PICTURES, requires_grad=True), RNG.normal(size=PICTURES.shape)
    y = make(generator=seeded())(x)
    np.testing.assert_allclose(y.detach().numpy(), make(generator=seeded())(PICTURES), rtol=1e-12, atol=1e-12)
    g = RNG.normal(size=y.shape)
    y.backward(fa.tensor(g))
    change = (make(generator=seeded())(PICTURES + v) - make(generator=seeded())(PICTURES - v)) / 2
    assert (x.grad.numpy() * v).sum() == pytest.approx((g * change).sum(), rel=1e-9)
    _, tangent = fa.jvp(lambda x: make(generator=seeded())(x), (PICTURES,), (v,))
    np.testing.assert_allclose(np.asarray(tangent), change, atol=1e-10)


@every
def test_the_cut_into_batches_does_not_matter(make):
    """Mixup is of the batch, so it is the exception."""
    rng = seeded()
    whole = make()(PICTURES, rng)
    rng = seeded()
    parts = [make()(PICTURES[a:b], rng) for a, b in ((0, 1), (1, 4), (4, 4), (4, 6))]
    same = np.array_equal(whole, np.concatenate(parts))
    assert same != isinstance(make(), Mixup)


@every
def test_the_state_goes_on(make):
    t = make(generator=seeded())
    t(PICTURES)
    state = t.state_dict()
    y = t(PICTURES)
    other = make(generator=seeded(5))
    other.load_state_dict(state)
    np.testing.assert_array_equal(other(PICTURES), y)


@every
def test_bytes_are_the_rounded_floats(make):
    """To one level where several steps round one after the other."""
    t = make()
    if isinstance(t, (GaussianNoise, Compose)):
        return                                             # the deviation is in shares of the range
    exact = t(BYTES.astype(np.float64), seeded())
    found = t(BYTES, seeded())
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.51


def test_structures():
    t, x, y = HorizontalFlip(p=1), PICTURES, np.arange(6)
    flipped = PICTURES[..., ::-1]
    np.testing.assert_array_equal(t(x), flipped)
    for found in (t(x, y), t((x, y)), t((x, y), seeded()), t(x, y, seeded())):
        assert isinstance(found, tuple)
        np.testing.assert_array_equal(found[0], flipped)
        np.testing.assert_array_equal(found[1], y)
    assert isinstance(t([x, y]), list) and len(t((x,))) == 1
    labels = fa.tensor(y)
    assert t(x, labels)[1] is labels
    with pytest.raises(ValueError, match=r"HorizontalFlip: a batch is \(images, labels\) or \(images,\), got 3 items"):
        t((x, y, y))


def test_the_default_generator_draws():
    fa.manual_seed(4)
    a = Rotate(30)(PICTURES)
    fa.manual_seed(4)
    np.testing.assert_array_equal(Rotate(30)(PICTURES), a)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_probability(p):
    x = np.zeros((4000, 1, 1, 2), np.uint8)
    x[..., 1] = 1
    share = (HorizontalFlip(p, generator=seeded())(x)[..., 0] == 1).mean()
    assert abs(share - p) <= 4 * np.sqrt(p * (1 - p) / 4000)


def test_nothing_and_no_pictures():
    x = PICTURES.copy()
    y = Compose([])(x)
    assert y is not x and not np.shares_memory(x, y)
    np.testing.assert_array_equal(y, x)
    for make in EVERY.values():
        assert make()(PICTURES[:0]).shape[:2] == (0, 3)


# ---- flips, crops, sizes -----------------------------------------------------------------------------
@pytest.mark.parametrize("x", [PICTURES, PICTURES.astype("f"), BYTES, RNG.integers(0, 256, (2, 1, 3, 37), dtype=np.uint8)],
                         ids=["f64", "f32", "bytes", "wide"])
def test_flips(x):
    np.testing.assert_array_equal(HorizontalFlip(1)(x), x[..., ::-1])
    np.testing.assert_array_equal(VerticalFlip(1)(x), x[:, :, ::-1])
    np.testing.assert_array_equal(Compose([VerticalFlip(1), HorizontalFlip(1)])(x), x[:, :, ::-1, ::-1])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_every_window_of_the_padded_picture_is_drawn(mode):
    """By numpy.pad, which names the borders alike."""
    x = np.arange(12, dtype=np.uint8).reshape(1, 1, 4, 3)
    padded = np.pad(x[0, 0], ((2, 2), (1, 1)), mode=mode, **({"constant_values": 99} if mode == "constant" else {}))
    windows = {padded[i:i + 6, j:j + 2].tobytes() for i in range(3) for j in range(4)}
    crops = RandomCrop((6, 2), padding=(2, 1), mode=mode, fill=99, generator=seeded())(np.repeat(x, 500, 0))
    assert {c.tobytes() for c in crops} == windows


def test_center_crop():
    np.testing.assert_array_equal(CenterCrop((4, 5))(BYTES), BYTES[:, :, 4:8, 2:7])


@pytest.mark.parametrize("steps", [[HorizontalFlip(1)], [VerticalFlip(1), Rotate((30, 30), mode="edge")], []])
def test_what_is_composed_is_resampled_once(steps):
    """A shift there and back leaves what a shift beyond the edge would have lost."""
    there = [Translate((0.5, 0.5), subpixel=True), *steps]
    assert len(there)
    a, b = 30, -30
    x = PICTURES[:1]
    turned = Compose([Rotate((a, a)), Rotate((b, b))])(x)
    np.testing.assert_allclose(turned, x, atol=1e-12)
    for s in steps:
        np.testing.assert_allclose(Compose([Rotate((a, a)), Rotate((b, b)), s])(x), s(x), atol=1e-12)


def test_a_composed_map_is_the_product():
    """Against two steps on a picture that bilinear interpolation reproduces: a plane."""
    i, j = np.mgrid[:40, :40].astype(float)
    plane = (0.3 * i - 0.2 * j + 5)[None, None]
    steps = [Rotate((20, 20)), Stretch((1.1, 1.1)), Shear((10, 10), (-5, -5)), LensDistortion((0.1, 0.1)),
             Translate((0.05, 0.05), subpixel=True, generator=seeded())]
    steps[-1].generator = None
    once, one_by_one = Compose(steps)(plane, seeded()), plane
    rng = seeded()
    for s in steps:
        one_by_one = s(one_by_one, rng)
    np.testing.assert_allclose(once[..., 14:26, 14:26], one_by_one[..., 14:26, 14:26], atol=2e-2)
    drawn = seeded().random((1, sum(s.draws for s in steps)))          # the first four draw nothing that shows
    by = (2 * drawn[0, -2:] - 1) * 0.05 * 40
    total = np.eye(3)
    for s in steps[:3]:
        total = total @ np.vstack([s.matrix((40, 40), np.zeros((1, 2)))[0], [0, 0, 1]])
    p = np.stack([i + by[0], j + by[1]]) - 19.5
    p = p * (1 + 0.1 * (p**2).sum(0) / (2 * 19.5**2)) + 19.5
    p = np.tensordot(total[:2, :2], p, 1) + total[:2, 2, None, None]
    np.testing.assert_allclose(once[0, 0, 14:26, 14:26], (0.3 * p[0] - 0.2 * p[1] + 5)[14:26, 14:26], atol=1e-10)


def test_two_lenses_are_a_field():
    """Which is filtered by nobody, and else the same as one after the other, on a plane."""
    i, j = np.mgrid[:30, :30].astype(float) - 14.5
    scale = 1 + 0.2 * (i**2 + j**2) / (2 * 14.5**2)
    p, q = i * scale, j * scale
    scale = 1 - 0.1 * (p**2 + q**2) / (2 * 14.5**2)
    y = Compose([LensDistortion((-0.1, -0.1)), HorizontalFlip(1), LensDistortion((0.2, 0.2))])(np.stack([i, j])[None])[0]
    np.testing.assert_allclose(y[:, 8:22, 8:22], np.stack([p * scale, -q * scale])[:, 8:22, 8:22], atol=1e-12)


def test_different_borders_are_not_confused():
    """The padding of the first is black; the second repeats what then stands at the edge."""
    x = np.ones((1, 1, 8, 8))
    y = Compose([RandomCrop(12, padding=2), Rotate((90, 90), mode="edge")])(x)
    np.testing.assert_allclose(y, np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))), atol=1e-12)


def test_resize_keeps_constants_and_planes():
    i, j = np.mgrid[:20, :30].astype(float)
    x = np.stack([np.full((20, 30), 7.0), i, j])[None]
    y = Resize(10)(x)
    assert y.shape == (1, 3, 10, 15)
    np.testing.assert_allclose(y[0, 0], 7)
    np.testing.assert_allclose(y[0, 1, 1:-1], np.broadcast_to(np.arange(1, 9)[:, None] * 2 + 0.5, (8, 15)))
    np.testing.assert_allclose(y[0, 2, :, 1:-1], np.broadcast_to(np.arange(1, 14) * 2 + 0.5, (10, 13)))
    assert Resize((5, 6))(x).shape == (1, 3, 5, 6)


def test_shrinking_averages():
    """A chessboard of pixels becomes grey, whether the map turns it or not; without the filter it stays black and white."""
    x = (np.add.outer(np.arange(64), np.arange(64)) % 2).astype(float)[None, None]
    assert np.ptp(Resize(16)(x)[..., 1:-1, 1:-1]) < 1e-12
    for angle in (0, 30):
        y = Compose([Rotate((angle, angle)), Stretch((0.25, 0.25))])(x)[..., 28:36, 28:36]
        assert np.abs(y - 0.5).max() < 0.02
    matrix = np.array([[4.0, 0, 0], [0, 4, 0]])
    assert np.ptp(warp(x, matrix, (16, 16), antialias=True)[..., 1:, 1:]) < 1e-12
    assert (warp(x, matrix, (16, 16)) == 0).all()


# ---- spec 8: the short side drawn from [256, 480], a window of 224 ----------------------------------------
@pytest.mark.parametrize("shape", [(300, 400), (500, 333), (256, 256)])
def test_the_short_side_is_drawn_and_the_window_inside(shape):
    t = ResizedCrop()
    assert t.short == (256, 480) and t.size == (224, 224)
    drawn = seeded().random((2000, 3))
    m = t.matrix(shape, drawn)
    short = np.rint(min(shape) / m[:, 0, 0]) if shape[0] <= shape[1] else np.rint(min(shape) / m[:, 1, 1])
    counts = np.bincount(short.astype(int), minlength=481)
    assert counts[:256].sum() == 0 and counts[256:481].sum() == 2000 and (counts[256:481] > 0).mean() > 0.95
    for axis, length in enumerate(shape):
        step, start = m[:, axis, axis], m[:, axis, 2]
        assert (start - step / 2 >= -0.5 - 1e-9).all() and (start + 223.5 * step <= length - 0.5 + 1e-9).all()
        offset = (start + 0.5) / step - 0.5                # whole pixels of the scaled picture
        np.testing.assert_allclose(offset, np.rint(offset), atol=1e-6)
    y = t(np.full((2, 3, *shape), 200, np.uint8), seeded())
    assert y.shape == (2, 3, 224, 224) and (y == 200).all()


def test_the_shape_of_the_picture_is_kept():
    m = ResizedCrop(24, (30, 30)).matrix((40, 80), np.zeros((1, 3)))[0]
    assert m[0, 0] == 40 / 30 and m[1, 1] == 80 / 60


# ---- about the middle --------------------------------------------------------------------------------
def test_quarter_turns_and_whole_shifts():
    x = RNG.random((1, 2, 6, 6))
    np.testing.assert_allclose(Rotate((90, 90))(x), np.rot90(x, axes=(2, 3)), atol=1e-12)
    np.testing.assert_allclose(Rotate((180, 180))(x), x[..., ::-1, ::-1], atol=1e-12)
    shift = Translate((1 / 3, 0.0))
    seen = set()
    for y in shift(np.repeat(x, 200, 0), seeded()):
        k = next(k for k in range(-2, 3) if np.array_equal(y[:, max(0, -k):6 - max(0, k)], x[0, :, max(0, k):6 - max(0, -k)]))
        seen.add(k)
    assert seen == {-2, -1, 0, 1, 2}


def test_stretch_and_shear():
    """Of the plane whose value is the row, or the column."""
    i, j = np.mgrid[:21, :21].astype(float) - 10
    x = np.stack([i, j])[None]
    inner = np.s_[0, :, 6:15, 6:15]
    np.testing.assert_allclose(Stretch((2, 2))(x)[inner], x[inner] / 2, atol=1e-12)
    y = Shear((30, 30))(x)[inner]
    np.testing.assert_allclose(y[1], (j + np.tan(np.pi / 6) * i)[6:15, 6:15], atol=1e-12)
    np.testing.assert_allclose(y[0], i[6:15, 6:15], atol=1e-12)
    np.testing.assert_allclose(Shear(0.0, (30, 30))(x)[inner][0], (i + np.tan(np.pi / 6) * j)[6:15, 6:15], atol=1e-12)


def test_lens():
    i, j = np.mgrid[:21, :21].astype(float) - 10
    x = np.stack([i, j])[None]
    inner = np.s_[4:17, 4:17]
    for k in (-0.3, 0.4):
        y = LensDistortion((k, k))(x)[0]
        scale = 1 + k * (i**2 + j**2) / 200
        np.testing.assert_allclose(y[0][inner], (i * scale)[inner], atol=1e-12)
        np.testing.assert_allclose(y[1][inner], (j * scale)[inner], atol=1e-12)


# ---- colours -----------------------------------------------------------------------------------------
WEIGHTS = np.array([0.299, 0.587, 0.114])


def test_colours_by_definition():
    y = np.einsum("nchw,c->nhw", PICTURES, WEIGHTS)[:, None]
    f = 1.7
    np.testing.assert_allclose(Brightness((f, f))(PICTURES), f * PICTURES)
    mean = y.mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(Contrast((f, f))(PICTURES), mean + f * (PICTURES - mean))
    np.testing.assert_allclose(Saturation((f, f))(PICTURES), y + f * (PICTURES - y))
    grey = PICTURES[:, :1]
    np.testing.assert_allclose(Contrast((f, f))(grey), f * grey + (1 - f) * grey.mean((1, 2, 3), keepdims=True))
    np.testing.assert_array_equal(Saturation((f, f))(grey), grey)


@pytest.mark.parametrize("f", [0.0, 0.3, 1.0, 1.6])
def test_bytes_are_rounded_and_kept_within(f):
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    np.testing.assert_array_equal(Brightness((f, f))(x), np.minimum(np.floor(f * x.astype("f") + 0.5), 255))
    exact = np.clip(127.5 * (1 - f) + f * x.astype(float), 0, 255)
    assert np.abs(Contrast((f, f))(x) - exact).max() <= 0.5 + 1e-4


def test_factors_are_drawn_from_their_range():
    x = np.ones((3000, 1, 1, 1))
    f = Brightness(0.4, generator=seeded())(x).ravel()
    assert 0.6 <= f.min() < 0.61 and 1.39 < f.max() < 1.4 and abs(f.mean() - 1) < 0.02
    assert Brightness(3).factor == (0.0, 4.0)


def test_noise():
    x = np.full((200, 1, 20, 20), 0.5)
    noise = GaussianNoise(0.1, p=0.5, generator=seeded())(x) - 0.5
    std = noise.std((1, 2, 3))
    changed = std > 0
    assert 70 < changed.sum() < 130
    assert abs(noise[changed].std() - 0.1) < 2e-3 and abs(noise[changed].mean()) < 2e-3
    first, second = noise[changed][:2]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.15
    dark = GaussianNoise(0.1, generator=seeded())(np.full((50, 1, 20, 20), 0, np.uint8))
    assert abs(dark.mean() - 25.5 / np.sqrt(2 * np.pi)) < 0.3        # half of it is cut off at 0


def test_cutout():
    y = Cutout(4, fill=9, generator=seeded())(np.ones((3000, 2, 10, 8)))
    cut = (y == 9).all(1)
    assert ((y == 9) == cut[:, None]).all() and cut.reshape(3000, -1).sum(1).max() == 16
    for c in cut[:50]:
        rows, columns = np.flatnonzero(c.any(1)), np.flatnonzero(c.any(0))
        assert c[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].all() and c.sum() == len(rows) * len(columns)
    assert cut.any(0).all()
    assert Cutout(0.5)(np.ones((1, 1, 8, 20))).sum() >= 160 - 16
    assert (Cutout(1.0, fill=300)(np.zeros((1, 1, 1, 1), np.uint8)) == 255).all()


# ---- mixup -------------------------------------------------------------------------------------------
def test_mixup_blends_two_pictures_and_their_labels():
    n = 16
    x = np.eye(n)[:, None, :, None]                     # a picture that tells who it is
    y = np.arange(n) % 4
    mixed, rows = Mixup(0.4, classes=4, generator=seeded())(x, y)
    assert rows.shape == (n, 4)
    others = []
    for i in range(n):
        shares = mixed[i, 0, :, 0]
        assert shares[i] == pytest.approx(0.6)
        (j,) = [j for j in range(n) if j != i and shares[j] > 0]
        assert shares[j] == pytest.approx(0.4)
        expected = np.zeros(4)
        expected[y[i]] += 0.6
        expected[y[j]] += 0.4
        np.testing.assert_allclose(rows[i], expected)
        others.append(j)
    assert sorted(others) == list(range(n))


def test_mixup_of_probabilities_and_targets():
    x = np.zeros((2, 1, 1, 1), np.float32)
    targets = np.array([1.0, 3.0], np.float32)
    found = Mixup(0.25)(x, targets)[1]
    np.testing.assert_allclose(found, [1.5, 2.5])
    assert found.dtype == np.float32
    rows = Mixup(0.25)(x, fa.tensor([[1.0, 0.0], [0.0, 1.0]]))[1]
    assert isinstance(rows, fa.Tensor)
    np.testing.assert_allclose(rows.numpy(), [[0.75, 0.25], [0.25, 0.75]])
    labels = Mixup(0.25, classes=3, p=0)(fa.tensor(x), fa.tensor([2, 0]))[1]
    np.testing.assert_array_equal(labels.numpy(), [[0, 0, 1], [1, 0, 0]])
    loss = fa.nn.functional.cross_entropy(fa.zeros((2, 3)), labels.astype(float))
    assert loss.item() == pytest.approx(np.log(3))


def test_mixup_by_beta():
    x = np.tile(np.array([0.0, 1.0]).reshape(2, 1, 1, 1), (2000, 1, 1, 1))
    w = Mixup(alpha=0.5, generator=seeded())(x, np.zeros(4000))[0].ravel()
    moved = w[(w > 0) & (w < 1)]
    assert abs(moved.mean() - 0.5) < 0.05 and abs(moved.var() - 1 / 8) < 0.02      # 1 / (4 (2 alpha + 1))


# ---- bad input ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: HorizontalFlip()(PICTURES[0]), ValueError, r"HorizontalFlip: pictures must have shape .*of one picture use images\[None"),
    (lambda: Rotate()(np.zeros(3)), ValueError, r"Rotate: pictures must have shape \(n, channels, height, width\), got \(3,\)"),
    (lambda: Rotate()(PICTURES.astype(int)), TypeError, "Rotate: pictures must be float32, float64 or uint8, got int64"),
    (lambda: Rotate()({"x": 1}), TypeError, "Rotate: pictures must be float32"),
    (lambda: Compose([Rotate()])(PICTURES.astype(complex)), TypeError, "Compose: pictures must be .* got complex128"),
    (lambda: Contrast()(np.zeros((1, 2, 3, 3))), ValueError, "Contrast: pictures must have 3 channels .* or 1, got 2"),
    (lambda: Saturation()(np.zeros((1, 4, 3, 3))), ValueError, "Saturation: pictures must have 3 channels .* or 1, got 4"),
    (lambda: RandomCrop(13)(PICTURES), ValueError, r"RandomCrop: a window of \(13, 13\) is larger than pictures of \(12, 10\)"),
    (lambda: RandomCrop((14, 15), padding=2)(PICTURES), ValueError, r"with padding \(2, 2\)"),
    (lambda: CenterCrop(11)(PICTURES), ValueError, r"CenterCrop: a window of \(11, 11\) is larger than pictures of \(12, 10\)"),
    (lambda: Resize(4)(np.zeros((2, 3, 0, 5))), ValueError, r"pictures of size \(0, 5\) have no pixels"),
    (lambda: ResizedCrop(4)(np.zeros((2, 3, 5, 0))), ValueError, r"pictures of size \(5, 0\) have no pixels"),
    (lambda: RandomCrop(0), ValueError, "RandomCrop: size must be a positive integer"),
    (lambda: RandomCrop(3.5), ValueError, "RandomCrop: size must be a positive integer"),
    (lambda: RandomCrop(3, padding=-1), ValueError, "RandomCrop: padding must be"),
    (lambda: RandomCrop(3, padding=1, mode="wrap"), ValueError, "RandomCrop: mode must be 'constant', 'edge' or 'reflect'"),
    (lambda: ResizedCrop(224, (200, 300)), ValueError, "ResizedCrop: short must be .* 224 <= least <= most"),
    (lambda: ResizedCrop(10, (30, 20)), ValueError, "ResizedCrop: short must be"),
    (lambda: HorizontalFlip(1.5), ValueError, r"HorizontalFlip: p must be a probability in \[0, 1\], got 1.5"),
    (lambda: Rotate(p=-0.1), ValueError, "Rotate: p must be a probability"),
    (lambda: Rotate(p=np.nan), ValueError, "Rotate: p must be a probability"),
    (lambda: Rotate(p="half"), ValueError, "Rotate: p must be a probability"),
    (lambda: Rotate(generator=0), TypeError, "Rotate: generator must be a numpy.random.Generator, got int"),
    (lambda: Rotate(-10), ValueError, "Rotate: degrees must not be negative, got -10; a pair"),
    (lambda: Rotate((10, -10)), ValueError, "Rotate: degrees must be finite and in order"),
    (lambda: Rotate("left"), TypeError, "Rotate: degrees must be a number or a pair"),
    (lambda: Rotate(fill=np.inf), ValueError, "Rotate: fill must be a finite number"),
    (lambda: Shear(90), ValueError, "Shear: angles must be less than 90 degrees"),
    (lambda: Stretch((0, 1)), ValueError, "Stretch: factor must be finite and in order, low <= high, from 0.001 on"),
    (lambda: Translate(-0.1), ValueError, "Translate: limit must be finite"),
    (lambda: Translate(((0.1, 0.2), (0.3, 0.4))), TypeError, r"Translate: limit must be a number or a pair \(rows, columns\)"),
    (lambda: Stretch(1.5), ValueError, r"Stretch: factor as a number is the distance from 1 .* say \(1.5, 1.5\)"),
    (lambda: Stretch(-0.1), ValueError, "Stretch: factor must not be negative"),
    (lambda: Brightness(True), TypeError, "Brightness: factor must be a number or a pair"),
    (lambda: Cutout(3, fill=np.nan), ValueError, "Cutout: fill must be a finite number"),
    (lambda: RandomCrop(3, padding=(0, -1)), ValueError, "RandomCrop: padding must be an integer from 0 on or a pair"),
    (lambda: Brightness((-1, 1)), ValueError, "Brightness: factor must be finite and in order, low <= high, from 0 on"),
    (lambda: GaussianNoise(-1), ValueError, "GaussianNoise: std must be finite"),
    (lambda: Cutout(0), ValueError, "Cutout: size must be a positive number of pixels"),
    (lambda: Cutout(1.5), ValueError, "Cutout: size must be a positive number of pixels"),
    (lambda: Mixup(1.5), ValueError, r"Mixup: weight must be in \[0, 1\]"),
    (lambda: Mixup(alpha=0), ValueError, "Mixup: alpha must be positive"),
    (lambda: Mixup(classes=0), ValueError, "Mixup: classes must be a positive integer"),
    (lambda: Mixup()(PICTURES, np.arange(6)), ValueError, r"Mixup: labels are integers; say how many classes .*classes=10"),
    (lambda: Mixup(classes=5)(PICTURES, np.arange(6)), ValueError, "Mixup: label 5 at 5 is none of the 5 classes"),
    (lambda: Mixup(classes=9)(PICTURES, np.zeros((6, 2), int)), ValueError, r"must have shape \(n,\), got \(6, 2\)"),
    (lambda: Compose([Mixup()])(PICTURES, np.array(list("abcdef"))), TypeError, "Mixup: labels must be integers or floats"),
    (lambda: HorizontalFlip()(PICTURES, np.arange(5)), ValueError, r"HorizontalFlip: 6 pictures .* labels of shape \(5,\)"),
    (lambda: Compose([abs]), TypeError, "Compose: transforms must be fastad.augment's, got a builtin_function"),
    (lambda: Compose([Rotate(generator=seeded())]), ValueError, r"Compose: Rotate\(.* has a generator of its own"),
    (lambda: warp(PICTURES, np.eye(3)), ValueError, r"warp: a map is a matrix \(2, 3\) or .* got shape \(3, 3\)"),
    (lambda: warp(PICTURES, np.zeros((6, 3, 4, 4))), ValueError, "warp: a map is a matrix"),
    (lambda: warp(PICTURES, np.zeros((5, 2, 3))), ValueError, r"warp: 5 maps for 6 pictures of shape \(6, 3, 12, 10\)"),
    (lambda: warp(PICTURES, np.full((2, 3), np.nan)), ValueError, "warp: a matrix holds a number that is not finite"),
    (lambda: warp(PICTURES, np.zeros((1, 2, 3, 3)), (3, 3)), ValueError, "warp: a field says the size"),
    (lambda: warp(PICTURES, np.eye(2, 3), (3,)), ValueError, r"warp: size must be \(height, width\)"),
    (lambda: warp(PICTURES, np.eye(2, 3), (3, -1)), ValueError, r"warp: size must be \(height, width\)"),
    (lambda: warp(PICTURES, np.eye(2, 3), (1 << 31, 1)), ValueError, r"warp: size must be \(height, width\)"),
    (lambda: warp(PICTURES, np.eye(2, 3), mode="zeros"), ValueError, "warp: mode must be one of constant, edge, reflect"),
    (lambda: warp(PICTURES, np.eye(2, 3), fill=np.nan), ValueError, "warp: fill must be a finite number"),
    (lambda: warp(PICTURES[:, :, :0], np.eye(2, 3), (2, 2)), ValueError, "warp: a picture of shape .* has no pixels"),
    (lambda: warp(PICTURES, fa.tensor(np.eye(2, 3), requires_grad=True)), TypeError, "warp: there is no derivative by the map"),
])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_nothing_is_drawn_for_labels_that_do_not_fit():
    rng = seeded()
    with pytest.raises(ValueError, match="Mixup"):
        Compose([Rotate(), Mixup()])((PICTURES, np.arange(6)), rng)
    assert rng.random() == seeded().random()


def test_they_say_what_they_are():
    assert repr(Compose([Rotate(10, p=0.5)])) == "Compose([Rotate(p=0.5, mode='constant', fill=0.0, degrees=(-10.0, 10.0))])"
    assert len(Compose([Rotate(), Cutout()])) == 2 and [type(t) for t in Compose([Cutout()])] == [Cutout]
    with pytest.raises(NotImplementedError, match="Transform has no apply method"):
        augment.Transform()(PICTURES)
