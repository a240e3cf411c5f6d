"""Makes `samples` importable under pytest's importlib mode, keeps hypothesis repeatable, and leaves out examples that need
what is not installed."""
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("ci")

NEEDS = {"fastad.optimize.minimize": "scipy"}          # an example in a docstring -> what it needs


def pytest_collection_modifyitems(items):
    for item in items:
        needed = NEEDS.get(item.name)
        if needed and not find_spec(needed):
            item.add_marker(pytest.mark.skip(reason=f"needs {needed}"))
