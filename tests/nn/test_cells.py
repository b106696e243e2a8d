"""Cells beside torch.nn's: states and every gradient, with and without biases, states and a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.closeness import assert_all_close, assert_close, assert_no_worse
from tests.nn.twins import D, H

import elman.nn

CELLS = {"RNNCell": {"nonlinearity": "relu"}, "GRUCell": {}, "LSTMCell": {}}
ROWS = 20  # enough for the kernels to be chosen


def pair(kind: str, dtype: torch.dtype, **options: Any) -> tuple[Any, Any]:
    made = []
    for library in (torch.nn, elman.nn):
        torch.manual_seed(1)
        made.append(getattr(library, kind)(D, H, dtype=dtype, **options))
    return made[0], made[1]


def results(cell: Any, x: torch.Tensor, first: list[torch.Tensor] | None) -> dict[str, Any]:
    leaf = x.clone().requires_grad_()
    leaves = None if first is None else [s.clone().requires_grad_() for s in first]
    lstm = isinstance(cell, torch.nn.LSTMCell)
    found = cell(leaf, None if leaves is None else tuple(leaves) if lstm else leaves[0])
    after = found if lstm else (found,)
    cell.zero_grad()
    sum((s * (1 + i + s.detach())).sum() for i, s in enumerate(after)).backward()
    named = {f"last {i}": s for i, s in enumerate(after)} | {"d_x": leaf.grad}
    named |= {f"d_first {i}": s.grad for i, s in enumerate(leaves or [])}
    named |= {f"d_{name}": p.grad for name, p in cell.named_parameters()}
    return {name: v.detach().numpy() for name, v in named.items()}


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_float64(kind: str, bias: bool, given: bool, taken: list[str]) -> None:
    theirs, ours = pair(kind, torch.float64, bias=bias, **CELLS[kind])
    x = torch.randn(2 * ROWS, 2 * D, dtype=torch.float64)[::2, ::2]
    first = [torch.randn(H, ROWS, dtype=torch.float64).T for _ in range(1 + (kind == "LSTMCell"))] if given else None
    expected, actual = results(theirs, x, first), results(ours, x, first)
    zero = {name for name, v in expected.items() if not v.any()}  # no state, no gradient of W_hh
    assert zero == ({"d_weight_hh"} if not given else set()) == {n for n, v in actual.items() if not v.any()}
    assert_all_close(
        {n: v for n, v in actual.items() if n not in zero}, {n: v for n, v in expected.items() if n not in zero}
    )
    assert taken == ["step", "step_backward"]


@pytest.mark.parametrize("kind", CELLS)
def test_one_sequence_without_a_batch(kind: str) -> None:
    theirs, ours = pair(kind, torch.float64, **CELLS[kind])
    x = torch.randn(D, dtype=torch.float64)
    first = [torch.randn(H, dtype=torch.float64) for _ in range(1 + (kind == "LSTMCell"))]
    assert_all_close(results(ours, x, first), results(theirs, x, first))


@pytest.mark.parametrize("kind", CELLS)
def test_float32_is_as_exact_as_pytorch(kind: str) -> None:
    theirs, ours = pair(kind, torch.float32, **CELLS[kind])
    exact = getattr(torch.nn, kind)(D, H, dtype=torch.float64, **CELLS[kind])
    exact.load_state_dict({name: p.double() for name, p in theirs.state_dict().items()})
    x = torch.randn(300, D)
    first = [torch.randn(300, H) for _ in range(1 + (kind == "LSTMCell"))]
    wanted = results(exact, x.double(), [s.double() for s in first])
    a, b = results(ours, x, first), results(theirs, x, first)
    for name in wanted:
        assert_no_worse(a[name], b[name], wanted[name], 3.0 if name.startswith("d_") else 2.0)


@pytest.mark.parametrize("kind", CELLS)
def test_steps_are_a_sequence(kind: str) -> None:
    """A cell step by step is the layer of one layer, to the bit."""
    layer = getattr(elman.nn, kind.removesuffix("Cell"))(D, H, dtype=torch.float64, **CELLS[kind])
    cell = getattr(elman.nn, kind)(D, H, dtype=torch.float64, **CELLS[kind])
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x = torch.randn(5, ROWS, D, dtype=torch.float64)
    outputs, _ = layer(x)
    state: Any = None
    for t in range(5):
        state = cell(x[t], state)
        h = state[0] if kind == "LSTMCell" else state
        assert_close(h.detach().numpy(), outputs[t].detach().numpy(), "float64 rounding")


@pytest.mark.parametrize("special", [{"layer_norm": True}, {"nonlinearity": "sigmoid"}])
@pytest.mark.parametrize(
    ("x", "h"),
    [((1, 2, D), (2, H)), ((2, D), (1, 2, H, 1)), ((2, D + 1), (2, H)), ((2, D), (2, H + 1)), ((2, D), (3, H))],
)
def test_bad_input_of_what_pytorch_does_not_have(x: Any, h: Any, special: dict[str, Any]) -> None:
    said = []
    for cell in (torch.nn.RNNCell(D, H), elman.nn.RNNCell(D, H, **special)):
        with pytest.raises((ValueError, RuntimeError)) as raised:
            cell(torch.zeros(x), torch.zeros(h))
        said.append(str(raised.value).replace("tensor instead", "instead"))
    assert said[0] == said[1]


def test_states_that_are_not_two_or_have_too_many_axes() -> None:
    x, h = torch.zeros(ROWS, D), torch.zeros(ROWS, H)
    for library in (torch.nn, elman.nn):
        with pytest.raises(RuntimeError):
            library.LSTMCell(D, H)(x, (h,))
        with pytest.raises(RuntimeError):
            library.GRUCell(D, H)(x[0], h)


@pytest.mark.parametrize("kind", CELLS)
def test_they_are_torchs_classes(kind: str) -> None:
    assert isinstance(getattr(elman.nn, kind)(D, H), getattr(torch.nn, kind))
