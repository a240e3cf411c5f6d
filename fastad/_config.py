"""What this installation runs on, and how many threads it may use.

Imports the compiled core.  Next: docs/architecture.md, why it is built so.
"""
from __future__ import annotations

import os
from typing import TYPE_CHECKING, overload

import numpy as np

from ._core import blas, kernels

if TYPE_CHECKING:
    from typing import Any, Literal

_wanted: int | None = None                            # what set_num_threads was told


def _words(path: str) -> list[str]:
    with open(path) as file:                           # pathlib would be a fifth of the time to import fastad
        return file.read().split()


def _cgroup_limit(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> int | None:
    """Processors that Linux control groups of version 2 and 1 allow, the least of this process's and those above, or None.

    A container sees its own group as the root; else `own` tells where below the root the group stands."""
    root = os.fspath(root)
    folders = {root, os.path.join(root, "cpu")}
    try:
        lines = _words(own)
    except OSError:
        lines = []
    for line in lines:                                 # "0::/path" or "4:cpu,cpuacct:/path"
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "" or "cpu" in controllers.split(","):
            group = os.path.normpath(os.path.join(root, "cpu" if controllers else "", path.lstrip("/")))
            while group.startswith(root + os.sep):
                folders.add(group)
                group = os.path.dirname(group)
    return min(filter(None, map(_quota, folders)), default=None)


def _quota(folder: str) -> int | None:
    """Processors that one control group allows, or None."""
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = [word for name in files for word in _words(os.path.join(folder, name))]
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):      # no such group, or "max": no limit
            continue
        if quota > 0 and period > 0:
            return max(1, quota // period)
    return None


def _allowed_threads() -> int:
    """The least of OMP_NUM_THREADS, the processors this process may run on, and the control group's limit."""
    if hasattr(os, "process_cpu_count"):               # from Python 3.13 on
        counts = [os.process_cpu_count() or 1]
    else:
        counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    limit = _cgroup_limit()
    if limit is not None:
        counts.append(limit)
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdecimal() and int(first) > 0:
        counts.append(int(first))
    return min(counts)


def get_include() -> str:
    """The folder of fastad.h, for the include_dirs of extension modules; see `cimport fastad` in docs/extending.md.

    Examples
    --------
    >>> import os, fastad
    >>> os.listdir(fastad.get_include())
    ['fastad.h']
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


def get_num_threads() -> int:
    """The threads that one operation may use: what `set_num_threads` was told, else the least of OMP_NUM_THREADS, the
    processors that this process may run on, and its control group's limit.

    Kernels use more than one where each has some 25 us of work; their results do not depend on it.  Importing fastad does
    not change the count of NumPy's BLAS, which `show_config` tells; ``set_num_threads(get_num_threads())`` brings the two
    together.

    Examples
    --------
    >>> import fastad
    >>> fastad.get_num_threads() >= 1
    True
    """
    return _allowed_threads() if _wanted is None else _wanted


def set_num_threads(n: int) -> None:
    """Let one operation use at most n threads; this also holds for NumPy, which has the same BLAS.

    Raises
    ------
    ValueError
        If n is not a positive integer.

    Examples
    --------
    >>> import fastad
    >>> fastad.set_num_threads(fastad.get_num_threads())
    """
    global _wanted
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"set_num_threads: n must be an integer of at least 1, got {n!r}")
    blas.set_blas_threads(min(int(n), 2**31 - 1))
    kernels.set_threads(min(int(n), 2**31 - 1))
    _wanted = int(n)


@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print versions, kernels, BLAS and threads; ``mode="dicts"`` returns them instead, as in NumPy.

    Examples
    --------
    >>> import fastad
    >>> fastad.show_config("dicts")["blas"]["library"] in ("numpy", "scipy", "plain loop")
    True
    """
    from . import __version__
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"show_config: mode must be 'stdout' or 'dicts', got {mode!r}")
    config = {"fastad": __version__, "numpy": np.__version__, "kernels": kernels.isa(), "blas": blas.config(),
              "threads": get_num_threads()}
    if mode == "dicts":
        return config
    b = config["blas"]
    threads = "unknown" if b["threads"] is None else b["threads"]
    print(f"fastad {config['fastad']}, NumPy {config['numpy']}\n"
          f"kernels: {config['kernels']}\n"
          f"BLAS: {b['library']}"
          + (f", {b['symbol']}, {b['integers']}-bit integers, {threads} threads" if b["symbol"] else "")
          + (f"\n      {b['config']}" if b["config"] else "")
          + f"\nthreads: {config['threads']}")
    return None


kernels.set_threads(_allowed_threads())
