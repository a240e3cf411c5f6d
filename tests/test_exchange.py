"""Tensors that leave and come back: pickle, copy, deepcopy; modules and optimizers that hold them.  DLPack: test_dlpack.py."""
import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastad as fa
from fastad import nn

DTYPES = ["f2", "f4", "f8", "g", "c8", "c16", "i1", "u2", "i8", "?"]


def pickled(x, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(x, protocol))


def leaf():
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    return x


# ---- pickle
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (3,), (2, 3, 4)])
def test_pickle_keeps_numbers_dtype_and_shape(dtype, shape, protocol):
    a = np.arange(np.prod(shape), dtype=float).reshape(shape).astype(dtype)
    x = pickled(fa.tensor(a), protocol)
    assert x.dtype == a.dtype and x.shape == shape and not x.requires_grad
    np.testing.assert_array_equal(x.numpy(), a)


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x[::-1, ::2], lambda x: x[1:1], lambda x: fa.broadcast_to(x[0], (5, 4))],
                         ids=["transposed", "strided", "empty", "stretched"])
def test_pickle_of_a_view_holds_only_what_it_shows(view):
    big = fa.tensor(np.arange(12.0).reshape(3, 4))
    x = view(big)
    np.testing.assert_array_equal(pickled(x).numpy(), x.numpy())
    corner = fa.zeros((1000, 1000))[:2, :2]
    assert len(pickle.dumps(corner)) < 1000


def test_pickle_of_a_leaf_requires_a_gradient_again_and_has_none():
    x = pickled(leaf())
    assert x.requires_grad and x.is_leaf and x.grad is None
    (x * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 3])


def test_pickle_out_of_band_shares_memory():
    x, buffers = fa.tensor(np.arange(1000.0)), []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    np.testing.assert_array_equal(pickle.loads(data, buffers=buffers).numpy(), x.numpy())


def test_pickle_out_of_band_of_views_and_of_memory_that_may_not_change():
    x, buffers = fa.tensor(np.arange(6.0).reshape(2, 3)).T, []
    data = pickle.dumps([x, fa.broadcast_to(x[:, :1], (3, 4)), x[:0]], 5, buffer_callback=buffers.append)
    for kind in (bytes, bytearray):
        back = pickle.loads(data, buffers=[kind(b.raw()) for b in buffers])
        assert [b.tolist() for b in back] == [x.tolist(), [[0.0] * 4, [1.0] * 4, [2.0] * 4], []]
        if kind is bytes:
            with pytest.raises(ValueError, match="read-only"):
                back[0].zero_()
        else:
            assert back[0].zero_().tolist() == [[0, 0]] * 3 and x[2, 1].item() == 5
    with pytest.raises(ValueError, match="buffer"):
        pickle.loads(data, buffers=[b"abc"] * 3)


def test_a_module_pickles_out_of_band():
    net, buffers = nn.Linear(100, 100), []
    data = pickle.dumps(net, 5, buffer_callback=buffers.append)
    assert len(data) < 1000 and sum(b.raw().nbytes for b in buffers) == 4 * 10_100
    np.testing.assert_array_equal(pickle.loads(data, buffers=buffers).weight.detach().numpy(), net.weight.detach().numpy())


@pytest.mark.parametrize("again", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_what_comes_back_starts_anew(again):
    """Version 0, and no hooks."""
    worn = fa.zeros(3)
    for _ in range(3):
        worn += 1
    assert worn.version == 3 and again(worn).version == 0
    hooked, calls = leaf(), []
    hooked.register_hook(calls.append)
    (again(hooked) * 2).sum().backward()
    assert not calls


def test_read_only_memory():
    """As in NumPy: a copy may be written, what pickle brings back from protocol 5 on may not."""
    a = np.arange(3.0)
    a.flags.writeable = False
    x = fa.from_numpy(a)
    assert copy.deepcopy(x).fill_(7.0).tolist() == pickled(x, 4).fill_(7.0).tolist() == [7] * 3
    for twin in (copy.copy(x), pickled(x)):
        with pytest.raises(ValueError, match="read-only"):
            twin.fill_(7.0)
    assert x.tolist() == pickled(x).tolist() == [0, 1, 2]


def test_views_of_one_memory_come_back_apart():
    """As in NumPy: each has the elements that it shows."""
    x = fa.zeros((2, 3))
    for a, b in (copy.deepcopy([x, x.T]), pickled([x, x.T])):
        a += 1
        assert b.tolist() == [[0, 0]] * 3


def test_a_gradient_with_a_graph():
    """Pickle leaves the gradient behind; deepcopy, which would take it, refuses."""
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    (x ** 3).sum().backward(create_graph=True)
    assert pickled(x).grad is None
    with pytest.raises(TypeError, match="graph"):
        copy.deepcopy(x)
    x.grad = x.grad.detach()
    assert copy.deepcopy(x).grad.tolist() == [3, 12]


@pytest.mark.parametrize("leave", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_what_has_a_graph_stays(leave):
    y = leaf() * 2
    with pytest.raises(TypeError, match=r"multiply.*detach"):
        leave(y)
    assert leave(y.detach()) is not None


def test_nodes_and_primitives_are_not_pickled():
    y = leaf() * 2
    for thing in (y.grad_fn, y.grad_fn.prim if hasattr(y.grad_fn, "prim") else y.grad_fn):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(thing)


def test_a_pickle_opens_in_another_process():
    data = pickle.dumps({"w": leaf(), "net": nn.Linear(2, 3)})
    code = ("import pickle, sys; d = pickle.load(sys.stdin.buffer);"
            "print(d['w'].tolist(), d['w'].requires_grad, d['net'](d['w'].detach().astype('f4')).shape)")
    out = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert out.stdout.decode().strip() == "[1.0, 2.0] True (3,)"


# ---- copy and deepcopy
def test_deepcopy_has_memory_and_gradient_of_its_own():
    x = leaf()
    twin = copy.deepcopy(x)
    assert twin.requires_grad and twin.is_leaf
    np.testing.assert_array_equal(twin.grad.numpy(), x.grad.numpy())
    with fa.no_grad():
        twin[0] = 100.0
        twin.grad[0] = 100.0
    assert x.tolist() == [1, 2] and x.grad.tolist() == [2, 4]


def test_deepcopy_keeps_what_is_shared_shared():
    x = leaf()
    a, b = copy.deepcopy([x, x])
    assert a is b and a is not x


def test_copy_is_another_object_over_the_same_memory():
    x = leaf()
    twin = copy.copy(x)
    assert twin is not x and twin.is_leaf and twin.requires_grad and twin.grad is None
    with fa.no_grad():
        x[0] = 5.0
    assert twin.tolist() == [5, 2]
    (twin * 3).sum().backward()
    assert twin.grad.tolist() == [3, 3] and x.grad.tolist() == [2, 4]


def test_copy_of_a_result_stands_at_the_same_place_in_the_graph():
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    (copy.copy(y) + y).sum().backward()
    assert x.grad.tolist() == [4, 8]


def test_copy_shares_the_version():
    x = fa.tensor([1.0, 2.0])
    w = fa.tensor([3.0, 4.0], requires_grad=True)
    y = (x * w).sum()
    copy.copy(x).fill_(0)
    with pytest.raises(RuntimeError, match="multiply"):
        y.backward()


class Named(nn.Parameter):
    """A parameter with an attribute, and one in a slot."""
    __slots__ = ("slot",)


@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_parameters_keep_their_class_and_attributes(again):
    p = Named([1.0, 2.0])
    p.note, p.slot = ["first"], ["second"]
    twin = again(p)
    assert type(twin) is Named and twin.requires_grad and twin.note == ["first"] and twin.slot == ["second"]
    frozen = again(nn.Parameter([1.0], requires_grad=False))
    assert type(frozen) is nn.Parameter and not frozen.requires_grad
    if again is not copy.copy:
        assert twin.note is not p.note and twin.slot is not p.slot


# ---- modules
class Tied(nn.Module):
    """Two names for one parameter, a buffer, a submodule."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("count", fa.zeros(1))
        self.register_buffer("scratch", fa.zeros(1), persistent=False)

    def forward(self, x):
        return self.second(self.first(x).tanh())


@pytest.mark.parametrize("again", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_modules(again):
    fa.manual_seed(0)
    net, x = Tied(), fa.ones((2, 3), dtype="f4")
    net(x).sum().backward()
    net.eval()
    twin = again(net)
    assert twin.second.weight is twin.first.weight is twin.first._parameters["weight"]
    assert twin.first.weight is not net.first.weight and not twin.training
    assert list(twin.state_dict()) == list(net.state_dict())
    np.testing.assert_array_equal(twin(x).detach().numpy(), net(x).detach().numpy())
    step = fa.optim.SGD(twin.parameters(), lr=0.1)
    step.zero_grad()
    twin(x).sum().backward()
    np.testing.assert_array_equal(twin.first.weight.grad.numpy(), net.first.weight.grad.numpy())
    before = net.first.weight.detach().numpy().copy()
    step.step()
    np.testing.assert_array_equal(net.first.weight.detach().numpy(), before)


@pytest.mark.parametrize("again", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_buffers_of_modules(again):
    """Values, dtypes, which are saved, and what two modules share."""
    net = nn.Sequential(Tied(), Tied())
    net[1].count = net[0].count
    net[0].register_buffer("mask", fa.tensor([True, False]))
    net[0].register_buffer("nothing", None)
    net[0].count += 3
    net[0].scratch += 4
    twin = again(net)
    assert twin[1].count is twin[0].count is not net[0].count and twin[0].count.item() == 3 and twin[0].scratch.item() == 4
    assert twin[0].mask.dtype == bool and twin[0].nothing is None
    assert list(twin.state_dict()) == list(net.state_dict()) and "0.scratch" not in twin.state_dict()
    twin[0].count += 1
    assert net[0].count.item() == 3


@pytest.mark.parametrize("again", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("optimizer", [lambda p: fa.optim.SGD(p, lr=0.1, momentum=0.9), lambda p: fa.optim.AdamW(p, lr=0.1)],
                         ids=["SGD", "AdamW"])
def test_a_model_and_its_optimizer_go_on_together(again, optimizer):
    """The twin's optimizer steps the twin's parameters, from the state that the original had."""
    fa.manual_seed(0)
    net, x = Tied(), fa.ones((2, 3), dtype="f4")
    steps = optimizer(net.parameters())

    def go_on(net, steps):
        for _ in range(3):
            steps.zero_grad()
            net(x).sum().backward()
            steps.step()
        return [p.detach().numpy().copy() for p in net.parameters()]
    go_on(net, steps)
    twin, twin_steps = again((net, steps))
    before = [p.detach().numpy().copy() for p in net.parameters()]
    after = go_on(twin, twin_steps)
    for p, b in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), b)
    for a, b, c in zip(go_on(net, steps), after, before, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


@pytest.mark.parametrize("again", [pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_generator_goes_on_where_it_was(again):
    fa.manual_seed(3)
    fa.default_generator().normal(size=5)
    twin = again(fa.default_generator())
    np.testing.assert_array_equal(twin.normal(size=5), fa.default_generator().normal(size=5))


def test_copy_of_a_module_has_its_own_registries():
    net = Tied()
    twin = copy.copy(net)
    twin.third = nn.Linear(2, 2)
    twin.first = nn.Linear(3, 3)
    assert "third" not in dict(net.named_children()) and net.first is not twin.first
    assert twin.second is net.second


# ---- files
def test_a_state_dict_through_pickle():
    net, file = Tied(), io.BytesIO()
    pickle.dump(net.state_dict(), file)
    file.seek(0)
    other = Tied()
    other.load_state_dict(pickle.load(file))
    np.testing.assert_array_equal(other.first.weight.detach().numpy(), net.first.weight.detach().numpy())
