"""Modules and layers: registration, states, the texts' worked networks, and PyTorch's numbers."""
import itertools
from collections import OrderedDict

import numpy as np
import pytest

import fastad as fa
from fastad import nn, optim

RNG = np.random.default_rng(2)


def close(a, b, tol=1e-12):
    np.testing.assert_allclose(a.detach().numpy() if isinstance(a, fa.Tensor) else a, b, rtol=tol, atol=tol)


# ---- the lecture texts' networks ---------------------------------------------------------------------
def test_the_worked_network():
    """2 inputs, 2 sigmoid units, 1 identity output, half squared error: nine gradients in closed form."""
    net = nn.Sequential(nn.Linear(2, 2, dtype="float64"), nn.Sigmoid(), nn.Linear(2, 1, dtype="float64"))
    x, y = np.array([0.7, -0.3]), 0.4
    out = net(fa.tensor(x))
    (0.5 * (out - y) ** 2).sum().backward()
    W, b, w, c = (p.detach().numpy() for p in net.parameters())
    h = 1 / (1 + np.exp(-(W @ x + b)))
    error = (w @ h + c - y)[0]
    hidden = error * w[0] * h * (1 - h)
    for p, want in zip(
        net.parameters(), (np.outer(hidden, x), hidden, error * h[None], np.array([error])), strict=True
    ):
        close(p.grad, want)


def test_identity_layers_collapse_to_one_affine_map():
    widths = (3, 5, 4, 2)
    layers = [nn.Linear(i, o, dtype="float64") for i, o in itertools.pairwise(widths)]
    W, b = np.eye(3), np.zeros(3)
    for layer in layers:
        V, c = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        W, b = V @ W, V @ b + c
    x = RNG.normal(size=(6, 3))
    close(nn.Sequential(*[m for layer in layers for m in (layer, nn.Identity())])(fa.tensor(x)), x @ W.T + b)


@pytest.mark.parametrize("depth", (1, 2, 5))
def test_the_four_equations_of_backpropagation(depth):
    widths = [3] + [4] * (depth - 1) + [2]
    layers = [nn.Linear(i, o, dtype="float64") for i, o in itertools.pairwise(widths)]
    errors, activations, _deltas = {}, [RNG.normal(size=3)], []
    a = fa.tensor(activations[0])
    for k, layer in enumerate(layers):
        z = layer(a)
        z.register_hook(lambda g, k=k: errors.__setitem__(k, g.numpy().copy()))
        a = fa.sigmoid(z)
        activations.append(a.detach().numpy())
    y = np.array([0.2, 0.9])
    (0.5 * (a - y) ** 2).sum().backward()

    slope = [h * (1 - h) for h in activations[1:]]
    delta = (activations[-1] - y) * slope[-1]  # the error of the output
    for k in range(depth - 1, -1, -1):
        close(errors[k], delta)
        close(layers[k].bias.grad, delta)  # of the biases
        close(layers[k].weight.grad, np.outer(delta, activations[k]))  # of the weights
        if k:
            delta = layers[k].weight.detach().numpy().T @ delta * slope[k - 1]  # carried back


# ---- registration ------------------------------------------------------------------------------------
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 3)
        self.scale = nn.Parameter(fa.tensor([2.0]))
        self.register_buffer("count", fa.tensor([0]))
        self.register_buffer("scratch", fa.tensor([0.0]), persistent=False)
        self.tail = nn.Sequential(nn.ReLU(), nn.Linear(3, 1, bias=False))
        self.shared = self.a

    def forward(self, x):
        return self.tail(self.a(x) * self.scale.astype("float32"))


def test_members_in_order_and_once():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "a.weight", "a.bias", "tail.1.weight"]
    assert len(list(net.parameters())) == 4 and len(list(net.parameters(recurse=False))) == 1
    assert [n for n, _ in net.named_buffers()] == ["count", "scratch"] and len(list(net.buffers())) == 2
    assert [n for n, _ in net.named_children()] == ["a", "tail"] and len(list(net.children())) == 2
    assert [n for n, _ in net.named_modules()] == ["", "a", "tail", "tail.0", "tail.1"] and len(
        list(net.modules())
    ) == 5
    assert list(net.state_dict()) == [
        "scale",
        "count",
        "a.weight",
        "a.bias",
        "tail.1.weight",
        "shared.weight",
        "shared.bias",
    ]


def test_attributes_change_registration():
    net = Net()
    net.scale = None
    assert "scale" not in dict(net.named_parameters())
    net.scale = nn.Parameter(fa.tensor([1.0]))
    assert next(n for n, _ in net.named_parameters()) == "scale"
    with pytest.raises(TypeError, match="scale is a parameter"):
        net.scale = fa.tensor([1.0])
    with pytest.raises(TypeError, match="count is a buffer"):
        net.count = 3
    net.count = fa.tensor([5])
    assert net.state_dict()["count"].item() == 5
    del net.scale
    net.scale = 3.0
    net.a = nn.Identity()
    net.tail = "gone"
    assert [n for n, _ in net.named_parameters()] == ["shared.weight", "shared.bias"]
    with pytest.raises(ValueError, match="already has an attribute"):
        net.register_buffer("scale", fa.tensor([1.0]))
    with pytest.raises(ValueError, match="dots"):
        net.add_module("x.y", nn.ReLU())
    with pytest.raises(TypeError, match="must be a Parameter"):
        net.register_parameter("w", fa.tensor([1.0]))
    with pytest.raises(AttributeError, match="class"):
        net.forward = lambda x: x
    with pytest.raises(AttributeError):
        _ = net.nothing


def test_a_subclass_is_called_through_its_own_forward():
    class Doubled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    class Mixin:
        def forward(self, x):
            return x + 1

    class Mixed(Mixin, nn.Module):
        pass

    class Called(nn.Module):
        def __call__(self, x):
            return "called"

    class Below(Called):
        def forward(self, x):
            return "forward"

    layer = Doubled(2, 2, dtype="float64")
    x = fa.tensor([1.0, 2.0])
    close(layer(x), 2 * fa.linear(x, layer.weight, layer.bias).detach().numpy())
    assert Mixed()(1) == 2 and Below()(x) == "called"
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(x)


def test_train_eval_apply_freeze_convert():
    net = Net()
    net.eval()
    assert not any(m.training for m in net.modules())
    assert net.train() is net and net.tail[0].training
    seen = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]
    before = list(net.parameters())
    net(fa.tensor(np.ones((1, 2), "float32"))).sum().backward()
    net.double()
    assert (
        all(p.dtype == np.float64 == p.grad.dtype for p in net.parameters()) and net.count.dtype == np.int64
    )
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    net.float()
    net.zero_grad()
    assert all(p.grad is None and p.dtype == np.float32 for p in net.parameters())
    net.requires_grad_(False)
    assert not net(fa.tensor(np.ones((1, 2), "float32"))).requires_grad
    net.requires_grad_()
    net(fa.tensor(np.ones((1, 2), "float32"))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_repr():
    assert (
        repr(Net())
        == """Net(
  (a): Linear(in_features=2, out_features=3, bias=True)
  (tail): Sequential(
    (0): ReLU()
    (1): Linear(in_features=3, out_features=1, bias=False)
  )
  (shared): Linear(in_features=2, out_features=3, bias=True)
)"""
    )
    assert repr(nn.Parameter(fa.tensor([1.0]))) == "Parameter(tensor([1.], requires_grad=True))"


def test_state_round_trip():
    a, b = Net(), Net()
    assert b.load_state_dict(a.state_dict()) == ([], [])
    for (name, p), q in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert (p.numpy() == q.numpy()).all(), name
    a.state_dict()["scale"].fill_(9)  # it shares the memory
    assert a.scale.item() == 9


def test_a_state_that_does_not_fit_changes_nothing():
    net = Net()
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    state["extra"] = state.pop("scale")
    state["a.weight"] = np.zeros((3, 3))
    with pytest.raises(
        RuntimeError,
        match=r"missing: scale; unexpected: extra; a.weight: shape \(3, 3\) given, \(3, 2\) expected",
    ):
        net.load_state_dict(state)
    assert all((v.numpy() == before[k]).all() for k, v in net.state_dict().items())
    state["a.weight"] = before["a.weight"]
    assert net.load_state_dict(state, strict=False) == (["scale"], ["extra"])


def test_sequential():
    a, b, c = nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)
    net = nn.Sequential(OrderedDict(first=a, act=b))
    assert net.append(c) is net and len(net) == 3 and list(net) == [a, b, c]
    assert (
        net[0] is net.first is a
        and net[-1] is c
        and [n for n, _ in net.named_children()] == ["first", "act", "2"]
    )
    assert list(net[1:]) == [b, c]
    net[1] = nn.ReLU()
    del net[2]
    assert isinstance(net.act, nn.ReLU) and len(net) == 2
    with pytest.raises(IndexError, match="2 members"):
        net[2]
    with pytest.raises(TypeError, match="must be a Module"):
        nn.Sequential(a, fa.relu)
    x = fa.tensor([1.0])
    assert nn.Sequential()(x) is x


# ---- layers against PyTorch --------------------------------------------------------------------------
def test_another_float_dtype_is_refused():
    layer = nn.Linear(2, 3)
    assert layer.weight.dtype == np.float32
    with pytest.raises(TypeError, match=r"float64.*float32.*astype"):
        layer(fa.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="last axis"):
        layer(fa.tensor([1.0], dtype="float32"))


ACTIVATIONS = [
    ("ReLU", ()),
    ("ReLU6", ()),
    ("LeakyReLU", (0.2,)),
    ("ELU", (1.3,)),
    ("SiLU", ()),
    ("Mish", ()),
    ("GELU", ()),
    ("GELU", ("tanh",)),
    ("Sigmoid", ()),
    ("Tanh", ()),
    ("Softplus", ()),
    ("Softplus", (2.0,)),
    ("LogSigmoid", ()),
    ("Softmax", (1,)),
    ("LogSoftmax", (0,)),
    ("Identity", ()),
]


@pytest.mark.parametrize("name, args", ACTIVATIONS)
def test_activations(name, args):
    torch = pytest.importorskip("torch")
    a = RNG.normal(size=(3, 4)) * 4
    x, t = fa.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    module = getattr(nn, name)(*args)
    y, z = module(x), getattr(torch.nn, name)(*args)(t)
    close(y, z.detach().numpy(), 1e-9)  # PyTorch's softplus is linear above 20
    (y * y).sum().backward()
    (z * z).sum().backward()
    close(x.grad, t.grad.numpy(), 1e-8)
    assert repr(module).startswith(name + "(")


def test_weights_go_to_pytorch_and_back():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    x = RNG.normal(size=(5, 4)).astype("float32")
    close(ours(fa.tensor(x)), theirs(torch.tensor(x)).detach().numpy(), 1e-5)
    back = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    back.load_state_dict(theirs.state_dict())
    close(back(fa.tensor(x)), ours(fa.tensor(x)).detach().numpy(), 0)


LOSSES = [
    ("CrossEntropyLoss", {}),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "reduction": "sum"}),
    ("MSELoss", {}),
    ("L1Loss", {}),
    ("BCEWithLogitsLoss", {}),
    ("NLLLoss", {}),
    ("BCELoss", {}),
]


@pytest.mark.parametrize("name, options", LOSSES)
def test_a_net_trains_as_in_pytorch(name, options):
    torch = pytest.importorskip("torch")
    last = {"BCELoss": "Sigmoid", "NLLLoss": "LogSoftmax"}.get(name, "Identity")
    args = (1,) if last == "LogSoftmax" else ()
    ours = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3), getattr(nn, last)(*args)).double()
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3), getattr(torch.nn, last)(*args)
    ).double()
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    classes = name in ("CrossEntropyLoss", "NLLLoss")
    x, y = RNG.normal(size=(6, 4)), RNG.integers(0, 3, 6) if classes else RNG.uniform(0, 1, (6, 3))
    f, g = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    a, b = (
        optim.SGD(ours.parameters(), lr=0.1, momentum=0.9),
        torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9),
    )
    for _ in range(5):
        loss, want = f(ours(fa.tensor(x)), fa.tensor(y)), g(theirs(torch.tensor(x)), torch.tensor(y))
        assert abs(loss.item() - want.item()) < 1e-11
        for o, value in ((a, loss), (b, want)):
            o.zero_grad()
            value.backward()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(p.grad, q.grad.numpy(), 1e-11)
        a.step()
        b.step()


# ---- initial values ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name, options, variance, uniform",
    [
        ("xavier_uniform_", {}, 2 / (200 + 300), True),
        ("xavier_normal_", {"gain": 2.0}, 4 * 2 / (200 + 300), False),
        ("xavier_uniform_", {"mode": "fan_in"}, 1 / 300, True),
        ("xavier_normal_", {"mode": "fan_out"}, 1 / 200, False),
        ("kaiming_uniform_", {"nonlinearity": "relu"}, 2 / 300, True),
        ("kaiming_normal_", {"nonlinearity": "relu", "mode": "fan_out"}, 2 / 200, False),
        ("kaiming_uniform_", {"a": 5**0.5}, 1 / 3 / 300, True),
        ("normal_", {"mean": 0.0, "std": 0.01}, 1e-4, False),
        ("uniform_", {"a": -3.0, "b": 3.0}, 3.0, True),
    ],
)
def test_initial_variance(name, options, variance, uniform):
    w = getattr(nn.init, name)(
        fa.tensor(np.zeros((200, 300))), generator=np.random.default_rng(0), **options
    ).numpy()
    assert abs(w.mean()) < 0.02 * variance**0.5 and abs(w.var() / variance - 1) < 0.03
    assert (np.abs(w).max() <= (3 * variance) ** 0.5) == uniform


def test_initialisation_of_layers():
    fa.manual_seed(1)
    a = nn.Linear(100, 50)
    fa.manual_seed(1)
    b = nn.Linear(100, 50, dtype="float64")
    assert (a.weight.detach().numpy() == b.weight.detach().numpy().astype("float32")).all()
    assert np.abs(b.weight.detach().numpy()).max() <= 0.1 and np.abs(b.bias.detach().numpy()).max() <= 0.1
    nn.init.constant_(a.bias, 0.01)
    assert (a.bias.detach().numpy() == np.float32(0.01)).all() and a.bias.requires_grad
    assert (nn.init.zeros_(a.weight) is a.weight) and not a.weight.detach().numpy().any()
    assert nn.init.ones_(a.weight).detach().numpy().all()


def test_gains_and_errors():
    torch = pytest.importorskip("torch")
    for name in ("linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu", "conv2d"):
        assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert nn.init.calculate_gain("leaky_relu", 0.2) == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu", 0.2)
    )
    with pytest.raises(ValueError, match="'swish'"):
        nn.init.calculate_gain("swish")
    with pytest.raises(ValueError, match="2 axes"):
        nn.init.xavier_uniform_(fa.tensor([1.0]))
    with pytest.raises(ValueError, match="'fan_both'"):
        nn.init.kaiming_normal_(fa.tensor([[1.0]]), mode="fan_both")


def test_functional_is_fastad():
    assert nn.functional.cross_entropy is fa.cross_entropy and nn.functional.relu is fa.relu
