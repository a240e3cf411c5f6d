"""Threads: results equal the serial ones, shared leaves lose nothing, switches and failures stay in their thread, long
operations let other threads run.  Processes: test_fork.py."""
import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim

THREADS = 8
PATIENCE = 60                                          # seconds after which a thread counts as stuck


@pytest.fixture
def restless():
    """Threads take turns as often as the interpreter allows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work, count=THREADS):
    """The results of work(0), work(1), ..., each in a thread of its own, all started at once."""
    start = threading.Barrier(count)

    def job(i):
        start.wait(PATIENCE)
        return work(i)
    with ThreadPoolExecutor(count) as pool:
        return [done.result(PATIENCE) for done in [pool.submit(job, i) for i in range(count)]]


# ---- results -----------------------------------------------------------------------------------------
def training(seed, passes, dtype, width):
    """The bits of every loss and of the last parameters of a small training of its own."""
    rng = np.random.default_rng(seed)
    x = fa.tensor(rng.normal(size=(4, width)).astype(dtype))
    labels = fa.tensor(rng.integers(0, 3, 4))
    w = fa.tensor((0.3 * rng.normal(size=(width, 3))).astype(dtype), requires_grad=True)
    b = fa.zeros(3, dtype=dtype, requires_grad=True)
    losses = []
    for _ in range(passes):
        loss = fa.cross_entropy(fa.tanh(x @ w + b) * 2, labels) + (w * w).mean()
        loss.backward()
        with fa.no_grad():
            for p in (w, b):
                p -= 0.1 * p.grad
                p.grad = None
        losses.append(loss.item())
    return np.array(losses).tobytes() + w.detach().numpy().tobytes() + b.detach().numpy().tobytes()


@pytest.mark.parametrize(("passes", "dtype", "width"), [(1000, "float32", 5), (8, "float64", 20_000)],
                         ids=["small", "without the GIL"])
def test_own_leaves_equal_the_serial_result(restless, passes, dtype, width):
    expected = [training(i, passes, dtype, width) for i in range(THREADS)]
    assert len(set(expected)) == THREADS
    assert in_threads(lambda i: training(i, passes, dtype, width)) == expected


@pytest.mark.parametrize(("size", "passes"), [(3, 500), (50_000, 20)])
def test_shared_leaves_lose_nothing(restless, size, passes):
    x, w = fa.ones(size, requires_grad=True), fa.tensor(np.arange(size) % 7.0, requires_grad=True)

    def work(i):
        for k in range(passes):
            ((x * w).sum() * (i + k)).backward()       # whole numbers: the order of additions does not matter
    in_threads(work)
    total = sum(i + k for i in range(THREADS) for k in range(passes))
    np.testing.assert_array_equal(x.grad.numpy(), total * w.detach().numpy())
    np.testing.assert_array_equal(w.grad.numpy(), np.full(size, total))


def test_shared_leaves_to_rounding(restless):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(THREADS, 50, 6))
    x = fa.tensor(rng.normal(size=6), requires_grad=True)

    def work(i):
        for row in factors[i]:
            (fa.tanh(x) * row).sum().backward()
    in_threads(work)
    expected = factors.sum((0, 1)) * (1 - np.tanh(x.detach().numpy()) ** 2)
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


def test_shared_leaves_with_a_graph(restless):
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    in_threads(lambda i: [(x * x * x).sum().backward(create_graph=True) for _ in range(10)])
    np.testing.assert_array_equal(x.grad.detach().numpy(), 80 * 3 * np.array([1.0, 4.0]))
    grad, x.grad = x.grad, None
    grad.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 80 * 6 * np.array([1.0, 2.0]))


@pytest.mark.parametrize("size", [3, 50_000])
def test_a_shared_graph_is_walked_by_one_at_a_time(restless, size):
    x = fa.ones(size, requires_grad=True)
    y = (fa.square(x) * 3).sum()
    in_threads(lambda i: [y.backward(retain_graph=True) for _ in range(20)])
    np.testing.assert_array_equal(x.grad.numpy(), np.full(size, 6.0 * 20 * THREADS))
    found = in_threads(lambda i: fa.autograd.grad(y, x, retain_graph=True)[0].numpy())
    np.testing.assert_array_equal(found, np.full((THREADS, size), 6.0))


def test_one_thread_frees_a_shared_graph(restless):
    x = fa.ones(50_000, requires_grad=True)
    y = fa.square(x).sum()

    def work(i):
        try:
            y.backward()
        except RuntimeError as error:
            return str(error)
        return ""
    refused = [text for text in in_threads(work) if text]
    assert len(refused) == THREADS - 1 and all("second time" in text for text in refused)
    np.testing.assert_array_equal(x.grad.numpy(), np.full(50_000, 2.0))


def test_functional_gradients(restless):
    def f(x, w):
        return (fa.sin(x) * w).sum()
    x, w = np.arange(4.0), np.arange(4.0) - 1
    for found in in_threads(lambda i: [fa.grad(f)(x + i, w) for _ in range(50)][-1] - w * np.cos(x + i)):
        np.testing.assert_allclose(found, 0, atol=1e-15)


def test_numbers_and_layouts_are_shared_safely(restless):
    """Kept constants, interned layouts and the pool, by threads that push each other's entries out."""
    def work(i):
        for k in range(400):
            n = (7 * i + k) % 60
            x = fa.tensor(np.full((n + 1, 3), 2.0), requires_grad=True)
            (x * (k + 0.5) + i).sum().backward()
            assert x.grad.shape == (n + 1, 3) and (x.grad.numpy() == k + 0.5).all()
    in_threads(work)


# ---- what belongs to one thread ----------------------------------------------------------------------
@pytest.mark.parametrize("switch", [fa.no_grad, fa.enable_grad])
def test_switches_hold_in_their_thread_only(switch):
    x = fa.tensor(1.0, requires_grad=True)
    inside, outside = threading.Event(), threading.Event()

    def other():
        with switch():
            inside.set()
            assert outside.wait(PATIENCE)
            return (x * 2).requires_grad
    with ThreadPoolExecutor(1) as pool, fa.set_grad_enabled(switch is fa.no_grad):
        done = pool.submit(other)
        assert inside.wait(PATIENCE)
        assert (x * 2).requires_grad == (switch is fa.no_grad)
        outside.set()
        assert done.result(PATIENCE) == (switch is fa.enable_grad)
        assert pool.submit(fa.is_grad_enabled).result(PATIENCE)     # a thread starts with recording on


def test_one_switch_in_several_threads():
    """A decorated function has one switch for all its calls; each thread goes back to what it had."""
    entered, leave = threading.Event(), threading.Event()

    @fa.no_grad()
    def meet(first):
        if first:
            entered.set()
            assert leave.wait(PATIENCE)
        return fa.is_grad_enabled()

    def first():
        return meet(True), fa.is_grad_enabled()

    def second():
        with fa.no_grad():
            assert entered.wait(PATIENCE)
            thread = threading.Thread(target=leave.set)
            inner = meet(False)
            thread.start()
            return inner, fa.is_grad_enabled()
    with ThreadPoolExecutor(2) as pool:
        results = pool.submit(first), pool.submit(second)
        assert [r.result(PATIENCE) for r in results] == [(False, True), (False, False)]
    crossed = fa.no_grad()
    steps = [threading.Event() for _ in range(3)]

    def outer():                                       # enters first and leaves first
        with crossed:
            steps[0].set()
            assert steps[1].wait(PATIENCE)
        steps[2].set()
        return fa.is_grad_enabled()

    def inner():
        with fa.no_grad():
            assert steps[0].wait(PATIENCE)
            with crossed:
                steps[1].set()
                assert steps[2].wait(PATIENCE)
            return fa.is_grad_enabled()
    with ThreadPoolExecutor(2) as pool:
        results = pool.submit(outer), pool.submit(inner)
        assert [r.result(PATIENCE) for r in results] == [True, False]
    assert crossed.outer == []


def test_transforms_nest_in_their_thread_only():
    """Inside grad(f) of one thread, another thread's grad gives plain arrays."""
    inside, done = threading.Event(), threading.Event()

    def f(x):
        inside.set()
        assert done.wait(PATIENCE)
        return x * x
    with ThreadPoolExecutor(1) as pool:
        outer = pool.submit(fa.grad(f), 3.0)
        assert inside.wait(PATIENCE)
        assert not isinstance(fa.grad(fa.square)(2.0), fa.Tensor)
        done.set()
        assert outer.result(PATIENCE) == 6


def test_an_error_stays_in_its_thread(restless):
    def work(i):
        for k in range(200):
            x = fa.tensor([1.0, float(k)], requires_grad=True)
            if i % 2:
                with pytest.raises(ValueError, match="add"):
                    x + np.ones(3)
                y = x * x
                y.register_hook(lambda g: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    y.sum().backward()
            else:
                (x * x).sum().backward()
                assert x.grad.tolist() == [2.0, 2.0 * k]
    in_threads(work)


def test_short_threads_leave_nothing_behind():
    def work():
        x = fa.tensor([1.0, 2.0], requires_grad=True)
        with fa.no_grad():
            x * 2
        (x * x).sum().backward()

    def run(count):
        for _ in range(count):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(PATIENCE)
        return resident()
    before = run(2000)
    assert run(8000) - before < 2 << 20                # bytes: 250 a thread would show


def resident():
    """Bytes of memory in use, or 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096
    except OSError:
        return 0


# ---- Python code inside a walk -----------------------------------------------------------------------
def test_hooks_in_several_threads(restless):
    x = fa.tensor([1.0, 2.0], requires_grad=True)
    calls = [0] * THREADS

    def work(i):
        def hook(g):
            calls[i] += 1
            return g * 2
        for _ in range(100):
            y = fa.tanh(x) * 0 + x
            y.register_hook(hook)
            y.sum().backward()
    in_threads(work)
    assert calls == [100] * THREADS
    assert x.grad.tolist() == [2.0 * 100 * THREADS] * 2


def test_walks_inside_hooks(restless):
    """A walk in a hook over nodes that the outer walk has stamped, in several threads at once."""
    x = fa.tensor([1.0, 2.0], requires_grad=True)

    def work(i):
        for _ in range(50):
            z = x * x
            y = z * (i + 1)
            y.register_hook(lambda g, z=z: fa.autograd.grad(z.sum(), x, retain_graph=True)[0] * 0 + g)
            y.sum().backward()
    in_threads(work)
    assert x.grad.tolist() == [2.0 * 50 * 36, 4.0 * 50 * 36]


def test_hooks_that_wait_for_one_another_are_told():
    x = [fa.tensor(1.0, requires_grad=True) for _ in range(2)]
    meet = threading.Barrier(2)

    def work(i):
        y = x[i] * 2

        def hook(g):
            meet.wait(PATIENCE)
            (x[1 - i] * 3).backward()                  # the leaf that the other thread's walk holds
        y.register_hook(hook)
        try:
            y.backward()
        except RuntimeError as error:
            return str(error)
        return ""
    told = [text for text in in_threads(work, 2) if text]
    assert told and all("another thread" in text for text in told)
    for leaf in x:                                     # and everything goes on
        (leaf * 5).backward()


def test_a_walk_waits_only_for_its_own_nodes():
    x = fa.tensor(1.0, requires_grad=True)
    inside, leave = threading.Event(), threading.Event()

    def hold(g):
        inside.set()
        assert leave.wait(PATIENCE)
    y = x * 2
    y.register_hook(hold)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(y.backward)
        assert inside.wait(PATIENCE)
        second = pool.submit((x * 3).backward)
        free = fa.tensor(1.0, requires_grad=True)
        (free * 4).backward()                          # another graph does not wait
        assert free.grad.item() == 4 and not second.done()
        leave.set()
        first.result(PATIENCE)
        second.result(PATIENCE)
    assert x.grad.item() == 5


# ---- races that are the program's own: nothing crashes ----------------------------------------------
def test_writing_what_others_read(restless):
    x = fa.tensor(np.ones((300, 200)), requires_grad=True)
    other = fa.tensor(np.ones((200, 100)), requires_grad=True)
    index = np.zeros(40_000, np.int64)

    def work(i):
        for k in range(15):
            try:
                if i == 0:
                    with fa.no_grad():
                        x.copy_(np.full(x.shape, float(k)))
                elif i == 1:
                    index[:] = 10**15 if k % 2 else 0
                elif i == 2:
                    x.grad = None
                elif i == 3:
                    x[index].sum().backward()
                elif i == 4:
                    fa.cross_entropy(fa.tensor(np.ones((40_000, 2))), fa.from_numpy(index)).item()
                else:
                    (x @ other).sum().backward()
            except (RuntimeError, IndexError, ValueError) as error:     # "changed in place", "out of bounds"
                assert str(error)
    in_threads(work)
    x.grad = None
    (x @ other).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(x.shape, 100.0))


def test_targets_that_change_while_they_are_checked(restless):
    """What is checked is a copy: no kernel reads a target that another thread has written since."""
    index, x = np.zeros(40_000, np.int64), fa.tensor(np.ones((40_000, 2)))
    targets, ended = fa.from_numpy(index), threading.Event()

    def write():
        for k in itertools.count():
            index[:] = 10**15 if k % 2 else 0
            if ended.is_set():
                return

    def read():
        try:
            for _ in range(400):
                try:
                    assert fa.cross_entropy(x, targets).item() == pytest.approx(np.log(2))
                except ValueError as error:
                    assert "0..1" in str(error)
        finally:
            ended.set()
    in_threads(lambda i: write() if i < 2 else read(), 3)


def test_a_module_that_changes_its_dtype_meanwhile(restless):
    """The memory of a parameter is held by who reads it without the GIL."""
    model = nn.Linear(300, 200)
    x32, x64 = (fa.tensor(np.ones((100, 300), dtype)) for dtype in (np.float32, np.float64))

    def work(i):
        for k in range(20):
            if i == 0:
                model.astype(np.float64 if k % 2 else np.float32)
                continue
            x = x64 if model.weight.dtype == np.float64 else x32
            try:
                assert model(x).shape == (100, 200)
                x @ model.weight.detach().T
            except (TypeError, RuntimeError) as error:
                assert "linear" in str(error) or "another dtype" in str(error)
    in_threads(work, 4)


def test_operands_are_held_while_a_kernel_runs(restless):
    """Another thread gives the operands memory of another dtype meanwhile."""
    m = nn.Module()
    m.w = nn.Parameter(np.ones(1 << 20))
    rows, n = np.arange(1 << 18) % 1000, 300
    ready = threading.Event()

    def convert():
        for k in range(60):
            ready.wait(0.001)
            m.astype(np.float32 if k % 2 else np.float64)
    other = threading.Thread(target=convert)
    other.start()
    while other.is_alive():
        for f in (fa.sin, lambda w: w * w, fa.logsumexp, fa.max, lambda w: w[rows], lambda w: fa.concatenate([w, w]),
                  lambda w: fa.matmul(w[:n * n].reshape(n, n), w[:n * n].reshape(n, n)),
                  lambda w: fa.cross_entropy(w.reshape(-1, 2), np.zeros(w.size // 2, int))):
            try:
                y = f(m.w)
                assert y.requires_grad
                y.backward(np.ones(y.shape, y.dtype))
            except RuntimeError as error:
                assert "another dtype" in str(error)
    other.join()


def test_a_write_while_a_walk_runs_is_told():
    """Kernels of the walk let another thread write; what it changed before its rule ran is seen."""
    w, x = fa.ones(1 << 20), fa.ones(1 << 20, requires_grad=True)
    y = x * w
    walk_is_on, written = threading.Event(), threading.Event()
    last = (y * 1.0).sum()

    def write():
        walk_is_on.wait()
        with fa.no_grad():
            w.fill_(100)
        written.set()
    thread = threading.Thread(target=write)
    thread.start()

    def wait(g):                                       # stands for a kernel that runs without the GIL
        walk_is_on.set()
        assert written.wait(PATIENCE)
    y.register_hook(wait)
    with pytest.raises(RuntimeError, match=r"multiply: .* changed in place"):
        last.backward()
    thread.join()


# ---- the GIL -----------------------------------------------------------------------------------------
class Witness:
    """Counts how often another thread ran while an operation did: it can only when the operation lets the GIL go,
    since the interpreter, told to switch every 1,000 seconds, does not take it away."""

    def __enter__(self):
        self.before = sys.getswitchinterval()
        self.wake, self.ended, self.seen = threading.Semaphore(0), False, 0
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        sys.setswitchinterval(1000)
        return self

    def watch(self):
        while not self.ended:
            self.wake.acquire()
            self.seen += 1

    def runs_during(self, operation, tries=None):
        """Whether it did, in so many tries; without a number, until it does: on a busy machine that may take some."""
        start = monotonic()
        for _ in range(tries) if tries else itertools.count():
            if monotonic() - start > PATIENCE / 2:
                break
            self.wake.release()                        # it waits for the GIL now
            seen = self.seen
            operation()
            if self.seen > seen:
                return True
        return False

    def __exit__(self, *error):
        sys.setswitchinterval(self.before)
        self.ended = True
        self.wake.release()
        self.thread.join(PATIENCE)


def long_operations():
    rng = np.random.default_rng(0)
    n = 1 << 20
    a = rng.normal(size=n).astype(np.float32)
    x, square = fa.tensor(a), fa.tensor(a.reshape(1024, 1024))
    row, w, b = square[0], fa.tensor(a[:1 << 13].reshape(8, 1024)), fa.ones(1024, dtype=np.float32)
    labels = fa.tensor(rng.integers(0, 16, n // 16))
    rows = rng.integers(0, 1024, 1024)
    leaf = fa.tensor(a, requires_grad=True)
    table = fa.tensor(a.reshape(1024, 1024), requires_grad=True)
    y, picked, top = fa.tanh(leaf), table[rows], table.max(axis=0)
    affine = fa.linear(fa.tensor(a.reshape(-1, 4)), fa.ones((4, 4), dtype="f4"), bias := fa.ones(4, dtype="f4", requires_grad=True))
    logits = fa.tensor(a.reshape(-1, 16), requires_grad=True)
    loss = fa.cross_entropy(logits, labels)
    g, gg, ga = fa.ones(n, dtype="f4"), fa.ones((1024, 1024), dtype="f4"), fa.ones(affine.shape, dtype="f4")
    leaf.grad = fa.ones(n, dtype=np.float32)
    sgd, adam = optim.SGD([leaf], lr=1e-3, momentum=0.9), optim.Adam([leaf], lr=1e-3)
    return {
        "add": lambda: x + x, "add broadcast": lambda: square + row, "tanh": lambda: fa.tanh(x), "power": lambda: x ** 3,
        "where": lambda: fa.where(square > 0, square, row), "sum": lambda: x.sum(), "sum axis 0": lambda: square.sum(axis=0),
        "max": lambda: x.max(), "prod": lambda: x.prod(), "cumsum": lambda: fa.cumsum(square, axis=1),
        "logsumexp": lambda: fa.logsumexp(square, axis=1), "softmax": lambda: fa.softmax(square, axis=1),
        "log_softmax": lambda: fa.log_softmax(square, axis=1),
        "cross_entropy": lambda: fa.cross_entropy(fa.reshape(x, (-1, 16)), labels),
        "transposed copy": lambda: fa.copy(square.T), "dense copy": lambda: fa.copy(square), "astype": lambda: x.astype(float),
        "ones": lambda: fa.ones(1 << 22),
        "tensor of an array": lambda: fa.tensor(a), "rows": lambda: square[rows],
        "concatenate": lambda: fa.concatenate([x, x]), "matmul": lambda: square @ square,
        "matmul of stepped operands": lambda: square[:, ::2] @ w.T[::2], "linear": lambda: fa.linear(square, w),
        "matrix-vector": lambda: square @ b,
        "tanh back": lambda: fa.autograd.grad(y, leaf, g, retain_graph=True),
        "rows back": lambda: fa.autograd.grad(picked, table, gg, retain_graph=True),
        "max back": lambda: fa.autograd.grad(top, table, b, retain_graph=True),
        "bias back": lambda: fa.autograd.grad(affine, bias, ga, retain_graph=True),
        "cross_entropy back": lambda: fa.autograd.grad(loss, logits, retain_graph=True),
        "SGD": sgd.step, "Adam": adam.step,
    }


def test_long_operations_let_other_threads_run():
    numbers = list(range(300_000))
    with Witness() as witness:
        assert not witness.runs_during(lambda: sum(numbers), 3)        # holds the GIL: the witness can tell
        held = [name for name, operation in long_operations().items() if not witness.runs_during(operation)]
    assert not held


def test_short_operations_keep_the_gil():
    """Letting go costs more than they do."""
    x, w = fa.tensor(np.ones((8, 8), np.float32), requires_grad=True), fa.ones((8, 8), dtype=np.float32)
    t = fa.tensor([1, 2, 3, 4, 5, 6, 7, 0])

    def step():
        y = fa.softmax(fa.cumsum(fa.tanh(x @ w) + fa.logsumexp(x, axis=1), axis=0), axis=1).max(axis=0)
        (fa.cross_entropy(x, t) + y.sum()).backward()
    with Witness() as witness:
        assert not witness.runs_during(step, 50)
