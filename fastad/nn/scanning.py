"""scan: a cell of the user's own, in Python, over the steps of a sequence, with bounded memory if asked for.

The cells that run compiled as a whole are `fastad.recurrent`.  Imports the core and the containers of the transforms, and
checkpoint when it is asked for.
"""
from __future__ import annotations

from itertools import repeat
from math import isqrt
from operator import index
from typing import TYPE_CHECKING

from .. import random
from .._core.make import as_tensors
from .._core.tensor import FUNCTIONS, Tensor
from ..recording import no_grad
from ..transforms.tree import COMMON, blank, leaves, leaves_like, over, parts, paths, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["scan"]


def scan(cell: Callable[[Any, Any], tuple[Any, Any]], xs: Any, init: Any, *, length: int | None = None,
         reverse: bool = False, checkpoint: bool | int = False) -> tuple[Any, Any]:
    """Run ``carry, y = cell(carry, x)`` over the leading axis of `xs`: any recurrence, differentiable in every way.

    (s_t, y_t) = cell(s_(t-1), x_t) for t = 1, ..., T, from s_0 = `init`.  Walks take time linear in T, whatever the order of
    the derivatives.  Tensors that the cell reads without having them as arguments, such as parameters of modules, are
    differentiated too.

    Parameters
    ----------
    cell : callable
        Called as ``cell(carry, x)``; gives the pair (carry, y).  The carry keeps its structure, shapes and dtypes, and so
        does y, which may be None.
    xs : Tensor, array_like or nested container of them
        The leading axis of every leaf has length T; each step is given its slices.  None: `length` steps without input.
    init : Tensor, array_like or nested container of them
        The first carry.
    length : int, optional
        T, if xs does not say it.
    reverse : bool
        From the last step to the first; y_t stands where x_t does all the same.
    checkpoint : bool or int
        A number k: what happens inside of k steps at a time is not kept but computed again when a walk comes by, which
        costs one more forward pass; of the values between, those of T / k carries and of k steps are in memory.  True: a k
        near sqrt(T).  What `fastad.checkpoint` asks of a function, it asks of the cell.

    Returns
    -------
    carry : like `init`, of Tensors
        The last one; `init` if there are no steps.
    ys : like y, of Tensors
        All y along a new leading axis.  If there are no steps the cell is called once, on zeros for x, to learn the shapes.

    Raises
    ------
    TypeError
        If the cell returns something else than a pair, or the carry or y changes its structure or dtype; the message says in
        which step.
    ValueError
        If the lengths differ, or the carry or y changes its shape or number of elements.

    Notes
    -----
    As ``jax.lax.scan`` but for the order of its arguments.  T. Chen et al., Training Deep Nets with Sublinear Memory Cost,
    2016.

    Examples
    --------
    >>> import fastad
    >>> fastad.nn.scan(lambda s, x: (s + x, s * x), fastad.arange(1.0, 5), 0.0)
    (tensor(10.), tensor([ 0.,  2.,  9., 24.]))
    >>> cube = lambda a: fastad.nn.scan(lambda s, _: (a * s, None), None, 1.0, length=3)[0]
    >>> fastad.grad(cube)(2.0)
    np.float64(12.0)
    """
    if not callable(cell):
        raise TypeError(f"scan: the cell must be callable as cell(carry, x), got {type(cell).__name__}")
    sequences, carry = as_tensors(*leaves(xs)), as_tensors(*leaves(init))
    steps = steps_of(sequences, paths(xs, "xs"), length)
    size = chunk_of(checkpoint, steps)
    loop = Loop(cell, xs, init, carry)
    if steps == 0:
        return rebuild(init, iter(carry)), loop.no_steps(carry, sequences)
    run = loop.run
    if size < steps or checkpoint is not False:
        from ..checkpointing import checkpoint as checkpointed
        run = checkpointed(run)
    chunks = [range(start, min(start + size, steps)) for start in range(0, steps, size)]
    pieces = [pieces_of(x, size) for x in sequences]
    found = []
    for k, chunk in reversed([*enumerate(chunks)]) if reverse else enumerate(chunks):
        carry, ys = run(carry, [of_x[k] for of_x in pieces], chunk[::-1] if reverse else chunk)
        found.append(ys)
    ys = [FUNCTIONS["concatenate"](pieces) for pieces in zip(*(reversed(found) if reverse else found), strict=True)] \
        if len(found) > 1 else found[0]
    return rebuild(loop.carry, iter(carry)), rebuild(loop.y, iter(ys))


class Loop:
    """A cell over some steps of a scan; carries, inputs and results are lists of the leaves of containers."""

    def __init__(self, cell: Callable[[Any, Any], Any], xs: Any, init: Any, carry: list[Tensor]) -> None:
        self.cell = cell
        self.xs, self.carry, self.y = over(blank, xs), over(blank, init), None       # structures
        self.carry_kinds = kinds(carry)
        self.y_kinds: list[Any] | None = None                                       # known after the first step

    def run(self, carry: list[Tensor], sequences: list[Tensor], steps: range) -> tuple[list[Tensor], list[Tensor]]:
        """(the last carry, y stacked) of some steps, in their order, of which `sequences` are the inputs."""
        inputs = [FUNCTIONS["unstack"](x)[::steps.step] for x in sequences]
        columns: list[list[Tensor]] = []                      # of each leaf of y
        for t, x in zip(steps, zip(*inputs, strict=True) if inputs else repeat(()), strict=bool(inputs)):
            carry, y = self.step(carry, x, t)
            if not columns:
                columns = [[] for _ in y]
            for column, leaf in zip(columns, y, strict=True):
                column.append(leaf)
        return carry, [FUNCTIONS["stack"](column[::steps.step]) for column in columns]

    def step(self, carry: list[Tensor], x: tuple[Tensor, ...], t: int) -> tuple[list[Tensor], list[Tensor]]:
        try:
            result = self.cell(rebuild(self.carry, iter(carry)), rebuild(self.xs, iter(x)))
        except Exception as error:
            error.add_note(f"scan: in step {t}")
            raise
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"scan: in step {t} the cell returned a {type(result).__name__}"
                            f"{f' of {len(result)}' if isinstance(result, tuple) else ''}, expected the pair (carry, y)")
        if self.y_kinds is None:
            self.y = over(blank, result[1])
            self.y_kinds = kinds(as_tensors(*leaves(result[1])))
        return (same_kind(result[0], self.carry, self.carry_kinds, "the carry", t),
                same_kind(result[1], self.y, self.y_kinds, "y", t))

    def no_steps(self, carry: list[Tensor], sequences: list[Tensor]) -> Any:
        """The stacked y of no steps."""
        zeros = FUNCTIONS["zeros"]
        with no_grad(), random.rewound(random.state()):
            _, y = self.step(carry, tuple(zeros(x.shape[1:], x.dtype) for x in sequences), 0)
        return rebuild(self.y, iter([zeros((0, *t.shape), t.dtype) for t in y]))


def pieces_of(x: Tensor, size: int) -> list[Tensor]:
    """x in pieces of `size` steps, of which the last may be shorter.  Slices of x would each have a gradient of its size."""
    whole = len(x) // size * size
    if whole == 0 or size == len(x):
        return [x]
    pieces = [*FUNCTIONS["unstack"](x[:whole].reshape(whole // size, size, *x.shape[1:]))]
    return pieces if whole == len(x) else [*pieces, x[whole:]]


def kinds(tensors: list[Tensor]) -> list[tuple[Any, Any]]:
    return [(t.shape, t.dtype) for t in tensors]


def same_kind(tree: Any, like: Any, expected: list[tuple[Any, Any]], what: str, t: int) -> list[Tensor]:
    """The leaves, as tensors, of what must have the structure, shapes and dtypes that it had in the step before."""
    found = leaves_like(tree, like, f"scan: in step {t}", what)
    for i, (leaf, (shape, dtype)) in enumerate(zip(found, expected, strict=True)):
        if type(leaf) is Tensor:
            if leaf.shape == shape and leaf.dtype is dtype:
                continue
        else:
            if type(leaf) not in COMMON and parts(leaf) is not None:
                raise TypeError(f"scan: in step {t}, {paths(like, what)[i]} is a {type(leaf).__name__}, expected a Tensor")
            leaf, = found[i:i + 1] = as_tensors(leaf)
        if leaf.shape != shape:
            raise ValueError(f"scan: in step {t}, {paths(like, what)[i]} has shape {leaf.shape}, expected {shape} as before")
        if leaf.dtype != dtype:
            raise TypeError(f"scan: in step {t}, {paths(like, what)[i]} has dtype {leaf.dtype}, expected {dtype} as before; "
                            f"use astype, or another init")
    return found


def steps_of(sequences: list[Tensor], names: list[str], length: int | None) -> int:
    """The common length of the leading axes."""
    steps = None if length is None else index(length)
    if steps is not None and steps < 0:
        raise ValueError(f"scan: length must not be negative, got {steps}")
    for x, name in zip(sequences, names, strict=True):
        if x.ndim == 0:
            raise ValueError(f"scan: {name} is 0-d, and has no leading axis to run over")
        if steps is None:
            steps = len(x)
        if len(x) != steps:
            whose = "length" if length is not None else names[0]
            raise ValueError(f"scan: {name} of shape {x.shape} has not the length {steps} of {whose} as its leading axis")
    if steps is None:
        raise ValueError("scan: without inputs, length must say how many steps there are")
    return steps


def chunk_of(checkpoint: bool | int, steps: int) -> int:
    """How many steps are computed again at a time; without checkpoint, all are one chunk."""
    if isinstance(checkpoint, bool):
        return max(isqrt(steps) if checkpoint else steps, 1)
    size = index(checkpoint)
    if size < 1:
        raise ValueError(f"scan: checkpoint must be True, False, or a positive number of steps, got {size}")
    return size
