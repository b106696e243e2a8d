"""The same bits: for any number of threads, from run to run, from buffers that held anything, for rows by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from tests.closeness import assert_all_same_bits, assert_same_bits
from tests.engines.cases import LOSSES, network
from tests.engines.native.test_parity import batch_for, pieces_for, state_for

from elman.engines import Gradients, Optimiser, Steps
from elman.engines.native.engine import NativeEngine
from elman.native import _core
from elman.network import Network

# (cell, N, T, H): sequences shared out, columns shared out (one sequence, few sequences), the long sums of tiny layers,
# and products large enough for packing.
SHAPES = [
    ("elman-tanh", 32, 12, 96),
    ("gru", 32, 12, 96),
    ("lstm", 33, 9, 100),
    ("elman-sigmoid", 1, 20, 320),
    ("gru", 1, 20, 200),
    ("lstm", 3, 20, 130),
    ("lstm", 64, 50, 7),
]


def run(made: Network, dtype: str, n: int, t: int) -> tuple[Gradients, Steps, dict[str, np.ndarray]]:
    loss = LOSSES["mse"]
    engine = NativeEngine(made, loss, Optimiser(clip_norm=0.5), dtype=dtype)
    found = engine.gradients(batch_for(made, loss, n, t, lengths=True), state_for(made, n))
    steps = engine.train_steps(pieces_for(made, loss, 3, n, t))
    return found, steps, engine.parameters()


def assert_same_run(first: tuple[Gradients, Steps, dict[str, np.ndarray]],
                    second: tuple[Gradients, Steps, dict[str, np.ndarray]]) -> None:  # fmt: skip
    (a, steps_a, parameters_a), (b, steps_b, parameters_b) = first, second
    assert a.loss == b.loss
    assert_same_bits(a.outputs, b.outputs)
    assert_all_same_bits(a.parameters, b.parameters)
    assert a.inputs is not None and b.inputs is not None
    assert_same_bits(a.inputs, b.inputs)
    for one, other in zip((*a.initial_state, *a.state), (*b.initial_state, *b.state), strict=True):
        assert_same_bits(one, other)
    assert_same_bits(steps_a.losses, steps_b.losses)
    assert_same_bits(steps_a.gradient_norms, steps_b.gradient_norms)
    assert_all_same_bits(parameters_a, parameters_b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cell", "n", "t", "hidden"), SHAPES)
def test_any_number_of_threads(isa: str, cell: str, n: int, t: int, hidden: int, dtype: str) -> None:
    made = network(cell, hidden_size=hidden, input_size=20, bidirectional=n == 3)
    runs = []
    for threads in (1, 2, 3):
        _core.set_threads(threads)
        runs.append(run(made, dtype, n, t))
    assert_same_run(runs[0], runs[1])
    assert_same_run(runs[0], runs[2])


@pytest.mark.parametrize(("cell", "n", "t", "hidden"), SHAPES)
def test_what_buffers_held_before(cell: str, n: int, t: int, hidden: int) -> None:
    """With every buffer filled with NaN first, nothing changes: nothing is read that was not written."""
    made = network(cell, hidden_size=hidden, input_size=3, num_layers=2, dropout=0.1)
    clean = run(made, "float32", n, t)
    _core.poison(True)
    assert_same_run(clean, run(made, "float32", n, t))


@pytest.mark.parametrize("cell", ["elman-tanh", "gru", "lstm"])
@pytest.mark.parametrize("hidden", [5, 40, 150])
def test_a_batch_is_its_sequences(isa: str, cell: str, hidden: int) -> None:
    """To the bit, as every element is summed in the same order wherever it is computed."""
    made = network(cell, hidden_size=hidden, num_layers=2)
    engine = NativeEngine(made, dtype="float32")
    x = np.random.default_rng(0).standard_normal((13, 9, made.input_size)).astype(np.float32)
    whole, _ = engine.forward(x)
    for n in range(13):
        assert_same_bits(engine.forward(x[n : n + 1])[0], whole[n : n + 1])
    assert_same_bits(engine.forward(x[3:10])[0], whole[3:10])


@pytest.mark.parametrize("cell", ["elman-relu", "gru", "lstm"])
def test_a_sequence_is_its_pieces(isa: str, cell: str) -> None:
    engine = NativeEngine(network(cell, hidden_size=33), dtype="float32")
    x = np.random.default_rng(0).standard_normal((4, 20, 3)).astype(np.float32)
    whole, last = engine.forward(x)
    first, state = engine.forward(x[:, :13])
    second, end = engine.forward(x[:, 13:], state)
    assert_same_bits(np.concatenate((first, second), axis=1), whole)
    for one, other in zip(end, last, strict=True):
        assert_same_bits(one, other)
