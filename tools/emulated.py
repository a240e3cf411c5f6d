"""Runs the kernels' tests on emulated processors: `python tools/emulated.py`, with fastad installed and qemu-user there.

Each processor must be given the kernels that are best for it without anybody saying so, and those must be right.  An
emulated program runs some thirty times slower, hence a selection; a test that starts a process of its own is not in it,
since that one would not be emulated.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
# the oldest processor that NumPy still runs on (SSE4.2), and the first with AVX2; this emulation has no AVX-512
PROCESSORS = {"Nehalem": "baseline", "Haswell": "v3"}
# values and derivatives of every row, in float32 and float64, written and added; how far from mathematics; products
SELECTED = [
    "test_rows.py::test_unary", "test_rows.py::test_binary", "test_accuracy.py::test_value",
    "test_accuracy.py::test_softmax_and_its_kin", "test_operations.py::test_raw_tier_adds",
    "test_matmul.py::test_nan_and_infinity_come_through", "test_matmul.py::test_old_numbers_in_the_result_do_not_count",
]
NOT = "not (0d or empty or row or column or scalar or deep)"      # shapes; the loops are the same
SECONDS = 600                                                     # nothing takes that long

SHOWN = "import fastad; print(fastad.show_config('dicts')['kernels'])"


def main():
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        sys.exit("qemu-x86_64 is needed (Debian: apt-get install qemu-user)")
    env = {k: v for k, v in os.environ.items() if k != "FASTAD_CPU"}
    env |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "FASTAD_ACCURACY": "1"}
    emulated = {name: [emulator, "-cpu", name, sys.executable] for name in PROCESSORS}
    for processor, python in emulated.items():
        chosen = subprocess.run([*python, "-c", SHOWN], env=env, cwd=TESTS, capture_output=True, text=True, timeout=SECONDS)
        if chosen.stdout.strip() != PROCESSORS[processor]:
            sys.exit(f"{processor} chose {chosen.stdout.strip()!r}, not {PROCESSORS[processor]}\n{chosen.stderr}")
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *SELECTED, "-k", NOT]
    running = {processor: subprocess.Popen([*python, *tests], env=env, cwd=TESTS, text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
               for processor, python in emulated.items()}
    failed = []
    for processor, process in running.items():
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        print(f"== {processor}: {PROCESSORS[processor]}", output[-4000:], sep="\n")
        if process.returncode:
            failed.append(processor)
    sys.exit(f"failed on {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
