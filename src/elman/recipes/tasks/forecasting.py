"""Runs of the forecasting task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from elman.data.frames import Series, series_from_frame
from elman.data.times import format_time
from elman.errors import DataError
from elman.estimators import Forecast, Forecaster
from elman.estimators.baselines import baseline_forecasts, forecast_errors
from elman.estimators.estimator import check_share
from elman.files import Array
from elman.recipes.recipe import Recipe
from elman.recipes.sources import SeriesData
from elman.recipes.tasks.task import Assessment, Picture, Task, same_columns
from elman.runs import plots
from elman.training import Callbacks

SHOWN_SERIES = 6
TRAINED_ON = "The model was trained on these series to their end, so this is not a test; see the backtest."


@final
class ForecastingTask(Task):
    """A backtest beside the baselines, and the forecast itself."""

    def fit(
        self, estimator: Forecaster, data: SeriesData, *, callbacks: Callbacks, checkpoint: Path, resume: bool
    ) -> None:
        _check_folds(estimator, data)
        estimator.fit(data.series, callbacks=callbacks, checkpoint=checkpoint, resume=resume)

    def assess(self, estimator: Forecaster, data: SeriesData, recipe: Recipe) -> Assessment:
        assessment = Assessment()
        folds = []
        if data.folds:
            backtest = estimator.backtest(data.series, folds=data.folds)
            folds = backtest.folds
            assessment.metrics, assessment.baselines = dict(backtest.metrics), backtest.baselines
            assessment.tables.append(same_columns(backtest.metrics, backtest.baselines, "this network"))
            assessment.notes += _verdict(backtest.metrics, backtest.baselines, data.folds, estimator)
        forecasts = estimator.forecast()
        assessment.forecast_header = forecast_header(data.names, estimator.interval)
        assessment.forecasts = forecast_rows(forecasts, data.names)
        for number, (s, f) in enumerate(zip(data.series[:SHOWN_SERIES], forecasts, strict=False)):
            mine = [fold for fold in folds if fold.series == number]
            assessment.pictures.append(picture(s, f, mine, data.names[0], estimator.interval, len(data.series) > 1))
        return assessment

    def evaluate(self, estimator: Forecaster, recipe: Recipe, path: str | None) -> Assessment:
        metrics, baselines = last_steps(estimator, load_series(recipe, path))
        return Assessment(metrics=metrics, baselines=baselines, notes=[] if path else [TRAINED_ON])

    def predict(self, estimator: Forecaster, recipe: Recipe, path: str) -> tuple[list[str], list[Sequence[Any]]]:
        header = forecast_header(recipe.targets, estimator.interval)
        return header, forecast_rows(estimator.forecast(load_series(recipe, path)), recipe.targets)


def last_steps(
    estimator: Forecaster, series: Sequence[Series]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:  # fmt: skip
    """Metrics and baselines of forecasting the last `horizon` steps of these series from what is before them."""
    short = min(len(s.y) for s in series)
    if short <= estimator.horizon + estimator.season_:
        raise DataError(
            f"a series has {short} steps; the last {estimator.horizon} are forecast and a season must come before"
        )
    heads = [
        Series(s.unique_id, None if s.ds is None else s.ds[: -estimator.horizon], s.y[: -estimator.horizon])
        for s in series
    ]
    truths, histories = [s.y[-estimator.horizon :] for s in series], [h.y for h in heads]
    guesses = [baseline_forecasts(h, estimator.horizon, estimator.season_) for h in histories]

    def errors(forecasts: Sequence[Array]) -> dict[str, float]:
        return forecast_errors(truths, forecasts, histories, estimator.season_)

    baselines = {name: errors([g[name] for g in guesses]) for name in guesses[0]}
    return errors([f.mean for f in estimator.forecast(heads)]), baselines


def _check_folds(estimator: Forecaster, data: SeriesData) -> None:
    """Refuse series too short for the backtest before anything is trained."""
    share = check_share("validation", estimator.validation)
    for s in data.series if data.folds else ():
        left = len(s.y) - data.folds * estimator.horizon
        validation_steps = max(estimator.horizon, round(left * share)) if share else 0
        if left - validation_steps < (estimator.window or 1) + estimator.horizon + 1:
            raise DataError(
                f"series {s.unique_id!r} has {len(s.y)} steps; the backtest's {data.folds} folds of {estimator.horizon} steps "
                f"leave {max(left, 0)}, too few to train on. Bring a longer series, make the horizon or `data.window` shorter, "
                "or ask for fewer folds: --set data.folds=0 leaves the backtest out"
            )


def forecast_header(names: Sequence[str], interval: float) -> list[str]:
    """Columns of forecasts: `elman`, `elman-lo-90`, `elman-hi-90`, after the variable's name where there are several.

    Args:
        names: of the variables.
        interval: the probability that the band shall enclose; the number in the columns' names is its percentage.
    """
    level = percentage(interval)
    ends = ("elman", f"elman-lo-{level}", f"elman-hi-{level}")
    columns = list(ends) if len(names) == 1 else [f"{name}-{end}" for name in names for end in ends]
    return ["unique_id", "ds", *columns]


def forecast_rows(forecasts: Sequence[Forecast], names: Sequence[str]) -> list[Sequence[Any]]:
    """A row a step ahead, in the series' own units; missing interval ends are empty."""
    rows: list[Sequence[Any]] = []
    for f in forecasts:
        for k, time in enumerate(f.times):
            values: list[Any] = []
            for c in range(len(names)):
                values += [_or_empty(f.mean[k, c]), _or_empty(f.low[k, c]), _or_empty(f.high[k, c])]
            rows.append([f.unique_id, format_time(time), *values])
    return rows


def percentage(interval: float) -> str:
    """A probability in per cent, as short as it can be written: 0.9 is `90`, 0.975 is `97.5`."""
    return f"{100 * interval:.10g}"


def _or_empty(value: float) -> float | str:
    return float(value) if np.isfinite(value) else ""


def load_series(recipe: Recipe, path: str | None) -> list[Series]:
    """The series of the file at `path`, or of the recipe's own."""
    options = recipe.source_options
    return series_from_frame(
        path or options["path"], time=options.get("time"), target=recipe.targets, series=options.get("series")
    )


def _times(s: Series) -> Array:
    return np.arange(len(s.y)) if s.ds is None else s.ds


def picture(
    s: Series, f: Forecast, folds: Sequence[Any], name: str, interval: float, many: bool
) -> Picture:  # fmt: skip
    """One series, its forecast and its backtest folds; of several variables the first."""
    known = np.isfinite(f.low).all()
    figure = plots.forecast(
        _times(s), s.y[:, 0], f.times, f.mean[:, 0], f.low[:, 0] if known else None, f.high[:, 0] if known else None,
        backtest=[(fold.forecast.times, fold.forecast.mean[:, 0]) for fold in folds],
        title=f"{s.unique_id}: the next {len(f.mean)} steps" if many else f"{name}: the next {len(f.mean)} steps",
        y_label=name, level=percentage(interval),
    )  # fmt: skip
    file = f"forecast-{s.unique_id}" if many else "forecast"
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in file)
    return Picture(
        safe,
        figure,
        f"The forecast with its {percentage(interval)} % band; the backtest's forecasts were made without seeing these steps.",
    )


def _verdict(
    metrics: dict[str, float], baselines: dict[str, dict[str, float]], folds: int, estimator: Forecaster
) -> list[str]:
    """What a reader should know of the backtest."""
    best = min(baselines, key=lambda name: baselines[name]["mae"])
    notes = [
        f"The backtest made {folds} forecasts of {estimator.horizon} steps, each by a network trained afresh on what came before.",
    ]
    if metrics["mae"] >= baselines[best]["mae"]:
        notes.append(f"The network does not beat {best.replace('_', ' ')} here; use that instead, or give more data.")
    if "coverage" in metrics:
        notes.append(
            f"{metrics['coverage']:.0%} of the backtest's true values lay inside the {estimator.interval:.0%} band; "
            "with few steps to learn its width from, the band is too narrow more often than it says."
            if metrics["coverage"] < estimator.interval - 0.05
            else f"{metrics['coverage']:.0%} of the backtest's true values lay inside the {estimator.interval:.0%} band."
        )
    return notes
