"""Checking derivatives against central differences: check_grads, and gradcheck and gradgradcheck with PyTorch's signatures.

The inputs are written to in place, one number after the other, and the function is evaluated anew.  A complex number counts
as two real ones, so nothing else here knows of them: a cotangent g of y stands for Re(sum g dy), as in HIPS/autograd.
Imports the core, recording.py and transforms/named.py.  Next: _differences.py, the comparison.
"""
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .. import recording
from .._core import make
from .._core.tensor import Tensor
from ..transforms.named import arguments, differentiable, leaves, plain, transformed
from ._differences import GradcheckError, Point, Tolerance, check, check_projected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["GradcheckError", "check_grads", "gradcheck", "gradgradcheck"]


def check_grads(f: Callable[..., Any], args: Sequence[Any], order: int = 2, modes: Sequence[str] = ("fwd", "rev"),
                atol: float = 1e-6, rtol: float = 1e-5, eps: float = 1e-6) -> None:
    """Compare the derivatives of `f` with central differences, (f(x + h) - f(x - h)) / 2h, entry by entry.

    Parameters
    ----------
    f : callable
        Takes and returns tensors, and nested lists, tuples, dicts, named tuples and dataclasses of them.
    args : tuple
        Its positional arguments: as for `f`, or numbers and arrays.  The derivatives are by all that are of floating-point
        or complex type, which `f` gets as float64 or complex128.
    order : int
        Up to which order: derivatives of order 2 are compared with differences of those of order 1, along random directions.
    modes : sequence of {"fwd", "rev"}
        Forward, reverse, or both: then in every combination to `order`, and the two must agree.  Each is checked as one
        walk a derivative, and as one walk for all.
    atol, rtol : float
        The largest difference allowed is ``atol + rtol * abs(difference quotient)``.
    eps : float
        The step h is ``eps * max(1, abs(x))``.

    Raises
    ------
    GradcheckError
        (An AssertionError.)  It names the entries that differ, both values and the step, and says if the function has a kink
        there, or another step would do.
    TypeError, ValueError
        If there is nothing to check, or an argument is wrong.

    Warns
    -----
    UserWarning
        If an argument is of lower precision: its float64 copy is checked; and if no output depends on the arguments.

    Examples
    --------
    >>> import numpy as np, fastad
    >>> from fastad.testing import check_grads
    >>> check_grads(lambda x, y: fastad.sin(x * y).sum(), (np.array([0.5, 2.0]), 3.0), order=3)
    >>> check_grads(lambda x: x.detach() * x, (2.0,))
    Traceback (most recent call last):
    fastad.testing._differences.GradcheckError: check_grads of <lambda>, order 1, forward mode: 1 of 1 entries differ
    from ...
      dy/dx: fastad 2, difference 4 (step 2e-06): ...
    """
    name = getattr(f, "__name__", type(f).__name__)
    if not callable(f):
        raise TypeError(f"check_grads: expected a function, got {type(f).__name__}")
    if not isinstance(args, tuple | list):
        raise TypeError(f"check_grads of {name}: args must be a tuple of arguments, got {type(args).__name__}; write (x,)")
    if not isinstance(order, int | np.integer) or order < 1:
        raise ValueError(f"check_grads: order must be an integer of at least 1, got {order!r}")
    if isinstance(modes, str) or not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f"check_grads: modes must be some of 'fwd' and 'rev', got {modes!r}")
    inputs: list[tuple[str, Tensor]] = []
    low: list[str] = []

    def own(label: str, value: Any) -> Any:
        if not differentiable(value):
            return value
        array = np.asarray(plain(value))
        dtype = np.dtype(complex if array.dtype.kind == "c" else float)
        if array.dtype != dtype and array.dtype.kind in "fc":
            low.append(f"{label} is {array.dtype}")
        inputs.append((label, make.tensor(array, dtype=dtype, requires_grad=True)))
        return inputs[-1][1]

    given = [transformed(value, own, label) for label, value in zip(arguments(f, tuple(args)), args, strict=True)]
    if low:
        warnings.warn(f"check_grads of {name}: {', '.join(low)}, whose differences have too few digits; copies in double "
                      f"precision are checked", stacklevel=2)
    if not inputs:
        kinds = ", ".join(type(a).__name__ for a in args)
        raise TypeError(f"check_grads of {name}: no argument has a derivative; they are {kinds}")
    point = Point(f"check_grads of {name}", inputs, lambda: outputs_of(f(*given), f"check_grads of {name}"))
    tolerance = Tolerance(atol, rtol, eps)
    point.examine(warn_level=3)
    points: list[tuple[tuple[str, ...], Point]] = [((), point)]
    for depth in range(order):
        for path, there in points:
            check(there, list(modes), tolerance, path)
        if depth + 1 < order:
            points = [((mode, *path), there.derivative(mode, depth)) for path, there in points for mode in modes]


def outputs_of(result: Any, name: str) -> list[tuple[str, Tensor]]:
    found = [(label, y) for label, y in leaves(result, "y") if isinstance(y, Tensor) and y.dtype.kind in "fc"]
    if not found:
        raise TypeError(f"{name}: it returned a {type(result).__name__} without a tensor that could have a derivative; use "
                        f"fastad's functions inside")
    return found


def gradcheck(func: Callable[..., Any], inputs: Tensor | Sequence[Any], *, eps: float = 1e-6, atol: float = 1e-5,
              rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
              check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
              check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
              masked: bool | None = None) -> bool:
    """Compare the gradients of `func` with central differences, as ``torch.autograd.gradcheck``.

    Parameters
    ----------
    func : callable
        Returns a tensor or several.
    inputs : Tensor or tuple
        Its arguments.  Those that require a gradient are checked; they are written to, and restored.
    eps, atol, rtol : float
        As in `check_grads`.
    raise_exception : bool
        Whether a difference raises, or gives False.
    nondet_tol : float
        How much two backward walks over the same inputs may differ.
    check_undefined_grad : bool
        Has no effect: each output is differentiated alone, so rules always meet cotangents that are missing.
    check_grad_dtypes : bool
        Whether a gradient must have the dtype of its input.
    check_batched_grad, check_batched_forward_grad : bool
        Check one walk for all cotangents, or tangents, too.
    check_forward_ad, check_backward_ad : bool
        Which modes to check.
    fast_mode : bool
        Compare one random projection of the Jacobian instead of every entry.
    masked : None or False
        For sparse tensors, which fastad does not have.

    Returns
    -------
    bool

    Raises
    ------
    GradcheckError
        (A RuntimeError.)  See `check_grads`.
    ValueError
        If no input requires a gradient.

    Warns
    -----
    UserWarning
        If an input is not of double precision: then the check will probably fail.

    Examples
    --------
    >>> import fastad
    >>> from fastad.testing import gradcheck
    >>> gradcheck(fastad.tanh, fastad.tensor([0.1, 2.0], requires_grad=True), check_forward_ad=True)
    True
    """
    return _gradcheck("gradcheck", func, inputs, Tolerance(atol, rtol, eps), raise_exception, nondet_tol, check_grad_dtypes,
                      {"fwd": check_forward_ad, "rev": check_backward_ad},
                      {"fwd": check_batched_forward_grad, "rev": check_batched_grad}, fast_mode, masked)


def _gradcheck(name: str, func: Callable[..., Any], inputs: Any, tolerance: Tolerance, raise_exception: bool,
               nondet_tol: float, check_grad_dtypes: bool, wanted_modes: dict[str, bool], at_once: dict[str, bool],
               fast_mode: bool, masked: bool | None) -> bool:
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    name = f"{name} of {getattr(func, '__name__', type(func).__name__)}"
    if masked:
        raise ValueError(f"{name}: masked is for sparse tensors, which fastad does not have")
    modes = [mode for mode, on in wanted_modes.items() if on]
    if not modes:
        raise ValueError(f"{name}: neither mode is to be checked: nothing is left")
    wanted = [(label, x) for label, x in zip(arguments(func, values), values, strict=True)
              if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError(f"{name}: no input is a tensor that requires a gradient; pass requires_grad=True")
    for label, x in wanted:
        if x.dtype not in (np.float64, np.complex128):
            warnings.warn(f"{name}: {label} is {x.dtype}; without double precision the check will probably fail",
                          stacklevel=3)
    point = Point(name, wanted, lambda: outputs_of(func(*values), name))
    try:
        point.examine(warn_level=4)
        if wanted_modes["rev"]:
            point.examine_walks(nondet_tol, check_grad_dtypes)
        if fast_mode:
            check_projected(point, modes, tolerance)
        else:
            check(point, modes, tolerance, (), at_once)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func: Callable[..., Any], inputs: Tensor | Sequence[Any],
                  grad_outputs: Tensor | Sequence[Tensor] | None = None, *, eps: float = 1e-6, atol: float = 1e-5,
                  rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
                  nondet_tol: float = 0.0, check_undefined_grad: bool = True,
                  check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_fwd_over_rev: bool = False,
                  check_rev_over_rev: bool = True, fast_mode: bool = False, masked: bool = False) -> bool:
    """Compare the gradients of the gradients of `func` with central differences, as ``torch.autograd.gradgradcheck``.

    Parameters
    ----------
    func, inputs, eps, atol, rtol, raise_exception, nondet_tol, check_undefined_grad, check_grad_dtypes, check_batched_grad
        As in `gradcheck`; ``fast_mode`` and ``masked`` too.
    grad_outputs : Tensor or sequence of Tensor, optional
        Cotangents of the outputs that have a gradient; random ones.  Those that require a gradient are checked as inputs.
    gen_non_contig_grad_outputs : bool
        Make the random ones not dense in memory.
    check_fwd_over_rev, check_rev_over_rev : bool
        Which modes to check.

    Examples
    --------
    >>> import fastad
    >>> from fastad.testing import gradgradcheck
    >>> gradgradcheck(lambda x: x ** 3, fastad.tensor([0.1, 2.0], requires_grad=True))
    True
    """
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    name = f"gradgradcheck of {getattr(func, '__name__', type(func).__name__)}"

    def ends(result: Any) -> list[Tensor]:
        return [y for _, y in outputs_of(result, name) if y.requires_grad]

    with recording.enable_grad():
        outputs = ends(func(*values))
    if not outputs:
        raise ValueError(f"{name}: no output has a gradient; an input must require one")
    rng = np.random.default_rng(0)
    if grad_outputs is None:
        seeds = [random_cotangent(rng, y, gen_non_contig_grad_outputs) for y in outputs]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    if len(seeds) != len(outputs):
        raise ValueError(f"{name}: {len(seeds)} grad_outputs for {len(outputs)} outputs that have a gradient")
    n = len(values)

    def gradients(*given: Any) -> tuple[Tensor, ...]:
        wanted = [x for x in given[:n] if isinstance(x, Tensor) and x.requires_grad]
        found = recording.grad(ends(func(*given[:n])), wanted, list(given[n:]), create_graph=True, allow_unused=True)
        return tuple(x.detach() * 0 if g is None else g for g, x in zip(found, wanted, strict=True))

    gradients.__name__ = f"the gradient of {getattr(func, '__name__', type(func).__name__)}"
    return _gradcheck("gradgradcheck", gradients, (*values, *seeds), Tolerance(atol, rtol, eps), raise_exception, nondet_tol,
                      check_grad_dtypes, {"fwd": check_fwd_over_rev, "rev": check_rev_over_rev},
                      {"fwd": False, "rev": check_batched_grad}, fast_mode, masked)


def random_cotangent(rng: np.random.Generator, y: Tensor, strided: bool) -> Tensor:
    array = rng.normal(size=(*y.shape, 2)).astype(y.dtype)
    if y.dtype.kind == "c":
        array += 1j * rng.normal(size=array.shape)
    return make.from_numpy(array[..., 0] if strided else array[..., 0].copy()).requires_grad_()
