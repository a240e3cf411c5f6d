"""Level 4: the primitives, one module a family; each registers its functions when it is imported."""

FAMILIES = (
    "elementwise",                        # every row of csrc/rows.def
    "functions",                          # their public functions; leaky_relu, elu, gelu, clip, ...
    "select",                             # where
    "complex",                            # real, imag, conj, angle; abs of complex numbers
    "shape",                              # reshape, ravel, expand_dims, squeeze, broadcast_to; how axes are read
    "permute",                            # transpose, swapaxes, moveaxis
    "part",                               # slices, flip, diagonal, split
    "join",                               # concatenate, stack, astype, copy
    "arrange",                            # roll, tile, repeat, pad, tril, triu, take, take_along_axis
    "reduction",                          # sum, mean, logsumexp, cumsum
    "extreme",                            # max, min, prod, argmax, argmin
    "squares",                            # the sum of squares, about zero or about the mean
    "norms",                              # var, std, norm
    "index",                              # x[...] in all of NumPy's forms, scatter, embedding
    "matmul",                             # matmul, linear
    "products",                           # dot, inner, outer, tensordot
    "einsum",                             # einsum
    "softmax",                            # softmax, log_softmax
    "loss",                               # cross_entropy, mse_loss, ...
    "plain",                              # comparisons, tests, positions, rounding: no derivatives
)
LATER = (                                 # not all programs need them: imported when first asked for
    "optimizer",                          # the compiled steps of fastad.optim
    "convolution",                        # conv1d, conv2d and their transposes
    "pooling",                            # maxima and sums of windows
    "attention",                          # scaled_dot_product_attention, dropout
    "normalisation",                      # batch_norm, layer_norm, group_norm, rms_norm
    "recurrent",                          # whole sequences through RNN, LSTM and GRU cells
    "warp",                               # pictures resampled by a map
)


def load():
    """Import every family, so that the tables of operators, functions and methods are full."""
    from importlib import import_module

    for name in FAMILIES:
        import_module(f"{__name__}.{name}")
