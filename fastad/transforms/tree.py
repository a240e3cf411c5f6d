"""Nested containers of arrays: lists, tuples, dicts, named tuples and dataclasses, taken apart and put together again.

A *tree* is such a container, or one array, number or Tensor (a *leaf*); None is a container without leaves.  A tree with
anything for its leaves also serves as the record of a structure.  Imports the core.  Next: call.py.
"""
from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from .._core.make import plain
from .._core.tensor import FUNCTIONS, Tensor, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

__all__ = ["flatten"]

COMMON = frozenset((Tensor, np.ndarray, np.float64, np.float32, float, int, complex, str))    # leaves, asked about first


def parts(tree: Any) -> list[tuple[Any, Any]] | None:
    """The (key, child) pairs of a container; None for a leaf."""
    if isinstance(tree, (list, tuple)):
        return list(enumerate(tree))
    if tree is None:
        return []
    if isinstance(tree, dict):
        try:
            return sorted(tree.items(), key=lambda item: item[0])
        except TypeError:                 # keys that cannot be compared
            return list(tree.items())
    if hasattr(tree, "__dataclass_fields__") and not isinstance(tree, type):
        from dataclasses import fields  # whoever has such a value has imported it
        return [(field.name, getattr(tree, field.name)) for field in fields(tree) if not field.metadata.get("static")]
    return None


def rebuilt(tree: Any, children: list[tuple[Any, Any]]) -> Any:
    """A container like `tree` with other children, given as `parts` does."""
    if isinstance(tree, (list, tuple)):
        values = [value for _, value in children]
        if type(tree) is tuple:
            return tuple(values)
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    new = copy(tree)                      # a dict's order and default stay, a dataclass's static fields
    for key, value in children:
        if isinstance(tree, dict):
            new[key] = value
        else:
            object.__setattr__(new, key, value)           # frozen ones too
    return new


def leaves(tree: Any) -> list[Any]:
    """The leaves, from left to right; those of a dict in the order of its sorted keys."""
    if type(tree) in COMMON or (children := parts(tree)) is None:
        return [tree]
    return [leaf for _, child in children for leaf in leaves(child)]


def holds_tensor(tree: Any) -> bool:
    if type(tree) in COMMON or (children := parts(tree)) is None:
        return isinstance(tree, Tensor)
    return any(holds_tensor(child) for _, child in children)


def blank(leaf: Any) -> int:
    """What stands for a leaf in the record of a structure."""
    return 0


def paths(tree: Any, path: str) -> list[str]:
    """What each leaf is called, in the words of Python: ``path['w'][0]``."""
    if type(tree) in COMMON or (children := parts(tree)) is None:
        return [path]
    return [name for key, child in children for name in paths(child, path + step_to(tree, key))]


def step_to(tree: Any, key: Any) -> str:
    return f"[{key!r}]" if isinstance(tree, (list, tuple, dict)) else f".{key}"


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """A tree like `tree` whose leaves are the next of `values`."""
    if type(tree) in COMMON or (children := parts(tree)) is None:
        return next(values)
    return rebuilt(tree, [(key, rebuild(child, values)) for key, child in children]) if children else copy(tree)


def over(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree of function(leaf)."""
    return rebuild(tree, map(function, leaves(tree)))


def leaves_like(tree: Any, like: Any, what: str, path: str) -> list[Any]:
    """The leaves of a tree that must have the structure of `like`, whose leaves may stand for array_likes.

    Raises TypeError or ValueError, in the words of `what` and `path`, where it has not."""
    if type(like) in COMMON or (children := parts(like)) is None:
        return [tree]
    found = parts(tree)
    kind = next((kind for kind in (tuple, list, dict) if isinstance(like, kind)), type(like))
    if found is None or not isinstance(tree, kind):
        raise TypeError(f"{what}: {path} is a {type(tree).__name__}, expected a {type(like).__name__}")
    if [key for key, _ in found] != [key for key, _ in children]:
        raise ValueError(f"{what}: {path} has {kinds_of(found)}, expected {kinds_of(children)}")
    return [leaf for (key, child), (_, part) in zip(found, children, strict=True)
            for leaf in leaves_like(child, part, what, path + step_to(like, key))]


def kinds_of(children: list[tuple[Any, Any]]) -> str:
    keys = [key for key, _ in children]
    return f"{len(keys)} elements" if keys == list(range(len(keys))) else f"the keys {', '.join(map(repr, keys))}"


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All numbers of a nested container in one vector, and the function that puts such a vector back.

    Parameters
    ----------
    value : array_like, Tensor, or nested list, tuple, dict, named tuple or dataclass of them
        Fields of a dataclass whose metadata has ``static=True`` are left alone, and so is None.

    Returns
    -------
    vector : ndarray or Tensor
        The leaves one after the other, those of a dict in the order of its sorted keys; in the dtype to which NumPy
        promotes them.  A Tensor if a leaf is one.
    unflatten : callable
        Takes a vector, gives a container like `value` with the numbers of the vector in the leaves' shapes, and in their
        dtypes, but for integers, which take the dtype of the vector.  Both ways can be differentiated.

    Raises
    ------
    TypeError
        If a leaf holds no numbers.
    ValueError
        From `unflatten`, if the vector has another length.

    Notes
    -----
    As ``autograd.misc.flatten``.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> vector, unflatten = fastad.flatten({"w": np.ones((2, 2)), "b": 3.0})
    >>> vector
    array([3., 1., 1., 1., 1.])
    >>> unflatten(2 * vector)
    {'w': array([[2., 2.],
           [2., 2.]]), 'b': np.float64(6.0)}
    """
    arrays = [leaf if isinstance(leaf, Tensor) else checked("flatten", leaf) for leaf in leaves(value)]
    structure = over(blank, value)
    shapes, dtypes, sizes = [a.shape for a in arrays], [a.dtype for a in arrays], [a.size for a in arrays]
    total = sum(sizes)

    def unflatten(vector: Any) -> Any:
        flat = vector if isinstance(vector, Tensor) else checked("unflatten", vector)
        if flat.shape != (total,):
            raise ValueError(f"unflatten: the vector has shape {flat.shape}, expected {(total,)}")
        return rebuild(structure, pieces(flat))

    def pieces(flat: Any) -> Iterator[Any]:
        end = 0
        for shape, dtype, size in zip(shapes, dtypes, sizes, strict=True):
            piece = flat[end:end + size].reshape(shape)
            if piece.dtype != dtype and dtype.kind in "fc" and not (piece.dtype.kind == "c" and dtype.kind == "f"):
                piece = piece.astype(dtype)
            end += size
            yield piece if isinstance(piece, Tensor) else piece.copy()[()] if shape == () else piece.copy()

    return joined(arrays), unflatten


def joined(arrays: list[Any]) -> Any:
    """Arrays and Tensors one after the other in a vector."""
    if not arrays:
        return np.zeros(0)
    if any(isinstance(a, Tensor) for a in arrays):
        return FUNCTIONS["concatenate"]([FUNCTIONS["ravel"](a) for a in arrays])
    return np.concatenate([a.ravel() for a in arrays])


def given(tensors: Iterable[Tensor], tree: Any, traced: bool) -> Any:
    """Results in the structure of `tree`: tensors as they are, or arrays and NumPy scalars."""
    return rebuild(tree, iter(tensors) if traced else map(plain, tensors))
