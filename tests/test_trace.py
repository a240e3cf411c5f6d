"""The Wengert table: the numbers of the texts' example, what stands in the rows, and that the pictures are of the same graph."""
import collections
import dataclasses
import itertools
import math
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import all_samples
from test_operations import drawn, tensors

import fastad as fa
from fastad._core import make, tape


def example(x1, x2):
    a, b, c = fa.log(x1), x1 * x2, fa.sin(x2)
    return a + b - c


@pytest.fixture
def table():
    return fa.trace(example)(2.0, 5.0)


# ---- the example ---------------------------------------------------------------------------------------
PRINTED = """\
primal         value   tangent, with dx1 = 1, dx2 = 0  adjoint, with ybar = 1
-------------  ------  ------------------------------  ----------------------
v-1 = x1       2       1                               5.5
v0 = x2        5       0                               1.716
v1 = ln v-1    0.693   0.5                             1
v2 = v-1 * v0  10      5                               1
v3 = sin v0    -0.959  0                               -1
v4 = v1 + v2   10.693  5.5                             1
v5 = v4 - v3   11.652  5.5                             1
y = v5"""


def test_the_table_is_that_of_the_texts(table):
    assert str(table) == PRINTED


def test_the_numbers_of_the_table_to_full_precision(table):
    ln2, s, c = math.log(2), math.sin(5), math.cos(5)
    expected = {"v-1": (2, 1, 5.5), "v0": (5, 0, 2 - c), "v1": (ln2, 0.5, 1), "v2": (10, 5, 1), "v3": (s, 0, -1),
                "v4": (ln2 + 10, 5.5, 1), "v5": (ln2 + 10 - s, 5.5, 1)}
    assert [row.name for row in table] == list(expected)
    for row in table:
        np.testing.assert_allclose((row.value, row.tangent, row.adjoint), expected[row.name], rtol=1e-15, err_msg=row.name)


def test_the_other_seed_gives_the_other_derivative(table):
    other = table.tangents(0.0, 1.0)
    assert other["v5"].tangent == pytest.approx(2 - math.cos(5), abs=1e-15)
    assert other["v1"].tangent == 0
    assert other["v5"].tangent == other["v0"].adjoint
    assert table["v5"].tangent == 5.5                     # the first table is as it was
    assert "dx1 = 0, dx2 = 1" in str(other)
    assert table.tangents(x2=1.0)["v5"].tangent == other["v5"].tangent


def test_another_cotangent_scales_the_adjoints(table):
    twice = table.adjoints(2.0)
    assert [row.adjoint for row in twice] == [2 * row.adjoint for row in table]
    assert "ybar = 2" in str(twice)


def test_the_rows_as_data(table):
    row = table["v4"]
    assert (row.expression, row.operation, row.inputs) == ("v1 + v2", "add", ("v1", "v2"))
    assert table["v-1"].operation == "input" and table["v-1"].inputs == ()
    assert len(table) == 7 and table[0] is table.rows[0] and table[-1].name == "v5"
    assert table.result == pytest.approx(11.652071455223084, abs=1e-15)
    assert table.outputs == [("y", "v5")]
    with pytest.raises(KeyError, match="v6"):
        table["v6"]


def test_markdown(table):
    lines = table.markdown().split("\n")
    assert lines[0] == "| primal | value | tangent, with dx1 = 1, dx2 = 0 | adjoint, with ybar = 1 |"
    assert lines[1] == "|---|---|---|---|"
    assert lines[5] == r"| v2 = v-1 \* v0 | 10 | 5 | 1 |"
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in lines[:9]) and lines[9:] == ["", "y = v5"]


def test_html(table):
    from xml.etree import ElementTree

    root = ElementTree.fromstring(f"<div>{table._repr_html_()}</div>")
    rows = [[cell.text for cell in row] for row in root.find("table").iter("tr")]
    assert rows[0][:2] == ["primal", "value"] and rows[3] == ["v1 = ln v-1", "0.693", "0.5", "1"] and len(rows) == 8
    w = fa.tensor(1.0, requires_grad=True)
    assert "outside of &lt;lambda&gt;" in fa.trace(lambda x: x * w)(1.0)._repr_html_()


def test_precision(table):
    assert "0.69315 " in table.text(precision=5) and "| 1.71634 |" in table.markdown(precision=5)


# ---- other worked numbers ------------------------------------------------------------------------------
def test_q_times_z():
    t = fa.trace(lambda x, y, z: (x + y) * z)(-2.0, 5.0, -4.0)
    assert t["v1"].value == 3 and t["v2"].value == -12
    assert [t[name].adjoint for name in ("v-2", "v-1", "v0")] == [-4, -4, 3]


def test_a_function_through_intermediate_values():
    """f(x) = exp(exp x + exp(x)^2) + sin(exp x + exp(x)^2) at 0.1"""
    def f(x):
        a = fa.exp(x)
        b = a ** 2
        c = a + b
        d, e = fa.exp(c), fa.sin(c)
        return d + e

    t = fa.trace(f)(0.1)
    assert [row.expression for row in t][1:] == ["exp v0", "v1 ** 2", "v1 + v2", "exp v3", "sin v3", "v4 + v5"]
    assert t["v6"].value == pytest.approx(10.9705248533, abs=5e-11)
    assert t["v0"].adjoint == pytest.approx(33.9077682999, abs=5e-11)
    assert t["v6"].tangent == pytest.approx(33.9077682999, abs=5e-11)
    exp = np.exp(0.1)
    assert t["v3"].adjoint == pytest.approx(np.exp(exp + exp**2) + np.cos(exp + exp**2), rel=1e-14)


# ---- expressions ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("f", "expected"), [
    (lambda x: 3 * x, "3 * v0"),
    (lambda x: x + -2.5, "v0 + (-2.5)"),
    (lambda x: -x, "-v0"),
    (lambda x: x - 1, "v0 - 1"),
    (lambda x: 1 / x, "1 / v0"),
    (lambda x: x ** 1.5, "v0 ** 1.5"),
    (lambda x: 2 ** x, "2 ** v0"),
    (lambda x: x / 3, "v0 / 3"),
    (lambda x: fa.leaky_relu(x, 0.2), "leaky_relu(v0, 0.2)"),
    (lambda x: x.sum(axis=1), "sum(v0, axis=1)"),
    (lambda x: x.sum(), "sum v0"),
    (lambda x: x.mean(axis=(0, 1), keepdims=True), "mean(v0, axis=(0, 1), keepdims=True)"),
    (lambda x: x.max(axis=-1), "max(v0, axis=1)"),
    (lambda x: fa.cumsum(x, axis=0), "cumsum(v0, axis=0)"),
    (lambda x: fa.logsumexp(x, axis=0), "logsumexp(v0, axis=0)"),
    (lambda x: x.reshape(3, 2), "reshape(v0, (3, 2))"),
    (lambda x: fa.broadcast_to(x, (4, 2, 3)), "broadcast_to(v0, (4, 2, 3))"),
    (lambda x: x.T, "transpose v0"),
    (lambda x: fa.transpose(x, (1, 0)), "transpose(v0, (1, 0))"),
    (lambda x: x[0, 1], "v0[0, 1]"),
    (lambda x: x[1], "v0[1]"),
    (lambda x: x[:, ::2], "v0[:, ::2]"),
    (lambda x: x[..., None], "v0[..., None]"),
    (lambda x: x[[0, 0]], "v0[[0, 0]]"),
    (lambda x: fa.flip(x, 1), "v0[:, 2::-1]"),
    (lambda x: x.astype(np.float32), "astype(v0, float32)"),
    (lambda x: fa.concatenate([x, x], axis=-1), "concatenate(v0, v0, axis=1)"),
    (lambda x: fa.stack([x, np.ones((2, 3))]), "stack(v0, array(2, 3), axis=0)"),
    (lambda x: x @ np.ones((3, 4)), "v0 @ array(3, 4)"),
    (lambda x: fa.einsum("ij,ij->i", x, x), "einsum(v0, v0, 'ij,ij->i')"),
    (lambda x: x * np.array([1.0, 2.0, -0.5]), "v0 * [1, 2, -0.5]"),
    (lambda x: fa.maximum(x, 0), "maximum(v0, 0)"),
    (lambda x: fa.where(x > 0, x, 7.0), "where(array(2, 3), v0, 7)"),
    (lambda x: fa.cross_entropy(x, np.array([0, 2]), reduction="none"), "cross_entropy(v0, target=[0, 2])"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_how_operations_are_written(f, expected):
    t = fa.trace(f)(np.arange(1.0, 7.0).reshape(2, 3))
    assert t.rows[-1].expression == expected


INTERNAL = {"matmul", "linear"}                           # what their nodes keep is no argument of the caller's


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_no_static_argument_of_any_primitive_is_left_out():
    """A node that keeps arguments names them; driven by the samples of the whole registry."""
    class Look:
        def recorded(self, out, inputs, within):
            node, _ = make.edge_of(out)
            if within is None and node.args is not None:
                seen.add(node.name)
                if not node.prim.statics(node) and node.name not in INTERNAL:
                    silent.add(node.name)

        def ruled(self, *told):
            pass

    seen, silent = set(), set()
    look = Look()
    tape.observe(look)
    try:
        for sample in all_samples():
            sample.function(*tensors(sample, drawn(sample, np.float64)), **sample.kwargs)
    finally:
        tape.unobserve(look)
    assert len(seen) > 15 and not silent


# ---- inputs, outputs, closures -------------------------------------------------------------------------
Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Layer:
    w: object
    b: object


def test_nested_arguments_and_outputs():
    def f(layer, pair, *rest, scale):
        h = fa.tanh(pair.left @ layer.w + layer.b)
        return {"h": h, "both": (h.sum() * scale, pair.right), "count": 3}

    t = fa.trace(f)(Layer(np.ones((2, 2)), np.zeros(2)), Pair(np.ones((1, 2)), 4.0), [5.0], scale=2.0)
    assert [row.expression for row in t][:6] == ["layer.w", "layer.b", "pair[0]", "pair[1]", "rest[0][0]", "scale"]
    assert t.outputs == [("y['both'][0]", "v5"), ("y['both'][1]", "v-2"), ("y['count']", None), ("y['h']", "v3")]
    assert "y['count'] = 3, which depends on no input" in str(t)
    np.testing.assert_allclose(t.result["both"][0], 4 * np.tanh(2))
    other = t.tangents(Layer(np.ones((2, 2)), 0.0), scale=0.0)
    np.testing.assert_allclose(other["v5"].tangent, 2 * 2 * 2 * (1 - np.tanh(2) ** 2))
    chosen = t.adjoints(1.0, 0.0, np.zeros((1, 2)))
    np.testing.assert_allclose(chosen["v0"].adjoint, 2 * np.tanh(2))      # by scale
    assert chosen["v-2"].adjoint == 0


def test_adjoints_and_tangents_are_those_of_the_walks():
    def f(x, w):
        return fa.softmax(fa.tanh(x @ w) * 2, axis=-1)

    rng = np.random.default_rng(0)
    x, w, dx, dw, g = (rng.normal(size=s) for s in ((4, 3), (3, 5), (4, 3), (3, 5), (4, 5)))
    t = fa.trace(f)(x, w).tangents(dx, dw).adjoints(g)
    by_x, by_w = fa.grad(lambda x, w: (f(x, w) * g).sum(), (0, 1))(x, w)
    np.testing.assert_allclose(t["v-1"].adjoint, by_x, rtol=1e-13)
    np.testing.assert_allclose(t["v0"].adjoint, by_w, rtol=1e-13)
    h = 1e-6
    expected = (f(fa.tensor(x + h * dx), fa.tensor(w + h * dw)) - f(fa.tensor(x - h * dx), fa.tensor(w - h * dw))).numpy() / (2 * h)
    np.testing.assert_allclose(t.rows[-1].tangent, expected, atol=1e-9)
    for row in t:                                         # <adjoint, tangent> of any cut: here every row that all pass
        if row.operation != "input":
            assert (row.adjoint * row.tangent).sum() == pytest.approx((g * t.rows[-1].tangent).sum(), abs=1e-13)


def test_tensors_from_outside_are_shown_as_such():
    w = fa.tensor([1.0, 2.0], requires_grad=True)
    u = w * 2
    t = fa.trace(lambda x: (x * w + u).sum())(3.0)
    assert [(row.name, row.expression, row.operation) for row in t] == [
        ("v0", "x", "input"), ("c1", "leaf outside of <lambda>", "outside"), ("c2", "result of multiply outside of <lambda>", "outside"),
        ("v1", "v0 * c1", "multiply"), ("v2", "v1 + c2", "add"), ("v3", "sum v2", "sum")]
    assert t["c1"].tangent is None and t["c1"].adjoint is None and t["c1"].value.tolist() == [1.0, 2.0]
    assert t["v0"].adjoint == 3 and w.grad is None
    t = fa.trace(lambda x: w)(3.0)
    assert t.outputs == [("y", "c1")]


def test_the_function_runs_on_copies_of_its_own():
    a = np.array([1.0, 2.0])
    x = fa.tensor([1.0, 2.0], requires_grad=True)

    def f(p, q):
        assert p is not x
        return (p * q).sum()

    t = fa.trace(f)(x, a)
    a[:] = 100
    x.detach().fill_(50)
    assert t["v-1"].value.tolist() == [1.0, 2.0] and t["v0"].value.tolist() == [1.0, 2.0]
    assert t["v-1"].adjoint.tolist() == [1.0, 2.0] and x.grad is None


def test_values_are_those_of_the_moment():
    """What is written in place afterwards does not show."""
    buffer = fa.zeros(2)

    def f(x):
        y = x * buffer.copy()
        y = y + 1
        buffer.fill_(9)
        z = y * 3
        z += 1
        return z * z

    t = fa.trace(f)(np.ones(2))
    assert [row.value.tolist() for row in t][1:] == [[0, 0], [1, 1], [3, 3], [4, 4], [16, 16]]
    assert t["v1"].expression == "v0 * [0, 0]" and t["v4"].expression == "v3 + 1"


def test_what_the_result_does_not_depend_on_is_left_out():
    def f(x):
        fa.exp(x)
        return x * 2

    assert [row.expression for row in fa.trace(f)(1.0)] == ["x", "v0 * 2"]


def test_other_arguments_are_passed_on():
    def f(x, rows, flag, name, n):
        assert isinstance(rows, np.ndarray) and flag is True and name == "a"
        return x[rows].sum() * n

    t = fa.trace(f)(np.ones(3), np.array([0, 2]), True, "a", 2)
    assert [row.expression for row in t][:3] == ["x", "n", "v-1[[0, 2]]"]
    assert t["v0"].value == 2.0 and t["v0"].adjoint == 2.0


def test_a_derivative_inside_the_function_is_on_the_tape():
    t = fa.trace(lambda x: fa.grad(lambda z: z ** 3)(x) * x)(2.0)
    assert t.rows[-1].value == 24 and t["v0"].adjoint == pytest.approx(36)
    assert t.rows[-1].tangent == pytest.approx(36)


def test_traces_of_two_functions_at_once_and_within_no_grad():
    inner = []

    def f(x):
        inner.append(fa.trace(lambda z: z * 2)(7.0))
        return x * x

    with fa.no_grad():
        t = fa.trace(f)(3.0)
    assert [row.expression for row in t] == ["x", "v0 * v0"] and t["v0"].adjoint == 6
    assert len(inner[0]) == 2 and inner[0]["v0"].adjoint == 2


def test_float32_and_complex_values():
    t = fa.trace(lambda x: x * 2)(np.float32(1.5))
    assert t["v1"].value.dtype == np.float32 and "float32 3 " in str(t)
    t = fa.trace(lambda z: z * z)(1 + 2j)
    assert t["v1"].value == -3 + 4j and "-3+4j" in str(t)


@pytest.mark.parametrize(("value", "shown"), [
    (0.0, "0"), (-0.0, "0"), (1e-7, "1e-07"), (123456.0, "123456"), (1.5e6, "1.5e+06"), (np.nan, "nan"), (-np.inf, "-inf"),
    (1 / 3, "0.333"), (0.0004, "4e-04"), (2.0, "2"), (-11.6521, "-11.652")])
def test_numbers(value, shown):
    from fastad.observers.notation import number

    assert number(value, 3) == shown


def test_long_arrays_are_shortened():
    t = fa.trace(lambda x: x.sum())(np.arange(1000.0).reshape(10, 100))
    assert "(10, 100) 0 1 2 ... 999 " in str(t)
    assert all(len(line) < 200 for line in str(t).split("\n"))


def test_errors():
    with pytest.raises(TypeError, match="trace: expected a function, got ndarray"):
        fa.trace(np.eye(2))
    with pytest.raises(TypeError, match=r"fastad\.trace\(f\)"):
        fa.trace(lambda x: x)(1.0).__class__()
    t = fa.trace(lambda x, y: x * y)(np.ones(2), 1.0)
    for seeds in ((np.ones(3),), (1.0, 2.0, 3.0), ((1.0, 2.0, 3.0),)):
        with pytest.raises(ValueError, match="tangents"):
            t.tangents(*seeds)
    with pytest.raises(ValueError, match="has no argument 'z'"):
        t.tangents(z=1.0)
    with pytest.raises(ValueError, match="argument 'x' has two seeds"):
        t.tangents(1.0, x=1.0)
    for cotangents in ((), (1.0, 2.0), (np.ones(3),)):
        with pytest.raises(ValueError, match="adjoints"):
            t.adjoints(*cotangents)


def test_nothing_observes_after_an_error():
    with pytest.raises(ZeroDivisionError):
        fa.trace(lambda x: 1 / 0)(1.0)
    with pytest.raises(RuntimeError, match="left by a thread"):
        tape.unobserve(object())
    assert str(fa.trace(example)(2.0, 5.0)) == PRINTED


def test_a_function_without_derivatives():
    t = fa.trace(lambda x: 3.0)(1.0)
    assert len(t) == 1 and t.outputs == [("y", None)] and t["v0"].adjoint == 0
    assert "y = 3, which depends on no input" in str(t)
    t = fa.trace(lambda: fa.ones(2))()
    assert len(t) == 0 and "y = (2,) 1 1" in str(t)


# ---- pictures ------------------------------------------------------------------------------------------
def parsed(dot):
    """Nodes and edges of Graphviz's text, by the strings' own rules."""
    string = r'"((?:[^"\\]|\\.)*)"'

    def unescape(s):
        return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], s)

    nodes = {unescape(m[1]): unescape(m[2]) for m in re.finditer(rf"^  {string} \[label={string}", dot, re.M)}
    edges = {(unescape(m[1]), unescape(m[2])) for m in re.finditer(rf"^  {string} -> {string};$", dot, re.M)}
    return nodes, edges


def test_dot(table):
    nodes, edges = parsed(table.dot())
    assert nodes["v2"] == "v2 = v-1 * v0\n10" and nodes["y"] == "y" and len(nodes) == 8
    assert edges == {("v-1", "v1"), ("v-1", "v2"), ("v0", "v2"), ("v0", "v3"), ("v1", "v4"), ("v2", "v4"), ("v4", "v5"), ("v3", "v5"),
                     ("v5", "y")}


def test_dot_escapes_what_it_must():
    t = fa.trace(lambda p: {'a"b\\': p['k"\\n'] * 2})({'k"\\n': 1.0})
    nodes, edges = parsed(t.dot())
    assert nodes["v0"] == "v0 = p['k\"\\\\n']\n1" and ("v1", "y['a\"b\\\\']") in edges
    assert t.dot().count("\n") == len(t.dot().splitlines()) - 1


def test_layers_cross_no_box():
    from fastad.observers.drawing import layers, positions

    t = fa.trace(lambda x: fa.exp(fa.sin(fa.cos(x))) + x * fa.tanh(x) + x)(1.0)
    found, ways = layers(t.rows)
    names = {row.name for row in t}
    depth = {name: at for at, layer in enumerate(found) for name in layer}
    assert names <= depth.keys() and len(ways) == sum(len([s for s in row.inputs if s]) for row in t)
    for way in ways:
        assert [depth[name] for name in way] == list(range(depth[way[0]], depth[way[-1]] + 1))
    widths = dict.fromkeys(names, 2.0)
    x = positions(found, ways, widths)
    for layer in found:
        for a, b in itertools.pairwise(layer):
            assert x[b] - x[a] >= (widths.get(a, 0.2) + widths.get(b, 0.2)) / 2


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_picture_is_written(table, tmp_path, kind):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"graph.{kind}"
    table.draw(str(path))
    head = path.read_bytes()[:400]
    assert head.startswith(b"\x89PNG") if kind == "png" else b"<svg" in path.read_bytes()
    figure = table.draw()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 7 and "v5 = v4 - v3 = y\n11.652\ntangent 5.5, adjoint 1" in texts


def test_several_outputs_and_operations_of_users():
    @fa.extend.primitive
    def both(x, n, *, times=1):
        return x * n * times, x + n

    t = fa.trace(lambda x: both(x, 3.0, times=2)[1] * both(x, 4.0)[0])(2.0)
    assert [row.expression for row in t] == ["x", "both(v0, 3, times=2)[1]", "both(v0, 4)[0]", "v1 * v2"]
    lines = str(t).split("\n")
    assert lines[0].split() == ["primal", "value", "tangent", "adjoint"] and t["v0"].tangent is None and t["v0"].adjoint is None
    assert lines[-2].startswith("no tangents: both: no rule") and lines[-1].startswith("no adjoints: both: no rule")
    fa.extend.defvjp(both, lambda ans, x, n, *, times=1: lambda g: (0 if g[0] is None else g[0] * n * times)
                     + (0 if g[1] is None else g[1]))
    t = fa.trace(lambda x: both(x, 3.0, times=2)[1] * both(x, 4.0)[0])(2.0)
    assert t["v0"].adjoint == 8 + 5 * 4 and t["v1"].adjoint == 8 and t["v2"].adjoint == 5 and t["v0"].tangent is None
    assert "no tangents" in str(t) and "no adjoints" not in str(t) and "tangent" not in t.dot()
    t = fa.trace(lambda a: fa.linalg.eigh(a)[0].sum())(np.diag([1.0, 2.0]))
    assert t["v1"].expression == "eigh(v0)[0]" and t["v0"].adjoint.tolist() == [[1, 0], [0, 1]]


EXAMPLE = Path(__file__).parents[1] / "examples" / "wengert.py"


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not beside these tests")
def test_the_example(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    program = runpy.run_path(str(EXAMPLE))
    assert program["main"](["--out", str(tmp_path / "w.png")]) == 0
    assert capsys.readouterr().out.startswith(PRINTED) and (tmp_path / "w.png").stat().st_size > 10_000


def test_without_matplotlib_the_error_says_what_to_do(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(ImportError, match=r"pip install fastad\[plot\]"):
        table.draw("never.png")
