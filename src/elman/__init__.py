"""Recurrent networks for sequence data: readable, fast, and streaming."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman.engines import from_torch, make_engine, to_torch
    from elman.errors import ElmanError
    from elman.estimators import (
        Forecaster,
        LanguageModel,
        PerSeries,
        SequenceClassifier,
        SequenceRegressor,
        load,
    )
    from elman.network import Network
    from elman.recipes import load_recipe, train
    from elman.training import Callback
    from elman.version import VERSION as __version__

__all__ = [
    "Callback",
    "ElmanError",
    "Forecaster",
    "LanguageModel",
    "Network",
    "PerSeries",
    "SequenceClassifier",
    "SequenceRegressor",
    "__version__",
    "from_torch",
    "load",
    "load_recipe",
    "make_engine",
    "to_torch",
    "train",
]

_HOMES = {
    "Callback": "training", "ElmanError": "errors", "Forecaster": "estimators", "LanguageModel": "estimators", "Network": "network",
    "PerSeries": "estimators", "SequenceClassifier": "estimators", "SequenceRegressor": "estimators",
    "from_torch": "engines", "load": "estimators", "load_recipe": "recipes",
    "make_engine": "engines", "to_torch": "engines", "train": "recipes",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name where it is used, so that `import elman` costs nothing."""
    if name == "__version__":
        return importlib.import_module("elman.version").VERSION
    if name not in _HOMES:
        raise AttributeError(f"module 'elman' has no attribute {name!r}")
    return getattr(importlib.import_module(f"elman.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
