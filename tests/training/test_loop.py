"""The loop: what an epoch records, how it stops, and what it does when the numbers stop being numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.closeness import assert_all_close, assert_all_same_bits, assert_close
from tests.training.plans import PLANS, Plan, carried, text, together

from elman.data.batches import Batches, SequenceBatches, TextBatches
from elman.engines import Batch, Loss, Optimiser, Steps, make_engine
from elman.errors import NonFiniteError, UsageError
from elman.network import Network
from elman.training import Training, evaluate, loop, parse_schedule, train
from elman.training.callback import Callback
from elman.training.checkpoint import load_checkpoint
from elman.training.schedules import best_epoch


class Diary(Callback):
    """Writes down what callbacks hear."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_train_begin(self, epochs: int, updates: int, history: Any) -> None:
        self.calls.append(("begin", epochs, updates, len(history)))

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        self.calls.append(("step", epoch, updates))

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self.calls.append(("epoch", record["epoch"]))

    def on_train_end(self, reason: str) -> None:
        self.calls.append(("end", reason))


def run(plan: Plan, **options: Any) -> Any:
    return train(plan.engine, plan.batches, plan.training, validation=plan.validation, **options)


def plain(
    engine_name: str, loss: Loss | None = None, optimiser: Optimiser | None = None, count: int = 10, seed: int = 0
) -> tuple[Any, np.ndarray, np.ndarray]:
    """An engine for regression of random sequences, and the data."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 5, 2))
    y = x[..., :1] * 0.5 + 0.1
    network = Network(cell="gru", input_size=2, hidden_size=4, output_size=1).initialise(seed)
    engine = make_engine(
        engine_name, network, loss or Loss(), optimiser or Optimiser(learning_rate=0.01), dtype="float64"
    )
    return engine, x, y


@pytest.mark.parametrize("plan", PLANS)
def test_observers_are_told_in_order(engine_name: str, plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)
    diary = Diary()
    made = PLANS[plan](engine_name)
    run(made, callbacks=[diary])
    epochs = made.training.epochs
    assert diary.calls[0] == ("begin", epochs, made.batches.updates, 0)
    assert diary.calls[-1] == ("end", "all epochs done")
    assert [c[1] for c in diary.calls if c[0] == "epoch"] == list(range(1, epochs + 1))
    for number in range(1, epochs + 1):
        updates = [c[2] for c in diary.calls if c[:2] == ("step", number)]
        assert updates == sorted(set(updates))
        assert updates[-1] == sum(len(p) for p in made.batches.epoch(number - 1))
    order = [c[1] for c in diary.calls if c[0] in ("step", "epoch")]
    assert order == sorted(order)


def test_observers_are_told_of_every_epoch_that_went_into_one_call(
    engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 1e9)
    diary = Diary()
    run(together(engine_name, epochs=11), callbacks=[diary])
    assert [c[1] for c in diary.calls if c[0] == "epoch"] == list(range(1, 12))
    assert [c for c in diary.calls if c[0] == "step"] == [("step", 1, 1), ("step", 1, 4), ("step", 11, 4)]


def test_observers_are_told_of_the_end_after_an_error_too(engine_name: str) -> None:
    class Broken(Diary):
        def on_epoch_end(self, record: dict[str, Any]) -> None:
            raise ZeroDivisionError

    diary = Diary()
    with pytest.raises(ZeroDivisionError):
        run(carried(engine_name), callbacks=[diary, Broken()])
    assert diary.calls[-1] == ("end", "")


def test_a_record_says_what_happened(engine_name: str) -> None:
    plan = carried(engine_name, epochs=2)
    twin = carried(engine_name).engine
    (first, second) = run(plan).history
    assert list(first) == [
        "epoch", "train_loss", "validation_loss", "learning_rate", "gradient_norm", "seconds", "tokens_per_second",
    ]  # fmt: skip
    assert (first["epoch"], second["epoch"]) == (1, 2)
    assert_close([first["learning_rate"], second["learning_rate"]], [0.01, 0.014])
    assert first["seconds"] > 0
    assert first["tokens_per_second"] > 0
    twin.learning_rate = first["learning_rate"]
    losses: list[float] = []
    weights: list[float] = []
    norms: list[float] = []
    state = None
    for pieces in plan.batches.epoch(0):
        steps: Steps = twin.train_steps(pieces, state)
        state = steps.state
        losses, weights, norms = [*losses, *steps.losses], [*weights, *steps.weights], [*norms, *steps.gradient_norms]
    assert_close(first["train_loss"], np.dot(losses, weights) / np.sum(weights))
    assert_close(first["gradient_norm"], np.mean(norms))
    assert plan.validation is not None
    assert_close(first["validation_loss"], evaluate(twin, plan.validation)["validation_loss"])


def test_evaluate_is_the_loss_over_everything_whatever_the_batches(engine_name: str) -> None:
    engine, x, y = plain(engine_name)
    lengths = np.array([5, 1, 3, 2, 5, 4, 4, 1, 2, 5])
    wanted = engine.evaluate(Batch(x, y, lengths)).loss
    for size in (1, 3, 10):
        batches = SequenceBatches(x, y, lengths, batch_size=size, shuffle=False)
        assert_close(evaluate(engine, batches)["validation_loss"], wanted)
    carried_over = SequenceBatches(x, y, lengths, batch_size=4, shuffle=False, steps=2, carry=True)
    assert_close(evaluate(engine, carried_over)["validation_loss"], wanted)
    cut = SequenceBatches(x, y, lengths, batch_size=4, shuffle=False, steps=2, carry=False)
    assert abs(evaluate(engine, cut)["validation_loss"] - wanted) > 1e-6


def test_a_summed_loss_is_summed_over_the_epoch(engine_name: str) -> None:
    engine, x, y = plain(engine_name, Loss(kind="half_mse", reduction="sum"))
    wanted = engine.evaluate(Batch(x, y)).loss
    assert_close(evaluate(engine, SequenceBatches(x, y, batch_size=3))["validation_loss"], wanted)


def test_accuracy_and_perplexity(engine_name: str) -> None:
    network = Network(cell="elman", input_size=3, hidden_size=4, output_size=3, inputs="one_hot").initialise(0)
    engine = make_engine(engine_name, network, Loss(kind="cross_entropy", ignore_index=2), dtype="float64")
    generator = np.random.default_rng(0)
    tokens, targets = generator.integers(0, 3, (7, 5)), generator.integers(0, 3, (7, 5))
    scores = evaluate(engine, SequenceBatches(tokens, targets, batch_size=2), ("accuracy", "perplexity"), "test")
    counted = targets != 2
    right = (engine.forward(tokens)[0].argmax(axis=2) == targets) & counted
    assert_close(scores["test_accuracy"], right.sum() / counted.sum())
    assert_close(scores["test_loss"], engine.evaluate(Batch(tokens, targets)).loss)
    assert_close(scores["test_perplexity"], math.exp(scores["test_loss"]))


def test_score_first_measures_before_the_updates(engine_name: str) -> None:
    plan = text(engine_name, epochs=3)
    before = text(engine_name).engine
    assert plan.validation is not None
    history = run(plan).history
    wanted = evaluate(before, plan.batches, ("perplexity",), "train") | evaluate(before, plan.validation)
    assert_close(history[0]["train_loss"], wanted["train_loss"])
    assert_close(history[0]["train_perplexity"], wanted["train_perplexity"])
    assert_close(history[0]["validation_loss"], wanted["validation_loss"])
    for pieces in plan.batches.epoch(0):
        before.train_steps(pieces)
    assert_close(history[1]["validation_loss"], evaluate(before, plan.validation)["validation_loss"])


def test_early_stopping_puts_the_best_epochs_weights_back(engine_name: str) -> None:
    """Trained on noise with a large step, the validation loss rises soon."""
    engine, x, y = plain(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.4))
    noise = np.random.default_rng(3).standard_normal(y.shape)
    valid = SequenceBatches(x[:4], -noise[:4], shuffle=False)
    kept = []

    class Keeper(Diary):
        def on_epoch_end(self, record: dict[str, Any]) -> None:
            kept.append(engine.parameters())

    diary = Diary()
    batches = SequenceBatches(x, noise, batch_size=5)
    done = train(engine, batches, Training(epochs=200, patience=3), validation=valid, callbacks=[Keeper(), diary])
    assert len(done.history) == done.best + 1 + 3 < 200
    assert best_epoch(done.history) == done.best
    assert diary.calls[-1] == ("end", "early stopping: no better validation loss for 3 epochs")
    assert_all_same_bits(done.parameters, kept[done.best])
    assert any((done.parameters[n] != p).any() for n, p in kept[-1].items())


def test_without_early_stopping_the_last_weights_are_kept(engine_name: str) -> None:
    engine, x, y = plain(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.4))
    noise = np.random.default_rng(3).standard_normal(y.shape)
    valid = SequenceBatches(x[:4], -noise[:4], shuffle=False)
    done = train(engine, SequenceBatches(x, noise), Training(epochs=8), validation=valid)
    assert done.best < 7
    assert len(done.history) == 8
    assert_all_same_bits(done.parameters, engine.parameters())


def test_the_schedule_sets_the_rate_of_each_epoch(engine_name: str) -> None:
    engine, x, y = plain(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.1))
    twin, _, _ = plain(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.1))
    plan = Training(epochs=4, schedule=parse_schedule("step(2, 0.5)"))
    done = train(engine, SequenceBatches(x, y, batch_size=4, seed=1), plan)
    assert [record["learning_rate"] for record in done.history] == [0.1, 0.1, 0.05, 0.05]
    for epoch in range(4):
        twin.learning_rate = 0.1 * 0.5 ** (epoch // 2)
        for pieces in SequenceBatches(x, y, batch_size=4, seed=1).epoch(epoch):
            twin.train_steps(pieces)
    assert_all_close(done.parameters, twin.parameters())


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_loss_that_is_not_finite_stops_the_run(engine_name: str, with_checkpoint: bool, tmp_path: Path) -> None:
    """OnOutcome with epoch and update; that update is not made; the last checkpoint stays as it was."""
    engine, x, y = plain(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.01), count=6)
    y = y.copy()
    y[5] = 1e200
    batches = SequenceBatches(x, y, batch_size=2, shuffle=False)
    folder = tmp_path / "checkpoint" if with_checkpoint else None
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(NonFiniteError) as caught:
        train(engine, batches, Training(epochs=3, checkpoint_seconds=0.0), checkpoint=folder, fingerprint="m")
    told = str(caught.value)
    assert told.startswith("the loss stopped being a finite number in epoch 1, update 3 of the epoch (loss inf")
    assert "learning rate 0.01); that update was not made. Lower `learning_rate`" in told
    assert ("The last checkpoint is kept in" in told) == with_checkpoint
    assert engine.updates == 2
    twin, _, _ = plain(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.01), count=6)
    for pieces in SequenceBatches(x[:4], y[:4], batch_size=2, shuffle=False).epoch(0):
        twin.train_steps(pieces)
    assert_all_same_bits(engine.parameters(), twin.parameters())
    if folder is not None:
        kept = load_checkpoint(folder, "m")
        assert kept is not None
        assert kept.epoch == 0
        assert kept.piece in (1, 2)
        assert not kept.finished
        assert all(np.isfinite(p).all() for p in kept.parameters.values())


@pytest.mark.parametrize("batches", ["sequences", "text"])
def test_where_the_numbers_end_is_told_the_same_however_pieces_are_grouped(
    engine_name: str, batches: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that grow fiftyfold an update; the text's epochs are a piece shorter than the most there can be."""

    def told(quantum: float) -> str:
        monkeypatch.setattr(loop, "SECONDS_PER_CALL", quantum)
        network = Network(
            cell="elman", nonlinearity="relu", input_size=3, hidden_size=4, output_size=3, inputs="one_hot"
        )
        optimiser = Optimiser(kind="sgd", learning_rate=1.0, weight_decay=50.0)
        engine = make_engine(engine_name, network.initialise(0), Loss(kind="cross_entropy"), optimiser, dtype="float64")
        tokens = np.random.default_rng(0).integers(0, 3, 25)
        source: Batches = TextBatches(tokens, batch_size=2, steps=4, seed=15)
        if batches == "sequences":
            source = SequenceBatches(tokens[:24].reshape(6, 4), tokens[1:].reshape(6, 4), batch_size=2, shuffle=False)
        with np.errstate(all="ignore"), pytest.raises(NonFiniteError) as caught:
            train(engine, source, Training(epochs=8))
        return str(caught.value)

    assert told(0.0) == told(1e9)
    assert "in epoch 1," not in told(0.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1; got 0"),
        ({"epochs": 1, "patience": 0}, "`patience` must be at least 1 .*; got 0"),
        ({"epochs": 1, "patience": 3}, "`patience` .* needs validation data"),
    ],
)
def test_refusals(engine_name: str, options: dict[str, Any], match: str) -> None:
    engine, x, y = plain(engine_name)
    valid = SequenceBatches(x, y) if options.get("patience") == 0 else None
    with pytest.raises(UsageError, match=match):
        train(engine, SequenceBatches(x, y), Training(**options), validation=valid)
