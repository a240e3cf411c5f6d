"""Strange arrays through every primitive: byte order, alignment, strides, dtypes, subclasses, 64 dimensions.

Every sample's inputs are disguised one way after the other.  The oracle is the sample's NumPy function on a plain copy,
for gradients fastad itself on a plain copy; the caller's memory, gaps included, must stay as it was.  What Python hands
over that is no array, and sizes that do not fit, are in test_strange_arguments.py.
"""
import numpy as np
import pytest
from samples import all_samples, registry
from samples.elementwise import NUMPY
from test_operations import adjoints, close, cotangents, drawn, leaves, outputs, plain, run, which

import fastad as fa
from fastad._core.kernels import rows

pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning", "ignore:.*:numpy.exceptions.ComplexWarning",
                                        "ignore:.*matrix.*:PendingDeprecationWarning")


def representatives(each=2):
    """The first samples of every primitive, those with axes before those without."""
    chosen = {}
    for s in all_samples():
        arrays = drawn(s, np.float64)
        if all(isinstance(a, np.ndarray) and a.size for a in arrays):
            chosen.setdefault(s.name, []).append(s)
    return [s for found in chosen.values() for s in sorted(found, key=lambda s: drawn(s, np.float64)[0].ndim == 0)[:each]]


SAMPLES = representatives()
everywhere = pytest.mark.parametrize("sample", SAMPLES, ids=str)


def test_every_primitive_is_here():
    assert {s.name for s in SAMPLES} == set(registry())


# ---- memory ------------------------------------------------------------------------------------------
def into(a, dtype, owner_shape, pick, offset=0):
    """A view that shows `a`, and the bytes it was cut from: all of them 0xA5 but for those of `a`."""
    owner = np.full(int(np.prod(owner_shape)) * dtype.itemsize + offset, 0xA5, np.uint8)
    view = pick(owner[offset:].view(dtype).reshape(owner_shape))
    view[...] = a
    return view, owner


def swapped(a):
    return into(a, a.dtype.newbyteorder(), a.shape, lambda v: v)


def unaligned(a):
    return into(a, a.dtype, a.shape, lambda v: v, offset=1)


def unaligned_swapped_reversed(a):
    return into(a, a.dtype.newbyteorder(), a.shape, lambda v: v[(..., *[slice(None, None, -1)] * a.ndim)], offset=3)


def gaps(a):
    return into(a, a.dtype, tuple(3 * n for n in a.shape), lambda v: v[(..., *[slice(1, None, 3)] * a.ndim)])


def backwards(a):
    return into(a, a.dtype, tuple(2 * n for n in a.shape), lambda v: v[(..., *[slice(None, None, -2)] * a.ndim)])


def column_order(a):
    return into(a, a.dtype, a.shape[::-1], lambda v: v.T)


def read_only(a):
    view, owner = into(a, a.dtype, a.shape, lambda v: v)
    view.flags.writeable = False
    return view, owner


def zero_stride(a):
    """Not the same numbers: the first of every axis, everywhere."""
    view, owner = into(a[(..., *[slice(0, 1)] * a.ndim)], a.dtype, (1,) * a.ndim, lambda v: v)
    return np.broadcast_to(view, a.shape), owner


def field(a):
    """The field of packed records: strided, unaligned."""
    records = np.dtype([("before", "u1"), ("x", a.dtype), ("after", "u2")])
    view, owner = into(np.zeros(a.shape, records), records, a.shape, lambda v: v)
    view["x"] = a
    return view["x"], owner


class Subclass(np.ndarray):
    """Changes what an ndarray's own operators mean, which must not reach a tensor."""
    def __mul__(self, other):
        raise AssertionError("the subclass computed")

    __rmul__ = __add__ = __radd__ = __matmul__ = __getitem__ = __mul__


def subclass(a):
    view, owner = into(a, a.dtype, a.shape, lambda v: v)
    return view.view(Subclass), owner


DISGUISES = [swapped, unaligned, unaligned_swapped_reversed, gaps, backwards, column_order, read_only, zero_stride, field,
             subclass]
disguised = pytest.mark.parametrize("disguise", DISGUISES, ids=lambda f: f.__name__)


def dress(disguise, arrays):
    """(strange, plain copies of them, owners)"""
    pairs = [disguise(a) for a in arrays]
    return [v for v, _ in pairs], [np.array(v, dtype=v.dtype.newbyteorder("="), order="C", subok=False) for v, _ in pairs], \
        [o for _, o in pairs]


def gradients(ys, xs):
    return [plain(g) for g in adjoints(ys, xs, cotangents(ys))]


@everywhere
def test_memory(sample):
    """A copy, shared memory, and the array itself beside tensors: values and gradients are those of a plain array."""
    direct = takes_arrays(sample)
    for disguise in DISGUISES:
        if disguise is not zero_stride or not sample.rows_differ:
            check_memory(sample, disguise, direct)


def check_memory(sample, disguise, direct):
    strange, dense, owners = dress(disguise, drawn(sample, np.float64))
    before = [o.tobytes() for o in owners]
    mask = which(sample, dense)
    expected = [np.asarray(e) for e in outputs(sample.numpy(*dense, **sample.kwargs))]
    args = [fa.tensor(a, requires_grad=d) for a, d in zip(dense, mask, strict=True)]
    wanted = gradients(run(sample, args), leaves(args))

    def check(args, grads, how):
        how = f"{disguise.__name__}, {how}"
        ys = run(sample, args)
        assert all(isinstance(y, fa.Tensor) for y in ys), how
        for y, e in zip(ys, expected, strict=True):
            assert y.dtype.isnative and y.dtype == e.dtype, how
            close(plain(y), e, np.float64, how)
        if any(y.requires_grad for y in ys):
            for g, w in zip(gradients(ys, leaves(args)), grads, strict=True):
                close(g, w, np.float64, f"{how}: gradient", 4)

    check([fa.tensor(a, requires_grad=d) for a, d in zip(strange, mask, strict=True)], wanted, "tensor")
    if all(a.dtype.isnative and a.flags.aligned for a in strange):
        check([fa.from_numpy(a).requires_grad_(d) for a, d in zip(strange, mask, strict=True)], wanted, "from_numpy")
    else:
        with pytest.raises(ValueError, match="byte-swapped or unaligned"):
            [fa.from_numpy(a) for a in strange]
    for k in range(len(strange)):          # one as it is, beside tensors
        if not direct:
            break
        mixed = [a if i == k else t for i, (a, t) in enumerate(zip(strange, args, strict=True))]
        kept = [i for i, d in enumerate(mask) if d]
        check(mixed, [w for i, w in zip(kept, wanted, strict=True) if i != k], f"array as input {k}")
        if len(strange) > 1 and is_numpys(sample.numpy) and any(isinstance(t, fa.Tensor) and t.requires_grad for t in mixed):
            ys = outputs(sample.numpy(*mixed))
            for y, e in zip(ys, expected, strict=True):
                close(plain(y), e, np.float64, f"numpy's function, array as input {k}")
            for g, (i, w) in zip(gradients(ys, leaves(mixed)), [p for p in zip(kept, wanted, strict=True) if p[0] != k],
                                 strict=True):
                close(g, w, np.float64, f"numpy's function, gradient {i}", 4)
    assert [o.tobytes() for o in owners] == before, f"{disguise.__name__}: the caller's memory was altered"


def is_numpys(f):
    return isinstance(f, np.ufunc) or hasattr(f, "_implementation")


def takes_arrays(sample):
    """Whether the sample calls a function of fastad rather than a method of its input."""
    probe = [a.view(Probe) for a in drawn(sample, np.float64)]
    try:
        return all(isinstance(y, fa.Tensor) for y in run(sample, probe))
    except (AttributeError, Used):
        return False


class Used(Exception):
    pass


class Probe(np.ndarray):
    """An array that shows that its own operators were used."""
    def __mul__(self, other):
        raise Used

    __getitem__ = __add__ = __mul__


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**", "<", ">=", "==", "!="])
@disguised
def test_operators(symbol, disguise):
    a = np.random.default_rng(0).uniform(0.5, 2, (3, 4))
    (strange,), (dense,), (owner,) = dress(disguise, [a])
    before = owner.tobytes()
    for text in (f"x {symbol} a", f"a {symbol} x"):
        if disguise is subclass and text.startswith("a") and symbol in "+*":
            continue                       # that class says itself what it does on the left
        x = fa.tensor(a[:1], requires_grad=True)
        y = eval(text, {"x": x, "a": strange})
        expected = eval(text, {"x": a[:1], "a": dense})
        assert isinstance(y, fa.Tensor)
        close(plain(y), expected, np.float64, text)
    t = fa.tensor(a)
    for way in ("t += a", "t -= a", "t *= a", "t /= a", "t[...] = a", "t.copy_(a)"):
        t, u = fa.tensor(a), a.copy()
        exec(way, {"t": t, "a": strange})
        exec(way.replace("t.copy_(a)", "t[...] = a"), {"t": u, "a": dense})
        close(plain(t), u, np.float64, way)
    assert owner.tobytes() == before


def test_a_cotangent_may_be_strange():
    a = np.random.default_rng(1).normal(size=(3, 4))
    for disguise in DISGUISES:
        (g,), (dense,), (owner,) = dress(disguise, [a])
        before = owner.tobytes()
        x = fa.tensor(a, requires_grad=True)
        (x * x).backward(g)
        close(plain(x.grad), 2 * a * dense, np.float64, disguise.__name__)
        x.grad.zero_()
        assert owner.tobytes() == before


# ---- dtypes ------------------------------------------------------------------------------------------
DTYPES = ["f2", "g", "c8", "c16", "?", "i1", "i4", "i8", "u1", "u8", ">f4", ">i2", ">c16"]
FORMULAS = {*NUMPY, "softmax", "log_softmax", "cross_entropy", "cross_entropy_mean", "logsumexp",
            "conv", "conv_transpose"}                           # best in float64
LOOSE = {"e": 1e-2, "f": 1e-5, "F": 1e-5}


def numbers(sample, dtype):
    kind = np.dtype(dtype).kind
    arrays = drawn(sample, np.float64)
    if kind in "iub":
        arrays = [a if a.dtype.kind == "b" else np.clip(np.rint(np.abs(a)), 1, 3) for a in arrays]
    return [a if a.dtype.kind == "b" else a.astype(dtype) for a in arrays]


@everywhere
def test_dtypes(sample):
    """NumPy's result in NumPy's dtype, or a TypeError; never another number."""
    for dtype in DTYPES:
        check_dtype(sample, dtype)


def check_dtype(sample, dtype):
    arrays = numbers(sample, dtype)
    before = [a.tobytes() for a in arrays]
    like = [a.astype(a.dtype.newbyteorder("=")) for a in arrays]
    try:
        ys = run(sample, [fa.tensor(a) for a in arrays])
    except TypeError as error:
        assert len(str(error)) > 20 and "Cannot convert" not in str(error)
        return
    except np.linalg.LinAlgError:          # of small integers
        with pytest.raises(np.linalg.LinAlgError):
            sample.numpy(*like)
        return
    if is_numpys(sample.numpy):
        assert [y.dtype for y in ys] == [np.asarray(e).dtype for e in outputs(sample.numpy(*like))], dtype
    if sample.name in FORMULAS:
        like = [a if b.dtype.kind == "b" else a.astype("c16" if a.dtype.kind == "c" else "f8")
                for a, b in zip(arrays, drawn(sample, np.float64), strict=True)]
    for y, e in zip(ys, outputs(oracle(sample)(*like, **sample.kwargs)), strict=True):
        tolerance = LOOSE.get(y.dtype.char, 1e-10)
        assert y.shape == np.shape(e)
        np.testing.assert_allclose(plain(y).astype("c16"), np.asarray(e, "c16"), rtol=tolerance, atol=tolerance,
                                   err_msg=dtype)
    assert [a.tobytes() for a in arrays] == before


def oracle(sample):
    """The sample's NumPy function, which for erf takes real numbers only."""
    if sample.name not in ("erf", "gelu"):
        return sample.numpy
    erf = pytest.importorskip("scipy.special").erf
    return erf if sample.name == "erf" else lambda x: x * (1 + erf(x / np.sqrt(2))) / 2


NO_NUMBERS = {
    "object": lambda a: a.astype(object),
    "text": lambda a: a.astype("U8"),
    "bytes": lambda a: a.astype("S8"),
    "string": lambda a: a.astype("U8").astype(np.dtypes.StringDType()),
    "dates": lambda a: a.astype("i8").astype("M8[D]"),
    "durations": lambda a: a.astype("i8").astype("m8[s]"),
    "records": lambda a: np.zeros(a.shape, "f8,i4"),
    "void": lambda a: np.zeros(a.shape, "V8"),
    "masked": lambda a: np.ma.masked_array(a, mask=np.arange(a.size).reshape(a.shape) == 0),
    "matrix": lambda a: np.matrix(np.atleast_2d(a) if a.ndim < 3 else a.reshape(len(a), -1)),
}


@everywhere
def test_what_holds_no_plain_numbers_is_refused(sample):
    """Each input in turn, the others tensors: a TypeError, not the array's buffer read as something else."""
    arrays = drawn(sample, np.float64)
    direct = takes_arrays(sample)
    for kind in NO_NUMBERS:
        for k in range(len(arrays)):
            strange = NO_NUMBERS[kind](arrays[k])
            for take in (fa.tensor, fa.from_numpy) if kind != "matrix" else ():
                with pytest.raises(TypeError, match=r"not supported|hides elements"):
                    take(strange)
            if direct:
                with pytest.raises(TypeError, match=r"not supported|hides elements|asarray\(x\)"):
                    run(sample, [strange if i == k else fa.tensor(a) for i, a in enumerate(arrays)])


# ---- masks, matrices, tables -------------------------------------------------------------------------
MASKED = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
UNMASKED = np.ma.masked_array([1.0, 2.0, 3.0])
X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.mark.parametrize("use", [
    lambda x, m: x + m, lambda x, m: x @ m, lambda x, m: x < m, lambda x, m: x == m, lambda x, m: np.add(m, x), lambda x, m: m + x,
    lambda x, m: np.maximum(m, x), lambda x, m: fa.less(x, m), lambda x, m: fa.isnan(m), lambda x, m: fa.where(m, x, 0.0),
    lambda x, m: fa.where(m.data > 1, x, m), lambda x, m: np.concatenate([x[0], m]), lambda x, m: fa.stack([m, m]),
    lambda x, m: fa.tensor([m, m]), lambda x, m: fa.tensor([[1.0, np.ma.masked]]), lambda x, m: fa.einsum("ij,j", x, m),
    lambda x, m: fa.zeros((2, 3)).copy_(m), lambda x, m: fa.zeros((2, 3)).__setitem__(0, m),
    lambda x, m: fa.zeros((2, 3)).__setitem__(m.astype(int), 1.0),
    lambda x, m: fa.zeros((2, 3)).__iadd__(m), lambda x, m: x[:, (m - 1).astype(int)], lambda x, m: fa.take(x, (m - 1).astype(int), 1),
    lambda x, m: fa.take_along_axis(x, (m - 1).astype(int)[None], 1), lambda x, m: fa.scatter(m, [0, 1, 2], 5),
    lambda x, m: fa.scatter(fa.ones(3), (m - 1).astype(int), 5), lambda x, m: fa.cross_entropy(fa.ones((3, 4)), m.astype(int)),
    lambda x, m: (x * 1)[0].backward(m), lambda x, m: fa.mse_loss(x[0], m), lambda x, m: fa.repeat(x, (m).astype(int), 1),
    lambda x, m: fa.clip(x, m, None), lambda x, m: fa.pad(x, m.astype(int)[:2]), lambda x, m: fa.tensordot(x, m, 1),
    lambda x, m: fa.asarray(m), lambda x, m: fa.full(3, m), lambda x, m: fa.isclose(x, m),
])
def test_a_hidden_element_is_never_shown(use):
    x = fa.tensor(X, requires_grad=True)
    with pytest.raises(TypeError, match=r"hides elements|detach\(\)"):
        use(x, MASKED)


def test_a_mask_that_hides_nothing():
    x = fa.tensor(X)
    np.testing.assert_array_equal(plain(x * UNMASKED), X * UNMASKED.data)
    np.testing.assert_array_equal(plain(fa.tensor(UNMASKED)), UNMASKED.data)
    assert np.shares_memory(fa.from_numpy(UNMASKED).numpy(), UNMASKED.data)


@pytest.mark.parametrize("symbol", ["*", "**", "+", "@"])
def test_a_matrix_beside_a_tensor(symbol):
    """`*` with a matrix on the left is a matrix product in NumPy; it must not silently be another."""
    m, x = np.matrix(np.eye(3)), fa.tensor(np.ones((3, 3)))
    for text in (f"m {symbol} x", f"x {symbol} m"):
        with pytest.raises(TypeError, match=r"numpy\.matrix.*asarray|exponent must be an integer"):
            eval(text, {"m": m, "x": x})
    assert fa.tensor(m).shape == fa.from_numpy(m).shape == (3, 3)


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**", "<", "==", "@"])
def test_pandas(symbol):
    """A column is taken by its values, whichever side it stands on; the tensor decides."""
    pandas = pytest.importorskip("pandas")
    column = pandas.Series([1.0, 2.0, 3.0], index=list("cab"))
    table = pandas.DataFrame(X.T @ X / 10 + 1, columns=list("xyz"))
    for theirs in (column, table, table["y"], pandas.Index([1.0, 2.0, 3.0])):
        values = theirs.to_numpy().copy()
        for text in (f"x {symbol} a", f"a {symbol} x"):
            x = fa.tensor(table.to_numpy().copy(), requires_grad=True)
            if text == "a @ x" and not isinstance(theirs, pandas.Index):
                with pytest.raises(TypeError, match=r"detach\(\)"):      # pandas asks for the bare numbers
                    eval(text, {"x": x, "a": theirs})
                continue
            y = eval(text, {"x": x, "a": theirs})
            assert isinstance(y, fa.Tensor), text
            np.testing.assert_allclose(plain(y), eval(text, {"x": plain(x), "a": values}), rtol=1e-14)
            if symbol not in ("<", "=="):
                y.sum().backward()
                z = fa.tensor(plain(x), requires_grad=True)
                eval(text, {"x": z, "a": fa.tensor(values)}).sum().backward()
                np.testing.assert_array_equal(plain(x.grad), plain(z.grad))
        np.testing.assert_array_equal(theirs.to_numpy(), values)
    for function in (np.add, np.arctan2):
        assert isinstance(function(column, fa.tensor([1.0, 1, 1])), fa.Tensor)
        assert isinstance(function(fa.tensor([1.0, 1, 1]), column), fa.Tensor)
    assert fa.tensor(column).tolist() == fa.exp(np.log(column)).tolist() == [1, 2, 3]
    assert fa.tensor([10.0, 20, 30])[pandas.Series([2, 0])].tolist() == [30, 10]
    assert fa.tensor(pandas.Series([1, None], dtype="Int64")).tolist()[0] == 1
    for text in (pandas.Series(["a", "b"]), pandas.Series(["a", "b"], dtype="category"), pandas.Series([1, "b"], dtype=object)):
        with pytest.raises(TypeError, match="not supported"):
            fa.tensor(text)
        with pytest.raises(TypeError, match="not supported"):
            fa.tensor([1.0, 2.0]) * text


# ---- many axes ---------------------------------------------------------------------------------------
HIGH = {
    "exp": lambda m, x: m.exp(x), "add": lambda m, x: m.add(x, x[..., :1]), "where": lambda m, x: m.where(x > 0, x, 0.0),
    "sum": lambda m, x: m.sum(x, axis=(0, -1)), "mean": lambda m, x: m.mean(x, axis=-2, keepdims=True),
    "max": lambda m, x: m.max(x, axis=-1), "prod": lambda m, x: m.prod(x, axis=0), "var": lambda m, x: m.var(x, axis=-1),
    "cumsum": lambda m, x: m.cumsum(x, axis=-1), "transpose": lambda m, x: m.transpose(x), "flip": lambda m, x: m.flip(x),
    "moveaxis": lambda m, x: m.moveaxis(x, 0, -1), "swapaxes": lambda m, x: m.swapaxes(x, 0, -1), "ravel": lambda m, x: m.ravel(x),
    "reshape": lambda m, x: m.reshape(m.transpose(x), x.shape), "squeeze": lambda m, x: m.squeeze(x),
    "concatenate": lambda m, x: m.concatenate([x, x], -1), "matmul": lambda m, x: m.matmul(x, m.swapaxes(x, -1, -2)),
    "getitem": lambda m, x: x[..., ::-1, 1], "rows": lambda m, x: x[np.array([0, 0])], "roll": lambda m, x: m.roll(x, 1, -1),
    "take": lambda m, x: m.take(x, [1, 0], axis=-1), "split": lambda m, x: m.split(x, 2, axis=-1)[0],
    "diagonal": lambda m, x: m.diagonal(x, axis1=-1, axis2=-2), "pad": lambda m, x: m.pad(x, ((0, 0),) * (x.ndim - 1) + ((1, 2),)),
    "tile": lambda m, x: m.tile(x, 2), "repeat": lambda m, x: m.repeat(x, 2, axis=-1), "tril": lambda m, x: m.tril(x),
    "broadcast_to": lambda m, x: m.broadcast_to(x, (3, *x.shape[1:])), "copy": lambda m, x: m.copy(x),
    "astype": lambda m, x: m.astype(x, "f4"), "tensordot": lambda m, x: m.tensordot(x, x, (tuple(range(x.ndim)),) * 2),
    "take_along_axis": lambda m, x: m.take_along_axis(x, np.zeros((1,) * x.ndim, int), -1),
}


@pytest.mark.parametrize("name", HIGH)
@pytest.mark.parametrize("ndim", [32, 64])
def test_many_axes(name, ndim):
    """Up to NumPy's 64: NumPy's value, and the gradient of the same numbers in a way that needs few axes."""
    if name == "take_along_axis":
        ndim = min(ndim, 63)               # NumPy refuses 64 index arrays
    rng = np.random.default_rng(0)
    shape = [1] * ndim
    for k in (ndim // 3, ndim // 2, ndim - 2, ndim - 1):
        shape[k] = 2
    a = rng.uniform(0.5, 1.5, shape)
    expected = HIGH[name](np, a)
    x = fa.tensor(a, requires_grad=True)
    y = HIGH[name](fa, x)
    assert y.shape == expected.shape and y.dtype == expected.dtype
    np.testing.assert_allclose(plain(y), expected, rtol=1e-6)
    g = rng.normal(size=expected.shape)
    y.backward(fa.tensor(g.astype(y.dtype)))
    v, h = rng.normal(size=shape), 1e-6
    numeric = ((HIGH[name](np, a + h * v).astype(float) - HIGH[name](np, a - h * v)) * g).sum() / (2 * h)
    tolerance = 0.3 if name == "astype" else 1e-6
    assert abs(float((plain(x.grad) * v).sum()) - numeric) <= tolerance * max(1, abs(numeric))


@pytest.mark.parametrize("ndim", [32, 64])
def test_many_axes_elementwise(ndim):
    """Every elementwise operation: values and gradients are those of the same numbers along two axes."""
    shape, order = (1,) * 7 + (4,) + (1,) * (ndim - 9) + (3,), (*range(7), ndim - 1, *range(8, ndim - 1), 7)
    chosen = {s.name: s for s in SAMPLES if {a.shape for a in drawn(s, np.float64)} == {(3, 4)}}
    assert {row["name"] for row in rows()} <= set(chosen)
    for name in [row["name"] for row in rows()]:
        arrays = drawn(chosen[name], np.float64)
        mask = which(chosen[name], arrays)
        flat = [fa.tensor(a, requires_grad=d) for a, d in zip(arrays, mask, strict=True)]
        deep = [fa.from_numpy(a.T.copy().reshape(shape).transpose(order)).requires_grad_(d) for a, d in zip(arrays, mask, strict=True)]
        (y,), (z,) = run(chosen[name], flat), run(chosen[name], deep)
        assert z.shape == tuple(shape[i] for i in order)
        np.testing.assert_array_equal(plain(z).reshape(3, 4), plain(y), err_msg=name)
        if y.requires_grad:
            for g, h in zip(gradients([y], leaves(flat)), adjoints([z], leaves(deep), [c.reshape(z.shape) for c in cotangents([y])]), strict=True):
                np.testing.assert_array_equal(plain(h).reshape(3, 4), g, err_msg=name)


@pytest.mark.parametrize("call", [
    lambda x: fa.expand_dims(x, 0), lambda x: x[None], lambda x: fa.stack([x, x]), lambda x: fa.broadcast_to(x, (2, *x.shape)),
    lambda x: fa.tensordot(x, x, 0), lambda x: x.reshape((1,) * 65), lambda x: x[np.zeros((2, 2), int)], lambda x: fa.zeros((1,) * 65),
    lambda x: fa.tile(x, (1,) * 65),
])
def test_a_65th_axis_is_refused(call):
    with pytest.raises((ValueError, IndexError), match=r"64|65|80"):
        call(fa.ones((1,) * 64))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2**40), (2**40, 0, 1)])
@pytest.mark.parametrize("name", ["exp", "add", "sum", "cumsum", "transpose", "flip", "concatenate", "copy", "ravel", "where"])
def test_nothing_at_all(name, shape):
    """Zero elements, also with lengths that no memory would hold beside them."""
    x = fa.zeros(shape, requires_grad=True)
    y = {"sum": lambda: x.sum(), "flip": lambda: fa.flip(x), "concatenate": lambda: fa.concatenate([x, x]),
         "where": lambda: fa.where(x > 0, x, 1.0), "add": lambda: x + x[..., :1], "cumsum": lambda: fa.cumsum(x, -1),
         }.get(name, lambda: getattr(fa, name)(x))()
    y.sum().backward()
    assert x.grad.shape == shape
