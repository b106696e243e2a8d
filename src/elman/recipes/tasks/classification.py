"""Runs of the classification task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from elman.errors import DataError
from elman.estimators import SequenceClassifier
from elman.recipes import sources
from elman.recipes.recipe import Recipe
from elman.recipes.sources import Labelled
from elman.recipes.tasks.task import Assessment, Picture, Task
from elman.runs import plots
from elman.runs.report import ReportTable
from elman.training import Callbacks


@final
class ClassificationTask(Task):
    """Accuracy on every part of the data, and who is taken for whom."""

    def fit(
        self, estimator: SequenceClassifier, data: Labelled, *, callbacks: Callbacks, checkpoint: Path, resume: bool
    ) -> None:
        estimator.fit(data.X, data.y, callbacks=callbacks, checkpoint=checkpoint, resume=resume)

    def assess(self, estimator: SequenceClassifier, data: Labelled, recipe: Recipe) -> Assessment:
        assessment = Assessment()
        x, y, which = (*data.test, "test data") if data.test is not None else (data.X, data.y, "training data")
        accuracy = self._judge(assessment, estimator, x, y, which)
        if data.test is not None:
            assessment.metrics["test_accuracy"] = accuracy
            assessment.baselines = _most_common(data.y, data.test[1])
        assessment.metrics["whole_accuracy"] = estimator.score(data.X, data.y)
        if data.test is None:
            assessment.notes.append(
                "There was no test data: the confusion matrix is of data that the network was trained on."
            )
        return assessment

    def evaluate(self, estimator: SequenceClassifier, recipe: Recipe, path: str | None) -> Assessment:
        data = _load(recipe, path)
        x, y = (data.X, data.y) if path is not None or data.test is None else data.test
        assessment = Assessment()
        assessment.metrics["accuracy"] = self._judge(assessment, estimator, x, y, path or "the recipe's own data")
        assessment.baselines = {"most_common": {"accuracy": float(np.mean(np.asarray(y) == _mode(y)))}}
        return assessment

    def predict(
        self, estimator: SequenceClassifier, recipe: Recipe, path: str
    ) -> tuple[list[str], list[Sequence[Any]]]:
        data = _load(recipe, path, labelled=False)
        probabilities = estimator.predict_proba(data.X)
        labels = estimator.classes_[probabilities.argmax(axis=1)]
        header = ["unique_id", "label", *(f"probability_{c}" for c in estimator.classes_)]
        return header, [
            [i, label, *p] for i, label, p in zip(data.ids, labels.tolist(), probabilities.tolist(), strict=True)
        ]

    def _judge(self, assessment: Assessment, estimator: SequenceClassifier, x: Any, y: Any, which: str) -> float:
        counts = estimator.confusion(x, y)
        names = [str(c) for c in estimator.classes_]
        figure = plots.confusion_matrix(counts, names)
        assessment.pictures.append(
            Picture("confusion-matrix", figure, f"Who is taken for whom, on {which}: rows are the truth.")
        )
        right, truths, guesses = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        rows = [
            [name, str(t), f"{r / max(1, t):.1%}", f"{r / max(1, g):.1%}"]
            for name, r, t, g in zip(names, right, truths, guesses, strict=True)
        ]
        assessment.tables.append(
            ReportTable("By class", ["class", "sequences", "found (recall)", "right when named (precision)"], rows)
        )
        return float(right.sum() / counts.sum())


def _load(recipe: Recipe, path: str | None, *, labelled: bool = True) -> Labelled:
    """The recipe's data, or the file at `path` read the way the recipe reads its own."""
    options = dict(recipe.source_options)
    if path is not None:
        if recipe.source != "file":
            options = {}
        options |= {"path": path, "test_path": None}
        if not labelled and not path.endswith(".ts"):
            return _unlabelled(path, options)
    source = "file" if path is not None else recipe.source
    data: Labelled = sources.load("classification", source, options, recipe.parameters.get("seed", 0))
    return data


def _unlabelled(path: str, options: dict[str, Any]) -> Labelled:
    """A table to predict for, whether or not it has the label column."""
    from elman.data import frames

    series, time, inputs = (options.get(name) for name in ("series", "time", "inputs"))
    if series is None or inputs is None:
        raise DataError(f"{path}: this model was not trained from a table, so columns are not known; bring a .ts file")
    table = frames.sequences_from_frame(path, inputs=inputs, series=series, time=time)
    return Labelled(table.X, None, None, table.ids)


def _mode(y: Any) -> Any:
    return Counter(np.asarray(y).tolist()).most_common(1)[0][0]


def _most_common(train: Any, test: Any) -> dict[str, dict[str, float]]:
    """What always naming the commonest training label would reach on the test data."""
    return {"most_common": {"test_accuracy": float(np.mean(np.asarray(test) == _mode(train)))}}
