"""What can be asked of a finished run: open it, judge its model on a file, let it answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elman.recipes.recipe import Recipe, load_recipe
from elman.recipes.sources import naming_file
from elman.recipes.tasks import Assessment, Model, task_of
from elman.runs.run import Run

NEXT_STEP = "Bring a file like the one it was trained on"


def open_run(
    folder: str | Path, *, engine: str | None = None, device: str | None = None
) -> tuple[Run, Recipe, Model]:  # fmt: skip
    """Open a finished run.

    Args:
        folder: the run folder.
        engine: to compute with, instead of the run's own.
        device: for the torch engine, instead of the run's own.

    Returns:
        The run, its recipe, and its model: an estimator, or a `PerSeries` of a recipe with a model for each series.

    Raises:
        RunError: the folder holds no finished run, or something in it cannot be read.
    """
    run = Run.open(folder)
    recipe = load_recipe(str(run.recipe_path))
    changes = {name: value for name, value in (("engine", engine), ("device", device)) if value is not None}
    return run, recipe, task_of(recipe).load(run.model_path, **changes)


def evaluate(recipe: Recipe, model: Model, path: str | None) -> Assessment:
    """Metrics and baselines of a trained model.

    Args:
        recipe: of its run.
        model: as `open_run` gives it.
        path: a file to judge it on; None for what the recipe sets aside.
    """
    with naming_file(path, NEXT_STEP):
        return task_of(recipe).evaluate(model, recipe, path)


def predict(recipe: Recipe, model: Model, path: str) -> tuple[list[str], list[Sequence[Any]]]:
    """A trained model's answers for the file at `path`: a header and rows."""
    with naming_file(path, NEXT_STEP):
        return task_of(recipe).predict(model, recipe, path)
