"""What type checkers must see in programs that are right; test_typing.py checks it, and importing this runs it."""
from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import fastad as fa
import fastad.numpy as fnp
from fastad import data, datasets, extend, nn, optim, testing, training
from fastad.nn.utils import rnn as sequences

# ---- tensors -----------------------------------------------------------------------------------------
x = fa.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
a = np.ones((2, 2))
assert_type(x, fa.Tensor)
assert_type(x.shape, tuple[int, ...])
assert_type(x.ndim, int)
assert_type(x.dtype, np.dtype[Any])
assert_type(x.requires_grad, bool)
assert_type(x.grad, fa.Tensor | None)
assert_type(x.T, fa.Tensor)
assert_type(x.detach().numpy(), npt.NDArray[Any])
assert_type(float(x.sum()), float)
assert_type(len(x), int)
assert_type([row for row in x], list[fa.Tensor])
assert_type(fa.from_numpy(a), fa.Tensor)
assert_type(fa.array([1, 2]), fa.Tensor)

for y in (x + x, x + 1, 2.0 * x, x - a, 1 / x, x**2, 2**x, x @ a, -x, abs(x), x < 2, x == a, x[0], x[..., 1:], x[x > 2]):
    assert_type(y, fa.Tensor)
z = x.detach()
z += 1
z *= a
assert_type(z, fa.Tensor)
z[0] = 5
z.requires_grad = False

# ---- functions and methods ---------------------------------------------------------------------------
assert_type(fa.tanh(x), fa.Tensor)
assert_type(fa.tanh(0.5), fa.Tensor)
assert_type(fa.maximum(a, [1.0, 2.0]), fa.Tensor)
assert_type(fa.sum(x, axis=(0, 1), keepdims=True), fa.Tensor)
assert_type(x.sum(axis=-1), fa.Tensor)
assert_type(x.tanh().mean(), fa.Tensor)
assert_type(x.reshape(4), fa.Tensor)
assert_type(x.reshape((2, -1)), fa.Tensor)
assert_type(x.transpose(1, 0), fa.Tensor)
assert_type(x.astype("float32"), fa.Tensor)
assert_type(x.clip(0, 1), fa.Tensor)
assert_type(fa.split(x, 2), list[fa.Tensor])
assert_type(fa.concatenate([x, a]), fa.Tensor)
assert_type(fa.einsum("ij,jk->ik", x, a), fa.Tensor)
assert_type(fa.where(x > 1, x, 0.0), fa.Tensor)
assert_type(fa.where(x > 1), tuple[fa.Tensor, ...])
assert_type(fa.allclose(x.detach(), a), bool)
assert_type(fa.shape(x), tuple[int, ...])
assert_type(fa.zeros((2, 3), dtype=np.float32, requires_grad=True), fa.Tensor)
assert_type(fa.softmax(x, axis=0), fa.Tensor)
assert_type(fa.cross_entropy(x, [0, 1], reduction="sum"), fa.Tensor)
assert_type(fa.cumsum(x, 0), fa.Tensor)

# ---- the tape ----------------------------------------------------------------------------------------
assert_type(x.sum().backward(), None)
handle = (x * 2).register_hook(lambda g: g * 2)
assert_type(handle.remove(), None)
x.register_post_accumulate_grad_hook(lambda leaf: None).remove()
assert_type(x.retains_grad, bool)
with fa.detect_anomaly(check_inf=False) as watch:
    assert_type(watch, fa.detect_anomaly)


@fa.detect_anomaly()
def guarded(a: fa.Tensor, n: int) -> fa.Tensor:
    return a * n


assert_type(guarded(x, 2), fa.Tensor)
table = fa.trace(guarded)(x, 2)
assert_type(table.tangents(1.0).rows[0].name, str)
assert_type(table.markdown(), str)
assert_type(testing.gradcheck(fa.tanh, fa.tensor([0.5], requires_grad=True)), bool)
assert_type(testing.check_grads(fa.tanh, (0.5,)), None)
with fa.no_grad() as off, fa.enable_grad(), fa.set_grad_enabled(False):
    assert_type(off, fa.no_grad)
with fa.inference_mode() as inside, fa.inference_mode(False):
    assert_type(inside, fa.inference_mode)
assert_type(fa.is_grad_enabled(), bool)
loss = (x * x).sum()
assert_type(fa.autograd.grad(loss, [x], retain_graph=True), tuple[fa.Tensor, ...])
assert_type(fa.autograd.grad(loss, x, allow_unused=True), tuple[fa.Tensor | None, ...])


@fa.enable_grad()
@fa.no_grad
def evaluate(scale: float) -> fa.Tensor:
    return x * scale


assert_type(evaluate(2.0), fa.Tensor)


# ---- transforms --------------------------------------------------------------------------------------
def objective(w: fa.Tensor, exponent: int = 2, *, scale: float = 1.0) -> fa.Tensor:
    return (w**exponent).sum() * scale


both = fa.value_and_grad(objective)
value, gradient = both(a, 3, scale=2.0)
assert_type(value, np.floating[Any])
assert_type(gradient, npt.NDArray[Any])
assert_type(both(x), tuple[fa.Tensor, fa.Tensor])
assert_type(fa.grad(objective)(a), npt.NDArray[Any])
assert_type(fa.grad(objective)(3.0), np.floating[Any])
assert_type(fa.grad(objective)(x, exponent=3), fa.Tensor)
assert_type(fa.grad(lambda w: (w**2).sum())(a), npt.NDArray[Any])
assert_type(fa.grad(lambda w, v: (w * v).sum(), argnum=(0, 1))(a, a), tuple[Any, ...])
second = fa.grad(fa.grad(fa.tanh))
assert_type(second(0.5), np.floating[Any])
assert_type(fa.grad(objective, "w")(a), Any)
assert_type(fa.grad(lambda p: p["w"].sum())({"w": a}), Any)
assert_type(fa.grad(lambda w: ((w**2).sum(), w), has_aux=True)(a), tuple[Any, Any])
assert_type(fa.grad(objective, ("w", "scale"))(a, scale=2.0), tuple[Any, ...])
assert_type(fa.jacobian(objective, chunk_size=2)(a), Any)
assert_type(fa.hvp(objective, a, a), tuple[Any, Any])
assert_type(fa.flatten({"w": a})[0], Any)
pullback, at_a = fa.make_vjp(objective)(a)
assert_type(pullback(1.0), Any)
tangent = fa.jvp(objective, (a,), (a,))[1]
assert issubclass(fa.IndependentWarning, UserWarning)
assert_type(fnp.tanh(a), Any)
assert_type(fnp.pi, float)

# ---- networks ----------------------------------------------------------------------------------------
class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, width, dtype=float)
        self.out = nn.Sequential(nn.Tanh(), nn.Linear(width, 2, dtype=np.float64))

    def forward(self, input: fa.Tensor, scale: float = 1.0) -> tuple[fa.Tensor, fa.Tensor]:
        hidden = self.hidden(input)
        assert_type(hidden, fa.Tensor)
        return self.out(hidden) * scale, hidden


net = Net(3)
assert_type(net.hidden.weight, nn.Parameter)
assert_type(net.hidden.bias, nn.Parameter | None)
assert_type(net(x), tuple[fa.Tensor, fa.Tensor])
assert_type(net.out(net.hidden(x)), fa.Tensor)
assert_type(net.parameters(), Iterator[nn.Parameter])
assert_type(net.train(False), Net)
assert_type(net.state_dict(), dict[str, fa.Tensor])
assert_type(net.load_state_dict(net.state_dict()).missing_keys, list[str])
assert_type(net.out[0], nn.Module)
assert_type(net.out[:1], nn.Sequential)
assert_type(nn.CrossEntropyLoss()(x, np.array([0, 1])), fa.Tensor)
assert_type(nn.functional.relu(x), fa.Tensor)
assert_type(nn.init.zeros_(net.hidden.weight), nn.Parameter)

packed, zero = sequences.pack_sequence([x, x]), fa.zeros((1, 2, 3))
assert_type(packed.sorted_indices, fa.Tensor | None)
assert_type(sequences.pad_packed_sequence(packed), tuple[fa.Tensor, fa.Tensor])
assert_type(nn.LSTM(2, 3, dtype=float)(x[None], (zero, zero), lengths=[1, 1]), tuple[fa.Tensor, tuple[fa.Tensor, fa.Tensor]])
assert_type(nn.GRU(2, 3, dtype=float)(packed), tuple[sequences.PackedSequence, fa.Tensor])
assert_type(nn.RNN(2, 3, dtype=float)(a, zero[:, 0]), tuple[fa.Tensor, fa.Tensor])
assert_type(nn.LSTMCell(2, 3, dtype=float)(x), tuple[fa.Tensor, fa.Tensor])
assert_type(nn.GRUCell(2, 3, dtype=float)(x), fa.Tensor)
assert_type(nn.Dropout(0.1)(nn.Embedding(1, 2)([0])), fa.Tensor)
assert_type(nn.utils.clip_grad_norm_([x], 1.0), fa.Tensor)
assert_type(nn.GLU()(nn.Maxout(2, 4, pieces=3, dtype=float)(x)), fa.Tensor)
assert_type(nn.Duplicate(3)(x), tuple[fa.Tensor, ...])
assert_type(nn.HuberLoss(delta=2.0)(x, a, sample_weight=[1.0, 2.0]), fa.Tensor)
assert_type(nn.functional.kl_div(fa.log_softmax(x), a / 9, "batchmean"), fa.Tensor)
assert_type(nn.functional.l2_penalty(net, 0.1), fa.Tensor)
assert_type(nn.functional.one_hot([0, 2]), fa.Tensor)
layers = nn.ModuleList([nn.Linear(2, 2)])
assert_type(layers[0], nn.Module)
assert_type(layers.append(nn.ReLU(inplace=True))[1:], nn.ModuleList)
assert_type(nn.ParameterDict({"w": a})["w"], nn.Parameter)
assert_type(nn.ModuleDict({"a": net}).pop("a"), nn.Module)
assert_type(nn.utils.parameters_to_vector(net.parameters()), fa.Tensor)
net.register_full_backward_hook(lambda module, grad_input, grad_output: None).remove()
assert_type(net.get_parameter("hidden.weight"), nn.Parameter)
assert_type(net.to("float64"), Net)
nn.utils.parametrizations.weight_norm(net.hidden)
nn.utils.parametrize.remove_parametrizations(net.hidden, "weight")
nn.utils.stateless.functional_call(net, dict(net.named_parameters()), x)

optimizer = optim.Adam(net.parameters(), lr=1e-3, betas=(0.9, 0.99))
assert_type(optimizer.step(), None)
assert_type(optimizer.step(lambda: net(x)[0].sum()), fa.Tensor)
optim.SGD([{"params": [x], "lr": 0.1}], momentum=0.9, l1=0.1)
assert_type(optim.LBFGS([x], line_search_fn="strong_wolfe").step(lambda: x.sum()), fa.Tensor)
schedule = optim.lr_scheduler.SequentialLR(optimizer, [optim.lr_scheduler.LinearLR(optimizer), optim.lr_scheduler.StepLR(
    optimizer, 3)], milestones=[5])
assert_type(schedule.get_last_lr(), list[float])
optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max").step(x.sum())
with fa.no_grad():
    for p in net.parameters():
        p -= 0.1 * p



# ---- operations of one's own -------------------------------------------------------------------------
@extend.primitive
def squared(a: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.square(a)


@extend.notrace
def order(a: npt.NDArray[np.float64]) -> list[int]:
    return [int(i) for i in np.argsort(a)]


class Doubled(fa.autograd.Function):
    @staticmethod
    def forward(ctx: extend.Context, y: fa.Tensor) -> fa.Tensor:
        ctx.save_for_backward(y)
        return y * 2

    @staticmethod
    @extend.once_differentiable
    def backward(ctx: extend.Context, g: fa.Tensor) -> fa.Tensor:
        return g * 2


extend.defvjp(squared, lambda ans, a: lambda g: g * 2 * a)
extend.defjvp(squared, lambda g, ans, a: g * 2 * a, argnums=(0,))
extend.defjvp(squared, "same", None, argnums=(0, 1))
extend.def_linear(squared)
assert_type(order(x[0]), list[int])
squared(x), Doubled.apply(x)
assert_type(fa.get_include(), str)

# ---- the rest ----------------------------------------------------------------------------------------
images, labels = datasets.load_digits()
assert_type(images, npt.NDArray[np.float32])
for batch in data.DataLoader((images, labels), batch_size=1000):
    assert_type(batch, tuple[fa.Tensor, ...])
for _inputs, targets in data.DataLoader(data.TensorDataset(images, labels), 32, shuffle=True, prefetch=2):
    assert_type(targets, fa.Tensor)
assert_type(data.DataLoader(["a", "b"], batch_size=2), data.DataLoader[Any])
assert_type(data.DataLoader((images,), 8, collate_fn=data.pad_collate, generator=fa.default_generator()), data.DataLoader[Any])
assert_type(data.random_split(range(4), [0.5, 0.5])[0], data.Subset[Any])
sampler: data.Sampler[int] = data.RandomSampler(labels, replacement=True, num_samples=10)
read = datasets.load_csv("a.csv", target="kind")
assert_type(read.inputs, npt.NDArray[np.float64])
assert_type(datasets.load_text("a.txt")[0], npt.NDArray[np.int64])
assert_type(fa.manual_seed(0), np.random.Generator)
assert_type(fa.get_num_threads(), int)
assert_type(fa.show_config("dicts"), dict[str, Any])


def trained(path: str) -> None:
    history = training.fit(net, fa.mse_loss, optimizer, (images, labels), 2, metrics=["accuracy"], validation=0.25,
                           callbacks=[training.EarlyStopping(), lambda run: run.stop("enough")])
    assert_type(history["loss"], list[float])
    assert_type(history[-1], dict[str, float])
    fa.save(path, {"model": net.state_dict(), "losses": history["loss"]})
