"""fastad.sklearn: scikit-learn's own checks, what its users do, and what stands beside its parameters."""
import builtins
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim


def test_without_scikit_learn_the_remedy_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "fastad.sklearn", raising=False)
    with pytest.raises(ImportError, match=r"fastad.sklearn needs scikit-learn 1.6 or later \(pip install fastad\[sklearn\]\)"):
        import fastad.sklearn  # noqa: F401


def test_fastad_does_not_import_scikit_learn():
    code = "import fastad, fastad.training, fastad.nn, fastad.optim, sys; print([m for m in sys.modules if m.startswith('sklearn')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


pytest.importorskip("sklearn")
from scipy.sparse import csr_matrix  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import make_blobs, make_multilabel_classification, make_regression  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.neural_network import MLPClassifier as TheirClassifier  # noqa: E402
from sklearn.neural_network import MLPRegressor as TheirRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from fastad.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BLOBS = make_blobs(300, 4, centers=3, random_state=0)
LINE = make_regression(200, 5, noise=1.0, random_state=0)
PAGE = Path(__file__).parents[1] / "docs" / "lectures.md"
ENOUGH = {"n_iter_no_change": np.inf}              # no early end, and no warning of it


@pytest.mark.filterwarnings("ignore")              # the checks provoke warnings
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# ---- as scikit-learn's -------------------------------------------------------------------------------
def weights(model):
    return [*model.coefs_, *model.intercepts_]


@pytest.mark.parametrize("settings", [
    {}, {"activation": "tanh"}, {"activation": "logistic", "solver": "sgd", "learning_rate_init": 0.05},
    {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0.1}, {"solver": "sgd", "momentum": 0.0}, {"alpha": 1.0},
    {"hidden_layer_sizes": (7, 5), "activation": "identity"}, {"batch_size": 32}])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_steps_are_those_of_scikit_learn(settings, weighted, monkeypatch):
    """From the same weights, in the same batches, the weights after 20 epochs are the same."""
    X, y = LINE
    y = y / y.std()
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(y)) if weighted and "batch_size" not in settings else None
    common = {"hidden_layer_sizes": (10,), "shuffle": False, "random_state": 0, "max_iter": 1, "tol": 0.0, "warm_start": True,
              "epsilon": 1e-30} | settings       # which Adam adds elsewhere than scikit-learn's does
    theirs, ours = TheirRegressor(n_iter_no_change=1000, **common), MLPRegressor(**ENOUGH, **common, loss=half_squared_error)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, y)
    ours.fit(X, y)
    with fa.no_grad():                              # theirs into ours
        for k, (W, b) in enumerate(zip(theirs.coefs_, theirs.intercepts_, strict=True)):
            linear = [layer for layer in ours.model_ if isinstance(layer, nn.Linear)][k]
            linear.weight.copy_(W.T)
            linear.bias.copy_(b)
    for model in (theirs, ours):
        model.set_params(max_iter=20)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, y, sample_weight=w)
    ours.fit(X, y, sample_weight=w)
    tolerance = 1e-4 if "batch_size" in settings else 1e-9      # the last, smaller batch decays a little more in theirs
    for a, b in zip(weights(theirs), weights(ours), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=100 * tolerance)


def half_squared_error(prediction, target, sample_weight=None):
    return nn.functional.mse_loss(prediction, target, sample_weight=sample_weight) / 2


def test_first_weights_are_glorots():
    X, y = BLOBS
    for activation, factor in (("relu", 6), ("logistic", 2)):
        ours = MLPClassifier((4000,), activation=activation, learning_rate_init=1e-12, max_iter=1, random_state=0, **ENOUGH).fit(X, y)
        bound = np.sqrt(factor / 4004)
        for p in (ours.coefs_[0], ours.intercepts_[0]):
            assert 0.99 * bound < np.abs(p).max() <= bound + 1e-9
            np.testing.assert_allclose(p.std(), bound / np.sqrt(3), rtol=0.05)


def test_it_reads_as_well_as_scikit_learns():
    X, y = fa.datasets.load_digits()
    X = X.reshape(-1, 64) / 16
    common = {"hidden_layer_sizes": (64,), "max_iter": 15, "learning_rate_init": 0.01, "random_state": 0}
    ours = MLPClassifier(**common, **ENOUGH).fit(X[:1400], y[:1400])
    with pytest.warns(ConvergenceWarning):
        theirs = TheirClassifier(**common).fit(X[:1400], y[:1400])
    assert ours.score(X[1400:], y[1400:]) > theirs.score(X[1400:], y[1400:]) - 0.02 > 0.88


# ---- what users do -----------------------------------------------------------------------------------
def test_probabilities_and_classes_of_any_kind():
    X, y = BLOBS
    names = np.array(["ant", "bee", "cat"])[y]
    model = MLPClassifier((20,), max_iter=60, learning_rate_init=0.01, random_state=0, **ENOUGH).fit(X, names)
    assert list(model.classes_) == ["ant", "bee", "cat"] and model.score(X, names) > 0.95
    p = model.predict_proba(X)
    assert p.shape == (300, 3) and (model.classes_[p.argmax(axis=1)] == model.predict(X)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(p), model.predict_log_proba(X), atol=1e-12)
    with pytest.raises(NotFittedError):
        MLPClassifier().predict(X)


def test_labels_and_several_numbers():
    X, Y = make_multilabel_classification(200, n_classes=4, n_labels=2, random_state=0)
    model = MLPClassifier((30,), max_iter=100, learning_rate_init=0.02, random_state=0, **ENOUGH).fit(X, Y)
    assert model.predict(X).shape == (200, 4) and model.score(X, Y) > 0.8 and model.out_activation_ == "logistic"
    p = model.predict_proba(X)
    assert ((p > 0.5) == model.predict(X)).all() and (abs(p.sum(axis=1) - 1) > 0.01).any()
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-model._outputs(X))), atol=1e-12)
    X, Y = make_regression(200, 5, n_targets=3, random_state=0)
    model = MLPRegressor((30,), max_iter=200, learning_rate_init=0.05, random_state=0, **ENOUGH).fit(X, Y / 100)
    assert model.predict(X).shape == (200, 3) and model.score(X, Y / 100) > 0.95


def test_labels_may_be_sparse_and_samples_not():
    X, Y = make_multilabel_classification(60, n_classes=3, random_state=0)
    dense, sparse = (MLPClassifier((5,), max_iter=3, random_state=0, **ENOUGH).fit(X, y) for y in (Y, csr_matrix(Y)))
    assert (dense.predict_proba(X) == sparse.predict_proba(X)).all()
    with pytest.raises(TypeError, match="dense data is required"):
        dense.fit(csr_matrix(X), Y)


def test_grid_search_in_a_pipeline_and_cross_validation():
    X, y = BLOBS
    search = GridSearchCV(make_pipeline(StandardScaler(), MLPClassifier(max_iter=20, random_state=0, **ENOUGH)),
                          {"mlpclassifier__hidden_layer_sizes": [(2,), (20,)], "mlpclassifier__learning_rate_init": [1e-6, 0.02]}, cv=2)
    search.fit(X, y)
    assert search.best_params_["mlpclassifier__learning_rate_init"] == 0.02 and search.best_score_ > 0.9
    scores = cross_val_score(MLPRegressor((30,), max_iter=100, learning_rate_init=0.05, random_state=0, **ENOUGH), LINE[0],
                             LINE[1] / 100, cv=3)
    assert scores.min() > 0.8


def test_the_random_state_is_all_of_the_chance_and_disturbs_no_other():
    X, y = BLOBS
    settings = {"hidden_layer_sizes": (9,), "max_iter": 5, "batch_size": 50, "dropout": 0.4} | ENOUGH
    fa.manual_seed(1)
    first = MLPClassifier(random_state=3, **settings).fit(X, y)
    drawn = fa.default_generator().random()
    fa.manual_seed(1)
    assert fa.default_generator().random() == drawn
    again, other = (MLPClassifier(random_state=k, **settings).fit(X, y) for k in (3, 4))
    assert all((a == b).all() for a, b in zip(weights(first), weights(again), strict=True))
    assert not all((a == b).all() for a, b in zip(weights(first), weights(other), strict=True))


def test_pickled_in_the_middle_it_goes_on_as_if_not():
    X, y = BLOBS
    model = MLPClassifier((8,), random_state=0, dropout=0.3, dtype="float32")
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    copy = pickle.loads(pickle.dumps(model))
    for m in (model, copy):
        m.partial_fit(X, y)
    assert all((a == b).all() for a, b in zip(weights(model), weights(copy), strict=True))
    assert model.coefs_[0].dtype == np.float32 and model.n_iter_ == 4 and len(model.loss_curve_) == 4
    assert clone(model).get_params() == model.get_params()


def test_partial_fit_is_fit_epoch_by_epoch():
    X, y = LINE[0], LINE[1] / 100
    settings = {"hidden_layer_sizes": (6,), "random_state": 0, "shuffle": False, "dtype": "float64"}
    whole = MLPRegressor(max_iter=5, **settings, **ENOUGH).fit(X, y)
    parts = MLPRegressor(**settings)
    for _ in range(5):
        parts.partial_fit(X, y)
    assert all((a == b).all() for a, b in zip(weights(whole), weights(parts), strict=True))
    assert whole.loss_curve_ == parts.loss_curve_
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        MLPClassifier().partial_fit(*BLOBS)
    model = MLPClassifier((3,)).partial_fit(*BLOBS, classes=[0, 1, 2, 7])
    assert model.predict_proba(BLOBS[0]).shape == (300, 4)
    with pytest.raises(ValueError, match="classes that were not there before: \\[5\\]"):
        model.partial_fit(BLOBS[0][:2], [5, 0])


def test_a_warm_start_goes_on_from_the_weights():
    X, y = BLOBS
    model = MLPClassifier((8,), max_iter=10, learning_rate_init=0.01, random_state=0, warm_start=True, **ENOUGH).fit(X, y)
    before = model.loss_
    model.fit(X, y)
    assert model.loss_curve_[10] < 1.1 * before and len(model.loss_curve_) == 20 and model.n_iter_ == 10
    cold = clone(model).set_params(warm_start=False).fit(X, y)
    assert cold.fit(X, y).loss_curve_[0] > 2 * before
    for changed in ({"hidden_layer_sizes": (5,)}, {"dropout": 0.5}, {"activation": "tanh"}):
        with pytest.raises(ValueError, match="has the old ones"):
            clone(model).fit(X, y).set_params(**changed).fit(X, y)
    assert clone(model).fit(X, y).set_params(hidden_layer_sizes=[8]).fit(X, y).n_iter_ == 10


def test_weights_of_zero_leave_samples_out_and_whole_ones_repeat_them():
    X, y = BLOBS
    w = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    settings = {"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, "batch_size": 1000} | ENOUGH
    weighted = MLPClassifier(**settings).fit(X, y, sample_weight=w)
    repeated = MLPClassifier(**settings).fit(np.repeat(X, w.astype(int), axis=0), np.repeat(y, w.astype(int)))
    for a, b in zip(weights(weighted), weights(repeated), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="zero"):
        MLPClassifier().fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(TypeError, match="the loss takes no sample_weight"):
        MLPClassifier(loss=lambda p, t: nn.functional.cross_entropy(p, t)).fit(X, y, sample_weight=w)


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not beside these tests")
def test_the_program_of_the_page_runs(capsys):
    program = PAGE.read_text().partition("```python\n")[2].partition("```")[0]
    exec(compile(program, str(PAGE), "exec"), {})
    assert float(capsys.readouterr().out) > 0.92


# ---- when it ends ------------------------------------------------------------------------------------
def test_early_stopping_returns_to_the_best():
    X, y = fa.datasets.load_digits()
    X = X.reshape(-1, 64)[:400] / 16
    model = MLPClassifier((64,), early_stopping=True, n_iter_no_change=5, tol=0.001, max_iter=200, learning_rate_init=0.02,
                          batch_size=20, random_state=0).fit(X, y[:400])
    best = int(np.argmax(model.validation_scores_))
    assert model.n_iter_ == len(model.validation_scores_) < 200 and model.best_validation_score_ == model.validation_scores_[best]
    assert model.best_loss_ is None and model.n_iter_ - best - 1 >= 5
    shorter = clone(model).set_params(max_iter=best + 1, n_iter_no_change=np.inf).fit(X, y[:400])
    assert shorter.validation_scores_ == model.validation_scores_[:best + 1]
    assert all((a == b).all() for a, b in zip(weights(shorter), weights(model), strict=True))
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        clone(model).partial_fit(X, y[:400], classes=range(10))
    with pytest.raises(ValueError, match="validation set is too small"):
        MLPRegressor(early_stopping=True).fit(X[:5], X[:5, 0])


def test_it_stops_when_the_loss_no_longer_falls_and_warns_if_it_still_does():
    X, y = BLOBS
    model = MLPClassifier((8,), learning_rate_init=0.05, tol=1e-3, n_iter_no_change=4, max_iter=1000, random_state=0).fit(X, y)
    assert model.n_iter_ < 1000 and model.best_loss_ == min(model.loss_curve_) and "not improved" in model.history_.stopped
    with pytest.warns(ConvergenceWarning, match=r"MLPClassifier: 3 epochs \(max_iter\) were not enough"):
        MLPClassifier((8,), max_iter=3).fit(X, y)


@pytest.mark.parametrize(("at", "epochs"), [(1, 0), (5, 2)])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_ctrl_c_leaves_a_usable_network(at, epochs, early_stopping, capfd):
    class Interrupt(fa.training.Callback):
        def on_step_end(self, run):
            if run.step == at:
                raise KeyboardInterrupt

    X, y = BLOBS
    model = MLPClassifier((5,), callbacks=[Interrupt()], early_stopping=early_stopping, random_state=0).fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == epochs and model.history_.interrupted
    assert model.predict(X).shape == (300,) and "interrupted by Ctrl-C" in capfd.readouterr().err
    assert np.isnan(model.loss_) == (epochs == 0)


def test_a_loss_that_becomes_infinite_is_an_error():
    X, y = LINE
    with pytest.raises(fa.training.NonFiniteError, match="epoch"), np.errstate(all="ignore"):
        MLPRegressor(solver="sgd", learning_rate_init=1e6, max_iter=50).fit(X, y)


# ---- beside scikit-learn's parameters ----------------------------------------------------------------
def test_a_loss_of_ones_own():
    X, y = BLOBS
    hinge = MLPClassifier((20,), loss=nn.MultiMarginLoss(), max_iter=60, learning_rate_init=0.02, random_state=0, **ENOUGH)
    assert hinge.fit(X, y).score(X, y) > 0.95
    x = np.linspace(-1, 1, 100)[:, None]
    target = 2 * x[:, 0] + np.where(np.arange(100) % 10 == 0, 50.0, 0.0)        # one in ten is far off
    robust = MLPRegressor((), loss=nn.L1Loss(), max_iter=400, learning_rate_init=0.02, random_state=0, **ENOUGH).fit(x, target)
    squares = MLPRegressor((), max_iter=400, learning_rate_init=0.05, random_state=0, **ENOUGH).fit(x, target)
    assert np.abs(robust.predict(x) - 2 * x[:, 0]).max() < 0.3 < 2 < np.abs(squares.predict(x) - 2 * x[:, 0]).max()


def test_activation_optimizer_schedule_dropout_and_callbacks():
    X, y = BLOBS
    told = []
    model = MLPClassifier((20, 10), activation=nn.GELU, solver=lambda groups: optim.RMSprop(groups, lr=0.01), alpha=0.5,
                          learning_rate=lambda optimizer: optim.lr_scheduler.ExponentialLR(optimizer, 0.5), dropout=0.25,
                          callbacks=[lambda run: told.append((run.epoch, run.optimizer))], max_iter=4, random_state=0, **ENOUGH)
    model.fit(X, y)
    assert [type(layer).__name__ for layer in model.model_] == ["Linear", "GELU", "Dropout"] * 2 + ["Linear"]
    assert [epoch for epoch, _ in told] == [1, 2, 3, 4] and model.history_["lr"] == [0.01 * 0.5 ** k for k in range(4)]
    optimizer = told[0][1]
    assert type(optimizer) is optim.RMSprop and [g["weight_decay"] for g in optimizer.param_groups] == [0.5 / 200, 0]
    assert (model.predict_proba(X) == model.predict_proba(X)).all()            # nothing is dropped in prediction
    plain = MLPClassifier(alpha=0.0, max_iter=1, solver=lambda p: optim.Adam(told.append(p) or p), **ENOUGH).fit(X, y)
    assert all(isinstance(p, nn.Parameter) for p in told[-1]) and plain.n_iter_ == 1


def test_the_dtype_is_that_of_the_data_or_as_asked():
    X, y = BLOBS
    for given, asked, got in (("float32", None, "float32"), ("float64", None, "float64"), ("float64", "float32", "float32"),
                              ("int64", None, "float64")):
        model = MLPClassifier((3,), max_iter=2, dtype=asked, **ENOUGH).fit((10 * X).astype(given), y)
        assert model.coefs_[0].dtype == got and model.predict_proba(X).dtype == got


def test_predicting_much_is_predicting_its_parts(monkeypatch):
    X, y = BLOBS
    model = MLPClassifier((5,), max_iter=2, **ENOUGH).fit(X, y)
    whole = model.predict_proba(X)
    monkeypatch.setattr("fastad.sklearn.TOGETHER", 7)
    np.testing.assert_allclose(model.predict_proba(X), whole, rtol=1e-13)


def test_progress_is_said_if_asked(capfd):
    MLPClassifier((5,), max_iter=2, verbose=True, **ENOUGH).fit(*BLOBS)
    assert "2" in capfd.readouterr().err


@pytest.mark.parametrize(("settings", "message"), [
    ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be positive integers, got \\(5, 0\\)"),
    ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes must be positive integers, got 2.5"),
    ({"activation": "relu6"}, "activation must be 'identity', 'logistic', 'tanh', 'relu' or a function, got 'relu6'"),
    ({"solver": "lbfgs"}, "solver must be 'adam', 'sgd' or a function, got 'lbfgs'"),
    ({"learning_rate": "adaptive"}, "learning_rate must be 'constant' or a function"),
    ({"batch_size": 0}, "batch_size must be 'auto' or a positive integer, got 0"),
    ({"alpha": -1}, "alpha must be a number between 0 and inf, got -1"), ({"max_iter": 0}, "max_iter must be"),
    ({"dropout": 1.5}, "dropout must be a number between 0 and 1"), ({"dtype": "int32"}, "dtype must be float32, float64 or None")])
def test_parameters_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=f"MLPRegressor: {message}"):
        MLPRegressor(**settings).fit(*LINE)
