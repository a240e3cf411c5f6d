"""Samples of einsum: contractions, diagonals, traces, spread labels, broadcasting, several operands."""
import numpy as np

import fastad as fa
from samples import Sample


def einsum(id, subscripts, *wanted, torch=True):
    def theirs(*args):
        import torch
        return torch.einsum(subscripts, *args)
    return Sample("einsum", lambda *args: fa.einsum(subscripts, *args), lambda *args: np.einsum(subscripts, *args),
                  lambda rng, dtype: tuple(rng.normal(size=s).astype(dtype) for s in wanted),
                  theirs if torch else None, id=id)


SAMPLES = [
    einsum("matmul", "ij,jk->ik", (2, 3), (3, 4)),
    einsum("implicit", "ij,jk", (2, 3), (3, 4)),
    einsum("implicit-order", "ba", (2, 3)),
    einsum("transposed-result", "ij,jk->ki", (2, 3), (3, 4)),
    einsum("batch", "bij,bkj->bik", (5, 2, 3), (5, 4, 3)),
    einsum("batch-last", "ijb,jkb->ikb", (2, 3, 5), (3, 4, 5)),
    einsum("several-axes", "abcd,dcef->abef", (2, 3, 4, 2), (2, 4, 3, 2)),
    einsum("several-axes-permuted", "acbd,dcef->fbea", (2, 4, 3, 2), (2, 4, 3, 2)),
    einsum("outer", "i,j->ij", (2,), (3,)),
    einsum("inner", "i,i", (3,), (3,)),
    einsum("hadamard", "ij,ij->ij", (2, 3), (2, 3)),
    einsum("sum", "ij->", (2, 3)),
    einsum("row-sum", "ij->i", (2, 3)),
    einsum("transpose", "ij->ji", (2, 3)),
    einsum("trace", "ii", (3, 3)),
    einsum("diagonal", "ii->i", (3, 3)),
    einsum("diagonal-product", "ii,ij->j", (3, 3), (3, 2)),
    einsum("thrice", "iii->i", (3, 3, 3)),
    einsum("own-label-summed", "ij,kl->il", (2, 3), (4, 5)),
    einsum("ellipsis", "...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    einsum("ellipsis-broadcast", "...ij,...jk->...ik", (6, 1, 2, 3), (5, 3, 4)),
    einsum("ellipsis-implicit", "i...->...", (2, 3, 4)),
    einsum("ellipsis-middle", "a...b,b->a...", (2, 4, 3), (3,)),
    einsum("length-one-broadcasts", "i,i->", (3,), (1,), torch=False),
    einsum("three", "ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    einsum("bilinear", "bi,kij,bj->bk", (5, 2), (4, 2, 3), (5, 3)),
    einsum("scalar-operand", ",ij->ij", (), (2, 3)),
    einsum("empty-sum", "ij,jk->ik", (2, 0), (0, 4)),
]
