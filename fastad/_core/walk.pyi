"""Level 2: the walks.  Adjoints carried back over the tape, and tangents carried forward.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""
from typing import Any

def wanted(node: Any) -> tuple[bool, ...]: ...
