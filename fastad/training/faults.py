"""What `fit` says when a loss is not finite: in which layer it began.  Imports nn.  Next: loop.py."""
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .._core.tensor import Tensor
from ..nn import Module
from ..nn.utils.clip_grad import _largest as largest
from ..recording import no_grad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a parameter became NaN or infinite, and `fit` stopped.

    Attributes
    ----------
    epoch, step : int
        Counted from 1; `step` within the epoch.
    layer : str or None
        The name of the first module, in the order in which they ran, whose output or parameter is not finite.

    Examples
    --------
    >>> import numpy, fastad
    >>> from fastad.training import NonFiniteError, fit
    >>> model = fastad.nn.Sequential(fastad.nn.Linear(1, 1))
    >>> optimizer = fastad.optim.SGD(model.parameters(), lr=1e38)
    >>> data = numpy.ones((8, 1), "float32"), numpy.full((8, 1), 9, "float32")
    >>> try:
    ...     fit(model, fastad.nn.MSELoss(), optimizer, data, epochs=10)
    ... except NonFiniteError as error:
    ...     print(error.layer)
    0
    """

    epoch: int
    step: int
    layer: str | None


def finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all numbers of all tensors are; one compiled pass."""
    return bool(np.isfinite(largest([t.detach() for t in tensors if t.dtype.kind in "fc" and t.size])))


def first_fault(model: Any, parameters: list[Tensor], forward: Callable[[], tuple[Any, Tensor]] | None,
                inputs: Any) -> tuple[str | None, str]:
    """(the layer, what is wrong with it).  Where parameters and gradients are finite the batch is run once more."""
    named: list[tuple[str, Tensor]] = [(f"number {i}", p) for i, p in enumerate(parameters)]
    buffers: list[tuple[str, Tensor]] = []
    if isinstance(model, Module):
        named, buffers = list(model.named_parameters()), list(model.named_buffers())
    for members, what in ((named, "parameters"), ([(n, p.grad) for n, p in named if p.grad is not None], "gradients of")):
        wrong = [name for name, t in members if not finite([t])]
        if wrong:                              # the backward pass reaches the last layer first
            layer = wrong[-1].rpartition(".")[0] if isinstance(model, Module) else None
            nearest = "" if layer is None else f" (nearest to the loss: layer {layer!r})"
            return layer, (f"the {what} {listed(wrong)} are not finite{nearest}; a smaller learning rate or clip_norm may "
                           f"help, and fastad.detect_anomaly() finds the operation")
    if forward is None:
        wrong = [name for name, t in buffers if not finite([t])]
        return wrong[0].rpartition(".")[0] if wrong else None, f"the buffers {listed(wrong)} are not finite"
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    bad = "" if finite(x for x in given if isinstance(x, Tensor)) else "the inputs of this batch are not finite; "
    seen: list[tuple[str, str]] = []
    with no_grad():
        if isinstance(model, Module):
            hooks = [module.register_forward_hook(partial(_note, seen, name, type(module).__name__))
                     for name, module in model.named_modules()]
            try:
                prediction, loss = forward()
            finally:
                for hook in hooks:
                    hook.remove()
        else:
            prediction, loss = forward()
    if seen:
        name, kind = seen[0]
        which = f"layer {name!r}" if name else "the model"
        return name, f"{bad}the first output that is not finite is that of {which} ({kind})"
    if not finite(_tensors(prediction)):
        return None, f"{bad}the model's output is not finite"
    if not finite([loss]):
        return None, f"{bad}the model's output is finite: the loss overflows, is undefined there, or its targets are not"
    return None, f"{bad}run again on the same batch, with other random numbers, the loss is finite"


def listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _note(seen: list[tuple[str, str]], name: str, kind: str, module: Module, inputs: Any, out: Any) -> None:
    """A hook of a module: it has run."""
    if not seen and not finite(_tensors(out)):
        seen.append((name, kind))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _tensors(v)
