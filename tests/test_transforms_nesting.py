"""Derivatives inside of derivatives: every combination of the modes, variables that must keep apart, loops, threads of control."""
import itertools

import numpy as np
import pytest

import fastad as fa
from fastad._core import make


def reverse(f):
    return fa.grad(f)


def forward(f):
    return fa.deriv(f)


def forward_by_jvp(f):
    return lambda x: fa.jvp(f, x, 1.0)[1]


def reverse_by_vjp(f):
    return lambda x: fa.vjp(f, x)[1](1.0)[0]


MODES = (reverse, forward, forward_by_jvp, reverse_by_vjp)
two = pytest.mark.parametrize(("outer", "inner"), list(itertools.product(MODES, repeat=2)), ids=lambda m: m.__name__)


# ---- perturbation confusion ----------------------------------------------------------------------------
@two
def test_the_classic_case(outer, inner):
    """d/dx (x d/dy (x + y)) is 1; with confused perturbations it is 2"""
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1
    assert outer(lambda x: x * inner(lambda y: x + y)(x))(1.0) == 1
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0) == 6
    assert outer(lambda x: inner(lambda y: x * y * y)(x))(3.0) == 12             # of 2 x^2
    assert outer(lambda x: inner(lambda y: x * x * y)(1.0) * x)(3.0) == 27


@two
def test_inner_derivatives_that_close_over_the_outer_variable(outer, inner):
    def g(x):
        shift = fa.sin(x)
        return inner(lambda y: fa.exp(x * y) * shift)(x * x)                    # x sin(x) exp(x^3)

    x = 0.7
    expected = np.exp(x**3) * (np.sin(x) + x * np.cos(x) + 3 * x**3 * np.sin(x))
    assert outer(g)(x) == pytest.approx(expected, rel=1e-13)


@two
def test_a_derivative_of_a_constant_point(outer, inner):
    """What depends on nothing outside comes without a graph, so that it can be looked at."""
    def f(x):
        slope = inner(lambda y: y**3)(2.0)
        assert isinstance(slope, fa.Tensor) and not slope.requires_grad
        return x * float(slope)

    assert outer(f)(5.0) == 12


@pytest.mark.parametrize("modes", list(itertools.product((reverse, forward), repeat=3)), ids=lambda ms: "-".join(m.__name__ for m in ms))
def test_third_derivatives(modes):
    f = fa.tanh
    for mode in modes:
        f = mode(f)
    t = np.tanh(0.5)
    assert f(0.5) == pytest.approx((1 - t * t) * (6 * t * t - 2), rel=1e-13)


def test_three_levels_keep_their_variables_apart():
    def nested(a, b, c):
        """d/dx [x d/dy (y d/dz (x y z + z^2) at z = x + y) at y = x]"""
        return a(lambda x: x * b(lambda y: y * c(lambda z: x * y * z + z * z)(x + y))(x))

    for modes in itertools.product((reverse, forward), repeat=3):
        # inner: x y + 2 (x + y); times y, d/dy: 2 x y + 2 x + 4 y; at y = x, times x: 2 x^3 + 6 x^2
        assert nested(*modes)(2.0) == pytest.approx(6 * 4 + 12 * 2)


def test_the_same_function_at_two_levels():
    f = fa.grad(lambda x: x**4)
    assert fa.grad(lambda x: f(x) * f(f(x)))(0.5) == pytest.approx(1024 * 0.5**11 * 12)


def test_derivatives_by_what_is_kept_from_outside():
    w = fa.tensor(3.0, requires_grad=True)
    y = fa.grad(lambda x: w * x * x)(fa.tensor(2.0))
    y.backward()
    assert w.grad.item() == 4
    assert not isinstance(fa.grad(lambda x: w * x * x)(2.0), fa.Tensor)         # arrays in, arrays out
    assert w.grad.item() == 4                                                  # and nothing accumulates


@two
def test_directions_can_be_differentiated(outer, inner):
    x = np.array([0.3, 0.4])

    def along(v):
        return (fa.jvp(fa.sin, x, v)[1] * fa.vjp(fa.cos, x)[1](v)[0]).sum()

    J = -np.cos(x) * np.sin(x)
    assert inner(lambda t: outer(lambda s: along(fa.stack([s, t * s])))(1.0))(2.0) == pytest.approx(2 * 2 * 2 * J[1])


# ---- no_grad -------------------------------------------------------------------------------------------
def test_transforms_work_where_nothing_records():
    with fa.no_grad():
        assert fa.grad(lambda x: x**3)(2.0) == 12 and fa.deriv(fa.deriv(lambda x: x**3))(2.0) == 12
        assert fa.hessian(lambda x: (x**3).sum())(np.ones(2)).tolist() == [[6, 0], [0, 6]]
    assert not make.is_nested()

    def f(x):
        with fa.no_grad():
            slope = fa.grad(lambda y: x * y * y)(x)                              # a constant, by the user's word
        return x * slope

    assert fa.grad(f)(3.0) == fa.deriv(f)(3.0) == 18


def test_an_error_inside_leaves_nothing_behind():
    def fails(x):
        raise KeyError("mine")

    for transform in (fa.grad, fa.deriv, fa.jacobian, fa.hessian, fa.elementwise_grad):
        with pytest.raises(KeyError, match="mine"):
            transform(fails)(1.0)
        with pytest.raises(KeyError, match="mine"):
            transform(lambda x, transform=transform: transform(fails)(x))(1.0)
    assert not make.is_nested() and fa.is_grad_enabled()


# ---- loops ---------------------------------------------------------------------------------------------
@two
def test_a_derivative_inside_a_loop(outer, inner):
    """Newton's iteration for the cube root, with the inner derivative taken by a transform."""
    def root(a):
        x = 1.0 + 0 * a
        for _ in range(8):
            def residual(x):
                return x**3 - a
            x = x - residual(x) / inner(residual)(x)
        return x

    assert root(2.0) == pytest.approx(2 ** (1 / 3))
    assert outer(root)(2.0) == pytest.approx(2 ** (-2 / 3) / 3, rel=1e-12)


def visited(monkeypatch):
    """The numbers of nodes on the tape that inner derivatives look at."""
    seen = []
    original = make.dependence

    def counting(outputs, inputs, since):
        reached = set()
        todo = [y.grad_fn for y in outputs]
        while todo:
            node = todo.pop()
            if node is not None and node not in reached and node.serial > since:
                reached.add(node)
                todo += [edge[0] for edge in node.inputs if edge]
        seen.append(len(reached))
        return original(outputs, inputs, since)

    monkeypatch.setattr(make, "dependence", counting)
    return seen


def test_a_loop_of_derivatives_walks_each_over_its_own_nodes_only(monkeypatch):
    """The inner tapes reach the whole loop so far through x, and yet each walk sees a few nodes: N derivatives cost O(N)."""
    seen = visited(monkeypatch)

    def f(x):
        for _ in range(200):
            x = x + 0.01 * fa.deriv(lambda y, x=x: fa.sin(x * y))(x)
        return x

    fa.jvp(f, 1.0, 1.0)
    assert len(seen) == 201 and set(seen[:200]) == {seen[0]} and seen[0] <= 5
    assert seen[200] > 200


def test_the_walks_keep_to_what_is_younger():
    x = fa.tensor(1.0, requires_grad=True)
    y = middle = fa.sin(x)
    for _ in range(100):
        y = fa.sin(y)
    since = make.mark()
    own = make.copy_of(y, "test", 0)
    z = own * y
    assert make.dependence([z], [own], since) == ([True], [True], True)
    assert make.dependence([z], [own, x], 0) == ([True, True], [True], False)
    assert make.dependence([z], [x], since) == ([False], [False], True)
    # a value that an older node saved is written: whoever walks over it fails
    with fa.no_grad():
        middle += 1.0
    assert make.push([own], [own * 2], [fa.tensor(1.0)], 0, False, since)[0].item() == 2
    with pytest.raises(RuntimeError, match="changed in place"):
        make.push([x], [own * 2], [fa.tensor(1.0)], 0, False, 0)


# ---- transforms of transforms --------------------------------------------------------------------------
def test_hessians_by_every_pair():
    def f(x):
        return fa.exp(x[0] * x[1]) + fa.sin(x[1] * x[2]) * x[0]

    x = np.array([0.3, -0.2, 0.7])
    H = fa.hessian(f)(x)
    for outer, inner in itertools.product((fa.jacfwd, fa.jacrev), repeat=2):
        np.testing.assert_allclose(outer(inner(f))(x), H, rtol=1e-13, atol=1e-15)
        third = fa.jacfwd(outer(inner(f)))(x)
        np.testing.assert_allclose(third, fa.jacobian(fa.hessian(f))(x), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(third, fa.jacrev(fa.hessian(f, chunk_size=2))(x), rtol=1e-12, atol=1e-14)
    for i in range(3):
        v = np.eye(3)[i]
        for product in (fa.hvp(f, x, v)[1], fa.vhp(f, x, v)[1], fa.make_hvp(f)(x)[0](v), fa.hessian_vector_product(f)(x, v),
                        fa.jvp(fa.grad(f), x, v)[1], fa.vjp(fa.grad(f), x)[1](v)[0], fa.grad(lambda x, v=v: fa.jvp(f, x, v)[1])(x)):
            np.testing.assert_allclose(product, H[i], rtol=1e-13, atol=1e-15)


def test_products_are_differentiated_further():
    x, v = np.array([0.3, 0.5]), np.array([1.0, -2.0])

    def f(x):
        return (x**4).sum()

    expected = 24 * x * v * v
    for product in (lambda x: (fa.hvp(f, x, v)[1] * v).sum(), lambda x: (fa.vhp(f, x, v)[1] * v).sum(),
                    lambda x: (fa.make_hvp(f)(x)[0](v) * v).sum(), lambda x: (fa.hessian_tensor_product(f)(x, v) * v).sum(),
                    lambda x: fa.tensor_jacobian_product(lambda x: fa.grad(f)(x) * v)(x, v).sum(),
                    lambda x: v @ fa.hessian(f)(x) @ v):
        for transform in (fa.grad, fa.jacfwd):
            np.testing.assert_allclose(transform(product)(x), expected, rtol=1e-13)
    assert fa.grad(lambda x: fa.make_hvp(f)(x)[1].sum())(x) == pytest.approx(12 * x**2)
    gauss_newton = fa.grad(lambda x: (fa.make_ggnvp(fa.square)(x)(v) * v).sum())(x)
    np.testing.assert_allclose(gauss_newton, 8 * x * v * v, rtol=1e-13)          # of 4 x^2 v^2


@pytest.mark.parametrize("outer", [fa.grad, fa.deriv, fa.jacrev])
@pytest.mark.parametrize("aux", [lambda f: fa.grad(f, has_aux=True)(2.0)[1],
                                 lambda f: fa.value_and_grad(f, has_aux=True)(2.0)[0][1],
                                 lambda f: fa.jacfwd(f, has_aux=True)(2.0)[1],
                                 lambda f: fa.vjp(f, 2.0, has_aux=True)[2],
                                 lambda f: fa.jvp(f, (2.0,), (1.0,), has_aux=True)[2]])
def test_aux_depends_on_the_outer_variable_where_the_value_does_not(outer, aux):
    assert outer(lambda x: aux(lambda y: (y * y, x * x * y)) * 1.0)(3.0) == 12.0


@pytest.mark.parametrize("outer", [fa.grad, fa.deriv])
def test_the_loss_of_a_gauss_newton_product_depends_on_the_outer_variable(outer):
    def product(x):
        return fa.make_ggnvp(lambda y: y * y, lambda z: x * (z * z).sum())(2.0)(1.0) * 1.0

    assert outer(product)(3.0) == 32.0            # (2 y) (2 x) (2 y)
