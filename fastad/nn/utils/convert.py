"""Parameters as one vector, and back.  Next: stateless.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ... import concatenate
from ..._core.make import as_tensors
from ..._core.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..._typing import ArrayLike


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All numbers of all parameters, one after the other; it has derivatives.

    Raises ValueError if there is no parameter.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils import parameters_to_vector
    >>> parameters_to_vector([fastad.tensor([[1.0, 2.0], [3.0, 4.0]]), fastad.tensor(5.0)])
    tensor([1., 2., 3., 4., 5.])
    """
    parts = [p.reshape(-1) for p in as_tensors(*parameters)]
    if not parts:
        raise ValueError("parameters_to_vector: there is no parameter")
    return concatenate(parts)


def vector_to_parameters(vec: ArrayLike, parameters: Iterable[Tensor]) -> None:
    """Write the numbers of a vector into the parameters, in place and outside the tape.

    Raises
    ------
    ValueError
        If the vector has not as many numbers as the parameters together; nothing has been changed.
    TypeError
        If the numbers are complex and a parameter is not.

    Examples
    --------
    >>> import fastad
    >>> from fastad.nn.utils import vector_to_parameters
    >>> w, b = fastad.zeros((1, 2)), fastad.zeros(1)
    >>> vector_to_parameters([1.0, 2.0, 3.0], [w, b])
    >>> w, b
    (tensor([[1., 2.]]), tensor([3.]))
    """
    numbers = as_tensors(vec)[0].detach().numpy()
    given = list(parameters)
    total = sum(p.size for p in given)
    if numbers.shape != (total,):
        raise ValueError(f"vector_to_parameters: the parameters have {total} numbers together, the vector has shape "
                         f"{numbers.shape}")
    for k, p in enumerate(given):
        if not isinstance(p, Tensor):
            raise TypeError(f"vector_to_parameters: expected tensors, got {type(p).__name__} at place {k}")
        if numbers.dtype.kind == "c" and p.dtype.kind != "c":
            raise TypeError(f"vector_to_parameters: the vector is {numbers.dtype}, the parameter at place {k} {p.dtype}")
    start = 0
    for p in given:
        p.detach().copy_(numbers[start:start + p.size].reshape(p.shape))
        start += p.size
