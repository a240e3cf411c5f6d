"""Where gradients vanish or explode: by distance in time, for recurrences, and by parameter, for any model.

Imports the core and jacrev, and matplotlib when a picture is asked for.  An error at the first NaN: detect_anomaly.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from ._core.make import as_tensors
from ._core.tensor import FUNCTIONS, Tensor
from .recording import no_grad
from .transforms.matrices import jacrev
from .transforms.tree import leaves, over, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._typing import ArrayLike
    from .nn import Module

    _Floats = npt.NDArray[np.float64]
    _Cell = Callable[[Any, Any], tuple[Any, Any]]

__all__ = ["GradientNorms", "JacobianNorms", "gradient_flow"]

SLOPES = {"rnn_tanh": 1.0, "rnn_relu": 1.0, "rnn_sigmoid": 0.25}        # the largest derivative of the activation
GONE, HUGE = 1e-3, 1e3                                                  # of Jacobians over the whole sequence
GOOD, BAD = "#1b9e77", "#c0392b"


@overload
def gradient_flow(model: Module, xs: None = ..., state: None = ..., *, small: float = ...,
                  large: float = ...) -> GradientNorms: ...
@overload
def gradient_flow(model: Module | _Cell, xs: ArrayLike, state: Any = ..., *, small: float = ...,
                  large: float = ...) -> JacobianNorms: ...


def gradient_flow(model: Any, xs: Any = None, state: Any = None, *, small: float = 1e-7,
                  large: float = 1e3) -> GradientNorms | JacobianNorms:
    """How gradients come through a model: through time, if given a sequence, else its parameters' after `backward`.

    ``gradient_flow(recurrence, xs)`` measures the Jacobians of later states by earlier ones,

        ds_t/ds_k = J_t J_(t-1) ... J_(k+1),    J_t = ds_t/ds_(t-1),

    whose norms say what is left of an error after t - k steps back.  For s_t = act(U x_t + W s_(t-1)) they are at most
    (gamma ||W||)^(t-k), with gamma = max |act'|: 1 for tanh and ReLU, 1/4 for the sigmoid.

    ``gradient_flow(model)`` lists the norms of the gradients that the last `backward` left in each parameter, beside those
    of the parameters.

    Parameters
    ----------
    model : Module, or cell of `fastad.nn.scan`
        For Jacobians: a recurrent layer (in one direction), a recurrent cell, or any ``cell(carry, x) -> (carry, y)`` whose
        carry has the batch as its leading axes.
    xs : array_like, shape (steps, batch, inputs), or (steps, inputs) for a layer
        (batch, steps, inputs) for a layer that is `batch_first`.
    state : as the model takes it, optional
        The first one; zeros for layers and cells.
    small, large : float
        A parameter's gradient has vanished if its norm is below `small` times that of the parameter: with the default a step
        of rate 1 is lost in rounding float32.  It has exploded if it is above `large` times that.

    Returns
    -------
    JacobianNorms or GradientNorms
        Arrays; printed, a table; `plot` draws them.

    Raises
    ------
    TypeError
        If the model is of neither kind, or goes in both directions.
    ValueError
        If there are no steps, or no parameter has a gradient.

    Notes
    -----
    One recorded step of all times and sequences and one walk give all J_t; the state of an LSTM is (h, c) together.  Layers
    are looked at as in evaluation, without dropout.  Source: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of
    training recurrent neural networks, 2013.

    Examples
    --------
    >>> import numpy, fastad
    >>> _ = fastad.manual_seed(0)
    >>> layer = fastad.nn.RNN(3, 8, nonlinearity="sigmoid", dtype="float64")
    >>> flow = fastad.diagnostics.gradient_flow(layer, numpy.ones((20, 1, 3)))
    >>> flow.verdict, bool((flow.largest() <= flow.bound * (1 + 1e-12)).all())
    ('vanishes', True)
    """
    if xs is not None:
        return _through_time(_Recurrence(model, xs, state))
    if not hasattr(model, "named_parameters"):
        raise TypeError(f"gradient_flow: expected a Module after backward(), got {type(model).__name__}; for the Jacobians "
                        f"of a cell give it a sequence too")
    return _by_parameter(model, small, large)


# ---- through time ------------------------------------------------------------------------------------
@dataclass(frozen=True, repr=False, eq=False)
class JacobianNorms:
    """Norms of ds_t/ds_k; what `fastad.diagnostics.gradient_flow` measures of a recurrence.

    Attributes
    ----------
    spectral, frobenius : ndarray, shape (steps + 1, steps + 1, batch)
        At [d, t, b] that of ds_t/ds_(t-d), in sequence b; NaN where t < d.
    rate : float or None
        gamma ||W||, of a vanilla recurrence with one layer.
    name : str
    """

    spectral: _Floats
    frobenius: _Floats
    rate: float | None
    name: str

    @property
    def distances(self) -> npt.NDArray[np.intp]:
        return np.arange(len(self.spectral))

    @property
    def bound(self) -> _Floats | None:
        """rate ** distance: what no spectral norm exceeds; None where no such bound is known."""
        return None if self.rate is None else self.rate ** self.distances.astype(float)

    def mean(self, norm: str = "spectral") -> _Floats:
        """By distance, over times and sequences; `norm` is 'spectral' or 'frobenius'."""
        return np.array([pairs.mean() for pairs in self._pairs(norm)])

    def largest(self, norm: str = "spectral") -> _Floats:
        """The same, of the largest."""
        return np.array([pairs.max() for pairs in self._pairs(norm)])

    def _pairs(self, norm: str) -> list[_Floats]:
        if norm not in ("spectral", "frobenius"):
            raise ValueError(f"norm must be 'spectral' or 'frobenius', got {norm!r}")
        return [of_times[distance:] for distance, of_times in enumerate(getattr(self, norm))]

    @property
    def factor(self) -> float:
        """What a step multiplies the mean norm by, as a geometric mean over all distances."""
        mean = self.mean()
        return float(mean[-1] ** (1 / (len(mean) - 1)))

    @property
    def verdict(self) -> str:
        """'vanishes' if the mean norm over all steps is below 1e-3, 'explodes' above 1e3, else 'holds'; or 'not finite'."""
        last = self.mean()[-1]
        if not np.isfinite(self.mean()).all():
            return "not finite"
        return "vanishes" if last < GONE else "explodes" if last > HUGE else "holds"

    def __repr__(self) -> str:
        steps = len(self.spectral) - 1
        shown = sorted({d for d in (0, 1, 2, 5, *range(10, steps, 10), steps) if d <= steps})
        mean, largest, frobenius = self.mean(), self.largest(), self.mean("frobenius")
        lines = [f"{self.name}: ds_t/ds_k over {steps} steps {self.verdict}, by {self.factor:.3g} a step",
                 "  t - k   spectral    largest  Frobenius" + ("      bound" if self.bound is not None else "")]
        for d in shown:
            row = [mean[d], largest[d], frobenius[d]] + ([] if self.bound is None else [self.bound[d]])
            lines.append(f"{d:7d} " + " ".join(f"{value:10.3g}" for value in row))
        return "\n".join(lines)

    def plot(self, path: str | None = None, *, axes: Axes | None = None) -> Figure | None:
        """Draw the norms against t - k: into a file, or into `axes` of matplotlib; with neither the Figure is returned.

        Raises ImportError where there is no matplotlib."""
        figure, axes = _canvas(axes, (6, 4))
        mean, largest = self.mean(), self.largest()
        line, = axes.semilogy(self.distances, _above_zero(mean), linewidth=1.8, label=self.name)
        axes.fill_between(self.distances, _above_zero(np.array([pairs.min() for pairs in self._pairs("spectral")])),
                          _above_zero(largest), color=line.get_color(), alpha=0.18, linewidth=0)
        if self.bound is not None:
            axes.semilogy(self.distances, _above_zero(self.bound), color=line.get_color(), linewidth=1, linestyle="--",
                          label=r"bound $(\gamma\,\Vert W\Vert)^{t-k}$")
        axes.set(xlabel="$t - k$", ylabel=r"$\Vert \partial s_t / \partial s_k \Vert$")
        return _finished(figure, axes, path)


def _through_time(walked: _Recurrence) -> JacobianNorms:
    jacobians = walked.jacobians()                                    # (steps, batch, size, size)
    steps, batch = jacobians.shape[:2]
    spectral, frobenius = np.full((2, steps + 1, steps + 1, batch), np.nan)
    products = np.broadcast_to(np.eye(jacobians.shape[-1]), (steps + 1, *jacobians.shape[1:]))
    for distance in range(steps + 1):
        if distance:                                                  # ds_t/ds_(t-d) = J_t ds_(t-1)/ds_(t-d)
            products = jacobians[distance - 1:] @ products[:-1]
        frobenius[distance, distance:] = np.sqrt((products ** 2).sum(axis=(-2, -1)))
        spectral[distance, distance:] = _spectral(products)
    return JacobianNorms(spectral, frobenius, walked.rate(), walked.name)


def _spectral(matrices: _Floats) -> _Floats:
    """The largest singular values, as roots of eigenvalues of A^T A, which takes a fifth of the time and is as accurate for
    the largest; NaN where a matrix is not finite, which LAPACK does not take."""
    scale = np.abs(matrices).max(axis=(-2, -1))
    found = np.where(scale > 0, np.nan, scale)
    regular = np.isfinite(scale) & (scale > 0)
    scaled = matrices[regular] / scale[regular, None, None]
    found[regular] = scale[regular] * np.sqrt(np.linalg.eigvalsh(scaled.swapaxes(-2, -1) @ scaled)[..., -1])
    return found


class _Recurrence:
    """A layer, cell or function as steps from states to states, which are rows of numbers, one for each sequence."""

    def __init__(self, model: Any, xs: Any, state: Any) -> None:
        self.model, self.name = model, getattr(model, "__name__", type(model).__name__)
        self.layer, self.module = hasattr(model, "weight_hh_l0"), hasattr(model, "weight_hh")
        if not callable(model):
            raise TypeError(f"gradient_flow: expected a layer or a cell, got {self.name}")
        if getattr(model, "bidirectional", False):
            raise TypeError(f"gradient_flow: {self.name} goes in both directions, so that its states are no chain; measure "
                            f"a layer in one direction")
        self.batch_first = getattr(model, "batch_first", False)
        self.xs, = as_tensors(xs)
        if self.layer and self.xs.ndim == 2:
            self.xs = self.xs[:, None]
        elif self.batch_first:
            self.xs = self.xs.swapaxes(0, 1)
        if self.xs.ndim < 2 or 0 in self.xs.shape[:2]:
            raise ValueError(f"gradient_flow: expected a sequence of shape (steps, batch, ...) with at least one step, got "
                             f"{self.xs.shape}")
        self.batch_axis = int(self.layer)
        if state is None and not (self.layer or self.module):
            raise TypeError(f"gradient_flow: {self.name} is called as cell(carry, x), and needs its first carry as `state`")
        with no_grad():
            self.state = over(lambda s: as_tensors(s)[0], state) if state is not None else \
                over(lambda s: FUNCTIONS["zeros_like"](s), self.step(self.xs[0], None))

    def step(self, x: Tensor, state: Any) -> Any:
        """The next state, for inputs (batch, ...)."""
        if self.layer:
            return self.model(x[:, None] if self.batch_first else x[None], state)[1]
        return self.model(x, state) if self.module else self.model(state, x)[0]

    def rows(self, state: Any) -> Tensor:
        """A state as (batch, numbers)."""
        leading = [s.swapaxes(0, 1) if self.batch_axis else s for s in leaves(state)]
        joined: Tensor = FUNCTIONS["concatenate"]([s.reshape(len(s), -1) for s in leading], 1)
        return joined

    def state_of(self, rows: Tensor) -> Any:
        """The state that has these rows."""
        found, start = [], 0
        for like in leaves(self.state):
            shape = like.shape[:self.batch_axis] + like.shape[self.batch_axis + 1:]
            size = int(np.prod(shape))
            part = rows[:, start:start + size].reshape(len(rows), *shape)
            found.append(part.swapaxes(0, 1) if self.batch_axis else part)
            start += size
        return rebuild(self.state, iter(found))

    def jacobians(self) -> _Floats:
        """J_t of all times and sequences."""
        training = [m for m in self.model.modules() if m.training] if hasattr(self.model, "modules") else []
        for module in training:
            module.training = False
        try:
            with no_grad():
                state, before = self.state, []
                for x in FUNCTIONS["unstack"](self.xs):
                    before.append(self.rows(state))
                    state = self.step(x, state)
            steps, batch = self.xs.shape[:2]
            x = self.xs.detach().reshape(steps * batch, *self.xs.shape[2:])
            rows = FUNCTIONS["concatenate"](before).numpy()
            # rows do not depend on one another: the derivative of their sum has that of each
            found = jacrev(lambda rows: self.rows(self.step(x, self.state_of(rows))).sum(axis=0))(rows)
        finally:
            for module in training:
                module.training = True
        return np.asarray(found, dtype=float).swapaxes(0, 1).reshape(steps, batch, rows.shape[1], rows.shape[1])

    def rate(self) -> float | None:
        """gamma ||W||, where the step is s_t = act(... + W s_(t-1))."""
        slope = SLOPES.get(getattr(self.model, "cell", ""))
        if slope is None or getattr(self.model, "num_layers", 1) != 1:
            return None
        weight = self.model.weight_hh_l0 if self.layer else self.model.weight_hh
        return slope * float(np.linalg.norm(weight.detach().numpy().astype(float), ord=2))


# ---- by parameter ------------------------------------------------------------------------------------
@dataclass(frozen=True, repr=False, eq=False)
class GradientNorms:
    """Norms of gradients, what `fastad.diagnostics.gradient_flow` lists of a model.

    Attributes
    ----------
    names : tuple of str
        Of the parameters, in the order of the model.
    gradients, parameters : ndarray
        Their norms; NaN for a gradient that is not there.
    verdicts : tuple of str
        '', 'vanished', 'exploded', 'NaN', 'infinite', or 'none' where there is no gradient.
    """

    names: tuple[str, ...]
    gradients: _Floats
    parameters: _Floats
    verdicts: tuple[str, ...]

    @property
    def ratios(self) -> _Floats:
        """Norms of gradients in those of the parameters; in 1 where all of a parameter is zero."""
        return self.gradients / np.where(self.parameters > 0, self.parameters, 1)

    def named(self, verdict: str) -> list[str]:
        """The parameters of which it was said.

        Examples
        --------
        >>> import fastad
        >>> layer = fastad.nn.Linear(2, 2)
        >>> (layer.weight * float("nan")).sum().backward()
        >>> flow = fastad.diagnostics.gradient_flow(layer)
        >>> flow.named("NaN"), flow.named("none")
        (['weight'], ['bias'])
        """
        return [name for name, found in zip(self.names, self.verdicts, strict=True) if found == verdict]

    def __repr__(self) -> str:
        width = max(9, *map(len, self.names))
        lines = [f"{'parameter':<{width}}   gradient  parameter      ratio"]
        for row in zip(self.names, self.gradients, self.parameters, self.ratios, self.verdicts, strict=True):
            lines.append(f"{row[0]:<{width}} {row[1]:10.3g} {row[2]:10.3g} {row[3]:10.3g}  {row[4]}".rstrip())
        return "\n".join(lines)

    def plot(self, path: str | None = None, *, axes: Axes | None = None) -> Figure | None:
        """Draw the ratios, a bar for each parameter: into a file, or into `axes`; with neither the Figure is returned.

        Raises ImportError where there is no matplotlib."""
        figure, axes = _canvas(axes, (7, 1.2 + 0.28 * len(self.names)))
        places = np.arange(len(self.names))
        axes.barh(places, np.where(np.isfinite(self.ratios), self.ratios, 0), height=0.65,
                  color=[BAD if verdict else GOOD for verdict in self.verdicts])
        axes.set(yticks=places, yticklabels=self.names, xlabel="norm of the gradient / norm of the parameter")
        if (self.ratios > 0).any():
            axes.set_xscale("log")
        axes.invert_yaxis()
        for place, verdict in enumerate(self.verdicts):
            axes.text(0.99, place, verdict, transform=axes.get_yaxis_transform(), ha="right", va="center", color=BAD)
        return _finished(figure, axes, path)


def _by_parameter(model: Module, small: float, large: float) -> GradientNorms:
    names, gradients, parameters, verdicts = [], [], [], []
    for name, parameter in model.named_parameters():
        names.append(name)
        parameters.append(_norm(parameter))
        gradient = parameter.grad
        gradients.append(np.nan if gradient is None else _norm(gradient))
        ratio = gradients[-1] / (parameters[-1] or 1)
        verdicts.append("none" if gradient is None else _verdict(gradient, ratio, small, large))
    if all(verdict == "none" for verdict in verdicts):
        raise ValueError("gradient_flow: no parameter has a gradient; call backward() first, and look before zero_grad()")
    return GradientNorms(tuple(names), np.array(gradients), np.array(parameters), tuple(verdicts))


def _verdict(gradient: Tensor, ratio: float, small: float, large: float) -> str:
    array = gradient.detach().numpy()
    if np.isnan(array).any():
        return "NaN"
    if np.isinf(array).any():
        return "infinite"
    return "vanished" if ratio < small else "exploded" if ratio > large else ""


def _norm(t: Tensor) -> float:
    """In float64, and without overflow on the way."""
    array = np.abs(t.detach().numpy().astype(np.result_type(t.dtype, np.float64)))
    largest = float(array.max(initial=0))
    return largest * float(np.sqrt(((array / largest) ** 2).sum())) if 0 < largest < np.inf else float(array.sum())


# ---- pictures ----------------------------------------------------------------------------------------
def _canvas(axes: Axes | None, size: tuple[float, float]) -> tuple[Figure | None, Axes]:
    """(a new figure, its axes), or (None, those that were given)."""
    if axes is not None:
        return None, axes
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plot: pictures need matplotlib (pip install fastad[plot]); without it the object has the "
                          "numbers, and prints them as a table") from error
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def _finished(figure: Figure | None, axes: Axes, path: str | None) -> Figure | None:
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False)
    if path is None or figure is None:
        return figure
    figure.savefig(path, dpi=150)
    return None


def _above_zero(values: _Floats) -> _Floats:
    """What a logarithmic axis can show."""
    return np.where(values > 0, values, np.nan)
