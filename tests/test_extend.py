"""fastad.extend: functions made operations, their rules in both modes and to any order.  Next: test_extend_errors.py."""
import doctest
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import fastad as fa
from fastad._core import make as core
from fastad.extend import def_linear, defjvp, defvjp, notrace, primitive

RNG = np.random.default_rng(5)


def power_of_weights(x, w):
    """y = w x^3, w broadcast"""
    return w * x ** 3


def traced():
    f = primitive(power_of_weights)
    defvjp(f, lambda ans, x, w: lambda g: g * 3 * w * x ** 2, lambda ans, x, w: lambda g: g * x ** 3)
    defjvp(f, lambda g, ans, x, w: g * 3 * w * x ** 2, "same", argnums=(0, 1))
    return f


def in_numpy():
    """The same rules with functions that fastad does not have"""
    f = primitive(power_of_weights)
    defvjp(f, lambda ans, x, w: lambda g: np.prod(np.broadcast_arrays(g, 3 * w, x, x), axis=0),
           lambda ans, x, w: lambda g: np.prod(np.broadcast_arrays(g, x, x, x), axis=0))
    defjvp(f, lambda g, ans, x, w: np.prod(np.broadcast_arrays(g, 3 * w, x, x), axis=0),
           lambda g, ans, x, w: np.prod(np.broadcast_arrays(g, x, x, x), axis=0))
    return f


def leaf(a):
    return fa.tensor(a, requires_grad=True)


def plain(t):
    return t.detach().numpy()


# ---- values ------------------------------------------------------------------------------------------
def test_without_tensors_it_is_the_function():
    f = traced()
    x = np.array([1.0, 2.0])
    assert type(f(x, 2.0)) is np.ndarray and f(2.0, 3.0) == 24.0
    assert f.fun is power_of_weights and f.__name__ == "power_of_weights" and f.__doc__ == power_of_weights.__doc__


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex128"])
def test_with_tensors_it_gives_tensors(dtype):
    y = primitive(np.square)(fa.tensor([1.0, 2.0], dtype=dtype))
    assert type(y) is fa.Tensor and y.dtype == dtype and not y.requires_grad
    np.testing.assert_array_equal(plain(y), [1, 4])


@pytest.mark.parametrize("result", [np.array([1.0, 4.0], dtype=">f8"), np.arange(12.0)[1::3][:2], np.float32(3), 2.5, 1j, [1.0, 2],
                                    np.ma.array([1.0, 2.0], mask=[0, 1])], ids=repr)
def test_results_of_every_kind(result):
    f = primitive(lambda x: result)
    if isinstance(result, np.ma.MaskedArray):
        with pytest.raises(TypeError, match="masked"):
            f(leaf(1.0))
        return
    y = f(leaf(1.0))
    for a, b in zip(y if isinstance(y, list) else [y], result if isinstance(result, list) else [result], strict=True):
        np.testing.assert_array_equal(plain(a), b)


def test_what_it_is_given():
    seen = []
    f = primitive(lambda *args, **kwargs: seen.append((args, kwargs)) or 1.0)
    f(fa.tensor([1.0]), [fa.tensor([2.0]), "a"], fa.tensor(3.0), key={"k": fa.tensor([4.0])})
    (a, b, c), kwargs = seen[0]
    assert type(a) is np.ndarray and type(b[0]) is np.ndarray and b[1] == "a" and type(kwargs["key"]["k"]) is np.ndarray
    assert type(c) is np.float64
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5


def test_nobody_else_can_write_to_the_result():
    buffer = np.zeros(3)

    def fill(x):
        buffer[:] = x
        return buffer

    x = leaf([1.0, 2.0, 3.0])
    f, same, part = primitive(fill), primitive(lambda x: x), primitive(lambda x: x[1:])
    first = f(x)
    f(x * 2)
    np.testing.assert_array_equal(plain(first), [1, 2, 3])
    y, z = same(x), part(x)
    with fa.no_grad():
        x += 10
    np.testing.assert_array_equal(plain(y), [1, 2, 3])
    np.testing.assert_array_equal(plain(z), [2, 3])


def test_as_a_method():
    class Model:
        rate = 3.0

        @primitive
        def scaled(self, x):
            return self.rate * x

    defvjp(Model.scaled, None, lambda ans, self, x: lambda g: g * self.rate)
    assert fa.grad(Model().scaled)(2.0) == 3.0


# ---- derivatives -------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [traced, in_numpy])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
def test_first_derivatives(make, dtype, shape):
    """The rule's result has the shape of y, and w's is that of what was broadcast"""
    f, x, w = make(), RNG.normal(size=(2, 3)).astype(dtype), np.asarray(RNG.normal(size=shape)).astype(dtype)
    ours = fa.grad(lambda x, w: (f(x, w) * x).sum(), (0, 1))(x, w)
    theirs = fa.grad(lambda x, w: (w * x ** 3 * x).sum(), (0, 1))(x, w)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == "float32" else 1e-13)


def derivatives(f, x, w, order):
    """d^order of sum f by x and w along fixed directions, all by walks in the modes of `order`"""
    xs = [leaf(x), leaf(w)]
    vs = [fa.tensor(np.cos(np.arange(t.size)).reshape(t.shape)) for t in xs]
    y = f(*xs).sum()
    for mode in order:
        if mode == "f":
            y, = core.push(xs, [y], vs, 0, True)
        else:
            y = sum(((g * v).sum() for g, v in zip(core.pull([y], xs, [fa.ones(())], 0, True, True), vs, strict=True)), fa.zeros(()))
    return y.item()


@pytest.mark.parametrize("order", ["f", "r", "ff", "fr", "rf", "rr", "rrr", "ffr", "frf", "fff"])
def test_rules_in_fastads_functions_serve_any_order(order):
    x, w = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    expected = derivatives(lambda x, w: w * x ** 3, x, w, order)
    assert abs(derivatives(traced(), x, w, order) - expected) <= 1e-12 * max(1, abs(expected))


def test_numpys_functions_that_fastad_has_are_traced():
    f = primitive(np.exp)
    defvjp(f, lambda ans, x: lambda g: np.multiply(g, np.exp(x)))
    third = fa.grad(fa.grad(fa.grad(f)))
    np.testing.assert_allclose(third(0.5), np.exp(0.5), rtol=1e-15)


def test_the_saved_result_has_its_edge():
    f = primitive(np.tanh)
    defvjp(f, lambda ans, x: lambda g: g * (1 - ans * ans))
    np.testing.assert_allclose(fa.grad(fa.grad(f))(0.5), -0.7268619813835872, rtol=1e-14)


OUTSIDE = {                                # ways to compute 2 x g past the tape
    "NumPy's function": lambda g, x: np.polyval([2.0, 0.0], x) * g,
    "an array": lambda g, x: np.asarray(x) * 2 * g,
    "detach": lambda g, x: 2 * x.detach().numpy() * g if isinstance(x, fa.Tensor) else 2 * x * g,
    "detach of a result": lambda g, x: (2 * x).detach() * g if isinstance(x, fa.Tensor) else 2 * x * g,
    "item": lambda g, x: np.reshape([2 * v.item() for v in x.ravel()], x.shape) * g,
    "tolist": lambda g, x: np.array(x.tolist()) * 2 * g,
    "float": lambda g, x: np.reshape([2 * float(v) for v in x.ravel()], x.shape) * g,
    "a method that tensors lack": lambda g, x: 2 * x.byteswap().byteswap() * g,
}


@pytest.mark.parametrize("way", OUTSIDE)
@pytest.mark.parametrize("seed", ["constant", "recorded"])
def test_a_rule_past_the_tape_gives_first_derivatives_and_an_error_for_second(way, seed):
    f = primitive(np.square)
    defvjp(f, lambda ans, x: lambda g: OUTSIDE[way](g, x))
    defjvp(f, lambda g, ans, x: OUTSIDE[way](g, x))
    x = leaf([1.0, 3.0])
    y = f(x)
    y.backward(fa.ones(2))
    np.testing.assert_array_equal(plain(x.grad), [2, 6])
    y = f(x)
    g = leaf([1.0, 1.0]) if seed == "recorded" else fa.ones(2)
    dx, = core.pull([y], [x], [g], 0, True, True)          # recorded, and not differentiated again
    np.testing.assert_array_equal(plain(dx), [2, 6])
    t, = core.push([x], [y], [g], 0, True)
    np.testing.assert_array_equal(plain(t), [2, 6])
    for second in (dx, t):
        with pytest.raises(NotImplementedError, match="square: its derivative cannot be differentiated again"):
            core.pull([second], [x], [fa.ones(2)], 0, False, True)
        with pytest.raises(NotImplementedError, match="square: its derivative cannot be differentiated again"):
            core.push([x], [second], [fa.ones(2)], 0, False)


def test_numbers_may_be_read_outside_of_rules_and_constants_taken_under_no_grad():
    seen = []

    def maker(ans, x):
        with fa.no_grad():
            top = x.max()                  # a shift that cancels
        return lambda g: g * fa.exp(x - top - fa.log(fa.exp(x - top).sum()))

    f = primitive(lambda x: np.log(np.exp(x).sum()))
    defvjp(f, maker)
    x = np.array([0.3, -0.2, 1.0])
    grads = fa.grad(lambda y: (fa.grad(f)(y) * np.arange(3.0)).sum())(x)
    np.testing.assert_allclose(grads, fa.grad(lambda y: (fa.softmax(y) * np.arange(3.0)).sum())(x), rtol=1e-13)
    fa.grad(lambda x: [seen.append(x.detach().item()), x.detach().tolist()] and f(fa.stack([x, x])))(2.0)
    assert seen == [2.0]


def test_rules_with_branches_and_printing_are_traced():
    def maker(ans, x):
        def vjp(g):
            assert f"{x:.1f}" == "2.0" and int(x) == 2 and "2." in repr(x)
            return g * 3 * x ** 2 if x > 0 else g * 0.0
        return vjp

    f = primitive(lambda x: x ** 3)
    defvjp(f, maker)
    assert fa.grad(fa.grad(f))(2.0) == 12.0


def test_a_rule_of_none_is_zero():
    f = primitive(lambda x, n: x * n)
    defvjp(f, lambda ans, x, n: lambda g: g * n, None)
    defjvp(f, lambda g, ans, x, n: g * n, None)
    x, n = leaf(2.0), leaf(3.0)
    y = f(x, n)
    assert core.pull([y], [x, n], [fa.ones(())], 0, False, True) == [fa.tensor(3.0), None]
    assert core.push([n], [y], [fa.ones(())], 0, False) == [None]


def test_a_linear_function():
    kernel = np.array([0.25, 0.5, 0.25])
    f = primitive(lambda x, k: np.convolve(x, k))
    def_linear(f)
    x, k = leaf(RNG.normal(size=5)), leaf(kernel)
    v, u = RNG.normal(size=5), RNG.normal(size=3)
    t, = core.push([x, k], [f(x, k)], [fa.tensor(v), fa.tensor(u)], 0, True)
    np.testing.assert_allclose(plain(t), np.convolve(v, kernel) + np.convolve(plain(x), u), rtol=1e-13)
    t2, = core.push([x, k], [t], [fa.tensor(v), fa.tensor(u)], 0, False)
    np.testing.assert_allclose(plain(t2), 2 * np.convolve(v, u), rtol=1e-12)
    with pytest.raises(NotImplementedError, match=r"argument 0 \(x\) in reverse mode.*defvjp"):
        f(x, k).sum().backward()


def test_only_what_is_asked_for_needs_a_rule():
    f = primitive(lambda x, w: x * w)
    defvjp(f, lambda ans, x, w: lambda g: g * w)
    defjvp(f, lambda g, ans, x, w: g * w)
    x, w = leaf(2.0), leaf(3.0)
    assert core.pull([f(x, w)], [x], [fa.ones(())], 0, False, True)[0].item() == 3.0
    assert core.push([x], [f(x, w)], [fa.ones(())], 0, False)[0].item() == 3.0
    with pytest.raises(NotImplementedError, match=r"<lambda>: no rule for its derivative by argument 1 \(w\) in reverse mode.*"
                                                  r"fastad.extend.defvjp\(<lambda>, ..., argnums=\(1,\)\)"):
        f(x, w).backward()
    with pytest.raises(NotImplementedError, match=r"argument 1 \(w\) in forward mode.*fastad.extend.defjvp"):
        core.push([w], [f(x, w)], [fa.ones(())], 0, False)


def test_a_rule_may_be_given_later_and_replaced():
    f = primitive(np.square)
    y = f(leaf(3.0))
    defvjp(f, lambda ans, x: lambda g: g * np.polyval([1.0, 0.0], x))
    assert core.pull([y], [y], [fa.ones(())], 0, False, True)[0].item() == 1.0
    assert fa.grad(f)(3.0) == 3.0
    defvjp(f, lambda ans, x: lambda g: g * 2 * x)
    assert fa.grad(f)(3.0) == 6.0 and fa.grad(fa.grad(f))(3.0) == 2.0


def test_one_argument_twice():
    f = traced()
    assert fa.grad(lambda x: f(x, x))(2.0) == 32.0
    x = leaf(2.0)
    assert core.push([x], [f(x, x)], [fa.ones(())], 0, False)[0].item() == 32.0


def test_complex_arguments_follow_the_library():
    f = primitive(lambda z: z ** 2)
    defvjp(f, lambda ans, z: lambda g: g * 2 * z)
    defjvp(f, lambda g, ans, z: g * 2 * z)
    z, g = RNG.normal(size=3) + 1j * RNG.normal(size=3), RNG.normal(size=3) + 1j * RNG.normal(size=3)
    x = leaf(z)
    for make in (f, lambda z: z * z):
        a, = core.pull([make(x)], [x], [fa.tensor(g)], 0, False, True)
        np.testing.assert_allclose(plain(a), 2 * g * z, rtol=1e-13)


def test_mixed_dtypes_are_cast_back():
    f, x, w = traced(), leaf(np.float32([1, 2])), leaf(np.array([3.0, 4.0]))
    f(x, w).sum().backward()
    assert x.grad.dtype == np.float32 and w.grad.dtype == np.float64
    np.testing.assert_allclose(plain(x.grad), [9, 48])


@pytest.mark.parametrize("recording", [False, True])
def test_rules_do_not_share_memory_with_what_they_are_given(recording):
    def scale(g):
        g *= 2
        return g

    f, same = primitive(lambda x: 2 * x), primitive(lambda x: +x)
    defvjp(f, lambda ans, x: scale)
    defjvp(f, lambda g, ans, x: scale(g))
    defvjp(same, lambda ans, x: lambda g: g)
    defjvp(same, lambda g, ans, x: g)
    x, v = leaf([1.0, 2.0]), fa.ones(2)
    for walk in (lambda y: core.pull([y], [x], [v], 0, recording, True), lambda y: core.push([x], [y], [v], 0, recording)):
        with pytest.raises(ValueError, match="read-only"):
            walk(f(x))
        result, = walk(same(x))
        with fa.no_grad():
            result += 5
        assert v.tolist() == [1, 1] and result.detach().tolist() == [6, 6]


# ---- several outputs ---------------------------------------------------------------------------------
class Parts(NamedTuple):
    whole: object
    count: object
    rest: object


def split_number():
    """x -> (floor(x) as an integer, sin x, x^2) with its integer result in the middle"""
    f = primitive(lambda x: Parts(np.sin(x), np.floor(x).astype(int), x ** 2))
    defvjp(f, lambda ans, x: lambda g: g.whole * fa.cos(x) + g.rest * 2 * x + 0 * g.count)
    defjvp(f, lambda g, ans, x: (g * fa.cos(x), None, g * 2 * x))
    return f


def test_several_results():
    f, x = split_number(), np.array([0.5, 1.5])
    assert type(f(x)) is Parts
    y = f(leaf(x))
    assert type(y) is Parts and y.whole.requires_grad and y.rest.requires_grad and not y.count.requires_grad
    assert y.count.tolist() == [0, 1]

    def use(which):
        def g(x):
            a, n, b = f(x)
            return (a * b).sum() if which == "both" else a.sum() if which == "first" else (b * n).sum()
        return g

    exact = {"both": fa.sin(x) * 2 * x + fa.cos(x) * x ** 2, "first": fa.cos(x), "second": 2 * x * np.floor(x)}
    again = {"both": -np.sin(x) * x ** 2 + 4 * x * np.cos(x) + 2 * np.sin(x), "first": -np.sin(x), "second": 2 * np.floor(x)}
    for which in exact:
        np.testing.assert_allclose(fa.grad(use(which))(x), exact[which], rtol=1e-13)
        second = fa.grad(lambda y, which=which: fa.grad(use(which))(y).sum())(x)
        np.testing.assert_allclose(second, again[which], rtol=1e-12, err_msg=which)
        t = leaf(x)
        v, = core.push([t], [use(which)(t)], [fa.ones(2)], 0, False)
        np.testing.assert_allclose(v.item(), np.sum(exact[which]), rtol=1e-13)


@pytest.mark.parametrize("kind", [tuple, list])
def test_lists_and_tuples_stay_what_they_are(kind):
    f = primitive(lambda x: kind([x, 2 * x]))
    defvjp(f, lambda ans, x: lambda g: g[0] + 2 * g[1])
    assert type(f(leaf(1.0))) is kind
    assert fa.grad(lambda x: f(x)[1])(1.0) == 2.0
    x = leaf(1.0)
    a, b = f(x)
    (a + b).backward()
    assert x.grad.item() == 3.0


def test_hooks_and_intermediate_gradients_of_the_second_result():
    f, x = split_number(), leaf([0.5, 1.5])
    seen = []
    y = f(x).rest
    y.register_hook(lambda g: seen.append(plain(g)) or g * 10)
    y.retain_grad()
    y.sum().backward()
    np.testing.assert_array_equal(seen[0], [1, 1])
    np.testing.assert_array_equal(plain(y.grad), [10, 10])
    np.testing.assert_allclose(plain(x.grad), 20 * np.array([0.5, 1.5]))


# ---- leading axes ------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [traced, in_numpy])
@pytest.mark.parametrize("lead", [(4,), (2, 3), (0,), (1,)], ids=str)
@pytest.mark.parametrize("recording", [False, True])
def test_walks_loop_over_leading_axes(make, lead, recording):
    f, x, w = make(), leaf(RNG.normal(size=(2, 3))), leaf(RNG.normal(size=3))
    g, v, u = RNG.normal(size=(*lead, 2, 3)), RNG.normal(size=(*lead, 2, 3)), RNG.normal(size=(*lead, 3))
    y = f(x, w) * 1
    dx, dw = core.pull([y], [x, w], [fa.tensor(g)], len(lead), recording, True)
    np.testing.assert_allclose(plain(dx), g * 3 * plain(w) * plain(x) ** 2, rtol=1e-13)
    np.testing.assert_allclose(plain(dw), (g * plain(x) ** 3).sum(-2), rtol=1e-13)
    t, = core.push([x, w], [y], [fa.tensor(v), fa.tensor(u)], len(lead), recording)
    np.testing.assert_allclose(plain(t), v * 3 * plain(w) * plain(x) ** 2 + u[..., None, :] * plain(x) ** 3, rtol=1e-13)
    if recording and make is traced and dx.size:
        again, = core.pull([dx], [x], [fa.ones(dx.shape)], 0, False, True)
        np.testing.assert_allclose(plain(again), g.reshape(-1, 2, 3).sum(0) * 6 * plain(w) * plain(x), rtol=1e-12)


@pytest.mark.parametrize("lead", [(4,), (2, 3)], ids=str)
def test_leading_axes_of_several_results(lead):
    f, x = split_number(), leaf([0.5, 1.5])
    y = f(x)
    a, b, v = (RNG.normal(size=(*lead, 2)) for _ in range(3))
    dx, = core.pull([y.whole, y.rest], [x], [fa.tensor(a), fa.tensor(b)], len(lead), False, True)
    np.testing.assert_allclose(plain(dx), a * np.cos(plain(x)) + b * 2 * plain(x), rtol=1e-13)
    dx, = core.pull([y.rest], [x], [fa.tensor(b)], len(lead), False, True)
    np.testing.assert_allclose(plain(dx), b * 2 * plain(x), rtol=1e-13)
    s, t = core.push([x], [y.whole, y.rest], [fa.tensor(v)], len(lead), False)
    np.testing.assert_allclose(plain(s), v * np.cos(plain(x)), rtol=1e-13)
    np.testing.assert_allclose(plain(t), v * 2 * plain(x), rtol=1e-13)


def test_a_jacobian_is_the_identity_pulled_back():
    f = primitive(lambda x: np.cumprod(x))
    defvjp(f, lambda ans, x: lambda g: np.cumsum((g * ans)[::-1])[::-1] / x)
    x = leaf([1.0, 2.0, 4.0])
    jacobian, = core.pull([f(x)], [x], [fa.eye(3)], 1, False, True)
    np.testing.assert_allclose(plain(jacobian), [[1, 0, 0], [2, 1, 0], [8, 4, 2]])


@pytest.mark.parametrize("make", [traced, in_numpy])
def test_the_transforms(make):
    """Jacobians both ways, with chunks, and second derivatives where the rules can be traced"""
    f, x, w = make(), RNG.normal(size=4), RNG.normal(size=4)
    for jacobian in (fa.jacrev, fa.jacfwd, fa.jacobian, lambda f: fa.jacrev(f, chunk_size=3)):
        np.testing.assert_allclose(jacobian(lambda x: f(x, w))(x), np.diag(3 * w * x ** 2), rtol=1e-13)
    t = fa.jvp(lambda x: f(x, w), (x,), (np.ones(4),))[1]
    np.testing.assert_allclose(t, 3 * w * x ** 2, rtol=1e-13)
    second = (fa.hessian(lambda x: f(x, w).sum()), fa.jacrev(fa.jacrev(lambda x: f(x, w).sum())), fa.jacfwd(fa.jacfwd(lambda x: f(x, w).sum())))
    for hessian in second:
        if make is traced:
            np.testing.assert_allclose(hessian(x), np.diag(6 * w * x), rtol=1e-12, atol=1e-14)
        else:
            with pytest.raises(NotImplementedError, match="power_of_weights: its derivative cannot be differentiated again"):
                hessian(x)


# ---- values that change ------------------------------------------------------------------------------
@pytest.mark.parametrize("which", ["argument", "constant", "result"])
def test_a_change_in_place_is_refused(which):
    f, x, w = traced(), leaf([1.0, 2.0]), fa.tensor([3.0, 4.0])
    y = f(x, w)
    with fa.no_grad():
        {"argument": x, "constant": w, "result": y}[which].fill_(0.0)
    with pytest.raises(RuntimeError, match=r"power_of_weights.*changed in place"):
        core.pull([y], [x], [fa.ones(2)], 0, False, True)
    with pytest.raises(RuntimeError, match=r"power_of_weights.*changed in place"):
        core.push([x], [y], [fa.ones(2)], 0, False)


def test_arrays_among_the_arguments_are_copied():
    f, w = traced(), np.array([3.0, 4.0])
    x = leaf([1.0, 2.0])
    y = f(x, w)
    w[:] = 0
    y.backward(fa.ones(2))
    np.testing.assert_array_equal(plain(x.grad), [9, 48])


def test_saved_values_are_let_go():
    f, x = traced(), leaf([1.0, 2.0])
    y = f(x, 2.0)
    y.backward(fa.ones(2))
    with pytest.raises(RuntimeError, match="power_of_weights: backward through the graph a second time"):
        y.backward(fa.ones(2))


# ---- notrace -----------------------------------------------------------------------------------------
def test_notrace():
    @notrace
    def order(x, *, keys=()):
        assert type(x) is np.ndarray and all(type(k) is np.ndarray for k in keys)
        return np.argsort(x)

    x = np.array([3.0, 1.0, 2.0])
    gradient = fa.grad(lambda x: (x[order(x, keys=[x])] * np.array([1.0, 10.0, 100.0])).sum())(x)
    np.testing.assert_array_equal(gradient, [100, 1, 10])
    assert type(order(x)) is np.ndarray


# ---- beside HIPS/autograd ----------------------------------------------------------------------------
def test_the_same_definitions_as_in_autograd():
    extend, anp, grad = (pytest.importorskip(f"autograd{name}") for name in (".extend", ".numpy", ""))
    results = []
    for define, np_, differentiate in ((extend, anp, grad.grad), (fa.extend, fa, fa.grad)):
        @define.primitive
        def logsumexp(x):
            top = np.max(x)
            return top + np.log(np.sum(np.exp(x - top)))

        define.defvjp(logsumexp, lambda ans, x, np_=np_: lambda g: np_.full(x.shape, 1.0) * g * np_.exp(x - ans))
        f = lambda x, np_=np_, logsumexp=logsumexp: logsumexp(np_.sin(x))          # noqa: E731
        second = differentiate(lambda x, f=f, d=differentiate, np_=np_: np_.sum(np_.cos(x) * d(f)(x)))
        results.append((differentiate(f)(np.array([0.1, 0.7, -0.4])), second(np.array([0.1, 0.7, -0.4]))))
    for ours, theirs in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# ---- the guide ---------------------------------------------------------------------------------------
GUIDE = Path(__file__).parents[1] / "docs" / "extending.md"
guide = pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not beside these tests")


@guide
def test_the_guide_runs():
    found = doctest.testfile(str(GUIDE), module_relative=False, encoding="utf-8")
    assert found.attempted > 10 and not found.failed


@guide
def test_the_kernel_of_the_guide_is_that_of_the_example():
    source = (GUIDE.parents[1] / "examples" / "custom_kernel" / "lennard_jones.pyx").read_text()
    block, = re.findall(r"```cython\n(.*?)```", GUIDE.read_text(), re.S)
    code = {line.partition("#")[0].strip() for line in source.splitlines()}
    assert not [line for line in block.splitlines() if line.strip() not in (*code, "...")]
