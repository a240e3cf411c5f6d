"""Adagrad and Adadelta: every parameter's own rate, from the squares of its gradients.  Next: rmsprop.py."""
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .._core.primitives.optimizer import Stepper
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, Parameters


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011)::

        s := s + g^2
        p := p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)

    in step t, with g as in `Optimizer`.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1
        See `Optimizer`.
    lr_decay : float
    initial_accumulator_value : float
        What s starts from.
    eps : float

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.Adagrad([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.5
    """

    STATE: ClassVar = {"step": 0, "sum": None}

    def __init__(self, params: Parameters, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, *, maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value,
            eps=eps, maximize=maximize, l1=l1))

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        squares, = arrays
        squares += g * g
        p -= o["lr"] / (1 + (t - 1) * o["lr_decay"]) * g / (np.sqrt(squares) + o["eps"])

    update = Stepper("Adagrad", ("lr_decay", "eps"), STATE, _formula, start={"sum": "initial_accumulator_value"}).step


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012)::

        v := rho v + (1 - rho) g^2
        d := sqrt((u + eps) / (v + eps)) g
        u := rho u + (1 - rho) d^2
        p := p - lr d

    with g as in `Optimizer`.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1
        See `Optimizer`.
    rho : float
        How much of the running means is kept in a step, in [0, 1].
    eps : float

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.Adadelta([p], rho=0.75, eps=1e-4)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.980001
    """

    STATE: ClassVar = {"step": 0, "square_avg": None, "acc_delta": None}

    def __init__(self, params: Parameters, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0, *,
                 maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, l1=l1))

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {group['rho']}")

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        (squares, moved), rho, eps = arrays, o["rho"], o["eps"]
        squares[...] = rho * squares + (1 - rho) * g * g
        d = np.sqrt((moved + eps) / (squares + eps)) * g
        moved[...] = rho * moved + (1 - rho) * d * d
        p -= o["lr"] * d

    update = Stepper("Adadelta", ("rho", "eps"), STATE, _formula).step
