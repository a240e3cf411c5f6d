"""Level 4: the primitives, one module per family; each registers its functions when it is imported.

    elementwise   every row of csrc/rows.def, where, clip
    shape         reshape, transpose, concatenate, pad, astype, ...
    reduction     sum, mean, logsumexp, cumsum; extreme: prod, max, min; squares: what var and norm are made of
    index         x[...] in all of NumPy's forms, scatter, take
    matmul        matmul, linear
    products      dot, inner, outer, tensordot
    einsum        einsum
    loss          softmax, log_softmax, cross_entropy, ...
    optimizer     the compiled steps of fastad.optim
"""


def load():
    """Import every family, so that the tables of operators, functions and methods are full."""
    import os
    from importlib import import_module, machinery

    suffixes = tuple(machinery.all_suffixes())
    names = {file.partition(".")[0] for folder in __path__ for file in os.listdir(folder) if file.endswith(suffixes)}
    for name in sorted(names - {"__init__"}):
        import_module(f"{__name__}.{name}")
