"""What the four tasks do with a recipe: fit, judge, and answer for a file that a user brings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.estimators import Estimator, PerSeries
from elman.estimators.per_series import mean_measures
from elman.recipes.recipe import Recipe
from elman.runs.report import Table
from elman.training import Callbacks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its file without `.png`, and a caption."""

    name: str
    figure: Figure
    caption: str


@dataclass(kw_only=True)
class Assessment:
    """What is known of a trained model.

    metrics: by name, beside those of the training's last record. baselines: the same of simpler methods. pictures, the most telling
    first. tables and notes: for the report. sample: generated text, and sample_prompt. forecasts: rows of forecasts.csv.
    result: what `result.json` shall hold beside, or instead of, what it holds for every run.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sample: str | None = None
    sample_prompt: str | None = None
    forecasts: list[Sequence[Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)


class Task(ABC):
    """One task's part of a run."""

    @abstractmethod
    def fit(self, estimator: Any, data: Any, *, callbacks: Callbacks, checkpoint: Path, resume: bool) -> None:
        """Fit the estimator on what the recipe's source gave."""

    @abstractmethod
    def assess(self, estimator: Any, data: Any, recipe: Recipe) -> Assessment:
        """Judge the fitted estimator, and draw what there is to see."""

    @abstractmethod
    def evaluate(self, estimator: Any, recipe: Recipe, path: str | None) -> Assessment:
        """Metrics and baselines on the file at `path`, or on what the recipe itself sets aside."""

    @abstractmethod
    def predict(self, estimator: Any, recipe: Recipe, path: str) -> tuple[list[str], list[Sequence[Any]]]:
        """Answers for the file at `path`: a header and rows."""


def training_metrics(estimator: Estimator | PerSeries) -> dict[str, float]:
    """`train_...` and `validation_...` of the record whose weights were kept; of many models, their means."""
    if isinstance(estimator, PerSeries):
        return mean_measures([training_metrics(model) for model in estimator.models_.values()])
    record = estimator.final_record()
    return {name: value for name, value in record.items() if name.startswith(("train_", "validation_"))}


def number(value: float) -> str:
    """A number as the report shows it."""
    return f"{value:,.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def same_columns(metrics: dict[str, float], baselines: dict[str, dict[str, float]], ours: str) -> Table:
    """Metrics beside those of the baselines, a row each."""
    names = [name for name in metrics if all(name in other for other in baselines.values())]
    rows = [[who, *(number(found[name]) for name in names)] for who, found in [(ours, metrics), *baselines.items()]]
    return Table("Beside simpler methods", ["", *names], rows)
