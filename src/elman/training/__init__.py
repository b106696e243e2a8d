"""The training loop: unrolling and carried state, schedules, early stopping, checkpoints, progress."""

from __future__ import annotations

from elman.training.checkpoint import fingerprint
from elman.training.loop import Finished, Training, evaluate, train
from elman.training.observer import Observer
from elman.training.progress import make_progress
from elman.training.schedules import Schedule, parse_schedule

__all__ = [
    "Finished", "Observer", "Schedule", "Training", "evaluate", "fingerprint", "make_progress", "parse_schedule",
    "train",
]  # fmt: skip
