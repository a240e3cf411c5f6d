"""Deep graphs: seconds and bytes a node for a chain of a million operations, also on a small stack.

Run as ``python -m bench.chains``; Linux (it reads resident memory from /proc).
"""
import gc
import resource
import threading
import time

import numpy as np

import fastad as fa

STEPS = 1_000_000


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def chain(name, step, where):
    """Build, differentiate and free a chain h = step(h, x)."""
    x = fa.tensor(1.0, requires_grad=True)
    gc.collect()
    before, start = resident(), time.perf_counter()
    h = x
    for _ in range(STEPS):
        h = step(h, x)
    h.backward()
    size = (resident() - before) / STEPS
    del h
    print(f"{STEPS:,} {name}, {where}: {time.perf_counter() - start:.2f} s, {size:.0f} bytes a node")


def shared_graph(where, nodes=100_000):
    """A random graph in which every node may use any earlier one."""
    values = [fa.tensor(0.5, requires_grad=True)]
    picks = np.random.default_rng(0).random((nodes, 2))
    start = time.perf_counter()
    for i, (p, q) in enumerate(picks):
        a, b = values[int(p * len(values))], values[int(q * len(values))]
        values.append(a * b if i % 2 else fa.tanh(a + b))
    total = values[-1]
    for v in values[-100:-1]:
        total = total + v
    total.backward()
    del values, total
    print(f"random graph of {nodes:,} steps, {where}: {time.perf_counter() - start:.2f} s")


def everything(where):
    chain("additions", lambda h, x: h + x, where)
    chain("multiplications", lambda h, x: h * x, where)
    shared_graph(where)


if __name__ == "__main__":
    everything("default stack")
    threading.stack_size(512 * 1024)
    thread = threading.Thread(target=everything, args=("stack of 512 KB",))
    thread.start()
    thread.join()
