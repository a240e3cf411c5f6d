"""A Tensor as Python sees it: operators, conversion, containers, copies."""
import operator

import numpy as np
import pytest

import fastad as fa

A = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
B = np.array([2.0, 0.5, 3.0])


def plain(x):
    return x.detach().numpy() if isinstance(x, fa.Tensor) else x


ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv]
COMPARE = [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge]


@pytest.mark.parametrize("op", [*ARITHMETIC, *COMPARE, operator.pow], ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [B, 2.0, 3, np.float64(2), np.float32(2), np.int64(3), [1.0, 2.0, 3.0], (1.0, 2.0, 3.0), True],
                         ids=lambda o: type(o).__name__)
def test_operators_both_ways(op, other):
    a = np.abs(A) if op is operator.pow else A
    for left, right in ((fa.tensor(a), other), (other, fa.tensor(a))):
        found = op(left, right)
        expected = op(*[np.asarray(plain(v)) if isinstance(v, list | tuple) else plain(v) for v in (left, right)])
        assert isinstance(found, fa.Tensor)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(plain(found), expected, rtol=1e-14)


@pytest.mark.parametrize("op", COMPARE, ids=lambda f: f.__name__)
def test_comparisons_are_bool_tensors_off_the_tape(op):
    x = fa.tensor(A, requires_grad=True)
    y = op(x, x * 1)
    assert y.dtype == np.bool_ and not y.requires_grad and y.shape == x.shape


def test_comparison_with_strangers():
    x = fa.tensor(A)
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (x == "text") is False
    with pytest.raises(TypeError):
        _ = x < "text"


@pytest.mark.parametrize("op", [operator.neg, operator.pos, operator.abs], ids=lambda f: f.__name__)
def test_unary(op):
    x = fa.tensor(A, requires_grad=True)
    y = op(x)
    np.testing.assert_array_equal(plain(y), op(A))
    assert y is not x and y.requires_grad


def test_bits():
    a, b = np.array([True, True, False]), np.array([True, False, False])
    x, y = fa.tensor(a), fa.tensor(b)
    for found, expected in ((x & y, a & b), (x | y, a | b), (x ^ y, a ^ b), (~x, ~a), (x & b, a & b), (a | y, a | b)):
        np.testing.assert_array_equal(plain(found), expected)
    with pytest.raises(TypeError):
        _ = fa.tensor(A) & fa.tensor(A)


@pytest.mark.parametrize("op", [*ARITHMETIC, operator.pow, operator.matmul], ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [None, "text", object(), {}], ids=lambda o: type(o).__name__)
def test_strangers_raise(op, other):
    for args in ((fa.tensor(A), other), (other, fa.tensor(A))):
        with pytest.raises(TypeError):
            op(*args)


class Friend:
    """Python asks the right operand when the left does not know it."""

    def __radd__(self, other):
        return "friend"

    def __rpow__(self, other):
        return "friend"


def test_unknown_types_may_answer():
    assert fa.tensor(A) + Friend() == "friend"
    assert fa.tensor(A) ** Friend() == "friend"


def test_power_with_modulus_raises():
    with pytest.raises(TypeError):
        pow(fa.tensor(2.0), fa.tensor(3.0), 5)


def test_matmul_both_ways():
    x = fa.tensor(A)
    np.testing.assert_allclose(plain(x @ B), A @ B)
    np.testing.assert_allclose(plain(A.T @ x), A.T @ A)
    np.testing.assert_allclose(plain(x @ list(B)), A @ B)


# ---- in place -----------------------------------------------------------------------------------------
IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow]


@pytest.mark.parametrize("op", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place_off_the_tape_writes(op):
    a = np.abs(A)
    x = fa.tensor(a)
    alias, before = x, x.version
    x = op(x, 2.0)
    assert x is alias and x.version == before + 1
    np.testing.assert_allclose(x.numpy(), op(a.copy(), 2.0), rtol=1e-15)


@pytest.mark.parametrize("op", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place_on_the_tape_rebinds(op):
    x = fa.tensor(np.abs(A), requires_grad=True)
    y = op(x, 2.0)
    assert y is not x and y.requires_grad and x.version == 0
    np.testing.assert_array_equal(plain(x), np.abs(A))
    z = op(fa.tensor(np.abs(A)), x)
    assert z.requires_grad


def test_in_place_keeps_dtype_and_shape():
    x = fa.tensor(A.astype("f4"))
    x += A
    assert x.dtype == np.float32
    i = fa.tensor([1, 2, 3])
    for op, other in ((operator.iadd, 0.5), (operator.itruediv, 2)):
        with pytest.raises(TypeError, match="cast"):
            op(i, other)
    assert i.tolist() == [1, 2, 3]
    v = fa.tensor(B)
    with pytest.raises(ValueError):
        v += A                             # the result is larger than v
    assert v.tolist() == B.tolist()
    row = fa.tensor(A)[0]
    base = fa.tensor(A)
    row = base[0]
    row += 1.0
    np.testing.assert_array_equal(base.numpy()[0], A[0] + 1)


def test_in_place_on_overlapping_views():
    a = np.arange(6.0)
    x = fa.tensor(a)
    x[1:] += x[:-1]
    expected = a.copy()
    expected[1:] += expected[:-1].copy()
    np.testing.assert_array_equal(x.numpy(), expected)
    x = fa.tensor(a)
    x[:] = x[::-1]
    np.testing.assert_array_equal(x.numpy(), a[::-1])
    x = fa.tensor(a)
    x.copy_(x[::-1])
    np.testing.assert_array_equal(x.numpy(), a[::-1])
    m = fa.tensor(A @ A.T)
    with fa.no_grad():
        m += m.T
    np.testing.assert_array_equal(m.numpy(), A @ A.T + (A @ A.T).T)


def test_assignment():
    x = fa.tensor(A)
    x[0, 1] = 9
    x[1] = fa.tensor(B)
    x[:, 2] = [7.0, 8.0]
    expected = A.copy()
    expected[0, 1], expected[1] = 9, B
    expected[:, 2] = 7, 8
    np.testing.assert_array_equal(x.numpy(), expected)
    w = fa.tensor(A, requires_grad=True)
    for bad in (lambda: w.__setitem__(0, 1.0), lambda: w.copy_(A), lambda: w.fill_(0), lambda: w.zero_(),
                lambda: fa.tensor(A).__setitem__(0, w[0]), lambda: fa.tensor(A).copy_(w)):
        with pytest.raises(RuntimeError):
            bad()
    with fa.no_grad():
        w[0] = 0.0
        w.fill_(3)
    assert w.tolist() == np.full_like(A, 3).tolist()
    with pytest.raises(ValueError):
        x[0] = [1.0, 2.0]
    with pytest.raises(IndexError):
        x[5] = 1.0


# ---- one element --------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "g", "i8", "u1", "?", "c16"])
def test_one_element(dtype):
    nd = np.ones((1, 1), dtype)
    t = fa.tensor(nd)
    assert t.item() == nd.item() and type(t.item()) is type(nd.item())
    assert bool(t) is True and t.tolist() == nd.tolist()
    if dtype != "c16":
        assert float(t) == 1.0 and int(t) == 1
    assert complex(t) == 1


def test_only_one_element_converts():
    for convert in (float, int, complex, bool, lambda t: t.item()):
        with pytest.raises(ValueError):
            convert(fa.tensor(A))
        with pytest.raises(ValueError):
            convert(fa.tensor(np.zeros(0)))


def test_index():
    assert [10, 20, 30][fa.tensor(1)] == 20
    assert list(range(fa.tensor(3))) == [0, 1, 2]
    for bad in (fa.tensor(1.0), fa.tensor([1]), fa.tensor(True)):
        with pytest.raises(TypeError, match="index"):
            operator.index(bad)


# ---- containers ---------------------------------------------------------------------------------------
def test_len_iter_contains():
    x = fa.tensor(A, requires_grad=True)
    assert len(x) == 2 and [row.tolist() for row in x] == A.tolist()
    sum(row.sum() for row in x).backward()
    assert x.grad.tolist() == np.ones_like(A).tolist()
    assert 4.0 in x and 99.0 not in x
    scalar = fa.tensor(1.0)
    for bad in (len, iter):
        with pytest.raises(TypeError, match="0-d"):
            bad(scalar)
    with pytest.raises(IndexError):
        x[2]
    assert list(fa.tensor(np.zeros((0, 3)))) == []
    a, b = x
    assert a.shape == b.shape == (3,)


def test_hash_is_identity():
    x, y = fa.tensor(1.0), fa.tensor(1.0)
    assert len({x, y, x}) == 2 and {x: 1}[x] == 1 and hash(x) == hash(x)


# ---- text ---------------------------------------------------------------------------------------------
def test_repr_and_format():
    assert repr(fa.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(fa.tensor([1.0], dtype="float32")) == "tensor([1.], dtype=float32)"
    assert repr(fa.tensor(1.0, requires_grad=True)) == "tensor(1., requires_grad=True)"
    assert repr(fa.tensor(1.0, requires_grad=True) * 2) == "tensor(2., grad_fn=multiply)"
    assert str(fa.tensor([1, 2])) == "tensor([1, 2])"
    assert f"{fa.tensor(3.14159):.2f}" == "3.14" and f"{fa.tensor([1.0])}" == "tensor([1.])"
    assert "..." in repr(fa.zeros(5000))
    with pytest.raises(ValueError):
        format(fa.tensor(A), ".2f")


# ---- copies -------------------------------------------------------------------------------------------
def test_tensor_copies_and_from_numpy_shares():
    a = A.copy()
    copied, shared = fa.tensor(a), fa.from_numpy(a)
    a[0, 0] = 77
    assert copied[0, 0].item() == A[0, 0] and shared[0, 0].item() == 77
    shared[1, 1] = 5.0
    assert a[1, 1] == 5
    t = fa.tensor(A)
    again = fa.tensor(t)
    with fa.no_grad():
        again += 1
    np.testing.assert_array_equal(t.numpy(), A)
    assert np.shares_memory(t.detach().numpy(), t.numpy())
    assert not np.shares_memory(fa.tensor(t.numpy(), dtype="f8").numpy(), t.numpy())


def test_tensor_of_a_leaf_is_a_new_leaf():
    x = fa.tensor(A, requires_grad=True)
    assert not fa.tensor(x).requires_grad
    y = fa.tensor(x, requires_grad=True)
    (y * 2).sum().backward()
    assert x.grad is None and y.grad is not None


def test_clone_stays_on_the_tape():
    x = fa.tensor(A, requires_grad=True)
    y = x.clone()
    assert not np.shares_memory(y.detach().numpy(), x.detach().numpy())
    (y * 3).sum().backward()
    assert x.grad.tolist() == np.full_like(A, 3).tolist()


def test_no_empty_tensor():
    with pytest.raises(TypeError, match=r"fastad\.tensor"):
        fa.Tensor()
    with pytest.raises(TypeError):
        fa.Tensor([1.0])


def test_attributes_are_read_only():
    x = fa.tensor(A)
    for name in ("shape", "dtype", "ndim", "size", "strides"):
        with pytest.raises(AttributeError):
            setattr(x, name, 1)
    assert (x.shape, x.ndim, x.size, x.itemsize, x.nbytes, x.strides) == ((2, 3), 2, 6, 8, 48, (24, 8))
