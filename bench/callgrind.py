"""One Python process under callgrind, in surroundings so fixed that its counts repeat to the digit.

The process calls `os.getppid` as a mark, where callgrind writes down what it has counted since the last one and starts
anew.  What could change a count is held fixed: the environment is empty but for ENVIRONMENT, addresses are not
randomised, the collector, the threads and the hash seed are the script's and ENVIRONMENT's business, and every path that
Python sees begins with /proc/self/cwd, so that neither where the project lies nor where Python lies is counted.  The
processor is valgrind's own: on every machine with AVX2 it shows programs the same one, with AVX2 and without AVX-512.

Linux.  Imports nothing of the project.  Next: contract.py, which compares the counts with the budgets.
"""
import collections
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = "/proc/self/cwd"
ENVIRONMENT = {
    "PYTHONHASHSEED": "0", "PYTHONHOME": f"{HERE}/python", "PYTHONPATH": f"{HERE}/site",
    "PYTHONPYCACHEPREFIX": f"{HERE}/cache", "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell", "FASTAD_CPU": "v3",
}


class Part:
    """What was counted between two marks, from one of callgrind's files."""

    def __init__(self, path):
        self.text = path.read_text()
        self.instructions = int(re.search(r"^totals: (\d+)", self.text, re.M)[1])

    def functions(self):
        """{(file name of the library, function): its own instructions}."""
        names, counts, library, function, called = {"ob": {}, "fn": {}}, collections.Counter(), "", "", False
        for line in self.text.splitlines():
            key, _, value = line.partition("=")
            if key in ("ob", "cob", "fn", "cfn"):      # "fn=(7) name" at first, then "fn=(7)"
                number, _, name = value.partition(" ")
                name = names[key[-2:]].setdefault(number, name)
                if key == "ob":
                    library = Path(name).name
                elif key == "fn":
                    function = name
            elif key == "calls":
                called = True                          # the next line has the cost of the callee
            elif line[:1] in tuple("0123456789+-*"):
                if not called:
                    counts[library, function] += int(line.split()[1])
                called = False
        return counts


def require():
    """Raise SystemExit where counting is not possible, with the remedy."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise SystemExit("bench.contract: counts instructions of x86-64 under Linux; this is "
                         f"{platform.system()} on {platform.machine()}")
    for program, package in (("valgrind", "valgrind"), ("setarch", "util-linux")):
        if not shutil.which(program):
            raise SystemExit(f"bench.contract: {program} is missing; install it (Debian: apt-get install {package})")


def version():
    """Of valgrind."""
    return subprocess.run(["valgrind", "--version"], capture_output=True, text=True,
                          check=True).stdout.strip().removeprefix("valgrind-")


def run(script, packages, *arguments):
    """Run a script with these packages (paths of their folders) on the path; returns its output and its parts."""
    require()
    with tempfile.TemporaryDirectory(prefix="fastad-contract-") as folder:
        folder = Path(folder)
        (folder / "site").mkdir()
        (folder / "python").symlink_to(sys.base_prefix)
        for package in packages:
            (folder / "site" / package.name).symlink_to(package)
        shutil.copy(script, folder / "script.py")
        python = ["python/bin/python" + sysconfig.get_python_version(), "-S", "-P", "script.py", *arguments]
        fixed = ["setarch", platform.machine(), "-R"]
        counted = ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=part", "--dump-before=getppid"]
        for command in ([*fixed, *python], [*fixed, *counted, *python]):    # the first compiles the modules' bytecode
            done = subprocess.run([shutil.which(command[0]), *command[1:]], cwd=folder, env=ENVIRONMENT,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"bench.contract: {' '.join(command)} failed\n{done.stdout}{done.stderr}")
        files = sorted(folder.glob("part.*"), key=lambda path: int(path.suffix[1:]))
        return done.stdout, [Part(path) for path in files]
