"""Learning rates over the epochs, as functions of the epoch and of the history so far; nothing to save or restore."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elman.errors import UsageError
from elman.files import parse_named_numbers

_NUMBERS = {"constant": 0, "cosine": 0, "linear": 0, "step": 2, "exponential": 1, "plateau": 2}
_KNOWN = "constant, cosine, linear, step(every, factor), exponential(factor) or plateau(patience, factor)"


@dataclass(frozen=True)
class Schedule:
    """How the learning rate moves over the epochs.

    Args:
        kind: `constant`; `cosine` and `linear` fall to zero over the epochs; `step` multiplies by a factor every so many epochs;
            `exponential` multiplies by a factor at each epoch; `plateau` does so whenever the validation loss (or, without one, the
            training loss) has not improved for so many epochs.
        numbers: of `step`: every, factor; of `exponential`: factor; of `plateau`: patience, factor.
        warmup: that many first epochs climb linearly to the full rate.
    """

    kind: str = "constant"
    numbers: tuple[float, ...] = ()
    warmup: int = 0

    def rate(self, base: float, epoch: int, epochs: int, history: Sequence[dict[str, Any]]) -> float:
        """The learning rate of `epoch` (from 0) of `epochs`; history holds a record of each epoch before it."""
        warm = min(1.0, (epoch + 1) / (self.warmup + 1)) if self.warmup else 1.0
        return base * warm * self._factor(epoch, epochs, history)

    def _factor(self, epoch: int, epochs: int, history: Sequence[dict[str, Any]]) -> float:
        if self.kind == "cosine":
            return 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        if self.kind == "linear":
            return 1 - epoch / epochs
        if self.kind == "step":
            return float(self.numbers[1] ** (epoch // int(self.numbers[0])))
        if self.kind == "exponential":
            return float(self.numbers[0] ** epoch)
        if self.kind == "plateau":
            return float(self.numbers[1] ** plateaus(history, int(self.numbers[0])))
        return 1.0


def parse_schedule(text: str, warmup: int = 0) -> Schedule:
    """Read a schedule.

    Args:
        text: `step(100, 0.5)` and its like.
        warmup: that many first epochs climb linearly to the full rate.

    Raises:
        UsageError: no schedule is written so, or `warmup` is negative.

    >>> parse_schedule("step(100, 0.5)").rate(1.0, 250, 300, [])
    0.25
    """
    name, numbers = parse_named_numbers(text) or ("", ())
    good = _NUMBERS.get(name) == len(numbers) and all(0 < n < math.inf for n in numbers)
    if not good or (name in ("step", "plateau") and numbers[0] < 1):
        raise UsageError(f"`schedule` must be {_KNOWN}, with finite numbers above 0; got {text!r}")
    if warmup < 0:
        raise UsageError(f"`warmup` must be at least 0 epochs; got {warmup!r}")
    return Schedule(name, numbers, warmup)


def stopping_loss(record: dict[str, Any]) -> float:
    """The number that plateaus and early stopping look at: the validation loss, else the training loss."""
    loss = float(record.get("validation_loss", record["train_loss"]))
    return loss if math.isfinite(loss) else math.inf


def plateaus(history: Sequence[dict[str, Any]], patience: int) -> int:
    """How often the `stopping_loss` went `patience` epochs without a new best."""
    best, waited, count = math.inf, 0, 0
    for record in history:
        if stopping_loss(record) < best:
            best, waited = stopping_loss(record), 0
        else:
            waited += 1
        if waited >= patience:
            count, waited = count + 1, 0
    return count


def best_epoch(history: Sequence[dict[str, Any]]) -> int:
    """Index of the record with the smallest `stopping_loss`, the earliest of equals."""
    return min(range(len(history)), key=lambda i: stopping_loss(history[i]))
