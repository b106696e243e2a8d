"""Runs of the language modelling task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from elman.errors import UsageError
from elman.estimators import LanguageModel
from elman.measures import number_text
from elman.recipes import sources
from elman.recipes.recipe import Recipe
from elman.recipes.sources import TextData
from elman.recipes.tasks.task import Assessment, Task
from elman.runs.report import ReportTable
from elman.training import Callbacks

SAMPLE = {"length": 200, "temperature": 0.8, "seed": 0}


@final
class LanguageTask(Task):
    """Perplexity on training and validation text beside the n-gram floor, and a sample."""

    def fit(
        self, estimator: LanguageModel, data: TextData, *, callbacks: Callbacks, checkpoint: Path, resume: bool
    ) -> None:
        estimator.fit(
            data.train,
            validation_data=data.validation,
            vocabulary=data.vocabulary,
            callbacks=callbacks,
            checkpoint=checkpoint,
            resume=resume,
        )

    def assess(self, estimator: LanguageModel, data: TextData, recipe: Recipe) -> Assessment:
        assessment = Assessment(metrics={"tokens_per_second": _speed(estimator)})
        train, validation = estimator.split(data.train, data.validation)
        if validation:
            _judge(assessment, estimator, train, validation, "validation_")
        _sample(assessment, estimator, data, recipe)
        if data.validation is not None:
            assessment.notes.append(
                "The training perplexity is that of text learned by heart; the validation one says how well new text is predicted."
            )
        if estimator.bidirectional:
            assessment.notes.append(
                "A bidirectional network reads the token it is asked to predict, from the other side: its perplexity says "
                "nothing about predicting text, and it cannot write any."
            )
        return assessment

    def evaluate(self, estimator: LanguageModel, recipe: Recipe, path: str | None) -> Assessment:
        data: TextData = sources.load("language", recipe.source, recipe.source_options, 0)
        train, validation = estimator.split(data.train, data.validation)
        text = sources.text_file(path).train if path is not None else validation
        if not text:
            raise UsageError("this recipe sets no validation text aside; name a text file to evaluate on")
        assessment = Assessment()
        _judge(assessment, estimator, train, text, "")
        return assessment

    def predict(self, estimator: LanguageModel, recipe: Recipe, path: str) -> tuple[list[str], list[Sequence[Any]]]:
        raise UsageError("a language model writes on: use `elman generate RUN --prompt TEXT`")


def _judge(assessment: Assessment, estimator: LanguageModel, train: str, text: str, prefix: str) -> None:
    """Measures of the text, and of the n-gram floor counted on the training text."""
    ours, floor = estimator.measure(text), estimator.floor(train, text)
    order = int(floor.pop("order"))
    assessment.metrics |= {f"{prefix}{name}": value for name, value in ours.items()}
    assessment.baselines[f"{order}-gram"] = {f"{prefix}{name}": value for name, value in floor.items()}
    rows = [
        [who, *(number_text(v) for v in values.values())]
        for who, values in (("this network", ours), (f"{order}-gram", floor))
    ]
    note = (
        f"Both read {len(text):,} characters as one stream; the {order}-gram counted the training text (Witten-Bell)."
    )
    assessment.tables.append(
        ReportTable("On validation text", ["", *(name.replace("_", " ") for name in ours)], rows, note)
    )


def _sample(assessment: Assessment, estimator: LanguageModel, data: TextData, recipe: Recipe) -> None:
    """Text written on from the recipe's prompts, or from the beginning of the training text."""
    if estimator.bidirectional:
        return
    options = {**SAMPLE, **recipe.generate}
    prompts = options.pop("prompts", None) or [data.train[:20]]
    texts = [prompt + estimator.generate(prompt, **options) for prompt in prompts]
    assessment.sample, assessment.sample_prompt = "\n\n".join(texts), prompts[0]


def _speed(estimator: LanguageModel) -> float:
    """Tokens trained on in a second of training, over all epochs."""
    seconds = sum(record["seconds"] for record in estimator.history_)
    tokens = sum(record["tokens_per_second"] * record["seconds"] for record in estimator.history_)
    return tokens / seconds if seconds else 0.0
