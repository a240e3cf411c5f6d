"""fit: epochs of steps, validation, and what remains when something goes wrong.  Imports the other files of this folder."""
from __future__ import annotations

import inspect
import math
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from .. import random
from .._core.tensor import Tensor
from ..nn import Module
from ..nn.utils import clip_grad_norm_, clip_grad_value_
from ..recording import no_grad
from .batches import batches_of, for_evaluation, parts, split
from .callbacks import Callback, Converged, Function, Schedule, needs_argument
from .checkpoints import Checkpoint, read, restore
from .faults import NonFiniteError, finite, first_fault, listed
from .history import History
from .metrics import by_name
from .progress import Silent, progress_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import FrameType
    from typing import Any

    import numpy as np

    from .._typing import Generator
    from ..optim import Optimizer
    from .metrics import Metrics

KEPT = 50                                      # steps at least between two copies of the weights, to go back to


def fit(model: Any, loss: Callable[..., Tensor], optimizer: Optimizer, data: Any, epochs: int, *, batch_size: int | None = 32,
        shuffle: bool = True, generator: Generator = None, validation: Any = None, metrics: Metrics | None = None,
        scheduler: Any = None, callbacks: Sequence[Callback | Callable[[Run], object]] = (), clip_norm: float | None = None,
        clip_value: float | None = None, accumulate: int = 1, tolerance: float | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None, resume: bool = False,
        progress: bool | str | None = None) -> History:
    """Train a model: the loop of ``zero_grad, loss(model(x), y).backward(), step`` with what usually surrounds it.

    Parameters
    ----------
    model : Module, or any function of the inputs
    loss : callable
        ``loss(prediction, target)`` gives a scalar: a mean over the samples, or with reduction='sum' a sum.
    optimizer : Optimizer
        Over the parameters that are to be trained.
    data : tuple of arrays, DataLoader, or iterable of batches
        Arrays are (inputs, targets) or (inputs, targets, weights), and so are batches; inputs that are a tuple become
        several arguments of the model.  Weights go to the loss as `sample_weight`.
    epochs : int
        In all, with those of the checkpoint that is resumed.
    batch_size : int or None
        Samples a step, of arrays: None takes all (full-batch descent), 1 one (stochastic descent).
    shuffle : bool
        Draw the samples of arrays in a new order each epoch, without replacement.
    generator : numpy.random.Generator, optional
        Where that order comes from; fastad's default generator.
    validation : as data, or float, optional
        What is measured after each epoch; a float is the share of the arrays to hold back, drawn at random.
    metrics : str, callable, list or dict of these, optional
        ``metric(prediction, target)`` gives a number, averaged over samples; 'accuracy' is built in.
    scheduler : object with step(), or list of them, optional
        Stepped after each epoch; one that needs a value gets the validation loss.  `Schedule` has more.
    callbacks : list of Callback or of functions of the `Run`
        Functions are called after each epoch.
    clip_norm, clip_value : float, optional
        Clip the gradients by their norm together, or each number, before every step.
    accumulate : int
        Batches a step: the gradient is that of one larger batch.
    tolerance : float, optional
        Stop when the training loss changes by less from one epoch to the next.
    checkpoint : path or Checkpoint, optional
        Where to save the run after every epoch; '.safetensors' or '.npz'.
    resume : bool
        Go on from the checkpoint, if there is one, exactly as if the run had not stopped.
    progress : bool, 'bar', 'lines' or None
        True: a bar (by tqdm), or a line an epoch without tqdm; None: True where stderr is a terminal.

    Returns
    -------
    History
        'loss', 'val_loss', 'lr' and metrics by epoch.  The loss is the mean over the epoch's steps, while the model learns.

    Raises
    ------
    NonFiniteError
        If a loss, the parameters at the end of an epoch, or a norm to clip is not finite: with the epoch, the step and the
        layer.  The model is as after the last step if all its numbers are finite then; else it and the optimizer are set back
        to the beginning of an epoch, which the message names.
    ValueError, TypeError
        For arguments that do not fit.  Errors of model, loss and data pass, with a note of epoch and step.
    CheckpointError
        If the checkpoint to resume is damaged, or of another model; the model is unchanged.

    Warns
    -----
    UserWarning
        If parameters of the optimizer got no gradient in the first step, by name.

    Notes
    -----
    Ctrl-C ends the training between two steps, never within a step of the optimizer; the history so far is returned, with
    `interrupted` set.  The modes (training or not) of all modules are in the end what they were.  Means over several batches,
    and the gradient of accumulated ones, weigh each by its samples, or its weights; a loss that leaves samples out of its mean
    (ignore_index) or weighs classes is no such mean, and they are approximate then.

    Examples
    --------
    >>> import numpy, fastad
    >>> from fastad.training import fit
    >>> _ = fastad.manual_seed(0)
    >>> x = numpy.linspace(-1, 1, 64)[:, None]
    >>> model = fastad.nn.Linear(1, 1, dtype="float64")
    >>> optimizer = fastad.optim.SGD(model.parameters(), lr=0.1)
    >>> history = fit(model, fastad.nn.MSELoss(), optimizer, (x, 3 * x + 1), epochs=100, batch_size=16, validation=0.25)
    >>> round(model.weight.item(), 3), round(model.bias.item(), 3), history[-1]["val_loss"] < 1e-6
    (3.0, 1.0, True)
    """
    for name, value in (("epochs", epochs), ("accumulate", accumulate)):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"fit: {name} must be an integer, got {type(value).__name__}")
    if epochs < 0 or accumulate < 1:
        raise ValueError(f"fit: epochs must be at least 0 and accumulate at least 1, got {epochs} and {accumulate}")
    if not callable(model) or not callable(loss) or not hasattr(optimizer, "param_groups"):
        raise TypeError(f"fit: expected a model, a loss and an optimizer, got {type(model).__name__}, {type(loss).__name__} and "
                        f"{type(optimizer).__name__}; the order is fit(model, loss, optimizer, data, epochs)")
    run = Run(model, loss, optimizer, epochs)
    run.measures, run.clip_norm, run.clip_value, run.accumulate = by_name(metrics), clip_norm, clip_value, accumulate
    schedulers = [] if scheduler is None else scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]
    run.callbacks = [c if isinstance(c, Callback) else Function(c) for c in callbacks]
    run.callbacks += [] if tolerance is None else [Converged(tolerance)]
    run.callbacks += [s if isinstance(s, Schedule) else Schedule(s) for s in schedulers]
    if checkpoint is not None:
        run.callbacks.append(checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint))
    run.callbacks.sort(key=lambda c: isinstance(c, Checkpoint))        # these save the state of all others
    saved, path = None, next((c.path for c in run.callbacks if isinstance(c, Checkpoint)), None)
    if resume:
        if path is None:
            raise ValueError("fit: there is nothing to resume from; give checkpoint=path too")
        saved = read(path)
    run.generator = generator
    if isinstance(validation, float):
        data, validation, run.held_back = split(data, validation, saved and saved.get("held_back"),
                                                generator or random.default_generator())
    run.data = batches_of("data", data, batch_size, shuffle, generator)
    run.validation = None if validation is None else for_evaluation(validation, batch_size, isinstance(validation, tuple))
    if saved is not None:
        assert path is not None
        restore(run, saved, path)
    run.train(progress)
    return run.history


class Run:
    """What `fit` knows while it runs, and gives to callbacks.

    Attributes
    ----------
    model, loss, optimizer, epochs
        As `fit` was given them.
    history : History
    epoch : int
        The one that runs, or that has just ended, counted from 1; 0 before the first.
    step : int
        How many steps the optimizer has made, over all epochs.
    logs : dict from str to float
        What the last finished epoch measured.

    Examples
    --------
    >>> import numpy, fastad
    >>> from fastad.training import fit
    >>> w = fastad.tensor([0.0], requires_grad=True)
    >>> data = numpy.ones((4, 1)), numpy.ones((4, 1))
    >>> def tell(run):
    ...     print(run.epoch, run.step, run.logs["loss"])
    >>> _ = fit(lambda x: x * w, fastad.nn.MSELoss(), fastad.optim.SGD([w], lr=0.25), data, 2, batch_size=None, callbacks=[tell])
    1 1 1.0
    2 2 0.25
    """

    def __init__(self, model: Any, loss: Any, optimizer: Any, epochs: int) -> None:
        self.model, self.loss, self.optimizer, self.epochs = model, loss, optimizer, epochs
        self.history, self.logs = History(), {}
        self.epoch = self.step = 0
        self.logs: dict[str, float]
        self.measures: dict[str, Callable[[Any, Any], Any]] = {}
        self.callbacks: list[Callback] = []
        self.clip_norm: float | None = None
        self.clip_value: float | None = None
        self.accumulate = 1
        self.data: Any = ()
        self.validation: Any = None
        self.held_back: Any = None
        self.generator: np.random.Generator | None = None
        self.interrupts = Interrupts()
        function = loss.forward if isinstance(loss, Module) else loss
        self.weighted = takes(function, "sample_weight")
        self.summed = "sum" in (getattr(loss, "reduction", None), getattr(loss, "keywords", {}).get("reduction"))
        self.closure = needs_argument(optimizer.step)

    # -- for callbacks
    def stop(self, reason: str) -> None:
        """End the training after this epoch; the first reason stands in ``history.stopped``."""
        if self.history.stopped is None:
            self.history.stopped = str(reason)

    def running(self) -> dict[str, float]:
        """The means over the epoch so far."""
        return self.means.result()

    def parameters(self) -> list[Tensor]:
        """Those that the optimizer changes."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def modules(self) -> list[Module]:
        """The model and all below it, and the loss; none of what is a plain function."""
        return [m for top in (self.model, self.loss) if isinstance(top, Module) for m in top.modules()]

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers of the model by name; of a plain function the optimizer's parameters by number."""
        if isinstance(self.model, Module):
            return self.model.state_dict()
        return {str(i): p.detach() for i, p in enumerate(self.parameters())}

    def weights(self) -> dict[str, Any]:
        """A copy of their numbers."""
        return {name: t.numpy().copy() for name, t in self.tensors().items()}

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Put such a copy back; RuntimeError if names or shapes differ."""
        if isinstance(self.model, Module):
            with self.interrupts.hold():
                self.model.load_state_dict(weights)
            return
        own = self.tensors()
        if {n: t.shape for n, t in own.items()} != {n: w.shape for n, w in weights.items()}:
            raise RuntimeError(f"the weights have shapes {[w.shape for w in weights.values()]}, the optimizer's parameters "
                               f"{[t.shape for t in own.values()]}")
        with self.interrupts.hold():
            for name, tensor in own.items():
                tensor.copy_(weights[name])

    # -- the whole
    def train(self, progress: bool | str | None) -> None:
        """All epochs; the modes of the modules, and what Ctrl-C does, are in the end as before."""
        modes = [(m, m.training) for m in self.modules()]
        steps = -(-len(self.data) // self.accumulate) if hasattr(self.data, "__len__") else None
        self.shown: Silent = progress_for(progress, self.epochs, steps, self.epoch)
        self.after_step = [c.on_step_end for c in self.callbacks if has(c, "on_step_end")]
        if self.shown.per_step:
            self.after_step.append(self.shown.step)
        self.kept: Kept | None = None
        self.means = Means(self.measures)
        try:
            with self.interrupts:
                self.tell("on_train_begin")
                while self.epoch < self.epochs and self.history.stopped is None:
                    self.run_epoch()
                self.tell("on_train_end")
        except KeyboardInterrupt:
            self.history.interrupted = True
            self.history.stopped = (f"interrupted by Ctrl-C in epoch {self.epoch}; the model is as after step {self.step} of "
                                    f"the optimizer")
            self.shown.close()
            if sys.stderr is not None:
                print(f"fit: {self.history.stopped}", file=sys.stderr, flush=True)
        finally:
            self.shown.close()
            for module, mode in modes:
                module.training = mode

    def tell(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def run_epoch(self) -> None:
        start, first = perf_counter(), self.step
        if self.kept is None or first - self.kept.step >= KEPT:
            self.kept = Kept(self)
        self.epoch += 1
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.means = Means(self.measures)
        self.tell("on_epoch_begin")
        self.mode(True)
        self.within, batch = 0, 0
        try:
            for group in grouped(self.data, self.accumulate, self.weighted):
                batch += 1
                self.make_step(group)
        except (KeyboardInterrupt, NonFiniteError):
            raise
        except Exception as error:
            error.add_note(f"in epoch {self.epoch}, step {self.within + 1} of fastad.training.fit")
            raise
        if batch == 0:
            raise ValueError(f"fit: the data gave no batches in epoch {self.epoch}; it must give them anew each time it is iterated, "
                             f"which a generator does not, and a DataLoader with drop_last needs a full batch")
        if not finite(self.tensors().values()):
            raise self.fault("the parameters or buffers are not finite at the end of", None, None)
        self.logs = self.means.result()
        if self.validation is not None:
            self.logs |= {f"val_{name}": value for name, value in self.validate().items()}
        self.logs["lr"] = rate
        self.history.append(self.logs, perf_counter() - start)
        self.shown.epoch(self)
        self.tell("on_epoch_end")

    def mode(self, training: bool) -> None:
        for top in (self.model, self.loss):
            if isinstance(top, Module):
                top.train(training)

    # -- a step
    def forward(self, inputs: Any, targets: Any, weights: Any) -> tuple[Any, Tensor]:
        prediction = self.model(*inputs) if type(inputs) is tuple else self.model(inputs)
        value = self.loss(prediction, targets) if weights is None else self.loss(prediction, targets, sample_weight=weights)
        return prediction, value

    def make_step(self, group: list[Any]) -> None:
        interrupts = self.interrupts
        if self.closure:
            self.step_by_closure(group)
        else:
            self.gradients(group, True)
            interrupts.held = True             # not a context manager, which would cost as much as the rest of this
            self.optimizer.step()
            self.step += 1
            interrupts.held = False
            if interrupts.pending:
                interrupts.deliver()
        self.within += 1
        for function in self.after_step:
            function(self)

    def step_by_closure(self, group: list[Any]) -> None:
        """A step of an optimizer that asks for the loss several times; the first is the one that counts."""
        asked = []

        def closure() -> Tensor:
            asked.append(None)
            return self.gradients(group, len(asked) == 1)

        with self.interrupts.hold():
            self.optimizer.step(closure)
            self.step += 1

    def gradients(self, group: list[Any], counts: bool) -> Tensor:
        """The gradients of a group of batches, as of one batch; its loss, which enters the means if it `counts`."""
        self.optimizer.zero_grad()
        whole = 0.0 if len(group) == 1 else sum(part[4] for part in group)
        total: Any = None
        for inputs, targets, weights, samples, weight in group:
            prediction, value = self.forward(inputs, targets, weights)
            if not isinstance(value, Tensor) or value.size != 1:
                raise refused(value)
            number = value.item()
            if counts:
                if not math.isfinite(number):
                    raise self.fault(f"the loss is {number} in", lambda: self.forward(inputs, targets, weights), inputs)  # noqa: B023
                self.means.add(number if self.summed else number * weight, samples if self.summed else weight, samples,
                               prediction, targets)
            if whole and not self.summed:
                value = value * (weight / whole)
            value.backward()
            if self.closure:
                total = value.detach() if total is None else total + value.detach()
        if self.step == 0 and counts:
            self.check_gradients()
        if self.clip_norm is not None:
            try:
                clip_grad_norm_(self.parameters(), self.clip_norm, error_if_nonfinite=True)
            except RuntimeError:
                raise self.fault("the norm of the gradients is not finite in", None, None) from None
        if self.clip_value is not None:
            clip_grad_value_(self.parameters(), self.clip_value)
        return total  # type: ignore[no-any-return]

    def check_gradients(self) -> None:
        """After the first backward: which parameters it did not reach."""
        named = {id(p): name for name, p in self.model.named_parameters()} if isinstance(self.model, Module) else {}
        trained = [p for p in self.parameters() if p.requires_grad]
        missing = [named.get(id(p), f"number {i} of shape {p.shape}") for i, p in enumerate(trained) if p.grad is None]
        if missing and len(missing) == len(trained):
            raise ValueError("fit: no parameter of the optimizer got a gradient; was it made for another model, or before the "
                             "model's parameters were replaced?")
        if missing:
            warnings.warn(f"fit: no gradient reached the parameters {listed(missing)}; they are not trained: are they used, and "
                          f"is nothing detached between them and the loss?", UserWarning, stacklevel=2)

    def fault(self, what: str, forward: Any, inputs: Any) -> NonFiniteError:
        """The error for numbers that are not finite, after the model was brought back to a good state."""
        epoch, step = self.epoch, self.within + (forward is not None or self.clip_norm is not None)
        now = self.weights()
        with random.rewound(random.state()):
            layer, why = first_fault(self.model, self.parameters(), forward, inputs)
        self.set_weights(now)                  # running the model again may have changed buffers
        if finite(self.tensors().values()):
            left = f"the model is as after step {self.step} of the optimizer"
        else:
            assert self.kept is not None
            with self.interrupts.hold():
                self.kept.put_back(self)
            left = f"model and optimizer were set back to the beginning of epoch {self.kept.epoch + 1}"
        error = NonFiniteError(f"fit: {what} epoch {epoch}, step {step}: {why}; {left}")
        error.epoch, error.step, error.layer = epoch, step, layer
        return error

    # -- validation
    def validate(self) -> dict[str, float]:
        """The same means over the validation data, in the model's other mode and without recording."""
        means = Means(self.measures)
        self.mode(False)
        with no_grad():
            for (inputs, targets, weights, samples, weight), in grouped(self.validation, 1, self.weighted):
                prediction, value = self.forward(inputs, targets, weights)
                if not isinstance(value, Tensor) or value.size != 1:
                    raise refused(value)
                number = value.item()
                means.add(number if self.summed else number * weight, samples if self.summed else weight, samples, prediction,
                          targets)
        if not means.samples:
            raise ValueError(f"fit: validation gave no batches in epoch {self.epoch}; it must give them anew each time it is iterated")
        return means.result()


class Means:
    """Sums over batches of the loss and the metrics."""

    def __init__(self, measures: dict[str, Callable[[Any, Any], Any]]) -> None:
        self.measures = measures
        self.loss = self.weight = self.samples = 0.0
        self.sums = dict.fromkeys(measures, 0.0)

    def add(self, loss: float, weight: float, samples: float, prediction: Any, targets: Any) -> None:
        self.loss += loss
        self.weight += weight
        self.samples += samples
        if self.measures:
            shown = prediction.detach() if isinstance(prediction, Tensor) else prediction
            for name, measure in self.measures.items():
                self.sums[name] += float(measure(shown, targets)) * samples

    def result(self) -> dict[str, float]:
        return {"loss": self.loss / self.weight if self.weight else math.nan,
                **{name: value / self.samples if self.samples else math.nan for name, value in self.sums.items()}}


class Kept:
    """Copies of weights and optimizer's state at the beginning of an epoch."""

    def __init__(self, run: Run) -> None:
        self.step, self.epoch = run.step, run.epoch
        self.weights, self.state = run.weights(), run.optimizer.state_dict()

    def put_back(self, run: Run) -> None:
        run.set_weights(self.weights)
        run.optimizer.load_state_dict(self.state)
        run.step = self.step


class Interrupts:
    """Ctrl-C, but while `held` it waits: a step of the optimizer is made as a whole or not at all."""

    def __init__(self) -> None:
        self.held = False
        self.pending: tuple[int, FrameType | None] | None = None
        self.previous: Any = None

    def __enter__(self) -> None:
        self.previous = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(self.previous):
            self.previous = None               # no signals arrive here, or the program ignores this one
        else:
            signal.signal(signal.SIGINT, self.arrived)

    def arrived(self, number: int, frame: FrameType | None) -> None:
        if self.held:
            self.pending = number, frame
        else:
            self.previous(number, frame)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing of this block is left out."""
        before, self.held = self.held, True
        try:
            yield
        finally:
            self.held = before
            if not before:
                self.deliver()

    def deliver(self) -> None:
        if self.pending is not None:
            arguments, self.pending = self.pending, None
            self.previous(*arguments)

    def __exit__(self, *error: object) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
        self.deliver()


def grouped(data: Iterable[Any], count: int, weighted: bool) -> Iterator[list[Any]]:
    """Lists of `count` batches, the last one perhaps shorter, each batch as its parts."""
    group = []
    for batch in data:
        group.append(parts(batch, weighted))
        if len(group) == count:
            yield group
            group = []
    if group:
        yield group


def refused(value: Any) -> Exception:
    if not isinstance(value, Tensor):
        return TypeError(f"fit: the loss must give a Tensor, got {type(value).__name__}")
    return ValueError(f"fit: the loss must give one number, got shape {value.shape}; use reduction='mean' or 'sum'")


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of this name, or takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True                            # compiled, without a signature: it will say so itself
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def has(callback: Callback, method: str) -> bool:
    """Whether a callback defines a method itself."""
    return method in vars(callback) or getattr(type(callback), method) is not getattr(Callback, method)
