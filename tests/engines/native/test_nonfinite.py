"""NaN and infinity come out where they went in, and stop a training before they reach the weights."""

from __future__ import annotations

import numpy as np
import pytest
from tests.closeness import assert_all_same_bits
from tests.engines.cases import CELLS, LOSSES, network
from tests.engines.native.test_parity import batch_for, pieces_for

from elman.engines import Optimiser, Pieces
from elman.engines.native.engine import NativeEngine


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("cell", CELLS)
def test_only_the_sequence_that_holds_it(isa: str, cell: str, value: float) -> None:
    engine = NativeEngine(network(cell, hidden_size=37))
    x = np.random.default_rng(0).standard_normal((5, 8, 3)).astype(np.float32)
    expected, _ = engine.forward(x)
    x[2, 3, 1] = value
    outputs, _ = engine.forward(x)
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(outputs[others], expected[others])
    np.testing.assert_array_equal(outputs[2, :3], expected[2, :3])
    assert (outputs[2, 3] != expected[2, 3]).all()
    if np.isnan(value):
        assert np.isnan(outputs[2, 3:]).all()


@pytest.mark.parametrize(("n", "t", "hidden"), [(1, 1, 6), (4, 5, 20)], ids=["tiny", "general"])
@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_training_stops_before_the_update(kind: str, n: int, t: int, hidden: int) -> None:
    made = network("elman-tanh", hidden_size=hidden)
    engine = NativeEngine(made, LOSSES["mse"], Optimiser(kind=kind, clip_norm=1.0))
    good = pieces_for(made, LOSSES["mse"], 3, n, t)
    targets = good.targets.copy()
    targets[2, 0, 0, 0] = np.nan
    done = engine.train_steps(Pieces(good.inputs, targets, None, good.fresh))
    assert len(done.losses) == 3 and not done.finite and np.isfinite(done.losses[:2]).all() and engine.updates == 2
    kept = engine.parameters()
    bad = engine.train_steps(Pieces(good.inputs[2:], targets[2:], None, good.fresh[2:]))
    assert len(bad.losses) == len(bad.weights) == len(bad.gradient_norms) == 1 and engine.updates == 2
    assert_all_same_bits(engine.parameters(), kept)


@pytest.mark.parametrize("clip", [{"clip_value": 0.1}, {"clip_norm": 0.1}])
def test_clipping_does_not_hide_it(clip: dict[str, float]) -> None:
    made = network("gru")
    engine = NativeEngine(made, LOSSES["mse"], Optimiser(kind="sgd", **clip))
    batch = batch_for(made, LOSSES["mse"], 3, 4)
    batch.inputs[0, 0, 0] = np.inf
    assert not engine.train_step(batch).finite and engine.updates == 0


def test_denormals_are_not_slow_and_not_switched_off_outside() -> None:
    made = network("elman-relu", hidden_size=32)
    engine = NativeEngine(made)
    engine.forward(np.full((2, 50, 3), 1e-40, np.float32))
    assert np.float32(1e-40) * np.float32(0.5) != 0, "the caller's floating point settings were left changed"
