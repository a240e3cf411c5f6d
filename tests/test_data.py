"""DataLoader: batches, epochs, orders."""
import numpy as np
import pytest

import fastad as fa
from fastad.data import DataLoader

X, Y = np.arange(2560.0, dtype="float32").reshape(1280, 2), np.arange(1280, dtype="int32")


def test_an_epoch_of_ten_updates_sees_every_sample_once():
    loader = DataLoader((X, Y), batch_size=128, shuffle=True)
    first, second = (np.concatenate([y.numpy() for _, y in loader]) for _ in range(2))
    assert len(loader) == 10 == len(list(loader))
    assert (np.sort(first) == Y).all() and (np.sort(second) == Y).all()
    assert (first != second).any()


def test_batches():
    for x, y in DataLoader((X, Y), batch_size=100, shuffle=True):
        assert isinstance(x, fa.Tensor) and x.dtype == np.float32 and y.dtype == np.int64
        assert (x.numpy()[:, 0] == 2 * y.numpy()).all()
    assert [len(x) for (x,) in DataLoader(X[:10], batch_size=4)] == [4, 4, 2]
    assert [len(x) for (x,) in DataLoader(X[:10], batch_size=4, drop_last=True)] == [4, 4]
    assert len(DataLoader(X[:10], 4, drop_last=True)) == 2
    ((x,),) = DataLoader(fa.tensor(X[:3], requires_grad=True), batch_size=5)
    assert (x.numpy() == X[:3]).all() and not x.requires_grad


def test_the_order_comes_from_the_seed():
    def order(**kw):
        return [y.item() for _, y in DataLoader((X[:20], Y[:20]), shuffle=True, **kw)]

    fa.manual_seed(5)
    first = order()
    fa.manual_seed(5)
    assert order() == first != order()
    assert order(generator=np.random.default_rng(1)) == order(generator=np.random.default_rng(1))


def test_a_batch_does_not_share_the_data():
    data = np.zeros((4, 1))
    for (x,) in DataLoader(data, batch_size=2):
        x.fill_(1)
    assert (data == 0).all()


@pytest.mark.parametrize(
    "data, kw, message",
    [
        ((X, Y[:5]), {}, "equal lengths"),
        (X, {"batch_size": 0}, "batch_size"),
        ((), {}, "empty"),
        (np.array(1.0), {}, "axis"),
    ],
)
def test_refusals(data, kw, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(data, **kw)
