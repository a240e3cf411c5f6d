"""What fastad weighs: its import beside NumPy's own, and its size.  python bench/weight.py [--check] [wheel]

Run by path, so that the installed package is measured and not the sources beside it.  The import is timed in fresh
processes of this interpreter, NumPy and fastad in turn; processor time, because the clock also counts what other
programs do, and the smallest of many, because nothing makes a process faster than it is.
"""
import argparse
import os
import sys
import time
from importlib import metadata
from pathlib import Path

LIMITS = {"wheel": 2.0, "installed": 5.0, "import": 15.0}            # MB, MB, ms


def run(statement):
    """(processor, clock) milliseconds of a fresh interpreter that executes a statement."""
    begin = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, "-I", "-c", statement], os.environ)
    _, status, used = os.wait4(child, 0)
    clock = time.perf_counter() - begin
    if status:
        raise RuntimeError(f"{statement} failed")
    return 1e3 * (used.ru_utime + used.ru_stime), 1e3 * clock


def import_times(rounds):
    """{module: ((processor, clock), ...)}, the two modules in turn."""
    times = {"numpy": [], "fastad": []}
    for module in times:
        run(f"import {module}")                                       # fills the caches of bytecode and files
    for _ in range(rounds):
        for module, found in times.items():
            found.append(run(f"import {module}"))
    return times


def installed_files():
    """(bytes, name) of every file of the installed package, the largest first."""
    files = metadata.files("fastad")
    if not files or any("__editable__" in str(f) for f in files):
        raise SystemExit("weight: fastad is not installed in this environment; `make wheel` installs it")
    paths = [(f, Path(f.locate())) for f in files if "__pycache__" not in str(f)]
    return sorted(((p.stat().st_size, str(f)) for f, p in paths), reverse=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--check", action="store_true", help="fail if a size is above its limit")
    arguments = parser.parse_args()
    sizes = {}
    if arguments.wheel:
        sizes["wheel"] = arguments.wheel.stat().st_size / 1e6
    files = installed_files()
    sizes["installed"] = sum(size for size, _ in files) / 1e6
    for name, megabytes in sizes.items():
        print(f"{name:10} {megabytes:7.2f} MB   (at most {LIMITS[name]:g})")
    for size, name in files[:5]:
        print(f"           {size / 1e6:7.2f}      {name}")
    times = import_times(arguments.rounds)
    for i, clock in enumerate(("processor", "clock")):
        column = {module: sorted(t[i] for t in found) for module, found in times.items()}
        for which, at in (("least", 0), ("median", arguments.rounds // 2)):
            numpy, fastad = column["numpy"][at], column["fastad"][at]
            print(f"import     {fastad - numpy:7.1f} ms   beyond NumPy's {numpy:.1f} (at most {LIMITS['import']:g}); "
                  f"{which}, {clock}")
    over = [name for name, megabytes in sizes.items() if megabytes > LIMITS[name]]
    if arguments.check and over:
        sys.exit(f"weight: above the limit: {', '.join(over)}")


if __name__ == "__main__":
    main()
