"""Jacobians and Hessians: one recording and one walk that carries a whole basis as a leading axis.

Imports the core, call.py and tree.py.  Next: products.py.
"""
from __future__ import annotations

from functools import wraps
from operator import index
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import from_numpy
from .._core.tensor import FUNCTIONS, Tensor
from .call import Call, Wanted, what_of
from .tree import rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .._typing import Argnum, Blocks, Mode

__all__ = ["hessian", "jacfwd", "jacobian", "jacrev"]


def jacobian(f: Callable[..., Any], argnum: Argnum = 0, has_aux: bool = False, holomorphic: bool = False, *,
             chunk_size: int | None = None) -> Callable[..., Any]:
    """A function that gives the matrix of all derivatives of f's value, by the cheaper of the two modes.

    Element ``[i..., j...]`` is the derivative of ``value[i...]`` by ``argument[j...]``: with a value of shape (out...) and
    an argument of shape (in...), the Jacobian has shape (out..., in...).  f is recorded once, and one walk carries all
    directions: forward, one for each number of the arguments (`jacfwd`), if these are not more than the numbers of the
    value; else backward, one for each number of the value (`jacrev`).

    Parameters
    ----------
    f : callable
        Returns a tensor, or a nested container of tensors.
    argnum : int, str or tuple of them
        As for `value_and_grad`.
    has_aux : bool
        f returns ``(value, aux)``, and the result gives ``(jacobian, aux)``.
    holomorphic : bool
        Promises that f, complex of complex arguments, is holomorphic: then the element is the complex derivative.
    chunk_size : int, optional
        Carry at most so many directions at a time: the memory is that of the walk times `chunk_size`, and f is still
        recorded once.

    Returns
    -------
    callable
        Gives the value's structure, with, in the place of each array, the structure of the arguments, and in the place
        of each of these arrays its Jacobian, in the argument's dtype; of arrays or tensors as `value_and_grad` says.
        The Jacobian of what does not depend on the arguments is 0, with an `IndependentWarning`.

    Raises
    ------
    TypeError
        If f returns something else, an argument holds integers, or complex numbers need `holomorphic`.  (A complex value
        of real arguments is differentiated in forward mode.  A real value u of complex arguments in reverse mode, to
        du/dx - i du/dy, without conjugation, as in HIPS/autograd.)
    ValueError
        If there is no such argument, or `chunk_size` is not positive.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return jacobian_by(None, "jacobian", f, argnum, has_aux, holomorphic, chunk_size)


def jacfwd(f: Callable[..., Any], argnum: Argnum = 0, has_aux: bool = False, holomorphic: bool = False, *,
           chunk_size: int | None = None) -> Callable[..., Any]:
    """`jacobian` in forward mode, whatever the shapes: one walk that carries a tangent for each number of the arguments.

    Examples
    --------
    >>> import fastad
    >>> fastad.jacfwd(lambda t: fastad.stack([t, t ** 2, t ** 3]))(2.0)
    array([ 1.,  4., 12.])
    """
    return jacobian_by("forward", "jacfwd", f, argnum, has_aux, holomorphic, chunk_size)


def jacrev(f: Callable[..., Any], argnum: Argnum = 0, has_aux: bool = False, holomorphic: bool = False, *,
           chunk_size: int | None = None) -> Callable[..., Any]:
    """`jacobian` in reverse mode, whatever the shapes: one walk that carries a cotangent for each number of the value.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.jacrev(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    return jacobian_by("reverse", "jacrev", f, argnum, has_aux, holomorphic, chunk_size)


def hessian(f: Callable[..., Any], argnum: Argnum = 0, has_aux: bool = False, holomorphic: bool = False, *,
            chunk_size: int | None = None) -> Callable[..., Any]:
    """A function that gives the matrix of second derivatives of an f with one element, by forward over reverse mode.

    Element ``[i..., j...]`` is the derivative by ``argument[i...]`` and ``argument[j...]``; for several arguments, or nested
    containers, in the place of each array stands the structure of the arguments, with the blocks of the Hessian.  f is
    recorded once, its gradient recorded once, and one forward walk carries a tangent for each number of the arguments,
    or `chunk_size` of them at a time.  Where f is linear its Hessian is 0, without a warning.

    Parameters and errors are those of `jacobian` and `value_and_grad`.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> fastad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    what = what_of("hessian", f)
    wanted = Wanted(what, f, argnum)
    chunk = checked_chunk(what, chunk_size)

    @wraps(f)
    def second(*args: Any, **kwargs: Any) -> Any:
        call = Call(what, f, args, kwargs, wanted, has_aux=has_aux, scalar="complex" if holomorphic else "real")
        check_complex(call, holomorphic)
        if not holomorphic and any(map(is_complex, call.inputs)):
            raise TypeError(f"{what}: an argument is complex; promise with holomorphic=True that f is holomorphic")
        found = tree_of(call, call.tree, forward(call, call.gradient(), chunk))
        return (found, call.auxiliary()) if has_aux else found

    return second


def jacobian_by(mode: Mode | None, name: str, f: Callable[..., Any], argnum: Argnum, has_aux: bool, holomorphic: bool,
                chunk_size: int | None) -> Callable[..., Any]:
    what = what_of(name, f)
    wanted = Wanted(what, f, argnum)
    chunk = checked_chunk(what, chunk_size)

    @wraps(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        call = Call(what, f, args, kwargs, wanted, has_aux=has_aux)
        check_complex(call, holomorphic)
        if mode_for(call, mode) == "forward":
            found = tree_of(call, call.value_tree, forward(call, call.outputs, chunk))
        else:
            found = tree_of(call, call.value_tree, reverse(call, chunk))
        return (found, call.auxiliary()) if has_aux else found

    return matrix


def checked_chunk(what: str, chunk_size: int | None) -> int | None:
    if chunk_size is None:
        return None
    try:
        size = index(chunk_size)
    except TypeError:
        raise TypeError(f"{what}: chunk_size must be an integer or None, got {chunk_size!r}") from None
    if size < 1:
        raise ValueError(f"{what}: chunk_size must be positive, got {size}")
    return size


# ---- complex numbers ---------------------------------------------------------------------------------
def is_complex(t: Tensor) -> bool:
    return t.dtype.kind == "c"


def check_complex(call: Call, holomorphic: bool) -> None:
    """Where one number an element says all about a derivative that has complex numbers on both sides."""
    if holomorphic and not all(map(is_complex, [*call.inputs, *call.outputs])):
        raise TypeError(f"{call.what}: holomorphic=True is for complex values of complex arguments")
    if not holomorphic and any(map(is_complex, call.inputs)) and any(map(is_complex, call.outputs)):
        raise TypeError(f"{call.what}: a complex value of complex arguments has a Jacobian of complex numbers only if it is "
                        f"holomorphic; promise it with holomorphic=True, or use fastad.jvp or fastad.vjp")


def mode_for(call: Call, mode: Mode | None) -> Mode:
    from_complex, to_complex = any(map(is_complex, call.inputs)), any(map(is_complex, call.outputs))
    if from_complex == to_complex:
        fewer = sum(x.size for x in call.inputs) <= sum(y.size for y in call.outputs)
        return mode or ("forward" if fewer else "reverse")
    if mode == "reverse" and to_complex:
        raise TypeError(f"{call.what}: of a complex value of real arguments, reverse mode has the real part; use "
                        f"fastad.jacfwd")
    if mode == "forward" and from_complex:
        raise TypeError(f"{call.what}: of a real value of complex arguments, forward mode has one half; use fastad.jacrev, "
                        f"which gives du/dx - i du/dy")
    return "forward" if to_complex else "reverse"


# ---- the walks ---------------------------------------------------------------------------------------
def steps(total: int, chunk: int | None) -> Iterator[tuple[int, int]]:
    """The parts of a basis that are carried at a time."""
    size = chunk or max(total, 1)
    return ((start, min(start + size, total)) for start in range(0, max(total, 1), size))


def basis(tensors: list[Tensor], start: int, stop: int) -> list[Tensor | None]:
    """Unit vectors `start` to `stop` of the space of all numbers of `tensors`; None where these are all 0."""
    found: list[Tensor | None] = []
    offset = 0
    for t in tensors:
        size = t.size
        begin, end = max(start, offset), min(stop, offset + size)
        if begin < end:                   # ones from (begin - start, begin - offset) down the diagonal
            flat = np.zeros((stop - start) * size, t.dtype)
            flat[(begin - start) * size + begin - offset:(end - start) * size:size + 1] = 1
            found.append(from_numpy(flat.reshape(stop - start, *t.shape)))
        else:
            found.append(None)
        offset += size
    return found


def forward(call: Call, outputs: list[Tensor], chunk: int | None) -> Blocks:
    """The derivatives of each output by each input, columns first."""
    parts = [call.push(outputs, basis(call.inputs, start, stop), (stop - start,))
             for start, stop in steps(sum(x.size for x in call.inputs), chunk)]
    return [[turned(block, y, x) for block, x in zip(split(call, columns, call.inputs), call.inputs, strict=True)]
            for columns, y in zip(zip(*parts, strict=True), outputs, strict=True)]


def reverse(call: Call, chunk: int | None) -> Blocks:
    """The same, rows first."""
    parts = [call.pull(call.outputs, basis(call.outputs, start, stop), (stop - start,))
             for start, stop in steps(sum(y.size for y in call.outputs), chunk)]
    ys = call.outputs
    by_input = [[block.reshape(y.shape + x.shape) for block, y in zip(split(call, rows, ys), ys, strict=True)]
                for rows, x in zip(zip(*parts, strict=True), call.inputs, strict=True)]
    return [[blocks[k] for blocks in by_input] for k in range(len(ys))]


def split(call: Call, parts: tuple[Tensor, ...], tensors: list[Tensor]) -> Iterator[Any]:
    """The chunks of one walk's results joined along the leading axis, and cut there into what belongs to each of `tensors`;
    tensors, or arrays where those are wanted."""
    if call.traced:
        whole = parts[0] if len(parts) == 1 else FUNCTIONS["concatenate"](list(parts))
    else:
        arrays = [p.numpy() for p in parts]
        whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    start = 0
    for t in tensors:
        yield whole if t.size == len(whole) else whole[start:start + t.size]
        start += t.size


def turned(block: Any, y: Tensor, x: Tensor) -> Any:
    """A block whose leading axis runs over x, with that behind the axes of y."""
    shape, dtype = y.shape + x.shape, y.dtype if is_complex(y) else x.dtype
    if not isinstance(block, Tensor):
        return np.ascontiguousarray(block.reshape(x.size, y.size).T, dtype).reshape(shape)
    block = FUNCTIONS["reshape"](FUNCTIONS["moveaxis"](block, 0, -1), shape)
    return block if block.dtype == dtype else FUNCTIONS["astype"](block, dtype)


def tree_of(call: Call, tree: Any, blocks: Blocks) -> Any:
    """Blocks in the structure of the outputs, and each row of them in that of the inputs; 0-d arrays as scalars."""
    return rebuild(tree, (rebuild(call.tree, (b if isinstance(b, Tensor) else b[()] for b in row)) for row in blocks))
