"""Named recipes, and what turns one into a run."""

from __future__ import annotations

from elman.recipes.finished_run import evaluate, open_run, predict
from elman.recipes.quick import classify_recipe, forecast_recipe
from elman.recipes.recipe import Recipe, builtin_document, builtin_names, load_recipe, make_recipe
from elman.recipes.training_run import train

__all__ = [
    "Recipe", "builtin_document", "builtin_names", "classify_recipe", "evaluate", "forecast_recipe", "load_recipe",
    "make_recipe", "open_run", "predict", "train",
]  # fmt: skip
