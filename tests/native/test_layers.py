"""Layers without a head against torch.nn: outputs, states and every gradient, states included."""

from __future__ import annotations

import numpy as np
import pytest
from tests.closeness import assert_close

from elman.native import _core

torch = pytest.importorskip("torch")
CELLS = {"elman_tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("hidden", [7, 32, 100])
@pytest.mark.parametrize("cell", CELLS)
def test_against_torch(cell: str, hidden: int, bidirectional: bool) -> None:
    module = CELLS[cell](5, hidden, num_layers=2, bidirectional=bidirectional).double()
    shape = _core.Shape(
        cell=_core.Cell[cell], input_size=5, hidden_size=hidden, num_layers=2, bidirectional=bidirectional
    )
    layers = _core.Layers64(shape)
    block = np.concatenate([p.detach().numpy().ravel() for p in module.parameters()])
    assert layers.size == block.size
    layers.load_parameters(block)

    generator = np.random.default_rng(0)
    steps, count, rows = 6, 4, 4 if bidirectional else 2
    x = generator.standard_normal((steps, count, 5))
    states = [generator.standard_normal((rows, count, hidden)) for _ in range(2 if cell == "lstm" else 1)]
    d_outputs = generator.standard_normal((steps, count, hidden * rows // 2))
    d_last = [generator.standard_normal(s.shape) for s in states]

    x_t, *states_t = (torch.from_numpy(a).requires_grad_() for a in (x, *states))
    outputs_t, last_t = module(x_t, tuple(states_t) if cell == "lstm" else states_t[0])
    last_t = last_t if cell == "lstm" else (last_t,)
    torch.autograd.backward([outputs_t, *last_t], [torch.from_numpy(d_outputs), *(torch.from_numpy(d) for d in d_last)])

    def named(prefix: str, arrays: list[np.ndarray]) -> dict[str, np.ndarray | None]:
        return {f"{prefix}h": arrays[0], f"{prefix}c": arrays[1] if len(arrays) == 2 else None}

    outputs, last = np.empty_like(d_outputs), [np.empty_like(s) for s in states]
    layers.forward(x=x, **named("", states), outputs=outputs, **named("last_", last), save=True)
    d_block, d_x, d_states = np.empty_like(block), np.empty_like(x), [np.empty_like(s) for s in states]
    layers.backward(d_outputs=d_outputs, **named("d_last_", d_last), d_block=d_block, d_x=d_x, **named("d_", d_states))
    assert_close(outputs, outputs_t.detach().numpy())
    for actual, wanted in zip(last, last_t, strict=True):
        assert_close(actual, wanted.detach().numpy())
    assert_close(d_x, x_t.grad.numpy())
    for actual, wanted in zip(d_states, states_t, strict=True):
        assert_close(actual, wanted.grad.numpy())
    assert_close(d_block, np.concatenate([p.grad.numpy().ravel() for p in module.parameters()]))
