"""Examples that need what is optional are not collected without it."""
from importlib.util import find_spec

collect_ignore = [] if find_spec("scipy") else ["fastad/optimize.py"]
