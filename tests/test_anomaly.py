"""detect_anomaly names the user's line that first made a NaN or an infinity, forward and backward, and is gone afterwards."""
import contextlib
import inspect
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import fastad as fa
from fastad._core import make, tape
from fastad.observers.anomaly import AnomalyError


def leaf(*numbers):
    return fa.tensor(np.array(numbers), requires_grad=True)


def line_of(error, marker):
    """That the error names the line of this file that ends with the comment `marker`."""
    file, number, _ = error.value.line
    lines = inspect.getsource(sys.modules[__name__]).split("\n")
    assert file == __file__ and lines[number - 1].endswith(f"# {marker}"), lines[number - 1]
    assert f"{__file__}:{number}" in str(error.value) and lines[number - 1].strip() in str(error.value)


# ---- the computation -----------------------------------------------------------------------------------
def test_the_operation_that_makes_an_infinity():
    x = leaf(1.0, 0.0, 4.0)
    with pytest.raises(AnomalyError, match="log: the first infinity came out of this operation") as error, fa.detect_anomaly():
        y = x * 2
        z = fa.log(y)                                     # here
        fa.exp(z)
    line_of(error, "here")
    assert error.value.operation == "log" and "1 of 3 elements; input 0 of shape (3,): finite" in str(error.value)


def test_the_operation_that_makes_a_nan():
    x = leaf(-1.0, 1.0)
    with pytest.raises(AnomalyError, match="sqrt: the first NaN") as error, fa.detect_anomaly():
        fa.sqrt(x).sum()                                  # nan of a negative number
    line_of(error, "nan of a negative number")


def test_nan_of_infinities_is_reported_also_where_infinities_are_let_through():
    x = leaf(0.0)
    with pytest.raises(AnomalyError, match="subtract: the first NaN") as error, fa.detect_anomaly(check_inf=False):
        y = fa.log(x)
        y - y                                             # inf - inf
    line_of(error, "inf - inf")
    assert "input 0 of shape (1,): holds infinities" in str(error.value)


def test_what_was_given_is_told_apart():
    with pytest.raises(AnomalyError, match="the NaN was given, and no operation that was recorded here made it"), fa.detect_anomaly():
        leaf(1.0) * np.nan
    with fa.detect_anomaly():                             # a mask of -inf is no anomaly
        x = leaf(1.0, 2.0)
        y = fa.softmax(fa.where(np.array([True, False]), x, -np.inf))
        y[0].backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_what_is_checked_can_be_chosen():
    x = leaf(0.0)
    with fa.detect_anomaly(check_inf=False):
        assert fa.log(x).item() == -np.inf
    with fa.detect_anomaly(check_nan=False), pytest.raises(AnomalyError, match="infinity"):
        fa.log(x)
    with fa.detect_anomaly(check_nan=False, check_inf=False):
        assert np.isnan(fa.log(x - 1).item())


def test_overflow_of_float32():
    with pytest.raises(AnomalyError, match="exp: the first infinity"), fa.detect_anomaly():
        fa.exp(fa.tensor(np.float32(100), requires_grad=True))


def test_fastads_own_python_frames_are_skipped():
    """norm and Linear are Python inside the package: the line is that of their caller."""
    model = fa.nn.Linear(1, 1).double()
    with pytest.raises(AnomalyError) as error, fa.detect_anomaly():
        model(np.full((1, 1), 1e308) * fa.ones(1) * leaf(100.0))         # the first product overflows
    line_of(error, "the first product overflows")
    with pytest.raises(AnomalyError) as error, fa.detect_anomaly():
        fa.nn.Sequential(model, fa.nn.Tanh())(fa.tensor([[np.nan]]))     # inside of modules
    line_of(error, "inside of modules")


# ---- walks ---------------------------------------------------------------------------------------------
def test_the_rule_that_makes_an_infinity_names_the_line_that_recorded_it():
    x = leaf(0.0, 4.0)
    with pytest.raises(AnomalyError, match="sqrt: the backward walk first made an infinity in the rule") as error, fa.detect_anomaly():
        y = x * 3
        z = fa.sqrt(y)                                    # its slope is infinite
        loss = (z * 2).sum()
        loss.backward()
    line_of(error, "its slope is infinite")
    assert "input 0 of shape (2,): 1 of 2 elements; cotangent 0 of shape (2,): finite" in str(error.value)
    assert x.grad is None


def test_a_nan_that_comes_of_a_finite_cotangent():
    """The classic: where() does not keep the derivative of the branch not taken from 0 * inf."""
    x = leaf(0.0, 4.0)
    with pytest.raises(AnomalyError, match="sqrt: the backward walk first made a NaN") as error, fa.detect_anomaly():
        y = fa.where(np.array([False, True]), fa.sqrt(x), 0.0)           # 0 * inf
        y.sum().backward()
    line_of(error, "0 * inf")


@pytest.mark.parametrize("create_graph", [False, True])
def test_recording_walks_too(create_graph):
    x = leaf(0.0)
    with pytest.raises(AnomalyError, match="power: the backward walk first made an infinity") as error, fa.detect_anomaly():
        y = x ** 0.7                                      # 0 ** -0.3
        y.backward(create_graph=create_graph)
    line_of(error, "0 ** -0.3")


def test_second_derivatives_name_the_line_whose_rule_was_recorded():
    """The first derivative of x ** 1.5 at 0 is 0, the second infinite; the operations of the rule have the line of its node."""
    x = leaf(0.0)
    with pytest.raises(AnomalyError, match="the backward walk first made an infinity") as error, fa.detect_anomaly():
        y = x ** 1.5                                      # twice
        g, = fa.autograd.grad(y, x, create_graph=True)
        g.backward()
    line_of(error, "twice")


def test_forward_walks():
    x = leaf(0.0, 1.0)
    for recording in (False, True):
        with pytest.raises(AnomalyError, match="sqrt: the forward walk first made an infinity") as error, fa.detect_anomaly():
            y = fa.sqrt(x)                                # tangent
            make.push([x], [y], [fa.ones(2)], 0, recording)
        line_of(error, "tangent")


def test_transforms():
    with pytest.raises(AnomalyError) as error, fa.detect_anomaly():
        fa.grad(lambda x: fa.sqrt(x) * 1)(0.0)            # grad
    line_of(error, "grad")
    with pytest.raises(AnomalyError) as error, fa.detect_anomaly():
        fa.grad(fa.grad(lambda x: x ** 1.5))(0.0)         # grad of grad
    line_of(error, "grad of grad")


def test_an_intermediate_value_of_a_rule_is_its_own():
    """A recorded rule may pass by infinities that a where() takes out again."""
    x = leaf(1e300, -2.0)
    with fa.detect_anomaly():
        g, = fa.autograd.grad(fa.arctan(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), [0, 0.2], atol=1e-300)


def test_the_seed_and_hooks_are_not_blamed_on_a_rule():
    x = leaf(1.0)
    with pytest.raises(AnomalyError, match=r"cotangent 0 of shape \(1,\): holds NaN\nthe NaN was given"), fa.detect_anomaly():
        (x * 2).backward(fa.tensor([np.nan]))
    y = x * 2
    y.register_hook(lambda g: g * np.nan)
    with pytest.raises(AnomalyError, match="the NaN was given"), fa.detect_anomaly():
        (y * 3).backward()


def test_a_graph_from_outside_has_no_line():
    x = leaf(0.0)
    y = fa.sqrt(x)
    with pytest.raises(AnomalyError, match="a line outside of detect_anomaly") as error, fa.detect_anomaly():
        y.backward()
    assert error.value.line is None and error.value.operation == "sqrt"


# ---- the block -----------------------------------------------------------------------------------------
def test_nothing_is_left_behind():
    x = leaf(0.0)
    with fa.detect_anomaly(), contextlib.suppress(AnomalyError):
        fa.log(x)
    y = fa.log(x)
    assert y.item() == -np.inf and y.grad_fn.line is None
    y.backward()
    assert x.grad.item() == np.inf


def test_the_results_are_the_same_inside():
    def gradients():
        fa.manual_seed(0)
        model = fa.nn.Sequential(fa.nn.Linear(4, 8), fa.nn.Tanh(), fa.nn.Linear(8, 3))
        loss = fa.cross_entropy(model(fa.tensor(np.arange(20.0, dtype=np.float32).reshape(5, 4) / 7)), np.array([0, 1, 2, 0, 1]))
        loss.backward()
        return [p.grad.numpy() for p in model.parameters()]

    plain = gradients()
    with fa.detect_anomaly():
        checked = gradients()
    for a, b in zip(plain, checked, strict=True):
        np.testing.assert_array_equal(a, b)


def test_nested_blocks_and_one_that_is_entered_twice():
    x, block = leaf(0.0), fa.detect_anomaly()
    with block:
        with block, fa.detect_anomaly(check_inf=False):
            pass
        with pytest.raises(AnomalyError):
            fa.log(x)
    fa.log(x)
    with pytest.raises(RuntimeError, match="detect_anomaly: left by a thread that did not enter it"):
        block.__exit__(None, None, None)


def test_as_a_decorator():
    @fa.detect_anomaly()
    def f(x):
        return fa.log(x)

    @fa.detect_anomaly()
    def steps(x):
        yield 1
        yield fa.log(x)

    x = leaf(0.0)
    with pytest.raises(AnomalyError):
        f(x)
    made = steps(x)
    next(made)
    assert fa.log(x).item() == -np.inf                    # the generator rests outside
    with pytest.raises(AnomalyError):
        next(made)
    with pytest.raises(TypeError, match=r"@fastad\.detect_anomaly\(\)"):
        fa.detect_anomaly(f)


def test_per_thread():
    x, found = leaf(0.0), []

    def other():
        try:
            fa.log(x).backward()
            found.append("nothing")
        except AnomalyError:
            found.append("anomaly")

    with fa.detect_anomaly():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == ["nothing"]


def test_with_a_trace_inside():
    with fa.detect_anomaly():
        t = fa.trace(lambda x: fa.log(x) * x)(2.0)
        assert t["v0"].adjoint == pytest.approx(np.log(2) + 1)
        with pytest.raises(AnomalyError):
            fa.trace(fa.log)(0.0)
    assert fa.trace(fa.log)(0.0)["v1"].value == -np.inf


def test_several_outputs_are_looked_at():
    """Views are recorded on another way than dense outputs: `another` in tape.pyx."""
    x = leaf(0.0, 1.0)
    seen = []

    class Look:
        def recorded(self, out, inputs, within):
            seen.append((out.grad_fn.name, out.shape, [i.shape for i in inputs]))

        def ruled(self, *told):
            pass

    look = Look()
    tape.observe(look)
    try:
        x.reshape(2, 1)
        y, z = fa.ones((3, 2)).requires_grad_().T, x[::-1]
    finally:
        tape.unobserve(look)
    assert seen == [("reshape", (2, 1), [(2,)]), ("transpose", (2, 3), [(3, 2)]), ("getitem", (2,), [(2,)])]
    assert y.shape == (2, 3) and z.tolist() == [1.0, 0.0]


def test_the_second_of_several_outputs():
    @fa.extend.primitive
    def both(x):
        with np.errstate(all="ignore"):
            return x * 2, np.log(x)

    fa.extend.defvjp(both, lambda ans, x: lambda g: g[0] * 2 + g[1] / x)
    with pytest.raises(AnomalyError, match="both: the first infinity") as error, fa.detect_anomaly():
        both(leaf(0.0))                                   # its logarithm
    line_of(error, "its logarithm")
    assert "output of shape (1,): 1 of 1 elements; input 0 of shape (1,): finite" in str(error.value)
    with pytest.raises(AnomalyError, match="both: the backward walk first made an infinity") as error, fa.detect_anomaly():
        y, z = both(leaf(5e-324))                         # its slope
        (y + z).backward()
    line_of(error, "its slope")
    assert "cotangent 0 of shape (1,): finite; cotangent 1 of shape (1,): finite" in str(error.value)


def test_an_error_in_an_observer_stops_the_operation():
    class Refuse:
        def recorded(self, out, inputs, within):
            raise KeyError("no")

        def ruled(self, *told):
            raise KeyError("no rule")

    refuse, x = Refuse(), leaf(1.0)
    y = x * 2
    tape.observe(refuse)
    try:
        with pytest.raises(KeyError, match="no"):
            x * 2
        with pytest.raises(KeyError, match="no rule"):
            y.backward()
    finally:
        tape.unobserve(refuse)
    assert fa.is_grad_enabled()
    (x * 2).backward()


def test_a_line_of_a_program(tmp_path):
    """In a process of its own, where nothing but the program runs."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent("""\
        import fastad as fa
        x = fa.tensor([0.0], requires_grad=True)
        with fa.detect_anomaly():
            y = fa.sqrt(x) + 1
            y.backward()
        """))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"AnomalyError: sqrt: the backward walk first made an infinity in the rule of this operation, recorded at\n  {program}:4, " \
           "in <module>: y = fa.sqrt(x) + 1" in done.stderr


def test_the_second_call_of_a_checkpoint_names_the_line():
    state = {"sign": 1.0}

    def f(x):
        y = x * state["sign"]
        return fa.log(y)                                       # here

    def root(x):
        return fa.sqrt(x * 1.0)                                # and here

    x = fa.tensor(1.0, requires_grad=True)
    y = fa.checkpoint(f)(x)
    state["sign"] = -1.0
    with pytest.raises(AnomalyError, match="log: the first NaN came out of this operation") as error, fa.detect_anomaly():
        y.backward()
    assert "return fa.log(y)" in str(error.value) and error.value.line[2] == "f"
    for inside in (True, False):                               # of the call, that of the walk is inside
        zero = fa.tensor(0.0, requires_grad=True)
        z = None if inside else fa.checkpoint(root)(zero)
        with pytest.raises(AnomalyError, match="the backward walk first made an infinity") as error, fa.detect_anomaly():
            (fa.checkpoint(root)(zero) if inside else z).backward()
        assert "return fa.sqrt(x * 1.0)" in str(error.value) and error.value.operation == "sqrt"
