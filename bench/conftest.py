"""pytest, when it collects this folder: one thread for everybody, before NumPy and the peers are imported."""
import bench  # noqa: F401  its __init__ sets the variables
