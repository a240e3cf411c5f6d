"""Rprop.  Next: lbfgs.py."""
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .._core.primitives.optimizer import Stepper
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, Parameters


class Rprop(Optimizer):
    """Resilient propagation (Riedmiller and Braun, 1993), for the gradients of full batches, of which it takes the signs::

        s := s * (etas[1] if g and the gradient before have one sign, etas[0] if they have not, 1 if one is 0)
        s := s, but within step_sizes
        g := 0 where the sign has changed
        p := p - sign(g) * s

    with g as in `Optimizer`; s starts as lr.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1
        See `Optimizer`.
    etas : (float, float)
        What a step shrinks and grows by: 0 < etas[0] < 1 < etas[1].
    step_sizes : (float, float)
        The least and the largest step.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.Rprop([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p.item()
    0.5
    """

    STATE: ClassVar = {"step": 0, "prev": None, "step_size": None}

    def __init__(self, params: Parameters, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, maximize: bool = False, weight_decay: float = 0,
                 l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize, weight_decay=weight_decay, l1=l1))

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if len(group["etas"]) != 2 or not 0 < group["etas"][0] < 1 < group["etas"][1]:
            raise ValueError(f"Rprop: etas must be two numbers, 0 < etas[0] < 1 < etas[1], got {group['etas']}")
        if len(group["step_sizes"]) != 2 or not 0 <= group["step_sizes"][0] <= group["step_sizes"][1]:
            raise ValueError(f"Rprop: step_sizes must be two numbers, 0 <= least <= largest, got {group['step_sizes']}")

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        (before, size), (down, up) = arrays, o["etas"]
        same = np.sign(g * before)
        np.clip(size * np.select([same > 0, same < 0], [up, down], 1), *o["step_sizes"], out=size)
        before[...] = np.where(same < 0, 0, g)
        p -= np.sign(before) * size

    update = Stepper("Rprop", ("etas", "step_sizes"), STATE, _formula, start={"step_size": "lr"}).step
