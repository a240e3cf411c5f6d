"""Transforms in worker threads of a transform: they keep the derivative of what their functions close over."""
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastad as fa
from fastad.extend import defjvp, defvjp, primitive

PATIENCE = 60                                          # seconds after which a thread counts as stuck


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def there(pool, f, *args):
    return pool.submit(f, *args).result(PATIENCE)


def aux(f, g):
    """f, and g beside it."""
    return lambda y: (f(y), g(y))


# what a worker does with y -> exp(x y) at y = 2, as a number, for every transform; in closed form d/dx is expected
def inner(name, x):
    f = lambda y: fa.exp(x * y)                        # noqa: E731
    vector = lambda y: fa.stack([fa.exp(x * y), y])    # noqa: E731
    point, one = np.array([2.0]), np.array([1.0])
    total = lambda y: fa.exp(x * y).sum()              # noqa: E731
    return {
        "grad": lambda: fa.grad(f)(2.0),
        "value_and_grad": lambda: fa.value_and_grad(f)(2.0)[1],
        "value": lambda: fa.value_and_grad(f)(2.0)[0] * x,
        "grad, by name": lambda: fa.grad(f, "y")(y=2.0),
        "grad of a container": lambda: fa.grad(lambda y: fa.exp(x * y[0]))([2.0])[0],
        "aux": lambda: fa.grad(aux(lambda y: y * y, lambda y: fa.exp(x * y)), has_aux=True)(2.0)[1] * x,
        "elementwise_grad": lambda: fa.elementwise_grad(f)(point)[0],
        "multigrad_dict": lambda: fa.multigrad_dict(f)(2.0)["y"],
        "vjp": lambda: fa.vjp(f, 2.0)[1](1.0)[0],
        "make_vjp": lambda: fa.make_vjp(f)(2.0)[0](1.0),
        "jvp": lambda: fa.jvp(f, 2.0, 1.0)[1],
        "linearize": lambda: fa.linearize(f, 2.0)[1](1.0),
        "make_jvp": lambda: fa.make_jvp(f)(2.0)(1.0)[1],
        "deriv": lambda: fa.deriv(f)(2.0),
        "jacobian": lambda: fa.jacobian(vector)(2.0)[0],
        "jacfwd": lambda: fa.jacfwd(vector)(2.0)[0],
        "jacrev": lambda: fa.jacrev(vector)(2.0)[0],
        "jacrev, in chunks": lambda: fa.jacrev(vector, chunk_size=1)(2.0)[0],
        "hessian": lambda: fa.hessian(f)(2.0) / x,
        "hvp": lambda: fa.hvp(total, point, one)[1][0] / x,
        "vhp": lambda: fa.vhp(total, point, one)[1][0] / x,
        "make_hvp": lambda: fa.make_hvp(total)(point)[0](one)[0] / x,
        "hessian_tensor_product": lambda: fa.hessian_tensor_product(total)(point, one)[0] / x,
        "tensor_jacobian_product": lambda: fa.tensor_jacobian_product(f)(point, one)[0],
        "ggnvp": lambda: fa.ggnvp(f, point, one)[1][0] ** 0.5,
        "nested": lambda: fa.grad(lambda y: fa.grad(lambda z: fa.exp(x * z))(y))(2.0) / x,
        "checkpoint": lambda: fa.grad(fa.checkpoint(f))(2.0),
    }[name]()


INNER = ("grad", "value_and_grad", "value", "grad, by name", "grad of a container", "aux", "elementwise_grad", "multigrad_dict",
         "vjp", "make_vjp", "jvp", "linearize", "make_jvp", "deriv", "jacobian", "jacfwd", "jacrev", "jacrev, in chunks",
         "hessian", "hvp", "vhp", "make_hvp", "hessian_tensor_product", "tensor_jacobian_product", "ggnvp", "nested",
         "checkpoint")
OUTER = {
    "grad": fa.grad, "jvp": lambda f: lambda x: fa.jvp(f, x, 1.0)[1], "vjp": lambda f: lambda x: fa.vjp(f, x)[1](1.0)[0],
    "checkpoint": lambda f: fa.grad(fa.checkpoint(f)), "jacobian": fa.jacobian,
}


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("name", INNER)
def test_closed_over(pool, name, outer):
    """d/dx x exp(2 x) = (1 + 2 x) exp(2 x)"""
    x = 0.3
    assert inner(name, x) == pytest.approx(x * np.exp(2 * x), rel=1e-14)               # the table says the truth
    found = OUTER[outer](lambda x: there(pool, inner, name, x))(x)
    assert found == pytest.approx((1 + 2 * x) * np.exp(2 * x), rel=1e-13)


@pytest.mark.parametrize("name", INNER)
def test_second_derivatives(pool, name):
    """d2/dx2 x exp(2 x) = (4 + 4 x) exp(2 x)"""
    for twice in (fa.hessian, lambda f: fa.grad(fa.grad(f)), lambda f: fa.deriv(fa.grad(f))):
        found = twice(lambda x: there(pool, inner, name, x))(0.3)
        assert found == pytest.approx(5.2 * np.exp(0.6), rel=1e-12)


def test_many_at_once(pool):
    f = lambda x: sum(pool.map(lambda k: fa.grad(lambda y: fa.sin(x * y * k))(2.0), [1.0, 2.0]))    # noqa: E731
    x = 0.3
    assert fa.grad(f)(x) == pytest.approx(sum(k * np.cos(2 * x * k) - 2 * k * k * x * np.sin(2 * x * k) for k in (1, 2)))


def test_a_worker_of_a_worker(pool):
    """x, y, z in three threads: d/dx d/dy d/dz exp(x y z) at x = 0.3, y = z = 1"""
    def deepest(x, y):
        return fa.grad(lambda z: fa.exp(x * y * z))(1.0)

    with ThreadPoolExecutor(1) as second:
        f = lambda x: there(pool, lambda: fa.grad(lambda y: there(second, deepest, x, y))(1.0))     # noqa: E731
        x = 0.3
        assert fa.grad(f)(x) == pytest.approx((1 + 3 * x + x * x) * np.exp(x))                     # of (x + x^2) exp(x)


def test_arguments_from_outside(pool):
    f = lambda x: there(pool, fa.grad(lambda y: fa.sin(x * y)), x)                                 # noqa: E731
    x = 0.3                                                                                        # of x cos(x^2)
    assert fa.grad(f)(x) == pytest.approx(np.cos(x * x) - 2 * x * x * np.sin(x * x))


def test_a_pullback_called_in_a_worker(pool):
    def f(x):
        _, pullback = fa.vjp(lambda y: fa.exp(x * y), 2.0)
        _, tangent = fa.linearize(lambda y: fa.exp(x * y), 2.0)
        return there(pool, pullback, 1.0)[0] + there(pool, tangent, x)

    x = 0.3
    assert fa.grad(f)(x) == pytest.approx((1 + 2 * x + 2 * x + 2 * x * x) * np.exp(2 * x))         # of (x + x^2) exp(2 x)


def test_inside_a_users_rule(pool):
    """The rule is run after the function, by the walk of a Hessian; a worker differentiates with the saved value."""
    cube = primitive(lambda x: x ** 3)
    slope = lambda x: there(pool, fa.grad(lambda y: (x * y) ** 3), 1.0)                            # noqa: E731  3 x^3
    defvjp(cube, lambda ans, x: lambda g: g * slope(x) / x)
    defjvp(cube, lambda g, ans, x: g * slope(x) / x)
    for mode in (fa.hessian, lambda f: fa.grad(fa.grad(f)), lambda f: fa.deriv(fa.deriv(f)), lambda f: fa.grad(fa.deriv(f))):
        assert mode(cube)(2.0) == pytest.approx(12)
        assert mode(lambda x: there(pool, cube, x))(2.0) == pytest.approx(12)


def test_inside_a_hook_of_a_walk_that_records(pool):
    def f(x, run):
        y = x * x
        y.register_hook(lambda g: g * run(lambda: fa.grad(lambda t: fa.exp(g * x * t))(1.0)))      # g^2 x exp(g x), g = 3
        return 3 * y

    x = 0.3                                                                                        # of 18 x^2 exp(3 x)
    for run in (lambda work: work(), lambda work: there(pool, work)):
        assert fa.grad(f)(x, run) == pytest.approx(18 * x * x * np.exp(3 * x))
        assert fa.grad(fa.grad(f))(x, run) == pytest.approx((36 * x + 54 * x * x) * np.exp(3 * x))


def test_what_does_not_depend_on_it_stays_an_array(pool):
    def f(x):
        w = fa.tensor(2.0, requires_grad=True)
        assert type(there(pool, fa.grad(lambda y: y * y), 3.0)) is np.float64
        assert type(there(pool, fa.grad(lambda y: y * y * w), 3.0)) is np.float64      # as without the transform
        assert type(there(pool, fa.jacobian(lambda y: y * y * w), np.ones(2))) is np.ndarray
        value, gradient = there(pool, fa.value_and_grad(lambda y: y * x.detach()), 3.0)
        assert type(value) is type(gradient) is np.float64
        return x * x

    assert fa.grad(f)(3.0) == 6


def test_after_the_transform_it_is_a_constant(pool):
    leaked = []
    fa.grad(lambda x: (leaked.append(x), x * x)[1])(3.0)
    assert type(there(pool, fa.grad(lambda y: y * leaked[0]), 2.0)) is np.float64
    assert type(fa.grad(lambda y: y * leaked[0])(2.0)) is np.float64


def test_transforms_side_by_side_do_not_see_each_other(pool):
    barrier = threading.Barrier(2)

    def work(k):
        def f(x):
            barrier.wait(PATIENCE)
            found = fa.grad(lambda y: y * w)(2.0)      # nested: a tensor
            barrier.wait(PATIENCE)
            return x * x * found
        w = fa.tensor(float(k), requires_grad=True)
        return fa.grad(f)(3.0)

    found = list(pool.map(work, (1, 2)))
    assert found == [6, 12] and all(type(g) is np.float64 for g in found)


@pytest.mark.parametrize("take", [float, complex, fa.Tensor.item, fa.Tensor.tolist, fa.tensor, np.asarray, np.float64],
                         ids=lambda f: f.__name__)
def test_numbers_are_refused_in_a_worker_too(pool, take):
    with pytest.raises(TypeError, match=r"detach\(\)"):
        fa.grad(lambda x: there(pool, take, x * x) * x)(2.0)
    assert fa.grad(lambda x: (there(pool, take, x.detach()), x * x)[1])(2.0) == 4


def test_a_rule_or_fixed_point_that_reads_it_past_its_arguments(pool):
    def f(x):
        scale = primitive(lambda y: 2.0 * y)
        defvjp(scale, lambda ans, y: lambda g: g * x)
        return there(pool, fa.grad(scale), 1.0)

    def g(x):
        def solve():
            return fa.fixed_point(lambda a: lambda y: 0.5 * (y + x * a / y), 2.0, 1.0, lambda x, y: abs(x - y), 1e-9)
        return there(pool, solve) * x

    for refused in (f, g):
        with pytest.raises(RuntimeError, match="reads a tensor that is being differentiated"):
            fa.grad(refused)(3.0)


def test_a_worker_beside_the_walk_that_waits_for_it(pool):
    """The walk calls the checkpointed function again, whose worker differentiates something that hangs on the walked graph:
    what is older than its input is none of its business, and it does not wait for it."""
    def slope(y):
        z = y * 1.0
        return fa.autograd.grad(fa.sin(z), z)[0]

    block = fa.checkpoint(lambda y: there(pool, slope, y))
    assert fa.grad(lambda x: block(x * x))(0.3) == pytest.approx(-0.6 * np.sin(0.09))
    x = fa.tensor(0.3, requires_grad=True)
    fa.checkpoint(lambda y: there(pool, fa.grad(lambda t: fa.sin(t * y)), y))(x * x).backward()    # of y cos(y^2)
    y = 0.09
    assert x.grad.item() == pytest.approx(0.6 * (np.cos(y * y) - 2 * y * y * np.sin(y * y)))


def test_a_checkpoint_beside_a_transform_of_another_thread(pool):
    """The second call, with no transform under way, records what the first one did, while one was."""
    w = fa.tensor(2.0, requires_grad=True)
    made = []

    def f(x):
        def work():
            block = fa.checkpoint(lambda p: fa.sin(p) * fa.grad(lambda y: y * y * w)(3.0))       # an array: w is a constant
            point = fa.tensor(0.3, requires_grad=True)
            made.append((point, block(point)))
        there(pool, work)
        return x * x

    assert fa.grad(f)(2.0) == 4
    (point, value), = made
    value.backward()
    assert point.grad.item() == pytest.approx(12 * np.cos(0.3)) and w.grad is None


def test_an_error_in_a_worker_leaves_nothing_behind(pool):
    def f(x):
        with pytest.raises(ZeroDivisionError):
            there(pool, fa.grad(lambda y: (x * y, 1 / 0)[0]), 2.0)
        raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            fa.grad(f)(2.0)
    w = fa.tensor(2.0, requires_grad=True)
    assert type(there(pool, fa.grad(lambda y: y * w), 2.0)) is np.float64
    assert float(w * 2) == 4
