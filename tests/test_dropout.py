"""Dropout: its share, its mean, its gradient, its random numbers."""
import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad._core.primitives.attention import random_mask
from fastad.nn.functional import dropout


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("p", (0.5, 0.1, 1 / 3, 0.999, 1e-5))
def test_share_and_scale(p, dtype):
    fa.manual_seed(0)
    n = 1_000_000
    y = dropout(np.ones(n, dtype), p).numpy()
    assert y.dtype == dtype and set(np.unique(y).tolist()) == {0.0, np.asarray(1 / (1 - p), dtype).item()}
    dropped, spread = (y == 0).sum(), np.sqrt(n * p * (1 - p))
    assert abs(dropped - n * p) < 5 * spread
    changes = (np.diff(y) != 0).sum()         # neighbours do not know of each other
    assert abs(changes - 2 * n * p * (1 - p)) < 8 * spread


def test_probabilities_finer_than_the_bits_of_one_draw():
    """A share that 8 bits cannot say: what they leave open is decided by further numbers."""
    source = np.random.default_rng(0).bit_generator
    for share in ((7 + 0.25) / 256, 0.5 / 256, 255.5 / 256):
        found = sum(random_mask((1 << 20,), share, source).sum() for _ in range(16))
        expected = 16 * (1 << 20) * share
        assert abs(found - expected) < 5 * np.sqrt(expected * (1 - share))
    assert not random_mask((1000,), 0.0, source).any() and random_mask((1000,), 1.0, source).all()
    assert random_mask((1000,), 1 - 2 ** -53, source).all()


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_every_bit_generator_of_numpy(generator):
    a, b = (random_mask((50, 1000), 0.3, generator(7)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert abs(a.sum() - 15000) < 5 * np.sqrt(50000 * 0.21)


def test_the_same_numbers_after_manual_seed():
    x = fa.ones((37, 11))
    fa.manual_seed(5)
    first = [dropout(x, 0.4).numpy() for _ in range(2)]
    fa.manual_seed(5)
    second = [dropout(x, 0.4).numpy() for _ in range(2)]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def test_the_four_masks():
    """a = w1 x + w2 y, each input kept with probability 1/2: at inference (w1 x + w2 y) / 2, the mean over the masks."""
    x, w = np.array([0.75, -2.5]), np.array([[1.5, 4.0]])
    layer = nn.Dropout(0.5, inverted=False)
    unit = nn.Linear(2, 1, bias=False, dtype="float64")
    unit.load_state_dict({"weight": w})
    a = w[0] * x
    seen = {}
    fa.manual_seed(0)
    for _ in range(200):
        kept = layer(fa.tensor(x))
        seen[tuple((kept.numpy() != 0).tolist())] = unit(kept).item()
    assert seen == {(False, False): 0.0, (True, False): a[0], (False, True): a[1], (True, True): a.sum()}
    assert unit(layer.eval()(fa.tensor(x))).item() == sum(seen.values()) / 4 == a.sum() / 2
    layer.train()                                      # and the mean over many masks comes near it
    many = unit(layer(fa.tensor(np.tile(x, (100_000, 1))))).detach().numpy()
    assert abs(many.mean() - a.sum() / 2) < 5 * many.std() / np.sqrt(100_000)


@pytest.mark.parametrize("inverted", [True, False])
@pytest.mark.parametrize(("name", "shape"), [("Dropout", (2000, 3, 5)), ("Dropout1d", (2000, 3, 5)), ("Dropout2d", (2000, 3, 5, 2))])
def test_taught_and_inverted(name, shape, inverted):
    layer = getattr(nn, name)(0.2, inverted=inverted)
    x = fa.tensor(np.random.default_rng(0).uniform(1, 2, shape), requires_grad=True)
    fa.manual_seed(1)
    y = layer(x)
    factor = 1 / 0.8 if inverted else 1.0
    mask = y.detach().numpy() != 0
    np.testing.assert_array_equal(y.detach().numpy(), x.detach().numpy() * (mask * factor))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), mask * factor)
    units = mask.size if name == "Dropout" else 6000
    assert abs((~mask).mean() - 0.2) < 5 * np.sqrt(0.16 / units)
    if name != "Dropout":                              # a channel stays or goes as a whole
        assert set(mask.reshape(6000, -1).mean(axis=1).tolist()) == {0.0, 1.0}
    z = layer.eval()(x)
    np.testing.assert_array_equal(z.detach().numpy(), x.detach().numpy() * (1.0 if inverted else 0.8))
    assert (z is x) == inverted


def test_in_place():
    x = fa.ones(1000)
    memory = x.numpy()
    y = nn.Dropout(0.5, inplace=True)(x)
    assert y is x and 300 < (memory == 0).sum() < 700
    leaf = fa.ones(1000)
    leaf.requires_grad = True
    y = nn.Dropout(0.5, inplace=True)(leaf)            # a derivative is recorded: another tensor
    assert y is not leaf and leaf.detach().numpy().all()
    given = np.ones(1000)
    assert (dropout(given, 0.5, inplace=True).numpy() == 0).any() and given.all()


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "complex128"])
def test_other_dtypes(dtype):
    x = fa.tensor(np.ones((50, 4), dtype), requires_grad=True)
    y = dropout(x, 0.5)
    assert y.dtype == dtype and set(y.detach().numpy().real.ravel().tolist()) == {0.0, 2.0}
    y.real.sum().backward() if dtype == "complex128" else y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_gradient_is_that_of_the_mask():
    fa.manual_seed(1)
    x = fa.tensor(np.random.default_rng(0).normal(size=(50, 7)), requires_grad=True)
    y = dropout(x, 0.3)
    g = np.random.default_rng(1).normal(size=x.shape)
    y.backward(fa.tensor(g))
    mask = np.where(y.detach().numpy() == 0, 0, 1 / 0.7)
    np.testing.assert_array_equal(x.grad.numpy(), g * mask)
    np.testing.assert_array_equal(y.detach().numpy(), x.detach().numpy() * mask)

    def f(x):
        fa.manual_seed(2)
        return dropout(x, 0.3) ** 3

    fa.testing.check_grads(f, (x.detach().numpy(),), order=2)


def test_ends_and_modes():
    x = fa.tensor([1.0, -2.0], requires_grad=True)
    assert dropout(x, 0.0) is x and dropout(x, 0.9, training=False) is x
    y = dropout(x, 1.0)
    y.sum().backward()
    assert not y.detach().numpy().any() and not x.grad.numpy().any()
    layer = nn.Dropout(0.5)
    assert repr(layer) == "Dropout(p=0.5, inplace=False)" and layer.eval()(x) is x
    assert nn.Dropout().p == 0.5
    many = layer.train()(fa.ones(1000)).numpy()
    assert 0 < (many == 0).sum() < 1000
    assert dropout(fa.zeros((0, 3)), 0.5).shape == (0, 3) and dropout(1.0, 0.5).shape == ()


def test_random_numbers_are_the_librarys():
    x = np.ones(100)
    fa.manual_seed(5)
    first, second = dropout(x), dropout(x)
    fa.manual_seed(5)
    np.testing.assert_array_equal(dropout(x).numpy(), first.numpy())
    assert (first.numpy() != second.numpy()).any()


def test_checkpoint_draws_the_same_mask_again():
    net = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Tanh())
    x = fa.tensor(np.ones((4, 6), "float32"), requires_grad=True)
    found = []
    for f in (net, fa.checkpoint(net)):
        fa.manual_seed(3)
        found.append(fa.autograd.grad(f(x).sum(), [x])[0].numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("p", (-0.1, 1.1, float("nan")))
def test_errors(p):
    for call in (lambda: dropout([1.0], p), lambda: nn.Dropout(p)):
        with pytest.raises(ValueError, match=r"ropout: p is the probability .* between 0 and 1; got"):
            call()
    with pytest.raises(TypeError, match="must be float or complex, got int64"):
        dropout([1, 2])
