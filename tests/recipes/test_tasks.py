"""What runs call things by: columns of forecasts, levels of intervals, quantiles of a regression."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elman.data.columns import split_columns
from elman.errors import UsageError
from elman.recipes import forecast_recipe, load_recipe, open_run, predict, train
from elman.recipes.tasks.forecasting import forecast_header

QUICK = ("training.epochs=2", "network.hidden_size=3", "data.folds=1")


@pytest.fixture
def two_columns(tmp_path: Path) -> Path:
    """A table of two series that belong together, a row a month."""
    path = tmp_path / "two.csv"
    waves = [20 + 3 * np.sin(np.arange(48) * np.pi / 6 + k) for k in range(2)]
    rows = [
        f"{2019 + i // 12}-{1 + i % 12:02d}-01,{a:.3f},{b:.3f}" for i, (a, b) in enumerate(zip(*waves, strict=True))
    ]
    path.write_text("\n".join(["month,sales,visitors", *rows]) + "\n")
    return path


def columns_of(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file))


def test_a_space_after_a_comma_is_no_part_of_a_column_name(two_columns: Path, tmp_path: Path) -> None:
    recipe = forecast_recipe(str(two_columns), target="sales, visitors", horizon=2, time="month", settings=QUICK)
    train(recipe, tmp_path / "run")
    header = columns_of(tmp_path / "run" / "forecasts.csv")
    assert header == ["unique_id", "ds", *(
        f"{name}-{end}" for name in ("sales", "visitors") for end in ("elman", "elman-lo-90", "elman-hi-90")
    )]  # fmt: skip
    assert predict(*open_run(tmp_path / "run")[1:], str(two_columns))[0] == header


@pytest.mark.parametrize("more", [(), ("data.per_series=true",)])
def test_a_band_carries_the_level_that_was_asked_for(two_columns: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    settings = (*QUICK, "data.interval=0.8", *more)
    recipe = forecast_recipe(str(two_columns), target="sales", horizon=2, time="month", settings=settings)
    train(recipe, tmp_path / "run")
    assert columns_of(tmp_path / "run" / "forecasts.csv")[2:] == ["elman", "elman-lo-80", "elman-hi-80"]
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "its 80 % band" in report
    assert "90 %" not in report


def test_levels_are_written_as_short_as_they_can_be() -> None:
    assert forecast_header(["y"], 0.975)[3:] == ["elman-lo-97.5", "elman-hi-97.5"]
    assert forecast_header(["y"], 0.29)[3:] == ["elman-lo-29", "elman-hi-29"]  # 100 * 0.29 is 28.999999999999996


def test_an_empty_column_name_is_refused() -> None:
    with pytest.raises(UsageError, match="got 'sales,', in which a name is empty"):
        split_columns("sales,")


@pytest.mark.parametrize(
    "settings", [("training.loss=quantile", "training.quantiles=[0.1, 0.9]"), ("training.loss=gaussian",)]
)
def test_a_regression_with_quantiles_predicts_them_in_columns(
    two_columns: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    options = (f"data.path={two_columns}", "data.target=sales", 'data.inputs=["visitors"]', "training.epochs=2")
    train(load_recipe("regress-table", (*options, *settings)), tmp_path / "run")
    header, rows = predict(*open_run(tmp_path / "run")[1:], str(two_columns))
    levels = ("0.1", "0.9") if len(settings) == 2 else ("0.05", "0.5", "0.95")
    assert header == ["unique_id", "step", "sales", *(f"sales-q{q}" for q in levels)]
    values: Any = np.array([row[3:] for row in rows], dtype=float)
    assert (np.diff(values, axis=1) >= 0).all()
