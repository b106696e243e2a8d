"""One recipe into one run folder: what lies in it, what it says, and what is left where a training could not start."""

from __future__ import annotations

import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import elman
from elman.errors import DataError, InterruptedTraining, NonFiniteError, RunError, UsageError
from elman.recipes import Recipe, load_recipe, open_run, run_files, train
from elman.recipes.sources import naming_file
from elman.runs import Run, plots
from elman.training import Callback

WHOLE = {
    "recipe.toml", "metrics.jsonl", "model/config.json", "model/model.safetensors", "model/manifest.json",
    "checkpoint/manifest.json", "checkpoint/state.safetensors",
    "report.html", "result.json", "manifest.json",
}  # fmt: skip
PICTURES = {
    "classify-sums": {"confusion-matrix", "loss", "accuracy"},
    "sine-online": {"actual-predicted", "loss"},
    "sine-window": {"actual-predicted", "loss"},
    "sine-to-cosine": {"last-piece", "last-pieces", "loss"},
    "python-topics": {"loss", "perplexity"},
    "forecast-table": {"forecast", "loss"},
    "classify-file": {"confusion-matrix", "loss", "accuracy"},
    "regress-table": {"actual-predicted", "truth-prediction", "loss"},
    "text-file": {"loss", "perplexity"},
}
EXTRA = {
    "python-topics": {"sample.txt"},
    "text-file": {"sample.txt"},
    "forecast-table": {"forecasts.csv", "checkpoint/refit"},
}


def small(name: str, data_dir: Path, folder: Path) -> Recipe:
    """A built-in recipe with little to do."""
    text = folder / "text.txt"
    text.write_text("it was the best of times, it was the worst of times. " * 60, encoding="utf-8")
    changes = {
        "classify-sums": ["data.num_samples=60"],
        "python-topics": ["data.characters=6000", "network.hidden_size=16", "generate.length=40"],
        "text-file": [f"data.path={text}", "network.hidden_size=16", "training.steps=16", "training.batch_size=8"],
        "forecast-table": [
            f"data.path={data_dir / 'airline-passengers.csv'}", "data.target=Passengers", "data.time=Month", "data.folds=1"
        ],
        "classify-file": [
            f"data.path={data_dir / 'classification/ItalyPowerDemand_TRAIN.ts'}",
            f"data.test_path={data_dir / 'classification/ItalyPowerDemand_TEST.ts'}",
        ],
        "regress-table": [f"data.path={data_dir / 'gasrate_co2.csv'}", 'data.target="CO2%"'],
    }  # fmt: skip
    return load_recipe(name, [*changes.get(name, []), "training.epochs=2"])


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_self_contained(html: str) -> Page:
    """Nothing is loaded from elsewhere: no scripts, no style sheets, pictures inside, and no addresses at all."""
    page = Page()
    page.feed(html)
    html = re.sub(r"data:[^\"')]*", "data:", html)  # the pictures themselves
    assert "<script" not in html.lower()
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?\s*(?:https?:)?//""", html, re.IGNORECASE)
    assert "@import" not in html
    assert not [tag for tag, _ in page.elements if tag in ("script", "iframe", "object", "embed", "base")]
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "data", "srcset", "poster"):
            if name in attributes:
                assert str(attributes[name]).startswith(("data:", "#")), (tag, attributes[name])
    return page


@pytest.mark.parametrize("name", PICTURES)
def test_a_run_folder_is_complete(name: str, data_dir: Path, tmp_path: Path) -> None:
    recipe = small(name, data_dir, tmp_path)
    run = tmp_path / "run"
    result = train(recipe, run)
    there = {re.sub(r"\.[0-9a-f]{8}\.", ".", str(path.relative_to(run))) for path in run.rglob("*") if path.is_file()}
    wanted = WHOLE | EXTRA.get(name, set()) | {f"plots/{picture}.png" for picture in PICTURES[name]}
    assert {file for file in there if "refit" not in file} == {file for file in wanted if "refit" not in file}
    assert ("checkpoint/refit" in wanted) == (run / "checkpoint" / "refit").is_dir()
    for picture in PICTURES[name]:
        assert (run / "plots" / f"{picture}.png").read_bytes().startswith(b"\x89PNG\r\n")

    assert json.loads((run / "result.json").read_text(encoding="utf-8"), parse_constant=pytest.fail) == result
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    if recipe.task in ("classification", "regression"):
        patient = recipe.estimator().patience is not None
        kept_epoch = min(records, key=lambda record: record["validation_loss"]) if patient else records[-1]
        for key in kept_epoch.keys() & result["metrics"].keys():
            assert result["metrics"][key] == kept_epoch[key]

    kept = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    assert (kept["task"], kept["title"], kept["training"]["epochs"]) == (recipe.task, recipe.title, 2)
    config = json.loads((run / "model/config.json").read_text(encoding="utf-8"))
    assert config["network"]["hidden_size"] == result["network"]["hidden_size"]
    assert all(np.isfinite(array).all() for array in load_file(run / "model/model.safetensors").values())

    page = assert_self_contained((run / "report.html").read_text(encoding="utf-8"))
    assert recipe.title in page.text
    assert sum(tag == "img" for tag, _ in page.elements) >= len(PICTURES[name])
    if "sample" in result["metrics"]:
        assert (run / "sample.txt").read_text(encoding="utf-8") == result["metrics"]["sample"] + "\n"

    opened, again, estimator = open_run(run)
    assert opened.folder == run
    assert again.text() == (run / "recipe.toml").read_text(encoding="utf-8")
    for key, value in load_file(run / "model/model.safetensors").items():
        np.testing.assert_array_equal(estimator.network_.parameters[key], value)
    assert type(elman.load(run / "model")) is type(estimator)


def test_what_is_not_self_contained_is_noticed() -> None:
    good = '<html><img src="data:image/png;base64,AAAA"><a href="#top">up</a></html>'
    assert_self_contained(good)
    for bad in (
        '<script>1</script>', '<img src="plots/loss.png">', '<img src="https://a.b/c.png">', '<a onclick="x()">', '<link href="a">',
        '<style>@import "a.css"</style>', '<style>p { background: url("//a.b/c.png") }</style>',
    ):  # fmt: skip
        with pytest.raises(AssertionError):
            assert_self_contained(good + bad)


# Where a training cannot start, or stops ----------------------------------------------------------------------------------------


def test_a_training_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    recipe = load_recipe("classify-sums", ["training.batch_size=0"])
    with pytest.raises(UsageError, match="`batch_size` must be at least 1"):
        train(recipe, tmp_path / "a" / "run")
    assert not (tmp_path / "a" / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".notes").write_text("mine", encoding="utf-8")
    with pytest.raises(Exception, match="run"):
        train(load_recipe("classify-sums"), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".notes"]


def test_a_resumed_training_that_cannot_start_keeps_its_run(tmp_path: Path) -> None:
    quick = ["training.epochs=1", "data.num_samples=40"]
    train(load_recipe("classify-sums", quick), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="`batch_size`"):
        train(load_recipe("classify-sums", [*quick, "training.batch_size=0"]), tmp_path / "run", resume=True)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_series_too_short_for_the_backtest_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("y\n" + "".join(f"{i % 5}\n" for i in range(30)), encoding="utf-8")
    seen: list[int] = []

    class Count(Callback):
        def on_train_begin(self, epochs: int, updates: int, history: Any) -> None:
            seen.append(epochs)

        def on_epoch_end(self, record: dict[str, Any]) -> None: ...

    def run(*settings: str) -> dict[str, Any]:
        basis = [f"data.path={path}", "data.target=y", "training.epochs=1", "data.horizon=4", *settings]
        return train(load_recipe("forecast-table", basis), tmp_path / "run", callbacks=[Count()])

    for settings in (["data.folds=7"], ["data.folds=6"], ["data.folds=2", "data.window=20"]):
        with pytest.raises(
            DataError, match=r"a\.csv: series 'y' has 30 steps; the backtest's \d folds of 4 steps leave \d+, too"
        ):
            run(*settings)
    assert seen == []
    assert not (tmp_path / "run").exists()
    assert run("data.folds=5")["metrics"]["mae"] > 0
    assert seen == [1]


def test_a_loss_that_is_not_finite_keeps_the_run(tmp_path: Path) -> None:
    wild = ["training.optimiser=sgd", "training.learning_rate=1e200", "training.checkpoint_seconds=0"]
    with pytest.raises(NonFiniteError, match="stopped being a finite number in epoch 1"):
        train(load_recipe("sine-to-cosine", wild), tmp_path / "run")
    assert (tmp_path / "run" / "recipe.toml").is_file()
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_resumed_run_keeps_the_recipe_it_was_resumed_with(tmp_path: Path) -> None:
    first, more = (load_recipe("classify-sums", ["data.num_samples=40", f"training.epochs={n}"]) for n in (1, 3))
    train(first, tmp_path / "run")
    assert train(more, tmp_path / "run", resume=True)["epochs"] == 3
    assert (tmp_path / "run" / "recipe.toml").read_text(encoding="utf-8") == more.text()
    assert (
        train(more, tmp_path / "whole")["metrics"] == json.loads((tmp_path / "run/result.json").read_text())["metrics"]
    )


def test_a_finished_run_that_is_trained_on_and_stopped_while_it_is_written_is_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old result must not stand beside the new model."""

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    quick, run = ["data.num_samples=40"], tmp_path / "run"
    train(load_recipe("classify-sums", [*quick, "training.epochs=2"]), run)
    more = load_recipe("classify-sums", [*quick, "training.epochs=3"])
    with monkeypatch.context() as patch:
        patch.setattr(run_files, "write_report", stop)
        with pytest.raises(InterruptedTraining):
            train(more, run, resume=True)
    assert not Run(run).has_result()
    with pytest.raises(RunError, match="the training did not finish"):
        open_run(run)
    assert train(more, run, resume=True)["epochs"] == 3
    open_run(run)


def test_a_resume_without_a_checkpoint_trains_what_it_was_given_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text('task = "language"\n', encoding="utf-8")
    recipe = load_recipe("classify-sums", ["data.num_samples=40", "training.epochs=1"])
    train(recipe, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "recipe.toml").read_text(encoding="utf-8") == recipe.text()


# Naming the file in complaints --------------------------------------------------------------------------------------------------


def complaint(error: Exception, path: str | None, step: str = "") -> str:
    with pytest.raises(type(error)) as caught, naming_file(path, step):
        raise error
    return str(caught.value)


def test_complaints_about_data_name_the_file_once() -> None:
    assert complaint(DataError("too short"), "a.csv") == "a.csv: too short"
    assert complaint(DataError("too short."), "a.csv", "Bring more") == "a.csv: too short. Bring more"
    assert complaint(DataError("a.csv, line 3: a word"), "a.csv", "Bring more") == "a.csv, line 3: a word"
    assert complaint(DataError("too short"), None, "Bring more") == "too short"
    assert complaint(UsageError("too wide"), "a.csv", "Bring more") == "too wide"


# Pictures of times --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "steps"),
    [
        ("M", 50),
        ("M", 63),
        ("M", 24),
        ("M", 9),
        ("D", 5),
        ("D", 40),
        ("D", 75),
        ("D", 400),
        ("h", 30),
        ("m", 100),
        ("s", 100),
    ],
)
def test_any_stretch_of_time_has_ticks_and_no_warning(unit: str, steps: int) -> None:
    times = (np.array(["2000-01-01"], dtype=f"datetime64[{unit}]") + np.arange(steps + 3)).astype("datetime64[us]")
    figure = plots.forecast(
        times[:steps],
        np.sin(np.arange(steps)),
        times[steps:],
        np.zeros(3),
        None,
        None,
        backtest=[],
        title="t",
        y_label="y",
    )
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    inside = [t for t in axis.get_majorticklocs() if axis.get_view_interval()[0] <= t <= axis.get_view_interval()[1]]
    assert 2 <= len(inside) <= 12
