"""Runs of the forecasting task with a model for each series."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from elman.errors import ElmanError
from elman.estimators import Forecaster, OnOutcome, PerSeries, PerSeriesBacktest
from elman.estimators.per_series import mean_measures
from elman.measures import number_text
from elman.recipes.recipe import Recipe
from elman.recipes.sources import SeriesData
from elman.recipes.tasks.forecasting import (
    SHOWN_SERIES,
    TRAINED_ON,
    forecast_header,
    forecast_rows,
    last_steps,
    load_series,
    picture,
)
from elman.recipes.tasks.task import Assessment, Picture, Task, same_columns
from elman.runs.report import ReportTable
from elman.training import Callbacks

SHOWN_ROWS = 40


@final
class PerSeriesTask(Task):
    """As the forecasting task, each series by itself; one that fails is reported and costs the others nothing.

    Args:
        on_series: called with `fitted` and with `tested`; what it returns is called with each series' outcome.
    """

    def __init__(self, on_series: Callable[[str], OnOutcome] | None = None) -> None:
        self._on_series: Callable[[str], OnOutcome | None] = _no_callback if on_series is None else on_series

    def make(self, recipe: Recipe, jobs: int | None) -> PerSeries:
        forecaster = recipe.estimator()
        assert isinstance(forecaster, Forecaster)
        return PerSeries(forecaster=forecaster, n_jobs=jobs)

    def load(self, folder: Path, **changes: Any) -> PerSeries:
        return PerSeries.load(folder, **changes)

    def fit(
        self, estimator: PerSeries, data: SeriesData, *, callbacks: Callbacks, checkpoint: Path, resume: bool
    ) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"\d+ of \d+ series have no model")  # `assess` tells of them
            estimator.fit(data.series, checkpoint=checkpoint, resume=resume, on_outcome=self._on_series("fitted"))

    def assess(self, estimator: PerSeries, data: SeriesData, recipe: Recipe) -> Assessment:
        assessment = Assessment()
        errors: dict[str, ElmanError] = dict(estimator.errors_)
        backtest = None
        if data.folds:
            # Those that could not be fitted could not be tested either, and that was told already.
            series = [s for s in data.series if s.unique_id in estimator.models_]
            try:
                backtest = estimator.backtest(series, folds=data.folds, on_outcome=self._on_series("tested"))
            except ElmanError as error:
                assessment.notes.append(
                    f"No series could be tested, so nothing tells how good these forecasts are: {error}"
                )
        if backtest is not None:
            errors |= backtest.errors
            assessment.metrics, assessment.baselines = dict(backtest.metrics), backtest.baselines
            assessment.tables += [
                same_columns(backtest.metrics, backtest.baselines, "these networks"),
                _by_series(backtest),
            ]
            assessment.notes += _verdict(backtest, estimator)
        assessment.notes += [f"Series {name!r} failed: {error}" for name, error in errors.items()]
        forecasts = estimator.forecast()
        assessment.forecast_header = forecast_header(data.names, estimator.forecaster.interval)
        assessment.forecasts = forecast_rows(forecasts, data.names)
        by_name = {s.unique_id: s for s in data.series}
        for f in forecasts[:SHOWN_SERIES]:
            tested = backtest.by_series.get(f.unique_id) if backtest else None
            folds = tested.folds if tested else []
            assessment.pictures.append(
                picture(
                    by_name[f.unique_id], f, folds, data.names[0], estimator.forecaster.interval, len(data.series) > 1
                )
            )
        assessment.result = {
            "models": {
                "fitted": len(estimator.models_),
                "tested": len(backtest.by_series) if backtest else 0,
                "beaten": backtest.beaten if backtest else {},
                "failed": {name: str(error) for name, error in errors.items()},
            },
        }
        return assessment

    def evaluate(self, estimator: PerSeries, recipe: Recipe, path: str | None) -> Assessment:
        measured = [
            last_steps(estimator.model_of(s), [s])
            for s in load_series(recipe, path)
            if path is not None or s.unique_id not in estimator.errors_
        ]
        names = [name for name in measured[0][1] if all(name in baselines for _, baselines in measured)]
        return Assessment(
            metrics=mean_measures([metrics for metrics, _ in measured]),
            baselines={name: mean_measures([baselines[name] for _, baselines in measured]) for name in names},
            notes=[] if path else [TRAINED_ON],
        )

    def predict(self, estimator: PerSeries, recipe: Recipe, path: str) -> tuple[list[str], list[Sequence[Any]]]:
        header = forecast_header(recipe.targets, estimator.forecaster.interval)
        return header, forecast_rows(estimator.forecast(load_series(recipe, path)), recipe.targets)

    def example(self, model: PerSeries) -> Forecaster:
        """The first of them: they have one description of a network in common."""
        return next(iter(model.models_.values()))

    def training_metrics(self, model: PerSeries) -> dict[str, float]:
        return mean_measures([super(PerSeriesTask, self).training_metrics(one) for one in model.models_.values()])

    def training_facts(self, model: PerSeries) -> dict[str, Any]:
        models = model.models_.values()
        return {
            "training_seconds": round(sum(one.seconds_ for one in models), 4),
            "epochs": sum(len(one.history_) for one in models),
        }

    def _model_facts(self, model: PerSeries, result: dict[str, Any]) -> list[tuple[str, str]]:
        return [("models", f"{len(model.models_)}, one for each series"), ("epochs", f"{result['epochs']}")]

    def curves(self, model: PerSeries) -> list[Picture]:
        return []


def _no_callback(verb: str) -> None:
    """Nobody wants to hear of a series."""


def _by_series(backtest: PerSeriesBacktest) -> ReportTable:
    """The mean absolute error of each series, the network's beside that of the best baseline; the worst series first."""
    rows = []
    for name, b in backtest.by_series.items():
        best = min(b.baselines, key=lambda n: b.baselines[n]["mae"])
        rows.append((name, b.metrics["mae"], best, b.baselines[best]["mae"]))
    rows.sort(key=lambda row: row[3] - row[1])
    shown = [[name, number_text(ours), best, number_text(theirs)] for name, ours, best, theirs in rows[:SHOWN_ROWS]]
    title = "Series by series" if len(rows) <= SHOWN_ROWS else f"The {SHOWN_ROWS} of {len(rows)} series that fare worst"
    return ReportTable(title, ["", "mae", "best baseline", "its mae"], shown)


def _verdict(backtest: PerSeriesBacktest, estimator: PerSeries) -> list[str]:
    """What a reader should know of the backtest."""
    count, lost = len(backtest.by_series), len(backtest.beaten)
    notes = [
        f"Every number here is the mean over {count} series, each tested by networks trained afresh on what came before.",
    ]
    if lost:
        notes.append(
            f"In {lost} of {count} series the network does not beat the best naive method; use that method there, or give "
            "more data. One model for all series (without per_series) learns from all of them."
        )
    if "coverage" in backtest.metrics:
        coverage, interval = backtest.metrics["coverage"], estimator.forecaster.interval
        notes.append(f"{coverage:.0%} of the backtest's true values lay inside the {interval:.0%} bands.")
    return notes
