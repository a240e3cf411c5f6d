"""Two threads beside one: python -m bench.threads

Each row is one long piece of work, done twice in a row and then by two threads at once, alternately; the ratio is 0.5 where
two processors share it and the GIL is in nobody's way, 1 where one thread waits for the other.  One thread a product.
The first row is NumPy's: what the machine gives two threads at all, now (two processors may be two threads of one core).

The second table is one call by one thread, and by two that do its kernels in parts: ``fastad.set_num_threads(2)``.
"""
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

import fastad as fa
import fastad.nn.functional as F

ROUNDS = 15


def works():
    """{name: work}; every call has its own leaves."""
    rng = np.random.default_rng(0)
    a, long = rng.normal(size=(1024, 1024)).astype(np.float32), rng.normal(size=1 << 21).astype(np.float32)
    square, x, labels = fa.tensor(a), fa.tensor(long), rng.integers(0, 1024, 1024)

    def there_and_back():
        w = square.detach().requires_grad_()
        fa.tanh(square @ w).sum().backward()

    steps, recurrent = fa.tensor(a.ravel()[:100 * 32 * 64].reshape(100, 32, 64)), (0.05 * a[:, :64], 0.05 * a[:, :256])

    def through_time():
        fa.recurrent("lstm", steps, None, *[fa.tensor(w, requires_grad=True) for w in recurrent])[0].sum().backward()

    def training():
        weights = [fa.tensor(0.05 * a[:256, :256], requires_grad=True) for _ in range(3)]
        for _ in range(10):
            h = square[:, :256]
            for w in weights:
                h = fa.relu(h @ w)
            fa.cross_entropy(h, labels % 256).backward()
    return {"product of 1024 x 1024, by NumPy": lambda: a @ a, "product of 1024 x 1024": lambda: square @ square,
            "tanh of 2M": lambda: fa.tanh(x),
            "sum of 2M": lambda: [x.sum() for _ in range(8)], "softmax of 1024 x 1024": lambda: fa.softmax(square, axis=1),
            "transposed copy": lambda: fa.copy(square.T), "tanh(x @ w), forward + backward": there_and_back,
            "LSTM, 100 steps, 32 samples, 256 wide": through_time, "ten steps of three layers, 1024 samples": training}


def seconds(run):
    start = perf_counter()
    run()
    return perf_counter() - start


def calls():
    """{name: one call, forward and backward}"""
    rng = np.random.default_rng(0)

    def there_and_back(function, *shapes):
        inputs = [fa.tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True) for shape in shapes]
        cotangent = fa.ones(function(*inputs).shape, dtype=np.float32)
        return lambda: function(*inputs).backward(cotangent)
    return {"product of 1024 x 1024": there_and_back(lambda a, b: a @ b, (1024, 1024), (1024, 1024)),
            "tanh of 1M": there_and_back(fa.tanh, (1024, 1024)),
            "multiply of 1M": there_and_back(lambda a, b: a * b, (1024, 1024), (1024, 1024)),
            "softmax of 1024 x 1024": there_and_back(lambda x: fa.softmax(x, axis=1), (1024, 1024)),
            "LayerNorm of 1024 x 1024": there_and_back(lambda x, w, b: F.layer_norm(x, (1024,), w, b), (1024, 1024), (1024,), (1024,)),
            "convolution 64x16x28x28 to 32 channels": there_and_back(lambda x, w: F.conv2d(x, w, padding=1), (64, 16, 28, 28), (32, 16, 3, 3)),
            "attention 8x4x64x64": there_and_back(F.scaled_dot_product_attention, *[(8, 4, 64, 64)] * 3)}


def main():
    fa.set_num_threads(1)
    print("| work | twice, ms | two threads, ms | ratio |\n|---|---:|---:|---:|")
    with ThreadPoolExecutor(2) as pool:
        for name, work in works().items():
            def twice(work=work):
                work()
                work()

            def together(work=work):
                for done in [pool.submit(work), pool.submit(work)]:
                    done.result()
            times = [(seconds(twice), seconds(together)) for _ in range(ROUNDS)]
            one, two = (1e3 * min(column) for column in zip(*times, strict=True))
            print(f"| {name} | {one:.1f} | {two:.1f} | {two / one:.2f} |")
    print("\n| one call, with gradients | one thread, ms | two, ms | ratio |\n|---|---:|---:|---:|")
    for name, call in calls().items():
        times = []
        for _ in range(2 * ROUNDS):
            for n in (1, 2):
                fa.set_num_threads(n)
                call()
                times.append(seconds(call))
        one, two = 1e3 * min(times[::2]), 1e3 * min(times[1::2])
        print(f"| {name} | {one:.2f} | {two:.2f} | {two / one:.2f} |")


if __name__ == "__main__":
    main()
