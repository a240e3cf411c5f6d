"""Random programs against PyTorch: values, gradients, and for a part of them second derivatives.

Hypothesis draws a list of integers, and each becomes one operation on values that are there already, so a failing program
shrinks to few and simple operations.  Programs stay where derivatives are tame: results are scaled back to [-3, 3], and an
operation with a kink is left out where an element is near it.  FASTAD_PROGRAMS sets how many are run.
"""
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program_operations import BINARY, UNARY, Skip, Value, need

import fastad as fa

torch = pytest.importorskip("torch")

PROGRAMS = int(os.environ.get("FASTAD_PROGRAMS", "300"))
LENGTH = 30                                # operations
TRIES = 8                                  # kinds of operation, until one suits its operands
BOUND = 3.0
SHAPES = [(3,), (2, 3), (), (1, 3), (2, 1), (2, 2, 3), (4,), (3, 1, 2)]
KINDS = len(UNARY) + 2 * len(BINARY)       # those of two values twice as often


def tame(v):
    """v scaled back into the bound by a power of two."""
    top = float(np.abs(v.plain).max())
    need(np.isfinite(top))
    if top <= BOUND:
        return v
    scale = float(2.0 ** -np.ceil(np.log2(top / BOUND)))
    return Value(v.f * scale, v.t * scale)


def operation(code, values):
    """What a code says: one operation on a recent value, and for two on any other; or Skip."""
    code, at = divmod(code, 8)
    n, kind = divmod(code, KINDS)
    x = values[-1 - at % min(len(values), 8)]
    if kind >= 2 * len(BINARY):
        return UNARY[kind - 2 * len(BINARY)](x, n)
    n, other = divmod(n, 16)
    return BINARY[kind // 2](x, values[-1 - other % len(values)], n)


def execute(program, leaves):
    """The values in order.  Where an operation does not suit its operands one of the next that does takes its place."""
    values = list(leaves)
    for code in program:
        for k in range(TRIES):
            try:
                v = operation(code + k * 8, values)
                need(all(v.f is not w.f and v.t is not w.t for w in values))
                values.append(tame(v))
                break
            except Skip:
                continue
    return values


def made(seed, narrow):
    """Three leaves, the second over a reversed array's memory; with `narrow`, some of them float32."""
    rng = np.random.default_rng(seed)
    leaves = []
    for i in range(3):
        single = narrow and (1 + seed % 7) >> i & 1
        a = np.asarray(rng.uniform(-2, 2, SHAPES[(seed >> 3 * i) % len(SHAPES)])).astype("f4" if single else "f8")
        f = fa.from_numpy(a.T[..., ::-1].copy()[..., ::-1].T).requires_grad_() if i == 1 and a.ndim else fa.tensor(a, requires_grad=True)
        leaves.append(Value(f, torch.tensor(a, requires_grad=True)))
    return leaves


def weighted(values):
    """One number out of all of them, each element with a weight of its own."""
    total = None
    for k, v in enumerate(values):
        w = np.cos(np.arange(v.f.size) + k).reshape(v.shape).astype(v.f.dtype)
        part = Value((v.f * w).sum().astype("f8"), (v.t * torch.tensor(w)).sum().to(torch.float64))
        total = part if total is None else Value(total.f + part.f, total.t + part.t)
    return total


def compare(ours, theirs, tolerance, scale, what):
    a = np.zeros(theirs.shape) if ours is None else ours.detach().numpy()
    b = theirs.detach().numpy(force=True)          # PyTorch keeps some zeros without memory
    assert a.shape == b.shape, what
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(scale, float(np.abs(b).max(initial=0))), err_msg=what)


def largest(tensors):
    return max([1.0, *(float(t.detach().abs().max()) for t in tensors if t is not None and t.numel())])


def check(seed, program, narrow=False, second=False):
    leaves = made(seed, narrow)
    values = execute(program, leaves)
    tolerance = 1e-4 if any(v.t.dtype == torch.float32 for v in values) else 1e-10
    for k, v in enumerate(values):
        assert v.shape == tuple(v.t.shape) and str(v.f.dtype) == str(v.t.dtype)[6:], f"value {k}: {v.f.dtype}{v.shape} and {v.t.dtype}{tuple(v.t.shape)}"
        assert v.f.requires_grad and v.t.requires_grad, f"value {k}: requires_grad"
        compare(v.f, v.t, tolerance, 1, f"value {k}")
    loss = weighted(values[3:] or values)
    wanted = torch.autograd.grad(loss.t, [v.t for v in values], create_graph=second, allow_unused=True)
    found = fa.autograd.grad(loss.f, [v.f for v in values], create_graph=second, retain_graph=True, allow_unused=True)
    for k, (v, o, w) in enumerate(zip(values, found, wanted, strict=True)):
        assert (o is None) == (w is None), f"gradient {k}: one is None"
        if o is not None:                  # how large gradients are from here on bounds what rounding makes of them
            assert o.dtype == v.f.dtype and o.shape == v.shape
            compare(o, w, tolerance, largest(wanted[k:]), f"gradient {k}")
    if second:
        check_second(leaves, [Value(o, w) for o, w in zip(found[:3], wanted[:3], strict=True) if o is not None], 100 * tolerance * largest(wanted))
        return values
    loss.f.backward()
    for k, (x, w) in enumerate(zip(leaves, wanted, strict=False)):
        assert (x.f.grad is None) == (w is None), f"leaf {k}: one is None"
        if w is not None:
            compare(x.f.grad, w, tolerance, largest(wanted), f"leaf {k}")
    return values


def check_second(leaves, gradients, tolerance):
    """The derivatives of a weighted sum of the gradients that have a graph."""
    gradients = [g for g in gradients if g.f.requires_grad and g.t.requires_grad]
    if not gradients:
        return
    total = weighted(gradients)
    theirs = torch.autograd.grad(total.t, [x.t for x in leaves], allow_unused=True)
    ours = fa.autograd.grad(total.f, [x.f for x in leaves], allow_unused=True)
    for i, (o, w) in enumerate(zip(ours, theirs, strict=True)):
        if w is not None or o is not None:
            compare(o, torch.zeros(leaves[i].shape) if w is None else w, tolerance, largest(theirs), f"second derivative {i}")


codes = st.integers(0, 2**24 - 1)          # beyond 24 bits Hypothesis prefers small numbers
programs = st.integers(1, LENGTH).flatmap(lambda n: st.lists(codes, min_size=n, max_size=n))


def many(share):
    return settings(max_examples=max(1, int(PROGRAMS * share)), deadline=None, database=None,
                    suppress_health_check=list(HealthCheck))


@many(0.5)
@given(st.integers(0, 511), programs)
def test_gradients(seed, program):
    check(seed, program)


@many(0.3)
@given(st.integers(0, 511), programs)
def test_second_derivatives(seed, program):
    check(seed, program, second=True)


@many(0.2)
@given(st.integers(0, 511), programs)
def test_single_and_double_precision(seed, program):
    check(seed, program, narrow=True)


def test_programs_are_worth_running():
    """Nearly every code becomes an operation."""
    rng = np.random.default_rng(0)
    used = np.mean([len(check(int(rng.integers(512)), [int(c) for c in rng.integers(0, 2**24, LENGTH)])) - 3 for _ in range(20)])
    assert used > 0.9 * LENGTH
