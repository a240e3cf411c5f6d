"""Adam and its kin: AdamW, NAdam, RAdam, Adamax.  Next: adagrad.py.

All keep running means of the gradient, m, and of its square, v::

    m := beta1 m + (1 - beta1) g
    v := beta2 v + (1 - beta2) g^2

which start at 0; after t steps the weights of what they hold add up to 1 - beta^t.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .._core.primitives.optimizer import Stepper
from .optimizer import Optimizer

if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, Parameters

MEANS = {"step": 0, "exp_avg": None, "exp_avg_sq": None}


def moments(g: Arrays, m: Arrays, v: Arrays, betas: tuple[float, float]) -> None:
    """m and v, in place."""
    beta1, beta2 = betas
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014): steps scaled by running means of the gradient and of its square::

        m := beta1 m + (1 - beta1) g
        v := beta2 v + (1 - beta2) g^2
        p := p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    in step t, with g as in `Optimizer`.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1, decoupled_weight_decay
        See `Optimizer`.
    betas : (float, float)
        How much of the two running means is kept in a step, in [0, 1).
    eps : float
    amsgrad : bool
        Divide by the largest v so far (Reddi, Kale and Kumar, 2018).

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

    STATE: ClassVar = {**MEANS, "max_exp_avg_sq": None}

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False,
                 decoupled_weight_decay: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay, l1=l1))

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        (beta1, beta2), (m, v, top) = o["betas"], arrays
        moments(g, m, v, o["betas"])
        if top is not None:
            v = np.maximum(top, v, out=top)
        p -= o["lr"] / (1 - beta1**t) * m / (np.sqrt(v) / (1 - beta2**t) ** 0.5 + o["eps"])

    update = Stepper("Adam", ("betas", "eps", "decoupled_weight_decay"), STATE, _formula,
                     only_if={"max_exp_avg_sq": "amsgrad"}).step


class AdamW(Adam):
    """Adam with decoupled weight decay: p := p (1 - lr * weight_decay) before each step.

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
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
                         decoupled_weight_decay=True, l1=l1)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016)::

        mu_t := beta1 (1 - 0.96^(t momentum_decay) / 2),  M_t := mu_1 mu_2 ... mu_t
        m := beta1 m + (1 - beta1) g
        v := beta2 v + (1 - beta2) g^2
        p := p - lr ((1 - mu_t) / (1 - M_t) g + mu_{t+1} / (1 - M_{t+1}) m) / (sqrt(v / (1 - beta2^t)) + eps)

    in step t, with g as in `Optimizer`.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1, decoupled_weight_decay
        See `Optimizer`.
    betas : (float, float)
        How much of the two running means is kept in a step, in [0, 1).
    eps, momentum_decay : float

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.NAdam([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> 0.4 < p.item() < 0.5
    True
    """

    STATE: ClassVar = {**MEANS, "mu_product": 1.0}

    def __init__(self, params: Parameters, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
                 maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay, maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay, l1=l1))

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, product: float) -> float:
        (beta1, beta2), (m, v) = o["betas"], arrays
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (s * o["momentum_decay"])) for s in (t, t + 1))
        product *= mu
        moments(g, m, v, o["betas"])
        fresh, rate = o["lr"] * (1 - mu) / (1 - product), o["lr"] * following / (1 - product * following)
        p -= (fresh * g + rate * m) / (np.sqrt(v) / (1 - beta2**t) ** 0.5 + o["eps"])
        return product

    update = Stepper("NAdam", ("betas", "eps", "decoupled_weight_decay", "momentum_decay"), STATE, _formula).step


class RAdam(Optimizer):
    """Adam that does not divide by v before v is known well enough (Liu et al., 2019)::

        m := beta1 m + (1 - beta1) g
        v := beta2 v + (1 - beta2) g^2
        r := 2 / (1 - beta2) - 1,  s := r - 2 t beta2^t / (1 - beta2^t)
        p := p - lr m / (1 - beta1^t) * sqrt((s - 4) (s - 2) r / ((r - 4) (r - 2) s)) * sqrt(1 - beta2^t) / (sqrt(v) + eps)

    in step t, with g as in `Optimizer`; without the last two factors while s <= 5.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1, decoupled_weight_decay
        See `Optimizer`.
    betas : (float, float)
        How much of the two running means is kept in a step, in [0, 1).
    eps : float

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.RAdam([p], lr=0.25)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.5
    """

    STATE: ClassVar = MEANS

    def __init__(self, params: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, decoupled_weight_decay: bool = False, *, maximize: bool = False,
                 l1: float = 0) -> None:
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay, l1=l1))

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        (beta1, beta2), (m, v) = o["betas"], arrays
        moments(g, m, v, o["betas"])
        rate = o["lr"] / (1 - beta1**t)
        r, part2 = 2 / (1 - beta2) - 1, 1 - beta2**t
        s = r - 2 * t * (1 - part2) / part2
        if s > 5:
            rate *= ((s - 4) * (s - 2) * r / ((r - 4) * (r - 2) * s) * part2) ** 0.5
            m = m / (np.sqrt(v) + o["eps"])
        p -= rate * m

    update = Stepper("RAdam", ("betas", "eps", "decoupled_weight_decay"), STATE, _formula).step


class Adamax(Optimizer):
    """Adam with a running maximum in place of the mean square (Kingma and Ba, 2014, section 7.1)::

        m := beta1 m + (1 - beta1) g
        u := max(beta2 u, |g| + eps)
        p := p - lr / (1 - beta1^t) * m / u

    in step t, with g as in `Optimizer`.

    Parameters
    ----------
    params, lr, weight_decay, maximize, l1
        See `Optimizer`.
    betas : (float, float)
        How much of the mean and of the maximum is kept in a step, in [0, 1).
    eps : float

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.Adamax([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 6)
    0.5
    """

    STATE: ClassVar = {"step": 0, "exp_avg": None, "exp_inf": None}

    def __init__(self, params: Parameters, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, *, maximize: bool = False, l1: float = 0) -> None:
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, l1=l1))

    @staticmethod
    def _formula(p: Arrays, g: Arrays, arrays: list[Any], o: dict[str, Any], t: float, kept: float) -> None:
        (beta1, beta2), (m, top) = o["betas"], arrays
        m[...] = beta1 * m + (1 - beta1) * g
        np.maximum(beta2 * top, np.abs(g) + o["eps"], out=top)
        p -= o["lr"] / (1 - beta1**t) * m / top

    update = Stepper("Adamax", ("betas", "eps"), STATE, _formula).step
