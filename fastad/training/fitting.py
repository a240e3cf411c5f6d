"""fit: what it takes, checked, and made into a `Run`.  Imports the other files of this folder.  Next: loop.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .. import random
from .batches import batches_of, for_evaluation, split
from .callbacks import Callback, Converged, Function, Schedule
from .checkpoints import Checkpoint, read, restore
from .loop import Run
from .metrics import by_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._core.tensor import Tensor
    from .._typing import Generator, Metrics
    from ..optim import Optimizer
    from .history import History


def fit(model: Any, loss: Callable[..., Tensor], optimizer: Optimizer, data: Any, epochs: int, *,
        batch_size: int | None = 32, shuffle: bool = True, generator: Generator = None,
        validation: Any = None, metrics: Metrics | None = None, scheduler: Any = None,
        callbacks: Sequence[Callback | Callable[[Run], object]] = (), clip_norm: float | None = None,
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
        layer.  The model is as after the last step if all its numbers are finite then; else it and the optimizer are set
        back to the beginning of an epoch, which the message names.
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
    `interrupted` set.  The modes (training or not) of all modules are in the end what they were.  Means over several
    batches, and the gradient of accumulated ones, weigh each by its samples, or its weights; a loss that leaves samples out
    of its mean (ignore_index) or weighs classes is no such mean, and they are approximate then.

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
        raise TypeError(f"fit: expected a model, a loss and an optimizer, got {type(model).__name__}, {type(loss).__name__} "
                        f"and {type(optimizer).__name__}; the order is fit(model, loss, optimizer, data, epochs)")
    run = Run(model, loss, optimizer, epochs)
    run.measures, run.clip_norm, run.clip_value, run.accumulate = by_name(metrics), clip_norm, clip_value, accumulate
    schedulers = [] if scheduler is None else scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]
    if isinstance(callbacks, (str, Callback)) or not hasattr(callbacks, "__iter__"):
        raise TypeError(f"fit: callbacks must be a list, got {type(callbacks).__name__}")
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
