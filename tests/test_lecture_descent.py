"""Sections 4, 5 and 7 of the lecture texts: descent in batches, penalties, first weights, by their formulas and numbers."""
import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim
from fastad.data import DataLoader
from fastad.nn import functional, init
from fastad.training import fit

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 4))


def parameter(value=W):
    return fa.tensor(value, requires_grad=True)


# ---- batches -----------------------------------------------------------------------------------------
def test_1280_samples_in_batches_of_128_are_ten_updates_each_sample_once():
    x = np.arange(1280.0)[:, None]
    loader = DataLoader((x, x), batch_size=128, shuffle=True, generator=np.random.default_rng(1))
    epochs = [np.concatenate([batch.numpy()[:, 0] for batch, _ in loader]) for _ in range(3)]
    assert len(loader) == 10
    for order in epochs:
        assert sorted(order) == list(range(1280)) and (order != np.arange(1280)).any()
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()           # reshuffled


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 1), (1280, 1), (128, 10), (100, 13), (1, 1280)])
def test_the_three_regimes_are_one_call(batch_size, updates):
    seen, steps = [], []
    w = parameter(np.zeros((1, 1)))

    def loss(prediction, target):
        seen.append(target.numpy()[:, 0].copy())
        return functional.mse_loss(prediction, target)

    class Count(fa.training.Callback):
        def on_step_end(self, run):
            steps.append(run.step)

    x = np.arange(1280.0)[:, None]
    fit(lambda x: x @ w, loss, optim.SGD([w], lr=1e-9), (x, x), 2, batch_size=batch_size, callbacks=[Count()], progress=False,
        generator=np.random.default_rng(2))
    assert len(seen) == len(steps) == 2 * updates
    for half in (seen[:updates], seen[updates:]):
        assert sorted(np.concatenate(half)) == list(range(1280))


def test_full_batch_descent_is_its_recursion():
    """w := w - eta 2/n X^T (X w - y), in closed form."""
    X, y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 1))
    w, expected = parameter(np.zeros((3, 1))), np.zeros((3, 1))
    fit(lambda x: x @ w, functional.mse_loss, optim.SGD([w], lr=0.1), (X, y), 50, batch_size=None, progress=False)
    for _ in range(50):
        expected = expected - 0.1 * 2 / 20 * X.T @ (X @ expected - y)
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=0, atol=1e-12)


def test_the_gradient_of_a_batch_is_the_mean_over_its_samples():
    model = nn.Sequential(nn.Linear(4, 5, dtype="float64"), nn.Tanh(), nn.Linear(5, 3, dtype="float64"))
    x, y = RNG.normal(size=(7, 4)), RNG.integers(0, 3, 7)

    def gradients(x, y):
        model.zero_grad()
        functional.cross_entropy(model(fa.tensor(x)), fa.tensor(y)).backward()
        return [p.grad.numpy().copy() for p in model.parameters()]

    single = [gradients(x[i:i + 1], y[i:i + 1]) for i in range(7)]
    for whole, parts in zip(gradients(x, y), zip(*single, strict=True), strict=True):
        np.testing.assert_allclose(whole, np.mean(parts, axis=0), rtol=0, atol=1e-14)


def test_it_stops_when_the_loss_changes_less_than_a_tolerance():
    x = np.linspace(-1, 1, 32)[:, None]
    w = parameter(np.zeros((1, 1)))
    history = fit(lambda x: x @ w, functional.mse_loss, optim.SGD([w], lr=0.1), (x, 2 * x), 1000, batch_size=None, tolerance=1e-6,
                  progress=False)
    losses = np.array(history["loss"])
    changes = np.abs(np.diff(losses))
    assert len(losses) < 1000 and changes[-1] < 1e-6 and (changes[:-1] >= 1e-6).all()


def test_momentum_adds_up_to_a_longer_step():
    """Under a constant gradient g the steps tend to eta g / (1 - mu)."""
    p = parameter(np.zeros(1))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    before = 0.0
    for k in range(1, 200):
        p.grad = fa.tensor([1.0])
        optimizer.step()
        np.testing.assert_allclose(before - p.item(), 0.1 * (1 - 0.9 ** k) / 0.1, rtol=1e-10)
        before = p.item()


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    for size in (1e-3, 1.0, 1e6):
        p = parameter(np.zeros(3))
        optimizer = optim.Adam([p], lr=0.01, eps=0.0)
        p.grad = fa.tensor([size, -size, 2 * size])
        optimizer.step()
        np.testing.assert_allclose(p.detach().numpy(), [-0.01, 0.01, -0.01], rtol=1e-12)


# ---- penalties: as terms of the loss, as options of the optimizer ------------------------------------
def step(penalty=None, data=True, **options):
    """The weights after one step of SGD with rate 0.1, with data or on the penalty alone."""
    w = parameter()
    optimizer = optim.SGD([w], lr=0.1, **options)
    x = np.random.default_rng(1).normal(size=(5, 3))
    loss = functional.mse_loss(fa.tensor(x) @ w, fa.tensor(np.ones((5, 4)))) if data else (w * 0.0).sum()
    (loss if penalty is None else loss + penalty(w)).backward()
    optimizer.step()
    return w.detach().numpy()


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3])
def test_l2_as_a_loss_term_is_a_weight_decay_of_two_alpha(alpha):
    terms = (lambda w: alpha * (w ** 2).sum(), lambda w: functional.l2_penalty(w, alpha))
    for term in terms:
        np.testing.assert_allclose(step(term), step(weight_decay=2 * alpha), rtol=0, atol=1e-14)
        # by itself it multiplies w by 1 - 2 eta alpha
        np.testing.assert_allclose(step(term, data=False), (1 - 2 * 0.1 * alpha) * W, rtol=0, atol=1e-15)


def test_decoupled_decay_multiplies_by_one_minus_eta_lambda_and_leaves_the_gradient_alone():
    plain, decayed = parameter(), parameter()
    for p, optimizer in ((plain, optim.Adam([plain], lr=0.1)), (decayed, optim.AdamW([decayed], lr=0.1, weight_decay=0.3))):
        p.grad = fa.tensor(np.ones((3, 4)))
        optimizer.step()
    np.testing.assert_allclose(decayed.detach().numpy() - plain.detach().numpy(), -0.1 * 0.3 * W, rtol=0, atol=1e-14)


@pytest.mark.parametrize("alpha", [0.01, 0.3])
def test_l1_moves_every_weight_by_the_same(alpha):
    for term in (lambda w: alpha * abs(w).sum(), lambda w: functional.l1_penalty(w, alpha)):
        np.testing.assert_allclose(step(term, data=False), W - 0.1 * alpha * np.sign(W), rtol=0, atol=1e-15)
        np.testing.assert_allclose(step(term), step(l1=alpha), rtol=0, atol=1e-14)


def test_elastic_net_is_the_sum_of_both():
    """alpha sum of (beta w^2 + |w|): gradient alpha (2 beta w + sign w)."""
    alpha, beta = 0.2, 0.7
    for term in (lambda w: alpha * (beta * w ** 2 + abs(w)).sum(),
                 lambda w: functional.elastic_net_penalty(w, beta=beta, alpha=alpha)):
        np.testing.assert_allclose(step(term, data=False), W - 0.1 * alpha * (2 * beta * W + np.sign(W)), rtol=0, atol=1e-15)
        np.testing.assert_allclose(step(term), step(l1=alpha, weight_decay=2 * alpha * beta), rtol=0, atol=1e-14)


def test_ridge_and_lasso_have_their_closed_forms():
    """For orthonormal inputs ridge divides the least-squares weights by 1 + alpha; lasso moves them alpha / 2 towards zero."""
    Q = np.linalg.qr(np.random.default_rng(2).normal(size=(30, 4)))[0]
    b = np.array([[2.0], [-1.0], [0.2], [-0.05]])
    y, alpha = Q @ b, 0.6

    def solve(penalty, rate, steps):
        w = parameter(np.zeros((4, 1)))

        def loss(prediction, target):
            return functional.mse_loss(prediction, target, reduction="sum") + penalty(w)

        optimizer = optim.SGD([w], lr=rate)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(fa.tensor(Q) @ w, fa.tensor(y)).backward()
            optimizer.step()
        return w.detach().numpy()

    np.testing.assert_allclose(solve(lambda w: functional.l2_penalty(w, alpha), 0.2, 200), b / (1 + alpha), rtol=0, atol=1e-12)
    lasso = np.sign(b) * np.maximum(np.abs(b) - alpha / 2, 0)
    np.testing.assert_allclose(solve(lambda w: functional.l1_penalty(w, alpha), 1e-3, 8000), lasso, rtol=0, atol=1e-3)


# ---- first weights -----------------------------------------------------------------------------------
N_IN, N_OUT = 700, 300
VARIANCES = {
    "N(0, 0.01^2)": (lambda w, g: init.normal_(w, std=0.01, generator=g), 0.01 ** 2),
    "Xavier, normal": (lambda w, g: init.xavier_normal_(w, generator=g), 2 / (N_IN + N_OUT)),
    "Xavier, uniform": (lambda w, g: init.xavier_uniform_(w, generator=g), 2 / (N_IN + N_OUT)),
    "1 / n_in": (lambda w, g: init.xavier_normal_(w, generator=g, mode="fan_in"), 1 / N_IN),
    "1 / n_out": (lambda w, g: init.xavier_uniform_(w, generator=g, mode="fan_out"), 1 / N_OUT),
    "He, normal": (lambda w, g: init.kaiming_normal_(w, generator=g), 2 / N_IN),
    "He, uniform": (lambda w, g: init.kaiming_uniform_(w, generator=g), 2 / N_IN),
}


@pytest.mark.parametrize("name", VARIANCES)
def test_variances_of_first_weights(name):
    fill, variance = VARIANCES[name]
    w = fill(fa.zeros((N_OUT, N_IN), dtype="float64"), np.random.default_rng(3)).numpy()
    kurtosis = ((w / w.std()) ** 4).mean()
    count = w.size
    assert abs(w.mean()) < 5 * np.sqrt(variance / count)
    np.testing.assert_allclose(w.var(), variance, rtol=5 * np.sqrt((kurtosis - 1) / count))     # five standard errors
    if "uniform" in name or name == "1 / n_out":
        assert np.abs(w).max() <= np.sqrt(3 * variance) and abs(kurtosis - 9 / 5) < 0.02
    else:
        assert np.abs(w).max() > 3.5 * np.sqrt(variance) and abs(kurtosis - 3) < 0.1


def test_zero_weights_make_all_units_learn_the_same():
    def trained(fill):
        model = nn.Sequential(nn.Linear(4, 6, dtype="float64"), nn.Sigmoid(), nn.Linear(6, 1, dtype="float64"))
        for p in model.parameters():
            fill(p)
        x = np.random.default_rng(4).normal(size=(40, 4))
        fit(model, functional.mse_loss, optim.SGD(model.parameters(), lr=0.5), (x, x[:, :1] * x[:, 1:2] + 1), 30, batch_size=8,
            progress=False, generator=np.random.default_rng(5))
        return model[0].weight.detach().numpy(), model[2].weight.detach().numpy()

    first, last = trained(init.zeros_)
    assert (first == first[0]).all() and (last == last[0, 0]).all()            # one unit, six times
    assert np.abs(first).max() > 1e-3 and np.abs(last).max() > 0.1             # though they have learned
    generator = np.random.default_rng(6)
    first, last = trained(lambda p: init.normal_(p, std=0.01, generator=generator))
    assert np.ptp(first, axis=0).min() > 1e-3 and np.ptp(last) > 1e-3
