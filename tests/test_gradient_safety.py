"""Gradients and what users do to them: aliases, hooks that keep or change, other dtypes, numbers taken out, in-place writing."""
import copy
import math
import pickle
import weakref
from array import array
from contextlib import nullcontext

import numpy as np
import pytest

import fastad as fa


def leaf(value, dtype=np.float64):
    return fa.tensor(np.asarray(value, dtype), requires_grad=True)


def test_no_tensor_or_node_without_content_gets_into_python():
    class Bare(fa.Tensor):
        def __init__(self):
            pass

    for make in (lambda: fa.Tensor.__new__(fa.Tensor), lambda: Bare(), lambda: type((leaf(1.0) * 2).grad_fn)()):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(TypeError):
        pow(2, 3, fa.tensor(1.0))
    with pytest.raises(TypeError):
        pow(fa.tensor(2.0), 2, 3)
    with pytest.raises(ValueError, match="no derivative"):
        (leaf(1.0) * 2).grad_fn.in_shape(1)


def test_a_hook_that_frees_or_changes_what_its_own_node_saved():
    x, inside = leaf([0.5, 1.0]), []
    y = fa.tanh(x)

    def walk_again(g):
        if not inside:
            inside.append(1)
            y.sum().backward()

    y.register_hook(walk_again)
    with pytest.raises(RuntimeError, match="second time"):
        (y * 2).sum().backward()

    y = fa.exp(x)

    def overwrite(g):
        with fa.no_grad():
            y.fill_(3.0)

    y.register_hook(overwrite)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_a_hook_changes_no_other_gradient_in_place():
    x, z, seed = leaf([1.0, 1.0]), leaf([1.0, 1.0]), fa.tensor([1.0, 1.0])
    a = x * 1.0
    y = a + z

    def zero(g):
        with fa.no_grad():
            g.zero_()

    a.register_hook(zero)
    y.backward(seed)
    assert x.grad.tolist() == [0, 0] and z.grad.tolist() == [1, 1]
    for create_graph in (False, True):
        y = x * 1.0
        y.register_hook(zero)
        y.backward(seed, create_graph=create_graph)
        assert seed.tolist() == [1, 1]


def test_backward_from_the_callback_of_a_dying_leaf():
    x = leaf(np.ones(100))
    y = x * x
    watch = weakref.ref(x, lambda ref: y.sum().backward())
    del x
    assert watch() is None
    assert sum([t.size for t in [fa.tensor(np.ones(3)) for _ in range(1000)]]) == 3000


def test_gradients_share_no_memory():
    x, y, seed = leaf([1.0, 2.0]), leaf([1.0, 2.0]), fa.tensor([1.0, 1.0])
    (x + y).backward(seed, create_graph=True)
    (2 * x).sum().backward()
    assert x.grad.tolist() == [3, 3] and y.grad.tolist() == [1, 1] and seed.tolist() == [1, 1]

    for create_graph in (False, True):
        gx, gy = fa.autograd.grad(x + y, [x, y], seed, create_graph=create_graph)
        gx *= 5.0
        assert gx.tolist() == [5, 5] and gy.tolist() == [1, 1] and seed.tolist() == [1, 1]

    a, b = fa.grad(lambda x, y: (x + y).sum(), (0, 1))(np.ones(3), np.ones(3))
    a += 1                                # writable, dense, and nobody else's
    assert a.tolist() == [2, 2, 2] and b.tolist() == [1, 1, 1]


def test_a_gradient_added_to_itself_through_a_view():
    x = leaf(np.zeros((3, 3)))
    x.sum().backward()
    values = np.arange(9.0).reshape(3, 3)
    x.grad.copy_(values)
    x.T.backward(x.grad)
    assert x.grad.tolist() == (values + values.T).tolist()


def test_copy_between_overlapping_views():
    values = np.arange(9.0).reshape(3, 3)
    x = fa.tensor(values)
    x.copy_(x.T)
    assert x.tolist() == values.T.tolist()
    x = fa.tensor(np.arange(5000.0))
    x.copy_(fa.flip(x))
    assert x.tolist() == list(range(5000))[::-1]
    shared = np.arange(10.0)
    fa.from_numpy(shared).copy_(fa.from_numpy(shared[::-1]))
    assert shared.tolist() == list(range(10))[::-1]


def test_requires_grad_switched_off_and_on_keeps_the_recorded_graphs():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    x.requires_grad_(False)
    y.backward(retain_graph=True)
    assert x.grad is None
    x.requires_grad_(True)
    y.backward()
    assert x.grad.tolist() == [2, 4]


def test_create_graph_records_within_no_grad():
    x = leaf(2.0)
    y, z = x**3, x**4
    with fa.no_grad():
        y.backward(create_graph=True)
        z.backward(create_graph=True)
        assert not fa.is_grad_enabled()
    second, = fa.autograd.grad(x.grad, x)
    assert second.item() == 12 + 48


def test_retain_grad_twice_counts_once():
    x = leaf([1.0, 1.0])
    y = x * 1.0
    y.retain_grad()
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3, 3]


def test_an_operation_on_very_many_inputs():
    x = leaf(2.0)
    y = fa.stack([x * 1.0 for _ in range(70_000)])
    y.sum().backward()
    assert x.grad.item() == 70_000


def test_grad_to_an_intermediate_leaves_what_is_below_it_alone():
    x = leaf(3.0)
    y = x * x
    z = y * y
    with fa.no_grad():
        x += 1                                         # x is read below y only
    assert fa.autograd.grad(z, y, retain_graph=True)[0].item() == 18
    with fa.no_grad():
        x -= 1
    w = leaf(3.0)
    y = w * w
    assert fa.autograd.grad(y * y, y)[0].item() == 18
    y.backward()                                       # was not freed
    assert w.grad.item() == 6


def test_what_a_hook_keeps_is_nobody_elses():
    a, b, kept = leaf(1.0), leaf(1.0), []
    y = a + b
    y.register_hook(kept.append)
    b.register_hook(lambda g: kept[0].fill_(100) and None)
    y.backward()
    assert a.grad.item() == b.grad.item() == 1


def test_another_dtype_keeps_the_hooks_and_ends_old_graphs():
    from fastad import nn
    m = nn.Linear(2, 1)
    old = m(fa.ones((1, 2), dtype="float32")).sum()
    m.weight.register_hook(lambda g: g * 0)
    m.double()
    with pytest.raises(RuntimeError, match="another dtype after the forward"):
        old.backward()
    m(fa.ones((1, 2))).sum().backward()
    np.testing.assert_array_equal(m.weight.grad.numpy(), 0)
    assert m.bias.grad.item() == 1
    m.double()                                         # changes nothing, so graphs go on
    new = m(fa.ones((1, 2))).sum()
    m.double()
    new.backward()


def test_python_numbers_of_what_is_differentiated_are_refused():
    for f in (lambda x: math.sin(x) * x, lambda x: np.float64(x) * x, lambda x: complex(x) * x, lambda x: fa.tensor(x) * x,
              lambda x: fa.leaky_relu(-x, x), lambda x: fa.elu(-x, x)):
        with pytest.raises(TypeError, match=r"detach\(\)"):
            fa.grad(f)(2.0)
    buffer = np.zeros(2)
    with pytest.raises((TypeError, ValueError)):
        fa.grad(lambda x: (buffer.__setitem__(0, x), x)[1])(2.0)
    assert buffer[0] == 0
    assert fa.grad(lambda x: sum([x] * int(x)))(2.0) == 2            # of a step function the derivative is 0
    assert fa.grad(lambda x: x * float(x.detach()))(2.0) == 2
    assert float(leaf(2.0) * 2) == 4                                 # outside of a transform, to look at


# what takes a number or a copy out of a tensor, and what it gives: inside a transform, for a value that the transform
# differentiates by; and in a graph for backward.  An exception says that it is refused, and names the remedy.
TAKEN_OUT = {
    "float": (float, TypeError, 2.0),
    "complex": (complex, TypeError, 2 + 0j),
    "item": (lambda x: x.item(), TypeError, 2.0),
    "tolist": (lambda x: x.tolist(), TypeError, 2.0),
    "math": (math.sqrt, TypeError, math.sqrt(2.0)),
    "array.array": (lambda x: array("d", [x])[0], TypeError, 2.0),
    "numpy": (lambda x: x.numpy(), TypeError, TypeError),
    "asarray": (np.asarray, TypeError, TypeError),
    "a list": (lambda x: np.array([x, 1.0]), TypeError, TypeError),
    "np.full": (lambda x: np.full(2, x), TypeError, TypeError),
    "memoryview": (memoryview, BufferError, BufferError),
    "dlpack": (lambda x: x.__dlpack__(), BufferError, BufferError),
    "tensor": (fa.tensor, TypeError, 2.0),
    "Parameter": (fa.nn.Parameter, TypeError, 2.0),
    "deepcopy": (copy.deepcopy, TypeError, TypeError),
    "pickle": (pickle.dumps, TypeError, TypeError),
    "requires_grad": (lambda x: setattr(x, "requires_grad", False), RuntimeError, RuntimeError),
    "round": (round, TypeError, TypeError),
    "int": (int, 2, 2),
    "bool": (bool, True, True),
    "comparison": (lambda x: bool(x > 1), True, True),
    "format": (lambda x: f"{x:.1f}", "2.0", "2.0"),
    "detach": (lambda x: x.detach().item(), 2.0, 2.0),
    "detach, array": (lambda x: x.detach().numpy(), 2.0, 2.0),
    "no_grad": (lambda x: fa.no_grad()(x.item)(), 2.0, 2.0),
}


@pytest.mark.parametrize("name", TAKEN_OUT)
def test_what_is_taken_out_of_the_tape(name):
    take, inside, in_a_graph = TAKEN_OUT[name]

    def taken(x, expected):
        if not isinstance(expected, type):
            assert take(x) == expected
            return x * x
        with pytest.raises(expected, match=r"detach\(\)|numpy\(\)|x\.item\(\)"):
            take(x)
        return x * x

    for f in (lambda x: taken(x, inside), lambda x: taken(x * 1, inside)):
        assert fa.grad(f)(2.0) == 4 and fa.jvp(f, 2.0, 1.0)[1] == 4
        assert fa.grad(fa.grad(f))(2.0) == 2 and fa.hessian(f)(2.0) == 2
    outside = leaf(2.0) * 1
    taken(outside, in_a_graph)
    assert fa.grad(lambda x: taken(outside, in_a_graph) * x)(3.0) == 4     # it is nothing that the transform differentiates by


def test_a_copied_argument_is_the_argument():
    assert fa.grad(lambda x: copy.copy(x) * x)(2.0) == 4
    assert fa.grad(fa.grad(lambda x: copy.copy(x) ** 2 * x))(2.0) == 12
    w = leaf(2.0)
    twin = copy.copy(w)
    (twin * w).backward()
    assert w.grad.item() == twin.grad.item() == 2


def test_a_backward_walk_inside_a_transform_keeps_the_derivative():
    def by_backward(x, **options):
        w = leaf(1.5)
        (w * w * x).backward(**options)
        return w.grad * x                              # 3 x^2

    def by_cotangent(x):
        w = leaf(1.5)
        (w * w).backward(x)
        return w.grad * x

    def by_grad(x, **options):
        w = leaf(1.5)
        dw, = fa.autograd.grad(w * w * x, w, **options)
        return dw * x

    def by_grad_of_itself(x):
        return fa.autograd.grad(x ** 3, x)[0]          # 3 x^2

    for f in (by_backward, by_cotangent, by_grad, by_grad_of_itself):
        assert fa.grad(f)(2.0) == 12 and fa.deriv(f)(2.0) == 12 and fa.hessian(f)(2.0) == 6
    for f in (by_backward, by_grad):
        assert fa.grad(lambda x, f=f: f(x, create_graph=False))(2.0) == 6          # said so
    x = leaf(2.0)
    (x * x).backward()
    assert not x.grad.requires_grad and not fa.autograd.grad(x * x, x)[0].requires_grad


def test_forward_of_a_function_that_reads_a_differentiated_tensor_past_its_arguments():
    class Scale(fa.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * scale

        @staticmethod
        def backward(ctx, g):
            return g * scale

    def f(x):
        nonlocal scale
        scale = x
        return Scale.apply(x * 1)

    scale = None
    with pytest.raises(TypeError, match="past its arguments"):
        fa.grad(f)(2.0)
    scale = leaf(3.0)                                  # a parameter is a constant here, with and without a transform
    assert fa.grad(Scale.apply)(2.0) == 3
    x = leaf(2.0)
    Scale.apply(x).backward()
    assert x.grad.item() == 3 and scale.grad is None


def test_numbers_that_are_differentiated_fill_arrays():
    assert fa.grad(lambda x: (fa.full((2, 3), x) * x).sum())(2.0) == 24
    assert fa.grad(lambda x: (fa.full_like(np.zeros(2), x) * x).sum())(2.0) == 8
    np.testing.assert_allclose(fa.linspace(leaf(1.0), leaf(3.0), 5).detach().numpy(), np.linspace(1, 3, 5))
    assert fa.grad(lambda x: fa.linspace(x, 3 * x, 5).sum())(1.0) == 10
    ends = fa.linspace(leaf([0.0, 1.0]), 2.0, 3)
    np.testing.assert_allclose(ends.detach().numpy(), np.linspace([0.0, 1.0], 2.0, 3))


def test_a_gradient_whose_elements_share_memory_is_refused():
    x = fa.ones(3, requires_grad=True)
    one = np.zeros(1)
    with pytest.raises(ValueError, match="share memory"):
        x.grad = fa.from_numpy(np.lib.stride_tricks.as_strided(one, (3,), (0,)))
    with pytest.raises(ValueError, match="share memory"):
        fa.ones((3, 2), requires_grad=True).grad = fa.from_numpy(np.lib.stride_tricks.sliding_window_view(np.zeros(4), 2, writeable=True))
    a = np.ones((2, 3))
    x = fa.from_numpy(a).requires_grad_()
    with pytest.raises(ValueError, match="its own gradient"):
        x.grad = fa.from_numpy(a)
    x.grad = fa.zeros((3, 2)).T                        # strided, but every element has its place
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2)


def test_in_place_operators_keep_the_dtype():
    x = fa.ones(3, dtype="float32")
    x += leaf([1.0, 2.0, 3.0])
    assert x.dtype == np.float32 and x.requires_grad
    i = fa.arange(3)
    with pytest.raises(TypeError, match="cannot cast"):
        i += leaf([1.0, 2.0, 3.0])


def test_in_place_operators_keep_the_shape():
    w = leaf([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"shape \(4, 3\) does not fit"):
        w += np.ones((4, 3))
    total = fa.zeros(3)
    with pytest.raises(ValueError, match="does not fit"):
        total += leaf(np.ones((2, 3)))


def test_another_dtype_while_a_leaf_is_switched_off():
    from fastad import nn
    m = nn.Linear(2, 1)
    old = m(fa.ones((1, 2), dtype="float32")).sum()
    m.requires_grad_(False)
    m.double()
    m.requires_grad_(True)
    with pytest.raises(RuntimeError, match="another dtype after the forward"):
        old.backward()
    with pytest.raises(TypeError, match="floats"):
        m.astype(int)
    assert m.weight.dtype == np.float64


def test_an_axis_that_changes_the_dtype_while_it_is_asked():
    from fastad import nn
    m = nn.Module()
    m.w = nn.Parameter(np.arange(2000.0).reshape(2, 1000))

    class Axis:
        def __index__(self):
            m.astype(np.float16)
            return 1
    for f in (fa.sum, fa.mean, fa.max):
        with pytest.raises(RuntimeError, match="another dtype"):
            f(m.w, Axis())
        m.astype(np.float64)
    assert fa.argmax(m.w, Axis()).tolist() == [999, 999]


def test_steps_and_loads_that_would_lose_a_derivative():
    def stepped(x, *, constant=False):
        w = leaf(1.0)
        (w * w * x).backward()
        with fa.no_grad() if constant else nullcontext():
            fa.optim.SGD([w], lr=0.1).step()
        return w * x

    def loaded(x):
        layer = fa.nn.Linear(1, 1, dtype="float64")
        layer.load_state_dict({"weight": x.reshape(1, 1), "bias": x.reshape(1)})
        return layer(fa.ones((1, 1))).sum() * x

    with pytest.raises(RuntimeError, match=r"SGD.step: a gradient depends on what a transform differentiates by"):
        fa.grad(stepped)(2.0)
    assert fa.grad(lambda x: stepped(x, constant=True))(2.0) == pytest.approx(0.6)
    with pytest.raises(TypeError, match=r"load_state_dict: weight .*detach\(\)"):
        fa.grad(loaded)(2.0)
    w = leaf(1.0)                                      # a training of its own beside what is differentiated
    optimizer = fa.optim.SGD([w], lr=0.1)

    def trains(x):
        (w * w * x.detach()).backward()
        optimizer.step()
        return x * x

    assert fa.grad(trains)(2.0) == 4 and w.item() == pytest.approx(0.6)
