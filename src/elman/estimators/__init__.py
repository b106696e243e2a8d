"""The four tasks: fit, predict, score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elman.errors import RunError
from elman.estimators.classifier import SequenceClassifier
from elman.estimators.estimator import Estimator
from elman.estimators.forecaster import Backtest, Fold, Forecast, Forecaster
from elman.estimators.jobs import Job, OnOutcome, Outcome, fit_many
from elman.estimators.language_model import LanguageModel
from elman.estimators.per_series import PerSeries, PerSeriesBacktest
from elman.estimators.regressor import SequenceRegressor
from elman.files import open_folder
from elman.network import CONFIG
from elman.tasks import TASKS

__all__ = [
    "ESTIMATORS",
    "Backtest",
    "Estimator",
    "Fold",
    "Forecast",
    "Forecaster",
    "Job",
    "LanguageModel",
    "OnOutcome",
    "Outcome",
    "PerSeries",
    "PerSeriesBacktest",
    "SequenceClassifier",
    "SequenceRegressor",
    "fit_many",
    "load",
]

ESTIMATORS: dict[str, type[Estimator]] = {name: globals()[task.estimator] for name, task in TASKS.items()}


def load(folder: str | Path, **changes: Any) -> Estimator:
    """The estimator saved in a model folder, of whatever task. Runs no code from it.

    Args:
        folder: a model folder.
        **changes: options to take instead of the saved ones, as in `Estimator.load`.

    Raises:
        RunError: a file is missing or was changed after it was written, or the folder holds something else.
    """
    if (Path(folder) / "models").is_dir():
        raise RunError(f"{folder} holds a model for each of many series; use PerSeries.load(folder)")
    files = open_folder(folder)
    name = files.read_json(CONFIG).get("estimator")
    for kind in ESTIMATORS.values():
        if kind.__name__ == name:
            return kind.read_files(files, **changes)
    raise RunError(f"{folder}/config.json names no estimator of this version: {name!r}; train again")
