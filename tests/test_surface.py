"""The names of the public surface: that they exist, and that docs/names.md says so."""
import importlib.util
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"
pytestmark = pytest.mark.skipif(not (TOOLS / "names.py").exists(), reason="the tools are not beside these tests")

# the modules that are built; of the others of the list, fastad.numpy, fastad.fft and fastad.scipy, docs/names.md tells
BUILT = ("fastad", "fastad.autograd", "fastad.data", "fastad.extend", "fastad.linalg", "fastad.nn", "fastad.nn.Module",
         "fastad.nn.functional", "fastad.nn.init", "fastad.nn.utils", "fastad.optim", "fastad.optim.lr_scheduler",
         "fastad.optimize", "fastad.Tensor", "fastad.testing")


@pytest.fixture(scope="module")
def names():
    spec = importlib.util.spec_from_file_location("names", TOOLS / "names.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("module", BUILT)
def test_every_name_is_there(names, module):
    assert not names.missing(module)


def test_a_name_that_is_not_there_would_be_seen(names, monkeypatch):
    monkeypatch.setattr(names, "surface", lambda: {"fastad.nn": {"": ["Linear", "Lineal"]}, "fastad.none": {"": ["x"]}})
    assert names.missing("fastad.nn") == ["Lineal"] and names.missing("fastad.none") == ["x"]
    assert "| [fastad.nn](#fastadnn) | 2 | 1 |" in names.document() and "Not there: `Lineal`." in names.document()


def test_the_document_is_up_to_date(names):
    assert names.TARGET.read_text() == names.document(), "run `make names`"


def test_every_name_of_nn_is_listed(names):
    """So that the table tells all that there is."""
    from fastad import nn
    from fastad.nn import functional, init
    for module, prefix in ((nn, "fastad.nn"), (functional, "fastad.nn.functional"), (init, "fastad.nn.init")):
        listed = {name for group in names.surface()[prefix].values() for name in group}
        own = {n for n in getattr(module, "__all__", vars(module)) if callable(getattr(module, n))
               and getattr(getattr(module, n), "__module__", "").startswith("fastad.nn") and not n.startswith("_")}
        assert own <= listed, f"put {', '.join(sorted(own - listed))} into tools/surface.toml"
