"""The BLAS: each library forced and passing the tests of products, what show_config tells, the threads it may use."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad import _config
from fastad._core import blas

HERE = Path(__file__).parent
LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "plain": "plain loop"}
PRODUCTS = """
import numpy as np, fastad as fa
rng = np.random.default_rng(0)
for dtype, tol in ((np.float32, 1e-4), (np.float64, 1e-11)):
    for m, n, k in ((1, 1, 1), (1, 7, 5), (7, 1, 5), (3, 4, 5), (33, 65, 17), (2, 3, 0), (0, 3, 2), (1, 1, 9), (5, 6, 1)):
        a, b, g = [rng.normal(size=s).astype(dtype) for s in ((m, k), (k, n), (m, n))]
        x, y = fa.tensor(a, requires_grad=True), fa.tensor(b, requires_grad=True)
        z = x @ y
        np.testing.assert_allclose(z.detach().numpy(), a @ b, atol=tol)
        for times in (1, 2):
            z.backward(fa.tensor(g), retain_graph=True)
            np.testing.assert_allclose(x.grad.numpy(), times * (g @ b.T), atol=4 * tol)
            np.testing.assert_allclose(y.grad.numpy(), times * (a.T @ g), atol=4 * tol)
print(fa.show_config("dicts")["blas"]["library"])
fa.show_config()
"""
PLAIN = """
import itertools, numpy as np, fastad as fa
rng = np.random.default_rng(0)
sizes = [*range(1, 20), 31, 33, 47]
for dtype, tol in ((np.float32, 2e-6), (np.float64, 4e-15)):
    a, b = rng.normal(size=(48, 48)).astype(dtype), rng.normal(size=(48, 48)).astype(dtype)
    for m, n, k in itertools.product((1, 2, 3, 4, 5, 9), sizes, (1, 2, 7, 16, 47)):
        for x, y in ((a[:m, :k], b[:k, :n]), (a[:k, :m].T, b[:k, :n]), (a[:m, :k], b[:n, :k].T), (a[:k, :m].T, b[:n, :k].T)):
            z, exact = fa.matmul(x, y).numpy(), x.astype("f8") @ y.astype("f8")
            scale = np.abs(x).astype("f8") @ np.abs(y).astype("f8")
            assert (np.abs(z - exact) <= tol * scale).all(), (dtype, m, n, k)
"""

WRONG = """
import ctypes, sys, types, math, numpy
from numpy import _core
_core._multiarray_umath = types.SimpleNamespace(__file__=math.__file__)      # NumPy's BLAS hides its names
new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
called = []
functions = {"ddot": ctypes.CFUNCTYPE(ctypes.c_double)(lambda: 0.0)}
functions |= {name: ctypes.CFUNCTYPE(None)(lambda name=name: called.append(name))
              for name in ("sgemm", "dgemm", "sgemv", "dgemv")}
names = {name: name.encode() for name in functions}             # capsules point to them
api = {name: new(ctypes.cast(f, ctypes.c_void_p), names[name], None) for name, f in functions.items()}
scipy, linalg = types.ModuleType("scipy"), types.ModuleType("scipy.linalg")
linalg.cython_blas = types.SimpleNamespace(__pyx_capi__=api, __file__=math.__file__)
sys.modules.update({"scipy": scipy, "scipy.linalg": linalg})
import fastad as fa
assert called, "the BLAS was not tried"
assert fa.show_config("dicts")["blas"]["library"] == "plain loop", fa.show_config("dicts")
a = numpy.arange(4096.0).reshape(64, 64)
assert numpy.array_equal(fa.matmul(a, a).numpy(), a @ a)
"""
WRONG_TRIANGLES = """
import ctypes, sys, types, math, numpy
from numpy import _core
from scipy.linalg import cython_blas
_core._multiarray_umath = types.SimpleNamespace(__file__=math.__file__)
new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
called = []
functions = {name: ctypes.CFUNCTYPE(None)(lambda name=name: called.append(name)) for name in ("strsm", "dtrsm")}
names = {name: name.encode() for name in functions}             # capsules point to them
api = dict(cython_blas.__pyx_capi__)
for name, f in functions.items():
    if KEPT:
        api[name] = new(ctypes.cast(f, ctypes.c_void_p), names[name], None)
    else:
        del api[name]
linalg = types.ModuleType("scipy.linalg")
linalg.cython_blas = types.SimpleNamespace(__pyx_capi__=api, __file__=math.__file__)
sys.modules["scipy.linalg"] = linalg
import fastad as fa
from fastad._core import blas
assert set(called) == ({"strsm", "dtrsm"} if KEPT else set()), called
assert blas.config()["library"] == "scipy"
for dtype in ("f4", "f8"):
    assert not blas.solve_triangular(numpy.eye(2, dtype=dtype), numpy.ones((2, 1), dtype), True, False, False)
a = numpy.tril(numpy.arange(1.0, 2501.0).reshape(50, 50)) + 2500 * numpy.eye(50)
assert numpy.allclose(a @ fa.linalg.solve_triangular(a, a[0], lower=True).numpy(), a[0])
"""


def run_python(code, **environment):
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True,
                          timeout=120)


# ---- which BLAS --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def suites():
    """The tests of products under every library, each in a process of its own, side by side.  (Where none is forced small
    products run in csrc/gemm.inc, so this process does not stand for any.)"""
    which = "test_matmul or ((matmul or einsum or linear) and (test_value or test_raw_tier))"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which,
               str(HERE / "test_matmul.py"), str(HERE / "test_operations.py")]
    running = {name: subprocess.Popen(command, cwd=HERE, env={**os.environ, "FASTAD_BLAS": name}, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
               for name in LIBRARIES}
    yield running
    for process in running.values():
        with process:                        # which closes its pipe
            process.kill()


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_passes_the_tests_of_products(name, suites):
    done = run_python(PRODUCTS, FASTAD_BLAS=name)
    if "ImportError" in done.stderr:
        assert f"FASTAD_BLAS={name}" in done.stderr and "unset FASTAD_BLAS" in done.stderr
        pytest.skip(f"no BLAS from {name} here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == LIBRARIES[name] and f"BLAS: {LIBRARIES[name]}" in done.stdout
    assert not done.stderr                   # a BLAS reports wrong arguments there and goes on
    output, _ = suites[name].communicate(timeout=300)
    assert suites[name].returncode == 0 and " passed" in output, output[-3000:]


def test_the_plain_loop_at_every_size():
    """Every way through its blocks, for both dtypes and all four layouts, on every instruction set of this machine."""
    for isa in ("baseline", "v3", "v4"):
        done = run_python(PLAIN, FASTAD_BLAS="plain", FASTAD_CPU=isa)
        assert done.returncode == 0 or ("FASTAD_CPU" in done.stderr and isa != "baseline"), done.stderr


def test_an_unavailable_library_is_an_error_that_names_the_choices():
    done = run_python("import sys; sys.modules['scipy.linalg'] = None; import fastad", FASTAD_BLAS="scipy")
    assert done.returncode != 0 and "FASTAD_BLAS=scipy" in done.stderr and "numpy or plain" in done.stderr


def test_an_unknown_blas_is_refused():
    done = run_python("import fastad", FASTAD_BLAS="best")
    assert done.returncode != 0 and "choose one of numpy, scipy or plain" in done.stderr


def test_scipy_is_not_imported_if_numpy_serves():
    done = run_python("import sys, fastad; print(fastad.show_config('dicts')['blas']['library'], 'scipy' in sys.modules)",
                      FASTAD_BLAS="")
    library, imported = done.stdout.split(maxsplit=1)
    assert library != "numpy" or imported.strip() == "False"


def test_a_blas_that_computes_something_else_is_not_used():
    done = run_python(WRONG, FASTAD_BLAS="")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kept", [True, False])
def test_a_triangular_solve_that_is_wrong_or_missing_is_not_used(kept):
    pytest.importorskip("scipy")
    done = run_python(f"KEPT = {kept}\n{WRONG_TRIANGLES}", FASTAD_BLAS="")
    assert done.returncode == 0, done.stderr


# ---- threads and configuration -----------------------------------------------------------------------
def test_importing_leaves_the_threads_alone():
    before = blas.config()["threads"]
    done = run_python("from fastad._core import blas; print(blas.config()['threads'])", FASTAD_BLAS="")
    if before is None:
        pytest.skip("this BLAS does not tell its threads")
    assert int(done.stdout) >= 1


def test_set_num_threads():
    code = ("import fastad; fastad.set_num_threads(1); c = fastad.show_config('dicts');"
            "print(fastad.get_num_threads(), c['blas']['threads'] in (1, None))")
    assert run_python(code).stdout.split() == ["1", "True"]


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True, None])
def test_set_num_threads_refuses(n):
    with pytest.raises(ValueError, match="at least 1"):
        fa.set_num_threads(n)


def test_omp_num_threads_counts():
    assert run_python("import fastad; print(fastad.get_num_threads())", OMP_NUM_THREADS="1,4").stdout.strip() == "1"
    assert int(run_python("import fastad; print(fastad.get_num_threads())", OMP_NUM_THREADS="nonsense").stdout) >= 1


@pytest.mark.parametrize(("files", "limit"), [
    ({"cpu.max": "150000 100000\n"}, 1), ({"cpu.max": "400000 100000\n"}, 4), ({"cpu.max": "max 100000\n"}, None),
    ({"cpu.max": "1000 100000\n"}, 1), ({}, None), ({"cpu.max": ""}, None),
    ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
])
def test_control_group_limit(tmp_path, files, limit):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert _config._cgroup_limit(tmp_path) == limit


@pytest.mark.parametrize(("own", "files", "limit"), [
    ("0::/a/b\n", {"a/b/cpu.max": "500000 100000\n"}, 5),                                      # version 2, below the root
    ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, 2),         # the one above allows less
    ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n", "cpu.max": "700000 100000\n"}, 3),
    ("4:cpu,cpuacct:/a\n1:name=systemd:/s\n", {"cpu/a/cpu.cfs_quota_us": "600000", "cpu/a/cpu.cfs_period_us": "100000"}, 6),
    ("4:memory:/a\n", {"cpu/a/cpu.cfs_quota_us": "600000", "cpu/a/cpu.cfs_period_us": "100000"}, None),
    ("0::/../a\n", {"a/cpu.max": "200000 100000\n"}, None),                                    # outside of what is visible
    ("0::/gone\n", {"cpu.max": "250000 100000\n"}, 2), ("", {}, None), ("nonsense", {}, None),
])
def test_the_control_group_of_this_process(tmp_path, own, files, limit):
    root = tmp_path / "root"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert _config._cgroup_limit(root, tmp_path / "own") == limit
    assert _config._cgroup_limit(root, tmp_path / "no such file") == _config._quota(root)


def test_the_least_of_all_limits_counts(monkeypatch):
    """Processors, control group, OMP_NUM_THREADS; what set_num_threads was told is above them."""
    for processors, group, omp, least in ((8, None, "", 8), (8, 3, "", 3), (2, 3, "", 2), (8, 3, "2", 2), (8, 5, "6,2", 5), (8, 5, "0", 5),
                                          (8, 5, "-1", 5), (4, 5, "many", 4)):
        for name in ("process_cpu_count", "cpu_count"):
            monkeypatch.setattr(os, name, lambda n=processors: n, raising=name == "cpu_count" or hasattr(os, name))
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, n=processors: set(range(n)), raising=False)
        monkeypatch.setattr(_config, "_cgroup_limit", lambda n=group: n)
        monkeypatch.setattr(_config, "_wanted", None)
        monkeypatch.setenv("OMP_NUM_THREADS", omp)
        assert fa.get_num_threads() == least, (processors, group, omp)
        monkeypatch.setattr(_config, "_wanted", 7)
        assert fa.get_num_threads() == 7


def test_show_config(capsys):
    assert fa.show_config() is None
    shown = capsys.readouterr().out
    assert "BLAS" in shown and np.__version__ in shown
    with pytest.raises(ValueError, match="mode"):
        fa.show_config("json")


