"""Derivatives of functions, on plain arrays, numbers and nested containers of them, in and out.

    tree       nested containers, taken apart and put together: flatten
     |
    call       f called once on its own copies of the arguments, recorded; the walks over what was recorded
     |
    reverse    backward walks: grad, value_and_grad, vjp, ...        forward    forward walks: jvp, linearize, deriv, ...
     |
    matrices   a basis in one walk: jacobian, jacfwd, jacrev, hessian
     |
    products   matrices times vectors, without the matrix: hvp, vhp, make_ggnvp, ...
     |
    fixed      fixed_point

A module is imported when one of its names is first asked for.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fixed import fixed_point as fixed_point
    from .forward import deriv as deriv
    from .forward import jvp as jvp
    from .forward import linearize as linearize
    from .forward import make_jvp as make_jvp
    from .matrices import hessian as hessian
    from .matrices import jacfwd as jacfwd
    from .matrices import jacobian as jacobian
    from .matrices import jacrev as jacrev
    from .products import (
        ggnvp as ggnvp,
    )
    from .products import (
        hessian_tensor_product as hessian_tensor_product,
    )
    from .products import (
        hessian_vector_product as hessian_vector_product,
    )
    from .products import (
        hvp as hvp,
    )
    from .products import (
        make_ggnvp as make_ggnvp,
    )
    from .products import (
        make_hvp as make_hvp,
    )
    from .products import (
        tensor_jacobian_product as tensor_jacobian_product,
    )
    from .products import (
        vector_jacobian_product as vector_jacobian_product,
    )
    from .products import (
        vhp as vhp,
    )
    from .reverse import (
        elementwise_grad as elementwise_grad,
    )
    from .reverse import (
        grad as grad,
    )
    from .reverse import (
        grad_and_aux as grad_and_aux,
    )
    from .reverse import (
        grad_named as grad_named,
    )
    from .reverse import (
        holomorphic_grad as holomorphic_grad,
    )
    from .reverse import (
        make_vjp as make_vjp,
    )
    from .reverse import (
        multigrad_dict as multigrad_dict,
    )
    from .reverse import (
        value_and_grad as value_and_grad,
    )
    from .reverse import (
        vjp as vjp,
    )
    from .tree import flatten as flatten

MODULES = {
    "tree": ("flatten",),
    "reverse": ("elementwise_grad", "grad", "grad_and_aux", "grad_named", "holomorphic_grad", "make_vjp", "multigrad_dict",
                "value_and_grad", "vjp"),
    "forward": ("deriv", "jvp", "linearize", "make_jvp"),
    "matrices": ("hessian", "jacfwd", "jacobian", "jacrev"),
    "products": ("ggnvp", "hessian_tensor_product", "hessian_vector_product", "hvp", "make_ggnvp", "make_hvp",
                 "tensor_jacobian_product", "vector_jacobian_product", "vhp"),
    "fixed": ("fixed_point",),
}
NAMES = sorted(name for names in MODULES.values() for name in names)


def __getattr__(name: str) -> object:
    for module, names in MODULES.items():
        if name in names:
            import importlib
            value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return NAMES
