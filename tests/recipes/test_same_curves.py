"""Every built-in recipe learns the same on every engine as on the reference engine: the same losses, to rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_close

from elman.recipes import builtin_names, load_recipe, sources

torch.set_num_threads(1)

SHORT: dict[str, list[str]] = {
    "classify-file": ["training.epochs=2"],
    "classify-sums": ["training.epochs=2", "data.num_samples=100"],
    "forecast-table": ["training.epochs=2", "data.target=y", "data.time=t", "data.horizon=3"],
    "python-topics": ["training.epochs=1", "data.characters=4000", "network.hidden_size=12", "training.batch_size=4"],
    "regress-table": ["training.epochs=2", "data.target=y"],
    "sine-online": ["training.epochs=3"],
    "sine-to-cosine": ["training.epochs=2"],
    "sine-window": ["training.epochs=1"],
    "text-file": ["training.epochs=2", "network.hidden_size=12", "training.batch_size=4", "training.steps=16"],
}
TIME_MACHINE = [
    "training.epochs=2",
    "network.hidden_size=12",
    "data.max_tokens=1500",
    "data.validation_characters=200",
    "training.batch_size=8",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What recipes read that come without data."""
    folder = tmp_path_factory.mktemp("files")
    wave = np.sin(np.arange(60) / 3) + 3
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    rows = [f"{day},{x:.6f},{y:.6f}" for day, x, y in zip(days, wave, np.roll(wave, 2), strict=True)]
    (folder / "table.csv").write_text("\n".join(["t,x,y", *rows]) + "\n", encoding="utf-8")
    (folder / "text.txt").write_text("the cat sat on the mat and looked at the dog. " * 30, encoding="utf-8")
    labelled = [f"{','.join(f'{v:.4f}' for v in wave[i : i + 8])}:{'ab'[i % 2]}" for i in range(20)]
    head = "@problemName p\n@univariate true\n@classLabel true a b\n@data\n"
    (folder / "labelled.ts").write_text(head + "\n".join(labelled) + "\n", encoding="utf-8")
    return folder


def paths(name: str, files: Path, data_dir: Path) -> list[str]:
    if name.startswith("time-machine"):
        return [f"data.path={data_dir / 'timemachine.txt'}"]
    found = {
        "classify-file": "labelled.ts",
        "forecast-table": "table.csv",
        "regress-table": "table.csv",
        "text-file": "text.txt",
    }
    shown = [f"data.path={files / found[name]}"] if name in found else []
    return [*shown, f"data.test_path={files / found[name]}"] if name == "classify-file" else shown


def history(name: str, settings: list[str]) -> list[dict[str, Any]]:
    """The records of a recipe trained with these settings."""
    recipe = load_recipe(name, settings)
    data: Any = sources.load(recipe.task, recipe.source, recipe.source_options, recipe.parameters.get("seed", 0))
    estimator: Any = recipe.estimator()
    if recipe.task == "classification":
        estimator.fit(data.X, data.y)
    elif recipe.task == "forecasting":
        estimator.fit(data.series)
    elif recipe.task == "language":
        estimator.fit(data.train, validation_data=data.validation, vocabulary=data.vocabulary)
    else:
        estimator.fit(data.X, data.y, validation_data=data.validation)
    return list(estimator.history_)


@pytest.mark.parametrize("name", builtin_names())
def test_the_same_curve(name: str, files: Path, request: pytest.FixtureRequest) -> None:
    data_dir = request.getfixturevalue("data_dir") if name.startswith("time-machine") else files
    settings = [*SHORT.get(name, TIME_MACHINE), *paths(name, files, data_dir), "dtype=float64"]
    wanted, *others = (history(name, [*settings, f"engine={engine}"]) for engine in ("reference", "native", "torch"))
    for key in wanted[0]:
        if "second" not in key and key != "epoch":
            values = [record[key] for record in wanted]
            for found in others:
                assert_close([record[key] for record in found], values, "float64 trained", zero=not any(values))
