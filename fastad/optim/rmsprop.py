"""RMSprop.  Next: rprop.py."""
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .._core.primitives.optimizer import Stepper
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, Parameters


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012; centred: Graves, 2013)::

        v := alpha v + (1 - alpha) g^2
        m := alpha m + (1 - alpha) g                    (0 unless centered)
        d := g / (sqrt(v - m^2) + eps)
        b := momentum * b + d                           (d without momentum)
        p := p - lr * b

    with g as in `Optimizer`.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1
        See `Optimizer`.
    alpha : float
        How much of the running means is kept in a step, in [0, 1].
    eps, momentum : float
    centered : bool
        Divide by the gradient's standard deviation.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.RMSprop([p], lr=0.25, alpha=0.75)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.5
    """

    STATE: ClassVar = {"step": 0, "square_avg": None, "momentum_buffer": None, "grad_avg": None}

    def __init__(self, params: Parameters, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered: bool = False, *, maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered, maximize=maximize,
            l1=l1))

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if not 0 <= group["alpha"] <= 1:
            raise ValueError(f"RMSprop: alpha must be in [0, 1], got {group['alpha']}")

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        (squares, buffer, mean), alpha = arrays, o["alpha"]
        squares[...] = alpha * squares + (1 - alpha) * g * g
        spread = squares
        if mean is not None:
            mean[...] = alpha * mean + (1 - alpha) * g
            spread = np.maximum(squares - mean * mean, 0)     # rounding may take it below 0
        d = g / (np.sqrt(spread) + o["eps"])
        if buffer is not None:
            d = buffer[...] = o["momentum"] * buffer + d
        p -= o["lr"] * d

    update = Stepper("RMSprop", ("alpha", "eps", "momentum"), STATE, _formula,
                     only_if={"momentum_buffer": "momentum", "grad_avg": "centered"}).step
