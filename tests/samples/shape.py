"""Samples of the primitives that reshape, reorder, cut, place and join (shape, permute, part, join, arrange)."""
import numpy as np

import fastad as fa
from samples import Sample


def normal(*shapes):
    """Inputs of these shapes."""
    return lambda rng, dtype: tuple(np.asarray(rng.normal(size=shape), dtype) for shape in shapes)


def moving(name, method, shape, *args, id="", torch=None):
    """A sample of a function that NumPy and fastad call by one name, with the same arguments."""
    return Sample(name, lambda x: getattr(fa, method)(x, *args), lambda x: getattr(np, method)(x, *args), normal(shape),
                  torch=torch, id=id or f"{method}{args}".replace(" ", ""))


SAMPLES = [
    # reshape
    moving("reshape", "reshape", (2, 3, 4), (4, -1), torch=lambda x: x.reshape(4, -1)),
    moving("reshape", "reshape", (), (1, 1), torch=lambda x: x.reshape(1, 1)),
    moving("reshape", "reshape", (0, 3), (3, 0), torch=lambda x: x.reshape(3, 0)),
    moving("reshape", "ravel", (2, 3), torch=lambda x: x.ravel()),
    moving("reshape", "expand_dims", (2, 3), (0, -2)),
    moving("reshape", "squeeze", (1, 3, 1), torch=lambda x: x.squeeze()),
    moving("reshape", "squeeze", (1, 3, 1), -1, torch=lambda x: x.squeeze(-1)),
    Sample("reshape", lambda x: x.T.reshape(-1), lambda x: x.T.reshape(-1), normal((3, 4)), lambda x: x.T.reshape(-1),
           id="of a transpose"),
    Sample("reshape", lambda x: x.flatten(), lambda x: x.flatten(), normal((3, 4)), lambda x: x.flatten(), id="flatten"),
    # broadcast_to
    moving("broadcast_to", "broadcast_to", (3, 1), (2, 3, 4), torch=lambda x: x.broadcast_to(2, 3, 4)),
    moving("broadcast_to", "broadcast_to", (), (2, 2), torch=lambda x: x.broadcast_to(2, 2)),
    moving("broadcast_to", "broadcast_to", (1, 3), (0, 3), torch=lambda x: x.broadcast_to(0, 3)),
    moving("broadcast_to", "broadcast_to", (2, 3), (2, 3)),
    moving("broadcast_to", "tile", (2, 3), (2, 1, 2), torch=lambda x: x.tile(2, 1, 2)),
    moving("broadcast_to", "repeat", (2, 3), 3, 1, torch=lambda x: x.repeat_interleave(3, 1)),
    moving("broadcast_to", "repeat", (2, 3), 2, torch=lambda x: x.repeat_interleave(2)),
    # transpose
    moving("transpose", "transpose", (2, 3, 4)),
    moving("transpose", "transpose", (2, 3, 4), (1, 2, 0), torch=lambda x: x.permute(1, 2, 0)),
    moving("transpose", "transpose", ()),
    moving("transpose", "transpose", (0, 2)),
    moving("transpose", "swapaxes", (2, 3, 4), 0, -1, torch=lambda x: x.swapaxes(0, -1)),
    moving("transpose", "moveaxis", (2, 3, 4), (0, 1), (-1, 0), torch=lambda x: x.moveaxis((0, 1), (-1, 0))),
    Sample("transpose", lambda x: x.mT * x.mT, lambda x: x.swapaxes(-1, -2) ** 2, normal((2, 3, 4)),
           lambda x: x.mT * x.mT, id="mT, used twice"),
    # part
    moving("part", "flip", (2, 3, 4), torch=lambda x: x.flip((0, 1, 2))),
    moving("part", "flip", (2, 3), 1, torch=lambda x: x.flip(1)),
    moving("part", "flip", (0, 3), 0, torch=lambda x: x.flip(0)),
    moving("part", "diagonal", (3, 4), torch=lambda x: x.diagonal()),
    moving("part", "diagonal", (2, 3, 4), -1, 2, 0, torch=lambda x: x.diagonal(-1, 2, 0)),
    moving("part", "diagonal", (3, 4), 9, torch=lambda x: x[:0, 0]),
    moving("part", "diagonal", (1, 1)),
    moving("part", "split", (4, 2), 2, torch=lambda x: x.tensor_split(2)),
    moving("part", "split", (3, 4), [1, 3], -1, torch=lambda x: x.tensor_split([1, 3], -1)),
    moving("part", "array_split", (2, 7), 3, 1, torch=lambda x: x.tensor_split(3, 1)),
    # place
    moving("place", "pad", (2, 3), ((1, 2), (0, 1))),
    moving("place", "pad", (0, 2), 1),
    Sample("place", lambda x: fa.pad(x, 1, constant_values=((1, 2), (3, 4))),
           lambda x: np.pad(x, 1, constant_values=((1, 2), (3, 4))), normal((2, 3)), id="constants"),
    # borders and repetitions by index
    *(moving("getitem", "pad", (2, 3), ((1, 2), (0, 2)), mode) for mode in ("edge", "symmetric", "wrap")),
    moving("getitem", "pad", (3, 4), 2, "reflect"),
    moving("getitem", "repeat", (2, 3), [2, 0, 1], 1),
    # concatenate and stack
    Sample("concatenate", lambda x, y: fa.concatenate([x, y, x], 1), lambda x, y: np.concatenate([x, y, x], 1),
           normal((3, 2), (3, 4)), lambda x, y: __import__("torch").cat([x, y, x], 1), id="one twice"),
    Sample("concatenate", lambda x, y: fa.concatenate([x, y], -2), lambda x, y: np.concatenate([x, y], -2),
           normal((2, 0, 3), (2, 2, 3)), id="one empty"),
    Sample("concatenate", lambda x, y: fa.concatenate([x, y], None), lambda x, y: np.concatenate([x, y], None),
           normal((3, 2), (4,)), id="flattened"),
    Sample("concatenate", lambda *x: fa.concatenate(x), lambda *x: np.concatenate(x), normal((1,), (2,), (3,), (1,), (2,)),
           id="five"),
    moving("concatenate", "roll", (3, 4), 2),
    moving("concatenate", "roll", (3, 4), (1, -1), (0, 1), torch=lambda x: x.roll((1, -1), (0, 1))),
    Sample("stack", lambda x, y, z, w: fa.stack([x, y, z, w, x], -1), lambda x, y, z, w: np.stack([x, y, z, w, x], -1),
           normal(*[(2, 3)] * 4), lambda x, y, z, w: __import__("torch").stack([x, y, z, w, x], -1), id="last"),
    Sample("stack", lambda x, y: fa.stack([x, y], 1), lambda x, y: np.stack([x, y], 1), normal((2, 3), (2, 3)), id="middle"),
    Sample("stack", lambda x, y: fa.stack([x, y]), lambda x, y: np.stack([x, y]), normal((), ()), id="scalars"),
    Sample("unstack", lambda x: (lambda a, b, c: a * c + b)(*fa.unstack(x, axis=1)),
           lambda x: x[:, 0] * x[:, 2] + x[:, 1], normal((2, 3, 2)), id="middle"),
    Sample("unstack", lambda x: fa.unstack(x)[1] * x, lambda x: x[1] * x, normal((3, 2)), id="one used"),
    Sample("unstack", lambda x: fa.unstack(x, axis=-1)[0].exp(), lambda x: np.exp(x[..., 0]), normal((3, 1)), id="only one"),
    # astype and copy
    Sample("astype", lambda x: x.astype(np.longdouble).astype(x.dtype), lambda x: x, normal((2, 3)), id="longdouble"),
    Sample("astype", lambda x: x.astype(np.float64).astype(x.dtype), lambda x: x, normal((2, 3)), lambda x: x * 1),
    Sample("copy", lambda x: x.copy(), lambda x: x.copy(), normal((2, 3)), lambda x: x.clone()),
    Sample("copy", lambda x: x.clone() * x, lambda x: x * x, normal(()), lambda x: x.clone() * x, id="0-d"),
    # where a triangle is
    moving("where", "tril", (2, 3, 4), 1, torch=lambda x: x.tril(1)),
    moving("where", "triu", (2, 3, 4), -1, torch=lambda x: x.triu(-1)),
    moving("where", "triu", (3,)),
]
