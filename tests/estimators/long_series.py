"""Models of two series for another process to stop: `python -m tests.estimators.long_series FOLDER`.

Trains both side by side for longer than anybody waits, keeps their checkpoints in FOLDER, and says `stopped` after Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.estimators.subjects import SERIES

from elman.estimators import Forecaster, PerSeries


def models(epochs: int) -> PerSeries:
    forecaster = Forecaster(
        horizon=3, window=12, season=6, hidden_size=16, epochs=epochs, patience=None, validation=0.0,
        checkpoint_seconds=0.0,
    )  # fmt: skip
    return PerSeries(forecaster=forecaster, n_jobs=2)


if __name__ == "__main__":
    # Also where this process was started to ignore it, as shells do for work in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        models(10**6).fit(SERIES, checkpoint=Path(sys.argv[1]))
    except KeyboardInterrupt:
        print("stopped", flush=True)
        sys.exit(1)
