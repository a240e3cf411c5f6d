"""The contract's own rules: what breaks it, when it does not apply, how callgrind's files are read."""
from bench import contract, parts
from bench.callgrind import Part

CONDITIONS = {"numpy": "2.4.6", "interpreter": 10_000}
CALLGRIND = """\
events: Ir

ob=(1) /lib/libm.so.6
fl=(1) exp.c
fn=(1) exp
12 100
+2 20
cob=(2) /lib/tape.so
cfn=(2) walk
calls=3 +4
* 5000
-1 3

ob=(2)
fn=(2)
7 4000
calls=1 0
8 77
fn=(1)
9 1

totals: 4124
"""


def test_only_growth_beyond_the_tolerance_breaks_it_and_is_named():
    broken, cheaper = contract.verdict({"a": 102.9, "b": 103.1, "c": 96.0}, dict.fromkeys("abc", 100.0))
    assert len(broken) == 1 and broken[0].startswith("b: 103.1") and "+3.1%" in broken[0]
    assert len(cheaper) == 1 and cheaper[0].startswith("c: 96.0")


def test_a_workload_without_a_budget_and_a_budget_without_a_workload_break_it():
    broken, _ = contract.verdict({"new": 1.0}, {"old": 1.0})
    assert [text.partition(":")[0] for text in broken] == ["new", "old"]


def test_other_conditions_are_told():
    assert contract.differences(CONDITIONS, CONDITIONS) == []
    assert "2.5.0" in contract.differences(CONDITIONS | {"numpy": "2.5.0"}, CONDITIONS)[0]
    assert "interpreter" in contract.differences(CONDITIONS | {"interpreter": 10_100}, CONDITIONS)[0]


def test_functions_count_their_own_instructions(tmp_path):
    file = tmp_path / "part.1"
    file.write_text(CALLGRIND)
    part = Part(file)
    assert part.instructions == 4124
    assert part.functions() == {("libm.so.6", "exp"): 123, ("tape.so", "walk"): 4000, ("tape.so", "exp"): 1}


def test_parts_know_their_functions():
    name = "__pyx_f_6fastad_5_core_10primitives_11elementwise_6Binary_backward"
    assert parts.part_of("elementwise.cpython-311-x86_64-linux-gnu.so", name).startswith("walk")
    assert parts.part_of("libpython3.11.so.1.0", "_PyEval_EvalFrameDefault").startswith("interpreter")
    assert parts.part_of("libz.so", "inflate") == "other"
    assert parts.short(name) == "Binary_backward"
