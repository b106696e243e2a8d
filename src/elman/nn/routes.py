"""Which way a call goes: straight to the kernels, through the registered operators, or PyTorch's own path."""

from __future__ import annotations

from enum import Enum
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from elman.nn import kernels


class Route(Enum):
    """KERNELS: eager mode on plain tensors. OPERATORS: the same kernels as operators that a tracer sees, in torch.compile,
    torch.export and under dispatch modes. PYTORCH: everything else."""

    KERNELS = 1
    OPERATORS = 2
    PYTORCH = 3


_PLAIN = (Tensor, Parameter)


def route(x: Tensor) -> Route:
    """The way for inputs like x, judged by device, dtype and what is going on around the call.

    PyTorch's own path is taken on devices other than a CPU, for other dtypes than float32 and float64, under autocast, in
    torch.func transforms (vmap, jvp, grad, ...), in forward-mode differentiation, while torch.jit traces and in ONNX export;
    and everywhere where Elman was installed without its core.
    """
    if not kernels.AVAILABLE or x.dtype not in kernels.DTYPES or x.device.type != "cpu":
        return Route.PYTORCH
    if torch.compiler.is_compiling():
        return Route.PYTORCH if torch.is_autocast_enabled("cpu") or torch.onnx.is_in_onnx_export() else Route.OPERATORS
    if (
        torch.is_autocast_enabled("cpu")
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
    ):
        return Route.PYTORCH
    if torch._C._len_torch_dispatch_stack() or type(x) not in _PLAIN:
        known = type(x) in _PLAIN or isinstance(x, torch._subclasses.FakeTensor)
        return Route.OPERATORS if known else Route.PYTORCH
    return Route.KERNELS


def alike(tensor: Any, x: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether a weight or a state has this shape and is of x's kind, dtype and device."""
    return (
        isinstance(tensor, Tensor)
        and (type(tensor) in _PLAIN or type(tensor) is type(x))
        and tensor.shape == shape
        and tensor.dtype == x.dtype
        and tensor.device == x.device
        and tensor.layout is torch.strided
    )
