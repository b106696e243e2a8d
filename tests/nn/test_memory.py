"""What a pass saves lies in memory that is lent again: never while a graph needs it, and not without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_same_bits
from torch.utils.checkpoint import checkpoint

import elman.nn
from elman.nn import memory

NUMBERS = memory.LEAST  # of four bytes each


@pytest.fixture(autouse=True)
def nothing_idle() -> Iterator[None]:
    memory.release_idle()
    yield
    memory.release_idle()


def test_what_comes_back_is_lent_again() -> None:
    first = memory.lend(NUMBERS, torch.float32)
    assert (first.shape, first.dtype, first.data_ptr() % 64, memory.idle_sizes()) == ((NUMBERS,), torch.float32, 0, [])
    address, part = first.data_ptr(), first[5:]
    del first
    assert memory.idle_sizes() == []
    del part
    assert memory.idle_sizes() == [4 * NUMBERS]
    again = memory.lend(NUMBERS - 1000, torch.float32)
    assert (again.data_ptr(), len(again)) == (address, NUMBERS - 1000)
    other = memory.lend(NUMBERS, torch.float64)
    assert other.data_ptr() != address
    assert len(other) == NUMBERS


@pytest.mark.parametrize("numbers", [NUMBERS // 2, NUMBERS + 1])
def test_blocks_that_do_not_fit_stay_idle(numbers: int) -> None:
    memory.lend(NUMBERS, torch.float32)
    lent = memory.lend(numbers, torch.float32)
    assert memory.idle_sizes() == [4 * NUMBERS]
    assert len(lent) == numbers


def test_small_tensors_are_the_allocators() -> None:
    memory.lend(NUMBERS // 4 - 1, torch.float32)
    assert memory.idle_sizes() == []


def test_no_more_lies_idle_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest unused goes first."""
    monkeypatch.setattr(memory, "MOST", 10 * NUMBERS)
    held = [memory.lend(NUMBERS + i, torch.float32) for i in range(4)]
    while held:
        held.pop(0)
    assert memory.idle_sizes() == [4 * (NUMBERS + 2), 4 * (NUMBERS + 3)]


def loss_of(layer: Any, x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = layer(x)[0].square().sum()
    return found


def gradients(layer: Any, loss: torch.Tensor, **options: Any) -> list[np.ndarray]:
    return [g.numpy() for g in torch.autograd.grad(loss, list(layer.parameters()), **options)]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_graphs_that_live_at_a_time_do_not_share(kind: str) -> None:
    layer, (x, y) = getattr(elman.nn, kind)(8, 128), torch.randn(2, 70, 64, 8)
    alone = [gradients(layer, loss_of(layer, each)) for each in (x, y)]
    blocks = len(memory.idle_sizes())
    assert blocks == 1  # the second graph had the memory of the first
    first, second = loss_of(layer, x), loss_of(layer, y)
    for loss, wanted in ((second, alone[1]), (first, alone[0]), (first, alone[0])):
        for a, b in zip(gradients(layer, loss, retain_graph=True), wanted, strict=True):
            assert_same_bits(a, b)
    del first, second, loss
    assert len(memory.idle_sizes()) == 2


def test_checkpointing_keeps_nothing() -> None:
    """Between the passes all memory is back, and the second forward pass gives the same gradients."""
    layer, x = elman.nn.LSTM(8, 128), torch.randn(70, 64, 8)
    wanted = gradients(layer, loss_of(layer, x))
    loss = checkpoint(loss_of, layer, x, use_reentrant=False)
    assert len(memory.idle_sizes()) == 1
    for a, b in zip(gradients(layer, loss), wanted, strict=True):
        assert_same_bits(a, b)
