"""The training loop: epochs of pieces, scores, schedules, early stopping, checkpoints.

The loop owns no mathematics. It hands pieces to an engine, keeps the score, and makes sure that a training that is stopped
at any moment goes on later as if nothing had happened.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elman.cells import State
from elman.data.batches import Batches
from elman.engines import Engine, Pieces, Steps
from elman.errors import InterruptedTraining, NonFiniteError, UsageError
from elman.files import Array
from elman.training.callback import Callback, Callbacks, as_callbacks
from elman.training.checkpoint import CheckpointState, load_checkpoint, save_checkpoint
from elman.training.interruption import Interruption
from elman.training.schedules import Schedule, best_epoch

SECONDS_PER_CALL = 0.1
"""Seconds that one call of the engine should take: how late a signal or a progress display may come."""

EPOCHS_PER_CALL = 1000
"""The most epochs that one call of the engine may take."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    Attributes:
        epochs: at most.
        patience: stop after so many epochs without a new best validation loss, and take the best epoch's weights; None for never.
        schedule: of the learning rate.
        measures: beside the loss: `accuracy`, `perplexity`.
        score_first: measure training and validation loss by passes before an epoch's updates, instead of during and after them.
        checkpoint_seconds: between checkpoints; 0 for one after every call of the engine.
    """

    epochs: int
    patience: int | None = None
    schedule: Schedule = field(default_factory=Schedule)
    measures: tuple[str, ...] = ()
    score_first: bool = False
    checkpoint_seconds: float = 10.0


@dataclass(frozen=True)
class Finished:
    """What a training came to.

    Attributes:
        history: a record an epoch.
        parameters: the best epoch's with early stopping, else the last.
        state: that the last piece ended with.
        seconds: spent in training, resumed parts included.
        best: index of the best epoch.
    """

    history: list[dict[str, Any]]
    parameters: dict[str, Array]
    state: State | None
    seconds: float
    best: int


def train(
    engine: Engine,
    batches: Batches,
    training: Training,
    *,
    validation: Batches | None = None,
    scored: Batches | None = None,
    callbacks: Callbacks = (),
    checkpoint: Path | None = None,
    fingerprint: str = "",
    resume: bool = False,
) -> Finished:
    """Train until the epochs are over or early stopping says so.

    Args:
        engine: that computes; it has the network, the loss and the optimiser.
        batches: to train on.
        training: how.
        validation: what the validation loss is measured on; needed for early stopping.
        scored: the training data in the batches in which `score_first` measures them; None for those that are trained on.
        callbacks: `Callback` objects, or functions called with each epoch's record.
        checkpoint: a folder for the checkpoint; None keeps none and leaves Ctrl-C to Python.
        fingerprint: of settings and data; a checkpoint must have the same to be resumed.
        resume: go on from the checkpoint in that folder, if there is one.

    Raises:
        NonFiniteError: a loss or gradient stopped being finite. That update is not made, and the last checkpoint stays.
        InterruptedTraining: Ctrl-C or SIGTERM, where there is a checkpoint to write.
        UsageError: `epochs` or `patience` that cannot be.
    """
    if training.epochs < 1:
        raise UsageError(f"`epochs` must be at least 1; got {training.epochs!r}")
    if training.patience is not None and (validation is None or training.patience < 1):
        raise UsageError(
            f"`patience` must be at least 1 and needs validation data (`validation` above 0); got {training.patience!r}"
        )
    listening = as_callbacks(callbacks)
    state = _start(engine, checkpoint, fingerprint, resume)
    run = _TrainingInProgress(
        engine, batches, training, validation, scored or batches, listening, checkpoint, fingerprint, state
    )
    with Interruption(enabled=checkpoint is not None) as interruption:
        try:
            return run.to_the_end(interruption)
        except BaseException:
            for callback in listening:
                callback.on_train_end("")
            raise


def evaluate(
    engine: Engine, batches: Batches, measures: Sequence[str] = (), prefix: str = "validation"
) -> dict[str, float]:
    """Loss and measures of one pass over `batches`, without dropout or updates, keys starting with `prefix`."""
    sums = _no_sums()
    state: State | None = None
    for pieces in batches.epoch(0):
        for index, fresh in enumerate(pieces.fresh):
            score = engine.evaluate(pieces[index], None if fresh else state)
            state = score.state
            _add(sums, engine, np.array([score.loss]), np.array([score.weight]))
            sums["correct"] += score.correct
            sums["scored"] += score.scored
    return _scores(sums, measures, prefix)


def _start(engine: Engine, checkpoint: Path | None, fingerprint: str, resume: bool) -> CheckpointState:
    state = None
    if resume and checkpoint is not None:
        state = engine.processes.lead(lambda: load_checkpoint(checkpoint, fingerprint))
    if state is None:
        return CheckpointState(sums=_no_sums())
    engine.load_parameters(state.parameters)
    engine.load_optimiser_state(state.memory, state.updates)
    return state


class _TrainingInProgress:
    """One training on its way."""

    def __init__(
        self,
        engine: Engine,
        batches: Batches,
        training: Training,
        validation: Batches | None,
        scored: Batches,
        callbacks: list[Callback],
        checkpoint: Path | None,
        fingerprint: str,
        state: CheckpointState,
    ) -> None:
        self.engine, self.batches, self.training = engine, batches, training
        self.validation, self.scored = validation, scored
        self.callbacks, self.checkpoint, self.fingerprint, self.state = callbacks, checkpoint, fingerprint, state
        self.base_rate = engine.learning_rate
        self.saved_at = time.perf_counter()
        self.per_piece = 0.0

    def to_the_end(self, interruption: Interruption) -> Finished:
        state, training = self.state, self.training
        for callback in self.callbacks:
            callback.on_train_begin(training.epochs, self.batches.updates, state.history)
        reason = self._stop_reason()
        state.finished = bool(reason)
        while not reason:
            several = self._several_epochs()
            if several is None:
                self._epoch(interruption)
            else:
                self._at_once(*several)
            reason = self._stop_reason()
            state.finished = bool(reason)
            self._checkpoint_if_due(interruption)
        for callback in self.callbacks:
            callback.on_train_end(reason)
        best = best_epoch(state.history)
        restore = training.patience is not None and state.best
        parameters = state.best if restore else self.engine.parameters()
        return Finished(state.history, parameters, state.carried, state.seconds, best)

    def _stop_reason(self) -> str:
        """Why training is over, or the empty string."""
        history, training = self.state.history, self.training
        if training.patience is not None and history and len(history) - 1 - best_epoch(history) >= training.patience:
            return f"early stopping: no better validation loss for {training.patience} epochs"
        return "all epochs done" if self.state.epoch >= training.epochs else ""

    def _epoch(self, interruption: Interruption) -> None:
        """One epoch, or what is left of it."""
        state, training = self.state, self.training
        self.engine.learning_rate = training.schedule.rate(self.base_rate, state.epoch, training.epochs, state.history)
        if state.piece == 0:
            state.sums = _no_sums()
            if training.score_first:
                state.sums |= self._scores_now()
        for pieces in _from_piece(self.batches.epoch(state.epoch), state.piece):
            self._advance(pieces, interruption)
        self._close_epoch()

    def _advance(self, pieces: Pieces, interruption: Interruption) -> None:
        """Train on a group of pieces, in calls short enough to be interrupted between."""
        first = 0
        while first < len(pieces):
            size = max(1, int(SECONDS_PER_CALL / self.per_piece)) if self.per_piece else 1
            part = pieces.part(first, first + size)
            steps, seconds = self._call(part)
            first += len(part)
            self._count(steps, part.tokens, seconds)
            loss = _scores(self.state.sums, (), "train")["train_loss"]
            for callback in self.callbacks:
                callback.on_updates(self.state.epoch + 1, self.state.piece, loss)
            self._checkpoint_if_due(interruption)

    def _several_epochs(self) -> tuple[int, Pieces] | None:
        """How many whole epochs fit into one call of the engine, and their pieces; None for fewer than two.

        Only where nothing but counting happens between epochs, and every epoch is one group of the same shapes.
        """
        state, training = self.state, self.training
        busy = self.validation is not None or training.score_first or training.patience is not None
        moving = training.schedule.kind != "constant" or training.schedule.warmup
        if busy or moving or state.piece or not self.per_piece:
            return None
        fitting = int(SECONDS_PER_CALL / (self.per_piece * self.batches.updates))
        count = min(fitting, EPOCHS_PER_CALL, training.epochs - state.epoch)
        if count < 2:
            return None
        groups = [list(self.batches.epoch(state.epoch + i)) for i in range(count)]
        if any(len(group) != 1 or not _same_shapes(group[0], groups[0][0]) for group in groups):
            return None
        return count, _joined([group[0] for group in groups])

    def _at_once(self, count: int, pieces: Pieces) -> None:
        """Train on `count` epochs in one call, then keep the score of each as if they had come one by one."""
        each = len(pieces) // count
        steps, seconds = self._call(pieces, each)
        for epoch in range(count):
            self.state.sums = _no_sums()
            self._count(steps.part(epoch * each, (epoch + 1) * each), pieces.tokens // count, seconds / count)
            self._close_epoch()
        for callback in self.callbacks:
            callback.on_updates(self.state.epoch, each, self.state.history[-1]["train_loss"])

    def _call(self, pieces: Pieces, each: int | None = None) -> tuple[Steps, float]:
        """Call the engine once.

        Args:
            pieces: to train on.
            each: pieces in an epoch, where the call takes several epochs.

        Returns:
            What the engine did, and how many seconds it took.
        """
        began = time.perf_counter()
        steps = self.engine.train_steps(pieces, self.state.carried)
        # What follows from the clock must be the same in all processes of a training.
        seconds = float(self.engine.processes.largest(np.array([time.perf_counter() - began]))[0])
        self._check_finite(steps, each)
        self.per_piece = seconds / len(pieces)
        self.state.carried, self.state.updates = steps.state, self.engine.updates
        return steps, seconds

    def _count(self, steps: Steps, tokens: int, seconds: float) -> None:
        """Add what the engine did to the sums of the running epoch."""
        sums = self.state.sums
        self.state.piece += len(steps.losses)
        _add(sums, self.engine, steps.losses, steps.weights)
        sums["correct"] += float(steps.correct.sum())
        sums["scored"] += float(steps.scored.sum())
        sums["norms"] = _running(sums["norms"], steps.gradient_norms)
        sums["pieces"] += len(steps.losses)
        sums["tokens"] += tokens
        sums["seconds"] += seconds

    def _close_epoch(self) -> None:
        """Record the epoch that is over, and stand at the beginning of the next."""
        state = self.state
        record = self._record(self.engine.learning_rate)
        state.history.append(record)
        state.epoch, state.piece = state.epoch + 1, 0
        if self.training.patience is not None and best_epoch(state.history) == len(state.history) - 1:
            state.best = self.engine.parameters()
        for callback in self.callbacks:
            callback.on_epoch_end(record)

    def _check_finite(self, steps: Steps, each: int | None) -> None:
        if steps.finite:
            return
        state = self.state
        last = state.piece + len(steps.losses) - 1
        epochs, piece = divmod(last, each) if each else (0, last)
        what = "loss" if not np.isfinite(steps.losses[-1]) else "gradient"
        checkpoint = f" The last checkpoint is kept in {self.checkpoint}." if self.checkpoint else ""
        raise NonFiniteError(
            f"the {what} stopped being a finite number in epoch {state.epoch + epochs + 1}, update {piece + 1} of the "
            f"epoch (loss {steps.losses[-1]:g}, gradient norm {steps.gradient_norms[-1]:g}, learning rate "
            f"{self.engine.learning_rate:g}); that update was not made. Lower `learning_rate`, set `clip_norm`, or "
            f"scale the data.{checkpoint}"
        )

    def _record(self, rate: float) -> dict[str, Any]:
        """The measures of the epoch that just ended."""
        sums, training = self.state.sums, self.training
        record: dict[str, Any] = {"epoch": self.state.epoch + 1}
        if training.score_first:
            record |= {key: value for key, value in sums.items() if key.startswith(("train_", "validation_"))}
        else:
            record |= _scores(sums, training.measures, "train")
            if self.validation is not None:
                record |= evaluate(self.engine, self.validation, training.measures)
        seconds = sums["seconds"]
        self.state.seconds += seconds
        record |= {
            "learning_rate": rate,
            "gradient_norm": sums["norms"] / max(1.0, sums["pieces"]),
            "seconds": seconds,
            "tokens_per_second": sums["tokens"] / seconds if seconds else 0.0,
        }
        return record

    def _scores_now(self) -> dict[str, float]:
        scores = evaluate(self.engine, self.scored, self.training.measures, "train")
        return (
            scores
            if self.validation is None
            else scores | evaluate(self.engine, self.validation, self.training.measures)
        )

    def _checkpoint_if_due(self, interruption: Interruption) -> None:
        if self.checkpoint is None:
            return
        waited = time.perf_counter() - self.saved_at
        waited, number = self.engine.processes.largest(np.array([waited, interruption.number]))
        due = waited >= self.training.checkpoint_seconds
        if due or number or self.state.finished:
            self._save()
        if number and not self.state.finished:
            raise InterruptedTraining(
                f"stopped by {signal.Signals(int(number)).name} in epoch {self.state.epoch + 1} of {self.training.epochs}; "
                f"everything is saved in {self.checkpoint}. Go on with --resume"
            )

    def _save(self) -> None:
        assert self.checkpoint is not None
        folder, state = self.checkpoint, self.state
        state.parameters, state.memory = self.engine.parameters(), self.engine.optimiser_state()
        self.engine.processes.lead(lambda: save_checkpoint(folder, state, self.fingerprint))
        self.saved_at = time.perf_counter()


def _from_piece(groups: Iterator[Pieces], first: int) -> Iterator[Pieces]:
    """The pieces from number `first` on."""
    for pieces in groups:
        if first < len(pieces):
            yield pieces.part(first, len(pieces))
        first = max(0, first - len(pieces))


def _no_sums() -> dict[str, float]:
    names = ("loss", "weight", "correct", "scored", "norms", "pieces", "tokens", "seconds")
    return dict.fromkeys(names, 0.0)


def _add(sums: dict[str, float], engine: Engine, losses: Array, weights: Array) -> None:
    """Add up losses so that their mean over all counted elements (or their sum, for such losses) can be told."""
    assert engine.loss is not None
    if engine.loss.reduction == "sum":
        sums["loss"] = _running(sums["loss"], losses)
    else:
        sums["loss"] = _running(sums["loss"], losses * weights)
        sums["weight"] = _running(sums["weight"], weights)


def _running(total: float, values: Array) -> float:
    """total + values, added one by one: the same bits however the values are grouped into calls."""
    for value in values.tolist():
        total += value
    return total


def _same_shapes(a: Pieces, b: Pieces) -> bool:
    """Whether two groups can be joined into one."""
    same = a.inputs.shape == b.inputs.shape and a.targets.shape == b.targets.shape
    return same and (a.lengths is None) == (b.lengths is None)


def _joined(groups: Sequence[Pieces]) -> Pieces:
    """Several groups as one."""
    lengths = None if groups[0].lengths is None else np.concatenate([g.lengths for g in groups])
    inputs, targets = np.concatenate([g.inputs for g in groups]), np.concatenate([g.targets for g in groups])
    return Pieces(inputs, targets, lengths, np.concatenate([g.fresh for g in groups]))


def _scores(sums: dict[str, float], measures: Sequence[str], prefix: str) -> dict[str, float]:
    loss = sums["loss"] / sums["weight"] if sums["weight"] else sums["loss"]
    scores = {f"{prefix}_loss": loss}
    if "accuracy" in measures:
        scores[f"{prefix}_accuracy"] = sums["correct"] / max(1.0, sums["scored"])
    if "perplexity" in measures:
        scores[f"{prefix}_perplexity"] = math.exp(min(loss, 700.0))
    return scores
