"""RNNCell, GRUCell and LSTMCell: torch.nn's cells on the native kernels, one step of one layer.

They are torch.nn's classes, so `isinstance(cell, torch.nn.LSTMCell)` holds. Shapes: N sequences, D features, H hidden units.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor

from elman.nn import stepping
from elman.nn.normalisation import add_norm, reset_norms

_RNN_MODES = {"tanh": "RNN_TANH", "relu": "RNN_RELU", "sigmoid": "RNN_SIGMOID"}


@final
class RNNCell(torch.nn.RNNCell):
    """`torch.nn.RNNCell` on the native kernels.

    Args:
        nonlinearity: `tanh`, `relu`, or `sigmoid`, which torch.nn lacks.
        layer_norm: As for the layer `RNN`.

    >>> cell = RNNCell(3, 5)
    >>> cell(torch.zeros(2, 3)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None, *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, nonlinearity, device, dtype)
        self.mode = _RNN_MODES.get(
            nonlinearity, "RNN_TANH"
        )  # another nonlinearity is refused by the first step, as in torch.nn
        _add_norms(self, layer_norm)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in _RNN_MODES:
            return super().forward(input, hx)
        states: list[Tensor] = stepping.run(self, input, None if hx is None else (hx,), super().forward)
        return states[0]

    def reset_parameters(self) -> None:
        _reset_parameters(self)

    def extra_repr(self) -> str:
        return _shown(self, super().extra_repr())


@final
class GRUCell(torch.nn.GRUCell):
    """`torch.nn.GRUCell` on the native kernels.

    Args:
        layer_norm: As for the layer `GRU`.

    >>> cell = GRUCell(3, 5)
    >>> cell(torch.zeros(2, 3)).shape
    torch.Size([2, 5])
    """

    mode = "GRU"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None,
        *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        _add_norms(self, layer_norm)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        states: list[Tensor] = stepping.run(self, input, None if hx is None else (hx,), super().forward)
        return states[0]

    def reset_parameters(self) -> None:
        _reset_parameters(self)

    def extra_repr(self) -> str:
        return _shown(self, super().extra_repr())


@final
class LSTMCell(torch.nn.LSTMCell):
    """`torch.nn.LSTMCell` on the native kernels.

    Args:
        layer_norm: As for the layer `LSTM`.

    >>> cell = LSTMCell(3, 5)
    >>> h, c = cell(torch.zeros(2, 3))
    >>> h.shape, c.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    mode = "LSTM"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None,
        *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        _add_norms(self, layer_norm)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = stepping.run(self, input, hx, super().forward)
        return h, c

    def reset_parameters(self) -> None:
        _reset_parameters(self)

    def extra_repr(self) -> str:
        return _shown(self, super().extra_repr())


def _add_norms(cell: Any, layer_norm: bool) -> None:
    cell.layer_norm = layer_norm
    if layer_norm:
        add_norm(cell, cell.mode, "")
        reset_norms(cell)


def _reset_parameters(cell: Any) -> None:
    """Weights drawn anew, exactly as torch.nn draws them; gains of layer normalisation 1, its shifts 0."""
    stdv = 1.0 / math.sqrt(cell.hidden_size) if cell.hidden_size > 0 else 0
    for name, weight in cell.named_parameters():
        if not name.startswith("norm"):
            torch.nn.init.uniform_(weight, -stdv, stdv)
    reset_norms(cell)


def _shown(cell: Any, plain: str) -> str:
    return f"{plain}, layer_norm=True" if cell.layer_norm else plain
