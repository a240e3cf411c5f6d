"""NumPy's names: functions written with them take arrays and give arrays, and can be differentiated.

    import fastad.numpy as np

Without a Tensor among the arguments a name is NumPy's own function, so that there is nothing to pay and nothing to
convert; with one, it is fastad's.  What NumPy has not (relu, logsumexp, ...) is fastad's function, and gives arrays for
arrays.  Constants and dtypes are NumPy's.  Names are made when they are first asked for, by _numpy.py: here they would
hide Python's own `any`, `sum`, ...
"""
from ._numpy import find, names

__all__ = names()


def __getattr__(name: str) -> object:
    value = globals()[name] = find(name)
    return value


def __dir__() -> list[str]:
    return __all__
