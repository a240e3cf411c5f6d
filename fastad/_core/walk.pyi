"""Level 2: the walks.  The tape in order, and adjoints carried back over it.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""

