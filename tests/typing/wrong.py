"""Programs that type checkers must refuse: each `type: ignore` here is needed, or mypy --strict says that it is not."""
from typing import TYPE_CHECKING

import numpy as np

import fastad as fa
import fastad.numpy as fnp
from fastad import nn, optim

if TYPE_CHECKING:
    x = fa.tensor([1.0])

    x + "text"  # type: ignore[operator]
    fa.tanh("text")  # type: ignore[arg-type]
    fa.tanh(x, 1)  # type: ignore[call-arg]
    fa.tanh(input=x)  # type: ignore[call-arg]
    fa.sum(x, axes=0)  # type: ignore[call-arg]
    x.sum(axis="rows")  # type: ignore[arg-type]
    x.shape = (1,)  # type: ignore[misc]
    x.grad = np.ones(1)  # type: ignore[assignment]
    x.undefined()  # type: ignore[attr-defined]
    fa.undefined(x)  # type: ignore[attr-defined]
    fa.gelu(x, "cubic")  # type: ignore[arg-type]
    fa.mse_loss(x, x, reduction="median")  # type: ignore[arg-type]
    fa.grad(3)  # type: ignore[call-overload]
    fa.grad(lambda w, n: w * n)(x)  # type: ignore[call-overload]
    fa.grad(fa.tanh, 0.5)  # type: ignore[call-overload]
    fa.jacobian(fa.tanh, chunk_size="all")  # type: ignore[arg-type]
    fa.jvp(fa.tanh, x)  # type: ignore[call-arg]
    fnp.undefined  # type: ignore[attr-defined]  # noqa: B018
    fa.show_config("json")  # type: ignore[call-overload]
    nn.Linear("4", 2)  # type: ignore[arg-type]
    nn.Linear(4, 2)(x, x)  # type: ignore[call-arg]
    nn.Sequential(fa.tanh)  # type: ignore[call-overload]
    nn.LSTM(1, 2)(x, x)  # type: ignore[call-overload]
    nn.RNN(1, 2, nonlinearity=3)  # type: ignore[arg-type]
    nn.utils.clip_grad_norm_(1.0, x)  # type: ignore[arg-type]
    nn.ModuleList([fa.tanh])  # type: ignore[list-item]
    nn.functional.huber_loss(x, x, "batchmean")  # type: ignore[arg-type]
    nn.TukeyLoss()(x)  # type: ignore[call-arg]
    optim.SGD(x, momentum="high")  # type: ignore[arg-type]
