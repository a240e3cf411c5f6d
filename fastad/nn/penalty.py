"""Penalties on parameters, as terms of a loss; optimizers know the same as options.  Next: ../optim."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import abs as magnitude
from .. import square, zeros
from .._core.tensor import Tensor
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _total(name: str, parameters: Module | Tensor | Iterable[Tensor], term: Callable[[Tensor], Tensor]) -> Tensor:
    if isinstance(parameters, Module):
        parameters = parameters.parameters()
    if isinstance(parameters, Mapping):
        raise TypeError(f"{name}: expected a module or tensors, got {type(parameters).__name__}; pass its values()")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for k, p in enumerate(given):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: expected a module or tensors, got {type(p).__name__} at place {k}")
    found = [term(p).sum() for p in given]
    return sum(found[1:], found[0]) if found else zeros(())


def l1_penalty(parameters: Module | Tensor | Iterable[Tensor], alpha: float = 1.0) -> Tensor:
    """alpha sum of abs(w), over all numbers of a module's parameters, or of tensors; the derivative is alpha sign(w).

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.l1_penalty(fastad.tensor([3.0, -4.0]), 0.5).item()
    3.5
    """
    return _total("l1_penalty", parameters, magnitude) * alpha


def l2_penalty(parameters: Module | Tensor | Iterable[Tensor], alpha: float = 1.0) -> Tensor:
    """alpha sum of w^2; the derivative is 2 alpha w, which under SGD is a weight_decay of 2 alpha.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.l2_penalty([fastad.tensor([3.0]), fastad.tensor([-4.0])], 0.5).item()
    12.5
    """
    return _total("l2_penalty", parameters, square) * alpha


def elastic_net_penalty(parameters: Module | Tensor | Iterable[Tensor], beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """alpha sum of (beta w^2 + abs(w)).  Source: Zou and Hastie, 2005.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.functional.elastic_net_penalty(fastad.tensor([3.0, -4.0]), beta=0.1).item()
    9.5
    """
    return _total("elastic_net_penalty", parameters, lambda w: beta * square(w) + magnitude(w)) * alpha
