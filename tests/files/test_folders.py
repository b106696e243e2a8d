"""Folders: what is written is what is read, and what was changed, lost or added since is named."""

from __future__ import annotations

import errno
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.files.trees import refusing, tree

from elman.errors import FolderWarning, RunError
from elman.files import MANIFEST, FolderReader, open_folder, reading, replace_folder

LABEL = "config.json"
CONFIG = '{"format": 2, "elman": "0.1.0"}'
WEIGHTS = bytes(range(200))


def save(folder: Path, weights: bytes = WEIGHTS) -> Path:
    """A folder with two files and a folder inside that has a manifest of its own."""
    with replace_folder(folder, LABEL) as files:
        files.write("config.json", CONFIG)
        files.write("weights/all.bin", weights)
        inner = files.inside("models/000000")
        inner.write("config.json", CONFIG)
        inner.write("b.bin", weights[::-1])
    return folder


def read_all(folder: Path) -> None:
    reader = open_folder(folder)
    for name in ("config.json", "weights/all.bin"):
        reader.read(name)
    inner = reader.inside("models/000000")
    for name in ("config.json", "b.bin"):
        inner.read(name)


FILES = [
    "config.json", "manifest.json", "models/000000/b.bin", "models/000000/config.json", "models/000000/manifest.json",
    "weights/all.bin",
]  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    reader = open_folder(str(save(tmp_path / "deep" / "m")))
    assert reader.format == 2
    assert reader.read("weights/all.bin") == WEIGHTS
    assert reader.read_json("config.json") == json.loads(CONFIG)
    assert reader.inside("models/000000").read("b.bin") == WEIGHTS[::-1]
    assert "config.json" in reader and "other" not in reader
    assert list(tree(tmp_path / "deep" / "m")) == FILES
    assert os.listdir(tmp_path / "deep") == ["m"]


def test_a_folder_inside_can_be_opened_by_itself(tmp_path: Path) -> None:
    assert open_folder(save(tmp_path / "m") / "models" / "000000").read("b.bin") == WEIGHTS[::-1]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert tree(save(tmp_path / "a")) == tree(save(tmp_path / "b"))


@pytest.mark.parametrize("name", FILES)
def test_every_changed_byte_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = save(tmp_path / "m")
    whole = (folder / name).read_bytes()
    for place in range(len(whole)):
        (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(
            RunError, match=rf"{name} (was changed after it was written: |was changed after|has format 3)"
        ):
            read_all(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_shortened_file_is_refused_by_name(tmp_path: Path, name: str, share: float) -> None:
    folder = save(tmp_path / "m")
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RunError, match=f"{name} was changed after it was written"):
        read_all(folder)


def test_the_message_says_what_changed_and_what_to_do(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    (folder / "weights" / "all.bin").write_bytes(b"xx")
    with pytest.raises(RunError) as caught:
        read_all(folder)
    assert str(caught.value) == (
        f"{folder}/weights/all.bin was changed after it was written: it has 2 bytes, manifest.json says 200; "
        "copy the folder again, or train again"
    )


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = save(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(RunError, match=f"{os.path.basename(name)} is missing"):
        read_all(folder)


def test_several_missing_files_are_named_together(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    shutil.rmtree(folder / "weights")
    shutil.rmtree(folder / "models")
    with pytest.raises(
        RunError,
        match=r"is not a whole model: models/000000/manifest.json and weights/all.bin are missing; copy the folder",
    ):
        open_folder(folder)


def test_a_folder_inside_that_was_exchanged_for_another_whole_one_is_refused(tmp_path: Path) -> None:
    folder, other = save(tmp_path / "m"), save(tmp_path / "n", bytes(200))
    shutil.rmtree(folder / "models" / "000000")
    shutil.copytree(other / "models" / "000000", folder / "models" / "000000")
    with pytest.raises(RunError, match="models/000000/manifest.json was changed after it was written"):
        read_all(folder)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["notes.txt"], "notes.txt is not in manifest.json and was not read"),
        (["models/000001/b.bin", "z"], "models/000001/b.bin and z are not in manifest.json and were not read"),
        (["models/stray"], "models/stray is not in"),
        (["a", "b", "c", "d", "e"], "a and b and c and 2 more are not in"),
    ],
)
def test_extra_files_are_named_and_not_read(tmp_path: Path, extra: list[str], says: str) -> None:
    folder = save(tmp_path / "m")
    for name in extra:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    with pytest.warns(FolderWarning, match=says):
        reader = open_folder(folder)
    with pytest.raises(RunError, match=f"{extra[0]} is missing"):
        reader.read(extra[0])


def test_an_extra_file_in_a_folder_inside_is_named_when_that_is_opened(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    (folder / "models" / "000000" / "x").write_text("x")
    reader = open_folder(folder)
    with pytest.warns(FolderWarning, match="000000: x is not in"):
        reader.inside("models/000000")


def test_what_systems_and_editors_leave_is_no_extra_file(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    (folder / ".DS_Store").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    read_all(folder)


def test_a_remark_comes_once_in_a_process(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    (folder / "x").write_text("x")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            open_folder(folder)
    assert len(caught) == 1


@pytest.mark.parametrize("bytes_from", [1, 1 << 20])
def test_a_file_is_checked_while_a_library_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_from: int
) -> None:
    monkeypatch.setattr(reading, "THREAD_BYTES", bytes_from)
    folder = save(tmp_path / "m")
    with open_folder(folder).checked("weights/all.bin") as path:
        assert path.read_bytes() == WEIGHTS
    (folder / "weights" / "all.bin").write_bytes(WEIGHTS[::-1])
    with pytest.raises(RunError, match="all.bin was changed after it was written: its SHA-256 begins with"):
        read_as_a_library(folder)
    with pytest.raises(RunError, match="all.bin was changed after it was written"):
        read_as_a_library(folder, ValueError("what a library says of a damaged file"))
    (folder / "weights" / "all.bin").write_bytes(b"")
    with pytest.raises(RunError, match="all.bin was changed after it was written: it has 0 bytes"):
        read_as_a_library(folder)
    (folder / "weights" / "all.bin").write_bytes(WEIGHTS)
    with pytest.raises(ValueError, match="what a library says"):
        read_as_a_library(folder, ValueError("what a library says of a whole file"))


def read_as_a_library(folder: Path, error: Exception | None = None) -> None:
    with open_folder(folder).checked("weights/all.bin"):
        if error is not None:
            raise error


# Without a manifest


def without_manifest(folder: Path, label: str) -> Path:
    folder.mkdir()
    (folder / LABEL).write_text(label)
    (folder / "b.bin").write_bytes(b"b")
    return folder


def test_format_1_opens_with_a_remark(tmp_path: Path) -> None:
    folder = without_manifest(tmp_path / "m", '{"format": 1, "elman": "0.1.0"}')
    with pytest.warns(
        FolderWarning, match=r"m was written by Elman 0.1.0 in format 1, which has no checksums: .* save it again"
    ):
        reader = open_folder(folder)
    assert reader.format == 1
    assert reader.read("b.bin") == b"b"
    with reader.checked("b.bin") as path:
        assert path == folder / "b.bin"
    assert "b.bin" in reader and "c.bin" not in reader
    with pytest.raises(RunError, match="c.bin is missing"):
        reader.read("c.bin")


def test_a_folder_inside_one_of_format_1_gives_no_second_remark(tmp_path: Path) -> None:
    folder = without_manifest(tmp_path / "m", '{"format": 1}')
    without_manifest(folder / "inner", '{"format": 1}')
    with pytest.warns(FolderWarning) as caught:
        inner = open_folder(folder).inside("inner")
    assert len(caught) == 1
    assert inner.read("b.bin") == b"b"


def test_a_folder_of_format_2_that_lost_its_manifest_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    (folder / MANIFEST).unlink()
    with pytest.raises(
        RunError, match="is not a whole model: manifest.json is missing, which names its files; copy the"
    ):
        open_folder(folder)


@pytest.mark.parametrize("written", ["99", "true", '"1"', "null", "[]"])
def test_another_format_names_the_version_that_wrote_it(tmp_path: Path, written: str) -> None:
    folder = without_manifest(tmp_path / "m", f'{{"format": {written}, "elman": "12.3"}}')
    with pytest.raises(RunError, match=r"this Elman reads formats 1 and 2; it was written by Elman 12\.3: install"):
        open_folder(folder)


@pytest.mark.parametrize("spoil", [lambda f: f.rename(f.with_name("x")), lambda f: (f / LABEL).unlink()])
def test_no_folder_and_no_label(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    folder = without_manifest(tmp_path / "m", "{}")
    spoil(folder)
    with pytest.raises(RunError, match="m is not a whole thing: config.json is missing"):
        open_folder(folder, what="thing")


def test_a_label_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"config.json cannot be read as JSON: Expecting value"):
        open_folder(without_manifest(tmp_path / "m", "x"))


# Replacing


def test_replacing_leaves_nothing_of_the_old_folder(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    (folder / "stale").write_text("old")
    save(folder, b"new")
    assert list(tree(folder)) == FILES
    assert open_folder(folder).read("weights/all.bin") == b"new"
    assert os.listdir(tmp_path) == ["m"]


def test_an_empty_folder_and_one_of_format_1_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    read_all(save(tmp_path / "empty"))
    read_all(save(without_manifest(tmp_path / "old", "{}")))


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    (tmp_path / "zebra").write_text("z")
    with pytest.raises(
        RunError, match="holds thesis.tex and more, but no config.json: it is not one of Elman's folders"
    ):
        save(tmp_path)
    assert list(tree(tmp_path)) == ["thesis.tex", "zebra"]


def test_a_file_in_the_way_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file")
    with pytest.raises(RunError, match="m: a file, not a folder. Choose another place"):
        save(tmp_path / "m")
    with pytest.raises(
        RunError, match="cannot write this .* A file stands where a folder is needed; choose another place"
    ):
        save(tmp_path / "m" / "n")
    assert tree(tmp_path) == {"m": b"a file"}


@pytest.mark.parametrize("call", ["os.replace", "os.fsync", "pathlib.Path.write_bytes"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_failure_on_the_way_leaves_the_old_folder_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    folder = save(tmp_path / "m")
    before = tree(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(call, refusing(number))
        with pytest.raises(RunError, match=rf"m: cannot write this .{os.strerror(number)}"):
            save(folder, b"new")
    assert tree(tmp_path) == before


def test_an_error_of_the_writer_leaves_the_old_folder_whole(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    before = tree(tmp_path)
    with pytest.raises(TypeError), replace_folder(folder, LABEL) as files:
        files.write("config.json", None)
    assert tree(tmp_path) == before


def test_a_stop_between_the_two_renames_is_told_and_the_next_save_mends_it(tmp_path: Path) -> None:
    folder = save(tmp_path / "m")
    folder.rename(tmp_path / ".m-old")
    with pytest.raises(
        RunError, match=r"was being replaced when that was stopped; the model before it is in .*\.m-old: rename"
    ):
        open_folder(folder)
    save(folder, b"new")
    assert open_folder(folder).read("weights/all.bin") == b"new"
    assert os.listdir(tmp_path) == ["m"]


def test_a_folder_is_saved_by_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path("m"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    save(Path("../n"))
    assert sorted(os.listdir(tmp_path)) == ["here", "m", "n"]


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="is no name of a file inside the folder"),
        replace_folder(tmp_path / "m", LABEL) as files,
    ):
        files.write("../x", "x")
    assert os.listdir(tmp_path) == []


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader: FolderReader = open_folder(save(tmp_path / "m"))
    monkeypatch.setattr("pathlib.Path.read_bytes", refusing(errno.EACCES))
    with pytest.raises(RunError, match=r"config.json: cannot read this \(Permission denied\)"):
        reader.read("config.json")
    with pytest.raises(RunError, match=r"manifest.json: cannot read this \(Permission denied\)"):
        open_folder(tmp_path / "m")
