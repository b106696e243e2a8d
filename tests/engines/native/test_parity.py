"""The native engine against the reference, in float64: every cell and option, every loss and optimiser, odd sizes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.closeness import assert_all_close, assert_close
from tests.engines.cases import CELLS, LOSSES, network

from elman.engines import Batch, Gradients, Loss, Optimiser, Pieces
from elman.engines.native.engine import NativeEngine
from elman.engines.reference.engine import ReferenceEngine
from elman.network import Network

Array = NDArray[Any]


def assert_near(actual: Any, expected: Array, tolerance: str = "float64") -> None:
    """assert_close, and where nothing but zeros is expected, zeros."""
    assert_close(actual, expected, tolerance, zero=not np.any(expected))


def assert_same_gradients(ours: Gradients, expected: Gradients) -> None:
    assert (ours.weight, ours.correct, ours.scored) == (expected.weight, expected.correct, expected.scored)
    assert_near(ours.loss, np.asarray(expected.loss))
    assert_near(ours.outputs, expected.outputs)
    for actual, wanted in zip(
        (*ours.state, *ours.initial_state), (*expected.state, *expected.initial_state), strict=True
    ):
        assert_near(actual, wanted)
    assert set(ours.parameters) == set(expected.parameters)
    for name, wanted in expected.parameters.items():
        assert_near(ours.parameters[name], wanted)
    if expected.inputs is None:
        assert ours.inputs is None
    else:
        assert_near(ours.inputs, expected.inputs)


def batch_for(made: Network, loss: Loss, n: int, t: int, *, lengths: bool = False, seed: int = 0) -> Batch:
    """Random numbers; lengths from 0 to T."""
    generator = np.random.default_rng(seed)
    inputs: Array = generator.integers(0, made.input_size, (n, t))
    if not made.tokens:
        inputs = generator.standard_normal((n, t, made.input_size))
    lead = (n, t) if made.head == "every" else (n,)
    targets: Array = generator.integers(0, made.output_size, lead)
    if loss.kind != "cross_entropy":
        targets = generator.standard_normal((*lead, made.output_size // loss.outputs_per_target()))
    return Batch(inputs, targets, generator.integers(0, t + 1, n) if lengths else None)


def state_for(made: Network, n: int) -> tuple[Array, ...]:
    rows, hidden = made.state_shape
    generator = np.random.default_rng(9)
    return tuple(generator.standard_normal((rows, n, hidden)) for _ in made.recurrence.state_names)


OPTIONS = list(product((1, 2), (False, True), ("dense", "one_hot", "embedding"), ("every", "last"), (False, True)))


@pytest.mark.parametrize(("layers", "bidirectional", "inputs", "head", "lengths"), OPTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_gradients(cell: str, layers: int, bidirectional: bool, inputs: str, head: str, lengths: bool) -> None:
    made = network(cell, num_layers=layers, bidirectional=bidirectional, inputs=inputs, head=head, input_size=6,
                   hidden_size=19, output_size=3, bias=not lengths, dropout=0.3 if layers > 1 else 0.0)  # fmt: skip
    loss = LOSSES["cross_entropy" if lengths else "mse"]
    batch, state = batch_for(made, loss, 5, 8, lengths=lengths), state_for(made, 5)
    for backprop_steps in (None, 1, 3):
        ours = NativeEngine(made, loss, dtype="float64", backprop_steps=backprop_steps, seed=3)
        reference = ReferenceEngine(made, loss, backprop_steps=backprop_steps, seed=3)
        assert_same_gradients(ours.gradients(batch, state), reference.gradients(batch, state))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 33])
@pytest.mark.parametrize("hidden", [1, 7, 8, 9, 63, 100])
@pytest.mark.parametrize("cell", ["elman-tanh", "gru", "lstm"])
def test_odd_sizes(isa: str, cell: str, hidden: int, n: int) -> None:
    made = network(cell, hidden_size=hidden, input_size=1 + hidden % 23, output_size=1 + hidden % 7)
    batch, state = batch_for(made, LOSSES["mse"], n, 6), state_for(made, n)
    ours, reference = NativeEngine(made, LOSSES["mse"], dtype="float64"), ReferenceEngine(made, LOSSES["mse"])
    assert_same_gradients(ours.gradients(batch, state), reference.gradients(batch, state))
    outputs, last = ours.forward(batch.inputs, state)
    expected, expected_last = reference.forward(batch.inputs, state)
    assert_near(outputs, expected)
    for actual, wanted in zip(last, expected_last, strict=True):
        assert_near(actual, wanted)


@pytest.mark.parametrize("cell", ["elman-sigmoid", "gru", "lstm"])
def test_long_sums(isa: str, cell: str) -> None:
    """More than 2048 rows of a tiny layer: its weight gradients are formed in pieces of time."""
    made = network(cell, hidden_size=7, input_size=2)
    batch = batch_for(made, LOSSES["mse"], 50, 60, lengths=True)
    ours, reference = NativeEngine(made, LOSSES["mse"], dtype="float64"), ReferenceEngine(made, LOSSES["mse"])
    assert_same_gradients(ours.gradients(batch), reference.gradients(batch))


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str, lengths: bool) -> None:
    loss = LOSSES[name]
    made = network("gru", output_size=3 if loss.kind == "cross_entropy" else 2 * loss.outputs_per_target())
    batch = batch_for(made, loss, 4, 7, lengths=lengths)
    ours, reference = NativeEngine(made, loss, dtype="float64"), ReferenceEngine(made, loss)
    assert_same_gradients(ours.gradients(batch), reference.gradients(batch))
    score, expected = ours.evaluate(batch), reference.evaluate(batch)
    assert score[1:4] == expected[1:4]
    assert_near(score.loss, np.asarray(expected.loss))


OPTIMISERS = {
    "sgd": Optimiser(kind="sgd", learning_rate=0.05),
    "sgd clipped": Optimiser(kind="sgd", learning_rate=0.05, clip_value=0.02, clip_norm=0.05, weight_decay=0.1),
    "momentum": Optimiser(kind="sgd", learning_rate=0.02, momentum=0.9, clip_norm=0.3),
    "nesterov": Optimiser(kind="sgd", learning_rate=0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": Optimiser(kind="adam", learning_rate=0.01, clip_value=0.1),
    "adam decayed": Optimiser(kind="adam", learning_rate=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1),
    "adamw": Optimiser(kind="adamw", learning_rate=0.01, weight_decay=0.1),
    "rmsprop": Optimiser(kind="rmsprop", learning_rate=0.003, alpha=0.9, eps=1e-4),
    "rmsprop momentum": Optimiser(kind="rmsprop", learning_rate=0.003, momentum=0.5, eps=1e-4, weight_decay=0.01),
}


def pieces_for(made: Network, loss: Loss, count: int, n: int, t: int, *, lengths: bool = False) -> Pieces:
    batches = [batch_for(made, loss, n, t, lengths=lengths, seed=seed) for seed in range(count)]
    fresh = np.array([index % 5 == 0 for index in range(count)])
    ends = np.stack([batch.lengths for batch in batches if batch.lengths is not None]) if lengths else None
    return Pieces(np.stack([b.inputs for b in batches]), np.stack([b.targets for b in batches]), ends, fresh)


def assert_same_training(made: Network, loss: Loss, optimiser: Optimiser, pieces: Pieces) -> None:
    ours, reference = NativeEngine(made, loss, optimiser, dtype="float64"), ReferenceEngine(made, loss, optimiser)
    for engine in (ours, reference):
        engine.train_steps(pieces)
        engine.learning_rate *= 0.5
    done, expected = ours.train_steps(pieces), reference.train_steps(pieces)
    assert_close(done.losses, expected.losses, "float64 trained")
    assert_close(done.gradient_norms, expected.gradient_norms, "float64 trained")
    np.testing.assert_array_equal(done.weights, expected.weights)
    np.testing.assert_array_equal(done.correct, expected.correct)
    np.testing.assert_array_equal(done.scored, expected.scored)
    for actual, wanted in zip(done.state, expected.state, strict=True):
        assert_near(actual, wanted, "float64 trained")
    assert ours.updates == reference.updates == 2 * len(pieces)
    assert_all_close(ours.parameters(), reference.parameters(), "float64 trained")
    if reference.optimiser_state():
        assert_all_close(ours.optimiser_state(), reference.optimiser_state(), "float64 trained")


@pytest.mark.parametrize("cell", ["elman-tanh", "gru", "lstm"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_training(name: str, cell: str) -> None:
    made = network(cell, num_layers=2, dropout=0.2)
    assert_same_training(made, LOSSES["mse"], OPTIMISERS[name], pieces_for(made, LOSSES["mse"], 12, 3, 6, lengths=True))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("cell", ["elman-tanh", "elman-relu", "elman-sigmoid"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_step_by_step(isa: str, name: str, cell: str, head: str, bias: bool) -> None:
    """Pieces of one step of one sequence take a path of their own."""
    made = network(cell, hidden_size=6, input_size=2, bias=bias, head_bias=bias, head=head)
    assert_same_training(made, LOSSES["mse"], OPTIMISERS[name], pieces_for(made, LOSSES["mse"], 30, 1, 1))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_step_by_step(name: str) -> None:
    loss = LOSSES[name]
    made = network("elman-tanh", output_size=3 if loss.kind == "cross_entropy" else 2 * loss.outputs_per_target())
    assert_same_training(made, loss, OPTIMISERS["sgd"], pieces_for(made, loss, 30, 1, 1))


def test_larger_networks_step_by_step() -> None:
    """Beyond the size that the path for tiny networks takes, and just within it."""
    for hidden in (90, 140):
        made = network("elman-tanh", hidden_size=hidden).initialise(0)
        assert_same_training(made, LOSSES["mse"], OPTIMISERS["adam"], pieces_for(made, LOSSES["mse"], 10, 1, 1))
