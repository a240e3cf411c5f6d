"""save and load: everything comes back as it was, files are replaced as a whole, and other programs read them.
Damaged and hostile files are in test_saving_hostile.py."""
import math
import os
import stat
import subprocess
import sys
from collections import OrderedDict
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastad as fa
from fastad import nn, optim

SUFFIXES = ["npz", pytest.param("safetensors", marks=pytest.mark.skipif(not find_spec("safetensors"), reason="needs safetensors"))]
formats = pytest.mark.parametrize("suffix", SUFFIXES)
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "complex64",
          "complex128")


def exact(value):
    """The value with its types and bytes, so that 1, 1.0 and True differ, and NaN equals itself."""
    if isinstance(value, (fa.Tensor, np.ndarray, np.generic)):
        array = value.detach().numpy() if isinstance(value, fa.Tensor) else np.asarray(value)
        kind = fa.Tensor if isinstance(value, fa.Tensor) else np.ndarray if isinstance(value, np.ndarray) else np.generic
        return kind, array.dtype, array.shape, array.tobytes()
    if isinstance(value, np.random.Generator):
        return np.random.Generator, exact(value.bit_generator.state)
    if isinstance(value, dict):
        return dict, [(exact(k), exact(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [exact(v) for v in value]
    return type(value), value.hex() if isinstance(value, float) else hex(value) if isinstance(value, int) else repr(value)


def again(tmp_path, value, suffix):
    path = tmp_path / f"value.{suffix}"
    fa.save(path, value)
    return fa.load(path)


# ---- what comes back ---------------------------------------------------------------------------------
@formats
def test_everything_comes_back(tmp_path, suffix):
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.normal(size=shape) * 100).astype(dtype) for dtype in DTYPES for shape in ((), (3,), (0, 2), (2, 1, 3))]
    value = {"arrays": arrays, "tensors": [fa.tensor(a) for a in arrays if a.dtype.kind == "f"], "scalars": (np.float32(0.1), np.int8(-3)),
             "numbers": [1, -1, 0.1, -0.0, math.nan, math.inf, -math.inf, 5e-324, 2 ** 64, 2 ** 63, -2 ** 63 - 1, 7 ** 9000, True, None, 1j, complex("nan-infj")],
             "text": ["", "naïve \U0001f600 \ud800 \x00 \"quoted\\", "$tensor"], "": {}, "empty": [[], (), {}], "$array": "x",
             "keys": {1: "a", (1, "b"): 2, None: 3, 0.5: 4, True if False else "t": 5, "$": 6}, "a.b": np.ones(2), "a": {"b": np.zeros(2)},
             "../up": np.ones(1), "con/aux\\nul:": np.ones(1), "__metadata__": np.ones(1), "__fastad__": np.ones(1), "x" * 300: np.ones(1)}
    assert exact(again(tmp_path, value, suffix)) == exact(value)
    assert exact(again(tmp_path, [], suffix)) == exact([]) and exact(again(tmp_path, np.ones(()), suffix)) == exact(np.ones(()))


leaf = (st.none() | st.booleans() | st.integers() | st.integers(min_value=-2 ** 600, max_value=2 ** 600) | st.floats() | st.text()
        | st.complex_numbers() | st.builds(np.ones, st.tuples(st.integers(0, 3)), st.sampled_from(DTYPES)))
keys = st.text(max_size=3) | st.integers() | st.tuples(st.integers(), st.text(max_size=2))
nested = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=3))


@formats
@given(value=nested)
def test_any_nested_value_comes_back(tmp_path_factory, suffix, value):
    assert exact(again(tmp_path_factory.mktemp("v"), value, suffix)) == exact(value)


@formats
def test_layouts_byte_orders_and_subclasses(tmp_path, suffix):
    a = np.arange(24.0).reshape(2, 3, 4)
    for odd in (a.T, a[:, ::-2], a[..., ::2], a.astype(">f8"), a.astype(">c16").T, np.asfortranarray(a), a[1:, :0], np.broadcast_to(a[0], (2, 3, 4)),
                np.ma.masked_array(a), np.array(3, ">i4")):
        found = again(tmp_path, [odd], suffix)[0]
        plain = np.asarray(odd, odd.dtype.newbyteorder("="))
        assert type(found) is np.ndarray and found.dtype == plain.dtype and found.shape == plain.shape and (found == plain).all()
        assert found.flags.writeable and found.dtype.isnative
    weight = nn.Linear(2, 3).weight
    found = again(tmp_path, OrderedDict(w=weight, n=np.float64(0.5)), suffix)
    assert type(found["w"]) is fa.Tensor and not found["w"].requires_grad and type(found["n"]) is np.float64 and type(found) is dict
    assert (found["w"].numpy() == weight.detach().numpy()).all()


@formats
@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generators_go_on(tmp_path, suffix, kind):
    generator = np.random.Generator(getattr(np.random, kind)(5))
    generator.integers(0, 9, 3, dtype=np.int32)
    found = again(tmp_path, {"g": generator}, suffix)["g"]
    assert (found.integers(0, 2 ** 31, 5, dtype=np.int32) == generator.integers(0, 2 ** 31, 5, dtype=np.int32)).all()
    assert (found.normal(size=700) == generator.normal(size=700)).all()


@formats
def test_model_and_optimizer_go_on(tmp_path, suffix):
    fa.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    def step(m, o):
        o.zero_grad()
        m(fa.ones((2, 3), dtype="float32")).sum().backward()
        o.step()

    step(model, optimizer)
    saved = again(tmp_path, {"model": model, "optimizer": optimizer}, suffix)
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    twin = optim.Adam(other.parameters(), lr=0.5)
    other.load_state_dict(saved["model"])
    twin.load_state_dict(saved["optimizer"])
    step(model, optimizer)
    step(other, twin)
    assert all((p.detach().numpy() == q.detach().numpy()).all() for p, q in zip(model.parameters(), other.parameters(), strict=True))


def test_other_programs_read_it_and_their_files_are_read(tmp_path):
    state = nn.Linear(2, 3).state_dict()
    fa.save(tmp_path / "a.npz", state)
    with np.load(tmp_path / "a.npz") as file:
        assert sorted(file) == ["__fastad__", "bias", "weight"] and (file["weight"] == state["weight"].numpy()).all()
    arrays = {"x": np.ones((2, 3), np.float32), "y.z": np.asfortranarray(np.arange(6).reshape(2, 3)), "t": np.array([True, False]), "n": np.array(3)}
    np.savez(tmp_path / "b.npz", **arrays)
    assert exact(fa.load(tmp_path / "b.npz")) == exact(arrays)
    safetensors = pytest.importorskip("safetensors.numpy")
    fa.save(tmp_path / "a.safetensors", state)
    found = safetensors.load_file(tmp_path / "a.safetensors")
    assert found.keys() == state.keys() and all((found[k] == state[k].numpy()).all() for k in state)
    safetensors.save_file(arrays | {"y.z": np.arange(6)}, tmp_path / "b.safetensors", {"format": "np"})
    assert fa.load(tmp_path / "b.safetensors").keys() == arrays.keys()
    os.rename(tmp_path / "b.safetensors", tmp_path / "weights.bin")    # the file itself shows its format
    assert exact(fa.load(tmp_path / "weights.bin")["x"]) == exact(arrays["x"])


# ---- refusals ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("value, error, message", [
    ({"a": [1, {"b": object()}]}, TypeError, r"value\['a'\]\[1\]\['b'\] is a object, which cannot be saved"),
    ({"f": len}, TypeError, "builtin_function"), ({object(): 1}, TypeError, "a key of the dict at value is a object"),
    (np.array([object()]), TypeError, "value is an array of object"), (np.array(["x"]), TypeError, "array of <U1"), (b"bytes", TypeError, "bytes"),
    ({1, 2}, TypeError, "set"), (np.zeros(2, "datetime64[s]"), TypeError, "datetime64"), (np.zeros(2, [("a", int)]), TypeError, "array of"),
    (np.longdouble(1), TypeError, "longdouble|float128"),
])
def test_what_cannot_be_saved_is_named(tmp_path, value, error, message):
    path = tmp_path / "x.npz"
    fa.save(path, 1)
    with pytest.raises(error, match=message):
        fa.save(path, value)
    assert fa.load(path) == 1 and os.listdir(tmp_path) == ["x.npz"]


def test_containers_that_hold_themselves(tmp_path):
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="does one hold itself"):
        fa.save(tmp_path / "x.npz", endless)
    deep = 1
    for kind in (tuple, list, dict) * 21:
        deep = {1: deep} if kind is dict else kind([deep])
    assert exact(again(tmp_path, deep, "npz")) == exact(deep)


def test_suffixes_and_missing_packages(tmp_path, monkeypatch):
    for name in ("model", "model.pt", "model.npy"):
        with pytest.raises(ValueError, match=r"must end in '.safetensors' or '.npz'"):
            fa.save(tmp_path / name, 1)
    if find_spec("safetensors"):
        fa.save(tmp_path / "x.safetensors", 1)
    else:
        (tmp_path / "x.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install fastad\[safetensors\]"):
        fa.save(tmp_path / "y.safetensors", 1)
    assert fa.load(tmp_path / "x.safetensors") in (1, {})              # the package is needed to write only
    assert os.listdir(tmp_path) == ["x.safetensors"]


# ---- files -------------------------------------------------------------------------------------------
posix = pytest.mark.skipif(os.name != "posix", reason="about POSIX files")


@posix
def test_links_and_permissions_stay(tmp_path):
    target, link = tmp_path / "deep" / "target.npz", tmp_path / "link.npz"
    target.parent.mkdir()
    before = os.umask(0o027)
    try:
        fa.save(target, 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    link.symlink_to(target)
    target.chmod(0o604)
    fa.save(link, 2)
    assert link.is_symlink() and fa.load(target) == 2 and stat.S_IMODE(target.stat().st_mode) == 0o604


@posix
def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, error in ((tmp_path / "pipe", fa.CheckpointError), ("/dev/zero", fa.CheckpointError), (tmp_path, IsADirectoryError),
                        (tmp_path / "nothing.npz", FileNotFoundError)):
        with pytest.raises(error):
            fa.load(path)
    with pytest.raises(FileNotFoundError):
        fa.save(tmp_path / "no" / "folder.npz", 1)


@formats
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"x.{suffix}"
    fa.save(path, 1)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        fa.save(path, 2)
    assert fa.load(path) == 1 and os.listdir(tmp_path) == [path.name]


KILLS = """
import os, random, signal, sys, time
import numpy as np
import fastad as fa
fa.save(sys.argv[1], {"n": 0, "a": np.zeros(20_000)})
start = time.perf_counter()
for _ in range(4):
    fa.save(sys.argv[1], {"n": 0, "a": np.zeros(20_000)})
    fa.load(sys.argv[1])
takes = (time.perf_counter() - start) / 4
random.seed(0)
n, places = 0, set()
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        while True:
            n += 1
            fa.save(sys.argv[1], {"n": n, "a": np.full(20_000, float(n))})
    time.sleep(random.uniform(0.0, 3 * takes))
    places.add(len(os.listdir(os.path.dirname(sys.argv[1]))))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = fa.load(sys.argv[1])
    assert n <= found["n"] and (found["a"] == found["n"]).all()
    takes *= 1.1 if found["n"] == n else 0.95          # on a machine that is busy now, or no longer is
    n = found["n"]
assert n > 5 and 2 in places, (n, places)
fa.save(sys.argv[1], 0)
print(os.listdir(os.path.dirname(sys.argv[1])))
"""


@posix
@formats
def test_killed_while_it_writes(tmp_path, suffix):
    """A process that writes checkpoint after checkpoint, killed 100 times in each format: the old or the new file, whole."""
    path = tmp_path / "folder" / f"x.{suffix}"
    path.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLS, str(path), "100"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"['{path.name}']"       # what was half written is gone with the next one
