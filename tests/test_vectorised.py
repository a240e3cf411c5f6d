"""Every loop that is meant to be vector code is: read from the machine code of the installed library.

A loop that stops vectorising (a branch, a libm call, a select that the compiler turns into a jump) goes on giving the
right numbers, several times slower; nothing else would notice.  csrc/kernels.c stands in the library once for each
instruction set: the copy that uses zmm registers is v4's (if it was built), the one that uses ymm v3's, the third the baseline.  A loop is
vector code if its innermost repetition calls nothing and computes or stores in the registers of its level.
"""
import platform
import re
import shutil
import subprocess

import pytest

from fastad._core import kernels
from fastad._core.storage import DEBUG

REGISTER = {"v4": "zmm", "v3": "ymm", "baseline": "xmm"}
# The rows that call libm: pow and atan2 have too many special cases.
LIBM = {"fwd_arctan2", "fwd_power", "bwd_power_a"}
# The rows that look block by block which of two loops may run.
TURNING = {f"{kind}_{name}" for kind in ("fwd", "bwd") for name in ("sin", "cos", "tan")}
# Beside the rows: how many vector loops each holds at least, with what it calls.  Not here: cumsum's running sum along the last
# axis, of which each step needs the one before.
LOOPS = {"where_": 1, "sum": 4, "squares": 10, "max": 4, "min": 4, "prod": 4, "argmax": 2, "argmin": 2, "cumsum": 2, "lse": 10,
         "softmax": 4, "log_softmax": 4, "softmax_back": 4, "log_softmax_back": 3, "xent": 3, "xent_back": 2, "lstm": 1, "lstm_back": 1, "gru": 1,
         "gru_back": 1, "group_norm": 5, "group_norm_back": 6, "batch_moments": 5,
         "batch_factors": 1, "batch_against": 4, "batch_norm": 2, "batch_norm_back": 2, "attend": 6, "attend_back": 2, "drop": 1,
         "convolve_one": 1, "convolve_four": 1, "correlate_four": 1, "correlate_eight": 1, "better_one": 1,
         "better_two": 1, "sum_windows": 2,
         "sgd": 3, "adam": 2, "nadam": 1, "radam": 2, "adamax": 1, "adadelta": 1, "adagrad": 1, "rmsprop": 4,
         "rprop": 1, "with_l1": 1}
# The matrix product reaches its tiles through a table.
TILES = {"v4": ("v64_2", "v64_1"), "v3": ("v32_2", "v32_1"), "baseline": ("v16_2", "v16_1")}

INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\s+(.*)")
JUMP = re.compile(r"(?:bnd |notrack )?j\w+\s+([0-9a-f]+)\b")
CALL = re.compile(r"(?:bnd )?(?:call|jmp)\w*\s+[0-9a-f]+ <([^.+>]+)")
# Scalar code names xmm registers too, but neither stores a whole one nor computes in all of its parts.
PACKED = re.compile(r"(?:add|sub|mul|div|sqrt|max|min)p[sd]\s|mov(?:[au]p[sd]|dq[au])\s+%xmm\d+,[^%]*\((?!%rsp|%rbp)")


def objdump(option, path):
    return subprocess.run(["objdump", *option.split(), path], capture_output=True, text=True, check=True).stdout.splitlines()


def functions():
    """{level: {name: [(address, instruction)]}} of the copies of csrc/kernels.c."""
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
        pytest.skip("reads x86-64 machine code in ELF files")
    if DEBUG:
        pytest.skip("the debug build does not optimise")
    if not shutil.which("objdump"):
        pytest.skip("no objdump: Debian's package binutils")
    objects, names = [], None
    for line in objdump("-t", kernels.__file__):
        if " df *ABS*" in line:
            names = {}
            objects.append(names)
        elif (m := re.match(r"([0-9a-f]+) l +F \.text\S*\s+\S+\s+(\S+)$", line)) and names is not None:
            names[int(m[1], 16)] = re.sub(r"\.(constprop|isra|part|cold).*", "", m[2])
    objects = [names for names in objects if "fwd_add_f32" in names.values()]
    if not objects:
        pytest.skip("the library has been stripped of its symbols")
    code, body = {}, None
    for line in objdump("-d --no-show-raw-insn -M suffix", kernels.__file__):
        if m := re.match(r"([0-9a-f]+) <\S+>:$", line):
            body = code.setdefault(int(m[1], 16), [])
        elif body is not None and (m := INSTRUCTION.match(line)):
            body.append((int(m[1], 16), m[2]))
    found = {}
    for names in objects:
        bodies = {}
        for address, name in names.items():            # the compiler may have made two of one
            bodies.setdefault(name, []).extend(code.get(address, []))
        text = "\n".join(instruction for body in bodies.values() for _, instruction in body)
        found[next(level for level, register in REGISTER.items() if f"%{register}" in text)] = bodies
    return found


@pytest.fixture(scope="module")
def machine_code():
    return functions()


def innermost_loops(body):
    """The instructions of each loop that holds no other: from where a jump leads back to, up to the jump."""
    spans = {(int(m[1], 16), at) for at, instruction in body if (m := JUMP.match(instruction)) and int(m[1], 16) <= at}
    inner = [(start, end) for start, end in spans
             if not any(start <= other and last <= end and (start, end) != (other, last) for other, last in spans)]
    return [[instruction for at, instruction in body if start <= at <= end] for start, end in inner]


def vector_loops(name, bodies, register):
    """How many of its loops, and of those in what it calls, are vector code."""
    def is_vector(loop):
        if any("call" in instruction for instruction in loop):
            return False
        return any(PACKED.match(i) if register == "xmm" else f"%{register}" in i for i in loop)
    body = bodies[name]
    called = {m[1] for _, instruction in body if (m := CALL.match(instruction))} & set(bodies) - {name}
    return sum(map(is_vector, innermost_loops(body))) + sum(vector_loops(other, bodies, register) for other in called)


def expected_loops(level):
    """{name: vector loops at least} for everything that is in the library at this level."""
    expected = {}
    for row in kernels.rows():
        expected[f"fwd_{row['name']}"] = 1
        for kind in ("bwd", "acc"):
            expected |= {f"{kind}_{row['name']}{i}": 1 for i in ([""] if row["arity"] == 1 else ["_a", "_b"])}
    expected = {f"near_{name}" if name in TURNING else name: least for name, least in expected.items()}
    if level == "baseline":            # SSE2 does not select among 64-bit integers, the places of maxima in float64
        expected |= dict.fromkeys(("better_one", "better_two"), 0)
    return LOOPS | expected | {f"{rows}_{tile}": 1 for rows in ("row", "rows") for tile in TILES[level]}


@pytest.mark.parametrize("level", REGISTER)
def test_loops_are_vector_code(level, machine_code):
    assert set(machine_code) == set(kernels.levels())
    if level not in machine_code:
        pytest.skip(f"this build has no {level}")
    bodies, register = machine_code[level], REGISTER[level]
    wrong = []
    for dtype in ("f32", "f64"):
        for name, least in expected_loops(level).items():
            count = vector_loops(f"{name}_{dtype}", bodies, register)
            if name in LIBM and count:
                wrong.append(f"{name}_{dtype} is vector code by now: take it from the list")
            if name not in LIBM and count < least:
                wrong.append(f"{name}_{dtype} has {count} vector loops, not {least}")
    assert not wrong, f"{level}: " + "; ".join(wrong)
