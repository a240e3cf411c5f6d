"""`cimport fastad` against the installed package: modules compiled here, the example of docs/extending.md, and what happens
to one that was compiled for another version of the interface."""
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import weakref
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad._core import make as core
from fastad.extend import defjvp, defvjp

for _needed in ("Cython", "setuptools", "pip"):
    pytest.importorskip(_needed)
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cl").split()[0]
pytestmark = pytest.mark.skipif(shutil.which(COMPILER) is None or sys.platform == "win32", reason="no compiler that reads CFLAGS")
HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "custom_kernel"
HEADER = Path(fa.get_include()) / "fastad.h"
example = pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not beside these tests")


def run(*arguments, cwd, flags="", path=()):
    """Python in a folder; the compiler makes haste, and is not watched by a sanitizer that watches this process."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path[1:]]), "CFLAGS": f"-O1 {flags}"}
    if "LD_PRELOAD" in env:
        env["CC"] = f"env -u LD_PRELOAD {os.environ.get('CC') or sysconfig.get_config_var('CC')}"
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    folder = shutil.copytree(HERE / "cython_api", tmp_path_factory.mktemp("probe") / "probe")
    done = run("setup.py", "-q", "build_ext", "--inplace", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    file, = [p for p in folder.iterdir() if p.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location("probe", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sources(tmp_path):
    return shutil.copytree(EXAMPLE, tmp_path / "sources", ignore=shutil.ignore_patterns("build", "*.c", "*.egg-info"))


def install(sources, target, flags=""):
    done = run("-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-build-isolation", "--no-deps", "--no-index",
               "--target", str(target), str(sources), cwd=sources, flags=flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


# ---- the example -------------------------------------------------------------------------------------
@example
def test_the_example_is_built_and_passes_its_tests(sources, tmp_path):
    target = install(sources, tmp_path / "site")
    done = run("-c", "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-W', 'error', 'test_lennard_jones.py']))",
               cwd=sources, path=[target])
    assert done.returncode == 0 and re.search(r"\d+ passed", done.stdout), done.stdout + done.stderr


OTHERS = {                                 # what a header of another version says -> what is told
    "another number": (lambda text: text.replace("#define FASTAD_ABI 1\n", "#define FASTAD_ABI 7\n"),
                       r"compiled for fastad's C interface 7 \(\d+ bytes\), the installed fastad has 1 \(\d+ bytes\); compile it again"),
    "a longer table": (lambda text: text.replace("    PyObject *(*kernel)(", "    void *later[3];\n    PyObject *(*kernel)("),
                       r"C interface 1 \((?P<theirs>\d+) bytes\), the installed fastad has 1 \((?P<ours>\d+) bytes\)"),
}


@example
@pytest.mark.parametrize("other", OTHERS)
def test_a_module_for_another_interface_is_an_import_error(sources, tmp_path, other):
    change, message = OTHERS[other]
    text = HEADER.read_text()
    assert change(text) != text
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "fastad.h").write_text(change(text))
    target = install(sources, tmp_path / "site", f"-I{tmp_path / 'include'}")
    done = run("-c", "import lennard_jones", cwd=tmp_path, path=[target])
    assert done.returncode == 1, done.stdout + done.stderr
    found = re.search("ImportError: .*" + message, done.stderr)
    assert found, done.stderr
    if found.groupdict():
        assert int(found["theirs"]) == int(found["ours"]) + 3 * 8


def test_the_interface_has_not_changed_under_its_number():
    """A change of what compiled modules see needs another FASTAD_ABI (but for members at the end of fastad_api), then this"""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    number = re.search(r"#define FASTAD_ABI (\d+)", text)[1]
    seen = "".join(re.findall(r"enum \{.*?\};|typedef .*?(?:\} \w+|\));", text, re.S))
    digest = hashlib.sha256(re.sub(r"\s+", " ", seen).encode()).hexdigest()[:16]
    assert (number, digest) == ("1", "1e328832c246bf5a")


# ---- tensors -----------------------------------------------------------------------------------------
def test_the_interface_is_imported_when_it_is_first_needed(probe):
    assert probe.new(1, (2,)).shape == (2,)
    probe.init()


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_new_tensors(probe, dtype, shape):
    t = probe.new(["float32", "float64"].index(dtype), shape)
    assert type(t) is fa.Tensor and t.shape == shape and t.dtype == dtype and not t.requires_grad
    died = weakref.ref(t)
    del t
    assert died() is None


@pytest.mark.parametrize("dtype, shape, error", [(2, (3,), "dtype must be"), (-1, (3,), "dtype must be"), (1, (3, -1), "axis 1 has the length -1"),
                                                 (1, (1,) * 65, "ndim must be from 0 to 64")], ids=str)
def test_impossible_tensors(probe, dtype, shape, error):
    with pytest.raises((TypeError, ValueError), match=f"new_tensor: {error}"):
        probe.new(dtype, shape)


def test_views(probe):
    a = np.arange(12.0).reshape(3, 4)
    t = fa.from_numpy(a)
    assert probe.describe(t) == {"address": a.ctypes.data, "size": 12, "dtype": 1, "contiguous": 1, "shape": (3, 4), "strides": (32, 8)}
    v = probe.describe(t.T[1:])
    assert v["address"] == a.ctypes.data + 8 and v["shape"] == (3, 3) and v["strides"] == (8, 32) and not v["contiguous"]
    assert probe.describe(fa.ones(2, dtype="float32"))["dtype"] == 0 and probe.describe(fa.ones(2, dtype=int))["dtype"] == -1
    with pytest.raises(TypeError):
        probe.describe(a)
    with pytest.raises(TypeError):
        probe.anything(a)


def test_writing_is_counted_and_refused_in_a_graph(probe):
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    w = fa.tensor([3.0, 4.0])
    y = x * w
    before = w.version
    probe.fill(w, 5.0)
    assert w.tolist() == [5, 5] and w.version == before + 1
    with pytest.raises(RuntimeError, match=r"multiply.*changed in place"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="write: this tensor is part of a graph"):
        probe.fill(x, 0.0)
    with fa.no_grad():
        probe.fill(x, 0.0)
    frozen = np.ones(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=r"write: .* read-only"):
        probe.fill(fa.from_numpy(frozen), 0.0)
    assert x.tolist() == [0, 0] and frozen.tolist() == [1, 1]


# ---- kernels -----------------------------------------------------------------------------------------
A, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])


def leaf(a):
    return fa.tensor(a, requires_grad=True)


@pytest.mark.parametrize("give", [lambda a: a, lambda a: a.tolist(), np.asfortranarray, lambda a: a.astype(int), lambda a: np.float64(a.flat[1])],
                         ids=["array", "list", "transposed", "integers", "number"])
def test_values(probe, give):
    f = probe.register(b"probed")
    a, b = give(A), give(B)
    value = f(a, b)
    assert f.__name__ == "probed" and not isinstance(value, fa.Tensor)
    np.testing.assert_array_equal(value, np.square(a) * b)
    y = f(fa.tensor(a), fa.tensor(b))
    assert type(y) is fa.Tensor and not y.requires_grad
    np.testing.assert_array_equal(y.numpy(), value)


def test_derivatives(probe):
    f = probe.register(b"probed")
    a, b = leaf(A), leaf(B.T.copy())
    y = f(a, b.T)                          # strided
    (y * y).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 4 * A ** 3 * B ** 2)
    np.testing.assert_allclose(b.grad.numpy().T, 2 * A ** 4 * B)
    y = f(a, b.T)
    only, = core.pull([y], [b], [fa.ones((2, 2))], 0, False, True)
    np.testing.assert_allclose(only.numpy().T, A ** 2)
    for moving, expected in (([a], 2 * A * B), ([b], A ** 2), ([a, b], 2 * A * B + A ** 2)):
        t, = core.push(moving, [y], [fa.ones((2, 2))] * len(moving), 0, False)
        np.testing.assert_allclose(t.numpy(), expected)


def test_a_jacobian(probe):
    f = probe.register(b"probed")
    a = leaf(A[0])
    y = f(a, fa.tensor(B[0]))
    np.testing.assert_allclose(core.pull([y], [a], [fa.eye(2)], 1, False, True)[0].numpy(), np.diag(2 * A[0] * B[0]))
    np.testing.assert_allclose(core.push([a], [y], [fa.eye(2)], 1, False)[0].numpy(), np.diag(2 * A[0] * B[0]))


def test_second_derivatives_need_rules(probe):
    f = probe.register(b"probed")
    square = lambda a: fa.grad(lambda a: f(a, fa.tensor(B)).sum())(a).sum()                 # noqa: E731
    np.testing.assert_allclose(fa.grad(lambda a: f(a, fa.tensor(B)).sum())(leaf(A)).detach().numpy(), 2 * A * B)
    with pytest.raises(NotImplementedError, match=r"probed: its derivative cannot be differentiated again: its backward kernel is compiled; "
                                                  r"give the rule .* fastad.extend.defvjp\(probed, ...\)"):
        fa.grad(square)(A)
    a = leaf(A)
    t, = core.push([a], [f(a, fa.tensor(B))], [fa.ones((2, 2))], 0, True)
    with pytest.raises(NotImplementedError, match=r"its jvp kernel is compiled; .* fastad.extend.defjvp\(probed, ...\)"):
        core.push([a], [t], [fa.ones((2, 2))], 0, False)
    defvjp(f, lambda ans, a, b: lambda g: g * 2 * a * b, lambda ans, a, b: lambda g: g * a * a)
    defjvp(f, lambda g, ans, a, b: g * 2 * a * b, "same")
    np.testing.assert_allclose(fa.grad(square)(A), 2 * B)
    t, = core.push([a], [f(a, fa.tensor(B))], [fa.ones((2, 2))], 0, True)
    np.testing.assert_allclose(core.push([a], [t], [fa.ones((2, 2))], 0, False)[0].numpy(), 2 * B)


def test_without_derivatives_it_has_the_errors_of_a_primitive(probe):
    f = probe.register(b"valued", derivatives=False)
    a = leaf(A)
    with pytest.raises(NotImplementedError, match="valued: no rule for its derivative by argument 0 in reverse mode"):
        f(a, B).sum().backward()
    with pytest.raises(NotImplementedError, match="valued: no rule for its derivative by argument 0 in forward mode"):
        core.push([a], [f(a, B)], [fa.ones((2, 2))], 0, False)
    defvjp(f, lambda ans, a, b: lambda g: g * 2 * a * b)
    f(a, B).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 2 * A * B)


def test_failures_are_told(probe):
    f = probe.register(b"probed")
    with pytest.raises(ValueError, match=r"probed: its forward kernel failed with 7 on inputs of shapes \(2, 2\), \(2, 2\)"):
        f(A.astype("float32"), B.astype("float32"))
    a = leaf(A)
    with pytest.raises(ValueError, match="probed: its backward kernel failed with 8"):
        f(a, B).backward(fa.full((2, 2), 1e301))
    with pytest.raises(ValueError, match=r"probed: its inputs must have one shape, got \(2, 2\) and \(2,\)"):
        f(A, B[0])
    with pytest.raises(TypeError, match="probed: 1 arguments, expected 2 arrays and 0 numbers"):
        f(A)
    with pytest.raises(TypeError, match="probed: there are kernels for float32 and float64, not for complex128"):
        f(A + 0j, B)
    with pytest.raises(ValueError, match="shaped: its shape kernel gave an impossible shape"):
        probe.register(b"shaped", shaped=True)(A, B)


@pytest.mark.parametrize("what", [{"n_inputs": 0}, {"n_inputs": 33}, {"n_params": -1}, {"n_params": 33}, {"empty": True}], ids=str)
def test_impossible_kernels(probe, what):
    with pytest.raises(ValueError, match="register: "):
        probe.register(b"wrong", **what)


def test_kernels_cannot_be_made_by_hand():
    from fastad._core.custom import Kernel
    with pytest.raises(TypeError, match="registered by compiled modules"):
        Kernel()
    with pytest.raises(TypeError, match="not registered"):
        Kernel.__new__(Kernel).run("forward", [], [], np.ones(3), None, [])


def test_kernels_are_only_given_arrays_that_fit(probe):
    kernel = probe.register(b"probed").fun.kernel
    for x in ([A, B.astype("float32")], [A.T, B], [A.astype(int), B.astype(int)]):
        with pytest.raises(TypeError, match="contiguous and of one dtype"):
            kernel.run("forward", x, [], np.empty((2, 2)), None, [None, None])
    for x, params in (([A], []), ([A, B], [1.0])):
        with pytest.raises(TypeError, match="not given its arguments"):
            kernel.run("forward", x, params, np.empty((2, 2)), None, [None, None])
