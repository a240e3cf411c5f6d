"""Adam and AdamW: one step function, which differs in how the weights decay."""
from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.primitives.optimizer import adam_step
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Parameters


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014): steps scaled by running means of the gradient and of its square.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts (see `Optimizer`)
    lr : float
    betas : (float, float)
        How much of the two running means is kept in a step, in [0, 1).
    eps : float
    weight_decay : float
        L2 regularisation: weight_decay * p is added to the gradient.
    amsgrad : bool
        Divide by the largest mean square so far (Reddi, Kale and Kumar, 2018).
    maximize : bool
        Climb instead.
    decoupled_weight_decay : bool
        Weight decay as in `AdamW`.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.Adam([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.5
    """

    STATE = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    update = staticmethod(adam_step)

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False,
                 decoupled_weight_decay: bool = False) -> None:
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay))

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        if len(group["betas"]) != 2 or not all(0 <= b < 1 for b in group["betas"]):
            raise ValueError(f"{type(self).__name__}: betas must be two numbers in [0, 1), "
                             f"got {group['betas']}")


class AdamW(Adam):
    """Adam with decoupled weight decay: p := p (1 - lr * weight_decay) in each step.

    Source: Loshchilov and Hutter, 2017.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.AdamW([p], lr=0.5, weight_decay=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.45
    """

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
                         decoupled_weight_decay=True)
