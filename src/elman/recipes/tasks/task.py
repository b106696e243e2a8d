"""What the four tasks do with a recipe: make a model, fit it, judge it, and answer for a file that a user brings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.errors import UsageError
from elman.estimators import Estimator, PerSeries, load
from elman.measures import number_text, title_of
from elman.recipes.recipe import Recipe
from elman.runs import plots
from elman.runs.report import ReportTable
from elman.training import Callbacks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Model = Estimator | PerSeries
"""What a recipe trains: an estimator, or one for each of many series."""


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its file without `.png`, and a caption."""

    name: str
    figure: Figure
    caption: str


@dataclass(kw_only=True)
class Assessment:
    """What is known of a trained model.

    Attributes:
        metrics: by name, beside those of the training's last record.
        baselines: the same of simpler methods, by their name.
        pictures: the most telling first.
        tables: for the report.
        notes: sentences for the report.
        sample: generated text; None for none.
        sample_prompt: what it goes on from.
        forecast_header: names of the columns of `forecasts.csv`.
        forecasts: its rows.
        result: what `result.json` shall hold beside, or instead of, what it holds for every run.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[ReportTable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sample: str | None = None
    sample_prompt: str | None = None
    forecast_header: list[str] = field(default_factory=list)
    forecasts: list[Sequence[Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)


class Task(ABC):
    """One task's part of a run. The methods that are not abstract are right for a recipe with one model."""

    def make(self, recipe: Recipe, jobs: int | None) -> Any:
        """A model to fit.

        Raises:
            UsageError: `jobs` for a recipe with one model.
        """
        if jobs is not None:
            raise UsageError(
                "`jobs` trains models of many series side by side; ask for one a series (data.per_series = true)"
            )
        return recipe.estimator()

    def load(self, folder: Path, **changes: Any) -> Any:
        """The model that a run holds; `changes` as in `Estimator.load`."""
        return load(folder, **changes)

    @abstractmethod
    def fit(self, model: Any, data: Any, *, callbacks: Callbacks, checkpoint: Path, resume: bool) -> None:
        """Fit the model on what the recipe's source gave."""

    @abstractmethod
    def assess(self, model: Any, data: Any, recipe: Recipe) -> Assessment:
        """Judge the fitted model, and draw what there is to see."""

    @abstractmethod
    def evaluate(self, model: Any, recipe: Recipe, path: str | None) -> Assessment:
        """Metrics and baselines on the file at `path`, or on what the recipe itself sets aside."""

    @abstractmethod
    def predict(self, model: Any, recipe: Recipe, path: str) -> tuple[list[str], list[Sequence[Any]]]:
        """Answers for the file at `path`: a header and rows."""

    def example(self, model: Any) -> Estimator:
        """The estimator whose network, engine and options the report describes."""
        estimator: Estimator = model
        return estimator

    def training_metrics(self, model: Any) -> dict[str, float]:
        """`train_...` and `validation_...` of the record whose weights were kept."""
        record = model.final_record()
        return {name: value for name, value in record.items() if name.startswith(("train_", "validation_"))}

    def training_facts(self, model: Any) -> dict[str, Any]:
        """What `result.json` says of the training: seconds and epochs."""
        return {"training_seconds": round(model.seconds_, 4), "epochs": len(model.history_)}

    def report_facts(self, model: Any, result: dict[str, Any]) -> list[tuple[str, str]]:
        """The report's list of facts: what was trained, how long, with which seed."""
        estimator = self.example(model)
        network = estimator.network_
        cell = network.cell.upper() if network.cell != "elman" else f"Elman ({network.nonlinearity})"
        layers = (
            f"{cell}, {network.num_layers} x {network.hidden_size} units" + ", bidirectional" * network.bidirectional
        )
        weights = sum(p.size for p in network.parameters.values())
        return [
            ("network", layers),
            ("parameters", f"{weights:,}"),
            *self._model_facts(model, result),
            ("training", f"{result['training_seconds']:.2f} s on the {result['engine']} engine"),
            ("seed", str(estimator.seed)),
        ]

    def _model_facts(self, model: Any, result: dict[str, Any]) -> list[tuple[str, str]]:
        best = f", best {model.best_epoch_ + 1}" if model.patience else ""
        return [("epochs", f"{result['epochs']}{best}")]

    def curves(self, model: Any) -> list[Picture]:
        """Loss and measures by epoch."""
        pictures = [Picture("loss", plots.loss_curves(model.history_), "Loss by epoch.")]
        for measure in model.measures:
            figure = plots.measure_curves(model.history_, measure)
            pictures.append(Picture(measure, figure, f"{title_of(measure).capitalize()} by epoch."))
        return pictures


def same_columns(metrics: dict[str, float], baselines: dict[str, dict[str, float]], ours: str) -> ReportTable:
    """Metrics beside those of the baselines, a row each."""
    names = [name for name in metrics if all(name in other for other in baselines.values())]
    rows = [
        [who, *(number_text(values[name]) for name in names)] for who, values in [(ours, metrics), *baselines.items()]
    ]
    return ReportTable("Beside simpler methods", ["", *names], rows)
