"""Memory: a training loop does not grow, and real cycles are collected."""
import gc
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


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
