"""The same results first, then times taken alternately: fastad, peer, fastad, peer, ...

A machine's speed drifts within a second.  Members that take turns drift together, so the ratio of two
medians holds where the times themselves do not.
"""
import gc
from statistics import median
from time import perf_counter

import numpy as np

SHORTEST = 5e-3                                    # seconds: a shorter sample is repeated up to this
CHECKED_RUNS = 3                                   # a wrong optimizer shows in the second step


def arrays(result):
    """What a member returned (numbers, tensors of its library, lists of them) as a list of float64 arrays."""
    if isinstance(result, (list, tuple)):
        return [a for part in result for a in arrays(part)]
    if hasattr(result, "detach"):                  # a Tensor: PyTorch's, fastad's or the reference's
        result = result.detach()
        result = result.numpy() if hasattr(result, "numpy") else result.data
    elif hasattr(result, "creator"):               # MyGrad's
        result = result.data
    return [np.asarray(result, np.float64)]


def check(workload, members):
    """Run every member a few times; raise where one's last results differ from the first member's."""
    runs = {library: [run() for _ in range(CHECKED_RUNS)] for library, run in members.items()}
    results = {library: arrays(last) for library, (*_, last) in runs.items() if last is not None}
    (first, expected), *others = results.items()
    for library, got in others:
        if len(got) != len(expected):
            counts = f"{len(got)} results, {first} {len(expected)}"
            raise AssertionError(f"{workload.name}: {library} returns {counts}")
        for i, (a, b) in enumerate(zip(got, expected, strict=True)):
            error = np.linalg.norm(a.ravel() - b.ravel()) / max(np.linalg.norm(b), 1e-30)
            if not error <= workload.tolerance:    # so written that NaN fails
                pair = f"{library} and {first}"
                raise AssertionError(f"{workload.name}: result {i} of {pair} differs by {error:.1e}")


def alternate(members, seconds, least_rounds=5, most_rounds=300, of=median):
    """The median (or another `of` them) time of one run of each member, in seconds, from rounds in which each has its turn.

    A turn starts with what must not be counted: another member's garbage is swept away, and a short member
    runs once to bring its code and data back into the caches.
    """
    loops = {library: loops_for(run) for library, run in members.items()}
    times = {library: [] for library in members}
    gc.collect()
    gc.freeze()                                    # the libraries' own objects: no need to sweep them again
    start = perf_counter()
    for done in range(most_rounds):
        if done >= least_rounds and perf_counter() - start > seconds:
            break
        for library, run in members.items():
            gc.collect()
            if loops[library] > 1:
                run()
            times[library].append(time_of(run, loops[library]))
    gc.unfreeze()
    return {library: of(taken) for library, taken in times.items()}


def loops_for(run):
    """How often to repeat a run so that a sample is neither too short to measure nor needlessly long."""
    run()
    return max(1, min(2000, round(SHORTEST / time_of(run, 1))))


def time_of(run, loops):
    """Seconds a run, over so many runs."""
    repeat = range(loops)
    before = perf_counter()
    for _ in repeat:
        run()
    return (perf_counter() - before) / loops
