"""Who may watch a training: progress displays and run folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Observer(Protocol):
    """Told what happens, in this order: `begin`, then `step` and `epoch` as they come, then `end`."""

    def begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        """Training starts, or goes on after `history`; there are at most `epochs` epochs of about `updates` updates."""

    def step(self, epoch: int, updates: int, loss: float) -> None:
        """In epoch `epoch` (from 1), `updates` updates are made; `loss` is the epoch's mean so far."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is over; its record of measures."""

    def end(self, reason: str) -> None:
        """Training is over, and why; the empty string where an error ended it."""
