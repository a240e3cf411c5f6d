"""The cost of one small operation: 200 times `h = h * w; h = h + x`, forward and backward."""
import numpy as np

from bench import peers
from bench.workloads import Workload

REPEATS = 200
OPERATIONS = 2 * REPEATS


def chain(w, x):
    """The function itself: every library has these two operators."""
    h = x
    for _ in range(REPEATS):
        h = h * w
        h = h + x
    return h


def with_backward(leaf):
    """The member of a library with `loss.backward()` and `.grad`; `leaf` makes its variables."""
    def build(data):
        w, x = (leaf(a) for a in data)

        def run():
            w.grad = x.grad = None
            loss = chain(w, x).sum()
            loss.backward()
            return loss, w.grad, x.grad
        return run
    return build


def mygrad(data):
    w, x = (peers.load("MyGrad").tensor(a) for a in data)

    def run():                                     # clears its gradients itself
        loss = chain(w, x).sum()
        loss.backward()
        return loss, w.grad, x.grad
    return run


def autograd(data):
    value_and_grad = peers.load("autograd").value_and_grad(lambda w, x: chain(w, x).sum(), argnum=(0, 1))
    return lambda: value_and_grad(*data)


def jax(data):
    jax = peers.load("JAX")
    value_and_grad = jax.jit(jax.value_and_grad(lambda w, x: chain(w, x).sum(), argnums=(0, 1)))
    arrays = [jax.numpy.asarray(a) for a in data]
    return lambda: jax.block_until_ready(value_and_grad(*arrays))


def micrograd(data):
    Value = peers.load("micrograd").Value
    w0, x0 = (float(a[0]) for a in data)

    def run():
        w, x = Value(w0), Value(x0)
        loss = chain(w, x)
        loss.backward()
        return loss.data, w.grad, x.grad
    return run


def numpy_by_hand(data):
    """The derivative as somebody without a library writes it: dw = sum dh_k h_(k-1), dx = sum dh_k."""
    w, x = data

    def run():
        h, kept = x, []
        for _ in range(REPEATS):
            kept.append(h)
            h = h * w
            h = h + x
        dh, dw, dx = np.ones_like(h), np.zeros_like(w), np.zeros_like(x)
        for before in reversed(kept):
            dx += dh
            dw += dh * before
            dh = dh * w
        return h.sum(), dw, dx + dh
    return run


BUILDERS = {
    "fastad": with_backward(lambda a: peers.load("fastad").tensor(a, requires_grad=True)),
    "reference": with_backward(lambda a: peers.load("reference").Tensor(a, requires_grad=True)),
    "PyTorch": with_backward(lambda a: peers.load("PyTorch").tensor(a, requires_grad=True)),
    "JAX": jax, "autograd": autograd, "MyGrad": mygrad, "NumPy": numpy_by_hand,
}


def small_op(elements, targets, **more_builders):
    def data(rng):                                 # |w| < 1 keeps the chain bounded
        w, x = rng.uniform(0.5, 0.9, elements), rng.normal(size=elements)
        return w.astype(np.float32), x.astype(np.float32)

    name = f"{elements:,} element{'s' if elements > 1 else ''}"
    return Workload("One small operation", name, data, BUILDERS | more_builders, targets,
                    unit="ns an operation", scale=1e9 / OPERATIONS, tolerance=1e-4)


WORKLOADS = [
    small_op(1, (("PyTorch", 1 / 40),), micrograd=micrograd),
    small_op(16, (("PyTorch", 1 / 40),)),
    small_op(1024, (("PyTorch", 1 / 15), ("JAX", 1))),
]
