"""Module: hooks beside PyTorch's, members by name, dtypes, states; containers; the equations of the texts through hooks."""
import copy
import pickle
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest

import fastad as fa
from fastad import nn

try:
    import torch
except ImportError:
    torch = None
with_torch = pytest.mark.skipif(torch is None, reason="PyTorch is the oracle")
RNG = np.random.default_rng(11)


def close(a, b, tol=1e-12):
    np.testing.assert_allclose(a.detach().numpy() if isinstance(a, fa.Tensor) else a, b, rtol=tol, atol=tol)


def net64(*widths, activation=nn.Tanh):
    layers = [nn.Linear(i, o, dtype="float64") for i, o in pairwise(widths)]
    return nn.Sequential(*[m for layer in layers for m in (layer, activation())])


# ---- forward hooks -----------------------------------------------------------------------------------
def test_forward_hooks_in_order_and_removed():
    layer, seen = nn.Linear(2, 3, dtype="float64"), []
    plain = type(layer)
    x = fa.tensor([1.0, 2.0])
    want = layer(x).detach().numpy()
    first = layer.register_forward_hook(lambda m, args, y: seen.append(("a", m is layer, args[0] is x, y.shape)))
    second = layer.register_forward_hook(lambda m, args, y: seen.append(("b",)) or y * 2, prepend=True)
    third = layer.register_forward_pre_hook(lambda m, args: seen.append(("pre", args[0] is x)))
    close(layer(x), 2 * want)
    assert seen == [("pre", True), ("b",), ("a", True, True, (3,))]
    assert isinstance(layer, nn.Linear) and repr(layer) == "Linear(in_features=2, out_features=3, bias=True)"
    second.remove()
    close(layer(x), want)
    first.remove()
    third.remove()
    first.remove()                                    # twice is no mistake
    assert type(layer) is plain and len(seen) == 5
    close(layer(x), want)


def test_a_hook_twice_is_called_twice_and_a_handle_removes_its_own():
    layer, seen = nn.Identity(), []
    def hook(*_):
        seen.append(1)
    one, two = layer.register_forward_hook(hook), layer.register_forward_hook(hook)
    layer(fa.ones(1))
    two.remove()
    layer(fa.ones(1))
    with one:
        layer(fa.ones(1))
    layer(fa.ones(1))
    assert len(seen) == 4


def test_keywords_and_replaced_arguments():
    class Scale(nn.Module):
        def forward(self, x, *, factor=1.0):
            return x * factor

    m, seen = Scale(), []
    with m.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": kwargs["factor"] + 1}), with_kwargs=True), \
            m.register_forward_hook(lambda m, args, kwargs, y: seen.append(dict(kwargs)), with_kwargs=True):
        assert m(fa.tensor(2.0), factor=2.0).item() == 6
    assert seen == [{"factor": 3.0}]
    with m.register_forward_pre_hook(lambda m, args: (args[0] * 10,)):
        assert m(fa.tensor(2.0)).item() == 20
    with m.register_forward_pre_hook(lambda m, args, kwargs: 5, with_kwargs=True), pytest.raises(RuntimeError, match="pair"):
        m(fa.tensor(2.0))
    with pytest.raises(TypeError, match="register_forward_hook: expected a function, got int"):
        m.register_forward_hook(5)


def test_hooks_that_are_always_called():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    m, seen = Broken(), []
    m.register_forward_hook(lambda m, args, y: seen.append("only if it works"))
    m.register_forward_hook(lambda m, args, y: seen.append(y), always_call=True)
    with pytest.raises(ValueError, match="no"):
        m(fa.ones(1))
    assert seen == [None]


def test_hooks_inside_of_networks_and_of_recurrent_layers():
    net, seen = net64(2, 3, 1), []
    for name, module in net.named_modules():
        module.register_forward_hook(lambda m, args, y, name=name: seen.append(name))
    net(fa.ones(2))
    assert seen == ["0", "1", "2", "3", ""]
    rnn = nn.LSTM(2, 3)
    rnn.register_forward_hook(lambda m, args, y: seen.append(y[1][0].shape))
    rnn(fa.ones((4, 1, 2), dtype="float32"))
    assert seen[-1] == (1, 1, 3)


def test_a_class_with_a_call_of_its_own_keeps_it():
    class Own(nn.Module):
        def __call__(self, x):
            return self.forward(x) + 1

        def forward(self, x):
            return x * 2

    m = Own()
    with m.register_forward_hook(lambda m, args, y: y * 10):
        assert m(fa.tensor(1.0)).item() == 30
    assert m(fa.tensor(1.0)).item() == 3


@pytest.mark.parametrize("how", (copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))))
def test_copies_keep_their_hooks_and_are_apart(how):
    layer = nn.Linear(2, 2, dtype="float64")
    handle = layer.register_forward_hook(doubled)
    x = fa.tensor([1.0, 2.0])
    twin = how(layer)
    close(twin(x), layer(x).detach().numpy())
    handle.remove()
    close(twin(x), 2 * layer(x).detach().numpy())
    assert isinstance(twin, nn.Linear) and type(layer) is nn.Linear


def doubled(module, args, y):
    return y * 2


# ---- backward hooks ----------------------------------------------------------------------------------
class Two(nn.Module):
    def forward(self, a, b):
        return a * b * self.w, (a + 1) * self.w


def values(gradients):
    return [None if g is None else np.array(g.tolist()) for g in gradients]


@with_torch
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("case", ("both", "one input", "one output", "constant", "number"))
def test_full_backward_hooks_see_what_pytorchs_see(case):
    class TorchTwo(torch.nn.Module):
        forward = Two.forward

    found = {}
    for space, m, make in ((fa, Two(), fa.tensor), (torch, TorchTwo(), torch.tensor)):
        seen = found[space] = []
        m.w = make([2.0, 3.0], requires_grad=True)
        m.register_full_backward_pre_hook(lambda m, g, seen=seen: seen.append(values(g)))
        m.register_full_backward_hook(lambda m, gi, go, seen=seen: seen.append(values(gi) + values(go)))
        a = make([1.0, 2.0], requires_grad=case != "constant")
        b = 7.0 if case == "number" else make([3.0, 4.0], requires_grad=case not in ("constant", "one input"))
        y, z = m(a, b)
        (y * 2).sum().backward() if case == "one output" else (y * 2 + z * z).sum().backward()
    ours, theirs = found[fa], found[torch]
    assert len(ours) == len(theirs) > 0
    for o, t in zip(ours, theirs, strict=True):
        for x, y in zip(o, t, strict=True):
            if x is None:
                assert y is None or not y.any()           # PyTorch has zeros for what requires no gradient
            else:
                np.testing.assert_allclose(x, y)


def test_backward_hooks_replace_gradients_and_leave_others_alone():
    layer = nn.Linear(2, 2, bias=False, dtype="float64")
    x = fa.tensor([1.0, -2.0], requires_grad=True)
    other = x * 5                                     # x is used elsewhere too: the hook does not see that
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0 + 1,))
    (layer(x).sum() + other.sum()).backward()
    assert x.grad.tolist() == [6, 6]
    layer.zero_grad()
    with layer.register_full_backward_pre_hook(lambda m, go: go[0] * 3):
        layer(x).sum().backward()
    close(layer.weight.grad, 3 * np.array([[1, -2], [1, -2.0]]))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0][:1],))
    with pytest.raises(RuntimeError, match="full_backward hook must return None or a gradient for each"):
        layer(x).sum().backward()


def test_hooked_modules_have_the_same_derivatives_in_both_modes_and_orders():
    from fastad.testing import check_grads
    net, seen = net64(3, 4, 2), []
    for m in net:
        m.register_full_backward_hook(lambda m, gi, go: seen.append(gi[0].shape))
        m.register_forward_hook(lambda m, args, y: None)
    check_grads(lambda x: net(x), (RNG.normal(size=(2, 3)),), order=2)
    plain = copy.deepcopy(net)
    for m in plain:
        m._hooks["full_backward"].clear()
    x = RNG.normal(size=3)
    close(fa.jacobian(net)(x), fa.jacobian(plain)(x))
    close(fa.hessian(lambda x: net(x).sum())(x), fa.hessian(lambda x: plain(x).sum())(x))
    _, t = fa.jvp(net, (x,), (np.ones(3),))
    close(t, fa.jacobian(plain)(x) @ np.ones(3))
    assert seen


def test_hooks_without_gradients():
    layer, seen = nn.ReLU(), []
    layer.register_full_backward_hook(lambda *a: seen.append(1))
    x = fa.tensor([1.0])
    assert layer(x).requires_grad is False
    with fa.no_grad():
        assert layer(fa.tensor([1.0], requires_grad=True)).requires_grad is False
    assert not seen


@pytest.mark.parametrize("depth", (1, 3, 6))
def test_the_four_equations_of_backpropagation_through_module_hooks(depth):
    """Output error, error carried back through W^T, bias gradient, weight gradient: layer by layer."""
    widths = [3] + [5] * (depth - 1) + [2]
    net = net64(*widths, activation=nn.Sigmoid)
    layers, errors, inputs, outputs = list(net)[::2], {}, {}, {}
    for k, (layer, act) in enumerate(zip(net[::2], net[1::2], strict=True)):
        layer.register_full_backward_hook(lambda m, gi, go, k=k: errors.__setitem__(k, (gi[0], go[0].numpy().copy())))
        layer.register_forward_pre_hook(lambda m, args, k=k: inputs.__setitem__(k, args[0].detach().numpy().copy()))
        act.register_forward_hook(lambda m, args, y, k=k: outputs.__setitem__(k, y.detach().numpy().copy()))
    x, y = fa.tensor(RNG.normal(size=3), requires_grad=True), np.array([0.2, 0.9])
    nn.HalfSquaredErrorLoss()(net(x), y).backward()
    delta = (outputs[depth - 1] - y) * outputs[depth - 1] * (1 - outputs[depth - 1])
    for k in reversed(range(depth)):
        W = layers[k].weight.detach().numpy()
        close(errors[k][1], delta)
        close(layers[k].bias.grad, delta)
        close(layers[k].weight.grad, np.outer(delta, inputs[k]))
        close(errors[k][0], W.T @ delta)
        if k:
            delta = W.T @ delta * outputs[k - 1] * (1 - outputs[k - 1])
    close(x.grad, W.T @ delta)


# ---- members -----------------------------------------------------------------------------------------
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        self.head = nn.Linear(3, 1)
        self.tied = self.head
        self.register_buffer("steps", fa.tensor([0]))
        self.register_parameter("none", None)

    def forward(self, x):
        return self.head(self.body(x))


def test_members_by_name():
    net = Net()
    assert net.get_submodule("") is net and net.get_submodule("body.1") is net.body[1]
    assert net.get_parameter("body.0.weight") is net.body[0].weight and net.get_buffer("steps") is net.steps
    for call, message in ((lambda: net.get_submodule("body.7"), r"Net has no module 'body.7': Sequential has no member '7'.* 0, 1"),
                          (lambda: net.get_parameter("head.wait"), "Net has no parameter 'head.wait': Linear has weight, bias"),
                          (lambda: net.get_parameter("none"), "no parameter 'none'"),
                          (lambda: net.get_buffer("head.weight"), "no buffer 'head.weight'")):
        with pytest.raises(AttributeError, match=message):
            call()
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)][-2:] == ["tied.weight", "tied.bias"]
    assert len(list(net.named_parameters())) == 4
    assert [n for n, _ in net.named_modules(remove_duplicate=False)][-2:] == ["head", "tied"]


def test_dtypes():
    net = Net()
    assert net.to("float64") is net and net.head.weight.dtype == np.float64 and net.steps.dtype == np.int64
    assert net.to(fa.ones(1, dtype="float32")).head.weight.dtype == np.float32
    assert net.half().head.weight.dtype == np.float16
    assert net.to("cpu").double().head.weight.dtype == np.float64
    with pytest.raises(TypeError, match="float"):
        net.to("int64")
    with pytest.raises(TypeError, match="to: expected a float dtype or a tensor, got 'cuda'; there is no device but 'cpu'"):
        net.to("cuda")


def test_states():
    net = Net()
    state = net.state_dict(prefix="net.", keep_vars=True)
    assert state["net.head.weight"] is net.head.weight and "net.steps" in state
    assert net.state_dict()["head.weight"] is not net.head.weight
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    bad = dict(before) | {"body.0.weight": np.ones((2, 3)), "more": np.ones(1)}
    del bad["head.bias"]
    for strict in (True, False):                      # a wrong shape is never passed over
        with pytest.raises(RuntimeError, match=r"body.0.weight: shape \(2, 3\) given, \(3, 2\) expected"):
            net.load_state_dict(bad, strict=strict)
    with pytest.raises(RuntimeError, match=r"missing: head.bias; unexpected: more"):
        net.load_state_dict(bad)
    assert all((v.numpy() == before[k]).all() for k, v in net.state_dict().items())
    for wrong, message in ((net, "got Net; give its state_dict"), ([1], "got list")):
        with pytest.raises(TypeError, match=message):
            net.load_state_dict(wrong)
    bad["body.0.weight"] = before["body.0.weight"] + 1
    assert net.load_state_dict(bad, strict=False) == (["head.bias"], ["more"])
    close(net.body[0].weight, before["body.0.weight"] + 1)


# ---- containers --------------------------------------------------------------------------------------
KINDS = (nn.Identity, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU)


def names_of(m):
    return [type(x).__name__ for x in m], list(m._modules)


@pytest.mark.parametrize("kind", (nn.ModuleList, lambda items: nn.Sequential(*items)))
def test_list_habits_are_a_lists(kind):
    ours, theirs = kind([k() for k in KINDS[:3]]), [k.__name__ for k in KINDS[:3]]

    def check():
        assert names_of(ours) == (theirs, [str(i) for i in range(len(theirs))])
        assert all(getattr(ours, str(i)) is m for i, m in enumerate(ours)) and len(ours) == len(theirs)

    for step in (lambda x, make: x.append(make(3)), lambda x, make: x.insert(1, make(4)), lambda x, make: x.insert(-1, make(0)),
                 lambda x, make: x.insert(99, make(1)), lambda x, make: x.insert(-99, make(2)), lambda x, make: x.extend([make(0), make(1)]),
                 lambda x, make: x.__delitem__(2), lambda x, make: x.__delitem__(-1), lambda x, make: x.__delitem__(slice(1, 4, 2)),
                 lambda x, make: x.pop(1), lambda x, make: x.pop(), lambda x, make: x.__setitem__(-1, make(4)),
                 lambda x, make: x.__iadd__([make(3)])):
        step(ours, lambda i: KINDS[i]())
        step(theirs, lambda i: KINDS[i].__name__)
        check()
    assert names_of(ours[1:3])[0] == theirs[1:3] and type(ours[-1]).__name__ == theirs[-1]
    both = ours + [nn.Mish()]  # noqa: RUF005
    assert type(both) is type(ours) and len(both) == len(ours) + 1 and both[0] is ours[0]
    for call, error, message in ((lambda: ours[99], IndexError, "index 99 is out of range"), (lambda: ours.pop(-99), IndexError, "-99"),
                                 (lambda: ours.insert(0, fa.relu), TypeError, "must be a Module"),
                                 (lambda: ours.append(None), TypeError, "Module"),
                                 (lambda: ours.extend(5), TypeError, "extend: expected a list"),
                                 (lambda: ours["0"], TypeError, "integer")):
        before = names_of(ours)
        with pytest.raises(error, match=message):
            call()
        assert names_of(ours) == before


def test_sequential_by_names_keeps_them():
    net = nn.Sequential(OrderedDict(first=nn.ReLU(), second=nn.Tanh()))
    net.insert(1, nn.GELU())
    assert names_of(net) == (["ReLU", "GELU", "Tanh"], ["first", "2", "second"])
    del net[0]
    assert list(net._modules) == ["2", "second"] and net.append(nn.Mish())._modules["3"] is net[-1]
    assert len(net * 3) == 9 and (net * 2)[0] is net[0] and list(net[:2]._modules) == ["2", "second"]
    with pytest.raises(ValueError, match="0 times"):
        net * 0
    assert net(fa.tensor(0.5)).shape == ()


def test_module_list_and_dict_are_found():
    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.list = nn.ModuleList([nn.Linear(2, 2)])
            self.dict = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.ReLU()})
            self.weights = nn.ParameterList([np.ones(2), fa.zeros(3)])
            self.named = nn.ParameterDict({"left": np.ones(2)})

    net = Many()
    assert [n for n, _ in net.named_parameters()] == ["list.0.weight", "list.0.bias", "dict.a.weight", "dict.a.bias", "weights.0",
                                                      "weights.1", "named.left"]
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        net.list(1)
    assert repr(net) == """Many(
  (list): ModuleList(
    (0): Linear(in_features=2, out_features=2, bias=True)
  )
  (dict): ModuleDict(
    (a): Linear(in_features=2, out_features=1, bias=True)
    (b): ReLU()
  )
  (weights): ParameterList(
    (0): Parameter of shape (2,), float64
    (1): Parameter of shape (3,), float64
  )
  (named): ParameterDict((left): Parameter of shape (2,), float64)
)"""
    twin = copy.deepcopy(net)
    twin.weights[0].detach().fill_(5)
    assert net.weights[0].tolist() == [1, 1] and net.eval().dict["b"].training is False


def test_dicts():
    d, e = nn.ModuleDict(), {}
    a, b, c = nn.ReLU(), nn.Tanh(), nn.GELU()
    for step in (lambda x: x.update({"one": a, "two": b}), lambda x: x.update([("three", c)]), lambda x: x.__setitem__("two", c),
                 lambda x: x.pop("one"), lambda x: x.setdefault("four", a), lambda x: x.setdefault("four", b),
                 lambda x: x.__delitem__("two"), lambda x: x.popitem(), lambda x: x.__setitem__("two", b)):
        step(d)
        step(e)
        assert list(d.items()) == list(e.items()) and list(d) == list(d.keys()) == list(e) and list(d.values()) == list(e.values())
        assert len(d) == len(e) and ("two" in d) == ("two" in e) and d.get("nine") is None
    d.clear()
    assert len(d) == 0
    for call, error, message in ((lambda: d["nine"], KeyError, "nine"), (lambda: d.__delitem__("nine"), KeyError, "nine"),
                                 (lambda: d.update(5), TypeError, "mapping"), (lambda: d.__setitem__("x", 5), TypeError, "Module"),
                                 (lambda: d.__setitem__("a.b", a), ValueError, "dots"), (lambda: d.popitem(), KeyError, "no member"),
                                 (lambda: d.__setitem__("pop", a), ValueError, "already has an attribute 'pop'")):
        with pytest.raises(error, match=message):
            call()


def test_parameter_lists_and_dicts():
    p = nn.Parameter(fa.ones(2))
    many = nn.ParameterList([p]).append(fa.zeros(3)).extend([np.ones(1)])
    assert many[0] is p and all(isinstance(x, nn.Parameter) and x.requires_grad for x in many)
    many[1] = np.full(3, 7.0)
    assert many[1].tolist() == [7, 7, 7] and isinstance(many[1], nn.Parameter) and len(many[1:]) == 2
    many.insert(0, fa.ones(4))
    assert [q.size for q in many] == [4, 2, 3, 1] and many[1] is p and list(dict(many.named_parameters())) == ["0", "1", "2", "3"]
    d = nn.ParameterDict([("w", p)])
    d["v"] = fa.zeros(1)
    d["w"] = fa.zeros(2)
    assert list(d) == ["w", "v"] and d["w"] is not p and isinstance(d["w"], nn.Parameter)
    assert nn.ParameterDict({"none": None})["none"] is None
