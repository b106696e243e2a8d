"""Every gradient against central differences of the engine's own loss, in float64. No other library is asked."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.closeness import assert_close, assert_slope
from tests.engines.cases import CELLS, LOSSES, Case, case

from elman.engines import Batch

Array = NDArray[Any]

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no biases": {"bias": False, "head_bias": False},
    "two layers, both ways": {"num_layers": 2, "bidirectional": True},
    "ragged": {"lengths": True},
    "ragged, both ways, last": {"lengths": True, "num_layers": 2, "bidirectional": True, "head": "last"},
    "last": {"head": "last", "num_layers": 2},
    "dropout": {"num_layers": 3, "bidirectional": True, "dropout": 0.3, "lengths": True},
    "embedding": {"inputs": "embedding", "input_size": 6, "num_layers": 2},
    "one hot, both ways": {"inputs": "one_hot", "input_size": 6, "bidirectional": True, "lengths": True},
}


def loss_at(given: Case, engine_name: str, inputs: Array | None = None) -> float:
    """The loss alone. `train` stays on, so dropout's mask is the one that the gradients were made with."""
    batch = given.batch if inputs is None else given.batch._replace(inputs=inputs)
    return given.engine(engine_name, seed=5).gradients(batch, given.state).loss


def assert_gradients(given: Case, engine_name: str) -> None:
    """Slopes of the loss in every parameter, in the inputs and in every array of the first state."""

    def in_parameter(name: str, p: Array) -> float:
        return loss_at(given.with_parameter(name, p), engine_name)

    def in_state(row: int, s: Array) -> float:
        state = (*given.state[:row], s, *given.state[row + 1 :])
        return loss_at(replace(given, state=state), engine_name)

    found = given.engine(engine_name, seed=5).gradients(given.batch, given.state)
    for name, gradient in found.parameters.items():
        assert_slope(partial(in_parameter, name), given.network.parameters[name], gradient)
    for row, gradient in enumerate(found.initial_state):
        assert_slope(partial(in_state, row), given.state[row], gradient)
    if found.inputs is not None:
        assert_slope(lambda x: loss_at(given, engine_name, x), given.batch.inputs, found.inputs)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_and_option(engine_name: str, cell: str, options: str) -> None:
    assert_gradients(case(cell, LOSSES["mse"], **OPTIONS[options]), engine_name)


@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(engine_name: str, loss: str, head: str) -> None:
    """Random targets lie far from the kinks of mae, huber and quantile compared with the step of the differences."""
    assert_gradients(case("gru", LOSSES[loss], lengths=True, head=head), engine_name)


@pytest.mark.parametrize("backprop_steps", [1, 2, 3, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_truncation(engine_name: str, cell: str, backprop_steps: int) -> None:
    """The truncated gradient is the exact gradient of a sum of pieces, each started from a state that is held fixed.

    The pieces are cut from the end, and the states are those that the unchanged network passes through.
    """
    given = case(cell, LOSSES["mse sum"], num_layers=2)
    engine = given.engine(engine_name, backprop_steps=backprop_steps)
    found = engine.gradients(given.batch, given.state)
    steps = given.batch.inputs.shape[1]
    cuts = sorted({0, steps, *range(steps, 0, -backprop_steps)})
    pieces = [Batch(given.batch.inputs[:, a:b], given.batch.targets[:, a:b]) for a, b in itertools.pairwise(cuts)]
    starts = [given.state]
    for piece in pieces:
        starts.append(engine.forward(piece.inputs, starts[-1])[1])

    def pieces_loss(changed: Case) -> float:
        fresh = changed.engine(engine_name)
        return sum(fresh.evaluate(p, s).loss for p, s in zip(pieces, starts, strict=False))

    def changed_loss(name: str, p: Array) -> float:
        return pieces_loss(given.with_parameter(name, p))

    assert_close(pieces_loss(given), found.loss)
    for name, gradient in found.parameters.items():
        value = given.network.parameters[name]
        assert_slope(partial(changed_loss, name), value, gradient)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_add_up_over_the_batch(engine_name: str, cell: str) -> None:
    """With a summed loss, the gradient of a batch is the sum over its sequences, and each input's gradient its own."""
    given = case(cell, LOSSES["half_mse sum"], lengths=True, num_layers=2, bidirectional=True)
    engine = given.engine(engine_name)
    whole = engine.gradients(given.batch, given.state)
    assert given.batch.lengths is not None
    assert whole.inputs is not None
    total = {name: np.zeros_like(g) for name, g in whole.parameters.items()}
    for i, length in enumerate(given.batch.lengths):
        one = Batch(given.batch.inputs[i : i + 1, :length], given.batch.targets[i : i + 1, :length])
        alone = engine.gradients(one, tuple(s[:, i : i + 1] for s in given.state))
        assert alone.inputs is not None
        assert_close(whole.inputs[i, :length], alone.inputs[0])
        assert not whole.inputs[i, length:].any()
        total = {name: total[name] + g for name, g in alone.parameters.items()}
    for name, g in total.items():
        assert_close(whole.parameters[name], g)
