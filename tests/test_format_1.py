"""Models and runs of Elman 0.1.0: they open with a remark, and answer as they did."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.command import process
from tests.closeness import assert_close
from tests.files.trees import tree

import elman
from elman.errors import FolderWarning, RunError
from elman.estimators import PerSeries
from elman.recipes import open_run
from elman.runs import runs_in

FIXTURES = Path(__file__).parent / "fixtures" / "format-1"
MODELS, RUNS = FIXTURES / "models", FIXTURES / "runs"
REMARK = r"was written by Elman 0\.1\.0 in format 1, which has no checksums: a changed byte would not be noticed"
ALL_RUNS = ["classify", "forecast", "language", "per-series", "sine"]
ALL_MODELS = ["classifier", "forecaster", "language", "per-series", "regressor"]


def load(folder: Path) -> Any:
    """A model of 0.1.0, of one network or of many."""
    with pytest.warns(FolderWarning, match=REMARK) as caught:
        model = (PerSeries if (folder / "models").is_dir() else elman).load(folder)
    assert len(caught) == 1, "one remark for a folder, however many models it holds"
    return model


def answer(name: str, model: Any, inputs: np.ndarray) -> Any:
    """What the model is asked in `answers.json`."""
    if name == "classifier":
        return model.predict_proba(inputs)
    if name == "language":
        return model.predict_proba("the cat")
    if name == "forecaster":
        forecast = model.forecast()[0]
        return forecast.mean, forecast.low, forecast.high
    return model.predict(inputs) if name == "regressor" else model.predict()


def questions() -> tuple[np.ndarray, dict[str, Any]]:
    document = json.loads((MODELS / "answers.json").read_text(encoding="utf-8"))
    return np.array(document["inputs"]), document["answers"]


@pytest.mark.parametrize("name", ALL_MODELS)
def test_a_model_answers_as_it_did(name: str) -> None:
    inputs, answers = questions()
    model = load(MODELS / name)
    assert_close(np.stack(answer(name, model, inputs)), np.array(answers[name]), "float32")


@pytest.mark.parametrize("name", ALL_MODELS)
def test_saved_again_it_has_checksums_and_answers_the_same(name: str, tmp_path: Path) -> None:
    inputs, answers = questions()
    load(MODELS / name).save(tmp_path / name)
    model = (PerSeries if name == "per-series" else elman).load(tmp_path / name)
    assert_close(np.stack(answer(name, model, inputs)), np.array(answers[name]), "float32")
    (tmp_path / name / "config.json").write_bytes((tmp_path / name / "config.json").read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(RunError, match="config.json was changed after it was written"):
        type(model).load(tmp_path / name)


def test_every_run_is_listed_as_finished_without_a_remark() -> None:
    summaries = {summary.name: summary for summary in runs_in(RUNS)}
    assert sorted(summaries) == ALL_RUNS
    assert {summary.state for summary in summaries.values()} == {"done"}
    # What 0.1.0 called `valid_loss` is a held-out number still.
    assert summaries["language"].held_out == pytest.approx(result_of("language")["metrics"]["valid_perplexity"])


def result_of(name: str) -> dict[str, Any]:
    """`result.json` as it stands."""
    result: dict[str, Any] = json.loads((RUNS / name / "result.json").read_text(encoding="utf-8"))
    return result


@pytest.mark.parametrize("name", ALL_RUNS)
def test_every_run_opens(name: str) -> None:
    with pytest.warns(FolderWarning, match=REMARK) as caught:
        run, recipe, _ = open_run(RUNS / name)
    assert len(caught) == 1
    assert recipe.task == result_of(name)["task"]
    metrics = run.result()["metrics"]
    assert {key.replace("valid_", "validation_") for key in result_of(name)["metrics"]} == set(metrics)
    records = run.metrics()
    assert len(records) == (0 if name == "per-series" else result_of(name)["epochs"])
    assert not [key for record in records for key in record if key.startswith("valid_")]


@pytest.mark.parametrize("name", ["forecast", "per-series"])
def test_a_forecast_from_the_command_line_is_what_it_was(name: str) -> None:
    outcome = process("predict", RUNS / name, FIXTURES / "readings.csv").succeeded()
    ours, theirs = (list(csv.reader(text.splitlines())) for text in (outcome.out, expected(f"{name}.expected.csv")))
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert ours[0] == theirs[0]
    assert_close(
        np.array([row[2:] for row in ours[1:]], float), np.array([row[2:] for row in theirs[1:]], float), "float32"
    )
    assert_one_plain_line(outcome.err, RUNS / name / "model")


def test_a_text_from_the_command_line_is_what_it_was() -> None:
    outcome = process("generate", RUNS / "language", "--prompt", "the cat", "--seed", "1").succeeded()
    assert outcome.out.removesuffix("\n") == expected("language.expected.txt").removesuffix("\n")
    assert_one_plain_line(outcome.err, RUNS / "language" / "model")


def expected(name: str) -> str:
    return (RUNS / name).read_text(encoding="utf-8")


def assert_one_plain_line(err: str, folder: Path) -> None:
    """The remark: no source line, no file of ours, no name of a class."""
    assert err.count("\n") == 1
    assert err.startswith(f"elman: {folder} was written by Elman 0.1.0 in format 1")
    assert "Warning" not in err and ".py" not in err


def test_a_training_of_0_1_0_is_not_gone_on_with(tmp_path: Path) -> None:
    run = Path(shutil.copytree(RUNS / "sine", tmp_path / "sine"))
    before = tree(run)
    outcome = process("train", run / "recipe.toml", "--out", run, "--resume")
    assert outcome.code == 1
    assert "state.safetensors was written by Elman 0.1.0, whose trainings this version cannot go on with" in outcome.err
    assert {name: content for name, content in tree(run).items() if name in before and name != "recipe.toml"} == {
        name: content for name, content in before.items() if name != "recipe.toml"
    }
