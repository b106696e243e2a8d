"""What each task does in a run, by the task's name."""

from __future__ import annotations

from collections.abc import Callable

from elman.estimators import OnOutcome
from elman.recipes.recipe import Recipe
from elman.recipes.tasks.classification import ClassificationTask
from elman.recipes.tasks.forecasting import ForecastingTask
from elman.recipes.tasks.language import LanguageTask
from elman.recipes.tasks.per_series import PerSeriesTask
from elman.recipes.tasks.regression import RegressionTask
from elman.recipes.tasks.task import Assessment, Model, Picture, Task

__all__ = ["TASKS", "Assessment", "Model", "Picture", "Task", "task_of"]

TASKS: dict[str, Task] = {
    "classification": ClassificationTask(),
    "regression": RegressionTask(),
    "forecasting": ForecastingTask(),
    "language": LanguageTask(),
}


def task_of(recipe: Recipe, on_series: Callable[[str], OnOutcome] | None = None) -> Task:
    """What is done with a recipe.

    Args:
        recipe: the recipe.
        on_series: called with `fitted` and with `tested`, where each series has a model of its own; what it returns is called with
            each series' outcome.
    """
    return PerSeriesTask(on_series) if recipe.per_series else TASKS[recipe.task]
