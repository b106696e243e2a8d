"""Recipes made from a command's options, for trainings in one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elman.recipes.recipe import Recipe, builtin_document, make_recipe


def forecast_recipe(
    path: str, *, target: str, horizon: int, time: str | None = None, series: str | None = None,
    per_series: bool = False, settings: Sequence[str] = (),
) -> Recipe:  # fmt: skip
    """The built-in `forecast-table` for this file and these columns."""
    data = {"path": path, "target": target, "horizon": horizon, "time": time, "series": series}
    data["per_series"] = per_series or None
    title = f"{target}, the next {horizon} steps"
    return _filled("forecast-table", f"forecast-{Path(path).stem}", title, data, settings)


def classify_recipe(
    path: str, test_path: str, *, label: str | None = None, series: str | None = None, settings: Sequence[str] = ()
) -> Recipe:
    """The built-in `classify-file` for these files and columns."""
    data = {"path": path, "test_path": test_path, "label": label, "series": series}
    return _filled("classify-file", f"classify-{Path(path).stem}", f"The classes of {Path(path).stem}", data, settings)


def _filled(base: str, name: str, title: str, data: dict[str, Any], settings: Sequence[str]) -> Recipe:
    document = builtin_document(base)
    named = {key: value for key, value in data.items() if value is not None}
    summary = str(document["summary"]).split(":")[0] + "."
    return make_recipe(
        name, {**document, "title": title, "summary": summary, "data": {**document["data"], **named}}, settings
    )
