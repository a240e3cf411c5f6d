"""Samples of the reductions, and of what is composed of them (var, std, norm)."""
import numpy as np

import fastad as fa
from samples import Sample


def spaced(*shape):
    """Numbers that differ by at least 0.05, in random order: away from ties."""
    def inputs(rng, dtype):
        n = int(np.prod(shape))
        return (((rng.permutation(n) - n / 2 + 0.3) / 10).reshape(shape).astype(dtype),)
    return inputs


def with_zeros(shape, *places):
    def inputs(rng, dtype):
        x = rng.uniform(0.5, 1.5, size=shape).astype(dtype)
        for place in places:
            x[place] = 0
        return (x,)
    return inputs


AXES = (None, 0, -1, 1, (0, 2), (1, -1), ())


def torch_reduction(name):
    """The same in PyTorch, which has other names, and no tuple of axes for prod."""
    def function(x, axis=None, keepdims=False):
        import torch
        axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        f = {"max": torch.amax, "min": torch.amin, "logsumexp": torch.logsumexp, "sum": torch.sum, "mean": torch.mean}[name]
        return f(x, axes, keepdims)
    return function


def numpy_logsumexp(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def reductions(name, numpy):
    for axis in AXES:
        for keepdims in (False, True):
            has_torch = name != "prod" and axis != ()      # PyTorch takes () for all axes
            yield Sample(name, getattr(fa, name), numpy, spaced(2, 3, 4), torch_reduction(name) if has_torch else None,
                         {"axis": axis, "keepdims": keepdims}, id=f"{axis}{'-keepdims' * keepdims}".replace(" ", ""))
    yield Sample(name, getattr(fa, name), numpy, spaced(), id="0-d")
    yield Sample(name, lambda x: getattr(fa, name)(x.transpose(2, 0, 1), axis=(0, 2)),
                 lambda x: numpy(x.transpose(2, 0, 1), axis=(0, 2)), spaced(2, 3, 4), id="of a transpose")
    yield Sample(name, lambda x: getattr(fa, name)(x, axis=1), lambda x: numpy(x, axis=1), spaced(3, 300), id="long")
    yield Sample(name, lambda x: getattr(fa, name)(x, axis=1), lambda x: numpy(x, axis=1), spaced(0, 3), id="zero-size")


def composed(primitive, name, numpy, inputs, torch=None, **kwargs):
    return Sample(primitive, getattr(fa, name), numpy, inputs, torch, kwargs,
                  id=f"{name}-{','.join(f'{k}={v}' for k, v in kwargs.items())}".replace(" ", ""))


def as_norm(x, **kwargs):
    return np.linalg.norm(x, **kwargs)


SAMPLES = [
    *reductions("sum", np.sum),
    *reductions("mean", np.mean),
    *reductions("max", np.max),
    *reductions("min", np.min),
    *reductions("logsumexp", numpy_logsumexp),
    *(s for s in reductions("prod", np.prod) if s.id != "long"),
    *(Sample("prod", fa.prod, np.prod, with_zeros((3, 4), (0, 1), (2, 1), (1, 3)),
             (lambda x, axis: x.prod(axis)) if axis is not None else None, {"axis": axis}, id=f"zeros-{axis}")
      for axis in (None, 0, 1)),
    Sample("sum", fa.sum, np.sum, spaced(0, 3), kwargs={"axis": 0}, id="empty sum"),
    Sample("prod", fa.prod, np.prod, spaced(0, 3), kwargs={"axis": 0}, id="empty product"),
    Sample("cumsum", fa.cumsum, np.cumsum, spaced(3, 4), lambda x: x.ravel().cumsum(0), id="flattened"),
    *(Sample("cumsum", fa.cumsum, np.cumsum, spaced(2, 3, 4), lambda x, axis: x.cumsum(axis), {"axis": axis}, id=str(axis))
      for axis in (0, 1, -1)),
    Sample("cumsum", fa.cumsum, np.cumsum, spaced(0, 3), kwargs={"axis": 0}, id="zero-size"),
    Sample("cumsum", fa.cumsum, np.cumsum, spaced(), id="0-d"),
    *(composed("squares_about_mean", name, getattr(np, name), spaced(2, 3, 4), axis=axis, ddof=ddof, keepdims=keepdims)
      for name in ("var", "std") for axis, ddof, keepdims in ((None, 0, False), (1, 1, True), ((0, -1), 0.5, False))),
    *(composed("sum" if ord in (1, 3, 0.5) else "sum_of_squares", "norm", as_norm, spaced(2, 3, 4), ord=ord, axis=1, keepdims=True)
      for ord in (None, 1, 2, 3, 0.5)),
    *(composed("sum", "norm", as_norm, spaced(3, 4), ord=ord) for ord in (None, "fro", 1, -1, np.inf, -np.inf)),
    *(composed("max", "norm", as_norm, spaced(5), ord=ord) for ord in (np.inf, -np.inf)),
    composed("sum", "norm", as_norm, spaced(2, 3, 4), ord=1, axis=(2, 0)),
    composed("sum_of_squares", "norm", as_norm, spaced(2, 3, 4)),
]
