"""The transforms beside those of HIPS/autograd, JAX and PyTorch, where these are installed: the same calls, the same results."""
import numpy as np
import pytest

import fastad as fa
import fastad.numpy as fnp

RNG = np.random.default_rng(7)
X = RNG.normal(size=6)
V = RNG.normal(size=6)
W = RNG.normal(size=(4, 6))


def close(a, b):
    a, b = (fa.transforms.tree.leaves(t) for t in (a, b))
    assert len(a) == len(b)
    for p, q in zip(a, b, strict=True):
        assert np.shape(p) == np.shape(q)
        np.testing.assert_allclose(np.asarray(p), np.asarray(q), rtol=1e-11, atol=1e-13)


def programs(np):
    """Functions written with a namespace of NumPy's names."""
    def rosenbrock(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def network(x):
        return np.tanh(np.dot(W, np.sin(x)))

    def two(x, y):
        return np.sum(np.exp(-x * x) * y) + np.sum(x * y * y)

    def elementwise(x):
        return np.tanh(x) * np.exp(-x * x)
    return rosenbrock, network, two, elementwise


# ---- HIPS/autograd: its own names, calls and argument orders -------------------------------------------
@pytest.fixture
def hips():
    return pytest.importorskip("autograd")


def test_autograd(hips):
    import autograd.numpy as anp
    (rosenbrock, network, two, elementwise), theirs = programs(fnp), programs(anp)
    a, b, c, d = theirs
    close(fa.grad(rosenbrock)(X), hips.grad(a)(X))
    close(fa.value_and_grad(two, 1)(X, V), hips.value_and_grad(c, 1)(X, V))
    close(fa.grad(two, (0, 1))(X, V), hips.grad(c, (0, 1))(X, V))
    close(fa.elementwise_grad(elementwise)(X), hips.elementwise_grad(d)(X))
    close(fa.elementwise_grad(fa.elementwise_grad(elementwise))(X), hips.elementwise_grad(hips.elementwise_grad(d))(X))
    close(fa.deriv(elementwise)(0.3), hips.deriv(d)(0.3))
    close(fa.jacobian(network)(X), hips.jacobian(b)(X))
    close(fa.hessian(rosenbrock)(X), hips.hessian(a)(X))
    close(fa.jacobian(fa.jacobian(network))(X), hips.hessian(b)(X))
    close(fa.hessian_vector_product(two, 1)(X, V, X), hips.hessian_vector_product(c, 1)(X, V, X))
    close(fa.hessian_tensor_product(rosenbrock)(X, V), hips.hessian_tensor_product(a)(X, V))
    close(fa.tensor_jacobian_product(network)(X, W[:, 0]), hips.tensor_jacobian_product(b)(X, W[:, 0]))
    close(fa.vector_jacobian_product(network)(X, W[:, 0]), hips.vector_jacobian_product(b)(X, W[:, 0]))
    close(fa.grad_named(two, "y")(X, V), hips.grad_named(c, "y")(X, V))
    close(fa.grad_and_aux(lambda x: (rosenbrock(x), x * 2))(X), hips.grad_and_aux(lambda x: (a(x), x * 2))(X))
    for f, g, v in ((rosenbrock, a, 1.5), (network, b, W[:, 1])):
        pullback, value = fa.make_vjp(f)(X)
        their_pullback, their_value = hips.make_vjp(g)(X)
        close((pullback(v), value), (their_pullback(v), their_value))
        close(fa.make_jvp(f)(X)(V), hips.make_jvp(g)(X)(V))
    product, gradient = fa.make_hvp(two, 1)(X, V)
    their_product, their_gradient = hips.make_hvp(c, 1)(X, V)
    close((product(X), gradient), (their_product(X), their_gradient))
    close(fa.make_ggnvp(network)(X)(V), hips.make_ggnvp(b)(X)(V))
    close(fa.make_ggnvp(network, lambda y: fnp.sum(y**4))(X)(V), hips.make_ggnvp(b, lambda y: anp.sum(y**4))(X)(V))
    close(fa.make_ggnvp(lambda s, x: network(x) * s, f_argnum=1)(2.0, X)(V), hips.make_ggnvp(lambda s, x: b(x) * s, f_argnum=1)(2.0, X)(V))


def test_autograd_containers(hips):
    from autograd.misc.flatten import flatten

    p = {"w": W, "b": [V, (2.0, X)]}
    g, h = (m.grad(lambda p: (p["w"] * p["b"][0] * p["b"][1][1]).sum() * p["b"][1][0])(p) for m in (fa, hips))
    close(g, h)
    close(fa.flatten(p)[0], flatten(p)[0])
    close(fa.flatten(p)[1](fa.flatten(g)[0]), flatten(p)[1](flatten(h)[0]))


def test_autograd_complex_convention(hips):
    """No conjugation, in both modes."""
    import autograd.numpy as anp
    z, v = X + 1j * V, V - 2j * X

    def f(np):
        return lambda z: np.sum(np.exp(z) * z) / z[0]

    def g(np):
        return lambda z: np.exp(z) * z * z

    close(fa.holomorphic_grad(f(fnp))(z), hips.holomorphic_grad(f(anp))(z))
    ours, theirs = fa.make_vjp(g(fnp))(z)[0](v), hips.make_vjp(g(anp))(z)[0](v)
    close(ours, theirs)
    close(fa.make_jvp(g(fnp))(z)(v), hips.make_jvp(g(anp))(z)(v))
    close(fa.make_vjp(lambda x: g(fnp)(x * (1 + 2j)))(X)[0](v), hips.make_vjp(lambda x: g(anp)(x * (1 + 2j)))(X)[0](v))


# ---- JAX ------------------------------------------------------------------------------------------------
def everything(m, np):
    """The calls that both libraries take, as they are written for JAX."""
    rosenbrock, network, two, _ = programs(np)
    z = X + 1j * V

    def with_aux(x):
        return rosenbrock(x), {"n": x}

    def of_containers(p):
        return {"y": network(p["x"]), "z": (p["x"] * p["s"],)}

    yield m.grad(two, (0, 1))(X, V)
    yield m.value_and_grad(with_aux, has_aux=True)(X)
    yield m.grad(with_aux, has_aux=True)(X)
    yield m.jvp(two, (X, V), (V, X))
    yield m.jvp(two, [X, V], [V, X])
    yield m.jvp(with_aux, (X,), (V,), has_aux=True)
    value, pullback = m.vjp(network, X)
    yield value, pullback(np.asarray(W[:, 0]))
    value, pullback, aux = m.vjp(with_aux, X, has_aux=True)
    yield value, pullback(np.asarray(1.5)), aux
    value, derivative = m.linearize(two, X, V)
    yield value, derivative(V, X)
    for transform in (m.jacfwd, m.jacrev, m.hessian):
        yield transform(two, (0, 1))(X, V)
    yield m.jacfwd(of_containers)({"x": X, "s": 2.0})
    yield m.jacrev(of_containers)({"x": X, "s": 2.0})
    yield m.hessian(lambda p: rosenbrock(p["x"]) * p["s"])({"x": X, "s": 2.0})
    yield m.jacrev(lambda z: np.exp(z) * z, holomorphic=True)(z)
    yield m.jacfwd(lambda z: np.exp(z) * z, holomorphic=True)(z)


def test_jax():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        theirs = jax.jit(lambda: list(everything(jax, jax.numpy)))()             # one compilation
        for a, b in zip(everything(fa, fnp), theirs, strict=True):
            close(a, b)


# ---- PyTorch --------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pytorch():
    torch = pytest.importorskip("torch")

    def two(exp):
        return lambda x, y: (exp(-x * x) * y).sum() + (x * y * y).sum()

    x, v = torch.tensor(X), torch.tensor(V)
    ours, theirs = two(fa.exp), two(torch.exp)
    for name in ("jacfwd", "jacrev", "hessian"):
        close(getattr(fa, name)(ours, (0, 1))(X, V), getattr(torch.func, name)(theirs, (0, 1))(x, v))
    for name in ("hvp", "vhp"):
        close(getattr(fa, name)(ours, (X, V), (V, X)), getattr(torch.autograd.functional, name)(theirs, (x, v), (v, x)))
    close(fa.jvp(ours, (X, V), (V, X)), torch.func.jvp(theirs, (x, v), (v, x)))
    w = torch.tensor(W)
    close(fa.jacrev(lambda x: fa.tanh(W @ x), chunk_size=3)(X), torch.func.jacrev(lambda x: torch.tanh(w @ x), chunk_size=3)(x))
