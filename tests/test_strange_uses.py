"""Strange arrays where no primitive is called by name: composed functions, losses, layers, optimizers, initial values,
creation, the targets of writing, indices.  The disguises are those of test_strange.py; memory beside a view stays as it was.
"""
import numpy as np
import pytest
from test_strange import (
    DISGUISES,
    HIGH,
    NO_NUMBERS,
    dress,
    field,
    plain,
    read_only,
    swapped,
    unaligned,
    unaligned_swapped_reversed,
    zero_stride,
)

import fastad as fa
from fastad import nn, optim
from fastad.nn import functional as F
from fastad.nn import init

pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning", "ignore:.*matrix.*:PendingDeprecationWarning")
disguised = pytest.mark.parametrize("disguise", DISGUISES, ids=lambda f: f.__name__)
SHARED = [d for d in DISGUISES if d not in (swapped, unaligned, unaligned_swapped_reversed, field, read_only, zero_stride)]
shared = pytest.mark.parametrize("disguise", SHARED, ids=lambda f: f.__name__)


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 0.9, shape)


class Memory:
    """A disguised array over writable memory; `unharmed` says whether all of it but the array's own elements is as before."""

    def __init__(self, disguise, a):
        (self.view,), _, (self.owner,) = dress(disguise, [a])
        self.start, self.before = self.view.copy(), self.owner.tobytes()

    def unharmed(self):
        self.view[...] = self.start
        return self.owner.tobytes() == self.before


# ---- composed functions ----------------------------------------------------------------------------------
COMPOSED = {
    **{name: f for name, f in HIGH.items() if name not in ("getitem", "rows", "broadcast_to")},
    "std": lambda m, x: m.std(x, axis=0), "norm": lambda m, x: m.linalg.norm(x), "norm of rows": lambda m, x: m.linalg.norm(x, 3, axis=-1),
    "outer": lambda m, x: m.outer(x[0, 0], x[0, 1]), "inner": lambda m, x: m.inner(x, x), "dot": lambda m, x: m.dot(x[0], x[1]),
    "einsum": lambda m, x: m.einsum("ijk,ikl->jl", x, x), "stack": lambda m, x: m.stack([x, x], -1), "argmax": lambda m, x: m.argmax(x, axis=-1),
    "round": lambda m, x: m.round(x, 1), "isfinite": lambda m, x: m.isfinite(x), "allclose": lambda m, x: np.asarray(m.allclose(x, x)),
    "edge": lambda m, x: m.pad(x, 1, mode="edge"), "nonzero": lambda m, x: np.asarray(m.nonzero(x > 0.5)), "floor": lambda m, x: m.floor(x * 3),
    "all": lambda m, x: m.all(x > 0, axis=0), "array_split": lambda m, x: m.array_split(x, 3, axis=-1)[1], "clip": lambda m, x: m.clip(x, 0.3, x[0]),
}


class Names:
    """fastad, with the one name that NumPy keeps in linalg."""
    linalg = fa

    def __getattr__(self, name):
        return getattr(fa, name)


@disguised
def test_composed_functions(disguise):
    (strange,), (dense,), (owner,) = dress(disguise, [uniform(2, 4, 4)])
    if disguise.__name__ == "subclass":
        strange = dense                    # what it does with [...] is its own affair
    before = owner.tobytes()
    for name, f in COMPOSED.items():
        y, e = f(Names(), strange), np.asarray(f(np, dense))
        assert y.shape == e.shape and y.dtype == e.dtype, name
        np.testing.assert_allclose(plain(y) if isinstance(y, fa.Tensor) else y, e, rtol=1e-6, err_msg=name)
    assert owner.tobytes() == before


# ---- losses ----------------------------------------------------------------------------------------------
CLASSES = np.array([0, 2, 1])
LOSSES = {
    "mse_loss": (F.mse_loss, uniform(3, 4), uniform(3, 4, seed=1)), "l1_loss": (F.l1_loss, uniform(3, 4), uniform(3, 4, seed=1)),
    "cross_entropy": (lambda x, t, w: F.cross_entropy(x, t, weight=w), uniform(3, 4), CLASSES, uniform(4, seed=2)),
    "cross_entropy of shares": (F.cross_entropy, uniform(3, 4), uniform(3, 4, seed=1)),
    "nll_loss": (lambda x, t, w: F.nll_loss(x, t, weight=w), uniform(3, 4), CLASSES, uniform(4, seed=2)),
    "binary_cross_entropy": (lambda x, t, w: F.binary_cross_entropy(x, t, weight=w), uniform(3, 4), uniform(3, 4, seed=1), uniform(4, seed=2)),
    "with logits": (lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, weight=w, pos_weight=p), uniform(3, 4), uniform(3, 4, seed=1),
                    uniform(4, seed=2), uniform(4, seed=3)),
    "linear": (F.linear, uniform(3, 4), uniform(2, 4, seed=1), uniform(2, seed=2)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    """Each argument strange in turn, by itself and as a tensor that shares or copies it."""
    loss, *arrays = LOSSES[name]
    for disguise in DISGUISES:
        for k, a in enumerate(arrays):
            (strange,), (dense,), (owner,) = dress(disguise, [a])
            if dense.dtype.kind == "i":
                strange, dense = (strange, dense) if disguise is not zero_stride else (a, a)
            before = owner.tobytes()
            results = []
            for value in (fa.tensor(dense), strange, fa.tensor(strange)):
                args = [value if i == k else fa.tensor(b) for i, b in enumerate(arrays)]
                if k:
                    args[0].requires_grad_()
                y = loss(*args)
                if k:
                    y.sum().backward()
                results.append((plain(y), plain(args[0].grad) if k else 0))
            for value, grad in results[1:]:
                np.testing.assert_array_equal(value, results[0][0], err_msg=f"{disguise.__name__}, argument {k}")
                np.testing.assert_array_equal(grad, results[0][1], err_msg=f"{disguise.__name__}, argument {k}")
            assert owner.tobytes() == before


@pytest.mark.parametrize("name", LOSSES)
def test_losses_refuse_what_holds_no_numbers(name):
    loss, *arrays = LOSSES[name]
    for kind, make in NO_NUMBERS.items():
        for k, a in enumerate(arrays):
            if kind == "matrix" and a.ndim < 2:
                continue                   # it would be another shape
            with pytest.raises(TypeError, match=r"not supported|hides elements|asarray\(x\)|integer|class"):
                loss(*[make(b) if i == k else fa.tensor(b) for i, b in enumerate(arrays)])


@pytest.mark.parametrize("dtype", ["f2", "g", ">f4", "c8", "?", "i1", "i8", "u8"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_other_dtypes(name, dtype):
    """The float64 result to the dtype's rounding, or a TypeError."""
    if (name, dtype) == ("linear", "?"):
        return                             # or instead of plus, as in NumPy: test_strange.py
    loss, *arrays = LOSSES[name]
    arrays = [a if a.dtype.kind == "i" else a.astype(dtype) if dtype[-1] not in "?1" else np.rint(a).astype(dtype) for a in arrays]
    try:
        y = loss(*[fa.tensor(a) for a in arrays])
    except TypeError as error:
        assert len(str(error)) > 20
        return
    e = plain(loss(*[fa.tensor(a if a is CLASSES else a.astype("c16" if dtype[0] == "c" else "f8")) for a in arrays]))
    tolerance = {"f2": 5e-3, ">f4": 1e-6, "c8": 1e-6}.get(dtype, 1e-12)
    np.testing.assert_allclose(plain(y).astype(e.dtype), e, rtol=tolerance, atol=tolerance)


# ---- layers ----------------------------------------------------------------------------------------------
def layers():
    fa.manual_seed(0)
    simple = [cls() for cls in vars(nn).values() if isinstance(cls, type) and issubclass(cls, nn.Module) and cls.__module__ == nn.activation.__name__]
    assert len(simple) > 10
    return [nn.Linear(4, 3).astype("f8"), nn.Sequential(nn.Linear(4, 3), nn.Tanh()).astype("f8"), nn.Identity(), *simple]


@disguised
def test_layers(disguise):
    (strange,), (dense,), (owner,) = dress(disguise, [uniform(3, 4)])
    before = owner.tobytes()
    for layer in layers():
        if not isinstance(layer, nn.Identity):
            np.testing.assert_array_equal(plain(layer(strange)), plain(layer(fa.tensor(dense))), err_msg=repr(layer))
        np.testing.assert_array_equal(plain(layer(fa.tensor(strange))), plain(layer(fa.tensor(dense))), err_msg=repr(layer))
    assert owner.tobytes() == before


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_layers_refuse_what_holds_no_numbers(kind):
    for layer in layers():
        if not isinstance(layer, nn.Identity):
            with pytest.raises(TypeError, match=r"not supported|hides elements|asarray\(x\)"):
                layer(NO_NUMBERS[kind](uniform(3, 4)))


# ---- optimizers ------------------------------------------------------------------------------------------
STEPS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01), "plain SGD": lambda p: optim.SGD(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True), "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1, weight_decay=0.1, decoupled_weight_decay=True), "Rprop": lambda p: optim.Rprop(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1), "Adamax": lambda p: optim.Adamax(p, lr=0.1), "Adadelta": lambda p: optim.Adadelta(p),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True), "l1": lambda p: optim.Adam(p, lr=0.1, l1=0.1),
}
stepped = pytest.mark.parametrize("name", STEPS)


def walked(name, p, gradient):
    """p's numbers after three steps."""
    steps = STEPS[name]([p])
    for _ in range(3):
        p.grad = gradient
        steps.step()
    return plain(p).copy()


@stepped
@shared
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "g"])
def test_parameters_over_strange_memory(name, disguise, dtype):
    memory = Memory(disguise, uniform(3, 4).astype(dtype))
    g = fa.tensor(uniform(3, 4, seed=1).astype(dtype))
    expected = walked(name, fa.tensor(memory.view, requires_grad=True), g)
    found = walked(name, fa.from_numpy(memory.view).requires_grad_(), g)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.asarray(memory.view), expected)
    assert memory.unharmed()


@stepped
@disguised
def test_strange_gradients(name, disguise):
    (strange,), (dense,), (owner,) = dress(disguise, [uniform(3, 4)])
    before = owner.tobytes()
    shares = strange.dtype.isnative and strange.flags.aligned
    p = [fa.tensor(uniform(3, 4, seed=1), requires_grad=True) for _ in range(2)]
    np.testing.assert_array_equal(walked(name, p[0], fa.from_numpy(strange) if shares else fa.tensor(strange)), walked(name, p[1], fa.tensor(dense)))
    assert owner.tobytes() == before


@stepped
def test_parameters_that_cannot_be_stepped(name):
    """Refused, and not changed."""
    a = uniform(3)
    for strange in (dress(read_only, [a])[0][0], np.broadcast_to(a[:1], (3,))):
        p = fa.from_numpy(strange).requires_grad_()
        with pytest.raises(ValueError, match="read-only"):
            walked(name, p, fa.ones(3))
        np.testing.assert_array_equal(plain(p), strange)
    p = fa.tensor(a.astype("c16"), requires_grad=True)
    with pytest.raises(TypeError, match="complex128"):
        walked(name, p, fa.ones(3, "c16"))
    for dtype in ("i8", "?"):
        with pytest.raises(TypeError, match="float"):
            fa.tensor(a.astype(dtype)).requires_grad_()
    for shape in ((), (0,), (3, 0), (1,) * 32):
        p = fa.tensor(np.ones(shape), requires_grad=True)
        assert walked(name, p, fa.ones(shape)).shape == shape


# ---- initial values --------------------------------------------------------------------------------------
FILLS = {
    "normal_": lambda t: init.normal_(t, 1.0, 2.0), "uniform_": init.uniform_, "xavier_normal_": init.xavier_normal_, "xavier_uniform_": init.xavier_uniform_,
    "kaiming_normal_": init.kaiming_normal_, "kaiming_uniform_": init.kaiming_uniform_, "constant_": lambda t: init.constant_(t, 2.5), "zeros_": init.zeros_,
    "ones_": init.ones_,
}


@pytest.mark.parametrize("name", FILLS)
def test_initial_values(name):
    def filled(t):
        fa.manual_seed(7)
        FILLS[name](t)
        return plain(t).copy()
    for dtype in ("f4", "f8", "f2"):
        for disguise in SHARED:
            memory = Memory(disguise, uniform(3, 4).astype(dtype))
            np.testing.assert_array_equal(filled(fa.from_numpy(memory.view)), filled(fa.zeros((3, 4), dtype)), err_msg=disguise.__name__)
            assert memory.unharmed()
    (strange,), _, _ = dress(read_only, [uniform(3, 4)])
    before = strange.copy()
    with pytest.raises(ValueError, match="read-only"):
        filled(fa.from_numpy(strange))
    np.testing.assert_array_equal(strange, before)


# ---- creation --------------------------------------------------------------------------------------------
NUMBERS = ["f2", "f4", "f8", "g", "c8", "c16", "?", "i1", "u8", ">f4", ">i8"]


@disguised
@pytest.mark.parametrize("dtype", NUMBERS)
def test_like(disguise, dtype):
    (strange,), (dense,), (owner,) = dress(disguise, [uniform(3, 4).astype(dtype)])
    before = owner.tobytes()
    for name in ("zeros_like", "ones_like", "empty_like"):
        y = getattr(fa, name)(strange)
        assert y.shape == dense.shape and y.dtype == dense.dtype.newbyteorder("=") and y.dtype.isnative
        if name != "empty_like":
            np.testing.assert_array_equal(plain(y), getattr(np, name)(dense))
    np.testing.assert_array_equal(plain(fa.full_like(strange, 1)), np.full_like(dense, 1))
    np.testing.assert_array_equal(plain(fa.asarray(strange)), dense)
    assert owner.tobytes() == before


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_given_as_arrays(dtype):
    one, three = np.array(1, dtype), np.array(3 if dtype != "?" else 1, dtype)
    for y, e in ((fa.full((2, 2), three), np.full((2, 2), three)), (fa.full(3, np.array([1, 0, 1], dtype)), np.full(3, np.array([1, 0, 1], dtype)))):
        assert y.dtype == e.dtype.newbyteorder("=")
        np.testing.assert_array_equal(plain(y), e)
    if np.dtype(dtype).kind in "iuf" and dtype != "f2":
        assert plain(fa.arange(one, three)).tolist() == [1, 2] and plain(fa.linspace(one, three, 3)).tolist() == [1, 2, 3]
    if np.dtype(dtype).kind in "iu":
        assert fa.zeros(three).shape == fa.ones((three,)).shape == (3,) and fa.eye(three).shape == (3, 3)
    elif dtype != "?":
        for make in (fa.zeros, fa.ones, fa.empty, fa.eye):
            with pytest.raises(TypeError):
                make(three)


@pytest.mark.parametrize("kind", [k for k in NO_NUMBERS if k != "matrix"])
def test_creation_refuses_what_holds_no_numbers(kind):
    strange = NO_NUMBERS[kind](uniform(3, 4))
    of_shape = {"zeros_like": fa.zeros_like, "ones_like": fa.ones_like, "empty_like": fa.empty_like, "full_like": lambda a: fa.full_like(a, 1)}
    of_numbers = {"full": lambda a: fa.full((3, 4), a), "asarray": fa.asarray, "tensor": fa.tensor, "from_numpy": fa.from_numpy, "Parameter": nn.Parameter,
                  "buffer": lambda a: nn.Module().register_buffer("b", a)}
    for name, make in {**of_numbers, **(of_shape if kind != "masked" else {})}.items():
        with pytest.raises(TypeError):
            pytest.fail(f"{name}: {make(strange)}")


# ---- writing ---------------------------------------------------------------------------------------------
WRITES = ["t += v", "t -= 2", "t *= t", "t /= v", "t **= 2", "t[...] = v", "t[1] = 3", "t[:, ::-2] = v[:, :2]", "t[t > 0.5] = 0", "t[[0, 2]] = v[:2]", "t[[2, 0], [1, 1]] = 7",
          "t[::-1] = t", "t[1:] = t[:-1]", "t[None, ..., 1] = v[:, 1]", "t += t[::-1]", "t *= v[0]", "t[:0] = 1"]


@pytest.mark.parametrize("text", [*WRITES, "t.copy_(v)", "t.fill_(2)", "t.zero_()"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "c8"])
def test_strange_targets(text, dtype):
    for disguise in SHARED:
        memory = Memory(disguise, uniform(3, 4).astype(dtype))
        v = uniform(3, 4, seed=1).astype(dtype)
        u = np.array(memory.view, subok=False)
        exec({"t.copy_(v)": "t[...] = v", "t.fill_(2)": "t[...] = 2", "t.zero_()": "t[...] = 0"}.get(text, text), {"t": u, "v": v})
        t = fa.from_numpy(memory.view)
        exec(text, {"t": t, "v": fa.tensor(v)})
        np.testing.assert_allclose(plain(t), u, rtol=1e-2 if dtype == "f2" else 1e-6, err_msg=disguise.__name__)
        np.testing.assert_array_equal(np.asarray(memory.view), plain(t))
        assert memory.unharmed(), disguise.__name__


def test_read_only_targets():
    for strange in (dress(read_only, [uniform(3, 4)])[0][0], np.broadcast_to(uniform(4), (3, 4))):
        before = strange.copy()
        for text in [*WRITES, "t.copy_(v)", "t.fill_(2)", "t.zero_()"]:
            with pytest.raises(ValueError, match="read-only"):
                exec(text, {"t": fa.from_numpy(strange), "v": fa.ones((3, 4))})
        np.testing.assert_array_equal(strange, before)


# ---- indices ---------------------------------------------------------------------------------------------
INDICES = {
    "get": lambda x, i: x[i], "get a pair": lambda x, i: x[i, i], "after a slice": lambda x, i: x[:, i], "take": lambda x, i: fa.take(x, i, axis=1),
    "along": lambda x, i: fa.take_along_axis(x, i[None], 1), "scatter": lambda x, i: fa.scatter(x[:3], i, (4, 4)), "repeat": lambda x, i: fa.repeat(x[:, :3], i, axis=1),
}


def written(x, i):
    t = fa.tensor(plain(x).copy())
    t[i] = 5.0
    return t


@disguised
@pytest.mark.parametrize("dtype", ["i8", "i1", "u8", "u2", ">i4", "?"])
def test_index_arrays(disguise, dtype):
    """Value and gradient are those of a plain index, as a tensor too."""
    (i,), (dense,), (owner,) = dress(disguise, [np.array([2, 0, 3]).astype(dtype) if dtype != "?" else np.array([True, False, True, True])])
    if disguise.__name__ == "subclass":
        return                             # what it does with [None] is its own affair
    before = owner.tobytes()
    for name, f in {**INDICES, "set": written}.items():
        if (dtype == "?" and name not in ("get", "after a slice", "set")) or (dtype == "u8" and name == "repeat"):
            continue                       # (as NumPy: uint64 counts do not fit)
        found = []
        for index in (dense.astype("i8") if dtype != "?" else dense, i, fa.tensor(i)):
            x = fa.tensor(uniform(4, 4), requires_grad=True)
            y = f(x, index)
            if y.requires_grad:
                (y * fa.tensor(uniform(*y.shape, seed=1))).sum().backward()
            found.append((plain(y), None if x.grad is None else plain(x.grad)))
        for value, grad in found[1:]:
            np.testing.assert_array_equal(value, found[0][0], err_msg=name)
            if grad is not None:
                np.testing.assert_array_equal(grad, found[0][1], err_msg=name)
    assert owner.tobytes() == before


@pytest.mark.parametrize("kind", [*NO_NUMBERS, "f8", "c8"])
def test_indices_that_are_no_integers(kind):
    i = np.array([1.0, 0.0, 1.0])
    strange = NO_NUMBERS[kind](i) if kind in NO_NUMBERS else i.astype(kind)
    x = fa.tensor(uniform(4, 4))
    before = plain(x).copy()
    for name, f in {**INDICES, "set": lambda x, i: x.__setitem__(i, 1.0), "labels": lambda x, i: fa.cross_entropy(x[:3], i)}.items():
        if kind == "matrix" or (kind == "object" and name in ("get", "set")):
            continue
        with pytest.raises((TypeError, IndexError)):
            f(x, strange)
    np.testing.assert_array_equal(plain(x), before)
