"""Bad input: a clear exception that names the operation, nothing changed, never a crash."""
import contextlib
import inspect

import numpy as np
import pytest

import fastad as fa
from fastad._core.tensor import FUNCTIONS, Tensor

# DeprecationWarning: what some versions of NumPy still take, with a warning that is an error here
CLEAN = (TypeError, ValueError, IndexError, RuntimeError, OverflowError, MemoryError, NotImplementedError, ZeroDivisionError,
         DeprecationWarning)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def t(*shape, dtype="f8", grad=True):
    x = fa.tensor(np.ones(shape, dtype))
    return x.requires_grad_() if grad and np.dtype(dtype).kind == "f" else x


# ---- shapes that do not fit ---------------------------------------------------------------------------
BINARY = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "arctan2", "logaddexp"]


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "c16"])
@pytest.mark.parametrize("name", BINARY)
def test_binary_shapes(name, dtype):
    if dtype == "c16" and name in ("arctan2", "logaddexp"):
        return
    with pytest.raises(ValueError, match=rf"{name}.*\(2, 3\).*\(4,\)"):
        getattr(fa, name)(t(2, 3, dtype=dtype), t(4, dtype=dtype))


MISFITS = {
    "matmul": lambda: fa.matmul(t(2, 3), t(4, 2)), "matmul_batch": lambda: t(2, 3, 4) @ t(3, 4, 2),
    "matmul_0d": lambda: fa.matmul(t(), t(3)), "dot": lambda: fa.dot(t(2, 3), t(2, 3)), "inner": lambda: fa.inner(t(2, 3), t(2)),
    "tensordot": lambda: fa.tensordot(t(2, 3), t(2, 3), axes=1), "concatenate": lambda: fa.concatenate([t(2, 3), t(2, 4)]),
    "concatenate_ndim": lambda: fa.concatenate([t(2, 3), t(3)]), "concatenate_none": lambda: fa.concatenate([]),
    "concatenate_0d": lambda: fa.concatenate([t(), t()]), "stack": lambda: fa.stack([t(2), t(3)]), "stack_none": lambda: fa.stack([]),
    "where": lambda: fa.where(np.ones(2, bool), t(3), t(3)), "where_xy": lambda: fa.where(True, t(2), t(3)),
    "linear": lambda: fa.linear(t(2, 3), t(4, 5)), "linear_bias": lambda: fa.linear(t(2, 3), t(4, 3), t(5)),
    "cross_entropy": lambda: fa.cross_entropy(t(2, 3), np.array([0, 1, 2])), "nll_loss": lambda: fa.nll_loss(t(2, 3), np.array([0])),
    "binary_cross_entropy": lambda: fa.binary_cross_entropy(t(3), np.zeros(2)),
    "binary_cross_entropy_with_logits": lambda: fa.binary_cross_entropy_with_logits(t(3), np.zeros(2)),
    "reshape": lambda: fa.reshape(t(2, 3), (4, 2)), "reshape_two": lambda: fa.reshape(t(2, 3), (-1, -1)),
    "reshape_zero": lambda: fa.reshape(t(2, 3), (-1, 0)), "broadcast_to": lambda: fa.broadcast_to(t(2, 3), (2, 4)),
    "broadcast_to_fewer": lambda: fa.broadcast_to(t(2, 3), (3,)), "squeeze": lambda: fa.squeeze(t(2, 3), 0),
    "split": lambda: fa.split(t(5), 2), "repeat": lambda: fa.repeat(t(3), [1, 2]), "pad": lambda: fa.pad(t(3), ((1, 2), (3, 4))),
    "pad_negative": lambda: fa.pad(t(3), -1), "transpose": lambda: fa.transpose(t(2, 3), (0, 0)),
    "transpose_few": lambda: fa.transpose(t(2, 3), (0,)), "moveaxis": lambda: fa.moveaxis(t(2, 3), (0, 1), (0,)),
    "take_along_axis": lambda: fa.take_along_axis(t(2, 3), np.zeros((2, 2, 2), int), 0), "max_empty": lambda: fa.max(t(0)),
    "min_empty": lambda: fa.min(t(0, 3), axis=0), "backward_gradient": lambda: t(2).sum().backward(np.ones(3)),
    "repeat_negative": lambda: fa.repeat(t(3), -1), "cross_entropy_0d": lambda: fa.cross_entropy(t(), np.array(0)),
    "einsum": lambda: fa.einsum("ij,jk->ik", t(2, 3), t(4, 2)), "diagonal": lambda: fa.diagonal(t(3)),
    "diagonal_same": lambda: fa.diagonal(t(3, 3), 0, 1, 1), "tril": lambda: fa.tril(t()), "expand": lambda: fa.expand_dims(t(2), (0, 0)),
    "mse_shape": lambda: fa.mse_loss(t(2, 3), np.zeros(7)), "clip": lambda: fa.clip(t(3), np.zeros(2), np.ones(2)),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits(name):
    with pytest.raises((ValueError, RuntimeError)) as info:
        MISFITS[name]()
    assert len(str(info.value)) > 10


# ---- axes and indices ---------------------------------------------------------------------------------
AXES = ["sum", "mean", "prod", "max", "min", "var", "std", "cumsum", "softmax", "log_softmax", "logsumexp", "norm", "squeeze", "flip",
        "argmax", "argmin", "any", "all"]


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("axis", [2, -3, 10**6, -10**9, 2**40])
@pytest.mark.parametrize("name", AXES)
def test_axis_out_of_range(name, axis, dtype):
    with pytest.raises((IndexError, ValueError, OverflowError)):   # AxisError is both an IndexError and a ValueError
        getattr(fa, name)(t(2, 3, dtype=dtype), axis=axis)


@pytest.mark.parametrize("axis", ["0", 1.5, None, object(), [None], (0, 0), ((0,),)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sum", "max", "mean", "cumsum", "logsumexp", "concatenate", "stack"])
def test_axis_of_the_wrong_type(name, axis):
    x = t(2, 3)
    try:
        y = getattr(fa, name)([x, x] if name in ("concatenate", "stack") else x, axis=axis)
    except CLEAN:
        return
    assert axis is None and isinstance(y, Tensor)


BY_AXIS = {
    "concatenate": lambda a: fa.concatenate([t(2, 3), t(2, 3)], axis=a), "stack": lambda a: fa.stack([t(2), t(2)], axis=a),
    "split": lambda a: fa.split(t(2, 3), 1, axis=a), "take": lambda a: fa.take(t(2, 3), [0], axis=a),
    "repeat": lambda a: fa.repeat(t(2, 3), 2, axis=a), "roll": lambda a: fa.roll(t(2, 3), 1, axis=a),
    "swapaxes": lambda a: fa.swapaxes(t(2, 3), a, 0), "moveaxis": lambda a: fa.moveaxis(t(2, 3), 0, a),
    "transpose": lambda a: fa.transpose(t(2, 3), (a, 0)), "expand_dims": lambda a: fa.expand_dims(t(2, 3), a),
    "diagonal": lambda a: fa.diagonal(t(2, 3), 0, a, 0), "take_along_axis": lambda a: fa.take_along_axis(t(2, 3), np.zeros((2, 3), int), a),
    "tensordot": lambda a: fa.tensordot(t(2, 3), t(2, 3), axes=([a], [0])), "tensordot_n": lambda a: fa.tensordot(t(2, 3), t(2, 3), axes=abs(a)),
}


@pytest.mark.parametrize("axis", [5, -5, 10**9, -2**62, 2**70])
@pytest.mark.parametrize("name", BY_AXIS)
def test_other_axes_out_of_range(name, axis):
    with pytest.raises((IndexError, ValueError, OverflowError)):
        BY_AXIS[name](axis)


INDICES = {
    "far": lambda x: x[2], "far_negative": lambda x: x[-3], "many": lambda x: x[0, 0, 0], "huge": lambda x: x[2**70],
    "list": lambda x: x[[0, 2]], "mask": lambda x: x[np.ones(3, bool)], "float": lambda x: x[1.0], "text": lambda x: x["a"],
    "two_dots": lambda x: x[..., ...], "zero_step": lambda x: x[::0], "float_array": lambda x: x[np.array([0.0])],
    "misfit": lambda x: x[[0, 1], [0, 1, 2]], "tensor": lambda x: x[fa.tensor([5])], "take": lambda x: fa.take(x, [6]),
    "take_axis": lambda x: fa.take(x, [3], axis=1), "along": lambda x: fa.take_along_axis(x, np.full((2, 3), 7), 1),
    "none": lambda x: x[(None,) * 65], "object": lambda x: x[object()], "too_deep": lambda x: x[(None,) * 63],
}


@pytest.mark.parametrize("name", INDICES)
def test_bad_indices(name):
    with pytest.raises((IndexError, TypeError, ValueError)):
        INDICES[name](t(2, 3))


@pytest.mark.parametrize("target", [[0, 3], [-1, 0], [0, 2**40]])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_classes_out_of_range(name, target):
    with pytest.raises((IndexError, ValueError)):
        getattr(fa, name)(t(2, 3), np.array(target))


# ---- sizes --------------------------------------------------------------------------------------------
BIG = 2**40
HUGE = {
    "zeros": lambda: fa.zeros((BIG, BIG)), "ones": lambda: fa.ones((2**31, 2**31, 4)), "full": lambda: fa.full((BIG, BIG), 1.0),
    "empty": lambda: fa.empty((BIG, BIG)), "eye": lambda: fa.eye(BIG), "zeros_int": lambda: fa.zeros(2**70),
    "arange": lambda: fa.arange(2**62), "linspace": lambda: fa.linspace(0, 1, 2**60),
    "broadcast_to": lambda: fa.broadcast_to(t(1), (BIG, BIG)), "repeat": lambda: fa.repeat(t(3), 2**62),
    "repeat_wrap": lambda: fa.repeat(t(4), 2**62), "tile": lambda: fa.tile(t(3), (BIG, BIG)), "tile_wrap": lambda: fa.tile(t(4), 2**62),
    "outer": lambda: fa.broadcast_to(t(1), (2**31, 1)) * fa.broadcast_to(t(1), (1, 2**31)) + fa.broadcast_to(t(1), (2**31, 2**31)),
    "pad": lambda: fa.pad(t(3), 2**62), "pad_one_side": lambda: fa.pad(t(2, 2), ((0, 2**61), (0, 2**61))),
    "reshape": lambda: fa.reshape(t(4), (2**62, 4)), "reshape_wrap": lambda: fa.reshape(t(0), (2**62, 2**62, 2**62)),
    "zeros_like": lambda: fa.zeros_like(t(2), shape=(BIG, BIG)), "copy": lambda: fa.broadcast_to(t(1), (2**58,)) + 1.0,
}


@pytest.mark.parametrize("name", HUGE)
def test_sizes_that_overflow(name):
    with pytest.raises((ValueError, MemoryError, OverflowError)):
        HUGE[name]()


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "full", "reshape", "broadcast_to", "arange_negative"])
def test_negative_dimensions(name):
    call = {"reshape": lambda: fa.reshape(t(4), (-2, -2)), "broadcast_to": lambda: fa.broadcast_to(t(1), (-1,)),
            "full": lambda: fa.full((-1,), 1.0), "arange_negative": lambda: fa.linspace(0, 1, -1)}.get(name)
    with pytest.raises(ValueError):
        call() if call else getattr(fa, name)((2, -1))


MANY = (1,) * 65


@pytest.mark.parametrize("name", ["zeros", "reshape", "broadcast_to", "expand_dims", "stack", "outer_shape", "tile", "pad", "from_numpy"])
def test_more_than_64_dimensions(name):
    deep = fa.reshape(t(1), (1,) * 64)
    calls = {"zeros": lambda: fa.zeros(MANY), "reshape": lambda: fa.reshape(t(1), MANY), "broadcast_to": lambda: fa.broadcast_to(t(1), MANY),
             "expand_dims": lambda: fa.expand_dims(deep, 0), "stack": lambda: fa.stack([deep, deep]), "outer_shape": lambda: deep[None],
             "tile": lambda: fa.tile(t(1), MANY), "pad": lambda: fa.tensordot(deep, deep, axes=0),
             "from_numpy": lambda: fa.expand_dims(t(1), tuple(range(65)))}
    with pytest.raises((ValueError, IndexError)):
        calls[name]()


def test_64_dimensions_work():
    x = fa.tensor(np.ones((1,) * 63 + (3,)), requires_grad=True)
    y = (x * 2 + x[..., ::-1]).transpose()
    y.sum().backward()
    assert y.ndim == 64 and x.grad.ravel().tolist() == [3, 3, 3]


# ---- making tensors -----------------------------------------------------------------------------------
def test_ragged_and_unknown():
    with pytest.raises(ValueError, match="ragged"):
        fa.tensor([[1.0, 2.0], [3.0]])
    with pytest.raises(ValueError, match="ragged"):
        fa.exp([[1.0], [2.0, 3.0]])
    for bad in ("float99", "nonsense", object()):
        with pytest.raises(TypeError):
            fa.tensor([1.0], dtype=bad)
        with pytest.raises(TypeError):
            fa.zeros(2, dtype=bad)
        with pytest.raises(TypeError):
            fa.tensor([1.0]).astype(bad)
    for bad in (None, "text", object(), {}, {1.0}, iter([1.0])):
        with pytest.raises(TypeError):
            fa.tensor(bad)
        with pytest.raises(TypeError):
            fa.from_numpy(bad)
    with pytest.raises(TypeError):
        fa.from_numpy([1.0])


# ---- walks --------------------------------------------------------------------------------------------
def test_backward_errors_leave_the_gradients_alone():
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    for bad, error in (({}, RuntimeError), ({"gradient": np.ones(3)}, ValueError), ({"gradient": "text"}, (TypeError, ValueError)),
                       ({"gradient": np.ones(2) * 1j}, TypeError)):
        with pytest.raises(error):
            y.backward(**bad)
        assert x.grad is None
    with pytest.raises(RuntimeError, match="no graph"):
        fa.tensor(1.0).backward()
    y.sum().backward()
    with pytest.raises(RuntimeError):
        y.sum().backward()
    assert x.grad.tolist() == [2, 4]
    with pytest.raises(TypeError):
        x.grad = np.ones(2)
    with pytest.raises(ValueError):
        x.grad = fa.ones(3)
    assert x.grad.tolist() == [2, 4]


def test_autograd_grad_errors():
    x = fa.tensor(1.0, requires_grad=True)
    y = x * 2
    for call in (lambda: fa.autograd.grad(y, fa.tensor(1.0)), lambda: fa.autograd.grad(fa.tensor(1.0), x)):
        with pytest.raises(RuntimeError):
            call()
    for call in (lambda: fa.autograd.grad(1.0, x), lambda: fa.autograd.grad(y, 1.0), lambda: fa.autograd.grad(y, [x, None]),
                 lambda: fa.autograd.grad(None, None)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        fa.autograd.grad([y, y], x, grad_outputs=[None])


# ---- every public function, everything wrong ----------------------------------------------------------
def public():
    """Every registered function, and those of nn.functional."""
    import fastad.nn.functional as F
    found = {**FUNCTIONS}
    found.update({f"F.{n}": f for n, f in vars(F).items() if callable(f) and not n.startswith("_") and not inspect.isclass(f)})
    return found


PUBLIC = public()
# constructors take a tensor for a dtype, as NumPy's do, and make numbers of None
LENIENT = {"array", "asarray", "arange", "zeros_like", "ones_like", "empty_like"}


class Stranger:
    """Nothing that an operation can use."""


@pytest.mark.parametrize("value", [None, "text", Stranger(), {}, b"bytes", Stranger], ids=["None", "str", "object", "dict", "bytes", "class"])
@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_wrong_types_raise(name, value):
    if name == "stack" and isinstance(value, bytes):
        return                             # a sequence of integers
    several = [(value, value), (value, t(2, 3)), (value, t(2, 3), t(2, 3))]
    for arguments in [(value,)] + (several if name not in LENIENT else []):
        with pytest.raises(CLEAN):
            PUBLIC[name](*arguments)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_strange_second_arguments(name):
    """Either an answer or a clean exception; and the tensor is as it was."""
    for value in (None, "text", Stranger(), -1, 10**30, 1.5, np.nan, [], [[]], (), (None,), ("a",), slice(1), np.zeros(0), t(0), t(7), True):
        for rest in ((), (value,), (value, value)):
            x = t(2, 3)
            with contextlib.suppress(CLEAN):
                PUBLIC[name](x, value, *rest)
            assert x.detach().numpy().tolist() == np.ones((2, 3)).tolist() and x.version == 0


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_too_many_arguments(name):
    if name.removeprefix("F.") in ("einsum",):
        return
    with pytest.raises(CLEAN):
        PUBLIC[name](*[t(2, 3)] * 12)
    with pytest.raises(TypeError):
        PUBLIC[name](t(2, 3), no_such_argument=1)
    with pytest.raises(CLEAN):
        PUBLIC[name]()


METHODS = sorted(n for n in dir(Tensor) if not n.startswith("_") and callable(getattr(Tensor, n)))


@pytest.mark.parametrize("name", METHODS)
def test_methods_with_strange_arguments(name):
    for value in (None, "text", Stranger(), -1, 10**30, 1.5, [], (None,), ("a",), slice(1), np.zeros(0), t(7)):
        for rest in ((), (value,), (value, value, value)):
            with contextlib.suppress(CLEAN):
                getattr(t(2, 3), name)(value, *rest)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in ("numpy",)])
def test_methods_of_a_stranger(name):
    with pytest.raises(CLEAN):
        getattr(Tensor, name)(Stranger())
    with pytest.raises(CLEAN):
        getattr(Tensor, name)(None)


def test_parameters_of_functions():
    for call in (lambda: fa.leaky_relu(t(2), "a"), lambda: fa.elu(t(2), None), lambda: fa.gelu(t(2), "exact"), lambda: fa.clip(t(2)),
                 lambda: fa.clip(t(2), "a"), lambda: fa.norm(t(2, 2), ord="nonsense"), lambda: fa.var(t(2), ddof="a"),
                 lambda: fa.mse_loss(t(2), t(2), reduction="nonsense"), lambda: fa.cross_entropy(t(2, 3), [0, 1], reduction="total"),
                 lambda: fa.cross_entropy(t(2, 3), np.array([0.5, 1.0])), lambda: fa.pad(t(3), 1, mode="nonsense"),
                 lambda: fa.where(True, t(2)), lambda: fa.split(t(4), 0), lambda: fa.split(t(4), -1), lambda: fa.array_split(t(4), 0),
                 lambda: fa.einsum("ij->", t(3)), lambda: fa.einsum("i$j", t(2, 3)), lambda: fa.einsum("ij->ik", t(2, 3)),
                 lambda: fa.einsum("ij,jk", t(2, 3)), lambda: fa.einsum()):
        with pytest.raises((TypeError, ValueError)):
            call()


# ---- which operation -----------------------------------------------------------------------------------
AXES = ("sum", "mean", "prod", "max", "min", "var", "std", "norm", "logsumexp", "softmax", "log_softmax", "cumsum", "argmax",
        "argmin", "any", "all", "flip", "squeeze", "expand_dims")


@pytest.mark.parametrize("axis", [1.5, "a", (0, 1.5), 5], ids=str)
@pytest.mark.parametrize("name", AXES)
def test_an_axis_that_is_none_names_the_operation(name, axis):
    with pytest.raises((TypeError, np.exceptions.AxisError), match=f"^{name}: "):
        getattr(fa, name)(t(2, 3), axis=axis)


def read_only():
    numbers = np.ones(2)
    numbers.flags.writeable = False
    return fa.from_numpy(numbers)


def hook_that_returns_a_number():
    y = t(2) * 1
    y.register_hook(lambda g: 3.0)
    y.sum().backward()


NAMED = {
    "dot": (lambda: fa.dot(t(2, 3), t(2, 3)), ValueError, r"dot: shapes \(2, 3\) and \(2, 3\)"),
    "dot of vectors": (lambda: fa.dot(t(2), t(3)), ValueError, "dot: "),
    "fill_": (lambda: read_only().fill_(1), ValueError, "fill_: .* read-only; write to a copy"),
    "zero_": (lambda: read_only().zero_(), ValueError, "zero_: .* read-only"),
    "fill_ on the tape": (lambda: (t(2) * 1).fill_(1), RuntimeError, "fill_: "),
    "ravel": (lambda: fa.ravel(t(2, 3), order="F"), ValueError, "ravel: order"),
    "flatten": (lambda: t(2, 3).flatten("F"), ValueError, "flatten: order"),
    "tensordot": (lambda: fa.tensordot(t(2, 3), t(2, 3), ((0, 0), (0, 0))), ValueError, "tensordot: axis 0 is named twice"),
    "tensordot float": (lambda: fa.tensordot(t(2, 3), t(2, 3), 1.5), TypeError, "tensordot: axes must be"),
    "tensordot three": (lambda: fa.tensordot(t(2, 3), t(2, 3), (0, 1, 1)), ValueError, "tensordot: axes must be"),
    "split": (lambda: fa.split(t(2, 3), 2.0), TypeError, "split: .* got 2.0"),
    "array_split": (lambda: fa.array_split(t(2, 3), [0.5]), TypeError, "array_split: "),
    "tile text": (lambda: fa.tile(t(2), "a"), TypeError, "tile: "),
    "tile float": (lambda: fa.tile(t(2), 1.5), TypeError, "tile: reps must be integers"),
    "roll": (lambda: fa.roll(t(2), 1.5), TypeError, "roll: shift must be integers"),
    "repeat": (lambda: fa.repeat(t(2), 1.5), TypeError, "repeat: repeats must be integers"),
    "diagonal": (lambda: fa.diagonal(t(2, 3), offset=1.5), TypeError, "diagonal: offset must be an integer"),
    "max": (lambda: fa.max(t(0)), ValueError, r"max: .*shape \(0,\)"),
    "argmax": (lambda: fa.argmax(t(0)), ValueError, "argmax: "),
    "keepdims": (lambda: fa.sum(t(2), keepdims="no"), TypeError, "sum: keepdims must be True or False, got 'no'"),
    "keepdims None": (lambda: fa.logsumexp(t(2), keepdims=None), TypeError, "logsumexp: keepdims"),
    "a hook": (hook_that_returns_a_number, TypeError, "multiply: a hook returned a float, expected a Tensor"),
    "into an array": (lambda: np.zeros(2).__setitem__(slice(None), t(2)), TypeError, "stack, concatenate or where"),
}


@pytest.mark.parametrize("case", NAMED)
def test_the_error_names_the_operation_that_was_called(case):
    call, error, message = NAMED[case]
    with pytest.raises(error, match=f"^(numpy.asarray: .*)?{message}"):
        call()


# ---- fastad.grad ---------------------------------------------------------------------------------------
def square(x):
    return (x * x).sum()


GRAD = {
    "a string": (lambda: fa.grad(square)("x"), TypeError, "grad of square: argument 0 is a str, and derivatives are by"),
    "nothing to differentiate": (lambda: fa.grad(square)([1.0, object()]), TypeError, r"argument 0\[1\] is a object"),
    "integers": (lambda: fa.grad(square)({"a": [np.arange(3)]}), TypeError, r"argument 0\['a'\]\[0\] has dtype int64.*astype\(float"),
    "a truth value": (lambda: fa.grad(square)(True), TypeError, "argument 0 has dtype bool"),
    "by name": (lambda: fa.grad(square)(x=1.0), ValueError, "argnum 0 is out of range.*pass x by position"),
    "nothing": (lambda: fa.grad(square)(), ValueError, "argnum 0 is out of range for 0 positional arguments$"),
    "argnum list": (lambda: fa.grad(square, [0])(1.0), TypeError, r"argnum must be an integer or a tuple .* got \[0\]"),
    "argnum twice": (lambda: fa.grad(fa.multiply, (0, -2))(2.0, 3.0), ValueError, "names argument 0 twice"),
    "no function": (lambda: fa.grad(t(2).sum()), TypeError, "expected a function, got Tensor; fastad.autograd.grad"),
}


@pytest.mark.parametrize("case", GRAD)
def test_arguments_of_grad(case):
    call, error, message = GRAD[case]
    with pytest.raises(error, match=message):
        call()


# ---- operators without a rule --------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "operation", "remedy"), [
    ("floor_divide", lambda a, b: a // b, "fastad.floor"), ("remainder", lambda a, b: a % b, r"a - fastad.floor\(a / b\) \* b"),
    ("divmod", divmod, "fastad.floor"), ("round", lambda a, b: round(a), "x.round"),
], ids=("floordiv", "mod", "divmod", "round"))
def test_operators_without_a_rule(name, operation, remedy):
    class Other:
        def __rfloordiv__(self, other):
            return "mine"
        __rmod__ = __rdivmod__ = __rfloordiv__
    for a, b in ((t(), 3.0), (3.0, t()), (t(), t())):
        if name == "round":
            a, b = (b, a) if isinstance(a, float) else (a, b)
        with pytest.raises(TypeError, match=f"^{name}: .*{remedy}"):
            operation(a, b)
    if name != "round":
        assert operation(t(), Other()) == "mine"
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(t(), object())


def test_the_remedy_for_the_remainder_has_its_derivatives():
    a, b = fa.tensor(7.5, requires_grad=True), fa.tensor(2.0, requires_grad=True)
    y = a - fa.floor(a / b) * b
    y.backward()
    assert (y.item(), a.grad.item(), b.grad.item()) == (7.5 % 2.0, 1.0, -3.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ("raise", "wrap", "clip"))
def test_take_from_nothing(mode):
    with pytest.raises(IndexError):
        np.take(np.zeros((2, 0)), [0], 1, mode=mode)
    with pytest.raises(IndexError, match=r"take: axis 1 of shape \(2, 0\)"):
        fa.take(t(2, 0), [0], 1, mode=mode)
    assert fa.take(t(2, 0), [], 1, mode=mode).shape == (2, 0)
