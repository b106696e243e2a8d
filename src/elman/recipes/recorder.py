"""What writes a training's epochs into its run folder, as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from elman.files import write_atomically
from elman.recipes.recipe import Recipe
from elman.runs.run import Run
from elman.training import Callback


@final
class Recorder(Callback):
    """Appends each epoch's record to `metrics.jsonl`.

    When training begins or is resumed, it also writes the recipe: a resumed training may have been given more epochs.
    """

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self._run, self._recipe = run, recipe

    def on_train_begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        self._run.truncate_metrics(len(history))
        if self._run.recipe_text() != self._recipe.text():
            write_atomically(self._run.recipe_path, self._recipe.text())

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._run.append_metrics(record)
