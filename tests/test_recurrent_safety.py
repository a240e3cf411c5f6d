"""The sequence primitives under everything that may be done to them: shared and changed arguments, graphs walked again,
observers, checkpoints, threads, forks, memory that runs out, and bad input."""
import gc
import inspect
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from test_recurrent import STATES, drawn, every_cell, fused, gradients, leaves, pack, seeds, values
from test_threads import Witness, in_threads

import fastad as fa
from fastad._core import storage
from fastad.observers.anomaly import AnomalyError


def same(found, expected, tolerance=1e-12):
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)


# ---- arguments that are one tensor, or need no gradient ----------------------------------------------
@every_cell
def test_one_tensor_in_several_places(cell):
    """W_ih is W_hh, h0 is c0, b_ih is b_hh: the shares add up."""
    x, state, weights = drawn(cell, inputs=4)
    weights[1], weights[3] = weights[0], weights[2]
    state = state[:1] * len(state)
    apart = leaves(x, state, weights)
    outputs = fused(cell, apart)
    gs = seeds(outputs)
    expected = gradients(outputs, apart, gs)
    k = STATES[cell]
    x, s, w, b = leaves(x, state[:1], [weights[0], weights[2]])
    found = gradients(fa.recurrent(cell, x, (s,) * k, w, w, b, b), [x, s, w, b], gs)
    same(found, [expected[0], sum(expected[1:1 + k]), expected[1 + k] + expected[2 + k], expected[3 + k] + expected[4 + k]])
    # added into by the kernels: `.grad` has something in it, and the tensors are used once more behind
    (fused(cell, [x, *(s,) * k, w, w, b, b])[0] * gs[0]).sum().backward()
    first = values([t.grad for t in (x, s, w, b)])
    y = fused(cell, [x, *(s,) * k, w, w, b, b])[0]
    ((y * gs[0]).sum() + (w * w).sum() + (b * b).sum()).backward()
    same(values([t.grad for t in (x, s, w, b)]), [2 * first[0], 2 * first[1], 2 * first[2] + 2 * w.detach().numpy(),
                                                  2 * first[3] + 2 * b.detach().numpy()])


def test_packed_rows_that_are_the_initial_state():
    rng = np.random.default_rng(0)
    a, w = fa.tensor(rng.normal(size=(3, 4)), requires_grad=True), fa.tensor(rng.normal(size=(4, 4)), requires_grad=True)
    y, h = fa.recurrent("rnn_tanh", a, (a,), w, w, batch_sizes=[3])
    found = gradients([y], [a, w], [np.ones((3, 4))])
    z = fa.tanh(fa.linear(a, w) + fa.linear(a, w))
    same(found, gradients([z], [a, w], [np.ones((3, 4))]))
    same(values([y, h]), values([z, z]))


@every_cell
def test_every_choice_of_what_needs_a_gradient(cell):
    """Whatever is left out, the rest is the same to the bit; and each output alone."""
    data = drawn(cell)
    args = leaves(*data)
    outputs = fused(cell, args)
    gs = seeds(outputs)
    full = gradients(outputs, args, gs, retain_graph=True)
    alone = [gradients([o], args, [g], retain_graph=True) for o, g in zip(outputs, gs, strict=True)]
    same([sum(parts) for parts in zip(*alone, strict=True)], full, 1e-11)
    for k in range(len(args)):
        some = [a.detach().requires_grad_(i == k) for i, a in enumerate(args)]
        np.testing.assert_array_equal(gradients(fused(cell, some), [some[k]], gs)[0], full[k])
        others = [a.detach().requires_grad_(i != k) for i, a in enumerate(args)]
        found = gradients(fused(cell, others), others[:k] + others[k + 1:], gs)
        for f, e in zip(found, full[:k] + full[k + 1:], strict=True):
            np.testing.assert_array_equal(f, e)
    with fa.no_grad():
        assert not any(o.requires_grad for o in fused(cell, args))
    assert not any(o.requires_grad for o in fused(cell, [a.detach() for a in args]))


@every_cell
def test_a_state_of_none_is_zeros(cell):
    x, state, weights = drawn(cell)
    for reverse, sizes in ((False, None), (True, None), (False, [3, 2, 2]), (True, [3, 2, 2])):
        given = x if sizes is None else pack(x, [3, 3, 1])[0]
        a, b = leaves(given, [], weights), leaves(given, [0 * s for s in state], weights)
        options = {"batch_sizes": sizes, "reverse": reverse}
        ys, zs = fa.recurrent(cell, a[0], None, *a[1:], **options), fused(cell, b, **options)
        same(values(ys), values(zs))
        gs = seeds(ys)
        same(gradients(ys, a, gs), [g for i, g in enumerate(gradients(zs, b, gs)) if not 0 < i <= STATES[cell]])


# ---- the same graph again; values that change --------------------------------------------------------
@every_cell
def test_walks(cell):
    args = leaves(*drawn(cell))
    outputs = fused(cell, args)
    gs = seeds(outputs)
    first = gradients(outputs, args, gs, retain_graph=True)
    same(gradients(outputs, args, gs, retain_graph=True), first)
    same(gradients(outputs, args, gs, create_graph=True), first, 1e-11)
    outputs[0].sum().backward()
    with pytest.raises(RuntimeError, match=f"{cell}: backward through the graph a second time"):
        outputs[0].sum().backward()


@every_cell
def test_changes_in_place_are_told(cell):
    for k in range(6 + STATES[cell]):          # every argument, and y
        args = leaves(*drawn(cell))
        outputs = fused(cell, args)
        with fa.no_grad():
            changed = [*args, outputs[0]][k]
            changed *= 2
        with pytest.raises(RuntimeError, match=f"{cell}: .* changed in place"):
            outputs[-1].sum().backward()
    args = leaves(*drawn(cell))                # the final states are nobody's but the caller's
    outputs = fused(cell, args)
    expected = gradients(outputs[:1], args, seeds(outputs[:1]), retain_graph=True)
    with fa.no_grad():
        for o in outputs[1:]:
            o *= 2
    same(gradients(outputs[:1], args, seeds(outputs[:1])), expected)


@every_cell
def test_outputs_share_no_memory(cell):
    x, state, weights = drawn(cell, times=0)
    args = leaves(x, state, weights)
    outputs = fused(cell, args)
    assert outputs[0].shape == (0, 3, 4)
    for o, s in zip(outputs[1:], args[1:], strict=False):
        np.testing.assert_array_equal(o.detach().numpy(), s.detach().numpy())
        assert not np.shares_memory(o.detach().numpy(), s.detach().numpy())


@every_cell
@pytest.mark.parametrize("sizes", [(0, 2, 3, 4), (3, 0, 2, 4), (3, 2, 0, 4), (3, 2, 3, 0), (0, 0, 0, 0), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("window", [None, 1])
def test_sizes_of_nothing(cell, sizes, window):
    times, batch, _, hidden = sizes
    for given_state in (True, False):
        x, state, weights = drawn(cell, *sizes)
        args = leaves(x, state, weights)
        k = STATES[cell]
        outputs = fused(cell, args, window=window) if given_state else fa.recurrent(cell, args[0], None, *args[1 + k:], window=window)
        assert [o.shape for o in outputs] == [(times, batch, hidden), *[(batch, hidden)] * k]
        wanted = args if given_state else [args[0], *args[1 + k:]]
        for g, a in zip(gradients(outputs, wanted, seeds(outputs)), wanted, strict=True):
            assert g.shape == a.shape and np.isfinite(g).all()
            if 0 in (times, batch) and a is not args[1] and a is not args[k]:
                assert not g.any()


# ---- observers, traces, checkpoints, hooks -----------------------------------------------------------
@every_cell
def test_a_nan_in_the_input_is_found(cell):
    x, state, weights = drawn(cell)
    x[2, 1, 0] = np.nan
    args = leaves(x, state, weights)
    k = STATES[cell]
    with pytest.raises(AnomalyError, match=f"{cell}: .*NaN") as error, fa.detect_anomaly():
        fa.recurrent(cell, args[0], tuple(args[1:1 + k]), *args[1 + k:])       # the NaN is in x
    lines = inspect.getsource(sys.modules[__name__]).split("\n")
    line = next(n for n, text in enumerate(lines, 1) if text.endswith("# the NaN is in x"))
    assert f"{__file__}:{line}" in str(error.value) and "input 0 of shape (5, 3, 2)" in str(error.value)


@every_cell
def test_detect_anomaly_lets_finite_numbers_pass_and_finds_those_of_a_walk(cell):
    args = leaves(*drawn(cell))
    with fa.detect_anomaly():
        y, *_ = fused(cell, args)
        y.sum().backward()
    y = fused(cell, args)[0]
    y.register_hook(lambda g: g * np.nan)
    with pytest.raises(AnomalyError, match=cell), fa.detect_anomaly():
        y.sum().backward()


@every_cell
def test_trace(cell):
    args = leaves(*drawn(cell))
    t = fa.trace(lambda *a: fused(cell, a, reverse=True)[0].sum())(*args)
    rows = [row.expression for row in t if cell in row.expression]
    assert len(rows) == 1 and rows[0].startswith(f"{cell}(") and "batch_sizes" not in rows[0] and ", reverse=True)" in rows[0]
    assert np.allclose(t.result, fused(cell, args, reverse=True)[0].sum().item())


@every_cell
def test_checkpoint(cell):
    args = leaves(*drawn(cell))
    outputs = fused(cell, args)
    gs = seeds(outputs)
    expected = gradients(outputs, args, gs)
    outputs = fa.checkpoint(lambda *a: tuple(fused(cell, a)))(*args)
    same(gradients(outputs, args, gs, retain_graph=True), expected, 0)
    same(gradients(outputs, args, gs, create_graph=True), expected, 1e-11)


@every_cell
def test_hooks_on_outputs(cell):
    args = leaves(*drawn(cell))
    outputs = fused(cell, args)
    gs = seeds(outputs)
    expected = gradients(fused(cell, args), args, [2 * gs[0], *[0 * g for g in gs[1:-1]], 3 * gs[-1]])
    seen = []
    for o, factor in zip(outputs, [2, *[0] * (len(outputs) - 2), 3], strict=True):
        o.register_hook(lambda g, factor=factor: seen.append(g.shape) or g * factor)
    same(gradients(outputs, args, gs, retain_graph=True), expected)
    assert sorted(seen) == sorted(o.shape for o in outputs)


@every_cell
def test_a_leaf_that_is_switched_off_and_on(cell):
    x, *rest = leaves(*drawn(cell))
    rest[-1].requires_grad_(False)
    fused(cell, [x, *rest])[0].sum().backward()
    assert rest[-1].grad is None
    rest[-1].requires_grad_(True)
    fused(cell, [x, *rest])[0].sum().backward()
    assert rest[-1].grad is not None


# ---- threads, forks, memory --------------------------------------------------------------------------
@every_cell
def test_eight_threads(cell):
    """On shared weights: each thread's gradients are those of one alone."""
    x, state, weights = drawn(cell, times=12, batch=8, inputs=8, hidden=24, dtype=np.float32)
    shared = leaves(x, state, weights)

    def work(i):
        results = []
        for _ in range(5):
            outputs = fused(cell, shared)
            results += [g.tobytes() for g in gradients(outputs, shared, seeds(outputs, i))]
        return results
    expected = [work(i) for i in range(8)]
    assert in_threads(work) == expected


def test_long_sequences_let_other_threads_run_and_short_ones_do_not():
    long = leaves(*drawn("lstm", times=50, batch=8, inputs=64, hidden=64, dtype=np.float32))
    short = leaves(*drawn("rnn_tanh", times=10, batch=1, inputs=16, hidden=16, dtype=np.float32))
    y = fused("lstm", long)[0]
    g = fa.ones(y.shape, dtype=np.float32)
    with Witness() as witness:
        assert witness.runs_during(lambda: fused("lstm", long))
        assert witness.runs_during(lambda: fa.autograd.grad(y, long, g, retain_graph=True))
        assert not witness.runs_during(lambda: fused("rnn_tanh", short)[0].sum().backward(), 50)


@every_cell
def test_a_weight_that_changes_its_dtype_meanwhile(cell):
    """Another thread converts the weights while the sequence runs: the result is right, or an error says so."""
    module = fa.nn.Module()
    x, state, weights = drawn(cell, times=30, batch=8, inputs=32, hidden=64)
    weights = [0.1 * w for w in weights]       # or rounding errors grow from step to step
    for i, w in enumerate(weights):
        setattr(module, f"w{i}", fa.nn.Parameter(w))
    stop = threading.Event()

    def convert():
        k = 0
        while not stop.wait(0.0005):
            module.astype(np.float32 if k % 2 else np.float64)
            k += 1
    inputs = {d: [fa.tensor(a.astype(d)) for a in (x, *state)] for d in (np.dtype("f4"), np.dtype("f8"))}
    expected = fused(cell, [*inputs[np.dtype("f8")], *map(fa.tensor, weights)])[0].numpy()
    thread = threading.Thread(target=convert)
    thread.start()
    try:
        for _ in range(60):
            try:
                y = fused(cell, [*inputs[module.w0.dtype], *module.parameters()])[0]
                assert y.requires_grad
                np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-3, atol=1e-3)
                y.sum().backward()
            except (TypeError, RuntimeError) as error:
                assert "another dtype" in str(error) or "astype" in str(error)
    finally:
        stop.set()
        thread.join()
    y = fused(cell, [*inputs[module.w0.dtype], *module.parameters()])[0]
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_beside_a_sequence():
    code = """
import os, signal, threading, warnings
import numpy as np, fastad as fa
warnings.simplefilter("ignore", DeprecationWarning)
def run(n=40):
    x = fa.tensor(np.ones((n, 16, 64)), requires_grad=True)
    w = fa.tensor(np.full((256, 64), 0.01), requires_grad=True)
    fa.recurrent("lstm", x, None, w, w)[0].sum().backward()
    return float(w.grad.numpy().sum())
right = run()
stop = threading.Event()
def again():
    while not stop.is_set():
        assert run() == right
thread = threading.Thread(target=again)
thread.start()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        os._exit(0 if run() == right else 1)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
thread.join()
print("well")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"})
    assert done.stdout.strip() == "well", done.stderr


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize("options", [{}, {"window": 1}, {"batch_sizes": [3, 2, 2, 1], "reverse": True}], ids=str)
def test_every_allocation_that_fails(cell, options):
    """A MemoryError, nothing left behind, and the same result afterwards."""
    x, state, weights = drawn(cell, times=4, batch=3, inputs=5, hidden=8)
    if "batch_sizes" in options:
        x = pack(x, [4, 3, 1])[0]
    x = np.asfortranarray(x)                   # not dense: copied by both passes

    def program():
        args = leaves(x, state, weights, lambda a, requires_grad: fa.from_numpy(a).requires_grad_(requires_grad))
        y, *final = fused(cell, args, **options)
        (y.sum() + sum((f * f).sum() for f in final)).backward()
        return [t.grad.numpy().tobytes() for t in args]
    storage.keep_blocks(False)
    try:
        expected = program()
        gc.collect()
        gc.freeze()                            # what is here already need not be looked at each time
        before = storage.allocations_in_use()
        for n in range(1, 1000):
            storage.fail_allocation(n)
            try:
                found = program()
            except MemoryError:
                found = None
            left = storage.fail_allocation(0)
            gc.collect()
            assert (found is None) == (left == 0), f"allocation {n} failed unseen"
            assert storage.allocations_in_use() == before, f"allocation {n}: something is left"
            if left:
                break
        assert found == expected == program() and n > 10
    finally:
        gc.unfreeze()
        storage.fail_allocation(0)
        storage.keep_blocks(True)


# ---- bad input ---------------------------------------------------------------------------------------
def wrong(what, value):
    """Arguments of a small LSTM with one of them replaced."""
    x, state, weights = drawn("lstm")
    given = {"cell": "lstm", "x": x, "state": tuple(state), "w_ih": weights[0], "w_hh": weights[1], "b_ih": weights[2],
             "b_hh": weights[3]}
    return given | ({what: value} if isinstance(what, str) else dict(zip(what, value, strict=True)))


ZEROS = np.zeros
BAD = {
    "a cell": ("cell", "rnn", ValueError, "there is no cell 'rnn'; choose one of rnn_tanh, .*gru"),
    "features": ("x", ZEROS((5, 3, 7)), ValueError, r"lstm: the input has 7 features \(shape \(5, 3, 7\)\), but W_ih .* takes 2"),
    "axes": ("x", ZEROS((5, 2)), ValueError, r"lstm: the input must have shape \(times, batch, features\).*got shape \(5, 2\) without"),
    "no axes": ("x", 1.0, ValueError, r"got shape \(\) without"),
    "state": ("state", (ZEROS((2, 4)), ZEROS((3, 4))), ValueError, r"the initial state must have shape \(3, 4\) for 3 seq.*got \(2, 4\)"),
    "cells": ("state", (ZEROS((3, 4)), ZEROS((3, 5))), ValueError, r"the initial state must have shape \(3, 4\).*got \(3, 5\)"),
    "one state": ("state", (ZEROS((3, 4)),), ValueError, "its state is a tuple of 2 tensors.*got 1 of them"),
    "no tuple": ("state", ZEROS((2, 3, 4)), ValueError, "its state is a tuple of 2 tensors.*got ndarray"),
    "W_ih": ("w_ih", ZEROS((15, 2)), ValueError, r"W_ih must be \(4 \* hidden, inputs\), got shape \(15, 2\)"),
    "W_ih, 1-D": ("w_ih", ZEROS(16), ValueError, r"W_ih must be \(4 \* hidden, inputs\), got shape \(16,\)"),
    "W_ih at rest": (("w_ih", "state"), (ZEROS(16), None), ValueError, r"W_ih must be \(4 \* hidden, inputs\), got shape \(16,\)"),
    "W_hh": ("w_hh", ZEROS((16, 5)), ValueError, r"W_hh must have shape \(16, 4\).*W_ih of shape \(16, 2\), got \(16, 5\)"),
    "bias": ("b_hh", ZEROS(4), ValueError, r"b_hh must have shape \(16,\).*got \(4,\)"),
    "one bias": ("b_hh", None, ValueError, "give both biases or none"),
    "dtype": ("x", ZEROS((5, 3, 2), np.float32), TypeError, r"the input is float32 and W_ih float64; use astype\('float64'\)"),
    "dtype of a weight": ("w_hh", ZEROS((16, 4), np.float32), TypeError, "W_hh is float32 and W_ih float64"),
    "words": ("x", "words", TypeError, "str"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told(name):
    what, value, error, words = BAD[name]
    with pytest.raises(error, match=words):
        fa.recurrent(**wrong(what, value))


@pytest.mark.parametrize("sizes, error, words", [
    ([2, 3], ValueError, "never rise"), ([3, 3], ValueError, "add up to the 5 rows of the input"),
    ([3, 2, 0], ValueError, "must be positive"), ([6, -1], ValueError, "must be positive"), ([], ValueError, "add up to the 5 rows"),
    ([2**70, 5 - 2**70], ValueError, "must be positive"), ([3.0, 2.0], TypeError, "integers"), (5, TypeError, "integers"),
    (["3", "2"], TypeError, "integers"), ([2] * 20, ValueError, r"\.\.\. with sum 40"),
], ids=str)
def test_bad_batch_sizes_are_told(sizes, error, words):
    with pytest.raises(error, match=f"gru: .*{words}"):
        fa.recurrent("gru", ZEROS((5, 2)), None, ZEROS((6, 2)), ZEROS((6, 2)), batch_sizes=sizes)


def test_integers_are_no_weights():
    one = np.ones((1, 1), int)
    with pytest.raises(TypeError, match="rnn_relu: the weights are int64; use floats"):
        fa.recurrent("rnn_relu", np.ones((2, 1, 1), int), None, one, one)


def test_sizes_that_no_memory_holds():
    x = np.broadcast_to(np.float32(1), (1 << 40, 1 << 20, 1)) if sys.maxsize > 2**32 else None
    w = np.ones((4, 1), np.float32)
    with pytest.raises((MemoryError, ValueError)):
        fa.recurrent("lstm", fa.from_numpy(x), None, w, w)
    nothing = np.broadcast_to(np.float32(1), (1 << 40, 0, 1))
    assert fa.recurrent("lstm", fa.from_numpy(nothing), None, w, w)[0].shape == (1 << 40, 0, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex128])
@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
def test_dtypes_without_kernels_are_computed_by_the_formulas(cell, dtype):
    x, state, weights = drawn(cell)
    args = leaves(*[a.astype(dtype) if isinstance(a, np.ndarray) else [b.astype(dtype) for b in a] for a in (x, state, weights)])
    wide = leaves(x, state, weights)
    outputs, expected = fused(cell, args), fused(cell, wide)
    assert all(o.dtype == dtype for o in outputs)
    tolerance = 3e-2 if dtype == np.float16 else 1e-12
    same([np.real(o) for o in values(outputs)], values(expected), tolerance)
    if dtype != np.complex128:
        gs = seeds(expected)
        found = gradients(outputs, args, [g.astype(dtype) for g in gs])
        same(found, gradients(expected, wide, gs), 10 * tolerance)


