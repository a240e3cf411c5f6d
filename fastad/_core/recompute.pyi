"""Level 3: a part of the tape that is not kept, but recorded again when a walk comes by: `fastad.checkpoint`.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any, final

from fastad._core.tape import Primitive

@final
class Part: ...
@final
class Checkpoint(Primitive):
    def jvp(self, /, node: Any, saved: Any, tangents: Any) -> Any: ...
    def vjp(self, /, node: Any, saved: Any, g: Any) -> Any: ...
def forget(tensors: Any, since: Any, again: Any) -> Any: ...
