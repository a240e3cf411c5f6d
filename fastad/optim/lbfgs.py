"""LBFGS: a quasi-Newton method, which asks for the loss and its gradient as often as it needs them.  Next: lr_scheduler/.

Nothing here is compiled: the work is in the closure, and in a few products of long vectors.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core.make import is_under_way
from .._core.tape import is_grad_enabled
from ..recording import enable_grad
from .optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from .._typing import Arrays, Parameters, T


class Point(NamedTuple):
    """Of the line x + t d: t, the loss there, its gradient, and its slope along d."""

    t: float
    loss: float
    gradient: Arrays
    slope: float


def cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points and their slopes has its minimum, in [least, most] (Nocedal and Wright, 3.59)."""
    if a.t > b.t:
        a, b = b, a
    try:
        mean = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
        root = math.sqrt(mean * mean - a.slope * b.slope)
        t = b.t - (b.t - a.t) * (b.slope + root - mean) / (b.slope - a.slope + 2 * root)
    except (ValueError, ZeroDivisionError):        # there is none
        t = math.nan
    return min(max(t, least), most) if t == t else (least + most) / 2


def lower(ends: list[Point]) -> int:
    """Which of two points has the lower loss; the first if the second's is NaN."""
    return int(ends[1].loss < ends[0].loss)


def strong_wolfe(at: Callable[[float], Point], start: Point, t: float, longest: float, rounds: int,
                 narrowest: float) -> Point:
    """A point that satisfies Wolfe's strong conditions, loss <= loss0 + 1e-4 t slope0 and |slope| <= 0.9 |slope0|, or the
    best of so many rounds (Nocedal and Wright, algorithms 3.5 and 3.6; `longest` is the largest |d|)."""
    def too_high(point: Point) -> bool:
        return not point.loss <= start.loss + 1e-4 * point.t * start.slope     # NaN too: back to where there is a loss

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -0.9 * start.slope

    old, new = start, at(t)
    for done_rounds in range(rounds):              # forward, until there is a minimum between two points
        if too_high(new) or (done_rounds > 1 and new.loss >= old.loss):
            ends = [old, new]
            break
        if is_flat(new):
            return new
        if new.slope >= 0:
            ends = [old, new]
            break
        t = cubic_minimum(old, new, new.t + 0.01 * (new.t - old.t), 10 * new.t)
        old, new = new, at(t)
    else:
        return [start, new][lower([start, new])]
    low, stuck = lower(ends), False
    for _ in range(done_rounds, rounds):           # inward, between the two
        left, right = sorted((ends[0].t, ends[1].t))
        if (right - left) * longest < narrowest:
            break
        t, margin = cubic_minimum(ends[0], ends[1], left, right), 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or not left < t < right):
            t, near = (right - margin if right - t < t - left else left + margin), False
        stuck = near
        new = at(t)
        if too_high(new) or new.loss >= ends[low].loss:
            ends[1 - low] = new
            low = lower(ends)
            continue
        if is_flat(new):
            return new
        if new.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = new
    return ends[low]


class LBFGS(Optimizer):
    """L-BFGS (Nocedal, 1980): Newton's method with an inverse Hessian from the last `history_size` steps and gradients.

    A step makes up to `max_iter` iterations p := p - t H g, all parameters as one vector; t is lr, or what the line search
    finds from there on (in the very first iteration, where H = 1, lr * min(1, 1 / sum |g|)).  It needs a closure, which
    clears the gradients, computes the loss, calls its backward, and returns it; parameters without a gradient count as 0.
    Where the first loss or gradient is not finite nothing is changed; the line search goes back where the loss is NaN.

    Parameters
    ----------
    params : iterable of Tensors
        One group.
    lr : float
    max_iter : int
        Iterations of a step at most.
    max_eval : int, optional
        Evaluations of a step at most; 1.25 max_iter.
    tolerance_grad : float
        Enough if no |g| is larger.
    tolerance_change : float
        Enough if neither the loss nor a parameter changes by more.
    history_size : int
    line_search_fn : 'strong_wolfe', optional
        Search for a point that satisfies Wolfe's strong conditions.

    Raises
    ------
    ValueError
        For options out of range, more than one group, and a parameter that is read-only.
    TypeError
        For a step without a closure, and a complex parameter.

    Examples
    --------
    >>> import fastad
    >>> p = fastad.tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = fastad.optim.LBFGS([p], max_iter=50, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> round(optimizer.step(closure).item(), 6)
    24.2
    >>> [round(x, 3) for x in p.tolist()]
    [1.0, 1.0]
    """

    NOT_NEGATIVE = frozenset(("lr", "tolerance_grad", "tolerance_change"))

    def __init__(self, params: Parameters, lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: Literal["strong_wolfe"] | None = None) -> None:
        self._memory: dict[str, Any] = {}
        super().__init__(params, dict(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad, tolerance_change=tolerance_change, history_size=history_size,
            line_search_fn=line_search_fn))

    def add_param_group(self, group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: all parameters must be in one group, with the same options")
        super().add_param_group(group)

    def check(self, group: dict[str, Any]) -> None:
        super().check(group)
        for name in ("max_iter", "max_eval", "history_size"):
            if not group[name] >= 1:
                raise ValueError(f"LBFGS: {name} must be at least 1, got {group[name]}")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be 'strong_wolfe' or None, got {group['line_search_fn']!r}")

    # -- all parameters as one vector
    def _flat(self) -> Arrays:
        return np.concatenate([p.detach().numpy().ravel() for p in self.param_groups[0]["params"]])

    def _gradient(self) -> Arrays:
        if is_under_way() and is_grad_enabled():
            self._refuse_differentiated()
        return np.concatenate([np.zeros(p.size, p.dtype) if p.grad is None else p.grad.numpy().ravel()
                               for p in self.param_groups[0]["params"]])

    def _put(self, x: Arrays) -> None:
        start = 0
        for p in self.param_groups[0]["params"]:
            p.detach().copy_(x[start:start + p.size].reshape(p.shape))
            start += p.size

    def _refuse(self) -> None:
        for i, p in enumerate(self.param_groups[0]["params"]):
            if not p.detach().numpy().flags.writeable:
                raise ValueError(f"LBFGS: parameter {i} of shape {p.shape} is read-only; make it with fastad.tensor, "
                                 f"which copies")
            if p.dtype.kind != "f":
                raise TypeError(f"LBFGS: parameter {i} is {p.dtype}; hold its real and imaginary parts as two parameters")

    # -- steps
    def step(self, closure: Callable[[], T] | None = None) -> T:
        """Change the parameters until the loss is as small as the options ask for; returns the first closure()."""
        if closure is None:
            raise TypeError("LBFGS.step needs a closure, which clears the gradients, computes the loss, calls its "
                            "backward and returns it")
        self._refuse()
        start = self._flat()
        try:
            first, self._memory = self._iterate(closure, start, {"func_evals": 0, "n_iter": 0} | self._memory)
        except BaseException:
            self._put(start)                       # a closure that fails leaves everything as it was
            raise
        return first

    def _iterate(self, closure: Callable[[], T], x: Arrays, memory: dict[str, Any]) -> tuple[T, dict[str, Any]]:
        o, evaluations = self.param_groups[0], 0

        def evaluate() -> tuple[T, float, Arrays]:
            nonlocal evaluations
            with enable_grad():
                loss = closure()
            if loss is None:
                raise TypeError("LBFGS.step: the closure must return the loss, it returned None")
            evaluations += 1
            return loss, float(loss), self._gradient()                # type: ignore[arg-type]

        def at(t: float) -> Point:
            self._put(x + t * d)
            _, loss, g = evaluate()
            return Point(t, loss, g, float(g @ d))

        first, loss, g = evaluate()
        if not (math.isfinite(loss) and np.isfinite(g).all()):       # there is no direction
            return first, memory
        for iteration in range(1, o["max_iter"] + 1):
            if self._largest(g) <= o["tolerance_grad"]:
                break
            memory["n_iter"] += 1
            d = self._direction(memory, g, o["history_size"])
            before, slope = loss, float(g @ d)
            t = o["lr"] * (min(1.0, 1 / float(np.abs(g).sum())) if memory["n_iter"] == 1 else 1)
            memory.update(d=d, t=t, prev_flat_grad=g, prev_loss=loss)
            if slope > -o["tolerance_change"]:
                break
            if o["line_search_fn"] is None:
                x = x + t * d
                self._put(x)
                if iteration < o["max_iter"]:              # the next step begins with an evaluation
                    _, loss, g = evaluate()
            else:
                found = strong_wolfe(at, Point(0, loss, g, slope), t, self._largest(d), o["max_eval"] - evaluations,
                                     o["tolerance_change"])
                memory["t"], loss, g = found.t, found.loss, found.gradient
                x = x + found.t * d
                self._put(x)
            if iteration == o["max_iter"] or evaluations >= o["max_eval"] \
                    or self._largest(d * memory["t"]) <= o["tolerance_change"] or abs(loss - before) < o["tolerance_change"]:
                break
        memory["func_evals"] += evaluations
        return first, memory

    @staticmethod
    def _largest(x: Arrays) -> float:
        return float(np.abs(x).max(initial=0))

    @staticmethod
    def _direction(memory: dict[str, Any], g: Arrays, history: int) -> Arrays:
        """-H g, by the two loops over what is remembered (Nocedal and Wright, algorithm 7.4)."""
        if memory["n_iter"] == 1:
            memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        y, s = g - memory["prev_flat_grad"], memory["d"] * memory["t"]
        ys = float(y @ s)
        if ys > 1e-10:
            for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1 / ys)):
                memory[name] = [*memory[name], value][-history:]
            memory["H_diag"] = ys / float(y @ y)
        pairs = list(zip(memory["old_dirs"], memory["old_stps"], memory["ro"], strict=True))
        d, weights = -g, []
        for y, s, ro in reversed(pairs):
            weights.append(ro * float(s @ d))
            d -= weights[-1] * y
        d *= memory["H_diag"]
        for (y, s, ro), weight in zip(pairs, reversed(weights), strict=True):
            d += (weight - ro * float(y @ d)) * s
        return d

    # -- state
    def state_dict(self) -> dict[str, Any]:
        """As `Optimizer.state_dict`; what is remembered stands at the first parameter, as in PyTorch."""
        copied = {key: [copy_of(x) for x in value] if isinstance(value, list) else copy_of(value)
                  for key, value in self._memory.items()}
        return super().state_dict() | {"state": {0: copied} if copied else {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        memory = {key: value for key, value in self._parts(state_dict)[1].get(0, {}).items() if key in REMEMBERED}
        if memory and len(memory) < len(REMEMBERED):
            raise ValueError(f"LBFGS: the state lacks {', '.join(key for key in REMEMBERED if key not in memory)}")
        like = self._flat()
        for key in VECTORS if memory else ():
            many = isinstance(memory[key], list)
            vectors = [np.array(x, like.dtype) for x in (memory[key] if many else [memory[key]])]
            if any(x.shape != like.shape for x in vectors):
                raise ValueError(f"LBFGS: {key} of the state has shape {vectors[0].shape}, all parameters together "
                                 f"{like.shape}")
            memory[key] = vectors if many else vectors[0]
        for key in NUMBERS if memory else ():
            memory[key] = [float(x) for x in memory[key]] if isinstance(memory[key], list) else float(memory[key])
        for key in COUNTS if memory else ():
            memory[key] = int(memory[key])
        super().load_state_dict({**state_dict, "state": {}})
        self._memory = memory


COUNTS = ("func_evals", "n_iter")
NUMBERS = ("t", "ro", "H_diag", "prev_loss")
VECTORS = ("d", "old_dirs", "old_stps", "prev_flat_grad")
REMEMBERED = COUNTS + NUMBERS + VECTORS


def copy_of(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x
