"""Every public name has a docstring with an example, and the examples run (pytest collects none from compiled code)."""
import doctest
import importlib
import inspect
import types
from importlib.util import find_spec

import numpy as np
import pytest

import fastad as fa
from fastad import augment, autograd, data, datasets, extend, linalg, nn, optim, optimize, testing, training
from fastad._core.tensor import FUNCTIONS, Tensor
from fastad.nn import functional, init, utils

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def functions_of(module, prefix):
    """The public functions and classes that are fastad's own."""
    names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    for name in names:
        value = getattr(module, name)
        if callable(value) and not isinstance(value, types.ModuleType) and "fastad" in str(getattr(value, "__module__", "fastad")):
            yield f"{prefix}.{name}", value


def public():
    found = {f"fastad.{n}": f for n, f in FUNCTIONS.items()}
    for module, prefix in ((fa, "fastad"), (autograd, "fastad.autograd"), (extend, "fastad.extend"), (nn, "fastad.nn"),
                           (functional, "fastad.nn.functional"), (init, "fastad.nn.init"), (utils, "fastad.nn.utils"),
                           (utils.rnn, "fastad.nn.utils.rnn"), (linalg, "fastad.linalg"),
                           (optimize, "fastad.optimize"), (optim, "fastad.optim"), (augment, "fastad.augment"),
                           (optim.lr_scheduler, "fastad.optim.lr_scheduler"), (data, "fastad.data"), (datasets, "fastad.datasets"),
                           (testing, "fastad.testing"), (training, "fastad.training")):
        found.update(functions_of(module, prefix))
    if find_spec("sklearn"):
        found.update(functions_of(importlib.import_module("fastad.sklearn"), "fastad.sklearn"))
    return found


PUBLIC = public()
NEEDS = {"fastad.optimize.minimize": "scipy"}
METHODS = {f"Tensor.{n}": getattr(Tensor, n) for n in dir(Tensor) if not n.startswith("_") and callable(getattr(Tensor, n))}
PROPERTIES = {f"Tensor.{n}": v for n in dir(Tensor) if not n.startswith("_") for v in [inspect.getattr_static(Tensor, n)]
              if not callable(getattr(Tensor, n))}


@pytest.mark.parametrize("name", sorted(PUBLIC | METHODS))
def test_has_an_example(name):
    text = inspect.getdoc((PUBLIC | METHODS)[name])
    assert text and len(text.strip()) > 20, f"{name} has no docstring"
    assert ">>> " in text, f"{name} has no example"
    assert "Examples\n--------" in text, f"{name} has no section of examples"


@pytest.mark.parametrize("name", sorted(PROPERTIES))
def test_properties_are_described(name):
    assert inspect.getdoc(PROPERTIES[name]), name


@pytest.mark.parametrize("name", sorted(PUBLIC | METHODS))
def test_examples_run(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    value = (PUBLIC | METHODS)[name]
    text = inspect.getdoc(value) or ""
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "example"}, name, None, None)
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    report = []
    with np.printoptions():                # an example may set them
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", sorted(n for n, v in PUBLIC.items() if inspect.isclass(v)))
def test_methods_of_classes_are_described(name):
    for method, value in vars(PUBLIC[name]).items():
        if not method.startswith("_") and callable(value):
            assert inspect.getdoc(getattr(PUBLIC[name], method)), f"{name}.{method} has no docstring"


def test_the_rows_show_their_formula():
    for name in ("tanh", "multiply", "power"):
        text = FUNCTIONS[name].__doc__
        assert "d/d" in text and "Parameters" in text and "Raises" in text
