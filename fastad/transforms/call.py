"""One call of a function, recorded, and the walks over it: what every transform is made of.

f is called once, on copies of its own of the arguments that are differentiated by; everything that was recorded before
is older than these copies, cannot depend on them, and is left alone by the walks.  So derivatives inside of derivatives
keep their variables apart, and one inside a loop does not walk over the loop.  Imports the core and tree.py.  Next:
reverse.py.
"""
from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from .._core import make
from .._core.make import (
    check_scalar,
    constant,
    copy_of,
    from_numpy,
    is_nested,
    mark,
    recorded_call,
    value_of,
    warn_independent,
)
from .._core.tape import is_grad_enabled
from .._core.tensor import FUNCTIONS, Tensor, checked
from .tree import blank, given, holds_tensor, leaves, leaves_like, over, paths, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Literal

    from .._typing import Argnum


def name_of(f: Any) -> str:
    """What messages call a function."""
    name = getattr(f, "__name__", None) or getattr(getattr(f, "func", None), "__name__", None)
    return name if isinstance(name, str) else type(f).__name__


def what_of(transform: str, f: Any) -> str:
    """How messages begin: ``grad of f``."""
    if not callable(f):
        raise TypeError(f"{transform}: expected a function, got {type(f).__name__}; fastad.autograd.grad differentiates "
                        f"results")
    return f"{transform} of {name_of(f)}"


class Wanted:
    """The arguments that a transform differentiates by: numbers and names, and where they stand in a call."""

    def __init__(self, what: str, f: Callable[..., Any], argnum: Argnum) -> None:
        self.what = what
        self.by_name = False
        self.single = not isinstance(argnum, tuple)
        self.numbers = argnum if isinstance(argnum, tuple) else (argnum,)
        self.defaults: dict[str, Any] = {}
        self.names: list[str] = []
        for k in self.numbers:
            if isinstance(k, str):
                self.by_name = True
            elif not isinstance(k, (int, np.integer)):
                raise TypeError(f"{what}: argnum must be an integer or a tuple of integers, or names, got {argnum!r}")
        if self.by_name:
            self.read_signature(f)

    def read_signature(self, f: Callable[..., Any]) -> None:
        from inspect import Parameter, signature
        try:
            found = signature(f).parameters.values()
        except (TypeError, ValueError):   # some compiled functions have none: keywords still are names
            return
        self.names = [p.name for p in found if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
        self.defaults = {p.name: p.default for p in found
                         if p.default is not Parameter.empty and p.kind is not Parameter.POSITIONAL_ONLY}

    def places(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | str]:
        """Positions, and keywords, of the arguments in this call."""
        found: list[int | str] = []
        for k in self.numbers:
            place = self.place_of_name(k, args, kwargs) if isinstance(k, str) else self.place_of_number(int(k), args, kwargs)
            if place in found:
                raise ValueError(f"{self.what}: argnum {self.numbers} names argument {place} twice")
            found.append(place)
        return found

    def place_of_number(self, k: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        if not -len(args) <= k < len(args):
            raise ValueError(f"{self.what}: argnum {k} is out of range for {len(args)} positional arguments" + (
                f"; pass {', '.join(kwargs)} by position to differentiate by it, or give argnum its name" if kwargs else ""))
        return k % len(args)

    def place_of_name(self, k: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | str:
        if k not in kwargs and k in self.names and self.names.index(k) < len(args):
            return self.names.index(k)
        if k in kwargs or k in self.defaults:
            return k
        raise ValueError(f"{self.what}: there is no argument {k!r} in this call; its arguments are "
                         f"{', '.join(dict.fromkeys([*self.names, *self.defaults, *kwargs])) or 'without names'}")

    def words(self, k: int | str) -> str:
        return f"argument {k!r}" if isinstance(k, str) else f"argument {k}"


class Call:
    """f(*args, **kwargs), recorded on its own copies of the wanted arguments.

    inputs      the copies, leaf after leaf of `tree`, the wanted arguments (a tuple of them if several are wanted)
    outputs     the leaves of `value_tree`, what f returned, as tensors;  aux: what it returned beside
    traced      results are given as tensors: an argument is one, or another transform is under way in this thread, or in
                another one and differentiates by what f closes over
    recording   results depend on what is being differentiated outside, so walks must record
    """

    def __init__(self, what: str, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], wanted: Wanted, *,
                 has_aux: bool = False, scalar: Literal["", "real", "complex"] = "") -> None:
        self.what = what
        self.traced = is_nested() or holds_tensor(args) or (bool(kwargs) and holds_tensor(kwargs))
        self.since = mark()
        places = wanted.places(args, kwargs)
        values = [args[k] if isinstance(k, int) else kwargs.get(k, wanted.defaults.get(k)) for k in places]
        self.inputs = []
        self.names = []
        given_args, given_kwargs = list(args), dict(kwargs)
        for k, value in zip(places, values, strict=True):
            names = paths(value, wanted.words(k))
            copies = list(map(copy_of, leaves(value), repeat(what), names))
            self.names += names
            self.inputs += copies
            if isinstance(k, int):
                given_args[k] = rebuild(value, iter(copies))
            else:
                given_kwargs[k] = rebuild(value, iter(copies))
        self.tree = rebuild(values[0] if wanted.single else tuple(values), iter(self.inputs))
        try:
            value = recorded_call(f, tuple(given_args), given_kwargs)
        except (TypeError, AttributeError) as error:
            for k, value in zip(places, values, strict=True):
                if isinstance(value, (list, tuple)):
                    error.add_note(f"{what}: {wanted.words(k)} is a {type(value).__name__}, so the function was given a "
                                   f"{type(value).__name__} of tensors; pass numpy.array(...) for one tensor")
            raise
        self.aux = None
        if has_aux:
            if not isinstance(value, tuple) or len(value) != 2:
                raise TypeError(f"{what}: with has_aux=True it must return (value, aux), not "
                                f"{f'a tuple of {len(value)}' if isinstance(value, tuple) else type(value).__name__}")
            value, self.aux = value
        if scalar:
            value = value_of(value, what)
            check_scalar(value, what, scalar == "complex")
        self.outputs = [value_of(leaf, what) for leaf in leaves(value)]
        self.value_tree = over(blank, value)
        self.look()

    def look(self) -> None:
        """Find out what depends on what, and warn where nothing does."""
        recorded = [y for y in self.outputs if y.requires_grad]
        used, depending, older = make.dependence(recorded, self.inputs, self.since)
        aux = [t for t in leaves(self.aux) if isinstance(t, Tensor) and t.requires_grad] if self.aux is not None else []
        if not older and aux:             # the value does not depend on what is being differentiated outside; aux may
            older = make.dependence(aux, self.inputs, self.since)[2]
        if older and not self.traced:     # it may be so in another thread, which waits for this one
            self.traced = make.is_differentiated(recorded + aux, self.since)
        self.recording = self.traced and older and is_grad_enabled()
        if not all(used):
            for name, ok in zip(self.names, used, strict=True):
                if not ok:
                    warn_independent(self.what, name)
        if any(used) and not (len(recorded) == len(self.outputs) and all(depending)):
            depends = iter(depending)
            for name, y in zip(paths(self.value_tree, ""), self.outputs, strict=True):
                if not (y.requires_grad and next(depends)):
                    warn_independent(f"{self.what}, output {name}", "any of the arguments")

    # -- results
    def give(self, tensors: Iterable[Tensor], tree: Any, traced: bool | None = None) -> Any:
        return given(tensors, tree, self.traced if traced is None else traced)

    def kept(self, tensors: list[Tensor]) -> list[Tensor]:
        """Recorded tensors as they leave the call: without their derivatives, unless somebody outside wants them."""
        return tensors if self.recording else [constant(t) for t in tensors]

    def value(self) -> Any:
        """What f returned."""
        return self.give(self.kept(self.outputs), self.value_tree)

    def auxiliary(self) -> Any:
        """What f returned beside its value."""
        def leave(leaf: Any) -> Any:
            if not isinstance(leaf, Tensor) or self.recording:
                return leaf
            return constant(leaf) if self.traced else make.plain(leaf)
        return over(leave, self.aux)

    # -- walks
    def pull(self, outputs: list[Tensor], cotangents: Sequence[Tensor | None], lead: tuple[int, ...] = (), *,
             recording: bool | None = None, keep: bool = True) -> list[Tensor]:
        """The inputs' adjoints, behind the `lead` axes of the outputs' cotangents; None is a cotangent of zeros."""
        recording = self.recording if recording is None else recording
        pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if c is not None and y.requires_grad]
        found = make.pull([y for y, _ in pairs], self.inputs, [c for _, c in pairs], len(lead), recording,
                          keep or recording, self.since)
        return [zeros(lead, x) if g is None else g for x, g in zip(self.inputs, found, strict=True)]

    def push(self, outputs: list[Tensor], tangents: Sequence[Tensor | None], lead: tuple[int, ...] = (), *,
             recording: bool | None = None) -> list[Tensor]:
        """The tangents of `outputs`, behind the `lead` axes of the inputs' tangents; None is a tangent of zeros."""
        recording = self.recording if recording is None else recording
        moving = [x for x, t in zip(self.inputs, tangents, strict=True) if t is not None]
        recorded = [y for y in outputs if y.requires_grad]
        found = make.push(moving, recorded, [t for t in tangents if t is not None], len(lead), recording, self.since)
        pushed = iter(found)
        every = found if len(found) == len(outputs) else [next(pushed) if y.requires_grad else None for y in outputs]
        return [zeros(lead, y, self.inputs) if t is None else t for y, t in zip(outputs, every, strict=True)]

    def gradient(self) -> list[Tensor]:
        """The gradient of a scalar value, recorded, so that it can be differentiated by the inputs."""
        return self.pull(self.outputs, [one(self.outputs[0])], recording=True)

    def moves(self, directions: list[Tensor], values: Any) -> tuple[bool, bool]:
        """For tangents or cotangents that the caller gave as `values`: whether the walk must record, and whether its results
        are given as tensors."""
        if not (is_nested() or holds_tensor(values)):
            return self.recording, self.traced
        return self.recording or (is_grad_enabled() and any(d.requires_grad for d in directions)), True

    def read(self, values: Any, kind: str, like: Any, tensors: list[Tensor]) -> list[Tensor]:
        """Tangents or cotangents given by the caller, as tensors of the shapes and dtypes of `tensors`."""
        found = leaves_like(values, like, self.what, f"the {kind}")
        return list(map(direction, found, tensors, repeat(self.what), paths(like, f"the {kind}")))


def all_of(what: str, f: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool = False,
           scalar: Literal["", "real", "complex"] = "") -> Call:
    """A call whose arguments are all differentiated by."""
    return Call(what, f, primals, {}, Wanted(what, f, tuple(range(len(primals)))), has_aux=has_aux, scalar=scalar)


def zeros(lead: tuple[int, ...], like: Tensor, instead: list[Tensor] | None = None) -> Tensor:
    """Zeros in the dtype of `like`; if that is no dtype for derivatives, then in that of the first of `instead`."""
    dtype = like.dtype if like.dtype.kind in "fc" or not instead else instead[0].dtype
    return from_numpy(np.zeros(lead + like.shape, dtype))


def one(like: Tensor) -> Tensor:
    array = np.empty(like.shape, like.dtype)
    array.fill(1)
    return from_numpy(array)


def direction(value: Any, like: Tensor, what: str, name: str) -> Tensor:
    """A tangent or cotangent in the shape and dtype of `like`; a tensor keeps its derivative."""
    v = value if isinstance(value, Tensor) else from_numpy(np.array(checked(what, value)))
    if v.shape != like.shape:
        raise ValueError(f"{what}: {name} has shape {v.shape}, expected {like.shape}")
    dtype = like.dtype if like.dtype.kind in "fc" else np.dtype(float)
    if v.dtype == dtype:
        return v
    if not np.can_cast(v.dtype, dtype, "same_kind"):
        raise TypeError(f"{what}: {name} has dtype {v.dtype}, expected {dtype}; take the real part, or differentiate by "
                        f"complex arguments")
    result: Tensor = FUNCTIONS["astype"](v, dtype)
    return result
