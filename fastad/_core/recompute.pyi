"""Level 2: saved values that are dropped, and computed again when a walk needs them: `fastad.checkpoint`.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""

