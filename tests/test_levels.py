"""The levels of the core: a module cimports only from its own level's siblings allowed below, never upward."""
import ast
import re
from pathlib import Path

import numpy as np
import pytest

from fastad._core import primitives
from fastad._core.tensor import FUNCTIONS, Tensor, install, register

ROOT = Path(__file__).parents[1] / "fastad" / "_core"
LEVEL = {"types": 0, "kernels": 0, "numpy_forms": 0, "storage": 1, "arrays": 1, "blas": 1, "tape": 2, "order": 2, "walk": 2,
         "recompute": 3, "tensor": 3, "inplace": 3, "hooks": 3, "make": 3, "exchange": 3, "custom": 3}
WHEN_NEEDED = {"attended", "formulas", "normalised", "unrolled", "weighing", "windows"}   # no primitives; imported when needed
FILES = sorted(p for pattern in ("*.pyx", "*.pxd", "*.pxi") for p in ROOT.rglob(pattern))


def level(path):
    return 4 if path.parent.name == "primitives" else LEVEL[path.stem]


def cimported(path):
    """(name, level) of every module of the core that a file imports or cimports."""
    for line in re.findall(r"^\s*from (\.[.\w]*) c?import", path.read_text(), re.M):
        dots, name = re.match(r"(\.+)([\w.]*)", line).groups()
        inside = path.parent.name == "primitives"
        if inside and len(dots) == 1:
            yield name, 4
        else:
            yield name, 4 if name.startswith("primitives") else LEVEL[name]


pytestmark = pytest.mark.skipif(not FILES, reason="the sources are not beside these tests")


def test_cimports_point_downward():
    upward = [f"{p.relative_to(ROOT)} (level {level(p)}) imports {name} (level {other})"
              for p in FILES for name, other in cimported(p) if other > level(p)]
    assert not upward, "\n".join(upward)


def test_every_module_has_a_level():
    assert all(p.parent.name == "primitives" or p.stem in LEVEL for p in FILES)
    assert len(FILES) > 10


def test_nothing_is_imported_in_vain():
    """ruff sees to .py files."""
    for p in [p for p in FILES if p.suffix == ".pyx"]:
        text = re.sub(r'^include "(.*)".*', lambda line, p=p: (p.parent / line[1]).read_text(), p.read_text(), flags=re.M)
        source = re.sub(r'(\"{3}).*?\1|#[^\n]*', "", text, flags=re.S)
        statement = re.compile(r"^(?:from [\w.]+ )?c?import (\([^)]*\)|[^\n]*)$", re.M)
        used = set(re.findall(r"\w+", statement.sub("", source)))
        names = [n.split(" as ")[-1].strip() for body in statement.findall(source) for n in body.strip("()").split(",")]
        vain = {n for n in names if n} - used
        assert not vain, f"{p.relative_to(ROOT)} imports {', '.join(sorted(vain))}"


def test_the_families_that_are_loaded_are_those_of_the_sources():
    """A stale compiled module that still lies there is not loaded."""
    found = {p.stem for pattern in ("*.pyx", "*.py") for p in (ROOT / "primitives").glob(pattern)} - {"__init__", *WHEN_NEEDED}
    assert sorted(primitives.FAMILIES + primitives.LATER) == sorted(found)


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="register: sum is the name of"):
        register("sum", lambda a: a)
    with pytest.raises(ValueError, match=r"register: <ufunc 'add'> is the name of"):
        register("an_unused_name", lambda a, b: a, ufunc=np.add)
    FUNCTIONS.pop("an_unused_name", None)
    register("sum", FUNCTIONS["sum"])


def test_a_builtin_is_not_installed_as_a_method():
    """It would not bind: a.length() would be length()."""
    with pytest.raises(TypeError, match="install: length is a builtin, which binds to no tensor"):
        install("length", len)
    assert not hasattr(Tensor, "length")


def test_the_python_layer_imports_the_core_and_not_the_other_way():
    for p in FILES:
        assert not re.search(r"^(from|import) fastad\.(nn|optim|data|transforms|autograd)", p.read_text(), re.M), p


def imports_of(path):
    """The files of the package that a file of its Python layer imports, at once or later; not those only for types."""
    def visit(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.ImportFrom) and child.level:
                base = path.parents[child.level - 1].joinpath(*(child.module or "").split(".")).resolve()
                for name in child.names:
                    for place in (base / name.name, base):
                        found = [f for f in (place.with_suffix(".py"), place / "__init__.py") if f.exists()]
                        if found:
                            yield found[0]
                            break
            yield from visit(child)

    return set(visit(ast.parse(path.read_text())))


def test_the_python_layer_imports_in_no_circle():
    package = ROOT.parent
    left = {p: imports_of(p) - {p, package / "__init__.py"} for p in package.rglob("*.py") if p != package / "__init__.py"}
    assert package / "recording.py" in left[package / "autograd.py"]
    while True:
        ends = {p for p, imported in left.items() if not imported & left.keys()}
        if not ends:
            break
        for p in ends:
            del left[p]
    assert not left, "\n".join(f"{p.relative_to(package)} imports {sorted(str(q.relative_to(package)) for q in qs & left.keys())}"
                               for p, qs in left.items())


def test_csrc_knows_no_python():
    csrc = ROOT.parents[1] / "csrc"
    files = [p for p in csrc.iterdir() if p.suffix in (".c", ".h", ".def", ".inc")]
    assert files
    for p in files:
        code = re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.S)
        assert "Python.h" not in code, p
        assert not re.search(r"\b(malloc|calloc|realloc|free)\s*\(", code), f"{p} allocates"
