"""Which way a call goes: straight to the kernels, through the registered operators, or PyTorch's own path."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from elman.nn import kernels


class Route(Enum):
    """The ways of a call.

    Attributes:
        KERNELS: Eager mode on plain tensors.
        OPERATORS: The same kernels as operators that a tracer sees: in torch.compile, torch.export and dispatch modes.
        PYTORCH: Everything else.
    """

    KERNELS = 1
    OPERATORS = 2
    PYTORCH = 3


_PLAIN = (Tensor, Parameter)
_in_a_transform = torch._C._functorch.peek_interpreter_stack
_jit_traces = torch._C._get_tracing_state
_dispatch_modes = torch._C._len_torch_dispatch_stack


def route(x: Tensor) -> Route:
    """The way for inputs like x, judged by device, dtype and what is going on around the call.

    PyTorch's own path is taken on devices other than a CPU, for other dtypes than float32 and float64, under autocast, in
    torch.func transforms (vmap, jvp, grad, ...), in forward-mode differentiation, while torch.jit traces and in ONNX export;
    and everywhere where Elman was installed without its core.
    """
    if not x.is_cpu or x.dtype not in kernels.DTYPES or not kernels.AVAILABLE or torch.is_autocast_enabled("cpu"):
        return Route.PYTORCH
    if torch.compiler.is_compiling():
        return Route.PYTORCH if torch.onnx.is_in_onnx_export() else Route.OPERATORS
    if _in_a_transform() is not None or forward_ad._current_level >= 0 or _jit_traces() is not None:
        return Route.PYTORCH
    if _dispatch_modes() or type(x) not in _PLAIN:
        known = type(x) in _PLAIN or isinstance(x, torch._subclasses.FakeTensor)
        return Route.OPERATORS if known else Route.PYTORCH
    return Route.KERNELS


def kernels_take(tensors: Iterable[Any], x: Tensor, shapes: Iterable[tuple[int, ...]]) -> bool:
    """Whether the kernels can take weights or states as they are: of these shapes, of x's kind and dtype, on a CPU."""
    dtype = x.dtype
    for tensor, shape in zip(tensors, shapes, strict=True):
        kind = type(tensor)
        if kind is not Parameter and kind is not Tensor and (kind is not type(x) or not isinstance(tensor, Tensor)):
            return False
        if tensor.dtype is not dtype or tensor.shape != shape or not tensor.is_cpu:
            return False
    return True


def torch_is_quicker(plan: kernels.Plan, rows: int, *, cell: bool) -> bool:
    """Whether laying out the weights for the kernels takes longer than PyTorch's own work on so many rows, N * T.

    Measured on two processors with AVX-512. Its LSTM layer lays them out too; its cells are one fused operation, and the plain
    one is nothing but overhead on either side. There is no rival for the sigmoid.
    """
    if plan.mode == "RNN_SIGMOID" or (plan.mode == "LSTM" and not cell):
        return False
    weights = plan.gates * plan.hidden_size * (plan.input_size + plan.hidden_size)
    if cell:
        return weights > 120_000 * rows or (plan.gates == 1 and rows < 16)
    return weights > 500_000 * rows
