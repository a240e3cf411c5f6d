"""The transforms: what goes in and what comes out, the texts' numbers, both modes; errors are in test_transforms_errors.py."""
import math
import warnings
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest

import fastad as fa

Pair = namedtuple("Pair", "w b")


@dataclass(frozen=True)
class Layer:
    w: object
    b: object
    name: str = field(default="layer", metadata={"static": True})


def wengert(x1, x2):
    return fa.log(x1) + x1 * x2 - fa.sin(x2)


def chained(x):
    c = fa.exp(x) + fa.exp(x) ** 2
    return fa.exp(c) + fa.sin(c)


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


# ---- the texts' numbers, in both modes -----------------------------------------------------------------
def test_wengert_list():
    value, gradients = fa.value_and_grad(wengert, (0, 1))(2.0, 5.0)
    assert value == pytest.approx(11.652071455223084, abs=1e-14)
    np.testing.assert_allclose(gradients, (5.5, 2 - math.cos(5)), rtol=1e-15)
    y, tangent = fa.jvp(wengert, (2.0, 5.0), (1.0, 0.0))
    assert y == value and tangent == pytest.approx(5.5, abs=1e-14)
    assert fa.jvp(wengert, (2.0, 5.0), (0.0, 1.0))[1] == pytest.approx(1.716337814536774, abs=1e-14)


@pytest.mark.parametrize(("f", "at", "value", "slopes"), [
    (lambda x, y, z: (x + y) * z, (-2.0, 5.0, -4.0), -12, (-4, -4, 3)), (lambda x, y: x * y, (4.0, -3.0), -12, (-3, 4)),
    (fa.maximum, (4.0, 2.0), 4, (1, 0)),
    (chained, (0.1,), 10.9705248533, (33.9077682999,)),
], ids=["sum times z", "product", "max", "chain"])
def test_worked_numbers(f, at, value, slopes):
    y, reverse = fa.value_and_grad(f, tuple(range(len(at))))(*at)
    forward = [fa.jvp(f, at, tuple(np.eye(len(at))[k]))[1] for k in range(len(at))]
    assert y == pytest.approx(value, abs=1e-9)
    np.testing.assert_allclose(reverse, slopes, atol=1e-9)
    np.testing.assert_allclose(forward, reverse, rtol=1e-14)
    np.testing.assert_allclose([fa.deriv(f, k)(*at) for k in range(len(at))], reverse, rtol=1e-14)


def test_both_ways_through_a_jacobian_agree():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(5, 7))

    def f(x, p):
        return fa.tanh(W @ x) * p["scale"], fa.logsumexp(x) + p["shift"].sum()

    args = rng.normal(size=7), {"scale": 1.5, "shift": rng.normal(size=(2, 2))}
    tangents = rng.normal(size=7), {"scale": 0.3, "shift": rng.normal(size=(2, 2))}
    cotangents = rng.normal(size=5), 0.7
    value, pullback = fa.vjp(f, *args)
    same_value, pushed = fa.jvp(f, args, tangents)
    adjoints = pullback(cotangents)
    forward = sum(np.sum(a * b) for a, b in zip(cotangents, pushed, strict=True))
    reverse = sum(np.sum(a * b) for a, b in zip(*(fa.flatten(t)[:1] for t in (adjoints, tangents)), strict=True))
    assert forward == pytest.approx(reverse, abs=1e-12)
    np.testing.assert_array_equal(value[0], same_value[0])


# ---- what goes in comes out ----------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_shapes_and_dtypes_are_kept(dtype):
    x = np.arange(1, 7, dtype=dtype).reshape(2, 3)
    for transform in (fa.grad, fa.elementwise_grad):
        g = transform(lambda x: (x * x).sum())(x)
        assert type(g) is np.ndarray and g.dtype == dtype and g.flags.writeable and g.flags.c_contiguous
        np.testing.assert_array_equal(g, 2 * x)
    for transform in (fa.jacobian, fa.jacfwd, fa.jacrev):
        J = transform(lambda x: x * x)(x)
        assert J.dtype == dtype and J.shape == (2, 3, 2, 3)
        np.testing.assert_array_equal(J.reshape(6, 6), np.diag(2 * x.ravel()))
    value, tangent = fa.jvp(lambda x: x * x, x, np.ones((2, 3)))
    assert value.dtype == tangent.dtype == dtype
    assert fa.hessian(lambda x: (x ** 3).sum())(x).dtype == dtype
    scalar = fa.grad(lambda x: x * x)(x[0, 1])
    assert type(scalar) is x.dtype.type and scalar == 4


@pytest.mark.parametrize("build", [
    lambda w, b: [w, b], lambda w, b: (w, b), lambda w, b: {"w": w, "b": b}, lambda w, b: Pair(w, b), lambda w, b: Layer(w, b, "mine"),
    lambda w, b: OrderedDict(w=w, b=b), lambda w, b: defaultdict(list, w=w, b=b), lambda w, b: {"in": [{"w": (w,)}, None], "b": b},
], ids=["list", "tuple", "dict", "namedtuple", "dataclass", "OrderedDict", "defaultdict", "nested"])
def test_containers(build):
    def parts(p):
        if isinstance(p, dict):
            return (p["w"] if "w" in p else p["in"][0]["w"][0]), p["b"]
        return (p.w, p.b) if hasattr(p, "w") else p

    def f(x, p):
        w, b = parts(p)
        return (w * x).sum() * b

    w, x = np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)
    p = build(w, 2.0)
    for g in (fa.grad(f, 1)(x, p), fa.vjp(f, x, p)[1](1.0)[1], fa.multigrad_dict(f)(x, p)["p"],
              fa.grad(lambda x, p: f(x, p) + 0 * x.sum(), "p")(x, p=p), fa.jacobian(f, 1)(x, p), fa.elementwise_grad(f, 1)(x, p)):
        assert type(g) is type(p)
        gw, gb = parts(g)
        np.testing.assert_array_equal(gw, 2 * x)
        assert gw.dtype == np.float32 and gb == 11 and isinstance(gb, np.float64)
        assert getattr(g, "name", "mine") == "mine"
    if isinstance(p, dict):
        assert list(g) == list(p)
    assert fa.jvp(f, (x, p), (x, build(w, 1.0)))[1] == pytest.approx(22 + 22 + 11)
    H = fa.hessian(f, 1)(x, p)
    assert type(H) is type(p) and type(parts(H)[0]) is type(p)
    np.testing.assert_array_equal(parts(parts(H)[0])[1], x)


def test_values_in_containers():
    def f(x):
        return {"square": x * x, "all": [x, Pair(fa.sin(x), x.sum())]}

    x = np.array([0.5, 1.5])
    value, tangent = fa.jvp(f, x, np.ones(2))
    assert type(value["all"][1]) is Pair and isinstance(tangent["all"][1].b, np.float64)
    np.testing.assert_array_equal(tangent["square"], 2 * x)
    np.testing.assert_allclose(tangent["all"][1].w, np.cos(x))
    pullback = fa.vjp(f, x)[1]
    g, = pullback({"square": x, "all": [np.zeros(2), Pair(np.zeros(2), 1.0)]})
    np.testing.assert_allclose(g, 2 * x * x + 1)
    for transform in (fa.jacobian, fa.jacfwd, fa.jacrev):
        J = transform(f)(x)
        np.testing.assert_allclose(J["square"], np.diag(2 * x))
        np.testing.assert_allclose(J["all"][1].w, np.diag(np.cos(x)))
        np.testing.assert_allclose(J["all"][1].b, [1, 1])


def test_a_jacobian_by_several_arguments_has_them_inside():
    x, y = np.array([1.0, 2.0]), np.arange(6.0).reshape(2, 3)
    for transform in (fa.jacobian, fa.jacfwd, fa.jacrev):
        for chunk in (None, 1, 2, 5, 100):
            a, b = transform(lambda x, y: x @ y, (0, 1), chunk_size=chunk)(x, y)
            np.testing.assert_array_equal(a, y.T)
            assert b.shape == (3, 2, 3)
            np.testing.assert_array_equal(b, np.einsum("i,jk->jik", x, np.eye(3)))


@pytest.mark.parametrize("argnum", [1, -1, "y", (1,), ("y",)])
def test_arguments_by_number_and_name(argnum):
    def f(x, y, *rest, scale=1.0):
        return x * y * y * scale

    g = fa.grad(f, argnum)(3.0, 2.0, scale=0.5)
    assert g == ((6.0,) if isinstance(argnum, tuple) else 6.0)


def test_names_of_keywords_and_defaults():
    def f(x, y=2.0, *, scale=1.0, **more):
        return x * y * scale * more.get("factor", 1.0)

    assert fa.grad(f, "y")(3.0) == 3
    assert fa.grad(f, "scale")(3.0) == 6
    assert fa.grad(f, "scale")(3.0, y=4.0, scale=5.0) == 12
    assert fa.grad(f, "factor")(3.0, factor=4.0) == 6
    assert fa.grad(f, ("scale", 0))(3.0, scale=5.0) == (6, 10)
    assert fa.grad_named(f, "x")(x=3.0) == 2
    assert fa.jacobian(f, "y")(3.0) == fa.make_vjp(f, "y")(3.0)[0](1.0) == 3
    assert fa.grad(fa.sum, "a")(np.ones(2)).tolist() == [1, 1]                  # a compiled function
    assert fa.grad(partial(f, 3.0), "y")(2.0) == 3


def test_multigrad_dict():
    def f(a, b=2.0, *rest, c=3.0, **more):
        return a * b * c * rest[0] * more["d"]

    assert fa.multigrad_dict(f)(1.0, 2.0, 5.0, d=7.0) == {"a": 210, "b": 105, "rest": (42,), "c": 70, "more": {"d": 30}}


def test_python_integers_are_floats():
    for g in (fa.grad(lambda x: x * x)(3), fa.deriv(lambda x: x * x)(np.int64(3)), fa.grad(lambda p: p[0] * p[1])([3, 2])[1]):
        assert g in (6, 3) and isinstance(g, np.float64)


def test_auxiliary_values():
    def f(x):
        y = x * x
        return y.sum(), {"y": y, "n": 3, "text": "kept", "none": None}

    x = np.array([1.0, 2.0])
    results = {
        "grad": fa.grad(f, has_aux=True)(x), "grad_and_aux": fa.grad_and_aux(f)(x), "jacobian": fa.jacobian(f, has_aux=True)(x),
        "jacfwd": fa.jacfwd(f, has_aux=True)(x), "value_and_grad": fa.value_and_grad(f, has_aux=True)(x)[::-1],
    }
    for name, (g, aux) in results.items():
        if name == "value_and_grad":
            assert aux[0] == 5
            aux = aux[1]
        np.testing.assert_array_equal(g, 2 * x, name)
        assert type(aux["y"]) is np.ndarray and aux["y"].tolist() == [1, 4]
        assert aux["n"] == 3 and aux["text"] == "kept" and aux["none"] is None
    H, aux = fa.hessian(f, has_aux=True)(x)
    assert H.tolist() == [[2, 0], [0, 2]] and aux["n"] == 3
    assert fa.jvp(f, x, x, has_aux=True)[2]["n"] == fa.vjp(f, x, has_aux=True)[2]["n"] == fa.linearize(f, x, has_aux=True)[2]["n"] == 3


def test_tensors_in_tensors_out():
    x = fa.tensor([1.0, 2.0])
    for g in (fa.grad(rosenbrock)(x), fa.jacobian(rosenbrock)(x), fa.hessian(rosenbrock)(x), fa.jvp(rosenbrock, x, x)[1],
              fa.vjp(rosenbrock, x)[1](1.0)[0], fa.vjp(rosenbrock, np.ones(2))[1](fa.tensor(1.0))[0],
              fa.jvp(rosenbrock, np.ones(2), x)[1], fa.grad(lambda x, data: (x * data[0]).sum())(np.ones(2), [x])):
        assert isinstance(g, fa.Tensor) and not g.requires_grad                  # nobody differentiates it
    w = fa.tensor([1.0, 2.0], requires_grad=True)
    for g in (fa.grad(rosenbrock)(w), fa.jacrev(rosenbrock)(w), fa.jacfwd(rosenbrock)(w), fa.vjp(rosenbrock, w)[1](1.0)[0],
              fa.jvp(fa.grad(rosenbrock), w, np.ones(2))[0]):
        g.sum().backward()
        np.testing.assert_allclose(w.grad.numpy(), fa.hessian(rosenbrock)(np.array([1.0, 2.0])).sum(0))
        w.grad = None
    with fa.no_grad():
        assert not fa.grad(rosenbrock)(w).requires_grad
        np.testing.assert_allclose(fa.hessian(rosenbrock)(w), fa.hessian(rosenbrock)(np.array([1.0, 2.0])))


def test_results_share_no_memory():
    x, v = np.ones(3), np.ones(3)
    for y in (fa.jvp(lambda x: x, x, v)[1], fa.jvp(lambda x: x, x, v)[0], fa.vjp(lambda x: x, x)[1](v)[0],
              fa.jvp(lambda x: fa.broadcast_to(x, (2, 3)), x, v)[1], *fa.jvp(lambda x: (x, x), x, v)[1],
              fa.jvp(lambda x: x, x, fa.tensor(v))[1], fa.linearize(lambda x: x, x)[1](v)):
        y += 5
        assert x.tolist() == v.tolist() == [1, 1, 1]
    a, b = fa.jvp(lambda x: (x, x), x, v)[1]
    a += 1
    assert b.tolist() == [1, 1, 1]
    t = fa.tensor(v)
    y = fa.jvp(lambda x: x, x, t)[1]
    y += 5
    assert t.tolist() == [1, 1, 1]


def test_the_arguments_are_not_touched():
    p = {"w": [np.ones(2), np.ones(3)]}

    def f(q):
        q["w"].pop()
        q["more"] = 3
        return q["w"][0].sum()

    with pytest.warns(fa.IndependentWarning, match=r"does not depend on argument 0\['w'\]\[1\]"):
        g = fa.grad(f)(p)
    assert list(p) == list(g) == ["w"] and len(p["w"]) == len(g["w"]) == 2
    np.testing.assert_array_equal(g["w"][1], [0, 0, 0])


# ---- many directions, one recording --------------------------------------------------------------------
def test_f_is_called_once():
    calls = []

    def f(x):
        calls.append(x)
        return fa.tanh(x).sum()

    x = np.linspace(0, 1, 4)
    for run in (lambda: fa.hessian(f)(x), lambda: fa.hessian(f, chunk_size=1)(x), lambda: fa.jacrev(f)(x),
                lambda: fa.jacfwd(f, chunk_size=1)(x), lambda: [pull(1.0) for pull in [fa.vjp(f, x)[1]] for _ in range(3)],
                lambda: [d(x) for d in [fa.linearize(f, x)[1]] for _ in range(3)],
                lambda: [h(x) for h in [fa.make_hvp(f)(x)[0]] for _ in range(3)]):
        calls.clear()
        run()
        assert len(calls) == 1


def test_linearize_is_linear():
    x = np.array([0.3, 0.4])
    value, derivative = fa.linearize(fa.tanh, x)
    np.testing.assert_array_equal(value, np.tanh(x))
    a, b = np.array([1.0, 2.0]), np.array([-0.5, 3.0])
    np.testing.assert_allclose(derivative(2 * a + b), 2 * derivative(a) + derivative(b), rtol=1e-15)
    np.testing.assert_allclose(derivative(a), a / np.cosh(x) ** 2)


# ---- what does not depend ------------------------------------------------------------------------------
INDEPENDENT = {
    "grad": lambda f, x: fa.grad(f)(x), "value_and_grad": lambda f, x: fa.value_and_grad(f)(x)[1],
    "with aux": lambda f, x: fa.grad(lambda x: (f(x), 1), has_aux=True)(x)[0],
    "in a dict": lambda f, x: fa.grad(lambda p: f(p["x"]))({"x": x})["x"], "elementwise": lambda f, x: fa.elementwise_grad(f)(x),
    "vjp": lambda f, x: fa.vjp(f, x)[1](1.0)[0], "make_vjp": lambda f, x: fa.make_vjp(f)(x)[0](1.0),
    "jacrev": lambda f, x: fa.jacrev(f)(x), "jacfwd": lambda f, x: fa.jacfwd(f)(x), "hessian": lambda f, x: fa.hessian(f)(x)[0],
    "jvp": lambda f, x: fa.jvp(f, x, x)[1] * x, "linearize": lambda f, x: fa.linearize(f, x)[1](x) * x,
    "deriv": lambda f, x: fa.deriv(f)(x) * x, "hvp": lambda f, x: fa.hvp(f, x, x)[1], "vhp": lambda f, x: fa.vhp(f, x, x)[1],
    "a tensor": lambda f, x: fa.grad(f)(fa.tensor(x)),
}


@pytest.mark.parametrize("transform", INDEPENDENT)
@pytest.mark.parametrize("f", [lambda x: fa.tensor(3.0), lambda x: 3.0, lambda x: np.float32(2), lambda x: fa.sum(x.detach()),
                               lambda x: fa.sum(x > 0), lambda x: np.ones(()), lambda x: fa.argmax(x)],
                         ids=["constant", "number", "scalar", "detached", "comparison", "array", "integer"])
def test_independence_gives_zeros_and_a_warning(transform, f):
    x = np.array([1.0, 2.0])
    with pytest.warns(fa.IndependentWarning, match=r"of .*: its value does not depend on argument 0.*; the derivative is 0") as seen:
        g = INDEPENDENT[transform](f, x)
    assert len(seen) == 1 and seen[0].filename == __file__
    np.testing.assert_array_equal(g, [0, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fa.IndependentWarning)
        INDEPENDENT[transform](f, x)


def test_which_argument_is_unused_is_said():
    with pytest.warns(fa.IndependentWarning, match=r"^grad of f: its value does not depend on argument 1; the derivative is 0$"):
        def f(x, y):
            return x * x
        assert fa.grad(f, (0, 1))(3.0, 4.0) == (6, 0)
    with pytest.warns(fa.IndependentWarning, match="argument 'scale'"):
        assert fa.grad(lambda x, scale: x * 1.0, "scale")(3.0, scale=1.0) == 0
    with pytest.warns(fa.IndependentWarning, match=r"jacobian of <lambda>, output \['b'\]: .*any of the arguments"):
        J = fa.jacobian(lambda x: {"a": x, "b": fa.ones(2)})(np.ones(2))
    np.testing.assert_array_equal(J["b"], np.zeros((2, 2)))


def test_linear_functions_have_no_second_derivative_and_need_no_warning():
    x = np.ones(3)
    assert not fa.hessian(fa.sum)(x).any() and not fa.hvp(fa.sum, x, x)[1].any() and not fa.vhp(fa.sum, x, x)[1].any()
    (a, b), (c, d) = fa.hessian(lambda x, y: (x * y).sum(), (0, 1))(x, x)
    assert not a.any() and not d.any() and (b == np.eye(3)).all() and (c == np.eye(3)).all()


def test_zero_size():
    x = np.zeros((0, 3))
    assert fa.grad(fa.sum)(x).shape == (0, 3)
    for transform in (fa.jacobian, fa.jacfwd, fa.jacrev):
        assert transform(fa.square)(x).shape == (0, 3, 0, 3)
        assert transform(lambda x: fa.sum(x, axis=0))(x).shape == (3, 0, 3)
        assert transform(lambda x: x[:0])(np.ones(4)).shape == (0, 4)
    assert fa.hessian(fa.sum)(x).shape == (0, 3, 0, 3)
    assert fa.grad(lambda p: p[1] * 2.0)([{}, 3.0, None, ()]) == [{}, 2.0, None, ()]


# ---- flatten -------------------------------------------------------------------------------------------
def test_flatten():
    tree = {"b": np.arange(6.0).reshape(2, 3), "a": [1.0, (np.float32(2), Layer(np.ones(2, np.float32), None))], "c": 7}
    vector, unflatten = fa.flatten(tree)
    assert vector.tolist() == [1, 2, 1, 1, 0, 1, 2, 3, 4, 5, 7]
    back = unflatten(vector + 0.5)
    assert list(back) == ["b", "a", "c"] and type(back["a"][1][1]) is Layer
    assert back["a"][1][1].w.dtype == np.float32 and back["a"][1][0].dtype == np.float32 and back["c"] == 7.5
    back["b"][:] = 0
    assert vector[4:10].tolist() == [0, 1, 2, 3, 4, 5]
    for empty in ([], {}, None, ((), {"a": []})):
        vector, unflatten = fa.flatten(empty)
        assert vector.shape == (0,) and unflatten(vector) == empty
    with pytest.raises(ValueError, match=r"unflatten: the vector has shape \(2,\), expected \(0,\)"):
        unflatten(np.ones(2))
    with pytest.raises(TypeError, match=r"flatten: .*str"):
        fa.flatten(["text"])


def test_flatten_can_be_differentiated():
    tree = {"w": np.array([1.0, 2.0]), "b": 3.0}
    vector, unflatten = fa.flatten(tree)
    g = fa.grad(lambda v: (unflatten(v)["w"] ** 2).sum() * unflatten(v)["b"])(vector)
    assert g.tolist() == [5, 6, 12]
    g = fa.grad(lambda p: (fa.flatten(p)[0] ** 2).sum())(tree)
    assert g["w"].tolist() == [2, 4] and g["b"] == 6
