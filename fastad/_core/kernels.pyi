"""Level 0: compiles csrc/ and holds the table of kernels for this processor.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any

def isa() -> str: ...
def rows() -> list[dict[str, Any]]: ...
