"""Memory: a training loop does not grow, and real cycles are collected."""
import gc
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad._core import storage


def run(code):
    """Run a program in a fresh interpreter, where nothing else allocates."""
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from /proc")
def test_training_without_the_collector_does_not_grow():
    out = run("""
        import gc
        import numpy as np
        import fastad as fa
        from fastad import nn, optim

        def resident():
            import resource
            with open("/proc/self/statm") as f:
                return int(f.read().split()[1]) * resource.getpagesize()

        fa.manual_seed(0)
        rng = np.random.default_rng(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        x = fa.tensor(rng.normal(size=(4, 8)).astype(np.float32))
        y = fa.tensor(rng.integers(0, 3, 4))
        gc.disable()
        for step in range(10_000):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            if step == 4_999:
                half = resident()
        print(resident() - half)
    """)
    assert int(out) < 2**20


def test_ten_thousand_cycles_are_collected():
    out = run("""
        import gc
        import fastad as fa

        def cycle():
            x = fa.tensor([1.0, 2.0], requires_grad=True)
            y = (x * x * x).sum()
            y.backward(create_graph=True)             # x.grad has a graph that ends in x
            z = x.grad * y
            z.register_hook(lambda g, z=z, x=x: None)     # node -> hook -> tensor -> node

        for _ in range(100):
            cycle()
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(10_000):
            cycle()
        gc.collect()
        print(len(gc.get_objects()) - before)
    """)
    assert abs(int(out)) < 100


def test_a_freed_chain_gives_its_nodes_back():
    import fastad as fa

    def nodes():
        return sum(type(o).__name__ == "Node" for o in gc.get_objects())

    gc.collect()
    before = nodes()
    x = fa.tensor(1.0, requires_grad=True)
    h = x
    for _ in range(5_000):
        h = h * x
    assert nodes() >= before + 5_000
    del h
    assert nodes() <= before + 1


# ---- freeing what is linked deeply ------------------------------------------------------------------
# CPython's trashcan nests 50 deallocations up to 3.12, and up to 10,000 (its C recursion limit) in 3.13, where a tuple of
# tuples of tuples ... overflows a stack of 256 KB as well.  30,000 links without a trashcan overflow either of these.
STACK = 2**18 if sys.version_info < (3, 13) else 2**21
LINKS = {
    "leaf.grad": "b = fa.tensor(ones, requires_grad=True); b.grad = a",
    "plain.grad": "b = fa.tensor(ones); b.grad = a",
    "subclass.grad": "b = nn.Parameter(fa.tensor(ones)); b.grad = a",
    "grad of an operation": "b = fa.tensor(ones, requires_grad=True); b.grad = a * 1",
    "hooks of leaves": "b = fa.tensor(ones, requires_grad=True); b.register_hook(lambda g, a=a: None)",
    "hooks of operations": "b = x * 1; b.register_hook(lambda g, a=a: None)",
    "views": "b = a.reshape(4, 5).reshape(20)[::-1]",
    "recorded views": "b = (x if a is None else a)[:]",
    "through NumPy": "b = fa.from_numpy(a.numpy())",
    "through memoryview": "b = fa.from_numpy(np.asarray(memoryview(a)))",
}


@pytest.mark.parametrize("link", LINKS)
def test_a_deep_chain_is_freed_on_a_small_stack(link):
    out = run(f"""
        import gc, threading
        import numpy as np
        import fastad as fa
        from fastad import nn

        def chain():
            ones = np.ones(20)
            x = fa.tensor(ones, requires_grad=True)
            a = {"x * 1" if link == "recorded views" else "fa.tensor(ones)"}
            for _ in range(30_000):
                {LINKS[link]}
                a = b
            return a

        def work():
            chain()                       # freed at once
            print("freed")
            cycle = [chain()]
            cycle.append(cycle)
            del cycle
            gc.collect()
            print("collected")

        gc.disable()
        threading.stack_size({STACK})
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """)
    assert out.split() == ["freed", "collected"]


def test_a_gradient_that_somebody_holds_keeps_its_own_gradient():
    a, b, c = (fa.tensor(float(i)) for i in range(3))
    a.grad, b.grad = b, c
    del a
    assert b.grad is c
    held = b
    a = fa.tensor(7.0)
    a.grad = b
    del a, b
    assert held.grad.item() == 2.0


# ---- memory shared with NumPy -----------------------------------------------------------------------
@pytest.mark.parametrize("way", [lambda nd: nd, lambda nd: nd[2:], lambda nd: nd.reshape(2, 5).T, lambda nd: nd[::-1][1:]])
def test_memory_that_comes_back_from_numpy_counts_its_writes(way):
    x = fa.tensor(np.arange(10.0))
    w = fa.tensor(2.0, requires_grad=True)
    y = (x * w).sum()
    back = fa.from_numpy(way(x.numpy()))
    back.zero_()
    assert x.version == back.version == 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.skipif(not storage.DEBUG, reason="the debug build (FASTAD_DEBUG=1) keeps checksums of saved values")
def test_the_debug_build_sees_writes_past_the_tape():
    nd = np.arange(5.0)
    x = fa.from_numpy(nd)
    w = fa.tensor(2.0, requires_grad=True)
    y = (x * w).sum()
    nd[0] = 1.0
    with pytest.raises(RuntimeError, match=r"multiply: a value of shape \(5,\) .* changed past the tape"):
        y.backward()
    assert w.grad is None
    nd[0] = 0.0
    y.backward()
    assert w.grad.item() == 10.0
    outputs = [fa.tanh(x * w), fa.exp(x * w)]
    a = outputs[0].detach().numpy()
    value = fa.concatenate(outputs).sum()
    a[1] = 0.5
    with pytest.raises(RuntimeError, match=r"tanh: .* changed past the tape"):
        value.backward()


def test_a_shape_that_grows_while_it_is_read():
    class Item:
        def __init__(self, shape):
            self.shape = shape

        def __index__(self):
            self.shape.extend([1] * 4096)
            return 1
    for f in (fa.reshape, fa.broadcast_to):
        shape = [1]
        shape.append(Item(shape))
        assert f(fa.tensor(1.0), shape).shape == (1, 1)


@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble])
def test_wide_numbers_are_aligned(dtype):
    x = fa.tensor(np.ones(2, dtype))
    assert x.numpy().flags.aligned and fa.from_numpy(x.numpy()).shape == (2,)
