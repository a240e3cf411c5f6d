"""Optimizer: what all of them share.  Next: sgd.py."""
from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, SupportsFloat, overload

import numpy as np

from .._core.make import is_differentiated, is_under_way, tensor
from .._core.primitives.optimizer import zero_grad
from .._core.tape import is_grad_enabled
from .._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._typing import Parameters, T

INITIAL = "initial_lr"          # what schedulers keep in a group


class Optimizer:
    """Base class: parameters in groups, each with its options.

    All optimizers but LBFGS have four options in common: `lr`, the learning rate, and::

        g := grad (-grad if maximize) + weight_decay * p + l1 * sign(p)

    the g of their formulas, with sign(0) = 0.  That is the gradient of loss + weight_decay / 2 * sum p^2 + l1 * sum |p|: a
    weight_decay of 2 alpha stands for a term alpha ||p||^2 of the loss, and both options together are an elastic net,
    beta ||p||^2 + alpha ||p||_1 with weight_decay = 2 beta and l1 = alpha.  Subgradients of |p| leave a parameter within
    about lr * l1 of 0, seldom at 0.  Where an optimizer has `decoupled_weight_decay`, and it is on, the weights decay beside
    the formula, p := p (1 - lr * weight_decay), and g is without them (Loshchilov and Hutter, 2017); l1 stays part of g.

    A subclass gives `defaults`; in `STATE` the lists that a group's state consists of, one entry a parameter, with the first
    value of an entry: None for an array; and `update`, a step of all groups.  `_state` holds a dict of such lists a group.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts {'params': ..., option: value}
    defaults : dict
        Options of the groups that do not set their own.

    Raises
    ------
    ValueError
        If there are no parameters, one appears twice, or an option is unknown or out of range.
    TypeError
        If a parameter is not a leaf that can require a gradient.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([1.0], requires_grad=True)
    >>> optimizer = fastad.optim.SGD([{"params": [p], "lr": 0.25}], lr=1.0)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p.item()
    0.5
    """

    STATE: ClassVar[dict[str, Any]] = {}
    NOT_NEGATIVE = frozenset(("lr", "momentum", "weight_decay", "l1", "eps", "lr_decay", "initial_accumulator_value",
                              "momentum_decay"))

    def __init__(self, params: Parameters, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._state: list[dict[str, list[Any]]] = []
        if isinstance(params, Tensor):
            raise TypeError(f"{type(self).__name__}: params must be an iterable of tensors, got one Tensor; pass [tensor]")
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: no parameters")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range; a subclass adds its own."""
        for name, value in group.items():
            if name in self.NOT_NEGATIVE and not (isinstance(value, SupportsFloat) and value >= 0):  # type: ignore[operator]
                raise ValueError(f"{type(self).__name__}: {name} must be at least 0, got {value}")
        if "betas" in group and (len(group["betas"]) != 2 or not all(0 <= b < 1 for b in group["betas"])):
            raise ValueError(f"{type(self).__name__}: betas must be two numbers in [0, 1), got {group['betas']}")

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters with options of their own, e.g. those of a layer that is trained from now on."""
        name = type(self).__name__
        if "params" not in group:
            raise ValueError(f"{name}: a parameter group is a dict with the key 'params', got {list(group)}")
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        unknown = set(group) - {"params", INITIAL} - set(self.defaults)
        if unknown:
            raise ValueError(f"{name}: unknown option {', '.join(sorted(map(repr, unknown)))}; known: "
                             f"{', '.join(self.defaults)}")
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: parameter {i} must be a Tensor, got {type(p).__name__}")
            if p.grad_fn is not None:
                raise ValueError(f"{name}: parameter {i} of shape {p.shape} is the result of {p.grad_fn.name}, not a leaf")
            if id(p) in known:
                raise ValueError(f"{name}: parameter {i} of shape {p.shape} appears twice")
            known.add(id(p))
        group = {**{k: v for k, v in group.items() if k == INITIAL}, "params": params,
                 **{k: group.get(k, v) for k, v in self.defaults.items()}}
        self.check(group)
        self.param_groups.append(group)
        self._state.append(self._empty(len(params)))

    def _empty(self, n: int) -> dict[str, list[Any]]:
        """The state of n parameters before their first step."""
        return {key: [first] * n for key, first in self.STATE.items()}

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for group in self.param_groups:
            zero_grad(group["params"])

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], T]) -> T: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters by their gradients; returns closure(), the loss, if given.

        The step is not recorded.  Inside a transform, RuntimeError if a gradient depends on what that differentiates by,
        which would be lost; within ``no_grad()`` the step is taken as a constant."""
        loss = None if closure is None else closure()
        if is_under_way() and is_grad_enabled():
            self._refuse_differentiated()
        self.update(self.param_groups, self._state)
        return loss

    def _refuse_differentiated(self) -> None:
        if is_differentiated([p.grad for group in self.param_groups for p in group["params"]]):
            raise RuntimeError(f"{type(self).__name__}.step: a gradient depends on what a transform differentiates by, "
                               f"and steps have no derivative; write the step in fastad's functions, or take it as a "
                               f"constant under fastad.no_grad()")

    def update(self, groups: list[dict[str, Any]], states: list[dict[str, list[Any]]]) -> None:
        """One step of every group, each with its state; a subclass sets it to a compiled step."""
        raise NotImplementedError(f"{type(self).__name__} has no update method")

    # -- state
    def state_dict(self) -> dict[str, Any]:
        """{'state': {position: {name: ndarray or int}}, 'param_groups': [options; positions as 'params']}.

        Positions number the parameters through the groups, as PyTorch's do.  The arrays are copies."""
        state: dict[int, dict[str, Any]] = {}
        groups: list[dict[str, Any]] = []
        position = 0
        for group, lists in zip(self.param_groups, self._state, strict=True):
            positions = list(range(position, position + len(group["params"])))
            position += len(positions)
            groups.append({**group, "params": positions})
            for i, where in enumerate(positions):
                entry = {
                    key: values[i].numpy().copy() if isinstance(values[i], Tensor) else values[i]
                    for key, values in lists.items()
                    if values[i] is not None
                }
                if any(isinstance(v, np.ndarray) for v in entry.values()):
                    state[where] = entry
        return {"state": state, "param_groups": groups}

    def _parts(self, state_dict: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
        """(the groups, the state), which are lists and dicts."""
        try:
            groups, state = state_dict["param_groups"], state_dict["state"]
            lists, dicts = [g["params"] for g in groups], list(state.values())
            if not all(isinstance(v, list) for v in lists) or not all(isinstance(v, dict) for v in dicts):
                raise TypeError
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{type(self).__name__}: this is no state of an optimizer, which is a dict "
                             f"{{'state': {{position: {{name: value}}}}, 'param_groups': [options]}}") from None
        return groups, state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the state of another optimizer of the same class over parameters of the same shapes.

        Raises
        ------
        ValueError
            If groups, lengths, names or shapes do not match, or that is no such state; nothing has been changed then.
        """
        name = type(self).__name__
        groups, state = self._parts(state_dict)
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"{name}: the state has groups of {[len(g['params']) for g in groups]} parameters, this "
                             f"optimizer of {[len(g['params']) for g in self.param_groups]}")
        loaded = []
        for given, own in zip(groups, self.param_groups, strict=True):
            lists = self._empty(len(own["params"]))
            for i, (position, p) in enumerate(zip(given["params"], own["params"], strict=True)):
                for key, value in state.get(position, {}).items():
                    if value is None:
                        continue
                    if key not in lists:
                        raise ValueError(f"{name}: the state of parameter {position} has {key!r}; known: {', '.join(lists)}")
                    first = self.STATE[key]
                    if first is not None:
                        lists[key][i] = type(first)(value)
                        if not lists[key][i] >= 0:
                            raise ValueError(f"{name}: {key} of parameter {position} must be at least 0, got {value}")
                        continue
                    value = tensor(np.asarray(value), dtype=p.dtype)
                    if value.shape != p.shape:
                        raise ValueError(f"{name}: {key} of parameter {position} has shape {value.shape}, the parameter "
                                         f"{p.shape}")
                    lists[key][i] = value
            loaded.append(lists)
        merged = [{**own, **{k: v for k, v in given.items() if k in self.defaults or k == INITIAL}, "params": own["params"]}
                  for given, own in zip(groups, self.param_groups, strict=True)]
        for group in merged:
            self.check(group)
        self.param_groups, self._state = merged, loaded

    def __repr__(self) -> str:
        options = [", ".join(f"{k}={v}" for k, v in group.items() if k != "params") for group in self.param_groups]
        return f"{type(self).__name__}({'; '.join(options)})"
