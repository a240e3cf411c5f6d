"""Attention and the transformer encoder: closed forms, every mask, PyTorch on the same weights, and what is refused."""
import copy

import numpy as np
import pytest

import fastad as fa
from fastad import nn
from fastad.nn.functional import scaled_dot_product_attention as attention

LIMIT = {"float32": {"rtol": 1e-5, "atol": 1e-5}, "float64": {"rtol": 1e-10, "atol": 1e-10}}


def drawn(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def three(*shape, dtype="float64"):
    return [drawn(*shape, dtype=dtype, seed=k) for k in range(3)]


# ---- closed forms ------------------------------------------------------------------------------------
def test_equal_keys_give_the_mean_of_the_values():
    v = drawn(2, 5, 3)
    y = attention(drawn(2, 4, 6), np.ones((2, 5, 6)), v).numpy()
    np.testing.assert_allclose(y, np.broadcast_to(v.mean(axis=1, keepdims=True), y.shape), rtol=1e-13)


def test_two_keys_by_hand():
    """The weight of the first key is sigmoid of the difference of the scores."""
    q, k, v = np.array([[0.7]]), np.array([[1.0], [-2.0]]), np.array([[10.0], [20.0]])
    p = 1 / (1 + np.exp(-0.5 * 0.7 * 3))
    np.testing.assert_allclose(attention(q, k, v, scale=0.5).numpy(), [[10 * p + 20 * (1 - p)]], rtol=1e-14)


def test_scores_beyond_the_range_of_exp():
    y = attention(np.array([[1000.0]]), np.array([[1.0], [-1.0]]), np.array([[3.0], [5.0]])).numpy()
    assert y.tolist() == [[3.0]]


def test_a_query_that_sees_nothing():
    """Zeros, and no gradient: as PyTorch has it."""
    q, k, v = (fa.tensor(t, requires_grad=True) for t in three(3, 4))
    mask = np.array([[True, False, True], [False] * 3, [True] * 3])
    for m in (mask, np.where(mask, 0.0, -np.inf)):
        y = attention(q, k, v, m)
        assert not y.detach().numpy()[1].any() and y.detach().numpy()[0].all()
        grads = fa.autograd.grad(y, [q, k, v], fa.ones((3, 4)), create_graph=True)
        assert all(np.isfinite(g.detach().numpy()).all() for g in grads) and not grads[0].detach().numpy()[1].any()
        plain = fa.autograd.grad(attention(q, k, v, m), [q, k, v], fa.ones((3, 4)))
        for a, b in zip(grads, plain, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


def test_a_mask_changed_in_place_is_noticed():
    """By derivatives that read it again; the plain walk does not."""
    q, k, v = (fa.tensor(t, requires_grad=True) for t in three(3, 4))
    mask = fa.tensor(drawn(3, 3, seed=5))
    expected = fa.autograd.grad(attention(q, k, v, mask).sum(), [q])[0].numpy()
    y = attention(q, k, v, mask).sum()
    mask.zero_()
    np.testing.assert_array_equal(fa.autograd.grad(y, [q], retain_graph=True)[0].numpy(), expected)
    with pytest.raises(RuntimeError, match=r"the mask of shape \(3, 3\).*changed in place"):
        fa.autograd.grad(y, [q], create_graph=True)


def test_causal_is_the_triangular_mask():
    for length, span in ((4, 4), (5, 3), (2, 6)):
        q, k, v = drawn(length, 3), drawn(span, 3, seed=1), drawn(span, 2, seed=2)
        tri = np.tri(length, span, dtype=bool)
        np.testing.assert_allclose(attention(q, k, v, is_causal=True).numpy(), attention(q, k, v, tri).numpy(), rtol=1e-14)


def test_what_lies_ahead_does_not_matter():
    q, k, v = three(6, 4)
    before = attention(q, k, v, is_causal=True).numpy()
    k[4:], v[4:] = 100, -100
    np.testing.assert_array_equal(attention(q, k, v, is_causal=True).numpy()[:4], before[:4])


def test_central_differences():
    q, k, v = drawn(2, 3, 2), drawn(2, 4, 2, seed=1), drawn(2, 4, 3, seed=2)
    m = drawn(3, 4, seed=3)
    fa.testing.check_grads(lambda *args: attention(*args) ** 2, (q, k, v, m), order=2)
    fa.testing.check_grads(lambda *args: attention(*args, is_causal=True, scale=0.3) ** 2, (q, k, v), order=2)

    def dropped(*args):
        fa.manual_seed(3)
        return attention(*args, dropout_p=0.4) ** 2
    fa.testing.check_grads(dropped, (q, k, v), order=2)


def test_dropped_weights_in_the_mean():
    """Over many masks the result is that without dropout; each weight is 0 or 1 / (1 - p) of itself."""
    fa.manual_seed(0)
    q, k, v = three(1, 4)
    same = [np.repeat(t[None], 20000, axis=0) for t in (q, np.concatenate([k, k + 0.3]), np.eye(2, 4))]
    y = attention(*same, dropout_p=0.25).numpy()[:, 0, :2]
    p = attention(*(s[0] for s in same)).numpy()[0, :2]
    for j in range(2):
        assert {round(float(w), 12) for w in np.unique(y[:, j])} == {0.0, round(p[j] / 0.75, 12)}
    np.testing.assert_allclose(y.mean(axis=0), p, atol=0.015)
    assert not attention(q, k, v, dropout_p=1.0).numpy().any()


def test_heads_that_share_keys():
    q, k, v = drawn(2, 6, 5, 4), drawn(2, 3, 7, 4, seed=1), drawn(2, 3, 7, 2, seed=2)
    repeated = [np.repeat(t, 2, axis=1) for t in (k, v)]
    leaves = [fa.tensor(t, requires_grad=True) for t in (q, k, v)]
    for mask in (None, drawn(5, 7, seed=3), drawn(2, 6, 5, 7, seed=3), drawn(2, 1, 5, 7, seed=3)):
        y = attention(*leaves, mask, enable_gqa=True)
        np.testing.assert_allclose(y.detach().numpy(), attention(q, *repeated, mask).numpy(), rtol=1e-12)
    y.sum().backward()
    assert [t.grad.shape for t in leaves] == [q.shape, k.shape, v.shape]


@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
def test_other_float_dtypes(dtype):
    q, k, v = (fa.tensor(t.astype(dtype), requires_grad=True) for t in three(3, 4))
    y = attention(q, k, v, np.tri(3, dtype=bool))
    y.sum().backward()
    wanted = attention(*three(3, 4), np.tri(3, dtype=bool)).numpy()
    assert y.dtype == q.grad.dtype == dtype
    np.testing.assert_allclose(y.detach().numpy().astype(float), wanted, atol=3e-3)


# ---- PyTorch -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "length", "span", "width", "columns"), [
    ((2, 3), 5, 7, 4, 6), ((), 4, 4, 3, 3), ((2, 2), 64, 64, 16, 16), ((3,), 1, 9, 2, 5), ((1, 2), 33, 130, 8, 8)])
@pytest.mark.parametrize("kind", ["plain", "boolean", "added", "causal", "scale"])
def test_equals_pytorch(kind, batch, length, span, width, columns, dtype):
    torch = pytest.importorskip("torch")
    shapes = (*batch, length, width), (*batch, span, width), (*batch, span, columns), (*batch, length, columns)
    q, k, v, g = (drawn(*s, dtype=dtype, seed=i) for i, s in enumerate(shapes))
    kwargs = {"is_causal": True} if kind == "causal" else {"scale": 0.3} if kind == "scale" else {}
    mask = drawn(length, span, dtype=dtype, seed=9)
    given = [mask] if kind == "added" else []
    if kind == "boolean":
        kwargs["attn_mask"] = mask > -0.3
    ours = [fa.tensor(t, requires_grad=True) for t in (q, k, v, *given)]
    theirs = [torch.tensor(t, requires_grad=True) for t in (q, k, v, *given)]
    y = attention(*ours, **kwargs)
    if kind == "boolean":
        kwargs["attn_mask"] = torch.tensor(kwargs["attn_mask"])
    z = torch.nn.functional.scaled_dot_product_attention(*theirs, **kwargs)
    y.backward(fa.tensor(g))
    z.backward(torch.tensor(g))
    for found, wanted in [(y, z), *[(a.grad, b.grad) for a, b in zip(ours, theirs, strict=True)]]:
        np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), **LIMIT[dtype])


def twins(name, *args, dtype="float64", **kwargs):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(*args, dtype=dtype, **kwargs), getattr(torch.nn, name)(*args, dtype=getattr(torch, dtype), **kwargs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with torch.no_grad():
        for p in theirs.parameters():             # biases too, which begin as zeros
            p.copy_(torch.tensor(drawn(*p.shape, dtype=dtype, seed=p.numel() % 97) * 0.3))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def compare(ours, theirs, inputs, found, wanted, dtype="float64"):
    """Outputs, and gradients of inputs and parameters, from random cotangents."""
    import torch
    pairs = [(a, b) for a, b in zip(found, wanted, strict=True) if a is not None or b is not None]
    for a, b in pairs:
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **LIMIT[dtype])
    cotangents = [drawn(*a.shape, dtype=dtype, seed=5) for a, _ in pairs]
    sum((a * fa.tensor(g)).sum() for (a, _), g in zip(pairs, cotangents, strict=True)).backward()
    sum((b * torch.tensor(g)).sum() for (_, b), g in zip(pairs, cotangents, strict=True)).backward()
    leaves = [*inputs, *((p, q) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))]
    for a, b in leaves:
        size = max(1, abs(b.grad.numpy()).max())
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=LIMIT[dtype]["rtol"], atol=LIMIT[dtype]["atol"] * size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [
    {}, {"batch_first": True}, {"bias": False}, {"kdim": 5, "vdim": 3}, {"kdim": 5, "batch_first": True},
    {"add_bias_kv": True}, {"add_zero_attn": True, "add_bias_kv": True, "batch_first": True}], ids=str)
@pytest.mark.parametrize("masks", ["none", "padding", "boolean", "added", "heads", "both"])
def test_multihead_equals_pytorch(options, masks, dtype):
    torch = pytest.importorskip("torch")
    ours, theirs = twins("MultiheadAttention", 8, 2, dtype=dtype, **options)
    n, length, span = 3, 4, 5
    kdim, vdim = options.get("kdim", 8), options.get("vdim", 8)
    arrays = drawn(n, length, 8, dtype=dtype), drawn(n, span, kdim, dtype=dtype, seed=1), drawn(n, span, vdim, dtype=dtype, seed=2)
    if not options.get("batch_first"):
        arrays = [a.swapaxes(0, 1).copy() for a in arrays]
    given = {}
    if masks in ("padding", "both"):
        given["key_padding_mask"] = np.arange(span) >= np.array([5, 3, 4])[:, None]
    if masks in ("boolean", "both"):
        given["attn_mask"] = drawn(length, span, seed=3) > 0.8
    if masks == "added":
        given["attn_mask"] = drawn(length, span, dtype=dtype, seed=3)
    if masks == "heads":
        given["attn_mask"] = drawn(n * 2, length, span, dtype=dtype, seed=3)
    for more in ({"need_weights": False}, {}, {"average_attn_weights": False}):
        for m in (ours, theirs):
            m.zero_grad()
        mine, its = ([make(a, requires_grad=True) for a in arrays] for make in (fa.tensor, torch.tensor))
        found = ours(*mine, **given, **more)
        wanted = theirs(*its, **{k: torch.tensor(v) for k, v in given.items()}, **more)
        assert (found[1] is None) == (wanted[1] is None)
        compare(ours, theirs, list(zip(mine, its, strict=True)), found, wanted, dtype)


@pytest.mark.parametrize("batch_first", [False, True])
def test_self_attention_and_inputs_without_a_batch(batch_first):
    torch = pytest.importorskip("torch")
    ours, theirs = twins("MultiheadAttention", 6, 3, batch_first=batch_first)
    for shape in ((4, 5, 6), (5, 6)):
        x = drawn(*shape)
        a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        for m in (ours, theirs):
            m.zero_grad()
        compare(ours, theirs, [(a, b)], ours(a, a, a), theirs(b, b, b))


def test_the_causal_mask_with_padding():
    torch = pytest.importorskip("torch")
    ours, theirs = twins("MultiheadAttention", 6, 2, batch_first=True)
    x = drawn(2, 4, 6)
    a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    padding = np.array([[False] * 4, [False, False, False, True]])
    above = ~np.tri(4, dtype=bool)
    found = ours(a, a, a, padding, is_causal=True)
    compare(ours, theirs, [(a, b)], found, theirs(b, b, b, torch.tensor(padding), attn_mask=torch.tensor(above)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [
    {}, {"norm_first": True, "batch_first": True}, {"activation": "gelu"}, {"bias": False, "batch_first": True}], ids=str)
def test_encoder_equals_pytorch(options, dtype):
    torch = pytest.importorskip("torch")
    options = {"dropout": 0.0, **options}
    ours, theirs = twins("TransformerEncoderLayer", 8, 2, 12, dtype=dtype, **options)
    mine = nn.TransformerEncoder(ours, 2, nn.LayerNorm(8, dtype=dtype))
    its = torch.nn.TransformerEncoder(theirs, 2, torch.nn.LayerNorm(8, dtype=getattr(torch, dtype)), enable_nested_tensor=False)
    assert list(mine.state_dict()) == list(its.state_dict())
    mine.load_state_dict({k: v + 0.01 * i for i, (k, v) in enumerate(its.state_dict().items())})
    its.load_state_dict({k: torch.tensor(v.numpy()) for k, v in mine.state_dict().items()})
    x = drawn(3, 4, 8, dtype=dtype)
    above = np.where(np.tri(4 if options.get("batch_first") else 3, dtype=bool), 0, -np.inf).astype(dtype)
    for mask in (None, above):
        for m in (mine, its):
            m.zero_grad()
        a, b = fa.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        found, wanted = mine(a, mask), its(b, None if mask is None else torch.tensor(mask))
        compare(mine, its, [(a, b)], [found], [wanted], dtype)


# ---- without PyTorch ---------------------------------------------------------------------------------
def test_one_head_by_hand():
    layer = nn.MultiheadAttention(2, 1, batch_first=True, dtype="float64")
    w, b = drawn(6, 2), drawn(6, seed=1)
    layer.load_state_dict({"in_proj_weight": w, "in_proj_bias": b, "out_proj.weight": np.eye(2), "out_proj.bias": np.ones(2)})
    x = drawn(3, 2, seed=2)
    q, k, v = (x @ w[i:i + 2].T + b[i:i + 2] for i in (0, 2, 4))
    e = np.exp(q @ k.T / np.sqrt(2))
    p = e / e.sum(axis=1, keepdims=True)
    y, weights = layer(fa.tensor(x), fa.tensor(x), fa.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), p @ v + 1, rtol=1e-12)
    np.testing.assert_allclose(weights.detach().numpy(), p, rtol=1e-12)


def test_dropout_is_for_training_only():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
    x = fa.tensor(drawn(2, 3, 8, dtype="float32"))
    fa.manual_seed(0)
    first, second = layer(x).detach().numpy(), layer(x).detach().numpy()
    assert not np.allclose(first, second)
    layer.eval()
    np.testing.assert_array_equal(layer(x).detach().numpy(), layer(x).detach().numpy())


def test_a_copy_begins_with_the_same_values_and_goes_its_own_way():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    net = nn.TransformerEncoder(layer, 3)
    twin = copy.deepcopy(net)
    net(fa.ones((2, 2, 8), dtype="float32")).sum().backward()
    assert len(list(net.parameters())) == 36 and all(p.grad is None for p in (*layer.parameters(), *twin.parameters()))
    names = [name for name, _ in net.named_parameters()]
    assert names[0] == "layers.0.self_attn.in_proj_weight" and "layers.2.norm2.bias" in names


def test_initial_values():
    layer = nn.MultiheadAttention(64, 4, generator=np.random.default_rng(0))
    w = layer.in_proj_weight.detach().numpy()
    assert abs(w).max() <= np.sqrt(6 / 256) < abs(w).max() * 1.01 and abs(w.mean()) < 2e-3
    assert not layer.in_proj_bias.detach().numpy().any() and not layer.out_proj.bias.detach().numpy().any()


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda q, k, v: attention(q, k[:, :3], v), ValueError, r"must share E and S, got shapes \(2, 4\), \(3, 3\) and \(3, 5\)"),
    (lambda q, k, v: attention(q, k, v[:2]), ValueError, "must share E and S"),
    (lambda q, k, v: attention(q[0], k, v), ValueError, r"\(..., length, width\), got shape \(4,\)"),
    (lambda q, k, v: attention(q.astype(int), k, v), TypeError, "the query must be float, got int64"),
    (lambda q, k, v: attention(q, k.astype("float32"), v), TypeError, "query is float64 and the key float32"),
    (lambda q, k, v: attention(q, k, v, np.ones((2, 2), bool)), ValueError, r"mask \(2, 2\) do not broadcast"),
    (lambda q, k, v: attention(q, k, v, np.ones((2, 3), int)), TypeError, "attn_mask must be boolean or float, got int64"),
    (lambda q, k, v: attention(q, k, v, np.ones((2, 3), bool), is_causal=True), ValueError, "attn_mask or is_causal, not both"),
    (lambda q, k, v: attention(q, k, v, dropout_p=1.5), ValueError, "dropout_p"),
    (lambda q, k, v: attention(q[None, None], k[None, None].repeat(2, 0), v[None, None].repeat(3, 0)), ValueError, "do not broadcast"),
    (lambda q, k, v: attention(q, k, v, enable_gqa=True), ValueError, "enable_gqa"),
    (lambda q, k, v: attention(*(t[None].repeat(n, 0) for t, n in ((q, 3), (k, 2), (v, 2))), enable_gqa=True), ValueError, "multiple"),
    (lambda q, k, v: nn.MultiheadAttention(5, 2), ValueError, "2 heads do not divide embed_dim=5"),
    (lambda q, k, v: nn.MultiheadAttention(4, 0), ValueError, "num_heads must be at least 1"),
    (lambda q, k, v: nn.MultiheadAttention(4, 2, dropout=2), ValueError, "dropout"),
    (lambda q, k, v: nn.MultiheadAttention(4, 2)(fa.ones((3, 5)), fa.ones((3, 4)), fa.ones((3, 4))), ValueError, "the query must be"),
    (lambda q, k, v: nn.MultiheadAttention(4, 2)(*(fa.ones((n, 2, 4)) for n in (3, 4, 5))), ValueError, "one length and all one batch"),
    (lambda q, k, v: nn.MultiheadAttention(4, 2)(*[fa.ones((3, 2, 4), dtype="float32")] * 3, attn_mask=np.ones((2, 2), bool)),
     ValueError, r"attn_mask must have shape \(3, 3\) or \(4, 3, 3\), got \(2, 2\)"),
    (lambda q, k, v: nn.MultiheadAttention(4, 2)(*[fa.ones((3, 2, 4), dtype="float32")] * 3, np.ones((3, 3), bool)),
     ValueError, r"key_padding_mask must have shape \(2, 3\)"),
    (lambda q, k, v: nn.MultiheadAttention(4, 2)(*[fa.ones((3, 2, 4))] * 3), TypeError, "float64"),
    (lambda q, k, v: nn.TransformerEncoderLayer(4, 2, activation="swish"), ValueError, "'relu', 'gelu' or a function, got 'swish'"),
    (lambda q, k, v: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), 0), ValueError, "num_layers must be at least 1"),
])
def test_what_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call(drawn(2, 4), drawn(3, 4, seed=1), drawn(3, 5, seed=2))
