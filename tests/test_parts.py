"""Long kernels in parts: results do not depend on the number of threads; many callers, forks, few threads to be had."""
import os
import threading

import numpy as np
import pytest
from test_fork import forks, run_python

import fastad as fa
import fastad.nn.functional as F
from fastad import augment, optim

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def threads_as_before():
    before = fa.get_num_threads()
    yield
    fa.set_num_threads(before)


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


TARGETS = fa.tensor(RNG.integers(0, 700, 900))
MASK = fa.tensor(RNG.random((70, 70)) < 0.7)
CASES = {
    "tanh": (lambda x: fa.tanh(x), normal(1001, 777)),
    "sin, other layout": (lambda x: fa.sin(x.T[::-1]), normal(999, 1003)),
    "one run": (lambda x: x * 3 + fa.exp(x), normal(700_001)),
    "broadcast": (lambda x, b, c: x * b + c, normal(1003, 999), normal(999), normal(1003, 1)),
    "broadcast, few rows": (lambda x, b: x / b, normal(3, 400_001), normal(3, 1)),
    "where": (lambda x, b: fa.where(x > b, x, b), normal(1003, 999), normal(999)),
    "cast": (lambda x: x.astype("float64") * 2.0, normal(1003, 999)),
    "sum of rows": (lambda x: x.sum(axis=1), normal(1003, 999)),
    "sum of columns": (lambda x: x.sum(axis=0), normal(1003, 999)),
    "middle": (lambda x: x.max(axis=1), normal(103, 99, 101)),
    "prod": (lambda x: (1 + x / 1000).prod(axis=-1), normal(1003, 999)),
    "cumsum": (lambda x: fa.cumsum(x, axis=-1), normal(1003, 999)),
    "logsumexp": (lambda x: fa.logsumexp(x, axis=-1), normal(1003, 999)),
    "std": (lambda x: x.std(axis=-1), normal(1003, 999)),
    "softmax": (lambda x: F.softmax(x, -1), normal(1003, 999)),
    "log_softmax": (lambda x: F.log_softmax(x, -1), normal(1003, 999)),
    "cross_entropy": (lambda x: F.cross_entropy(x, TARGETS), normal(900, 700)),
    "cross_entropy of rows": (lambda x: F.cross_entropy(x, TARGETS, reduction="none"), normal(900, 700)),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (333,), w, b), normal(3001, 333), normal(333), normal(333)),
    "rms_norm": (lambda x, w: F.rms_norm(x, (333,), w), normal(3001, 333), normal(333)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 4, w, b), normal(67, 16, 28, 27), normal(16), normal(16)),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), normal(67, 16, 28, 27), normal(16), normal(16)),
    "batch_norm of rows": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), normal(1003, 999), normal(999), normal(999)),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), normal(33, 5, 28, 28), normal(9, 5, 3, 3), normal(9)),
    "conv2d, groups": (lambda x, w: F.conv2d(x, w, stride=2, dilation=2, groups=2), normal(31, 6, 33, 35), normal(8, 3, 3, 3)),
    "conv1d": (lambda x, w: F.conv1d(x, w, padding="same"), normal(33, 7, 700), normal(9, 7, 5)),
    "conv_transpose2d": (lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1), normal(33, 16, 14, 15), normal(16, 9, 3, 3)),
    "conv_transpose2d, wide stride": (lambda x, w: F.conv_transpose2d(x, w, stride=4), normal(33, 16, 14, 15), normal(16, 9, 3, 3)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), normal(65, 17, 28, 29)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 1), normal(65, 17, 28, 29)),
    "attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=MASK),
                  normal(9, 5, 70, 33), normal(9, 5, 70, 33), normal(9, 5, 70, 31)),
    "attention, dropout": (lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=0.3),
                           normal(7, 3, 70, 33), normal(7, 3, 70, 33), normal(7, 3, 70, 31), normal(7, 1, 70, 70)),
    "causal": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
               normal(9, 5, 70, 33), normal(9, 5, 70, 33), normal(9, 5, 70, 31)),
}


def outcome(f, inputs, n):
    fa.set_num_threads(n)
    fa.manual_seed(0)
    xs = [fa.tensor(x, requires_grad=True) for x in inputs]
    y = f(*xs)
    y.backward(fa.tensor(np.resize(np.array([1, -0.5, 0.25, 2], dtype=y.dtype), y.shape)))
    return [y.detach().numpy().tobytes(), *[x.grad.numpy().tobytes() for x in xs]]


@pytest.mark.parametrize("name", CASES)
def test_the_number_of_threads_changes_no_bit(name):
    f, *inputs = CASES[name]
    alone = outcome(f, inputs, 1)
    for n in (2, 3, 8):
        assert outcome(f, inputs, n) == alone


@pytest.mark.parametrize("name", CASES)
def test_nor_in_float64(name):
    f, *inputs = CASES[name]
    inputs = [x.astype("float64") for x in inputs]
    assert outcome(f, inputs, 2) == outcome(f, inputs, 1)


@pytest.mark.parametrize("transform", [
    augment.Rotate(30), augment.ResizedCrop(40), augment.LensDistortion(0.2), augment.HorizontalFlip(), augment.Contrast(0.5),
    augment.Saturation(0.5), augment.Mixup(0.4),
], ids=lambda transform: type(transform).__name__)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_nor_pictures(transform, dtype):
    x, found = (RNG.random((130, 3, 64, 60)) * 255).astype(dtype), []
    for n in (1, 2, 3):
        fa.set_num_threads(n)
        found.append(transform(x, np.random.default_rng(1)).tobytes())
    assert found[0] == found[1] == found[2] != x.tobytes()


def test_nor_the_derivative_of_a_warp():
    x, rotate = normal(130, 3, 64, 60), augment.Rotate(30)
    assert outcome(lambda x: rotate(x, np.random.default_rng(1)), [x], 2) == outcome(
        lambda x: rotate(x, np.random.default_rng(1)), [x], 1)


def test_nor_what_dropout_keeps():
    x = normal(1003, 999)
    assert outcome(lambda x: F.dropout(x, 0.3), [x], 2) == outcome(lambda x: F.dropout(x, 0.3), [x], 1)


def test_sums_of_blocks_lose_little():
    """What LayerNorm's bias gets: the sum over very many rows, in float32."""
    n = 1 << 20
    b = fa.zeros(2, dtype="float32", requires_grad=True)
    F.layer_norm(fa.tensor(normal(n, 2)), (2,), None, b).backward(fa.full((n, 2), 0.1, dtype="float32"))
    assert np.allclose(b.grad.numpy(), n * float(np.float32(0.1)), rtol=1e-6)


@pytest.mark.parametrize("make", [
    lambda p: optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.1), lambda p: optim.Adam([p], lr=0.1, amsgrad=True),
    lambda p: optim.NAdam([p], lr=0.1), lambda p: optim.RMSprop([p], lr=0.1, centered=True, momentum=0.5),
    lambda p: optim.Adam([p], lr=0.1, l1=0.1),
], ids=["SGD", "Adam", "NAdam", "RMSprop", "with l1"])
def test_nor_a_step(make):
    start, found = normal(700_001), []
    for n in (1, 2, 3):
        fa.set_num_threads(n)
        p = fa.tensor(start, requires_grad=True)
        optimizer = make(p)
        for _ in range(3):
            p.grad = fa.sin(p.detach())
            optimizer.step()
        found.append(p.detach().numpy().tobytes())
    assert found[0] == found[1] == found[2]


def test_many_callers():
    """Who finds the threads busy works alone; all get what one alone gets."""
    fa.set_num_threads(3)
    xs = [normal(600, 1000) for _ in range(6)]
    wanted = [np.tanh(x.astype("float64")) for x in xs]
    wrong = []

    def work(i):
        for _ in range(20):
            y = fa.tanh(fa.tensor(xs[i])).numpy()
            if not np.allclose(y, wanted[i], rtol=1e-6, atol=1e-7):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@forks
def test_a_fork_ends_the_threads_and_both_processes_have_new_ones():
    """Also while another thread's kernels run; a process whose other threads have ended forks without a warning."""
    run_python("""
fa.set_num_threads(3)
x = fa.tensor(np.random.default_rng(0).random((1000, 1000), dtype="float32"))
wanted = fa.tanh(x).numpy().tobytes()
count = lambda: len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None
before = count()
def work():
    for _ in range(3):
        assert fa.tanh(x).numpy().tobytes() == wanted
in_child(work)
work()
in_child(lambda: in_child(work))
end = time.time() + 5                                  # a thread may be counted a moment after it was joined
while count() is not None and count() > before and time.time() < end:
    time.sleep(0.01)
assert count() is None or count() <= before

stop = False
def beside():
    while not stop:
        assert fa.tanh(x).numpy().tobytes() == wanted
threads = [threading.Thread(target=beside) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(20):
    in_child(work)
stop = True
for thread in threads:
    thread.join()
""")


def test_more_threads_than_there_may_be():
    """The memory that parts need does not grow with a count that no system has."""
    run_python("""
import fastad.nn.functional as F
rng = np.random.default_rng(0)
x, w = fa.tensor(rng.random((999, 4, 24, 24))), fa.tensor(rng.random((40, 4, 3, 3)), requires_grad=True)
found = []
for n in (1, 2**40):
    fa.set_num_threads(n)
    y = F.conv2d(x, w)
    found += [y.detach().numpy().tobytes(), fa.autograd.grad(y.sum(), w)[0].numpy().tobytes()]
assert found[:2] == found[2:]
""")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux how much memory a process has")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers need more address space than there would be")
def test_a_system_without_more_threads():
    """What the caller asks for is done by those that are there, be it the caller alone."""
    run_python("""
import resource
x = fa.tensor(np.ones((1000, 1000), dtype="float32"))
y = fa.exp(x)                                          # its memory is used again
del y
fa.set_num_threads(64)
pages = int(open("/proc/self/statm").read().split()[0])
room = pages * resource.getpagesize() + (6 << 20)      # the stack of a thread is 8 MB
resource.setrlimit(resource.RLIMIT_AS, (room, room))
try:
    threading.Thread(target=print).start()
    raise SystemExit("a thread was to be had")
except (RuntimeError, MemoryError):
    pass
before = len(os.listdir("/proc/self/task"))
assert np.allclose(fa.exp(x).numpy(), np.e)
assert len(os.listdir("/proc/self/task")) == before
""")


def test_signals_reach_the_main_thread():
    run_python("""
fa.set_num_threads(2)
x = fa.tensor(np.ones((1000, 1000), dtype="float32"))
fa.tanh(x)
came = []
signal.signal(signal.SIGUSR1, lambda *_: came.append(threading.current_thread() is threading.main_thread()))
for _ in range(20):
    os.kill(os.getpid(), signal.SIGUSR1)
    fa.tanh(x)
assert came and all(came)
""")
