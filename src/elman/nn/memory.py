"""Memory for what a pass saves for its backward pass, lent again and again.

Training gives back in every step what it took in the step before. Large blocks would go to the system and come back as pages that
are first filled with zeros: nearly half the time of an LSTM of 64 units in training, with 256 sequences of 100 steps.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor

LEAST = 1 << 20
"""Bytes from which memory is lent; what is smaller, the allocator keeps by itself."""

MOST = 1 << 28
"""Bytes that lie idle at most; the longest unused go first."""

_ALIGNMENT = 64


@final
class Block:
    """Memory on its own, and the part of it that begins at a cache line."""

    def __init__(self, size: int) -> None:
        whole = np.empty(size + _ALIGNMENT, np.uint8)
        start = -whole.ctypes.data % _ALIGNMENT
        self.memory, self.size = whole[start : start + size], size


_idle: list[Block] = []
"""The longest unused first. No lock: every change is one operation, as memory may come back at any moment, in any thread."""


class _LentMemory(np.ndarray[Any, Any]):
    """A block's memory for as long as a tensor holds it."""

    block: Block | None = None

    def __del__(self) -> None:
        if self.block is not None:
            _return_block(self.block)


def lend(numbers: int, dtype: torch.dtype) -> Tensor:
    """A tensor of so many numbers, not set, like `torch.empty(numbers, dtype=dtype)`."""
    size = numbers * dtype.itemsize
    if size < LEAST:
        return torch.empty(numbers, dtype=dtype)
    block = _take_idle(size) or Block(size)
    lent = block.memory.view(_LentMemory)
    lent.block = block
    return torch.frombuffer(lent, dtype=dtype, count=numbers)


def idle_sizes() -> list[int]:
    """Bytes of each block that lies idle, the longest unused first."""
    return [block.size for block in tuple(_idle)]


def release_idle() -> None:
    """Give all memory that lies idle back to the system."""
    _idle.clear()


def _take_idle(size: int) -> Block | None:
    """An idle block that is large enough, and not twice as large: the last that came back, whose memory is nearest."""
    for block in reversed(tuple(_idle)):
        if size <= block.size < 2 * size:
            try:
                _idle.remove(block)
            except ValueError:  # somebody else was quicker
                continue
            return block
    return None


def _return_block(block: Block) -> None:
    _idle.append(block)
    while sum(each.size for each in tuple(_idle)) > MOST:
        try:
            _idle.pop(0)
        except IndexError:  # somebody else was quicker
            break


def _let_malloc_keep_memory() -> None:
    """Have GNU's malloc keep what a step gives back of outputs and gradients, for the next.

    It returns large blocks to the system at once, until a program has freed one: then it keeps up to that size, at most 32 MiB.
    This is such a block; its pages are never touched.
    """
    np.empty(31 << 20, np.uint8)


_let_malloc_keep_memory()
