"""float32: no further from the truth than twice what PyTorch's own float32 is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.closeness import assert_no_worse
from tests.engines.cases import LOSSES, TORCH_CELLS, Case, case
from tests.engines.torch_twin import layers

from elman.engines import Loss, Optimiser


def rounded(given: Case) -> Case:
    """The same case with every number that goes in exactly a float32, so that only arithmetic differs."""

    def to_single(a: np.ndarray) -> np.ndarray:
        return a.astype(np.float32).astype(np.float64) if a.dtype.kind == "f" else a

    parameters = {name: to_single(p / 4) for name, p in given.network.parameters.items()}
    batch = given.batch._replace(inputs=to_single(given.batch.inputs), targets=to_single(given.batch.targets))
    network = given.network.with_parameters(parameters)
    return replace(given, network=network, batch=batch, state=tuple(to_single(s) for s in given.state))


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_outputs_states_and_gradients(engine_name: str, cell: str, bidirectional: bool) -> None:
    """Weights are judged together, and biases together, each tensor as a share of its largest entry."""
    given = rounded(case(cell, n=7, t=63, input_size=33, hidden_size=31, num_layers=2, bidirectional=bidirectional))
    exact = layers(given.network, given.loss, given.batch, given.state)
    theirs = layers(given.network, given.loss, given.batch, given.state, torch.float32)
    ours = given.engine(engine_name, dtype="float32").gradients(given.batch, given.state)
    assert_no_worse(ours.outputs, theirs.outputs, exact.outputs)
    for a, b, c in zip((*ours.state, *ours.initial_state), (*theirs.state, *theirs.initial_state),
                       (*exact.state, *exact.initial_state), strict=True):  # fmt: skip
        assert_no_worse(a, b, c)
    assert ours.inputs is not None
    assert theirs.inputs is not None
    assert exact.inputs is not None
    assert_no_worse(ours.inputs, theirs.inputs, exact.inputs)
    for kind in ("weight", "bias"):
        sizes = {name: np.float32(np.abs(g).max()) for name, g in exact.parameters.items() if kind in name}
        sides = (side.parameters for side in (ours, theirs, exact))
        a, b, c = (np.concatenate([(side[n] / sizes[n]).ravel() for n in sizes]) for side in sides)
        assert_no_worse(a, b, c)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_in_float32(engine_name: str, name: str) -> None:
    """Losses are sums, so one number's luck decides; they are held to the rounding of float32 instead."""
    given = rounded(case("gru", LOSSES[name], n=7, t=63, hidden_size=31))
    exact = given.engine(engine_name).gradients(given.batch, given.state)
    single = given.engine(engine_name, dtype="float32").gradients(given.batch, given.state)
    assert abs(single.loss - exact.loss) <= 1e-6 * abs(exact.loss) + 1e-7
    for gradient in (*single.parameters.values(), *single.initial_state, *single.state, single.outputs, single.inputs):
        assert gradient is not None
        assert gradient.dtype == np.float32


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "rmsprop"])
def test_everything_stays_in_the_engines_own_type(engine_name: str, dtype: str, kind: str) -> None:
    given = case("lstm", Loss(kind="huber"), num_layers=2, dropout=0.2)
    engine = given.engine(engine_name, dtype=dtype, optimiser=Optimiser(kind=kind, weight_decay=0.1, clip_norm=1.0))
    steps = engine.train_step(given.batch, given.state)
    outputs, state = engine.forward(given.batch.inputs)
    for array in (*steps.state, *engine.parameters().values(), *engine.optimiser_state().values(), outputs, *state):
        assert array.dtype == dtype
    assert steps.losses.dtype == np.float64
