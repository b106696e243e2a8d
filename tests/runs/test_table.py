"""The table of runs: states, the number that speaks for a run, and text."""

from __future__ import annotations

import os

import pytest
from tests.runs.finished import finished

from elman.errors import RunError
from elman.runs.run import Run
from elman.runs.table import HEADER, in_time, rows, runs_in

RECIPE = 'task = "classification"\n[network]\ncell = "gru"\n'
RESULT = {
    "task": "classification",
    "recipe": "classify-sums",
    "engine": "reference",
    "seconds": 12.3,
    "epochs": 20,
    "metrics": {"train_loss": 0.1, "train_accuracy": 0.94, "validation_accuracy": 0.9},
    "network": {"cell": "elman", "hidden_size": 32},
}


@pytest.fixture
def done(tmp_path):
    return make_done(tmp_path / "done")


def make_done(folder, result=RESULT):
    return finished(folder, RECIPE, result)


def one(folder):
    (summary,) = runs_in(folder)
    return summary


def test_a_finished_run_as_a_row(done, tmp_path):
    header, lines = rows(runs_in(tmp_path))
    assert header == HEADER
    assert lines == [
        ["done", "classification", "elman", "reference", "20", "accuracy", "94.0 %", "90.0 %", "12 s", "done"]
    ]


def test_a_run_may_be_named_itself(done):
    assert one(done.folder).name == "done"


def test_an_unfinished_run_shows_how_far_it_came(tmp_path):
    run = Run.create(tmp_path / "half", RECIPE)
    for epoch in (1, 2):
        run.append_metrics({"epoch": epoch, "train_accuracy": 0.5 + epoch / 10})
    with open(run.metrics_path, "ab") as file:
        file.write(b'{"epo')
    summary = one(tmp_path)
    assert (summary.state, summary.epochs, summary.cell, summary.train, summary.held_out) == (
        "unfinished",
        2,
        "gru",
        0.7,
        None,
    )
    assert rows([summary])[1] == [
        ["half", "classification", "gru", "–", "2", "accuracy", "70.0 %", "–", "–", "unfinished"]
    ]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda run: run.result_path.write_text('{"task'), "result.json is torn or was changed"),
        (lambda run: (run.model_path / "manifest.json").write_text("{}"), "model was changed"),
        (lambda run: (run.model_path / "config.json").unlink(), "model missing"),
        (lambda run: run.recipe_path.unlink(), "no recipe.toml"),
        (lambda run: run.recipe_path.write_text("task = "), "recipe.toml cannot be read"),
        (lambda run: run.recipe_path.write_bytes(b"\xff"), "recipe.toml cannot be read"),
        (lambda run: (run.result_path.unlink(), run.metrics_path.write_text("x\n{}\n")), "metrics.jsonl is damaged"),
    ],
)
def test_a_broken_run_is_listed_beside_the_others(tmp_path, done, spoil, problem):
    broken = make_done(tmp_path / "broken")
    spoil(broken)
    states = {summary.name: (summary.state, summary.problem) for summary in runs_in(tmp_path)}
    assert states == {"done": ("done", ""), "broken": ("broken", problem)}
    assert rows(runs_in(broken.folder))[1][0][-1] == f"broken: {problem}"


@pytest.mark.parametrize(
    "result",
    [{}, {"metrics": None, "epochs": "many", "network": []}, {"metrics": {"train_loss": None, "validation_loss": "x"}}],
)
def test_a_result_of_another_shape_does_not_raise(tmp_path, result):
    make_done(tmp_path / "odd", result)
    assert rows(runs_in(tmp_path))[1] == [["odd", "classification", "gru", "–", "–", "–", "–", "–", "–", "done"]]


def test_the_last_changed_comes_first(tmp_path):
    for age, name in enumerate(["new", "middle", "old"]):
        run = make_done(tmp_path / name)
        for path in (run.recipe_path, run.result_path):
            os.utime(path, (1e9 - age, 1e9 - age))
    assert [summary.name for summary in runs_in(tmp_path)] == ["new", "middle", "old"]
    os.utime(tmp_path / "old" / "result.json", (2e9, 2e9))
    assert [summary.name for summary in runs_in(tmp_path)] == ["old", "new", "middle"]


def test_other_folders_and_files_are_left_out(tmp_path, done):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "pictures").mkdir()
    assert [summary.name for summary in runs_in(tmp_path)] == ["done"]


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(
        RunError, match=r"nowhere: cannot list the runs here \(No such file.*Train one with `elman train"
    ):
        runs_in(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0042, "4.2 ms"),
        (0.42, "0.42 s"),
        (9.97, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations_as_text(seconds, text):
    assert in_time(seconds) == text
