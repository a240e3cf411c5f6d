"""The names of torch.autograd: switches of recording, gradients of tensors, operations of one's own, checks.

Imports recording.py, and what few programs need when it is first asked for.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from .recording import enable_grad, grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled

if TYPE_CHECKING:
    from .extend import Function, once_differentiable
    from .observers.anomaly import detect_anomaly
    from .testing import gradcheck, gradgradcheck

__all__ = ["Function", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck", "inference_mode",
           "is_grad_enabled", "no_grad", "once_differentiable", "set_grad_enabled"]

_LATE = {"Context": ".extend", "Function": ".extend", "detect_anomaly": ".observers.anomaly", "gradcheck": ".testing",
         "gradgradcheck": ".testing", "once_differentiable": ".extend"}


def __getattr__(name: str) -> object:
    if name in _LATE:
        from importlib import import_module
        return getattr(import_module(_LATE[name], __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
