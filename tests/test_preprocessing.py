"""fastad.preprocessing against NumPy on the whole data, closed forms, and itself inverted."""
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastad as fa
from fastad.preprocessing import PCA, MeanImage, NotFittedError, OneHotEncoder, StandardScaler, Whitening, split


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def cloud(rng, n=200, d=5):
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) * 10


# -- statistics in one pass
@pytest.mark.parametrize("channels, shape, axes", [(None, (90, 4), 0), (None, (30, 3, 4, 2), 0), ("first", (30, 3, 4, 2), (0, 2, 3)),
                                                   ("last", (30, 3, 4, 2), (0, 1, 2)), ("first", (40, 3), 0), ("last", (40, 3), 0)])
def test_mean_and_deviation(rng, channels, shape, axes):
    x = rng.normal(3, 2, shape)
    z = StandardScaler(channels=channels).fit_transform(x)
    expected = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    np.testing.assert_allclose(z, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(z.mean(axes), 0, atol=1e-13)
    np.testing.assert_allclose(z.std(axes), 1, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.sampled_from([None, "first", "last"]), st.integers(0, 99))
def test_any_cut_of_the_data_gives_the_same(cuts, channels, seed):
    x = np.random.default_rng(seed).normal(1e3, 5, (sum(cuts), 2, 3))
    whole, piecewise = StandardScaler(channels=channels).fit(x), StandardScaler(channels=channels)
    axes = {None: 0, "first": (0, 2), "last": (0, 1)}[channels]
    for part in np.split(x, np.cumsum(cuts)[:-1]):
        piecewise.partial_fit(part)
    for scaler in (whole, piecewise):
        np.testing.assert_allclose(scaler.mean_, x.mean(axes), rtol=1e-13)
        np.testing.assert_allclose(scaler.var_, x.var(axes), rtol=1e-10)
    pca, parts = PCA().fit(x), PCA()
    for part in np.split(x, np.cumsum(cuts)[:-1]):
        parts.partial_fit(part)
    np.testing.assert_allclose(parts.scatter_, pca.scatter_, rtol=1e-8, atol=1e-9)


def test_a_large_mean_does_no_harm(rng):
    """Sums of squares would have lost every digit of the variance: 1e8^2 is 1e16."""
    x = rng.normal(size=(1000, 3))
    x -= x.mean(0)
    x /= x.std(0)
    scaler = StandardScaler()
    for part in np.split(x + 1e8, 10):
        scaler.partial_fit(part)
    np.testing.assert_allclose(scaler.var_, 1, rtol=1e-7)          # 1e8 + x is itself rounded to 1.5e-8
    naive = np.mean((x + 1e8) ** 2, 0) - np.mean(x + 1e8, 0) ** 2
    assert (abs(naive - 1) > 1e-2).any()


def test_float32_is_summed_in_float64(rng):
    x = (rng.normal(size=(200_000, 1)) + 100).astype(np.float32)
    scaler = StandardScaler().fit(x)
    np.testing.assert_allclose(scaler.mean_, x.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(scaler.var_, x.var(0, dtype=np.float64), rtol=1e-9)
    assert scaler.transform(x).dtype == np.float32


def test_a_file_larger_than_what_is_read_at_a_time(tmp_path, rng, monkeypatch):
    """fit reads a memory-mapped array chunk by chunk, never as a whole."""
    from fastad.preprocessing import transformer

    monkeypatch.setattr(transformer, "CHUNK", 1000)
    x = rng.normal(size=(5000, 10))
    np.save(tmp_path / "x.npy", x)
    sizes, real = [], StandardScaler.add
    monkeypatch.setattr(StandardScaler, "add", lambda self, chunk: sizes.append(chunk.size) or real(self, chunk))
    scaler = StandardScaler().fit(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert len(sizes) == 50 and max(sizes) == 1000
    np.testing.assert_allclose(scaler.var_, x.var(0), rtol=1e-12)


def test_a_feature_that_never_changes(rng):
    x = np.c_[rng.normal(size=50), np.full(50, 0.1)]
    z = StandardScaler().fit_transform(x)
    assert (abs(z[:, 1]) < 1e-6).all() and np.isfinite(z).all()
    assert StandardScaler(epsilon=0.5).fit(x).scale_[1] == 0.5


def test_mean_image(rng):
    images = rng.integers(0, 256, (20, 3, 4, 4), dtype=np.uint8)
    means = MeanImage().fit(images)
    np.testing.assert_allclose(means.mean_, images.mean(0))
    np.testing.assert_allclose(means.transform(images), images - images.mean(0), atol=1e-12)
    np.testing.assert_allclose(means.inverse_transform(means.transform(images)), images, atol=1e-12)


# -- components
def test_components_are_eigenvectors_of_the_covariance(rng):
    x = cloud(rng)
    pca = PCA().fit(x)
    covariance = np.cov(x.T)
    np.testing.assert_allclose(covariance @ pca.components_.T, pca.components_.T * pca.explained_variance_, atol=1e-8)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(5), atol=1e-12)
    assert (np.diff(pca.explained_variance_) <= 0).all()
    np.testing.assert_allclose(pca.explained_variance_ratio_.sum(), 1)
    np.testing.assert_allclose(np.cov(pca.transform(x).T), np.diag(pca.explained_variance_), atol=1e-8)


def test_pca_against_scikit_learn(rng):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = cloud(rng)
    ours, theirs = PCA(3).fit(x), decomposition.PCA(3).fit(x)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-10)
    signs = np.sign((ours.components_ * theirs.components_).sum(1))
    np.testing.assert_allclose(ours.transform(x) * signs, theirs.transform(x), atol=1e-9)
    share = decomposition.PCA(0.9).fit(x)
    assert len(PCA(0.9).fit(x).components_) == share.n_components_


def test_the_best_projection(rng):
    """What is left out is the sum of the smaller eigenvalues (Eckart, Young)."""
    x = cloud(rng)
    full, two = PCA().fit(x), PCA(2).fit(x)
    left = np.square(x - two.inverse_transform(two.transform(x))).sum()
    np.testing.assert_allclose(left, full.explained_variance_[2:].sum() * (len(x) - 1), rtol=1e-9)


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_whitening_gives_the_identity(rng, method):
    x = cloud(rng)
    whitening = Whitening(method)
    z = whitening.fit_transform(x)
    np.testing.assert_allclose(np.cov(z.T), np.eye(5), atol=1e-10)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(whitening.inverse_transform(z), x, atol=1e-9)


def test_zca_is_the_whitening_nearest_to_the_data(rng):
    """Its matrix is symmetric: the inverse square root of the covariance."""
    x = cloud(rng)
    z = Whitening("zca").fit_transform(x)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    root = vectors @ np.diag(values ** -0.5) @ vectors.T
    np.testing.assert_allclose(z, (x - x.mean(0)) @ root, atol=1e-9)


def test_images_keep_their_shape(rng):
    x = rng.normal(size=(60, 2, 3))
    zca = Whitening("zca").fit(x)
    assert zca.transform(x).shape == x.shape
    np.testing.assert_allclose(zca.inverse_transform(zca.transform(x)), x, atol=1e-10)
    pca = Whitening("pca", 4).fit(x)
    assert pca.transform(x).shape == (60, 4) and pca.inverse_transform(pca.transform(x)).shape == x.shape


def test_fewer_samples_than_numbers(rng):
    """Directions without spread are divided by epsilon, and hold nothing."""
    x = rng.normal(size=(4, 10))
    z = Whitening("pca").fit_transform(x)
    np.testing.assert_allclose(np.cov(z[:, :3].T), np.eye(3), atol=1e-10)
    assert (abs(z[:, 3:]) < 1e-5).all()


# -- tensors, dtypes
@pytest.mark.parametrize("make", [StandardScaler, MeanImage, PCA, Whitening, lambda: Whitening("zca")])
def test_a_tensor_gives_a_tensor_with_derivatives(rng, make):
    x = cloud(rng, 20, 3)
    transformer = make().fit(fa.tensor(x))
    t = fa.tensor(x, requires_grad=True)
    z = transformer.transform(t)
    assert isinstance(z, fa.Tensor)
    np.testing.assert_allclose(z.detach().numpy(), transformer.transform(x), atol=1e-12)
    weights = rng.normal(size=z.shape)
    (z * weights).sum().backward()
    h = 1e-4
    bumped = x.copy()
    bumped[3, 1] += h
    expected = ((transformer.transform(bumped) - transformer.transform(x)) * weights).sum() / h
    np.testing.assert_allclose(t.grad.numpy()[3, 1], expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(transformer.inverse_transform(z).detach().numpy(), x, atol=1e-8)


@pytest.mark.parametrize("make", [StandardScaler, MeanImage, PCA, Whitening, lambda: Whitening("zca")])
@pytest.mark.parametrize("dtype, out", [("f4", "f4"), ("f8", "f8"), ("f2", "f2"), ("u1", "f8"), ("i8", "f8"), ("?", "f8")])
def test_dtypes(make, dtype, out):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "?" else 9, (40, 3)).astype(dtype)
    before = x.copy()
    x.setflags(write=False)
    transformer = make().fit(x)
    if dtype == "f2" and isinstance(transformer, PCA):
        return                                      # NumPy has no fast product of halves; nothing else to see
    assert transformer.transform(x).dtype == out
    assert np.array_equal(x, before)


# -- state
@pytest.mark.parametrize("make", [lambda: StandardScaler(channels="first"), MeanImage, lambda: PCA(2), lambda: Whitening("zca")])
def test_state_goes_on_elsewhere(rng, make):
    x = rng.normal(size=(30, 3, 2))
    transformer = make().fit(x[:20])
    state = transformer.state_dict()
    json.dumps({k: v for k, v in state.items() if not isinstance(v, np.ndarray)})
    other = make()
    other.load_state_dict(state)
    assert np.array_equal(other.transform(x), transformer.transform(x))
    other.partial_fit(x[20:])
    transformer.partial_fit(x[20:])
    assert np.array_equal(other.transform(x), transformer.transform(x))
    assert not np.array_equal(state["mean_"], transformer.mean_)          # a copy was handed out
    for spoilt, message in ((dict(state, mean_=np.zeros(9)), "mean_"), ({"shape": [3]}, "lacks"), (dict(state, more=1), "unknown")):
        before = transformer.transform(x)
        with pytest.raises(ValueError, match=message):
            transformer.load_state_dict(spoilt)
        assert np.array_equal(transformer.transform(x), before)
    other.load_state_dict(make().state_dict())
    with pytest.raises(NotFittedError, match="call fit before"):
        other.transform(x)


def test_one_file_holds_model_and_preprocessing(rng, tmp_path):
    x = rng.normal(size=(30, 3))
    made = {"scaler": StandardScaler(), "pca": PCA(2), "whitening": Whitening("zca"), "unfitted": MeanImage()}
    fitted = {name: t if name == "unfitted" else t.fit(x) for name, t in made.items()}
    encoder, model = OneHotEncoder().fit(["b", "a"]), fa.nn.Linear(3, 2)
    fa.save(tmp_path / "all.npz", {"model": model.state_dict(), "encoder": encoder.state_dict(),
                                   **{name: t.state_dict() for name, t in fitted.items()}})
    state = fa.load(tmp_path / "all.npz")
    for name, other in (("scaler", StandardScaler()), ("pca", PCA(2)), ("whitening", Whitening("zca"))):
        other.load_state_dict(state[name])
        assert np.array_equal(other.transform(x), fitted[name].transform(x))
    again = OneHotEncoder()
    again.load_state_dict(state["encoder"])
    assert again.indices(["a", "b"]).tolist() == [0, 1] and not state["unfitted"]
    other = fa.nn.Linear(3, 2)
    other.load_state_dict(state["model"])
    assert np.array_equal(other.weight.detach().numpy(), model.weight.detach().numpy())


# -- labels and parts
@pytest.mark.parametrize("labels", [[3, 1, 2, 1], ["b", "a", "c", "a"], [0.5, -1.0, 2.0, -1.0], [True, False, True, True]])
def test_one_hot(labels):
    encoder = OneHotEncoder()
    rows = encoder.fit_transform(labels)
    assert rows.dtype == np.float32 and (rows.sum(1) == 1).all() and rows.shape == (4, len(set(labels)))
    assert encoder.inverse_transform(rows).tolist() == labels
    assert np.array_equal(encoder.categories_[encoder.indices(labels)], labels)
    assert np.array_equal(rows.argmax(1), encoder.indices(labels))
    other = OneHotEncoder()
    other.load_state_dict(json.loads(json.dumps(encoder.state_dict())))
    assert np.array_equal(other.transform(labels), rows)


def test_one_hot_unknown_given_and_partial():
    encoder = OneHotEncoder(["red", "green"])
    assert encoder.transform(["green", "red"]).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match=r"label .*'blue'.* at 1 is none of the 2 classes"):
        encoder.transform(["red", "blue"])
    with pytest.raises(ValueError, match="blue"):
        encoder.fit(["blue"])
    assert OneHotEncoder(["red"], handle_unknown="ignore").transform(["blue", "red"]).tolist() == [[0], [1]]
    grown = OneHotEncoder().partial_fit([5, 7]).partial_fit([6])
    assert grown.categories_.tolist() == [5, 6, 7]
    with pytest.raises(NotFittedError, match="call fit before transform"):
        OneHotEncoder().transform([1])
    with pytest.raises(ValueError, match=r"shape \(n, 3\)"):
        grown.inverse_transform([[1.0, 2.0]])
    with pytest.raises(ValueError, match="shape"):
        OneHotEncoder().fit([[1, 2]])
    with pytest.raises(TypeError, match="objects such as"):
        OneHotEncoder().fit(np.array([1, None], object))
    with pytest.raises(ValueError, match="twice"):
        OneHotEncoder([1, 1])


@pytest.mark.parametrize("constant", [1e10 + 0.1, -1e8 - 0.3, 0.1, 1e-300])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_constant_feature_becomes_zero_however_large_it_is(constant, pieces):
    x = np.random.default_rng(0).normal(size=(1003, 3))
    x[:, 1] = constant
    for make in (StandardScaler, PCA, Whitening, lambda: Whitening("zca"), MeanImage):
        fitted = make()
        for part in np.array_split(x, pieces):
            fitted.partial_fit(part)
        z = fitted.transform(x)
        least = np.abs(z[:, -1 if np.ndim(z) == 2 and type(fitted) is PCA else 1]).max()
        if getattr(fitted, "method", "") == "pca":
            least = np.abs(z[:, -1]).max()
        assert least <= 1e-7, type(fitted)
        np.testing.assert_allclose(fitted.inverse_transform(z)[:, 1], constant, rtol=1e-15)
    images = np.full((5, 2, 3, 4), constant)
    assert not StandardScaler(channels="first").fit_transform(images).any()
    assert not StandardScaler(channels="last").fit_transform(images).any()


def test_numpy_integers_are_counts_of_components():
    x = np.random.default_rng(0).normal(size=(9, 3))
    assert PCA(np.int64(2)).fit_transform(x).shape == (9, 2)
    with pytest.raises(ValueError, match="n_components is 4, samples have 3"):
        PCA(np.int64(4)).fit(x)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(4, 40), min_size=1, max_size=5), st.sampled_from([(0.5, 0.5), (0.6, 0.2, 0.2), (0.75, 0.25)]),
       st.booleans(), st.integers(0, 10))
def test_parts_hold_every_sample_once(counts, parts, stratified, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.arange(len(y))
    cut = split(x, y, parts=parts, stratify=y if stratified else None, generator=seed)
    assert sorted(np.concatenate([a for a, _ in cut])) == x.tolist()
    assert all(np.array_equal(y[a], b) for a, b in cut)
    for (a, b), share in zip(cut, parts, strict=True):
        assert abs(len(a) - share * len(y)) <= 1
        if stratified:
            assert (abs(np.bincount(b, minlength=len(counts)) - share * np.array(counts)) < 2).all()
    again = split(x, y, parts=parts, stratify=y if stratified else None, generator=seed)
    assert all(np.array_equal(p[0], q[0]) for p, q in zip(cut, again, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_small_classes_do_not_disturb_a_large_one(seed):
    """A hundred classes of one sample, beside one of a thousand."""
    y = np.r_[np.zeros(1000, int), np.arange(1, 101)]
    large, small = split(np.arange(1100), parts=(0.6, 0.4), stratify=y, generator=seed)
    assert abs((y[large] == 0).sum() - 600) < 1 and abs((y[small] == 0).sum() - 400) < 1


def test_parts_are_drawn_where_every_sample_is_a_class_of_its_own():
    shares = np.mean([np.isin(np.arange(10), split(np.arange(10), parts=(0.5, 0.5), stratify=np.arange(10), generator=k)[0])
                      for k in range(400)], axis=0)
    assert (abs(shares - 0.5) < 0.15).all()


def test_split_of_one_array_and_tensors():
    train, test = split(fa.tensor(np.arange(8.0)), generator=1)
    assert isinstance(train, fa.Tensor) and train.shape == (6,) and test.shape == (2,)
    fa.manual_seed(3)
    first = split(np.arange(50))
    fa.manual_seed(3)
    assert np.array_equal(split(np.arange(50))[1], first[1]) and not np.array_equal(split(np.arange(50))[1], first[1])


# -- bad input
@pytest.mark.parametrize("call, error, message", [
    (lambda: split(np.zeros(4), np.zeros(3)), ValueError, r"equal lengths, got \[4, 3\]"),
    (lambda: split(), ValueError, "no arrays"),
    (lambda: split(np.zeros(4), parts=(0.5, 0.2)), ValueError, "sum to 1"),
    (lambda: split(np.zeros(4), parts=(1.5, -0.5)), ValueError, "positive"),
    (lambda: split(np.zeros(2), parts=(0.9, 0.1)), ValueError, "one is empty"),
    (lambda: split(np.zeros(4), stratify=[1, 2]), ValueError, "stratify must have shape"),
    (lambda: split(3.0), ValueError, "axis 0"),
    (lambda: StandardScaler(epsilon=0), ValueError, "epsilon"),
    (lambda: StandardScaler(channels="middle"), ValueError, "'first' or 'last'"),
    (lambda: StandardScaler(channels="first").fit([1.0]), ValueError, "needs an axis of channels"),
    (lambda: StandardScaler().fit(np.zeros((0, 3))), ValueError, r"got shape \(0, 3\)"),
    (lambda: StandardScaler().fit(1.0), ValueError, r"got shape \(\)"),
    (lambda: StandardScaler().fit([["a"]]), TypeError, "real numbers"),
    (lambda: StandardScaler().fit([[1j]]), TypeError, "complex128"),
    (lambda: StandardScaler().fit([[1.0], [np.nan]]), ValueError, "got nan in sample 1"),
    (lambda: PCA().fit([[1.0], [2.0], [np.inf]]), ValueError, "inf in sample 2"),
    (lambda: StandardScaler().fit([[1.0, 2.0]]).partial_fit([[1.0]]), ValueError, r"shape \(1,\), those before had \(2,\)"),
    (lambda: StandardScaler().fit([[1.0, 2.0]]).transform([[1.0]]), ValueError, r"must have shape \(n, 2\), got \(1, 1\)"),
    (lambda: PCA(3).fit([[1.0, 2.0]]), ValueError, "n_components is 3, samples have 2"),
    (lambda: PCA(0), ValueError, "n_components must be"),
    (lambda: PCA(1.5), ValueError, "n_components must be"),
    (lambda: PCA().fit([[1.0, 2.0]]).transform([[1.0, 2.0]]), ValueError, "at least 2 samples"),
    (lambda: PCA().inverse_transform([[1.0]]), NotFittedError, "call fit before inverse_transform"),
    (lambda: Whitening("ica"), ValueError, "'pca' or 'zca'"),
    (lambda: Whitening(epsilon=-1), ValueError, "epsilon"),
])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_what_was_learnt_stays_when_more_is_refused():
    scaler = StandardScaler().fit([[1.0], [3.0]])
    with pytest.raises(ValueError, match="nan in sample 3"):
        scaler.partial_fit([[5.0], [np.nan]])
    assert scaler.n_samples_ == 2 and scaler.mean_[0] == 2
    with pytest.raises(ValueError, match="axis 0"):
        scaler.fit(np.zeros((0, 1)))
    assert scaler.mean_[0] == 2
