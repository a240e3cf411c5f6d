"""Normalisation, dropout, embedding and attention: a layer forward, and the gradients of its input and parameters; float32.

From a dense random cotangent; the same weights on both sides.  Dropout draws its own masks, so its results are not compared.
"""
import numpy as np

from bench import peers
from bench.workloads import Workload

FAMILY = "Normalisation, dropout, embedding and attention, with gradients"
SMALL, LARGE, IMAGES = (64, 256), (1024, 1024), (64, 16, 28, 28)
BATCH, HEADS, LENGTH, WIDTH = 8, 4, 64, 64
TOKENS, VOCABULARY = (64, 32), 1000


def module_of(library):
    """(the library, its nn, its nn.functional)"""
    module = peers.load(library)
    if library == "fastad":
        from fastad import nn
        return module, nn, nn.functional
    return module, module.nn, module.nn.functional


def steps(forward, leaves, g, compared):
    def run():
        for leaf in leaves:
            leaf.grad = None
        y = forward()
        y.backward(g)
        return (y, [leaf.grad for leaf in leaves]) if compared else []
    return run


def normal(*shape):
    return lambda rng: rng.normal(size=shape).astype(np.float32)


def tokens(padded):
    """Numbers of rows, a third of them the padding."""
    def data(rng):
        numbers = rng.integers(1, VOCABULARY, TOKENS)
        if padded:
            numbers[:, -TOKENS[1] // 3:] = 0
        return numbers
    return data


def row(name, data, build, limit):
    builders = {library: build(library) for library in ("fastad", "PyTorch")}
    return Workload(FAMILY, name, data, builders, (("PyTorch", limit),), tolerance=1e-4)


def layer(name, make, data, out_shape=None, apply=lambda module, x: module(x), compared=True, limit=1.0):
    """`make(nn)` on `data(rng)`; with the cotangent of a result of `out_shape`, if that is not the input's."""
    def inputs(rng):
        x = data(rng)
        return x, rng.normal(size=out_shape or x.shape).astype(np.float32), rng.integers(1 << 30)

    def build(library):
        def build(given):
            module, nn, _ = module_of(library)
            x, g, seed = given
            made, rng = make(nn), np.random.default_rng(seed)
            with module.no_grad():
                for p in made.parameters():
                    p.copy_(module.tensor(rng.uniform(-0.3, 0.3, tuple(p.shape)).astype(np.float32)))
            is_float = x.dtype.kind == "f"
            x = module.tensor(x, requires_grad=True) if is_float else module.tensor(x)
            leaves = [*made.parameters(), *([x] if is_float else [])]
            return steps(lambda: apply(made, x), leaves, module.tensor(g), compared)
        return build
    return row(name, inputs, build, limit)


def dot_product(name, width, **options):
    def data(rng):
        return [rng.normal(size=(BATCH, HEADS, LENGTH, width)).astype(np.float32) for _ in range(4)]

    def build(library):
        def build(given):
            module, _, functional = module_of(library)
            *leaves, g = [module.tensor(t, requires_grad=i < 3) for i, t in enumerate(given)]
            return steps(lambda: functional.scaled_dot_product_attention(*leaves, **options), leaves, g, True)
        return build
    return row(name, data, build, 1.0)


def to_itself(module, x):
    return module(x, x, x, need_weights=False)[0]


def sized(shape):
    return "x".join(f"{n:,}" for n in shape)


WORKLOADS = [
    *[layer(f"{name}: {sized(shape)}", make, normal(*shape), limit=limit)
      for shape, limit in ((SMALL, 1 / 2), (LARGE, 1.0))
      for name, make in (("BatchNorm1d", lambda nn, n=shape[1]: nn.BatchNorm1d(n)),
                         ("LayerNorm", lambda nn, n=shape[1]: nn.LayerNorm(n)),
                         ("RMSNorm", lambda nn, n=shape[1]: nn.RMSNorm(n)))],
    layer(f"BatchNorm2d: {sized(IMAGES)}", lambda nn: nn.BatchNorm2d(IMAGES[1]), normal(*IMAGES)),
    layer(f"GroupNorm, 4 groups: {sized(IMAGES)}", lambda nn: nn.GroupNorm(4, IMAGES[1]), normal(*IMAGES)),
    *[layer(f"Dropout({p}): {sized(shape)}", lambda nn, p=p: nn.Dropout(p), normal(*shape), compared=False, limit=limit)
      for shape, limit in ((SMALL, 1 / 2), (LARGE, 1.0)) for p in (0.5, 0.1)],
    layer(f"Embedding: {sized(TOKENS)} of {VOCABULARY:,} rows of 64", lambda nn: nn.Embedding(VOCABULARY, 64), tokens(False),
          (*TOKENS, 64), limit=1 / 2),
    layer("Embedding, a third padding", lambda nn: nn.Embedding(VOCABULARY, 64, padding_idx=0), tokens(True), (*TOKENS, 64),
          limit=1 / 2),
    dot_product("Attention, heads 64 wide", WIDTH),
    dot_product("Attention, heads 16 wide", WIDTH // HEADS),
    dot_product("Attention, causal", WIDTH, is_causal=True),
    layer("MultiheadAttention: 8x64x64, 4 heads", lambda nn: nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
          normal(BATCH, LENGTH, WIDTH), apply=to_itself),
    layer("TransformerEncoderLayer: 8x64x64",
          lambda nn: nn.TransformerEncoderLayer(WIDTH, HEADS, 128, dropout=0.0, batch_first=True),
          normal(BATCH, LENGTH, WIDTH)),
]
