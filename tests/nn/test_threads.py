"""The same bits for any number of threads, PyTorch's or our own, and from many threads at a time; scratch memory is given back."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.closeness import assert_same_bits

import elman.nn
from elman.native import _core
from elman.nn import kernels


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = _core.threads()
    _core.set_threads(3)
    yield
    _core.set_threads(before)
    kernels.share_threads()


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


class Regions:
    """What stands in for OpenMP: two threads for each region beside the caller, which it counts."""

    def __init__(self) -> None:
        self.began = self.ended = 0
        self.numbers = threading.local()
        self.threads: list[threading.Thread] = []
        work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        self.functions = (
            ctypes.CFUNCTYPE(None, work, ctypes.c_void_p, ctypes.c_uint)(self.start),
            ctypes.CFUNCTYPE(None)(self.end),
            ctypes.CFUNCTYPE(ctypes.c_int)(lambda: self.numbers.mine),
        )
        _core.set_openmp(*(ctypes.cast(f, ctypes.c_void_p).value or 0 for f in self.functions))

    def start(self, work: Any, data: int, threads: int) -> None:
        assert threads == 0
        self.began += 1
        self.threads = [threading.Thread(target=self.visit, args=(number, work, data)) for number in (1, 2)]
        for thread in self.threads:
            thread.start()

    def visit(self, number: int, work: Any, data: int) -> None:
        self.numbers.mine = number
        work(data)

    def end(self) -> None:
        self.ended += 1
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("limit", [2, 3])
def test_another_librarys_threads_come_for_a_call_and_leave(limit: int) -> None:
    """One region for a whole call, none for one that has nothing to share; the same bits as by our own threads."""
    torch.set_num_threads(limit)
    layer, small = elman.nn.LSTM(20, 100, 2), elman.nn.LSTM(2, 3)
    x = torch.randn(17, 24, 20)
    _core.set_openmp(0, 0, 0)
    own = pass_through(layer, x)
    regions = Regions()
    found = pass_through(layer, x)
    assert (regions.began, regions.ended) == (2, 2)
    for a, b in zip(found, own, strict=True):
        assert_same_bits(a, b)
    pass_through(small, torch.randn(4, 1, 2))
    torch.set_num_threads(1)
    pass_through(layer, x)
    assert regions.began == 2


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch works on GNU's OpenMP on Linux")
def test_pytorchs_own_threads_are_found() -> None:
    assert kernels.share_threads()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_are_gone() -> None:
    """As the workers of a DataLoader are: PyTorch lets them have one thread, others may set more."""
    layer, x = elman.nn.GRU(20, 100, 2), torch.randn(17, 24, 20)
    torch.set_num_threads(3)
    with torch.no_grad():
        expected = layer(x)[0]
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # ends it, should it wait
            os._exit(0 if layer(x)[0].numpy().tobytes() == expected.numpy().tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_pytorchs_number_of_threads_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    plan = elman.nn.kernels.plan_for(torch.float32, "GRU", 4, 9, 1, False, True)

    class Watched:
        def forward(self, **arguments: Any) -> None:
            counts.append(arguments["threads"])
            core.forward(**arguments)

    core = plan.core
    monkeypatch.setitem(plan.__dict__, "core", Watched())
    layer = elman.nn.GRU(4, 9)
    with torch.no_grad():
        for count in (1, 3):
            torch.set_num_threads(count)
            layer(torch.zeros(2, 1, 4))
    assert counts == [1, 3]


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
