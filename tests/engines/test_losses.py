"""The losses alone against torch.nn.functional, value and gradient; weights, counts and corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.closeness import assert_close, assert_same_bits
from tests.engines.cases import LOSSES, case
from tests.engines.torch_twin import torch_loss

from elman.engines import Batch, Loss
from elman.engines.losses import evaluate_loss, gaussian_moments

RNG = np.random.default_rng(4)
COUNTED = np.array([[True, True, False], [True, False, False], [True, True, True], [False, False, False]])


def outputs_and_targets(loss: Loss, lead: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    if loss.kind == "cross_entropy":
        return 3 * RNG.standard_normal((*lead, 3)), RNG.integers(0, 3, lead)
    return RNG.standard_normal((*lead, 2 * loss.outputs_per_target())), RNG.standard_normal((*lead, 2))


@pytest.mark.parametrize("counted", [COUNTED, COUNTED[:, 0]], ids=["every", "last"])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient(name: str, counted: np.ndarray) -> None:
    loss = LOSSES[name]
    outputs, targets = outputs_and_targets(loss, counted.shape)
    leaf = torch.tensor(outputs, requires_grad=True)
    wanted = torch_loss(loss, leaf, targets, counted)
    wanted.backward()  # type: ignore[no-untyped-call]
    found = evaluate_loss(loss, outputs, targets, counted)
    assert_close(found.value, wanted.item())
    assert leaf.grad is not None
    assert_close(found.gradient, leaf.grad.numpy())
    assert not found.gradient[~counted].any()


@pytest.mark.parametrize("name", LOSSES)
def test_slices_with_the_weight_of_the_whole_add_up(name: str) -> None:
    loss = LOSSES[name]
    outputs, targets = outputs_and_targets(loss, COUNTED.shape)
    whole = evaluate_loss(loss, outputs, targets, COUNTED)
    parts = [
        evaluate_loss(loss, outputs[rows], targets[rows], COUNTED[rows], divide_by=whole.weight)
        for rows in (slice(0, 1), slice(1, 4))
    ]
    assert_close(sum(part.value for part in parts), whole.value)
    assert_close(sum(part.weight for part in parts), whole.weight)
    assert_close(np.concatenate([part.gradient for part in parts]), whole.gradient)
    assert sum(part.correct for part in parts) == whole.correct
    assert sum(part.scored for part in parts) == whole.scored


@pytest.mark.parametrize(
    ("name", "weight"), [("mse", 12.0), ("quantile", 36.0), ("gaussian", 12.0), ("cross_entropy", 6.0)]
)
def test_what_a_mean_divides_by(name: str, weight: float) -> None:
    loss = LOSSES[name]
    outputs, targets = outputs_and_targets(loss, COUNTED.shape)
    found = evaluate_loss(loss, outputs, targets, COUNTED)
    assert found.weight == weight
    summed = evaluate_loss(replace(loss, reduction="sum"), outputs, targets, COUNTED)
    assert_close(found.value * weight, summed.value)


def test_correct_and_scored_positions() -> None:
    logits = np.eye(3)[[[0, 1, 2], [2, 2, 2]]]
    targets = np.array([[0, 2, 1], [2, 1, 2]])
    found = evaluate_loss(Loss(kind="cross_entropy"), logits, targets, np.ones((2, 3), bool))
    assert (found.correct, found.scored) == (3, 6)
    ignoring = evaluate_loss(Loss(kind="cross_entropy", ignore_index=2), logits, targets, np.ones((2, 3), bool))
    assert (ignoring.correct, ignoring.scored, ignoring.weight) == (1, 3, 3.0)
    weighted = Loss(kind="cross_entropy", class_weights=(1.0, 10.0, 100.0))
    assert evaluate_loss(weighted, logits, targets, np.ones((2, 3), bool)).weight == 1 + 100 + 10 + 100 + 10 + 100


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_counted_is_zero_and_no_gradient(name: str) -> None:
    loss = LOSSES[name]
    outputs, targets = outputs_and_targets(loss, (2, 3))
    found = evaluate_loss(loss, outputs, targets, np.zeros((2, 3), bool))
    assert (found.value, found.weight, found.correct, found.scored) == (0.0, 0.0, 0, 0)
    assert_close(found.gradient, np.zeros_like(outputs), zero=True)


def test_cross_entropy_of_huge_logits_neither_overflows_nor_loses_its_gradient() -> None:
    logits = np.array([[1e4, -1e4, 0.0], [-1e300, 1e300, 0.0]])
    found = evaluate_loss(Loss(kind="cross_entropy", reduction="sum"), logits, np.array([1, 1]), np.ones(2, bool))
    assert found.value == 2e4
    assert_same_bits(found.gradient, np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]))


def test_gaussian_moments_are_positive_and_softplus() -> None:
    mean, variance = gaussian_moments(np.array([[1.5, -800.0], [2.5, 800.0], [0.0, 0.0]]))
    assert mean[:, 0].tolist() == [1.5, 2.5, 0.0]
    assert_close(variance[:, 0], np.array([1e-6, 800 + 1e-6, np.log(2) + 1e-6]))


def test_float32_outputs_keep_their_type_and_are_summed_in_float64() -> None:
    outputs = np.full((1, 200_000, 1), 0.1, np.float32)
    found = evaluate_loss(
        Loss(kind="mse", reduction="sum"), outputs, np.zeros_like(outputs), np.ones((1, 200_000), bool)
    )
    assert found.gradient.dtype == np.float32
    assert_close(found.value, 200_000 * float(np.float32(0.1) * np.float32(0.1)))


@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("name", LOSSES)
def test_evaluate_says_what_gradients_says(engine_name: str, name: str, head: str) -> None:
    given = case("lstm", LOSSES[name], lengths=True, head=head, num_layers=2)
    engine = given.engine(engine_name)
    found, wanted = engine.evaluate(given.batch, given.state), engine.gradients(given.batch, given.state)
    assert_close(found.loss, wanted.loss)
    assert (found.weight, found.correct, found.scored) == (wanted.weight, wanted.correct, wanted.scored)
    for ours, theirs in zip(found.state, wanted.state, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("head", ["every", "last"])
def test_a_sequence_of_no_steps_counts_for_nothing_and_keeps_its_state(engine_name: str, head: str) -> None:
    given = case("lstm", LOSSES["mse"], head=head, num_layers=2)
    lengths = np.array([0, 7, 0, 3])
    kept = np.array([1, 3])
    engine = given.engine(engine_name)
    found = engine.gradients(given.batch._replace(lengths=lengths), given.state)
    batch = Batch(given.batch.inputs[kept], given.batch.targets[kept], lengths[kept])
    alone = engine.gradients(batch, tuple(s[:, kept] for s in given.state))
    assert_close(found.loss, alone.loss)
    for name, gradient in alone.parameters.items():
        assert_close(found.parameters[name], gradient)
    for before, after, slope in zip(given.state, found.state, found.initial_state, strict=True):
        assert_same_bits(after[:, [0, 2]], before[:, [0, 2]])
        assert not slope[:, [0, 2]].any()
