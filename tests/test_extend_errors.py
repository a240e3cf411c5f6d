"""fastad.extend: every way to get an operation of one's own wrong, and what the errors say."""
import numpy as np
import pytest

import fastad as fa
from fastad._core import make as core
from fastad.extend import def_linear, defjvp, defvjp, notrace, primitive


def leaf(a):
    return fa.tensor(a, requires_grad=True)


WRONG = {                                  # what a rule for x of shape (2,), float64, returns -> the error
    "None": (lambda g: None, TypeError, r"returned None, expected a tensor or an array of shape \(2,\)"),
    "type": (lambda g: "text", TypeError, r"returned a str, expected a tensor or an array of shape \(2,\)"),
    "list": (lambda g: [1.0, 2.0], TypeError, r"returned a list"),
    "bool": (lambda g: True, TypeError, r"returned a bool"),
    "integers": (lambda g: np.array([1, 2]), TypeError, "returned the dtype int64, expected float64"),
    "complex": (lambda g: g * 1j, TypeError, "returned the dtype complex128, expected float64"),
    "fewer": (lambda g: g[:1], ValueError, r"returned the shape \(1,\), expected \(2,\)"),
    "scalar": (lambda g: g.sum(), ValueError, r"returned the shape \(\), expected \(2,\)"),
    "number": (lambda g: 1.0, ValueError, r"returned the shape \(\), expected \(2,\)"),
    "more": (lambda g: fa.ones((2, 2)), ValueError, r"returned the shape \(2, 2\), expected \(2,\)"),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize("lead", [0, 1])
def test_a_wrong_result_of_a_rule(mistake, recording, lead):
    wrong, error, text = WRONG[mistake]
    f = primitive(np.square)
    defvjp(f, lambda ans, x: wrong)
    defjvp(f, lambda g, ans, x: wrong(g))
    x = leaf([1.0, 2.0])
    y = f(x)
    seed = fa.ones((3, 2) if lead else 2)
    with pytest.raises(error, match=r"square: its rule \(defvjp\) for argument 0.*" + text):
        core.pull([y], [x], [seed], lead, recording, True)
    with pytest.raises(error, match=r"square: its rule \(defjvp\) for argument 0.*" + text):
        core.push([x], [y], [seed], lead, recording)
    assert (x * 2).requires_grad           # a rule that raised leaves no switch behind
    assert float(leaf(2.0)) == 2.0 and not core.is_nested()


def test_a_maker_that_is_a_rule():
    """HIPS/autograd's two levels: forgetting the second is the usual mistake"""
    f = primitive(np.square)
    defvjp(f, lambda ans, x: 2 * x)
    with pytest.raises(TypeError, match=r"square: the maker of its rule for argument 0 .*, expected a function of the cotangent"):
        fa.grad(f)(1.0)


def test_wrong_counts_of_tangents():
    f = primitive(lambda x: (x, x))
    defjvp(f, lambda g, ans, x: g)
    x = leaf(1.0)
    with pytest.raises(TypeError, match="expected a tuple of 2 tangents, one for each output"):
        core.push([x], [f(x)[0]], [fa.ones(())], 0, False)


def test_tensors_that_would_be_constants():
    f = primitive(lambda x, w: w * x ** 3)
    x = leaf(2.0)
    for call in (lambda: f(1.0, w=x), lambda: f([x], 1.0), lambda: f({"x": (1, x)}, 1.0)):
        with pytest.raises(TypeError, match=r"<lambda>: argument .* is being differentiated.*pass it as one"):
            call()
    with fa.no_grad():
        assert f(1.0, w=x).item() == 2.0
    closed = primitive(lambda y: x * y)
    with pytest.raises(TypeError, match="past its arguments"):
        closed(fa.tensor(1.0))


@pytest.mark.parametrize("result", [np.array([1, 2]), 3, True], ids=str)
def test_an_integer_result_has_no_derivative(result):
    f = primitive(lambda x: result)
    with pytest.raises(TypeError, match=r"has no derivative.*notrace"):
        f(leaf(1.0))
    assert f(fa.tensor(1.0)).dtype.kind in "bi"


@pytest.mark.parametrize("result", [None, "text", object(), {"a": 1.0}, [[1.0, 2.0]]], ids=str)
def test_a_result_that_is_not_numbers(result):
    with pytest.raises(TypeError, match=r"<lambda>: it returned a .*expected an array"):
        primitive(lambda x: result)(leaf(1.0))


def test_mistakes_in_definitions():
    f = primitive(np.square)
    for define in (defvjp, defjvp):
        with pytest.raises(TypeError, match="'square' is not a primitive; decorate it"):
            define(np.square, lambda *a: None)
        with pytest.raises(ValueError, match="1 rules for square, and 2 argnums"):
            define(f, lambda *a: None, argnums=(0, 1))
        with pytest.raises(ValueError, match="positions from 0 on"):
            define(f, lambda *a: None, argnums=(-1,))
        with pytest.raises(TypeError, match=r"argument 0.* of square must be a function"):
            define(f, 3)
    with pytest.raises(TypeError, match="not a primitive"):
        def_linear(np.square)
    for make in (primitive, notrace):
        with pytest.raises(TypeError, match="expected a function"):
            make(3)


@pytest.mark.parametrize("inner", [fa.grad, fa.deriv, fa.jacrev])
@pytest.mark.parametrize("numpy_only", [False, True])
def test_a_rule_that_reads_the_outer_variable_past_its_arguments(inner, numpy_only):
    def outer(s):
        @primitive
        def three(x):
            return 3.0 * x

        def scale(g):
            return s * (np.float64(float(g)) if numpy_only else g)

        defvjp(three, lambda ans, x: scale)
        defjvp(three, lambda g, ans, x: scale(g))
        return inner(three)(2.0) * 1.0

    with pytest.raises(RuntimeError, match=r"three: its derivative rule reads a tensor .* pass it as one"):
        fa.grad(outer)(5.0)
    assert fa.grad(lambda s: outer(s.detach()) * s)(5.0) == 5.0
    w = fa.tensor(7.0, requires_grad=True)
    assert outer(w) == 7.0                        # differentiated by nobody here
