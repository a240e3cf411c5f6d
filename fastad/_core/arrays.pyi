"""Level 1: copying, casting, broadcasting, adding and summing arrays, without derivatives.

Written by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.
"""

