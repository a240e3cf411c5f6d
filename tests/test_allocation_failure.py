"""Memory that runs out, at every single allocation of small programs: MemoryError and nothing else, nothing leaked, no
leaf half-written, and the same program right afterwards, bit for bit."""
import gc
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from small_programs import PROGRAMS, THROUGH_NUMPY, Record, bits, deep

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


def disturbed(program, record, fail, stop):
    """What a program gives while an allocation fails: None for a MemoryError; and the file that raised it."""
    fail()
    try:
        results = program(record)
    except MemoryError as error:
        stop()
        place = error.__traceback__
        while place.tb_next:
            place = place.tb_next
        return None, place.tb_frame.f_code.co_filename
    finally:
        stop()
    return [bits(x) for x in results], ""


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
        record = Record()
        results, _ = disturbed(program, record, lambda n=n: storage.fail_allocation(n), lambda: None)
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


def wide_frame():
    """A function that calls f() with room for its frames: CPython 3.11 raises SystemError where it cannot get more."""
    names = {}
    exec("def wide(f):\n" + "".join(f"    v{i} = 0\n" for i in range(2500)) + "    return f()\n", names)
    return names["wide"]


@pytest.mark.skipif(not hasattr(_testcapi, "set_nomemory"), reason="this Python has no _testcapi.set_nomemory")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython 3.12 and 3.13 crash in pure Python where objects find no memory")
@pytest.mark.parametrize("program", [p for p in PROGRAMS if p not in [*THROUGH_NUMPY, deep]], ids=lambda p: p.__name__)
def test_every_allocation_of_objects(program, own_memory):
    expected, right = run(program)
    x, wide = fa.tensor([1.0] * 30, requires_grad=True), wide_frame()
    failures = successes = 0
    n = 10**6                             # at first, undisturbed

    def attempt():
        record = Record()
        mark, record.mark = record.mark, lambda: None
        held = [(x * 1)[1:] for _ in range(200)]               # nothing is left of the objects kept for reuse
        outcome = disturbed(program, record, lambda: _testcapi.set_nomemory(n - 1, n), _testcapi.remove_mem_hooks)
        record.mark = mark
        check_leaves(record, right, f"allocation {n}")
        return outcome, held

    gc.disable()
    attempt()
    before, n = in_use(), 0
    try:
        while successes < 40:             # some failures are survived: that of a cache, or of a traceback
            n += 1
            (results, place), held = wide(attempt)
            assert results in (None, expected), f"allocation {n}"
            assert fa.is_grad_enabled()
            assert run(program)[0] == expected, f"after allocation {n}"
            failures, successes = failures + (results is None), 0 if results is None else successes + 1
            del held
            after = in_use()
            if place.endswith(".pyx"):    # Python itself does lose things: list(x) does
                assert after == before, f"allocation {n}: something is left"
            before = after
    finally:
        gc.enable()
    assert failures > 20


@pytest.mark.skipif(storage.DEBUG, reason="the debug build keeps no blocks")
def test_kept_blocks_are_given_up_before_memory_runs_out():
    numbers = np.zeros(777_777)
    held = [fa.tensor(numbers[:1000]) for _ in range(5)]
    del held                              # into the pool
    storage.fail_allocation(1)
    x = fa.tensor(numbers)                # no block of that size is kept: the first try fails, the second does not
    assert storage.fail_allocation(0) == 0 and x.size == 777_777


@pytest.mark.parametrize("make", [
    lambda p: fa.optim.SGD([p], lr=0.1, momentum=0.9, dampening=0.5), lambda p: fa.optim.Adam([p], lr=0.1, amsgrad=True),
    lambda p: fa.optim.NAdam([p], lr=0.1, l1=0.1), lambda p: fa.optim.Rprop([p], lr=0.1)])
def test_a_step_that_failed_can_be_taken_again(make, own_memory):
    def parameter():
        p = fa.tensor(np.arange(30.0).reshape(5, 6)).T        # not dense: stepped as a copy
        p.grad = fa.tensor(np.ones((5, 6))).T
        return p

    right = parameter()
    make(right).step()
    for n in counting():
        p = parameter()
        optimizer = make(p)
        storage.fail_allocation(n)
        try:
            optimizer.step()
        except MemoryError:
            assert bits(p) == bits(parameter())
            optimizer.step()
        else:
            assert storage.fail_allocation(0)
            break
        assert bits(p) == bits(right), f"after allocation {n}"
    assert n > 3


def test_the_threads_mode_survives_a_failure_while_leaving_no_grad():
    with pytest.raises(MemoryError), fa.no_grad(), fa.enable_grad():
        storage.keep_blocks(False)
        try:
            storage.fail_allocation(1)
            fa.tensor([1.0] * 30)
        finally:
            storage.keep_blocks(True)
    assert fa.is_grad_enabled()
    block = fa.no_grad()
    with block, fa.enable_grad(), block:                      # one object, entered inside its own block
        assert not fa.is_grad_enabled()
    assert fa.is_grad_enabled()
