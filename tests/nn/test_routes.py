"""Which way a call goes: what the kernels do not have takes PyTorch's own path, with torch.nn's very bits."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from tests.closeness import assert_close, assert_same_bits
from tests.nn.twins import KINDS, D, H, N, inputs, states, twins
from torch.autograd import forward_ad

import elman.nn
from elman.nn import kernels
from elman.nn.routes import Route, route


def flat(found: Any) -> list[torch.Tensor]:
    outputs, last = found
    return [outputs, *(last if isinstance(last, tuple) else (last,))]


def assert_torchs_bits(kind: str, run: Any, **options: Any) -> None:
    """`run` gives the same bits with torch.nn's layer and with ours."""
    theirs, ours = twins(kind, **options)
    for a, b in zip(run(ours), run(theirs), strict=True):
        assert a.dtype == b.dtype
        assert_same_bits(a.detach().float().numpy(), b.detach().float().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_eager_on_a_cpu_runs_the_kernels(kind: str, taken: list[str]) -> None:
    for dtype in (torch.float32, torch.float64):
        _, layer = twins(kind, dtype)
        with torch.no_grad():
            layer(inputs(dtype=dtype))
        with torch.inference_mode():
            layer(inputs(dtype=dtype))
        layer(inputs(dtype=dtype))[0].sum().backward()
    assert taken == ["forward", "forward", "forward", "backward"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision(kind: str, taken: list[str]) -> None:
    x = inputs().bfloat16()
    assert_torchs_bits(kind, lambda layer: flat(layer(x)), dtype=torch.bfloat16)
    assert taken == []


@pytest.mark.parametrize("kind", KINDS)
def test_autocast(kind: str, taken: list[str]) -> None:
    x = inputs(dtype=torch.float32)

    def run(layer: Any) -> list[torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return flat(layer(x))

    assert_torchs_bits(kind, run, dtype=torch.float32)
    assert taken == []


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_projections(taken: list[str]) -> None:
    x = inputs(dtype=torch.float32)
    assert_torchs_bits("LSTM", lambda layer: flat(layer(x)), dtype=torch.float32, proj_size=3, num_layers=2)
    assert taken == []


@pytest.mark.parametrize("kind", KINDS)
def test_another_device(kind: str, taken: list[str]) -> None:
    layer = getattr(elman.nn, kind)(D, H, device="meta")
    outputs, _ = layer(torch.empty(3, N, D, device="meta"))
    assert outputs.shape == (3, N, H) and outputs.device.type == "meta"
    assert taken == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch(kind: str, taken: list[str]) -> None:
    x = torch.empty(3, 0, D, dtype=torch.float64, requires_grad=True)
    assert_torchs_bits(kind, lambda layer: flat(layer(x)))
    layer = twins(kind)[1]
    outputs, _ = layer(x)
    assert outputs.shape == (3, 0, H)
    assert taken == []


@pytest.mark.parametrize("kind", KINDS)
def test_function_transforms(kind: str, taken: list[str]) -> None:
    """vmap over layers' inputs, a gradient of a function, and a forward derivative through it."""
    many = torch.randn(3, 2, N, D, dtype=torch.float64)

    def gradient(layer: Any) -> list[torch.Tensor]:
        weights = {name: p.detach() for name, p in layer.named_parameters()}

        def loss(weights: Any, x: torch.Tensor) -> torch.Tensor:
            return (torch.func.functional_call(layer, weights, (x,))[0] ** 2).sum()

        return list(torch.func.grad(loss)(weights, many[0]).values())

    assert_torchs_bits(kind, gradient)
    assert taken == []
    theirs, ours = twins(kind)
    said = []
    for layer in (theirs, ours):  # PyTorch's own layers have no rule for vmap; a trace is a loop of what has
        with pytest.raises(RuntimeError) as raised:
            torch.func.vmap(lambda x, layer=layer: layer(x)[0])(many)
        said.append(str(raised.value))
    assert said[0] == said[1]
    each = torch.stack([theirs(x)[0] for x in many])
    assert_close(torch.func.vmap(lambda x: ours.trace(x).outputs)(many).detach().numpy(), each.detach().numpy())


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_forward_mode(kind: str) -> None:
    def run(layer: Any) -> list[torch.Tensor]:
        torch.manual_seed(6)
        with forward_ad.dual_level():
            x = forward_ad.make_dual(
                torch.randn(2, N, D, dtype=torch.float64), torch.ones(2, N, D, dtype=torch.float64)
            )
            with torch.no_grad():
                return list(forward_ad.unpack_dual(layer(x)[0]))

    assert_torchs_bits(kind, run)


@pytest.mark.filterwarnings("ignore")  # PyTorch's own, about what a trace fixes
@pytest.mark.parametrize("kind", KINDS)
def test_jit_trace(kind: str, taken: list[str]) -> None:
    layer = twins(kind)[1]
    x = inputs()
    traced = torch.jit.trace(layer, x, check_trace=False)
    assert taken == []
    assert_close(traced(x)[0].detach().numpy(), layer(x)[0].detach().numpy())


def test_tensors_of_another_kind_are_left_to_pytorch() -> None:
    class Marked(torch.Tensor):
        pass

    assert route(torch.zeros(1).as_subclass(Marked)) is Route.PYTORCH
    assert route(torch.zeros(1)) is Route.KERNELS
    assert route(torch.zeros(1, dtype=torch.int64)) is Route.PYTORCH


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_core(kind: str, monkeypatch: pytest.MonkeyPatch, taken: list[str]) -> None:
    monkeypatch.setattr(kernels, "AVAILABLE", False)
    x, first = inputs(), states(kind, 1)
    hx = first if kind == "LSTM" else first[0]
    assert_torchs_bits(kind, lambda layer: flat(layer(x, hx)))
    assert taken == []


def test_the_sigmoid_is_the_same_without_the_kernels(monkeypatch: pytest.MonkeyPatch, taken: list[str]) -> None:
    layer = elman.nn.RNN(D, H, 2, "sigmoid", bidirectional=True, dtype=torch.float64)
    x = inputs()
    by_kernels = flat(layer(x))
    assert taken == ["forward"]
    monkeypatch.setattr(kernels, "AVAILABLE", False)
    for a, b in zip(by_kernels, flat(layer(x)), strict=True):
        assert_close(a.detach().numpy(), b.detach().numpy())
    assert taken == ["forward"]


def test_few_rows_and_many_weights_are_left_to_pytorch(taken: list[str]) -> None:
    with torch.no_grad():
        elman.nn.GRU(8, 512)(torch.zeros(1, 1, 8))
        assert taken == []
        elman.nn.GRU(8, 512)(torch.zeros(9, 1, 8))
        elman.nn.LSTM(8, 512)(torch.zeros(1, 1, 8))
    assert taken == ["forward", "forward"]


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import elman
from elman.errors import MissingExtraError
try:
    import elman.nn
except MissingExtraError as error:
    print(error.exit_code, error)
"""


def test_without_pytorch_the_pip_command_is_said() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert done.stdout == "3 elman.nn needs PyTorch, which is not installed; pip install 'elman[torch]'\n"
