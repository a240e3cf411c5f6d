"""autograd.Function: PyTorch's way of defining an operation, against closed forms and PyTorch itself."""
import gc
import weakref

import numpy as np
import pytest

import fastad as fa
from fastad._core import make as core
from fastad.autograd import Function, once_differentiable

RNG = np.random.default_rng(6)


def leaf(a):
    return fa.tensor(a, requires_grad=True)


def plain(t):
    return t.detach().numpy()


class Weighted(Function):
    """y = k w x^3, with a rule for both modes; k is a number, w may broadcast"""
    seen: tuple = ()

    @staticmethod
    def forward(ctx, x, k, w, *, name="y"):
        assert not x.requires_grad
        ctx.save_for_backward(x, None, w)
        ctx.k, ctx.name = k, name
        Weighted.seen = ctx.needs_input_grad
        return k * w * x ** 3

    @staticmethod
    def backward(ctx, g):
        x, nothing, w = ctx.saved_tensors
        assert nothing is None
        dx = g * ctx.k * 3 * w * x ** 2 if ctx.needs_input_grad[0] else None
        return dx, None, g * ctx.k * x ** 3 if ctx.needs_input_grad[2] else None

    @staticmethod
    def jvp(ctx, dx, dk, dw):
        x, _, w = ctx.saved_tensors
        assert dk is None
        return ctx.k * (dx * 3 * w * x ** 2 + dw * x ** 3)


class SineAndCosine(Function):
    """Two results, which the rules read; and an integer one"""
    @staticmethod
    def forward(ctx, x):
        s, c, n = fa.sin(x), fa.cos(x), x.astype(int)
        ctx.save_for_backward(s, c)
        ctx.mark_non_differentiable(n)
        return s, n, c

    @staticmethod
    def backward(ctx, gs, gn, gc):
        s, c = ctx.saved_tensors
        assert gn.shape == s.shape and not plain(gn).any()
        return gs * c - gc * s

    @staticmethod
    def jvp(ctx, t):
        s, c = ctx.saved_tensors
        return t * c, None, -t * s


# ---- values and first derivatives --------------------------------------------------------------------
def test_values_and_context():
    x, w = leaf([1.0, 2.0]), fa.tensor([3.0, 4.0])
    y = Weighted.apply(x, 2.0, w, name="z")
    np.testing.assert_array_equal(plain(y), [6, 64])
    assert y.requires_grad and y.grad_fn.name == "Weighted" and Weighted.seen == (True, False, False)
    with fa.no_grad():
        assert not Weighted.apply(x, 2.0, w).requires_grad and Weighted.seen == (False,) * 3
    assert not Weighted.apply(w, 2.0, w).requires_grad


@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_first_derivatives(shape, dtype):
    x, w = RNG.normal(size=(2, 3)).astype(dtype), np.asarray(RNG.normal(size=shape)).astype(dtype)
    ours = fa.grad(lambda x, w: (Weighted.apply(x, 2.0, w) * x).sum(), (0, 1))(x, w)
    theirs = fa.grad(lambda x, w: (2 * w * x ** 4).sum(), (0, 1))(x, w)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("order", ["f", "r", "ff", "fr", "rf", "rr", "rfr", "ffr"])
@pytest.mark.parametrize("function", ["Weighted", "SineAndCosine"])
def test_any_order(function, order):
    arrays = RNG.normal(size=(2, 3)), RNG.normal(size=3)

    def run(f):
        xs = [leaf(a) for a in arrays]
        vs = [fa.tensor(np.cos(np.arange(t.size)).reshape(t.shape)) for t in xs]
        y = f(*xs).sum()
        for mode in order:
            if mode == "f":
                y, = core.push(xs, [y], vs, 0, True)
            else:
                found = core.pull([y], xs, [fa.ones(())], 0, True, True)
                y = sum(((g * v).sum() for g, v in zip(found, vs, strict=True) if g is not None), fa.zeros(()))
        return y.item()

    def with_function(x, w):
        if function == "Weighted":
            return Weighted.apply(x, 2.0, w)
        s, _, c = SineAndCosine.apply(x * w)
        return s * c * c

    expected = run(lambda x, w: 2 * w * x ** 3 if function == "Weighted" else fa.sin(x * w) * fa.cos(x * w) ** 2)
    assert abs(run(with_function) - expected) <= 1e-12 * max(1, abs(expected))


def test_several_results():
    x = leaf([0.5, 1.5])
    s, n, c = SineAndCosine.apply(x)
    assert s.requires_grad and c.requires_grad and not n.requires_grad and n.tolist() == [0, 1]
    c.sum().backward()
    np.testing.assert_allclose(plain(x.grad), -np.sin([0.5, 1.5]))


@pytest.mark.parametrize("lead", [(4,), (2, 3)], ids=str)
@pytest.mark.parametrize("recording", [False, True])
def test_leading_axes(lead, recording):
    x, w = leaf(RNG.normal(size=(2, 3))), leaf(RNG.normal(size=3))
    y = Weighted.apply(x, 2.0, w)
    g, v = RNG.normal(size=(*lead, 2, 3)), RNG.normal(size=(*lead, 3))
    dx, dw = core.pull([y], [x, w], [fa.tensor(g)], len(lead), recording, True)
    np.testing.assert_allclose(plain(dx), g * 6 * plain(w) * plain(x) ** 2, rtol=1e-13)
    np.testing.assert_allclose(plain(dw), (g * 2 * plain(x) ** 3).sum(-2), rtol=1e-13)
    t, = core.push([w], [y], [fa.tensor(v)], len(lead), recording)
    np.testing.assert_allclose(plain(t), v[..., None, :] * 2 * plain(x) ** 3, rtol=1e-13)
    c = SineAndCosine.apply(x)[2]
    dx, = core.pull([c], [x], [fa.tensor(g)], len(lead), recording, True)
    np.testing.assert_allclose(plain(dx), -g * np.sin(plain(x)), rtol=1e-13)


# ---- once --------------------------------------------------------------------------------------------
def cubed(forward, rule):
    """A Function whose derivative times a vector is the same in both modes."""
    return type("Cubed", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(rule), "jvp": staticmethod(rule)})


def saving(ctx, x):
    ctx.save_for_backward(x)
    return x ** 3


def of_array(ctx, x):
    ctx.twice = 3 * x.numpy() ** 2
    return x ** 3


def of_detached(ctx, x):
    ctx.x = x
    return x ** 3


def of_object(ctx, x):
    ctx.curve = np.polynomial.Polynomial([0.0, 0.0, 3.0])
    return x ** 3


def of_number(ctx, x):
    ctx.parts = {"x": [x.item()]}
    return x ** 3


def of_intermediate(ctx, x):
    squares = x * x
    ctx.save_for_backward(squares)
    return squares * x


ONCE = {
    "decorated": (saving, once_differentiable(lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g), "is once_differentiable"),
    "NumPy": (saving, lambda ctx, g: g * np.polyval([3.0, 0.0, 0.0], ctx.saved_tensors[0].numpy()), "not written in fastad's"),
    "detached": (saving, lambda ctx, g: g * 3 * ctx.saved_tensors[0].detach() ** 2, "not written in fastad's"),
    "an array in the context": (of_array, lambda ctx, g: g * ctx.twice, r"ctx\.twice may hold numbers"),
    "a tensor in the context": (of_detached, lambda ctx, g: g * 3 * ctx.x ** 2, r"ctx\.x may hold numbers"),
    "a number in the context": (of_number, lambda ctx, g: g * 3 * ctx.parts["x"][0] ** 2, r"ctx\.parts may hold numbers"),
    "an object in the context": (of_object, lambda ctx, g: g * ctx.curve(2.0), r"ctx\.curve may hold numbers"),
    "an intermediate value": (of_intermediate, lambda ctx, g: g * 3 * ctx.saved_tensors[0], "neither an argument nor a result"),
}


@pytest.mark.parametrize("way", ONCE)
def test_what_cannot_be_differentiated_twice_says_so(way):
    forward, backward, reason = ONCE[way]
    f = cubed(forward, backward)
    x = leaf(2.0)
    f.apply(x).backward()
    assert x.grad.item() == 12.0
    assert fa.grad(f.apply)(2.0) == 12.0 and fa.grad(f.apply)(x).item() == 12.0
    y = f.apply(x)
    for second in (*core.pull([y], [x], [fa.ones(())], 0, True, True), *core.push([x], [y], [fa.ones(())], 0, True)):
        assert second.item() == 12.0
        for differentiate in (lambda t: core.pull([t], [x], [fa.ones(())], 0, False, True),
                              lambda t: core.push([x], [t], [fa.ones(())], 0, False)):
            with pytest.raises(NotImplementedError, match=f"Cubed: its derivative cannot be differentiated again: .*{reason}"):
                differentiate(second)
    with pytest.raises(NotImplementedError, match="cannot be differentiated again"):
        fa.grad(fa.grad(f.apply))(2.0)


def test_constants_in_the_context_do_no_harm():
    """Arguments themselves, shapes, integers and saved constants are known not to depend on x"""
    class Scaled(Function):
        @staticmethod
        def forward(ctx, x, factor, table, w, mode):
            ctx.factor, ctx.table, ctx.w, ctx.n, ctx.shape, ctx.mode = factor, [table], w, 3, x.shape, mode
            ctx.save_for_backward(x, x.astype(int))
            return factor * w * x ** 3 + table.sum()

        @staticmethod
        def backward(ctx, g):
            x, n = ctx.saved_tensors
            assert n.dtype.kind == "i" and ctx.mode == "exact"
            return ctx.factor * ctx.w * g * ctx.n * x ** 2, None, None, None, None

    second = fa.grad(fa.grad(lambda x: Scaled.apply(x, 2.5, np.zeros(3), fa.tensor(2.0), "exact")))
    assert second(2.0) == 60.0


def test_a_result_that_is_saved_and_declared_constant():
    class Masked(Function):
        @staticmethod
        def forward(ctx, x):
            mask = (x > 0).astype(float)
            ctx.save_for_backward(x, mask)
            ctx.mark_non_differentiable(mask)
            return x ** 2 * mask, mask

        @staticmethod
        def backward(ctx, g, _):
            x, mask = ctx.saved_tensors
            return 2 * g * x * mask

    gradient = fa.grad(lambda x: (fa.grad(lambda x: Masked.apply(x)[0].sum())(x) * x).sum())(np.array([-1.0, 3.0]))
    np.testing.assert_array_equal(gradient, [0, 12])


# ---- what is saved -----------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["argument", "constant", "result"])
def test_a_change_in_place_is_refused(which):
    class Saved(Function):
        @staticmethod
        def forward(ctx, x, w):
            y = x * w
            ctx.save_for_backward({"argument": x, "constant": w, "result": y}[which])
            return y

        @staticmethod
        def backward(ctx, g):
            return g, None

    x, w = leaf([1.0, 2.0]), fa.tensor([3.0, 4.0])
    y = Saved.apply(x, w)
    with fa.no_grad():
        {"argument": x, "constant": w, "result": y}[which].fill_(0.0)
    with pytest.raises(RuntimeError, match=r"Saved.*changed in place"):
        y.backward(fa.ones(2))


def test_saved_values_are_let_go_after_a_walk():
    x = leaf([1.0, 2.0])
    y = Weighted.apply(x, 2.0, x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="Weighted: backward through the graph a second time"):
        y.sum().backward()


@pytest.mark.parametrize("order", [1, 2])
def test_beside_checkpoint(order):
    """Saved values that are computed again, of a Function and of a primitive"""
    double = fa.extend.primitive(lambda x: 2 * x)
    fa.extend.defvjp(double, lambda ans, x: lambda g: 2 * g)

    def f(x):
        s, n, c = SineAndCosine.apply(Weighted.apply(double(x), 2.0, x))
        return (s * c * n).sum()

    def derivative(f):
        return fa.grad(f) if order == 1 else fa.grad(lambda x: fa.grad(f)(x).sum())

    x = np.array([0.5, 1.1, -0.7])
    np.testing.assert_array_equal(derivative(fa.checkpoint(f))(x), derivative(f)(x))
    assert np.abs(derivative(f)(x)).max() > 1


def test_forward_must_not_write_to_its_arguments():
    class Writes(Function):
        @staticmethod
        def forward(ctx, x):
            x += 1
            return x

    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"\+=: this tensor's memory is read-only; write to a copy\(\)"):
        Writes.apply(x)
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("recording", [False, True])
def test_rules_must_not_write_either(recording):
    def rule(ctx, g):
        g *= 3 * ctx.saved_tensors[0] ** 2
        return g

    x = leaf([1.0, 2.0])
    y, seed = cubed(saving, rule).apply(x), fa.ones(2)
    if recording:                          # with an operand in a graph it is g = g * ..., which writes to nothing
        dx, = core.pull([y], [x], [seed], 0, True, True)
        assert dx.detach().tolist() == [3, 12]
    else:
        with pytest.raises(ValueError, match="read-only"):
            core.pull([y], [x], [seed], 0, False, True)
    assert seed.tolist() == [1, 1]


@pytest.mark.parametrize("give", [lambda x: x, lambda x: x[1:], lambda x: x.T], ids=["itself", "part", "view"])
def test_a_result_has_memory_of_its_own(give):
    class Gives(Function):
        @staticmethod
        def forward(ctx, x):
            return give(x)

        @staticmethod
        def backward(ctx, g):
            return fa.concatenate([fa.zeros(3 - g.size), g])

    x = leaf([1.0, 2.0, 3.0])
    y = Gives.apply(x)
    before = plain(y).copy()
    y.sum().backward()
    with fa.no_grad():
        x += 10
    np.testing.assert_array_equal(plain(y), before)


def test_no_cycles():
    x = leaf([1.0, 2.0])
    gc.disable()
    try:
        results = SineAndCosine.apply(x)
        refs = [weakref.ref(t) for t in results]
        results = None
        assert [r() for r in refs] == [None] * 3
    finally:
        gc.enable()


def test_materialized_gradients():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, keep):
            ctx.set_materialize_grads(keep)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a, b))
            return a * 2, None

        @staticmethod
        def jvp(ctx, t, _):
            return t * 2, t * 3

    for keep in (True, False):
        a = Two.apply(leaf([1.0]), keep)[0]
        a.sum().backward()
    assert seen[0][1].tolist() == [0] and seen[1][1] is None


# ---- mistakes ----------------------------------------------------------------------------------------
MISTAKES = {
    "None": (lambda ctx, g: None, TypeError, r"backward, for argument 0, returned None, expected a tensor or an array of shape \(2,\)"),
    "type": (lambda ctx, g: "text", TypeError, r"returned a str, expected .* shape \(2,\)"),
    "shape": (lambda ctx, g: g[:1], ValueError, r"returned the shape \(1,\), expected \(2,\)"),
    "integers": (lambda ctx, g: g.astype(int), TypeError, "returned the dtype int64, expected float64"),
    "complex": (lambda ctx, g: g * 1j, TypeError, "returned the dtype complex128, expected float64"),
    "too many": (lambda ctx, g: (g, g), ValueError, "backward returned 2 gradients for the 1 arguments"),
    "too few": (lambda ctx, g: (), ValueError, "backward returned 0 gradients for the 1 arguments"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("recording", [False, True])
def test_wrong_results_of_rules(mistake, recording):
    backward, error, text = MISTAKES[mistake]
    x = leaf([1.0, 2.0])
    y = cubed(saving, backward).apply(x)
    with pytest.raises(error, match=r"Cubed: .*" + text):
        core.pull([y], [x], [fa.ones(2)], 0, recording, True)
    if "many" not in mistake and "few" not in mistake:
        with pytest.raises(error, match=r"Cubed: jvp, for result 0, .*" + text.split(", ")[-1]):
            core.push([x], [y], [fa.ones(2)], 0, recording)
    assert (x * 2).requires_grad and not core.is_nested()


def test_wrong_count_of_tangents():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x, x

        @staticmethod
        def jvp(ctx, t):
            return t

    x = leaf(1.0)
    with pytest.raises(ValueError, match="Two: jvp returned 1 tangents for 2 results"):
        core.push([x], [Two.apply(x)[0]], [fa.ones(())], 0, False)
    with pytest.raises(NotImplementedError, match=r"write backward\(ctx, \*gs\)"):
        Two.apply(x)[0].backward()


def test_missing_parts():
    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match=r"write forward\(ctx, \*args\)"):
        Empty.apply(leaf(1.0))
    with pytest.raises(TypeError, match=r"call Empty.apply\(...\)"):
        Empty()
    f = type("OneMode", (Function,), {"forward": staticmethod(saving)})
    x = leaf(1.0)
    with pytest.raises(NotImplementedError, match=r"OneMode: no rule for forward mode; write jvp\(ctx, \*tangents\)"):
        core.push([x], [f.apply(x)], [fa.ones(())], 0, False)


@pytest.mark.parametrize("value", ["text", None, object()], ids=str)
def test_results_that_are_no_tensors(value):
    f = cubed(lambda ctx, x: value, lambda ctx, g: g)
    with pytest.raises(TypeError, match=r"Cubed: forward returned a .*, expected a tensor"):
        f.apply(leaf(1.0))


def test_integers_must_be_declared():
    with pytest.raises(TypeError, match=r"Cubed: the result of forward, of dtype int64, has no derivative.*mark_non_differentiable"):
        cubed(lambda ctx, x: x.astype(int), lambda ctx, g: g).apply(leaf(1.0))


def test_tensors_that_would_be_constants():
    x = leaf(2.0)
    with pytest.raises(TypeError, match=r"Weighted: argument 'name' is, or has in it, a tensor .* being differentiated"):
        Weighted.apply(x, 1.0, x, name=x)
    with pytest.raises(TypeError, match="Weighted: argument 1 is, or has in it"):
        Weighted.apply(x, [x], x)
    with pytest.raises(TypeError, match="past its arguments"):
        cubed(lambda ctx, y: x, lambda ctx, g: g).apply(leaf(1.0))
    with pytest.raises(TypeError, match="save_for_backward: expected tensors or None, got ndarray"):
        cubed(lambda ctx, y: ctx.save_for_backward(np.ones(2)), lambda ctx, g: g).apply(leaf(1.0))


# ---- beside PyTorch ----------------------------------------------------------------------------------
def test_the_same_class_in_pytorch():
    torch = pytest.importorskip("torch")
    found = []
    for lib, base, make, grad in ((fa, Function, leaf, fa.autograd.grad),
                                  (torch, torch.autograd.Function, lambda a: torch.tensor(a, dtype=torch.float64, requires_grad=True), torch.autograd.grad)):
        class Softplus(base):
            @staticmethod
            def forward(ctx, x, beta, lib=lib):
                y = lib.log(1 + lib.exp(beta * x)) / beta
                ctx.save_for_backward(x, y)
                ctx.beta = beta
                return y

            @staticmethod
            def backward(ctx, g, lib=lib):
                x, y = ctx.saved_tensors
                return g * lib.exp(ctx.beta * (x - y)), None

        x = make([0.3, -0.7, 1.1])
        y = Softplus.apply(x * x, 2.0)
        first, = grad(y.sum(), x, create_graph=True)
        second, = grad((first * first).sum(), x, create_graph=True)
        third, = grad(second.sum(), x)
        found.append([v.detach().numpy() for v in (y, first, second, third)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_a_rule_that_reads_the_outer_variable_past_its_arguments():
    def outer(s):
        class Three(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 3.0

            @staticmethod
            def backward(ctx, g):
                return g * s

        return fa.grad(Three.apply)(2.0) * 1.0

    with pytest.raises(RuntimeError, match=r"Three: its derivative rule reads a tensor .* pass it as one"):
        fa.grad(outer)(5.0)
