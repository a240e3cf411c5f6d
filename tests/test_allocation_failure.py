"""Memory that runs out, at every single allocation of small programs: MemoryError and nothing else, nothing leaked, no
leaf half-written, and the same program right afterwards, bit for bit."""
import gc
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from small_programs import PROGRAMS, Record, bits

import fastad as fa
from fastad._core import storage

try:
    import _testcapi  # part of most builds of CPython, not of all
except ImportError:
    _testcapi = None


@contextmanager
def nothing_unraisable():
    seen = []
    before, sys.unraisablehook = sys.unraisablehook, lambda info: seen.append(f"{info.exc_value!r} in {info.object!r}")
    try:
        yield
    finally:
        sys.unraisablehook = before
    assert not seen


@pytest.fixture
def own_memory():
    """Every array has memory of its own, so that every array can fail and be counted."""
    storage.keep_blocks(False)
    gc.collect()
    gc.freeze()                           # what is here already need not be looked at hundreds of times
    try:
        with nothing_unraisable():
            yield
    finally:
        gc.unfreeze()
        storage.keep_blocks(True)


def in_use():
    """Memory of arrays and walks, and how many objects of ours there are."""
    gc.collect()
    ours = [o for o in gc.get_objects() if str(type(o).__module__).startswith("fastad")]
    return storage.allocations_in_use(), len(ours)


def counting():
    """1, 2, ... 150, then in steps of 10 %: the graph of 10,000 nodes has 30,000 allocations."""
    n = 0
    while True:
        n += 1 + (n // 10 if n >= 150 else 0)
        yield n


def run(program):
    record = Record()
    return [bits(x) for x in program(record)], record


def disturbed(program, arm, disarm):
    """Run a program with an allocation that fails.  What it gave (None if it failed) and its leaves."""
    record = Record()
    arm()
    try:
        results = program(record)
    except MemoryError:
        return None, record
    finally:
        disarm()
    return [bits(x) for x in results], record


def check_leaves(record, right, where):
    """Every leaf holds what it holds at some mark of the undisturbed program."""
    for k, t in enumerate(record.leaves):
        assert record.state(t) in right.states[k], f"{where}: leaf {k} is half-written"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_every_allocation_of_arrays_and_walks(program, own_memory):
    expected, right = run(program)        # caches of layouts and constants are filled, and stay
    assert run(program)[0] == expected
    before = in_use()
    for n in counting():
        results, record = disturbed(program, lambda n=n: storage.fail_allocation(n), lambda: None)
        left = storage.fail_allocation(0)
        assert (left > 0) == (results is not None), f"allocation {n} failed unseen"
        check_leaves(record, right, f"allocation {n}")
        assert fa.is_grad_enabled()
        del record
        assert run(program)[0] == expected, f"after allocation {n}"
        assert in_use() == before, f"allocation {n}: something is left"
        if left:
            break
    assert results == expected and n > 3


def test_kept_blocks_are_given_up_before_memory_runs_out():
    numbers = np.zeros(777_777)
    held = [fa.tensor(numbers[:1000]) for _ in range(5)]
    del held                              # into the pool
    storage.fail_allocation(1)
    x = fa.tensor(numbers)                # no block of that size is kept: the first try fails, the second does not
    assert storage.fail_allocation(0) == 0 and x.size == 777_777
