"""Jacobians by central differences and by the walks, entry by entry, and the report where they differ.

A function stands here as a `Point`: its inputs, tensors that are written to, and its outputs, evaluated anew.  Imports the
core, recording.py and transforms/named.py; __init__.py has the public functions.
"""
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import recording
from .._core import make
from ..transforms.named import copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import numpy.typing as npt

    from .._core.tensor import Tensor

    _Reals = npt.NDArray[np.float64]
    _Labelled = list[tuple[str, Tensor]]

MODES = {"fwd": "forward", "rev": "reverse"}
SHOWN = 5                                             # entries in a report
AT_ONCE = 64                                          # tangents or cotangents in one walk


class GradcheckError(AssertionError, RuntimeError):
    """A derivative that is not what central differences say: an AssertionError, and a RuntimeError as PyTorch's.

    Examples
    --------
    >>> import fastad
    >>> from fastad.testing import GradcheckError, check_grads
    >>> try:
    ...     check_grads(fastad.relu, (0.0,))
    ... except GradcheckError as error:
    ...     print(str(error).partition("): ")[2])
    the function has a kink here: its slope is 0 on the left, 1 on the right; check it elsewhere
    """


class Tolerance(NamedTuple):
    atol: float
    rtol: float
    eps: float

    def violated(self, found: _Reals, expected: _Reals) -> npt.NDArray[np.bool_]:
        with np.errstate(invalid="ignore"):
            return ~(np.abs(found - expected) <= self.atol + self.rtol * np.abs(expected))


def reals(array: npt.NDArray[Any]) -> _Reals:
    """Every number of an array, a complex one as two."""
    kind = np.complex128 if array.dtype.kind == "c" else np.float64
    return np.array(array, dtype=kind).ravel().view(np.float64)


def unit(like: Tensor, k: int, imaginary: complex) -> npt.NDArray[Any]:
    """The direction of real number k of a tensor."""
    out = np.zeros(like.shape, like.dtype)
    if like.dtype.kind == "c":
        out.flat[k // 2] = imaginary if k % 2 else 1
    else:
        out.flat[k] = 1
    return out


def count(x: Tensor) -> int:
    return 2 * x.size if x.dtype.kind == "c" else x.size


def entry(label: str, x: Tensor, k: int) -> str:
    """What real number k of a tensor is called."""
    part = ("", "imag ")[k % 2] if x.dtype.kind == "c" else ""
    index = np.unravel_index(k // 2 if x.dtype.kind == "c" else k, x.shape) if x.shape else ()
    name = part + label + (f"[{', '.join(map(str, index))}]" if index else "")
    return f"({name})" if " " in part + label else name


class Point:
    """A function at one place."""

    def __init__(self, name: str, inputs: _Labelled, evaluate: Callable[[], _Labelled]) -> None:
        self.name, self.inputs, self._evaluate = name, inputs, evaluate

    def evaluate(self) -> _Labelled:
        with recording.enable_grad():
            return self._evaluate()

    def values(self) -> list[_Reals]:
        return [reals(copied(y)) for _, y in self.evaluate()]

    def examine(self, warn_level: int) -> None:
        """Whether there is anything to check, and the function gives the same numbers twice."""
        first, again = self.evaluate(), self.values()
        for (label, y), other in zip(first, again, strict=True):
            mine = reals(copied(y))
            if not np.isfinite(mine).all():
                raise ValueError(f"{self.name}: {label} is not finite here; check it at another place")
            if not np.array_equal(mine, other):
                raise GradcheckError(f"{self.name}: two calls with the same arguments gave different values of {label}; "
                                     f"seed what is random, and keep no state between calls")
        if not any(y.requires_grad for _, y in first):
            warnings.warn(f"{self.name}: no output is on the tape, so all derivatives are 0", stacklevel=warn_level)

    def examine_walks(self, nondet_tol: float, dtypes: bool) -> None:
        """For gradcheck: whether two backward walks agree, and give the dtypes of the inputs."""
        found = [self.adjoints(y, copied(y) * 0 + 1) for _, y in self.evaluate() if y.requires_grad for _ in range(2)]
        for one, two in zip(found[::2], found[1::2], strict=True):
            for (label, x), a, b in zip(self.inputs, one, two, strict=True):
                if np.abs(a - b).max(initial=0) > nondet_tol:
                    raise GradcheckError(f"{self.name}: two backward walks gave gradients of {label} that differ by "
                                         f"{np.abs(a - b).max():g}, more than nondet_tol {nondet_tol:g}")
                if dtypes and a.dtype != x.dtype:
                    raise GradcheckError(f"{self.name}: the gradient of {label} has dtype {a.dtype}, the input {x.dtype}")

    def adjoints(self, y: Tensor, cotangent: npt.NDArray[Any], lead: int = 0) -> list[npt.NDArray[Any]]:
        xs = [x for _, x in self.inputs]
        found = make.pull([y], xs, [make.tensor(cotangent)], lead, False, True) if y.requires_grad else [None] * len(xs)
        return [np.zeros(cotangent.shape[:lead] + x.shape, x.dtype) if g is None else copied(g)
                for g, x in zip(found, xs, strict=True)]

    def tangents(self, x: Tensor, ys: _Labelled, tangent: npt.NDArray[Any], lead: int = 0) -> list[npt.NDArray[Any]]:
        taped = [y for _, y in ys if y.requires_grad]
        pushed = iter(make.push([x], taped, [make.tensor(tangent)], lead, False))
        found = [next(pushed) if y.requires_grad else None for _, y in ys]
        return [np.zeros(tangent.shape[:lead] + y.shape, y.dtype) if t is None else copied(t)
                for t, (_, y) in zip(found, ys, strict=True)]

    def derivative(self, mode: str, seed: int) -> Point:
        """The function that gives the tangents, or the adjoints, along random directions."""
        rng = np.random.default_rng(seed)
        xs = [x for _, x in self.inputs]

        def along(like: Tensor) -> Tensor:
            numbers = rng.normal(size=count(like)).view(np.complex128 if like.dtype.kind == "c" else np.float64)
            return make.tensor(numbers.reshape(like.shape).astype(like.dtype))

        directions = [along(x) for x in xs] if mode == "fwd" else [along(y) for _, y in self.evaluate()]

        def evaluate() -> _Labelled:
            ys = self.evaluate()
            on_tape = [i for i, (_, y) in enumerate(ys) if y.requires_grad]
            taped = [ys[i][1] for i in on_tape]
            if mode == "fwd":
                pushed = dict(zip(on_tape, make.push(xs, taped, directions, 0, True), strict=True))
                found = [(f"tangent of {label}", y, pushed.get(i)) for i, (label, y) in enumerate(ys)]
            else:
                pulled = make.pull(taped, xs, [directions[i] for i in on_tape], 0, True, True)
                found = [(f"adjoint of {label}", x, g) for (label, x), g in zip(self.inputs, pulled, strict=True)]
            return [(label, make.tensor(np.zeros(x.shape, x.dtype)) if t is None else t) for label, x, t in found]

        return Point(self.name, self.inputs, evaluate)

    # -- Jacobians: [input][output] -> (real numbers of the output, of the input)
    def moved(self, x: Tensor, base: _Reals, changes: dict[int, float]) -> list[_Reals]:
        """The outputs with some numbers of one input changed."""
        flat = base.copy()
        for k, value in changes.items():
            flat[k] = value
        array = flat.view(np.complex128 if x.dtype.kind == "c" else np.float64).reshape(x.shape)
        before = copied(x)
        try:
            with recording.no_grad():
                x.copy_(array.astype(x.dtype))
            return self.values()
        finally:
            with recording.no_grad():
                x.copy_(before)

    def quotient(self, x: Tensor, k: int, h: float) -> list[_Reals]:
        """The central difference by real number k of an input."""
        base = reals(copied(x))
        up, down = base[k] + h, base[k] - h
        above, below = self.moved(x, base, {k: up}), self.moved(x, base, {k: down})
        return [(a - b) / (up - down) for a, b in zip(above, below, strict=True)]

    def step(self, x: Tensor, k: int, eps: float) -> float:
        return eps * max(1.0, abs(float(reals(copied(x))[k])))

    def by_differences(self, eps: float) -> list[list[_Reals]]:
        sizes = [count(y) for _, y in self.evaluate()]
        found = []
        for _, x in self.inputs:
            columns = [self.quotient(x, k, self.step(x, k, eps)) for k in range(count(x))]
            found.append([np.array([c[o] for c in columns]).reshape(count(x), size).T for o, size in enumerate(sizes)])
        return found

    def forward(self, at_once: int) -> list[list[_Reals]]:
        ys = self.evaluate()
        found = []
        for _, x in self.inputs:
            columns: list[list[_Reals]] = [[] for _ in ys]
            for several in chunks(x, 1j, at_once):
                for o, t in enumerate(self.tangents(x, ys, several if at_once else several[0], int(at_once > 0))):
                    columns[o] += [reals(part) for part in (t if at_once else [t])]
            found.append([np.array(c).reshape(count(x), count(y)).T for c, (_, y) in zip(columns, ys, strict=True)])
        return found

    def reverse(self, at_once: int) -> list[list[_Reals]]:
        found: list[list[_Reals]] = [[] for _ in self.inputs]
        for _, y in self.evaluate():
            rows: list[list[_Reals]] = [[] for _ in self.inputs]
            for several in chunks(y, -1j, at_once):
                for i, g in enumerate(self.adjoints(y, several if at_once else several[0], int(at_once > 0))):
                    rows[i] += [reals(np.conj(part)) for part in (g if at_once else [g])]
            for i, (_, x) in enumerate(self.inputs):
                found[i].append(np.array(rows[i]).reshape(count(y), count(x)))
        return found

    def by_walks(self, mode: str, at_once: int) -> list[list[_Reals]]:
        return self.forward(at_once) if mode == "fwd" else self.reverse(at_once)


def chunks(like: Tensor, imaginary: complex, at_once: int) -> Iterator[npt.NDArray[Any]]:
    """All directions of a tensor, some in each array."""
    n, size = count(like), at_once or 1
    for start in range(0, n, size):
        yield np.array([unit(like, k, imaginary) for k in range(start, min(start + size, n))])


# ---- comparison --------------------------------------------------------------------------------------
def check(point: Point, modes: list[str], tolerance: Tolerance, path: tuple[str, ...],
          at_once: dict[str, bool] | None = None) -> None:
    """Compare the derivatives of a point, which itself was differentiated along `path`, with central differences."""
    expected = point.by_differences(tolerance.eps)
    found = {mode: point.by_walks(mode, 0) for mode in modes}
    for mode in modes:
        order = f"{point.name}, order {len(path) + 1}, " + " over ".join([MODES[mode], *(MODES[m] for m in path)]) + " mode"
        compare(point, order, found[mode], expected, tolerance)
        if at_once is None or at_once[mode]:
            compare(point, f"{order}, all in one walk", point.by_walks(mode, AT_ONCE), expected, tolerance)
    if len(modes) > 1:
        agree(point, found["fwd"], found["rev"], len(path) + 1)


def compare(point: Point, what: str, found: list[list[_Reals]], expected: list[list[_Reals]], tolerance: Tolerance) -> None:
    ys = point.evaluate()
    wrong = []
    for i, (row, other) in enumerate(zip(found, expected, strict=True)):
        for o, (a, n) in enumerate(zip(row, other, strict=True)):
            wrong += [(i, o, int(r), int(k)) for r, k in np.argwhere(tolerance.violated(a, n))]
    if not wrong:
        return
    total = sum(block.size for row in expected for block in row)
    lines = [f"{what}: {len(wrong)} of {total} entries differ from central differences (atol {tolerance.atol:g}, "
             f"rtol {tolerance.rtol:g})"]
    for i, o, r, k in wrong[:SHOWN]:
        (label, x), (name, y) = point.inputs[i], ys[o]
        ours, theirs, h = float(found[i][o][r, k]), float(expected[i][o][r, k]), point.step(x, k, tolerance.eps)
        lines.append(f"  d{entry(name, y, r)}/d{entry(label, x, k)}: fastad {ours:.9g}, difference {theirs:.9g} "
                     f"(step {h:.3g}): " + reason(point, (i, k), (o, r), ours, h, tolerance, y.requires_grad))
    if len(wrong) > SHOWN:
        lines.append(f"  and {len(wrong) - SHOWN} more")
    raise GradcheckError("\n".join(lines))


def reason(point: Point, by: tuple[int, int], of: tuple[int, int], found: float, h: float, tolerance: Tolerance,
           taped: bool) -> str:
    """What is probably the matter with an entry: the derivative of number r of output o, by number k of input i."""
    (i, k), (o, r) = by, of
    x = point.inputs[i][1]
    base = reals(copied(x))

    def sides(h: float) -> tuple[float, float, float]:
        down, here, up = (float(point.moved(x, base, {k: base[k] + d})[o][r]) for d in (-h, 0.0, h))
        return (here - down) / h, (up - here) / h, (up - down) / (2 * h)

    def fits(value: float) -> bool:
        return not tolerance.violated(np.array([found]), np.array([value]))[0]

    left, right, middle = sides(h)
    if not np.isfinite([left, right]).all():
        return "the function is not finite within the step; check it at another place, or with a smaller eps"
    for factor in (8, 64):
        if fits(sides(h / factor)[2]):
            return (f"with step {h / factor:.3g} they agree: a kink is near, or the function bends much; use a smaller eps, "
                    f"or move the point away from the kink")
    for factor in (8, 64, 512):
        if fits(sides(h * factor)[2]):
            return f"with step {h * factor:.3g} they agree: the difference is lost in rounding; use a larger eps"
    near_left, near_right, nearer = sides(h / 8)
    if abs(nearer) > 4 * abs(middle):
        return ("the difference quotient grows as the step shrinks: the function jumps here (the derivative of one with a "
                "kink does); check it elsewhere")
    gap, near = abs(right - left), abs(near_right - near_left)
    if gap > 1e-3 * max(abs(left), abs(right)) and near > gap / 2:
        return (f"the function has a kink here: its slope is {left:.6g} on the left, {right:.6g} on the right; check it "
                f"elsewhere")
    if not taped:
        return "the output is not on the tape, though it depends on the input: detach(), no_grad() or NumPy cut it off"
    return "the rule of an operation is wrong, or part of the function is hidden from the tape (detach, no_grad, NumPy)"


def agree(point: Point, forward: list[list[_Reals]], reverse: list[list[_Reals]], order: int) -> None:
    """Both modes are exact to rounding, so they agree much better than either with differences."""
    for i, (row, other) in enumerate(zip(forward, reverse, strict=True)):
        for o, (a, b) in enumerate(zip(row, other, strict=True)):
            scale = max(1.0, float(np.abs(b).max(initial=0)))
            r, k = np.unravel_index(np.argmax(np.abs(a - b)), a.shape) if a.size else (0, 0)
            if a.size and not abs(a[r, k] - b[r, k]) <= 1e-9 * scale:
                (label, x), (name, y) = point.inputs[i], point.evaluate()[o]
                raise GradcheckError(f"{point.name}, order {order}: the two modes disagree: d{entry(name, y, int(r))}/d"
                                     f"{entry(label, x, int(k))} is {a[r, k]:.15g} forward, {b[r, k]:.15g} in reverse; the "
                                     f"vjp and the jvp of an operation are not those of one function")


def check_projected(point: Point, modes: list[str], tolerance: Tolerance) -> None:
    """u^T J v for a random u and v of length 1, for every input and output."""
    rng = np.random.default_rng(0)
    for at, (label, x) in enumerate(point.inputs):
        base = reals(copied(x))
        v = rng.normal(size=base.size)
        v /= max(float(np.linalg.norm(v)), 1e-300)
        up, down = (point.moved(x, base, dict(enumerate(base + s * tolerance.eps * v))) for s in (1, -1))
        ys = point.evaluate()                         # now: what was saved before has been written to
        for o, (name, y) in enumerate(ys):
            u = rng.normal(size=count(y))
            u /= max(float(np.linalg.norm(u)), 1e-300)
            expected = float(u @ (up[o] - down[o])) / (2 * tolerance.eps)
            complex_y = y.dtype.kind == "c"
            for mode in modes:
                if mode == "fwd":
                    tangent = v.view(np.complex128 if x.dtype.kind == "c" else np.float64).reshape(x.shape).astype(x.dtype)
                    found = float(u @ reals(point.tangents(x, ys, tangent)[o]))
                else:
                    cotangent = (np.conj(u.view(np.complex128)) if complex_y else u).reshape(y.shape).astype(y.dtype)
                    found = float(reals(np.conj(point.adjoints(y, cotangent)[at])) @ v)
                if tolerance.violated(np.array([found]), np.array([expected]))[0]:
                    raise GradcheckError(f"{point.name}, {MODES[mode]} mode: a random projection of d{name}/d{label} is "
                                         f"{found:.9g}, of differences {expected:.9g} (step {tolerance.eps:g}); "
                                         f"fast_mode=False names the entries")
