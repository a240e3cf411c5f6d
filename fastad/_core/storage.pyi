"""Level 1: memory.  A pool of blocks, the layouts that describe them, and exchange with NumPy.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

import numpy as np

@final
class Array: ...
@final
class Block: ...
@final
class Layout:
    @property
    def dtype(self) -> np.dtype[Any]: ...
