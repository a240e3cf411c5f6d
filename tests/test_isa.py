"""Every instruction set that this processor has, forced by FASTAD_CPU in a process of its own.

The suite itself runs on one of them; here the tests that depend on kernels run on each of the others.
"""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad._core import kernels

HERE = Path(__file__).parent
# what each needs, in the names of NumPy, which looks at the processor by itself
NEEDS = {"v4": ("AVX512_SKX",), "v3": ("AVX2", "FMA3"), "baseline": ()}
# values and derivatives of every operation in float32 and float64, each kernel writing and adding; hard points; accuracy
KERNEL_TESTS = (
    ("test_operations.py", "(test_value or test_raw_tier_adds) and not (0d or empty or row or column or scalar or deep)"),
    ("test_rows.py", "test_unary or test_binary or far_out"),
    ("test_accuracy.py", ""),
    ("test_matmul.py", ""),
    ("test_blas.py", "plain_loop"),
    ("test_recurrent.py", "test_equals_the_reference or test_window_of_ragged or test_accuracy"),
)


def run(level, *args):
    return subprocess.run([sys.executable, *args], cwd=HERE, capture_output=True, text=True,
                          env=os.environ | {"FASTAD_CPU": level, "FASTAD_ACCURACY": "3"})


def test_the_best_is_chosen_and_named(capsys):
    present = kernels.levels()
    features = np._core._multiarray_umath.__cpu_features__
    assert present == {name: all(features[f] for f in NEEDS[name]) for name in present}
    best = next(name for name, there in present.items() if there)
    done = run("", "-c", "import fastad; print(fastad.show_config('dicts')['kernels'])")
    assert done.stdout.strip() == best, done.stderr
    fa.show_config()
    assert f"kernels: {kernels.isa()}" in capsys.readouterr().out


@pytest.mark.parametrize("level", NEEDS)
def test_forced(level):
    if not kernels.levels().get(level):
        pytest.skip(f"this processor or build has no {level}")
    done = run(level, "-c", "import fastad; fastad.show_config()")
    assert f"kernels: {level}" in done.stdout, done.stderr


@pytest.mark.parametrize("file, words", KERNEL_TESTS, ids=[k[0].removesuffix(".py") for k in KERNEL_TESTS])
@pytest.mark.parametrize("level", NEEDS)
def test_kernels(level, file, words):
    if not kernels.levels().get(level):
        pytest.skip(f"this processor or build has no {level}")
    if level == kernels.isa():
        return                             # the rest of the suite
    done = run(level, "-m", "pytest", "-q", "-p", "no:cacheprovider", file, "-k", words)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize("name", ["v9", "V3", "avx2", "baseline "])
def test_unknown_names_are_refused(name):
    done = run(name, "-c", "import fastad")
    assert done.returncode != 0
    assert f"ImportError: FASTAD_CPU={name!r}: there is no such instruction set; choose one of: " in done.stderr
    assert done.stderr.strip().endswith("baseline")


def test_v4_is_refused_where_it_was_not_built():
    if "v4" in kernels.levels():
        pytest.skip("this build has v4")
    done = run("v4", "-c", "import fastad")
    assert done.returncode != 0
    assert "ImportError: FASTAD_CPU='v4': it was not built (FASTAD_LEVELS=v3,v4 when fastad is built); choose one of: " in done.stderr


def test_what_the_processor_lacks_is_refused():
    lacking = [name for name, present in kernels.levels().items() if not present]
    if not lacking:
        pytest.skip("this processor has every level")
    for name in lacking:
        done = run(name, "-c", "import fastad")
        assert done.returncode != 0
        assert f"ImportError: FASTAD_CPU={name!r}: this processor lacks it; choose one of: " in done.stderr
        assert f"{name}," not in done.stderr.split("choose one of:")[1]
