"""The same bits for any number of threads and from many threads at a time; scratch memory is given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.closeness import assert_same_bits

import elman.nn
from elman.native import _core


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = _core.threads()
    _core.set_threads(3)
    yield
    _core.set_threads(before)


def pass_through(layer: Any, x: torch.Tensor) -> list[Any]:
    leaf = x.clone().requires_grad_()
    outputs, _ = layer(leaf)
    found = torch.autograd.grad((outputs**2).sum(), [leaf, *layer.parameters()])
    return [outputs.detach().numpy(), *(d.numpy() for d in found)]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_any_number_of_threads_gives_the_same_bits(kind: str) -> None:
    layer = getattr(elman.nn, kind)(20, 100, 2, bidirectional=True)
    x = torch.randn(17, 24, 20)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(pass_through(layer, x))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_same_bits(a, b)


def test_pytorchs_number_of_threads_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    plan = elman.nn.kernels.plan_for(torch.float32, 3, 4, 9, 1, False, True)

    class Watched:
        def forward(self, *args: Any) -> None:
            given.append(args[-1])
            core.forward(*args)

    core = plan.core
    monkeypatch.setitem(plan.__dict__, "core", Watched())
    layer = elman.nn.GRU(4, 9)
    with torch.no_grad():
        for count in (1, 3):
            torch.set_num_threads(count)
            layer(torch.zeros(2, 1, 4))
    assert given == [1, 3]


def test_many_callers_at_a_time() -> None:
    layer = elman.nn.LSTM(12, 40, 2)
    xs = [torch.randn(15, 8, 12) for _ in range(6)]
    expected = [pass_through(layer, x) for x in xs]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(8):
            found = pass_through(layer, xs[index])
            if any(a.tobytes() != b.tobytes() for a, b in zip(found, expected[index], strict=True)):
                wrong.append(index)

    callers = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def test_poisoned_memory_is_never_read() -> None:
    _core.poison(True)
    try:
        for kind in ("RNN", "GRU", "LSTM"):
            layer = getattr(elman.nn, kind)(3, 9, 2, bidirectional=True)
            lengths = torch.tensor([5, 5, 2])
            packed = torch.nn.utils.rnn.pack_padded_sequence(torch.randn(5, 3, 3), lengths)
            outputs, _ = layer(packed)
            outputs.data.square().sum().backward()
            assert torch.isfinite(outputs.data).all()
            assert all(torch.isfinite(p.grad).all() for p in layer.parameters())
    finally:
        _core.poison(False)
