"""checkpoint: the same derivatives, with less kept, and an error where the second call differs from the first."""
import gc
import weakref

import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad._core import make as core
from fastad._core import storage
from fastad.extend import defvjp, primitive


def block(x, w):
    return fa.tanh(x @ w) * x.sum(axis=-1, keepdims=True)


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    return (fa.tensor(rng.normal(size=(3, 4)), requires_grad=True), fa.tensor(rng.normal(size=(4, 4)), requires_grad=True))


def derivatives(f):
    """First and second derivatives in every mode."""
    x, w = inputs()
    y = f(x, w)
    v = fa.tensor(np.linspace(-1, 1, 12).reshape(3, 4))
    gx, gw = core.pull([y], [x, w], [v], 0, True, True)
    second = core.pull([gx, gw], [x, w], [v, gw.detach()], 0, False, True)
    tangent, = core.push([x], [y], [v], 0, True)
    over, = core.push([x], [tangent], [v], 0, False)
    back = core.pull([tangent], [x, w], [v], 0, False, True)
    x.grad = None
    y.sum().backward()
    return [np.asarray(t.detach()) for t in (y, gx, gw, *second, tangent, over, *back, x.grad, w.grad)]


@pytest.mark.parametrize("f", [
    fa.checkpoint(block),
    lambda x, w: fa.checkpoint(lambda x: block(x, w))(x),                        # a closure
    lambda x, w: fa.checkpoint(lambda pair: {"y": [block(*pair)]})((x, w))["y"][0],
    lambda x, w: fa.checkpoint(lambda x: fa.checkpoint(block)(x, w) * 1)(x),     # one inside the other
], ids=["arguments", "closure", "containers", "nested"])
def test_every_derivative_is_that_of_the_function_itself(f):
    for a, b in zip(derivatives(f), derivatives(block), strict=True):
        np.testing.assert_array_equal(a, b)


def test_inside_the_transforms():
    f = lambda x: (block(x, x.detach() @ x.T @ x)).sum()      # noqa: E731
    x = np.random.default_rng(1).normal(size=(4, 4))
    np.testing.assert_array_equal(fa.grad(fa.checkpoint(f))(x), fa.grad(f)(x))
    slope = fa.grad(fa.grad(fa.checkpoint(lambda x: fa.tanh(x) ** 3)))
    assert slope(0.3) == fa.grad(fa.grad(lambda x: fa.tanh(x) ** 3))(0.3)


def test_what_was_saved_is_let_go_and_comes_back_once_a_walk():
    calls = []

    @fa.checkpoint
    def f(x):
        calls.append(1)
        h = x.exp()
        return (h * h).exp()

    x = fa.tensor(np.zeros(1000), requires_grad=True)
    before = storage.allocations_in_use()
    y = f(x)
    alive = y.sum()
    kept = storage.allocations_in_use() - before
    assert len(calls) == 1
    alive.backward(retain_graph=True)
    assert len(calls) == 2 and np.allclose(x.grad.numpy(), 2 * np.exp(1))
    alive.backward()
    assert len(calls) == 3                                    # nothing stays between walks
    assert np.allclose(x.grad.numpy(), 4 * np.exp(1))
    plain = [x.exp() for _ in range(3)]
    assert kept < len(plain) + 6


def test_a_second_backward_is_refused():
    y = fa.checkpoint(block)(*inputs()).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_nothing_is_a_cycle():
    class Token:
        pass

    token = Token()
    seen = weakref.ref(token)
    gc.disable()
    try:
        x, w = inputs()
        y = fa.checkpoint(lambda x, w, token: block(x, w))(x, w, token)
        del token
        y.sum().backward()
        del y
        assert seen() is None
    finally:
        gc.enable()


def test_one_node_stands_for_a_call():
    x = fa.tensor(np.linspace(-1, 1, 5), requires_grad=True)

    @fa.checkpoint
    def f(x):
        for _ in range(50):
            x = x.tanh() * 1.1
        return x, [x.sum()], x.detach()

    y, (total,), same = f(x)
    assert y.grad_fn is total.grad_fn and y.grad_fn.prim.name == "checkpoint" and not same.requires_grad


def derivatives_of_two(f):
    """By x and by h, of which one is made of the other."""
    x = fa.tensor([0.3, 0.8], requires_grad=True)
    h = x.exp()
    seen = []
    for t in (x, h):
        t.register_hook(lambda g: seen.append(g.detach().numpy().copy()))
    y = f(x, h)
    z = (y * h * x).sum()
    first = core.pull([z], [x, h], [fa.tensor(1.0)], 0, True, True)
    second = core.pull(first, [x, h], [fa.tensor([1.0, 2.0])] * 2, 0, False, True)
    lead = core.pull([y], [x, h], [fa.tensor(np.eye(2))], 1, False, True)
    tangent, = core.push([x], [z], [fa.tensor([0.5, -2.0])], 0, False)
    at_h, = core.push([h], [y], [fa.tensor([[0.5, -2.0], [1.0, 1.0]])], 1, False)
    seen.clear()
    z.backward()
    assert len(seen) == 2                                     # hooks of what f reads run once, with all of the gradient
    return [np.asarray(t.detach()) for t in (*first, *second, *lead, tangent, at_h, x.grad, *map(fa.tensor, seen))]


def test_what_it_reads_may_be_made_of_one_another():
    g = lambda x, h: fa.sin(x * h) * h + x                                                  # noqa: E731
    for f in (fa.checkpoint(g), lambda x, h: fa.checkpoint(lambda: g(x, h))(), lambda x, h: fa.checkpoint(lambda h: g(x, h))(h)):
        for a, b in zip(derivatives_of_two(f), derivatives_of_two(g), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


def test_results_that_are_arguments_or_twice_the_same():
    def f(x, w):
        y = x * w
        return y, x, {"again": y, "part": y[:1]}, w

    def total(f):
        x, w = inputs()
        y, same, parts, other = f(x, w[:3])
        assert same is x
        (y.sum() + (same * parts["again"]).sum() + parts["part"].exp().sum() + other.sum()).backward()
        return x.grad.numpy(), w.grad.numpy()

    for a, b in zip(total(fa.checkpoint(f)), total(f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_beside_other_threads_that_share_parameters():
    from concurrent.futures import ThreadPoolExecutor
    w = fa.tensor(np.eye(4) * 0.5, requires_grad=True)
    rng = np.random.default_rng(2)
    batches = [fa.tensor(rng.normal(size=(3, 4))) for _ in range(40)]
    run = lambda x: fa.checkpoint(block)(fa.checkpoint(block)(x, w), w).sum().backward()    # noqa: E731
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, batches))
    found, w.grad = w.grad.numpy().copy(), None
    for x in batches:
        run(x)
    np.testing.assert_allclose(found, w.grad.numpy(), rtol=1e-12)


def test_an_observed_call_is_kept_as_it_is():
    x, w = inputs()
    with fa.detect_anomaly():
        y = fa.checkpoint(block)(x, w)
        y.sum().backward()
    assert y.grad_fn.prim.name == "multiply"
    found, x.grad = x.grad.numpy(), None
    block(x, w).sum().backward()
    np.testing.assert_array_equal(found, x.grad.numpy())


def test_random_numbers_repeat():
    layer = nn.Dropout(0.5) if hasattr(nn, "Dropout") else None

    def f(x):
        noise = fa.tensor(fa.default_generator().normal(size=x.shape))
        return x * noise if layer is None else layer(x * noise)

    x = fa.tensor(np.ones(50), requires_grad=True)
    fa.manual_seed(3)
    f(x).sum().backward()
    expected, x.grad = x.grad.numpy().copy(), None
    after = fa.default_generator().random()
    fa.manual_seed(3)
    y = fa.checkpoint(f)(x)
    again = fa.default_generator().random()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    assert after == again
    assert fa.default_generator().random() != again


def test_another_second_call_is_an_error():
    state = {"n": 1}

    @fa.checkpoint
    def f(x):
        for _ in range(state["n"]):
            x = x.exp()
        return x * x if state["n"] < 3 else x + x

    x = fa.tensor([0.1, 0.2], requires_grad=True)
    y = f(x)
    state["n"] = 2
    with pytest.raises(RuntimeError, match=r"checkpoint: the function did something else.*2 operations at first and 3 now"):
        y.sum().backward()
    z = fa.checkpoint(lambda x: x.exp() if state["n"] == 2 else x.tanh())(x)
    state["n"] = 4
    with pytest.raises(RuntimeError, match="exp at first, where it is tanh now"):
        z.sum().backward()
    w = fa.checkpoint(lambda x: x[: state["n"] - 3].exp())(x)
    state["n"] = 5
    with pytest.raises(RuntimeError, match="checkpoint: the function did something else"):
        w.sum().backward()


SIZE = 1000


@pytest.mark.parametrize(("before", "after"), [
    (np.ones(SIZE), np.where(np.arange(SIZE) == 777, 2.0, 1.0)),                                  # one number of many
    (np.where(np.arange(SIZE) == 5, 3.0, 1.0), np.where(np.arange(SIZE) == 6, 3.0, 1.0)),        # the same sum
    (np.ones(SIZE), np.where(np.arange(SIZE) == SIZE - 1, 1.001, 1.0)),
], ids=["one", "swapped", "the last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_a_global_array_that_has_changed(before, after, dtype):
    factors = before.astype(dtype)
    x = fa.tensor(np.ones(SIZE, dtype), requires_grad=True)
    y = fa.checkpoint(lambda x: x * factors)(x)
    factors[...] = after
    for _ in range(2):                                         # the second walk does not trust the first one's failure
        with pytest.raises(RuntimeError, match="it gave other values"):
            y.backward(fa.ones(SIZE, dtype=dtype))
    factors[...] = before
    y.backward(fa.ones(SIZE, dtype=dtype))
    np.testing.assert_array_equal(x.grad.numpy(), before.astype(dtype))


@pytest.mark.parametrize("f", [
    lambda x, k: (x * 1.0)[:k].max(), lambda x, k: (x * 1.0)[:k].reshape(-1, 10).max(axis=0),
    lambda x, k: fa.prod(x[:k]) * 0.0, lambda x, k: fa.linalg.norm(x[:k])], ids=["max", "max of rows", "prod", "norm"])
def test_the_same_values_of_other_shapes(f):
    """The values and the operations agree, what the operations read does not: it must not be read as if it did."""
    state = {"k": 100}
    x = fa.tensor(np.where(np.arange(100) < 10, 1.0, 0.0), requires_grad=True)
    y = fa.checkpoint(lambda x: f(x, state["k"]))(x).sum()
    state["k"] = 50
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"(read|gave) a value of shape .*, and one of shape .* now"):
            y.backward(retain_graph=True)


def test_a_difference_is_found_by_every_walk():
    state = {"f": fa.exp}
    x = fa.tensor([0.1, 0.2], requires_grad=True)
    y = fa.checkpoint(lambda x: state["f"](x) * x)(x).sum()
    state["f"] = fa.tanh
    for _ in range(3):
        with pytest.raises(RuntimeError, match="exp at first, where it is tanh now"):
            y.backward(retain_graph=True)
    assert x.grad is None


def test_values_that_are_no_numbers_agree():
    big = fa.tensor(np.where(np.arange(SIZE) % 3, np.inf, np.nan), requires_grad=True)
    fa.checkpoint(lambda x: x * 2.0)(big).sum().backward()
    np.testing.assert_array_equal(big.grad.numpy(), np.full(SIZE, 2.0))


def test_a_checkpoint_walked_by_a_users_rule():
    """Within a rule nothing may be taken out of its tensors; what the checkpoint takes out of its own is its own business."""
    @fa.checkpoint
    def f(x):
        return x * x * float(x.detach() > 0)

    def maker(ans, x):
        def vjp(g):
            return g * fa.autograd.grad(made, point, retain_graph=True)[0]
        return vjp

    point = fa.tensor(2.0, requires_grad=True)
    made = f(point)
    rule = primitive(lambda x: 4.0 * x)                        # its slope is that of x^2 at 2
    defvjp(rule, maker)
    assert fa.grad(lambda x: fa.grad(rule)(x) * x)(5.0) == 4


def test_a_value_changed_since_is_an_error():
    x = fa.tensor([0.1, 0.2], requires_grad=True)
    c = fa.tensor([3.0, 4.0])
    y = fa.checkpoint(lambda x: x * c)(x)
    c += 1
    with pytest.raises(RuntimeError, match=r"checkpoint: a value that multiply reads, of shape \(2,\), was changed in place"):
        y.sum().backward()


def test_without_recording_it_is_the_function():
    x = fa.tensor([0.1, 0.2])
    assert not fa.checkpoint(fa.exp)(x).requires_grad
    assert fa.checkpoint(lambda: 3)() == 3
    with fa.no_grad():
        assert not fa.checkpoint(fa.exp)(fa.tensor([1.0], requires_grad=True)).requires_grad
    with pytest.raises(TypeError, match="checkpoint: expected a function, got Tensor"):
        fa.checkpoint(x)


def test_an_error_of_the_second_call_reaches_the_caller():
    state = {"fails": False}

    @fa.checkpoint
    def f(x):
        if state["fails"]:
            raise KeyError("gone")
        return x.exp()

    x = fa.tensor([0.1], requires_grad=True)
    y = f(x)
    state["fails"] = True
    with pytest.raises(KeyError, match="gone"):
        y.sum().backward()
    state["fails"] = False
    y.sum().backward()
    assert np.allclose(x.grad.numpy(), np.exp(0.1))


def test_layers_keep_their_gradients():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x = fa.tensor(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
    model(x).sum().backward()
    expected = [p.grad.numpy().copy() for p in model.parameters()]
    model.zero_grad()
    fa.checkpoint(model)(x).sum().backward()
    for p, e in zip(model.parameters(), expected, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), e)


@pytest.mark.parametrize("transform", [fa.grad, fa.jacfwd, fa.jacrev, fa.hessian,
                                       lambda f: lambda x: fa.vjp(f, x)[1](1.0)[0]])
def test_transforms_inside_close_over_the_argument_the_second_time_too(transform):
    def f(x):
        return fa.grad(lambda y: x * x * y * y)(2.0) * 1.0

    np.testing.assert_allclose(transform(fa.checkpoint(f))(3.0), transform(f)(3.0))


def test_arrays_written_to_after_the_call():
    a, inside = np.array([0.3, 0.7]), np.array([1.0, 2.0])
    x = fa.tensor([0.5, 0.25], requires_grad=True)
    y = fa.checkpoint(lambda x, a, *, more: (x * a * more["a"]).sin().sum())(x, a, more={"a": inside})
    expected = np.cos(x.detach().numpy() * a * inside) * a * inside
    a[:] = inside[:] = 0
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), expected)


def test_random_numbers_that_do_not_repeat():
    def dropout(generator):
        return fa.checkpoint(lambda x: fa.sin(x * (generator.random(x.shape) > 0.5)))

    x = fa.tensor(np.linspace(0.1, 1.0, 1000).reshape(20, 50), requires_grad=True)
    y = dropout(np.random.default_rng(0))(x)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"checkpoint: the function did something else .* other values; .* fastad.default_generator"):
            y.sum().backward(retain_graph=True)
    y = dropout(fa.default_generator())(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy() != 0, y.detach().numpy() != 0)


def test_hooks_that_the_function_hangs_on_what_it_reads_run_once():
    w = fa.tensor(0.5, requires_grad=True)

    def f(x):
        for t in (x, w):
            t.register_hook(lambda g: g * 2)
        return x.sin() * w

    def derivative(f):
        w.grad, x = None, fa.tensor(0.3, requires_grad=True)
        y = f(x * 1)
        y.backward(retain_graph=True)
        y.backward()
        return x.grad.item()

    assert derivative(fa.checkpoint(f)) == pytest.approx(2 * 2 * 0.5 * np.cos(0.3))
    assert w.grad.item() == pytest.approx(2 * 2 * np.sin(0.3))


def test_results_are_those_of_one_operation():
    x = fa.tensor(0.5, requires_grad=True)
    s, square = fa.checkpoint(lambda x: (lambda s: (s, s * s))(x.sin()))(x)
    by_s, = fa.autograd.grad(3 * s + square, [s], retain_graph=True)
    assert by_s.item() == 3                                  # and not 3 + 2 s
    (3 * s + square).backward()
    assert x.grad.item() == pytest.approx((3 + 2 * np.sin(0.5)) * np.cos(0.5))


def test_parts_add_to_the_adjoint_that_is_there():
    """Term after term, as the plain walk does: bit for bit the same, with no adjoint of its own for every part."""
    rng = np.random.default_rng(3)
    w = rng.normal(size=(8, 8)).astype(np.float32) / 3

    def part(h, w):
        for _ in range(5):
            h = fa.tanh(h @ w)
        return h

    def gradient(wrapped):
        leaf, h = fa.tensor(w, requires_grad=True), fa.tensor(np.ones((4, 8), "f"))
        for _ in range(6):
            h = wrapped(h, leaf)
        h.sum().backward()
        return leaf.grad.numpy()

    np.testing.assert_array_equal(gradient(fa.checkpoint(part)), gradient(part))
