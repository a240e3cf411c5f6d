"""Loading: an epoch of shuffled batches of two arrays, float32 samples and their labels; the time a batch.

Every library draws the epoch's order and hands out batches in arrays of its own.  NumPy is the bare thing: `take` of a
stretch of a permutation, for both arrays.
"""
import numpy as np

from bench import peers
from bench.workloads import Workload

FAMILY = "Loading, shuffled batches"
SHAPES = ((1797, 64, 32), (60_000, 784, 64))       # samples, numbers in each, batch


class Epoch:
    """The labels that came, to be compared: their order is random, so they are sorted."""

    def __init__(self, labels):
        self.labels = labels

    def __array__(self, dtype=None, copy=None):
        return np.sort(np.concatenate([np.asarray(part) for part in self.labels])).astype(dtype)


def samples(n, width):
    """A function from a generator to (x, labels), of which no two are equal."""
    def data(rng):
        return rng.standard_normal((n, width), np.float32), rng.permutation(n)
    return data


def epoch_of(loader):
    def run():
        return Epoch([labels for _, labels in loader])
    return run


def fastad(batch):
    def build(data):
        peers.load("fastad")
        from fastad.data import DataLoader
        return epoch_of(DataLoader(data, batch_size=batch, shuffle=True, generator=np.random.default_rng(0)))
    return build


def pytorch(batch):
    def build(data):
        torch = peers.load("PyTorch")
        from torch.utils.data import DataLoader, TensorDataset
        return epoch_of(DataLoader(TensorDataset(*map(torch.from_numpy, data)), batch_size=batch, shuffle=True))
    return build


def numpy(batch):
    def build(data):
        x, labels = data
        rng = np.random.default_rng(0)

        def batches():
            order = rng.permutation(len(x))
            for k in range(0, len(x), batch):
                chosen = order[k:k + batch]
                yield x.take(chosen, axis=0), labels.take(chosen)

        def run():
            return Epoch([part for _, part in batches()])
        return run
    return build


WORKLOADS = [
    Workload(FAMILY, f"{n:,} samples of {width} numbers, batches of {batch}", samples(n, width),
             {"fastad": fastad(batch), "PyTorch": pytorch(batch), "NumPy": numpy(batch)},
             targets=(("NumPy", 1.2),), unit="us a batch", scale=1e6 / -(-n // batch))
    for n, width, batch in SHAPES
]
