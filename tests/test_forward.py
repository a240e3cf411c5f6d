"""The forward walk over every primitive, driven by the registry: against the backward walk, with leading axes, to third order.

The oracle for first derivatives is the backward walk, which has oracles of its own; for third derivatives, central
differences of exact second ones.
"""
import numpy as np
import pytest
from samples import all_samples
from test_operations import close, cotangents, drawn, leaves, outputs, plain, tensors

import fastad as fa
from fastad._core import make as core

SAMPLES = all_samples()
pytestmark = pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
everywhere = pytest.mark.parametrize("sample", SAMPLES, ids=str)
both = pytest.mark.parametrize("dtype", (np.float32, np.float64), ids=["f32", "f64"])


def run(sample, args):
    return [y for y in outputs(sample.function(*args, **sample.kwargs)) if y.requires_grad]


def directions(xs, seed, lead=()):
    rng = np.random.default_rng(seed)
    return [fa.tensor(np.asarray(rng.normal(size=lead + x.shape)).astype(x.dtype)) for x in xs]


def zeros_for_none(found, like, lead=()):
    return [fa.zeros(lead + y.shape, dtype=y.dtype) if t is None else t for t, y in zip(found, like, strict=True)]


def tangents(xs, ys, vs, recording=False, lead=()):
    return zeros_for_none(core.push(xs, ys, vs, len(lead), recording), ys, lead)


@everywhere
@both
def test_forward_agrees_with_reverse(sample, dtype):
    """<g, J v> computed both ways"""
    args = tensors(sample, drawn(sample, dtype))
    ys, xs = run(sample, args), leaves(args)
    vs = directions(xs, 4)
    found = tangents(xs, ys, vs)
    gs = [fa.tensor(g) for g in cotangents(ys)]
    adjoints = zeros_for_none(core.pull(ys, xs, gs, 0, False, True), xs)
    for t, y in zip(found, ys, strict=True):
        assert t.shape == y.shape and t.dtype == y.dtype and not t.requires_grad
    forward = [(plain(g).astype(np.float64) * plain(t)).ravel() for g, t in zip(gs, found, strict=True)]
    reverse = [(plain(a).astype(np.float64) * plain(v)).ravel() for a, v in zip(adjoints, vs, strict=True)]
    scale = max([1.0] + [float(np.abs(part).sum()) for part in forward + reverse])
    error = abs(sum(p.sum() for p in forward) - sum(p.sum() for p in reverse))
    assert error <= (1e-5 if dtype is np.float32 else 1e-12) * scale, f"{sample}: {error / scale}"


@everywhere
@both
def test_recorded_tangents_are_the_raw_ones(sample, dtype):
    args = tensors(sample, drawn(sample, dtype))
    ys, xs = run(sample, args), leaves(args)
    vs = directions(xs, 4)
    for raw, traced in zip(tangents(xs, ys, vs), tangents(xs, ys, vs, recording=True), strict=True):
        close(plain(raw), plain(traced), dtype, f"{sample}: raw against traced", 4)


@everywhere
@pytest.mark.parametrize("recording", [False, True])
def test_leading_axes_on_the_tangents(sample, recording):
    args = tensors(sample, drawn(sample, np.float64))
    ys, xs = run(sample, args), leaves(args)
    lead = (2, 3)
    vs = directions(xs, 5, lead)
    several = tangents(xs, ys, vs, recording, lead)
    for j in np.ndindex(lead):
        one = tangents(xs, ys, [fa.tensor(plain(v)[j]) for v in vs])
        for s, o in zip(several, one, strict=True):
            assert s.shape == lead + o.shape, f"{sample}: {s.shape}"
            close(plain(s)[j], plain(o), np.float64, f"{sample}: leading axes")


@everywhere
def test_inputs_without_a_tangent(sample):
    """The tangent by all inputs is the sum of those by each alone."""
    args = tensors(sample, drawn(sample, np.float64))
    ys, xs = run(sample, args), leaves(args)
    for lead in ((), (2,)):
        vs = directions(xs, 6, lead)
        together = tangents(xs, ys, vs, False, lead)
        for recording in (False, True):
            alone = [tangents([x], ys, [v], recording, lead) for x, v in zip(xs, vs, strict=True)]
            for k, t in enumerate(together):
                close(plain(t), sum(plain(a[k]) for a in alone), np.float64, f"{sample}: one input at a time", 4)


def second(sample, arrays, vs, gs, order):
    """<g, d^2 y / dt^2> along v, by two nested walks: forward ("f") or reverse ("r"), the outer named first."""
    args = tensors(sample, arrays)
    ys, xs = run(sample, args), leaves(args)
    total = None
    if order[1] == "f":
        first = core.push(xs, ys, vs, 0, True)
        pairs = [(t, g) for t, g in zip(first, gs, strict=True) if t is not None]
    else:
        first = core.pull(ys, xs, gs, 0, True, True)
        pairs = [(t, v) for t, v in zip(first, vs, strict=True) if t is not None]
    for t, c in pairs:
        part = (t * c).sum()
        total = part if total is None else total + part
    if total is None or not total.requires_grad:
        return None, xs, vs
    if order[0] == "f":
        t, = core.push(xs, [total], vs, 0, True)
        return t, xs, vs
    found = core.pull([total], xs, [fa.ones(())], 0, True, True)
    total = None
    for a, v in zip(found, vs, strict=True):
        if a is not None:
            total = (a * v).sum() if total is None else total + (a * v).sum()
    return total, xs, vs


@everywhere
def test_the_four_ways_to_a_second_derivative_agree(sample):
    arrays = drawn(sample, np.float64)
    args = tensors(sample, arrays)
    ys, xs = run(sample, args), leaves(args)
    vs, gs = directions(xs, 4), [fa.tensor(g) for g in cotangents(ys)]
    values = []
    for order in ("ff", "fr", "rf", "rr"):
        t, _, _ = second(sample, arrays, vs, gs, order)
        values.append(0.0 if t is None else t.item())
    scale = max(1.0, *map(abs, values))
    assert np.ptp(values) <= 1e-10 * scale, f"{sample}: {dict(zip(('ff', 'fr', 'rf', 'rr'), values, strict=True))}"


@everywhere
@pytest.mark.parametrize("third", ["f", "r"])
def test_third_derivative_by_central_differences(sample, third):
    arrays = drawn(sample, np.float64)
    args = tensors(sample, arrays)
    ys, xs = run(sample, args), leaves(args)
    vs, gs = directions(xs, 4), [fa.tensor(g) for g in cotangents(ys)]
    order = "fr" if third == "f" else "rf"

    def at(step):
        vectors = iter(vs)
        moved = [np.asarray(a + step * plain(next(vectors))) if isinstance(t, fa.Tensor) and t.requires_grad else a
                 for a, t in zip(arrays, args, strict=True)]
        t, _, _ = second(sample, moved, vs, gs, order)
        return 0.0 if t is None else t.item()

    t, xs, _ = second(sample, arrays, vs, gs, order)
    exact = 0.0
    if t is not None and t.requires_grad:
        if third == "f":
            found = core.push(xs, [t], vs, 0, False)
            exact = 0.0 if found[0] is None else found[0].item()
        else:
            found = core.pull([t], xs, [fa.ones(())], 0, False, True)
            exact = sum(float((plain(a) * plain(v)).sum()) for a, v in zip(found, vs, strict=True) if a is not None)
    h = 1e-4                               # and half of it: what is left of the error falls with the fourth power
    whole, half = [(at(s) - at(-s)) / (2 * s) for s in (h, h / 2)]
    numeric = (4 * half - whole) / 3
    scale = max(1.0, abs(exact), abs(at(0.0)))
    assert abs(numeric - exact) <= 1e-5 * scale, f"{sample}: {numeric} and {exact}"


# ---- what the walk itself does -------------------------------------------------------------------------
def test_a_tangent_reaches_only_what_depends_on_it():
    x, w = fa.tensor(2.0, requires_grad=True), fa.tensor(3.0, requires_grad=True)
    y, z = x * w, w * w
    assert [None if t is None else t.item() for t in core.push([x], [y, z], [fa.tensor(1.0)], 0, False)] == [3.0, None]


@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize("view", [lambda x: x.reshape(2, 1), lambda x: x.T, lambda x: x[:1], lambda x: x * 1], ids=["shape", "T", "part", "copy"])
def test_a_tangent_that_is_given_away_has_memory_of_its_own(view, recording):
    x, v = fa.tensor([1.0, 2.0], requires_grad=True), fa.tensor([3.0, 4.0])
    t, = core.push([x], [view(x)], [v], 0, recording)
    with fa.no_grad():
        t += 10
    assert v.tolist() == [3, 4]


def test_older_nodes_are_left_alone():
    """What was recorded before `mark` cannot depend on inputs made after it, so no walk visits it."""
    w = fa.tensor(3.0, requires_grad=True)
    history = w * 1
    for _ in range(1_000):
        history = history * 1
    since = core.mark()
    x = fa.tensor(2.0, requires_grad=True)
    y = x * history
    before = [n for n, _ in [y.grad_fn.inputs[1]]]
    assert core.push([x], [y], [fa.tensor(1.0)], 0, False, since)[0].item() == 3.0
    assert core.pull([y], [x], [fa.tensor(1.0)], 0, False, True, since)[0].item() == 3.0
    assert before[0].serial <= since < y.grad_fn.serial
    y.backward()
    assert w.grad.item() == 2.0


def test_a_forward_walk_refuses_what_was_changed_or_freed():
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    w = fa.tensor([3.0, 4.0])
    y = x * w
    w += 1
    with pytest.raises(RuntimeError, match=r"multiply.*changed in place"):
        core.push([x], [y], [fa.ones(2)], 0, False)
    y = x * x
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        core.push([x], [y], [fa.ones(2)], 0, False)


def test_a_long_chain_needs_no_stack():
    x = fa.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y * 1.0
    t, = core.push([x], [y], [fa.tensor(2.0)], 0, False)
    assert t.item() == 2.0


def test_no_recording_leaks_from_a_walk():
    x = fa.tensor(1.0, requires_grad=True)
    y = x.exp().exp()
    with fa.no_grad():
        t, = core.push([x], [y], [fa.tensor(1.0)], 0, True)
        assert t.requires_grad and not (x * 2).requires_grad
