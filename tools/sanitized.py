"""Runs the suite on a build with sanitizers, which `make sanitize` makes: `tools/sanitized.py [smoke] [pytest's arguments]`.

Every report counts, also one from a process that a test started and whose end it did not look at: the sanitizers write
into files, and an error in any file is a failure.
"""
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC")).split()

# CPython never frees what it interns and what modules keep, so the search for leaks at exit is off; that nothing of ours is
# left is counted by test_allocation_failure.py and test_memory.py.  Absurd sizes are asked for, and refused as by malloc
ADDRESS = "detect_leaks=0:allocator_may_return_null=1:abort_on_error=1:malloc_context_size=12:quarantine_size_mb=64"
UNDEFINED = "halt_on_error=1:abort_on_error=1:print_stacktrace=1"

# not run here, and why
LEFT_OUT = {
    "tests/test_typing.py": "mypy and the stubs, nothing of the core",
    "tests/test_memory.py::test_training_without_the_collector_does_not_grow": "freed memory is held back for a while",
    "tests/test_threads.py::test_short_threads_leave_nothing_behind": "the same",
}

# every family of kernels (forward and backward, writing and adding), layouts, views, products, walks, exchange, and every
# allocation of programs with optimizers and writing in place: half a minute
SMOKE = [
    "test_operations.py::test_raw_tier_adds", "test_rows.py::test_unary", "test_rows.py::test_binary", "test_shape.py",
    "test_index.py", "test_matmul.py", "test_tape.py", "test_gradient_safety.py", "test_exchange.py",
    "test_optim.py::test_fifty_steps",
    "test_allocation_failure.py::test_every_allocation_of_arrays_and_walks",
]


def library(name):
    """The runtime library of the compiler that built the package."""
    asked = subprocess.run([*COMPILER, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    path = asked.stdout.strip()
    if not os.path.isabs(path):
        sys.exit(f"{' '.join(COMPILER)} has no {name}: gcc is needed, with its sanitizers (Debian: apt-get install gcc)")
    return path


def environment(reports):
    return os.environ | {
        # the interpreter has no sanitizers in it, so they must be there before it starts; C++ before they look for its throw
        "LD_PRELOAD": " ".join(map(library, ("libasan.so", "libubsan.so", "libstdc++.so.6"))),
        "ASAN_OPTIONS": f"{ADDRESS}:log_path={reports}/address",
        "UBSAN_OPTIONS": f"{UNDEFINED}:log_path={reports}/undefined",
        "PYTHONMALLOC": "malloc",                  # objects in blocks of their own, so that they are seen as well
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "FASTAD_ACCURACY": "3",                    # how exact the kernels are does not change here
    }


# a byte beyond an array: what must be seen, or nothing would be
FAULT = """
import ctypes, fastad
x = fastad.ones(25)
ctypes.string_at(x.detach().numpy().ctypes.data, x.nbytes + 1)
"""


def found(reports):
    """The errors reported; files may hold warnings only."""
    texts = [file.read_text(errors="replace") for file in sorted(reports.iterdir())]
    return [t for t in texts if "ERROR: " in t or "runtime error: " in t]


def proof(env, reports):
    """That this build has the sanitizers in it, and that their reports arrive."""
    done = subprocess.run([sys.executable, "-c", FAULT], env=env, cwd=TESTS, capture_output=True, text=True)
    if done.returncode == 0 or "heap-buffer-overflow" not in "".join(found(reports)):
        sys.exit(f"the installed fastad has no sanitizers in it, `make sanitize` builds one that has\n{done.stderr}")
    for file in reports.iterdir():
        file.unlink()


def main(arguments):
    smoke = arguments[:1] == ["smoke"]
    arguments = arguments[smoke:]
    if smoke:
        arguments += [*SMOKE, "-k", "not deep"]     # 10,000 nodes, for minutes
    elif not any(a.startswith(("test_", "--pyargs")) for a in arguments):
        arguments += [".", "--pyargs", "fastad"]
    arguments += [f"--deselect={name}" for name in LEFT_OUT]
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder)
        env = environment(reports)
        proof(env, reports)
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run([*pytest, *arguments], env=env, cwd=TESTS)
        errors = found(reports)
    for error in errors[:5]:
        print("", *error.splitlines()[:60], sep="\n")
    sys.exit(f"{len(errors)} reports of the sanitizers" if errors else done.returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
