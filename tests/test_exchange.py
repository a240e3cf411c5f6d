"""Tensors that leave and come back: pickle, copy, deepcopy, DLPack; modules that hold them."""
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
    """A parameter with an attribute."""


@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_parameters_keep_their_class_and_attributes(again):
    p = Named([1.0, 2.0])
    p.note = ["first"]
    twin = again(p)
    assert type(twin) is Named and twin.requires_grad and twin.note == ["first"]
    frozen = again(nn.Parameter([1.0], requires_grad=False))
    assert type(frozen) is nn.Parameter and not frozen.requires_grad
    if again is not copy.copy:
        assert twin.note is not p.note


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


def test_copy_of_a_module_has_its_own_registries():
    net = Tied()
    twin = copy.copy(net)
    twin.third = nn.Linear(2, 2)
    twin.first = nn.Linear(3, 3)
    assert "third" not in dict(net.named_children()) and net.first is not twin.first
    assert twin.second is net.second


# ---- DLPack
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i1", "u2", "i8", "?"])
@pytest.mark.parametrize("view", [lambda a: a, lambda a: a.T, lambda a: a[::-1], lambda a: a[1:, ::2], lambda a: a[:0], lambda a: a[0, 0, ...]],
                         ids=["dense", "transposed", "reversed", "strided", "empty", "0-d"])
def test_dlpack_shares_memory_with_numpy(dtype, view):
    a = np.arange(12).reshape(3, 4).astype(dtype)
    x = fa.from_dlpack(view(a))
    out = np.from_dlpack(x)
    assert x.dtype == out.dtype == a.dtype and x.shape == out.shape == view(a).shape
    np.testing.assert_array_equal(out, view(a))
    if out.size:
        assert np.shares_memory(out, a)


def test_the_memory_outlives_the_tensor():
    out = np.from_dlpack(fa.tensor(np.arange(1000.0)))
    junk = [fa.zeros(1000) for _ in range(100)]
    np.testing.assert_array_equal(out, np.arange(1000.0))
    del junk


def test_dlpack_refuses_a_gradient():
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(leaf())


def test_dlpack_copy_and_device():
    a = np.arange(3.0)
    x = fa.from_dlpack(a, copy=True)
    a[0] = 9
    assert x.tolist() == [0, 1, 2]
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(TypeError, match="DLPack"):
        fa.from_dlpack([1.0])
    with pytest.raises((BufferError, ValueError)):
        fa.from_dlpack(a, device="gpu")


def test_dlpack_of_read_only_memory_stays_read_only():
    a = np.arange(3.0)
    a.flags.writeable = False
    x = fa.from_numpy(a)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    assert not np.from_dlpack(x).flags.writeable
    y = fa.from_dlpack(a)
    with pytest.raises(ValueError, match="read-only"):
        y.fill_(0)


def test_dlpack_with_pytorch():
    torch = pytest.importorskip("torch")
    t = torch.arange(6.0).reshape(2, 3).t()
    x = fa.from_dlpack(t)
    t[0, 0] = 42
    assert x.tolist() == t.tolist()
    back = torch.from_dlpack(x * 1)
    assert back.tolist() == t.tolist()
    shared = fa.zeros((2, 2))
    torch.from_dlpack(shared).add_(1)
    assert shared.tolist() == [[1, 1], [1, 1]]
    with pytest.raises((BufferError, RuntimeError, ValueError)):
        fa.from_dlpack(t.clone().requires_grad_())
    with pytest.raises((BufferError, RuntimeError, TypeError, ValueError)):
        fa.from_dlpack(torch.zeros(2, dtype=torch.bfloat16))


# ---- files
def test_a_state_dict_through_pickle():
    net, file = Tied(), io.BytesIO()
    pickle.dump(net.state_dict(), file)
    file.seek(0)
    other = Tied()
    other.load_state_dict(pickle.load(file))
    np.testing.assert_array_equal(other.first.weight.detach().numpy(), net.first.weight.detach().numpy())
