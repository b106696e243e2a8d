"""Runs of the aligned regression task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from elman.errors import DataError
from elman.estimators import SequenceRegressor
from elman.files import Array
from elman.recipes import sources
from elman.recipes.recipe import Recipe
from elman.recipes.sources import Paired, stacked
from elman.recipes.tasks.task import Assessment, Picture, Task, same_columns
from elman.runs import plots
from elman.training import Callbacks

SHOWN_STEPS = 400


@final
class RegressionTask(Task):
    """Errors on every part of the data, and actual beside predicted."""

    def fit(
        self, estimator: SequenceRegressor, data: Paired, *, callbacks: Callbacks, checkpoint: Path, resume: bool
    ) -> None:
        estimator.fit(
            data.X, data.y, validation_data=data.validation, callbacks=callbacks, checkpoint=checkpoint, resume=resume
        )

    def assess(self, estimator: SequenceRegressor, data: Paired, recipe: Recipe) -> Assessment:
        assessment = Assessment()
        if data.test is not None:
            assessment.metrics |= {f"test_{k}": v for k, v in _errors(estimator, *data.test).items()}
            mean = stacked(data.y).mean(axis=0)
            truth = stacked(_as_list(data.test[1]))
            assessment.baselines = {
                "mean": {f"test_{k}": v for k, v in _measures(truth, np.broadcast_to(mean, truth.shape)).items()}
            }
            assessment.tables.append(same_columns(assessment.metrics, assessment.baselines, "this network"))
        assessment.pictures += _PICTURES.get(recipe.source, _any_picture)(estimator, data)
        return assessment

    def evaluate(self, estimator: SequenceRegressor, recipe: Recipe, path: str | None) -> Assessment:
        data = _load(recipe, path)
        x, y = (data.X, data.y) if path is not None or data.test is None else data.test
        assessment = Assessment(metrics=_errors(estimator, x, y))
        truth = stacked(_as_list(y))
        assessment.baselines = {"mean": _measures(truth, np.broadcast_to(truth.mean(axis=0), truth.shape))}
        assessment.pictures += _any_picture(estimator, Paired(x, y, names=data.names))
        return assessment

    def predict(self, estimator: SequenceRegressor, recipe: Recipe, path: str) -> tuple[list[str], list[Sequence[Any]]]:
        data = _load(recipe, path, inputs_only=True)
        columns, answers = list(data.names), estimator.predict(data.X)
        if estimator.loss in ("quantile", "gaussian"):
            columns += [f"{name}-q{q:g}" for name in data.names for q in estimator.quantiles]
            quantiles = estimator.predict_quantiles(data.X)
            answers = [np.hstack((a, q.reshape(len(a), -1))) for a, q in zip(answers, quantiles, strict=True)]
        rows: list[Sequence[Any]] = []
        for unique_id, answer in zip(data.ids, answers, strict=True):
            rows += [[unique_id, step, *values] for step, values in enumerate(np.atleast_2d(answer).tolist())]
        return ["unique_id", "step", *columns], rows


def _load(recipe: Recipe, path: str | None, *, inputs_only: bool = False) -> Paired:
    """The recipe's data, or the file at `path` read the way the recipe reads its own."""
    if path is None:
        data: Paired = sources.load(
            "regression", recipe.source, recipe.source_options, recipe.parameters.get("seed", 0)
        )
        return data
    if recipe.source != "file":
        raise DataError(
            f"{path}: this model was trained on {recipe.source}, which names no columns; "
            "train on a table (data.source = 'file') to use it on tables"
        )
    options = {**recipe.source_options, "path": path, "test_path": None, "test_share": 0.0}
    if inputs_only:
        from elman.data import frames

        if "inputs" not in options:
            raise DataError(f"{path}: the run's recipe does not name its input columns (data.inputs); train it again")
        table = frames.sequences_from_frame(
            path, inputs=options["inputs"], series=options.get("series"), time=options.get("time")
        )
        return Paired(table.X, None, names=recipe.targets, ids=table.ids)
    whole: Paired = sources.load("regression", "file", options, 0)
    return whole


def _errors(estimator: SequenceRegressor, x: Any, y: Any) -> dict[str, float]:
    return _measures(stacked(_as_list(y)), stacked(_as_list(estimator.predict(x))))


def _measures(truth: Array, guess: Array) -> dict[str, float]:
    error = guess - truth
    total = ((truth - truth.mean(axis=0)) ** 2).sum()
    measures = {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
    return measures | ({"r2": float(1 - (error**2).sum() / total)} if total else {})


def _as_list(y: Any) -> Sequence[Any]:
    return y if isinstance(y, list) else list(np.asarray(y))


def _sine_next_picture(estimator: SequenceRegressor, data: Paired) -> list[Picture]:
    """Seed 001: the inputs and, one place on, the predictions of the value there."""
    times = np.linspace(2.0, 10.0, data.X.shape[1] + 1)
    figure = plots.actual_against_predicted_over_time(
        times[1:], data.y[0, :, 0], estimator.predict(data.X)[0, :, 0], x_label="t", y_label="sin(t)", scatter=True
    )
    return [
        Picture("actual-predicted", figure, "Each value of the sine, and what was predicted for it one step before.")
    ]


def _sine_windows_picture(estimator: SequenceRegressor, data: Paired) -> list[Picture]:
    """Seed 002: the truth after each window of the validation records, and the prediction."""
    x, y = data.validation if data.validation is not None else (data.X, data.y)
    first = data.X.shape[1] + len(data.X)
    figure = plots.actual_against_predicted_over_time(
        np.arange(first, first + len(y)), y[:, 0], estimator.predict(x)[:, 0], x_label="step", y_label="sin(step)"
    )
    return [Picture("actual-predicted", figure, "The value after each validation window, and its prediction.")]


def _sine_to_cosine_picture(estimator: SequenceRegressor, data: Paired) -> list[Picture]:
    """Seed 003: target and prediction of the last piece, and of the last few."""
    points = 10
    predicted, target = estimator.predict(data.X)[0, :, 0], data.y[0, :, 0]
    x = np.concatenate([np.linspace(s, s + 1, points) for s in range(len(target) // points)])
    pictures = []
    for name, pieces, what in (("last-piece", 1, "the last piece"), ("last-pieces", 6, "the last six pieces")):
        part = slice(-points * pieces, None)
        figure = plots.actual_against_predicted_over_time(
            x[part], target[part], predicted[part], x_label="t / \N{GREEK SMALL LETTER PI}", y_label="cos(t)"
        )
        pictures.append(Picture(name, figure, f"Cosine and what was read from the sine, {what}."))
    return pictures


def _any_picture(estimator: SequenceRegressor, data: Paired) -> list[Picture]:
    """The end of a sequence, and all of truth against prediction."""
    x, y = data.test if data.test is not None else (data.X, data.y)
    predicted = estimator.predict(x)
    truth, guess = stacked(_as_list(y))[:, 0], stacked(_as_list(predicted))[:, 0]
    name = data.names[0]
    which = "test data" if data.test is not None else "training data"
    part = slice(max(0, len(truth) - SHOWN_STEPS), None)
    over_time = plots.actual_against_predicted_over_time(
        np.arange(len(truth))[part], truth[part], guess[part], x_label="step", y_label=name
    )
    against = plots.truth_against_prediction(truth, guess, name)
    return [
        Picture("actual-predicted", over_time, f"{name} and its prediction, the last steps of the {which}."),
        Picture("truth-prediction", against, f"Every predicted value of the {which} over its actual one."),
    ]


_PICTURES = {
    "sine-next": _sine_next_picture, "sine-windows": _sine_windows_picture, "sine-to-cosine": _sine_to_cosine_picture,
}  # fmt: skip
