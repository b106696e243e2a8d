"""One small, quick subject of each task, for the checks that every estimator must pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.estimators import (
    Estimator,
    Forecaster,
    LanguageModel,
    SequenceClassifier,
    SequenceRegressor,
)

Array = NDArray[Any]

_RNG = np.random.default_rng(0)
X = _RNG.standard_normal((16, 6, 2))
LABELS = np.where(X[:, :, 0].sum(axis=1) > 0, "up", "down")
TARGETS = np.cumsum(X[..., :1], axis=1) * 3 + 10
SERIES = [20 + 3 * np.sin(np.arange(48) * 2 * np.pi / 6 + k) + 0.1 * _RNG.standard_normal(48) for k in range(2)]
TEXT = "the cat sat on the mat and the dog sat on the log. " * 6
QUICK: dict[str, Any] = {"hidden_size": 4, "epochs": 3, "learning_rate": 0.02, "seed": 1, "dtype": "float64"}


@dataclass(frozen=True)
class Subject:
    """How to make, fit and ask an estimator; `other` is data of the same kind that differs."""

    make: Callable[..., Any]
    data: tuple[Any, ...]
    other: tuple[Any, ...]
    ask: Callable[[Any], Array]
    questions: dict[str, Callable[[Any], Any]]
    wrong: tuple[dict[str, Any], ...]

    def fitted(self, *data: Any, **options: Any) -> Any:
        estimator = self.make(**options)
        return estimator.fit(*(data or self.data))


def classifier(**options: Any) -> SequenceClassifier:
    return SequenceClassifier(**{**QUICK, "batch_size": 5, "patience": 2, "validation": 0.25, **options})


def regressor(**options: Any) -> SequenceRegressor:
    return SequenceRegressor(**{**QUICK, "cell": "lstm", "batch_size": 5, "steps": 3, "carry": True, **options})


def forecaster(**options: Any) -> Forecaster:
    return Forecaster(**{**QUICK, "horizon": 3, "window": 6, "season": 6, "epochs": 2, "patience": 2, **options})


def language_model(**options: Any) -> LanguageModel:
    quick = {**QUICK, "batch_size": 2, "steps": 7, "dropout": 0.2, "num_layers": 2}
    return LanguageModel(**{**quick, **options})


SUBJECTS: dict[str, Subject] = {
    "classifier": Subject(
        classifier,
        (X, LABELS),
        (X[::-1] * 2 + 1, LABELS),
        lambda e: e.predict_proba(X),
        {
            "predict": lambda e: e.predict(X),
            "predict_proba": lambda e: e.predict_proba(X),
            "score": lambda e: e.score(X, LABELS),
            "confusion": lambda e: e.confusion(X, LABELS),
        },
        ({"scale": "standrad"}, {"class_weight": "even"}, {"layout": "dtn"}),
    ),
    "regressor": Subject(
        regressor,
        (X, TARGETS),
        (X[::-1] * 2 + 1, TARGETS),
        lambda e: e.predict(X),
        {"predict": lambda e: e.predict(X), "score": lambda e: e.score(X, TARGETS)},
        ({"scale": "x"}, {"scale_target": "x"}, {"output": "first"}, {"loss": "nll"}, {"updates_per_epoch": 3},
         {"steps": 0}, {"steps": 3, "output": "last"}),
    ),
    "forecaster": Subject(
        forecaster,
        (SERIES,),
        ([s * 2 + 1 for s in SERIES],),
        lambda e: np.stack(e.predict(SERIES)),
        {
            "predict": lambda e: e.predict(SERIES),
            "predict_proba": lambda e: e.predict_proba(SERIES),
            "forecast": lambda e: e.forecast(),
            "score": lambda e: e.score(SERIES),
        },
        ({"horizon": 0}, {"window": 0}, {"season": -1}, {"strategy": "both"}, {"scale": "minmax"}, {"loss": "nll"},
         {"interval": 1.0}, {"transform": "sqrt"}, {"difference": "first"}, {"difference": -1},
         {"bidirectional": True, "strategy": "recursive"}),
    ),
    "language model": Subject(
        language_model,
        (TEXT,),
        (TEXT[::-1],),
        lambda e: e.predict_proba("the cat"),
        {
            "predict": lambda e: e.predict("the cat"),
            "predict_proba": lambda e: e.predict_proba("the cat"),
            "generate": lambda e: e.generate("the cat", 5, seed=1),
            "measure": lambda e: e.measure("the cat"),
            "perplexity": lambda e: e.perplexity("the cat"),
            "score": lambda e: e.score("the cat"),
            "floor": lambda e: e.floor("the cat sat", "the cat"),
        },
        ({"unit": "letter"}, {"sampling": "shuffled"}, {"min_frequency": 0}, {"steps": -1}),
    ),
}  # fmt: skip

WRONG_EVERYWHERE: tuple[dict[str, Any], ...] = (
    {"cell": "rnn"},
    {"hidden_size": 0},
    {"num_layers": 0},
    {"nonlinearity": "relu", "cell": "gru"},
    {"dropout": 1.0},
    {"initialisation": {"wieght": "zero"}},
    {"optimiser": "sdg"},
    {"learning_rate": -1.0},
    {"momentum": 0.5, "optimiser": "adam"},
    {"nesterov": True},
    {"clip_norm": 0.0},
    {"clip_value": -1.0},
    {"schedule": "cosin"},
    {"warmup": -1},
    {"epochs": 0},
    {"patience": 0},
    {"patience": 3, "validation": 0.0},
    {"validation": 1.0},
    {"validation": -0.1},
    {"batch_size": 0},
    {"backprop_steps": 0},
    {"engine": "refrence"},
    {"dtype": "float16"},
)
"""Options that no estimator can be fitted with; some belong to other words of the message than their own name."""


def is_fitted(estimator: Estimator) -> bool:
    return hasattr(estimator, "network_")
