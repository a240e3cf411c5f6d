"""DLPack: memory shared with NumPy and PyTorch both ways, and what cannot be shared refused by a BufferError."""
import gc

import numpy as np
import pytest

import fastad as fa
from fastad import nn

VIEWS = {"dense": lambda a: a, "transposed": lambda a: a.T, "strided": lambda a: a[1:, ::2], "one row": lambda a: a[2],
         "empty": lambda a: a[:0], "0-d": lambda a: a[0, 0, ...]}
viewed = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


def leaf():
    return fa.tensor([1.0, 2.0], requires_grad=True)


# ---- NumPy
@viewed
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i1", "u2", "i8", "?"])
def test_memory_is_shared_with_numpy(dtype, view):
    a = np.arange(12).reshape(3, 4).astype(dtype)
    x = fa.from_dlpack(view(a))
    out = np.from_dlpack(x)
    assert x.dtype == out.dtype == a.dtype and x.shape == out.shape == view(a).shape
    np.testing.assert_array_equal(out, view(a))
    if out.size:
        assert np.shares_memory(out, a)


def test_reversed_memory_is_read_and_not_handed_on():
    """A library that cannot read negative strides may end the process."""
    a = np.arange(6.0).reshape(2, 3)
    x = fa.from_dlpack(a[::-1, ::-1])
    assert np.shares_memory(x.numpy(), a) and x.tolist() == [[5, 4, 3], [2, 1, 0]]
    with pytest.raises(BufferError, match=r"backwards.*copy\(\)"):
        np.from_dlpack(x)
    for out in (np.from_dlpack(x.copy()), np.from_dlpack(x, copy=True), np.from_dlpack(x[::-1, ::-1]), fa.from_dlpack(x).numpy()):
        assert np.array_equal(out, x.numpy()) or np.array_equal(out, a)
    assert np.from_dlpack(x[:0]).shape == (0, 3)


def test_the_memory_outlives_the_tensor():
    out = np.from_dlpack(fa.tensor(np.arange(1000.0)))
    junk = [fa.zeros(1000) for _ in range(100)]
    np.testing.assert_array_equal(out, np.arange(1000.0))
    del junk


class Owner(np.ndarray):
    """An array that says when it is gone."""
    alive = 0

    def __del__(self):
        Owner.alive -= 1


@pytest.mark.parametrize("way", [lambda a: fa.from_dlpack(a), lambda a: fa.from_numpy(a), lambda a: fa.from_numpy(a).__dlpack__(max_version=(1, 0)),
                                 lambda a: fa.from_numpy(a).__dlpack__(), lambda a: np.from_dlpack(fa.from_numpy(a))],
                         ids=["from_dlpack", "from_numpy", "a capsule that nobody takes", "an old one", "there and back"])
def test_the_owner_lives_as_long_as_it_is_needed(way):
    a = np.arange(1000.0).view(Owner)
    Owner.alive = 1
    held = way(a)
    del a
    gc.collect()
    assert Owner.alive == 1 and (not hasattr(held, "sum") or float(held.sum()) == 499_500)
    del held
    gc.collect()
    assert Owner.alive == 0


def test_a_gradient_is_refused():
    for x in (leaf(), leaf() * 2, nn.Parameter([1.0])):
        for take in (np.from_dlpack, fa.from_dlpack, lambda x: x.__dlpack__()):
            with pytest.raises(BufferError, match="detach"):
                take(x)
    assert fa.from_dlpack(leaf().detach()).tolist() == [1, 2]


def test_the_tape_sees_writes_through_a_tensor_taken_from_a_tensor():
    x, w = fa.tensor([1.0, 2.0]), leaf()
    y = (x * w).sum()
    fa.from_dlpack(x).zero_()
    with pytest.raises(RuntimeError, match="multiply"):
        y.backward()
    assert fa.from_dlpack(x, copy=True).fill_(3.0).tolist() == [3, 3] and x.tolist() == [0, 0]


def test_copy_and_device():
    a = np.arange(3.0)
    x = fa.from_dlpack(a, copy=True)
    a[0] = 9
    assert x.tolist() == [0, 1, 2]
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(TypeError, match="DLPack"):
        fa.from_dlpack([1.0])
    for take in (lambda: fa.from_dlpack(a, device="gpu"), lambda: fa.from_dlpack(x, device="gpu"), lambda: x.__dlpack__(dl_device=(2, 0))):
        with pytest.raises((BufferError, ValueError)):
            take()


def test_read_only_memory_stays_read_only():
    a = np.arange(3.0)
    a.flags.writeable = False
    x = fa.from_numpy(a)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    assert not np.from_dlpack(x).flags.writeable
    for y in (fa.from_dlpack(a), fa.from_dlpack(x)):
        with pytest.raises(ValueError, match="read-only"):
            y.fill_(0)
    with pytest.raises(BufferError, match="readonly"):
        x.__dlpack__()                     # the old protocol cannot say so


@pytest.mark.parametrize("dtype", ["g", "M8[s]", "U3", "O"])
def test_what_dlpack_has_no_name_for(dtype):
    a = np.zeros(2, dtype)
    with pytest.raises((BufferError, TypeError)):
        fa.from_dlpack(a)
    if dtype == "g":
        with pytest.raises(BufferError):
            np.from_dlpack(fa.tensor(a))


# ---- PyTorch
@viewed
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128", "int8", "uint8", "int64", "bool"])
def test_memory_is_shared_with_pytorch(dtype, view):
    torch = pytest.importorskip("torch")
    t = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype))
    seen = view(t)
    x = fa.from_dlpack(seen)
    assert str(x.dtype) == dtype and x.shape == tuple(seen.shape) and x.tolist() == seen.tolist()
    t.zero_()
    assert not np.any(x.numpy())
    whole = fa.ones((3, 4), dtype=dtype)
    back = torch.from_dlpack(view(whole))
    assert back.dtype == t.dtype and tuple(back.shape) == view(whole).shape and back.tolist() == view(whole).tolist()
    back.zero_()
    assert not np.any(view(whole).numpy())


def test_memory_outlives_both():
    torch = pytest.importorskip("torch")
    x, t = fa.from_dlpack(torch.arange(1000.0)), torch.from_dlpack(fa.arange(1000.0))
    junk = [fa.zeros(1000) for _ in range(50)], [torch.zeros(1000) for _ in range(50)]
    gc.collect()
    assert x.tolist() == t.tolist() == list(range(1000))
    del junk


def test_what_cannot_be_shared_with_pytorch():
    torch = pytest.importorskip("torch")
    stretched = fa.from_dlpack(torch.ones(1).expand(3))
    assert stretched.tolist() == [1, 1, 1] and stretched.strides == (0,)
    for x in (leaf(), nn.Parameter([1.0]), fa.tensor([1.0, 2.0])[::-1]):
        with pytest.raises(BufferError, match=r"detach|copy\(\)"):
            torch.from_dlpack(x)
    assert torch.from_dlpack(fa.tensor([1.0, 2.0])[::-1].copy()).tolist() == [2, 1]
    for t in (torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True) * 2, torch.zeros(2, dtype=torch.complex64).conj(), torch.eye(2).to_sparse(),
              torch.ones(2, device="meta"), torch.zeros(2, dtype=torch.bfloat16)):
        with pytest.raises((BufferError, RuntimeError, TypeError, ValueError)):
            fa.from_dlpack(t)
