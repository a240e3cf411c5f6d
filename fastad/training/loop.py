"""Run: epochs of steps, validation, and what remains when something goes wrong.  Imports the other files of this folder."""
from __future__ import annotations

import inspect
import math
import sys
import warnings
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .. import random
from .._core.tensor import Tensor
from ..nn import Module
from ..nn.utils import clip_grad_norm_, clip_grad_value_
from ..optim import LBFGS
from ..recording import no_grad
from .batches import grouped
from .callbacks import Callback, needs_argument
from .faults import NonFiniteError, finite, first_fault, listed
from .history import History
from .interrupts import Interrupts
from .metrics import Means
from .progress import Silent, progress_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .._typing import Metric

KEPT = 200                                     # steps at least between two copies of the weights, to go back to


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
    within : int
        How many of them in the epoch that is under way; 0 between two epochs.
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
    >>> optimizer = fastad.optim.SGD([w], lr=0.25)
    >>> _ = fit(lambda x: x * w, fastad.nn.MSELoss(), optimizer, data, 2, batch_size=None, callbacks=[tell])
    1 1 1.0
    2 2 0.25
    """

    def __init__(self, model: Any, loss: Any, optimizer: Any, epochs: int) -> None:
        self.model, self.loss, self.optimizer, self.epochs = model, loss, optimizer, epochs
        self.history, self.epoch, self.step, self.within = History(), 0, 0, 0
        self.logs: dict[str, float] = {}
        self.measures: dict[str, Metric] = {}
        self.callbacks: list[Callback] = []
        self.clip_norm: float | None = None
        self.clip_value: float | None = None
        self.accumulate = 1
        self.data: Any = ()
        self.validation: Any = None
        self.held_back: Any = None
        self.generator: np.random.Generator | None = None
        self.interrupts = Interrupts()
        self.means, self.rate, self.began = Means({}), 0.0, 0.0        # of the epoch that is under way
        function = loss.forward if isinstance(loss, Module) else loss
        self.weighted = takes(function, "sample_weight")
        self.summed = "sum" in (getattr(loss, "reduction", None), getattr(loss, "keywords", {}).get("reduction"))
        self.closure = isinstance(optimizer, LBFGS) or needs_argument(optimizer.step)

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

    def others(self) -> dict[str, Tensor]:
        """The optimizer's parameters that are none of the model's: those of a plain function, or of a loss."""
        own = {id(p) for p in self.model.parameters()} if isinstance(self.model, Module) else set()
        return {f"parameter.{i}": p.detach() for i, p in enumerate(self.parameters()) if id(p) not in own}

    def tensors(self) -> dict[str, Tensor]:
        """All that training changes, by name: parameters and buffers of the model, and other parameters of the optimizer."""
        return {**(self.model.state_dict() if isinstance(self.model, Module) else {}), **self.others()}

    def weights(self) -> dict[str, Any]:
        """A copy of their numbers."""
        return {name: t.numpy().copy() for name, t in self.tensors().items()}

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Put such a copy back; RuntimeError, and no change, if names or shapes differ."""
        others = self.others()
        wrong = [name for name, t in others.items() if name not in weights or np.shape(weights[name]) != t.shape]
        if wrong:
            raise RuntimeError(f"the weights have no {listed(wrong)} of the shape that the optimizer's parameter has")
        with self.interrupts.hold():
            if isinstance(self.model, Module):
                self.model.load_state_dict({name: w for name, w in weights.items() if name not in others})
            for name, tensor in others.items():
                tensor.copy_(weights[name])

    # -- the whole
    def train(self, progress: bool | str | None) -> None:
        """All epochs; the modes of the modules, and what Ctrl-C does, are in the end as before."""
        modes = [(m, m.training) for m in self.modules()]
        steps = -(-len(self.data) // self.accumulate) if hasattr(self.data, "__len__") else None
        self.shown: Silent = progress_for(progress, self.epochs, steps, self.step)
        self.after_step = [c.on_step_end for c in self.callbacks if has(c, "on_step_end")]
        if self.shown.per_step:
            self.after_step.append(self.shown.step)
        self.kept: Kept | None = None
        try:
            with self.interrupts:
                self.tell("on_train_begin")
                while self.within or (self.epoch < self.epochs and self.history.stopped is None):
                    self.run_epoch()
                self.tell("on_train_end")
        except KeyboardInterrupt:
            self.history.interrupted = True
            self.history.stopped = (f"interrupted by Ctrl-C in epoch {self.epoch}; the model is as after step {self.step} "
                                    f"of the optimizer")
            self.shown.close()
            if sys.stderr is not None:
                print(f"fit: {self.history.stopped}", file=sys.stderr, flush=True)
        finally:
            self.shown.close()
            for module, mode in modes:
                module.training = mode

    def tell(self, event: str) -> None:
        """Call a method of every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def run_epoch(self) -> None:
        """Steps over all batches, or those that are left; validation, a row of the history, callbacks."""
        if self.kept is None or self.step - self.kept.step >= KEPT:
            self.kept = Kept(self)
        if not self.within:
            self.epoch, self.began, self.means = self.epoch + 1, perf_counter(), Means(self.measures)
            self.tell("on_epoch_begin")        # which may set the rate
            self.rate = float(self.optimizer.param_groups[0]["lr"])
        self.mode(True)
        number = self.within + 1
        try:
            for group in grouped(self.left(), self.accumulate, self.weighted):
                self.make_step(group)
                for function in self.after_step:
                    function(self)
                number += 1
        except (KeyboardInterrupt, NonFiniteError):
            raise
        except Exception as error:
            error.add_note(f"in epoch {self.epoch}, step {number} of fastad.training.fit")
            raise
        if not self.within:
            raise ValueError(f"fit: the data gave no batches in epoch {self.epoch}; it must give them anew each time it is "
                             f"iterated, which a generator does not, and a DataLoader with drop_last needs a full batch")
        if not finite(self.tensors().values()):
            raise self.fault("the parameters or buffers are not finite at the end of", None, None)
        self.logs = self.means.result()
        if self.validation is not None:
            self.logs |= {f"val_{name}": value for name, value in self.validate().items()}
        self.logs["lr"] = self.rate
        self.history.append(self.logs, perf_counter() - self.began)
        self.within = 0
        self.shown.epoch(self)
        self.tell("on_epoch_end")

    def left(self) -> Iterable[Any]:
        """The batches of this epoch; where it was resumed, those that are left, which a loader knows itself."""
        known = not self.within or hasattr(self.data, "load_state_dict")
        return self.data if known else islice(self.data, self.within * self.accumulate, None)

    def mode(self, training: bool) -> None:
        """Training or not, of the model and a loss that is a module."""
        for top in (self.model, self.loss):
            if isinstance(top, Module):
                top.train(training)

    # -- a step
    def forward(self, inputs: Any, targets: Any, weights: Any) -> tuple[Any, Tensor]:
        """(prediction, loss) of a batch."""
        prediction = self.model(*inputs) if type(inputs) is tuple else self.model(inputs)
        value = self.loss(prediction, targets) if weights is None else self.loss(prediction, targets, sample_weight=weights)
        return prediction, value

    def make_step(self, group: list[Any]) -> None:
        """Gradients of a group of batches, and a step of the optimizer."""
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

    def step_by_closure(self, group: list[Any]) -> None:
        """A step of an optimizer that asks for the loss several times; the first is the one that counts."""
        asked: list[None] = []

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
            number = number_of(value)
            if counts and not math.isfinite(number):
                raise self.fault(f"the loss is {number} in", lambda: self.forward(inputs, targets, weights), inputs)  # noqa: B023
            if whole and not self.summed:
                value = value * (weight / whole)
            value.backward()
            if counts:                         # now that a metric that writes into the prediction changes no gradient
                self.means.add(number if self.summed else number * weight, samples if self.summed else weight, samples,
                               prediction, targets)
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
            raise ValueError("fit: no parameter of the optimizer got a gradient; was it made for another model, or before "
                             "the model's parameters were replaced?")
        if missing:
            warnings.warn(f"fit: no gradient reached the parameters {listed(missing)}; they are not trained: are they used, "
                          f"and is nothing detached between them and the loss?", UserWarning, stacklevel=2)

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
            left = f"model and optimizer were set back to {self.kept.where}"
        error = NonFiniteError(f"fit: {what} epoch {epoch}, step {step}: {why}; {left}")
        error.epoch, error.step, error.layer = epoch, step, layer
        return error

    # -- validation
    def validate(self) -> dict[str, float]:
        """The same means over the validation data, in the model's other mode and without recording."""
        means = Means(self.measures)
        self.mode(False)
        try:
            with no_grad():
                for (inputs, targets, weights, samples, weight), in grouped(self.validation, 1, self.weighted):
                    prediction, value = self.forward(inputs, targets, weights)
                    number = number_of(value)
                    means.add(number if self.summed else number * weight, samples if self.summed else weight, samples,
                              prediction, targets)
        except Exception as error:
            error.add_note(f"in the validation after epoch {self.epoch} of fastad.training.fit")
            raise
        if not means.samples:
            raise ValueError(f"fit: validation gave no batches in epoch {self.epoch}; it must give them anew each time")
        return means.result()


class Kept:
    """Copies of weights and optimizer's state at the beginning of an epoch, or where one was resumed."""

    def __init__(self, run: Run) -> None:
        self.step = run.step
        self.where = f"step {run.step}, where it was resumed" if run.within else f"the beginning of epoch {run.epoch + 1}"
        self.weights, self.state = run.weights(), run.optimizer.state_dict()

    def put_back(self, run: Run) -> None:
        run.set_weights(self.weights)
        run.optimizer.load_state_dict(self.state)
        run.step = self.step


def number_of(loss: Any) -> float:
    """Its one real number."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"fit: the loss must give a Tensor, got {type(loss).__name__}")
    if loss.size != 1:
        raise ValueError(f"fit: the loss must give one number, got shape {loss.shape}; use reduction='mean' or 'sum'")
    if loss.dtype.kind == "c":
        raise TypeError(f"fit: the loss must be real, got {loss.dtype}; take its .real, or the square of its abs()")
    return float(loss.item())


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
