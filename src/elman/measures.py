"""The measures: what each is called, which way is better, how it is written, and what it says. Everything that shows one asks here.

In a run's metrics a measure's name has the part of the data in front that it was taken on: `train_loss`, `test_accuracy`. A bare
name is what a forecaster's backtest, or a command that was asked to judge, gives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from elman.tasks import TASKS

ABSENT = "–"
"""What stands for a number that is not there."""


@final
@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure.

    Attributes:
        name: in metrics.
        title: in a sentence.
        definition: how it is computed, and its unit.
        meaning: what a value says, for somebody who does not know the measure; `{value}` is the value as text, `{of_100}` its
            hundredfold, `{which}` what data it was taken on.
        higher_is_better: None where neither way is, as with a coverage.
        is_share: whether it lies from 0 to 1 and is written in per cent.
    """

    name: str
    title: str
    definition: str
    meaning: str
    higher_is_better: bool | None = False
    is_share: bool = False


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            name="loss",
            title="loss",
            definition="what training makes small, a mean over all targets; of classes and tokens in nats",
            meaning="What the training makes small. For most losses 0 would be perfect; lower is better.",
        ),
        Measure(
            name="accuracy",
            title="accuracy",
            definition="share of sequences, or of tokens, whose most probable class is the true one",
            meaning="Of 100 sequences {which}, about {of_100} are named correctly.",
            higher_is_better=True,
            is_share=True,
        ),
        Measure(
            name="perplexity",
            title="perplexity",
            definition="exp(loss), of a loss in nats a token",
            meaning="At every symbol it hesitates as if between {value} equally likely ones. 1 would be certainty.",
        ),
        Measure(
            name="bits_per_character",
            title="bits per character",
            definition="bits to store the text, by the characters in it; compares models of different tokens",
            meaning="It needs {value} bits to store each character of the text. Plain storage needs 8.",
        ),
        Measure(
            name="bits_per_byte",
            title="bits per byte",
            definition="bits to store the text, by the bytes of its UTF-8; compares models of different tokens",
            meaning="It needs {value} bits to store each byte of the text. Plain storage needs 8.",
        ),
        Measure(
            name="mae",
            title="mean absolute error",
            definition="mean of |error|, in the unit of the data",
            meaning="Its values are off by {value} on average, in the unit of the data.",
        ),
        Measure(
            name="rmse",
            title="root mean square error",
            definition="square root of the mean of error^2, in the unit of the data",
            meaning="Its errors are about {value} in the unit of the data, large errors weighing more.",
        ),
        Measure(
            name="mape",
            title="mean absolute percentage error",
            definition="mean of 100 |error / actual|, in per cent; none where an actual value is 0",
            meaning="Its values are off by {value} % of the true ones on average.",
        ),
        Measure(
            name="smape",
            title="sMAPE",
            definition="mean of 200 |error| / (|actual| + |predicted|), in per cent, from 0 to 200",
            meaning="Its relative error, against the mean size of forecast and truth, is {value}.",
        ),
        Measure(
            name="mase",
            title="MASE",
            definition="mae over the mean absolute error of the seasonal naive forecast within the history; none where that is 0",
            meaning="Its error is {value} times that of a naive forecast. Below 1 is better than naive.",
        ),
        Measure(
            name="r2",
            title="R²",
            definition="1 - sum of error^2 / sum of (actual - mean)^2; none where all targets are equal",
            meaning="It explains {of_100} % of the variation of the target. 100 % would be perfect, 0 % is the mean alone.",
            higher_is_better=True,
        ),
        Measure(
            name="coverage",
            title="coverage",
            definition="share of true values inside the band of a forecast; as large as the level of the band where all is well",
            meaning="Of 100 true values, about {of_100} lay inside the band.",
            higher_is_better=None,
            is_share=True,
        ),
    )
}

IN_TRAINING = ("loss", "accuracy", "perplexity")
"""What the training loop can measure in every epoch."""

_OF_ANY_TASK = ("accuracy", "perplexity", "mase", "mae", "rmse", "loss")
_HELD_OUT = ("test_", "validation_", "backtest_", "")  # data that the network was not trained on, the best kind first


def headline_measure(metrics: Mapping[str, Any], task: str) -> tuple[str, float | None, float | None]:
    """The measure that speaks for a run.

    Args:
        metrics: numbers by name, `train_loss`, `validation_accuracy`, `mae`, ...; None where one was not finite.
        task: `classification`, `regression`, `forecasting` or `language`; anything else takes the usual order.

    Returns:
        (name, train, held_out): the measure, its value on the training data and on data held out, None where there is none.
        A measure with a held-out value goes before one without. ("", None, None) for empty metrics.
    """
    headline = TASKS[task].headline if task in TASKS else _OF_ANY_TASK
    candidates = [(name, *values_of(metrics, name)) for name in headline]
    present = [candidate for candidate in candidates if candidate[1:] != (None, None)]
    held_out = [candidate for candidate in present if candidate[2] is not None]
    return (held_out or present or [("", None, None)])[0]


def values_of(metrics: Mapping[str, Any], name: str) -> tuple[float | None, float | None]:
    """The value of a measure on the training data and on data held out, None where there is none."""
    held_out = (finite(metrics.get(part + name)) for part in _HELD_OUT)
    return finite(metrics.get(f"train_{name}")), next((value for value in held_out if value is not None), None)


def finite(value: Any) -> float | None:
    """A value as a finite float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def title_of(name: str) -> str:
    """What a measure is called in a sentence."""
    return MEASURES[name].title if name in MEASURES else name.replace("_", " ")


def is_share(name: str) -> bool:
    """Whether a measure lies from 0 to 1 and is written in per cent."""
    return name in MEASURES and MEASURES[name].is_share


def higher_is_better(name: str) -> bool:
    """Whether more of a measure is better."""
    return name in MEASURES and bool(MEASURES[name].higher_is_better)


def meaning_of(name: str, value: float, which: str) -> str:
    """What a value says, in a sentence; empty for a measure that is not known.

    Args:
        name: of the measure.
        value: its value.
        which: what data it was taken on, as `that it had not seen`.
    """
    if name not in MEASURES:
        return ""
    return MEASURES[name].meaning.format(value=value_text(name, value), of_100=f"{100 * value:.0f}", which=which)


def value_text(name: str, value: float | None) -> str:
    """The value of a measure as text: shares in per cent, the others with up to four significant figures.

    >>> value_text("accuracy", 0.9375), value_text("loss", 0.04931), value_text("mae", 101185.6), value_text("mae", None)
    ('93.8 %', '0.0493', '101,186', '–')
    """
    if value is None:
        return ABSENT
    if is_share(name):
        return f"{100 * value:.1f} %"
    if value != 0 and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3e}"
    figures = 4 if abs(value) >= 1 else 3
    decimals = max(0, figures - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").removesuffix(".") if "." in text else text


def number_text(value: float) -> str:
    """Any number of a table as text, with four significant figures.

    >>> number_text(0.048131), number_text(23456.7)
    ('0.04813', '23,457')
    """
    return f"{value:,.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"
