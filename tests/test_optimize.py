"""fastad.optimize.minimize: what each method of SciPy is given, against closed forms and SciPy's own derivatives."""
import subprocess
import sys

import numpy as np
import pytest

import fastad as fa
from fastad.optimize import HESSIANS, PRODUCTS, VALUES, Problem, minimize

so = pytest.importorskip("scipy.optimize")
GRADIENTS = ("cg", "bfgs", "l-bfgs-b", "tnc", "slsqp")


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def test_every_method_of_scipy_is_known():
    from scipy.optimize._minimize import MINIMIZE_METHODS
    known = set(VALUES) | set(PRODUCTS) | set(HESSIANS) | set(GRADIENTS)
    assert {m.lower() for m in MINIMIZE_METHODS} - {"_custom"} <= known


@pytest.mark.parametrize("method", [None, *GRADIENTS, *PRODUCTS, *HESSIANS, "Newton-CG", "nelder-mead", "powell"])
def test_finds_the_minimum_of_rosenbrocks_valley(method):
    found = minimize(rosenbrock, np.array([0.9, 1.2, 0.8]), method=method, tol=1e-9)
    np.testing.assert_allclose(found.x, 1.0, atol=1e-3)
    if method and method.lower() in PRODUCTS + HESSIANS:
        np.testing.assert_allclose(found.x, 1.0, atol=1e-6)


@pytest.mark.parametrize("method", [*GRADIENTS, *PRODUCTS, *HESSIANS])
def test_the_same_steps_as_with_derivatives_by_hand(method):
    given = {"jac": so.rosen_der}
    if method in PRODUCTS:
        given["hessp"] = so.rosen_hess_prod
    if method in HESSIANS:
        given["hess"] = so.rosen_hess
    x0 = np.array([0.9, 1.2, 0.8, 1.1])
    options = {"maxfun": 20} if method == "tnc" else {"maxiter": 8}
    expected = so.minimize(so.rosen, x0, method=method, options=options, **given)
    found = minimize(rosenbrock, x0, method=method, options=options)
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-5)
    assert found.nit == expected.nit


@pytest.mark.parametrize("n", [2, 7])
def test_derivatives_of_a_problem(n):
    problem = Problem(rosenbrock, (n,), ())
    x, v = np.linspace(0.5, 1.5, n), np.random.default_rng(0).normal(size=n)
    value, gradient = problem.value_and_gradient(x)
    np.testing.assert_allclose([value, problem.value(x)], so.rosen(x), rtol=1e-14)
    np.testing.assert_allclose(gradient, so.rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(problem.product(x, v), so.rosen_hess_prod(x, v), rtol=1e-12)
    np.testing.assert_allclose(problem.hessian(x), so.rosen_hess(x), rtol=1e-12, atol=1e-10)


def test_one_recording_serves_all_products_at_a_point():
    calls = []

    def f(x):
        calls.append(1)
        return (x ** 4).sum()
    problem, x = Problem(f, (3,), ()), np.array([1.0, 2.0, 3.0])
    for v in np.eye(3):
        np.testing.assert_allclose(problem.product(x, v), 12 * x ** 2 * v)
    assert len(calls) == 1
    x[0] = 5.0                              # SciPy may write into its array
    np.testing.assert_allclose(problem.hessian(x), np.diag(12 * x ** 2))
    assert len(calls) == 2


@pytest.mark.parametrize("method", ["bfgs", "newton-cg", "trust-exact", "powell", "l-bfgs-b"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 2)])
def test_any_shape(method, shape):
    target = np.arange(1.0, 1.0 + int(np.prod(shape))).reshape(shape)
    seen = set()

    def f(x):
        seen.add(x.shape)
        return fa.cosh(x - target).sum()
    found = minimize(f, np.zeros(shape), method=method, tol=1e-9)
    assert seen == {shape} and found.x.shape == shape
    np.testing.assert_allclose(found.x, target, atol=1e-4)
    if method == "bfgs":
        assert found.jac.shape == shape


def test_bounds_arguments_and_options():
    f = lambda x, a, b: ((x - a) ** 2 * b).sum()  # noqa: E731
    a = np.array([[2.0, -2.0], [0.5, 0.0]])
    for bounds in (so.Bounds(-1, 1), so.Bounds(-np.ones((2, 2)), np.ones((2, 2))), [(-1, 1)] * 4):
        found = minimize(f, np.zeros((2, 2)), (a, 3.0), bounds=bounds)
        np.testing.assert_allclose(found.x, np.clip(a, -1, 1), atol=1e-6)
    found = minimize(f, np.zeros((2, 2)), (fa.tensor(a, requires_grad=True), 3.0), method="trust-ncg", options={"maxiter": 3})
    np.testing.assert_allclose(found.x, a, atol=1e-6)
    steps = []
    minimize(lambda x: (x ** 2).sum(), [1.0, 2.0], callback=lambda x: steps.append(x.copy()))
    assert steps and steps[0].shape == (2,)
    np.testing.assert_allclose(minimize(lambda x, k: ((x - k) ** 2).sum(), [0, 0], 4.0).x, 4.0, atol=1e-6)


def test_constraints():
    found = minimize(lambda x: (x ** 2).sum(), np.ones((2, 1)), constraints={"type": "eq", "fun": lambda x: x.sum() - 3.0})
    np.testing.assert_allclose(found.x, [[1.5], [1.5]], atol=1e-6)
    found = minimize(rosenbrock, np.zeros(2), method="trust-constr", constraints=so.LinearConstraint(np.ones((1, 2)), -np.inf, 1.0))
    expected = so.minimize(so.rosen, np.zeros(2), method="trust-constr", jac=so.rosen_der, hess=so.rosen_hess,
                           constraints=so.LinearConstraint(np.ones((1, 2)), -np.inf, 1.0))
    np.testing.assert_allclose(found.x, expected.x, atol=1e-4)


def test_derivatives_of_the_callers_own():
    used = []
    found = minimize(rosenbrock, np.zeros(2), method="newton-cg", jac=lambda x: (used.append("jac"), so.rosen_der(x))[1],
                     hess=lambda x: (used.append("hess"), so.rosen_hess(x))[1])
    np.testing.assert_allclose(found.x, 1.0, atol=1e-4)
    assert {"jac", "hess"} == set(used)
    np.testing.assert_allclose(minimize(rosenbrock, np.zeros(2), jac="2-point").x, 1.0, atol=1e-4)
    np.testing.assert_allclose(minimize(rosenbrock, np.zeros(2), jac=True).x, 1.0, atol=1e-4)


def test_linear_and_constant_functions():
    problem = Problem(lambda x: (3 * x).sum(), (2,), ())
    assert (problem.hessian(np.ones(2)) == 0).all() and (problem.product(np.ones(2), np.ones(2)) == 0).all()
    for constant in (fa.tensor(1.0), 1, np.float32(1)):
        problem = Problem(lambda x, y=constant: y, (2,), ())
        assert (problem.hessian(np.ones(2)) == 0).all() and problem.value(np.ones(2)) == 1
    with pytest.warns(fa.IndependentWarning):
        assert minimize(lambda x: 1.0, np.ones(2)).success


def test_a_gaussian_process_is_fitted():
    """Cholesky, triangular solve, and second derivatives of both, in a search."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-3, 3, 30))
    y = np.sin(2 * x) + 0.1 * rng.normal(size=30)
    squares, eye = (x[:, None] - x) ** 2, np.eye(30)

    def likelihood(p):
        L = np.linalg.cholesky(fa.exp(p[0] - squares * fa.exp(-p[1])) + fa.exp(p[2]) * eye)
        z = fa.linalg.solve_triangular(L, y, lower=True)
        return 0.5 * (z * z).sum() + fa.log(fa.linalg.diagonal(L)).sum()
    found = minimize(likelihood, np.zeros(3), method="trust-exact")
    assert found.success and np.linalg.norm(found.jac) < 1e-3
    again = minimize(likelihood, np.zeros(3), method="l-bfgs-b")
    np.testing.assert_allclose(found.fun, again.fun, rtol=1e-5)
    assert 0.05 < np.exp(found.x[2] / 2) < 0.2      # the noise that was added


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: minimize(lambda x: x, np.ones(2)), ValueError, r"shape \(2,\), expected one element"),
    (lambda: minimize(lambda x: x, np.ones(2), method="powell"), ValueError, r"minimize .*shape \(2,\), expected one element"),
    (lambda: minimize(lambda x: "a", np.ones(2)), TypeError, "returned a str"),
    (lambda: minimize(lambda x: "a", np.ones(2), method="nelder-mead"), TypeError, "minimize .*returned a str, expected a Tensor"),
    (lambda: minimize(3, np.ones(2)), TypeError, "minimize: expected a function, got int"),
    (lambda: minimize(rosenbrock, np.ones(2) * 1j), TypeError, "minimize: x0 must be real"),
    (lambda: minimize(rosenbrock, "ab"), TypeError, "minimize"),
    (lambda: minimize(rosenbrock, fa.tensor([1.0, 2.0], requires_grad=True)), TypeError, "minimize: .*x0.detach"),
    (lambda: minimize(rosenbrock, np.ones(2), bounds=so.Bounds(np.zeros(3), np.ones(3))), ValueError, r"bounds of shapes.*\(2,\)"),
    (lambda: minimize(rosenbrock, np.ones(2), method="newton"), ValueError, "newton"),
], ids=range(10))
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_without_scipy_the_remedy_is_named():
    code = ("import sys, fastad; sys.modules['scipy'] = None; sys.modules['scipy.optimize'] = None\n"
            "try: fastad.optimize.minimize(lambda x: x, 1.0)\nexcept ImportError as e: print(e)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SciPy is not installed; pip install" in done.stdout
