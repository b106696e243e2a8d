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
from elman.network import load_model

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

ESTIMATORS: dict[str, type[Estimator]] = {
    kind.task: kind for kind in (SequenceClassifier, SequenceRegressor, Forecaster, LanguageModel)
}


def load(folder: str | Path, **changes: Any) -> Estimator:
    """The estimator saved in a model folder, of whatever task; `changes` as in `Estimator.load`. Runs no code from it."""
    if (Path(folder) / "models").is_dir():
        raise RunError(f"{folder} holds a model for each of many series; use PerSeries.load(folder)")
    name = load_model(Path(folder))[1].get("estimator")
    for kind in ESTIMATORS.values():
        if kind.__name__ == name:
            return kind.load(folder, **changes)
    raise RunError(f"{folder}/config.json names no estimator of this version: {name!r}; train again")
