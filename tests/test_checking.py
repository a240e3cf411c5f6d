"""check_grads, gradcheck and gradgradcheck: what is right passes, and every kind of wrong derivative is found and named."""
import collections
import re

import numpy as np
import pytest

import fastad as fa
from fastad.testing import GradcheckError, check_grads, gradcheck, gradgradcheck


class Wrong:
    """A function whose derivatives are wrong as asked: its value is of one tensor, the way on the tape of another.

    y = value(x), with the derivatives of taped(x)."""

    def __init__(self, value, taped):
        self.value, self.taped = value, taped

    def __call__(self, x):
        y = self.taped(x)
        return y + (self.value(x) - y).detach()


def leaf(*numbers):
    return fa.tensor(np.array(numbers), requires_grad=True)


def message(*args, **kwargs):
    with pytest.raises(GradcheckError) as error:
        check_grads(*args, **kwargs)
    return str(error.value)


# ---- what is right -------------------------------------------------------------------------------------
Pair = collections.namedtuple("Pair", "left right")


@pytest.mark.parametrize(("f", "args"), [
    (lambda x: fa.sin(x) * x, (0.7,)),
    (lambda x, y: fa.tanh(x @ y), (np.arange(6.0).reshape(2, 3) / 5, np.ones((3, 2)) / 3)),
    (lambda p: {"a": fa.exp(p["w"][0]) * p["w"][1], "b": [p["c"].right ** 3, 7]},
     ({"w": [0.3, np.array([1.0, 2.0])], "c": Pair(1.0, 2.0)},)),
    (lambda x, n, name: x[n] ** 2, (np.array([1.0, 2.0]), np.array([1]), "of no matter")),
    (fa.softmax, (np.array([[0.1, 2.0, -1.0]]),)),
    (lambda x: fa.grad(lambda z: (fa.sin(z) * z).sum())(x), (np.array([0.2, 1.0]),)),
    (lambda z, x: (z * x / (z + 3)).sum(), (np.array([1 + 2j, 0.5 - 1j]), 2.0)),
    (fa.exp, (1 + 2j,)),
    (lambda x: x.reshape(0, 3).sum() + 2 * x.sum(), (np.zeros((0,)),)),
], ids=range(9))
def test_right_derivatives_pass(f, args):
    check_grads(f, args, order=3 if len(args) == 1 else 2)


def test_a_value_of_less_precision_wants_a_larger_step():
    def f(x):
        return (x * x).astype(np.float32)

    check_grads(f, (np.array([1.0, 2.0]),), order=1, eps=1e-2, atol=1e-3, rtol=1e-3)
    assert "use a larger eps" in message(f, (np.array([1.0, 2.0]),), order=1)


def test_large_and_small_numbers():
    check_grads(lambda x: fa.sqrt(x).sum(), (np.array([1e8, 1e-2]),), order=1)


# ---- what is wrong -------------------------------------------------------------------------------------
def test_a_wrong_derivative_names_the_entry_both_values_and_the_step():
    f = Wrong(lambda x: x ** 3, lambda x: x ** 3 + fa.tensor([0.0, 0.5, 0.0]) * x)
    text = message(f, (np.array([1.0, 2.0, 3.0]),), modes=("rev",))
    lines = text.split("\n")
    assert lines[0] == "check_grads of Wrong, order 1, reverse mode: 1 of 9 entries differ from central differences (atol 1e-06, rtol 1e-05)"
    assert lines[1].startswith("  dy[1]/dx[1]: fastad 12.5, difference 12") and "(step 2e-06): the rule of an operation is wrong" in lines[1]
    assert "forward mode" in message(f, (np.array([1.0, 2.0, 3.0]),))


def test_entries_of_containers_are_named():
    f = Wrong(lambda p: p["w"][0][1] * 2, lambda p: p["w"][0][1] * 3)
    text = message(lambda p: {"out": (1.0, f(p))}, ({"w": [np.array([[1.0, 2.0], [3.0, 4.0]])]},))
    found = dict(re.findall(r"^  (.*): fastad 3, difference (\S+) ", text, re.M))
    assert list(found) == ["dy['out'][1][0]/dp['w'][0][1, 0]", "dy['out'][1][1]/dp['w'][0][1, 1]"]
    assert [float(number) for number in found.values()] == pytest.approx([2, 2])


def test_only_some_entries_are_printed():
    text = message(Wrong(lambda x: x * 2, lambda x: x * 3), (np.ones(20),))
    assert "20 of 400 entries" in text and text.count("fastad 3") == 5 and text.endswith("and 15 more")


def test_an_error_of_second_order_only():
    """The value and the first derivative are right here, the second is not."""
    def f(x):
        return x ** 2 + 0.5 * (x - x.detach()) ** 2

    check_grads(f, (1.5,), order=1)
    assert "order 2, forward over forward mode" in message(f, (1.5,))
    text = message(f, (1.5,), modes=("rev",))
    assert "order 2, reverse over reverse mode" in text and "d(adjoint of x)/dx" in text


def test_complex_derivatives_that_are_wrong():
    f = Wrong(lambda z: z * z, lambda z: z * z * (1 + 0.5j))
    text = message(f, (np.array([1 + 2j]),))
    assert "dy[0]/dz" not in text and "dy[0]/dx[0]: fastad 0, difference 2" in text      # Re((1 + 0.5j) 2z) = 2 - 2 = 0
    assert "d(imag y[0])/dx[0]: fastad 5, difference 4" in text and "dy[0]/d(imag x[0])" in text


def test_modes_that_disagree(monkeypatch):
    """A forward rule that is off by less than differences can see."""
    from fastad._core import make
    push = make.push

    def off(*args):
        return [t * (1 + 3e-7) for t in push(*args)]

    monkeypatch.setattr(make, "push", off)
    check_grads(fa.sin, (1.0,), order=1, modes=("fwd",), rtol=1e-4)
    with pytest.raises(GradcheckError, match=r"the two modes disagree: dy/dx is 0\.5403\d+ forward, 0\.5403\d+ in reverse"):
        check_grads(fa.sin, (1.0,), order=1, rtol=1e-4)


def test_a_rule_that_fails_only_for_several_tangents_at_once(monkeypatch):
    from fastad._core import make
    pull = make.pull

    def off(outputs, inputs, cotangents, lead, *rest):
        found = pull(outputs, inputs, cotangents, lead, *rest)
        return [None if g is None else g * (1 + lead) for g in found]

    monkeypatch.setattr(make, "pull", off)
    assert "order 1, reverse mode, all in one walk" in message(fa.sin, (1.0,))
    assert gradcheck(fa.sin, leaf(1.0))
    with pytest.raises(GradcheckError, match="all in one walk"):
        gradcheck(fa.sin, leaf(1.0), check_batched_grad=True)


# ---- reasons -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("f", "x", "expected"), [
    (fa.relu, 0.0, "the function has a kink here: its slope is 0 on the left, 1 on the right"),
    (lambda x: abs(x), 2e-7, "with step 1.25e-07 they agree: a kink is near, or the function bends much; use a smaller eps"),
    (lambda x: fa.sqrt(x), 1e-8, "the function is not finite within the step"),
    (lambda x: fa.tensor(x.detach().numpy() ** 2), 3.0, "the output is not on the tape, though it depends on the input"),
    (lambda x: fa.where(x.detach() > 0, 1.0, 0.0) + x * 0, 0.0, "the difference quotient grows as the step shrinks"),
    (lambda x: x.detach() * x, 3.0, "the rule of an operation is wrong, or part of the function is hidden from the tape"),
    (lambda x: (x + 1e9) - 1e9, 1.0, "they agree: the difference is lost in rounding; use a larger eps"),
], ids=["kink", "near a kink", "not finite", "not on the tape", "jump", "detached", "rounding"])
@pytest.mark.filterwarnings("ignore:.*no output is on the tape:UserWarning", "ignore:invalid value:RuntimeWarning")
def test_the_report_says_what_is_probably_the_matter(f, x, expected):
    assert expected in message(f, (x,), order=1)


def test_the_kink_in_a_derivative():
    assert "the function jumps here (the derivative of one with a kink does)" in message(fa.abs, (0.0,), modes=("fwd",))


def test_a_function_that_is_random_is_found():
    rng = np.random.default_rng(0)
    assert "two calls with the same arguments gave different values of y" in message(lambda x: x * rng.normal(), (1.0,))


def test_warnings_and_bad_arguments():
    with pytest.warns(UserWarning, match="check_grads of sin: x is float32, whose differences have too few digits") as caught:
        check_grads(fa.sin, (np.float32(1),))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="no output is on the tape") as caught:
        check_grads(lambda x: fa.ones(2), (1.0,))
    assert caught[0].filename == __file__
    for bad, kind in (({"order": 0}, ValueError), ({"modes": ("backwards",)}, ValueError), ({"modes": "fwd"}, ValueError),
                      ({"modes": ()}, ValueError)):
        with pytest.raises(kind, match="check_grads: "):
            check_grads(fa.sin, (1.0,), **bad)
    with pytest.raises(TypeError, match=r"write \(x,\)"):
        check_grads(fa.sin, 1.0)
    with pytest.raises(TypeError, match="no argument has a derivative; they are str"):
        check_grads(fa.sin, ("a",))
    with pytest.raises(TypeError, match="without a tensor"):
        check_grads(lambda x: 3.0, (1.0,))
    with pytest.raises(TypeError, match="expected a function"):
        check_grads(3, (1.0,))
    with pytest.raises(ValueError, match="y is not finite here"):
        check_grads(lambda x: 1 / x, (0.0,))


def test_what_was_passed_is_left_as_it_was():
    a, t = np.array([1.0, 2.0]), leaf(1.0, 2.0)
    check_grads(lambda x, y: (x * y).sum(), (a, t))
    assert a.tolist() == [1.0, 2.0] and t.detach().tolist() == [1.0, 2.0] and t.grad is None
    gradcheck(lambda y: y * y, t)
    assert t.tolist() == [1.0, 2.0] and t.grad is None


# ---- PyTorch's names -----------------------------------------------------------------------------------
def test_gradcheck_passes_what_is_right():
    x, w = leaf(0.1, 2.0), fa.tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=True)
    assert gradcheck(lambda x, w, n: (fa.tanh(w @ x), x * n), (x, w, 3), check_forward_ad=True, check_batched_grad=True,
                     check_batched_forward_grad=True, check_grad_dtypes=True)
    assert gradgradcheck(lambda x, w: fa.tanh(w @ x), (x, w), check_fwd_over_rev=True, check_batched_grad=True)
    assert gradgradcheck(lambda x: (x ** 3, x.detach()), x, gen_non_contig_grad_outputs=True)
    assert gradgradcheck(lambda x: x ** 3, x, grad_outputs=fa.tensor([1.0, -1.0]))
    assert gradcheck(fa.exp, fa.tensor([1 + 1j], requires_grad=True), check_forward_ad=True)


def test_gradcheck_of_parameters_that_the_function_takes_from_elsewhere():
    """The tensors themselves are written to, as in PyTorch."""
    model = fa.nn.Sequential(fa.nn.Linear(3, 4), fa.nn.Tanh(), fa.nn.Linear(4, 1)).double()
    x = fa.tensor(np.random.default_rng(0).normal(size=(2, 3)))
    before = [p.detach().numpy().copy() for p in model.parameters()]
    assert gradcheck(lambda *parameters: model(x), tuple(model.parameters()))
    with pytest.raises(GradcheckError):
        gradcheck(lambda *parameters: Wrong(model, lambda x: model(x) * 1.1)(x), tuple(model.parameters()))
    for p, b in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), b)


@pytest.mark.parametrize("options", [{}, {"check_forward_ad": True, "check_backward_ad": False}, {"fast_mode": True},
                                     {"fast_mode": True, "check_forward_ad": True, "check_backward_ad": False}])
def test_gradcheck_finds_what_is_wrong(options):
    f = Wrong(lambda x: x ** 3, lambda x: x ** 3 + 0.01 * x)
    with pytest.raises(GradcheckError, match="gradcheck of Wrong"):
        gradcheck(f, leaf(1.0, 0.5), **options)
    assert gradcheck(f, leaf(1.0, 0.5), raise_exception=False, **options) is False
    assert gradcheck(lambda x: x ** 3, leaf(1.0, 0.5), **options) is True
    with pytest.raises(RuntimeError):                     # as PyTorch's is
        gradcheck(f, leaf(1.0, 0.5), **options)


@pytest.mark.parametrize("options", [{}, {"fast_mode": True}, {"check_fwd_over_rev": True, "check_rev_over_rev": False}])
def test_gradgradcheck_finds_what_is_wrong(options):
    def f(x):
        return x ** 2 + 0.5 * (x - x.detach()) ** 2       # its second derivative is 3, that of the value 2

    assert gradcheck(f, leaf(1.0, 0.5))
    with pytest.raises(GradcheckError, match="gradgradcheck of the gradient of f"):
        gradgradcheck(f, leaf(1.0, 0.5), **options)
    assert gradgradcheck(f, leaf(1.0, 0.5), raise_exception=False, **options) is False


def test_fast_mode_with_complex_numbers():
    z = fa.tensor([1 + 2j, 0.5j], requires_grad=True)
    options = {"fast_mode": True, "check_forward_ad": True}
    assert gradcheck(lambda z: z * z, z, **options)
    assert not gradcheck(Wrong(lambda z: z * z, lambda z: z * z * 1j), z, raise_exception=False, **options)


def test_gradcheck_of_walks_that_differ():
    state = []

    def f(x):
        y = x * 1
        y.register_hook(lambda g: g * (1 + 1e-9 * (state.append(0) or len(state))))
        return y * 2

    with pytest.raises(GradcheckError, match="two backward walks gave gradients of x that differ by 2e-09, more than nondet_tol 0"):
        gradcheck(f, leaf(1.0))
    assert gradcheck(f, leaf(1.0), nondet_tol=1e-6)


def test_gradcheck_bad_arguments():
    with pytest.raises(ValueError, match="no input is a tensor that requires a gradient"):
        gradcheck(fa.sin, fa.ones(2))
    with pytest.raises(ValueError, match="neither mode is to be checked"):
        gradcheck(fa.sin, leaf(1.0), check_backward_ad=False)
    with pytest.raises(ValueError, match="masked is for sparse tensors"):
        gradcheck(fa.sin, leaf(1.0), masked=True)
    with pytest.raises(ValueError, match="2 grad_outputs for 1 outputs"):
        gradgradcheck(fa.sin, leaf(1.0), grad_outputs=(fa.ones(1), fa.ones(1)))
    with pytest.raises(ValueError, match="no output has a gradient"):
        gradgradcheck(fa.sin, fa.ones(1))
    with pytest.warns(UserWarning, match="float32; without double precision") as caught:
        gradcheck(fa.sin, fa.tensor([1.0], dtype=np.float32, requires_grad=True), eps=1e-2, atol=1e-2)
    assert caught[0].filename == __file__


def test_the_signatures_are_pytorchs():
    import inspect

    torch = pytest.importorskip("torch")
    for name in ("gradcheck", "gradgradcheck"):
        theirs = inspect.signature(getattr(torch.autograd, name)).parameters
        ours = inspect.signature(getattr(fa.autograd, name)).parameters
        assert {n: (p.kind, p.default) for n, p in ours.items()} == {n: (p.kind, p.default) for n, p in theirs.items()}


def test_gradcheck_judges_as_pytorch_does():
    torch = pytest.importorskip("torch")
    for scale in (1.0, 1 + 1e-4, 1 + 5e-3, 2.0):
        f = Wrong(lambda x: x * 2, lambda x, scale=scale: x * 2 * scale)
        ours = gradcheck(f, leaf(1.0, 2.0), raise_exception=False)
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        theirs = torch.autograd.gradcheck(f, x, raise_exception=False)
        assert ours == theirs, scale
