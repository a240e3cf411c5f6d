"""Files that users have: IDX and MNIST, .npy, CSV, text; and what is said of those that are damaged."""
import gzip
import struct
import tracemalloc

import numpy as np
import pytest

import fastad as fa
from fastad.data import DataLoader
from fastad.datasets import Table, Vocabulary, load_csv, load_digits, load_idx, load_mnist, load_npy, load_text

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx(array):
    """The bytes of an array in IDX's format."""
    head = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- IDX -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4), (0, 3), (2, 1, 3, 1, 2)])
def test_idx(tmp_path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    plain, zipped = written(tmp_path / "a", idx(array)), written(tmp_path / "b", gzip.compress(idx(array)))
    for found in (load_idx(plain), load_idx(zipped), load_idx(str(plain)), load_idx(plain, mmap=True)):
        assert found.shape == shape and found.dtype.newbyteorder("=") == dtype
        np.testing.assert_array_equal(found, array)
    assert load_idx(zipped).dtype.isnative and load_idx(plain).flags.writeable and load_idx(zipped).flags.writeable


def test_idx_is_mapped(tmp_path):
    array = np.arange(60, dtype="float32").reshape(20, 3)
    mapped = load_idx(written(tmp_path / "a", idx(array)), mmap=True)
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable
    found = np.concatenate([x.numpy() for (x,) in DataLoader(mapped, 6)])
    np.testing.assert_array_equal(found, array)
    with pytest.raises(ValueError, match="gzipped, which cannot be memory-mapped"):
        load_idx(written(tmp_path / "b", gzip.compress(idx(array))), mmap=True)


GOOD = idx(np.arange(24, dtype=np.uint8).reshape(4, 3, 2))
HUGE = bytes([0, 0, 0x0E, 4]) + struct.pack(">4I", *[2**32 - 1] * 4)


@pytest.mark.parametrize("content, message", [
    (b"", r"no IDX file: it begins with the bytes \(none\)"),
    (b"\x89PNG....", "no IDX file: it begins with the bytes 89 50 4e 47"),
    (b"\0\0\x0a\x01" + b"\0" * 8, "no IDX file: it begins with the bytes 00 00 0a 01"),
    (b"\0\0\x08\0", "no IDX file"),
    (b"\0\0\x08\xff" + b"\0" * 2000, "no IDX file"),
    (GOOD[:9], "ends within the lengths of its 3 axes"),
    (GOOD[:-1], r"truncated or mislabelled: it says that it holds an array of shape \(4, 3, 2\) and dtype uint8, 24 bytes"),
    (GOOD + b"\0", "truncated or mislabelled"),
    (HUGE + b"\0" * 100, "truncated or mislabelled: .* bytes"),
])
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_idx_is_refused_before_memory_is_taken(tmp_path, content, message, zipped):
    path = written(tmp_path / "x", gzip.compress(content) if zipped else content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as caught:
            load_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)


def test_a_header_that_a_small_gzipped_file_could_hold_is_read_no_further_than_the_file(tmp_path):
    path = written(tmp_path / "x", gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 100_000) + np.random.default_rng(0).bytes(50_000)))
    with pytest.raises(ValueError, match="100000 bytes, and has 50000"):
        load_idx(path)


@pytest.mark.parametrize("cut", [3, 15, 40, -9, -1])
def test_damaged_gzip(tmp_path, cut):
    whole = gzip.compress(idx(np.random.default_rng(0).integers(0, 255, 300).astype(np.uint8)))
    with pytest.raises(ValueError, match="gzipped data are damaged or truncated"):
        load_idx(written(tmp_path / "x", whole[:cut]))
    if cut == 40:
        with pytest.raises(ValueError, match=r"damaged or truncated|truncated or mislabelled|no IDX file"):
            load_idx(written(tmp_path / "x", whole[:cut] + bytes([whole[cut] ^ 255]) + whole[cut + 1:]))


@pytest.mark.parametrize("names, pack", [(("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"), bytes),
                                         (("{}-images.idx3-ubyte", "{}-labels.idx1-ubyte"), bytes),
                                         (("{}-images-idx3-ubyte.gz", "{}-labels-idx1-ubyte.gz"), gzip.compress)])
def test_mnist(tmp_path, names, pack):
    images, labels = load_digits()
    images, labels = (16 * images - 1).clip(0).astype(np.uint8), labels.astype(np.uint8)
    for part, cut in (("train", slice(0, 100)), ("t10k", slice(100, 120))):
        written(tmp_path / names[0].format(part), pack(idx(images[cut])))
        written(tmp_path / names[1].format(part), pack(idx(labels[cut])))
    for train, cut in ((True, slice(0, 100)), (False, slice(100, 120))):
        x, y = load_mnist(tmp_path, train)
        np.testing.assert_array_equal(x, images[cut])
        np.testing.assert_array_equal(y, labels[cut])
        assert x.dtype == np.uint8 and y.dtype == np.int64
    (bx, by), *_ = DataLoader((x, y), 7)
    assert bx.dtype == np.uint8 and by.dtype == np.int64


def test_mnist_that_is_not_there_or_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no train-images-idx3-ubyte .* does not download"):
        load_mnist(tmp_path)
    images, labels = np.zeros((3, 4, 4), np.uint8), np.zeros(3, np.uint8)
    first, second = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    written(first, idx(labels)), written(second, idx(images))
    with pytest.raises(ValueError, match="exchanged"):
        load_mnist(tmp_path)
    written(first, idx(images)), written(second, idx(labels[:2]))
    with pytest.raises(ValueError, match="3 train images and 2 labels"):
        load_mnist(tmp_path)


# ---- .npy ----------------------------------------------------------------------------------------------
def test_npy(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(10.0))
    mapped = load_npy(tmp_path / "x.npy")
    assert isinstance(mapped, np.memmap) and not mapped.flags.writeable and mapped.sum() == 45
    whole = (tmp_path / "x.npy").read_bytes()
    unclosed = whole.replace(b"(10,), }", b"(10,),  ")
    for content in (whole[:-1], whole[:20], b"", b"PK\3\4", b"text", unclosed):
        with pytest.raises(ValueError, match=r"load_npy: .*y\.npy: "):
            load_npy(written(tmp_path / "y.npy", content))
    np.save(tmp_path / "o.npy", np.array([None]))
    with pytest.raises(ValueError, match="load_npy"):
        load_npy(tmp_path / "o.npy")


# ---- CSV -----------------------------------------------------------------------------------------------
def test_csv(tmp_path):
    path = written(tmp_path / "a.csv", "a, b,c\n1,2,3\n\n4.5,-5e2, 6\n")
    table = load_csv(path)
    assert isinstance(table, Table) and table.names == ("a", "b", "c") and table.target is None and table.classes is None
    assert table.inputs.tolist() == [[1, 2, 3], [4.5, -500, 6]] and table.inputs.dtype == np.float64
    for target in ("b", 1, -2):
        table = load_csv(path, target)
        assert table.inputs.tolist() == [[1, 3], [4.5, 6]] and table.names == ("a", "c") and table.target.tolist() == [2, -500]
        assert table.inputs.flags.c_contiguous
    table = load_csv(path, "b", classes=True)
    assert table.target.tolist() == [1, 0] and table.target.dtype == np.int64 and table.classes == (-500, 2)


@pytest.mark.parametrize("text, kw, expected", [
    ("1;2\n3;4\n", {"delimiter": ";"}, [[1, 2], [3, 4]]),
    ("1\n2", {}, [[1], [2]]),
    ("1,2", {}, [[1, 2]]),
    ("2019,2020\n1,2\n", {"header": True}, [[1, 2]]),
    ("\ufeff1,2\n", {}, [[1, 2]]),
    ('"a","b, c"\n"1","2"\n', {}, [[1, 2]]),
    ('"a\nb",c\n1,2\n', {}, [[1, 2]]),
    ("\n\n1,2\r\n3,nan\r\n", {}, [[1, 2], [3, np.nan]]),
    ("x\n  \n1\n \n", {}, [[1]]),
])
def test_csv_forms(tmp_path, text, kw, expected):
    np.testing.assert_array_equal(load_csv(written(tmp_path / "a.csv", text), **kw).inputs, expected)


def test_csv_with_classes(tmp_path):
    path = written(tmp_path / "a.csv", "x,kind,y\n1,cat,2\n3,dog,4\n\n5,cat,6\n")
    table = load_csv(path, "kind")
    assert table.target.tolist() == [0, 1, 0] and table.classes == ("cat", "dog") and table.names == ("x", "y")
    assert table.inputs.tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(ValueError, match=r"the target, column 2 \('kind'\), holds text: 'cat'"):
        load_csv(path, "kind", classes=False)
    assert load_csv(written(tmp_path / "b.csv", "1,cat\n2,dog\n"), -1).classes == ("cat", "dog"), "a row with a number is no header"


@pytest.mark.parametrize("text, kw, message", [
    ("a,b\n1,2\n3,abc\n", {}, r"row 3, column 2 \('b'\): 'abc' is no number"),
    ("a,b\n1,2\n\n3,abc\n", {}, r"row 4, column 2 \('b'\): 'abc' is no number"),
    ("1,2\n3,x\n", {}, r"row 2, column 2 \('column 1'\): 'x' is no number"),
    ("a,b\n1,\n", {}, r"row 2, column 2 \('b'\): the cell is empty"),
    ("a,b\n1,2\n,cat\n", {"target": "b"}, r"row 3, column 1 \('a'\): the cell is empty"),
    ("a,b\n1,cat\n2,\n", {"target": "b"}, r"row 3, column 2 \('b'\): the cell is empty"),
    ("a,b\n1,2\n3\n", {}, "row 3 has 1 columns, the first has 2"),
    ("a,b\n1,2,3\n1,2,3\n", {}, "row 2 has 3 columns, the first has 2"),
    ("a,b\n1,1_000\n", {}, "'1_000' is no number"),
    ("", {}, "is empty"), ("\n \n", {}, "is empty"), ("a,b\n", {}, "has no rows below its header"),
    ("a,b\n1,2\n", {"target": "c"}, r"no one column 'c'; its columns are \['a', 'b'\]"),
    ("a,a\n1,2\n", {"target": "a"}, "no one column 'a'"),
    ("1,2\n", {"target": "a"}, "no header, so the target must be a number"),
    ("1,2\n", {"target": 2}, "has 2 columns, and no column 2"),
    ("a\tb\n\t\n1\t2\n", {"delimiter": "\t"}, r"row 2, column 1 \('a'\): the cell is empty"),
    ("a,b\n1," + "x" * 200_000 + "\n", {}, "no text in columns: field larger than field limit"),
    (b"a,b\n1,\xff\n", {}, "no text in utf-8-sig"), (b"\xff\n1\n", {}, "no text in utf-8-sig"),
])
def test_csv_refusals(tmp_path, text, kw, message):
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(ValueError, match=message) as caught:
        load_csv(path, **kw)
    assert str(path) in str(caught.value)


def test_csv_as_pandas_reads_it(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"u": rng.normal(size=200), "v": rng.integers(0, 9, 200), "kind": rng.choice(["x", "yy", "z"], 200)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    table = load_csv(tmp_path / "a.csv", "kind")
    theirs = pandas.read_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(table.inputs, theirs[["u", "v"]].to_numpy(), rtol=1e-15)
    np.testing.assert_array_equal(table.inputs, frame[["u", "v"]].to_numpy())
    np.testing.assert_array_equal(np.array(table.classes)[table.target], theirs["kind"])
    ((x, y),) = DataLoader((frame[["u", "v"]], frame["v"]), 200)
    np.testing.assert_array_equal(x.numpy(), frame[["u", "v"]].to_numpy())
    assert y.dtype == np.int64
    (x,) = next(iter(DataLoader(frame[["u"]], 5)))
    assert x.shape == (5, 1)


# ---- text ----------------------------------------------------------------------------------------------
def test_text(tmp_path):
    path = written(tmp_path / "a.txt", "Hätte, hätte!\nFahrradkette")
    text = path.read_text(encoding="utf-8")
    indices, chars = load_text(path)
    assert chars.decode(indices) == text and indices.dtype == np.int64 and len(indices) == len(text) and len(chars) == len(set(text))
    counts = np.bincount(indices)
    assert (np.diff(counts) <= 0).all(), "the most frequent first"
    indices, words = load_text(path, "word")
    assert words.decode(indices) == "Hätte , hätte ! Fahrradkette" and "hätte" in words
    other = written(tmp_path / "b.txt", "hätte Auto")
    with pytest.raises(ValueError, match=r"token 1 of the text, 'Auto', is not among the 5; Vocabulary\(\.\.\., unknown="):
        load_text(other, vocabulary=words)
    known = Vocabulary.build(text, "word", "<unk>")
    assert known.decode(load_text(other, vocabulary=known)[0]) == "hätte <unk>"


def test_vocabulary():
    v = Vocabulary.build("b a b c c b", "word", "?", min_count=2)
    assert v.tokens == ("b", "c", "?") and v.encode("a b d c").tolist() == [2, 0, 2, 1] and len(v) == 3
    assert Vocabulary.build("aabbc", max_size=2).tokens == ("a", "b")
    assert v.encode(["c", "zzz"]).tolist() == [1, 2]
    assert Vocabulary(["?", "a"], "word", "?").encode("b a").tolist() == [0, 1]
    assert Vocabulary.build("don't stop (it).", "word").encode("don't").tolist() == [3]
    assert Vocabulary("abc").encode("").shape == (0,)
    again = Vocabulary(v.tokens, v.unit, v.unknown)
    assert again.tokens == v.tokens
    ((x,),) = DataLoader(v.encode("b c b c"), 4)
    assert fa.nn.Embedding(3, 2)(x).shape == (4, 2)


def test_text_refusals(tmp_path):
    for call, message in [(lambda: Vocabulary([]), "no tokens"), (lambda: Vocabulary(["a", "a"]), "'a' comes twice"),
                          (lambda: Vocabulary("ab", "line"), "unit must be 'char' or 'word', got 'line'"),
                          (lambda: Vocabulary("ab").decode([0, 2]), "2 is no index of 2 tokens"),
                          (lambda: Vocabulary("ab").decode([-1]), "-1 is no index"),
                          (lambda: load_text(written(tmp_path / "a", "")), "holds no chars"),
                          (lambda: load_text(written(tmp_path / "a", " \n"), "word"), "holds no words"),
                          (lambda: load_text(written(tmp_path / "a", ""), vocabulary=Vocabulary("ab")), "holds no chars"),
                          (lambda: load_text(written(tmp_path / "a", b"ab\xff")), "no text in utf-8")]:
        with pytest.raises(ValueError, match=message):
            call()
