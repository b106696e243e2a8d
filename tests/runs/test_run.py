"""The run folder: what is made, what is refused, and what survives a kill or a full disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import RunError, UsageError
from elman.runs.run import Run, default_folder, to_json, write_atomically

RECIPE = 'task = "regression"\n'


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def finish(run: Run) -> Run:
    """Give a run a model and a result, as a whole training would."""
    run.model_path.mkdir()
    (run.model_path / "config.json").write_text("{}")
    (run.model_path / "model.safetensors").write_bytes(b"\0" * 16)
    run.write_result({"metrics": {"train_loss": 0.5}})
    return run


def refuse(number: int):
    """A stand-in for a system call that fails with an error number."""

    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


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
    monkeypatch.setattr(call, refuse(number))
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
    assert Run.open(str(tmp_path)).result() == {"metrics": {"train_loss": 0.5}}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: run.recipe_path.unlink(), "has no recipe.toml, so it is no run folder, or one half-written"),
        (lambda run: run.result_path.unlink(), "has no result.json: the training did not finish. Finish it with"),
        (
            lambda run: run.result_path.write_text('{"metrics": {"train'),
            "result.json: torn or not JSON.*Finish it with",
        ),
        (lambda run: run.result_path.write_text("[1]"), "result.json: torn or not JSON .not a JSON object"),
        (lambda run: run.result_path.write_text('{"a": NaN}'), "result.json: torn or not JSON .NaN is not JSON"),
        (lambda run: run.result_path.write_bytes(b"\xff\xfe{"), "result.json: torn or not JSON"),
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
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse(errno.EACCES))
    with pytest.raises(RunError, match=r"cannot read this \(Permission denied\). Check the path and its permissions\."):
        Run.open(run.folder)


def test_a_recipe_in_another_encoding(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.recipe_path.write_bytes(b"task = \xe9")
    with pytest.raises(RunError, match=r"recipe.toml: not UTF-8 at byte 7. Save it as UTF-8"):
        run.recipe_text()


# Metrics ------------------------------------------------------------------------------------------------------------------------


def test_metrics_come_back_in_order_and_without_nan(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    assert run.metrics() == []
    run.append_metrics({"epoch": 1, "train_loss": np.float32(0.5), "validation_loss": float("nan")})
    run.append_metrics({"epoch": 2, "train_loss": float("inf")})
    assert run.metrics() == [
        {"epoch": 1, "train_loss": 0.5, "validation_loss": None},
        {"epoch": 2, "train_loss": None},
    ]
    assert "NaN" not in run.metrics_path.read_text() and "Infinity" not in run.metrics_path.read_text()


@pytest.mark.parametrize(
    "torn", [b'{"epoch": 3, "tra', b'{"epoch": 3, "tra\n', b"\x00" * 40, b'{"epoch": 3, "name": "\xc3']
)
def test_a_torn_last_line_is_left_out_and_the_next_one_starts_fresh(tmp_path, torn):
    run = Run.create(tmp_path, RECIPE)
    for epoch in (1, 2):
        run.append_metrics({"epoch": epoch})
    with open(run.metrics_path, "ab") as file:
        file.write(torn)
    assert [record["epoch"] for record in run.metrics()] == [1, 2]
    if not torn.endswith(b"\n"):
        run.append_metrics({"epoch": 3})
        assert run.metrics_path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n'


def test_a_last_line_that_lacks_only_its_newline_is_kept(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.metrics_path.write_bytes(b'{"epoch": 1}')
    run.append_metrics({"epoch": 2})
    assert [record["epoch"] for record in run.metrics()] == [1, 2]


def test_a_damaged_line_before_the_last_is_named(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.metrics_path.write_bytes(b'{"epoch": 1}\nnonsense\n{"epoch": 3}\n')
    with pytest.raises(RunError, match=r"metrics.jsonl, line 2: not a JSON object .*elman train .* --out ANOTHER"):
        run.metrics()


@given(epochs=st.integers(0, 6), torn=st.sampled_from([b"", b'{"epoch": 6, "tr', b"\x00"]))
def test_truncating_and_going_on_gives_the_bytes_of_an_unbroken_run(tmp_path_factory, epochs, torn):
    records = [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in range(1, 7)]
    unbroken = Run.create(tmp_path_factory.mktemp("run") / "unbroken", RECIPE)
    broken = Run.create(unbroken.folder.parent / "broken", RECIPE)
    for record in records:
        unbroken.append_metrics(record)
    for record in records[:5]:
        broken.append_metrics(record)
    with open(broken.metrics_path, "ab") as file:
        file.write(torn)
    epochs = min(epochs, 5)
    broken.truncate_metrics(epochs)
    assert [record["epoch"] for record in broken.metrics()] == list(range(1, epochs + 1))
    for record in records[epochs:]:
        broken.append_metrics(record)
    assert broken.metrics_path.read_bytes() == unbroken.metrics_path.read_bytes()


def test_truncating_without_metrics_makes_none(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.truncate_metrics(3)
    assert not run.metrics_path.exists()


def test_truncating_needs_the_epoch_of_every_line(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.append_metrics({"epoch": 1})
    run.append_metrics({"loss": 1})
    with pytest.raises(RunError, match=r"metrics.jsonl, line 2: has no whole number `epoch`"):
        run.truncate_metrics(1)


def test_a_full_disk_while_adding_metrics(tmp_path, monkeypatch):
    run = Run.create(tmp_path, RECIPE)
    monkeypatch.setattr("builtins.open", refuse(errno.ENOSPC))
    with pytest.raises(RunError, match=r"metrics.jsonl: cannot write this \(No space left on device\)"):
        run.append_metrics({"epoch": 1})


# Results and atomic writing -----------------------------------------------------------------------------------------------------


def test_a_result_is_strict_json_with_plain_values(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.write_result({"run": tmp_path, "nan": np.float64("nan"), "list": [np.int64(3), (1.5, -np.inf)], 1: np.eye(2)})
    assert json.loads(run.result_path.read_text(), parse_constant=pytest.fail) == run.result()
    assert run.result() == {
        "run": str(tmp_path),
        "nan": None,
        "list": [3, [1.5, None]],
        "1": [[1.0, 0.0], [0.0, 1.0]],
    }


def test_to_json_keeps_what_is_plain():
    assert to_json({"a": [True, None, 2, 0.5, "ü"]}) == {"a": [True, None, 2, 0.5, "ü"]}


@pytest.mark.parametrize("call", ["os.replace", "os.fsync"])
def test_a_failed_write_keeps_the_old_content_and_leaves_no_temporary_file(tmp_path, monkeypatch, call):
    write_atomically(tmp_path / "f.txt", "old")
    monkeypatch.setattr(call, refuse(errno.ENOSPC))
    with pytest.raises(RunError, match="f.txt: cannot write this .No space left on device"):
        write_atomically(tmp_path / "f.txt", "new")
    assert tree(tmp_path) == {"f.txt": b"old"}


def test_bytes_and_text_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "a", b"\x00\r\n")
    write_atomically(str(tmp_path / "b"), "é\n")
    assert tree(tmp_path) == {"a": b"\x00\r\n", "b": "é\n".encode()}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_reader_never_sees_half_a_file_and_a_kill_leaves_a_whole_one(tmp_path):
    path = tmp_path / "f"
    code = (
        "import itertools, sys; from elman.runs.run import write_atomically\n"
        "for n in itertools.count(): write_atomically(sys.argv[1], bytes([65 + n % 2]) * 300_000)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment) as writer:
        try:
            while not path.exists() and writer.poll() is None:
                time.sleep(0.005)
            for _ in range(30):
                assert path.read_bytes() in (b"A" * 300_000, b"B" * 300_000)
        finally:
            writer.kill()
    assert path.read_bytes() in (b"A" * 300_000, b"B" * 300_000)


# Default folders ----------------------------------------------------------------------------------------------------------------


def test_the_first_free_folder(tmp_path):
    assert default_folder("sine-online") == Path("runs/sine-online")
    assert default_folder("sine-online", tmp_path) == tmp_path / "sine-online"
    (tmp_path / "sine-online").mkdir()
    assert default_folder("sine-online", tmp_path) == tmp_path / "sine-online-2"
    (tmp_path / "sine-online-2").write_text("a file takes the name too")
    assert default_folder("sine-online", tmp_path) == tmp_path / "sine-online-3"
    assert not (tmp_path / "sine-online-3").exists()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("my/own recipe.toml", "own-recipe"),
        (r"C:\me\x.toml", "x"),
        ("../..", "run"),
        ("größe", "größe"),
        ("a:b*c", "a-b-c"),
    ],
)
def test_any_recipe_name_gives_one_folder_in_the_base(name, folder, tmp_path):
    assert default_folder(name, tmp_path) == tmp_path / folder
