"""The workloads under pytest-benchmark: one group a workload, one test a library that is installed."""
import functools

import numpy as np
import pytest

from bench.table import BRIEF
from bench.timing import check
from bench.workloads import all_workloads

WORKLOADS = {f"{workload.family}: {workload.name}": workload for workload in all_workloads()}
PAIRS = [(name, library) for name, workload in WORKLOADS.items() for library in workload.libraries()]

pytestmark = pytest.mark.filterwarnings("default")  # a peer's deprecation is no error of ours


@functools.cache
def checked_members(name):
    members = WORKLOADS[name].members(np.random.default_rng())
    check(WORKLOADS[name], members)
    return members


@pytest.mark.parametrize(("name", "library"), PAIRS)
def test_speed(benchmark, name, library):
    benchmark.group = name
    benchmark.name = library
    benchmark(checked_members(name)[library])


def test_the_rows_of_the_readme_are_there():
    assert {f"{family}: {name}" for family, (_, *names) in BRIEF.items() for name in names} <= WORKLOADS.keys()
