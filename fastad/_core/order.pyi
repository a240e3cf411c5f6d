"""Level 2: the tape in order.  An iterative depth-first search, the threads that meet in it, and what can be read off the order.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""

