"""MLPClassifier and MLPRegressor: networks as scikit-learn has them, trained by `fastad.training.fit`.

Their parameters have scikit-learn's names and defaults; beside them stand what its own networks do not take: a loss
function, dropout, callbacks, any activation module, any optimizer of fastad, a schedule, and the dtype.  This module needs
scikit-learn; nothing else of fastad does, or imports this one.
"""
from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from . import nn, optim
from ._core.make import from_numpy
from .nn import init
from .random import rewound
from .recording import no_grad
from .training import Callback, EarlyStopping
from .training import fit as train

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError("fastad.sklearn needs scikit-learn 1.6 or later (pip install fastad[sklearn])") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from ._core.tensor import Tensor
    from ._typing import DType

__all__ = ["MLPClassifier", "MLPRegressor"]

ACTIVATIONS = {"identity": nn.Identity, "logistic": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
TOGETHER = 8192                                  # samples that are predicted at once


class Network(BaseEstimator):
    """What the two share: the parameters, the network, its training."""

    n_outputs_: int
    n_iter_: int

    def __init__(self, hidden_layer_sizes: Sequence[int] | int = (100,),
                 activation: str | Callable[[], nn.Module] = "relu", *,
                 solver: str | Callable[[Any], optim.Optimizer] = "adam", alpha: float = 0.0001,
                 batch_size: int | str = "auto", learning_rate: str | Callable[[optim.Optimizer], Any] = "constant",
                 learning_rate_init: float = 0.001, max_iter: int = 200, shuffle: bool = True, random_state: Any = None,
                 tol: float = 1e-4, verbose: bool = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: float = 10,
                 loss: Callable[..., Tensor] | None = None, dropout: float = 0.0, callbacks: Sequence[Any] = (),
                 dtype: DType | None = None) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.loss = loss
        self.dropout = dropout
        self.callbacks = callbacks
        self.dtype = dtype

    # -- learning
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from samples X (n, features) and targets y, with weights (n,) if given; returns self."""
        return self._learn(X, y, sample_weight, goes_on=self.warm_start and hasattr(self, "model_"))

    def _learn(self, X: Any, y: Any, sample_weight: Any, goes_on: bool, once: bool = False, classes: Any = None) -> Self:
        self._check_parameters()
        X, y = validate_data(self, X, y, multi_output=True, dtype=(np.float64, np.float32), reset=not goes_on,
                             **({} if isinstance(self, ClassifierMixin) else {"y_numeric": True}))
        if hasattr(y, "toarray"):                # labels may be sparse; their loss is not
            y = y.toarray()
        if sample_weight is not None:            # samples that do not count are left out: a batch of them has no mean
            weights = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
            counts = weights > 0
            if not counts.any():
                raise ValueError(f"{type(self).__name__}: every sample weight is zero")
            X, y, sample_weight = X[counts], y[counts], weights[counts]
        kind = X.dtype if self.dtype is None else np.dtype(self.dtype)
        targets = self._targets(y, kind, goes_on, classes)
        if not goes_on:
            self._build(X.shape[1], kind)
        elif self._built != self._plan():
            raise ValueError(f"{type(self).__name__}: hidden_layer_sizes, activation or dropout were changed, and the "
                             f"network that is to go on has the old ones; fit it anew with warm_start=False")
        data = [X.astype(kind, copy=False), targets]
        if sample_weight is not None:
            data.append(sample_weight.astype(kind, copy=False))
        self._train(data, once)
        return self

    def _build(self, features: int, kind: np.dtype[Any]) -> None:
        """A network with Glorot's weights, as scikit-learn's."""
        self._generator = np.random.default_rng(check_random_state(self.random_state).randint(2**31, size=4))
        hidden, self._built = self._hidden(), self._plan()
        activation = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else self.activation
        layers: list[nn.Module] = []
        for n, m in zip([features, *hidden], [*hidden, self.n_outputs_], strict=True):
            if layers:
                layers += [activation(), *([nn.Dropout(self.dropout)] if self.dropout else [])]
            layers.append(nn.Linear(n, m, dtype=kind, generator=self._generator))
            bound = np.sqrt((2 if self.activation == "logistic" else 6) / (n + m))
            for p in layers[-1].parameters():
                init.uniform_(p, -bound, bound, self._generator)
        self.model_ = nn.Sequential(*layers)
        self.n_layers_ = len(hidden) + 2
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self._optimizer: optim.Optimizer | None = None

    def _make_optimizer(self, decay: float) -> optim.Optimizer:
        """Over groups of weights, which decay, and biases, which do not; over plain parameters if alpha is 0."""
        named = dict(self.model_.named_parameters())
        groups: list[Any] = list(named.values())
        if decay:
            groups = [{"params": [p for n, p in named.items() if n.endswith("weight")], "weight_decay": decay},
                      {"params": [p for n, p in named.items() if n.endswith("bias")]}]
        if callable(self.solver):
            return self.solver(groups)
        if self.solver == "sgd":
            return optim.SGD(groups, lr=self.learning_rate_init, momentum=self.momentum,
                             nesterov=self.nesterovs_momentum and self.momentum > 0)
        return optim.Adam(groups, lr=self.learning_rate_init, betas=(self.beta_1, self.beta_2), eps=self.epsilon)

    def _train(self, data: list[Any], once: bool) -> None:
        held_back, callbacks, patience = None, list(self.callbacks), self.n_iter_no_change
        if self.early_stopping:
            if once:
                raise ValueError("partial_fit does not support early_stopping=True")
            data, held_back = self._split(data)
            callbacks.insert(0, Scores(self, held_back))
        if not once and np.isfinite(patience):
            watch = self.early_stopping
            callbacks.append(EarlyStopping(int(patience), self.tol, monitor="val_score" if watch else "loss",
                                           mode="max" if watch else "min", restore_best=watch))
        size = len(data[0])
        batch = min(200, size) if self.batch_size == "auto" else min(int(self.batch_size), size)
        if self._optimizer is None or not once:
            weight = batch * (1.0 if len(data) < 3 else float(data[2].mean()))
            self._optimizer = self._make_optimizer(self.alpha / weight)
        schedule = self.learning_rate(self._optimizer) if callable(self.learning_rate) else None
        seed = int(self._generator.integers(2**63))
        with rewound(np.random.PCG64(seed).state):           # dropout's numbers come from here, and others' go on as before
            history = train(self.model_, self.loss or self._own_loss(), self._optimizer, tuple(data),
                            1 if once else self.max_iter, batch_size=batch, shuffle=self.shuffle,
                            generator=self._generator, scheduler=schedule, callbacks=callbacks,
                            progress="lines" if self.verbose else False)
        self.loss_curve_ += [epoch["loss"] for epoch in history]
        self.history_ = history
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan              # Ctrl-C came in the first epoch
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_, default=np.nan)
        self.n_iter_ = self.n_iter_ + 1 if once and hasattr(self, "n_iter_") else len(history)
        if self.validation_scores_ is not None:
            self.best_validation_score_ = max(self.validation_scores_, default=np.nan)
        if not once and history.stopped is None and np.isfinite(patience):
            warnings.warn(f"{type(self).__name__}: {self.max_iter} epochs (max_iter) were not enough to converge",
                          ConvergenceWarning, stacklevel=4)

    def _split(self, data: list[Any]) -> tuple[list[Any], list[Any]]:
        targets = data[1]
        parts = train_test_split(*data, test_size=self.validation_fraction, stratify=targets if targets.ndim == 1 else None,
                                 random_state=int(self._generator.integers(2**31)))
        if len(parts[1]) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
        return parts[::2], parts[1::2]

    def _plan(self) -> tuple[Any, ...]:
        """What the network is built from."""
        return self._hidden(), self.activation, self.dropout

    def _hidden(self) -> list[int]:
        sizes: Any = self.hidden_layer_sizes
        return list(sizes) if np.iterable(sizes) else [sizes]

    def _check_parameters(self) -> None:
        name = type(self).__name__
        if not all(isinstance(n, Integral) and n > 0 for n in self._hidden()):
            raise ValueError(f"{name}: hidden_layer_sizes must be positive integers, got {self.hidden_layer_sizes!r}")
        value: Any
        known = {"activation": (*ACTIVATIONS,), "solver": ("adam", "sgd"), "learning_rate": ("constant",)}
        for what, names in known.items():
            value = getattr(self, what)
            if not callable(value) and value not in names:
                raise ValueError(f"{name}: {what} must be {', '.join(map(repr, names))} or a function, got {value!r}")
        if self.batch_size != "auto" and not (isinstance(self.batch_size, Integral) and self.batch_size > 0):
            raise ValueError(f"{name}: batch_size must be 'auto' or a positive integer, got {self.batch_size!r}")
        limits = {"alpha": (0, np.inf), "max_iter": (1, np.inf), "tol": (0, np.inf), "n_iter_no_change": (1, np.inf),
                  "validation_fraction": (0, 1), "dropout": (0, 1)}
        for what, (least, most) in limits.items():
            value = getattr(self, what)
            if not isinstance(value, Real) or not least <= float(value) <= most:
                raise ValueError(f"{name}: {what} must be a number between {least} and {most}, got {value!r}")
        if self.dtype is not None and np.dtype(self.dtype) not in (np.float32, np.float64):
            raise ValueError(f"{name}: dtype must be float32, float64 or None (that of X), got {self.dtype!r}")

    # -- what it has learned
    def _outputs(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The network's outputs for checked samples, in any mode as in evaluation."""
        kind = next(self.model_.parameters()).dtype
        training = self.model_.training
        self.model_.eval()
        try:
            with no_grad():
                parts = [self.model_(from_numpy(np.array(X[i:i + TOGETHER], kind))).numpy()
                         for i in range(0, len(X), TOGETHER)]
        finally:
            self.model_.train(training)
        return np.concatenate(parts)

    def _checked_outputs(self, X: Any) -> np.ndarray[Any, Any]:
        check_is_fitted(self)
        return self._outputs(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))

    @property
    def coefs_(self) -> list[np.ndarray[Any, Any]]:
        """The weights of each layer, (inputs, outputs)."""
        return [w.detach().numpy().T for name, w in self.model_.named_parameters() if name.endswith("weight")]

    @property
    def intercepts_(self) -> list[np.ndarray[Any, Any]]:
        """The biases of each layer."""
        return [b.detach().numpy() for name, b in self.model_.named_parameters() if name.endswith("bias")]

    # -- the subclasses'
    def _targets(self, y: Any, kind: np.dtype[Any], goes_on: bool, classes: Any) -> np.ndarray[Any, Any]:
        """The targets as the loss takes them; sets n_outputs_."""
        raise NotImplementedError

    def _own_loss(self) -> Callable[..., Tensor]:
        raise NotImplementedError

    def _score(self, X: Any, targets: Any, weights: Any) -> float:
        """The score on samples that `_targets` has seen."""
        raise NotImplementedError


class Scores(Callback):
    """After each epoch the score on what was held back, for EarlyStopping."""

    def __init__(self, network: Network, held_back: list[Any]) -> None:
        self.network, self.held_back = network, held_back

    def on_epoch_end(self, run: Any) -> None:
        X, targets, *weights = self.held_back
        run.logs["val_score"] = self.network._score(X, targets, weights[0] if weights else None)
        self.network.validation_scores_.append(run.logs["val_score"])  # type: ignore[union-attr]


PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes, solver, alpha, batch_size, learning_rate_init, max_iter, shuffle, random_state, tol, verbose, \
warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change
        As in scikit-learn.  The solvers are 'adam' and 'sgd', or a function of the parameters that gives an optimizer:
        ``lambda params: fastad.optim.RMSprop(params, lr=0.01)``; alpha is then the weight_decay of the group of weights.
    activation : {'identity', 'logistic', 'tanh', 'relu'} or callable
        A class of fastad.nn, or a function without arguments, that gives the activation module.
    learning_rate : 'constant' or callable
        A function of the optimizer that gives a scheduler of `fastad.optim.lr_scheduler`, which is stepped after each epoch.
    loss : callable, optional
        ``loss(outputs, targets)``; LOSS
    dropout : float
        The probability with which a hidden unit is zeroed while learning.
    callbacks : sequence
        Of `fastad.training.fit`: `Callback` objects, or functions called after each epoch.
    dtype : float32 or float64, optional
        Of the network; by default that of X.

    Attributes
    ----------
    model_ : fastad.nn.Sequential
    history_ : fastad.training.History
        Of the last call of fit or partial_fit.
    loss_curve_, loss_, best_loss_, validation_scores_, best_validation_score_, n_iter_, n_layers_, n_outputs_, coefs_, \
intercepts_, n_features_in_, feature_names_in_CLASSES
        As in scikit-learn, but that the losses are without the penalty.

    Raises
    ------
    ValueError, TypeError
        For parameters and data that do not fit; TypeError for weights of samples where the loss takes no `sample_weight`.
    fastad.training.NonFiniteError
        If the loss becomes NaN or infinite.
"""


class MLPClassifier(ClassifierMixin, Network):
    __doc__ = "A network that tells classes apart, or says which of several labels hold.\n" + PARAMETERS.replace(
        "LOSS", "of logits (n, classes) and class indices (n,), or for labels of\n        logits and zeros and ones, both "
        "(n, labels).  By default cross-entropy, of labels binary cross-entropy.").replace("CLASSES", ", classes_") + """
    Examples
    --------
    >>> from fastad.datasets import load_digits
    >>> from fastad.sklearn import MLPClassifier
    >>> images, labels = load_digits()
    >>> X = images.reshape(-1, 64) / 16
    >>> network = MLPClassifier((64,), max_iter=20, learning_rate_init=0.01, n_iter_no_change=float("inf"), random_state=0)
    >>> network.fit(X[:1500], labels[:1500]).score(X[1500:], labels[1500:]) > 0.9
    True
    """

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these samples; the first call needs all classes, or labels, that there are."""
        first = not hasattr(self, "model_")
        if classes is not None:
            classes = unique_labels(classes)
        if first and classes is None:
            raise ValueError("partial_fit: classes must be given in the first call")
        if not first and classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(f"partial_fit: classes are not those of the first call, {self.classes_}")
        return self._learn(X, y, sample_weight, goes_on=not first, once=True, classes=classes)

    def predict(self, X: Any) -> Any:
        """The most probable class of each sample; for labels, zeros and ones."""
        return self._decided(self._checked_outputs(X))

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, in the order of `classes_`; for labels, of each by itself."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> np.ndarray[Any, Any]:
        """Their logarithms."""
        outputs = from_numpy(self._checked_outputs(X))
        logarithms = nn.functional.logsigmoid(outputs) if self._multilabel else nn.functional.log_softmax(outputs, axis=1)
        return logarithms.numpy()

    def _decided(self, outputs: np.ndarray[Any, Any]) -> Any:
        return (outputs > 0).astype(int) if self._multilabel else self.classes_[outputs.argmax(axis=1)]

    def _targets(self, y: Any, kind: np.dtype[Any], goes_on: bool, classes: Any) -> Any:
        check_classification_targets(y)
        multilabel = type_of_target(y).startswith("multilabel")
        if not multilabel:
            y = column_or_1d(y, warn=True)
        if not goes_on:
            self._multilabel, self.out_activation_ = multilabel, "logistic" if multilabel else "softmax"
            self.classes_ = classes if classes is not None else np.arange(y.shape[1]) if multilabel else np.unique(y)
            self.n_outputs_ = len(self.classes_)
        if multilabel != self._multilabel or (multilabel and y.shape[1] != self.n_outputs_):
            raise ValueError(f"{type(self).__name__}: y is of another kind than before")
        if multilabel:
            return np.asarray(y, kind)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"{type(self).__name__}: y has classes that were not there before: {unknown}")
        return np.searchsorted(self.classes_, y)

    def _own_loss(self) -> Callable[..., Tensor]:
        return nn.BCEWithLogitsLoss() if self._multilabel else nn.CrossEntropyLoss()

    def _score(self, X: Any, targets: Any, weights: Any) -> float:
        decided = self._decided(self._outputs(X))
        wanted = targets if self._multilabel else self.classes_[targets]
        return float(accuracy_score(wanted, decided, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, Network):
    __doc__ = "A network that predicts numbers, one or several.\n" + PARAMETERS.replace(
        "LOSS", "of outputs and targets, both (n, numbers).  By default the mean squared error.").replace(
        "CLASSES", "") + """
    Examples
    --------
    >>> import numpy as np
    >>> from fastad.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> network = MLPRegressor((50,), activation="tanh", learning_rate_init=0.02, max_iter=300, random_state=0)
    >>> network.fit(X, np.sin(3 * X[:, 0])).score(X, np.sin(3 * X[:, 0])) > 0.95
    True
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these samples."""
        return self._learn(X, y, sample_weight, goes_on=hasattr(self, "model_"), once=True)

    def predict(self, X: Any) -> Any:
        """The numbers: (n,) if there is one a sample, else (n, numbers)."""
        return self._decided(self._checked_outputs(X))

    def _decided(self, outputs: np.ndarray[Any, Any]) -> Any:
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def _targets(self, y: Any, kind: np.dtype[Any], goes_on: bool, classes: Any) -> np.ndarray[Any, Any]:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        targets = np.asarray(y, kind).reshape(len(y), -1)
        if goes_on and targets.shape[1] != self.n_outputs_:
            raise ValueError(f"MLPRegressor: y has {targets.shape[1]} numbers a sample, before it had {self.n_outputs_}")
        self.n_outputs_, self.out_activation_ = targets.shape[1], "identity"
        return targets

    def _own_loss(self) -> Callable[..., Tensor]:
        return nn.MSELoss()

    def _score(self, X: Any, targets: Any, weights: Any) -> float:
        return float(r2_score(targets, self._outputs(X), sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
