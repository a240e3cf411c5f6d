"""The digits are the published ones, and a split keeps the classes in proportion."""
import numpy as np
import pytest

from fastad.datasets import load_digits, stratified_split

IMAGES, LABELS = load_digits()


def test_digits_have_the_published_shape_counts_and_sum():
    assert IMAGES.shape == (1797, 8, 8) and IMAGES.dtype == np.float32
    assert LABELS.shape == (1797,) and LABELS.dtype == np.int64
    assert IMAGES.min() == 0 and IMAGES.max() == 16
    assert IMAGES.sum(dtype=np.float64) == 561_718
    assert np.bincount(LABELS).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_equal_those_of_scikit_learn():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    theirs = sklearn_datasets.load_digits()
    np.testing.assert_array_equal(IMAGES, theirs.images)
    np.testing.assert_array_equal(LABELS, theirs.target)


def test_each_call_returns_arrays_of_its_own():
    images, labels = load_digits()
    images[:], labels[:] = -1, -1
    assert load_digits()[0].min() == 0 and load_digits()[1].min() == 0


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_split_names_every_sample_once_and_keeps_proportions(fraction):
    train, test = stratified_split(LABELS, fraction, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(LABELS)))
    counts = np.bincount(LABELS)
    np.testing.assert_array_equal(np.bincount(LABELS[test], minlength=10), np.round(fraction * counts))


def test_split_depends_on_the_seed_alone():
    first, again, other = (stratified_split(LABELS, 0.25, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    assert np.any(np.diff(first) < 0), "the parts are shuffled"
    with_generator = stratified_split(LABELS, 0.25, np.random.default_rng(0))[1]
    np.testing.assert_array_equal(first, with_generator)


def test_split_refuses_what_it_cannot_split():
    with pytest.raises(ValueError, match=r"labels must have shape \(n,\), got \(2, 2\)"):
        stratified_split(np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="test_fraction must lie between 0 and 1, got 25"):
        stratified_split(LABELS, 25)
