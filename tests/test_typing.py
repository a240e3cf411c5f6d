"""The type stubs: programs that type checkers must accept and refuse, and that the stubs are those of this build."""
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fastad as fa
from fastad._core import tensor

HERE = Path(__file__).parent
TOOLS = HERE.parent / "tools"
sources = pytest.mark.skipif(not TOOLS.exists(), reason="the tools are not beside these tests")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return f"--cache-dir={tmp_path_factory.mktemp('mypy')}"


def mypy(*arguments, module="mypy", stubs=None):
    """Run away from here, where tests/typing would pass for the standard library's; the stubs are the package's, or those of
    another folder."""
    root = str(Path(fa.__file__).parents[1])
    installed = root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    paths = ({} if installed else {"MYPYPATH": root, "PYTHONPATH": root}) | ({"MYPYPATH": str(stubs)} if stubs else {})
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=HERE.parent.parent,
                          env=os.environ | paths)
    return done.returncode, done.stdout + done.stderr


def test_programs_have_the_types_they_should(cache):
    code, output = mypy("--strict", "--config-file=", cache, str(HERE / "typing"))
    assert code == 0, output


def test_a_wrong_type_in_the_programs_would_be_seen(cache, tmp_path):
    text = (HERE / "typing" / "right.py").read_text()
    for right, wrong in (("assert_type(x.shape, tuple[int, ...])", "assert_type(x.shape, list[int])"),
                         ("assert_type(fa.tanh(x), fa.Tensor)", "assert_type(fa.tanh(x), Any)")):
        assert right in text
        text = text.replace(right, wrong)
    (tmp_path / "changed.py").write_text(text)
    _, output = mypy("--strict", "--config-file=", cache, str(tmp_path / "changed.py"))
    assert len(re.findall(r"\[assert-type\]", output)) == 2, output


@sources
def test_stubs_agree_with_the_modules(cache, tmp_path):
    """stubtest imports every module; tools/stubtest.allow says what may differ, and why.  The stubs are those of the sources:
    some are not installed."""
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nignore_errors = True\nignore_missing_imports = True\n" + f"cache_dir = {cache.partition('=')[2]}\n")
    code, output = mypy("fastad", "--concise", f"--allowlist={TOOLS / 'stubtest.allow'}", f"--mypy-config-file={config}",
                        "--ignore-unused-allowlist", module="mypy.stubtest", stubs=HERE.parent)
    assert code == 0, output


@pytest.fixture(scope="module")
def stubs():
    spec = importlib.util.spec_from_file_location("stubs", TOOLS / "stubs.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(TOOLS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TOOLS))
    module.ROOT = HERE.parent / "fastad"              # the sources' stubs: some are not installed
    return module


def names(paths):
    return {p.name for p in paths}


@sources
def test_stubs_are_those_of_this_build(stubs):
    assert not names(stubs.stale(stubs.stubs())), "run `make stubs`"


@sources
def test_a_new_function_makes_the_stubs_stale(stubs, monkeypatch):
    def novel(x, axis=-1):
        """Something new."""

    monkeypatch.setitem(tensor.FUNCTIONS, "novel", novel)
    monkeypatch.setattr(fa, "novel", novel, raising=False)
    assert names(stubs.stale(stubs.stubs())) == {"__init__.pyi"}
    assert "def novel(x: ArrayLike, axis: Axes = -1) -> Tensor:" in stubs.public_stub()


@sources
@pytest.mark.parametrize("changed", [lambda x, axes=-1: x, lambda x, axis=0: x, lambda x: x, lambda x, /, axis=-1: x],
                         ids=["renamed", "default", "removed", "positional"])
def test_a_changed_parameter_makes_the_stubs_stale(stubs, monkeypatch, changed):
    changed.__name__, changed.__doc__ = "softmax", fa.softmax.__doc__
    monkeypatch.setitem(tensor.FUNCTIONS, "softmax", changed)
    monkeypatch.setattr(fa, "softmax", changed)
    assert "__init__.pyi" in names(stubs.stale(stubs.stubs()))


@sources
def test_a_public_parameter_without_a_type_stops_the_tool(stubs, monkeypatch):
    def novel(x, quirk):
        """Something new."""

    monkeypatch.setitem(tensor.FUNCTIONS, "novel", novel)
    monkeypatch.setattr(fa, "novel", novel, raising=False)
    with pytest.raises(SystemExit, match="no type is known for 'quirk' of novel"):
        stubs.stubs()
