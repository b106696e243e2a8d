"""The parameters of layer normalisation: gains and shifts that a layer or a cell has beside torch.nn's weights.

Names, for layer 0 forward (`recurrence.py` says what they do): RNN `norm_l0` (H,); GRU `norm_ih_l0`, `norm_hh_l0` (3H,); LSTM
`norm_ih_l0`, `norm_hh_l0` (4H,), `norm_c_l0` and, with biases, `norm_c_bias_l0` (H,). Cells have them without the end `_l0`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.nn.recurrence import Norms


def norm_names(mode: str, bias: bool) -> dict[str, int]:
    """The parameters of a cell by name, and how many times H numbers each has."""
    if mode == "LSTM":
        return {"norm_ih": 4, "norm_hh": 4, "norm_c": 1, **({"norm_c_bias": 1} if bias else {})}
    return {"norm_ih": 3, "norm_hh": 3} if mode == "GRU" else {"norm": 1}


def row_ends(layers: Any) -> list[str]:
    """`_l0`, `_l0_reverse`, `_l1`, ...: the end of each row's names."""
    ends = ("", "_reverse")[: 2 if layers.bidirectional else 1]
    return [f"_l{layer}{end}" for layer in range(layers.num_layers) for end in ends]


def add_norms(layers: Any) -> None:
    """Give layers their gains and shifts."""
    for end in row_ends(layers):
        add_norm(layers, layers.mode, end)
    reset_norms(layers)


def add_norm(module: Any, mode: str, end: str) -> None:
    """Give a module the gains and shifts of one row, not set yet."""
    like = getattr(module, f"weight_ih{end}")
    for name, size in norm_names(mode, bool(module.bias)).items():
        numbers = torch.empty(size * module.hidden_size, dtype=like.dtype, device=like.device)
        setattr(module, name + end, torch.nn.Parameter(numbers))


def reset_norms(module: Any) -> None:
    """Gains 1, shifts 0."""
    for name, value in module._parameters.items():
        if name.startswith("norm"):
            torch.nn.init.constant_(value, 0.0 if "bias" in name else 1.0)


def norms_of(layers: Any) -> list[Norms] | None:
    """Gains and shifts of each row, or None for layers without."""
    if not layers.layer_norm:
        return None
    return [norm_of(layers, layers.mode, end) for end in row_ends(layers)]


def norm_of(module: Any, mode: str, end: str) -> dict[str, Tensor]:
    """Gains and shifts of one row."""
    return {name: getattr(module, name + end) for name in norm_names(mode, bool(module.bias))}
