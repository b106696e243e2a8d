"""What a person sees while training runs: a live bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO, final

from elman.measures import IN_TRAINING
from elman.training.callback import Callback

SHOWN = [f"{part}_{name}" for part in ("train", "validation") for name in IN_TRAINING]
"""What is shown of an epoch, where its record has it."""


def make_progress(stream: TextIO | None = None) -> Callback:
    """A live bar if `stream` (standard error for None) is a terminal, else plain lines."""
    stream = stream or sys.stderr
    return TerminalBar(stream) if stream.isatty() else PlainLines(stream)


def describe(record: dict[str, Any]) -> str:
    """The measures of an epoch in a line: `train_loss 0.512  validation_loss 0.534`."""
    return "  ".join(f"{name} {record[name]:.4g}" for name in SHOWN if name in record)


@final
class PlainLines(Callback):
    """A line for the first and the last epoch, and in between at most one every `seconds`."""

    def __init__(self, stream: TextIO, seconds: float = 2.0) -> None:
        self._stream, self._seconds = stream, seconds
        self._epochs, self._shown_at, self._shown = 0, -math.inf, 0
        self._last: dict[str, Any] | None = None

    def on_train_begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        self._epochs, self._shown_at, self._last = epochs, -math.inf, None
        if history:
            self._print(f"going on after epoch {len(history)}")

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._last = record
        if time.monotonic() - self._shown_at >= self._seconds:
            self._show(record)

    def on_train_end(self, reason: str) -> None:
        if self._last is not None and self._last["epoch"] != self._shown:
            self._show(self._last)
        if reason:
            self._print(reason)

    def _show(self, record: dict[str, Any]) -> None:
        self._shown_at, self._shown = time.monotonic(), record["epoch"]
        self._print(f"epoch {record['epoch']}/{self._epochs}  {describe(record)}")

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


@final
class TerminalBar(Callback):
    """A bar over all epochs with the loss, the speed and the time left."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._task: Any = None
        self._updates, self._text = 1, ""

    def on_train_begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[measures]}"), TextColumn("{task.fields[speed]}"), TimeRemainingColumn(compact=True),
        )  # fmt: skip
        self._updates, self._began, self._first = max(1, updates), time.monotonic(), len(history) * max(1, updates)
        self._bar = Progress(*columns, console=Console(file=self._stream))
        self._task = self._bar.add_task(
            f"epoch {len(history)}/{epochs}", total=epochs * self._updates, completed=self._first, measures="", speed=""
        )
        self._epochs = epochs
        self._bar.start()

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        completed = (epoch - 1) * self._updates + min(updates, self._updates)
        seconds = time.monotonic() - self._began
        speed = f"{(completed - self._first) / seconds:,.0f} updates/s" if seconds > 0.2 else ""
        self._bar.update(
            self._task, completed=completed, description=f"epoch {epoch}/{self._epochs}", speed=speed,
            measures=self._text or f"train_loss {loss:.4g}",
        )  # fmt: skip

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._text = describe(record)
        self._bar.update(self._task, measures=self._text)

    def on_train_end(self, reason: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if reason:
            print(reason, file=self._stream, flush=True)
