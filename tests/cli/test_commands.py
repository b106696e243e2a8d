"""Every command: what it prints, with and without --json, what it writes, and that it does the same again."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import elman, process, settings, start, tree

from elman.recipes import builtin_names

TRAINING = ("--engine", "--device", "--seed", "--out", "--set", "--resume", "--json")
OPTIONS = {
    "recipes": ("--json",),
    "train": ("--jobs", *TRAINING),
    "evaluate": ("--engine", "--device", "--json"),
    "predict": ("--out", "--engine", "--device", "--json"),
    "generate": (
        "--prompt",
        "--length",
        "--temperature",
        "--top-k",
        "--top-p",
        "--seed",
        "--stop",
        "--engine",
        "--device",
        "--json",
    ),
    "forecast": ("--time", "--target", "--series", "--horizon", "--per-series", "--jobs", *TRAINING),
    "classify": ("--label", "--series", *TRAINING),
    "runs": ("--json",),
}
FASTEST = "native" if find_spec("elman.native._core") else "reference"
SUMS = ("train", "classify-sums", *settings(training__epochs=2, data__num_samples=40))
MONTHS = ("forecast", "good.csv", "--time", "t", "--target", "y", "--horizon", "3")
QUICK = settings(training__epochs=3)
HEADER = ["unique_id", "ds", "elman", "elman-lo-90", "elman-hi-90"]


def weights(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


# Help ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(flag: str) -> None:
    told = elman(flag).succeeded()
    assert told.err == ""
    for command in OPTIONS:
        assert re.search(rf"\b{command}\b", told.out), command


@pytest.mark.parametrize(("command", "options"), OPTIONS.items())
def test_help_of_a_command_names_its_options_and_no_others(command: str, options: tuple[str, ...]) -> None:
    told = elman(command, "--help").succeeded()
    assert told.err == ""
    assert set(re.findall(r"--[a-z][a-z-]*", told.out)) == {*options, "--help"}


def test_without_a_command_there_is_help() -> None:
    assert "forecast" in elman().out


def test_the_version_is_that_of_the_package() -> None:
    from elman.version import VERSION

    assert elman("--version").succeeded().out == f"{VERSION}\n"


# Recipes and runs ---------------------------------------------------------------------------------------------------------------


def test_recipes_has_a_line_each() -> None:
    told = elman("recipes").succeeded()
    assert [line.split()[0] for line in told.out.splitlines()] == builtin_names()
    assert told.err == ""
    assert "The next value of a sine, one step at a time" in told.out


def test_recipes_as_json() -> None:
    told = elman("recipes", "--json").succeeded()
    assert [found["name"] for found in told.document()] == builtin_names()
    for found in told.document():
        assert set(found) == {"name", "task", "title", "summary"}
        assert all(found.values())


def test_runs_are_compared_in_a_table(there: Path) -> None:
    told = elman("runs", ".").succeeded()
    assert told.err == ""
    header, *lines = (re.split(r"\s{2,}", line.strip()) for line in told.out.splitlines())
    assert header == ["run", "task", "cell", "engine", "epochs", "measure", "train", "held out", "time", "state"]
    rows = {line[0]: line for line in lines}
    assert rows["months"][1:6] == ["forecasting", "gru", FASTEST, "2", "mase"]
    assert rows["sine"][1:6] == ["regression", "elman", FASTEST, "1", "loss"]
    assert rows["text"][-1] == "done"
    assert rows["started"][-1] == "unfinished"
    assert rows["torn-result"][-1].startswith("broken: result.json")
    assert "not-a-run" not in rows


def test_runs_as_json_are_numbers(there: Path) -> None:
    told = {found["name"]: found for found in elman("runs", ".", "--json").succeeded().document()}
    metrics = elman("evaluate", "sums", "--json").document()["metrics"]
    assert told["sums"]["measure"] == "accuracy"
    assert told["sums"]["held_out"] == pytest.approx(metrics["accuracy"])
    assert told["sums"]["epochs"] == 1
    assert told["sums"]["seconds"] > 0
    assert (told["sums"]["state"], told["sums"]["problem"]) == ("done", "")
    assert told["no-model"]["state"] == "broken"


def test_runs_of_an_empty_folder(tmp_path: Path) -> None:
    assert elman("runs", tmp_path).succeeded().out == "no runs here yet\n"
    assert elman("runs", tmp_path, "--json").succeeded().document() == []


# Training -----------------------------------------------------------------------------------------------------------------------


def assert_one_document(outcome: Any) -> dict[str, Any]:
    """A success, one JSON object on standard output, and progress on standard error alone."""
    found = outcome.succeeded().document()
    assert isinstance(found, dict)
    assert outcome.out.startswith("{\n")
    assert outcome.out.endswith("}\n")
    assert outcome.err.startswith("epoch 1/")
    assert "{" not in outcome.err
    return found


def test_train_as_json(scratch: Path) -> None:
    found = assert_one_document(elman(*SUMS, "--out", "new", "--json"))
    assert {"run", "recipe", "engine", "seconds", "metrics"} <= set(found)
    assert (found["run"], found["recipe"], found["engine"]) == ("new", "classify-sums", FASTEST)
    assert found["seconds"] > 0
    assert set(found["metrics"]) == {"train_loss", "train_accuracy", "test_accuracy", "whole_accuracy"}
    assert found["baselines"]["most_common"]["test_accuracy"] >= 0.5


def test_train_for_people(scratch: Path) -> None:
    found = elman(*SUMS, "--out", "new", "--json").document()["metrics"]
    told = elman(*SUMS, "--out", "again").succeeded()
    shown = dict(line.split() for line in told.out.splitlines() if re.fullmatch(r"\w+ +[\d.e-]+", line))
    assert set(shown) == set(found)
    for name, value in found.items():
        assert float(shown[name]) == pytest.approx(value, rel=1e-3)
    assert "report: again/report.html" in told.out
    assert told.err.splitlines()[0].startswith("epoch 1/2  train_loss ")
    assert told.err.splitlines()[-1] == "all epochs done"


def test_train_a_language_model_as_json(scratch: Path) -> None:
    small = settings(
        data__path="text.txt", training__epochs=2, network__hidden_size=8, training__batch_size=4, training__steps=8,
        generate__length=12, generate__prompts='["the cat"]',
    )  # fmt: skip
    found = assert_one_document(elman("train", "text-file", *small, "--out", "new", "--json"))
    metrics = found["metrics"]
    perplexities = {"train_loss", "train_perplexity", "validation_loss", "validation_perplexity"}
    assert perplexities | {"tokens_per_second", "validation_bits_per_character", "sample"} <= set(metrics)
    assert metrics["tokens_per_second"] > 0
    assert metrics["sample"].startswith("the cat")
    assert len(metrics["sample"]) == len("the cat") + 12
    assert (scratch / "new" / "sample.txt").read_text(encoding="utf-8") == metrics["sample"] + "\n"
    (floor,) = found["baselines"]
    assert floor.endswith("-gram")
    assert set(found["baselines"][floor]) >= {"validation_loss", "validation_perplexity"}


def test_forecast_as_json(scratch: Path) -> None:
    found = assert_one_document(elman(*MONTHS, *QUICK, "--out", "new", "--json"))
    assert {"run", "recipe", "engine", "seconds", "metrics", "baselines"} <= set(found)
    assert set(found["baselines"]) == {"seasonal_naive", "naive", "drift"}
    for rival in found["baselines"].values():
        assert set(rival) == {"mae", "rmse", "mape", "smape", "mase"}
    assert set(found["metrics"]) == {*rival, "coverage", "train_loss", "validation_loss"}
    seasons = [float(row[1]) for row in table((scratch / "good.csv").read_text())[1:]]
    errors = [abs(seasons[i] - seasons[i - 12]) for i in range(51, 60)]
    assert found["baselines"]["seasonal_naive"]["mae"] == pytest.approx(sum(errors) / 9)


def test_forecasts_are_a_row_a_step_in_the_units_of_the_table(scratch: Path) -> None:
    elman(*MONTHS, *settings(training__epochs=60), "--out", "new").succeeded()
    text = (scratch / "new" / "forecasts.csv").read_text(encoding="utf-8")
    header, *rows = table(text)
    assert header == HEADER
    assert [row[:2] for row in rows] == [["y", "2005-01-01"], ["y", "2005-02-01"], ["y", "2005-03-01"]]
    for row, wanted in zip(rows, (26.0, 28.6, 30.53), strict=True):
        mean, low, high = map(float, row[2:])
        assert low < mean < high
        assert mean == pytest.approx(wanted, abs=2.5)
    assert elman("predict", "new", "good.csv").succeeded().out == text


def test_forecast_of_several_series_and_variables(scratch: Path) -> None:
    rows = [f"{name},{t},{t % 7 + shift},{t % 5}" for name, shift in (("north", 0), ("south", 50)) for t in range(80)]
    (scratch / "many.csv").write_text("place,day,warm,wet\n" + "\n".join(rows) + "\n", encoding="utf-8")
    elman(
        "forecast", "many.csv", "--time", "day", "--target", "warm,wet", "--series", "place", "--horizon", "2", *QUICK,
        *settings(data__folds=1), "--out", "new",
    ).succeeded()  # fmt: skip
    header, *found = table((scratch / "new" / "forecasts.csv").read_text(encoding="utf-8"))
    assert header == ["unique_id", "ds", *(f"{name}-{end}" for name in ("warm", "wet") for end in HEADER[2:])]
    assert [row[:2] for row in found] == [["north", "80"], ["north", "81"], ["south", "80"], ["south", "81"]]
    assert all(0 < float(row[2]) < 10 for row in found[:2])
    assert all(48 < float(row[2]) < 60 for row in found[2:])


PLACES = (
    "forecast",
    "places.csv",
    "--time",
    "day",
    "--target",
    "y",
    "--series",
    "place",
    "--horizon",
    "2",
    "--per-series",
)


@pytest.fixture
def places(scratch: Path) -> Path:
    """A table of three series, one of them too short for anything."""
    lengths = {"north / 1": 60, "south": 70, "tiny": 3}
    rows = [f"{name},{t},{(t * t) % 7 + 10}" for name, length in lengths.items() for t in range(length)]
    (scratch / "places.csv").write_text("place,day,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (scratch / "fit.csv").write_text("place,day,y\n" + "\n".join(rows[:-3]) + "\n", encoding="utf-8")
    return scratch


def test_forecast_with_a_model_per_series(places: Path) -> None:
    """The same for any number of jobs; the series that cannot be fitted is told of and costs the others nothing."""
    alone = elman(*PLACES, *QUICK, "--out", "alone", "--json")
    found = alone.succeeded().document()
    together = elman(*PLACES, *QUICK, "--out", "together", "--jobs", "2", "--json").succeeded().document()
    for name in ("metrics", "baselines", "models", "epochs"):
        assert together[name] == found[name]
    assert found["models"]["fitted"] == found["models"]["tested"] == 2
    assert list(found["models"]["failed"]) == ["tiny"]
    assert set(found["models"]["beaten"]) <= {"north / 1", "south"}
    assert "validation_loss" in found["metrics"] and "coverage" in found["metrics"]
    assert re.search(r"series 3/3  tiny not fitted: series 'tiny' has \d steps", alone.err)
    assert "series 2/2 tested  south" in alone.err
    text = (places / "alone" / "forecasts.csv").read_text(encoding="utf-8")
    assert (places / "together" / "forecasts.csv").read_text(encoding="utf-8") == text
    kept = [sorted(path.name for path in (places / run / "checkpoint").iterdir()) for run in ("alone", "together")]
    assert kept == [["000000", "000001"]] * 2
    header, *rows = table(text)
    assert header == HEADER
    assert [row[:2] for row in rows] == [["north / 1", "60"], ["north / 1", "61"], ["south", "70"], ["south", "71"]]
    assert {path.name for path in (places / "alone" / "plots").iterdir()} == {
        "forecast-north---1.png",
        "forecast-south.png",
    }
    report = (places / "alone" / "report.html").read_text(encoding="utf-8")
    assert (
        "2, one for each series" in report
        and "Series &#x27;tiny&#x27; failed" in report
        and "Series by series" in report
    )


def test_a_run_with_a_model_per_series_is_used_like_any_other(places: Path) -> None:
    told = elman(*PLACES, *QUICK, "--out", "new").succeeded()
    assert "2 models, 2 tested; a naive method is as good in " in told.out
    forecasts = (places / "new" / "forecasts.csv").read_text(encoding="utf-8")
    assert elman("predict", "new", "fit.csv").succeeded().out == forecasts
    for file in ("predict", "new", "places.csv"), ("evaluate", "new", "places.csv"):
        refused = elman(*file)
        assert refused.code == 5
        assert "series 'tiny' has no model; leave it out, or fit again" in refused.err
    assert set(elman("evaluate", "new", "--json").succeeded().document()["baselines"]) >= {"naive", "drift"}
    assert "done" in elman("runs", ".").succeeded().out
    again = elman("train", "new/recipe.toml", "--out", "again", "--jobs", "2").succeeded()
    assert again.code == 0
    assert (places / "again" / "forecasts.csv").read_text(encoding="utf-8") == forecasts
    assert elman("train", "new/recipe.toml", "--out", "new", "--resume").succeeded().code == 0
    assert (places / "new" / "forecasts.csv").read_text(encoding="utf-8") == forecasts


def test_where_no_series_can_be_tested_the_forecasts_say_so(places: Path) -> None:
    found = elman(*PLACES, *QUICK, *settings(data__folds=40), "--out", "new", "--json").succeeded().document()
    assert (found["models"]["fitted"], found["models"]["tested"], found["baselines"]) == (2, 0, {})
    assert "No series could be tested" in (places / "new" / "report.html").read_text(encoding="utf-8")


def test_jobs_without_joblib(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    refused = elman(*PLACES, "--jobs", "2", "--out", "new")
    assert refused.code == 3
    assert "pip install 'elman[parallel]'" in refused.err
    assert not (places / "new").exists()
    elman(*PLACES, *QUICK, "--jobs", "1", "--out", "new").succeeded()


def test_jobs_that_cannot_be(places: Path) -> None:
    for command, told in (
        ((*PLACES, "--jobs", "0"), "`n_jobs` must be a whole number other than 0"),
        ((*MONTHS, "--jobs", "2"), "ask for one a series (data.per_series = true)"),
    ):
        refused = elman(*command, "--out", "new")
        assert refused.code == 2
        assert told in refused.err
        assert not (places / "new").exists()
    nothing = elman(*PLACES, *settings(data__folds=0), "--horizon", "50", "--out", "new")
    assert nothing.code == 5
    assert "none of 3 series could be fitted; the first is 'north / 1'" in nothing.err


def test_classify_as_json(scratch: Path) -> None:
    found = assert_one_document(elman("classify", "train.ts", "test.ts", *QUICK, "--out", "new", "--json"))
    assert {"train_accuracy", "validation_accuracy", "test_accuracy"} <= set(found["metrics"])
    assert (
        found["metrics"]["test_accuracy"]
        == elman("evaluate", "new", "test.ts", "--json").document()["metrics"]["accuracy"]
    )
    assert (scratch / "new" / "plots" / "confusion-matrix.png").read_bytes().startswith(b"\x89PNG")


def test_classify_learns_from_a_table(scratch: Path) -> None:
    found = elman(
        "classify", "long.csv", "other.csv", "--series", "id", "--label", "kind", "--seed", "1",
        *settings(training__epochs=40), "--out", "new", "--json",
    ).document()  # fmt: skip
    assert found["metrics"]["test_accuracy"] >= 0.75
    recipe = tomllib.loads((scratch / "new" / "recipe.toml").read_text(encoding="utf-8"))
    assert (recipe["seed"], recipe["data"]["inputs"]) == (1, ["a", "b"])


def test_the_default_folder_is_named_for_the_recipe_and_never_used_twice(scratch: Path) -> None:
    for name in ("classify-sums", "classify-sums-2", "classify-sums-3"):
        assert elman(*SUMS, "--json").document()["run"] == str(Path("runs") / name)
    assert elman("classify", "train.ts", "test.ts", *QUICK, "--json").document()["run"] == str(
        Path("runs/classify-train")
    )
    assert elman("runs").succeeded().out.count("classify-sums") == 3


@pytest.mark.parametrize(
    "command",
    [
        SUMS,
        (*MONTHS, *QUICK, *settings(data__folds=1)),
        ("train", "sine-to-cosine", *settings(training__epochs=2)),
        ("train", "python-topics", *settings(data__characters=4000, network__hidden_size=8, training__epochs=2)),
    ],
    ids=["classification", "forecasting", "regression", "language"],
)
def test_the_same_seed_gives_the_same_bits_and_another_gives_others(command: tuple[str, ...], scratch: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        elman(*command, "--seed", str(seed), "--out", name).succeeded()
        assert tomllib.loads((scratch / name / "recipe.toml").read_text(encoding="utf-8"))["seed"] == seed
    assert weights(scratch / "first") == weights(scratch / "again")
    assert weights(scratch / "first") != weights(scratch / "other")


def test_settings_and_engine_reach_the_recipe_and_the_network(scratch: Path) -> None:
    changes = settings(
        network__hidden_size=5, training__clip_norm="none", network__cell="lstm", dtype="float32", title="Mine"
    )
    found = elman(*SUMS, *changes, "--engine", "reference", "--out", "new", "--json").document()
    assert found["network"] == {"cell": "lstm", "hidden_size": 5, "num_layers": 1}
    recipe = tomllib.loads((scratch / "new" / "recipe.toml").read_text(encoding="utf-8"))
    assert (recipe["engine"], recipe["title"], recipe["network"]["hidden_size"]) == ("reference", "Mine", 5)
    assert "clip_norm" not in recipe["training"]
    assert "Mine" in (scratch / "new" / "report.html").read_text(encoding="utf-8")


def test_a_later_setting_wins(scratch: Path) -> None:
    assert elman(*SUMS, *settings(training__epochs=1), "--out", "new", "--json").document()["epochs"] == 1


def test_a_recipe_file_is_trained_and_named_for_its_file(scratch: Path) -> None:
    text = (
        'task = "classification"\n[data]\nsource = "sums"\nnum_samples = 40\n[training]\nepochs = 1\nvalidation = 0.0\n'
    )
    (scratch / "mine.toml").write_text(text, encoding="utf-8")
    found = elman("train", "mine.toml", "--json").document()
    assert (found["recipe"], found["run"]) == ("mine", str(Path("runs/mine")))


@pytest.mark.parametrize("run", ["labels", "archive", "sums", "table", "sine", "months", "text"])
def test_the_recipe_of_a_run_trains_the_same_run_again_from_anywhere(
    run: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    elman("train", place / run / "recipe.toml", "--out", "again").succeeded()
    assert weights(tmp_path / "again") == weights(place / run)
    assert (tmp_path / "again/recipe.toml").read_bytes() == (place / run / "recipe.toml").read_bytes()


def test_more_epochs_can_be_asked_for_and_the_recipe_says_so(scratch: Path) -> None:
    more = [*SUMS, *settings(training__epochs=5)]
    elman(*SUMS, "--out", "new").succeeded()
    resumed = elman(*more, "--out", "new", "--resume", "--json").succeeded()
    assert "going on after epoch 2" in resumed.err
    assert resumed.document()["epochs"] == 5
    elman(*more, "--out", "at-once").succeeded()
    assert weights(scratch / "new") == weights(scratch / "at-once")
    assert (scratch / "new/recipe.toml").read_bytes() == (scratch / "at-once/recipe.toml").read_bytes()


def test_a_loss_that_is_not_finite_stops_with_the_reason_and_keeps_the_checkpoint(scratch: Path) -> None:
    wild = settings(training__learning_rate=1e200, training__checkpoint_seconds=0)
    outcome = elman("train", "sine-to-cosine", *wild, *settings(training__optimiser="sgd"), "--out", "new")
    assert outcome.code == 1
    assert outcome.out == ""
    (message,) = (line for line in outcome.err.splitlines() if line.startswith("elman: "))
    assert "stopped being a finite number in epoch 1, update " in message
    assert "Lower `learning_rate`, set `clip_norm`, or scale the data." in message
    assert "Traceback" not in outcome.err
    assert not (scratch / "new" / "result.json").exists()


# Trained models -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "data", "metrics", "rival"),
    [
        ("sums", None, {"accuracy"}, "most_common"),
        ("archive", "test.ts", {"accuracy"}, "most_common"),
        ("labels", "other.csv", {"accuracy"}, "most_common"),
        ("table", None, {"mae", "rmse", "r2"}, "mean"),
        ("table", "other.csv", {"mae", "rmse", "r2"}, "mean"),
        ("sine", None, {"mae", "rmse", "r2"}, "mean"),
        ("months", None, {"mae", "rmse", "mape", "smape", "mase"}, "seasonal_naive"),
        ("months", "good.csv", {"mae", "rmse", "mape", "smape", "mase"}, "seasonal_naive"),
        ("text", None, {"loss", "perplexity", "bits_per_character", "bits_per_byte"}, None),
        ("text", "text.txt", {"loss", "perplexity", "bits_per_character", "bits_per_byte"}, None),
    ],
)
def test_evaluate(run: str, data: str | None, metrics: set[str], rival: str | None, there: Path) -> None:
    existed = tree(there)
    command = ["evaluate", run, *([data] if data else [])]
    found = elman(*command, "--json").succeeded()
    assert found.err == ""
    document = found.document()
    assert set(document) == {"run", "data", "metrics", "baselines"}
    assert (document["run"], document["data"]) == (run, data)
    assert set(document["metrics"]) == metrics
    assert rival in document["baselines"] or [name for name in document["baselines"] if name.endswith("-gram")]
    told = elman(*command).succeeded()
    for name, value in document["metrics"].items():
        assert re.search(rf"^{name} +{re.escape(f'{value:,.4g}')}$", told.out, re.MULTILINE), (name, value, told.out)
    assert tree(there) == existed


def test_evaluate_says_where_a_number_is_no_test(there: Path) -> None:
    assert "trained on these series to their end, so this is not a test" in elman("evaluate", "months").err
    assert elman("evaluate", "months", "good.csv").err == ""


@pytest.mark.parametrize(
    ("run", "data", "columns", "rows"),
    [
        ("labels", "other.csv", ["unique_id", "label", "probability_A", "probability_B"], 8),
        ("archive", "test.ts", ["unique_id", "label", "probability_A", "probability_B"], 6),
        ("table", "other.csv", ["unique_id", "step", "b"], 64),
        ("months", "good.csv", HEADER, 3),
    ],
)
def test_predict(run: str, data: str, columns: list[str], rows: int, there: Path, tmp_path: Path) -> None:
    existed = tree(there)
    told = elman("predict", run, data).succeeded()
    header, *found = table(told.out)
    assert header == columns
    assert len(found) == rows
    assert told.err == ""
    written = elman("predict", run, data, "--out", tmp_path / "answers.csv").succeeded()
    assert (written.out, written.err) == ("", f"{rows} rows written to {tmp_path / 'answers.csv'}\n")
    assert (tmp_path / "answers.csv").read_text(encoding="utf-8") == told.out
    document = elman("predict", run, data, "--json").succeeded().document()
    assert set(document) == {"out", "columns", "rows"}
    assert (document["out"], document["columns"]) == (None, columns)
    assert [[str(value) for value in row] for row in document["rows"]] == found
    assert tree(there) == existed


def test_predicted_labels_are_the_most_probable_ones(there: Path) -> None:
    document = elman("predict", "labels", "other.csv", "--json").document()
    for unique_id, label, a, b in document["rows"]:
        assert unique_id.startswith("s")
        assert a + b == pytest.approx(1)
        assert label == ("A" if a > b else "B")


@pytest.mark.parametrize("run", ["labels", "table"])
@pytest.mark.parametrize("data", ["turned.csv", "more.csv"])
def test_columns_are_found_by_name_wherever_they_stand(run: str, data: str, scratch: Path) -> None:
    """The same sequences, their columns in another order, and with one that the model never saw."""
    lines = table((scratch / "other.csv").read_text())
    order = {"turned.csv": ["b", "kind", "a", "id"], "more.csv": ["spare", "id", "b", "a", "kind"]}[data]
    places = [lines[0].index(name) if name in lines[0] else -1 for name in order]
    rows = [order, *([row[i] if i >= 0 else "0.5" for i in places] for row in lines[1:])]
    (scratch / data).write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    assert elman("predict", run, data).succeeded().out == elman("predict", run, "other.csv").succeeded().out
    assert elman("evaluate", run, data).succeeded().out == elman("evaluate", run, "other.csv").succeeded().out


def test_the_table_that_a_model_was_trained_on_may_be_gone(scratch: Path) -> None:
    before = {run: elman("predict", run, "other.csv").out for run in ("labels", "table")}
    (scratch / "long.csv").unlink()
    for path in (scratch / "labels/recipe.toml", scratch / "table/recipe.toml"):
        gone = re.sub(r'path = ".*"', 'path = "/nowhere/long.csv"', path.read_text(encoding="utf-8"))
        path.write_text(gone, encoding="utf-8")
    assert {run: elman("predict", run, "other.csv").succeeded().out for run in before} == before


def test_a_table_to_predict_needs_no_labels_and_no_targets(scratch: Path) -> None:
    header, *rows = table((scratch / "other.csv").read_text())
    for name, run in (("kind", "labels"), ("b", "table")):
        keep = [i for i, column in enumerate(header) if column != name]
        lines = [",".join(row[i] for i in keep) for row in (header, *rows)]
        (scratch / "bare.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        assert elman("predict", run, "bare.csv").succeeded().out == elman("predict", run, "other.csv").out


def test_generate_writes_the_same_again_for_the_same_seed(there: Path) -> None:
    def written(*options: str) -> str:
        return elman("generate", "text", "--prompt", "the cat", *options).succeeded().out

    first = written("--seed", "1")
    assert first == written("--seed", "1")
    assert first != written("--seed", "2")
    assert first.startswith("the cat")
    assert len(first) == len("the cat") + 200 + 1
    assert len(written("--length", "7")) == len("the cat") + 7 + 1
    assert written("--length", "0") == "the cat\n"
    assert written("--temperature", "0") == written("--temperature", "0", "--seed", "3") == written("--top-k", "1")
    assert len({written("--temperature", "1", "--length", "40") for _ in range(5)}) > 1
    assert written("--seed", "1", "--temperature", "0.1") != written("--seed", "1", "--temperature", "2")


def test_generate_as_json_and_up_to_a_stop(there: Path) -> None:
    found = elman("generate", "text", "--prompt", "the", "--seed", "1", "--json").succeeded()
    assert found.err == ""
    document = found.document()
    assert set(document) == {"run", "prompt", "text"}
    assert (document["run"], document["prompt"], len(document["text"])) == ("text", "the", 200)
    stop = document["text"][20:22]
    ended = elman("generate", "text", "--prompt", "the", "--seed", "1", "--stop", stop, "--json").document()["text"]
    assert ended == document["text"][: document["text"].index(stop) + 2]


# In a process of its own --------------------------------------------------------------------------------------------------------


def test_a_process_prints_one_document_and_its_progress_elsewhere(there: Path, tmp_path: Path) -> None:
    told = process(*SUMS, "--out", tmp_path / "new", "--json").succeeded()
    assert told.document()["run"] == str(tmp_path / "new")
    assert [line.split("  ")[0] for line in told.err.splitlines()] == ["epoch 1/2", "epoch 2/2", "all epochs done"]
    elman(*SUMS, "--out", tmp_path / "here").succeeded()
    assert weights(tmp_path / "new") == weights(tmp_path / "here")


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with start("recipes") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        running.wait(timeout=60)
        assert running.stderr.read() == ""
    assert running.returncode in (0, 1)


def test_the_module_is_called_elman_in_its_help() -> None:
    assert "Usage: elman train" in process("train", "--help").succeeded().out


def test_a_terminal_gets_a_bar_and_the_results_stay_apart(tmp_path: Path) -> None:
    """Under a pseudo-terminal on standard error, standard output still holds one document."""
    pty = pytest.importorskip("pty")
    import os
    import sys

    from tests.cli.command import SOURCE

    master, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "elman", *SUMS, "--out", str(tmp_path / "new"), "--json"], text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=terminal,
    ) as running:  # fmt: skip
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(master, 65536):
                shown += piece
        except OSError:  # Linux says so when the other end is closed
            pass
        out, _ = running.communicate(timeout=60)
    os.close(master)
    assert running.returncode == 0
    assert '"recipe": "classify-sums"' in out
    assert "epoch 2/2" in shown.decode()
    assert "100 %" in shown.decode()
