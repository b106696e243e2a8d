"""What each task does in a run, by the task's name."""

from __future__ import annotations

from elman.recipes.tasks.classification import ClassificationTask
from elman.recipes.tasks.forecasting import ForecastingTask, forecast_header
from elman.recipes.tasks.language import LanguageTask
from elman.recipes.tasks.per_series import PerSeriesTask
from elman.recipes.tasks.regression import RegressionTask
from elman.recipes.tasks.task import Assessment, Picture, Task, number, training_metrics

__all__ = ["TASKS", "Assessment", "PerSeriesTask", "Picture", "Task", "forecast_header", "number", "training_metrics"]

TASKS: dict[str, Task] = {
    "classification": ClassificationTask(),
    "regression": RegressionTask(),
    "forecasting": ForecastingTask(),
    "language": LanguageTask(),
}
