"""Dropout between layers, with the very masks that torch.nn would draw from the same seed."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_masks(probability: float, num_layers: int, x: Tensor, rows: tuple[int, ...], width: int) -> Tensor:
    """Draw masks layer by layer, as PyTorch's dropout does.

    Args:
        probability: Of a zero.
        num_layers: L.
        x: Whose dtype and device they have.
        rows: (T, N), or (M,) for packed sequences.
        width: R * H.

    Returns:
        (L - 1, *rows, R * H): 0 with this probability, else 1 / (1 - probability).
    """
    shape = (*rows, width)
    if probability == 1:
        return x.new_zeros((num_layers - 1, *shape))
    keep = 1 - probability
    return torch.stack([x.new_empty(shape).bernoulli_(keep).div_(keep) for _ in range(num_layers - 1)])
