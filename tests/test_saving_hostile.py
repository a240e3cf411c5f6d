"""load on damaged and hostile files: a CheckpointError or what was saved, nothing executed, and no more memory than twice the
file's size and 64 KB."""
import io
import json
import os
import random
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_saving import exact, nested

import fastad as fa
from fastad.saving import files, npz, tensors

needs_package = pytest.mark.skipif(not find_spec("safetensors"), reason="needs safetensors")
SUFFIXES = ["npz", pytest.param("safetensors", marks=needs_package)]
formats = pytest.mark.parametrize("suffix", SUFFIXES)

VALUE = {"model": {"0.weight": fa.tensor(np.arange(12.0).reshape(3, 4)), "0.bias": fa.tensor(np.ones(3, "float32"))},
         "optimizer": {"state": {0: {"step": 3, "exp_avg": np.linspace(0, 1, 12)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]},
         "random": np.random.Generator(np.random.MT19937(1)), "mask": np.array([True, False]), "z": np.array([1 + 2j]), "nan": float("nan"),
         "losses": [0.5, 0.25], "big": 3 ** 200}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("originals"), {}
    for suffix in ["npz"] + ["safetensors"] * bool(find_spec("safetensors")):
        fa.save(folder / f"x.{suffix}", VALUE)
        found[suffix] = (folder / f"x.{suffix}").read_bytes()
    return found


class Loader:
    """Loads bytes from a file, and measures the memory that takes."""

    def __init__(self, folder):
        self.path, self.peak = os.path.join(folder, "hostile"), 0
        open(self.path, "wb").close()

    def __call__(self, data):
        with open(self.path, "r+b") as file:       # making files anew would take most of the time
            file.write(data)
            file.truncate()
        tracemalloc.start()
        try:
            return fa.load(self.path)
        finally:
            self.peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert self.peak <= 2 * len(data) + 65_536, f"{self.peak} bytes for a file of {len(data)}"

    def refuses(self, data, message=None):
        with pytest.raises(fa.CheckpointError, match=message) as caught:
            self(data)
        return str(caught.value)


@pytest.fixture
def loads(tmp_path):
    loader = Loader(tmp_path)
    for suffix in ("npz", "safetensors"):
        if suffix == "npz" or find_spec("safetensors"):    # what is imported when first used is not the file's doing
            fa.save(tmp_path / f"x.{suffix}", VALUE)
            fa.load(tmp_path / f"x.{suffix}")
    return loader


# ---- damage ------------------------------------------------------------------------------------------
def mutated(data, draw):
    """The file with one thing wrong."""
    data, size = bytearray(data), len(data)
    kind = draw.randrange(8)
    # most of a file is numbers; its beginning and its end are what a reader believes
    at = draw.randrange(size) if draw.random() < 0.4 else draw.randrange(min(size, 1500)) if draw.random() < 0.5 else draw.randrange(max(0, size - 1500), size)
    if kind == 0:
        del data[at:]
    elif kind in (1, 2):
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 3:
        for _ in range(draw.randrange(2, 9)):
            data[min(size - 1, at + draw.randrange(40))] ^= 1 << draw.randrange(8)
    elif kind == 4:
        data[at] = draw.choice(b"\x00\xff\x7f\x80[]{}\",:0919-eE\\/.\n ")
    elif kind == 5:
        data[at:at] = bytes(draw.choice(b"[]{}\",:0123456789\x00\xff ") for _ in range(draw.randrange(1, 9)))
    elif kind == 6:
        del data[at:at + draw.randrange(1, 64)]
    else:
        width = draw.choice((2, 4, 8))
        data[at:at + width] = draw.choice((0, 1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff, size)).to_bytes(8, "little")[:width]
    return bytes(data)


@formats
def test_five_thousand_mutations(originals, loads, suffix):
    draw, original, outcomes = random.Random(0), originals[suffix], {"refused": 0, "whole": 0}
    expected = exact(VALUE)
    for k in range(5_000):
        data = mutated(original, draw)
        try:
            found = loads(data)
        except fa.CheckpointError:
            outcomes["refused"] += 1
        else:
            assert data == original or exact(found) == expected, f"mutation {k} gave other values"
            outcomes["whole"] += 1
    assert outcomes["refused"] > 4_000 and outcomes["whole"] > 0, outcomes       # e.g. a date in the archive


# what takes much more memory than its text: a list with many of each
SMALL_THINGS = ["[]", "{}", "1000", "1.5", '"xy"', "[1.5]", "[1.5,2.5]", '{"a":1.5}', '{"$tuple":[1.5]}', '{"$dict":[[1.5,2.5]]}', '{"$float":"nan"}',
                '{"$complex":[1.5,2.5]}', "[[[[[]]]]]", '{"a":{"b":{"c":{}}}}', '"\\u1234"', '"\\ud83d\\ude00"', '"\\n\\n"',
                '{"$generator":{"bit_generator":"PCG64","state":{"state":0,"inc":1},"has_uint32":0,"uinteger":0}}']
STRUCTURES = {thing: f"[{','.join([thing] * (100 if len(thing) > 60 else 1_200))}]" for thing in SMALL_THINGS} | {
    "tuple": f'{{"$tuple":[{",".join(["1.5"] * 10_000)}]}}', "names": json.dumps({str(k): k for k in range(5_500)}),
    "many names": json.dumps({str(k): 1 for k in range(5_500)}), "keys": json.dumps({"$dict": [[k, 1] for k in range(5_500)]}),
    "long": f'["{"a" * 300_000}"]', "one wide letter": f'["{"a" * 300_000}\\ud83d\\ude00"]', "quotes": f'["{chr(92)}{chr(34)}{"a" * 300_000}"]'}


@pytest.mark.parametrize("name", STRUCTURES)
@formats
def test_structures_near_the_limit(loads, suffix, name):
    """Refused in a small file; accepted in one that is just large enough: what they take is then no more than the bound."""
    text, least, most = STRUCTURES[name], 0, 3_000_000
    assert written(text, suffix, most) and loads(written(text, suffix, most)) is not None
    while most - least > 2_000:
        middle = (least + most) // 2
        try:
            loads(written(text, suffix, middle))
            most = middle
        except fa.CheckpointError:
            least = middle
    loads(written(text, suffix, most))             # where the peak is looked at, as above
    assert most > 2_000


def written(text, suffix, padding, **arrays):
    file = io.BytesIO()
    (npz if suffix == "npz" else tensors).write(file, text, arrays, padding)
    return file.getvalue()


VALUES = {"small tensors": {f"layers.{k}.weight": fa.tensor(np.ones(1)) for k in range(2_000)}, "empty arrays": [np.zeros(0)] * 1_000, "floats": [0.1 * k for k in range(30_000)],
          "zeros": [0] * 100_000, "pairs": [(k, [k]) for k in range(5_000)], "keys": {k: (k,) for k in range(5_000)}, "text": {"ü" * k: "\U0001f600" * k for k in range(200)},
          "generators": [np.random.Generator(kind(k)) for k in range(30) for kind in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64)],
          "axes": [np.zeros((1,) * 30) for _ in range(500)], "large": [fa.tensor(np.ones((200, 300)))] * 3, "one wide letter": "a" * 200_000 + "\U0001f600", "none": None,
          "quotes": '"\\' * 50_000, "dicts": [{} for _ in range(20_000)], "hexadecimal": [3 ** 20_000] * 20, "complex": [np.ones(1, "complex64"), 1j] * 500}


@pytest.mark.parametrize("name", VALUES)
@formats
def test_what_is_saved_can_be_loaded(tmp_path, loads, suffix, name):
    """Whatever it is made of, within the bound: where that is too little for small things, `save` makes the file larger."""
    fa.save(tmp_path / f"x.{suffix}", VALUES[name])
    assert exact(loads((tmp_path / f"x.{suffix}").read_bytes())) == exact(VALUES[name])


@formats
@given(value=nested, times=st.sampled_from([1, 50]))
def test_any_value_that_is_saved_can_be_loaded(tmp_path_factory, suffix, value, times):
    folder = tmp_path_factory.mktemp("v")
    fa.save(folder / f"x.{suffix}", [value] * times)
    assert exact(Loader(folder)((folder / f"x.{suffix}").read_bytes())) == exact([value] * times)


def test_padding_means_nothing_to_others(tmp_path):
    state = {f"w{k}": fa.tensor(np.full(2, k, "float32")) for k in range(300)}
    fa.save(tmp_path / "x.npz", state)
    assert sum(a.tolist() == [int(name[1:])] * 2 for name, a in np.load(tmp_path / "x.npz").items() if name != "__fastad__") == 300
    package = pytest.importorskip("safetensors.numpy")
    fa.save(tmp_path / "x.safetensors", state)
    assert {name: a.tolist() for name, a in package.load_file(tmp_path / "x.safetensors").items()} == {f"w{k}": [k] * 2 for k in range(300)}


def test_small_arrays_of_others(tmp_path, loads):
    """Those of any .npz by NumPy; a safetensors file describes them in fewer bytes than they take as objects."""
    def state(count, size):
        return {f"layers.{k}.weight": np.full(size, k, "float32") for k in range(count)}

    np.savez(tmp_path / "x.npz", **state(2_000, 1))
    assert exact(loads((tmp_path / "x.npz").read_bytes())) == exact(state(2_000, 1))
    package = pytest.importorskip("safetensors.numpy")
    for count, size in ((100, 1), (2_000, 64), (2_000, 1), (20_000, 0)):
        data = package.save(state(count, size))
        if (count, size) in ((2_000, 1), (20_000, 0)):
            loads.refuses(data, "more memory than twice the .* too many small items")
        else:
            assert exact(dict(sorted(loads(data).items()))) == exact(dict(sorted(state(count, size).items())))


@formats
def test_every_truncation_of_the_structure(originals, loads, suffix):
    original = originals[suffix]
    for end in (*range(0, 300), *range(300, len(original) - 300, 40), *range(len(original) - 300, len(original))):
        loads.refuses(original[:end])
    loads.refuses(original + b"\0")


@formats
def test_memory_of_a_large_file(tmp_path, loads, suffix):
    value = {"a": np.ones(1 << 20), "b": [np.ones(1 << 18, "float32"), np.ones((512, 512), order="F")], "c": np.ones(1000, "complex64")}
    fa.save(tmp_path / f"x.{suffix}", value)
    data = (tmp_path / f"x.{suffix}").read_bytes()
    assert exact(loads(data)) == exact(value) and loads.peak > len(data)
    for k in range(40):
        loads.refuses(data[:len(data) * k // 40])


# ---- safetensors by hand -----------------------------------------------------------------------------
def file_of(header, body=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


@needs_package
@pytest.mark.parametrize("data, message", [
    (b"", "neither"), (b"\0" * 7, "neither"), (b"\0" * 8, "cannot be read"), (file_of({}, length=1 << 63), "neither"), (file_of({}, length=3), "neither"),
    (file_of({}, b"\0" * 200_000_000, length=150_000_000)[:300], "neither"),
    (file_of(b"[" * 50_000), "no object"), (file_of(b'{"a":' * 20_000), "stands no name"), (file_of(b"[" + b"[]," * 500_000 + b"[]]"), "no object"),
    (file_of(b'{"a":{' + b'"a":{},' * 100_000 + b'"a":{}}}'), "stands no name"), (file_of(b'{"a":{"b":"' + b"x" * 100_000 + b'"}}'), "not described"), (file_of(b'{"a":{"b":[' + b"[0]," * 100_000 + b"0]}}"), "not described"),
    (file_of(b'{"' + b"\\ud83d\\ude00" * 50_000 + b'":{}}'), "more memory"), (file_of(b"{" + b'"a":"b",' * 200_000 + b'"a":{}}'), "not described"), (file_of({"a": entry(shape=(10 ** 400,))}, b"\0" * 8), "integer of 401 digits"),
    (file_of(b'{"a":{"shape":[NaN],"b":[]}}'), "no number"), (file_of(b'{"a":%b,"a":%b}' % ((json.dumps(entry("F32", (0,), (0, 0))).encode(),) * 2)), "twice"),
    (file_of(b"\xff\xfe"), "cannot be read"), (file_of(b'{"\xff":{}}'), "cannot be read"), (file_of(b'{"__metadata__":{},"__metadata__":{}}'), "twice"), (file_of(b'{"__metadata__":{"fastad":"1","fastad":"1"}}'), "twice"),
    (file_of(b"{},"), "after its end"), (file_of(b'{"__metadata__":{},}'), "stands no name"), (file_of(b"[]"), "no object"),
    (file_of({"a": entry(), "b": entry()}, b"\0" * 8), "overlaps"), (file_of({"a": entry(offsets=(4, 12))}, b"\0" * 12), "gap"),
    (file_of({"a": entry()}, b"\0" * 9), "room for 9"), (file_of({"a": entry()}, b"\0" * 7), "outside"), (file_of({}, b"\0" * 7), "room for 7"),
    (file_of({"a": entry(offsets=(8, 0))}, b"\0" * 8), "outside"), (file_of({"a": entry(offsets=(-8, 0))}, b"\0" * 8), "outside"),
    (file_of({"a": entry(offsets=(0.0, 8))}, b"\0" * 8), "two offsets"), (file_of({"a": entry(offsets=(False, 8))}, b"\0" * 8), "two offsets"),
    (file_of({"a": entry(offsets=(0, 8, 8))}, b"\0" * 8), "two offsets"), (file_of({"a": entry(shape=(3,))}, b"\0" * 8), "claims 12 bytes"),
    (file_of({"a": entry(shape=(1 << 62, 1 << 62))}, b"\0" * 8), "larger than any array"), (file_of({"a": entry(shape=(-1, -2))}, b"\0" * 8), "no shape"),
    (file_of({"a": entry(shape=(0, 1 << 40, 1 << 40), offsets=(0, 0))}), "larger than any array"), (file_of({"a": entry(shape=(1,) * 65)}, b"\0" * 8), "no shape"),
    (file_of({"a": entry(shape=(2.0,))}, b"\0" * 8), "no shape"), (file_of({"a": entry(shape=(True, 2))}, b"\0" * 8), "no shape"),
    (file_of({"a": entry("O")}, b"\0" * 8), "dtype O, which fastad has not"), (file_of({"a": entry("BF16", (4,))}, b"\0" * 8), "every bfloat16"),
    (file_of({"a": entry(3)}, b"\0" * 8), "dtype 3"), (file_of({"a": [1]}), "stands no name"), (file_of({"a": entry(x=1)}, b"\0" * 8), "not described"),
    (file_of({"a": entry("BOOL", (8,))}, b"\2" * 8), "neither true nor false"), (file_of({"__metadata__": {"a": 1}}), "stands no name"), (file_of({"__metadata__": {"a": {}}}), "stands no name"), (file_of({"__metadata__": "x"}), "no object"),
    (file_of({"__metadata__": []}), "stands no name"), (file_of({"__metadata__": {"fastad": "1"}}), "metadata is missing"),
    (file_of({"__metadata__": {"fastad": "1", "fastad.crc32": "00000000"}}), "checksum"),
    (file_of({"__metadata__": {"fastad": "\ud800", "fastad.crc32": "00000000"}}), "not ASCII"),
])
def test_hostile_headers(loads, data, message):
    loads.refuses(data, message)


@needs_package
def test_headers_that_are_odd_and_right(loads):
    assert loads(file_of({})) == {}
    assert loads(file_of({"b": entry("F64", (), (0, 8)), "a": entry("I8", (0, 3), (8, 8)), "ü/../x": entry("C64", (1,), (8, 16))}, b"\0" * 16)).keys() == \
        {"b", "a", "ü/../x"}                      # names of tensors are never paths


@needs_package
def test_mutated_headers(loads):
    """Headers whose numbers and names change, over a body that fits: refused, or arrays of the shapes that they say."""
    draw, outcomes = random.Random(1), [0, 0]
    numbers = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, -1, 1 << 31, 1 << 63, 1 << 64, 10 ** 30, 1.5, None, "F32", [], {}, True]
    kinds = ["F32", "I32", "U32", "I8", "U8", "BOOL", "F64", "I16", "F16", "C64", "BF16", "", 3]
    shapes = [[6], [1, 6], [3, 2], [6, 1, 1], [24], [12], [2, 6], [3], [8], [2, 2, 2], [4], [1], [], [0], [0, 1 << 62], [1 << 62, 4]]
    for _ in range(1_000):
        header = {"a": entry("F32", (2, 3), (0, 24)), "b": entry("I8", (8,), (24, 32)), "__metadata__": {"k": "v"}}
        for _ in range(draw.randrange(1, 4)):
            target = header[draw.choice("ab")]
            key = draw.choice(("dtype", "shape", "shape", "data_offsets"))
            if key != "dtype" and (key == "data_offsets" or draw.random() < 0.2):
                target[key] = [draw.choice(numbers) if draw.random() < 0.3 else n for n in target[key]]
            else:
                target[key] = draw.choice(kinds if key == "dtype" else shapes)
        try:
            found = loads(file_of(header, b"\1" * 32))
        except fa.CheckpointError:
            outcomes[0] += 1
        else:
            outcomes[1] += 1
            assert sum(a.nbytes for a in found.values()) == 32 and all(list(a.shape) == header[n]["shape"] for n, a in found.items())
    assert min(outcomes) > 20, outcomes


# ---- structure ---------------------------------------------------------------------------------------
def with_structure(text, **arrays):
    """An .npz whose structure is this text; large enough that it is looked at."""
    return written(text if isinstance(text, str) else json.dumps(text), "npz", 300_000, **{name: np.asarray(a) for name, a in arrays.items()})


TWISTER = {"bit_generator": "MT19937", "state": {"key": [1] * 624, "pos": 5}}
PHILOX = {"bit_generator": "Philox", "state": {"counter": [0] * 4, "key": [0] * 2}, "buffer": [0] * 4, "buffer_pos": 4, "has_uint32": 0, "uinteger": 0}


@pytest.mark.parametrize("data, message", [
    (with_structure("[" * 2_000), "nested too deeply"), (with_structure("[" * 300 + "]" * 300), "nested too deeply"),
    (with_structure('{"$dict":[[' * 150 + "1"), "cannot be read|nested"), (with_structure("[1,2"), "cannot be read"), (with_structure(""), "cannot be read"),
    (with_structure("9" * 5_000), "5000 digits"), (with_structure('{"a":1,"a":1}'), "twice"), (with_structure("[Infinity]"), "no number"),
    (with_structure([{"$tensor": "a"}]), "cannot be read"), (with_structure([], a=1.0), "stand nowhere"), (with_structure([{"$array": "a"}] * 2, a=1.0), "cannot be read"),
    (with_structure({"$scalar": "a"}, a=[1.0]), "scalar has no axes"), (with_structure({"$array": ["a"]}, a=1.0), "cannot be read"),
    (with_structure({"$array": "a", "complex": True}, a=[1.0]), "pairs"), (with_structure({"$array": "a", "complex": True}, a=[1, 2]), "pairs"),
    (with_structure({"$array": "a", "x": True}, a=[1.0]), "by its name"), (with_structure({"$tuple": 3}), "means nothing"),
    (with_structure({"$tuple": [], "b": 1}), "cannot be read"), (with_structure({"$dict": [[1, 2], [1, 3]]}), "twice"), (with_structure({"$dict": [[[], 2]]}), "cannot be read"),
    (with_structure({"$dict": [1]}), "cannot be read"), (with_structure({"$dict": [[{"$array": "a"}, 1]]}, a=[1.0]), "cannot be read"),
    (with_structure({"$float": "1e3"}), "means nothing"), (with_structure({"$int": "12"}), "means nothing"), (with_structure({"$complex": [1]}), "cannot be read"),
    (with_structure({"$complex": ["1", None]}), "cannot be read"), (with_structure({"$import": "os"}), "means nothing"),
    (with_structure({"$generator": {"bit_generator": "RandomState"}}), "a generator is one of"), (with_structure({"$generator": [1]}), "one of"),
    (with_structure({"$generator": {"bit_generator": ["PCG64"]}}), "one of|cannot be read"), (with_structure({"$generator": {"bit_generator": "PCG64"}}), "no state of"),
    (with_structure({"$generator": TWISTER | {"state": {"key": [1] * 624, "pos": 10 ** 9}}}), "position"),
    (with_structure({"$generator": TWISTER | {"state": {"key": [1] * 624, "pos": -1}}}), "position"),
    (with_structure({"$generator": TWISTER | {"state": {"key": [1] * 624, "pos": 1.0}}}), "position"),
    (with_structure({"$generator": TWISTER | {"state": {"key": [1] * 600, "pos": 1}}}), "no state of"),
    (with_structure({"$generator": PHILOX | {"buffer_pos": -7}}), "position"), (with_structure({"$generator": PHILOX | {"buffer_pos": 10 ** 6}}), "position"),
    (with_structure({"$generator": {"bit_generator": "PCG64", "state": {"state": 10 ** 19, "inc": "x"}, "has_uint32": 0, "uinteger": 0}}), "no state of"),
], ids=lambda v: None if isinstance(v, bytes) else str(v))
def test_hostile_structures(loads, data, message):
    loads.refuses(data, message)


def test_structures_that_are_odd_and_right(loads):
    assert loads(with_structure({"$int": "-0x" + "f" * 50_000})) == 1 - 16 ** 50_000
    assert loads(with_structure({"$generator": TWISTER})).bit_generator.state["state"]["pos"] == 5
    assert isinstance(loads(with_structure({"$generator": PHILOX})), np.random.Generator)
    assert loads(with_structure('["' + "\\ud83d\\ude00" * 2_000 + '"]')) == ["\U0001f600" * 2_000]
    assert loads(with_structure([0.1] * 3_000)) == [0.1] * 3_000


# ---- archives by hand --------------------------------------------------------------------------------
def npy(array=None, header=None, version=b"\1\0", body=None):
    """A .npy file, or one with another header."""
    if header is None:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header + (b"\0" * 16 if body is None else body)


def archive(*members, compression=zipfile.ZIP_STORED, comment=b"", **arrays):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, data in (*members, *((f"{k}.npy", npy(v)) for k, v in arrays.items())):
            made.writestr(name, data)
        made.comment = comment
    return file.getvalue()


class Payload:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def pickled():
    file = io.BytesIO()
    np.savez(file, x=np.array([Payload()], dtype=object))
    return file.getvalue()


def descr(kind="<f8", fortran="False", shape="(2,)", end=", }\n"):
    return f"{{'descr': {kind!r}, 'fortran_order': {fortran}, 'shape': {shape}{end}".encode()


ONE = npy(np.ones(2))
DEFLATED = archive(a=np.zeros(1_000_000), compression=zipfile.ZIP_DEFLATED)


def patched(data, mark, offset, value):
    """With bytes changed behind every place where `mark` begins a record."""
    data, at = bytearray(data), -1
    while (at := data.find(mark, at + 1)) >= 0:
        data[at + offset:at + offset + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize("data, message", [
    (DEFLATED, "is compressed"), (archive(("a.npy", ONE), compression=zipfile.ZIP_BZIP2), "is compressed"), (pickled(), "objects, text and records are refused"),
    (archive(("../a.npy", ONE)), "no name of an array"), (archive(("/a.npy", ONE)), "no name"), (archive(("a\\b.npy", ONE)), "no name"),
    (archive(("c:a.npy", ONE)), "no name"), (archive(("a", ONE)), "no name"), (archive((".npy", ONE)), "no name"), (archive(("a/", b"")), "no name"),
    (archive(a=np.ones(2), comment=b"x"), "comment"), (archive(("a.npy", ONE + b"\0")), "claims 16 bytes by its shape and has 17"),
    (archive(("a.npy", ONE[:-1])), "claims 16 bytes"), (archive(("a.npy", b"")), "no .npy file"), (archive(("a.npy", b"\x93NUMPY\1\0\xff\xff")), "header"),
    (archive(("a.npy", npy(header=descr(shape=f"({10 ** 18},)")))), "claims 8000000000000000000 bytes"), (archive(("a.npy", npy(header=descr(shape="(4611686018427387904, 4)")))), "larger"),
    (archive(("a.npy", npy(header=descr(shape="(0, 4611686018427387904)"), body=b""))), "larger"), (archive(("a.npy", npy(header=descr(shape=f"({'1, ' * 65})")))), "no shape"),
    (archive(("a.npy", npy(header=descr(shape="(-2,)")))), "header"), (archive(("a.npy", npy(header=descr(shape="(" * 200)))), "header"),
    (archive(("a.npy", npy(header=descr(shape="__import__('os')")))), "header"), (archive(("a.npy", npy(header=descr("|O")))), "header"),
    (archive(("a.npy", npy(header=descr("<U4")))), "header"), (archive(("a.npy", npy(header=descr("<f3")))), "header"), (archive(("a.npy", npy(header=descr(">f8")))), "header"),
    (archive(("a.npy", npy(header=descr([("a", "<f8")])))), "header"), (archive(("a.npy", npy(header=descr(), version=b"\2\0"))), "version 1"),
    (archive(("a.npy", npy(header=descr("|b1", shape="(16,)"), body=b"\2" * 16))), "neither true nor false"),
    (archive(__fastad__=np.ones(2)), "structure is no text"), (b"PK", "truncated"), (b"PK\5\6" + b"\0" * 17, "truncated"),
    (patched(archive(a=np.ones(2)), b"PK\1\2", 8, b"\1"), "encrypted"), (patched(archive(a=np.ones(2)), b"PK\1\2", 20, struct.pack("<LL", 1 << 30, 1 << 30)), "more bytes"),
    (patched(archive(a=np.ones(2)), b"PK\1\2", 24, struct.pack("<L", 1 << 30)), "two sizes"), (patched(archive(a=np.ones(2)), b"PK\1\2", 42, b"\xff\xff\xff\x7f"), "lies outside"),
    (patched(archive(a=np.ones(2)), b"PK\1\2", 16, b"\0\0\0\0"), "CRC|damaged"), (patched(archive(a=np.ones(2), b=np.ones(2)), b"PK\1\2", 42, b"\0\0\0\0"), "overlaps"),
    (patched(archive(a=np.ones(2)), b"PK\5\6", 12, b"\xff\xff\xff\xff"), "not where it should"), (patched(archive(a=np.ones(2)), b"PK\5\6", 16, b"\xff\xff\xff\x7f"), "not where it should"),
    (patched(archive(a=np.ones(2)), b"PK\5\6", 10, b"\7"), "several parts"), (patched(archive(a=np.ones(2)), b"PK\5\6", 4, b"\1"), "several parts"),
    (patched(archive(a=np.ones(2)), b"PK\1\2", 20, b"\xff" * 8), "no sizes"), (patched(archive(a=np.ones(2)), b"PK\3\4", 0, b"PK\3\5"), "not where its directory says"),
    (patched(archive(a=np.ones(2)), b"PK\3\4", 30, b"b"), "not where its directory says"), (patched(archive(a=np.ones(2)), b"PK\1\2", 28, b"\xff"), "something else than entries"),
    (patched(archive(a=np.ones(2)), b"PK\5\6", 8, b"\2\0\2\0"), "ends before 2"), (patched(archive(a=np.ones(2)), b"PK\5\6", 8, b"\0" * 4), "more than 0"),
    (patched(archive(a=np.ones(2)), b"PK\5\6", 8, b"\xff" * 4), "ends before 65535"),
], ids=lambda v: None if isinstance(v, bytes) else str(v))
def test_hostile_archives(loads, data, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loads.refuses(data, message)
    assert not os.path.exists("executed")


def test_names_that_appear_twice(loads):
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = archive(("a.npy", ONE), ("a.npy", ONE))
    loads.refuses(data, "appears twice")


def test_a_directory_of_empty_members(loads):
    """Entries that all say the same place are refused at the second one."""
    member, entry = archive(("a.npy", b""))[:35], struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *[0] * 11, 5, *[0] * 6) + b"a.npy"
    for count, message in ((60_000, "no .npy file"), (20, "no .npy file")):
        loads.refuses(member + entry * count + npz.END.pack(b"PK\5\6", 0, 0, count, count, len(entry) * count, len(member), 0), message)


def test_archives_for_large_files(tmp_path, loads, monkeypatch):
    """With the records that files of more than 4 GB have, or of more than 65,535 arrays."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    data = archive(a=np.arange(100.0), b=np.ones((2, 3)))
    assert b"PK\6\6" in data and exact(loads(data)) == exact({"a": np.arange(100.0), "b": np.ones((2, 3))})
    for at in range(data.index(b"PK\6\6"), len(data)):
        with suppress(fa.CheckpointError):
            assert exact(loads(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1:])) == exact({"a": np.arange(100.0), "b": np.ones((2, 3))})


def test_archives_that_are_odd_and_right(loads):
    found = loads(archive(("a.npy", npy(header=descr("<f4", "True", "(2, 2)"), body=np.arange(4, dtype="<f4").tobytes())), e=np.ones((0, 3)), s=np.array(3)))
    assert found["a"].tolist() == [[0, 2], [1, 3]] and found["e"].shape == (0, 3) and found["s"].shape == ()


def test_the_constants_hold():
    assert (npz.ENTRY.size, npz.LOCAL.size, npz.END.size, npz.LOCATOR.size, npz.LARGE_END.size) == (46, 30, 22, 20, 56)
    assert tensors.LONGEST == 100_000_000 and files.SPARE == 65_536
    assert zlib.crc32(b"123456789") == 0xCBF43926              # the polynomial that the files are checked by
