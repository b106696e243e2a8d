"""A training for other processes to stop: `python -m tests.training.long_training FOLDER ENGINE [SECONDS]`.

Resumes what FOLDER holds, keeps its checkpoint there after every engine call, sleeps SECONDS after each, and prints the
digest of everything that it ends with.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.training.plans import carried, lasting

from elman.errors import InterruptedTraining
from elman.training import loop, train
from elman.training.callback import Callback


class Slow(Callback):
    """A callback that takes its time, so that a signal finds the training on its way."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_begin(self, epochs: int, updates: int, history: Any) -> None:
        print("begins", flush=True)

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        time.sleep(self.seconds)


def digest(folder: Path | None, engine_name: str, seconds: float = 0.0) -> str:
    """Train to the end and tell it in a line."""
    loop.SECONDS_PER_CALL = 0.0
    plan = carried(engine_name, epochs=12, patience=None, checkpoint_seconds=0.0)
    done = train(
        plan.engine, plan.batches, plan.training, validation=plan.validation, checkpoint=folder, fingerprint="kill", resume=True,
        callbacks=[Slow(seconds)],
    )  # fmt: skip
    found = hashlib.sha256(json.dumps(lasting(done.history)).encode())
    for arrays in (done.parameters, plan.engine.optimiser_state()):
        for name, value in sorted(arrays.items()):
            found.update(name.encode() + value.tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    try:
        print(digest(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0), flush=True)
    except InterruptedTraining as error:
        print(error, flush=True)
        sys.exit(error.exit_code)
