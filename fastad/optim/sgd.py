"""SGD.  Next: adam.py."""
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .._core.primitives.optimizer import Stepper
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, Parameters


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as PyTorch has it::

        b := momentum * b + (1 - dampening) * g         (the first time: g)
        p := p - lr * b                                 (nesterov: p - lr * (g + momentum * b))

    with g as in `Optimizer`.  Source: Polyak, 1964; Nesterov's form: Sutskever et al., 2013.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1
        See `Optimizer`.
    momentum, dampening : float
    nesterov : bool
        Needs a momentum and no dampening.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.SGD([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p.detach()
    tensor([0.8])
    """

    STATE: ClassVar = {"momentum_buffer": None}

    def __init__(self, params: Parameters, lr: float = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=maximize, l1=l1))

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(f"SGD: nesterov needs a momentum above 0 and no dampening, got "
                             f"momentum={group['momentum']} and dampening={group['dampening']}")

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        buffer, = arrays
        if buffer is not None:
            buffer[...] = g if t == 1 else o["momentum"] * buffer + (1 - o["dampening"]) * g
            g = g + o["momentum"] * buffer if o["nesterov"] else buffer
        p -= o["lr"] * g

    update = Stepper("SGD", ("momentum", "dampening", "nesterov"), STATE, _formula,
                     only_if={"momentum_buffer": "momentum"}).step
