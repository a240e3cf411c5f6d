"""Bad input to the transforms: each error names the function and the remedy, and nothing is silently wrong."""
import numpy as np
import pytest

import fastad as fa

ONES = np.ones(2)


def square(x):
    return (x * x).sum()


def twice(x):
    return 2 * x


SCALAR_ONLY = {"grad": fa.grad, "value_and_grad": fa.value_and_grad, "hessian": fa.hessian, "make_hvp": fa.make_hvp,
               "holomorphic_grad": fa.holomorphic_grad, "with aux": lambda f: fa.grad(lambda x: (f(x), 1), has_aux=True),
               "hvp": lambda f: lambda x: fa.hvp(f, x, x), "vhp": lambda f: lambda x: fa.vhp(f, x, x),
               "hessian_tensor_product": lambda f: lambda x: fa.hessian_tensor_product(f)(x, x), "grad_named": lambda f: fa.grad_named(f, "x")}
ANY = {"jacobian": fa.jacobian, "jacfwd": fa.jacfwd, "jacrev": fa.jacrev, "vjp": lambda f: lambda x: fa.vjp(f, x),
       "jvp": lambda f: lambda x: fa.jvp(f, x, x), "linearize": lambda f: lambda x: fa.linearize(f, x), "deriv": fa.deriv,
       "elementwise_grad": fa.elementwise_grad, "make_vjp": fa.make_vjp, "make_jvp": fa.make_jvp, "make_ggnvp": fa.make_ggnvp}


@pytest.mark.parametrize("name", SCALAR_ONLY)
def test_a_value_with_several_elements(name):
    with pytest.raises(ValueError, match=r" of (twice|<lambda>): its value has shape \(2,\), expected one element; .*fastad.jacobian"):
        SCALAR_ONLY[name](twice)(ONES)


@pytest.mark.parametrize("name", SCALAR_ONLY | ANY)
def test_integers(name):
    with pytest.raises(TypeError, match=r" of (square|<lambda>): argument 0 has dtype int64, which has no derivative; use x.astype\(float\)"):
        (SCALAR_ONLY | ANY)[name](square)(np.arange(3))
    with pytest.raises(TypeError, match="argument 0 has dtype bool"):
        (SCALAR_ONLY | ANY)[name](square)(fa.tensor([True]))


@pytest.mark.parametrize("name", SCALAR_ONLY | ANY)
@pytest.mark.parametrize("value", ["text", object(), {1, 2}])
def test_a_function_that_returns_something_else(name, value):
    def strange(x):
        return value

    with pytest.raises(TypeError, match=f" of (strange|<lambda>): it returned a {type(value).__name__}, expected a Tensor; use fastad's"):
        (SCALAR_ONLY | ANY)[name](strange)(ONES)


@pytest.mark.parametrize("name", SCALAR_ONLY | ANY)
def test_what_is_no_function(name):
    if name == "with aux":
        return
    with pytest.raises(TypeError, match=r": expected a function, got Tensor; fastad.autograd.grad differentiates results"):
        (SCALAR_ONLY | ANY)[name](fa.tensor(1.0))(ONES)


@pytest.mark.parametrize("name", set(SCALAR_ONLY) - {"holomorphic_grad"})
def test_a_container_where_a_number_is_expected(name):
    with pytest.raises(TypeError, match=r" of <lambda>: it returned a tuple, expected a Tensor; .*has_aux=True"):
        SCALAR_ONLY[name](lambda x: (square(x), 1.0))(ONES)


def vjp_of(f, *args):
    return fa.vjp(f, *args)[1]


CASES = {
    # arguments
    "out of range": (lambda: fa.jacobian(twice, 1)(ONES), ValueError, "jacobian of twice: argnum 1 is out of range for 1 positional"),
    "keyword by number": (lambda: fa.grad(square)(x=ONES), ValueError, "pass x by position to differentiate by it, or give argnum its name"),
    "no such name": (lambda: fa.grad(square, "y")(ONES), ValueError, "grad of square: there is no argument 'y' in this call; its arguments are x$"),
    "not in this call": (lambda: fa.grad(lambda x, y: x * y, "y")(1.0), ValueError, "there is no argument 'y' in this call"),
    "twice by name": (lambda: fa.grad(fa.multiply, (0, -2))(1.0, 2.0), ValueError, "names argument 0 twice"),
    "number and name": (lambda: fa.hessian(lambda x: x * x, (0, "x"))(1.0), ValueError, "names argument 0 twice"),
    "argnum float": (lambda: fa.jacfwd(twice, 0.5), TypeError, "jacfwd of twice: argnum must be an integer.* got 0.5"),
    "argnum list": (lambda: fa.elementwise_grad(twice, [0]), TypeError, r"got \[0\]"),
    "a list where the function wants an array": (lambda: fa.grad(lambda x: x + 1.0)([1.0, 2.0]), TypeError, "can only concatenate list"),
    "aux missing": (lambda: fa.grad(square, has_aux=True)(ONES), TypeError, "with has_aux=True it must return .value, aux., not Tensor"),
    "aux of three": (lambda: fa.vjp(lambda x: (x, 1, 2), ONES, has_aux=True), TypeError, "not a tuple of 3"),
    # tangents
    "tangent shape": (lambda: fa.jvp(square, ONES, np.ones(3)), ValueError, r"jvp of square: the tangent\[0\] has shape \(3,\), expected \(2,\)"),
    "scalar tangent": (lambda: fa.jvp(square, ONES, 1.0), ValueError, r"has shape \(\), expected \(2,\)"),
    "complex tangent": (lambda: fa.jvp(square, ONES, 1j * ONES), TypeError, "the tangent.* has dtype complex128, expected float64; take the real"),
    "object tangent": (lambda: fa.jvp(square, ONES, np.array([object()] * 2)), TypeError, "jvp of square"),
    "number of tangents": (lambda: fa.jvp(fa.multiply, (1.0, 2.0), (1.0,)), ValueError, "jvp of multiply: 2 primals and 1 tangents"),
    "tangents no tuple": (lambda: fa.jvp(fa.multiply, (1.0, 2.0), 1.0), TypeError, "the primals are a tuple of arguments, and the tangents a float"),
    "linearize": (lambda: fa.linearize(square, ONES)[1](1.0), ValueError, r"linearize of square: the tangent\[0\] has shape"),
    "linearize count": (lambda: fa.linearize(square, ONES)[1](ONES, ONES), ValueError, "the tangent has 2 elements, expected 1 elements"),
    "make_jvp": (lambda: fa.make_jvp(square)(ONES)(np.ones((2, 1))), ValueError, r"make_jvp of square: the tangent has shape \(2, 1\)"),
    "hvp": (lambda: fa.hvp(square, ONES, np.ones(3)), ValueError, r"hvp of square: the tangent\[0\] has shape \(3,\)"),
    "vhp": (lambda: fa.vhp(square, (ONES,), (ONES, ONES)), ValueError, "vhp of square: 1 primals and 2 cotangents"),
    "make_hvp": (lambda: fa.make_hvp(square)(ONES)[0](1.0), ValueError, r"make_hvp of square: the tangent has shape \(\), expected \(2,\)"),
    "product alone": (lambda: fa.hessian_vector_product(square)(ONES), ValueError, "expected the arguments and the tensor, got 1"),
    "tensor of the wrong shape": (lambda: fa.tensor_jacobian_product(twice)(ONES, np.ones(3)), ValueError,
                                  r"tensor_jacobian_product of twice: the tensor has shape \(3,\), expected \(2,\)"),
    "tensor too large": (lambda: fa.tensor_jacobian_product(twice)(ONES, np.ones((2, 2))), ValueError, r"has shape \(2, 2\), expected \(2,\)"),
    # cotangents
    "cotangent shape": (lambda: vjp_of(twice, ONES)(1.0), ValueError, r"vjp of twice: the cotangent has shape \(\), expected \(2,\)"),
    "cotangent dtype": (lambda: vjp_of(twice, ONES)(1j * ONES), TypeError, "the cotangent has dtype complex128, expected float64"),
    "cotangent structure": (lambda: vjp_of(lambda x: [x, x], ONES)(ONES), TypeError, "the cotangent is a ndarray, expected a list"),
    "cotangent count": (lambda: vjp_of(lambda x: [x, x], ONES)([ONES]), ValueError, "the cotangent has 1 elements, expected 2 elements"),
    "cotangent keys": (lambda: vjp_of(lambda x: {"a": x}, ONES)({"b": ONES}), ValueError, "the cotangent has the keys 'b', expected the keys 'a'"),
    "cotangent inside": (lambda: vjp_of(lambda x: {"a": (x,)}, ONES)({"a": (1.0,)}), ValueError, r"the cotangent\['a'\]\[0\] has shape"),
    # the rest
    "chunk size": (lambda: fa.jacobian(twice, chunk_size=0), ValueError, "jacobian of twice: chunk_size must be positive, got 0"),
    "chunk size float": (lambda: fa.hessian(square, chunk_size=1.5), TypeError, "hessian of square: chunk_size must be an integer or None, got 1.5"),
    "complex elementwise": (lambda: fa.elementwise_grad(lambda z: z * z)(1j * ONES), TypeError, "its value has dtype complex128; take the real part"),
    "multigrad of a call that does not fit": (lambda: fa.multigrad_dict(square)(), TypeError, "missing a required argument: 'x'"),
    "multigrad of a string": (lambda: fa.multigrad_dict(lambda x, mode="fast": x * x)(1.0), TypeError, r"argument 0\['mode'\] is a str"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_names_the_function_and_the_remedy(case):
    call, error, message = CASES[case]
    with pytest.raises(error, match=message):
        call()


def test_a_note_says_that_a_list_is_a_list_of_tensors():
    with pytest.raises(TypeError) as caught:
        fa.grad(lambda x: x * x)([1.0, 2.0])
    assert any("argument 0 is a list, so the function was given a list of tensors; pass numpy.array" in note for note in caught.value.__notes__)
    with pytest.raises(AttributeError) as caught:
        fa.grad(lambda x: x.sum())((1.0, 2.0))
    assert "a tuple of tensors" in caught.value.__notes__[0]
    with pytest.raises(TypeError) as caught:
        fa.grad(lambda x: x + "text")(1.0)
    assert not getattr(caught.value, "__notes__", None)


def test_tangents_are_cast():
    x = np.ones(2, np.float32)
    for v in (np.ones(2), np.ones(2, int), [1, 1], [1.0, 1.0], fa.ones(2), np.ones(2, bool)):
        tangent = fa.jvp(square, x, v)[1]
        assert tangent == 4 and tangent.dtype == np.float32
        assert fa.vjp(twice, x)[1](v)[0].dtype == np.float32
