"""Functions that a scientist differentiates: value and gradient in float64, from NumPy arrays."""
import numpy as np

from bench import peers
from bench.workloads import Workload

FAMILY = "Functions a scientist differentiates"


def torch_value_and_grad(f):
    """PyTorch has no such function for plain calls: write the three lines that its users write."""
    torch = peers.load("PyTorch")

    def run(array):
        x = torch.tensor(array, requires_grad=True)
        y = f(x)
        y.backward()
        return y, x.grad
    return run


def jax_value_and_grad(f):
    jax = peers.load("JAX")
    compiled = jax.jit(jax.value_and_grad(f))
    return lambda x: jax.block_until_ready(compiled(x))


# --- Rosenbrock's valley: slices, powers and a sum -------------------------------------------------

def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def rosenbrock_member(value_and_grad):
    def build(x):
        both = value_and_grad()(rosenbrock)
        return lambda: both(x)
    return build


def rosenbrock_workload(n, targets):
    builders = {
        "fastad": rosenbrock_member(lambda: peers.load("fastad").value_and_grad),
        "reference": rosenbrock_member(lambda: peers.load("reference").value_and_grad),
        "PyTorch": rosenbrock_member(lambda: torch_value_and_grad),
        "JAX": rosenbrock_member(lambda: jax_value_and_grad),
        "autograd": rosenbrock_member(lambda: peers.load("autograd").value_and_grad),
    }
    return Workload(FAMILY, f"Rosenbrock, n = {n:,}", lambda rng: rng.normal(size=n), builders, targets)


# --- matrices of derivatives: the Hessian of the valley, the Jacobian of two layers -----------------

def torch_matrix(transform, f):
    def build(x):
        torch = peers.load("PyTorch")
        matrix, x = getattr(torch.func, transform)(f), torch.tensor(x)
        return lambda: matrix(x)
    return build


def jax_matrix(transform, f):
    def build(x):
        jax = peers.load("JAX")
        matrix, x = jax.jit(getattr(jax, transform)(f)), jax.numpy.asarray(x)
        return lambda: jax.block_until_ready(matrix(x))
    return build


def plain_matrix(library, transform, f):
    def build(x):
        matrix = getattr(peers.load(library), transform)(f)
        return lambda: matrix(x)
    return build


def hessian_workload(n, targets):
    builders = {
        "fastad": plain_matrix("fastad", "hessian", rosenbrock),
        "PyTorch": torch_matrix("hessian", rosenbrock),
        "JAX": jax_matrix("hessian", rosenbrock),
    }
    if n <= 20:
        builders["autograd"] = plain_matrix("autograd", "hessian", rosenbrock)
    return Workload(FAMILY, f"Hessian of Rosenbrock, n = {n}", lambda rng: rng.normal(size=n), builders, targets)


def two_layers(tanh, W):
    return lambda x: tanh(W @ tanh(W @ x))


def jacobian_workload(transform, mode):
    W = np.random.default_rng(0).normal(size=(100, 100)) / 10

    def fastad(x):
        fa = peers.load("fastad")
        return plain_matrix("fastad", transform, two_layers(fa.tanh, fa.tensor(W)))(x)

    def pytorch(x):
        torch = peers.load("PyTorch")
        return torch_matrix(transform, two_layers(torch.tanh, torch.tensor(W)))(x)

    def with_jax(x):
        jax = peers.load("JAX")
        return jax_matrix(transform, two_layers(jax.numpy.tanh, jax.numpy.asarray(W)))(x)

    return Workload(FAMILY, f"Jacobian, 100 by 100, {mode}", lambda rng: rng.normal(size=100),
                    {"fastad": fastad, "PyTorch": pytorch, "JAX": with_jax}, ())


# --- logistic regression: the mean of -ln p(label), labels -1 and 1 --------------------------------

def logistic_data(rng, samples=10_000, features=100):
    X = rng.normal(size=(samples, features))
    labels = np.where(X @ rng.normal(size=features) + rng.normal(size=samples) > 0, 1.0, -1.0)
    return X, labels, 0.1 * rng.normal(size=features)


def logistic_member(library, np_of, constant=np.asarray, value_and_grad=None):
    """A member of a library that has `logaddexp` and `mean` where `np_of(module)` says."""
    def build(data):
        module = peers.load(library)
        ns, (X, labels) = np_of(module), (constant(a) for a in data[:2])
        both = (value_and_grad or module.value_and_grad)(
            lambda w: ns.mean(ns.logaddexp(0.0, -labels * (X @ w))))
        return lambda: both(data[2])
    return build


def logistic_fastad(data):
    fa = peers.load("fastad")
    X, labels, w = data
    X, minus_labels = fa.tensor(X), fa.tensor(-labels)
    both = fa.value_and_grad(lambda w: fa.mean(fa.logaddexp(0.0, minus_labels * (X @ w))))
    return lambda: both(w)


def logistic_pytorch(data):
    torch = peers.load("PyTorch")
    X, labels, w = data
    X, ones = torch.tensor(X), torch.tensor((labels + 1) / 2)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    both = torch_value_and_grad(lambda w: bce(X @ w, ones))
    return lambda: both(w)


LOGISTIC = {
    "fastad": logistic_fastad,
    "reference": logistic_member("reference", lambda ref: ref),
    "PyTorch": logistic_pytorch,
    "JAX": logistic_member("JAX", lambda jax: jax.numpy, value_and_grad=jax_value_and_grad),
    "autograd": logistic_member("autograd", lambda autograd: autograd_numpy()),
}


def autograd_numpy():
    import autograd.numpy
    return autograd.numpy


# --- Lotka and Volterra's predator and prey: 14 scalar operations a step ---------------------------

STEPS, DT = 1000, 0.01


def lotka_volterra_step(state, a, b, c, d):
    x, y, total = state
    x, y = x + DT * (a * x - b * x * y), y + DT * (d * x * y - c * y)
    return x, y, total + x * y


def lotka_volterra(a, b, c, d):
    """The sum of x y over the path from (1, 1), by Euler's method in a plain Python loop."""
    state = 1.0, 1.0, 0.0
    for _ in range(STEPS):
        state = lotka_volterra_step(state, a, b, c, d)
    return state[2]


def lotka_member(leaf):
    """The member of a library with `.backward()` and `.grad`; `leaf` makes a variable."""
    def build(parameters):
        def run():
            variables = [leaf(p) for p in parameters]
            y = lotka_volterra(*variables)
            y.backward()
            return y, [v.grad for v in variables]
        return run
    return build


def lotka_autograd(parameters):
    both = peers.load("autograd").value_and_grad(lotka_volterra, argnum=(0, 1, 2, 3))
    arguments = [float(p) for p in parameters]
    return lambda: both(*arguments)


def lotka_jax(parameters):
    """As a scan: the plain loop of 14,000 operations does not finish compiling in 24 GB."""
    jax = peers.load("JAX")

    def scanned(*p):
        start = (jax.numpy.ones(()), jax.numpy.ones(()), jax.numpy.zeros(()))
        last, _ = jax.lax.scan(lambda state, _: (lotka_volterra_step(state, *p), None), start, length=STEPS)
        return last[2]
    both = jax.jit(jax.value_and_grad(scanned, argnums=(0, 1, 2, 3)))
    return lambda: jax.block_until_ready(both(*parameters))


def lotka_micrograd(parameters):
    Value = peers.load("micrograd").Value

    def run():
        variables = [Value(float(p)) for p in parameters]
        y = lotka_volterra(*variables)
        y.backward()
        return y.data, [v.grad for v in variables]
    return run


LOTKA_VOLTERRA = {
    "fastad": lotka_member(lambda p: peers.load("fastad").tensor(p, requires_grad=True)),
    "reference": lotka_member(lambda p: peers.load("reference").Tensor(p, requires_grad=True)),
    "PyTorch": lotka_member(lambda p: peers.load("PyTorch").tensor(p, requires_grad=True)),
    "MyGrad": lotka_member(lambda p: peers.load("MyGrad").tensor(p)),
    "JAX": lotka_jax, "autograd": lotka_autograd, "micrograd": lotka_micrograd,
}

# --- the likelihood of a Gaussian process, by a Cholesky factor: amplitude, length and noise, logarithms of them ----

def gaussian_process_data(rng, n=200, inputs=3):
    X = rng.normal(size=(n, inputs))
    squares = ((X[:, None] - X[None]) ** 2).sum(-1)
    return squares, np.sin(X.sum(1)) + 0.1 * rng.normal(size=n), np.array([0.1, 0.2, -2.0]) + 0.1 * rng.normal(size=3)


def gaussian_process(ns, cholesky, half, eye, squares, y):
    """-ln p(y) without the constant; `half` solves L z = y."""
    def f(parameters):
        amplitude, length, noise = ns.exp(2 * parameters)
        L = cholesky(amplitude * ns.exp(squares * (-0.5 / length)) + noise * eye)
        z = half(L, y)
        return 0.5 * (z * z).sum() + ns.log(ns.diagonal(L, 0, -1, -2)).sum()
    return f


def gaussian_process_fastad(data):
    fa = peers.load("fastad")
    squares, y, parameters = data
    squares, eye, y = fa.tensor(squares), fa.eye(len(y)), fa.tensor(y)
    both = fa.value_and_grad(gaussian_process(
        fa, fa.linalg.cholesky, lambda L, y: fa.linalg.solve_triangular(L, y, lower=True), eye, squares, y))
    return lambda: both(parameters)


def gaussian_process_pytorch(data):
    torch = peers.load("PyTorch")
    squares, y, parameters = data
    squares, eye, y = torch.tensor(squares), torch.eye(len(y), dtype=torch.float64), torch.tensor(y)[:, None]
    both = torch_value_and_grad(gaussian_process(
        torch, torch.linalg.cholesky, lambda L, y: torch.linalg.solve_triangular(L, y, upper=False), eye, squares, y))
    return lambda: both(parameters)


def gaussian_process_jax(data):
    jax = peers.load("JAX")
    from jax.scipy.linalg import solve_triangular
    squares, y, parameters = data
    both = jax_value_and_grad(gaussian_process(
        jax.numpy, jax.numpy.linalg.cholesky, lambda L, y: solve_triangular(L, y, lower=True), np.eye(len(y)), squares, y))
    return lambda: both(parameters)


def gaussian_process_autograd(data):
    anp = autograd_numpy()
    from autograd.scipy.linalg import solve_triangular
    squares, y, parameters = data
    both = peers.load("autograd").value_and_grad(gaussian_process(
        anp, anp.linalg.cholesky, lambda L, y: solve_triangular(L, y, lower=True), np.eye(len(y)), squares, y))
    return lambda: both(parameters)


GAUSSIAN_PROCESS = {"fastad": gaussian_process_fastad, "PyTorch": gaussian_process_pytorch, "JAX": gaussian_process_jax,
                    "autograd": gaussian_process_autograd}

WORKLOADS = [
    rosenbrock_workload(10, (("autograd", 1 / 40),)),
    rosenbrock_workload(10_000, (("autograd", 1 / 6),)),
    hessian_workload(20, (("PyTorch", 1 / 20),)),
    hessian_workload(200, ()),
    jacobian_workload("jacfwd", "forward mode"),
    jacobian_workload("jacrev", "reverse mode"),
    Workload(FAMILY, "logistic regression, 10,000 x 100", logistic_data, LOGISTIC, (("PyTorch", 1),)),
    Workload(FAMILY, "Lotka-Volterra, 1,000 steps (JAX: a scan)",
             lambda rng: rng.uniform(0.9, 1.1, 4), LOTKA_VOLTERRA, (("PyTorch", 1 / 60),)),
    Workload(FAMILY, "Gaussian process, n = 200 (Cholesky)", gaussian_process_data, GAUSSIAN_PROCESS, (("PyTorch", 1),)),
]
