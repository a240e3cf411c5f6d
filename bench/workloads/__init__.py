"""What is timed: the families, and the shape that they share.

    small_ops.py      the cost of one operation: a long chain on few elements
    training.py       a training step of a small network, and its floor
    optimizers.py     a step of each optimizer
    recurrent.py      whole sequences through RNN, LSTM and GRU, forward and back through time
    convolution.py    training steps of convolutional networks, and their layers
    normalisation.py  normalisation, dropout, embedding and attention, with gradients
    activations.py    a million numbers through tanh, relu, softmax and their kin
    science.py        value and gradient of functions a scientist differentiates
    loading.py        shuffled batches of arrays
    augmentation.py   pictures moved, resized, coloured, and all at once

A workload has one *builder* a library: from the data it makes a function without arguments that does the
whole work once, the way a user of that library would write it, and returns its results.
"""
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from bench import peers

MODULES = ("small_ops", "training", "optimizers", "recurrent", "convolution", "normalisation", "activations", "science",
           "loading", "augmentation")


@dataclass(frozen=True)
class Workload:
    """One row of the table."""

    family: str                                    # the heading it stands under
    name: str
    data: Callable                                 # from a random generator, fresh data
    builders: dict[str, Callable]                  # from that data, {library: run}
    targets: tuple = ()                            # ((peer, greatest ratio of fastad's time to its), ...)
    unit: str = "us"
    scale: float = 1e6                             # from seconds a run to the unit
    count: int = 0                                 # how many of what `unit` says a run makes; 0: its time is shown
    tolerance: float = 1e-9                        # between the libraries' results, relative, in the norm

    def libraries(self):
        """The libraries that have a builder here and are installed, in the table's order."""
        return [name for name in peers.ORDER if name in self.builders and peers.load(name)]

    def shown(self, seconds):
        """What the table says of a run that takes so long: a time, or how many a second."""
        return self.count / seconds if self.count else seconds * self.scale

    def members(self, rng):
        """{library: run}, all on the same fresh data."""
        data = self.data(rng)
        return {name: self.builders[name](data) for name in self.libraries()}


def all_workloads():
    """Every workload, in the table's order."""
    return [w for name in MODULES for w in import_module(f"{__name__}.{name}").WORKLOADS]


def mean_targets(family):
    """((peer, greatest geometric mean of the ratios), ...) of a family that has such targets."""
    from bench.workloads import activations
    return activations.MEAN_TARGETS.get(family, ())
