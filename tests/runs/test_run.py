"""The run folder: what is made, what is refused, and what survives a kill or a full disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.files.trees import refusing, tree
from tests.runs.finished import finish

from elman.errors import RunError, UsageError
from elman.files import FORMAT
from elman.runs.run import Run

RECIPE = 'task = "regression"\n'


# Starting and going on ----------------------------------------------------------------------------------------------------------


def test_create_makes_the_folder_with_its_parents_and_the_recipe(tmp_path):
    run = Run.create(tmp_path / "a" / "b", RECIPE)
    assert tree(tmp_path) == {"a/b/recipe.toml": RECIPE.encode()}
    assert run.recipe_text() == RECIPE


def test_create_takes_an_empty_folder(tmp_path):
    assert Run.create(tmp_path, RECIPE).recipe_path.exists()


def test_paths_are_those_of_the_design(tmp_path):
    run = Run(tmp_path)
    paths = (run.recipe_path, run.metrics_path, run.model_path, run.checkpoint_path, run.plots_path, run.report_path)
    names = [path.name for path in (*paths, run.result_path, run.sample_path)]
    assert names == [
        "recipe.toml",
        "metrics.jsonl",
        "model",
        "checkpoint",
        "plots",
        "report.html",
        "result.json",
        "sample.txt",
    ]
    assert {path.parent for path in paths} == {tmp_path}


def test_resume_returns_the_run_and_keeps_its_recipe(tmp_path):
    Run.create(tmp_path / "r", RECIPE)
    (tmp_path / "r" / ".metrics.jsonl.00.elman-tmp").write_text("left by a kill")
    run = Run.create(tmp_path / "r", 'task = "language"\n', resume=True)
    assert tree(run.folder) == {"recipe.toml": RECIPE.encode()}


def test_a_kill_before_the_recipe_was_in_place_leaves_a_folder_that_can_be_used(tmp_path):
    (tmp_path / ".recipe.toml.00.elman-tmp").write_text("half")
    Run.create(tmp_path, RECIPE)
    assert list(tree(tmp_path)) == ["recipe.toml"]


def test_force_starts_a_run_over_and_keeps_other_files(tmp_path):
    run = finish(Run.create(tmp_path / "r", RECIPE))
    run.append_metrics({"epoch": 1})
    run.plots_path.mkdir()
    (run.folder / "my notes.txt").write_text("mine")
    Run.create(run.folder, 'task = "language"\n', force=True)
    assert tree(run.folder) == {"my notes.txt": b"mine", "recipe.toml": b'task = "language"\n'}


def test_force_and_resume_exclude_each_other(tmp_path):
    with pytest.raises(UsageError, match="`resume` goes on with a run and `force` starts it over"):
        Run.create(tmp_path / "r", RECIPE, resume=True, force=True)
    assert not (tmp_path / "r").exists()


def is_a_run(folder: Path) -> None:
    Run.create(folder, RECIPE).append_metrics({"epoch": 1})


def is_foreign(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("ten years of work")
    (folder / "zebra.png").write_bytes(b"z")


def is_a_file(folder: Path) -> None:
    folder.write_text("a file")


def is_below_a_file(folder: Path) -> None:
    folder.parent.rmdir()
    folder.parent.write_text("a file")


def is_empty(folder: Path) -> None:
    folder.mkdir()


def is_missing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("before", "options", "says"),
    [
        (is_a_run, {}, r"exists; choose another --out, or --resume to go on"),
        (is_foreign, {}, r"holds thesis.tex and more, but no recipe.toml: it is no run folder and was not touched"),
        (is_foreign, {"force": True}, r"no run folder and was not touched. Choose another --out"),
        (is_foreign, {"resume": True}, r"no recipe.toml, so it is half-written or no run folder; nothing in it was"),
        (is_a_file, {}, r"a file, not a run folder. Choose another --out"),
        (is_a_file, {"resume": True}, r"a file, not a run folder"),
        (is_below_a_file, {}, r"cannot write this \(.+\). A file stands where a folder is needed"),
        (is_empty, {"resume": True}, r"empty, nothing to go on with. Leave out --resume"),
        (is_missing, {"resume": True}, r"no such folder. There is nothing to go on with; leave out --resume"),
    ],
)
def test_create_refuses_and_touches_nothing(tmp_path, before, options, says):
    folder = tmp_path / "parent" / "r"
    folder.parent.mkdir()
    before(folder)
    existed = tree(tmp_path)
    with pytest.raises(RunError, match=says) as caught:
        Run.create(folder, "another", **options)
    assert str(caught.value).startswith(str(folder))
    assert tree(tmp_path) == existed


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "No space left on device.*Free some space there, or choose another place with --out"),
        (errno.EACCES, "Permission denied.*Choose a folder you may write with --out, or change its permissions"),
        (errno.EROFS, "Read-only file system.*Choose a folder you may write"),
        (errno.EIO, "Input/output error.*Check the path"),
    ],
)
@pytest.mark.parametrize("call", ["pathlib.Path.mkdir", "os.replace"])
def test_a_read_only_or_full_place_is_said_and_left_as_it_was(tmp_path, monkeypatch, number, says, call):
    monkeypatch.setattr(call, refusing(number))
    with pytest.raises(RunError, match=says):
        Run.create(tmp_path / "r", RECIPE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_write_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="Choose a folder you may write"):
            Run.create(tmp_path / "r", RECIPE)
    finally:
        tmp_path.chmod(0o700)


# Opening ------------------------------------------------------------------------------------------------------------------------


def test_open_takes_a_finished_run(tmp_path):
    finish(Run.create(tmp_path, RECIPE))
    assert Run.open(str(tmp_path)).result()["metrics"] == {"train_loss": 0.5}


def torn(run: Run, content: bytes) -> None:
    """A result of Elman 0.1.0, which had no manifest, with this content."""
    (run.folder / "manifest.json").unlink()
    run.result_path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: run.recipe_path.unlink(), "has no recipe.toml, so it is no run folder, or one half-written"),
        (lambda run: run.result_path.unlink(), "has no result.json: the training did not finish. Finish it with"),
        (lambda run: torn(run, b'{"metrics": {"train'), "result.json cannot be read as JSON: .*; finish it with"),
        (lambda run: torn(run, b"[1]"), "result.json cannot be read as JSON: not a JSON object; finish it with"),
        (lambda run: torn(run, b'{"a": NaN}'), "result.json cannot be read as JSON: NaN is not JSON"),
        (lambda run: torn(run, b"\xff\xfe{"), "result.json cannot be read as JSON"),
        (lambda run: (run.model_path / "config.json").unlink(), "model/config.json missing: the training did not"),
        (lambda run: (run.model_path / "model.safetensors").unlink(), "model/model.safetensors missing"),
    ],
)
def test_open_says_what_is_missing_and_how_to_finish(tmp_path, spoil, says):
    run = finish(Run.create(tmp_path / "my runs", RECIPE))
    spoil(run)
    with pytest.raises(RunError, match=says) as caught:
        Run.open(run.folder)
    if "recipe.toml, so" not in says:
        assert f"`elman train '{run.recipe_path}' --out '{run.folder}' --resume`" in str(caught.value)


def test_open_of_a_missing_folder(tmp_path):
    with pytest.raises(RunError, match=r"no such folder. Train one with `elman train RECIPE --out DIR`"):
        Run.open(tmp_path / "nowhere")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    run = finish(Run.create(tmp_path, RECIPE))
    monkeypatch.setattr("pathlib.Path.read_bytes", refusing(errno.EACCES))
    with pytest.raises(RunError, match=r"cannot read this \(Permission denied\). Check the path and its permissions\."):
        Run.open(run.folder)


def test_a_recipe_in_another_encoding(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.recipe_path.write_bytes(b"task = \xe9")
    with pytest.raises(RunError, match=r"recipe.toml: not UTF-8 at byte 7. Save it as UTF-8"):
        run.recipe_text()


# Results ------------------------------------------------------------------------------------------------------------------------


def test_a_result_is_strict_json_with_plain_values(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    written = run.write_result(
        {"run": tmp_path, "nan": np.float64("nan"), "list": [np.int64(3), (1.5, -np.inf)], 1: np.eye(2)}
    )
    assert written == run.result()
    document = {"run": str(tmp_path), "nan": None, "list": [3, [1.5, None]], "1": [[1.0, 0.0], [0.0, 1.0]]}
    assert json.loads(run.result_path.read_text(), parse_constant=pytest.fail) == {"format": FORMAT, **document}
    assert run.result() == {"format": FORMAT, **document}


@pytest.mark.parametrize("name", ["result.json", "manifest.json", "model/manifest.json"])
def test_a_changed_byte_is_refused_by_name(tmp_path, name):
    run = finish(Run.create(tmp_path, RECIPE))
    whole = (tmp_path / name).read_bytes()
    for place in range(0, len(whole), 3):
        (tmp_path / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(
            RunError, match=rf"{name} (was changed after it was written.*; finish it with `|has format 3)"
        ):
            Run.open(run.folder)


def test_a_model_of_another_training_is_refused(tmp_path):
    run, other = finish(Run.create(tmp_path / "a", RECIPE)), finish(Run.create(tmp_path / "b", RECIPE), b"other")
    shutil.rmtree(run.model_path)
    shutil.copytree(other.model_path, run.model_path)
    with pytest.raises(RunError, match="model/manifest.json was changed after it was written"):
        Run.open(run.folder)


def test_what_can_be_drawn_again_may_be_changed_and_removed(tmp_path):
    run = finish(Run.create(tmp_path, RECIPE))
    run.plots_path.mkdir()
    (run.plots_path / "loss.png").write_bytes(b"x")
    run.report_path.write_text("mine")
    run.metrics_path.write_text("")
    Run.open(run.folder)


def test_a_kill_before_the_manifest_leaves_an_unfinished_run(tmp_path):
    run = finish(Run.create(tmp_path, RECIPE))
    (tmp_path / "manifest.json").unlink()
    assert not run.has_result()
    with pytest.raises(
        RunError, match="has no manifest.json: the training did not finish. Finish it with `elman train"
    ):
        Run.open(run.folder)


def test_a_result_is_taken_away_before_what_it_tells_of_is_replaced(tmp_path):
    run = finish(Run.create(tmp_path, RECIPE))
    run.remove_result()
    assert not run.has_result()
    assert "result.json" not in tree(tmp_path) and "manifest.json" not in tree(tmp_path)
    run.remove_result()


def test_a_result_of_0_1_0_is_read_under_the_names_of_today(tmp_path):
    run = finish(Run.create(tmp_path, RECIPE))
    (tmp_path / "manifest.json").unlink()
    run.result_path.write_text('{"metrics": {"train_loss": 1.0, "valid_loss": 2.0, "valid_accuracy": 0.5}}')
    assert Run.open(tmp_path).result()["metrics"] == {
        "train_loss": 1.0, "validation_loss": 2.0, "validation_accuracy": 0.5,
    }  # fmt: skip
