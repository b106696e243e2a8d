"""The table of measures: complete, and asked by everything that shows one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from elman.estimators import ESTIMATORS, Forecaster, LanguageModel
from elman.measures import (
    IN_TRAINING,
    MEASURES,
    finite,
    headline_measure,
    higher_is_better,
    meaning_of,
    number_text,
    title_of,
    value_text,
)
from elman.tasks import TASKS
from elman.training.progress import describe


@pytest.mark.parametrize(
    ("task", "metrics", "expected"),
    [
        (
            "classification",
            {"train_accuracy": 0.9, "test_accuracy": 0.8, "validation_accuracy": 0.7},
            ("accuracy", 0.9, 0.8),
        ),
        ("classification", {"train_loss": 0.5}, ("loss", 0.5, None)),
        ("language", {"train_perplexity": 1.2, "validation_loss": 2.0, "train_loss": 0.2}, ("loss", 0.2, 2.0)),
        ("language", {"train_perplexity": 1.2, "train_loss": 0.2}, ("perplexity", 1.2, None)),
        ("forecasting", {"mae": 17.0, "train_loss": 0.1}, ("mae", None, 17.0)),
        ("regression", {"train_loss": 0.05, "validation_loss": None}, ("loss", 0.05, None)),
        ("something new", {"accuracy": True, "mae": 2}, ("mae", None, 2.0)),
        ("regression", {}, ("", None, None)),
    ],
)
def test_the_measure_that_speaks_for_a_run(
    task: str, metrics: dict[str, Any], expected: tuple[str, float | None, float | None]
) -> None:
    assert headline_measure(metrics, task) == expected


@pytest.mark.parametrize(
    ("measure", "value", "text"),
    [
        ("accuracy", 0.9375, "93.8 %"),
        ("loss", 0.04931, "0.0493"),
        ("loss", 101185.6, "101,186"),
        ("perplexity", 1.0, "1"),
        ("perplexity", 13.896, "13.9"),
        ("loss", 0.0, "0"),
        ("loss", -0.5, "-0.5"),
        ("loss", 1e-5, "1.000e-05"),
        ("loss", 100.0, "100"),
        ("loss", None, "–"),
        ("coverage", 0.9, "90.0 %"),
        ("something new", 0.9, "0.9"),
    ],
)
def test_values_as_text(measure: str, value: float | None, text: str) -> None:
    assert value_text(measure, value) == text


def test_every_task_has_headlines_and_every_headline_is_a_measure() -> None:
    assert TASKS.keys() == ESTIMATORS.keys()
    assert all(kind.task == name for name, kind in ESTIMATORS.items())
    assert {name for task in TASKS.values() for name in task.headline} <= MEASURES.keys()
    assert {name for kind in ESTIMATORS.values() for name in kind.measures} <= set(IN_TRAINING) <= MEASURES.keys()


def test_whatever_an_estimator_measures_is_in_the_table() -> None:
    text = "the cat sat on the mat. " * 12
    language = LanguageModel(hidden_size=3, epochs=1, steps=8, batch_size=2).fit(text)
    backtest = Forecaster(horizon=2, window=4, hidden_size=3, epochs=1, validation=0.3, patience=None).backtest(
        [np.sin(np.arange(60.0)) + 2], folds=2
    )
    measured = {*language.measure(text), *backtest.metrics}
    assert measured >= {"loss", "bits_per_byte", "mase", "mape", "coverage"}
    assert measured <= MEASURES.keys()


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_says_what_it_is_and_what_a_value_means(name: str) -> None:
    measure = MEASURES[name]
    assert measure.name == name
    assert title_of(name) == measure.title
    assert measure.definition
    words = meaning_of(name, 0.25, "that it had not seen")
    assert words.endswith(".")
    assert "{" not in words


def test_which_way_is_better() -> None:
    assert {name for name in MEASURES if higher_is_better(name)} == {"accuracy", "r2"}
    assert MEASURES["coverage"].higher_is_better is None


def test_a_measure_that_is_not_known_is_shown_by_its_name() -> None:
    assert title_of("something_new") == "something new"
    assert meaning_of("something_new", 1.0, "") == ""
    assert not higher_is_better("something_new")


def test_an_epoch_in_a_line_shows_what_training_measures() -> None:
    record = {
        "epoch": 3,
        "train_loss": 0.5123456,
        "validation_loss": 0.25,
        "train_accuracy": 0.75,
        "gradient_norm": 9.0,
    }
    assert describe(record) == "train_loss 0.5123  train_accuracy 0.75  validation_loss 0.25"


@pytest.mark.parametrize("value", [None, True, "0.5", math.nan, math.inf, [1.0]])
def test_what_is_no_finite_number_is_none(value: Any) -> None:
    assert finite(value) is None
    assert finite(2) == 2.0


def test_numbers_of_tables() -> None:
    assert [number_text(value) for value in (0.048131, 9999.4, 23456.7, -1.0)] == ["0.04813", "9,999", "23,457", "-1"]
