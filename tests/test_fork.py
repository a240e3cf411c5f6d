"""Processes: a fork after use works, also beside other threads' walks and products; multiprocessing; import in threads."""
import os
import subprocess
import sys

import pytest

PRELUDE = """
import multiprocessing, os, signal, sys, threading, time, warnings
import numpy as np
import fastad as fa
warnings.simplefilter("ignore", DeprecationWarning)    # Python 3.12: a process with threads forks

def step(n=20):
    x, w = fa.tensor(np.ones((n, n)), requires_grad=True), fa.ones((n, n), requires_grad=True)
    fa.tanh(x @ w / n).sum().backward()
    return float(w.grad.numpy().sum())

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)                               # a child that hangs ends, and by a signal
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run_python(code, *arguments, **environment):
    """The output of a program; a process that hangs or fails is an error."""
    done = subprocess.run([sys.executable, *arguments, "-c", PRELUDE + code] if code else [sys.executable, *arguments],
                          env={**os.environ, **environment}, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


@forks
def test_fork_after_use_of_the_blas_threads():
    code = """
fa.set_num_threads(2)
big = step(300)
def child():
    assert step() == step() and step(300) == big       # with the threads that the BLAS starts anew
    in_child(lambda: step(300))
for _ in range(3):
    in_child(child)
assert step(300) == big
"""
    run_python(code, OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")


@forks
def test_fork_beside_a_walk_of_another_thread():
    """The walk that stands still in the child must not be waited for, nor the lock of a thread that waits for it."""
    run_python("""
x, other = fa.ones(3, requires_grad=True), fa.ones(3, requires_grad=True)
inside, leave = threading.Event(), threading.Event()
y = x * 2
def hold(g):
    inside.set()
    leave.wait()
y.register_hook(hold)
walker = threading.Thread(target=y.sum().backward)
walker.start()
inside.wait()
waiters = [threading.Thread(target=(x * 5).sum().backward) for _ in range(4)]
for t in waiters:
    t.start()
def child():
    (x * 3).sum().backward()                           # the leaf that the walk holds
    (other * 3).sum().backward()
    assert x.grad.tolist() == other.grad.tolist() == [3.0] * 3
    for t in [threading.Thread(target=step) for _ in range(2)]:
        t.start()
        t.join()
for _ in range(20):
    in_child(child)
leave.set()
for t in [walker, *waiters]:
    t.join()
assert x.grad.tolist() == [22.0] * 3, x.grad
""")


@forks
def test_fork_inside_a_hook():
    """The child goes on with the walk it was born in."""
    run_python("""
x = fa.ones(3, requires_grad=True)
y = x * 2
def hook(g):
    in_child(lambda: (x * 5).sum().backward())
y.register_hook(hook)
y.sum().backward()
assert x.grad.tolist() == [2.0] * 3
born = []
def fork(g):
    born.append(os.fork())
z = x * 7
z.register_hook(fork)
z.sum().backward()                                     # in both processes
assert x.grad.tolist() == [9.0] * 3
(x * 1).sum().backward()
if born[0] == 0:
    os._exit(0 if x.grad.tolist() == [10.0] * 3 else 1)
assert os.waitpid(born[0], 0)[1] == 0
""")


@forks
def test_fork_inside_a_transform():
    """In the child of another thread no transform is under way; in the child of its own thread it is."""
    run_python("""
from concurrent.futures import ThreadPoolExecutor
def child_of_a_worker():
    assert float(x) == 2 and type(fa.grad(lambda y: y * x)(3.0)) is np.float64
def child():
    try:
        float(x)
    except TypeError:
        return
    raise AssertionError
def f(argument):
    global x
    x = argument
    with ThreadPoolExecutor(1) as pool:
        pool.submit(in_child, child_of_a_worker).result()
    in_child(child)
    return x * x
assert fa.grad(f)(2.0) == 4
""")


@forks
def test_fork_beside_long_kernels():
    """OpenBLAS with several threads hangs in a fork beside a product: fastad's fork waits for fastad's products."""
    run_python("""
stop = []
def busy(n):
    while not stop:
        step(n)
threads = [threading.Thread(target=busy, args=(n,)) for n in (300, 200, 20)]
for t in threads:
    t.start()
for _ in range(8):
    in_child(step)
stop.append(1)
for t in threads:
    t.join()
""", OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + f"""
def work(n):
    return step(n)

if __name__ == "__main__":
    if {method!r} not in multiprocessing.get_all_start_methods():
        sys.exit(0)
    expected = [step(n) for n in (5, 20, 200)]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        assert pool.map_async(work, (5, 20, 200)).get(60) == expected
    print("done")
""")
    assert run_python("", str(script)).strip() == "done" or method != "spawn"


def test_first_use_in_several_threads():
    """The import itself, then the first operations, in eight threads at once."""
    code = """
import sys, threading
sys.setswitchinterval(1e-6)
start, results, errors = threading.Barrier(8), [], []
def work():
    try:
        start.wait()
        import fastad as fa
        import numpy as np
        x = fa.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
        y = fa.cross_entropy(fa.einsum("ij,jk", x, x.T) * 0.5, [0, 1]) + fa.nn.functional.gelu(x).sum()
        y.backward()
        results.append((y.item(), x.grad.tolist()))
        generators.append(fa.default_generator())
    except BaseException as error:
        errors.append(error)
generators = []
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert not errors, errors
assert len(results) == 8 and all(r == results[0] for r in results)
assert all(g is generators[0] for g in generators)
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
