"""Dropout: its share, its mean, its gradient, its random numbers."""
import numpy as np
import pytest

import fastad as fa
from fastad import nn
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


def test_probabilities_finer_than_the_bits_of_one_draw(monkeypatch):
    """A share that 16 bits cannot say: what they leave open is decided by further numbers."""
    from fastad.nn import dropout as module
    fa.manual_seed(0)
    share = (7 + 0.25) / module.FINE
    found = sum(module.kept((1 << 22,), share).sum() for _ in range(16))
    expected = 16 * (1 << 22) * share
    assert abs(found - expected) < 5 * np.sqrt(expected)
    monkeypatch.setattr(module, "FINE", 4)    # coarse, so that nearly all is left open; the numbers are still of 16 bits
    assert not module.kept((1000,), 0.0).any()


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
    assert repr(layer) == "Dropout(p=0.5)" and layer.eval()(x) is x
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
