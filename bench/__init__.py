"""How fast is fastad, beside its peers?  README.md says how to run it.

    peers.py        which libraries are installed, each held to one thread
    workloads/      what is timed: one module a family, one builder a library
    timing.py       the same results first, then times taken alternately
    table.py        python -m bench.table: the Markdown tables of docs/performance.md, and the README's
    markdown.py     a table's place in a file
    weight.py       python bench/weight.py: what importing and installing fastad costs
    test_bench.py   the same workloads under pytest-benchmark

    contract.py     python -m bench.contract: instructions counted, against the budgets of contract.toml
    counted.py      the workloads of the contract;  parts.py: where the instructions of one operation go
    callgrind.py    one process counted, to the digit

One thread on every side, or as many as BENCH_THREADS says.  The BLAS and OpenMP read these variables when they are
loaded, so they are set here, before anything imports NumPy.
"""
import os
import sys

# where `make build` has not been, the sources make way for the package that is installed
_top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not any(name.startswith("tape.") and name.endswith((".so", ".pyd")) for name in os.listdir(f"{_top}/fastad/_core")):
    sys.path.sort(key=lambda entry: os.path.abspath(entry or ".") == _top)

THREADS = int(os.environ.get("BENCH_THREADS", "1"))
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = str(THREADS)
if THREADS == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"
