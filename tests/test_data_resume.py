"""A DataLoader that is stopped in mid-epoch goes on where it stood: in this process, in another, with or without prefetching."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastad as fa
from fastad.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    StratifiedBatchSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

Y = np.arange(50)


class Items(Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, i):
        return int(Y[i])


class Own(Sampler):
    """Draws from a generator of its own; `memory` keeps its state between epochs."""

    def __init__(self, memory, sized=True):
        self.rng = np.random.default_rng(3)
        if memory:
            self.state_dict = lambda: self.rng.bit_generator.state
            self.load_state_dict = lambda state: setattr(self.rng.bit_generator, "state", state)
        if sized:
            self.__class__ = SizedOwn

    def __iter__(self):
        return (int(i) for i in self.rng.permutation(50))


class SizedOwn(Own):
    def __len__(self):
        return 50


class Stream(IterableDataset):
    """Goes on, from epoch to epoch, in a walk."""

    def __init__(self, memory=True):
        self.at = 0
        if memory:
            self.state_dict = lambda: {"at": self.at}
            self.load_state_dict = lambda state: setattr(self, "at", state["at"])

    def __iter__(self):
        for _ in range(50):
            self.at += 1
            yield self.at


def noisy(batch, rng):
    return batch, rng.normal(size=3)


CASES = {
    "arrays": lambda **kw: DataLoader(Y, 8, shuffle=True, **kw),
    "arrays, in order": lambda **kw: DataLoader(Y, 8, **kw),
    "one array's samples": lambda **kw: DataLoader(TensorDataset(Y), None, shuffle=True, **kw),
    "given generator": lambda **kw: DataLoader(Y, 8, shuffle=True, generator=np.random.default_rng(1), **kw),
    "Mersenne twister": lambda **kw: DataLoader(Y, 8, shuffle=True, generator=np.random.Generator(np.random.MT19937(1)), **kw),
    "transformed": lambda **kw: DataLoader(Y, 8, transform=noisy, **kw),
    "transformed and shuffled": lambda **kw: DataLoader(Y, 8, True, transform=noisy, generator=np.random.default_rng(2), **kw),
    "samples": lambda **kw: DataLoader(Items(), 8, shuffle=True, **kw),
    "drop_last": lambda **kw: DataLoader(Items(), 8, shuffle=True, drop_last=True, **kw),
    "stratified": lambda **kw: DataLoader(Y, batch_sampler=StratifiedBatchSampler(Y % 3, 8), **kw),
    "weighted": lambda **kw: DataLoader(Y, 8, sampler=WeightedRandomSampler(Y, 40, generator=np.random.default_rng(5)), **kw),
    "subset": lambda **kw: DataLoader(Y, 8, sampler=SubsetRandomSampler(np.arange(40)), **kw),
    "BatchSampler": lambda **kw: DataLoader(Y, batch_sampler=BatchSampler(RandomSampler(Y), 8), **kw),
    "own sampler": lambda **kw: DataLoader(Y, 8, sampler=Own(True), **kw),
    "own sampler without a length": lambda **kw: DataLoader(Y, 8, sampler=Own(True, sized=False), **kw),
    "list of batches": lambda **kw: DataLoader(Y, batch_sampler=[[1, 2], [3], [5, 8], [4]], **kw),
    "stream": lambda **kw: DataLoader(Stream(), 8, **kw),
    "stream of samples": lambda **kw: DataLoader(Stream(), None, transform=noisy, **kw),
}


def plain(batch):
    return [plain(b) for b in batch] if isinstance(batch, tuple) else np.asarray(batch).tolist()


def epoch_of(loader):
    return [plain(b) for b in loader]


def through_json(state):
    """Plain: what JSON cannot hold are arrays."""
    return json.loads(json.dumps(state, default=lambda a: a.tolist()))


@pytest.mark.parametrize("prefetch", [(0, 0), (0, 2), (3, 0)])
@pytest.mark.parametrize("after", [0, 1, 3, "end"])
@pytest.mark.parametrize("case", CASES)
def test_the_rest_of_the_epoch_and_those_after_it(case, after, prefetch):
    first, second = prefetch
    fa.manual_seed(11)
    loader = CASES[case](prefetch=first)
    epoch_of(loader)
    batches = iter(loader)
    if after == "end":
        list(batches)
    else:
        for _ in range(after):
            next(batches)
    state = through_json(loader.state_dict())
    expected = [] if after == "end" else [[plain(b) for b in batches]]
    expected += [epoch_of(loader), epoch_of(loader)]

    fa.manual_seed(99)
    other = CASES[case](prefetch=second)
    other.load_state_dict(state)
    assert through_json(other.state_dict()) == state, "what was loaded is what is saved"
    assert [epoch_of(other) for _ in expected] == expected
    assert other.epoch == loader.epoch == 4
    assert any(expected[0])


def test_a_sampler_that_keeps_no_state_still_ends_its_epoch():
    loader = DataLoader(Y, 8, sampler=Own(False))
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    assert len(state["order"]) == 50
    other = DataLoader(Y, 8, sampler=Own(False))
    list(other)
    other.load_state_dict(state)
    assert epoch_of(other) == [plain(b) for b in batches]


def test_resuming_restores_what_else_draws_from_the_default_generator():
    """A whole program: dropout draws between the batches."""
    def steps(batches):
        return [(plain(b), fa.default_generator().random()) for b in batches]

    fa.manual_seed(1)
    loader = DataLoader(Y, 8, shuffle=True)
    batches = iter(loader)
    steps([next(batches) for _ in range(2)])
    state = loader.state_dict()
    expected = steps(batches) + steps(loader)
    fa.manual_seed(2)
    loader.load_state_dict(state)
    assert steps(loader) + steps(loader) == expected


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.SFC64, np.random.Philox])
def test_a_state_is_saved_with_a_checkpoint(tmp_path, kind):
    def loader(seed):
        return DataLoader(Y, 8, shuffle=True, generator=np.random.Generator(kind(seed)))

    first, other = loader(1), loader(2)
    batches = iter(first)
    next(batches)
    fa.save(tmp_path / "run.npz", {"loader": first.state_dict()})
    other.load_state_dict(fa.load(tmp_path / "run.npz")["loader"])
    assert epoch_of(other) == [plain(b) for b in batches] and epoch_of(other) == epoch_of(first)


def test_after_a_break_an_epoch_begins_anew_and_a_loaded_one_goes_on():
    loader = DataLoader(Y, 8, shuffle=True, generator=np.random.default_rng(0))
    for _ in loader:
        break
    state = loader.state_dict()
    assert state["position"] == 1 and state["epoch"] == 1
    assert sorted(v for b in loader for v in b[0].tolist()) == list(range(50))
    loader.load_state_dict(state)
    assert len(list(loader)) == 6 and len(list(loader)) == 7


SCRIPT = """
import json, sys
import numpy as np
import fastad as fa
from fastad.data import DataLoader
x, y = np.arange(200.0).reshape(100, 2), np.arange(100)
fa.manual_seed(4)
loader = DataLoader((x, y), 16, shuffle=True, prefetch=int(sys.argv[1]), generator=np.random.default_rng(8),
                    transform=lambda batch, rng: (batch[0] + fa.from_numpy(rng.normal(size=batch[0].shape)), batch[1]))
out = []
if sys.argv[2]:
    loader.load_state_dict(json.load(open(sys.argv[2])))
for k, (a, b) in enumerate(loader):
    out.append([a.tolist(), b.tolist()])
    if len(sys.argv) > 3 and k == 2:
        json.dump(loader.state_dict(), open(sys.argv[3], "w"))
for a, b in loader:
    out.append([a.tolist(), b.tolist()])
print(json.dumps(out))
"""


def test_other_processes_give_the_same_batches_and_go_on(tmp_path):
    def run(*args):
        where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(fa.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, args)], capture_output=True, text=True, env=where,
                              cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    whole = run(0, "", tmp_path / "state.json")
    assert len(whole) == 14 and sorted(v for _, y in whole[:7] for v in y) == list(range(100))
    assert run(2, "") == whole
    assert run(0, tmp_path / "state.json") == whole[3:] == run(3, tmp_path / "state.json")


def test_a_state_of_something_else_is_refused_and_changes_nothing():
    loader = DataLoader(Y, 8, shuffle=True, generator=np.random.default_rng(0))
    batches = iter(loader)
    next(batches)
    good = loader.state_dict()
    before = loader.generator.bit_generator.state
    for wrong, message in [({}, "lacks"), ({**good, "more": 1}, r"unknown \['more'\]"), ({**good, "samples": 51}, "samples 51, this one has 50"),
                           ({**good, "batch_size": 4}, "batch_size 4, this one has 8"),
                           ({**good, "generator": None}, "does not draw random numbers, and this one does"),
                           ({**good, "generator": np.random.MT19937(0).state}, "PCG64"),
                           ({**good, "parts": [1]}, "a sampler or data set"),
                           ({**good, "position": 8}, "8 batches of an epoch of 7"),
                           ({**good, "position": -1}, "-1 batches")]:
        with pytest.raises(ValueError, match=message):
            loader.load_state_dict(wrong)
    assert loader.state_dict() == good and loader.generator.bit_generator.state == before
    assert len(list(batches)) == 6
    with pytest.raises(ValueError, match="draws random numbers, and this one does not"):
        DataLoader(Y, 8).load_state_dict(good)
