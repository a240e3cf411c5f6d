"""Level 3: samples of arrays picked by their numbers, all arrays of a batch in one call: what data.DataLoader runs on.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any

class Batches:
    @property
    def done(self) -> Any: ...
    @property
    def position(self) -> Any: ...
class Column:
    @property
    def length(self) -> Any: ...
def picked(columns: Any, order: Any, start: Any, n: Any) -> Any: ...
