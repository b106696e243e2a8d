"""The dropout masks of `dropout.py`, drawn on a PyTorch device: the same numbers, to the bit, without a copy.

PyTorch has no unsigned arithmetic of 64 bits; signed numbers wrap around alike, and a shift to the right is made logical by
masking off what the sign pulled in.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from elman.engines.dropout import GAMMA, mask_start

_GAMMA = int(GAMMA.astype(np.int64))
_FACTORS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))


def dropout_mask(
    seed: int,
    update: int,
    layer: int,
    shape: tuple[int, int, int],
    dropout: float,
    *,
    first: int = 0,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Draw rows of the mask that `dropout.dropout_mask` gives a batch; see there for the arguments that are not here.

    Args:
        shape: Of these rows, (N, T, H * directions).
        first: The number of the first of them.
        dtype: Of the mask.
        device: Where it is drawn.
    """
    begin, size = first * shape[1] * shape[2], math.prod(shape)
    counts = torch.arange(begin + 1, begin + size + 1, device=device)
    draws = _shifted(_mix(counts * _GAMMA + int(mask_start(seed, update, layer).astype(np.int64)[0])), 40)
    # 24 random bits below a whole number are 24 random binary places below it times 2^-24.
    alive = draws < math.ceil((1.0 - dropout) * 2.0**24)
    return (alive.to(dtype) * (1.0 / (1.0 - dropout))).reshape(shape)


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's output function."""
    z = (z ^ _shifted(z, 30)) * _FACTORS[0]
    z = (z ^ _shifted(z, 27)) * _FACTORS[1]
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """z shifted to the right, zeros coming in."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
