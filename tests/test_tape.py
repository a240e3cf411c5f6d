"""The tape and its walks: sums over uses, hooks, freeing, versions, depth, nesting, threads."""
import gc
import threading

import numpy as np
import pytest

import fastad as fa


def leaf(value, dtype=np.float64):
    return fa.tensor(np.asarray(value, dtype), requires_grad=True)


# ---- the worked numbers of the texts ------------------------------------------------------------------
def test_wengert_list_of_the_text():
    x1, x2 = leaf(2.0), leaf(5.0)
    y = fa.log(x1) + x1 * x2 - fa.sin(x2)
    y.backward()
    assert y.item() == pytest.approx(11.652071455223084, abs=1e-12)
    assert x1.grad.item() == pytest.approx(5.5, abs=1e-12)
    assert x2.grad.item() == pytest.approx(2 - np.cos(5.0), abs=1e-12)


def test_seed_numbers():
    value, gradients = fa.value_and_grad(lambda x, y, z: (x + y) * z, (0, 1, 2))(-2.0, 5.0, -4.0)
    assert value == -12 and gradients == (-4.0, -4.0, 3.0)
    assert fa.grad(lambda x, y: x * y, (0, 1))(4.0, -3.0) == (-3.0, 4.0)
    assert fa.grad(fa.maximum, (0, 1))(4.0, 2.0) == (1.0, 0.0)

    def f(x):
        a = fa.exp(x)
        b = a**2
        c = a + b
        return fa.exp(c) + fa.sin(c)

    value, slope = fa.value_and_grad(f)(0.1)
    assert value == pytest.approx(10.9705248533, abs=1e-9)
    assert slope == pytest.approx(33.9077682999, abs=1e-9)


def test_second_derivatives_keep_the_path_through_a_kept_output():
    assert fa.grad(fa.grad(fa.tanh))(0.5) == pytest.approx(-0.7268619813835874, abs=1e-14)
    assert fa.grad(fa.grad(lambda x: x * fa.tanh(x)))(0.5) == pytest.approx(1.2094644752400612, abs=1e-14)


def test_nested_derivatives_do_not_confuse_their_variables():
    assert fa.grad(lambda x: x * fa.grad(lambda y: x + y)(x))(1.0) == 1.0
    assert fa.grad(lambda x: x * fa.grad(lambda y: x * y)(2.0))(3.0) == 6.0


# ---- sums over uses -----------------------------------------------------------------------------------
def test_a_value_used_several_times_receives_the_sum():
    for f, slope in ((lambda x: x + x, 2.0), (lambda x: x - x, 0.0), (lambda x: x * x, 6.0), (lambda x: x / x, 0.0),
                     (lambda x: x + x + x * x, 8.0)):
        x = leaf([3.0, 3.0])
        f(x).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), slope, atol=1e-15)


def test_gradients_accumulate_over_walks_and_never_share_memory():
    x = leaf([1.0, 2.0])
    seed = np.array([1.0, 1.0])
    (x + 1).backward(seed)
    first = x.grad
    (x + 1).backward(seed)
    assert x.grad is first and x.grad.tolist() == [2.0, 2.0] and seed.tolist() == [1.0, 1.0]
    y, z = leaf([1.0]), leaf([1.0])
    (y + z).backward(np.ones(1))
    y.grad.fill_(7.0)
    assert z.grad.item() == 1.0


def test_data_dependent_control_flow():
    def f(x):
        while x < 100:
            x = x * x
        return x
    assert fa.grad(f)(3.0) == pytest.approx(8 * 3.0**7)


# ---- freeing and versions -----------------------------------------------------------------------------
@pytest.mark.parametrize("f", [lambda x: x * x, lambda x: x + 1.0, lambda x: fa.exp(x)], ids=["multiply", "add", "exp"])
def test_second_backward_raises_and_names_the_operation(f):
    x = leaf(2.0)
    y = f(x)
    y.backward()
    before = x.grad.item()
    with pytest.raises(RuntimeError, match=r"(multiply|add|exp).*second time.*retain_graph"):
        y.backward()
    assert x.grad.item() == before
    y = f(x)
    y.backward(retain_graph=True)
    y.backward()


def test_value_changed_in_place_after_it_was_saved():
    w, x = leaf([1.0, 2.0]), fa.tensor([3.0, 4.0])
    y = w * x
    x += 1
    with pytest.raises(RuntimeError, match=r"multiply.*\(2,\).*changed in place"):
        y.backward(np.ones(2))
    assert w.grad is None
    view = x[:1]
    z = w * x
    view += 1                              # the version counts in the memory that both see
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward(np.ones(2))


def test_nothing_is_accumulated_when_a_saved_value_is_stale():
    a, b, x = leaf([1.0]), leaf([1.0]), fa.tensor([3.0])
    y = (a * 2).sum() + (b * x).sum()
    x.fill_(0.0)
    with pytest.raises(RuntimeError):
        y.backward()
    assert a.grad is None and b.grad is None


def test_in_place_operators():
    x = fa.tensor([1.0, 2.0])
    alias = x
    x += 1
    assert alias is x and x.tolist() == [2.0, 3.0] and x.version == 1
    w = leaf([1.0, 2.0])
    total = w * 1
    total += w                             # in a graph the name is bound to the sum
    total.sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]
    with fa.no_grad():
        w -= 0.5
    assert w.tolist() == [0.5, 1.5] and w.is_leaf
    with pytest.raises(RuntimeError, match="no_grad"):
        w[0] = 1.0
    with pytest.raises(RuntimeError, match="no_grad"):
        w.copy_([1.0, 1.0])
    with pytest.raises(TypeError, match="cannot cast"):
        i = fa.tensor([1, 2])
        i += 0.5


# ---- backward's arguments -----------------------------------------------------------------------------
def test_backward_refuses_what_does_not_fit():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"\(2,\).*gradient"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"\(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="no graph"):
        fa.tensor(1.0).backward()
    with pytest.raises(TypeError, match="float"):
        fa.tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match="detach"):
        x.numpy()
    with pytest.raises(TypeError, match="detach"):
        np.asarray(x)
    with pytest.raises((BufferError, TypeError), match="detach"):
        memoryview(x)
    with pytest.raises(ValueError, match="shape"):
        x.grad = fa.tensor([1.0])
    assert x.grad is None


def test_autograd_grad():
    x, y, z = leaf(2.0), leaf(3.0), leaf(1.0)
    h = x * y
    out = fa.exp(h) + y
    dh, dy = fa.autograd.grad(out, [h, y], retain_graph=True)
    assert dh.item() == pytest.approx(np.exp(6.0)) and dy.item() == pytest.approx(2 * np.exp(6.0) + 1)
    assert x.grad is None
    with pytest.raises(RuntimeError, match="allow_unused"):
        fa.autograd.grad(out, [z], retain_graph=True)
    assert fa.autograd.grad(out, [z, x], allow_unused=True)[0] is None


def test_set_grad_enabled_is_a_statement_too():
    """As PyTorch's: it holds from the call on, and a block of it goes back to what was before the call."""
    seen = []
    try:
        switch = fa.set_grad_enabled(False)
        assert not fa.is_grad_enabled()
        thread = threading.Thread(target=lambda: seen.append(fa.is_grad_enabled()))
        thread.start()
        thread.join()
        with switch:
            assert not fa.is_grad_enabled()
            with switch:
                pass
            assert not fa.is_grad_enabled()
        assert fa.is_grad_enabled() and seen == [True]
        with fa.no_grad(), fa.set_grad_enabled(True):
            assert fa.is_grad_enabled()
        assert fa.is_grad_enabled()

        @fa.set_grad_enabled(False)
        def f():
            return fa.is_grad_enabled()
        assert fa.is_grad_enabled() and not f() and fa.is_grad_enabled()
        with pytest.raises(TypeError, match="set_grad_enabled: mode must be True or False"):
            fa.set_grad_enabled(f)
        with switch:                       # once more: back to what is now
            assert not fa.is_grad_enabled()
        assert fa.is_grad_enabled()
    finally:
        fa.set_grad_enabled(True)


def test_switches_decorate_with_parentheses_and_without():
    @fa.no_grad
    def off(x):
        return fa.is_grad_enabled(), on(x)

    @fa.enable_grad
    def on(x):
        return (x * 2).requires_grad
    assert off(leaf(1.0)) == (False, True) and fa.is_grad_enabled() and off.__name__ == "off"
    with pytest.raises(TypeError, match="no_grad: decorates functions"):
        fa.no_grad(3)
    with pytest.raises(TypeError, match=r"no_grad: decorates functions.*methods"):
        fa.no_grad()(type("Model", (), {}))
    with pytest.raises(TypeError, match="enable_grad: later is a coroutine"):
        @fa.enable_grad()
        async def later():
            pass


def test_a_decorated_generator_is_inside_at_each_step_and_its_caller_never():
    @fa.no_grad()
    def steps():
        seen = []
        try:
            while True:
                try:
                    seen.append((yield fa.is_grad_enabled()))
                except KeyError as error:
                    seen.append((error.args[0], fa.is_grad_enabled()))
                if len(seen) == 3:
                    return seen
        finally:
            closed.append(fa.is_grad_enabled())
    closed = []
    run = steps()
    assert next(run) is False and fa.is_grad_enabled()
    assert run.send("a") is False and run.throw(KeyError("b")) is False and fa.is_grad_enabled()
    with pytest.raises(StopIteration) as end:
        next(run)
    assert end.value.value == ["a", ("b", False), None] and closed == [False] and fa.is_grad_enabled()
    run = steps()
    next(run)
    run.close()
    assert closed == [False, False] and fa.is_grad_enabled()
    run = steps()
    next(run)
    with pytest.raises(ZeroDivisionError):
        run.throw(ZeroDivisionError)
    assert fa.is_grad_enabled()


def test_inference_mode():
    w = leaf(2.0)

    @fa.inference_mode
    def plain(x):
        return x * w

    @fa.inference_mode()
    def called(x):
        return x * w

    assert not plain(w).requires_grad and not called(w).requires_grad and (w * 2).requires_grad
    with fa.inference_mode():
        y = w * 2
        assert not y.requires_grad
        with fa.inference_mode(False):
            assert (w * 2).requires_grad
    assert fa.is_grad_enabled()
    (y * w).backward()                                                         # what was made inside may be used
    assert w.grad.item() == 4
    with pytest.raises(TypeError, match="inference_mode: decorates functions"):
        fa.inference_mode(3)


def test_no_grad_is_per_thread_and_restored():
    x = leaf(1.0)
    seen = []
    with fa.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
        assert not (x * 2).requires_grad
        with fa.enable_grad():
            assert (x * 2).requires_grad
        assert not fa.is_grad_enabled()
    assert seen == [True] and fa.is_grad_enabled()

    @fa.no_grad()
    def f(x):
        return x * 2
    assert not f(x).requires_grad


# ---- hooks --------------------------------------------------------------------------------------------
def test_hooks_read_and_replace():
    x = leaf([1.0, 2.0])
    h = x * 3
    seen = []
    handle = h.register_hook(lambda g: seen.append(g.tolist()))
    h.register_hook(lambda g: g * 10)
    h.sum().backward()
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    h = x * 3
    h.register_hook(lambda g: fa.tensor([1.0]))
    with pytest.raises(ValueError, match="hook"):
        h.sum().backward()
    h = x * 2
    h.retain_grad()
    (h * h).sum().backward()
    assert h.grad.tolist() == [4.0, 8.0]


def test_removing_a_hook_twice_leaves_the_same_hook_of_another_handle():
    x = leaf(1.0)
    seen = []
    first, second = x.register_hook(seen.append), x.register_hook(seen.append)
    first.remove()
    first.remove()
    (x * 3).backward()
    assert [g.item() for g in seen] == [3.0]
    second.remove()
    (x * 3).backward()
    assert len(seen) == 1
    with pytest.raises(TypeError, match="register_hook: expected a function"):
        x.register_hook(10)


def test_retain_grad_keeps_what_all_hooks_leave():
    x = leaf([1.0, 2.0])
    h = x * 3
    h.register_hook(lambda g: g + 1)
    h.retain_grad()
    h.register_hook(lambda g: g * 10)
    h.sum().backward()
    assert h.grad.tolist() == [20.0, 20.0] and x.grad.tolist() == [60.0, 60.0]


def test_a_hook_may_walk_the_same_nodes():
    x = leaf(2.0)
    h = x * x
    y = fa.exp(h)
    inner = []

    def hook(g):
        if not inner:                      # the walk inside passes h as well
            inner.append(0.0)
            inner[0] = fa.autograd.grad(h, x, retain_graph=True)[0].item()

    h.register_hook(hook)
    y.backward(retain_graph=True)
    assert inner == [4.0]
    assert x.grad.item() == pytest.approx(4 * np.exp(4.0))


# ---- size and depth -----------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [lambda h, x: h + x, lambda h, x: h * x], ids=["add", "multiply"])
def test_a_long_chain_with_a_small_stack(step):
    def run():
        x = leaf(1.0)
        h = x
        for _ in range(200_000):
            h = step(h, x)
        h.backward()
        result.append(x.grad.item())
        del h

    result = []
    old = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert result == [200_001.0]


def test_a_random_graph_of_shared_nodes():
    rng = np.random.default_rng(0)
    x = leaf(0.5)
    values = [x]
    tangents = [1.0]
    plain = [0.5]
    for i, (j, k) in enumerate(rng.integers(0, 2**31, (20_000, 2))):
        j, k = int(j) % len(values), int(k) % len(values)
        a, b = values[j], values[k]
        if i % 2:
            values.append(a * b)
            plain.append(plain[j] * plain[k])
            tangents.append(tangents[j] * plain[k] + tangents[k] * plain[j])
        else:
            values.append(fa.tanh(a + b))
            plain.append(np.tanh(plain[j] + plain[k]))
            tangents.append((tangents[j] + tangents[k]) * (1 - plain[-1] ** 2))
    total = values[-1]
    for v in values[-200:-1]:
        total = total + v
    total.backward()
    assert x.grad.item() == pytest.approx(sum(tangents[-200:]), rel=1e-9)


def test_cycles_are_collected():
    class Marker:
        alive = 0

        def __init__(self):
            Marker.alive += 1

        def __del__(self):
            Marker.alive -= 1

    gc.collect()
    for _ in range(50):
        x = leaf([1.0, 2.0])
        y = (x * x * x).sum()
        y.backward(create_graph=True)      # x.grad reaches x's graph
        marker = Marker()
        h = y * 2
        h.register_hook(lambda g, h=h, marker=marker: None)
        del x, y, h, marker
    gc.collect()
    assert Marker.alive == 0


def test_a_leaf_that_died_is_no_trouble():
    x = leaf(1.0)
    y = x * leaf(2.0) * leaf(3.0)
    gc.collect()
    y.backward()
    assert x.grad.item() == 6.0


def test_threads_walk_their_own_and_shared_graphs():
    shared = leaf(np.ones(4))
    errors = []

    def work(seed):
        try:
            rng = np.random.default_rng(seed)
            for _ in range(200):
                a = rng.normal(size=4)
                x = leaf(a)
                (fa.tanh(x) * shared).sum().backward()
                np.testing.assert_array_equal(x.grad.numpy(), fa.grad(lambda x: fa.tanh(x).sum())(a))
        except Exception as error:         # reported below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    expected = sum(np.tanh(np.random.default_rng(i).normal(size=(200, 4))).sum(0) for i in range(4))
    np.testing.assert_allclose(shared.grad.numpy(), expected, rtol=1e-12)
