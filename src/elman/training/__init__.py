"""The training loop: unrolling and carried state, schedules, early stopping, checkpoints, progress."""

from __future__ import annotations

from elman.files import fingerprint_of
from elman.training.callback import Callback, Callbacks
from elman.training.loop import Finished, Training, evaluate, train
from elman.training.progress import make_progress
from elman.training.schedules import Schedule, parse_schedule

__all__ = [
    "Callback", "Callbacks", "Finished", "Schedule", "Training", "evaluate", "fingerprint_of", "make_progress",
    "parse_schedule", "train",
]  # fmt: skip
