"""The tasks: what each is called, which estimator does it, and what speaks for a run of it. Everything that tells tasks apart by
their facts asks here; what a task does with a recipe is in `recipes/tasks/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class TaskDescription:
    """One task.

    Attributes:
        name: in recipes and results.
        estimator: the class in `elman.estimators` that does it.
        headline: the measures that may speak for a run; the first one that its metrics hold does.
        judged_on: the data that its measures are taken on, in words.
        writes_text: whether a trained model can generate text.
    """

    name: str
    estimator: str
    headline: tuple[str, ...]
    judged_on: str = "held-out data"
    writes_text: bool = False


TASKS: dict[str, TaskDescription] = {
    task.name: task
    for task in (
        TaskDescription(name="classification", estimator="SequenceClassifier", headline=("accuracy", "loss")),
        TaskDescription(name="regression", estimator="SequenceRegressor", headline=("r2", "mae", "rmse", "loss")),
        TaskDescription(
            name="forecasting",
            estimator="Forecaster",
            headline=("mase", "mae", "rmse", "smape", "loss"),
            judged_on="backtest",
        ),
        TaskDescription(
            name="language",
            estimator="LanguageModel",
            headline=("perplexity", "bits_per_character", "loss"),
            writes_text=True,
        ),
    )
}
